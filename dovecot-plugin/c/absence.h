/* A mailbox that Dovecot found absent though it may only have been away. */
#ifndef MOUNT_GUARD_ABSENCE_H
#define MOUNT_GUARD_ABSENCE_H

#include "context.h"

/* After something failed: where Dovecot's error says that the mailbox doesn't exist or was deleted, and the truth is that
   a filesystem is away or was a moment ago, says that instead. */
void mount_guard_doubt_absence(struct mailbox *box);

/* Dovecot takes what is open for deleted: no longer, when it is where it was. */
void mount_guard_end_absence(struct mailbox *box);
void mount_guard_end_absence_of(struct mail_index *index);

#endif
