/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/privs.h"

#include <linux/capability.h>

#include <msp/cleanup.h>

#include "base/caps.h"

#define ROW(cap, holder, why)  \
    {                          \
        cap, #cap, holder, why \
    }

static const struct msp_priv table[] = {
    ROW(CAP_BPF, MSP_PRIV_MSPD, "load programs and write maps"),
    ROW(CAP_PERFMON, MSP_PRIV_MSPD, "programs that read kernel structures"),
    ROW(CAP_NET_ADMIN, MSP_PRIV_MSPD, "cgroup network programs"),
    ROW(CAP_SETUID, MSP_PRIV_MSPD, "start children as their own users"),
    ROW(CAP_SETGID, MSP_PRIV_MSPD, "start children as their own users"),
    ROW(CAP_KILL, MSP_PRIV_MSPD, "stop children of other users"),
    ROW(CAP_SYS_ADMIN, MSP_PRIV_NETNS, "enter network namespaces"),
    ROW(CAP_SYS_PTRACE, MSP_PRIV_NETNS, "open /proc/PID/ns/net and root"),
    ROW(CAP_DAC_READ_SEARCH, MSP_PRIV_NETNS,
        "reach namespace files and executables of the policy"),
    ROW(CAP_SETPCAP, MSP_PRIV_START, "cut the bounding set"),
};

const struct msp_priv *msp_privs(size_t *ret_n)
{
    *ret_n = ARRAY_SIZE(table);
    return table;
}

int msp_privs_reduce(void)
{
    int keep[ARRAY_SIZE(table)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (table[i].holder == MSP_PRIV_MSPD)
            keep[n++] = table[i].cap;
    return msp_caps_reduce(keep, n);
}
