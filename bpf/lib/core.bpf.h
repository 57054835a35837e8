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

typedef struct {
    __u32 val;
} kuid_t;

struct user_namespace {
    int level;
    struct user_namespace *parent;
    kuid_t owner;
} MSP_CORE;

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

typedef struct {
    int counter;
} atomic_t;

typedef struct refcount_struct {
    atomic_t refs;
} refcount_t;

struct net {
    __u64 net_cookie;
} MSP_CORE;

/* what holds it; the name changed with 6.18 */
struct ns_common___6_18 {
    refcount_t __ns_ref;
} MSP_CORE;

struct net___6_18 {
    struct ns_common___6_18 ns;
} MSP_CORE;

struct ns_common___6_1 {
    refcount_t count;
} MSP_CORE;

struct net___6_1 {
    struct ns_common___6_1 ns;
} MSP_CORE;

struct nsproxy {
    struct mnt_namespace *mnt_ns;
    struct net *net_ns;
} MSP_CORE;

typedef struct {
    struct net *net;
} possible_net_t;

struct in6_addr {
    __u8 bytes[16];
};

struct sock_common {
    __be32 skc_daddr;
    __be16 skc_dport;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    unsigned char skc_ipv6only : 1;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr;
} MSP_CORE;

struct sock {
    struct sock_common __sk_common;
    kuid_t sk_uid;
    int sk_write_pending;
    void *sk_bpf_storage;
    __u8 sk_kern_sock : 1;
    __u16 sk_type;
    __u16 sk_protocol;
} MSP_CORE;

struct socket {
    struct sock *sk;
} MSP_CORE;

struct msghdr {
    void *msg_name;
    int msg_namelen;
} MSP_CORE;

/* A packet; what the context of a program of tc points to. */
struct sk_buff {
    unsigned char *head;
    unsigned char *data;
    __u16 csum_start;  /* from head */
    __u16 csum_offset; /* from there */
    __u8 ip_summed : 2;
} MSP_CORE;

struct bpf_sock_addr_kern {
    struct sock *sk;
} MSP_CORE;

/*
 * Gives back a word that was taken by changing it from 0 to 1: all that was
 * written before is there for who sees it 0. Atomic operations wait for that to
 * have happened; where stores are seen in their order, nobody has to.
 */
static __always_inline void core_give_back(__u32 *word)
{
#ifdef __TARGET_ARCH_x86
    __asm__ volatile("" ::: "memory");
    *(volatile __u32 *)word = 0;
#else
    __sync_val_compare_and_swap(word, 1, 0);
#endif
}

#ifdef MSP_NO_CAST
/*
 * For kernels before 6.2. That they lack the function cannot be asked at load:
 * libbpf would look for it in all modules, which takes CAP_SYS_ADMIN.
 */
static __always_inline void *bpf_cast_to_kern_ctx(void *ctx)
{
    return ctx; /* never called */
}

static __always_inline bool core_has_cast(void)
{
    return false;
}
#else
/* The verifier makes a move of it. @param ctx of the program */
extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym;

static __always_inline bool core_has_cast(void)
{
    return true;
}
#endif

struct super_block {
    __u32 s_dev;
    unsigned long s_magic;
    __u32 s_time_gran;
} MSP_CORE;

struct timespec64 {
    __s64 tv_sec;
    long tv_nsec;
} MSP_CORE;

struct inode {
    __u16 i_mode;
    struct super_block *i_sb;
    __u64 i_ino;
    __u32 i_nlink;
    __u32 i_generation;
    __s64 i_ctime_sec; /* since 6.11; the flavours below are older */
    __u32 i_ctime_nsec;
} MSP_CORE;

struct inode___6_6 {
    struct timespec64 __i_ctime;
} MSP_CORE;

struct inode___6_1 {
    struct timespec64 i_ctime;
} MSP_CORE;

struct qstr {
    __u32 len;
    const unsigned char *name;
} MSP_CORE;

struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
    struct inode *d_inode;
} MSP_CORE;

struct vfsmount {
    struct super_block *mnt_sb;
    int mnt_flags;
} MSP_CORE;

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
} MSP_CORE;

struct fs_struct {
    struct path root;
} MSP_CORE;

struct file {
    struct path f_path;
    struct inode *f_inode;
    unsigned int f_mode;
} MSP_CORE;

struct linux_binprm {
    struct file *file;
    unsigned int secureexec : 1;
} MSP_CORE;

struct ns_common {
    unsigned int inum;
} MSP_CORE;

struct mnt_namespace {
    struct ns_common ns;
} MSP_CORE;

struct mm_struct {
    struct file *exe_file;
} MSP_CORE;

struct pid_namespace {
    struct task_struct *child_reaper;
} MSP_CORE;

struct upid {
    struct pid_namespace *ns;
} MSP_CORE;

struct pid {
    unsigned int level;
    struct upid numbers[];
} MSP_CORE;

struct signal_struct {
    atomic_t live;
} MSP_CORE;

struct kernfs_node {
    const char *name;
    __u64 id;
} MSP_CORE;

struct cgroup_root {
    int hierarchy_id;
} MSP_CORE;

struct cgroup_subsys_state {
    struct cgroup *cgroup;
    struct cgroup_subsys_state *parent;
} MSP_CORE;

struct cgroup {
    struct cgroup_subsys_state self;
    int level;
    struct kernfs_node *kn;
    struct cgroup_root *root;
    struct cgroup *ancestors[];
} MSP_CORE;

struct css_set {
    struct cgroup *dfl_cgrp;
} MSP_CORE;

/* One filter of system calls, and those before it. */
struct seccomp_filter {
    struct seccomp_filter *prev;
    struct notification *notif; /* somebody is asked, and answers */
} MSP_CORE;

struct seccomp {
    struct seccomp_filter *filter;
} MSP_CORE;

struct task_struct {
    unsigned int flags;
    unsigned int ptrace;
    int pid;
    int tgid;
    __u64 start_boottime;
    __u64 self_exec_id;
    struct signal_struct *signal;
    struct css_set *cgroups;
    struct task_struct *real_parent;
    struct task_struct *group_leader;
    struct pid *thread_pid;
    struct mm_struct *mm;
    struct fs_struct *fs;
    struct nsproxy *nsproxy;
    const struct cred *cred;
    char comm[16];
    struct seccomp seccomp;
} MSP_CORE;

struct tcp_fastopen_request {
    struct msghdr *data;
} MSP_CORE;

struct tcp_sock {
    __u32 write_seq;
    __u32 rcv_nxt;
    __u8 repair : 1;
    struct request_sock *fastopen_rsk;
    struct tcp_fastopen_request *fastopen_req;
} MSP_CORE;

#define PF_KTHREAD 0x00200000

/* When the file's contents or names last changed. */
static __always_inline void core_ctime(struct inode *inode, __s64 *sec,
                                       __u32 *nsec)
{
    struct inode___6_6 *v6_6 = (void *)inode;
    struct inode___6_1 *v6_1 = (void *)inode;

    if (bpf_core_field_exists(inode->i_ctime_sec)) {
        *sec = inode->i_ctime_sec;
        /* since 6.13 the top bit says that somebody has asked */
        *nsec = inode->i_ctime_nsec & 0x7fffffff;
    } else if (bpf_core_field_exists(v6_6->__i_ctime)) {
        *sec = v6_6->__i_ctime.tv_sec;
        *nsec = v6_6->__i_ctime.tv_nsec;
    } else {
        *sec = v6_1->i_ctime.tv_sec;
        *nsec = v6_1->i_ctime.tv_nsec;
    }
}
