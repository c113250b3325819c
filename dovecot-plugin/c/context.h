/* What the plugin knows of each object of Dovecot's that it hooks into. */
#ifndef MOUNT_GUARD_CONTEXT_H
#define MOUNT_GUARD_CONTEXT_H

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
	/* The turn in which nothing was registered. */
	uint64_t idle_turn;
	/* Something open is not what its path leads to. */
	bool astray;
	/* Nothing is refused. */
	bool log_only;
	/* Where scripts lie that decide where deliveries go; NULL when there are none. */
	const char *scripts;
};

struct mount_guard_list {
	union mailbox_list_module_context module_ctx;
	struct mount_guard_place roots[MOUNT_GUARD_ROOTS_MAX];
	/* The same for mdbox, with the directories in them that it keeps the mails of all mailboxes in. */
	struct mount_guard_place storages[MOUNT_GUARD_ROOTS_MAX];
	unsigned int root_count;
	struct mount_guard_memory memory;
	/* The epoch of the mount table in which what is open was compared last, see astray.c. */
	uint64_t compared;
	/* The plugin's own hold of the list's lock, see mount_guard_list_hold(). */
	bool held;
	/* Pins the roots while something is made in them by path: dbox's symlink when its storage is created, and the
	   list's index when it is opened. */
	uint64_t creating;
	/* Ends that at the end of the turn, which is the first in which something was permitted. */
	struct timeout *to_unpin;
	bool permitted_once;
};

struct dbox_mail;
struct dbox_file;

struct mount_guard_storage {
	union mail_storage_module_context module_ctx;
	/* dbox's own, NULL in another storage. */
	int (*dbox_mail_open)(struct dbox_mail *mail, uoff_t *offset_r, struct dbox_file **file_r);
	/* sdbox's own. */
	int (*file_create_fd)(struct dbox_file *file, const char *path, bool parents);
};

struct mount_guard_mailbox {
	union mailbox_module_context module_ctx;
	struct mount_guard_memory memory;
	/* As for a list. */
	uint64_t compared;
	/* Where it lies and where its index does, worked out once while it is not open; NULL when not yet. */
	const char *path, *index_path;
	/* The permit of what is being done to the whole mailbox, 0 when nothing is. */
	uint64_t operation;
	/* Mails were marked in this session for the next synchronisation to move from or to alternate storage. */
	bool moves;
	/* Refused when it was allocated: never to be created or renamed, see mount_guard_list_hold(). */
	bool stillborn;
};

/* Each puts the plugin's functions before Dovecot's, which are the context's `super` from then on. */
struct mount_guard_user *mount_guard_user_attach(struct mail_user *user);
struct mount_guard_list *mount_guard_list_attach(struct mailbox_list *list);
struct mount_guard_storage *mount_guard_storage_attach(struct mail_storage *storage);
struct mount_guard_mailbox *mount_guard_mailbox_attach(struct mailbox *box);

struct mount_guard_user *mount_guard_user_context(struct mail_user *user);
struct mount_guard_list *mount_guard_list_context(struct mailbox_list *list);
struct mount_guard_storage *mount_guard_storage_context(struct mail_storage *storage);
struct mount_guard_mailbox *mount_guard_mailbox_context(struct mailbox *box);

/* FALSE where the plugin is loaded for other users of the process only. */
bool mount_guard_is_user_guarded(struct mail_user *user);
/* FALSE for mailboxes the plugin never sees, such as the message that an LMTP client sends. */
bool mount_guard_is_guarded(struct mailbox *box);
bool mount_guard_has_root(struct mailbox_list *list, enum mount_guard_role role);
/* How the storage keeps mails; MOUNT_GUARD_OTHER where there is no storage yet. */
enum mount_guard_format mount_guard_format(const struct mail_storage *storage);

#endif
