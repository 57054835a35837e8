/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bpf/caller.h"

#include <pthread.h>
#include <sched.h>

#include "bpf/trace.h"
#include "harness/test.h"

static void ask_often(void)
{
    int fd = trace_shake();

    trace_ask(CALLER_BURST);
    if (fd >= 0)
        (void)close(fd);
}

static void *ask_from_thread(void *data)
{
    pid_t tid = gettid();
    char c;

    (void)data;
    if (write(STDOUT_FILENO, &tid, sizeof(tid)) != sizeof(tid) ||
        read(STDIN_FILENO, &c, 1) != 1)
        return NULL;
    trace_ask(1);
    (void)!write(STDOUT_FILENO, "!", 1);
    return NULL;
}

int caller_act(void)
{
    pthread_t thread;
    char c = '!';

    /* nothing can leave from here, whatever the programs say */
    if (unshare(CLONE_NEWNET) < 0 || write(STDOUT_FILENO, &c, 1) != 1)
        return 1;
    while (read(STDIN_FILENO, &c, 1) == 1) {
        if (c == 't') {
            if (pthread_create(&thread, NULL, ask_from_thread, NULL) != 0)
                return 1;
            (void)pthread_join(thread, NULL);
            continue;
        }
        if (c == 'b')
            ask_often();
        else
            trace_ask(1);
        if (write(STDOUT_FILENO, &c, 1) != 1)
            return 1;
    }
    return 0;
}
