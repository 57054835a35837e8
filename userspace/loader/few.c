/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/few.h"

#include <string.h>

enum {
    HOST_BITS = MSP_EP_KEY_FIXED_BITS + 128 /* prefixlen of one address */
};

static bool is_mapped(const uint8_t addr[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    return memcmp(addr, mapped, sizeof(mapped)) == 0;
}

static bool add(uint32_t few_be[MSP_FEW], uint32_t addr_be)
{
    for (size_t i = 0; i < MSP_FEW; i++) {
        if (few_be[i] == addr_be)
            return true;
        if (!few_be[i]) {
            few_be[i] = addr_be;
            return true;
        }
    }
    return false;
}

bool msp_few_find(const struct msp_image *image, uint32_t ret_few_be[MSP_FEW])
{
    memset(ret_few_be, 0, MSP_FEW * sizeof(*ret_few_be));
    for (uint32_t i = 0; i < image->n[MSP_SEC_PREFIXES]; i++) {
        const struct msp_ep_key *key = &image->prefixes[i].key;
        uint32_t addr_be;

        memcpy(&addr_be, key->addr + 12, sizeof(addr_be));
        if (key->prefixlen != HOST_BITS || !is_mapped(key->addr) || !addr_be ||
            !add(ret_few_be, addr_be)) {
            memset(ret_few_be, 0, MSP_FEW * sizeof(*ret_few_be));
            return false;
        }
    }
    return true;
}
