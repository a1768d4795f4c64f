//! Certificates that were in order until somebody touched them.

use proptest::prelude::*;

use crate::support::*;

#[test]
fn no_bit_can_be_flipped() {
    let good = Raw::good().signed();
    assert!(verify(&good).is_ok());
    for position in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            *bad.get_mut(position).unwrap() ^= 1 << bit;
            assert!(verify(&bad).is_err(), "byte {position}, bit {bit}");
        }
    }
}

#[test]
fn nothing_can_be_cut_off() {
    let good = Raw::good().signed();
    for length in 0..good.len() {
        assert!(verify(good.get(..length).unwrap()).is_err(), "{length} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_stretch_can_be_replaced(start in 0usize..500, length in 0usize..64, with in prop::collection::vec(any::<u8>(), 0..64)) {
        let good = Raw::good().signed();
        let start = start.min(good.len());
        let end = (start + length).min(good.len());
        let mut bad = good.clone();
        bad.splice(start..end, with);
        prop_assume!(bad != good);
        prop_assert!(verify(&bad).is_err());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(verify(&bytes).is_err());
        let started = [string("ssh-ed25519-cert-v01@openssh.com"), bytes].concat();
        prop_assert!(verify(&started).is_err());
    }

    #[test]
    fn signed_fields_of_any_content_never_panic(
        principals in prop::collection::vec(any::<u8>(), 0..64),
        critical in prop::collection::vec(any::<u8>(), 1..64),
        extensions in prop::collection::vec(any::<u8>(), 0..64),
        key_id in prop::collection::vec(any::<u8>(), 0..64),
        times in any::<(u64, u64)>(),
    ) {
        let raw = Raw::good().with(|raw| {
            raw.principals = principals;
            raw.critical = critical;
            raw.extensions = extensions;
            raw.key_id = key_id;
            (raw.valid_after, raw.valid_before) = times;
        });
        prop_assert!(verify(&raw.signed()).is_err());
    }
}
