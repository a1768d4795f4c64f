//! Key revocation lists as OpenSSH reads them (its `PROTOCOL.krl`, format 1): for sshd's `RevokedKeys` and `ssh-keygen -Q`.

use std::collections::BTreeSet;

use crate::public_key::PublicKey;
use crate::trust::TrustedSet;

/// `SSHKRL\n\0`.
const MAGIC: u64 = 0x5353_484b_524c_0a00;
const FORMAT: u32 = 1;

/// Sections: certificates of one CA key, and keys.
const CERTIFICATES: u8 = 1;
const EXPLICIT_KEY: u8 = 2;
/// Within the section of certificates: by serial, and by key id.
const SERIAL_LIST: u8 = 0x20;
const KEY_ID: u8 = 0x23;

/// What is revoked. The same content is always written as the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevocationList {
    version: u64,
    date: u64,
    comment: String,
    serials: BTreeSet<u64>,
    key_ids: BTreeSet<String>,
    keys: BTreeSet<Vec<u8>>,
}

impl RevocationList {
    /// An empty list. `version` grows with each change, `date` is that of the last one, in seconds since 1970.
    pub fn new(version: u64, date: u64, comment: &str) -> Self {
        Self { version, date, comment: comment.to_owned(), ..Self::default() }
    }

    /// Revokes the certificate of this number. Zero means that a certificate has none; sshd would take the whole list for
    /// damaged.
    pub fn revoke_serial(&mut self, serial: u64) {
        if serial != 0 {
            self.serials.insert(serial);
        }
    }

    /// Revokes every certificate with this key id.
    pub fn revoke_key_id(&mut self, key_id: &str) {
        self.key_ids.insert(key_id.to_owned());
    }

    /// Revokes a key: by itself, and in whatever certificate it stands.
    pub fn revoke_key(&mut self, key: &PublicKey) {
        self.keys.insert(key.blob().to_vec());
    }

    /// The list as a file. Serials and key ids are those of certificates by each of the `trusted` keys.
    pub fn to_bytes(&self, trusted: &TrustedSet) -> Vec<u8> {
        let mut list = Vec::new();
        list.extend(MAGIC.to_be_bytes());
        list.extend(FORMAT.to_be_bytes());
        list.extend(self.version.to_be_bytes());
        list.extend(self.date.to_be_bytes());
        list.extend(0_u64.to_be_bytes());
        put_string(&mut list, b"");
        put_string(&mut list, self.comment.as_bytes());
        let certificates = self.certificates();
        if !certificates.is_empty() {
            for ca in trusted.keys() {
                let mut section = Vec::new();
                put_string(&mut section, ca.blob());
                put_string(&mut section, b"");
                section.extend(&certificates);
                put_section(&mut list, CERTIFICATES, &section);
            }
        }
        if !self.keys.is_empty() {
            put_section(&mut list, EXPLICIT_KEY, &strings(self.keys.iter().map(Vec::as_slice)));
        }
        list
    }

    /// The subsections about certificates.
    fn certificates(&self) -> Vec<u8> {
        let mut sections = Vec::new();
        if !self.serials.is_empty() {
            let serials: Vec<u8> = self.serials.iter().flat_map(|serial| serial.to_be_bytes()).collect();
            put_section(&mut sections, SERIAL_LIST, &serials);
        }
        if !self.key_ids.is_empty() {
            put_section(&mut sections, KEY_ID, &strings(self.key_ids.iter().map(String::as_bytes)));
        }
        sections
    }
}

fn put_section(to: &mut Vec<u8>, kind: u8, content: &[u8]) {
    to.push(kind);
    put_string(to, content);
}

fn strings<'a>(all: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    all.fold(Vec::new(), |mut written, string| {
        put_string(&mut written, string);
        written
    })
}

