//! Names that a shell or an option parser would take for something else: they end before anything is begun.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use mezite_fixtures::{Finished, Msh, Scene, run};
use mezite_integration::bot::{Identity, add_bot};

/// A folder with programs that write down that they were run.
struct Traps {
    msh: Msh,
    identity: PathBuf,
    folder: PathBuf,
}

impl Traps {
    fn new(scene: &Scene) -> Self {
        let identity = Identity::joined(scene, "certs", &add_bot(scene)).folder;
        let (home, folder) = (scene.scratch.join("home"), scene.scratch.join("traps"));
        for made in [&home, &folder] {
            fs::create_dir_all(made).unwrap();
        }
        let traps = Self { msh: Msh::at(&home), identity, folder };
        for (name, then) in
            [("ssh", "exit 0"), ("scp", "exit 0"), ("sftp", "exit 0"), ("shell", "exec /bin/sh \"$@\"")]
        {
            let log = traps.folder.join(format!("{name}.log"));
            let text = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\n{then}\n", log.display());
            let path = traps.folder.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        traps
    }

    /// What a trap has written down.
    fn seen(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(format!("{name}.log"))).ok()
    }

    /// `msh` with the traps in the place of OpenSSH.
    fn trapped(&self, words: &[&str]) -> Finished {
        let mut all = vec![words[0], "--identity", self.identity.to_str().unwrap()];
        all.extend(&words[1..]);
        run(self.msh.command(&all).env("PATH", &self.folder))
    }
}

#[test]
fn hostile_041_odd_names_are_usage_errors_before_anything_is_run() {
    let scene = Scene::start();
    let traps = Traps::new(&scene);
    for name in [
        "-oProxyCommand=x",
        "$(id)",
        "`id`",
        "a\nb",
        "%h",
        "%00",
        "a;b",
        "a'b",
        "a\"b",
        "a b",
        "\u{1b}[31m",
        "a\\b",
        "*",
        "",
    ] {
        for words in [
            &["ssh", "--", &format!("{name}@node1")][..],
            &["ssh", "--", &format!("deploy@{name}")],
            &["ssh", "--login", &format!("x{name}"), "node1"],
            &["scp", "--", &format!("deploy@{name}:a"), "b"],
            &["scp", "--", "b", &format!("{name}@node1:a")],
            &["sftp", "--", &format!("deploy@{name}")],
            &["proxy", "ssh", "--", &format!("deploy@{name}:22")],
        ] {
            // An empty login is the one that is not named.
            if name.is_empty() && (words[0] == "ssh" && words[1] == "--login") {
                continue;
            }
            let said = if words[0] == "proxy" { traps.msh.run(words) } else { traps.trapped(words) };
            assert_eq!(said.code, Some(2), "{words:?}: {said:?}");
            assert!(!said.err().contains('\u{1b}'), "{words:?}");
        }
    }
    for program in ["ssh", "scp", "sftp", "shell"] {
        assert_eq!(traps.seen(program), None, "{program}");
    }
    // The traps do catch.
    traps.trapped(&["ssh", "deploy@node1", "true"]).assert_ok();
    assert!(traps.seen("ssh").unwrap().contains("User=deploy@node1"));
}

#[test]
fn hostile_041_no_shell_runs_for_msh_and_only_quoted_text_for_plain_ssh() {
    let scene = Scene::start();
    let traps = Traps::new(&scene);
    let shell = traps.folder.join("shell");
    let to = format!("{}@node1", scene.login);
    let folder = traps.identity.to_str().unwrap();
    let ssh = ["ssh", "--identity", folder, &to, "true"];
    run(traps.msh.command(&ssh).env("SHELL", &shell)).assert_ok();
    let copy = scene.scratch.join("copy");
    let scp = ["scp", "--identity", folder, &format!("{to}:/etc/hostname"), copy.to_str().unwrap()];
    run(traps.msh.command(&scp).env("SHELL", &shell)).assert_ok();
    assert_eq!(traps.seen("shell"), None, "msh needs no shell");
    // Plain ssh asks the shell for the ProxyCommand.
    let proof = scene.scratch.join("proof");
    let plain = |destination: &str| {
        let mut ssh = Command::new("ssh");
        ssh.env("SHELL", &shell).env_remove("SSH_AUTH_SOCK");
        run(ssh.arg("-F").arg(traps.identity.join("ssh_config")).arg("--").arg(destination).arg("true"))
    };
    plain(&to).assert_ok();
    let command = traps.seen("shell").unwrap();
    assert!(command.contains("proxy localhost:") && command.contains("'node1' '22'"), "{command}");
    let touch = format!("$(touch {})", proof.display());
    for destination in [
        format!("{}@a{touch}", scene.login),
        format!("{}@a';touch {};'", scene.login, proof.display()),
        format!("x{touch}@node1"),
        format!("x';touch {};'@node1", proof.display()),
        format!("{}@a`touch {}`", scene.login, proof.display()),
    ] {
        let said = plain(&destination);
        assert_eq!(said.code, Some(255), "{destination}: {said:?}");
        assert!(!proof.exists(), "{destination}");
    }
}
