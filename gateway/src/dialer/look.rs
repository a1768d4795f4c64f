//! A look at a node, as `nodes check` has it: what it offers and whom it would let in. Nobody is let in by it, and no
//! certificate leaves before the host key was found to be the right one.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use mezite_api::node::{NodeCheck, SeenAlgorithms, SeenHostKey, SeenTrust};
use mezite_api::{Login, Node, escape};
use mezite_ca::{CaKind, TrustedSet};
use mezite_ssh::client::{self, Answer, Client, HostKeyPolicy, HostKeyRefused};
use mezite_ssh::error::reason;
use mezite_ssh::hostkey::{self, Signer as _};

use super::hostkey::{NodeHostKey, Witness, pinned_blobs};
use super::{Credential, DialError, Dialer, Greeted};
use crate::leg::{Leg, LegError};

/// Who is on the way, in the node's queue: no user has a blank in the name.
const LOOKING: &str = "nodes check";

/// What is looked at.
pub struct Look<'a> {
    /// The node.
    pub node: &'a Node,
    /// A login that is known to exist there.
    pub login: Option<Login>,
    /// Whether to look for host keys of other types too, each of which takes a connection of its own.
    pub thorough: bool,
    /// The certificates that trust is asked for with, one for each key.
    pub questions: &'a [Question],
}

/// Asks whether a node trusts a key of a CA.
pub struct Question {
    /// The CA.
    pub ca: CaKind,
    /// Whether the key is the one that signs.
    pub active: bool,
    /// A certificate by it.
    pub credential: Credential,
}

/// What was seen.
#[derive(Debug)]
pub struct Looked {
    /// All but the identification string.
    pub check: NodeCheck,
    /// The identification string, escaped.
    pub software: Option<String>,
    /// What was said to each question, in their order.
    pub answers: Vec<SeenTrust>,
    /// The fingerprint of the Host CA's key that has certified its host key, where that is what it was believed for.
    pub certified_by: Option<String>,
    /// Why it does not do.
    pub fault: Option<DialError>,
}

impl Dialer {
    /// A login that the node was seen to let in.
    pub fn known_login(&self, node: &Node) -> Option<Login> {
        Login::parse(&self.places.known_login(node.id())?).ok()
    }

