/* Puts what Dovecot is about to do into a question for Rust, and a refusal into Dovecot's error.

   The error is always MAIL_ERROR_TEMP: deliveries take any other one for permanent, and would put the mail
   elsewhere. The text begins with the IMAP response code, see words.rs. */

#include "mount-guard.h"
#include "ioloop.h"

/* The roots of a list, and the mailbox's own directories: a mountpoint may lie between the two. */
#define PLACES_MAX (MOUNT_GUARD_ROOTS_MAX + 2)

struct asked {
	struct mount_guard_question question;
	struct mount_guard_result result;
	struct mount_guard_place places[PLACES_MAX];
};

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

enum mount_guard_format mount_guard_format(const struct mail_storage *storage)
{
	unsigned int i;

	for (i = 0; storage != NULL && i < N_ELEMENTS(formats); i++) {
		if (strcmp(storage->name, formats[i].driver) == 0)
			return formats[i].format;
	}
	return MOUNT_GUARD_OTHER;
}

bool mount_guard_has_root(struct mailbox_list *list, enum mount_guard_role role)
{
	const struct mount_guard_list *glist = mount_guard_list_context(list);
	unsigned int i;

	for (i = 0; i < glist->root_count; i++) {
		if (glist->roots[i].role == role)
			return TRUE;
	}
	return FALSE;
}

static void begin(struct asked *asked, struct mail_user *user, enum mount_guard_moment moment)
{
	i_zero(asked);
	asked->question.guard = mount_guard_user_context(user)->guard;
	asked->question.moment = moment;
	asked->question.format = MOUNT_GUARD_OTHER;
	asked->question.now = (uint64_t)ioloop_timeval.tv_sec * 1000000 + ioloop_timeval.tv_usec;
	asked->question.places = asked->places;
}

static void add_place(struct asked *asked, enum mount_guard_role role, const char *path)
{
	struct mount_guard_place *place = &asked->places[asked->question.place_count++];

	i_assert(asked->question.place_count <= PLACES_MAX);
	place->role = role;
	place->path = path;
}

static void add_roots(struct asked *asked, struct mailbox_list *list)
{
	const struct mount_guard_list *glist = mount_guard_list_context(list);

	memcpy(asked->places, glist->roots, glist->root_count * sizeof(glist->roots[0]));
	asked->question.place_count = glist->root_count;
	asked->question.format = mount_guard_format(list->ns->storage);
}

/* Only once the mailbox is open are its directories known without looking for them on disk. */
static void add_mailbox(struct asked *asked, struct mailbox *box)
{
	if (box->inbox_any)
		asked->question.flags |= MOUNT_GUARD_FLAG_INBOX;
	if (!box->opened || asked->question.format == MOUNT_GUARD_OTHER)
		return;
	if (box->_path != NULL)
		add_place(asked, box->inbox_any ? MOUNT_GUARD_INBOX : MOUNT_GUARD_MAIL, box->_path);
	if (box->_index_path != NULL)
		add_place(asked, MOUNT_GUARD_INDEX, box->_index_path);
}

/* Logs what is news, and says whether it may go on. */
static bool heed(const struct mount_guard_result *result, struct mail_user *user)
{
	bool permitted = result->answer == MOUNT_GUARD_PERMITTED;

	/* In the mode "log" what would have been refused went on. */
	if (result->log[0] != '\0' && permitted)
		e_warning(user->event, "mount_guard: %s", result->log);
	else if (result->log[0] != '\0')
		e_error(user->event, "mount_guard: %s", result->log);
	return permitted;
}

bool mount_guard_permits_place(struct mail_user *user, enum mount_guard_moment moment,
			       const struct mount_guard_place *place, const char **client_r)
{
	struct asked asked;

	begin(&asked, user, moment);
	add_place(&asked, place->role, place->path);
	mount_guard_judge(&asked.question, &asked.result);
	if (heed(&asked.result, user))
		return TRUE;
	*client_r = t_strdup(asked.result.client);
	return FALSE;
}

bool mount_guard_permits_list(struct mailbox_list *list, enum mount_guard_moment moment)
{
	struct asked asked;

	begin(&asked, list->ns->user, moment);
	add_roots(&asked, list);
	mount_guard_judge(&asked.question, &asked.result);
	if (heed(&asked.result, list->ns->user))
		return TRUE;
	mailbox_list_set_error(list, MAIL_ERROR_TEMP, asked.result.client);
	return FALSE;
}

bool mount_guard_list_would_permit(struct mailbox_list *list, enum mount_guard_moment moment)
{
	struct asked asked;

	begin(&asked, list->ns->user, moment);
	add_roots(&asked, list);
	asked.question.flags |= MOUNT_GUARD_FLAG_QUIET;
	mount_guard_judge(&asked.question, &asked.result);
	return heed(&asked.result, list->ns->user);
}

bool mount_guard_list_pin(struct mailbox_list *list, enum mount_guard_moment moment, uint64_t *permit_r)
{
	struct asked asked;

	begin(&asked, list->ns->user, moment);
	add_roots(&asked, list);
	asked.question.flags |= MOUNT_GUARD_FLAG_QUIET;
	mount_guard_pin(&asked.question, &asked.result);
	*permit_r = asked.result.permit;
	return heed(&asked.result, list->ns->user);
}

static void begin_for_box(struct asked *asked, struct mailbox *box, enum mount_guard_moment moment)
{
	begin(asked, box->storage->user, moment);
	add_roots(asked, box->list);
	add_mailbox(asked, box);
}

bool mount_guard_would_permit(struct mailbox *box, enum mount_guard_moment moment)
{
	struct asked asked;

	begin_for_box(&asked, box, moment);
	asked.question.flags |= MOUNT_GUARD_FLAG_QUIET;
	mount_guard_judge(&asked.question, &asked.result);
	return heed(&asked.result, box->storage->user);
}

bool mount_guard_permits_box(struct mailbox *box, enum mount_guard_moment moment)
{
	struct asked asked;

	begin_for_box(&asked, box, moment);
	mount_guard_judge(&asked.question, &asked.result);
	if (heed(&asked.result, box->storage->user))
		return TRUE;
	mail_storage_set_error(box->storage, MAIL_ERROR_TEMP, asked.result.client);
	return FALSE;
}

void mount_guard_refuse_again(struct mailbox *box, enum mount_guard_moment moment)
{
	if (mount_guard_permits_box(box, moment)) {
		mail_storage_set_error(box->storage, MAIL_ERROR_TEMP,
				       "[UNAVAILABLE] Mail storage has just come back, try again");
	}
}

bool mount_guard_enter(struct mailbox *box, enum mount_guard_moment moment, uint64_t *permit_r)
{
	struct asked asked;

	begin_for_box(&asked, box, moment);
	mount_guard_pin(&asked.question, &asked.result);
	*permit_r = asked.result.permit;
	if (heed(&asked.result, box->storage->user))
		return TRUE;
	mail_storage_set_error(box->storage, MAIL_ERROR_TEMP, asked.result.client);
	return FALSE;
}

bool mount_guard_leave(struct mailbox *box, uint64_t *permit)
{
	struct mount_guard_result result;
	uint64_t ending = *permit;

	*permit = 0;
	if (ending == 0)
		return TRUE;
	i_zero(&result);
	mount_guard_verify(ending, &result);
	if (heed(&result, box->storage->user))
		return TRUE;
	mail_storage_set_error(box->storage, MAIL_ERROR_TEMP, result.client);
	return FALSE;
}
