/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What connect4 costs, by the kernel's own count of each program's time. An
 * empty program runs at each of the same connects; its time, which is that of
 * the counting, is taken off.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>

#include "bench/connect/bench.h"
#include "bench/report.h"
#include "hooks.skel.h"

#define NOWHERE 0xcb007101u /* 203.0.113.1, for documentation: no route */

enum {
    ROUNDS = 9,
    CONNECTS = 4000, /* a round */
    ALLOWED = 400,   /* each wakes the proxy */
    FEW = 10,
    MANY = 10000,
    DENIED_UID = 3999,
    ALLOWED_UID = 3001
};

struct times {
    double ns, runs;
};

static struct times times_of(int prog_fd)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info);

    if (bpf_obj_get_info_by_fd(prog_fd, &info, &len) < 0)
        bench_die("reading a program's times");
    return (struct times){(double)info.run_time_ns, (double)info.run_cnt};
}

static double per_run(struct times from, struct times to)
{
    if (to.runs <= from.runs)
        bench_die("a program did not run");
    return (to.ns - from.ns) / (to.runs - from.runs);
}

/* A measured program and the empty one beside it. */
struct pair {
    int prog, empty;
};

/* @return ns a run of the program, less that of the empty one */
static double measure_once(const struct pair *pair, const struct client *client)
{
    struct times prog = times_of(pair->prog), empty = times_of(pair->empty);

    client_run(client);
    return per_run(prog, times_of(pair->prog)) -
           per_run(empty, times_of(pair->empty));
}

static double measure(const struct pair *pair, const struct client *client)
{
    double ns[ROUNDS];

    for (int i = 0; i < ROUNDS; i++)
        ns[i] = measure_once(pair, client);
    return bench_median(ns, ROUNDS);
}

static struct sockaddr_in address(uint32_t host, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(host)};
}

static struct bpf_link *attach(const struct bpf_program *prog,
                               const char *cgroup)
{
    msp_autoclose int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct bpf_link *link =
        fd < 0 ? NULL : bpf_program__attach_cgroup(prog, fd);

    if (!link)
        bench_die("attaching to a cgroup");
    return link;
}

/* --- many containers --------------------------------------------------------- */

static void container_path(const struct bench *bench, int i,
                           char path[static PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s/c%d", bench->work, i);
}

static void make_containers(const struct bench *bench, int from, int to)
{
    char path[PATH_MAX];

    for (int i = from; i < to; i++) {
        container_path(bench, i, path);
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            bench_die(path);
    }
}

static void remove_containers(const struct bench *bench, int n)
{
    char path[PATH_MAX];

    for (int i = 0; i < n; i++) {
        container_path(bench, i, path);
        (void)rmdir(path);
    }
}

/* Who connects: what is out of the caches differs. */
enum caller {
    CALLER_ASLEEP,  /* a process that has slept since its last connect */
    CALLER_STARTED, /* one that was started for it */
    CALLERS
};

/*
 * One process a container, asleep until its word changes, who connects or
 * starts another one to do so: each connect is of another container.
 */
struct crowd {
    uint32_t go[MANY];
    uint32_t n_done;
    uint32_t caller; /* enum caller */
};

static void futex(uint32_t *word, int op, uint32_t value)
{
    if (syscall(SYS_futex, word, op, value, NULL, NULL, 0) < 0 &&
        errno != EAGAIN && errno != EINTR)
        bench_die("futex");
}

static void wait_while(uint32_t *word, uint32_t value)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
        futex(word, FUTEX_WAIT, value);
}

/* A member ends only with the crowd; a turn of one that is gone never ends. */
static void on_member_gone(int sig)
{
    static const char text[] = "bench_connect: a member of the crowd is gone\n";

    (void)sig;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

/* Shares the memory until it ends: fork() would take ten times as long. */
static void connect_started(const struct client *client)
{
    int status;
    pid_t pid = vfork();

    if (pid < 0)
        bench_die("vfork");
    if (pid == 0) {
        client_connect(client);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || status)
        bench_die("a client that was started");
}

static void __attribute__((noreturn))
be_member(struct crowd *crowd, int i, const struct client *client)
{
    client_become(client); /* which forgets the signal */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t turn = 0;; turn++) {
        wait_while(&crowd->go[i], turn);
        if (crowd->caller == CALLER_STARTED)
            connect_started(client);
        else
            client_connect(client);
        __atomic_add_fetch(&crowd->n_done, 1, __ATOMIC_RELEASE);
        futex(&crowd->n_done, FUTEX_WAKE, 1);
    }
}

static void add_member(const struct bench *bench, struct crowd *crowd, int i,
                       const struct client *client)
{
    char path[PATH_MAX];
    pid_t pid;

    container_path(bench, i, path);
    msp_autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct clone_args args = {
        .flags = CLONE_INTO_CGROUP | CLONE_CLEAR_SIGHAND,
        .exit_signal = SIGCHLD,
        .cgroup = (__u64)fd,
    };

    if (fd < 0)
        bench_die(path);
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0)
        bench_die("a process in a cgroup");
    if (pid == 0)
        be_member(crowd, i, client);
}

