/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the tamper guard is to guard: the files behind mspd's options, opened,
 * and a digest of both. Knows no BPF.
 */
#pragma once

#include "daemon/opts.h"
#include "loader/guard.h"

enum {
    MSP_GUARDSET_MAX = 512,
};

struct msp_guardset {
    struct msp_guard_want want[MSP_GUARDSET_MAX]; /* [n] owned descriptors */
    size_t n;
    int rules_fd;       /* of want: the local rule files; -1: none */
    uint8_t digest[32]; /* of options, users, files that these name */
};

/*
 * Opens everything there is. What may be missing (a unit file, mspctl) is left
 * out; what the options name must be there.
 * @param reterr_what the path that failed, valid until the options go
 * @return 0; negative errno. Release with msp_guardset_done() in any case
 */
int msp_guardset_open(struct msp_guardset *set, const struct msp_opts *opts,
                      const char **reterr_what);
void msp_guardset_done(struct msp_guardset *set);

/*
 * The name of this host that a token must give: its machine id.
 * @param ret [size] empty on failure
 * @return 0; negative errno
 */
int msp_guardset_host(char *ret, size_t size);
