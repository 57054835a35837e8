/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/magic.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/io.h"
#include "daemon/exelook.h"
#include "exes_fixture.h"

/* --- claims ------------------------------------------------------------- */

static void prepare_waits_for_every_file(void **state)
{
    struct exes_bench *bench = *state;
    msp_autofree struct msp_exe_found *found = NULL;
    size_t n;

    exes_put_file(bench, "a", "a");
    exes_put_file(bench, "b", "b");
    exes_add_path(bench, "a", MSP_EXE_HOST);
    exes_add_path(bench, "b", MSP_EXE_HOST);
    exes_add_path(bench, "missing", MSP_EXE_HOST);
    exes_add_path(bench, "of-containers", 0);
    exes_begin(bench);
    assert_int_equal(bench->n_prepared, 0);
    exes_wait_prepared(bench);
    assert_int_equal(exes_file(bench, "a")->why, MSP_EXE_OK);
    assert_int_equal(exes_file(bench, "missing")->why, MSP_EXE_MISSING);
    assert_null(
        msp_exes_file(&bench->exes, exes_in_dir(bench, "of-containers")));
    assert_ok(msp_exes_found(&bench->exes, &bench->image, &found, &n));
    assert_int_equal(n, 2);
    assert_int_equal(found[0].path, 0);
    assert_int_equal(found[1].path, 1);
    assert_int_equal(found[1].retired_ns, 0);
}

static void without_files_nothing_is_waited_for(void **state)
{
    struct exes_bench *bench = *state;

    exes_begin(bench);
    assert_int_equal(bench->n_prepared, 1);
}

static void what_is_known_is_not_asked_again(void **state)
{
    struct exes_bench *bench = *state;
    size_t n_opens;

    exes_put_file(bench, "a", "a");
    exes_add_path(bench, "a", MSP_EXE_HOST);
    exes_go_live(bench);
    n_opens = bench->n_opens;
    exes_begin(bench);
    assert_int_equal(bench->n_prepared, 1);
    assert_int_equal(bench->n_opens, n_opens);
}

static void one_without_an_answer_is_waited_for_only_so_long(void **state)
{
    struct exes_bench *bench = *state;

    exes_put_file(bench, "a", "a");
    exes_put_file(bench, "silent", "b");
    bench->silent = "silent";
    exes_add_path(bench, "a", MSP_EXE_HOST);
    exes_add_path(bench, "silent", MSP_EXE_HOST);
    exes_begin(bench);
    exes_run(bench, 50);
    assert_int_equal(bench->n_prepared, 0);
    exes_pass(bench, MSP_EXES_WAIT_MS);
    assert_int_equal(bench->n_prepared, 1);
    msp_exes_commit(&bench->exes);
    assert_true(exes_file(bench, "a")->has_current);
    assert_false(exes_file(bench, "silent")->has_current);
    /* and when it answers after all, that counts */
    bench->n_changed = 0;
    for (size_t i = 0; i < MSP_OPENS_MAX; i++)
        if (bench->request[i].fn)
            assert_ok(msp_timer_set(&bench->request[i].timer, 0));
    bench->silent = NULL;
    exes_expect_noticed(bench, "silent");
}

static void a_replaced_file_is_noticed(void **state)
{
    struct exes_bench *bench = *state;
    struct msp_exe before;

    exes_put_file(bench, "tool", "old");
    exes_put_file(bench, "tool.new", "new");
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    exes_go_live(bench);
    before = exes_exe_at(bench, "tool");
    exes_move(bench, "tool.new", "tool");
    exes_expect_noticed(bench, "tool");
    assert_int_equal(exes_file(bench, "tool")->n_retired, 1);
    assert_int_equal(
        msp_exe_compare(&exes_file(bench, "tool")->retired[0].exe, &before), 0);
    assert_string_equal(msp_exes_path(&bench->exes, &before),
                        exes_in_dir(bench, "tool"));
    assert_int_equal(msp_exes_retired(&bench->exes), 1);
}

static void mount_elsewhere(void *data)
{
    struct exes_bench *bench = data;
    const uint64_t point = msp_exewatch_hash("/elsewhere");

    msp_exes_on_mounts(&bench->exes, &point, 1);
}

