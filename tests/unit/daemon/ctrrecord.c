/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Registrations: what is taken, what is refused and why, and back to text. */
#include "daemon/ctrrecord.h"

#include <errno.h>

#include <msp/cleanup.h>

#include "harness/test.h"

static const char whole[] = "scgroup=/kube/pod1/c1\n"
                            "sid=0123\n"
                            "sname=web\n"
                            "simage=registry/web:1\n"
                            "sruntime=containerd\n"
                            "slabel=app=web\n"
                            "slabel=empty=\n"
                            "slabel=two=a=b\n"
                            "spod.namespace=prod\n"
                            "spod.name=web-0\n"
                            "spod.service_account=web\n"
                            "spod.label=tier=front\n"
                            "snetns=/proc/7/ns/net\n"
                            "sroot=/run/root\n"
                            "upid=7\n"
                            "ucgroup_id=99\n"
                            "utold_ns=77\n"
                            "bended=true\n"
                            "snew.field=of a later version\n"
                            "bnew=true\n"
                            "\n";

static int parse(const char *text, struct msp_ctr_record *ret, const char **why)
{
    *why = "";
    return msp_ctr_record_parse(text, strlen(text), ret, why);
}

static bool has(const struct msp_ctr_record *record, enum msp_demand_kind kind,
                const char *key, const char *value)
{
    for (size_t i = 0; i < record->n_facts; i++)
        if (record->fact[i].kind == kind &&
            msp_streq(record->fact[i].key, key) &&
            msp_streq(record->fact[i].value, value))
            return record->fact[i].hash == msp_ctr_hash(kind, key, value);
    return false;
}

static void takes_every_field(void **state)
{
    msp_cleanup(msp_ctr_record_done) struct msp_ctr_record r = {0};
    const char *why;

    (void)state;
    assert_ok(parse(whole, &r, &why));
    assert_string_equal(r.text[MSP_CTR_CGROUP], "/kube/pod1/c1");
    assert_string_equal(r.text[MSP_CTR_IMAGE], "registry/web:1");
    assert_string_equal(r.text[MSP_CTR_RUNTIME], "containerd");
    assert_string_equal(r.text[MSP_CTR_NETNS], "/proc/7/ns/net");
    assert_string_equal(r.text[MSP_CTR_ROOT], "/run/root");
    assert_int_equal(r.pid, 7);
    assert_int_equal(r.cgroup_id, 99);
    assert_int_equal(r.told_ns, 77);
    assert_true(r.is_ended_only);
    assert_int_equal(r.n_facts, 9);
    assert_true(has(&r, MSP_DEMAND_CONTAINER_ID, "", "0123"));
    assert_true(has(&r, MSP_DEMAND_CONTAINER_NAME, "", "web"));
    assert_true(has(&r, MSP_DEMAND_CONTAINER_LABEL, "app", "web"));
    assert_true(has(&r, MSP_DEMAND_CONTAINER_LABEL, "empty", ""));
    assert_true(has(&r, MSP_DEMAND_CONTAINER_LABEL, "two", "a=b"));
    assert_true(has(&r, MSP_DEMAND_POD_NAMESPACE, "", "prod"));
    assert_true(has(&r, MSP_DEMAND_POD_NAME, "", "web-0"));
    assert_true(has(&r, MSP_DEMAND_POD_ACCOUNT, "", "web"));
    assert_true(has(&r, MSP_DEMAND_POD_LABEL, "tier", "front"));
}

