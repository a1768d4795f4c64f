//! Makes the recordings anew, with the programs of the machine: `cargo test -p mezite-ssh -- --ignored recorded::make`, as
//! root on Debian 12, with `openssh-server`, `dropbear-bin` and `putty-tools`.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mezite_fixtures::{
    KeyType, Running, Scratch, Sshd, SshdOptions, account, eventually, free_port, generate_key, run,
};
use ssh_key::LineEnding;

use super::ours::{AsClient, AsServer, Ours, USER_KEY, key};
use super::transcript::Transcript;
use crate::random::seeded;

/// Plays our side on a socket until the peer or we are done, and keeps what was said.
fn record<O: Ours>(name: &str, shown: Vec<u8>, mut socket: TcpStream) {
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut transcript = Transcript { key: shown, turns: Vec::new() };
    seeded::with(name, || {
        let now = Instant::now();
        let mut ours = O::new(&transcript.key, now);
        let mut block = [0; 4096];
        loop {
            let output = ours.take_output();
            transcript.we_say(&output);
            // The peer may have left already.
            let _ = socket.write_all(&output);
            if ours.engine().error().is_some() {
                break;
            }
            match socket.read(&mut block) {
                Ok(0) => break,
                Err(e) if e.kind() == ErrorKind::ConnectionReset => break,
                Ok(count) => {
                    transcript.peer_says(&block[..count]);
                    ours.receive(&block[..count], now);
                }
                Err(e) => panic!("{name}: {e}: {:#?}", ours.journal()),
            }
        }
        println!("{name}: {:#?}", ours.journal());
    });
    transcript.write(name);
}

/// Records `client`, which is given the port of our server.
fn record_client(name: &str, scratch: &Scratch, client: impl FnOnce(u16) -> Command) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = client(listener.local_addr().unwrap().port());
    command.env("HOME", scratch.path()).env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
    let _running = Running::start(&mut command, &scratch.join("client.log"));
    record::<AsServer>(name, Vec::new(), listener.accept().unwrap().0);
}

/// Our user's key as files, with a certificate of a CA that is made for this; the key's and the CA's paths.
fn user_key(scratch: &Scratch, principal: &str) -> (PathBuf, PathBuf) {
    let private = key(USER_KEY);
    let path = scratch.write_private("user", private.to_openssh(LineEnding::LF).unwrap().as_bytes());
    scratch.write("user.pub", private.public_key().to_openssh().unwrap());
    let ca = scratch.join("ca");
    generate_key(&ca, KeyType::Ed25519);
    let mut sign = Command::new("ssh-keygen");
    sign.arg("-q").arg("-s").arg(&ca).args(["-I", "recorded", "-n", principal, "-V", "always:forever"]);
    run(sign.arg(scratch.join("user.pub"))).assert_ok();
    (path, ca)
}

#[test]
#[ignore = "writes fixtures/recorded"]
fn record_openssh_client() {
    let scratch = Scratch::new();
    let (key, _) = user_key(&scratch, "recorded");
    record_client("openssh-9.2-client", &scratch, |port| {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-p", &port.to_string(), "-o", "StrictHostKeyChecking=no"]);
        ssh.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-i"]).arg(key);
        ssh.args(["recorded@127.0.0.1", "echo recorded"]);
        ssh
    });
}

#[test]
#[ignore = "writes fixtures/recorded"]
fn record_putty_client() {
    let scratch = Scratch::new();
    let (key, _) = user_key(&scratch, "recorded");
    let ppk = scratch.join("user.ppk");
    run(Command::new("puttygen").arg(&key).args(["-O", "private", "-o"]).arg(&ppk)).assert_ok();
    let host_key = super::ours::key(super::ours::HOST_KEY);
    let host_key = host_key.public_key().fingerprint(ssh_key::HashAlg::Sha256).to_string();
    record_client("putty-0.78-client", &scratch, |port| {
        let mut plink = Command::new("plink");
        plink.args(["-ssh", "-batch", "-noagent", "-P", &port.to_string(), "-hostkey", &host_key, "-i"]);
        plink.arg(&ppk).arg("-cert").arg(scratch.join("user-cert.pub"));
        plink.args(["-l", "recorded", "127.0.0.1", "echo recorded"]);
        plink
    });
}

#[test]
#[ignore = "writes fixtures/recorded"]
fn record_dropbear_client() {
    let scratch = Scratch::new();
    let (key, _) = user_key(&scratch, "recorded");
    let own = scratch.join("user.dropbear");
    run(Command::new("dropbearconvert").args(["openssh", "dropbear"]).arg(&key).arg(&own)).assert_ok();
    record_client("dropbear-2022.83-client", &scratch, |port| {
        let mut dbclient = Command::new("dbclient");
        dbclient.args(["-y", "-y", "-p", &port.to_string(), "-i"]).arg(&own);
        dbclient.args(["recorded@127.0.0.1", "echo recorded"]);
        dbclient
    });
}

/// What `AsClient` shows: the login, and the certificate or nothing.
fn shown(certificate: Option<&Path>) -> Vec<u8> {
    let blob = certificate.map(|path| {
        let line = fs::read_to_string(path).unwrap();
        STANDARD.decode(line.split(' ').nth(1).unwrap()).unwrap()
    });
    [account::login().as_bytes(), b"\0", &blob.unwrap_or_default()].concat()
}

#[test]
#[ignore = "writes fixtures/recorded"]
fn record_openssh_server() {
    let scratch = Scratch::new();
    let (_, ca) = user_key(&scratch, account::login());
    let mut sshd = Sshd::start(&scratch, "sshd", &SshdOptions::default());
    sshd.trust(&fs::read_to_string(ca.with_extension("pub")).unwrap());
    let certificate = scratch.join("user-cert.pub");
    let socket = TcpStream::connect(sshd.address()).unwrap();
    record::<AsClient>("openssh-9.2-server", shown(Some(&certificate)), socket);
}

#[test]
#[ignore = "writes fixtures/recorded"]
fn record_dropbear_server() {
    let scratch = Scratch::new();
    user_key(&scratch, account::login());
    let host_key = scratch.join("host.dropbear");
    run(Command::new("dropbearkey").args(["-t", "ed25519", "-f"]).arg(&host_key)).assert_ok();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    // It looks for keys in the account's home and nowhere else: there is another one over it, for this process.
    let script = "home=$(getent passwd \"$1\" | cut -d: -f6) && mount -t tmpfs -o mode=700 none \"$home\" && \
                  mkdir -m 700 \"$home/.ssh\" && cp \"$2\" \"$home/.ssh/authorized_keys\" && \
                  chown -R \"$1\" \"$home\" && exec dropbear -F -E -r \"$3\" -p \"$4\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh", account::login()]);
    command.arg(scratch.join("user.pub")).arg(&host_key).arg(address.to_string());
    command.stdin(Stdio::null());
    let _running = Running::start(&mut command, &scratch.join("dropbear.log"));
    let socket = eventually("dropbear", || TcpStream::connect(address).ok());
    record::<AsClient>("dropbear-2022.83-server", shown(None), socket);
}
