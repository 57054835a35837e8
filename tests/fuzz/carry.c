/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Images that an earlier mspd stored, carried over. Of any bytes: refused, or
 * an image of today in which everything is as it was, so that no endpoint is
 * less guarded; what an old endpoint was is written here once more. Of a
 * document: its image, turned into the old format here, comes back as today's
 * compiler has it, rate limits aside.
 *
 * Input: one byte of options, then an old image, or a document.
 */
#include <errno.h>

#include <msp/image.h>
#include <msp/policy.h>

#include "frame.h"
#include "fuzz.h"
#include "walk.h"

#define OLD_VERSION 3

enum {
    AS_IT_IS = 0, /* the bytes alone */
    DIGEST,       /* with the right digest */
    FRAME,        /* and the right header, sections at the right places */
    DOCUMENT,     /* compiled, and turned into the old format */
    KINDS,
};

/* As version 3 had it. */
struct old_endpoint {
    char name[32];
    uint32_t mode;
    uint32_t on_deny;
    uint32_t flags;
    uint32_t pad;
    uint64_t reach[16];
    uint64_t lifts_root_gate[16];
    uint32_t id_off;
    uint32_t pad_2;
};

_Static_assert(sizeof(struct old_endpoint) == 312, "as in version3.bin");

#ifdef MSP_PLANT
/* An endpoint that nobody reaches is open. */
static int planted(const void *bytes, size_t len, char **ret_bytes,
                   size_t *ret_len)
{
    int r = msp_image_carry(bytes, len, ret_bytes, ret_len);
    struct msp_image_header *header;
    struct msp_image_endpoint *row;

    if (r < 0)
        return r;
    header = (void *)*ret_bytes;
    row = (void *)(*ret_bytes + header->section[MSP_SEC_ENDPOINTS].offset);
    for (uint32_t i = 0; i < header->section[MSP_SEC_ENDPOINTS].count; i++)
        if (!row[i].ep.reach.word[0])
            row[i].ep.flags |= MSP_EP_DEFAULT_ALLOW;
    return msp_image_digest(header, *ret_len, header->digest);
}

#define msp_image_carry planted
#endif

/* --- what has come out ---------------------------------------------------- */

static size_t bytes_of(const struct msp_image_section *s)
{
    return (size_t)s->count * s->entry_bytes;
}

static void compare_endpoint(const void *old_row, const void *new_row)
{
    const struct msp_image_endpoint *row = new_row;
    struct old_endpoint old;

    memcpy(&old, old_row, sizeof(old));
    FUZZ_CHECK(memcmp(row->ep.name, old.name, sizeof(old.name)) == 0);
    FUZZ_CHECK(row->ep.mode == old.mode);
    FUZZ_CHECK(row->ep.on_deny == old.on_deny);
    FUZZ_CHECK(row->ep.flags == old.flags);
    FUZZ_CHECK(memcmp(&row->ep.reach, old.reach, sizeof(old.reach)) == 0);
    FUZZ_CHECK(memcmp(&row->ep.lifts_root_gate, old.lifts_root_gate,
                      sizeof(old.lifts_root_gate)) == 0);
    FUZZ_CHECK(row->id_off == old.id_off);
    FUZZ_CHECK(row->ep.pad == old.pad && row->pad == old.pad_2);
    FUZZ_CHECK(row->ep.rate.per_second == 0 && row->ep.rate.burst == 0);
}

static void compare_section(size_t i, const struct msp_image_section *from,
                            const uint8_t *in,
                            const struct msp_image_section *to,
                            const uint8_t *out)
{
    FUZZ_CHECK(from->count == to->count);
    if (i == MSP_SEC_ENDPOINTS) {
        for (uint32_t k = 0; k < to->count; k++)
            compare_endpoint(in + k * sizeof(struct old_endpoint),
                             out + k * sizeof(struct msp_image_endpoint));
        return;
    }
    FUZZ_CHECK(from->entry_bytes == to->entry_bytes);
    FUZZ_CHECK(bytes_of(to) == 0 || memcmp(in, out, bytes_of(to)) == 0);
}

static void compare(const uint8_t *old, const uint8_t *carried, size_t len)
{
    const struct msp_image_header *from = (const void *)old,
                                  *to = (const void *)carried;

    FUZZ_CHECK(len >= sizeof(*to) && to->total_bytes == len);
    FUZZ_CHECK(to->magic == MSP_IMAGE_MAGIC && to->endian == MSP_IMAGE_ENDIAN);
    FUZZ_CHECK(from->version == OLD_VERSION);
    FUZZ_CHECK(to->version == MSP_IMAGE_VERSION);
    for (size_t i = 0; i < MSP_SEC_COUNT; i++) {
        const struct msp_image_section *s = &to->section[i];

        FUZZ_CHECK(s->offset % 8 == 0 && s->offset <= len);
        FUZZ_CHECK(bytes_of(s) <= len - s->offset);
        compare_section(i, &from->section[i], old + from->section[i].offset, s,
                        carried + s->offset);
    }
}

/* It is of today: carried once more it stays, and so does the caller's. */
static void carry_again(const uint8_t *old, size_t old_len, const char *carried,
                        size_t len)
{
    char *again = NULL;
    size_t again_len = 7;

    FUZZ_CHECK(msp_image_carry(carried, len, &again, &again_len) ==
               -EPROTONOSUPPORT);
    FUZZ_CHECK(!again && again_len == 7);
    FUZZ_CHECK(msp_image_carry(old, old_len, &again, &again_len) == 0);
    FUZZ_CHECK(again_len == len && memcmp(again, carried, len) == 0);
    free(again);
}

