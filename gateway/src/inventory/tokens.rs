//! Join and set-up tokens: what is kept of them, and how one is spent. Of the secret itself only its digest is kept.

mod several;

use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mezite_actors::blocking;
use mezite_api::bot::{DEFAULT_TOKEN_TTL, TokenState};
use mezite_api::reusable::Reusable;
use mezite_api::token::{FreeTokenType, TokenAdd, TokenInfo, TokenType, TokenUsed};
use mezite_api::{Labels, UserName};
use mezite_ca::{RandomFailed, Token, TokenDigest, TokenKind};
use mezite_store::{AuditEntry, Batch, Keyspace, Precondition, Revision};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{By as _, Inventory, InventoryError, Operator, record};

pub use several::SeveralUses;

/// Tokens that are listed. Spent ones go with what they were for, or when somebody removes them.
const MAX_TOKENS: usize = 100_000;

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its name in events and lists.
    pub id: Uuid,
    /// SHA-256 of the token without its suffix, in hex.
    digest: String,
    /// What it is good for.
    pub purpose: TokenPurpose,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it can be used.
    pub expires: Timestamp,
    /// Who made it.
    pub created_by: String,
    /// Its one use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<TokenUse>,
    /// What it is in place of that, where it is for several uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub several: Option<SeveralUses>,
}

impl TokenRecord {
    /// What has become of it.
    pub fn state(&self) -> TokenState {
        let is_spent = match &self.several {
            Some(several) => several.left() == 0,
            None => self.spent.is_some(),
        };
        if is_spent {
            TokenState::Spent
        } else if self.expires <= Timestamp::now() {
            TokenState::Expired
        } else {
            TokenState::Open
        }
    }

    /// Whether it may be used from there.
    pub fn permits(&self, source: IpAddr) -> bool {
        self.several.as_ref().is_none_or(|several| several.terms().permits(source))
    }

    /// The use by this request; for a token of one use, its use by whomever.
    pub fn used_by(&self, request: Uuid) -> Option<&TokenUse> {
        let several = self.several.as_ref();
        several.and_then(|several| several.used_by(request)).or(self.spent.as_ref())
    }

    /// How often it may be used and from where, and how many uses are left; nothing for a token of one use.
    pub fn reuse(&self) -> Option<(&Reusable, u32)> {
        self.several.as_ref().map(|several| (several.terms(), several.left()))
    }

    /// What administrators see of it.
    pub fn info(&self) -> TokenInfo {
        let (token_type, subject, labels) = match &self.purpose {
            TokenPurpose::Bot { bot, .. } => (TokenType::Bot, Some(bot.clone()), Labels::new()),
            TokenPurpose::Node { labels } => (TokenType::Node, None, labels.clone()),
            TokenPurpose::User { user, .. } => (TokenType::User, Some(user.clone()), Labels::new()),
        };
        TokenInfo {
            id: self.id,
            token_type,
            subject,
            labels,
            state: self.state(),
            created: self.created,
            expires: self.expires,
            created_by: self.created_by.clone(),
            used: self.spent.as_ref().or_else(|| self.several.as_ref()?.last()).map(|spent| TokenUsed {
                at: spent.at,
                source: spent.source,
                made: spent.made,
            }),
        }
    }
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenPurpose {
    /// An instance of a bot.
    Bot {
        /// The bot's name.
        bot: UserName,
        /// And its identity: one that is made later under this name is another one.
        id: Uuid,
    },
    /// A node's entry.
    Node {
        /// The labels that it gets.
        labels: Labels,
    },
    /// A person's password.
    User {
        /// The person's name.
        user: UserName,
        /// And identity.
        id: Uuid,
    },
}

impl TokenPurpose {
    fn kind(&self) -> TokenKind {
        match self {
            Self::Bot { .. } => TokenKind::Bot,
            Self::Node { .. } => TokenKind::Node,
            Self::User { .. } => TokenKind::User,
        }
    }
}

/// The one use of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUse {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub source: IpAddr,
    /// The request's id.
    pub request: Uuid,
    /// The fingerprint of the key that was given with it.
    pub key: String,
    /// What came of it: the instance, the node, the user.
    pub made: Uuid,
}

/// A token that nobody has yet.
pub struct FreshToken {
    /// The token.
    pub token: Token,
    /// What will be kept of it.
    pub record: TokenRecord,
}

impl FreshToken {
    /// Makes one.
    pub fn new(purpose: TokenPurpose, ttl: Duration, operator: &Operator) -> Result<Self, RandomFailed> {
        let token = Token::generate(purpose.kind())?;
        let created = Timestamp::now();
        let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX);
        let record = TokenRecord {
            id: Uuid::new_v4(),
            digest: hex(token.digest().as_bytes()),
            purpose,
            created,
            expires: created.saturating_add(ttl).unwrap_or(Timestamp::MAX),
            created_by: operator.to_string(),
            spent: None,
            several: None,
        };
        Ok(Self { token, record })
    }

    /// The same for several uses, where that is asked for.
    #[must_use]
    pub fn reusable(mut self, terms: Option<Reusable>) -> Self {
        self.record.several = terms.map(SeveralUses::new);
        self
    }

    /// The key of its record.
    pub fn key(&self) -> Vec<u8> {
        key(&self.token.digest())
    }

    /// Adds it to a batch, with its event.
    pub fn add_to(&self, batch: Batch, operator: &Operator) -> Batch {
        let key = self.key();
        batch
            .require(Keyspace::Tokens, &key, Precondition::Absent)
            .put(Keyspace::Tokens, &key, record::encode(&self.record))
            .audit(event("token.create", &self.record).by(operator).with("outcome", "ok"))
    }
}

