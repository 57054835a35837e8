/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The command line of an OCI runtime, as far as it says what is created:
 * runc, crun and youki share its form. What is not understood creates nothing
 * that we know of, so no hook is added.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * @param args [n] without the program
 * @param ret_bundle the last one given; NULL = the working directory
 * @return whether a container is created
 */
bool msp_oci_args_creates(char *const *args, size_t n, const char **ret_bundle);
