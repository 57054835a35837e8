/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "proxy/sign.h"

#include "harness/test.h"

#define GUID "9cf81e97-0316-4ad3-94a7-8ccbdee8ccbf"
#define DATE "x-ms-azure-host-date: Wed, 23 Apr 2025 12:00:00 GMT\r\n"
#define ROOT "x-ms-azure-host-claims: { \"isRoot\": \"true\"}\r\n"
#define USER "x-ms-azure-host-claims: { \"isRoot\": \"false\"}\r\n"
#define WIRE "host: 168.63.129.16\r\n" ROOT DATE
#define IMDS "host: 169.254.169.254\r\n" USER DATE
#define V4_PATH                                      \
    "/machine/a8016240-7286-49ef-8981-63520cb8f6d0/" \
    "49c242ba%2Dc18a%2D4f6c%2D8cf8%2D85ff790b6431.%5Fmsp%2Debpf%2Dvm2"

/* The thirteen of the simulator too; the rule is in the proxy's README. */
static const struct {
    const char *head; /* request line and headers, no empty line */
    const char *body;
    size_t body_len;
    const char *query; /* canonical */
    const char *signature;
} vectors[] = {
    {"POST /secure-channel/key/" GUID "/key-attestation HTTP/1.1\r\n" DATE
     "host: 168.63.129.16\r\n" ROOT "content-length: 0\r\n"
     "metadata: True \r\n",
     "", 0, "",
     "71a091e6c9e21a0e3972a3b5a481c4d7a578f4d4f28c810636f7e43387bfb8e0"},
    {"GET /metadata/instance?api-version=2021-02-01&format=json HTTP/1.1\r\n"
     "Host: 169.254.169.254\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
     "Metadata: true\r\n" USER DATE,
     "", 0, "api-version=2021-02-01&format=json",
     "13750084151509ba36adee0b633c8438723d6799434e4c90ec2dc95983c8f323"},
    {"POST /machine?comp=health HTTP/1.1\r\nHost: 168.63.129.16\r\n"
     "Content-Type: text/xml; charset=utf-8\r\nContent-Length: 17\r\n"
     "x-ms-version: 2012-11-30\r\n" ROOT DATE,
     "<Health></Health>", 17, "comp=health",
     "37613d7788fad99aa6e37922ceed260c852659c1b60583586ce0db594fd3a8d7"},
    {"GET " V4_PATH "?comp=config&keyOnly&comp=again&"
     "type=hostingEnvironmentConfig&incarnation=1&"
     "resource=https%3a%2f%2fstorage.azure.com%2f HTTP/1.1\r\n" WIRE,
     "", 0,
     "comp=again&comp=config&incarnation=1&keyonly&"
     "resource=https%3a%2f%2fstorage.azure.com%2f&"
     "type=hostingEnvironmentConfig",
     "99451ce865ad87e2f7ccbd5ea434e865247ca92898687af9ac2658f230600574"},
    {"GET /q?b=&a&C=x=y&=dropped&&d=1 HTTP/1.1\r\n" WIRE, "", 0,
     "a&b&c=x=y&d=1",
     "b590de4091eac4bcc629d21adae9efd5a6191e3315dec69bb66d6513a89534cc"},
    {"GET /metadata/versions HTTP/1.1\r\nHOST: 169.254.169.254\r\n"
     "X-Custom-A:   padded value\t\r\nx-custom-B: two  inner   spaces\r\n"
     "X-Dup: first\r\nx-dup: second\r\nX-Empty: \r\n"
     "x-ms-azure-host-authorization: Azure-HMAC-SHA256 "
     "00000000-0000-0000-0000-000000000000 00\r\n" USER DATE,
     "", 0, "",
     "492f09a974746943e0900cd3974c424443291de01e7f85f63c10615a764d15ce"},
    {"GET /q?a=z&ab=1 HTTP/1.1\r\n" WIRE, "", 0, "ab=1&a=z",
     "c7a6707c21ed7b284acd079484adc2c3caff2af930bbf958c3ac2b20ba9df262"},
    {"GET /q?a=bc&ab=c HTTP/1.1\r\n" WIRE, "", 0, "ab=c",
     "25993a044cb59296f6eac4f1b77f10deec2d50447aeb55b9467de84333375f18"},
    {"GET /q?x=1&X=1&x=2 HTTP/1.1\r\n" WIRE, "", 0, "x=1&x=2",
     "b51f2458fb124d8eca73b392f8d186b56d52ad2baa8e4c9adbbe9f25ee8e5dc2"},
    {"GET /Metadata/Identity/oauth2%2Ftoken?resource=https%3A%2F%2F"
     "management.azure.com%2F&k=a+b%20c HTTP/1.1\r\n" IMDS,
     "", 0, "k=a+b%20c&resource=https%3A%2F%2Fmanagement.azure.com%2F",
     "be82d8b930e2a420beb8434d73ad70098d01272f91828b0f587164200bb25b72"},
    {"PUT / HTTP/1.1\r\n" WIRE "content-length: 3\r\n", "\x00\xff\n", 3, "",
     "c05bd4d2206c1eb358314f15de62288dad58785a8891fbbca6b047f40f6838f0"},
    {"GET /metadata/instance? HTTP/1.1\r\n" IMDS, "", 0, "",
     "a70bdd07e6a83a5f9ddc8d606294fb9cf3970b2fea42d35a59197b8afe154d19"},
    {"GET /q?keyonly&key=only HTTP/1.1\r\n" WIRE, "", 0, "key=only",
     "43d4b171a878a9854d9be0497ef8251e9873cb61fae9b2b6a908e1347794cb4d"},
};

