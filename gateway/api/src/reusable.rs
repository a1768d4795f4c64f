//! Join tokens for several instances: for machines that are made from one image, or jobs of a fleet of runners.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Invalid;

/// The most uses of one token.
pub const MAX_USES: u32 = 1000;
/// The most networks that it may be used from.
const MAX_SOURCES: usize = 32;

/// How often a token may be used, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reusable {
    /// So many instances it may make.
    pub max_uses: u32,
    /// Where they must be.
    pub sources: Vec<IpNet>,
}

impl Reusable {
    /// Checks what the fields alone cannot. A secret that several machines hold must not be good everywhere.
    pub fn check(&self) -> Result<(), Invalid> {
        if !(1..=MAX_USES).contains(&self.max_uses) {
            return Err(Invalid::new("max_uses", format!("must be 1 to {MAX_USES}")));
        }
        if self.sources.is_empty() || self.sources.len() > MAX_SOURCES {
            return Err(Invalid::new("sources", format!("must be 1 to {MAX_SOURCES} networks")));
        }
        if self.sources.iter().any(|net| net.prefix_len() == 0) {
            return Err(Invalid::new("sources", "must not be everywhere"));
        }
        if self.sources.iter().any(|net| *net != net.trunc()) {
            return Err(Invalid::new("sources", "must be networks: nothing behind the prefix"));
        }
        Ok(())
    }

    /// Whether it may be used from there.
    pub fn permits(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        self.sources.iter().any(|net| net.contains(&source))
    }
}

/// A network, or one address, as people write it.
pub fn network(text: &str) -> Result<IpNet, Invalid> {
    let one = text.parse::<IpAddr>().map(IpNet::from);
    one.or_else(|_| text.parse()).map_err(|_| Invalid::new("sources", "must be ADDRESS or ADDRESS/BITS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reusable(max_uses: u32, sources: &[&str]) -> Reusable {
        Reusable { max_uses, sources: sources.iter().map(|text| network(text).unwrap()).collect() }
    }

    #[test]
    fn hostile_123_a_reusable_token_is_bounded_in_number_and_place() {
        assert_eq!(reusable(1, &["10.0.0.0/8", "2001:db8::/64", "192.0.2.1"]).check(), Ok(()));
        for (wrong, field) in [
            (reusable(0, &["10.0.0.0/8"]), "max_uses"),
            (reusable(1001, &["10.0.0.0/8"]), "max_uses"),
            (reusable(1, &[]), "sources"),
            (reusable(1, &["0.0.0.0/0"]), "sources"),
            (reusable(1, &["10.0.0.0/8", "::/0"]), "sources"),
            (reusable(1, &["10.0.0.1/8"]), "sources"),
        ] {
            assert_eq!(wrong.check().unwrap_err().field, field, "{wrong:?}");
        }
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "localhost", "10.0.0.0/8 "] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hostile_123_a_mapped_address_is_the_address_itself() {
        let token = reusable(1, &["10.0.0.0/8", "2001:db8::/64"]);
        for inside in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::7"] {
            assert!(token.permits(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["11.0.0.1", "::ffff:11.0.0.1", "2001:db8:1::7", "::a01:203"] {
            assert!(!token.permits(outside.parse().unwrap()), "{outside}");
        }
    }
}
