//! Keys at rest.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mezite_ca::{
    CaKeyError, CaKind, KeyAlgorithm, KeyFileError, Passphrase, SealError, SealRecord, SealSource,
    SealedCaKey, SealingKey, TlsCa, create_key_file,
};
use tempfile::TempDir;

use crate::support::*;

fn passphrase(text: &str) -> SealSource {
    SealSource::Passphrase(Passphrase::new(text.to_owned()).unwrap())
}

/// As it comes back from the store.
fn stored<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(value).unwrap()).unwrap()
}

fn key_file(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("seal.key");
    create_key_file(&path).unwrap();
    path
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_ca_key_comes_back_from_every_kind_of_seal() {
    let folder = TempDir::new().unwrap();
    for source in [passphrase("correct horse"), SealSource::KeyFile(key_file(&folder)), SealSource::Unsealed]
    {
        let (key, record) = SealRecord::create(&source).unwrap();
        assert_eq!(record.is_unsealed(), matches!(source, SealSource::Unsealed));
        let reopened = stored(&record).open(&source).unwrap();
        for algorithm in [KeyAlgorithm::Ed25519, KeyAlgorithm::P256] {
            let ca = ca_key(CaKind::User, algorithm);
            let opened = stored(&ca.seal(&key).unwrap()).open(&reopened).unwrap();
            assert_eq!(opened.public(), ca.public());
            assert_eq!(
                (opened.kind(), opened.algorithm(), opened.created()),
                (ca.kind(), algorithm, ca.created())
            );
        }
        let tls = TlsCa::generate("example.org", "2026-01-01T00:00:00Z".parse().unwrap()).unwrap();
        let opened = stored(&tls.seal(&key).unwrap()).open(&reopened).unwrap();
        assert_eq!((opened.public_key(), opened.pem()), (tls.public_key(), tls.pem()));
    }
}

#[test]
fn a_wrong_passphrase_is_its_own_error() {
    let (_, record) = SealRecord::create(&passphrase("correct horse")).unwrap();
    let wrong = record.open(&passphrase("correct horses")).unwrap_err();
    assert!(matches!(wrong, SealError::WrongPassphrase), "{wrong}");
    let other = record.open(&SealSource::Unsealed).unwrap_err();
    assert!(matches!(other, SealError::OtherMethod { .. }), "{other}");
    assert!(matches!(Passphrase::new("\n".to_owned()), Err(SealError::EmptyPassphrase)));
    // A line end, as a file has it, is not part of the passphrase.
    assert!(record.open(&passphrase("correct horse\n")).is_ok());
}

#[test]
fn another_key_file_is_its_own_error() {
    let (one, two) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (_, record) = SealRecord::create(&SealSource::KeyFile(key_file(&one))).unwrap();
    let wrong = record.open(&SealSource::KeyFile(key_file(&two))).unwrap_err();
    assert!(matches!(wrong, SealError::WrongKeyFile), "{wrong}");
}

#[test]
fn a_sealed_key_opens_only_as_itself() {
    let (key, _) = SealRecord::create(&passphrase("a")).unwrap();
    let (other, _) = SealRecord::create(&passphrase("a")).unwrap();
    let ca = ca_key(CaKind::User, KeyAlgorithm::Ed25519);
    let sealed = ca.seal(&key).unwrap();
    assert!(sealed.open(&other).is_err(), "another salt is another key");
    // Renamed to another CA, or its public half replaced: both are bound to the secret.
    let mut renamed = sealed.clone();
    renamed.kind = CaKind::OpenSsh;
    assert!(matches!(renamed.open(&key), Err(CaKeyError::Seal(SealError::Damaged))));
    let mut swapped = sealed.clone();
    swapped.public = ca_key(CaKind::User, KeyAlgorithm::Ed25519).public().line();
    assert!(matches!(swapped.open(&key), Err(CaKeyError::Seal(SealError::Damaged))));
    // Every changed byte of the ciphertext is seen.
    let text = serde_json::to_string(&sealed).unwrap();
    let at = text.find("ciphertext").unwrap() + 16;
    let mut changed = text.into_bytes();
    let byte = changed.get_mut(at).unwrap();
    *byte = if *byte == b'A' { b'B' } else { b'A' };
    let changed: SealedCaKey = serde_json::from_slice(&changed).unwrap();
    assert!(matches!(changed.open(&key), Err(CaKeyError::Seal(SealError::Damaged))));
}

#[test]
fn an_unsealed_secret_cannot_be_slipped_into_a_sealed_store() {
    let open = SealingKey::unsealed();
    let (key, _) = SealRecord::create(&passphrase("a")).unwrap();
    let planted = ca_key(CaKind::User, KeyAlgorithm::Ed25519).seal(&open).unwrap();
    assert!(matches!(planted.open(&key), Err(CaKeyError::Seal(SealError::NotSealed))));
    // Nor do its halves have to be believed where nothing is sealed.
    let mut swapped = planted;
    swapped.public = ca_key(CaKind::User, KeyAlgorithm::Ed25519).public().line();
    assert!(matches!(swapped.open(&open), Err(CaKeyError::Mismatch(CaKind::User))));
}

#[test]
fn a_tls_ca_needs_its_own_certificate() {
    let open = SealingKey::unsealed();
    let made = || TlsCa::generate("example.org", "2026-01-01T00:00:00Z".parse().unwrap()).unwrap();
    let mut swapped = made().seal(&open).unwrap();
    swapped.certificate = made().pem().to_owned();
    assert!(swapped.open(&open).is_err());
}

#[test]
fn sealed_keys_hide_the_secret() {
    let (key, record) = SealRecord::create(&passphrase("correct horse")).unwrap();
    let ca = ca_key(CaKind::User, KeyAlgorithm::Ed25519);
    let open = serde_json::to_value(ca.seal(&SealingKey::unsealed()).unwrap()).unwrap();
    let secret = open["secret"]["secret"].as_str().unwrap();
    let sealed = ca.seal(&key).unwrap();
    let text = serde_json::to_string(&sealed).unwrap();
    assert!(!text.contains(secret) && text.contains("xchacha20poly1305"), "{text}");
    let shown = format!("{sealed:?} {key:?} {record:?} {:?}", passphrase("correct horse"));
    assert!(!shown.contains("horse") && !shown.contains(secret), "{shown}");
}

#[test]
fn damaged_passphrase_parameters_do_not_eat_all_memory() {
    let (_, record) = SealRecord::create(&passphrase("a")).unwrap();
    let mut value = serde_json::to_value(&record).unwrap();
    value["method"]["passphrase"]["memory_kib"] = u32::MAX.into();
    let record: SealRecord = serde_json::from_value(value).unwrap();
    assert!(matches!(record.open(&passphrase("a")), Err(SealError::Parameters)));
}

#[test]
fn a_key_file_is_private_and_never_replaces_anything() {
    let folder = TempDir::new().unwrap();
    let path = key_file(&folder);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let before = fs::read(&path).unwrap();
    assert!(matches!(create_key_file(&path), Err(KeyFileError::Exists(_))));
    assert_eq!(fs::read(&path).unwrap(), before);
    // A link that somebody planted is not followed.
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("target"), &link).unwrap();
    assert!(matches!(create_key_file(&link), Err(KeyFileError::Exists(_))));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "nothing unfinished is left behind: {left:?}");
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = key_file(&folder);
    for mode in [0o640, 0o604, 0o620, 0o601] {
        chmod(&path, mode);
        let refused = SealingKey::from_key_file(&path).unwrap_err();
        assert!(matches!(refused, KeyFileError::Mode { mode: found, .. } if found == mode), "{refused}");
    }
    chmod(&path, 0o400);
    assert!(SealingKey::from_key_file(&path).is_ok());
}

#[test]
fn what_is_no_key_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = key_file(&folder);
    let text = fs::read_to_string(&path).unwrap();
    let file = folder.path().join("other");
    for content in
        ["", "\n", "mezite-seal-key-v1 \n", "mezite-seal-key-v1 AAAA\n", &text[1..], &format!("{text}{text}")]
    {
        fs::write(&file, content).unwrap();
        chmod(&file, 0o600);
        assert!(matches!(SealingKey::from_key_file(&file), Err(KeyFileError::Malformed(_))), "{content:?}");
    }
    assert!(matches!(SealingKey::from_key_file(folder.path()), Err(KeyFileError::NotAFile(_))));
    let absent = folder.path().join("absent");
    assert!(matches!(SealingKey::from_key_file(&absent), Err(KeyFileError::Io { .. })));
    // A pipe does not hold us up.
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert!(matches!(SealingKey::from_key_file(&pipe), Err(KeyFileError::NotAFile(_))));
}
