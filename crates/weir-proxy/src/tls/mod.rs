//! TLS: certificates and keys read from their files, and the records of one connection.
//!
//! | file | answers |
//! |---|---|
//! | `contexts.rs` | are these files and settings good, and what do connections need of them? |
//! | `files.rs` | what is in a PEM file, and who else can read it? |
//! | `suites.rs` | which cipher suites does a line of OpenSSL's names mean? |
//! | `verify.rs` | is a server's certificate believed? |
//! | `session.rs` | what does a connection make of the bytes that came, or go? |
//!
//! # What always holds
//! - Contexts are made in the caller's thread, whole or not at all: the worker gets them finished,
//!   and connections that are there keep those that they began with.
//! - A worker never waits for TLS: `session.rs` is told bytes and answers bytes.
//! - What a peer can make us keep before it has proved anything is bounded
//!   (`session::INCOMING_MAX`), and so is the time (`client_login_timeout`, `connect_timeout`).
//!
//! # What is deliberately absent
//! - Session resumption and tickets: libpq doesn't use them, PostgreSQL has them switched off, and
//!   without them no key outlives its connection.
//! - Early data, renegotiation (TLS 1.3 and the library have none), TLS below 1.2, compression.
//! - Revocation lists, as in PgBouncer.

mod contexts;
mod files;
mod session;
mod suites;
mod verify;

pub use contexts::{TlsContexts, TlsFault, TlsSide};
pub(crate) use session::{Ended, Tls};
