//! User authentication: from a proven certificate to a decision and a node leg that stands.
//!
//! The client hears of success only when the node has let us in, so whatever is in the way is an authentication failure
//! with a banner that says why.

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::Either;
use mezite_access::Permits;
use mezite_api::{Login, NodeRef, SshName, UserName, escape};
use mezite_ca::{CaKind, CertificateRefusal, UserCertificate, Verified, verify_user_certificate};
use mezite_ssh::hostkey;
use mezite_ssh::server::{Event, Method, ProvenKey, Request, Server};
use mezite_store::AuditEntry;

use super::visitor::Visitor;
use super::{Origin, Services, code, events, is_goodbye};
use crate::dialer::Dialled;
use crate::inventory::{AccessRequest, Credential, Grant, Holding, Refusal, Serial, Shown, Subject};
use crate::leg::{Leg, LegError};
use crate::race::race;

/// A client that is in.
pub(crate) struct Entered {
    /// The decision.
    pub(crate) grant: Grant,
    /// What was asked, to decide again for each session.
    pub(crate) asked: AccessRequest,
    /// What the roles permit and the certificate does not take away.
    pub(crate) permits: Arc<Permits>,
    /// The certificate.
    pub(crate) certificate: Verified<UserCertificate>,
    /// The node leg.
    pub(crate) dialled: Dialled,
}

impl Entered {
    /// The keys of our CAs that both ends were believed by.
    fn ca_keys(&self) -> Vec<String> {
        let Dialled { ca_key, witness, .. } = &self.dialled;
        let host = witness.certified_by().map(str::to_owned);
        [self.certificate.signed_by.fingerprint(), ca_key.clone()].into_iter().chain(host).collect()
    }

    /// What the connection is held by.
    pub(super) fn holding(&self, origin: &Origin) -> Holding {
        Holding {
            user: self.grant.user.name.clone(),
            user_id: self.grant.user.id,
            instance: self.asked.subject.bot.map(|shown| shown.instance),
            login: Some(self.grant.login.clone()),
            node: Some(self.grant.node.id()),
            source: origin.source.ip(),
            credential: self.asked.subject.credential.clone(),
            sessions: Vec::new(),
            ca_keys: self.ca_keys(),
        }
    }
}

/// A client that has proved who it is.
pub(crate) enum Admitted {
    /// It is on its way to a node, which has let us in.
    Node(Box<Entered>),
    /// It names no node: its channels will.
    Jump(Box<Visitor>),
}

/// What becomes of one request.
pub(super) enum Judgement {
    /// The key would do.
    Confirm,
    /// No, with a line for the person where there is one.
    Refuse(Option<String>),
    /// The certificate would do, and a code is wanted too.
    Half(Box<Decided>),
    /// What is the code?
    Ask(String),
    /// Come in.
    Enter(Admitted),
}

/// What was decided about a proven certificate. Nothing of it is read again from what the client says later.
pub(super) struct Decided {
    pub(super) asked: AccessRequest,
    pub(super) grant: Grant,
    pub(super) certificate: Verified<UserCertificate>,
}

/// The authentication of one client.
pub(crate) struct Authentication<'a> {
    pub(super) services: &'a Services,
    pub(super) origin: Origin,
    /// The person has been told why; once is enough.
    told: bool,
    /// The client has asked for something.
    asked: bool,
    /// A refusal is in the audit already.
    pub(super) audited: bool,
    /// What waits for a code.
    pub(super) half: Option<Box<Decided>>,
    /// How often a code was asked for.
    pub(super) questions: u32,
}

impl<'a> Authentication<'a> {
    pub(crate) fn new(services: &'a Services, origin: Origin) -> Self {
        Self { services, origin, told: false, asked: false, audited: false, half: None, questions: 0 }
    }

