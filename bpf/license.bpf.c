/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The license section of the linked object. */
#include "lib/core.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
