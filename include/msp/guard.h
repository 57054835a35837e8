/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The contract between the tamper guard's programs and mspd: what is guarded,
 * from whom, and what was refused.
 */
#pragma once

#include <linux/types.h>

#include <msp/abi.h>

/*
 * Flags of msp_guard_file (key: struct msp_exe, the file as the kernel names
 * it) and of struct msp_guard_proc. "Nobody" is: but for the agent's own
 * processes and pid 1, while the guard is locked.
 */
#define MSP_GUARD_NOWRITE    0x001u  /* nobody writes it or sets attributes */
#define MSP_GUARD_NOREAD     0x002u  /* nobody reads it; DIR: what is in it */
#define MSP_GUARD_NAMES      0x004u  /* nobody renames, links, mounts over it */
#define MSP_GUARD_DIR        0x008u  /* nobody changes what is right in it */
#define MSP_GUARD_TREE       0x010u  /* BPF pins: nor anything below */
#define MSP_GUARD_NOSEARCH   0x020u  /* BPF pins: nobody opens what is in it */
#define MSP_GUARD_MOUNTPOINT 0x040u  /* what is mounted there stays */
#define MSP_GUARD_MOUNTS     0x080u  /* while registering: mounts down to it */
#define MSP_GUARD_ROLE       0x100u  /* executable of mspd: may write maps */
#define MSP_GUARD_PROCESS    0x200u  /* of mspd or a child: not to be touched */
#define MSP_GUARD_LIBRARY    0x400u  /* may be mapped by mspd */
#define MSP_GUARD_LOADER     0x800u  /* executable that may load LSM programs */
#define MSP_GUARD_INIT       0x1000u /* pid 1 */
#define MSP_GUARD_FOREIGN    0x2000u /* runs others' code too: has no right */
#define MSP_GUARD_IN_DIR     0x4000u /* file of a MSP_GUARD_DIR, while in it */

/* What such a file is; with MSP_GUARD_NOREAD of its directory. */
#define MSP_GUARD_INSIDE \
    (MSP_GUARD_NOWRITE | MSP_GUARD_NAMES | MSP_GUARD_IN_DIR)

/* What msp_guard_proc says of a process. Key: tgid. */
struct msp_guard_proc {
    __u64 start_ns; /* of its group leader, since boot */
    __u64 exec_id;
    __u32 flags; /* MSP_GUARD_ROLE, PROCESS, LOADER, FOREIGN */
    __u32 pad;
};

MSP_ASSERT_SIZE(msp_guard_proc, 24);

/* What the iterator `msp_g_roles` says of a process. */
struct msp_guard_role {
    __u32 tgid;  /* init pid namespace */
    __u32 flags; /* of its row; 0: nobody, or of an earlier program */
};

MSP_ASSERT_SIZE(msp_guard_role, 8);

/*
 * What the kernel compares when a map is put into a map of maps. Key of
 * msp_guard_shape, one for each of our maps.
 */
struct msp_guard_shape {
    __u32 type; /* enum bpf_map_type */
    __u32 key_bytes;
    __u32 value_bytes;
    __u32 flags; /* BPF_F_* */
};

MSP_ASSERT_SIZE(msp_guard_shape, 16);

/* flags of msp_guard_state */
#define MSP_GUARD_ON     0x1u
#define MSP_GUARD_KERNEL 0x2u /* modules and kexec as well */

/* The only entry of msp_guard. */
struct msp_guard_state {
    __u64 unlocked_until_ns; /* since boot */
    __u64 root_ino;          /* root directory of pid 1 */
    __u32 root_dev;
    __u32 mnt_ns;     /* of pid 1, its inode number */
    __u32 own_mnt_ns; /* of mspd */
    __u32 pin_dev;    /* s_dev of the file system with the pins */
    __u32 flags;
    __u32 pad;
    __u64 since_ns;   /* since boot: when this guard was first made */
    __u64 since_s;    /* the same by the wall clock then */
    __u8 options[32]; /* digest of what mspd was started with */
    char host[64];    /* the host that a token must name, NUL-padded */
    __u8 key[32];     /* Ed25519 public key of tokens; all zero: none */
};

MSP_ASSERT_SIZE(msp_guard_state, 184);

/* What an attempt was aimed at; index of msp_guard_stat. */
enum msp_guard_kind {
    MSP_GUARD_KIND_MAP = 0,
    MSP_GUARD_KIND_LINK,
    MSP_GUARD_KIND_PROG,
    MSP_GUARD_KIND_PIN,
    MSP_GUARD_KIND_MOUNT,
    MSP_GUARD_KIND_FILE,
    MSP_GUARD_KIND_PROCESS,
    MSP_GUARD_KIND_FTRACE,
    MSP_GUARD_KIND_CGROUP,
    MSP_GUARD_KIND_KERNEL,
    MSP_GUARD_KIND_COUNT,
};

/* Refusals of one kind, and who was refused last. */
struct msp_guard_stat {
    __u64 n;
    __u64 last_ns; /* since boot */
    __u32 pid;     /* tgid, init pid namespace */
    __u32 uid;     /* real, init user namespace */
    char comm[16]; /* chosen by the process: a hint, no identity */
};

MSP_ASSERT_SIZE(msp_guard_stat, 40);

/* flags of msp_guard_cg: which files of a cgroup's directory */
#define MSP_GUARD_CG_ABOVE 0x1u /* an ancestor: cgroup.kill, cgroup.freeze */
#define MSP_GUARD_CG_OWN   0x2u /* the agent's: cgroup.procs, .threads also */

/* Context of the program `msp_g_place`. */
struct msp_guard_place_ctx {
    __u64 is_found; /* out: pid 1 was found */
};

MSP_ASSERT_SIZE(msp_guard_place_ctx, 8);
