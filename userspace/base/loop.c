/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <msp/cleanup.h>

#include "base/io.h"
#include "base/spin.h"

enum {
    BATCH = 64,
    LANE_TURN = 8,         /* events of one lane in a round, beside others */
    LANES_SHARED_MS = 1000 /* after a round that had two of them */
};

/* Events of one lane that were served in this round. */
struct lane {
    uint64_t id;
    uint32_t n;
};

struct msp_loop {
    int epoll_fd;
    bool is_running;
    bool is_quit;
    int quit_value;
    uint64_t (*clock)(void); /* ms; asked once a round */
    uint64_t now_ms;
    struct msp_spin spin;

    /* heap[1..n_timers] by at_ms; heap[0] unused so that index 0 = idle */
    struct msp_timer **heap;
    uint32_t n_timers;
    uint32_t heap_cap;

    /* events of this round; a removed source is taken out of them */
    struct epoll_event batch[BATCH];
    int batch_next;
    int batch_n;

    struct lane lane[BATCH];
    uint32_t n_lanes;
    uint64_t shared_until_ms;

    int signal_fd;
    struct msp_source signal_source;
    msp_loop_signal_fn signal_fn;
    void *signal_data;
};

int msp_loop_new(struct msp_loop **ret_loop)
{
    struct msp_loop *loop = calloc(1, sizeof(*loop));

    if (!loop)
        return -ENOMEM;
    loop->signal_fd = -1;
    msp_loop_set_clock(loop, msp_io_now_ms);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        int r = -errno;

        free(loop);
        return r;
    }
    *ret_loop = loop;
    return 0;
}

struct msp_loop *msp_loop_free(struct msp_loop *loop)
{
    if (!loop)
        return NULL;
    for (uint32_t i = 1; i <= loop->n_timers; i++)
        loop->heap[i]->index = 0;
    msp_loop_remove(&loop->signal_source);
    if (loop->signal_fd >= 0)
        (void)close(loop->signal_fd);
    (void)close(loop->epoll_fd);
    free(loop->heap);
    free(loop);
    return NULL;
}

/* --- descriptors -------------------------------------------------------- */

/*
 * A source that wants nothing is not in the epoll set at all: epoll would
 * report hang-ups whatever is asked, again and again.
 */
static int update(struct msp_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};
    int op = EPOLL_CTL_MOD;

    if (events == source->events)
        return 0;
    if (!source->events)
        op = EPOLL_CTL_ADD;
    else if (!events)
        op = EPOLL_CTL_DEL;
    if (epoll_ctl(source->loop->epoll_fd, op, source->fd, &event) < 0)
        return -errno;
    source->events = events;
    return 0;
}

static void forget_batch(struct msp_loop *loop, const struct msp_source *source)
{
    for (int i = loop->batch_next; i < loop->batch_n; i++)
        if (loop->batch[i].data.ptr == source)
            loop->batch[i].data.ptr = NULL;
}

int msp_loop_add(struct msp_loop *loop, struct msp_source *source, int fd,
                 uint32_t events, msp_loop_fd_fn fn, void *data)
{
    int r;

    *source =
        (struct msp_source){.fd = fd, .fn = fn, .data = data, .loop = loop};
    r = update(source, events);
    if (r < 0)
        source->loop = NULL;
    return r;
}

int msp_loop_want(struct msp_source *source, uint32_t events)
{
    if (!events)
        forget_batch(source->loop, source);
    return update(source, events);
}

void msp_loop_remove(struct msp_source *source)
{
    if (!source->loop)
        return;
    (void)update(source, 0);
    forget_batch(source->loop, source);
    source->loop = NULL;
}

void msp_loop_close(struct msp_source *source)
{
    if (source->loop)
        forget_batch(source->loop, source);
    source->loop = NULL;
    (void)close(source->fd);
}

/* --- timers ------------------------------------------------------------- */

static void place(struct msp_loop *loop, uint32_t index,
                  struct msp_timer *timer)
{
    loop->heap[index] = timer;
    timer->index = index;
}

