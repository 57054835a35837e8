/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Pins that are opened only as what they must be. */
#pragma once

#include "loader/load.h"

enum msp_object {
    MSP_OBJECT_NONE = 0, /* not a BPF object */
    MSP_OBJECT_MAP,
    MSP_OBJECT_PROG,
    MSP_OBJECT_LINK,
    MSP_OBJECT_COUNT,
};

/*
 * Opens a pin. The kernel would take a map for a program's descriptor in some
 * calls and read one as the other, so its kind is looked at first.
 * @param name of a map or program as its maker gave it; NULL = any
 * @return descriptor; -ENOENT; -EUCLEAN another kind or name; negative errno.
 *         `why` is set
 */
int msp_object_open(struct msp_loader *loader, const char *path,
                    enum msp_object kind, const char *name);
