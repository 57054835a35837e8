/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The frames of every chain of calls fit the stack as Linux 6.1 counts it: each
 * frame rounded up to 32 bytes, 512 in all. Newer kernels round to less, so
 * that what fails there loads here.
 */
#include <linux/bpf.h>

#include <bpf/libbpf.h>

#include "harness/test.h"
#include "msp.skel.h"
#include "msp_61.skel.h"

enum {
    STACK_MAX = 512,
    FRAME_UNIT = 32,
    CALLS_MAX = 8
};

static bool is_call(const struct bpf_insn *insn)
{
    return insn->code == (BPF_JMP | BPF_CALL) &&
           insn->src_reg == BPF_PSEUDO_CALL;
}

/* A function that a helper is to call. */
static bool is_callback(const struct bpf_insn *insn)
{
    return insn->code == (BPF_LD | BPF_DW | BPF_IMM) &&
           insn->src_reg == BPF_PSEUDO_FUNC;
}

static bool starts_function(const struct bpf_insn *insns, size_t n, size_t at)
{
    for (size_t i = 0; i < n; i++)
        if ((is_call(&insns[i]) || is_callback(&insns[i])) &&
            i + 1 + (size_t)(long)insns[i].imm == at)
            return true;
    return false;
}

/* How far below r10 an instruction reaches; `is_r10` follows copies of it. */
static unsigned int reach(const struct bpf_insn *insn, bool is_r10[16])
{
    unsigned int class = BPF_CLASS(insn->code);
    unsigned int below = 0;

    if (insn->code == (BPF_ALU64 | BPF_ADD | BPF_K) && is_r10[insn->dst_reg] &&
        insn->imm < 0)
        below = (unsigned int)-insn->imm;
    if (class == BPF_LDX && insn->src_reg == BPF_REG_10 && insn->off < 0)
        below = (unsigned int)-insn->off;
    if ((class == BPF_ST || class == BPF_STX) && insn->dst_reg == BPF_REG_10 &&
        insn->off < 0)
        below = (unsigned int)-insn->off;
    if (class == BPF_ALU64 || class == BPF_ALU || class == BPF_LDX ||
        class == BPF_LD)
        is_r10[insn->dst_reg] = insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) &&
                                insn->src_reg == BPF_REG_10;
    return below;
}

/* Bytes of stack from the function at `at` downwards. */
static unsigned int depth_at(const struct bpf_insn *insns, size_t n, size_t at,
                             int n_calls)
{
    unsigned int frame = 1, deepest = 0;
    bool is_r10[16] = {false};

    assert_true(n_calls < CALLS_MAX);
    for (size_t i = at; i < n; i++) {
        unsigned int below, called = 0;

        if (i > at && starts_function(insns, n, i))
            break;
        if (is_call(&insns[i]) || is_callback(&insns[i]))
            called = depth_at(insns, n, i + 1 + (size_t)(long)insns[i].imm,
                              n_calls + 1);
        below = reach(&insns[i], is_r10);
        frame = below > frame ? below : frame;
        deepest = called > deepest ? called : deepest;
        i += insns[i].code == (BPF_LD | BPF_DW | BPF_IMM);
    }
    return (frame + FRAME_UNIT - 1) / FRAME_UNIT * FRAME_UNIT + deepest;
}

static void expect_room(const struct bpf_object *obj)
{
    unsigned int n_wrong = 0, deepest = 0;
    struct bpf_program *prog;

    bpf_object__for_each_program(prog, obj) {
        const char *name = bpf_program__name(prog);
        unsigned int depth = depth_at(bpf_program__insns(prog),
                                      bpf_program__insn_cnt(prog), 0, 0);

        if (depth > STACK_MAX)
            print_error("%s: %u bytes\n", name, depth);
        n_wrong += depth > STACK_MAX;
        deepest = depth > deepest ? depth : deepest;
    }
    print_message("deepest: %u bytes\n", deepest);
    assert_int_equal(n_wrong, 0);
    assert_true(deepest > STACK_MAX / 2); /* connect is no small program */
}

static void every_chain_of_calls_fits(void **state)
{
    struct msp_bpf *skel = msp_bpf__open_and_load();

    (void)state;
    assert_non_null(skel);
    if (!skel)
        return; /* which the compiler does not know */
    expect_room(skel->obj);
    msp_bpf__destroy(skel);
}

/* As 6.1 itself gets it. */
static void every_chain_of_calls_for_6_1_fits(void **state)
{
    struct msp_61_bpf *skel = msp_61_bpf__open_and_load();

    (void)state;
    assert_non_null(skel);
    if (!skel)
        return; /* which the compiler does not know */
    expect_room(skel->obj);
    msp_61_bpf__destroy(skel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_chain_of_calls_fits),
        cmocka_unit_test(every_chain_of_calls_for_6_1_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
