/* What the files of the plugin share: one context for each hooked object, and the questions. */
#ifndef MOUNT_GUARD_H
#define MOUNT_GUARD_H

#include "compat.h"
#include "guard.h"

/* mail, index, list index, private index, index cache, control, alt, inbox, attachments, home */
#define MOUNT_GUARD_PLACES_MAX 10

struct mount_guard_user {
	union mail_user_module_context module_ctx;
	uint32_t guard;
};

struct mount_guard_list {
	union mailbox_list_module_context module_ctx;
	struct mount_guard_place places[MOUNT_GUARD_PLACES_MAX];
	unsigned int place_count;
};

struct mount_guard_user *mount_guard_user_context(struct mail_user *user);
struct mount_guard_list *mount_guard_list_context(struct mailbox_list *list);

/* question.c: each answers TRUE only when Rust permits, and logs what is to be logged. */

/* Asks about a list's places; on refusal `client_r` is what a client may be told. */
bool mount_guard_asks(struct mailbox_list *list, enum mount_guard_moment moment, const char **client_r);

/* The hooks, one file for each hooked object. */
void mount_guard_user_created(struct mail_user *user);
void mount_guard_list_created(struct mailbox_list *list);

#endif