    /// Answers requests until one is granted. The caller then lets the client in.
    pub(crate) async fn run(&mut self, leg: &mut Leg<Server>) -> Result<Admitted, LegError> {
        loop {
            let request = leg.until(|engine| match engine.poll_event()? {
                Some(Event::Authenticate(request)) => Ok(Some(request)),
                Some(Event::Message(_)) | None => Ok(None),
            });
            let request = request.await?;
            self.asked |= request.method != Method::None;
            let judgement = match race(self.judge(&request), leg.until_closed()).await {
                Either::Left(judgement) => judgement,
                Either::Right(error) => return Err(error),
            };
            match judgement {
                Judgement::Confirm => leg.engine.confirm_key(),
                Judgement::Enter(admitted) => return Ok(admitted),
                Judgement::Half(decided) => {
                    self.half = Some(decided);
                    leg.engine.refuse(true);
                }
                Judgement::Ask(instruction) => leg.engine.ask(&instruction, &[("Code: ", false)]),
                Judgement::Refuse(line) => {
                    if let Some(line) = line.filter(|_| !self.told) {
                        self.told = true;
                        leg.engine.banner(&format!("{}\r\n", self.origin.line(&line)));
                    }
                    leg.engine.refuse(false);
                }
            }
        }
    }

    /// The client is gone or was cut without having come in.
    pub(crate) fn failed(&self, error: &LegError) {
        log::debug!(conn:% = self.origin.id, error:%; "a client did not come in");
        let fault = fault(error);
        if self.audited || (!self.asked && fault.is_none()) {
            return;
        }
        let (kind, reason) = match (fault, error) {
            (Some(reason), _) => ("access.refuse", reason),
            (None, LegError::Engine(mezite_ssh::Error::TooManyAttempts)) => {
                ("auth.fail", "too_many_attempts")
            }
            (None, LegError::Engine(mezite_ssh::Error::TimedOut(_))) => ("auth.fail", "timeout"),
            (None, error) if is_goodbye(error) => ("auth.fail", "no_certificate"),
            (None, _) => ("auth.fail", "error"),
        };
        let ip = self.origin.source.ip();
        self.services.refusals.note(ip, events::refused(kind, &self.origin, reason));
    }

    async fn judge(&mut self, request: &Request) -> Judgement {
        let nothing_to_say = Judgement::Refuse(None);
        if !request.service_known {
            return nothing_to_say;
        }
        match &request.method {
            Method::Proven(key) => self.enter(request, key).await,
            Method::Query { blob, .. } if is_certificate(blob) => match self.verify(blob).await {
                Ok(_) => Judgement::Confirm,
                Err(refusal) => Judgement::Refuse(self.certificate_refused(&refusal).await),
            },
            Method::Unproven { blob } if is_certificate(blob) => {
                self.audit(events::refused("auth.fail", &self.origin, "signature")).await;
                nothing_to_say
            }
            Method::KeyboardInteractive if self.half.is_some() => self.question(),
            Method::Answers(answers) => match self.half.take() {
                Some(decided) => self.code_given(decided, answers).await,
                None => nothing_to_say,
            },
            Method::KeyboardInteractive => Judgement::Refuse(Some(self.no_certificate())),
            _ if request.last_try => Judgement::Refuse(Some(self.no_certificate())),
            _ => nothing_to_say,
        }
    }

    fn no_certificate(&self) -> String {
        format!(
            "access refused: this gateway takes certificates of cluster {} only. \
             Log in with 'msh login', or ask for 'mezctl auth sign'",
            self.services.shared.config.cluster_name
        )
    }

    pub(super) async fn audit(&mut self, event: AuditEntry) {
        self.audited = true;
        self.services.shared.auditor.record_refusal(event).await;
    }

    async fn verify(&self, blob: &[u8]) -> Result<Verified<UserCertificate>, CertificateRefusal> {
        let trusted = self.services.shared.authority.trusted(CaKind::User).await;
        let trusted = trusted.map_err(|_| CertificateRefusal::NoTrustedCa(CaKind::User))?;
        verify_user_certificate(blob, &trusted, SystemTime::now(), self.origin.source.ip())
    }

