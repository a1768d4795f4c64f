//! A minimal relay made of the `russh` crate as it is meant to be used: one server, one client a connection, channels
//! pumped into each other. It checks one key, and neither decides nor records.

use std::borrow::Cow;
use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, connect};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::server::{self, Auth, ChannelOpenHandle, VerifiedPublicKey, run_stream};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Preferred, cipher};
use tokio::net::TcpListener;

use super::RusshRelay;

/// Relays every connection of the one client that it knows.
pub fn serve(settings: RusshRelay) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(accept(settings))
}

async fn accept(settings: RusshRelay) -> Result<(), Box<dyn Error>> {
    let key = PrivateKey::from_openssh(fs::read(&settings.key)?)?;
    let preferred = preferred(settings.cipher.as_deref())?;
    let config = Arc::new(server::Config {
        keys: vec![key.clone()],
        preferred: preferred.clone(),
        // Clients ask first what is allowed, and that is no guess of a password to slow down.
        auth_rejection_time_initial: Some(Duration::ZERO),
        inactivity_timeout: None,
        nodelay: true,
        ..server::Config::default()
    });
    let relay = Arc::new(Relay {
        client: PublicKey::from_openssh(&fs::read_to_string(&settings.client)?)?,
        node_config: Arc::new(client::Config { preferred, nodelay: true, ..client::Config::default() }),
        key: Arc::new(key),
        settings,
    });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (config, relay) = (Arc::clone(&config), Arc::clone(&relay));
        tokio::spawn(async move {
            match run_stream(config, socket, Connection { relay, node: None }).await {
                Ok(session) => drop(session.await),
                Err(error) => eprintln!("no session: {error}"),
            }
        });
    }
}

fn preferred(cipher: Option<&str>) -> Result<Preferred, Box<dyn Error>> {
    let Some(name) = cipher else { return Ok(Preferred::default()) };
    let cipher = cipher::Name::try_from(name).map_err(|()| format!("russh knows no cipher {name}"))?;
    Ok(Preferred { cipher: Cow::Owned(vec![cipher]), ..Preferred::default() })
}

struct Relay {
    settings: RusshRelay,
    client: PublicKey,
    key: Arc<PrivateKey>,
    node_config: Arc<client::Config>,
}

/// One connection of the client, with the one to the node once the client has proved its key.
struct Connection {
    relay: Arc<Relay>,
    node: Option<client::Handle<Node>>,
}

impl server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        if key.public_key.key_data() != self.relay.client.key_data() {
            return Ok(Auth::reject());
        }
        let relay = &self.relay;
        let mut node = connect(Arc::clone(&relay.node_config), relay.settings.node, Node).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&relay.key), None);
        if !node.authenticate_publickey(&relay.settings.login, key).await?.success() {
            return Ok(Auth::reject());
        }
        self.node = Some(node);
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<server::Msg>,
        reply: ChannelOpenHandle,
        session: &mut server::Session,
    ) -> Result<(), Self::Error> {
        let Some(node) = &self.node else { return Ok(()) };
        let id = channel.id();
        let (from_client, to_client) = channel.split();
        let (from_node, to_node) = node.channel_open_session().await?.split();
        tokio::spawn(pump_to_node(from_client, to_node));
        tokio::spawn(pump_to_client(from_node, to_client, session.handle(), id));
        reply.accept().await;
        Ok(())
    }
}

/// The node's side of the client leg: the benchmark's own sshd, whatever key it shows.
struct Node;

impl client::Handler for Node {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

async fn pump_to_node(mut client: ChannelReadHalf, node: ChannelWriteHalf<client::Msg>) {
    while let Some(message) = client.wait().await {
        let passed = match message {
            ChannelMsg::Data { data } => node.data_bytes(data).await,
            ChannelMsg::Exec { command, .. } => node.exec(true, command).await,
            ChannelMsg::Eof => node.eof().await,
            ChannelMsg::Close => node.close().await,
            _ => Ok(()),
        };
        if passed.is_err() {
            return;
        }
    }
}

async fn pump_to_client(
    mut node: ChannelReadHalf,
    client: ChannelWriteHalf<server::Msg>,
    session: server::Handle,
    id: ChannelId,
) {
    while let Some(message) = node.wait().await {
        let passed = match message {
            ChannelMsg::Data { data } => client.data_bytes(data).await,
            ChannelMsg::ExtendedData { data, ext } => client.extended_data_bytes(ext, data).await,
            ChannelMsg::ExitStatus { exit_status } => client.exit_status(exit_status).await,
            ChannelMsg::Eof => client.eof().await,
            ChannelMsg::Close => client.close().await,
            ChannelMsg::Success => session.channel_success(id).await.map_err(|()| russh::Error::SendError),
            ChannelMsg::Failure => session.channel_failure(id).await.map_err(|()| russh::Error::SendError),
            _ => Ok(()),
        };
        if passed.is_err() {
            return;
        }
    }
}
