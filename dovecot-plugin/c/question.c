/* Puts what Dovecot is about to do into a question for Rust. */

#include "mount-guard.h"
#include "ioloop.h"

static const struct {
	const char *driver;
	enum mount_guard_format format;
} formats[] = {
	{ "mdbox", MOUNT_GUARD_MDBOX },
	{ "sdbox", MOUNT_GUARD_SDBOX },
	{ "dbox", MOUNT_GUARD_SDBOX },
	{ "maildir", MOUNT_GUARD_MAILDIR },
	{ "mbox", MOUNT_GUARD_MBOX },
};

static enum mount_guard_format format_of(struct mailbox_list *list)
{
	struct mail_storage *storage = list->ns->storage;
	unsigned int i;

	for (i = 0; storage != NULL && i < N_ELEMENTS(formats); i++) {
		if (strcmp(storage->name, formats[i].driver) == 0)
			return formats[i].format;
	}
	return MOUNT_GUARD_OTHER;
}

static void fill_question(struct mount_guard_question *question, struct mailbox_list *list,
			  enum mount_guard_moment moment)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);

	i_zero(question);
	question->guard = mount_guard_user_context(list->ns->user)->guard;
	question->moment = moment;
	question->format = format_of(list);
	question->now = (uint64_t)ioloop_timeval.tv_sec * 1000000 + ioloop_timeval.tv_usec;
	question->places = glist->places;
	question->place_count = glist->place_count;
}

static bool permits(struct mail_user *user, const struct mount_guard_result *result)
{
	bool permitted = result->answer == MOUNT_GUARD_PERMITTED;

	if (result->log[0] == '\0')
		return permitted;
	/* mode "log": what would have been refused went on. */
	if (permitted)
		e_warning(user->event, "mount_guard: %s", result->log);
	else
		e_error(user->event, "mount_guard: %s", result->log);
	return permitted;
}

bool mount_guard_asks(struct mailbox_list *list, enum mount_guard_moment moment, const char **client_r)
{
	struct mount_guard_question question;
	struct mount_guard_result result;

	fill_question(&question, list, moment);
	i_zero(&result);
	mount_guard_judge(&question, &result);
	if (permits(list->ns->user, &result))
		return TRUE;
	*client_r = t_strdup(result.client);
	return FALSE;
}
