#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# What an identity demands is demanded: executable, base name, contents,
# cgroup, unit, uid, gid and group, each alone and all together, by callers who
# fulfil it and by callers of whom one thing is not so.
SB_CG_NAME=mspdtest$$.slice # a slice of systemd's naming, for `unit`
. "$(dirname "$0")/../../harness/sandbox.sh"

USERS=2001:3001:60 # uid, gid, and the group games
NOBODY=4001:4002
POD=work/pods/a/main
UNIT=backup.service

# asks T EXE WHO CGROUP: the status of the request only identity T may make
asks() {
    SB_CLIENT_CG=$4
    MSP_TO=$IMDS:80 MSP_TARGET="/metadata/versions?t=$1" MSP_ID=$ID \
        run_as "$3" vm "$2" ask 2>"$SB_DIR/tmp/err"
}

# caller yes|no T CLAIM [EXE [WHO [CGROUP]]]; first with enforcement off
caller() {
    local wanted=$1 t=$2 claim=$3 got
    ID=row-$((++ROW))
    journal_mark
    got=$(asks "$t" "${4:-$APP}" "${5:-$NOBODY}" "${6:-work}")
    if [[ $PASS == off ]]; then
        check_eq "off: $claim" "$got $(journal_count \
            ".client_id == \"$ID\"")" "200 1"
    elif [[ $wanted == yes ]]; then
        check_eq "$claim" "$got $(journal_count ".client_id == \"$ID\" and
            .signed == \"valid\"")" "200 1"
    else
        # EPERM where nothing at all fits the caller, 403 where something does
        check_eq "$claim" "${got/403/EPERM} $(journal_count)" "EPERM 0"
    fi
}

# One privilege for one identity: pair NAME MEMBERS...
declare -a NAMES MEMBERS
pair() {
    NAMES+=("$1")
    MEMBERS+=("$2")
}

all_rules() {
    local i name
    for i in "${!NAMES[@]}"; do
        name=${NAMES[i]}
        jq -n --arg n "$name" "{name: \$n, members: {${MEMBERS[i]}}}"
    done | jq -s '{
        privileges: map({name, path: "/metadata/versions",
            queryParameters: {t: .name}}),
        roles: map({name, privileges: [.name]}),
        identities: map({name} + .members),
        roleAssignments: map({role: .name, identities: [.name]})}'
}

identities() {
    local exe="\"exePath\":\"$APP\"" name='"processName":"backup-agent"' sha cg
    local pod="\"cgroup\":\"/$SB_CG_NAME/work/pods/*/main\""
    local unit="\"unit\":\"$SB_CG_NAME/$UNIT\""
    local who='"uid":2001,"gid":3001,"groupName":"games"'
    sha="\"exeSha256\":\"$(sha256sum "$APP" | cut -d' ' -f1)\""
    cg="\"cgroup\":\"/$SB_CG_NAME/work/**\""
    pair exe "$exe"
    pair name "$name"
    pair sha "$exe,$sha"
    pair notsha "$exe,\"exeSha256\":\"$(sha256sum </dev/null | cut -d' ' -f1)\""
    pair cgroup "$pod"
    pair below "$cg"
    pair unit "$unit"
    pair unitcg "$unit,\"cgroup\":\"/$SB_CG_NAME/*\""
    pair notcg "$unit,$pod"
    pair uid '"uid":2001'
    pair gid '"gid":3001'
    pair group '"groupName":"games"'
    pair allpod "$exe,$name,$sha,$pod,$who"
    pair allunit "$exe,$name,$sha,$unit,$who"
}

