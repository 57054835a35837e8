/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What a runtime says of a container: its state, its annotations, its call. */
// clang-format off
#include "harness/test.h"
// clang-format on
#include <msp/limits.h>

#include "cli/annotations.h"
#include "cli/oci_args.h"
#include "cli/oci_state.h"

#define STATE(more)                                \
    "{\"ociVersion\":\"1.0.2-dev\",\"id\":\"c1\"," \
    "\"status\":\"creating\",\"pid\":42,\"bundle\":\"/b\"" more "}"

static void a_state_is_read(void **state)
{
    static const char text[] =
        STATE(",\"annotations\":{\"a\":\"1\",\"b\":\"\"},\"new\":[1]");
    struct msp_oci_state s;
    const char *why = NULL;

    (void)state;
    assert_ok(msp_oci_state_read(text, sizeof(text) - 1, &s, &why));
    assert_string_equal(s.id, "c1");
    assert_string_equal(s.status, "creating");
    assert_string_equal(s.bundle, "/b");
    assert_int_equal(s.pid, 42);
    assert_string_equal(msp_oci_state_annotation(&s, "a"), "1");
    assert_null(msp_oci_state_annotation(&s, "c"));
    msp_oci_state_done(&s);
    msp_oci_state_done(&s);
}

static void a_stopped_container_has_no_pid(void **state)
{
    static const char *const texts[] = {
        "{\"ociVersion\":\"1.2.0\",\"id\":\"c\",\"status\":\"stopped\","
        "\"bundle\":\"/b\",\"annotations\":null}",
        "{\"ociVersion\":\"1.2.0\",\"id\":\"c\",\"status\":\"stopped\","
        "\"bundle\":\"/b\",\"pid\":0}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct msp_oci_state s;
        const char *why = NULL;

        assert_ok(msp_oci_state_read(texts[i], strlen(texts[i]), &s, &why));
        assert_int_equal(s.pid, 0);
        assert_null(msp_oci_state_annotation(&s, "a"));
        msp_oci_state_done(&s);
    }
}

static void hostile_states_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        STATE("") "x",
        STATE("") STATE(""),
        STATE(",\"id\":\"c2\""),             /* twice */
        STATE(",\"annotations\":[]"),        /* not an object */
        STATE(",\"annotations\":{\"a\":1}"), /* not a text */
        STATE(",\"annotations\":{\"a\":\"x\\u0000y\"}"),
        STATE(",\"annotations\":{\"a\":\"1\",\"a\":\"2\"}"),
        STATE(",\"annotations\":{\"a\":\"\xff\"}"),
        "{\"ociVersion\":\"2.0.0\",\"id\":\"c\",\"status\":\"s\","
        "\"bundle\":\"/b\"}",
        "{\"ociVersion\":1,\"id\":\"c\",\"status\":\"s\",\"bundle\":\"/b\"}",
        "{\"ociVersion\":\"1.0\",\"id\":\"\",\"status\":\"s\","
        "\"bundle\":\"/b\"}",
        "{\"ociVersion\":\"1.0\",\"id\":7,\"status\":\"s\",\"bundle\":\"/b\"}",
        "{\"ociVersion\":\"1.0\",\"id\":\"c\",\"bundle\":\"/b\"}",
        "{\"ociVersion\":\"1.0\",\"id\":\"c\",\"status\":\"s\","
        "\"bundle\":\"b\"}",
        "{\"ociVersion\":\"1.0\",\"id\":\"c\",\"status\":\"s\"}",
        "{\"ociVersion\":\"1.0\",\"id\":\"c\",\"status\":\"s\","
        "\"bundle\":\"/b\",\"pid\":-1}",
        "{\"ociVersion\":\"1.0\",\"id\":\"c\",\"status\":\"s\","
        "\"bundle\":\"/b\",\"pid\":2147483648}",
        "{\"ociVersion\":\"1.0\",\"id\":\"c\",\"status\":\"s\","
        "\"bundle\":\"/b\",\"pid\":\"1\"}",
        "{\"ociVersion\":\"1.0\",\"id\":\"c\",\"status\":\"s\","
        "\"bundle\":\"/b\",\"pid\":1.5}",
        "{\"ociVersion\":\"1.0\",\"id\":\"c\",\"status\":\"s\","
        "\"bundle\":\"/b\",\"pid\":99999999999999999999}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct msp_oci_state s;
        const char *why = NULL;

        if (msp_oci_state_read(texts[i], strlen(texts[i]), &s, &why) !=
            -EBADMSG)
            fail_msg("taken: %s", texts[i]);
        assert_non_null(why);
        assert_true(why[0]);
    }
}

