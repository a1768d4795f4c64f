//! The list of revocations.

use mezite_api::client::{Client, ClientError};
use mezite_api::{Revocation, RevocationTarget};
use mezite_console::output::{dash, local, local_or_dash};

use crate::listing::Listed;

impl Listed for Revocation {
    const HEADINGS: &'static [&'static str] = &["ID", "REVOKED", "OF", "SINCE", "UNTIL", "BY", "REASON"];

    fn all(client: &Client) -> Result<Vec<Self>, ClientError> {
        client.revocations()
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            what(self),
            self.subject.as_ref().map_or_else(dash, ToString::to_string),
            local(self.created),
            local_or_dash(self.expires),
            self.created_by.clone(),
            self.reason.clone().unwrap_or_else(dash),
        ]
    }
}

fn what(revocation: &Revocation) -> String {
    match &revocation.target {
        RevocationTarget::Serial(serial) => format!("serial {serial}"),
        RevocationTarget::Key(key) => format!("key {}", key.fingerprint()),
        RevocationTarget::User(_) => match revocation.issued_before {
            Some(before) => format!("all issued before {}", local(before)),
            None => "all".to_owned(),
        },
    }
}
