/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/exelook.h"

#include <errno.h>
#include <limits.h>
#include <time.h>

#include <msp/child.h>
#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/log.h"

enum {
    EVENT_MS = 2,      /* several events make one round */
    AGAIN_MS = 100,    /* rounds of one path begin that far apart, */
    BURST_ROUNDS = 20, /* on the average of so many */
    PACE_MS = 5,       /* and of all paths, whatever happens to them */
    HOLD_MS = 300,     /* changes wait so long for others that belong to them */
    HASH_TRIES = 3,    /* a round, for a file that is being written */
    SLOW_MAX = 4,      /* of MSP_OPENS_MAX; */
    CALM_MAX = 6,      /* so that what happens now always finds room */
    POLL_FIRST_MS = 50, /* unwatched: soon after something happened, */
    POLL_MS = 20,       /* unwatched paths together: one round in that time */
};

static uint64_t boot_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- items -------------------------------------------------------------- */

struct msp_exes_item *msp_exes_item_new(struct msp_exes *exes, const char *path)
{
    struct msp_exes_item *item = calloc(1, sizeof(*item));

    if (!item)
        return NULL;
    item->exes = exes;
    if (msp_exe_file_init(&item->file, path) < 0) {
        free(item);
        return NULL;
    }
    return item;
}

static void free_item(struct msp_exes_item *item)
{
    msp_exe_file_done(&item->file);
    free(item);
}

void msp_exes_item_drop(struct msp_exes_item *item)
{
    struct msp_exes *exes = item->exes;

    msp_exes_forget_hops(item);
    if (!item->is_asked) {
        free_item(item);
        return;
    }
    item->is_orphan = true;
    item->next = exes->orphans;
    exes->orphans = item;
}

static void free_orphan(struct msp_exes_item *item)
{
    struct msp_exes_item **at = &item->exes->orphans;

    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    free_item(item);
}

/* How far apart rounds of one path are, of the average of a burst. */
static uint64_t again_ms(const struct msp_exes *exes)
{
    return exes->n * PACE_MS > AGAIN_MS ? exes->n * PACE_MS : AGAIN_MS;
}

static void plan(struct msp_exes_item *item, enum msp_exes_step step,
                 uint64_t delay_ms)
{
    item->step = step;
    item->due_ms = msp_exes_now(item) + delay_ms;
}

static void plan_round(struct msp_exes_item *item, uint64_t delay_ms)
{
    uint64_t burst_ms = BURST_ROUNDS * again_ms(item->exes);

    plan(item, MSP_EXES_FILE, delay_ms);
    if (item->due_ms + burst_ms < item->paid_ms)
        item->due_ms = item->paid_ms - burst_ms;
    item->n_hashes = 0;
    item->is_dirty = false;
}

void msp_exes_item_hurry(struct msp_exes_item *item)
{
    if (!item->is_asked && item->step == MSP_EXES_FILE)
        item->due_ms = msp_exes_now(item);
}

void msp_exes_happened(struct msp_exes_item *item)
{
    bool is_planned = item->is_urgent && item->step == MSP_EXES_FILE;

    item->is_urgent = true;
    item->poll_ms = POLL_FIRST_MS;
    if (item->is_asked)
        item->is_dirty = true;
    else if (!is_planned)
        plan_round(item, EVENT_MS);
}

static void changed(struct msp_exes *exes)
{
    exes->is_changed = true;
    exes->is_indexed = false;
    if (!exes->hold.index)
        (void)msp_timer_set(&exes->hold, HOLD_MS);
}

/* --- the round ---------------------------------------------------------- */

/* Its end: the next one is far off if something tells us before. */
static void rest(struct msp_exes_item *item)
{
    uint64_t delay_ms = MSP_EXE_SWEEP_MS, n_ms;
    bool is_polled = item->file.why != MSP_EXE_NO_ANSWER &&
                     item->file.why != MSP_EXE_FILE_SYSTEM &&
                     item->blind != -EOPNOTSUPP;

    if (is_polled && !msp_exes_item_is_watched(item)) {
        item->poll_ms =
            item->poll_ms && item->poll_ms < MSP_EXE_UNWATCHED_MS / 2
                ? 2 * item->poll_ms
                : MSP_EXE_UNWATCHED_MS;
        n_ms = msp_exes_unwatched(item->exes) * POLL_MS;
        if (n_ms < item->poll_ms)
            n_ms = item->poll_ms;
        if (n_ms < delay_ms)
            delay_ms = n_ms;
    }
    plan_round(item, delay_ms);
}

