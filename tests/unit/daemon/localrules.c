/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/localrules.h"

#include <fcntl.h>
#include <time.h>

#include <msp/limits.h>

#include "harness/test.h"

#define IMDS "IMDS_Rules.json"
#define WIRE "WireServer_Rules.json"

static char base[64], dir[96];
static struct msp_localrules rules;

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(base, sizeof(base), "/tmp/mspd-unit.XXXXXX");
    if (!mkdtemp(base))
        return -1;
    (void)snprintf(dir, sizeof(dir), "%s/rules", base);
    rules =
        (struct msp_localrules){.dir = dir, .kept_fd = -1, .owner = geteuid()};
    return mkdir(dir, 0700);
}

static void path_of(const char *name, char ret[160])
{
    (void)snprintf(ret, 160, "%s/%s", dir, name);
}

static void drop(const char *name)
{
    char path[160];

    path_of(name, path);
    if (unlink(path) < 0 && errno == EISDIR)
        (void)rmdir(path);
}

static int tear_down(void **state)
{
    (void)state;
    drop(IMDS);
    drop(WIRE);
    (void)rmdir(dir);
    (void)unlink(dir);
    (void)unlinkat(AT_FDCWD, dir, AT_REMOVEDIR);
    return rmdir(base);
}

static void put(const char *name, const char *text, mode_t mode)
{
    char path[160];
    int fd;

    path_of(name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_ok(fchmod(fd, mode));
    (void)close(fd);
}

/* So much later that no file is young any more. */
static time_t later(void)
{
    return time(NULL) + MSP_LOCAL_YOUNG_S + 2;
}

/* Looks; @return whether there was something to tell, as if it were told */
static bool look(uint32_t endpoint, time_t now, struct msp_child_local *ret,
                 char ret_text[64])
{
    int fd = -1;
    bool is_news = msp_localrules_look(&rules, endpoint, now, ret, &fd);

    ret_text[0] = '\0';
    assert_int_equal(ret->endpoint, endpoint);
    assert_int_equal(fd >= 0, is_news && ret->file == MSP_LOCAL_THERE);
    if (fd >= 0) {
        ssize_t n = read(fd, ret_text, 63);

        assert_true(n >= 0);
        ret_text[n] = '\0';
        (void)close(fd);
    }
    if (is_news)
        msp_localrules_told(&rules, endpoint);
    return is_news;
}

static void expect(uint32_t endpoint, enum msp_local_file file,
                   const char *says)
{
    struct msp_child_local got;
    char text[64];

    assert_true(look(endpoint, later(), &got, text));
    assert_int_equal(got.file, file);
    if (file == MSP_LOCAL_THERE)
        assert_string_equal(text, says);
    else if (!strstr(got.why, says) || (!*says && *got.why))
        fail_msg("%s", got.why);
}

static void expect_nothing_new(uint32_t endpoint)
{
    struct msp_child_local got;
    char text[64];

    assert_false(look(endpoint, later(), &got, text));
}

static void each_endpoint_has_its_file(void **state)
{
    (void)state;
    put(IMDS, "i", 0600);
    put(WIRE, "w", 0644);
    expect(MSP_EP_IMDS, MSP_LOCAL_THERE, "i");
    expect(MSP_EP_WIRESERVER, MSP_LOCAL_THERE, "w");
}

static void what_is_not_there_is_missing(void **state)
{
    (void)state;
    expect(MSP_EP_IMDS, MSP_LOCAL_MISSING, "");
    put(IMDS, "i", 0600);
    expect(MSP_EP_IMDS, MSP_LOCAL_THERE, "i");
    drop(IMDS);
    expect(MSP_EP_IMDS, MSP_LOCAL_MISSING, "");
    assert_ok(rmdir(dir));
    expect_nothing_new(MSP_EP_IMDS);
    rules.dir = NULL;
    expect(MSP_EP_IMDS, MSP_LOCAL_OFF, "");
}

static void what_others_may_write_is_refused(void **state)
{
    char path[160], other[160];

    (void)state;
    path_of(IMDS, path);
    path_of(WIRE, other);
    put(IMDS, "i", 0620);
    expect(MSP_EP_IMDS, MSP_LOCAL_REFUSED, "mode");
    put(IMDS, "i", 0602);
    expect(MSP_EP_IMDS, MSP_LOCAL_REFUSED, "mode");
    put(IMDS, "i", 0600);
    expect(MSP_EP_IMDS, MSP_LOCAL_THERE, "i");
    /* the directory */
    assert_ok(chmod(dir, 0770));
    expect(MSP_EP_IMDS, MSP_LOCAL_REFUSED, "directory");
    assert_ok(chmod(dir, 0755));
    expect(MSP_EP_IMDS, MSP_LOCAL_THERE, "i");
    /* a link, also to a sound file */
    assert_ok(rename(path, other));
    assert_ok(symlink(other, path));
    expect(MSP_EP_IMDS, MSP_LOCAL_REFUSED, "symbolic link");
    drop(IMDS);
    assert_ok(mkdir(path, 0700));
    expect(MSP_EP_IMDS, MSP_LOCAL_REFUSED, "regular");
    assert_ok(rmdir(path));
    assert_ok(mkfifo(path, 0600));
    expect(MSP_EP_IMDS, MSP_LOCAL_REFUSED, "regular");
    drop(IMDS);
    put(IMDS, "i", 0600);
    rules.owner = geteuid() + 1;
    expect(MSP_EP_IMDS, MSP_LOCAL_REFUSED, "directory");
}

static void what_another_user_owns_is_refused(void **state)
{
    struct msp_child_local got;
    char path[160];
    int fd = -1;

    (void)state;
    put(IMDS, "i", 0600);
    path_of(IMDS, path);
    if (chown(path, 12345, (gid_t)-1) < 0) {
        /* not root: the directory's owner stands for it, in the test above */
        assert_int_equal(errno, EPERM);
        return;
    }
    assert_true(msp_localrules_look(&rules, MSP_EP_IMDS, later(), &got, &fd));
    assert_int_equal(got.file, MSP_LOCAL_REFUSED);
    assert_string_equal(got.why, "its owner is not root");
}

static void a_linked_directory_is_refused(void **state)
{
    char real[160];

    (void)state;
    put(IMDS, "i", 0600);
    (void)snprintf(real, sizeof(real), "%s/real", base);
    assert_ok(rename(dir, real));
    assert_ok(symlink(real, dir));
    expect(MSP_EP_IMDS, MSP_LOCAL_REFUSED, "directory");
    assert_ok(unlink(dir));
    assert_ok(rename(real, dir));
    expect(MSP_EP_IMDS, MSP_LOCAL_THERE, "i");
}

static void what_is_too_large_is_refused(void **state)
{
    char path[160];

    (void)state;
    put(IMDS, "i", 0600);
    path_of(IMDS, path);
    assert_ok(truncate(path, MSP_LOCAL_BYTES_MAX));
    expect(MSP_EP_IMDS, MSP_LOCAL_THERE, "i");
    assert_ok(truncate(path, MSP_LOCAL_BYTES_MAX + 1));
    expect(MSP_EP_IMDS, MSP_LOCAL_REFUSED, "larger");
}

static void only_changes_are_told(void **state)
{
    struct msp_child_local got;
    int fd = -1;

    (void)state;
    put(IMDS, "i", 0600);
    /* told, and not heard: told again */
    assert_true(msp_localrules_look(&rules, MSP_EP_IMDS, later(), &got, &fd));
    (void)close(fd);
    expect(MSP_EP_IMDS, MSP_LOCAL_THERE, "i");
    expect_nothing_new(MSP_EP_IMDS);
    put(IMDS, "jj", 0600); /* the time may be the same */
    expect(MSP_EP_IMDS, MSP_LOCAL_THERE, "jj");
    expect_nothing_new(MSP_EP_IMDS);
    /* a new keeper knows nothing */
    msp_localrules_forget(&rules);
    expect(MSP_EP_IMDS, MSP_LOCAL_THERE, "jj");
}

static void what_changed_just_now_is_told_again(void **state)
{
    struct msp_child_local got;
    char text[64];
    time_t now;

    (void)state;
    put(IMDS, "i", 0600);
    now = time(NULL);
    assert_true(look(MSP_EP_IMDS, now, &got, text));
    assert_true(look(MSP_EP_IMDS, now, &got, text));
    assert_string_equal(text, "i");
    /* old now: once more, for what came since */
    assert_true(look(MSP_EP_IMDS, later(), &got, text));
    assert_false(look(MSP_EP_IMDS, later(), &got, text));
}

static void a_kept_directory_is_looked_at_wherever_it_is(void **state)
{
    struct msp_child_local got;
    char text[64], away[128];

    (void)state;
    (void)snprintf(away, sizeof(away), "%s/away", base);
    put(IMDS, "first", 0600);
    rules.kept_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(rules.kept_fd >= 0);
    assert_ok(rename(dir, away));
    assert_ok(mkdir(dir, 0700));
    put(IMDS, "another", 0600);
    assert_true(look(MSP_EP_IMDS, later(), &got, text));
    assert_string_equal(text, "first");
    drop(IMDS);
    assert_ok(rmdir(dir));
    assert_false(look(MSP_EP_IMDS, later(), &got, text));
    assert_ok(rename(away, dir));
    (void)close(rules.kept_fd);
}

/* What is said of the two is what is in force, not what is there. */
static void each_use_is_said(void **state)
{
    static const struct {
        uint32_t use[MSP_LOCAL_FILES];
        const char *says;
    } cases[] = {
        {{MSP_LOCAL_UNASKED, MSP_LOCAL_UNASKED}, "none"},
        {{MSP_LOCAL_UNSET, MSP_LOCAL_NONE}, "none"},
        {{MSP_LOCAL_DENIED, MSP_LOCAL_NONE}, "imds (denied)"},
        {{MSP_LOCAL_NONE, MSP_LOCAL_MERGED}, "wireserver (merged)"},
        {{MSP_LOCAL_KEPT, MSP_LOCAL_MERGED},
         "imds (kept), wireserver (merged)"},
        {{MSP_LOCAL_MERGED, MSP_LOCAL_DENIED},
         "imds (merged), wireserver (denied)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[MSP_LOCALRULES_USES_BYTES];

        msp_localrules_uses(cases[i].use, text);
        assert_string_equal(text, cases[i].says);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(each_endpoint_has_its_file),
        T(what_is_not_there_is_missing),
        T(what_others_may_write_is_refused),
        T(what_another_user_owns_is_refused),
        T(a_linked_directory_is_refused),
        T(what_is_too_large_is_refused),
        T(only_changes_are_told),
        T(what_changed_just_now_is_told_again),
        T(a_kept_directory_is_looked_at_wherever_it_is),
        T(each_use_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
