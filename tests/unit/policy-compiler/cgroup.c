/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Random cgroup patterns and units, matched twice: here as a person reads
 * them, one pattern and one path at a time, and by the automaton of the image
 * as the kernel walks it. The two share no line.
 */
#include <time.h>

#include "document.h"
#include "explain.h"
#include "selector.h"

#define IDENTITIES 48
#define DEPTH      5 /* of the paths that are tried */
#define NAMES      3 /* names of patterns; paths have one more */
#define STAR       NAMES

struct pattern {
    bool is_given;
    bool is_subtree;
    int n;
    int segment[DEPTH]; /* 0..NAMES-1, or STAR */
};

struct identity {
    bool is_nobody; /* the platform's word for it */
    struct pattern cgroup;
    struct pattern unit; /* a path: no stars, no subtree */
};

/* One is the beginning of another. */
static const char *const name_text[NAMES + 1] = {"a", "a-b", "b.service",
                                                 "other"};
static unsigned int seed;

static int pick(int n)
{
    return (int)((unsigned int)rand_r(&seed) % (unsigned int)n);
}

/* --- as a person reads them ---------------------------------------------- */

static bool fits(const struct pattern *pattern, const int *path, int n)
{
    if (pattern->is_subtree ? n < pattern->n : n != pattern->n)
        return false;
    for (int i = 0; i < pattern->n; i++)
        if (pattern->segment[i] != STAR && pattern->segment[i] != path[i])
            return false;
    return true;
}

static bool is_caller(const struct identity *id, const int *path, int n)
{
    return !id->is_nobody &&
           (!id->cgroup.is_given || fits(&id->cgroup, path, n)) &&
           (!id->unit.is_given || fits(&id->unit, path, n));
}

/* One that demands neither is the caller also where no row is made. */
static bool is_wildcard(const struct identity *id)
{
    return !id->is_nobody && !id->cgroup.is_given && !id->unit.is_given;
}

/*
 * The beginning of a pattern as long as the path, if it fits, as a number
 * that no other beginning has. @return -1 = it does not fit
 */
static int beginning(const struct pattern *pattern, const int *path, int n)
{
    int number = 1;

    if (!pattern->is_given || pattern->n < n)
        return -1;
    for (int i = 0; i < n; i++) {
        if (pattern->segment[i] != STAR && pattern->segment[i] != path[i])
            return -1;
        number = number * (STAR + 1) + pattern->segment[i];
    }
    return number;
}

/* Different beginnings of patterns that fit one path. */
static int count_ways(const struct identity *id, const int *path, int n)
{
    int seen[2 * IDENTITIES], n_seen = 0;

    for (int i = 0; i < 2 * IDENTITIES; i++) {
        const struct identity *of = &id[i / 2];
        int j, way = of->is_nobody
                         ? -1
                         : beginning(i % 2 ? &of->unit : &of->cgroup, path, n);

        for (j = 0; j < n_seen && seen[j] != way; j++)
            ;
        if (way >= 0 && j == n_seen)
            seen[n_seen++] = way;
    }
    return n_seen;
}

/* --- all paths ----------------------------------------------------------- */

#define PATHS 1365 /* 1 + 4 + ... + 4^DEPTH */

/* @return segments of path number `i` */
static int path_of(int i, int path[DEPTH])
{
    int n = 0;

    for (; i > 0; i = (i - 1) / (NAMES + 1))
        path[n++] = (i - 1) % (NAMES + 1);
    return n;
}

static bool is_over(const struct identity *id)
{
    for (int i = 0; i < PATHS; i++) {
        int path[DEPTH], n = path_of(i, path);

        if (count_ways(id, path, n) > MSP_CG_LIVE_MAX)
            return true;
    }
    return false;
}

/* --- the document -------------------------------------------------------- */

static struct pattern make_pattern(int stars, int names)
{
    struct pattern pattern = {
        .is_given = true, .is_subtree = pick(3) == 0, .n = pick(DEPTH + 1)};

    for (int i = 0; i < pattern.n; i++)
        pattern.segment[i] = pick(10) < stars ? STAR : pick(names);
    return pattern;
}

/* In the root slice. */
static struct pattern make_unit(void)
{
    return (struct pattern){.is_given = true, .n = 1, .segment = {2}};
}

/* Rounds differ in how many stars and names they have. */
static void make_identities(struct identity *id)
{
    int stars = pick(7), names = 1 + pick(NAMES);

    for (int i = 0; i < IDENTITIES; i++) {
        id[i] = (struct identity){.is_nobody = pick(8) == 0};
        if (pick(5))
            id[i].cgroup = make_pattern(stars, names);
        if (pick(6) == 0)
            id[i].unit = make_unit();
    }
}

static void put_pattern(FILE *out, const struct pattern *pattern)
{
    if (pattern->n == 0 && !pattern->is_subtree)
        (void)fputc('/', out);
    for (int i = 0; i < pattern->n; i++)
        (void)fprintf(
            out, "%s%s", pick(8) ? "/" : "//",
            pattern->segment[i] == STAR ? "*" : name_text[pattern->segment[i]]);
    if (pattern->is_subtree)
        (void)fputs("/**", out);
    if (pattern->n > 0 && pick(8) == 0)
        (void)fputc('/', out);
}

static void put_identity(FILE *out, const struct identity *id, int i)
{
    (void)fprintf(out, "%s{\"name\":\"i%d\"", i ? "," : "", i);
    if (id->is_nobody)
        (void)fputs(",\"exePath\":\"C:\\\\x\"", out);
    else
        (void)fputs(",\"uid\":0", out);
    if (id->cgroup.is_given) {
        (void)fputs(",\"cgroup\":\"", out);
        put_pattern(out, &id->cgroup);
        (void)fputc('"', out);
    }
    if (id->unit.is_given)
        (void)fputs(",\"unit\":\"-.slice/b.service\"", out);
    (void)fputc('}', out);
}

