/* The plugin's entry points; the only symbols it exports. */

#include "hooks.h"
#include "server.h"
#include "error.h"
#include "mail-storage-hooks.h"
#include "restrict-access.h"

#define EXPORTED __attribute__((visibility("default")))

EXPORTED void mount_guard_plugin_preinit(void);
EXPORTED void mount_guard_plugin_init(struct module *module);
EXPORTED void mount_guard_plugin_deinit(void);
EXPORTED extern const char *mount_guard_plugin_version;

/* Dovecot compares this with its own before it calls anything else and refuses to start a session
   when they differ. */
const char *mount_guard_plugin_version = DOVECOT_ABI_VERSION;

static struct mail_storage_hooks mount_guard_hooks = {
	.mail_user_created = mount_guard_user_created,
	.mailbox_list_created = mount_guard_list_created,
	.mail_namespace_storage_added = mount_guard_namespace_storage_added,
	.mail_namespaces_created = mount_guard_namespaces_created,
	.mail_storage_created = mount_guard_storage_created,
	.mailbox_allocated = mount_guard_mailbox_allocated,
	.mail_allocated = mount_guard_mail_allocated,
};

/* Called when the plugin is loaded, before the user is known. A session changes its root between this and the other,
   and from inside it nothing leads out. */
void mount_guard_plugin_preinit(void)
{
	if (restrict_access_get_current_chroot() == NULL)
		mount_guard_keep_outside();
}

void mount_guard_plugin_init(struct module *module)
{
	mail_storage_hooks_add(module, &mount_guard_hooks);
	mount_guard_imap_init();
}

void mount_guard_plugin_deinit(void)
{
	mount_guard_imap_deinit();
	mount_guard_error_deinit();
	mail_storage_hooks_remove(&mount_guard_hooks);
	mount_guard_close();
}
