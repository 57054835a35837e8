#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# status lists each identity whose file, contents, user or cgroup cannot match
# now, and why; a push says the same of what it puts in force.
. "$(dirname "$0")/../../harness/sandbox.sh"

# identity MEMBERS: one more of the document, named i0, i1 ...
identity() {
    IDENTITIES+="${IDENTITIES:+,}{\"name\":\"i$N\",$1}"
    N=$((N + 1))
}

document() {
    local names=()
    for ((i = 0; i < N; i++)); do names+=("\"i$i\""); done
    policy "$(item enforce deny "{\"privileges\":[{\"name\":\"p\",\"path\":\"/p\"}],
        \"roles\":[{\"name\":\"r\",\"privileges\":[\"p\"]}],
        \"identities\":[$IDENTITIES],\"roleAssignments\":[{\"role\":\"r\",
        \"identities\":[$(
            IFS=,
            echo "${names[*]}"
        )]}]}")"
}

sha_of() {
    sha256sum "$1" | cut -d' ' -f1
}

unresolved() {
    ctl --json status | jq -r '.unresolved[]? |
        "\(.identity) \(.selector) \(.why)"'
}

is_listed() {
    unresolved | grep -qF "$1"
}

is_gone_from_list() {
    ! is_listed "$1"
}

sandbox_up
APPS=$SB_DIR/apps
NONE=$(printf '%064d' 0)
N=0
IDENTITIES=
mkdir "$APPS"
for name in fine wrong users written; do
    install -m 0755 "$SB_DIR/bin/mspspoof" "$APPS/$name"
done
chown 1000 "$APPS/users"
printf '#!%s ask\n' "$APPS/fine" >"$APPS/script"
chmod 0755 "$APPS/script"
install -m 0644 "$SB_DIR/bin/mspspoof" "$APPS/plain"
ln -s loop "$APPS/loop"
sandbox_start_sim
sandbox_start_mspd
exec {writer}>>"$APPS/written" # of this process only

identity "\"exePath\":\"$APPS/fine\",\"exeSha256\":\"$(sha_of "$APPS/fine")\""
identity "\"exePath\":\"$APPS/script\""
identity "\"exePath\":\"$APPS/plain\""
identity "\"exePath\":\"$APPS/none\""
identity "\"exePath\":\"$APPS/loop\""
identity "\"exePath\":\"$APPS/fine/x\""
identity '"exePath":"/proc/self/exe"'
identity '"exePath":"/sys/kernel/notes"'
identity "\"exePath\":\"$APPS/wrong\",\"exeSha256\":\"$NONE\""
identity "\"exePath\":\"$APPS/users\",\"exeSha256\":\"$NONE\""
identity "\"exePath\":\"$APPS/written\",\"exeSha256\":\"$NONE\""
identity '"userName":"nobody-has-this-name"'
identity '"unit":"a.service","cgroup":"/b/**"'
identity '"unit":"a.service","cgroup":"/system.slice/*"'
identity '"unit":"there-is-none.service"'
push_policy "$(document)"

LINKS='a loop of links, or one of /proc that is not followed'
WANTED="i1 exePath a script: who runs it executes its interpreter
i2 exePath not executable
i3 exePath missing
i4 exePath missing ($LINKS)
i5 exePath missing (Not a directory)
i6 exePath missing ($LINKS)
i7 exePath on a file system that is not accepted (sysfs)
i8 exeSha256 the file has $(sha_of "$APPS/wrong")
i9 exeSha256 the file is not root's
i10 exeSha256 the file is open for writing
i11 userName unknown
i12 unit not in the cgroup that is also demanded"
check_eq "status lists them" "$(unresolved)" "$WANTED"
check_eq "and counts identities" \
    "$(ctl --json status | jq .policy.unresolved)" 12
check_eq "it stays in order" "$(ctl --json status | jq -r .state)" ok
check_eq "the push says the same" \
    "$(ctl --json policy push "$SB_DIR/policy.json" | jq -r '.warnings[] |
        "\(.identity) \(.selector) \(.text)"')" \
    "$(sed -E 's/^([^ ]+ [^ ]+) /\1 matches nobody now: /' <<<"$WANTED")"

# What changes is noticed, without a push.
install -m 0755 "$APPS/fine" "$APPS/script.new"
mv "$APPS/script.new" "$APPS/script"
chmod a+x "$APPS/plain"
exec {writer}>&-
touch "$APPS/written"
check "a script replaced by a program is not listed" \
    until_true 5 is_gone_from_list "i1 "
check "nor is a file that was made executable" \
    until_true 5 is_gone_from_list "i2 "
check "of one nobody has open any more its contents are told" \
    until_true 10 is_listed "i10 exeSha256 the file has $(sha_of "$APPS/fine")"
printf '#!/bin/sh\n' >"$APPS/plain"
check "a program overwritten by a script is listed" until_true 5 is_listed \
    "i2 exePath a script"

# The log has what was found as well.
printf x >>"$APPS/fine"
check "contents that no identity has are told" \
    until_true 10 is_listed "i0 exeSha256 the file has $(sha_of "$APPS/fine")"
check "and are in the log" grep -qF "exe.hash path=\"$APPS/fine\" \
sha256=\"$(sha_of "$APPS/fine")\" why=\"no identity in force has it\"" \
    "$SB_DIR/mspd.log"
check "as is a file of a user" grep -qF \
    "exe.hash path=\"$APPS/users\" why=\"the file is not root's\"" "$SB_DIR/mspd.log"

check_eq "a namespace that is not there is named" \
    "$(ctl --json netns add "$SB_DIR/none" | jq -r .error)" \
    "$SB_DIR/none: No such file or directory"
sandbox_done
