/* How dbox is kept from rebuilding and from taking absent mails for lost ones. */
#ifndef MOUNT_GUARD_DBOX_H
#define MOUNT_GUARD_DBOX_H

#include "context.h"

/* Whether opening or synchronising the mailbox would begin with a rebuild. */
bool mount_guard_dbox_wants_rebuild(struct mailbox *box);
/* Closes the mailbox, without the rebuild that may belong to it where that is refused. */
void mount_guard_dbox_close(struct mailbox *box, void (*close)(struct mailbox *box));
/* Whether the mail can be read without alternate storage. */
bool mount_guard_dbox_is_primary(struct mail *mail);
/* Asks before the file of a mail is looked for. Nothing to do where the storage isn't dbox. */
void mount_guard_dbox_storage_created(struct mail_storage *storage);

typedef void mount_guard_commit_post_t(struct mail_save_context *ctx,
				       struct mail_index_transaction_commit_result *result);
/* Ends the commit of saved mails, without the crash when their directory has vanished. */
void mount_guard_dbox_commit_post(struct mail_save_context *ctx,
				  struct mail_index_transaction_commit_result *result,
				  mount_guard_commit_post_t *commit_post);

#endif
