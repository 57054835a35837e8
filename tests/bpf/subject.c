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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include <msp/decide.h>
#include <msp/policy.h>

#include "base/io.h"
#include "bpf/caller.h"
#include "bpf/subject_fixture.h"
#include "bpf/trace.h"
#include "harness/test.h"
#include "loader/events.h"
#include "loader/parked.h"
#include "loader/tables.h"

static void put_record(struct subject *s, const struct msp_exec *record)
{
    int fd = msp_loader_map_fd(s->loader, "msp_exec");

    assert_ok(bpf_map_update_elem(fd, &s->pid, record, BPF_ANY));
}

/* Before each test: empty tables, the caller's own record. */
static int reset(void **state)
{
    struct subject *s = *state;

    subject_fill(s);
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
    slot_drain(s->loader);
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
    const struct msp_exe_row row = row_of(s, &subject_one);

    assert_ok(bpf_map_update_elem(s->exe, exe, &row, BPF_ANY));
}

/* --- tests --------------------------------------------------------------- */

static void dimensions_without_a_flag_do_not_count(void **state)
{
    struct subject *s = *state;

    subject_set_flags(s, 0);
    assert_true(has_right(s));
    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    assert_false(has_right(s));
    subject_set_flags(s, MSP_SLOT_PROCESS_DIM);
    assert_false(has_right(s));
    subject_set_flags(s, MSP_SLOT_CGROUP_DIM);
    assert_false(has_right(s));
}

static void a_file_counts_by_its_row(void **state)
{
    struct subject *s = *state;
    struct msp_exe other;

    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &subject_one);
    assert_true(has_right(s));
    put_set(s, &subject_nobody);
    assert_false(has_right(s));
    /* a row decides alone: the wildcard bits are in it */
    subject_set_wild(s, MSP_DIM_EXE, &subject_one);
    assert_false(has_right(s));
    assert_ok(bpf_map_delete_elem(s->exe, &s->record.exe));
    assert_true(has_right(s));
    subject_set_wild(s, MSP_DIM_EXE, &subject_nobody);
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
    struct msp_exe_row row = row_of(s, &subject_one);

    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    row.retired_ns = s->record.exec_ns;
    put_exe(s, &row);
    assert_true(has_right(s));
    row.retired_ns = s->record.exec_ns - 1;
    put_exe(s, &row);
    assert_false(has_right(s));
    subject_set_wild(s, MSP_DIM_EXE, &subject_one);
    assert_true(has_right(s));
}

static void contents_count_as_they_were_at_exec(void **state)
{
    struct subject *s = *state;
    struct msp_exe_row row = {.hashed = subject_one,
                              .ctime_sec = s->record.ctime_sec,
                              .ctime_nsec = s->record.ctime_nsec};

    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    put_exe(s, &row);
    assert_true(has_right(s));
    row.ctime_nsec++;
    put_exe(s, &row);
    assert_false(has_right(s));
    row.ctime_nsec--;
    row.ctime_sec++;
    put_exe(s, &row);
    assert_false(has_right(s));
    row.set = subject_one;
    put_exe(s, &row);
    assert_true(has_right(s));
}

/* Where the kernel read the file at exec, that counts and no ctime. */
static void contents_read_at_exec_count_alone(void **state)
{
    static const struct {
        uint32_t flags; /* of the record */
        uint8_t last;   /* byte of what was read; 0 is demanded */
        bool is_demanded, is_right;
    } rows[] = {
        {MSP_EXEC_HASHED, 0, true, true},
        {MSP_EXEC_HASHED, 1, true, false},
        {MSP_EXEC_HASHED, 0, false, false}, /* of another file */
        {MSP_EXEC_NOHASH, 0, true, false},
    };
    struct msp_sha256 demanded = {.byte = {1, 2}};
    struct subject *s = *state;

    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    assert_ok(bpf_map_update_elem(s->sha, &demanded, &subject_one, BPF_ANY));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct msp_exec record = s->record;
        struct msp_exe_row row = {
            .hashed = subject_one,
            .demands = rows[i].is_demanded ? subject_one : subject_nobody,
            .ctime_sec = record.ctime_sec + (i == 0),
            .ctime_nsec = record.ctime_nsec};

        record.flags = rows[i].flags;
        record.sha256 = demanded;
        record.sha256.byte[31] = rows[i].last;
        put_record(s, &record);
        put_exe(s, &row);
        assert_int_equal(has_right(s), rows[i].is_right);
    }
}

/* Its numbers were another file's, or are again: its ctime cannot be. */
static void a_file_that_is_younger_than_the_row_is_another(void **state)
{
    struct subject *s = *state;
    struct msp_exe_row row = row_of(s, &subject_one);

    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    row.ctime_nsec--;
    put_exe(s, &row);
    assert_false(has_right(s));
    row.retired_ns = s->record.exec_ns;
    put_exe(s, &row);
    assert_false(has_right(s));
    row = row_of(s, &subject_one);
    row.ctime_sec--;
    row.ctime_nsec = 999999999;
    put_exe(s, &row);
    assert_false(has_right(s));
    /* one that was changed since it was executed is the same file */
    row.ctime_sec += 2;
    row.ctime_nsec = 0;
    put_exe(s, &row);
    assert_true(has_right(s));
    row = row_of(s, &subject_one);
    row.ctime_nsec++;
    put_exe(s, &row);
    assert_true(has_right(s));
}

