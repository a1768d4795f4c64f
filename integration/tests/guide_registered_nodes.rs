//! `docs/manual/guide-registered-nodes.md`, followed from top to bottom.

use mezite_integration::guide::{Machine, follow};

#[test]
fn registered_nodes_and_new_keys_as_the_guide_has_it() {
    let mut machine = Machine::start();
    follow(&mut machine, "guide-registered-nodes.md");
    let rotations = machine.audit("ca.rotate");
    let steps = |ca: &str| {
        let of_ca = rotations.iter().filter(|event| event["ca"] == ca);
        of_ca.map(|event| event["step"].as_str().unwrap_or_default()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(steps("openssh"), "prepare activate rollback prepare activate finish");
    assert_eq!(steps("host"), "prepare activate finish");
}
