/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/effective.h"

#include <linux/bpf.h>

#include "harness/test.h"

enum {
    OURS = 50,
    SEEN_MAX = 8
};

struct seen {
    struct msp_foreign row[SEEN_MAX];
    size_t n;
};

static void see(void *data, const struct msp_foreign *foreign)
{
    struct seen *seen = data;

    assert_true(seen->n < SEEN_MAX);
    seen->row[seen->n++] = *foreign;
}

static const struct {
    const char *what;
    bool is_ours;
    enum msp_prog hook;
    uint32_t flags;
    uint32_t own[4]; /* ends in 0 */
    uint32_t run[4];
    struct msp_foreign wanted[3]; /* ends in position 0 and id 0 */
    size_t n_wanted;
} cases[] = {
    {"ours alone",
     true,
     MSP_PROG_CONNECT4,
     BPF_F_ALLOW_MULTI,
     {OURS},
     {OURS},
     {{0}},
     0},
    {"before ours",
     true,
     MSP_PROG_CONNECT4,
     BPF_F_ALLOW_MULTI,
     {7, OURS},
     {7, OURS},
     {{.id = 7, .position = 1, .place = MSP_FOREIGN_SAME}},
     1},
    {"after ours",
     true,
     MSP_PROG_CONNECT6,
     BPF_F_ALLOW_MULTI,
     {OURS, 7},
     {OURS, 7},
     {{.id = 7, .position = 2, .place = MSP_FOREIGN_SAME, .is_after = true}},
     1},
    {"above ours",
     true,
     MSP_PROG_BIND4,
     BPF_F_ALLOW_MULTI,
     {OURS},
     {OURS, 9},
     {{.id = 9, .position = 2, .place = MSP_FOREIGN_ABOVE, .is_after = true}},
     1},
    {"above ours, but first",
     true,
     MSP_PROG_CONNECT4,
     BPF_F_ALLOW_MULTI,
     {OURS},
     {9, OURS},
     {{.id = 9, .position = 1, .place = MSP_FOREIGN_ABOVE}},
     1},
    {"below ours",
     false,
     MSP_PROG_SENDMSG4,
     BPF_F_ALLOW_OVERRIDE,
     {7},
     {7, OURS},
     {{.id = 7, .position = 1, .place = MSP_FOREIGN_BELOW}},
     1},
    {"below, but later",
     false,
     MSP_PROG_CONNECT4,
     BPF_F_ALLOW_MULTI,
     {7},
     {OURS, 7},
     {{.id = 7, .position = 2, .place = MSP_FOREIGN_BELOW, .is_after = true}},
     1},
    {"instead of ours",
     false,
     MSP_PROG_CONNECT4,
     BPF_F_ALLOW_OVERRIDE,
     {7},
     {7},
     {{.id = 0, .position = 0, .place = MSP_FOREIGN_BELOW},
      {.id = 7, .position = 1, .place = MSP_FOREIGN_BELOW, .is_after = true}},
     2},
    {"ours was detached",
     true,
     MSP_PROG_EGRESS,
     0,
     {0},
     {0},
     {{.id = 0, .position = 0, .place = MSP_FOREIGN_SAME}},
     1},
    {"no address to change",
     true,
     MSP_PROG_EGRESS,
     BPF_F_ALLOW_MULTI,
     {OURS, 7},
     {OURS, 7},
     {{0}},
     0},
    {"one that never runs",
     false,
     MSP_PROG_CONNECT4,
     BPF_F_ALLOW_OVERRIDE,
     {7},
     {8, OURS},
     {{.id = 7, .position = 0, .place = MSP_FOREIGN_BELOW}},
     1},
};

static uint32_t fill(uint32_t *to, const uint32_t *from)
{
    uint32_t n = 0;

    for (; n < 4 && from[n]; n++)
        to[n] = from[n];
    return n;
}

static void order_and_place_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct msp_effective effective = {.flags = cases[i].flags};
        struct seen seen = {.n = 0};

        print_message("%s\n", cases[i].what);
        effective.n_own = fill(effective.own, cases[i].own);
        effective.n_run = fill(effective.run, cases[i].run);
        msp_effective_judge(&effective, cases[i].hook, OURS, cases[i].is_ours,
                            see, &seen);
        assert_int_equal(seen.n, cases[i].n_wanted);
        for (size_t k = 0; k < seen.n; k++) {
            const struct msp_foreign *got = &seen.row[k];
            const struct msp_foreign *wanted = &cases[i].wanted[k];

            assert_int_equal(got->hook, cases[i].hook);
            assert_int_equal(got->id, wanted->id);
            assert_int_equal(got->position, wanted->position);
            assert_int_equal(got->n_run, effective.n_run);
            assert_int_equal(got->place, wanted->place);
            assert_int_equal(got->is_after, wanted->is_after);
        }
    }
}

static void flags_have_their_names(void **state)
{
    (void)state;
    assert_string_equal(msp_foreign_flags_name(BPF_F_ALLOW_MULTI), "multi");
    assert_string_equal(msp_foreign_flags_name(BPF_F_ALLOW_OVERRIDE),
                        "override");
    assert_string_equal(msp_foreign_flags_name(0), "none");
}

static void only_connects_have_a_wall_behind_them(void **state)
{
    (void)state;
    for (int i = MSP_PROG_CGROUP_LINKS; i < MSP_PROG_LINKS; i++)
        assert_int_equal(
            strncmp(msp_foreign_cover((enum msp_prog)i), "msp_egress", 10) == 0,
            i == MSP_PROG_CONNECT4 || i == MSP_PROG_CONNECT6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_place_are_told),
        cmocka_unit_test(flags_have_their_names),
        cmocka_unit_test(only_connects_have_a_wall_behind_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
