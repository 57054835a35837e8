/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Exec records on this kernel, by real processes in a cgroup of the test: what
 * is taken down at exec, at fork, by a thread, under a tracer, without room.
 * Each process says when it is there and ends when its pipe does.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include <msp/abi.h>

#include "base/io.h"
#include "bpf/actor.h"
#include "bpf/trace.h"
#include "harness/test.h"
#include "loader/events.h"
#include "loader/iter.h"
#include "loader/load.h"

static char self[4096]; /* this executable */
static int self_fd = -1;

/* --- starting and ending them ------------------------------------------- */

struct actor {
    pid_t pid;
    int in, out; /* our ends */
};

enum start_flags {
    OUTSIDE = 1, /* not in the test's cgroup */
    TRACED = 2,
    USER = 4, /* as uid 1000 */
    HELD = 8, /* with TRACED: stays so */
};

/* In the child: becomes the actor. */
static void become(struct trace_fixture *fx, int exe_fd, const char *what,
                   unsigned int flags, int in, int out)
{
    static char *const env[] = {NULL};
    char name[] = "actor", word[16];
    char *argv[] = {name, word, NULL};

    (void)snprintf(word, sizeof(word), "%s", what);
    if (!(flags & OUTSIDE))
        trace_move(trace_fixture_cgroup(fx), 0);
    if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
        _exit(1);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (flags & USER && (setgid(1000) < 0 || setuid(1000) < 0))
        _exit(1);
    if (flags & TRACED && ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(1);
    (void)fexecve(exe_fd, argv, env);
    _exit(1);
}

/* @param exe_fd of the executable. @return when it has said it is there */
static struct actor start(struct trace_fixture *fx, int exe_fd,
                          const char *what, unsigned int flags)
{
    int in[2], out[2], status;
    struct actor actor;
    char word;

    assert_true(exe_fd >= 0);
    assert_ok(pipe2(in, O_CLOEXEC));
    assert_ok(pipe2(out, O_CLOEXEC));
    actor.pid = fork();
    assert_true(actor.pid >= 0);
    if (actor.pid == 0)
        become(fx, exe_fd, what, flags, in[0], out[1]);
    (void)close(in[0]);
    (void)close(out[1]);
    actor.in = in[1];
    actor.out = out[0];
    if (flags & TRACED) {
        assert_int_equal(waitpid(actor.pid, &status, 0), actor.pid);
        assert_true(WIFSTOPPED(status)); /* the trap at exec */
        assert_int_equal(ptrace(flags & HELD ? PTRACE_CONT : PTRACE_DETACH,
                                actor.pid, NULL, NULL),
                         0);
    }
    if (strstr(what, "fork") && !msp_streq(what, "late-fork"))
        return actor;
    assert_int_equal(read(actor.out, &word, 1), 1);
    return actor;
}

static void end(struct actor *actor)
{
    (void)close(actor->in);
    (void)close(actor->out);
    (void)kill(actor->pid, SIGKILL);
    assert_int_equal(waitpid(actor->pid, NULL, 0), actor->pid);
}

/* Whether the leader of a process has ended. */
static bool is_zombie(pid_t pid)
{
    char path[64], status = 0;
    msp_autofclose FILE *f = NULL;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "re");
    return f && fscanf(f, "%*d (%*[^)]) %c", &status) == 1 && status == 'Z';
}

static struct msp_exec record_of(struct trace_fixture *fx, pid_t pid)
{
    struct msp_exec record = {0};

    assert_ok(trace_record(fx, pid, &record));
    return record;
}

static bool has_record(struct trace_fixture *fx, pid_t pid)
{
    struct msp_exec record;

    return trace_record(fx, pid, &record) == 0;
}

/* What the kernel calls a file, by the iterator over our own descriptors. */
static struct msp_file_fact fact_of(struct trace_fixture *fx, const char *path)
{
    struct msp_loader *loader = slot_fixture_loader(trace_fixture_slot(fx));
    msp_autofree struct msp_file_fact *facts = NULL;
    msp_autoclose int fd = open(path, O_PATH | O_CLOEXEC);
    size_t n = 0;

