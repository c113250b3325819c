/* The commands of imap_acl say of every mailbox that they cannot look for that it doesn't exist, and clients believe
   it. So when a mailbox was refused, the answer to the command says so instead. */

#include "server.h"
#include "guard.h"
#include "imap-common.h"

/* The IMAP server's own; there is none in another program. */
#pragma weak imap_clients

#define DENIAL "NO [NONEXISTENT] "

/* The client whose next answer is looked at, and what is said instead of a denial. */
static struct {
	struct client *client;
	void (*send_tagline)(struct client_command_context *cmd, const char *data);
	char refusal[sizeof("NO ") + sizeof(((struct mount_guard_result *)NULL)->client)];
} next;

static void send_tagline(struct client_command_context *cmd, const char *data)
{
	bool denied = cmd->client == next.client && str_begins(data, DENIAL);

	cmd->client->v.send_tagline = next.send_tagline;
	cmd->client->v.send_tagline(cmd, denied ? next.refusal : data);
}

void mount_guard_imap_refuse(struct mailbox *box)
{
	struct client *client = &imap_clients == NULL ? NULL : imap_clients;

	while (client != NULL && client->user != box->storage->user)
		client = client->next;
	if (client == NULL || client->v.send_tagline == send_tagline)
		return;
	next.client = client;
	next.send_tagline = client->v.send_tagline;
	(void)i_snprintf(next.refusal, sizeof(next.refusal), "NO %s", mailbox_get_last_error(box, NULL));
	client->v.send_tagline = send_tagline;
}
