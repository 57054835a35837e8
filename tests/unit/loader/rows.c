/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/rows.h"

#include "harness/test.h"

enum {
    MAX = 80,
    OTHER = 4242
};

/* One identity, what its names mean here, and who it must match. */
struct row {
    uint32_t flags;
    uint32_t uid;
    uint32_t gid;
    struct msp_resolved resolved;
};

static struct msp_rows build(const struct row *rows, uint32_t n)
{
    struct msp_image_identity identities[MAX] = {0};
    struct msp_resolved resolved[MAX] = {0};
    struct msp_image image = {.identities = identities,
                              .n[MSP_SEC_IDENTITIES] = n};
    struct msp_rows ret = {0};

    for (uint32_t i = 0; i < n; i++) {
        identities[i].flags = rows[i].flags;
        identities[i].uid = rows[i].uid;
        identities[i].gid = rows[i].gid;
        resolved[i] = rows[i].resolved;
    }
    assert_ok(msp_rows_build(&image, resolved, &ret));
    return ret;
}

/* What the kernel does with one dimension. */
static const struct msp_idset *look_up(const struct msp_rows *rows, int dim,
                                       uint32_t id)
{
    for (size_t i = 0; i < rows->dim[dim].n; i++)
        if (rows->dim[dim].row[i].id == id)
            return &rows->dim[dim].row[i].set;
    return &rows->wild[dim];
}

static bool has(const struct msp_idset *set, uint32_t bit)
{
    return set->word[bit / 64] >> bit % 64 & 1;
}

/* Whether a caller with this uid and these groups is identity `bit`. */
static bool matches(const struct msp_rows *rows, uint32_t bit, uint32_t uid,
                    const uint32_t *gids, size_t n_gids)
{
    bool by_gid = false, by_group = false;

    for (size_t i = 0; i < n_gids; i++) {
        by_gid |= has(look_up(rows, MSP_DIM_GID, gids[i]), bit);
        by_group |= has(look_up(rows, MSP_DIM_GROUP, gids[i]), bit);
    }
    return has(look_up(rows, MSP_DIM_UID, uid), bit) && by_gid && by_group;
}

#define FOUND_USER(id)                         \
    {                                          \
        .is_user_found = true, .user_id = (id) \
    }
#define FOUND_GROUP(id)                          \
    {                                            \
        .is_group_found = true, .group_id = (id) \
    }

static const struct {
    const char *claim;
    struct row row;
    uint32_t uid;
    uint32_t gids[2];
    bool is_match;
} cases[] = {
    {"uid", {MSP_ID_UID, 5, 0, {0}}, 5, {9, 9}, true},
    {"another uid", {MSP_ID_UID, 5, 0, {0}}, 6, {9, 9}, false},
    {"uid 0 is a uid", {MSP_ID_UID, 0, 0, {0}}, 1, {0, 0}, false},
    {"gid", {MSP_ID_GID, 0, 7, {0}}, 1, {7, 7}, true},
    {"supplementary gid", {MSP_ID_GID, 0, 7, {0}}, 1, {9, 7}, true},
    {"another gid", {MSP_ID_GID, 0, 7, {0}}, 7, {9, 9}, false},
    {"user", {MSP_ID_USER, 0, 0, FOUND_USER(5)}, 5, {9, 9}, true},
    {"another user", {MSP_ID_USER, 0, 0, FOUND_USER(5)}, 6, {9, 9}, false},
    {"unknown user, its zeroed id", {MSP_ID_USER, 0, 0, {0}}, 0, {0, 0}, false},
    {"unknown user, anybody", {MSP_ID_USER, 0, 0, {0}}, 5, {9, 9}, false},
    {"group", {MSP_ID_GROUP, 0, 0, FOUND_GROUP(7)}, 1, {9, 7}, true},
    {"unknown group", {MSP_ID_GROUP, 0, 0, {0}}, 1, {0, 9}, false},
    {"uid and user agree",
     {MSP_ID_UID | MSP_ID_USER, 5, 0, FOUND_USER(5)},
     5,
     {9, 9},
     true},
    {"uid and user differ, uid",
     {MSP_ID_UID | MSP_ID_USER, 5, 0, FOUND_USER(6)},
     5,
     {9, 9},
     false},
    {"uid and user differ, user",
     {MSP_ID_UID | MSP_ID_USER, 5, 0, FOUND_USER(6)},
     6,
     {9, 9},
     false},
    {"gid and group, both",
     {MSP_ID_GID | MSP_ID_GROUP, 0, 7, FOUND_GROUP(8)},
     1,
     {7, 8},
     true},
    {"gid and group, gid only",
     {MSP_ID_GID | MSP_ID_GROUP, 0, 7, FOUND_GROUP(8)},
     1,
     {7, 9},
     false},
    {"gid and group, group only",
     {MSP_ID_GID | MSP_ID_GROUP, 0, 7, FOUND_GROUP(8)},
     1,
     {9, 8},
     false},
    {"uid and gid", {MSP_ID_UID | MSP_ID_GID, 5, 7, {0}}, 5, {9, 7}, true},
    {"uid without gid", {MSP_ID_UID | MSP_ID_GID, 5, 7, {0}}, 5, {9, 9}, false},
    {"uid and unknown group",
     {MSP_ID_UID | MSP_ID_GROUP, 5, 0, {0}},
     5,
     {0, 9},
     false},
    {"everybody", {0, 0, 0, {0}}, 1, {9, 9}, true},
};

