/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* mspctl container: what is sent for which options, and what is refused. */
// clang-format off
#include "harness/test.h"
// clang-format on
#include <sys/stat.h>

#include <msp/container.h>

#include "bench.h"

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no \"%s\" in: %s", part, text);
}

/* `n` times 'x' after `prefix`. */
static char *filled(const char *prefix, size_t n)
{
    char *text = calloc(1, strlen(prefix) + n + 1);

    assert_non_null(text);
    memcpy(text, prefix, strlen(prefix));
    memset(text + strlen(prefix), 'x', n);
    return text;
}

/* What a registration names is there, below the bench's directory. */
static void make_host(const struct bench *b)
{
    static const char *const dirs[] = {"r", "n", "proc", "proc/7"};
    msp_autofclose FILE *f = NULL;
    char path[128];

    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", b->dir, dirs[i]);
        assert_ok(mkdir(path, 0755));
    }
    (void)snprintf(path, sizeof(path), "%s/n/net", b->dir);
    assert_ok(symlink("/proc/self/ns/net", path));
    (void)snprintf(path, sizeof(path), "%s/n/uts", b->dir);
    assert_ok(symlink("/proc/self/ns/uts", path));
    (void)snprintf(path, sizeof(path), "%s/proc/7/cgroup", b->dir);
    f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs("1:cpu:/x\n0::/a/b.scope\n", f) >= 0);
}

static void remove_host(const struct bench *b)
{
    static const char *const names[] = {
        "proc/7/cgroup", "proc/7", "proc", "n/net", "n/uts", "n", "r"};
    char path[128];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
        assert_ok(remove(path));
    }
}

