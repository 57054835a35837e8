/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * bench_connect LAYOUT WORK EMPTY NONE ADDRESS:PORT [REPORT]: as `run`, beside
 * it, prepares. Prints, and writes member "connect" of the report.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/abi.h>
#include <msp/cleanup.h>

#include "bench/connect/bench.h"
#include "bench/report.h"
#include "hooks.skel.h"

void bench_die(const char *what)
{
    (void)fprintf(stderr, "bench_connect: %s: %s\n", what, strerror(errno));
    _exit(1); /* it may be a process that shares the memory of another one */
}

void bench_enter(const char *cgroup)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
    msp_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        bench_die(path);
}

static bool is_expected(int r, enum expected expected)
{
    switch (expected) {
    case EXPECT_REFUSED:
        return r < 0 && errno == ECONNREFUSED;
    case EXPECT_UNREACHABLE:
        return r < 0 && errno == ENETUNREACH;
    case EXPECT_DENIED:
        return r < 0 && errno == EPERM;
    case EXPECT_ALLOWED:
        return r == 0;
    }
    return false;
}

void client_become(const struct client *client)
{
    if (client->cgroup)
        bench_enter(client->cgroup);
    if (setgroups(0, NULL) < 0 ||
        setresgid(client->uid, client->uid, client->uid) < 0 ||
        setresuid(client->uid, client->uid, client->uid) < 0)
        bench_die("becoming a client");
}

void client_connect(const struct client *client)
{
    const struct linger reset = {.l_onoff = 1};

    for (unsigned int i = 0; i < client->n; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int r = connect(fd, (const struct sockaddr *)&client->to,
                        sizeof(client->to));

        if (fd < 0 || !is_expected(r, client->expected))
            bench_die("a connect did not end as expected");
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        (void)close(fd);
    }
}

void client_run(const struct client *client)
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        bench_die("fork");
    if (pid == 0) {
        client_become(client);
        client_connect(client);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || status)
        bench_die("a client");
}

static void parse_endpoint(char *text, struct sockaddr_in *ret)
{
    char *port = strrchr(text, ':');

    ret->sin_family = AF_INET;
    errno = EINVAL;
    if (!port)
        bench_die(text);
    *port++ = '\0';
    ret->sin_port = htons((uint16_t)atoi(port));
    if (inet_pton(AF_INET, text, &ret->sin_addr) != 1)
        bench_die(text);
}

/* Programs that look at what mspd's look at. */
static struct hooks_bpf *load_hooks(const char *layout)
{
    struct hooks_bpf *hooks = hooks_bpf__open();
    LIBBPF_OPTS(bpf_test_run_opts, opts);
    struct msp_find_root_ctx root = {0};
    struct bpf_map *map;
    char path[PATH_MAX];

    if (!hooks)
        bench_die("opening the programs");
    bpf_object__for_each_map(map, hooks->obj) {
        int fd;

        (void)snprintf(path, sizeof(path), "%s/maps/%s", layout,
                       bpf_map__name(map));
        fd = bpf_obj_get(path);
        if (fd >= 0 && bpf_map__reuse_fd(map, fd) < 0)
            bench_die(path);
    }
    opts.ctx_in = &root;
    opts.ctx_size_in = sizeof(root);
    if (hooks_bpf__load(hooks) < 0 ||
        bpf_prog_test_run_opts(bpf_program__fd(hooks->progs.msp_find_root),
                               &opts) < 0)
        bench_die("loading the programs");
    return hooks;
}

static void attach_empty(const struct bench *bench)
{
    const struct bpf_program *const progs[] = {
        bench->hooks->progs.bench_connect4, bench->hooks->progs.bench_connect6,
        bench->hooks->progs.bench_sendmsg4, bench->hooks->progs.bench_sendmsg6,
        bench->hooks->progs.bench_bind4,    bench->hooks->progs.bench_bind6,
        bench->hooks->progs.bench_peer4,    bench->hooks->progs.bench_peer6,
        bench->hooks->progs.bench_egress,   bench->hooks->progs.bench_sockops,
    };
    int fd = open(bench->empty, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        bench_die(bench->empty);
    for (size_t i = 0; i < ARRAY_SIZE(progs); i++)
        if (!bpf_program__attach_cgroup(progs[i], fd)) /* until we end */
            bench_die(bpf_program__name(progs[i]));
    (void)close(fd);
}

static int report(const struct program_times *p, const struct socket_times *s,
                  const char *path)
{
    const struct bench_value values[] = {
        {"other_ns_over_empty", p->other},
        {"sameport_ns_over_empty", p->sameport},
        {"other_cold_ns_over_empty", p->other_cold},
        {"verdict_ns", p->verdict},
        {"denied_ns", p->denied},
        {"allowed_ns", p->allowed},
        {"flatness", p->many / p->few},
        {"flatness_random", p->random_many / p->random_few},
        {"flatness_started", p->started_many / p->started_few},
        {"random_over_same", p->random_many / p->many},
        {"random_10_ns", p->random_few},
        {"random_10000_ns", p->random_many},
        {"started_10_ns", p->started_few},
        {"started_10000_ns", p->started_many},
        {"tcp_points_over_empty", s->tcp_points},
        {"bulk_tcp_ratio", s->bulk_ratio},
        {"udp_ratio", s->udp_ratio},
    };

    return bench_report(path, "connect", values, ARRAY_SIZE(values));
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    struct program_times programs;
    struct socket_times sockets;
    char path[PATH_MAX];

    if (argc < 6 || argc > 7) {
        (void)fprintf(stderr,
                      "usage: %s LAYOUT WORK EMPTY NONE ADDRESS:PORT "
                      "[REPORT]\n",
                      argv[0]);
        return 2;
    }
    bench.layout = argv[1];
    bench.work = argv[2];
    bench.empty = argv[3];
    bench.none = argv[4];
    parse_endpoint(argv[5], &bench.endpoint);
    (void)snprintf(path, sizeof(path), "%s/progs/msp_connect4", bench.layout);
    bench.connect4 = bpf_obj_get(path);
    if (bench.connect4 < 0)
        bench_die(path);
    bench.hooks = load_hooks(bench.layout);
    programs_measure(&bench, &programs);
    attach_empty(&bench);
    sockets_measure(&bench, &sockets);
    return report(&programs, &sockets, argv[6]) < 0;
}
