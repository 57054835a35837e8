/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Documents of every form: either errors, each at a place of the document, or
 * an image that the reader accepts, that can be walked whole and that comes
 * out the same again.
 *
 * Input: one byte of options, then the document.
 */
#include <jansson.h>

#include <msp/policy.h>

#include "fuzz.h"
#include "policy_words.h"
#include "tokens.h"
#include "walk.h"

#ifdef MSP_PLANT
/* In mode audit an endpoint forgets that it signs. */
static int planted(const char *text, size_t len,
                   const struct msp_policy_options *options,
                   struct msp_diags *diags, uint8_t **ret_image,
                   size_t *ret_len)
{
    int r =
        msp_policy_compile_as(text, len, options, diags, ret_image, ret_len);
    struct msp_image_header *header;
    struct msp_image_endpoint *ep;

    if (r < 0)
        return r;
    header = (void *)*ret_image;
    ep = (void *)(*ret_image + header->section[MSP_SEC_ENDPOINTS].offset);
    for (int i = 0; i < MSP_EP_BUILTINS; i++)
        if (ep[i].ep.mode == MSP_MODE_AUDIT)
            ep[i].ep.flags &= ~MSP_EP_SIGN;
    (void)msp_image_digest(*ret_image, *ret_len, header->digest);
    return 0;
}

#define msp_policy_compile_as planted
#endif

static void check_diags(const struct msp_diags *diags)
{
    char *text = NULL;
    size_t len = 0, n_errors = 0;
    FILE *out = open_memstream(&text, &len);
    json_t *json;

    FUZZ_CHECK(out && diags->n <= MSP_DIAGS_MAX);
    for (size_t i = 0; i < diags->n; i++) {
        const struct msp_diag *d = &diags->item[i];

        n_errors += d->severity == MSP_SEVERITY_ERROR;
        FUZZ_CHECK(d->code < MSP_DIAG_COUNT && d->pointer);
        FUZZ_CHECK(d->pointer[0] == '\0' || d->pointer[0] == '/');
    }
    FUZZ_CHECK(n_errors == diags->n_errors || diags->n == MSP_DIAGS_MAX);
    FUZZ_CHECK(msp_diags_print_json(diags, "document", out) == 0);
    FUZZ_CHECK(fclose(out) == 0);
    json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_CHECK(json);
    json_decref(json);
    free(text);
    text = NULL;
    out = open_memstream(&text, &len);
    FUZZ_CHECK(out);
    msp_diags_print(diags, "document", out);
    FUZZ_CHECK(fclose(out) == 0);
    for (size_t i = 0; i < len; i++)
        FUZZ_CHECK((unsigned char)text[i] >= ' ' || text[i] == '\n');
    free(text);
}

static void check_image(const uint8_t *bytes, size_t len)
{
    struct msp_image image;
    const char *why = NULL;

    if (msp_image_open(bytes, len, &image, &why) != 0) {
        (void)fprintf(stderr, "the reader refuses: %s\n", why);
        FUZZ_CHECK(!"the reader accepts what the compiler made");
    }
    walk_image(&image);
}

static void compile_again(const char *text, size_t len,
                          const struct msp_policy_options *options,
                          const uint8_t *bytes, size_t n)
{
    struct msp_diags diags = {0};
    uint8_t *again = NULL;
    size_t again_n = 0;

    FUZZ_CHECK(msp_policy_compile_as(text, len, options, &diags, &again,
                                     &again_n) == 0);
    FUZZ_CHECK(n == again_n && memcmp(bytes, again, n) == 0);
    free(again);
    msp_diags_done(&diags);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max,
                               unsigned int seed)
{
    return tokens_mutate(TOKEN_STRING, policy_words, ARRAY_SIZE(policy_words),
                         data, len, max, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const endpoints[] = {"imds", "wireserver", NULL, "x"};
    struct msp_policy_options options = {0};
    struct msp_diags diags = {0};
    uint8_t *bytes = NULL;
    size_t n = 0;
    char *text;
    int r;

    if (len < 1)
        return 0;
    options.form = (enum msp_form)(data[0] % MSP_FORM_COUNT);
    options.endpoint = endpoints[data[0] >> 3 & 3];
    if (data[0] & 0x20)
        options.mode = (enum msp_mode)(data[0] >> 6 & 3);
    len--;
    text = fuzz_copy(data + 1, len);
    r = msp_policy_compile_as(text, len, &options, &diags, &bytes, &n);
    FUZZ_CHECK(r == 0 || r == -22 /* -EINVAL */);
    FUZZ_CHECK((r == 0) == (diags.n_errors == 0));
    FUZZ_CHECK((r == 0) == (bytes != NULL));
    check_diags(&diags);
    if (r == 0) {
        check_image(bytes, n);
        compile_again(text, len, &options, bytes, n);
    }
    free(bytes);
    free(text);
    msp_diags_done(&diags);
    return 0;
}
