/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/platform.h"

#include "harness/test.h"

/* @return what is printed, free() */
static char *print(const struct msp_platform *platform)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    assert_ok(msp_platform_print(platform, out));
    assert_ok(fclose(out));
    return text;
}

static struct msp_platformlog empty = {.users.dir = "/nowhere"};

static void make(struct msp_part_now parts[MSP_PART_COUNT],
                 struct msp_platform *ret)
{
    memset(parts, 0, MSP_PART_COUNT * sizeof(*parts));
    for (int i = 0; i < MSP_PART_COUNT; i++)
        parts[i] =
            (struct msp_part_now){.word = MSP_PART_RUNNING, .message = "m"};
    parts[MSP_PART_TELEMETRY].word = MSP_PART_STOPPED;
    *ret = (struct msp_platform){
        .real_ns = 1784755665123456789ull,
        .version = "0.1.0",
        .path = "/var/log/azure-proxy-agent/status.json",
        .parts = parts,
        .state = "WireServer Enforce -  IMDS Enforce - HostGA Enforce",
        .guid = "e3882f98-da8d-4410-8394-06c23462781c",
        .has_incarnation = true,
        .incarnation = 10,
        .rule_id = {"i+/=", "w\"", ""},
        .n_requests = 590,
        .log = &empty,
        .now_ms = 1,
    };
}

static void it_is_what_the_platforms_tools_read(void **state)
{
    static const char expected[] =
        "{\n"
        "  \"timestamp\": \"2026-07-22T21:27:45.123\",\n"
        "  \"proxyAgentStatus\": {\n"
        "    \"version\": \"0.1.0\",\n"
        "    \"status\": \"SUCCESS\",\n"
        "    \"monitorStatus\": {\n"
        "      \"status\": \"RUNNING\",\n"
        "      \"message\": \"Aggregate status written to status file: "
        "/var/log/azure-proxy-agent/status.json\"\n"
        "    },\n"
        "    \"keyLatchStatus\": {\n"
        "      \"status\": \"RUNNING\",\n"
        "      \"message\": \"m\",\n"
        "      \"states\": {\n"
        "        \"secureChannelState\": \"WireServer Enforce -  IMDS Enforce "
        "- HostGA Enforce\",\n"
        "        \"keyGuid\": \"e3882f98-da8d-4410-8394-06c23462781c\",\n"
        "        \"keyIncarnationId\": \"10\",\n"
        "        \"wireServerRuleId\": \"w\\\"\",\n"
        "        \"imdsRuleId\": \"i+/=\",\n"
        "        \"hostGARuleId\": \"\"\n"
        "      }\n"
        "    },\n"
        "    \"ebpfProgramStatus\": {\n"
        "      \"status\": \"RUNNING\",\n"
        "      \"message\": \"m\"\n"
        "    },\n"
        "    \"proxyListenerStatus\": {\n"
        "      \"status\": \"RUNNING\",\n"
        "      \"message\": \"m\"\n"
        "    },\n"
        "    \"telemetryLoggerStatus\": {\n"
        "      \"status\": \"STOPPED\",\n"
        "      \"message\": \"m\"\n"
        "    },\n"
        "    \"proxyConnectionsCount\": 590\n"
        "  },\n"
        "  \"proxyConnectionSummary\": [],\n"
        "  \"failedAuthenticateSummary\": []\n"
        "}\n";
    struct msp_part_now parts[MSP_PART_COUNT];
    struct msp_platform platform;

    (void)state;
    make(parts, &platform);
    msp_autofree char *text = print(&platform);
    assert_string_equal(text, expected);
}

static void without_a_key_there_is_no_guid(void **state)
{
    struct msp_part_now parts[MSP_PART_COUNT];
    struct msp_platform platform;

    (void)state;
    make(parts, &platform);
    parts[MSP_PART_KEY].word = MSP_PART_UNKNOWN;
    platform.guid = NULL;
    platform.has_incarnation = false;
    msp_autofree char *text = print(&platform);
    assert_null(strstr(text, "keyGuid"));
    assert_null(strstr(text, "keyIncarnationId"));
    assert_non_null(strstr(text, "    \"status\": \"ERROR\",\n"));
    assert_non_null(strstr(text, "      \"status\": \"UNKNOWN\",\n"));
}

static void readers_know_three_words(void **state)
{
    static const enum msp_part needed[] = {MSP_PART_KEY, MSP_PART_PROGRAMS,
                                           MSP_PART_LISTENER};
    struct msp_part_now parts[MSP_PART_COUNT];
    struct msp_platform platform;

    (void)state;
    make(parts, &platform);
    parts[MSP_PART_KEY].word = MSP_PART_DISABLED;
    msp_autofree char *disabled = print(&platform);
    assert_null(strstr(disabled, "Disabled"));
    assert_non_null(strstr(disabled, "    \"status\": \"SUCCESS\",\n"));
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        make(parts, &platform);
        parts[needed[i]].word = MSP_PART_STOPPED;
        msp_autofree char *text = print(&platform);
        assert_non_null(strstr(text, "    \"status\": \"ERROR\",\n"));
    }
}

static void a_long_message_is_cut(void **state)
{
    struct msp_part_now parts[MSP_PART_COUNT];
    struct msp_platform platform;
    char message[1100], expected[1200];

    (void)state;
    memset(message, 'x', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    (void)snprintf(expected, sizeof(expected), "\"%.1024s...\"", message);
    make(parts, &platform);
    parts[MSP_PART_LISTENER].message = message;
    msp_autofree char *text = print(&platform);
    assert_non_null(strstr(text, expected));
    message[1024] = '\0';
    (void)snprintf(expected, sizeof(expected), "\"%s\"", message);
    msp_autofree char *whole = print(&platform);
    assert_non_null(strstr(whole, expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_the_platforms_tools_read),
        cmocka_unit_test(without_a_key_there_is_no_guid),
        cmocka_unit_test(readers_know_three_words),
        cmocka_unit_test(a_long_message_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
