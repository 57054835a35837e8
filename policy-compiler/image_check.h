/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the files of the reader share: image.c has the frame and the tables of
 * requests, image_identity.c those of callers. A check sets *reterr_why and
 * returns a negative errno, or 0.
 */
#pragma once

#include <stdbool.h>

#include <msp/image.h>

/* The first fault: every check ends in `return msp_image_fail(...)`. */
static inline int msp_image_fail(const char **reterr_why, int r,
                                 const char *text)
{
    *reterr_why = text;
    return r;
}

bool msp_image_is_zero(const void *bytes, size_t len);

/* Text, NUL, zeros to the end. @return length of the text; -1 = not so */
int msp_image_text_len(const char *text, size_t size);

/*
 * A reference to the start of a string.
 * @param max longest text; 0 = must be the empty string
 */
int msp_image_check_string(const struct msp_image *image, uint32_t off,
                           bool may_be_empty, size_t max,
                           const char **reterr_why);

/* In this order, after strings and sets. */
int msp_image_check_exes(const struct msp_image *image,
                         const char **reterr_why);
int msp_image_check_identities(const struct msp_image *image,
                               const char **reterr_why);
int msp_image_check_demands(const struct msp_image *image,
                            const char **reterr_why);
int msp_image_check_processes(const struct msp_image *image,
                              const char **reterr_why);
int msp_image_check_cgroups(const struct msp_image *image,
                            const char **reterr_why);
