//! The authority: the actor that holds the cluster's private keys and signs with them. No key leaves it.

mod bot;
mod host;
mod keys;
mod ring;
mod rotation;
mod user;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use mezite_actors::{Actor, Addr, AskError, Context, Kind, Rank, Reply, Supervisor};
use mezite_api::{CaPin, Login, NodeName, UserName};
use mezite_ca::{
    CaKind, ExportForm, IssueError, IssuedCertificate, KeyAlgorithm, MAX_NODE_LEG_LIFETIME,
    NodeLegCredential, NodeLegRequest, Permits, SealingKey, ServerCertificate, SshCaKey, TlsError,
    TrustedSet, export,
};
use mezite_store::{AuditEntry, Batch, CommitError, Store};
use rustls::pki_types::CertificateDer;

use crate::config::Config;
use crate::http::CursorKey;
use host::Host;
use keys::Keys;

pub use bot::{BotOrder, SignedPair};
pub use host::{HostKeyError, HostKeys, HostOrder, NODE_LIFETIME};
pub use keys::KeysError;
pub use ring::{Automatic, Turn};
pub use rotation::{CaState, QueryCredential, TurnError, TurnOrder};
pub use user::{SignedUser, UserCertificateOrder};
pub(crate) use user::{timestamp, timestamp_of_seconds};

/// How long a question to the authority may take; signing takes microseconds, its event a write to disk.
const ASK_TIME: Duration = Duration::from_secs(10);
/// How long the TLS certificate of the gateway lives.
const SERVER_LIFETIME: Duration = Duration::from_hours(90 * 24);