static void sift_up(struct msp_loop *loop, uint32_t index)
{
    struct msp_timer *timer = loop->heap[index];

    while (index > 1 && loop->heap[index / 2]->at_ms > timer->at_ms) {
        place(loop, index, loop->heap[index / 2]);
        index /= 2;
    }
    place(loop, index, timer);
}

static void sift_down(struct msp_loop *loop, uint32_t index)
{
    struct msp_timer *timer = loop->heap[index];

    for (;;) {
        uint32_t child = 2 * index;

        if (child > loop->n_timers)
            break;
        if (child < loop->n_timers &&
            loop->heap[child + 1]->at_ms < loop->heap[child]->at_ms)
            child++;
        if (loop->heap[child]->at_ms >= timer->at_ms)
            break;
        place(loop, index, loop->heap[child]);
        index = child;
    }
    place(loop, index, timer);
}

void msp_timer_init(struct msp_loop *loop, struct msp_timer *timer,
                    msp_loop_timer_fn fn, void *data)
{
    *timer = (struct msp_timer){.fn = fn, .data = data, .loop = loop};
}

int msp_timer_set(struct msp_timer *timer, uint64_t delay_ms)
{
    struct msp_loop *loop = timer->loop;
    uint64_t now = loop->is_running ? loop->now_ms : loop->clock();

    timer->at_ms = now + delay_ms;
    if (timer->index) {
        sift_up(loop, timer->index);
        sift_down(loop, timer->index);
        return 0;
    }
    if (loop->n_timers + 1 >= loop->heap_cap) {
        uint32_t cap = loop->heap_cap ? 2 * loop->heap_cap : 16;
        struct msp_timer **heap =
            reallocarray(loop->heap, cap, sizeof(struct msp_timer *));

        if (!heap)
            return -ENOMEM;
        loop->heap = heap;
        loop->heap_cap = cap;
    }
    place(loop, ++loop->n_timers, timer);
    sift_up(loop, timer->index);
    return 0;
}

void msp_timer_stop(struct msp_timer *timer)
{
    struct msp_loop *loop = timer->loop;
    uint32_t index = timer->index;
    struct msp_timer *last;

    if (!index)
        return;
    timer->index = 0;
    last = loop->heap[loop->n_timers--];
    if (last == timer)
        return;
    place(loop, index, last);
    sift_up(loop, index);
    sift_down(loop, last->index);
}

/* At most as many as were armed: one that re-arms itself waits a round. */
static void run_timers(struct msp_loop *loop)
{
    uint32_t budget = loop->n_timers;

    while (budget-- && loop->n_timers && !loop->is_quit) {
        struct msp_timer *timer = loop->heap[1];

        if (timer->at_ms > loop->now_ms)
            return;
        msp_timer_stop(timer);
        timer->fn(timer->data);
    }
}

/* --- signals ------------------------------------------------------------ */

static void on_signal(void *data, uint32_t events)
{
    struct msp_loop *loop = data;
    struct signalfd_siginfo info;

    (void)events;
    while (read(loop->signal_fd, &info, sizeof(info)) == sizeof(info))
        loop->signal_fn(loop->signal_data, (int)info.ssi_signo);
}

int msp_loop_signals(struct msp_loop *loop, const int *signals,
                     msp_loop_signal_fn fn, void *data)
{
    sigset_t set;

    if (loop->signal_fd >= 0)
        return -EBUSY;
    (void)sigemptyset(&set);
    for (; *signals; signals++)
        if (sigaddset(&set, *signals) < 0)
            return -errno;
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -errno;
    loop->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (loop->signal_fd < 0)
        return -errno;
    loop->signal_fn = fn;
    loop->signal_data = data;
    return msp_loop_add(loop, &loop->signal_source, loop->signal_fd, EPOLLIN,
                        on_signal, loop);
}

/* --- the loop ----------------------------------------------------------- */

void msp_loop_set_clock(struct msp_loop *loop, uint64_t (*clock_ms)(void))
{
    loop->clock = clock_ms;
    loop->now_ms = clock_ms();
}

uint64_t msp_loop_now(const struct msp_loop *loop)
{
    return loop->now_ms;
}

