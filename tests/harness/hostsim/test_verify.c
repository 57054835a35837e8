/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The simulator's verifier against thirteen requests whose signatures were
 * worked out apart from both; userspace/proxy/README.md has the rule. */
#include "harness/test.h"
#include "verify.h"

#define GUID "9cf81e97-0316-4ad3-94a7-8ccbdee8ccbf"
#define DATE "x-ms-azure-host-date: Wed, 23 Apr 2025 12:00:00 GMT\r\n"
#define ROOT "x-ms-azure-host-claims: { \"isRoot\": \"true\"}\r\n"
#define USER "x-ms-azure-host-claims: { \"isRoot\": \"false\"}\r\n"
#define WIRE "Host: 168.63.129.16\r\n" ROOT DATE
#define IMDS "host: 169.254.169.254\r\n" USER DATE
#define NOON 1745409600 /* the date of the vectors */

static const struct sim_key key = {
    .guid = GUID,
    .key = {0x4a, 0x40, 0x4e, 0x63, 0x52, 0x66, 0x55, 0x6a, 0x58, 0x6e, 0x32,
            0x72, 0x35, 0x75, 0x38, 0x78, 0x2f, 0x41, 0x3f, 0x44, 0x28, 0x47,
            0x2b, 0x4b, 0x62, 0x50, 0x64, 0x53, 0x67, 0x56, 0x6b, 0x59},
};

struct vector {
    const char *name;
    const char *line;    /* method and target */
    const char *headers; /* each with CR LF */
    const char *body;
    size_t body_len;
    const char *query; /* canonical */
    const char *signature;
};

static const struct vector vectors[] = {
    {"V1", "POST /secure-channel/key/" GUID "/key-attestation",
     DATE "host: 168.63.129.16\r\n" ROOT
          "content-length: 0\r\nmetadata: True \r\n",
     "", 0, "",
     "71a091e6c9e21a0e3972a3b5a481c4d7a578f4d4f28c810636f7e43387bfb8e0"},
    {"V2", "GET /metadata/instance?api-version=2021-02-01&format=json",
     "Host: 169.254.169.254\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
     "Metadata: true\r\n" USER DATE,
     "", 0, "api-version=2021-02-01&format=json",
     "13750084151509ba36adee0b633c8438723d6799434e4c90ec2dc95983c8f323"},
    {"V3", "POST /machine?comp=health",
     "Content-Type: text/xml; charset=utf-8\r\nContent-Length: 17\r\n"
     "x-ms-version: 2012-11-30\r\n" WIRE,
     "<Health></Health>", 17, "comp=health",
     "37613d7788fad99aa6e37922ceed260c852659c1b60583586ce0db594fd3a8d7"},
    {"V4",
     "GET /machine/a8016240-7286-49ef-8981-63520cb8f6d0/49c242ba%2Dc18a%2D4f"
     "6c%2D8cf8%2D85ff790b6431.%5Fmsp%2Debpf%2Dvm2?comp=config&keyOnly&comp="
     "again&type=hostingEnvironmentConfig&incarnation=1&resource=https%3a%2f"
     "%2fstorage.azure.com%2f",
     WIRE, "", 0,
     "comp=again&comp=config&incarnation=1&keyonly&resource=https%3a%2f%2f"
     "storage.azure.com%2f&type=hostingEnvironmentConfig",
     "99451ce865ad87e2f7ccbd5ea434e865247ca92898687af9ac2658f230600574"},
    {"V5", "GET /q?b=&a&C=x=y&=dropped&&d=1", WIRE, "", 0, "a&b&c=x=y&d=1",
     "b590de4091eac4bcc629d21adae9efd5a6191e3315dec69bb66d6513a89534cc"},
    {"V6", "GET /metadata/versions",
     "HOST: 169.254.169.254\r\nX-Custom-A:   padded value\t\r\n"
     "x-custom-B: two  inner   spaces\r\nX-Dup: first\r\nx-dup: second\r\n"
     "X-Empty: \r\n" USER DATE,
     "", 0, "",
     "492f09a974746943e0900cd3974c424443291de01e7f85f63c10615a764d15ce"},
    {"V7", "GET /q?a=z&ab=1", WIRE, "", 0, "ab=1&a=z",
     "c7a6707c21ed7b284acd079484adc2c3caff2af930bbf958c3ac2b20ba9df262"},
    {"V8", "GET /q?a=bc&ab=c", WIRE, "", 0, "ab=c",
     "25993a044cb59296f6eac4f1b77f10deec2d50447aeb55b9467de84333375f18"},
    {"V9", "GET /q?x=1&X=1&x=2", WIRE, "", 0, "x=1&x=2",
     "b51f2458fb124d8eca73b392f8d186b56d52ad2baa8e4c9adbbe9f25ee8e5dc2"},
    {"V10",
     "GET /Metadata/Identity/oauth2%2Ftoken?resource=https%3A%2F%2F"
     "management.azure.com%2F&k=a+b%20c",
     IMDS, "", 0, "k=a+b%20c&resource=https%3A%2F%2Fmanagement.azure.com%2F",
     "be82d8b930e2a420beb8434d73ad70098d01272f91828b0f587164200bb25b72"},
    {"V11", "PUT /", "content-length: 3\r\n" WIRE, "\0\xff\n", 3, "",
     "c05bd4d2206c1eb358314f15de62288dad58785a8891fbbca6b047f40f6838f0"},
    {"V12", "GET /metadata/instance?", IMDS, "", 0, "",
     "a70bdd07e6a83a5f9ddc8d606294fb9cf3970b2fea42d35a59197b8afe154d19"},
    {"V13", "GET /q?keyonly&key=only", WIRE, "", 0, "key=only",
     "43d4b171a878a9854d9be0497ef8251e9873cb61fae9b2b6a908e1347794cb4d"},
};

