//! Critical options and extensions: what they mean, and their names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::certificate::RawOption;
use crate::refusal::CertificateRefusal;
use crate::text::printable;

/// Critical option: the only addresses from which the certificate may be used.
pub(crate) const SOURCE_ADDRESS: &str = "source-address";
/// Critical option: the only command that may run. Refused, because the gateway does not enforce it.
const FORCE_COMMAND: &str = "force-command";
/// Extension: port forwarding through the gateway.
const LISTED_FORWARDING: &str = "permit-port-forwarding@mezite";
/// Extension: the user that the certificate stands for.
pub(crate) const USER: &str = "user@mezite";
/// Extension: the instance of a bot that the certificate was issued to.
pub(crate) const BOT: &str = "bot@mezite";
/// Extension: the generation of that instance, in decimal.
pub(crate) const GENERATION: &str = "generation@mezite";

/// What a user certificate permits its holder: OpenSSH's extensions of the same names, and one of our own.
/// `permit-user-rc` is never given and never asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "five independent flags of the certificate format")]
pub struct Permits {
    /// `permit-pty`.
    pub pty: bool,
    /// `permit-agent-forwarding`.
    pub agent_forwarding: bool,
    /// `permit-X11-forwarding`.
    pub x11_forwarding: bool,
    /// `permit-port-forwarding`: everywhere, since a node cannot narrow it to a list.
    pub port_forwarding: bool,
    /// `permit-port-forwarding@mezite`: through the gateway, which holds to the lists of the roles.
    pub listed_forwarding: bool,
}

impl Permits {
    /// Everything that can be permitted.
    pub const ALL: Self = Self {
        pty: true,
        agent_forwarding: true,
        x11_forwarding: true,
        port_forwarding: true,
        listed_forwarding: true,
    };

    /// Adds the extensions that say so.
    pub(crate) fn add_to(self, extensions: &mut BTreeMap<String, String>) {
        for (name, permitted) in [
            ("permit-pty", self.pty),
            ("permit-agent-forwarding", self.agent_forwarding),
            ("permit-X11-forwarding", self.x11_forwarding),
            ("permit-port-forwarding", self.port_forwarding),
            (LISTED_FORWARDING, self.listed_forwarding),
        ] {
            if permitted {
                extensions.insert(name.to_owned(), String::new());
            }
        }
    }

    fn flag(&mut self, name: &[u8]) -> Option<&mut bool> {
        match name {
            b"permit-pty" => Some(&mut self.pty),
            b"permit-agent-forwarding" => Some(&mut self.agent_forwarding),
            b"permit-X11-forwarding" => Some(&mut self.x11_forwarding),
            b"permit-port-forwarding" => Some(&mut self.port_forwarding),
            name if name == LISTED_FORWARDING.as_bytes() => Some(&mut self.listed_forwarding),
            _ => None,
        }
    }
}

/// The instance of a bot that a certificate was issued to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BotInstance {
    /// The instance's id.
    pub instance: String,
    /// The generation of its certificates that this one belongs to.
    pub generation: u64,
}

/// What the extensions of a user certificate say. Unknown ones are passed over.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    pub(crate) permits: Permits,
    pub(crate) user: Option<String>,
    pub(crate) bot: Option<BotInstance>,
}

impl Extensions {
    pub(crate) fn read(options: &[RawOption<'_>]) -> Result<Self, CertificateRefusal> {
        let mut read = Self::default();
        let (mut instance, mut generation) = (None, None);
        for option in options {
            if let Some(flag) = read.permits.flag(option.name) {
                option.flag().map_err(|_| CertificateRefusal::Malformed)?;
                *flag = true;
            } else if option.name == USER.as_bytes() {
                read.user = Some(text(option)?);
            } else if option.name == BOT.as_bytes() {
                instance = Some(text(option)?);
            } else if option.name == GENERATION.as_bytes() {
                let number = text(option)?.parse().map_err(|_| CertificateRefusal::Identity)?;
                generation = Some(number);
            }
        }
        read.bot = match (instance, generation) {
            (Some(instance), Some(generation)) => Some(BotInstance { instance, generation }),
            (None, None) => None,
            _ => return Err(CertificateRefusal::Identity),
        };
        Ok(read)
    }
}

fn text(option: &RawOption<'_>) -> Result<String, CertificateRefusal> {
    let value = option.value().map_err(|_| CertificateRefusal::Malformed)?;
    String::from_utf8(value.to_vec()).map_err(|_| CertificateRefusal::Identity)
}

/// Reads the critical options of a user certificate: `source-address` is the only one that is enforced, everything
/// else refuses the certificate. Gives the addresses, none where the certificate is not bound to any.
pub(crate) fn source_addresses(options: &[RawOption<'_>]) -> Result<Option<Vec<IpNet>>, CertificateRefusal> {
    let mut networks = None;
    for option in options {
        if option.name == SOURCE_ADDRESS.as_bytes() {
            let list = option.value().map_err(|_| CertificateRefusal::CriticalOptions)?;
            if list.is_empty() {
                return Err(CertificateRefusal::CriticalOptions);
            }
            networks = Some(parse_networks(list).ok_or(CertificateRefusal::SourceAddressList)?);
        } else if option.name == FORCE_COMMAND.as_bytes() {
            return Err(CertificateRefusal::ForceCommand);
        } else {
            return Err(CertificateRefusal::UnknownCriticalOption { name: printable(option.name) });
        }
    }
    Ok(networks)
}

/// Whether one of the networks has this address. Both may be IPv4 in the form of IPv6.
pub(crate) fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// A comma-separated list of addresses and CIDR networks. As in OpenSSH, one that is wrong spoils the whole list, and a
/// network whose host bits are not zero is wrong.
fn parse_networks(list: &[u8]) -> Option<Vec<IpNet>> {
    std::str::from_utf8(list).ok()?.split(',').map(parse_network).collect()
}

fn parse_network(text: &str) -> Option<IpNet> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().ok()?,
    };
    if network.addr() != network.network() {
        return None;
    }
    Some(canonical(network))
}

/// `::ffff:a.b.c.d/96+n` is `a.b.c.d/n`.
pub(crate) fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let v4 = mapped.addr().to_ipv4_mapped().zip(mapped.prefix_len().checked_sub(96));
    match v4.and_then(|(address, length)| Ipv4Net::new(address, length).ok()) {
        Some(v4) => IpNet::V4(v4),
        None => network,
    }
}
