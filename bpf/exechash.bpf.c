/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * lsm, at exec: executables that the policy names run with AT_SECURE, so that
 * nobody preloads a library into them, and those whose contents it demands are
 * read by the kernel once they can no longer be written: nobody has to wait
 * until mspd has read them, and no ctime has to stay what it was. The record of
 * the exec takes the digest; without one the file counts as mspd read it.
 */
#include <msp/decide.h>
#include <msp/lsm.h>

#include "lib/lsm.bpf.h"
#include "lib/record.bpf.h"
#include "lib/scope.bpf.h"

#define BPRM_SECUREEXEC 1

/* The row of a file in the live slot; NULL the policy does not name it. */
static __always_inline struct msp_exe_row *
exechash_row(const struct msp_meta *meta, struct file *file)
{
    __u32 slot = *(volatile __u32 *)&meta->live & (MSP_SLOTS - 1);
    void *rows = bpf_map_lookup_elem(&msp_exe, &slot);
    struct msp_exe key = {};

    if (!rows)
        return NULL;
    record_file(file->f_inode, &key);
    return bpf_map_lookup_elem(rows, &key);
}

/* (bprm): of a script, and again of its interpreter. */
SEC("lsm/bprm_check_security")

int msp_l_secure(__u64 *ctx)
{
    struct linux_binprm *bprm = (void *)ctx[0];
    struct msp_meta *meta = scope_meta();

    if (meta && scope_has_current(meta) && exechash_row(meta, bprm->file))
        bpf_bprm_opts_set(bprm, BPRM_SECUREEXEC);
    return 0;
}

/* mspd's own children are read as well: so it learns whether that works. */
static __always_inline bool
exechash_is_wanted(const struct msp_meta *meta,
                   const struct msp_lsm_state *state, struct task_struct *task,
                   struct file *file)
{
    struct msp_exe_row *row = exechash_row(meta, file);
    __u64 any = 0;

    if ((__u32)task->real_parent->tgid == state->tgid)
        return true;
    if (row)
        MSP_EACH_WORD(w)
            any |= row->demands.word[w];
    return any;
}

/* (bprm): no way back, and nobody may write the file. */
SEC("lsm.s/bprm_committed_creds")

int msp_l_hash(__u64 *ctx)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct linux_binprm *bprm = (void *)ctx[0];
    struct msp_lsm_state *state = lsm_state();
    struct msp_meta *meta = scope_meta();
    struct msp_exec_hash hash = {.flags = MSP_EXEC_NOHASH};
    __u32 tgid = task->tgid;

    if (!state || !meta || !scope_has_current(meta) ||
        !exechash_is_wanted(meta, state, task, bprm->file))
        return 0;
    state->algorithm =
        bpf_ima_file_hash(bprm->file, &hash.sha256, sizeof(hash.sha256));
    if (state->algorithm == MSP_LSM_SHA256) {
        hash.flags = MSP_EXEC_HASHED;
        __sync_fetch_and_add(&state->n_hashed, 1);
    } else {
        __sync_fetch_and_add(&state->n_not_hashed, 1);
        /* a kernel that never could: mspd reads for it, as without us */
        if (!state->n_hashed)
            return 0;
    }
    hash.start_ns = task->start_boottime;
    hash.exec_id = task->self_exec_id;
    /* full: as without us */
    bpf_map_update_elem(&msp_exec_hash, &tgid, &hash, BPF_ANY);
    return 0;
}
