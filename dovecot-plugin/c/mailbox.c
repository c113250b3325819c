/* A mailbox: everything that opens, changes or looks at it as a whole. */

#include "hooks.h"
#include "doubt.h"
#include "dbox.h"
#include "rebuild.h"
#include "index-storage.h"
#include "index-sync-private.h"

#include <sys/stat.h>

static struct mailbox_vfuncs *super(struct mailbox *box)
{
	return &mount_guard_mailbox_context(box)->module_ctx.super;
}

/* What opening the mailbox is for. */
static enum mount_guard_moment opening(struct mailbox *box)
{
	if (box->storage->user->dsyncing)
		return MOUNT_GUARD_SYNC;
	if (box->creating)
		return MOUNT_GUARD_CREATE;
	return box->deleting ? MOUNT_GUARD_DELETE : MOUNT_GUARD_LOOK;
}

static int box_exists(struct mailbox *box, bool auto_boxes, enum mailbox_existence *existence_r)
{
	/* A user's INBOX always exists: a spool that is absent for it alone is no reason to refuse LIST. */
	if (box->inbox_user && !mount_guard_would_permit(box, opening(box)) &&
	    mount_guard_list_would_permit(box->list, opening(box))) {
		*existence_r = MAILBOX_EXISTENCE_SELECT;
		return 0;
	}
	if (!mount_guard_permits_box(box, opening(box)))
		return -1;
	return super(box)->exists(box, auto_boxes, existence_r);
}

/* The virtual plugin tells of a refused mailbox in a sentence of its own, and IMAP takes a response code from the
   beginning of a text only. */
static void lead_with_refusal(struct mailbox *box)
{
	enum mail_error code;
	const char *error = mailbox_get_last_error(box, &code);
	const char *refusal = code == MAIL_ERROR_TEMP ? strstr(error, "[UNAVAILABLE] ") : NULL;

	if (refusal != NULL && refusal != error)
		mail_storage_set_error(box->storage, code, t_strdup(refusal));
}

static int box_open(struct mailbox *box)
{
	struct mount_guard_risk risk;
	int ret;

	if (!mount_guard_permits_box(box, opening(box)))
		return -1;
	/* sdbox rebuilds when it cannot make sense of its header. */
	mount_guard_risk_begin(&risk, box);
	ret = super(box)->open(box);
	if (ret < 0)
		lead_with_refusal(box);
	else
		mount_guard_box_opened(box);
	if (!mount_guard_risk_end(&risk))
		ret = -1;
	if (ret < 0)
		mount_guard_doubt_absence(box);
	return ret;
}

static void box_close(struct mailbox *box)
{
	mount_guard_dbox_close(box, super(box)->close);
}

/* The list is held as long as it is refused, and what was allocated meanwhile has no lock of its own. */
static bool enter_locked(struct mailbox *box, enum mount_guard_moment moment, uint64_t *permit_r)
{
	struct mount_guard_mailbox *gbox = mount_guard_mailbox_context(box);

	*permit_r = 0;
	if (gbox->stillborn) {
		mount_guard_refuse_again(box, moment);
		return FALSE;
	}
	if (!mount_guard_enter(box, moment, permit_r))
		return FALSE;
	if (*permit_r != 0)
		gbox->operation = *permit_r;
	return TRUE;
}

static int leave(struct mailbox *box, uint64_t permit, int ret)
{
	if (permit != 0)
		mount_guard_mailbox_context(box)->operation = 0;
	return mount_guard_leave(box, &permit) ? ret : -1;
}

static int box_create(struct mailbox *box, const struct mailbox_update *update, bool directory)
{
	uint64_t permit;

	if (!enter_locked(box, MOUNT_GUARD_CREATE, &permit))
		return -1;
	return leave(box, permit, super(box)->create_box(box, update, directory));
}

static int box_update(struct mailbox *box, const struct mailbox_update *update)
{
	uint64_t permit;

	if (!mount_guard_enter(box, MOUNT_GUARD_CHANGE, &permit))
		return -1;
	return leave(box, permit, super(box)->update_box(box, update));
}

static int box_delete(struct mailbox *box)
{
	uint64_t permit;

	if (!enter_locked(box, MOUNT_GUARD_DELETE, &permit))
		return -1;
	return leave(box, permit, super(box)->delete_box(box));
}

static int box_rename(struct mailbox *src, struct mailbox *dest)
{
	uint64_t permit, dest_permit;
	int ret;

	if (!enter_locked(dest, MOUNT_GUARD_RENAME, &dest_permit)) {
		mail_storage_copy_error(src->storage, dest->storage);
		return -1;
	}
	if (!enter_locked(src, MOUNT_GUARD_RENAME, &permit)) {
		(void)leave(dest, dest_permit, -1);
		return -1;
	}
	ret = leave(src, permit, super(src)->rename_box(src, dest));
	if (leave(dest, dest_permit, 0) < 0) {
		mail_storage_copy_error(src->storage, dest->storage);
		ret = -1;
	}
	return ret;
}

