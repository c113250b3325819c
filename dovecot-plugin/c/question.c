/* Puts what Dovecot is about to do into a question for Rust, and a refusal into Dovecot's error.

   The error is always MAIL_ERROR_TEMP: deliveries take any other one for permanent, and would put the mail
   elsewhere. The text begins with the IMAP response code, see words.rs. */

#include "question.h"
#include "absence.h"
#include "assurance.h"
#include "astray.h"
#include "error.h"
#include "ioloop.h"

/* The roots of a list, and the mailbox's own directories: a mountpoint may lie between the two. And the home. */
#define PLACES_MAX (MOUNT_GUARD_ROOTS_MAX + 3)

/* The result is large and Rust fills it in, so only the rest is cleared for each question. */
struct asked {
	struct mount_guard_question question;
	/* What it is about; NULL where it isn't. The roots of the list are the first of the places. */
	struct mailbox_list *list;
	struct mailbox *box;
	struct mount_guard_place places[PLACES_MAX];
	struct mount_guard_result result;
};

void mount_guard_tell_roots(struct mailbox_list *list)
{
	const struct mount_guard_list *glist = mount_guard_list_context(list);
	const struct mount_guard_user *guser = mount_guard_user_context(list->ns->user);
	unsigned int i;

	for (i = 0; i < glist->root_count; i++)
		mount_guard_tell(guser->guard, mount_guard_turn(), glist->roots[i].path);
}

static void begin(struct asked *asked, struct mail_user *user, enum mount_guard_moment moment)
{
	i_zero(&asked->question);
	asked->question.guard = mount_guard_user_context(user)->guard;
	asked->question.moment = moment;
	asked->question.format = MOUNT_GUARD_OTHER;
	asked->question.now = mount_guard_turn();
	asked->question.places = asked->places;
	asked->list = NULL;
	asked->box = NULL;
	asked->result.answer = MOUNT_GUARD_REFUSED;
	asked->result.permit = asked->result.epoch = asked->result.assurance = 0;
	asked->result.client[0] = asked->result.log[0] = '\0';
}

static void add_place(struct asked *asked, enum mount_guard_role role, const char *path)
{
	struct mount_guard_place *place = &asked->places[asked->question.place_count++];

	i_assert(asked->question.place_count <= PLACES_MAX);
	place->role = role;
	place->path = path;
}

static void begin_for_list(struct asked *asked, struct mailbox_list *list, enum mount_guard_moment moment)
{
	const struct mount_guard_list *glist = mount_guard_list_context(list);
	const struct mount_guard_user *guser = mount_guard_user_context(list->ns->user);
	const char *home;

	begin(asked, list->ns->user, moment);
	asked->list = list;
	asked->question.format = mount_guard_format(list->ns->storage);
	memcpy(asked->places, asked->question.format == MOUNT_GUARD_MDBOX ? glist->storages : glist->roots,
	       glist->root_count * sizeof(glist->roots[0]));
	asked->question.place_count = glist->root_count;
	/* Pigeonhole replicates the scripts in it, and makes a directory for them. */
	if (moment == MOUNT_GUARD_SYNC && mail_user_get_home(list->ns->user, &home) > 0)
		add_place(asked, MOUNT_GUARD_HOME, home);
	/* A mail is saved where the scripts say; where they had gone before they were read it would be kept here. */
	if (moment == MOUNT_GUARD_SAVE && guser->scripts != NULL)
		add_place(asked, MOUNT_GUARD_HOME, guser->scripts);
}

/* Working it out takes Dovecot longer than the rest of a question. */
static const char *own_path(struct mailbox *box, enum mailbox_list_path_type type, const char **known)
{
	const char *path;

	if (box->opened)
		return type == MAILBOX_LIST_PATH_TYPE_MAILBOX ? box->_path : box->_index_path;
	if (*known == NULL && mailbox_list_get_path(box->list, box->name, type, &path) > 0)
		*known = p_strdup(box->list->pool, path);
	return *known;
}

