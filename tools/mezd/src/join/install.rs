//! The join itself, in its order: look around, rehearse, ask the gateway, install, prove; undo where that fails.

use std::path::{Path, PathBuf};

use mezite_api::client::Server;
use mezite_api::join::{JoinOutcome, NodeJoined};
use mezite_api::node::{NodeCheck, SeenTrust};
use mezite_api::{CaPin, Labels, Login, NodeAddress, NodeName, escape};
use mezite_identity::JoinToken;

use super::certificates;
use super::config;
use super::error::JoinError;
use super::exchange::{self, Gateway, LOOKS, Wanted};
use super::files::{self, Changes};
use super::host_keys::{self, OwnKey};
use super::layout::Layout;
use super::sshd::{Effective, Sshd};
use super::state::State;

/// What was asked for, checked.
pub(super) struct Join {
    pub(super) addr: NodeAddress,
    pub(super) server: Server,
    pub(super) pin: Option<CaPin>,
    pub(super) token: Option<JoinToken>,
    pub(super) labels: Labels,
    pub(super) name: NodeName,
    pub(super) login: Login,
    /// The login was given: that the gateway would not be let in as it is a failure.
    pub(super) must_trust: bool,
    pub(super) host_cert: bool,
    pub(super) merge_ca: bool,
    pub(super) reload: Option<String>,
    pub(super) sshd: Sshd,
}

/// The machine as it is found.
pub(super) struct Found {
    pub(super) layout: Layout,
    text: Vec<u8>,
    pub(super) keys: Vec<OwnKey>,
    /// The file of another CA that our keys go into.
    merged: Option<PathBuf>,
}

impl Join {
    /// Joins.
    pub(super) fn run(mut self) -> Result<(), JoinError> {
        let found = self.look_around()?;
        let known = files::read(&found.layout.state_file())?.map(|text| State::parse(&text)).transpose()?;
        if let Some(known) = known.filter(|known| known.server == self.server) {
            // A machine that has joined knows the gateway's pin, and keeps its certificates.
            self.pin = self.pin.or(known.pin);
            self.host_cert |= !known.certificates.is_empty();
        }
        // Everything that can be seen to fail fails before the token is spent.
        self.rehearse(&found)?;
        let gateway = Gateway::at(&self.server, self.pin)?;
        let joined = self.ask(&gateway, &found)?;
        let mut changes = Changes::default();
        let done = self
            .install(&found, &joined, &mut changes)
            .and_then(|()| self.prove(&found, &gateway, &joined, &changes));
        match done {
            Ok(seen) => self.tell(&joined, &seen, changes.is_empty()),
            Err(error) => return Err(self.undo(&found, &gateway, &joined, changes, error)),
        }
        Ok(())
    }

    /// Asks for the entry, and for certificates where those that are here will not do.
    fn ask(&self, gateway: &Gateway, found: &Found) -> Result<NodeJoined, JoinError> {
        let wanted = |certificates| Wanted {
            token: self.token.as_ref(),
            name: &self.name,
            addr: &self.addr,
            labels: &self.labels,
            keys: &found.keys,
            certificates,
        };
        let missing = || found.keys.iter().any(|key| !found.layout.certificate(&key.path).is_file());
        let joined = gateway.join(&wanted(self.host_cert && missing()))?;
        if !self.host_cert || !joined.host_certificates.is_empty() || certificates::are_good(found, &joined)?
        {
            return Ok(joined);
        }
        let host_certificates = gateway.join(&wanted(true))?.host_certificates;
        Ok(NodeJoined { host_certificates, ..joined })
    }

