/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/outer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include <bpf/bpf.h>

#include <msp/cleanup.h>

enum {
    STACK_BYTES = 256 << 10 /* above every PTHREAD_STACK_MIN; hardly touched */
};

struct task {
    const struct msp_outer *outer;
    uint32_t slot;
    int result;
    bool has_thread;
    pthread_t thread;
};

static void *run(void *data)
{
    struct task *task = data;
    const struct msp_outer *outer = task->outer;

    task->result = bpf_map_update_elem(outer->outer_fd, &task->slot,
                                       &outer->inner_fd, BPF_ANY) < 0
                       ? -errno
                       : 0;
    return NULL;
}

/* Threads inherit the mask: a signal is never taken by one of them. */
static void start(struct task *task, size_t n)
{
    pthread_attr_t attr;
    sigset_t all, before;

    if (pthread_attr_init(&attr) != 0)
        return;
    (void)sigfillset(&all);
    if (pthread_attr_setstacksize(&attr, STACK_BYTES) == 0 &&
        pthread_sigmask(SIG_SETMASK, &all, &before) == 0) {
        for (size_t i = 0; i < n; i++)
            task[i].has_thread =
                pthread_create(&task[i].thread, &attr, run, &task[i]) == 0;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    (void)pthread_attr_destroy(&attr);
}

int msp_outer_set(const struct msp_outer *outer, size_t n, uint32_t slot,
                  size_t *reterr_index)
{
    msp_autofree struct task *task = calloc(n ? n : 1, sizeof(*task));
    int r = 0;

    if (!task) {
        *reterr_index = n;
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        task[i] = (struct task){.outer = &outer[i], .slot = slot};
    start(task, n);
    for (size_t i = 0; i < n; i++)
        if (!task[i].has_thread)
            (void)run(&task[i]);
    for (size_t i = 0; i < n; i++) {
        if (task[i].has_thread)
            (void)pthread_join(task[i].thread, NULL);
        if (task[i].result < 0 && r == 0) {
            r = task[i].result;
            *reterr_index = i;
        }
    }
    return r;
}
