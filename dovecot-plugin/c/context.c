/* What the plugin knows of each object, kept where Dovecot lets a plugin keep it: in the object. */

#include "context.h"

static MODULE_CONTEXT_DEFINE_INIT(mount_guard_user_module, &mail_user_module_register);
struct mount_guard_list_module mount_guard_list_module = MODULE_CONTEXT_INIT(&mailbox_list_module_register);
/* Storages and mailboxes share a register, each object has its own array of contexts. */
static MODULE_CONTEXT_DEFINE_INIT(mount_guard_storage_module, &mail_storage_module_register);
struct mount_guard_mailbox_module mount_guard_mailbox_module = MODULE_CONTEXT_INIT(&mail_storage_module_register);

static const struct {
	const char *driver;
	enum mount_guard_format format;
} formats[] = {
	{ "mdbox", MOUNT_GUARD_MDBOX },
	{ "sdbox", MOUNT_GUARD_SDBOX },
	{ "dbox", MOUNT_GUARD_SDBOX },
	{ "maildir", MOUNT_GUARD_MAILDIR },
	{ "mbox", MOUNT_GUARD_MBOX },
};

static enum mount_guard_format format_of(const struct mail_storage *storage)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(formats); i++) {
		if (strcmp(storage->name, formats[i].driver) == 0)
			return formats[i].format;
	}
	return MOUNT_GUARD_OTHER;
}

struct mount_guard_user *mount_guard_user_attach(struct mail_user *user)
{
	struct mount_guard_user *guser = p_new(user->pool, struct mount_guard_user, 1);

	guser->module_ctx.super = *user->vlast;
	user->vlast = &guser->module_ctx.super;
	MODULE_CONTEXT_SET(user, mount_guard_user_module, guser);
	return guser;
}

struct mount_guard_list *mount_guard_list_attach(struct mailbox_list *list)
{
	struct mount_guard_list *glist = p_new(list->pool, struct mount_guard_list, 1);

	glist->user = mount_guard_user_context(list->ns->user);
	glist->is_layout_index = strcmp(list->name, MAILBOX_LIST_NAME_INDEX) == 0;
	hash_table_create(&glist->known, list->pool, 0, str_hash, strcmp);
	glist->module_ctx.super = *list->vlast;
	list->vlast = &glist->module_ctx.super;
	MODULE_CONTEXT_SET(list, mount_guard_list_module, glist);
	return glist;
}

struct mount_guard_storage *mount_guard_storage_attach(struct mail_storage *storage)
{
	struct mount_guard_storage *gstorage = p_new(storage->pool, struct mount_guard_storage, 1);

	gstorage->format = format_of(storage);
	gstorage->module_ctx.super = *storage->vlast;
	storage->vlast = &gstorage->module_ctx.super;
	MODULE_CONTEXT_SET(storage, mount_guard_storage_module, gstorage);
	return gstorage;
}

/* More mailboxes than this are not known of any more once they are freed: a user may have many. */
#define KNOWN_MAX 100

/* LAYOUT=index may call another mailbox by the same name the next time. */
static struct mount_guard_known *known(struct mailbox *box)
{
	struct mount_guard_list *glist = mount_guard_list_context(box->list);
	struct mount_guard_known *known = hash_table_lookup(glist->known, box->name);
	const char *name;

	if (known != NULL)
		return known;
	if (hash_table_count(glist->known) >= KNOWN_MAX || mount_guard_is_layout_index(box->list))
		return p_new(box->pool, struct mount_guard_known, 1);
	known = p_new(box->list->pool, struct mount_guard_known, 1);
	name = p_strdup(box->list->pool, box->name);
	hash_table_insert(glist->known, name, known);
	return known;
}

struct mount_guard_mailbox *mount_guard_mailbox_attach(struct mailbox *box)
{
	struct mount_guard_mailbox *gbox = p_new(box->pool, struct mount_guard_mailbox, 1);

	gbox->user = mount_guard_user_context(box->storage->user);
	gbox->known = known(box);
	gbox->module_ctx.super = *box->vlast;
	box->vlast = &gbox->module_ctx.super;
	MODULE_CONTEXT_SET(box, mount_guard_mailbox_module, gbox);
	return gbox;
}

struct mount_guard_user *mount_guard_user_context(struct mail_user *user)
{
	return MODULE_CONTEXT_REQUIRE(user, mount_guard_user_module);
}

struct mount_guard_storage *mount_guard_storage_context(struct mail_storage *storage)
{
	return MODULE_CONTEXT_REQUIRE(storage, mount_guard_storage_module);
}

bool mount_guard_is_user_guarded(struct mail_user *user)
{
	return MODULE_CONTEXT(user, mount_guard_user_module) != NULL;
}

bool mount_guard_is_guarded(struct mailbox *box)
{
	return MODULE_CONTEXT(box, mount_guard_mailbox_module) != NULL;
}

bool mount_guard_has_root(struct mailbox_list *list, enum mount_guard_role role)
{
	const struct mount_guard_list *glist = mount_guard_list_context(list);
	unsigned int i;

	for (i = 0; i < glist->root_count; i++) {
		if (glist->roots[i].role == role)
			return TRUE;
	}
	return FALSE;
}

enum mount_guard_format mount_guard_format(const struct mail_storage *storage)
{
	const struct mount_guard_storage *gstorage =
		storage == NULL ? NULL : MODULE_CONTEXT(storage, mount_guard_storage_module);

	return gstorage == NULL ? MOUNT_GUARD_OTHER : gstorage->format;
}
