/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/token.h"

#include <sys/mman.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "harness/test.h"

#define HOST "0123456789abcdef0123456789abcdef"

static EVP_PKEY *key, *other;
static uint8_t public_key[MSP_TOKEN_KEY_BYTES];
static const uint64_t now_s = 1800000000;

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *made = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    assert_non_null(made);
    return made;
}

/* @param ret [512] the text with its signature */
static size_t sign(EVP_PKEY *with, const char *text, char *ret)
{
    unsigned char raw[64], base64[96];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    size_t n = sizeof(raw);

    assert_int_equal(EVP_DigestSignInit(md, NULL, NULL, NULL, with), 1);
    assert_int_equal(
        EVP_DigestSign(md, raw, &n, (const unsigned char *)text, strlen(text)),
        1);
    EVP_MD_CTX_free(md);
    assert_int_equal(EVP_EncodeBlock(base64, raw, (int)n), 88);
    (void)snprintf(ret, 512, "%ssignature %s\n", text, (char *)base64);
    return strlen(ret);
}

static const char *check(const char *text, size_t len, uint64_t *ret_expires_s)
{
    const struct msp_token_rule rule = {
        .key = public_key, .host = HOST, .now_s = now_s};

    return msp_token_check(text, len, &rule, ret_expires_s);
}

static const char *check_signed(EVP_PKEY *with, const char *text)
{
    uint64_t expires_s = 0;
    char token[512];

    return check(token, sign(with, text, token), &expires_s);
}

static void takes_a_good_one(void **state)
{
    uint64_t expires_s = 0;
    char token[512];
    size_t len =
        sign(key, "mspd-unlock 1\nhost " HOST "\nexpires 1800000600\n", token);

    (void)state;
    assert_null(check(token, len, &expires_s));
    assert_int_equal(expires_s, now_s + 600);
}

static void refuses_with_a_reason(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"mspd-unlock 1\nhost " HOST "\nexpires 1800000000\n", "expired"},
        {"mspd-unlock 1\nhost " HOST "\nexpires 1\n", "expired"},
        {"mspd-unlock 1\nhost " HOST "\nexpires 1800086401\n", "a day"},
        {"mspd-unlock 1\nhost " HOST "0\nexpires 1800000600\n", "another host"},
        {"mspd-unlock 1\nhost 0123\nexpires 1800000600\n", "another host"},
        {"mspd-unlock 2\nhost " HOST "\nexpires 1800000600\n", "not a token"},
        {"mspd-unlock 1\nexpires 1800000600\nhost " HOST "\n", "not a token"},
        {"mspd-unlock 1\nhost " HOST "\n", "not a token"},
        {"mspd-unlock 1\nhost \nexpires 1800000600\n", "not a token"},
        {"mspd-unlock 1\nhost " HOST "\nexpires 01800000600\n", "expired"},
        {"mspd-unlock 1\nhost " HOST "\nexpires -1\n", "expired"},
        {"mspd-unlock 1\nhost " HOST "\nexpires 18446744073709551617\n",
         "expired"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *why = check_signed(key, rows[i].text);

        assert_non_null(why);
        assert_non_null(strstr(why, rows[i].why));
    }
}

static void refuses_what_the_key_did_not_sign(void **state)
{
    static const char text[] =
        "mspd-unlock 1\nhost " HOST "\nexpires 1800000600\n";
    uint64_t expires_s = 0;
    char token[512];
    size_t len;

    (void)state;
    assert_non_null(strstr(check_signed(other, text), "signature"));
    len = sign(key, text, token);
    for (size_t i = 0; i < len; i++) {
        char changed[512];

        memcpy(changed, token, len);
        changed[i] = (char)(changed[i] ^ 1);
        assert_non_null(check(changed, len, &expires_s));
    }
    for (size_t n = 0; n < len; n++)
        assert_non_null(check(token, n, &expires_s));
    token[len] = '\n';
    assert_non_null(check(token, len + 1, &expires_s));
}

static void reads_a_key_of_its_kind_only(void **state)
{
    EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    EVP_PKEY *const keys[] = {key, rsa};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        msp_autoclose int fd = memfd_create("key", MFD_CLOEXEC);
        FILE *f = fdopen(dup(fd), "w");
        uint8_t read_key[MSP_TOKEN_KEY_BYTES];
        const char *why;

        assert_non_null(f);
        assert_int_equal(PEM_write_PUBKEY(f, keys[i]), 1);
        assert_ok(fclose(f));
        assert_true(lseek(fd, 0, SEEK_SET) == 0);
        why = msp_token_read_key(fd, read_key);
        if (keys[i] == key) {
            assert_null(why);
            assert_memory_equal(read_key, public_key, sizeof(read_key));
        } else {
            assert_non_null(strstr(why, "Ed25519"));
        }
        assert_non_null(msp_token_read_key(fd, read_key)); /* at its end */
    }
    EVP_PKEY_free(rsa);
}

static int make_keys(void **state)
{
    size_t n = sizeof(public_key);

    (void)state;
    key = make_key();
    other = make_key();
    return EVP_PKEY_get_raw_public_key(key, public_key, &n) == 1 ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_good_one),
        cmocka_unit_test(refuses_with_a_reason),
        cmocka_unit_test(refuses_what_the_key_did_not_sign),
        cmocka_unit_test(reads_a_key_of_its_kind_only),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