static void each_selector_matches_whom_it_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_cleanup(msp_rows_done) struct msp_rows rows =
            build(&cases[i].row, 1);

        if (matches(&rows, 0, cases[i].uid, cases[i].gids, 2) !=
            cases[i].is_match)
            fail_msg("%s", cases[i].claim);
    }
}

/* The same question asked of the selectors themselves. */
static bool oracle(const struct row *row, uint32_t uid, const uint32_t *gids,
                   size_t n)
{
    bool by_gid = !(row->flags & MSP_ID_GID);
    bool by_group = !(row->flags & MSP_ID_GROUP);

    if (row->flags & MSP_ID_UID && row->uid != uid)
        return false;
    if (row->flags & MSP_ID_USER &&
        (!row->resolved.is_user_found || row->resolved.user_id != uid))
        return false;
    for (size_t i = 0; i < n; i++) {
        by_gid |= row->gid == gids[i];
        by_group |=
            row->resolved.is_group_found && row->resolved.group_id == gids[i];
    }
    return by_gid && by_group;
}

static void many_identities_together_match_as_each_alone(void **state)
{
    struct row rows[MAX] = {0};
    msp_cleanup(msp_rows_done) struct msp_rows built = {0};
    unsigned int seed = 7;

    (void)state;
    for (size_t i = 0; i < MAX; i++) {
        seed = seed * 1103515245u + 12345u;
        rows[i].flags = seed >> 8 & 0xf;
        rows[i].uid = seed >> 12 & 3;
        rows[i].gid = seed >> 14 & 3;
        rows[i].resolved.is_user_found = seed >> 16 & 1;
        rows[i].resolved.is_group_found = seed >> 17 & 1;
        rows[i].resolved.user_id = seed >> 18 & 3;
        rows[i].resolved.group_id = seed >> 20 & 3;
    }
    built = build(rows, MAX);
    for (uint32_t uid = 0; uid < 5; uid++)
        for (uint32_t g = 0; g < 25; g++) {
            uint32_t gids[2] = {g / 5 == 4 ? OTHER : g / 5, g % 5};

            for (uint32_t bit = 0; bit < MAX; bit++)
                if (matches(&built, bit, uid, gids, 2) !=
                    oracle(&rows[bit], uid, gids, 2))
                    fail_msg("identity %u uid %u gids %u %u", bit, uid, gids[0],
                             gids[1]);
        }
}

static void host_only_set_holds_exactly_the_flagged(void **state)
{
    static const struct row rows[] = {
        {MSP_ID_UID, 1, 0, {0}},
        {MSP_ID_USER | MSP_ID_HOST_ONLY, 0, 0, FOUND_USER(1)},
        {MSP_ID_GROUP | MSP_ID_HOST_ONLY, 0, 0, {0}},
    };
    msp_cleanup(msp_rows_done) struct msp_rows built = build(rows, 3);

    (void)state;
    assert_int_equal(built.wild[MSP_DIM_HOST_ONLY].word[0], 0x6);
}

