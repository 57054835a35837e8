/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Must not compile with -Werror=padded: proves that the flag is at work. */
#include <stdint.h>

struct padded {
    uint8_t a;
    uint32_t b;
};

int padded_size(void);

int padded_size(void)
{
    return sizeof(struct padded);
}
