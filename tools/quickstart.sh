#!/usr/bin/env bash
# The whole of Mezite in one go: a gateway, a stock sshd as its node, a recorded session, its playback.
#   tools/quickstart.sh            builds, shows, cleans up
#   tools/quickstart.sh --keep     leaves it running, to go on by hand
#   --debug                        builds without optimisation, which is faster to build
# $MEZITE_BIN_DIR names a folder with mezd, mezctl and msh that are built already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/debian.sh

node=db-legacy-01 user=alice
keep='' profile=release
account_made='' gateway_pid='' sshd_pid='' scratch=''

main() {
    arguments "$@"
    require_packages openssh-server:sshd openssh-client:ssh netcat-openbsd:nc curl gcc make \
        passwd:useradd bsdutils:script
    build
    trap clean_up EXIT
    trap 'exit 1' INT TERM HUP
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/mezite-XXXXXX")
    chmod 711 "$scratch"
    choose_login
    start_gateway
    start_sshd
    enrol
    give_access
    session
    playback
    go_on
}

arguments() {
    for argument in "$@"; do
        case $argument in
            --keep) keep=yes ;;
            --debug) profile=dev ;;
            --help | -h) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
            *) printf 'unknown argument: %s\n' "$argument" >&2; exit 2 ;;
        esac
    done
}

heading() { printf '\n== %s\n' "$*"; }

# Runs a command and shows it as a person would type it.
show() {
    printf '$ %s\n' "$*"
    "$@"
}

fail() {
    printf 'quickstart: failed: %s\n' "$*" >&2
    exit 1
}

# Asks for something until it is there, for half a minute.
wait_for() {
    local what=$1
    shift
    for _ in $(seq 300); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    fail "waited 30 s for $what; see $scratch"
}

build() {
    if [ -z "${MEZITE_BIN_DIR-}" ]; then
        require_cargo
        heading "Building ($profile)"
        cargo build --profile "$profile" -p mezd -p mezctl -p msh
        MEZITE_BIN_DIR=${CARGO_TARGET_DIR:-$PWD/target}/$([ "$profile" = dev ] && echo debug || echo release)
    fi
    PATH=$MEZITE_BIN_DIR:$PATH
}

# Without PAM, sshd refuses an account whose shadow entry starts with `!`: where root is such a one, and it is root
# who runs this, the node gets an account of its own.
choose_login() {
    login=$(id -un)
    [ "$(id -u)" -eq 0 ] || return 0
    case $(getent shadow "$login" | cut -d: -f2) in '!'*) ;; *) return 0 ;; esac
    login=mezite-quickstart
    heading "root's account is locked: making the account $login for the node"
    useradd --system --create-home --shell /bin/bash --password '*' "$login"
    account_made=$login
}

start_gateway() {
    heading 'Starting the gateway on an embedded store'
    export MEZCTL_SOCKET=$scratch/gateway/mezctl.sock
    setsid mezd gateway start --data-dir "$scratch/gateway" --cluster-name quickstart \
        --ssh-listen 127.0.0.1:0 --https-listen 127.0.0.1:0 --public-addr localhost,127.0.0.1 \
        >"$scratch/gateway.out" 2>"$scratch/gateway.log" </dev/null &
    gateway_pid=$!
    wait_for 'the gateway' gateway_answers
    local ready
    ready=$(grep -m1 '^ready ' "$scratch/gateway.out") || fail "the gateway ended: $(tail -n 5 "$scratch/gateway.log")"
    ssh_port=$(sed -E 's/.* ssh=[^ ]*:([0-9]+).*/\1/' <<<"$ready")
    https_port=$(sed -E 's/.* https=[^ ,]*:([0-9]+).*/\1/' <<<"$ready")
    printf '%s\n' "$ready"
}

gateway_answers() {
    grep -q '^ready ' "$scratch/gateway.out" || ! kill -0 "$gateway_pid"
}

start_sshd() {
    heading 'Starting a stock sshd as the node'
    local folder=$scratch/sshd
    mkdir "$folder"
    ssh-keygen -q -t ed25519 -N '' -C "$node" -f "$folder/ssh_host_ed25519_key"
    if [ "$(id -u)" -eq 0 ]; then mkdir -p /run/sshd; fi
    for _ in 1 2 3 4 5; do
        sshd_port=$((10000 + RANDOM % 20000))
        sshd_config >"$folder/sshd_config"
        setsid /usr/sbin/sshd -D -f "$folder/sshd_config" -E "$folder/log" </dev/null >/dev/null 2>&1 &
        sshd_pid=$!
        wait_for 'sshd' sshd_answers
        if kill -0 "$sshd_pid" 2>/dev/null; then break; fi
    done
    kill -0 "$sshd_pid" 2>/dev/null || fail "sshd ended: $(tail -n 5 "$folder/log")"
    printf 'sshd listens on 127.0.0.1:%s for the account %s\n' "$sshd_port" "$login"
}

sshd_config() {
    cat <<EOF
ListenAddress 127.0.0.1:$sshd_port
HostKey $scratch/sshd/ssh_host_ed25519_key
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile none
MaxSessions 64
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
EOF
}

sshd_answers() {
    (exec 3<>"/dev/tcp/127.0.0.1/$sshd_port") || ! kill -0 "$sshd_pid"
}

