//! The node leg: dialled with a certificate that is made for this one connection.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mezite_access::Permits;
use mezite_ca::{CaKind, UserCertificate};

use super::authentication::Authentication;
use crate::authority::{NodeCa, NodeCredentialOrder};
use crate::dialer::{Credential, Dial, DialError, Dialled};
use crate::inventory::Grant;

impl Authentication<'_> {
    pub(super) async fn dial(
        &self,
        grant: &Grant,
        permits: &Permits,
        certificate: &UserCertificate,
    ) -> Result<Dialled, DialError> {
        let authority = &self.services.shared.authority;
        let host_ca = authority.trusted(CaKind::Host).await;
        let host_ca = host_ca.map_err(|error| DialError::Credential(error.to_string()))?;
        let order = NodeCredentialOrder {
            ca: NodeCa::OpenSsh,
            user: grant.user.name.clone(),
            login: grant.login.clone(),
            node: grant.node.spec.hostname.clone(),
            connection: self.origin.id.to_string(),
            permits: node_permits(permits, certificate),
        };
        let credentials = move |ca: CaKind| -> BoxFuture<'_, Result<Credential, String>> {
            let ca = if ca == CaKind::User { NodeCa::User } else { NodeCa::OpenSsh };
            let order = NodeCredentialOrder { ca, ..order.clone() };
            async move {
                let credential = authority.node_credential(order).await.map_err(|error| error.to_string())?;
                Credential::new(&credential).map_err(|error| error.to_string())
            }
            .boxed()
        };
        let dial = Dial {
            node: &grant.node,
            login: grant.login.as_str(),
            user: grant.user.name.as_str(),
            credentials: &credentials,
        };
        self.services.dialer.dial(&dial, host_ca).await
    }
}

/// The extensions of the certificate for the node.
fn node_permits(permits: &Permits, certificate: &UserCertificate) -> mezite_ca::Permits {
    let forwards = permits.forwards_local() || permits.forwards_remote();
    let certified = certificate.permits.port_forwarding || certificate.permits.listed_forwarding;
    mezite_ca::Permits {
        pty: permits.pty,
        agent_forwarding: permits.forward_agent,
        x11_forwarding: permits.x11_forwarding,
        port_forwarding: forwards && certified,
        listed_forwarding: false,
    }
}
