/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fixture.h"

#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/io.h"
#include "proxy/conn.h"
#include "proxy/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define SANDBOXED false /* its runtime needs more than the worker may have */
#else
#define SANDBOXED true
#endif

enum order {
    ORDER_HOLD = 'h',
    ORDER_QUIT = 'q',
};

static sem_t forever; /* never posted */

/* The worker's time; changed only while it is held. */
static uint64_t clock_ms;
static uint64_t n_rounds;

static uint64_t read_clock(void)
{
    n_rounds++;
    return clock_ms;
}

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
    if (f->n_denials) {
        f->n_denials--;
        f->page.verdict = MSP_VERDICT_DENY;
        f->page.reason = MSP_REASON_NOT_ASSIGNED;
    }
    f->page.mode = f->mode;
    f->page.endpoint_flags = f->endpoint_flags;
    f->page.generation = f->meta.slot[0].generation;
    strcpy(f->page.identity.text, "somebody");
    strcpy(f->page.privilege.text, "something");
    strcpy(f->page.endpoint, "imds");
    memcpy(f->page.exe_name.text, f->exe_name, sizeof(f->exe_name));
    return f->authorize_result;
}

static void op_log(void *data, const struct msp_child_log *record)
{
    struct fixture *f = data;

    if (send(f->log_pair[1], record, sizeof(*record), 0) != sizeof(*record))
        abort();
}

static void op_lost(void *data, uint64_t netns_cookie, uint16_t port)
{
    struct fixture *f = data;

    f->n_lost += port == f->port;
    f->lost_cookie = netns_cookie;
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

/* Waits on in spite of signals. */
static void wait_for(sem_t *sem)
{
    while (sem_wait(sem) < 0)
        if (errno != EINTR)
            abort();
}

static void on_order(void *data, uint32_t events)
{
    struct fixture *f = data;
    char order;

    (void)events;
    if (read(f->order_pipe[0], &order, 1) != 1)
        abort();
    if (order == ORDER_QUIT) {
        msp_loop_quit(f->loop, 99);
        return;
    }
    (void)sem_post(&f->is_held);
    wait_for(&f->is_released);
}

static void *run(void *data)
{
    struct fixture *f = data;

    if (SANDBOXED && msp_sandbox_enter() < 0)
        abort();
    f->run_result = msp_loop_run(f->loop);
    f->has_ended = true;
    (void)sem_post(&f->is_held);
    (void)sem_post(&f->is_done);
    /* a thread cannot end inside the sandbox: it blocks signals first */
    while (SANDBOXED)
        (void)sem_wait(&forever);
    return NULL;
}

/* Descriptors for both ends of as many connections as there may be. */
static int raise_limit(void)
{
    const rlim_t wanted = 2 * (MSP_CONNS_MAX + MSP_REJECTS_MAX) + 256;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return -1;
    if (files.rlim_max < wanted)
        files.rlim_max = wanted; /* root may */
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files);
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct msp_worker_setup setup;

    if (!f || raise_limit() < 0 || pipe(f->order_pipe) < 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, f->log_pair) < 0 ||
        sem_init(&f->is_done, 0, 0) < 0 || sem_init(&f->is_held, 0, 0) < 0 ||
        sem_init(&f->is_released, 0, 0) < 0 || msp_loop_new(&f->loop) ||
        msp_key_new(&f->key))
        return -1;
    clock_ms = 1000000;
    msp_loop_set_clock(f->loop, read_clock);
    f->host = listen_on_loopback(&f->host_port, 0);
    f->listener = listen_on_loopback(&f->port, SOCK_NONBLOCK);
    f->meta.agent_epoch = 1;
    f->meta.slot[0].generation = 7;
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
        .ops = {op_mark, op_own, op_authorize, op_log, op_lost, f},
        .page = &f->page,
        .meta = &f->meta,
        .agent_epoch = 1,
        .files_max = 2 * MSP_CONNS_MAX + MSP_REJECTS_MAX,
        .key = f->key,
    };
    if (msp_worker_new(&setup, &f->worker) ||
        msp_worker_listen(f->worker, f->listener, 1, f->port) ||
        msp_loop_add(f->loop, &f->orders, f->order_pipe[0], EPOLLIN, on_order,
                     f) ||
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

static void give_order(struct fixture *f, enum order order)
{
    const char byte = (char)order;

    assert_int_equal(write(f->order_pipe[1], &byte, 1), 1);
}

static void wait_5_s(sem_t *sem)
{
    struct timespec limit;

    (void)clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 5;
    assert_ok(sem_timedwait(sem, &limit));
}

void fixture_hold(struct fixture *f)
{
    if (f->has_ended)
        return;
    give_order(f, ORDER_HOLD);
    wait_5_s(&f->is_held);
    f->is_holding = !f->has_ended;
}

void fixture_release(struct fixture *f)
{
    if (f->is_holding)
        (void)sem_post(&f->is_released);
    f->is_holding = false;
}

bool fixture_holds(struct fixture *f, fixture_claim claim, uint64_t arg)
{
    bool does;

    fixture_hold(f);
    does = claim(f, arg);
    fixture_release(f);
    return does;
}

void fixture_until(struct fixture *f, fixture_claim claim, uint64_t arg)
{
    uint64_t begin = msp_io_now_ms();

    while (!fixture_holds(f, claim, arg)) {
        assert_true(msp_io_now_ms() - begin < 5000);
        (void)sched_yield();
    }
}

bool has_conns(const struct fixture *f, uint64_t n)
{
    return f->worker->n_conns == n;
}

bool is_in_state(const struct fixture *f, uint64_t state)
{
    for (const struct msp_conn *c = f->worker->conns; c; c = c->next)
        if (c->state == state)
            return true;
    return false;
}

void fixture_skip(uint64_t ms)
{
    clock_ms += ms;
}

void fixture_advance(struct fixture *f, uint64_t ms)
{
    fixture_hold(f);
    fixture_skip(ms);
    fixture_release(f);
    /* held again: a round has seen the new time and run its timers */
    fixture_hold(f);
    fixture_release(f);
}

uint64_t fixture_rounds(void)
{
    return n_rounds;
}

void fixture_stop(struct fixture *f)
{
    if (!f->thread)
        return;
    fixture_release(f); /* a test that failed meanwhile */
    give_order(f, ORDER_QUIT);
    fixture_wait(f);
}

void fixture_wait(struct fixture *f)
{
    wait_5_s(&f->is_done);
    if (!SANDBOXED)
        assert_ok(pthread_join(f->thread, NULL));
    f->thread = 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    fixture_stop(f);
    msp_worker_free(f->worker);
    msp_loop_remove(&f->orders);
    msp_loop_free(f->loop);
    msp_key_free(f->key);
    for (int i = 0; i < 2; i++) {
        (void)close(f->order_pipe[i]);
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

void expect_silence(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
}

void expect_end(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}
