/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The decisions of decide.h against the rules of include/README.md ("Who passes"),
 * written out here by hand: mode x facts -> verdict and reason.
 */
#include <msp/decide.h>

#include "harness/test.h"

#define DENY   MSP_VERDICT_DENY
#define ALLOW  MSP_VERDICT_ALLOW
#define DIRECT MSP_VERDICT_DIRECT
#define AUDIT  MSP_VERDICT_AUDIT

/* How a case differs from a caller with a right and an agent alive. */
#define ROOT        0x01u
#define LIFTS       0x02u
#define NO_ID       0x04u
#define NO_REACH    0x08u
#define NO_LISTENER 0x10u
#define ASLEEP      0x20u
#define BOUND       0x40u
#define LACKS_EXEC  0x80u

struct connect_case {
    const char *what;
    enum msp_mode mode;
    uint32_t ep_flags;
    uint32_t slot_flags;
    uint32_t differs;
    enum msp_verdict verdict;
    enum msp_reason reason;
};

static const struct connect_case connects[] = {
    {"good", MSP_MODE_ENFORCE, MSP_EP_SIGN, 0, 0, ALLOW, MSP_REASON_REDIRECTED},
    {"unset mode", MSP_MODE_NONE, MSP_EP_SIGN, 0, 0, DENY,
     MSP_REASON_TABLE_MISSING},
    {"unknown mode", MSP_MODE_COUNT, MSP_EP_SIGN, 0, 0, DENY,
     MSP_REASON_TABLE_MISSING},
    {"kernel thread", MSP_MODE_ENFORCE, MSP_EP_SIGN, 0, NO_ID, DENY,
     MSP_REASON_NO_IDENTITY},
    {"no right", MSP_MODE_ENFORCE, MSP_EP_SIGN, 0, NO_REACH, DENY,
     MSP_REASON_NO_RULE_FOR_YOU},
    {"no right, no exec record", MSP_MODE_ENFORCE, MSP_EP_SIGN,
     MSP_SLOT_EXE_DIM, NO_REACH | LACKS_EXEC, DENY, MSP_REASON_NO_EXEC_RECORD},
    {"no right, no exec record, no executable counts", MSP_MODE_ENFORCE,
     MSP_EP_SIGN, MSP_SLOT_CGROUP_DIM, NO_REACH | LACKS_EXEC, DENY,
     MSP_REASON_NO_RULE_FOR_YOU},
    {"no right, an exec record", MSP_MODE_ENFORCE, MSP_EP_SIGN,
     MSP_SLOT_EXE_DIM, NO_REACH, DENY, MSP_REASON_NO_RULE_FOR_YOU},
    {"a right, no exec record", MSP_MODE_ENFORCE, MSP_EP_SIGN,
     MSP_SLOT_PROCESS_DIM, LACKS_EXEC, ALLOW, MSP_REASON_REDIRECTED},
    {"root gate, user, no exec record", MSP_MODE_ENFORCE,
     MSP_EP_SIGN | MSP_EP_ROOT_GATE, MSP_SLOT_EXE_DIM, NO_REACH | LACKS_EXEC,
     DENY, MSP_REASON_NEEDS_ROOT},
    {"no right, default allow", MSP_MODE_ENFORCE,
     MSP_EP_SIGN | MSP_EP_DEFAULT_ALLOW, 0, NO_REACH, ALLOW,
     MSP_REASON_REDIRECTED},
    {"root gate, user", MSP_MODE_ENFORCE, MSP_EP_SIGN | MSP_EP_ROOT_GATE, 0, 0,
     DENY, MSP_REASON_NEEDS_ROOT},
    {"root gate, default allow, user", MSP_MODE_ENFORCE,
     MSP_EP_SIGN | MSP_EP_ROOT_GATE | MSP_EP_DEFAULT_ALLOW, 0, 0, DENY,
     MSP_REASON_NEEDS_ROOT},
    {"root gate, root", MSP_MODE_ENFORCE, MSP_EP_SIGN | MSP_EP_ROOT_GATE, 0,
     ROOT, ALLOW, MSP_REASON_REDIRECTED},
    {"root gate, lifted", MSP_MODE_ENFORCE, MSP_EP_SIGN | MSP_EP_ROOT_GATE, 0,
     LIFTS, ALLOW, MSP_REASON_REDIRECTED},
    {"root gate, root without right", MSP_MODE_ENFORCE,
     MSP_EP_SIGN | MSP_EP_ROOT_GATE, 0, ROOT | NO_REACH, DENY,
     MSP_REASON_NO_RULE_FOR_YOU},
    {"no listener", MSP_MODE_ENFORCE, MSP_EP_SIGN, 0, NO_LISTENER, DENY,
     MSP_REASON_NO_LISTENER},
    {"agent asleep in enforce", MSP_MODE_ENFORCE, MSP_EP_SIGN, 0, ASLEEP, ALLOW,
     MSP_REASON_REDIRECTED},
    {"bound to a device", MSP_MODE_ENFORCE, MSP_EP_SIGN, 0, BOUND, DENY,
     MSP_REASON_BOUND_DEVICE},
    {"audit, bound to a device", MSP_MODE_AUDIT, MSP_EP_SIGN, 0, BOUND, DIRECT,
     MSP_REASON_BOUND_DEVICE},
    {"not signed", MSP_MODE_ENFORCE, 0, 0, 0, DIRECT,
     MSP_REASON_DIRECT_NOT_SIGNED},
    {"not signed, no right", MSP_MODE_ENFORCE, 0, 0, NO_REACH, DENY,
     MSP_REASON_NO_RULE_FOR_YOU},
    {"bootstrap, root", MSP_MODE_ENFORCE, MSP_EP_SIGN, MSP_SLOT_BOOTSTRAP,
     ROOT | NO_REACH, ALLOW, MSP_REASON_BOOTSTRAP},
    {"bootstrap, user with right", MSP_MODE_ENFORCE, MSP_EP_SIGN,
     MSP_SLOT_BOOTSTRAP, 0, DENY, MSP_REASON_BOOTSTRAP_DENY},
    {"strict bootstrap, root", MSP_MODE_ENFORCE, MSP_EP_SIGN,
     MSP_SLOT_BOOTSTRAP | MSP_SLOT_BOOTSTRAP_DENY, ROOT, DENY,
     MSP_REASON_BOOTSTRAP_DENY},
    {"bootstrap, no listener", MSP_MODE_ENFORCE, MSP_EP_SIGN,
     MSP_SLOT_BOOTSTRAP, ROOT | NO_LISTENER, DENY, MSP_REASON_NO_LISTENER},
    {"audit, no right", MSP_MODE_AUDIT, MSP_EP_SIGN, 0, NO_REACH, ALLOW,
     MSP_REASON_REDIRECTED},
    {"audit, root gate, user", MSP_MODE_AUDIT, MSP_EP_SIGN | MSP_EP_ROOT_GATE,
     0, 0, ALLOW, MSP_REASON_REDIRECTED},
    {"audit, kernel thread", MSP_MODE_AUDIT, MSP_EP_SIGN, 0, NO_ID, ALLOW,
     MSP_REASON_REDIRECTED},
    {"audit, no listener", MSP_MODE_AUDIT, MSP_EP_SIGN, 0, NO_LISTENER, DIRECT,
     MSP_REASON_DIRECT_AGENT_AWAY},
    {"audit, agent asleep", MSP_MODE_AUDIT, MSP_EP_SIGN, 0, ASLEEP, DIRECT,
     MSP_REASON_DIRECT_AGENT_AWAY},
    {"audit, not signed", MSP_MODE_AUDIT, 0, 0, 0, DIRECT,
     MSP_REASON_DIRECT_NOT_SIGNED},
};

