/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What connect makes of a caller's executable, base name and cgroup: a real
 * process in a cgroup and a network namespace of its own asks, rows are
 * written by hand. Nobody listens there, so every connect is denied before a
 * packet is made; the reason says whether the caller had a right.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include <msp/decide.h>
#include <msp/policy.h>

#include "bpf/caller.h"
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

enum {
    ALL_DIMS = MSP_SLOT_EXE_DIM | MSP_SLOT_PROCESS_DIM | MSP_SLOT_CGROUP_DIM,
    SET_ONE = 0, /* indices of msp_sets */
    SET_NOBODY = 1,
};

/* the last bit of a set: what reads it has read all the others */
static const struct msp_idset one = {
    .word = {[MSP_IDSET_WORDS - 1] = 1ull << 63}};
static const struct msp_idset nobody = {.word = {0}};

/* --- fixture ------------------------------------------------------------- */

struct subject {
    struct trace_fixture *trace;
    struct msp_loader *loader; /* of trace */
    uint32_t slot;
    int connect_fd; /* the link */
    int exe, process, cgroup, states, sets;
    uint64_t cgroup_id;
    pid_t pid; /* the caller */
    int in, out;
    struct msp_exec record; /* its own */
    struct msp_event last;  /* what was said of the last connect */
    unsigned int said, granted;
};

static void on_event(void *data, const struct msp_event *event)
{
    struct subject *s = data;

    if (event->cgroup_id != s->cgroup_id)
        return;
    s->last = *event;
    s->said++;
    s->granted += event->reason == MSP_REASON_NO_LISTENER;
}

static void set_flags(struct subject *s, uint32_t dims)
{
    struct msp_slot_meta *meta = &s->loader->meta->slot[s->slot];

    meta->flags = (meta->flags & ~(uint32_t)ALL_DIMS) | dims;
}

static int table(struct subject *s, const char *outer, const char *template,
                 uint32_t entries)
{
    return trace_table(s->trace, outer, template, s->slot, entries);
}

static void close_tables(struct subject *s)
{
    int *const fds[] = {&s->exe, &s->process, &s->cgroup, &s->states, &s->sets};

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        if (*fds[i] >= 0)
            (void)close(*fds[i]);
        *fds[i] = -1;
    }
}

/* Everybody is in `one`, by every dimension but those a test writes. */
static void fill_tables(struct subject *s)
{
    uint32_t dim, first = SET_ONE, second = SET_NOBODY;
    int wild = table(s, "msp_wild", "msp_t_set", MSP_DIM_COUNT);

    close_tables(s);
    for (dim = 0; dim < MSP_DIM_IDS; dim++)
        assert_ok(bpf_map_update_elem(wild, &dim, &one, BPF_ANY));
    (void)close(wild);
    s->exe = table(s, "msp_exe", "msp_t_exe", 16);
    s->process = table(s, "msp_process", "msp_t_process", 16);
    s->cgroup = table(s, "msp_cgroup", "msp_t_cgroup", 16);
    s->states = table(s, "msp_cg_states", "msp_t_cg_state", 2);
    s->sets = table(s, "msp_sets", "msp_t_set", 2);
    assert_ok(bpf_map_update_elem(s->sets, &first, &one, BPF_ANY));
    assert_ok(bpf_map_update_elem(s->sets, &second, &nobody, BPF_ANY));
    set_flags(s, 0);
}

