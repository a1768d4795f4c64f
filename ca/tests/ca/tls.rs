//! X.509: real handshakes, and what the certificates say.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mezite_ca::{ClientCertificateRequest, ClientIdentity, ServerCertificate, TlsCa, TlsError};
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

const DAY: Duration = Duration::from_hours(24);

fn ca() -> TlsCa {
    TlsCa::generate("example.org", jiff::Timestamp::now()).unwrap()
}

fn roots(ca: &TlsCa) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate().clone()).unwrap();
    Arc::new(roots)
}

fn server_certificate(ca: &TlsCa, names: &[&str]) -> ServerCertificate {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    ca.server_certificate(&names, 90 * DAY, SystemTime::now()).unwrap()
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn user(name: &str) -> ClientIdentity {
    ClientIdentity::User { user: name.to_owned() }
}

fn bot(name: &str, generation: u64) -> ClientIdentity {
    ClientIdentity::Bot { bot: name.to_owned(), generation, instance: "i-1".to_owned() }
}

/// A client's key and certificate.
struct Client {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

fn client(ca: &TlsCa, identity: &ClientIdentity) -> Client {
    let secret = p256::SecretKey::from_slice(&[9; 32]).unwrap();
    let spki = secret.public_key().to_public_key_der().unwrap();
    let request = ClientCertificateRequest {
        identity,
        public_key: spki.as_bytes(),
        lifetime: Duration::from_hours(1),
        beside: None,
    };
    let certificate = ca.client_certificate(&request, SystemTime::now()).unwrap().der;
    let key = PrivatePkcs8KeyDer::from(secret.to_pkcs8_der().unwrap().as_bytes().to_vec());
    Client { chain: vec![certificate], key: key.into() }
}

/// A handshake in memory: `Ok` when both sides have finished it.
fn handshake(
    server: ServerCertificate,
    server_roots: &TlsCa,
    client_roots: &TlsCa,
    name: &str,
    client: Option<Client>,
) -> Result<(), rustls::Error> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(server_roots), provider())
        .allow_unauthenticated()
        .build()
        .unwrap();
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(server.chain, server.key)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(client_roots));
    let config = match client {
        Some(client) => config.with_client_auth_cert(client.chain, client.key)?,
        None => config.with_no_client_auth(),
    };
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut incoming = wire.as_slice();
        while !incoming.is_empty() {
            server.read_tls(&mut incoming).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut incoming = wire.as_slice();
        while !incoming.is_empty() {
            client.read_tls(&mut incoming).unwrap();
            client.process_new_packets()?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(())
}

#[test]
fn clients_that_know_the_ca_believe_the_server() {
    let ca = ca();
    let names = ["gateway.example.org", "localhost", "127.0.0.1", "::1"];
    for name in names {
        handshake(server_certificate(&ca, &names), &ca, &ca, name, None)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let other_name = handshake(server_certificate(&ca, &names), &ca, &ca, "other.example.org", None);
    assert!(other_name.is_err());
    let other_ca = handshake(server_certificate(&ca, &names), &ca, &self::ca(), "localhost", None);
    assert!(other_ca.is_err());
}

#[test]
fn a_client_certificate_of_this_ca_is_believed_and_of_another_is_not() {
    let (ca, other) = (ca(), ca());
    let alice = &user("alice");
    let server = || server_certificate(&ca, &["localhost"]);
    handshake(server(), &ca, &ca, "localhost", Some(client(&ca, alice))).unwrap();
    let foreign = handshake(server(), &ca, &ca, "localhost", Some(client(&other, alice)));
    assert!(foreign.is_err());
    // A server's certificate is no client's.
    let borrowed = server_certificate(&ca, &["localhost"]);
    let borrowed = Client { chain: borrowed.chain, key: borrowed.key };
    assert!(handshake(server(), &ca, &ca, "localhost", Some(borrowed)).is_err());
}

#[test]
fn a_client_certificate_says_whose_it_is() {
    let ca = ca();
    for (identity, name, kind, uri) in [
        (user("alice"), "alice", "user", "mezite://example.org/user/alice"),
        (bot("deploy", 7), "deploy", "bot", "mezite://example.org/bot/deploy/generation/7/instance/i-1"),
    ] {
        let client = client(&ca, &identity);
        let (_, certificate) = X509Certificate::from_der(client.chain.first().unwrap()).unwrap();
        let subject = certificate.subject();
        assert_eq!(subject.iter_common_name().next().unwrap().as_str().unwrap(), name);
        assert_eq!(subject.iter_organization().next().unwrap().as_str().unwrap(), kind);
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names, [GeneralName::URI(uri)]);
        let usage = certificate.extended_key_usage().unwrap().unwrap();
        assert!(usage.value.client_auth && !usage.value.server_auth);
        assert!(!certificate.is_ca());
        let validity = certificate.validity();
        let life = validity.not_after.timestamp() - validity.not_before.timestamp();
        assert_eq!(life, 3660);
    }
}

#[test]
fn names_and_keys_that_cannot_be_certified() {
    let ca = ca();
    let secret = p256::SecretKey::from_slice(&[9; 32]).unwrap();
    let spki = secret.public_key().to_public_key_der().unwrap();
    let issue = |user: &str, public_key: &[u8]| {
        let lifetime = Duration::from_mins(1);
        let request =
            ClientCertificateRequest { identity: &self::user(user), public_key, lifetime, beside: None };
        ca.client_certificate(&request, SystemTime::now())
    };
    assert!(issue("a.b@c+d-e_f", spki.as_bytes()).is_ok());
    for user in ["", "x/../admin", "a b", "a\n", "é", &"x".repeat(65)] {
        assert!(matches!(issue(user, spki.as_bytes()), Err(TlsError::Identity(_))), "{user:?}");
    }
    let trailing = [spki.as_bytes(), &[0]].concat();
    let mut off_curve = spki.as_bytes().to_vec();
    *off_curve.last_mut().unwrap() ^= 1;
    for key in [&[][..], b"key", &trailing, &off_curve] {
        assert!(matches!(issue("alice", key), Err(TlsError::ClientKey)), "{key:?}");
    }
    let long = "x".repeat(64);
    for name in ["", "*.example.org", "a b", "-x.org", "x..org", "ex\u{e4}mple.org", &long, "a\0"] {
        let refused = ca.server_certificate(&[name.to_owned()], DAY, SystemTime::now());
        assert!(matches!(refused, Err(TlsError::Name(_))), "{name:?}");
    }
    assert!(matches!(ca.server_certificate(&[], DAY, SystemTime::now()), Err(TlsError::NameCount)));
    let forever = ca.server_certificate(&["a".to_owned()], 400 * DAY, SystemTime::now());
    assert!(matches!(forever, Err(TlsError::Lifetime { .. })));
}

#[test]
fn what_clients_pin_is_the_key_of_the_certificate() {
    let ca = ca();
    let (_, certificate) = X509Certificate::from_der(ca.certificate()).unwrap();
    assert_eq!(certificate.public_key().raw, ca.public_key());
}
