#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# Two containers with one uid and one program, in namespaces of their own or in
# the host's: who is allowed is said by what is registered of their cgroups, and
# nothing that a process there says. It counts at once, from the first process
# on, until it is taken back.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001

# inside CGROUP NETNS UID:GID COMMAND...: as a container's process
inside() {
    local cg=$1 ns=$2 who=$3
    shift 3
    (exec_in "$SB_CG/$cg" nsenter --net="$SB_DIR/ns/$ns" -- \
        unshare --pid --fork -- setpriv --reuid "${who%:*}" \
        --regid "${who#*:}" --clear-groups -- "$@")
}

# token CGROUP NETNS [WHO]: what a GET there says
token() {
    inside "$1" "$2" "${3:-$USER}" mspclient steps "header=x-client-id: $1" \
        "connect=$IMDS:80" request=/metadata/versions close | steps_result
}

# The same of a process of the host, in that cgroup.
token_of_host() {
    (exec_in "$SB_CG/$1" nsenter --net="$SB_DIR/ns/$2" -- \
        setpriv --reuid 2001 --regid 3001 --clear-groups -- mspclient steps \
        "header=x-client-id: host" "connect=$IMDS:80" \
        request=/metadata/versions close) | steps_result
}

wire() {
    inside "$1" "$2" 0:0 mspclient steps 'header=x-ms-version: 1' \
        "connect=$WIRE:80" 'request=/machine?comp=goalstate' close |
        steps_result
}

# register VERB CGROUP NAME NAMESPACE [options]
register() {
    local verb=$1 cg=$2 name=$3 namespace=$4
    shift 4
    ctl container "$verb" --cgroup "$BASE/$cg" --id "id-$name" --name "$name" \
        --image img:1 --pod-namespace "$namespace" --pod-name "$name-0" "$@"
}

is_token() {
    [[ $(token "$1" "$2") == "$3" ]]
}

registered() {
    ctl --json container list | jq '.container | length'
}

is_registered() {
    [[ $(registered) == "$1" ]]
}

# Rows of a map, by its name below maps/.
rows() {
    bpftool -j map dump pinned "$SB_DIR/bpf/mspd/layout-8/maps/$1" | jq length
}

sandbox_up
BASE=/${SB_CG##*/}
mkdir -p "$SB_CG"/{a/old/deep,b,h,n,w}
for ns in a b; do
    make_netns "$ns"
done
sandbox_start_sim
sandbox_start_mspd

# Enforcement off: every one of them is connected, and from the host's cgroups.
push_policy "$(policy "$(item disabled allow)")"
sim_mode imds=off wireserver=off
for cg in h n a; do
    check_eq "off: $cg in the host's network" "$(token "$cg" vm)" 200
done
check_eq "off: of the host" "$(token_of_host a vm)" 200
check_eq "off: WireServer" "$(wire w vm)" 200
sim_mode imds=enforce wireserver=enforce

RULES='{"privileges":[{"name":"p","path":"/metadata/versions"}],
    "roles":[{"name":"r","privileges":["p"]}],
    "identities":[{"name":"web","container":{"name":"web"},
        "pod":{"namespace":"prod"}}],
    "roleAssignments":[{"role":"r","identities":["web"]}]}'
WIRE_RULES='{"privileges":[{"name":"p","path":"/machine"}],
    "roles":[{"name":"r","privileges":["p"]}],
    "identities":[{"name":"agent","container":{"name":"agent"}},
        {"name":"root","uid":0}],
    "roleAssignments":[{"role":"r","identities":["agent","root"]}]}'
push_policy "$(policy "$(item enforce deny "$RULES")" \
    "$(item enforce deny "$WIRE_RULES")")"