static void set_wild(struct subject *s, uint32_t dim,
                     const struct msp_idset *set)
{
    int wild = table(s, "msp_wild", "msp_t_set", MSP_DIM_COUNT);

    for (uint32_t i = 0; i < MSP_DIM_IDS; i++)
        assert_ok(bpf_map_update_elem(wild, &i, &one, BPF_ANY));
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
    eps = table(s, "msp_eps", "msp_t_eps", image.n[MSP_SEC_ENDPOINTS]);
    for (uint32_t i = 0; i < image.n[MSP_SEC_ENDPOINTS]; i++) {
        struct msp_endpoint ep = image.endpoints[i].ep;

        ep.reach = one;
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

static int setup(void **state)
{
    struct subject *s = calloc(1, sizeof(*s));
    void *trace = NULL;
    struct stat st;
    int dir;

    assert_non_null(s);
    s->exe = s->process = s->cgroup = s->states = s->sets = -1;
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
    assert_ok(msp_events_open(s->loader, on_event, s));
    start_caller(s);
    *state = s;
    return 0;
}

static int teardown(void **state)
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

static void put_record(struct subject *s, const struct msp_exec *record)
{
    int fd = msp_loader_map_fd(s->loader, "msp_exec");

    assert_ok(bpf_map_update_elem(fd, &s->pid, record, BPF_ANY));
}

/* Before each test: empty tables, the caller's own record. */
static int reset(void **state)
{
    struct subject *s = *state;

    fill_tables(s);
    put_record(s, &s->record);
    return 0;
}

/* Lets the caller connect. @return how many of them had a right */
static unsigned int connects(struct subject *s, char how)
{
    unsigned int want = how == 'b' ? CALLER_BURST : 1;
    char c;

    s->said = s->granted = 0;
    assert_int_equal(write(s->in, &how, 1), 1);
    assert_int_equal(read(s->out, &c, 1), 1);
    assert_ok(msp_events_drain(s->loader));
    assert_int_equal(s->said, want);
    return s->granted;
}

static bool has_right(struct subject *s)
{
    const struct msp_slot_meta *sm = &s->loader->meta->slot[s->slot];
    bool is_granted = connects(s, 'c') == 1;

    if (is_granted)
        assert_int_equal(s->last.reason, MSP_REASON_NO_LISTENER);
    else if (msp_lacks_exec(s->last.flags, sm->flags))
        assert_int_equal(s->last.reason, MSP_REASON_NO_EXEC_RECORD);
    else
        assert_int_equal(s->last.reason, MSP_REASON_NO_RULE_FOR_YOU);
    return is_granted;
}

/* A row of the caller's file, as it was when it was executed. */
static struct msp_exe_row row_of(const struct subject *s,
                                 const struct msp_idset *set)
{
    return (struct msp_exe_row){.set = *set,
                                .ctime_sec = s->record.ctime_sec,
                                .ctime_nsec = s->record.ctime_nsec};
}

static void put_exe(struct subject *s, const struct msp_exe_row *row)
{
    assert_ok(bpf_map_update_elem(s->exe, &s->record.exe, row, BPF_ANY));
}

static void put_set(struct subject *s, const struct msp_idset *set)
{
    const struct msp_exe_row row = row_of(s, set);

    put_exe(s, &row);
}

static void put_other(struct subject *s, const struct msp_exe *exe)
{
    const struct msp_exe_row row = row_of(s, &one);

    assert_ok(bpf_map_update_elem(s->exe, exe, &row, BPF_ANY));
}

/* --- tests --------------------------------------------------------------- */

static void dimensions_without_a_flag_do_not_count(void **state)
{
    struct subject *s = *state;

    set_flags(s, 0);
    assert_true(has_right(s));
    set_flags(s, MSP_SLOT_EXE_DIM);
    assert_false(has_right(s));
    set_flags(s, MSP_SLOT_PROCESS_DIM);
    assert_false(has_right(s));
    set_flags(s, MSP_SLOT_CGROUP_DIM);
    assert_false(has_right(s));
}

static void a_file_counts_by_its_row(void **state)
{
    struct subject *s = *state;
    struct msp_exe other;

    set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &one);
    assert_true(has_right(s));
    put_set(s, &nobody);
    assert_false(has_right(s));
    /* a row decides alone: the wildcard bits are in it */
    set_wild(s, MSP_DIM_EXE, &one);
    assert_false(has_right(s));
    assert_ok(bpf_map_delete_elem(s->exe, &s->record.exe));
    assert_true(has_right(s));
    set_wild(s, MSP_DIM_EXE, &nobody);
    /* every part of the triple counts */
    other = s->record.exe;
    other.ino++;
    put_other(s, &other);
    assert_false(has_right(s));
    other = s->record.exe;
    other.generation++;
    put_other(s, &other);
    assert_false(has_right(s));
    other = s->record.exe;
    other.s_dev++;
    put_other(s, &other);
    assert_false(has_right(s));
}

static void a_replaced_file_counts_for_those_who_ran_it(void **state)
{
    struct subject *s = *state;
    struct msp_exe_row row = row_of(s, &one);

    set_flags(s, MSP_SLOT_EXE_DIM);
    row.retired_ns = s->record.exec_ns;
    put_exe(s, &row);
    assert_true(has_right(s));
    row.retired_ns = s->record.exec_ns - 1;
    put_exe(s, &row);
    assert_false(has_right(s));
    set_wild(s, MSP_DIM_EXE, &one);
    assert_true(has_right(s));
}

static void contents_count_as_they_were_at_exec(void **state)
{
    struct subject *s = *state;
    struct msp_exe_row row = {.hashed = one,
                              .ctime_sec = s->record.ctime_sec,
                              .ctime_nsec = s->record.ctime_nsec};

    set_flags(s, MSP_SLOT_EXE_DIM);
    put_exe(s, &row);
    assert_true(has_right(s));
    row.ctime_nsec++;
    put_exe(s, &row);
    assert_false(has_right(s));
    row.ctime_nsec--;
    row.ctime_sec++;
    put_exe(s, &row);
    assert_false(has_right(s));
    row.set = one;
    put_exe(s, &row);
    assert_true(has_right(s));
}

/* Its numbers were another file's, or are again: its ctime cannot be. */
static void a_file_that_is_younger_than_the_row_is_another(void **state)
{
    struct subject *s = *state;
    struct msp_exe_row row = row_of(s, &one);

    set_flags(s, MSP_SLOT_EXE_DIM);
    row.ctime_nsec--;
    put_exe(s, &row);
    assert_false(has_right(s));
    row.retired_ns = s->record.exec_ns;
    put_exe(s, &row);
    assert_false(has_right(s));
    row = row_of(s, &one);
    row.ctime_sec--;
    row.ctime_nsec = 999999999;
    put_exe(s, &row);
    assert_false(has_right(s));
    row.ctime_sec += 2; /* changed since, but the same file */
    row.ctime_nsec = 0;
    put_exe(s, &row);
    assert_true(has_right(s));
    row = row_of(s, &one);
    row.ctime_nsec++;
    put_exe(s, &row);
    assert_true(has_right(s));
}

static void of_a_young_file_only_the_contents_do_not_count(void **state)
{
    struct subject *s = *state;
    struct msp_exec record = s->record;
    struct msp_exe_row row = row_of(s, &nobody);

    set_flags(s, MSP_SLOT_EXE_DIM);
    row.hashed = one;
    put_exe(s, &row);
    assert_true(has_right(s));
    record.flags = MSP_EXEC_YOUNG;
    put_record(s, &record);
    assert_false(has_right(s));
    put_set(s, &one);
    assert_true(has_right(s));
}

static void a_file_of_another_file_system_is_none(void **state)
{
    struct subject *s = *state;
    struct msp_exec record = s->record;

    set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &one);
    assert_true(has_right(s));
    record.flags = MSP_EXEC_OTHER_FS;
    put_record(s, &record);
    assert_false(has_right(s));
    /* the log shows its numbers all the same */
    assert_true(s->last.flags & MSP_MARK_EXEC);
    assert_memory_equal(&s->last.exe, &record.exe, sizeof(record.exe));
    set_wild(s, MSP_DIM_EXE, &one);
    assert_true(has_right(s));
}