static void begin_for_box(struct asked *asked, struct mailbox *box, enum mount_guard_moment moment)
{
	enum mount_guard_role role = box->inbox_any ? MOUNT_GUARD_INBOX : MOUNT_GUARD_MAIL;
	struct mount_guard_mailbox *gbox = mount_guard_mailbox_context(box);
	const char *path;

	begin_for_list(asked, box->list, moment);
	asked->box = box;
	if (box->inbox_any)
		asked->question.flags |= MOUNT_GUARD_FLAG_INBOX;
	/* LAYOUT=index reads its index to know where a mailbox is, which is what is being asked about. */
	if (asked->question.format == MOUNT_GUARD_OTHER ||
	    (!box->opened && mount_guard_is_layout_index(box->list)))
		return;
	path = own_path(box, MAILBOX_LIST_PATH_TYPE_MAILBOX, &gbox->known->path);
	if (path != NULL)
		add_place(asked, role, path);
	path = own_path(box, MAILBOX_LIST_PATH_TYPE_INDEX, &gbox->known->index_path);
	if (path != NULL && *path != '\0')
		add_place(asked, MOUNT_GUARD_INDEX, path);
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

/* Whether what is open lies elsewhere than what the question is about, though all that is mounted. */
static bool strays(const struct asked *asked)
{
	return asked->list != NULL && mount_guard_strays(asked->list, asked->box, asked->result.epoch);
}

/* The same of the answer to a question. */
static bool settle(struct asked *asked, struct mail_user *user)
{
	uint64_t epoch = asked->result.epoch;

	if (!heed(&asked->result, user))
		return FALSE;
	if (!strays(asked))
		return TRUE;
	/* It may have gone away since the look. */
	mount_guard_look_again(mount_guard_user_context(user), asked->question.now);
	mount_guard_judge(&asked->question, &asked->result);
	if (!heed(&asked->result, user))
		return FALSE;
	if ((asked->result.epoch != epoch && !strays(asked)) || !mount_guard_end_astray(user))
		return TRUE;
	i_strocpy(asked->result.client, MOUNT_GUARD_TRY_AGAIN, sizeof(asked->result.client));
	return FALSE;
}

static bool judge(struct asked *asked, struct mail_user *user)
{
	mount_guard_judge(&asked->question, &asked->result);
	return settle(asked, user);
}

/* To hold a directory takes system calls, to ask about one that was permitted takes none. The storage of mdbox rarely has
   a mountpoint of its own; so it is asked about each time, and held where what is not found is forgotten. */
static bool permits_storage(struct asked *asked, struct mail_user *user)
{
	const struct mount_guard_list *glist;
	size_t place_count = asked->question.place_count;

	if (asked->list == NULL || asked->question.format != MOUNT_GUARD_MDBOX ||
	    asked->question.moment == MOUNT_GUARD_REBUILD)
		return TRUE;
	glist = mount_guard_list_context(asked->list);
	asked->question.place_count = glist->root_count;
	mount_guard_judge(&asked->question, &asked->result);
	asked->question.place_count = place_count;
	if (!heed(&asked->result, user))
		return FALSE;
	asked->result.log[0] = '\0';
	memcpy(asked->places, glist->roots, glist->root_count * sizeof(glist->roots[0]));
	return TRUE;
}

/* Permits, and holds the mounts until the permit is handed back. */
static bool pin(struct asked *asked, struct mail_user *user, uint64_t *permit_r)
{
	*permit_r = 0;
	if (!permits_storage(asked, user))
		return FALSE;
	mount_guard_pin(&asked->question, &asked->result);
	*permit_r = asked->result.permit;
	if (settle(asked, user))
		return TRUE;
	mount_guard_release(*permit_r);
	*permit_r = 0;
	return FALSE;
}

void mount_guard_list_unpin(struct mount_guard_list *glist)
{
	timeout_remove(&glist->to_unpin);
	/* What it was for is done or never began, and nobody is left to tell that a mount vanished meanwhile. Asked here,
	   that would count as told. */
	if (glist->creating != 0)
		mount_guard_release(glist->creating);
	glist->creating = 0;
}

/* What only looks is not pinned. Yet the first look makes the list's index, and nothing of the list is open before that
   would keep a plain umount out; so the mounts are held for the rest of that turn. */
static bool look(struct asked *asked, struct mailbox_list *list)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);

	if (glist->permitted_once || glist->creating != 0)
		return judge(asked, list->ns->user);
	if (!pin(asked, list->ns->user, &glist->creating))
		return FALSE;
	if (glist->creating != 0) {
		glist->permitted_once = TRUE;
		glist->to_unpin = timeout_add_short_to(io_loop_get_root(), 0, mount_guard_list_unpin, glist);
	}
	return TRUE;
}

