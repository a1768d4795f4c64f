//! The least that a relay can cost: bytes from one socket to the other, two threads a connection, no cipher.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

const READ: usize = 256 << 10;

/// Relays every connection to `node`.
pub fn serve(node: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for client in listener.incoming() {
        let client = client?;
        let node = TcpStream::connect(node)?;
        client.set_nodelay(true)?;
        node.set_nodelay(true)?;
        let (client_too, node_too) = (client.try_clone()?, node.try_clone()?);
        thread::spawn(move || pump(client, node));
        thread::spawn(move || pump(node_too, client_too));
    }
    Ok(())
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; READ];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other side may have closed first.
    let _ = to.shutdown(Shutdown::Write);
}
