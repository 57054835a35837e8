/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Containers against demands; the answer is compared with a plain walk. */
#include "loader/ctrmatch.h"

#include <stdlib.h>
#include <time.h>

#include <msp/cleanup.h>

#include "harness/test.h"

enum {
    IDENTITIES = 60,
    DEMANDS_EACH = 4,
    FACTS = 6,
    ROUNDS = 20000
};

/* Strings of the image: "", then words of one letter. */
static const char strings[] = "\0a\0b\0c\0d";

static uint32_t word(unsigned int i)
{
    return 1 + 2 * (i % 4);
}

/* An image by hand: only what the match reads. */
struct fixture {
    struct msp_image_identity identity[IDENTITIES];
    struct msp_image_demand demand[IDENTITIES * DEMANDS_EACH];
    struct msp_image image;
};

static void add_demand(struct fixture *fx, uint32_t identity, uint32_t kind,
                       uint32_t key, uint32_t value)
{
    struct msp_image_identity *id = &fx->identity[identity];

    if (id->n_demands++ == 0)
        id->first_demand = fx->image.n[MSP_SEC_DEMANDS];
    fx->demand[fx->image.n[MSP_SEC_DEMANDS]++] =
        (struct msp_image_demand){kind, key, value};
}

static void init(struct fixture *fx, uint32_t n)
{
    *fx = (struct fixture){.image = {.strings = strings}};
    fx->image.identities = fx->identity;
    fx->image.demands = fx->demand;
    fx->image.n[MSP_SEC_STRINGS] = sizeof(strings);
    fx->image.n[MSP_SEC_IDENTITIES] = n;
}

static struct msp_ctr_fact fact(enum msp_demand_kind kind, const char *key,
                                const char *value)
{
    return (struct msp_ctr_fact){kind, key, value,
                                 msp_ctr_hash(kind, key, value)};
}

static bool has(const struct msp_idset *set, uint32_t bit)
{
    return set->word[bit / 64] >> bit % 64 & 1;
}

static bool is_met(const struct fixture *fx, uint32_t identity,
                   const struct msp_ctr_fact *facts, size_t n)
{
    const struct msp_image_identity *id = &fx->identity[identity];

    for (uint32_t i = 0; i < id->n_demands; i++) {
        const struct msp_image_demand *d = &fx->demand[id->first_demand + i];
        bool is_there = false;

        for (size_t k = 0; k < n; k++)
            is_there |= facts[k].kind == d->kind &&
                        msp_streq(facts[k].key, strings + d->key_off) &&
                        msp_streq(facts[k].value, strings + d->value_off);
        if (!is_there)
            return false;
    }
    return id->n_demands || !(id->flags & MSP_ID_NOBODY);
}

/* Few words and kinds, so that much is met, and much shares a demand. */
static void agrees_with_a_plain_walk(void **state)
{
    unsigned int seed = (unsigned int)time(NULL);
    static struct fixture fx;
    uint64_t n_met = 0;

    (void)state;
    print_message("seed %u\n", seed);
    for (int round = 0; round < ROUNDS; round++) {
        msp_cleanup(msp_ctr_match_done) struct msp_ctr_match match = {0};
        struct msp_ctr_fact facts[FACTS];
        struct msp_idset set;
        uint32_t n = 0, n_found;

        init(&fx, IDENTITIES);
        for (uint32_t i = 0; i < IDENTITIES; i++) {
            int n_demands = rand_r(&seed) % (DEMANDS_EACH + 1);
            uint32_t kind = 0;

            fx.identity[i].flags = rand_r(&seed) % 8 ? 0 : MSP_ID_NOBODY;
            for (int k = 0; k < n_demands && kind < MSP_DEMAND_COUNT; k++) {
                bool is_label = kind == MSP_DEMAND_CONTAINER_LABEL ||
                                kind == MSP_DEMAND_POD_LABEL;

                add_demand(&fx, i, kind,
                           is_label ? word((unsigned int)rand_r(&seed)) : 0,
                           word((unsigned int)rand_r(&seed)));
                kind += 1u + (uint32_t)rand_r(&seed) % 3;
            }
        }
        for (uint32_t kind = 0; kind < FACTS; kind++)
            facts[kind] = fact((enum msp_demand_kind)kind,
                               kind == MSP_DEMAND_CONTAINER_LABEL
                                   ? strings + word((unsigned int)rand_r(&seed))
                                   : "",
                               strings + word((unsigned int)rand_r(&seed)));
        assert_ok(msp_ctr_match_init(&fx.image, &match));
        n_found = msp_ctr_match_find(&match, facts, FACTS, &set);
        for (uint32_t i = 0; i < IDENTITIES; i++) {
            bool is = is_met(&fx, i, facts, FACTS);

            if (has(&set, i) != is)
                fail_msg("round %d identity %u: %d", round, i, !is);
            n += is && fx.identity[i].n_demands;
        }
        assert_int_equal(n_found, n);
        n_met += n;
    }
    assert_true(n_met > ROUNDS); /* else nothing was compared */
}

static void who_has_nothing_meets_what_demands_nothing(void **state)
{
    msp_cleanup(msp_ctr_match_done) struct msp_ctr_match match = {0};
    struct msp_idset set;
    static struct fixture fx;

    (void)state;
    init(&fx, 3);
    add_demand(&fx, 1, MSP_DEMAND_POD_NAME, 0, word(0));
    fx.identity[2].flags = MSP_ID_NOBODY;
    assert_ok(msp_ctr_match_init(&fx.image, &match));
    assert_int_equal(msp_ctr_match_find(&match, NULL, 0, &set), 0);
    assert_int_equal(set.word[0], 1);
}

static void kinds_keys_and_values_are_kept_apart(void **state)
{
    const struct msp_ctr_fact facts[] = {
        fact(MSP_DEMAND_CONTAINER_NAME, "", "a"),
        fact(MSP_DEMAND_POD_LABEL, "a", "b"),
    };
    msp_cleanup(msp_ctr_match_done) struct msp_ctr_match match = {0};
    struct msp_idset set;
    static struct fixture fx;

    (void)state;
    init(&fx, 6);
    add_demand(&fx, 0, MSP_DEMAND_CONTAINER_NAME, 0, word(0));
    add_demand(&fx, 1, MSP_DEMAND_POD_NAME, 0, word(0));
    add_demand(&fx, 2, MSP_DEMAND_POD_LABEL, word(0), word(1));
    add_demand(&fx, 3, MSP_DEMAND_POD_LABEL, word(1), word(0));
    add_demand(&fx, 4, MSP_DEMAND_CONTAINER_LABEL, word(0), word(1));
    add_demand(&fx, 5, MSP_DEMAND_CONTAINER_NAME, 0, word(0));
    add_demand(&fx, 5, MSP_DEMAND_POD_LABEL, word(0), word(2));
    assert_ok(msp_ctr_match_init(&fx.image, &match));
    assert_int_equal(msp_ctr_match_find(&match, facts, ARRAY_SIZE(facts), &set),
                     2);
    assert_int_equal(set.word[0], 1u << 0 | 1u << 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_plain_walk),
        cmocka_unit_test(who_has_nothing_meets_what_demands_nothing),
        cmocka_unit_test(kinds_keys_and_values_are_kept_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
