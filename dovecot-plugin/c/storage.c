/* A storage: what is done to all of its mails at once. */

#include "hooks.h"
#include "dbox.h"

static struct mail_storage_vfuncs *super(struct mail_storage *storage)
{
	return &mount_guard_storage_context(storage)->module_ctx.super;
}

/* Whether all namespaces that share the storage permit; the storage carries the error otherwise. */
static bool permits_storage(struct mail_storage *storage, enum mount_guard_moment moment)
{
	struct mail_namespace *ns;

	for (ns = storage->user->namespaces; ns != NULL; ns = ns->next) {
		if (ns->storage != storage || mount_guard_permits_list(ns->list, moment))
			continue;
		mail_storage_copy_list_error(storage, ns->list);
		return FALSE;
	}
	return TRUE;
}

static int storage_purge(struct mail_storage *storage)
{
	if (!permits_storage(storage, MOUNT_GUARD_REBUILD))
		return -1;
	return super(storage)->purge(storage);
}

static int storage_list_index_rebuild(struct mail_storage *storage,
				      enum mail_storage_list_index_rebuild_reason reason)
{
	if (!permits_storage(storage, MOUNT_GUARD_REBUILD))
		return -1;
	return super(storage)->list_index_rebuild(storage, reason);
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
