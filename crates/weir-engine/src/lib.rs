//! The pooler as a state machine: who gets which server, when.
//!
//! [`Engine`] is told what happened (a client was accepted, bytes came, a timer is due, control
//! ordered something) and answers with [`Effects`]: what a driver should do to its sockets, and
//! what control should know. The same engine runs under epoll, io_uring and the simulator.
//!
//! # What always holds
//! - A server is linked to at most one client, and a client to at most one server.
//! - A waiting client stands in its pool's queue exactly once, in order of arrival.
//! - A pool never holds more servers than its size, save those that a shrink found busy.
//! - A reply reaches only the client that asked; what nobody is owed closes the connection.
//! - Same settings, same seed, same calls: same effects.
//!
//! # What is deliberately absent
//! - Sockets and buffers. Bytes are looked at where the driver holds them and forwarded by range.
//! - The clock and the dice. Whoever calls passes `now`; the seed is given at start.
//! - How large a pool should be. `weir-control::regulate` decides, and sends an order.
//!
//! Start at `relay_server.rs` for the life of a reply, at `pool.rs` for fairness.

#![forbid(unsafe_code)]

mod acts;
mod checks;
mod client;
mod configure;
mod console;
mod databases;
mod directory;
mod effect;
mod ends;
mod engine;
mod ids;
mod log;
mod login;
mod lookup;
mod measure;
mod orders;
mod pool;
mod prepared;
mod relay_client;
mod relay_extended;
mod relay_server;
mod reserve;
mod rows;
mod server;
mod server_login;
mod session;
mod session_settings;
mod statement;
mod timeouts;
mod timers;
mod tls;

pub use effect::{Conn, Effect, Effects};
pub use engine::{Engine, SettingsFault};
pub use tls::Secured;