static void refuses_what_is_wrong_and_says_why(void **state)
{
    static const struct {
        const char *text;
        int error;
        const char *why;
    } cases[] = {
        {"", EINVAL, "not one record"},
        {"scgroup=/a\n", EINVAL, "not one record"},
        {"scgroup=/a\n\n\n", EINVAL, "not one record"},
        {"scgroup=/a\n\nscgroup=/b\n\n", EINVAL, "not one record"},
        {"cgroup\n\n", EINVAL, "not one record"},
        {"scgroup=/a\nscgroup=/a\n\n", EINVAL, "a field is there twice"},
        {"sid=\n\n", EINVAL, "a field is empty: leave it out"},
        {"uid=5\n\n", EINVAL, "a field is not a text"},
        {"slabel=x\n\n", EINVAL, "a label is KEY=VALUE"},
        {"slabel==x\n\n", EINVAL, "a label is KEY=VALUE"},
        {"slabel=a=b\nslabel=a=c\n\n", EINVAL, "a label is there twice"},
        {"ulabel=5\n\n", EINVAL, "a label is not a text"},
        {"snetns=ns/net\n\n", EINVAL, "a path is not absolute"},
        {"sroot=../root\n\n", EINVAL, "a path is not absolute"},
        {"spid=5\n\n", EINVAL, "pid is not a number"},
        {"upid=0\n\n", EINVAL, "a number is out of its range"},
        {"upid=2147483648\n\n", EINVAL, "a number is out of its range"},
        {"upid=1\nupid=2\n\n", EINVAL, "a field is there twice"},
        {"ucgroup_id=18446744073709551616\n\n", EINVAL,
         "a number is out of its range"},
        {"scgroup_id=5\n\n", EINVAL, "cgroup_id is not a number"},
        {"stold_ns=5\n\n", EINVAL, "told_ns is not a number"},
        {"sended=true\n\n", EINVAL, "ended is not true or false"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct msp_ctr_record r = {0};
        const char *why;
        int got = parse(cases[i].text, &r, &why);

        if (got != -cases[i].error || !msp_streq(why, cases[i].why) || r.bytes)
            fail_msg("%s: %d \"%s\"", cases[i].text, got, why);
    }
}

static void a_cgroup_is_a_path_of_its_tree(void **state)
{
    static const char *const bad[] = {"/",     "a",     "a/b",    "//a",
                                      "/a//b", "/a/",   "/./a",   "/a/.",
                                      "/../a", "/a/..", "/a/../b"};
    static const char *const good[] = {"/a",    "/a/b",   "/a/...",
                                       "/a/.b", "/a/b..", "/a b/*"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad) + ARRAY_SIZE(good); i++) {
        msp_cleanup(msp_ctr_record_done) struct msp_ctr_record r = {0};
        bool is_good = i >= ARRAY_SIZE(bad);
        char text[64];
        const char *path = is_good ? good[i - ARRAY_SIZE(bad)] : bad[i], *why;

        (void)snprintf(text, sizeof(text), "scgroup=%s\n\n", path);
        if ((parse(text, &r, &why) == 0) != is_good)
            fail_msg("\"%s\": %s", path, why);
    }
}

/* @param n labels of the container, and as many of the pod */
static char *with_labels(int n, size_t key, size_t value)
{
    struct msp_rec rec = {0};
    char text[1024];

    for (int i = 0; i < 2 * n; i++) {
        (void)snprintf(text, sizeof(text), "%0*d=%0*d", (int)key, i, (int)value,
                       i);
        msp_rec_str(&rec, i % 2 ? "label" : "pod.label", text);
    }
    msp_rec_end(&rec);
    assert_ok(rec.error);
    assert_ok(msp_buf_append(&rec.buf, "", 1));
    return (char *)rec.buf.data;
}

