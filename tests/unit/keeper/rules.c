/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/rules.h"

#include <msp/image.h>

#include "harness/test.h"

#define BASE                                                                \
    "{\"authorizationScheme\":\"Azure-HMAC-SHA256\",\"keyDeliveryMethod\":" \
    "\"http\","
#define V1(state) \
    BASE "\"version\":\"1.0\",\"secureChannelState\":\"" state "\"}"
#define V2(rules)                                             \
    BASE "\"version\":\"2.0\",\"secureChannelEnabled\":true," \
         "\"authorizationRules\":" rules "}"
#define ITEM(mode, access) \
    "{\"mode\":\"" mode "\",\"defaultAccess\":\"" access "\",\"id\":\"x\"}"
#define HALF(mode)                                        \
    "{\"mode\":\"" mode "\",\"defaultAccess\":\"allow\"," \
    "\"id\":\"x\",\"rules\":{\"privileges\":[]}}"

/* {"id":"p","useLocalFileRules":true} */
#define ASKS "eyJpZCI6InAiLCJ1c2VMb2NhbEZpbGVSdWxlcyI6dHJ1ZX0="
#define ASKING(mode, access)                                   \
    "{\"mode\":\"" mode "\",\"defaultAccess\":\"" access "\"," \
    "\"id\":\"" ASKS "\"}"
#define LOCAL(access) "{\"defaultAccess\":\"" access "\"}"

/* What came of one answer. */
struct got {
    uint8_t *bytes; /* owned; NULL = as before */
    struct msp_image image;
    bool is_fallback;
};

static void compile(struct msp_rules *rules, const char *text, struct got *got)
{
    struct msp_status status;
    const char *why = NULL;
    size_t len = 0;

    *got = (struct got){.bytes = NULL};
    assert_ok(msp_status_parse(text, strlen(text), &status, &why));
    assert_ok(msp_rules_compile(rules, text, strlen(text), &status, &got->bytes,
                                &len, &got->is_fallback));
    if (got->bytes)
        assert_ok(msp_image_open(got->bytes, len, &got->image, &why));
}

/* After a change of a local file. */
static void again(struct msp_rules *rules, struct got *got)
{
    const char *why = NULL;
    size_t len = 0;

    *got = (struct got){.bytes = NULL};
    assert_ok(msp_rules_again(rules, &got->bytes, &len, &got->is_fallback));
    if (got->bytes)
        assert_ok(msp_image_open(got->bytes, len, &got->image, &why));
}

static void set_local(struct msp_rules *rules, enum msp_builtin endpoint,
                      const char *text)
{
    msp_rules_set_local(rules, endpoint, MSP_LOCAL_THERE, strdup(text),
                        strlen(text), "");
}

static void set_none(struct msp_rules *rules, enum msp_local_file file)
{
    msp_rules_set_local(rules, MSP_EP_IMDS, file, NULL, 0, "");
    msp_rules_set_local(rules, MSP_EP_WIRESERVER, file, NULL, 0, "");
}

struct row {
    const char *text;
    enum msp_mode imds, wire;
    bool is_allowed; /* by default, where it is not disabled */
    bool is_fallback;
};

#define OFF MSP_MODE_DISABLED
#define AUD MSP_MODE_AUDIT
#define ENF MSP_MODE_ENFORCE

static void check_endpoint(const struct got *got, enum msp_builtin id,
                           enum msp_mode mode, bool is_allowed,
                           const char *text)
{
    const struct msp_endpoint *ep = &got->image.endpoints[id].ep;

    if (ep->mode != mode)
        fail_msg("%s: endpoint %d has mode %d", text, (int)id, (int)ep->mode);
    if (mode != OFF)
        assert_int_equal(!!(ep->flags & MSP_EP_DEFAULT_ALLOW), is_allowed);
}

