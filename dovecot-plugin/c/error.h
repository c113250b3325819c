/* How a refusal becomes Dovecot's error. */
#ifndef MOUNT_GUARD_ERROR_H
#define MOUNT_GUARD_ERROR_H

#include "compat.h"

/* A temporary error with this text. */
void mount_guard_set_error(struct mail_storage *storage, const char *text);

void mount_guard_error_deinit(void);

#endif
