/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who calls: the current task's facts and the set of identities it satisfies.
 * Everything comes from the kernel's own structures at connect time; no text
 * that a process can choose is looked at.
 */
#pragma once

#include <msp/decide.h>

#include "lib/event.bpf.h"
#include "lib/host.bpf.h"
#include "lib/maps.bpf.h"
#include "lib/record.bpf.h"
#include "lib/registered.bpf.h"

#define SUBJECT_TRIES 3 /* to read a row that is being replaced */

/* The row of an id, or the wildcard row of its dimension. */
static __always_inline const struct msp_idset *
subject_row(void *rows, void *wild, const __u32 *id, __u32 dim)
{
    const struct msp_idset *row = NULL;

    if (rows)
        row = bpf_map_lookup_elem(rows, id);
    if (!row && wild)
        row = bpf_map_lookup_elem(wild, &dim);
    return row;
}

static __always_inline void subject_clear(struct msp_idset *ids)
{
    MSP_EACH_WORD(i)
        ids->word[i] = 0;
}

static __always_inline void subject_and(struct msp_idset *ids,
                                        const struct msp_idset *row)
{
    MSP_EACH_WORD(w)
        /* fail closed: no row and no wildcard row, the table is not filled */
        ids->word[w] &= row ? row->word[w] : 0;
}

/* State of the walk over the caller's supplementary groups. */
struct subject_groups {
    struct group_info *groups;
    void *rows;
    struct msp_idset any;
};

static long subject_group(__u32 i, struct subject_groups *g)
{
    const struct msp_idset *row;
    __u32 gid = 0;

    if (bpf_probe_read_kernel(&gid, sizeof(gid), &g->groups->gid[i]))
        return 1; /* fail closed: a group that cannot be read counts not */
    row = bpf_map_lookup_elem(g->rows, &gid);
    if (!row)
        return 0;
    for (int w = 0; w < MSP_IDSET_WORDS; w++)
        g->any.word[w] |= row->word[w];
    return 0;
}

/*
 * Keeps those identities of `ids` that one of the caller's groups satisfies:
 * effective gid and the first MSP_GROUPS_MAX supplementary ones. More groups
 * are ignored, which can only take rights away.
 * @return 1 if groups were ignored; 0
 */
static __noinline int subject_and_groups(struct msp_idset *ids, void *rows,
                                         void *wild, __u32 dim)
{
    struct task_struct *task = bpf_get_current_task_btf();
    const struct cred *cred = task->cred;
    const struct msp_idset *row;
    __u32 egid = cred->egid.val;
    struct subject_groups g;
    __u32 n;

    row = subject_row(rows, wild, &egid, dim);
    if (!row) {
        /* fail closed: no wildcard row, the table is not filled */
        subject_clear(ids);
        return 0;
    }
    g.groups = cred->group_info;
    n = g.groups->ngroups;
    if (!n) {
        subject_and(ids, row);
        return 0;
    }
    g.rows = rows;
    g.any = *row;
    bpf_loop(n > MSP_GROUPS_MAX ? MSP_GROUPS_MAX : n, subject_group, &g, 0);
    MSP_EACH_WORD(w)
        ids->word[w] &= g.any.word[w];
    return n > MSP_GROUPS_MAX;
}

static __always_inline const struct msp_idset *subject_wild(void *wild,
                                                            __u32 dim)
{
    return bpf_map_lookup_elem(wild, &dim);
}

/* What a row says of a record. */
struct subject_exe {
    struct msp_idset set;
    bool is_current; /* else another file had the numbers at the exec */
};

static __always_inline __u64 subject_stamp(const struct msp_exe_row *row)
{
    return *(const volatile __u64 *)&row->stamp;
}

/* To compare by, without a branch; for every time that a file can have. */
static __always_inline __u64 subject_ctime(__s64 sec, __u32 nsec)
{
    return ((__u64)sec + (1ull << 31)) * 1000000000 + nsec;
}

