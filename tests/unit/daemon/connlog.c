/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/connlog.h"

#include "harness/test.h"

static const uint8_t imds[16] = {[10] = 0xff, 0xff, 169, 254, 169, 254};

static void expect_text(const struct msp_buf *buf, const char *text)
{
    assert_int_equal(buf->len, strlen(text));
    assert_memory_equal(buf->data, text, buf->len);
}

static void connect_line_says_who_and_why(void **state)
{
    msp_cleanup(msp_buf_done) struct msp_buf buf = {.max = 4096};
    struct msp_event event = {
        .generation = 3,
        .cgroup_id = 12,
        .netns_cookie = 4101,
        .uid = 1000,
        .pid = 42,
        .flags = MSP_MARK_CONTAINER,
        .verdict = MSP_VERDICT_DENY,
        .reason = MSP_REASON_NEEDS_ROOT,
        .port = 80,
        .exe_name = {"curl"},
        .endpoint_name = "imds",
    };

    (void)state;
    memcpy(event.addr, imds, sizeof(imds));
    assert_ok(
        msp_connlog_connect_line(&buf, &event, 1620216000123456789ull, 5));
    expect_text(&buf,
                "{\"schema\":1,\"time\":\"2021-05-05T12:00:00.123Z\","
                "\"stage\":\"connect\",\"verdict\":\"deny\","
                "\"reason\":\"needs-root\",\"endpoint\":\"imds\","
                "\"addr\":\"169.254.169.254\",\"port\":80,\"uid\":1000,"
                "\"pid\":42,\"comm\":\"curl\",\"cgroup\":12,\"netns\":4101,"
                "\"root\":false,\"container\":true,\"generation\":3,"
                "\"dropped\":5}\n");
}

static void request_line_escapes_what_the_client_wrote(void **state)
{
    msp_cleanup(msp_buf_done) struct msp_buf buf = {.max = 4096};
    struct msp_child_log record = {
        .verdict = MSP_VERDICT_ALLOW,
        .reason = MSP_REASON_PRIVILEGE,
        .status = 200,
        .upstream = 200,
        .is_signed = 1,
        .method = "GET",
        .target = "/a\"b\\c\n\x7f\xff?x",
        .endpoint = "imds",
        .identity = "web",
        .privilege = "inst",
    };

    (void)state;
    memcpy(record.mark.addr, imds, sizeof(imds));
    assert_ok(msp_connlog_request_line(&buf, &record, 0, 0));
    assert_ok(msp_buf_append(&buf, "", 1));
    assert_non_null(
        strstr((char *)buf.data,
               "\"target\":\"/a\\\"b\\\\c\\u000a\\u007f\\u00ff?x\""));
    assert_non_null(strstr((char *)buf.data, "\"signed\":true"));
    assert_ptr_equal(strchr((char *)buf.data, '\n'),
                     buf.data + buf.len - 2); /* one line */
}

static void text_without_its_nul_is_cut_at_the_field(void **state)
{
    msp_cleanup(msp_buf_done) struct msp_buf buf = {.max = 8192};
    struct msp_child_log record = {0};

    (void)state;
    memset(record.method, 'M', sizeof(record.method));
    memset(record.target, 'T', sizeof(record.target));
    assert_ok(msp_connlog_request_line(&buf, &record, 0, 0));
    assert_ok(msp_buf_append(&buf, "", 1));
    assert_non_null(
        strstr((char *)buf.data, "\"method\":\"MMMMMMMMMMMMMMMM\","));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_line_says_who_and_why),
        cmocka_unit_test(request_line_escapes_what_the_client_wrote),
        cmocka_unit_test(text_without_its_nul_is_cut_at_the_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
