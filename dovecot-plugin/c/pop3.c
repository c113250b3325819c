/* The POP3 server says of every mail that it cannot read that it was expunged, and clients believe it. So a refused
   body ends the session with the refusal instead, and the deletions of the session are not committed. */

#include "server.h"
#include "pop3-common.h"

/* The POP3 server's own; there is none in another program, or one that is something else. */
#pragma weak pop3_clients
#pragma weak client_send_line
#pragma weak client_disconnect

void mount_guard_pop3_refuse(struct mailbox *box)
{
	struct client *client = &pop3_clients == NULL ? NULL : pop3_clients;
	const char *error;

	if (client == NULL)
		return;
	error = mailbox_get_last_error(box, NULL);
	client_send_line(client, "-ERR [SYS/TEMP] %s", error);
	/* What the server says after that goes nowhere. */
	client_disconnect(client, error);
}
