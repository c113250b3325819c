/* What the plugin knows of each object of Dovecot's that it hooks into. */
#ifndef MOUNT_GUARD_CONTEXT_H
#define MOUNT_GUARD_CONTEXT_H

#include "compat.h"
#include "guard.h"
#include "hash.h"

/* mail, index, list index, private index, index cache, control, alt, inbox, attachments */
#define MOUNT_GUARD_ROOTS_MAX 9

/* What was permitted, and the assurance that it still is, see question.c. */
struct mount_guard_memory {
	uint64_t assurance;
	uint32_t permitted;
};

struct mount_guard_user {
	union mail_user_module_context module_ctx;
	uint32_t guard;
	/* The assurance that was in force at the last look, and the turn of that. */
	uint64_t assurance;
	uint64_t turn;
	/* Something open is not what its path leads to. */
	bool astray;
	/* Nothing is refused. */
	bool log_only;
	/* Where scripts lie that decide where deliveries go; NULL when there are none. */
	const char *scripts;
};

/* What is known of a mailbox from one object to the next. */
struct mount_guard_known {
	struct mount_guard_memory memory;
	/* Where it lies and where its index does, worked out once while it is not open; NULL when not yet. */
	const char *path, *index_path;
	/* As for a list. */
	uint64_t compared;
};

struct mount_guard_list {
	union mailbox_list_module_context module_ctx;
	struct mount_guard_user *user;
	/* Where a mailbox lies is written in the list's own index. */
	bool is_layout_index;
	/* By the names of mailboxes. */
	HASH_TABLE(const char *, struct mount_guard_known *) known;
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
	enum mount_guard_format format;
	/* dbox's own, NULL in another storage. */
	int (*dbox_mail_open)(struct dbox_mail *mail, uoff_t *offset_r, struct dbox_file **file_r);
	/* sdbox's own. */
	int (*file_create_fd)(struct dbox_file *file, const char *path, bool parents);
};

struct mount_guard_transaction;

struct mount_guard_mailbox {
	union mailbox_module_context module_ctx;
	/* Those that are going on. */
	struct mount_guard_transaction *transactions;
	struct mount_guard_user *user;
	struct mount_guard_known *known;
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
struct mount_guard_storage *mount_guard_storage_context(struct mail_storage *storage);

extern MODULE_CONTEXT_DEFINE(mount_guard_list_module, &mailbox_list_module_register);
extern MODULE_CONTEXT_DEFINE(mount_guard_mailbox_module, &mail_storage_module_register);

/* Of objects that have one. These two are looked up dozens of times in a command, which by MODULE_CONTEXT_REQUIRE, a call
   into a call, comes to as many instructions as all that is asked. */
static inline struct mount_guard_list *mount_guard_list_context(const struct mailbox_list *list)
{
	return *(void *const *)array_idx_i(&list->module_contexts.arr, mount_guard_list_module.id.module_id);
}

static inline struct mount_guard_mailbox *mount_guard_mailbox_context(const struct mailbox *box)
{
	return *(void *const *)array_idx_i(&box->module_contexts.arr, mount_guard_mailbox_module.id.module_id);
}

/* FALSE where the plugin is loaded for other users of the process only. */
bool mount_guard_is_user_guarded(struct mail_user *user);
/* FALSE for mailboxes the plugin never sees, such as the message that an LMTP client sends. */
bool mount_guard_is_guarded(struct mailbox *box);
static inline bool mount_guard_is_layout_index(const struct mailbox_list *list)
{
	return mount_guard_list_context(list)->is_layout_index;
}

bool mount_guard_has_root(struct mailbox_list *list, enum mount_guard_role role);
/* How the storage keeps mails; MOUNT_GUARD_OTHER where there is no storage yet, or one the plugin never sees. */
enum mount_guard_format mount_guard_format(const struct mail_storage *storage);

#endif
