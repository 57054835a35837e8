#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Who a caller is: uid and gid from the right halves of the credentials,
# effective ids, supplementary groups, names of the host, and real root against
# everything that only looks like it. The host's users games (uid 5, gid 60)
# and its group are used for the names, because their numbers differ.
. "$(dirname "$0")/../../harness/sandbox.sh"

RULES='{"privileges":[
    {"name":"uid","path":"/metadata/versions","queryParameters":{"t":"uid"}},
    {"name":"gid","path":"/metadata/versions","queryParameters":{"t":"gid"}},
    {"name":"both","path":"/metadata/versions","queryParameters":{"t":"both"}},
    {"name":"user","path":"/metadata/versions","queryParameters":{"t":"user"}},
    {"name":"group","path":"/metadata/versions","queryParameters":{"t":"group"}},
    {"name":"last","path":"/metadata/versions","queryParameters":{"t":"last"}}],
  "roles":[{"name":"uid","privileges":["uid"]},
    {"name":"gid","privileges":["gid"]},{"name":"both","privileges":["both"]},
    {"name":"user","privileges":["user"]},
    {"name":"group","privileges":["group"]},
    {"name":"last","privileges":["last"]}],
  "identities":[{"name":"uid","uid":2001},{"name":"gid","gid":3001},
    {"name":"both","uid":2001,"gid":3009},
    {"name":"user","userName":"games"},{"name":"group","groupName":"games"},
    {"name":"last","gid":9999}],
  "roleAssignments":[{"role":"uid","identities":["uid"]},
    {"role":"gid","identities":["gid"]},{"role":"both","identities":["both"]},
    {"role":"user","identities":["user"]},
    {"role":"group","identities":["group"]},
    {"role":"last","identities":["last"]}]}'

# case WANTED T CLAIM COMMAND...: the command prefix becomes the caller, who
# asks for what only identity T may have. First with enforcement off.
open_cases=()
caller() {
    local wanted=$1 t=$2 claim=$3 got
    shift 3
    got=$(run_as 0:0 vm "$@" mspclient steps "connect=$IMDS:80" \
        "request=/metadata/versions?t=$t" 2>"$SB_DIR/tmp/err" | steps_result)
    if [[ $PASS == off ]]; then
        [[ $got == 200 ]] || open_cases+=("$claim: $got")
    else
        check_eq "$claim" "$got" "$wanted"
    fi
}

# The same for WireServer, which wants real root.
wire() {
    local wanted=$1 claim=$2 got
    shift 2
    got=$(run_as 0:0 vm "$@" mspclient steps 'header=x-ms-version: 1' \
        "connect=$WIRE:80" 'request=/machine?comp=goalstate' \
        2>"$SB_DIR/tmp/err" | steps_result)
    if [[ $PASS == off ]]; then
        [[ $got == 200 ]] || open_cases+=("$claim: $got")
    else
        check_eq "$claim" "$got" "$wanted"
    fi
}

ids() {
    local uid gid groups set=(--clear-groups)
    IFS=: read -r uid gid groups <<<"$1"
    [[ -z $groups ]] || set=(--groups "$groups")
    AS=(setpriv --reuid "$uid" --regid "$gid" "${set[@]}" --)
}

