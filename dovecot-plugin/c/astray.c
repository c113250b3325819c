/* Between a look of the plugin's and Dovecot's own a filesystem may go, and be back before the next look. What Dovecot
   opened meanwhile lies underneath, and it keeps that open for as long as the session lasts. Then it takes the one for
   the other: an index with another id than its own it unlinks as a corrupted one, and with a new map mdbox begins to
   number its files anew. The same when another filesystem is mounted in place of the one that was.

   So whenever the mount table has changed, what is open is compared with what its path leads to, before it is used. */

/* statx */
#define _GNU_SOURCE

#include "astray.h"
#include "absence.h"
#include "dbox-storage.h"
#include "dbox-file.h"
#include "mail-index-alloc-cache.h"
#include "mail-index-private.h"
#include "mail-transaction-log-private.h"
#include "mailbox-list-index.h"
#include "mdbox-file.h"
#include "mdbox-map-private.h"
#include "mdbox-storage.h"

#include <fcntl.h>
#include <sys/stat.h>

/* What a path leads to, or a descriptor: asked of the kernel, and not of a filesystem's server. */
static int look(int fd, const char *path, struct statx *looked_r)
{
	return statx(fd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, looked_r);
}

static bool is_same_device(const struct statx *one, const struct statx *other)
{
	return one->stx_dev_major == other->stx_dev_major && one->stx_dev_minor == other->stx_dev_minor;
}

/* By the id of the mount, before Linux 5.8 by the device: a bind mount of the same filesystem is not told apart then. */
static bool is_same_mount(const struct statx *one, const struct statx *other)
{
	if ((one->stx_mask & other->stx_mask & STATX_MNT_ID) != 0)
		return one->stx_mnt_id == other->stx_mnt_id;
	return is_same_device(one, other);
}

static const char *parent(const char *path)
{
	const char *end = strrchr(path, '/');

	if (end == NULL)
		return NULL;
	return end == path ? "/" : t_strdup_until(path, end);
}

/* The deepest part of the path that exists. */
static const char *look_at_existing(const char *path, struct statx *looked_r)
{
	while (path != NULL && look(AT_FDCWD, path, looked_r) < 0)
		path = errno == ENOENT ? parent(path) : NULL;
	return path;
}

/* Whether the path leads through that mount before it leads to another one. */
static bool leads_through(const char *path, const struct statx *mount)
{
	struct statx above;

	while (strcmp(path, "/") != 0) {
		path = parent(path);
		if (look(AT_FDCWD, path, &above) < 0 || is_same_mount(mount, &above))
			return TRUE;
	}
	return FALSE;
}

/* Whether a file is open that its path would not lead to. One that was replaced or deleted is open on the mount that its
   path leads to, or on another one of the same filesystem: that was unmounted and mounted again. Unless this is the mount
   that the mountpoint lies in, when a directory is mounted in another one of the same filesystem. */
static bool strays(int fd, const char *path)
{
	struct statx open, there;

	if (fd == -1)
		return FALSE;
	if (look(fd, "", &open) < 0)
		return TRUE;
	if (look(AT_FDCWD, path, &there) == 0 && open.stx_ino == there.stx_ino && is_same_device(&open, &there))
		return FALSE;
	path = look_at_existing(path, &there);
	if (path == NULL)
		return TRUE;
	if (is_same_mount(&open, &there))
		return FALSE;
	return !is_same_device(&open, &there) || leads_through(path, &open);
}

static bool index_strays(struct mail_index *index)
{
	const struct mail_transaction_log_file *head;

	if (index == NULL || index->open_count == 0)
		return FALSE;
	mount_guard_end_absence_of(index);
	head = index->log->head;
	return (head != NULL && strays(head->fd, head->filepath)) || strays(index->fd, index->filepath);
}

/* Those that nobody uses are open only so that they need not be opened again. */
static void close_unused_files(struct mdbox_storage *storage)
{
	struct mdbox_file *file;

	array_foreach_elem(&storage->open_files, file) {
		if (file->file.refcount == 0)
			dbox_file_close(&file->file);
	}
}

static bool map_strays(struct mailbox_list *list)
{
	struct mdbox_storage *storage;

	if (mount_guard_format(list->ns->storage) != MOUNT_GUARD_MDBOX)
		return FALSE;
	storage = MDBOX_STORAGE(list->ns->storage);
	if (storage->map->root_list != list)
		return FALSE;
	close_unused_files(storage);
	return index_strays(storage->map->index);
}

/* Indexes that were closed stay open for a while, and are found again by the directory that they were to be made in. */
static void forget_closed_indexes(uint64_t epoch)
{
	static uint64_t forgotten;

	if (forgotten != epoch)
		mail_index_alloc_cache_destroy_unrefed();
	forgotten = epoch;
}

static bool list_strays(struct mailbox_list *list, uint64_t epoch)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);
	struct mail_index *index;

	if (glist->compared == epoch)
		return FALSE;
	glist->compared = epoch;
	forget_closed_indexes(epoch);
	return (mailbox_list_index_get_index(list, &index) && index_strays(index)) || map_strays(list);
}

/* All that are the same mailbox: one that is going to be opened shares the index of one that is open. */
static bool boxes_stray(const struct mailbox *asked, uint64_t epoch)
{
	struct mount_guard_known *known = mount_guard_mailbox_context(asked)->known;
	const struct mailbox *box;

	if (known->compared == epoch)
		return FALSE;
	known->compared = epoch;
	for (box = asked->storage->mailboxes; box != NULL; box = box->next) {
		if (box->list == asked->list && strcmp(box->name, asked->name) == 0 &&
		    (index_strays(box->index) || index_strays(box->index_pvt)))
			return TRUE;
	}
	return FALSE;
}

bool mount_guard_strays(struct mailbox_list *list, struct mailbox *box, uint64_t epoch)
{
	bool astray;

	if (mount_guard_user_context(list->ns->user)->astray)
		return TRUE;
	T_BEGIN {
		astray = list_strays(list, epoch) || (box != NULL && boxes_stray(box, epoch));
	} T_END;
	return astray;
}

bool mount_guard_end_astray(struct mail_user *user)
{
	struct mount_guard_user *guser = mount_guard_user_context(user);

	if (guser->astray)
		return TRUE;
	if (guser->log_only) {
		e_warning(user->event, "mount_guard: would end this session: what it has open is not what is mounted now");
		return FALSE;
	}
	e_error(user->event, "mount_guard: this session ends: what it has open is not what is mounted now");
	guser->astray = TRUE;
	return TRUE;
}
