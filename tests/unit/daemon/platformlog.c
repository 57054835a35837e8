/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/platformlog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <msp/limits.h>

#include "base/io.h"
#include "harness/test.h"

static char dir[] = "/tmp/msp-platformlog-XXXXXX";
static struct msp_platformlog the_log;

static const char *path_of(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

/* @return the file, free() */
static char *slurp(const char *name)
{
    msp_autoclose int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    size_t len = 0;

    assert_true(fd >= 0);
    assert_ok(msp_io_slurp(fd, 64u << 20, &text, &len));
    return text;
}

static struct msp_child_log record_of(enum msp_verdict verdict, uint32_t status)
{
    struct msp_child_log record = {
        .mark = {.addr = {[10] = 0xff, 0xff, 169, 254, 169, 254},
                 .port = 80,
                 .uid = 1000,
                 .flags = MSP_MARK_ROOT},
        .elapsed_us = 9999,
        .status = status,
        .verdict = verdict,
        .reason = MSP_REASON_NOT_ASSIGNED,
        .method = "GET",
        .target = "/metadata/\"x\"?a=b",
        .exe_name = "curl",
        .client_be = htonl(0x7f000001),
        .client_port = 41234,
        .detail = "",
    };

    return record;
}

static int start(void **state)
{
    (void)state;
    the_log = MSP_PLATFORMLOG_NONE;
    the_log.users.dir = "/nowhere";
    the_log.is_on = true;
    the_log.dir = dir;
    msp_platformlog_open(&the_log);
    return the_log.error;
}

static int stop(void **state)
{
    char name[64];

    (void)state;
    msp_platformlog_done(&the_log);
    (void)unlink(path_of(MSP_PLATFORMLOG_NAME));
    for (int i = 1; i < 7; i++) {
        (void)snprintf(name, sizeof(name), "%s.%d", MSP_PLATFORMLOG_NAME, i);
        (void)unlink(path_of(name));
    }
    return 0;
}

/* The line without its time. */
static void expect_line(const char *text, const char *expected)
{
    assert_true(strlen(text) > 34);
    assert_memory_equal(text + 23, " [INFO]    ", 11);
    assert_string_equal(text + 34, expected);
}

static void an_allowed_request_is_one_line(void **state)
{
    struct msp_child_log record = record_of(MSP_VERDICT_ALLOW, 200);

    (void)state;
    msp_platformlog_request(&the_log, &record, 12);
    msp_autofree char *text = slurp(MSP_PLATFORMLOG_NAME);
    expect_line(text, "{\"id\":12,\"method\":\"GET\","
                      "\"url\":\"/metadata/\\\"x\\\"?a=b\","
                      "\"clientIp\":\"127.0.0.1\",\"clientPort\":41234,"
                      "\"ip\":\"169.254.169.254\",\"port\":80,"
                      "\"userId\":1000,\"userName\":\"undefined\","
                      "\"userGroups\":[],\"processFullPath\":\"curl\","
                      "\"processCmdLine\":\"undefined\","
                      "\"runAsElevated\":true,\"responseStatus\":\"200 OK\","
                      "\"elapsedTime\":9,\"errorDetails\":\"\"}\n");
}

static size_t rows_of(const struct msp_summary *summary)
{
    size_t n = 0;

    for (int i = 0; i < MSP_SUMMARY_ROWS; i++)
        n += msp_summary_count(&summary->row[i], msp_io_now_ms()) > 0;
    return n;
}

static size_t times(const char *text, const char *word)
{
    size_t n = 0;

    for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
        n++;
    return n;
}

static void what_is_denied_is_in_both_lists(void **state)
{
    struct msp_child_log denied = record_of(MSP_VERDICT_DENY, 403);
    struct msp_child_log audited = record_of(MSP_VERDICT_AUDIT, 200);

    (void)state;
    msp_platformlog_request(&the_log, &denied, 1);
    assert_int_equal(rows_of(&the_log.failed), 1);
    assert_int_equal(rows_of(&the_log.passed), 1);
    msp_platformlog_request(&the_log, &audited, 2);
    assert_int_equal(rows_of(&the_log.failed), 1); /* alike */
    assert_int_equal(rows_of(&the_log.passed), 2);
    msp_autofree char *text = slurp(MSP_PLATFORMLOG_NAME);
    assert_int_equal(times(text, "\n"), 4);
    assert_int_equal(times(text, "\"errorDetails\":\"Authorize failed\""), 2);
    assert_int_equal(
        times(text, "\"Block unauthorized request: not-assigned\""), 1);
    assert_int_equal(times(text, "\"403 Forbidden\""), 3);
    assert_int_equal(times(text, "\"200 OK\""), 1);
}

static void a_connect_that_is_denied_made_no_request(void **state)
{
    struct msp_event event = {.addr = {[10] = 0xff, 0xff, 168, 63, 129, 16},
                              .uid = 5,
                              .flags = MSP_MARK_CONTAINER,
                              .verdict = MSP_VERDICT_DENY,
                              .reason = MSP_REASON_NEEDS_ROOT,
                              .port = 80,
                              .exe_name = {"-"}};

    (void)state;
    msp_platformlog_connect(&the_log, &event);
    event.verdict = MSP_VERDICT_DIRECT;
    msp_platformlog_connect(&the_log, &event);
    assert_int_equal(rows_of(&the_log.failed), 1);
    assert_int_equal(rows_of(&the_log.passed), 0);
    msp_autofree char *text = slurp(MSP_PLATFORMLOG_NAME);
    assert_int_equal(times(text, "\n"), 1);
    assert_non_null(strstr(text, "\"responseStatus\":\"Denied at connect\""));
    assert_non_null(
        strstr(text, "\"errorDetails\":\"Authorize failed: needs-root\""));
    assert_non_null(strstr(text, "\"ip\":\"168.63.129.16\""));
    assert_non_null(strstr(text, "\"processFullPath\":\"\""));
}

static void a_summary_has_their_members(void **state)
{
    struct msp_child_log record = record_of(MSP_VERDICT_ALLOW, 401);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    assert_non_null(out);
    msp_platformlog_request(&the_log, &record, 1);
    msp_platformlog_request(&the_log, &record, 2);
    msp_platformlog_print(&the_log, &the_log.passed, msp_io_now_ms(), out);
    assert_ok(fclose(out));
    assert_string_equal(
        text, "[\n    {\"userName\": \"undefined\", "
              "\"ip\": \"169.254.169.254\", \"port\": 80, "
              "\"processCmdLine\": \"undefined\", "
              "\"responseStatus\": \"401 Unauthorized\", \"count\": 2, "
              "\"userGroups\": [], \"processFullPath\": \"curl\"}\n  ]");
    free(text);
}

static void off_it_keeps_nothing(void **state)
{
    struct msp_child_log record = record_of(MSP_VERDICT_DENY, 403);

    (void)state;
    the_log.is_on = false;
    msp_platformlog_request(&the_log, &record, 1);
    assert_int_equal(rows_of(&the_log.failed), 0);
    msp_autofree char *text = slurp(MSP_PLATFORMLOG_NAME);
    assert_string_equal(text, "");
}

/* All cgroups are of one container. */
static uint64_t top_of(void *data, uint64_t id)
{
    (void)data;
    (void)id;
    return 5;
}

static void a_payer_has_one_burst_however_many_cgroups(void **state)
{
    static const struct msp_paths tops = {.top = top_of};
    struct msp_child_log record = record_of(MSP_VERDICT_ALLOW, 200);
    struct msp_event event = {.verdict = MSP_VERDICT_DENY};

    (void)state;
    the_log.paths = &tops;
    record.mark.payer = msp_payer_of(MSP_PAYER_CONTAINER, 5);
    for (uint64_t i = 0; i < 5ull * MSP_LOG_BURST; i++) {
        record.mark.cgroup_id = 2 * i + 1;
        msp_platformlog_request(&the_log, &record, i);
        event.cgroup_id = 2 * i + 2;
        msp_platformlog_connect(&the_log, &event);
    }
    msp_autofree char *text = slurp(MSP_PLATFORMLOG_NAME);
    assert_in_range(times(text, "\n"), MSP_LOG_BURST, 5 * MSP_LOG_BURST);
}

static void it_is_bounded(void **state)
{
    struct msp_child_log record = record_of(MSP_VERDICT_ALLOW, 200);
    struct stat st;

    (void)state;
    the_log.file.max_bytes = 1000; /* three or four lines */
    for (uint64_t i = 0; i < 60; i++)
        msp_platformlog_request(&the_log, &record, i);
    assert_ok(the_log.error);
    for (int i = 1; i <= 4; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "%s.%d", MSP_PLATFORMLOG_NAME, i);
        assert_ok(stat(path_of(name), &st));
        assert_in_range(st.st_size, 1000, 1500);
    }
    assert_int_equal(stat(path_of(MSP_PLATFORMLOG_NAME ".5"), &st), -1);
}

