/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/diag.h>
#include <msp/limits.h>

#include "jsontext.h"

static const char *const code_name[] = {
#define CODE_NAME(code, name) [MSP_DIAG_##code] = (name),
    MSP_DIAG_CODES(CODE_NAME)
#undef CODE_NAME
};
_Static_assert(ARRAY_SIZE(code_name) == MSP_DIAG_COUNT, "code_name");

const char *msp_diag_name(enum msp_diag_code code)
{
    if ((unsigned int)code >= MSP_DIAG_COUNT)
        return "unknown";
    return code_name[code];
}

static void diag_done(struct msp_diag *diag)
{
    free(diag->pointer);
    free(diag->expected);
    free(diag->found);
    *diag = (struct msp_diag){0};
}

void msp_diags_done(struct msp_diags *diags)
{
    for (size_t i = 0; i < diags->n; i++)
        diag_done(&diags->item[i]);
    free(diags->item);
    *diags = (struct msp_diags){0};
}

/* The copy of one diagnostic. @return 0; -ENOMEM, nothing is held then */
static int diag_init(struct msp_diag *diag, const char *pointer,
                     const char *expected, const char *found)
{
    diag->pointer = strdup(pointer);
    diag->expected = expected ? strdup(expected) : NULL;
    diag->found = found ? strdup(found) : NULL;
    if (diag->pointer && (!expected || diag->expected) &&
        (!found || diag->found))
        return 0;
    diag_done(diag);
    return -ENOMEM;
}

/* Room for the whole list at once: it is short and capped. */
static int make_room(struct msp_diags *diags)
{
    if (diags->item)
        return 0;
    diags->item = calloc(MSP_DIAGS_MAX, sizeof(*diags->item));
    return diags->item ? 0 : -ENOMEM;
}

/*
 * The list is full but for the place of TRUNCATED. An error takes the place
 * of the last warning: why a document was refused must not be cut off by
 * remarks. @return whether there is room now
 */
static bool drop_warning(struct msp_diags *diags, enum msp_severity severity)
{
    if (severity != MSP_SEVERITY_ERROR)
        return false;
    for (size_t i = MSP_DIAGS_MAX - 1; i-- > 0;) {
        if (diags->item[i].severity != MSP_SEVERITY_WARNING)
            continue;
        diag_done(&diags->item[i]);
        memmove(&diags->item[i], &diags->item[i + 1],
                (MSP_DIAGS_MAX - 2 - i) * sizeof(*diags->item));
        return true;
    }
    return false;
}

static int add_truncated(struct msp_diags *diags)
{
    struct msp_diag *last = &diags->item[MSP_DIAGS_MAX - 1];
    char expected[64];

    if (diags->n == MSP_DIAGS_MAX)
        return 0;
    (void)snprintf(expected, sizeof(expected), "at most %d diagnostics",
                   MSP_DIAGS_MAX - 1);
    if (diag_init(last, "", expected, "more") < 0)
        return -ENOMEM;
    last->code = MSP_DIAG_TRUNCATED;
    last->severity = MSP_SEVERITY_WARNING;
    diags->n = MSP_DIAGS_MAX;
    return 0;
}

int msp_diags_add(struct msp_diags *diags, enum msp_diag_code code,
                  enum msp_severity severity, const char *pointer,
                  const char *expected, const char *found)
{
    struct msp_diag diag = {.code = code, .severity = severity};
    int r = make_room(diags);

    if (r < 0)
        return r;
    if (severity == MSP_SEVERITY_ERROR)
        diags->n_errors++;
    if (diags->n >= MSP_DIAGS_MAX - 1)
        r = add_truncated(diags);
    if (r == 0)
        r = diag_init(&diag, pointer, expected, found);
    if (r < 0)
        return r;
    if (diags->n < MSP_DIAGS_MAX - 1)
        diags->item[diags->n++] = diag;
    else if (drop_warning(diags, severity))
        diags->item[MSP_DIAGS_MAX - 2] = diag;
    else
        diag_done(&diag);
    return 0;
}

/* Text from a document, made safe for a terminal; quotes stay as they are. */
static void print_safe(FILE *out, const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            (void)fprintf(out, "\\x%02x", (unsigned char)*text);
        else
            (void)fputc(*text, out);
}

static void print_one(const struct msp_diag *diag, const char *source,
                      FILE *out)
{
    print_safe(out, source);
    if (diag->line > 0)
        (void)fprintf(out, ":%d:%d", diag->line, diag->column);
    (void)fprintf(out, ": %s %s ",
                  diag->severity == MSP_SEVERITY_ERROR ? "error" : "warning",
                  msp_diag_name(diag->code));
    print_safe(out, diag->pointer[0] ? diag->pointer : "(document)");
    if (diag->expected) {
        (void)fputs(": expected ", out);
        print_safe(out, diag->expected);
    }
    if (diag->found) {
        (void)fputs(diag->expected ? ", found " : ": found ", out);
        print_safe(out, diag->found);
    }
    (void)fputc('\n', out);
}

void msp_diags_print(const struct msp_diags *diags, const char *source,
                     FILE *out)
{
    for (size_t i = 0; i < diags->n; i++)
        print_one(&diags->item[i], source, out);
}

static void print_member(FILE *out, const char *name, const char *text)
{
    (void)fprintf(out, ",\"%s\":", name);
    if (text)
        msp_json_string(out, text);
    else
        (void)fputs("null", out);
}

int msp_diags_print_json(const struct msp_diags *diags, const char *source,
                         FILE *out)
{
    (void)fprintf(out, "{\"schema\":%d", MSP_JSON_SCHEMA);
    print_member(out, "source", source);
    (void)fprintf(out, ",\"errors\":%zu,\"diagnostics\":[", diags->n_errors);
    for (size_t i = 0; i < diags->n; i++) {
        const struct msp_diag *diag = &diags->item[i];

        (void)fprintf(out, "%s\n{\"code\":\"%s\",\"severity\":\"%s\"",
                      i ? "," : "", msp_diag_name(diag->code),
                      diag->severity == MSP_SEVERITY_ERROR ? "error"
                                                           : "warning");
        print_member(out, "pointer", diag->pointer);
        (void)fprintf(out, ",\"line\":%d,\"column\":%d", diag->line,
                      diag->column);
        print_member(out, "expected", diag->expected);
        print_member(out, "found", diag->found);
        (void)fputc('}', out);
    }
    (void)fputs(diags->n ? "\n]}\n" : "]}\n", out);
    return ferror(out) ? -EIO : 0;
}
