/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The canonicaliser against a naive one that has design section 8's list as a
 * list. What it accepts is canonical: spelled out again it gives the same,
 * upper case gives the same, and a rule's path gives the same. And the page
 * that authorize.c makes of a target: nothing that could be the agent's own
 * path goes by.
 *
 * Input: a target.
 */
#include <msp/canon.h>

#include "fuzz.h"
#include "proxy/authorize.h"

#define PAIRS_MAX  32
#define LINE_BYTES 8192

static struct msp_canon canon;

#ifdef MSP_PLANT
/* Forgets that %2f is not a slash. */
static enum msp_canon_code planted(const char *target, size_t len,
                                   struct msp_canon *ret)
{
    char copy[LINE_BYTES];
    size_t n = 0;

    if (len > sizeof(copy))
        return msp_canon_target(target, len, ret);
    for (size_t i = 0; i < len; i++) {
        bool is_slash = len - i > 2 && memcmp(target + i, "%2f", 3) == 0;

        copy[n++] = is_slash ? '/' : target[i];
        i += is_slash ? 2 : 0;
    }
    return msp_canon_target(copy, n, ret);
}

#define msp_canon_target planted
#endif

/* --- the naive one ------------------------------------------------------- */

struct byte {
    char c;
    bool is_escaped;
};

struct half {
    char text[LINE_BYTES + 1]; /* decoded, folded */
    size_t len;
};

struct naive {
    struct half path;
    struct half key[PAIRS_MAX];
    struct half value[PAIRS_MAX];
    char composite[PAIRS_MAX][LINE_BYTES];
    size_t composite_len[PAIRS_MAX];
    size_t n_pairs;
};

static struct naive naive;

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static int hex(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, lower(c)) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Decodes once. @return -1 an escape is none, or a raw byte may not stand */
static int decode(const char *text, size_t len, struct byte *ret)
{
    int n = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c <= ' ' || c >= 0x7f || strchr("#\\;", c))
            return -1;
        ret[n] = (struct byte){(char)c, false};
        if (c == '%') {
            if (len - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
                return -1;
            ret[n] = (struct byte){
                (char)(hex(text[i + 1]) * 16 + hex(text[i + 2])), true};
            i += 2;
        }
        n++;
    }
    return n;
}

static void fold(const struct byte *byte, int n, struct half *ret)
{
    ret->len = (size_t)n;
    for (int i = 0; i < n; i++)
        ret->text[i] = lower(byte[i].c);
    ret->text[n] = '\0';
}

/* A second decoder would find something to do. */
static bool is_doubly_encoded(const struct half *half)
{
    for (size_t i = 0; i + 2 < half->len; i++)
        if (half->text[i] == '%' && hex(half->text[i + 1]) >= 0 &&
            hex(half->text[i + 2]) >= 0)
            return true;
    return false;
}

static bool is_good_segment(const char *text, size_t len)
{
    return len > 0 && text[len - 1] != '.' && text[len - 1] != ' ';
}

static bool naive_path(const char *text, size_t len)
{
    static struct byte byte[LINE_BYTES];
    int n = decode(text, len, byte);
    size_t start = 1;

    if (n < 1 || byte[0].is_escaped || byte[0].c != '/')
        return false;
    for (int i = 0; i < n; i++) {
        unsigned char c = (unsigned char)byte[i].c;

        if (byte[i].is_escaped &&
            (c < ' ' || c >= 0x7f || strchr("/\\?#%;", c)))
            return false;
    }
    if (n > 2 && byte[n - 1].c == '/')
        n--; /* one trailing slash */
    fold(byte, n, &naive.path);
    for (size_t i = 1; n > 1 && i <= (size_t)n; i++) {
        if (i < (size_t)n && naive.path.text[i] != '/')
            continue;
        if (!is_good_segment(naive.path.text + start, i - start))
            return false;
        start = i + 1;
    }
    return true;
}