static void only_its_own_record_is_believed(void **state)
{
    int fd = msp_loader_map_fd(((struct subject *)*state)->loader, "msp_exec");
    struct subject *s = *state;
    struct msp_exec record = s->record;

    set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &one);
    assert_true(has_right(s));
    assert_true(s->last.flags & MSP_MARK_EXEC);
    record.exec_id++;
    put_record(s, &record);
    assert_false(has_right(s));
    record.exec_id = s->record.exec_id;
    record.start_ns++;
    put_record(s, &record);
    assert_false(has_right(s));
    record = s->record;
    record.flags = MSP_EXEC_TRACED;
    put_record(s, &record);
    assert_false(has_right(s));
    record.flags = MSP_EXEC_FOUND;
    put_record(s, &record);
    assert_true(has_right(s));
    assert_ok(bpf_map_delete_elem(fd, &s->pid));
    assert_false(has_right(s));
    assert_false(s->last.flags & MSP_MARK_EXEC);
    assert_memory_equal(&s->last.exe, &(struct msp_exe){0}, 16);
    assert_string_equal(s->last.exe_name.text, "-");
}

static void one_in_a_tracers_hands_is_not_believed(void **state)
{
    struct subject *s = *state;
    int status;

    set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &one);
    assert_int_equal(ptrace(PTRACE_SEIZE, s->pid, NULL, NULL), 0);
    assert_false(has_right(s));
    assert_int_equal(ptrace(PTRACE_INTERRUPT, s->pid, NULL, NULL), 0);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_int_equal(ptrace(PTRACE_DETACH, s->pid, NULL, NULL), 0);
    assert_true(has_right(s));
}

