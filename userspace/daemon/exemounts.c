/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/exemounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/io.h"
#include "daemon/exewatch.h"

enum {
    TABLE_BYTES_MAX = 16 << 20,
    SOON_MS = 20 /* several mounts make one reading */
};

/* --- the table ---------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct msp_exemount *left = a, *right = b;

    if (left->point != right->point)
        return left->point < right->point ? -1 : 1;
    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return 0;
}

/* Blanks and backslashes stand there as octal; in place. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from; to++) {
        if (from[0] == '\\' && from[1] && from[2] && from[3]) {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 |
                         (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

/* ID PARENT MAJ:MIN ROOT MOUNTPOINT ...; @return false: no such line */
static bool parse_line(char *line, struct msp_exemount *ret)
{
    char *point = line;

    ret->line = msp_exewatch_hash(line);
    for (int i = 0; i < 4; i++) {
        point = strchr(point, ' ');
        if (!point)
            return false;
        point++;
    }
    point[strcspn(point, " ")] = '\0';
    unescape(point);
    ret->point = msp_exewatch_hash(point);
    return true;
}

int msp_exemounts_parse(char *text, struct msp_exemount **ret, size_t *ret_n)
{
    msp_autofree struct msp_exemount *mount = NULL;
    size_t n = 0, max = 1;
    char *next = text;

    for (const char *c = text; *c; c++)
        max += *c == '\n';
    mount = calloc(max, sizeof(*mount));
    if (!mount)
        return -ENOMEM;
    while (*next) {
        char *line = next;

        next += strcspn(next, "\n");
        if (*next)
            *next++ = '\0';
        if (*line && !parse_line(line, &mount[n++]))
            return -EBADMSG;
    }
    qsort(mount, n, sizeof(*mount), compare);
    *ret = TAKE_PTR(mount);
    *ret_n = n;
    return 0;
}

size_t msp_exemounts_compare(const struct msp_exemount *mount, size_t n,
                             const struct msp_exemount *other, size_t n_other,
                             uint64_t *ret_point)
{
    size_t i = 0, k = 0, n_points = 0;

    while (i < n || k < n_other) {
        int order = i == n         ? 1
                    : k == n_other ? -1
                                   : compare(&mount[i], &other[k]);
        uint64_t point = order <= 0 ? mount[i].point : other[k].point;

        i += order <= 0;
        k += order >= 0;
        if (order && (!n_points || ret_point[n_points - 1] != point))
            ret_point[n_points++] = point;
    }
    return n_points;
}

bool msp_exemounts_has(const struct msp_exemounts *mounts, uint64_t point)
{
    size_t low = 0, high = mounts->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (mounts->mount[middle].point < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low < mounts->n && mounts->mount[low].point == point;
}

/* --- watching it -------------------------------------------------------- */

/* @return 0; negative errno */
static int read_table(const struct msp_exemounts *mounts,
                      struct msp_exemount **ret, size_t *ret_n)
{
    msp_autofree char *text = NULL;
    size_t len;
    int r;

    if (lseek(mounts->fd, 0, SEEK_SET) < 0)
        return -errno;
    r = msp_io_slurp(mounts->fd, TABLE_BYTES_MAX, &text, &len);
    return r < 0 ? r : msp_exemounts_parse(text, ret, ret_n);
}

static void on_time(void *data)
{
    struct msp_exemounts *mounts = data;
    msp_autofree struct msp_exemount *mount = NULL;
    msp_autofree uint64_t *point = NULL;
    size_t n = 0, n_points = 0;

    mounts->read_ms = msp_loop_now(mounts->source.loop);
    mounts->error = read_table(mounts, &mount, &n);
    if (mounts->error == 0) {
        point = calloc(n + mounts->n + 1, sizeof(*point));
        if (point)
            n_points = msp_exemounts_compare(mounts->mount, mounts->n, mount, n,
                                             point);
        free(mounts->mount);
        mounts->mount = TAKE_PTR(mount);
        mounts->n = n;
    }
    mounts->fn(mounts->data, point, n_points);
}

static void on_changed(void *data, uint32_t events)
{
    struct msp_exemounts *mounts = data;
    uint64_t now = msp_loop_now(mounts->source.loop);
    uint64_t at = mounts->read_ms + MSP_EXE_MOUNTS_MS;

    if (!(events & (EPOLLPRI | EPOLLERR)) || mounts->timer.index)
        return;
    if (at < now + SOON_MS)
        at = now + SOON_MS;
    (void)msp_timer_set(&mounts->timer, at - now);
}

void msp_exemounts_open(struct msp_exemounts *mounts, struct msp_loop *loop,
                        msp_exemounts_fn fn, void *data)
{
    *mounts = (struct msp_exemounts){.fn = fn, .data = data};
    msp_timer_init(loop, &mounts->timer, on_time, mounts);
    mounts->fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    if (mounts->fd < 0) {
        mounts->error = -errno;
        return;
    }
    /* added first: what comes after the reading wakes us */
    mounts->error = msp_loop_add(loop, &mounts->source, mounts->fd, EPOLLPRI,
                                 on_changed, mounts);
    if (mounts->error == 0)
        mounts->error = read_table(mounts, &mounts->mount, &mounts->n);
}

void msp_exemounts_done(struct msp_exemounts *mounts)
{
    if (!mounts->timer.loop)
        return;
    msp_timer_stop(&mounts->timer);
    msp_loop_remove(&mounts->source);
    msp_closep(&mounts->fd);
    free(mounts->mount);
    *mounts = (struct msp_exemounts){.fd = -1};
}
