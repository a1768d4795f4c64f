//! A role document, to the parser of roles.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mezite_access::Role;

fuzz_target!(|text: &str| {
    let _ = Role::parse_yaml(text);
});
