/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Listeners on demand: the kernel asks, mspd-netns makes, the row says so. And
 * the way back: a namespace that nobody else holds loses its listener, which is
 * what lets it go.
 */
#include "loader/parked.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/epoll.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "base/log.h"
#include "daemon/mspd.h"
#include "loader/events.h"
#include "loader/iter.h"

static void pump(struct mspd *mspd);

/* --- making ------------------------------------------------------------- */

static void log_made(const struct msp_park *park, enum msp_log_level level,
                     const char *event, const char *what)
{
    char cookie[24], pid[16];

    (void)snprintf(cookie, sizeof(cookie), "%" PRIu64,
                   (uint64_t)park->netns_cookie);
    (void)snprintf(pid, sizeof(pid), "%u", park->tid);
    msp_log(level, event, "netns", cookie, "pid", pid, "why", what, NULL);
}

bool mspd_often(struct mspd_often *often, const char *what,
                char ret[MSPD_OFTEN_BYTES])
{
    uint64_t now_ms = msp_io_now_ms();

    often->n++;
    if (now_ms - often->logged_ms < 1000)
        return false;
    (void)snprintf(ret, MSPD_OFTEN_BYTES,
                   "%s (%" PRIu64 " since the last line)", what, often->n);
    *often = (struct mspd_often){.logged_ms = now_ms};
    return true;
}

static void log_failed(struct mspd *mspd, const struct msp_park *park, int r)
{
    char text[MSPD_OFTEN_BYTES];

    if (mspd_often(&mspd->parked.failed,
                   r == -EDQUOT ? "who asks has as many as he may have"
                                : strerror(-r),
                   text))
        log_made(park, MSP_LOG_WARN, "listener.failed", text);
}

/*
 * The connect that asked fails by itself: its SYNs never leave. Where the one
 * who asked is gone, or lives in another namespace by now, that is no fault of
 * this one, and the next one may ask at once; else there is a pause.
 */
static void fail(struct mspd *mspd, const struct msp_park *park, int r)
{
    bool is_gone = r == -ENOENT || r == -ESRCH || r == -ESTALE;

    msp_parked_fail(&mspd->loader, park, !is_gone, msp_io_now_ns());
    mspd->parked.has_waiting_rows = true;
    log_failed(mspd, park, r);
}

/* @return 0; negative errno: nothing was made */
static int take(struct mspd *mspd, int fd, uint64_t cookie, uint16_t port)
{
    const struct msp_listener made = {.fd = fd,
                                      .cookie = cookie,
                                      .payer = mspd->parked.now.payer,
                                      .port = port};
    const struct msp_listener *item;
    char text[MSPD_OFTEN_BYTES];
    int r = msp_listeners_add(&mspd->listeners, &made, &item);

    if (r < 0)
        return r;
    /* who waits at the other port never gets there; the next one does */
    if (port != mspd->parked.now.port &&
        mspd_often(&mspd->parked.moved, "somebody else had bound its port",
                   text))
        log_made(&mspd->parked.now, MSP_LOG_WARN, "listener.moved", text);
    mspd_listeners_changed(mspd, false);
    return 0;
}

static int ask(struct mspd *mspd, uint32_t pid, msp_netns_fn fn)
{
    char path[48];
    const struct msp_netns_want want = {.path = path,
                                        .cookie = mspd->parked.now.netns_cookie,
                                        .port = mspd->parked.now.port};

    (void)snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
    return msp_netns_want(&mspd->netns, &want, fn, mspd);
}

static void answered(struct mspd *mspd, int r)
{
    if (r < 0)
        fail(mspd, &mspd->parked.now, r);
    /* who has no room cannot ask without end: his ticket ends by itself */
    if (r != -EDQUOT && r != -ENOSPC)
        msp_parked_release(&mspd->loader, &mspd->parked.now);
    mspd->parked.is_asking = false;
    pump(mspd);
}

static void on_made(void *data, int r, int fd, uint64_t cookie, uint16_t port)
{
    struct mspd *mspd = data;

    answered(mspd, r < 0 ? r : take(mspd, fd, cookie, port));
}

/* The thread may have ended while its process lives. */
static void on_made_by_thread(void *data, int r, int fd, uint64_t cookie,
                              uint16_t port)
{
    struct mspd *mspd = data;
    const struct msp_park *park = &mspd->parked.now;

    if ((r == -ENOENT || r == -ESRCH) && park->tgid != park->tid &&
        ask(mspd, park->tgid, on_made) == 0)
        return;
    on_made(data, r, fd, cookie, port);
}

