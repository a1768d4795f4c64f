#!/bin/sh
# Lets the sshd of this machine join a Mezite cluster, or takes it out again (--remove). Run it as root; --help says how.
# Printed by 'mezctl nodes join-script'. It needs sh, curl or GNU wget, and OpenSSH 8.0 or newer.
set -u
umask 077
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
gateway='@GATEWAY@'
tls_ca='@TLS_CA@'

config=/etc/ssh/sshd_config
address='' token='' labels='' name='' login='' reload='' host_cert='' merge='' remove=''
begin='# BEGIN mezite (made by a join, taken out by its --remove)'
end='# END mezite'
cr=$(printf '\r')
tmp='' steps=0 node=''

say() { printf 'mezite: %s\n' "$1" >&2; }
die() { say "$1"; exit "${2:-1}"; }

usage() {
    cat <<HELP
usage: sh mezite-join.sh --address HOST:PORT [--token TOKEN|@FILE] [options]
       sh mezite-join.sh --remove [--sshd-config PATH] [--reload-command CMD]

  --address HOST:PORT   where this machine's sshd is reached from the gateway
  --token TOKEN|@FILE   of 'mezctl tokens add --type=node'; better as @FILE or in MEZD_JOIN_TOKEN
  --labels K=V,K2=V2    beside those of the token, which win
  --name NAME           the node's name; the host name by default
  --host-cert           get a host certificate too
  --sshd-config PATH    sshd's configuration: $config
  --reload-command CMD  how sshd is told to read it again; by systemd, else by SIGHUP
  --probe-login LOGIN   fail when the gateway would not be let in as LOGIN
  --merge-ca            where sshd trusts another CA already, write the keys into that file
  --remove              take everything out again, and remove the node's entry
HELP
}

# What is asked for. Values may hold anything: they are only ever compared, or written by printf.
while [ $# -gt 0 ]; do
    flag=${1%%=*}
    case $1 in
    --host-cert) host_cert=yes ;;
    --merge-ca) merge=yes ;;
    --remove) remove=yes ;;
    --help | -h) usage; exit 0 ;;
    --address | --token | --labels | --name | --sshd-config | --reload-command | --probe-login)
        [ $# -ge 2 ] || die "$flag needs a value" 2
        value=$2
        shift
        ;;
    --address=* | --token=* | --labels=* | --name=* | --sshd-config=* | --reload-command=* | --probe-login=*)
        value=${1#*=}
        ;;
    *) die 'the command line cannot be read; see --help' 2 ;;
    esac
    case $flag in
    --address) address=$value ;;
    --token) token=$value ;;
    --labels) labels=$value ;;
    --name) name=$value ;;
    --sshd-config) config=$value ;;
    --reload-command) reload=$value ;;
    --probe-login) login=$value ;;
    esac
    shift
done

# Refuses a value ($2) with characters outside of a set ($3), and what is longer than $4.
check() {
    [ -n "$2" ] || die "$1 is not set" 2
    [ ${#2} -le "$4" ] || die "$1 is too long" 2
    # The mark, which is in no set, keeps line feeds at the end from being cut off.
    [ "$(printf '%s!' "$2" | tr -d "$3")" = '!' ] || die "$1 has characters that are not allowed" 2
}

sha256() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum | cut -c1-64
    elif command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r | cut -c1-64
    elif command -v shasum >/dev/null 2>&1; then shasum -a 256 | cut -c1-64
    else sha256 -q
    fi
}

new_id() {
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n' |
        sed 's/^\(........\)\(....\)\(....\)\(....\)\(............\)$/\1-\2-\3-\4-\5/'
}

# POST $tmp/body to the path $1; the answer is in $tmp/answer, its status in $status.
call() {
    : >"$tmp/answer"
    status=000
    if command -v curl >/dev/null 2>&1; then
        set -- "https://$gateway$1" -q -sS --proto =https --max-time 120 -o "$tmp/answer" -w '%{http_code}' \
            -H 'Content-Type: application/json' --data-binary "@$tmp/body"
        [ -z "$tls_ca" ] || set -- "$@" --cacert "$tmp/ca.pem"
        url=$1
        shift
        status=$(curl "$@" "$url" 2>"$tmp/error") || status=000
    elif wget --version 2>/dev/null | grep -q 'GNU Wget'; then
        set -- "https://$gateway$1" -q --no-config -S -O "$tmp/answer" --content-on-error --max-redirect=0 \
            --timeout=120 --tries=1 --header='Content-Type: application/json' --post-file="$tmp/body"
        [ -z "$tls_ca" ] || set -- "$@" --ca-certificate="$tmp/ca.pem"
        wget "$@" 2>"$tmp/error"
        status=$(sed -n 's/^ *HTTP\/[0-9.]* \([0-9][0-9][0-9]\).*/\1/p' "$tmp/error" | tail -n 1)
    else
        die 'neither curl nor GNU wget is here'
    fi
    [ -n "$status" ] || status=000
}

# Why a call was refused.
detail() {
    if [ "$status" = 000 ]; then
        printf 'the gateway cannot be reached, or does not prove to be it: '
        tail -n 1 "$tmp/error"
    elif grep -q '"detail":"' "$tmp/answer"; then
        sed -n 's/.*"detail":"\([^"]*\)".*/\1/p' "$tmp/answer" | head -n 1
    elif [ "$status" = 401 ]; then
        # wget keeps what comes with this status to itself.
        printf 'it is not accepted: the token was used, has expired, or is none'
    else
        printf 'the gateway answered with status %s' "$status"
    fi | tr -d '\000-\037\177' | cut -c1-400
}

# Exits with what the status means.
refused() {
    case $status in
    400) code=2 ;;
    401 | 429) code=3 ;;
    409) code=5 ;;
    *) code=1 ;;
    esac
    die "$(detail)" $code
}

