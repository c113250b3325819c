/* The hooks, one file for each hooked object, and what they need of each other. */
#ifndef MOUNT_GUARD_HOOKS_H
#define MOUNT_GUARD_HOOKS_H

#include "question.h"

void mount_guard_user_created(struct mail_user *user);
void mount_guard_list_created(struct mailbox_list *list);
void mount_guard_namespace_storage_added(struct mail_namespace *ns);
/* pop3.c; nothing to do outside of a POP3 server */
void mount_guard_namespaces_created(struct mail_namespace *namespaces);
void mount_guard_storage_created(struct mail_storage *storage);
void mount_guard_mailbox_allocated(struct mailbox *box);
void mount_guard_mail_allocated(struct mail *mail);

/* list.c. CREATE, DELETE and RENAME lock the list before any hook is asked, and the lock makes the root
   directory. A list that is held counts as locked, so that nothing is made for it. Released when the list
   is seen permitted again; mailboxes allocated meanwhile stay refused, since their lock is none. */
void mount_guard_list_hold(struct mailbox_list *list, bool hold);

/* transaction.c */

void mount_guard_transaction_hooks(struct mailbox_vfuncs *v);
/* The transaction will be rolled back instead of committed, and fail with the refusal of this moment. */
void mount_guard_transaction_spoil(struct mailbox_transaction_context *t, enum mount_guard_moment moment);
/* It marks mails that sdbox moves from or to alternate storage in the synchronisation that follows. */
void mount_guard_transaction_moves(struct mailbox_transaction_context *t);

#endif
