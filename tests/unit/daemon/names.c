/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/names.h"

#include "base/io.h"
#include "harness/test.h"

enum {
    IDENTITIES = 100
};

/* The keeper is the other end of a pair, played by the test. */
struct bench {
    struct msp_loop *loop;
    struct msp_child keeper;
    struct msp_names names;
    int far_end;
    int n_answers;
    int r;
    struct msp_resolved *resolved;
};

static void on_names(void *data, int r, struct msp_resolved *resolved)
{
    struct bench *bench = data;

    bench->n_answers++;
    bench->r = r;
    free(bench->resolved);
    bench->resolved = resolved;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    int pair[2];

    *state = bench;
    if (!bench || msp_loop_new(&bench->loop) < 0 || msp_io_pair(pair) < 0)
        return -1;
    bench->keeper.control_fd = pair[0];
    bench->far_end = pair[1];
    msp_names_init(&bench->names, bench->loop, &bench->keeper);
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    msp_names_done(&bench->names);
    bench->loop = msp_loop_free(bench->loop);
    (void)close(bench->keeper.control_fd);
    if (bench->far_end >= 0)
        (void)close(bench->far_end);
    free(bench->resolved);
    free(bench);
    return 0;
}

static struct msp_child_names packet;

/* Reads one query; @return its number of names, -1 none came */
static int take_query(struct bench *bench)
{
    int fd;

    if (msp_io_recv(bench->far_end, &packet, sizeof(packet), &fd) !=
        (ssize_t)sizeof(packet))
        return -1;
    return (int)packet.n;
}

static void long_lists_are_split_and_put_together(void **state)
{
    struct bench *bench = *state;
    struct msp_image_identity identities[IDENTITIES] = {0};
    const struct msp_image image = {.identities = identities,
                                    .strings = "\0user\0group",
                                    .n[MSP_SEC_IDENTITIES] = IDENTITIES,
                                    .n[MSP_SEC_STRINGS] = 12};
    int n_names = 0, n;

    for (size_t i = 0; i < IDENTITIES; i++) {
        identities[i].flags = MSP_ID_USER | (i % 2 ? MSP_ID_GROUP : 0);
        identities[i].user_off = 1;
        identities[i].group_off = 6;
    }
    assert_ok(msp_names_ask(&bench->names, &image, on_names, bench));
    assert_errno(msp_names_ask(&bench->names, &image, on_names, bench), EBUSY);
    while ((n = take_query(bench)) > 0) {
        for (int i = 0; i < n; i++) {
            packet.name[i].is_found = 1;
            packet.name[i].id = packet.name[i].is_group ? 70 : 50;
        }
        n_names += n;
        assert_int_equal(bench->n_answers, 0);
        assert_ok(msp_names_reply(&bench->names, &packet));
    }
    assert_int_equal(n_names, IDENTITIES + IDENTITIES / 2);
    assert_int_equal(bench->n_answers, 1);
    assert_ok(bench->r);
    for (size_t i = 0; i < IDENTITIES; i++) {
        assert_true(bench->resolved[i].is_user_found);
        assert_int_equal(bench->resolved[i].user_id, 50);
        assert_int_equal(bench->resolved[i].is_group_found, i % 2);
    }
}

static void image_without_names_is_answered_at_once(void **state)
{
    struct bench *bench = *state;
    struct msp_image_identity identity = {.flags = MSP_ID_UID};
    const struct msp_image image = {
        .identities = &identity, .strings = "", .n[MSP_SEC_IDENTITIES] = 1};

    assert_ok(msp_names_ask(&bench->names, &image, on_names, bench));
    assert_int_equal(bench->n_answers, 1);
    assert_ok(bench->r);
    assert_int_equal(take_query(bench), -1);
}

static void dead_keeper_fails_the_question(void **state)
{
    struct bench *bench = *state;
    struct msp_image_identity identity = {.flags = MSP_ID_USER, .user_off = 1};
    const struct msp_image image = {.identities = &identity,
                                    .strings = "\0user",
                                    .n[MSP_SEC_IDENTITIES] = 1,
                                    .n[MSP_SEC_STRINGS] = 6};

    assert_ok(msp_names_ask(&bench->names, &image, on_names, bench));
    msp_names_keeper_gone(&bench->names);
    assert_int_equal(bench->n_answers, 1);
    assert_errno(bench->r, EPIPE);
    (void)close(bench->far_end);
    bench->far_end = -1;
    assert_ok(msp_names_ask(&bench->names, &image, on_names, bench));
    assert_int_equal(bench->n_answers, 2);
    assert_errno(bench->r, EPIPE);
}

static void late_and_foreign_answers_are_ignored_or_faults(void **state)
{
    struct bench *bench = *state;
    struct msp_image_identity identity = {.flags = MSP_ID_USER, .user_off = 1};
    const struct msp_image image = {.identities = &identity,
                                    .strings = "\0user",
                                    .n[MSP_SEC_IDENTITIES] = 1,
                                    .n[MSP_SEC_STRINGS] = 6};

    memset(&packet, 0, sizeof(packet));
    assert_ok(msp_names_reply(&bench->names, &packet));
    assert_ok(msp_names_ask(&bench->names, &image, on_names, bench));
    assert_int_equal(take_query(bench), 1);
    packet.head.id ^= 1;
    assert_ok(msp_names_reply(&bench->names, &packet));
    assert_int_equal(bench->n_answers, 0);
    packet.head.id ^= 1;
    packet.n = 2;
    assert_errno(msp_names_reply(&bench->names, &packet), EPROTO);
    assert_int_equal(bench->n_answers, 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(long_lists_are_split_and_put_together),
        TEST(image_without_names_is_answered_at_once),
        TEST(dead_keeper_fails_the_question),
        TEST(late_and_foreign_answers_are_ignored_or_faults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
