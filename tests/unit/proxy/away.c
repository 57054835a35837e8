/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "proxy/away.h"

#include <msp/limits.h>

#include "harness/test.h"

static const uint8_t imds[4] = {169, 254, 169, 254};
static const uint8_t wire[4] = {168, 63, 129, 16};

#define NOW 1000000u

static bool tries; /* who asked last is to find out */

static bool is_away(struct msp_away *away, const uint8_t addr[4], uint16_t port,
                    uint64_t now_ms)
{
    return msp_away_is(away, addr, port, now_ms, &tries);
}

static void a_silent_host_is_away_for_a_second(void **state)
{
    struct msp_away away = {0};

    (void)state;
    assert_false(is_away(&away, imds, 80, NOW));
    assert_false(is_away(&away, imds, 80, NOW)); /* nobody is held up */
    msp_away_silent(&away, imds, 80, NOW - MSP_UPSTREAM_CONNECT_MS, NOW);
    assert_true(is_away(&away, imds, 80, NOW));
    assert_true(is_away(&away, imds, 80, NOW + MSP_HOST_AWAY_MS - 1));
    /* others are not, nor is another port of it */
    assert_false(is_away(&away, wire, 80, NOW));
    assert_false(is_away(&away, imds, 81, NOW));
}

static void one_tries_for_all(void **state)
{
    const uint64_t over = NOW + MSP_HOST_AWAY_MS;
    struct msp_away away = {0};

    (void)state;
    msp_away_silent(&away, imds, 80, NOW, NOW);
    assert_false(is_away(&away, imds, 80, over));
    assert_true(is_away(&away, imds, 80, over));
    assert_true(is_away(&away, imds, 80, over + MSP_UPSTREAM_CONNECT_MS));
    /* one that never comes back with an answer does not block for ever */
    assert_false(is_away(&away, imds, 80,
                         over + MSP_UPSTREAM_CONNECT_MS + MSP_HOST_AWAY_MS));
}

static void who_gives_up_leaves_it_to_the_next(void **state)
{
    const uint64_t over = NOW + MSP_HOST_AWAY_MS;
    struct msp_away away = {0};

    (void)state;
    assert_false(is_away(&away, imds, 80, NOW));
    assert_false(tries); /* it is not away: nobody has to find out */
    msp_away_silent(&away, imds, 80, NOW, NOW);
    assert_false(is_away(&away, imds, 80, over));
    assert_true(tries);
    assert_true(is_away(&away, imds, 80, over));
    assert_false(tries);
    msp_away_gave_up(&away, imds, 80, over + 1);
    assert_false(is_away(&away, imds, 80, over + 1));
    assert_true(tries);
    /* never sooner than its time */
    msp_away_answered(&away, imds, 80, over + 2);
    msp_away_gave_up(&away, imds, 80, over + 2);
    assert_false(is_away(&away, imds, 80, over + 2));
    assert_false(tries);
}

static void an_answer_ends_it(void **state)
{
    struct msp_away away = {0};

    (void)state;
    msp_away_silent(&away, imds, 80, NOW, NOW);
    msp_away_answered(&away, imds, 80, NOW + 1);
    assert_false(is_away(&away, imds, 80, NOW + 1));
    assert_false(is_away(&away, imds, 80, NOW + 1));
}

/* A full queue drops some SYNs and takes others: that host is there. */
static void it_is_not_away_while_it_answers_others(void **state)
{
    struct msp_away away = {0};

    (void)state;
    msp_away_answered(&away, imds, 80, NOW + 500);
    msp_away_silent(&away, imds, 80, NOW, NOW + MSP_UPSTREAM_CONNECT_MS);
    assert_false(is_away(&away, imds, 80, NOW + MSP_UPSTREAM_CONNECT_MS));
    msp_away_silent(&away, imds, 80, NOW + 501,
                    NOW + MSP_UPSTREAM_CONNECT_MS + 501);
    assert_true(is_away(&away, imds, 80, NOW + MSP_UPSTREAM_CONNECT_MS + 501));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_host_is_away_for_a_second),
        cmocka_unit_test(one_tries_for_all),
        cmocka_unit_test(who_gives_up_leaves_it_to_the_next),
        cmocka_unit_test(an_answer_ends_it),
        cmocka_unit_test(it_is_not_away_while_it_answers_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
