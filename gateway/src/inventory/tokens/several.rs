//! Tokens for several uses: how many were made of them, and which a moment ago.

use jiff::SignedDuration;
use mezite_api::reusable::Reusable;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::TokenUse;
use crate::inventory::bots::REPLAY_TIME;

/// A token that is good for several uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeveralUses {
    /// How often, and from where.
    terms: Reusable,
    /// How often it was used.
    used: u32,
    /// Its uses of the last minutes: whoever has lost the answer may ask again.
    recent: Vec<TokenUse>,
}

impl SeveralUses {
    pub(super) fn new(terms: Reusable) -> Self {
        Self { terms, used: 0, recent: Vec::new() }
    }

    /// How many uses are left.
    pub(super) fn left(&self) -> u32 {
        self.terms.max_uses.saturating_sub(self.used)
    }

    /// Counts a use.
    pub(super) fn spend(&mut self, spent: TokenUse) {
        self.used = self.used.saturating_add(1);
        let replay = SignedDuration::try_from(REPLAY_TIME).unwrap_or_default();
        self.recent.retain(|earlier| spent.at.duration_since(earlier.at) <= replay);
        self.recent.push(spent);
    }

    /// How often, and from where.
    pub(super) fn terms(&self) -> &Reusable {
        &self.terms
    }

    /// The use by this request, where it was moments ago.
    pub(super) fn used_by(&self, request: Uuid) -> Option<&TokenUse> {
        self.recent.iter().find(|used| used.request == request)
    }

    /// The last use, where it was moments ago.
    pub(super) fn last(&self) -> Option<&TokenUse> {
        self.recent.last()
    }
}