static void shuffle(int *order, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int j = rand() % (i + 1), other = order[j];

        order[j] = order[i];
        order[i] = other;
    }
}

/* So many connects in random order, as many of each. */
static void connect_everywhere(struct crowd *crowd, int n)
{
    static int order[MANY];

    for (int i = 0; i < MANY; i++)
        order[i] = i % n;
    shuffle(order, MANY);
    for (int i = 0; i < MANY; i++) {
        uint32_t done = crowd->n_done;

        __atomic_add_fetch(&crowd->go[order[i]], 1, __ATOMIC_RELEASE);
        futex(&crowd->go[order[i]], FUTEX_WAKE, 1);
        wait_while(&crowd->n_done, done);
    }
}

/* In a process of its own, with which its crowd ends. */
static void crowd_run(const struct bench *bench, const struct pair *pair,
                      const struct client *client, int n,
                      double ret_ns[static CALLERS])
{
    struct crowd *crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double ns[ROUNDS];

    if (crowd == MAP_FAILED || signal(SIGCHLD, on_member_gone) == SIG_ERR)
        bench_die("mmap");
    for (int i = 0; i < n; i++)
        add_member(bench, crowd, i, client);
    connect_everywhere(crowd, n); /* rows of the audit are there after */
    for (uint32_t caller = 0; caller < CALLERS; caller++) {
        crowd->caller = caller;
        for (int i = 0; i < ROUNDS; i++) {
            struct times prog = times_of(pair->prog);
            struct times empty = times_of(pair->empty);

            connect_everywhere(crowd, n);
            ns[i] = per_run(prog, times_of(pair->prog)) -
                    per_run(empty, times_of(pair->empty));
        }
        ret_ns[caller] = bench_median(ns, ROUNDS);
    }
}

static void measure_everywhere(const struct bench *bench,
                               const struct pair *pair,
                               const struct client *client, int n,
                               double ret[static CALLERS])
{
    const size_t size = CALLERS * sizeof(*ret);
    double *ns = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    pid_t pid;

    if (ns == MAP_FAILED)
        bench_die("mmap");
    pid = fork();
    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        crowd_run(bench, pair, client, n, ns);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || status)
        bench_die("clients in all containers");
    memcpy(ret, ns, size);
    (void)munmap(ns, size);
}

static void measure_containers(const struct bench *bench,
                               const struct pair *pair, struct client client,
                               struct program_times *ret)
{
    double few[CALLERS], many[CALLERS];
    char first[PATH_MAX];
    struct client member = client;

    container_path(bench, 0, first);
    client.cgroup = first;
    member.cgroup = NULL;
    member.n = 1;
    make_containers(bench, 0, FEW);
    ret->few = measure(pair, &client);
    measure_everywhere(bench, pair, &member, FEW, few);
    make_containers(bench, FEW, MANY);
    ret->many = measure(pair, &client);
    measure_everywhere(bench, pair, &member, MANY, many);
    ret->random_few = few[CALLER_ASLEEP];
    ret->random_many = many[CALLER_ASLEEP];
    ret->started_few = few[CALLER_STARTED];
    ret->started_many = many[CALLER_STARTED];
    remove_containers(bench, MANY);
}

/* --- all ------------------------------------------------------------------------ */

void programs_measure(struct bench *bench, struct program_times *ret)
{
    int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
    struct pair whole = {bench->connect4,
                         bpf_program__fd(bench->hooks->progs.bench_connect4)};
    struct pair subject = {bpf_program__fd(bench->hooks->progs.bench_subject),
                           whole.empty};
    struct bpf_link *empty, *verdict;
    struct client client = {
        .cgroup = bench->work, .uid = DENIED_UID, .n = CONNECTS};

    if (stats < 0)
        bench_die("counting the programs' times");
    empty = attach(bench->hooks->progs.bench_connect4, bench->work);
    client.to = address(INADDR_LOOPBACK, 9);
    ret->other_cold = measure(&whole, &client);
    client.expected = EXPECT_UNREACHABLE;
    client.to = address(NOWHERE, 9);
    ret->other = measure(&whole, &client);
    client.to = address(NOWHERE, 80);
    ret->sameport = measure(&whole, &client);
    client.to = bench->endpoint;
    client.expected = EXPECT_DENIED;
    verdict = attach(bench->hooks->progs.bench_subject, bench->work);
    ret->verdict = measure(&subject, &client);
    (void)bpf_link__destroy(verdict);
    ret->denied = measure(&whole, &client);
    measure_containers(bench, &whole, client, ret);
    client.uid = ALLOWED_UID;
    client.expected = EXPECT_ALLOWED;
    client.n = ALLOWED;
    ret->allowed = measure(&whole, &client);
    (void)bpf_link__destroy(empty);
    (void)close(stats);
}