static void start(struct mspd *mspd)
{
    const struct msp_park *park = &mspd->parked.now;
    int r = 0;

    mspd->parked.is_asking = true;
    if (msp_listeners_again(&mspd->listeners, park->netns_cookie))
        mspd_listeners_changed(mspd, false); /* its row was lost */
    else
        r = msp_listeners_has_room(&mspd->listeners, park->payer)
                ?: (ask(mspd, park->tid, on_made_by_thread) ?: 1);
    if (r <= 0)
        answered(mspd, r);
}

static void pump(struct mspd *mspd)
{
    if (mspd->parked.is_pumping)
        return; /* an answer that came at once */
    mspd->parked.is_pumping = true;
    while (!mspd->parked.is_asking &&
           msp_parkq_pop(&mspd->parked.queue, &mspd->parked.now))
        start(mspd);
    mspd->parked.is_pumping = false;
}

static void on_park(void *data, const struct msp_park *park)
{
    struct mspd *mspd = data;
    int r = msp_parkq_push(&mspd->parked.queue, park);

    if (r < 0) {
        fail(mspd, park, r);
        msp_parked_release(&mspd->loader, park);
    }
}

static void on_ring(void *data, uint32_t events)
{
    struct mspd *mspd = data;

    (void)events;
    msp_parked_drain(&mspd->loader);
    pump(mspd);
}

/* --- letting go --------------------------------------------------------- */

/*
 * First the rows, so that who comes now is parked; then the kernel is asked
 * again. A namespace whose listener is still all that holds it
 * has neither a process nor a socket that could be on its way.
 */
static void release(struct mspd *mspd, const uint64_t *cookie, size_t n)
{
    msp_autofree uint64_t *still = NULL;
    size_t n_still = 0, n_left;
    char text[24];

    n_left = msp_listeners_leave(&mspd->listeners, cookie, n);
    if (!n_left)
        return;
    if (msp_iter_alone(&mspd->loader, &still, &n_still) < 0)
        n_still = 0;
    n_left = msp_listeners_drop(&mspd->listeners, still, n_still);
    mspd_listeners_changed(mspd, true); /* those that stay get their rows */
    if (!n_left)
        return;
    (void)snprintf(text, sizeof(text), "%zu", n_left);
    msp_log(MSP_LOG_INFO, "listeners.released", "n", text, NULL);
}

static void on_sweep(void *data)
{
    struct mspd *mspd = data;
    msp_autofree uint64_t *alone = NULL;
    size_t n = 0;

    if (mspd->parked.has_waiting_rows)
        mspd->parked.has_waiting_rows =
            msp_parked_expire(&mspd->loader, msp_io_now_ns()) != 0;
    if (mspd->listeners.n > 1) {
        if (msp_iter_alone(&mspd->loader, &alone, &n) < 0)
            msp_log(MSP_LOG_WARN, "listeners.sweep", "why", mspd->loader.why,
                    NULL);
        else if (n)
            release(mspd, alone, n);
    }
    (void)msp_timer_set(&mspd->parked.sweep, MSP_LISTENERS_SWEEP_MS);
}

/* --- life --------------------------------------------------------------- */

int mspd_parked_start(struct mspd *mspd)
{
    int fd = msp_parked_open(&mspd->loader, on_park, mspd);
    int r;

    if (fd < 0)
        return fd;
    mspd->parked.queue.seed = mspd->loader.meta->seed;
    msp_timer_init(mspd->loop, &mspd->parked.sweep, on_sweep, mspd);
    mspd->parked.has_waiting_rows = true; /* perhaps an earlier one's */
    r = msp_timer_set(&mspd->parked.sweep, MSP_LISTENERS_SWEEP_MS);
    if (r < 0)
        return r;
    r = msp_loop_add(mspd->loop, &mspd->parked.source, fd, EPOLLIN, on_ring,
                     mspd);
    if (r == 0)
        on_ring(mspd, 0); /* what came while nobody read */
    return r;
}

void mspd_parked_done(struct mspd *mspd)
{
    msp_loop_remove(&mspd->parked.source);
    if (mspd->parked.sweep.loop)
        msp_timer_stop(&mspd->parked.sweep);
    msp_parkq_done(&mspd->parked.queue);
}
