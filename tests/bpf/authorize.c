/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Compiler, loader and the program `authorize` in the kernel, against a naive
 * matcher that walks the rules as include/README.md words them. Random small
 * policies over a tight alphabet, so that paths nest, queries overlap and
 * identities collide; the seed is printed.
 */
#include <time.h>

#include <bpf/bpf.h>

#include <msp/canon.h>
#include <msp/policy.h>

#include "bpf/slot.h"
#include "harness/test.h"

#define POLICIES 60
#define REQUESTS 400
#define N_PRIVS  12
#define N_ROLES  5
#define N_IDS    8
#define N_GROUPS 3

static const char *const words[] = {"metadata", "instance", "instancex",
                                    "identity", "a",        "b"};
static const char *const keys[] = {"comp", "resource", "v"};
static const char *const values[] = {"goalstate", "certificates", "1", ""};

static const struct {
    const char *name;
    uint32_t bit;
} methods[] = {{"GET", MSP_METHOD_GET},
               {"POST", MSP_METHOD_POST},
               {"PUT", MSP_METHOD_PUT}};

struct pair {
    unsigned int key, value;
};

struct privilege {
    char path[128];
    struct pair pair[2];
    unsigned int n_pairs;
    uint32_t methods; /* 0 = all */
};

/* One endpoint's rules, as the document states them. */
struct rules {
    const char *endpoint;
    bool is_root_gated;
    bool is_default_allow;
    bool is_audit;
    struct privilege priv[N_PRIVS];
    bool role_has[N_ROLES][N_PRIVS];
    int uid[N_IDS]; /* -1 = any */
    int gid[N_IDS]; /* -1 = any */
    bool assigned[N_ROLES][N_IDS];
};

struct caller {
    int uid;
    int gid[N_GROUPS];
    bool is_root;
};

struct request {
    char path[256]; /* canonical */
    struct pair pair[3];
    unsigned int n_pairs;
    uint32_t method;
};

static unsigned int pick(unsigned int n)
{
    return (unsigned int)rand() % n;
}

static void random_path(char *path, size_t size, unsigned int most)
{
    unsigned int n = pick(most + 1);
    size_t len = 0;

    path[0] = '\0';
    for (unsigned int i = 0; i < n; i++)
        len += (size_t)snprintf(path + len, size - len, "/%s",
                                words[pick(ARRAY_SIZE(words))]);
    if (!n)
        (void)snprintf(path, size, "/");
}

/* Distinct keys, as both a rule and a request must have. */
static unsigned int random_pairs(struct pair *pair, unsigned int most)
{
    unsigned int n = pick(most + 1), first = pick(ARRAY_SIZE(keys));

    for (unsigned int i = 0; i < n; i++) {
        pair[i].key = (first + i) % ARRAY_SIZE(keys);
        pair[i].value = pick(ARRAY_SIZE(values));
    }
    return n;
}

static void random_rules(struct rules *r)
{
    static const char *const names[] = {"imds", "wireserver"};
    unsigned int e = pick(2);

    memset(r, 0, sizeof(*r));
    r->endpoint = names[e];
    r->is_root_gated = e == 1;
    r->is_default_allow = pick(2);
    r->is_audit = pick(4) == 0;
    for (int p = 0; p < N_PRIVS; p++) {
        random_path(r->priv[p].path, sizeof(r->priv[p].path), 3);
        r->priv[p].n_pairs = pick(2) ? random_pairs(r->priv[p].pair, 2) : 0;
        if (pick(3) == 0)
            r->priv[p].methods = methods[pick(ARRAY_SIZE(methods))].bit;
    }
    for (int i = 0; i < N_IDS; i++) {
        r->uid[i] = pick(3) ? (int)pick(3) : -1;
        r->gid[i] = r->uid[i] < 0 || pick(2) ? (int)pick(3) : -1;
    }
    for (int role = 0; role < N_ROLES; role++) {
        for (int p = 0; p < N_PRIVS; p++)
            r->role_has[role][p] = pick(4) == 0;
        r->role_has[role][pick(N_PRIVS)] = true;
        if (pick(4) == 0)
            continue; /* a role nobody has */
        for (int i = 0; i < N_IDS; i++)
            r->assigned[role][i] = pick(3) == 0;
        r->assigned[role][pick(N_IDS)] = true;
    }
}

/* --- the document ------------------------------------------------------- */