static void depth_and_length_have_ends(void **state)
{
    size_t len = MSP_OCI_STATE_BYTES + 1;
    msp_autofree char *text = malloc(len);
    struct msp_oci_state s;
    const char *why = NULL;

    (void)state;
    assert_non_null(text);
    memset(text, '[', len);
    assert_errno(msp_oci_state_read(text, len, &s, &why), EBADMSG);
    assert_string_equal(why, "too large");
    assert_errno(msp_oci_state_read(text, len - 1, &s, &why), EBADMSG);
}

/* --- annotations ------------------------------------------------------------ */

/* Every key that some manager's table has, and what users may write. */
#define ALL                                                            \
    ",\"annotations\":{"                                               \
    "\"io.kubernetes.cri.container-name\":\"d-name\","                 \
    "\"io.kubernetes.cri.image-name\":\"d-image\","                    \
    "\"io.kubernetes.cri.sandbox-namespace\":\"d-ns\","                \
    "\"io.kubernetes.cri.sandbox-name\":\"d-pod\","                    \
    "\"io.kubernetes.container.name\":\"o-name\","                     \
    "\"io.kubernetes.cri-o.ImageName\":\"o-image\","                   \
    "\"io.kubernetes.pod.namespace\":\"o-ns\","                        \
    "\"io.kubernetes.pod.name\":\"o-pod\","                            \
    "\"io.kubernetes.cri-o.Labels\":\"{\\\"app\\\":\\\"forged\\\"}\"," \
    "\"io.kubernetes.cri-o.KubeName\":\"forged\","                     \
    "\"io.kubernetes.cri-o.Namespace\":\"forged\","                    \
    "\"io.container.manager\":\"forged\","                             \
    "\"io.kubernetes.cri.sandbox-uid\":\"forged\","                    \
    "\"name\":\"forged\"}"

static void only_what_the_manager_writes_is_believed(void **state)
{
    static const struct {
        const char *manager, *name, *image, *ns, *pod;
    } cases[] = {
        {"containerd", "d-name", "d-image", "d-ns", "d-pod"},
        {"crio", "o-name", "o-image", "o-ns", "o-pod"},
        {"docker", NULL, NULL, NULL, NULL},
        {"podman", NULL, NULL, NULL, NULL},
    };

    static const char text[] = STATE(ALL);

    (void)state;
    assert_int_equal(ARRAY_SIZE(cases), MSP_MANAGERS);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct msp_manager *manager = msp_manager_find(cases[i].manager);
        struct msp_registration reg = {0};
        struct msp_oci_state s;
        const char *why = NULL;

        assert_non_null(manager);
        assert_ok(msp_oci_state_read(text, sizeof(text) - 1, &s, &why));
        msp_annotations_take(manager, &s, &reg);
        assert_true(!reg.name == !cases[i].name);
        if (cases[i].name) {
            assert_string_equal(reg.name, cases[i].name);
            assert_string_equal(reg.image, cases[i].image);
            assert_string_equal(reg.pod_namespace, cases[i].ns);
            assert_string_equal(reg.pod_name, cases[i].pod);
        }
        assert_int_equal(reg.label.n + reg.pod_label.n, 0);
        assert_null(reg.pod_service_account);
        if (!cases[i].name) {
            assert_null(reg.image);
            assert_null(reg.pod_namespace);
            assert_null(reg.pod_name);
        }
        msp_oci_state_done(&s);
    }
}

