//! `tools/quickstart.sh` as the README has it, with the programs that are built already.

use std::process::Command;

use mezite_fixtures::{Scratch, program, repository, run};

#[test]
fn quickstart_records_plays_and_leaves_nothing() {
    let scratch = Scratch::new();
    let mut command = Command::new(repository().join("tools/quickstart.sh"));
    command.env("MEZITE_BIN_DIR", program("mezd").parent().unwrap()).env("TMPDIR", scratch.path());
    let said = run(&mut command);
    let shown = said.assert_ok().out();
    let last = shown.lines().last().unwrap();
    assert!(last.starts_with("quickstart: ok: recorded, played back; go on with: ssh -F "), "{shown}");
    assert!(last.ends_with("@db-legacy-01"), "{shown}");
    assert!(shown.matches("hello from mezite").count() >= 2, "said, and played back: {shown}");
    assert_eq!(scratch.path().read_dir().unwrap().count(), 0, "files are left behind");
}