    async fn certificate_refused(&mut self, refusal: &CertificateRefusal) -> Option<String> {
        if self.audited {
            return None;
        }
        let event = events::refused("cert.refuse", &self.origin, refusal.reason());
        self.audit(event.with("detail", escape(refusal.to_string()))).await;
        let text = refusal.to_string();
        let text = text
            .strip_prefix("the certificate")
            .map_or_else(|| text.clone(), |rest| format!("your certificate{rest}"));
        Some(format!("access refused: {text}. Log in again with 'msh login', or ask for 'mezctl auth sign'"))
    }

    /// The request is signed by the key that it shows: everything that decides is looked at now.
    async fn enter(&mut self, request: &Request, key: &ProvenKey) -> Judgement {
        if !is_certificate(key.blob()) {
            return Judgement::Refuse(request.last_try.then(|| self.no_certificate()));
        }
        let certificate = match self.verify(key.blob()).await {
            Ok(certificate) => certificate,
            Err(refusal) => return Judgement::Refuse(self.certificate_refused(&refusal).await),
        };
        let Ok(user) = UserName::parse(&certificate.user) else {
            return Judgement::Refuse(self.certificate_refused(&CertificateRefusal::Identity).await);
        };
        let destination = match self.destination(&request.user) {
            Ok(destination) => destination,
            Err(line) => {
                let event = events::refused("access.refuse", &self.origin, "name");
                self.audit(event.with("actor", user.as_str()).with("name", escape(&request.user))).await;
                return Judgement::Refuse(Some(line));
            }
        };
        let Some((login, node)) = destination else {
            let visitor = self.visit(user, certificate).await;
            return visitor.map_or_else(
                |line| Judgement::Refuse(Some(line)),
                |visitor| Judgement::Enter(Admitted::Jump(Box::new(visitor))),
            );
        };
        let decided = match self.decide(user, login, node, certificate).await {
            Ok(decided) => Box::new(decided),
            Err(line) => return Judgement::Refuse(Some(line)),
        };
        match self.code_is_due(&decided) {
            Ok(false) => Box::pin(self.entering(*decided)).await,
            // Each is a question that will be asked.
            Ok(true) if self.questions < code::MAX_QUESTIONS => {
                self.questions += 1;
                Judgement::Half(decided)
            }
            Ok(true) => Judgement::Refuse(None),
            Err(refusal) => {
                let event = events::refused("access.refuse", &self.origin, refusal.reason());
                self.audit(events::about_grant(event, &decided.grant)).await;
                Judgement::Refuse(Some(refusal.line()))
            }
        }
    }

    pub(super) async fn entering(&mut self, decided: Decided) -> Judgement {
        match self.open(decided).await {
            Ok(entered) => Judgement::Enter(Admitted::Node(Box::new(entered))),
            Err(line) => Judgement::Refuse(Some(line)),
        }
    }

    /// Which login on which node the user name and the way in ask for; nothing where they name no node.
    fn destination(&self, name: &[u8]) -> Result<Option<(Login, NodeRef)>, String> {
        let bad = |error: &dyn std::fmt::Display| {
            format!("access refused: the user name {error}. Connect as LOGIN@NODE@GATEWAY")
        };
        match (SshName::parse(name).map_err(|error| bad(&error.reason))?, self.origin.way.node()) {
            (SshName::Target(target), None) => Ok(Some((target.login, target.node))),
            (SshName::Login(login), Some(node)) => Ok(Some((login, node.clone()))),
            (SshName::Login(_), None) => Ok(None),
            (SshName::Target(_), Some(_)) => Err("access refused: the node is named twice. \
                 Connect as LOGIN when CONNECT or a jump names the node"
                .into()),
        }
    }

    /// Whom a certificate means, here and now.
    pub(super) fn subject(&self, user: &UserName, certificate: &UserCertificate) -> Subject {
        Subject {
            user: user.clone(),
            bot: shown(certificate),
            source: self.origin.source.ip(),
            credential: Credential::of_ssh(certificate),
        }
    }

