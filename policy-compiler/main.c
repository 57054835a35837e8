/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* mspc: flags and exit codes; the work is in the library. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/ctl.h>

#include "file.h"
#include "mspc.h"

/* Options without a short form; the letters are names, not keys. */
enum long_option {
    OPTION_JSON = 256,
    OPTION_VERSION,
    OPTION_FORM,
    OPTION_ENDPOINT,
    OPTION_MODE,
};

static const char usage_text[] =
    "usage: mspc check FILE|- [FORM OPTION]... [--json]\n"
    "       mspc compile FILE|- -o OUT|- [FORM OPTION]... [--json]\n"
    "       mspc dump IMAGE|- [--json]\n"
    "       mspc explain IMAGE|FILE|- --endpoint NAME --target TARGET\n"
    "            [CALLER OPTION]... [FORM OPTION]... [--json]\n"
    "       mspc default\n"
    "\n"
    "  check     report what is wrong with a policy document\n"
    "  compile   write its image\n"
    "  dump      print the tables of an image\n"
    "  explain   say what a caller's request would get, and why\n"
    "  default   print the built-in policy document\n"
    "\n"
    "  -o, --output OUT  where the image goes\n"
    "      --json        print diagnostics or tables as JSON\n"
    "  -h, --help        print this text\n"
    "      --version     print the version\n"
    "\n"
    "Form options: what the document is, where its members do not show it\n"
    "      --form native|status|local|arm\n"
    "      --endpoint imds|wireserver    whose rules: local, arm\n"
    "      --mode disabled|audit|enforce of a local rule file (enforce)\n"
    "\n"
    "Caller options: who asks; what is not given matches no identity\n"
    "      --method M    GET, unless given\n"
    "      --uid N       effective user\n"
    "      --gid N       effective group\n"
    "      --group N|NAME    another group, or the name of any; repeatable\n"
    "      --user NAME   name of the user on its host\n"
    "      --exe PATH    file it runs\n"
    "      --sha256 HEX  of the contents of that file\n"
    "      --process NAME    base name of that file\n"
    "      --cgroup PATH     its cgroup, from the root of cgroup v2\n"
    "      --unit UNIT       instead: in the cgroup of this unit of systemd\n"
    "      --root        real root of the host; uid 0\n"
    "      --container   in a container: host names do not match\n"
    "      --container-id ID, --container-name NAME, --container-label K=V,\n"
    "      --pod-namespace NS, --pod-name NAME, --pod-service-account NAME,\n"
    "      --pod-label K=V   in one that is registered so; labels repeatable\n"
    "\n"
    "exit: 0 ok, 1 explain: denied, 2 usage or bad input, 5 internal error\n";

int msp_mspc_fail(const char *path, int r)
{
    (void)fprintf(stderr, "mspc: %s: %s\n", path, strerror(-r));
    return r == -ENOMEM || r == -EIO ? MSP_EXIT_INTERNAL : MSP_EXIT_USAGE;
}

