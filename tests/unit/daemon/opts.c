/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/opts.h"

#include "harness/test.h"

enum {
    ARGS = 8
};

static int parse(const char *const *args, struct msp_opts *ret)
{
    msp_autofclose FILE *sink = fopen("/dev/null", "we");
    char *argv[ARGS + 2];
    char name[] = "mspd";
    int argc = 1;

    argv[0] = name;
    for (; args[argc - 1]; argc++)
        memcpy(&argv[argc], &args[argc - 1], sizeof(char *));
    argv[argc] = NULL;
    assert_non_null(sink);
    return msp_opts_parse(argc, argv, ret, sink, sink);
}

static void defaults_are_the_documented_ones(void **state)
{
    static const char *const args[ARGS] = {NULL};
    struct msp_opts opts;

    (void)state;
    assert_int_equal(parse(args, &opts), MSP_OPTS_RUN);
    assert_null(opts.cgroup);
    assert_null(opts.static_key);
    assert_string_equal(opts.pin_dir, "/sys/fs/bpf/mspd");
    assert_string_equal(opts.run_dir, "/run/mspd");
    assert_string_equal(opts.state_dir, "/var/lib/mspd");
    assert_string_equal(opts.log_dir, "/var/log/mspd");
    assert_string_equal(opts.proxy_user, "mspd-proxy");
    assert_string_equal(opts.keeper_user, "mspd-keeper");
    assert_false(opts.is_fd_guard);
    assert_false(opts.is_bootstrap_deny);
    assert_int_equal(opts.log_level, MSP_LOG_INFO);
    assert_int_equal(opts.lsm, MSP_LSM_AUTO);
    assert_false(opts.is_channel);
    assert_false(opts.is_push_only);
    assert_null(opts.adopt_keys);
    assert_null(opts.local_rules);
    assert_null(opts.channel_scale);
    assert_null(opts.platform_status);
    assert_null(opts.platform_tags);
}

static void the_channel_has_its_options(void **state)
{
    static const char *const args[ARGS] = {
        "--secure-channel",   "--adopt-keys",         "/k",
        "--policy-from=push", "--channel-scale=1000", NULL};
    struct msp_opts opts;

    (void)state;
    assert_int_equal(parse(args, &opts), MSP_OPTS_RUN);
    assert_true(opts.is_channel);
    assert_true(opts.is_push_only);
    assert_string_equal(opts.adopt_keys, "/k");
    assert_string_equal(opts.channel_scale, "1000");
}

static void local_rules_are_for_the_hosts_policy(void **state)
{
    static const char *const args[ARGS] = {
        "--secure-channel", "--local-rules=/r", "--policy-from=host", NULL};
    struct msp_opts opts;

    (void)state;
    assert_int_equal(parse(args, &opts), MSP_OPTS_RUN);
    assert_string_equal(opts.local_rules, "/r");
}

static void takes_values_in_both_spellings(void **state)
{
    static const char *const args[ARGS] = {
        "--cgroup=/c", "--bootstrap",   "deny",       "--log-level",
        "err",         "--lsm=require", "--fd-guard", NULL};
    struct msp_opts opts;

    (void)state;
    assert_int_equal(parse(args, &opts), MSP_OPTS_RUN);
    assert_string_equal(opts.cgroup, "/c");
    assert_true(opts.is_fd_guard);
    assert_true(opts.is_bootstrap_deny);
    assert_int_equal(opts.log_level, MSP_LOG_ERR);
    assert_int_equal(opts.lsm, MSP_LSM_REQUIRE);
}

static void refuses_what_it_does_not_know(void **state)
{
    static const char *const rows[][ARGS] = {
        {"--nope"},
        {"--cgroup"},
        {"--cgroup="},
        {"extra"},
        {"-x"},
        {"--fd-guard=yes"},
        {"--bootstrap", "maybe"},
        {"--bootstrap", ""},
        {"--log-level", "2"},
        {"--lsm", "on"},
        {"--lsm="},
        {"--", "extra"},
        {"--secure-channel", "--static-key", "/k"},
        {"--adopt-keys", "/k"},
        {"--local-rules", "/r"},
        {"--secure-channel", "--local-rules", ""},
        {"--secure-channel", "--policy-from=push", "--local-rules=/r"},
        {"--policy-from", "host"},
        {"--channel-scale", "2"},
        {"--secure-channel", "--local-rules", "relative"},
        {"--secure-channel", "--adopt-keys", "relative"},
        {"--platform-status", "relative"},
        {"--platform-status", "/run/mspd"},
        {"--platform-tags", "relative"},
        {"--platform-tags", ""},
        {"--secure-channel", "--policy-from", "both"},
        {"--secure-channel", "--channel-scale", "0"},
        {"--secure-channel", "--channel-scale", "1001"},
        {"--secure-channel", "--channel-scale", "-1"},
        {"--secure-channel", "--channel-scale", "2x"},
        {"--secure-channel", "--adopt-keys", ""},
    };
    struct msp_opts opts;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (parse(rows[i], &opts) != -EINVAL)
            fail_msg("row %zu was accepted", i);
}

