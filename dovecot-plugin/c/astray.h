/* Whether what a session has open is still what its path leads to. */
#ifndef MOUNT_GUARD_ASTRAY_H
#define MOUNT_GUARD_ASTRAY_H

#include "context.h"

/* TRUE when it is not. To be asked of the list, and of the mailbox unless that is NULL, that a question was about and that
   may be used: what is away is away, and has a refusal of its own. `epoch` is the question's; in the same one nothing is
   compared again. */
bool mount_guard_strays(struct mailbox_list *list, struct mailbox *box, uint64_t epoch);

/* Permits nothing more to the user, and ends the session. FALSE where nothing is refused. */
bool mount_guard_end_astray(struct mail_user *user);

#endif