/* UTF-8 as RFC 3629 has it, by its table. */
static bool is_utf8(const struct half *half)
{
    const unsigned char *p = (const unsigned char *)half->text;
    const unsigned char *end = p + half->len;

    while (p < end) {
        unsigned long code = *p;
        int more = code < 0x80 ? 0 : code < 0xe0 ? 1 : code < 0xf0 ? 2 : 3;

        if ((code >= 0x80 && code < 0xc2) || code > 0xf4 || end - p <= more)
            return false;
        code &= more == 0 ? 0x7f : 0x3fu >> more;
        for (int i = 1; i <= more; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (p[i] & 0x3f);
        }
        if ((more == 2 && code < 0x800) || (more == 3 && code < 0x10000) ||
            (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
            return false;
        p += more + 1;
    }
    return true;
}

static bool naive_half(const char *text, size_t len, bool is_key,
                       struct half *ret)
{
    static struct byte byte[LINE_BYTES];
    int n = decode(text, len, byte);

    if (n < 0)
        return false;
    for (int i = 0; i < n; i++) {
        unsigned char c = (unsigned char)byte[i].c;

        if (c < ' ' || c == 0x7f || (is_key && c >= 0x80))
            return false;
        if (is_key && byte[i].is_escaped && (c == '&' || c == '='))
            return false;
    }
    fold(byte, n, ret);
    return !is_doubly_encoded(ret) && is_utf8(ret);
}

/* What the signer sorts by: the raw name in lower case, the raw value. */
static void compose(const char *name, size_t name_len, const char *value,
                    size_t value_len)
{
    char *to = naive.composite[naive.n_pairs];

    for (size_t i = 0; i < name_len; i++)
        to[i] = lower(name[i]);
    memcpy(to + name_len, value, value_len);
    naive.composite_len[naive.n_pairs] = name_len + value_len;
}

static bool is_twice(void)
{
    size_t n = naive.n_pairs;

    for (size_t i = 0; i < n; i++) {
        if (naive.key[i].len == naive.key[n].len &&
            memcmp(naive.key[i].text, naive.key[n].text, naive.key[n].len) == 0)
            return true;
        if (naive.composite_len[i] == naive.composite_len[n] &&
            memcmp(naive.composite[i], naive.composite[n],
                   naive.composite_len[n]) == 0)
            return true;
    }
    return false;
}

static bool naive_pair(const char *text, size_t len)
{
    size_t name_len = 0, value_len;
    const char *value;

    while (name_len < len && text[name_len] != '=')
        name_len++;
    value = name_len < len ? text + name_len + 1 : text + len;
    value_len = (size_t)(text + len - value);
    if (naive.n_pairs == PAIRS_MAX || name_len == 0 ||
        !naive_half(text, name_len, true, &naive.key[naive.n_pairs]) ||
        !naive_half(value, value_len, false, &naive.value[naive.n_pairs]))
        return false;
    compose(text, name_len, value, value_len);
    if (is_twice())
        return false;
    naive.n_pairs++;
    return true;
}

static bool naive_target(const char *text, size_t len)
{
    const char *mark = len ? memchr(text, '?', len) : NULL;
    size_t path_len = mark ? (size_t)(mark - text) : len;
    size_t at = path_len + 1;

    naive.n_pairs = 0;
    if (len > LINE_BYTES || !naive_path(text, path_len))
        return false;
    if (!mark || at == len)
        return true;
    while (at <= len) {
        size_t end = at;

        while (end < len && text[end] != '&')
            end++;
        if (!naive_pair(text + at, end - at))
            return false;
        at = end + 1;
    }
    return true;
}

/* --- claims -------------------------------------------------------------- */

static bool is_half(struct msp_canon_text ours, const struct half *half)
{
    return ours.len == half->len && memcmp(ours.ptr, half->text, ours.len) == 0;
}

static void compare(void)
{
    FUZZ_CHECK(is_half(canon.path, &naive.path));
    FUZZ_CHECK(canon.path.ptr[canon.path.len] == '\0');
    FUZZ_CHECK(canon.n_pairs == naive.n_pairs);
    for (size_t i = 0; i < canon.n_pairs; i++) {
        FUZZ_CHECK(is_half(canon.pair[i].key, &naive.key[i]));
        FUZZ_CHECK(is_half(canon.pair[i].value, &naive.value[i]));
    }
}

/* @return bytes written; what is no letter or digit is escaped */
static size_t spell(struct msp_canon_text text, const char *plain, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
            (c && strchr(plain, c)))
            out[n++] = (char)c;
        else
            n += (size_t)sprintf(out + n, "%%%02X", c);
    }
    return n;
}

