/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A connection whose socket is handed on. Prints what its receiver gets: an
 * errno name, "eof", or the HTTP status. Started as root.
 *
 *   fdpass pass PASS WHO WAY ADDR:PORT
 *     uid 2001 connects; PASS: inherit, scm (SCM_RIGHTS), early (inherited and
 *     written to before there is a connection)
 *     WHO writes then: same, uid (12345), pidns (the same uid in a new pid
 *     namespace), root (the same in another root directory), drop (the maker
 *     himself as uid 12345)
 *     WAY: send write writev sendmsg oob splice sendfile zerocopy aio uring
 *     uring-async uring-write uring-zc uring-poll
 *   fdpass read ADDR:PORT
 *     uid 2001 sends a request, uid 12345 reads the answer
 *   fdpass ring ADDR:PORT
 *     uid 12345 has a ring of uid 2001's poll thread connect; prints that,
 *     then what a write of its own and one by the ring get
 *   fdpass blocked ADDR:PORT
 *     uid 2001 writes until it would have to wait, then uid 12345 writes
 *   fdpass hold N ADDR:PORT
 *     uid 2001 makes N connections; prints "held"; until it is killed
 *   fdpass fill PIN
 *     fills the map of guarded sockets; prints how many; until it is killed
 */
#include "fdpass.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#define MAKER 2001
#define OTHER 12345

#define NOBODY 0x7000000000000000ull

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void become(uid_t uid)
{
    if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        die("setresuid");
}

/* The maker: effective only, so that a child can be another one. */
static int connect_as_maker(const struct msp_client_to *to, bool is_early)
{
    int fd, r;

    if (setresuid((uid_t)-1, MAKER, (uid_t)-1) < 0)
        die("seteuid");
    fd = socket(AF_INET, SOCK_STREAM | (is_early ? SOCK_NONBLOCK : 0), 0);
    r = fd < 0 ? -1 : connect(fd, &to->sa, to->len);
    if (r < 0 && !(is_early && errno == EINPROGRESS)) {
        (void)printf("connect: %s\n", msp_client_errno(errno));
        exit(0);
    }
    if (is_early && fcntl(fd, F_SETFL, 0) < 0)
        die("fcntl");
    if (setresuid((uid_t)-1, 0, (uid_t)-1) < 0)
        die("seteuid");
    return fd;
}

/* Prints what the answer is. */
static void print_answer(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char text[4096] = "";
    ssize_t n;

    if (poll(&p, 1, 10000) != 1)
        (void)printf("timeout\n");
    else if ((n = recv(fd, text, sizeof(text) - 1, 0)) < 0 &&
             errno != ECONNRESET)
        (void)printf("%s\n", msp_client_errno(errno));
    else if (n <= 0) /* closed, with the request read or not */
        (void)printf("eof\n");
    else
        (void)printf("%d\n", msp_client_status(text));
}

static void write_and_print(int fd, const char *way)
{
    int r = fdpass_write(fd, way);

    if (r == EPIPE || r == ECONNRESET)
        (void)printf("eof\n"); /* closed before it was written */
    else if (r)
        (void)printf("%s\n", msp_client_errno(r));
    else
        print_answer(fd);
    (void)fflush(stdout);
}

static void wait_for(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) < 0 || status)
        die("child");
}

static void be(const char *who)
{
    pid_t pid = -1;

    if (strcmp(who, "pidns") == 0) {
        if (unshare(CLONE_NEWPID) < 0 || (pid = fork()) < 0)
            die("unshare");
        if (pid) {
            wait_for(pid);
            _exit(0);
        }
    }
    if (strcmp(who, "root") == 0 && (chroot("/tmp") < 0 || chdir("/") < 0))
        die("chroot");
    become(strcmp(who, "uid") == 0 || strcmp(who, "drop") == 0 ? OTHER : MAKER);
}

/* --- over a socket ----------------------------------------------------------- */

union control {
    struct cmsghdr head;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static void give(int via, int fd)
{
    char byte = 0;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union control control = {
        .head = {.cmsg_len = CMSG_LEN(sizeof(int)),
                 .cmsg_level = SOL_SOCKET,
                 .cmsg_type = SCM_RIGHTS},
    };
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};

    memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    if (sendmsg(via, &msg, 0) != 1)
        die("SCM_RIGHTS");
}

static int take(int via)
{
    char byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union control control;
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    int fd;

    if (recvmsg(via, &msg, 0) != 1 || control.head.cmsg_type != SCM_RIGHTS)
        die("SCM_RIGHTS");
    memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
    return fd;
}

/* The receiver is there before the connection is, and no child of its maker. */
static void pass_scm(const char *who, const char *way,
                     const struct msp_client_to *to)
{
    int pair[2];
    pid_t pid = -1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0 || (pid = fork()) < 0)
        die("fork");
    if (pid == 0) {
        be(who);
        write_and_print(take(pair[0]), way);
        _exit(0);
    }
    give(pair[1], connect_as_maker(to, false));
    wait_for(pid);
}

static void pass_inherit(const char *who, const char *way,
                         const struct msp_client_to *to, bool is_early)
{
    int fd = connect_as_maker(to, is_early);
    pid_t pid;

    if (strcmp(who, "drop") == 0) {
        be(who);
        write_and_print(fd, way);
        return;
    }
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        be(who);
        if (is_early) {
            (void)printf("early\n"); /* it waits in the write from here on */
            (void)fflush(stdout);
        }
        write_and_print(fd, way);
        _exit(0);
    }
    wait_for(pid);
}

