//! What do these bytes mean? PostgreSQL's protocol, versions 3.0 and 3.2.
//!
//! | module | answers |
//! |---|---|
//! | [`frame`] | where does a message begin and end? |
//! | [`startup`] | what does the first packet of a client ask for? |
//! | [`frontend`] | what does a client say? |
//! | [`backend`] | what does a server say? |
//! | [`auth`] | who proves what to whom: SCRAM-SHA-256 on both sides, md5 |
//! | [`certificate`] | what does an X.509 certificate say of itself? |
//! | [`sql`] | what shape has a statement, for whom was it sent, and what does it do to the session? |
//!
//! # What always holds
//! - No function panics, whatever bytes it gets. A malformed message is an error that says which
//!   message, which part and what was seen.
//! - Parsers borrow: what they return points into the bytes they were given.
//! - Encoders append one complete message to a `Vec<u8>` and touch nothing before it.
//!
//! # What is deliberately absent
//! - I/O. Whoever calls has the bytes, and says when there will be no more.
//! - The clock and the dice. Nonces and salts are passed in.
//! - TLS itself; [`certificate`] reads what SCRAM-SHA-256-PLUS and people need of it.
#![forbid(unsafe_code)]

pub mod auth;
pub mod backend;
pub mod certificate;
pub mod frame;
pub mod frontend;
pub mod sql;
pub mod startup;

mod read;
mod write;

pub use backend::TxStatus;
pub use frame::{FrameError, Header};
pub use read::MessageError;