    /// Reads what there is; nothing is touched.
    fn look_around(&self) -> Result<Found, JoinError> {
        let path = &self.sshd.config;
        let text =
            files::read(path)?.ok_or_else(|| JoinError::Local(format!("{}: not found", path.display())))?;
        self.sshd
            .test()
            .map_err(|error| JoinError::Local(format!("sshd's configuration is broken as it is: {error}")))?;
        let before = self.sshd.effective()?;
        let layout = Layout::of(path, &text)?;
        let merged = self.foreign_ca(&before, &layout)?;
        if self.host_cert {
            let own = |path: &String| found_is_ours(path, &layout, &before);
            if let Some(other) =
                before.all("hostcertificate").iter().find(|path| *path != "none" && !own(path))
            {
                return Err(JoinError::Local(format!(
                    "sshd has a host certificate already: {}; leave --host-cert out",
                    escape(other)
                )));
            }
        }
        let keys = host_keys::own_keys(&before)?;
        Ok(Found { layout, text, keys, merged })
    }

    /// The file with the CAs of somebody else. sshd takes the first `TrustedUserCAKeys` only.
    fn foreign_ca(&self, before: &Effective, layout: &Layout) -> Result<Option<PathBuf>, JoinError> {
        let Some(file) = before.one("trustedusercakeys").map(PathBuf::from) else { return Ok(None) };
        if file == layout.ca_file() {
            return Ok(None);
        }
        if self.merge_ca {
            return Ok(Some(file));
        }
        Err(JoinError::Local(format!(
            "sshd trusts the CAs in {} already, and takes one TrustedUserCAKeys only. With --merge-ca the cluster's keys are \
             written into that file, in a marked block; or remove that line first",
            escape(file.display().to_string())
        )))
    }

    /// Has sshd judge a copy of what it would read.
    fn rehearse(&self, found: &Found) -> Result<(), JoinError> {
        let (main, own) = texts(found, &[]);
        // What is included stands before all that could contradict it, and so does this.
        let whole = [own.unwrap_or_default(), main].concat();
        let after = self.sshd.rehearse(&whole)?;
        check_trust(found, &after)
    }

    /// Writes the files, and has sshd judge what now stands there.
    fn install(&self, found: &Found, joined: &NodeJoined, changes: &mut Changes) -> Result<(), JoinError> {
        let layout = &found.layout;
        let lines = exchange::ca_lines(&exchange::ca_keys(&joined.openssh_ca)?);
        if let Some(merged) = &found.merged {
            let before = files::read(merged)?.unwrap_or_default();
            changes.put(merged, &config::with_block(&before, &lines))?;
        } else {
            changes.put(&layout.ca_file(), (lines.join("\n") + "\n").as_bytes())?;
        }
        let certificates =
            if self.host_cert { certificates::put(found, joined, changes)? } else { Vec::new() };
        let (main, own) = texts(found, &certificates);
        if let (Some(path), Some(own)) = (&layout.drop_in, own) {
            changes.put(path, &own)?;
        }
        changes.put(&self.sshd.config, &main)?;
        let state = State {
            node: joined.node_id,
            name: joined.node.spec.hostname.to_string(),
            server: self.server.clone(),
            pin: self.pin,
            drop_in: layout.drop_in.clone(),
            merged: found.merged.clone(),
            certificates,
        };
        changes.put(&layout.state_file(), state.text().as_bytes())?;
        self.sshd.test()?;
        check_trust(found, &self.sshd.effective()?)
    }

    /// Reloads sshd, and has the gateway look.
    fn prove(
        &self,
        found: &Found,
        gateway: &Gateway,
        joined: &NodeJoined,
        changes: &Changes,
    ) -> Result<NodeCheck, JoinError> {
        let key = found.keys.first().ok_or_else(|| JoinError::Local("no host key".into()))?;
        let look = |most| gateway.confirm(joined.node_id, key, &self.login, most);
        // A join that was killed may have left files that sshd has not read yet.
        let open = if changes.is_empty() { Some(look(1)?).filter(exchange::is_open) } else { None };
        let seen = if let Some(seen) = open {
            seen
        } else {
            self.sshd.reload(self.reload.as_deref())?;
            look(LOOKS)?
        };
        let (addr, login) = (&self.addr, &self.login);
        if !seen.ok {
            let why = seen.error.unwrap_or_default();
            return Err(JoinError::Gateway(format!(
                "the gateway does not reach this machine at {addr}: {}",
                escape(why)
            )));
        }
        if seen.trusts_openssh == SeenTrust::No || (self.must_trust && seen.trusts_openssh != SeenTrust::Yes)
        {
            return Err(JoinError::Gateway(format!(
                "sshd at {addr} would not let the gateway in as {login}"
            )));
        }
        Ok(seen)
    }

