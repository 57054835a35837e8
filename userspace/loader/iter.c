/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/iter.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>

#include "loader/events.h"
#include "msp.skel.h"

enum {
    FIRST_RECORDS = 256
};

int msp_iter_start(struct msp_loader *loader, int prog_fd, const char *name,
                   union bpf_iter_link_info *info)
{
    LIBBPF_OPTS(bpf_link_create_opts, opts, .iter_info = info,
                .iter_info_len = info ? sizeof(*info) : 0);
    msp_autoclose int link_fd =
        bpf_link_create(prog_fd, 0, BPF_TRACE_ITER, &opts);
    int fd;

    if (link_fd < 0)
        return msp_loader_fail(loader, -errno, "starting %s", name);
    fd = bpf_iter_create(link_fd);
    if (fd < 0)
        return msp_loader_fail(loader, -errno, "running %s", name);
    return fd;
}

static int start(struct msp_loader *loader, const struct bpf_program *prog,
                 union bpf_iter_link_info *info)
{
    return msp_iter_start(loader, bpf_program__fd(prog),
                          bpf_program__name(prog), info);
}

/* Runs one for what it does. @param ret_n number of bytes it wrote */
static int run(struct msp_loader *loader, const struct bpf_program *prog,
               union bpf_iter_link_info *info, uint64_t *ret_n)
{
    msp_autoclose int fd = start(loader, prog, info);
    char bytes[512];
    ssize_t n;

