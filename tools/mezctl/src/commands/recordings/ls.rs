//! The list of recordings, oldest first.

use mezite_api::RecordingInfo;
use mezite_api::client::{Client, ClientError};
use mezite_console::output::{dash, local_or_dash, size};

use crate::listing::Listed;

impl Listed for RecordingInfo {
    const HEADINGS: &'static [&'static str] =
        &["SESSION", "USER", "LOGIN", "NODE", "KIND", "STARTED", "ENDED", "SIZE", "STATE"];

    fn all(client: &Client) -> Result<Vec<Self>, ClientError> {
        client.recordings()
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.session.to_string(),
            self.user.clone(),
            self.login.clone(),
            self.node.clone(),
            self.kind.map_or_else(dash, |kind| kind.as_str().to_owned()),
            local_or_dash(self.started),
            local_or_dash(self.ended),
            size(self.bytes),
            self.state.as_str().to_owned(),
        ]
    }
}
