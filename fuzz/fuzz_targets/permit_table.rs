//! Messages of a client and of a node that have authenticated, to the permit table.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mezite_gateway::fuzzing::permit_table;

fuzz_target!(|bytes: &[u8]| permit_table(bytes));
