/* What the files of the plugin share: the contexts of hooked objects, the questions, the hooks. */
#ifndef MOUNT_GUARD_H
#define MOUNT_GUARD_H

#include "compat.h"
#include "guard.h"

/* mail, index, list index, private index, index cache, control, alt, inbox, attachments */
#define MOUNT_GUARD_ROOTS_MAX 9

/* What was permitted in a turn of the event loop, see question.c. */
struct mount_guard_memory {
	uint64_t turn;
	uint32_t permitted;
};

struct mount_guard_user {
	union mail_user_module_context module_ctx;
	uint32_t guard;
};

struct mount_guard_list {
	union mailbox_list_module_context module_ctx;
	struct mount_guard_place roots[MOUNT_GUARD_ROOTS_MAX];
	unsigned int root_count;
	struct mount_guard_memory memory;
	/* While above zero dbox is told an alternate storage that cannot exist, so that no rebuild begins. */
	unsigned int alt_denied;
	/* The plugin's own hold of the list's lock, see mount_guard_list_hold(). */
	bool held;
	/* Pins the roots while dbox's storage is created, which makes a symlink by path. */
	uint64_t creating;
};

struct mount_guard_mailbox {
	union mailbox_module_context module_ctx;
	struct mount_guard_memory memory;
	/* Refused when it was allocated: never to be created or renamed, see mount_guard_list_hold(). */
	bool stillborn;
};

struct mount_guard_user *mount_guard_user_context(struct mail_user *user);
struct mount_guard_list *mount_guard_list_context(struct mailbox_list *list);
struct mount_guard_mailbox *mount_guard_mailbox_context(struct mailbox *box);
/* FALSE for mailboxes the plugin never sees, such as the message that an LMTP client sends. */
bool mount_guard_is_guarded(struct mailbox *box);

/* question.c. Each is TRUE only when Rust permits; otherwise the object carries the error. */

bool mount_guard_permits_list(struct mailbox_list *list, enum mount_guard_moment moment);
bool mount_guard_permits_box(struct mailbox *box, enum mount_guard_moment moment);
/* The same after another look at the mount table, though it was permitted in this turn. */
bool mount_guard_permits_box_now(struct mailbox *box, enum mount_guard_moment moment);
/* Precautions: no error and no log line. */
bool mount_guard_list_would_permit(struct mailbox_list *list, enum mount_guard_moment moment);
bool mount_guard_list_pin(struct mailbox_list *list, enum mount_guard_moment moment, uint64_t *permit_r);
bool mount_guard_would_permit(struct mailbox *box, enum mount_guard_moment moment);
/* For a path that is no list's, such as the home; `client_r` is what a client may be told. */
bool mount_guard_permits_place(struct mail_user *user, enum mount_guard_moment moment,
			       const struct mount_guard_place *place, const char **client_r);
/* Permits, and holds the mounts until mount_guard_leave() with the same permit. */
bool mount_guard_enter(struct mailbox *box, enum mount_guard_moment moment, uint64_t *permit_r);
/* Whether the mounts stayed where they were. Without a permit there is nothing to say against it. */
bool mount_guard_leave(struct mailbox *box, uint64_t *permit);

/* Leaves the error of a refusal behind that was decided earlier, though it may have ended meanwhile. */
void mount_guard_refuse_again(struct mailbox *box, enum mount_guard_moment moment);

/* Tells root which directories the list uses, for discovery. Nothing comes of it here. */
void mount_guard_tell_roots(struct mailbox_list *list);
bool mount_guard_has_root(struct mailbox_list *list, enum mount_guard_role role);
enum mount_guard_format mount_guard_format(const struct mail_storage *storage);

/* list.c. CREATE, DELETE and RENAME lock the list before any hook is asked, and the lock makes the root
   directory. A list that is held counts as locked, so that nothing is made for it. Released when the list
   is seen permitted again; mailboxes allocated meanwhile stay refused, since their lock is none. */
void mount_guard_list_hold(struct mailbox_list *list, bool hold);

/* storage_dbox.c: how dbox is kept from rebuilding and from taking absent mails for lost ones. */

/* Whether opening or synchronising the mailbox would begin with a rebuild. */
bool mount_guard_dbox_wants_rebuild(struct mailbox *box);
/* TRUE when a rebuild is refused now: then sdbox begins none until they are allowed again. */
bool mount_guard_dbox_deny_rebuild(struct mailbox *box);
void mount_guard_dbox_allow_rebuild(struct mailbox *box);
/* Closes the mailbox, without the rebuild that may belong to it where that is refused. */
void mount_guard_dbox_close(struct mailbox *box, void (*close)(struct mailbox *box));
/* Whether the mail can be read without alternate storage. */
bool mount_guard_dbox_is_primary(struct mail *mail);

typedef void mount_guard_commit_post_t(struct mail_save_context *ctx,
				       struct mail_index_transaction_commit_result *result);
/* Ends the commit of saved mails, without the crash when their directory has vanished. */
void mount_guard_dbox_commit_post(struct mail_save_context *ctx,
				  struct mail_index_transaction_commit_result *result,
				  mount_guard_commit_post_t *commit_post);

/* pop3.c: ends the session with the mailbox's error where the POP3 server would say something else. */

void mount_guard_pop3_refuse(struct mailbox *box);

/* imap.c: says the mailbox's error where the next answer would say that it doesn't exist. */

void mount_guard_imap_refuse(struct mailbox *box);

/* transaction.c */

void mount_guard_transaction_hooks(struct mailbox_vfuncs *v);
/* The transaction will be rolled back instead of committed, and fail with the refusal of this moment. */
void mount_guard_transaction_spoil(struct mailbox_transaction_context *t, enum mount_guard_moment moment);

/* The hooks, one file for each hooked object. */

void mount_guard_user_created(struct mail_user *user);
void mount_guard_list_created(struct mailbox_list *list);
void mount_guard_namespace_storage_added(struct mail_namespace *ns);
void mount_guard_storage_created(struct mail_storage *storage);
void mount_guard_mailbox_allocated(struct mailbox *box);
void mount_guard_mail_allocated(struct mail *mail);

#endif