fn put_string(to: &mut Vec<u8>, string: &[u8]) {
    // Lists are far below 4 GiB: the gateway bounds what they are made of.
    to.extend(u32::try_from(string.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend(string);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::CaKind;
    use crate::wire::Reader;

    const KEYS: [&str; 2] = [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAQzqgnL1GbLGHRbIMP8lZsjKlzG9jXzU3ILfbDNm9AL",
    ];

    fn key(number: usize) -> PublicKey {
        PublicKey::from_line(KEYS[number]).unwrap()
    }

    fn trusted(count: usize) -> TrustedSet {
        TrustedSet::new(CaKind::User, (0..count).map(key))
    }

    /// The sections behind the header, whose content is checked.
    fn sections(list: &[u8], version: u64, date: u64) -> Vec<(u8, &[u8])> {
        let (magic, mut rest) = list.split_at(8);
        assert_eq!(magic, b"SSHKRL\n\0");
        let mut header = Reader::new(rest);
        assert_eq!(header.u32(), Ok(1));
        assert_eq!([header.u64(), header.u64(), header.u64()], [Ok(version), Ok(date), Ok(0)]);
        assert_eq!([header.string(), header.string()], [Ok(&b""[..]), Ok(&b"c"[..])]);
        rest = &rest[rest.len() - header.remaining()..];
        split(rest)
    }

    fn split(mut rest: &[u8]) -> Vec<(u8, &[u8])> {
        let mut sections = Vec::new();
        while let Some((kind, behind)) = rest.split_first() {
            let mut reader = Reader::new(behind);
            sections.push((*kind, reader.string().unwrap()));
            rest = &behind[behind.len() - reader.remaining()..];
        }
        sections
    }

    #[test]
    fn an_empty_list_is_a_header() {
        let list = RevocationList::new(7, 1_800_000_000, "c").to_bytes(&trusted(2));
        assert_eq!(sections(&list, 7, 1_800_000_000), []);
    }

    #[test]
    fn serials_ascend_and_stand_under_each_trusted_key_and_zero_does_not() {
        let mut list = RevocationList::new(1, 2, "c");
        for serial in [u64::MAX >> 1, 0, 3, 300, 3] {
            list.revoke_serial(serial);
        }
        list.revoke_key_id("alice");
        let bytes = list.to_bytes(&trusted(2));
        let found = sections(&bytes, 1, 2);
        assert_eq!(found.len(), 2);
        for (number, (kind, content)) in found.into_iter().enumerate() {
            assert_eq!(kind, CERTIFICATES);
            let mut reader = Reader::new(content);
            assert_eq!(reader.string(), Ok(key(number).blob()));
            assert_eq!(reader.string(), Ok(&b""[..]));
            let numbers: Vec<u8> =
                [3, 300, u64::MAX >> 1].iter().flat_map(|serial: &u64| serial.to_be_bytes()).collect();
            let inner = split(&content[content.len() - reader.remaining()..]);
            assert_eq!(inner, [(SERIAL_LIST, &numbers[..]), (KEY_ID, &b"\0\0\0\x05alice"[..])]);
        }
    }

    #[test]
    fn keys_stand_apart_from_any_ca_and_their_order_does_not_matter() {
        let list = |order: [usize; 2]| {
            let mut list = RevocationList::new(1, 2, "c");
            for number in order {
                list.revoke_key(&key(number));
            }
            list.to_bytes(&trusted(1))
        };
        assert_eq!(list([0, 1]), list([1, 0]));
        let bytes = list([0, 1]);
        let [(EXPLICIT_KEY, content)] = sections(&bytes, 1, 2)[..] else { panic!("one section") };
        let mut reader = Reader::new(content);
        let mut blobs = [reader.string().unwrap(), reader.string().unwrap()];
        assert_eq!(reader.finish(), Ok(()));
        blobs.sort_unstable();
        let mut expected = [key(0), key(1)].map(|key| key.blob().to_vec());
        expected.sort();
        assert_eq!(blobs.as_slice(), expected.as_slice());
    }

    #[test]
    fn without_a_trusted_key_there_are_no_certificates_to_revoke() {
        let mut list = RevocationList::new(1, 2, "c");
        list.revoke_serial(5);
        assert_eq!(sections(&list.to_bytes(&trusted(0)), 1, 2), []);
    }
}
