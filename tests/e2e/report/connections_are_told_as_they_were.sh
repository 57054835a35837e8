#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# ProxyAgent.Connection.log and the summaries of the platform's status file have
# each request and each denied connect, with the members their readers know, and
# nothing the caller wrote of itself. Where the log cannot be written callers are
# served as before and status says so.
# shellcheck source=SCRIPTDIR/common.sh
. "$(dirname "$0")/common.sh"

ROOT=0:0
MEMBERS='id method url clientIp clientPort ip port userId userName userGroups processFullPath processCmdLine runAsElevated responseStatus elapsedTime errorDetails'

# Lines of the log that fulfil a condition, without their time.
lines() {
    cut -c 35- "$LOG" | jq -c "select($1)"
}

has_lines() {
    (($(lines "$2" | wc -l) >= $1))
}

# counts LIST CONDITION: of the status file
counts() {
    theirs_of "[.$1[] | select($2) | .count] | add // 0"
}

is_count() {
    [[ $(counts "$1" "$2") == "$3" ]]
}

get() {
    http_code "$1" vm "http://$IMDS$2" "${@:3}"
}

is_state_of() {
    [[ $(of '.reports[] | select(.file | endswith(".log")) | .state') == "$1" ]]
}

sandbox_up
LOG=$SB_DIR/platform/ProxyAgent.Connection.log
mkdir "$SB_DIR/platform"
mount -t tmpfs -o size=256k,mode=0755 reports "$SB_DIR/platform" ||
    die "no tmpfs"
sim_scenario "{\"rules\":$GUARDED}"
sandbox_start_sim
start_channel --platform-status "$SB_DIR/platform" \
    --platform-log "$SB_DIR/platform"
push_policy "$(policy "$(item enforce deny \
    "$(rules /metadata/versions '"processName":"curl"')")" \
    "$(item enforce allow)")"
check "the user is served" until_true 10 is_served
count=$(theirs '.target == "/metadata/versions"')
check "the log has those that served" until_true 10 has_lines "$count" \
    '.userId == 2001 and .responseStatus == "200 OK"'

journal_mark
for i in 1 2 3; do
    check_eq "request $i" "$(get "$USER" /metadata/versions)" 200
done
check_eq "another path" "$(get "$USER" /metadata/instance)" 403
check_eq "no curl: denied at connect" \
    "$(ask python "$USER" vm "$IMDS:80" /metadata/versions x)" EPERM
check_eq "WireServer by root" \
    "$(http_code "$ROOT" vm "http://$WIRE/?comp=versions")" 200
check_eq "the host has seen four" "$(theirs true)" 4

check "each request is in the log" until_true 5 has_lines $((count + 3)) \
    '.userId == 2001 and .url == "/metadata/versions" and
     .responseStatus == "200 OK"'
check_eq "and no more than those" "$(lines '.userId == 2001 and
    .responseStatus == "200 OK"' | wc -l)" $((count + 3))
check_eq "what is denied is there twice" \
    "$(lines '.url == "/metadata/instance"' | jq -r \
        '.responseStatus + ", " + .errorDetails' | tr '\n' ';')" \
    "403 Forbidden, Authorize failed;403 Forbidden, Block unauthorized request: default-deny;"
check "a denied connect" until_true 5 has_lines 1 \
    '.responseStatus == "Denied at connect" and .method == "" and
     .userId == 2001 and .ip == "169.254.169.254" and .port == 80'
check_eq "root's" "$(lines '.ip == "168.63.129.16" and .userName == "root"' |
    jq -c '[.userGroups[0], .runAsElevated, .processFullPath]')" \
    '["root",true,"curl"]'
check_eq "members, and their order" \
    "$(cut -c 35- "$LOG" | jq -r 'keys_unsorted | join(" ")' | sort -u)" \
    "$MEMBERS"
check_eq "each line has its time" "$(grep -Evc \
    '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3} \[INFO\]    \{' "$LOG")" 0
check_eq "where the client was" "$(lines '.url != ""' |
    jq -r '[.clientIp, (.clientPort > 1023)] | join(" ")' | sort -u)" \
    "127.0.0.1 true"
check_eq "no command line" "$(lines true | jq -r .processCmdLine | sort -u)" \
    undefined

check "the summary counts" until_true 10 is_count proxyConnectionSummary \
    '.userName == "undefined" and .responseStatus == "200 OK"' $((count + 3))
check "failed: the request" until_true 10 is_count failedAuthenticateSummary \
    '.responseStatus == "403 Forbidden"' 1
check "failed: the connect" until_true 10 is_count failedAuthenticateSummary \
    '.responseStatus == "Denied at connect"' 1
check_eq "members of a row" "$(theirs_of '[.proxyConnectionSummary[],
    .failedAuthenticateSummary[] | keys_unsorted | join(" ")] | unique[]')" \
    'userName ip port processCmdLine responseStatus count userGroups processFullPath'

dd if=/dev/zero of="$SB_DIR/platform/filler" bs=4k count=128 2>/dev/null
full() {
    local i
    # the last page of the log has room for some
    for ((i = 0; i < 30; i++)); do
        [[ $(get "$USER" /metadata/versions) == 200 ]] || return 1
        ! is_state_of failed || return 0
    done
    return 1
}
check "full: served, and told" full
check_eq "full: degraded" "$(ctl status >/dev/null; echo $?)" 4
check_eq "full: others are denied as before" \
    "$(ask python "$USER" vm "$IMDS:80" /metadata/versions x)" EPERM
rm "$SB_DIR/platform/filler"
again() {
    get "$USER" /metadata/versions >/dev/null
    is_state_of written
}
check "room again: written" until_true 20 again
check_eq "each line is whole" \
    "$(cut -c 35- "$LOG" | jq -r 'keys_unsorted | join(" ")' 2>&1 | sort -u)" \
    "$MEMBERS"
sandbox_done
