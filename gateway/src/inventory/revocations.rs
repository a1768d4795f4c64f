//! Changes of revocations, and lists of them: for people, and for sshd.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mezite_actors::{blocking, time};
use mezite_api::revocation::RevocationAdd;
use mezite_api::{Invalid, Revocation, RevocationTarget, UserName, escape};
use mezite_ca::{MAX_USER_LIFETIME, PublicKey, RevocationList};
use mezite_store::{AuditEntry, Batch, Keyspace, Precondition, ReadError, Revision};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::issued::{Issued, issued_serial, issued_to};
use super::revoked::Record;
use super::{By as _, Inventory, InventoryError, Operator, record};

/// The key of what says when revocations were last changed. No UUID is spelt like it.
pub(super) const CHANGED: &[u8] = b"changed";
/// The most certificates of a user that are named by their numbers.
const MAX_NAMED: usize = 10_000;
/// So long a revocation is kept after the certificates have ended: an expired one of a bot can still be renewed, for at
/// most so long.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Revocations that are forgotten with one change.
const FORGET: usize = 256;
/// What is signed in the last moment of a second has its event on disk so much later.
const ON_DISK: Duration = Duration::from_millis(200);

/// When revocations were last changed.
#[derive(Serialize, Deserialize)]
struct Changed {
    at: Timestamp,
}

impl Inventory {
    /// The revocations that are in force, oldest first.
    pub fn revocations(&self) -> Result<Vec<Revocation>, InventoryError> {
        let mut all: Vec<Revocation> =
            self.revocation_records()?.into_iter().map(|(record, _)| record.revocation).collect();
        all.sort_by_key(|revocation| revocation.created);
        Ok(all)
    }

    /// One revocation.
    pub fn revocation(&self, id: Uuid) -> Result<Revocation, InventoryError> {
        let missing = InventoryError::NotFound("revocation");
        let stored = self.store.get(Keyspace::Revocations, &key(id))?.ok_or(missing)?;
        let record: Record = record::read("revocation", &id.to_string(), &stored, |_| true)?;
        Ok(record.revocation)
    }

    /// Revokes. It is in force for every decision that begins after this answers, also when the store is full. Of a user
    /// this answers when the second is over up to which certificates are revoked: whoever logs in then has another one.
    pub async fn revoke(
        &self,
        operator: &Operator,
        add: RevocationAdd,
    ) -> Result<Revocation, InventoryError> {
        add.check()?;
        let created = Timestamp::now();
        let inventory = self.clone();
        let by = operator.to_string();
        let record = blocking::run(move || inventory.revocation_of(add, by, created)).await?;
        let key = key(record.revocation.id);
        let batch = Batch::new().require(Keyspace::Revocations, &key, Precondition::Absent);
        let revision = self.put_revocation(batch, operator, &record).await?;
        match record.revocation.issued_before {
            Some(before) => self.complete(operator, record, before, revision).await,
            None => Ok(record.revocation),
        }
    }

    /// Names the certificates too that were issued while the revocation was made.
    async fn complete(
        &self,
        operator: &Operator,
        mut record: Record,
        before: Timestamp,
        revision: Revision,
    ) -> Result<Revocation, InventoryError> {
        let left = before.duration_since(Timestamp::now()).try_into().unwrap_or(Duration::ZERO);
        time::sleep_until(Instant::now() + left + ON_DISK).await;
        let (inventory, known) = (self.clone(), record.certificates.clone());
        let record = blocking::run(move || {
            inventory.name_certificates(&mut record)?;
            Ok::<_, InventoryError>(record)
        })
        .await?;
        if record.certificates.iter().any(|certificate| !known.contains(certificate)) {
            let key = key(record.revocation.id);
            let batch = Batch::new().require(Keyspace::Revocations, &key, Precondition::Revision(revision));
            self.put_revocation(batch, operator, &record).await?;
        }
        Ok(record.revocation)
    }

    async fn put_revocation(
        &self,
        batch: Batch,
        operator: &Operator,
        record: &Record,
    ) -> Result<Revision, InventoryError> {
        let batch = batch
            .put(Keyspace::Revocations, &key(record.revocation.id), record::encode(record))
            .audit(event("cert.revoke", &record.revocation).by(operator));
        Ok(self.store.commit(self.changed(batch)?.essential()).await?)
    }

