/* Some commands say the wrong thing when they are refused, or do not ask; so they are judged before they begin.

   The commands of imap_acl read and write dovecot-acl in the mailbox's directory without opening the mailbox first.
   Where it is not found MYRIGHTS answers the default rights, and of a mailbox that cannot be looked for the others
   say that it doesn't exist. LISTRIGHTS answers the same of every mailbox, and goes on.

   NOTIFY says that it cannot tell of these mailboxes, or tells of those in other namespaces only. */

#include "server.h"
#include "question.h"
#include "imap-common.h"
#include "imap-commands.h"
#include "ioloop.h"

/* The IMAP server's own; there are none in another program. */
#pragma weak command_hook_register
#pragma weak command_hook_unregister
#pragma weak command_find
#pragma weak client_find_namespace_full
#pragma weak client_send_box_error
#pragma weak client_send_list_error
#pragma weak client_disconnect_with_error
#pragma weak imap_clients

static struct timeout *to_end_astray;

typedef bool refuse_t(struct client_command_context *cmd, const struct imap_arg *args,
		      enum mount_guard_moment moment);

/* TRUE when the mailbox that the command names is refused, and the client was told. */
static bool refuse_mailbox(struct client_command_context *cmd, const struct imap_arg *args,
			   enum mount_guard_moment moment)
{
	struct mail_namespace *ns;
	struct mailbox *box;
	const char *name, *error;
	bool refused;

	if (!imap_arg_get_astring(args, &name) ||
	    (ns = client_find_namespace_full(cmd->client, &name, &error)) == NULL)
		return FALSE;
	box = mailbox_alloc(ns->list, name, MAILBOX_FLAG_READONLY | MAILBOX_FLAG_IGNORE_ACLS);
	refused = mount_guard_is_guarded(box) && !mount_guard_permits_box(box, moment);
	if (refused)
		client_send_box_error(cmd, box);
	mailbox_free(&box);
	return refused;
}

static bool is_about_selected_mailbox(const struct imap_arg *args)
{
	const struct imap_arg *group;
	const char *filter;

	for (; !IMAP_ARG_IS_EOL(args); args++) {
		if (imap_arg_get_list(args, &group) && imap_arg_get_atom(group, &filter) &&
		    strncasecmp(filter, "selected", strlen("selected")) != 0)
			return FALSE;
	}
	return TRUE;
}

/* TRUE when NOTIFY would go on without the mailboxes of a namespace that is refused, and the client was told. */
static bool refuse_namespaces(struct client_command_context *cmd, const struct imap_arg *args,
			      enum mount_guard_moment moment)
{
	struct mail_namespace *ns;

	for (ns = cmd->client->user->namespaces; ns != NULL && !is_about_selected_mailbox(args); ns = ns->next) {
		if (mount_guard_permits_list(ns->list, moment))
			continue;
		client_send_list_error(cmd, ns->list);
		return TRUE;
	}
	return FALSE;
}

static const struct judged {
	const char *command;
	enum mount_guard_moment moment;
	refuse_t *refuse;
} all_judged[] = {
	{ "MYRIGHTS", MOUNT_GUARD_LOOK, refuse_mailbox },
	{ "GETACL", MOUNT_GUARD_LOOK, refuse_mailbox },
	{ "SETACL", MOUNT_GUARD_CHANGE, refuse_mailbox },
	{ "DELETEACL", MOUNT_GUARD_CHANGE, refuse_mailbox },
	{ "NOTIFY", MOUNT_GUARD_LOOK, refuse_namespaces },
};

/* NULL for a command that asks by itself, and for the session of a user without the plugin. */
static const struct judged *find_judged(const struct client_command_context *cmd)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(all_judged); i++) {
		if (strcasecmp(cmd->name, all_judged[i].command) == 0)
			return mount_guard_is_user_guarded(cmd->client->user) ? &all_judged[i] : NULL;
	}
	return NULL;
}

static bool judged_command(struct client_command_context *cmd)
{
	const struct judged *judged = find_judged(cmd);
	const struct imap_arg *args;

	/* All arguments or none: what is refused before the last literal would leave the rest for a command. */
	if (judged != NULL && imap_parser_read_args(cmd->parser, 0, 0, &args) > 0 &&
	    judged->refuse(cmd, args, judged->moment))
		return TRUE;
	return command_find(cmd->name)->func(cmd);
}

static void before_command(struct client_command_context *cmd)
{
	if (find_judged(cmd) != NULL)
		cmd->func = judged_command;
}

static bool is_astray(const struct client *client)
{
	return mount_guard_is_user_guarded(client->user) && mount_guard_user_context(client->user)->astray;
}

static void end_astray(void *context ATTR_UNUSED)
{
	struct client *client;

	timeout_remove(&to_end_astray);
	for (client = imap_clients; client != NULL; client = client->next) {
		if (is_astray(client))
			client_disconnect_with_error(client, MOUNT_GUARD_TRY_AGAIN);
	}
}

/* Its answer is sent first. */
static void after_command(struct client_command_context *cmd)
{
	if (is_astray(cmd->client) && to_end_astray == NULL)
		to_end_astray = timeout_add_short_to(io_loop_get_root(), 0, end_astray, NULL);
}

void mount_guard_imap_init(void)
{
	if (&command_hook_register != NULL)
		command_hook_register(before_command, after_command);
}

void mount_guard_imap_deinit(void)
{
	timeout_remove(&to_end_astray);
	if (&command_hook_unregister != NULL)
		command_hook_unregister(before_command, after_command);
}
