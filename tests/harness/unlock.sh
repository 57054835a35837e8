# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# shellcheck shell=bash
#
# Keys and tokens of the tamper guard; after sandbox.sh, in a VM only, since the
# host gets a machine id.
HOST=4b7d0000000000000000000000000e2e

# The key of tokens: $SB_DIR/unlock.key, and $SB_DIR/unlock.pub for --guard-key.
unlock_keys() {
    echo "$HOST" >/etc/machine-id
    if ! openssl genpkey -algorithm ed25519 -out "$SB_DIR/unlock.key" ||
        ! openssl pkey -in "$SB_DIR/unlock.key" -pubout \
            -out "$SB_DIR/unlock.pub"; then
        die "openssl makes no keys"
    fi
}

# token SECONDS [HOST [KEY]]
token() {
    printf 'mspd-unlock 1\nhost %s\nexpires %s\n' "${2:-$HOST}" \
        "$(($(date +%s) + $1))" >"$SB_DIR/tmp/token.text"
    openssl pkeyutl -sign -rawin -inkey "${3:-$SB_DIR/unlock.key}" \
        -in "$SB_DIR/tmp/token.text" -out "$SB_DIR/tmp/token.sig" ||
        die "openssl does not sign"
    cat "$SB_DIR/tmp/token.text"
    printf 'signature %s\n' "$(openssl base64 -A -in "$SB_DIR/tmp/token.sig")"
}
