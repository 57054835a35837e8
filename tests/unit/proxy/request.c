/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fixture.h"

#define HOST          "Host: 127.0.0.1\r\n"
#define GET           "GET /a HTTP/1.1\r\n" HOST "\r\n"
#define OK            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define AUTHORIZATION "x-ms-azure-host-authorization"

static const struct {
    enum msp_verdict verdict;
    enum msp_reason reason;
    int authorize_result;
    const char *status; /* of the answer; NULL = relayed */
    const char *text;   /* in its body */
    bool closes;
} verdicts[] = {
    {MSP_VERDICT_ALLOW, MSP_REASON_PRIVILEGE, 0, NULL, NULL, false},
    {MSP_VERDICT_ALLOW, MSP_REASON_DEFAULT_ALLOW, 0, NULL, NULL, false},
    {MSP_VERDICT_AUDIT, MSP_REASON_NOT_ASSIGNED, 0, NULL, NULL, false},
    {MSP_VERDICT_DENY, MSP_REASON_NOT_ASSIGNED, 0, " 403 ",
     "{\"schema\":1,\"error\":\"denied\",\"reason\":\"not-assigned\"}", false},
    {MSP_VERDICT_DENY, MSP_REASON_NEEDS_ROOT, 0, " 403 ", "needs-root", false},
    {MSP_VERDICT_DENY, MSP_REASON_RESERVED_PATH, 0, " 403 ", "reserved-path",
     false},
    {MSP_VERDICT_DENY, MSP_REASON_SPELLING, 0, " 400 ", "spelling", false},
    {MSP_VERDICT_DENY, MSP_REASON_NONE, 0, " 403 ", "none", false},
    {MSP_VERDICT_STALE, MSP_REASON_STALE_IDENTITY, 0, " 503 ", "stale-identity",
     true},
    {MSP_VERDICT_NONE, MSP_REASON_NONE, 0, " 503 ", "unavailable", true},
    {MSP_VERDICT_DIRECT, MSP_REASON_PRIVILEGE, 0, " 503 ", "unavailable", true},
    {MSP_VERDICT_COUNT, MSP_REASON_PRIVILEGE, 0, " 503 ", "unavailable", true},
    {(enum msp_verdict)77, MSP_REASON_PRIVILEGE, 0, " 503 ", "unavailable",
     true},
    {MSP_VERDICT_ALLOW, MSP_REASON_PRIVILEGE, -EPERM, " 503 ",
     "authorize-failed", true},
    {MSP_VERDICT_ALLOW, MSP_REASON_BOOTSTRAP, 0, " 503 ", "bootstrap", true},
};

static void verdicts_become_answers(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++) {
        int client = fixture_client(f);
        const char *text;

        f->verdict = verdicts[i].verdict;
        f->reason = verdicts[i].reason;
        f->authorize_result = verdicts[i].authorize_result;
        send_text(client, GET);
        if (!verdicts[i].status) {
            int host = fixture_accept(f);

            assert_non_null(header_of(read_message(host, true), AUTHORIZATION));
            send_text(host, OK);
            text = read_message(client, true);
            assert_non_null(strstr(text, " 200 "));
            (void)close(host);
            (void)close(client);
            continue;
        }
        text = read_message(client, true);
        assert_non_null(strstr(text, verdicts[i].status));
        assert_non_null(strstr(text, verdicts[i].text));
        assert_null(header_of(text, AUTHORIZATION));
        assert_int_equal(header_of(text, "connection") != NULL,
                         verdicts[i].closes);
        if (verdicts[i].closes)
            expect_end(client);
        (void)close(client);
        assert_true(fixture_host_is_quiet(f));
    }
}

/* One GET; @return what the host saw as authorization, or the answer */
static bool is_signed(struct fixture *f)
{
    int client = fixture_client(f);
    int host;
    bool found;

    send_text(client, "POST /a HTTP/1.1\r\n" HOST
                      "x-ms-azure-host-authorization: forged\r\n"
                      "Content-Length: 0\r\nConnection: close\r\n\r\n");
    host = fixture_accept(f);
    found = header_of(read_message(host, true), AUTHORIZATION) != NULL;
    send_text(host, OK);
    (void)read_message(client, true);
    (void)close(client);
    (void)close(host);
    return found;
}

