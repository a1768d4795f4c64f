#!/usr/bin/env bash
# Throws generated requests at a real gateway and holds the answers against /v1/openapi.json, by schemathesis (PyPI).
#   tools/api-fuzz.sh [EXAMPLES]     so many examples for each operation (default 50); builds the programs where they are missing
# Everything happens on loopback, in a folder of its own that goes at the end. SCHEMATHESIS names the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

examples=${1:-50}
schemathesis=${SCHEMATHESIS:-schemathesis}
bin=${MEZITE_BIN_DIR:-target/debug}
config=$PWD/tools/schemathesis.toml
if ! command -v "$schemathesis" >/dev/null 2>&1; then
    echo "api-fuzz: skipped: schemathesis is not installed (pip install schemathesis)" >&2
    exit 77
fi
bin=$(cd "$bin" 2>/dev/null && pwd || echo "$PWD/$bin")
if [ ! -x "$bin/mezd" ] || [ ! -x "$bin/mezctl" ]; then cargo build --bins; fi

work=$(mktemp -d)
gateway=
cleanup() {
    [ -z "$gateway" ] || kill "$gateway" 2>/dev/null || true
    [ -z "$gateway" ] || wait "$gateway" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

"$bin/mezd" gateway start --data-dir "$work/data" --cluster-name fuzz --public-addr localhost \
    --ssh-listen 127.0.0.1:0 --https-listen 127.0.0.1:0 >"$work/ready" 2>"$work/log" &
gateway=$!
for _ in $(seq 300); do
    grep -q ^ready "$work/ready" && break
    kill -0 "$gateway" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
done
port=$(sed -E 's/.* https=[^ ,]*:([0-9]+).*/\1/' "$work/ready")
export MEZCTL_SOCKET=$work/data/mezctl.sock

"$bin/mezctl" users add fuzzer --roles=admin >/dev/null
"$bin/mezctl" auth sign --user=fuzzer --format=tls --ttl=12h --out="$work/fuzzer" 2>/dev/null
cat "$work/fuzzer.crt" "$work/fuzzer.key" >"$work/fuzzer.pem"
chmod 600 "$work/fuzzer.pem"

# Locks are left out, because one on an address or a role would shut the fuzzer out. What a missing certificate gets is tested elsewhere.
# In that folder, where it leaves what it remembers.
(cd "$work" && "$schemathesis" --config-file "$config" run "https://localhost:$port/v1/openapi.json" \
    --tls-verify "$work/fuzzer.cas" --request-cert "$work/fuzzer.pem" \
    --exclude-path-regex '^/v1/locks$' --exclude-path '/readyz' \
    --checks all --exclude-checks ignored_auth,positive_data_acceptance \
    --max-examples "$examples" --generation-deterministic --no-color --workers 1)
kill -0 "$gateway"
"$bin/mezctl" audit verify
