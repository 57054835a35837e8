/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/connlog.h"

#include <fcntl.h>

#include <msp/limits.h>
#include <msp/payer.h>

#include "harness/test.h"

static const uint8_t imds[16] = {[10] = 0xff, 0xff, 169, 254, 169, 254};

static void expect_text(const struct msp_buf *buf, const char *text)
{
    assert_int_equal(buf->len, strlen(text));
    assert_memory_equal(buf->data, text, buf->len);
}

/* Knows the file 77 and the cgroup 12. */
static const char *exe_path(void *data, const struct msp_exe *exe)
{
    return exe->ino == 77 ? data : NULL;
}

static const char *cgroup_path(void *data, uint64_t id)
{
    (void)data;
    return id == 12 ? "/a.slice/b" : NULL;
}

static const struct msp_ctr_record *container(void *data, uint64_t id)
{
    static const struct msp_ctr_record record = {
        .text = {[MSP_CTR_CGROUP] = "/a.slice/b",
                 [MSP_CTR_ID] = "0123",
                 [MSP_CTR_NAME] = "we\"b\n",
                 [MSP_CTR_POD_NAME] = "web-0"}};

    (void)data;
    return id == 12 ? &record : NULL;
}

static const struct msp_dropped none;
static char curl[] = "/usr/bin/curl";
static const struct msp_paths paths = {curl, exe_path, cgroup_path, container,
                                       NULL};

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
        .exe = {.s_dev = 8, .generation = 0, .ino = 77},
        .exe_name = {"curl"},
        .endpoint_name = "imds",
    };

    (void)state;
    memcpy(event.addr, imds, sizeof(imds));
    assert_ok(msp_connlog_connect_line(&buf, &event, &paths,
                                       1620216000123456789ull,
                                       (struct msp_dropped){5, 0}));
    expect_text(&buf,
                "{\"schema\":1,\"time\":\"2021-05-05T12:00:00.123Z\","
                "\"stage\":\"connect\",\"verdict\":\"deny\","
                "\"reason\":\"needs-root\",\"endpoint\":\"imds\","
                "\"addr\":\"169.254.169.254\",\"port\":80,\"uid\":1000,"
                "\"pid\":42,\"exe_name\":\"curl\",\"exe\":\"/usr/bin/curl\","
                "\"cgroup\":12,\"cgroup_path\":\"/a.slice/b\","
                "\"container_id\":\"0123\","
                "\"container_name\":\"we\\\"b\\u000a\",\"image\":\"-\","
                "\"pod_namespace\":\"-\",\"pod\":\"web-0\","
                "\"netns\":4101,"
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
    assert_ok(msp_connlog_request_line(&buf, &record, NULL, 0, none));
    assert_ok(msp_buf_append(&buf, "", 1));
    assert_non_null(
        strstr((char *)buf.data,
               "\"target\":\"/a\\\"b\\\\c\\u000a\\u007f\\u00ff?x\""));
    assert_non_null(strstr((char *)buf.data, "\"signed\":true"));
    assert_ptr_equal(strchr((char *)buf.data, '\n'),
                     buf.data + buf.len - 2); /* one line */
}

static void expect_request(const struct msp_child_log *record,
                           const struct msp_paths *from, const char *text)
{
    msp_cleanup(msp_buf_done) struct msp_buf buf = {.max = 65536};

    assert_ok(msp_connlog_request_line(&buf, record, from, 0, none));
    assert_ok(msp_buf_append(&buf, "", 1));
    assert_non_null(strstr((char *)buf.data, text));
}

static void request_line_says_what_ran_and_where(void **state)
{
    static const struct msp_paths no_paths = {0};
    struct msp_child_log record = {.exe_name = "curl"};

    (void)state;
    record.mark.exe = (struct msp_exe){.s_dev = 8, .ino = 77};
    record.mark.cgroup_id = 12;
    expect_request(&record, &paths,
                   "\"exe_name\":\"curl\",\"exe\":\"/usr/bin/curl\","
                   "\"cgroup\":12,\"cgroup_path\":\"/a.slice/b\",");
    expect_request(&record, &no_paths,
                   "\"exe_name\":\"curl\",\"exe\":\"-\","
                   "\"cgroup\":12,\"cgroup_path\":\"-\",");
    record.mark.exe.ino = 78;
    record.mark.cgroup_id = 13;
    expect_request(&record, &paths,
                   "\"exe\":\"-\",\"cgroup\":13,\"cgroup_path\":\"-\",");
}

/* A file that is unknown is none, even if somebody has a path for number 0. */
static const char *any_exe(void *data, const struct msp_exe *exe)
{
    (void)exe;
    return data;
}

static const char *any_cgroup(void *data, uint64_t id)
{
    (void)id;
    return data;
}

static void what_the_kernel_did_not_know_has_no_path(void **state)
{
    const struct msp_paths any = {curl, any_exe, any_cgroup, NULL, NULL};
    const struct msp_child_log record = {.exe_name = "-"};

    (void)state;
    expect_request(&record, &any,
                   "\"exe_name\":\"-\",\"exe\":\"-\","
                   "\"cgroup\":0,\"cgroup_path\":\"-\","
                   "\"container_id\":\"-\",\"container_name\":\"-\","
                   "\"image\":\"-\",\"pod_namespace\":\"-\",\"pod\":\"-\",");
}

