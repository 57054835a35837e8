/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/answer.h"

#include <sys/mman.h>

#include "harness/test.h"

#define SIZE 4096

/* The room ends at a page nobody may touch. */
static char *room;

/*
 * Feeds a text in pieces of `step` bytes, then the end of the connection.
 * @return as msp_answer_take; 0 cannot be
 */
static int feed(struct msp_answer *answer, const char *text, size_t len,
                size_t step, size_t size)
{
    msp_answer_init(answer, room + SIZE - size, size);
    for (size_t at = 0; at < len;) {
        size_t left, n = len - at < step ? len - at : step;
        char *to = msp_answer_room(answer, &left);
        int r;

        if (n > left)
            n = left;
        if (n == 0)
            return -EMSGSIZE;
        memcpy(to, text + at, n);
        at += n;
        r = msp_answer_take(answer, n);
        if (r != 0)
            return at < len && r == 1 ? -EBADMSG : r;
    }
    return msp_answer_end(answer);
}

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
    const char *text;
    const char *body;
    uint32_t status;
} whole[] = {
    {OK "Content-Length: 5\r\n\r\nhello", "hello", 200},
    {OK "content-length: 0\r\n\r\n", "", 200},
    {OK "\r\nhello", "hello", 200},
    {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n"
        "0\r\nT: t\r\n\r\n",
     "hello world", 200},
    {"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nok", "ok",
     200},
    {"HTTP/1.0 503 Busy\r\nContent-Length: 1\r\n\r\n!", "!", 503},
    {"HTTP/1.1 204 None\r\n\r\n", "", 204},
};

static void an_answer_is_read_however_it_arrives(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
        size_t len = strlen(whole[i].text);

        for (size_t step = 1; step <= len; step++) {
            struct msp_answer a;
            int r = feed(&a, whole[i].text, len, step, SIZE);

            if (r != 1)
                fail_msg("row %zu in steps of %zu: %d", i, step, r);
            assert_int_equal(a.head.status, whole[i].status);
            assert_int_equal(a.body_len, strlen(whole[i].body));
            assert_memory_equal(a.buf + a.body, whole[i].body, a.body_len);
        }
    }
}

static void every_truncation_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
        size_t len = strlen(whole[i].text);
        bool is_until_end = i == 2;

        for (size_t cut = 0; cut < len && !is_until_end; cut++) {
            struct msp_answer a;

            assert_int_equal(feed(&a, whole[i].text, cut, 7, SIZE),
                             -ECONNRESET);
        }
    }
}

static void what_is_no_single_answer_is_refused(void **state)
{
    static const char *const texts[] = {
        "hello\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        OK "Content-Length: 2\r\n\r\nabc",
        OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\nx\r\n",
        OK "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore",
        OK "Transfer-Encoding: gzip\r\n\r\n",
        OK "A: b\r\n c\r\n\r\n",
        "HTTP/1.1 204 None\r\n\r\nbody",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct msp_answer a;

        if (feed(&a, texts[i], strlen(texts[i]), SIZE, SIZE) != -EBADMSG)
            fail_msg("accepted: %s", texts[i]);
    }
}

static void what_is_larger_than_its_room_is_refused(void **state)
{
    static const char fits[] = OK "Content-Length: 64\r\n\r\n";
    static const char *const large[] = {
        OK "Content-Length: 65\r\n\r\n",
        OK "Content-Length: 99999999999\r\n\r\n",
    };
    char text[SIZE];
    struct msp_answer a;
    size_t size = strlen(fits) + 64;

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, fits, strlen(fits));
    assert_int_equal(feed(&a, text, size, 5, size), 1);
    for (size_t i = 0; i < ARRAY_SIZE(large); i++) {
        memcpy(text, large[i], strlen(large[i]));
        assert_int_equal(feed(&a, text, strlen(large[i]), 5, size), -EMSGSIZE);
    }
    /* until the end of the connection, and chunked */
    memset(text, 'x', sizeof(text));
    memcpy(text, OK "\r\n", strlen(OK "\r\n"));
    assert_int_equal(feed(&a, text, size + 1, 5, size), -EMSGSIZE);
    (void)snprintf(text, sizeof(text),
                   OK "Transfer-Encoding: chunked\r\n\r\n80\r\n%0128d\r\n", 1);
    assert_int_equal(feed(&a, text, strlen(text), 5, size), -EMSGSIZE);
    /* a head without an end */
    memset(text, 'x', sizeof(text));
    memcpy(text, OK "A: ", strlen(OK "A: "));
    assert_int_equal(feed(&a, text, size + 1, 5, size), -EMSGSIZE);
}

static void headers_are_found_by_name(void **state)
{
    static const char text[] =
        OK "Date: one\r\nX: y\r\nDATE: two\r\nContent-Length: 0\r\n\r\n";
    struct msp_answer a;
    const char *value;
    size_t len = 0;

    (void)state;
    assert_int_equal(feed(&a, text, strlen(text), 9, SIZE), 1);
    value = msp_answer_header(&a, "date", &len);
    assert_non_null(value);
    assert_int_equal(len, 3);
    assert_memory_equal(value, "two", 3);
    assert_null(msp_answer_header(&a, "dat", &len));
}

static int make_room(void **state)
{
    (void)state;
    room = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return -1;
    return mprotect(room + SIZE, SIZE, PROT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_read_however_it_arrives),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(what_is_no_single_answer_is_refused),
        cmocka_unit_test(what_is_larger_than_its_room_is_refused),
        cmocka_unit_test(headers_are_found_by_name),
    };

    return cmocka_run_group_tests(tests, make_room, NULL);
}
