/* When files go away between the plugin's look and Dovecot's, Dovecot takes the mailbox for deleted. It keeps the index
   open for the next time, and believes so ever after. */

#include "absence.h"
#include "question.h"
#include "mail-index-private.h"
#include "mail-transaction-log-private.h"

#include <sys/stat.h>

/* A mailbox that is deleted has that written into its log, which is how other sessions hear of it. */
static bool is_lost(const struct mail_index *index)
{
	const struct mail_transaction_log_file *head = index->log->head;
	bool deleted = head != NULL && head->index_deleted_offset > head->index_undeleted_offset;

	return index->index_deleted && !deleted;
}

/* Only what is open may be written to again. Another log in its place means that what is open lies underneath, or on a
   filesystem that has left: it stays lost, and Dovecot lets go of it after a while. */
static bool is_the_same(const struct mail_transaction_log_file *head, const struct stat *st)
{
	return head != NULL && head->st_ino == st->st_ino && CMP_DEV_T(head->st_dev, st->st_dev);
}

void mount_guard_doubt_absence(struct mailbox *box)
{
	struct mail_index *index = box->index;
	enum mail_error error;
	struct stat st;

	(void)mailbox_get_last_error(box, &error);
	if (error != MAIL_ERROR_NOTFOUND || !mount_guard_permits_box_now(box, MOUNT_GUARD_LOOK))
		return;
	if (index == NULL || !is_lost(index) || index->log->filepath == NULL || stat(index->log->filepath, &st) < 0)
		return;
	if (is_the_same(index->log->head, &st)) {
		index->index_deleted = FALSE;
		box->mailbox_deleted = FALSE;
	}
	mount_guard_try_again(box);
}