/* @param who the leader is traced, else the thread. @return its right */
static bool thread_has_right(struct subject *s, bool is_leader_traced)
{
    unsigned int n;
    pid_t tid = 0, who;
    int status;

    assert_int_equal(write(s->in, "t", 1), 1);
    assert_int_equal(read(s->out, &tid, sizeof(tid)), sizeof(tid));
    who = is_leader_traced ? s->pid : tid;
    assert_int_equal(ptrace(PTRACE_SEIZE, who, NULL, NULL), 0);
    n = connects(s, 'c');
    /* a thread that ends is reaped by its tracer */
    if (is_leader_traced) {
        assert_int_equal(ptrace(PTRACE_INTERRUPT, who, NULL, NULL), 0);
        assert_int_equal(waitpid(who, &status, 0), who);
        assert_int_equal(ptrace(PTRACE_DETACH, who, NULL, NULL), 0);
    } else {
        assert_int_equal(waitpid(who, &status, __WALL), who);
    }
    return n == 1;
}

static void a_traced_thread_or_leader_is_not_believed(void **state)
{
    struct subject *s = *state;

    set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &one);
    assert_false(thread_has_right(s, true));
    assert_false(thread_has_right(s, false));
    assert_true(has_right(s));
}

static void a_base_name_counts_whole(void **state)
{
    struct subject *s = *state;
    struct msp_name name = {0};
    struct msp_exec record = s->record;

    set_flags(s, MSP_SLOT_PROCESS_DIM);
    memcpy(name.text, s->record.name, sizeof(name.text));
    assert_ok(bpf_map_update_elem(s->process, &name, &one, BPF_ANY));
    assert_true(has_right(s));
    assert_string_equal(s->last.exe_name.text, s->record.name);
    record.name[strlen(record.name)] = 'x';
    put_record(s, &record);
    assert_false(has_right(s));
    /* one that was too long has none, even if there were such a row */
    memset(&name, 0, sizeof(name));
    assert_ok(bpf_map_update_elem(s->process, &name, &one, BPF_ANY));
    memset(record.name, 0, sizeof(record.name));
    put_record(s, &record);
    assert_false(has_right(s));
    assert_string_equal(s->last.exe_name.text, "-");
    set_wild(s, MSP_DIM_PROCESS, &one);
    assert_true(has_right(s));
}

static void a_cgroup_counts_by_its_state(void **state)
{
    struct subject *s = *state;
    struct msp_cg_state to = {.set = SET_ONE};
    uint32_t at = 1;

    set_flags(s, MSP_SLOT_CGROUP_DIM);
    assert_ok(bpf_map_update_elem(s->states, &at, &to, BPF_ANY));
    assert_false(has_right(s)); /* no row: the wildcard */
    assert_ok(bpf_map_update_elem(s->cgroup, &s->cgroup_id, &at, BPF_ANY));
    assert_true(has_right(s));
    to.set = SET_NOBODY;
    assert_ok(bpf_map_update_elem(s->states, &at, &to, BPF_ANY));
    assert_false(has_right(s));
    /* what is not there gives nothing, not the wildcard */
    set_wild(s, MSP_DIM_CGROUP, &one);
    to.set = 77;
    assert_ok(bpf_map_update_elem(s->states, &at, &to, BPF_ANY));
    assert_false(has_right(s));
    at = 77;
    assert_ok(bpf_map_update_elem(s->cgroup, &s->cgroup_id, &at, BPF_ANY));
    assert_false(has_right(s));
    assert_ok(bpf_map_delete_elem(s->cgroup, &s->cgroup_id));
    assert_true(has_right(s));
}

