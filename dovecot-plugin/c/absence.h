/* A mailbox that Dovecot found absent though it may only have been away. */
#ifndef MOUNT_GUARD_ABSENCE_H
#define MOUNT_GUARD_ABSENCE_H

#include "context.h"

/* Whether it is there, open or known to have been, and nobody has deleted it. */
bool mount_guard_is_present(const struct mailbox *box);

/* Dovecot takes what is open for deleted: no longer, when it is where it was. */
void mount_guard_end_absence(struct mailbox *box);
void mount_guard_end_absence_of(struct mail_index *index);

#endif
