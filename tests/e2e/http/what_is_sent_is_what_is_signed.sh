#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
# The host, with a verifier of its own, finds every relayed request validly
# signed: bodies of all framings, headers of all kinds. A client cannot speak
# as the delegate: its own x-ms-azure-host headers are gone.
. "$(dirname "$0")/../../harness/sandbox.sh"

USER=2001:3001
SPOOF=(-H 'x-ms-azure-host-claims: { "isRoot": "true"}'
    -H 'x-ms-azure-host-date: Wed, 23 Apr 2025 12:00:00 GMT'
    -H 'X-MS-Azure-Host-Authorization: Azure-HMAC-SHA256 x 00'
    -H 'x-ms-azure-host-other: y')

last() {
    journal | tail -n 1 | jq -r "$1"
}

sandbox_up
sandbox_start_sim
sandbox_start_mspd

sim_mode imds=off
push_policy "$(policy "$(item disabled allow)")"
check_eq "with enforcement off a spoofed claim reaches the host" \
    "$(http_code "$USER" vm "http://$IMDS/metadata/versions" "${SPOOF[@]}") $(
        last .is_root)" "200 true"

sim_mode imds=enforce wireserver=enforce hostga=enforce
push_policy "$(policy "$(item enforce allow)" "$(item enforce allow)" \
    "$(item enforce allow)")"
journal_mark
check_eq "spoofed headers: served" \
    "$(http_code "$USER" vm "http://$IMDS/metadata/versions" "${SPOOF[@]}")" 200
check_eq "spoofed headers: replaced by the delegate's" "$(last '[.signed,
    .is_root, (.headers | map(select(test("^x-ms-azure-host"; "i"))) |
    length)] | @csv')" '"valid",false,3'

check_eq "root's claim on WireServer" "$(http_code 0:0 vm \
    "http://$WIRE/machine/?comp=goalstate") $(last .is_root)" "200 true"
check_eq "root on HostGA" "$(http_code 0:0 vm \
    "http://$WIRE:32526/status") $(last '.endpoint + " " + .signed')" \
    "200 hostga valid"

check_eq "a POST body is signed" "$(http_code "$USER" vm \
    "http://$IMDS/sim/echo" -d 'hello=world') $(last .signed) $(
        cat "$SB_DIR/tmp/body")" "200 valid hello=world"
head -c 70000 /dev/urandom >"$SB_DIR/tmp/blob"
check_eq "a binary body is signed" "$(http_code "$USER" vm \
    "http://$IMDS/sim/echo" --data-binary "@$SB_DIR/tmp/blob") $(
        last .signed)" "200 valid"
check "and comes back unchanged" cmp "$SB_DIR/tmp/blob" "$SB_DIR/tmp/body"
check_eq "a chunked body is signed" "$(http_code "$USER" vm \
    "http://$IMDS/sim/echo" -H 'Transfer-Encoding: chunked' \
    --data-binary "@$SB_DIR/tmp/blob") $(last .signed) $(
        last .body_bytes)" "200 valid 70000"
check "and comes back unchanged" cmp "$SB_DIR/tmp/blob" "$SB_DIR/tmp/body"
check_eq "a PUT with an empty body" "$(http_code "$USER" vm \
    "http://$IMDS/sim/echo" -X PUT -d '') $(last .signed)" "200 valid"
check_eq "HEAD" "$(http_code "$USER" vm \
    "http://$IMDS/sim/size/10" -I) $(last .signed)" "200 valid"
check_eq "query values stay as they are" "$(http_code "$USER" vm \
    "http://$IMDS/sim/status/200?b=a+b%20c&A=%2F&c") $(last .signed) $(
        last .target)" \
    "200 valid /sim/status/200?b=a+b%20c&A=%2F&c"
check_eq "headers of all kinds" "$(http_code "$USER" vm \
    "http://$IMDS/sim/echo" -H 'X-Pad:   two  words  ' -H 'X-Empty;' \
    -H 'X-Dup: 1' -H 'x-dup: 2' -H 'Cookie: a=b' -H 'Connection: x-gone' \
    -H 'X-Gone: 1') $(last .signed) $(last '.headers |
        map(select(test("^x-gone"; "i"))) | length')" "200 valid 0"
head -c 102400 /dev/zero >"$SB_DIR/tmp/most"
head -c 102401 /dev/zero >"$SB_DIR/tmp/more"
check_eq "100 KiB is the longest body" "$(http_code "$USER" vm \
    "http://$IMDS/sim/echo" --data-binary "@$SB_DIR/tmp/most") $(
        last .signed)" "200 valid"
before=$(journal_count)
check_eq "one byte more is a 413" "$(http_code "$USER" vm \
    "http://$IMDS/sim/echo" --data-binary "@$SB_DIR/tmp/more")" 413
check_eq "and stays here" "$(journal_count)" "$before"
check_eq "a chunked answer is relayed" "$(http_code "$USER" vm \
    "http://$IMDS/sim/chunked/50000") $(wc -c <"$SB_DIR/tmp/body")" "200 50000"
check_eq "a long answer is relayed" "$(http_code "$USER" vm \
    "http://$IMDS/sim/size/3000000") $(wc -c <"$SB_DIR/tmp/body")" "200 3000000"
check_eq "the host's own errors are relayed" "$(http_code "$USER" vm \
    "http://$IMDS/metadata/instance") $(jq -r '.error[:11]' \
        "$SB_DIR/tmp/body")" "400 Bad request"
check_eq "a host that hangs up is a 502" "$(http_code "$USER" vm \
    "http://$IMDS/sim/close")" 502

# --- keep-alive, on both sides ----------------------------------------------------
journal_mark
url=http://$IMDS/metadata/versions
got=$(run_as "$USER" vm curl -s -o /dev/null -o /dev/null -o /dev/null \
    -w '%{http_code} %{num_connects},' -H 'Metadata: true' "$url" "$url" "$url")
check_eq "one client connection for three requests" "$got" \
    "200 1,200 0,200 0,"
check_eq "one connection to the host for them" \
    "$(journal | jq .connection | sort -u | wc -l)" 1
check_eq "everything in the journal is validly signed" \
    "$(journal_count '.signed != "valid"')" 0
sandbox_done