bool mount_guard_permits_place(struct mail_user *user, enum mount_guard_moment moment,
			       const struct mount_guard_place *place, const char **client_r)
{
	struct asked asked;

	if (mount_guard_is_idle(mount_guard_user_context(user)))
		return TRUE;
	begin(&asked, user, moment);
	add_place(&asked, place->role, place->path);
	if (judge(&asked, user))
		return TRUE;
	*client_r = t_strdup(asked.result.client);
	return FALSE;
}

/* As long as it has no storage, nobody knows what it needs. */
static void remember_list(const struct asked *asked, struct mailbox_list *list)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);

	if (list->ns->storage != NULL)
		mount_guard_remember(&glist->memory, asked->question.moment, asked->result.assurance, glist->user);
}

bool mount_guard_permits_list(struct mailbox_list *list, enum mount_guard_moment moment)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);
	struct asked asked;

	if (mount_guard_remembers(&glist->memory, moment, glist->user))
		return TRUE;
	begin_for_list(&asked, list, moment);
	if (look(&asked, list)) {
		remember_list(&asked, list);
		return TRUE;
	}
	mailbox_list_set_error(list, MAIL_ERROR_TEMP, asked.result.client);
	return FALSE;
}

bool mount_guard_list_would_permit(struct mailbox_list *list, enum mount_guard_moment moment)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);
	struct asked asked;

	if (mount_guard_remembers(&glist->memory, moment, glist->user))
		return TRUE;
	begin_for_list(&asked, list, moment);
	asked.question.flags |= MOUNT_GUARD_FLAG_QUIET;
	if (!look(&asked, list))
		return FALSE;
	remember_list(&asked, list);
	return TRUE;
}

bool mount_guard_list_pin(struct mailbox_list *list, enum mount_guard_moment moment, uint64_t *permit_r)
{
	struct asked asked;

	*permit_r = 0;
	if (mount_guard_is_idle(mount_guard_list_context(list)->user))
		return TRUE;
	begin_for_list(&asked, list, moment);
	asked.question.flags |= MOUNT_GUARD_FLAG_QUIET;
	return pin(&asked, list->ns->user, permit_r);
}

bool mount_guard_list_enter(struct mailbox_list *list, enum mount_guard_moment moment, uint64_t *permit_r)
{
	struct asked asked;

	*permit_r = 0;
	if (mount_guard_is_idle(mount_guard_list_context(list)->user))
		return TRUE;
	begin_for_list(&asked, list, moment);
	if (pin(&asked, list->ns->user, permit_r))
		return TRUE;
	mailbox_list_set_error(list, MAIL_ERROR_TEMP, asked.result.client);
	return FALSE;
}

bool mount_guard_list_leave(struct mailbox_list *list, uint64_t permit)
{
	struct mount_guard_result result;

	if (permit == 0)
		return TRUE;
	result.answer = MOUNT_GUARD_REFUSED;
	mount_guard_verify(permit, &result);
	if (heed(&result, list->ns->user))
		return TRUE;
	mailbox_list_set_error(list, MAIL_ERROR_TEMP, result.client);
	return FALSE;
}

/* What Dovecot takes for deleted is always looked at: it may be back. */
static bool remembers_box(struct mailbox *box, enum mount_guard_moment moment)
{
	struct mount_guard_mailbox *gbox = mount_guard_mailbox_context(box);

	if (!mount_guard_remembers(&gbox->known->memory, moment, gbox->user))
		return FALSE;
	return gbox->user->assurance == MOUNT_GUARD_NOTHING_REGISTERED ||
		(!box->mailbox_deleted && (box->index == NULL || !box->index->index_deleted));
}