static int wait_ms(const struct msp_loop *loop)
{
    uint64_t at;

    if (!loop->n_timers)
        return -1;
    at = loop->heap[1]->at_ms;
    if (at <= loop->now_ms)
        return 0;
    return at - loop->now_ms > INT_MAX ? INT_MAX : (int)(at - loop->now_ms);
}

/* @return events in the batch; 0 none came in time; -1 errno is set */
static int poll_once(struct msp_loop *loop, int ms)
{
    return epoll_wait(loop->epoll_fd, loop->batch, BATCH, ms);
}

/*
 * Looks for events until they come, it takes too long or a timer is due.
 * @param ms until that; -1 none is set
 * @param ret_ns how long it was; 0 where the first look was enough
 * @return as poll_once()
 */
static int look(struct msp_loop *loop, int ms, uint64_t *ret_ns)
{
    uint64_t most_ns = loop->spin.max_ns, start;
    int n = poll_once(loop, 0);

    *ret_ns = 0;
    if (ms >= 0 && (uint64_t)ms * 1000000u < most_ns)
        most_ns = (uint64_t)ms * 1000000u;
    if (n)
        return n; /* sleeping would not have been, either */
    start = msp_io_now_ns();
    do {
        n = poll_once(loop, 0);
        *ret_ns = msp_io_now_ns() - start;
    } while (n == 0 && *ret_ns < most_ns);
    msp_spin_looked(&loop->spin, n > 0);
    return n;
}

/* @return as poll_once() */
static int wait_for_events(struct msp_loop *loop)
{
    int ms = wait_ms(loop);
    uint64_t start, ns = 0;
    int n = 0;

    if (!loop->spin.max_ns || ms == 0)
        return poll_once(loop, ms);
    if (msp_spin_is_due(&loop->spin))
        n = look(loop, ms, &ns);
    if (n == 0) {
        start = msp_io_now_ns();
        n = poll_once(loop, ms);
        ns += msp_io_now_ns() - start;
    }
    msp_spin_waited(&loop->spin, ns);
    return n;
}

void msp_loop_spin(struct msp_loop *loop, uint64_t max_ns)
{
    loop->spin.max_ns = max_ns;
}

/*
 * Whoever has many descriptors ready does not keep one with a single one
 * waiting for all of them. What has no turn is reported again, behind what
 * became ready meanwhile. Nobody pays for that who is alone.
 */
static bool has_turn(struct msp_loop *loop, const struct msp_source *source)
{
    struct lane *lane = loop->lane;

    if (!source->lane)
        return true;
    for (uint32_t i = 0; i < loop->n_lanes; i++, lane++)
        if (lane->id == source->lane)
            return lane->n++ < LANE_TURN ||
                   loop->now_ms >= loop->shared_until_ms;
    *lane = (struct lane){.id = source->lane, .n = 1};
    if (++loop->n_lanes == 2)
        loop->shared_until_ms = loop->now_ms + LANES_SHARED_MS;
    return true;
}

static void run_batch(struct msp_loop *loop)
{
    loop->n_lanes = 0;
    while (loop->batch_next < loop->batch_n && !loop->is_quit) {
        struct epoll_event *event = &loop->batch[loop->batch_next++];
        struct msp_source *source = event->data.ptr;

        if (source && has_turn(loop, source))
            source->fn(source->data, event->events);
    }
    loop->batch_n = 0;
    loop->batch_next = 0;
}

int msp_loop_run(struct msp_loop *loop)
{
    int n;

    loop->is_running = true;
    loop->is_quit = false;
    loop->now_ms = loop->clock();
    while (!loop->is_quit) {
        n = wait_for_events(loop);
        if (n < 0 && errno != EINTR) {
            loop->is_running = false;
            return -errno;
        }
        loop->batch_n = n < 0 ? 0 : n;
        loop->batch_next = 0;
        loop->now_ms = loop->clock();
        run_timers(loop);
        run_batch(loop);
    }
    loop->is_running = false;
    return loop->quit_value;
}

void msp_loop_quit(struct msp_loop *loop, int value)
{
    loop->is_quit = true;
    loop->quit_value = value;
}
