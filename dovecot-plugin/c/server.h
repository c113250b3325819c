/* Where an IMAP or POP3 server would say something else of a refused mailbox, it is made to say the refusal. */
#ifndef MOUNT_GUARD_SERVER_H
#define MOUNT_GUARD_SERVER_H

#include "compat.h"

/* pop3.c: ends the session with the mailbox's error. */
void mount_guard_pop3_refuse(struct mailbox *box);

/* imap.c: says the mailbox's error where the next answer would say that it doesn't exist. */
void mount_guard_imap_refuse(struct mailbox *box);

#endif
