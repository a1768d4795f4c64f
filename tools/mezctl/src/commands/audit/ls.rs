//! `mezctl audit ls`

use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use mezite_api::audit::AuditQuery;
use mezite_api::client::Client;
use mezite_api::{AuditEvent, Invalid, UserName, duration, escape_json, is_deceptive};
use mezite_console::CommandError;
use mezite_console::output::{Format, Output, dash, local, print, table};
use serde_json::Value;

/// Lists events, oldest first.
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only of this type: session.start.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only with this user as actor or subject.
    #[arg(long)]
    user: Option<String>,
    /// Only about this node.
    #[arg(long)]
    node: Option<String>,
    /// Only at this time or later: 2026-11-20T10:00:00Z, or so long ago: 2h.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Ls {
    pub(super) fn run(self, client: &Client) -> Result<(), CommandError> {
        let wanted = AuditQuery {
            event_type: self.event_type,
            user: self.user.as_deref().map(UserName::parse).transpose()?,
            node: self.node,
            since: self.since.as_deref().map(|text| since(text, Timestamp::now())).transpose()?,
            ..AuditQuery::default()
        };
        // Pages are printed as they come: there may be more events than fit into memory.
        let mut first = true;
        if self.output.format == Format::Json {
            print("[")?;
        }
        client.audit_events(wanted, |events| {
            if !events.is_empty() {
                print(&page(self.output.format, &events, first))?;
                first = false;
            }
            Ok::<_, CommandError>(())
        })?;
        match (self.output.format, first) {
            (Format::Json, true) => print("]\n"),
            (Format::Json, false) => print("\n]\n"),
            (Format::Yaml, true) => print("[]\n"),
            (Format::Text, true) => print(&table(&HEADINGS, std::iter::empty())),
            _ => Ok(()),
        }
    }
}

const HEADINGS: [&str; 7] = ["TIME", "SEQ", "TYPE", "ACTOR", "ABOUT", "OUTCOME", "REASON"];

fn page(format: Format, events: &[AuditEvent], first: bool) -> String {
    match format {
        Format::Json => {
            let objects: Vec<String> =
                events.iter().map(|event| escape_json(&Value::Object(event.clone()).to_string())).collect();
            format!("{}\n  {}", if first { "" } else { "," }, objects.join(",\n  "))
        }
        // What was read as JSON can be written as YAML; a list of lists is one list.
        Format::Yaml => {
            let yaml = serde_saphyr::to_string(&events).unwrap_or_default();
            if !yaml.contains(|character| is_deceptive(character) && character != '\n') {
                return yaml;
            }
            // JSON is YAML, and can spell out every character.
            let item = |event: &AuditEvent| {
                format!("- {}\n", escape_json(&Value::Object(event.clone()).to_string()))
            };
            events.iter().map(item).collect()
        }
        Format::Text => {
            let text = table(&HEADINGS, events.iter().map(row));
            let (heading, rows) = text.split_once('\n').unwrap_or_default();
            if first { format!("{heading}\n{rows}") } else { rows.to_owned() }
        }
    }
}

fn row(event: &AuditEvent) -> Vec<String> {
    let field = |name: &str| event.get(name).map(plain);
    let time = field("time").and_then(|time| Some(local(time.parse().ok()?)));
    let about = ["subject", "login", "node", "session", "role", "ca"];
    let about: Vec<String> = about.into_iter().filter_map(field).collect();
    vec![
        time.unwrap_or_else(dash),
        field("seq").unwrap_or_else(dash),
        field("type").unwrap_or_else(dash),
        field("actor").or_else(|| field("user")).unwrap_or_else(dash),
        if about.is_empty() { dash() } else { about.join(" ") },
        field("outcome").unwrap_or_else(dash),
        field("reason").unwrap_or_else(dash),
    ]
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A moment, or how long ago.
fn since(text: &str, now: Timestamp) -> Result<Timestamp, Invalid> {
    let invalid = || Invalid::new("since", "must look like 2026-11-20T10:00:00Z or 2h");
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    let ago: Duration = duration::parse(text).map_err(|_| invalid())?;
    let ago = SignedDuration::try_from(ago).map_err(|_| invalid())?;
    now.checked_sub(ago).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_moment_or_how_long_ago() {
        let now: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        assert_eq!(since("2026-11-20T09:00:00Z", now), since("1h", now));
        assert_eq!(since("yesterday", now).unwrap_err().field, "since");
    }

    #[test]
    fn pages_join_to_one_array() {
        let event = |seq: u64| {
            let mut event = AuditEvent::new();
            event.insert("seq".into(), seq.into());
            event
        };
        let text = format!(
            "[{}{}\n]",
            page(Format::Json, &[event(1), event(2)], true),
            page(Format::Json, &[event(3)], false)
        );
        let all: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(all.len(), 3);
        let text = format!(
            "{}{}",
            page(Format::Yaml, &[event(1), event(2)], true),
            page(Format::Yaml, &[event(3)], false)
        );
        let all: Vec<Value> = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(all.len(), 3, "{text}");
    }
}