/// A token that somebody has shown.
#[derive(Debug)]
pub struct FoundToken {
    /// What is kept of it.
    pub record: TokenRecord,
    key: Vec<u8>,
    revision: Revision,
}

impl FoundToken {
    /// Marks it as used, where nobody else has in the meantime, with its event.
    pub fn spend(&self, spent: TokenUse, batch: Batch) -> Batch {
        let event = event("token.use", &self.record)
            .with("actor", "gateway")
            .with("outcome", "ok")
            .with("source", spent.source.to_string());
        let mut record = self.record.clone();
        let event = if let Some(several) = &mut record.several {
            several.spend(spent);
            event.with("uses_left", several.left())
        } else {
            record.spent = Some(spent);
            event
        };
        batch
            .require(Keyspace::Tokens, &self.key, Precondition::Revision(self.revision))
            .put(Keyspace::Tokens, &self.key, record::encode(&record))
            .audit(event)
    }
}

impl Inventory {
    /// The record of a token that somebody shows. Whether it can still be used is for the caller to see.
    pub fn find_token(&self, token: &Token) -> Result<Option<FoundToken>, InventoryError> {
        let digest = token.digest();
        let key = key(&digest);
        let Some(stored) = self.store.get(Keyspace::Tokens, &key)? else { return Ok(None) };
        let record: TokenRecord = record::read("token", &hex(digest.lookup()), &stored, |_| true)?;
        let right = unhex(&record.digest).is_some_and(|kept| TokenDigest::from_bytes(kept) == digest)
            && record.purpose.kind() == token.kind();
        Ok(right.then_some(FoundToken { record, key, revision: stored.revision }))
    }

    /// All tokens, spent ones too. Blocks. One whose record is damaged is left out, and logged.
    pub fn tokens(&self) -> Result<Vec<TokenInfo>, InventoryError> {
        Ok(self.stored_tokens()?.iter().map(|(_, token, _)| token.info()).collect())
    }

    /// Makes a token for a node.
    pub async fn add_token(&self, operator: &Operator, add: TokenAdd) -> Result<FreshToken, InventoryError> {
        add.check()?;
        let FreeTokenType::Node = add.token_type;
        let purpose = TokenPurpose::Node { labels: add.labels };
        let token = FreshToken::new(purpose, add.ttl.unwrap_or(DEFAULT_TOKEN_TTL), operator)?;
        self.store.commit(token.add_to(Batch::new(), operator)).await?;
        Ok(token)
    }

    /// Removes a token, where nobody uses it in the meantime.
    pub async fn remove_token(&self, operator: &Operator, id: Uuid) -> Result<(), InventoryError> {
        let inventory = self.clone();
        let found = blocking::run(move || inventory.stored_tokens()).await?;
        let found = found.into_iter().find(|(_, token, _)| token.id == id);
        let (key, token, revision) = found.ok_or(InventoryError::NotFound("token"))?;
        let batch = Batch::new()
            .require(Keyspace::Tokens, &key, Precondition::Revision(revision))
            .delete(Keyspace::Tokens, &key)
            .audit(event("token.delete", &token).by(operator).with("outcome", "ok"));
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Records under their keys.
    fn stored_tokens(&self) -> Result<Vec<(Vec<u8>, TokenRecord, Revision)>, InventoryError> {
        let stored = self.store.prefix(Keyspace::Tokens, b"", MAX_TOKENS)?;
        let read = |(key, stored): (Vec<u8>, mezite_store::Versioned)| {
            let token = record::decode(&stored.value);
            if token.is_none() {
                log::error!("the record of a token cannot be read; it is left out");
            }
            token.map(|token| (key, token, stored.revision))
        };
        Ok(stored.into_iter().filter_map(read).collect())
    }

    /// The record under a key that another record names.
    pub(super) fn token_at(&self, key: &[u8]) -> Result<Option<(TokenRecord, Revision)>, InventoryError> {
        let Some(stored) = self.store.get(Keyspace::Tokens, key)? else { return Ok(None) };
        let record = record::read("token", &String::from_utf8_lossy(key), &stored, |_| true)?;
        Ok(Some((record, stored.revision)))
    }
}

/// An event about a token: never the token itself, nor its digest.
fn event(kind: &str, token: &TokenRecord) -> AuditEntry {
    let event = AuditEntry::new(kind)
        .with("token", token.id.to_string())
        .with("kind", token.purpose.kind().as_str())
        .with("expires", token.expires.to_string());
    match &token.purpose {
        TokenPurpose::Bot { bot: name, .. } | TokenPurpose::User { user: name, .. } => {
            event.with("subject", name.as_str())
        }
        TokenPurpose::Node { .. } => event,
    }
}

fn key(digest: &TokenDigest) -> Vec<u8> {
    hex(digest.lookup()).into_bytes()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}
