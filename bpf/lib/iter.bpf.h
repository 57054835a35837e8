/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What the kernel hands to iterators over tasks and their files. */
#pragma once

#include "lib/core.bpf.h"

struct bpf_iter_meta {
    struct seq_file *seq;
} MSP_CORE;

struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
} MSP_CORE;

struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    __u32 fd;
    struct file *file;
} MSP_CORE;
