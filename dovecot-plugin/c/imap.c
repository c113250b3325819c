/* The commands of imap_acl read and write dovecot-acl in the mailbox's directory without opening the mailbox first.
   Where it is not found MYRIGHTS answers the default rights, and of a mailbox that cannot be looked for the others
   say that it doesn't exist. So they are judged before they begin.
   LISTRIGHTS answers the same of every mailbox, and goes on. */

#include "server.h"
#include "question.h"
#include "imap-common.h"
#include "imap-commands.h"

/* The IMAP server's own; there are none in another program. */
#pragma weak command_hook_register
#pragma weak command_hook_unregister
#pragma weak command_find
#pragma weak client_find_namespace_full
#pragma weak client_send_tagline
#pragma weak client_send_box_error

static const struct {
	const char *name;
	enum mount_guard_moment moment;
} judged_commands[] = {
	{ "MYRIGHTS", MOUNT_GUARD_LOOK },
	{ "GETACL", MOUNT_GUARD_LOOK },
	{ "SETACL", MOUNT_GUARD_CHANGE },
	{ "DELETEACL", MOUNT_GUARD_CHANGE },
};

static bool find_moment(const char *command, enum mount_guard_moment *moment_r)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(judged_commands); i++) {
		if (strcasecmp(command, judged_commands[i].name) == 0) {
			*moment_r = judged_commands[i].moment;
			return TRUE;
		}
	}
	return FALSE;
}

/* The mailbox that the command names. NULL when it names none, which the command says better itself. */
static struct mailbox *named_mailbox(struct client_command_context *cmd)
{
	const struct imap_arg *args;
	struct mail_namespace *ns;
	const char *name, *error;

	/* All arguments or none: what is refused before the last literal would leave the rest for a command. */
	if (imap_parser_read_args(cmd->parser, 0, 0, &args) < 1 || !imap_arg_get_astring(args, &name))
		return NULL;
	ns = client_find_namespace_full(cmd->client, &name, &error);
	return ns == NULL ? NULL : mailbox_alloc(ns->list, name, MAILBOX_FLAG_READONLY | MAILBOX_FLAG_IGNORE_ACLS);
}

static bool judged_command(struct client_command_context *cmd)
{
	struct mailbox *box = named_mailbox(cmd);
	enum mount_guard_moment moment;
	bool refused = box != NULL && find_moment(cmd->name, &moment) && mount_guard_is_guarded(box) &&
		!mount_guard_permits_box(box, moment);

	if (refused)
		client_send_box_error(cmd, box);
	if (box != NULL)
		mailbox_free(&box);
	return refused || command_find(cmd->name)->func(cmd);
}

static void before_command(struct client_command_context *cmd)
{
	enum mount_guard_moment moment;

	if (find_moment(cmd->name, &moment))
		cmd->func = judged_command;
}

static void after_command(struct client_command_context *cmd ATTR_UNUSED)
{
}

void mount_guard_imap_init(void)
{
	if (&command_hook_register != NULL)
		command_hook_register(before_command, after_command);
}

void mount_guard_imap_deinit(void)
{
	if (&command_hook_unregister != NULL)
		command_hook_unregister(before_command, after_command);
}
