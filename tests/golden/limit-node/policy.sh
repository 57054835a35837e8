# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# 257 privileges on one path: the node has room for 256.
awk 'BEGIN {
    printf "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
    printf "\"defaultAccess\":\"deny\",\"id\":\"\",\"rules\":{\"privileges\":["
    for (i = 0; i < 257; i++) {
        printf "%s{\"name\":\"p%d\",\"path\":\"/a\"}", i ? "," : "", i
        roles = roles (i ? "," : "") "\"p" i "\""
    }
    printf "],\"roles\":[{\"name\":\"r\",\"privileges\":[%s]}],", roles
    printf "\"identities\":[{\"name\":\"i\",\"uid\":1}],"
    printf "\"roleAssignments\":[{\"role\":\"r\",\"identities\":[\"i\"]}]}}}}"
}'
