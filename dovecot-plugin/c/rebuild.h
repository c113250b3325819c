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
};

/* From here to the end the permit, unless it is 0, is looked at before each commit. */
void mount_guard_rebuild_begin(struct mount_guard_rebuild *rebuild, struct mail_user *user, uint64_t permit);
void mount_guard_rebuild_end(struct mount_guard_rebuild *rebuild);

#endif
