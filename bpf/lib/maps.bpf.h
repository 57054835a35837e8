/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Every map. Names have at most 15 characters so that bpftool shows them
 * whole. All __weak: each hook file includes this header and the linker keeps
 * one copy.
 *
 * Three kinds:
 *  - live maps, pinned under maps/ and written by the programs;
 *  - msp_t_*: one-entry templates, one a policy table family, from which
 *    inner maps take their BTF; no program looks at them;
 *  - outer maps, ARRAY_OF_MAPS over MSP_SLOTS, whose inner maps mspd makes,
 *    fills, freezes and pins under gen/<n>/. An unfilled slot has none, so
 *    every look-up in it fails, which denies.
 */
#pragma once

#include <msp/abi.h>
#include <msp/pending.h>
#include <msp/rate.h>

#include "lib/core.bpf.h"

/* --- live --------------------------------------------------------------- */

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct msp_meta);
} msp_meta __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MSP_SLOTS);
    __type(key, __u32);
    __type(value, struct msp_ports);
} msp_ports __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, __u32); /* enum msp_own */
} msp_own_sk __weak SEC(".maps");

/* Where connect builds a mark; whoever changes `busy` from 0 to 1 has it. */
#define MSP_SCRATCHES     64
#define MSP_SCRATCH_TRIES 4
#define MSP_SCRATCH_STEP  17 /* to another CPU's */

struct msp_scratch {
    __u32 busy;
    __u32 pad;
    struct msp_mark mark;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MSP_SCRATCHES);
    __type(key, __u32);
    __type(value, struct msp_scratch);
} msp_scratch __weak SEC(".maps");

/* Of a connection that a listener accepted: read by the proxy. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct msp_mark);
} msp_sk_verdict __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct msp_owner);
} msp_sk_owner __weak SEC(".maps");

/* Not LRU: when it is full a new mark is refused, no other one is lost. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MSP_HANDOFF_MAX);
    __type(key, struct msp_flow_key);
    __type(value, struct msp_handoff);
} msp_handoff __weak SEC(".maps");

/* Entries of msp_handoff and msp_fd_socks by payer: nobody can take all. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MSP_PENDING_BUCKETS);
    __type(key, __u32); /* msp_pending_bucket() */
    __type(value, struct msp_pending);
} msp_pending __weak SEC(".maps");

/* The same by everybody together. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MSP_PENDING_KINDS);
    __type(key, __u32); /* enum msp_pending_kind */
    __type(value, __u32);
} msp_pending_sum __weak SEC(".maps");

/*
 * Connections under the fd guard, which is attached to this map. An entry goes
 * with its socket.
 */
struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, MSP_FD_SOCKS_MAX);
    __type(key, __u64); /* socket cookie */
    __type(value, __u64);
} msp_fd_socks __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MSP_NETNS_ROWS);
    __type(key, __u64); /* netns cookie */
    __type(value, struct msp_netns);
} msp_netns __weak SEC(".maps");

/* Of payers whose namespaces wait; mspd maps it to give tickets back. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, MSP_PARK_BUCKETS);
    __type(key, __u32); /* msp_payer_hash() */
    __type(value, struct msp_tickets);
} msp_tickets __weak SEC(".maps");

/* Apart from msp_ring, which the denied can fill. struct msp_park */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, MSP_PARK_RING_BYTES);
} msp_park_ring __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, MSP_AUDIT_MAX);
    __type(key, struct msp_audit_key);
    __type(value, struct msp_audit);
} msp_audit __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, MSP_AUDIT_CGROUPS_MAX);
    __type(key, __u64); /* cgroup id */
    __type(value, struct msp_audit_uids);
} msp_aud_uids __weak SEC(".maps");

/*
 * Not LRU: what does not fit is counted on the row of cgroup 0. Once it is half
 * full, mspd takes rows of cgroups that are gone away.
 */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MSP_COUNTERS_MAX);
    __type(key, struct msp_counter_key);
    __type(value, __u64);
} msp_counters __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MSP_STAT_COUNT);
    __type(key, __u32);
    __type(value, __u64);
} msp_stats __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, MSP_RING_BYTES);
} msp_ring __weak SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, MSP_WORKERS_MAX);
    __type(key, __u32);
    __type(value, struct msp_request);
} msp_requests __weak SEC(".maps");

/* What every process is. Key: tgid; mspd sets the size by the host's limits. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MSP_EXEC_MIN);
    __type(key, __u32);
    __type(value, struct msp_exec);
} msp_exec __weak SEC(".maps");

/* Empty but for the moment between two hooks of one exec. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MSP_EXEC_HASHES_MAX);
    __type(key, __u32); /* tgid */
    __type(value, struct msp_exec_hash);
} msp_exec_hash __weak SEC(".maps");

/* The containers' cgroups: inherited at mkdir, gone with their cgroups. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MSP_CONTAINER_CGROUPS_MAX);
    __type(key, __u64); /* cgroup id */
    __type(value, struct msp_ctr_ref);
} msp_ctr_cgroup __weak SEC(".maps");

