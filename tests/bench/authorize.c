/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * bench_authorize [REPORT]: nanoseconds of one `authorize` as the proxy calls
 * it, system call and all: 1,000 paths of eight query pairs each, a request
 * that has all eight. Member "authorize" of the report. Needs root.
 */
#include <stdio.h>

#include <msp/canon.h>

#include "bench/report.h"
#include "bpf/slot.h"
#include "harness/test.h"

enum {
    PATHS = 1000,
    PAIRS = 8,
    VALUES = 500, /* of each key: a policy has at most 4,096 pairs */
    ROUNDS = 15,
    CALLS = 20000 /* a round */
};

static const char *report;

static void print_privileges(FILE *f)
{
    for (int i = 0; i < PATHS; i++) {
        (void)fprintf(f,
                      "%s{\"name\":\"p%d\",\"path\":\"/metadata/identity/"
                      "oauth2/token/%d/%d\",\"queryParameters\":{",
                      i ? "," : "", i, i % 37, i);
        for (int j = 0; j < PAIRS; j++)
            (void)fprintf(f, "%s\"key%d\":\"%d\"", j ? "," : "", j, i % VALUES);
        (void)fputs("}}", f);
    }
}

static char *make_document(void)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    assert_non_null(f);
    (void)fputs("{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
                "\"defaultAccess\":\"deny\",\"id\":\"bench\",\"rules\":{"
                "\"privileges\":[",
                f);
    print_privileges(f);
    (void)fputs("],\"roles\":[{\"name\":\"r\",\"privileges\":[", f);
    for (int i = 0; i < PATHS; i++)
        (void)fprintf(f, "%s\"p%d\"", i ? "," : "", i);
    (void)fputs("]}],\"identities\":[{\"name\":\"i\",\"uid\":1}],"
                "\"roleAssignments\":[{\"role\":\"r\",\"identities\":[\"i\"]}]}"
                "}}}",
                f);
    assert_ok(fclose(f));
    return text;
}

static void fill_request(struct msp_request *page, unsigned int i)
{
    char key[16], value[16];
    int n = snprintf(page->path.path, sizeof(page->path.path),
                     "/metadata/identity/oauth2/token/%u/%u", i % 37, i);

    page->path_len = (uint32_t)n + 1;
    page->method = MSP_METHOD_GET;
    page->n_pairs = PAIRS;
    for (int j = 0; j < PAIRS; j++) {
        (void)snprintf(key, sizeof(key), "key%d", j);
        (void)snprintf(value, sizeof(value), "%u", i % VALUES);
        assert_ok(msp_canon_pair_hash(key, strlen(key), value, strlen(value),
                                      page->pair[j].hash));
    }
}

static double measure_round(struct slot_fixture *fx)
{
    double from = bench_now_ns();

    for (int i = 0; i < CALLS; i++)
        slot_fixture_authorize(fx);
    return (bench_now_ns() - from) / CALLS;
}

static void measure(void **state)
{
    struct slot_fixture *fx = *state;
    struct msp_request *page = slot_fixture_page(fx);
    msp_autofree char *text = make_document();
    msp_autofree uint8_t *bytes = NULL;
    struct bench_value value = {.key = "ns"};
    struct msp_image image;
    double ns[ROUNDS];

    slot_fixture_compile(text, &bytes, &image);
    slot_fixture_apply(fx, &image);
    memset(page, 0, sizeof(*page));
    memset(&page->mark.ids, 0xff, sizeof(page->mark.ids));
    page->mark.endpoint = MSP_EP_IMDS;
    page->mark.identity_epoch = slot_fixture_epoch(fx);
    for (unsigned int round = 0; round < ROUNDS; round++) {
        fill_request(page, round * 61 % PATHS);
        ns[round] = measure_round(fx);
        assert_int_equal(page->verdict, MSP_VERDICT_ALLOW);
    }
    value.value = bench_median(ns, ROUNDS);
    assert_ok(bench_report(report, "authorize", &value, 1));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(measure, slot_fixture_setup,
                                        slot_fixture_teardown),
    };

    report = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
