/* Everything that differs between Dovecot's versions, and nothing else. Dovecot 2.3. */
#ifndef MOUNT_GUARD_COMPAT_H
#define MOUNT_GUARD_COMPAT_H

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mail-user.h"
#include "mail-namespace.h"
#include "mail-index-view-private.h"
#include "master-service.h"
#include "master-service-settings.h"

static inline const char *
compat_setting(struct mail_user *user, const char *name)
{
	return mail_user_plugin_getenv(user, name);
}

static inline const char *compat_base_dir(struct mail_user *user)
{
	return user->set->base_dir;
}

static inline const char *compat_state_dir(void)
{
	return master_service_settings_get(master_service)->state_dir;
}

/* An INBOX outside of the mail directory, or NULL. */
static inline const char *compat_inbox_path(struct mailbox_list *list)
{
	return list->set.inbox_path;
}

/* dbox compares its dbox-alt-root symlink with the configuration when the storage is created, and
   makes the root directory for it when that is missing. */
static inline void compat_skip_alt_symlink_check(struct mailbox_list *list)
{
	list->set.alt_dir_nocheck = TRUE;
}

/* Whether the view was opened for a synchronisation. Its file is all that Dovecot notes of that. */
static inline bool compat_is_sync_view(const struct mail_index_view *view)
{
	return strcmp(view->source_filename, "mail-index-sync.c") == 0;
}

#endif