    assert_true(fd >= 0);
    assert_ok(msp_iter_files(loader, &facts, &n));
    for (size_t i = 0; i < n; i++)
        if (facts[i].fd == (uint32_t)fd)
            return facts[i];
    fail_msg("%s is not among %zu own files", path, n);
    return (struct msp_file_fact){0};
}

static bool is_file(const struct msp_exec *record,
                    const struct msp_file_fact *fact)
{
    return memcmp(&record->exe, &fact->exe, sizeof(record->exe)) == 0 &&
           record->ctime_sec == fact->ctime_sec &&
           record->ctime_nsec == fact->ctime_nsec;
}

/* A copy of this executable under a name of n bytes. */
static void copy_self(const char *path)
{
    char command[9000];

    (void)snprintf(command, sizeof(command), "cp '%s' '%s'", self, path);
    assert_ok(system(command)); // NOLINT(cert-env33-c): paths of the test
}

/* --- tests --------------------------------------------------------------- */

static void facts_of_own_files_are_those_of_stat(void **state)
{
    struct trace_fixture *fx = *state;
    struct msp_file_fact fact = fact_of(fx, self);
    struct stat st;

    assert_ok(stat(self, &st));
    assert_int_equal(fact.exe.ino, st.st_ino);
    assert_int_equal(fact.mode, st.st_mode);
    assert_int_equal(fact.nlink, st.st_nlink);
    assert_int_equal(fact.ctime_sec, st.st_ctim.tv_sec);
    assert_int_equal(fact.ctime_nsec, st.st_ctim.tv_nsec);
    assert_int_equal(fact.exe.s_dev >> 20, major(st.st_dev));
    assert_int_equal(fact.exe.s_dev & 0xfffff, minor(st.st_dev));
}

static void an_exec_is_taken_down_and_goes_with_its_process(void **state)
{
    struct trace_fixture *fx = *state;
    struct msp_file_fact fact = fact_of(fx, self);
    struct msp_exec record;
    struct actor actor;

    trace_fixture_attach(fx);
    actor = start(fx, self_fd, "wait", 0);
    record = record_of(fx, actor.pid);
    assert_true(is_file(&record, &fact));
    assert_string_equal(record.name, strrchr(self, '/') + 1);
    assert_int_equal(record.flags, 0);
    assert_true(record.exec_ns >= record.start_ns);
    end(&actor);
    assert_false(has_record(fx, actor.pid));
}

static void processes_of_others_leave_none(void **state)
{
    struct trace_fixture *fx = *state;
    struct actor actor;

    trace_fixture_attach(fx);
    actor = start(fx, self_fd, "wait", OUTSIDE);
    assert_false(has_record(fx, actor.pid));
    end(&actor);
}

static void check_child(struct trace_fixture *fx, const char *how)
{
    struct actor actor = start(fx, self_fd, how, 0);
    struct msp_exec parent, child;
    pid_t pid = 0;

    assert_int_equal(read(actor.out, &pid, sizeof(pid)), sizeof(pid));
    parent = record_of(fx, actor.pid);
    child = record_of(fx, pid);
    assert_memory_equal(&child.exe, &parent.exe, sizeof(child.exe));
    assert_string_equal(child.name, parent.name);
    assert_int_equal(child.exec_ns, parent.exec_ns);
    assert_true(child.start_ns > parent.start_ns);
    (void)close(actor.in);
    assert_int_equal(waitpid(actor.pid, NULL, 0), actor.pid);
    (void)close(actor.out);
    assert_false(has_record(fx, pid));
    assert_false(has_record(fx, actor.pid));
}

static void a_child_is_what_its_parent_was(void **state)
{
    struct trace_fixture *fx = *state;

    trace_fixture_attach(fx);
    check_child(fx, "fork");
    check_child(fx, "vfork");
}

static void an_exec_by_a_thread_counts_for_the_process(void **state)
{
    struct trace_fixture *fx = *state;
    struct actor actor;
    struct msp_exec first, second;

    trace_fixture_attach(fx);
    actor = start(fx, self_fd, "wait", 0);
    first = record_of(fx, actor.pid);
    end(&actor);
    actor = start(fx, self_fd, "thread", 0);
    second = record_of(fx, actor.pid);
    assert_int_equal(second.exec_id, first.exec_id + 1);
    assert_memory_equal(&second.exe, &first.exe, sizeof(first.exe));
    end(&actor);
    assert_false(has_record(fx, actor.pid));
}

