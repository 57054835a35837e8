/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/tags.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "harness/test.h"

#define NOW 1784755665123456789ull /* 2026-07-22T21:27:45.123 */

static char dir[] = "/tmp/msp-tags-XXXXXX";
static struct msp_tags tags;
static const char *const files[] = {"status.tag", "provisioned.tag",
                                    "status.tag.new"};

static const char *path_of(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

/* NULL: there is no such file */
static void assert_file(const char *name, const char *wanted)
{
    char text[8192] = "";
    struct stat st;
    FILE *in;

    if (!wanted) {
        assert_int_equal(lstat(path_of(name), &st), -1);
        return;
    }
    assert_ok(lstat(path_of(name), &st));
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    in = fopen(path_of(name), "re");
    assert_non_null(in);
    assert_int_equal(fread(text, 1, sizeof(text) - 1, in), strlen(wanted));
    (void)fclose(in);
    assert_string_equal(text, wanted);
}

static ino_t inode_of(const char *name)
{
    struct stat st;

    assert_ok(lstat(path_of(name), &st));
    return st.st_ino;
}

static void assert_printed(const char *missing, const char *wanted)
{
    char text[8192] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");

    assert_non_null(out);
    assert_ok(msp_tags_print(missing, out));
    assert_ok(fclose(out));
    assert_string_equal(text, wanted);
}

static void it_says_what_is_not_ready(void **state)
{
    (void)state;
    assert_printed("", "");
    assert_printed("ebpfProgramStatus - a\r\nkeyLatchStatus - b\r\n"
                   "proxyListenerStatus - c\r\n",
                   "ebpfProgramStatus - a\r\nkeyLatchStatus - b\r\n"
                   "proxyListenerStatus - c\r\n");
}

static void xmls_five_are_escaped(void **state)
{
    (void)state;
    assert_printed(
        "keyLatchStatus - Key(KeyResponse(\"acquire\", 403))\r\n",
        "keyLatchStatus - Key(KeyResponse(&quot;acquire&quot;, 403))\r\n");
    assert_printed("<&'\">\r\n", "&lt;&amp;&apos;&quot;&gt;\r\n");
}

static void what_could_drive_a_terminal_is_escaped(void **state)
{
    (void)state;
    assert_printed("a - \x1b[2J\r\n", "a - \\x1b[2J\r\n");
    assert_printed("a - b", "a - b\r\n");
}

static int forget(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        (void)unlink(path_of(files[i]));
        (void)rmdir(path_of(files[i]));
    }
    tags = (struct msp_tags){.dir = dir};
    return chmod(dir, 0700);
}

static void they_are_there_once_it_has_ended(void **state)
{
    (void)state;
    assert_ok(msp_tags_set(&tags, false, "keyLatchStatus - b\r\n", NOW));
    assert_file("status.tag", NULL);
    assert_file("provisioned.tag", NULL);
    assert_ok(msp_tags_set(&tags, true, "", NOW));
    assert_file("status.tag", "");
    assert_file("provisioned.tag", "2026-07-22T21:27:45.123");
    assert_ok(
        msp_tags_set(&tags, true, "keyLatchStatus - <\r\n", NOW + 1000000000));
    assert_file("status.tag", "keyLatchStatus - &lt;\r\n");
    assert_file("provisioned.tag", "2026-07-22T21:27:46.123");
    assert_ok(msp_tags_set(&tags, false, "keyLatchStatus - <\r\n", NOW));
    assert_file("status.tag", NULL);
    assert_file("provisioned.tag", NULL);
    assert_file("status.tag.new", NULL);
}

static void what_stays_is_not_written_again(void **state)
{
    msp_autoclose int held = -1;
    ino_t before;

    (void)state;
    assert_ok(msp_tags_set(&tags, true, "", NOW));
    before = inode_of("status.tag");
    /* so that its number is not given again */
    held = open(path_of("status.tag"), O_RDONLY | O_CLOEXEC);
    assert_true(held >= 0);
    assert_ok(msp_tags_set(&tags, true, "", NOW + 1000000000));
    assert_int_equal(inode_of("status.tag"), before);
    assert_file("provisioned.tag", "2026-07-22T21:27:45.123");
    assert_ok(msp_tags_set(&tags, true, "a - b\r\n", NOW));
    assert_true(inode_of("status.tag") != before);
}

static void links_are_replaced_not_followed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        assert_ok(symlink("/nowhere/at/all", path_of(files[i])));
    assert_ok(msp_tags_set(&tags, true, "", NOW));
    assert_file("status.tag", "");
    assert_file("provisioned.tag", "2026-07-22T21:27:45.123");
    assert_file("status.tag.new", NULL);
}

static void one_that_cannot_be_written_leaves_no_older_word(void **state)
{
    (void)state;
    assert_ok(msp_tags_set(&tags, true, "", NOW));
    assert_ok(mkdir(path_of("status.tag.new"), 0700));
    assert_errno(msp_tags_set(&tags, true, "a - b\r\n", NOW), EISDIR);
    assert_int_equal(tags.error, -EISDIR);
    assert_file("status.tag", NULL);
    /* the same once more is tried once more */
    assert_ok(rmdir(path_of("status.tag.new")));
    assert_ok(msp_tags_set(&tags, true, "a - b\r\n", NOW));
    assert_file("status.tag", "a - b\r\n");
    assert_int_equal(tags.error, 0);
}

static void the_directory_is_roots_own(void **state)
{
    char above[sizeof(dir) + 8], below[sizeof(dir) + 16];

    (void)state;
    assert_ok(chmod(dir, 0770));
    assert_errno(msp_tags_set(&tags, true, "", NOW), EPERM);
    assert_ok(chmod(dir, 0700));
    assert_ok(msp_tags_set(&tags, true, "", NOW));
    (void)snprintf(above, sizeof(above), "%s/none", dir);
    (void)snprintf(below, sizeof(below), "%s/none/tags", dir);
    tags = (struct msp_tags){.dir = below};
    assert_errno(msp_tags_set(&tags, true, "", NOW), ENOENT);
    assert_ok(symlink(".", above));
    tags = (struct msp_tags){.dir = above};
    assert_errno(msp_tags_set(&tags, true, "", NOW), ENOTDIR);
    assert_ok(unlink(above));
    assert_ok(msp_tags_set(&tags, true, "", NOW));
    assert_ok(chmod(above, 0700)); /* it was made */
    assert_ok(msp_tags_set(&tags, false, "", NOW));
    assert_ok(rmdir(above));
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)forget(state);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest texts[] = {
        cmocka_unit_test(it_says_what_is_not_ready),
        cmocka_unit_test(xmls_five_are_escaped),
        cmocka_unit_test(what_could_drive_a_terminal_is_escaped),
    };
    const struct CMUnitTest written[] = {
        cmocka_unit_test_setup(they_are_there_once_it_has_ended, forget),
        cmocka_unit_test_setup(what_stays_is_not_written_again, forget),
        cmocka_unit_test_setup(links_are_replaced_not_followed, forget),
        cmocka_unit_test_setup(one_that_cannot_be_written_leaves_no_older_word,
                               forget),
        cmocka_unit_test_setup(the_directory_is_roots_own, forget),
    };
    int r = cmocka_run_group_tests(texts, NULL, NULL);

    /* the directory is root's, in life */
    if (geteuid() != 0)
        return r ? r : 77;
    return r + cmocka_run_group_tests(written, make_dir, remove_dir);
}
