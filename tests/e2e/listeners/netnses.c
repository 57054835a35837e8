/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * netnses [OPTION...] ADDR:PORT COUNT
 *
 * COUNT network namespaces, each with one process that connects as soon as its
 * loopback is up, asks for /metadata/versions, and ends.
 *   -c DIR    a cgroup for each, DIR/c<i>; removed at the end
 *   -u UID    who connects (default 0); also the gid
 *   -p N      so many at work at once (default all)
 *   -n        connects do not block
 *   -d        loopback stays down
 *   -b NAME   bound to this device
 *   -s        somebody listens on the first port of the range, as root
 *   -S        on all of them
 *   -B        somebody has bound the first one and does not listen
 *   -x        does not connect at all: result "made"
 *   -m        moves on to another namespace at once, with a connect under
 *             way (-n)
 *   -r N      a SYN is sent again so often (TCP_SYNCNT)
 *   -t MS     a connect may take so long (default 10000)
 *   -g FILE   connects only once FILE exists
 *   -w FILE   ends only once FILE exists
 *
 * Prints {"results":{RESULT:N,...},"slowest_ms":M,"median_ms":M} once all have
 * their result: a status, "EOF", "timeout" or an errno name. Times are of the
 * connects that were made. Exit status: 0; 5 something else failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <msp/cleanup.h>
#include <msp/limits.h>

#include "harness/client/client.h"

#define KINDS_MAX   32
#define RESULT_EOF  10000
#define RESULT_LATE 10001
#define RESULT_MADE 10002

static const char request[] = "GET /metadata/versions HTTP/1.1\r\n"
                              "Host: 169.254.169.254\r\nMetadata: true\r\n"
                              "Connection: close\r\n\r\n";

struct options {
    struct msp_client_to to;
    unsigned long count, parallel;
    const char *cgroup, *device, *go, *stay;
    unsigned long uid;
    int timeout_ms, retries;
    bool is_nonblock, is_down, is_squat, is_squat_all, is_bound, is_idle,
        is_mover;
};

struct answer {
    uint32_t result; /* errno value, status, or RESULT_* */
    uint32_t is_connected;
    uint64_t ns;
};

/* --- in a namespace ----------------------------------------------------- */

static int enter_cgroup(const struct options *o, unsigned long i)
{
    char path[512];
    ssize_t n;
    int fd;

    if (!o->cgroup)
        return 0;
    (void)snprintf(path, sizeof(path), "%s/c%lu", o->cgroup, i);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return -errno;
    (void)snprintf(path, sizeof(path), "%s/c%lu/cgroup.procs", o->cgroup, i);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    n = write(fd, "0", 1);
    (void)close(fd);
    return n == 1 ? 0 : -EIO;
}

static int raise_loopback(void)
{
    msp_autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};

    return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &up) < 0 ? -errno : 0;
}

/* Stays until the process ends. */
static int squat(const struct options *o)
{
    unsigned int last = o->is_squat_all ? MSP_PORT_LAST : MSP_PORT_FIRST;

    if (!o->is_squat && !o->is_squat_all && !o->is_bound)
        return 0;
    for (unsigned int port = MSP_PORT_FIRST; port <= last; port++) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
            (!o->is_bound && listen(fd, 8) < 0))
            return -errno;
    }
    return 0;
}

static void wait_for(const char *path)
{
    while (path && access(path, F_OK) < 0)
        (void)poll(NULL, 0, 10);
}

/* @return 0; an errno value */
static int do_connect(const struct options *o, int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    socklen_t len = sizeof(int);
    int error = 0;

    if (connect(fd, &o->to.sa, o->to.len) == 0)
        return 0;
    if (errno != EINPROGRESS)
        return errno == EAGAIN ? ETIMEDOUT : errno;
    /* nobody needs a privilege for it who has a user namespace of his own */
    if (o->is_mover && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return errno;
    if (poll(&ready, 1, o->timeout_ms) != 1)
        return RESULT_LATE;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return errno;
    return error;
}

static int retries_of(int fd)
{
    socklen_t len = sizeof(int);
    int n = -1;

    (void)getsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &n, &len);
    return n;
}

