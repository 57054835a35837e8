/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which clsact filter of a device runs first, in a namespace of the test's. */
#include "loader/filter.h"

#include <net/if.h>
#include <sched.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "harness/test.h"

#define OURS   0x6d7370
#define OTHERS 1

static const struct bpf_insn pass[] = {
    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
    {.code = BPF_JMP | BPF_EXIT},
};

static int setup(void **state)
{
    static int ifindex;

    assert_ok(unshare(CLONE_NEWNET));
    assert_int_equal(system("ip link add name one type veth peer name two"), 0);
    ifindex = (int)if_nametoindex("one");
    assert_true(ifindex > 0);
    *state = &ifindex;
    return 0;
}

static void attach(int ifindex, uint32_t pref, uint32_t handle)
{
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
                .attach_point = BPF_TC_EGRESS);
    int prog =
        bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "pass", "GPL", pass, 2, NULL);
    LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog, .handle = handle,
                .priority = pref);
    int r = bpf_tc_hook_create(&hook);

    assert_true(prog >= 0 && (r == 0 || r == -EEXIST));
    assert_ok(bpf_tc_attach(&hook, &opts));
    (void)close(prog);
}

static uint32_t first(int ifindex)
{
    uint32_t handle = 42;

    assert_ok(msp_filter_first((uint32_t)ifindex, &handle));
    return handle;
}

static void the_one_that_runs_first_is_told(void **state)
{
    int ifindex = *(int *)*state;

    attach(ifindex, 7, 9);
    assert_int_equal(first(ifindex), 9);
    attach(ifindex, 1, OURS);
    assert_int_equal(first(ifindex), OURS);
    attach(ifindex, 2, 3);
    assert_int_equal(first(ifindex), OURS);
    /* of the same preference the newest runs first */
    attach(ifindex, 1, OTHERS);
    assert_int_equal(first(ifindex), OTHERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_one_that_runs_first_is_told, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
