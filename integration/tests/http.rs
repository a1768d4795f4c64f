//! The HTTPS listener, by `curl` as the enrolment guide has it.

use std::process::Command;

use mezite_fixtures::{Finished, Scene, run};
use mezite_integration::{assert_one_event, assert_refused};
use serde_json::Value;

fn curl(scene: &Scene, arguments: &[&str], path: &str) -> Finished {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "--cacert"]).arg(scene.gateway.tls_ca()).args(arguments);
    run(command.arg(format!("https://localhost:{}{path}", scene.gateway.https().port())))
}

/// `ssh` to a node by `CONNECT` inside TLS, for which stock tools are put together: `openssl` and a few lines of shell.
fn ssh_over_tls(scene: &Scene, node: &str, command: &str) -> Finished {
    let script = "printf 'CONNECT %s HTTP/1.1\\r\\nHost: %s\\r\\n\\r\\n' \"$1\" \"$1\" > \"$4\"\n\
                  cat \"$4\" - | openssl s_client -quiet -no_ign_eof -connect \"localhost:$2\" -CAfile \"$3\" -verify_return_error \\\n\
                  -verify_hostname localhost 2>/dev/null | {\n\
                  while read -r line && [ \"${#line}\" -gt 1 ]; do :; done\n\
                  exec cat\n\
                  }\n";
    let script = scene.scratch.write("connect.sh", script);
    let (port, ca) = (scene.gateway.https().port(), scene.gateway.tls_ca());
    let request = scene.scratch.join(format!("request-{node}"));
    let proxy =
        format!("ProxyCommand=sh {} %h:%p {port} {} {}", script.display(), ca.display(), request.display());
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(scene.client.config()).args(["-o", &proxy]).env_remove("SSH_AUTH_SOCK");
    run(ssh.arg(format!("{}@{node}", scene.login)).arg(command))
}

#[test]
fn connect_inside_tls_leads_to_the_node() {
    let mut scene = Scene::start();
    let said = ssh_over_tls(&scene, "node1", "head -c 3000000 /dev/zero; exit 7");
    said.assert_code(7);
    assert_eq!(said.stdout.len(), 3_000_000);
    let event = assert_one_event(&scene, "connection.open", &[("way", "connect")]);
    assert_eq!(event["node"], "node1");
    let close = assert_one_event(&scene, "connection.close", &[("outcome", "ok")]);
    assert!(close["bytes_out"].as_u64() > Some(3_000_000), "{close}");

    let refused = ssh_over_tls(&scene, "nosuch", "true");
    assert_refused(&refused, &["access refused: alice may not log in as", "on nosuch"]);
    // What is no good request gets the answer of the SSH port.
    let bad = curl(&scene, &["-X", "CONNECT", "--request-target", "node1"], "/");
    assert!(bad.out().contains("the target must be NODE:PORT"), "{bad:?}");
    scene.assert_alive();
}

#[test]
fn ca_exports_are_those_of_mezctl() {
    let scene = Scene::start();
    for (kind, file) in [("user", "user.pub"), ("openssh", "openssh.pub"), ("host", "known_hosts")] {
        let exported = scene.mezctl.ok(&["auth", "export", &format!("--type={kind}")]);
        let out = scene.scratch.join(format!("{kind}.pub"));
        curl(&scene, &["-fL", "-o", &out.display().to_string()], &format!("/v1/ca/{file}")).assert_ok();
        assert_eq!(std::fs::read_to_string(&out).unwrap(), exported, "{kind}");
        let old = curl(&scene, &["-f"], &format!("/webapi/auth/export?type={kind}"));
        let key = exported.split(' ').find(|word| word.starts_with("AAAA")).unwrap();
        assert!(old.assert_ok().out().contains(key), "{kind}: {}", old.out());
    }
    let pem = curl(&scene, &["-f"], "/v1/ca/tls.pem");
    assert_eq!(pem.assert_ok().out(), std::fs::read_to_string(scene.gateway.tls_ca()).unwrap());
    let known_hosts = curl(&scene, &["-f"], "/v1/ca/known_hosts");
    assert!(known_hosts.assert_ok().out().lines().all(|line| line.starts_with("@cert-authority ")));
}

#[test]
fn known_hosts_as_served_is_all_that_a_client_needs() {
    let scene = Scene::start();
    let served = scene.scratch.join("served");
    curl(&scene, &["-f", "-o", &served.display().to_string()], "/v1/ca/known_hosts").assert_ok();
    for way in [mezite_fixtures::Way::Direct, mezite_fixtures::Way::Connect] {
        let option = format!("UserKnownHostsFile={}", served.display());
        run(scene.route_by(way).ssh(&["-o", &option]).arg("true")).assert_ok();
    }
}

