/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which port a listener gets when others want the same, and its buffers. */
#include "netns/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <msp/limits.h>

#include "harness/test.h"

/* Listens just before our listen() does; -1: nobody. */
static int rival = -1;

/* In place of the library's, which knows no rival. */
int listen(int fd, int backlog)
{
    if (rival >= 0) {
        assert_ok(syscall(SYS_listen, rival, 1));
        rival = -1;
    }
    return (int)syscall(SYS_listen, fd, backlog);
}

/* Somebody who shares the port until one of the two listens. */
static int bind_beside(uint16_t port)
{
    const struct sockaddr_in addr = {.sin_family = AF_INET,
                                     .sin_port = htons(port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    assert_true(fd >= 0);
    assert_ok(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
    assert_ok(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)));
    return fd;
}

static struct msp_netns_listener make(uint16_t wanted)
{
    const struct msp_netns_home home = {.netns_fd = -1, .own_sk_fd = -1};
    struct msp_netns_listener made = {.fd = -1, .port = wanted};

    assert_ok(msp_netns_listen(&home, -1, &made));
    return made;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in addr = {0};
    socklen_t len = sizeof(addr);

    assert_ok(getsockname(fd, (struct sockaddr *)&addr, &len));
    return ntohs(addr.sin_port);
}

static void who_listens_first_leaves_us_the_next_port(void **state)
{
    const uint16_t wanted[] = {0, MSP_PORT_FIRST, MSP_PORT_LAST};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        uint16_t first = wanted[i] ? wanted[i] : MSP_PORT_FIRST;
        uint16_t next =
            first == MSP_PORT_FIRST ? MSP_PORT_FIRST + 1 : MSP_PORT_FIRST;
        int other = bind_beside(first);
        struct msp_netns_listener made;
        int listens = 0;
        socklen_t len = sizeof(listens);

        rival = other;
        made = make(wanted[i]);
        assert_int_equal(made.port, next);
        assert_int_equal(port_of(made.fd), next);
        assert_ok(
            getsockopt(made.fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len));
        assert_true(listens);
        (void)close(made.fd);
        (void)close(other);
    }
}

static int option_of(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);

    assert_ok(getsockopt(fd, SOL_SOCKET, name, &value, &len));
    return value;
}

/*
 * Accepted sockets inherit it; else the sysctls of their namespace say how much
 * of the kernel's memory each may take.
 */
static void a_listener_has_little_room(void **state)
{
    struct msp_netns_listener made = make(0);

    (void)state;
    assert_int_equal(option_of(made.fd, SO_SNDBUF), 2 * MSP_SOCKET_BYTES);
    assert_int_equal(option_of(made.fd, SO_RCVBUF), 2 * MSP_SOCKET_BYTES);
    (void)close(made.fd);
}

static void the_port_that_is_wanted_comes_first(void **state)
{
    struct msp_netns_listener made = make(MSP_PORT_FIRST + 5);

    (void)state;
    assert_int_equal(made.port, MSP_PORT_FIRST + 5);
    (void)close(made.fd);
}

/* Its ports are nobody else's. */
static int go_away(void **state)
{
    (void)state;
    return unshare(CLONE_NEWNET) < 0 ? -errno : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_listens_first_leaves_us_the_next_port),
        cmocka_unit_test(the_port_that_is_wanted_comes_first),
        cmocka_unit_test(a_listener_has_little_room),
    };

    if (geteuid() != 0)
        return 77; /* nobody else may make a network namespace */
    return cmocka_run_group_tests(tests, go_away, NULL);
}
