//! `mezctl nodes add`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs as _, UdpSocket};

use clap::Args;
use mezite_api::client::Client;
use mezite_api::node::NodeAdd;
use mezite_api::{Host, Labels, Node, NodeName, Port};

use super::host_keys::HostKeys;
use crate::error::CommandError;

/// Enrols a machine that runs its own sshd.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The machine runs stock OpenSSH; nothing of ours is installed on it.
    #[arg(long, required = true)]
    openssh: bool,
    /// The node's name.
    #[arg(long)]
    name: String,
    /// The machine's name or address.
    #[arg(long)]
    host: String,
    /// Where its sshd listens.
    #[arg(long, default_value = "22")]
    port: String,
    /// What roles match: key=value,key2=value2.
    #[arg(long, default_value = "", hide_default_value = true)]
    labels: String,
    #[command(flatten)]
    host_keys: HostKeys,
}

impl Add {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let request = NodeAdd {
            name: NodeName::parse(&self.name)?,
            host: Host::parse(&self.host)?,
            port: Port::parse(&self.port)?,
            labels: Labels::parse(&self.labels)?,
            host_keys: self.host_keys.read()?,
            verify_host_key: self.host_keys.verify,
        };
        request.check()?;
        let node = client.add_node(&request)?;
        eprintln!("added node {} ({})", node.spec.hostname, node.id());
        eprint!("{}", advice(&node));
        Ok(())
    }
}

/// What sshd needs to know of a gateway through which everybody comes.
fn advice(node: &Node) -> String {
    let source = source_towards(node);
    let source = source.map_or("GATEWAY_ADDRESS".to_owned(), |source| source.to_string());
    let keyless = if node.spec.host_keys.is_empty() {
        "no host key is pinned: the node must show a certificate of this cluster's Host CA\n"
    } else {
        ""
    };
    format!(
        "{keyless}in the sshd_config of {}, since all connections come from the gateway's address:\n\
         PerSourcePenaltyExemptList {source}    # OpenSSH 9.8 and newer\n\
         MaxStartups 64:30:128\n",
        node.spec.hostname
    )
}

/// The address from which this machine, where the gateway runs, would reach the node. Nothing is sent.
fn source_towards(node: &Node) -> Option<IpAddr> {
    let port = node.spec.addr.port.number();
    let target = match &node.spec.addr.host {
        Host::Ip(ip) => (*ip, port).into(),
        Host::Name(name) => (name.as_str(), port).to_socket_addrs().ok()?.next()?,
    };
    let any: IpAddr =
        if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(target).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use mezite_api::NodeAddress;
    use mezite_api::node::NodeSpec;

    use super::*;

    #[test]
    fn the_advice_names_the_gateways_address() {
        let spec = NodeSpec {
            hostname: NodeName::parse("db-1").unwrap(),
            addr: NodeAddress::parse("127.0.0.1:22").unwrap(),
            host_keys: Vec::new(),
        };
        let advice = advice(&Node::new(uuid::Uuid::nil(), Labels::new(), spec));
        assert!(advice.contains("PerSourcePenaltyExemptList 127.0.0.1 "), "{advice}");
        assert!(advice.contains("\nMaxStartups 64:30:128\n"), "{advice}");
        assert!(advice.contains("no host key is pinned"), "{advice}");
    }
}
