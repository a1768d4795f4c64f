//! One lineage of certificates, and where a certificate that is shown stands in it. Pure: no store, no clock.

use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mezite_api::UserName;
use mezite_api::oidc::IdTokenSubject;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A job that is already running reads its pair late: so long the generation before is still let in for a connection.
pub const LATE_READER: Duration = Duration::from_mins(1);
/// So long the same request has the same answer.
pub const REPLAY_TIME: Duration = Duration::from_mins(10);

/// A pair of certificates that was given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Its generation.
    pub generation: u64,
    /// The fingerprint of its key.
    pub key: String,
    /// The serial of the SSH certificate.
    pub serial: u64,
    /// The serial of the TLS certificate.
    pub tls_serial: u64,
    /// When both end.
    pub expires: Timestamp,
}

/// A pair that was given out and not used yet, with what is needed to give it out again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The pair.
    pub pair: Pair,
    /// The request that asked for it.
    pub request: Uuid,
    /// When it was given out.
    pub at: Timestamp,
    /// The SSH certificate, one line.
    pub certificate: String,
    /// The TLS certificate, PEM.
    pub tls_certificate: String,
}

impl Pending {
    /// Whether this is the answer to that request, which was asked for again because it did not arrive.
    pub fn answers(&self, request: Uuid, key: &str, now: Timestamp) -> bool {
        let age = now.duration_since(self.at);
        self.request == request && self.pair.key == key && age <= signed(REPLAY_TIME)
    }
}

/// The pair before the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// The pair.
    pub pair: Pair,
    /// Since when it is not the current one any more.
    pub since: Timestamp,
}

/// An instance of a bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: Uuid,
    /// The bot's name.
    pub bot: UserName,
    /// And identity.
    pub bot_id: Uuid,
    /// The pair that is in use; none before the first use of the first.
    pub current: Option<Pair>,
    /// The pair that was given out and not used yet.
    pub pending: Option<Pending>,
    /// The pair before the current one.
    pub former: Option<Former>,
    /// When it joined.
    pub joined: Timestamp,
    /// And from where.
    pub joined_from: IpAddr,
    /// Who the id token said that it is, where it joined with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined_as: Option<IdTokenSubject>,
    /// When a pair was last given out or confirmed.
    pub last_seen: Timestamp,
    /// And who asked for it.
    pub last_source: IpAddr,
}

/// Which of the two certificates of a pair is shown, by its serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serial {
    /// The SSH certificate.
    Ssh(u64),
    /// The TLS certificate.
    Tls(u64),
}

/// A certificate that was verified and whose key was proven, in the words of the lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The instance that it names.
    pub instance: Uuid,
    /// The generation that it names.
    pub generation: u64,
    /// Itself.
    pub serial: Serial,
}

impl Shown {
    /// What a certificate says; nothing where it names no instance of ours.
    pub fn new(instance: &str, generation: u64, serial: Serial) -> Option<Self> {
        let id = Uuid::try_parse(instance).ok()?;
        // An id has several spellings; only ours is taken.
        (id.hyphenated().to_string() == instance).then_some(Self { instance: id, generation, serial })
    }
}

/// Where a certificate stands in its lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is of the pair in use.
    Current,
    /// It is of the pair that was given out last and is used for the first time.
    Pending,
    /// It is of the pair before, and was so moments ago.
    Late,
    /// It is none of these: old, replaced, or not of this record at all.
    Contradicted,
}

impl Instance {
    /// Where a certificate stands.
    pub fn standing(&self, shown: &Shown, now: Timestamp) -> Standing {
        let is = |pair: &Pair| {
            pair.generation == shown.generation
                && match shown.serial {
                    Serial::Ssh(serial) => pair.serial == serial,
                    Serial::Tls(serial) => pair.tls_serial == serial,
                }
        };
        if self.current.as_ref().is_some_and(is) {
            Standing::Current
        } else if self.pending.as_ref().is_some_and(|pending| is(&pending.pair)) {
            Standing::Pending
        } else if self
            .former
            .as_ref()
            .is_some_and(|former| is(&former.pair) && now.duration_since(former.since) <= signed(LATE_READER))
        {
            Standing::Late
        } else {
            Standing::Contradicted
        }
    }

    /// The pending pair was used: it is the current one now.
    pub fn confirm(&mut self, source: IpAddr, now: Timestamp) {
        if let Some(pending) = self.pending.take() {
            self.former = self.current.take().map(|pair| Former { pair, since: now });
            self.current = Some(pending.pair);
            self.seen(source, now);
        }
    }

