/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The accepted images in the state directory: the last one, which the next
 * boot starts from, and the one before it, for `policy rollback`; and what the
 * host said last. Each is whole or absent at every moment.
 */
#pragma once

#include <msp/image.h>

/* An image of the store and its checked view. */
struct msp_stored {
    char *bytes; /* owned; NULL = none */
    size_t len;
    struct msp_image image;
};

enum msp_store_which {
    MSP_STORE_LAST,
    MSP_STORE_BEFORE,
    MSP_STORE_HOST, /* the host's policy; by itself */
};

/*
 * @param ret empty; filled if there is a sound one
 * @param reterr_why set on -EPROTO and the like: what is wrong with the bytes
 * @return 0; -ENOENT; as msp_image_open; negative errno
 */
int msp_store_read(int state_fd, enum msp_store_which which,
                   struct msp_stored *ret, const char **reterr_why);

/*
 * Makes an image the last one and what was so the one before. The same image
 * once more changes nothing.
 * @param bytes [len] a sound image
 * @return 0; negative errno: the last one is as it was
 */
int msp_store_accept(int state_fd, const void *bytes, size_t len);

/* Makes an image the host's. @return as above */
int msp_store_host(int state_fd, const void *bytes, size_t len);