static void keeps_to_its_limits(void **state)
{
    static const struct {
        int n;
        size_t key, value;
        bool fits;
    } cases[] = {
        {64, 200, 200, true}, {65, 3, 3, false},  {1, 255, 255, true},
        {1, 256, 3, false},   {1, 3, 256, false}, {64, 255, 255, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_cleanup(msp_ctr_record_done) struct msp_ctr_record r = {0};
        msp_autofree char *text =
            with_labels(cases[i].n, cases[i].key, cases[i].value);
        const char *why;
        int got = parse(text, &r, &why);

        if (got != (cases[i].fits ? 0 : -E2BIG))
            fail_msg("case %zu: %d \"%s\"", i, got, why);
        if (cases[i].fits)
            assert_int_equal(r.n_facts, 2 * cases[i].n);
    }
}

static void a_text_is_as_long_as_it_may_be(void **state)
{
    static const struct {
        const char *name;
        size_t max;
    } field[] = {{"id", 255},       {"name", 255},
                 {"image", 511},    {"runtime", 255},
                 {"pod.name", 255}, {"pod.service_account", 255}};

    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(field); i++) {
        msp_cleanup(msp_ctr_record_done) struct msp_ctr_record r = {0};
        size_t n = field[i / 2].max + i % 2;
        char text[1024];
        const char *why;

        (void)snprintf(text, sizeof(text), "s%s=%0*d\n\n", field[i / 2].name,
                       (int)n, 7);
        assert_int_equal(parse(text, &r, &why), i % 2 ? -E2BIG : 0);
    }
}

static void what_is_written_is_read_again(void **state)
{
    msp_cleanup(msp_ctr_record_done) struct msp_ctr_record a = {0}, b = {0};
    msp_cleanup(msp_rec_done) struct msp_rec rec = {0};
    const char *why;

    (void)state;
    assert_ok(parse(whole, &a, &why));
    msp_ctr_record_write(&a, &rec);
    msp_rec_end(&rec);
    assert_ok(rec.error);
    assert_ok(
        msp_ctr_record_parse((char *)rec.buf.data, rec.buf.len, &b, &why));
    assert_null(msp_ctr_record_difference(&a, &b));
}

