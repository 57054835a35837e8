/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * storm ADDR:PORT CONNECTS SECONDS ALLOWED DENIED
 *
 * Processes that fork, vfork, exec and exec from threads without end, between
 * two executables that are copies of this one, and connect all the time. What
 * a process is it knows from the name it was executed by: ALLOWED must be
 * connected, and some of the time be served; DENIED must get EPERM. Anything else is wrong: a right that was
 * missing (for ALLOWED) or one that was not his (for DENIED). The id of requests
 * is storm-allowed or storm-denied.
 *
 * Prints one JSON line: counts by executable and by how the process came to be.
 * Exit status: 0 none was wrong and all connects were made, 1, 5.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <msp/cleanup.h>

#include "harness/client/client.h"

#define WORKERS     6
#define SHARED_FD   7
#define STACK_BYTES 65536
#define ASK_EVERY   16 /* of the connects made, one asks as well */
#define BURST       4  /* connects of a process before it becomes another */

/* How a process came to what it is. */
enum way {
    WAY_START,
    WAY_EXEC,
    WAY_THREAD_EXEC,
    WAY_FORK,
    WAY_VFORK,
    WAY_THREAD,
    WAY_RACE, /* a thread of a process that is about to become another */
    WAY_COUNT,
};

static const char *const way_names[] = {
    [WAY_START] = "start",
    [WAY_EXEC] = "exec",
    [WAY_THREAD_EXEC] = "thread_exec",
    [WAY_FORK] = "fork",
    [WAY_VFORK] = "vfork",
    [WAY_THREAD] = "thread",
    [WAY_RACE] = "race",
};

static const char *const kind_names[] = {"denied", "allowed"};

_Static_assert(ARRAY_SIZE(way_names) == WAY_COUNT, "way_names");

/* Shared by all processes, through every exec. */
struct shared {
    struct msp_client_to to;
    char path[2][256]; /* [is allowed] */
    uint64_t end_ns;   /* CLOCK_MONOTONIC */
    int64_t wanted;
    _Atomic int64_t n;
    _Atomic uint64_t right[2][WAY_COUNT];
    _Atomic uint64_t wrong[2][WAY_COUNT];
    _Atomic int last_wrong;  /* errno value + 1, to say what it was */
    _Atomic uint64_t served; /* requests answered by 200 */
    _Atomic uint64_t failed; /* fork, thread, exec: not about verdicts */
};

static struct shared *shared;
static bool is_allowed; /* by what we were executed as */

static bool is_over(void)
{
    return atomic_load(&shared->n) >= shared->wanted ||
           msp_client_now_ns() > shared->end_ns;
}

static void fail(void)
{
    atomic_fetch_add(&shared->failed, 1);
}

/* The simulated host keeps it by what we are. @return errno value */
static int request(int fd)
{
    char text[1024];
    int len = snprintf(text, sizeof(text),
                       "GET /metadata/versions HTTP/1.1\r\n"
                       "Host: 169.254.169.254\r\nMetadata: true\r\n"
                       "x-client-id: storm-%s\r\n\r\n",
                       kind_names[is_allowed]);
    ssize_t n;

    if (send(fd, text, (size_t)len, MSG_NOSIGNAL) != len)
        return errno;
    n = recv(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return n < 0 ? errno : ECONNRESET;
    text[n] = '\0';
    if (msp_client_status(text) != 200)
        return EPROTO;
    atomic_fetch_add(&shared->served, 1);
    return 0;
}

/* A connect, closed by RST so that no port stays taken. */
static void connect_once(enum way way)
{
    struct linger linger = {.l_onoff = 1};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0) {
        fail();
        return;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    if (connect(fd, &shared->to.sa, shared->to.len) < 0)
        error = errno;
    else if (!is_allowed ||
             (way != WAY_RACE && atomic_load(&shared->n) % ASK_EVERY == 0))
        error = request(fd);
    (void)close(fd);
    if (way != WAY_RACE) /* those come on top */
        atomic_fetch_add(&shared->n, 1);
    if (error == (is_allowed ? 0 : EPERM)) {
        atomic_fetch_add(&shared->right[is_allowed][way], 1);
    } else {
        atomic_fetch_add(&shared->wrong[is_allowed][way], 1);
        atomic_store(&shared->last_wrong, error + 1);
    }
}

static void wait_for(pid_t pid)
{
    int status;

    if (pid < 0) {
        fail();
        return;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail();
}

static void by_fork(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        connect_once(WAY_FORK);
        _exit(0);
    }
    wait_for(pid);
}

static int vfork_child(void *data)
{
    (void)data;
    connect_once(WAY_VFORK);
    _exit(0);
}

static void by_vfork(void)
{
    static char stack[STACK_BYTES] __attribute__((aligned(16)));

    wait_for(clone(vfork_child, stack + sizeof(stack),
                   CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));
}

static void *thread_main(void *data)
{
    (void)data;
    connect_once(WAY_THREAD);
    return NULL;
}

static void by_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, thread_main, NULL) != 0) {
        fail();
        return;
    }
    connect_once(WAY_THREAD);
    (void)pthread_join(thread, NULL);
}

