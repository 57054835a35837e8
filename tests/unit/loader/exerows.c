/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/exerows.h"

#include "harness/test.h"

enum {
    PATHS = 3,
    IDENTITIES = 7
};

#define HASH_A             \
    {                      \
        [0 ... 31] = 0xaa, \
    }
#define HASH_B             \
    {                      \
        [0 ... 31] = 0xbb, \
    }

/*
 * 0: any file; 1: path 0; 2: path 0 with contents A; 3: path 1;
 * 4: path 1 and an unknown user; 5: path 2 with contents B; 6: path 0 of a
 * container, which is no file of the host's.
 */
static const struct msp_image_identity identities[IDENTITIES] = {
    {.flags = MSP_ID_UID},
    {.flags = MSP_ID_EXE, .exe = 0},
    {.flags = MSP_ID_EXE | MSP_ID_SHA256, .exe = 0, .sha256 = HASH_A},
    {.flags = MSP_ID_EXE, .exe = 1},
    {.flags = MSP_ID_EXE | MSP_ID_USER, .exe = 1},
    {.flags = MSP_ID_EXE | MSP_ID_SHA256, .exe = 2, .sha256 = HASH_B},
    {.flags = MSP_ID_EXE | MSP_ID_POD, .exe = 0, .n_demands = 1},
};
static const struct msp_resolved resolved[IDENTITIES];
static const struct msp_idset wild = {.word = {1}};
static const struct msp_image image = {
    .identities = identities,
    .n = {[MSP_SEC_IDENTITIES] = IDENTITIES, [MSP_SEC_EXES] = PATHS},
};

static struct msp_exe exe(uint64_t ino)
{
    return (struct msp_exe){.s_dev = 8 << 20 | 1, .generation = 7, .ino = ino};
}

static struct msp_exe_found found(uint32_t path, uint64_t ino,
                                  uint64_t retired_ns, uint8_t hash)
{
    struct msp_exe_found ret = {.path = path,
                                .exe = exe(ino),
                                .ctime_sec = 100 + (int64_t)ino,
                                .retired_ns = retired_ns,
                                .has_sha256 = hash != 0};

    memset(ret.sha256, hash, sizeof(ret.sha256));
    return ret;
}

static struct msp_exe_rows build(const struct msp_exe_found *files, size_t n)
{
    struct msp_exe_rows rows = {0};

    assert_ok(msp_exe_rows_build(&image, resolved, &wild, files, n, &rows));
    return rows;
}

static const struct msp_exe_row none_there = {.path = UINT32_MAX};

/* The row of a file; an impossible one if there is none. */
static const struct msp_exe_row *row_of(const struct msp_exe_rows *rows,
                                        uint64_t ino)
{
    for (size_t i = 0; i < rows->n; i++)
        if (rows->entry[i].key.ino == ino)
            return &rows->entry[i].row;
    return &none_there;
}

static bool has_row(const struct msp_exe_rows *rows, uint64_t ino)
{
    return row_of(rows, ino) != &none_there;
}

static void expect(const struct msp_exe_rows *rows, uint64_t ino, uint64_t set,
                   uint64_t hashed, uint64_t retired_ns)
{
    const struct msp_exe_row *row = row_of(rows, ino);

    assert_int_not_equal(row->path, UINT32_MAX);
    assert_int_equal(row->set.word[0], set);
    assert_int_equal(row->hashed.word[0], hashed);
    assert_int_equal(row->retired_ns, retired_ns);
}

static void a_file_has_who_demands_it_and_who_demands_none(void **state)
{
    const struct msp_exe_found files[] = {
        found(1, 30, 0, 0),
        found(0, 20, 0, 0xaa),
    };
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = build(files, 2);

    (void)state;
    assert_int_equal(rows.n, 2);
    assert_int_equal(rows.entry[0].key.ino, 20);
    expect(&rows, 20, 0x3, 0x5, 0);
    assert_int_equal(row_of(&rows, 20)->demands.word[0], 0x4);
    assert_int_equal(row_of(&rows, 20)->ctime_sec, 120);
    expect(&rows, 30, 0x9, 0x1, 0); /* nobody of an unknown user */
    assert_int_equal(row_of(&rows, 30)->path, 1);
}

static void other_contents_or_unknown_ones_match_nobody(void **state)
{
    const struct msp_exe_found files[] = {
        found(0, 20, 0, 0xbb),
        found(2, 40, 0, 0),
    };
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = build(files, 2);

    (void)state;
    expect(&rows, 20, 0x3, 0x1, 0);
    expect(&rows, 40, 0x1, 0x1, 0);
    /* but for contents the kernel reads at exec it is there */
    assert_int_equal(row_of(&rows, 20)->demands.word[0], 0x4);
}

static void before_names_are_known_nobody_is_left_out(void **state)
{
    const struct msp_exe_found file = found(1, 30, 0, 0);
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = {0};

    (void)state;
    assert_ok(msp_exe_rows_build(&image, NULL, &wild, &file, 1, &rows));
    expect(&rows, 30, 0x19, 0x1, 0);
}

