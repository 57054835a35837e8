/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
// clang-format off
#include "harness/test.h"
// clang-format on
#include "cli/out.h"

#include "base/escape.h"

static const char *const two_columns[] = {"verdict", "count", "absent", NULL};
static const struct msp_out_view some = {
    .list = "audit", .columns = two_columns, .empty = "nothing yet"};
static const struct msp_out_view all = {.list = "audit", .empty = "none"};

static const char *const two_arrays[] = {"label", "p.label", NULL};
static const struct msp_out_view arrays = {.list = "audit",
                                           .arrays = two_arrays};

static const char *const hidden_lists[] = {"caps", NULL};
static const struct msp_out_view quiet = {
    .hidden = hidden_lists, .nonzero = "stats", .used = "lsm"};

enum how {
    TEXT,
    JSON
};

/* @return what was printed, free(); *ret_r of the call */
static char *render(enum how how, const char *payload,
                    const struct msp_out_view *view,
                    const struct msp_json_extra *extra, int *ret_r)
{
    msp_autofree char *copy = strdup(payload);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    assert_non_null(copy);
    *ret_r = how == TEXT
                 ? msp_out_text(copy, strlen(copy), view, out)
                 : msp_out_json(copy, strlen(copy), "ok", view, extra, out);
    assert_ok(fclose(out));
    return text;
}

