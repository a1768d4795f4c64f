//! Actors and the runtime beneath them.

pub mod blocking;
mod latch;
pub mod net;
mod task;
pub mod time;

pub use latch::{Latch, Wait};
pub use task::{Cancelled, Panicked, Task, log_panics, run, spawn};
