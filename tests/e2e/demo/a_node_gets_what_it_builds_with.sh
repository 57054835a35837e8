#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# scripts/setup --build installs what building and the demo take, and nothing of
# the tests: no runtimes, no VMs, no cross compiler. Without it comes all. What
# it would install is asked of a host that has nothing.
SOURCE=${MSP_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)}
DIR=$(mktemp -d) || exit 1
trap 'rm -rf "$DIR"' EXIT
TESTS_ONLY='podman containerd runc conmon crun qemu-system-x86 busybox-static
    gcc-aarch64-linux-gnu shellcheck clang-tidy nftables'
BUILD='gcc cmake clang bpftool libbpf-dev node-llhttp libcmocka-dev jq curl'
failed=0

# program NAME LINE...
program() {
    local name=$1
    shift
    printf '%s\n' '#!/bin/sh' "$@" >"$DIR/bin/$name"
    chmod +x "$DIR/bin/$name"
}

# installs WANTED LIST PACKAGE...: whether each of these is in what setup did
installs() {
    local wanted=$1 list=$2 package is
    shift 2
    for package in "$@"; do
        is=no
        ! grep -qx -- "$package" "$list" || is=yes
        [[ $is == "$wanted" ]] && continue
        echo "not ok - $(basename "$list"): $package: $is, wanted $wanted"
        failed=1
    done
}

# did OPTION...: one line for each package that apt-get was told to install
did() {
    : >"$DIR/asked"
    PATH="$DIR/bin" "$DIR/tree/scripts/setup" "$@" >"$DIR/said" 2>&1 || {
        cat "$DIR/said"
        exit 1
    }
    tr ' ' '\n' <"$DIR/asked"
}

mkdir -p "$DIR/bin" "$DIR/tree/scripts" "$DIR/tree/tests/vm"
cp "$SOURCE/scripts/setup" "$DIR/tree/scripts"
# All that it calls, and no directory of the system in between.
sed -i '/^PATH=/d' "$DIR/tree/scripts/setup"
for name in bash dirname; do
    ln -s "$(command -v $name)" "$DIR/bin/$name"
done
program id 'echo 0'
program dpkg-query 'exit 1'
program dpkg 'echo amd64'
program getent 'exit 0'
program apt-get "[ \"\$1\" != install ] || echo \"\$*\" >>$DIR/asked"
printf '#!/bin/sh\necho vm-kernels >>%s/asked\n' "$DIR" >"$DIR/tree/tests/vm/fetch"
chmod +x "$DIR/tree/tests/vm/fetch"

did --build >"$DIR/build"
did >"$DIR/everything"
# shellcheck disable=SC2086 # lists of words
{
    installs yes "$DIR/build" $BUILD
    installs no "$DIR/build" $TESTS_ONLY vm-kernels
    installs yes "$DIR/everything" $BUILD $TESTS_ONLY vm-kernels
}
if PATH="$DIR/bin" "$DIR/tree/scripts/setup" --frob >/dev/null 2>&1; then
    echo "not ok - an unknown option is taken"
    failed=1
fi
((failed)) || echo "ok - $(wc -l <"$DIR/build") words for a build, $(wc -l <"$DIR/everything") for all"
exit "$failed"
