//! Weir's faces towards programs: HTTP and JSON, server-sent events, the admin console, deliveries.
//!
//! | module | answers |
//! |---|---|
//! | [`server`] | who may ask what over HTTP, and how much of it at once? |
//! | [`read`] | what stands in each document that can be fetched? |
//! | [`see`] | what does the dashboard show: overview, clients, waits, queries, the past? |
//! | [`act`] | what may a person or a program ask for? |
//! | [`journal`] | an incident's journal as a document, out and in |
//! | [`metrics`] | the same numbers as OpenMetrics |
//! | [`events`] | what happened since I last listened? |
//! | [`page`] | the same for a person with a browser |
//! | [`console`] | what does SHOW answer? |
//! | [`deliveries`] | who outside was told, and did they take it? |
//! | [`ingest`] | what do other systems tell Weir? |
//! | [`silences`] | who is called, who isn't, and does a channel work? |
//!
//! # What always holds
//! - Reading never disturbs the control plane: documents are made from what it published last.
//! - Whatever changes something names who asked for it, and lands in the journal before it is
//!   answered.
//! - Connections, headers, bodies, listeners and queues have bounds; beyond them a client is told
//!   so, and nobody else notices.
//!
//! # What is deliberately absent
//! - Any judgement. What a pool needs and what an incident means is decided in `weir-control`.
//! - TLS towards clients: put a proxy in front.

#![forbid(unsafe_code)]

pub mod act;
pub mod console;
pub mod deliveries;
pub mod events;
pub mod ingest;
pub mod journal;
pub mod metrics;
pub mod page;
pub mod read;
pub mod see;
pub mod server;
pub mod silences;

mod dist;
mod fault;
mod guard;
mod json;
mod lifecycle;
mod listen;
mod process;
mod session;
#[cfg(test)]
mod testing;

pub use fault::ApiFault;
pub use server::{Api, ApiSettings, ServeFault};
