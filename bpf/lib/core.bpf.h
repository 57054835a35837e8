/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The few kernel structs the programs read, with only the fields they read;
 * libbpf relocates the offsets (CO-RE). No vmlinux.h in the tree: it is large,
 * and every field here is one somebody has thought about.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define MSP_CORE __attribute__((preserve_access_index))

struct user_namespace {
    int level;
} MSP_CORE;

typedef struct {
    __u32 val;
} kuid_t;

typedef struct {
    __u32 val;
} kgid_t;

struct group_info {
    int ngroups;
    kgid_t gid[];
} MSP_CORE;

struct cred {
    kuid_t uid;
    kuid_t euid;
    kgid_t egid;
    struct user_namespace *user_ns;
    struct group_info *group_info;
} MSP_CORE;

struct super_block {
    __u32 s_dev;
} MSP_CORE;

struct inode {
    struct super_block *i_sb;
    __u64 i_ino;
    __u32 i_generation;
} MSP_CORE;

struct dentry {
    struct inode *d_inode;
} MSP_CORE;

struct path {
    struct dentry *dentry;
} MSP_CORE;

struct fs_struct {
    struct path root;
} MSP_CORE;

struct file {
    struct inode *f_inode;
} MSP_CORE;

struct mm_struct {
    struct file *exe_file;
} MSP_CORE;

struct pid {
    unsigned int level;
} MSP_CORE;

struct task_struct {
    unsigned int flags;
    int pid;
    int tgid;
    struct task_struct *real_parent;
    struct task_struct *group_leader;
    struct pid *thread_pid;
    struct mm_struct *mm;
    struct fs_struct *fs;
    const struct cred *cred;
    char comm[16];
} MSP_CORE;

struct tcp_sock {
    __u32 write_seq;
    __u32 rcv_nxt;
    __u8 repair : 1;
} MSP_CORE;

#define PF_KTHREAD 0x00200000
