//! The gateway: one module an actor or a door.

pub mod dialer;
pub mod leg;
pub mod relay;