alone() {
    caller yes exe "exePath: the file"
    caller no exe "exePath: another file" "$OTHER"
    caller no exe "exePath: a copy" "$COPY"
    caller yes exe "exePath: the file by another name" "$LINK"
    caller yes name "processName: the base name"
    caller yes name "processName: another file of that name" "$COPY"
    caller no name "processName: another name" "$OTHER"
    caller no name "processName: the file by another name" "$LINK"
    caller yes sha "exeSha256: the file with its contents"
    caller no sha "exeSha256: the same contents elsewhere" "$COPY"
    caller no notsha "exeSha256: the file with other contents"
    caller yes cgroup "cgroup: a segment for *" "$OTHER" "$NOBODY" "$POD"
    caller yes cgroup "cgroup: another segment for *" "$OTHER" "$NOBODY" \
        work/pods/b/main
    caller no cgroup "cgroup: * is one segment" "$OTHER" "$NOBODY" work/pods/main
    caller no cgroup "cgroup: and not two" "$OTHER" "$NOBODY" \
        work/pods/a/b/main
    caller no cgroup "cgroup: not below the pattern" "$OTHER" "$NOBODY" \
        "$POD/x"
    caller no cgroup "cgroup: another name" "$OTHER" "$NOBODY" work/pods/a/side
    caller yes below "cgroup: /** is the cgroup itself" "$OTHER" "$NOBODY" work
    caller yes below "cgroup: and all below" "$OTHER" "$NOBODY" "$POD/x"
    caller no below "cgroup: and nothing beside" "$OTHER" "$NOBODY" "$UNIT"
    caller yes unit "unit: the unit" "$OTHER" "$NOBODY" "$UNIT"
    caller no unit "unit: not below it" "$OTHER" "$NOBODY" "$UNIT/x"
    caller no unit "unit: another unit" "$OTHER" "$NOBODY" other.service
    caller no unit "unit: that name deeper" "$OTHER" "$NOBODY" "work/$UNIT"
    caller yes unitcg "unit and cgroup: both" "$OTHER" "$NOBODY" "$UNIT"
    caller no unitcg "unit and cgroup: the cgroup alone" "$OTHER" "$NOBODY" \
        other.service
    caller no notcg "unit and cgroup: the unit alone" "$OTHER" "$NOBODY" "$UNIT"
    caller yes uid "uid" "$OTHER" 2001:4002
    caller no uid "another uid" "$OTHER" 2002:4002
    caller yes gid "gid" "$OTHER" 4001:3001
    caller no gid "another gid" "$OTHER" 4001:3002
    caller yes group "group" "$OTHER" 4001:4002:60
    caller no group "another group" "$OTHER" 4001:4002:61
}

# together T CGROUP: every dimension, then one after the other is not so
together() {
    local t=$1 cg=$2
    caller yes "$t" "$t: all of it" "$APP" "$USERS" "$cg"
    caller no "$t" "$t: another executable" "$OTHER" "$USERS" "$cg"
    caller no "$t" "$t: a copy of that name" "$COPY" "$USERS" "$cg"
    caller no "$t" "$t: another base name" "$LINK" "$USERS" "$cg"
    caller no "$t" "$t: another cgroup" "$APP" "$USERS" work/pods/a/side
    caller no "$t" "$t: another uid" "$APP" 2002:3001:60 "$cg"
    caller no "$t" "$t: another gid" "$APP" 2001:3002:60 "$cg"
    caller no "$t" "$t: another group" "$APP" 2001:3001:61 "$cg"
}

all_cases() {
    ROW=0
    alone
    together allpod "$POD"
    together allunit "$UNIT"
}

sandbox_up
mkdir -p "$SB_CG"/{work/pods/{a/{main/x,side,b/main},b/main,main},work/$UNIT} \
    "$SB_CG"/{$UNIT/x,other.service} "$SB_DIR"/apps/copy
APP=$SB_DIR/apps/backup-agent
OTHER=$SB_DIR/apps/other
COPY=$SB_DIR/apps/copy/backup-agent
LINK=$SB_DIR/apps/link
for file in "$APP" "$OTHER" "$COPY"; do
    install -m 0755 "$SB_DIR/bin/mspspoof" "$file"
done
ln "$APP" "$LINK"
identities
RULES=$(all_rules)
sandbox_start_sim
sandbox_start_mspd

PASS=off
sim_mode imds=off
push_policy "$(policy "$(item disabled deny)")"
all_cases

PASS=on
sim_mode imds=enforce
push_policy "$(policy "$(item enforce deny "$RULES")")"
all_cases

# What mspd says of it: log and audit name what ran and where.
log_mark
ID=logged
asks allpod "$APP" "$USERS" "$POD" >/dev/null
asks exe "$OTHER" 4001:4002 other.service >/dev/null
SB_CLIENT_CG_ID=$(stat -c %i "$SB_CG/$POD")
check "the log names a request's executable and cgroup" log_wait 1 \
    ".stage == \"request\" and .exe_name == \"backup-agent\" and
     .exe == \"$APP\" and .cgroup == $SB_CLIENT_CG_ID and
     .cgroup_path == \"/$SB_CG_NAME/$POD\""
check "and of who was denied what is known" log_wait 1 \
    ".stage == \"connect\" and .exe_name == \"other\" and .exe == \"-\" and
     .cgroup_path == \"/$SB_CG_NAME/other.service\""
check "so does the audit" test -n "$(audit_rows \
    ".stage == \"request\" and .exe_name == \"backup-agent\" and
     .exe == \"$APP\" and .cgroup_path == \"/$SB_CG_NAME/$POD\" and
     .exe_file.ino == $(stat -c %i "$APP")")"
sandbox_done