static void answered(struct msp_exes_item *item)
{
    item->is_awaited = false;
    item->is_urgent = false;
    rest(item);
}

/* Of a file this young, a write after reading might leave the same ctime. */
static uint64_t settle_ms(const struct msp_exe_version *version)
{
    int64_t settled_ms = MSP_EXE_SETTLE_MS + version->time_gran / 1000000;
    struct timespec now;
    int64_t age_ms;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    age_ms = ((int64_t)now.tv_sec - version->ctime_sec) * 1000 +
             ((int64_t)now.tv_nsec - (int64_t)version->ctime_nsec) / 1000000;
    if (age_ms >= settled_ms)
        return 0;
    /* of the future: as good as never, other tries fail as well */
    return (uint64_t)(age_ms < 0 ? settled_ms : settled_ms - age_ms);
}

static void file_known(struct msp_exes_item *item)
{
    if (item->is_dirty)
        plan_round(item, EVENT_MS);
    else if (msp_exe_file_needs_hash(&item->file) &&
             item->n_hashes < HASH_TRIES)
        plan(item, MSP_EXES_HASH, settle_ms(&item->file.current));
    else
        answered(item);
}

/* Their rows are one: what goes for this path may go for the others. */
static void look_at_sharers(const struct msp_exes_item *item,
                            const struct msp_exe *exe)
{
    const struct msp_exes *exes = item->exes;

    for (size_t i = 0; i < exes->n; i++) {
        struct msp_exes_item *other = exes->item[i];

        if (other != item && other->file.has_current &&
            msp_exe_compare(&other->file.current.exe, exe) == 0)
            msp_exes_happened(other);
    }
}

static void log_file(const struct msp_exe_file *file)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%u:%u:%llu:%u",
                   file->current.exe.s_dev >> 20,
                   file->current.exe.s_dev & 0xfffff,
                   (unsigned long long)file->current.exe.ino,
                   file->current.exe.generation);
    if (file->has_current)
        msp_log(MSP_LOG_INFO, "exe.found", "path", file->path, "real",
                file->current.real ? file->current.real : "", "file", text,
                NULL);
    else
        msp_log(MSP_LOG_WARN, "exe.lost", "path", file->path, "why",
                msp_exe_why_name(file->why), NULL);
}

/* What follows for everything else from what is known of the file now. */
static void file_answered(struct msp_exes_item *item,
                          const struct msp_exe_file *before, bool is_changed)
{
    const struct msp_exe_file *file = &item->file;
    bool is_other =
        before->has_current != file->has_current ||
        (file->has_current &&
         msp_exe_compare(&before->current.exe, &file->current.exe) != 0);

    if (is_changed)
        changed(item->exes);
    if (is_other || before->why != file->why)
        log_file(file);
    if (is_other && before->has_current)
        look_at_sharers(item, &before->current.exe);
    file_known(item);
}

/* @return free(); NULL not known */
static char *real_path(int fd)
{
    char link[32], path[PATH_MAX];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n <= 0 || path[0] != '/')
        return NULL;
    path[n] = '\0';
    return strdup(path);
}

static void take_file(struct msp_exes_item *item,
                      const struct msp_file_fact *fact, int fd, uint32_t flags)
{
    struct msp_exe_file before = item->file;
    msp_autofree char *real = real_path(fd);
    const char *shown = real ? real : item->file.path;
    bool is_changed = msp_exe_file_see(&item->file, fact, shown, boot_ns());

    item->file.current.is_script = flags & MSP_OPEN_SCRIPT;
    item->exes->is_indexed = false;
    file_answered(item, &before, is_changed);
}

/* fail closed: without a hash nothing is sure */
static uint32_t doubt_of(uint32_t flags)
{
    if (!(flags & MSP_OPEN_HASH))
        return MSP_OPEN_UNSURE;
    return flags & (MSP_OPEN_UNSURE | MSP_OPEN_NOT_ROOTS | MSP_OPEN_WRITER |
                    MSP_OPEN_SHARED);
}

