/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * infront DEVICE: a program at the device's egress before all others, which
 * lets every frame go: a tcx link, or a clsact filter of the first preference.
 * Prints "there"; until SIGTERM.
 */
#include <linux/bpf.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* of newer headers: BPF_TCX_EGRESS, BPF_F_BEFORE */
#define TCX_EGRESS ((enum bpf_attach_type)47)
#define TCX_BEFORE (1u << 3)

static const struct bpf_insn pass[] = {
    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
    {.code = BPF_JMP | BPF_EXIT},
};

static void on_term(int signo)
{
    (void)signo;
}

int main(int argc, char **argv)
{
    int ifindex = argc == 2 ? (int)if_nametoindex(argv[1]) : 0;
    int prog =
        bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "infront", "GPL", pass, 2, NULL);
    LIBBPF_OPTS(bpf_link_create_opts, link, .flags = TCX_BEFORE);
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
                .attach_point = BPF_TC_EGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog, .handle = 1, .priority = 1);
    struct sigaction action = {.sa_handler = on_term};
    int fd;

    if (!ifindex || prog < 0 || sigaction(SIGTERM, &action, NULL) < 0)
        return 2;
    fd = bpf_link_create(prog, ifindex, TCX_EGRESS, &link);
    if (fd < 0 && bpf_tc_attach(&hook, &opts) < 0) {
        perror("attaching");
        return 1;
    }
    (void)printf("there\n");
    (void)fflush(stdout);
    (void)pause();
    if (fd >= 0)
        return 0; /* it ends with its descriptor */
    opts.prog_fd = 0;
    opts.prog_id = 0;
    opts.flags = 0;
    return bpf_tc_detach(&hook, &opts) < 0;
}