/* Composes the request as bytes and reads it back. */
static void read_vector(const struct vector *v, const char *authorization,
                        char *buf, size_t cap, struct sim_request *req)
{
    const char *why = NULL;
    size_t used = 0;
    int n = snprintf(buf, cap, "%s HTTP/1.1\r\n%s%s\r\n", v->line, v->headers,
                     authorization);

    assert_true(n > 0 && (size_t)n + v->body_len < cap);
    memcpy(buf + n, v->body, v->body_len);
    *req = (struct sim_request){0};
    assert_ok(msp_sim_read(buf, (size_t)n + v->body_len, req, &used, &why));
    assert_int_equal(used, (size_t)n + v->body_len);
}

static void signs_the_vectors_as_the_protocol_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct sim_request req;
        char buf[2048];
        char hex[65];
        char *text = NULL;
        char *query = NULL;
        size_t len = 0;

        print_message("%s\n", v->name);
        read_vector(v, "", buf, sizeof(buf), &req);
        assert_ok(msp_sim_canonical_query(req.query, &query, &len));
        assert_int_equal(len, strlen(v->query));
        assert_true(len == 0 || memcmp(query, v->query, len) == 0);
        assert_ok(msp_sim_string_to_sign(&req, &text, &len));
        assert_ok(msp_sim_hmac(key.key, text, len, hex));
        assert_string_equal(hex, v->signature);
        free(text);
        free(query);
        msp_sim_request_done(&req);
    }
}

static void accepts_each_vector_and_refuses_one_changed_digit(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
        for (int is_changed = 0; is_changed < 2; is_changed++) {
            struct sim_request req;
            struct sim_verdict verdict;
            char auth[256];
            char buf[2048];

            (void)snprintf(auth, sizeof(auth),
                           "x-ms-azure-host-authorization: "
                           "Azure-HMAC-SHA256 " GUID " %s\r\n",
                           vectors[i].signature);
            if (is_changed)
                auth[strlen(auth) - 3] ^= 1;
            read_vector(&vectors[i], auth, buf, sizeof(buf), &req);
            assert_ok(msp_sim_verify(&req, &key, NOON, &verdict));
            assert_int_equal(verdict.outcome,
                             is_changed ? SIM_SIGNED_BAD : SIM_SIGNED_VALID);
            assert_string_equal(verdict.guid, GUID);
            msp_sim_request_done(&req);
        }
    }
}

