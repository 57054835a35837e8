/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Random policies and requests, decided twice: here from the rules as a
 * person reads them, and from the tables of the image as the kernel would.
 * The two share the canonicaliser's spelling of the request and nothing else.
 */
#include <ctype.h>
#include <strings.h>
#include <time.h>

#include <msp/canon.h>

#include "document.h"
#include "explain.h"

#define PRIVILEGES  7
#define IDENTITIES  5
#define ROLES       4
#define ASSIGNMENTS 5
#define SEGMENTS    4
#define KEYS        3

struct privilege {
    int n_segments;
    int segment[SEGMENTS];
    int value[KEYS]; /* -1 = the rule does not ask for the key */
    unsigned int methods;
};

struct item {
    bool default_allow;
    int n_privileges, n_identities, n_roles, n_assignments;
    struct privilege privilege[PRIVILEGES];
    unsigned int role[ROLES]; /* bit = privilege */
    int assigned_role[ASSIGNMENTS];
    unsigned int assigned[ASSIGNMENTS]; /* bit = identity */
};

struct request {
    int n_segments;
    int segment[SEGMENTS + 1];
    int value[KEYS]; /* -1 = absent */
    unsigned int method;
    unsigned int caller; /* bit = identity */
};

struct verdict {
    bool allow;
    bool by_privilege; /* else by default */
};

static const char *const segment_text[] = {"a", "b", "ab", "x-y"};
static const char *const key_text[KEYS] = {"k", "comp", "kk"};
static const char *const value_text[] = {"", "v", "https://a/"};
static const char *const method_text[] = {"GET",    "HEAD",    "POST", "PUT",
                                          "DELETE", "OPTIONS", "PATCH"};
/* In the order of their indexes. */
static const char *const endpoint_text[] = {"imds", "wireserver", "hostga",
                                            "0-first", "last"};
static const char *const place_text[] = {
    "", "", "",
    (",\"addresses\":[\"10.0.0.0/8\",\"192.0.2.1\"],\"ports\":[80,81],"
     "\"sign\":true"),
    ",\"addresses\":[\"198.51.100.7\"],\"ports\":[32526],\"sign\":true"};
#define ENDPOINTS 5

static unsigned int seed;

static int pick(int n)
{
    return (int)((unsigned int)rand_r(&seed) % (unsigned int)n);
}

/* --- the rules ----------------------------------------------------------- */

static void make_item(struct item *item)
{
    *item = (struct item){.default_allow = pick(2),
                          .n_privileges = pick(PRIVILEGES + 1),
                          .n_identities = 1 + pick(IDENTITIES),
                          .n_roles = pick(ROLES + 1)};
    item->n_assignments = item->n_roles ? pick(ASSIGNMENTS + 1) : 0;
    for (int i = 0; i < item->n_privileges; i++) {
        struct privilege *p = &item->privilege[i];

        p->n_segments = pick(SEGMENTS);
        for (int j = 0; j < p->n_segments; j++)
            p->segment[j] = pick(ARRAY_SIZE(segment_text));
        for (int j = 0; j < KEYS; j++)
            p->value[j] = pick(4) ? -1 : pick(ARRAY_SIZE(value_text));
        p->methods = pick(3) ? 0 : 1 + (unsigned int)pick(127);
    }
    for (int i = 0; i < item->n_roles; i++)
        item->role[i] = (unsigned int)pick(1 << item->n_privileges);
    for (int i = 0; i < item->n_assignments; i++) {
        item->assigned_role[i] = pick(item->n_roles);
        item->assigned[i] = (unsigned int)pick(1 << item->n_identities);
    }
}

static bool privilege_matches(const struct privilege *p,
                              const struct request *req)
{
    if (p->methods && !(p->methods & req->method))
        return false;
    if (p->n_segments > req->n_segments)
        return false;
    for (int i = 0; i < p->n_segments; i++)
        if (p->segment[i] != req->segment[i])
            return false;
    for (int i = 0; i < KEYS; i++)
        if (p->value[i] >= 0 && p->value[i] != req->value[i])
            return false;
    return true;
}

