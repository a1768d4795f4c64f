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

# Puts OpenSSH 10 of bookworm-backports into target/openssh10: lists, packages and files stay in there. False, with a line
# that says so, where that cannot be done.
fetch_openssh10() {
    local place work apt
    place=${MEZITE_OPENSSH10:-target/openssh10}
    [ -x "$place/usr/sbin/sshd" ] && return 0
    if [ "$(id -u)" -ne 0 ] || ! grep -q bookworm /etc/os-release; then
        printf 'no OpenSSH 10 in %s, and only root on Debian 12 fetches it: the tests that need it are skipped\n' "$place" >&2
        return 1
    fi
    printf 'fetching OpenSSH 10 of bookworm-backports into %s\n' "$place" >&2
    mkdir -p "$(dirname "$place")"
    work=$(mktemp -d "$place.XXXXXX")
    mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/root"
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm-backports main\n' \
        "${MEZITE_DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$work/sources.list"
    apt=(apt-get -qq -o "Dir::Etc::SourceList=$PWD/$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$PWD/$work/lists" -o "Dir::Cache=$PWD/$work" -o APT::Sandbox::User=root)
    if "${apt[@]}" update && (cd "$work" && "${apt[@]}" download openssh-client openssh-server openssh-sftp-server); then
        for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
        rm -rf "$place"
        mv "$work/root" "$place"
    else
        printf 'bookworm-backports cannot be reached: the tests that need OpenSSH 10 are skipped\n' >&2
    fi
    rm -rf "$work"
    [ -x "$place/usr/sbin/sshd" ]
}

# Rust is not Debian's: rustup brings the version that rust-toolchain.toml names.
require_cargo() {
    command -v cargo >/dev/null && return 0
    printf 'cargo is missing: install Rust with rustup, see https://rustup.rs\n' >&2
    exit 1
}