check_eq "not registered: denied" "$(token h vm)" EPERM
check "registered" register add a web prod --netns "$SB_DIR/ns/a"
check "its neighbour" register add b web dev --netns "$SB_DIR/ns/b"
has_listeners() {
    [[ $(ctl --json netns list | jq '[.netns[] | select(.ready)] | length') == 3 ]]
}
check "each has its listener before it connects" until_true 5 has_listeners
journal_mark
check_eq "allowed" "$(token a a)" 200
check_eq "its neighbour, same uid and program, is denied" "$(token b b)" EPERM
check_eq "a cgroup that was there is in it" "$(token a/old a)" 200
check_eq "and one below" "$(token a/old/deep a)" 200
mkdir -p "$SB_CG/a/new/deep"
check_eq "one made later as well" "$(token a/new/deep a)" 200
check_eq "a process of the host moved there is not it" \
    "$(token_of_host a vm)" EPERM
check_eq "whatever its name, an unregistered one is not" "$(token n vm)" EPERM
check "one in the host's network" register add h web prod
check_eq "is allowed" "$(token h vm)" 200
check_eq "the host is not" "$(token_of_host work vm)" EPERM
check_eq "nor a neighbour there" "$(token n vm)" EPERM
check_eq "root of the container is nobody else" "$(token b b 0:0)" EPERM
check_eq "the same again is no other" "$(register add a web prod \
    --netns "$SB_DIR/ns/a" --json | jq -c '[.known, .identities]')" '[true,1]'
said=$(register add a other prod 2>&1)
check_eq "another record is refused" $? 1
check "and says what is another" grep -q \
    'with another id and is registered no more: container set' <<<"$said"
said=$(register set none web prod 2>&1)
check_eq "a cgroup that is not there is refused" $? 2
check "by its name and where it was looked for" grep -qF \
    "there is no cgroup $BASE/none below ${SB_CG%/*}" <<<"$said"
register set h web prod --pid 4194305 >/dev/null 2>&1
check_eq "so is a process that is not there" $? 2
check_eq "everything was signed" "$(journal |
    jq -r '.signed' | sort | uniq -c | tr -s ' ')" " 5 valid"

# Two records for one cgroup cannot both be true, and one is of nobody.
check_eq "and who was there before has nothing left" "$(token a a)" EPERM
check_eq "it is registered no more" "$(registered)" 2
check "added anew" register add a web prod --netns "$SB_DIR/ns/a"
check_eq "allowed again" "$(token a a)" 200

# hook CGROUP ID NAME: what a runtime says of a container that starts in there
hook() {
    local pid
    (exec_in "$SB_CG/$1" sleep 1000) &
    pid=$!
    SB_PIDS+=("$pid")
    until_true 5 grep -qx "$pid" "$SB_CG/$1/cgroup.procs"
    printf '{"ociVersion":"1.0.2","id":"%s","status":"creating","pid":%s,
        "bundle":"%s","annotations":{"io.kubernetes.cri.container-name":"%s",
        "io.kubernetes.cri.sandbox-namespace":"prod"}}' \
        "$2" "$pid" "$SB_DIR/tmp" "$3" |
        ctl oci-hook --runtime containerd --spool "$SB_DIR/run/spool" --strict
    said=$?
    kill "$pid"
    wait "$pid" 2>/dev/null
}
echo '{}' >"$SB_DIR/tmp/config.json"
hook a id-next next
check_eq "a hook says who is there" "$said" 0
check_eq "a runtime has another container in that cgroup: it is that one" \
    "$(ctl --json container list | jq -r --arg cg "$BASE/a" \
        '.container[] | select(.cgroup == $cg) | "\(.id) \(.name)"')" \
    "id-next next"