static void connect_follows_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(connects); i++) {
        const struct connect_case *c = &connects[i];
        struct msp_connect_facts f = {
            .mode = c->mode,
            .ep_flags = c->ep_flags,
            .slot_flags = c->slot_flags,
            .is_root = c->differs & ROOT,
            .lifts = c->differs & LIFTS,
            .has_identity = !(c->differs & NO_ID),
            .mark_flags = c->differs & LACKS_EXEC ? 0 : MSP_MARK_EXEC,
            .reaches = !(c->differs & NO_REACH),
            .has_listener = !(c->differs & NO_LISTENER),
            .is_bound = c->differs & BOUND,
            .is_agent_fresh = !(c->differs & ASLEEP),
        };
        struct msp_decision d = msp_decide_connect(&f);

        if (d.verdict != c->verdict || d.reason != c->reason)
            fail_msg("%s: verdict %d reason %d", c->what, d.verdict, d.reason);
    }
}

struct request_case {
    const char *what;
    struct msp_request_facts f;
    enum msp_verdict verdict; /* in enforce */
    enum msp_reason reason;
};

static const struct request_case requests[] = {
    {"granted",
     {.matched = true, .granted = true},
     ALLOW,
     MSP_REASON_PRIVILEGE},
    {"matched, of others", {.matched = true}, DENY, MSP_REASON_NOT_ASSIGNED},
    {"matched, of others, default allow",
     {.matched = true, .ep_flags = MSP_EP_DEFAULT_ALLOW},
     DENY,
     MSP_REASON_NOT_ASSIGNED},
    {"nothing matched", {0}, DENY, MSP_REASON_DEFAULT_DENY},
    {"nothing matched, default allow",
     {.ep_flags = MSP_EP_DEFAULT_ALLOW},
     ALLOW,
     MSP_REASON_DEFAULT_ALLOW},
    {"nothing matched, no exec record",
     {.slot_flags = MSP_SLOT_EXE_DIM},
     DENY,
     MSP_REASON_NO_EXEC_RECORD},
    {"matched, of others, no exec record",
     {.matched = true, .slot_flags = MSP_SLOT_PROCESS_DIM},
     DENY,
     MSP_REASON_NO_EXEC_RECORD},
    {"matched, of others, an exec record",
     {.matched = true,
      .slot_flags = MSP_SLOT_EXE_DIM | MSP_SLOT_PROCESS_DIM,
      .mark_flags = MSP_MARK_EXEC},
     DENY,
     MSP_REASON_NOT_ASSIGNED},
    {"granted, no exec record",
     {.granted = true, .matched = true, .slot_flags = MSP_SLOT_EXE_DIM},
     ALLOW,
     MSP_REASON_PRIVILEGE},
    {"no executable counts, no exec record",
     {.slot_flags = MSP_SLOT_CGROUP_DIM},
     DENY,
     MSP_REASON_DEFAULT_DENY},
    {"root gate, user, granted",
     {.granted = true, .matched = true, .ep_flags = MSP_EP_ROOT_GATE},
     DENY,
     MSP_REASON_NEEDS_ROOT},
    {"root gate, root, granted",
     {.granted = true,
      .matched = true,
      .ep_flags = MSP_EP_ROOT_GATE,
      .mark_flags = MSP_MARK_ROOT},
     ALLOW,
     MSP_REASON_PRIVILEGE},
    {"root gate, lifted, granted",
     {.granted = true,
      .matched = true,
      .lifts = true,
      .ep_flags = MSP_EP_ROOT_GATE},
     ALLOW,
     MSP_REASON_PRIVILEGE},
    {"spelling beats a grant",
     {.granted = true, .refusal = MSP_REFUSAL_SPELLING},
     DENY,
     MSP_REASON_SPELLING},
    {"an unknown refusal is one",
     {.granted = true, .refusal = 99},
     DENY,
     MSP_REASON_SPELLING},
    {"reserved path",
     {.granted = true, .refusal = MSP_REFUSAL_RESERVED},
     DENY,
     MSP_REASON_RESERVED_PATH},
    {"no identity, default allow",
     {.ep_flags = MSP_EP_DEFAULT_ALLOW, .mark_flags = MSP_MARK_NO_IDENTITY},
     DENY,
     MSP_REASON_NO_IDENTITY},
    {"empty mark, default allow",
     {.ep_flags = MSP_EP_DEFAULT_ALLOW, .mark_flags = MSP_MARK_EMPTY},
     DENY,
     MSP_REASON_NO_RULE_FOR_YOU},
    {"bootstrap, marked root",
     {.slot_flags = MSP_SLOT_BOOTSTRAP,
      .mark_flags = MSP_MARK_ROOT | MSP_MARK_BOOTSTRAP},
     ALLOW,
     MSP_REASON_BOOTSTRAP},
    {"bootstrap, root without the mark",
     {.slot_flags = MSP_SLOT_BOOTSTRAP, .mark_flags = MSP_MARK_ROOT},
     DENY,
     MSP_REASON_BOOTSTRAP_DENY},
    {"bootstrap mark, user",
     {.slot_flags = MSP_SLOT_BOOTSTRAP, .mark_flags = MSP_MARK_BOOTSTRAP},
     DENY,
     MSP_REASON_BOOTSTRAP_DENY},
    {"strict bootstrap",
     {.slot_flags = MSP_SLOT_BOOTSTRAP | MSP_SLOT_BOOTSTRAP_DENY,
      .mark_flags = MSP_MARK_ROOT | MSP_MARK_BOOTSTRAP},
     DENY,
     MSP_REASON_BOOTSTRAP_DENY},
};

