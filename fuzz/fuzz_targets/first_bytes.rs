//! What comes before SSH on the SSH port, to the decoders of `CONNECT` heads and PROXY headers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mezite_gateway::fuzzing::first_bytes;

fuzz_target!(|bytes: &[u8]| first_bytes(bytes));
