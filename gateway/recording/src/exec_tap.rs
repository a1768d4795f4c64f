//! Bulk: how much of a command's output is recorded, and what stands for the rest.

use crate::{ExecDigest, Stream};

/// How much output of a command without a pty is recorded on one channel (the role option `record_exec_limit`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExecLimit {
    /// So many bytes.
    Bytes(u64),
    /// All of it.
    Unlimited,
}

impl ExecLimit {
    /// What holds where no role says otherwise: 8 MiB.
    pub const DEFAULT: Self = Self::Bytes(8 * 1024 * 1024);
}

/// Watches the output of one command: lets the first bytes through to the recording and digests each stream.
///
/// Nothing is copied. With [`ExecLimit::Unlimited`] nothing is digested either.
pub struct ExecTap {
    limit: ExecLimit,
    /// Bytes of the limit that are left.
    left: u64,
    stdout: Option<Box<Tally>>,
    stderr: Option<Box<Tally>>,
}

/// What was seen of one stream.
#[derive(Default)]
struct Tally {
    total: u64,
    recorded: u64,
    hasher: blake3::Hasher,
}

impl ExecTap {
    /// A tap that lets `limit` bytes of both streams together through.
    pub const fn new(limit: ExecLimit) -> Self {
        let left = match limit {
            ExecLimit::Bytes(left) => left,
            ExecLimit::Unlimited => u64::MAX,
        };
        Self { limit, left, stdout: None, stderr: None }
    }

    /// Takes output as it passes; what it returns, the front of `data`, is to be recorded.
    pub fn take<'a>(&mut self, stream: Stream, data: &'a [u8]) -> &'a [u8] {
        if self.limit == ExecLimit::Unlimited || data.is_empty() {
            return data;
        }
        let keep = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
        self.left -= keep as u64;
        let tally = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
        .get_or_insert_default();
        tally.total += data.len() as u64;
        tally.recorded += keep as u64;
        tally.hasher.update(data);
        data.get(..keep).unwrap_or_default()
    }

    /// At the end: a digest for each stream of which something was not recorded.
    pub fn digests(&self) -> impl Iterator<Item = ExecDigest> {
        [(Stream::Stdout, &self.stdout), (Stream::Stderr, &self.stderr)].into_iter().filter_map(
            |(stream, tally)| {
                let tally = tally.as_ref().filter(|tally| tally.recorded < tally.total)?;
                let blake3 = *tally.hasher.finalize().as_bytes();
                Some(ExecDigest { stream, total: tally.total, recorded: tally.recorded, blake3 })
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_are_recorded_and_the_whole_is_digested() {
        let mut tap = ExecTap::new(ExecLimit::Bytes(10));
        assert_eq!(tap.take(Stream::Stdout, b"1234567"), b"1234567");
        assert_eq!(tap.take(Stream::Stderr, b"ab"), b"ab");
        assert_eq!(tap.take(Stream::Stdout, b"89"), b"8");
        assert_eq!(tap.take(Stream::Stdout, b"0"), b"");
        let digests: Vec<_> = tap.digests().collect();
        let blake3 = *blake3::hash(b"1234567890").as_bytes();
        assert_eq!(digests, [ExecDigest { stream: Stream::Stdout, total: 10, recorded: 8, blake3 }]);
    }

    #[test]
    fn output_up_to_the_limit_needs_no_digest() {
        let mut tap = ExecTap::new(ExecLimit::Bytes(4));
        assert_eq!(tap.take(Stream::Stdout, b"1234"), b"1234");
        assert_eq!(tap.digests().count(), 0);
    }

    #[test]
    fn zero_records_nothing_and_unlimited_all() {
        let mut none = ExecTap::new(ExecLimit::Bytes(0));
        assert_eq!(none.take(Stream::Stderr, b"x"), b"");
        assert_eq!(none.digests().map(|digest| digest.stream).collect::<Vec<_>>(), [Stream::Stderr]);
        let mut all = ExecTap::new(ExecLimit::Unlimited);
        assert_eq!(all.take(Stream::Stdout, &vec![7; 100_000]).len(), 100_000);
        assert_eq!(all.digests().count(), 0);
    }
}