/* Both timers are due when the loop comes round, that of the mounts first. */
static void a_mount_elsewhere_hides_nothing_that_is_due(void **state)
{
    struct exes_bench *bench = *state;
    struct msp_timer mounted = {0};

    exes_put_file(bench, "tool", "old");
    exes_put_file(bench, "tool.new", "new");
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    exes_go_live(bench);
    exes_move(bench, "tool.new", "tool");
    msp_exes_happened(bench->exes.item[0]);
    msp_exes_plan_tick(&bench->exes);
    msp_timer_init(bench->loop, &mounted, mount_elsewhere, bench);
    assert_ok(msp_timer_set(&mounted, 0));
    exes_late_ms += 50;
    exes_expect_noticed(bench, "tool");
}

static void a_deleted_file_is_retired(void **state)
{
    struct exes_bench *bench = *state;

    exes_put_file(bench, "tool", "old");
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    exes_go_live(bench);
    assert_ok(unlink(exes_in_dir(bench, "tool")));
    for (int i = 0; i < 200 && exes_file(bench, "tool")->has_current; i++)
        exes_run(bench, 5);
    assert_int_equal(exes_file(bench, "tool")->why, MSP_EXE_MISSING);
    assert_int_equal(exes_file(bench, "tool")->n_retired, 1);
    assert_int_equal(bench->n_changed, 1);
    exes_put_file(bench, "tool", "new");
    exes_expect_noticed(bench, "tool");
}

static void behind_a_link_the_file_itself_is_watched(void **state)
{
    struct exes_bench *bench = *state;

    exes_make_dir(bench, "given");
    exes_make_dir(bench, "real");
    exes_put_file(bench, "real/tool", "old");
    exes_put_file(bench, "real/tool.new", "new");
    exes_put_file(bench, "real/other", "other");
    assert_ok(symlink("../real/tool", exes_in_dir(bench, "given/tool")));
    exes_add_path(bench, "given/tool", MSP_EXE_HOST);
    exes_go_live(bench);
    assert_string_equal(exes_file(bench, "given/tool")->current.real,
                        exes_in_dir(bench, "real/tool"));
    exes_move(bench, "real/tool.new", "real/tool");
    exes_expect_noticed(bench, "given/tool");
    /* and the link */
    bench->n_changed = 0;
    assert_ok(symlink("../real/other", exes_in_dir(bench, "given/tool.new")));
    exes_move(bench, "given/tool.new", "given/tool");
    exes_expect_noticed(bench, "given/tool");
    assert_string_equal(exes_file(bench, "given/tool")->current.real,
                        exes_in_dir(bench, "real/other"));
    assert_int_equal(exes_file(bench, "given/tool")->n_retired, 2);
}

static void a_replaced_directory_is_noticed(void **state)
{
    struct exes_bench *bench = *state;

    exes_make_dir(bench, "bin");
    exes_put_file(bench, "bin/tool", "old");
    exes_make_dir(bench, "next");
    exes_put_file(bench, "next/tool", "new");
    exes_put_file(bench, "newer", "newer");
    exes_add_path(bench, "bin/tool", MSP_EXE_HOST);
    exes_go_live(bench);
    exes_move(bench, "bin", "gone");
    exes_move(bench, "next", "bin");
    exes_expect_noticed(bench, "bin/tool");
    /* the new one is watched now */
    exes_run(bench, 300);
    bench->n_changed = 0;
    exes_move(bench, "newer", "bin/tool");
    exes_expect_noticed(bench, "bin/tool");
}

static void what_is_not_there_is_watched_for(void **state)
{
    struct exes_bench *bench = *state;

    exes_make_dir(bench, "away");
    exes_make_dir(bench, "away/on");
    exes_put_file(bench, "away/on/tool", "new");
    exes_add_path(bench, "later/on/tool", MSP_EXE_HOST);
    exes_go_live(bench);
    assert_int_equal(exes_file(bench, "later/on/tool")->why, MSP_EXE_MISSING);
    assert_int_equal(msp_exes_unwatched(&bench->exes), 0);
    exes_move(bench, "away", "later");
    exes_expect_noticed(bench, "later/on/tool");
}

