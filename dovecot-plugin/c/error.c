/* IMAP's COPY and MOVE take the text of an error for their answer, without a copy of it, and then end their
   transactions. A refusal that comes up only then would free that text, and the client be sent whatever lies in its
   place. So what is replaced is freed when the command is over. */

#include "error.h"
#include "ioloop.h"

static ARRAY(char *) replaced;
static struct timeout *to_free;

static void free_replaced(void *context ATTR_UNUSED)
{
	char *text;

	timeout_remove(&to_free);
	array_foreach_elem(&replaced, text)
		i_free(text);
	array_free(&replaced);
}

static void free_later(char *text)
{
	if (!array_is_created(&replaced))
		i_array_init(&replaced, 4);
	array_push_back(&replaced, &text);
	if (to_free == NULL)
		to_free = timeout_add_short_to(io_loop_get_root(), 0, free_replaced, NULL);
}

void mount_guard_set_error(struct mail_storage *storage, const char *text)
{
	if (storage->error_string != NULL && strcmp(storage->error_string, text) == 0)
		text = storage->error_string;
	else if (storage->error_string != NULL) {
		free_later(storage->error_string);
		storage->error_string = NULL;
	}
	mail_storage_set_error(storage, MAIL_ERROR_TEMP, text);
}

void mount_guard_error_deinit(void)
{
	if (to_free != NULL)
		free_replaced(NULL);
}
