/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/diag.h>
#include <msp/image.h>
#include <msp/limits.h>
#include <msp/policy.h>

#include "base/io.h"
#include "cli/cli.h"

/* A file of the user, and the image it is or compiles to. */
struct source {
    const char *name; /* for messages; borrowed */
    char *text;       /* [text_len] */
    size_t text_len;
    uint8_t *image; /* [image_len] */
    size_t image_len;
    struct msp_diags diags;
};

static void source_done(struct source *source)
{
    free(source->text);
    free(source->image);
    msp_diags_done(&source->diags);
}

static int complain(struct msp_cli *cli, const char *name, const char *why,
                    enum msp_cli_end end)
{
    return msp_cli_fail(cli, end, "%s: %s", name, why);
}

/* An image takes more room than a document; the compiler caps the latter. */
static int read_source(struct msp_cli *cli, struct source *source)
{
    const char *path = cli->operand[0];
    bool is_stdin = msp_streq(path, "-");
    msp_autoclose int opened = -1;
    int r;

    source->name = is_stdin ? "standard input" : path;
    if (!is_stdin) {
        opened = open(path, O_RDONLY | O_CLOEXEC);
        if (opened < 0)
            return complain(cli, path, strerror(errno), MSP_CLI_USAGE);
    }
    r = msp_io_slurp(is_stdin ? fileno(cli->in) : opened, MSP_IMAGE_BYTES_MAX,
                     &source->text, &source->text_len);
    if (r < 0)
        return complain(cli, source->name, strerror(-r),
                        r == -ENOMEM ? MSP_CLI_INTERNAL : MSP_CLI_USAGE);
    return MSP_EXIT_OK;
}

static bool is_image(const struct source *source)
{
    uint64_t magic = MSP_IMAGE_MAGIC;

    return source->text_len >= sizeof(magic) &&
           memcmp(source->text, &magic, sizeof(magic)) == 0;
}

/* malloc() aligns as msp_image_open() asks. */
static int check_image(struct msp_cli *cli, const struct source *source,
                       enum msp_cli_end end, struct msp_image *ret_image)
{
    const char *why = "not an image";
    int r = msp_image_open(source->image, source->image_len, ret_image, &why);

    if (r < 0)
        return complain(cli, source->name, why, end);
    return MSP_EXIT_OK;
}

static void digest_of(const uint8_t *image, char *ret_hex)
{
    struct msp_image_header header;

    memcpy(&header, image, sizeof(header));
    msp_digest_hex(header.digest, ret_hex);
}

/* The compiler's own findings as one JSON value without a final newline. */
static char *diags_json(const struct source *source)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    int r;

    if (!out)
        return NULL;
    r = msp_diags_print_json(&source->diags, source->name, out);
    if (fclose(out) != 0 || r < 0) {
        free(text);
        return NULL;
    }
    return text;
}

/*
 * The outcome of compiling as one JSON object: what msp_diags_print_json()
 * prints after its own schema member, behind ours.
 * @param end MSP_CLI_END_COUNT = it is well
 */
static int print_checked(struct msp_cli *cli, const struct source *source,
                         enum msp_cli_end end)
{
    msp_autofree char *text = diags_json(source);
    const char *rest = text ? strchr(text, ',') : NULL;
    bool is_ok = end == MSP_CLI_END_COUNT;

    if (!rest)
        return complain(cli, source->name, strerror(ENOMEM), MSP_CLI_INTERNAL);
    (void)fprintf(cli->out, "{\"schema\":%d,\"result\":\"%s\"", MSP_JSON_SCHEMA,
                  is_ok ? "ok" : msp_cli_end_name(end));
    if (is_ok) {
        char hex[2 * MSP_DIGEST_BYTES + 1];

        digest_of(source->image, hex);
        (void)fprintf(cli->out, ",\"digest\":\"%s\"", hex);
    } else {
        (void)fprintf(cli->out, ",\"error\":\"the document has %zu error%s\"",
                      source->diags.n_errors,
                      source->diags.n_errors == 1 ? "" : "s");
    }
    (void)fputs(rest, cli->out);
    return is_ok ? MSP_EXIT_OK : MSP_EXIT_USAGE;
}

