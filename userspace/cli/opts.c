/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "cli/opts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

#define WORDS_MAX (2 + MSP_CLI_OPERANDS_MAX)

/* The words of the command line that are not options. */
struct words {
    const char *word[WORDS_MAX];
    size_t n;
    char *const *rest; /* [n_rest] behind "--" of a verb that takes it */
    size_t n_rest;
};

/* An option found, kept until the verb is known. */
struct found {
    const char *name;  /* borrowed from argv, after the dashes */
    size_t len;        /* of the name */
    const char *value; /* NULL = no "=value" */
};

__attribute__((format(printf, 3, 4))) static int
usage(struct msp_cli *cli, const char *about, const char *format, ...)
{
    msp_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    (void)msp_cli_fail(cli, MSP_CLI_USAGE, "%s%s%s%s", about ? "\"" : "",
                       about ? about : "", about ? "\": " : "",
                       text ? text : "out of memory");
    if (!cli->is_json)
        (void)fputs("Try: mspctl --help\n", cli->err);
    return -EINVAL;
}

static const struct msp_opt *find(const struct msp_opt *const *options,
                                  const struct found *found)
{
    for (; options && *options; options++)
        if (strlen((*options)->name) == found->len &&
            strncmp((*options)->name, found->name, found->len) == 0)
            return *options;
    return NULL;
}

/* Of any verb: whether an argument takes a value must be known at once. */
static const struct msp_opt *find_any(const struct msp_verbs *verbs,
                                      const struct found *found)
{
    const struct msp_opt *opt = find(verbs->options, found);

    for (size_t i = 0; !opt && i < verbs->n; i++)
        opt = find(verbs->verb[i].options, found);
    return opt;
}

static int set_value(struct msp_cli *cli, const struct msp_opt *opt,
                     const char *arg, const char *value)
{
    char *field = (char *)cli + opt->offset;
    struct msp_labels *list = (struct msp_labels *)(void *)field;

    if (!opt->is_list) {
        *(const char **)(void *)field = value;
        return 0;
    }
    if (list->n == ARRAY_SIZE(list->label))
        return usage(cli, arg, "given too often");
    list->label[list->n++] = value;
    return 0;
}

/* @return arguments taken; -EINVAL */
static int take_option(const struct msp_verbs *verbs, int argc, char **argv,
                       int at, struct msp_cli *cli)
{
    struct found found = {.name = argv[at] + 2};
    const struct msp_opt *opt;
    bool is_next;
    int r;

    if (msp_streq(argv[at], "-h"))
        found.name = "help";
    found.len = strcspn(found.name, "=");
    if (found.name[found.len] == '=')
        found.value = found.name + found.len + 1;
    opt = find_any(verbs, &found);
    if (!opt)
        return usage(cli, argv[at], "no such option");
    if (!opt->value) {
        if (found.value)
            return usage(cli, argv[at], "takes no value");
        *(bool *)(void *)((char *)cli + opt->offset) = true;
        return 1;
    }
    is_next = !found.value;
    if (is_next && at + 1 >= argc)
        return usage(cli, argv[at], "needs a value");
    r = set_value(cli, opt, argv[at], is_next ? argv[at + 1] : found.value);
    return r < 0 ? r : 1 + is_next;
}

static bool takes_rest(const struct msp_verbs *verbs, const struct words *words)
{
    for (size_t i = 0; words->n == 1 && i < verbs->n; i++)
        if (msp_streq(verbs->verb[i].object, words->word[0]))
            return verbs->verb[i].takes_rest;
    return false;
}

static int take_words(const struct msp_verbs *verbs, int argc, char **argv,
                      struct msp_cli *cli, struct words *words)
{
    bool is_end = false;

    for (int i = 1; i < argc;) {
        const char *arg = argv[i];

        if (!is_end && msp_streq(arg, "--")) {
            is_end = true;
            i++;
            if (takes_rest(verbs, words)) {
                words->rest = argv + i;
                words->n_rest = (size_t)(argc - i);
                return 0;
            }
        } else if (!is_end && arg[0] == '-' && arg[1]) {
            int n = strncmp(arg, "--", 2) == 0 || msp_streq(arg, "-h")
                        ? take_option(verbs, argc, argv, i, cli)
                        : usage(cli, arg, "no such option");

            if (n < 0)
                return n;
            i += n;
        } else {
            if (words->n == WORDS_MAX)
                return usage(cli, arg, "one argument too many");
            words->word[words->n++] = arg;
            i++;
        }
    }
    return 0;
}

/* @return NULL after saying why */
static const struct msp_verb *find_verb(const struct msp_verbs *verbs,
                                        const struct words *words,
                                        struct msp_cli *cli)
{
    bool is_object = false;

    for (size_t i = 0; i < verbs->n; i++) {
        const struct msp_verb *verb = &verbs->verb[i];

        if (!msp_streq(verb->object, words->word[0]))
            continue;
        is_object = true;
        if (!verb->name ||
            (words->n > 1 && msp_streq(verb->name, words->word[1])))
            return verb;
    }
    if (!is_object)
        (void)usage(cli, words->word[0], "no such command");
    else if (words->n < 2)
        (void)usage(cli, words->word[0], "which of its verbs?");
    else
        (void)usage(cli, words->word[1], "no such verb of %s", words->word[0]);
    return NULL;
}

