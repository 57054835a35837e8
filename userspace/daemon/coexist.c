/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/coexist.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "base/log.h"
#include "loader/iter.h"

enum {
    SLICE_US = 2000,   /* of CPU time each, */
    SLICES_MS = 20,    /* so far apart; */
    AT_ONCE_US = 20000 /* for who asks */
};

/* --- what was found ----------------------------------------------------- */

static void clear(struct msp_coexist_found *found)
{
    for (size_t i = 0; i < found->n; i++)
        free(found->row[i].cgroup);
    free(found->row);
    *found = (struct msp_coexist_found){0};
}

static void on_foreign(void *data, const struct msp_foreign *foreign)
{
    struct msp_coexist *coexist = data;
    struct msp_coexist_found *next = &coexist->next;
    struct msp_coexist_row *more = NULL;
    char *cgroup = NULL;

    if (next->n < MSP_COEXIST_MAX)
        more = reallocarray(next->row, next->n + 1, sizeof(*more));
    if (more) {
        next->row = more;
        cgroup = strdup(coexist->looking_at);
    }
    if (!cgroup) {
        next->n_more++;
        return;
    }
    more[next->n++] =
        (struct msp_coexist_row){.cgroup = cgroup, .foreign = *foreign};
}

/* Their names, all at once; without them they are shown by number. */
static void find_names(struct msp_coexist *coexist)
{
    struct msp_coexist_found *next = &coexist->next;
    msp_autofree struct msp_prog_fact *fact = NULL;
    size_t n = 0;

    if (!next->n || msp_iter_progs(coexist->loader, &fact, &n) < 0)
        return;
    for (size_t i = 0; i < next->n; i++)
        for (size_t k = 0; k < n; k++)
            if (fact[k].id == next->row[i].foreign.id)
                memcpy(next->row[i].name, fact[k].name,
                       sizeof(next->row[i].name) - 1);
}

static bool is_bad(const struct msp_foreign *foreign)
{
    bool is_display = foreign->hook == MSP_PROG_PEERNAME4 ||
                      foreign->hook == MSP_PROG_PEERNAME6;

    return !foreign->id || (foreign->is_after && !is_display);
}

static bool was_found(const struct msp_coexist_found *found,
                      const struct msp_coexist_row *row)
{
    for (size_t i = 0; i < found->n; i++) {
        const struct msp_coexist_row *other = &found->row[i];

        if (other->foreign.id == row->foreign.id &&
            other->foreign.hook == row->foreign.hook &&
            other->foreign.is_after == row->foreign.is_after &&
            msp_streq(other->cgroup, row->cgroup))
            return true;
    }
    return false;
}

static void log_new(const struct msp_coexist *coexist)
{
    for (size_t i = 0; i < coexist->next.n; i++) {
        const struct msp_coexist_row *row = &coexist->next.row[i];
        char id[16];

        if (!is_bad(&row->foreign) || was_found(&coexist->found, row))
            continue;
        (void)snprintf(id, sizeof(id), "%" PRIu32, row->foreign.id);
        if (row->foreign.id)
            msp_log(MSP_LOG_WARN, "foreign.after", "cgroup", row->cgroup,
                    "hook", msp_prog_names[row->foreign.hook], "id", id, "name",
                    row->name, NULL);
        else
            msp_log(MSP_LOG_ERR, "foreign.instead", "cgroup", row->cgroup,
                    "hook", msp_prog_names[row->foreign.hook], "why",
                    "ours does not run there", NULL);
    }
}

/* --- the sweep ---------------------------------------------------------- */

static bool push(struct msp_coexist *coexist, char *path)
{
    char **more = NULL;

    if (path && coexist->n_todo < MSP_CGROUPS_MAX)
        more = reallocarray(coexist->todo, coexist->n_todo + 1, sizeof(*more));
    if (!more) {
        free(path);
        coexist->next.n_unread++;
        return false;
    }
    coexist->todo = more;
    more[coexist->n_todo++] = path;
    return true;
}

