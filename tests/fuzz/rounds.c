/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "rounds.h"

#include <sys/epoll.h>

#include "fuzz.h"

static struct msp_loop *running;

/* The linker's names for a wrapped function. */
int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int ms);
int __real_epoll_wait(int fd, struct epoll_event *events, int max, int ms);

int __wrap_epoll_wait(int fd, struct epoll_event *events, int max, int ms)
{
    int n = __real_epoll_wait(fd, events, max, 0);

    /* with 0 a timer is due: it is run, and may have more to do */
    if (n == 0 && ms != 0)
        msp_loop_quit(running, 0);
    return n;
}

static uint64_t clock_ms(void)
{
    return 1000000;
}

struct msp_loop *rounds_new(void)
{
    struct msp_loop *loop = NULL;

    FUZZ_CHECK(msp_loop_new(&loop) == 0);
    msp_loop_set_clock(loop, clock_ms);
    return loop;
}

void rounds_run(struct msp_loop *loop)
{
    running = loop;
    FUZZ_CHECK(msp_loop_run(loop) == 0);
}
