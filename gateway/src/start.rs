//! The start and the end of the process, in order: store, keys, actors, listeners; and back.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use mezite_actors::net::{TcpListener, UnixListener};
use mezite_actors::{Stop, Supervisor};
use mezite_recording::Recovery;
use mezite_ssh::transport::Limits;
use mezite_store::{AuditEntry, CommitError, OpenError, Options, ReadError, Store};

use crate::audit::{Auditor, GATEWAY};
use crate::authority::{Authority, KeysError};
use crate::bots::Guesses;
use crate::config::Config;
use crate::connection::{Connections, LOCKS, Refusals, Services, enforce_locks};
use crate::dialer::Dialer;
use crate::front::Startups;
use crate::http::{self, Https, Tls, TlsSetupError};
use crate::inventory::{Inventory, InventoryError};
use crate::oidc::Issuers;
use crate::people::People;
use crate::recorder::Recorder;
use crate::rotation::{ROTATION, keep_time};
use crate::shared::{Addresses, Shared};
use crate::{files, front};

/// Connections that live when the gateway stops have so long to end by themselves.
const DRAIN: Duration = Duration::from_secs(10);
/// What is left is cut, and has so long to say goodbye.
const CUT: Duration = Duration::from_secs(5);

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder or a file in it.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The keys of the CAs.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Roles, users and locks.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {error}")]
    Listen {
        /// Which.
        address: String,
        /// Why.
        error: io::Error,
    },
    /// What is stored about rotations.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The TLS certificate.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
    /// The first audit event cannot be written.
    #[error("the audit log cannot be written: {0}")]
    Audit(#[from] CommitError),
}

/// A gateway that listens.
pub struct Gateway {
    services: Arc<Services>,
    addresses: Addresses,
    socket: PathBuf,
}

impl Gateway {
    /// Starts everything, or nothing.
    ///
    /// # Errors
    /// What is in the way; nothing listens then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let Opened { store, supervisor, authority, inventory, recorder, recovered } = Opened::new(&config)?;
        let listeners = Listeners::bind(&config)?;
        let addresses = listeners.addresses.clone();

        let auditor = Auditor::new(store.clone());
        auditor.record(started(&config, &addresses)).await?;
        for recovery in &recovered {
            auditor.note(lost(recovery));
        }
        let own: Vec<SocketAddr> =
            std::iter::once(addresses.ssh).chain(addresses.https.iter().copied()).collect();
        let socket = config.socket();
        let refusals = Refusals::new(auditor.clone());
        let shared = Arc::new(Shared {
            config,
            store,
            auditor,
            supervisor,
            authority,
            started: Timestamp::now(),
            addresses: OnceLock::new(),
            stopping: AtomicBool::new(false),
        });
        let services = Arc::new(Services {
            shared,
            inventory,
            issuers: Issuers::new(own.clone()),
            dialer: Dialer::new(own, Limits::default()),
            recorder,
            connections: Connections::default(),
            refusals,
            guesses: Guesses::default(),
            people: People::default(),
            limits: Limits::default(),
        });
        let gateway = Self { services, addresses, socket };
        gateway.accept(listeners).await?;
        Ok(gateway)
    }

    /// Begins to accept.
    async fn accept(&self, listeners: Listeners) -> Result<(), StartError> {
        let Listeners { ssh, https, admin, .. } = listeners;
        let shared = &self.services.shared;
        let (services, changes) = (self.services.clone(), self.services.inventory.watch_locks()?);
        shared.supervisor.task::<std::convert::Infallible, _, _>(LOCKS, move |_, stop: Stop| {
            enforce_locks(services, changes, stop)
        });
        let (services, changes) = (self.services.clone(), shared.store.watch(shared.store.revision()?));
        shared.supervisor.task::<std::convert::Infallible, _, _>(ROTATION, move |_, stop: Stop| {
            keep_time(services, changes, stop)
        });
        let files = shared.config.https_certificate.clone();
        let tls = Tls::new(&shared.authority, files.as_ref()).await?;
        let app = http::application(&self.services);
        let startups = Startups::default();
        let connect = Some(front::over_tls(self.services.clone(), startups.clone()));
        let proxies = shared.config.proxy_protocol_from.as_slice().into();
        let door = Https { app: app.clone(), connect, proxies };
        let (kept, authority, auditor) = (tls.clone(), shared.authority.clone(), shared.auditor.clone());
        shared.supervisor.task::<std::convert::Infallible, _, _>(http::UPKEEP, move |_, stop: Stop| {
            kept.keep(authority, auditor, files, stop)
        });
        for listener in https {
            let (door, tls) = (door.clone(), tls.clone());
            shared.supervisor.task::<std::convert::Infallible, _, _>(http::HTTPS, move |_, stop: Stop| {
                door.serve(listener, tls, stop)
            });
        }
        shared.supervisor.task::<std::convert::Infallible, _, _>(http::ADMIN, move |_, stop: Stop| {
            http::serve_admin(admin, app, stop)
        });
        let services = self.services.clone();
        shared.supervisor.task::<std::convert::Infallible, _, _>(front::FRONT, move |_, stop: Stop| {
            front::serve(services, startups, ssh, stop)
        });
        // Set once, here.
        let _ = shared.addresses.set(self.addresses.clone());
        Ok(())
    }

    /// The line that says that everything listens, with real ports.
    pub fn ready_line(&self) -> String {
        let https: Vec<_> = self.addresses.https.iter().map(ToString::to_string).collect();
        format!("ready ssh={} https={} socket={}", self.addresses.ssh, https.join(","), self.socket.display())
    }

    /// Completes when an actor has failed too often and the process must end.
    pub async fn failed(&self) {
        self.services.shared.supervisor.failed().wait().await;
    }

    /// Stops: nothing new is accepted, what lives may end by itself for a while, the rest is cut.
    pub async fn stop(self) {
        let shared = &self.services.shared;
        shared.stopping.store(true, Ordering::Relaxed);
        shared.supervisor.drain();
        let deadline = std::time::Instant::now() + DRAIN;
        while self.services.connections.count().0 > 0 && std::time::Instant::now() < deadline {
            mezite_actors::time::sleep(Duration::from_millis(50)).await;
        }
        self.services
            .connections
            .cut_all("stopping", "disconnected: this gateway is stopping. Connect again in a moment");
        let gone = std::time::Instant::now() + CUT;
        while self.services.connections.count().0 > 0 && std::time::Instant::now() < gone {
            mezite_actors::time::sleep(Duration::from_millis(20)).await;
        }
        self.services.refusals.close().await;
        let event = AuditEntry::new("gateway.stop").with("actor", GATEWAY).with("outcome", "ok");
        if let Err(error) = shared.auditor.record(event).await {
            log::error!(error:%; "the end of the gateway could not be audited");
        }
        for late in shared.supervisor.cut(CUT).await {
            log::warn!(task = late; "dropped at the end");
        }
        if let Err(error) = std::fs::remove_file(&self.socket) {
            log::debug!(error:%; "the socket was gone already");
        }
    }
}

