#!/usr/bin/env bash
# Builds every fuzz target, or those that are named, and runs each of them.
#   fuzz/run.sh [SECONDS] [TARGET…]    a minute each unless SECONDS says otherwise
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=60
if [[ ${1-} =~ ^[0-9]+$ ]]; then
    seconds=$1
    shift
fi
[ $# -gt 0 ] || mapfile -t < <(sed -n 's/^name = "\([a-z_]*\)"$/\1/p' Cargo.toml)
[ $# -gt 0 ] || set -- "${MAPFILE[@]}"

command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
# The sanitizer flags are unstable, the stable compiler knows them all the same.
export RUSTC_BOOTSTRAP=1
cargo fuzz build --fuzz-dir .
for target; do
    printf '\n== %s, %s s\n' "$target" "$seconds" >&2
    # What grows here is not kept; what is worth keeping lies in seeds/.
    mkdir -p "corpus/$target" "seeds/$target"
    seeds=("seeds/$target")
    case $target in *_engine) seeds+=(../gateway/ssh/tests/recorded) ;; esac
    cargo fuzz run --fuzz-dir . "$target" "corpus/$target" "${seeds[@]}" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024
done