static void remember_box(const struct asked *asked, struct mailbox *box)
{
	struct mount_guard_mailbox *gbox = mount_guard_mailbox_context(box);

	mount_guard_remember(&gbox->known->memory, asked->question.moment, asked->result.assurance, gbox->user);
}

void mount_guard_box_opened(struct mailbox *box)
{
	if (mount_guard_is_layout_index(box->list))
		i_zero(&mount_guard_mailbox_context(box)->known->memory);
}

bool mount_guard_would_permit(struct mailbox *box, enum mount_guard_moment moment)
{
	struct asked asked;

	if (remembers_box(box, moment))
		return TRUE;
	begin_for_box(&asked, box, moment);
	asked.question.flags |= MOUNT_GUARD_FLAG_QUIET;
	if (!look(&asked, box->list))
		return FALSE;
	remember_box(&asked, box);
	return TRUE;
}

/* Logs what is news, and leaves a refusal with the mailbox. */
static bool heed_box(const struct mount_guard_result *result, struct mailbox *box)
{
	if (heed(result, box->storage->user))
		return TRUE;
	mount_guard_set_error(box->storage, result->client);
	return FALSE;
}

bool mount_guard_permits_box(struct mailbox *box, enum mount_guard_moment moment)
{
	struct asked asked;

	if (remembers_box(box, moment))
		return TRUE;
	mount_guard_end_absence(box);
	begin_for_box(&asked, box, moment);
	if (look(&asked, box->list)) {
		remember_box(&asked, box);
		return TRUE;
	}
	mount_guard_set_error(box->storage, asked.result.client);
	return FALSE;
}

bool mount_guard_permits_box_now(struct mailbox *box, enum mount_guard_moment moment)
{
	struct mount_guard_user *guser = mount_guard_mailbox_context(box)->user;

	if (mount_guard_is_idle(guser))
		return TRUE;
	mount_guard_look_again(guser, guser->turn);
	return mount_guard_permits_box(box, moment);
}

void mount_guard_try_again(struct mailbox *box)
{
	mount_guard_set_error(box->storage, MOUNT_GUARD_TRY_AGAIN);
}

void mount_guard_refuse_again(struct mailbox *box, enum mount_guard_moment moment)
{
	if (mount_guard_permits_box(box, moment))
		mount_guard_try_again(box);
}

bool mount_guard_stays(struct mailbox *box, uint64_t permit, bool at_once)
{
	struct mount_guard_result result;

	result.answer = MOUNT_GUARD_REFUSED;
	mount_guard_still(permit, mount_guard_turn(), at_once ? 1 : 0, &result);
	return heed_box(&result, box);
}

bool mount_guard_user_stays(struct mail_user *user, uint64_t permit)
{
	struct mount_guard_result result;

	result.answer = MOUNT_GUARD_REFUSED;
	mount_guard_still(permit, mount_guard_turn(), 1, &result);
	return heed(&result, user);
}

bool mount_guard_enter(struct mailbox *box, enum mount_guard_moment moment, uint64_t *permit_r)
{
	const struct mount_guard_mailbox *gbox = mount_guard_mailbox_context(box);
	struct asked asked;

	*permit_r = 0;
	if (mount_guard_is_idle(gbox->user))
		return TRUE;
	/* What creates, deletes or renames it holds all that its transactions need, and verifies at the end. Only a rebuild
	   needs more. */
	if (moment != MOUNT_GUARD_REBUILD && gbox->operation != 0)
		return mount_guard_stays(box, gbox->operation, FALSE);
	begin_for_box(&asked, box, moment);
	if (pin(&asked, box->storage->user, permit_r))
		return TRUE;
	mount_guard_set_error(box->storage, asked.result.client);
	return FALSE;
}

bool mount_guard_leave(struct mailbox *box, uint64_t *permit)
{
	struct mount_guard_result result;
	uint64_t ending = *permit;

	*permit = 0;
	if (ending == 0)
		return TRUE;
	result.answer = MOUNT_GUARD_REFUSED;
	mount_guard_verify(ending, &result);
	return heed_box(&result, box);
}