static const struct judged {
    const char *headers;
    const char *auth; /* scheme and key id; "" = no header */
    long offset_s;    /* of the host's clock */
    enum sim_signed outcome;
    const char *why;
} judged[] = {
    {IMDS, "", 0, SIM_SIGNED_NONE, "no authorization header"},
    {IMDS, "Azure-HMAC-SHA256 " GUID, 300, SIM_SIGNED_VALID, ""},
    {IMDS, "Azure-HMAC-SHA256 " GUID, -300, SIM_SIGNED_VALID, ""},
    {IMDS, "Azure-HMAC-SHA256 " GUID, 301, SIM_SIGNED_BAD,
     "date too far from the host's clock"},
    {IMDS, "Azure-HMAC-SHA256 " GUID, -301, SIM_SIGNED_BAD,
     "date too far from the host's clock"},
    {IMDS, "Azure-HMAC-SHA256 another", 0, SIM_SIGNED_BAD,
     "authorization: other key id"},
    {IMDS, "azure-hmac-sha256 " GUID, 0, SIM_SIGNED_BAD,
     "authorization: other scheme"},
    {USER, "Azure-HMAC-SHA256 " GUID, 0, SIM_SIGNED_BAD,
     "date missing or unreadable"},
    {DATE, "Azure-HMAC-SHA256 " GUID, 0, SIM_SIGNED_BAD,
     "claims missing or unreadable"},
    {DATE "x-ms-azure-host-claims: {\"isRoot\":\"true\"}\r\n",
     "Azure-HMAC-SHA256 " GUID, 0, SIM_SIGNED_BAD,
     "claims missing or unreadable"},
    {IMDS ROOT, "Azure-HMAC-SHA256 " GUID, 0, SIM_SIGNED_BAD,
     "repeated x-ms-azure-host header"},
    {USER "x-ms-azure-host-date: Thu, 23 Apr 2025 12:00:00 GMT\r\n",
     "Azure-HMAC-SHA256 " GUID, 0, SIM_SIGNED_BAD,
     "date missing or unreadable"},
};

static void judges_date_key_id_and_claims(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(judged); i++) {
        const struct judged *c = &judged[i];
        struct vector v = {"case", "GET /x", c->headers, "", 0, "", ""};
        struct sim_request req;
        struct sim_verdict verdict;
        char auth[256] = "";
        char hex[65];
        char buf[2048];
        char *text = NULL;
        size_t len = 0;

        print_message("case %zu\n", i);
        read_vector(&v, "", buf, sizeof(buf), &req);
        assert_ok(msp_sim_string_to_sign(&req, &text, &len));
        assert_ok(msp_sim_hmac(key.key, text, len, hex));
        free(text);
        msp_sim_request_done(&req);
        if (c->auth[0])
            (void)snprintf(auth, sizeof(auth),
                           "x-ms-azure-host-authorization: %s %s\r\n", c->auth,
                           hex);
        read_vector(&v, auth, buf, sizeof(buf), &req);
        assert_ok(msp_sim_verify(&req, &key, NOON + c->offset_s, &verdict));
        assert_int_equal(verdict.outcome, c->outcome);
        assert_string_equal(verdict.why, c->why);
        msp_sim_request_done(&req);
    }
}

static void refuses_requests_two_readers_could_frame_differently(void **state)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n c: d\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET /\r\n\r\n",
        "G@T / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\n"
         "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct sim_request req = {0};
        const char *why = NULL;
        size_t used = 0;

        print_message("case %zu\n", i);
        assert_errno(msp_sim_read(bad[i], strlen(bad[i]), &req, &used, &why),
                     EBADMSG);
        assert_non_null(why);
        msp_sim_request_done(&req);
    }
}

static void reads_chunked_bodies_at_every_cut(void **state)
{
    static const char text[] = "POST /x?a=b HTTP/1.1\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n"
                               "5\r\nhello\r\nA\r\n, chunked!\r\n0\r\n\r\n";
    size_t len = strlen(text);

    (void)state;
    for (size_t cut = 0; cut <= len; cut++) {
        struct sim_request req = {0};
        const char *why = NULL;
        size_t used = 0;
        int r = msp_sim_read(text, cut, &req, &used, &why);

        assert_int_equal(r, cut < len ? 1 : 0);
        if (r == 0) {
            assert_int_equal(req.body.len, 15);
            assert_memory_equal(req.body.ptr, "hello, chunked!", 15);
            assert_int_equal(used, len);
        }
        msp_sim_request_done(&req);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_the_vectors_as_the_protocol_says),
        cmocka_unit_test(accepts_each_vector_and_refuses_one_changed_digit),
        cmocka_unit_test(judges_date_key_id_and_claims),
        cmocka_unit_test(refuses_requests_two_readers_could_frame_differently),
        cmocka_unit_test(reads_chunked_bodies_at_every_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
