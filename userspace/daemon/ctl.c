/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <msp/cleanup.h>

#include "base/log.h"

enum {
    READ_BYTES = 65536,
    REQUEST_BYTES_MAX = sizeof(struct msp_ctl_push) + MSP_IMAGE_BYTES_MAX,
};

static const char socket_name[] = "control.sock";

struct msp_ctl_client {
    struct msp_ctl *ctl;
    uint64_t serial;
    int fd;
    struct msp_source source;
    struct msp_timer timer;
    struct msp_ctl_header header; /* of the request */
    struct msp_buf in;
    struct msp_buf out;
    size_t out_at; /* bytes of out that are gone */
    bool is_asked; /* handed to fn */
};

static void drop(struct msp_ctl_client *client)
{
    struct msp_ctl *ctl = client->ctl;

    for (size_t i = 0; i < MSP_CTL_CLIENTS_MAX; i++)
        if (ctl->client[i] == client)
            ctl->client[i] = NULL;
    msp_timer_stop(&client->timer);
    msp_loop_remove(&client->source);
    (void)close(client->fd);
    msp_buf_done(&client->in);
    msp_buf_done(&client->out);
    free(client);
}

static void on_deadline(void *data)
{
    drop(data);
}

/* --- out ---------------------------------------------------------------- */

static void flush(struct msp_ctl_client *client)
{
    while (client->out_at < client->out.len) {
        ssize_t n =
            send(client->fd, client->out.data + client->out_at,
                 client->out.len - client->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            (void)msp_loop_want(&client->source, EPOLLOUT);
            return;
        }
        if (n <= 0)
            break;
        client->out_at += (size_t)n;
    }
    drop(client);
}

static void answer(struct msp_ctl_client *client, enum msp_ctl_status status,
                   const void *payload, size_t len)
{
    struct msp_ctl_header header = {
        .magic = MSP_CTL_MAGIC,
        .version = MSP_CTL_VERSION,
        .type = client->header.type,
        .status = status,
        .length = (uint32_t)len,
    };

    client->out.max = sizeof(header) + MSP_CTL_REPLY_BYTES_MAX;
    if (msp_buf_append(&client->out, &header, sizeof(header)) < 0 ||
        msp_buf_append(&client->out, payload, len) < 0) {
        drop(client);
        return;
    }
    flush(client);
}

static void answer_text(struct msp_ctl_client *client,
                        enum msp_ctl_status status, const char *why)
{
    msp_cleanup(msp_rec_done) struct msp_rec rec = {0};

    msp_rec_str(&rec, "error", why);
    if (status == MSP_CTL_BAD_VERSION) {
        msp_rec_uint(&rec, "version.daemon", MSP_CTL_VERSION);
        msp_rec_uint(&rec, "version.client", client->header.version);
    }
    msp_rec_end(&rec);
    answer(client, status, rec.buf.data, rec.error == 0 ? rec.buf.len : 0);
}

uint64_t msp_ctl_serial(const struct msp_ctl_client *client)
{
    return client->serial;
}

void msp_ctl_reply(struct msp_ctl *ctl, const struct msp_ctl_client *client,
                   uint64_t serial, enum msp_ctl_status status,
                   struct msp_rec *rec)
{
    struct msp_ctl_client *found = NULL;

    for (size_t i = 0; i < MSP_CTL_CLIENTS_MAX; i++)
        if (ctl->client[i] && ctl->client[i] == client &&
            ctl->client[i]->serial == serial)
            found = ctl->client[i];
    if (found && rec->error < 0)
        answer_text(found, MSP_CTL_INTERNAL, "the reply is too large");
    else if (found)
        answer(found, status, rec->buf.data, rec->buf.len);
    msp_rec_done(rec);
}

/* --- in ----------------------------------------------------------------- */

/* @return 1 whole; 0 more to come; -EBADMSG answered and gone */
static int check_frame(struct msp_ctl_client *client)
{
    const struct msp_ctl_header *header = &client->header;

    if (client->in.len < sizeof(*header))
        return 0;
    memcpy(&client->header, client->in.data, sizeof(*header));
    if (header->magic != MSP_CTL_MAGIC) {
        answer_text(client, MSP_CTL_INVALID, "not a control frame");
        return -EBADMSG;
    }
    if (header->version != MSP_CTL_VERSION) {
        answer_text(client, MSP_CTL_BAD_VERSION,
                    "client and daemon speak different versions");
        return -EBADMSG;
    }
    if (header->length > REQUEST_BYTES_MAX) {
        answer_text(client, MSP_CTL_INVALID, "the request is too large");
        return -EBADMSG;
    }
    if (client->in.len > sizeof(*header) + header->length) {
        answer_text(client, MSP_CTL_INVALID, "bytes after the request");
        return -EBADMSG;
    }
    return client->in.len == sizeof(*header) + header->length;
}

