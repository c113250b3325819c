/* doveadm acl recalc takes a namespace whose mailboxes cannot be listed for one without any: it makes the list of those
   that have rights, and its directory, underneath, and forgets in the dictionary what the user shares. So they are
   listed beforehand. */

#include "mount.h"
#include "doveadm-mail.h"
#include "mail-namespace.h"
#include "mail-user.h"
#include "mailbox-list-iter.h"

static int (*recalculate)(struct doveadm_mail_cmd_context *ctx, struct mail_user *user);
static void (*other_hook)(struct doveadm_mail_cmd_context *ctx);

static bool can_be_listed(struct mailbox_list *list)
{
	struct mailbox_list_iterate_context *iter =
		mailbox_list_iter_init(list, "*", MAILBOX_LIST_ITER_RAW_LIST | MAILBOX_LIST_ITER_RETURN_NO_FLAGS);

	while (mailbox_list_iter_next(iter) != NULL)
		;
	return mailbox_list_iter_deinit(&iter) == 0;
}

static int recalculate_if_listed(struct doveadm_mail_cmd_context *ctx, struct mail_user *user)
{
	struct mail_namespace *ns;

	for (ns = user->namespaces; ns != NULL; ns = ns->next) {
		if (!can_be_listed(ns->list)) {
			doveadm_mail_failed_list(ctx, ns->list);
			return -1;
		}
	}
	return recalculate(ctx, user);
}

static void command_created(struct doveadm_mail_cmd_context *ctx)
{
	if (other_hook != NULL)
		other_hook(ctx);
	if (strcmp(ctx->cmd->name, "acl recalc") != 0)
		return;
	recalculate = ctx->v.run;
	ctx->v.run = recalculate_if_listed;
}

void mount_recalc_init(void)
{
	other_hook = hook_doveadm_mail_init;
	hook_doveadm_mail_init = command_created;
}

void mount_recalc_deinit(void)
{
	hook_doveadm_mail_init = other_hook;
}