/* Executes once more. @param later than which exec it is announced for */
static struct msp_exec exec_with_hash(struct trace_fixture *fx, uint64_t later)
{
    int fd = msp_loader_map_fd(slot_fixture_loader(trace_fixture_slot(fx)),
                               "msp_exec_hash");
    struct actor actor = start(fx, self_fd, "late-exec", 0);
    struct msp_exec record = record_of(fx, actor.pid);
    struct msp_exec_hash hash = {.start_ns = record.start_ns,
                                 .exec_id = record.exec_id + later,
                                 .flags = MSP_EXEC_HASHED,
                                 .sha256 = {.byte = {7, 8, 9}}};
    char word;

    assert_ok(bpf_map_update_elem(fd, &actor.pid, &hash, BPF_ANY));
    assert_int_equal(write(actor.in, "x", 1), 1);
    assert_int_equal(read(actor.out, &word, 1), 1);
    record = record_of(fx, actor.pid);
    /* whatever became of it */
    assert_int_equal(bpf_map_lookup_elem(fd, &actor.pid, &hash), -ENOENT);
    end(&actor);
    return record;
}

static void contents_are_taken_from_the_same_exec(void **state)
{
    struct trace_fixture *fx = *state;
    struct msp_exec record;

    trace_fixture_attach(fx);
    record = exec_with_hash(fx, 1);
    assert_int_equal(record.flags, MSP_EXEC_HASHED);
    assert_int_equal(record.sha256.byte[2], 9);
    record = exec_with_hash(fx, 2);
    assert_int_equal(record.flags, 0);
    assert_int_equal(record.sha256.byte[0], 0);
}

static void one_traced_from_birth_is_flagged(void **state)
{
    struct trace_fixture *fx = *state;
    struct actor actor;

    trace_fixture_attach(fx);
    actor = start(fx, self_fd, "wait", TRACED);
    assert_int_equal(record_of(fx, actor.pid).flags, MSP_EXEC_TRACED);
    end(&actor);
}

static void a_traced_parents_child_is_flagged(void **state)
{
    struct trace_fixture *fx = *state;
    struct msp_exec record;
    struct actor actor;
    pid_t pid = 0;

    /* seen at its exec: the flag goes on to its children */
    trace_fixture_attach(fx);
    actor = start(fx, self_fd, "fork", TRACED);
    assert_int_equal(read(actor.out, &pid, sizeof(pid)), sizeof(pid));
    assert_int_equal(record_of(fx, pid).flags, MSP_EXEC_TRACED);
    end(&actor);
    /* traced at its fork, with a record that says nothing of it */
    actor = start(fx, self_fd, "late-fork", 0);
    record = record_of(fx, actor.pid);
    assert_int_equal(record.flags, 0);
    assert_int_equal(ptrace(PTRACE_SEIZE, actor.pid, NULL, NULL), 0);
    assert_int_equal(write(actor.in, "!", 1), 1);
    assert_int_equal(read(actor.out, &pid, sizeof(pid)), sizeof(pid));
    assert_int_equal(record_of(fx, actor.pid).flags, 0);
    assert_int_equal(record_of(fx, pid).flags, MSP_EXEC_TRACED);
    end(&actor);
}

static void a_process_lives_as_long_as_a_thread_of_it(void **state)
{
    struct trace_fixture *fx = *state;
    struct actor actor;
    int status;

    trace_fixture_attach(fx);
    actor = start(fx, self_fd, "leaderless", 0);
    /* its leader is gone before the answer, or soon after */
    for (int i = 0; i < 1000 && !is_zombie(actor.pid); i++)
        (void)usleep(1000);
    assert_true(is_zombie(actor.pid));
    assert_true(has_record(fx, actor.pid));
    (void)close(actor.in);
    assert_int_equal(waitpid(actor.pid, &status, 0), actor.pid);
    (void)close(actor.out);
    assert_false(has_record(fx, actor.pid));
}