/*
 * Reads a row that may be replaced meanwhile, and its memory given to another
 * file's and back again. A row that is found has been written whole, so the
 * stamp before the first of two times that it is found, and after the second,
 * is the same only if nothing was written between them.
 * @param contents identities that demand what the kernel read at exec; NULL
 *        nobody does. If it was not asked to, the file counts as mspd read it.
 * @return whether that is so
 */
static __always_inline bool subject_read_exe(struct subject_exe *to,
                                             const struct msp_exec *r,
                                             void *rows,
                                             const struct msp_exe_row *row,
                                             const struct msp_idset *contents)
{
    bool is_read = r->flags & (MSP_EXEC_HASHED | MSP_EXEC_NOHASH);
    __u64 stamp = subject_stamp(row);
    const struct msp_idset *more;
    __u64 own, seen;
    bool is_same;

    if (bpf_map_lookup_elem(rows, &r->exe) != row)
        return false;
    own = subject_ctime(r->ctime_sec, r->ctime_nsec);
    seen = subject_ctime(row->ctime_sec, row->ctime_nsec);
    is_same = own == seen && !(r->flags & MSP_EXEC_YOUNG);
    /*
     * fail closed: a later ctime is of what was made since; and on a file
     * system that is not accepted, who serves it chose the numbers, but for
     * overlay where mspd has found the file in its container
     */
    to->is_current =
        own <= seen &&
        (!(r->flags & MSP_EXEC_OTHER_FS) ||
         (r->flags & MSP_EXEC_OVERLAY && row->flags & MSP_EXE_ROW_OVERLAY)) &&
        (!row->retired_ns || r->exec_ns <= row->retired_ns);
    MSP_EACH_WORD(w)
        to->set.word[w] = row->set.word[w];
    /* fail closed: contents that could not be read are nobody's */
    more = is_read ? &row->demands : is_same ? &row->hashed : NULL;
    if (!is_read)
        contents = more;
    if (more && contents)
        MSP_EACH_WORD(w)
            to->set.word[w] |= more->word[w] & contents->word[w];
    return bpf_map_lookup_elem(rows, &r->exe) == row &&
           subject_stamp(row) == stamp;
}

/*
 * Keeps those identities that the caller's executable satisfies. A file that
 * was replaced counts for those who ran it before, and no file whose ctime is
 * later than what mspd knows; one of a file system that is not accepted counts
 * as none, since who serves it chooses its numbers. Demands on contents
 * hold as long as it was not changed. mspd replaces rows as files change.
 */
static __noinline int subject_and_exe(struct msp_idset *ids,
                                      const struct msp_exec *r,
                                      const __u32 *slot, void *wild)
{
    void *rows = bpf_map_lookup_elem(&msp_exe, slot);
    void *shas = bpf_map_lookup_elem(&msp_sha, slot);
    const struct msp_idset *contents = NULL;
    struct msp_exe_row *row;
    struct subject_exe found;
    int i;

    if (!rows || !shas) {
        subject_clear(ids); /* fail closed: an unfilled slot */
        return 0;
    }
    if (r && r->flags & MSP_EXEC_HASHED)
        contents = bpf_map_lookup_elem(shas, &r->sha256);
    found.is_current = false; /* clang 14 stores it before it is known */
    for (i = 0; i < SUBJECT_TRIES; i++) {
        row = r ? bpf_map_lookup_elem(rows, &r->exe) : NULL;
        if (!row)
            break;
        if (!subject_read_exe(&found, r, rows, row, contents))
            continue;
        if (!found.is_current)
            break;
        subject_and(ids, &found.set);
        return 0;
    }
    /* fail closed: nobody, if it was replaced again and again */
    subject_and(ids,
                i < SUBJECT_TRIES ? subject_wild(wild, MSP_DIM_EXE) : NULL);
    return 0;
}