sshd_bin() {
    command -v sshd || die 'no sshd is installed here'
}

sshd_test() { "$sshd" -t -f "$1" 2>"$tmp/sshd" || { say "sshd: $(tr -d '\000-\011\013-\037' <"$tmp/sshd" | head -n 5)"; return 1; }; }

# The value that is in force for a keyword, in the configuration $1.
in_force() { "$sshd" -T -f "$1" 2>/dev/null | sed -n "s/^$2 //p" | grep -v '^none$'; }

# The folders that the configuration includes for all connections.
included() {
    tr -d '\r"' <"$config" | awk '
        { line = $0; sub(/^[ \t]+/, "", line) }
        line ~ /^#/ { next }
        { key = tolower(line); sub(/[ \t=].*/, "", key) }
        key == "match" { exit }
        key == "include" {
            sub(/^[^ \t=]+[ \t]*=?[ \t]*/, "", line)
            n = split(line, words, /[ \t]+/)
            for (i = 1; i <= n; i++) {
                if (words[i] ~ /^#/) break
                if (sub(/\/\*\.conf$/, "", words[i])) print words[i]
            }
        }'
}

without_block() {
    first=$(grep -n -F -x "$begin" "$1" 2>/dev/null | head -n 1 | cut -d: -f1)
    [ -n "$first" ] || first=$(grep -n -F -x "$begin$cr" "$1" 2>/dev/null | head -n 1 | cut -d: -f1)
    last=$(grep -n "^$end$cr*\$" "$1" 2>/dev/null | head -n 1 | cut -d: -f1)
    if [ -n "$first" ] && [ -n "$last" ] && [ "$last" -gt "$first" ]; then
        head -n $((first - 1)) "$1"
        tail -n +$((last + 1)) "$1"
    else
        cat "$1"
    fi
}

# The file $1 with the lines of the file $2 in a block before all others.
with_block() {
    without_block "$1" >"$tmp/rest"
    eol=''
    case $(head -n 1 "$tmp/rest") in *"$cr") eol=$cr ;; esac
    printf '%s%s\n' "$begin" "$eol"
    while IFS= read -r line; do printf '%s%s\n' "$line" "$eol"; done <"$2"
    printf '%s%s\n' "$end" "$eol"
    cat "$tmp/rest"
}

# Replaces the file $1 by the content of $2: whole, with owner and mode as they were ($3: the file as it was).
replace() {
    beside=$(dirname "$1")/.mezite-$$.tmp
    rm -f "$beside"
    if [ -n "${3:-}" ]; then
        cp -p "$3" "$beside" || return 1
    else
        : >"$beside" && chmod 644 "$beside" || return 1
    fi
    cat "$2" >"$beside" && mv -f "$beside" "$1" && return 0
    rm -f "$beside"
    return 1
}

# The file behind a link.
real() { readlink -f "$1" 2>/dev/null || printf '%s\n' "$1"; }