static void of_a_young_file_only_the_contents_do_not_count(void **state)
{
    struct subject *s = *state;
    struct msp_exec record = s->record;
    struct msp_exe_row row = row_of(s, &subject_nobody);

    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    row.hashed = subject_one;
    put_exe(s, &row);
    assert_true(has_right(s));
    record.flags = MSP_EXEC_YOUNG;
    put_record(s, &record);
    assert_false(has_right(s));
    put_set(s, &subject_one);
    assert_true(has_right(s));
}

static void a_file_of_another_file_system_is_none(void **state)
{
    struct subject *s = *state;
    struct msp_exec record = s->record;

    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &subject_one);
    assert_true(has_right(s));
    record.flags = MSP_EXEC_OTHER_FS;
    put_record(s, &record);
    assert_false(has_right(s));
    /* the log shows its numbers all the same */
    assert_true(s->last.flags & MSP_MARK_EXEC);
    assert_memory_equal(&s->last.exe, &record.exe, sizeof(record.exe));
    /* whoever demands no file does not care */
    subject_set_wild(s, MSP_DIM_EXE, &subject_one);
    assert_true(has_right(s));
}

static void only_its_own_record_is_believed(void **state)
{
    int fd = msp_loader_map_fd(((struct subject *)*state)->loader, "msp_exec");
    struct subject *s = *state;
    struct msp_exec record = s->record;

    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &subject_one);
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

    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &subject_one);
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

    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &subject_one);
    assert_false(thread_has_right(s, true));
    assert_false(thread_has_right(s, false));
    assert_true(has_right(s));
}

static void a_base_name_counts_whole(void **state)
{
    struct subject *s = *state;
    struct msp_name name = {0};
    struct msp_exec record = s->record;

    subject_set_flags(s, MSP_SLOT_PROCESS_DIM);
    memcpy(name.text, s->record.name, sizeof(name.text));
    assert_ok(bpf_map_update_elem(s->process, &name, &subject_one, BPF_ANY));
    assert_true(has_right(s));
    assert_string_equal(s->last.exe_name.text, s->record.name);
    record.name[strlen(record.name)] = 'x';
    put_record(s, &record);
    assert_false(has_right(s));
    /* one that was too long has none, even if there were such a row */
    memset(&name, 0, sizeof(name));
    assert_ok(bpf_map_update_elem(s->process, &name, &subject_one, BPF_ANY));
    memset(record.name, 0, sizeof(record.name));
    put_record(s, &record);
    assert_false(has_right(s));
    assert_string_equal(s->last.exe_name.text, "-");
    subject_set_wild(s, MSP_DIM_PROCESS, &subject_one);
    assert_true(has_right(s));
}

static void a_cgroup_counts_by_its_state(void **state)
{
    struct subject *s = *state;
    struct msp_cg_state to = {.set = SET_ONE};
    uint32_t at = 1;

    subject_set_flags(s, MSP_SLOT_CGROUP_DIM);
    assert_ok(bpf_map_update_elem(s->states, &at, &to, BPF_ANY));
    assert_false(has_right(s)); /* no row: the wildcard */
    assert_ok(bpf_map_update_elem(s->cgroup, &s->cgroup_id, &at, BPF_ANY));
    assert_true(has_right(s));
    to.set = SET_NOBODY;
    assert_ok(bpf_map_update_elem(s->states, &at, &to, BPF_ANY));
    assert_false(has_right(s));
    /* what is not there gives nothing, not the wildcard */
    subject_set_wild(s, MSP_DIM_CGROUP, &subject_one);
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

        subject_fill(s);
        subject_set_wild(s,
                         tables[i].flag == MSP_SLOT_EXE_DIM ? MSP_DIM_EXE
                         : tables[i].flag == MSP_SLOT_PROCESS_DIM
                             ? MSP_DIM_PROCESS
                             : MSP_DIM_CGROUP,
                         &subject_one);
        subject_set_flags(s, tables[i].flag);
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
    subject_set_flags(s, ALL_DIMS);
    put_set(s, &subject_one);
    assert_false(has_right(s));
    assert_ok(bpf_map_update_elem(s->process, &name, &subject_one, BPF_ANY));
    assert_false(has_right(s));
    assert_ok(bpf_map_update_elem(s->states, &at, &to, BPF_ANY));
    assert_ok(bpf_map_update_elem(s->cgroup, &s->cgroup_id, &at, BPF_ANY));
    assert_true(has_right(s));
    put_set(s, &subject_nobody);
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
    struct msp_exe_row ours = row_of(w->s, &subject_nobody);
    struct msp_exe_row theirs = row_of(w->s, &subject_one);
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

    subject_set_flags(s, MSP_SLOT_EXE_DIM);
    put_set(s, &subject_nobody);
    assert_ok(pthread_create(&thread, NULL, replace_rows, &w));
    for (int i = 0; i < 250; i++)
        wrong += connects(s, 'b');
    atomic_store(&w.stop, true);
    assert_ok(pthread_join(thread, NULL));
    assert_int_equal(wrong, 0);
}

