//! Row 87: the operator's own certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mezite_fixtures::{Gateway, GatewayOptions, Scratch, eventually, program, run};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber};

/// A CA of the operator's, and where the gateway looks for its certificate.
struct Operator {
    scratch: Scratch,
    issuer: Issuer<'static, KeyPair>,
    ca: PathBuf,
}

impl Operator {
    fn new() -> Self {
        let scratch = Scratch::new();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the operator's CA");
        let pem = params.self_signed(&key).unwrap().pem();
        let ca = scratch.write("operator-ca.pem", pem);
        Self { scratch, issuer: Issuer::new(params, key), ca }
    }

    fn certificate(&self) -> PathBuf {
        self.scratch.join("https.crt")
    }

    fn key(&self) -> PathBuf {
        self.scratch.join("https.key")
    }

    /// A pair for localhost with this serial, as PEM.
    fn pair(&self, serial: u64, expired: bool) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        if expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Puts a pair in its place, each file whole.
    fn install(&self, certificate: &str, key: &str, mode: u32) {
        let place = |path: &Path, text: &str, mode: u32| {
            let part = path.with_extension("part");
            fs::write(&part, text).unwrap();
            fs::set_permissions(&part, fs::Permissions::from_mode(mode)).unwrap();
            fs::rename(&part, path).unwrap();
        };
        place(&self.key(), key, mode);
        place(&self.certificate(), certificate, 0o644);
    }

    fn options(&self) -> GatewayOptions {
        let arguments = vec![
            format!("--https-cert-file={}", self.certificate().display()),
            format!("--https-key-file={}", self.key().display()),
        ];
        GatewayOptions { arguments, ..GatewayOptions::default() }
    }

    /// The serial of the certificate that a client who trusts only the operator's CA is shown.
    fn shown(&self, gateway: &Gateway) -> Option<u64> {
        let port = gateway.https().port();
        let mut curl = Command::new("curl");
        curl.args(["-sSv", "--noproxy", "*", "-w", "%{certs}", "-o", "/dev/null", "--cacert"]).arg(&self.ca);
        let said = run(curl.arg(format!("https://localhost:{port}/healthz")));
        assert_eq!(said.code, Some(0), "{said:?}");
        let text = said.out();
        let serial = text.lines().find_map(|line| line.strip_prefix("Serial Number:"))?;
        u64::from_str_radix(&serial.replace(':', ""), 16).ok()
    }
}

