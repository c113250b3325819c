/* The questions. Each is TRUE only when Rust permits; otherwise the object carries the error. */
#ifndef MOUNT_GUARD_QUESTION_H
#define MOUNT_GUARD_QUESTION_H

#include "context.h"

bool mount_guard_permits_list(struct mailbox_list *list, enum mount_guard_moment moment);
bool mount_guard_permits_box(struct mailbox *box, enum mount_guard_moment moment);
/* The same after another look at the mount table, though it was permitted in this turn. */
bool mount_guard_permits_box_now(struct mailbox *box, enum mount_guard_moment moment);
/* Its own directories are known from now on, and what was permitted without them is to be asked again. */
void mount_guard_box_opened(struct mailbox *box);
/* Precautions: no error and no log line. */
bool mount_guard_list_would_permit(struct mailbox_list *list, enum mount_guard_moment moment);
/* Ends what pins a list's roots while something is made in them. */
void mount_guard_list_unpin(struct mount_guard_list *glist);
bool mount_guard_list_pin(struct mailbox_list *list, enum mount_guard_moment moment, uint64_t *permit_r);
bool mount_guard_would_permit(struct mailbox *box, enum mount_guard_moment moment);
/* For a path that is no list's, such as the home; `client_r` is what a client may be told. */
bool mount_guard_permits_place(struct mail_user *user, enum mount_guard_moment moment,
			       const struct mount_guard_place *place, const char **client_r);
/* Permits, and holds the mounts until mount_guard_list_leave() with the same permit. */
bool mount_guard_list_enter(struct mailbox_list *list, enum mount_guard_moment moment, uint64_t *permit_r);
bool mount_guard_list_leave(struct mailbox_list *list, uint64_t permit);
/* Permits, and holds the mounts until mount_guard_leave() with the same permit, which is 0 where they are held already
   by an operation on the whole mailbox. */
bool mount_guard_enter(struct mailbox *box, enum mount_guard_moment moment, uint64_t *permit_r);
/* Whether more may be done by that permit: looked at once a turn, and in any case when `at_once`. */
bool mount_guard_stays(struct mailbox *box, uint64_t permit, bool at_once);
/* Whether what is held for something on the user's mails is still there, looked at now. */
bool mount_guard_user_stays(struct mail_user *user, uint64_t permit);
/* Whether the mounts stayed where they were. Without a permit there is nothing to say against it. */
bool mount_guard_leave(struct mailbox *box, uint64_t *permit);

#define MOUNT_GUARD_TRY_AGAIN "[UNAVAILABLE] Mail storage has just come back, try again"

/* Leaves the error behind that what failed would succeed now. */
void mount_guard_try_again(struct mailbox *box);
/* Leaves the error of a refusal behind that was decided earlier, though it may have ended meanwhile. */
void mount_guard_refuse_again(struct mailbox *box, enum mount_guard_moment moment);

/* Tells root which directories the list uses, for discovery. Nothing comes of it here. */
void mount_guard_tell_roots(struct mailbox_list *list);

#endif
