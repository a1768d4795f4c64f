//! `msh ssh`, `scp`, `sftp`, `config` and `proxy`, with a profile and with a machine's identity.

use std::fs;
use std::path::Path;
use std::process::Command;

use mezite_fixtures::{Finished, Msh, Scene, free_port, run, run_with_input};
use mezite_integration::bot::{Identity, add_bot};
use mezite_integration::noise;
use mezite_integration::person::Person;

/// A person who has logged in.
fn person(scene: &Scene) -> Person<'_> {
    let mut person = Person::new(scene, "bob");
    person.login(&[]).assert_ok();
    person
}

/// A bot's folder, and an `msh` of somebody who has nothing else.
fn identity(scene: &Scene) -> (Identity<'_>, Msh) {
    let identity = Identity::joined(scene, "certs", &add_bot(scene));
    let home = scene.scratch.join("nobody");
    fs::create_dir_all(&home).unwrap();
    (identity, Msh::at(&home))
}

fn at(scene: &Scene, node: &str) -> String {
    format!("{}@{node}", scene.login)
}

#[test]
fn ssh_is_the_systems_with_the_status_and_the_streams_of_the_node() {
    let mut scene = Scene::start();
    let person = person(&scene);
    let to = at(&scene, "node1");
    let said = person.msh.run_with_input(&["ssh", &to, "cat; echo err >&2; exit 7"], b"in\n");
    assert_eq!((said.code, said.out().as_str()), (Some(7), "in\n"), "{said:?}");
    assert_eq!(said.err(), "err\n");
    // As ssh takes them: words, options of the command, options of ssh before the node.
    for words in [
        &["ssh", "-q", "-T", &to, "echo", "-n", "a"][..],
        &["ssh", &to, "--", "echo", "-n", "a"],
        &["ssh", "-l", scene.login, "NODE1", "echo -n a"],
        &["ssh", "--login", scene.login, "node1.test", "--", "echo", "-n", "a"],
        &["ssh", "-o", "SetEnv=LC_X=a", &to, "echo -n ${LC_X:-a}"],
    ] {
        let said = person.msh.run(words);
        assert_eq!(said.assert_ok().out(), "a", "{words:?}");
    }
    let said = person.msh.run(&["ssh", "-tt", &to, "tty && exit 3"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    // What may weaken trust is not taken from options.
    let said = person.msh.run(&["ssh", "-o", "User=x", "-o", "HostName=127.0.0.2", &to, "true"]);
    said.assert_ok();
    drop(person);
    scene.assert_alive();
}

#[test]
fn failures_of_ssh_itself_are_255() {
    let scene = Scene::start();
    let person = person(&scene);
    let said = person.msh.run(&["ssh", &at(&scene, "nodex"), "true"]);
    assert_eq!(said.code, Some(255));
    assert!(said.err().contains("mezite: access refused"), "{}", said.err());
    let nobody = scene.scratch.join("nobody");
    fs::create_dir_all(&nobody).unwrap();
    let said = Msh::at(&nobody).run(&["ssh", &at(&scene, "node1")]);
    assert_eq!(said.code, Some(255));
    assert!(said.err().contains("msh: not logged in\nhint: log in with 'msh login'"), "{}", said.err());
    for command in ["scp", "config"] {
        let words: &[&str] = if command == "scp" { &["scp", "node1:a", "b"] } else { &["config"] };
        assert_eq!(Msh::at(&nobody).run(words).code, Some(4), "{command}");
    }
}

#[test]
fn a_certificate_is_enough_to_find_the_rest() {
    let scene = Scene::start();
    let (identity, msh) = identity(&scene);
    let certificate = identity.folder.join("ssh_key-cert.pub");
    let certificate = certificate.to_str().unwrap();
    let login = format!("--login={}", scene.login);
    let script = scene.scratch.write("deploy.sh", "#!/bin/sh\necho deployed\n");
    run(Command::new("chmod").arg("755").arg(&script)).assert_ok();
    let script = script.to_str().unwrap();
    let said = msh.run(&["ssh", "--cert", certificate, &login, "node1", "--", script]);
    assert_eq!(said.assert_ok().out(), "deployed\n");
    // The folder of an identity serves every command, also from the environment.
    let folder = identity.folder.to_str().unwrap();
    let said = msh.run(&["ssh", "--identity", folder, &at(&scene, "node1"), "echo a"]);
    assert_eq!(said.assert_ok().out(), "a\n");
    let mut command = msh.command(&["ssh", &at(&scene, "node1"), "echo b"]);
    assert_eq!(run(command.env("MSH_IDENTITY", folder)).assert_ok().out(), "b\n");
    let twice = ["ssh", "--cert", certificate, "--login=x", &at(&scene, "node1")];
    assert_eq!(msh.run(&twice).code, Some(2), "a login that is named twice");
}

#[test]
fn the_login_is_the_only_one_that_the_certificate_has() {
    let scene = Scene::start();
    let (identity, msh) = identity(&scene);
    let certificate = identity.folder.join("ssh_key-cert.pub");
    let said = msh.run(&["ssh", "--cert", certificate.to_str().unwrap(), "node1", "id -un"]);
    assert_eq!(said.assert_ok().out().trim(), mezite_fixtures::account::login());
}

#[test]
fn files_and_folders_are_copied_both_ways() {
    let scene = Scene::start();
    let person = person(&scene);
    let data = noise(100_000, 3);
    let from = scene.scratch.join("from here");
    fs::create_dir_all(from.join("sub")).unwrap();
    fs::write(from.join("a b"), &data).unwrap();
    fs::write(from.join("sub/-c"), b"c").unwrap();
    let (there, back) = (scene.scratch.join("there"), scene.scratch.join("back"));
    let remote = |path: &Path| format!("{}:{}", at(&scene, "node1"), path.display());
    person.msh.run(&["scp", "-r", from.to_str().unwrap(), &remote(&there)]).assert_ok();
    person.msh.run(&["scp", "-rpq", &remote(&there), back.to_str().unwrap()]).assert_ok();
    assert_eq!(fs::read(back.join("a b")).unwrap(), data);
    assert_eq!(fs::read(back.join("sub/-c")).unwrap(), b"c");
    person.msh.run(&["scp", "-O", &remote(&there.join("sub/-c")), back.to_str().unwrap()]).assert_ok();
    let batch = scene.scratch.write("batch", format!("ls {}\n", there.display()));
    let said = person.msh.run(&["sftp", "-b", batch.to_str().unwrap(), &at(&scene, "node1")]);
    assert!(said.assert_ok().out().contains("sub"), "{}", said.out());
    let said = person.msh.run(&["scp", "a@node1:x", "b@node1:y"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(person.msh.run(&["scp", "a", "b"]).code, Some(2));
    assert_eq!(person.msh.run(&["scp", "-O", "-p", &remote(&there), "b"]).code, Some(2));
}

/// Stock ssh with a configuration.
fn stock(config: &Path, person: &Person<'_>, node: &str) -> Finished {
    let mut ssh = Command::new("ssh");
    ssh.env_remove("SSH_AUTH_SOCK").env("HOME", &person.home);
    run(ssh.arg("-F").arg(config).arg(format!("{}@{node}", person.scene.login)).arg("echo there"))
}

#[test]
fn stock_ssh_goes_by_msh_and_nothing_stays_in_between() {
    let scene = Scene::start();
    let person = person(&scene);
    let printed = person.msh.run(&["config"]).assert_ok().out();
    let config = scene.scratch.write("config", &printed);
    assert_eq!(stock(&config, &person, "node1").assert_ok().out(), "there\n");
    // The profile has one of its own.
    let own = person.folder().join("ssh_config");
    assert_eq!(stock(&own, &person, "node1").assert_ok().out(), "there\n");
    let some = person.msh.run(&["config", "--hosts", "node* *.test"]).assert_ok().out();
    assert!(some.contains("\nHost node* *.test !localhost\n"), "{some}");
    for hosts in ["", "a\nProxyCommand x", "a'b", "$(id)", "a#b"] {
        assert_eq!(person.msh.run(&["config", "--hosts", hosts]).code, Some(2), "{hosts:?}");
    }
    // Without ProxyUseFdpass the bytes pass through it.
    let printed = printed.replace("ProxyUseFdpass yes", "ProxyUseFdpass no");
    let config = scene.scratch.write("config_bytes", printed);
    let mut ssh = Command::new("ssh");
    ssh.env_remove("SSH_AUTH_SOCK").env("HOME", &person.home).arg("-F").arg(&config);
    let input = noise(1 << 20, 5);
    let said = run_with_input(ssh.arg(at(&scene, "node1")).arg("cat; exit 6"), &input);
    said.assert_code(6);
    assert!(said.stdout == input, "{} bytes", said.stdout.len());
}

#[test]
fn the_manuals_proxy_command_works_as_it_stands() {
    let scene = Scene::start();
    let person = person(&scene);
    let folder = person.folder();
    let program = mezite_fixtures::program("msh");
    let proxy = format!("ProxyCommand={} proxy ssh %r@%h:%p", program.display());
    let mut ssh = Command::new("ssh");
    ssh.env_remove("SSH_AUTH_SOCK").env("HOME", &person.home).args(["-F", "none", "-o", &proxy]);
    ssh.arg("-i").arg(folder.join("ssh_key"));
    ssh.arg("-o").arg(format!("UserKnownHostsFile={}", folder.join("known_hosts").display()));
    let said = run(ssh.arg(at(&scene, "node1")).arg("echo through"));
    assert_eq!(said.assert_ok().out(), "through\n");
    for target in ["node1", "a@-x:22", "node1:x", "$(id)@node1:22", "a@b;c:22"] {
        assert_eq!(person.msh.run(&["proxy", "ssh", target]).code, Some(2), "{target}");
    }
}

#[test]
fn forwarding_works_as_with_ssh() {
    let scene = Scene::with_role_options(&["port_forwarding: {local: true}"]);
    let person = person(&scene);
    let service = mezite_fixtures::FakeNode::saying(b"hello".to_vec());
    let port = free_port();
    let spec = format!("{port}:{}", service.address());
    let mut command = person.msh.command(&["ssh", "-N", "-L", &spec, &at(&scene, "node1")]);
    let _running = scene.run_beside("forward", &mut command);
    let heard = mezite_fixtures::eventually("the forward", || {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
        let mut heard = [0; 5];
        std::io::Read::read_exact(&mut stream, &mut heard).ok()?;
        Some(heard)
    });
    assert_eq!(&heard, b"hello");
}
