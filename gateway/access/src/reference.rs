//! A second evaluator, as naive as the text of the specification, and property tests against it.

use std::fmt::Write as _;
use std::sync::Arc;

use mezite_api::user::Traits;
use mezite_api::{Labels, Login, UserName};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::{CompiledRole, Decision, Permits, Refusal, Role, UserFacts, decide, may_see};

const LOGINS: [&str; 4] = ["root", "deploy", "postgres", "ubuntu"];

type Selector = Vec<(&'static str, Vec<&'static str>)>;

/// A role before it is written down as YAML.
#[derive(Debug, Clone)]
struct Model {
    allow_labels: Option<Selector>,
    allow_logins: Vec<&'static str>,
    deny_labels: Option<Selector>,
    deny_logins: Vec<&'static str>,
    record: &'static str,
    pty: bool,
    agent: bool,
    max_sessions: Option<u32>,
    ttl_hours: Option<u64>,
}

#[derive(Debug, Clone)]
struct World {
    roles: Vec<Model>,
    labels: Vec<(&'static str, &'static str)>,
    user_logins: Vec<&'static str>,
    trait_values: Vec<&'static str>,
}

fn selector() -> impl Strategy<Value = Option<Selector>> {
    let patterns = || {
        let all = vec![
            "prod",
            "dev",
            "prod-1",
            "Prod",
            "*",
            "prod*",
            "*-1",
            "p*d",
            "^prod.*$",
            "^(dev|prod)$",
            "^dev|prod$",
        ];
        subsequence(all, 1..=2)
    };
    let keys = subsequence(vec!["env", "team"], 0..=2)
        .prop_flat_map(move |keys| keys.into_iter().map(|key| (Just(key), patterns())).collect::<Vec<_>>());
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(vec![("*", vec!["*"])])),
        6 => keys.prop_map(Some),
    ]
}

fn model() -> impl Strategy<Value = Model> {
    let logins = || {
        subsequence(vec!["root", "deploy", "{{internal.logins}}", "{{trait.t}}", "{{ trait.none }}"], 0..=3)
    };
    let denied = || prop_oneof![6 => Just(vec![]), 2 => logins(), 1 => Just(vec!["*"])];
    let denied_labels = || prop_oneof![4 => Just(None), 1 => selector()];
    let record = select(vec!["", "strict", "best_effort", "off"]);
    (
        selector(),
        logins(),
        denied_labels(),
        denied(),
        record,
        any::<[bool; 2]>(),
        option_of(1..9),
        option_of(1..30),
    )
        .prop_map(
            |(allow_labels, allow_logins, deny_labels, deny_logins, record, [pty, agent], sessions, ttl)| {
                Model {
                    allow_labels,
                    allow_logins,
                    deny_labels,
                    deny_logins,
                    record,
                    pty,
                    agent,
                    max_sessions: sessions.and_then(|n| u32::try_from(n).ok()),
                    ttl_hours: ttl,
                }
            },
        )
}

fn option_of(range: std::ops::Range<u64>) -> impl Strategy<Value = Option<u64>> {
    prop::option::of(range)
}

fn world() -> impl Strategy<Value = World> {
    let label = |key| {
        prop::option::of(select(vec!["prod", "dev", "prod-1", "Prod", "x"]))
            .prop_map(move |v| v.map(|v| (key, v)))
    };
    let labels = (label("env"), label("team")).prop_map(|(a, b)| a.into_iter().chain(b).collect());
    let own = subsequence(LOGINS.to_vec(), 0..=2);
    let values = subsequence(vec!["", "*", "^.*$", "root", "ubuntu", "{{internal.logins}}", "pos*"], 0..=3);
    (prop::collection::vec(model(), 0..6), labels, own, values).prop_map(
        |(roles, labels, user_logins, trait_values)| World { roles, labels, user_logins, trait_values },
    )
}

