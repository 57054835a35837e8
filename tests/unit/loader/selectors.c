/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/selectors.h"

#include "harness/test.h"

/* Texts at the offsets the cases use. */
static const char strings[] = "\0/a\0/b\0/a";

enum {
    A = 1,
    B = 4,
    A_AGAIN = 7
};

struct side {
    struct msp_image_identity identity;
    uint32_t path_off; /* of file 0 */
    uint32_t n;
};

static struct msp_image image_of(const struct side *side,
                                 struct msp_image_exe *exe)
{
    *exe = (struct msp_image_exe){.path_off = side->path_off};
    return (struct msp_image){
        .strings = strings,
        .identities = &side->identity,
        .exes = exe,
        .n = {[MSP_SEC_STRINGS] = sizeof(strings),
              [MSP_SEC_IDENTITIES] = side->n,
              [MSP_SEC_EXES] = 1},
    };
}

static const struct {
    const char *claim;
    struct side a, b;
    bool is_equal;
} cases[] = {
    {"ids are not looked at",
     {{.flags = MSP_ID_UID, .uid = 1}, 0, 1},
     {{.flags = MSP_ID_GID, .gid = 1}, 0, 1},
     true},
    {"a path",
     {{.flags = MSP_ID_EXE}, A, 1},
     {{.flags = MSP_ID_EXE}, B, 1},
     false},
    {"a path by its text",
     {{.flags = MSP_ID_EXE}, A, 1},
     {{.flags = MSP_ID_EXE}, A_AGAIN, 1},
     true},
    {"contents",
     {{.flags = MSP_ID_EXE | MSP_ID_SHA256, .sha256 = {1}}, A, 1},
     {{.flags = MSP_ID_EXE | MSP_ID_SHA256, .sha256 = {2}}, A, 1},
     false},
    {"contents demanded or not",
     {{.flags = MSP_ID_EXE | MSP_ID_SHA256}, A, 1},
     {{.flags = MSP_ID_EXE}, A, 1},
     false},
    {"a base name",
     {{.flags = MSP_ID_PROCESS, .process_off = A}, 0, 1},
     {{.flags = MSP_ID_PROCESS, .process_off = B}, 0, 1},
     false},
    {"a cgroup",
     {{.flags = MSP_ID_CGROUP, .cgroup_off = A}, 0, 1},
     {{.flags = MSP_ID_CGROUP, .cgroup_off = B}, 0, 1},
     false},
    {"a unit",
     {{.flags = MSP_ID_UNIT, .unit_off = A}, 0, 1},
     {{.flags = MSP_ID_UNIT, .unit_off = B}, 0, 1},
     false},
    {"a unit and a cgroup",
     {{.flags = MSP_ID_UNIT, .unit_off = A}, 0, 1},
     {{.flags = MSP_ID_CGROUP, .cgroup_off = A}, 0, 1},
     false},
    {"all the same",
     {{.flags = MSP_ID_UNIT | MSP_ID_CGROUP | MSP_ID_PROCESS | MSP_ID_EXE,
       .unit_off = A,
       .cgroup_off = B,
       .process_off = A},
      B,
      1},
     {{.flags = MSP_ID_UNIT | MSP_ID_CGROUP | MSP_ID_PROCESS | MSP_ID_EXE,
       .unit_off = A_AGAIN,
       .cgroup_off = B,
       .process_off = A_AGAIN},
      B,
      1},
     true},
    {"nobody or somebody",
     {{.flags = MSP_ID_UID | MSP_ID_NOBODY}, 0, 1},
     {{.flags = MSP_ID_UID}, 0, 1},
     false},
    {"one more that demands",
     {{.flags = MSP_ID_EXE}, A, 1},
     {{.flags = MSP_ID_EXE}, A, 0},
     false},
    {"one more that demands none of these",
     {{.flags = MSP_ID_UID}, A, 1},
     {{.flags = MSP_ID_UID}, A, 0},
     true},
};

static void equal_demands_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct msp_image_exe exe_a, exe_b;
        const struct msp_image a = image_of(&cases[i].a, &exe_a);
        const struct msp_image b = image_of(&cases[i].b, &exe_b);

        if (msp_selectors_equal(&a, &b) != cases[i].is_equal ||
            msp_selectors_equal(&b, &a) != cases[i].is_equal)
            fail_msg("%s", cases[i].claim);
    }
}

static void equal_demands_on_containers(void **state)
{
    static const struct msp_image_demand
        one[] = {{MSP_DEMAND_POD_NAME, 0, A}, {MSP_DEMAND_POD_LABEL, A, B}},
        same[] = {{MSP_DEMAND_POD_NAME, 0, A_AGAIN},
                  {MSP_DEMAND_POD_LABEL, A_AGAIN, B}},
        key[] = {{MSP_DEMAND_POD_NAME, 0, A}, {MSP_DEMAND_POD_LABEL, B, B}},
        value[] = {{MSP_DEMAND_POD_NAME, 0, A}, {MSP_DEMAND_POD_LABEL, A, A}},
        kind[] = {{MSP_DEMAND_POD_ACCOUNT, 0, A}, {MSP_DEMAND_POD_LABEL, A, B}};

    static const struct {
        const struct msp_image_demand *demand;
        uint32_t n;
        bool is_equal;
    } others[] = {{same, 2, true},
                  {key, 2, false},
                  {value, 2, false},
                  {kind, 2, false},
                  {same, 1, false}};
    struct side a = {{.flags = MSP_ID_POD, .n_demands = 2}, 0, 1};
    struct msp_image_exe exe;
    struct msp_image left = image_of(&a, &exe);

    (void)state;
    left.demands = one;
    left.n[MSP_SEC_DEMANDS] = 2;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        struct side b = {{.flags = MSP_ID_POD, .n_demands = others[i].n}, 0, 1};
        struct msp_image right = image_of(&b, &exe);

        right.demands = others[i].demand;
        right.n[MSP_SEC_DEMANDS] = others[i].n;
        if (msp_selectors_equal(&left, &right) != others[i].is_equal ||
            msp_selectors_equal(&right, &left) != others[i].is_equal)
            fail_msg("case %zu", i);
    }
}

static void any_is_told_from_ids_alone(void **state)
{
    static const struct side uid = {{.flags = MSP_ID_UID}, 0, 1};
    static const struct side unit = {{.flags = MSP_ID_UNIT}, 0, 1};
    struct msp_image_exe exe;
    struct msp_image image;

    (void)state;
    image = image_of(&uid, &exe);
    assert_false(msp_selectors_any(&image));
    image = image_of(&unit, &exe);
    assert_true(msp_selectors_any(&image));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_demands_the_same),
        cmocka_unit_test(equal_demands_on_containers),
        cmocka_unit_test(any_is_told_from_ids_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