/// Why the authority did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// It did not answer.
    #[error("the authority does not answer: {0}")]
    Ask(#[from] AskError),
    /// No such certificate is issued.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The roles bind certificates to the address of a login, and there was no login.
    #[error(
        "the user's roles bind certificates to the address of a login (pin_source_ip), and there is none"
    )]
    NoSource,
    /// The event of the certificate, or what is committed with it, could not be written; the certificate was thrown
    /// away.
    #[error("the certificate's audit event cannot be written: {0}")]
    Audit(#[from] CommitError),
    /// No host certificate.
    #[error(transparent)]
    HostKey(#[from] HostKeyError),
    /// No TLS certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Asks for a credential to log in to a node with, for one connection.
#[derive(Debug, Clone)]
pub struct NodeCredentialOrder {
    /// The CA to sign with: the OpenSSH CA, or the User CA for a node that trusts only that one.
    pub ca: NodeCa,
    /// Who connects.
    pub user: UserName,
    /// The account on the node.
    pub login: Login,
    /// The node.
    pub node: NodeName,
    /// The connection's id.
    pub connection: String,
    /// What was decided.
    pub permits: Permits,
}

/// The CAs whose certificates open nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeCa {
    /// The OpenSSH CA, which signs for the gateway only.
    OpenSsh,
    /// The User CA.
    User,
}

/// What the authority understands.
enum Message {
    SignUser(Box<UserCertificateOrder>, Batch, Reply<Result<SignedUser, AuthorityError>>),
    SignPair(Box<BotOrder>, Reply<Result<SignedPair, AuthorityError>>),
    SignHost(Box<HostOrder>, Reply<Result<(IssuedCertificate, AuditEntry), AuthorityError>>),
    NodeCredential(Box<NodeCredentialOrder>, Reply<Result<NodeLegCredential, AuthorityError>>),
    HostKeys(Option<mezite_api::Host>, Reply<Result<HostKeys, AuthorityError>>),
    ServerCertificate(Reply<Result<ServerCertificate, AuthorityError>>),
    Trusted(CaKind, Reply<Arc<TrustedSet>>),
    QueryCredentials(Box<NodeCredentialOrder>, Reply<Result<Vec<QueryCredential>, AuthorityError>>),
    Trusts(Vec<String>, Reply<bool>),
    State(CaKind, Reply<Option<CaState>>),
    Turn(Box<TurnOrder>, Reply<Result<CaState, TurnError>>),
}

/// The way to the authority.
#[derive(Clone)]
pub struct Authority {
    addr: Addr<Message>,
    cluster: Arc<str>,
    tls_pem: Arc<str>,
    tls_certificate: CertificateDer<'static>,
    tls_pin: CaPin,
    cursor_key: CursorKey,
    sealing: Arc<SealingKey>,
    recovery_window: Duration,
}

impl Authority {
    /// Opens the cluster's keys, or makes them where the store is new, and starts the actor. Blocks.
    pub fn start(supervisor: &Supervisor, store: &Store, config: &Config) -> Result<Self, KeysError> {
        let keys = Arc::new(Keys::open_or_create(store, config)?);
        let (tls_pem, tls_pin) = (keys.tls.pem().into(), CaPin::of_spki(keys.tls.public_key()));
        let tls_certificate = keys.tls.certificate().clone();
        let cursor_key = CursorKey::derive(&keys.gateway.to_bytes()?);
        let sealing = Arc::clone(&keys.sealing);
        let (own_names, algorithm) = (config.public_addr.clone(), config.key_algorithm);
        let store = store.clone();
        // An actor that is built anew goes on with the keys that the one before had.
        let kept = Arc::new(Mutex::new(keys));
        let addr = supervisor
            .supervise(move || Signer::new(Arc::clone(&kept), store.clone(), own_names.clone(), algorithm));
        let cluster = config.cluster_name.as_str().into();
        let recovery_window = config.recovery_window;
        Ok(Self { addr, cluster, tls_pem, tls_certificate, tls_pin, cursor_key, sealing, recovery_window })
    }

    /// Certificates of a user. Their audit event is on disk when this answers.
    pub async fn sign_user(&self, order: UserCertificateOrder) -> Result<SignedUser, AuthorityError> {
        self.sign_user_with(order, Batch::new()).await
    }

    /// The same, in one commit with `batch`: nothing is given away where that is not taken.
    pub async fn sign_user_with(
        &self,
        order: UserCertificateOrder,
        batch: Batch,
    ) -> Result<SignedUser, AuthorityError> {
        self.addr.ask(|reply| Message::SignUser(Box::new(order), batch, reply), ASK_TIME).await?
    }

    /// A bot's pair. Its event is not written yet: it goes into the commit of the instance.
    pub async fn sign_pair(&self, order: BotOrder) -> Result<SignedPair, AuthorityError> {
        self.addr.ask(|reply| Message::SignPair(Box::new(order), reply), ASK_TIME).await?
    }

    /// A host certificate. Its event is not written yet: it goes into the caller's commit, with the actor.
    pub async fn sign_host(
        &self,
        order: HostOrder,
    ) -> Result<(IssuedCertificate, AuditEntry), AuthorityError> {
        self.addr.ask(|reply| Message::SignHost(Box::new(order), reply), ASK_TIME).await?
    }

    /// A fresh key and certificate for one connection to a node. Lives in memory only; nothing is written.
    pub async fn node_credential(
        &self,
        order: NodeCredentialOrder,
    ) -> Result<NodeLegCredential, AuthorityError> {
        self.addr.ask(|reply| Message::NodeCredential(Box::new(order), reply), ASK_TIME).await?
    }

    /// What the gateway shows to SSH clients as its host keys, most preferred first. `node`: the node that the way in
    /// names, so that the certificate is valid for this name too; it need not exist.
    pub async fn host_keys(&self, node: Option<mezite_api::Host>) -> Result<HostKeys, AuthorityError> {
        self.addr.ask(|reply| Message::HostKeys(node, reply), ASK_TIME).await?
    }

    /// A fresh TLS server certificate for the gateway's own names.
    pub async fn server_certificate(&self) -> Result<ServerCertificate, AuthorityError> {
        self.addr.ask(Message::ServerCertificate, ASK_TIME).await?
    }

    /// The keys of a CA that are believed now. The TLS CA has none of this form: its set is empty.
    pub async fn trusted(&self, ca: CaKind) -> Result<Arc<TrustedSet>, AuthorityError> {
        Ok(self.addr.ask(|reply| Message::Trusted(ca, reply), ASK_TIME).await?)
    }

    /// The keys of an SSH CA as lines for other programs' files.
    pub async fn export(&self, ca: CaKind, form: ExportForm) -> Result<String, AuthorityError> {
        Ok(export(&*self.trusted(ca).await?, form, &self.cluster))
    }

    /// The TLS CA's certificate as PEM.
    pub fn tls_pem(&self) -> &str {
        &self.tls_pem
    }

    /// The TLS CA's certificate.
    pub fn tls_certificate(&self) -> &CertificateDer<'static> {
        &self.tls_certificate
    }

    /// The name of the cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// What seals the cursors of lists.
    pub fn cursor_key(&self) -> &CursorKey {
        &self.cursor_key
    }

    /// What seals the secrets of people in the store.
    pub(crate) fn sealing(&self) -> &SealingKey {
        &self.sealing
    }

    /// How long after its end a bot's certificate can still be renewed.
    pub fn recovery_window(&self) -> Duration {
        self.recovery_window
    }

    /// What clients may pin of the TLS CA.
    pub fn tls_pin(&self) -> CaPin {
        self.tls_pin
    }
}

/// The actor.
struct Signer {
    keys: Arc<Keys>,
    kept: Arc<Mutex<Arc<Keys>>>,
    store: Store,
    host: Host,
    own_names: Vec<String>,
    algorithm: KeyAlgorithm,
    trusted: [Arc<TrustedSet>; CaKind::ALL.len()],
}

