/* Is it mounted? As programs ask that use util-linux's library: read the table, find the mountpoint in it. */
#include <libmount/libmount.h>
#include "clock.h"

static void ask(const char *path)
{
    struct libmnt_table *table = mnt_new_table_from_file("/proc/self/mountinfo");
    must(table != NULL, "/proc/self/mountinfo");
    must(mnt_table_find_target(table, path, MNT_ITER_BACKWARD) != NULL, path);
    mnt_unref_table(table);
}

int main(int count, char **arguments)
{
    must(count == 2, "usage: libmount PATH");
    serve(ask, arguments[1]);
}
