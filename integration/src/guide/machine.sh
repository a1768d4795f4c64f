# Makes this shell's private view of the machine: what the guides change lives in memory, names resolve, ports are free.
# Arguments: the folder with the programs, the folder that is shared with the test.
set -eu
exec 3>&1 >&2
programs=$1 shared=$2
ip link set lo up
for address in 10.0.0.1 10.0.0.7 10.0.0.21 10.0.0.31 1.2.3.4; do ip address add "$address/32" dev lo; done
hostname server1

mount -t tmpfs tmpfs /mnt
mkdir /mnt/etc /mnt/guide
mount --bind "$shared" /mnt/guide
cp -a /etc/. /mnt/etc/
mount --bind /mnt/etc /etc
mount -t tmpfs tmpfs /usr/local/bin
for program in mezd mezctl msh; do
    touch "/usr/local/bin/$program"
    mount --bind "$programs/$program" "/usr/local/bin/$program"
done
for folder in /root /home /run /srv /tmp /var/lib; do mount -t tmpfs tmpfs "$folder"; done
chmod 1777 /tmp
mkdir /run/sshd
cd /root

cat >/etc/hosts <<'HOSTS'
127.0.0.1 localhost
10.0.0.1 gateway.example.com
10.0.0.7 db-legacy-01.internal
10.0.0.21 server1.example.com server1
10.0.0.31 web-server-01.internal
1.2.3.4 openssh-node.internal
HOSTS

# What systemd would do, on a machine that may not have it: a real reload, a real restart.
cat >/usr/local/bin/systemctl <<'SYSTEMCTL'
#!/bin/sh
case "$1 $2" in
    'reload ssh' | 'reload sshd') pid=$(cat /run/sshd.pid); rm /run/sshd.pid; kill -HUP "$pid" ;;
    'restart ssh' | 'restart sshd') kill "$(cat /run/sshd.pid)"; while [ -e /run/sshd.pid ]; do sleep 0.05; done; /usr/sbin/sshd ;;
    *) echo "systemctl: $* is not known here" >&2; exit 1 ;;
esac
# sshd writes it when it listens.
for _ in $(seq 600); do
    if [ -s /run/sshd.pid ]; then exit 0; fi
    sleep 0.05
done
exit 1
SYSTEMCTL
chmod 755 /usr/local/bin/systemctl

sed -i '/^\(ubuntu\|deploy\|alice\):/d' /etc/passwd /etc/shadow /etc/group /etc/gshadow
for account in ubuntu deploy alice; do useradd --create-home --user-group --shell /bin/bash --password '*' "$account"; done
usermod -p '*' root
rm -f /etc/ssh/ssh_host_*
ssh-keygen -q -A
/usr/sbin/sshd

setsid mezd gateway start --cluster-name example.com --data-dir /var/lib/mezite --public-addr gateway.example.com \
    --ssh-listen 0.0.0.0:3023 --https-listen 0.0.0.0:443 --https-listen 0.0.0.0:3025 --https-listen 0.0.0.0:3080 \
    >/dev/null 2>/mnt/guide/gateway.log </dev/null &
mezctl status --wait 30s >/dev/null
# The operator's systems trust the gateway's certificate.
cat /var/lib/mezite/tls-ca.pem >>/etc/ssl/certs/ca-certificates.crt
echo ready >&3
exec sleep infinity 3>&-