/* Of the platform's form, which has identities that nobody is. */
static char *make_document(const struct identity *id, size_t *ret_len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);

    assert_non_null(out);
    (void)fputs("{\"imds\":{\"mode\":\"enforce\",\"defaultAccess\":\"deny\","
                "\"id\":\"\",\"rules\":{\"privileges\":[],\"roles\":[],"
                "\"roleAssignments\":[],\"identities\":[",
                out);
    for (int i = 0; i < IDENTITIES; i++)
        put_identity(out, &id[i], i);
    (void)fputs("]}}}", out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* @return whether it was compiled; else it was refused for the ways alone */
static bool compile(const struct identity *id, struct compiled *ret)
{
    static const struct msp_policy_options options = {.form = MSP_FORM_STATUS};
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
    const char *why = NULL;
    size_t len = 0;
    msp_autofree char *text = make_document(id, &len);
    int r = msp_policy_compile_as(text, len, &options, &diags, &ret->bytes,
                                  &ret->len);

    if (r == 0) {
        assert_ok(msp_image_open(ret->bytes, ret->len, &ret->view, &why));
        return true;
    }
    assert_errno(r, EINVAL);
    assert_int_equal(diags.n_errors, 1);
    for (size_t i = 0; i < diags.n; i++)
        if (diags.item[i].severity == MSP_SEVERITY_ERROR)
            assert_int_equal(diags.item[i].code, MSP_DIAG_LIMIT);
    return false;
}

/* --- the automaton ------------------------------------------------------- */

static const struct msp_cg_ref *edge_of(const struct msp_image *view,
                                        uint32_t state, const char *name)
{
    for (uint32_t i = 0; i < view->n[MSP_SEC_CG_EDGES]; i++)
        if (view->cg_edges[i].key.state == state &&
            msp_streq(view->cg_edges[i].key.name, name))
            return &view->cg_edges[i].to;
    return NULL;
}

/* As cgroup_mkdir does, from the root down. @return NULL = no row */
static const struct msp_idset *walk(const struct msp_image *view,
                                    const int *path, int n)
{
    struct msp_cg_ref row = {MSP_CG_ROOT};

    if (view->n[MSP_SEC_CG_STATES] == 0)
        return NULL;
    for (int i = 0; i < n; i++) {
        const struct msp_cg_ref *to =
            edge_of(view, row.state, name_text[path[i]]);

        if (!to)
            to = edge_of(view, row.state, "");
        if (!to)
            return NULL;
        row = *to;
    }
    return &view->sets[view->cg_states[row.state].set];
}

/* --- both ---------------------------------------------------------------- */

static void print_path(const int *path, int n, char *ret, size_t size)
{
    FILE *out = fmemopen(ret, size, "w");

    assert_non_null(out);
    (void)fputs(n ? "" : "/", out);
    for (int i = 0; i < n; i++)
        (void)fprintf(out, "/%s", name_text[path[i]]);
    assert_int_equal(fclose(out), 0);
}

static void compare(const struct identity *id, const struct msp_image *view,
                    int number, unsigned int *n_matched)
{
    static struct explain explain;
    struct explain_query query = {.target = "/",
                                  .method = MSP_METHOD_GET,
                                  .caller = {.has_uid = true}}; /* uid 0 */
    int path[DEPTH], n = path_of(number, path);
    const struct msp_idset *row = walk(view, path, n);
    char text[256];

    print_path(path, n, text, sizeof(text));
    query.caller.cgroup = text;
    assert_ok(msp_explain(view, &query, &explain));
    for (int i = 0; i < IDENTITIES; i++) {
        bool wanted = is_caller(&id[i], path, n);
        bool found = row ? row->word[0] >> i & 1 : is_wildcard(&id[i]);

        if (found != wanted || (explain.ids.word[0] >> i & 1) != wanted)
            fail_msg("%s identity %d: read %d, walked %d, explained %d", text,
                     i, wanted, found, (int)(explain.ids.word[0] >> i & 1));
        *n_matched += wanted && id[i].cgroup.is_given;
        if (id[i].cgroup.is_given && !id[i].is_nobody)
            assert_int_equal(
                msp_selector_covers(
                    msp_image_string(view, view->identities[i].cgroup_off),
                    text),
                fits(&id[i].cgroup, path, n));
    }
}

static void the_automaton_is_the_patterns(void **state)
{
    const char *given = getenv("MSP_SEED");
    unsigned int n_matched = 0, n_refused = 0, n_compiled = 0;

    (void)state;
    seed = given ? (unsigned int)strtoul(given, NULL, 10)
                 : (unsigned int)time(NULL);
    print_message("MSP_SEED=%u\n", seed);
    for (int round = 0; round < 300; round++) {
        msp_cleanup(compiled_done) struct compiled image = {0};
        struct identity id[IDENTITIES];
        bool is_compiled;

        make_identities(id);
        is_compiled = compile(id, &image);
        assert_int_equal(is_compiled, !is_over(id));
        n_refused += !is_compiled;
        n_compiled += is_compiled;
        for (int i = 0; is_compiled && i < 200; i++)
            compare(id, &image.view, pick(PATHS), &n_matched);
    }
    print_message("%u compiled, %u refused, %u matched\n", n_compiled,
                  n_refused, n_matched);
    /* Else the comparison was about nothing. */
    assert_true(n_compiled > 50);
    assert_true(n_refused > 0);
    assert_true(n_matched > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_automaton_is_the_patterns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
