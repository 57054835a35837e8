/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Network namespaces as the loader sees them: whose listener is alone, where
 * processes live, and rows and tickets of those that wait.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include <msp/child.h>
#include <msp/payer.h>

#include "base/io.h"
#include "bpf/slot.h"
#include "daemon/listeners.h"
#include "harness/test.h"
#include "loader/events.h"
#include "loader/iter.h"
#include "loader/load.h"
#include "loader/parked.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static uint64_t cookie_of(int sock)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);

    assert_ok(getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len));
    return cookie;
}

static void go_home(int home)
{
    assert_ok(setns(home, CLONE_NEWNET));
}

/* Stays in a namespace of its own, whose loopback is up. @return its home */
static int go_away(void)
{
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    msp_autoclose int fd = -1;

    assert_true(home >= 0);
    assert_ok(unshare(CLONE_NEWNET));
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_ok(ioctl(fd, SIOCSIFFLAGS, &up));
    return home;
}

static int make_listener(struct sockaddr_in *addr)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *addr = (struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_port = htons(MSP_PORT_FIRST),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_ok(bind(fd, (struct sockaddr *)addr, sizeof(*addr)));
    assert_ok(listen(fd, 8));
    return fd;
}

/* How often the kernel says that a namespace's listener is alone. */
static size_t alone(void **state, uint64_t cookie)
{
    msp_autofree uint64_t *cookies = NULL;
    size_t n = 0, found = 0;

    assert_ok(msp_iter_alone(slot_fixture_loader(*state), &cookies, &n));
    for (size_t i = 0; i < n; i++)
        found += cookies[i] == cookie;
    return found;
}

static void what_else_holds_a_namespace_is_seen(void **state)
{
    struct sockaddr_in addr;
    int home = go_away();
    msp_autoclose int other = -1;
    int listener = make_listener(&addr), client, accepted, again, held;
    uint64_t cookie = cookie_of(listener);

    assert_int_equal(alone(state, cookie), 0); /* we live here */
    go_home(home);
    assert_int_equal(alone(state, cookie), 1);
    again = fcntl(listener, F_DUPFD_CLOEXEC, 0);
    assert_int_equal(alone(state, cookie), 2); /* one socket, told twice */
    (void)close(again);

    /* a descriptor of the namespace */
    held = ioctl(listener, SIOCGSKNS);
    assert_true(held >= 0);
    assert_int_equal(alone(state, cookie), 0);

    /* a client that wants to connect, one that waits, one that is served */
    assert_ok(setns(held, CLONE_NEWNET));
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    go_home(home);
    (void)close(held);
    assert_int_equal(alone(state, cookie), 0);
    assert_ok(connect(client, (struct sockaddr *)&addr, sizeof(addr)));
    assert_int_equal(alone(state, cookie), 0);
    accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    (void)close(client);
    assert_int_equal(alone(state, cookie), 0);
    (void)close(accepted);
    /* what is left of the connection holds nothing, at once or in a moment */
    for (int i = 0; i < 500 && alone(state, cookie) == 0; i++)
        (void)usleep(10000);
    assert_int_equal(alone(state, cookie), 1);

    /* only what listens is looked at */
    other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(alone(state, cookie_of(other)), 0);
    (void)close(listener);
    assert_int_equal(alone(state, cookie), 0);
    (void)close(home);
}

/* A process in a namespace of its own. @return pid; its cookie */
static pid_t make_process(uint64_t *ret_cookie)
{
    int ends[2];
    pid_t pid;

    assert_ok(pipe2(ends, O_CLOEXEC));
    pid = fork();
    if (pid == 0) {
        uint64_t cookie;
        int fd;

        if (unshare(CLONE_NEWNET) < 0)
            _exit(1);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        cookie = cookie_of(fd);
        (void)!write(ends[1], &cookie, sizeof(cookie));
        for (;;)
            (void)pause();
    }
    assert_true(pid > 0);
    assert_int_equal(read(ends[0], ret_cookie, sizeof(*ret_cookie)),
                     sizeof(*ret_cookie));
    (void)close(ends[0]);
    (void)close(ends[1]);
    return pid;
}

