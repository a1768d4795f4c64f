#!/usr/bin/env bash
# Everything that has to hold before a change lands: formatting, lints, docs, unit and integration tests.
#   tools/test.sh                  all of it
#   tools/test.sh --hostile SET    only lists the rows of docs/hostile.md (SET: M, R, A, S or all) without a live test
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/debian.sh

usage() {
    sed -n '2,4s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
}

# The numbers of the rows that have a test: `#[test]` before `fn hostile_NNN_`, and no `#[ignore]`.
tested_rows() {
    git ls-files --cached --others --exclude-standard '*.rs' | tr '\n' '\0' | xargs -0 awk '
        /^[[:space:]]*\/\// { next }
        /#\[(.*::)?test\]/ { test = 1 }
        /#\[(cfg_attr\(.*)?ignore/ { ignored = 1 }
        /(^|[[:space:]])fn / {
            if (test && !ignored && match($0, /fn hostile_[0-9][0-9][0-9]_/)) print substr($0, RSTART + 11, 3)
            test = ignored = 0
        }' | sort -u
}

hostile() {
    local set=$1 gaps
    case $set in M | R | A | S | all) ;; *) usage >&2; exit 2 ;; esac
    gaps=$(awk -F'|' -v wanted="$set" -v tested=" $(tested_rows | tr '\n' ' ')" '
        $2 + 0 > 0 {
            row_set = $3
            gsub(/ /, "", row_set)
            row = sprintf("%03d", $2)
            if ((wanted == "all" || row_set == wanted) && !index(tested, " " row " "))
                print row, row_set substr($4, 1, 70)
        }' docs/hostile.md)
    [ -z "$gaps" ] && return 0
    printf '%s\n' "$gaps"
    exit 1
}

step() {
    printf '\n== %s\n' "$*" >&2
    "$@"
}

# One feature set and one profile for programs and tests, so that each dependency is compiled once.
tests() {
    step cargo build --workspace --bins --tests
    if cargo nextest --version >/dev/null 2>&1; then
        step cargo nextest run --workspace --no-fail-fast
    else
        step cargo test --workspace --no-fail-fast --bins --lib --tests
    fi
    step cargo test --workspace --doc
}

dependencies() {
    if cargo deny --version >/dev/null 2>&1; then
        step cargo deny check bans licenses sources
    else
        printf '\n== cargo deny is not installed: bans, licenses and sources are not checked\n' >&2
    fi
}

everything() {
    require_packages openssh-server:sshd openssh-client:ssh netcat-openbsd:nc curl gcc make \
        passwd:useradd bsdutils:script util-linux:setpriv dropbear-bin:dbclient putty-tools:plink \
        iproute2:ip jq oathtool sudo
    require_cargo
    # Without it some tests skip themselves, which it says.
    fetch_openssh10 || true
    step cargo fmt --all --check
    step cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS='-D warnings' step cargo doc --workspace --no-deps
    dependencies
    tests
}

case ${1-} in
    '') everything ;;
    --hostile) hostile "${2-}" ;;
    --help | -h) usage ;;
    *) usage >&2; exit 2 ;;
esac