impl Model {
    fn yaml(&self, name: &str) -> String {
        let selector = |selector: &Option<Selector>| match selector {
            None => String::new(),
            Some(keys) => format!(
                "    node_labels: {}\n",
                serde_json::json!(keys.iter().cloned().collect::<std::collections::BTreeMap<_, _>>())
            ),
        };
        let mut options = format!("    permit_pty: {}\n    forward_agent: {}\n", self.pty, self.agent);
        if !self.record.is_empty() {
            writeln!(options, "    record_session: {}", self.record).unwrap();
        }
        if let Some(most) = self.max_sessions {
            writeln!(options, "    max_sessions: {most}").unwrap();
        }
        if let Some(hours) = self.ttl_hours {
            writeln!(options, "    max_session_ttl: {hours}h").unwrap();
        }
        format!(
            "kind: role\nversion: v5\nmetadata:\n  name: {name}\nspec:\n  allow:\n{}    logins: {}\n  deny:\n{}    logins: {}\n  options:\n{options}",
            selector(&self.allow_labels),
            serde_json::json!(self.allow_logins),
            selector(&self.deny_labels),
            serde_json::json!(self.deny_logins),
        )
    }
}

// The reference: no compiled form, no early return, patterns by hand.

fn pattern_matches(pattern: &str, value: &str) -> bool {
    match pattern {
        "^prod.*$" => value.starts_with("prod"),
        "^(dev|prod)$" | "^dev|prod$" => value == "dev" || value == "prod",
        _ => match pattern.split_once('*') {
            None => pattern == value,
            Some((before, after)) => (0..=value.len()).any(|at| {
                let (head, tail) = value.split_at(at);
                head.starts_with(before)
                    && head.len() >= before.len()
                    && head == before
                    && (0..=tail.len()).any(|skip| pattern_matches(after, tail.split_at(skip).1))
            }),
        },
    }
}

fn selects(selector: Option<&Selector>, world: &World) -> bool {
    let Some(selector) = selector else { return false };
    if selector.is_empty() {
        return false;
    }
    selector.iter().all(|(key, patterns)| {
        *key == "*"
            || world
                .labels
                .iter()
                .any(|(have, value)| have == key && patterns.iter().any(|p| pattern_matches(p, value)))
    })
}

fn names_login(listed: &[&str], login: &str, world: &World) -> bool {
    listed.iter().any(|text| match *text {
        "*" => true,
        "{{internal.logins}}" => world.user_logins.contains(&login),
        "{{trait.t}}" => world.trait_values.contains(&login),
        "{{ trait.none }}" => false,
        name => name == login,
    })
}

/// What the specification says, for one login.
#[derive(Debug, PartialEq)]
enum Expected {
    Deny,
    NoLabels,
    NoLogin,
    Allow { record: &'static str, pty: bool, agent: bool, max_sessions: Option<u32>, ttl_hours: u64 },
}

fn expect(world: &World, login: &str) -> Expected {
    let denies = |role: &&Model| {
        selects(role.deny_labels.as_ref(), world) || names_login(&role.deny_logins, login, world)
    };
    if world.roles.iter().filter(denies).count() > 0 {
        return Expected::Deny;
    }
    let about: Vec<&Model> =
        world.roles.iter().filter(|role| selects(role.allow_labels.as_ref(), world)).collect();
    let granting: Vec<&&Model> =
        about.iter().filter(|role| names_login(&role.allow_logins, login, world)).collect();
    if about.is_empty() {
        return Expected::NoLabels;
    }
    if granting.is_empty() {
        return Expected::NoLogin;
    }
    let records = |mode: &str| {
        about.iter().any(|role| role.record == mode || (mode == "strict" && role.record.is_empty()))
    };
    Expected::Allow {
        record: ["strict", "best_effort", "off"].into_iter().find(|mode| records(mode)).unwrap_or("strict"),
        pty: granting.iter().all(|role| role.pty),
        agent: granting.iter().all(|role| role.agent),
        max_sessions: about.iter().filter_map(|role| role.max_sessions).min(),
        ttl_hours: about.iter().map(|role| role.ttl_hours.unwrap_or(12)).min().unwrap_or(12),
    }
}

struct Compiled {
    name: UserName,
    roles: Vec<Arc<CompiledRole>>,
    traits: Traits,
    logins: Vec<Login>,
    labels: Labels,
}

impl Compiled {
    fn new(world: &World) -> Self {
        let mut labels = Labels::new();
        for (key, value) in &world.labels {
            labels.add((*key).into(), (*value).into()).unwrap();
        }
        let compile = |(index, model): (usize, &Model)| {
            let yaml = model.yaml(&format!("r{index}"));
            let role = Role::parse_yaml(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
            // What is stored must read back as the same role.
            let stored: Role = serde_json::from_str(&serde_json::to_string(&role).unwrap()).unwrap();
            assert_eq!(stored, role);
            Arc::new(CompiledRole::from(stored))
        };
        Self {
            name: UserName::parse("alice").unwrap(),
            roles: world.roles.iter().enumerate().map(compile).collect(),
            traits: Traits::from([(
                "t".into(),
                world.trait_values.iter().map(ToString::to_string).collect(),
            )]),
            logins: world.user_logins.iter().map(|login| Login::parse(login).unwrap()).collect(),
            labels,
        }
    }

    fn user(&self) -> UserFacts<'_> {
        UserFacts { name: &self.name, roles: &self.roles, traits: &self.traits, logins: &self.logins }
    }

