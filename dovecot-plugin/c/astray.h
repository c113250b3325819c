/* Whether what a session has open is still what its path leads to. */
#ifndef MOUNT_GUARD_ASTRAY_H
#define MOUNT_GUARD_ASTRAY_H

#include "context.h"

/* TRUE when it is not: then nothing is permitted to this user any more, and the session ends. `epoch` names the state
   of the mount table as of the last look; in the same one nothing is compared again. */
bool mount_guard_is_astray(struct mail_user *user, uint64_t epoch);

#endif