static void names_are_whole_or_absent(void **state)
{
    struct trace_fixture *fx = *state;
    char dir[] = "/tmp/msp-exec-XXXXXX", path[256], name[80];
    static const size_t lengths[] = {1, 63, 64, 70};

    assert_non_null(mkdtemp(dir));
    trace_fixture_attach(fx);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct msp_exec record;
        struct actor actor;
        int exe_fd;

        memset(name, 'n', lengths[i]);
        name[lengths[i]] = '\0';
        (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
        copy_self(path);
        exe_fd = open(path, O_PATH | O_CLOEXEC);
        actor = start(fx, exe_fd, "wait", 0);
        (void)close(exe_fd);
        record = record_of(fx, actor.pid);
        end(&actor);
        assert_ok(unlink(path));
        assert_string_equal(record.name, lengths[i] < 64 ? name : "");
        for (size_t j = strlen(record.name); j < sizeof(record.name); j++)
            assert_int_equal(record.name[j], 0);
    }
    assert_ok(rmdir(dir));
}

static void a_file_of_no_directory_says_so(void **state)
{
    struct trace_fixture *fx = *state;
    msp_autoclose int from = open(self, O_RDONLY | O_CLOEXEC);
    msp_autoclose int fd = memfd_create("/usr/bin/curl", MFD_CLOEXEC);
    struct stat st;
    struct actor actor;

    assert_true(from >= 0 && fd >= 0);
    assert_ok(fstat(from, &st));
    while (st.st_size > 0) {
        ssize_t n =
            copy_file_range(from, NULL, fd, NULL, (size_t)st.st_size, 0);
        char bytes[65536];

        if (n < 0) { /* not between these file systems */
            n = read(from, bytes, sizeof(bytes));
            assert_int_equal(write(fd, bytes, (size_t)n), n);
        }
        assert_true(n > 0);
        st.st_size -= n;
    }
    trace_fixture_attach(fx);
    actor = start(fx, fd, "wait", 0);
    assert_string_equal(record_of(fx, actor.pid).name, "memfd:/usr/bin/curl");
    end(&actor);
}

