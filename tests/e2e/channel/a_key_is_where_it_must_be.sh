#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A key on its way from the host: once it is in use, the keeper has no byte of it
# in memory any more, whether it came by HTTP or from a file. It is in its file,
# in mspd's locked page (which proves the search), and in no log or other file.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

search() {
    jq -r .key "$SB_DIR/state/keys/$(of .key.guid).key" |
        python3 "$MSP_SOURCE/tests/e2e/channel/memory.py" "$1"
}

# where CLAIM
where() {
    check_eq "$1: nothing of it in the keeper" \
        "$(search "$(child_pid mspd-keeper | head -n 1)")" "bytes=0 hex=0 HEX=0"
    check_eq "$1: mspd has it once, as bytes" "$(search "$SB_MSPD")" \
        "bytes=1 hex=0 HEX=0"
    check_eq "$1: one file has it" \
        "$(grep -rlFi "$(jq -r .key "$SB_DIR/state/keys/$(of .key.guid).key")" \
            "$SB_DIR"/{state,run,log,journal,mspd.log} | sed "s|$SB_DIR||")" \
        "/state/keys/$(of .key.guid).key"
}

sandbox_up
sim_scenario "{\"rules\":$GUARDED}"
sandbox_start_sim
start_channel
check "a key is latched" until_true 10 has_key
push_policy "$(policy "$(item enforce allow)")"
check "the user is served" until_true 10 is_served
where "by HTTP"
sandbox_stop_mspd
start_channel
check "a stored key" until_true 10 has_key
where "from the file"
sim_scenario "{\"enabled\":false}"
check "disabled: it is gone" until_true 10 is_state disabled
check_eq "disabled: from mspd too" \
    "$(jq -r .key "$SB_DIR/state/keys"/*.key |
        python3 "$MSP_SOURCE/tests/e2e/channel/memory.py" "$SB_MSPD")" \
    "bytes=0 hex=0 HEX=0"
sandbox_done