/* The canonical form is its own canonical form. */
static void spell_again(void)
{
    static struct msp_canon again;
    static char out[4 * LINE_BYTES];
    size_t n = spell(canon.path, "/", out);
    enum msp_canon_code code;

    for (size_t i = 0; i < canon.n_pairs; i++) {
        out[n++] = i ? '&' : '?';
        n += spell(canon.pair[i].key, "", out + n);
        out[n++] = '=';
        n += spell(canon.pair[i].value, "=", out + n);
    }
    code = msp_canon_target(out, n, &again);
    /* escapes make it longer, and a pair may sign like another one now */
    if (code == MSP_CANON_TOO_LONG || code == MSP_CANON_COLLISION)
        return;
    FUZZ_CHECK(code == MSP_CANON_OK);
    FUZZ_CHECK(again.path.len == canon.path.len &&
               again.n_pairs == canon.n_pairs);
    FUZZ_CHECK(memcmp(again.path.ptr, canon.path.ptr, canon.path.len) == 0);
    for (size_t i = 0; i < canon.n_pairs; i++) {
        FUZZ_CHECK(is_half(again.pair[i].key, &naive.key[i]));
        FUZZ_CHECK(is_half(again.pair[i].value, &naive.value[i]));
    }
}

static void shout(const char *target, size_t len)
{
    static struct msp_canon again;
    static char out[LINE_BYTES];
    enum msp_canon_code code;

    for (size_t i = 0; i < len; i++)
        out[i] = target[i] >= 'a' && target[i] <= 'z' ? (char)(target[i] - 32)
                                                      : target[i];
    code = msp_canon_target(out, len, &again);
    if (code == MSP_CANON_COLLISION)
        return; /* values sign as they are written */
    FUZZ_CHECK(code == MSP_CANON_OK && again.n_pairs == naive.n_pairs);
    FUZZ_CHECK(is_half(again.path, &naive.path));
    for (size_t i = 0; i < again.n_pairs; i++)
        FUZZ_CHECK(is_half(again.pair[i].value, &naive.value[i]));
}

/* A rule's path is canonical as a request's is. */
static void as_rule(const char *target, size_t len, enum msp_canon_code code)
{
    char path[MSP_PATH_KEY_BYTES];
    size_t n = 0;
    enum msp_canon_code rule;

    if (len && memchr(target, '?', len))
        return;
    rule = msp_canon_rule_path(target, len, path, &n);
    if (rule == MSP_CANON_TOO_LONG)
        return;
    FUZZ_CHECK((rule == MSP_CANON_OK) == (code == MSP_CANON_OK));
    if (rule == MSP_CANON_OK)
        FUZZ_CHECK(n == naive.path.len &&
                   memcmp(path, naive.path.text, n) == 0 && path[n] == '\0');
}

/* --- the page ------------------------------------------------------------ */

static void check_page(const char *target, size_t len, bool is_ok)
{
    static const char own[] = "/secure-channel";
    static struct msp_canon scratch;
    static struct msp_request page;
    static struct msp_mark mark;
    struct msp_http_head head = {.target = target, .target_len = len};
    const char *detail = NULL;
    bool is_own = is_ok && naive.path.len >= sizeof(own) - 1 &&
                  memcmp(naive.path.text, own, sizeof(own) - 1) == 0 &&
                  strchr("/", naive.path.text[sizeof(own) - 1]);

    FUZZ_CHECK(
        msp_authorize_fill(&page, &mark, &head, true, &scratch, &detail) == 0);
    FUZZ_CHECK(detail);
    FUZZ_CHECK((page.refusal == MSP_REFUSAL_NONE) == (is_ok && !is_own));
    if (is_own)
        FUZZ_CHECK(page.refusal == MSP_REFUSAL_RESERVED);
    /* no escape at all: the letters stand there for everybody to see */
    if (!is_ok && memmem(target, len, own, sizeof(own) - 1))
        FUZZ_CHECK(page.refusal == MSP_REFUSAL_RESERVED);
    FUZZ_CHECK(memchr(page.audit_path, '\0', sizeof(page.audit_path)));
    for (const char *c = page.audit_path; *c; c++)
        FUZZ_CHECK(*c >= ' ' && *c <= '~');
    if (page.refusal != MSP_REFUSAL_NONE)
        return;
    FUZZ_CHECK(page.path_len > 1 && page.path_len <= sizeof(page.path.path));
    FUZZ_CHECK(memcmp(page.path.path, naive.path.text, page.path_len) == 0);
    FUZZ_CHECK(page.n_pairs == naive.n_pairs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *target = fuzz_copy(data, len);
    enum msp_canon_code code = msp_canon_target(target, len, &canon);
    bool is_ok = naive_target(target, len);

    FUZZ_CHECK((code == MSP_CANON_OK) == is_ok);
    FUZZ_CHECK(strcmp(msp_canon_text_of(code), "unknown") != 0);
    if (is_ok) {
        compare();
        spell_again();
        shout(target, len);
    }
    as_rule(target, len, code);
    check_page(target, len, is_ok);
    free(target);
    return 0;
}