    /// Decides, and audits where the answer is no.
    async fn decide(
        &mut self,
        user: UserName,
        login: Login,
        node: NodeRef,
        certificate: Verified<UserCertificate>,
    ) -> Result<Decided, String> {
        let subject = self.subject(&user, &certificate);
        let asked = AccessRequest { subject, login: login.clone(), node: node.clone() };
        match self.admitted(&asked, &certificate).await {
            Ok(grant) => Ok(Decided { asked, grant, certificate }),
            Err(refusal) => {
                let event = events::refused(refusal.event_type(), &self.origin, refusal.reason());
                self.audit(events::about(event, &user, &login, &node.to_string())).await;
                Err(refusal.line(&user, &login, &node))
            }
        }
    }

    /// Audits and dials.
    async fn open(&mut self, decided: Decided) -> Result<Entered, String> {
        let Decided { asked, grant, certificate } = decided;
        let user = grant.user.name.clone();
        let permits = Arc::new(restricted(&grant.permits, &certificate));
        if let Some(most) = permits.max_connections
            && self.services.connections.of_user(&user) >= most as usize
        {
            let event = events::refused("access.refuse", &self.origin, "max_connections");
            self.audit(events::about(event, &user, &asked.login, &asked.node.to_string())).await;
            return Err(format!("access refused: {user} has {most} connections already. Close one of them"));
        }
        if !self.services.shared.is_ready() {
            return Err("access refused: this gateway is stopping. Try again in a moment".into());
        }
        let opening = events::opening(&self.origin, &grant, &certificate);
        let (dialled, audited) = futures_util::join!(
            self.dial(&grant, &permits, &certificate),
            self.services.shared.auditor.record(opening)
        );
        if let Err(error) = audited {
            log::error!(error:%; "a connection was refused because its audit event cannot be written");
            return Err("access refused: the audit log cannot be written. Ask an administrator".into());
        }
        match dialled {
            Ok(dialled) => Ok(Entered { grant, asked, permits, certificate, dialled }),
            Err(error) => {
                for event in events::not_reached(&self.origin, &grant, &error) {
                    self.audit(event).await;
                }
                Err(error.line(&grant.node.spec.hostname.to_string(), grant.login.as_str()))
            }
        }
    }

    /// The decision, and of a bot first whether its certificate is one that is in use: later sessions on the same
    /// connection need not be asked that again.
    async fn admitted(&self, asked: &AccessRequest, certificate: &UserCertificate) -> Result<Grant, Refusal> {
        if certificate.bot.is_some() {
            if asked.subject.bot.is_none() {
                return Err(Refusal::Generation);
            }
            self.services.inventory.identify(asked.subject.clone()).await?;
        }
        self.services.inventory.authorize(asked.clone()).await
    }
}

/// The word for what no client does that follows the protocol, asked or not.
fn fault(error: &LegError) -> Option<&'static str> {
    use mezite_ssh::Error;
    match error {
        LegError::Engine(Error::Misbehaved(_) | Error::TooLarge | Error::Corrupt | Error::NotSsh) => {
            Some("protocol")
        }
        LegError::Engine(Error::Incompatible { .. }) => Some("algorithms"),
        LegError::Engine(_) | LegError::Closed | LegError::Socket(_) => None,
    }
}

/// The instance that the certificate names; nothing for a person, or where no instance has such a name.
fn shown(certificate: &UserCertificate) -> Option<Shown> {
    let bot = certificate.bot.as_ref()?;
    Shown::new(&bot.instance, bot.generation, Serial::Ssh(certificate.serial))
}

fn is_certificate(blob: &[u8]) -> bool {
    hostkey::key_blob_type(blob).is_ok_and(|kind| kind.ends_with("-cert-v01@openssh.com"))
}

/// What roles permit, less what the certificate withholds: its restrictions hold for the whole connection.
pub(super) fn restricted(permits: &Permits, certificate: &UserCertificate) -> Permits {
    let mut permits = permits.clone();
    permits.pty &= certificate.permits.pty;
    permits.forward_agent &= certificate.permits.agent_forwarding;
    permits.x11_forwarding &= certificate.permits.x11_forwarding;
    permits
}
