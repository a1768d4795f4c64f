//! `mezctl nodes add`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs as _, UdpSocket};

use clap::Args;
use mezite_api::client::Client;
use mezite_api::node::NodeAdd;
use mezite_api::{Host, Labels, Node, NodeName, Port};

use super::host_keys::HostKeys;
use mezite_console::CommandError;

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
    /// Believe a certificate of the cluster's Host CA for the node's name, UUID or address: beside the pinned keys, or alone.
    #[arg(long)]
    host_ca: bool,
}

impl Add {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let node = client.add_node(&self.request()?)?;
        eprintln!("added node {} ({})", node.spec.hostname, node.id());
        eprint!("{}", advice(&node));
        Ok(())
    }

    /// What is asked of the gateway; nothing is when anything is wrong.
    fn request(&self) -> Result<NodeAdd, CommandError> {
        let request = NodeAdd {
            id: None,
            name: NodeName::parse(&self.name)?,
            host: Host::parse(&self.host)?,
            port: Port::parse(&self.port)?,
            labels: Labels::parse(&self.labels)?,
            host_keys: self.host_keys.read()?,
            host_ca: self.host_ca,
            verify_host_key: self.host_keys.verify,
        };
        request.check()?;
        Ok(request)
    }
}

/// What sshd needs to know of a gateway through which everybody comes.
fn advice(node: &Node) -> String {
    let source = source_towards(node);
    let source = source.map_or("GATEWAY_ADDRESS".to_owned(), |source| source.to_string());
    let keyless = if node.spec.host_keys.is_empty() && !node.spec.host_ca {
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

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQx8HzRcc7CXhqtoPrpCtjETpuS2pXGzKrzqE0KcKgU";
    /// A body that no message may repeat.
    const SECRET: &str = "b3BlbnNzaC1rZXktdjEAAAAA";
    /// 1024 bits.
    const SHORT_RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC5V0OgR8UMJ8qTH8PUAq1eHI0SuYXUl7WYGxA9vzRnvRdsL6c1OtTG4qm+A5IJ6LUDrbqe2AqRHXxfRWjj47BLkz+p5OF8t0Ot43xhnukBIqdsfcJX/6NqdI/aouYAWIvV7N2FnTQUv7gCPb+UAvmRCqu/oB7N+AMAwqpM9tKTDw==";

    fn parse(arguments: &[&str]) -> Result<Add, clap::Error> {
        #[derive(clap::Parser)]
        struct Parser {
            #[command(flatten)]
            add: Add,
        }
        let all = ["add", "--openssh"].into_iter().chain(arguments.iter().copied());
        <Parser as clap::Parser>::try_parse_from(all).map(|parser| parser.add)
    }

    /// The error of a command line that is right but for these arguments, which come last and win.
    fn refused(field: &str, value: &str) -> String {
        let mut fields =
            [("name", "db-1"), ("host", "10.0.0.7"), ("port", "22"), ("labels", ""), ("host-key", KEY)];
        for (name, given) in &mut fields {
            if *name == field {
                *given = value;
            }
        }
        let mut arguments: Vec<String> = fields.map(|(name, value)| format!("--{name}={value}")).to_vec();
        if field == "host-key-file" {
            arguments.push(format!("--host-key-file={value}"));
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let error = parse(&arguments).unwrap().request().map(|_| ()).expect_err(value);
        format!("{error:?}")
    }

    #[test]
    fn a_whole_command_line_is_read() {
        let key = format!("--host-key={KEY}");
        let arguments =
            ["--name=DB-1", "--host=[::1]", "--labels=env=prod,tier=db", &key, "--verify-host-key"];
        let request = parse(&arguments).unwrap().request().unwrap();
        assert_eq!((request.name.as_str(), request.port, request.labels.len()), ("DB-1", Port::SSH, 2));
        assert!(request.verify_host_key && request.host_keys.len() == 1);
        parse(&["--name=x"]).unwrap_err();
    }

    #[test]
    fn hostile_038_each_field_is_refused_by_its_name_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).unwrap();
        let private =
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n");
        let long = "x".repeat(256);
        let certificate = format!("ssh-ed25519-cert-v01@openssh.com {SECRET}");
        for (field, named, value) in [
            ("name", "name", "a/b"),
            ("name", "name", ".."),
            ("name", "name", "a\0b"),
            ("name", "name", ""),
            ("name", "name", &long),
            ("name", "name", "00000000-0000-4000-8000-000000000000"),
            ("host", "host", "user@h"),
            ("host", "host", "https://h/"),
            ("host", "host", "-oProxyCommand=x"),
            ("host", "host", "a b"),
            ("host", "host", ""),
            ("port", "port", "0"),
            ("port", "port", "65536"),
            ("port", "port", "+22"),
            ("labels", "labels", "a"),
            ("labels", "labels", "a=b=c"),
            ("labels", "labels", "a=b,"),
            ("labels", "labels", "a=b\nc"),
            ("host-key", "host_keys", &format!("{KEY}\n{KEY}")),
            ("host-key", "host_keys", &private),
            ("host-key", "host_keys", &certificate),
            ("host-key", "host_keys", &format!("no-pty {KEY}")),
            ("host-key", "host_keys", &format!("{KEY}\r\n")),
            ("host-key", "host_keys", SHORT_RSA),
            ("host-key", "host_keys", ""),
            ("host-key-file", "fifo", &fifo.display().to_string()),
        ] {
            let error = refused(field, value);
            assert!(error.contains("kind: Usage") && error.contains(named), "{field} {value:?}: {error}");
            assert!(!error.contains(SECRET), "{error}");
        }
    }

    #[test]
    fn hostile_038_a_key_that_looks_like_an_option_is_not_quoted() {
        let private = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}");
        let add = parse(&["--name=x", "--host=h", "--host-key", &private]).unwrap();
        assert!(!format!("{:?}", add.request().unwrap_err()).contains(SECRET));
    }

    #[test]
    fn the_advice_names_the_gateways_address() {
        let spec = NodeSpec {
            hostname: NodeName::parse("db-1").unwrap(),
            addr: NodeAddress::parse("127.0.0.1:22").unwrap(),
            host_keys: Vec::new(),
            host_ca: false,
        };
        let advice = advice(&Node::new(uuid::Uuid::nil(), Labels::new(), spec));
        assert!(advice.contains("PerSourcePenaltyExemptList 127.0.0.1 "), "{advice}");
        assert!(advice.contains("\nMaxStartups 64:30:128\n"), "{advice}");
        assert!(advice.contains("no host key is pinned"), "{advice}");
    }
}