    /// Looks at a node.
    pub async fn look(&self, look: &Look<'_>, host_ca: Arc<TrustedSet>) -> Looked {
        let login = look.login.as_ref().map_or("", Login::as_str);
        let _slot = self.places.enter(look.node.id(), LOOKING, login).await;
        let mut looked = Looked {
            check: NodeCheck::at(Timestamp::now(), look.login.clone()),
            software: None,
            answers: Vec::new(),
            certified_by: None,
            fault: None,
        };
        let witness = Witness::listening(look.node);
        let policy = NodeHostKey::new(look.node, host_ca, witness.clone());
        let started = Instant::now();
        match self.greet_as(look.node, Box::new(policy), witness.clone()).await {
            Ok(Greeted { mut leg, .. }) => {
                looked.check.ok = true;
                looked.check.latency_ms =
                    Some(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
                looked.software = leg.engine.peer_line().map(escape);
                looked.check.algorithms = leg.engine.algorithms().map(|names| SeenAlgorithms {
                    kex: names.kex.to_owned(),
                    host_key: names.host_key.to_owned(),
                    cipher: names.cipher.to_owned(),
                });
                looked.certified_by = witness.certified_by().map(str::to_owned);
                match ask_for_trust(&mut leg, look).await {
                    Ok(answers) => looked.answers = answers,
                    Err(error) => looked.check.error = Some(escape(error.to_string())),
                }
                for (question, answer) in look.questions.iter().zip(&looked.answers) {
                    match question.ca {
                        CaKind::OpenSsh if question.active => looked.check.trusts_openssh = *answer,
                        CaKind::User if question.active => looked.check.trusts_user = *answer,
                        _ => {}
                    }
                }
                leg.disconnect(reason::BY_APPLICATION, "checked").await;
            }
            Err(fault) => looked.fault = Some(fault),
        }
        if matches!(looked.fault, None | Some(DialError::HostKey { .. })) {
            looked.check.host_keys = self.host_keys(look, &witness).await;
        }
        looked
    }

    /// The host keys that the node shows.
    async fn host_keys(&self, look: &Look<'_>, witness: &Witness) -> Vec<SeenHostKey> {
        let node = look.node;
        let pinned = pinned_blobs(node);
        let mut blobs: Vec<Vec<u8>> = witness.shown().map(<[u8]>::to_vec).into_iter().collect();
        let types = if look.thorough { plain_types(witness.offered()) } else { Vec::new() };
        for key_type in types {
            if blobs.iter().any(|blob| hostkey::key_blob_type(blob) == Ok(key_type)) {
                continue;
            }
            let other = Witness::new(node);
            let policy = AnyKey { key_type, shown: Arc::default() };
            let shown = Arc::clone(&policy.shown);
            if let Ok(Greeted { mut leg, .. }) = self.greet_as(node, Box::new(policy), other).await {
                leg.disconnect(reason::BY_APPLICATION, "host key seen").await;
            }
            blobs.extend(shown.get().cloned());
        }
        let seen = |blob: &Vec<u8>| SeenHostKey {
            key_type: hostkey::key_blob_type(blob).map(escape).unwrap_or_default(),
            fingerprint: hostkey::fingerprint(blob),
            pinned: pinned.contains(blob),
        };
        blobs.iter().map(seen).collect()
    }
}

/// Asks, without signing anything, whether certificates of each key would do. Where one would, the login exists, and
/// a no to another is a no.
async fn ask_for_trust(leg: &mut Leg<Client>, look: &Look<'_>) -> Result<Vec<SeenTrust>, LegError> {
    let Some(login) = &look.login else { return Ok(Vec::new()) };
    let mut would_do = vec![None; look.questions.len()];
    for (Question { credential, .. }, answered) in look.questions.iter().zip(&mut would_do) {
        leg.engine.query(login.as_str(), &credential.pair)?;
        *answered = match answer(leg).await {
            Ok(answer) => Some(answer == Answer::Acceptable(credential.pair.public_blob().to_vec())),
            // sshd has had enough of us.
            Err(LegError::Closed | LegError::Engine(mezite_ssh::Error::Disconnected { .. })) => break,
            Err(error) => return Err(error),
        };
    }
    let exists = would_do.contains(&Some(true));
    let trust = |answered| match answered {
        Some(true) => SeenTrust::Yes,
        Some(false) if exists => SeenTrust::No,
        Some(false) | None => SeenTrust::Unknown,
    };
    Ok(would_do.into_iter().map(trust).collect())
}

/// The answer to a question, banners aside.
async fn answer(leg: &mut Leg<Client>) -> Result<Answer, LegError> {
    loop {
        let answered = leg.until(|engine| match engine.poll_event()? {
            Some(client::Event::Authentication(answer)) => Ok(Some(answer)),
            _ => Ok(None),
        });
        match answered.await? {
            Answer::Banner(_) => {}
            answer => return Ok(answer),
        }
    }
}

/// The types of plain host keys that go with the names that a node offers, or all where they are not known.
fn plain_types(offered: Option<&[String]>) -> Vec<&'static str> {
    let mut types = Vec::new();
    for algorithm in
        hostkey::ALGORITHMS.iter().filter(|algorithm| algorithm.host_key && !algorithm.certificate)
    {
        let is_offered = offered.is_none_or(|names| names.iter().any(|name| name == algorithm.name));
        if is_offered && !types.contains(&algorithm.key_type) {
            types.push(algorithm.key_type);
        }
    }
    types
}

/// Takes any key of one type, to see it.
struct AnyKey {
    key_type: &'static str,
    shown: Arc<std::sync::OnceLock<Vec<u8>>>,
}

impl HostKeyPolicy for AnyKey {
    fn algorithms(&self) -> Vec<&'static str> {
        let of_type = |a: &&hostkey::Algorithm| !a.certificate && a.key_type == self.key_type;
        hostkey::ALGORITHMS.iter().filter(of_type).map(|algorithm| algorithm.name).collect()
    }

    fn check(&mut self, blob: &[u8]) -> Result<(), HostKeyRefused> {
        self.shown.get_or_init(|| blob.to_vec());
        Ok(())
    }
}
