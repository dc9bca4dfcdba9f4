//! The control plane: what is happening, is it odd, why, what to do, what to tell people.
//!
//! Modules stand in the order of the data's way, and each imports only earlier ones:
//! [`sense`] → [`record`] → [`insight`] → [`detect`] → [`diagnose`] → [`regulate`] → [`incident`] →
//! [`report`] → [`notify`]; [`core`] strings them together as one function of its inputs, without
//! I/O, so that the simulator and a recording drive the very code that runs in production.
//!
//! # What is deliberately absent
//! - The data plane. Samples and events come in as values of `weir-model`, orders go out as such.
//! - HTTP: `weir-api`.

#![forbid(unsafe_code)]

pub mod core;
pub mod detect;
pub mod diagnose;
pub mod handle;
pub mod incident;
pub mod insight;
pub mod notify;
pub mod plane;
pub mod record;
pub mod regulate;
pub mod report;
pub mod sense;