static void what_tells_another_thing_is_named(void **state)
{
    static const char first[] = "scgroup=/a\nslabel=a=b\nslabel=c=d\n\n";

    static const struct {
        const char *text, *field;
    } cases[] = {
        {"slabel=c=d\nslabel=a=b\nscgroup=/a\n\n", NULL},
        {"scgroup=/a\nslabel=a=b\nslabel=c=d\nucgroup_id=5\n\n", NULL},
        {"scgroup=/a\nslabel=a=b\n\n", "label"},
        {"scgroup=/a\nslabel=a=b\nslabel=c=e\n\n", "label"},
        {"scgroup=/a\nslabel=a=b\nslabel=e=d\n\n", "label"},
        {"scgroup=/a\nslabel=a=b\nslabel=c=d\nspod.label=c=d\n\n", "pod.label"},
        {"scgroup=/b\nslabel=a=b\nslabel=c=d\n\n", "cgroup"},
        {"scgroup=/a\nslabel=a=b\nslabel=c=d\nsimage=x\n\n", "image"},
        {"scgroup=/a\nslabel=a=b\nslabel=c=d\nupid=5\n\n", "pid"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_cleanup(msp_ctr_record_done) struct msp_ctr_record a = {0}, b = {0};
        const char *why;

        assert_ok(parse(first, &a, &why));
        assert_ok(parse(cases[i].text, &b, &why));
        for (int turn = 0; turn < 2; turn++) {
            const char *field = turn ? msp_ctr_record_difference(&a, &b)
                                     : msp_ctr_record_difference(&b, &a);

            if (!field != !cases[i].field ||
                (field && strcmp(field, cases[i].field) != 0))
                fail_msg("%s: %s", cases[i].text, field ? field : "none");
        }
    }
}

static void what_is_not_told_now_is_kept(void **state)
{
    static const char before[] =
        "scgroup=/a\nsid=1f\nsname=old\nsroot=/r\nslabel=a=1\nslabel=b=2\n"
        "spod.label=a=3\nupid=5\n\n";

    static const struct {
        const char *now, *both;
    } cases[] = {
        {"sid=1f\n\n", before},
        {"scgroup=/a\nsname=new\nupid=6\n\n",
         "scgroup=/a\nsid=1f\nsname=new\nsroot=/r\nslabel=a=1\nslabel=b=2\n"
         "spod.label=a=3\nupid=6\n\n"},
        {"slabel=a=9\nslabel=c=4\n\n",
         "scgroup=/a\nsid=1f\nsname=old\nsroot=/r\nslabel=a=9\nslabel=b=2\n"
         "slabel=c=4\nspod.label=a=3\nupid=5\n\n"},
        {"spod.label=b=9\nspod.namespace=n\nucgroup_id=7\n\n",
         "scgroup=/a\nsid=1f\nsname=old\nsroot=/r\nslabel=a=1\nslabel=b=2\n"
         "spod.label=a=3\nspod.label=b=9\nspod.namespace=n\nupid=5\n\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        msp_cleanup(msp_ctr_record_done) struct msp_ctr_record a = {0}, b = {0};
        msp_cleanup(msp_ctr_record_done) struct msp_ctr_record is = {0};
        msp_cleanup(msp_ctr_record_done) struct msp_ctr_record wanted = {0};
        const char *why;

        assert_ok(parse(before, &a, &why));
        assert_ok(parse(cases[i].now, &b, &why));
        assert_ok(parse(cases[i].both, &wanted, &why));
        assert_ok(msp_ctr_record_merge(&a, &b, &is, &why));
        why = msp_ctr_record_difference(&is, &wanted);
        if (why)
            fail_msg("%s: %s", cases[i].now, why);
        assert_int_equal(is.cgroup_id, 0);
    }
}

/* Each of both fits, both together do not. */
static void what_is_merged_keeps_to_the_limits(void **state)
{
    msp_cleanup(msp_ctr_record_done) struct msp_ctr_record a = {0}, b = {0};
    msp_cleanup(msp_ctr_record_done) struct msp_ctr_record both = {0};
    char before[2048] = "scgroup=/a\n";
    const char *why = NULL;

    (void)state;
    for (int i = 0; i < MSP_CONTAINER_LABELS_MAX; i++) {
        size_t len = strlen(before);

        (void)snprintf(before + len, sizeof(before) - len, "slabel=k%d=\n%s", i,
                       i + 1 < MSP_CONTAINER_LABELS_MAX ? "" : "\n");
    }
    assert_ok(parse(before, &a, &why));
    assert_ok(parse("slabel=k0=x\n\n", &b, &why));
    assert_ok(msp_ctr_record_merge(&a, &b, &both, &why));
    msp_ctr_record_done(&both);
    msp_ctr_record_done(&b);
    assert_ok(parse("slabel=more=x\n\n", &b, &why));
    assert_int_equal(msp_ctr_record_merge(&a, &b, &both, &why), -E2BIG);
    assert_string_equal(why, "it would have more than 64 labels");
}

/* "ä" is two bytes: a text is cut before it, not in it. */
static void names_are_cut_between_letters(void **state)
{
    msp_cleanup(msp_ctr_record_done) struct msp_ctr_record r = {0};
    struct msp_ctr_name name;
    char text[256], shown[MSP_CTR_TEXT_BYTES + 8];
    const char *why;

    (void)state;
    (void)snprintf(shown, sizeof(shown), "%062d", 0);
    (void)snprintf(text, sizeof(text),
                   "sname=%s\xc3\xa4x\nspod.name=%s\xc3\xa4\nsid=%064d\n\n",
                   shown, shown + 1, 7);
    assert_ok(parse(text, &r, &why));
    msp_ctr_record_name(&r, &name);
    assert_string_equal(name.name, shown);
    assert_int_equal(strlen(name.pod_name), 63);
    assert_int_equal(strlen(name.id), 64);
    assert_int_equal(name.image[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_field),
        cmocka_unit_test(refuses_what_is_wrong_and_says_why),
        cmocka_unit_test(a_cgroup_is_a_path_of_its_tree),
        cmocka_unit_test(keeps_to_its_limits),
        cmocka_unit_test(a_text_is_as_long_as_it_may_be),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(what_tells_another_thing_is_named),
        cmocka_unit_test(what_is_not_told_now_is_kept),
        cmocka_unit_test(what_is_merged_keeps_to_the_limits),
        cmocka_unit_test(names_are_cut_between_letters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
