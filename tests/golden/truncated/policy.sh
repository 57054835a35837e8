# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# More diagnostics than one run reports; errors before remarks.
awk 'BEGIN {
    printf "{\"version\":1,\"endpoints\":{\"imds\":{\"mode\":\"enforce\","
    printf "\"defaultAccess\":\"deny\",\"id\":\"\",\"rules\":{\"privileges\":["
    for (i = 0; i < 300; i++)
        printf "%s{\"name\":\"p%d\",\"path\":\"/a/%d\"}", i ? "," : "", i, i
    printf "],\"roles\":[],\"identities\":[],\"roleAssignments\":[]}},"
    printf "\"hostga\":{\"mode\":\"enforce\",\"defaultAccess\":\"deny\","
    printf "\"id\":\"\",\"rules\":{\"privileges\":[],\"roles\":[],"
    printf "\"identities\":[],\"roleAssignments\":["
    printf "{\"role\":\"none\",\"identities\":[]}]}}}}"
}'
