/* Preloaded into Dovecot's processes: where a process is when a signal kills it, as one line to its standard error,
   which goes to the log. Dovecot itself says so for failed assertions only. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FRAMES 64

static int add(char *line, int size, int used, void *address, const char *before)
{
	Dl_info info = { 0 };
	const char *object, *slash;

	if (used >= size)
		return size;
	dladdr(address, &info);
	object = info.dli_fname == NULL ? "?" : info.dli_fname;
	slash = strrchr(object, '/');
	return used + snprintf(line + used, size - used, "%s%s(%s+%#tx)", before, slash == NULL ? object : slash + 1,
			       info.dli_sname == NULL ? "" : info.dli_sname,
			       (char *)address - (char *)(info.dli_sname == NULL ? info.dli_fbase : info.dli_saddr));
}

static void say(int number)
{
	static char line[8192];
	void *frames[FRAMES];
	/* One byte less, for the end of the line. */
	int i, count = backtrace(frames, FRAMES), size = sizeof(line) - 1;
	int used = snprintf(line, size, "signal %d in process %d, Raw backtrace: ", number, (int)getpid());

	/* The first frame is this function. */
	for (i = 1; i < count; i++)
		used = add(line, size, used, frames[i], i == 1 ? "" : " < ");
	if (used >= size)
		used = size - 1;
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		_exit(1);
}

__attribute__((constructor)) static void begin(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction action = { .sa_handler = say, .sa_flags = (int)SA_RESETHAND };
	void *frame;
	unsigned int i;

	/* The first call loads a library, which is too late in a handler. */
	(void)backtrace(&frame, 1);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)sigaction(signals[i], &action, NULL);
}
