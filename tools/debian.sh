# Sourced by the other scripts: the Debian packages that they need.

# Prints the packages that are missing among those named, each as PACKAGE or PACKAGE:COMMAND.
missing_packages() {
    local wanted package command
    for wanted in "$@"; do
        package=${wanted%%:*} command=${wanted#*:}
        PATH="$PATH:/usr/sbin" command -v "$command" >/dev/null || printf '%s\n' "$package"
    done
    # The traditional netcat has no -X.
    if command -v nc >/dev/null && ! nc -h 2>&1 | grep -q -- '-X'; then
        printf 'netcat-openbsd\n'
    fi
}

# Installs what is missing when root; otherwise names it and exits with 1.
require_packages() {
    local missing
    missing=$(missing_packages "$@" | sort -u | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        printf 'missing Debian packages; as root: apt-get install %s\n' "$missing" >&2
        exit 1
    fi
    printf 'installing %s\n' "$missing" >&2
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing </dev/null >&2
}

# Rust is not Debian's: rustup brings the version that rust-toolchain.toml names.
require_cargo() {
    command -v cargo >/dev/null && return 0
    printf 'cargo is missing: install Rust with rustup, see https://rustup.rs\n' >&2
    exit 1
}
