/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who asked what host for how long: one row for each distinct caller, address
 * and result, counted for the last four hours. A fixed number of rows. Callers
 * choose much of what makes a row, so each is charged to the payer who was first
 * to need it, and one may have few; what is beyond is counted on one row that
 * says "other". Where no row is free the new one takes the place of the payer's
 * who has most, of his the one that was quiet for longest. Those who pay by
 * cgroup cannot take all (payer.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    MSP_SUMMARY_ROWS = 100,
    MSP_SUMMARY_PAYER_ROWS = 16, /* of one payer */
    MSP_SUMMARY_BUCKETS = 16,    /* of a quarter of an hour */
    MSP_SUMMARY_BUCKET_MS = 900000,
    MSP_SUMMARY_EXE_BYTES = 256, /* a longer path is cut */
    MSP_SUMMARY_STATUS_BYTES = 40,
};

/* What makes a row; compared byte by byte: zero it first. */
struct msp_summary_key {
    uint32_t uid;
    uint32_t is_container; /* 1: uid is nobody of the host */
    uint32_t client_be;
    uint16_t port;
    uint8_t addr[16]; /* of the endpoint, IPv4 mapped */
    uint16_t pad;
    char exe[MSP_SUMMARY_EXE_BYTES];
    char status[MSP_SUMMARY_STATUS_BYTES];
};

struct msp_summary_row {
    uint64_t payer;
    struct msp_summary_key key;
    uint64_t last_ms; /* 0 = free */
    uint32_t count[MSP_SUMMARY_BUCKETS];
};

struct msp_summary {
    struct msp_summary_row row[MSP_SUMMARY_ROWS];
};

/* @param payer payer.h @param now_ms monotonic, never 0 */
void msp_summary_add(struct msp_summary *summary, uint64_t payer,
                     const struct msp_summary_key *key, uint64_t now_ms);
/* @return 0: nothing of the last four hours */
uint64_t msp_summary_count(const struct msp_summary_row *row, uint64_t now_ms);
