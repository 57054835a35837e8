# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=bash
#
# One private world per test: a mount namespace of its own, a directory, a
# cgroup, a bpffs, a network namespace for the simulated host and one for the
# VM in which mspd and its clients run. Names and processes are unique, so
# tests may run side by side; all of it goes away on every exit path.
#
#   . "$(dirname "$0")/../../harness/sandbox.sh"   # from tests/e2e/<area>/
#   sandbox_up
#   sandbox_start_sim
#   sandbox_start_mspd
#   push_policy imds '{"mode":"enforce",...}'
#   run_as 2001:3001 vm curl ...
#   check "a claim" test ...
#   sandbox_done                                   # 0 only if all checks held
#
# No packet leaves: the namespaces are joined to each other only and have no
# default route.
set -u

MSP_SOURCE=${MSP_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
MSP_BUILD=${MSP_BUILD:-$MSP_SOURCE/build/root}
export MSP_SOURCE MSP_BUILD

IMDS=169.254.169.254
WIRE=168.63.129.16
export IMDS WIRE

# Mounts made from here on are nobody else's and end with this process.
if [[ -z ${MSP_SANDBOX_MNT:-} && $(id -u) == 0 ]]; then
    export MSP_SANDBOX_MNT=$$
    exec unshare --mount --propagation private bash "$0" "$@"
fi

SB_CHECKS=0
SB_FAILED=0
SB_PIDS=()   # children to end
SB_DIR=
SB_CG=       # where mspd and its clients are and the programs attached
SB_HOST_CG=  # where the simulated host is, out of their reach
SB_WATCH=
SB_PROGS=()  # ids of programs seen attached, for the check that they went

# --- words ------------------------------------------------------------------

note() {
    printf '# %s\n' "$*"
}

die() {
    printf 'FAIL: %s\n' "$*" >&2
    sandbox_explain >&2
    exit 1
}

# What the kernel truly lacks; anything else that is missing is a failure.
skip() {
    printf 'SKIP: the kernel lacks %s\n' "$*"
    exit 77
}

ok() {
    SB_CHECKS=$((SB_CHECKS + 1))
    [[ ${SB_QUIET:-} ]] || printf 'ok %d - %s\n' "$SB_CHECKS" "$1"
}

not_ok() {
    SB_CHECKS=$((SB_CHECKS + 1))
    SB_FAILED=$((SB_FAILED + 1))
    printf 'not ok %d - %s\n' "$SB_CHECKS" "$1"
    shift
    (($# == 0)) || printf '#   %s\n' "$@"
}

# check CLAIM COMMAND...
check() {
    local claim=$1
    shift
    if "$@" >"$SB_DIR/check.out" 2>&1; then
        ok "$claim"
    else
        not_ok "$claim" "command: $*" "$(head -c 600 "$SB_DIR/check.out")"
    fi
}

# check_eq CLAIM GOT WANTED
check_eq() {
    if [[ $2 == "$3" ]]; then
        ok "$1"
    else
        not_ok "$1" "got:    $2" "wanted: $3"
    fi
}

# Polls a command until it succeeds. until_true SECONDS COMMAND...; MSP_SLOW
# says how many times slower than usual this machine is. A request of http_code
# is given less time here than elsewhere: a connection that was open when what
# it goes to became guarded gets no answer, and it is the next one that counts.
until_true() {
    local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000 * ${MSP_SLOW:-1}))
    local SB_MAX_TIME=${SB_MAX_TIME:-$((3 * ${MSP_SLOW:-1}))}
    shift
    until "$@" >/dev/null 2>&1; do
        ((${EPOCHREALTIME/[.,]/} < end)) || return 1
        sleep "0.0$((2 * ${MSP_SLOW:-1}))"
    done
}

sandbox_explain() {
    local log
    [[ -n $SB_DIR && -d $SB_DIR ]] || return 0
    for log in mspd sim; do
        [[ -s $SB_DIR/$log.log ]] || continue
        printf '%s\n' "--- last lines of $log ---"
        tail -n 25 "$SB_DIR/$log.log"
    done
}

# --- up and down -------------------------------------------------------------

sandbox_need() {
    local tool
    [[ $(id -u) == 0 ]] || {
        printf 'FAIL: this test needs root\n' >&2
        exit 1
    }
    for tool in ip curl python3 jq setpriv nsenter bpftool; do
        command -v "$tool" >/dev/null || {
            printf 'FAIL: %s is missing; run scripts/setup\n' "$tool" >&2
            exit 1
        }
    done
    for tool in mspd-proxy mspd-keeper; do
        getent passwd "$tool" >/dev/null || {
            printf 'FAIL: user %s is missing; run scripts/setup\n' "$tool" >&2
            exit 1
        }
    done
}

# Creates a network namespace $SB_DIR/ns/NAME with only lo, which is up.
make_netns() {
    touch "$SB_DIR/ns/$1"
    unshare --net="$SB_DIR/ns/$1" ip link set lo up ||
        die "cannot make network namespace $1"
}

in_ns() {
    local ns=$1
    shift
    nsenter --net="$SB_DIR/ns/$ns" -- "$@"
}

sandbox_network() {
    make_netns sim
    make_netns vm
    in_ns sim ip link add veth-sim type veth peer name veth-vm
    in_ns sim ip link set veth-vm netns "$SB_DIR/ns/vm"
    in_ns sim ip addr add "$IMDS/32" dev lo
    in_ns sim ip addr add "$WIRE/32" dev lo
    in_ns sim ip addr add 10.97.0.1/30 dev veth-sim
    in_ns sim ip link set veth-sim up
    in_ns vm ip addr add 10.97.0.2/30 dev veth-vm
    in_ns vm ip link set veth-vm up
    in_ns vm ip route add "$IMDS/32" via 10.97.0.1
    in_ns vm ip route add "$WIRE/32" via 10.97.0.1
}

sandbox_key() {
    local guid
    guid=$(</proc/sys/kernel/random/uuid)
    (
        umask 077
        printf '{"authorizationScheme":"Azure-HMAC-SHA256","incarnationId":1,'
        printf '"guid":"%s","issued":"2021-05-05T 12:00:00Z","key":"%s"}\n' \
            "$guid" "$(od -An -vtx1 -N32 /dev/urandom | tr -d ' \n')"
    ) >"$SB_DIR/vm.key"
    chmod 0600 "$SB_DIR/vm.key"
}

# Programs are copied to where every user of the test may execute them.
sandbox_programs() {
    local program
    for program in "$MSP_BUILD"/bin/* "$MSP_BUILD"/bin/tests/*; do
        [[ -f $program && -x $program ]] &&
            install -m 0755 "$program" "$SB_DIR/bin/"
    done
    PATH=$SB_DIR/bin:/usr/bin:/bin:/usr/sbin:/sbin
    [[ -x $SB_DIR/bin/hostsim ]] || die "hostsim is not built in $MSP_BUILD"
}

sandbox_up() {
    local root
    sandbox_need
    trap sandbox_down EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 141' PIPE # somebody looked at the first lines only
    SB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/mspd-test.XXXXXX") || exit 1
    chmod 0755 "$SB_DIR"
    mkdir "$SB_DIR"/{bin,bpf,ns,run,state,log,tmp}
    chmod 1777 "$SB_DIR/tmp"
    sandbox_programs
    mount -t bpf bpf "$SB_DIR/bpf" || skip "a bpffs"
    root=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
    [[ -n $root ]] || skip "cgroup v2"
    SB_CG=$root/${SB_CG_NAME:-mspd-test-$$}
    SB_HOST_CG=$SB_CG-host
    sandbox_watch
    mkdir "$SB_CG" "$SB_CG/agent" "$SB_CG/work" "$SB_HOST_CG" ||
        die "cannot make the test's cgroup"
    sandbox_network
    sandbox_key
    : >"$SB_DIR/journal"
    printf 'imds=enforce\nwireserver=enforce\nhostga=enforce\n' \
        >"$SB_DIR/modes"
}

# A test that is killed outright, by a ctest timeout for one, cannot clean up;
# this process notices and does it.
sandbox_watch() {
    (
        trap '' HUP INT TERM PIPE
        while kill -0 "$$"; do
            sleep 0.5
        done
        sandbox_sweep
    ) </dev/null >/dev/null 2>&1 &
    SB_WATCH=$!
}

sandbox_members() {
    find "$SB_CG" "$SB_HOST_CG" -name cgroup.procs -exec cat {} + 2>/dev/null
}

# Ends what runs in our cgroup: whatever it is, this test started it.
sandbox_empty_cgroup() {
    local pids
    mapfile -t pids < <(sandbox_members)
    ((${#pids[@]} == 0)) || kill -KILL "${pids[@]}" 2>/dev/null
}

sandbox_is_empty() {
    sandbox_empty_cgroup
    [[ -z $(sandbox_members) ]]
}

is_gone() {
    ! kill -0 "$1" 2>/dev/null
}

# Whether this process still is one that we started and have not waited for; else
# its number may be anybody's by now.
is_child() {
    local key value=
    while read -r key value; do
        [[ $key == PPid: ]] && break
    done 2>/dev/null <"/proc/$1/status"
    [[ $value == "$BASHPID" ]]
}

is_no_child() {
    ! is_child "$1"
}

sandbox_remember_programs() {
    local link shown
    for link in "$SB_DIR"/bpf/*/layout-*/links/* "$SB_DIR"/bpf/layout-*/links/*
    do
        [[ -e $link ]] || continue
        # no pipe: called from a trap, bash loses track of its processes
        shown=$(bpftool -j link show pinned "$link" 2>/dev/null)
        SB_PROGS+=("$(jq -r '.prog_id // empty' <<<"$shown")")
    done
}

sandbox_down() {
    local status=$? pid
    trap - EXIT
    trap '' HUP INT TERM PIPE
    for pid in "${SB_PIDS[@]}"; do
        is_child "$pid" && kill -TERM "$pid" 2>/dev/null
    done
    for pid in "${SB_PIDS[@]}"; do
        until_true 5 is_no_child "$pid" || kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    sandbox_remember_programs
    [[ -z $SB_WATCH ]] || kill -KILL "$SB_WATCH" 2>/dev/null
    sandbox_sweep
    if ! sandbox_left_nothing; then
        printf 'FAIL: the test left something behind\n' >&2
        ((status != 0)) || status=1
    fi
    exit "$status"
}

# Ends every process of the test and removes all it made.
sandbox_sweep() {
    local dir
    [[ -z $SB_CG ]] || until_true 5 sandbox_is_empty ||
        note "processes remain in $SB_CG"
    if [[ -n $SB_DIR && -d $SB_DIR ]]; then
        # the bpffs, network namespaces, and whatever the test mounted itself
        while read -r dir; do
            umount -l "$dir" 2>/dev/null
        done < <(findmnt -rn -o TARGET | grep -F "$SB_DIR/" | sort -r)
        if [[ ${MSP_KEEP:-} ]]; then
            note "kept: $SB_DIR"
        else
            rm -rf --one-file-system "$SB_DIR"
        fi
    fi
    if [[ -n $SB_CG ]]; then
        find "$SB_CG" "$SB_HOST_CG" -depth -type d -exec rmdir {} + 2>/dev/null
    fi
}

# Programs go when their last reference does, a little after the unmount.
sandbox_programs_gone() {
    local id
    for id in "${SB_PROGS[@]}"; do
        [[ -n $id ]] || continue
        ! bpftool prog show id "$id" >/dev/null 2>&1 || return 1
    done
}

sandbox_left_nothing() {
    local pid r=0
    for pid in "${SB_PIDS[@]}"; do
        is_child "$pid" && {
            note "process $pid still runs"
            r=1
        }
    done
    [[ -z $SB_CG || (! -d $SB_CG && ! -d $SB_HOST_CG) ]] || {
        note "cgroup $SB_CG is still there"
        r=1
    }
    until_true 10 sandbox_programs_gone || {
        note "BPF programs still loaded: ${SB_PROGS[*]}"
        r=1
    }
    return $r
}

# The last line of every test.
sandbox_done() {
    printf '1..%d\n' "$SB_CHECKS"
    if ((SB_FAILED)); then
        printf 'FAIL: %d of %d checks\n' "$SB_FAILED" "$SB_CHECKS" >&2
        sandbox_explain >&2
        exit 1
    fi
    ((SB_CHECKS)) || die "no check was made"
    exit 0
}

# --- the simulated host -------------------------------------------------------

# sandbox_start_sim [hostsim options]
sandbox_start_sim() {
    local line
    [[ ! -e $SB_DIR/scenario ]] || set -- --scenario "$SB_DIR/scenario" "$@"
    rm -f "$SB_DIR/sim.ready"
    mkfifo "$SB_DIR/sim.ready"
    (exec_in "$SB_HOST_CG" nsenter --net="$SB_DIR/ns/sim" -- \
        "$SB_DIR/bin/hostsim" \
        --key "$SB_DIR/vm.key" --journal "$SB_DIR/journal" \
        --modes "$SB_DIR/modes" --ready-fd 3 "$@" \
        3>"$SB_DIR/sim.ready" 2>>"$SB_DIR/sim.log") &
    SB_SIM=$!
    SB_PIDS+=("$SB_SIM")
    read -r -t 10 line <"$SB_DIR/sim.ready" || die "hostsim did not start"
}

# sim_scenario JSON: what the host's side of the key latch does from now on, see
# hostsim/channel.h; before sandbox_start_sim it is what it begins with
sim_scenario() {
    local before
    printf '%s\n' "$1" >"$SB_DIR/scenario.new"
    mv "$SB_DIR/scenario.new" "$SB_DIR/scenario"
    [[ ${SB_SIM:-} ]] || return 0
    before=$(sim_reloads)
    kill -HUP "$SB_SIM"
    until_true 5 sim_reloaded "$before" || die "hostsim did not reload"
}

sim_reloads() {
    grep -c '"event":"reloaded"' "$SB_DIR/journal"
}

sim_reloaded() {
    (($(sim_reloads) > $1))
}

# sim_mode ENDPOINT=MODE...: the host's own mode, whatever mspd's policy says
sim_mode() {
    local before
    before=$(sim_reloads)
    printf '%s\n' "$@" >>"$SB_DIR/modes"
    kill -HUP "$SB_SIM"
    until_true 5 sim_reloaded "$before" || die "hostsim did not reload"
}

# Requests journalled since the last `journal_mark`, one JSON object a line.
journal_mark() {
    SB_MARK=$(wc -l <"$SB_DIR/journal")
}

journal() {
    tail -n "+$((${SB_MARK:-0} + 1))" "$SB_DIR/journal" |
        jq -c 'select(.endpoint)'
}

# journal_count [JQ CONDITION]
journal_count() {
    journal | jq -c "select(${1:-true})" | wc -l
}

# --- mspd ----------------------------------------------------------------------

# Becomes a command in a cgroup; for subshells only, so that the subshell's pid
# is the command's.
exec_in() {
    echo "$BASHPID" >"$1/cgroup.procs" || exit 1
    shift
    exec "$@"
}

# sandbox_start_mspd [mspd options]; waits for READY=1. SB_KEY names the key
# file, empty for none.
sandbox_start_mspd() {
    local line='' part r sock=$SB_DIR/run/notify.sock fd key=(--static-key)
    key+=("${SB_KEY-$SB_DIR/vm.key}")
    [[ ${key[1]} ]] || key=()
    rm -f "$sock" "$SB_DIR/run/control.sock"
    # in a cgroup of ours, so that it ends with the test however that ends
    exec {fd}< <(exec_in "$SB_HOST_CG" "$SB_DIR/bin/mspclient" notify \
        "$sock" $((30000 * ${MSP_SLOW:-1})))
    read -r -t 10 -u "$fd" line || die "no notification socket"
    (NOTIFY_SOCKET=$sock exec_in "$SB_CG/agent" nsenter --net="$SB_DIR/ns/vm" -- \
        "$SB_DIR/bin/mspd" --cgroup "$SB_CG" \
        --pin-dir "$SB_DIR/bpf/mspd" --run-dir "$SB_DIR/run" \
        --state-dir "$SB_DIR/state" --log-dir "$SB_DIR/log" \
        --libexec-dir "$SB_DIR/bin" "${key[@]}" \
        --log-level info "$@" >>"$SB_DIR/mspd.log" 2>&1) &
    SB_MSPD=$!
    SB_PIDS+=("$SB_MSPD")
    line=
    # No sleep: on a slow machine to start one costs more than it waits. A read
    # whose time is over, status 142, may have got a part of the line.
    until
        read -r -t 0.2 -u "$fd" part
        r=$?
        line+=$part
        ((r <= 128))
    do
        kill -0 "$SB_MSPD" 2>/dev/null || die "mspd ended before it was ready"
    done
    exec {fd}<&-
    [[ $line == ready ]] || die "mspd was not ready: ${line:-no answer}"
}

# sandbox_stop_mspd [SIGNAL]
sandbox_stop_mspd() {
    kill "-${1:-TERM}" "$SB_MSPD"
    wait "$SB_MSPD" 2>/dev/null
}

ctl() {
    "$SB_DIR/bin/mspctl" --socket "$SB_DIR/run/control.sock" "$@"
}

# The port of the agent's listener in the VM's own namespace.
listener_port() {
    ctl --json netns list | jq -r '.netns[] | select(.own) | .port'
}

# Children of mspd by program name: child_pid mspd-proxy
child_pid() {
    local pid pids
    # at once: line by line, what ends meanwhile makes others be passed over
    mapfile -t pids <"$SB_CG/agent/cgroup.procs"
    for pid in "${pids[@]}"; do
        [[ $(readlink "/proc/$pid/exe") == "$SB_DIR/bin/$1" ]] &&
            printf '%s\n' "$pid"
    done
}

# push_policy DOCUMENT
push_policy() {
    printf '%s\n' "$1" >"$SB_DIR/policy.json"
    ctl policy push "$SB_DIR/policy.json" >"$SB_DIR/push.out" 2>&1 ||
        die "policy push: $? $(cat "$SB_DIR/push.out")"
}

# One item for a policy document: item MODE DEFAULT [RULES]
item() {
    printf '{"mode":"%s","defaultAccess":"%s","id":"test"%s}' "$1" "$2" \
        "${3:+,\"rules\":$3}"
}

# A document: policy ITEM-OF-IMDS [ITEM-OF-WIRESERVER [ITEM-OF-HOSTGA]]
policy() {
    local off
    off=$(item disabled allow)
    printf '{"version":1,"endpoints":{"imds":%s,"wireserver":%s,"hostga":%s}}' \
        "$1" "${2:-$off}" "${3:-$off}"
}

# One privilege for one identity: rules PATH IDENTITY-MEMBERS [MORE-PRIVILEGE]
rules() {
    printf '{"privileges":[{"name":"p","path":"%s"%s}],' "$1" "${3:+,$3}"
    printf '"roles":[{"name":"r","privileges":["p"]}],'
    printf '"identities":[{"name":"i",%s}],' "$2"
    printf '"roleAssignments":[{"role":"r","identities":["i"]}]}'
}

# --- clients ---------------------------------------------------------------------

# Becomes a client; for subshells only.
exec_as() {
    local uid gid groups ns=$2 set=(--clear-groups)
    IFS=: read -r uid gid groups <<<"$1"
    [[ -z $groups ]] || set=(--groups "$groups")
    shift 2
    exec_in "$SB_CG/${SB_CLIENT_CG:-work}" nsenter --net="$SB_DIR/ns/$ns" -- \
        setpriv --reuid "$uid" --regid "$gid" "${set[@]}" -- "$@"
}

# run_as UID:GID[:GROUP,...] NETNS COMMAND...; SB_CLIENT_CG names the cgroup
run_as() {
    (exec_as "$@")
}

# The same in the background; its pid is in SB_LAST.
spawn_as() {
    (exec_as "$@") &
    SB_LAST=$!
    SB_PIDS+=("$SB_LAST")
}

# A fresh cgroup below work/; its rows in the audit map are this client's only.
client_cgroup() {
    SB_CLIENT_CG=work/$1
    mkdir -p "$SB_CG/$SB_CLIENT_CG"
    # shellcheck disable=SC2034
    SB_CLIENT_CG_ID=$(stat -c %i "$SB_CG/$SB_CLIENT_CG")
}

SB_PYTHON='
import errno, http.client, sys
host, port, target, name = sys.argv[1:5]
try:
    c = http.client.HTTPConnection(host, int(port), timeout=10)
    c.request("GET", target, headers={"Metadata": "true", "Connection": "close",
              "x-ms-version": "2012-11-30", "x-client-id": name})
    r = c.getresponse()
    r.read()
    print(r.status)
except http.client.RemoteDisconnected:
    print("EOF")
except OSError as e:
    print(errno.errorcode.get(e.errno, "timeout"))
'

# What a failed curl says, as an errno name.
curl_errno() {
    case $1:$(<"$2") in
        7:*'Operation not permitted'*) echo EPERM ;;
        7:*'Connection refused'*) echo ECONNREFUSED ;;
        7:*'etwork is unreachable'*) echo ENETUNREACH ;;
        52:* | 56:*'Recv failure'*) echo EOF ;;
        28:*) echo timeout ;;
        *) echo "curl-$1" ;;
    esac
}

# ask TOOL WHO NETNS ADDR:PORT TARGET ID: one GET by curl, python or mspclient;
# prints the HTTP status, or how it failed: an errno name, EOF, timeout.
ask() {
    local tool=$1 who=$2 ns=$3 addr=$4 target=$5 id=$6 r
    case $tool in
        curl)
            run_as "$who" "$ns" curl -sv --path-as-is --max-time 10 \
                -o /dev/null -w '%{http_code}' -H 'Metadata: true' \
                -H 'x-ms-version: 2012-11-30' -H "x-client-id: $id" \
                "http://$addr$target" 2>"$SB_DIR/tmp/curl.err" \
                >"$SB_DIR/tmp/curl.out"
            r=$?
            if ((r)); then
                curl_errno "$r" "$SB_DIR/tmp/curl.err"
            else
                cat "$SB_DIR/tmp/curl.out"
            fi
            ;;
        python)
            run_as "$who" "$ns" /usr/bin/python3 -c "$SB_PYTHON" \
                "${addr%:*}" "${addr#*:}" "$target" "$id"
            ;;
        *)
            run_as "$who" "$ns" mspclient steps "header=x-client-id: $id" \
                'header=x-ms-version: 2012-11-30' "connect=$addr" \
                "request=$target" close | steps_result
            ;;
    esac
}

# Of the lines of `mspclient steps`: the status, else the first failure.
steps_result() {
    jq -rs '[.[] | select(.step == "connect" or .step == "request")] |
        map(select(.result != "ok")) as $bad |
        if $bad | length > 0 then
            $bad[0].result | if . == "ECONNRESET" then "EOF" else . end
        else (map(select(.status)) | last | .status) as $s |
            if $s == 0 then "EOF" else $s end
        end'
}

# http_code WHO NETNS URL [curl options]: status, or an errno name, EOF, timeout
http_code() {
    local who=$1 ns=$2 url=$3 code r
    shift 3
    rm -f "$SB_DIR/tmp/body" # may be another user's
    code=$(run_as "$who" "$ns" curl -sv --path-as-is -o "$SB_DIR/tmp/body" \
        --max-time "${SB_MAX_TIME:-10}" -H 'Metadata: true' \
        -H 'x-ms-version: 2012-11-30' -w '%{http_code}' "$@" "$url" \
        2>"$SB_DIR/tmp/curl.err")
    r=$?
    if ((r)); then
        curl_errno "$r" "$SB_DIR/tmp/curl.err"
    else
        printf '%s' "$code"
    fi
}

# Rows of the audit map that fulfil a jq condition, one JSON object a line.
audit_rows() {
    ctl --json audit | jq -c ".audit[] | select(${1:-true})"
}

# The rows of the present client cgroup, sorted: "stage verdict reason" a line.
audit_of_client() {
    audit_rows ".cgroup == $SB_CLIENT_CG_ID" |
        jq -r '"\(.stage) \(.verdict) \(.reason)"' | sort -u
}

# Records of the connection log since `log_mark`, after waiting for `n` that
# fulfil a condition: log_wait N JQ-CONDITION
log_mark() {
    SB_LOG_MARK=0
    [[ ! -f $SB_DIR/log/connection.log ]] ||
        SB_LOG_MARK=$(wc -l <"$SB_DIR/log/connection.log")
}

log_lines() {
    tail -n "+$((${SB_LOG_MARK:-0} + 1))" "$SB_DIR/log/connection.log" \
        2>/dev/null | jq -c "select(${1:-true})"
}

log_has() {
    (($(log_lines "$2" | wc -l) >= $1))
}

log_wait() {
    until_true 5 log_has "$@"
}
