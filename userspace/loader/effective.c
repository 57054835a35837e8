/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/effective.h"

#include <errno.h>
#include <linux/bpf.h>

#include <bpf/bpf.h>

#include <msp/cleanup.h>

#include "loader/attach.h"

/* Hooks where a program of others may change an address or a port. */
static bool is_rewriting(enum msp_prog hook)
{
    return hook != MSP_PROG_SOCKOPS && hook != MSP_PROG_EGRESS;
}

static bool has(const uint32_t *id, uint32_t n, uint32_t wanted)
{
    for (uint32_t i = 0; i < n; i++)
        if (id[i] == wanted)
            return true;
    return false;
}

/* @return from 1; 0 it does not run */
static uint32_t position_of(const struct msp_effective *effective, uint32_t id)
{
    for (uint32_t i = 0; i < effective->n_run; i++)
        if (effective->run[i] == id)
            return i + 1;
    return 0;
}

static void judge_one(const struct msp_effective *effective,
                      struct msp_foreign *foreign, uint32_t ours,
                      msp_foreign_fn fn, void *data)
{
    foreign->position = position_of(effective, foreign->id);
    foreign->is_after = foreign->position > ours;
    fn(data, foreign);
}

void msp_effective_judge(const struct msp_effective *effective,
                         enum msp_prog hook, uint32_t ours, bool is_ours,
                         msp_foreign_fn fn, void *data)
{
    struct msp_foreign foreign = {
        .hook = hook,
        .flags = effective->flags,
        .n_run = effective->n_run,
        .place = is_ours ? MSP_FOREIGN_SAME : MSP_FOREIGN_BELOW,
    };
    uint32_t at = position_of(effective, ours);

    if (!at)
        fn(data, &foreign);
    if (!is_rewriting(hook))
        return;
    for (uint32_t i = 0; i < effective->n_own; i++) {
        foreign.id = effective->own[i];
        if (foreign.id != ours)
            judge_one(effective, &foreign, at, fn, data);
    }
    foreign.place = MSP_FOREIGN_ABOVE;
    foreign.flags = BPF_F_ALLOW_MULTI; /* else it would not run here */
    for (uint32_t i = 0; i < effective->n_run && is_ours; i++) {
        foreign.id = effective->run[i];
        if (foreign.id != ours &&
            !has(effective->own, effective->n_own, foreign.id))
            judge_one(effective, &foreign, at, fn, data);
    }
}

/* --- the kernel --------------------------------------------------------- */

static int query(int cgroup_fd, enum msp_prog hook, uint32_t query_flags,
                 uint32_t *ret_flags, uint32_t *id, uint32_t *n)
{
    int r = bpf_prog_query(cgroup_fd, msp_attach_type(hook), query_flags,
                           ret_flags, id, n);

    return r < 0 ? -errno : 0;
}

static uint32_t own_id(const struct msp_loader *loader, enum msp_prog hook)
{
    struct bpf_prog_info info = {0};
    __u32 len = sizeof(info);

    return bpf_obj_get_info_by_fd(msp_loader_prog_fd(loader, hook), &info,
                                  &len) < 0
               ? 0
               : info.id;
}

int msp_effective_look(const struct msp_loader *loader, int cgroup_fd,
                       bool is_ours, msp_foreign_fn fn, void *data)
{
    for (int i = MSP_PROG_CGROUP_LINKS; i < MSP_PROG_LINKS; i++) {
        enum msp_prog hook = (enum msp_prog)i;
        struct msp_effective effective;
        uint32_t ignored = 0;
        int r;

        effective.n_own = MSP_EFFECTIVE_OWN_MAX;
        effective.n_run = MSP_EFFECTIVE_MAX;
        effective.flags = 0;
        r = query(cgroup_fd, hook, 0, &effective.flags, effective.own,
                  &effective.n_own);
        /* one without programs of its own runs what the one above it runs */
        if (r == 0 && !effective.n_own && !is_ours)
            continue;
        if (r == 0)
            r = query(cgroup_fd, hook, BPF_F_QUERY_EFFECTIVE, &ignored,
                      effective.run, &effective.n_run);
        if (r < 0)
            return r;
        msp_effective_judge(&effective, hook, own_id(loader, hook), is_ours, fn,
                            data);
    }
    return 0;
}

uint32_t msp_effective_excluder(int cgroup_fd, enum msp_prog hook)
{
    uint32_t id[MSP_EFFECTIVE_OWN_MAX], n = MSP_EFFECTIVE_OWN_MAX, flags = 0;

    if (query(cgroup_fd, hook, 0, &flags, id, &n) < 0 || !n ||
        flags & BPF_F_ALLOW_MULTI)
        return 0;
    return id[0];
}

/* --- words -------------------------------------------------------------- */

const char *msp_foreign_place_name(enum msp_foreign_place place)
{
    static const char *const names[] = {
        [MSP_FOREIGN_BELOW] = "below",
        [MSP_FOREIGN_SAME] = "same",
        [MSP_FOREIGN_ABOVE] = "above",
    };

    return names[place];
}

const char *msp_foreign_flags_name(uint32_t flags)
{
    if (flags & BPF_F_ALLOW_MULTI)
        return "multi";
    return flags & BPF_F_ALLOW_OVERRIDE ? "override" : "none";
}

const char *msp_foreign_cover(enum msp_prog hook)
{
    switch ((int)hook) {
    case MSP_PROG_CONNECT4:
    case MSP_PROG_CONNECT6:
        return "msp_egress drops what it leads to an endpoint";
    case MSP_PROG_SENDMSG4:
    case MSP_PROG_SENDMSG6:
        return "by nothing, but no endpoint speaks UDP";
    case MSP_PROG_BIND4:
    case MSP_PROG_BIND6:
        return "by nothing: it may lead to the port of a dead agent";
    default:
        return "needs none: it decides nothing";
    }
}
