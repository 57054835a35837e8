/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The verbs that take something out of force: what they ask, and refuse. */
// clang-format off
#include "harness/test.h"
// clang-format on
#include <sys/stat.h>

#include "cli/cli.h"
#include "fake.h"

struct bench {
    char dir[32];
    char socket[64];
    struct fake fake;
    char frame[256];
    struct msp_cli cli;
    char *out, *err;
    size_t out_len, err_len;
};

static void bench_start(struct bench *b)
{
    *b = (struct bench){.dir = "/tmp/msp-detach-XXXXXX"};
    assert_non_null(mkdtemp(b->dir));
    (void)snprintf(b->socket, sizeof(b->socket), "%s/socket", b->dir);
    b->cli = (struct msp_cli){
        .socket = b->socket,
        .out = open_memstream(&b->out, &b->out_len),
        .err = open_memstream(&b->err, &b->err_len),
    };
    assert_non_null(b->cli.out);
    assert_non_null(b->cli.err);
}

static void bench_serve(struct bench *b, enum msp_ctl_type type,
                        enum msp_ctl_status status)
{
    struct msp_ctl_header header = {.magic = MSP_CTL_MAGIC,
                                    .version = MSP_CTL_VERSION,
                                    .type = (uint16_t)type,
                                    .status = status};
    static const char payload[] = "sa=word\n\n";

    b->fake.is_listener = true;
    b->fake.fd = fake_listen(b->socket);
    b->fake.reply = b->frame;
    b->fake.reply_len = fake_frame(b->frame, sizeof(b->frame), header, payload,
                                   sizeof(payload) - 1);
    fake_start(&b->fake);
}

static void bench_flush(struct bench *b)
{
    assert_ok(fclose(b->cli.out));
    assert_ok(fclose(b->cli.err));
    if (b->fake.is_listener)
        fake_join(&b->fake);
}

static void bench_done(struct bench *b)
{
    if (b->fake.is_listener)
        fake_done(&b->fake);
    free(b->out);
    free(b->err);
    (void)unlink(b->socket);
    assert_ok(rmdir(b->dir));
}

static void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no \"%s\" in: %s", part, text);
}

static void detach_wants_a_yes_and_explains(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    b.cli.pin_dir = b.dir;
    assert_int_equal(msp_cmd_detach(&b.cli), MSP_EXIT_USAGE);
    bench_flush(&b);
    assert_says(b.err, "ends all enforcement");
    assert_says(b.err, "--yes");
    bench_done(&b);
}

static void detach_asks_the_daemon(void **state)
{
    static const struct {
        enum msp_ctl_status status;
        int exit_code;
    } cases[] = {{MSP_CTL_OK, 0}, {MSP_CTL_INVALID, 2}, {MSP_CTL_INTERNAL, 5}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        b.cli.is_yes = true;
        bench_serve(&b, MSP_CTL_DETACH, cases[i].status);
        assert_int_equal(msp_cmd_detach(&b.cli), cases[i].exit_code);
        bench_flush(&b);
        assert_int_equal(b.fake.request.type, MSP_CTL_DETACH);
        assert_int_equal(b.fake.request.length, 0);
        bench_done(&b);
    }
}

static void without_a_daemon_it_names_the_other_way(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    b.cli.is_yes = true;
    assert_int_equal(msp_cmd_detach(&b.cli), MSP_EXIT_NODAEMON);
    bench_flush(&b);
    assert_says(b.err, "mspd is not running");
    assert_says(b.err, "--pin-dir DIR");
    bench_done(&b);
}

/* What is not of a bpffs is not touched, whatever its name. */
static void only_a_bpf_file_system_is_emptied(void **state)
{
    struct bench b;
    char path[64];

    (void)state;
    bench_start(&b);
    (void)snprintf(path, sizeof(path), "%s/layout-8", b.dir);
    assert_ok(mkdir(path, 0700));
    b.cli.is_yes = true;
    b.cli.pin_dir = b.dir;
    assert_int_equal(msp_cmd_detach(&b.cli), MSP_EXIT_USAGE);
    bench_flush(&b);
    assert_says(b.err, "not on a bpf file system");
    assert_ok(rmdir(path));
    bench_done(&b);
}

/* One object on standard output, whatever stands in the way. */
static void with_json_each_end_is_one_object(void **state)
{
    static const struct {
        bool is_yes, has_pin_dir;
        int exit_code;
        const char *result;
    } rows[] = {
        {false, false, MSP_EXIT_USAGE, "\"usage\",\"error\":\"detach ends all"},
        {true, false, MSP_EXIT_NODAEMON, "\"nodaemon\",\"error\":"},
        {true, true, MSP_EXIT_USAGE, "not on a bpf file system\"}\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bench b;

        bench_start(&b);
        b.cli.is_json = true;
        b.cli.is_yes = rows[i].is_yes;
        b.cli.pin_dir = rows[i].has_pin_dir ? b.dir : NULL;
        assert_int_equal(msp_cmd_detach(&b.cli), rows[i].exit_code);
        bench_flush(&b);
        assert_says(b.out, "{\"schema\":1,\"result\":\"");
        assert_says(b.out, rows[i].result);
        assert_ptr_equal(strchr(b.out, '\n'), b.out + b.out_len - 1);
        assert_string_equal(b.err, "");
        bench_done(&b);
    }
}

static void rollback_sends_flags_and_digest(void **state)
{
    struct msp_ctl_push push;
    char digest[65];
    struct bench b;

    (void)state;
    memset(digest, 'a', sizeof(digest) - 1);
    digest[sizeof(digest) - 1] = '\0';
    bench_start(&b);
    b.cli.expect_digest = digest;
    b.cli.is_dry_run = true;
    bench_serve(&b, MSP_CTL_ROLLBACK, MSP_CTL_REFUSED);
    assert_int_equal(msp_cmd_policy_rollback(&b.cli), MSP_EXIT_REFUSED);
    bench_flush(&b);
    assert_int_equal(b.fake.request.type, MSP_CTL_ROLLBACK);
    assert_int_equal(b.fake.request.length, sizeof(push));
    memcpy(&push, b.fake.payload, sizeof(push));
    assert_int_equal(push.flags, MSP_PUSH_EXPECT | MSP_PUSH_DRY_RUN);
    assert_int_equal(push.expect[0], 0xaa);
    assert_int_equal(push.expect[31], 0xaa);
    bench_done(&b);
}

static void rollback_of_no_digest_is_not_asked(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    b.cli.expect_digest = "nonsense";
    assert_int_equal(msp_cmd_policy_rollback(&b.cli), MSP_EXIT_USAGE);
    bench_flush(&b);
    assert_says(b.err, "not a digest");
    bench_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(detach_wants_a_yes_and_explains),
        cmocka_unit_test(detach_asks_the_daemon),
        cmocka_unit_test(without_a_daemon_it_names_the_other_way),
        cmocka_unit_test(only_a_bpf_file_system_is_emptied),
        cmocka_unit_test(with_json_each_end_is_one_object),
        cmocka_unit_test(rollback_sends_flags_and_digest),
        cmocka_unit_test(rollback_of_no_digest_is_not_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
