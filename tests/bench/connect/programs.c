/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What connect4 costs, by the kernel's own count of each program's time. An
 * empty program runs at each of the same connects; its time, which is that of
 * the counting, is taken off.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
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

static struct sockaddr_in loopback(uint32_t host, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(0x7f000000u | host)};
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

/* One connect of a new process that begins in the cgroup. */
static void connect_in(const char *cgroup, const struct client *client)
{
    msp_autoclose int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct clone_args args = {
        .flags = CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .cgroup = (__u64)fd,
    };
    int status;
    pid_t pid;

    if (fd < 0)
        bench_die(cgroup);
    pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0)
        bench_die("a process in a cgroup");
    if (pid == 0) {
        client_run(client);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || status)
        bench_die("a client in a cgroup");
}

/* Once each in random order. */
static void connect_everywhere(const struct bench *bench,
                               const struct client *client)
{
    static int order[MANY];
    char path[PATH_MAX];

    for (int i = 0; i < MANY; i++)
        order[i] = i;
    for (int i = MANY - 1; i > 0; i--) {
        int j = rand() % (i + 1), other = order[j];

        order[j] = order[i];
        order[i] = other;
    }
    for (int i = 0; i < MANY; i++) {
        container_path(bench, order[i], path);
        connect_in(path, client);
    }
}

static double measure_everywhere(const struct bench *bench,
                                 const struct pair *pair,
                                 const struct client *client)
{
    struct times prog, empty;

    connect_everywhere(bench, client); /* rows of the audit are there after */
    prog = times_of(pair->prog);
    empty = times_of(pair->empty);
    connect_everywhere(bench, client);
    return per_run(prog, times_of(pair->prog)) -
           per_run(empty, times_of(pair->empty));
}

static void measure_containers(const struct bench *bench,
                               const struct pair *pair, struct client client,
                               struct program_times *ret)
{
    char first[PATH_MAX];

    container_path(bench, 0, first);
    client.cgroup = first;
    make_containers(bench, 0, FEW);
    ret->few = measure(pair, &client);
    make_containers(bench, FEW, MANY);
    ret->many = measure(pair, &client);
    client.cgroup = NULL;
    client.n = 1;
    ret->random = measure_everywhere(bench, pair, &client);
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
    client.to = loopback(1, 9);
    ret->other = measure(&whole, &client);
    client.to = loopback(2, 80);
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
