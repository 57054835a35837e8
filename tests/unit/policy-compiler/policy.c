/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <jansson.h>

#include <msp/policy.h>

#include "document.h"

#define HEAD "{\"version\":1,\"endpoints\":{"
#define ITEM(mode) \
    "{\"mode\":\"" mode "\",\"defaultAccess\":\"deny\",\"id\":\"\"}"

static const char rules[] =
    HEAD "\"imds\":{\"mode\":\"enforce\",\"defaultAccess\":\"deny\","
         "\"id\":\"x\",\"rules\":{\"privileges\":[{\"name\":\"p\","
         "\"path\":\"/p\",\"queryParameters\":{\"a\":\"1\",\"b\":\"2\"}},"
         "{\"name\":\"q\",\"path\":\"/q\",\"methods\":[\"GET\"]}],"
         "\"roles\":[{\"name\":\"r\",\"privileges\":[\"p\",\"q\"]}],"
         "\"identities\":[{\"name\":\"i\",\"uid\":1,\"gid\":2},"
         "{\"name\":\"j\",\"groupName\":\"g\"},"
         "{\"name\":\"/x\",\"exePath\":\"/x\",\"processName\":\"g\","
         "\"cgroup\":\"/x/**\",\"unit\":\"g.service\"},"
         "{\"name\":\"g\",\"exePath\":\"/g\",\"processName\":\"x\","
         "\"cgroup\":\"/x\"}],"
         "\"roleAssignments\":[{\"role\":\"r\",\"identities\":[\"i\","
         "\"j\"]}]}},\"hostga\":" ITEM("audit") "}}";

/* The same policy, members in another order, other white space. */
static const char rules_reordered[] = "{ \"endpoints\" : {\"hostga\":" ITEM(
    "AUDIT") ",\n"
             "\"imds\":{\"rules\":{\"roleAssignments\":[{\"identities\":[\"i\",\"j\"],"
             "\"role\":\"r\"}],\"identities\":[{\"gid\":2,\"uid\":1,\"name\":\"i\"},"
             "{\"groupName\":\"g\",\"name\":\"j\"},"
             "{\"unit\":\"g.service\",\"cgroup\":\"/x/**/\",\"processName\":\"g\","
             "\"exePath\":\"//x\",\"name\":\"/x\"},"
             "{\"cgroup\":\"//x\",\"processName\":\"x\",\"exePath\":\"/./g/\","
             "\"name\":\"g\"}],"
             "\"roles\":[{\"privileges\":[\"p\",\"q\"],\"name\":\"r\"}],"
             "\"privileges\":[{\"queryParameters\":{\"b\":\"2\",\"a\":\"1\"},"
             "\"path\":\"/P/\",\"name\":\"p\"},{\"methods\":[\"GET\"],\"name\":\"q\","
             "\"path\":\"/q\"}]},\"id\":\"x\",\"defaultAccess\":\"Deny\","
             "\"mode\":\"enforce\"}}, \"version\" : 1 }\n";

static void order_of_members_does_not_show_in_the_image(void **state)
{
    msp_cleanup(compiled_done) struct compiled a = {0}, b = {0};

    (void)state;
    compile_ok(rules, sizeof(rules) - 1, &a);
    compile_ok(rules_reordered, sizeof(rules_reordered) - 1, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.bytes, b.bytes, a.len);
}

static void the_document_need_not_end_in_nul(void **state)
{
    size_t len = sizeof(rules) - 1;
    msp_autofree char *text = malloc(len);
    msp_cleanup(compiled_done) struct compiled image = {0};

    (void)state;
    assert_non_null(text);
    memcpy(text, rules, len);
    compile_ok(text, len, &image);
}

static void another_policy_has_another_digest(void **state)
{
    static const char a[] = HEAD "\"imds\":" ITEM("audit") "}}";
    static const char b[] = HEAD "\"imds\":" ITEM("enforce") "}}";
    msp_cleanup(compiled_done) struct compiled x = {0}, y = {0};

    (void)state;
    compile_ok(a, sizeof(a) - 1, &x);
    compile_ok(b, sizeof(b) - 1, &y);
    assert_memory_not_equal(x.view.header->digest, y.view.header->digest,
                            MSP_DIGEST_BYTES);
}

