//! The decision for a user with many roles.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use mezite_access::{CompiledRole, Decision, Role, UserFacts, decide};
use mezite_api::user::Traits;
use mezite_api::{Labels, Login, UserName};

use crate::statistics::percentile;
use crate::tables::{Goals, Table, fine};

const ROLES: usize = 200;
const DECISIONS: usize = 20_000;

/// Measures and prints.
pub fn run(goals: &mut Goals) {
    let roles: Vec<Arc<CompiledRole>> = (0..ROLES).map(|number| Arc::new(role(number))).collect();
    let name = UserName::parse("alice").expect("a name");
    let logins = [Login::parse("alice").expect("a login")];
    let traits = Traits::default();
    let user = UserFacts { name: &name, roles: &roles, traits: &traits, logins: &logins };
    // The last role is the one that allows.
    let labels = format!("env=production,team=team-{},region=eu-1", ROLES - 1);
    let (labels, login) = (Labels::parse(&labels).expect("labels"), Login::parse("ubuntu").expect("a login"));
    let micros: Vec<f64> = (0..DECISIONS)
        .map(|_| {
            let start = Instant::now();
            let decision = decide(black_box(&user), black_box(&login), black_box(&labels));
            let micros = start.elapsed().as_secs_f64() * 1e6;
            assert!(matches!(decision, Decision::Allow(_)), "{decision:?}");
            micros
        })
        .collect();
    let (p50, p99) = (percentile(&micros, 0.5), percentile(&micros, 0.99));
    let mut table = Table::new("Decision for a user with 200 roles: microseconds", &["", "p50", "p99"]);
    table.row("`decide`", &[fine(p50), fine(p99)]);
    table.print();
    goals.at_most("µs for the decision with 200 roles, p99", 50.0, p99);
}

/// Each role is about one team's machines, by a pattern and a list, allows two logins and denies one on some.
fn role(number: usize) -> CompiledRole {
    let text = format!(
        "kind: role\n\
         metadata: {{name: role-{number}}}\n\
         spec:\n  \
           allow:\n    \
             node_labels: {{env: [production, staging], team: team-{number}, region: 'eu-*'}}\n    \
             logins: [ubuntu, '{{{{internal.logins}}}}']\n  \
           deny:\n    \
             node_labels: {{env: forbidden-{number}}}\n    \
             logins: [root]\n"
    );
    Role::parse_yaml(&text).expect("a role").into()
}