    fn decide(&self, login: &str) -> Decision {
        decide(&self.user(), &Login::parse(login).unwrap(), &self.labels)
    }
}

fn outcome(decision: Decision) -> Expected {
    match decision {
        Decision::Refuse(Refusal::LabelsDenied { .. } | Refusal::LoginDenied { .. }) => Expected::Deny,
        Decision::Refuse(Refusal::NoLabels) => Expected::NoLabels,
        Decision::Refuse(Refusal::NoLogin) => Expected::NoLogin,
        Decision::Allow(permits) => {
            let Permits { record, pty, forward_agent, max_sessions, max_session_ttl, .. } = permits;
            let record =
                ["off", "best_effort", "strict"].into_iter().find(|mode| *mode == record.to_string());
            Expected::Allow {
                record: record.unwrap(),
                pty,
                agent: forward_agent,
                max_sessions,
                ttl_hours: max_session_ttl.as_secs() / 3600,
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn hostile_089_decisions_equal_the_reference(world in world()) {
        let compiled = Compiled::new(&world);
        for login in LOGINS {
            prop_assert_eq!(outcome(compiled.decide(login)), expect(&world, login), "{}", login);
        }
    }

    #[test]
    fn hostile_089_a_node_is_seen_exactly_where_a_login_is_possible(world in world()) {
        let compiled = Compiled::new(&world);
        let possible = LOGINS.iter().any(|login| matches!(expect(&world, login), Expected::Allow { .. }));
        prop_assert_eq!(may_see(&compiled.user(), &compiled.labels), possible);
    }

    #[test]
    fn hostile_089_one_more_role_never_weakens_a_restriction(world in world(), more in model()) {
        let mut larger = world.clone();
        larger.roles.push(more);
        let (before, after) = (Compiled::new(&world), Compiled::new(&larger));
        for login in LOGINS {
            match (before.decide(login), after.decide(login)) {
                (Decision::Refuse(Refusal::LabelsDenied { .. } | Refusal::LoginDenied { .. }), Decision::Allow(_)) => {
                    prop_assert!(false, "a role took a denial away");
                }
                (Decision::Allow(before), Decision::Allow(after)) => {
                    prop_assert!(after.record >= before.record);
                    prop_assert!(after.max_session_ttl <= before.max_session_ttl);
                    prop_assert!(after.max_sessions.unwrap_or(u32::MAX) <= before.max_sessions.unwrap_or(u32::MAX));
                    prop_assert!(before.pty || !after.pty);
                    prop_assert!(before.forward_agent || !after.forward_agent);
                }
                _ => {}
            }
        }
    }
}
