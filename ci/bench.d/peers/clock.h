/* What the peers in C have in common: so many repetitions are asked for on a line, their processor time in nanoseconds
   is the answer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* Never returns with a figure for something that did not work. */
static void must(int worked, const char *what)
{
    if (!worked) {
        perror(what);
        exit(1);
    }
}

/* Inlined, and what it is given as well where the compiler sees it. */
static inline __attribute__((always_inline)) void serve(void (*ask)(const char *path), const char *path)
{
    long repetitions;
    while (scanf("%ld", &repetitions) == 1) {
        /* After whatever ran before caches are cold. */
        for (long unmeasured = repetitions / 8; unmeasured > 0; unmeasured--)
            ask(path);
        int64_t begun = now();
        while (repetitions-- > 0)
            ask(path);
        printf("%lld\n", (long long)(now() - begun));
        fflush(stdout);
    }
}
