#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# {audit, enforce, disabled} x {allow, deny default} x {no rule, rule matches,
# rule for somebody else} x {imds, wireserver} x {root, user}: the client's
# result, the host's journal and the audit record, against a table written from
# the rules ("Who passes" in include/README.md) and not from the code. The disabled cells show that every request
# denied elsewhere succeeds when nothing is enforced. MSP_MATRIX_EVERY=N tries
# each Nth cell only.
. "$(dirname "$0")/../../harness/sandbox.sh"

ROOT=0:0
USER=2001:3001

# oracle MODE DEFAULT RULE ENDPOINT WHO: "client|journal|audit rows"
oracle() {
    local verdict=allow reason
    if [[ $1 == disabled ]]; then
        echo "200|unsigned|"
        return
    fi
    case $3/$2 in
        none/allow) reason='default-allow' ;;
        none/deny) verdict=deny reason='default-deny' ;;
        mine/*) reason=privilege ;;
        other/*) verdict=deny reason='not-assigned' ;;
    esac
    [[ $4/$5 == wireserver/user ]] && verdict=deny reason='needs-root'
    if [[ $1 == audit ]]; then
        [[ $verdict == allow ]] || verdict=audit
        echo "200|signed $5|connect allow redirected,request $verdict $reason"
    elif [[ $reason == needs-root ]]; then
        echo "EPERM|none|connect deny needs-root"
    elif [[ $2 == deny && $3 != mine ]]; then
        # nobody ever gave this caller a right here
        echo "EPERM|none|connect deny no-rule-for-you"
    elif [[ $verdict == deny ]]; then
        echo "403|none|connect allow redirected,request deny $reason"
    else
        echo "200|signed $5|connect allow redirected,request allow $reason"
    fi
}

rules_for() {
    local path=$1
    case $2 in
        none) ;;
        mine)
            printf '{"privileges":[{"name":"p","path":"%s"}],' "$path"
            printf '"roles":[{"name":"r","privileges":["p"]}],'
            printf '"identities":[{"name":"root","uid":0},'
            printf '{"name":"user","uid":2001}],"roleAssignments":'
            printf '[{"role":"r","identities":["root","user"]}]}'
            ;;
        other) rules "$path" '"uid":4711' ;;
    esac
}

# What the journal says about the requests with this id.
journal_of() {
    journal | jq -r --arg id "$1" 'select(.client_id == $id) |
        if .signed == "valid" and .is_root == true then "signed root"
        elif .signed == "valid" and .is_root == false then "signed user"
        elif .signed == "none" then "unsigned"
        else "bad: \(.why)" end' | paste -sd, | sed 's/^$/none/'
}

tools=(curl python mspclient)
every=${MSP_MATRIX_EVERY:-1}
cell=0
tried=0
pushed=

# Pushed once for all cells of a mode, default and rule that are tried.
push_once() {
    [[ $pushed != "$*" ]] || return 0
    pushed=$*
    push_policy "$(policy \
        "$(item "$1" "$2" "$(rules_for /metadata/instance "$3")")" \
        "$(item "$1" "$2" "$(rules_for /machine "$3")")")"
}

one_cell() {
    local mode=$1 default=$2 rule=$3 endpoint=$4 who=$5
    local id=cell-$((++cell)) addr target ids got tool=${tools[tried % 3]}
    ((cell % every == 0)) || return 0
    tried=$((tried + 1))
    push_once "$mode" "$default" "$rule"
    if [[ $endpoint == imds ]]; then
        addr=$IMDS:80 target='/metadata/instance?api-version=2021-02-01'
    else
        addr=$WIRE:80 target='/machine?comp=goalstate'
    fi
    ids=$USER
    [[ $who == root ]] && ids=$ROOT
    client_cgroup "$id"
    got=$(ask "$tool" "$ids" vm "$addr" "$target" "$id")
    got+="|$(journal_of "$id")|$(audit_of_client | paste -sd,)"
    check_eq "$mode, default $default, rule $rule, $endpoint, $who ($tool)" \
        "$got" "$(oracle "$mode" "$default" "$rule" "$endpoint" "$who")"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd
for mode in disabled audit enforce; do
    host=enforce
    [[ $mode == disabled ]] && host=off
    sim_mode imds=$host wireserver=$host
    for default in allow deny; do
        for rule in none mine other; do
            for endpoint in imds wireserver; do
                for who in root user; do
                    one_cell $mode $default $rule $endpoint $who
                done
            done
        done
    done
done
check_eq "every cell was tried" "$cell $tried" "72 $((72 / every))"
sandbox_done
