/* What Rust vouches for, and what need not be asked again because of it. */
#ifndef MOUNT_GUARD_ASSURANCE_H
#define MOUNT_GUARD_ASSURANCE_H

#include "context.h"

/* Numbers the turns of the event loop: between two of them Dovecot has waited for somebody. */
uint64_t mount_guard_turn(void);

/* Looks at the mount table, though this turn has had a look. */
void mount_guard_look_again(struct mount_guard_user *guser, uint64_t now);

/* Where nothing is registered nothing is asked: not even the paths are worked out. */
bool mount_guard_is_idle(struct mount_guard_user *guser);

/* Commands ask for the same many times, and from one to the next little changes: what was permitted is not asked again,
   and nothing is put together for it, while its assurance is in force. Whatever makes, moves or deletes something is
   asked afresh when it is pinned. */
bool mount_guard_remembers(const struct mount_guard_memory *memory, enum mount_guard_moment moment,
			   struct mount_guard_user *guser);
/* `assurance` is what came with the permission; with 0 nothing is remembered. */
void mount_guard_remember(struct mount_guard_memory *memory, enum mount_guard_moment moment, uint64_t assurance,
			  struct mount_guard_user *guser);

#endif
