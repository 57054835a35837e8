/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bpf/subject_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include <msp/policy.h>

#include "bpf/trace.h"
#include "harness/test.h"
#include "loader/events.h"
#include "loader/tables.h"

static const char policy[] =
    "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
    "\"defaultAccess\":\"deny\",\"id\":\"t\",\"rules\":{"
    "\"privileges\":[{\"name\":\"read\",\"path\":\"/metadata\"}],"
    "\"roles\":[{\"name\":\"r\",\"privileges\":[\"read\"]}],"
    "\"identities\":[{\"name\":\"one\",\"uid\":1000}],"
    "\"roleAssignments\":[{\"role\":\"r\",\"identities\":[\"one\"]}]}}}}";

/* the last bit of a set: what reads it has read all the others */
const struct msp_idset subject_one = {
    .word = {[MSP_IDSET_WORDS - 1] = 1ull << 63}};
const struct msp_idset subject_nobody = {.word = {0}};

static void on_gone(void *data, uint64_t id)
{
    (void)data;
    (void)id;
}

static void on_event(void *data, const struct msp_event *event)
{
    struct subject *s = data;

    if (event->cgroup_id != s->cgroup_id)
        return;
    s->last = *event;
    s->said++;
    s->granted += event->reason == MSP_REASON_NO_LISTENER;
}

void subject_set_flags(struct subject *s, uint32_t dims)
{
    struct msp_slot_meta *meta = &s->loader->meta->slot[s->slot];

    meta->flags = (meta->flags & ~(uint32_t)ALL_DIMS) | dims;
}

int subject_table(struct subject *s, const char *outer, const char *template,
                  uint32_t entries)
{
    return trace_table(s->trace, outer, template, s->slot, entries);
}

static void close_tables(struct subject *s)
{
    int *const fds[] = {&s->exe,    &s->sha,    &s->process,
                        &s->cgroup, &s->states, &s->sets};

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        if (*fds[i] >= 0)
            (void)close(*fds[i]);
        *fds[i] = -1;
    }
}

/* Everybody is in `one`, by every dimension but those a test writes. */
void subject_fill(struct subject *s)
{
    uint32_t dim, first = SET_ONE, second = SET_NOBODY;
    int wild = subject_table(s, "msp_wild", "msp_t_set", MSP_DIM_COUNT);

    close_tables(s);
    for (dim = 0; dim < MSP_DIM_IDS; dim++)
        assert_ok(bpf_map_update_elem(wild, &dim, &subject_one, BPF_ANY));
    (void)close(wild);
    s->exe = subject_table(s, "msp_exe", "msp_t_exe", 16);
    s->sha = subject_table(s, "msp_sha", "msp_t_sha", 16);
    s->process = subject_table(s, "msp_process", "msp_t_process", 16);
    s->cgroup = subject_table(s, "msp_cgroup", "msp_t_cgroup", 16);
    s->states = subject_table(s, "msp_cg_states", "msp_t_cg_state", 2);
    s->sets = subject_table(s, "msp_sets", "msp_t_set", 2);
    assert_ok(bpf_map_update_elem(s->sets, &first, &subject_one, BPF_ANY));
    assert_ok(bpf_map_update_elem(s->sets, &second, &subject_nobody, BPF_ANY));
    subject_set_flags(s, 0);
}

void subject_set_wild(struct subject *s, uint32_t dim,
                      const struct msp_idset *set)
{
    int wild = subject_table(s, "msp_wild", "msp_t_set", MSP_DIM_COUNT);

    for (uint32_t i = 0; i < MSP_DIM_IDS; i++)
        assert_ok(bpf_map_update_elem(wild, &i, &subject_one, BPF_ANY));
    assert_ok(bpf_map_update_elem(wild, &dim, set, BPF_ANY));
    (void)close(wild);
}

static void apply_policy(struct subject *s)
{
    msp_autofree uint8_t *bytes = NULL;
    struct msp_diags diags = {0};
    const char *why = NULL;
    struct msp_image image;
    size_t len;
    int eps;

    assert_ok(msp_policy_compile(policy, strlen(policy), &diags, &bytes, &len));
    msp_diags_done(&diags);
    assert_ok(msp_image_open(bytes, len, &image, &why));
    slot_fixture_apply(trace_fixture_slot(s->trace), &image);
    s->slot = s->loader->meta->live;
    /* every endpoint is for `one` and nobody else */
    eps = subject_table(s, "msp_eps", "msp_t_eps", image.n[MSP_SEC_ENDPOINTS]);
    for (uint32_t i = 0; i < image.n[MSP_SEC_ENDPOINTS]; i++) {
        struct msp_endpoint ep = image.endpoints[i].ep;

        ep.reach = subject_one;
        assert_ok(bpf_map_update_elem(eps, &i, &ep, BPF_ANY));
    }
    (void)close(eps);
}

static void start_caller(struct subject *s)
{
    int in[2], out[2];
    char word;

    assert_ok(pipe2(in, O_CLOEXEC));
    assert_ok(pipe2(out, O_CLOEXEC));
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        trace_move(trace_fixture_cgroup(s->trace), 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (dup2(in[0], STDIN_FILENO) >= 0 && dup2(out[1], STDOUT_FILENO) >= 0)
            (void)execl("/proc/self/exe", "caller", "act", NULL);
        _exit(1);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    s->in = in[1];
    s->out = out[0];
    assert_int_equal(read(s->out, &word, 1), 1);
    assert_ok(trace_record(s->trace, s->pid, &s->record));
}

int subject_setup(void **state)
{
    struct subject *s = calloc(1, sizeof(*s));
    void *trace = NULL;
    struct stat st;
    int dir;

    assert_non_null(s);
    s->exe = s->sha = s->process = s->cgroup = s->states = s->sets = -1;
    assert_ok(trace_fixture_setup(&trace));
    s->trace = trace;
    s->loader = slot_fixture_loader(trace_fixture_slot(s->trace));
    apply_policy(s);
    trace_fixture_attach(s->trace);
    dir = open(trace_fixture_cgroup(s->trace),
               O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(dir >= 0);
    assert_ok(fstat(dir, &st));
    s->cgroup_id = st.st_ino;
    s->connect_fd =
        bpf_link_create(msp_loader_prog_fd(s->loader, MSP_PROG_CONNECT4), dir,
                        BPF_CGROUP_INET4_CONNECT, NULL);
    assert_true(s->connect_fd >= 0);
    (void)close(dir);
    assert_ok(msp_events_open(s->loader, on_event, on_gone, s));
    start_caller(s);
    *state = s;
    return 0;
}

int subject_teardown(void **state)
{
    struct subject *s = *state;
    void *trace = s->trace;

    (void)kill(s->pid, SIGKILL);
    (void)waitpid(s->pid, NULL, 0);
    (void)close(s->in);
    (void)close(s->out);
    (void)close(s->connect_fd);
    close_tables(s);
    (void)trace_fixture_teardown(&trace);
    free(s);
    return 0;
}
