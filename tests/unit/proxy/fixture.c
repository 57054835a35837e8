/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fixture.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "proxy/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANDBOXED false /* its runtime needs more than the worker may have */
#else
#define SANDBOXED true
#endif

static sem_t forever; /* never posted */

static int op_mark(void *data, int fd, struct msp_mark *ret_mark)
{
    struct fixture *f = data;

    (void)fd;
    *ret_mark = f->mark;
    return f->has_mark ? 0 : -ENOENT;
}

static int op_own(void *data, int fd)
{
    struct fixture *f = data;

    (void)fd;
    f->n_owned++;
    return f->own_result;
}

static int op_authorize(void *data)
{
    struct fixture *f = data;

    f->n_authorized++;
    f->asked = f->page;
    f->page.verdict = f->verdict;
    f->page.reason = f->reason;
    f->page.mode = f->mode;
    f->page.endpoint_flags = f->endpoint_flags;
    f->page.generation = 7;
    strcpy(f->page.identity.text, "somebody");
    strcpy(f->page.privilege.text, "something");
    strcpy(f->page.endpoint, "imds");
    return f->authorize_result;
}

static void op_log(void *data, const struct msp_child_log *record)
{
    struct fixture *f = data;

    if (send(f->log_pair[1], record, sizeof(*record), 0) != sizeof(*record))
        abort();
}

static int listen_on_loopback(uint16_t *ret_port, int flags)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        abort();
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

static void on_stop(void *data, uint32_t events)
{
    struct fixture *f = data;

    (void)events;
    msp_loop_quit(f->loop, 99);
}

static void *run(void *data)
{
    struct fixture *f = data;

    if (SANDBOXED && msp_sandbox_enter() < 0)
        abort();
    f->run_result = msp_loop_run(f->loop);
    (void)sem_post(&f->is_done);
    /* a thread cannot end inside the sandbox: it blocks signals first */
    while (SANDBOXED)
        (void)sem_wait(&forever);
    return NULL;
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct msp_worker_setup setup;
    struct rlimit files;
    int listener;

    if (!f || getrlimit(RLIMIT_NOFILE, &files) < 0)
        return -1;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 || pipe(f->stop_pipe) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, f->log_pair) < 0 ||
        sem_init(&f->is_done, 0, 0) < 0 || msp_loop_new(&f->loop) ||
        msp_key_new(&f->key))
        return -1;
    f->host = listen_on_loopback(&f->host_port, 0);
    listener = listen_on_loopback(&f->port, SOCK_NONBLOCK);
    f->meta.agent_epoch = 1;
    f->has_mark = true;
    f->mark = (struct msp_mark){
        .addr = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1},
        .port = f->host_port,
        .cgroup_id = 42,
        .endpoint = MSP_EP_IMDS,
    };
    f->verdict = MSP_VERDICT_ALLOW;
    f->reason = MSP_REASON_PRIVILEGE;
    f->mode = MSP_MODE_ENFORCE;
    f->endpoint_flags = MSP_EP_SIGN;
    fixture_set_key(f);
    setup = (struct msp_worker_setup){
        .loop = f->loop,
        .ops = {op_mark, op_own, op_authorize, op_log, f},
        .page = &f->page,
        .meta = &f->meta,
        .agent_epoch = 1,
        .key = f->key,
    };
    if (msp_worker_new(&setup, &f->worker) ||
        msp_worker_listen(f->worker, listener, 1, f->port) ||
        msp_loop_add(f->loop, &f->stop, f->stop_pipe[0], EPOLLIN, on_stop, f) ||
        pthread_create(&f->thread, NULL, run, f))
        return -1;
    *state = f;
    return 0;
}

void fixture_set_key(struct fixture *f)
{
    struct msp_child_key packet = {.guid = "guid-1"};

    memset(packet.key, 'K', sizeof(packet.key));
    assert_ok(msp_key_set(f->key, &packet));
}

void fixture_stop(struct fixture *f)
{
    if (!f->thread)
        return;
    assert_int_equal(write(f->stop_pipe[1], "x", 1), 1);
    fixture_wait(f);
}

void fixture_wait(struct fixture *f)
{
    struct timespec limit;

    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 5;
    assert_ok(sem_timedwait(&f->is_done, &limit));
    if (!SANDBOXED)
        assert_ok(pthread_join(f->thread, NULL));
    f->thread = 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    fixture_stop(f);
    msp_worker_free(f->worker);
    msp_loop_remove(&f->stop);
    msp_loop_free(f->loop);
    msp_key_free(f->key);
    for (int i = 0; i < 2; i++) {
        (void)close(f->stop_pipe[i]);
        (void)close(f->log_pair[i]);
    }
    (void)close(f->host);
    free(f);
    return 0;
}

static void give_up_after_5_s(int fd)
{
    const struct timeval limit = {.tv_sec = 5};

    assert_ok(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
    assert_ok(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)));
}

int fixture_client(struct fixture *f)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(f->port),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    give_up_after_5_s(fd);
    assert_ok(connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
    return fd;
}

int fixture_accept(struct fixture *f)
{
    struct pollfd wait = {.fd = f->host, .events = POLLIN};
    int fd;

    assert_int_equal(poll(&wait, 1, 5000), 1);
    fd = accept4(f->host, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    give_up_after_5_s(fd);
    return fd;
}

bool fixture_host_is_quiet(struct fixture *f)
{
    struct pollfd wait = {.fd = f->host, .events = POLLIN};

    return poll(&wait, 1, 0) == 0;
}

void fixture_log(struct fixture *f, struct msp_child_log *ret)
{
    struct pollfd wait = {.fd = f->log_pair[0], .events = POLLIN};

    assert_int_equal(poll(&wait, 1, 5000), 1);
    assert_int_equal(read(f->log_pair[0], ret, sizeof(*ret)), sizeof(*ret));
    assert_int_equal(ret->head.type, MSP_CHILD_LOG);
}

void send_bytes(int fd, const void *ptr, size_t len)
{
    const char *p = ptr;

    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        assert_true(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

void read_exactly(int fd, void *ptr, size_t len)
{
    char *p = ptr;

    while (len) {
        ssize_t n = recv(fd, p, len, 0);

        assert_true(n > 0);
        p += n;
        len -= (size_t)n;
    }
}

const char *header_of(const char *message, const char *name)
{
    static char value[1024];
    size_t len = strlen(name);
    const char *line = strstr(message, "\r\n");

    for (; line && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *end = strstr(line + 2, "\r\n");

        if (strncasecmp(line + 2, name, len) != 0 || line[2 + len] != ':')
            continue;
        (void)snprintf(value, sizeof(value), "%.*s",
                       (int)(end - line - 2 - (ptrdiff_t)len - 2),
                       line + 2 + len + 2);
        return value;
    }
    return NULL;
}

const char *read_message(int fd, bool has_body)
{
    static char text[300000];
    size_t n = 0, body;
    const char *length;

    do {
        assert_true(n + 1 < sizeof(text));
        read_exactly(fd, text + n, 1);
        text[++n] = '\0';
    } while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0);
    if (!has_body)
        return text;
    length = header_of(text, "content-length");
    if (length) {
        body = strtoul(length, NULL, 10);
        assert_true(n + body < sizeof(text));
        read_exactly(fd, text + n, body);
        text[n + body] = '\0';
    } else if (header_of(text, "transfer-encoding")) {
        do {
            assert_true(n + 1 < sizeof(text));
            read_exactly(fd, text + n, 1);
            text[++n] = '\0';
        } while (memcmp(text + n - 5, "0\r\n\r\n", 5) != 0);
    }
    return text;
}

void expect_end(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}
