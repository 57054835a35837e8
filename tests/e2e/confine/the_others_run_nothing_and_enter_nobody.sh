#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# mspd-keeper and mspd-netns themselves, as mspd starts them, try what neither
# ever needs: other programs, other processes, mounts, modules, new namespaces,
# io_uring. Each ends the process; outside of the filter it kills nobody. What
# they are for they do.
. "$(dirname "$0")/../../harness/sandbox.sh"

# attempts WHO: of the last one that has made them all
attempts() {
    awk -v who="$1" '$1 == "captive" && $2 == who {
            if ($3 == "done") { last = text; text = "" }
            else text = text $0 "\n" }
         END { printf "%s", last }' "$SB_DIR/mspd.log"
}

sandbox_up
mkdir "$SB_DIR/jail"
cp "$SB_DIR/bin/mspd-proxy" "$SB_DIR/jail/"
cp "$SB_DIR/bin/captive-keeper" "$SB_DIR/jail/mspd-keeper"
cp "$SB_DIR/bin/captive-netns" "$SB_DIR/jail/mspd-netns"
sandbox_start_sim
sandbox_start_mspd --libexec-dir "$SB_DIR/jail"
for who in keeper netns; do
    while read -r _ _ how name result wanted; do
        case $how in
            in) check_eq "$who: $name is $wanted" "$result" "$wanted" ;;
            *) check "$who: $name is an attempt" [ "$result" != SIGSYS ] ;;
        esac
    done < <(attempts "$who")
    check "$who: all were made" [ "$(attempts "$who" | wc -l)" -gt 20 ]
done

# The keeper looks names up and has the key, mspd-netns makes listeners.
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"userName":"root"')")")"
make_netns other
for ns in vm other; do
    check_eq "root is served in the namespace $ns" \
        "$(http_code 0:0 "$ns" "http://$IMDS/metadata/versions")" 200
done
check_eq "and signed for" "$(journal_count '.signed == "valid"')" 2
sandbox_done
