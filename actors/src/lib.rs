//! Actors, and the runtime beneath them. No other crate names the runtime.
//!
//! # Actors
//!
//! An [`Actor`] is a state with a message type, run as one task that owns the state: no lock is shared between
//! actors. Others reach it by its [`Addr`], which puts messages into a bounded inbox:
//!
//! * [`ask`](Addr::ask) waits for an answer until a deadline. Closed, full, timed out and dropped are different
//!   errors; a [`Reply`] that is dropped, in whatever way, is an answer at once.
//! * [`offer`](Addr::offer) never waits; what does not fit comes back and is counted.
//! * [`send`](Addr::send) waits for room, from outside of actors only.
//!
//! # Faults
//!
//! A panic in a handler is contained: it costs the message at hand. What follows is the choice of who started the
//! actor ([`Supervisor::start`], [`Supervisor::supervise`], [`Supervisor::task`]). An actor that was rebuilt five times
//! within a minute and fails again sets [`Supervisor::failed`], upon which the program stops in order.
//!
//! # Order of waiting
//!
//! Actors that wait for each other wait for ever, so every [`Kind`] of actor has a [`Rank`], and waiting goes down
//! the list only:
//!
//! ```text
//! front, relay → dialer → recorder → inventory → ca → store
//! ```
//!
//! Debug builds check each wait and panic at the first one against the order.
//!
//! # Stopping
//!
//! [`Supervisor::drain`] closes the front; [`Supervisor::cut`] waits for it until a deadline, then goes down the same
//! list: who asks ends before who answers, so what was accepted can still be finished.
//!
//! # Runtime
//!
//! [`spawn`], [`spawn_apart`] and [`run`], [`time`], [`net`], [`blocking`] and [`signals`] are what the program uses of the runtime. Their errors are
//! those of the standard library, their moments [`std::time::Instant`]s.

mod actor;
pub mod blocking;
mod counters;
mod inbox;
mod latch;
pub mod net;
mod order;
mod reply;
mod restarts;
mod runtime;
pub mod signals;
mod staff;
mod supervisor;
mod task;
pub mod time;

pub use actor::{Actor, Context, Stop};
pub use counters::Counters;
pub use inbox::{Addr, AskError, Closed, Inbox, Refused, inbox};
pub use latch::{Latch, Wait};
pub use order::{Kind, Rank};
pub use reply::{Answer, Dropped, Reply, reply};
pub use supervisor::Supervisor;
pub use task::{Cancelled, Panicked, Task, log_panics, run, spawn, spawn_apart};