put() {
    path=$1
    [ ! -e "$path" ] || path=$(real "$path")
    if [ -e "$path" ] || [ -L "$path" ]; then
        [ -f "$path" ] || { say "$path is no file"; return 1; }
        ! cmp -s "$2" "$path" || return 0
        steps=$((steps + 1))
        cp -p "$path" "$tmp/old.$steps" || return 1
        replace "$path" "$2" "$tmp/old.$steps" || return 1
        printf '%s %s\n' "$steps" "$path" >>"$tmp/journal"
    else
        steps=$((steps + 1))
        replace "$path" "$2" || return 1
        printf '%s %s\n' - "$path" >>"$tmp/journal"
    fi
}

take_away() {
    [ -f "$1" ] || return 0
    steps=$((steps + 1))
    cp -p "$1" "$tmp/old.$steps" && rm -f "$1" && printf '%s %s\n' "$steps" "$1" >>"$tmp/journal"
}

undo() {
    [ "$steps" -gt 0 ] || return 0
    sed '1!G;h;$!d' "$tmp/journal" >"$tmp/back"
    while read -r old path; do
        if [ "$old" = - ]; then rm -f "$path"; else replace "$path" "$tmp/old.$old" "$tmp/old.$old"; fi ||
            say "not undone: $path"
    done <"$tmp/back"
    reload_sshd || say 'sshd was not reloaded'
    say 'everything was undone'
}

reload_sshd() {
    if [ -n "$reload" ]; then
        sh -c "$reload" </dev/null >"$tmp/reload" 2>&1 || { say "--reload-command failed"; return 1; }
        return 0
    fi
    if [ -d /run/systemd/system ]; then
        for unit in ssh.service sshd.service; do
            if systemctl is-active --quiet "$unit"; then systemctl reload "$unit"; return; fi
        done
    fi
    pid_file=$(in_force "$config" pidfile)
    pid=''
    [ ! -f "$pid_file" ] || pid=$(tr -dc 0-9 <"$pid_file")
    if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then kill -HUP "$pid"; return; fi
    say 'no running sshd was found to be reloaded; --reload-command says how'
}

# The signature of the text $2 by the host key $1, as JSON has it.
proof() {
    printf '%s' "$2" | ssh-keygen -Y sign -q -n possession@mezite -f "$1" 2>/dev/null | awk '{ printf "%s\\n", $0 }'
}

# {"key":…,"proof":…} by the host key $1 over $2; nothing where it does not sign.
proven() {
    public=$(awk 'NR == 1 && $1 ~ /^[a-z0-9-]+$/ && $2 ~ /^[A-Za-z0-9+\/=]+$/ { print $1 " " $2 }' "$1.pub" 2>/dev/null)
    case $public in
    'ssh-ed25519 '* | 'ecdsa-sha2-nistp'* | 'ssh-rsa '*) ;;
    *) return 0 ;;
    esac
    signed=$(proof "$1" "$2")
    [ -z "$signed" ] || printf '{"key":"%s","proof":"%s"}' "$public" "$signed"
}

host_keys() { in_force "$config" hostkey | while IFS= read -r key; do [ ! -f "$key" ] || printf '%s\n' "$key"; done; }

# Asks for $1 (confirm, leave) of the node $node, signed by the first host key that signs; $2 is further JSON.
ask() {
    request=$(new_id)
    text=$(printf 'node-%s\n%s\n%s' "$1" "$request" "$node")
    host_keys >"$tmp/keys"
    while IFS= read -r key; do
        by=$(proven "$key" "$text")
        [ -z "$by" ] || break
    done <"$tmp/keys"
    [ -n "${by:-}" ] || die 'no host key of this machine signs; it needs OpenSSH 8.0 or newer, and root'
    printf '{"request":"%s","host_key":%s%s}' "$request" "$by" "$2" >"$tmp/body"
    call "/v1/nodes/$node/$1"
}

remembered() { sed -n "s/^$1=//p" "$state"; }

