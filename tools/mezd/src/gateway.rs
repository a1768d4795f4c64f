//! `mezd gateway start` and `config-check`.

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use futures_util::future::{Either, select};
use mezite_actors::signals::StopSignals;
use mezite_gateway::config::{Config, ConfigError, Layer};
use mezite_gateway::start::Gateway;

use crate::{USAGE, process};

/// What can be done with the gateway.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start it; it stays in the foreground
    Start(Settings),
    /// Say whether the settings are right, and nothing else
    ConfigCheck(Settings),
}

/// Flags come before `MEZITE_*` variables, and these before the file.
#[derive(Args)]
pub(crate) struct Settings {
    /// The folder that holds everything the gateway keeps
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The name of the cluster
    #[arg(long, value_name = "NAME")]
    cluster_name: Option<String>,
    /// Where SSH and CONNECT are served
    #[arg(long, value_name = "ADDR")]
    ssh_listen: Option<String>,
    /// Where HTTPS is served; may be repeated
    #[arg(long, value_name = "ADDR")]
    https_listen: Vec<String>,
    /// Names in the gateway's own certificates
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    public_addr: Vec<String>,
    /// What clients are told for SSH
    #[arg(long, value_name = "HOST:PORT")]
    ssh_public_addr: Option<String>,
    /// The operator's own certificate for HTTPS, a PEM chain; read again when it changes
    #[arg(long, value_name = "FILE")]
    https_cert_file: Option<PathBuf>,
    /// Its private key, PEM, 0600
    #[arg(long, value_name = "FILE")]
    https_key_file: Option<PathBuf>,
    /// Seal the CA keys with the passphrase in this file
    #[arg(long, value_name = "FILE")]
    seal_passphrase_file: Option<PathBuf>,
    /// Seal the CA keys with the key in this file
    #[arg(long, value_name = "FILE")]
    seal_key_file: Option<PathBuf>,
    /// Keep the CA keys unsealed
    #[arg(long)]
    unsealed: bool,
    /// Algorithm of the SSH CAs that the first start makes: ed25519 or p256
    #[arg(long, value_name = "NAME")]
    key_algorithm: Option<String>,
    /// Networks whose connections begin with a PROXY protocol header
    #[arg(long, value_name = "CIDR,…", value_delimiter = ',')]
    proxy_protocol_from: Vec<String>,
    /// How long after its end a bot's certificate can still be renewed: 24h by default
    #[arg(long, value_name = "TIME")]
    recovery_window: Option<String>,
    /// A TOML file with these settings
    #[arg(long, value_name = "FILE", env = "MEZITE_CONFIG")]
    config: Option<PathBuf>,
}

impl Settings {
    fn load(self) -> Result<Config, ConfigError> {
        let given = |list: Vec<String>| (!list.is_empty()).then_some(list);
        let flags = Layer {
            data_dir: self.data_dir,
            cluster_name: self.cluster_name,
            ssh_listen: self.ssh_listen,
            https_listen: given(self.https_listen),
            public_addr: given(self.public_addr),
            ssh_public_addr: self.ssh_public_addr,
            https_cert_file: self.https_cert_file,
            https_key_file: self.https_key_file,
            seal_passphrase_file: self.seal_passphrase_file,
            seal_key_file: self.seal_key_file,
            unsealed: self.unsealed.then_some(true),
            key_algorithm: self.key_algorithm,
            proxy_protocol_from: given(self.proxy_protocol_from),
            recovery_window: self.recovery_window,
            ..Layer::default()
        };
        Config::load(flags, Layer::from_env(|name| std::env::var(name).ok())?, self.config.as_deref())
    }
}

impl Command {
    pub(crate) fn run(self) -> ExitCode {
        match self {
            Self::ConfigCheck(settings) => match settings.load() {
                Ok(_) => {
                    println!("the settings are right");
                    ExitCode::SUCCESS
                }
                Err(error) => usage(&error),
            },
            Self::Start(settings) => match settings.load() {
                Ok(config) => start(config),
                Err(error) => usage(&error),
            },
        }
    }
}

fn usage(error: &ConfigError) -> ExitCode {
    eprintln!("mezd: {error}. See 'mezd gateway start --help'");
    ExitCode::from(USAGE)
}

fn start(config: Config) -> ExitCode {
    mezite_actors::log_panics();
    if let Err(error) = process::harden() {
        log::warn!(error:%; "the process is not hardened");
    }
    mezite_actors::run(async {
        // Before anything listens, so that no signal is lost.
        let mut signals = match StopSignals::new() {
            Ok(signals) => signals,
            Err(error) => return failed(&error),
        };
        let gateway = match Gateway::start(config).await {
            Ok(gateway) => gateway,
            Err(error) => return failed(&error),
        };
        process::announce(&gateway.ready_line());
        let code = until_stopped(&gateway, &mut signals).await;
        gateway.stop().await;
        code
    })
}

async fn until_stopped(gateway: &Gateway, signals: &mut StopSignals) -> ExitCode {
    match select(pin!(signals.next()), pin!(gateway.failed())).await {
        Either::Left(_) => ExitCode::SUCCESS,
        Either::Right(_) => {
            log::error!("a part of the gateway fails again and again: stopping");
            ExitCode::FAILURE
        }
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("mezd: {error}");
    ExitCode::from(USAGE)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use crate::Arguments;

    use super::*;

    fn settings(arguments: &[&str]) -> Settings {
        let all = ["mezd", "gateway", "config-check"].iter().chain(arguments);
        match Arguments::try_parse_from(all).unwrap().command {
            crate::Command::Gateway(Command::ConfigCheck(settings)) => settings,
            _ => panic!("another command"),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_become_settings() {
        let settings = settings(&[
            "--data-dir=/d",
            "--cluster-name=example",
            "--ssh-listen=127.0.0.1:0",
            "--https-listen=127.0.0.1:1",
            "--https-listen=127.0.0.1:2",
            "--public-addr=gw.example,10.0.0.1",
            "--ssh-public-addr=gw.example:3023",
            "--unsealed",
            "--key-algorithm=p256",
            "--proxy-protocol-from=10.0.0.0/8",
        ]);
        let config = settings.load().unwrap();
        assert_eq!(config.data_dir, PathBuf::from("/d"));
        let ports: Vec<u16> = config.https_listen.iter().map(std::net::SocketAddr::port).collect();
        assert_eq!(ports, [1, 2]);
        assert_eq!(config.public_addr, ["gw.example", "10.0.0.1"]);
        assert_eq!(config.ssh_public_addr, Some(("gw.example".to_owned(), 3023)));
        assert_eq!(config.proxy_protocol_from.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = settings(&["--cluster-name=example", "--ssh-listen=nowhere"]).load().unwrap_err();
        assert!(error.to_string().contains("ssh_listen"), "{error}");
        let error = settings(&["--cluster-name=example", "--unsealed", "--seal-key-file=/k"]).load();
        assert!(error.unwrap_err().to_string().contains("unsealed"));
    }
}
