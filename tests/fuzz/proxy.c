/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A whole connection of the proxy over socket pairs: what a client sends, in
 * pieces, and what a host answers, whatever it is. The host is the simulated
 * one's reader and verifier, which share no source with ours.
 *
 * - The host never sees a request that it cannot frame; each is one the kernel
 *   was asked about, is validly signed and said in the log.
 * - What the client gets is whole answers in our framing, no more of them than
 *   it asked for, and nothing of one in another; only the last may be cut
 *   short, and then the connection ends.
 *
 * Input: options, two bytes of length, the client's stream, the host's answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "fuzz.h"
#include "harness/hostsim/verify.h"
#include "http_words.h"
#include "naive_http.h"
#include "proxy/conn.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"
#include "rounds.h"
#include "tokens.h"

#define HOSTS_MAX    64
#define STREAM_BYTES (1u << 20)
#define LOGS_MAX     4096

/* The linker's names for a wrapped function. */
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len);

static struct msp_loop *loop;
static struct msp_worker *worker;
static struct msp_key *key;
static struct msp_request page;
static struct msp_meta meta = {.agent_epoch = 1};
static struct sim_key sim_key = {.guid = "guid-1"};

static struct {
    int fd[HOSTS_MAX]; /* our ends of the proxy's connections; -1 = closed */
    size_t n;
    char bytes[HOSTS_MAX][65536]; /* not yet a request */
    size_t len[HOSTS_MAX];
    struct fuzz_input answers;
    size_t n_requests;
} host;

static struct {
    size_t n_asked;
    size_t n_logged;
    bool is_head[LOGS_MAX]; /* the method, one for each final answer */
} kernel;

/* --- the proxy's surroundings -------------------------------------------- */

/* Not out of this process: the other end is ours. */
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    int pair[2];

    (void)addr;
    (void)len;
    if (host.n == HOSTS_MAX) {
        errno = ECONNREFUSED;
        return -1;
    }
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                          0, pair) == 0);
    FUZZ_CHECK(dup3(pair[0], fd, O_CLOEXEC) == fd);
    (void)close(pair[0]);
    host.len[host.n] = 0;
    host.fd[host.n++] = pair[1];
    return 0;
}

static int op_mark(void *data, int fd, struct msp_mark *ret)
{
    (void)data;
    (void)fd;
    (void)ret;
    return -ENOENT;
}

static int op_own(void *data, int fd)
{
    (void)data;
    (void)fd;
    return 0;
}

static int op_authorize(void *data)
{
    (void)data;
    page.verdict =
        page.refusal == MSP_REFUSAL_NONE ? MSP_VERDICT_ALLOW : MSP_VERDICT_DENY;
    page.reason = page.refusal == MSP_REFUSAL_SPELLING ? MSP_REASON_SPELLING
                                                       : MSP_REASON_PRIVILEGE;
    page.mode = MSP_MODE_ENFORCE;
    page.endpoint_flags = MSP_EP_SIGN;
    page.generation = meta.slot[0].generation;
    kernel.n_asked += page.verdict == MSP_VERDICT_ALLOW;
    return 0;
}

static void op_log(void *data, const struct msp_child_log *record)
{
    (void)data;
    FUZZ_CHECK(kernel.n_logged < LOGS_MAX);
    kernel.is_head[kernel.n_logged++] = strcmp(record->method, "HEAD") == 0;
}

static void op_lost(void *data, uint64_t netns_cookie, uint16_t port)
{
    (void)data;
    (void)netns_cookie;
    (void)port;
}

/* --- the host ------------------------------------------------------------ */