static __noinline int subject_and_process(struct msp_idset *ids,
                                          const struct msp_exec *r,
                                          const __u32 *slot, void *wild)
{
    void *rows = bpf_map_lookup_elem(&msp_process, slot);
    const struct msp_idset *row = NULL;

    if (!rows) {
        subject_clear(ids); /* fail closed: an unfilled slot */
        return 0;
    }
    if (r && r->name[0])
        row = bpf_map_lookup_elem(rows, r->name);
    subject_and(ids, row ? row : subject_wild(wild, MSP_DIM_PROCESS));
    return 0;
}

/* Row of the caller's cgroup; NULL there is none, or nobody asks for it. */
static __always_inline __u32 *
subject_cgroup_row(__u64 cgroup_id, const __u32 *slot, __u32 slot_flags)
{
    void *rows = NULL;

    if (slot_flags & MSP_SLOT_CGROUP_DIM)
        rows = bpf_map_lookup_elem(&msp_cgroup, slot);
    return rows ? bpf_map_lookup_elem(rows, &cgroup_id) : NULL;
}

/* @param ref subject_cgroup_row() */
static __noinline int subject_and_cgroup(struct msp_idset *ids, __u64 cgroup_id,
                                         const __u32 *slot, void *wild,
                                         const __u32 *ref)
{
    void *rows = bpf_map_lookup_elem(&msp_cgroup, slot);
    void *states = bpf_map_lookup_elem(&msp_cg_states, slot);
    void *sets = bpf_map_lookup_elem(&msp_sets, slot);
    const struct msp_idset *row = NULL;
    struct msp_cg_state *state;
    __u32 index;

    if (!rows || !states || !sets) {
        subject_clear(ids); /* fail closed: an unfilled slot */
        return 0;
    }
    if (!ref) {
        subject_and(ids, subject_wild(wild, MSP_DIM_CGROUP));
        return 0;
    }
    index = *(const volatile __u32 *)ref;
    /* fail closed: of a cgroup that goes, its row's memory may be another's */
    if (bpf_map_lookup_elem(rows, &cgroup_id) != ref) {
        subject_clear(ids);
        return 0;
    }
    state = bpf_map_lookup_elem(states, &index);
    if (state) {
        index = state->set;
        row = bpf_map_lookup_elem(sets, &index);
    }
    subject_and(ids, row);
    return 0;
}

/*
 * Keeps those identities whose demands the caller's container meets. Its row is
 * read as that of a file is.
 * @param cgroup_id 0: the caller is in no container
 */
static __noinline int subject_and_container(struct msp_idset *ids,
                                            __u64 cgroup_id, const __u32 *slot,
                                            void *wild)
{
    void *rows = bpf_map_lookup_elem(&msp_ctr_ids, slot);
    __u64 top = cgroup_id ? registered_top(cgroup_id) : 0;
    const struct msp_ctr_row *row;
    struct msp_idset set;
    __u64 stamp;

    for (int i = 0; rows && i < SUBJECT_TRIES; i++) {
        row = top ? bpf_map_lookup_elem(rows, &top) : NULL;
        if (!row) {
            subject_and(ids, subject_wild(wild, MSP_DIM_CONTAINER));
            return 0;
        }
        stamp = *(const volatile __u64 *)&row->stamp;
        if (bpf_map_lookup_elem(rows, &top) != row)
            continue;
        MSP_EACH_WORD(w)
            set.word[w] = row->set.word[w];
        if (bpf_map_lookup_elem(rows, &top) != row ||
            *(const volatile __u64 *)&row->stamp != stamp)
            continue;
        subject_and(ids, &set);
        return 0;
    }
    /* fail closed: an unfilled slot; or it was replaced again and again */
    subject_clear(ids);
    return 0;
}