static const uint8_t key_bytes[MSP_KEY_BYTES] = {
    0x4a, 0x40, 0x4e, 0x63, 0x52, 0x66, 0x55, 0x6a, 0x58, 0x6e, 0x32,
    0x72, 0x35, 0x75, 0x38, 0x78, 0x2f, 0x41, 0x3f, 0x44, 0x28, 0x47,
    0x2b, 0x4b, 0x62, 0x50, 0x64, 0x53, 0x67, 0x56, 0x6b, 0x59,
};

static struct msp_key *key;
static struct msp_sign *sign;

static int setup(void **state)
{
    struct msp_child_key packet = {.guid = GUID};

    (void)state;
    memcpy(packet.key, key_bytes, sizeof(key_bytes));
    return msp_key_new(&key) || msp_key_set(key, &packet) ||
           msp_sign_new(&sign);
}

static int teardown(void **state)
{
    (void)state;
    key = msp_key_free(key);
    sign = msp_sign_free(sign);
    return 0;
}

/* Every header of `text` counts, also those a proxy would drop. */
static void parse(const char *text, char *buf, size_t size,
                  struct msp_http_head *head)
{
    struct msp_http_scan scan = {0};
    size_t len = (size_t)snprintf(buf, size, "%s\r\n", text);
    size_t head_len = 0;

    assert_int_equal(
        msp_http_scan(&scan, MSP_HTTP_REQUEST, buf, len, &head_len),
        MSP_HTTP_OK);
    assert_int_equal(
        msp_http_parse(MSP_HTTP_REQUEST, buf, head_len, scan.n_lines, head),
        MSP_HTTP_OK);
}

static struct msp_sign_request request_of(const struct msp_http_head *head)
{
    return (struct msp_sign_request){
        .method = head->method,
        .method_len = head->method_len,
        .target = head->target,
        .target_len = head->target_len,
        .header = head->header,
        .n_headers = head->n_headers,
    };
}

static void signs_the_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        char buf[4096], expected[256], value[MSP_AUTHORIZATION_BYTES];
        struct msp_http_head head;
        struct msp_sign_request request;
        const char *tail, *query;
        size_t len;

        parse(vectors[i].head, buf, sizeof(buf), &head);
        request = request_of(&head);
        request.body = vectors[i].body;
        request.body_len = vectors[i].body_len;
        assert_ok(msp_sign_tail(sign, &request, &tail, &len));
        query = memrchr(tail, '\n', len);
        assert_non_null(query);
        query++;
        assert_int_equal(tail + len - query, strlen(vectors[i].query));
        assert_memory_equal(query, vectors[i].query, strlen(vectors[i].query));
        assert_ok(msp_sign_request(sign, key, &request, value));
        (void)snprintf(expected, sizeof(expected), "Azure-HMAC-SHA256 %s %s",
                       GUID, vectors[i].signature);
        assert_string_equal(value, expected);
    }
}