static void the_default_gates_wireserver_and_hostga(void **state)
{
    const char *text = msp_policy_default();
    msp_cleanup(compiled_done) struct compiled image = {0};

    (void)state;
    compile_ok(text, strlen(text), &image);
    for (int i = 0; i < MSP_EP_BUILTINS; i++) {
        const struct msp_endpoint *ep = &image.view.endpoints[i].ep;

        assert_int_equal(ep->mode, MSP_MODE_ENFORCE);
        assert_true(ep->flags & MSP_EP_DEFAULT_ALLOW);
        assert_true(ep->flags & MSP_EP_SIGN);
        assert_int_equal(!!(ep->flags & MSP_EP_ROOT_GATE), i != MSP_EP_IMDS);
    }
}

static void an_absent_endpoint_is_disabled(void **state)
{
    static const char text[] = HEAD "}}";
    msp_cleanup(compiled_done) struct compiled image = {0};

    (void)state;
    compile_ok(text, sizeof(text) - 1, &image);
    assert_int_equal(image.view.n[MSP_SEC_ENDPOINTS], MSP_EP_BUILTINS);
    for (int i = 0; i < MSP_EP_BUILTINS; i++)
        assert_int_equal(image.view.endpoints[i].ep.mode, MSP_MODE_DISABLED);
}

/* Every prefix of a document is refused or, at the end, compiled. */
static void refuses_every_truncation(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof(rules) - 1; len++)
        assert_true(is_refused(rules, len, MSP_DIAG_SYNTAX, ""));
}

/* Damage of any kind gives an answer: an image or at least one error. */
static void any_bytes_are_answered(void **state)
{
    static const char alphabet[] = "{}[]\",:0a\\\x80 \n-/%";
    unsigned int seed = 3;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
        msp_autofree uint8_t *image = NULL;
        char text[sizeof(rules)];
        size_t len = 0;
        int r, n = 1 + rand_r(&seed) % 3;

        memcpy(text, rules, sizeof(rules));
        while (n-- > 0)
            text[(size_t)rand_r(&seed) % (sizeof(rules) - 1)] =
                alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
        r = msp_policy_compile(text, sizeof(rules) - 1, &diags, &image, &len);
        assert_true(r == 0 || r == -EINVAL);
        assert_int_equal(r == 0, image != NULL);
        assert_int_equal(r == 0, diags.n_errors == 0);
    }
}

#define RULES                                                       \
    "\"rules\":{\"privileges\":[{\"name\":\"p\",\"path\":\"/p\"}]," \
    "\"roles\":[{\"name\":\"r\",\"privileges\":[\"p\"]}],"          \
    "\"identities\":[{\"name\":\"i\",\"userName\":\"u\"}],"         \
    "\"roleAssignments\":[{\"role\":\"r\",\"identities\":[\"i\"]}]}"
#define AUDIT_ITEM "\"mode\":\"audit\",\"defaultAccess\":\"deny\"," RULES

/* One policy for WireServer and HostGA in every form that can say it. */
static const struct {
    enum msp_form form;
    const char *text;
    struct msp_policy_options options;
} same_policy[] = {
    {MSP_FORM_NATIVE,
     HEAD "\"wireserver\":{\"id\":\"\"," AUDIT_ITEM
          "},\"hostga\":{\"id\":\"\"," AUDIT_ITEM "}}}",
     {.form = MSP_FORM_AUTO}},
    {MSP_FORM_STATUS,
     "{\"wireserver\":{\"id\":\"\"," AUDIT_ITEM "},\"imds\":null}",
     {.form = MSP_FORM_AUTO}},
    {MSP_FORM_LOCAL,
     "{\"defaultAccess\":\"Deny\"," RULES "}",
     {.endpoint = "wireserver", .mode = MSP_MODE_AUDIT}},
    {MSP_FORM_ARM,
     "{\"location\":\"x\",\"properties\":{" AUDIT_ITEM "}}",
     {.endpoint = "wireserver"}},
};

_Static_assert(ARRAY_SIZE(same_policy) == MSP_FORM_COUNT - 1, "same_policy");