static void a_link_further_up_is_noticed(void **state)
{
    struct exes_bench *bench = *state;

    exes_make_dir(bench, "one");
    exes_put_file(bench, "one/tool", "old");
    exes_make_dir(bench, "two");
    exes_put_file(bench, "two/tool", "new");
    exes_put_file(bench, "newer", "newer");
    assert_ok(symlink("one", exes_in_dir(bench, "current")));
    exes_add_path(bench, "current/tool", MSP_EXE_HOST);
    exes_go_live(bench);
    assert_ok(symlink("two", exes_in_dir(bench, "next")));
    exes_move(bench, "next", "current");
    exes_expect_noticed(bench, "current/tool");
    /* from now on its new place is watched, and the old one no more */
    exes_run(bench, 100);
    bench->n_changed = 0;
    bench->n_walks = 0;
    exes_move(bench, "newer", "one/tool");
    exes_run(bench, 100);
    assert_int_equal(bench->n_walks, 0);
    exes_put_file(bench, "newer", "newer");
    exes_move(bench, "newer", "two/tool");
    exes_expect_noticed(bench, "current/tool");
}

static void a_renamed_ancestor_is_noticed(void **state)
{
    static const char *const dirs[] = {"a",    "a/b",    "a/b/c",
                                       "next", "next/b", "next/b/c"};
    struct exes_bench *bench = *state;

    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        exes_make_dir(bench, dirs[i]);
    exes_put_file(bench, "a/b/c/tool", "old");
    exes_put_file(bench, "next/b/c/tool", "new");
    exes_add_path(bench, "a/b/c/tool", MSP_EXE_HOST);
    exes_go_live(bench);
    exes_move(bench, "a", "old");
    exes_move(bench, "next", "a");
    exes_expect_noticed(bench, "a/b/c/tool");
}

static void swap_once(struct exes_bench *bench)
{
    bench->meanwhile = NULL;
    exes_move(bench, "a", "old");
    exes_move(bench, "next", "a");
    /* its events come before the answer */
    bench->exes.watch.source.fn(&bench->exes.watch, EPOLLIN);
}

static void what_happens_during_the_walk_is_noticed(void **state)
{
    struct exes_bench *bench = *state;

    exes_make_dir(bench, "a");
    exes_put_file(bench, "a/tool", "old");
    exes_make_dir(bench, "next");
    exes_put_file(bench, "next/tool", "new");
    exes_add_path(bench, "a/tool", MSP_EXE_HOST);
    bench->meanwhile = swap_once;
    exes_begin(bench);
    exes_wait_prepared(bench);
    assert_true(exes_names(bench, "a/tool", exes_exe_at(bench, "a/tool")));
    assert_int_equal(bench->n_walks, 2);
}

static void what_happens_beside_the_path_costs_nothing(void **state)
{
    struct exes_bench *bench = *state;

    exes_make_dir(bench, "a");
    exes_put_file(bench, "a/tool", "old");
    exes_put_file(bench, "other", "x");
    exes_add_path(bench, "a/tool", MSP_EXE_HOST);
    exes_go_live(bench);
    bench->n_walks = 0;
    for (int i = 0; i < 5000; i++) {
        exes_move(bench, "other", "else");
        exes_move(bench, "else", "other");
        if (i % 100 == 0)
            exes_run(bench, 6);
    }
    exes_run(bench, 50);
    assert_int_equal(bench->n_walks, 0);
}

static void what_happens_all_the_time_is_looked_at_now_and_then(void **state)
{
    struct exes_bench *bench = *state;

    exes_make_dir(bench, "a");
    exes_put_file(bench, "a/tool", "old");
    exes_add_path(bench, "a/tool", MSP_EXE_HOST);
    exes_go_live(bench);
    bench->n_walks = 0;
    for (int i = 0; i < 200; i++) {
        exes_move(bench, "a", "b");
        exes_move(bench, "b", "a");
        exes_run(bench, 10);
    }
    assert_true(bench->n_walks > 5);
    assert_true(bench->n_walks < 80); /* a burst, then ten a second */
}

static void where_no_watch_can_be_files_are_looked_for(void **state)
{
    struct exes_bench *bench = *state;

    bench->blind = -ENOSPC;
    exes_put_file(bench, "tool", "old");
    exes_put_file(bench, "tool.new", "new");
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    exes_begin(bench);
    exes_wait_prepared(bench);
    msp_exes_commit(&bench->exes);
    exes_run(bench, 50);
    assert_int_equal(msp_exes_unwatched(&bench->exes), 1);
    assert_string_equal(msp_exes_blind(&bench->exes),
                        "the limit fs.inotify.max_user_watches is reached");
    bench->n_changed = 0;
    exes_move(bench, "tool.new", "tool");
    exes_late_ms += MSP_EXE_UNWATCHED_MS;
    exes_expect_noticed(bench, "tool");
    bench->blind = 0;
    exes_pass(bench, MSP_EXE_UNWATCHED_MS);
    exes_run(bench, 50);
    assert_int_equal(msp_exes_unwatched(&bench->exes), 0);
    assert_string_equal(msp_exes_blind(&bench->exes), "");
}