static bool lives_there(void **state, uint64_t cookie, pid_t pid)
{
    msp_autofree struct msp_netns_task *task = NULL;
    size_t n = 0;
    bool found = false;

    assert_ok(msp_iter_netns(slot_fixture_loader(*state), &task, &n));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(task[i].netns_cookie, cookie);
        assert_int_equal(task[i].payer, 4711);
        found = found || task[i].tgid == (uint32_t)pid;
    }
    return found;
}

static void processes_are_told_where_there_is_a_row(void **state)
{
    const struct msp_netns row = {
        .state = MSP_NETNS_READY, .payer = 4711, .port = MSP_PORT_FIRST};
    struct msp_loader *loader = slot_fixture_loader(*state);
    uint64_t cookie, unseen;
    pid_t pid = make_process(&cookie);
    pid_t neighbour = make_process(&unseen);

    assert_int_not_equal(cookie, unseen);
    assert_false(lives_there(state, cookie, pid));
    assert_ok(msp_netns_row_set(loader, cookie, &row));
    assert_true(lives_there(state, cookie, pid));
    assert_false(lives_there(state, cookie, neighbour));
    assert_ok(msp_netns_row_delete(loader, cookie));
    assert_false(lives_there(state, cookie, pid));
    assert_ok(kill(pid, SIGKILL));
    assert_ok(kill(neighbour, SIGKILL));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(waitpid(neighbour, NULL, 0), neighbour);
}

static int state_of(const struct msp_loader *loader, uint64_t cookie)
{
    struct msp_netns row;

    if (bpf_map_lookup_elem(msp_loader_map_fd(loader, "msp_netns"), &cookie,
                            &row) < 0)
        return MSP_NETNS_NONE;
    return (int)row.state;
}

static void put(const struct msp_loader *loader, uint64_t cookie,
                enum msp_netns_state is, uint64_t until_ns)
{
    const struct msp_netns row = {
        .state = is, .until_ns = until_ns, .port = MSP_PORT_FIRST};

    assert_ok(msp_netns_row_set(loader, cookie, &row));
}

static void rows_that_wait_end(void **state)
{
    struct msp_loader *loader = slot_fixture_loader(*state);
    const struct msp_park first = {.netns_cookie = 1};
    const struct msp_park second = {.netns_cookie = 2};
    const struct msp_park ready = {.netns_cookie = 3};

    put(loader, 1, MSP_NETNS_PARKED, 1000);
    put(loader, 2, MSP_NETNS_PARKED, 2000);
    put(loader, 3, MSP_NETNS_READY, 0);
    assert_int_equal(msp_parked_expire(loader, 999), 2);
    assert_int_equal(msp_parked_expire(loader, 1000), 1);
    assert_int_equal(state_of(loader, 1), MSP_NETNS_NONE);
    assert_int_equal(state_of(loader, 2), MSP_NETNS_PARKED);

    /* one that fails may be asked for after a pause, or at once */
    put(loader, 1, MSP_NETNS_PARKED, 1000);
    msp_parked_fail(loader, &first, true, 5000);
    assert_int_equal(state_of(loader, 1), MSP_NETNS_FAILED);
    assert_int_equal(msp_parked_expire(loader, 5000 + MSP_PARK_BACKOFF_NS - 1),
                     1);
    assert_int_equal(state_of(loader, 1), MSP_NETNS_FAILED);
    assert_int_equal(msp_parked_expire(loader, 5000 + MSP_PARK_BACKOFF_NS), 0);
    assert_int_equal(state_of(loader, 1), MSP_NETNS_NONE);
    put(loader, 2, MSP_NETNS_PARKED, 2000);
    msp_parked_fail(loader, &second, false, 5000);
    assert_int_equal(state_of(loader, 2), MSP_NETNS_NONE);

    /* what is ready stays */
    msp_parked_fail(loader, &ready, true, 5000);
    msp_parked_fail(loader, &ready, false, 5000);
    assert_int_equal(msp_parked_expire(loader, UINT64_MAX), 0);
    assert_int_equal(state_of(loader, 3), MSP_NETNS_READY);
    assert_ok(msp_netns_row_delete(loader, 3));
}