/* A copy of this executable in a directory. @return its descriptor */
static int new_copy(int dir)
{
    msp_autoclose int from = open(self, O_RDONLY | O_CLOEXEC);
    int to = openat(dir, "copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    static char bytes[65536];
    ssize_t n;

    assert_true(from >= 0 && to >= 0);
    while ((n = read(from, bytes, sizeof(bytes))) > 0)
        assert_int_equal(write(to, bytes, (size_t)n), n);
    (void)close(to);
    to = openat(dir, "copy", O_PATH | O_CLOEXEC);
    assert_true(to >= 0);
    return to;
}

static uint32_t flags_of(struct trace_fixture *fx, int exe_fd)
{
    struct actor actor = start(fx, exe_fd, "wait", 0);
    uint32_t flags = record_of(fx, actor.pid).flags;

    end(&actor);
    return flags;
}

/* Sets how long ago a ctime is; there is no other way to have it so exactly. */
static void shift_clock(struct trace_fixture *fx, int64_t ns)
{
    struct msp_loader *loader = slot_fixture_loader(trace_fixture_slot(fx));

    msp_loader_beat(loader, 0);
    loader->meta->real_offset_ns += (uint64_t)ns;
}

/*
 * Lets the file's ctime be a moment ago and executes it.
 * @return its flags; -1: the machine was too slow for that
 */
static int64_t flags_just_after(struct trace_fixture *fx, int fd)
{
    uint64_t began = msp_io_now_ms();
    struct timespec now;
    struct stat st;
    uint32_t flags;

    assert_ok(fstat(fd, &st));
    (void)clock_gettime(CLOCK_REALTIME, &now);
    shift_clock(fx, (st.st_ctim.tv_sec - now.tv_sec) * 1000000000ll +
                        st.st_ctim.tv_nsec - now.tv_nsec);
    flags = flags_of(fx, fd);
    return msp_io_now_ms() - began < MSP_EXE_SETTLE_MS ? (int64_t)flags : -1;
}

static void a_file_changed_just_now_is_young(void **state)
{
    struct trace_fixture *fx = *state;
    struct msp_loader *loader = slot_fixture_loader(trace_fixture_slot(fx));
    char dir[] = "/tmp/msp-exec-XXXXXX";
    int dir_fd = mkdtemp(dir) ? open(dir, O_PATH | O_CLOEXEC) : -1;
    int fd = new_copy(dir_fd);
    int64_t flags = -1;

    trace_fixture_attach(fx);
    for (int i = 0; i < 100 && flags < 0; i++)
        flags = flags_just_after(fx, fd);
    assert_int_equal(flags, MSP_EXEC_YOUNG);
    shift_clock(fx, 3600 * 1000000000ll);
    assert_int_equal(flags_of(fx, fd), 0);
    /* fail closed: the clock was set back, or was never told */
    shift_clock(fx, -3600 * 1000000000ll);
    assert_int_equal(flags_of(fx, fd), MSP_EXEC_YOUNG);
    loader->meta->real_offset_ns = 0;
    assert_int_equal(flags_of(fx, fd), MSP_EXEC_YOUNG);
    (void)close(fd);
    assert_ok(unlinkat(dir_fd, "copy", 0));
    (void)close(dir_fd);
    assert_ok(rmdir(dir));
}

static void a_child_of_a_young_one_is_young(void **state)
{
    struct trace_fixture *fx = *state;
    struct actor actor;
    pid_t pid = 0;

    trace_fixture_attach(fx);
    slot_fixture_loader(trace_fixture_slot(fx))->meta->real_offset_ns = 0;
    actor = start(fx, self_fd, "fork", 0);
    assert_int_equal(read(actor.out, &pid, sizeof(pid)), sizeof(pid));
    assert_int_equal(record_of(fx, pid).flags, MSP_EXEC_YOUNG);
    end(&actor);
}

/* @return a directory of a new file system that is mounted nowhere */
static int new_fs(const char *type)
{
    msp_autoclose int context = fsopen(type, FSOPEN_CLOEXEC);
    int fd;

    assert_true(context >= 0);
    assert_ok(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
    fd = fsmount(context, FSMOUNT_CLOEXEC, 0);
    assert_true(fd >= 0);
    return fd;
}

static void a_file_system_that_is_not_accepted_is_noted(void **state)
{
    static const struct {
        const char *type;
        uint32_t flags;
    } cases[] = {{"tmpfs", 0}, {"ramfs", MSP_EXEC_OTHER_FS}};

    struct trace_fixture *fx = *state;

    trace_fixture_attach(fx);
    shift_clock(fx, 3600 * 1000000000ll);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int dir = new_fs(cases[i].type);
        int fd = new_copy(dir);

        assert_int_equal(flags_of(fx, fd), cases[i].flags);
        (void)close(fd);
        (void)close(dir);
    }
}

static void without_room_there_is_no_record(void **state)
{
    struct trace_fixture *fx = *state;
    struct msp_loader *loader = slot_fixture_loader(trace_fixture_slot(fx));
    int fd = msp_loader_map_fd(loader, "msp_exec");
    struct msp_exec filler = {.flags = MSP_EXEC_TRACED};
    uint32_t key, n = 0;
    uint64_t dropped = 0, before = 0;
    struct actor actor;

    trace_fixture_attach(fx);
    assert_ok(msp_events_stat(loader, MSP_STAT_EXEC_DROPPED, &before));
    /* no such pids: above the largest there can be */
    for (key = 1u << 30; bpf_map_update_elem(fd, &key, &filler, 0) == 0; key++)
        n++;
    assert_true(n >= MSP_EXEC_MIN);
    actor = start(fx, self_fd, "wait", 0);
    assert_false(has_record(fx, actor.pid));
    assert_ok(msp_events_stat(loader, MSP_STAT_EXEC_DROPPED, &dropped));
    assert_true(dropped > before);
    before = dropped;
    assert_ok(msp_iter_tasks(loader));
    assert_ok(msp_events_stat(loader, MSP_STAT_EXEC_DROPPED, &dropped));
    assert_true(dropped > before);
    end(&actor);
    key = 1u << 30;
    for (uint32_t i = 0; i < 8; i++, key++) /* CPUs keep some to themselves */
        assert_ok(bpf_map_delete_elem(fd, &key));
    actor = start(fx, self_fd, "wait", 0);
    assert_true(has_record(fx, actor.pid));
    end(&actor);
}

static void of_those_before_only_real_root_is_believed(void **state)
{
    struct trace_fixture *fx = *state;
    struct msp_loader *loader = slot_fixture_loader(trace_fixture_slot(fx));
    struct actor root = start(fx, self_fd, "wait", 0);
    struct actor user = start(fx, self_fd, "wait", USER);
    struct actor other = start(fx, self_fd, "wait", OUTSIDE);
    struct msp_file_fact fact = fact_of(fx, self);
    struct actor seen;
    struct msp_exec record;

    trace_fixture_attach(fx);
    seen = start(fx, self_fd, "wait", 0);
    assert_false(has_record(fx, root.pid));
    assert_ok(msp_iter_tasks(loader));
    record = record_of(fx, root.pid);
    assert_int_equal(record.flags, MSP_EXEC_FOUND);
    assert_true(is_file(&record, &fact));
    assert_false(has_record(fx, user.pid));
    assert_false(has_record(fx, other.pid));
    /* what was seen stands */
    assert_int_equal(record_of(fx, seen.pid).flags, 0);
    end(&root);
    end(&user);
    end(&other);
    end(&seen);
    assert_false(has_record(fx, root.pid));
}

static void nobody_else_of_those_before_is_believed(void **state)
{
    static const char *const others[] = {"chroot", "userns", "euid", "uid"};
    struct actor actor[ARRAY_SIZE(others)], parent, traced;
    struct trace_fixture *fx = *state;
    pid_t pid = 0;

    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        actor[i] = start(fx, self_fd, others[i], 0);
    parent = start(fx, self_fd, "pidns-fork", 0);
    assert_int_equal(read(parent.out, &pid, sizeof(pid)), sizeof(pid));
    traced = start(fx, self_fd, "wait", TRACED | HELD);
    trace_fixture_attach(fx);
    assert_ok(msp_iter_tasks(slot_fixture_loader(trace_fixture_slot(fx))));
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (has_record(fx, actor[i].pid))
            fail_msg("%s has a record", others[i]);
        end(&actor[i]);
    }
    assert_true(has_record(fx, parent.pid));
    assert_false(has_record(fx, pid));
    assert_int_equal(record_of(fx, traced.pid).flags,
                     MSP_EXEC_FOUND | MSP_EXEC_TRACED);
    end(&traced);
    (void)kill(pid, SIGKILL);
    end(&parent);
}