static void what_no_watch_tells_the_sweep_finds(void **state)
{
    struct exes_bench *bench = *state;

    bench->blind = -EOPNOTSUPP; /* a file system that may hang */
    exes_put_file(bench, "tool", "old");
    exes_put_file(bench, "tool.new", "new");
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    exes_begin(bench);
    exes_wait_prepared(bench);
    msp_exes_commit(&bench->exes);
    exes_run(bench, 50);
    bench->n_changed = 0;
    exes_move(bench, "tool.new", "tool");
    exes_pass(bench, MSP_EXE_SWEEP_MS / 2);
    assert_int_equal(bench->n_changed, 0);
    exes_late_ms += MSP_EXE_SWEEP_MS / 2;
    exes_expect_noticed(bench, "tool");
}

static void on_other_file_systems_nothing_matches(void **state)
{
    struct exes_bench *bench = *state;

    bench->magic = OVERLAYFS_SUPER_MAGIC;
    exes_put_file(bench, "tool", "a");
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    exes_begin(bench);
    exes_wait_prepared(bench);
    assert_int_equal(exes_file(bench, "tool")->why, MSP_EXE_FILE_SYSTEM);
    assert_int_equal(exes_file(bench, "tool")->magic, OVERLAYFS_SUPER_MAGIC);
    assert_false(exes_file(bench, "tool")->has_current);
}

static void contents_are_read_once_the_file_has_settled(void **state)
{
    struct exes_bench *bench = *state;
    uint64_t began;

    exes_put_file(bench, "tool", "abc");
    began = msp_io_now_ms();
    exes_add_path(bench, "tool", MSP_EXE_HOST | MSP_EXE_HASHED);
    exes_begin(bench);
    exes_wait_prepared(bench);
    assert_true(msp_io_now_ms() - began >= MSP_EXE_SETTLE_MS - 10);
    assert_int_equal(bench->n_hashed, 1);
    assert_true(exes_file(bench, "tool")->current.has_sha256);
    assert_memory_equal(exes_file(bench, "tool")->current.sha256, "abc", 4);
    assert_int_equal(bench->n_told, 1);
    msp_exes_commit(&bench->exes);
    exes_run(bench, 100);
    /* written: they are not known until they were read again */
    bench->n_changed = 0;
    exes_put_file(bench, "tool", "xyz");
    for (int i = 0; i < 200 && bench->n_hashed < 2; i++)
        exes_run(bench, 5);
    exes_run(bench, 20);
    assert_memory_equal(exes_file(bench, "tool")->current.sha256, "xyz", 4);
    assert_true(bench->n_changed > 0);
    assert_int_equal(exes_file(bench, "tool")->n_retired, 0);
}

/* As long as its file system rounds times, a write would leave the same. */
static void coarse_time_stamps_settle_later(void **state)
{
    struct exes_bench *bench = *state;
    uint64_t began;

    bench->time_gran = 400000000;
    exes_put_file(bench, "tool", "abc");
    began = msp_io_now_ms();
    exes_add_path(bench, "tool", MSP_EXE_HOST | MSP_EXE_HASHED);
    exes_begin(bench);
    exes_wait_prepared(bench);
    assert_true(msp_io_now_ms() - began >= MSP_EXE_SETTLE_MS + 400 - 10);
    assert_true(exes_file(bench, "tool")->current.has_sha256);
}

static void a_file_written_while_it_is_read_is_not_believed(void **state)
{
    struct exes_bench *bench = *state;

    bench->writes = true;
    exes_put_file(bench, "tool", "abc");
    exes_add_path(bench, "tool", MSP_EXE_HOST | MSP_EXE_HASHED);
    exes_begin(bench);
    exes_wait_prepared(bench);
    assert_true(bench->n_hashed > 1);
    assert_int_equal(bench->n_told, 0);
    assert_true(exes_file(bench, "tool")->has_current);
    assert_false(exes_file(bench, "tool")->current.has_sha256);
}

