#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# 257 identities with 64 labels each: 16,448 demands.
awk 'BEGIN {
    printf "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
    printf "\"defaultAccess\":\"deny\",\"id\":\"x\",\"rules\":{\"privileges\":["
    printf "{\"name\":\"p\",\"path\":\"/p\"}],\"roles\":[{\"name\":\"r\","
    printf "\"privileges\":[\"p\"]}],\"identities\":["
    for (i = 0; i < 257; i++) {
        printf "%s{\"name\":\"i%d\",\"pod\":{\"labels\":{", i ? "," : "", i
        for (j = 0; j < 64; j++)
            printf "%s\"k%d\":\"v%d\"", j ? "," : "", j, i
        printf "}}}"
    }
    printf "],\"roleAssignments\":[{\"role\":\"r\",\"identities\":["
    for (i = 0; i < 257; i++)
        printf "%s\"i%d\"", i ? "," : "", i
    printf "]}]}},\"wireserver\":{\"mode\":\"enforce\",\"defaultAccess\":"
    printf "\"allow\",\"id\":\"x\"},\"hostga\":{\"mode\":\"enforce\","
    printf "\"defaultAccess\":\"allow\",\"id\":\"x\"}}}"
}'
