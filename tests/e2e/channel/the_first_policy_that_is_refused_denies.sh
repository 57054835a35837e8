#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A host whose very first document cannot be read: each endpoint in its own mode
# if that can be read, else enforced, and nobody is allowed; root neither. One
# that was disabled before is no excuse. Version 1.0 has modes only.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

BAD='"defaultAccess":"allow","id":"x","rules":{"privileges":[]}'

codes() {
    echo "$(http_code "$USER" vm "http://$IMDS/metadata/versions")" \
        "$(http_code 0:0 vm "http://$IMDS/metadata/versions")" \
        "$(http_code "$USER" vm "http://$WIRE/?comp=versions")" \
        "$(http_code 0:0 vm "http://$WIRE/?comp=versions")"
}

gets() {
    [[ $(codes) == "$1" ]]
}

# first CLAIM SCENARIO CODES: user and root of IMDS, user and root of WireServer
first() {
    sim_scenario "$2"
    start_host
    if until_true 10 gets "$3"; then
        ok "$1"
    else
        not_ok "$1" "$(codes)" "wanted: $3" "$(of '.channel,.policy')"
    fi
    ctl detach --yes >/dev/null
    wait "$SB_MSPD"
    rm -f "$SB_DIR/state/"*.image
}

sandbox_up
sim_scenario '{"enabled":false}'
sandbox_start_sim
sim_mode imds=off wireserver=off hostga=off
first "disabled: all get through" '{"enabled":false}' "200 200 200 200"
first "enforce can be read: nobody" \
    "{\"rules\":{\"imds\":{\"mode\":\"Enforce\",$BAD}}}" "EPERM EPERM 200 200"
first "audit can be read: all, and it is recorded" \
    "{\"rules\":{\"imds\":{\"mode\":\"audit\",$BAD}}}" "200 200 200 200"
first "disabled can be read, the other one not" \
    "{\"rules\":{\"imds\":{\"mode\":\"disabled\",$BAD},
        \"wireserver\":{\"mode\":7}}}" "200 200 EPERM EPERM"
first "no mode can be read: nobody" \
    '{"rules":{"imds":"x","wireserver":{"mode":"sometimes"}}}' \
    "EPERM EPERM EPERM EPERM"
first "disabled first, then one that is refused" \
    "{\"status\":[{\"times\":3,\"set\":{\"secureChannelEnabled\":false}}],
        \"rules\":{\"imds\":{\"mode\":\"enforce\",$BAD}}}" \
    "EPERM EPERM 200 200"
sim_mode imds=enforce wireserver=enforce
first "1.0, both" '{"version":"1.0","state":"WireserverAndImds","incarnation":2}' \
    "200 200 EPERM 200"
first "1.0, WireServer: IMDS is audited" \
    '{"version":"1.0","state":"Wireserver","incarnation":2}' \
    "200 200 EPERM 200"
sandbox_done
