/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Ownership helpers: a resource has one owner that a reader can see in the
 * function, and leaves it only through TAKE_PTR or TAKE_FD. Header only.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define msp_cleanup(fn) __attribute__((cleanup(fn)))
#define msp_autofree    msp_cleanup(msp_freep)
#define msp_autoclose   msp_cleanup(msp_closep)
#define msp_autofclose  msp_cleanup(msp_fclosep)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Moves a pointer out of its owner, which is left NULL. */
#define TAKE_PTR(p)                   \
    __extension__({                   \
        __typeof__(p) take_tmp = (p); \
        (p) = NULL;                   \
        take_tmp;                     \
    })

/* Moves a descriptor out of its owner, which is left -1. */
#define TAKE_FD(fd)             \
    __extension__({             \
        int take_fd_tmp = (fd); \
        (fd) = -1;              \
        take_fd_tmp;            \
    })

static inline void msp_freep(void *p)
{
    void **pp = p;

    free(*pp);
    *pp = NULL;
}

static inline void msp_closep(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static inline void msp_fclosep(FILE **f)
{
    if (*f)
        (void)fclose(*f);
}

static inline bool msp_streq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}
