/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the iterators and the programs that mspd runs by hand answer. Part of
 * abi.h, which includes it.
 */
#pragma once

#include <linux/types.h>

#include <msp/abi.h>

/* What the iterator over mspd's own descriptors says of one of them. */
struct msp_file_fact {
    struct msp_exe exe;
    __s64 ctime_sec;
    __u64 magic; /* of the file system, s_magic */
    __u32 ctime_nsec;
    __u32 fd;
    __u32 mode; /* i_mode */
    __u32 nlink;
    __u32 time_gran; /* ns; ctimes are multiples of it */
    __u32 pad;
};

MSP_ASSERT_SIZE(msp_file_fact, 56);

/* What the iterator over programs says of one with socket addresses. */
struct msp_prog_fact {
    __u32 id;
    char name[16]; /* ends in NUL */
};

MSP_ASSERT_SIZE(msp_prog_fact, 20);

/* flags of msp_find_root_ctx */
#define MSP_ROOT_FOUND        0x1u /* ino and dev are set */
#define MSP_ROOT_IN_CONTAINER 0x2u /* the caller itself is in a container */

/* Context of the program `find_root`. */
struct msp_find_root_ctx {
    __u64 ino;   /* out */
    __u32 dev;   /* out, kernel encoding */
    __u32 flags; /* out, MSP_ROOT_* */
};

MSP_ASSERT_SIZE(msp_find_root_ctx, 16);

#define MSP_SCOPE_NONE 0xffffffffu /* not an ancestor of the caller */

/* Context of the program `find_scope`. */
struct msp_find_scope_ctx {
    __u64 cgroup; /* in: id */
    __u32 level;  /* out: its depth, root = 0 */
    __u32 pad;
};

MSP_ASSERT_SIZE(msp_find_scope_ctx, 16);
