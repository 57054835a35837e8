/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemon/users.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>

#include <msp/cleanup.h>

enum {
    ROWS_MAX = 4096 /* of a file; the rest have no names */
};

/* Room for one more. @return false: none */
static bool grow(void **array, size_t n, size_t size)
{
    void *p;

    if (n >= ROWS_MAX)
        return false;
    if (n & (n - 1))
        return true;
    p = reallocarray(*array, n ? 2 * n : 1, size);
    if (p)
        *array = p;
    return p;
}

static FILE *open_file(const struct msp_users *users, const char *name)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", users->dir, name);
    return fopen(path, "re");
}

static bool add_user(struct msp_users *users, const struct passwd *entry)
{
    void *array = users->user;
    struct msp_user user = {.uid = entry->pw_uid, .gid = entry->pw_gid};

    user.name = strdup(entry->pw_name);
    if (!user.name || !grow(&array, users->n_users, sizeof(user))) {
        free(user.name);
        return false;
    }
    users->user = array;
    users->user[users->n_users++] = user;
    return true;
}

static void read_passwd(struct msp_users *users)
{
    msp_autofclose FILE *in = open_file(users, "passwd");
    const struct passwd *entry;

    while (in && (entry = fgetpwent(in)))
        if (!add_user(users, entry))
            return;
}

/* @return ",a,b,", free(); NULL no memory */
static char *join(char *const *members)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    (void)fputc(',', out);
    for (; *members; members++)
        (void)fprintf(out, "%s,", *members);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

static bool add_group(struct msp_users *users, const struct group *entry)
{
    void *array = users->group;
    struct msp_user_group group = {.gid = entry->gr_gid};

    group.name = strdup(entry->gr_name);
    group.members = join(entry->gr_mem);
    if (!group.name || !group.members ||
        !grow(&array, users->n_groups, sizeof(group))) {
        free(group.name);
        free(group.members);
        return false;
    }
    users->group = array;
    users->group[users->n_groups++] = group;
    return true;
}

static void read_group(struct msp_users *users)
{
    msp_autofclose FILE *in = open_file(users, "group");
    const struct group *entry;

    while (in && (entry = fgetgrent(in)))
        if (!add_group(users, entry))
            return;
}

void msp_users_done(struct msp_users *users)
{
    for (size_t i = 0; i < users->n_users; i++)
        free(users->user[i].name);
    for (size_t i = 0; i < users->n_groups; i++) {
        free(users->group[i].name);
        free(users->group[i].members);
    }
    free(users->user);
    free(users->group);
    *users = (struct msp_users){.dir = users->dir};
}

void msp_users_changed(struct msp_users *users)
{
    msp_users_done(users);
}

static const struct msp_user *find(struct msp_users *users, uint32_t uid)
{
    if (!users->is_read) {
        users->is_read = true;
        read_passwd(users);
        read_group(users);
    }
    for (size_t i = 0; i < users->n_users; i++)
        if (users->user[i].uid == uid)
            return &users->user[i];
    return NULL;
}

const char *msp_users_name(struct msp_users *users, uint32_t uid)
{
    const struct msp_user *user = find(users, uid);

    return user ? user->name : MSP_USER_NONE;
}

static bool is_member(const struct msp_user_group *group, const char *name)
{
    size_t len = strlen(name);

    for (const char *p = strstr(group->members, name); p;
         p = strstr(p + 1, name))
        if (p[-1] == ',' && p[len] == ',')
            return true;
    return false;
}

void msp_users_groups(struct msp_users *users, uint32_t uid,
                      void (*fn)(void *data, const char *name), void *data)
{
    const struct msp_user *user = find(users, uid);

    for (size_t i = 0; user && i < users->n_groups; i++)
        if (users->group[i].gid == user->gid)
            fn(data, users->group[i].name);
    for (size_t i = 0; user && i < users->n_groups; i++)
        if (users->group[i].gid != user->gid &&
            is_member(&users->group[i], user->name))
            fn(data, users->group[i].name);
}
