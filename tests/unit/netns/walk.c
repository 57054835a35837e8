/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "netns/walk.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "harness/test.h"

/* A directory that plays the root directory. */
struct bench {
    char dir[64];
    int root_fd;
    int watch_fd;
    struct msp_child_open reply;
};

static int setup(void **state)
{
    static const char *const dirs[] = {"usr", "usr/v1", "usr/v1/bin", "opt"};
    static const char *const links[][2] = {
        {"usr/bin", "bin"},
        {"v1/bin", "usr/bin"},
        {"../usr/./v1/../bin", "opt/far"},
        {"/usr//bin/", "opt/abs"},
        {"round", "usr/round"},
        {"../../../../usr", "opt/out"},
    };
    struct bench *bench = calloc(1, sizeof(*bench));
    int fd;

    *state = bench;
    if (!bench)
        return -1;
    (void)snprintf(bench->dir, sizeof(bench->dir), "/tmp/msp-walk.XXXXXX");
    if (!mkdtemp(bench->dir))
        return -1;
    bench->root_fd = open(bench->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bench->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        if (mkdirat(bench->root_fd, dirs[i], 0755) < 0)
            return -1;
    for (size_t i = 0; i < ARRAY_SIZE(links); i++)
        if (symlinkat(links[i][0], bench->root_fd, links[i][1]) < 0)
            return -1;
    fd = openat(bench->root_fd, "usr/v1/bin/tool",
                O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    char command[128];

    (void)close(bench->root_fd);
    (void)close(bench->watch_fd);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", bench->dir);
    free(bench);
    return system(command);
}

static const struct msp_child_open *walk(struct bench *bench, const char *path)
{
    bench->reply = (struct msp_child_open){.flags = 0};
    msp_walk(bench->root_fd, bench->watch_fd, path, &bench->reply);
    assert_true(bench->reply.flags & MSP_OPEN_WALK);
    return &bench->reply;
}

static const char *hops(struct bench *bench, const char *path)
{
    static char text[1024];
    const struct msp_child_open *reply = walk(bench, path);
    size_t n = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < reply->n_hops; i++) {
        assert_true(reply->hop[i].wd > 0);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i ? " " : "",
                              reply->path + reply->hop[i].off);
    }
    assert_false(reply->flags & MSP_OPEN_CUT);
    return text;
}

static void each_name_of_the_way_is_a_hop(void **state)
{
#define TO_TOOL "/usr /usr/v1 /usr/v1/bin /usr/v1/bin/tool"

    static const struct {
        const char *path, *hops;
    } cases[] = {
        {"/usr/v1/bin/tool", TO_TOOL},
        {"//usr/./v1/bin//tool/", TO_TOOL},
        {"/../usr/v1/bin/tool", TO_TOOL},
        {"/usr/bin/tool", "/usr /usr/bin /usr/v1 /usr/v1/bin /usr/v1/bin/tool"},
        {"/bin/tool", "/bin /usr /usr/bin /usr/v1 /usr/v1/bin "
                      "/usr/v1/bin/tool"},
        {"/opt/far/tool", "/opt /opt/far /usr /usr/v1 /usr/bin /usr/v1 "
                          "/usr/v1/bin /usr/v1/bin/tool"},
        {"/opt/abs/tool", "/opt /opt/abs /usr /usr/bin /usr/v1 /usr/v1/bin "
                          "/usr/v1/bin/tool"},
        /* not out of the root directory */
        {"/opt/out/v1", "/opt /opt/out /usr /usr/v1"},
        /* as far as it leads */
        {"/usr/none/tool", "/usr /usr/none"},
        {"/usr/v1/bin/tool/x", TO_TOOL},
        {"/", ""},
    };
    struct bench *bench = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(hops(bench, cases[i].path), cases[i].hops);
}

