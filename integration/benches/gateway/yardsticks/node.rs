//! A node made of our own engine: it exchanges keys and says of every certificate that it would do. Nobody is let in.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use mezite_ssh::hostkey::{KeyPair, Signer};
use mezite_ssh::server::{Config, Event, Method, Server};
use mezite_ssh::transport::Limits;
use ssh_key::PrivateKey;

/// Serves on a port of its own, which it prints, until it is killed.
pub fn serve(key: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let key: Arc<dyn Signer> = Arc::new(KeyPair::new(PrivateKey::read_openssh_file(key)?)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, key) = (stream?, Arc::clone(&key));
        // Who hangs up has ended it.
        thread::spawn(move || converse(stream, key).ok());
    }
    Ok(())
}

fn converse(mut stream: TcpStream, key: Arc<dyn Signer>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let config = Config { host_keys: vec![key], limits: Limits::default() };
    let mut engine = Server::new(config, Instant::now());
    loop {
        let goes_on = answer(&mut engine);
        while !engine.transmit().is_empty() {
            let count = stream.write(engine.transmit())?;
            engine.handle_transmitted(count);
        }
        let count = if goes_on { stream.read(engine.receive_space())? } else { 0 };
        if count == 0 {
            return Ok(());
        }
        engine.handle_received(count, Instant::now());
    }
}

/// Answers what was asked; false when the connection is over.
fn answer(engine: &mut Server) -> bool {
    loop {
        match engine.poll_event() {
            Ok(None) => return true,
            Err(_) => return false,
            Ok(Some(Event::Message(_))) => {}
            Ok(Some(Event::Authenticate(request))) => match request.method {
                Method::Query { .. } => engine.confirm_key(),
                _ => engine.refuse(false),
            },
        }
    }
}
