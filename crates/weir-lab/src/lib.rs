//! The laboratory: everything that makes Weir prove itself on real parts.
//!
//! - [`pg`] finds a PostgreSQL and runs a private one that never outlives its owner.
//! - [`demo`] replays the founding incident, and its cousins, with real traffic.
//!
//! # What is deliberately absent
//! - Anything the product needs at run time. `weir run` doesn't touch this crate.
//! - Mocks. A replay uses a PostgreSQL, a web service, users on sockets and the very `weir`
//!   binary that people run.

#![forbid(unsafe_code)]

mod clock;
pub mod demo;
mod dice;
pub mod pg;
pub mod sim;
