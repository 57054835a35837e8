/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* config.json of a bundle: our hooks go in, nothing else changes. */
// clang-format off
#include "harness/test.h"
// clang-format on
#include <fcntl.h>
#include <sys/stat.h>

#include <msp/limits.h>

#include "base/io.h"
#include "cli/oci_config.h"

static const char *const args[] = {"a", "b\"c", NULL};
static const struct msp_oci_hook hook = {
    .kind = "createRuntime", .path = "/m", .args = args};
#define OURS "{\"path\":\"/m\",\"args\":[\"a\",\"b\\\"c\"]}"

static void a_hook_goes_behind_those_that_are_there(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"{}", "{\"hooks\":{\"createRuntime\":[" OURS "]}}"},
        {" { } \n", " { \"hooks\":{\"createRuntime\":[" OURS "]}} \n"},
        {"{\"a\":18446744073709551615,\"b\":1.50e3, \"c\" : null }",
         "{\"a\":18446744073709551615,\"b\":1.50e3, \"c\" : null "
         ",\"hooks\":{\"createRuntime\":[" OURS "]}}"},
        {"{\"hooks\":null,\"x\":\"\\u00e9\\/\"}",
         "{\"hooks\":{\"createRuntime\":[" OURS "]},\"x\":\"\\u00e9\\/\"}"},
        {"{\"hooks\" : { }, \"x\":[]}",
         "{\"hooks\" : { \"createRuntime\":[" OURS "]}, \"x\":[]}"},
        {"{\"hooks\":{\"createRuntime\":null}}",
         "{\"hooks\":{\"createRuntime\":[" OURS "]}}"},
        {"{\"hooks\":{\"createRuntime\":[]}}",
         "{\"hooks\":{\"createRuntime\":[" OURS "]}}"},
        {"{\"hooks\":{\"prestart\":[{\"path\":\"/p\"}]}}",
         "{\"hooks\":{\"prestart\":[{\"path\":\"/p\"}],"
         "\"createRuntime\":[" OURS "]}}"},
        {"{\"hooks\":{\"createRuntime\":[{\"path\":\"/p\"} ],\"z\":[]}}",
         "{\"hooks\":{\"createRuntime\":[{\"path\":\"/p\"} ," OURS
         "],\"z\":[]}}"},
        /* the same path for something else */
        {"{\"hooks\":{\"createRuntime\":[{\"path\":\"/m\"}]}}",
         "{\"hooks\":{\"createRuntime\":[{\"path\":\"/m\"}," OURS "]}}"},
        /* names within texts, and deeper, are not these */
        {"{\"a\":{\"hooks\":{\"createRuntime\":[1]}},\"b\":\"}\\\"{[\","
         "\"hooks\":{\"createRuntime\":[\"]\"]}}",
         "{\"a\":{\"hooks\":{\"createRuntime\":[1]}},\"b\":\"}\\\"{[\","
         "\"hooks\":{\"createRuntime\":[\"]\"," OURS "]}}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_autofree char *once = NULL;
        msp_autofree char *twice = NULL;
        const char *why = NULL;
        size_t len = 0;
        int r = msp_oci_config_edit(cases[i].text, strlen(cases[i].text), &hook,
                                    &once, &len, &why);

        if (r != 1)
            fail_msg("case %zu: %d %s", i, r, why ? why : "");
        assert_string_equal(once, cases[i].expected);
        assert_int_equal(len, strlen(once));
        assert_int_equal(
            msp_oci_config_edit(once, len, &hook, &twice, &len, &why), 0);
        assert_null(twice);
    }
}

static void what_cannot_be_edited_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{",
        "{}{}",
        "{\"a\":1,\"a\":2}",
        "{\"hooks\":[]}",
        "{\"hooks\":1}",
        "{\"hooks\":{\"createRuntime\":{}}}",
        "{\"hooks\":{\"createRuntime\":\"x\"}}",
        /* the same names with escapes: where they begin is not known */
        "{\"hook\\u0073\":{}}",
        "{\"hooks\":{\"createRuntim\\u0065\":[]}}",
        "{\"a\":\"\xc3\x28\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char *text = NULL;
        const char *why = NULL;
        size_t len = 0;

        if (msp_oci_config_edit(texts[i], strlen(texts[i]), &hook, &text, &len,
                                &why) != -EBADMSG)
            fail_msg("taken: %s", texts[i]);
        assert_null(text);
        assert_non_null(why);
    }
}

/* Every text cut short anywhere is refused, and no byte behind it is read. */
static void a_cut_configuration_is_refused(void **state)
{
    static const char whole[] =
        "{\"a\":[\"x\\\"]\"],\"hooks\":{\"createRuntime\":[{}],\"b\":{}}}";

    (void)state;
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        msp_autofree char *part = malloc(n + 1);
        char *text = NULL;
        const char *why = NULL;
        size_t len = 0;

        assert_non_null(part);
        memcpy(part, whole, n);
        assert_errno(msp_oci_config_edit(part, n, &hook, &text, &len, &why),
                     EBADMSG);
    }
}

/* --- the file --------------------------------------------------------------- */

struct bundle {
    char dir[32];
    char file[64];
};