static void help_and_version_end_it(void **state)
{
    static const char *const help[ARGS] = {"--help"};
    static const char *const version[ARGS] = {"--version"};
    struct msp_opts opts;

    (void)state;
    assert_int_equal(parse(help, &opts), MSP_OPTS_DONE);
    assert_int_equal(parse(version, &opts), MSP_OPTS_DONE);
}

static void a_guard_is_asked_for_in_whole(void **state)
{
    static const char *const good[ARGS] = {
        "--guard", "--guard-key=/k",   "--guard-protect",
        "/p",      "--guard-allow=/a", "--guard-kernel"};
    static const char *const bad[][ARGS] = {
        {"--guard"},
        {"--guard-key=/k"},
        {"--guard-kernel"},
        {"--guard-allow=/a"},
        {"--guard", "--guard-key=/k", "--lsm=off"},
        {"--guard", "--guard-key=/k", "--guard-protect=relative"},
    };
    struct msp_opts opts;

    (void)state;
    assert_int_equal(parse(good, &opts), MSP_OPTS_RUN);
    assert_true(opts.is_guard);
    assert_true(opts.is_guard_kernel);
    assert_string_equal(opts.guard_key, "/k");
    assert_int_equal(opts.n_guard_protect, 1);
    assert_string_equal(opts.guard_allow[0], "/a");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(parse(bad[i], &opts), -EINVAL);
}

/* @return what mspd prints on `ret_err` and, by return, on the other; free() */
static char *printed(const char *one, const char *two, const char *three,
                     char **ret_err)
{
    const char *const args[] = {"mspd", one, two, three, NULL};
    char *argv[ARRAY_SIZE(args)], *text = NULL;
    size_t len = 0, err_len = 0;
    FILE *out = open_memstream(&text, &len);
    FILE *err = open_memstream(ret_err, &err_len);
    struct msp_opts opts;
    int argc = 0;

    assert_non_null(out);
    assert_non_null(err);
    memcpy(argv, args, sizeof(args));
    while (argv[argc])
        argc++;
    (void)msp_opts_parse(argc, argv, &opts, out, err);
    assert_ok(fclose(out));
    assert_ok(fclose(err));
    return text;
}

static void a_relative_path_is_said(void **state)
{
    static const char *const options[] = {"--adopt-keys", "--local-rules"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        msp_autofree char *text = NULL, *err = NULL;
        char says[96];

        text = printed("--secure-channel", options[i], "rel", &err);
        (void)snprintf(says, sizeof(says),
                       "mspd: \"rel\": %s is an absolute path\n", options[i]);
        assert_string_equal(err, says);
        assert_string_equal(text, "");
    }
}

/* Those that need --secure-channel are the four that its help says follow. */
static void help_says_what_needs_the_channel(void **state)
{
    static const char *const options[] = {"--policy-from", "--adopt-keys",
                                          "--local-rules", "--channel-scale"};
    msp_autofree char *text = NULL, *err = NULL;
    const char *at;

    (void)state;
    text = printed("--help", NULL, NULL, &err);
    at = strstr(text, "four options after this one need it\n");
    assert_non_null(at);
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        at = strstr(at, "\n  --");
        assert_non_null(at);
        at += strlen("\n  ");
        assert_memory_equal(at, options[i], strlen(options[i]));
    }
}

static void none_or_some_uplinks(void **state)
{
    static const char *const good[][ARGS] = {
        {"--uplink=none"},
        {"--uplink=a", "--uplink=b"},
    };
    static const char *const bad[][ARGS] = {
        {"--uplink=none", "--uplink=a"},
        {"--uplink=a", "--uplink", "none"},
    };
    struct msp_opts opts;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_int_equal(parse(good[i], &opts), MSP_OPTS_RUN);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(parse(bad[i], &opts), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_documented_ones),
        cmocka_unit_test(local_rules_are_for_the_hosts_policy),
        cmocka_unit_test(takes_values_in_both_spellings),
        cmocka_unit_test(the_channel_has_its_options),
        cmocka_unit_test(refuses_what_it_does_not_know),
        cmocka_unit_test(help_and_version_end_it),
        cmocka_unit_test(a_guard_is_asked_for_in_whole),
        cmocka_unit_test(a_relative_path_is_said),
        cmocka_unit_test(help_says_what_needs_the_channel),
        cmocka_unit_test(none_or_some_uplinks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