static void request_follows_the_table_in_every_mode(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        const struct request_case *c = &requests[i];
        struct msp_request_facts f = c->f;
        struct msp_decision d;

        f.mode = MSP_MODE_ENFORCE;
        d = msp_decide_request(&f);
        if (d.verdict != c->verdict || d.reason != c->reason)
            fail_msg("%s: verdict %d reason %d", c->what, d.verdict, d.reason);
        /* audit: the same reason, no denial but of the agent's own paths */
        f.mode = MSP_MODE_AUDIT;
        d = msp_decide_request(&f);
        if (c->reason == MSP_REASON_RESERVED_PATH)
            assert_int_equal(d.verdict, DENY);
        else
            assert_int_equal(d.verdict, c->verdict == DENY ? AUDIT : ALLOW);
        assert_int_equal(d.reason, c->reason);
        f.mode = MSP_MODE_DISABLED; /* never signed: come again, direct */
        assert_int_equal(msp_decide_request(&f).verdict, MSP_VERDICT_STALE);
        f.mode = MSP_MODE_NONE;
        assert_int_equal(msp_decide_request(&f).verdict, DENY);
    }
}

static void a_condition_needs_all_its_pairs_and_its_method(void **state)
{
    __u64 bits[MSP_PAIRS_MAX / 64] = {0};
    struct msp_cond cond = {.pair = {3, 4095}, .n_pairs = 2};

    (void)state;
    assert_false(msp_cond_holds(&cond, bits, MSP_METHOD_GET));
    bits[0] = 1u << 3;
    assert_false(msp_cond_holds(&cond, bits, MSP_METHOD_GET));
    bits[63] = 1ull << 63;
    assert_true(msp_cond_holds(&cond, bits, MSP_METHOD_GET));
    cond.methods = MSP_METHOD_PUT | MSP_METHOD_POST;
    assert_false(msp_cond_holds(&cond, bits, MSP_METHOD_GET));
    assert_true(msp_cond_holds(&cond, bits, MSP_METHOD_POST));
    cond.pair[0] = MSP_PAIRS_MAX; /* no such pair */
    assert_false(msp_cond_holds(&cond, bits, MSP_METHOD_POST));
}

static void lowest_identity_is_found_in_every_place(void **state)
{
    struct msp_idset a = {{0}}, b = {{0}};

    (void)state;
    assert_int_equal(msp_idset_first(&a, &b), MSP_NO_IDENTITY);
    for (uint32_t i = MSP_IDENTITIES_MAX; i-- > 0;) {
        a.word[i / 64] |= 1ull << (i % 64);
        b.word[i / 64] |= 1ull << (i % 64);
        assert_int_equal(msp_idset_first(&a, &b), i);
        assert_true(msp_idset_meets(&a, &b));
    }
    memset(&b, 0, sizeof(b));
    b.word[15] = 1ull << 63;
    assert_int_equal(msp_idset_first(&a, &b), 1023);
    a.word[15] = 0;
    assert_false(msp_idset_meets(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connect_follows_the_table),
        cmocka_unit_test(request_follows_the_table_in_every_mode),
        cmocka_unit_test(a_condition_needs_all_its_pairs_and_its_method),
        cmocka_unit_test(lowest_identity_is_found_in_every_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
