/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
// clang-format off
#include "harness/test.h"
// clang-format on
#include "cli/client.h"

#include <sys/stat.h>

#include "fake.h"

static struct msp_ctl_header reply_header(void)
{
    return (struct msp_ctl_header){.magic = MSP_CTL_MAGIC,
                                   .version = MSP_CTL_VERSION,
                                   .type = MSP_CTL_PUSH};
}

/* One exchange over a pair. @return of msp_client_call */
static int exchange(struct fake *fake, const struct iovec *part, size_t n,
                    struct msp_client_reply *ret)
{
    int pair[2], r;

    assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    fake->fd = pair[1];
    fake_start(fake);
    r = msp_client_call(pair[0], MSP_CTL_PUSH, part, n, 10000, ret);
    (void)close(pair[0]);
    fake_join(fake);
    return r;
}

static void sends_the_pieces_as_one_payload(void **state)
{
    char one[] = "abc", two[] = "defg", frame[64];
    struct iovec part[] = {{one, 3}, {two, 4}};
    struct msp_client_reply reply = {0};
    struct fake fake = {.reply = frame};

    (void)state;
    fake.reply_len = fake_frame(frame, sizeof(frame), reply_header(), "x\n", 2);
    assert_ok(exchange(&fake, part, 2, &reply));
    assert_true(fake.is_read);
    assert_true(fake.request.magic == MSP_CTL_MAGIC);
    assert_int_equal(fake.request.version, MSP_CTL_VERSION);
    assert_int_equal(fake.request.type, MSP_CTL_PUSH);
    assert_int_equal(fake.request.status, 0);
    assert_int_equal(fake.request.length, 7);
    assert_memory_equal(fake.payload, "abcdefg", 7);
    assert_int_equal(reply.status, MSP_CTL_OK);
    assert_int_equal(reply.len, 2);
    assert_string_equal(reply.payload, "x\n");
    msp_client_reply_done(&reply);
    fake_done(&fake);
}

static void reads_a_refusal_sent_before_the_request_was_read(void **state)
{
    size_t len = 8u << 20; /* more than any socket buffer */
    msp_autofree char *big = calloc(1, len);
    struct msp_ctl_header header = reply_header();
    struct msp_client_reply reply = {0};
    struct fake fake = {.is_deaf = true};
    struct iovec part = {big, len};
    char frame[64];

    (void)state;
    header.status = MSP_CTL_REFUSED;
    fake.reply = frame;
    fake.reply_len = fake_frame(frame, sizeof(frame), header, "sa=b\n\n", 6);
    assert_ok(exchange(&fake, &part, 1, &reply));
    assert_int_equal(reply.status, MSP_CTL_REFUSED);
    assert_string_equal(reply.payload, "sa=b\n\n");
    msp_client_reply_done(&reply);
    fake_done(&fake);
}

static void refuses_what_is_not_a_reply(void **state)
{
    static const struct {
        const char *why;
        struct msp_ctl_header header;
        size_t cut; /* bytes left off the end */
        int r;
    } cases[] = {
        {"no answer", {0}, sizeof(struct msp_ctl_header), -ENODATA},
        {"half a header", {.magic = MSP_CTL_MAGIC}, 5, -EPROTO},
        {"magic", {.magic = 1, .version = 1, .type = MSP_CTL_PUSH}, 0, -EPROTO},
        {"another type",
         {.magic = MSP_CTL_MAGIC, .version = 1, .type = MSP_CTL_SHOW},
         0,
         -EPROTO},
        {"unknown status",
         {.magic = MSP_CTL_MAGIC,
          .version = 1,
          .type = MSP_CTL_PUSH,
          .status = MSP_CTL_STATUS_COUNT},
         0,
         -EPROTO},
        {"too long",
         {.magic = MSP_CTL_MAGIC,
          .version = 1,
          .type = MSP_CTL_PUSH,
          .length = MSP_CTL_REPLY_BYTES_MAX + 1},
         0,
         -EFBIG},
        {"payload cut short",
         {.magic = MSP_CTL_MAGIC,
          .version = 1,
          .type = MSP_CTL_PUSH,
          .length = 9},
         0,
         -EPROTO},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct msp_client_reply reply = {0};
        struct fake fake = {
            .reply = &cases[i].header,
            .reply_len = sizeof(cases[i].header) - cases[i].cut,
        };
        int r = exchange(&fake, NULL, 0, &reply);

        if (r != cases[i].r)
            fail_msg("%s: %d", cases[i].why, r);
        assert_null(reply.payload);
        fake_done(&fake);
    }
}

static void reports_the_version_of_a_newer_daemon(void **state)
{
    struct msp_ctl_header header = reply_header();
    struct msp_client_reply reply = {0};
    char frame[64];
    struct fake fake = {.reply = frame};

    (void)state;
    header.version = MSP_CTL_VERSION + 7;
    header.status = 99; /* of a protocol this client does not know */
    fake.reply_len = fake_frame(frame, sizeof(frame), header, NULL, 0);
    assert_ok(exchange(&fake, NULL, 0, &reply));
    assert_int_equal(reply.status, MSP_CTL_BAD_VERSION);
    assert_int_equal(reply.version, MSP_CTL_VERSION + 7);
    msp_client_reply_done(&reply);
    fake_done(&fake);
}

static void gives_up_on_a_daemon_that_stays_silent(void **state)
{
    struct msp_client_reply reply = {0};
    int pair[2];

    (void)state;
    assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    assert_errno(msp_client_call(pair[0], MSP_CTL_STATUS, NULL, 0, 50, &reply),
                 ETIMEDOUT);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void connect_names_the_reason_it_failed(void **state)
{
    char dir[] = "/tmp/msp-client-XXXXXX";
    char path[64], longer[200];
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/s", dir);
    assert_errno(msp_client_connect(path, 1000), ENOENT);
    fd = fake_listen(path);
    (void)close(fd);
    assert_errno(msp_client_connect(path, 1000), ECONNREFUSED);
    memset(longer, 'a', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_errno(msp_client_connect(longer, 1000), ENAMETOOLONG);
    assert_ok(unlink(path));
    assert_ok(rmdir(dir));
}

static void connect_does_not_wait_for_ever_on_a_full_backlog(void **state)
{
    char dir[] = "/tmp/msp-client-XXXXXX";
    int held[16], n = 0, fd, r = 0;
    char path[64];

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/s", dir);
    fd = fake_listen(path);
    while (n < 16) {
        r = msp_client_connect(path, 50);
        if (r < 0)
            break;
        held[n++] = r;
    }
    assert_int_equal(r, -ETIMEDOUT);
    while (n > 0)
        (void)close(held[--n]);
    (void)close(fd);
    assert_ok(unlink(path));
    assert_ok(rmdir(dir));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_the_pieces_as_one_payload),
        cmocka_unit_test(reads_a_refusal_sent_before_the_request_was_read),
        cmocka_unit_test(refuses_what_is_not_a_reply),
        cmocka_unit_test(reports_the_version_of_a_newer_daemon),
        cmocka_unit_test(gives_up_on_a_daemon_that_stays_silent),
        cmocka_unit_test(connect_names_the_reason_it_failed),
        cmocka_unit_test(connect_does_not_wait_for_ever_on_a_full_backlog),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
