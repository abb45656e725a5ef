#!/usr/bin/env bash
# Drives `lhprov sandbox serve` with the official Python SDK and the official CLI, unchanged, from PyPI.
#
#   LHPROV_BIN=target/release/lhprov tests/conformance/run.sh
#
# Needs python3 with venv, and PyPI. Leaves nothing behind. Exit code 0 if every check has passed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$(realpath "${LHPROV_BIN:-$here/../../target/debug/lhprov}")
work=$(mktemp -d)
pids=()

finish() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

# serve NAME FLAGS...: starts a sandbox, waits for its lines, leaves them in $work/NAME.out.
serve() {
    local name=$1 tries
    shift
    "$bin" sandbox serve --listen 127.0.0.1:0 --data "$work/$name" "$@" >"$work/$name.out" 2>"$work/$name.err" &
    pids+=("$!")
    for ((tries = 0; tries < 100; tries++)); do
        if grep -q '^TENCENTCLOUD_SECRET_KEY=' "$work/$name.out"; then
            # With TLS one more line comes, in the same write.
            sleep 0.1
            return 0
        fi
        kill -0 "${pids[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "the sandbox did not start:" >&2
    cat "$work/$name.out" "$work/$name.err" >&2
    return 1
}

# Two environments: the CLI brings the whole SDK, which would lie over the part that the SDK's package installs.
python3 -m venv "$work/sdk"
python3 -m venv "$work/cli"
"$work/sdk/bin/pip" install --quiet --disable-pip-version-check \
    tencentcloud-sdk-python-lighthouse tencentcloud-sdk-python-sts tencentcloud-sdk-python-tag
"$work/cli/bin/pip" install --quiet --disable-pip-version-check tccli

serve plain
serve tls --tls

# SDK and CLI trust nothing but their own bundle.
ca=$(sed -n 's/^LHPROV_CA_FILE=//p' "$work/tls.out")
cat "$ca" >>"$("$work/cli/bin/python" -c 'import certifi; print(certifi.where())')"

mkdir "$work/home"
HOME="$work/home" "$work/sdk/bin/python" "$here/conformance.py" \
    --plain "$work/plain.out" --tls "$work/tls.out" --tccli "$work/cli/bin/tccli"