int msp_mspc_usage(const char *format, ...)
{
    va_list args;

    (void)fputs("mspc: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputs("\nTry: mspc --help\n", stderr);
    return MSP_EXIT_USAGE;
}

static const char *source_name(const struct options *options)
{
    return msp_streq(options->file, "-") ? "stdin" : options->file;
}

/*
 * Text goes to standard error. JSON is what was asked for, so it goes to
 * standard output, unless the image or an answer does.
 */
static int print_diags(const struct options *options,
                       const struct msp_diags *diags)
{
    bool is_taken = options->has_answer ||
                    (options->output && msp_streq(options->output, "-"));

    if (options->json)
        return msp_diags_print_json(diags, source_name(options),
                                    is_taken ? stderr : stdout);
    msp_diags_print(diags, source_name(options), stderr);
    return 0;
}

int msp_mspc_compile(const struct options *options, const char *text,
                     size_t len, uint8_t **ret_image, size_t *ret_len)
{
    msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
    int r, printed;

    r = msp_policy_compile_as(text, len, &options->policy, &diags, ret_image,
                              ret_len);
    if (r == -EINVAL) {
        (void)print_diags(options, &diags);
        return MSP_EXIT_USAGE;
    }
    if (r < 0)
        return msp_mspc_fail(options->file, r);
    printed = print_diags(options, &diags);
    return printed < 0 ? MSP_EXIT_INTERNAL : MSP_EXIT_OK;
}

/* Reads and compiles. @return exit code; the image is set only on 0 */
static int compile(const struct options *options, uint8_t **ret_image,
                   size_t *ret_len)
{
    msp_autofree char *text = NULL;
    size_t len;
    int r;

    r = msp_file_read(options->file, MSP_DOC_BYTES_MAX, &text, &len);
    if (r < 0)
        return msp_mspc_fail(options->file, r);
    return msp_mspc_compile(options, text, len, ret_image, ret_len);
}

static int cmd_check(struct options *options)
{
    msp_autofree uint8_t *image = NULL;
    size_t len;

    return compile(options, &image, &len);
}

static int cmd_compile(struct options *options)
{
    msp_autofree uint8_t *image = NULL;
    size_t len;
    int r;

    if (!options->output)
        return msp_mspc_usage("compile needs -o OUT");
    r = compile(options, &image, &len);
    if (r != MSP_EXIT_OK)
        return r;
    r = msp_file_write(options->output, image, len);
    if (r == -EEXIST) {
        (void)fprintf(stderr, "mspc: %s: not a regular file\n",
                      options->output);
        return MSP_EXIT_USAGE;
    }
    return r < 0 ? msp_mspc_fail(options->output, r) : MSP_EXIT_OK;
}

static int cmd_dump(struct options *options)
{
    msp_autofree char *bytes = NULL;
    struct msp_image image;
    const char *why = NULL;
    size_t len;
    int r;

    r = msp_file_read(options->file, MSP_IMAGE_BYTES_MAX, &bytes, &len);
    if (r < 0)
        return msp_mspc_fail(options->file, r);
    r = msp_image_open(bytes, len, &image, &why);
    if (r < 0) {
        (void)fprintf(stderr, "mspc: %s: %s\n", options->file, why);
        return MSP_EXIT_USAGE;
    }
    r = msp_policy_dump(&image, options->json ? MSP_DUMP_JSON : MSP_DUMP_TEXT,
                        stdout);
    return r < 0 ? msp_mspc_fail("stdout", r) : MSP_EXIT_OK;
}

static int cmd_default(struct options *options)
{
    (void)options;
    return fputs(msp_policy_default(), stdout) < 0 ? MSP_EXIT_INTERNAL
                                                   : MSP_EXIT_OK;
}

static const struct command {
    const char *name;
    const char *operand; /* NULL = none */
    bool takes_form;
    int (*run)(struct options *options);
} commands[] = {
    {"check", "FILE|-", true, cmd_check},
    {"compile", "FILE|-", true, cmd_compile},
    {"dump", "IMAGE|-", false, cmd_dump},
    {"explain", "IMAGE|FILE|-", true, msp_mspc_explain},
    {"default", NULL, false, cmd_default},
};

static int take_form(struct options *options, const char *word)
{
    if (msp_policy_form_of(word, &options->policy.form) < 0)
        return msp_mspc_usage("--form is native, status, local or arm");
    return 0;
}

static int take_mode(struct options *options, const char *word)
{
    if (msp_policy_mode_of(word, &options->policy.mode) < 0)
        return msp_mspc_usage("--mode is disabled, audit or enforce");
    return 0;
}

/* @return 0; an exit code, after saying why */
static int take_option(struct options *options, int option, const char *value)
{
    switch (option) {
    case 'o':
        options->output = value;
        return 0;
    case OPTION_JSON:
        options->json = true;
        return 0;
    case OPTION_FORM:
        return take_form(options, value);
    case OPTION_ENDPOINT:
        options->policy.endpoint = value;
        return 0;
    case OPTION_MODE:
        return take_mode(options, value);
    case '?':
        (void)fputs("Try: mspc --help\n", stderr); /* getopt said why */
        return MSP_EXIT_USAGE;
    default:
        return msp_mspc_caller_option(options, option, value);
    }
}

#define FACT(name, kind)                                           \
    {                                                              \
        (name), required_argument, NULL, MSPC_OPTION_FACT + (kind) \
    }

/* @return -1 to go on; an exit code */
static int parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option longs[] = {
        {"output", required_argument, NULL, 'o'},
        {"json", no_argument, NULL, OPTION_JSON},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"form", required_argument, NULL, OPTION_FORM},
        {"endpoint", required_argument, NULL, OPTION_ENDPOINT},
        {"mode", required_argument, NULL, OPTION_MODE},
        {"method", required_argument, NULL, 'm'},
        {"target", required_argument, NULL, 't'},
        {"uid", required_argument, NULL, 'u'},
        {"gid", required_argument, NULL, 'g'},
        {"group", required_argument, NULL, 'G'},
        {"user", required_argument, NULL, 'U'},
        {"exe", required_argument, NULL, 'e'},
        {"sha256", required_argument, NULL, 's'},
        {"process", required_argument, NULL, 'p'},
        {"cgroup", required_argument, NULL, 'C'},
        {"unit", required_argument, NULL, 'n'},
        {"container", no_argument, NULL, 'c'},
        {"root", no_argument, NULL, 'r'},
        FACT("container-id", MSP_DEMAND_CONTAINER_ID),
        FACT("container-name", MSP_DEMAND_CONTAINER_NAME),
        FACT("container-label", MSP_DEMAND_CONTAINER_LABEL),
        FACT("pod-namespace", MSP_DEMAND_POD_NAMESPACE),
        FACT("pod-name", MSP_DEMAND_POD_NAME),
        FACT("pod-service-account", MSP_DEMAND_POD_ACCOUNT),
        FACT("pod-label", MSP_DEMAND_POD_LABEL),
        {0},
    };

    for (;;) {
        int r, c = getopt_long(argc, argv, "o:h", longs, NULL);

        if (c == -1)
            return -1;
        if (c == 'h') {
            (void)fputs(usage_text, stdout);
            return MSP_EXIT_OK;
        }
        if (c == OPTION_VERSION) {
            (void)printf("mspc %s, image version %d\n", MSP_VERSION,
                         MSP_IMAGE_VERSION);
            return MSP_EXIT_OK;
        }
        r = take_option(ret, c, optarg);
        if (r != 0)
            return r;
    }
}

static bool has_form_option(const struct options *options)
{
    return options->policy.form != MSP_FORM_AUTO || options->policy.endpoint ||
           options->policy.mode != MSP_MODE_NONE;
}

static int run(int argc, char **argv)
{
    static struct options options; /* zero */
    int n, r = parse_options(argc, argv, &options);

    if (r >= 0)
        return r;
    n = argc - optind;
    if (n < 1)
        return msp_mspc_usage("no command");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!msp_streq(commands[i].name, argv[optind]))
            continue;
        if (n != (commands[i].operand ? 2 : 1))
            return msp_mspc_usage(
                "%s takes %s, not %d operand%s", commands[i].name,
                commands[i].operand ? commands[i].operand : "no operand", n - 1,
                n == 2 ? "" : "s");
        options.file = argv[optind + 1];
        if (options.output && commands[i].run != cmd_compile)
            return msp_mspc_usage("-o is for compile");
        if (options.has_caller && commands[i].run != msp_mspc_explain)
            return msp_mspc_usage("caller options are for explain");
        if (has_form_option(&options) && !commands[i].takes_form)
            return msp_mspc_usage("form options are for documents");
        return commands[i].run(&options);
    }
    return msp_mspc_usage("\"%s\": no such command", argv[optind]);
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
