//! Documents: made, applied, shown, removed and exported by `mezctl`.

// What cannot be set up must end the test.
#![allow(clippy::unwrap_used)]

mod documents;
mod export;
mod hostile_text;
mod hostile_yaml;

use mezite_fixtures::{Finished, Gateway, GatewayOptions, Mezctl, Scratch};

/// A gateway without anything in it.
struct Cluster {
    scratch: Scratch,
    _gateway: Gateway,
    mezctl: Mezctl,
}

impl Cluster {
    fn start() -> Self {
        let scratch = Scratch::new();
        let gateway = Gateway::start(&scratch, GatewayOptions::default());
        let mezctl = gateway.mezctl();
        Self { scratch, _gateway: gateway, mezctl }
    }

    /// `mezctl VERB -f -` with this text.
    fn send(&self, verb: &[&str], text: &str) -> Finished {
        let arguments = [verb, &["-f", "-"]].concat();
        self.mezctl.run_with_input(&arguments, text.as_bytes())
    }

    /// How many events there are: nothing is done without one.
    fn events(&self) -> usize {
        self.mezctl.list(&["audit", "ls"]).len()
    }
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQx8HzRcc7CXhqtoPrpCtjETpuS2pXGzKrzqE0KcKgU";

/// One of each kind, in an order in which they could not be made.
const ALL: &str = "# All kinds.
kind: lock
version: v2
metadata: {name: 5da56852-2adb-4540-a37c-80790203f6a9}
spec:
  target: {user: mallory}
  message: gone
---
kind: node
version: v2
sub_kind: openssh
metadata:
  name: a100fdd0-52db-4eca-a7ab-c3afa7a1564a
  labels:
    env: prod
    norway: no
    exponent: 1e3
spec:
  addr: 1.2.3.4:22
  hostname: openssh-node
  host_keys:
  - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHQx8HzRcc7CXhqtoPrpCtjETpuS2pXGzKrzqE0KcKgU
---
kind: bot
metadata: {name: deploy}
spec: {roles: [host-certifier], ttl: 30m}
---
kind: user
version: v2
metadata: {name: alice}
spec:
  roles: [host-certifier, auditor]
  traits:
    logins: [root, ubuntu]
    team: [dba, 'web']
    nothing: null
---
kind: role
version: v5
metadata:
  name: host-certifier
  description: \"Two\\nlines\"
spec:
  allow:
    rules:
      - resources:
          - host_cert
        verbs:
          - list
          - create
          - read
          - update
          - delete
";