static int box_get_status(struct mailbox *box, enum mailbox_status_items items,
			  struct mailbox_status *status_r)
{
	/* Once the mailbox is open, Dovecot relies on the other items never failing. */
	bool may_fail = !box->opened || (items & MAILBOX_STATUS_FAILING_ITEMS) != 0;

	if (may_fail && !mount_guard_permits_box(box, opening(box)))
		return -1;
	return super(box)->get_status(box, items, status_r);
}

static int box_get_metadata(struct mailbox *box, enum mailbox_metadata_items items,
			    struct mailbox_metadata *metadata_r)
{
	if (!mount_guard_permits_box(box, opening(box)))
		return -1;
	return super(box)->get_metadata(box, items, metadata_r);
}

static int box_set_subscribed(struct mailbox *box, bool set)
{
	if (!mount_guard_permits_box(box, MOUNT_GUARD_SUBSCRIBE))
		return -1;
	return super(box)->set_subscribed(box, set);
}

/* An empty mbox gets the next UIDVALIDITY of a file that lies among the other mailboxes, and is made where it is
   missing. */
static bool wants_uidvalidity(struct mailbox *box)
{
	struct stat st;

	return box->opened && mount_guard_format(box->storage) == MOUNT_GUARD_MBOX &&
		mail_index_get_header(box->view)->uid_validity == 0 &&
		stat(mailbox_get_path(box), &st) == 0 && st.st_size == 0;
}

/* dbox rebuilds at the next synchronisation after it found something wrong, or when told to. What altmove has marked
   is moved in it by sdbox, and is to be moved as a whole. */
static enum mount_guard_moment synchronising(struct mailbox *box, enum mailbox_sync_flags flags)
{
	if ((flags & MAILBOX_SYNC_FLAG_FORCE_RESYNC) != 0 || mount_guard_mailbox_context(box)->moves ||
	    mount_guard_dbox_wants_rebuild(box))
		return MOUNT_GUARD_REBUILD;
	return wants_uidvalidity(box) ? MOUNT_GUARD_CREATE : opening(box);
}

static struct mailbox_sync_context *box_sync_init(struct mailbox *box, enum mailbox_sync_flags flags)
{
	enum mount_guard_moment moment = synchronising(box, flags);
	struct mount_guard_rebuild rebuild;
	struct mount_guard_risk risk;
	struct mailbox_sync_context *ctx;
	uint64_t permit = 0;
	bool permitted, stayed;

	permitted = moment == MOUNT_GUARD_REBUILD ?
		mount_guard_enter(box, moment, &permit) : mount_guard_permits_box(box, moment);
	if (!permitted)
		return index_mailbox_sync_init(box, flags, TRUE);
	mount_guard_rebuild_begin(&rebuild, box->storage->user, permit);
	mount_guard_risk_begin(&risk, box);
	ctx = super(box)->sync_init(box, flags);
	stayed = mount_guard_risk_end(&risk);
	mount_guard_rebuild_end(&rebuild);
	if (!mount_guard_leave(box, &permit) || !stayed)
		((struct index_mailbox_sync_context *)ctx)->failed = TRUE;
	else
		mount_guard_mailbox_context(box)->moves = FALSE;
	return ctx;
}

static int box_sync_deinit(struct mailbox_sync_context *ctx, struct mailbox_sync_status *status_r)
{
	struct mailbox *box = ctx->box;
	int ret = super(box)->sync_deinit(ctx, status_r);

	if (ret < 0)
		mount_guard_doubt_absence(box);
	return ret;
}

/* The lock lies in the list's own directories. An INBOX that has a place of its own is all that may be there. */
static bool may_lock(struct mailbox *box)
{
	return box->inbox_any ? mount_guard_would_permit(box, MOUNT_GUARD_LOOK) :
		mount_guard_list_would_permit(box->list, MOUNT_GUARD_LOOK);
}

void mount_guard_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct mount_guard_mailbox *gbox = mount_guard_mailbox_attach(box);

	v->exists = box_exists;
	v->open = box_open;
	v->close = box_close;
	v->create_box = box_create;
	v->update_box = box_update;
	v->delete_box = box_delete;
	v->rename_box = box_rename;
	v->get_status = box_get_status;
	v->get_metadata = box_get_metadata;
	v->set_subscribed = box_set_subscribed;
	v->sync_init = box_sync_init;
	v->sync_deinit = box_sync_deinit;
	mount_guard_transaction_hooks(v);

	gbox->stillborn = !may_lock(box);
	mount_guard_list_hold(box->list, gbox->stillborn);
}
