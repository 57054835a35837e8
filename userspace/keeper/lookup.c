/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "keeper/lookup.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include <msp/cleanup.h>

enum {
    BUFFER_FIRST = 4096,
    BUFFER_MAX = 4 << 20
};

/* One try with one buffer. @return 0 or a positive errno, as getpwnam_r */
static int try_name(struct msp_child_name *name, char *buffer, size_t len)
{
    struct passwd user, *found_user = NULL;
    struct group group, *found_group = NULL;
    int e;

    if (name->is_group) {
        e = getgrnam_r(name->name, &group, buffer, len, &found_group);
        if (!e && found_group) {
            name->is_found = 1;
            name->id = group.gr_gid;
        }
        return e;
    }
    e = getpwnam_r(name->name, &user, buffer, len, &found_user);
    if (!e && found_user) {
        name->is_found = 1;
        name->id = user.pw_uid;
    }
    return e;
}

static int lookup(struct msp_child_name *name)
{
    for (size_t len = BUFFER_FIRST; len <= BUFFER_MAX; len *= 4) {
        msp_autofree char *buffer = malloc(len);
        int e;

        if (!buffer)
            return -ENOMEM;
        e = try_name(name, buffer, len);
        switch (e) {
        case 0:
        case ENOENT: /* getpwnam(3): these may mean "no such name" */
        case ESRCH:
        case EBADF:
        case EPERM:
            return 0;
        case EINTR:
            len /= 4;
            break;
        case ERANGE:
            break;
        default:
            return -e;
        }
    }
    return -E2BIG;
}

int msp_lookup_names(struct msp_child_names *names)
{
    int r;

    if (names->n > MSP_CHILD_NAMES_MAX)
        return -EBADMSG;
    for (uint32_t i = 0; i < names->n; i++) {
        struct msp_child_name *name = &names->name[i];

        if (!memchr(name->name, '\0', sizeof(name->name)))
            return -EBADMSG;
        name->is_found = 0;
        name->id = 0;
        r = lookup(name);
        if (r < 0)
            return r;
    }
    return 0;
}