/* An option of another verb was accepted while reading; refuse it now. */
static int check_options(const struct msp_verbs *verbs,
                         const struct msp_verb *verb, int argc, char **argv,
                         struct msp_cli *cli)
{
    for (int i = 1; i < argc && !msp_streq(argv[i], "--"); i++) {
        struct found found = {.name = argv[i] + 2};
        const struct msp_opt *opt;

        if (strncmp(argv[i], "--", 2) != 0)
            continue;
        found.len = strcspn(found.name, "=");
        opt = find_any(verbs, &found);
        if (!find(verbs->options, &found) && !find(verb->options, &found))
            return usage(cli, argv[i], "not an option of %s%s%s", verb->object,
                         verb->name ? " " : "", verb->name ? verb->name : "");
        if (opt && opt->value && found.name[found.len] != '=')
            i++;
    }
    return 0;
}

/* Whether --json is given: known before the first error is said. */
static bool wants_json(const struct msp_verbs *verbs, int argc, char **argv)
{
    for (int i = 1; i < argc && !msp_streq(argv[i], "--"); i++) {
        struct found found = {.name = argv[i] + 2};
        const struct msp_opt *opt;

        if (strncmp(argv[i], "--", 2) != 0)
            continue;
        if (msp_streq(found.name, "json"))
            return true;
        found.len = strcspn(found.name, "=");
        opt = find_any(verbs, &found);
        if (opt && opt->value && found.name[found.len] != '=')
            i++;
    }
    return false;
}

static bool is_object(const struct msp_verbs *verbs, const char *word)
{
    for (size_t i = 0; i < verbs->n; i++)
        if (verbs->verb[i].name && msp_streq(verbs->verb[i].object, word))
            return true;
    return false;
}

static int wrong_operands(struct msp_cli *cli, const struct msp_verb *verb)
{
    return usage(cli, NULL, "%s%s%s takes %s, not %zu operand%s", verb->object,
                 verb->name ? " " : "", verb->name ? verb->name : "",
                 verb->operands[0] ? verb->operands : "no operand",
                 cli->n_operands, cli->n_operands == 1 ? "" : "s");
}

int msp_opts_parse(const struct msp_verbs *verbs, int argc, char **argv,
                   struct msp_cli *cli, const struct msp_verb **ret_verb)
{
    const struct msp_verb *verb;
    struct words words = {.n = 0};
    size_t skip;
    int r;

    cli->is_json = wants_json(verbs, argc, argv);
    r = take_words(verbs, argc, argv, cli, &words);
    cli->object = words.n ? words.word[0] : NULL;
    if (r < 0)
        return r;
    if (words.n == 0) {
        *ret_verb = NULL;
        return cli->is_help || cli->is_version
                   ? 0
                   : usage(cli, NULL, "no command given");
    }
    if (words.n == 1 && cli->is_help && is_object(verbs, words.word[0])) {
        cli->help_object = words.word[0];
        *ret_verb = NULL;
        return 0;
    }
    verb = find_verb(verbs, &words, cli);
    if (!verb)
        return -EINVAL;
    r = check_options(verbs, verb, argc, argv, cli);
    if (r < 0)
        return r;
    skip = verb->name ? 2 : 1;
    cli->n_operands = words.n - skip;
    if (!cli->is_help && cli->n_operands != verb->n_operands)
        return wrong_operands(cli, verb);
    cli->rest = words.rest;
    cli->n_rest = words.n_rest;
    for (size_t i = 0; i < cli->n_operands && i < MSP_CLI_OPERANDS_MAX; i++)
        cli->operand[i] = words.word[skip + i];
    *ret_verb = verb;
    return 0;
}

static int print_name(const struct msp_verb *verb, FILE *out)
{
    return fprintf(out, "%s%s%s%s%s", verb->object, verb->name ? " " : "",
                   verb->name ? verb->name : "", verb->operands[0] ? " " : "",
                   verb->operands);
}

static void print_options(const struct msp_opt *const *options, FILE *out)
{
    for (; options && *options; options++) {
        int n = fprintf(out, "  --%s%s%s", (*options)->name,
                        (*options)->value ? " " : "",
                        (*options)->value ? (*options)->value : "");

        (void)fprintf(out, "%*s%s\n", n < 26 ? 26 - n : 1, "",
                      (*options)->help);
    }
}

static void print_overview(const struct msp_verbs *verbs, const char *object,
                           FILE *out)
{
    (void)fprintf(out, "Usage: mspctl [OPTION]... %s%s\n\nCommands:\n",
                  object ? object : "COMMAND", object ? " VERB" : "");
    for (size_t i = 0; i < verbs->n; i++) {
        int n = 2;

        if (object && !msp_streq(verbs->verb[i].object, object))
            continue;
        (void)fputs("  ", out);
        n += print_name(&verbs->verb[i], out);
        (void)fprintf(out, "%*s%s\n", n < 26 ? 26 - n : 1, "",
                      verbs->verb[i].help);
    }
}

void msp_opts_help(const struct msp_verbs *verbs, const struct msp_verb *verb,
                   const char *object, FILE *out)
{
    if (verb) {
        (void)fputs("Usage: mspctl [OPTION]... ", out);
        (void)print_name(verb, out);
        (void)fprintf(out, "\n\n%s.\n", verb->help);
        if (verb->detail[0])
            (void)fprintf(out, "\n%s\n", verb->detail);
    } else {
        print_overview(verbs, object, out);
    }
    (void)fputs("\nOptions:\n", out);
    if (verb)
        print_options(verb->options, out);
    print_options(verbs->options, out);
    (void)fputs("\nExit codes: 0 ok, 1 refused, 2 usage or bad input, "
                "3 mspd does not answer,\n4 degraded, 5 internal error.\n",
                out);
}
