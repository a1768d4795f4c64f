//! A recording file, to its reader: the header, and every frame up to the end or the first fault.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mezite_recording::Reader;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut reader) = Reader::new(bytes) else { return };
    while let Ok(Some(_)) = reader.next_frame() {}
});
