/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/io.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "harness/test.h"

static void passes_a_packet_with_its_descriptor(void **state)
{
    int pair[2], fd = -1, pipe_fd[2];
    char text[16];

    (void)state;
    assert_ok(msp_io_pair(pair));
    assert_ok(pipe2(pipe_fd, O_CLOEXEC));
    assert_ok(msp_io_send(pair[0], "hello", 5, pipe_fd[1]));
    assert_int_equal(msp_io_recv(pair[1], text, sizeof(text), &fd), 5);
    assert_memory_equal(text, "hello", 5);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_ok(msp_io_write_full(fd, "x", 1));
    assert_int_equal(msp_io_read_full(pipe_fd[0], text, 1), 1);
    (void)close(fd);
    (void)close(pipe_fd[0]);
    (void)close(pipe_fd[1]);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void says_when_nothing_is_there_and_when_the_peer_is_gone(void **state)
{
    int pair[2], fd = -1;
    char byte;

    (void)state;
    assert_ok(msp_io_pair(pair));
    assert_errno(msp_io_recv(pair[0], &byte, 1, &fd), EAGAIN);
    (void)close(pair[1]);
    assert_int_equal(msp_io_recv(pair[0], &byte, 1, &fd), 0);
    assert_errno(msp_io_send(pair[0], "x", 1, -1), EPIPE);
    (void)close(pair[0]);
}

static void refuses_a_packet_longer_than_the_buffer(void **state)
{
    int pair[2], fd = -1;
    char text[4];

    (void)state;
    assert_ok(msp_io_pair(pair));
    assert_ok(msp_io_send(pair[0], "12345", 5, pair[0]));
    assert_errno(msp_io_recv(pair[1], text, sizeof(text), &fd), EMSGSIZE);
    assert_int_equal(fd, -1);
    (void)close(pair[0]);
    /* the descriptor that came along was closed: end of file is seen */
    assert_int_equal(msp_io_recv(pair[1], text, sizeof(text), &fd), 0);
    (void)close(pair[1]);
}

static void refuses_and_closes_surplus_descriptors(void **state)
{
    char byte = 'x';
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};

    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    int pair[2], fds[2], fd = -1;

    (void)state;
    assert_ok(msp_io_pair(pair));
    fds[0] = fds[1] = pair[0];
    control.head.cmsg_len = CMSG_LEN(sizeof(fds));
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(&control.head), fds, sizeof(fds));
    assert_int_equal(sendmsg(pair[0], &msg, 0), 1);
    assert_errno(msp_io_recv(pair[1], &byte, 1, &fd), EPROTO);
    assert_int_equal(fd, -1);
    (void)close(pair[0]);
    assert_int_equal(msp_io_recv(pair[1], &byte, 1, &fd), 0);
    (void)close(pair[1]);
}

static void slurp_stops_at_its_limit(void **state)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 9000};
    char block[9000];

    (void)state;
    memset(block, 'y', sizeof(block));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        msp_autofree char *data = NULL;
        size_t len = 99;
        int fd[2];

        assert_ok(pipe2(fd, O_CLOEXEC));
        assert_ok(msp_io_write_full(fd[1], block, sizes[i]));
        (void)close(fd[1]);
        assert_ok(msp_io_slurp(fd[0], sizes[i], &data, &len));
        assert_int_equal(len, sizes[i]);
        assert_int_equal(data[len], '\0');
        assert_memory_equal(data, block, len);
        (void)close(fd[0]);

        assert_ok(pipe2(fd, O_CLOEXEC));
        assert_ok(msp_io_write_full(fd[1], block, sizes[i]));
        assert_ok(msp_io_write_full(fd[1], "z", 1));
        (void)close(fd[1]);
        free(TAKE_PTR(data));
        assert_errno(msp_io_slurp(fd[0], sizes[i], &data, &len), EFBIG);
        assert_null(data);
        (void)close(fd[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_a_packet_with_its_descriptor),
        cmocka_unit_test(says_when_nothing_is_there_and_when_the_peer_is_gone),
        cmocka_unit_test(refuses_a_packet_longer_than_the_buffer),
        cmocka_unit_test(refuses_and_closes_surplus_descriptors),
        cmocka_unit_test(slurp_stops_at_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
