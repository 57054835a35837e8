/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "frame.h"

void frame_image(struct msp_image_header *header, size_t len, uint32_t version,
                 uint32_t endpoint_bytes)
{
    uint64_t at = sizeof(*header);
    const uint32_t entry_bytes[MSP_SEC_COUNT] = {
        [MSP_SEC_STRINGS] = 1,
        [MSP_SEC_ENDPOINTS] = endpoint_bytes,
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
    header->version = version;
    header->total_bytes = len;
    for (size_t i = 0; i < MSP_SEC_COUNT; i++) {
        header->section[i].offset = at;
        header->section[i].entry_bytes = entry_bytes[i];
        at += ((uint64_t)header->section[i].count * entry_bytes[i] + 7) & ~7ull;
    }
}
