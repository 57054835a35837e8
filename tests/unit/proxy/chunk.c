/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "proxy/chunk.h"

#include "harness/test.h"

static const struct {
    const char *raw;
    enum msp_chunk_step end; /* END, MORE or BAD */
    const char *data;        /* before the end */
    size_t left;             /* bytes behind an END */
} cases[] = {
    {"0\r\n\r\n", MSP_CHUNK_END, "", 0},
    {"5\r\nhello\r\n0\r\n\r\n", MSP_CHUNK_END, "hello", 0},
    {"5\r\nhello\r\n0\r\n\r\nGET ", MSP_CHUNK_END, "hello", 4},
    {"1\r\na\r\nA\r\n0123456789\r\n0\r\n\r\n", MSP_CHUNK_END, "a0123456789", 0},
    {"0005\r\nhello\r\n000\r\n\r\n", MSP_CHUNK_END, "hello", 0},
    {"5;name=value\r\nhello\r\n0\r\n\r\n", MSP_CHUNK_END, "hello", 0},
    {"5\r\nhello\r\n0\r\nDigest: x\r\nB: y\r\n\r\n", MSP_CHUNK_END, "hello", 0},
    {"5\r\nhel", MSP_CHUNK_MORE, "hel", 0},
    {"5\r\nhello\r\n0\r\n", MSP_CHUNK_MORE, "hello", 0},
    {"", MSP_CHUNK_MORE, "", 0},
    {"\r\n", MSP_CHUNK_BAD, "", 0},
    {";x\r\n", MSP_CHUNK_BAD, "", 0},
    {"g\r\n", MSP_CHUNK_BAD, "", 0},
    {" 5\r\n", MSP_CHUNK_BAD, "", 0},
    {"5 \r\n", MSP_CHUNK_BAD, "", 0},
    {"-5\r\n", MSP_CHUNK_BAD, "", 0},
    {"0x5\r\n", MSP_CHUNK_BAD, "", 0},
    {"5\nhello\r\n", MSP_CHUNK_BAD, "", 0},
    {"5\r\rhello", MSP_CHUNK_BAD, "", 0},
    {"5;a\nb\r\n", MSP_CHUNK_BAD, "", 0},
    {"5;a\rb\r\n", MSP_CHUNK_BAD, "", 0},
    {"5\r\nhelloX", MSP_CHUNK_BAD, "hello", 0},
    {"5\r\nhello\n", MSP_CHUNK_BAD, "hello", 0},
    {"5\r\nhello\r\r", MSP_CHUNK_BAD, "hello", 0},
    {"ffffffffffffffff\r\n", MSP_CHUNK_BAD, "", 0},
    {"0\r\n x\r\n\r\n", MSP_CHUNK_BAD, "", 0},
    {"0\r\n: x\r\n\r\n", MSP_CHUNK_BAD, "", 0},
    {"0\r\na: b\n\r\n", MSP_CHUNK_BAD, "", 0},
    {"0\r\n\rx", MSP_CHUNK_BAD, "", 0},
};

/* Feeds pieces of `step` bytes. */
static enum msp_chunk_step feed(const char *raw, size_t step, char *data,
                                char *trailer, size_t *ret_used)
{
    struct msp_chunk chunk = {0};
    enum msp_chunk_step found = MSP_CHUNK_MORE;
    size_t len = strlen(raw), at = 0, n = 0, n_trailer = 0;

    while (at < len) {
        size_t end = at + step < len ? at + step : len;
        size_t skip, data_len;

        do {
            found = msp_chunk_next(&chunk, (const uint8_t *)raw + at, end - at,
                                   &skip, &data_len);
            if (found == MSP_CHUNK_TRAILER) {
                memcpy(trailer + n_trailer, raw + at + skip, data_len);
                n_trailer += data_len;
            } else {
                memcpy(data + n, raw + at + skip, data_len);
                n += data_len;
            }
            at += skip + data_len;
        } while (found == MSP_CHUNK_DATA || found == MSP_CHUNK_TRAILER);
        if (found != MSP_CHUNK_MORE)
            break;
        assert_int_equal(at, end);
    }
    data[n] = '\0';
    trailer[n_trailer] = '\0';
    *ret_used = at;
    return found;
}

static void pieces_decode_as_the_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        for (size_t step = 1; step <= strlen(cases[i].raw) + 1; step++) {
            char data[256], trailer[256];
            size_t used;

            assert_int_equal(feed(cases[i].raw, step, data, trailer, &used),
                             cases[i].end);
            assert_string_equal(data, cases[i].data);
            if (cases[i].end == MSP_CHUNK_END)
                assert_int_equal(strlen(cases[i].raw) - used, cases[i].left);
        }
}

static void trailers_are_told_from_framing(void **state)
{
    static const struct {
        const char *raw;
        const char *trailer;
    } trailers[] = {
        {"0\r\n\r\n", ""},
        {"5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n", "A: b\r\nC: d\r\n"},
        {"0;a\r\nB:\r\n\r\nGET ", "B:\r\n"},
        {"0\r\nA: b", "A: b"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(trailers); i++)
        for (size_t step = 1; step <= strlen(trailers[i].raw) + 1; step++) {
            char data[256], trailer[256];
            size_t used;

            (void)feed(trailers[i].raw, step, data, trailer, &used);
            assert_string_equal(trailer, trailers[i].trailer);
        }
}

static void endless_extensions_are_refused(void **state)
{
    struct msp_chunk chunk = {0};
    enum msp_chunk_step found = MSP_CHUNK_MORE;
    size_t skip, len, n = 0;

    (void)state;
    (void)msp_chunk_next(&chunk, (const uint8_t *)"1;", 2, &skip, &len);
    while (found == MSP_CHUNK_MORE && n++ < 100000)
        found = msp_chunk_next(&chunk, (const uint8_t *)"x", 1, &skip, &len);
    assert_int_equal(found, MSP_CHUNK_BAD);
    assert_true(n < 2000);
}

static void endless_trailers_are_refused(void **state)
{
    struct msp_chunk chunk = {0};
    enum msp_chunk_step found;
    size_t skip, len, n = 0;

    (void)state;
    found = msp_chunk_next(&chunk, (const uint8_t *)"0\r\n", 3, &skip, &len);
    while (found != MSP_CHUNK_BAD && n++ < 100000)
        found =
            msp_chunk_next(&chunk, (const uint8_t *)"a: b\r\n", 6, &skip, &len);
    assert_int_equal(found, MSP_CHUNK_BAD);
    assert_true(n < 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_decode_as_the_whole),
        cmocka_unit_test(trailers_are_told_from_framing),
        cmocka_unit_test(endless_extensions_are_refused),
        cmocka_unit_test(endless_trailers_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