check_eq "and has nothing of the one before" "$(token a a)" EPERM
check "by hand again" register set a web prod --netns "$SB_DIR/ns/a"
check_eq "allowed again" "$(token a a)" 200
hook a id-next "$(printf '%300s' '' | tr ' ' n)" >/dev/null 2>&1
check_eq "a hook that cannot say who is there" "$said" 2
check_eq "leaves nothing of the one before" "$(token a a)" EPERM
check "by hand again" register set a web prod --netns "$SB_DIR/ns/a"
check_eq "allowed again" "$(token a a)" 200
kept=$SB_DIR/run/containers/$(stat -c %i "$SB_CG/a")
rm "$kept"
mkdir -p "$kept/in the way"
register set a other prod >/dev/null 2>&1
check_eq "what cannot be kept is not taken" $? 5
check_eq "and leaves nothing of the one before" "$(token a a)" EPERM
rm -r "$kept"
check "by hand again" register set a web prod --netns "$SB_DIR/ns/a"
check_eq "allowed again" "$(token a a)" 200

# WireServer: root of a container, without and with an identity for it.
check_eq "root of no registered container: denied" "$(wire w vm)" EPERM
check "another container" register add w other prod
check_eq "root of another container: denied" "$(wire w vm)" EPERM
check "named" register set w agent prod
check_eq "root of the container that is named" "$(wire w vm)" 200

# What is known of it is shown.
log_mark
check_eq "denied, for the log" "$(token b b)" EPERM
check "the log says who" log_wait 1 '.container_name == "web" and
    .pod_namespace == "dev" and .pod == "web-0" and .image == "img:1" and
    .container_id == "id-web" and .verdict == "deny"'
check_eq "audit says who, of a cgroup below too" "$(audit_rows \
    ".cgroup_path == \"$BASE/a/new/deep\"" |
    jq -r '"\(.container_name) \(.pod) \(.pod_namespace)"' | sort -u)" \
    "web web-0 prod"
check_eq "and the kernel's own table" "$(bpftool map dump pinned \
    "$SB_DIR/bpf/mspd/layout-8/maps/msp_container" |
    grep -c '"pod_name": "web-0"')" 3
check_eq "status counts them" "$(ctl --json status |
    jq '.containers | [.registered, .without_row]' -c)" "[4,0]"

# Changed on the fly.
check "moved to another namespace of pods" register set a web dev \
    --netns "$SB_DIR/ns/a"
check_eq "denied now" "$(token a a)" EPERM
check_eq "below, too" "$(token a/old/deep a)" EPERM
check "and back" register set a web prod --netns "$SB_DIR/ns/a"
check_eq "allowed again" "$(token a a)" 200

# More is told of it: what is known stays.
check "a label more" ctl container update --cgroup "$BASE/a" \
    --label app=1 --pod-label x=1
check_eq "more of both, and another value" "$(ctl --json container update \
    --cgroup "$BASE/a" --label app=2 --label b=3 --pod-label y=2 |
    jq -c '[.result, .label, (.pod.label | sort)]')" \
    '["ok",["app=2","b=3"],["x=1","y=2"]]'
check_eq "all of it is known" "$(ctl --json container list | jq -c --arg cgroup \
    "$BASE/a" '.container[] | select(.cgroup == $cgroup) |
    [.id, .name, .image, .netns, .label, .pod.namespace, .pod.name, (.pod.label | sort)]')" \
    "[\"id-web\",\"web\",\"img:1\",\"$SB_DIR/ns/a\",[\"app=2\",\"b=3\"],\"prod\",\"web-0\",[\"x=1\",\"y=2\"]]"
check_eq "still allowed" "$(token a a)" 200
check "its namespace of pods" ctl container update --cgroup "$BASE/a" \
    --pod-namespace dev
check_eq "counts" "$(token a a)" EPERM
check "and back" ctl container update --cgroup "$BASE/a" --pod-namespace prod
check_eq "allowed again" "$(token a a)" 200
ctl container update --id id-web --name x >/dev/null 2>&1
check_eq "an id of several is none of them" $? 1
check_eq "by its id" "$(ctl --json container update --id id-agent \
    --label app=w | jq -r .cgroup)" "$BASE/w"