prepare() {
    case $config in /*) ;; *) config=$(pwd)/$config ;; esac
    check --sshd-config "$config" 'A-Za-z0-9._/-' 1000
    [ -f "$config" ] || die "$config: not found"
    sshd=$(sshd_bin) || exit 1
    tmp=$(mktemp -d "${TMPDIR:-/tmp}/mezite-join.XXXXXX") || exit 1
    trap 'rm -rf "$tmp"' EXIT
    trap 'exit 1' HUP INT TERM
    : >"$tmp/journal"
    printf '%s\n' "$tls_ca" >"$tmp/ca.pem"
    folder=$(dirname "$config")
    ca_file=$folder/mezite_ca.pub
    state=$folder/mezite_node
    sshd_test "$config" || die "sshd's configuration is broken as it is; nothing was changed"
}

take_out() {
    without_block "$config" >"$tmp/main" && put "$config" "$tmp/main" || return 1
    drop_in=$(remembered drop_in | head -n 1)
    [ -z "$drop_in" ] || take_away "$drop_in" || return 1
    merged=$(remembered merged | head -n 1)
    if [ -n "$merged" ] && [ -f "$merged" ]; then
        without_block "$merged" >"$tmp/main" && put "$merged" "$tmp/main" || return 1
    fi
    remembered certificate >"$tmp/certificates"
    while IFS= read -r path; do take_away "$path" || return 1; done <"$tmp/certificates"
    take_away "$ca_file" || return 1
    sshd_test "$config" || return 1
    [ "$steps" -eq 0 ] || reload_sshd
}

remove() {
    [ -f "$state" ] || { say 'nothing to do: this machine has not joined'; exit 0; }
    node=$(remembered node)
    gateway=$(remembered server)
    check 'the remembered node' "$node" 0-9a-f- 36
    check 'the remembered gateway' "$gateway" 'A-Za-z0-9.:[]-' 300
    take_out || { undo; exit 1; }
    ask leave ''
    case $status in
    204) say 'removed: this machine is no node any more' ;;
    401) say 'removed; the gateway had no node with this host key any more' ;;
    *) die "sshd is as it was, but the node's entry stays: $(detail). Repeat it, or use 'mezctl nodes rm'" ;;
    esac
    rm -f "$state"
}

read_token() {
    [ -n "$token" ] || token=${MEZD_JOIN_TOKEN:-}
    case $token in
    @-) IFS= read -r token ;;
    @*) token=$(head -c 200 "${token#@}" | tr -d '\r\n') || exit 2 ;;
    esac
    unset MEZD_JOIN_TOKEN
    # Behind the dot stands the gateway's pin, which this script does not need: it has the CA itself.
    case $token in *.*) pin=${token#*.} token=${token%%.*} ;; esac
    [ -z "$pin" ] || check --token "$pin" A-Za-z0-9 22
    [ -n "$token" ] || return 0
    case $token in tok-node-*) ;; *) die '--token: not a token for a node' 2 ;; esac
    [ ${#token} -eq 31 ] || die '--token: not a token for a node' 2
    check --token "$token" A-Za-z0-9- 31
}

# The keys of the CA out of the answer, each line written anew.
ca_lines() {
    sed -n 's/.*"openssh_ca":"\([^"]*\)".*/\1/p' "$tmp/answer" | awk '{ gsub(/\\n/, "\n"); print }' |
        awk '$1 ~ /^(ssh-ed25519|ecdsa-sha2-nistp256)$/ && $2 ~ /^[A-Za-z0-9+\/=]+$/ { print $1, $2, "mezite-openssh-ca" }'
}

# Whether the certificate $1 is for this node and has four months left, as far as that is seen without a calendar.
good_certificate() {
    [ -f "$1" ] || return 1
    ssh-keygen -L -f "$1" >"$tmp/shown" 2>/dev/null && grep -q -F "$node" "$tmp/shown" || return 1
    until=$(sed -n 's/.*Valid: from [^ ]* to \([0-9T:-]*\).*/\1/p' "$tmp/shown")
    printf '%s\n%s\n' "$(date +%Y-%m-%d)" "$until" |
        awk -F'[-T]' '{ days[NR] = $1 * 372 + $2 * 31 + $3 } END { exit !(days[2] - days[1] > 124) }'
}

certificates() {
    tr '{' '\n' <"$tmp/joined" |
        sed -n 's/.*"fingerprint":"\([^"]*\)","certificate":"\([A-Za-z0-9@. +/=-]*\)".*/\1 \2/p' >"$tmp/given"
    : >"$tmp/certificates"
    while IFS= read -r key; do
        path=$folder/mezite_$(basename "$key")-cert.pub
        if ! good_certificate "$path"; then
            fingerprint=$(ssh-keygen -lf "$key.pub" 2>/dev/null | cut -d' ' -f2)
            awk -v wanted="$fingerprint" '$1 == wanted { print $2, $3 }' "$tmp/given" >"$tmp/certificate"
            # Keys that were left out have none.
            [ -s "$tmp/certificate" ] || continue
            good_certificate "$tmp/certificate" || return 1
            put "$path" "$tmp/certificate" || return 1
            path=$folder/mezite_$(basename "$key")-cert.pub
        fi
        printf '%s\n' "$path" >>"$tmp/certificates"
    done <"$tmp/keys"
}

