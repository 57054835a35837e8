/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Whom a caller is charged to. Real processes, each in a cgroup and a network
 * namespace of its own, want to connect where nobody listens; what they ask
 * mspd for says who pays.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <bpf/bpf.h>

#include <msp/cleanup.h>
#include <msp/payer.h>

#include "base/io.h"
#include "bpf/caller.h"
#include "bpf/subject_fixture.h"
#include "bpf/trace.h"
#include "harness/test.h"
#include "loader/ctrlive.h"
#include "loader/events.h"
#include "loader/parked.h"

enum {
    USER = 2000 /* the policy has no row for it */
};

/* What a process does to itself before it connects. */
enum guise {
    AS_ROOT,
    AS_USER,
    AS_SETUID_ROOT,
    IN_USER_NAMESPACE,
    IN_NESTED_ONES, /* a user's, in one of his, in one of his */
    IN_PID_NAMESPACE,
};

static struct msp_park asked;
static unsigned int n_asked;

static void on_park(void *data, const struct msp_park *park)
{
    struct msp_loader *loader = data;

    asked = *park;
    n_asked++;
    msp_parked_release(loader, park);
    assert_ok(msp_netns_row_delete(loader, park->netns_cookie));
}

static int write_text(const char *path, const char *text)
{
    msp_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) ? -1
                                                                            : 0;
}

/* The one inside may be made by who has a uid in the one outside. */
static int nest(void)
{
    char map[32];

    (void)snprintf(map, sizeof(map), "0 %d 1", USER);
    if (setresgid(USER, USER, USER) < 0 || setresuid(USER, USER, USER) < 0 ||
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 || unshare(CLONE_NEWUSER) < 0 ||
        write_text("/proc/self/setgroups", "deny") < 0 ||
        write_text("/proc/self/gid_map", map) < 0 ||
        write_text("/proc/self/uid_map", map) < 0)
        return -1;
    return unshare(CLONE_NEWUSER);
}

/* @return 0; -1 it could not */
static int put_on(enum guise guise)
{
    switch (guise) {
    case AS_ROOT:
        return 0;
    case AS_USER:
        return setresuid(USER, USER, USER);
    case AS_SETUID_ROOT:
        return setresuid(USER, 0, 0);
    case IN_USER_NAMESPACE:
        return unshare(CLONE_NEWUSER);
    case IN_NESTED_ONES:
        return nest();
    case IN_PID_NAMESPACE:
        return unshare(CLONE_NEWPID);
    }
    return -1;
}

