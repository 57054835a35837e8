/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* mspc: flags and exit codes; the work is in the library. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/ctl.h>
#include <msp/policy.h>

#include "file.h"

struct options {
    const char *file;
    const char *output; /* NULL = none given */
    bool json;
};

static const char usage_text[] =
    "usage: mspc check FILE|- [--json]\n"
    "       mspc compile FILE|- -o OUT|- [--json]\n"
    "       mspc dump IMAGE|- [--json]\n"
    "       mspc default\n"
    "\n"
    "  check     report what is wrong with a policy document\n"
    "  compile   write its image\n"
    "  dump      print the tables of an image\n"
    "  default   print the built-in policy document\n"
    "\n"
    "  -o, --output OUT  where the image goes\n"
    "      --json        print diagnostics or tables as JSON\n"
    "  -h, --help        print this text\n"
    "      --version     print the version\n"
    "\n"
    "exit: 0 ok, 2 usage or bad input, 5 internal error\n";

static int fail(const char *path, int r)
{
    (void)fprintf(stderr, "mspc: %s: %s\n", path, strerror(-r));
    return r == -ENOMEM || r == -EIO ? MSP_EXIT_INTERNAL : MSP_EXIT_USAGE;
}

static int bad_usage(const char *text)
{
    (void)fprintf(stderr, "mspc: %s\n%s", text, usage_text);
    return MSP_EXIT_USAGE;
}

static const char *source_name(const struct options *options)
{
    return msp_streq(options->file, "-") ? "stdin" : options->file;
}

/*
 * Text goes to standard error. JSON is what was asked for, so it goes to
 * standard output, unless the image does.
 */
static int print_diags(const struct options *options,
                       const struct msp_diags *diags)
{
    bool is_taken = options->output && msp_streq(options->output, "-");

    if (options->json)
        return msp_diags_print_json(diags, source_name(options),
                                    is_taken ? stderr : stdout);
    msp_diags_print(diags, source_name(options), stderr);
    return 0;
}

/* Reads and compiles. @return exit code; the image is set only on 0 */
static int compile(const struct options *options, uint8_t **ret_image,
                   size_t *ret_len)
{
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
    msp_autofree char *text = NULL;
    size_t len;
    int r, printed;

    r = msp_file_read(options->file, MSP_DOC_BYTES_MAX, &text, &len);
    if (r < 0)
        return fail(options->file, r);
    r = msp_policy_compile(text, len, &diags, ret_image, ret_len);
    if (r == -EINVAL) {
        (void)print_diags(options, &diags);
        return MSP_EXIT_USAGE;
    }
    if (r < 0)
        return fail(options->file, r);
    printed = print_diags(options, &diags);
    return printed < 0 ? MSP_EXIT_INTERNAL : MSP_EXIT_OK;
}

static int cmd_check(const struct options *options)
{
    msp_autofree uint8_t *image = NULL;
    size_t len;

    return compile(options, &image, &len);
}

static int cmd_compile(const struct options *options)
{
    msp_autofree uint8_t *image = NULL;
    size_t len;
    int r;

    if (!options->output)
        return bad_usage("compile needs -o OUT");
    r = compile(options, &image, &len);
    if (r != MSP_EXIT_OK)
        return r;
    r = msp_file_write(options->output, image, len);
    return r < 0 ? fail(options->output, r) : MSP_EXIT_OK;
}

static int cmd_dump(const struct options *options)
{
    msp_autofree char *bytes = NULL;
    struct msp_image image;
    const char *why = NULL;
    size_t len;
    int r;

    r = msp_file_read(options->file, MSP_IMAGE_BYTES_MAX, &bytes, &len);
    if (r < 0)
        return fail(options->file, r);
    r = msp_image_open(bytes, len, &image, &why);
    if (r < 0) {
        (void)fprintf(stderr, "mspc: %s: %s\n", options->file, why);
        return MSP_EXIT_USAGE;
    }
    r = msp_policy_dump(&image, options->json ? MSP_DUMP_JSON : MSP_DUMP_TEXT,
                        stdout);
    return r < 0 ? fail("stdout", r) : MSP_EXIT_OK;
}

static int cmd_default(const struct options *options)
{
    (void)options;
    return fputs(msp_policy_default(), stdout) < 0 ? MSP_EXIT_INTERNAL
                                                   : MSP_EXIT_OK;
}

static const struct command {
    const char *name;
    bool takes_file;
    int (*run)(const struct options *options);
} commands[] = {
    {"check", true, cmd_check},
    {"compile", true, cmd_compile},
    {"dump", true, cmd_dump},
    {"default", false, cmd_default},
};

/* @return -1 to go on; an exit code */
static int parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option longs[] = {
        {"output", required_argument, NULL, 'o'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };

    for (;;) {
        int c = getopt_long(argc, argv, "o:h", longs, NULL);

        switch (c) {
        case -1:
            return -1;
        case 'o':
            ret->output = optarg;
            break;
        case 'j':
            ret->json = true;
            break;
        case 'h':
            (void)fputs(usage_text, stdout);
            return MSP_EXIT_OK;
        case 'V':
            (void)printf("mspc %s, image version %d\n", MSP_VERSION,
                         MSP_IMAGE_VERSION);
            return MSP_EXIT_OK;
        default:
            (void)fputs(usage_text, stderr);
            return MSP_EXIT_USAGE;
        }
    }
}

static int run(int argc, char **argv)
{
    struct options options = {0};
    int n, r = parse_options(argc, argv, &options);

    if (r >= 0)
        return r;
    n = argc - optind;
    if (n < 1)
        return bad_usage("no command");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!msp_streq(commands[i].name, argv[optind]))
            continue;
        if (n != (commands[i].takes_file ? 2 : 1))
            return bad_usage("wrong number of arguments");
        options.file = argv[optind + 1];
        if (options.output && commands[i].run != cmd_compile)
            return bad_usage("-o is for compile");
        return commands[i].run(&options);
    }
    return bad_usage("unknown command");
}

int main(int argc, char **argv)
{
    int code = run(argc, argv);

    /* A full disk shows only here. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fputs("mspc: cannot write standard output\n", stderr);
        return MSP_EXIT_INTERNAL;
    }
    return code;
}
