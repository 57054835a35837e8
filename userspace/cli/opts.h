/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The command line of mspctl: tables of verbs and options, one parser, and
 * the help that is printed from the same tables. No option exists outside
 * them, so help cannot lag behind.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "cli/cli.h"

/* One option. */
struct msp_opt {
    const char *name;  /* without the dashes */
    const char *value; /* NULL: a flag; else what help calls its value */
    const char *help;
    size_t offset; /* into struct msp_cli: bool of a flag, const char *, */
    bool is_list;  /* or struct msp_labels of one that may be repeated */
};

struct msp_verb {
    const char *object;   /* "policy" */
    const char *name;     /* "push"; NULL: the object is the whole verb */
    const char *operands; /* "FILE|-"; "" = none */
    const char *help;     /* one line */
    const char *detail;   /* more for --help of the verb; "" = none */
    size_t n_operands;    /* exactly as many */
    bool takes_rest;      /* what follows "--" is not looked at */
    const struct msp_opt *const *options; /* of this verb; ends in NULL */
    int (*run)(struct msp_cli *cli);
};

struct msp_verbs {
    const struct msp_verb *verb;
    size_t n;
    const struct msp_opt *const *options; /* of every verb; ends in NULL */
};

extern const struct msp_verbs msp_cli_verbs; /* verbs.c */

/*
 * Fills `cli` from the arguments; options may stand anywhere.
 * @param argv [argc], argv[0] is the program; borrowed by cli
 * @param ret_verb NULL with success means: --help or --version, no verb
 * @return 0; -EINVAL after msp_cli_fail() said what is wrong
 */
int msp_opts_parse(const struct msp_verbs *verbs, int argc, char **argv,
                   struct msp_cli *cli, const struct msp_verb **ret_verb);

/*
 * @param verb NULL = an overview
 * @param object of the overview: only its verbs; NULL = all verbs
 */
void msp_opts_help(const struct msp_verbs *verbs, const struct msp_verb *verb,
                   const char *object, FILE *out);
