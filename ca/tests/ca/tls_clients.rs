//! Client certificates as clients show them: which are believed, and why the others are not.

use std::time::{Duration, SystemTime};

use mezite_ca::{
    CaKind, ClientCertificateRefusal as Refusal, ClientCertificateRequest, ClientIdentity, ClientTrust,
    KeyAlgorithm, Permits, PublicKey, SshCaKey, TlsCa, UserCertificateRequest, issue_user_certificate,
    verify_client_certificate,
};
use p256::pkcs8::EncodePublicKey as _;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, PKCS_ECDSA_P384_SHA384, SanType,
};
use rustls::pki_types::CertificateDer;

const CLUSTER: &str = "example.org";
const WINDOW: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);

fn spki() -> Vec<u8> {
    let secret = p256::SecretKey::from_slice(&[9; 32]).unwrap();
    secret.public_key().to_public_key_der().unwrap().as_bytes().to_vec()
}

fn alice() -> ClientIdentity {
    ClientIdentity::User { user: "alice".to_owned() }
}

fn bot() -> ClientIdentity {
    ClientIdentity::Bot { bot: "deploy".to_owned(), generation: 3, instance: "i-1".to_owned() }
}

fn issue(ca: &TlsCa, identity: &ClientIdentity, now: SystemTime) -> CertificateDer<'static> {
    let public_key = &spki();
    ca.client_certificate(
        &ClientCertificateRequest { identity, public_key, lifetime: HOUR, beside: None },
        now,
    )
    .unwrap()
    .der
}

fn our_ca() -> (TlsCa, ClientTrust) {
    let ca = TlsCa::generate(CLUSTER, jiff::Timestamp::now()).unwrap();
    let trust = ClientTrust::new(CLUSTER, &[ca.certificate().clone()], WINDOW).unwrap();
    (ca, trust)
}

#[test]
fn what_the_ca_has_issued_is_believed() {
    let (ca, trust) = our_ca();
    let now = SystemTime::now();
    for identity in [alice(), bot()] {
        let leaf = issue(&ca, &identity, now);
        let alone = verify_client_certificate(std::slice::from_ref(&leaf), &trust, now).unwrap();
        let chain = [leaf, ca.certificate().clone()];
        let with_ca = verify_client_certificate(&chain, &trust, now).unwrap();
        assert_eq!(alone, with_ca);
        assert_eq!(alone.identity, identity);
        assert!(alone.is_current(now));
        let life = alone.valid_before.duration_since(alone.valid_after).unwrap();
        assert_eq!(life, HOUR + Duration::from_mins(1));
    }
}

#[test]
fn what_was_issued_is_what_is_read() {
    let (ca, trust) = our_ca();
    let public_key = &spki();
    let request = ClientCertificateRequest { identity: &alice(), public_key, lifetime: HOUR, beside: None };
    let issued = ca.client_certificate(&request, SystemTime::now()).unwrap();
    let read = verify_client_certificate(&[issued.der], &trust, SystemTime::now()).unwrap();
    assert_eq!((read.serial, read.key_digest), (issued.serial, issued.key_digest));
}

#[test]
fn what_is_issued_beside_an_ssh_certificate_has_its_serial_and_names_its_key() {
    let (ca, trust) = our_ca();
    let now = SystemTime::now();
    let ssh_ca = SshCaKey::generate(CaKind::User, KeyAlgorithm::Ed25519, jiff::Timestamp::now()).unwrap();
    let key = PublicKey::from_line(
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    )
    .unwrap();
    let request = UserCertificateRequest {
        user: "alice".to_owned(),
        key: key.clone(),
        logins: Vec::new(),
        lifetime: HOUR,
        source_addresses: Vec::new(),
        permits: Permits::default(),
        bot: None,
    };
    let ssh = issue_user_certificate(&ssh_ca, &request, now).unwrap();
    let request = ClientCertificateRequest {
        identity: &alice(),
        public_key: &spki(),
        lifetime: HOUR,
        beside: Some(ssh.body()),
    };
    let issued = ca.client_certificate(&request, now).unwrap();
    let read = verify_client_certificate(&[issued.der], &trust, now).unwrap();
    assert_eq!((read.serial, read.ssh_key.as_deref()), (ssh.body().serial, Some(&*key.fingerprint())));
    let alone = verify_client_certificate(&[issue(&ca, &alice(), now)], &trust, now).unwrap();
    assert_eq!(alone.ssh_key, None);
}

#[test]
fn hostile_063_the_validity_has_no_tolerance_at_its_end() {
    let (ca, trust) = our_ca();
    let now = SystemTime::now();
    let judge = |identity: &ClientIdentity, now: SystemTime, later: Duration| {
        verify_client_certificate(&[issue(&ca, identity, now)], &trust, now + later)
    };
    judge(&alice(), now, HOUR.checked_sub(Duration::from_secs(2)).unwrap()).unwrap();
    assert_eq!(judge(&alice(), now, HOUR).unwrap_err(), Refusal::Expired);
    // A bot's is still believed to be the bot's, which may renew it and do nothing else.
    let lapsed = judge(&bot(), now, WINDOW).unwrap();
    assert!(!lapsed.is_current(now + WINDOW));
    assert_eq!(judge(&bot(), now, WINDOW + HOUR).unwrap_err(), Refusal::Expired);
    let ahead = |by: u64| {
        let leaf = issue(&ca, &alice(), now + Duration::from_secs(by));
        verify_client_certificate(&[leaf], &trust, now)
    };
    ahead(119).unwrap();
    assert_eq!(ahead(125).unwrap_err(), Refusal::NotYetValid);
}