static const struct {
    const char *claim;
    enum how how;
    const struct msp_out_view *view;
    const char *payload;
    const char *expected;
} cases[] = {
    {"an empty payload is an empty object", JSON, NULL, "",
     "{\"schema\":1,\"result\":\"ok\"}\n"},
    {"the record gives the type", JSON, NULL,
     "sa=1\nub=18446744073709551615\n"
     "bc=true\nbd=false\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"a\":\"1\",\"b\":18446744073709551615,"
     "\"c\":true,\"d\":false}\n"},
    {"dotted names nest, also apart", JSON, NULL,
     "sp.state=up\nux=1\nup.pid=7\nup.q.r=8\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"p\":{\"state\":\"up\",\"pid\":7,"
     "\"q\":{\"r\":8}},\"x\":1}\n"},
    {"names that begin alike do not nest", JSON, NULL,
     "ua=1\nuab=2\nuab.=3\n\n", NULL},
    {"lines that end in CR LF are one", TEXT, NULL,
     "se=a - b\\r\\nc\\x1b - d\\r\\n\nsf=g\\r\\n\nsh=i\\rj\n\n",
     "e  a - b; c\\x1b - d\nf  g\nh  i\\x0dj\n"},
    {"JSON keeps the CR LF", JSON, NULL, "se=a - b\\r\\n\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"e\":\"a - b\\u000d\\u000a\"}\n"},
    {"a longer name is another member", JSON, NULL, "ua=1\nuab=2\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"a\":1,\"ab\":2}\n"},
    {"texts of one name in an item are an array", JSON, NULL,
     "\ns_item=c\nsx=1\nslabel=a=1\nslabels=z\nslabel=b=2\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"c\":[{\"x\":\"1\",\"label\":["
     "\"a=1\",\"b=2\"],\"labels\":\"z\"}]}\n"},
    {"an array of the view is one also if alone", JSON, &arrays,
     "\ns_item=audit\nslabel=a\nsp.label=b\nsp.n=c\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"audit\":[{\"label\":[\"a\"],"
     "\"p\":{\"label\":[\"b\"],\"n\":\"c\"}}]}\n"},
    {"so are those of the first record", JSON, NULL,
     "sx=1\nslabel=a=1\nsp.label=c\nslabel=b=2\nsp.label=d\nslabel=e\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"x\":\"1\",\"label\":[\"a=1\","
     "\"b=2\",\"e\"],\"p\":{\"label\":[\"c\",\"d\"]}}\n"},
    {"which people see one by one", TEXT, NULL,
     "sx=1\nslabel=a=1\nslabel=b=2\n\n", "x      1\nlabel  a=1\nlabel  b=2\n"},
    {"an array of the view in the first record", JSON, &arrays,
     "slabel=a\nsother=b\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"label\":[\"a\"],\"other\":\"b\","
     "\"audit\":[]}\n"},
    {"a text of ours is no array", JSON, NULL, "sresult=a\n\n", NULL},
    {"nor if it is said twice", JSON, NULL, "sresult=a\nsresult=b\n\n", NULL},
    {"a number of one name twice in an item", JSON, NULL,
     "\ns_item=c\nux=1\nux=2\n\n", NULL},
    {"list items are one array", JSON, NULL,
     "un=2\n\ns_item=audit\nua.b=1\n\ns_item=audit\nua.b=2\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"n\":2,\"audit\":[{\"a\":{\"b\":1}},"
     "{\"a\":{\"b\":2}}]}\n"},
    {"a list without items is an empty array", JSON, &all, "un=0\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"n\":0,\"audit\":[]}\n"},
    {"strings are escaped", JSON, NULL,
     "sa=\"\\\\\\n\\x1b[2J\x7f\xff\xc3\xa9\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"a\":\"\\\"\\\\\\u000a\\u001b[2J\\u007f"
     "\\ufffd\xc3\xa9\"}\n"},
    {"fields are aligned", TEXT, NULL, "sname=x\nulonger.name=7\n\n",
     "name         x\nlonger.name  7\n"},
    {"control bytes never reach the terminal", TEXT, NULL,
     "sa=\\x1b[2J\\n\x7f\xc2\x9b\xe2\x80\xae\xff\n\n",
     "a  \\x1b[2J\\x0a\\x7f\\xc2\\x9b\\xe2\\x80\\xae\\xff\n"},
    {"a table shows all columns, numbers to the right", TEXT, &all,
     "un=2\n\ns_item=audit\nsv=a\nuc=10\n\ns_item=audit\nsv=long\nuc=9\n\n",
     "n  2\n\naudit:\nV      C\na     10\nlong   9\n"},
    {"a view chooses and orders the columns", TEXT, &some,
     "\ns_item=audit\nucount=3\nsother=x\nsverdict=deny\n\n",
     "audit:\nVERDICT  COUNT\ndeny         3\n"},
    {"a view that fits no column hides none", TEXT, &some,
     "\ns_item=audit\nsnew=x\n\n", "audit:\nNEW\nx\n"},
    {"an empty cell is a dash", TEXT, &all,
     "\ns_item=audit\nsa=\nsb=x\n\ns_item=audit\nsb=y\n\n",
     "audit:\nA  B\n-  x\n-  y\n"},
    {"people see no list that is hidden", TEXT, &quiet,
     "un=1\n\ns_item=caps\nsa=x\n\n", "n  1\n"},
    {"no counter of zero", TEXT, &quiet,
     "\ns_item=stats\nuvalue=0\n\ns_item=stats\nuvalue=10\n\n"
     "s_item=other\nuvalue=0\n\n",
     "stats:\nVALUE\n   10\n\nother:\nVALUE\n    0\n"},
    {"nothing that is off", TEXT, &quiet,
     "\ns_item=lsm\nsstate=off\n\ns_item=lsm\nsstate=kept\n\n"
     "s_item=other\nsstate=off\n\n",
     "lsm:\nSTATE\nkept\n\nother:\nSTATE\noff\n"},
    {"JSON has what people do not see", JSON, &quiet,
     "un=1\n\ns_item=caps\nsa=x\n\ns_item=lsm\nsstate=off\n\n",
     "{\"schema\":1,\"result\":\"ok\",\"n\":1,\"caps\":[{\"a\":\"x\"}],"
     "\"lsm\":[{\"state\":\"off\"}]}\n"},
    {"no item: says so", TEXT, &some, "\n", "nothing yet\n"},
    {"no blank line at the end", JSON, NULL, "sa=b\n", NULL},
    {"no end of line", JSON, NULL, "sa=b", NULL},
    {"unknown type", JSON, NULL, "xa=b\n\n", NULL},
    {"number that is none", JSON, NULL, "ua=1x\n\n", NULL},
    {"number JSON does not know", JSON, NULL, "ua=01\n\n", NULL},
    {"empty number", TEXT, NULL, "ua=\n\n", NULL},
    {"truth that is none", JSON, NULL, "ba=yes\n\n", NULL},
    {"one name twice", JSON, NULL, "ua=1\nua=2\n\n", NULL},
    {"a value and an object of one name", JSON, NULL, "ua=1\nua.b=2\n\n", NULL},
    {"an object and a value of one name", TEXT, NULL, "ua.b=1\nua=2\n\n", NULL},
    {"a member of ours", JSON, NULL, "uschema=2\n\n", NULL},
    {"empty segment", JSON, NULL, "ua..b=2\n\n", NULL},
    {"two lists are two tables", TEXT, NULL,
     "\ns_item=p\nua=1\n\ns_item=q\nub=2\n\ns_item=p\nua=3\n\n",
     "p:\nA\n1\n3\n\nq:\nB\n2\n"},
    {"an item whose list is not named as the contract says", TEXT, NULL,
     "\nsitem=p\nua=1\n\n", NULL},
    {"an item of no list", JSON, NULL, "un=1\n\nua=2\n\n", NULL},
    {"a list whose name is no name", JSON, NULL, "un=1\n\ns_item=a\xff\n\n",
     NULL},
    {"a list of capitals", JSON, NULL, "un=1\n\ns_item=A\n\n", NULL},
    {"an item of nothing at all", JSON, NULL, "un=1\n\n\n", NULL},
    {"the same as text", TEXT, NULL, "un=1\n\n\n", NULL},
};

