/* The registry and the mount table are looked at once in a turn of the event loop. What was permitted before holds for as
   long as Rust vouches for it by the same number. */

#include "assurance.h"
#include "ioloop.h"

#include <time.h>

/* How long a turn may last when the event loop does not turn, as in doveadm. */
#define TURN_MSECS 50

/* Dovecot's own time would not do, since that is also brought up to date in the middle of a command. */
uint64_t mount_guard_turn(void)
{
	static uint64_t seen_waited, seen_msecs, number;
	struct timespec now;
	uint64_t msecs;

	if (clock_gettime(CLOCK_MONOTONIC_COARSE, &now) < 0)
		return ++number;
	msecs = (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	if (number == 0 || seen_waited != ioloop_global_wait_usecs || msecs - seen_msecs >= TURN_MSECS) {
		seen_waited = ioloop_global_wait_usecs;
		seen_msecs = msecs;
		number++;
	}
	return number;
}

/* The first who asks in a turn looks. */
static uint64_t in_force(struct mount_guard_user *guser)
{
	uint64_t now = mount_guard_turn();

	if (guser->turn != now) {
		guser->turn = now;
		guser->assurance = mount_guard_assurance(guser->guard, now, 0);
	}
	return guser->assurance;
}

void mount_guard_look_again(struct mount_guard_user *guser, uint64_t now)
{
	guser->turn = now;
	guser->assurance = mount_guard_assurance(guser->guard, now, 1);
}

bool mount_guard_is_idle(struct mount_guard_user *guser)
{
	return in_force(guser) == MOUNT_GUARD_NOTHING_REGISTERED;
}

bool mount_guard_remembers(const struct mount_guard_memory *memory, enum mount_guard_moment moment,
			   struct mount_guard_user *guser)
{
	uint64_t current = in_force(guser);

	if (current == MOUNT_GUARD_NOTHING_REGISTERED)
		return TRUE;
	return (memory->permitted & (1U << moment)) != 0 && memory->assurance == current && !guser->astray;
}

void mount_guard_remember(struct mount_guard_memory *memory, enum mount_guard_moment moment, uint64_t assurance,
			  struct mount_guard_user *guser)
{
	if (assurance == 0)
		return;
	guser->assurance = assurance;
	if (memory->assurance != assurance)
		memory->permitted = 0;
	memory->assurance = assurance;
	memory->permitted |= 1U << moment;
}
