//! The front door on the SSH port: accepts, finds out what a client speaks, and hands it on.

mod connect;
mod proxy_header;
mod startups;
mod tunnel;

pub use startups::{Startups, Ticket};
pub use tunnel::over_tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::Either;
use futures_util::io::{AsyncReadExt as _, AsyncWriteExt as _};
use ipnet::IpNet;
use mezite_actors::net::{Keepalive, TcpListener, TcpStream};
use mezite_actors::{Kind, Rank, Stop, time};

use crate::connection::{Arrival, Services, Way};
use crate::race::race;
use connect::Connect;

/// The accept loop, for the supervisor.
pub const FRONT: Kind = Kind { name: "front", rank: Rank::Front, capacity: 1 };

/// For the first bytes, and a `CONNECT` head or PROXY header where one comes.
const SNIFF: Duration = Duration::from_secs(10);
/// A client that says nothing for so long is taken for one that waits for the server's identification.
const SILENCE: Duration = Duration::from_secs(1);
/// How a peer that is gone without a word is noticed.
const KEEPALIVE: Keepalive =
    Keepalive { idle: Duration::from_mins(1), interval: Duration::from_secs(15), probes: 4 };

/// What came before SSH.
struct Sniffed {
    way: Way,
    read: Vec<u8>,
    source: SocketAddr,
}

/// How long the `CONNECT` head at the beginning of `bytes` is, where it is one.
#[cfg(fuzzing)]
pub(crate) fn connect_head_len(bytes: &[u8]) -> Option<usize> {
    connect::decode(bytes).ok()?.map(|connect| connect.head)
}

/// How long the PROXY header at the beginning of `bytes` is, where it is one.
#[cfg(fuzzing)]
pub(crate) fn proxy_header_len(bytes: &[u8]) -> Option<usize> {
    proxy_header::decode(bytes).ok()?.map(|header| header.length)
}

/// Accepts until the front drains. What is connected lives on.
pub async fn serve(services: Arc<Services>, startups: Startups, listener: TcpListener, stop: Stop) {
    loop {
        let (socket, peer) = match race(listener.accept(), stop.drain.wait()).await {
            Either::Left(Ok(accepted)) => accepted,
            Either::Left(Err(error)) => return log::error!(error:%; "the SSH listener failed"),
            Either::Right(()) => return,
        };
        let (services, startups) = (services.clone(), startups.clone());
        mezite_actors::spawn_apart("connection", admit(services, startups, socket, peer)).detach();
    }
}

async fn admit(services: Arc<Services>, startups: Startups, socket: TcpStream, peer: SocketAddr) {
    let accepted = Instant::now();
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let ticket = startups.enter(peer.ip());
    if let Err(error) = socket.set_keepalive(Some(KEEPALIVE)) {
        log::debug!(error:%; "no keepalive");
    }
    let proxies = &services.shared.config.proxy_protocol_from;
    let sniffing = Box::pin(time::timeout(SNIFF, sniff(&socket, peer, proxies)));
    let sniffed = match race(sniffing, ticket.cut().wait()).await {
        Either::Left(Ok(Ok(sniffed))) => sniffed,
        Either::Left(Ok(Err(error))) => {
            return log::debug!(peer:%, error:%; "a client spoke neither SSH nor CONNECT");
        }
        Either::Left(Err(_)) | Either::Right(()) => return,
    };
    let Sniffed { way, read, source } = sniffed;
    Box::pin(services.serve(Arrival {
        socket: socket.into(),
        read,
        source,
        way,
        via: None,
        ticket,
        accepted,
    }))
    .await;
}

/// Reads what comes before SSH: a PROXY header from listed peers, then perhaps a `CONNECT` request.
async fn sniff(socket: &TcpStream, peer: SocketAddr, proxies: &[IpNet]) -> io::Result<Sniffed> {
    let mut read = Vec::new();
    let mut source = peer;
    if proxies.iter().any(|net| net.contains(&peer.ip())) {
        source = proxy_source(socket, peer, &mut read).await?;
    }
    loop {
        match read.first() {
            Some(b'S') => return Ok(Sniffed { way: Way::Direct, read, source }),
            Some(b'C') => match connect::decode(&read) {
                Ok(Some(Connect { node, head })) => {
                    let mut writer = socket;
                    writer.write_all(connect::ESTABLISHED).await?;
                    read.drain(..head);
                    return Ok(Sniffed { way: Way::Connect(node), read, source });
                }
                Ok(None) => {}
                Err(bad) => {
                    let mut writer = socket;
                    writer.write_all(&bad.answer()).await?;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, bad));
                }
            },
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "unknown protocol")),
            None => match time::timeout(SILENCE, more(socket, &mut read)).await {
                Ok(outcome) => {
                    outcome?;
                    continue;
                }
                Err(_) => return Ok(Sniffed { way: Way::Direct, read, source }),
            },
        }
        more(socket, &mut read).await?;
    }
}

async fn proxy_source(socket: &TcpStream, peer: SocketAddr, read: &mut Vec<u8>) -> io::Result<SocketAddr> {
    loop {
        match proxy_header::decode(read) {
            Ok(Some(header)) => {
                read.drain(..header.length);
                return Ok(header.client.unwrap_or(peer));
            }
            Ok(None) => more(socket, read).await?,
            Err(bad) => return Err(io::Error::new(io::ErrorKind::InvalidData, bad)),
        }
    }
}

/// The client of a connection that begins with a PROXY header; nothing behind the header is read.
pub(crate) async fn announced_source(socket: &TcpStream, peer: SocketAddr) -> io::Result<SocketAddr> {
    let bad = |bad| io::Error::new(io::ErrorKind::InvalidData, bad);
    let mut reader = socket;
    let mut header = vec![0; proxy_header::HEAD];
    reader.read_exact(&mut header).await?;
    let length = match proxy_header::decode(&header).map_err(bad)? {
        Some(whole) => return Ok(whole.client.unwrap_or(peer)),
        None => proxy_header::length(&header),
    };
    header.resize(length, 0);
    reader.read_exact(header.get_mut(proxy_header::HEAD..).unwrap_or_default()).await?;
    let whole = proxy_header::decode(&header).map_err(bad)?;
    Ok(whole.and_then(|header| header.client).unwrap_or(peer))
}

/// Reads some more; the decoders bound how much is asked for.
async fn more(socket: &TcpStream, read: &mut Vec<u8>) -> io::Result<()> {
    let mut block = [0; 2048];
    let mut reader = socket;
    match reader.read(&mut block).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            read.extend_from_slice(&block[..count]);
            Ok(())
        }
    }
}
