//! The gateway: one module an actor or a door.

pub mod audit;
pub mod authority;
pub mod config;
pub mod dialer;
pub mod http;
pub mod leg;
pub mod recorder;
pub mod relay;
pub mod shared;