/* Says which namespace it is in, and asks when it is told to. */
static int act(const char *cgroup, enum guise guise, int in, int out)
{
    uint64_t cookie = 0;
    char c;

    trace_move(cgroup, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* nothing can leave from here, whatever the programs say */
    if (unshare(CLONE_NEWNET) < 0 || msp_io_netns_cookie(&cookie) < 0 ||
        write(out, &cookie, sizeof(cookie)) != sizeof(cookie) ||
        read(in, &c, 1) != 1 || put_on(guise) < 0)
        return 1;
    if (guise == IN_PID_NAMESPACE) {
        int status = 1;
        pid_t pid = fork();

        if (pid == 0) {
            trace_ask(1);
            _exit(0);
        }
        return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
    }
    trace_ask(1);
    return 0;
}

/*
 * @param below of the fixture's cgroup, "" itself
 * @param is_home its network namespace is taken for the agent's own
 * @return whom that process was charged to
 */
static uint64_t payer_of(struct subject *s, const char *below, enum guise guise,
                         bool is_home)
{
    uint64_t cookie = 0, own = s->loader->meta->netns_cookie;
    int in[2], out[2], status = 1;
    char cgroup[512];
    pid_t pid;

    (void)snprintf(cgroup, sizeof(cgroup), "%s%s",
                   trace_fixture_cgroup(s->trace), below);
    assert_ok(pipe2(in, O_CLOEXEC));
    assert_ok(pipe2(out, O_CLOEXEC));
    n_asked = 0;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(act(cgroup, guise, in[0], out[1]));
    assert_int_equal(read(out[0], &cookie, sizeof(cookie)), sizeof(cookie));
    s->loader->meta->netns_cookie = is_home ? cookie : own;
    s->loader->meta->heartbeat_ns = msp_io_now_ns();
    assert_int_equal(write(in[1], "!", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    s->loader->meta->heartbeat_ns = 0;
    s->loader->meta->netns_cookie = own;
    msp_parked_drain(s->loader);
    slot_drain(s->loader);
    for (int i = 0; i < 2; i++) {
        (void)close(in[i]);
        (void)close(out[i]);
    }
    assert_int_equal(n_asked, 1);
    assert_int_equal(asked.netns_cookie, cookie);
    return asked.payer;
}

static uint64_t cgroup_payer(uint64_t id)
{
    return msp_payer_of(MSP_PAYER_CGROUP, id);
}

static int setup(void **state)
{
    struct subject *s;

    if (subject_setup(state))
        return -1;
    s = *state;
    return msp_parked_open(s->loader, on_park, s->loader) < 0 ? -1 : 0;
}

static int reset(void **state)
{
    subject_fill(*state);
    return 0;
}

/* --- tests --------------------------------------------------------------- */

static void below_its_level_a_cgroup_cannot_be_split(void **state)
{
    struct subject *s = *state;
    uint64_t slice = trace_mkdir(s->trace, "/slice");
    uint64_t leaf = trace_mkdir(s->trace, "/slice/docker");
    uint64_t pod, other;

    (void)trace_mkdir(s->trace, "/slice/burst");
    pod = trace_mkdir(s->trace, "/slice/burst/pod");
    other = trace_mkdir(s->trace, "/slice/burst/other");
    (void)trace_mkdir(s->trace, "/slice/burst/pod/one");
    (void)trace_mkdir(s->trace, "/slice/burst/pod/one/two");
    assert_true(payer_of(s, "", AS_ROOT, false) == cgroup_payer(s->cgroup_id));
    assert_true(payer_of(s, "/slice", AS_ROOT, false) == cgroup_payer(slice));
    assert_true(payer_of(s, "/slice/docker", AS_ROOT, false) ==
                cgroup_payer(leaf));
    assert_true(payer_of(s, "/slice/burst/other", AS_ROOT, false) ==
                cgroup_payer(other));
    assert_true(payer_of(s, "/slice/burst/pod", AS_ROOT, false) ==
                cgroup_payer(pod));
    assert_true(payer_of(s, "/slice/burst/pod/one", AS_USER, false) ==
                cgroup_payer(pod));
    assert_true(payer_of(s, "/slice/burst/pod/one/two", IN_USER_NAMESPACE,
                         false) == cgroup_payer(pod));
}

static void a_registered_container_cannot_be_split(void **state)
{
    struct subject *s = *state;
    uint64_t top = trace_mkdir(s->trace, "/top"), n_left = 1, payer;

    payer = msp_payer_of(MSP_PAYER_CONTAINER, top);
    (void)trace_mkdir(s->trace, "/top/a");
    (void)trace_mkdir(s->trace, "/top/a/b");
    (void)trace_mkdir(s->trace, "/top/a/b/c");
    assert_ok(msp_ctr_top_set(s->loader, top, true));
    assert_ok(msp_ctr_fill(s->loader, top, &n_left));
    (void)trace_mkdir(s->trace, "/top/new");
    assert_true(payer_of(s, "/top", AS_ROOT, false) == payer);
    assert_true(payer_of(s, "/top/a", AS_USER, false) == payer);
    assert_true(payer_of(s, "/top/a/b/c", IN_PID_NAMESPACE, false) == payer);
    assert_true(payer_of(s, "/top/new", AS_ROOT, false) == payer);
    /* on the host's network, too */
    assert_true(payer_of(s, "/top/a/b", AS_ROOT, true) == payer);
    assert_true(payer_of(s, "/top/a/b", AS_USER, true) == payer);
    assert_ok(msp_ctr_top_set(s->loader, top, false));
    assert_ok(msp_ctr_fill(s->loader, top, &n_left));
    assert_true(payer_of(s, "/top", AS_ROOT, false) == cgroup_payer(top));
}

static void on_the_agents_network_the_hosts_users_pay(void **state)
{
    struct subject *s = *state;

    assert_true(payer_of(s, "", AS_ROOT, true) == 0);
    assert_true(payer_of(s, "", AS_USER, true) ==
                msp_payer_of(MSP_PAYER_USER, USER));
    /* root's are many who have nothing to do with each other */
    assert_true(payer_of(s, "", AS_SETUID_ROOT, true) ==
                cgroup_payer(s->cgroup_id));
    assert_true(payer_of(s, "", IN_USER_NAMESPACE, true) ==
                cgroup_payer(s->cgroup_id));
    /* there it could have any uid of a range */
    assert_true(payer_of(s, "", IN_NESTED_ONES, true) ==
                msp_payer_of(MSP_PAYER_USER, USER));
    /* a container on the host's network is not root of the host */
    assert_true(payer_of(s, "", IN_PID_NAMESPACE, true) ==
                cgroup_payer(s->cgroup_id));
}

static void while_its_network_is_not_known_all_pay_by_cgroup(void **state)
{
    struct subject *s = *state;

    s->loader->meta->netns_cookie = 0;
    assert_true(payer_of(s, "", AS_ROOT, false) == cgroup_payer(s->cgroup_id));
}

#define CASE(name) cmocka_unit_test_setup(name, reset)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(below_its_level_a_cgroup_cannot_be_split),
        CASE(a_registered_container_cannot_be_split),
        CASE(on_the_agents_network_the_hosts_users_pay),
        CASE(while_its_network_is_not_known_all_pay_by_cgroup),
    };

    (void)argv;
    if (argc > 1)
        return caller_act();
    return cmocka_run_group_tests(tests, setup, subject_teardown);
}