static void bundle_make(struct bundle *bundle, const char *text)
{
    msp_autofclose FILE *f = NULL;

    (void)strcpy(bundle->dir, "/tmp/msp-oci-XXXXXX");
    assert_non_null(mkdtemp(bundle->dir));
    (void)snprintf(bundle->file, sizeof(bundle->file), "%s/config.json",
                   bundle->dir);
    if (!text)
        return;
    f = fopen(bundle->file, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
}

static void bundle_done(struct bundle *bundle)
{
    (void)unlink(bundle->file);
    assert_ok(rmdir(bundle->dir)); /* nothing else was left in it */
}

static char *bundle_text(const struct bundle *bundle)
{
    msp_autoclose int fd = open(bundle->file, O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    size_t len = 0;

    assert_true(fd >= 0);
    assert_ok(msp_io_slurp(fd, 1u << 20, &text, &len));
    return text;
}

static void both_hooks_go_into_the_file_once(void **state)
{
    const struct msp_oci_hook both[] = {
        hook, {.kind = "poststop", .path = "/m", .args = args}};
    struct bundle bundle;
    struct stat before, after;
    const char *why = NULL;
    msp_autofree char *text = NULL;

    (void)state;
    bundle_make(&bundle, "{\"x\":1}\n");
    assert_ok(chmod(bundle.file, 0640));
    assert_ok(msp_oci_config_add(bundle.dir, both, 2, &why));
    assert_ok(stat(bundle.file, &before));
    assert_int_equal(before.st_mode & 07777, 0640);
    text = bundle_text(&bundle);
    assert_string_equal(text, "{\"x\":1,\"hooks\":{\"createRuntime\":[" OURS
                              "],\"poststop\":[" OURS "]}}\n");
    assert_ok(msp_oci_config_add(bundle.dir, both, 2, &why));
    assert_ok(stat(bundle.file, &after));
    assert_int_equal(before.st_ino, after.st_ino); /* not even written */
    bundle_done(&bundle);
}

static void a_fault_leaves_the_file_as_it_was(void **state)
{
    const struct msp_oci_hook both[] = {
        hook, {.kind = "poststop", .path = "/m", .args = args}};
    static const char text[] = "{\"hooks\":{\"poststop\":1}}";
    msp_autofree char *left = NULL;
    struct bundle bundle;
    const char *why = NULL;
    char link[64];

    (void)state;
    assert_errno(msp_oci_config_add("/nonexistent", both, 2, &why), ENOENT);
    bundle_make(&bundle, NULL);
    assert_errno(msp_oci_config_add(bundle.dir, both, 2, &why), ENOENT);
    bundle_done(&bundle);
    bundle_make(&bundle, text); /* the first hook would fit */
    assert_errno(msp_oci_config_add(bundle.dir, both, 2, &why), EBADMSG);
    assert_non_null(why);
    left = bundle_text(&bundle);
    assert_string_equal(left, text);
    /* a link is not followed */
    (void)snprintf(link, sizeof(link), "%s/other", bundle.dir);
    assert_ok(rename(bundle.file, link));
    assert_ok(symlink("other", bundle.file));
    assert_errno(msp_oci_config_add(bundle.dir, &hook, 1, &why), ELOOP);
    assert_ok(unlink(link));
    assert_ok(unlink(bundle.file));
    /* nor is a pipe waited for */
    assert_ok(mkfifo(bundle.file, 0600));
    assert_errno(msp_oci_config_add(bundle.dir, &hook, 1, &why), EINVAL);
    bundle_done(&bundle);
}

static void too_large_a_file_is_refused(void **state)
{
    struct bundle bundle;
    const char *why = NULL;

    (void)state;
    bundle_make(&bundle, "{}");
    assert_ok(truncate(bundle.file, MSP_OCI_CONFIG_BYTES + 1));
    assert_errno(msp_oci_config_add(bundle.dir, &hook, 1, &why), EFBIG);
    bundle_done(&bundle);
}

static void root_and_netns_are_taken(void **state)
{
    static const struct {
        const char *text, *root, *netns;
    } cases[] = {
        {"{}", NULL, NULL},
        {"{\"root\":{\"path\":\"/r\"}}", "/r", NULL},
        {"{\"root\":{\"path\":\"rootfs\"},\"linux\":{\"namespaces\":["
         "{\"type\":\"pid\",\"path\":\"/p\"},{\"type\":\"network\"}]}}",
         "rootfs", NULL},
        {"{\"root\":{\"path\":\"\"},\"linux\":{\"namespaces\":["
         "{\"type\":\"network\",\"path\":\"/run/netns/x\"}],"
         "\"resources\":{\"memory\":{\"limit\":18446744073709551615}}}}",
         NULL, "/run/netns/x"},
        {"{\"root\":[],\"linux\":{\"namespaces\":[1,{\"type\":2},"
         "{\"type\":\"network\",\"path\":7}]}}",
         NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct msp_oci_config config = {0};
        const char *why = NULL;
        struct bundle bundle;
        char root[96];

        bundle_make(&bundle, cases[i].text);
        assert_ok(msp_oci_config_read(bundle.dir, &config, &why));
        (void)snprintf(root, sizeof(root), "%s%s%s",
                       cases[i].root && cases[i].root[0] != '/' ? bundle.dir
                                                                : "",
                       cases[i].root && cases[i].root[0] != '/' ? "/" : "",
                       cases[i].root ? cases[i].root : "");
        assert_true(!config.root == !cases[i].root);
        if (config.root)
            assert_string_equal(config.root, root);
        assert_true(!config.netns == !cases[i].netns);
        if (config.netns)
            assert_string_equal(config.netns, cases[i].netns);
        msp_oci_config_done(&config);
        bundle_done(&bundle);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hook_goes_behind_those_that_are_there),
        cmocka_unit_test(what_cannot_be_edited_is_refused),
        cmocka_unit_test(a_cut_configuration_is_refused),
        cmocka_unit_test(both_hooks_go_into_the_file_once),
        cmocka_unit_test(a_fault_leaves_the_file_as_it_was),
        cmocka_unit_test(too_large_a_file_is_refused),
        cmocka_unit_test(root_and_netns_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
