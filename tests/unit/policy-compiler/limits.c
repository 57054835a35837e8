/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * At each limit and one past it, with documents too large to store; and that
 * compiling stays quick.
 */

#include "document.h"

/* A document under construction: one endpoint with four arrays. */
struct builder {
    char *text; /* owned */
    size_t len;
    FILE *out;
};

static void begin(struct builder *b)
{
    *b = (struct builder){0};
    b->out = open_memstream(&b->text, &b->len);
    assert_non_null(b->out);
    (void)fputs("{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
                "\"defaultAccess\":\"deny\",\"id\":\"\",\"rules\":{"
                "\"privileges\":[",
                b->out);
}

static void finish(struct builder *b)
{
    (void)fputs("]}}}}", b->out);
    assert_int_equal(fclose(b->out), 0);
    b->out = NULL;
}

static void next_array(struct builder *b, const char *name)
{
    (void)fprintf(b->out, "],\"%s\":[", name);
}

static void builder_done(struct builder *b)
{
    if (b->out)
        (void)fclose(b->out);
    free(b->text);
}

static const char *comma(int i)
{
    return i ? "," : "";
}

static void put_privileges(struct builder *b, int n)
{
    for (int i = 0; i < n; i++)
        (void)fprintf(b->out, "%s{\"name\":\"p%d\",\"path\":\"/p/%d\"}",
                      comma(i), i, i);
}

static void put_roles(struct builder *b, int n)
{
    next_array(b, "roles");
    for (int i = 0; i < n; i++)
        (void)fprintf(b->out, "%s{\"name\":\"r%d\",\"privileges\":[]}",
                      comma(i), i);
}

static void put_identities(struct builder *b, int n)
{
    next_array(b, "identities");
    for (int i = 0; i < n; i++)
        (void)fprintf(b->out, "%s{\"name\":\"i%d\",\"uid\":%d}", comma(i), i,
                      i);
}

static void put_assignments(struct builder *b, int n)
{
    next_array(b, "roleAssignments");
    for (int i = 0; i < n; i++)
        (void)fprintf(b->out, "%s{\"role\":\"r0\",\"identities\":[]}",
                      comma(i));
}

static void build(struct builder *b, int privileges, int roles, int identities,
                  int assignments)
{
    begin(b);
    put_privileges(b, privileges);
    put_roles(b, roles);
    put_identities(b, identities);
    put_assignments(b, assignments);
    finish(b);
}

#define RULES "/endpoints/imds/rules/"

