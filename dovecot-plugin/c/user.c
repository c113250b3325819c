/* A user's session: which registry guards it. */

#include "mount-guard.h"

static MODULE_CONTEXT_DEFINE_INIT(mount_guard_user_module, &mail_user_module_register);

struct mount_guard_user *mount_guard_user_context(struct mail_user *user)
{
	return MODULE_CONTEXT_REQUIRE(user, mount_guard_user_module);
}

static const char *setting_or(struct mail_user *user, const char *name, const char *otherwise)
{
	const char *value = compat_setting(user, name);

	return value == NULL || *value == '\0' ? otherwise : value;
}

void mount_guard_user_created(struct mail_user *user)
{
	struct mount_guard_user *guser = p_new(user->pool, struct mount_guard_user, 1);
	struct mail_user_vfuncs *v = user->vlast;
	/* Dovecot's own directories, so that several instances on one machine don't meet. */
	struct mount_guard_settings settings = {
		.state_dir = setting_or(user, "mount_guard_state_dir", compat_state_dir()),
		.run_dir = setting_or(user, "mount_guard_run_dir", compat_base_dir(user)),
		.mode = setting_or(user, "mount_guard_mode", NULL),
		.registry = setting_or(user, "mount_guard_registry", NULL),
		.message = setting_or(user, "mount_guard_message", NULL),
	};

	guser->module_ctx.super = *v;
	user->vlast = &guser->module_ctx.super;
	guser->guard = mount_guard_open(&settings);
	MODULE_CONTEXT_SET(user, mount_guard_user_module, guser);
}
