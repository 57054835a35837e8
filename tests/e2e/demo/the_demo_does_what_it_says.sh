#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# scripts/demo with the build under test: each of its steps is as it says.
exec "${MSP_SOURCE:-$(dirname "$0")/../../..}/scripts/demo"