    /// A pair was given out, in the place of one that was not used.
    pub fn give(&mut self, pending: Pending, source: IpAddr) {
        let now = pending.at;
        self.pending = Some(pending);
        self.seen(source, now);
    }

    fn seen(&mut self, source: IpAddr, now: Timestamp) {
        self.last_seen = now;
        self.last_source = source;
    }

    /// The generation in use; zero before the first use.
    pub fn generation(&self) -> u64 {
        self.current.as_ref().map_or(0, |pair| pair.generation)
    }

    /// When the newest pair ends.
    pub fn expires(&self) -> Timestamp {
        let pending = self.pending.as_ref().map(|pending| pending.pair.expires);
        let current = self.current.as_ref().map(|pair| pair.expires);
        pending.max(current).unwrap_or(self.joined)
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn pending(generation: u64, serial: u64) -> Pending {
        let pair = Pair { generation, key: "k".into(), serial, tls_serial: serial + 1000, expires: at(3600) };
        Pending {
            pair,
            request: Uuid::nil(),
            at: at(0),
            certificate: String::new(),
            tls_certificate: String::new(),
        }
    }

    fn joined() -> Instance {
        Instance {
            id: Uuid::nil(),
            bot: "deploy".parse().unwrap(),
            bot_id: Uuid::nil(),
            current: None,
            pending: Some(pending(1, 11)),
            former: None,
            joined: at(0),
            joined_from: HOME,
            joined_as: None,
            last_seen: at(0),
            last_source: HOME,
        }
    }

    fn ssh(generation: u64, serial: u64) -> Shown {
        Shown { instance: Uuid::nil(), generation, serial: Serial::Ssh(serial) }
    }

    #[test]
    fn the_first_use_of_either_certificate_confirms_a_pair() {
        let mut instance = joined();
        assert_eq!(instance.standing(&ssh(1, 11), at(1)), Standing::Pending);
        let tls = Shown { serial: Serial::Tls(1011), ..ssh(1, 0) };
        assert_eq!(instance.standing(&tls, at(1)), Standing::Pending);
        instance.confirm(HOME, at(1));
        assert_eq!(instance.standing(&ssh(1, 11), at(1)), Standing::Current);
        assert_eq!(instance.standing(&tls, at(1)), Standing::Current);
        assert_eq!((instance.generation(), instance.pending), (1, None));
    }

    #[test]
    fn hostile_076_what_is_not_of_the_record_contradicts_it() {
        let mut instance = joined();
        instance.confirm(HOME, at(1));
        instance.give(pending(2, 22), HOME);
        instance.give(pending(2, 33), HOME);
        for (generation, serial) in [(2, 22), (1, 99), (2, 11), (3, 33), (0, 11), (u64::MAX, 33)] {
            let shown = ssh(generation, serial);
            assert_eq!(instance.standing(&shown, at(2)), Standing::Contradicted, "{shown:?}");
        }
        // The serial of one certificate is nothing in the place of the other's.
        let crossed = Shown { serial: Serial::Tls(33), ..ssh(2, 0) };
        assert_eq!(instance.standing(&crossed, at(2)), Standing::Contradicted);
        assert_eq!(instance.standing(&ssh(2, 33), at(2)), Standing::Pending);
        assert_eq!(instance.standing(&ssh(1, 11), at(2)), Standing::Current);
    }

    #[test]
    fn the_pair_before_is_late_for_a_minute() {
        let mut instance = joined();
        instance.confirm(HOME, at(1));
        instance.give(pending(2, 22), HOME);
        instance.confirm(HOME, at(100));
        assert_eq!(instance.standing(&ssh(1, 11), at(160)), Standing::Late);
        assert_eq!(instance.standing(&ssh(1, 11), at(161)), Standing::Contradicted);
    }

    #[test]
    fn hostile_075_an_answer_is_given_again_for_ten_minutes_to_the_same_request_and_key() {
        let pending = pending(1, 11);
        assert!(pending.answers(Uuid::nil(), "k", at(600)));
        assert!(!pending.answers(Uuid::nil(), "k", at(601)));
        assert!(!pending.answers(Uuid::nil(), "other", at(1)));
        assert!(!pending.answers(Uuid::max(), "k", at(1)));
    }
}