/* Texts as long as they may be, each byte to be escaped. */
static const struct msp_ctr_record *any_container(void *data, uint64_t id)
{
    static char text[MSP_CONTAINER_TEXT_BYTES],
        image[MSP_CONTAINER_IMAGE_BYTES];
    static struct msp_ctr_record record;

    (void)data;
    (void)id;
    memset(text, 0x01, sizeof(text) - 1);
    memset(image, 0x01, sizeof(image) - 1);
    for (int i = 0; i < MSP_CTR_TEXT_COUNT; i++)
        record.text[i] = i == MSP_CTR_IMAGE ? image : text;
    return &record;
}

static void the_longest_paths_fit_a_line(void **state)
{
    static char path[4096], escaped[6 * 4096 + 32];
    const struct msp_paths longest = {path, any_exe, any_cgroup, any_container,
                                      NULL};
    struct msp_child_log record = {0};
    size_t at = 0;

    (void)state;
    memset(path, 0x01, sizeof(path) - 1);
    for (size_t i = 0; i < sizeof(path) - 1; i++, at += 6)
        memcpy(escaped + at, "\\u0001", 6);
    record.mark.exe.ino = 77;
    record.mark.cgroup_id = 12;
    memset(record.target, 0x01, sizeof(record.target));
    expect_request(&record, &longest, escaped);
}

static void text_without_its_nul_is_cut_at_the_field(void **state)
{
    msp_cleanup(msp_buf_done) struct msp_buf buf = {.max = 8192};
    struct msp_child_log record = {0};

    (void)state;
    memset(record.method, 'M', sizeof(record.method));
    memset(record.target, 'T', sizeof(record.target));
    memset(record.exe_name, 'X', sizeof(record.exe_name));
    assert_ok(msp_connlog_request_line(&buf, &record, NULL, 0, none));
    assert_ok(msp_buf_append(&buf, "", 1));
    assert_non_null(
        strstr((char *)buf.data, "\"method\":\"MMMMMMMMMMMMMMMM\","));
    assert_non_null(strstr((char *)buf.data, "XXXXXXXX\",\"exe\":\"-\""));
}

/* --- the limit ----------------------------------------------------------- */

enum {
    MANY = 10 * MSP_LOG_BURST
};

static char dir[] = "/tmp/msp-connlog-XXXXXX";
static struct msp_connlog the_log;

/* All cgroups below 1 << 20 are of the container 5. */
static uint64_t top_of(void *data, uint64_t id)
{
    (void)data;
    return id < 1 << 20 ? 5 : 0;
}

static const struct msp_paths tops = {.top = top_of};

static int start(void **state)
{
    msp_autoclose int fd = -1;

    (void)state;
    if (!mkdtemp(dir))
        return -1;
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    the_log.paths = NULL;
    return fd < 0 ? -1
                  : msp_connlog_open(&the_log, fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

static int stop(void **state)
{
    char path[64];

    (void)state;
    (void)close(the_log.file.dir_fd);
    msp_connlog_done(&the_log);
    (void)snprintf(path, sizeof(path), "%s/connection.log", dir);
    (void)unlink(path);
    (void)rmdir(dir);
    memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
    return 0;
}

static void a_payer_has_one_burst_however_many_cgroups(void **state)
{
    struct msp_child_log record = {
        .mark = {.payer = msp_payer_of(MSP_PAYER_CONTAINER, 5)}};

    (void)state;
    for (uint64_t i = 0; i < MANY; i++) {
        record.mark.cgroup_id = 100 + i;
        msp_connlog_request(&the_log, &record);
    }
    assert_in_range(the_log.n_lines, MSP_LOG_BURST, MANY / 2);
    assert_int_equal(the_log.n_lines + the_log.n_dropped, MANY);
}

static void a_container_that_is_denied_has_one_burst(void **state)
{
    struct msp_event event = {.flags = MSP_MARK_CONTAINER};
    uint64_t n;

    (void)state;
    the_log.paths = &tops;
    for (uint64_t i = 0; i < MANY; i++) {
        event.cgroup_id = 100 + i;
        msp_connlog_connect(&the_log, &event);
    }
    assert_in_range(the_log.n_lines, MSP_LOG_BURST, MANY / 2);
    assert_int_equal(the_log.n_lines + the_log.n_dropped, MANY);
    /* nobody else's */
    n = the_log.n_lines;
    event.cgroup_id = 1 << 20;
    msp_connlog_connect(&the_log, &event);
    assert_int_equal(the_log.n_lines, n + 1);
}

static void what_payers_that_went_lost_is_told(void **state)
{
    msp_cleanup(msp_buf_done) struct msp_buf buf = {.max = 65536};
    const struct msp_child_log record = {0};

    (void)state;
    assert_ok(msp_connlog_request_line(&buf, &record, NULL, 0,
                                       (struct msp_dropped){3, 7}));
    assert_ok(msp_buf_append(&buf, "", 1));
    assert_non_null(
        strstr((char *)buf.data, "\"dropped\":3,\"dropped_others\":7}\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_line_says_who_and_why),
        cmocka_unit_test(request_line_escapes_what_the_client_wrote),
        cmocka_unit_test(request_line_says_what_ran_and_where),
        cmocka_unit_test(what_the_kernel_did_not_know_has_no_path),
        cmocka_unit_test(the_longest_paths_fit_a_line),
        cmocka_unit_test(text_without_its_nul_is_cut_at_the_field),
        cmocka_unit_test_setup_teardown(
            a_payer_has_one_burst_however_many_cgroups, start, stop),
        cmocka_unit_test_setup_teardown(
            a_container_that_is_denied_has_one_burst, start, stop),
        cmocka_unit_test(what_payers_that_went_lost_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
