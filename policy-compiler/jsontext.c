/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "jsontext.h"

#include <string.h>

#include "utf8.h"

/* C1 controls, which terminals obey as well. */
static int is_c1(const char *text, size_t n)
{
    return n == 2 && (unsigned char)text[0] == 0xc2 &&
           (unsigned char)text[1] < 0xa0;
}

void msp_json_string(FILE *out, const char *text)
{
    size_t len = strlen(text);

    (void)fputc('"', out);
    for (size_t i = 0, n; i < len; i += n) {
        unsigned char c = (unsigned char)text[i];

        n = utf8_char(text + i, len - i);
        if (n == 0) {
            (void)fputs("\\ufffd", out);
            n = 1;
        } else if (c == '"' || c == '\\') {
            (void)fprintf(out, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            (void)fprintf(out, "\\u%04x", c);
        } else if (is_c1(text + i, n)) {
            (void)fprintf(out, "\\u%04x", (unsigned char)text[i + 1]);
        } else {
            (void)fwrite(text + i, 1, n, out);
        }
    }
    (void)fputc('"', out);
}