static uint32_t ask(int fd)
{
    char head[256] = "";
    size_t n = 0;

    if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
        return (uint32_t)errno;
    while (n + 1 < sizeof(head) && !msp_client_status(head)) {
        ssize_t more = read(fd, head + n, sizeof(head) - 1 - n);

        if (more < 0)
            return errno == EAGAIN ? RESULT_LATE : (uint32_t)errno;
        if (more == 0)
            return RESULT_EOF;
        n += (size_t)more;
    }
    return (uint32_t)msp_client_status(head);
}

static struct answer try_it(const struct options *o)
{
    struct timeval wait = {.tv_sec = o->timeout_ms / 1000,
                           .tv_usec = o->timeout_ms % 1000 * 1000};
    int kind = SOCK_STREAM | SOCK_CLOEXEC;
    msp_autoclose int fd = socket(
        o->to.sa.sa_family, o->is_nonblock ? kind | SOCK_NONBLOCK : kind, 0);
    struct answer answer = {0};
    uint64_t begin;
    int retries;

    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
        (o->retries && setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, &o->retries,
                                  sizeof(o->retries)) < 0) ||
        (o->device && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, o->device,
                                 (socklen_t)strlen(o->device)) < 0)) {
        answer.result = (uint32_t)errno;
        return answer;
    }
    retries = retries_of(fd);
    begin = msp_client_now_ns();
    answer.result = (uint32_t)do_connect(o, fd);
    answer.ns = msp_client_now_ns() - begin;
    if (answer.result != RESULT_LATE && retries_of(fd) != retries)
        answer.result = EBADMSG; /* somebody has left his mark on it */
    if (answer.result)
        return answer;
    answer.is_connected = 1;
    (void)fcntl(fd, F_SETFL, 0);
    answer.result = ask(fd);
    return answer;
}

/* Two gates; the process that made them opens them by closing their ends. */
struct gates {
    int go[2];
    int end[2];
};

/* Thousands wait here: none of them wakes up before. */
static void wait_at(const int gate[2])
{
    char byte;

    (void)close(gate[1]);
    (void)!read(gate[0], &byte, 1);
}

static void __attribute__((noreturn))
live(const struct options *o, const struct gates *gates, unsigned long i,
     int out)
{
    struct answer answer = {.result = RESULT_MADE};
    gid_t id = (gid_t)o->uid;

    if (enter_cgroup(o, i) < 0 || unshare(CLONE_NEWNET) < 0 ||
        (!o->is_down && raise_loopback() < 0) || squat(o) < 0)
        _exit(5);
    if (id && (setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0))
        _exit(5);
    wait_at(gates->go);
    if (!o->is_idle)
        answer = try_it(o);
    if (write(out, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
        _exit(5);
    wait_at(gates->end);
    _exit(0);
}

/* --- outside ------------------------------------------------------------ */

static const char *word_of(uint32_t result, char text[16])
{
    if (result == RESULT_EOF)
        return "EOF";
    if (result == RESULT_LATE)
        return "timeout";
    if (result == RESULT_MADE)
        return "made";
    if (result < 100 || result > 599 || strerrorname_np((int)result))
        return msp_client_errno((int)result);
    (void)snprintf(text, 16, "%u", result);
    return text;
}

static int compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;

    return *left < *right ? -1 : *left > *right;
}

static void print(const struct answer *answer, unsigned long n)
{
    struct {
        uint32_t result;
        unsigned long n;
    } kind[KINDS_MAX] = {0};

    msp_autofree uint64_t *ns = calloc(n + 1, sizeof(*ns));
    size_t n_kinds = 0, n_ns = 0;

    if (!ns)
        exit(5);
    for (unsigned long i = 0; i < n; i++) {
        size_t k = 0;

        while (k < n_kinds && kind[k].result != answer[i].result)
            k++;
        if (k == KINDS_MAX)
            continue;
        if (k == n_kinds)
            kind[n_kinds++].result = answer[i].result;
        kind[k].n++;
        if (answer[i].is_connected)
            ns[n_ns++] = answer[i].ns;
    }
    qsort(ns, n_ns, sizeof(*ns), compare);
    (void)printf("{\"results\":{");
    for (size_t k = 0; k < n_kinds; k++) {
        char text[16];

        (void)printf("%s\"%s\":%lu", k ? "," : "",
                     word_of(kind[k].result, text), kind[k].n);
    }
    (void)printf("},\"slowest_ms\":%.1f,\"median_ms\":%.1f}\n",
                 n_ns ? (double)ns[n_ns - 1] / 1e6 : 0.0,
                 n_ns ? (double)ns[n_ns / 2] / 1e6 : 0.0);
    (void)fflush(stdout);
}

static unsigned long number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (end == text || *end)
        exit(2);
    return value;
}

