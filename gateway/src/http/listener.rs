//! The accept loops: HTTPS for everybody, the Unix socket for the administrators of this machine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use futures_rustls::server::TlsStream;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::{pin_mut, select_biased};
use ipnet::IpNet;
use mezite_actors::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mezite_actors::{Kind, Latch, Rank, Stop, time};

use super::app::App;
use super::caller::{Caller, TlsClient};
use super::connection::{Connection, End, REQUEST_TIME};
use super::doors::Doors;
use super::gate::Served;
use super::tls::Tls;
use crate::front::announced_source;

/// The accept loops of HTTPS, for the supervisor.
pub const HTTPS: Kind = Kind { name: "https", rank: Rank::Front, capacity: 1 };
/// The accept loop of the administrators' socket.
pub const ADMIN: Kind = Kind { name: "admin", rank: Rank::Front, capacity: 1 };

/// A connection over TLS that began with `CONNECT `, for the SSH server behind it.
#[derive(Debug)]
pub struct Tunnel {
    /// The stream, decrypted.
    pub stream: TlsStream<TcpStream>,
    /// What has been read from it: the beginning of the request, perhaps more.
    pub read: Vec<u8>,
    /// The client.
    pub source: SocketAddr,
    /// When the connection was accepted: its deadlines count from then.
    pub accepted: Instant,
}

/// A connection that has just been accepted.
struct Arrived {
    stream: TcpStream,
    source: SocketAddr,
    accepted: Instant,
}

/// Takes a tunnel over: it returns at once and lets the tunnel live on by itself.
pub type ConnectHandler = Arc<dyn Fn(Tunnel) -> BoxFuture<'static, ()> + Send + Sync>;

/// What every HTTPS listener needs.
#[derive(Clone)]
pub struct Https {
    /// The application.
    pub app: App,
    /// Who takes `CONNECT`; without one it is a method that nobody knows.
    pub connect: Option<ConnectHandler>,
    /// Networks whose connections begin with a PROXY protocol header.
    pub proxies: Arc<[IpNet]>,
}

impl Https {
    /// Accepts connections until the front drains.
    pub async fn serve(self, listener: TcpListener, tls: Tls, stop: Stop) {
        let mut doors = Doors::new();
        loop {
            let accepted = listener.accept().fuse();
            pin_mut!(accepted);
            select_biased! {
                () = stop.drain.wait().fuse() => break,
                () = doors.forget_closed().fuse() => {}
                accepted = accepted => match accepted {
                    Ok((stream, source)) => {
                        let (https, tls, drain) = (self.clone(), tls.clone(), stop.drain.clone());
                        let arrived = Arrived { stream, source, accepted: Instant::now() };
                        doors.open(source.ip(), |served| https.connection(arrived, tls, served, drain));
                    }
                    Err(error) => {
                        log::error!(error:%; "an HTTPS listener failed");
                        break;
                    }
                },
            }
        }
        drop(listener);
        doors.close(&stop.cut).await;
    }

    async fn connection(self, arrived: Arrived, tls: Tls, served: Served, drain: Latch) {
        let Arrived { stream, source, accepted } = arrived;
        let source = SocketAddr::new(source.ip().to_canonical(), source.port());
        let deadline = accepted + REQUEST_TIME;
        let source = if self.proxies.iter().any(|net| net.contains(&source.ip())) {
            match time::timeout(deadline, announced_source(&stream, source)).await {
                Ok(Ok(source)) => source,
                Ok(Err(error)) => return log::debug!(source:%, error:%; "no header of a load balancer"),
                Err(_) => return log::debug!(source:%; "no header of a load balancer in time"),
            }
        } else {
            source
        };
        let stream = match time::timeout(deadline, tls.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return log::debug!(source:%, error:%; "TLS handshake failed"),
            Err(_) => return log::debug!(source:%; "TLS handshake timed out"),
        };
        let caller = match tls.client(stream.get_ref().1) {
            Ok(Some(certificate)) => Caller::Client(Arc::new(TlsClient { certificate, source })),
            Ok(None) => Caller::Public(source),
            Err(error) => return log::debug!(source:%, error:%; "a client certificate has just ended"),
        };
        let connection = Connection::new(stream, caller, drain);
        let end = connection.serve(&self.app, deadline, &served, self.connect.is_some()).await;
        if let (End::Connect(stream, read), Some(connect)) = (end, &self.connect) {
            connect(Tunnel { stream, read, source, accepted }).await;
        }
    }
}

/// Accepts administrators over the Unix socket until the front drains.
pub async fn serve_admin(listener: UnixListener, app: App, stop: Stop) {
    // All come from this machine: only the total counts.
    let mut doors = Doors::new();
    loop {
        let accepted = listener.accept().fuse();
        pin_mut!(accepted);
        select_biased! {
            () = stop.drain.wait().fuse() => break,
            () = doors.forget_closed().fuse() => {}
            accepted = accepted => match accepted {
                Ok(stream) => {
                    let (app, drain) = (app.clone(), stop.drain.clone());
                    doors.open(LOCAL, |served| admin(stream, app, served, drain));
                }
                Err(error) => {
                    log::error!(error:%; "the administration socket failed");
                    break;
                }
            },
        }
    }
    drop(listener);
    doors.close(&stop.cut).await;
}

async fn admin(stream: UnixStream, app: App, served: Served, drain: Latch) {
    match stream.peer_uid() {
        Ok(uid) => {
            let connection = Connection::new(stream, Caller::Operator(uid), drain);
            connection.serve(&app, Instant::now() + REQUEST_TIME, &served, false).await;
        }
        Err(error) => log::warn!(error:%; "the kernel does not say who is at the administration socket"),
    }
}

/// The source of all that comes over the Unix socket.
const LOCAL: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

#[cfg(test)]
mod tests;