static void an_answer_is_what_its_words_say(void **state)
{
    static const struct row rows[] = {
        {V1("Disabled"), OFF, OFF, true, false},
        {V1("Wireserver"), AUD, ENF, true, false},
        {V1("WireserverAndImds"), ENF, ENF, true, false},
        {BASE "\"version\":\"2.0\",\"secureChannelEnabled\":false,"
              "\"authorizationRules\":{\"imds\":" ITEM("enforce", "deny") "}}",
         OFF, OFF, true, false},
        {V2("null"), OFF, OFF, true, false},
        {V2("{}"), OFF, OFF, true, false},
        {V2("{\"imds\":" ITEM("Enforce", "Deny") "}"), ENF, OFF, false, false},
        {V2("{\"imds\":" ITEM("audit", "allow") ",\"wireserver\":" ITEM(
             "enforce", "allow") ",\"hostga\":" ITEM("audit", "deny") "}"),
         AUD, ENF, true, false},
        /* what cannot be read denies, in its own mode where that can be */
        {V2("{\"imds\":" HALF("enforce") "}"), ENF, OFF, false, true},
        {V2("{\"imds\":" HALF("AUDIT") "}"), AUD, OFF, false, true},
        {V2("{\"imds\":" HALF("disabled") ",\"wireserver\":" HALF("x") "}"),
         OFF, ENF, false, true},
        {V2("{\"imds\":7,\"wireserver\":null}"), ENF, OFF, false, true},
        {V2("{\"wireserver\":{\"mode\":[]}}"), OFF, ENF, false, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct msp_rules rules = {.is_known = false};
        const struct row *row = &rows[i];
        struct got got;

        compile(&rules, row->text, &got);
        assert_non_null(got.bytes);
        assert_int_equal(got.is_fallback, row->is_fallback);
        assert_int_equal(rules.why[0] != '\0', row->is_fallback);
        check_endpoint(&got, MSP_EP_IMDS, row->imds, row->is_allowed,
                       row->text);
        check_endpoint(&got, MSP_EP_WIRESERVER, row->wire, row->is_allowed,
                       row->text);
        check_endpoint(&got, MSP_EP_HOSTGA, row->wire, row->is_allowed,
                       row->text);
        free(got.bytes);
    }
}

static void changes_are_seen_by_content(void **state)
{
    static const struct {
        const char *text;
        bool is_new;
    } steps[] = {
        {V2("{\"imds\":" ITEM("enforce", "deny") "}"), true},
        {V2("{\"imds\":" ITEM("enforce", "deny") "}"), false},
        /* other order, other blanks: the same */
        {V2("{ \"imds\" : {\"id\":\"x\",\"defaultAccess\":\"deny\","
            "\"mode\":\"enforce\"} }"),
         false},
        /* the same id, another content */
        {V2("{\"imds\":" ITEM("enforce", "allow") "}"), true},
        {V2("{\"imds\":" HALF("enforce") "}"), true},
        {V2("{\"imds\":" HALF("enforce") "}"), false},
        {V2("{\"imds\":" ITEM("enforce", "allow") "}"), true},
        {V1("WireserverAndImds"), true},
        {V1("wireserverandimds"), false},
        {V1("Disabled"), true},
        {V2("null"), false},
    };
    struct msp_rules rules = {.is_known = false};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct got got;

        compile(&rules, steps[i].text, &got);
        if (!!got.bytes != steps[i].is_new)
            fail_msg("step %zu", i);
        free(got.bytes);
    }
}

static void what_is_wrong_is_told_until_it_is_mended(void **state)
{
    struct msp_rules rules = {.is_known = false};
    struct got got;

    (void)state;
    for (int i = 0; i < 2; i++) {
        compile(&rules, V2("{\"imds\":" HALF("enforce") "}"), &got);
        free(got.bytes);
        assert_non_null(strstr(rules.why, "/imds/rules"));
    }
    compile(&rules, V2("{}"), &got);
    free(got.bytes);
    assert_string_equal(rules.why, "");
}

static void what_is_wrong_is_told_as_it_was_found(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {V2("{\"imds\":{\"mode\":\"x\",\"defaultAccess\":\"deny\","
            "\"id\":\"x\"}}"),
         "value /imds/mode: expected disabled, audit or enforce, "
         "found \"x\""},
        /* nothing was found where something is missing */
        {V2("{\"imds\":{\"mode\":\"audit\",\"id\":\"x\"}}"),
         "missing /imds/defaultAccess: expected this member"},
        {V2("{\"imds\":{\"mode\":\"audit\"},\"wireserver\":7}"),
         "missing /imds/defaultAccess: expected this member; and 2 more"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct msp_rules rules = {.is_known = false};
        struct got got;

        compile(&rules, rows[i].text, &got);
        free(got.bytes);
        assert_string_equal(rules.why, rows[i].why);
    }
}

