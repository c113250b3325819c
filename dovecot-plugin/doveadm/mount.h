/* What the files of doveadm's module share: running the mountguard command. */
#ifndef DOVEADM_MOUNT_H
#define DOVEADM_MOUNT_H

#include "lib.h"
#include "doveadm.h"
#include "doveadm-cmd.h"
#include "doveadm-print.h"

/* Starts the command for this Dovecot's directories. What it writes to `descriptor`, standard output or standard
   error, can be read from `output_r`. */
pid_t mount_start(const char *command, const char *const *given, int descriptor, int *output_r);
/* The exit code, once it has ended. */
int mount_end(pid_t pid);

/* user.c: doveadm mount user */
extern const struct doveadm_cmd_ver2 mount_user_command;

/* recalc.c: doveadm acl recalc, a command of another module */
void mount_recalc_init(void);
void mount_recalc_deinit(void);

#endif
