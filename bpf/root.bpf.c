/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "lib/maps.bpf.h"