#[test]
fn guide_works_as_it_is_written() {
    // Two nodes, each enrolled with one of the two CAs, by the guide's commands in the guide's order.
    for file in ["user.pub", "openssh.pub"] {
        let mut scene = Scene::with(mezite_fixtures::SceneOptions {
            trust: mezite_fixtures::Trust::Nobody,
            ..Default::default()
        });
        scene.mezctl.ok(&["nodes", "rm", "node1"]);
        let fetched = scene.scratch.join("ca.pub");
        let out = fetched.display().to_string();
        curl(&scene, &["-fL", "-o", &out], &format!("/v1/ca/{file}")).assert_ok();
        scene.sshd.trust(&std::fs::read_to_string(&fetched).unwrap());
        scene.mezctl.ok(&[
            "nodes",
            "add",
            "--openssh",
            "--name=db-legacy-01",
            "--host=127.0.0.1",
            &format!("--port={}", scene.sshd.port()),
            "--labels=env=test,role=db,managed-by=ansible",
            &format!("--host-key={}", scene.sshd.host_key()),
            "--verify-host-key",
        ]);
        let route = scene.client.route(mezite_fixtures::Way::Direct, scene.login, "db-legacy-01");
        run(route.ssh::<&str>(&[]).arg("true")).assert_ok();
    }
}

#[test]
fn health_is_told_to_everybody() {
    let scene = Scene::start();
    for path in ["/healthz", "/readyz"] {
        let said = curl(&scene, &["-o", "/dev/null", "-w", "%{http_code}"], path);
        assert_eq!(said.assert_ok().out(), "200", "{path}");
    }
}

#[test]
fn exports_may_be_cached_and_nothing_else() {
    let scene = Scene::start();
    let head = curl(&scene, &["-D", "-", "-o", "/dev/null"], "/v1/ca/user.pub").assert_ok().out();
    let etag = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find_map(|(name, value)| name.eq_ignore_ascii_case("etag").then_some(value.trim()))
        .unwrap_or_else(|| panic!("no ETag: {head}"));
    let again = curl(
        &scene,
        &["-H", &format!("If-None-Match: {etag}"), "-o", "/dev/null", "-w", "%{http_code}"],
        "/v1/ca/user.pub",
    );
    assert_eq!(again.assert_ok().out(), "304");
    let other = curl(&scene, &["-D", "-", "-o", "/dev/null"], "/healthz").assert_ok().out().to_lowercase();
    assert!(other.contains("cache-control: no-store"), "{other}");
}

#[test]
fn what_is_not_there_or_not_allowed_is_a_problem() {
    let mut scene = Scene::start();
    for (arguments, path, statuses) in [
        (&[] as &[&str], "/no/such/thing", [404, 401]),
        (&[], "/v1/ca/secret.pub", [404, 404]),
        (&[], "/webapi/auth/export?type=nothing", [400, 404]),
        (&["-X", "DELETE"], "/v1/ca/user.pub", [405, 404]),
        // Administration needs a client certificate.
        (&[], "/v1/nodes", [401, 404]),
        (&["--path-as-is"], "/v1/ca/..%2f..%2fseal.key", [404, 400]),
    ] {
        let mut all = vec!["-w", "\n%{http_code}"];
        all.extend(arguments);
        let said = curl(&scene, &all, path).assert_ok().out();
        let (body, status) = said.rsplit_once('\n').unwrap();
        let status: u16 = status.parse().unwrap();
        assert!(statuses.contains(&status), "{path}: {said}");
        let problem: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"));
        assert_eq!(problem["status"], status, "{path}: {problem}");
        assert!(problem["code"].is_string() && problem["title"].is_string(), "{path}: {problem}");
    }
    scene.assert_alive();
}

#[test]
fn server_is_proved_by_the_cluster_s_tls_ca_only() {
    let scene = Scene::start();
    let port = scene.gateway.https().port();
    let said = run(Command::new("curl").args([
        "-sS",
        "--noproxy",
        "*",
        &format!("https://localhost:{port}/healthz"),
    ]));
    // 60: the certificate cannot be authenticated with known CA certificates.
    said.assert_code(60);
    let plain = run(Command::new("curl").args([
        "-sS",
        "--noproxy",
        "*",
        &format!("http://localhost:{port}/healthz"),
    ]));
    assert_ne!(plain.code, Some(0));
}
