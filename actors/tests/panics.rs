//! What the log says of a panic: where and which task, never the payload. Alone here, for it takes over the log and
//! the panic hook of the process.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::sync::Mutex;

use mezite_actors::{log_panics, run, spawn};

/// Keeps every record, key-value pairs included.
struct Capture(Mutex<String>);

static LOG: Capture = Capture(Mutex::new(String::new()));

impl log::Log for Capture {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        struct Pairs<'a>(&'a mut String);
        impl<'kvs> log::kv::VisitSource<'kvs> for Pairs<'_> {
            fn visit_pair(
                &mut self,
                key: log::kv::Key<'kvs>,
                value: log::kv::Value<'kvs>,
            ) -> Result<(), log::kv::Error> {
                write!(self.0, " {key}={value}").unwrap();
                Ok(())
            }
        }
        if record.target().starts_with("mezite") {
            let mut text = self.0.lock().unwrap();
            write!(text, "{} {}", record.level(), record.args()).unwrap();
            record.key_values().visit(&mut Pairs(&mut text)).unwrap();
            text.push('\n');
        }
    }

    fn flush(&self) {}
}

#[test]
fn the_log_names_task_and_place_and_hides_the_payload() {
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    log_panics();
    let passphrase = "correct horse";
    run(spawn("sealer", async move { panic!("cannot seal with {passphrase}") })).unwrap_err();
    drop(std::panic::take_hook());
    let text = LOG.0.lock().unwrap();
    assert!(text.contains("ERROR panic file=") && text.contains("panics.rs"), "{text}");
    assert!(text.contains("ERROR task panicked task=sealer"), "{text}");
    assert!(!text.contains("horse"), "{text}");
}
