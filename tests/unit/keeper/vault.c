/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/vault.h"

#include <fcntl.h>

#include "harness/test.h"

#define GUID  "9cf81e97-0316-4ad3-94a7-8ccbdee8ccbf"
#define OTHER "00000000-0316-4ad3-94a7-8ccbdee8ccbf"
#define KEY   "4A404E635266556A586E3272357538782F413F4428472B4B6250645367566B59"
#define ANSWER                                                            \
    "{\"authorizationScheme\":\"Azure-HMAC-SHA256\",\"incarnationId\":3," \
    "\"guid\":\"" GUID                                                    \
    "\",\"issued\":\"2021-05-05T 12:00:00Z\",\"key\":\"" KEY "\",\"later\":1}"
/* as msp-protocol.md 1.8 has it, to the byte */
#define FILE_TEXT                                         \
    "{\n"                                                 \
    "  \"authorizationScheme\": \"Azure-HMAC-SHA256\",\n" \
    "  \"incarnationId\": 3,\n"                           \
    "  \"guid\": \"" GUID "\",\n"                         \
    "  \"issued\": \"2021-05-05T 12:00:00Z\",\n"          \
    "  \"key\": \"" KEY "\"\n"                            \
    "}"

static struct msp_vault *vault;
static char path[64];
static int dir;

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/mspd-unit.XXXXXX");
    if (!mkdtemp(path) || msp_vault_new(&vault) < 0)
        return -1;
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0;
}

static int tear_down(void **state)
{
    (void)state;
    vault = msp_vault_free(vault);
    (void)unlinkat(dir, GUID ".key", 0);
    (void)unlinkat(dir, OTHER ".key", 0);
    (void)close(dir);
    return rmdir(path);
}

static void take(const char *text)
{
    const char *why = NULL;

    assert_ok(msp_vault_take(vault, text, strlen(text), &why));
}

static void put(const char *name, const char *text)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static void the_file_is_the_platforms_to_the_byte(void **state)
{
    char text[1024] = "";
    int fd;

    (void)state;
    take(ANSWER);
    assert_ok(msp_vault_store(vault, dir));
    fd = openat(dir, GUID ".key", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof(text)), strlen(FILE_TEXT));
    assert_string_equal(text, FILE_TEXT);
    (void)close(fd);
    msp_vault_wipe(vault);
    assert_ok(msp_vault_find(vault, dir, GUID));
    msp_vault_pack(vault);
    assert_string_equal(vault->packet.guid, GUID);
    assert_memory_equal(vault->packet.key, "J@NcRfUjXn2r5u8x/A?D(G+KbPdSgVkY",
                        MSP_KEY_BYTES);
}

static void a_file_of_another_guid_is_not_used(void **state)
{
    (void)state;
    put(OTHER ".key", FILE_TEXT);
    assert_errno(msp_vault_find(vault, dir, OTHER), EKEYREJECTED);
    assert_string_equal(vault->pending.guid, "");
    assert_errno(msp_vault_find(vault, dir, GUID), ENOENT);
    put(GUID ".key", "{\"guid\":\"" GUID "\"");
    assert_errno(msp_vault_find(vault, dir, GUID), EINVAL);
    msp_vault_pack(vault);
    assert_string_equal(vault->packet.guid, "");
}

static void an_answer_that_is_no_key_is_not_taken(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"authorizationScheme\":\"Azure-HMAC-SHA512\",\"guid\":\"" GUID
        "\",\"issued\":\"\",\"key\":\"" KEY "\"}",
        "{\"authorizationScheme\":\"Azure-HMAC-SHA256\",\"guid\":\"../x\","
        "\"issued\":\"\",\"key\":\"" KEY "\"}",
        "{\"authorizationScheme\":\"Azure-HMAC-SHA256\",\"guid\":\"" GUID
        "\",\"issued\":\"\",\"key\":\"YA40\"}",
        "{\"authorizationScheme\":\"Azure-HMAC-SHA256\",\"guid\":\"" GUID
        "\",\"issued\":\"a\\\"b\",\"key\":\"" KEY "\"}",
        "{\"authorizationScheme\":\"Azure-HMAC-SHA256\",\"guid\":\"" GUID
        "\",\"issued\":7,\"key\":\"" KEY "\"}",
        "{\"authorizationScheme\":\"Azure-HMAC-SHA256\",\"guid\":\"" GUID
        "\",\"incarnationId\":-1,\"key\":\"" KEY "\"}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const char *why = NULL;

        if (msp_vault_take(vault, texts[i], strlen(texts[i]), &why) != -EINVAL)
            fail_msg("accepted: %s", texts[i]);
        assert_non_null(why);
        assert_string_equal(vault->pending.guid, "");
    }
}

static void another_agents_file_is_read_by_descriptor(void **state)
{
    int fd;

    (void)state;
    put(OTHER ".key", FILE_TEXT);
    fd = openat(dir, OTHER ".key", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_errno(msp_vault_adopt(vault, fd, OTHER), EKEYREJECTED);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_ok(msp_vault_adopt(vault, fd, GUID));
    assert_string_equal(vault->pending.guid, GUID);
    (void)close(fd);
}

/* Searches all of the block for the key, as bytes and as text. */
static bool holds_key(void)
{
    return memmem(vault, sizeof(*vault), "J@NcRfUj", 8) ||
           memmem(vault, sizeof(*vault), "4A404E63", 8);
}

static void after_a_wipe_nothing_of_it_is_left(void **state)
{
    (void)state;
    take(ANSWER);
    assert_ok(msp_vault_store(vault, dir));
    msp_vault_pack(vault);
    assert_true(holds_key());
    msp_vault_wipe(vault);
    assert_false(holds_key());
}

/* What the kernel says of the block: locked, not dumped, wiped by fork. */
static void the_block_is_locked_and_never_dumped(void **state)
{
    char line[512], flags[512] = "";
    unsigned long from, to, at = (unsigned long)(uintptr_t)vault;
    bool is_here = false;
    FILE *maps = fopen("/proc/self/smaps", "re");

    (void)state;
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_here = from <= at && at < to;
        else if (is_here && strncmp(line, "VmFlags:", 8) == 0)
            memcpy(flags, line, strlen(line) + 1);
    }
    (void)fclose(maps);
#if !defined(__SANITIZE_ADDRESS__) /* its runtime locks nothing */
    assert_non_null(strstr(flags, " lo"));
#endif
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " wf"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(the_file_is_the_platforms_to_the_byte),
        T(a_file_of_another_guid_is_not_used),
        T(an_answer_that_is_no_key_is_not_taken),
        T(another_agents_file_is_read_by_descriptor),
        T(after_a_wipe_nothing_of_it_is_left),
        T(the_block_is_locked_and_never_dumped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
