/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/finished.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "harness/test.h"

static const struct msp_child_log usual = {
    .head = {.type = MSP_CHILD_LOG, .id = 7},
    .mark = {.addr = {[10] = 0xff, [11] = 0xff, [12] = 169},
             .exe = {.ino = 11},
             .cgroup_id = 12,
             .payer = 13,
             .pid = 14,
             .flags = 15},
    .generation = 1,
    .elapsed_us = 2,
    .status = 200,
    .serial = 3,
    .client_be = 4,
    .client_port = 5,
    .method = "GET",
    .target = "/metadata/instance?api-version=2021-02-01",
    .endpoint = "imds",
    .identity = "agent",
    .privilege = "",
    .exe_name = "curl",
    .detail = "none",
};

static void fill(char *text, size_t size)
{
    memset(text, 'x', size - 1);
}

static struct msp_child_log largest(void)
{
    struct msp_child_log record = usual;

    fill(record.method, sizeof(record.method));
    fill(record.target, sizeof(record.target));
    fill(record.endpoint, sizeof(record.endpoint));
    fill(record.identity, sizeof(record.identity));
    fill(record.privilege, sizeof(record.privilege));
    fill(record.exe_name, sizeof(record.exe_name));
    fill(record.detail, sizeof(record.detail));
    return record;
}

/* Into just as much memory as it takes, so that a sanitizer sees more. */
static void *packed(const struct msp_child_log *record, size_t *ret_len)
{
    static uint8_t room[sizeof(*record)];
    void *copy;

    *ret_len = msp_finished_pack(room, sizeof(room), record);
    assert_in_range(*ret_len, 1, sizeof(room));
    copy = malloc(*ret_len);
    assert_non_null(copy);
    memcpy(copy, room, *ret_len);
    return copy;
}

static void expect_whole(const struct msp_child_log *record)
{
    struct msp_child_log got, want = *record;
    size_t len;
    void *bytes = packed(record, &len);

    memset(&got, 0xff, sizeof(got));
    assert_int_equal(msp_finished_unpack(bytes, len, &got), len);
    memset(&want.mark.ids, 0, sizeof(want.mark.ids));
    assert_memory_equal(&got, &want, sizeof(want));
    free(bytes);
}

static void what_goes_in_comes_out(void **state)
{
    struct msp_child_log record = largest();
    const struct msp_child_log least = {.head.type = MSP_CHILD_LOG};

    (void)state;
    expect_whole(&usual);
    expect_whole(&least);
    record.mark.ids.word[3] = 5; /* which stay */
    expect_whole(&record);
}

static void the_usual_one_is_short(void **state)
{
    size_t len;

    (void)state;
    free(packed(&usual, &len));
    assert_in_range(len, 1, 300);
}

static void they_stand_in_a_row(void **state)
{
    const struct msp_child_log long_one = largest();
    uint8_t bytes[2 * sizeof(usual)];
    struct msp_child_log got;
    size_t first = msp_finished_pack(bytes, sizeof(bytes), &long_one);
    size_t second =
        msp_finished_pack(bytes + first, sizeof(bytes) - first, &usual);

    (void)state;
    assert_int_equal(msp_finished_unpack(bytes, first + second, &got), first);
    assert_string_equal(got.target, long_one.target);
    assert_int_equal(msp_finished_unpack(bytes + first, second, &got), second);
    assert_string_equal(got.target, usual.target);
}

static void without_room_nothing_is_written(void **state)
{
    const struct msp_child_log record = largest();
    uint8_t bytes[sizeof(record)] = {0};
    const uint8_t none[sizeof(record)] = {0};

    (void)state;
    assert_int_equal(msp_finished_pack(bytes, sizeof(bytes) - 1, &record), 0);
    assert_memory_equal(bytes, none, sizeof(bytes));
    assert_int_equal(msp_finished_pack(bytes, sizeof(bytes), &record),
                     sizeof(bytes) - sizeof(record.mark.ids));
}

static void what_is_cut_is_none(void **state)
{
    struct msp_child_log got;
    size_t len;
    uint8_t *bytes = packed(&usual, &len);

    (void)state;
    for (size_t n = 0; n < len; n++) {
        uint8_t *cut = malloc(n ? n : 1);

        assert_non_null(cut);
        memcpy(cut, bytes, n);
        assert_int_equal(msp_finished_unpack(cut, n, &got), -EPROTO);
        free(cut);
    }
    free(bytes);
}

static void a_text_without_end_is_none(void **state)
{
    struct msp_child_log got;
    size_t len;
    uint8_t *bytes = packed(&usual, &len), *more;

    (void)state;
    more = malloc(len + 2000);
    assert_non_null(more);
    memset(more, 'x', len + 2000);
    for (size_t i = 0; i < 2; i++) { /* in the first text, in the last */
        size_t from = i == 0 ? len -
                                   strlen("GET/metadata/instance?api-version="
                                          "2021-02-01imdsagentcurlnone") -
                                   7
                             : len - 1;

        memcpy(more, bytes, from);
        memset(more + from, 'x', len - from);
        assert_int_equal(msp_finished_unpack(more, len + 2000, &got), -EPROTO);
    }
    free(more);
    free(bytes);
}

static void another_packet_is_none(void **state)
{
    struct msp_child_log record = usual, got;
    size_t len;
    void *bytes;

    (void)state;
    record.head.type = MSP_CHILD_READY;
    bytes = packed(&record, &len);
    assert_int_equal(msp_finished_unpack(bytes, len, &got), -EPROTO);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(the_usual_one_is_short),
        cmocka_unit_test(they_stand_in_a_row),
        cmocka_unit_test(without_room_nothing_is_written),
        cmocka_unit_test(what_is_cut_is_none),
        cmocka_unit_test(a_text_without_end_is_none),
        cmocka_unit_test(another_packet_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