    *ret_n = 0;
    if (fd < 0)
        return fd;
    do {
        n = read(fd, bytes, sizeof(bytes));
        if (n > 0)
            *ret_n += (uint64_t)n;
    } while (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
    return n < 0 ? msp_loader_fail(loader, -errno, "running %s",
                                   bpf_program__name(prog))
                 : 0;
}

int msp_iter_tasks(struct msp_loader *loader)
{
    uint64_t nothing;

    return run(loader, loader->skel->progs.msp_it_task, NULL, &nothing);
}

int msp_iter_cgroups(struct msp_loader *loader)
{
    union bpf_iter_link_info info = {
        .cgroup = {.order = BPF_CGROUP_ITER_DESCENDANTS_PRE}};

    (void)msp_events_stat(loader, MSP_STAT_CGROUP_DROPPED,
                          &loader->cgroups_dropped);
    return run(loader, loader->skel->progs.msp_it_cgroup, &info,
               &loader->cgroups_left);
}

int msp_iter_cgroups_left(struct msp_loader *loader)
{
    uint64_t dropped = loader->cgroups_dropped;

    (void)msp_events_stat(loader, MSP_STAT_CGROUP_DROPPED, &dropped);
    if (dropped == loader->cgroups_dropped && !loader->cgroups_left)
        return 0;
    return msp_iter_cgroups(loader);
}

int msp_iter_containers(struct msp_loader *loader, uint64_t cgroup_id,
                        uint64_t *ret_left)
{
    union bpf_iter_link_info info = {
        .cgroup = {.order = BPF_CGROUP_ITER_DESCENDANTS_PRE,
                   .cgroup_id = cgroup_id}};

    return run(loader, loader->skel->progs.msp_it_ctr, &info, ret_left);
}

/*
 * Runs one for what it writes.
 * @param size of one record
 * @param ret free(); [ret_n]
 */
static int collect(struct msp_loader *loader, const struct bpf_program *prog,
                   union bpf_iter_link_info *info, size_t size, void **ret,
                   size_t *ret_n)
{
    msp_autoclose int fd = start(loader, prog, info);
    msp_autofree char *bytes = NULL;
    size_t used = 0, room = 0;
    ssize_t n;

    if (fd < 0)
        return fd;
    for (;;) {
        if (room - used < size) {
            char *more;

            room = room ? 2 * room : FIRST_RECORDS * size;
            more = realloc(bytes, room);
            if (!more)
                return msp_loader_fail(loader, -ENOMEM, "running %s",
                                       bpf_program__name(prog));
            bytes = more;
        }
        n = read(fd, bytes + used, room - used);
        if (n == 0)
            break;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return msp_loader_fail(loader, -errno, "running %s",
                                   bpf_program__name(prog));
        if (n > 0)
            used += (size_t)n;
    }
    if (used % size)
        return msp_loader_fail(loader, -EPROTO, "running %s",
                               bpf_program__name(prog));
    *ret_n = used / size;
    *ret = TAKE_PTR(bytes);
    return 0;
}

int msp_iter_files(struct msp_loader *loader, struct msp_file_fact **ret_facts,
                   size_t *ret_n)
{
    union bpf_iter_link_info info = {.task = {.pid = (__u32)getpid()}};
    void *facts = NULL;
    int r = collect(loader, loader->skel->progs.msp_it_file, &info,
                    sizeof(**ret_facts), &facts, ret_n);

    if (r == 0)
        *ret_facts = facts;
    return r;
}

int msp_iter_alone(struct msp_loader *loader, uint64_t **ret_cookies,
                   size_t *ret_n)
{
    union bpf_iter_link_info info = {.task = {.pid = (__u32)getpid()}};
    void *cookies = NULL;
    int r = collect(loader, loader->skel->progs.msp_it_alone, &info,
                    sizeof(**ret_cookies), &cookies, ret_n);

    if (r == 0)
        *ret_cookies = cookies;
    return r;
}

int msp_iter_netns(struct msp_loader *loader, struct msp_netns_task **ret_tasks,
                   size_t *ret_n)
{
    void *tasks = NULL;
    int r = collect(loader, loader->skel->progs.msp_it_netns, NULL,
                    sizeof(**ret_tasks), &tasks, ret_n);

    if (r == 0)
        *ret_tasks = tasks;
    return r;
}

int msp_iter_progs(struct msp_loader *loader, struct msp_prog_fact **ret_facts,
                   size_t *ret_n)
{
    void *facts = NULL;
    int r = collect(loader, loader->skel->progs.msp_it_prog, NULL,
                    sizeof(**ret_facts), &facts, ret_n);

    if (r == 0)
        *ret_facts = facts;
    return r;
}

/* Puts names, deepest first, in front of each other from the end of `ret`. */
static int join_path(const char *names, size_t n, char *ret, size_t size)
{
    size_t at = size - 1;

    ret[at] = '\0';
    for (size_t i = 0; i < n;) {
        size_t len = strnlen(names + i, n - i);

        if (len > 0) { /* the root has no name */
            if (len + 1 > at)
                return -ENAMETOOLONG;
            at -= len;
            memcpy(ret + at, names + i, len);
            ret[--at] = '/';
        }
        i += len + 1;
    }
    if (at == size - 1) {
        if (at == 0)
            return -ENAMETOOLONG;
        ret[--at] = '/';
    }
    memmove(ret, ret + at, size - at);
    return 0;
}

int msp_iter_cgroup_path(struct msp_loader *loader, uint64_t cgroup_id,
                         char *ret, size_t size)
{
    union bpf_iter_link_info info = {
        .cgroup = {.order = BPF_CGROUP_ITER_ANCESTORS_UP,
                   .cgroup_id = cgroup_id}};
    char names[PATH_MAX];
    size_t used = 0;
    ssize_t n;
    msp_autoclose int fd =
        cgroup_id ? start(loader, loader->skel->progs.msp_it_path, &info)
                  : -ENOENT; /* 0 would mean the root to the kernel */

    if (fd < 0)
        return fd;
    do {
        n = read(fd, names + used, sizeof(names) - used);
        if (n > 0)
            used += (size_t)n;
    } while ((n > 0 && used < sizeof(names)) ||
             (n < 0 && (errno == EINTR || errno == EAGAIN)));
    if (n < 0)
        return msp_loader_fail(loader, -errno, "reading a cgroup's path");
    if (n > 0)
        return -ENAMETOOLONG;
    return used ? join_path(names, used, ret, size) : -ENOENT;
}

bool msp_iter_cgroup_is_gone(struct msp_loader *loader, uint64_t cgroup_id)
{
    union bpf_iter_link_info info = {
        .cgroup = {.order = BPF_CGROUP_ITER_SELF_ONLY, .cgroup_id = cgroup_id}};
    /* 0 would mean the root to the kernel */
    msp_autoclose int fd =
        cgroup_id ? start(loader, loader->skel->progs.msp_it_path, &info)
                  : -EINVAL;

    return fd == -ENOENT;
}
