/* When files go away between the plugin's look and Dovecot's, Dovecot takes the mailbox for deleted. It keeps the index
   open for the next time, and believes so ever after. */

#include "absence.h"
#include "mail-index-private.h"
#include "mail-transaction-log-private.h"

#include <sys/stat.h>

/* A mailbox that is deleted has that written into its log, which is how other sessions hear of it. */
static bool was_deleted(const struct mail_index *index)
{
	const struct mail_transaction_log_file *head = index->log->head;

	return head != NULL && head->index_deleted_offset > head->index_undeleted_offset;
}

/* Only what is open may be written to again. Another log in its place means that what is open lies underneath, or on a
   filesystem that has left, see astray.c. */
static bool is_the_same(const struct mail_transaction_log_file *head, const struct stat *st)
{
	return head != NULL && head->st_ino == st->st_ino && CMP_DEV_T(head->st_dev, st->st_dev);
}

static bool has_log(const struct mail_index *index, struct stat *st_r)
{
	return index->log->filepath != NULL && stat(index->log->filepath, st_r) == 0;
}

void mount_guard_end_absence_of(struct mail_index *index)
{
	struct stat st;

	if (index->index_deleted && !was_deleted(index) && has_log(index, &st) && is_the_same(index->log->head, &st))
		index->index_deleted = FALSE;
}

void mount_guard_end_absence(struct mailbox *box)
{
	struct stat st;

	if (box->index == NULL)
		return;
	mount_guard_end_absence_of(box->index);
	if (box->mailbox_deleted && !box->index->index_deleted && !was_deleted(box->index) &&
	    has_log(box->index, &st) && is_the_same(box->index->log->head, &st) &&
	    box->_path != NULL && stat(box->_path, &st) == 0)
		box->mailbox_deleted = FALSE;
}

bool mount_guard_is_present(const struct mailbox *box)
{
	struct stat st;

	return box->index != NULL && !was_deleted(box->index) && has_log(box->index, &st) &&
		(box->opened || box->index->index_deleted);
}