static bool has_form_option(const struct msp_cli *cli)
{
    return cli->form || cli->endpoint || cli->mode;
}

static int take_form(struct msp_cli *cli, struct msp_policy_options *ret)
{
    *ret = (struct msp_policy_options){.endpoint = cli->endpoint};
    if (cli->form && msp_policy_form_of(cli->form, &ret->form) < 0)
        return complain(cli, cli->form,
                        "not a form: native, status, local or arm",
                        MSP_CLI_USAGE);
    if (cli->mode && msp_policy_mode_of(cli->mode, &ret->mode) < 0)
        return complain(cli, cli->mode,
                        "not a mode: disabled, audit or enforce",
                        MSP_CLI_USAGE);
    return MSP_EXIT_OK;
}

/* Document or image in, image out. Says what is wrong; warnings are kept. */
static int load(struct msp_cli *cli, struct source *source)
{
    struct msp_policy_options options;
    struct msp_image image;
    int r = take_form(cli, &options);

    if (r == MSP_EXIT_OK)
        r = read_source(cli, source);
    if (r != MSP_EXIT_OK)
        return r;
    if (is_image(source)) {
        if (has_form_option(cli))
            return complain(cli, source->name,
                            "an image: --form, --endpoint and --mode are for "
                            "documents",
                            MSP_CLI_USAGE);
        source->image = (uint8_t *)TAKE_PTR(source->text);
        source->image_len = source->text_len;
        return check_image(cli, source, MSP_CLI_INVALID, &image);
    }
    r = msp_policy_compile_as(source->text, source->text_len, &options,
                              &source->diags, &source->image,
                              &source->image_len);
    if (r == 0)
        return check_image(cli, source, MSP_CLI_INVALID, &image);
    if (r != -EINVAL)
        return complain(cli, source->name, strerror(-r), MSP_CLI_INTERNAL);
    if (cli->is_json)
        return print_checked(cli, source, MSP_CLI_INVALID);
    msp_diags_print(&source->diags, source->name, cli->err);
    return MSP_EXIT_USAGE;
}