ctl container update --id gone --name x >/dev/null 2>&1
check_eq "there is none to update" $? 1

# Kept over a restart, by hand and by force; told while there was no mspd.
sandbox_stop_mspd
sandbox_start_mspd
check "restarted: still allowed" until_true 15 is_token a a 200
check_eq "restarted: the neighbour is denied" "$(token b b)" EPERM
check_eq "restarted: all are known" "$(registered)" 4
sandbox_stop_mspd KILL
mkdir -p "$SB_CG/k" "$SB_CG/a/late"
printf 'scgroup=%s/k\nsname=web\nspod.namespace=prod\nucgroup_id=%s\n\n' \
    "$BASE" "$(stat -c %i "$SB_CG/k")" >"$SB_DIR/run/spool/k"
printf 'scgroup=%s/n\nsname=web\nspod.namespace=prod\n\n' "$BASE" \
    >"$SB_DIR/run/spool/others"
chown 2001 "$SB_DIR/run/spool/others"
printf 'scgroup=../n\n\n' >"$SB_DIR/run/spool/bad"
printf 'scgroup=%s/n\nsname=web\nspod.namespace=prod\n\n' "$BASE" \
    >"$SB_DIR/run/spool/unsure"
printf 'scgroup=%s/none\nucgroup_id=5\nsname=web\n\n' "$BASE" \
    >"$SB_DIR/run/spool/late"
printf 'scgroup=%s/n\nucgroup_id=1\nsname=web\nspod.namespace=prod\n\n' \
    "$BASE" >"$SB_DIR/run/spool/another"
rmdir "$SB_CG/w"
sandbox_start_mspd
check "killed: still allowed" until_true 15 is_token a a 200
check_eq "made while mspd was away: in its container" "$(token a/late a)" 200
check_eq "told while mspd was away: allowed" "$(token k vm)" 200
check_eq "files of others, of cgroups that went, bad ones: nobody" \
    "$(token n vm)" EPERM
check_eq "the one whose cgroup went is forgotten" "$(registered)" 4
check_eq "nothing is left in the spool" "$(ls "$SB_DIR/run/spool")" ""
check_eq "bad ones are put aside" \
    "$(cd "$SB_DIR/run/spool.bad" && echo ./*)" "./bad ./others ./unsure"
check "and named in the log" grep -q \
    'container.spool.*file=.\?others' "$SB_DIR/mspd.log"
check_eq "status counts them" "$(ctl --json status |
    jq .containers.spool_bad)" 3
printf 'scgroup=%s/n\nsname=web\nspod.namespace=prod\nucgroup_id=%s\n\n' \
    "$BASE" "$(stat -c %i "$SB_CG/n")" >"$SB_DIR/run/spool/.n"
mv "$SB_DIR/run/spool/.n" "$SB_DIR/run/spool/n"
check "a file that comes later is read" until_true 5 is_token n vm 200

# Taken back.
check "removed by its cgroup" ctl container remove --cgroup "$BASE/h"
check_eq "denied from then on" "$(token h vm)" EPERM
check "removed by its id" ctl container remove --id id-web
check_eq "denied from then on, below as well" "$(token a/old a)" EPERM
ctl container remove --id id-web >/dev/null 2>&1
check_eq "there is none to remove" $? 1
check "again, to go with its cgroup" register add a web prod
rmdir "$SB_CG"/a/{old/deep,old,new/deep,new,late} "$SB_CG"/{a,k,n}
check "a cgroup that goes takes its registration along" until_true 5 \
    is_registered 0
check_eq "no row of a cgroup is left" "$(rows msp_ctr_cgroup)" 0
check_eq "no name is left" "$(rows msp_container)" 0
check_eq "no file is left" "$(ls "$SB_DIR/run/containers")" ""
mkdir "$SB_CG/a"
check_eq "a cgroup of its name is another" "$(token a vm)" EPERM
sandbox_done