static void equal_means_the_same_for_every_caller(void **state)
{
    static const struct row user = {MSP_ID_USER, 0, 0, FOUND_USER(5)};
    static const struct row uid = {MSP_ID_UID, 5, 0, {0}};
    static const struct row other = {MSP_ID_UID, 6, 0, {0}};
    msp_cleanup(msp_rows_done) struct msp_rows a = build(&user, 1);
    msp_cleanup(msp_rows_done) struct msp_rows b = build(&uid, 1);
    msp_cleanup(msp_rows_done) struct msp_rows c = build(&other, 1);
    msp_cleanup(msp_rows_done) struct msp_rows none = build(&uid, 0);

    (void)state;
    assert_true(msp_rows_equal(&a, &b));
    assert_false(msp_rows_equal(&b, &c));
    assert_false(msp_rows_equal(&b, &none));
}

static void rows_are_sorted_and_unique(void **state)
{
    static const struct row rows[] = {
        {MSP_ID_UID, 9, 0, {0}},
        {MSP_ID_UID, 3, 0, {0}},
        {MSP_ID_UID, 9, 0, {0}},
        {MSP_ID_GID, 0, 1, {0}},
    };
    msp_cleanup(msp_rows_done) struct msp_rows built = build(rows, 4);
    const struct msp_row_table *table = &built.dim[MSP_DIM_UID];

    (void)state;
    assert_int_equal(table->n, 2);
    assert_int_equal(table->row[0].id, 3);
    assert_int_equal(table->row[0].set.word[0], 0xa);
    assert_int_equal(table->row[1].id, 9);
    assert_int_equal(table->row[1].set.word[0], 0xd);
}

/* Wildcard rows of the dimensions whose other rows are made elsewhere. */
static void who_demands_none_is_in_the_wildcard_row(void **state)
{
    static const struct row rows[] = {
        {MSP_ID_UID, 1, 0, {0}},
        {MSP_ID_EXE, 0, 0, {0}},
        {MSP_ID_EXE | MSP_ID_SHA256, 0, 0, {0}},
        {MSP_ID_PROCESS, 0, 0, {0}},
        {MSP_ID_CGROUP, 0, 0, {0}},
        {MSP_ID_UNIT, 0, 0, {0}},
        {MSP_ID_USER, 0, 0, {0}},                /* unknown: nobody */
        {MSP_ID_UID | MSP_ID_NOBODY, 1, 0, {0}}, /* nobody */
        {MSP_ID_CONTAINER, 0, 0, {0}},
        {MSP_ID_POD | MSP_ID_CONTAINER, 0, 0, {0}},
    };
    msp_cleanup(msp_rows_done) struct msp_rows built =
        build(rows, ARRAY_SIZE(rows));

    (void)state;
    assert_int_equal(built.wild[MSP_DIM_EXE].word[0], 0x339);
    assert_int_equal(built.wild[MSP_DIM_PROCESS].word[0], 0x337);
    assert_int_equal(built.wild[MSP_DIM_CGROUP].word[0], 0x30f);
    assert_int_equal(built.wild[MSP_DIM_CONTAINER].word[0], 0x3f);
    assert_int_equal(built.wild[MSP_DIM_UID].word[0], 0x33e);
    assert_int_equal(built.dim[MSP_DIM_UID].n, 1);
    assert_int_equal(built.dim[MSP_DIM_UID].row[0].set.word[0], 0x33f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_selector_matches_whom_it_names),
        cmocka_unit_test(many_identities_together_match_as_each_alone),
        cmocka_unit_test(host_only_set_holds_exactly_the_flagged),
        cmocka_unit_test(equal_means_the_same_for_every_caller),
        cmocka_unit_test(rows_are_sorted_and_unique),
        cmocka_unit_test(who_demands_none_is_in_the_wildcard_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