static void take_hash(struct msp_exes_item *item,
                      const struct msp_file_fact *fact,
                      const struct msp_exes_arrival *arrival)
{
    uint32_t doubt = doubt_of(arrival->flags);

    item->n_hashes++;
    if (msp_exe_file_hashed(&item->file, fact, doubt, arrival->sha256)) {
        item->exes->ops->hashed(item->exes->data, &item->file);
        changed(item->exes);
        file_known(item);
    } else if (item->is_dirty || item->file.current.doubt) {
        if (item->file.current.doubt)
            msp_log(MSP_LOG_WARN, "exe.hash", "path", item->file.path, "why",
                    msp_exe_doubt_name(item->file.current.doubt), NULL);
        file_known(item);
    } else {
        /* written meanwhile: look again what it is now */
        plan(item, MSP_EXES_FILE, MSP_EXE_SETTLE_MS);
    }
}

static void take(struct msp_exes_item *item, const struct msp_file_fact *fact,
                 const struct msp_exes_arrival *arrival)
{
    switch (item->step) {
    case MSP_EXES_FILE:
        take_file(item, fact, arrival->fd, arrival->flags);
        return;
    case MSP_EXES_HASH:
        take_hash(item, fact, arrival);
        return;
    }
}

static void failed(struct msp_exes_item *item, int r)
{
    struct msp_exe_file before = item->file;

    switch (item->step) {
    case MSP_EXES_FILE:
        file_answered(item, &before,
                      msp_exe_file_lose(&item->file, r, boot_ns()));
        return;
    case MSP_EXES_HASH:
        item->n_hashes = HASH_TRIES; /* the next round tries again */
        file_known(item);
        return;
    }
}

/* --- requests ----------------------------------------------------------- */

static void request_over(struct msp_exes_item *item)
{
    msp_exewatch_end(&item->exes->watch, item->walk);
    item->exes->n_asked--;
    item->exes->n_asked_slow -= item->is_slow;
    item->is_asked = false;
    item->is_slow = false;
}

static void on_open(void *data, int r, int fd,
                    const struct msp_child_open *reply)
{
    struct msp_exes_item *item = data;
    struct msp_exes *exes = item->exes;
    struct msp_exes_arrival *arrival;

    if (reply && reply->flags & MSP_OPEN_WALK && !item->is_orphan)
        msp_exes_take_hops(item, reply);
    if (r < 0 || !reply || item->is_orphan) {
        msp_closep(&fd);
        request_over(item);
        if (item->is_orphan)
            free_orphan(item);
        else
            failed(item, r < 0 ? r : -EIO);
        msp_exes_pump(exes);
        return;
    }
    arrival = &exes->arrival[exes->n_arrivals++];
    *arrival = (struct msp_exes_arrival){
        .item = item, .fd = fd, .flags = reply->flags};
    memcpy(arrival->sha256, reply->sha256, sizeof(arrival->sha256));
    if (!exes->arrived.index)
        (void)msp_timer_set(&exes->arrived, 0);
}

void msp_exes_on_arrived(void *data)
{
    struct msp_exes *exes = data;
    struct msp_file_fact fact[MSP_OPENS_MAX] = {0};
    int fd[MSP_OPENS_MAX] = {0}, r;
    size_t n = exes->n_arrivals;

    for (size_t i = 0; i < n; i++)
        fd[i] = exes->arrival[i].fd;
    r = exes->ops->facts(exes->data, fd, n, fact);
    exes->n_arrivals = 0;
    for (size_t i = 0; i < n; i++) {
        struct msp_exes_item *item = exes->arrival[i].item;

        request_over(item);
        if (item->is_orphan)
            free_orphan(item);
        else if (r < 0 || fact[i].fd != (uint32_t)fd[i])
            failed(item, r < 0 ? r : -EIO);
        else
            take(item, &fact[i], &exes->arrival[i]);
        (void)close(fd[i]);
    }
    msp_exes_pump(exes);
}

