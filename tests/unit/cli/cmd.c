/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Whole verbs against a fake daemon: what is sent, said and returned. */
// clang-format off
#include "harness/test.h"
// clang-format on
#include <msp/policy.h>

#include "bench.h"

#define ITEM "{\"mode\":\"disabled\",\"defaultAccess\":\"deny\",\"id\":\"\"}"
/* A document without a finding. */
#define QUIET                                                              \
    "{\"version\":1,\"endpoints\":{\"imds\":" ITEM ",\"wireserver\":" ITEM \
    ",\"hostga\":" ITEM "}}"

static void exit_code_follows_from_the_status(void **state)
{
    static const struct {
        enum msp_ctl_status status;
        int exit_code;
        bool is_on_out;
    } cases[] = {
        {MSP_CTL_OK, 0, true},        {MSP_CTL_REFUSED, 1, false},
        {MSP_CTL_INVALID, 2, false},  {MSP_CTL_DEGRADED, 4, true},
        {MSP_CTL_INTERNAL, 5, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        bench_serve(&b, MSP_CTL_STATUS, cases[i].status, "sa=word\n\n", 9);
        assert_int_equal(msp_cmd_status(&b.cli), cases[i].exit_code);
        bench_flush(&b);
        assert_int_equal(b.fake.request.type, MSP_CTL_STATUS);
        assert_says(cases[i].is_on_out ? b.out : b.err, "a  word\n");
        assert_int_equal(*(cases[i].is_on_out ? b.err : b.out), '\0');
        bench_done(&b);
    }
}

static void no_daemon_is_exit_three_and_says_so(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    assert_int_equal(msp_cmd_audit(&b.cli), MSP_EXIT_NODAEMON);
    bench_flush(&b);
    assert_says(b.err, "mspd is not running");
    assert_says(b.err, b.socket);
    bench_done(&b);
}

static void another_version_is_named_with_both_numbers(void **state)
{
    struct msp_ctl_header header = {.magic = MSP_CTL_MAGIC,
                                    .version = MSP_CTL_VERSION + 41,
                                    .status = MSP_CTL_BAD_VERSION};
    struct bench b;

    (void)state;
    bench_start(&b);
    b.fake.is_listener = true;
    b.fake.fd = fake_listen(b.socket);
    b.fake.reply = memcpy(malloc(sizeof(header)), &header, sizeof(header));
    b.fake.reply_len = sizeof(header);
    fake_start(&b.fake);
    assert_int_equal(msp_cmd_status(&b.cli), MSP_EXIT_INTERNAL);
    bench_flush(&b);
    assert_says(b.err, "version 42");
    assert_says(b.err, "version 1:");
    bench_done(&b);
}

static void malformed_records_are_no_answer(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    bench_serve(&b, MSP_CTL_STATUS, MSP_CTL_OK, "rubbish", 7);
    assert_int_equal(msp_cmd_status(&b.cli), MSP_EXIT_INTERNAL);
    bench_flush(&b);
    assert_int_equal(b.out[0], '\0');
    assert_says(b.err, "malformed");
    bench_done(&b);
}

/* The image of the default policy; free() */
static uint8_t *default_image(size_t *ret_len)
{
    const char *text = msp_policy_default();
    struct msp_diags diags = {0};
    uint8_t *image = NULL;

    assert_ok(msp_policy_compile(text, strlen(text), &diags, &image, ret_len));
    msp_diags_done(&diags);
    return image;
}

static void push_of(struct bench *b, const void *data, size_t len)
{
    msp_autofree uint8_t *image = NULL;
    const struct msp_ctl_push *push;
    size_t image_len = 0;

    image = default_image(&image_len);
    bench_write(b, data, len);
    b->cli.is_dry_run = true;
    b->cli.expect_digest =
        "0102030405060708090A0b0c0d0e0f101112131415161718191a1b1c1d1e1fFF";
    bench_serve(b, MSP_CTL_PUSH, MSP_CTL_OK, "unew.generation=5\n\n", 19);
    assert_int_equal(msp_cmd_policy_push(&b->cli), MSP_EXIT_OK);
    bench_flush(b);
    assert_true(b->fake.is_read);
    assert_int_equal(b->fake.request.type, MSP_CTL_PUSH);
    assert_int_equal(b->fake.request.length, sizeof(*push) + image_len);
    push = (const void *)b->fake.payload;
    assert_int_equal(push->flags, MSP_PUSH_DRY_RUN | MSP_PUSH_EXPECT);
    assert_int_equal(push->pad, 0);
    assert_int_equal(push->expect[0], 1);
    assert_int_equal(push->expect[9], 0x0a);
    assert_int_equal(push->expect[31], 0xff);
    assert_memory_equal(b->fake.payload + sizeof(*push), image, image_len);
    assert_says(b->out, "new.generation  5\n");
}

static void push_compiles_and_sends_the_image(void **state)
{
    const char *text = msp_policy_default();
    struct bench b;

    (void)state;
    bench_start(&b);
    push_of(&b, text, strlen(text));
    bench_done(&b);
}

static void push_takes_an_image_as_it_is(void **state)
{
    msp_autofree uint8_t *image = NULL;
    struct bench b;
    size_t len = 0;

    (void)state;
    image = default_image(&len);
    bench_start(&b);
    push_of(&b, image, len);
    bench_done(&b);
}

static void push_refuses_before_it_asks(void **state)
{
    static const struct {
        const char *text, *digest, *says;
    } cases[] = {
        {"{", NULL, "syntax"},
        {"{\"version\":1,\"endpoints\":{},\"x\":1}", NULL, "unknown-member"},
        {NULL, "none", "No such file"},
        {"{}", "abc", "not a digest"},
        {"{}",
         "g0000000000000000000000000000000"
         "00000000000000000000000000000000",
         "not a digest"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        if (cases[i].text)
            bench_write(&b, cases[i].text, strlen(cases[i].text));
        b.cli.expect_digest = cases[i].digest;
        assert_int_equal(msp_cmd_policy_push(&b.cli), MSP_EXIT_USAGE);
        bench_flush(&b);
        assert_says(b.err, cases[i].says);
        bench_done(&b);
    }
}

static void push_refuses_a_damaged_image(void **state)
{
    msp_autofree uint8_t *image = NULL;
    struct bench b;
    size_t len = 0;

    (void)state;
    image = default_image(&len);
    image[len - 1] ^= 1;
    bench_start(&b);
    bench_write(&b, image, len);
    assert_int_equal(msp_cmd_policy_push(&b.cli), MSP_EXIT_USAGE);
    bench_flush(&b);
    bench_done(&b);
}

static void check_needs_no_daemon(void **state)
{
    const char *text = msp_policy_default();
    struct bench b;

    (void)state;
    bench_start(&b);
    bench_write(&b, text, strlen(text));
    assert_int_equal(msp_cmd_policy_check(&b.cli), MSP_EXIT_OK);
    bench_flush(&b);
    assert_says(b.out, "ok, digest ");
    bench_done(&b);
}

static void check_reads_a_document_as_it_is_told(void **state)
{
    static const struct {
        const char *text, *form, *endpoint, *mode;
        int code;
        const char *says; /* on err; NULL = nothing */
    } cases[] = {
        {"{\"defaultAccess\":\"allow\"}", NULL, "wireserver", "audit",
         MSP_EXIT_OK, "none for imds"},
        {"{}", "local", "imds", NULL, MSP_EXIT_OK, "none for wireserver"},
        {"{\"defaultAccess\":\"allow\"}", NULL, NULL, NULL, MSP_EXIT_USAGE,
         "--endpoint imds or wireserver"},
        {QUIET, NULL, NULL, NULL, MSP_EXIT_OK, NULL},
        {QUIET, NULL, NULL, "audit", MSP_EXIT_USAGE, "--mode"},
        {"{}", NULL, NULL, NULL, MSP_EXIT_USAGE, "--form"},
        {"{}", "xml", NULL, NULL, MSP_EXIT_USAGE, "not a form"},
        {"{}", "local", "imds", "Audit", MSP_EXIT_USAGE, "not a mode"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        bench_write(&b, cases[i].text, strlen(cases[i].text));
        b.cli.form = cases[i].form;
        b.cli.endpoint = cases[i].endpoint;
        b.cli.mode = cases[i].mode;
        assert_int_equal(msp_cmd_policy_check(&b.cli), cases[i].code);
        bench_flush(&b);
        if (cases[i].says)
            assert_says(b.err, cases[i].says);
        else
            assert_int_equal(b.err[0], '\0');
        bench_done(&b);
    }
}

static void an_image_has_no_form(void **state)
{
    msp_autofree uint8_t *image = NULL;
    struct bench b;
    size_t len = 0;

    (void)state;
    image = default_image(&len);
    bench_start(&b);
    bench_write(&b, image, len);
    b.cli.endpoint = "imds";
    assert_int_equal(msp_cmd_policy_push(&b.cli), MSP_EXIT_USAGE);
    bench_flush(&b);
    assert_says(b.err, "are for documents");
    bench_done(&b);
}

static void check_lists_errors_as_json_on_request(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    b.cli.is_json = true;
    bench_write(&b, "{\"version\":2}", 13);
    assert_int_equal(msp_cmd_policy_check(&b.cli), MSP_EXIT_USAGE);
    bench_flush(&b);
    assert_int_equal(strncmp(b.out, "{\"schema\":1,", 12), 0);
    assert_says(b.out, "\"version\"");
    assert_int_equal(b.err[0], '\0');
    bench_done(&b);
}

/* One line on out that begins as promised, nothing on err. */
static void assert_json(const struct bench *b, const char *begin,
                        const char *part)
{
    assert_string_equal(b->err, "");
    if (strncmp(b->out, begin, strlen(begin)) != 0 || !strstr(b->out, part) ||
        b->out[b->out_len - 1] != '\n')
        fail_msg("not \"%s\" with \"%s\": %s", begin, part, b->out);
}

static void every_failure_is_an_object_on_request(void **state)
{
    static const char ok[] = "{\"schema\":1,\"result\":\"ok\",\"digest\":\"";
    static const char usage[] = "{\"schema\":1,\"result\":\"usage\",\"error\":";
    static const char invalid[] =
        "{\"schema\":1,\"result\":\"invalid\",\"error\":";
    static const char nodaemon[] =
        "{\"schema\":1,\"result\":\"nodaemon\",\"error\":";

    static const struct {
        int (*verb)(struct msp_cli *cli);
        const char *text; /* NULL: no file */
        const char *digest;
        int exit_code;
        const char *begin, *part;
    } cases[] = {
        {msp_cmd_policy_check, NULL, NULL, 2, usage, "No such file"},
        {msp_cmd_policy_check, "{", NULL, 2, invalid, "\"diagnostics\":["},
        {msp_cmd_policy_check, "{\"version\":1}", NULL, 2, invalid, "missing"},
        {msp_cmd_policy_push, "{}", "abc", 2, usage, "not a digest"},
        {msp_cmd_policy_push, "{\"version\":2}", NULL, 2, invalid,
         "\"diagnostics\":["},
        {msp_cmd_policy_check, QUIET, NULL, 0, ok, "\"diagnostics\":[]"},
        {msp_cmd_policy_push, QUIET, NULL, 3, nodaemon, "not running"},
        {msp_cmd_status, NULL, NULL, 3, nodaemon, "not running"},
        {msp_cmd_netns_list, NULL, NULL, 3, nodaemon, "not running"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        b.cli.is_json = true;
        b.cli.expect_digest = cases[i].digest;
        if (cases[i].text)
            bench_write(&b, cases[i].text, strlen(cases[i].text));
        assert_int_equal(cases[i].verb(&b.cli), cases[i].exit_code);
        bench_flush(&b);
        assert_json(&b, cases[i].begin, cases[i].part);
        bench_done(&b);
    }
}

static void status_hides_what_says_nothing(void **state)
{
    static const char payload[] = "sa=b\n\n"
                                  "s_item=capabilities\nsname=CAP_BPF\n\n"
                                  "s_item=stats\nsname=quiet\nuvalue=0\n\n"
                                  "s_item=stats\nsname=loud\nuvalue=7\n\n";

    static const struct {
        bool is_all, is_json, is_shown;
    } cases[] = {{0, 0, 0}, {1, 0, 1}, {0, 1, 1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        b.cli.is_all = cases[i].is_all;
        b.cli.is_json = cases[i].is_json;
        bench_serve(&b, MSP_CTL_STATUS, MSP_CTL_OK, payload,
                    sizeof(payload) - 1);
        assert_int_equal(msp_cmd_status(&b.cli), MSP_EXIT_OK);
        bench_flush(&b);
        assert_says(b.out, "loud");
        assert_true(!strstr(b.out, "CAP_BPF") == !cases[i].is_shown);
        assert_true(!strstr(b.out, "quiet") == !cases[i].is_shown);
        bench_done(&b);
    }
}

static void audit_ends_with_the_newest(void **state)
{
    static const char payload[] =
        "udropped=0\n\n"
        "s_item=audit\nsreason=one\nslast=2026-01-02\n\n"
        "s_item=audit\nsreason=two\nslast=2026-01-03\n\n"
        "s_item=audit\nsreason=three\nslast=2026-01-01\n\n"
        "s_item=counters\nucount=1\n\n";

    (void)state;
    for (int is_json = 0; is_json <= 1; is_json++) {
        struct bench b;

        bench_start(&b);
        b.cli.is_json = is_json;
        bench_serve(&b, MSP_CTL_AUDIT, MSP_CTL_OK, payload,
                    sizeof(payload) - 1);
        assert_int_equal(msp_cmd_audit(&b.cli), MSP_EXIT_OK);
        bench_flush(&b);
        assert_says(b.out, "one");
        assert_true(strstr(b.out, "three") < strstr(b.out, "one"));
        assert_true(strstr(b.out, "one") < strstr(b.out, "two"));
        bench_done(&b);
    }
}

static void show_prints_the_policy_of_the_daemon(void **state)
{
    static const char record[] =
        "upolicy.generation=3\n\n"; /* NUL: its separator */
    msp_autofree uint8_t *image = NULL;
    msp_autofree char *payload = NULL;
    size_t len = 0;

    (void)state;
    image = default_image(&len);
    payload = malloc(sizeof(record) + len);
    assert_non_null(payload);
    memcpy(payload, record, sizeof(record));
    memcpy(payload + sizeof(record), image, len);
    for (int is_json = 0; is_json <= 1; is_json++) {
        struct bench b;

        bench_start(&b);
        b.cli.is_json = is_json;
        bench_serve(&b, MSP_CTL_SHOW, MSP_CTL_OK, payload,
                    sizeof(record) + len);
        assert_int_equal(msp_cmd_policy_show(&b.cli), MSP_EXIT_OK);
        bench_flush(&b);
        assert_says(b.out, is_json ? "\"policy\":{\"generation\":3},\"image\":{"
                                   : "policy.generation  3\n\n");
        assert_says(b.out, "wireserver");
        bench_done(&b);
    }
}

static void show_without_a_policy_is_null(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    b.cli.is_json = true;
    bench_serve(&b, MSP_CTL_SHOW, MSP_CTL_OK, "ugeneration=0\n\n\0", 16);
    assert_int_equal(msp_cmd_policy_show(&b.cli), MSP_EXIT_OK);
    bench_flush(&b);
    assert_string_equal(b.out, "{\"schema\":1,\"result\":\"ok\","
                               "\"generation\":0,\"image\":null}\n");
    bench_done(&b);
}

static void show_refuses_an_image_that_is_damaged(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    bench_serve(&b, MSP_CTL_SHOW, MSP_CTL_OK, "ugeneration=1\n\n\0rubbish", 23);
    assert_int_equal(msp_cmd_policy_show(&b.cli), MSP_EXIT_INTERNAL);
    bench_flush(&b);
    assert_int_equal(b.out[0], '\0');
    bench_done(&b);
}

static void netns_add_sends_an_absolute_path(void **state)
{
    char here[256], expected[300];
    static const char *const paths[] = {"/run/netns/a", "ns/a"};

    (void)state;
    assert_non_null(getcwd(here, sizeof(here)));
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct bench b;

        bench_start(&b);
        b.cli.operand[0] = paths[i];
        bench_serve(&b, MSP_CTL_NETNS_ADD, MSP_CTL_OK, "uport=61080\n\n", 13);
        assert_int_equal(msp_cmd_netns_add(&b.cli), MSP_EXIT_OK);
        bench_flush(&b);
        (void)snprintf(expected, sizeof(expected), "%s%s%s",
                       paths[i][0] == '/' ? "" : here,
                       paths[i][0] == '/' ? "" : "/", paths[i]);
        assert_string_equal(b.fake.payload, expected);
        bench_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_code_follows_from_the_status),
        cmocka_unit_test(no_daemon_is_exit_three_and_says_so),
        cmocka_unit_test(another_version_is_named_with_both_numbers),
        cmocka_unit_test(malformed_records_are_no_answer),
        cmocka_unit_test(push_compiles_and_sends_the_image),
        cmocka_unit_test(push_takes_an_image_as_it_is),
        cmocka_unit_test(push_refuses_before_it_asks),
        cmocka_unit_test(push_refuses_a_damaged_image),
        cmocka_unit_test(check_needs_no_daemon),
        cmocka_unit_test(check_reads_a_document_as_it_is_told),
        cmocka_unit_test(an_image_has_no_form),
        cmocka_unit_test(check_lists_errors_as_json_on_request),
        cmocka_unit_test(every_failure_is_an_object_on_request),
        cmocka_unit_test(status_hides_what_says_nothing),
        cmocka_unit_test(audit_ends_with_the_newest),
        cmocka_unit_test(show_prints_the_policy_of_the_daemon),
        cmocka_unit_test(show_without_a_policy_is_null),
        cmocka_unit_test(show_refuses_an_image_that_is_damaged),
        cmocka_unit_test(netns_add_sends_an_absolute_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