#[test]
fn hostile_087_what_cannot_be_used_leaves_the_last_good_certificate() {
    let operator = Operator::new();
    let (certificate, key) = operator.pair(0x11, false);
    operator.install(&certificate, &key, 0o600);
    let mut gateway = Gateway::start(&operator.scratch, operator.options());
    let mezctl = gateway.mezctl();
    assert_eq!(operator.shown(&gateway), Some(0x11));

    let (other, other_key) = operator.pair(0x12, false);
    let half = |text: &str| text[..text.len() / 2].to_owned();
    let (expired, expired_key) = operator.pair(0x13, true);
    let mut failures = 0;
    let mut refused = |label: &str, change: &dyn Fn()| {
        change();
        failures += 1;
        let events = eventually(&format!("an event for: {label}"), || {
            let mut events = mezctl.audit("gateway.certificate");
            events.retain(|event| event["outcome"] == "failed");
            (events.len() >= failures).then_some(events)
        });
        let event = events.last().unwrap();
        let file = event["file"].as_str().unwrap();
        assert!(file.ends_with("https.crt") || file.ends_with("https.key"), "{label}: {event}");
        assert!(event["reason"].as_str().is_some_and(|why| !why.is_empty()), "{label}: {event}");
        assert_eq!(operator.shown(&gateway), Some(0x11), "{label}: the last good one stays");
    };
    refused("half a certificate", &|| operator.install(&half(&other), &other_key, 0o600));
    refused("half a key", &|| operator.install(&other, &half(&other_key), 0o600));
    refused("another key", &|| operator.install(&other, &key, 0o600));
    refused("a key that others may read", &|| operator.install(&other, &other_key, 0o644));
    refused("expired", &|| operator.install(&expired, &expired_key, 0o600));
    refused("missing", &|| fs::remove_file(operator.certificate()).unwrap());
    operator.install(&other, &other_key, 0o600);
    eventually("the new certificate", || (operator.shown(&gateway) == Some(0x12)).then_some(()));
    let taken = mezctl.audit("gateway.certificate");
    assert_eq!(taken.last().unwrap()["outcome"], "ok", "{taken:?}");
    assert_eq!(taken.len(), 7, "one event a change: {taken:#?}");

    // Who knows the cluster's CA is still shown a certificate of it.
    mezctl.ok(&["users", "add", "root", "--roles=admin"]);
    let prefix = operator.scratch.join("root").display().to_string();
    mezctl.ok(&["auth", "sign", "--user=root", "--format=tls", "--out", &prefix]);
    let server = format!("localhost:{}", gateway.https().port());
    let mut remote = Command::new(program("mezctl"));
    remote.env_clear().args(["--server", &server, "--identity", &prefix, "nodes", "ls"]);
    run(&mut remote).assert_ok();
    // And who has neither that nor a pin, by what the system trusts.
    let pin_of_other = format!("sha256:{}", "0".repeat(64));
    let mut by_system = Command::new(program("mezctl"));
    by_system.env_clear().env("SSL_CERT_FILE", &operator.ca);
    fs::remove_file(format!("{prefix}.cas")).unwrap();
    run(by_system.args(["--server", &server, "--identity", &prefix, "nodes", "ls"])).assert_ok();
    let mut mispinned = Command::new(program("mezctl"));
    mispinned.env_clear().args(["--server", &server, "--identity", &prefix, "--ca-pin", &pin_of_other]);
    run(mispinned.args(["nodes", "ls"])).assert_code(6);
    gateway.assert_alive();
    assert!(gateway.stop().success());
}

#[test]
fn hostile_087_a_cold_start_says_which_file_and_makes_no_stand_in() {
    let operator = Operator::new();
    let (certificate, key) = operator.pair(1, false);
    let (_, other_key) = operator.pair(2, false);
    let (expired, expired_key) = operator.pair(3, true);
    let start = |label: &str, file: &Path| {
        let mut mezd = Command::new(program("mezd"));
        mezd.args([
            "gateway",
            "start",
            "--cluster-name=test",
            "--ssh-listen=127.0.0.1:0",
            "--https-listen=127.0.0.1:0",
        ]);
        mezd.arg("--data-dir").arg(operator.scratch.join("data")).args(operator.options().arguments);
        let said = run(&mut mezd);
        assert_eq!(said.code, Some(2), "{label}: {said:?}");
        assert!(said.err().contains(&file.display().to_string()), "{label}: {}", said.err());
        assert!(!said.out().contains("ready"), "{label}");
    };
    start("missing", &operator.certificate());
    operator.install(&certificate, &other_key, 0o600);
    start("another key", &operator.key());
    operator.install(&certificate, &key, 0o644);
    start("a key that others may read", &operator.key());
    operator.install(&expired, &expired_key, 0o600);
    start("expired", &operator.certificate());
    operator.install(&certificate[..certificate.len() / 2], &key, 0o600);
    start("half a certificate", &operator.certificate());
    operator.install(&certificate, &key[..key.len() / 2], 0o600);
    start("half a key", &operator.key());
    fs::remove_file(operator.key()).unwrap();
    operator.install(&certificate, &key, 0o600);
    let mut gateway = Gateway::start(&operator.scratch, operator.options());
    assert_eq!(operator.shown(&gateway), Some(1));
    assert!(gateway.stop().success());
}