all_cases() {
    ids 2001:4001
    caller 200 uid "uid matches the uid" "${AS[@]}"
    caller 403 gid "the uid's owner has no right of the gid" "${AS[@]}"
    ids 4001:2001
    caller EPERM uid "a gid of the same number is not the uid" "${AS[@]}"
    ids 4001:3001
    caller 200 gid "gid matches the gid" "${AS[@]}"
    ids 3001:4001
    caller EPERM gid "a uid of the same number is not the gid" "${AS[@]}"
    caller 200 uid "the effective uid counts" mspclient exec \
        --ngroups 0,0 --egid 4001 --rgid 4001 --ruid 4002 --euid 2001 \
        --suid 2001 --
    caller EPERM uid "the real uid does not" mspclient exec \
        --ngroups 0,0 --egid 4001 --rgid 4001 --ruid 2001 --euid 4002 \
        --suid 2001 --
    caller 200 gid "the effective gid counts" mspclient exec \
        --ngroups 0,0 --rgid 4001 --egid 3001 --ruid 4002 --euid 4002 \
        --suid 4002 --
    caller EPERM gid "the real gid does not" mspclient exec \
        --ngroups 0,0 --rgid 3001 --egid 4001 --ruid 4002 --euid 4002 \
        --suid 4002 --
    ids 4001:4001:4002,3001,4003
    caller 200 gid "a supplementary group counts" "${AS[@]}"
    ids 2001:3009
    caller 200 both "uid and gid together" "${AS[@]}"
    ids 2001:4001:3009
    caller 200 both "uid and supplementary gid together" "${AS[@]}"
    ids 2001:4001
    caller 403 both "the uid alone is not both" "${AS[@]}"
    ids 4001:3009
    caller EPERM both "the gid alone is not both" "${AS[@]}"
    ids 5:4001
    caller 200 user "userName is the host's user" "${AS[@]}"
    ids 60:4001
    caller EPERM user "a user of another number is not" "${AS[@]}"
    ids 4001:60
    caller 200 group "groupName is the host's group" "${AS[@]}"
    ids 4001:4002:60
    caller 200 group "groupName as a supplementary group" "${AS[@]}"
    ids 5:5
    caller 403 group "the user of that name without the group" "${AS[@]}"
    caller 200 last "the 64th group counts" mspclient exec \
        --ngroups 9936,64 --rgid 4001 --egid 4001 --ruid 4001 --euid 4001 \
        --suid 4001 --
    caller EPERM last "the 65th does not" mspclient exec \
        --ngroups 9935,65 --rgid 4001 --egid 4001 --ruid 4001 --euid 4001 \
        --suid 4001 --

    wire 200 "real root passes WireServer"
    ids 2001:0:0
    wire EPERM "group root does not" "${AS[@]}"
    wire EPERM "effective uid 0 alone does not" mspclient exec --ruid 2001 \
        --euid 0 --suid 0 --
    wire EPERM "real uid 0 alone does not" mspclient exec --ruid 0 \
        --euid 2001 --suid 2001 --
    wire EPERM "uid 0 of a user namespace does not" \
        unshare --user --map-root-user --
    wire EPERM "root in a chroot does not" mspclient exec \
        --chroot "$SB_DIR/root" --
    wire EPERM "root in a pid namespace does not" unshare --pid --fork --
    ids 2001:4001
    caller 200 uid "a uid is a uid in a chroot as well" mspclient exec \
        --chroot "$SB_DIR/root" --ngroups 0,0 --rgid 4001 --egid 4001 \
        --ruid 2001 --euid 2001 --suid 2001 --
    caller EPERM user "a host's user name does not match in a chroot" \
        mspclient exec --chroot "$SB_DIR/root" --ngroups 0,0 --rgid 4001 \
        --egid 4001 --ruid 5 --euid 5 --suid 5 --
    caller EPERM group "nor a group name" mspclient exec --chroot \
        "$SB_DIR/root" --ngroups 0,0 --rgid 60 --egid 60 --ruid 4001 \
        --euid 4001 --suid 4001 --
    ids 5:4001
    caller EPERM user "a host's user name does not match in a pid namespace" \
        unshare --pid --fork -- "${AS[@]}"
}

sandbox_up
mkdir -p "$SB_DIR"/root/usr "$SB_DIR/root$SB_DIR/bin"
mount --rbind -o ro /usr "$SB_DIR/root/usr"
mount --bind "$SB_DIR/bin" "$SB_DIR/root$SB_DIR/bin"
for dir in bin sbin lib lib64; do
    ln -s "usr/$dir" "$SB_DIR/root/$dir"
done
sandbox_start_sim
sandbox_start_mspd

PASS=off
sim_mode imds=off wireserver=off
push_policy "$(policy "$(item disabled deny "$RULES")" \
    "$(item disabled allow)")"
all_cases
check_eq "with enforcement off every caller is served" \
    "$(printf '%s\n' "${open_cases[@]+"${open_cases[@]}"}")" ""

PASS=on
sim_mode imds=enforce wireserver=enforce
push_policy "$(policy "$(item enforce deny "$RULES")" "$(item enforce allow)")"
all_cases
umount -l "$SB_DIR/root$SB_DIR/bin" "$SB_DIR/root/usr"
sandbox_done
