#!/bin/sh
# Fuzzes every target, or those that are named, for SECONDS_EACH seconds (60).
set -eu
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- server_engine client_engine user_certificate recording role
for target; do
    case $target in
        *_engine) seeds=../gateway/ssh/tests/recorded ;;
        *) seeds=seeds/$target ;;
    esac
    mkdir -p "corpus/$target"
    cargo +nightly fuzz run --fuzz-dir . "$target" "corpus/$target" "$seeds" -- \
        -max_total_time="${SECONDS_EACH:-60}"
done