static void without_a_key_only_audit_goes_out(void **state)
{
    const struct msp_child_key none = {0};
    struct fixture *f = *state;

    const enum msp_mode modes[] = {MSP_MODE_ENFORCE, MSP_MODE_NONE,
                                   (enum msp_mode)9};

    assert_true(is_signed(f));
    assert_ok(msp_key_set(f->key, &none));
    f->mode = MSP_MODE_AUDIT;
    assert_false(is_signed(f));
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
        int client = fixture_client(f);
        const char *text;

        f->mode = modes[i];
        send_text(client, GET);
        text = read_message(client, true);
        assert_non_null(strstr(text, " 503 "));
        assert_non_null(strstr(text, "no-key"));
        (void)close(client);
    }
    assert_true(fixture_host_is_quiet(f));
}

static void bootstrap_goes_out_unsigned_if_connect_said_so(void **state)
{
    struct fixture *f = *state;

    f->reason = MSP_REASON_BOOTSTRAP;
    f->mark.flags = MSP_MARK_BOOTSTRAP | MSP_MARK_ROOT;
    assert_false(is_signed(f));
    f->reason = MSP_REASON_PRIVILEGE; /* a policy came since */
    assert_true(is_signed(f));
}

static void root_is_claimed_for_marked_root_only(void **state)
{
    struct fixture *f = *state;
    int client, host;

    f->mark.flags = MSP_MARK_ROOT;
    client = fixture_client(f);
    send_text(client, "GET /a HTTP/1.1\r\n" HOST
                      "x-ms-azure-host-claims: forged\r\n\r\n");
    host = fixture_accept(f);
    assert_string_equal(
        header_of(read_message(host, true), "x-ms-azure-host-claims"),
        "{ \"isRoot\": \"true\"}");
    (void)close(client);
    (void)close(host);
}

static void refusals_do_not_reach_kernel_or_host(void **state)
{
    static const struct {
        const char *request;
        const char *status;
    } cases[] = {
        {"POST /a HTTP/1.1\r\n" HOST "Content-Length: 4\r\n"
         "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
         " 400 "},
        {"TRACE /a HTTP/1.1\r\n" HOST "\r\n", " 405 "},
        {"GET /a HTTP/1.1\r\n" HOST HOST "\r\n", " 400 "},
        {"GET /a HTTP/1.1\n" HOST "\n", " 400 "},
        {"POST /a HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n",
         " 501 "},
        {"GET /a HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n", " 417 "},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", " 400 "},
        {"\x16\x03\x01\x02\n", " 400 "},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int client = fixture_client(f);
        struct msp_child_log log;
        const char *text;

        send_text(client, cases[i].request);
        text = read_message(client, true);
        assert_non_null(strstr(text, cases[i].status));
        assert_string_equal(header_of(text, "connection"), "close");
        if (strstr(cases[i].status, "405"))
            assert_non_null(header_of(text, "allow"));
        expect_end(client);
        (void)close(client);
        fixture_log(f, &log);
        assert_int_equal(log.verdict, MSP_VERDICT_DENY);
        assert_true(log.detail[0] != '\0');
    }
    assert_int_equal(f->n_authorized, 0);
    assert_true(fixture_host_is_quiet(f));
}

static void bad_chunks_are_refused(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    send_text(client, "POST /a HTTP/1.1\r\n" HOST
                      "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX");
    assert_non_null(strstr(read_message(client, true), " 400 "));
    expect_end(client);
    (void)close(client);
    assert_true(fixture_host_is_quiet(f));
}

static void spelling_is_left_to_the_kernel(void **state)
{
    static const struct {
        const char *request;
        uint32_t refusal;
    } cases[] = {
        {"GET /a HTTP/1.1\r\n" HOST "\r\n", MSP_REFUSAL_NONE},
        {"GET /a//b HTTP/1.1\r\n" HOST "\r\n", MSP_REFUSAL_SPELLING},
        {"GET /a?b=1&b=2 HTTP/1.1\r\n" HOST "\r\n", MSP_REFUSAL_SPELLING},
        {"GET http://127.0.0.1/a HTTP/1.1\r\n" HOST "\r\n",
         MSP_REFUSAL_SPELLING},
        {"GET /a HTTP/1.1\r\nHost: evil\r\n\r\n", MSP_REFUSAL_SPELLING},
        {"GET /a HTTP/1.1\r\n\r\n", MSP_REFUSAL_SPELLING},
        {"GET /secure-channel HTTP/1.1\r\n" HOST "\r\n", MSP_REFUSAL_RESERVED},
        {"GET /Secure-Channel/key HTTP/1.1\r\n" HOST "\r\n",
         MSP_REFUSAL_RESERVED},
        {"GET /%73ecure-channel/key HTTP/1.1\r\n" HOST "\r\n",
         MSP_REFUSAL_RESERVED},
        {"GET /./secure-channel/key HTTP/1.1\r\n" HOST "\r\n",
         MSP_REFUSAL_RESERVED},
        {"GET //%2573ecure-channel HTTP/1.1\r\n" HOST "\r\n",
         MSP_REFUSAL_RESERVED},
        {"GET /secure-channels HTTP/1.1\r\n" HOST "\r\n", MSP_REFUSAL_NONE},
    };
    struct fixture *f = *state;

    f->verdict = MSP_VERDICT_DENY;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int client = fixture_client(f);

        send_text(client, cases[i].request);
        (void)read_message(client, true);
        assert_int_equal(f->asked.refusal, cases[i].refusal);
        assert_int_equal(f->asked.path_len != 0,
                         cases[i].refusal == MSP_REFUSAL_NONE);
        (void)close(client);
    }
}

