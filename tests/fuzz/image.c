/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Any bytes as an image: refused with a reason, or a view that can be walked
 * whole. The digest would keep all mutants out, so a first byte says whether
 * header and digest are made right before.
 *
 * Input: one byte of options, then the image.
 */
#include <msp/image.h>

#include "fuzz.h"
#include "walk.h"

enum {
    AS_IT_IS = 0, /* the bytes alone */
    DIGEST,       /* with the right digest */
    FRAME,        /* and the right header, sections at the right places */
    KINDS,
};

#ifdef MSP_PLANT
/* Believes that paths point to conditions that are there. */
static int planted(const void *bytes, size_t len, struct msp_image *ret,
                   const char **why)
{
    int r = msp_image_open(bytes, len, ret, why);

    return r < 0 && strstr(*why, "condition") ? 0 : r;
}

#define msp_image_open planted
#endif

static void make_frame(struct msp_image_header *header, size_t len)
{
    uint64_t at = sizeof(*header);
    static const uint32_t entry_bytes[MSP_SEC_COUNT] = {
        [MSP_SEC_STRINGS] = 1,
        [MSP_SEC_ENDPOINTS] = sizeof(struct msp_image_endpoint),
        [MSP_SEC_PREFIXES] = sizeof(struct msp_image_prefix),
        [MSP_SEC_IDENTITIES] = sizeof(struct msp_image_identity),
        [MSP_SEC_PRIVILEGES] = sizeof(struct msp_image_privilege),
        [MSP_SEC_PATHS] = sizeof(struct msp_image_path),
        [MSP_SEC_SETS] = sizeof(struct msp_idset),
        [MSP_SEC_CONDS] = sizeof(struct msp_cond),
        [MSP_SEC_PAIRS] = sizeof(struct msp_pair_key),
        [MSP_SEC_EXES] = sizeof(struct msp_image_exe),
        [MSP_SEC_PROCESSES] = sizeof(struct msp_image_process),
        [MSP_SEC_CG_STATES] = sizeof(struct msp_cg_state),
        [MSP_SEC_CG_EDGES] = sizeof(struct msp_image_cg_edge),
        [MSP_SEC_DEMANDS] = sizeof(struct msp_image_demand),
    };

    _Static_assert(MSP_SEC_COUNT == 14, "a new section has a size");
    header->magic = MSP_IMAGE_MAGIC;
    header->endian = MSP_IMAGE_ENDIAN;
    header->version = MSP_IMAGE_VERSION;
    header->total_bytes = len;
    for (size_t i = 0; i < MSP_SEC_COUNT; i++) {
        header->section[i].offset = at;
        header->section[i].entry_bytes = entry_bytes[i];
        at += ((uint64_t)header->section[i].count * entry_bytes[i] + 7) & ~7ull;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct msp_image image;
    const char *why = NULL;
    void *bytes;
    int r;

    if (len < 1)
        return 0;
    bytes = fuzz_copy(data + 1, --len);
    if (len >= sizeof(struct msp_image_header)) {
        if (data[0] % KINDS == FRAME)
            make_frame(bytes, len);
        if (data[0] % KINDS != AS_IT_IS)
            (void)msp_image_digest(bytes, len,
                                   ((struct msp_image_header *)bytes)->digest);
    }
    r = msp_image_open(bytes, len, &image, &why);
    FUZZ_CHECK(r == 0 || (why && *why));
    if (r == 0)
        walk_image(&image);
    free(bytes);
    return 0;
}
