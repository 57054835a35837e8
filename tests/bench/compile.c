/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Prints how long compiling takes: rules, best CPU milliseconds of 15 rounds.
 * A realistic document: each rule has a query, ten rules make a role, 200
 * identities.
 */
#include <stdio.h>
#include <time.h>

#include <msp/cleanup.h>
#include <msp/policy.h>

#include "bench/report.h"

#define ROUNDS     15
#define IDENTITIES 200

static const char *comma(int i)
{
    return i ? "," : "";
}

static void print_roles(FILE *f, int rules)
{
    for (int i = 0; i < rules / 10; i++) {
        (void)fprintf(f, "%s{\"name\":\"r%d\",\"privileges\":[", comma(i), i);
        for (int j = 0; j < 10; j++)
            (void)fprintf(f, "%s\"p%d\"", comma(j), 10 * i + j);
        (void)fputs("]}", f);
    }
}

static void print_document(FILE *f, int rules)
{
    (void)fputs("{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
                "\"defaultAccess\":\"deny\",\"id\":\"bench\",\"rules\":{"
                "\"privileges\":[",
                f);
    for (int i = 0; i < rules; i++)
        (void)fprintf(f,
                      "%s{\"name\":\"p%d\",\"path\":\"/metadata/identity/"
                      "oauth2/token/%d/%d\",\"queryParameters\":{\"resource\":"
                      "\"https://resource-%d.azure.net/\"}}",
                      comma(i), i, i % 37, i, i);
    (void)fputs("],\"roles\":[", f);
    print_roles(f, rules);
    (void)fputs("],\"identities\":[", f);
    for (int i = 0; i < IDENTITIES; i++)
        (void)fprintf(f, "%s{\"name\":\"i%d\",\"uid\":%d}", comma(i), i,
                      10000 + i);
    (void)fputs("],\"roleAssignments\":[", f);
    for (int i = 0; i < rules / 10; i++)
        (void)fprintf(f,
                      "%s{\"role\":\"r%d\",\"identities\":[\"i%d\",\"i%d\"]}",
                      comma(i), i, i % IDENTITIES, (i + 99) % IDENTITIES);
    (void)fputs("]}}}}", f);
}

/* @return best CPU time in ms; negative if the document was refused */
static double best_ms(const char *text, size_t len)
{
    double best = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        msp_cleanup(msp_diags_done) struct msp_diags diags = {0};
        msp_autofree uint8_t *image = NULL;
        struct timespec a, z;
        size_t image_len;
        double ms;

        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
        if (msp_policy_compile(text, len, &diags, &image, &image_len) < 0) {
            msp_diags_print(&diags, "bench", stderr);
            return -1;
        }
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &z);
        ms = (double)(z.tv_sec - a.tv_sec) * 1e3 +
             (double)(z.tv_nsec - a.tv_nsec) / 1e6;
        if (ms < best)
            best = ms;
    }
    return best;
}

/* bench_compile [REPORT] */
int main(int argc, char **argv)
{
    static const int sizes[] = {10, 100, 1000, 4000};
    struct bench_value value = {.key = "ms"}; /* of 1,000 rules */

    (void)printf("rules,ms\n");
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        msp_autofree char *text = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&text, &len);
        double ms;

        if (!f)
            return 1;
        print_document(f, sizes[i]);
        if (fclose(f))
            return 1;
        ms = best_ms(text, len);
        if (ms < 0)
            return 1;
        (void)printf("%d,%.3f\n", sizes[i], ms);
        if (sizes[i] == 1000)
            value.value = ms;
    }
    return bench_report(argc > 1 ? argv[1] : NULL, "compile", &value, 1) < 0;
}
