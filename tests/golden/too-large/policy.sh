# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# One byte over the limit.
printf '{"version":1,"endpoints":{}}'
head -c 8388581 /dev/zero | tr '\0' ' '
