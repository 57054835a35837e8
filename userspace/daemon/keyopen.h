/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The key file, opened for the keeper and never read here: a regular file of
 * root that nobody else may write. mspd has no CAP_DAC_OVERRIDE.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

/*
 * @param ret_is_readable others than root may read it
 * @param reterr_why text, static or of strerror(): which condition failed
 * @return descriptor, CLOEXEC, the caller's; -EPERM a condition; other errno
 */
int msp_keyopen(const char *path, bool *ret_is_readable,
                const char **reterr_why);

/* @return static text: the condition that fails; NULL = none */
const char *msp_keyopen_fault(const struct stat *st);
