//! Receive and send buffers. They hold memory only while they hold bytes: an empty buffer gives its block back to
//! a small free list of the thread, so that an idle connection costs next to nothing.

use std::cell::RefCell;

/// Block for a peer that has not authenticated: bounds what it can make us hold.
pub const SMALL_BLOCK: usize = 64 * 1024;
/// Block for an authenticated connection: the largest packet and one large read.
pub const LARGE_BLOCK: usize = 320 * 1024;
/// Blocks of each size that a thread keeps for reuse: to make one costs the writing of its zeros.
const KEPT_BLOCKS: usize = 4;

thread_local! {
    static FREE: RefCell<[Vec<Vec<u8>>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Which list keeps blocks of this size.
fn shelf(size: usize) -> Option<usize> {
    [SMALL_BLOCK, LARGE_BLOCK].iter().position(|kept| *kept == size)
}

fn take_block(size: usize) -> Vec<u8> {
    let kept = shelf(size).and_then(|shelf| FREE.with_borrow_mut(|free| free[shelf].pop()));
    kept.unwrap_or_else(|| vec![0; size])
}

fn give_back(block: Vec<u8>) {
    let Some(shelf) = shelf(block.len()) else { return };
    FREE.with_borrow_mut(|free| {
        if free[shelf].len() < KEPT_BLOCKS {
            free[shelf].push(block);
        }
    });
}

/// Bytes from the peer: filled at the end by the driver, consumed at the front by the packet layer.
#[derive(Debug, Default)]
pub struct ReceiveBuffer {
    block: Vec<u8>,
    start: usize,
    end: usize,
}

impl ReceiveBuffer {
    /// Room for the next read, in a block of at least `size` bytes; empty when the buffer is full.
    pub fn space(&mut self, size: usize) -> &mut [u8] {
        if self.block.len() < size {
            let mut block = take_block(size);
            let held = self.end - self.start;
            block[..held].copy_from_slice(&self.block[self.start..self.end]);
            give_back(std::mem::replace(&mut self.block, block));
            (self.start, self.end) = (0, held);
        } else if self.start > 0 && self.block.len() - self.end < self.block.len() / 2 {
            self.block.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.block[self.end..]
    }

    /// The driver has written `count` bytes into [`Self::space`].
    pub fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.block.len());
    }

    /// What has come and was not consumed.
    pub fn bytes(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }

    /// The same, to decrypt in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.block[self.start..self.end]
    }

    /// Drops the first `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Gives the block back when nothing is held.
    pub fn release(&mut self) {
        if self.start == self.end && !self.block.is_empty() {
            give_back(std::mem::take(&mut self.block));
            (self.start, self.end) = (0, 0);
        }
    }
}

/// Bytes for the peer: whole sealed packets, written by the driver from the front.
#[derive(Debug, Default)]
pub struct SendBuffer {
    block: Vec<u8>,
    start: usize,
    end: usize,
}

impl SendBuffer {
    /// `count` fresh bytes at the end; their content is unspecified.
    pub fn append(&mut self, count: usize) -> &mut [u8] {
        if self.block.len() - self.end < count {
            self.make_room(count);
        }
        let from = self.end;
        self.end += count;
        &mut self.block[from..self.end]
    }

    fn make_room(&mut self, count: usize) {
        let held = self.end - self.start;
        if self.block.len() >= held + count {
            self.block.copy_within(self.start..self.end, 0);
        } else {
            let size = match held + count {
                n if n <= 4096 => 4096,
                n if n <= SMALL_BLOCK => SMALL_BLOCK,
                n if n <= LARGE_BLOCK => LARGE_BLOCK,
                n => n.next_power_of_two(),
            };
            let mut block = take_block(size);
            block[..held].copy_from_slice(&self.block[self.start..self.end]);
            give_back(std::mem::replace(&mut self.block, block));
        }
        (self.start, self.end) = (0, held);
    }

    /// What is to be sent.
    pub fn bytes(&self) -> &[u8] {
        &self.block[self.start..self.end]
    }

    /// The peer's socket took `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            give_back(std::mem::take(&mut self.block));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn received_bytes_survive_growth_and_compaction() {
        let mut buffer = ReceiveBuffer::default();
        buffer.space(16)[..16].copy_from_slice(b"0123456789abcdef");
        buffer.filled(16);
        buffer.consume(10);
        assert!(buffer.space(16).len() >= 8);
        assert_eq!(buffer.bytes(), b"abcdef");
        assert!(buffer.space(SMALL_BLOCK).len() >= SMALL_BLOCK / 2);
        assert_eq!(buffer.bytes(), b"abcdef");
    }

    #[test]
    fn an_empty_buffer_holds_no_block() {
        let mut buffer = ReceiveBuffer::default();
        buffer.space(LARGE_BLOCK)[0] = 1;
        buffer.filled(1);
        buffer.release();
        assert_eq!(buffer.bytes(), [1]);
        buffer.consume(1);
        buffer.release();
        assert!(buffer.block.is_empty());
    }

    #[test]
    fn sent_bytes_keep_their_order_across_blocks() {
        let mut buffer = SendBuffer::default();
        let mut expected = Vec::new();
        for n in 0..100u8 {
            let part = vec![n; 1000];
            buffer.append(part.len()).copy_from_slice(&part);
            expected.extend(part);
            if n % 7 == 0 {
                buffer.consume(500);
                expected.drain(..500);
            }
        }
        assert_eq!(buffer.bytes(), expected);
        buffer.consume(expected.len());
        assert!(buffer.block.is_empty());
    }
}
