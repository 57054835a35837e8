/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* mspctl doctor: what it finds in the files of a host. */
// clang-format off
#include "harness/test.h"
// clang-format on
#include <ftw.h>
#include <sys/stat.h>

#include "bench.h"
#include "cli/oci_installed.h"

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

/* Below the bench's directory, with the directories it is in. */
static void put(const struct bench *b, const char *path, const char *text)
{
    msp_autofclose FILE *f = NULL;
    char full[256];

    (void)snprintf(full, sizeof(full), "%s%s", b->dir, path);
    for (char *slash = strchr(full + strlen(b->dir) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(full, 0755) < 0)
            assert_int_equal(errno, EEXIST);
        *slash = '/';
    }
    f = fopen(full, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_ok(fchmod(fileno(f), 0755));
}

struct found {
    char text[512];
    size_t n;
};

static void take(const struct msp_installed *installed, void *data)
{
    struct found *found = data;
    size_t len = strlen(found->text);

    found->n++;
    (void)snprintf(found->text + len, sizeof(found->text) - len,
                   "%s %s %s %s\n", installed->manager, installed->place,
                   msp_hooked_name(installed->hooked), installed->detail);
}

static void done(struct bench *b)
{
    bench_flush(b);
    free(b->out);
    free(b->err);
    assert_ok(nftw(b->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS));
}

#define DAEMON  "/etc/docker/daemon.json"
#define TOML    "/etc/containerd/config.toml"
#define HOOKS_D "/usr/share/containers/oci/hooks.d"
#define ETC_D   "/etc/containers/oci/hooks.d"
#define HOOK(args)                                                             \
    "{\"version\":\"1.0.0\",\"hook\":{\"path\":\"/bin/mspctl\",\"args\":" args \
    "},\"when\":{\"always\":true},\"stages\":[\"createRuntime\"]}"
#define RUNTIME(name, path, args)                                              \
    "{\"runtimes\":{\"" name "\":{\"path\":\"" path "\",\"runtimeArgs\":" args \
    "}}"
#define ARGS "[\"oci-runtime\",\"--runtime\",\"/usr/sbin/runc\",\"--\"]"

static void files_of_managers_are_judged(void **state)
{
    static const struct {
        const char *path, *text, *expected;
    } cases[] = {
        {"/etc/hosts", "", ""},
        {"/usr/bin/dockerd", "",
         "docker " DAEMON " no No such file or directory\n"},
        {DAEMON, "{}", "docker " DAEMON " no \n"},
        {DAEMON, "{", "docker " DAEMON " unknown not a JSON object\n"},
        {DAEMON, RUNTIME("r", "/bin/mspctl", ARGS) "}",
         "docker " DAEMON " some r\n"},
        {DAEMON,
         RUNTIME("r", "/bin/mspctl", ARGS) ",\"default-runtime\":\"r\"}",
         "docker " DAEMON " yes r\n"},
        {DAEMON, RUNTIME("r", "/gone/mspctl", ARGS) "}",
         "docker " DAEMON " broken r\n"},
        {DAEMON, RUNTIME("r", "/bin/mspctl", "[\"status\"]") "}",
         "docker " DAEMON " no \n"},
        {DAEMON, RUNTIME("r", "/bin/mspd-oci-runtime", "[]") "}",
         "docker " DAEMON " some r\n"},
        {DAEMON, "{\"runtimes\":[1],\"default-runtime\":2}",
         "docker " DAEMON " no \n"},
        {TOML, "version = 2\n", "containerd " TOML " no \n"},
        {TOML, "  # BinaryName = \"/bin/mspd-oci-runtime\"\n",
         "containerd " TOML " no \n"},
        {TOML, "[x.options]\n  BinaryName = \"/bin/mspd-oci-runtime\"\n",
         "containerd " TOML " some BinaryName\n"},
        {TOML, "BinaryName='/gone/mspd-oci-runtime'\n",
         "containerd " TOML " broken BinaryName\n"},
        {TOML, "BinaryName = \"/usr/bin/runc\"\n", "containerd " TOML " no \n"},
        {TOML, "imports = [\"/etc/x.toml\"]\n",
         "containerd " TOML
         " unknown it imports files that are not looked at\n"},
        {TOML, "imports = []\n", "containerd " TOML " no \n"},
        {"/usr/bin/podman", "", "podman " HOOKS_D " no \n"},
        {HOOKS_D "/a.json",
         HOOK("[\"mspctl\",\"oci-hook\",\"--runtime\",\"podman\"]"),
         "podman " HOOKS_D "/a.json yes /bin/mspctl\n"},
        {HOOKS_D "/a.json", HOOK("[\"mspctl\",\"oci-hook\"]"),
         "unknown " HOOKS_D "/a.json yes /bin/mspctl\n"},
        {HOOKS_D "/a.json", HOOK("[\"mspctl\",\"status\"]"), ""},
        {HOOKS_D "/a.json", "{", ""},
        {HOOKS_D "/a.conf", HOOK("[\"mspctl\",\"oci-hook\"]"), ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct found found = {.n = 0};
        struct bench b;

        bench_start(&b);
        put(&b, "/bin/mspctl", "");
        put(&b, "/bin/mspd-oci-runtime", "");
        put(&b, cases[i].path, cases[i].text);
        msp_installed_find(b.dir, take, &found);
        if (strcmp(found.text, cases[i].expected) != 0)
            fail_msg("case %zu: %s", i, found.text);
        done(&b);
    }
}

#define OUR_HOOK HOOK("[\"mspctl\",\"oci-hook\",\"--runtime\",\"podman\"]")
#define CONF     "/etc/containers/containers.conf"

/* A hook is one where its manager looks for hooks, and nowhere else. */
static void a_hook_counts_where_its_manager_looks(void **state)
{
    static const char none[] = "# hooks_dir = [\n# \"/x\",\n# ]\n";
    static const char both[] = "[engine]\n  hooks_dir = [ # two\n \"/x\",\n"
                               " '" ETC_D "', ]\n[other]\n";

    static const struct {
        const char *hook, *conf, *text, *expected;
    } cases[] = {
        {HOOKS_D, "/etc/hosts", "",
         "podman " HOOKS_D "/a.json yes /bin/mspctl\n"},
        {ETC_D, "/etc/hosts", "",
         "podman " ETC_D "/a.json unread /bin/mspctl\n"
         "podman " HOOKS_D " no \n"},
        {ETC_D, CONF, none,
         "podman " ETC_D "/a.json unread /bin/mspctl\n"
         "podman " HOOKS_D " no \n"},
        {ETC_D, CONF, both, "podman " ETC_D "/a.json yes /bin/mspctl\n"},
        {ETC_D, CONF ".d/1.conf", both,
         "podman " ETC_D "/a.json yes /bin/mspctl\n"},
        {ETC_D, CONF ".d/1.toml", both,
         "podman " ETC_D "/a.json unread /bin/mspctl\n"
         "podman " HOOKS_D " no \n"},
        {"/x", CONF, both, "podman /x/a.json yes /bin/mspctl\n"},
        {HOOKS_D, CONF, both,
         "podman " HOOKS_D "/a.json unread /bin/mspctl\n"
         "podman " ETC_D " no " CONF "\n"},
        /* another manager's file says nothing of this one */
        {ETC_D, "/etc/crio/crio.conf", both,
         "podman " ETC_D "/a.json unread /bin/mspctl\n"
         "podman " HOOKS_D " no \n"},
        {HOOKS_D, CONF, "hooks_dir = \"/x\"\n",
         "podman " HOOKS_D "/a.json unknown /bin/mspctl\n"
         "podman " CONF " unknown what it says of hooks_dir cannot be read\n"},
        {HOOKS_D, CONF, "hooks_dir = [\"x\"]\n",
         "podman " HOOKS_D "/a.json unknown /bin/mspctl\n"
         "podman " CONF " unknown what it says of hooks_dir cannot be read\n"},
        {HOOKS_D, CONF, "hooks_dir = [\"/x\"",
         "podman " HOOKS_D "/a.json unknown /bin/mspctl\n"
         "podman " CONF " unknown what it says of hooks_dir cannot be read\n"},
        {HOOKS_D, CONF, "hooks_dir = [\"/x\", {append=true}]\n",
         "podman " HOOKS_D "/a.json unknown /bin/mspctl\n"
         "podman " CONF " unknown what it says of hooks_dir cannot be read\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct found found = {.n = 0};
        char path[128];
        struct bench b;

        bench_start(&b);
        put(&b, "/bin/mspctl", "");
        put(&b, "/usr/bin/podman", "");
        put(&b, cases[i].conf, cases[i].text);
        (void)snprintf(path, sizeof(path), "%s/a.json", cases[i].hook);
        put(&b, path, OUR_HOOK);
        msp_installed_find(b.dir, take, &found);
        if (strcmp(found.text, cases[i].expected) != 0)
            fail_msg("case %zu: %s", i, found.text);
        done(&b);
    }
}

/* Exit code 4 comes with what to write, and where. */
static void each_manager_without_a_hook_is_a_reason(void **state)
{
    static const struct {
        const char *path, *text, *says;
    } cases[] = {
        {"/usr/bin/podman", "",
         "\"reasons\":[{\"text\":\"podman: tells mspd of no container; copy "
         "the files of " MSP_OCI_HOOKS "/podman into " HOOKS_D "\"}]"},
        {"/usr/bin/crio", "", "of " MSP_OCI_HOOKS "/crio into " HOOKS_D "\"}]"},
        {DAEMON, "{}", "its default-runtime in " DAEMON "\"}]"},
        {TOML, "", "mspd-oci-runtime as BinaryName in " TOML "\"}]"},
        {DAEMON, RUNTIME("r", "/gone/mspctl", ARGS) "}",
         "docker: " DAEMON " names a program of ours that cannot be "
         "executed\"}]"},
        {DAEMON, "{",
         "\"reasons\":[{\"text\":\"docker: whether it tells mspd is unknown: " DAEMON
         ": not a JSON object\"}]"},
        /* nothing is wrong with that file */
        {TOML, "imports = [\"/etc/x.toml\"]\n", "not looked at\"}]}\n"},
    };

    (void)state;
    assert_int_equal(MSP_OCI_HOOKS[0], '/');
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;

        bench_start(&b);
        b.cli.is_json = true;
        put(&b, cases[i].path, cases[i].text);
        (void)msp_cmd_doctor(&b.cli);
        (void)fflush(b.cli.out);
        if (!strstr(b.out, cases[i].says))
            fail_msg("case %zu: %s", i, b.out);
        done(&b);
    }
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no \"%s\" in: %s", part, text);
}

static void the_exit_code_says_what_is_missing(void **state)
{
    static const struct {
        bool has_daemon;
        enum msp_ctl_status status;
        const char *path;
        int exit_code;
        const char *says;
    } cases[] = {
        {false, MSP_CTL_OK, "/etc/hosts", MSP_EXIT_NODAEMON,
         "mspd            does not answer\n"},
        {true, MSP_CTL_OK, "/etc/hosts", MSP_EXIT_OK,
         "mspd            answers\n"},
        {true, MSP_CTL_DEGRADED, "/etc/hosts", MSP_EXIT_DEGRADED,
         "the proxy is away"},
        {true, MSP_CTL_OK, "/usr/bin/podman", MSP_EXIT_DEGRADED,
         "podman   no    " HOOKS_D},
        {true, MSP_CTL_REFUSED, "/etc/hosts", MSP_EXIT_DEGRADED, "unknown"},
    };

    static const char answer[] = "stier=lsm\n\ns_item=reasons\n"
                                 "stext=the proxy is away\n\n";

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bench b;
        int r;

        bench_start(&b);
        put(&b, cases[i].path, "");
        if (cases[i].has_daemon)
            bench_serve(&b, MSP_CTL_STATUS, cases[i].status, answer,
                        sizeof(answer) - 1);
        r = msp_cmd_doctor(&b.cli);
        if (r != cases[i].exit_code)
            fail_msg("case %zu: %d", i, r);
        if (cases[i].has_daemon) {
            union {
                const void *in;
                void *out;
            } frame = {.in = b.fake.reply};

            fake_join(&b.fake);
            fake_done(&b.fake);
            b.fake.is_listener = false;
            free(frame.out);
        }
        (void)fflush(b.cli.out);
        assert_has(b.out, cases[i].says);
        if (cases[i].has_daemon && cases[i].status == MSP_CTL_OK)
            assert_has(b.out, "tier            lsm\n");
        assert_has(b.out, "containerd  pod.name        "
                          "io.kubernetes.cri.sandbox-name\n");
        done(&b);
    }
}

static void json_is_one_object(void **state)
{
    struct bench b;

    (void)state;
    bench_start(&b);
    b.cli.is_json = true;
    assert_int_equal(msp_cmd_doctor(&b.cli), MSP_EXIT_NODAEMON);
    (void)fflush(b.cli.out);
    assert_has(b.out, "{\"schema\":1,\"result\":\"nodaemon\",");
    assert_has(b.out, "\"error\":\"mspd does not answer\"");
    assert_has(b.out, "\"mspd\":\"does not answer\"");
    assert_has(b.out, "\"hooks\":[]");
    assert_has(b.out, "{\"runtime\":\"docker\",\"container\":{\"id\":\"yes\","
                      "\"name\":\"no\",\"labels\":\"no\"}");
    done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_managers_are_judged),
        cmocka_unit_test(a_hook_counts_where_its_manager_looks),
        cmocka_unit_test(each_manager_without_a_hook_is_a_reason),
        cmocka_unit_test(the_exit_code_says_what_is_missing),
        cmocka_unit_test(json_is_one_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
