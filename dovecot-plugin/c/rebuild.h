/* What a rebuild or a purge found missing is written down only while the mounts that it looked at are there. */
#ifndef MOUNT_GUARD_REBUILD_H
#define MOUNT_GUARD_REBUILD_H

#include "question.h"

/* One that is going on. They may lie within each other. */
struct mount_guard_rebuild {
	struct mount_guard_rebuild *outer;
	struct mail_user *user;
	uint64_t permit;
	/* It unlinks the files that it has copied, whatever their commit came to. */
	bool unlinks;
	/* Nothing is to be committed at all. */
	bool refused;
	bool goes_on;
};

/* Work in which dbox may find that it has to rebuild first. They may lie within each other. */
struct mount_guard_risk {
	struct mount_guard_risk *outer;
	struct mailbox *box;
	struct mount_guard_rebuild rebuild;
	uint64_t permit;
	bool asked;
};

/* From here to the end the permit, unless it is 0, is looked at before each commit. */
void mount_guard_rebuild_begin(struct mount_guard_rebuild *rebuild, struct mail_user *user, uint64_t permit);
void mount_guard_rebuild_end(struct mount_guard_rebuild *rebuild);

/* From here to the end a rebuild that begins by itself is asked for, holds the mounts, and commits only while they are
   there; refused it commits nothing, nor does what goes on in spite of that. */
void mount_guard_risk_begin(struct mount_guard_risk *risk, struct mailbox *box);
/* FALSE when a rebuild was refused or its mounts have left, which the mailbox's error says then. */
bool mount_guard_risk_end(struct mount_guard_risk *risk);
/* Whether the rebuild that is about to begin may, in the work that is going on. */
bool mount_guard_risk_taken(void);

#endif
