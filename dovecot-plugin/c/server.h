/* Where an IMAP or POP3 server would say something else of a refused mailbox, it is made to say the refusal. */
#ifndef MOUNT_GUARD_SERVER_H
#define MOUNT_GUARD_SERVER_H

#include "compat.h"

/* imap.c: judges commands that ask no mailbox before they begin. Nothing to do outside of an IMAP server. */
void mount_guard_imap_init(void);
void mount_guard_imap_deinit(void);

/* pop3.c: ends the session that has this mailbox open with the mailbox's error. */
void mount_guard_pop3_refuse(struct mailbox *box);

#endif
