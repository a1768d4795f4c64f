//! `msh setup`

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, SystemTime};

use clap::Args;
use mezite_api::client::profile::Profile;
use mezite_api::client::{Client, Server};
use mezite_api::person::{SetupBegin, SetupBegun, SetupConfirm, SetupDone};
use mezite_api::{CaPin, SecretText};
use mezite_ca::{TokenKind, TotpSecret};
use mezite_console::output::{Format, Output};
use mezite_console::{CommandError, Kind, files};
use mezite_identity::{HiddenBy, TokenArgument, has_pin};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use uuid::Uuid;

use super::usage;
use crate::{gateway, profile, prompt};

const TOKEN: TokenArgument = TokenArgument {
    program: "msh",
    flag: "--token",
    variable: None,
    kind: TokenKind::User,
    // Stdin is for password and code.
    hidden_by: HiddenBy::Descriptor,
};
/// How often a person may mistype the code.
const TRIES: usize = 3;

/// Sets password and second factor up, with the line that 'mezctl users add' has printed.
#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// The HTTPS address of the gateway; the port is 3025 where none is given.
    #[arg(long, value_name = "HOST[:PORT]")]
    proxy: String,
    /// The set-up token: better as @FILE, or as @- for stdin.
    #[arg(long, value_name = "TOKEN|@FILE")]
    token: String,
    /// The pin of the gateway's TLS CA; the token brings it along.
    #[arg(long, env = "MEZITE_CA_PIN", hide_env_values = true, value_name = "sha256:HEX")]
    ca_pin: Option<String>,
    /// For scripts: the file with the password.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// For scripts: write the secret of the codes to this file (base32, 0600), and ask for no code.
    #[arg(long, value_name = "FILE")]
    otp_secret_out: Option<PathBuf>,
    /// With json or yaml, secret and URI go to stdout before the code is asked for.
    #[command(flatten)]
    output: Output,
}

impl Setup {
    pub(super) fn run(self) -> Result<ExitCode, CommandError> {
        // Ends this program and begins it anew where others can see the token now.
        TOKEN.hide(Some(&self.token)).map_err(usage)?;
        let server: Server = self.proxy.parse()?;
        let token = TOKEN.read(&self.token).map_err(usage)?;
        let pin: Option<CaPin> =
            self.ca_pin.as_deref().filter(|pin| !pin.is_empty()).map(str::parse).transpose()?;
        let pin = pin.or(token.pin);
        let client = gateway::client(&server, pin, None)?;
        let password = prompt::new_password(self.password_file.as_deref())?;
        let request = SetupBegin {
            token: token.token.secret().into(),
            password: password.into(),
            request: Uuid::new_v4(),
        };
        request.check()?;
        let begun = gateway::call(|| client.begin_setup(&request))?;
        let done = self.confirm(&client, &request, &begun)?;
        if pin.is_some_and(|pin| !has_pin(done.tls_ca.as_bytes(), &pin)) {
            return Err(CommandError::new(Kind::Failed, "the gateway's TLS CA is not the pinned one"));
        }
        keep(&server, &done)?;
        eprintln!("{} is set up; log in with: msh login --proxy {server} --user {}", done.user, done.user);
        Ok(ExitCode::SUCCESS)
    }

    /// Shows what the app needs, and sends its first code.
    fn confirm(
        &self,
        client: &Client,
        begin: &SetupBegin,
        shown: &SetupBegun,
    ) -> Result<SetupDone, CommandError> {
        let confirm = |code: SecretText| {
            let request = SetupConfirm { token: begin.token.clone(), request: begin.request, code };
            gateway::call(|| client.confirm_setup(&request))
        };
        match self.output.format {
            Format::Text if self.otp_secret_out.is_none() => show(shown),
            Format::Text => {}
            _ => self.output.document(shown)?,
        }
        if let Some(path) = &self.otp_secret_out {
            return confirm(first_code(path, shown)?);
        }
        for _ in 1..TRIES {
            match confirm(prompt::code()?.into()) {
                Err(error) if io::stdin().is_terminal() && error.kind() == Kind::Refused => {
                    error.report("msh");
                }
                other => return other,
            }
        }
        confirm(prompt::code()?.into())
    }
}

/// Shows the secret to a person, who holds a telephone before it.
fn show(begun: &SetupBegun) {
    let uri = begun.uri.expose();
    eprintln!("Take this into your authenticator app, then type the code that it shows.\n");
    if io::stderr().is_terminal()
        && let Ok(code) = QrCode::new(uri)
    {
        // Light on dark, as terminals are.
        let blocks =
            code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
        eprintln!("{blocks}\n");
    }
    eprintln!("{uri}\nsecret: {}\n", begun.secret.expose());
}

/// A moment of the step before this one, whose code is taken for some seconds more: so a login right afterwards finds the
/// code of this step unused. Where this step is nearly over it waits for the next.
fn moment_of_first_code() -> SystemTime {
    const STEP: u64 = 30;
    const MARGIN: u64 = 5;
    let past = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() % STEP;
    if past >= STEP - MARGIN {
        thread::sleep(Duration::from_secs(STEP - past));
    }
    SystemTime::now() - Duration::from_secs(STEP)
}

/// Keeps the secret in a file, and gives the code that follows from it.
fn first_code(path: &Path, begun: &SetupBegun) -> Result<SecretText, CommandError> {
    let secret = begun.secret.expose();
    let totp = TotpSecret::from_base32(secret)
        .ok_or_else(|| CommandError::new(Kind::Failed, "the gateway's secret is not base32"))?;
    files::write(path, format!("{secret}\n").as_bytes())?;
    Ok(totp.code(moment_of_first_code()).into())
}

/// Keeps whom to believe, so that 'msh login' needs no pin.
fn keep(server: &Server, done: &SetupDone) -> Result<(), CommandError> {
    let folder = profile::folder(server)?;
    let kept = Profile {
        version: 1,
        server: server.to_string(),
        ssh: done.ssh.clone(),
        cluster: done.cluster.clone(),
        user: done.user.clone(),
        ca_pin: super::pin_of(&done.tls_ca)?,
        roles: Vec::new(),
        key_in_agent: false,
    };
    match profile::read(&folder)? {
        // Somebody else's certificates lie there.
        Some(other) if other.user != done.user => Ok(()),
        _ => profile::keep_trust(&folder, &kept, &done.tls_ca),
    }
}
