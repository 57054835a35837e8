/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/parts.h"

#include "harness/test.h"

/* All is as it should be: the base of each case. */
static const struct msp_part_facts well = {
    .is_attached = true,
    .is_channel = true,
    .channel_message = "latched",
    .has_key = true,
    .key_why = "no key yet",
    .is_keeper_running = true,
    .is_proxy_running = true,
    .is_proxy_ready = true,
    .n_listeners = 1,
};

/* A word a part, and what provisioning waits for. */
static void expect(const struct msp_part_facts *facts, const char *words,
                   const char *missing, size_t n_reasons)
{
    struct msp_part_now now[MSP_PART_COUNT];
    char text[256] = "", lines[512];
    size_t n = 0;

    msp_parts_find(facts, now);
    for (int i = 0; i < MSP_PART_COUNT; i++) {
        (void)strcat(text, i ? " " : "");
        (void)strcat(text, msp_part_word_name(now[i].word));
        assert_non_null(now[i].message);
        assert_true(now[i].message[0]);
        for (int k = 0; k < MSP_PART_REASONS && now[i].reason[k]; k++)
            n++;
    }
    assert_string_equal(text, words);
    assert_int_equal(msp_parts_are_ready(now, lines, sizeof(lines)),
                     !missing[0]);
    assert_string_equal(lines, missing);
    assert_int_equal(n, n_reasons);
}

static void all_is_well(void **state)
{
    struct msp_part_facts facts = well;

    (void)state;
    expect(&facts, "RUNNING RUNNING RUNNING RUNNING STOPPED", "", 0);
    facts.is_channel = false;
    facts.is_keeper_running = false; /* nobody is followed */
    expect(&facts, "RUNNING RUNNING RUNNING RUNNING STOPPED", "", 0);
}

static void a_key_is_there_or_not(void **state)
{
    struct msp_part_facts facts = well;

    (void)state;
    facts.has_key = false;
    expect(&facts, "RUNNING UNKNOWN RUNNING RUNNING STOPPED",
           "keyLatchStatus - no key yet\r\n", 1);
    facts.is_channel_failing = true;
    expect(&facts, "RUNNING UNKNOWN RUNNING RUNNING STOPPED",
           "keyLatchStatus - no key yet\r\n", 2);
    facts.is_keeper_running = false;
    expect(&facts, "RUNNING STOPPED RUNNING RUNNING STOPPED",
           "keyLatchStatus - no key yet\r\n", 2);
    facts = well;
    facts.is_channel_failing = true;
    expect(&facts, "RUNNING RUNNING RUNNING RUNNING STOPPED", "", 1);
    facts.is_keeper_running = false;
    expect(&facts, "RUNNING STOPPED RUNNING RUNNING STOPPED",
           "keyLatchStatus - mspd-keeper does not run: nobody follows the "
           "host.\r\n",
           2);
}

static void the_host_may_want_none(void **state)
{
    struct msp_part_facts facts = well;

    (void)state;
    facts.has_key = false;
    facts.is_host_disabled = true;
    expect(&facts, "RUNNING Disabled RUNNING RUNNING STOPPED", "", 0);
    facts.wants_key = true; /* a policy of our own is in force */
    expect(&facts, "RUNNING Disabled RUNNING RUNNING STOPPED", "", 1);
    facts.is_stopping = true;
    expect(&facts, "STOPPED STOPPED RUNNING STOPPED STOPPED",
           "keyLatchStatus - mspd was stopped.\r\n"
           "proxyListenerStatus - mspd was stopped.\r\n",
           1);
}

static void programs_run_everywhere_or_not(void **state)
{
    struct msp_part_facts facts = well;

    (void)state;
    facts.has_gap = true;
    expect(&facts, "RUNNING RUNNING STOPPED RUNNING STOPPED",
           "ebpfProgramStatus - A program does not run in some cgroup.\r\n", 1);
    facts = well;
    facts.is_attached = false;
    expect(&facts, "RUNNING RUNNING STOPPED RUNNING STOPPED",
           "ebpfProgramStatus - The programs are not attached.\r\n", 1);
}

static void a_proxy_serves_or_not(void **state)
{
    struct msp_part_facts facts = well;

    (void)state;
    facts.is_proxy_frozen = true;
    expect(&facts, "RUNNING RUNNING RUNNING STOPPED STOPPED",
           "proxyListenerStatus - mspd-proxy is stopped.\r\n", 1);
    facts.is_proxy_frozen = facts.is_proxy_ready = false;
    expect(&facts, "RUNNING RUNNING RUNNING UNKNOWN STOPPED",
           "proxyListenerStatus - mspd-proxy is starting.\r\n", 1);
    facts.is_proxy_running = false;
    expect(&facts, "RUNNING RUNNING RUNNING STOPPED STOPPED",
           "proxyListenerStatus - mspd-proxy does not run.\r\n", 1);
    facts.n_listeners = 0;
    expect(&facts, "RUNNING RUNNING RUNNING STOPPED STOPPED",
           "proxyListenerStatus - mspd-proxy does not run.\r\n", 2);
    facts = well;
    facts.n_listeners = 0;
    expect(&facts, "RUNNING RUNNING RUNNING STOPPED STOPPED",
           "proxyListenerStatus - No network namespace has a listener.\r\n", 1);
}

static void programs_outlive_mspd(void **state)
{
    static const char key[] = "keyLatchStatus - mspd was stopped.\r\n"
                              "proxyListenerStatus - mspd was stopped.\r\n";
    struct msp_part_facts facts = well;

    (void)state;
    facts.is_stopping = true;
    expect(&facts, "STOPPED STOPPED RUNNING STOPPED STOPPED", key, 1);
    facts.is_failed = true; /* its proxy goes on */
    expect(&facts, "STOPPED STOPPED RUNNING UNKNOWN STOPPED",
           "keyLatchStatus - mspd was stopped.\r\n"
           "proxyListenerStatus - mspd failed.\r\n",
           1);
    facts.is_failed = false;
    facts.is_detached = true;
    expect(&facts, "STOPPED STOPPED STOPPED STOPPED STOPPED",
           "ebpfProgramStatus - mspctl detach took the programs away.\r\n"
           "keyLatchStatus - mspd was stopped.\r\n"
           "proxyListenerStatus - mspd was stopped.\r\n",
           2);
}

static void what_is_missing_is_cut_where_there_is_no_room(void **state)
{
    struct msp_part_facts facts = well;
    struct msp_part_now now[MSP_PART_COUNT];
    char text[24];

    (void)state;
    facts.has_key = facts.is_proxy_ready = facts.is_attached = false;
    msp_parts_find(&facts, now);
    assert_false(msp_parts_are_ready(now, text, sizeof(text)));
    assert_string_equal(text, "ebpfProgramStatus - The");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_well),
        cmocka_unit_test(a_key_is_there_or_not),
        cmocka_unit_test(the_host_may_want_none),
        cmocka_unit_test(programs_run_everywhere_or_not),
        cmocka_unit_test(a_proxy_serves_or_not),
        cmocka_unit_test(programs_outlive_mspd),
        cmocka_unit_test(what_is_missing_is_cut_where_there_is_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
