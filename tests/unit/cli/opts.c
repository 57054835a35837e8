/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
// clang-format off
#include "harness/test.h"
// clang-format on
#include "cli/opts.h"

#define ARGS_MAX 8

struct parsed {
    struct msp_cli cli;
    const struct msp_verb *verb;
    int r;
    char *said; /* on err; free() */
};

/* @param args without the program's name, ends in NULL */
static struct parsed parse(const char *const *args)
{
    struct parsed p = {.cli = {.socket = "default"}};
    char *argv[ARGS_MAX + 2] = {(char[]){"mspctl"}};
    size_t len = 0;
    int argc = 1;

    while (*args && argc <= ARGS_MAX)
        memcpy(&argv[argc++], args++, sizeof(*args)); /* never written to */
    p.cli.err = open_memstream(&p.said, &len);
    assert_non_null(p.cli.err);
    p.cli.out = p.cli.err;
    p.r = msp_opts_parse(&msp_cli_verbs, argc, argv, &p.cli, &p.verb);
    assert_ok(fclose(p.cli.err));
    return p;
}

static void accepts(void **state)
{
    static const struct {
        const char *const args[ARGS_MAX];
        const char *object, *name, *socket, *expect, *operand;
        bool is_json, is_dry_run, is_help;
    } cases[] = {
        {{"status"}, "status", NULL, "default", NULL, NULL, 0, 0, 0},
        {{"--json", "status"}, "status", NULL, "default", NULL, NULL, 1, 0, 0},
        {{"status", "--json"}, "status", NULL, "default", NULL, NULL, 1, 0, 0},
        {{"--socket", "/x", "audit"}, "audit", NULL, "/x", NULL, NULL, 0, 0, 0},
        {{"--socket=/x", "audit"}, "audit", NULL, "/x", NULL, NULL, 0, 0, 0},
        {{"policy", "push", "-"},
         "policy",
         "push",
         "default",
         NULL,
         "-",
         0,
         0,
         0},
        {{"policy", "push", "--dry-run", "--expect-digest", "none", "f"},
         "policy",
         "push",
         "default",
         "none",
         "f",
         0,
         1,
         0},
        {{"policy", "push", "--", "--dry-run"},
         "policy",
         "push",
         "default",
         NULL,
         "--dry-run",
         0,
         0,
         0},
        {{"policy", "push", "--help"},
         "policy",
         "push",
         "default",
         NULL,
         NULL,
         0,
         0,
         1},
        {{"netns", "add", "/run/netns/a"},
         "netns",
         "add",
         "default",
         NULL,
         "/run/netns/a",
         0,
         0,
         0},
        {{"-h"}, NULL, NULL, "default", NULL, NULL, 0, 0, 1},
        {{"netns", "-h"}, NULL, NULL, "default", NULL, NULL, 0, 0, 1},
        {{"policy", "--help"}, NULL, NULL, "default", NULL, NULL, 0, 0, 1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct parsed p = parse(cases[i].args);

        if (p.r != 0)
            fail_msg("case %zu: %s", i, p.said);
        free(p.said);
        assert_true(p.cli.is_json == cases[i].is_json);
        assert_true(p.cli.is_dry_run == cases[i].is_dry_run);
        assert_true(p.cli.is_help == cases[i].is_help);
        assert_string_equal(p.cli.socket, cases[i].socket);
        assert_true(!p.verb == !cases[i].object);
        if (!p.verb)
            continue;
        assert_string_equal(p.verb->object, cases[i].object);
        assert_true(!p.verb->name == !cases[i].name);
        if (cases[i].name)
            assert_string_equal(p.verb->name, cases[i].name);
        assert_true(!p.cli.expect_digest == !cases[i].expect);
        if (cases[i].expect)
            assert_string_equal(p.cli.expect_digest, cases[i].expect);
        assert_true(!p.cli.operand[0] == !cases[i].operand);
        if (cases[i].operand)
            assert_string_equal(p.cli.operand[0], cases[i].operand);
    }
}

static void refuses(void **state)
{
    static const struct {
        const char *const args[ARGS_MAX];
        const char *says;
    } cases[] = {
        {{NULL}, "no command given"},
        {{"frobnicate"}, "\"frobnicate\": no such command"},
        {{"policy"}, "which of its verbs?"},
        {{"policy", "eat"}, "\"eat\": no such verb of policy"},
        {{"policy", "push"}, "policy push takes FILE|-, not 0 operands"},
        {{"policy", "push", "a", "b"},
         "policy push takes FILE|-, not 2 operands"},
        {{"policy", "push", "a", "b", "c"}, "one argument too many"},
        {{"status", "now"}, "status takes no operand, not 1 operand"},
        {{"status", "--frob"}, "\"--frob\": no such option"},
        {{"status", "-x"}, "\"-x\": no such option"},
        {{"status", "--dry-run"}, "not an option of status"},
        {{"policy", "check", "--expect-digest=x", "f"},
         "not an option of policy check"},
        {{"status", "--json=yes"}, "takes no value"},
        {{"status", "--socket"}, "needs a value"},
        {{"sta\x1b[2Jtus"}, "\"sta\\x1b[2Jtus\": no such command"},
        {{"policy", "e\x1b[2J"}, "\"e\\x1b[2J\": no such verb of policy"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct parsed p = parse(cases[i].args);

        if (p.r != -EINVAL || !strstr(p.said, cases[i].says))
            fail_msg("case %zu: %d %s", i, p.r, p.said);
        assert_null(strchr(p.said, '\x1b'));
        free(p.said);
    }
}

static void what_follows_two_dashes_is_the_runtimes(void **state)
{
    static const char *const args[] = {"oci-runtime", "--runtime", "/x",
                                       "--",          "--json",    "--",
                                       "--help",      "-b",        NULL};
    static const char *const other[] = {"status", "--", "--json", NULL};
    struct parsed p = parse(args);

    (void)state;
    assert_ok(p.r);
    assert_false(p.cli.is_json);
    assert_false(p.cli.is_help);
    assert_int_equal(p.cli.n_rest, 4);
    assert_string_equal(p.cli.rest[0], "--json");
    assert_string_equal(p.cli.rest[1], "--");
    assert_string_equal(p.cli.rest[3], "-b");
    assert_null(p.cli.rest[4]);
    free(p.said);
    p = parse(other);
    assert_errno(p.r, EINVAL); /* not of other verbs */
    free(p.said);
}

static void a_list_option_keeps_all_its_values(void **state)
{
    static const char *const args[] = {"container",  "add",  "--label", "a=1",
                                       "--label=b=", "--id", "x",       NULL};
    struct parsed p = parse(args);

    (void)state;
    assert_ok(p.r);
    assert_int_equal(p.cli.container.label.n, 2);
    assert_string_equal(p.cli.container.label.label[0], "a=1");
    assert_string_equal(p.cli.container.label.label[1], "b=");
    assert_string_equal(p.cli.container.id, "x");
    free(p.said);
}

static void an_error_is_an_object_wherever_json_stands(void **state)
{
    static const struct {
        const char *const args[ARGS_MAX];
        bool is_json;
    } cases[] = {
        {{"frob", "--json"}, true},
        {{"--frob", "--json"}, true},
        {{"--json", "policy"}, true},
        {{"status", "a", "b", "c", "d", "--json"}, true},
        {{"--json=yes"}, false},
        {{"--socket", "--json", "frob"}, false},
        {{"frob", "--", "--json"}, false},
    };

    static const char begin[] = "{\"schema\":1,\"result\":\"usage\",";

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct parsed p = parse(cases[i].args);
        bool is_object = strncmp(p.said, begin, strlen(begin)) == 0 &&
                         strstr(p.said, "\"error\":\"") != NULL;

        if (p.r != -EINVAL || is_object != cases[i].is_json)
            fail_msg("case %zu: %d %s", i, p.r, p.said);
        free(p.said);
    }
}

static void help_of_an_object_lists_its_verbs(void **state)
{
    static const char *const args[] = {"policy", "--help", NULL};
    msp_autofree char *text = NULL;
    struct parsed p = parse(args);
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    free(p.said);
    assert_non_null(out);
    msp_opts_help(&msp_cli_verbs, p.verb, p.cli.help_object, out);
    assert_ok(fclose(out));
    for (size_t i = 0; i < msp_cli_verbs.n; i++) {
        const struct msp_verb *verb = &msp_cli_verbs.verb[i];

        assert_true(!strstr(text, verb->help) ==
                    (strcmp(verb->object, "policy") != 0));
    }
}

static char *help_of(const struct msp_verb *verb)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    msp_opts_help(&msp_cli_verbs, verb, NULL, out);
    assert_ok(fclose(out));
    return text;
}

