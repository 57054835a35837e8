/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/request.h"

#include "harness/hostsim/verify.h"
#include "harness/test.h"

#define GUID   "9cf81e97-0316-4ad3-94a7-8ccbdee8ccbf"
#define NOON   1745409600
#define DATE   "x-ms-azure-host-date: Wed, 23 Apr 2025 12:00:00 GMT\r\n"
#define HOST   "host: 168.63.129.16\r\n"
#define CLAIMS "x-ms-azure-host-claims: { \"isRoot\": \"true\"}\r\n"
#define LEN(n) "content-length: " n "\r\n"
#define METAD  "metadata: True \r\n"
#define JSON   "content-type: application/json\r\n"

struct world {
    struct msp_key *key;
    struct msp_sign *sign;
    struct sim_key host;
};

static int set_up(void **state)
{
    static struct world world;
    struct msp_child_key packet = {.guid = GUID};

    for (size_t i = 0; i < MSP_KEY_BYTES; i++)
        packet.key[i] = (uint8_t)(i * 7);
    memcpy(world.host.key, packet.key, sizeof(packet.key));
    memcpy(world.host.guid, GUID, sizeof(GUID));
    *state = &world;
    if (msp_key_new(&world.key) < 0 || msp_sign_new(&world.sign) < 0)
        return -1;
    return msp_key_set(world.key, &packet);
}

static int tear_down(void **state)
{
    struct world *world = *state;

    msp_key_free(world->key);
    msp_sign_free(world->sign);
    return 0;
}

static void status_and_key_are_exactly_the_platforms(void **state)
{
    static const struct {
        enum msp_ask ask;
        const char *text;
    } rows[] = {
        {MSP_ASK_STATUS,
         "GET /secure-channel/status HTTP/1.1\r\n" DATE HOST CLAIMS LEN("0")
             METAD "\r\n"},
        {MSP_ASK_KEY,
         "POST /secure-channel/key HTTP/1.1\r\n" DATE HOST CLAIMS LEN("44")
             METAD JSON "\r\n{\"authorizationScheme\": \"Azure-HMAC-SHA256\"}"},
    };

    char text[MSP_ASK_BYTES];
    size_t len = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_ok(msp_ask_print(rows[i].ask, NOON, NULL, NULL, text, &len));
        assert_int_equal(len, strlen(rows[i].text));
        assert_memory_equal(text, rows[i].text, len);
    }
}

/* The verifier is the simulator's, which knows nothing of ours. */
static void the_host_takes_the_signature_of_the_attestation(void **state)
{
    struct world *world = *state;
    struct sim_request req = {.n_headers = 0};
    struct sim_verdict verdict;
    const char *why = NULL;
    char text[MSP_ASK_BYTES];
    size_t len = 0, used = 0;

    assert_ok(msp_ask_print(MSP_ASK_ATTEST, NOON, world->sign, world->key, text,
                            &len));
    assert_ok(msp_sim_read(text, len, &req, &used, &why));
    assert_int_equal(used, len);
    assert_true(
        msp_sim_is(req.path, "/secure-channel/key/" GUID "/key-attestation"));
    assert_ok(msp_sim_verify(&req, &world->host, NOON, &verdict));
    assert_string_equal(verdict.why, "");
    assert_int_equal(verdict.outcome, SIM_SIGNED_VALID);
    assert_int_equal(verdict.is_root, 1);
    assert_string_equal(verdict.guid, GUID);
    /* and no other's */
    world->host.key[0] ^= 1;
    assert_ok(msp_sim_verify(&req, &world->host, NOON, &verdict));
    assert_int_equal(verdict.outcome, SIM_SIGNED_BAD);
    world->host.key[0] ^= 1;
    msp_sim_request_done(&req);
}

static void without_a_key_nothing_is_attested(void **state)
{
    struct world *world = *state;
    const struct msp_child_key none = {.guid = ""};
    char text[MSP_ASK_BYTES];
    size_t len = 0;

    assert_ok(msp_key_set(world->key, &none));
    assert_errno(msp_ask_print(MSP_ASK_ATTEST, NOON, world->sign, world->key,
                               text, &len),
                 ENOKEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_and_key_are_exactly_the_platforms),
        cmocka_unit_test(the_host_takes_the_signature_of_the_attestation),
        cmocka_unit_test(without_a_key_nothing_is_attested),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