lines() {
    [ -n "$merged" ] || printf 'TrustedUserCAKeys %s\n' "$ca_file"
    [ ! -f "$tmp/certificates" ] || sed 's/^/HostCertificate /' "$tmp/certificates"
}

# What sshd is to read: our own file in $tmp/own, where there is one, and the main one in $tmp/main.
texts() {
    lines >"$tmp/lines"
    if [ -n "$drop_in" ]; then
        : >"$tmp/empty"
        with_block "$tmp/empty" "$tmp/lines" >"$tmp/own"
        [ -s "$tmp/lines" ] || : >"$tmp/own"
        without_block "$config" >"$tmp/main"
    elif [ -s "$tmp/lines" ]; then
        : >"$tmp/own"
        with_block "$config" "$tmp/lines" >"$tmp/main"
    else
        : >"$tmp/own"
        without_block "$config" >"$tmp/main"
    fi
}

trusts_us() {
    [ "$(in_force "$1" trustedusercakeys)" = "${merged:-$ca_file}" ] || {
        say 'sshd does not take our TrustedUserCAKeys'
        return 1
    }
}

install_files() {
    cp "$tmp/answer" "$tmp/joined"
    ca_lines >"$tmp/lines.ca"
    [ -s "$tmp/lines.ca" ] || { say "the gateway's answer has no keys of a CA in it"; return 1; }
    if [ -n "$merged" ]; then
        with_block "$merged" "$tmp/lines.ca" >"$tmp/merged" && put "$merged" "$tmp/merged" || return 1
    else
        put "$ca_file" "$tmp/lines.ca" || return 1
    fi
    if [ -n "$host_cert" ]; then
        certificates || { say "the gateway's host certificate is not what was asked for"; return 1; }
    fi
    texts
    if [ -n "$drop_in" ] && [ -s "$tmp/own" ]; then put "$drop_in" "$tmp/own" || return 1; fi
    put "$config" "$tmp/main" || return 1
    {
        printf '# Made when this machine joined a Mezite cluster; its --remove needs it.\n'
        printf 'node=%s\nname=%s\nserver=%s\n' "$node" "$name" "$gateway"
        [ -z "$pin" ] || printf 'ca_pin=%s\n' "$pin"
        [ -z "$drop_in" ] || printf 'drop_in=%s\n' "$drop_in"
        [ -z "$merged" ] || printf 'merged=%s\n' "$merged"
        [ ! -f "$tmp/certificates" ] || sed 's/^/certificate=/' "$tmp/certificates"
    } >"$tmp/state"
    put "$state" "$tmp/state" || return 1
    sshd_test "$config" && trusts_us "$config"
}

# Has the gateway look, at the numbers $1, until it finds the node open.
look() {
    for turn in $1; do
        ask confirm ",\"login\":\"${login:-root}\""
        [ "$status" = 200 ] || { say "$(detail)"; return 1; }
        proved=''
        reached=''
        grep -q '"ok":true' "$tmp/answer" && reached=yes
        grep -q '"trusts_openssh":"yes"' "$tmp/answer" && proved=yes
        [ -n "$reached" ] && [ -n "$proved" ] && return 0
        case $turn in 0 | 4) ;; *) sleep 1 ;; esac
    done
    return 0
}

# Has sshd read what is new, and the gateway look.
prove() {
    # A join that was killed may have left files that sshd has not read yet.
    if [ "$steps" -eq 0 ] && look 0 && [ -n "$proved" ]; then return 0; fi
    reload_sshd || return 1
    look '1 2 3 4' || return 1
    if [ -n "$reached" ] && [ -n "$proved" ]; then return 0; fi
    if [ -z "$reached" ]; then
        say "the gateway does not reach this machine at $address"
        sed -n 's/.*"error":"\([^"]*\)".*/mezite: \1/p' "$tmp/answer" | tr -d '\000-\011\013-\037' >&2
        return 1
    fi
    if [ -n "$login" ] || grep -q '"trusts_openssh":"no"' "$tmp/answer"; then
        say "sshd would not let the gateway in as ${login:-root}"
        return 1
    fi
}

