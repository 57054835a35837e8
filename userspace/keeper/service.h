/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The keeper at work: its socket to mspd, name queries, and the secure channel
 * with what that needs (client, vault, key store). Logs.
 */
#pragma once

#include "base/loop.h"
#include "keeper/channel.h"
#include "keeper/client.h"
#include "keeper/rules.h"
#include "keeper/vault.h"

struct msp_keeper {
    struct msp_loop *loop;
    struct msp_source control;
    int error; /* why it must end, 0 = it need not */
    struct msp_vault *vault;

    /* the secure channel, if is_channel */
    bool is_channel;
    struct msp_channel channel;
    struct msp_client client;
    struct msp_timer timer;
    struct msp_key *key; /* the pending one, prepared to sign */
    struct msp_sign *sign;
    char *room; /* for answers without a key */
    size_t room_size;
    int64_t host_s;   /* the host's clock, */
    uint64_t boot_ns; /* and CLOCK_BOOTTIME then; 0 = not known */
    char live[MSP_GUID_BYTES];
    struct msp_rules rules;
    struct msp_child_adopt wanted; /* asked of mspd */
    struct msp_child_channel told; /* what mspd was told last */
};

/*
 * @param scale waits are so many times shorter; 1 but for tests. 0: no channel
 * @return 0; negative errno: release with msp_keeper_done all the same
 */
int msp_keeper_init(struct msp_keeper *keeper, uint32_t scale);

/* Hands the key of the file at MSP_FD_KEEPER_KEY on. @return 0; -errno */
int msp_keeper_give_static(struct msp_keeper *keeper);

/* Until mspd is gone. @return 0; negative errno */
int msp_keeper_run(struct msp_keeper *keeper);
void msp_keeper_done(struct msp_keeper *keeper);
