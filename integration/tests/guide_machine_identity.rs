//! `docs/manual/guide-machine-identity.md`, followed from top to bottom.

use mezite_integration::guide::{Machine, follow};
use mezite_integration::text;

#[test]
fn machine_identities_as_the_guide_has_it() {
    let mut machine = Machine::start();
    follow(&mut machine, "guide-machine-identity.md");
    let joins = machine.audit("bot.join");
    assert_eq!(joins.len(), 2, "{joins:#?}");
    let [refused] = &machine.audit("token.refuse")[..] else { panic!("one token was shown twice") };
    assert_eq!(text(refused, "outcome"), "refused", "{refused}");
    let removed = machine.audit("bot.delete");
    assert_eq!(text(&removed[0], "subject"), "github-deploy", "{removed:#?}");
}
