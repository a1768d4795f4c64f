//! What anybody can fetch in each phase: public keys of the right CA, all of one moment.

use std::process::Command;

use mezite_fixtures::{Scene, run};

use crate::{fetch, keys, step};

/// `curl` with these arguments at one path.
fn curl(scene: &Scene, arguments: &[&str], path: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--noproxy", "*", "--cacert"]).arg(scene.gateway.tls_ca()).args(arguments);
    curl.arg(format!("https://localhost:{}{path}", scene.gateway.https().port()));
    run(&mut curl).assert_ok().out()
}

#[track_caller]
fn assert_exports(scene: &Scene, counts: [usize; 3]) {
    let mut all = Vec::new();
    for (ca, count) in ["user", "openssh", "host"].into_iter().zip(counts) {
        let path = format!("/v1/ca/{ca}.pub");
        let text = fetch(scene, &path);
        assert_eq!(text.lines().count(), count, "{ca}: {text}");
        assert!(text.lines().all(|line| line.starts_with("ssh-ed25519 AAAA")), "{text}");
        assert!(text.lines().all(|line| line.ends_with(&format!("type={ca}"))), "{text}");
        let shown = scene.mezctl.ok(&["auth", "export", &format!("--type={ca}")]);
        assert_eq!(shown.replace("@cert-authority * ", ""), text);
        for accept in ["text/html;q=0", "application/json", ",,"] {
            assert_eq!(curl(scene, &["-H", &format!("Accept: {accept}")], &path), text);
        }
        let head = curl(scene, &["-I"], &path);
        assert!(
            head.contains(" 200 ") && head.contains(&format!("Content-Length: {}", text.len())),
            "{head}"
        );
        let etag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap().trim();
        let known = curl(scene, &["-w", "%{http_code}", "-H", &format!("If-None-Match: {etag}")], &path);
        assert_eq!(known, "304");
        for method in ["OPTIONS", "POST", "DELETE"] {
            let said = curl(scene, &["-X", method, "-w", "\n%{http_code}"], &path);
            assert!(said.ends_with("\n405") && !said.contains("AAAA"), "{method}: {said}");
        }
        all.extend(keys(scene, ca));
        let form = fetch(scene, &format!("/webapi/auth/export?type={ca}"));
        assert!(keys(scene, ca).iter().all(|key| form.contains(key)) && form.lines().count() == count);
    }
    let lines = fetch(scene, "/v1/ca/known_hosts");
    let own = keys(scene, "host");
    assert!(
        lines.lines().zip(&own).all(|(line, key)| line.starts_with(&format!("@cert-authority * {key} ")))
    );
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "no key is of two CAs");
    for path in ["/v1/ca/user/rotation", "/v1/ca/openssh/rotate", "/v1/ca"] {
        let code = curl(scene, &["-o", "/dev/null", "-w", "%{http_code}"], path);
        assert!(["401", "404", "405"].contains(&code.as_str()), "{path}: {code}");
    }
}

#[test]
fn hostile_088_exports_are_public_keys_of_one_moment_in_each_phase() {
    let scene = Scene::start();
    assert_exports(&scene, [1, 1, 1]);
    let (user, openssh) = (keys(&scene, "user"), keys(&scene, "openssh"));
    for ca in ["user", "openssh", "host"] {
        step(&scene, ca, "prepare");
    }
    assert_exports(&scene, [2, 2, 2]);
    assert_eq!((&keys(&scene, "user")[0], &keys(&scene, "openssh")[0]), (&user[0], &openssh[0]));
    scene.mezctl.ok(&["nodes", "rm", "node1"]);
    for ca in ["user", "openssh", "host"] {
        step(&scene, ca, "activate");
    }
    assert_exports(&scene, [2, 2, 2]);
    assert_eq!((&keys(&scene, "user")[1], &keys(&scene, "openssh")[1]), (&user[0], &openssh[0]));
    step(&scene, "user", "finish");
    step(&scene, "openssh", "rollback");
    assert_exports(&scene, [1, 1, 2]);
    assert_ne!(keys(&scene, "user"), user);
    assert_eq!(keys(&scene, "openssh"), openssh);
}

#[test]
fn hostile_029_the_export_for_nodes_never_has_a_user_ca_key_and_a_user_certificate_opens_nothing() {
    let mut scene = Scene::start();
    let direct = |scene: &Scene| {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o"]);
        ssh.args(["StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o"]);
        ssh.arg("IdentityAgent=none").arg("-i").arg(&scene.identity.key);
        ssh.arg("-o")
            .arg(format!("CertificateFile={}", scene.identity.certificate.as_ref().unwrap().display()));
        ssh.arg("-p").arg(scene.sshd.port().to_string()).arg(format!("{}@127.0.0.1", scene.login));
        run(ssh.arg("true"))
    };
    // The User CA is rotated beside it: its keys must be nowhere in what nodes fetch.
    let phases = [("user", "prepare"), ("openssh", "prepare"), ("user", "activate"), ("openssh", "activate")];
    for (ca, phase) in phases.into_iter().chain([("openssh", "finish"), ("user", "rollback")]) {
        crate::check(&scene);
        step(&scene, ca, phase);
        crate::pull(&mut scene, "openssh");
        let (openssh, user) = (keys(&scene, "openssh"), keys(&scene, "user"));
        assert!(openssh.iter().all(|key| !user.contains(key)), "{ca} {phase}");
        direct(&scene).assert_code(255);
        scene.ssh("true").assert_ok();
    }
    crate::check(&scene);
    let node = scene.mezctl.json(&["nodes", "get", "node1"]);
    assert_eq!(node["status"]["seen"]["check"]["trusts_user"], "no");
    crate::pull(&mut scene, "user");
    crate::check(&scene);
    let said = scene.mezctl.run(&["nodes", "check", "node1", "--login", scene.login]);
    assert!(said.err().contains("trusts the User CA: users can reach it past the gateway"), "{}", said.err());
    direct(&scene).assert_ok();
}

#[test]
fn hostile_088_what_is_revoked_stays_so_for_every_key_that_is_trusted() {
    let scene = Scene::start();
    let certificate = scene.identity.certificate.clone().unwrap();
    let shown = run(Command::new("ssh-keygen").arg("-Lf").arg(&certificate)).assert_ok().out();
    let serial = shown.lines().find_map(|line| line.trim().strip_prefix("Serial: ")).unwrap().to_owned();
    scene.mezctl.ok(&["certs", "revoke", "--serial", &serial]);
    let is_revoked = || {
        let list = scene.scratch.join("revoked.krl");
        curl(&scene, &["-f", "-o", &list.display().to_string()], "/v1/ca/revoked.krl");
        run(Command::new("ssh-keygen").arg("-Qf").arg(&list).arg(&certificate)).code == Some(1)
    };
    assert!(is_revoked());
    for phase in ["prepare", "activate"] {
        step(&scene, "user", phase);
        assert!(is_revoked(), "{phase}");
        scene.ssh("true").assert_code(255);
    }
    step(&scene, "user", "finish");
    scene.ssh("true").assert_code(255);
}
