//! The gateway: one module an actor or a door.

pub mod audit;
pub mod authority;
pub mod bots;
pub mod config;
pub mod connection;
pub mod dialer;
mod files;
pub mod front;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod http;
pub mod inventory;
mod jump;
pub mod leg;
pub mod nodes;
pub mod oidc;
pub mod people;
mod race;
pub mod recorder;
pub mod relay;
pub mod rotation;
mod rounds;
pub mod shared;
pub mod socket;
pub mod start;
