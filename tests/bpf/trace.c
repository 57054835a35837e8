/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bpf/trace.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include <bpf/bpf.h>

#include "daemon/cgroup.h"
#include "harness/test.h"
#include "loader/load.h"

struct trace_fixture {
    struct slot_fixture *slot;
    char mount[PATH_MAX];
    char cgroup[PATH_MAX + 64];
    int link_fd[MSP_PROG_CGROUP_LINKS];
};

static int find_mount(char ret_mount[PATH_MAX])
{
    msp_autofclose FILE *f = fopen("/proc/self/mountinfo", "re");
    static char text[1 << 20];
    size_t n;

    if (!f)
        return -errno;
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    return msp_cgroup_mount(text, ret_mount);
}

int trace_fixture_teardown(void **state)
{
    struct trace_fixture *fx = *state;
    void *slot;

    if (!fx)
        return 0;
    for (int i = 0; i < MSP_PROG_CGROUP_LINKS; i++)
        if (fx->link_fd[i] >= 0)
            (void)close(fx->link_fd[i]);
    if (fx->cgroup[0] && rmdir(fx->cgroup) < 0)
        print_error("%s: %s\n", fx->cgroup, strerror(errno));
    slot = fx->slot;
    (void)slot_fixture_teardown(&slot);
    free(fx);
    *state = NULL;
    return 0;
}

int trace_fixture_setup(void **state)
{
    struct trace_fixture *fx = calloc(1, sizeof(*fx));
    void *slot = NULL;

    if (!fx)
        return -1;
    *state = fx;
    for (int i = 0; i < MSP_PROG_CGROUP_LINKS; i++)
        fx->link_fd[i] = -1;
    if (slot_fixture_setup(&slot) < 0)
        return -1;
    fx->slot = slot;
    if (find_mount(fx->mount) < 0)
        return -1;
    (void)snprintf(fx->cgroup, sizeof(fx->cgroup), "%s/msp-trace-%d", fx->mount,
                   getpid());
    if (mkdir(fx->cgroup, 0755) < 0) {
        fx->cgroup[0] = '\0';
        return -1;
    }
    return 0;
}

struct slot_fixture *trace_fixture_slot(struct trace_fixture *fx)
{
    return fx->slot;
}

const char *trace_fixture_cgroup(const struct trace_fixture *fx)
{
    return fx->cgroup;
}

void trace_fixture_attach(struct trace_fixture *fx)
{
    struct msp_loader *loader = slot_fixture_loader(fx->slot);
    struct stat st;

    assert_ok(stat(fx->cgroup, &st));
    loader->meta->scope_level = 1;
    loader->meta->scope_cgroup = st.st_ino;
    for (int i = 0; i < MSP_PROG_CGROUP_LINKS; i++) {
        fx->link_fd[i] =
            bpf_raw_tracepoint_open(NULL, msp_loader_prog_fd(loader, i));
        assert_true(fx->link_fd[i] >= 0);
    }
}

void trace_move(const char *dir, pid_t pid)
{
    char path[PATH_MAX + 96];
    msp_autofclose FILE *f = NULL;

    (void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fprintf(f, "%d\n", pid) > 0);
    assert_ok(fflush(f));
}

int trace_record(struct trace_fixture *fx, pid_t tgid, struct msp_exec *ret)
{
    uint32_t key = (uint32_t)tgid;
    int fd = msp_loader_map_fd(slot_fixture_loader(fx->slot), "msp_exec");

    return bpf_map_lookup_elem(fd, &key, ret) < 0 ? -1 : 0;
}
