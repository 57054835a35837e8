/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a cgroup says of itself, in a directory made to look like one. */
// clang-format off
#include "harness/test.h"
// clang-format on
#include "base/populated.h"

#include <fcntl.h>
#include <sys/stat.h>

static void one_is_as_its_events_say(void **state)
{
    static const struct {
        const char *events; /* NULL: there is no such file */
        bool is_populated;
    } rows[] = {
        {"populated 1\nfrozen 0\n", true},
        {"populated 0\nfrozen 1\n", false},
        {"frozen 1\npopulated 1\n", true},
        {"frozen 1\npopulated 0\n", false},
        {"populated ", false},
        {"", false},
        {NULL, false},
    };

    char dir[] = "/tmp/msp-populated-XXXXXX", path[64];
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/cgroup.events", dir);
    assert_ok(stat(dir, &st));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        msp_autoclose int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        if (rows[i].events) {
            FILE *f = fopen(path, "we");

            assert_non_null(f);
            assert_true(fputs(rows[i].events, f) >= 0);
            assert_ok(fclose(f));
        }
        assert_int_equal(msp_populated(fd, st.st_ino), rows[i].is_populated);
        assert_false(msp_populated(fd, st.st_ino + 1));
        if (rows[i].events)
            assert_ok(unlink(path));
    }
    assert_false(msp_populated(-1, st.st_ino));
    assert_ok(rmdir(dir));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_is_as_its_events_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
