//! What is revoked, compiled: asked with each certificate that is believed. Pure: no store, no clock.

use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use mezite_api::{Revocation, RevocationTarget, UserName};
use mezite_ca::PublicKey;
use serde::{Deserialize, Serialize};

use super::access::{Credential, Refusal};

/// Certificates are valid from so long before they are made.
const BACKDATED: SignedDuration = SignedDuration::from_mins(1);

/// A revocation as it lies in the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) revocation: Revocation,
    /// The numbers of the certificates that it names, and when each of them ends: for the list of sshd.
    #[serde(default)]
    pub(super) certificates: Vec<(u64, Timestamp)>,
    /// There are too many to name them: that list has the user's name in their place, until the last has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) whole_name: Option<Timestamp>,
}

impl Record {
    /// When what it names for sshd ends, one by one.
    pub(super) fn ends(&self) -> impl Iterator<Item = Timestamp> {
        self.certificates.iter().map(|(_, until)| *until).chain(self.whole_name)
    }
}

/// Everything that is revoked at one moment.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    serials: HashSet<u64>,
    keys: HashSet<String>,
    users: HashMap<UserName, Timestamp>,
    /// A revocation that cannot be read may be about anybody.
    unreadable: bool,
}

impl Revoked {
    /// Compiles records; nothing stands for one that cannot be read.
    pub(super) fn compile<'a>(records: impl Iterator<Item = &'a Option<Record>>) -> Self {
        let mut all = Self::default();
        for record in records {
            match record {
                Some(record) => all.add(&record.revocation),
                None => all.unreadable = true,
            }
        }
        all
    }

    fn add(&mut self, revocation: &Revocation) {
        match &revocation.target {
            RevocationTarget::Serial(serial) => drop(self.serials.insert(serial.get())),
            RevocationTarget::Key(key) => match PublicKey::from_key_data(key.key_data()) {
                Ok(key) => self.keys.extend(fingerprints(&key)),
                Err(_) => self.unreadable = true,
            },
            RevocationTarget::User(user) => match revocation.issued_before {
                Some(before) => {
                    let known = self.users.entry(user.clone()).or_insert(before);
                    *known = before.max(*known);
                }
                None => self.unreadable = true,
            },
        }
    }

    /// Refuses a certificate that is revoked; each where there is a revocation that cannot be read.
    pub(super) fn check(&self, user: &UserName, credential: &Credential) -> Result<(), Refusal> {
        if self.unreadable {
            return Err(Refusal::Unavailable("a revocation cannot be read".into()));
        }
        let by_user = self.users.get(user).is_some_and(|before| issued(credential.valid_after) < *before);
        let by_key = credential.keys.iter().any(|key| self.keys.contains(key));
        if by_user || by_key || self.serials.contains(&credential.serial) {
            return Err(Refusal::Revoked);
        }
        Ok(())
    }
}

/// When a certificate was made, in whole seconds.
pub(super) fn issued(valid_after: Timestamp) -> Timestamp {
    valid_after.saturating_add(BACKDATED).unwrap_or(Timestamp::MAX)
}

/// What a key is called in certificates of either kind: the fingerprint of SSH, and the digest of its X.509 form.
fn fingerprints(key: &PublicKey) -> impl Iterator<Item = String> + use<> {
    let x509 = key.subject_public_key_info().map(|spki| Credential::x509_key(&spki));
    std::iter::once(key.fingerprint()).chain(x509)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use mezite_api::UserKey;
    use uuid::Uuid;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn revoked(target: RevocationTarget, issued_before: Option<Timestamp>) -> Revoked {
        let revocation = Revocation {
            id: Uuid::nil(),
            target,
            fingerprint: None,
            issued_before,
            subject: None,
            certificates: 0,
            reason: None,
            created: at(0),
            created_by: "uid 0".into(),
            expires: None,
        };
        let record = Some(Record { revocation, certificates: Vec::new(), whole_name: None });
        Revoked::compile([record].iter())
    }

    /// A certificate of alice, made so many seconds after the beginning.
    fn credential(serial: u64, keys: &[&str], made: i64) -> Credential {
        let keys = keys.iter().map(ToString::to_string).collect();
        Credential { serial, keys, valid_after: at(made - 60) }
    }

    fn check(revoked: &Revoked, user: &str, credential: &Credential) -> Result<(), Refusal> {
        revoked.check(&UserName::parse(user).unwrap(), credential)
    }

    #[test]
    fn a_number_is_one_certificate() {
        let revoked = revoked(RevocationTarget::Serial(NonZeroU64::new(7).unwrap()), None);
        assert_eq!(check(&revoked, "alice", &credential(7, &["k"], 0)), Err(Refusal::Revoked));
        assert_eq!(check(&revoked, "alice", &credential(8, &["k"], 0)), Ok(()));
    }

    #[test]
    fn a_key_is_known_by_its_ssh_and_its_x509_form() {
        let revoked = revoked(RevocationTarget::Key(UserKey::parse(KEY).unwrap()), None);
        let key = PublicKey::from_line(KEY).unwrap();
        let x509 = Credential::x509_key(&key.subject_public_key_info().unwrap());
        for name in [&key.fingerprint(), &x509] {
            assert_eq!(check(&revoked, "alice", &credential(1, &["k", name], 0)), Err(Refusal::Revoked));
        }
        assert_eq!(check(&revoked, "alice", &credential(1, &["k"], 0)), Ok(()));
    }

    #[test]
    fn a_user_loses_what_was_issued_before_and_nothing_else() {
        let alice = RevocationTarget::User(UserName::parse("alice").unwrap());
        let revoked = revoked(alice, Some(at(100)));
        assert_eq!(check(&revoked, "alice", &credential(1, &[], 99)), Err(Refusal::Revoked));
        assert_eq!(check(&revoked, "alice", &credential(1, &[], 100)), Ok(()));
        assert_eq!(check(&revoked, "bob", &credential(1, &[], 99)), Ok(()));
    }

    #[test]
    fn what_cannot_be_read_refuses_everybody() {
        let refused = |revoked: &Revoked| {
            matches!(check(revoked, "alice", &credential(1, &[], 0)), Err(Refusal::Unavailable(_)))
        };
        assert!(refused(&Revoked::compile([None].iter())));
        let alice = RevocationTarget::User(UserName::parse("alice").unwrap());
        assert!(refused(&revoked(alice, None)), "a user without a time");
        assert!(!refused(&Revoked::default()));
    }
}
