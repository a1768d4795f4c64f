//! Starting and stopping in one process.

use std::os::unix::fs::PermissionsExt as _;

use mezite_actors::run;
use mezite_store::AuditFilter;
use tempfile::TempDir;

use super::*;
use crate::config::Layer;

fn config(folder: &TempDir, ssh: &str) -> Config {
    let layer = Layer {
        data_dir: Some(folder.path().join("data")),
        cluster_name: Some("example".to_owned()),
        ssh_listen: Some(ssh.to_owned()),
        https_listen: Some(vec!["127.0.0.1:0".to_owned(), "127.0.0.1:0".to_owned()]),
        ..Layer::default()
    };
    Config::check(layer).unwrap()
}

fn start(folder: &TempDir, ssh: &str) -> Result<Gateway, StartError> {
    run(Gateway::start(config(folder, ssh)))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_gateway_starts_stops_and_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for round in 1..=2 {
        let gateway = start(&folder, "127.0.0.1:0").unwrap();
        assert!(gateway.services.shared.is_ready());
        let line = gateway.ready_line();
        assert!(line.starts_with("ready ssh=127.0.0.1:") && line.ends_with("/data/mezctl.sock"), "{line}");
        assert!(!line.contains(":0 ") && !line.contains(":0,"), "{line}");
        assert_eq!((mode(&data), mode(&data.join("tls-ca.pem"))), (0o700, 0o644));
        assert_eq!(mode(&data.join("mezctl.sock")), 0o600);
        let store = gateway.services.shared.store.clone();
        run(gateway.stop());
        assert!(!data.join("mezctl.sock").exists());
        for kind in ["gateway.start", "gateway.stop"] {
            let filter = AuditFilter { kind: Some(kind.to_owned()), ..AuditFilter::default() };
            assert_eq!(store.audit_page(&filter).unwrap().events.len(), round, "{kind}");
        }
    }
}

#[test]
fn a_port_that_is_taken_leaves_nothing_half_up() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = start(&folder, &address).err().unwrap();
    assert!(matches!(&error, StartError::Listen { address: named, .. } if *named == address), "{error}");
    assert!(!folder.path().join("data/mezctl.sock").exists());
    drop(taken);
    // The actors of the first attempt let go of the store when they are next polled.
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    let second = loop {
        match start(&folder, &address) {
            Err(StartError::Store(OpenError::InUse { .. })) if std::time::Instant::now() < deadline => {}
            outcome => break outcome.unwrap(),
        }
        std::thread::yield_now();
    };
    run(second.stop());
}

#[test]
fn a_data_folder_serves_one_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(&folder, "127.0.0.1:0").unwrap();
    let error = start(&folder, "127.0.0.1:0").err().unwrap();
    assert!(matches!(&error, StartError::Store(OpenError::InUse { .. })), "{error}");
    assert!(first.socket.exists());
    run(first.stop());
}
