/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "control.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "base/finished.h"
#include "base/io.h"
#include "base/log.h"
#include "key.h"
#include "worker.h"

#define PACKETS_MAX 64 /* in one event */

static int take_listener(struct msp_control *control, const void *packet,
                         size_t len, int *fd)
{
    struct msp_child_listener listener;
    int r;

    if (len != sizeof(listener) || *fd < 0)
        return -EPROTO;
    memcpy(&listener, packet, sizeof(listener));
    r = msp_worker_listen(control->worker, TAKE_FD(*fd), listener.netns_cookie,
                          listener.port);
    if (r < 0 && r != -ESHUTDOWN)
        msp_log_errno(MSP_LOG_WARN, "proxy.listener", r);
    return 0;
}

static int take_key(struct msp_control *control, const void *packet, size_t len)
{
    int r;

    if (len != sizeof(struct msp_child_key))
        return -EPROTO;
    r = msp_key_set(control->key, packet);
    if (r < 0)
        msp_log_errno(MSP_LOG_ERR, "proxy.key", r);
    else
        msp_log(MSP_LOG_INFO, "proxy.key", "guid", msp_key_guid(control->key),
                NULL);
    return 0;
}

static int take(struct msp_control *control, const void *packet, size_t len,
                int *fd)
{
    struct msp_child_head head;
    struct msp_child_listener gone;
    struct msp_child_clock clock;

    if (len < sizeof(head))
        return -EPROTO;
    memcpy(&head, packet, sizeof(head));
    switch (head.type) {
    case MSP_CHILD_LISTENER:
        return take_listener(control, packet, len, fd);
    case MSP_CHILD_KEY:
        return take_key(control, packet, len);
    case MSP_CHILD_CLOCK:
        if (len != sizeof(clock))
            return -EPROTO;
        memcpy(&clock, packet, sizeof(clock));
        msp_worker_clock(control->worker, clock.host_s, clock.boot_ns);
        return 0;
    case MSP_CHILD_FLIPPED:
        if (len != sizeof(head))
            return -EPROTO;
        msp_worker_flipped(control->worker);
        return 0;
    case MSP_CHILD_LISTENER_GONE:
        if (len != sizeof(gone))
            return -EPROTO;
        memcpy(&gone, packet, sizeof(gone));
        msp_worker_unlisten(control->worker, gone.netns_cookie);
        return 0;
    default:
        return -EPROTO;
    }
}

static void hang_up(struct msp_control *control, int r)
{
    if (r == 0)
        msp_log(MSP_LOG_WARN, "proxy.mspd-gone", NULL);
    else
        msp_log_errno(MSP_LOG_ERR, "proxy.control", r);
    msp_control_done(control);
}

static void on_control(void *data, uint32_t events)
{
    struct msp_control *control = data;
    size_t size;
    void *packet = msp_key_packet(control->key, &size);

    (void)events;
    for (int i = 0; i < PACKETS_MAX; i++) {
        msp_autoclose int fd = -1;
        ssize_t n = msp_io_recv(control->fd, packet, size, &fd);
        int r;

        if (n == -EAGAIN)
            return;
        r = n > 0 ? take(control, packet, (size_t)n, &fd) : (int)n;
        msp_key_wipe_packet(control->key);
        if (n <= 0 || r < 0) {
            hang_up(control, r);
            return;
        }
    }
}

static int send_records(struct msp_control *control)
{
    size_t n = control->n_records, len = control->len;
    int r;

    if (!n)
        return 0;
    msp_timer_stop(&control->flush);
    control->n_records = 0;
    control->len = 0;
    r = msp_io_send(control->fd, control->records, len, -1);
    if (r < 0 && control->worker)
        control->worker->stats.n_log_dropped += n;
    return r;
}

static void on_flush(void *data)
{
    (void)send_records(data);
}

int msp_control_open(struct msp_control *control, struct msp_loop *loop, int fd)
{
    control->fd = fd;
    msp_timer_init(loop, &control->flush, on_flush, control);
    return msp_loop_add(loop, &control->source, fd, EPOLLIN, on_control,
                        control);
}

void msp_control_done(struct msp_control *control)
{
    if (control->fd < 0)
        return;
    (void)send_records(control);
    msp_loop_remove(&control->source);
    (void)close(control->fd);
    control->fd = -1;
}

int msp_control_ready(struct msp_control *control)
{
    struct msp_child_head ready = {.type = MSP_CHILD_READY};

    return msp_io_send(control->fd, &ready, sizeof(ready), -1);
}

int msp_control_lost(struct msp_control *control, uint64_t netns_cookie,
                     uint16_t port)
{
    const struct msp_child_listener lost = {
        .head.type = MSP_CHILD_LISTENER_LOST,
        .netns_cookie = netns_cookie,
        .port = port,
    };

    if (control->fd < 0)
        return -EPIPE;
    return msp_io_send(control->fd, &lost, sizeof(lost), -1);
}

static size_t room_of(const struct msp_control *control)
{
    return sizeof(control->records) - control->len;
}

int msp_control_log(struct msp_control *control,
                    const struct msp_child_log *record)
{
    if (control->fd < 0) {
        control->worker->stats.n_log_dropped++;
        return -EPIPE;
    }
    control->len += msp_finished_pack(control->records + control->len,
                                      room_of(control), record);
    control->n_records++;
    if (room_of(control) < sizeof(*record))
        return send_records(control);
    if (control->n_records > 1)
        return 0; /* the first has set the timer */
    if (msp_timer_set(&control->flush, MSP_LOG_FLUSH_MS) < 0)
        return send_records(control);
    return 0;
}