/* The dimensions that few policies have. */
static __always_inline void subject_more(struct msp_mark *mark,
                                         const struct msp_exec *r,
                                         const __u32 *ref, const __u32 *slot,
                                         __u32 slot_flags, void *wild)
{
    if (slot_flags & MSP_SLOT_EXE_DIM)
        subject_and_exe(&mark->ids, r, slot, wild);
    if (slot_flags & MSP_SLOT_PROCESS_DIM)
        subject_and_process(&mark->ids, r, slot, wild);
    if (slot_flags & MSP_SLOT_CGROUP_DIM)
        subject_and_cgroup(&mark->ids, mark->cgroup_id, slot, wild, ref);
    /* a process of the host in a container's cgroup is not the container */
    if (slot_flags & MSP_SLOT_CONTAINER_DIM)
        subject_and_container(
            &mark->ids, mark->flags & MSP_MARK_CONTAINER ? mark->cgroup_id : 0,
            slot, wild);
}

/*
 * Computes mark->ids from the slot's rows.
 * @param r, ref what is known of the caller; NULL is nothing
 */
static __always_inline void subject_ids(struct msp_mark *mark,
                                        const struct msp_exec *r,
                                        const __u32 *ref, const __u32 *slot,
                                        __u32 slot_flags)
{
    void *uids = bpf_map_lookup_elem(&msp_uid, slot);
    void *gids = bpf_map_lookup_elem(&msp_gid, slot);
    void *wild = bpf_map_lookup_elem(&msp_wild, slot);
    const struct msp_idset *row;
    __u32 dim = MSP_DIM_HOST_ONLY;

    row = subject_row(uids, wild, &mark->uid, MSP_DIM_UID);
    if (!row || !gids || !wild) {
        /* fail closed: an unfilled slot knows nobody */
        subject_clear(&mark->ids);
        return;
    }
    mark->ids = *row;
    if (!(slot_flags & MSP_SLOT_NO_GID) &&
        subject_and_groups(&mark->ids, gids, wild, MSP_DIM_GID)) {
        mark->flags |= MSP_MARK_GROUPS_CUT;
        event_stat(MSP_STAT_GROUPS_CUT);
    }
    if (slot_flags & MSP_SLOT_GROUP_DIM) {
        void *names = bpf_map_lookup_elem(&msp_group, slot);

        if (!names)
            subject_clear(&mark->ids); /* fail closed: as above */
        else
            subject_and_groups(&mark->ids, names, wild, MSP_DIM_GROUP);
    }
    subject_more(mark, r, ref, slot, slot_flags, wild);
    if (!(mark->flags & MSP_MARK_CONTAINER))
        return;
    row = bpf_map_lookup_elem(wild, &dim);
    MSP_EACH_WORD(w)
        mark->ids.word[w] &= row ? ~row->word[w] : 0;
}

/*
 * Fills the caller's part of a zeroed mark.
 * @return false: no identity (kernel thread, no address space, or pid 1's
 *         root is unknown); the set is empty then
 */
static __always_inline bool subject_fill(struct msp_mark *mark,
                                         const struct msp_meta *meta,
                                         const __u32 *slot, __u32 slot_flags)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct msp_exec *r;
    __u32 *ref;

    mark->cgroup_id = bpf_get_current_cgroup_id();
    mark->pid = task->tgid;
    mark->uid = task->cred->euid.val;
    /* fail closed: kernel threads open sockets for others (MPTCP) */
    if ((task->flags & PF_KTHREAD) || !task->mm || !meta->root_ino) {
        mark->flags |= MSP_MARK_NO_IDENTITY;
        return false;
    }
    if (subject_in_container(task, meta))
        mark->flags |= MSP_MARK_CONTAINER;
    else if (subject_is_root(task))
        mark->flags |= MSP_MARK_ROOT;
    /*
     * One after the other, before what is in them is looked at: where there
     * are many containers each is far away, and the CPU fetches both at once.
     */
    ref = subject_cgroup_row(mark->cgroup_id, slot, slot_flags);
    r = record_of(task);
    if (r) {
        mark->exe = r->exe;
        mark->flags |= MSP_MARK_EXEC;
    }
    subject_ids(mark, r, ref, slot, slot_flags);
    return true;
}