static void an_unsure_hash_is_not_believed(void **state)
{
    struct exes_bench *bench = *state;

    bench->unsure = "tool";
    exes_put_file(bench, "tool", "abc");
    exes_add_path(bench, "tool", MSP_EXE_HOST | MSP_EXE_HASHED);
    exes_go_live(bench);
    assert_int_equal(bench->n_hashed, 1);
    assert_false(exes_file(bench, "tool")->current.has_sha256);
    exes_pass(bench, MSP_EXE_SWEEP_MS);
    exes_run(bench, 100);
    assert_int_equal(bench->n_hashed, 1);
}

static void two_paths_of_one_file_change_together(void **state)
{
    struct exes_bench *bench = *state;

    exes_make_dir(bench, "far");
    exes_put_file(bench, "tool", "old");
    exes_put_file(bench, "tool.new", "new");
    assert_ok(symlink("../tool", exes_in_dir(bench, "far/link")));
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    exes_add_path(bench, "far/link", MSP_EXE_HOST);
    exes_go_live(bench);
    exes_move(bench, "tool.new", "tool");
    exes_expect_noticed(bench, "tool");
    assert_int_equal(bench->n_changed, 1);
    assert_true(exes_names(bench, "far/link", exes_exe_at(bench, "tool")));
}

static void retired_files_go_when_nobody_runs_them(void **state)
{
    struct exes_bench *bench = *state;

    exes_put_file(bench, "tool", "old");
    exes_put_file(bench, "tool.new", "new");
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    exes_go_live(bench);
    bench->running = exes_exe_at(bench, "tool");
    exes_move(bench, "tool.new", "tool");
    exes_expect_noticed(bench, "tool");
    for (int i = 0; i < 3; i++)
        exes_pass(bench, MSP_EXE_SWEEP_MS);
    assert_int_equal(msp_exes_retired(&bench->exes), 1);
    bench->running.ino = 1;
    bench->n_changed = 0;
    exes_pass(bench, MSP_EXE_SWEEP_MS);
    assert_int_equal(msp_exes_retired(&bench->exes), 1);
    exes_pass(bench, MSP_EXE_SWEEP_MS);
    assert_int_equal(msp_exes_retired(&bench->exes), 0);
    assert_int_equal(bench->n_changed, 1);
}

static void what_is_abandoned_is_forgotten_what_is_live_stays(void **state)
{
    struct exes_bench *bench = *state;

    exes_put_file(bench, "a", "a");
    exes_put_file(bench, "b", "b");
    exes_add_path(bench, "a", MSP_EXE_HOST);
    exes_go_live(bench);
    exes_no_paths(bench);
    exes_add_path(bench, "b", MSP_EXE_HOST);
    exes_begin(bench);
    exes_wait_prepared(bench);
    assert_non_null(msp_exes_file(&bench->exes, exes_in_dir(bench, "b")));
    msp_exes_abandon(&bench->exes);
    assert_null(msp_exes_file(&bench->exes, exes_in_dir(bench, "b")));
    assert_true(exes_file(bench, "a")->has_current);
    exes_begin(bench);
    exes_wait_prepared(bench);
    msp_exes_commit(&bench->exes);
    assert_null(msp_exes_file(&bench->exes, exes_in_dir(bench, "a")));
    assert_true(exes_file(bench, "b")->has_current);
}

static void a_file_of_the_next_policy_keeps_what_is_known(void **state)
{
    struct exes_bench *bench = *state;

    exes_put_file(bench, "tool", "old");
    exes_put_file(bench, "tool.new", "new");
    exes_put_file(bench, "a", "a");
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    exes_go_live(bench);
    exes_move(bench, "tool.new", "tool");
    exes_expect_noticed(bench, "tool");
    exes_no_paths(bench);
    exes_add_path(bench, "a", MSP_EXE_HOST);
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    exes_begin(bench);
    exes_wait_prepared(bench);
    msp_exes_commit(&bench->exes);
    assert_int_equal(exes_file(bench, "tool")->n_retired, 1);
}

static void dropped_while_asked_for(void **state)
{
    struct exes_bench *bench = *state;

    bench->silent = "silent";
    exes_add_path(bench, "silent1", MSP_EXE_HOST);
    exes_add_path(bench, "silent2", MSP_EXE_HOST);
    exes_begin(bench);
    exes_run(bench, 10);
    assert_int_equal(bench->n_outstanding, 2);
    msp_exes_abandon(&bench->exes);
    /* one answer comes late, the other one never */
    assert_ok(msp_timer_set(&bench->request[0].timer, 0));
    exes_run(bench, 10);
    assert_int_equal(bench->n_outstanding, 1);
    assert_int_equal(bench->exes.n_asked, 1);
}

