/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Names of users, for what people read: those of /etc/passwd and /etc/group,
 * read anew after a change. Never a service, which could hold us up; and never
 * for a decision, for which the keeper resolves names.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What stands for a user that these files do not have. */
#define MSP_USER_NONE "undefined"

struct msp_user {
    uint32_t uid;
    uint32_t gid;
    char *name; /* owned */
};

struct msp_user_group {
    uint32_t gid;
    char *name;    /* owned */
    char *members; /* owned: ",a,b," */
};

struct msp_users {
    const char *dir; /* "/etc"; borrowed */
    bool is_read;
    struct msp_user *user; /* [n_users] in the order of the file */
    size_t n_users;
    struct msp_user_group *group; /* [n_groups] */
    size_t n_groups;
};

/* Reads the files at the next question. */
void msp_users_changed(struct msp_users *users);
void msp_users_done(struct msp_users *users);

/* @return MSP_USER_NONE if there is none; valid until a change */
const char *msp_users_name(struct msp_users *users, uint32_t uid);

/* Calls fn with each group of a user, its own one first. */
void msp_users_groups(struct msp_users *users, uint32_t uid,
                      void (*fn)(void *data, const char *name), void *data);