static bool privilege_granted(const struct item *item, int privilege,
                              unsigned int caller)
{
    for (int i = 0; i < item->n_assignments; i++)
        if (item->role[item->assigned_role[i]] >> privilege & 1 &&
            item->assigned[i] & caller)
            return true;
    return false;
}

static struct verdict decide_by_rules(const struct item *item,
                                      const struct request *req)
{
    bool has_match = false;

    for (int i = 0; i < item->n_privileges; i++) {
        if (!privilege_matches(&item->privilege[i], req))
            continue;
        has_match = true;
        if (privilege_granted(item, i, req->caller))
            return (struct verdict){true, true};
    }
    return (struct verdict){!has_match && item->default_allow, has_match};
}

/* --- the document -------------------------------------------------------- */

static void put_case(FILE *out, const char *text)
{
    for (; *text; text++)
        (void)fputc(pick(4) ? *text : toupper((unsigned char)*text), out);
}

static void put_path(FILE *out, const int *segment, int n)
{
    if (n == 0)
        (void)fputc('/', out);
    for (int i = 0; i < n; i++) {
        (void)fputc('/', out);
        put_case(out, segment_text[segment[i]]);
    }
    if (n > 0 && pick(3) == 0)
        (void)fputc('/', out);
}

static void put_privilege(FILE *out, const struct privilege *p, int i)
{
    const char *separator = "";

    (void)fprintf(out, "%s{\"name\":\"p%d\",\"path\":\"", i ? "," : "", i);
    put_path(out, p->segment, p->n_segments);
    (void)fputs("\",\"queryParameters\":{", out);
    for (int j = 0; j < KEYS; j++) {
        if (p->value[j] < 0)
            continue;
        (void)fprintf(out, "%s\"", separator);
        put_case(out, key_text[j]);
        (void)fputs("\":\"", out);
        put_case(out, value_text[p->value[j]]);
        (void)fputc('"', out);
        separator = ",";
    }
    (void)fputc('}', out);
    separator = ",\"methods\":[";
    for (int j = 0; j < 7; j++) {
        if (!(p->methods >> j & 1))
            continue;
        (void)fprintf(out, "%s\"%s\"", separator, method_text[j]);
        separator = ",";
    }
    (void)fputs(p->methods ? "]}" : "}", out);
}

static void put_names(FILE *out, const char *prefix, unsigned int bits)
{
    const char *separator = "";

    (void)fputc('[', out);
    for (int i = 0; i < 16; i++) {
        if (!(bits >> i & 1))
            continue;
        (void)fprintf(out, "%s\"%s%d\"", separator, prefix, i);
        separator = ",";
    }
    (void)fputc(']', out);
}

static void put_item(FILE *out, const struct item *item, int endpoint)
{
    (void)fprintf(out,
                  "%s\"%s\":{\"mode\":\"enforce\",\"defaultAccess\":\"%s\","
                  "\"id\":\"\"%s,\"rules\":{\"privileges\":[",
                  endpoint ? "," : "", endpoint_text[endpoint],
                  item->default_allow ? "allow" : "deny", place_text[endpoint]);
    for (int i = 0; i < item->n_privileges; i++)
        put_privilege(out, &item->privilege[i], i);
    (void)fputs("],\"roles\":[", out);
    for (int i = 0; i < item->n_roles; i++) {
        (void)fprintf(out, "%s{\"name\":\"r%d\",\"privileges\":", i ? "," : "",
                      i);
        put_names(out, "p", item->role[i]);
        (void)fputc('}', out);
    }
    (void)fputs("],\"identities\":[", out);
    for (int i = 0; i < item->n_identities; i++)
        (void)fprintf(out, "%s{\"name\":\"i%d\",\"uid\":%d}", i ? "," : "", i,
                      100 * endpoint + i);
    (void)fputs("],\"roleAssignments\":[", out);
    for (int i = 0; i < item->n_assignments; i++) {
        (void)fprintf(out, "%s{\"role\":\"r%d\",\"identities\":", i ? "," : "",
                      item->assigned_role[i]);
        put_names(out, "i", item->assigned[i]);
        (void)fputc('}', out);
    }
    (void)fputs("]}}", out);
}