static void what_holds_up_is_not_written_to(void **state)
{
    (void)state;
    msp_platformlog_done(&the_log);
    assert_ok(unlink(path_of(MSP_PLATFORMLOG_NAME)));
    assert_ok(mkfifo(path_of(MSP_PLATFORMLOG_NAME), 0600));
    msp_platformlog_open(&the_log);
    assert_true(the_log.error < 0);
    assert_ok(unlink(path_of(MSP_PLATFORMLOG_NAME)));
    assert_ok(symlink("/dev/null", path_of(MSP_PLATFORMLOG_NAME)));
    msp_platformlog_retry(&the_log, the_log.retry_ms);
    assert_int_equal(the_log.error, -ELOOP);
    assert_ok(unlink(path_of(MSP_PLATFORMLOG_NAME)));
    msp_platformlog_retry(&the_log, the_log.retry_ms - 1);
    assert_int_equal(the_log.error, -ELOOP);
    msp_platformlog_retry(&the_log, the_log.retry_ms);
    assert_ok(the_log.error);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? chmod(dir, 0755) : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_allowed_request_is_one_line, start,
                                        stop),
        cmocka_unit_test_setup_teardown(what_is_denied_is_in_both_lists, start,
                                        stop),
        cmocka_unit_test_setup_teardown(
            a_connect_that_is_denied_made_no_request, start, stop),
        cmocka_unit_test_setup_teardown(a_summary_has_their_members, start,
                                        stop),
        cmocka_unit_test_setup_teardown(off_it_keeps_nothing, start, stop),
        cmocka_unit_test_setup_teardown(
            a_payer_has_one_burst_however_many_cgroups, start, stop),
        cmocka_unit_test_setup_teardown(it_is_bounded, start, stop),
        cmocka_unit_test_setup_teardown(what_holds_up_is_not_written_to, start,
                                        stop),
    };

    /* its directory is root's, in life */
    if (geteuid() != 0)
        return 77;
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
