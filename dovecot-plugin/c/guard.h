/* The boundary: what the hooks ask, and what Rust answers.

   Plain values and borrowed strings go in, a result of fixed size comes out, no allocation changes
   hands. Zero is "refused" and so is every value that is not listed here: a result that was never
   filled in refuses. ../src/boundary.rs is the other side; both check the sizes when compiled. */
#ifndef MOUNT_GUARD_GUARD_H
#define MOUNT_GUARD_GUARD_H

#include <stddef.h>
#include <stdint.h>

enum mount_guard_answer {
	MOUNT_GUARD_REFUSED = 0,
	MOUNT_GUARD_PERMITTED = 0x6d67,
};

/* What a directory is for. */
enum mount_guard_role {
	MOUNT_GUARD_MAIL = 1,
	MOUNT_GUARD_INDEX,
	MOUNT_GUARD_CONTROL,
	MOUNT_GUARD_ALT,
	MOUNT_GUARD_INBOX,
	MOUNT_GUARD_ATTACHMENTS,
	MOUNT_GUARD_HOME,
};

/* How mails are stored; which places a moment needs depends on it. */
enum mount_guard_format {
	MOUNT_GUARD_OTHER = 1,
	MOUNT_GUARD_MDBOX,
	MOUNT_GUARD_SDBOX,
	MOUNT_GUARD_MAILDIR,
	MOUNT_GUARD_MBOX,
};

/* What Dovecot is about to do. */
enum mount_guard_moment {
	MOUNT_GUARD_LOOK = 1,	/* list, open, synchronise, search, status */
	MOUNT_GUARD_READ,	/* read a mail that is not known to be in alternate storage */
	MOUNT_GUARD_READ_ALT,	/* read a mail that primary storage does not have */
	MOUNT_GUARD_SAVE,	/* append, copy, deliver */
	MOUNT_GUARD_CHANGE,	/* flags and expunges */
	MOUNT_GUARD_EXPUNGE_ALT, /* expunge a mail that primary storage does not have */
	MOUNT_GUARD_CREATE,	/* create a mailbox */
	MOUNT_GUARD_SUBSCRIBE,	/* change subscriptions */
	MOUNT_GUARD_DELETE,	/* delete a mailbox */
	MOUNT_GUARD_RENAME,	/* rename a mailbox */
	MOUNT_GUARD_REBUILD,	/* rebuild indexes, purge, move to or from alternate storage */
	MOUNT_GUARD_SYNC,	/* replicate */
	MOUNT_GUARD_SCRIPTS,	/* run delivery scripts from the home */
};

/* A directory and what it is for. The path is absolute and borrowed for the call. */
struct mount_guard_place {
	uint32_t role;
	const char *path;
};

/* What else there is to say of a question. */
enum mount_guard_flags {
	MOUNT_GUARD_FLAG_INBOX = 1,	/* about an INBOX */
	MOUNT_GUARD_FLAG_QUIET = 2,	/* nothing is refused yet: a precaution, not worth a log line */
};

/* One question. `now` names the turn of the event loop: the registry is looked at once a turn. */
struct mount_guard_question {
	uint32_t guard;
	uint32_t moment;
	uint32_t format;
	uint32_t flags;
	uint64_t now;
	const struct mount_guard_place *places;
	size_t place_count;
};

/* One answer. `client` is what a mail client may be shown, `log` what is to be logged (empty when it
   was logged before in this process); both end in NUL. `permit` is handed back to
   mount_guard_verify(), 0 when nothing is pinned. `epoch` is the number of the state that registry and mount table were
   in when a question was answered, 0 when nobody could tell; `assurance` is 0 unless what was asked is permitted for as
   long as mount_guard_assurance() gives the same number. */
struct mount_guard_result {
	uint32_t answer;
	uint32_t reserved;
	uint64_t permit;
	uint64_t epoch;
	uint64_t assurance;
	char client[512];
	char log[1536];
};

/* What the administrator set. Any string may be NULL or empty: not set. */
struct mount_guard_settings {
	const char *state_dir;
	const char *run_dir;
	const char *mode;
	const char *registry;
	const char *message;
	/* Where the process has changed its root to. The directories are named as outside, places as inside. */
	const char *chroot;
};

_Static_assert(sizeof(struct mount_guard_place) == 16, "as in boundary.rs");
_Static_assert(sizeof(struct mount_guard_question) == 40, "as in boundary.rs");
_Static_assert(sizeof(struct mount_guard_result) == 2080, "as in boundary.rs");
_Static_assert(sizeof(struct mount_guard_settings) == 48, "as in boundary.rs");

/* Keeps what is needed outside when the process changes its root, which it must not have done yet. */
void mount_guard_keep_outside(void);

/* The guard for these settings, made when they are seen first; 0 refuses everything. */
uint32_t mount_guard_open(const struct mount_guard_settings *settings);

/* As an assurance: nothing is registered, and so everything permitted. */
#define MOUNT_GUARD_NOTHING_REGISTERED UINT64_MAX

/* The assurance that is in force as of the turn `now`: whatever was permitted with it still is. 0 when there is none, and
   everything is to be asked. The mount table is looked at once a turn, and whenever `at_once` is not 0. */
uint64_t mount_guard_assurance(uint32_t guard, uint64_t now, uint32_t at_once);

/* Tells root that a store lies in this directory, each once in a process. Never waits, fails or logs. */
void mount_guard_tell(uint32_t guard, uint64_t now, const char *path);

/* Whether the moment may go on. */
void mount_guard_judge(const struct mount_guard_question *question, struct mount_guard_result *result);

/* The same, and while permitted the mounts are held until mount_guard_verify(). */
void mount_guard_pin(const struct mount_guard_question *question, struct mount_guard_result *result);

/* Whether what is pinned is still mounted where it was, so that more may be done by the permit. Looked at once in the
   turn `now`, and whenever `at_once` is not 0. */
void mount_guard_still(uint64_t permit, uint64_t now, uint32_t at_once, struct mount_guard_result *result);

/* Whether what was pinned is still mounted where it was; ends the permit in any case. */
void mount_guard_verify(uint64_t permit, struct mount_guard_result *result);

/* Ends a permit without a look. */
void mount_guard_release(uint64_t permit);

/* Forgets all guards and permits. */
void mount_guard_close(void);

#endif
