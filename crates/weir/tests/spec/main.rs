//! What Weir promises, held against the real binary in front of a real PostgreSQL.
//!
//! One file per promise. Every test starts a Weir of its own on free ports; all share one
//! PostgreSQL, except those that hurt theirs. Nothing here sleeps for a fixed time: everything is
//! polled until a deadline that is generous for a machine that builds at the same time.

#![allow(clippy::disallowed_methods, reason = "tests run in real time")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

mod auth;
mod bad_postgres;
mod cancel;
mod clients;
mod control_killed;
mod copy;
mod incident;
mod lifecycle;
mod malformed;
mod preflight;
mod prepared;
mod session_state;
mod shutdown;
mod start;
mod transactions;
mod vanishing;
