/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/guardset.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "harness/test.h"

#define DIRECTORY (MSP_GUARD_DIR | MSP_GUARD_NAMES | MSP_GUARD_NOWRITE)

/* Below `base`; those of the pins as msp_pins_folder_path() has them. */
static const char *const dirs[] = {"pins", "run", "state", "state/keys",
                                   "libexec"};
static const char *const files[] = {
    "unlock.pub",          "libexec/mspd-netns", "libexec/mspd-keeper",
    "libexec/mspd-proxy",  "state/policy.image", "state/keys/latched",
    "state/keys/guid.key",
};

static char base[64], path[8][128];
static struct msp_opts opts;
static struct msp_guardset set;
static const char *what;

static const char *below(const char *name)
{
    static char ret[192];

    (void)snprintf(ret, sizeof(ret), "%s/%s", base, name);
    return ret;
}

/* The same, and stays. */
static const char *option(size_t i, const char *name)
{
    (void)snprintf(path[i], sizeof(path[i]), "%s/%s", base, name);
    return path[i];
}

static void make_file(const char *name)
{
    int fd = open(below(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    (void)close(fd);
}

static void make_pins(void)
{
    static const char *const folders[] = {"", "links", "uplinks"};
    char pins[MSP_PIN_PATH_BYTES];

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        msp_pins_folder_path(opts.pin_dir, folders[i], pins);
        assert_ok(mkdir(pins, 0700));
    }
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(base, sizeof(base), "/tmp/mspd-unit.XXXXXX");
    if (!mkdtemp(base))
        return -1;
    opts = (struct msp_opts){
        .pin_dir = option(0, "pins"),
        .run_dir = option(1, "run"),
        .state_dir = option(2, "state"),
        .libexec_dir = option(3, "libexec"),
        .guard_key = option(4, "unlock.pub"),
        .proxy_user = "root",
        .keeper_user = "root",
        .is_channel = true,
    };
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        assert_ok(mkdir(below(dirs[i]), 0700));
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        make_file(files[i]);
    make_pins();
    return 0;
}

static int drop(const char *name, const struct stat *st, int type,
                struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(name);
}

static int tear_down(void **state)
{
    (void)state;
    msp_guardset_done(&set);
    return nftw(base, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static int open_set(void)
{
    msp_guardset_done(&set);
    return msp_guardset_open(&set, &opts, &what);
}

/* All flags of a file; 0: it is not among those to guard. */
static uint32_t flags_of(const char *name)
{
    struct stat want, st;
    uint32_t flags = 0;

    assert_ok(stat(below(name), &want));
    for (size_t i = 0; i < set.n; i++) {
        assert_ok(fstat(set.want[i].fd, &st));
        if (st.st_dev == want.st_dev && st.st_ino == want.st_ino)
            flags |= set.want[i].flags;
    }
    return flags;
}

static void the_key_store_is_guarded_with_what_is_in_it(void **state)
{
    (void)state;
    assert_ok(open_set());
    assert_int_equal(flags_of("state"), DIRECTORY);
    assert_int_equal(flags_of("state/policy.image"), MSP_GUARD_INSIDE);
    assert_int_equal(flags_of("state/keys"), DIRECTORY | MSP_GUARD_NOREAD);
    assert_int_equal(flags_of("state/keys/latched"),
                     MSP_GUARD_INSIDE | MSP_GUARD_NOREAD);
    assert_int_equal(flags_of("state/keys/guid.key"),
                     MSP_GUARD_INSIDE | MSP_GUARD_NOREAD);
    assert_int_equal(set.rules_fd, -1);
}

static void a_key_store_is_of_the_channel_alone(void **state)
{
    (void)state;
    opts.is_channel = false;
    assert_ok(open_set());
    assert_int_equal(flags_of("state"), DIRECTORY);
    assert_int_equal(flags_of("state/keys"), 0);
}

static void without_its_key_store_there_is_no_guard(void **state)
{
    (void)state;
    assert_ok(rename(below("state/keys"), option(7, "away")));
    assert_errno(open_set(), ENOENT);
    assert_string_equal(what, "keys of the state directory");
}

static void another_key_store_is_another_guard(void **state)
{
    uint8_t digest[sizeof(set.digest)];

    (void)state;
    assert_ok(open_set());
    memcpy(digest, set.digest, sizeof(digest));
    make_file("state/keys/next.key");
    assert_ok(open_set());
    assert_memory_equal(digest, set.digest, sizeof(digest));
    assert_ok(rename(below("state/keys"), option(7, "away")));
    assert_ok(mkdir(below("state/keys"), 0700));
    assert_ok(open_set());
    assert_memory_not_equal(digest, set.digest, sizeof(digest));
}

static void local_rules_are_made_guarded_and_kept(void **state)
{
    struct stat kept, st;

    (void)state;
    opts.local_rules = option(5, "rules");
    assert_ok(open_set());
    assert_int_equal(flags_of("rules"), DIRECTORY);
    make_file("rules/IMDS_Rules.json");
    assert_ok(open_set());
    assert_int_equal(flags_of("rules/IMDS_Rules.json"), MSP_GUARD_INSIDE);
    assert_true(set.rules_fd >= 0);
    assert_ok(fstat(set.rules_fd, &kept));
    assert_ok(stat(opts.local_rules, &st));
    assert_int_equal(kept.st_ino, st.st_ino);
    assert_ok(chmod(opts.local_rules, 0777));
    assert_errno(open_set(), EPERM);
    assert_string_equal(what, opts.local_rules);
}

static void a_report_that_cannot_be_guarded_is_left_out(void **state)
{
    (void)state;
    opts.platform_status = option(6, "report");
    assert_ok(open_set());
    assert_int_equal(flags_of("report"), DIRECTORY);
    assert_ok(chmod(opts.platform_status, 0777));
    assert_ok(open_set());
    assert_int_equal(flags_of("report"), 0);
}

static void files_in_what_is_protected_besides_are_not_listed(void **state)
{
    (void)state;
    assert_ok(mkdir(below("extra"), 0700));
    make_file("extra/file");
    opts.guard_protect[0] = option(7, "extra");
    opts.n_guard_protect = 1;
    assert_ok(open_set());
    assert_int_equal(flags_of("extra"), DIRECTORY);
    assert_int_equal(flags_of("extra/file"), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(the_key_store_is_guarded_with_what_is_in_it),
        T(a_key_store_is_of_the_channel_alone),
        T(without_its_key_store_there_is_no_guard),
        T(another_key_store_is_another_guard),
        T(local_rules_are_made_guarded_and_kept),
        T(a_report_that_cannot_be_guarded_is_left_out),
        T(files_in_what_is_protected_besides_are_not_listed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
