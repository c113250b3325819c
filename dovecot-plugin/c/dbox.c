/* dbox: no rebuild while anything it would look for is absent, and no mail taken for lost because its
   alternate storage is. */

#include "dbox.h"
#include "question.h"
#include "rebuild.h"
#include "server.h"
#include "fdatasync-path.h"
#include "dbox-storage.h"
#include "dbox-file.h"
#include "dbox-mail.h"
#include "mdbox-storage.h"
#include "mdbox-map.h"
#include "sdbox-storage.h"
#include "sdbox-file.h"

#include <unistd.h>

static bool has_fscked_index(struct mailbox *box)
{
	return box->index->fscked ||
		(mail_index_get_header(box->view)->flags & MAIL_INDEX_HDR_FLAG_FSCKD) != 0;
}

bool mount_guard_dbox_wants_rebuild(struct mailbox *box)
{
	struct sdbox_mailbox *sdbox;
	struct mdbox_storage *mdbox;

	if (!box->opened)
		return FALSE;
	switch (mount_guard_format(box->storage)) {
	case MOUNT_GUARD_MDBOX:
		mdbox = MDBOX_STORAGE(box->storage);
		return mdbox->corrupted || has_fscked_index(box) || mdbox_map_is_fscked(mdbox->map);
	case MOUNT_GUARD_SDBOX:
		sdbox = SDBOX_MAILBOX(box);
		return sdbox->corrupted_rebuild_count != 0 || has_fscked_index(box);
	default:
		return FALSE;
	}
}

/* dbox checks its alternate storage before every rebuild and gives up cleanly, except here: mdbox 2.3 checks, gives up,
   and crashes. */
static void mdbox_close(struct mailbox *box, void (*close)(struct mailbox *box))
{
	struct mdbox_storage *mdbox = MDBOX_STORAGE(box->storage);
	bool rebuilds = mdbox->corrupted && !mdbox->rebuilding_storage;
	struct mount_guard_rebuild rebuild;
	uint64_t permit = 0;
	bool pretend = rebuilds && (!mount_guard_would_permit(box, MOUNT_GUARD_REBUILD) ||
				    !mount_guard_list_pin(box->list, MOUNT_GUARD_REBUILD, &permit));

	/* A storage that is being rebuilt is closed without another rebuild; what marked it corrupted stays
	   for the next session, when all is back. */
	if (pretend)
		mdbox->rebuilding_storage = TRUE;
	mount_guard_rebuild_begin(&rebuild, box->storage->user, permit);
	close(box);
	mount_guard_rebuild_end(&rebuild);
	if (pretend)
		mdbox->rebuilding_storage = FALSE;
	/* What it could not commit it tries again the next time; there is nobody to tell. */
	(void)mount_guard_list_leave(box->list, permit);
}

/* A synchronisation of sdbox that could not be committed, as when the index has vanished, leaves its view open, and
   closing the index panics. */
static void close_leaked_views(struct mail_index *index)
{
	struct mail_index_view *view, *next, *leaked;

	for (view = index->views; view != NULL && !index->syncing; view = next) {
		next = view->next;
		leaked = view;
		if (compat_is_sync_view(view))
			mail_index_view_close(&leaked);
	}
}

static void sdbox_close(struct mailbox *box, void (*close)(struct mailbox *box))
{
	struct sdbox_mailbox *sdbox = SDBOX_MAILBOX(box);
	struct mount_guard_risk risk;

	if (box->opened)
		close_leaked_views(box->index);
	/* What is missing then is found missing again. */
	if (sdbox->corrupted_rebuild_count != 0 && !mount_guard_would_permit(box, MOUNT_GUARD_REBUILD))
		sdbox->corrupted_rebuild_count = 0;
	mount_guard_risk_begin(&risk, box);
	close(box);
	/* As above. */
	(void)mount_guard_risk_end(&risk);
}

void mount_guard_dbox_close(struct mailbox *box, void (*close)(struct mailbox *box))
{
	switch (mount_guard_format(box->storage)) {
	case MOUNT_GUARD_MDBOX:
		mdbox_close(box, close);
		break;
	case MOUNT_GUARD_SDBOX:
		sdbox_close(box, close);
		break;
	default:
		close(box);
	}
}

/* The file in primary storage that the map says has the mail, or NULL when the map doesn't know it. */
static const char *mdbox_primary_path(struct mail *mail)
{
	struct mdbox_mailbox *mbox = MDBOX_MAILBOX(mail->box);
	uint32_t map_uid, file_id;
	uoff_t offset;

	if (mdbox_mail_lookup(mbox, mail->transaction->view, mail->seq, &map_uid) < 0 ||
	    mdbox_map_lookup(mbox->storage->map, map_uid, &file_id, &offset) <= 0)
		return NULL;
	return t_strdup_printf("%s/"MDBOX_MAIL_FILE_FORMAT, mbox->storage->storage_dir, file_id);
}