static void what_hangs_does_not_hide_what_happens(void **state)
{
    struct exes_bench *bench = *state;

    exes_put_file(bench, "tool", "old");
    exes_put_file(bench, "tool.new", "new");
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    exes_go_live(bench);
    bench->silent = "silent";
    for (int i = 0; i < PATHS - 1; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "silent%d", i);
        exes_add_path(bench, name, MSP_EXE_HOST);
    }
    exes_begin(bench);
    exes_run(bench, 20);
    assert_true(bench->n_outstanding >= 4);
    assert_true(bench->n_outstanding < MSP_OPENS_MAX);
    exes_move(bench, "tool.new", "tool");
    exes_expect_noticed(bench, "tool");
}

static void rows_of_an_earlier_mspd_are_taken_over(void **state)
{
    struct exes_bench *bench = *state;
    struct msp_exe_found found[2] = {{.retired_ns = 5, .exe = {1, 2, 3}}, {0}};
    struct msp_exe before;

    exes_put_file(bench, "tool", "old");
    exes_put_file(bench, "tool.new", "new");
    before = exes_exe_at(bench, "tool");
    exes_move(bench, "tool.new", "tool"); /* while no mspd ran */
    found[1].exe = before;
    exes_add_path(bench, "tool", MSP_EXE_HOST);
    assert_ok(msp_exes_prepare(&bench->exes, &bench->image, NULL, NULL));
    assert_ok(msp_exes_recall(&bench->exes, &bench->image, found, 2));
    msp_exes_commit(&bench->exes);
    assert_true(exes_names(bench, "tool", before));
    exes_expect_noticed(bench, "tool");
    assert_int_equal(exes_file(bench, "tool")->n_retired, 2);
    assert_int_equal(
        msp_exe_compare(&exes_file(bench, "tool")->retired[1].exe, &before), 0);
}

static void log_finds_only_files_of_the_policy(void **state)
{
    struct exes_bench *bench = *state;
    struct msp_exe a, other;

    exes_put_file(bench, "a", "a");
    exes_put_file(bench, "other", "b");
    exes_add_path(bench, "a", MSP_EXE_HOST);
    exes_go_live(bench);
    a = exes_exe_at(bench, "a");
    other = exes_exe_at(bench, "other");
    assert_string_equal(msp_exes_path(&bench->exes, &a),
                        exes_in_dir(bench, "a"));
    assert_null(msp_exes_path(&bench->exes, &other));
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, exes_setup, exes_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(prepare_waits_for_every_file),
        TEST(without_files_nothing_is_waited_for),
        TEST(what_is_known_is_not_asked_again),
        TEST(one_without_an_answer_is_waited_for_only_so_long),
        TEST(a_replaced_file_is_noticed),
        TEST(a_mount_elsewhere_hides_nothing_that_is_due),
        TEST(a_deleted_file_is_retired),
        TEST(behind_a_link_the_file_itself_is_watched),
        TEST(a_replaced_directory_is_noticed),
        TEST(what_is_not_there_is_watched_for),
        TEST(a_link_further_up_is_noticed),
        TEST(a_renamed_ancestor_is_noticed),
        TEST(what_happens_during_the_walk_is_noticed),
        TEST(what_happens_beside_the_path_costs_nothing),
        TEST(what_happens_all_the_time_is_looked_at_now_and_then),
        TEST(where_no_watch_can_be_files_are_looked_for),
        TEST(what_no_watch_tells_the_sweep_finds),
        TEST(on_other_file_systems_nothing_matches),
        TEST(contents_are_read_once_the_file_has_settled),
        TEST(coarse_time_stamps_settle_later),
        TEST(a_file_written_while_it_is_read_is_not_believed),
        TEST(an_unsure_hash_is_not_believed),
        TEST(two_paths_of_one_file_change_together),
        TEST(retired_files_go_when_nobody_runs_them),
        TEST(what_is_abandoned_is_forgotten_what_is_live_stays),
        TEST(a_file_of_the_next_policy_keeps_what_is_known),
        TEST(dropped_while_asked_for),
        TEST(what_hangs_does_not_hide_what_happens),
        TEST(rows_of_an_earlier_mspd_are_taken_over),
        TEST(log_finds_only_files_of_the_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
