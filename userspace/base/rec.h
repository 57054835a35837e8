/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Records of the control protocol (include/msp/ctl.h), written and read.
 * Sans-IO. The writer keeps its first error and reports it at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct msp_rec {
    struct msp_buf buf; /* the payload so far */
    int error;          /* 0 or negative errno of the first failure */
};

void msp_rec_str(struct msp_rec *rec, const char *name, const char *value);
void msp_rec_uint(struct msp_rec *rec, const char *name, uint64_t value);
void msp_rec_bool(struct msp_rec *rec, const char *name, bool value);
/* Ends a record. */
void msp_rec_end(struct msp_rec *rec);
void msp_rec_done(struct msp_rec *rec);

enum msp_rec_kind {
    MSP_REC_EOF,   /* nothing left */
    MSP_REC_FIELD, /* one field */
    MSP_REC_END,   /* end of a record */
};

struct msp_rec_field {
    char type; /* 's', 'u' or 'b' */
    const char *name;
    const char *value; /* unescaped */
};

/*
 * Takes the next thing off a payload; writes NULs into it.
 * @param cursor in/out, moved
 * @return enum msp_rec_kind; -EBADMSG malformed
 */
int msp_rec_next(char **cursor, const char *end, struct msp_rec_field *ret);
