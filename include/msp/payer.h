/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who pays: the one number that whatever a caller takes of a shared table is
 * charged to. A caller must not be able to be many of them:
 *
 *   container  a registered one, by the cgroup id of its top: whatever cgroups,
 *              network namespaces and users it makes are the same payer
 *   user       in the agent's own network namespace, a host process, by its
 *              effective uid; in a user namespace of somebody's own by his who
 *              made it, or the first of those around it; but not by root's,
 *              which anybody has in set-user-ID programs, and whatever service
 *              root made a user namespace for
 *   nobody     real root of the host in the agent's own network namespace
 *   cgroup     anybody else, by the id of his ancestor cgroup MSP_PAYER_LEVEL
 *              levels below the one that mspd is attached to (the root), or of
 *              his own if that is not so deep
 *
 * At that level systemd and the kubelet have what they start:
 *
 *   /kubepods.slice/kubepods-pod<uid>.slice/<container>              container
 *   /kubepods.slice/kubepods-burstable.slice/<pod>/<container>       pod
 *   /kubepods/burstable/<pod>/<container>                            pod
 *   /system.slice/docker-<id>.scope, /docker/<id>                    container
 *   /machine.slice/<machine>.scope                                   container
 *   /user.slice/user-<uid>.slice/<session or user@.service>          session
 *
 * A container whose own cgroup is at that level or below, or is registered,
 * cannot split itself. One above it, to which its runtime has delegated
 * cgroups (privileged, or with systemd inside), can be as many payers as it
 * makes children there, until it is registered. So what is kept
 * back for others (msp_payer_share) is kept by kind.
 */
#pragma once

#include <linux/types.h>

#include <msp/decide.h>

#define MSP_PAYER_LEVEL 3

/* The upper two bits of a payer; no id of a cgroup reaches them. */
enum msp_payer_kind {
    MSP_PAYER_NOBODY = 0, /* and the rest is 0, too */
    MSP_PAYER_USER,       /* effective uid */
    MSP_PAYER_CGROUP,     /* cgroup id */
    MSP_PAYER_CONTAINER,  /* cgroup id of the top */
};

#define MSP_PAYER_SHIFT 62

MSP_PURE __u64 msp_payer_of(enum msp_payer_kind kind, __u64 id)
{
    return (__u64)kind << MSP_PAYER_SHIFT |
           (id & ((1ull << MSP_PAYER_SHIFT) - 1));
}

MSP_PURE enum msp_payer_kind msp_payer_kind(__u64 payer)
{
    return (enum msp_payer_kind)(payer >> MSP_PAYER_SHIFT);
}

/*
 * A number below n, a power of two, of a payer. Ids are numbers in a row; who
 * shares one with whom depends on all bits of the seed.
 */
MSP_PURE __u32 msp_payer_hash(__u64 payer, __u64 seed, __u32 n)
{
    payer = (payer ^ seed) * 0xff51afd7ed558ccdull;
    payer ^= payer >> 33;
    payer *= seed | 1;
    payer ^= payer >> 33;
    return payer & (n - 1);
}

/*
 * Of every table a sixteenth is for root of the host alone, and a quarter for
 * nobody who pays by his cgroup. Of the rest one payer may have `most` as long
 * as half of the table is free, then ever less, in proportion to what is: three
 * times as many payers are needed to take it all as `most` goes into it, and
 * whoever comes last still gets one (a dynamic threshold).
 */
#define MSP_SHARE_ROOT  16
#define MSP_SHARE_KNOWN 4

/*
 * How much one payer may have of a table.
 * @param used entries in use, by whomever; @param max that there are
 * @param most that one may ever have; real root of the host may have all
 * @return he may have one more if he has fewer than these
 */
MSP_PURE __u32 msp_payer_share(__u64 payer, __u32 used, __u32 max, __u32 most)
{
    enum msp_payer_kind kind = msp_payer_kind(payer);
    __u32 limit = max, share;

    if (kind != MSP_PAYER_NOBODY)
        limit -= max / MSP_SHARE_ROOT;
    if (kind == MSP_PAYER_CGROUP)
        limit -= max / MSP_SHARE_KNOWN;
    if (used >= limit)
        return 0;
    if (kind == MSP_PAYER_NOBODY)
        return max;
    share = (2ull * most * (limit - used) + max - 1) / max;
    return share < most ? share : most;
}
