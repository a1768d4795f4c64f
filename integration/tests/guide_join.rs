//! `docs/manual/guide-join.md`, followed from top to bottom.

use mezite_integration::guide::{Machine, follow};
use mezite_integration::text;

#[test]
fn a_machine_joins_as_the_guide_has_it() {
    let mut machine = Machine::start();
    follow(&mut machine, "guide-join.md");
    let [joined] = &machine.audit("node.join")[..] else { panic!("the machine joined once") };
    assert_eq!(text(joined, "node"), "server1", "{joined}");
    let [left] = &machine.audit("node.leave")[..] else { panic!("the machine left once") };
    assert_eq!(text(left, "node"), "server1", "{left}");
}
