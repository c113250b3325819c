/* What Dovecot says of a mailbox that it could not use, where it may be wrong. */
#ifndef MOUNT_GUARD_DOUBT_H
#define MOUNT_GUARD_DOUBT_H

#include "context.h"

/* After something failed: where Dovecot's error says that the mailbox doesn't exist or was deleted, and the truth is that
   a filesystem is away or was a moment ago, says that instead. */
void mount_guard_doubt_absence(struct mailbox *box);

#endif
