/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/privs.h"

#include <fcntl.h>

#include "base/io.h"
#include "harness/test.h"

static const char *unit_path;

/* The value of CapabilityBoundingSet=, blanks at both ends. */
static char *read_set(void)
{
    static const char key[] = "\nCapabilityBoundingSet=";
    msp_autoclose int fd = open(unit_path, O_RDONLY | O_CLOEXEC);
    msp_autofree char *text = NULL;
    char *at, *set = NULL;
    size_t len;

    assert_true(fd >= 0);
    assert_ok(msp_io_slurp(fd, 65536, &text, &len));
    at = strstr(text, key);
    assert_non_null(at);
    at += strlen(key);
    at[strcspn(at, "\n")] = '\0';
    assert_true(asprintf(&set, " %s ", at) > 0);
    return set;
}

static bool has(const char *set, const char *name)
{
    char word[64];

    (void)snprintf(word, sizeof(word), " %s ", name);
    return strstr(set, word) != NULL;
}

static void unit_bounds_exactly_what_the_table_lists(void **state)
{
    msp_autofree char *set = read_set();
    size_t n, n_words = 0;
    const struct msp_priv *privs = msp_privs(&n);

    (void)state;
    for (size_t i = 0; i < n; i++)
        if (!has(set, privs[i].name))
            fail_msg("the unit lacks %s", privs[i].name);
    for (const char *p = set; (p = strstr(p, "CAP_")); p++)
        n_words++;
    assert_int_equal(n_words, n);
}

static void no_capability_is_listed_twice(void **state)
{
    size_t n;
    const struct msp_priv *privs = msp_privs(&n);

    (void)state;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(privs[i].cap, privs[j].cap);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unit_bounds_exactly_what_the_table_lists),
        cmocka_unit_test(no_capability_is_listed_twice),
    };

    if (argc != 2)
        return 2;
    unit_path = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