#define TRACE_TEST(f)                                       \
    cmocka_unit_test_setup_teardown(f, trace_fixture_setup, \
                                    trace_fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TRACE_TEST(facts_of_own_files_are_those_of_stat),
        TRACE_TEST(an_exec_is_taken_down_and_goes_with_its_process),
        TRACE_TEST(processes_of_others_leave_none),
        TRACE_TEST(a_child_is_what_its_parent_was),
        TRACE_TEST(an_exec_by_a_thread_counts_for_the_process),
        TRACE_TEST(contents_are_taken_from_the_same_exec),
        TRACE_TEST(one_traced_from_birth_is_flagged),
        TRACE_TEST(a_traced_parents_child_is_flagged),
        TRACE_TEST(a_process_lives_as_long_as_a_thread_of_it),
        TRACE_TEST(names_are_whole_or_absent),
        TRACE_TEST(a_file_of_no_directory_says_so),
        TRACE_TEST(a_file_changed_just_now_is_young),
        TRACE_TEST(a_child_of_a_young_one_is_young),
        TRACE_TEST(a_file_system_that_is_not_accepted_is_noted),
        TRACE_TEST(without_room_there_is_no_record),
        TRACE_TEST(of_those_before_only_real_root_is_believed),
        TRACE_TEST(nobody_else_of_those_before_is_believed),
    };

    if (argc > 1)
        return actor_act(argv[1]);
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        return 1;
    self_fd = open(self, O_PATH | O_CLOEXEC);
    return cmocka_run_group_tests(tests, trace_group_setup,
                                  trace_group_teardown);
}
