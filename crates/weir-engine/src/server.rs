//! A server connection, as its pool sees it.
//!
//! ```text
//! Login ── ReadyForQuery ─▶ Idle ── linked ─▶ Active ── transaction over, clean ─▶ Idle
//!                            ▲ └── linked, settings differ ─▶ Replay ─▶ Active
//!                            │                        └── client gone, dirty ─▶ Reset ─┐
//!                            └──────────────────────────────────────────────────────────┘
//! any ── failed ─▶ closed (and out of every table at once)
//! ```
//!
//! `Idle ─▶ Check ─▶ Idle` where it idled for long, `Idle ─▶ Lookup ─▶ Idle` for a user that no list
//! has. `Replay`, `Reset` and `Check` are all `tested` in SHOW SERVERS.

use std::collections::VecDeque;
use std::sync::Arc;

use weir_model::{ClientId, Fingerprint, Instant, Place, PoolId, ServerState};
use weir_wire::TxStatus;

use crate::ids::IdMap;
use crate::lookup::Lookup;
use crate::measure::Link;
use crate::server_login::ServerLogin;
use crate::session_settings::{Params, Session};
use crate::tls::Secured;

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Connecting or logging in.
    Login,
    /// Free.
    Idle,
    /// Linked.
    Active,
    /// Linked, and made to look as its client needs it before the client may speak.
    Replay,
    /// Not linked; cleaned of what its last client left, or made ready for its first.
    Reset,
    /// Not linked; asked whether it is still there.
    Check,
    /// Not linked; it looks a user up.
    Lookup,
}

impl State {
    pub(crate) fn name(self) -> ServerState {
        match self {
            Self::Login => ServerState::Login,
            Self::Idle => ServerState::Idle,
            Self::Active => ServerState::Active,
            Self::Replay | Self::Reset | Self::Check => ServerState::Tested,
            Self::Lookup => ServerState::Active,
        }
    }
}

/// An answer that the server owes, in the order in which it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// A simple query: everything up to ReadyForQuery. `done` statements of it are complete.
    Query { fingerprint: Fingerprint, done: u16 },
    /// Up to ReadyForQuery.
    FunctionCall,
    /// ReadyForQuery.
    Sync,
    /// ParseComplete. The statement, if it has a name of ours.
    Parse { statement: Option<u32> },
    /// ParseComplete that nobody but us asked for.
    OwnParse { statement: Option<u32> },
    /// BindComplete. The statement, if its name is ours.
    Bind { statement: Option<u32> },
    /// RowDescription or NoData. The statement, if its name is ours.
    Describe { statement: Option<u32> },
    /// CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute { fingerprint: Fingerprint },
    /// CloseComplete.
    Close,
    /// CloseComplete that nobody but us asked for.
    OwnClose,
    /// Not owed by the server at all: a ParseComplete that the client gets from us in its turn.
    FakeParse,
    /// Likewise a CloseComplete.
    FakeClose,
    /// Nothing is owed: here the client ended its COPY, and Syncs count again.
    CopyEnd,
    /// A query of our own (reset or replay): everything up to ReadyForQuery is swallowed.
    OwnQuery,
}

impl Owed {
    /// True where the answer ends with ReadyForQuery.
    pub(crate) fn ends_ready(self) -> bool {
        matches!(
            self,
            Self::Query { .. } | Self::FunctionCall | Self::Sync | Self::OwnQuery
        )
    }
}

/// One server connection.
pub(crate) struct Server {
    pub(crate) pool: PoolId,
    pub(crate) state: State,
    pub(crate) since: Instant,
    pub(crate) connected: Instant,
    /// When it is too old to be used again.
    pub(crate) expires: Instant,
    pub(crate) login: Option<Box<ServerLogin>>,
    /// Where it is.
    pub(crate) place: Place,
    /// Somebody has had it.
    pub(crate) used: bool,
    /// It answered a check since it was last used, for somebody who waits for it.
    pub(crate) checked: bool,
    /// What it looks up.
    pub(crate) lookup: Option<Box<Lookup>>,
    /// What TLS settled; `None`: there is none.
    pub(crate) tls: Option<Arc<Secured>>,
    pub(crate) backend_pid: i32,
    /// What a cancel request must show.
    pub(crate) cancel_key: Box<[u8]>,
    pub(crate) params: Arc<Params>,
    pub(crate) session: Arc<Session>,
    /// Our statements that it has, with the turn of their last use.
    pub(crate) prepared: IdMap<u32, u64>,
    pub(crate) prepared_turn: u64,
    /// Whose unnamed statement it has, and which one of theirs.
    pub(crate) unnamed_of: Option<(ClientId, u32)>,
    pub(crate) owed: VecDeque<Owed>,
    /// Number of the first of `owed`, counted over the server's life.
    pub(crate) owed_first: u32,
    pub(crate) tx: TxStatus,
    /// An error in the extended protocol was answered; the server ignores all until Sync.
    pub(crate) skipping: bool,
    /// Something of the extended protocol was sent and no Sync yet: an implicit transaction may be
    /// open although the last ReadyForQuery said idle.
    pub(crate) unsynced: bool,
    /// It takes COPY data. Syncs mean nothing to it meanwhile.
    pub(crate) copy_in: bool,
    /// Bytes of the present message still to come.
    pub(crate) stream: usize,
    /// Whether these go to the client.
    pub(crate) stream_drops: bool,
    /// The linked client.
    pub(crate) link: Option<Box<Link>>,
    /// Close it at its next release, and why.
    pub(crate) close_when_idle: Option<&'static str>,
    /// What PostgreSQL said before it closed: SQLSTATE and message.
    pub(crate) fatal: Option<(String, String)>,
    /// Its client has read that too.
    pub(crate) fatal_told: bool,
    /// What went wrong in a query of our own.
    pub(crate) own_error: Option<(String, String)>,
}

impl Server {
    pub(crate) fn client(&self) -> Option<ClientId> {
        self.link.as_ref().map(|link| link.client)
    }

    /// The number that the next item of `owed` will have.
    pub(crate) fn owed_next(&self) -> u32 {
        self.owed_first.wrapping_add(self.owed.len() as u32)
    }

    pub(crate) fn pop_owed(&mut self) -> Option<Owed> {
        let owed = self.owed.pop_front()?;
        self.owed_first = self.owed_first.wrapping_add(1);
        Some(owed)
    }

    /// Nothing asked, no transaction open, nothing half sent.
    pub(crate) fn is_quiet(&self) -> bool {
        self.owed.is_empty()
            && self.tx == TxStatus::Idle
            && self.stream == 0
            && !self.skipping
            && !self.unsynced
    }
}