static void a_circle_of_links_ends(void **state)
{
    struct bench *bench = *state;
    const struct msp_child_open *reply = walk(bench, "/usr/round/tool");

    assert_int_equal(reply->n_hops, 42); /* "usr", and 41 times the link */
    assert_false(reply->flags & MSP_OPEN_CUT);
}

static void what_is_too_long_is_cut(void **state)
{
    struct bench *bench = *state;
    char path[512] = "";
    const struct msp_child_open *reply;

    for (int i = 0; i < MSP_EXE_HOPS_MAX / 2; i++)
        (void)strcat(path, "/usr/v1/../..");
    (void)strcat(path, "/usr");
    reply = walk(bench, path);
    assert_int_equal(reply->n_hops, MSP_EXE_HOPS_MAX);
    assert_true(reply->flags & MSP_OPEN_CUT);
}

/* Reads all events. @return whether one has this name and all of these bits */
static bool saw(const struct bench *bench, const char *name, uint32_t mask)
{
    _Alignas(struct inotify_event) char bytes[4096];
    bool is_seen = false;
    ssize_t n;

    while ((n = read(bench->watch_fd, bytes, sizeof(bytes))) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(bytes + at);

            is_seen = is_seen || (event->len && event->mask & mask &&
                                  msp_streq(event->name, name));
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    return is_seen;
}

static void each_directory_of_the_way_tells(void **state)
{
    struct bench *bench = *state;
    int root = bench->root_fd;

    (void)walk(bench, "/bin/tool");
    assert_ok(renameat(root, "bin", root, "nib"));
    assert_true(saw(bench, "bin", IN_MOVED_FROM));
    assert_ok(renameat(root, "usr/bin", root, "usr/nib"));
    assert_true(saw(bench, "bin", IN_MOVED_FROM));
    assert_ok(unlinkat(root, "usr/v1/bin/tool", 0));
    assert_true(saw(bench, "tool", IN_DELETE));
    assert_ok(renameat(root, "usr/v1", root, "usr/v2"));
    assert_true(saw(bench, "v1", IN_MOVED_FROM));
}

static void contents_are_told_only_where_the_file_is(void **state)
{
    struct bench *bench = *state;
    int root = bench->root_fd;

    (void)walk(bench, "/usr/v1/bin/tool");
    assert_ok(fchmodat(root, "usr/v1/bin/tool", 0700, 0));
    assert_true(saw(bench, "tool", IN_ATTRIB));
    assert_ok(fchmodat(root, "usr/v1/bin", 0700, 0));
    assert_false(saw(bench, "bin", IN_ATTRIB));
    /* another path whose file is there adds to the watch, it takes nothing */
    (void)walk(bench, "/usr/v1/bin/none/x");
    assert_ok(fchmodat(root, "usr/v1/bin/tool", 0755, 0));
    assert_true(saw(bench, "tool", IN_ATTRIB));
}

static void without_inotify_hops_say_so(void **state)
{
    struct bench *bench = *state;

    bench->reply = (struct msp_child_open){.flags = 0};
    msp_walk(bench->root_fd, -1, "/usr/v1", &bench->reply);
    assert_int_equal(bench->reply.n_hops, 2);
    assert_int_equal(bench->reply.hop[0].wd, -EBADF);
}

static void what_may_hang_is_not_watched(void **state)
{
    struct bench *bench = *state;
    msp_autoclose int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    bench->reply = (struct msp_child_open){.flags = 0};
    msp_walk(root_fd, bench->watch_fd, "/proc/self/exe", &bench->reply);
    assert_true(bench->reply.n_hops > 2);
    assert_true(bench->reply.hop[0].wd > 0);
    assert_int_equal(bench->reply.hop[1].wd, -EOPNOTSUPP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_name_of_the_way_is_a_hop),
        TEST(a_circle_of_links_ends),
        TEST(what_is_too_long_is_cut),
        TEST(each_directory_of_the_way_tells),
        TEST(contents_are_told_only_where_the_file_is),
        TEST(without_inotify_hops_say_so),
        TEST(what_may_hang_is_not_watched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
