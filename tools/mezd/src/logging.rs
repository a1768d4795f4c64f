//! The log: one line an event on stderr, escaped, with its fields.

use std::fmt::Write as _;
use std::io::Write as _;

use jiff::Timestamp;
use log::kv::{Error, Key, Value, VisitSource};
use log::{LevelFilter, Log, Metadata, Record};

/// Writes to stderr.
struct Stderr;

/// Begins to log: at `MEZITE_LOG` (`error`, `warn`, `info`, `debug`, `trace`), `info` by default.
pub(crate) fn init() {
    let level = std::env::var("MEZITE_LOG").ok().and_then(|level| level.parse().ok());
    log::set_max_level(level.unwrap_or(LevelFilter::Info));
    // Fails only where a logger is set already, and there is none.
    let _ = log::set_logger(&Stderr);
}

struct Fields<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        // Backslashes are escaped already, so a quote cannot end the value.
        let value = mezite_api::escape(value.to_string()).replace('"', "\\\"");
        write!(self.0, " {key}=\"{value}\"").map_err(Error::from)
    }
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Other crates speak only when something is wrong.
        metadata.target().starts_with("mez") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // A log that nobody reads any more must not end the gateway.
            let _ = std::io::stderr().write_all(line(Timestamp::now(), record).as_bytes());
        }
    }

    fn flush(&self) {}
}

/// One record as one line, whatever it holds.
fn line(now: Timestamp, record: &Record<'_>) -> String {
    let mut line = format!("{now} {} {}", record.level(), mezite_api::escape(record.args().to_string()));
    // The visitor never fails.
    let _ = record.key_values().visit(&mut Fields(&mut line));
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use log::Level;

    use super::*;

    #[test]
    fn a_record_is_one_line_that_no_value_can_break() {
        let values = [("user", "a\" outcome=ok\nWARN forged\u{1b}[2J")];
        let record = Record::builder()
            .level(Level::Warn)
            .args(format_args!("refused\nand more"))
            .key_values(&values)
            .build();
        let line = line(Timestamp::UNIX_EPOCH, &record);
        assert_eq!(
            line,
            "1970-01-01T00:00:00Z WARN refused\\nand more \
             user=\"a\\\" outcome=ok\\nWARN forged\\x1b[2J\"\n"
        );
    }

    #[test]
    fn other_crates_speak_only_when_something_is_wrong() {
        let enabled =
            |target, level| Stderr.enabled(&Metadata::builder().target(target).level(level).build());
        assert!(enabled("mezite_gateway::front", Level::Info) && enabled("rustls", Level::Warn));
        assert!(!enabled("rustls::conn", Level::Info));
    }
}