static void no_manager_is_found_by_another_name(void **state)
{
    (void)state;
    assert_null(msp_manager_find(NULL));
    assert_null(msp_manager_find(""));
    assert_null(msp_manager_find("cri-o"));
    assert_null(msp_manager_find("containerd2"));
}

static void an_empty_annotation_tells_nothing(void **state)
{
    static const char text[] =
        STATE(",\"annotations\":{\"io.kubernetes.cri.container-name\":\"\"}");
    struct msp_registration reg = {0};
    struct msp_oci_state s;
    const char *why = NULL;

    (void)state;
    assert_ok(msp_oci_state_read(text, sizeof(text) - 1, &s, &why));
    msp_annotations_take(msp_manager_find("containerd"), &s, &reg);
    assert_null(reg.name);
    msp_oci_state_done(&s);
}

/* --- the command line of a runtime ------------------------------------------ */

#define ARGS_MAX 12

static void what_creates_is_seen_with_its_bundle(void **state)
{
    static const struct {
        const char *args[ARGS_MAX];
        bool creates;
        const char *bundle;
    } cases[] = {
        {{NULL}, false, NULL},
        {{"create", "c"}, true, NULL},
        {{"run", "c"}, true, NULL},
        {{"create", "--bundle", "/b", "c"}, true, "/b"},
        {{"create", "--bundle=/b", "c"}, true, "/b"},
        {{"create", "-b", "/b", "c"}, true, "/b"},
        {{"create", "-bundle", "/b", "c"}, true, "/b"},
        {{"create", "--bundle", "/a", "--bundle", "/b", "c"}, true, "/b"},
        {{"--root", "/r", "--log", "/l", "--log-format", "json", "create",
          "--bundle", "/b", "--pid-file", "/p", "c"},
         true,
         "/b"},
        {{"--root=/r", "--debug", "--systemd-cgroup", "create", "--pid-file",
          "--bundle", "c"},
         true,
         NULL},
        {{"--root", "create", "delete", "c"}, false, NULL},
        {{"create", "c", "--bundle", "/b"}, true, NULL},
        {{"create", "--", "--bundle", "/b"}, true, NULL},
        {{"create", "--bundle"}, true, NULL},
        {{"--", "create", "--bundle", "/b", "c"}, true, "/b"},
        {{"restore", "--image-path", "/i", "-b", "/b", "c"}, true, "/b"},
        {{"start", "create"}, false, NULL},
        {{"exec", "c", "run"}, false, NULL},
        {{"state", "c"}, false, NULL},
        {{"--help"}, false, NULL},
        {{"--root"}, false, NULL},
        {{""}, false, NULL},
        {{"-"}, false, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *bundle = "unset";
        char *args[ARGS_MAX];
        size_t n = 0;

        for (; n < ARGS_MAX && cases[i].args[n]; n++)
            memcpy(&args[n], &cases[i].args[n], sizeof(args[n]));
        if (msp_oci_args_creates(args, n, &bundle) != cases[i].creates)
            fail_msg("case %zu", i);
        if (!cases[i].creates)
            continue;
        if (!bundle != !cases[i].bundle ||
            (bundle && strcmp(bundle, cases[i].bundle) != 0))
            fail_msg("case %zu: %s", i, bundle ? bundle : "none");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_is_read),
        cmocka_unit_test(a_stopped_container_has_no_pid),
        cmocka_unit_test(hostile_states_are_refused),
        cmocka_unit_test(depth_and_length_have_ends),
        cmocka_unit_test(only_what_the_manager_writes_is_believed),
        cmocka_unit_test(no_manager_is_found_by_another_name),
        cmocka_unit_test(an_empty_annotation_tells_nothing),
        cmocka_unit_test(what_creates_is_seen_with_its_bundle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