/* @param ret released by the caller @return as msp_policy_compile_as() */
static int compile_form(size_t i, enum msp_form form, struct compiled *ret)
{
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
    struct msp_policy_options options = same_policy[i].options;

    options.form = form;
    return msp_policy_compile_as(same_policy[i].text,
                                 strlen(same_policy[i].text), &options, &diags,
                                 &ret->bytes, &ret->len);
}

static void every_form_gives_the_same_image(void **state)
{
    msp_cleanup(compiled_done) struct compiled first = {0};

    (void)state;
    assert_ok(compile_form(0, MSP_FORM_NATIVE, &first));
    for (size_t i = 0; i < ARRAY_SIZE(same_policy); i++) {
        msp_cleanup(compiled_done) struct compiled shown = {0}, told = {0};

        assert_ok(compile_form(i, MSP_FORM_AUTO, &shown));
        assert_ok(compile_form(i, same_policy[i].form, &told));
        assert_int_equal(shown.len, first.len);
        assert_memory_equal(shown.bytes, first.bytes, first.len);
        assert_int_equal(told.len, first.len);
        assert_memory_equal(told.bytes, first.bytes, first.len);
    }
}

static void a_form_is_not_taken_for_another(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(same_policy); i++)
        for (size_t j = 0; j < ARRAY_SIZE(same_policy); j++) {
            msp_cleanup(compiled_done) struct compiled image = {0};
            enum msp_form form = same_policy[j].form;

            /* Lax forms ignore members, so they may find an empty policy. */
            if (i == j || form == MSP_FORM_STATUS || form == MSP_FORM_LOCAL)
                continue;
            assert_errno(compile_form(i, form, &image), EINVAL);
            assert_null(image.bytes);
        }
}

/* The old entry takes the native form alone. */
static void compile_without_options_is_native(void **state)
{
    (void)state;
    assert_true(is_refused(same_policy[1].text, strlen(same_policy[1].text),
                           MSP_DIAG_UNKNOWN_MEMBER, "/wireserver"));
}

static void any_bytes_of_any_form_are_answered(void **state)
{
    static const char alphabet[] = "{}[]\",:0a\\\x80 \n-/%n";
    unsigned int seed = 5;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t i = (size_t)round % ARRAY_SIZE(same_policy);
        size_t size = strlen(same_policy[i].text), len = 0;
        msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
        msp_autofree char *text = strdup(same_policy[i].text);
        msp_autofree uint8_t *image = NULL;
        int r, n = 1 + rand_r(&seed) % 3;

        assert_non_null(text);
        while (n-- > 0)
            text[(size_t)rand_r(&seed) % size] =
                alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
        r = msp_policy_compile_as(text, size, &same_policy[i].options, &diags,
                                  &image, &len);
        assert_true(r == 0 || r == -EINVAL);
        assert_int_equal(r == 0, image != NULL);
        assert_int_equal(r == 0, diags.n_errors == 0);
    }
}

static void words_of_options_are_known(void **state)
{
    enum msp_form form = MSP_FORM_AUTO;
    enum msp_mode mode = MSP_MODE_NONE;

    (void)state;
    assert_ok(msp_policy_form_of("arm", &form));
    assert_int_equal(form, MSP_FORM_ARM);
    assert_errno(msp_policy_form_of("auto", &form), EINVAL);
    assert_errno(msp_policy_form_of("", &form), EINVAL);
    assert_ok(msp_policy_mode_of("enforce", &mode));
    assert_int_equal(mode, MSP_MODE_ENFORCE);
    assert_errno(msp_policy_mode_of("none", &mode), EINVAL);
}

static json_t *dump_json(const struct msp_image *view)
{
    msp_autofree char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    json_error_t error;
    json_t *root;

    assert_non_null(out);
    assert_ok(msp_policy_dump(view, MSP_DUMP_JSON, out));
    assert_int_equal(fclose(out), 0);
    assert_memory_equal(text, "{\"schema\":1,", 12);
    root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    assert_non_null(root);
    return root;
}