static void each_array_has_a_limit(void **state)
{
    static const struct {
        int n[4];            /* privileges, roles, identities, assignments */
        const char *pointer; /* NULL = compiles */
    } cases[] = {
        {{MSP_PRIVILEGES_MAX, 0, 0, 0}, NULL},
        {{MSP_PRIVILEGES_MAX + 1, 0, 0, 0}, RULES "privileges"},
        {{0, MSP_ROLES_MAX, 0, 0}, NULL},
        {{0, MSP_ROLES_MAX + 1, 0, 0}, RULES "roles"},
        {{0, 0, MSP_IDENTITIES_MAX, 0}, NULL},
        {{0, 0, MSP_IDENTITIES_MAX + 1, 0}, RULES "identities"},
        {{0, 1, 0, MSP_ASSIGNMENTS_MAX}, NULL},
        {{0, 1, 0, MSP_ASSIGNMENTS_MAX + 1}, RULES "roleAssignments"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_cleanup(builder_done) struct builder b = {0};
        msp_cleanup(compiled_done) struct compiled image = {0};
        const int *n = cases[i].n;

        build(&b, n[0], n[1], n[2], n[3]);
        if (cases[i].pointer) {
            assert_true(
                is_refused(b.text, b.len, MSP_DIAG_LIMIT, cases[i].pointer));
            continue;
        }
        compile_ok(b.text, b.len, &image);
        assert_int_equal(image.view.n[MSP_SEC_PRIVILEGES], n[0]);
        assert_int_equal(image.view.n[MSP_SEC_PATHS], 2 * n[0]);
        assert_int_equal(image.view.n[MSP_SEC_IDENTITIES], n[2]);
    }
}

/* Query pairs are counted in all privileges, equal ones once. */
static void build_pairs(struct builder *b, int n)
{
    begin(b);
    for (int i = 0; i < n; i++)
        (void)fprintf(b->out,
                      "%s{\"name\":\"p%d\",\"path\":\"/p/%d\","
                      "\"queryParameters\":{\"k\":\"%d\",\"same\":\"x\"}}",
                      comma(i), i, i, i);
    put_roles(b, 0);
    put_identities(b, 0);
    put_assignments(b, 0);
    finish(b);
}

static void a_policy_has_4096_distinct_pairs(void **state)
{
    msp_cleanup(builder_done) struct builder fits = {0}, over = {0};
    msp_cleanup(compiled_done) struct compiled image = {0};

    (void)state;
    build_pairs(&fits, MSP_PAIRS_MAX - 1);
    compile_ok(fits.text, fits.len, &image);
    assert_int_equal(image.view.n[MSP_SEC_PAIRS], MSP_PAIRS_MAX);
    build_pairs(&over, MSP_PAIRS_MAX);
    assert_true(is_refused(over.text, over.len, MSP_DIAG_LIMIT, "/endpoints"));
}

/* `roots` privileges at the root fold into each of `n` paths. */
static void build_folded(struct builder *b, int roots, int n, size_t text_bytes,
                         int identities)
{
    begin(b);
    for (int i = 0; i < roots; i++)
        (void)fprintf(b->out, "%s{\"name\":\"r%d\",\"path\":\"/\"}", comma(i),
                      i);
    for (int i = 0; i < n; i++)
        (void)fprintf(b->out, ",{\"name\":\"p%d\",\"path\":\"/%d\"}", i, i);
    put_roles(b, 0);
    next_array(b, "identities");
    for (int i = 0; i < identities; i++)
        (void)fprintf(b->out,
                      "%s{\"name\":\"i%d\",\"userName\":\"%0*d\","
                      "\"groupName\":\"%0*d\"}",
                      comma(i), i, (int)text_bytes, i, (int)text_bytes - 1, i);
    put_assignments(b, 0);
    finish(b);
}

static void a_node_has_256_rows(void **state)
{
    msp_cleanup(builder_done) struct builder fits = {0}, over = {0};
    msp_cleanup(compiled_done) struct compiled image = {0};

    (void)state;
    build_folded(&fits, MSP_NODE_CONDS_MAX - 1, 1, 0, 0);
    compile_ok(fits.text, fits.len, &image);
    /* The deeper path is the one that has no room. */
    build_folded(&over, MSP_NODE_CONDS_MAX, 1, 0, 0);
    assert_true(is_refused(over.text, over.len, MSP_DIAG_LIMIT,
                           RULES "privileges/256/path"));
}

static void an_image_has_262144_rows(void **state)
{
    const int n = MSP_CONDS_MAX / MSP_NODE_CONDS_MAX;
    msp_cleanup(builder_done) struct builder fits = {0}, over = {0};
    msp_cleanup(compiled_done) struct compiled image = {0};

    (void)state;
    /* 255 rows at the root, and 256 at each of the others. */
    build_folded(&fits, MSP_NODE_CONDS_MAX - 1, n - 1, 0, 0);
    compile_ok(fits.text, fits.len, &image);
    assert_int_equal(image.view.n[MSP_SEC_CONDS], MSP_CONDS_MAX - 1);
    build_folded(&over, MSP_NODE_CONDS_MAX - 1, n, 0, 0);
    assert_true(is_refused(over.text, over.len, MSP_DIAG_LIMIT, "/endpoints"));
}

static void an_image_has_a_size_limit(void **state)
{
    msp_cleanup(builder_done) struct builder over = {0};

    (void)state;
    build_folded(&over, 31, 8100, 3700, MSP_IDENTITIES_MAX);
    assert_true(over.len <= MSP_DOC_BYTES_MAX);
    assert_true(is_refused(over.text, over.len, MSP_DIAG_LIMIT, ""));
}

/* Patterns without a segment in common: a state each, and the root. */
static void build_states(struct builder *b, bool is_over)
{
    const int n = MSP_CG_STATES_MAX / MSP_CG_SEGMENTS_MAX;

    begin(b);
    put_roles(b, 0);
    next_array(b, "identities");
    for (int i = 0; i < n; i++) {
        bool is_short = i == n - 1 && !is_over;

        (void)fprintf(b->out, "%s{\"name\":\"i%d\",\"cgroup\":\"", comma(i), i);
        for (int j = is_short; j < MSP_CG_SEGMENTS_MAX; j++)
            (void)fprintf(b->out, "/s%d", i);
        (void)fputs("\"}", b->out);
    }
    put_assignments(b, 0);
    finish(b);
}

static void cgroups_have_16384_states(void **state)
{
    msp_cleanup(builder_done) struct builder fits = {0}, over = {0};
    msp_cleanup(compiled_done) struct compiled image = {0};

    (void)state;
    build_states(&fits, false);
    compile_ok(fits.text, fits.len, &image);
    assert_int_equal(image.view.n[MSP_SEC_CG_STATES], MSP_CG_STATES_MAX);
    build_states(&over, true);
    assert_true(is_refused(over.text, over.len, MSP_DIAG_LIMIT, "/endpoints"));
}

/* After each of `n` names, and any other, the same `m` names. */
static void build_edges(struct builder *b, int n, int m)
{
    begin(b);
    put_roles(b, 0);
    next_array(b, "identities");
    for (int i = 0; i < n; i++)
        (void)fprintf(b->out, "%s{\"name\":\"a%d\",\"cgroup\":\"/a%d\"}",
                      comma(i), i, i);
    for (int i = 0; i < m; i++)
        (void)fprintf(b->out, ",{\"name\":\"b%d\",\"cgroup\":\"/*/b%d\"}", i,
                      i);
    put_assignments(b, 0);
    finish(b);
}

static void cgroups_have_65536_edges(void **state)
{
    const int m = 512, n = MSP_CG_EDGES_MAX / (m + 1) - 1;
    msp_cleanup(builder_done) struct builder fits = {0}, over = {0};
    msp_cleanup(compiled_done) struct compiled image = {0};

    (void)state;
    build_edges(&fits, n, m);
    compile_ok(fits.text, fits.len, &image);
    assert_int_equal(image.view.n[MSP_SEC_CG_EDGES], (n + 1) * (m + 1));
    build_edges(&over, n + 1, m);
    assert_true(is_refused(over.text, over.len, MSP_DIAG_LIMIT, "/endpoints"));
}

/* Every identity with a file and a name of its own. */
static void build_files(struct builder *b, int n)
{
    begin(b);
    put_roles(b, 0);
    next_array(b, "identities");
    for (int i = 0; i < n; i++)
        (void)fprintf(b->out,
                      "%s{\"name\":\"i%d\",\"exePath\":\"/bin/%d\","
                      "\"processName\":\"%d\",\"cgroup\":\"/%d/**\","
                      "\"unit\":\"%d.slice/x.service\"}",
                      comma(i), i, n - i, i, i, i);
    put_assignments(b, 0);
    finish(b);
}

static void every_identity_has_a_file_and_a_name(void **state)
{
    msp_cleanup(builder_done) struct builder b = {0};
    msp_cleanup(compiled_done) struct compiled image = {0};

    (void)state;
    build_files(&b, MSP_IDENTITIES_MAX);
    compile_ok(b.text, b.len, &image);
    assert_int_equal(image.view.n[MSP_SEC_EXES], MSP_IDENTITIES_MAX);
    assert_int_equal(image.view.n[MSP_SEC_PROCESSES], MSP_IDENTITIES_MAX);
}

static void a_document_has_a_size_limit(void **state)
{
    static const char head[] = "{\"version\":1,\"endpoints\":{}}";
    msp_autofree char *text = malloc(MSP_DOC_BYTES_MAX + 1);
    msp_cleanup(compiled_done) struct compiled image = {0};

    (void)state;
    assert_non_null(text);
    memset(text, ' ', MSP_DOC_BYTES_MAX + 1);
    memcpy(text, head, sizeof(head) - 1);
    compile_ok(text, MSP_DOC_BYTES_MAX, &image);
    assert_true(
        is_refused(text, MSP_DOC_BYTES_MAX + 1, MSP_DIAG_TOO_LARGE, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_array_has_a_limit),
        cmocka_unit_test(a_policy_has_4096_distinct_pairs),
        cmocka_unit_test(a_node_has_256_rows),
        cmocka_unit_test(an_image_has_262144_rows),
        cmocka_unit_test(an_image_has_a_size_limit),
        cmocka_unit_test(cgroups_have_16384_states),
        cmocka_unit_test(cgroups_have_65536_edges),
        cmocka_unit_test(every_identity_has_a_file_and_a_name),
        cmocka_unit_test(a_document_has_a_size_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
