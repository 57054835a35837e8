/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "base/caps.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include <sys/capability.h>

static bool is_kept(int cap, const int *keep, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (keep[i] == cap)
            return true;
    return false;
}

static void free_cap(cap_t *caps)
{
    if (*caps)
        (void)cap_free(*caps);
}

static int cut_bounding(const int *keep, size_t n)
{
    for (int cap = 0; cap < cap_max_bits(); cap++) {
        if (is_kept(cap, keep, n) || cap_get_bound(cap) != 1)
            continue;
        if (cap_drop_bound(cap) < 0)
            return -errno;
    }
    return 0;
}

static int set_sets(const int *keep, size_t n)
{
    __attribute__((cleanup(free_cap))) cap_t caps = cap_init();

    if (!caps)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        cap_value_t cap = keep[i];

        if (cap_set_flag(caps, CAP_PERMITTED, 1, &cap, CAP_SET) < 0 ||
            cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_SET) < 0)
            return -errno;
    }
    return cap_set_proc(caps) < 0 ? -errno : 0;
}

static int verify(const int *keep, size_t n)
{
    __attribute__((cleanup(free_cap))) cap_t caps = cap_get_proc();

    if (!caps)
        return -ENOMEM;
    for (int cap = 0; cap < cap_max_bits(); cap++) {
        cap_flag_value_t permitted, effective, inheritable;
        cap_flag_value_t want = is_kept(cap, keep, n) ? CAP_SET : CAP_CLEAR;

        if (cap_get_flag(caps, cap, CAP_PERMITTED, &permitted) < 0 ||
            cap_get_flag(caps, cap, CAP_EFFECTIVE, &effective) < 0 ||
            cap_get_flag(caps, cap, CAP_INHERITABLE, &inheritable) < 0)
            return -errno;
        /* fail closed: more privilege than the list says is a fault */
        if (permitted != want || effective != want ||
            inheritable != CAP_CLEAR || cap_get_ambient(cap) == CAP_SET ||
            (n && want == CAP_CLEAR && cap_get_bound(cap) == 1))
            return -EACCES;
    }
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
        prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return -EACCES;
    return 0;
}

int msp_caps_reduce(const int *keep, size_t n)
{
    int r;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (cap_reset_ambient() < 0)
        return -errno;
    r = n ? cut_bounding(keep, n) : 0;
    if (r < 0)
        return r;
    r = set_sets(keep, n);
    if (r < 0)
        return r;
    /* after the last change of credentials: those set it again */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return -errno;
    return verify(keep, n);
}

int msp_caps_shrink(const int *keep, size_t n)
{
    __attribute__((cleanup(free_cap))) cap_t caps = cap_get_proc();

    if (!caps)
        return -ENOMEM;
    for (int cap = 0; cap < cap_max_bits(); cap++) {
        cap_value_t value = cap;

        if (!is_kept(cap, keep, n) &&
            (cap_set_flag(caps, CAP_PERMITTED, 1, &value, CAP_CLEAR) < 0 ||
             cap_set_flag(caps, CAP_EFFECTIVE, 1, &value, CAP_CLEAR) < 0 ||
             cap_set_flag(caps, CAP_INHERITABLE, 1, &value, CAP_CLEAR) < 0))
            return -errno;
    }
    return cap_set_proc(caps) < 0 ? -errno : 0;
}
