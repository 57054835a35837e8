/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The tamper guard as mspd sees it: what is in force, what is registered, when
 * it is unlocked. Its LSM programs are loaded and attached by lsm.h like all
 * others and refuse nothing until msp_guard_make() has turned them on; here are
 * its maps, the programs that fill them, and the one at a cgroup.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <msp/guard.h>

#include "loader/load.h"

enum msp_guard_is {
    MSP_GUARD_IS_NONE = 0, /* never turned on, or detached */
    MSP_GUARD_IS_UNLOCKED,
    MSP_GUARD_IS_LOCKED,
    MSP_GUARD_IS_COUNT,
};

/* A file to register; the descriptor may be O_PATH. */
struct msp_guard_want {
    int fd;
    uint32_t flags; /* MSP_GUARD_* */
};

struct msp_guard_config {
    const struct msp_guard_want *want; /* [n] descriptors of this process */
    size_t n;
    struct msp_guard_state state; /* flags, options, host, key are taken */
};

/* What a state comes to now. */
enum msp_guard_is msp_guard_is_now(const struct msp_guard_state *state);

/* Seconds since 1970, which nobody can set back while the guard is there. */
uint64_t msp_guard_now_s(const struct msp_guard_state *state);

/*
 * Whether a guard that is locked has other pins than these. Whoever runs mspd
 * chooses where it looks for its pins, so the kernel is asked what maps there
 * are; needs no role, but CAP_SYS_ADMIN.
 * @return 1; 0; -EBADMSG the kernel's answers are not the kernel's; negative
 *         errno
 */
int msp_guard_is_elsewhere(const char *pin_dir);

/*
 * Looks what guards the pins in a directory; needs no role.
 * @param ret_state zero when there is none
 * @return 0; negative errno
 */
int msp_guard_find(const char *pin_dir, struct msp_guard_state *ret_state);

/*
 * Whether the kernel knows this process as mspd: it may write the guard's
 * state. Elsewhere than in a locked guard root always may.
 * @return 0; negative errno
 */
int msp_guard_try_role(const char *pin_dir);

/*
 * Registers files, this process and its children, where they are, and every
 * pinned link, attaches the program at `cgroup_fd`, and locks. The LSM programs
 * are attached already. For a guard that is not locked.
 * @param ret_roles_fd for msp_guard_role_of(); owned by the caller
 * @return 0; negative errno, `why` set and nothing is locked
 */
int msp_guard_make(struct msp_loader *loader, int cgroup_fd,
                   const struct msp_guard_config *config, int *ret_roles_fd);

/*
 * The same guard, another mspd: registers where it is and the links of now.
 * @param ret_roles_fd as above
 * @return 0; negative errno, `why` set
 */
int msp_guard_take_over(struct msp_loader *loader, int cgroup_fd,
                        int *ret_roles_fd);

/*
 * What the kernel takes a process for.
 * @param pid of its leader
 * @param ret_flags MSP_GUARD_ROLE, PROCESS; 0: it has no role
 * @return 0; -ESRCH; negative errno, `why` set
 */
int msp_guard_role_of(struct msp_loader *loader, int roles_fd, pid_t pid,
                      uint32_t *ret_flags);

/* Registers links that were pinned since. @return 0; negative errno */
int msp_guard_links(struct msp_loader *loader);

/* The guard in force; zero: none. @return 0; negative errno */
int msp_guard_read(struct msp_loader *loader,
                   struct msp_guard_state *ret_state);

/*
 * Unlocks for so many seconds from now; 0: locks again.
 * @return 0; negative errno, `why` set
 */
int msp_guard_unlock(struct msp_loader *loader, uint64_t seconds);

/* Seconds until it locks itself; 0: it is locked, or off. */
uint64_t msp_guard_left_s(const struct msp_guard_state *state);

/* Turns off a guard that is not locked. @return 0; -errno, `why` set */
int msp_guard_drop(struct msp_loader *loader);

/* @param ret [MSP_GUARD_KIND_COUNT]. @return 0; negative errno */
int msp_guard_stats(struct msp_loader *loader, struct msp_guard_stat *ret);

/* "map", "link" ... for status and log */
const char *msp_guard_kind_name(enum msp_guard_kind kind);
/* "off", "unlocked", "locked" */
const char *msp_guard_is_name(enum msp_guard_is is);
