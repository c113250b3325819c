/* The bare system calls of each question, in the order that mountguard makes them: nothing can be faster that asks the
   same. And the check by which Go's moby/sys tells a mount: does a walk of one component cross into another one? */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "clock.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

static int table;
static char mountpoint[4096];

static int open_path(int at, const char *path, uint64_t resolve)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = resolve };
    return (int)syscall(SYS_openat2, at, path, &how, sizeof how);
}

/* EAGAIN without anything to ask a filesystem for: somebody mounts or renames at this moment, anywhere. */
static int open_cached(const char *path)
{
    int fd = open_path(AT_FDCWD, path, RESOLVE_CACHED | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (fd < 0 && errno == EAGAIN)
        fd = open_path(AT_FDCWD, path, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    return fd;
}

static void look_and_close(int fd)
{
    struct statx found;
    must(statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_MNT_ID_UNIQUE, &found) == 0, "statx");
    close(fd);
}

static void poll_table(void)
{
    struct pollfd change = { .fd = table, .events = POLLPRI };
    must(poll(&change, 1, 0) >= 0, "poll");
}

static void ask_getppid(const char *path)
{
    (void)path;
    syscall(SYS_getppid);
}

static void ask_statx(const char *path)
{
    struct statx found;
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
    must(statx(AT_FDCWD, path, flags, STATX_MNT_ID_UNIQUE, &found) == 0, path);
}

/* The same by its instruction alone, without a function that would return: some processors forget over a system call
   where functions return to, and the first one that does so afterwards waits for it. */
static inline __attribute__((always_inline)) void ask_inlined(const char *path)
{
#ifdef __x86_64__
    struct statx found;
    register long mask __asm__("r10") = STATX_MNT_ID_UNIQUE;
    register struct statx *into __asm__("r8") = &found;
    long result = SYS_statx;
    long flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     : "D"((long)AT_FDCWD), "S"(path), "d"(flags), "r"(mask), "r"(into)
                     : "rcx", "r11", "memory");
    must(result == 0, path);
#else
    ask_statx(path);
#endif
}

/* Where some of the path is missing, the mountpoint tells. */
static void ask_verdict(const char *path)
{
    poll_table();
    int fd = open_cached(path);
    if (fd < 0)
        fd = open_cached(mountpoint);
    must(fd >= 0, path);
    look_and_close(fd);
}

/* Does the last component lead into another mount? What is missing does not. */
static int is_mount(const char *path)
{
    const char *name = strrchr(path, '/');
    char parent[4096];
    memcpy(parent, path, (size_t)(name - path));
    parent[name - path] = 0;
    int directory = open(name == path ? "/" : parent, O_PATH | O_CLOEXEC);
    if (directory < 0)
        return 0;
    int fd = open_path(directory, name + 1, RESOLVE_NO_XDEV);
    int crosses = fd < 0 && errno == EXDEV;
    if (fd >= 0)
        close(fd);
    close(directory);
    return crosses;
}

static void ask_crossing(const char *path)
{
    char above[4096];
    strcpy(above, path);
    while (!is_mount(above)) {
        must(strrchr(above, '/') > above, path);
        *strrchr(above, '/') = 0;
    }
    must(strcmp(above, mountpoint) == 0, path);
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*ask)(const char *path);
    } questions[] = {
        { "getppid", ask_getppid }, { "statx", ask_statx },       { "verdict", ask_verdict },
        { "crossing", ask_crossing },
    };
    must(count == 4, "usage: floor QUESTION PATH MOUNTPOINT");
    strcpy(mountpoint, arguments[3]);
    table = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    must(table >= 0, "/proc/self/mountinfo");
    if (strcmp(arguments[1], "inlined") == 0)
        serve(ask_inlined, arguments[2]);
    for (size_t at = 0; at < sizeof questions / sizeof *questions; at++)
        if (strcmp(questions[at].name, arguments[1]) == 0)
            serve(questions[at].ask, arguments[2]);
}