static void the_json_dump_has_every_table(void **state)
{
    static const struct {
        const char *name;
        enum msp_section section;
    } tables[] = {
        {"endpoints", MSP_SEC_ENDPOINTS},
        {"prefixes", MSP_SEC_PREFIXES},
        {"identities", MSP_SEC_IDENTITIES},
        {"privileges", MSP_SEC_PRIVILEGES},
        {"paths", MSP_SEC_PATHS},
        {"sets", MSP_SEC_SETS},
        {"conditions", MSP_SEC_CONDS},
        {"pairs", MSP_SEC_PAIRS},
        {"executables", MSP_SEC_EXES},
        {"processes", MSP_SEC_PROCESSES},
        {"cgroupStates", MSP_SEC_CG_STATES},
        {"cgroupEdges", MSP_SEC_CG_EDGES},
    };
    msp_cleanup(compiled_done) struct compiled image = {0};
    json_t *root;

    (void)state;
    compile_ok(rules, sizeof(rules) - 1, &image);
    root = dump_json(&image.view);
    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        json_t *table = json_object_get(root, tables[i].name);

        assert_true(json_is_array(table));
        assert_int_equal(json_array_size(table),
                         image.view.n[tables[i].section]);
        assert_true(json_array_size(table) > 0);
    }
    json_decref(root);
}

static void a_dump_that_cannot_be_written_is_an_error(void **state)
{
    msp_cleanup(compiled_done) struct compiled image = {0};
    FILE *full = fopen("/dev/full", "w");

    (void)state;
    assert_non_null(full);
    setbuf(full, NULL);
    compile_ok(rules, sizeof(rules) - 1, &image);
    assert_errno(msp_policy_dump(&image.view, MSP_DUMP_TEXT, full), EIO);
    assert_errno(msp_policy_dump(&image.view, MSP_DUMP_JSON, full), EIO);
    (void)fclose(full);
}

/* In queryParameters any key may stand, however it is spelled. */
static void one_key_has_many_spellings(void **state)
{
    static const struct {
        const char *one, *other;
        bool is_same;
    } keys[] = {
        {"aa", "a\\u0061", true},
        {"a/b", "a\\/b", true},
        {"\\u00e9", "\xc3\xa9", true},
        {"\\u212a", "\xe2\x84\xaa", true},
        {"\\ud83d\\ude00", "\xf0\x9f\x98\x80", true},
        {"\\uD83D\\uDE00", "\\ud83d\\ude00", true},
        {"\\ud83d\\ude00", "\\ud83d\\ude01", false},
        {"\\u212a", "k", false},
        {"a", "b", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
        uint8_t *bytes = NULL;
        size_t len = 0, n = 0;
        char text[1024];

        (void)snprintf(text, sizeof(text),
                       HEAD "\"imds\":{\"mode\":\"enforce\","
                            "\"defaultAccess\":\"deny\",\"id\":\"x\","
                            "\"rules\":{\"privileges\":[{\"name\":\"p\","
                            "\"path\":\"/p\",\"queryParameters\":"
                            "{\"%s\":\"1\",\"%s\":\"2\"}}],\"roles\":[],"
                            "\"identities\":[],\"roleAssignments\":[]}}}}",
                       keys[i].one, keys[i].other);
        (void)msp_policy_compile(text, strlen(text), &diags, &bytes, &len);
        free(bytes);
        for (size_t d = 0; d < diags.n; d++)
            n += diags.item[d].code == MSP_DIAG_DUPLICATE_KEY;
        assert_int_equal(n, keys[i].is_same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_members_does_not_show_in_the_image),
        cmocka_unit_test(the_document_need_not_end_in_nul),
        cmocka_unit_test(another_policy_has_another_digest),
        cmocka_unit_test(the_default_gates_wireserver_and_hostga),
        cmocka_unit_test(an_absent_endpoint_is_disabled),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(any_bytes_are_answered),
        cmocka_unit_test(every_form_gives_the_same_image),
        cmocka_unit_test(a_form_is_not_taken_for_another),
        cmocka_unit_test(compile_without_options_is_native),
        cmocka_unit_test(any_bytes_of_any_form_are_answered),
        cmocka_unit_test(one_key_has_many_spellings),
        cmocka_unit_test(words_of_options_are_known),
        cmocka_unit_test(the_json_dump_has_every_table),
        cmocka_unit_test(a_dump_that_cannot_be_written_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
