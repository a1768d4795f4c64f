//! `docs/manual/guide-openssh-manual.md`, followed from top to bottom.

use mezite_integration::guide::{Machine, follow};

#[test]
fn a_machine_is_enrolled_by_hand_as_the_guide_has_it() {
    let mut machine = Machine::start();
    follow(&mut machine, "guide-openssh-manual.md");
    let issued = machine.audit("cert.issue");
    let hosts: Vec<_> = issued.iter().filter(|event| event["kind"] == "host").collect();
    let [host] = &hosts[..] else { panic!("one host certificate was made: {hosts:#?}") };
    assert_eq!((&host["actor"], &host["principals"][1]), (&"alice".into(), &"openssh-node".into()), "{host}");
    assert_eq!(machine.audit("node.hostkey.mismatch").len(), 1);
}
