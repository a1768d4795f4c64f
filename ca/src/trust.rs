//! The keys of one certificate authority that are believed at present.

use crate::kind::CaKind;
use crate::public_key::PublicKey;

/// The trusted keys of one CA kind, the one that signs first. While a CA is rotated there are two.
///
/// An empty set trusts nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedSet {
    kind: CaKind,
    keys: Vec<PublicKey>,
}

impl TrustedSet {
    /// A set of `kind`'s keys, active first.
    pub fn new(kind: CaKind, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { kind, keys: keys.into_iter().collect() }
    }

    /// Whose keys these are.
    pub fn kind(&self) -> CaKind {
        self.kind
    }

    /// The keys, active first.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The trusted key with exactly this blob.
    pub(crate) fn find(&self, blob: &[u8]) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.blob() == blob)
    }
}
