/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Attacks on BPF objects: maps, links, programs. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <msp/cleanup.h>

#include "attack.h"
#include "replace.skel.h"

static int map_open(const char *pin)
{
    return attack_close(bpf_obj_get(pin));
}

static int map_rdonly(const char *pin)
{
    LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);

    return bpf_obj_get_opts(pin, &opts);
}

static int map_read(const char *pin)
{
    return attack_close(map_rdonly(pin));
}

static uint32_t id_of(int fd)
{
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info);

    return fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 ? info.id
                                                                   : 0;
}

static int map_by_id(const char *pin)
{
    msp_autoclose int fd = map_rdonly(pin);

    return attack_close(bpf_map_get_fd_by_id(id_of(fd)));
}

static int load(enum bpf_prog_type type, const struct bpf_insn *insn, size_t n,
                const struct bpf_prog_load_opts *opts)
{
    return attack_close(bpf_prog_load(type, "attack", "GPL", insn, n, opts));
}

#define INSN(c, d, s, o, i) \
    ((struct bpf_insn){     \
        .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define RETURN_0 \
    INSN(BPF_ALU64 | BPF_MOV, 0, 0, 0, 0), INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* A program writes a map whatever the descriptor it names it by may do. */
static int map_by_program(const char *pin)
{
    msp_autoclose int fd = map_rdonly(pin);
    const struct bpf_insn insn[] = {
        INSN(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
        INSN(BPF_ALU64 | BPF_ADD, 2, 0, 0, -4),
        INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, fd),
        INSN(0, 0, 0, 0, 0),
        INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
        INSN(BPF_JMP | BPF_JEQ, 0, 0, 1, 0),
        INSN(BPF_ST | BPF_MEM | BPF_B, 0, 0, 0, 0),
        RETURN_0,
    };

    if (fd < 0)
        return -errno;
    return load(BPF_PROG_TYPE_SOCKET_FILTER, insn, ARRAY_SIZE(insn), NULL);
}

/* One that writes the values an iterator shows it. */
static int map_by_iterator(const char *unused)
{
    const struct bpf_insn insn[] = {
        INSN(BPF_LDX | BPF_MEM | BPF_DW, 2, 1, 24, 0), /* ctx->value */
        INSN(BPF_JMP | BPF_JEQ, 2, 0, 1, 0),
        INSN(BPF_ST | BPF_MEM | BPF_B, 2, 0, 0, 0),
        RETURN_0,
    };
    LIBBPF_OPTS(bpf_prog_load_opts, opts,
                .expected_attach_type = BPF_TRACE_ITER);
    int id = libbpf_find_vmlinux_btf_id("bpf_map_elem", BPF_TRACE_ITER);

    (void)unused;
    if (id < 0)
        return id;
    opts.attach_btf_id = (__u32)id;
    return load(BPF_PROG_TYPE_TRACING, insn, ARRAY_SIZE(insn), &opts);
}

/* A map of the attacker's own, into which the pinned one fits: then it is in. */
static int map_in_map(const char *pin)
{
    LIBBPF_OPTS(bpf_map_create_opts, opts);
    msp_autoclose int fd = map_rdonly(pin), inner = -1, outer = -1;
    struct bpf_map_info info = {0};
    __u32 len = sizeof(info), zero = 0;

    if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
        return -errno;
    opts.map_flags = info.map_flags;
    inner =
        bpf_map_create((enum bpf_map_type)info.type, "attack", info.key_size,
                       info.value_size, info.max_entries, &opts);
    if (inner < 0)
        return -errno;
    opts.map_flags = 0;
    opts.inner_map_fd = (__u32)inner;
    outer =
        bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "attack", 4, 4, 1, &opts);
    if (outer < 0)
        return -errno;
    return attack_done(bpf_map_update_elem(outer, &zero, &fd, BPF_ANY));
}

/* As others use them. */
static int map_in_map_others(const char *unused)
{
    LIBBPF_OPTS(bpf_map_create_opts, opts);
    msp_autoclose int inner =
        bpf_map_create(BPF_MAP_TYPE_HASH, "others", 12, 20, 100, NULL);

    (void)unused;
    if (inner < 0)
        return -errno;
    opts.inner_map_fd = (__u32)inner;
    return attack_close(
        bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "others", 4, 4, 1, &opts));
}

static int link_open(const char *pin)
{
    return attack_close(bpf_obj_get(pin));
}

/* Says "ok" and keeps the link alive until it is killed. */
static int link_hold(const char *pin)
{
    msp_autoclose int fd = bpf_obj_get(pin);

    if (fd < 0)
        return -errno;
    attack_say(0);
    (void)pause();
    return ATTACK_SAID;
}