/* Takes note of mails that another process moved to another file. */
static bool mdbox_refresh(struct mail *mail)
{
	struct mdbox_mailbox *mbox = MDBOX_MAILBOX(mail->box);

	return mdbox_map_refresh(mbox->storage->map) == 0;
}

static bool has_primary_file(struct mail *mail)
{
	const char *path;

	if (mount_guard_format(mail->box->storage) == MOUNT_GUARD_MDBOX)
		path = mdbox_primary_path(mail);
	else
		path = t_strdup_printf("%s/"SDBOX_MAIL_FILE_FORMAT, mailbox_get_path(mail->box), mail->uid);
	return path != NULL && access(path, F_OK) == 0;
}

/* The flag for alternate storage is no answer: altmove sets it before purge moves the mail. */
bool mount_guard_dbox_is_primary(struct mail *mail)
{
	bool is_mdbox = mount_guard_format(mail->box->storage) == MOUNT_GUARD_MDBOX;
	bool primary;

	T_BEGIN {
		primary = has_primary_file(mail) ||
			(is_mdbox && mdbox_refresh(mail) && has_primary_file(mail));
	} T_END;
	return primary;
}

/* To ask is less than to look for the file. */
static bool permits_alt(struct mail *mail)
{
	return mount_guard_would_permit(mail->box, MOUNT_GUARD_READ_ALT) || mount_guard_dbox_is_primary(mail) ||
		mount_guard_permits_box(mail->box, MOUNT_GUARD_READ_ALT);
}

/* dbox opens every mail here. When the file is in neither storage it marks the mailbox corrupted, and the
   mark stays; so a mail that primary storage does not have is only looked for when the other is there. */
static int dbox_mail_open(struct dbox_mail *dmail, uoff_t *offset_r, struct dbox_file **file_r)
{
	struct mail *mail = &dmail->imail.mail.mail;
	bool is_open = dmail->open_file != NULL && dbox_file_is_open(dmail->open_file);

	/* Looking where a mail is opens the map, and makes it where there is none. */
	if (!is_open && !mail->saving &&
	    (!mount_guard_permits_box(mail->box, MOUNT_GUARD_LOOK) || !permits_alt(mail))) {
		mount_guard_pop3_refuse(mail->box);
		return -1;
	}
	return mount_guard_storage_context(mail->box->storage)->dbox_mail_open(dmail, offset_r, file_r);
}

/* sdbox moves a mail from or to alternate storage within a synchronisation, whoever synchronises next. Making the copy is
   the one step of it that may go wrong: once that lies where it belongs, it is renamed there or not at all, and the
   original is removed last. A move that fails leaves the mail where it is. */
static int guarded_file_create_fd(struct dbox_file *file, const char *path, bool parents)
{
	struct mailbox *box = &((struct sdbox_file *)file)->mbox->box;
	struct mount_guard_storage *gstorage = mount_guard_storage_context(box->storage);
	uint64_t permit;
	int fd;

	/* Directories are made for what is moved only. */
	if (!parents)
		return gstorage->file_create_fd(file, path, parents);
	if (!mount_guard_enter(box, MOUNT_GUARD_REBUILD, &permit))
		return -1;
	fd = gstorage->file_create_fd(file, path, parents);
	if (mount_guard_leave(box, &permit))
		return fd;
	if (fd != -1) {
		i_unlink_if_exists(path);
		i_close_fd(&fd);
	}
	return -1;
}

/* The last thing dbox does is to sync the mailbox's directory by its path, and it reports a failure on a mail
   that is freed by then: a crash whenever the directory has vanished. So it is done here instead. */
void mount_guard_dbox_commit_post(struct mail_save_context *ctx, struct mail_index_transaction_commit_result *result,
				  mount_guard_commit_post_t *commit_post)
{
	struct mailbox *box = ctx->transaction->box;
	struct mail_storage *storage = box->storage;
	const struct mail_storage_settings *set = storage->set;
	struct mail_storage_settings without_fsync = *set;
	const char *path = mailbox_get_path(box);

	without_fsync.parsed_fsync_mode = FSYNC_MODE_NEVER;
	storage->set = &without_fsync;
	commit_post(ctx, result);
	storage->set = set;
	if (set->parsed_fsync_mode != FSYNC_MODE_NEVER && fdatasync_path(path) < 0)
		mailbox_set_critical(box, "fdatasync_path(%s) failed: %m", path);
}

void mount_guard_dbox_storage_created(struct mail_storage *storage)
{
	enum mount_guard_format format = mount_guard_format(storage);
	struct dbox_storage *dbox;

	if (format != MOUNT_GUARD_MDBOX && format != MOUNT_GUARD_SDBOX)
		return;
	dbox = DBOX_STORAGE(storage);
	mount_guard_storage_context(storage)->dbox_mail_open = dbox->v.mail_open;
	dbox->v.mail_open = dbox_mail_open;
	if (format == MOUNT_GUARD_SDBOX) {
		mount_guard_storage_context(storage)->file_create_fd = dbox->v.file_create_fd;
		dbox->v.file_create_fd = guarded_file_create_fd;
	}
}
