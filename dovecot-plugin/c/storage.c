/* A storage: what is done to all of its mails at once. */

#include "hooks.h"
#include "dbox.h"
#include "rebuild.h"

static struct mail_storage_vfuncs *super(struct mail_storage *storage)
{
	return &mount_guard_storage_context(storage)->module_ctx.super;
}

/* What goes over a whole storage. */
struct work {
	int (*run)(struct mail_storage *storage, const struct work *work);
	bool unlinks;
	enum mail_storage_list_index_rebuild_reason reason;
};

/* Runs it while the mounts of all namespaces that share the storage are held, from this one on. */
static int run_held(struct mail_storage *storage, const struct work *work, struct mail_namespace *ns)
{
	struct mount_guard_rebuild rebuild;
	uint64_t permit;
	int ret;

	while (ns != NULL && ns->storage != storage)
		ns = ns->next;
	if (ns == NULL)
		return work->run(storage, work);
	if (!mount_guard_list_enter(ns->list, MOUNT_GUARD_REBUILD, &permit)) {
		mail_storage_copy_list_error(storage, ns->list);
		return -1;
	}
	mount_guard_rebuild_begin(&rebuild, storage->user, permit);
	rebuild.unlinks = work->unlinks;
	ret = run_held(storage, work, ns->next);
	mount_guard_rebuild_end(&rebuild);
	if (!mount_guard_list_leave(ns->list, permit)) {
		mail_storage_copy_list_error(storage, ns->list);
		ret = -1;
	}
	return ret;
}

static int purge(struct mail_storage *storage, const struct work *work ATTR_UNUSED)
{
	return super(storage)->purge(storage);
}

static int storage_purge(struct mail_storage *storage)
{
	struct work work = { .run = purge, .unlinks = TRUE };

	return run_held(storage, &work, storage->user->namespaces);
}

static int list_index_rebuild(struct mail_storage *storage, const struct work *work)
{
	return super(storage)->list_index_rebuild(storage, work->reason);
}

static int storage_list_index_rebuild(struct mail_storage *storage,
				      enum mail_storage_list_index_rebuild_reason reason)
{
	struct work work = { .run = list_index_rebuild, .reason = reason };

	return run_held(storage, &work, storage->user->namespaces);
}

void mount_guard_storage_created(struct mail_storage *storage)
{
	struct mail_storage_vfuncs *v = storage->vlast;

	(void)mount_guard_storage_attach(storage);
	/* Absent functions mean something to Dovecot. */
	if (v->purge != NULL)
		v->purge = storage_purge;
	if (v->list_index_rebuild != NULL)
		v->list_index_rebuild = storage_list_index_rebuild;
	mount_guard_dbox_storage_created(storage);
}
