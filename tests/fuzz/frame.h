/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Headers that are right, for images that fuzzing made of anything. */
#pragma once

#include <msp/image.h>

/*
 * Makes the header of an image one whose sections follow one another, each as
 * many entries as it says; the digest stays.
 * @param len of the image, at least of its header
 * @param endpoint_bytes an entry of MSP_SEC_ENDPOINTS in that version
 */
void frame_image(struct msp_image_header *header, size_t len, uint32_t version,
                 uint32_t endpoint_bytes);
