/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Any bytes as an image: refused with a reason, or a view that can be walked
 * whole. The digest would keep all mutants out, so a first byte says whether
 * header and digest are made right before.
 *
 * Input: one byte of options, then the image.
 */
#include <msp/image.h>

#include "frame.h"
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
            frame_image(bytes, len, MSP_IMAGE_VERSION,
                        sizeof(struct msp_image_endpoint));
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