impl Signer {
    fn new(
        kept: Arc<Mutex<Arc<Keys>>>,
        store: Store,
        own_names: Vec<String>,
        algorithm: KeyAlgorithm,
    ) -> Self {
        let keys = Arc::clone(&kept.lock().unwrap_or_else(PoisonError::into_inner));
        let host = Host::new(keys.gateway.clone(), own_names.clone());
        let trusted = trusted_sets(&keys);
        Self { keys, kept, store, host, own_names, algorithm, trusted }
    }

    /// Goes on with other keys: everything that was made with those before is forgotten.
    fn take(&mut self, keys: Keys) {
        self.keys = Arc::new(keys);
        self.trusted = trusted_sets(&self.keys);
        self.host = Host::new(self.keys.gateway.clone(), self.own_names.clone());
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&self.keys);
    }

    /// Signs now, and answers once the event is on disk; other questions need not wait for that.
    fn sign_user(
        &self,
        order: &UserCertificateOrder,
        batch: Batch,
        reply: Reply<Result<SignedUser, AuthorityError>>,
    ) {
        let (signed, event) =
            match user::sign(self.keys.user.active(), &self.keys.tls, order, SystemTime::now()) {
                Ok(signed) => signed,
                Err(error) => return reply.answer(Err(error)),
            };
        let committed = self.store.commit(batch.audit(event));
        let answer = async move {
            reply.answer(committed.await.map(|_| signed).map_err(AuthorityError::Audit));
        };
        mezite_actors::spawn("certificate event", answer).detach();
    }

    fn node_credential(&self, order: &NodeCredentialOrder) -> Result<NodeLegCredential, AuthorityError> {
        let ca = match order.ca {
            NodeCa::OpenSsh => &self.keys.openssh,
            NodeCa::User => &self.keys.user,
        };
        node_credential(ca.active(), self.algorithm, order, SystemTime::now())
    }

    fn trusted(&self, ca: CaKind) -> Arc<TrustedSet> {
        let known = self.trusted.iter().find(|set| set.kind() == ca);
        known.map_or_else(|| Arc::new(TrustedSet::new(ca, None)), Arc::clone)
    }
}

fn trusted_sets(keys: &Keys) -> [Arc<TrustedSet>; CaKind::ALL.len()] {
    CaKind::ALL.map(|kind| {
        let set = keys.ring(kind).map_or_else(|| TrustedSet::new(kind, None), ring::Ring::trusted);
        Arc::new(set)
    })
}

fn node_credential(
    ca: &SshCaKey,
    algorithm: KeyAlgorithm,
    order: &NodeCredentialOrder,
    now: SystemTime,
) -> Result<NodeLegCredential, AuthorityError> {
    let request = NodeLegRequest {
        login: order.login.as_str(),
        user: order.user.as_str(),
        node: order.node.as_str(),
        connection: &order.connection,
        permits: order.permits,
        lifetime: MAX_NODE_LEG_LIFETIME,
    };
    Ok(NodeLegCredential::issue(ca, algorithm, &request, now)?)
}

impl Actor for Signer {
    const KIND: Kind = Kind { name: "authority", rank: Rank::Ca, capacity: 1024 };
    type Msg = Message;

    async fn handle(&mut self, message: Message, _: &mut Context<Message>) {
        match message {
            Message::SignUser(order, batch, reply) => self.sign_user(&order, batch, reply),
            Message::SignPair(order, reply) => {
                reply.answer(bot::sign_pair(
                    self.keys.user.active(),
                    &self.keys.tls,
                    &order,
                    SystemTime::now(),
                ));
            }
            Message::SignHost(order, reply) => {
                reply.answer(host::sign(self.keys.host.active(), *order, SystemTime::now()));
            }
            Message::NodeCredential(order, reply) => reply.answer(self.node_credential(&order)),
            Message::HostKeys(node, reply) => {
                let node = node.map(|node| node.to_string());
                let keys = self.host.keys(self.keys.host.active(), node.as_deref(), SystemTime::now());
                reply.answer(keys.map_err(AuthorityError::HostKey));
            }
            Message::ServerCertificate(reply) => {
                let now = SystemTime::now();
                let made = self.keys.tls.server_certificate(&self.own_names, SERVER_LIFETIME, now);
                reply.answer(made.map_err(AuthorityError::Tls));
            }
            Message::Trusted(ca, reply) => reply.answer(self.trusted(ca)),
            Message::QueryCredentials(order, reply) => reply.answer(self.query_credentials(&order)),
            Message::Trusts(keys, reply) => reply.answer(self.trusts(&keys)),
            Message::State(ca, reply) => reply.answer(self.state(ca)),
            Message::Turn(order, reply) => self.turn(*order, reply).await,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
