/* The POP3 server says of every mail that it cannot read that it was expunged, and clients believe it. So a refused
   body ends the session with the refusal instead, and the deletions of the session are not committed. */

#include "hooks.h"
#include "server.h"
#include "pop3-common.h"

/* The POP3 server's own; there is none in another program, or one that is something else. */
#pragma weak pop3_clients
#pragma weak client_send_line
#pragma weak client_disconnect

/* A process may serve several sessions. */
static struct client *client_of(const struct mail_user *user)
{
	struct client *client = &pop3_clients == NULL ? NULL : pop3_clients;

	while (client != NULL && client->user != user)
		client = client->next;
	return client;
}

static void refuse(struct client *client, const char *error)
{
	client_send_line(client, "-ERR [SYS/TEMP] %s", error);
	/* What the server says after that goes nowhere. */
	client_disconnect(client, error);
}

void mount_guard_pop3_refuse(struct mailbox *box)
{
	struct client *client = client_of(box->storage->user);

	if (client != NULL)
		refuse(client, mailbox_get_last_error(box, NULL));
}

/* The lock of a session lies in the list's own directories, which are made for it before anything is asked of the
   mailbox. */
void mount_guard_namespaces_created(struct mail_namespace *namespaces)
{
	struct mail_user *user = namespaces->user;
	struct client *client = client_of(user);
	struct mailbox_list *list;

	if (client == NULL || !client->set->pop3_lock_session)
		return;
	list = mail_namespace_find_inbox(namespaces)->list;
	if (mount_guard_permits_list(list, MOUNT_GUARD_LOOK))
		return;
	user->error = p_strdup(user->pool, mailbox_list_get_last_error(list, NULL));
	refuse(client, user->error);
}
