/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include <msp/cleanup.h>

#include "daemon/dirs.h"

static const char *const names[] = {
    [MSP_STORE_LAST] = "policy.image",
    [MSP_STORE_BEFORE] = "policy.previous.image",
    [MSP_STORE_HOST] = "policy.host.image",
};
static const char temp_name[] = "policy.previous.image.new";

/* One that an earlier mspd stored. @return 0; negative errno */
static int carry(struct msp_stored *stored)
{
    char *bytes;
    int r = msp_image_carry(stored->bytes, stored->len, &bytes, &stored->len);

    if (r < 0)
        return r;
    free(stored->bytes);
    stored->bytes = bytes;
    return 0;
}

int msp_store_read(int state_fd, enum msp_store_which which,
                   struct msp_stored *ret, const char **reterr_why)
{
    struct msp_stored found = {0};
    int r;

    *reterr_why = "";
    r = msp_dirs_read(state_fd, names[which], MSP_IMAGE_BYTES_MAX, &found.bytes,
                      &found.len);
    if (r < 0)
        return r;
    r = msp_image_open(found.bytes, found.len, &found.image, reterr_why);
    if (r == -EPROTONOSUPPORT && carry(&found) == 0)
        r = msp_image_open(found.bytes, found.len, &found.image, reterr_why);
    if (r < 0) {
        free(found.bytes);
        return r;
    }
    *ret = found;
    return 0;
}

/* The last one gets the other name too; it keeps its own until replaced. */
static int keep_last(int state_fd)
{
    const char *last = names[MSP_STORE_LAST];
    const char *before = names[MSP_STORE_BEFORE];

    if (unlinkat(state_fd, temp_name, 0) < 0 && errno != ENOENT)
        return -errno;
    if (linkat(state_fd, last, state_fd, temp_name, 0) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (renameat(state_fd, temp_name, state_fd, before) < 0)
        return -errno;
    /* two names of one file: the rename did nothing, and need not have */
    (void)unlinkat(state_fd, temp_name, 0);
    return fsync(state_fd) < 0 ? -errno : 0;
}

static bool is_last(int state_fd, const void *bytes, size_t len)
{
    msp_autofree char *last = NULL;
    size_t last_len = 0;

    return msp_dirs_read(state_fd, names[MSP_STORE_LAST], MSP_IMAGE_BYTES_MAX,
                         &last, &last_len) == 0 &&
           last_len == len && memcmp(last, bytes, len) == 0;
}

int msp_store_accept(int state_fd, const void *bytes, size_t len)
{
    int r;

    if (is_last(state_fd, bytes, len))
        return 0;
    r = keep_last(state_fd);
    if (r < 0)
        return r;
    return msp_dirs_store(state_fd, names[MSP_STORE_LAST], bytes, len);
}

int msp_store_host(int state_fd, const void *bytes, size_t len)
{
    return msp_dirs_store(state_fd, names[MSP_STORE_HOST], bytes, len);
}