    /// Takes a revocation back, also one that cannot be read.
    pub async fn unrevoke(&self, operator: &Operator, id: Uuid) -> Result<(), InventoryError> {
        let key = key(id);
        let stored = match self.store.get(Keyspace::Revocations, &key) {
            Ok(None) => return Err(InventoryError::NotFound("revocation")),
            Ok(Some(stored)) => record::decode::<Record>(&stored.value),
            Err(ReadError::Damaged { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let event = match stored {
            Some(record) => event("cert.unrevoke", &record.revocation),
            None => AuditEntry::new("cert.unrevoke").with("revocation", id.to_string()),
        };
        let batch = Batch::new()
            .require(Keyspace::Revocations, &key, Precondition::Present)
            .delete(Keyspace::Revocations, &key)
            .audit(event.by(operator));
        self.store.commit(self.changed(batch)?.essential()).await?;
        Ok(())
    }

    /// The list for sshd: what is still valid and revoked. The same until something changes or ends.
    pub fn revocation_list(&self, now: Timestamp) -> Result<RevocationList, InventoryError> {
        let (changed, records) = self.store.read(|snapshot| {
            let changed = snapshot.get(Keyspace::Revocations, CHANGED)?;
            Ok::<_, ReadError>((changed, snapshot.prefix(Keyspace::Revocations, b"", usize::MAX)?))
        })?;
        let (version, mut date) = match changed {
            None => (0, Timestamp::UNIX_EPOCH),
            Some(stored) => {
                let changed: Changed = record::read("revocation", "changed", &stored, |_| true)?;
                (stored.revision, changed.at)
            }
        };
        let records = read_all(records)?;
        let ends = records.iter().flat_map(|(record, _)| record.ends());
        date = ends.filter(|until| *until <= now).fold(date, Timestamp::max);
        let date = u64::try_from(date.as_second()).unwrap_or(0);
        let mut list = RevocationList::new(version, date, &format!("mezite {}", self.cluster));
        for (record, _) in records {
            list_record(&mut list, &record, now)?;
        }
        Ok(list)
    }

    /// What is to be revoked, with what the audit log knows about it. Blocks.
    fn revocation_of(
        &self,
        add: RevocationAdd,
        created_by: String,
        created: Timestamp,
    ) -> Result<Record, InventoryError> {
        let mut revocation = Revocation {
            id: Uuid::new_v4(),
            target: add.target,
            fingerprint: None,
            issued_before: None,
            subject: None,
            certificates: 0,
            reason: add.reason,
            created,
            created_by,
            expires: None,
        };
        let longest = |from: Timestamp| {
            let life = SignedDuration::try_from(MAX_USER_LIFETIME).unwrap_or(SignedDuration::MAX);
            from.saturating_add(life).unwrap_or(Timestamp::MAX)
        };
        let mut record =
            Record { revocation: revocation.clone(), certificates: Vec::new(), whole_name: None };
        match &revocation.target {
            RevocationTarget::Serial(serial) => {
                self.refuse_second(&revocation.target)?;
                let until = match issued_serial(&self.store, serial.get(), created)? {
                    Some(Issued { host: true, .. }) => {
                        return Err(Invalid::new("serial", "is that of a host certificate").into());
                    }
                    Some(issued) => {
                        revocation.subject = UserName::parse(&issued.subject).ok();
                        issued.until
                    }
                    None => longest(created),
                };
                revocation.expires = Some(until);
                record.certificates.push((serial.get(), until));
            }
            RevocationTarget::Key(key) => {
                self.refuse_second(&revocation.target)?;
                revocation.fingerprint = Some(key.fingerprint().to_string());
            }
            RevocationTarget::User(user) => {
                // Certificates know whole seconds: this one counts as a whole.
                let before = Timestamp::from_second(created.as_second() + 1).unwrap_or(created);
                (revocation.issued_before, revocation.expires) = (Some(before), Some(longest(before)));
                revocation.subject = Some(user.clone());
            }
        }
        revocation.certificates = record.certificates.len();
        record.revocation = revocation;
        self.name_certificates(&mut record)?;
        if let RevocationTarget::User(user) = &record.revocation.target
            && record.revocation.certificates == 0
        {
            // Somebody who was removed may still have certificates; a name that nobody ever had is a mistake.
            self.user(user)?;
        }
        Ok(record)
    }

    /// Names all certificates of a user that were issued before. Blocks.
    fn name_certificates(&self, record: &mut Record) -> Result<(), InventoryError> {
        let (RevocationTarget::User(user), Some(before)) =
            (&record.revocation.target, record.revocation.issued_before)
        else {
            return Ok(());
        };
        let found = issued_to(&self.store, user, before)?;
        record.revocation.certificates = found.len();
        if found.len() > MAX_NAMED {
            record.whole_name = found.iter().map(|(_, until)| *until).max();
            record.certificates.clear();
        } else {
            record.certificates = found;
        }
        Ok(())
    }

    /// A number or a key is revoked once.
    fn refuse_second(&self, target: &RevocationTarget) -> Result<(), InventoryError> {
        let known = self.revocation_records()?.iter().any(|(record, _)| record.revocation.target == *target);
        if known { Err(InventoryError::Revoked) } else { Ok(()) }
    }

    fn revocation_records(&self) -> Result<Vec<(Record, Revision)>, InventoryError> {
        read_all(self.store.prefix(Keyspace::Revocations, b"", usize::MAX)?)
    }

    /// Notes the change, and forgets what nothing needs any more.
    fn changed(&self, batch: Batch) -> Result<Batch, InventoryError> {
        let now = Timestamp::now();
        let mut batch = batch.put(Keyspace::Revocations, CHANGED, record::encode(&Changed { at: now }));
        let stored = self.store.prefix(Keyspace::Revocations, b"", usize::MAX)?;
        let over = stored.into_iter().filter(|(key, stored)| {
            let record = if key == CHANGED { None } else { record::decode::<Record>(&stored.value) };
            let expires = record.and_then(|record| record.revocation.expires);
            expires.is_some_and(|expires| expires.saturating_add(KEPT).is_ok_and(|end| end < now))
        });
        for (key, stored) in over.take(FORGET) {
            batch = batch
                .require(Keyspace::Revocations, &key, Precondition::Revision(stored.revision))
                .delete(Keyspace::Revocations, &key);
        }
        Ok(batch)
    }
}

fn list_record(list: &mut RevocationList, record: &Record, now: Timestamp) -> Result<(), InventoryError> {
    let valid = record.certificates.iter().filter(|(_, until)| *until > now);
    match &record.revocation.target {
        RevocationTarget::User(user) if record.whole_name.is_some_and(|until| until > now) => {
            list.revoke_key_id(user.as_str());
        }
        RevocationTarget::User(_) | RevocationTarget::Serial(_) => {
            valid.for_each(|(serial, _)| list.revoke_serial(*serial));
        }
        RevocationTarget::Key(key) => {
            let unreadable =
                |_| InventoryError::Unreadable { what: "revocation", name: record.revocation.id.to_string() };
            list.revoke_key(&PublicKey::from_key_data(key.key_data()).map_err(unreadable)?);
        }
    }
    Ok(())
}

/// The records among what is stored. One that cannot be read is an error: a list without it would let somebody in.
fn read_all(stored: Vec<mezite_store::Entry>) -> Result<Vec<(Record, Revision)>, InventoryError> {
    let records = stored.into_iter().filter(|(key, _)| key != CHANGED);
    let read = |(key, stored): (Vec<u8>, mezite_store::Versioned)| {
        let name = escape(&key);
        Ok((record::read("revocation", &name, &stored, |_| true)?, stored.revision))
    };
    records.map(read).collect()
}

fn key(id: Uuid) -> Vec<u8> {
    id.hyphenated().to_string().into_bytes()
}

fn event(kind: &str, revocation: &Revocation) -> AuditEntry {
    let mut event = AuditEntry::new(kind).with("outcome", "ok").with("revocation", revocation.id.to_string());
    event = match &revocation.target {
        RevocationTarget::Serial(serial) => event.with("serial", serial.get()),
        RevocationTarget::Key(key) => event.with("key", key.fingerprint().to_string()),
        RevocationTarget::User(_) => event.with("certificates", revocation.certificates),
    };
    if let Some(subject) = &revocation.subject {
        event = event.with("subject", subject.as_str());
    }
    if let Some(before) = revocation.issued_before {
        event = event.with("issued_before", before.to_string());
    }
    if let Some(reason) = &revocation.reason {
        event = event.with("message", escape(reason));
    }
    event
}
