/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/client.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(struct msp_client *client)
{
    msp_timer_stop(&client->connect_timer);
    msp_timer_stop(&client->answer_timer);
    if (client->fd < 0)
        return;
    msp_loop_remove(&client->source);
    (void)close(client->fd);
    client->fd = -1;
}

static void finish(struct msp_client *client, int r)
{
    stop(client);
    client->fn(client->data, r, &client->answer);
}

static void on_deadline(void *data)
{
    finish(data, -ETIMEDOUT);
}

static int connected(struct msp_client *client)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    if (error)
        return -error;
    msp_timer_stop(&client->connect_timer);
    client->is_connected = true;
    return 0;
}

static int send_out(struct msp_client *client)
{
    while (client->out_at < client->out_len) {
        ssize_t n = send(client->fd, client->out + client->out_at,
                         client->out_len - client->out_at, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        client->out_at += (size_t)n;
    }
    return msp_loop_want(&client->source, EPOLLIN);
}

/* @return as msp_answer_take; 0 also for nothing to read */
static int receive(struct msp_client *client)
{
    size_t room;
    char *at = msp_answer_room(&client->answer, &room);
    char end;
    ssize_t n;

    /* a full room is no end of file: a byte more says which */
    n = recv(client->fd, room ? at : &end, room ? room : 1, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    if (n == 0)
        return msp_answer_end(&client->answer);
    return room ? msp_answer_take(&client->answer, (size_t)n) : -EMSGSIZE;
}

static void on_socket(void *data, uint32_t events)
{
    struct msp_client *client = data;
    int r = 0;

    if (!client->is_connected)
        r = connected(client);
    if (r == 0 && client->out_at < client->out_len)
        r = send_out(client);
    if (r == 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        r = receive(client);
    if (r != 0)
        finish(client, r < 0 ? r : 0);
}

void msp_client_init(struct msp_client *client)
{
    client->fd = -1;
    msp_timer_init(client->loop, &client->connect_timer, on_deadline, client);
    msp_timer_init(client->loop, &client->answer_timer, on_deadline, client);
}

static int dial(struct msp_client *client)
{
    const struct sockaddr *to = (const struct sockaddr *)&client->to;
    int r;

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0)
        return -errno;
    /* fail closed: without our mark the kernel would refuse the connect */
    r = client->own(client->data, client->fd);
    if (r < 0)
        return r;
    if (connect(client->fd, to, sizeof(client->to)) < 0 && errno != EINPROGRESS)
        return -errno;
    r = msp_loop_add(client->loop, &client->source, client->fd, EPOLLOUT,
                     on_socket, client);
    if (r == 0)
        r = msp_timer_set(&client->connect_timer, client->connect_ms);
    if (r == 0)
        r = msp_timer_set(&client->answer_timer, client->answer_ms);
    return r;
}

int msp_client_start(struct msp_client *client, char *room, size_t size)
{
    int r;

    if (client->fd >= 0)
        return -EBUSY;
    msp_answer_init(&client->answer, room, size);
    client->is_connected = false;
    client->out_at = 0;
    r = dial(client);
    if (r < 0)
        stop(client);
    return r;
}

void msp_client_done(struct msp_client *client)
{
    stop(client);
}