static void help_names_every_verb_and_option(void **state)
{
    msp_autofree char *overview = help_of(NULL);

    (void)state;
    for (size_t i = 0; i < msp_cli_verbs.n; i++) {
        const struct msp_verb *verb = &msp_cli_verbs.verb[i];
        msp_autofree char *help = help_of(verb);

        assert_non_null(strstr(overview, verb->help));
        assert_non_null(strstr(help, verb->help));
        assert_non_null(strstr(help, verb->operands));
        for (size_t k = 0; verb->options[k]; k++)
            assert_non_null(strstr(help, verb->options[k]->name));
        for (size_t k = 0; msp_cli_verbs.options[k]; k++)
            assert_non_null(strstr(help, msp_cli_verbs.options[k]->name));
    }
}

static void help_fits_eighty_columns(void **state)
{
    (void)state;
    for (size_t i = 0; i <= msp_cli_verbs.n; i++) {
        msp_autofree char *help =
            help_of(i < msp_cli_verbs.n ? &msp_cli_verbs.verb[i] : NULL);

        for (const char *line = help; *line;) {
            size_t n = strcspn(line, "\n");

            if (n > 80)
                fail_msg("%zu columns: %s", n, line);
            line += n + (line[n] ? 1 : 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),
        cmocka_unit_test(refuses),
        cmocka_unit_test(what_follows_two_dashes_is_the_runtimes),
        cmocka_unit_test(a_list_option_keeps_all_its_values),
        cmocka_unit_test(an_error_is_an_object_wherever_json_stands),
        cmocka_unit_test(help_of_an_object_lists_its_verbs),
        cmocka_unit_test(help_names_every_verb_and_option),
        cmocka_unit_test(help_fits_eighty_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
