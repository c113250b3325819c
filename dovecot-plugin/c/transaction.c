/* A transaction: what is saved by path is pinned from before the first file to after the commit, and success
   is answered only when the mounts stayed. */

#include "hooks.h"
#include "absence.h"
#include "doubt.h"
#include "dbox.h"
#include "rebuild.h"
#include "index-storage.h"
#include "mail-index-transaction-private.h"

struct mount_guard_transaction {
	struct mailbox_transaction_context *transaction;
	/* Another one of the same mailbox. */
	struct mount_guard_transaction *next;
	uint64_t permit;
	/* The first mail follows at once, so that there is no need to look again. */
	bool fresh;
	/* Stands in for the storage's own, which would have made files when it was allocated. */
	struct mail_save_context *refused_save;
	/* Not 0: the moment that was refused. */
	enum mount_guard_moment spoilt_by;
	/* It marks mails for sdbox to move from or to alternate storage. */
	bool moves;
};

/* Where Dovecot would have it kept there is no room for it, and to make room takes longer than to look for it. */
static struct mount_guard_transaction *context(struct mailbox_transaction_context *t)
{
	struct mount_guard_transaction *gt = mount_guard_mailbox_context(t->box)->transactions;

	while (gt->transaction != t)
		gt = gt->next;
	return gt;
}

static struct mailbox_vfuncs *super(struct mailbox *box)
{
	return &mount_guard_mailbox_context(box)->module_ctx.super;
}

void mount_guard_transaction_spoil(struct mailbox_transaction_context *t, enum mount_guard_moment moment)
{
	context(t)->spoilt_by = moment;
}

void mount_guard_transaction_moves(struct mailbox_transaction_context *t)
{
	context(t)->moves = TRUE;
}

/* There is seldom more than one at a time, and each command that fetches has one. */
static struct mount_guard_transaction first;
static bool first_is_used;

static struct mount_guard_transaction *allocate(void)
{
	if (first_is_used)
		return i_new(struct mount_guard_transaction, 1);
	first_is_used = TRUE;
	i_zero(&first);
	return &first;
}

static void release(struct mailbox *box, struct mount_guard_transaction *gt)
{
	struct mount_guard_transaction **place = &mount_guard_mailbox_context(box)->transactions;

	while (*place != gt)
		place = &(*place)->next;
	*place = gt->next;
	i_free(gt->refused_save);
	if (gt == &first)
		first_is_used = FALSE;
	else
		i_free(gt);
}

static struct mailbox_transaction_context *
transaction_begin(struct mailbox *box, enum mailbox_transaction_flags flags, const char *reason)
{
	struct mount_guard_mailbox *gbox = mount_guard_mailbox_context(box);
	struct mount_guard_transaction *gt = allocate();
	struct mailbox_transaction_context *t;

	/* Refreshing an index whose directory is absent marks the mailbox deleted for good. */
	if ((flags & MAILBOX_TRANSACTION_FLAG_REFRESH) != 0 && !mount_guard_would_permit(box, MOUNT_GUARD_LOOK))
		flags &= ENUM_NEGATE(MAILBOX_TRANSACTION_FLAG_REFRESH);
	t = super(box)->transaction_begin(box, flags, reason);
	mount_guard_end_absence(box);
	gt->transaction = t;
	gt->next = gbox->transactions;
	gbox->transactions = gt;
	return t;
}

static bool has_changes(struct mailbox_transaction_context *t)
{
	return MAIL_INDEX_TRANSACTION_HAS_CHANGES(t->itrans) || t->itrans_pvt != NULL;
}

/* Without changes there is still the cache to be written, by a path that may be made for it. */
static bool permits_commit(struct mailbox_transaction_context *t)
{
	struct mount_guard_transaction *gt = context(t);
	enum mount_guard_moment moment = has_changes(t) ? MOUNT_GUARD_CHANGE : MOUNT_GUARD_LOOK;
	bool permitted;

	if (gt->spoilt_by != 0)
		return FALSE;
	if (gt->permit != 0)
		permitted = mount_guard_stays(t->box, gt->permit, FALSE);
	else if (moment == MOUNT_GUARD_CHANGE)
		permitted = mount_guard_enter(t->box, moment, &gt->permit);
	else
		permitted = mount_guard_permits_box(t->box, moment);
	if (!permitted)
		gt->spoilt_by = moment;
	return permitted;
}

static int
transaction_commit(struct mailbox_transaction_context *t, struct mail_transaction_commit_changes *changes_r)
{
	struct mount_guard_transaction *gt = context(t);
	struct mailbox *box = t->box;
	struct mount_guard_risk risk;
	bool stayed;
	int ret = -1;

	/* The mailbox is synchronised in it, which sdbox may have to rebuild. */
	mount_guard_risk_begin(&risk, box);
	if (permits_commit(t))
		ret = super(box)->transaction_commit(t, changes_r);
	else
		super(box)->transaction_rollback(t);
	stayed = mount_guard_risk_end(&risk);
	/* The transaction is gone from here on. */
	if (ret == 0 && gt->moves)
		mount_guard_mailbox_context(box)->moves = TRUE;
	if (!mount_guard_leave(box, &gt->permit) || !stayed)
		ret = -1;
	else if (ret < 0)
		mount_guard_doubt_absence(box);
	if (gt->spoilt_by != 0)
		mount_guard_refuse_again(box, gt->spoilt_by);
	release(box, gt);
	return ret;
}

static void transaction_rollback(struct mailbox_transaction_context *t)
{
	struct mount_guard_transaction *gt = context(t);
	struct mailbox *box = t->box;

	super(box)->transaction_rollback(t);
	if (mount_guard_leave(box, &gt->permit))
		mount_guard_doubt_absence(box);
	release(box, gt);
}