join() {
    check --address "$address" 'A-Za-z0-9.:[]-' 300
    [ -n "$name" ] || name=$(uname -n)
    check --name "$name" A-Za-z0-9.- 253
    [ -z "$login" ] || check --probe-login "$login" A-Za-z0-9._- 32
    [ -z "$(printf '%s' "$labels" | tr -dc '\000-\037\177')" ] || die '--labels: has control characters' 2
    pin='' merged='' drop_in=''
    want_cert=''
    if [ -f "$state" ]; then
        pin=$(remembered ca_pin | tr -dc A-Za-z0-9)
        # A machine that has joined keeps its certificates, and asks for others where these will not do.
        [ -z "$(remembered certificate)" ] || host_cert=yes
        node=$(remembered node)
    fi
    read_token
    included >"$tmp/included"
    while IFS= read -r inside; do
        case $inside in /*) ;; *) inside=/etc/ssh/$inside ;; esac
        if [ -d "$inside" ]; then drop_in=$inside/50-mezite.conf; break; fi
    done <"$tmp/included"
    foreign=$(in_force "$config" trustedusercakeys)
    if [ -n "$foreign" ] && [ "$foreign" != "$ca_file" ]; then
        [ -n "$merge" ] || die "sshd trusts the CAs in $foreign already, and takes one TrustedUserCAKeys only. With --merge-ca the
cluster's keys are written into that file, in a marked block; or remove that line first"
        merged=$foreign
    fi
    if [ -n "$host_cert" ] && in_force "$config" hostcertificate | grep -q -v "^$folder/mezite_"; then
        die 'sshd has a host certificate already; leave --host-cert out'
    fi
    # Everything that can be seen to fail fails before the token is spent.
    texts
    cat "$tmp/own" "$tmp/main" >"$tmp/rehearsal"
    sshd_test "$tmp/rehearsal" || die 'nothing was changed'
    trusts_us "$tmp/rehearsal" || die 'nothing was changed'

    request=$(new_id)
    digest=-
    [ -z "$token" ] || digest=$(printf '%s' "$(printf '%s' "$token" | sha256)" | sha256)
    text=$(printf 'node-join\n%s\n%s\n%s\n%s' "$request" "$digest" "$name" "$address")
    host_keys >"$tmp/keys"
    if [ -n "$host_cert" ]; then
        while IFS= read -r key; do
            [ -n "$node" ] && good_certificate "$folder/mezite_$(basename "$key")-cert.pub" || want_cert=yes
        done <"$tmp/keys"
    fi
    list=''
    while IFS= read -r key; do
        by=$(proven "$key" "$text")
        if [ -n "$by" ]; then list=$list${list:+,}$by; else say "note: the host key $key is left out"; fi
    done <"$tmp/keys"
    [ -n "$list" ] || die 'no host key of this machine signs; it needs OpenSSH 8.0 or newer, and root'
    {
        printf '{"name":"%s","addr":"%s","request":"%s",' "$name" "$address" "$request"
        [ -z "$token" ] || printf '"token":"%s",' "$token"
        [ -z "$want_cert" ] || printf '"host_certificates":true,'
        [ -z "$labels" ] || printf '"labels":{"%s"},' \
            "$(printf '%s\n' "$labels" | sed 's/\\/\\\\/g; s/"/\\"/g; s/=/":"/g; s/,/","/g')"
        printf '"host_keys":[%s]}' "$list"
    } >"$tmp/body"
    for try in 1 2 3; do
        call /v1/nodes/join
        # The same request has the same outcome when its answer was lost.
        [ "$status" = 000 ] || break
        [ "$try" = 3 ] || sleep 1
    done
    rm -f "$tmp/body"
    token=''
    [ "$status" = 201 ] || refused
    node=$(sed -n 's/.*"node_id":"\([0-9a-f-]*\)".*/\1/p' "$tmp/answer")
    check "the gateway's answer" "$node" 0-9a-f- 36
    outcome=$(sed -n 's/.*"outcome":"\([a-z]*\)".*/\1/p' "$tmp/answer")

    if install_files && prove; then
        [ "$steps" -gt 0 ] || [ "$outcome" != unchanged ] || { say "nothing to do: $name is a node already"; exit 0; }
        say "joined: $name ($node)"
        [ -z "$proved" ] && say "note: it was not proved that sshd takes the gateway's certificates; use --probe-login"
        exit 0
    fi
    undo
    if [ "$outcome" = created ]; then
        ask leave ''
        [ "$status" = 204 ] || say "the entry stays: $(detail)"
    fi
    exit 1
}

prepare
if [ -n "$remove" ]; then remove; else join; fi
