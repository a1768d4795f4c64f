//! What a certificate or a role withholds, asked for nevertheless.

use mezite_fixtures::{FakeNode, KeyType, Role, SceneOptions, Way, generate_key, run};
use mezite_integration::assert_one_event;
use mezite_integration::hostile::{Theft, list, option};

#[test]
fn hostile_024_restrictions_of_a_certificate_hold_for_the_whole_connection() {
    let mut theft = Theft::with(SceneOptions {
        role: Role::with_options(&["forward_agent: true", "port_forwarding: {local: true}"]),
        ..Default::default()
    });
    let forced = option("force-command", list(["true"]));
    let attempt = {
        let blob = theft.good().with(|c| c.critical = forced).signed(&theft.keys.user);
        theft.show("force-command", &blob, &theft.subject, "cert.refuse force_command")
    };
    theft.finish(&[attempt]);

    // Everything is allowed by the role, nothing by the certificate.
    let bare = theft.good().with(|c| c.extensions = option("user@mezite", list(["alice"])));
    let route =
        theft.client("bare", &bare.signed(&theft.keys.user)).route(Way::Direct, theft.scene.login, "node1");
    run(route.ssh::<&str>(&[]).arg("true")).assert_ok();
    let pty = run(route.ssh(&["-tt"]).arg("tty"));
    assert!(
        pty.err().contains("PTY allocation request failed") || pty.out().contains("not a tty"),
        "{pty:?}"
    );
    let echo = FakeNode::saying(b"hello".to_vec());
    let forward = format!("-W{}", echo.address());
    run(&mut route.ssh(&[&forward])).assert_code(255);
    assert_eq!(echo.connections(), 0);
    assert_one_event(&theft.scene, "forward.refuse", &[("destination", &echo.address().to_string())]);
    let agent = theft.scene.scratch.join("agent-key");
    generate_key(&agent, KeyType::Ed25519);
    let said = run(std::process::Command::new("ssh-agent").args(["sh", "-c"]).arg(format!(
        "ssh-add -q {} && ssh -A -o IdentityAgent=$SSH_AUTH_SOCK -F {} -p {} {}@node1@localhost 'echo sock=$SSH_AUTH_SOCK'",
        agent.display(),
        theft.scene.scratch.join("bare_ssh_config").display(),
        theft.scene.gateway.ssh().port(),
        theft.scene.login,
    )));
    assert!(said.out().trim_end().ends_with("sock="), "{said:?}");
    assert_one_event(&theft.scene, "request.refuse", &[("request", "auth-agent-req@openssh.com")]);
    theft.scene.assert_alive();
}