static void print_privileges(FILE *f, const struct rules *r)
{
    for (int p = 0; p < N_PRIVS; p++) {
        const struct privilege *v = &r->priv[p];

        (void)fprintf(f, "%s{\"name\":\"p%d\",\"path\":\"%s\"", p ? "," : "", p,
                      v->path);
        if (v->n_pairs) {
            (void)fprintf(f, ",\"queryParameters\":{");
            for (unsigned int i = 0; i < v->n_pairs; i++)
                (void)fprintf(f, "%s\"%s\":\"%s\"", i ? "," : "",
                              keys[v->pair[i].key], values[v->pair[i].value]);
            (void)fprintf(f, "}");
        }
        for (size_t m = 0; m < ARRAY_SIZE(methods); m++)
            if (v->methods == methods[m].bit)
                (void)fprintf(f, ",\"methods\":[\"%s\"]", methods[m].name);
        (void)fprintf(f, "}");
    }
}

/* A JSON list of "<prefix><i>" for every i that is set. */
static void print_names(FILE *f, char prefix, const bool *set, int n)
{
    const char *comma = "";

    for (int i = 0; i < n; i++) {
        if (!set[i])
            continue;
        (void)fprintf(f, "%s\"%c%d\"", comma, prefix, i);
        comma = ",";
    }
}

static bool is_held(const struct rules *r, int role)
{
    for (int i = 0; i < N_IDS; i++)
        if (r->assigned[role][i])
            return true;
    return false;
}

static void print_rules(FILE *f, const struct rules *r)
{
    const char *comma = "";

    (void)fprintf(f,
                  "{\"version\":1,\"endpoints\":{\"%s\":{\"mode\":\"%s\","
                  "\"defaultAccess\":\"%s\",\"id\":\"t\",\"rules\":{"
                  "\"privileges\":[",
                  r->endpoint, r->is_audit ? "audit" : "enforce",
                  r->is_default_allow ? "allow" : "deny");
    print_privileges(f, r);
    (void)fprintf(f, "],\"roles\":[");
    for (int role = 0; role < N_ROLES; role++) {
        (void)fprintf(f, "%s{\"name\":\"r%d\",\"privileges\":[",
                      role ? "," : "", role);
        print_names(f, 'p', r->role_has[role], N_PRIVS);
        (void)fprintf(f, "]}");
    }
    (void)fprintf(f, "],\"identities\":[");
    for (int i = 0; i < N_IDS; i++) {
        (void)fprintf(f, "%s{\"name\":\"i%d\"", i ? "," : "", i);
        if (r->uid[i] >= 0)
            (void)fprintf(f, ",\"uid\":%d", r->uid[i]);
        if (r->gid[i] >= 0)
            (void)fprintf(f, ",\"gid\":%d", r->gid[i]);
        (void)fprintf(f, "}");
    }
    (void)fprintf(f, "],\"roleAssignments\":[");
    for (int role = 0; role < N_ROLES; role++) {
        if (!is_held(r, role))
            continue;
        (void)fprintf(f, "%s{\"role\":\"r%d\",\"identities\":[", comma, role);
        print_names(f, 'i', r->assigned[role], N_IDS);
        (void)fprintf(f, "]}");
        comma = ",";
    }
    (void)fprintf(f, "]}}}}");
}

static void compile_rules(const struct rules *r, uint8_t **ret_image,
                          size_t *ret_len)
{
    struct msp_diags diags = {0};
    msp_autofree char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    assert_non_null(f);
    print_rules(f, r);
    assert_ok(fclose(f));
    if (msp_policy_compile(text, size, &diags, ret_image, ret_len)) {
        msp_diags_print(&diags, "random", stderr);
        fail_msg("%s", text);
    }
    msp_diags_done(&diags);
}

/* --- the naive matcher -------------------------------------------------- */

static bool identity_fits(const struct rules *r, int id, const struct caller *c)
{
    bool has_gid = r->gid[id] < 0;

    if (r->uid[id] >= 0 && r->uid[id] != c->uid)
        return false;
    for (int g = 0; g < N_GROUPS; g++)
        has_gid |= r->gid[id] == c->gid[g];
    return has_gid;
}

/* "/a/b" covers "/a/b" and "/a/b/c", not "/a/bc"; "/" covers all. */
static bool path_covers(const char *rule, const char *path)
{
    size_t len = strlen(rule);

    if (msp_streq(rule, "/"))
        return true;
    return !strncmp(rule, path, len) && (!path[len] || path[len] == '/');
}

