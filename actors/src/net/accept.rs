//! What is common to all listeners: errors of one connection do not end them.

use std::future::Future;
use std::io;
use std::time::Duration;

use rustix::io::Errno;

use crate::time;

/// Connections that the kernel keeps for us before they are accepted; it may lower this (`net.core.somaxconn`).
pub(super) const BACKLOG: i32 = 1024;

/// How long to wait when descriptors or memory have run out: some connection has to end first.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until it succeeds or fails for a reason that lies with the listener itself.
pub(super) async fn accept<T, F>(listener: &'static str, mut once: impl FnMut() -> F) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut warned = false;
    loop {
        let error = match once().await {
            Ok(accepted) => return Ok(accepted),
            Err(error) => error,
        };
        match Fault::of(&error) {
            Fault::Connection => {}
            Fault::Exhausted => {
                if !warned {
                    log::warn!(listener, error:%; "cannot accept connections for now");
                    warned = true;
                }
                time::sleep(EXHAUSTED_PAUSE).await;
            }
            Fault::Listener => return Err(error),
        }
    }
}

/// Where the fault of a failed accept lies.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// The connection was gone before it was taken, see accept(2).
    Connection,
    /// The process or the system has no descriptor or memory left.
    Exhausted,
    /// The listener cannot go on.
    Listener,
}

impl Fault {
    fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Self::Exhausted,
            Some(
                Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::INTR
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::NONET
                | Errno::NOPROTOOPT
                | Errno::OPNOTSUPP
                | Errno::PERM
                | Errno::PROTO
                | Errno::TIMEDOUT,
            ) => Self::Connection,
            _ => Self::Listener,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcomes(errors: &[Errno]) -> (io::Result<u8>, usize) {
        let mut tries = 0;
        let mut errors = errors.iter().copied();
        let result = crate::run(accept("test", || {
            tries += 1;
            let outcome = errors.next().map_or(Ok(7), |errno| Err(errno.into()));
            std::future::ready(outcome)
        }));
        (result, tries)
    }

    #[test]
    fn a_connection_that_is_gone_is_passed_over() {
        let (result, tries) = outcomes(&[Errno::CONNABORTED, Errno::TIMEDOUT, Errno::PERM]);
        assert_eq!((result.unwrap(), tries), (7, 4));
    }

    #[test]
    fn running_out_of_descriptors_ends_nothing() {
        let (result, tries) = outcomes(&[Errno::MFILE, Errno::NOBUFS]);
        assert_eq!((result.unwrap(), tries), (7, 3));
    }

    #[test]
    fn a_broken_listener_is_an_error() {
        let (result, tries) = outcomes(&[Errno::CONNABORTED, Errno::INVAL]);
        assert_eq!((result.unwrap_err().raw_os_error(), tries), (Some(Errno::INVAL.raw_os_error()), 2));
    }
}