static void one_changed_byte_changes_the_signature(void **state)
{
    char buf[4096], body[] = "<Health></Health>";
    char first[MSP_AUTHORIZATION_BYTES], other[MSP_AUTHORIZATION_BYTES];
    struct msp_http_head head;
    struct msp_sign_request request;

    (void)state;
    parse(vectors[2].head, buf, sizeof(buf), &head);
    request = request_of(&head);
    request.body = body;
    request.body_len = sizeof(body) - 1;
    assert_ok(msp_sign_request(sign, key, &request, first));
    for (size_t i = 0; i < sizeof(body) - 1; i++) {
        body[i] ^= 1;
        assert_ok(msp_sign_request(sign, key, &request, other));
        assert_string_not_equal(first, other);
        body[i] ^= 1;
    }
}

static void absolute_form_signs_its_path(void **state)
{
    static const struct {
        const char *target;
        const char *tail;
    } cases[] = {
        {"http://169.254.169.254/a/b?c=d", "/a/b\nc=d"},
        {"http://169.254.169.254", "/\n"},
        {"http://169.254.169.254?x", "/\nx"},
        {"/a?u=http://b/c", "/a\nu=http://b/c"},
        {"*", "*\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct msp_sign_request request = {
            .target = cases[i].target,
            .target_len = strlen(cases[i].target),
        };
        const char *tail;
        size_t len;

        assert_ok(msp_sign_tail(sign, &request, &tail, &len));
        assert_int_equal(len, strlen(cases[i].tail));
        assert_memory_equal(tail, cases[i].tail, len);
    }
}

/* More than the insertion sort takes; all names differ. */
static void long_queries_are_sorted(void **state)
{
    enum {
        N = 700
    };

    char target[MSP_LINE_BYTES_MAX];
    struct msp_sign_request request = {.target = target};
    const char *tail;
    size_t len, at = 0;

    (void)state;
    at += (size_t)snprintf(target, sizeof(target), "/?");
    for (unsigned i = 0; i < N; i++)
        at += (size_t)snprintf(target + at, sizeof(target) - at, "%sk%u=v",
                               i ? "&" : "", i * 389 % N);
    request.target_len = at;
    assert_ok(msp_sign_tail(sign, &request, &tail, &len));
    for (const char *p = tail + 2, *last = NULL; p < tail + len;) {
        const char *amp = memchr(p, '&', (size_t)(tail + len - p));
        size_t n = amp ? (size_t)(amp - p) : (size_t)(tail + len - p);
        char now[16] = "", before[16] = "";

        memcpy(now, p, n);
        memmove(strchr(now, '='), strchr(now, '=') + 1, 2); /* run together */
        if (last) {
            memcpy(before, last, (size_t)(p - 1 - last));
            memmove(strchr(before, '='), strchr(before, '=') + 1, 2);
            assert_true(strcmp(before, now) < 0);
        }
        last = p;
        p += n + 1;
    }
    assert_int_equal(len, at); /* "/?" became "/\n", nothing was lost */
}

static void dates_are_rfc_1123(void **state)
{
    static const struct {
        int64_t unix_s;
        const char *date;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {-5, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868799, "Tue, 29 Feb 2000 23:59:59 GMT"},
        {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
        {1745409600, "Wed, 23 Apr 2025 12:00:00 GMT"},
        {1767225599, "Wed, 31 Dec 2025 23:59:59 GMT"},
        {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
        {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"},
        {253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"},
        {INT64_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char date[MSP_DATE_BYTES];

        msp_sign_date(cases[i].unix_s, date);
        assert_string_equal(date, cases[i].date);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_the_vectors),
        cmocka_unit_test(one_changed_byte_changes_the_signature),
        cmocka_unit_test(absolute_form_signs_its_path),
        cmocka_unit_test(long_queries_are_sorted),
        cmocka_unit_test(dates_are_rfc_1123),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
