//! A person at their own desk: a home with `msh`, a password, an authenticator app.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mezite_api::client::{Client, ClientError, ClientKey, Server, Trust};
use mezite_api::person::{LoginReply, LoginRequest};
use mezite_api::{Problem, SecretText};
use mezite_ca::TotpSecret;
use mezite_fixtures::{Finished, Msh, Scene, run};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Everybody's password here.
pub const PASSWORD: &str = "correct horse battery";
const STEP: u64 = 30;

/// An authenticator app that shows each code once, as early as the gateway takes it.
#[derive(Debug)]
pub struct App {
    secret: TotpSecret,
    last: u64,
}

impl App {
    /// With the secret in base 32, as the set-up shows it.
    pub fn new(secret: &str) -> Self {
        Self { secret: TotpSecret::from_base32(secret.trim()).unwrap(), last: 0 }
    }

    /// A code that was not shown before. The first one is that of half a minute ago, so that two more need no wait.
    pub fn code(&mut self) -> String {
        loop {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            // Not at the end of a step: what is shown is used a moment later.
            let earliest = if self.last == 0 { now / STEP - 1 } else { self.last + 1 };
            let wanted = earliest.max(now / STEP - 1);
            if wanted <= now / STEP + 1 && now % STEP < STEP - 4 {
                self.last = wanted;
                return self.at(wanted);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The code that was shown last.
    pub fn shown(&self) -> String {
        self.at(self.last)
    }

    /// A code of none of these days.
    pub fn wrong(&self) -> String {
        self.at(self.last + 100_000)
    }

    fn at(&self, step: u64) -> String {
        self.secret.code(UNIX_EPOCH + Duration::from_secs(step * STEP)).to_string()
    }
}

/// One person.
pub struct Person<'a> {
    /// Where the gateway is.
    pub scene: &'a Scene,
    /// The user name.
    pub name: String,
    /// The home folder, with the password in a file.
    pub home: PathBuf,
    /// Their `msh`.
    pub msh: Msh,
    /// Their authenticator app.
    pub app: App,
}

/// A home for somebody, with the password in a file.
pub fn home(scene: &Scene, name: &str) -> (PathBuf, Msh) {
    let home = scene.scratch.join(format!("home-{name}"));
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("password"), format!("{PASSWORD}\n")).unwrap();
    let msh = Msh::at(&home);
    (home, msh)
}

/// Adds a user with the scene's role, and gives the set-up token.
pub fn add(scene: &Scene, name: &str) -> String {
    let added = scene.mezctl.json(&["users", "add", name, "--roles=dev"]);
    added["setup"]["token"].as_str().unwrap().to_owned()
}

/// A fresh set-up token for somebody who is there.
pub fn reset(scene: &Scene, name: &str) -> String {
    scene.mezctl.json(&["users", "reset", name])["token"].as_str().unwrap().to_owned()
}

/// Where `msh` finds the gateway.
pub fn proxy(scene: &Scene) -> String {
    format!("localhost:{}", scene.gateway.https().port())
}

/// `msh setup` with this token; `answer` gives the code for the secret that is shown.
pub fn set_up(scene: &Scene, msh: &Msh, token: &str, answer: impl FnOnce(&Value) -> String) -> Finished {
    let file = scene.scratch.write(&format!("token-{}", Uuid::new_v4()), token);
    let (token, proxy) = (format!("@{}", file.display()), proxy(scene));
    let mut command = msh.command(&["setup", "--proxy", &proxy, "--token", &token, "--format=json"]);
    command.arg("--password-file").arg(scene.scratch.write("password", format!("{PASSWORD}\n")));
    let mut running =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = running.stdin.take().unwrap();
    let mut stdout = running.stdout.take().unwrap();
    let shown = serde_json::Deserializer::from_reader(&mut stdout).into_iter::<Value>().next();
    if let Some(Ok(shown)) = shown {
        writeln!(stdin, "{}", answer(&shown)).unwrap();
    }
    drop(stdin);
    let output = running.wait_with_output().unwrap();
    Finished {
        command: "msh setup".to_owned(),
        code: output.status.code(),
        stdout: output.stdout,
        stderr: output.stderr,
    }
}

impl<'a> Person<'a> {
    /// Somebody new who has set everything up.
    pub fn new(scene: &'a Scene, name: &str) -> Self {
        let token = add(scene, name);
        Self::with_token(scene, name, &token)
    }

    /// Somebody who has set everything up with a token.
    pub fn with_token(scene: &'a Scene, name: &str, token: &str) -> Self {
        let (home, msh) = home(scene, name);
        let mut app = None;
        set_up(scene, &msh, token, |shown| {
            let app = app.insert(App::new(shown["secret"].as_str().unwrap()));
            app.code()
        })
        .assert_ok();
        Self { scene, name: name.to_owned(), home, msh, app: app.unwrap() }
    }

    /// `msh login` with a code.
    pub fn login_with(&self, code: &str, arguments: &[&str]) -> Finished {
        run(&mut self.login_command(code, arguments))
    }

    /// The same, to be run with more.
    pub fn login_command(&self, code: &str, arguments: &[&str]) -> Command {
        let (proxy, password) = (proxy(self.scene), self.home.join("password"));
        let mut command =
            self.msh.command(&["login", "--proxy", &proxy, "--user", &self.name, "--otp", code]);
        command.arg("--password-file").arg(password).args(arguments);
        command
    }

    /// `msh login` with the next code.
    pub fn login(&mut self, arguments: &[&str]) -> Finished {
        let code = self.app.code();
        self.login_with(&code, arguments)
    }

    /// The folder of the profile.
    pub fn folder(&self) -> PathBuf {
        let port = self.scene.gateway.https().port();
        self.home.join(format!(".config/mezite/profiles/localhost_{port}"))
    }

    /// `ssh -F PROFILE/ssh_config LOGIN@node1 COMMAND`.
    pub fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.folder().join("ssh_config")).arg(format!("{}@node1", self.scene.login));
        ssh.env("HOME", &self.home);
        ssh
    }

    /// A request as `msh login` makes it, for those who speak to the gateway by hand.
    pub fn asks(&self, password: &str, code: &str) -> LoginRequest {
        asks(&self.name, password, code)
    }
}

/// A request of whoever it may be.
pub fn asks(name: &str, password: &str, code: &str) -> LoginRequest {
    let key = ClientKey::generate();
    LoginRequest {
        user: name.parse().unwrap(),
        password: secret(password),
        code: secret(code),
        public_key: key.ssh_public_key().unwrap(),
        proof: None,
        tls_public_key: key.tls_public_key().unwrap(),
        ttl: None,
        request: Uuid::new_v4(),
    }
}

/// A secret text.
pub fn secret(text: &str) -> SecretText {
    Zeroizing::new(text.to_owned()).into()
}

/// Somebody who holds no certificate.
pub fn client(scene: &Scene) -> Client {
    let server: Server = proxy(scene).parse().unwrap();
    let ca = CertificateDer::from_pem_file(scene.gateway.tls_ca()).unwrap();
    Client::https(&server, Trust::Ca(vec![ca]), None).unwrap()
}

/// What the gateway says against a login.
#[track_caller]
pub fn refused(answer: Result<LoginReply, ClientError>) -> Problem {
    match answer {
        Err(ClientError::Refused(problem)) => problem,
        other => panic!("not refused: {other:?}"),
    }
}
