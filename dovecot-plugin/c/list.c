/* A namespace's list of mailboxes: where its directories are, and what is done to it as a whole. */

#include "hooks.h"
#include "rebuild.h"
#include "mailbox-list-iter-private.h"
#include "mailbox-list-notify.h"

/* An iteration that was refused before it began: it finds nothing and ends with the error. */
struct refused_iteration {
	struct mailbox_list_iterate_context ctx;
	union mailbox_list_iterate_module_context module_ctx;
	const char *error;
};

static MODULE_CONTEXT_DEFINE_INIT(refused_iteration_module, &mailbox_list_module_register);

/* NULL for an iteration that was permitted. */
static struct refused_iteration *refused_iteration(struct mailbox_list_iterate_context *ctx)
{
	void *refused = MODULE_CONTEXT(ctx, refused_iteration_module);

	return refused == NULL ? NULL : container_of(ctx, struct refused_iteration, ctx);
}

static const struct {
	enum mailbox_list_path_type type;
	enum mount_guard_role role;
	/* Whether mdbox keeps a part of its storage in it. */
	bool has_storage;
} root_types[] = {
	{ MAILBOX_LIST_PATH_TYPE_DIR, MOUNT_GUARD_MAIL, TRUE },
	{ MAILBOX_LIST_PATH_TYPE_INDEX, MOUNT_GUARD_INDEX, TRUE },
	{ MAILBOX_LIST_PATH_TYPE_LIST_INDEX, MOUNT_GUARD_INDEX, FALSE },
	{ MAILBOX_LIST_PATH_TYPE_INDEX_PRIVATE, MOUNT_GUARD_INDEX, FALSE },
	{ MAILBOX_LIST_PATH_TYPE_INDEX_CACHE, MOUNT_GUARD_INDEX, FALSE },
	{ MAILBOX_LIST_PATH_TYPE_CONTROL, MOUNT_GUARD_CONTROL, FALSE },
	{ MAILBOX_LIST_PATH_TYPE_ALT_DIR, MOUNT_GUARD_ALT, TRUE },
};

static void add_root(struct mailbox_list *list, enum mount_guard_role role, const char *path, bool has_storage)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);
	unsigned int i;

	if (path == NULL || *path == '\0')
		return;
	/* The list index is the index directory unless it is set: one look is enough. */
	for (i = 0; i < glist->root_count; i++) {
		if (glist->roots[i].role == role && strcmp(glist->roots[i].path, path) == 0)
			return;
	}
	i_assert(glist->root_count < MOUNT_GUARD_ROOTS_MAX);
	glist->roots[glist->root_count].role = role;
	glist->roots[glist->root_count].path = p_strdup(list->pool, path);
	glist->storages[glist->root_count] = glist->roots[glist->root_count];
	if (has_storage)
		glist->storages[glist->root_count].path = p_strconcat(list->pool, path, "/storage", NULL);
	glist->root_count++;
}

static void find_roots(struct mailbox_list *list)
{
	const char *path, *attachments = list->mail_set->mail_attachment_dir;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(root_types); i++) {
		if (mailbox_list_get_root_path(list, root_types[i].type, &path))
			add_root(list, root_types[i].role, path, root_types[i].has_storage);
	}
	add_root(list, MOUNT_GUARD_INBOX, compat_inbox_path(list), FALSE);
	if (*attachments != '\0') {
		add_root(list, MOUNT_GUARD_ATTACHMENTS,
			 mail_user_home_expand(list->ns->user, attachments), FALSE);
	}
}

void mount_guard_list_hold(struct mailbox_list *list, bool hold)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);

	/* A lock that somebody has is real, and would be kept as long as the list is held. */
	if (glist->held == hold || (hold && list->lock_refcount > 0))
		return;
	glist->held = hold;
	if (hold)
		list->lock_refcount++;
	else
		mailbox_list_unlock(list);
}

static int list_get_path(struct mailbox_list *list, const char *name, enum mailbox_list_path_type type,
			 const char **path_r)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);

	/* dbox asks for it first of all when it rebuilds. */
	if (name == NULL && type == MAILBOX_LIST_PATH_TYPE_ALT_DIR && !mount_guard_risk_taken()) {
		/* Below a file: looking for it fails, and so does making it. */
		*path_r = "/dev/null/mount_guard";
		return 1;
	}
	/* LAYOUT=index looks the name up in its index, and makes that and its directory when they are missing. */
	if (name != NULL && glist->is_layout_index &&
	    !mount_guard_permits_list(list, MOUNT_GUARD_LOOK))
		return -1;
	return glist->module_ctx.super.get_path(list, name, type, path_r);
}

/* dsync infers deletions from what it does not find, so it needs all there is. */
static enum mount_guard_moment list_moment(struct mailbox_list *list)
{
	return list->ns->user->dsyncing ? MOUNT_GUARD_SYNC : MOUNT_GUARD_LOOK;
}

static struct mailbox_list_iterate_context *
list_iter_init(struct mailbox_list *list, const char *const *patterns, enum mailbox_list_iter_flags flags)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);
	struct refused_iteration *refused;
	pool_t pool;

	if (mount_guard_permits_list(list, list_moment(list)))
		return glist->module_ctx.super.iter_init(list, patterns, flags);
	pool = pool_alloconly_create("mount_guard refused iteration", 1024);
	refused = p_new(pool, struct refused_iteration, 1);
	refused->ctx.list = list;
	refused->ctx.pool = pool;
	refused->ctx.flags = flags;
	refused->ctx.failed = TRUE;
	refused->error = p_strdup(pool, mailbox_list_get_last_error(list, NULL));
	p_array_init(&refused->ctx.module_contexts, pool, 5);
	MODULE_CONTEXT_SET_SELF(&refused->ctx, refused_iteration_module, &refused->module_ctx);
	return &refused->ctx;
}

