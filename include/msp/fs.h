/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * File systems on which {device, inode, generation, ctime} tell files apart:
 * the kernel chooses all four, and no server or lower layer does. Both sides
 * ask here: mspd of the file a path names, the kernel of the one executed.
 */
#pragma once

#include <linux/magic.h>
#include <linux/types.h>
#include <stdbool.h>

/* Not in every linux/magic.h. @source fs/xfs/libxfs/xfs_format.h */
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* @param magic s_magic of the superblock */
static inline __attribute__((always_inline)) bool
msp_fs_is_accepted(__u64 magic)
{
    return magic == EXT4_SUPER_MAGIC || magic == XFS_SUPER_MAGIC ||
           magic == F2FS_SUPER_MAGIC || magic == EROFS_SUPER_MAGIC_V1 ||
           magic == SQUASHFS_MAGIC || magic == TMPFS_MAGIC;
}
