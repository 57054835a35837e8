/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * iter/task_file over the descriptors of mspd itself: what the kernel calls
 * each file, which fstat() does not tell (s_dev, i_generation).
 */
#include "lib/iter.bpf.h"
#include "lib/record.bpf.h"

#define FILE_KIND   0170000
#define FILE_SOCKET 0140000

SEC("iter/task_file")

int msp_it_file(struct bpf_iter__task_file *ctx)
{
    struct task_struct *task = ctx->task;
    struct file *file = ctx->file;
    struct msp_file_fact fact = {};
    struct inode *inode;

    if (!file || !task)
        return 0;
    if (task->pid != task->tgid)
        return 0; /* 6.1 tells what threads share again for each */
    inode = file->f_inode;
    if ((inode->i_mode & FILE_KIND) == FILE_SOCKET)
        return 0; /* the listeners, of which there may be thousands */
    record_file(inode, &fact.exe);
    core_ctime(inode, &fact.ctime_sec, &fact.ctime_nsec);
    fact.magic = inode->i_sb->s_magic;
    fact.fd = ctx->fd;
    fact.mode = inode->i_mode;
    fact.nlink = inode->i_nlink;
    fact.time_gran = inode->i_sb->s_time_gran;
    bpf_seq_write(ctx->meta->seq, &fact, sizeof(fact));
    return 0;
}
