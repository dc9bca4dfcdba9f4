//! What the control plane asks of the data plane. The data plane may refuse, with a reason; it
//! never waits for an order and works on without any.

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, PoolId, ServerId};

/// One order. Each is answered by [`crate::Event::OrderDone`], `Snapshot` by
/// [`crate::Event::Snapshot`] instead; `ConsoleReply` isn't answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Change a pool's size. Growing dials at once if clients wait; shrinking closes idle
    /// servers and lets busy ones finish.
    Resize {
        /// Which pool.
        pool: PoolId,
        /// The new size.
        size: u32,
    },
    /// Keep at least this many servers open, ahead of need.
    Warm {
        /// Which pool.
        pool: PoolId,
        /// How many.
        servers: u32,
    },
    /// Let open transactions finish; begin no new one. Clients wait meanwhile.
    Pause {
        /// Which pool; `None`: all.
        pool: Option<PoolId>,
    },
    /// Undo `Pause`.
    Resume {
        /// Which pool; `None`: all.
        pool: Option<PoolId>,
    },
    /// Cancel what a server executes now, as if its client had asked.
    CancelServer {
        /// Which server.
        server: ServerId,
    },
    /// Close a client's connection with 57P01 and its reason.
    CloseClient {
        /// Which client.
        client: ClientId,
        /// What the client is told.
        reason: String,
    },
    /// Close a server connection as soon as it is idle, or at once.
    CloseServer {
        /// Which server.
        server: ServerId,
        /// Don't wait for the transaction.
        now: bool,
    },
    /// Report all clients and servers.
    Snapshot {
        /// Comes back in the answer.
        request: u64,
    },
    /// Send these protocol bytes to a console client (complete messages up to ReadyForQuery).
    ConsoleReply {
        /// Who asked.
        client: ClientId,
        /// Backend messages, ready to send.
        bytes: Vec<u8>,
    },
    /// Stop accepting, let transactions finish, then exit.
    Drain,
}

/// Why an order wasn't carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum OrderRefused {
    /// No such pool, client or server (any more).
    #[error("{0} is gone")]
    Gone(String),
    /// It makes no sense in the present state.
    #[error("{0}")]
    NotNow(String),
}
