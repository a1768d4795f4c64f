//! The order of replies: requests of one sender are answered in the order in which they came, whichever side answers.

use std::collections::VecDeque;

/// Requests without an answer that one sender may have; more of them break the protocol's sense.
const MAX_OUTSTANDING: usize = 256;

/// Who answers a request that wants a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    /// The far side; its reply is relayed.
    Far,
    /// We do, with this message.
    Ours(Vec<u8>),
}

/// More requests without an answer than anybody needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyOutstanding;

/// The requests of one sender that wait for their replies.
#[derive(Debug, Default)]
pub struct Replies(VecDeque<Expected>);

impl Replies {
    /// A request was forwarded.
    pub fn expect(&mut self) -> Result<(), TooManyOutstanding> {
        self.push(Expected::Far)
    }

    /// A request is answered by us: at once (`Some`), or when those before it have their replies.
    pub fn answer(&mut self, message: Vec<u8>) -> Result<Option<Vec<u8>>, TooManyOutstanding> {
        if self.0.is_empty() {
            return Ok(Some(message));
        }
        self.push(Expected::Ours(message)).map(|()| None)
    }

    /// The far side has replied. `None`: nobody asked. Else our own replies that are due right behind it.
    pub fn replied(&mut self) -> Option<Vec<Vec<u8>>> {
        if self.0.front() != Some(&Expected::Far) {
            return None;
        }
        self.0.pop_front();
        let mut due = Vec::new();
        while let Some(Expected::Ours(_)) = self.0.front() {
            if let Some(Expected::Ours(message)) = self.0.pop_front() {
                due.push(message);
            }
        }
        Some(due)
    }

    fn push(&mut self, expected: Expected) -> Result<(), TooManyOutstanding> {
        if self.0.len() >= MAX_OUTSTANDING {
            return Err(TooManyOutstanding);
        }
        self.0.push_back(expected);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_replies_wait_for_those_before_them() {
        let mut replies = Replies::default();
        assert_eq!(replies.answer(vec![1]), Ok(Some(vec![1])));
        replies.expect().unwrap();
        assert_eq!(replies.answer(vec![2]), Ok(None));
        assert_eq!(replies.answer(vec![3]), Ok(None));
        replies.expect().unwrap();
        assert_eq!(replies.replied(), Some(vec![vec![2], vec![3]]));
        assert_eq!(replies.replied(), Some(vec![]));
    }

    #[test]
    fn a_reply_that_nobody_asked_for() {
        assert_eq!(Replies::default().replied(), None);
    }

    #[test]
    fn outstanding_requests_are_bounded() {
        let mut replies = Replies::default();
        for _ in 0..MAX_OUTSTANDING {
            replies.expect().unwrap();
        }
        assert_eq!(replies.expect(), Err(TooManyOutstanding));
        assert_eq!(replies.answer(vec![]), Err(TooManyOutstanding));
    }
}
