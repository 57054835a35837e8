/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The simulated host must be strict, or what tests say of a delegate is worth
 * nothing: each rule is broken once here. */
#include <fcntl.h>

#include <jansson.h>

#include "channel.h"
#include "harness/test.h"

#define NOON 1745409600
#define BODY "{\"authorizationScheme\": \"Azure-HMAC-SHA256\"}"

static char path[64];
static int journal;
static struct sim_key key;
static struct sim_channel *channel;
static char text[2048];

static void scenario(const char *json)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    (void)fputs(json, file);
    assert_ok(fclose(file));
}

static void begin(const char *json)
{
    scenario(json);
    assert_ok(msp_sim_channel_new(path, &key, journal, &channel));
}

static int set_up(void **state)
{
    int fd;

    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/mspd-unit.XXXXXX");
    fd = mkstemp(path);
    journal = open("/dev/null", O_WRONLY | O_CLOEXEC);
    key = (struct sim_key){.guid = "before"};
    return fd < 0 || close(fd) < 0 || journal < 0;
}

static int tear_down(void **state)
{
    (void)state;
    msp_sim_channel_free(channel);
    channel = NULL;
    (void)close(journal);
    return unlink(path);
}

/* @param more header lines; @return the status answered; its body is in text */
static int ask(const char *method, const char *target, const char *more,
               const char *body)
{
    struct sim_request req = {.n_headers = 0};
    struct sim_answer answer = {0};
    struct sim_verdict verdict;
    char request[2048];
    const char *why = NULL;
    size_t used;
    int status;

    (void)snprintf(request, sizeof(request),
                   "%s /secure-channel/%s HTTP/1.1\r\nhost: x\r\n"
                   "content-length: %zu\r\nx-ms-azure-host-claims: "
                   "{ \"isRoot\": \"true\"}\r\nx-ms-azure-host-date: "
                   "Wed, 23 Apr 2025 12:00:00 GMT\r\n%s\r\n%s",
                   method, target, strlen(body), more, body);
    assert_ok(msp_sim_read(request, strlen(request), &req, &used, &why));
    assert_true(msp_sim_channel_is(&req));
    assert_ok(msp_sim_channel_answer(channel, &req, NOON, &answer, &verdict));
    status = answer.status;
    (void)snprintf(text, sizeof(text), "%s", answer.body ? answer.body : "");
    free(answer.body);
    free(answer.headers);
    msp_sim_request_done(&req);
    return status;
}

#define M "metadata: True \r\n"
#define J "content-type: application/json\r\n"

/* Takes guid and key out of the answer in `text`. */
static struct sim_key issued(void)
{
    struct sim_key got = {.guid = ""};
    json_t *doc = json_loads(text, 0, NULL);
    const char *hex = json_string_value(json_object_get(doc, "key"));

    assert_non_null(hex);
    (void)snprintf(got.guid, sizeof(got.guid), "%s",
                   json_string_value(json_object_get(doc, "guid")));
    for (size_t i = 0; i < SIM_KEY_BYTES; i++) {
        unsigned int byte = 0;

        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        got.key[i] = (uint8_t)byte;
    }
    json_decref(doc);
    return got;
}

/* An attestation of `guid`, signed with `with`. @return the status */
static int attest(const struct sim_key *with, const char *guid)
{
    char target[128], signed_text[1024], hex[65], more[256];

    (void)snprintf(target, sizeof(target), "key/%s/key-attestation", guid);
    (void)snprintf(signed_text, sizeof(signed_text),
                   "POST\n\ncontent-length:0\nhost:x\nmetadata:True\n"
                   "x-ms-azure-host-claims:{ \"isRoot\": \"true\"}\n"
                   "x-ms-azure-host-date:Wed, 23 Apr 2025 12:00:00 GMT\n"
                   "/secure-channel/%s\n",
                   target);
    assert_ok(msp_sim_hmac(with->key, signed_text, strlen(signed_text), hex));
    (void)snprintf(more, sizeof(more),
                   M "x-ms-azure-host-authorization: Azure-HMAC-SHA256 %s "
                     "%s\r\n",
                   with->guid, hex);
    return ask("POST", target, more, "");
}

