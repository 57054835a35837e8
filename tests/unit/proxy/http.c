/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "proxy/http.h"

#include "harness/test.h"

#define H "Host: 169.254.169.254\r\n"

struct text {
    const char *ptr;
    size_t len;
};

#define T(literal)                   \
    {                                \
        literal, sizeof(literal) - 1 \
    }

static const struct {
    struct text head;
    enum msp_http_code code;
} requests[] = {
    {T("GET / HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_OK},
    {T("GET / HTTP/1.0\r\n\r\n"), MSP_HTTP_OK},
    {T("PATCH /a?b=c HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\n"), MSP_HTTP_OK},
    {T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"),
     MSP_HTTP_OK},
    {T("POST / HTTP/1.1\r\n" H "transfer-encoding: Chunked\r\n\r\n"),
     MSP_HTTP_OK},
    {T("GET / HTTP/1.1\r\n" H "X: a\tb \xc3\xa4\r\nY:\r\n\r\n"), MSP_HTTP_OK},
    {T("GET / HTTP/1.1\r\n" H "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
     MSP_HTTP_OK},
    {T("\r\nGET / HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_EMPTY_LINE},
    {T("GET / HTTP/1.1\n" H "\r\n"), MSP_HTTP_BARE_LF},
    {T("GET / HTTP/1.1\r\n" H "X: y\n\r\n"), MSP_HTTP_BARE_LF},
    {T("GET / HTTP/1.1\r\n" H "\n"), MSP_HTTP_BARE_LF},
    {T("GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n"), MSP_HTTP_BARE_CR},
    {T("GET / HTTP/1.1\r\n" H "X: a\r\r\n\r\n"), MSP_HTTP_BARE_CR},
    {T("GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"), MSP_HTTP_NUL},
    {T("GET /\0 HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_NUL},
    {T("GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n"), MSP_HTTP_FOLD},
    {T("GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n"), MSP_HTTP_FOLD},
    {T("GET / HTTP/1.1\r\n X: a\r\n\r\n"), MSP_HTTP_FOLD},
    {T("GET  / HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_REQUEST_LINE},
    {T("GET /\r\n" H "\r\n"), MSP_HTTP_REQUEST_LINE},
    {T(" GET / HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_REQUEST_LINE},
    {T("GET\r\n" H "\r\n"), MSP_HTTP_REQUEST_LINE},
    {T("GET /a b HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_VERSION},
    {T("GET /  HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_VERSION},
    {T("GET / HTTP/1.1 \r\n" H "\r\n"), MSP_HTTP_VERSION},
    {T("GET / HTTP/2.0\r\n" H "\r\n"), MSP_HTTP_VERSION},
    {T("GET / HTTP/0.9\r\n" H "\r\n"), MSP_HTTP_VERSION},
    {T("GET / HTTP/1.2\r\n" H "\r\n"), MSP_HTTP_VERSION},
    {T("GET / http/1.1\r\n" H "\r\n"), MSP_HTTP_VERSION},
    {T("GET / HTTP/1.10\r\n" H "\r\n"), MSP_HTTP_VERSION},
    {T("CONNECT a:1 HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_METHOD},
    {T("TRACE / HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_METHOD},
    {T("get / HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_METHOD},
    {T("COPY / HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_METHOD},
    {T("GETX / HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_METHOD},
    {T("GET / HTTP/1.1\r\n" H "X : a\r\n\r\n"), MSP_HTTP_SYNTAX},
    {T("GET / HTTP/1.1\r\n" H ": a\r\n\r\n"), MSP_HTTP_SYNTAX},
    {T("GET / HTTP/1.1\r\n" H "Xa\r\n\r\n"), MSP_HTTP_SYNTAX},
    {T("GET / HTTP/1.1\r\n" H "X(: a\r\n\r\n"), MSP_HTTP_SYNTAX},
    {T("GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n"), MSP_HTTP_SYNTAX},
    {T("GET /\x7f HTTP/1.1\r\n" H "\r\n"), MSP_HTTP_SYNTAX},
    {T("POST / HTTP/1.1\r\n" H "Content-Length: 1x\r\n\r\n"), MSP_HTTP_SYNTAX},
    {T("POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n"), MSP_HTTP_SYNTAX},
    {T("POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n"), MSP_HTTP_SYNTAX},
    {T("POST / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n"),
     MSP_HTTP_SYNTAX},
    {T("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n"
       "\r\n"),
     MSP_HTTP_SYNTAX},
    {T("POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n"),
     MSP_HTTP_SYNTAX},
    {T("POST / HTTP/1.1\r\n" H "Content-Length: 1000000000000000000\r\n\r\n"),
     MSP_HTTP_LENGTH},
    {T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
       "Content-Length: 1\r\n\r\n"),
     MSP_HTTP_SYNTAX},
    {T("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\n"
       "Transfer-Encoding: chunked\r\n\r\n"),
     MSP_HTTP_SYNTAX},
    {T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
       "Transfer-Encoding: chunked\r\n\r\n"),
     MSP_HTTP_SYNTAX},
    {T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n"),
     MSP_HTTP_CODING},
    {T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"),
     MSP_HTTP_CODING},
    {T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"),
     MSP_HTTP_CODING},
    {T("POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
       "chunked\r\n\r\n"),
     MSP_HTTP_SYNTAX},
    {T("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"),
     MSP_HTTP_CODING_IN_10},
    {T("GET / HTTP/1.1\r\n" H H "\r\n"), MSP_HTTP_HOST_TWICE},
    {T("GET / HTTP/1.1\r\n" H "Connection: host\r\n\r\n"), MSP_HTTP_CONNECTION},
    {T("GET / HTTP/1.1\r\n" H "Content-Length: 0\r\n"
       "Connection: x, Content-Length\r\n\r\n"),
     MSP_HTTP_CONNECTION},
    {T("GET / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n"), MSP_HTTP_EXPECT},
};

static enum msp_http_code judge(enum msp_http_kind kind, const char *ptr,
                                size_t len, struct msp_http_head *head)
{
    struct msp_http_scan scan = {0};
    size_t head_len = 0;
    enum msp_http_code code = msp_http_scan(&scan, kind, ptr, len, &head_len);

    if (code)
        return code;
    assert_true(head_len <= len);
    return msp_http_parse(kind, ptr, head_len, scan.n_lines, head);
}

static void heads_get_their_verdict(void **state)
{
    struct msp_http_head head;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        enum msp_http_code code = judge(MSP_HTTP_REQUEST, requests[i].head.ptr,
                                        requests[i].head.len, &head);

        if (code != requests[i].code)
            print_error("row %zu: %s\n", i, msp_http_reason(code));
        assert_int_equal(code, requests[i].code);
    }
}

/* Cut anywhere and fed in two pieces, or byte by byte: the same verdict. */
static void pieces_get_the_verdict_of_the_whole(void **state)
{
    struct msp_http_head head;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        const struct text *text = &requests[i].head;
        struct msp_http_scan scan = {0};
        enum msp_http_code code = MSP_HTTP_MORE;
        size_t len, head_len = 0;

        for (len = 1; code == MSP_HTTP_MORE && len <= text->len; len++) {
            /* exact size, so that a sanitizer sees a read beyond */
            msp_autofree char *copy = malloc(len);

            assert_non_null(copy);
            memcpy(copy, text->ptr, len);
            code = msp_http_scan(&scan, MSP_HTTP_REQUEST, copy, len, &head_len);
            if (code == MSP_HTTP_OK)
                code = msp_http_parse(MSP_HTTP_REQUEST, copy, head_len,
                                      scan.n_lines, &head);
        }
        assert_int_equal(code, requests[i].code);
    }
}

static void limits_hold_at_their_edge(void **state)
{
    static char buf[4 * MSP_HEAD_BYTES_MAX];
    struct msp_http_head head;
    size_t len;
    int pad;

    (void)state;
    /* request line, with its CR LF */
    pad = MSP_LINE_BYTES_MAX - (int)strlen("GET / HTTP/1.1\r\n");
    for (int more = 0; more < 2; more++) {
        len = (size_t)snprintf(buf, sizeof(buf), "GET /%0*d HTTP/1.1\r\n\r\n",
                               pad + more, 0);
        assert_int_equal(judge(MSP_HTTP_REQUEST, buf, len, &head),
                         more ? MSP_HTTP_LINE_TOO_LONG : MSP_HTTP_OK);
    }
    /* header line */
    pad = MSP_LINE_BYTES_MAX - (int)strlen("X: \r\n");
    for (int more = 0; more < 2; more++) {
        len = (size_t)snprintf(buf, sizeof(buf),
                               "GET / HTTP/1.1\r\nX: %0*d\r\n\r\n", pad + more,
                               0);
        assert_int_equal(judge(MSP_HTTP_REQUEST, buf, len, &head),
                         more ? MSP_HTTP_FIELD_TOO_LONG : MSP_HTTP_OK);
    }
    /* head, with its empty line */
    pad = MSP_HEAD_BYTES_MAX -
          (int)strlen("GET / HTTP/1.1\r\nX: \r\nY: \r\nZ: \r\n\r\n") - 2 * 8000;
    for (int more = 0; more < 2; more++) {
        len = (size_t)snprintf(
            buf, sizeof(buf),
            "GET / HTTP/1.1\r\nX: %08000d\r\nY: %08000d\r\nZ: %0*d\r\n\r\n", 0,
            0, pad + more, 0);
        assert_int_equal(judge(MSP_HTTP_REQUEST, buf, len, &head),
                         more ? MSP_HTTP_HEAD_TOO_LONG : MSP_HTTP_OK);
    }
    /* number of headers */
    for (int more = 0; more < 2; more++) {
        len = (size_t)snprintf(buf, sizeof(buf), "GET / HTTP/1.1\r\n");
        for (int i = 0; i < MSP_HEADERS_MAX + more; i++)
            len +=
                (size_t)snprintf(buf + len, sizeof(buf) - len, "X%d: y\r\n", i);
        len += (size_t)snprintf(buf + len, sizeof(buf) - len, "\r\n");
        assert_int_equal(judge(MSP_HTTP_REQUEST, buf, len, &head),
                         more ? MSP_HTTP_TOO_MANY : MSP_HTTP_OK);
    }
    /* no line end in sight */
    memset(buf, 'a', sizeof(buf));
    assert_int_equal(
        judge(MSP_HTTP_REQUEST, buf, MSP_LINE_BYTES_MAX + 1, &head),
        MSP_HTTP_LINE_TOO_LONG);
}

static void slices_and_framing_are_read(void **state)
{
    static const char text[] =
        "PUT /Path?Q=1 HTTP/1.1\r\nhOST: 169.254.169.254:80\r\n"
        "Content-Length: 0042\r\nA: \t x  y \t\r\nB:\r\nExpect: 100-Continue"
        "\r\n\r\nrest";
    struct msp_http_head head;

    (void)state;
    assert_int_equal(judge(MSP_HTTP_REQUEST, text, sizeof(text) - 1, &head),
                     MSP_HTTP_OK);
    assert_int_equal(head.len, sizeof(text) - 1 - 4);
    assert_int_equal(head.method_bit, MSP_METHOD_PUT);
    assert_int_equal(head.target_len, 9);
    assert_memory_equal(head.target, "/Path?Q=1", 9);
    assert_true(head.is_11 && head.keeps_alive && head.has_length);
    assert_true(head.expects_continue);
    assert_int_equal(head.length, 42);
    assert_int_equal(head.n_headers, 5);
    assert_int_equal(head.header[2].value_len, 4);
    assert_memory_equal(head.header[2].value, "x  y", 4);
    assert_int_equal(head.header[3].value_len, 0);
    assert_ptr_equal(head.host, &head.header[0]);
}

static void only_headers_of_this_hop_are_dropped(void **state)
{
    static const struct {
        const char *line;
        bool is_dropped;
    } cases[] = {
        {"Host: 169.254.169.254", false},
        {"Metadata: true", false},
        {"User-Agent: x", false},
        {"Connection: keep-alive, X-Mine , ,x-other", true},
        {"x-mine: 1", true},
        {"X-OTHER: 1", true},
        {"X-Minelike: 1", false},
        {"Keep-Alive: timeout=5", true},
        {"Proxy-Connection: keep-alive", true},
        {"proxy-authorization: x", true},
        {"Proxy: x", false},
        {"TE: trailers", true},
        {"Trailer: x", true},
        {"Upgrade: x", true},
        {"Content-Length: 0", true}, /* written anew */
        {"X-MS-Azure-Host-Authorization: x", true},
        {"x-ms-azure-host-claims: x", true},
        {"x-ms-azure-host-date: x", true},
        {"x-ms-azure-host-anything: x", true},
        {"x-ms-azure-hosted: x", false},
        {"X-Forwarded-For: 1.2.3.4", false},
        {"Cookie: a", false},
    };

    char buf[2048];
    size_t len = (size_t)snprintf(buf, sizeof(buf), "GET / HTTP/1.1\r\n");
    struct msp_http_head head;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        len += (size_t)snprintf(buf + len, sizeof(buf) - len, "%s\r\n",
                                cases[i].line);
    len += (size_t)snprintf(buf + len, sizeof(buf) - len, "\r\n");
    assert_int_equal(judge(MSP_HTTP_REQUEST, buf, len, &head), MSP_HTTP_OK);
    assert_int_equal(head.n_headers, ARRAY_SIZE(cases));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        if (head.header[i].is_dropped != cases[i].is_dropped)
            print_error("%s\n", cases[i].line);
        assert_int_equal(head.header[i].is_dropped, cases[i].is_dropped);
    }
}

static void keep_alive_follows_version_and_connection(void **state)
{
    static const struct {
        const char *text;
        bool keeps_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: x, CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
         false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
         false},
    };
    struct msp_http_head head;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(judge(MSP_HTTP_REQUEST, cases[i].text,
                               strlen(cases[i].text), &head),
                         MSP_HTTP_OK);
        assert_int_equal(head.keeps_alive, cases[i].keeps_alive);
    }
}

static void host_must_be_the_address_asked_for(void **state)
{
    static const struct {
        const char *text;
        uint16_t port;
        bool fits;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: 168.63.129.16\r\n\r\n", 80, true},
        {"GET / HTTP/1.1\r\nHost: 168.63.129.16:80\r\n\r\n", 80, true},
        {"GET / HTTP/1.1\r\nHost: 168.63.129.16\r\n\r\n", 32526, true},
        {"GET / HTTP/1.1\r\nHost: 168.63.129.16:32526\r\n\r\n", 32526, true},
        {"GET / HTTP/1.1\r\nHost: 168.63.129.16:80\r\n\r\n", 32526, false},
        {"GET / HTTP/1.1\r\nHost: 168.63.129.16:\r\n\r\n", 80, false},
        {"GET / HTTP/1.1\r\nHost: 168.63.129.16:8a\r\n\r\n", 8, false},
        {"GET / HTTP/1.1\r\nHost: 168.63.129.16:655361\r\n\r\n", 1, false},
        {"GET / HTTP/1.1\r\nHost: 168.63.129.160\r\n\r\n", 80, false},
        {"GET / HTTP/1.1\r\nHost: 168.63.129.1\r\n\r\n", 80, false},
        {"GET / HTTP/1.1\r\nHost: evil\r\n\r\n", 80, false},
        {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 80, false},
        {"GET / HTTP/1.1\r\n\r\n", 80, false},
        {"GET / HTTP/1.0\r\n\r\n", 80, true},
        {"GET / HTTP/1.0\r\nHost: evil\r\n\r\n", 80, false},
    };
    struct msp_http_head head;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(judge(MSP_HTTP_REQUEST, cases[i].text,
                               strlen(cases[i].text), &head),
                         MSP_HTTP_OK);
        assert_int_equal(
            msp_http_host_fits(&head, "168.63.129.16", cases[i].port),
            cases[i].fits);
    }
}

static const struct {
    const char *head;
    enum msp_http_code code;
    uint32_t status;
} responses[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", MSP_HTTP_OK, 200},
    {"HTTP/1.1 404 \r\n\r\n", MSP_HTTP_OK, 404},
    {"HTTP/1.1 204\r\n\r\n", MSP_HTTP_OK, 204},
    {"HTTP/1.0 200 OK\r\n\r\n", MSP_HTTP_OK, 200},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", MSP_HTTP_OK, 200},
    {"HTTP/1.1 200 OK\n\n", MSP_HTTP_BARE_LF, 0},
    {"HTTP/2 200 OK\r\n\r\n", MSP_HTTP_VERSION, 0},
    {"ICY 200 OK\r\n\r\n", MSP_HTTP_VERSION, 0},
    {"HTTP/1.1 xx OK\r\n\r\n", MSP_HTTP_SYNTAX, 0},
    {"HTTP/1.1 20 200 OK\r\n\r\n", MSP_HTTP_SYNTAX, 0},
    {"HTTP/1.1 2000 OK\r\n\r\n", MSP_HTTP_SYNTAX, 0},
    {"HTTP/1.1 2x0 OK\r\n\r\n", MSP_HTTP_SYNTAX, 0},
    {"HTTP/1.1 200OK\r\n\r\n", MSP_HTTP_SYNTAX, 0},
    {"HTTP/1.1  200 OK\r\n\r\n", MSP_HTTP_SYNTAX, 0},
    {"HTTP/1.1\t200 OK\r\n\r\n", MSP_HTTP_SYNTAX, 0},
    {"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", MSP_HTTP_FOLD, 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", MSP_HTTP_CODING, 0},
};

static void response_heads_get_their_verdict(void **state)
{
    struct msp_http_head head;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(responses); i++) {
        assert_int_equal(judge(MSP_HTTP_RESPONSE, responses[i].head,
                               strlen(responses[i].head), &head),
                         responses[i].code);
        if (responses[i].code == MSP_HTTP_OK)
            assert_int_equal(head.status, responses[i].status);
    }
}

static void conflicting_response_framing_is_refused(void **state)
{
    static const char *const heads[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        "Content-Length: 1\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    struct msp_http_head head;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
        assert_int_not_equal(msp_http_status(judge(MSP_HTTP_RESPONSE, heads[i],
                                                   strlen(heads[i]), &head)),
                             0);
}

static void every_refusal_has_a_status(void **state)
{
    (void)state;
    for (int code = MSP_HTTP_MORE + 1; code < MSP_HTTP_COUNT; code++) {
        assert_in_range(msp_http_status((enum msp_http_code)code), 400, 501);
        assert_true(strlen(msp_http_reason((enum msp_http_code)code)) > 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_get_their_verdict),
        cmocka_unit_test(pieces_get_the_verdict_of_the_whole),
        cmocka_unit_test(limits_hold_at_their_edge),
        cmocka_unit_test(slices_and_framing_are_read),
        cmocka_unit_test(only_headers_of_this_hop_are_dropped),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(host_must_be_the_address_asked_for),
        cmocka_unit_test(response_heads_get_their_verdict),
        cmocka_unit_test(conflicting_response_framing_is_refused),
        cmocka_unit_test(every_refusal_has_a_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