static void compile_items(const struct item *item, struct compiled *ret)
{
    msp_autofree char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    (void)fputs("{\"version\":1,\"endpoints\":{", out);
    for (int i = 0; i < ENDPOINTS; i++)
        put_item(out, &item[i], i);
    (void)fputs("}}", out);
    assert_int_equal(fclose(out), 0);
    compile_ok(text, len, ret);
}

/* --- the request --------------------------------------------------------- */

static void make_request(const struct item *item, struct request *req)
{
    *req = (struct request){.n_segments = pick(SEGMENTS + 2),
                            .method = 1u << pick(7)};
    for (int i = 0; i < req->n_segments; i++)
        req->segment[i] = pick(ARRAY_SIZE(segment_text));
    for (int i = 0; i < KEYS; i++)
        req->value[i] = pick(2) ? -1 : pick(ARRAY_SIZE(value_text));
    req->caller = (unsigned int)pick(1 << item->n_identities);
    /* Half of them below a path that a rule names. */
    if (item->n_privileges > 0 && pick(2)) {
        const struct privilege *p = &item->privilege[pick(item->n_privileges)];

        if (req->n_segments < p->n_segments)
            req->n_segments = p->n_segments;
        memcpy(req->segment, p->segment,
               (size_t)p->n_segments * sizeof(p->segment[0]));
        for (int i = 0; i < KEYS; i++)
            if (p->value[i] >= 0 && pick(4))
                req->value[i] = p->value[i];
    }
}

/* Some bytes as escapes. */
static void put_escaped(FILE *out, const char *text)
{
    for (; *text; text++)
        if (pick(4) == 0)
            (void)fprintf(out, "%%%02x", (unsigned char)*text);
        else
            (void)fputc(pick(4) ? *text : toupper((unsigned char)*text), out);
}

static void put_target(const struct request *req, char *ret, size_t size)
{
    FILE *out = fmemopen(ret, size, "w");
    const char *separator = "?";

    assert_non_null(out);
    if (req->n_segments == 0)
        (void)fputc('/', out);
    for (int i = 0; i < req->n_segments; i++) {
        (void)fputc('/', out);
        put_escaped(out, segment_text[req->segment[i]]);
    }
    if (req->n_segments > 0 && pick(3) == 0)
        (void)fputc('/', out);
    for (int i = 0; i < KEYS; i++) {
        if (req->value[i] < 0)
            continue;
        (void)fputs(separator, out);
        put_escaped(out, key_text[i]);
        if (value_text[req->value[i]][0] || pick(2))
            (void)fputc('=', out);
        put_escaped(out, value_text[req->value[i]]);
        separator = "&";
    }
    if (pick(3) == 0)
        (void)fprintf(out, "%sextra=1", separator);
    assert_int_equal(fclose(out), 0);
}

/* --- the tables ---------------------------------------------------------- */

static struct msp_idset caller_set(const struct msp_image *view, int endpoint,
                                   unsigned int caller)
{
    struct msp_idset set = {{0}};

    for (uint32_t i = 0; i < view->n[MSP_SEC_IDENTITIES]; i++) {
        int uid = (int)view->identities[i].uid;

        if (uid / 100 == endpoint && caller >> (uid % 100) & 1)
            set.word[i / 64] |= 1ull << (i % 64);
    }
    return set;
}

