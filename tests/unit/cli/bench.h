/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* One verb in a fresh directory, before a fake daemon if it has one. */
#pragma once

#include "cli/cli.h"
#include "fake.h"

struct bench {
    char dir[32];
    char socket[64];
    char file[64];
    char spool[64]; /* does not exist */
    struct fake fake;
    struct msp_cli cli;
    char *out, *err;
    size_t out_len, err_len;
};

static inline void bench_start(struct bench *b)
{
    *b = (struct bench){.dir = "/tmp/msp-cmd-XXXXXX"};
    assert_non_null(mkdtemp(b->dir));
    (void)snprintf(b->socket, sizeof(b->socket), "%s/socket", b->dir);
    (void)snprintf(b->file, sizeof(b->file), "%s/file", b->dir);
    (void)snprintf(b->spool, sizeof(b->spool), "%s/spool", b->dir);
    b->cli = (struct msp_cli){
        .socket = b->socket,
        .operand = {b->file},
        .spool = b->spool,
        .host_root = b->dir,
        .in = stdin,
        .out = open_memstream(&b->out, &b->out_len),
        .err = open_memstream(&b->err, &b->err_len),
    };
    assert_non_null(b->cli.out);
    assert_non_null(b->cli.err);
}

static inline void bench_write(struct bench *b, const void *data, size_t len)
{
    msp_autofclose FILE *f = fopen(b->file, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
}

/* The daemon answers `payload` with `status`. */
static inline void bench_serve(struct bench *b, enum msp_ctl_type type,
                               enum msp_ctl_status status, const void *payload,
                               size_t len)
{
    struct msp_ctl_header header = {.magic = MSP_CTL_MAGIC,
                                    .version = MSP_CTL_VERSION,
                                    .type = (uint16_t)type,
                                    .status = status};
    char *frame = malloc(sizeof(header) + len);

    assert_non_null(frame);
    b->fake.is_listener = true;
    b->fake.fd = fake_listen(b->socket);
    b->fake.reply = frame;
    b->fake.reply_len =
        fake_frame(frame, sizeof(header) + len, header, payload, len);
    fake_start(&b->fake);
}

/* After the verb: what it printed is in out and err. */
static inline void bench_flush(struct bench *b)
{
    assert_ok(fclose(b->cli.out));
    assert_ok(fclose(b->cli.err));
    if (b->fake.is_listener)
        fake_join(&b->fake);
}

static inline void bench_done(struct bench *b)
{
    union {
        const void *in;
        void *out;
    } frame = {.in = b->fake.reply};

    if (b->fake.is_listener)
        fake_done(&b->fake);
    free(frame.out);
    free(b->out);
    free(b->err);
    (void)unlink(b->file);
    (void)unlink(b->socket);
    assert_ok(rmdir(b->dir));
}

static inline void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no \"%s\" in: %s", part, text);
}