/* --- local rule files ------------------------------------------------------ */

struct local_step {
    const char *host;         /* a new answer; NULL: the file changed */
    enum msp_local_file file; /* of IMDS; UNTOLD: as before */
    const char *text;         /* of THERE, why of REFUSED */
    enum msp_local_use use;   /* of IMDS, after it */
    enum msp_mode mode;       /* NONE: nothing new */
    bool is_allowed;          /* by default */
};

static void one_local_step(struct msp_rules *rules,
                           const struct local_step *step, size_t i)
{
    struct got got;

    if (step->file == MSP_LOCAL_THERE)
        set_local(rules, MSP_EP_IMDS, step->text);
    else if (step->file != MSP_LOCAL_UNTOLD)
        msp_rules_set_local(rules, MSP_EP_IMDS, step->file, NULL, 0,
                            step->text ? step->text : "");
    if (step->host)
        compile(rules, step->host, &got);
    else
        again(rules, &got);
    if (rules->local[MSP_EP_IMDS].use != step->use ||
        !got.bytes != (step->mode == MSP_MODE_NONE))
        fail_msg("step %zu: use %d, image %d, %s", i,
                 (int)rules->local[MSP_EP_IMDS].use, got.bytes != NULL,
                 rules->local[MSP_EP_IMDS].why);
    if (got.bytes) {
        char text[32];

        (void)snprintf(text, sizeof(text), "step %zu", i);
        assert_false(got.is_fallback);
        check_endpoint(&got, MSP_EP_IMDS, step->mode, step->is_allowed, text);
    }
    free(got.bytes);
}

#define ENFORCED V2("{\"imds\":" ASKING("enforce", "deny") "}")
#define AUDITED  V2("{\"imds\":" ASKING("audit", "allow") "}")
#define NOTHING  MSP_MODE_NONE

static void run_local(const struct local_step *steps, size_t n)
{
    struct msp_rules rules = {.is_known = false};

    set_none(&rules, MSP_LOCAL_MISSING);
    for (size_t i = 0; i < n; i++)
        one_local_step(&rules, &steps[i], i);
    msp_rules_clear(&rules);
}

static void a_local_file_counts_while_the_host_asks_for_it(void **state)
{
    static const struct local_step steps[] = {
        /* not asked for: nothing happens, whatever is there */
        {V2("{\"imds\":" ITEM("enforce", "deny") "}"), MSP_LOCAL_THERE,
         LOCAL("allow"), MSP_LOCAL_UNASKED, ENF, false},
        {NULL, MSP_LOCAL_THERE, LOCAL("deny"), MSP_LOCAL_UNASKED, NOTHING, 0},
        {NULL, MSP_LOCAL_REFUSED, "x", MSP_LOCAL_UNASKED, NOTHING, 0},
        {NULL, MSP_LOCAL_THERE, LOCAL("allow"), MSP_LOCAL_UNASKED, NOTHING, 0},
        /* asked for, and changes at once */
        {ENFORCED, MSP_LOCAL_UNTOLD, NULL, MSP_LOCAL_MERGED, ENF, true},
        {ENFORCED, MSP_LOCAL_UNTOLD, NULL, MSP_LOCAL_MERGED, NOTHING, 0},
        {NULL, MSP_LOCAL_THERE, LOCAL("allow"), MSP_LOCAL_MERGED, NOTHING, 0},
        {NULL, MSP_LOCAL_THERE, LOCAL("deny"), MSP_LOCAL_MERGED, ENF, false},
        {NULL, MSP_LOCAL_MISSING, NULL, MSP_LOCAL_NONE, ENF, false},
        {NULL, MSP_LOCAL_THERE, LOCAL("allow"), MSP_LOCAL_MERGED, ENF, true},
        {NULL, MSP_LOCAL_OFF, NULL, MSP_LOCAL_UNSET, ENF, false},
        /* not any more */
        {NULL, MSP_LOCAL_THERE, LOCAL("allow"), MSP_LOCAL_MERGED, ENF, true},
        {V2("{\"imds\":" ITEM("enforce", "deny") "}"), MSP_LOCAL_UNTOLD, NULL,
         MSP_LOCAL_UNASKED, ENF, false},
    };

    (void)state;
    run_local(steps, ARRAY_SIZE(steps));
}