static bool meets(const struct msp_idset *a, const struct msp_idset *b)
{
    for (int i = 0; i < MSP_IDSET_WORDS; i++)
        if (a->word[i] & b->word[i])
            return true;
    return false;
}

/* The longest prefix, found by looking at each. */
static const struct msp_path_node *find_node(const struct msp_image *view,
                                             uint32_t endpoint,
                                             const struct msp_canon *canon)
{
    const struct msp_image_path *best = NULL;

    for (uint32_t i = 0; i < view->n[MSP_SEC_PATHS]; i++) {
        const struct msp_image_path *row = &view->paths[i];
        size_t n = (row->key.prefixlen - MSP_PATH_KEY_FIXED_BITS) / 8;

        if (row->key.endpoint != endpoint || n > canon->path.len + 1 ||
            memcmp(row->key.path, canon->path.ptr, n) != 0)
            continue;
        if (!best || row->key.prefixlen > best->key.prefixlen)
            best = row;
    }
    return best ? &best->node : NULL;
}

static bool has_pair(const struct msp_image *view, uint32_t id,
                     uint32_t endpoint, const struct msp_canon *canon)
{
    for (size_t i = 0; i < canon->n_pairs; i++) {
        const struct msp_canon_pair *pair = &canon->pair[i];
        uint8_t hash[MSP_PAIR_HASH_BYTES];

        assert_ok(msp_canon_pair_hash(pair->key.ptr, pair->key.len,
                                      pair->value.ptr, pair->value.len, hash));
        if (view->pairs[id].endpoint == endpoint &&
            memcmp(view->pairs[id].hash, hash, sizeof(hash)) == 0)
            return true;
    }
    return false;
}

static bool cond_fits(const struct msp_image *view, const struct msp_cond *cond,
                      uint32_t endpoint, const struct request *req,
                      const struct msp_canon *canon)
{
    if (cond->methods && !(cond->methods & req->method))
        return false;
    for (uint32_t i = 0; i < cond->n_pairs; i++)
        if (!has_pair(view, cond->pair[i], endpoint, canon))
            return false;
    return true;
}

/* @param ret_privilege index in the image of the one that allowed */
static struct verdict decide_by_tables(const struct msp_image *view,
                                       uint32_t endpoint,
                                       const struct request *req,
                                       const struct msp_canon *canon,
                                       uint32_t *ret_privilege)
{
    const struct msp_path_node *node = find_node(view, endpoint, canon);
    struct msp_idset caller = caller_set(view, (int)endpoint, req->caller);
    bool has_match = false;

    for (uint32_t i = 0; node && i < (uint32_t)node->n_conds + node->n_grants;
         i++) {
        const struct msp_cond *cond = &view->conds[node->first_cond + i];

        if (!cond_fits(view, cond, endpoint, req, canon))
            continue;
        has_match = true;
        if (meets(&caller, &view->sets[cond->set])) {
            *ret_privilege = cond->privilege;
            return (struct verdict){true, true};
        }
    }
    /* The union is what the kernel looks at first. */
    if (node)
        assert_false(meets(&caller, &view->sets[node->set]));
    return (struct verdict){!has_match && view->endpoints[endpoint].ep.flags &
                                              MSP_EP_DEFAULT_ALLOW,
                            has_match};
}

/* --- both ---------------------------------------------------------------- */

static void check_name(const struct item *item, const struct msp_image *view,
                       uint32_t privilege, const struct request *req)
{
    const char *name =
        msp_image_string(view, view->privileges[privilege].name_off);
    int i = atoi(name + 1);

    assert_true(privilege_matches(&item->privilege[i], req));
    assert_true(privilege_granted(item, i, req->caller));
}

static void check_reach(const struct item *item, const struct msp_image *view,
                        int endpoint)
{
    for (int i = 0; i < item->n_identities; i++) {
        struct msp_idset set = caller_set(view, endpoint, 1u << i);
        bool can_reach = false;

        for (int p = 0; p < item->n_privileges; p++)
            can_reach |= privilege_granted(item, p, 1u << i);
        assert_int_equal(meets(&set, &view->endpoints[endpoint].ep.reach),
                         can_reach);
    }
}

