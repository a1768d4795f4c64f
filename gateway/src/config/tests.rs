//! Tests of the settings as a whole.

use super::*;

fn layer() -> Layer {
    Layer { cluster_name: Some("example".to_owned()), ..Layer::default() }
}

fn error(layer: Layer) -> String {
    Config::check(layer).unwrap_err().to_string()
}

#[test]
fn defaults_are_filled_in() {
    let config = Config::check(layer()).unwrap();
    assert_eq!(config.data_dir, Path::new("/var/lib/mezite"));
    assert_eq!(config.ssh_listen, "0.0.0.0:3023".parse().unwrap());
    let https: Vec<SocketAddr> = vec!["0.0.0.0:3080".parse().unwrap(), "0.0.0.0:3025".parse().unwrap()];
    assert_eq!(config.https_listen, https);
    assert!(
        config.own_seal_key
            && matches!(&config.seal, SealSource::KeyFile(path) if path == Path::new("/var/lib/mezite/seal.key"))
    );
    assert_eq!(config.key_algorithm, KeyAlgorithm::Ed25519);
    assert!(config.public_addr.contains(&"localhost".to_owned()));
    assert!(config.public_addr.contains(&"example".to_owned()));
    assert!(!config.public_addr.contains(&"0.0.0.0".to_owned()));
}

#[test]
fn the_cluster_needs_a_dns_name() {
    assert!(error(Layer::default()).contains("cluster_name"));
    for bad in ["", "a b", "-a", "a..b", "a/b", "ä"] {
        let layer = Layer { cluster_name: Some(bad.to_owned()), ..Layer::default() };
        assert!(error(layer).contains("cluster_name"), "{bad}");
    }
}

#[test]
fn listen_addresses_are_checked_by_name() {
    let ssh = |text: &str| Layer { ssh_listen: Some(text.to_owned()), ..layer() };
    assert_eq!(Config::check(ssh(":3023")).unwrap().ssh_listen, "0.0.0.0:3023".parse().unwrap());
    assert_eq!(Config::check(ssh("[::1]:0")).unwrap().ssh_listen, "[::1]:0".parse().unwrap());
    for bad in ["3023", "localhost:3023", "1.2.3.4", "1.2.3.4:65536", ""] {
        assert!(error(ssh(bad)).contains("ssh_listen"), "{bad}");
    }
    let https = Layer { https_listen: Some(vec![":1".to_owned(), "x".to_owned()]), ..layer() };
    assert!(error(https).contains("https_listen"));
    assert!(error(Layer { https_listen: Some(Vec::new()), ..layer() }).contains("https_listen"));
}

#[test]
fn public_names_lose_their_port() {
    let names = ["gw.example.org:443", "10.0.0.1", "::1", "gw.example.org", "[::1]:3080"];
    let layer = Layer { public_addr: Some(names.map(str::to_owned).to_vec()), ..layer() };
    assert_eq!(Config::check(layer).unwrap().public_addr, ["gw.example.org", "10.0.0.1", "::1"]);
}

#[test]
fn own_addresses_are_known_however_they_are_written() {
    let names = ["GW.example.org", "2001:DB8:0:0::1", "::ffff:192.0.2.1"];
    let layer = Layer { public_addr: Some(names.map(str::to_owned).to_vec()), ..layer() };
    let config = Config::check(layer).unwrap();
    for own in ["gw.example.org", "2001:db8::1", "192.0.2.1", "::ffff:c000:201"] {
        assert!(config.is_own_name(own), "{own}");
    }
    for other in ["gw.example", "2001:db8::2", "192.0.2.2", ""] {
        assert!(!config.is_own_name(other), "{other}");
    }
}

#[test]
fn bad_public_names_are_refused() {
    for bad in ["https://gw", "*.example.org", "a b", "gw\n", "user@gw"] {
        let layer = Layer { public_addr: Some(vec![bad.to_owned()]), ..layer() };
        assert!(error(layer).contains("public_addr"), "{bad}");
    }
}

#[test]
fn the_ssh_address_for_clients_is_a_host_and_a_port() {
    let with = |text: &str| Layer { ssh_public_addr: Some(text.to_owned()), ..layer() };
    let config = Config::check(with("gw.example.org:3023")).unwrap();
    assert_eq!(config.ssh_public_addr, Some(("gw.example.org".to_owned(), 3023)));
    for bad in ["gw", "gw:", "gw:0", "gw:65536", ":3023", "a b:1"] {
        assert!(error(with(bad)).contains("ssh_public_addr"), "{bad}");
    }
}

#[test]
fn one_way_to_seal_at_a_time() {
    let both = Layer { seal_key_file: Some("/k".into()), unsealed: Some(true), ..layer() };
    let error = error(both);
    assert!(error.contains("seal_key_file") && error.contains("unsealed"), "{error}");
    let unsealed = Layer { unsealed: Some(true), ..layer() };
    assert!(matches!(Config::check(unsealed).unwrap().seal, SealSource::Unsealed));
    let key = Layer { seal_key_file: Some("/k".into()), unsealed: Some(false), ..layer() };
    let config = Config::check(key).unwrap();
    assert!(
        !config.own_seal_key && matches!(config.seal, SealSource::KeyFile(path) if path == Path::new("/k"))
    );
}

#[test]
fn a_passphrase_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passphrase");
    std::fs::write(&path, "correct horse\n").unwrap();
    let config = Config::check(Layer { seal_passphrase_file: Some(path.clone()), ..layer() }).unwrap();
    assert!(matches!(config.seal, SealSource::Passphrase(_)));
    assert!(!format!("{config:?}").contains("correct horse"));
    std::fs::write(&path, "\n").unwrap();
    assert!(error(Layer { seal_passphrase_file: Some(path), ..layer() }).contains("empty"));
}

#[test]
fn a_fifo_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
    assert!(error(Layer { seal_passphrase_file: Some(path), ..layer() }).contains("not a regular file"));
}

#[test]
fn other_values_are_checked_too() {
    let algorithm = |name: &str| Layer { key_algorithm: Some(name.to_owned()), ..layer() };
    assert_eq!(Config::check(algorithm("p256")).unwrap().key_algorithm, KeyAlgorithm::P256);
    assert!(error(algorithm("rsa")).contains("key_algorithm"));
    let proxies = |text: &str| Layer { proxy_protocol_from: Some(vec![text.to_owned()]), ..layer() };
    assert_eq!(Config::check(proxies("10.0.0.0/8")).unwrap().proxy_protocol_from.len(), 1);
    assert_eq!(Config::check(proxies("10.0.0.1")).unwrap().proxy_protocol_from.len(), 1);
    assert!(error(proxies("10.0.0.0/33")).contains("proxy_protocol_from"));
}

#[test]
fn the_file_is_named_in_its_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.toml");
    std::fs::write(&path, "cluster_name = \"a\"\nwhat = 1\n").unwrap();
    let error = Config::load(Layer::default(), Layer::default(), Some(&path)).unwrap_err().to_string();
    assert!(error.contains("gateway.toml") && error.contains("what") && error.contains("line 2"), "{error}");
    let missing = folder.path().join("missing.toml");
    let error = Config::load(Layer::default(), Layer::default(), Some(&missing)).unwrap_err().to_string();
    assert!(error.contains("missing.toml"), "{error}");
}