/// Everything that lies in the data folder, open.
struct Opened {
    store: Store,
    supervisor: Supervisor,
    authority: Authority,
    inventory: Inventory,
    recorder: Recorder,
    recovered: Vec<Recovery>,
}

impl Opened {
    fn new(config: &Config) -> Result<Self, StartError> {
        files::make_private_folder(&config.data_dir).map_err(in_file(&config.data_dir))?;
        let store = Store::open(config.data_dir.join("store"), Options::default())?;
        let supervisor = Supervisor::new();
        let authority = Authority::start(&supervisor, &store, config)?;
        let inventory = Inventory::start(&supervisor, &store, &config.cluster_name)?;
        let folder = config.recordings();
        let (recorder, recovered) = Recorder::start(&folder).map_err(in_file(&folder))?;
        let tls_ca = config.data_dir.join("tls-ca.pem");
        files::publish(&tls_ca, authority.tls_pem().as_bytes()).map_err(in_file(&tls_ca))?;
        Ok(Self { store, supervisor, authority, inventory, recorder, recovered })
    }
}

fn in_file(path: &Path) -> impl FnOnce(io::Error) -> StartError + use<> {
    let path = path.to_owned();
    move |error| StartError::File { path, error }
}

/// Every door, not yet served.
struct Listeners {
    ssh: TcpListener,
    https: Vec<TcpListener>,
    admin: UnixListener,
    addresses: Addresses,
}

impl Listeners {
    fn bind(config: &Config) -> Result<Self, StartError> {
        let ssh = bind(config.ssh_listen)?;
        let https =
            config.https_listen.iter().map(|address| bind(*address)).collect::<Result<Vec<_>, _>>()?;
        let socket = config.socket();
        let failed = |error| StartError::Listen { address: socket.display().to_string(), error };
        let admin = UnixListener::bind(&socket).map_err(failed)?;
        let addresses = Addresses {
            ssh: ssh.local_addr().map_err(failed)?,
            https: https.iter().map(TcpListener::local_addr).collect::<Result<_, _>>().map_err(failed)?,
        };
        Ok(Self { ssh, https, admin, addresses })
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|error| StartError::Listen { address: address.to_string(), error })
}

fn started(config: &Config, addresses: &Addresses) -> AuditEntry {
    AuditEntry::new("gateway.start")
        .with("actor", GATEWAY)
        .with("outcome", "ok")
        .with("cluster", config.cluster_name.as_str())
        .with("version", env!("CARGO_PKG_VERSION"))
        .with("ssh", addresses.ssh.to_string())
}

/// A session whose recording a crash has left open.
fn lost(recovery: &Recovery) -> AuditEntry {
    AuditEntry::new("session.end")
        .with("actor", GATEWAY)
        .with("session", recovery.path.session().to_string())
        .with("outcome", "failed")
        .with("reason", "gateway_lost")
        .with("recording", recovery.path.to_string())
}

#[cfg(test)]
mod tests;