/* Whether a link runs a program whose name begins with "msp_". */
static bool is_our_link(int fd)
{
    struct bpf_link_info link = {0};
    struct bpf_prog_info prog = {0};
    __u32 link_len = sizeof(link), prog_len = sizeof(prog);
    msp_autoclose int prog_fd = -1;

    if (bpf_obj_get_info_by_fd(fd, &link, &link_len) < 0)
        return false;
    prog_fd = bpf_prog_get_fd_by_id(link.prog_id);
    return prog_fd >= 0 &&
           bpf_obj_get_info_by_fd(prog_fd, &prog, &prog_len) == 0 &&
           strncmp(prog.name, "msp_", 4) == 0;
}

/* Any of ours, among all there are. */
static int link_by_id(const char *unused)
{
    int r = -ENODATA;
    __u32 id = 0;

    (void)unused;
    while (bpf_link_get_next_id(id, &id) == 0) {
        msp_autoclose int fd = bpf_link_get_fd_by_id(id);

        if (fd < 0)
            r = -errno;
        else if (is_our_link(fd))
            return 0;
    }
    return r;
}

static int prog_hook(enum bpf_prog_type type, enum bpf_attach_type attach,
                     const char *hook)
{
    const struct bpf_insn insn[] = {RETURN_0};
    LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach);
    int id = libbpf_find_vmlinux_btf_id(hook, attach);

    if (id < 0)
        return id;
    opts.attach_btf_id = (__u32)id;
    return load(type, insn, ARRAY_SIZE(insn), &opts);
}

static int prog_lsm(const char *unused)
{
    (void)unused;
    return prog_hook(BPF_PROG_TYPE_LSM, BPF_LSM_MAC, "bpf_map");
}

static int prog_fmod_ret(const char *unused)
{
    (void)unused;
    return prog_hook(BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN,
                     "security_bpf_map");
}

static void close_replace(struct replace_bpf **skel)
{
    replace_bpf__destroy(*skel);
}

/* freplace: a function of a program gives way to another. */
static int prog_ext(const char *unused)
{
    msp_cleanup(close_replace) struct replace_bpf *whole = replace_bpf__open();
    msp_cleanup(close_replace) struct replace_bpf *place = replace_bpf__open();
    int r;

    (void)unused;
    if (!whole || !place)
        return -errno;
    (void)bpf_program__set_autoload(whole->progs.attack_place, false);
    (void)bpf_program__set_autoload(place->progs.attack_whole, false);
    r = replace_bpf__load(whole);
    if (r < 0)
        return -ENOEXEC; /* that is anybody's to load */
    r = bpf_program__set_attach_target(
        place->progs.attack_place, bpf_program__fd(whole->progs.attack_whole),
        "attack_part");
    return r < 0 ? r : replace_bpf__load(place);
}

/* Whatever others load goes on. */
static int prog_benign(const char *unused)
{
    const struct bpf_insn insn[] = {
        INSN(BPF_ALU64 | BPF_MOV, 0, 0, 0, 1),
        INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    LIBBPF_OPTS(bpf_prog_load_opts, opts,
                .expected_attach_type = BPF_CGROUP_INET4_CONNECT);

    (void)unused;
    return load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, insn, ARRAY_SIZE(insn), &opts);
}

/* bpf_probe_write_user() */
static int prog_write_user(const char *unused)
{
    const struct bpf_insn insn[] = {
        INSN(BPF_ST | BPF_MEM | BPF_DW, 10, 0, -8, 0),
        INSN(BPF_ALU64 | BPF_MOV, 1, 0, 0, 0),
        INSN(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
        INSN(BPF_ALU64 | BPF_ADD, 2, 0, 0, -8),
        INSN(BPF_ALU64 | BPF_MOV, 3, 0, 0, 8),
        INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_probe_write_user),
        RETURN_0,
    };

    (void)unused;
    return load(BPF_PROG_TYPE_KPROBE, insn, ARRAY_SIZE(insn), NULL);
}

/* A map of somebody else. */
static int map_others(const char *unused)
{
    (void)unused;
    return attack_close(
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "mspace", 4, 4, 1, NULL));
}

const struct attack attack_bpf[] = {
    {"map-open", map_open},
    {"map-read", map_read},
    {"map-by-id", map_by_id},
    {"map-by-program", map_by_program},
    {"map-by-iterator", map_by_iterator},
    {"map-others", map_others},
    {"map-in-map", map_in_map},
    {"map-in-map-others", map_in_map_others},
    {"link-open", link_open},
    {"link-hold", link_hold},
    {"link-by-id", link_by_id},
    {"prog-lsm", prog_lsm},
    {"prog-fmod-ret", prog_fmod_ret},
    {"prog-ext", prog_ext},
    {"prog-write-user", prog_write_user},
    {"prog-benign", prog_benign},
    {NULL, NULL},
};