/* What `mspc explain` says, which decides with the kernel's own lines. */
static void check_explain(const struct item *item, const struct msp_image *view,
                          uint32_t endpoint, const struct request *req,
                          const char *target)
{
    static struct explain explain;
    struct explain_query query = {.endpoint = endpoint,
                                  .method = req->method,
                                  .target = target,
                                  .caller = {.has_uid = true, .is_root = true}};
    int caller = pick(item->n_identities);
    struct request one = *req;
    struct verdict by_rules;
    bool can_reach = item->default_allow;

    one.caller = 1u << caller;
    query.caller.uid = 100 * endpoint + (uint32_t)caller;
    by_rules = decide_by_rules(item, &one);
    for (int p = 0; p < item->n_privileges; p++)
        can_reach |= privilege_granted(item, p, one.caller);
    assert_ok(msp_explain(view, &query, &explain));
    assert_int_equal(msp_explain_is_allowed(&explain),
                     by_rules.allow && can_reach);
    assert_int_equal(explain.stage,
                     can_reach ? MSP_STAGE_REQUEST : MSP_STAGE_CONNECT);
    if (explain.privilege != MSP_NO_IDENTITY)
        check_name(item, view, explain.privilege, &one);
}

static void compare_one(const struct item *items, const struct msp_image *view,
                        unsigned int *n_by_privilege)
{
    static struct msp_canon canon;
    uint32_t endpoint = (uint32_t)pick(ENDPOINTS), privilege = 0;
    const struct item *item = &items[endpoint];
    struct verdict by_rules, by_tables;
    struct request req;
    char target[256];
    enum msp_canon_code code;

    make_request(item, &req);
    put_target(&req, target, sizeof(target));
    code = msp_canon_target(target, strlen(target), &canon);
    if (code == MSP_CANON_ENCODED_SPECIAL || code == MSP_CANON_COLLISION)
        return;
    if (code != MSP_CANON_OK)
        fail_msg("%s: %s", target, msp_canon_text_of(code));
    by_rules = decide_by_rules(item, &req);
    by_tables = decide_by_tables(view, endpoint, &req, &canon, &privilege);
    if (by_rules.allow != by_tables.allow ||
        by_rules.by_privilege != by_tables.by_privilege)
        fail_msg("%s %s caller %x: rules %d/%d, tables %d/%d",
                 endpoint_text[endpoint], target, req.caller, by_rules.allow,
                 by_rules.by_privilege, by_tables.allow,
                 by_tables.by_privilege);
    if (by_tables.allow && by_tables.by_privilege) {
        check_name(item, view, privilege, &req);
        ++*n_by_privilege;
    }
    check_explain(item, view, endpoint, &req, target);
}

static void tables_decide_as_the_rules_do(void **state)
{
    const char *given = getenv("MSP_SEED");
    unsigned int n_by_privilege = 0;

    (void)state;
    seed = given ? (unsigned int)strtoul(given, NULL, 10)
                 : (unsigned int)time(NULL);
    print_message("MSP_SEED=%u\n", seed);
    for (int round = 0; round < 400; round++) {
        struct item item[ENDPOINTS];
        msp_cleanup(compiled_done) struct compiled image = {0};

        for (int i = 0; i < ENDPOINTS; i++)
            make_item(&item[i]);
        compile_items(item, &image);
        for (int i = 0; i < ENDPOINTS; i++)
            check_reach(&item[i], &image.view, i);
        for (int i = 0; i < 100; i++)
            compare_one(item, &image.view, &n_by_privilege);
    }
    /* Else the comparison was about defaults only. */
    assert_true(n_by_privilege > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_decide_as_the_rules_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