/* @return whether it was carried and the reader takes it */
static bool carry(const uint8_t *old, size_t len)
{
    const struct msp_image_header *header = (const void *)old;
    struct msp_image image;
    const char *why = NULL;
    char *carried = NULL;
    size_t n = 0;
    int r = msp_image_carry(old, len, &carried, &n);

    FUZZ_CHECK(r == 0 || (!carried && n == 0));
    FUZZ_CHECK(r == 0 || r == -EPROTONOSUPPORT || r == -EBADMSG ||
               r == -EINVAL);
    if (len < sizeof(*header) || header->version != OLD_VERSION)
        FUZZ_CHECK(r == -EPROTONOSUPPORT);
    if (r < 0)
        return false;
    compare(old, (const uint8_t *)carried, n);
    carry_again(old, len, carried, n);
    r = msp_image_open(carried, n, &image, &why);
    FUZZ_CHECK(r == 0 || (why && *why));
    FUZZ_CHECK(r != -EPROTO && r != -EPROTONOSUPPORT && r != -EBADMSG);
    if (r == 0)
        walk_image(&image);
    free(carried);
    return r == 0;
}

/* --- of a document -------------------------------------------------------- */

static void forget_rates(uint8_t *bytes, size_t len)
{
    struct msp_image_header *header = (void *)bytes;
    struct msp_image_endpoint *row =
        (void *)(bytes + header->section[MSP_SEC_ENDPOINTS].offset);

    for (uint32_t i = 0; i < header->section[MSP_SEC_ENDPOINTS].count; i++)
        memset(&row[i].ep.rate, 0, sizeof(row[i].ep.rate));
    FUZZ_CHECK(msp_image_digest(bytes, len, header->digest) == 0);
}

static void age_endpoint(const void *new_row, void *old_row)
{
    const struct msp_image_endpoint *row = new_row;
    struct old_endpoint *ret = old_row;

    memset(ret, 0, sizeof(*ret));
    memcpy(ret->name, row->ep.name, sizeof(ret->name));
    ret->mode = row->ep.mode;
    ret->on_deny = row->ep.on_deny;
    ret->flags = row->ep.flags;
    memcpy(ret->reach, &row->ep.reach, sizeof(ret->reach));
    memcpy(ret->lifts_root_gate, &row->ep.lifts_root_gate,
           sizeof(ret->lifts_root_gate));
    ret->id_off = row->id_off;
}

/* The image as a compiler of version 3 had made it. @return [*ret_len] */
static uint8_t *age(const uint8_t *bytes, size_t *ret_len)
{
    const struct msp_image_header *header = (const void *)bytes;
    const struct msp_image_section *from = header->section;
    size_t n = from[MSP_SEC_ENDPOINTS].count;
    size_t len = header->total_bytes - n * (sizeof(struct msp_image_endpoint) -
                                            sizeof(struct old_endpoint));
    uint8_t *old = calloc(1, len);
    struct msp_image_header *to = (void *)old;

    FUZZ_CHECK(old);
    *to = *header;
    frame_image(to, len, OLD_VERSION, sizeof(struct old_endpoint));
    for (size_t i = 0; i < MSP_SEC_COUNT; i++) {
        const uint8_t *in = bytes + from[i].offset;
        uint8_t *out = old + to->section[i].offset;

        FUZZ_CHECK(to->section[i].offset + bytes_of(&to->section[i]) <= len);
        if (i != MSP_SEC_ENDPOINTS) {
            memcpy(out, in, bytes_of(&from[i]));
            continue;
        }
        for (size_t k = 0; k < n; k++)
            age_endpoint(in + k * sizeof(struct msp_image_endpoint),
                         out + k * sizeof(struct old_endpoint));
    }
    FUZZ_CHECK(msp_image_digest(old, len, to->digest) == 0);
    *ret_len = len;
    return old;
}

static void carry_document(const char *text, size_t len)
{
    static const struct msp_policy_options options = {.endpoint = "imds"};
    struct msp_diags diags = {0};
    uint8_t *image = NULL, *old;
    char *carried = NULL;
    size_t n = 0, old_len, carried_len = 0;

    if (msp_policy_compile_as(text, len, &options, &diags, &image, &n) == 0) {
        old = age(image, &old_len);
        FUZZ_CHECK(carry(old, old_len));
        forget_rates(image, n);
        FUZZ_CHECK(msp_image_carry(old, old_len, &carried, &carried_len) == 0);
        FUZZ_CHECK(carried_len == n && memcmp(carried, image, n) == 0);
        free(carried);
        free(old);
    }
    free(image);
    msp_diags_done(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *bytes;

    if (len < 1)
        return 0;
    bytes = fuzz_copy(data + 1, --len);
    if (data[0] % KINDS == DOCUMENT) {
        carry_document((const char *)bytes, len);
        free(bytes);
        return 0;
    }
    if (len >= sizeof(struct msp_image_header)) {
        if (data[0] % KINDS == FRAME)
            frame_image((void *)bytes, len, OLD_VERSION,
                        sizeof(struct old_endpoint));
        if (data[0] % KINDS != AS_IT_IS)
            (void)msp_image_digest(
                bytes, len, ((struct msp_image_header *)(void *)bytes)->digest);
    }
    (void)carry(bytes, len);
    free(bytes);
    return 0;
}
