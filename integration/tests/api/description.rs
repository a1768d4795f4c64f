//! The description of the API, held against what the gateway answers.

use std::process::Command;

use mezite_fixtures::{repository, run};
use mezite_integration::hostile::{Shown, request, tls_as, tls_config, try_tls};

use crate::with_root;

#[test]
fn every_operation_answers_as_it_is_described() {
    let (mut scene, root) = with_root();
    let mut anybody = try_tls(&scene.gateway, tls_config(&scene.gateway, None)).unwrap();
    let document = request(&mut anybody, "GET /v1/openapi.json").unwrap().json();
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 20, "{}", paths.len());
    for (template, operations) in paths {
        let path =
            template.replace("{user}", "nobody").replace("{role}", "nothing").replace("{node}", "nowhere");
        let path = path.replace("{lock}", "x").replace("{session}", "x").replace("{bot}", "nobody");
        let path = path.replace("{token}", "x").replace("{revocation}", "x").replace("{ca}", "tls");
        for (method, operation) in operations.as_object().unwrap() {
            let line = format!("{} {path}", method.to_uppercase());
            let described = operation["responses"].as_object().unwrap();
            let answer = request(&mut tls_as(&scene.gateway, Shown::at(&root)), &line).unwrap();
            let response = described.get(&answer.status.to_string());
            let response = response.unwrap_or_else(|| panic!("{line}: {} is not described", answer.status));
            if let Some((content_type, _)) = response["content"].as_object().and_then(|all| all.iter().next())
            {
                let is = format!("Content-Type: {content_type}");
                assert!(answer.head.contains(&is), "{line}: {}", answer.head);
            }
            let guarded = operation["security"].as_array().is_some_and(|needs| !needs.is_empty());
            let mut stranger = try_tls(&scene.gateway, tls_config(&scene.gateway, None)).unwrap();
            let refused = request(&mut stranger, &line).unwrap().status == 401;
            assert_eq!(refused, guarded, "{line}: whether a certificate is needed");
        }
    }
    scene.assert_alive();
}

#[test]
fn a_path_that_is_not_described_is_not_there() {
    let (scene, root) = with_root();
    let mut stream = tls_as(&scene.gateway, Shown::at(&root));
    let answer = request(&mut stream, "GET /v1/secrets").unwrap();
    assert_eq!(answer.status, 404);
    let answer = request(&mut stream, "DELETE /v1/status").unwrap();
    assert_eq!(answer.status, 405);
    assert!(answer.head.contains("Allow: GET, HEAD"), "{answer:?}");
}

#[test]
fn generated_requests_find_nothing() {
    let script = repository().join("tools/api-fuzz.sh");
    let programs = mezite_fixtures::program("mezd");
    let mut fuzz = Command::new(script);
    let said = run(fuzz.arg("10").env("MEZITE_BIN_DIR", programs.parent().unwrap()));
    if said.code == Some(77) {
        println!("{}", said.err());
        return;
    }
    said.assert_ok();
}

#[test]
fn stock_clients_are_told_what_they_need() {
    let (scene, _) = with_root();
    let config = scene.mezctl.ok(&["ssh-config", "--user", "alice"]);
    assert!(config.contains("Host *.test") && config.contains("ProxyCommand nc -X connect -x "), "{config}");
    assert!(config.contains(scene.login), "{config}");
    let known_hosts = scene.mezctl.ok(&["ssh-config", "--known-hosts"]);
    let (config_file, known) =
        (scene.scratch.write("told_config", &config), scene.scratch.write("told_hosts", &known_hosts));
    let mut ssh = Command::new("ssh");
    ssh.args(["-F"]).arg(&config_file).arg("-o").arg(format!("UserKnownHostsFile={}", known.display()));
    ssh.args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i"]).arg(&scene.identity.key);
    let certificate = scene.identity.certificate.as_ref().unwrap();
    ssh.arg("-o").arg(format!("CertificateFile={}", certificate.display()));
    run(ssh.args(["-l", scene.login, "node1.test", "true"])).assert_ok();
    scene.mezctl.run(&["ssh-config", "--user", "nobody"]).assert_code(4);
}