static void renders_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_autofree char *text = NULL;
        int r;

        text = render(cases[i].how, cases[i].payload, cases[i].view, NULL, &r);
        if (r != (cases[i].expected ? 0 : -EBADMSG))
            fail_msg("%s: %d", cases[i].claim, r);
        if (cases[i].expected && strcmp(text, cases[i].expected) != 0)
            fail_msg("%s: %s", cases[i].claim, text);
        if (!cases[i].expected && text && text[0])
            fail_msg("%s printed: %s", cases[i].claim, text);
    }
}

static void extra_json_is_one_more_member(void **state)
{
    const struct msp_json_extra extra = {"policy", "{\"a\":[]}"};
    msp_autofree char *text = NULL;
    int r;

    (void)state;
    text = render(JSON, "ug=1\n\n", NULL, &extra, &r);
    assert_ok(r);
    assert_string_equal(text, "{\"schema\":1,\"result\":\"ok\",\"g\":1,"
                              "\"policy\":{\"a\":[]}}\n");
}

static void a_full_disk_is_an_error(void **state)
{
    char payload[] = "sa=b\n\n", again[] = "sa=b\n\n";
    FILE *full = fopen("/dev/full", "we");

    (void)state;
    assert_non_null(full);
    setbuf(full, NULL);
    assert_errno(msp_out_text(payload, strlen(payload), NULL, full), EIO);
    assert_errno(msp_out_json(again, strlen(again), "ok", NULL, NULL, full),
                 EIO);
    (void)fclose(full);
}

static void width_counts_characters(void **state)
{
    static const struct {
        const char *text;
        size_t width;
    } widths[] = {
        {"", 0},
        {"abc", 3},
        {"\xc3\xa9t\xc3\xa9", 3},
        {"\xf0\x9f\x99\x82", 1},
        {"\xc0\xaf", 8},          /* overlong */
        {"\xed\xa0\x80", 12},     /* surrogate */
        {"\xf4\x90\x80\x80", 16}, /* beyond U+10FFFF */
        {"\xe2\x82", 8},          /* cut */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(widths); i++)
        if (msp_escape_text(widths[i].text, NULL) != widths[i].width)
            fail_msg("%zu: %zu", i, msp_escape_text(widths[i].text, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renders_records),
        cmocka_unit_test(extra_json_is_one_more_member),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(width_counts_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