static void all_fields_are_one_record(void **state)
{
    static const char expected[] = "scgroup=/a/b.scope\n"
                                   "sid=1f\n"
                                   "sname=web\\x1b\n"
                                   "simage=r/i:1\n"
                                   "sruntime=docker\n"
                                   "spod.namespace=ns\n"
                                   "spod.name=p\n"
                                   "spod.service_account=sa\n"
                                   "snetns=/n/net\n"
                                   "sroot=/r\n"
                                   "slabel=a=1\n"
                                   "slabel=b==\n"
                                   "spod.label=app=\n"
                                   "upid=7\n"
                                   "ucgroup_id=18446744073709551615\n\n";
    static const char answer[] = "scgroup=/a/b.scope\n"
                                 "slabel=a=1\n"
                                 "slabel=b==\n"
                                 "spod.label=app=\n\n";

    static const struct {
        int (*verb)(struct msp_cli *cli);
        enum msp_ctl_type type;
    } verbs[] = {
        {msp_cmd_container_add, MSP_CTL_CONTAINER_ADD},
        {msp_cmd_container_set, MSP_CTL_CONTAINER_SET},
        {msp_cmd_container_update, MSP_CTL_CONTAINER_UPDATE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        struct bench b;

        bench_start(&b);
        b.cli.container = (struct msp_registration){
            .cgroup = "/a/b.scope",
            .id = "1f",
            .name = "web\x1b",
            .image = "r/i:1",
            .runtime = "docker",
            .pod_namespace = "ns",
            .pod_name = "p",
            .pod_service_account = "sa",
            .netns = "/n/net",
            .root = "/r",
            .label = {.label = {"a=1", "b=="}, .n = 2},
            .pod_label = {.label = {"app="}, .n = 1},
        };
        b.cli.pid = "7";
        b.cli.cgroup_id = "18446744073709551615";
        b.cli.is_json = true;
        make_host(&b);
        bench_serve(&b, verbs[i].type, MSP_CTL_OK, answer, sizeof(answer) - 1);
        assert_int_equal(verbs[i].verb(&b.cli), 0);
        bench_flush(&b);
        assert_string_equal(b.out, "{\"schema\":1,\"result\":\"ok\","
                                   "\"cgroup\":\"/a/b.scope\","
                                   "\"label\":[\"a=1\",\"b==\"],"
                                   "\"pod\":{\"label\":[\"app=\"]}}\n");
        assert_int_equal(b.fake.request.type, verbs[i].type);
        assert_true(b.fake.is_read);
        assert_string_equal(b.fake.payload, expected);
        remove_host(&b);
        bench_done(&b);
    }
}

static void what_is_not_on_the_host_is_not_sent(void **state)
{
    static const struct {
        const char *cgroup, *id, *pid, *netns, *root, *says;
    } cases[] = {
        {"/a", NULL, "8", NULL, NULL, "--pid 8: there is no such process"},
        {"/b", NULL, "7", NULL, NULL,
         "--pid 7: is not in the cgroup, but in /a/b.scope"},
        {"/a/b", NULL, "7", NULL, NULL, "--pid 7: is not in the cgroup"},
        {"/a", NULL, NULL, "/gone", NULL, "--netns /gone: No such file"},
        {"/a", NULL, NULL, "/proc/7/cgroup", NULL,
         "--netns /proc/7/cgroup: is not a network namespace"},
        {"/a", NULL, NULL, "/n/uts", NULL,
         "--netns /n/uts: is not a network namespace"},
        {"/a", NULL, NULL, NULL, "/gone", "--root /gone: No such file"},
        {"/a", NULL, NULL, NULL, "/proc/7/cgroup",
         "--root /proc/7/cgroup: is not a directory"},
        /* there: sent, where nobody listens */
        {"/a", NULL, "7", "/n/net", "/r", "mspd is not running"},
        {NULL, "x", "7", "/n/net", "/r", "mspd is not running"},
        {NULL, "x", "8", NULL, NULL, "there is no such process"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        make_host(&b);
        b.cli.container = (struct msp_registration){
            .cgroup = cases[i].cgroup,
            .id = cases[i].id,
            .netns = cases[i].netns,
            .root = cases[i].root,
        };
        b.cli.pid = cases[i].pid;
        (void)(cases[i].cgroup ? msp_cmd_container_set(&b.cli)
                               : msp_cmd_container_update(&b.cli));
        bench_flush(&b);
        if (!strstr(b.err, cases[i].says))
            fail_msg("case %zu: %s", i, b.err);
        remove_host(&b);
        bench_done(&b);
    }
}

static void update_takes_a_cgroup_or_an_id(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    b.cli.container.name = "web";
    assert_int_equal(msp_cmd_container_update(&b.cli), MSP_EXIT_USAGE);
    bench_flush(&b);
    assert_has(b.err, "which container? --cgroup PATH or --id ID");
    bench_done(&b);
}

static void remove_takes_a_cgroup_or_an_id(void **state)
{
    static const struct {
        const char *cgroup, *id, *expected;
    } cases[] = {
        {"/a", NULL, "scgroup=/a\n\n"},
        {NULL, "x", "sid=x\n\n"},
        {NULL, NULL, NULL},
        {"/a", "x", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        b.cli.container.cgroup = cases[i].cgroup;
        b.cli.container.id = cases[i].id;
        if (cases[i].expected)
            bench_serve(&b, MSP_CTL_CONTAINER_REMOVE, MSP_CTL_OK, "\n", 1);
        assert_int_equal(msp_cmd_container_remove(&b.cli),
                         cases[i].expected ? 0 : MSP_EXIT_USAGE);
        bench_flush(&b);
        if (cases[i].expected)
            assert_string_equal(b.fake.payload, cases[i].expected);
        else
            assert_has(b.err, "which container?");
        bench_done(&b);
    }
}

static void a_wrong_field_is_named_and_nothing_is_sent(void **state)
{
    msp_autofree char *long_text = filled("", 256);
    msp_autofree char *long_image = filled("", 512);
    msp_autofree char *long_path = filled("/", 4095);
    msp_autofree char *long_key = filled("", 257);
    msp_autofree char *long_value = filled("k=", 256);

    const struct {
        const char *cgroup, *name, *image, *root, *pid, *account, *label[2],
            *says;
    } cases[] = {
        {.says = "which container?"},
        {.cgroup = "a", .says = "--cgroup \"a\" is not the path of a cgroup"},
        {.cgroup = "/", .says = "--cgroup \"/\" is not"},
        {.cgroup = "/a/", .says = "--cgroup \"/a/\" is not"},
        {.cgroup = "//a", .says = "--cgroup \"//a\" is not"},
        {.cgroup = "/a/../b", .says = "--cgroup \"/a/../b\" is not"},
        {.cgroup = "/a/.", .says = "--cgroup \"/a/.\" is not"},
        {.cgroup = long_path, .says = "xxx...\" is longer than 4095 bytes"},
        {.cgroup = "/a", .name = "", .says = "mspctl: --name \"\" is empty\n"},
        {.cgroup = "/a",
         .name = long_text,
         .says =
             "--name \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
             "xxxxxxxxxxx...\" is longer than 255 bytes\n"},
        {.cgroup = "/a",
         .image = long_image,
         .says = "xxx...\" is longer than 511"},
        {.cgroup = "/a",
         .root = "r",
         .says = "--root \"r\" is not an absolute path"},
        {.cgroup = "/a",
         .account = "",
         .says = "--pod-service-account \"\" is empty"},
        {.cgroup = "/a", .pid = "", .says = "not a process id"},
        {.cgroup = "/a", .pid = "0", .says = "not a process id"},
        {.cgroup = "/a", .pid = "-1", .says = "not a process id"},
        {.cgroup = "/a", .pid = "7x", .says = "not a process id"},
        {.cgroup = "/a", .pid = "2147483648", .says = "not a process id"},
        {.cgroup = "/a",
         .label = {"b=1", "a"},
         .says = "--label \"a\" is not KEY=VALUE"},
        {.cgroup = "/a",
         .label = {"=a"},
         .says = "--label \"=a\" is not KEY=VALUE"},
        {.cgroup = "/a",
         .label = {long_key},
         .says = "xxx...\" has a key longer than 255"},
        {.cgroup = "/a",
         .label = {long_value},
         .says = "xxx...\" has a value longer than 255"},
        {.cgroup = "/a",
         .label = {"a=1", "a=2"},
         .says = "--label \"a=2\" has a key that is given twice"},
    };

    (void)state;
    long_key[256] = '=';
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        b.cli.container.cgroup = cases[i].cgroup;
        b.cli.container.name = cases[i].name;
        b.cli.container.image = cases[i].image;
        b.cli.container.root = cases[i].root;
        b.cli.container.pod_service_account = cases[i].account;
        b.cli.pid = cases[i].pid;
        for (size_t k = 0; k < 2 && cases[i].label[k]; k++)
            b.cli.container.label.label[b.cli.container.label.n++] =
                cases[i].label[k];
        assert_int_equal(msp_cmd_container_add(&b.cli), MSP_EXIT_USAGE);
        bench_flush(&b);
        assert_has(b.err, cases[i].says);
        bench_done(&b);
    }
}

/* What fits one by one does not fit together, and more than 64 never. */
static void labels_have_two_limits(void **state)
{
    char label[MSP_CONTAINER_LABELS_MAX + 1]
              [MSP_CONTAINER_TEXT_BYTES + MSP_CONTAINER_VALUE_BYTES];

    (void)state;
    for (size_t n = 63; n <= 65; n++) {
        msp_cleanup(msp_rec_done) struct msp_rec rec = {0};
        struct msp_registration reg = {.cgroup = "/a"};
        struct msp_registration_fault fault = {0};
        char text[MSP_REGISTRATION_FAULT_BYTES];

        for (size_t i = 0; i < n; i++) {
            (void)snprintf(label[i], sizeof(label[i]), "%zu=v", i);
            reg.pod_label.label[reg.pod_label.n++] = label[i];
        }
        assert_int_equal(msp_registration_write(&reg, &rec, &fault),
                         n <= 64 ? 0 : -EINVAL);
        if (n <= 64)
            continue;
        msp_registration_fault_text(&fault, true, text);
        assert_string_equal(text, "--pod-label is given more than 64 times");
        msp_registration_fault_text(&fault, false, text);
        assert_string_equal(text, "pod.label is given more than 64 times");
    }
    for (size_t n = 1; n <= 64; n += 63) {
        msp_cleanup(msp_rec_done) struct msp_rec rec = {0};
        struct msp_registration reg = {.cgroup = "/a"};
        struct msp_registration_fault fault = {0};
        char text[MSP_REGISTRATION_FAULT_BYTES];

        /* a control character takes four bytes of a record */
        for (size_t i = 0; i < n; i++) {
            memset(label[i], '\x01', 510);
            label[i][0] = (char)('@' + i);
            label[i][254] = '=';
            label[i][510] = '\0';
            reg.label.label[reg.label.n++] = label[i];
        }
        assert_int_equal(msp_registration_write(&reg, &rec, &fault),
                         n == 1 ? 0 : -EINVAL);
        if (n == 1)
            continue;
        msp_registration_fault_text(&fault, true, text);
        assert_string_equal(text, "the registration is longer than 64 KiB");
    }
}

static void list_has_labels_as_arrays(void **state)
{
    static const char answer[] = "uz=1\n\n"
                                 "s_item=container\nsid=b\nscgroup=/2\n"
                                 "slabel=x=1\nuidentities=0\n\n"
                                 "s_item=container\nsid=a\nscgroup=/1\n"
                                 "slabel=x=1\nslabel=y=2\nspod.name=p\n"
                                 "spod.label=z=\nuidentities=3\n\n";

    (void)state;
    for (int json = 0; json < 2; json++) {
        struct bench b;

        bench_start(&b);
        b.cli.is_json = json;
        bench_serve(&b, MSP_CTL_CONTAINER_LIST, MSP_CTL_OK, answer,
                    sizeof(answer) - 1);
        assert_int_equal(msp_cmd_container_list(&b.cli), 0);
        bench_flush(&b);
        if (json) {
            assert_has(b.out, "{\"id\":\"a\",\"cgroup\":\"/1\",\"label\":["
                              "\"x=1\",\"y=2\"],\"pod\":{\"name\":\"p\","
                              "\"label\":[\"z=\"]},\"identities\":3},"
                              "{\"id\":\"b\",\"cgroup\":\"/2\",\"label\":["
                              "\"x=1\"]");
        } else {
            assert_has(b.out, "a   p         /1               3\n"
                              "b   -         /2               0\n");
        }
        bench_done(&b);
    }
}

static void a_refusal_is_exit_one_and_says_why(void **state)
{
    static const char answer[] = "serror=the cgroup has one already\n\n";
    struct bench b;

    (void)state;
    bench_start(&b);
    b.cli.container.cgroup = "/a";
    bench_serve(&b, MSP_CTL_CONTAINER_ADD, MSP_CTL_REFUSED, answer,
                sizeof(answer) - 1);
    assert_int_equal(msp_cmd_container_add(&b.cli), MSP_EXIT_REFUSED);
    bench_flush(&b);
    assert_has(b.err, "the cgroup has one already");
    bench_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields_are_one_record),
        cmocka_unit_test(what_is_not_on_the_host_is_not_sent),
        cmocka_unit_test(update_takes_a_cgroup_or_an_id),
        cmocka_unit_test(remove_takes_a_cgroup_or_an_id),
        cmocka_unit_test(a_wrong_field_is_named_and_nothing_is_sent),
        cmocka_unit_test(labels_have_two_limits),
        cmocka_unit_test(list_has_labels_as_arrays),
        cmocka_unit_test(a_refusal_is_exit_one_and_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
