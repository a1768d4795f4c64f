//! What is remembered of a join: lines of `key=value`, which the shell script writes and reads too.

use std::path::PathBuf;

use mezite_api::CaPin;
use mezite_api::client::Server;
use uuid::Uuid;

use super::error::JoinError;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// The node's UUID.
    pub(super) node: Uuid,
    /// Its name.
    pub(super) name: String,
    /// The gateway.
    pub(super) server: Server,
    /// The pin of its TLS CA; nothing where the system's CAs are trusted.
    pub(super) pin: Option<CaPin>,
    /// The file that sshd includes.
    pub(super) drop_in: Option<PathBuf>,
    /// The file of somebody else that the CA's keys were written into.
    pub(super) merged: Option<PathBuf>,
    /// Host certificates.
    pub(super) certificates: Vec<PathBuf>,
}

impl State {
    /// The text of the file.
    pub(super) fn text(&self) -> String {
        let mut lines = vec![
            "# Made when this machine joined a Mezite cluster; its --remove needs it.".to_owned(),
            format!("node={}", self.node),
            format!("name={}", self.name),
            format!("server={}", self.server),
        ];
        lines.extend(self.pin.map(|pin| format!("ca_pin={}", pin.suffix())));
        lines.extend(self.drop_in.iter().map(|path| format!("drop_in={}", path.display())));
        lines.extend(self.merged.iter().map(|path| format!("merged={}", path.display())));
        lines.extend(self.certificates.iter().map(|path| format!("certificate={}", path.display())));
        lines.join("\n") + "\n"
    }

    /// Reads the text of the file.
    pub(super) fn parse(text: &[u8]) -> Result<Self, JoinError> {
        let damaged = || JoinError::Local("the record of the join is damaged".to_owned());
        let text = std::str::from_utf8(text).map_err(|_| damaged())?;
        let values = |wanted: &str| {
            let pairs = text.lines().filter_map(|line| line.split_once('='));
            pairs.filter(|(key, _)| *key == wanted).map(|(_, value)| value.to_owned()).collect::<Vec<_>>()
        };
        let value = |wanted: &str| values(wanted).into_iter().next();
        Ok(Self {
            node: value("node").and_then(|id| Uuid::try_parse(&id).ok()).ok_or_else(damaged)?,
            name: value("name").ok_or_else(damaged)?,
            server: value("server").and_then(|server| server.parse().ok()).ok_or_else(damaged)?,
            pin: value("ca_pin").map(|pin| CaPin::from_suffix(&pin)).transpose().map_err(|_| damaged())?,
            drop_in: value("drop_in").map(PathBuf::from),
            merged: value("merged").map(PathBuf::from),
            certificates: values("certificate").into_iter().map(PathBuf::from).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_reads_back() {
        let state = State {
            node: Uuid::new_v4(),
            name: "web-1".to_owned(),
            server: "gateway.example.com".parse().unwrap(),
            pin: Some(CaPin::from_suffix(&CaPin::of_spki(b"a key").suffix()).unwrap()),
            drop_in: Some("/etc/ssh/sshd_config.d/50-mezite.conf".into()),
            merged: None,
            certificates: vec!["/etc/ssh/mezite_a-cert.pub".into(), "/etc/ssh/mezite_b-cert.pub".into()],
        };
        assert_eq!(State::parse(state.text().as_bytes()).unwrap(), state);
        assert!(State::parse(b"node=x\n").is_err());
        assert!(State::parse(b"").is_err());
    }
}
