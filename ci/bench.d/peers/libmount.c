/* What is mounted there? As programs ask that use util-linux's library: read the table, find the deepest mountpoint at
   or above the path in it. */
#include <libmount/libmount.h>
#include <string.h>
#include "clock.h"

static const char *mountpoint;

/* The library's own search, mnt_table_find_mountpoint(), has no answer for what doesn't exist. */
static void ask(const char *path)
{
    char above[4096];
    strcpy(above, path);
    struct libmnt_table *table = mnt_new_table_from_file("/proc/self/mountinfo");
    must(table != NULL, "/proc/self/mountinfo");
    while (mnt_table_find_target(table, above, MNT_ITER_BACKWARD) == NULL) {
        must(strrchr(above, '/') > above, path);
        *strrchr(above, '/') = 0;
    }
    must(strcmp(above, mountpoint) == 0, path);
    mnt_unref_table(table);
}

int main(int count, char **arguments)
{
    must(count == 3, "usage: libmount PATH MOUNTPOINT");
    mountpoint = arguments[2];
    serve(ask, arguments[1]);
}
