//! The PROXY protocol, version 2, as load balancers speak it: read only from listed peers, once, as the first bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Length of what says how long the header is.
pub const HEAD: usize = 16;
/// Longest header that is read: addresses and a few TLVs.
const MAX_LENGTH: usize = 1024;

/// The header is not one that we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("bad PROXY protocol header")]
pub struct BadHeader;

/// A decoded header.
#[derive(Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The client, as the load balancer saw it; `None` where it speaks for itself (LOCAL).
    pub client: Option<SocketAddr>,
    /// Length of the header; what follows is the client's.
    pub length: usize,
}

/// Whether bytes begin with the signature, or may still become one.
pub fn may_be_header(bytes: &[u8]) -> bool {
    SIGNATURE.starts_with(bytes.get(..SIGNATURE.len()).unwrap_or(bytes))
}

/// How long the header is that begins so.
pub fn length(head: &[u8]) -> usize {
    let body = head.get(14..HEAD).and_then(|length| <[u8; 2]>::try_from(length).ok()).unwrap_or_default();
    HEAD + usize::from(u16::from_be_bytes(body))
}

/// Decodes a header. `None`: it is not whole yet.
pub fn decode(bytes: &[u8]) -> Result<Option<ProxyHeader>, BadHeader> {
    if !may_be_header(bytes) {
        return Err(BadHeader);
    }
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
    let (command, family) = (head[12], head[13]);
    let body_length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    if body_length > MAX_LENGTH || command >> 4 != 2 {
        return Err(BadHeader);
    }
    let length = HEAD + body_length;
    let Some(body) = bytes.get(HEAD..length) else { return Ok(None) };
    let client = match (command & 0x0f, family) {
        (0, _) => None,
        (1, 0x11) => Some(address::<4>(body, 8, |ip| IpAddr::V4(Ipv4Addr::from(ip)))?),
        (1, 0x21) => Some(address::<16>(body, 32, |ip| IpAddr::V6(Ipv6Addr::from(ip)))?),
        _ => return Err(BadHeader),
    };
    Ok(Some(ProxyHeader { client, length }))
}

/// The source address, and the source port that stands at `port_at`.
fn address<const N: usize>(
    body: &[u8],
    port_at: usize,
    ip: impl Fn([u8; N]) -> IpAddr,
) -> Result<SocketAddr, BadHeader> {
    let source = ip(*body.first_chunk::<N>().ok_or(BadHeader)?).to_canonical();
    let port = body.get(port_at..port_at + 2).ok_or(BadHeader)?;
    let reserved = match source {
        IpAddr::V4(v4) => v4.octets()[0] >= 240,
        IpAddr::V6(_) => false,
    };
    if source.is_multicast() || source.is_unspecified() || reserved {
        return Err(BadHeader);
    }
    Ok(SocketAddr::new(source, u16::from_be_bytes([port[0], port[1]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, body].concat()
    }

    #[test]
    fn the_client_is_the_source_of_the_header() {
        let body = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 22];
        let bytes = [header(0x21, 0x11, &body), b"SSH-".to_vec()].concat();
        let decoded = decode(&bytes).unwrap().unwrap();
        assert_eq!(decoded, ProxyHeader { client: Some("192.0.2.7:12345".parse().unwrap()), length: 28 });
        assert_eq!(decode(&bytes[..20]), Ok(None));
    }

    #[test]
    fn hostile_027_headers_that_are_refused() {
        let body = [192, 0, 2, 7, 10, 0, 0, 1, 0, 1, 0, 22];
        let class_e = [250, 0, 2, 7, 10, 0, 0, 1, 0, 1, 0, 22];
        for (label, bytes) in [
            ("version 1", b"PROXY TCP4 192.0.2.7 10.0.0.1 1 22\r\n".to_vec()),
            ("unknown command", header(0x22, 0x11, &body)),
            ("unix family", header(0x21, 0x31, &body)),
            ("udp", header(0x21, 0x12, &body)),
            ("short body", header(0x21, 0x11, &body[..8])),
            ("class E", header(0x21, 0x11, &class_e)),
            ("too long", header(0x21, 0x11, &[0; 2000])),
        ] {
            assert_eq!(decode(&bytes), Err(BadHeader), "{label}");
        }
        let mut longest = header(0x21, 0x11, &[]);
        longest[14..].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(decode(&longest), Err(BadHeader), "refused before it is waited for");
        assert_eq!(decode(&header(0x20, 0, &[])).unwrap().unwrap().client, None, "LOCAL");
    }

    #[test]
    fn a_mapped_source_is_what_it_maps_to() {
        let mut body = [0; 36];
        body[10..16].copy_from_slice(&[0xff, 0xff, 192, 0, 2, 9]);
        let decoded = decode(&header(0x21, 0x21, &body)).unwrap().unwrap();
        assert_eq!(decoded.client.unwrap().ip(), "192.0.2.9".parse::<IpAddr>().unwrap());
    }
}