/* sdbox synchronises the mailbox when it commits, and begins with the rebuild that is due; mdbox leaves that for later. */
static enum mount_guard_moment saving(struct mailbox *box)
{
	return mount_guard_format(box->storage) == MOUNT_GUARD_SDBOX && mount_guard_dbox_wants_rebuild(box) ?
		MOUNT_GUARD_REBUILD : MOUNT_GUARD_SAVE;
}

/* Asked for each mail: later ones of a transaction are not to go underneath when the first did not. */
static bool permits_save(struct mailbox_transaction_context *t)
{
	struct mount_guard_transaction *gt = context(t);
	enum mount_guard_moment moment = MOUNT_GUARD_SAVE;
	bool was_fresh = gt->fresh, permitted;

	gt->fresh = FALSE;
	if (gt->refused_save != NULL)
		return FALSE;
	if (gt->permit == 0) {
		moment = saving(t->box);
		permitted = mount_guard_enter(t->box, moment, &gt->permit);
	} else {
		permitted = mount_guard_stays(t->box, gt->permit, !was_fresh);
	}
	if (!permitted)
		gt->spoilt_by = moment;
	return permitted;
}

/* mdbox makes its storage directory and map here, and there is no way to fail. */
static struct mail_save_context *save_alloc(struct mailbox_transaction_context *t)
{
	struct mount_guard_transaction *gt = context(t);

	if (gt->refused_save != NULL)
		return gt->refused_save;
	if (t->save_ctx != NULL || mount_guard_format(t->box->storage) == MOUNT_GUARD_OTHER)
		return super(t->box)->save_alloc(t);
	if (permits_save(t)) {
		gt->fresh = TRUE;
		return super(t->box)->save_alloc(t);
	}
	gt->refused_save = i_new(struct mail_save_context, 1);
	gt->refused_save->transaction = t;
	t->save_ctx = gt->refused_save;
	return t->save_ctx;
}

/* A server asks why it failed before the transaction ends. */
static int doubt_failure(struct mailbox_transaction_context *t, int ret)
{
	uint64_t permit = context(t)->permit;

	if (ret < 0 && (permit == 0 || mount_guard_stays(t->box, permit, TRUE)))
		mount_guard_doubt_absence(t->box);
	return ret;
}

static int save_begin(struct mail_save_context *ctx, struct istream *input)
{
	struct mailbox_transaction_context *t = ctx->transaction;

	if (permits_save(t))
		return doubt_failure(t, super(t->box)->save_begin(ctx, input));
	mount_guard_refuse_again(t->box, context(t)->spoilt_by);
	return -1;
}

static void save_cancel(struct mail_save_context *ctx)
{
	struct mailbox *box = ctx->transaction->box;

	if (ctx == context(ctx->transaction)->refused_save)
		index_save_context_free(ctx);
	else
		super(box)->save_cancel(ctx);
	/* What is deleted is not saved to, and so nothing was asked. */
	mount_guard_doubt_absence(box);
}

static void save_rollback(struct mail_save_context *ctx)
{
	if (ctx != context(ctx->transaction)->refused_save)
		super(ctx->transaction->box)->transaction_save_rollback(ctx);
}

static void
save_commit_post(struct mail_save_context *ctx, struct mail_index_transaction_commit_result *result)
{
	struct mailbox *box = ctx->transaction->box;
	enum mount_guard_format format = mount_guard_format(box->storage);

	if (format == MOUNT_GUARD_MDBOX || format == MOUNT_GUARD_SDBOX)
		mount_guard_dbox_commit_post(ctx, result, super(box)->transaction_save_commit_post);
	else
		super(box)->transaction_save_commit_post(ctx, result);
}

/* maildir and sdbox link the source's file, and look for it elsewhere when it is not there. */
static bool permits_source(struct mail *mail, struct mailbox *dest)
{
	bool is_sdbox = mount_guard_format(mail->box->storage) == MOUNT_GUARD_SDBOX;
	enum mount_guard_moment moment = is_sdbox && !mount_guard_dbox_is_primary(mail) ?
		MOUNT_GUARD_READ_ALT : MOUNT_GUARD_READ;

	if (mount_guard_permits_box(mail->box, moment))
		return TRUE;
	if (mail->box->storage != dest->storage)
		mail_storage_copy_error(dest->storage, mail->box->storage);
	return FALSE;
}

static int copy(struct mail_save_context *ctx, struct mail *mail)
{
	struct mailbox_transaction_context *t = ctx->transaction;
	struct mailbox *box = t->box;

	if (!permits_save(t)) {
		enum mount_guard_moment moment = context(t)->spoilt_by;

		/* Dovecot asserts that a copy which failed was cancelled. */
		mailbox_save_cancel(&ctx);
		mount_guard_refuse_again(box, moment);
		return -1;
	}
	if (!mail->saving && mount_guard_is_guarded(mail->box) && !permits_source(mail, box)) {
		mailbox_save_cancel(&ctx);
		return -1;
	}
	return doubt_failure(t, super(box)->copy(ctx, mail));
}

void mount_guard_transaction_hooks(struct mailbox_vfuncs *v)
{
	v->transaction_begin = transaction_begin;
	v->transaction_commit = transaction_commit;
	v->transaction_rollback = transaction_rollback;
	v->transaction_save_rollback = save_rollback;
	v->transaction_save_commit_post = save_commit_post;
	v->save_alloc = save_alloc;
	v->save_begin = save_begin;
	v->save_cancel = save_cancel;
	v->copy = copy;
}