static void the_mode_is_the_hosts_whatever_a_file_says(void **state)
{
    static const struct local_step steps[] = {
        {ENFORCED, MSP_LOCAL_THERE,
         "{\"mode\":\"disabled\",\"defaultAccess\":\"deny\"}", MSP_LOCAL_MERGED,
         ENF, false},
        {NULL, MSP_LOCAL_THERE,
         "{\"mode\":\"audit\",\"defaultAccess\":\"deny\"}", MSP_LOCAL_MERGED,
         ENF, false},
        {AUDITED, MSP_LOCAL_THERE,
         "{\"mode\":\"enforce\",\"defaultAccess\":\"deny\"}", MSP_LOCAL_MERGED,
         AUD, false},
        {V2("{\"imds\":" ASKING("disabled", "allow") "}"), MSP_LOCAL_UNTOLD,
         NULL, MSP_LOCAL_MERGED, OFF, false},
        /* what denies does so in the host's mode as well */
        {AUDITED, MSP_LOCAL_MISSING, NULL, MSP_LOCAL_NONE, AUD, true},
        {NULL, MSP_LOCAL_REFUSED, "x", MSP_LOCAL_DENIED, AUD, false},
        {ENFORCED, MSP_LOCAL_UNTOLD, NULL, MSP_LOCAL_DENIED, ENF, false},
    };

    (void)state;
    run_local(steps, ARRAY_SIZE(steps));
}

static void a_file_that_is_refused_leaves_the_last_good_one(void **state)
{
    static const struct local_step steps[] = {
        /* never a good one: nobody */
        {ENFORCED, MSP_LOCAL_THERE, "{", MSP_LOCAL_DENIED, ENF, false},
        {NULL, MSP_LOCAL_THERE, LOCAL("allow"), MSP_LOCAL_MERGED, ENF, true},
        {NULL, MSP_LOCAL_THERE, "{", MSP_LOCAL_KEPT, ENF, true},
        {NULL, MSP_LOCAL_REFUSED, "its owner", MSP_LOCAL_KEPT, ENF, true},
        {NULL, MSP_LOCAL_THERE, LOCAL(" allow "), MSP_LOCAL_KEPT, ENF, true},
        {NULL, MSP_LOCAL_THERE, "{\"rules\":{\"privileges\":[]}}",
         MSP_LOCAL_KEPT, ENF, true},
        {NULL, MSP_LOCAL_THERE, "{\"id\":\"\"}", MSP_LOCAL_KEPT, ENF, true},
        /* what the host says meanwhile counts all the same */
        {V2("{\"imds\":" ASKING("audit", "deny") "}"), MSP_LOCAL_UNTOLD, NULL,
         MSP_LOCAL_KEPT, AUD, true},
        {NULL, MSP_LOCAL_THERE, "\xef\xbb\xbf" LOCAL("deny"), MSP_LOCAL_MERGED,
         AUD, false},
        {NULL, MSP_LOCAL_THERE, "", MSP_LOCAL_KEPT, AUD, false},
        /* who takes it away wants to be without it, also after that */
        {NULL, MSP_LOCAL_MISSING, NULL, MSP_LOCAL_NONE, AUD, false},
        {NULL, MSP_LOCAL_THERE, "[", MSP_LOCAL_DENIED, AUD, false},
    };

    (void)state;
    run_local(steps, ARRAY_SIZE(steps));
}

