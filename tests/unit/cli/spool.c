/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The spool: whole files of our own, and nobody else's directory. */
// clang-format off
#include "harness/test.h"
// clang-format on
#include "cli/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <msp/container.h>

#include "base/io.h"

struct place {
    char top[32];
    char dir[64];  /* <top>/run/spool; neither exists */
    char file[96]; /* of cgroup id 0x1f */
};

static void place_make(struct place *place)
{
    (void)strcpy(place->top, "/tmp/msp-spool-XXXXXX");
    assert_non_null(mkdtemp(place->top));
    (void)snprintf(place->dir, sizeof(place->dir), "%s/run/spool", place->top);
    (void)snprintf(place->file, sizeof(place->file), "%s/000000000000001f",
                   place->dir);
}

static void place_done(struct place *place)
{
    char run[64];

    (void)snprintf(run, sizeof(run), "%s/run", place->top);
    (void)rmdir(place->dir); /* fails if anything is left in it: */
    (void)rmdir(run);
    assert_ok(rmdir(place->top));
}

static size_t entries(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n - 2;
}

static int write_text(const char *dir, uint64_t id, const char *text)
{
    return msp_spool_write(dir, id, text, strlen(text));
}

static void a_registration_is_a_file_of_its_cgroup(void **state)
{
    msp_autofree char *text = NULL;
    struct place place;
    struct stat st;
    size_t len = 0;

    (void)state;
    place_make(&place);
    assert_ok(write_text(place.dir, 0x1f, "scgroup=/a\nsid=c1\n\n"));
    assert_ok(write_text(place.dir, 0x1f, "scgroup=/a\nsid=c2\n\n"));
    assert_int_equal(entries(place.dir), 1);
    assert_ok(stat(place.dir, &st));
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_ok(stat(place.file, &st));
    assert_int_equal(st.st_mode & 07777, 0600);
    {
        msp_autoclose int fd = open(place.file, O_RDONLY | O_CLOEXEC);

        assert_ok(msp_io_slurp(fd, 4096, &text, &len));
    }
    assert_string_equal(text, "scgroup=/a\nsid=c2\n\n");
    assert_ok(unlink(place.file));
    place_done(&place);
}

static void those_of_an_id_are_forgotten(void **state)
{
    char junk[96], link[96];
    struct place place;

    (void)state;
    place_make(&place);
    assert_ok(msp_spool_forget(place.dir, "c1")); /* no directory: none */
    assert_ok(write_text(place.dir, 0x1f, "scgroup=/a\nsid=c2\n\n"));
    assert_ok(write_text(place.dir, 0x20, "sid=c1\nscgroup=/a\n\n"));
    assert_ok(write_text(place.dir, 0x21, "scgroup=/sid=c1\n\n"));
    assert_ok(write_text(place.dir, 0x22, "scgroup=/b\nsid=c1\n\n"));
    assert_ok(write_text(place.dir, 0x23, "junk"));
    (void)snprintf(link, sizeof(link), "%s/link", place.dir);
    assert_ok(symlink("0000000000000020", link));
    assert_ok(msp_spool_forget(place.dir, "c1"));
    assert_int_equal(entries(place.dir), 4); /* 1f, 21, 23, link */
    assert_ok(msp_spool_forget(place.dir, "c2"));
    assert_int_equal(access(place.file, F_OK), -1);
    assert_ok(unlink(link));
    (void)snprintf(junk, sizeof(junk), "%s/0000000000000021", place.dir);
    assert_ok(unlink(junk));
    (void)snprintf(junk, sizeof(junk), "%s/0000000000000023", place.dir);
    assert_ok(unlink(junk));
    place_done(&place);
}

static void anybodys_directory_is_refused(void **state)
{
    struct place place;
    char run[64], real[64];

    (void)state;
    place_make(&place);
    (void)snprintf(run, sizeof(run), "%s/run", place.top);
    (void)snprintf(real, sizeof(real), "%s/run/real", place.top);
    assert_ok(mkdir(run, 0755));
    assert_ok(mkdir(place.dir, 0700));
    assert_ok(chmod(place.dir, 0750));
    assert_errno(write_text(place.dir, 1, "x"), EPERM);
    assert_errno(msp_spool_forget(place.dir, "x"), EPERM);
    assert_int_equal(entries(place.dir), 0);
    assert_ok(rmdir(place.dir));
    assert_ok(mkdir(real, 0700));
    assert_ok(symlink("real", place.dir));
    assert_true(write_text(place.dir, 1, "x") < 0);
    assert_int_equal(entries(real), 0);
    assert_ok(unlink(place.dir));
    assert_ok(rmdir(real));
    place_done(&place);
}

static void a_full_spool_takes_no_more(void **state)
{
    struct place place;
    char name[96];

    (void)state;
    place_make(&place);
    assert_ok(write_text(place.dir, 0x1f, "x"));
    for (int i = 1; i < MSP_CONTAINER_SPOOLED_MAX; i++) {
        (void)snprintf(name, sizeof(name), "%s/%d", place.dir, i);
        assert_ok(link(place.file, name));
    }
    assert_errno(write_text(place.dir, 0x1e, "x"), EDQUOT);
    for (int i = 1; i < MSP_CONTAINER_SPOOLED_MAX; i++) {
        (void)snprintf(name, sizeof(name), "%s/%d", place.dir, i);
        assert_ok(unlink(name));
    }
    assert_ok(unlink(place.file));
    place_done(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registration_is_a_file_of_its_cgroup),
        cmocka_unit_test(those_of_an_id_are_forgotten),
        cmocka_unit_test(anybodys_directory_is_refused),
        cmocka_unit_test(a_full_spool_takes_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
