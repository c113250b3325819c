/* A mail: what looks for its file, and what is done to it. */

#include "hooks.h"
#include "doubt.h"
#include "dbox.h"
#include "server.h"
#include "index-mail.h"
#include "dbox-storage.h"

/* The storage's own functions: the plugin's take their places, behind those of all other plugins. A context for each
   mail would cost more than all that is asked about it. */
static const struct mail_vfuncs *super(struct mail *mail)
{
	return mail->box->mail_vfuncs;
}

/* maildir and mbox take a file that is not there for an expunged mail or an emptied mailbox. */
static bool permits_read(struct mail *mail)
{
	return mail->saving || mount_guard_permits_box(mail->box, MOUNT_GUARD_READ);
}

static int doubted(struct mail *mail, int ret)
{
	if (ret < 0 && !mail->saving)
		mount_guard_doubt_absence(mail->box);
	return ret;
}

static int get_received_date(struct mail *mail, time_t *date_r)
{
	return permits_read(mail) ? doubted(mail, super(mail)->get_received_date(mail, date_r)) : -1;
}

static int get_save_date(struct mail *mail, time_t *date_r)
{
	return permits_read(mail) ? doubted(mail, super(mail)->get_save_date(mail, date_r)) : -1;
}

static int get_virtual_size(struct mail *mail, uoff_t *size_r)
{
	return permits_read(mail) ? doubted(mail, super(mail)->get_virtual_size(mail, size_r)) : -1;
}

static int get_physical_size(struct mail *mail, uoff_t *size_r)
{
	return permits_read(mail) ? doubted(mail, super(mail)->get_physical_size(mail, size_r)) : -1;
}

static int get_special_at(struct mail *mail, enum mount_guard_moment moment, enum mail_fetch_field field,
			  const char **value_r)
{
	if (mail->saving || mount_guard_permits_box(mail->box, moment))
		return doubted(mail, super(mail)->get_special(mail, field, value_r));
	/* The POP3 server would make a UIDL up for the one that it can't have, and save that. */
	if (field == MAIL_FETCH_UIDL_BACKEND)
		mount_guard_pop3_refuse(mail->box);
	return -1;
}

static int get_special(struct mail *mail, enum mail_fetch_field field, const char **value_r)
{
	return get_special_at(mail, MOUNT_GUARD_READ, field, value_r);
}

/* mdbox makes a map when it is asked for how many mailboxes have a mail and there is none. */
static int dbox_get_special(struct mail *mail, enum mail_fetch_field field, const char **value_r)
{
	return get_special_at(mail, MOUNT_GUARD_LOOK, field, value_r);
}

static void update_pop3_uidl(struct mail *mail, const char *uidl)
{
	if (permits_read(mail))
		super(mail)->update_pop3_uidl(mail, uidl);
}

static int get_stream(struct mail *mail, bool get_body, struct message_size *hdr_size,
		      struct message_size *body_size, struct istream **stream_r)
{
	bool is_open = ((struct index_mail *)mail)->data.stream != NULL;

	/* What is not found is not there any more, says maildir after a look; so this is asked for each mail. */
	if (!is_open && !mail->saving && !mount_guard_permits_box_now(mail->box, MOUNT_GUARD_READ)) {
		mount_guard_pop3_refuse(mail->box);
		return -1;
	}
	return doubted(mail, super(mail)->get_stream(mail, get_body, hdr_size, body_size, stream_r));
}

/* Attachments that are stored outside are part of the body, and of nothing else that the file is read for. */
static int dbox_get_stream(struct mail *mail, bool get_body, struct message_size *hdr_size,
			   struct message_size *body_size, struct istream **stream_r)
{
	bool is_open = ((struct index_mail *)mail)->data.stream != NULL;

	if (!is_open && !mail->saving && !mount_guard_permits_box(mail->box, MOUNT_GUARD_READ)) {
		mount_guard_pop3_refuse(mail->box);
		return -1;
	}
	return super(mail)->get_stream(mail, get_body, hdr_size, body_size, stream_r);
}

/* Neither can fail by itself, so the transaction will. */
static void sdbox_expunge(struct mail *mail)
{
	if (mount_guard_dbox_is_primary(mail) || mount_guard_would_permit(mail->box, MOUNT_GUARD_EXPUNGE_ALT))
		super(mail)->expunge(mail);
	else
		mount_guard_transaction_spoil(mail->transaction, MOUNT_GUARD_EXPUNGE_ALT);
}

static void dbox_update_flags(struct mail *mail, enum modify_type modify_type, enum mail_flags flags)
{
	bool moves = ((unsigned int)flags & (unsigned int)DBOX_INDEX_FLAG_ALT) != 0;

	if (moves && !mount_guard_would_permit(mail->box, MOUNT_GUARD_REBUILD)) {
		mount_guard_transaction_spoil(mail->transaction, MOUNT_GUARD_REBUILD);
		return;
	}
	super(mail)->update_flags(mail, modify_type, flags);
	if (moves && mount_guard_format(mail->box->storage) == MOUNT_GUARD_SDBOX)
		mount_guard_transaction_moves(mail->transaction);
}

void mount_guard_mail_allocated(struct mail *mail)
{
	struct mail_private *pmail = (struct mail_private *)mail;
	struct mail_vfuncs *v = pmail->vlast;
	enum mount_guard_format format = mount_guard_format(mail->box->storage);

	if (format == MOUNT_GUARD_OTHER)
		return;
	if (v->update_pop3_uidl != NULL)
		v->update_pop3_uidl = update_pop3_uidl;
	/* dbox's own choke point for all that reads the file is in dbox.c. */
	if (format == MOUNT_GUARD_MDBOX || format == MOUNT_GUARD_SDBOX) {
		v->get_special = dbox_get_special;
		if (mount_guard_has_root(mail->box->list, MOUNT_GUARD_ATTACHMENTS))
			v->get_stream = dbox_get_stream;
		v->update_flags = dbox_update_flags;
		if (format == MOUNT_GUARD_SDBOX && mount_guard_has_root(mail->box->list, MOUNT_GUARD_ALT))
			v->expunge = sdbox_expunge;
		return;
	}
	v->get_special = get_special;
	v->get_received_date = get_received_date;
	v->get_save_date = get_save_date;
	v->get_virtual_size = get_virtual_size;
	v->get_physical_size = get_physical_size;
	v->get_stream = get_stream;
}
