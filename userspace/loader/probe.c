/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "loader/probe.h"

#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>

static bool has_btf(int ignored)
{
    (void)ignored;
    return access("/sys/kernel/btf/vmlinux", R_OK) == 0;
}

static bool has_map(int type)
{
    return libbpf_probe_bpf_map_type((enum bpf_map_type)type, NULL) == 1;
}

static bool has_program(int type)
{
    return libbpf_probe_bpf_prog_type((enum bpf_prog_type)type, NULL) == 1;
}

static struct msp_probe_row rows[] = {
    {"kernel-btf", true, false},
    {"program-cgroup-sock-addr", true, false},
    {"program-sock-ops", true, false},
    {"program-syscall", true, false},
    {"map-sk-storage", true, false},
    {"map-ringbuf", true, false},
    {"map-lpm-trie", true, false},
    {"map-array-of-maps", true, false},
    {"program-lsm", false, false},
    {"program-sk-msg", false, false},
};

static const struct {
    bool (*try)(int type);
    int type;
} tries[] = {
    {has_btf, 0},
    {has_program, BPF_PROG_TYPE_CGROUP_SOCK_ADDR},
    {has_program, BPF_PROG_TYPE_SOCK_OPS},
    {has_program, BPF_PROG_TYPE_SYSCALL},
    {has_map, BPF_MAP_TYPE_SK_STORAGE},
    {has_map, BPF_MAP_TYPE_RINGBUF},
    {has_map, BPF_MAP_TYPE_LPM_TRIE},
    {has_map, BPF_MAP_TYPE_ARRAY_OF_MAPS},
    {has_program, BPF_PROG_TYPE_LSM},
    {has_program, BPF_PROG_TYPE_SK_MSG},
};

_Static_assert(ARRAY_SIZE(rows) == ARRAY_SIZE(tries), "tries");

const char *msp_probe(const struct msp_probe_row **ret_rows, size_t *ret_n)
{
    const char *missing = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        rows[i].is_there = tries[i].try(tries[i].type);
        if (!rows[i].is_there && rows[i].is_required && !missing)
            missing = rows[i].name;
    }
    *ret_rows = rows;
    *ret_n = ARRAY_SIZE(rows);
    return missing;
}
