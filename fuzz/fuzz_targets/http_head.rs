//! The head of an HTTP request, to its parser.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mezite_gateway::fuzzing::http_head;

fuzz_target!(|bytes: &[u8]| http_head(bytes));
