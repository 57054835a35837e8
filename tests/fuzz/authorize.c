/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The whole way of a verdict: a random policy through compiler, reader and
 * loader into the kernel, random requests in random spellings through the
 * canonicaliser to the program `authorize`, against the naive matcher of
 * tests/bpf/naive.h, which knows the rules only.
 *
 * Input: decisions; what is left after the policy makes requests. Root needed.
 */
#include "proxy/authorize.h"

#include <sched.h>
#include <sys/mount.h>

#include <msp/canon.h>
#include <msp/policy.h>

#include "bpf/naive.h"
#include "bpf/slot.h"
#include "fuzz.h"

#define REQUESTS_MIN 4
#define REQUESTS_MAX 128

static struct fuzz_input in;
static void *fixture;

unsigned int naive_pick(unsigned int n)
{
    return fuzz_pick(&in, n);
}

static void compile_rules(const struct naive_rules *r, uint8_t **ret_bytes,
                          struct msp_image *ret_image)
{
    struct msp_diags diags = {0};
    char *text = NULL;
    const char *why;
    size_t size = 0, len = 0;
    FILE *f = open_memstream(&text, &size);

    FUZZ_CHECK(f);
    naive_print_rules(f, r);
    FUZZ_CHECK(fclose(f) == 0);
    FUZZ_CHECK(msp_policy_compile(text, size, &diags, ret_bytes, &len) == 0);
    FUZZ_CHECK(msp_image_open(*ret_bytes, len, ret_image, &why) == 0);
    msp_diags_done(&diags);
    free(text);
}

/* One letter as itself, as a capital or escaped. */
static size_t spell_letter(char *out, char c)
{
    bool is_letter = c >= 'a' && c <= 'z';

    switch (naive_pick(8)) {
    case 0:
        return (size_t)sprintf(out, c == '/' ? "%c" : "%%%02x", c);
    case 1:
        *out = is_letter ? (char)(c - 32) : c;
        return 1;
    default:
        *out = c;
        return 1;
    }
}

static size_t spell(char *out, const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += spell_letter(out + n, *text);
    return n;
}

/* @param out room for three times the request */
static size_t spell_target(const struct naive_request *q, char *out)
{
    size_t n = spell(out, q->path);

    if (n > 1 && naive_pick(4) == 0)
        out[n++] = '/'; /* one is allowed and means nothing */
    for (unsigned int i = 0; i < q->n_pairs; i++) {
        const char *value = naive_values[q->pair[i].value];

        out[n++] = i ? '&' : '?';
        n += spell(out + n, naive_keys[q->pair[i].key]);
        if (*value || naive_pick(2))
            out[n++] = '=';
        n += spell(out + n, value);
    }
    return n;
}

static void fill_mark(struct msp_mark *mark, const struct msp_image *image,
                      const struct naive_rules *r, const struct naive_caller *c)
{
    memset(mark, 0, sizeof(*mark));
    for (uint32_t bit = 0; bit < image->n[MSP_SEC_IDENTITIES]; bit++) {
        const char *name =
            msp_image_string(image, image->identities[bit].name_off);

        if (naive_identity_fits(r, atoi(name + 1), c))
            mark->ids.word[bit / 64] |= 1ull << (bit % 64);
    }
    mark->endpoint = naive_endpoint(r);
    mark->flags = c->is_root ? MSP_MARK_ROOT : 0;
    mark->identity_epoch = slot_fixture_epoch(fixture);
}

static void compare(const struct msp_image *image, const struct naive_rules *r)
{
    static struct msp_canon canon;
    struct msp_request *page = slot_fixture_page(fixture);
    struct msp_http_head head;
    struct naive_request q;
    struct naive_caller c;
    struct msp_mark mark;
    enum msp_verdict wanted;
    const char *detail;
    char target[2048];

    naive_random_caller(&c);
    naive_random_request(&q);
    memset(page, 0, sizeof(*page));
    fill_mark(&mark, image, r, &c);
    memset(&head, 0, offsetof(struct msp_http_head, header));
    head.method_bit = q.method;
    head.target = target;
    head.target_len = spell_target(&q, target);
    FUZZ_CHECK(msp_authorize_fill(page, &mark, &head, true, &canon, &detail) ==
               0);
    FUZZ_CHECK(page->refusal == MSP_REFUSAL_NONE);
#ifdef MSP_PLANT
    /* The third pair of a query is forgotten. */
    page->n_pairs = page->n_pairs > 2 ? 2 : page->n_pairs;
#endif
    slot_fixture_authorize(fixture);
    wanted = naive_allows(r, &c, &q) ? MSP_VERDICT_ALLOW
             : r->is_audit           ? MSP_VERDICT_AUDIT
                                     : MSP_VERDICT_DENY;
    if (page->verdict != wanted) {
        naive_print_rules(stderr, r);
        (void)fprintf(stderr,
                      "\n%.*s method %x uid %d root %d: %d, reason %d\n",
                      (int)head.target_len, target, q.method, c.uid, c.is_root,
                      page->verdict, page->reason);
    }
    FUZZ_CHECK(page->verdict == wanted);
}

static void clean_up(void)
{
    (void)slot_fixture_teardown(&fixture);
}

/* In a mount namespace of its own: whatever happens, nothing stays mounted. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    FUZZ_CHECK(unshare(CLONE_NEWNS) == 0);
    FUZZ_CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    FUZZ_CHECK(slot_fixture_setup(&fixture) == 0);
    (void)atexit(clean_up);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct naive_rules rules;
    struct msp_image image;
    uint8_t *bytes = NULL;

    in = (struct fuzz_input){data, len};
    naive_random_rules(&rules);
    compile_rules(&rules, &bytes, &image);
    slot_fixture_apply(fixture, &image);
    for (int i = 0; i < REQUESTS_MIN || (in.left && i < REQUESTS_MAX); i++)
        compare(&image, &rules);
    free(bytes);
    return 0;
}