static void parse(int argc, char **argv, struct options *o)
{
    int c;

    *o = (struct options){.timeout_ms = 10000};
    while ((c = getopt(argc, argv, "c:u:p:ndb:sSBxmr:t:g:w:")) != -1) {
        switch (c) {
        case 'c':
            o->cgroup = optarg;
            break;
        case 'u':
            o->uid = number(optarg);
            break;
        case 'p':
            o->parallel = number(optarg);
            break;
        case 'b':
            o->device = optarg;
            break;
        case 'r':
            o->retries = (int)number(optarg);
            break;
        case 't':
            o->timeout_ms = (int)number(optarg);
            break;
        case 'g':
            o->go = optarg;
            break;
        case 'w':
            o->stay = optarg;
            break;
        case 'n':
            o->is_nonblock = true;
            break;
        case 'd':
            o->is_down = true;
            break;
        case 's':
            o->is_squat = true;
            break;
        case 'S':
            o->is_squat_all = true;
            break;
        case 'B':
            o->is_bound = true;
            break;
        case 'x':
            o->is_idle = true;
            break;
        case 'm':
            o->is_mover = true;
            break;
        default:
            exit(2);
        }
    }
    if (argc - optind != 2 || msp_client_parse(argv[optind], &o->to) < 0)
        exit(2);
    o->count = number(argv[optind + 1]);
    if (!o->parallel)
        o->parallel = o->count;
}

/* Once; when the file is there, if one is to be waited for. */
static void open_gate(int gate[2], const char *path)
{
    if (gate[1] < 0)
        return;
    wait_for(path);
    (void)close(gate[1]);
    gate[1] = -1;
}

/* @return false: one of them did not get as far as an answer */
static bool run(const struct options *o, struct gates *gates,
                struct answer *answer)
{
    unsigned long n_made = 0, n_alive = 0, n = 0;
    bool is_good = true;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    while (n < o->count && is_good) {
        /* those that stay are at work until they have answered */
        while (n_made < o->count &&
               (o->stay ? n_made - n : n_alive) < o->parallel) {
            pid_t pid = fork();

            if (pid == 0)
                live(o, gates, n_made, ends[1]);
            if (pid < 0)
                return false;
            n_made++;
            n_alive++;
        }
        open_gate(gates->go, o->go);
        if (read(ends[0], &answer[n], sizeof(*answer)) !=
            (ssize_t)sizeof(*answer))
            return false;
        n++;
        while (!o->stay && n_alive >= o->parallel) {
            int status;

            if (wait(&status) < 0)
                break;
            n_alive--;
            is_good = is_good && status == 0;
        }
    }
    return is_good;
}

static bool finish(const struct options *o, struct gates *gates)
{
    bool is_good = true;
    int status;

    open_gate(gates->end, o->stay);
    while (wait(&status) > 0)
        is_good = is_good && status == 0;
    for (unsigned long i = 0; o->cgroup && i < o->count; i++) {
        char path[512];

        (void)snprintf(path, sizeof(path), "%s/c%lu", o->cgroup, i);
        (void)rmdir(path);
    }
    return is_good;
}

int main(int argc, char **argv)
{
    msp_autofree struct answer *answer = NULL;
    struct gates gates;
    struct options o;
    bool is_good;

    parse(argc, argv, &o);
    answer = calloc(o.count + 1, sizeof(*answer));
    if (!answer)
        return 5;
    if (pipe2(gates.go, O_CLOEXEC) < 0 || pipe2(gates.end, O_CLOEXEC) < 0)
        return 5;
    if (!o.stay)
        open_gate(gates.end, NULL);
    is_good = run(&o, &gates, answer);
    if (is_good)
        print(answer, o.count);
    return finish(&o, &gates) && is_good ? 0 : 5;
}