static void send_all(int fd, const void *bytes, size_t len)
{
    /* a full socket, or a proxy that has gone, loses the rest */
    (void)!send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* One of the usual answers, or so many bytes of the input. */
static void answer(size_t i)
{
    static const char *const usual[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
         "2\r\nok\r\n0\r\nX: y\r\n\r\n"),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    };
    unsigned int how = fuzz_byte(&host.answers);

    if (how < ARRAY_SIZE(usual)) {
        send_all(host.fd[i], usual[how], strlen(usual[how]));
    } else {
        size_t n = (size_t)fuzz_byte(&host.answers) * 4;

        if (n > host.answers.left)
            n = host.answers.left;
        send_all(host.fd[i], host.answers.at, n);
        host.answers.at += n;
        host.answers.left -= n;
    }
    if (how & 0x40) {
        (void)close(host.fd[i]);
        host.fd[i] = -1;
    }
}

/* What the host makes of one request. */
static void judge(const struct sim_request *req)
{
    struct sim_verdict verdict = {0};

    host.n_requests++;
    FUZZ_CHECK(msp_sim_verify(req, &sim_key, time(NULL), &verdict) == 0);
    if (verdict.outcome != SIM_SIGNED_VALID)
        (void)fprintf(stderr, "%.*s: %s\n", (int)req->target.len,
                      req->target.ptr, verdict.why);
    FUZZ_CHECK(verdict.outcome == SIM_SIGNED_VALID);
    FUZZ_CHECK(verdict.is_root == 0);
}

/* Whole requests of one connection. @return whether there was one */
static bool take_requests(size_t i)
{
    struct sim_request *req = calloc(1, sizeof(*req));
    const char *why = "";
    size_t used = 0;
    int r;

    FUZZ_CHECK(req);
    r = host.len[i] ? msp_sim_read(host.bytes[i], host.len[i], req, &used, &why)
                    : 1;
    if (r < 0)
        (void)fprintf(stderr, "at the host: %s\n%.*s\n", why, (int)host.len[i],
                      host.bytes[i]);
    FUZZ_CHECK(r >= 0);
    if (r == 0) {
        judge(req);
        memmove(host.bytes[i], host.bytes[i] + used, host.len[i] - used);
        host.len[i] -= used;
        /* one at a time: nothing is sent before the answer */
        FUZZ_CHECK(host.len[i] == 0);
        answer(i);
    }
    msp_sim_request_done(req);
    free(req);
    return r == 0;
}

static bool host_acts(void)
{
    bool acted = false;

    for (size_t i = 0; i < host.n; i++) {
        ssize_t n;

        if (host.fd[i] < 0)
            continue;
        n = recv(host.fd[i], host.bytes[i] + host.len[i],
                 sizeof(host.bytes[i]) - host.len[i], MSG_DONTWAIT);
        if (n > 0)
            host.len[i] += (size_t)n;
        acted |= take_requests(i);
    }
    return acted;
}

/* --- the client ---------------------------------------------------------- */

static char got[STREAM_BYTES];
static size_t got_len;
static bool has_ended;

static void client_reads(int fd)
{
    ssize_t n;

    while (got_len < sizeof(got) && !has_ended) {
        n = recv(fd, got + got_len, sizeof(got) - got_len, MSG_DONTWAIT);
        if (n > 0)
            got_len += (size_t)n;
        else if (n == 0 || errno != EAGAIN)
            has_ended = true;
        else
            return;
    }
}

static size_t head_len(const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);

    return end ? (size_t)(end - bytes) + 4 : 0;
}

/* @return bytes of the answer at got + at; 0 cut short */
static size_t take_answer(size_t at, bool is_head_asked, bool *ret_is_final)
{
    static struct naive_head head;
    static uint8_t body[STREAM_BYTES];
    size_t len = head_len(got + at, got_len - at), left, n, end = 0;

    if (!len)
        return 0;
    FUZZ_CHECK(naive_head(got + at, len, false, &head));
    FUZZ_CHECK(head.is_11);
    *ret_is_final = head.status >= 200;
    FUZZ_CHECK(*ret_is_final || head.status == 100);
    left = got_len - at - len;
    if (!*ret_is_final || is_head_asked || head.status == 204 ||
        head.status == 304)
        return len;
    if (head.is_chunked) {
        enum naive_chunked r =
            naive_chunked((uint8_t *)got + at + len, left, body, &n, &end);

        FUZZ_CHECK(r != NAIVE_BAD);
        return r == NAIVE_END ? len + end : 0;
    }
    if (head.has_length)
        return head.length <= left ? len + head.length : 0;
    FUZZ_CHECK(has_ended); /* until the end */
    return len + left;
}

