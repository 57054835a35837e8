/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <msp/policy.h>

#include "daemon/dirs.h"
#include "harness/test.h"

static const char *const names[] = {
    "policy.image", "policy.previous.image", "policy.image.new",
    "policy.previous.image.new", "policy.host.image"};

struct state_dir {
    char path[32];
    int fd;
};

static int setup(void **state)
{
    struct state_dir *dir = calloc(1, sizeof(*dir));

    *state = dir;
    if (!dir)
        return -1;
    (void)snprintf(dir->path, sizeof(dir->path), "/tmp/msp-store-XXXXXX");
    if (!mkdtemp(dir->path))
        return -1;
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir->fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct state_dir *dir = *state;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        (void)unlinkat(dir->fd, names[i], 0);
    (void)close(dir->fd);
    (void)rmdir(dir->path);
    free(dir);
    return 0;
}

struct bytes {
    uint8_t *data;
    size_t len;
};

static void bytes_done(struct bytes *bytes)
{
    free(bytes->data);
}

/* One image a mode; different ones have different digests. */
static struct bytes image(const char *mode)
{
    struct msp_diags diags = {0};
    struct bytes ret = {0};
    char text[256];

    (void)snprintf(text, sizeof(text),
                   "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"%s\","
                   "\"defaultAccess\":\"deny\",\"id\":\"x\"}}}",
                   mode);
    assert_ok(
        msp_policy_compile(text, strlen(text), &diags, &ret.data, &ret.len));
    msp_diags_done(&diags);
    return ret;
}

static void accept_image(const struct state_dir *dir, const struct bytes *bytes)
{
    assert_ok(msp_store_accept(dir->fd, bytes->data, bytes->len));
}

/* `wanted` NULL: there is none */
static void assert_stored(const struct state_dir *dir,
                          enum msp_store_which which,
                          const struct bytes *wanted)
{
    struct msp_stored stored = {0};
    const char *why;

    if (!wanted) {
        assert_errno(msp_store_read(dir->fd, which, &stored, &why), ENOENT);
        return;
    }
    assert_ok(msp_store_read(dir->fd, which, &stored, &why));
    assert_int_equal(stored.len, wanted->len);
    assert_memory_equal(stored.bytes, wanted->data, wanted->len);
    free(stored.bytes);
}

static void the_hosts_is_kept_by_itself(void **state)
{
    const struct state_dir *dir = *state;
    msp_cleanup(bytes_done) struct bytes a = image("enforce");
    msp_cleanup(bytes_done) struct bytes b = image("audit");

    assert_stored(dir, MSP_STORE_HOST, NULL);
    accept_image(dir, &a);
    assert_stored(dir, MSP_STORE_HOST, NULL);
    assert_ok(msp_store_host(dir->fd, b.data, b.len));
    assert_stored(dir, MSP_STORE_HOST, &b);
    assert_stored(dir, MSP_STORE_LAST, &a);
    assert_stored(dir, MSP_STORE_BEFORE, NULL);
    assert_ok(msp_store_host(dir->fd, a.data, a.len));
    assert_stored(dir, MSP_STORE_HOST, &a);
}

static void the_last_two_different_images_are_kept(void **state)
{
    const struct state_dir *dir = *state;
    msp_cleanup(bytes_done) struct bytes a = image("enforce");
    msp_cleanup(bytes_done) struct bytes b = image("audit");
    msp_cleanup(bytes_done) struct bytes c = image("disabled");

    const struct {
        const struct bytes *accepted, *last, *before;
    } steps[] = {
        {NULL, NULL, NULL}, {&a, &a, NULL}, {&a, &a, NULL}, {&b, &b, &a},
        {&b, &b, &a},       {&a, &a, &b},   {&b, &b, &a},   {&c, &c, &b},
    };

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        if (steps[i].accepted)
            accept_image(dir, steps[i].accepted);
        assert_stored(dir, MSP_STORE_LAST, steps[i].last);
        assert_stored(dir, MSP_STORE_BEFORE, steps[i].before);
    }
}

/* Whatever a crash left: both names of one file, and temporary ones. */
static void a_half_done_change_does_not_matter(void **state)
{
    const struct state_dir *dir = *state;
    msp_cleanup(bytes_done) struct bytes a = image("enforce");
    msp_cleanup(bytes_done) struct bytes b = image("audit");

    accept_image(dir, &a);
    assert_ok(linkat(dir->fd, names[0], dir->fd, names[1], 0));
    assert_ok(linkat(dir->fd, names[0], dir->fd, names[3], 0));
    assert_ok(msp_dirs_store(dir->fd, names[2], "half", 4));
    accept_image(dir, &b);
    assert_stored(dir, MSP_STORE_LAST, &b);
    assert_stored(dir, MSP_STORE_BEFORE, &a);
    assert_int_equal(faccessat(dir->fd, names[3], F_OK, 0), -1);
}

static void a_failed_change_leaves_the_last_one(void **state)
{
    const struct state_dir *dir = *state;
    msp_cleanup(bytes_done) struct bytes a = image("enforce");
    msp_cleanup(bytes_done) struct bytes b = image("audit");

    accept_image(dir, &a);
    /* a directory in the way of the temporary file: also root cannot write */
    assert_ok(mkdirat(dir->fd, names[2], 0700));
    assert_true(msp_store_accept(dir->fd, b.data, b.len) < 0);
    assert_stored(dir, MSP_STORE_LAST, &a);
    assert_ok(unlinkat(dir->fd, names[2], AT_REMOVEDIR));
}

static void a_damaged_image_is_none(void **state)
{
    const struct state_dir *dir = *state;
    msp_cleanup(bytes_done) struct bytes a = image("enforce");
    struct msp_stored stored = {0};
    const char *why = NULL;

    a.data[a.len - 1] ^= 1;
    assert_ok(msp_dirs_store(dir->fd, names[0], a.data, a.len));
    assert_true(msp_store_read(dir->fd, MSP_STORE_LAST, &stored, &why) < 0);
    assert_null(stored.bytes);
    assert_true(why && why[0]);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* As an mspd of image version 3 left it. */
static void an_older_image_is_carried_over(void **state)
{
    struct state_dir *dir = *state;
    struct msp_stored stored = {0};
    msp_autofree char *bytes = NULL;
    const char *why = "";
    size_t len;
    int at = open(MSP_DATA, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(at >= 0);
    assert_ok(
        msp_dirs_read(at, "version3.bin", MSP_IMAGE_BYTES_MAX, &bytes, &len));
    (void)close(at);
    assert_ok(msp_dirs_store(dir->fd, names[0], bytes, len));
    assert_ok(msp_store_read(dir->fd, MSP_STORE_LAST, &stored, &why));
    assert_int_equal(stored.image.header->version, MSP_IMAGE_VERSION);
    assert_int_equal(stored.image.endpoints[MSP_EP_WIRESERVER].ep.mode,
                     MSP_MODE_AUDIT);
    free(stored.bytes);
    bytes[len - 1] ^= 1;
    assert_ok(msp_dirs_store(dir->fd, names[0], bytes, len));
    assert_errno(msp_store_read(dir->fd, MSP_STORE_LAST, &stored, &why),
                 EPROTONOSUPPORT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_hosts_is_kept_by_itself),
        TEST(the_last_two_different_images_are_kept),
        TEST(a_half_done_change_does_not_matter),
        TEST(a_failed_change_leaves_the_last_one),
        TEST(a_damaged_image_is_none),
        TEST(an_older_image_is_carried_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
