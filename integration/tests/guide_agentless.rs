//! `docs/manual/guide-agentless.md`, followed from top to bottom.

use mezite_integration::guide::{Machine, follow};

#[test]
fn agentless_nodes_as_the_guide_has_it() {
    let mut machine = Machine::start();
    follow(&mut machine, "guide-agentless.md");
    let rotations = machine.audit("node.hostkey.rotate");
    assert_eq!(rotations.len(), 2, "{rotations:#?}");
    for rotation in &rotations {
        // The user at the gateway's socket.
        assert_eq!(rotation["actor"], 0, "{rotation}");
        assert_ne!(rotation["old"], rotation["new"], "{rotation}");
    }
    assert_eq!(machine.audit("node.hostkey.mismatch").len(), 1);
}
