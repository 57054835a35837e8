/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/finished.h"

#include <errno.h>
#include <string.h>

#define SIZE_OF(field) sizeof(((struct msp_child_log *)0)->field)

/* What follows mark.ids, up to the texts. */
#define NUMBERS \
    (offsetof(struct msp_child_log, mark) + offsetof(struct msp_mark, addr))
#define TEXTS   offsetof(struct msp_child_log, method)
#define N_FIXED (sizeof(struct msp_child_head) + TEXTS - NUMBERS)

static const struct {
    size_t at, size;
} texts[] = {

#define TEXT(field)                                           \
    {                                                         \
        offsetof(struct msp_child_log, field), SIZE_OF(field) \
    }
    TEXT(method),    TEXT(target),   TEXT(endpoint), TEXT(identity),
    TEXT(privilege), TEXT(exe_name), TEXT(detail),
#undef TEXT
};

_Static_assert(offsetof(struct msp_mark, ids) == 0, "and addr is next");
_Static_assert(offsetof(struct msp_child_log, detail) + SIZE_OF(detail) ==
                   sizeof(struct msp_child_log),
               "texts are last, without holes");

size_t msp_finished_pack(void *to, size_t room,
                         const struct msp_child_log *record)
{
    const char *from = (const char *)record;
    char *at = to;

    if (room < sizeof(*record)) /* the most that it can take */
        return 0;
    memcpy(at, &record->head, sizeof(record->head));
    at += sizeof(record->head);
    memcpy(at, from + NUMBERS, TEXTS - NUMBERS);
    at += TEXTS - NUMBERS;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t len = strnlen(from + texts[i].at, texts[i].size - 1);

        memcpy(at, from + texts[i].at, len);
        at[len] = '\0';
        at += len + 1;
    }
    return (size_t)(at - (char *)to);
}

ssize_t msp_finished_unpack(const void *from, size_t len,
                            struct msp_child_log *ret)
{
    const char *at = from, *end = at + len;

    if (len < N_FIXED)
        return -EPROTO;
    memset(ret, 0, sizeof(*ret));
    memcpy(&ret->head, at, sizeof(ret->head));
    if (ret->head.type != MSP_CHILD_LOG)
        return -EPROTO;
    at += sizeof(ret->head);
    memcpy((char *)ret + NUMBERS, at, TEXTS - NUMBERS);
    at += TEXTS - NUMBERS;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t left = (size_t)(end - at);
        size_t max = left < texts[i].size ? left : texts[i].size;
        size_t n = strnlen(at, max);

        if (n == max)
            return -EPROTO; /* no NUL where it has to be */
        memcpy((char *)ret + texts[i].at, at, n);
        at += n + 1;
    }
    return at - (const char *)from;
}