    /// Makes everything as it was. The entry goes where this join has made it.
    fn undo(
        &self,
        found: &Found,
        gateway: &Gateway,
        joined: &NodeJoined,
        changes: Changes,
        error: JoinError,
    ) -> JoinError {
        let touched = !changes.is_empty();
        let mut failed = changes.undo();
        if touched && let Err(error) = self.sshd.reload(self.reload.as_deref()) {
            // The file is as it was when sshd was running; it will be read when sshd is reloaded.
            failed.push(error.to_string());
        }
        if joined.outcome == JoinOutcome::Created {
            let left = found.keys.first().map(|key| gateway.leave(joined.node_id, key));
            if let Some(Err(error)) = left {
                failed.push(format!("the entry stays: {error}"));
            }
        }
        for failed in failed {
            eprintln!("mezd: not undone: {}", escape(failed));
        }
        if touched {
            eprintln!("mezd: everything was undone");
        }
        error
    }

    fn tell(&self, joined: &NodeJoined, seen: &NodeCheck, untouched: bool) {
        let node = &joined.node;
        let what = match joined.outcome {
            JoinOutcome::Unchanged if untouched => "nothing to do:",
            JoinOutcome::Created | JoinOutcome::Unchanged => "joined:",
            JoinOutcome::Updated => "updated:",
        };
        println!(
            "{what} {} ({}) is a node of {}",
            node.spec.hostname,
            joined.node_id,
            escape(&joined.cluster)
        );
        println!("labels: {}", escape(node.metadata.labels.to_string()));
        for (key, value) in
            self.labels.iter().filter(|(key, value)| node.metadata.labels.get(key) != Some(value))
        {
            println!("note: the label {key}={} was not taken: the token sets it", escape(value));
        }
        match seen.trusts_openssh {
            SeenTrust::Yes => println!("proved: the gateway would be let in as {}", self.login),
            _ => println!(
                "note: it was not proved that sshd takes the gateway's certificates; --probe-login names a login that exists"
            ),
        }
        if seen.trusts_user == SeenTrust::Yes {
            println!("warning: sshd trusts the User CA too: users can come past the gateway");
        }
    }
}

/// The text of `sshd_config` and of our own file, with these certificates.
fn texts(found: &Found, certificates: &[PathBuf]) -> (Vec<u8>, Option<Vec<u8>>) {
    let lines = found.layout.lines(found.merged.is_none(), certificates);
    if found.layout.drop_in.is_none() {
        let main = if lines.is_empty() {
            config::without_block(&found.text)
        } else {
            config::with_block(&found.text, &lines)
        };
        return (main, None);
    }
    let own = (!lines.is_empty()).then(|| config::with_block(b"", &lines));
    (config::without_block(&found.text), own)
}

/// Whether sshd would take our keys.
fn check_trust(found: &Found, after: &Effective) -> Result<(), JoinError> {
    let wanted = found.merged.clone().unwrap_or_else(|| found.layout.ca_file());
    match after.one("trustedusercakeys") {
        Some(path) if Path::new(path) == wanted => Ok(()),
        other => Err(JoinError::Local(format!(
            "sshd does not take our TrustedUserCAKeys, but {}",
            escape(other.unwrap_or("none"))
        ))),
    }
}

/// Whether a host certificate is one that a join has put in.
fn found_is_ours(path: &str, layout: &Layout, before: &Effective) -> bool {
    before.all("hostkey").iter().any(|key| layout.certificate(Path::new(key)) == Path::new(path))
}
