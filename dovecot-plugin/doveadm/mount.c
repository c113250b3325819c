/* doveadm mount: the mountguard command with this Dovecot's directories and doveadm's formatters.

   The command is run, not linked: what it asks of a filesystem that hangs must not hang doveadm, which may be
   serving others, and there is one implementation to be right. */

#include "mount.h"
#include "array.h"
#include "istream.h"
#include "module-dir.h"
#include "master-service.h"
#include "master-service-settings.h"
#include "doveadm-settings.h"
#include "doveadm-util.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>
#include <sys/wait.h>

#define EXPORTED __attribute__((visibility("default")))
#define COLUMNS_MAX 10

EXPORTED void doveadm_mount_plugin_init(struct module *module);
EXPORTED void doveadm_mount_plugin_deinit(void);
EXPORTED extern const char *doveadm_mount_plugin_version;

const char *doveadm_mount_plugin_version = DOVECOT_ABI_VERSION;

/* The columns of mountguard's tab format, which are stable. */
static const struct {
	const char *name;
	const char *columns[COLUMNS_MAX + 1];
} commands[] = {
	{ "mount add", { NULL } },
	{ "mount remove", { NULL } },
	{ "mount state", { "path", "state", NULL } },
	{ "mount status", { "path", "state", "presence", "filesystem", "source", "since", "why", NULL } },
	{ "mount check", { NULL } },
	{ "mount discover", { "path", "decision", "role", "origin", "fstype", "source", "why", NULL } },
	{ "mount audit", { "path", "owner", "mode", "immutable", "files", "bytes", "unread", "mail", "user", "writable",
			   NULL } },
};

/* doveadm keeps a pointer to it. */
static const struct doveadm_cmd_param parameters[] = {
	{ .name = "argument", .type = CMD_PARAM_ARRAY, .flags = CMD_PARAM_FLAG_POSITIONAL },
	{ .name = NULL },
};

static const char *const *columns_of(const char *name)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return commands[i].columns;
	}
	i_unreached();
}

static const char *directory(const char *setting, const char *otherwise)
{
	const char *value = doveadm_plugin_getenv(setting);

	return value == NULL || *value == '\0' ? otherwise : value;
}

/* The command as mountguard knows it. Its own options go through as they are. */
static const char *const *arguments(const char *command, const char *const *given)
{
	const struct master_service_settings *set = master_service_settings_get(master_service);
	ARRAY_TYPE(const_string) all;
	const char *const fixed[] = {
		MOUNTGUARD, command, "--format", "tab",
		"--state-dir", directory("mount_guard_state_dir", set->state_dir),
		"--run-dir", directory("mount_guard_run_dir", doveadm_settings->base_dir),
	};

	t_array_init(&all, N_ELEMENTS(fixed) + 8);
	array_append(&all, fixed, N_ELEMENTS(fixed));
	if (strcmp(command, "discover") == 0) {
		const char *const configuration[] = {
			"--config", master_service_get_config_path(master_service),
		};

		array_append(&all, configuration, N_ELEMENTS(configuration));
	}
	for (; given != NULL && *given != NULL; given++)
		array_push_back(&all, given);
	array_append_zero(&all);
	return array_front(&all);
}

pid_t mount_start(const char *command, const char *const *given, int descriptor, int *output_r)
{
	const char *const *argv = arguments(command, given);
	int fd[2];
	pid_t pid;

	if (pipe(fd) < 0)
		i_fatal("pipe() failed: %m");
	pid = fork();
	if (pid < 0)
		i_fatal("fork() failed: %m");
	if (pid == 0) {
		if (dup2(fd[1], descriptor) < 0)
			_exit(EX_OSERR);
		(void)close(fd[0]);
		(void)close(fd[1]);
		(void)execv(argv[0], (char *const *)argv);
		i_error("execv(%s) failed: %m", argv[0]);
		_exit(EX_UNAVAILABLE);
	}
	(void)close(fd[1]);
	*output_r = fd[0];
	return pid;
}

int mount_end(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		i_fatal("waitpid() failed: %m");
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* Lines that are no rows, such as a help text, are shown as they are. */
static void print_line(const char *line, const char *const *columns)
{
	const char *const *fields = t_strsplit(line, "\t");

	if (*columns == NULL || str_array_length(fields) != str_array_length(columns)) {
		printf("%s\n", line);
		return;
	}
	for (; *fields != NULL; fields++)
		doveadm_print(*fields);
}

static void print_output(int fd, const char *const *columns)
{
	struct istream *input = i_stream_create_fd_autoclose(&fd, SIZE_MAX);
	const char *line;
	unsigned int i;

	for (i = 0; columns[i] != NULL; i++)
		doveadm_print_header_simple(columns[i]);
	while ((line = i_stream_read_next_line(input)) != NULL) T_BEGIN {
		print_line(line, columns);
	} T_END;
	i_stream_destroy(&input);
}

static void run(struct doveadm_cmd_context *cctx)
{
	const char *const *given = NULL;
	int output;
	pid_t pid;

	(void)doveadm_cmd_param_array(cctx, "argument", &given);
	pid = mount_start(cctx->cmd->name + strlen("mount "), given, STDOUT_FILENO, &output);
	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	print_output(output, columns_of(cctx->cmd->name));
	doveadm_exit_code = mount_end(pid);
}

void doveadm_mount_plugin_init(struct module *module ATTR_UNUSED)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(commands); i++) {
		struct doveadm_cmd_ver2 command = {
			.name = commands[i].name,
			.cmd = run,
			.usage = "[<options of mountguard>] [<path> ...]",
			.flags = CMD_FLAG_NO_OPTIONS,
			.parameters = parameters,
		};

		doveadm_cmd_register_ver2(&command);
	}
	doveadm_cmd_register_ver2((struct doveadm_cmd_ver2 *)&mount_user_command);
	mount_recalc_init();
}

void doveadm_mount_plugin_deinit(void)
{
	mount_recalc_deinit();
}
