/* doveadm mount user USER: where the user's mail lies, and whether it can be used now.

   Dovecot itself says where: its variables, overrides of the user database and namespaces are not guessed. No
   namespace is created for it, since that makes directories where they are missing. */

#include "mount.h"
#include "array.h"
#include "istream.h"
#include "mailbox-list-private.h"
#include "mail-namespace.h"
#include "mail-storage-settings.h"
#include "mail-storage-service.h"
#include "mail-user.h"
#include "master-service.h"

#include <ctype.h>
#include <sysexits.h>
#include <unistd.h>

/* A directory of the user's, and what it is for. */
struct place {
	const char *role;
	const char *path;
};

ARRAY_DEFINE_TYPE(places, struct place);

static void add(ARRAY_TYPE(places) *places, const char *role, const char *path)
{
	const struct place *other;
	struct place place = { .role = role, .path = path };

	/* Neither an index in memory nor a name within another directory is a place of its own. */
	if (path == NULL || *path != '/')
		return;
	array_foreach(places, other) {
		if (strcmp(other->role, role) == 0 && strcmp(other->path, path) == 0)
			return;
	}
	array_push_back(places, &place);
}

/* The location without the name of the driver, as lib-storage takes it apart. */
static const char *without_driver(const char *location)
{
	const char *end = location;

	while (i_isalnum(*end))
		end++;
	return *end == ':' && end != location ? end + 1 : location;
}

static void add_location(ARRAY_TYPE(places) *places, struct mail_user *user, const char *location)
{
	struct mailbox_list_settings set;
	const char *error;

	/* Unset: Dovecot would look what there is in the home. */
	if (*location == '\0')
		return;
	if (mailbox_list_settings_parse(user, without_driver(location), &set, &error) < 0)
		i_fatal_status(EX_CONFIG, "User %s: mail location %s: %s", user->username, location, error);
	add(places, "mail", set.root_dir);
	add(places, "index", set.index_dir);
	add(places, "index", set.index_pvt_dir);
	add(places, "index", set.index_cache_dir);
	add(places, "index", set.list_index_dir);
	add(places, "control", set.control_dir);
	add(places, "alt", set.alt_dir);
	add(places, "inbox", set.inbox_path);
}

static void find_places(ARRAY_TYPE(places) *places, struct mail_user *user)
{
	const struct mail_storage_settings *mail_set = mail_user_set_get_storage_set(user);
	struct mail_namespace_settings *ns;
	const char *home;

	if (!array_is_created(&user->set->namespaces))
		add_location(places, user, mail_set->mail_location);
	else array_foreach_elem(&user->set->namespaces, ns) {
		/* A shared namespace's location is a pattern for that of others. */
		if (ns->disabled || strcmp(ns->type, "shared") == 0)
			continue;
		add_location(places, user, *ns->location != '\0' ? ns->location : mail_set->mail_location);
	}
	if (*mail_set->mail_attachment_dir != '\0')
		add(places, "attachments", mail_user_home_expand(user, mail_set->mail_attachment_dir));
	if (mail_user_get_home(user, &home) > 0)
		add(places, "home", home);
}

/* The first line that the command writes to the descriptor; empty when it writes none. */
static const char *first_line(const char *command, const struct place *place, int descriptor, int *code_r)
{
	const char *const given[] = { place->path, NULL };
	struct istream *input;
	const char *line, *first = "";
	int output;
	pid_t pid = mount_start(command, given, descriptor, &output);

	input = i_stream_create_fd_autoclose(&output, SIZE_MAX);
	while ((line = i_stream_read_next_line(input)) != NULL) {
		if (*first == '\0')
			first = t_strdup(line);
	}
	i_stream_destroy(&input);
	*code_r = mount_end(pid);
	return first;
}

/* What a guard would answer, in the words of whoever decides where the user is served. */
static const char *effective_state(const char *state, int code)
{
	if (code == 0)
		return "online";
	if (code == EX_TEMPFAIL && (strcmp(state, "offline") == 0 || strcmp(state, "failover") == 0))
		return state;
	return "refused";
}

static void show(const struct place *place)
{
	const char *const *covering;
	const char *reason, *mountpoint = "-", *state = "";
	int code;

	covering = t_strsplit(first_line("status", place, STDOUT_FILENO, &code), "\t");
	if (str_array_length(covering) > 1) {
		mountpoint = covering[0];
		state = covering[1];
	}
	reason = first_line("check", place, STDERR_FILENO, &code);
	doveadm_print(place->role);
	doveadm_print(place->path);
	doveadm_print(mountpoint);
	doveadm_print(effective_state(state, code));
	doveadm_print(code == 0 ? "-" : reason);
	if (code != 0)
		doveadm_exit_code = code;
}

static void show_all(struct mail_user *user)
{
	static const char *const columns[] = { "role", "path", "mountpoint", "state", "reason" };
	ARRAY_TYPE(places) places;
	const struct place *place;
	unsigned int i;

	t_array_init(&places, 8);
	find_places(&places, user);
	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	for (i = 0; i < N_ELEMENTS(columns); i++)
		doveadm_print_header_simple(columns[i]);
	array_foreach(&places, place) T_BEGIN {
		show(place);
	} T_END;
}

static void run(struct doveadm_cmd_context *cctx)
{
	struct mail_storage_service_input input = { .module = "mail", .service = "doveadm" };
	struct mail_storage_service_ctx *storage;
	struct mail_storage_service_user *service_user;
	struct mail_user *user;
	const char *error;
	int ret;

	if (!doveadm_cmd_param_str(cctx, "user", &input.username)) {
		help_ver2(&mount_user_command);
		return;
	}
	storage = mail_storage_service_init(master_service, NULL,
					    MAIL_STORAGE_SERVICE_FLAG_USERDB_LOOKUP |
					    MAIL_STORAGE_SERVICE_FLAG_NO_RESTRICT_ACCESS |
					    MAIL_STORAGE_SERVICE_FLAG_NO_CHDIR |
					    MAIL_STORAGE_SERVICE_FLAG_NO_LOG_INIT |
					    MAIL_STORAGE_SERVICE_FLAG_NO_PLUGINS |
					    MAIL_STORAGE_SERVICE_FLAG_NO_NAMESPACES);
	ret = mail_storage_service_lookup_next(storage, &input, &service_user, &user, &error);
	if (ret == 0)
		i_fatal_status(EX_NOUSER, "User %s doesn't exist", input.username);
	if (ret < 0)
		i_fatal_status(EX_TEMPFAIL, "User %s: %s", input.username, error);
	show_all(user);
	mail_user_deinit(&user);
	mail_storage_service_user_unref(&service_user);
	mail_storage_service_deinit(&storage);
}

const struct doveadm_cmd_ver2 mount_user_command = {
	.name = "mount user",
	.cmd = run,
	.usage = "<user>",
	.parameters = (const struct doveadm_cmd_param[]){
		{ .name = "user", .type = CMD_PARAM_STR, .flags = CMD_PARAM_FLAG_POSITIONAL },
		{ .name = NULL },
	},
};
