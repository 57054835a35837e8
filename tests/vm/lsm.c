/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * BPF LSM works in this kernel: a program on socket_connect refuses a connect
 * and is seen to do so, for its cgroup only, from its attachment to its end.
 * Each other LSM case stands on this one. The connects are to a port of
 * 127.0.0.1 where nobody listens.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <bpf/libbpf.h>

#include "harness/test.h"
#include "vm_lsm.skel.h"

#define CGROUP "/sys/fs/cgroup/vm-lsm"

static struct vm_lsm_bpf *skel;

/* errno of a connect to a port nobody listens on; 0 = it connected. */
static int connect_errno(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    msp_autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    return connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? errno : 0;
}

/* The same in a child that is in the cgroup. */
static int connect_errno_in_cgroup(void)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int fd = open(CGROUP "/cgroup.procs", O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, "0", 1) != 1)
            _exit(255);
        _exit(connect_errno());
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_program_can_refuse_a_connect(void **state)
{
    (void)state;
    assert_int_equal(connect_errno_in_cgroup(), ECONNREFUSED);
    assert_ok(vm_lsm_bpf__attach(skel));
    assert_int_equal(connect_errno_in_cgroup(), EXFULL);
    assert_int_equal(skel->bss->seen, 1);
    assert_int_equal(connect_errno(), ECONNREFUSED);
    assert_int_equal(skel->bss->seen, 1);
    vm_lsm_bpf__detach(skel);
    assert_int_equal(connect_errno_in_cgroup(), ECONNREFUSED);
}

static int load(void **state)
{
    struct stat st;

    (void)state;
    skel = vm_lsm_bpf__open();
    if (!skel || mkdir(CGROUP, 0755) < 0 || stat(CGROUP, &st) < 0)
        return -1;
    skel->rodata->cgroup_id = st.st_ino;
    return vm_lsm_bpf__load(skel);
}

static int unload(void **state)
{
    (void)state;
    vm_lsm_bpf__destroy(skel);
    return rmdir(CGROUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_can_refuse_a_connect),
    };

    return cmocka_run_group_tests(tests, load, unload);
}
