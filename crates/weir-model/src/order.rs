//! What the control plane asks of the data plane. The data plane may refuse, with a reason; it
//! never waits for an order and works on without any.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, PoolId, ServerId};
use crate::settings::PoolerSettings;

/// New settings, shared. Two are equal if they are the same; they are neither printed nor stored,
/// for they hold secrets.
#[derive(Clone)]
pub struct NewSettings(pub Arc<PoolerSettings>);

impl PartialEq for NewSettings {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for NewSettings {}

impl fmt::Debug for NewSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewSettings(…)")
    }
}

/// What is done to a database by name, in the words of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseAct {
    /// Let servers go as they come free, and begin nothing new. Answered once none is in use.
    Pause,
    /// Undo `Pause`, `Kill` and `Suspend`.
    Resume,
    /// Refuse new clients.
    Disable,
    /// Undo `Disable`.
    Enable,
    /// Close its clients and servers at once, and pause it.
    Kill,
    /// Close its servers as they come free.
    Reconnect,
    /// Answered once the servers that a `Reconnect` or new settings made obsolete are closed.
    WaitClose,
}

impl DatabaseAct {
    /// The console's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Kill => "kill",
            Self::Reconnect => "reconnect",
            Self::WaitClose => "wait_close",
        }
    }
}

/// How the pooler ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shutdown {
    /// At once.
    Now,
    /// When no server is in use any more; who has none is told to go now.
    WaitForServers,
    /// When the last client has left; new ones are refused.
    WaitForClients,
}

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
    /// Run these settings from now on. Answered by [`crate::Event::Configured`].
    #[serde(skip)]
    Configure {
        /// Comes back in the answer.
        request: u64,
        /// The settings.
        settings: NewSettings,
    },
    /// Do this to a database, or to all of them.
    Database {
        /// Tells orders apart: the answer holds the whole order, and may come late.
        request: u64,
        /// What.
        act: DatabaseAct,
        /// The name that clients ask for; `None`: every database.
        database: Option<Arc<str>>,
    },
    /// Close a client as KILL_CLIENT does.
    KillClient {
        /// Which client.
        client: ClientId,
    },
    /// Stop reading from all sockets once what was begun is sent on. Answered then.
    Suspend {
        /// Tells orders apart.
        request: u64,
    },
    /// Exit, in one of three ways.
    Shutdown {
        /// Which.
        how: Shutdown,
    },
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
    /// No database of this name.
    #[error("no such database: {0}")]
    NoSuchDatabase(String),
}