int msp_cmd_policy_check(struct msp_cli *cli)
{
    msp_cleanup(source_done) struct source source = {0};
    char hex[2 * MSP_DIGEST_BYTES + 1];
    int r = load(cli, &source);

    if (r != MSP_EXIT_OK)
        return r;
    if (cli->is_json)
        return print_checked(cli, &source, MSP_CLI_END_COUNT);
    msp_diags_print(&source.diags, source.name, cli->err);
    digest_of(source.image, hex);
    (void)fprintf(cli->out, "ok, digest %s\n", hex);
    return MSP_EXIT_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* "none" is all zero: no policy is live. */
static int parse_digest(const char *text, uint8_t ret[MSP_DIGEST_BYTES])
{
    if (msp_streq(text, "none")) {
        memset(ret, 0, MSP_DIGEST_BYTES);
        return 0;
    }
    if (strlen(text) != 2 * MSP_DIGEST_BYTES)
        return -EINVAL;
    for (size_t i = 0; i < MSP_DIGEST_BYTES; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -EINVAL;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static int make_push(struct msp_cli *cli, struct msp_ctl_push *ret_push)
{
    struct msp_ctl_push push = {0};

    if (cli->is_dry_run)
        push.flags |= MSP_PUSH_DRY_RUN;
    if (cli->expect_digest) {
        push.flags |= MSP_PUSH_EXPECT;
        if (parse_digest(cli->expect_digest, push.expect) < 0)
            return complain(cli, cli->expect_digest,
                            "not a digest: 64 hex digits or none",
                            MSP_CLI_USAGE);
    }
    *ret_push = push;
    return MSP_EXIT_OK;
}

int msp_cmd_policy_push(struct msp_cli *cli)
{
    msp_cleanup(msp_client_reply_done) struct msp_client_reply reply = {0};
    msp_cleanup(source_done) struct source source = {0};
    msp_autofree char *compile = NULL;
    struct msp_json_extra extra = {.name = "compile"};
    struct msp_ctl_push push;
    struct iovec part[2] = {{.iov_base = &push, .iov_len = sizeof(push)}};
    int r = make_push(cli, &push);

    if (r == MSP_EXIT_OK)
        r = load(cli, &source);
    if (r != MSP_EXIT_OK)
        return r;
    part[1].iov_base = source.image;
    part[1].iov_len = source.image_len;
    r = msp_cli_ask(cli, MSP_CTL_PUSH, part, ARRAY_SIZE(part), &reply);
    if (r != MSP_EXIT_OK)
        return r;
    if (!cli->is_json) {
        msp_diags_print(&source.diags, source.name, cli->err);
        return msp_cli_print(cli, reply.status, reply.payload, reply.len, NULL,
                             NULL);
    }
    compile = diags_json(&source);
    extra.json = compile;
    return msp_cli_print(cli, reply.status, reply.payload, reply.len, NULL,
                         compile ? &extra : NULL);
}

int msp_cmd_policy_rollback(struct msp_cli *cli)
{
    struct msp_ctl_push push;
    struct iovec part = {.iov_base = &push, .iov_len = sizeof(push)};
    int r = make_push(cli, &push);

    if (r != MSP_EXIT_OK)
        return r;
    return msp_cli_run(cli, MSP_CTL_ROLLBACK, &part, 1, NULL);
}

/* The image behind the record of a SHOW reply, copied to its alignment. */
static int take_image(struct msp_client_reply *reply, struct source *ret)
{
    const char *nul = memchr(reply->payload, '\0', reply->len);
    size_t len;

    ret->name = "the image of mspd";
    if (!nul)
        return 0;
    len = reply->len - (size_t)(nul - reply->payload) - 1;
    reply->len = (size_t)(nul - reply->payload);
    if (len == 0)
        return 0;
    ret->image = malloc(len);
    if (!ret->image)
        return -ENOMEM;
    memcpy(ret->image, nul + 1, len);
    ret->image_len = len;
    return 0;
}

static char *dump(const struct msp_image *image, enum msp_dump_format format)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    int r;

    if (!out)
        return NULL;
    r = msp_policy_dump(image, format, out);
    if (fclose(out) != 0 || r < 0) {
        free(text);
        return NULL;
    }
    return text;
}

int msp_cmd_policy_show(struct msp_cli *cli)
{
    msp_cleanup(msp_client_reply_done) struct msp_client_reply reply = {0};
    msp_cleanup(source_done) struct source source = {0};
    msp_autofree char *policy = NULL;
    struct msp_json_extra extra = {.name = "image", .json = "null"};
    struct msp_image image;
    int r = msp_cli_ask(cli, MSP_CTL_SHOW, NULL, 0, &reply);

    if (r != MSP_EXIT_OK)
        return r;
    if (take_image(&reply, &source) < 0)
        return complain(cli, source.name, strerror(ENOMEM), MSP_CLI_INTERNAL);
    if (source.image && !cli->is_origin) {
        r = check_image(cli, &source, MSP_CLI_INTERNAL, &image);
        if (r != MSP_EXIT_OK)
            return r;
        policy = dump(&image, cli->is_json ? MSP_DUMP_JSON : MSP_DUMP_TEXT);
        if (!policy)
            return complain(cli, source.name, "cannot be printed",
                            MSP_CLI_INTERNAL);
        extra.json = policy;
    }
    r = msp_cli_print(cli, reply.status, reply.payload, reply.len, NULL,
                      &extra);
    if (!cli->is_json && policy)
        (void)fprintf(cli->out, "\n%s", policy);
    return r;
}
