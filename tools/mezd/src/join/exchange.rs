//! What is asked of the gateway, each request signed by host keys, and what of its answers is believed.

use std::time::{Duration, SystemTime};

use mezite_api::client::{Client, ClientError, Server, Trust};
use mezite_api::join::{NodeConfirm, NodeJoin, NodeJoined, NodeLeave};
use mezite_api::node::{NodeCheck, SeenTrust};
use mezite_api::{CaPin, Labels, Login, NodeAddress, NodeName, ProblemCode};
use mezite_ca::{CaKind, PublicKey, Statement, TrustedSet, verify_host_certificate};
use mezite_identity::JoinToken;
use uuid::Uuid;

use super::error::JoinError;
use super::host_keys::OwnKey;

/// More keys no CA has at once.
const MAX_CA_KEYS: usize = 16;
/// Looks from the gateway, and the pause between them: sshd takes a moment to begin anew.
pub(super) const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
/// Attempts where an answer was lost: the same request has the same outcome.
const TRIES: u32 = 3;
/// A host certificate is renewed when it has less life than this.
const RENEWED_BEFORE_END: Duration = Duration::from_hours(120 * 24);

/// What the node asks for.
pub(super) struct Wanted<'a> {
    pub(super) token: Option<&'a JoinToken>,
    pub(super) name: &'a NodeName,
    pub(super) addr: &'a NodeAddress,
    pub(super) labels: &'a Labels,
    pub(super) keys: &'a [OwnKey],
    pub(super) certificates: bool,
}

/// The gateway, as it is known here.
pub(super) struct Gateway(Client);

impl Gateway {
    /// Nothing is told to it before it has proved itself.
    pub(super) fn at(server: &Server, pin: Option<CaPin>) -> Result<Self, JoinError> {
        let trust = pin.map_or(Trust::System, Trust::Pin);
        let client = Client::https(server, trust, None);
        Ok(Self(client.map_err(|invalid| JoinError::NotTrusted(invalid.to_string()))?))
    }

    /// Asks for the entry.
    pub(super) fn join(&self, wanted: &Wanted<'_>) -> Result<NodeJoined, JoinError> {
        let id = Uuid::new_v4();
        let (request, addr) = (id.to_string(), wanted.addr.to_string());
        let digest = wanted.token.map(|token| token.token.digest());
        let statement = Statement::NodeJoin {
            request: &request,
            token: digest.as_ref(),
            name: wanted.name.as_str(),
            addr: &addr,
        };
        let host_keys = wanted.keys.iter().map(|key| key.prove(&statement));
        let asked = NodeJoin {
            token: wanted.token.map(|token| token.token.secret().into()),
            name: wanted.name.clone(),
            addr: wanted.addr.clone(),
            labels: wanted.labels.clone(),
            host_keys: host_keys.collect::<Result<_, _>>()?,
            request: id,
            host_certificates: wanted.certificates,
        };
        let mut tries = 1;
        loop {
            match self.0.join_node(&asked) {
                Err(ClientError::Unreachable { .. } | ClientError::TimedOut { .. }) if tries < TRIES => {
                    tries += 1;
                    std::thread::sleep(PAUSE);
                }
                other => return Ok(other?),
            }
        }
    }

    /// Has the gateway look, at most so often, until it finds the node open.
    pub(super) fn confirm(
        &self,
        node: Uuid,
        key: &OwnKey,
        login: &Login,
        most: u32,
    ) -> Result<NodeCheck, JoinError> {
        let mut looks = 1;
        loop {
            let id = Uuid::new_v4();
            let (request, own) = (id.to_string(), node.to_string());
            let statement = Statement::NodeConfirm { request: &request, node: &own };
            let asked =
                NodeConfirm { request: id, host_key: key.prove(&statement)?, login: Some(login.clone()) };
            let seen = self.0.confirm_node(node, &asked)?.status.seen.and_then(|seen| seen.check);
            let seen = seen.ok_or_else(|| JoinError::Gateway("the gateway has not looked".to_owned()))?;
            if is_open(&seen) || looks >= most {
                return Ok(seen);
            }
            looks += 1;
            std::thread::sleep(PAUSE);
        }
    }

    /// Removes the entry. One that is not there any more is as good.
    pub(super) fn leave(&self, node: Uuid, key: &OwnKey) -> Result<bool, JoinError> {
        let id = Uuid::new_v4();
        let (request, own) = (id.to_string(), node.to_string());
        let statement = Statement::NodeLeave { request: &request, node: &own };
        match self.0.leave_node(node, &NodeLeave { request: id, host_key: key.prove(&statement)? }) {
            Ok(()) => Ok(true),
            Err(ClientError::Refused(problem)) if problem.code == ProblemCode::Unauthenticated => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the gateway would be let in.
pub(super) fn is_open(seen: &NodeCheck) -> bool {
    seen.ok && seen.trusts_openssh == SeenTrust::Yes
}

/// The keys of a CA, each written anew: nothing else of the text gets into a file.
pub(super) fn ca_keys(text: &str) -> Result<Vec<PublicKey>, JoinError> {
    let odd = || JoinError::Gateway("the gateway's answer has no keys of a CA in it".to_owned());
    let keys = text.lines().map(|line| PublicKey::from_line(line).map_err(|_| odd()));
    let keys: Vec<PublicKey> = keys.take(MAX_CA_KEYS + 1).collect::<Result<_, _>>()?;
    if keys.is_empty() || keys.len() > MAX_CA_KEYS { Err(odd()) } else { Ok(keys) }
}

/// The same as lines of a file for `TrustedUserCAKeys`.
pub(super) fn ca_lines(keys: &[PublicKey]) -> Vec<String> {
    keys.iter().map(|key| format!("{} mezite-openssh-ca", key.line())).collect()
}

/// Whether a certificate is one of these Host CA keys, for this key and name, with life left.
pub(super) fn is_good_certificate(line: &str, key: &OwnKey, host_ca: &[PublicKey], name: &str) -> bool {
    use base64::Engine as _;
    let mut words = line.split_ascii_whitespace();
    let blob = words.nth(1).and_then(|word| base64::engine::general_purpose::STANDARD.decode(word).ok());
    let trusted = TrustedSet::new(CaKind::Host, host_ca.iter().cloned());
    blob.is_some_and(|blob| {
        let verified = verify_host_certificate(&blob, &trusted, SystemTime::now(), name);
        verified.is_ok_and(|found| {
            found.key.key_data() == key.public.key_data()
                && found.valid_before > SystemTime::now() + RENEWED_BEFORE_END
        })
    })
}