static void on_park(void *data, const struct msp_park *park)
{
    (void)data;
    (void)park;
}

static void a_ticket_is_given_back_by_its_holder_only(void **state)
{
    struct msp_loader *loader = slot_fixture_loader(*state);
    struct msp_park park = {.bucket = 77, .ticket = 5, .until_ns = 1000};
    __u64 *ticket;

    assert_true(msp_parked_open(loader, on_park, NULL) >= 0);
    ticket = &loader->tickets[77].until_ns[5];
    *ticket = 2000; /* somebody else's since */
    msp_parked_release(loader, &park);
    assert_int_equal(*ticket, 2000);
    park.until_ns = 2000;
    msp_parked_release(loader, &park);
    assert_int_equal(*ticket, 0);
    /* a record that is none of ours */
    park.bucket = MSP_PARK_BUCKETS;
    msp_parked_release(loader, &park);
    park.bucket = 77;
    park.ticket = MSP_PARK_WAYS;
    msp_parked_release(loader, &park);
}

/* --- letting go --------------------------------------------------------- */

#define COOKIES 4

/* Listeners of made-up namespaces; the proxy is the other end of a pair. */
struct bench {
    struct msp_child proxy;
    struct msp_listeners listeners;
    int far_end;
};

/* @return a socket that listens, where nobody can reach it */
static int listen_unreached(void)
{
    const struct sockaddr any = {.sa_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_ok(bind(fd, &any, sizeof(sa_family_t)));
    assert_ok(listen(fd, 1));
    return fd;
}

static void bench_up(struct bench *bench, struct msp_loader *loader)
{
    const struct msp_listener *item;
    int pair[2];

    assert_ok(msp_io_pair(pair));
    *bench = (struct bench){.far_end = pair[1]};
    bench->proxy.control_fd = pair[0];
    bench->proxy.state = MSP_CHILD_RUNNING;
    bench->listeners.proxy = &bench->proxy;
    bench->listeners.loader = loader;
    bench->listeners.epoch = 3;
    for (uint64_t i = 1; i <= COOKIES; i++) {
        const struct msp_listener made = {
            .fd = listen_unreached(),
            .cookie = i,
            .port = MSP_PORT_FIRST,
            .is_own = i == 1,
        };

        assert_ok(msp_listeners_add(&bench->listeners, &made, &item));
    }
    msp_listeners_send(&bench->listeners);
    assert_ok(msp_listeners_publish(&bench->listeners, true));
    for (uint64_t i = 1; i <= COOKIES; i++)
        assert_int_equal(state_of(loader, i), MSP_NETNS_READY);
}

static void bench_down(struct bench *bench)
{
    msp_listeners_unpublish(&bench->listeners, false);
    msp_listeners_done(&bench->listeners);
    (void)close(bench->proxy.control_fd);
    (void)close(bench->far_end);
}

/* How many of these packets the proxy was sent; `cookies` as bits. */
static size_t received(const struct bench *bench, enum msp_child_type type,
                       uint64_t *cookies)
{
    struct msp_child_listener packet;
    size_t n = 0;
    int fd = -1;

    *cookies = 0;
    while (msp_io_recv(bench->far_end, &packet, sizeof(packet), &fd) ==
           (ssize_t)sizeof(packet)) {
        msp_closep(&fd);
        fd = -1;
        if (packet.head.type != (uint32_t)type)
            continue;
        *cookies |= 1u << packet.netns_cookie;
        n++;
    }
    return n;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void a_listener_goes_row_first_and_if_it_is_still_alone(void **state)
{
    struct msp_loader *loader = slot_fixture_loader(*state);
    const uint64_t alone_then[] = {1, 2, 3, 99}, alone_now[] = {1, 3, 99};
    struct bench bench;
    uint64_t cookies;
    int fd;

    bench_up(&bench, loader);
    assert_int_equal(received(&bench, MSP_CHILD_LISTENER, &cookies), COOKIES);
    fd = bench.listeners.item[2].fd; /* of cookie 3 */
    /* not mspd's own, nor one that is not ours */
    assert_int_equal(msp_listeners_leave(&bench.listeners, alone_then,
                                         ARRAY_SIZE(alone_then)),
                     2);
    assert_int_equal(state_of(loader, 1), MSP_NETNS_READY);
    assert_int_equal(state_of(loader, 2), MSP_NETNS_PARKED);
    assert_int_equal(state_of(loader, 3), MSP_NETNS_PARKED);
    assert_int_equal(state_of(loader, 4), MSP_NETNS_READY);
    assert_true(is_open(fd));
    assert_int_equal(received(&bench, MSP_CHILD_LISTENER_GONE, &cookies), 0);
    /* somebody has come to 2 meanwhile */
    assert_int_equal(
        msp_listeners_drop(&bench.listeners, alone_now, ARRAY_SIZE(alone_now)),
        1);
    assert_false(is_open(fd));
    assert_int_equal(state_of(loader, 3), MSP_NETNS_NONE);
    assert_int_equal(received(&bench, MSP_CHILD_LISTENER_GONE, &cookies), 1);
    assert_int_equal(cookies, 1u << 3);
    assert_int_equal(bench.listeners.n, COOKIES - 1);
    assert_ok(msp_listeners_publish(&bench.listeners, true));
    assert_int_equal(state_of(loader, 2), MSP_NETNS_READY);
    assert_int_equal(state_of(loader, 3), MSP_NETNS_NONE);
    /* it may come back */
    assert_false(msp_listeners_again(&bench.listeners, 3));
    assert_true(msp_listeners_again(&bench.listeners, 4));
    bench_down(&bench);
    for (uint64_t i = 1; i <= COOKIES; i++)
        assert_int_equal(state_of(loader, i), MSP_NETNS_NONE);
}

static void one_that_cannot_listen_has_no_row(void **state)
{
    struct msp_loader *loader = slot_fixture_loader(*state);
    const struct msp_listener *item;
    struct msp_listener *dead, made;
    struct bench bench;
    uint64_t cookies;
    int fd;

    bench_up(&bench, loader);
    assert_int_equal(received(&bench, MSP_CHILD_LISTENER, &cookies), COOKIES);
    dead = &bench.listeners.item[3]; /* of cookie 4 */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(dup2(fd, dead->fd) >= 0); /* has no name: it never does */
    (void)close(fd);
    /* its row was taken away, by whoever listens there */
    assert_ok(msp_netns_row_delete(loader, 4));
    assert_false(msp_listeners_again(&bench.listeners, 4));
    dead->has_row = false;
    assert_true(msp_listeners_publish(&bench.listeners, true) < 0);
    assert_int_equal(state_of(loader, 4), MSP_NETNS_NONE);
    /* another one is made */
    made = (struct msp_listener){
        .fd = listen_unreached(), .cookie = 4, .port = MSP_PORT_FIRST + 1};
    assert_ok(msp_listeners_add(&bench.listeners, &made, &item));
    assert_int_equal(item->port, MSP_PORT_FIRST + 1);
    assert_int_equal(bench.listeners.n, COOKIES);
    msp_listeners_send(&bench.listeners);
    assert_int_equal(received(&bench, MSP_CHILD_LISTENER, &cookies), 1);
    assert_int_equal(cookies, 1u << 4);
    assert_ok(msp_listeners_publish(&bench.listeners, true));
    assert_int_equal(state_of(loader, 4), MSP_NETNS_READY);
    /* and that one stays */
    made = (struct msp_listener){
        .fd = listen_unreached(), .cookie = 4, .port = MSP_PORT_FIRST + 2};
    assert_int_equal(msp_listeners_add(&bench.listeners, &made, &item), 1);
    assert_int_equal(item->port, MSP_PORT_FIRST + 1);
    assert_false(is_open(made.fd));
    bench_down(&bench);
}

static void none_goes_that_the_proxy_would_keep(void **state)
{
    struct msp_loader *loader = slot_fixture_loader(*state);
    const uint64_t alone_then[] = {2};
    struct bench bench;

    bench_up(&bench, loader);
    /* its queue is full */
    for (int i = 0; i < 100000; i++) {
        const struct msp_child_listener packet = {.head.type = 1};

        if (msp_child_send(&bench.proxy, &packet, sizeof(packet), -1) < 0)
            break;
    }
    assert_int_equal(msp_listeners_leave(&bench.listeners, alone_then, 1), 1);
    assert_int_equal(msp_listeners_drop(&bench.listeners, alone_then, 1), 0);
    assert_int_equal(bench.listeners.n, COOKIES);
    assert_ok(msp_listeners_publish(&bench.listeners, true));
    assert_int_equal(state_of(loader, 2), MSP_NETNS_READY);
    bench_down(&bench);
}

static void there_is_an_end_to_listeners(void **state)
{
    const struct msp_listener *item;
    struct bench bench;

    bench_up(&bench, slot_fixture_loader(*state));
    bench.listeners.max = COOKIES + 1;
    for (uint64_t i = 10; i < 13; i++) {
        const struct msp_listener made = {
            .fd = open("/dev/null", O_RDONLY | O_CLOEXEC), .cookie = i};
        int r = msp_listeners_add(&bench.listeners, &made, &item);

        assert_int_equal(r, i == 10 ? 0 : -ENOSPC);
        assert_int_equal(is_open(made.fd), i == 10);
        assert_errno(msp_listeners_has_room(&bench.listeners, 0), ENOSPC);
    }
    bench_down(&bench);
}

/* One who asks for as many as he can get. @return how many that were */
static unsigned int take_all(struct bench *bench, uint64_t payer)
{
    static uint64_t cookie = 1000;
    const struct msp_listener *item;
    unsigned int n = 0;

    while (msp_listeners_has_room(&bench->listeners, payer) == 0) {
        const struct msp_listener made = {
            .fd = open("/dev/null", O_RDONLY | O_CLOEXEC),
            .cookie = cookie++,
            .payer = payer,
        };

        assert_ok(msp_listeners_add(&bench->listeners, &made, &item));
        n++;
    }
    return n;
}

static void one_payer_cannot_take_all_listeners(void **state)
{
    const uint64_t hostile = msp_payer_of(MSP_PAYER_CGROUP, 1);
    unsigned int n = 0;
    struct bench bench;

    bench_up(&bench, slot_fixture_loader(*state));
    bench.listeners.max = 640;
    assert_int_equal(take_all(&bench, hostile), 640 / MSP_NETNS_PARTS);
    assert_errno(msp_listeners_has_room(&bench.listeners, hostile), EDQUOT);
    /* nor can as many as he likes of them what is kept for others */
    for (uint64_t i = 2; i < 1000; i++)
        n += take_all(&bench, msp_payer_of(MSP_PAYER_CGROUP, i));
    assert_true(n > 400);
    assert_errno(msp_listeners_has_room(&bench.listeners,
                                        msp_payer_of(MSP_PAYER_CGROUP, 1000)),
                 ENOSPC);
    n = take_all(&bench, msp_payer_of(MSP_PAYER_CONTAINER, 1));
    assert_in_range(n, 4, 640 / MSP_NETNS_PARTS);
    for (uint64_t i = 2; i < 1000; i++)
        (void)take_all(&bench, msp_payer_of(MSP_PAYER_CONTAINER, i));
    assert_ok(msp_listeners_has_room(&bench.listeners, 0));
    assert_int_equal(take_all(&bench, 0), 640 / MSP_SHARE_ROOT);
    bench_down(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_else_holds_a_namespace_is_seen),
        cmocka_unit_test(processes_are_told_where_there_is_a_row),
        cmocka_unit_test(rows_that_wait_end),
        cmocka_unit_test(a_ticket_is_given_back_by_its_holder_only),
        cmocka_unit_test(a_listener_goes_row_first_and_if_it_is_still_alone),
        cmocka_unit_test(one_that_cannot_listen_has_no_row),
        cmocka_unit_test(none_goes_that_the_proxy_would_keep),
        cmocka_unit_test(there_is_an_end_to_listeners),
        cmocka_unit_test(one_payer_cannot_take_all_listeners),
    };

    return cmocka_run_group_tests(tests, slot_fixture_setup,
                                  slot_fixture_teardown);
}