static bool privilege_fits(const struct privilege *p, const struct request *q)
{
    if (!path_covers(p->path, q->path))
        return false;
    if (p->methods && !(p->methods & q->method))
        return false;
    for (unsigned int i = 0; i < p->n_pairs; i++) {
        bool found = false;

        for (unsigned int j = 0; j < q->n_pairs; j++)
            found |= q->pair[j].key == p->pair[i].key &&
                     q->pair[j].value == p->pair[i].value;
        if (!found)
            return false;
    }
    return true;
}

static bool is_granted(const struct rules *r, int priv, const struct caller *c)
{
    for (int role = 0; role < N_ROLES; role++) {
        if (!r->role_has[role][priv])
            continue;
        for (int i = 0; i < N_IDS; i++)
            if (r->assigned[role][i] && identity_fits(r, i, c))
                return true;
    }
    return false;
}

static bool naive_allows(const struct rules *r, const struct caller *c,
                         const struct request *q)
{
    bool matched = false;

    if (r->is_root_gated && !c->is_root)
        return false;
    for (int p = 0; p < N_PRIVS; p++) {
        if (!privilege_fits(&r->priv[p], q))
            continue;
        matched = true;
        if (is_granted(r, p, c))
            return true;
    }
    return matched ? false : r->is_default_allow;
}

/* --- the kernel --------------------------------------------------------- */

static void fill_ids(struct msp_idset *ids, const struct msp_image *image,
                     const struct rules *r, const struct caller *c)
{
    for (uint32_t bit = 0; bit < image->n[MSP_SEC_IDENTITIES]; bit++) {
        const char *name =
            msp_image_string(image, image->identities[bit].name_off);

        if (identity_fits(r, atoi(name + 1), c))
            ids->word[bit / 64] |= 1ull << (bit % 64);
    }
}

static void fill_request(struct msp_request *page, const struct request *q)
{
    page->path_len = (uint32_t)strlen(q->path) + 1;
    memcpy(page->path.path, q->path, page->path_len);
    page->method = q->method;
    page->n_pairs = q->n_pairs;
    for (unsigned int i = 0; i < q->n_pairs; i++) {
        const char *key = keys[q->pair[i].key];
        const char *value = values[q->pair[i].value];

        assert_ok(msp_canon_pair_hash(key, strlen(key), value, strlen(value),
                                      page->pair[i].hash));
    }
}

static void random_caller(struct caller *c)
{
    c->is_root = pick(2);
    c->uid = c->is_root ? 0 : (int)pick(3);
    for (int g = 0; g < N_GROUPS; g++)
        c->gid[g] = (int)pick(5);
}

static void random_request(struct request *q)
{
    memset(q, 0, sizeof(*q));
    random_path(q->path, sizeof(q->path), 4);
    q->n_pairs = random_pairs(q->pair, 3);
    q->method = methods[pick(ARRAY_SIZE(methods))].bit;
}

static void compare(struct slot_fixture *fx, const struct msp_image *image,
                    const struct rules *r)
{
    struct msp_request *page = slot_fixture_page(fx);
    struct request q;
    struct caller c;
    bool naive;

    random_caller(&c);
    random_request(&q);
    memset(page, 0, sizeof(*page));
    fill_ids(&page->mark.ids, image, r, &c);
    fill_request(page, &q);
    page->mark.endpoint = r->is_root_gated ? MSP_EP_WIRESERVER : MSP_EP_IMDS;
    page->mark.flags = c.is_root ? MSP_MARK_ROOT : 0;
    page->mark.identity_epoch = slot_fixture_epoch(fx);
    slot_fixture_authorize(fx);
    naive = naive_allows(r, &c, &q);
    if (naive != (page->verdict == MSP_VERDICT_ALLOW) ||
        (!naive && page->verdict !=
                       (r->is_audit ? MSP_VERDICT_AUDIT : MSP_VERDICT_DENY))) {
        print_rules(stderr, r);
        fail_msg("%s uid %d root %d: naive %d kernel verdict %d reason %d",
                 q.path, c.uid, c.is_root, naive, page->verdict, page->reason);
    }
}

static void kernel_agrees_with_the_naive_matcher(void **state)
{
    struct slot_fixture *fx = *state;
    unsigned int seed = (unsigned int)time(NULL);
    struct rules r;

    print_message("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < POLICIES; i++) {
        msp_autofree uint8_t *bytes = NULL;
        const char *why = NULL;
        struct msp_image image;
        size_t len;

        random_rules(&r);
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