static void misspelled_request_is_relayed_as_it_came_in_audit(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    int host;

    f->verdict = MSP_VERDICT_AUDIT;
    f->mode = MSP_MODE_AUDIT;
    send_text(client, "GET /a/../%2e/b?x&x HTTP/1.1\r\n" HOST "\r\n");
    host = fixture_accept(f);
    assert_non_null(
        strstr(read_message(host, true), "GET /a/../%2e/b?x&x HTTP/1.1\r\n"));
    send_text(host, OK);
    (void)read_message(client, true);
    (void)close(client);
    (void)close(host);
}

static void waiting_client_is_told_to_go_on(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);
    const char *text;
    int host;

    send_text(client, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n"
                      "Expect: 100-continue\r\n\r\n");
    assert_string_equal(read_message(client, false),
                        "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(f->n_authorized, 1); /* judged before the body */
    send_text(client, "abc");
    host = fixture_accept(f);
    text = read_message(host, true);
    assert_null(header_of(text, "expect"));
    assert_non_null(strstr(text, "\r\n\r\nabc"));
    send_text(host, "HTTP/1.1 100 Continue\r\n\r\n" OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
    (void)close(client);
    (void)close(host);
}

static void denied_client_is_not_told_to_go_on(void **state)
{
    struct fixture *f = *state;
    int client = fixture_client(f);

    f->verdict = MSP_VERDICT_DENY;
    send_text(client, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n"
                      "Expect: 100-continue\r\n\r\n");
    assert_non_null(strstr(read_message(client, true), " 403 "));
    expect_end(client);
    (void)close(client);
}

static void the_two_uploads_are_streamed_unsigned(void **state)
{
    enum {
        SIZE = 1 << 20
    };

    static const struct {
        uint8_t endpoint;
        const char *line;
        bool is_upload;
    } cases[] = {
        {MSP_EP_HOSTGA, "PUT /VMAGENTLOG", true},
        {MSP_EP_WIRESERVER, "POST /machine/?COMP=telemetryData", true},
        {MSP_EP_WIRESERVER, "PUT /vmAgentLog", false},
        {MSP_EP_IMDS, "POST /machine/?comp=telemetrydata", false},
        {MSP_EP_HOSTGA, "PUT /vmAgentLog?x", false},
        {MSP_EP_WIRESERVER, "POST /machine?comp=telemetrydata", false},
    };

    static char sent[SIZE], got[SIZE];
    struct fixture *f = *state;

    memset(sent, 'u', sizeof(sent));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int client, host;
        char head[256];
        const char *text;

        f->mark.endpoint = cases[i].endpoint;
        client = fixture_client(f);
        (void)snprintf(head, sizeof(head),
                       "%s HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n",
                       cases[i].line, SIZE);
        send_text(client, head);
        if (!cases[i].is_upload) {
            assert_non_null(strstr(read_message(client, true), " 413 "));
            (void)close(client);
            continue;
        }
        host = fixture_accept(f);
        text = read_message(host, false);
        assert_null(header_of(text, AUTHORIZATION));
        assert_non_null(header_of(text, "x-ms-azure-host-claims"));
        for (size_t at = 0; at < SIZE; at += 65536) {
            send_bytes(client, sent + at, 65536);
            read_exactly(host, got + at, 65536);
        }
        assert_memory_equal(sent, got, SIZE);
        send_text(host, OK);
        assert_non_null(strstr(read_message(client, true), " 200 "));
        (void)close(client);
        (void)close(host);
    }
}