/* --- a namespace without a listener --------------------------------------- */

enum {
    RACES = 20000
};

struct asked {
    struct msp_loader *loader;
    uint64_t netns_cookie;
    unsigned int n;
};

static void on_park(void *data, const struct msp_park *park)
{
    struct asked *asked = data;

    asked->netns_cookie = park->netns_cookie;
    asked->n++;
    msp_parked_release(asked->loader, park);
}

static void put_row(struct subject *s, uint64_t cookie,
                    enum msp_netns_state state, uint64_t until_ns)
{
    const struct msp_netns row = {
        .state = state, .until_ns = until_ns, .port = MSP_PORT_FIRST};

    assert_ok(msp_netns_row_set(s->loader, cookie, &row));
}

/* All ports of the range but the last: to find it takes a while. */
static void fill_ports(pid_t pid, int *listener)
{
    msp_autoclose int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    msp_autoclose int away = -1;
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
    away = open(path, O_RDONLY | O_CLOEXEC);
    assert_ok(setns(away, CLONE_NEWNET));
    for (uint16_t port = MSP_PORT_FIRST; port < MSP_PORT_LAST; port++) {
        const struct sockaddr_in at = {.sin_family = AF_INET,
                                       .sin_port = htons(port),
                                       .sin_addr.s_addr =
                                           htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_ok(bind(fd, (const struct sockaddr *)&at, sizeof(at)));
        assert_ok(listen(fd, 1));
        *listener++ = fd;
    }
    assert_ok(setns(home, CLONE_NEWNET));
}

static void spin(unsigned int ns)
{
    uint64_t end = msp_io_now_ns() + ns;

    while (msp_io_now_ns() < end)
        ;
}

/* mspd has the listener while somebody sees that it is to be asked for. */
static void a_row_that_is_ready_meanwhile_stays(void **state)
{
    struct subject *s = *state;
    struct asked asked = {.loader = s->loader};
    int fd = msp_loader_map_fd(s->loader, "msp_netns");
    int listener[MSP_PORT_LAST - MSP_PORT_FIRST];
    unsigned int n_ready = 0, delay_ns = 0;
    struct msp_netns row;
    char c;

    fill_ports(s->pid, listener);
    assert_true(msp_parked_open(s->loader, on_park, &asked) >= 0);
    s->loader->meta->heartbeat_ns = msp_io_now_ns();
    assert_int_equal(write(s->in, "a", 1), 1);
    assert_int_equal(read(s->out, &c, 1), 1);
    msp_parked_drain(s->loader);
    assert_int_equal(asked.n, 1);
    for (unsigned int i = 0; i < RACES; i++) {
        s->loader->meta->heartbeat_ns = msp_io_now_ns();
        put_row(s, asked.netns_cookie, MSP_NETNS_FAILED, 1);
        asked.n = 0;
        assert_int_equal(write(s->in, "a", 1), 1);
        spin(delay_ns);
        put_row(s, asked.netns_cookie, MSP_NETNS_READY, 0);
        assert_int_equal(read(s->out, &c, 1), 1);
        msp_parked_drain(s->loader);
        slot_drain(s->loader);
        n_ready += !asked.n;
        /* to and fro around the moment at which both are as fast */
        delay_ns = asked.n ? delay_ns * 9 / 10 : delay_ns + 997;
        assert_ok(bpf_map_lookup_elem(fd, &asked.netns_cookie, &row));
        assert_int_equal(row.state, MSP_NETNS_READY);
    }
    /* both came first at times */
    assert_in_range(n_ready, 1, RACES - 1);
    s->loader->meta->heartbeat_ns = 0;
    for (size_t i = 0; i < ARRAY_SIZE(listener); i++)
        (void)close(listener[i]);
    assert_ok(msp_netns_row_delete(s->loader, asked.netns_cookie));
}

#define CASE(name) cmocka_unit_test_setup(name, reset)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(dimensions_without_a_flag_do_not_count),
        CASE(a_file_counts_by_its_row),
        CASE(a_replaced_file_counts_for_those_who_ran_it),
        CASE(contents_count_as_they_were_at_exec),
        CASE(contents_read_at_exec_count_alone),
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
        CASE(a_row_that_is_ready_meanwhile_stays),
    };

    (void)argv;
    if (argc > 1)
        return caller_act();
    return cmocka_run_group_tests(tests, subject_setup, subject_teardown);
}