static void only_a_signed_attestation_latches(void **state)
{
    struct sim_key got, forged;

    (void)state;
    begin("{\"rules\":{}}");
    assert_string_equal(key.guid, "");
    assert_int_equal(ask("GET", "status", M, ""), 200);
    assert_non_null(strstr(text, "\"keyGuid\":null"));
    assert_int_equal(ask("POST", "key", M J, BODY), 200);
    got = issued();
    forged = got;
    forged.key[5] ^= 1;
    assert_int_equal(attest(&forged, got.guid), 401);
    assert_int_equal(attest(&got, "another"), 404);
    assert_string_equal(key.guid, "");
    assert_int_equal(attest(&got, got.guid), 200);
    assert_string_equal(key.guid, got.guid);
    assert_int_equal(ask("GET", "status", M, ""), 200);
    assert_non_null(strstr(text, got.guid));
    /* given out once */
    assert_int_equal(ask("POST", "key", M J, BODY), 403);
}

static void only_the_key_issued_last_counts(void **state)
{
    struct sim_key first;

    (void)state;
    begin("{}");
    assert_int_equal(ask("POST", "key", M J, BODY), 200);
    first = issued();
    assert_int_equal(ask("POST", "key", M J, BODY), 200);
    assert_int_equal(attest(&first, first.guid), 404);
}

static void a_request_that_is_not_exact_is_refused(void **state)
{
    (void)state;
    begin("{}");
    assert_int_equal(ask("GET", "status", "", ""), 400);
    assert_int_equal(ask("POST", "status", M, ""), 405);
    assert_int_equal(ask("GET", "key", M J, BODY), 405);
    assert_int_equal(ask("POST", "key", M, BODY), 400);
    assert_int_equal(ask("POST", "key", M J, "{}"), 400);
    assert_int_equal(ask("POST", "key", J, BODY), 400);
    assert_int_equal(ask("POST", "other", M, ""), 404);
}

static void another_incarnation_resets_the_latch(void **state)
{
    struct sim_key got;

    (void)state;
    begin("{\"incarnation\":1}");
    assert_int_equal(ask("POST", "key", M J, BODY), 200);
    got = issued();
    assert_int_equal(attest(&got, got.guid), 200);
    assert_ok(msp_sim_channel_reload(channel));
    assert_string_equal(key.guid, got.guid);
    scenario("{\"incarnation\":2}");
    assert_ok(msp_sim_channel_reload(channel));
    assert_string_equal(key.guid, "");
    assert_int_equal(ask("POST", "key", M J, BODY), 200);
    assert_int_equal(attest(&got, got.guid), 404);
}

static void steps_are_taken_in_order(void **state)
{
    (void)state;
    begin("{\"status\":[{\"times\":2,\"http\":503},"
          "{\"set\":{\"version\":7},\"unset\":[\"keyGuid\"]},"
          "{\"body\":\"<xml/>\"}],\"key\":[{\"http\":500}]}");
    assert_int_equal(ask("GET", "status", M, ""), 503);
    assert_int_equal(ask("GET", "status", M, ""), 503);
    assert_int_equal(ask("GET", "status", M, ""), 200);
    assert_non_null(strstr(text, "\"version\":7"));
    assert_null(strstr(text, "keyGuid"));
    assert_int_equal(ask("GET", "status", M, ""), 200);
    assert_string_equal(text, "<xml/>");
    assert_int_equal(ask("GET", "status", M, ""), 200);
    assert_non_null(strstr(text, "\"version\":\"2.0\""));
    assert_int_equal(ask("POST", "key", M J, BODY), 500);
    assert_int_equal(ask("POST", "key", M J, BODY), 200);
}

static void a_lost_answer_may_have_latched(void **state)
{
    struct sim_key got;

    (void)state;
    begin("{\"attest\":[{\"act\":true,\"http\":504}]}");
    assert_int_equal(ask("POST", "key", M J, BODY), 200);
    got = issued();
    assert_int_equal(attest(&got, got.guid), 504);
    assert_string_equal(key.guid, got.guid);
}

static void version_1_0_says_its_state(void **state)
{
    (void)state;
    begin("{\"version\":\"1.0\",\"state\":\"Wireserver\"}");
    assert_int_equal(ask("GET", "status", M, ""), 200);
    assert_non_null(strstr(text, "\"secureChannelState\":\"Wireserver\""));
    assert_null(strstr(text, "secureChannelEnabled"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(only_a_signed_attestation_latches),
        T(only_the_key_issued_last_counts),
        T(a_request_that_is_not_exact_is_refused),
        T(another_incarnation_resets_the_latch),
        T(steps_are_taken_in_order),
        T(a_lost_answer_may_have_latched),
        T(version_1_0_says_its_state),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
