/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/lookup.h"

#include "harness/test.h"

static struct msp_child_names query;

static void ask(bool is_group, const char *name)
{
    memset(&query, 0, sizeof(query));
    query.n = 1;
    query.name[0].is_group = is_group;
    (void)snprintf(query.name[0].name, sizeof(query.name[0].name), "%s", name);
    query.name[0].is_found = 7;
    query.name[0].id = 7;
}

static void finds_root_as_user_and_as_group(void **state)
{
    (void)state;
    for (int is_group = 0; is_group < 2; is_group++) {
        ask(is_group, "root");
        assert_ok(msp_lookup_names(&query));
        assert_int_equal(query.name[0].is_found, 1);
        assert_int_equal(query.name[0].id, 0);
    }
}

static void unknown_name_is_an_answer_not_an_error(void **state)
{
    (void)state;
    for (int is_group = 0; is_group < 2; is_group++) {
        ask(is_group, "msp-there-is-no-such-name");
        assert_ok(msp_lookup_names(&query));
        assert_int_equal(query.name[0].is_found, 0);
    }
}

static void refuses_malformed_queries(void **state)
{
    (void)state;
    ask(false, "root");
    query.n = MSP_CHILD_NAMES_MAX + 1;
    assert_errno(msp_lookup_names(&query), EBADMSG);
    ask(false, "root");
    memset(query.name[0].name, 'x', sizeof(query.name[0].name));
    assert_errno(msp_lookup_names(&query), EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_root_as_user_and_as_group),
        cmocka_unit_test(unknown_name_is_an_answer_not_an_error),
        cmocka_unit_test(refuses_malformed_queries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
