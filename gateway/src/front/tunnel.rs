//! `CONNECT` on the TLS port: what it leads to is the same as on the SSH port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_rustls::server::TlsStream;
use futures_util::FutureExt as _;
use futures_util::future::Either;
use futures_util::io::{AsyncReadExt as _, AsyncWriteExt as _};
use mezite_actors::net::TcpStream;
use mezite_actors::time;
use mezite_api::NodeRef;

use super::connect::{self, Connect};
use super::{KEEPALIVE, SNIFF, Startups};
use crate::connection::{Arrival, Services, Way};
use crate::http::{ConnectHandler, Tunnel};
use crate::race::race;

/// Takes over connections of the HTTPS listeners that begin with `CONNECT`. They count among those that have not
/// authenticated.
pub fn over_tls(services: Arc<Services>, startups: Startups) -> ConnectHandler {
    Arc::new(move |tunnel| {
        let admitted = admit(services.clone(), startups.clone(), tunnel);
        mezite_actors::spawn("connection", admitted).detach();
        std::future::ready(()).boxed()
    })
}

async fn admit(services: Arc<Services>, startups: Startups, tunnel: Tunnel) {
    let Tunnel { mut stream, mut read, source, accepted } = tunnel;
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    let ticket = startups.enter(source.ip());
    if let Err(error) = stream.get_ref().0.set_keepalive(Some(KEEPALIVE)) {
        log::debug!(error:%; "no keepalive");
    }
    let answering = time::timeout(accepted + SNIFF, answer(&mut stream, &mut read));
    let node = match race(Box::pin(answering), ticket.cut().wait()).await {
        Either::Left(Ok(Ok(node))) => node,
        Either::Left(Ok(Err(error))) => return log::debug!(source:%, error:%; "no good CONNECT over TLS"),
        Either::Left(Err(_)) | Either::Right(()) => return,
    };
    let (socket, way) = (stream.into(), Way::Connect(node));
    Box::pin(services.serve(Arrival { socket, read, source, way, via: None, ticket, accepted })).await;
}

/// Reads the rest of the request and answers it; what is left of `read` belongs to SSH.
async fn answer(stream: &mut TlsStream<TcpStream>, read: &mut Vec<u8>) -> io::Result<NodeRef> {
    loop {
        match connect::decode(read) {
            Ok(Some(Connect { node, head })) => {
                stream.write_all(connect::ESTABLISHED).await?;
                stream.flush().await?;
                read.drain(..head);
                return Ok(node);
            }
            Ok(None) => {}
            Err(bad) => {
                stream.write_all(&bad.answer()).await?;
                stream.close().await?;
                return Err(io::Error::new(io::ErrorKind::InvalidData, bad));
            }
        }
        let mut block = [0; 2048];
        match stream.read(&mut block).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => read.extend_from_slice(&block[..count]),
        }
    }
}
