//! The way to a node for `ssh`'s `ProxyCommand`: it is opened, the connection is handed over, and whoever did it is gone.
//! Nothing stays in the path.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use mezite_api::{NodeRef, Problem};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// For the connection, and for the answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest head of an answer, in bytes.
const HEAD_MAX: usize = 16 * 1024;

/// Opens a connection behind which the gateway's SSH server waits for a login on a node.
///
/// # Errors
/// The gateway, `HOST:PORT`, is not reached or refuses; `host` and `port` are no node's.
pub fn open(gateway: &str, host: &str, port: u16) -> io::Result<TcpStream> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let node = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let node = format!("{node}:{port}");
    NodeRef::parse(&node).map_err(|error| invalid(&error.to_string()))?;
    let mut stream = connect(gateway)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("CONNECT {node} HTTP/1.1\r\nHost: {node}\r\n\r\n").as_bytes())?;
    let head = head(&mut stream)?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !status.starts_with('2') {
        return Err(io::Error::other(refusal(&mut stream, &head)));
    }
    // From now on it is ssh's.
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    Ok(stream)
}

/// Whether ssh waits at our stdout for a connection (`ProxyUseFdpass yes`), and not for bytes.
pub fn is_awaited() -> bool {
    rustix::net::sockopt::socket_type(io::stdout()).is_ok()
}

fn connect(gateway: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in gateway.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The head of the answer, byte by byte: what follows it belongs to SSH and must stay in the socket.
fn head(stream: &mut TcpStream) -> io::Result<String> {
    let deadline = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || head.len() >= HEAD_MAX {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "no answer to CONNECT"));
        }
        stream.set_read_timeout(Some(left))?;
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    String::from_utf8(head).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}

/// What the gateway says about its refusal.
fn refusal(stream: &mut TcpStream, head: &str) -> String {
    let mut body = Vec::new();
    let read = stream.take(HEAD_MAX as u64).read_to_end(&mut body);
    match read.ok().and_then(|_| serde_json::from_slice::<Problem>(&body).ok()) {
        Some(problem) => problem.detail,
        None => format!("CONNECT was refused: {}", head.lines().next().unwrap_or_default()),
    }
}

/// Sends the connection to ssh through the socket that is our stdout.
///
/// # Errors
/// Nobody waits there for one.
pub fn hand_over(stream: &TcpStream) -> io::Result<()> {
    let fds = [stream.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    match sendmsg(io::stdout(), &[IoSlice::new(&[0])], &mut control, SendFlags::empty()) {
        Ok(_) => Ok(()),
        Err(rustix::io::Errno::NOTSOCK) => {
            Err(io::Error::other("this is for ssh with 'ProxyUseFdpass yes' beside ProxyCommand"))
        }
        Err(error) => Err(error.into()),
    }
}