static void what_is_wrong_with_a_file_is_told_by_its_own_pointers(void **state)
{
    struct msp_rules rules = {.is_known = false};
    char why[MSP_RULES_WHY_BYTES];
    struct got got;

    (void)state;
    set_none(&rules, MSP_LOCAL_MISSING);
    set_local(&rules, MSP_EP_IMDS, "{\"defaultAccess\":\"perhaps\"}");
    compile(
        &rules,
        V2("{\"imds\":" ASKING("enforce", "deny") ","
                                                  "\"wireserver\":" ASKING(
                                                      "enforce", "deny") "}"),
        &got);
    free(got.bytes);
    msp_rules_local_why(&rules, why);
    assert_string_equal(why, "imds: value /defaultAccess: expected allow or "
                             "deny, found \"perhaps\"");
    assert_string_equal(rules.why, "");
    msp_rules_set_local(&rules, MSP_EP_WIRESERVER, MSP_LOCAL_REFUSED, NULL, 0,
                        "it is a symbolic link");
    set_local(&rules, MSP_EP_IMDS, "{\"id\":\" \"}");
    again(&rules, &got);
    free(got.bytes);
    msp_rules_local_why(&rules, why);
    assert_non_null(strstr(why, "; wireserver: it is a symbolic link"));
    set_none(&rules, MSP_LOCAL_MISSING);
    again(&rules, &got);
    free(got.bytes);
    msp_rules_local_why(&rules, why);
    assert_string_equal(why, "");
    msp_rules_clear(&rules);
}

/* The platform has no local file for HostGA. */
static void hostga_stays_as_the_host_has_wireserver(void **state)
{
    static const char *const host =
        V2("{\"wireserver\":" ASKING("enforce", "allow") "}");
    struct msp_rules rules = {.is_known = false};
    struct got got;

    (void)state;
    set_none(&rules, MSP_LOCAL_MISSING);
    set_local(&rules, MSP_EP_WIRESERVER, LOCAL("deny"));
    compile(&rules, host, &got);
    check_endpoint(&got, MSP_EP_WIRESERVER, ENF, false, host);
    check_endpoint(&got, MSP_EP_HOSTGA, ENF, true, host);
    free(got.bytes);
    msp_rules_set_local(&rules, MSP_EP_WIRESERVER, MSP_LOCAL_MISSING, NULL, 0,
                        "");
    again(&rules, &got);
    check_endpoint(&got, MSP_EP_WIRESERVER, ENF, true, host);
    check_endpoint(&got, MSP_EP_HOSTGA, ENF, true, host);
    free(got.bytes);
    msp_rules_clear(&rules);
}

/* Before mspd has said what there is, nothing is known to be right. */
static void what_is_not_told_yet_is_waited_for(void **state)
{
    struct msp_rules rules = {.is_known = false};
    struct got got;

    (void)state;
    compile(&rules, ENFORCED, &got);
    assert_null(got.bytes);
    set_local(&rules, MSP_EP_IMDS, LOCAL("allow"));
    again(&rules, &got);
    assert_null(got.bytes);
    msp_rules_set_local(&rules, MSP_EP_WIRESERVER, MSP_LOCAL_MISSING, NULL, 0,
                        "");
    again(&rules, &got);
    assert_non_null(got.bytes);
    check_endpoint(&got, MSP_EP_IMDS, ENF, true, ENFORCED);
    free(got.bytes);
    /* who asks for none need not wait */
    msp_rules_clear(&rules);
    rules = (struct msp_rules){.is_known = false};
    compile(&rules, V2("{\"imds\":" ITEM("enforce", "deny") "}"), &got);
    assert_non_null(got.bytes);
    free(got.bytes);
    msp_rules_clear(&rules);
}

/* Nobody knows what a refused document would have asked for. */
static void a_refused_document_has_no_local_file(void **state)
{
    struct msp_rules rules = {.is_known = false};
    struct got got;

    (void)state;
    set_none(&rules, MSP_LOCAL_MISSING);
    set_local(&rules, MSP_EP_IMDS, LOCAL("allow"));
    compile(&rules, V2("{\"imds\":" ASKING("sometimes", "deny") "}"), &got);
    assert_true(got.is_fallback);
    check_endpoint(&got, MSP_EP_IMDS, ENF, false, "refused");
    assert_non_null(strstr(rules.why, "/imds/mode"));
    free(got.bytes);
    msp_rules_clear(&rules);
}

