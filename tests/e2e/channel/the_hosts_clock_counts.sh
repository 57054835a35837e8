#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# A VM whose clock is a day off: the host takes dates within five minutes of its
# own. What the keeper learns from its answers dates the attestation and every
# request of others.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

for offset in 86400 -86400; do
    (
        sandbox_up
        sandbox_start_sim --clock-offset "$offset"
        SB_KEY=$SB_DIR/vm.key sandbox_start_mspd
        push_policy "$(policy "$(item enforce allow)")"
        check_eq "$offset s, our own clock: the host refuses" "$(versions)" 401
        sandbox_stop_mspd
        kill -TERM "$SB_SIM"
        wait "$SB_SIM"
        SB_SIM=''
        sim_scenario "{\"rules\":$GUARDED}"
        sandbox_start_sim --clock-offset "$offset"
        start_channel
        check "$offset s: a key is latched" until_true 10 has_key
        check "$offset s: the user is served" until_true 10 is_served
        proxy=$(child_pid mspd-proxy | head -n 1)
        kill -KILL "$proxy"
        check "$offset s: a new proxy knows the time too" \
            until_true 10 is_served
        sandbox_done
    ) || exit 1
done