static const struct mailbox_info *list_iter_next(struct mailbox_list_iterate_context *ctx)
{
	struct mount_guard_list *glist = mount_guard_list_context(ctx->list);

	return refused_iteration(ctx) != NULL ? NULL : glist->module_ctx.super.iter_next(ctx);
}

static int list_iter_deinit(struct mailbox_list_iterate_context *ctx)
{
	struct mount_guard_list *glist = mount_guard_list_context(ctx->list);
	struct refused_iteration *refused = refused_iteration(ctx);
	pool_t pool = ctx->pool;

	if (refused == NULL)
		return glist->module_ctx.super.iter_deinit(ctx);
	/* Looking at the namespace's prefix has cleared it meanwhile. */
	mailbox_list_set_error(ctx->list, MAIL_ERROR_TEMP, refused->error);
	pool_unref(&pool);
	return -1;
}

/* IMAP NOTIFY opens the list index first of all, and makes that and its directory when they are missing. */
static int list_notify_init(struct mailbox_list *list, enum mailbox_list_notify_event mask,
			    struct mailbox_list_notify **notify_r)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);

	if (glist->module_ctx.super.notify_init == NULL || !mount_guard_permits_list(list, MOUNT_GUARD_LOOK))
		return -1;
	return glist->module_ctx.super.notify_init(list, mask, notify_r);
}

/* Refreshing an index whose directory is absent marks it deleted for good. What changed is told of afterwards. */
static int list_notify_next(struct mailbox_list_notify *notify, const struct mailbox_list_notify_rec **rec_r)
{
	struct mount_guard_list *glist = mount_guard_list_context(notify->list);

	if (!mount_guard_permits_list(notify->list, MOUNT_GUARD_LOOK))
		return -1;
	return glist->module_ctx.super.notify_next(notify, rec_r);
}

static int list_subscriptions_refresh(struct mailbox_list *src, struct mailbox_list *dest)
{
	struct mount_guard_list *glist = mount_guard_list_context(src);

	if (mount_guard_permits_list(src, list_moment(src)))
		return glist->module_ctx.super.subscriptions_refresh(src, dest);
	if (src != dest)
		mailbox_list_set_error(dest, MAIL_ERROR_TEMP, mailbox_list_get_last_error(src, NULL));
	return -1;
}

static int list_set_subscribed(struct mailbox_list *list, const char *name, bool set)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);
	uint64_t permit;
	int ret;

	if (!mount_guard_list_enter(list, MOUNT_GUARD_SUBSCRIBE, &permit))
		return -1;
	ret = glist->module_ctx.super.set_subscribed(list, name, set);
	return mount_guard_list_leave(list, permit) ? ret : -1;
}

static int list_delete_mailbox(struct mailbox_list *list, const char *name)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);

	if (!mount_guard_permits_list(list, MOUNT_GUARD_DELETE))
		return -1;
	return glist->module_ctx.super.delete_mailbox(list, name);
}

static int list_delete_dir(struct mailbox_list *list, const char *name)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);

	if (!mount_guard_permits_list(list, MOUNT_GUARD_DELETE))
		return -1;
	return glist->module_ctx.super.delete_dir(list, name);
}

static int list_delete_symlink(struct mailbox_list *list, const char *name)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);

	if (!mount_guard_permits_list(list, MOUNT_GUARD_DELETE))
		return -1;
	return glist->module_ctx.super.delete_symlink(list, name);
}

void mount_guard_namespace_storage_added(struct mail_namespace *ns)
{
	mount_guard_list_unpin(mount_guard_list_context(ns->list));
}

static void list_deinit(struct mailbox_list *list)
{
	struct mount_guard_list *glist = mount_guard_list_context(list);

	mount_guard_list_hold(list, FALSE);
	mount_guard_list_unpin(glist);
	hash_table_destroy(&glist->known);
	glist->module_ctx.super.deinit(list);
}

void mount_guard_list_created(struct mailbox_list *list)
{
	struct mailbox_list_vfuncs *v = list->vlast;
	struct mount_guard_list *glist = mount_guard_list_attach(list);

	find_roots(list);
	mount_guard_tell_roots(list);

	v->deinit = list_deinit;
	v->get_path = list_get_path;
	v->iter_init = list_iter_init;
	v->iter_next = list_iter_next;
	v->iter_deinit = list_iter_deinit;
	v->notify_init = list_notify_init;
	v->notify_next = list_notify_next;
	v->subscriptions_refresh = list_subscriptions_refresh;
	v->set_subscribed = list_set_subscribed;
	v->delete_mailbox = list_delete_mailbox;
	v->delete_dir = list_delete_dir;
	v->delete_symlink = list_delete_symlink;

	/* Creating dbox's storage, which comes next, makes the root directory for its symlink. */
	if (mount_guard_has_root(list, MOUNT_GUARD_ALT) &&
	    !mount_guard_list_pin(list, MOUNT_GUARD_REBUILD, &glist->creating))
		compat_skip_alt_symlink_check(list);
}
