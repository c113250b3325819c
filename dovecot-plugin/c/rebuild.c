/* A rebuild or a purge forgets each mail whose file it does not find. Unmounting fails while the mounts are held, but
   detaching them (umount -l) does not; so each index transaction is committed only when they are still there, which
   proves of everything that was looked for before that it was looked for in the right place. */

#include "rebuild.h"
#include "mail-index-private.h"
#include "mail-index-transaction-private.h"

#include <sysexits.h>

struct rebuild_transaction {
	union mail_index_transaction_module_context module_ctx;
};

static MODULE_CONTEXT_DEFINE_INIT(rebuild_transaction_module, &mail_index_module_register);

/* The innermost one that is going on. */
static struct mount_guard_rebuild *current;
static struct mount_guard_risk *risked;

static bool all_stay(void)
{
	struct mount_guard_rebuild *rebuild;

	for (rebuild = current; rebuild != NULL; rebuild = rebuild->outer) {
		if (rebuild->refused || !mount_guard_user_stays(rebuild->user, rebuild->permit))
			return FALSE;
	}
	return TRUE;
}

/* The transaction and its context end here; what ends them is taken from the context first. */
static struct mail_index_transaction_vfuncs detach(struct mail_index_transaction *t)
{
	struct rebuild_transaction *rt = MODULE_CONTEXT_REQUIRE(t, rebuild_transaction_module);
	struct mail_index_transaction_vfuncs super = rt->module_ctx.super;

	i_free(rt);
	return super;
}

static int commit(struct mail_index_transaction *t, struct mail_index_transaction_commit_result *result_r)
{
	struct mail_index_transaction_vfuncs super = detach(t);

	if (all_stay())
		return super.commit(t, result_r);
	if (current->unlinks && t->sync_transaction) {
		/* The one way not to: nothing is written yet, and what was copied is still where it was. */
		i_fatal_status(EX_TEMPFAIL, "mount_guard: purge ends, since a filesystem went away meanwhile");
	}
	mail_index_set_error_nolog(t->view->index, "a filesystem went away meanwhile");
	super.rollback(t);
	return -1;
}

static void rollback(struct mail_index_transaction *t)
{
	detach(t).rollback(t);
}

static void transaction_created(struct mail_index_transaction *t)
{
	struct rebuild_transaction *rt = i_new(struct rebuild_transaction, 1);
	struct mail_index_transaction_vfuncs *v;

	/* Dovecot leaves that to the first who hooks. */
	if (t->vlast == NULL)
		t->vlast = &t->v;
	v = t->vlast;
	rt->module_ctx.super = *v;
	t->vlast = &rt->module_ctx.super;
	MODULE_CONTEXT_SET(t, rebuild_transaction_module, rt);
	v->commit = commit;
	v->rollback = rollback;
}

static void begin(struct mount_guard_rebuild *rebuild)
{
	if (current == NULL)
		mail_index_transaction_hook_register(transaction_created);
	rebuild->goes_on = TRUE;
	rebuild->outer = current;
	current = rebuild;
}

void mount_guard_rebuild_begin(struct mount_guard_rebuild *rebuild, struct mail_user *user, uint64_t permit)
{
	i_zero(rebuild);
	if (permit == 0)
		return;
	rebuild->user = user;
	rebuild->permit = permit;
	begin(rebuild);
}

void mount_guard_rebuild_end(struct mount_guard_rebuild *rebuild)
{
	struct mount_guard_rebuild **link = &current;

	if (!rebuild->goes_on)
		return;
	/* One that was risked may have begun after what lies within it. */
	while (*link != rebuild)
		link = &(*link)->outer;
	*link = rebuild->outer;
	if (current == NULL)
		mail_index_transaction_hook_unregister(transaction_created);
}

void mount_guard_risk_begin(struct mount_guard_risk *risk, struct mailbox *box)
{
	i_zero(risk);
	risk->box = box;
	risk->outer = risked;
	risked = risk;
}

bool mount_guard_risk_taken(void)
{
	struct mount_guard_risk *risk = risked;

	if (risk == NULL)
		return TRUE;
	if (!risk->asked) {
		risk->asked = TRUE;
		if (mount_guard_enter(risk->box, MOUNT_GUARD_REBUILD, &risk->permit)) {
			mount_guard_rebuild_begin(&risk->rebuild, risk->box->storage->user, risk->permit);
		} else {
			risk->rebuild.refused = TRUE;
			begin(&risk->rebuild);
		}
	}
	return !risk->rebuild.refused;
}

bool mount_guard_risk_end(struct mount_guard_risk *risk)
{
	bool refused = risk->rebuild.refused;

	risked = risk->outer;
	mount_guard_rebuild_end(&risk->rebuild);
	/* What Dovecot says of it is no refusal. */
	if (refused)
		mount_guard_refuse_again(risk->box, MOUNT_GUARD_REBUILD);
	return mount_guard_leave(risk->box, &risk->permit) && !refused;
}