static void two_paths_of_one_file_share_its_row(void **state)
{
    const struct msp_exe_found files[] = {
        found(0, 20, 0, 0xaa),
        found(1, 20, 0, 0),
    };
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = build(files, 2);

    (void)state;
    assert_int_equal(rows.n, 1);
    expect(&rows, 20, 0xb, 0x5, 0);
}

/* Else who starts it now would get what the other path once gave. */
static void a_path_that_left_counts_not_while_another_stays(void **state)
{
    const struct msp_exe_found files[] = {
        found(0, 20, 500, 0xaa),
        found(1, 20, 0, 0),
    };
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = build(files, 2);

    (void)state;
    expect(&rows, 20, 0x9, 0x1, 0);
}

static void of_two_that_left_the_earlier_time_counts(void **state)
{
    const struct msp_exe_found files[] = {
        found(0, 20, 600, 0xaa),
        found(1, 20, 500, 0),
    };
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = build(files, 2);

    (void)state;
    expect(&rows, 20, 0xb, 0x5, 500);
}

static void contents_of_an_earlier_ctime_do_not_count(void **state)
{
    struct msp_exe_found files[] = {
        found(0, 20, 0, 0xaa),
        found(1, 20, 0, 0),
    };
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = {0};

    (void)state;
    files[1].ctime_nsec = 1;
    rows = build(files, 2);
    expect(&rows, 20, 0xb, 0x1, 0);
    assert_int_equal(row_of(&rows, 20)->ctime_nsec, 1);
}

static void without_room_the_longest_retired_go(void **state)
{
    enum {
        ROWS = MSP_EXE_ROWS_MAX - MSP_EXES_MAX,
        N = ROWS + 2
    };
    struct msp_exe_found *files = calloc(N, sizeof(*files));
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = {0};

    (void)state;
    assert_non_null(files);
    for (size_t i = 0; i < N; i++)
        files[i] = found(0, 1 + i, i < 10 ? 0 : 1000 + i, 0);
    rows = build(files, N);
    assert_int_equal(rows.n, ROWS);
    assert_int_equal(rows.n_dropped, 2);
    assert_true(has_row(&rows, 1));
    assert_false(has_row(&rows, 11));
    assert_false(has_row(&rows, 12));
    assert_true(has_row(&rows, 13));
    assert_true(has_row(&rows, N));
    for (size_t i = 1; i < rows.n; i++)
        assert_true(
            msp_exe_compare(&rows.entry[i - 1].key, &rows.entry[i].key) < 0);
    free(files);
}

/* Of a container; the bit of the identity that names it. */
static const struct msp_idset inside = {.word = {1 << 6}};

static struct msp_exe_found found_in(uint64_t container, uint64_t ino)
{
    struct msp_exe_found ret = found(0, ino, 0, 0);

    ret.inside = &inside;
    ret.container = container;
    return ret;
}

static size_t count_of(const struct msp_exe_rows *rows, uint64_t container)
{
    size_t n = 0;

    for (size_t i = 0; i < rows->n; i++)
        n += rows->entry[i].container == container;
    return n;
}

/* 5,000 of one container, which is found first, and of the host, and others. */
static void a_container_with_many_pushes_nobody_out(void **state)
{
    enum {
        ROWS = MSP_EXE_ROWS_MAX - MSP_EXES_MAX,
        MANY = 5000,
        HOST = 100, /* current, and as many retired */
        FEW = 10,   /* of each of so many other containers */
        N = MANY + 2 * HOST + FEW * FEW
    };
    struct msp_exe_found *files = calloc(N, sizeof(*files));
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = {0};
    size_t n = 0;

    (void)state;
    assert_non_null(files);
    for (uint64_t i = 0; i < MANY; i++, n++)
        files[n] = found_in(7, 1 + n);
    for (uint64_t i = 0; i < HOST; i++, n++)
        files[n] = found(1, 1 + n, 0, 0);
    for (uint64_t i = 0; i < HOST; i++, n++)
        files[n] = found(1, 1 + n, 1000 + i, 0);
    for (uint64_t i = 0; i < FEW * FEW; i++, n++)
        files[n] = found_in(100 + i / FEW, 1 + n);
    rows = build(files, N);
    assert_int_equal(rows.n, ROWS);
    assert_int_equal(count_of(&rows, 0), 2 * HOST);
    for (uint64_t i = 0; i < FEW; i++)
        assert_int_equal(count_of(&rows, 100 + i), FEW);
    assert_int_equal(count_of(&rows, 7), ROWS - 2 * HOST - FEW * FEW);
    assert_int_equal(rows.n_dropped, N - ROWS);
    assert_int_equal(rows.crowded, 7);
    assert_int_equal(rows.n_crowded, rows.n_dropped);
    free(files);
}

/* Nor does one that shares the host's file, as by a mount, take its row. */
static void what_is_the_hosts_too_is_the_hosts(void **state)
{
    const struct msp_exe_found files[] = {found_in(7, 20), found(1, 20, 0, 0)};
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = build(files, 2);

    (void)state;
    assert_int_equal(rows.n, 1);
    assert_int_equal(rows.entry[0].container, 0);
}

