/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "authorize.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include <msp/child.h>
#include <msp/cleanup.h>

#define RESERVED         "secure-channel"
#define RESERVED_LETTERS "securechannel"

static bool is_reserved(const char *path, size_t len)
{
    static const char prefix[] = "/" RESERVED;

    return len >= sizeof(prefix) - 1 &&
           memcmp(path, prefix, sizeof(prefix) - 1) == 0 &&
           (len == sizeof(prefix) - 1 || path[sizeof(prefix) - 1] == '/');
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Value of `n` hex digits; -1 if one is none. */
static int hex_number(const char *text, size_t n)
{
    int value = 0;

    for (size_t i = 0; i < n; i++) {
        int digit = hex_value(text[i]);

        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/*
 * Takes an escape off the end of a text, %XX or %uXXXX, for what it stands for.
 * @return whether there was one
 */
static bool undo_last(char *text, size_t *len)
{
    size_t digits = *len >= 3 && text[*len - 3] == '%' ? 2 : 4;
    size_t start;
    int value;

    if (digits == 4 &&
        (*len < 6 || text[*len - 6] != '%' || (text[*len - 5] | 0x20) != 'u'))
        return false;
    value = hex_number(text + *len - digits, digits);
    if (value < 0)
        return false;
    start = *len - digits - (digits == 2 ? 1 : 2);
    /* beyond ASCII: no letter, which is all that is looked for */
    text[start] = (char)(value < 0x80 ? value : 0x80);
    *len = start + 1;
    return true;
}

/*
 * Decodes in place until no escape is left, those too that decoding made. Two
 * escapes never overlap, so the order makes no difference, and each byte is
 * looked at once: a caller may send as many levels as fit.
 * @return new length
 */
static size_t decode(char *text, size_t len)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        text[out++] = text[i];
        while (undo_last(text, &out))
            ;
    }
    return out;
}

/*
 * A target without a canonical form, which audit mode relays: does it mention
 * the agent's own path in any spelling? All escapes are undone until none is
 * left, then only letters count. Too many are found, none is missed.
 */
static bool mentions_reserved(const char *target, size_t len, char *scratch,
                              size_t scratch_len)
{
    size_t letters = 0;

    if (len > scratch_len)
        return true; /* fail closed: cannot look */
    memcpy(scratch, target, len);
    len = decode(scratch, len);
    msp_canon_fold(scratch, len);
    for (size_t i = 0; i < len; i++)
        if (scratch[i] >= 'a' && scratch[i] <= 'z')
            scratch[letters++] = scratch[i];
    return memmem(scratch, letters, RESERVED_LETTERS,
                  sizeof(RESERVED_LETTERS) - 1) != NULL;
}

static void fill_audit(struct msp_request *page, const char *text, size_t len)
{
    size_t n = 0;

    for (; n < len && n < sizeof(page->audit_path) - 1; n++) {
        char c = text[n];

        if (c == '?')
            break;
        page->audit_path[n] = c >= ' ' && c <= '~' ? c : '?';
    }
    memset(page->audit_path + n, 0, sizeof(page->audit_path) - n);
}

static int fill_form(struct msp_request *page, const struct msp_canon *canon)
{
    size_t len = canon->path.len + 1; /* with its NUL */
    int r;

    if (len > sizeof(page->path.path))
        len = sizeof(page->path.path);
    memcpy(page->path.path, canon->path.ptr, len);
    page->path_len = (uint32_t)len;
    for (size_t i = 0; i < canon->n_pairs; i++) {
        const struct msp_canon_pair *pair = &canon->pair[i];

        r = msp_canon_pair_hash(pair->key.ptr, pair->key.len, pair->value.ptr,
                                pair->value.len, page->pair[i].hash);
        if (r < 0)
            return r;
    }
    page->n_pairs = (uint32_t)canon->n_pairs;
    return 0;
}

int msp_authorize_fill(struct msp_request *page, const struct msp_mark *mark,
                       const struct msp_http_head *head, bool is_host_ok,
                       struct msp_canon *canon, const char **ret_detail)
{
    enum msp_canon_code code =
        msp_canon_target(head->target, head->target_len, canon);

    page->mark = *mark;
    memset(&page->path, 0, sizeof(page->path));
    memset(page->pair, 0, sizeof(page->pair));
    page->path_len = 0;
    page->n_pairs = 0;
    page->method = head->method_bit;
    page->refusal = MSP_REFUSAL_NONE;
    page->verdict = MSP_VERDICT_NONE;
    page->reason = MSP_REASON_NONE;
    page->mode = MSP_MODE_NONE;
    *ret_detail = "";
    if (code != MSP_CANON_OK) {
        fill_audit(page, head->target, head->target_len);
        page->refusal = mentions_reserved(head->target, head->target_len,
                                          canon->buf, sizeof(canon->buf))
                            ? MSP_REFUSAL_RESERVED
                            : MSP_REFUSAL_SPELLING;
        *ret_detail = msp_canon_text_of(code);
        return 0;
    }
    fill_audit(page, canon->path.ptr, canon->path.len);
    if (is_reserved(canon->path.ptr, canon->path.len)) {
        page->refusal = MSP_REFUSAL_RESERVED;
        return 0;
    }
    if (!is_host_ok) {
        page->refusal = MSP_REFUSAL_SPELLING;
        *ret_detail = "foreign or missing Host";
        return 0;
    }
    return fill_form(page, canon);
}

int msp_authorize_run(uint32_t slot)
{
    struct msp_authorize_ctx ctx = {.slot = slot};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));

    if (bpf_prog_test_run_opts(MSP_FD_PROXY_AUTHORIZE, &opts) < 0)
        return -errno;
    return 0;
}