static void hand_over(struct msp_ctl_client *client)
{
    size_t len = client->header.length;
    char *payload = malloc(len + 1);

    if (!payload) {
        drop(client);
        return;
    }
    memcpy(payload, client->in.data + sizeof(client->header), len);
    payload[len] = '\0';
    msp_buf_done(&client->in);
    client->is_asked = true;
    (void)msp_loop_want(&client->source, EPOLLRDHUP);
    client->ctl->fn(client->ctl->data, client, client->header.type, payload,
                    len);
}

static void on_client(void *data, uint32_t events)
{
    struct msp_ctl_client *client = data;
    ssize_t n;
    int r;

    if (client->out.len) {
        flush(client);
        return;
    }
    if (client->is_asked) {
        /* nothing is expected any more: it went away */
        if (events & (EPOLLHUP | EPOLLERR))
            drop(client);
        else
            (void)msp_loop_want(&client->source, 0);
        return;
    }
    r = msp_buf_reserve(&client->in, READ_BYTES);
    if (r == 0) {
        n = recv(client->fd, client->in.data + client->in.len, READ_BYTES,
                 MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        r = n > 0 ? 0 : -EPIPE;
        if (r == 0)
            client->in.len += (size_t)n;
    }
    if (r < 0) {
        drop(client);
        return;
    }
    if (check_frame(client) == 1)
        hand_over(client);
}

/* --- connections -------------------------------------------------------- */

static bool is_root(int fd)
{
    struct ucred peer = {.uid = UINT32_MAX};
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           peer.uid == 0;
}

static int take_client(struct msp_ctl *ctl, size_t place, int fd)
{
    static uint64_t serial;
    struct msp_ctl_client *client = calloc(1, sizeof(*client));
    int r;

    if (!client)
        return -ENOMEM;
    client->ctl = ctl;
    client->serial = ++serial;
    client->fd = fd;
    client->in.max = sizeof(client->header) + REQUEST_BYTES_MAX + READ_BYTES;
    msp_timer_init(ctl->loop, &client->timer, on_deadline, client);
    r = msp_timer_set(&client->timer, MSP_CTL_MS);
    if (r == 0)
        r = msp_loop_add(ctl->loop, &client->source, fd, EPOLLIN, on_client,
                         client);
    if (r < 0) {
        msp_timer_stop(&client->timer);
        free(client);
        return r;
    }
    ctl->client[place] = client;
    return 0;
}

static void on_connection(void *data, uint32_t events)
{
    struct msp_ctl *ctl = data;
    size_t place = 0;
    int fd;

    (void)events;
    fd = accept4(ctl->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    while (place < MSP_CTL_CLIENTS_MAX && ctl->client[place])
        place++;
    /* fail closed: not root, or one too many */
    if (!is_root(fd) || place == MSP_CTL_CLIENTS_MAX ||
        take_client(ctl, place, fd) < 0)
        (void)close(fd);
}

int msp_ctl_open(struct msp_ctl *ctl, struct msp_loop *loop, int run_fd,
                 msp_ctl_fn fn, void *data)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    msp_autoclose int fd = -1;
    mode_t old_mask;
    int r;

    *ctl = (struct msp_ctl){.fd = -1, .loop = loop, .fn = fn, .data = data};
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* by descriptor: the path of the run directory may be long */
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s",
                   run_fd, socket_name);
    if (unlinkat(run_fd, socket_name, 0) < 0 && errno != ENOENT)
        return -errno;
    old_mask = umask(0177);
    r = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
    (void)umask(old_mask);
    if (r < 0)
        return r;
    if (listen(fd, MSP_CTL_CLIENTS_MAX) < 0)
        return -errno;
    ctl->fd = TAKE_FD(fd);
    return msp_loop_add(loop, &ctl->source, ctl->fd, EPOLLIN, on_connection,
                        ctl);
}

void msp_ctl_done(struct msp_ctl *ctl)
{
    if (!ctl->loop)
        return;
    for (size_t i = 0; i < MSP_CTL_CLIENTS_MAX; i++)
        if (ctl->client[i])
            drop(ctl->client[i]);
    msp_loop_remove(&ctl->source);
    msp_closep(&ctl->fd);
    ctl->fd = -1;
}
