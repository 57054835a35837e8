/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/target.h"

#include "harness/test.h"

enum {
    MAX = 4
};

/* An image of `n` endpoints, each with one prefix of its own. */
struct set {
    const char *name[MAX];
    uint16_t port[MAX];
    uint8_t last[MAX];   /* last byte of the address */
    uint32_t bits[MAX];  /* of the address; 0 = 128 */
    uint32_t index[MAX]; /* endpoint of the prefix */
    uint32_t n;
    uint32_t mode; /* of every endpoint */
};

static struct msp_image_prefix prefix_of(const struct set *set, uint32_t i)
{
    struct msp_image_prefix prefix = {.endpoint = set->index[i]};

    prefix.key.prefixlen =
        MSP_EP_KEY_FIXED_BITS + (set->bits[i] ? set->bits[i] : 128);
    prefix.key.port = set->port[i];
    prefix.key.addr[15] = set->last[i];
    return prefix;
}

static struct msp_targets build(const struct set *set)
{
    struct msp_image_endpoint endpoints[MAX] = {0};
    struct msp_image_prefix prefixes[MAX] = {0};
    struct msp_image image = {.endpoints = endpoints,
                              .prefixes = prefixes,
                              .n[MSP_SEC_ENDPOINTS] = set->n,
                              .n[MSP_SEC_PREFIXES] = set->n};
    struct msp_targets ret = {0};

    for (uint32_t i = 0; i < set->n; i++) {
        (void)snprintf(endpoints[i].ep.name, sizeof(endpoints[i].ep.name), "%s",
                       set->name[i]);
        endpoints[i].ep.mode = (enum msp_mode)set->mode;
        prefixes[i] = prefix_of(set, i);
    }
    assert_ok(msp_targets_build(&image, &ret));
    return ret;
}

#define BASE                                                         \
    .name = {"imds", "x"}, .port = {80, 81}, .last = {1, 2}, .n = 2, \
    .index = {0, 1}, .mode = MSP_MODE_ENFORCE

static const struct set base = {BASE};

static const struct {
    const char *claim;
    struct set set;
    bool is_equal;
} cases[] = {
    {"itself", {BASE}, true},
    {"another mode",
     {.name = {"imds", "x"},
      .port = {80, 81},
      .last = {1, 2},
      .n = 2,
      .index = {0, 1},
      .mode = MSP_MODE_AUDIT},
     true},
    {"another name",
     {.name = {"imds", "y"},
      .port = {80, 81},
      .last = {1, 2},
      .n = 2,
      .index = {0, 1}},
     false},
    {"another order",
     {.name = {"x", "imds"},
      .port = {80, 81},
      .last = {1, 2},
      .n = 2,
      .index = {1, 0}},
     false},
    {"another port",
     {.name = {"imds", "x"},
      .port = {80, 82},
      .last = {1, 2},
      .n = 2,
      .index = {0, 1}},
     false},
    {"another address",
     {.name = {"imds", "x"},
      .port = {80, 81},
      .last = {1, 3},
      .n = 2,
      .index = {0, 1}},
     false},
    {"a wider prefix",
     {.name = {"imds", "x"},
      .port = {80, 81},
      .last = {1, 2},
      .bits = {0, 120},
      .n = 2,
      .index = {0, 1}},
     false},
    {"a prefix of another endpoint",
     {.name = {"imds", "x"},
      .port = {80, 81},
      .last = {1, 2},
      .n = 2,
      .index = {0, 0}},
     false},
    {"one endpoint more",
     {.name = {"imds", "x", "y"},
      .port = {80, 81, 82},
      .last = {1, 2, 3},
      .n = 3,
      .index = {0, 1, 2}},
     false},
    {"one endpoint less",
     {.name = {"imds"}, .port = {80}, .last = {1}, .n = 1, .index = {0}},
     false},
    {"nothing", {.n = 0}, false},
};

static void equal_is_what_keeps_the_meaning_of_a_mark(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_cleanup(msp_targets_done) struct msp_targets a = build(&base);
        msp_cleanup(msp_targets_done) struct msp_targets b =
            build(&cases[i].set);

        if (msp_targets_equal(&a, &b) != cases[i].is_equal ||
            msp_targets_equal(&b, &a) != cases[i].is_equal)
            fail_msg("%s", cases[i].claim);
    }
}

/* As the maps give them: in any order, with the rows that the loader added. */
static void rows_of_the_kernel_equal_those_of_the_image(void **state)
{
    msp_cleanup(msp_targets_done) struct msp_targets image = build(&base);
    struct msp_target_name *name = calloc(2, sizeof(*name));
    struct msp_image_prefix *prefix = calloc(4, sizeof(*prefix));
    msp_cleanup(msp_targets_done) struct msp_targets live = {0};

    (void)state;
    assert_non_null(name);
    assert_non_null(prefix);
    (void)snprintf(name[0].text, sizeof(name->text), "imds");
    (void)snprintf(name[1].text, sizeof(name->text), "x");
    prefix[0] = prefix_of(&base, 1);
    prefix[0].key.port = 0;
    prefix[1] = prefix_of(&base, 1);
    prefix[2] = prefix_of(&base, 0);
    prefix[3] = prefix_of(&base, 0);
    prefix[3].key.port = 0;
    live = msp_targets_take(name, 2, prefix, 4);
    assert_int_equal(live.n_prefixes, 2);
    assert_true(msp_targets_equal(&image, &live));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_is_what_keeps_the_meaning_of_a_mark),
        cmocka_unit_test(rows_of_the_kernel_equal_those_of_the_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
