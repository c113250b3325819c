/* A user's session: which registry guards it. */

#include "hooks.h"
#include "restrict-access.h"

static const char *setting_or(struct mail_user *user, const char *name, const char *otherwise)
{
	const char *value = compat_setting(user, name);

	return value == NULL || *value == '\0' ? otherwise : value;
}

/* Delivery agents run sieve scripts from the home. Without them they would keep the mail in the INBOX, which is
   not what the scripts say; so there is no delivery until they can be read. */
static bool runs_scripts(struct mail_user *user)
{
	return (strcmp(user->service, "lmtp") == 0 || strcmp(user->service, "lda") == 0) &&
		str_array_find(t_strsplit_spaces(user->set->mail_plugins, ", "), "sieve");
}

/* ManageSieve makes the scripts' directory at login, and would take new scripts underneath. */
static bool edits_scripts(struct mail_user *user)
{
	return strcmp(user->service, "managesieve") == 0;
}

static void check_home(struct mail_user *user)
{
	struct mount_guard_place home = { .role = MOUNT_GUARD_HOME };
	const char *client;

	if (user->error != NULL || user->autocreated || (!runs_scripts(user) && !edits_scripts(user)) ||
	    mail_user_get_home(user, &home.path) <= 0)
		return;
	if (runs_scripts(user))
		mount_guard_user_context(user)->scripts = p_strdup(user->pool, home.path);
	if (!mount_guard_permits_place(user, MOUNT_GUARD_SCRIPTS, &home, &client))
		user->error = p_strdup(user->pool, client);
}

void mount_guard_user_created(struct mail_user *user)
{
	/* Dovecot's own directories, so that several instances on one machine don't meet. */
	struct mount_guard_settings settings = {
		.state_dir = setting_or(user, "mount_guard_state_dir", compat_state_dir()),
		.run_dir = setting_or(user, "mount_guard_run_dir", compat_base_dir(user)),
		.mode = setting_or(user, "mount_guard_mode", NULL),
		.registry = setting_or(user, "mount_guard_registry", NULL),
		.message = setting_or(user, "mount_guard_message", NULL),
		.chroot = restrict_access_get_current_chroot(),
	};
	struct mount_guard_user *guser;

	guser = mount_guard_user_attach(user);
	guser->guard = mount_guard_open(&settings);
	guser->log_only = null_strcmp(settings.mode, "log") == 0;
	check_home(user);
}
