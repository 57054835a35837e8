/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "emit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

int msp_emit(const struct msp_tables *tables, struct report *report,
             uint8_t **ret_image, size_t *ret_len)
{
    struct msp_image_header header = {.magic = MSP_IMAGE_MAGIC,
                                      .endian = MSP_IMAGE_ENDIAN,
                                      .version = MSP_IMAGE_VERSION};
    msp_autofree uint8_t *image = NULL;
    size_t at = sizeof(header);
    int r;

    for (size_t i = 0; i < MSP_SEC_COUNT; i++) {
        const struct rows *rows = &tables->section[i];

        header.section[i] =
            (struct msp_image_section){.offset = at,
                                       .count = (uint32_t)rows->n,
                                       .entry_bytes = (uint32_t)rows->size};
        at = (at + rows->n * rows->size + 7) & ~(size_t)7;
    }
    if (at > MSP_IMAGE_BYTES_MAX) {
        msp_report_error(report, MSP_DIAG_LIMIT, "",
                         "an image of at most 16777216 bytes", "%zu", at);
        return report->r;
    }
    header.total_bytes = at;
    image = calloc(1, at);
    if (!image)
        return -ENOMEM;
    memcpy(image, &header, sizeof(header));
    for (size_t i = 0; i < MSP_SEC_COUNT; i++)
        if (tables->section[i].n > 0)
            memcpy(image + header.section[i].offset, tables->section[i].data,
                   tables->section[i].n * tables->section[i].size);
    r = msp_image_digest(image, at, header.digest);
    if (r < 0)
        return r;
    memcpy(image, &header, sizeof(header));
    *ret_image = TAKE_PTR(image);
    *ret_len = at;
    return 1;
}
