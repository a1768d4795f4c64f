//! Two futures of which only the first to be ready counts.

use std::future::Future;
use std::pin::pin;

use futures_util::future::{Either, select};

/// The output of whichever is ready first; the other one is dropped.
pub(crate) async fn race<A: Future, B: Future>(a: A, b: B) -> Either<A::Output, B::Output> {
    match select(pin!(a), pin!(b)).await {
        Either::Left((output, _)) => Either::Left(output),
        Either::Right((output, _)) => Either::Right(output),
    }
}