static void a_missing_table_gives_nothing(void **state)
{
    static const struct {
        const char *outer;
        uint32_t flag;
    } tables[] = {
        {"msp_exe", MSP_SLOT_EXE_DIM},
        {"msp_process", MSP_SLOT_PROCESS_DIM},
        {"msp_cgroup", MSP_SLOT_CGROUP_DIM},
        {"msp_cg_states", MSP_SLOT_CGROUP_DIM},
    };
    struct subject *s = *state;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        int outer = msp_loader_map_fd(s->loader, tables[i].outer);

        fill_tables(s);
        set_wild(s,
                 tables[i].flag == MSP_SLOT_EXE_DIM       ? MSP_DIM_EXE
                 : tables[i].flag == MSP_SLOT_PROCESS_DIM ? MSP_DIM_PROCESS
                                                          : MSP_DIM_CGROUP,
                 &one);
        set_flags(s, tables[i].flag);
        assert_true(has_right(s));
        assert_ok(bpf_map_delete_elem(outer, &s->slot));
        assert_false(has_right(s));
    }
}

static void every_dimension_must_agree(void **state)
{
    struct subject *s = *state;
    struct msp_cg_state to = {.set = SET_ONE};
    struct msp_name name = {0};
    uint32_t at = 1;

    memcpy(name.text, s->record.name, sizeof(name.text));
    set_flags(s, ALL_DIMS);
    put_set(s, &one);
    assert_false(has_right(s));
    assert_ok(bpf_map_update_elem(s->process, &name, &one, BPF_ANY));
    assert_false(has_right(s));
    assert_ok(bpf_map_update_elem(s->states, &at, &to, BPF_ANY));
    assert_ok(bpf_map_update_elem(s->cgroup, &s->cgroup_id, &at, BPF_ANY));
    assert_true(has_right(s));
    put_set(s, &nobody);
    assert_false(has_right(s));
}

struct writer {
    struct subject *s;
    atomic_bool stop;
};

/*
 * As mspd does when files are replaced: the rows of ours and of another file
 * are written anew, and one takes the memory that the other has left.
 */
static void *replace_rows(void *data)
{
    struct writer *w = data;
    struct msp_exe_row ours = row_of(w->s, &nobody);
    struct msp_exe_row theirs = row_of(w->s, &one);
    struct msp_exe other = w->s->record.exe;
    uint64_t stamp = 0;

    other.ino++;
    while (!atomic_load(&w->stop)) {
        ours.stamp = ++stamp;
        theirs.stamp = ++stamp;
        (void)bpf_map_update_elem(w->s->exe, &w->s->record.exe, &ours, BPF_ANY);
        (void)bpf_map_update_elem(w->s->exe, &other, &theirs, BPF_ANY);
    }
    return NULL;
}

static void another_files_row_is_never_taken_for_ours(void **state)
{
    struct subject *s = *state;
    struct writer w = {.s = s};
    unsigned int wrong = 0;
    pthread_t thread;

    set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &nobody);
    assert_ok(pthread_create(&thread, NULL, replace_rows, &w));
    for (int i = 0; i < 250; i++)
        wrong += connects(s, 'b');
    atomic_store(&w.stop, true);
    assert_ok(pthread_join(thread, NULL));
    assert_int_equal(wrong, 0);
}

#define CASE(name) cmocka_unit_test_setup(name, reset)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(dimensions_without_a_flag_do_not_count),
        CASE(a_file_counts_by_its_row),
        CASE(a_replaced_file_counts_for_those_who_ran_it),
        CASE(contents_count_as_they_were_at_exec),
        CASE(a_file_that_is_younger_than_the_row_is_another),
        CASE(of_a_young_file_only_the_contents_do_not_count),
        CASE(a_file_of_another_file_system_is_none),
        CASE(only_its_own_record_is_believed),
        CASE(one_in_a_tracers_hands_is_not_believed),
        CASE(a_traced_thread_or_leader_is_not_believed),
        CASE(a_base_name_counts_whole),
        CASE(a_cgroup_counts_by_its_state),
        CASE(a_missing_table_gives_nothing),
        CASE(every_dimension_must_agree),
        CASE(another_files_row_is_never_taken_for_ours),
    };

    (void)argv;
    if (argc > 1)
        return caller_act();
    return cmocka_run_group_tests(tests, setup, teardown);
}
