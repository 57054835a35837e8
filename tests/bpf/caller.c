/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bpf/caller.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "harness/test.h"

static void ask(unsigned int times)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};

    to.sin_addr.s_addr = inet_addr("169.254.169.254");
    for (unsigned int i = 0; i < times; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void)connect(fd, (struct sockaddr *)&to, sizeof(to));
        (void)close(fd);
    }
}

/* Interrupts on this CPU all the time, so that any two steps can be far apart. */
static int shake(void)
{
    struct itimerspec often = {.it_interval.tv_nsec = 8000,
                               .it_value.tv_nsec = 8000};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    (void)sched_setaffinity(0, sizeof(cpus), &cpus);
    if (fd < 0 || timerfd_settime(fd, 0, &often, NULL) < 0)
        return -1;
    return fd;
}

static void ask_often(void)
{
    int fd = shake();

    ask(CALLER_BURST);
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
    ask(1);
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
            ask(1);
        if (write(STDOUT_FILENO, &c, 1) != 1)
            return 1;
    }
    return 0;
}
