//! What `mezctl bots add` and `rotate-token` are told of tokens for several uses.

use clap::Args;
use mezite_api::Invalid;
use mezite_api::reusable::{Reusable, network};

/// How often, and from where.
#[derive(Debug, Args)]
pub(super) struct ReusableArguments {
    /// Let the token make several instances until it expires.
    #[arg(long, requires_all = ["max_uses", "source"])]
    reusable: bool,
    /// How many, 1 to 1000.
    #[arg(long, value_name = "N", requires = "reusable")]
    max_uses: Option<u32>,
    /// Where they must be: 10.0.0.0/8,192.0.2.7.
    #[arg(long, value_name = "CIDR,…", value_delimiter = ',', requires = "reusable")]
    source: Vec<String>,
}

impl ReusableArguments {
    /// The terms; nothing for a token of one use.
    pub(super) fn terms(self) -> Result<Option<Reusable>, Invalid> {
        if !self.reusable {
            return Ok(None);
        }
        let sources = self.source.iter().map(|text| network(text)).collect::<Result<_, _>>()?;
        Ok(Some(Reusable { max_uses: self.max_uses.unwrap_or_default(), sources }))
    }
}
