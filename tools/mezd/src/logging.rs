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
        let value = mezite_api::escape(value.to_string());
        write!(self.0, " {key}=\"{value}\"").map_err(Error::from)
    }
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Other crates speak only when something is wrong.
        metadata.target().starts_with("mez") || metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut line = format!(
            "{} {} {}",
            Timestamp::now(),
            record.level(),
            mezite_api::escape(record.args().to_string())
        );
        let _ = record.key_values().visit(&mut Fields(&mut line));
        line.push('\n');
        // A log that nobody reads any more must not end the gateway.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}