static int verb_pass(char **argv)
{
    struct msp_client_to to;

    if (msp_client_parse(argv[3], &to) < 0)
        return 2;
    if (strcmp(argv[0], "scm") == 0)
        pass_scm(argv[1], argv[2], &to);
    else
        pass_inherit(argv[1], argv[2], &to, strcmp(argv[0], "early") == 0);
    return 0;
}

static int verb_read(char **argv)
{
    struct msp_client_to to;
    int fd;

    if (msp_client_parse(argv[0], &to) < 0)
        return 2;
    fd = connect_as_maker(&to, false);
    if (setresuid((uid_t)-1, MAKER, (uid_t)-1) < 0 ||
        fdpass_write(fd, "send") != 0 || setresuid((uid_t)-1, 0, (uid_t)-1) < 0)
        die("maker");
    become(OTHER);
    print_answer(fd);
    return 0;
}

/* --- the rest ---------------------------------------------------------------- */

static void use_ring(const struct msp_ring *ring, int fd,
                     const struct msp_client_to *to)
{
    struct io_uring_sqe sqe = {.opcode = IORING_OP_CONNECT,
                               .fd = fd,
                               .addr = (uint64_t)(uintptr_t)&to->sa,
                               .off = to->len};
    int r = msp_ring_run(ring, &sqe);

    (void)printf("%s ", msp_client_errno(r));
    r = fdpass_write(fd, "send");
    (void)printf("%s ", msp_client_errno(r));
    sqe = fdpass_sqe(fd, IORING_OP_SEND);
    r = msp_ring_run(ring, &sqe);
    if (r)
        (void)printf("%s\n", msp_client_errno(r));
    else
        print_answer(fd);
    (void)fflush(stdout);
}

static int verb_ring(char **argv)
{
    struct msp_client_to to;
    struct msp_ring ring;
    pid_t pid;
    int fd, r;

    if (msp_client_parse(argv[0], &to) < 0)
        return 2;
    if (setresuid((uid_t)-1, MAKER, (uid_t)-1) < 0)
        die("seteuid");
    fd = socket(AF_INET, SOCK_STREAM, 0);
    r = msp_ring_open(&ring, true);
    if (fd < 0 || r || setresuid((uid_t)-1, 0, (uid_t)-1) < 0)
        die("ring");
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        become(OTHER);
        use_ring(&ring, fd, &to);
        _exit(0);
    }
    wait_for(pid);
    msp_ring_done(&ring);
    return 0;
}

static int verb_hold(char **argv)
{
    struct rlimit limit = {16384, 16384};
    struct msp_client_to to;

    if (msp_client_parse(argv[1], &to) < 0)
        return 2;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("setrlimit");
    for (int n = atoi(argv[0]); n > 0; n--)
        (void)connect_as_maker(&to, false);
    (void)printf("held\n");
    (void)fflush(stdout);
    return pause();
}

/* Ends in a write of which a part, or nothing, found room. */
static void write_until_blocked(int fd)
{
    static const char head[] = "POST /metadata/versions HTTP/1.1\r\n"
                               "Host: 169.254.169.254\r\nMetadata: true\r\n"
                               "Content-Length: 102000\r\n\r\n";
    static char body[32768];
    int room = 4096;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) < 0 ||
        send(fd, head, sizeof(head) - 1, 0) < 0)
        die("head");
    while (send(fd, body, sizeof(body), MSG_DONTWAIT) >= 0)
        continue;
    if (errno != EAGAIN)
        die("body");
}

static int verb_blocked(char **argv)
{
    struct msp_client_to to;
    int fd;

    if (msp_client_parse(argv[0], &to) < 0)
        return 2;
    fd = connect_as_maker(&to, false);
    if (setresuid((uid_t)-1, MAKER, (uid_t)-1) < 0)
        die("seteuid");
    write_until_blocked(fd);
    if (setresuid((uid_t)-1, 0, (uid_t)-1) < 0)
        die("seteuid");
    (void)printf("blocked\n");
    (void)fflush(stdout);
    become(OTHER);
    (void)printf("%s\n", msp_client_errno(fdpass_write(fd, "send")));
    return 0;
}

/* Any established socket will do, and the same for all of them. */
static int established(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(to);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&to, &len) < 0)
        die("listen");
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        die("connect");
    return fd;
}

static int verb_fill(char **argv)
{
    int map = bpf_obj_get(argv[0]);
    uint64_t value = (uint64_t)established(), key = NOBODY;

    if (map < 0)
        die(argv[0]);
    while (bpf_map_update_elem(map, &key, &value, BPF_NOEXIST) == 0)
        key++;
    (void)printf("%llu %s\n", (unsigned long long)(key - NOBODY),
                 msp_client_errno(errno));
    (void)fflush(stdout);
    return pause();
}

int main(int argc, char **argv)
{
    /* what waits for ever ends with its parent, the test */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
        signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return 1;
    if (argc == 6 && strcmp(argv[1], "pass") == 0)
        return verb_pass(argv + 2);
    if (argc == 3 && strcmp(argv[1], "read") == 0)
        return verb_read(argv + 2);
    if (argc == 3 && strcmp(argv[1], "ring") == 0)
        return verb_ring(argv + 2);
    if (argc == 4 && strcmp(argv[1], "hold") == 0)
        return verb_hold(argv + 2);
    if (argc == 3 && strcmp(argv[1], "blocked") == 0)
        return verb_blocked(argv + 2);
    if (argc == 3 && strcmp(argv[1], "fill") == 0)
        return verb_fill(argv + 2);
    (void)fprintf(stderr, "usage: see the source\n");
    return 2;
}
