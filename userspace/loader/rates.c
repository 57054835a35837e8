/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/rates.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "msp.skel.h"

int msp_rates_sweep(struct msp_loader *loader,
                    struct msp_rate_sweep_ctx *ret_counts)
{
    struct msp_rate_sweep_ctx ctx = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx));
    int fd = bpf_program__fd(loader->skel->progs.msp_sweep_rates);
    int r = bpf_prog_test_run_opts(fd, &opts);

    if (r < 0)
        return msp_loader_fail(loader, r, "running msp_sweep_rates");
    *ret_counts = ctx;
    return 0;
}
