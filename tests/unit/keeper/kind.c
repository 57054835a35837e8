/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/kind.h"

#include "harness/test.h"

#define ERROR(code) \
    "<?xml version=\"1.0\"?>\r\n<Error><Code>" code "</Code></Error>"

/* ASCII as UTF-16, with or without its mark. @return [*ret_len], free() */
static char *widen(const char *text, bool is_little, bool has_mark,
                   size_t *ret_len)
{
    size_t n = strlen(text), at = 0;
    char *wide = calloc(n + 1, 2);

    assert_non_null(wide);
    if (has_mark) {
        wide[at++] = is_little ? '\xff' : '\xfe';
        wide[at++] = is_little ? '\xfe' : '\xff';
    }
    for (size_t i = 0; i < n; i++, at += 2)
        wide[at + !is_little] = text[i];
    *ret_len = at;
    return wide;
}

static void check(const char *text, size_t len, const char *kind,
                  const char *error)
{
    char got[MSP_KIND_BYTES];
    const char *is = msp_kind_of(text, len);

    if (!is != !kind || (kind && strcmp(is, kind) != 0))
        fail_msg("\"%.*s\": %s", (int)len, text, is ? is : "(JSON)");
    msp_kind_of_error(text, len, got);
    assert_string_equal(got, error);
}

static void what_is_not_json_is_named(void **state)
{
    static const struct {
        const char *text;
        const char *kind;  /* NULL: it may be JSON */
        const char *error; /* of an answer that is one */
    } rows[] = {
        {"{}", NULL, ""},
        {" \n{", NULL, ""},
        {"Gone", NULL, ""},
        {"\x01\x02", NULL, ""},
        {"", "empty", ""},
        {" \r\n", "empty", ""},
        {"\xef\xbb\xbf{}", "text with a byte order mark",
         "text with a byte order mark"},
        {"\xef\xbb\xbf<a/>", "XML", "XML"},
        {"<a/>", "XML", "XML"},
        {"\n <html>", "XML", "XML"},
        {ERROR("ResourceNotAvailable"), "XML", "XML: ResourceNotAvailable"},
        {ERROR(""), "XML", "XML"},
        {ERROR("two words"), "XML", "XML"},
        {ERROR("a\x1b[1m"), "XML", "XML"},
        {"<Code>cut", "XML", "XML"},
        {"<Code>", "XML", "XML"},
        /* longer than a code is */
        {ERROR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
               "aaaaaaaaaa"),
         "XML", "XML"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check(rows[i].text, strlen(rows[i].text), rows[i].kind, rows[i].error);
}

static void utf_16_is_known_either_way_round(void **state)
{
    (void)state;
    for (unsigned int i = 0; i < 4; i++) {
        size_t len;
        char *text = widen(ERROR("Gone"), i & 1, i & 2, &len);

        check(text, len, "XML in UTF-16", "XML in UTF-16: Gone");
        free(text);
        text = widen("{}", i & 1, i & 2, &len);
        check(text, len, "text in UTF-16", "text in UTF-16");
        free(text);
    }
    check("\xff\xfe", 2, "text in UTF-16", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_json_is_named),
        cmocka_unit_test(utf_16_is_known_either_way_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