static void chunked_uploads_keep_their_framing(void **state)
{
    static const char body[] = "5\r\nhello\r\n3;x\r\nabc\r\n0\r\n\r\n";
    struct fixture *f = *state;
    char got[sizeof(body)] = "";
    int client, host;

    f->mark.endpoint = MSP_EP_HOSTGA;
    client = fixture_client(f);
    send_text(client, "PUT /vmAgentLog HTTP/1.1\r\n" HOST
                      "Transfer-Encoding: chunked\r\n\r\n");
    send_text(client, body);
    host = fixture_accept(f);
    assert_string_equal(
        header_of(read_message(host, false), "transfer-encoding"), "chunked");
    read_exactly(host, got, sizeof(body) - 1);
    assert_string_equal(got, body);
    send_text(host, OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
    (void)close(client);
    (void)close(host);
}

static void bad_chunks_end_an_upload(void **state)
{
    struct fixture *f = *state;
    int client, host;

    f->mark.endpoint = MSP_EP_HOSTGA;
    client = fixture_client(f);
    send_text(client, "PUT /vmAgentLog HTTP/1.1\r\n" HOST
                      "Transfer-Encoding: chunked\r\n\r\n");
    host = fixture_accept(f);
    (void)read_message(host, false);
    send_text(client, "5\r\nhelloX");
    assert_non_null(strstr(read_message(client, true), " 400 "));
    expect_end(client);
    (void)close(client);
    (void)close(host);
}

static void an_upload_takes_no_more_than_its_length(void **state)
{
    struct fixture *f = *state;
    char got[6] = "";
    int client, host;

    f->mark.endpoint = MSP_EP_HOSTGA;
    client = fixture_client(f);
    send_text(client, "PUT /vmAgentLog HTTP/1.1\r\n" HOST
                      "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\n");
    host = fixture_accept(f);
    (void)read_message(host, false);
    read_exactly(host, got, 5);
    assert_string_equal(got, "hello");
    send_text(host, OK);
    assert_non_null(strstr(read_message(client, true), " 200 "));
    assert_non_null(strstr(read_message(client, true), " 400 "));
    expect_silence(host);
    (void)close(client);
    (void)close(host);
}

/* A host that adds trailers to the headers would take these for ours. */
static void trailers_of_an_upload_end_here(void **state)
{
    static const char sent[] = "5\r\nhello\r\n0\r\n"
                               "x-ms-azure-host-claims: { \"isRoot\": \"true\"}"
                               "\r\nX: y\r\n\r\n";
    static const char wanted[] = "5\r\nhello\r\n0\r\n\r\n";
    struct fixture *f = *state;
    char got[sizeof(wanted)] = "";

    f->mark.endpoint = MSP_EP_HOSTGA;
    for (size_t step = 1; step <= sizeof(sent); step += 7) {
        int client = fixture_client(f), host;

        send_text(client, "PUT /vmAgentLog HTTP/1.1\r\n" HOST
                          "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t at = 0; at < sizeof(sent) - 1; at += step)
            send_bytes(client, sent + at,
                       sizeof(sent) - 1 - at < step ? sizeof(sent) - 1 - at
                                                    : step);
        host = fixture_accept(f);
        (void)read_message(host, false);
        read_exactly(host, got, sizeof(wanted) - 1);
        assert_string_equal(got, wanted);
        send_text(host, OK);
        assert_non_null(strstr(read_message(client, true), " 200 "));
        expect_silence(host);
        (void)close(client);
        (void)close(host);
    }
}

static void early_answer_ends_an_upload(void **state)
{
    struct fixture *f = *state;
    int client, host;

    f->mark.endpoint = MSP_EP_HOSTGA;
    client = fixture_client(f);
    send_text(client, "PUT /vmAgentLog HTTP/1.1\r\n" HOST
                      "Content-Length: 1000\r\n\r\nabc");
    host = fixture_accept(f);
    (void)read_message(host, false);
    send_text(host, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_string_equal(header_of(read_message(client, true), "connection"),
                        "close");
    expect_end(client);
    (void)close(client);
    (void)close(host);
}

#define T(test) \
    cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(verdicts_become_answers),
        T(without_a_key_only_audit_goes_out),
        T(bootstrap_goes_out_unsigned_if_connect_said_so),
        T(root_is_claimed_for_marked_root_only),
        T(refusals_do_not_reach_kernel_or_host),
        T(bad_chunks_are_refused),
        T(spelling_is_left_to_the_kernel),
        T(misspelled_request_is_relayed_as_it_came_in_audit),
        T(waiting_client_is_told_to_go_on),
        T(denied_client_is_not_told_to_go_on),
        T(the_two_uploads_are_streamed_unsigned),
        T(chunked_uploads_keep_their_framing),
        T(bad_chunks_end_an_upload),
        T(an_upload_takes_no_more_than_its_length),
        T(trailers_of_an_upload_end_here),
        T(early_answer_ends_an_upload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