static void rows_read_back_give_the_same_rows(void **state)
{
    const struct msp_exe_found files[] = {
        found(0, 20, 0, 0xaa),   found(1, 20, 0, 0),   found(2, 40, 0, 0xbb),
        found(0, 10, 500, 0xaa), found(1, 11, 700, 0), found(2, 12, 800, 0),
    };
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows = build(files, 6);
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows again = {0};
    msp_autofree struct msp_exe_found *read = NULL;
    size_t n;

    (void)state;
    assert_ok(msp_exe_rows_read(&image, &wild, &rows, &read, &n));
    assert_int_equal(n, 6);
    again = build(read, n);
    assert_int_equal(again.n, rows.n);
    assert_memory_equal(again.entry, rows.entry, rows.n * sizeof(*rows.entry));
}

/* What a diff did, in order. */
static char said[128];

static int put(void *data, const struct msp_exe_entry *entry)
{
    size_t len = strlen(said);

    (void)data;
    (void)snprintf(said + len, sizeof(said) - len, "+%u ",
                   (unsigned int)entry->key.ino);
    return entry->key.ino == 99 ? -E2BIG : 0;
}

static int drop(void *data, const struct msp_exe *key)
{
    size_t len = strlen(said);

    (void)data;
    (void)snprintf(said + len, sizeof(said) - len, "-%u ",
                   (unsigned int)key->ino);
    return 0;
}

static void a_diff_adds_before_it_drops(void **state)
{
    const struct msp_exe_found before[] = {
        found(0, 10, 0, 0), found(1, 30, 0, 0), found(2, 40, 0, 0)};
    const struct msp_exe_found after[] = {
        found(0, 10, 0, 0), found(1, 30, 500, 0), found(1, 31, 0, 0)};
    const struct msp_exe_found full[] = {found(0, 99, 0, 0)};
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows a = build(before, 3);
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows b = build(after, 3);
    msp_cleanup(msp_exe_rows_done) struct msp_exe_rows c = build(full, 1);
    const struct msp_exe_rows none = {0};

    (void)state;
    said[0] = '\0';
    assert_ok(msp_exe_rows_diff(&a, &b, put, drop, NULL));
    assert_string_equal(said, "+30 +31 -40 ");
    said[0] = '\0';
    assert_ok(msp_exe_rows_diff(&a, &a, put, drop, NULL));
    assert_string_equal(said, "");
    assert_ok(msp_exe_rows_diff(&none, &a, put, drop, NULL));
    assert_string_equal(said, "+10 +30 +40 ");
    said[0] = '\0';
    assert_errno(msp_exe_rows_diff(&a, &c, put, drop, NULL), E2BIG);
    assert_string_equal(said, "+99 ");
}

/* Of a container, found in its root: its own identities alone, and overlay. */
static void a_file_inside_is_its_containers(void **state)
{
    const struct msp_idset names = {.word = {1u << 6 | 1}};
    const struct msp_idset other = {.word = {1}};
    struct msp_exe_found files[] = {
        found(0, 20, 0, 0), found(0, 30, 0, 0), found(0, 40, 0, 0),
        found(0, 50, 0, 0), found(0, 50, 0, 0),
    };

    (void)state;
    files[0].inside = &names;
    files[1].inside = &names;
    files[1].is_overlay = true;
    files[2].inside = &other;
    files[3].inside = &names; /* the host's, too */
    {
        msp_cleanup(msp_exe_rows_done) struct msp_exe_rows rows =
            build(files, ARRAY_SIZE(files));

        assert_int_equal(rows.n, 4);
        expect(&rows, 20, 0x41, 0x1, 0);
        assert_int_equal(row_of(&rows, 20)->flags, 0);
        expect(&rows, 30, 0x41, 0x1, 0);
        assert_int_equal(row_of(&rows, 30)->flags, MSP_EXE_ROW_OVERLAY);
        expect(&rows, 40, 0x1, 0x1, 0);
        expect(&rows, 50, 0x43, 0x1, 0);
        assert_int_equal(row_of(&rows, 50)->demands.word[0], 0x4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_inside_is_its_containers),
        cmocka_unit_test(a_file_has_who_demands_it_and_who_demands_none),
        cmocka_unit_test(other_contents_or_unknown_ones_match_nobody),
        cmocka_unit_test(before_names_are_known_nobody_is_left_out),
        cmocka_unit_test(two_paths_of_one_file_share_its_row),
        cmocka_unit_test(a_path_that_left_counts_not_while_another_stays),
        cmocka_unit_test(of_two_that_left_the_earlier_time_counts),
        cmocka_unit_test(contents_of_an_earlier_ctime_do_not_count),
        cmocka_unit_test(without_room_the_longest_retired_go),
        cmocka_unit_test(a_container_with_many_pushes_nobody_out),
        cmocka_unit_test(what_is_the_hosts_too_is_the_hosts),
        cmocka_unit_test(rows_read_back_give_the_same_rows),
        cmocka_unit_test(a_diff_adds_before_it_drops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
