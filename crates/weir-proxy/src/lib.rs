//! Sockets, buffers and the worker's loop: what carries out the engine's effects.
//!
//! [`Proxy::start`] binds, spawns a worker thread and returns a [`ProxyHandle`]: samples and
//! events come up through bounded rings, orders go down through a bounded channel.
//!
//! # What always holds
//! - A worker never blocks but in its poll: names are resolved on a thread of their own, a full
//!   ring loses (and counts), a socket that doesn't take bytes has them queued, and whoever
//!   caused that isn't read from until the queue is short again.
//! - A connection owns memory only while it has retained or unsent bytes.
//! - The worker serves on when nobody takes its samples or sends it orders.
//!
//! # What is deliberately absent
//! - Who gets which server, and everything that reads the protocol: `weir-engine`.
//! - Several workers.
//!
//! Start at `sys/worker/turn.rs` for a turn of the loop, at `sys/worker/perform.rs` for what an
//! effect does.

mod channel;
mod clock;
mod listen;
mod proxy;
mod resolve;
mod settings;
mod sys;
mod tls;

pub use channel::{EventTap, OrderNotSent, OrderSender};
pub use clock::Clock;
pub use proxy::{Proxy, ProxyHandle, StartError, Worker, WorkerPanicked};
pub use settings::{IoChoice, ListenAddr, ListenAddrFault, ProxySettings};
pub use sys::{Driver, DriverChoice};
pub use tls::{TlsContexts, TlsFault, TlsSide};
