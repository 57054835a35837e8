/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/bootstrap.h"

__asm__(".pushsection .rodata\n"
        ".balign 8\n"
        ".global msp_bootstrap_image\n"
        "msp_bootstrap_image:\n"
        ".incbin \"" MSP_BOOTSTRAP_FILE "\"\n"
        ".global msp_bootstrap_image_end\n"
        "msp_bootstrap_image_end:\n"
        ".byte 0\n"
        ".popsection\n");