/*
 * What containers are called; no program asks. A trie takes memory for what is
 * there, a hash also for what might be.
 */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MSP_CONTAINERS_MAX);
    __type(key, struct msp_ctr_key);
    __type(value, struct msp_ctr_name);
} msp_container __weak SEC(".maps");

/* Token buckets, see include/msp/rate.h. Not LRU: to push one out fills it. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MSP_RATE_ROWS);
    __type(key, __u32); /* msp_rate_rows() */
    __type(value, struct msp_rates);
} msp_rates __weak SEC(".maps");

/* An all-zero record to insert: too large for the stack. Never written. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_RDONLY_PROG);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct msp_audit);
} msp_zero_audit __weak SEC(".maps");

/* --- templates ---------------------------------------------------------- */

struct msp_t_lpm_ep {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct msp_ep_key);
    __type(value, struct msp_ep_ref);
} msp_t_ep_lpm __weak SEC(".maps");

struct msp_t_array_ep {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_INNER_MAP);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct msp_endpoint);
} msp_t_eps __weak SEC(".maps");

/* uid, gid and group rows: id -> identities it satisfies, wildcards in. */
struct msp_t_hash_row {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct msp_idset);
} msp_t_row __weak SEC(".maps");

/* sets, and the wildcard rows (index: enum msp_dim) */
struct msp_t_array_set {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_INNER_MAP);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct msp_idset);
} msp_t_set __weak SEC(".maps");

struct msp_t_lpm_path {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct msp_path_key);
    __type(value, struct msp_path_node);
} msp_t_path __weak SEC(".maps");

struct msp_t_array_cond {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_INNER_MAP);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct msp_cond);
} msp_t_cond __weak SEC(".maps");

struct msp_t_hash_pair {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct msp_pair_key);
    __type(value, struct msp_pair_ref);
} msp_t_pair __weak SEC(".maps");

struct msp_t_array_name {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_INNER_MAP);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct msp_name);
} msp_t_name __weak SEC(".maps");

/* files: mspd keeps them as they are replaced, so it is not frozen */
struct msp_t_hash_exe {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct msp_exe);
    __type(value, struct msp_exe_row);
} msp_t_exe __weak SEC(".maps");

/* contents that identities demand */
struct msp_t_hash_sha {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct msp_sha256);
    __type(value, struct msp_idset);
} msp_t_sha __weak SEC(".maps");

/* base names */
struct msp_t_hash_process {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct msp_name);
    __type(value, struct msp_idset);
} msp_t_process __weak SEC(".maps");

struct msp_t_hash_cg_edge {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, struct msp_cg_key);
    __type(value, __u32); /* struct msp_cg_ref */
} msp_t_cg_edge __weak SEC(".maps");

struct msp_t_array_cg_state {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_INNER_MAP);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct msp_cg_state);
} msp_t_cg_state __weak SEC(".maps");

/* rows by cgroup id, written by the kernel as cgroups come and go */
struct msp_t_hash_cgroup {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, __u64);
    __type(value, __u32); /* struct msp_cg_ref */
} msp_t_cgroup __weak SEC(".maps");

/* rows by container, which mspd keeps as they are registered */
struct msp_t_hash_ctr {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 1);
    __type(key, __u64);
    __type(value, struct msp_ctr_row);
} msp_t_ctr __weak SEC(".maps");

/* --- slots -------------------------------------------------------------- */

#define MSP_OUTER(map_name, template_struct)      \
    struct {                                      \
        __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); \
        __uint(max_entries, MSP_SLOTS);           \
        __type(key, __u32);                       \
        __array(values, struct template_struct);  \
    } map_name __weak SEC(".maps")

MSP_OUTER(msp_ep_lpm, msp_t_lpm_ep);
MSP_OUTER(msp_eps, msp_t_array_ep);
MSP_OUTER(msp_uid, msp_t_hash_row);
MSP_OUTER(msp_gid, msp_t_hash_row);
MSP_OUTER(msp_group, msp_t_hash_row);
MSP_OUTER(msp_wild, msp_t_array_set);
MSP_OUTER(msp_sets, msp_t_array_set);
MSP_OUTER(msp_paths, msp_t_lpm_path);
MSP_OUTER(msp_conds, msp_t_array_cond);
MSP_OUTER(msp_pairs, msp_t_hash_pair);
MSP_OUTER(msp_id_names, msp_t_array_name);
MSP_OUTER(msp_pr_names, msp_t_array_name);
MSP_OUTER(msp_exe, msp_t_hash_exe);
MSP_OUTER(msp_sha, msp_t_hash_sha);
MSP_OUTER(msp_process, msp_t_hash_process);
MSP_OUTER(msp_cg_edges, msp_t_hash_cg_edge);
MSP_OUTER(msp_cg_states, msp_t_array_cg_state);
MSP_OUTER(msp_cgroup, msp_t_hash_cgroup);
MSP_OUTER(msp_ctr_ids, msp_t_hash_ctr);