static void push_below(struct msp_coexist *coexist, const char *path, DIR *dir)
{
    const struct dirent *entry;

    while ((entry = readdir(dir))) {
        char *below = NULL;

        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        if (asprintf(&below, "%s/%s", msp_streq(path, "/") ? "" : path,
                     entry->d_name) < 0)
            below = NULL;
        (void)push(coexist, below);
    }
}

static void closedirp(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* @return 0; negative errno */
static int look_at(struct msp_coexist *coexist, const char *path)
{
    msp_cleanup(closedirp) DIR *dir = NULL;
    bool is_ours = msp_streq(path, "/");
    int fd = openat(coexist->cgroup_fd, is_ours ? "." : path + 1,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
    dir = fdopendir(fd);
    if (!dir) {
        r = -errno;
        (void)close(fd);
        return r;
    }
    coexist->looking_at = path;
    r = msp_effective_look(coexist->loader, fd, is_ours, on_foreign, coexist);
    coexist->looking_at = NULL;
    push_below(coexist, path, dir);
    return r;
}

static void look_at_last(struct msp_coexist *coexist)
{
    msp_autofree char *path = coexist->todo[--coexist->n_todo];
    int r = look_at(coexist, path);

    coexist->next.n_cgroups++;
    if (r < 0 && r != -ENOENT && r != -ENODEV) /* but one that went */
        coexist->next.n_unread++;
}

static void begin(struct msp_coexist *coexist)
{
    coexist->is_sweeping = true;
    clear(&coexist->next);
    coexist->next.began_ms = msp_io_now_ms();
    (void)push(coexist, strdup("/"));
}

/* CPU time of this thread: what others take is not ours to save. */
static uint64_t cpu_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* @return whether the sweep is over */
static bool go_on(struct msp_coexist *coexist, uint64_t for_us)
{
    uint64_t end = cpu_us() + for_us;

    while (coexist->n_todo && cpu_us() < end)
        look_at_last(coexist);
    if (coexist->n_todo)
        return false;
    find_names(coexist);
    log_new(coexist);
    clear(&coexist->found);
    coexist->found = coexist->next;
    coexist->next = (struct msp_coexist_found){0};
    coexist->is_sweeping = false;
    return true;
}

static void work(struct msp_coexist *coexist, uint64_t for_us)
{
    if (!coexist->is_sweeping)
        begin(coexist);
    (void)msp_timer_set(&coexist->timer, go_on(coexist, for_us)
                                             ? MSP_COEXIST_SWEEP_MS
                                             : SLICES_MS);
}

static void on_time(void *data)
{
    work(data, SLICE_US);
}

/* --- the outside -------------------------------------------------------- */

void msp_coexist_start(struct msp_coexist *coexist, struct msp_loop *loop,
                       struct msp_loader *loader, int cgroup_fd)
{
    *coexist = (struct msp_coexist){
        .loader = loader, .loop = loop, .cgroup_fd = cgroup_fd};
    msp_timer_init(loop, &coexist->timer, on_time, coexist);
    work(coexist, AT_ONCE_US);
}

void msp_coexist_refresh(struct msp_coexist *coexist)
{
    if (coexist->loop)
        work(coexist, AT_ONCE_US);
}

void msp_coexist_done(struct msp_coexist *coexist)
{
    if (!coexist->loop)
        return;
    msp_timer_stop(&coexist->timer);
    while (coexist->n_todo)
        free(coexist->todo[--coexist->n_todo]);
    free(coexist->todo);
    clear(&coexist->found);
    clear(&coexist->next);
    *coexist = (struct msp_coexist){0};
}

bool msp_coexist_is_whole(const struct msp_coexist *coexist)
{
    for (size_t i = 0; i < coexist->found.n; i++)
        if (!coexist->found.row[i].foreign.id)
            return false;
    return true;
}

bool msp_coexist_is_bypassed(const struct msp_coexist *coexist)
{
    for (size_t i = 0; i < coexist->found.n; i++)
        if (coexist->found.row[i].foreign.id &&
            is_bad(&coexist->found.row[i].foreign))
            return true;
    return false;
}
