/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * `authorize` on what is wrong or stale, and what it leaves in the audit map
 * and the counters.
 */
#include <bpf/bpf.h>

#include "bpf/slot.h"
#include "harness/test.h"
#include "loader/events.h"

static const char policy[] =
    "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
    "\"defaultAccess\":\"deny\",\"id\":\"t\",\"rules\":{"
    "\"privileges\":[{\"name\":\"read\",\"path\":\"/metadata\"}],"
    "\"roles\":[{\"name\":\"r\",\"privileges\":[\"read\"]}],"
    "\"identities\":[{\"name\":\"web\",\"uid\":1000}],"
    "\"roleAssignments\":[{\"role\":\"r\",\"identities\":[\"web\"]}]}}}}";

static void apply(struct slot_fixture *fx)
{
    msp_autofree uint8_t *bytes = NULL;
    struct msp_image image;

    slot_fixture_compile(policy, &bytes, &image);
    slot_fixture_apply(fx, &image);
}

/* A request of uid 1000 that is allowed. */
static struct msp_request *good(struct slot_fixture *fx)
{
    struct msp_request *page = slot_fixture_page(fx);

    memset(page, 0, sizeof(*page));
    page->mark.ids.word[0] = 1;
    page->mark.identity_epoch = slot_fixture_epoch(fx);
    page->mark.uid = 1000;
    page->mark.pid = 4711;
    page->mark.cgroup_id = 77;
    page->mark.netns_cookie = 5;
    page->mark.endpoint = MSP_EP_IMDS;
    page->method = MSP_METHOD_GET;
    strcpy(page->path.path, "/metadata/versions");
    strcpy(page->audit_path, "/metadata/versions");
    page->path_len = sizeof("/metadata/versions");
    return page;
}

static void expect(struct slot_fixture *fx, enum msp_verdict verdict,
                   enum msp_reason reason)
{
    struct msp_request *page = slot_fixture_page(fx);

    slot_fixture_authorize(fx);
    assert_int_equal(page->verdict, verdict);
    assert_int_equal(page->reason, reason);
}

static void before_any_policy_nothing_is_allowed(void **state)
{
    struct slot_fixture *fx = *state;

    good(fx);
    slot_fixture_authorize(fx);
    assert_int_not_equal(slot_fixture_page(fx)->verdict, MSP_VERDICT_ALLOW);
    assert_int_not_equal(slot_fixture_page(fx)->verdict, MSP_VERDICT_AUDIT);
}

static void a_malformed_or_stale_page_is_refused(void **state)
{
    struct slot_fixture *fx = *state;

    apply(fx);
    good(fx);
    expect(fx, MSP_VERDICT_ALLOW, MSP_REASON_PRIVILEGE);
    good(fx)->path_len = 0;
    expect(fx, MSP_VERDICT_DENY, MSP_REASON_BAD_REQUEST);
    good(fx)->path_len = MSP_PATH_KEY_BYTES + 1;
    expect(fx, MSP_VERDICT_DENY, MSP_REASON_BAD_REQUEST);
    good(fx)->n_pairs = MSP_REQ_PAIRS_MAX + 1;
    expect(fx, MSP_VERDICT_DENY, MSP_REASON_BAD_REQUEST);
    good(fx)->mark.endpoint = 63;
    expect(fx, MSP_VERDICT_DENY, MSP_REASON_TABLE_MISSING);
    good(fx)->mark.identity_epoch++;
    expect(fx, MSP_VERDICT_STALE, MSP_REASON_STALE_IDENTITY);
    good(fx)->refusal = MSP_REFUSAL_SPELLING;
    expect(fx, MSP_VERDICT_DENY, MSP_REASON_SPELLING);
    good(fx)->refusal = MSP_REFUSAL_RESERVED;
    expect(fx, MSP_VERDICT_DENY, MSP_REASON_RESERVED_PATH);
    good(fx)->mark.flags = MSP_MARK_NO_IDENTITY;
    expect(fx, MSP_VERDICT_DENY, MSP_REASON_NO_IDENTITY);
    good(fx)->mark.ids.word[0] = 0;
    expect(fx, MSP_VERDICT_DENY, MSP_REASON_NOT_ASSIGNED);
}

static void a_new_identity_table_makes_old_marks_stale(void **state)
{
    struct slot_fixture *fx = *state;
    uint32_t epoch;

    apply(fx);
    epoch = slot_fixture_epoch(fx);
    apply(fx);
    good(fx)->mark.identity_epoch = epoch;
    expect(fx, MSP_VERDICT_STALE, MSP_REASON_STALE_IDENTITY);
}

struct seen {
    unsigned int rows, others, named;
    uint64_t count;
};

static void see(void *data, const struct msp_audit_key *key,
                const struct msp_audit *row)
{
    struct seen *seen = data;

    if (key->cgroup_id != 77)
        return;
    seen->rows++;
    seen->count += row->count;
    seen->others += key->uid == MSP_AUDIT_UID_OTHER;
    if (row->uid == 1000 && key->verdict == MSP_VERDICT_ALLOW) {
        seen->named++;
        assert_string_equal(row->identity.text, "web");
        assert_string_equal(row->privilege.text, "read");
        assert_string_equal(row->endpoint, "imds");
        assert_string_equal(row->path, "/metadata/versions");
        assert_int_equal(row->pid, 4711);
        assert_int_equal(row->count, 3);
        assert_true(row->first_ns && row->first_ns < row->last_ns);
    }
}

