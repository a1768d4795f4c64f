//! Host certificates by `mezctl auth sign --host`, in a real sshd, for the gateway and for clients that go without it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use mezite_fixtures::{
    Finished, KeyType, Scene, SceneOptions, SshdOptions, Trust, Way, eventually, public_key_path, run,
};
use mezite_integration::assert_refused;

/// Stock ssh straight to the sshd, which it takes for `name`; it knows no hosts but those of `known`.
fn straight(scene: &Scene, known: &Path, name: &str) -> Finished {
    let identity = &scene.identity;
    let mut ssh = Command::new("ssh");
    ssh.args([
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "IdentitiesOnly=yes",
    ]);
    ssh.args(["-o", "GlobalKnownHostsFile=none", "-o", &format!("UserKnownHostsFile={}", known.display())]);
    ssh.args(["-o", &format!("HostKeyAlias={name}"), "-p", &scene.sshd.port().to_string()]);
    ssh.arg("-i").arg(&identity.key).env_remove("SSH_AUTH_SOCK");
    if let Some(certificate) = &identity.certificate {
        ssh.args(["-o", &format!("CertificateFile={}", certificate.display())]);
    }
    run(ssh.arg(format!("{}@127.0.0.1", scene.login)).arg("true"))
}

/// Teleport's line for `known_hosts`.
fn known_hosts(scene: &Scene) -> std::path::PathBuf {
    let url = format!("https://localhost:{}/webapi/auth/export?type=host", scene.gateway.https().port());
    let curl = run(Command::new("curl")
        .args(["-fsSL", "--noproxy", "*", "--cacert"])
        .arg(scene.gateway.tls_ca())
        .arg(url));
    scene.scratch.write("known_hosts", curl.assert_ok().out())
}

#[test]
fn a_plain_client_with_the_line_of_the_host_ca_reaches_a_certified_node_directly() {
    let mut scene = Scene::with(SceneOptions { trust: Trust::User, ..SceneOptions::default() });
    let known = known_hosts(&scene);
    let before = straight(&scene, &known, "node1.test");
    assert!(before.err().contains("Host key verification failed"), "{before:?}");

    let key = scene.scratch.join("myhost");
    let certificate = scene.scratch.join("myhost-cert.pub");
    let out = format!("--out={}", key.display());
    let sign = |scene: &Scene| {
        let names = "--host=1.2.3.4,node1,NODE1.test,a100fdd0-52db-4eca-a7ab-c3afa7a1564a";
        scene.mezctl.run(&["auth", "sign", names, "--format=openssh", &out])
    };
    let said = sign(&scene);
    let told = format!("The credentials have been written to {}, {}", key.display(), certificate.display());
    assert!(said.assert_ok().err().contains(&told), "{said:?}");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let listed = run(Command::new("ssh-keygen").arg("-L").arg("-f").arg(&certificate));
    let listed = listed.assert_ok().out();
    for line in
        ["ssh-ed25519-cert-v01@openssh.com host certificate", "1.2.3.4", "node1.test", "a100fdd0-52db"]
    {
        assert!(listed.contains(line), "{line}: {listed}");
    }
    let made = std::fs::read(&key).unwrap();
    sign(&scene).assert_code(5);
    assert_eq!(std::fs::read(&key).unwrap(), made, "a key that is there stays");

    let lines = [format!("HostKey {}", key.display()), format!("HostCertificate {}", certificate.display())];
    scene.sshd.configure(&lines.each_ref().map(String::as_str));
    straight(&scene, &known, "node1.test").assert_ok();
    // For another name of the cluster it is no certificate, and the line is about no names but the cluster's.
    for other in ["node2.test", "node1"] {
        let said = straight(&scene, &known, other);
        said.assert_code(255);
        assert!(said.err().contains("Host key verification failed"), "{other}: {said:?}");
    }
}

#[test]
fn nodes_without_pins_prove_themselves_by_certificates_of_every_type_of_key() {
    let kinds = [KeyType::Ed25519, KeyType::EcdsaP256, KeyType::EcdsaP384, KeyType::EcdsaP521, KeyType::Rsa];
    for kind in kinds {
        let sshd = SshdOptions { host_keys: vec![kind], ..SshdOptions::default() };
        let mut scene = Scene::with(SceneOptions { sshd, ..SceneOptions::default() });
        let host = format!("--port={}", scene.sshd.port());
        let add = [
            "nodes",
            "add",
            "--openssh",
            "--name=plain",
            "--host=127.0.0.1",
            &host,
            "--labels=env=test",
            "--host-ca",
        ];
        let verified = [&add[..], &["--verify-host-key"]].concat();
        scene.mezctl.run(&verified).assert_code(5);
        scene.mezctl.ok(&add);
        let ssh = |scene: &Scene| {
            let route = scene.client.route(Way::Direct, scene.login, "plain");
            run(route.ssh::<&str>(&[]).arg("true"))
        };
        assert_refused(&ssh(&scene), &["no host key of it is pinned", "mezctl auth sign --host=plain"]);

        let public = public_key_path(&scene.sshd.host_key_path(kind));
        let certificate = public.with_file_name("host-cert.pub");
        let (key, out) = (format!("--key={}", public.display()), format!("--out={}", certificate.display()));
        scene.mezctl.ok(&["auth", "sign", "--host=Plain", &key, &out]);
        scene.sshd.configure(&[&format!("HostCertificate {}", certificate.display())]);
        ssh(&scene).assert_ok();
        let checked = scene.mezctl.json(&["nodes", "check", "plain"]);
        assert!(checked.to_string().contains("SHA256:"), "{checked}");
        scene.mezctl.ok(&["nodes", "rm", "plain"]);
        scene.mezctl.ok(&verified);
    }
}

#[test]
fn a_certificate_takes_the_place_of_a_certificate_alone() {
    let mut scene = Scene::start();
    let private = scene.sshd.host_key_path(KeyType::Ed25519);
    let secret = std::fs::read(&private).unwrap();
    let key = format!("--key={}", public_key_path(&private).display());
    let sign = |scene: &Scene, whose: &str, out: &Path| {
        scene.mezctl.run(&["auth", "sign", whose, &key, &format!("--out={}", out.display())])
    };
    for whose in ["--host=node1", "--user=alice"] {
        let said = sign(&scene, whose, &private);
        assert!(said.assert_code(5).err().contains("is there already, and is no certificate"), "{said:?}");
        assert_eq!(std::fs::read(&private).unwrap(), secret, "{whose}");
    }
    let out = scene.scratch.join("host-cert.pub");
    sign(&scene, "--host=node1", &out).assert_ok();
    let first = std::fs::read(&out).unwrap();
    sign(&scene, "--host=node1", &out).assert_ok();
    assert_ne!(std::fs::read(&out).unwrap(), first, "it is renewed");
    eventually("an event each", || {
        let issued = scene.mezctl.audit("cert.issue");
        (issued.iter().filter(|event| event["kind"] == "host").count() >= 3).then_some(())
    });
    scene.assert_alive();
}
