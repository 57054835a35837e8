/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The owner of the maps: fills the slots of the outer ones. */
#define MSP_MAPS_OWNER
#include "lib/maps.bpf.h"