static void check_answers(void)
{
    size_t at = 0, n_final = 0, n;
    bool is_final = false;

    while (at < got_len) {
        FUZZ_CHECK(n_final < kernel.n_logged);
        n = take_answer(at, kernel.is_head[n_final], &is_final);
        if (n == 0)
            return; /* the last one, cut short */
        n_final += is_final;
        at += n;
    }
}

/* --- both ---------------------------------------------------------------- */

static void go_on(int fd)
{
    do {
        rounds_run(loop);
        client_reads(fd);
    } while (host_acts());
    rounds_run(loop);
    client_reads(fd);
}

static void exchange(const uint8_t *bytes, size_t len, size_t step)
{
    const struct msp_mark mark = {
        .addr = {[10] = 0xff, [11] = 0xff, [12] = 169, 254, 169, 254},
        .port = 80,
        .cgroup_id = 42,
        .endpoint = MSP_EP_IMDS,
    };
    const struct sockaddr_in peer = {.sin_family = AF_INET};
    int pair[2];

    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                          0, pair) == 0);
    if (msp_conn_open(worker, pair[0], &mark, &peer, false) < 0)
        abort();
    for (size_t at = 0; at < len; at += step) {
        send_all(pair[1], bytes + at, len - at < step ? len - at : step);
        go_on(pair[1]);
    }
    (void)shutdown(pair[1], SHUT_WR);
    go_on(pair[1]);
    while (worker->conns)
        msp_conn_close(worker->conns);
    client_reads(pair[1]);
    (void)close(pair[1]);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct msp_child_key packet = {.guid = "guid-1"};
    struct msp_worker_setup setup = {
        .ops = {op_mark, op_own, op_authorize, op_log, op_lost, NULL},
        .page = &page,
        .meta = &meta,
        .agent_epoch = 1,
    };

    (void)argc;
    (void)argv;
    msp_log_set_level(MSP_LOG_ERR);
    meta.slot[0].generation = 7;
    memset(packet.key, 'K', sizeof(packet.key));
    memset(sim_key.key, 'K', sizeof(sim_key.key));
#ifdef MSP_PLANT
    sim_key.key[31] = 'L'; /* the proxy signs with another key */
#endif
    loop = rounds_new();
    FUZZ_CHECK(msp_key_new(&key) == 0 && msp_key_set(key, &packet) == 0);
    setup.loop = loop;
    setup.key = key;
    FUZZ_CHECK(msp_worker_new(&setup, &worker) == 0);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max,
                               unsigned int seed)
{
    return tokens_mutate(TOKEN_LINE, http_lines, ARRAY_SIZE(http_lines), data,
                         len, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t n, step;

    if (len < 4)
        return 0;
    step = data[0] ? data[0] : len;
    n = (size_t)(data[1] | data[2] << 8) % (len - 2);
    data += 3;
    len -= 3;
    host.n = 0;
    host.n_requests = 0;
    host.answers = (struct fuzz_input){data + n, len - n};
    memset(&kernel, 0, sizeof(kernel));
    got_len = 0;
    has_ended = false;
    exchange(data, n, step);
    FUZZ_CHECK(has_ended || got_len == sizeof(got));
    check_answers();
    /* an idempotent one may go out twice */
    FUZZ_CHECK(host.n_requests <= 2 * kernel.n_asked);
    msp_upstream_sweep(worker, true);
    for (size_t i = 0; i < host.n; i++)
        if (host.fd[i] >= 0)
            (void)close(host.fd[i]);
    return 0;
}
