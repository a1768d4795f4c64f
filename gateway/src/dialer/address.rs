//! Which addresses may be dialled. The check is made after a name was resolved, on the very address that is dialled.

use std::net::{IpAddr, SocketAddr};

use mezite_api::{Host, NodeAddress};

/// Why an address is not dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forbidden {
    /// `0.0.0.0`, `::`
    Unspecified,
    /// Cloud metadata lives there.
    LinkLocal,
    /// One cannot speak SSH to a group.
    Multicast,
    /// Only where the recorded address is itself a loopback address or `localhost`.
    Loopback,
    /// One of this gateway's own listeners.
    Own,
    /// Reserved, or broadcast.
    Reserved,
}

impl std::fmt::Display for Forbidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Loopback => "a loopback address that the node's record does not name",
            Self::Own => "the gateway itself",
            Self::Reserved => "a reserved address",
        })
    }
}

/// Decides about an address that the `recorded` one resolved to; `own` are the gateway's listeners.
pub fn check(recorded: &NodeAddress, resolved: SocketAddr, own: &[SocketAddr]) -> Result<(), Forbidden> {
    let ip = resolved.ip().to_canonical();
    let reserved = match ip {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.octets()[0] >= 240 || v4.octets()[0] == 0,
        IpAddr::V6(_) => false,
    };
    let link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    if ip.is_unspecified() {
        Err(Forbidden::Unspecified)
    } else if link_local {
        Err(Forbidden::LinkLocal)
    } else if ip.is_multicast() {
        Err(Forbidden::Multicast)
    } else if reserved {
        Err(Forbidden::Reserved)
    } else if ip.is_loopback() && !names_loopback(&recorded.host) {
        Err(Forbidden::Loopback)
    } else if own.iter().any(|own| is_listener(*own, ip, resolved.port())) {
        Err(Forbidden::Own)
    } else {
        Ok(())
    }
}

fn names_loopback(host: &Host) -> bool {
    match host {
        Host::Ip(ip) => ip.to_canonical().is_loopback(),
        Host::Name(name) => name.as_str().eq_ignore_ascii_case("localhost"),
    }
}

/// A listener on all addresses is met on loopback here; on others, once connected (see `is_self_connection`).
fn is_listener(own: SocketAddr, ip: IpAddr, port: u16) -> bool {
    let own_ip = own.ip().to_canonical();
    own.port() == port && (own_ip == ip || (own_ip.is_unspecified() && ip.is_loopback()))
}

/// Whether a connection that stands leads to one of our own listeners on this very machine.
pub fn is_self_connection(local: SocketAddr, peer: SocketAddr, own: &[SocketAddr]) -> bool {
    local.ip() == peer.ip() && own.iter().any(|own| own.ip().is_unspecified() && own.port() == peer.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(recorded: &str, resolved: &str) -> Result<(), Forbidden> {
        let own = ["0.0.0.0:3023".parse().unwrap(), "127.0.0.1:3080".parse().unwrap()];
        check(&NodeAddress::parse(recorded).unwrap(), resolved.parse().unwrap(), &own)
    }

    #[test]
    fn hostile_030_addresses_that_are_never_dialled() {
        for (resolved, why) in [
            ("0.0.0.0:22", Forbidden::Unspecified),
            ("[::]:22", Forbidden::Unspecified),
            ("169.254.169.254:22", Forbidden::LinkLocal),
            ("[fe80::1]:22", Forbidden::LinkLocal),
            ("[::ffff:169.254.169.254]:22", Forbidden::LinkLocal),
            ("224.0.0.1:22", Forbidden::Multicast),
            ("[ff02::1]:22", Forbidden::Multicast),
            ("255.255.255.255:22", Forbidden::Reserved),
            ("0.1.2.3:22", Forbidden::Reserved),
            ("127.0.0.1:22", Forbidden::Loopback),
            ("[::1]:22", Forbidden::Loopback),
            ("[::ffff:127.0.0.1]:22", Forbidden::Loopback),
        ] {
            assert_eq!(checked("db.internal:22", resolved), Err(why), "{resolved}");
        }
        assert_eq!(checked("db.internal:22", "10.0.0.7:22"), Ok(()));
        assert_eq!(checked("db.internal:22", "[2001:db8::7]:22"), Ok(()));
    }

    #[test]
    fn loopback_is_dialled_only_where_it_is_recorded_and_never_ourselves() {
        assert_eq!(checked("127.0.0.1:2222", "127.0.0.1:2222"), Ok(()));
        assert_eq!(checked("localhost:2222", "[::1]:2222"), Ok(()));
        assert_eq!(checked("127.0.0.1:3023", "127.0.0.1:3023"), Err(Forbidden::Own));
        assert_eq!(checked("127.0.0.1:3080", "[::ffff:127.0.0.1]:3080"), Err(Forbidden::Own));
        assert_eq!(checked("127.0.0.2:3080", "127.0.0.2:3080"), Ok(()));
    }
}