static void audit_keeps_names_and_no_more_uids_than_it_may(void **state)
{
    struct slot_fixture *fx = *state;
    struct seen seen = {0};

    apply(fx);
    for (int i = 0; i < 3; i++) {
        good(fx);
        expect(fx, MSP_VERDICT_ALLOW, MSP_REASON_PRIVILEGE);
    }
    for (uint32_t uid = 2000; uid < 2040; uid++) {
        struct msp_request *page = good(fx);

        page->mark.uid = uid;
        page->mark.ids.word[0] = 0;
        expect(fx, MSP_VERDICT_DENY, MSP_REASON_NOT_ASSIGNED);
    }
    assert_ok(msp_events_audit(slot_fixture_loader(fx), see, &seen));
    assert_int_equal(seen.named, 1);
    assert_int_equal(seen.count, 43);
    assert_int_equal(seen.others, 1);
    assert_int_equal(seen.rows, MSP_AUDIT_UIDS_MAX + 1);
}

static void what_the_audit_map_lost_is_known(void **state)
{
    const uint64_t more = MSP_AUDIT_MAX / 4, n = MSP_AUDIT_MAX + more;
    struct slot_fixture *fx = *state;
    struct msp_loader *loader = slot_fixture_loader(fx);
    struct msp_audit_key stranger = {.cgroup_id = 1};
    struct msp_audit none = {0};
    struct msp_audit_size size;

    apply(fx);
    assert_ok(msp_events_audit_size(loader, &size));
    assert_int_equal(size.n_rows, 0);
    assert_int_equal(size.n_evicted, 0);
    for (int i = 0; i < 3; i++) {
        good(fx)->mark.cgroup_id = 77;
        expect(fx, MSP_VERDICT_ALLOW, MSP_REASON_PRIVILEGE);
    }
    /* one that no program wrote makes no difference */
    assert_ok(bpf_map_update_elem(msp_loader_map_fd(loader, "msp_audit"),
                                  &stranger, &none, BPF_NOEXIST));
    assert_ok(msp_events_audit_size(loader, &size));
    assert_int_equal(size.n_rows, 1);
    assert_int_equal(size.n_evicted, 0);
    for (uint64_t i = 1; i < n; i++) {
        good(fx)->mark.cgroup_id = 77 + i;
        expect(fx, MSP_VERDICT_ALLOW, MSP_REASON_PRIVILEGE);
    }
    assert_ok(msp_events_audit_size(loader, &size));
    assert_true(size.n_rows <= MSP_AUDIT_MAX);
    assert_true(size.n_evicted >= more);
    assert_int_equal(size.n_rows + size.n_evicted, n);
}

static void see_counter(void *data, const struct msp_counter_key *key,
                        uint64_t count)
{
    uint64_t *counts = data; /* [0] of cgroup 77, [1] of cgroup 0 */

    if (key->cgroup_id == 77)
        counts[0] += count;
    if (key->cgroup_id == 0)
        counts[1] += count;
}

static void a_full_counter_map_counts_on_the_common_row(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_loader *loader = slot_fixture_loader(fx);
    int fd = msp_loader_map_fd(loader, "msp_counters");
    struct msp_counter_key key = {.endpoint = 1, .verdict = MSP_VERDICT_DENY};
    uint64_t counts[2] = {0}, one = 1, stat = 0;

    apply(fx);
    good(fx);
    expect(fx, MSP_VERDICT_ALLOW, MSP_REASON_PRIVILEGE);
    /* the row of cgroup 0 first, then strangers up to the limit */
    key.endpoint = MSP_EP_IMDS;
    key.verdict = MSP_VERDICT_ALLOW;
    assert_ok(bpf_map_update_elem(fd, &key, &one, BPF_NOEXIST));
    key.endpoint = 1;
    for (uint64_t id = 1000000; !bpf_map_update_elem(
             fd,
             &(struct msp_counter_key){
                 .cgroup_id = id, .endpoint = 1, .verdict = MSP_VERDICT_DENY},
             &one, BPF_NOEXIST);
         id++)
        assert_true(id < 1000000 + 2 * MSP_COUNTERS_MAX);
    good(fx)->mark.cgroup_id = 78;
    expect(fx, MSP_VERDICT_ALLOW, MSP_REASON_PRIVILEGE);
    good(fx);
    expect(fx, MSP_VERDICT_ALLOW, MSP_REASON_PRIVILEGE);
    assert_ok(msp_events_counters(loader, see_counter, counts));
    assert_int_equal(counts[0], 2); /* its own row goes on */
    assert_int_equal(counts[1], 2); /* 1 + the stranger's */
    assert_ok(msp_events_stat(loader, MSP_STAT_COUNTER_OTHER, &stat));
    assert_int_equal(stat, 1);
}

#define SLOT_TEST(f)                                       \
    cmocka_unit_test_setup_teardown(f, slot_fixture_setup, \
                                    slot_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SLOT_TEST(before_any_policy_nothing_is_allowed),
        SLOT_TEST(a_malformed_or_stale_page_is_refused),
        SLOT_TEST(a_new_identity_table_makes_old_marks_stale),
        SLOT_TEST(audit_keeps_names_and_no_more_uids_than_it_may),
        SLOT_TEST(what_the_audit_map_lost_is_known),
        SLOT_TEST(a_full_counter_map_counts_on_the_common_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
