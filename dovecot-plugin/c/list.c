/* A namespace's list of mailboxes: where its directories are. */

#include "mount-guard.h"

static MODULE_CONTEXT_DEFINE_INIT(mount_guard_list_module, &mailbox_list_module_register);

struct mount_guard_list *mount_guard_list_context(struct mailbox_list *list)
{
	return MODULE_CONTEXT_REQUIRE(list, mount_guard_list_module);
}

static const struct {
	enum mailbox_list_path_type type;
	enum mount_guard_role role;
} roots[] = {
	{ MAILBOX_LIST_PATH_TYPE_DIR, MOUNT_GUARD_MAIL },
	{ MAILBOX_LIST_PATH_TYPE_INDEX, MOUNT_GUARD_INDEX },
	{ MAILBOX_LIST_PATH_TYPE_LIST_INDEX, MOUNT_GUARD_INDEX },
	{ MAILBOX_LIST_PATH_TYPE_INDEX_PRIVATE, MOUNT_GUARD_INDEX },
	{ MAILBOX_LIST_PATH_TYPE_INDEX_CACHE, MOUNT_GUARD_INDEX },
	{ MAILBOX_LIST_PATH_TYPE_CONTROL, MOUNT_GUARD_CONTROL },
	{ MAILBOX_LIST_PATH_TYPE_ALT_DIR, MOUNT_GUARD_ALT },
};

static void add_place(struct mailbox_list *list, struct mount_guard_list *glist,
		      enum mount_guard_role role, const char *path)
{
	unsigned int i;

	if (path == NULL || *path == '\0')
		return;
	/* INDEX and CONTROL are the mail directory unless they are set: one look is enough. */
	for (i = 0; i < glist->place_count; i++) {
		if (glist->places[i].role == role && strcmp(glist->places[i].path, path) == 0)
			return;
	}
	i_assert(glist->place_count < MOUNT_GUARD_PLACES_MAX);
	glist->places[glist->place_count].role = role;
	glist->places[glist->place_count].path = p_strdup(list->pool, path);
	glist->place_count++;
}

static void find_places(struct mailbox_list *list, struct mount_guard_list *glist)
{
	const char *path, *attachments = list->mail_set->mail_attachment_dir;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(roots); i++) {
		if (mailbox_list_get_root_path(list, roots[i].type, &path))
			add_place(list, glist, roots[i].role, path);
	}
	add_place(list, glist, MOUNT_GUARD_INBOX, compat_inbox_path(list));
	if (*attachments != '\0') {
		add_place(list, glist, MOUNT_GUARD_ATTACHMENTS,
			  mail_user_home_expand(list->ns->user, attachments));
	}
}

/* Refuses the whole session: nothing of the namespace was touched yet. */
static void refuse_session(struct mailbox_list *list)
{
	struct mail_user *user = list->ns->user;
	const char *client;

	if (user->error != NULL || mount_guard_asks(list, MOUNT_GUARD_START, &client))
		return;
	user->error = p_strdup(user->pool, client);
	compat_skip_alt_symlink_check(list);
}

void mount_guard_list_created(struct mailbox_list *list)
{
	struct mount_guard_list *glist = p_new(list->pool, struct mount_guard_list, 1);
	struct mailbox_list_vfuncs *v = list->vlast;

	glist->module_ctx.super = *v;
	list->vlast = &glist->module_ctx.super;
	MODULE_CONTEXT_SET(list, mount_guard_list_module, glist);
	find_places(list, glist);
	if (list->ns->type == MAIL_NAMESPACE_TYPE_PRIVATE)
		refuse_session(list);
}
