//! Whoever holds a key, and speaks to the gateway by hand: honest, thief or careless.

use mezite_api::bot::{Credentials, JoinRequest, RenewRequest};
use mezite_api::client::{self, Client, ClientError, Server, Trust};
use mezite_api::oidc::OidcJoinRequest;
use mezite_api::{Problem, ProblemCode, SecretText, UserKey};
use mezite_ca::{Statement, Token};
use mezite_fixtures::Scene;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use ssh_key::private::{EcdsaKeypair, KeypairData};
use ssh_key::{Algorithm, EcdsaCurve, PrivateKey};
use uuid::Uuid;

/// A private key.
#[derive(Clone)]
pub struct Holder(pub PrivateKey);

impl Holder {
    pub fn new() -> Self {
        let algorithm = Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 };
        Self(PrivateKey::random(&mut rand_core::OsRng, algorithm).unwrap())
    }

    fn public(&self) -> UserKey {
        UserKey::parse(&self.0.public_key().to_openssh().unwrap()).unwrap()
    }

    /// A request for the first certificates.
    pub fn asks(&self, token: &str, request: Uuid) -> JoinRequest {
        let (token, _) = token.split_once('.').unwrap_or((token, ""));
        let digest = Token::parse(token).unwrap().digest();
        let id = request.to_string();
        JoinRequest {
            token: SecretText::from(zeroize::Zeroizing::new(token.to_owned())),
            public_key: self.public(),
            proof: Statement::Join { request: &id, token: &digest }.sign(&self.0).unwrap(),
            request,
            renewal_interval: None,
        }
    }

    /// Joins.
    pub fn join(&self, scene: &Scene, token: &str, request: Uuid) -> Result<Credentials, ClientError> {
        client(scene, None).join(&self.asks(token, request))
    }

    /// A request for the first certificates with an id token.
    pub fn asks_with(&self, id_token: &str, request: Uuid) -> OidcJoinRequest {
        let id = request.to_string();
        OidcJoinRequest {
            id_token: SecretText::from(zeroize::Zeroizing::new(id_token.to_owned())),
            bot: None,
            public_key: self.public(),
            proof: Statement::OidcJoin { request: &id, id_token }.sign(&self.0).unwrap(),
            request,
            renewal_interval: None,
        }
    }

    /// Joins with an id token.
    pub fn join_with(&self, scene: &Scene, id_token: &str) -> Result<Credentials, ClientError> {
        client(scene, None).join_oidc(&self.asks_with(id_token, Uuid::new_v4()))
    }

    /// A request for the next certificates of what is held.
    pub fn asks_again(&self, held: &Credentials, request: Uuid) -> RenewRequest {
        let (id, instance) = (request.to_string(), held.instance.to_string());
        let statement = Statement::Renew { request: &id, instance: &instance, generation: held.generation };
        RenewRequest { public_key: self.public(), proof: statement.sign(&self.0).unwrap(), request }
    }

    /// Renews, with the key of the certificates that are held, for `next`.
    pub fn renew_for(
        &self,
        scene: &Scene,
        held: &Credentials,
        next: &Self,
        request: Uuid,
    ) -> Result<Credentials, ClientError> {
        self.client(scene, held).renew(&next.asks_again(held, request))
    }

    /// Renews with the same key.
    pub fn renew(&self, scene: &Scene, held: &Credentials) -> Result<Credentials, ClientError> {
        self.renew_for(scene, held, self, Uuid::new_v4())
    }

    /// Says that the certificates have arrived.
    pub fn acknowledge(&self, scene: &Scene, held: &Credentials) -> Result<(), ClientError> {
        self.client(scene, held).acknowledge()
    }

    /// A client that shows the certificates.
    pub fn client(&self, scene: &Scene, held: &Credentials) -> Client {
        let KeypairData::Ecdsa(EcdsaKeypair::NistP256 { private, .. }) = self.0.key_data() else {
            panic!("a P-256 key")
        };
        let key = p256::SecretKey::from_slice(private.as_slice()).unwrap();
        let key = p256::pkcs8::EncodePrivateKey::to_pkcs8_pem(&key, p256::pkcs8::LineEnding::LF).unwrap();
        let shown = client::Credentials::from_pem(held.tls_certificate.as_bytes(), key.as_bytes());
        self::client(scene, Some(shown.unwrap()))
    }
}

/// A client that trusts the gateway.
pub fn client(scene: &Scene, shown: Option<client::Credentials>) -> Client {
    let server: Server = format!("localhost:{}", scene.gateway.https().port()).parse().unwrap();
    let ca = CertificateDer::from_pem_file(scene.gateway.tls_ca()).unwrap();
    Client::https(&server, Trust::Ca(vec![ca]), shown).unwrap()
}

/// The problem that a call was refused with.
#[track_caller]
pub fn problem<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> Problem {
    match answer {
        Err(ClientError::Refused(problem)) => problem,
        other => panic!("not refused: {other:?}"),
    }
}

/// Ends the test unless a call was refused so.
#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, code: ProblemCode) {
    let problem = problem(answer);
    assert_eq!(problem.code, code, "{problem}");
}
