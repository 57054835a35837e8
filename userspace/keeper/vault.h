/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every byte of a key that the keeper holds, in one block that is locked in
 * memory, left out of core dumps and empty in a forked child. Key and GUID
 * travel together, and are wiped as soon as they were handed on.
 */
#pragma once

#include <msp/child.h>
#include <msp/limits.h>

#include "keeper/keyfile.h"
#include "proxy/key.h"

struct msp_vault {
    /* an answer of the host that has a key in it */
    char room[MSP_HEAD_BYTES_MAX + MSP_CHANNEL_KEY_BYTES];
    char text[MSP_KEYFILE_BYTES_MAX + 1];
    struct msp_keyfile pending; /* guid "" = none */
    struct msp_keyfile again;   /* read back */
    struct msp_child_key packet;
};

/* @return 0; negative errno: no key may be held */
int msp_vault_new(struct msp_vault **ret_vault);
struct msp_vault *msp_vault_free(struct msp_vault *vault); /* NULL */

/* All of it. */
void msp_vault_wipe(struct msp_vault *vault);

/* Pending comes from an answer. @return 0; -EINVAL, -ENOMEM */
int msp_vault_take(struct msp_vault *vault, const char *text, size_t len,
                   const char **reterr_why);

/*
 * Pending comes from the file of this GUID.
 * @return 0; -ENOENT; -EPERM; -EKEYREJECTED it is another key's; -EINVAL
 */
int msp_vault_find(struct msp_vault *vault, int dir_fd, const char *guid);

/*
 * The same from a descriptor of another agent's file, for reading.
 * @return as msp_vault_find
 */
int msp_vault_adopt(struct msp_vault *vault, int fd, const char *guid);

/* Writes pending, reads it back and compares. @return 0; negative errno */
int msp_vault_store(struct msp_vault *vault, int dir_fd);

/* Fills the packet of mspd from pending, or with "none". */
void msp_vault_pack(struct msp_vault *vault);