static int ask(struct msp_exes_item *item)
{
    const struct msp_exes *exes = item->exes;

    switch (item->step) {
    case MSP_EXES_FILE:
        if (item->paid_ms < msp_exes_now(item))
            item->paid_ms = msp_exes_now(item);
        item->paid_ms += again_ms(exes);
        item->walk = msp_exewatch_begin(&item->exes->watch);
        return exes->ops->open(exes->data, item->file.path, MSP_OPEN_WALK,
                               on_open, item);
    case MSP_EXES_HASH:
        return exes->ops->open(exes->data, item->file.path, MSP_OPEN_HASH,
                               on_open, item);
    }
    return -EINVAL;
}

static bool is_slow(const struct msp_exes_item *item)
{
    return item->step == MSP_EXES_HASH || item->file.why == MSP_EXE_NO_ANSWER;
}

/* fail closed: one that has no room is asked for later, until then as it was */
static bool has_room(const struct msp_exes *exes,
                     const struct msp_exes_item *item)
{
    if (is_slow(item) && exes->n_asked_slow >= SLOW_MAX)
        return false;
    return exes->n_asked < (item->is_urgent ? MSP_OPENS_MAX : CALM_MAX);
}

static int rank(const struct msp_exes_item *item)
{
    return item->is_urgent ? 2 : item->is_awaited;
}

/* The one to ask for next; NULL none is due that has room. */
static struct msp_exes_item *pick(const struct msp_exes *exes, uint64_t now)
{
    struct msp_exes_item *best = NULL;

    for (size_t i = 0; i < exes->n; i++) {
        struct msp_exes_item *item = exes->item[i];

        if (item->is_asked || item->due_ms > now || !has_room(exes, item))
            continue;
        if (!best || rank(item) > rank(best) ||
            (rank(item) == rank(best) && item->due_ms < best->due_ms))
            best = item;
    }
    return best;
}

static void ask_due(struct msp_exes *exes)
{
    uint64_t now = msp_loop_now(exes->loop);
    struct msp_exes_item *item;

    while ((item = pick(exes, now))) {
        int r;

        item->is_slow = is_slow(item);
        item->is_asked = true;
        exes->n_asked++;
        exes->n_asked_slow += item->is_slow;
        r = ask(item);
        if (r < 0) {
            request_over(item);
            failed(item, r);
            if (item->due_ms <= now)
                item->due_ms = now + AGAIN_MS;
        }
    }
}

/* --- what it comes to --------------------------------------------------- */

void msp_exes_plan_tick(struct msp_exes *exes)
{
    uint64_t now = msp_loop_now(exes->loop), next = UINT64_MAX;

    for (size_t i = 0; i < exes->n; i++) {
        const struct msp_exes_item *item = exes->item[i];
        bool is_due = item->due_ms <= now;

        /* what is due and has no room is asked for when room is made */
        if (item->is_asked || (is_due && !has_room(exes, item)))
            continue;
        if (is_due)
            next = now; /* its tick has not come round yet */
        else if (item->due_ms < next)
            next = item->due_ms;
    }
    if (next != UINT64_MAX)
        (void)msp_timer_set(&exes->tick, next - now);
    else
        msp_timer_stop(&exes->tick);
}

static bool is_any(const struct msp_exes *exes, bool (*is)(const void *item))
{
    for (size_t i = 0; i < exes->n; i++)
        if (is(exes->item[i]))
            return true;
    return false;
}

static bool is_urgent(const void *data)
{
    const struct msp_exes_item *item = data;

    return item->is_urgent;
}

static bool is_awaited(const void *data)
{
    const struct msp_exes_item *item = data;

    return item->is_awaited;
}

static void say_changed(struct msp_exes *exes)
{
    exes->is_changed = false;
    msp_timer_stop(&exes->hold);
    exes->ops->changed(exes->data);
}

void msp_exes_pump(struct msp_exes *exes)
{
    ask_due(exes);
    msp_exes_plan_tick(exes);
    if (!exes->is_indexed)
        msp_exes_make_index(exes);
    if (exes->is_changed && !is_any(exes, is_urgent))
        say_changed(exes);
    if (exes->prepared && !is_any(exes, is_awaited)) {
        void (*fn)(void *data) = TAKE_PTR(exes->prepared);

        msp_timer_stop(&exes->wait);
        fn(exes->prepared_data);
    }
}

void msp_exes_on_tick(void *data)
{
    msp_exes_pump(data);
}

void msp_exes_on_hold(void *data)
{
    struct msp_exes *exes = data;

    if (exes->is_changed)
        say_changed(exes);
}