#[test]
fn hostile_063_other_cas_chains_and_usages() {
    let (ca, trust) = our_ca();
    let (other, _) = our_ca();
    let now = SystemTime::now();
    let ours = issue(&ca, &alice(), now);
    let server = ca.server_certificate(&["gateway".to_owned()], HOUR, now).unwrap();
    let trailing = CertificateDer::from([&ours[..], &[0]].concat());
    let mut flipped = ours.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let flipped = CertificateDer::from(flipped);
    for (label, chain, refusal) in [
        ("nothing", vec![], Refusal::Chain),
        ("chain of 50", vec![ours.clone(); 50], Refusal::Chain),
        ("another CA of the same name", vec![issue(&other, &alice(), now)], Refusal::Unverified),
        (
            "the same with our CA behind it",
            vec![issue(&other, &alice(), now), ca.certificate().clone()],
            Refusal::Unverified,
        ),
        ("the server's", vec![server.chain[0].clone()], Refusal::Identity),
        ("the CA's own", vec![ca.certificate().clone()], Refusal::Identity),
        ("bytes behind it", vec![trailing], Refusal::Malformed),
        ("a bit of the signature", vec![flipped], Refusal::Unverified),
        ("noise", vec![CertificateDer::from(vec![0x30; 64])], Refusal::Malformed),
    ] {
        let refused = verify_client_certificate(&chain, &trust, now);
        assert_eq!(refused.err(), Some(refusal), "{label}");
    }
    let nobody = ClientTrust::new(CLUSTER, &[], WINDOW).unwrap();
    assert_eq!(
        verify_client_certificate(std::slice::from_ref(&ours), &nobody, now).err(),
        Some(Refusal::UnknownCa)
    );
    let elsewhere = ClientTrust::new("example.com", &[ca.certificate().clone()], WINDOW).unwrap();
    assert_eq!(verify_client_certificate(&[ours], &elsewhere, now).err(), Some(Refusal::Identity));
}

/// A CA whose key the test has, and which signs what ours never does.
struct LooseCa {
    issuer: Issuer<'static, KeyPair>,
    trust: ClientTrust,
}

impl LooseCa {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "loose");
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let trust = ClientTrust::new(CLUSTER, &[certificate], WINDOW).unwrap();
        Self { issuer: Issuer::new(params, key), trust }
    }

    fn judge(
        &self,
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<ClientIdentity, Refusal> {
        let mut params = CertificateParams::default();
        params.serial_number = Some(7.into());
        params.not_before = (SystemTime::now() - HOUR).into();
        params.not_after = (SystemTime::now() + HOUR).into();
        params.subject_alt_names = vec![uri("mezite://example.org/user/alice")];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let leaf = params.signed_by(key, &self.issuer).unwrap().der().clone();
        let verified = verify_client_certificate(&[leaf], &self.trust, SystemTime::now());
        verified.map(|certificate| certificate.identity.clone())
    }
}

fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

#[test]
fn hostile_063_identity_comes_from_one_field_that_the_ca_has_signed() {
    let (ca, key) = (LooseCa::new(), KeyPair::generate().unwrap());
    let alice = Ok(alice());
    assert_eq!(ca.judge(&key, |_| ()), alice);
    let admin = |params: &mut CertificateParams| params.distinguished_name.push(DnType::CommonName, "root");
    assert_eq!(ca.judge(&key, admin), alice, "the common name is for people");
    let names = |names: Vec<SanType>| {
        ca.judge(&key, move |params| {
            params.subject_alt_names = names;
            params.distinguished_name.push(DnType::CommonName, "alice");
        })
    };
    let ours = || uri("mezite://example.org/user/alice");
    for (label, names_in_it) in [
        ("none", vec![]),
        ("two", vec![ours(), uri("mezite://example.org/user/root")]),
        ("the same twice", vec![ours(), ours()]),
        ("another kind", vec![SanType::Rfc822Name("alice@example.org".try_into().unwrap())]),
        ("one more of another kind", vec![ours(), SanType::DnsName("root".try_into().unwrap())]),
        ("another cluster", vec![uri("mezite://example.com/user/alice")]),
    ] {
        assert_eq!(names(names_in_it), Err(Refusal::Identity), "{label}");
    }
}

#[test]
fn hostile_063_what_is_signed_for_something_else() {
    let (ca, key) = (LooseCa::new(), KeyPair::generate().unwrap());
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let usages =
        |usages: Vec<ExtendedKeyUsagePurpose>| ca.judge(&key, |params| params.extended_key_usages = usages);
    assert_eq!(usages(vec![ExtendedKeyUsagePurpose::ServerAuth]), Err(Refusal::Usage));
    assert_eq!(usages(vec![]), Err(Refusal::Usage));
    assert_eq!(usages(vec![ExtendedKeyUsagePurpose::Any]), Err(Refusal::Usage));
    let is_ca = ca.judge(&key, |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    assert_eq!(is_ca, Err(Refusal::Usage));
    assert_eq!(ca.judge(&p384, |_| ()), Err(Refusal::Key));
    let long = ca.judge(&key, |params| params.not_after = (SystemTime::now() + 800 * HOUR).into());
    assert_eq!(long, Err(Refusal::Lifetime));
    let backwards = ca.judge(&key, |params| params.not_after = (SystemTime::now() - 2 * HOUR).into());
    assert_eq!(backwards, Err(Refusal::Malformed));
    let critical = ca.judge(&key, |params| {
        let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
        unknown.set_criticality(true);
        params.custom_extensions.push(unknown);
    });
    assert_eq!(critical, Err(Refusal::Malformed));
}
