/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Compiler, loader and the program `authorize` in the kernel, against a naive
 * matcher (naive.h). The seed is printed.
 */
#include <time.h>

#include <bpf/bpf.h>

#include <msp/canon.h>
#include <msp/policy.h>

#include "bpf/naive.h"
#include "bpf/slot.h"
#include "harness/test.h"

#define POLICIES 60
#define REQUESTS 400

unsigned int naive_pick(unsigned int n)
{
    return (unsigned int)rand() % n;
}

static void compile_rules(const struct naive_rules *r, uint8_t **ret_image,
                          size_t *ret_len)
{
    struct msp_diags diags = {0};
    msp_autofree char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    assert_non_null(f);
    naive_print_rules(f, r);
    assert_ok(fclose(f));
    if (msp_policy_compile(text, size, &diags, ret_image, ret_len)) {
        msp_diags_print(&diags, "random", stderr);
        fail_msg("%s", text);
    }
    msp_diags_done(&diags);
}

/* --- the kernel --------------------------------------------------------- */

static void fill_ids(struct msp_idset *ids, const struct msp_image *image,
                     const struct naive_rules *r, const struct naive_caller *c)
{
    for (uint32_t bit = 0; bit < image->n[MSP_SEC_IDENTITIES]; bit++) {
        const char *name =
            msp_image_string(image, image->identities[bit].name_off);

        if (naive_identity_fits(r, atoi(name + 1), c))
            ids->word[bit / 64] |= 1ull << (bit % 64);
    }
}

static void fill_request(struct msp_request *page,
                         const struct naive_request *q)
{
    page->path_len = (uint32_t)strlen(q->path) + 1;
    memcpy(page->path.path, q->path, page->path_len);
    page->method = q->method;
    page->n_pairs = q->n_pairs;
    for (unsigned int i = 0; i < q->n_pairs; i++) {
        const char *key = naive_keys[q->pair[i].key];
        const char *value = naive_values[q->pair[i].value];

        assert_ok(msp_canon_pair_hash(key, strlen(key), value, strlen(value),
                                      page->pair[i].hash));
    }
}

static void compare(struct slot_fixture *fx, const struct msp_image *image,
                    const struct naive_rules *r)
{
    struct msp_request *page = slot_fixture_page(fx);
    struct naive_request q;
    struct naive_caller c;
    bool naive;

    naive_random_caller(&c);
    naive_random_request(&q);
    memset(page, 0, sizeof(*page));
    fill_ids(&page->mark.ids, image, r, &c);
    fill_request(page, &q);
    page->mark.endpoint = naive_endpoint(r);
    page->mark.flags = c.is_root ? MSP_MARK_ROOT : 0;
    page->mark.identity_epoch = slot_fixture_epoch(fx);
    slot_fixture_authorize(fx);
    naive = naive_allows(r, &c, &q);
    if (naive != (page->verdict == MSP_VERDICT_ALLOW) ||
        (!naive && page->verdict !=
                       (r->is_audit ? MSP_VERDICT_AUDIT : MSP_VERDICT_DENY))) {
        naive_print_rules(stderr, r);
        fail_msg("%s uid %d root %d: naive %d kernel verdict %d reason %d",
                 q.path, c.uid, c.is_root, naive, page->verdict, page->reason);
    }
}

static void kernel_agrees_with_the_naive_matcher(void **state)
{
    struct slot_fixture *fx = *state;
    unsigned int seed = (unsigned int)time(NULL);
    struct naive_rules r;

    print_message("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < POLICIES; i++) {
        msp_autofree uint8_t *bytes = NULL;
        const char *why = NULL;
        struct msp_image image;
        size_t len;

        naive_random_rules(&r);
        compile_rules(&r, &bytes, &len);
        assert_ok(msp_image_open(bytes, len, &image, &why));
        slot_fixture_apply(fx, &image);
        for (int j = 0; j < REQUESTS; j++)
            compare(fx, &image, &r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kernel_agrees_with_the_naive_matcher,
                                        slot_fixture_setup,
                                        slot_fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