/* Each is sound, both are; but a name has a greatest length. */
static void what_does_not_fit_together_is_the_files_fault(void **state)
{
#define LONG "a-name-that-is-longer-than-a-prefix-may-make-it-here"
#define RULES                                            \
    "\"rules\":{\"privileges\":[{\"name\":\"" LONG "\"," \
    "\"path\":\"/a\"}],\"roles\":[],\"identities\":[],"  \
    "\"roleAssignments\":[]}"
    struct msp_rules rules = {.is_known = false};
    struct got got;

    (void)state;
    set_none(&rules, MSP_LOCAL_MISSING);
    set_local(&rules, MSP_EP_IMDS, "{" RULES "}");
    compile(&rules,
            V2("{\"imds\":{\"mode\":\"enforce\",\"defaultAccess\":"
               "\"allow\",\"id\":\"" ASKS "\"," RULES "}}"),
            &got);
    assert_false(got.is_fallback);
    assert_int_equal(rules.local[MSP_EP_IMDS].use, MSP_LOCAL_DENIED);
    assert_non_null(strstr(rules.local[MSP_EP_IMDS].why, "limit"));
    check_endpoint(&got, MSP_EP_IMDS, ENF, false, "names");
    free(got.bytes);
    /* alone it keeps its names */
    compile(&rules, ENFORCED, &got);
    assert_int_equal(rules.local[MSP_EP_IMDS].use, MSP_LOCAL_MERGED);
    free(got.bytes);
    msp_rules_clear(&rules);
}

/* A document of `n` identities of its own, for both endpoints. */
static char *many(const char *name, unsigned int n)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)fprintf(out, "{\"rules\":{\"privileges\":[],\"roles\":[],"
                       "\"roleAssignments\":[],\"identities\":[");
    for (unsigned int i = 0; i < n; i++)
        (void)fprintf(out, "%s{\"name\":\"%s%u\",\"uid\":%u}", i ? "," : "",
                      name, i, i);
    (void)fprintf(out, "]}}");
    assert_ok(fclose(out));
    return text;
}

static void what_is_too_much_together_is_denied(void **state)
{
    struct msp_rules rules = {.is_known = false};
    msp_autofree char *imds = many("i", 600), *wire = many("w", 600);
    struct got got;

    (void)state;
    set_local(&rules, MSP_EP_IMDS, imds);
    set_local(&rules, MSP_EP_WIRESERVER, wire);
    compile(
        &rules,
        V2("{\"imds\":" ASKING("enforce", "allow") ","
                                                   "\"wireserver\":" ASKING(
                                                       "audit", "allow") "}"),
        &got);
    assert_false(got.is_fallback);
    check_endpoint(&got, MSP_EP_IMDS, ENF, false, "imds");
    check_endpoint(&got, MSP_EP_WIRESERVER, AUD, false, "wireserver");
    check_endpoint(&got, MSP_EP_HOSTGA, AUD, true, "hostga");
    assert_int_equal(rules.local[MSP_EP_IMDS].use, MSP_LOCAL_DENIED);
    assert_int_equal(rules.local[MSP_EP_WIRESERVER].use, MSP_LOCAL_DENIED);
    free(got.bytes);
    set_local(&rules, MSP_EP_WIRESERVER, "{}");
    again(&rules, &got);
    assert_int_equal(rules.local[MSP_EP_IMDS].use, MSP_LOCAL_MERGED);
    assert_int_equal(rules.local[MSP_EP_WIRESERVER].use, MSP_LOCAL_MERGED);
    free(got.bytes);
    msp_rules_clear(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_what_its_words_say),
        cmocka_unit_test(changes_are_seen_by_content),
        cmocka_unit_test(what_is_wrong_is_told_until_it_is_mended),
        cmocka_unit_test(what_is_wrong_is_told_as_it_was_found),
        cmocka_unit_test(a_local_file_counts_while_the_host_asks_for_it),
        cmocka_unit_test(the_mode_is_the_hosts_whatever_a_file_says),
        cmocka_unit_test(a_file_that_is_refused_leaves_the_last_good_one),
        cmocka_unit_test(what_is_wrong_with_a_file_is_told_by_its_own_pointers),
        cmocka_unit_test(hostga_stays_as_the_host_has_wireserver),
        cmocka_unit_test(what_is_not_told_yet_is_waited_for),
        cmocka_unit_test(a_refused_document_has_no_local_file),
        cmocka_unit_test(what_does_not_fit_together_is_the_files_fault),
        cmocka_unit_test(what_is_too_much_together_is_denied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
