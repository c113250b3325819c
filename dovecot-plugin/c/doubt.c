/* Dovecot looks after the plugin has, and what has gone in between it takes for deleted. */

#include "doubt.h"
#include "absence.h"
#include "question.h"

void mount_guard_doubt_absence(struct mailbox *box)
{
	enum mail_error error;

	(void)mailbox_get_last_error(box, &error);
	if (error != MAIL_ERROR_NOTFOUND || !mount_guard_permits_box_now(box, MOUNT_GUARD_LOOK) ||
	    !mount_guard_is_present(box))
		return;
	mount_guard_end_absence(box);
	mount_guard_try_again(box);
}