enrol() {
    heading 'Enrolling the node'
    show curl -fsSL --cacert "$scratch/gateway/tls-ca.pem" "https://localhost:$https_port/v1/ca/user.pub" \
        -o "$scratch/sshd/mezite-user-ca.pub"
    printf '$ %s\n' "echo TrustedUserCAKeys $scratch/sshd/mezite-user-ca.pub >>$scratch/sshd/sshd_config"
    printf 'TrustedUserCAKeys %s\n' "$scratch/sshd/mezite-user-ca.pub" >>"$scratch/sshd/sshd_config"
    show kill -HUP "$sshd_pid"
    wait_for 'sshd to listen again' sshd_reloaded
    show mezctl nodes add --openssh --name="$node" --host=127.0.0.1 --port="$sshd_port" --labels=env=quickstart \
        --host-key-file="$scratch/sshd/ssh_host_ed25519_key.pub" --verify-host-key
}

sshd_reloaded() {
    [ "$(grep -c 'Server listening' "$scratch/sshd/log")" -ge 2 ]
}

give_access() {
    heading 'A role, a user, a certificate'
    cat >"$scratch/role.yaml" <<EOF
kind: role
metadata:
  name: dba
spec:
  allow:
    node_labels: {env: quickstart}
    logins: [$login]
EOF
    cat "$scratch/role.yaml"
    show mezctl roles create -f "$scratch/role.yaml"
    show mezctl users add "$user" --roles=dba
    ssh-keygen -q -t ed25519 -N '' -C "$user" -f "$scratch/$user"
    show mezctl auth sign --user="$user" --key="$scratch/$user.pub" --ttl=8h --out="$scratch/$user-cert.pub"
    curl -fsSL --cacert "$scratch/gateway/tls-ca.pem" "https://localhost:$https_port/v1/ca/known_hosts" \
        -o "$scratch/known_hosts"
    ssh_config >"$scratch/ssh_config"
}

ssh_config() {
    cat <<EOF
IdentityFile $scratch/$user
CertificateFile $scratch/$user-cert.pub
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile $scratch/known_hosts
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
ProxyCommand nc -X connect -x 127.0.0.1:$ssh_port %h %p
EOF
}

session() {
    heading 'A recorded session through stock ssh'
    if has_pty; then
        printf '$ %s\n' "ssh -tt -F $scratch/ssh_config $login@$node    # echo hello from mezite; exit"
        printf 'PS1="$ "; echo hello from mezite\nexit\n' | ssh -tt -F "$scratch/ssh_config" "$login@$node"
    else
        printf 'This machine gives an ordinary user no terminal that sshd accepts: showing a command instead.\n'
        show ssh -F "$scratch/ssh_config" "$login@$node" 'echo hello from mezite' </dev/null
    fi
}

# As an ordinary user sshd cannot give a pty where new terminals do not belong to the group tty.
has_pty() {
    [ "$(id -u)" -eq 0 ] ||
        [ "$(script -qec 'stat -c %G "$(tty)"' /dev/null </dev/null | tr -d '\r\n')" = tty ]
}

playback() {
    heading 'The recording, played back'
    show mezctl recordings ls
    recording=$(mezctl recordings ls --format json | grep -oE '"session": *"[^"]+"' | head -n 1 | cut -d'"' -f4)
    [ -n "$recording" ] || fail 'no recording was made'
    wait_for 'the whole recording' recording_is_whole
    show mezctl recordings play "$recording"
}

recording_is_whole() {
    mezctl recordings play "$recording" | grep -q 'hello from mezite'
}

go_on() {
    heading 'Going on by hand'
    cat <<EOF
export MEZCTL_SOCKET=$MEZCTL_SOCKET PATH=$MEZITE_BIN_DIR:\$PATH
mezctl nodes ls; mezctl audit ls; mezctl access explain $user $login@$node
ssh -i $scratch/$user -o UserKnownHostsFile=$scratch/known_hosts -p $ssh_port $login@$node@localhost    # without nc
scp -F $scratch/ssh_config README.md $login@$node:/tmp/
EOF
    if [ -n "$keep" ]; then
        printf 'To stop and remove it all: kill %s %s; rm -r %s%s\n' "$gateway_pid" "$sshd_pid" "$scratch" \
            "${account_made:+; userdel -r $account_made}"
    else
        printf 'It is stopped and removed now; with --keep it stays.\n'
    fi
    printf 'quickstart: ok: recorded, played back; go on with: ssh -F %s %s@%s\n' "$scratch/ssh_config" "$login" "$node"
}

clean_up() {
    local status=$?
    # What has gone wrong is looked into with --keep too, but a failed one is not left running.
    if [ -n "$keep" ] && [ "$status" -eq 0 ]; then return; fi
    for pid in $gateway_pid $sshd_pid; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    if [ "$status" -ne 0 ] && [ -f "$scratch/gateway.log" ]; then
        tail -n 20 "$scratch/gateway.log" "$scratch/sshd/log" >&2 2>/dev/null || true
    fi
    if [ -n "$account_made" ]; then userdel -r "$account_made" 2>/dev/null || true; fi
    rm -rf "$scratch"
}

main "$@"