/* Until the exec ends it. */
static void *race_main(void *data)
{
    (void)data;
    for (;;)
        connect_once(WAY_RACE);
    return NULL;
}

static void start_race(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, race_main, NULL) != 0)
        fail();
    else
        connect_once(WAY_THREAD); /* meanwhile it is under way */
}

/* Becomes one of the two; returns only if it could not. */
static void become(bool allowed, enum way way, unsigned int seed)
{
    char way_text[16], seed_text[16], kind[16];
    char *argv[] = {shared->path[allowed], way_text, seed_text, kind, NULL};

    (void)snprintf(way_text, sizeof(way_text), "%d", way);
    (void)snprintf(seed_text, sizeof(seed_text), "%u", seed);
    (void)snprintf(kind, sizeof(kind), "%s", kind_names[allowed]);
    (void)execv(argv[0], argv);
    fail();
}

struct next {
    bool is_allowed;
    unsigned int seed;
};

static void *exec_thread(void *data)
{
    const struct next *next = data;

    become(next->is_allowed, WAY_THREAD_EXEC, next->seed);
    return NULL;
}

static void become_by_thread(const struct next *next)
{
    struct next copy = *next;
    pthread_t thread;

    if (pthread_create(&thread, NULL, exec_thread, &copy) != 0)
        fail();
    else
        (void)pthread_join(thread, NULL);
}

/* What one executed program does, until it becomes the next. */
static int run(enum way way, unsigned int seed)
{
    while (!is_over()) {
        struct next next;

        for (int i = 0; i < BURST; i++) {
            switch (rand_r(&seed) % 4) {
            case 0:
                by_fork();
                break;
            case 1:
                by_vfork();
                break;
            case 2:
                by_thread();
                break;
            default:
                connect_once(way);
                break;
            }
        }
        if (rand_r(&seed) % 2)
            start_race();
        next.is_allowed = rand_r(&seed) % 2;
        next.seed = (unsigned int)rand_r(&seed);
        if (rand_r(&seed) % 2)
            become(next.is_allowed, WAY_EXEC, next.seed);
        else
            become_by_thread(&next);
    }
    return 0;
}

static int map_shared(int fd)
{
    void *p =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        return -errno;
    shared = p;
    return 0;
}

static int set_up(char **argv)
{
    int fd = memfd_create("storm", 0);
    int r;

    if (fd < 0 || ftruncate(fd, sizeof(*shared)) < 0 || dup2(fd, SHARED_FD) < 0)
        return -errno;
    if (fd != SHARED_FD)
        (void)close(fd);
    r = map_shared(SHARED_FD);
    if (r < 0)
        return r;
    shared->wanted = strtoll(argv[2], NULL, 10);
    shared->end_ns =
        msp_client_now_ns() + strtoull(argv[3], NULL, 10) * 1000000000u;
    (void)snprintf(shared->path[1], sizeof(shared->path[1]), "%s", argv[4]);
    (void)snprintf(shared->path[0], sizeof(shared->path[0]), "%s", argv[5]);
    return msp_client_parse(argv[1], &shared->to);
}

static uint64_t print_counts(const char *name, _Atomic uint64_t *count)
{
    uint64_t sum = 0;

    (void)printf(",\"%s\":{", name);
    for (int i = 0; i < WAY_COUNT; i++) {
        uint64_t n = atomic_load(&count[i]);

        (void)printf("\"%s\":%" PRIu64 ",", way_names[i], n);
        sum += n;
    }
    (void)printf("\"sum\":%" PRIu64 "}", sum);
    return sum;
}

static int report(void)
{
    int error = atomic_load(&shared->last_wrong);
    uint64_t wrong, failed = atomic_load(&shared->failed);

    (void)printf("{\"connects\":%" PRId64, atomic_load(&shared->n));
    (void)print_counts("allowed", shared->right[1]);
    (void)print_counts("denied", shared->right[0]);
    wrong = print_counts("missing", shared->wrong[1]);
    wrong += print_counts("wrong", shared->wrong[0]);
    (void)printf(",\"served\":%" PRIu64 ",\"last_wrong\":\"%s\""
                 ",\"failed\":%" PRIu64 "}\n",
                 atomic_load(&shared->served),
                 error ? msp_client_errno(error - 1) : "none", failed);
    return wrong || failed || atomic_load(&shared->n) < shared->wanted;
}

static int start(char **argv)
{
    pid_t worker[WORKERS];

    if (set_up(argv) < 0)
        return 5;
    for (unsigned int i = 0; i < WORKERS; i++) {
        worker[i] = fork();
        if (worker[i] == 0) {
            become(i % 2, WAY_EXEC, i + 1);
            _exit(5);
        }
    }
    for (unsigned int i = 0; i < WORKERS; i++)
        wait_for(worker[i]);
    return report();
}

int main(int argc, char **argv)
{
    if (argc == 6)
        return start(argv);
    if (argc != 4 || map_shared(SHARED_FD) < 0)
        return 2;
    is_allowed = msp_streq(argv[3], kind_names[1]);
    return run((enum way)strtoul(argv[1], NULL, 10),
               (unsigned int)strtoul(argv[2], NULL, 10));
}
