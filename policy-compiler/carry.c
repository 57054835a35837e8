/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Images of version 3, as an earlier mspd left them, in the format of today.
 * Nothing in them is believed: what comes out is opened like any other.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>
#include <msp/image.h>

#define VERSION_3 3
/* What an endpoint has got since: a rate limit, none in all of these. */
#define NEW_AT    offsetof(struct msp_endpoint, rate)
#define NEW_BYTES sizeof(struct msp_rate_limit)

_Static_assert(MSP_IMAGE_VERSION == VERSION_3 + 1, "see what has changed");
_Static_assert(offsetof(struct msp_image_endpoint, ep) == 0, "as above");

static int check(const struct msp_image_header *header, size_t len)
{
    uint8_t digest[MSP_DIGEST_BYTES];
    int r;

    if (len < sizeof(*header) || header->magic != MSP_IMAGE_MAGIC ||
        header->endian != MSP_IMAGE_ENDIAN || header->version != VERSION_3)
        return -EPROTONOSUPPORT;
    if (header->total_bytes != len || len > MSP_IMAGE_BYTES_MAX)
        return -EINVAL;
    r = msp_image_digest(header, len, digest);
    if (r < 0)
        return r;
    return memcmp(digest, header->digest, sizeof(digest)) ? -EBADMSG : 0;
}

static size_t bytes_of(const struct msp_image_section *s)
{
    return (size_t)s->count * s->entry_bytes;
}

/* Where the sections stand. @return length of the image; 0: it cannot be */
static size_t place(const struct msp_image_header *old, size_t len,
                    struct msp_image_header *ret)
{
    size_t at = sizeof(*ret);

    *ret = *old;
    ret->version = MSP_IMAGE_VERSION;
    for (size_t i = 0; i < MSP_SEC_COUNT; i++) {
        const struct msp_image_section *s = &old->section[i];

        if (s->offset > len || s->count > MSP_IMAGE_BYTES_MAX ||
            s->entry_bytes > MSP_IMAGE_BYTES_MAX ||
            bytes_of(s) > len - s->offset)
            return 0;
        if (i == MSP_SEC_ENDPOINTS) {
            if (s->entry_bytes != sizeof(struct msp_image_endpoint) - NEW_BYTES)
                return 0;
            ret->section[i].entry_bytes = sizeof(struct msp_image_endpoint);
        }
        ret->section[i].offset = at;
        at = (at + bytes_of(&ret->section[i]) + 7) & ~(size_t)7;
    }
    ret->total_bytes = at;
    return at;
}

static void fill(const uint8_t *old, const struct msp_image_header *header,
                 uint8_t *ret)
{
    const struct msp_image_section *from =
        ((const struct msp_image_header *)(const void *)old)->section;

    for (size_t i = 0; i < MSP_SEC_COUNT; i++) {
        const struct msp_image_section *to = &header->section[i];
        size_t row = from[i].entry_bytes;

        if (i != MSP_SEC_ENDPOINTS) {
            if (bytes_of(to))
                memcpy(ret + to->offset, old + from[i].offset, bytes_of(to));
            continue;
        }
        for (size_t k = 0; k < to->count; k++) {
            const uint8_t *in = old + from[i].offset + k * row;
            uint8_t *out = ret + to->offset + k * to->entry_bytes;

            memcpy(out, in, NEW_AT);
            memcpy(out + NEW_AT + NEW_BYTES, in + NEW_AT, row - NEW_AT);
        }
    }
}

int msp_image_carry(const void *bytes, size_t len, char **ret_bytes,
                    size_t *ret_len)
{
    struct msp_image_header header;
    msp_autofree uint8_t *image = NULL;
    size_t new_len;
    int r = check(bytes, len);

    if (r < 0)
        return r;
    new_len = place(bytes, len, &header);
    if (!new_len)
        return -EINVAL;
    image = calloc(1, new_len);
    if (!image)
        return -ENOMEM;
    fill(bytes, &header, image);
    memcpy(image, &header, sizeof(header));
    r = msp_image_digest(image, new_len, header.digest);
    if (r < 0)
        return r;
    memcpy(image, &header, sizeof(header));
    *ret_bytes = (char *)TAKE_PTR(image);
    *ret_len = new_len;
    return 0;
}
