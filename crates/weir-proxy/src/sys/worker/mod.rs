//! The worker's loop. Two ways for bytes to come and go:
//!
//! - Readiness: the `mio` crate says which sockets may be read or written; the loop does it.
//! - Completion (`completion.rs`): io_uring accepts, and receives and sends for those who serve;
//!   dialling and waking up stay with `mio`.
//!
//! Under readiness, sockets are watched edge-triggered, for reading only until one doesn't take what we write.
//! A short read means that the socket is empty, so a message costs one read and one write and
//! no read that finds nothing.

mod accept;
mod completion;
mod connection;
mod dial;
mod names;
mod perform;
mod turn;

pub(crate) use turn::{Parts, WAKE, Worker};
