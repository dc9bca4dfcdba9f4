//! What is measured: every transaction with where its time went, every statement's time.
//!
//! # What always holds
//! - While a transaction holds its server, its clock runs in exactly one of executing, thinking,
//!   network; nothing is counted twice and nothing is lost at a sample.
//! - Waits of those who gave up count like the waits of those who were served.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    ClientId, Fingerprint, Histogram, HoldTime, Instant, Outcome, PoolId, PoolTotals,
    StatementSample, Transaction, UserTag,
};

use crate::client::Pins;
use crate::ids::IdMap;
use crate::session_settings::Session;
use crate::statement::Change;

/// Statements counted apart per second; above it they are counted under no name.
const STATEMENTS_MAX: usize = 5_000;
/// Fingerprints whose texts were sent. Above it we begin anew: a text is then sent twice.
pub(crate) const SEEN_MAX: usize = 20_000;

/// Where the time of holding a server goes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    Executing,
    Thinking,
    Network,
}

/// An open transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tx {
    pub(crate) arrived: Instant,
    pub(crate) wait: Duration,
    pub(crate) began: Instant,
    pub(crate) hold: HoldTime,
    pub(crate) statements: u32,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) slowest: Duration,
    pub(crate) user: UserTag,
    pub(crate) sql_error: bool,
}

/// What an owed reply will do to the session once it says yes.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The number of the reply.
    pub(crate) owed: u32,
    pub(crate) changes: Arc<[Change]>,
    /// How many of them have happened.
    pub(crate) done: usize,
}

/// A server's bond with its client.
pub(crate) struct Link {
    pub(crate) client: ClientId,
    pub(crate) since: Instant,
    /// `None` in session mode or under a pin between transactions.
    pub(crate) tx: Option<Tx>,
    pub(crate) clock: Clock,
    pub(crate) clock_since: Instant,
    /// When PostgreSQL began with what it does now.
    pub(crate) statement_since: Instant,
    /// When its client last asked for something.
    pub(crate) asked_at: Instant,
    pub(crate) pending: VecDeque<Pending>,
    /// The server's and the client's settings as they were when the transaction began to change
    /// them.
    pub(crate) undo: Option<(Arc<Session>, Arc<Session>)>,
    /// Pins that this transaction brought.
    pub(crate) pins_new: Pins,
    /// An error since the last ReadyForQuery.
    pub(crate) error: bool,
    /// ROLLBACK TO came after a change: which of them still hold isn't known.
    pub(crate) uncertain: bool,
    /// The transaction changed tables or types.
    pub(crate) ddl: bool,
}

impl Link {
    pub(crate) fn new(client: ClientId, now: Instant) -> Self {
        Self {
            client,
            since: now,
            tx: None,
            clock: Clock::Thinking,
            clock_since: now,
            statement_since: now,
            asked_at: now,
            pending: VecDeque::new(),
            undo: None,
            pins_new: Pins::default(),
            error: false,
            uncertain: false,
            ddl: false,
        }
    }

    pub(crate) fn begin(&mut self, arrived: Instant, wait: Duration, now: Instant) {
        self.clock_since = now;
        self.tx = Some(Tx {
            arrived,
            wait,
            began: now,
            hold: HoldTime::default(),
            statements: 0,
            fingerprint: Fingerprint::NONE,
            slowest: Duration::ZERO,
            user: UserTag::NONE,
            sql_error: false,
        });
    }

    /// Books the time since the last call, and runs `clock` from now on.
    pub(crate) fn turn(&mut self, clock: Clock, now: Instant, meter: &mut Meter) {
        if let Some(tx) = &mut self.tx {
            let dt = now.since(self.clock_since);
            if !dt.is_zero() {
                for hold in [&mut tx.hold, &mut meter.held] {
                    match self.clock {
                        Clock::Executing => hold.executing += dt,
                        Clock::Thinking => hold.thinking += dt,
                        Clock::Network => hold.network += dt,
                    }
                }
            }
        }
        self.clock = clock;
        self.clock_since = now;
    }

    /// A statement ended.
    pub(crate) fn statement(
        &mut self,
        pool: PoolId,
        fingerprint: Fingerprint,
        rows: u64,
        error: bool,
        now: Instant,
        statements: &mut Statements,
    ) {
        let took = now.since(self.statement_since);
        self.statement_since = now;
        if let Some(tx) = &mut self.tx {
            tx.statements = tx.statements.saturating_add(1);
            tx.sql_error |= error;
            if took >= tx.slowest {
                tx.slowest = took;
                tx.fingerprint = fingerprint;
            }
        }
        statements.record(pool, fingerprint, took, rows, error);
    }
}

impl Tx {
    pub(crate) fn event(&self, pool: PoolId, client: ClientId, outcome: Outcome) -> Transaction {
        Transaction {
            pool,
            client,
            arrived: self.arrived,
            wait: self.wait,
            hold: self.hold,
            statements: self.statements,
            fingerprint: self.fingerprint,
            user: self.user,
            outcome,
        }
    }
}

/// What a pool counts between two samples.
#[derive(Default)]
pub(crate) struct Meter {
    pub(crate) arrivals: u32,
    pub(crate) completions: u32,
    pub(crate) failures: u32,
    pub(crate) abandoned: u32,
    pub(crate) wait: Histogram,
    pub(crate) hold: Histogram,
    pub(crate) held: HoldTime,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) client_logins: u32,
    pub(crate) server_logins: u32,
    pub(crate) server_login_failures: u32,
    /// A client got a server.
    pub(crate) assignments: u32,
    /// Statements of transactions that completed.
    pub(crate) queries: u32,
}

impl Meter {
    /// What it counted, on top of what was counted before.
    pub(crate) fn added_to(&self, before: PoolTotals) -> PoolTotals {
        let mut held = before.held;
        held.add(self.held);
        PoolTotals {
            assignments: before.assignments + u64::from(self.assignments),
            transactions: before.transactions + u64::from(self.completions),
            queries: before.queries + u64::from(self.queries),
            bytes_in: before.bytes_in + self.bytes_in,
            bytes_out: before.bytes_out + self.bytes_out,
            held,
            wait: before.wait + self.wait.sum(),
            client_logins: before.client_logins + u64::from(self.client_logins),
        }
    }
}

/// Statements over the present second.
#[derive(Default)]
pub(crate) struct Statements {
    table: IdMap<(PoolId, Fingerprint), StatementSample>,
}

impl Statements {
    fn record(
        &mut self,
        pool: PoolId,
        fingerprint: Fingerprint,
        took: Duration,
        rows: u64,
        error: bool,
    ) {
        let mut key = (pool, fingerprint);
        if self.table.len() >= STATEMENTS_MAX && !self.table.contains_key(&key) {
            key.1 = Fingerprint::NONE;
        }
        let row = self.table.entry(key).or_insert(StatementSample {
            pool,
            fingerprint: key.1,
            calls: 0,
            errors: 0,
            executing: Duration::ZERO,
            executing_max: Duration::ZERO,
            rows: 0,
        });
        row.calls = row.calls.saturating_add(1);
        row.errors = row.errors.saturating_add(u32::from(error));
        row.executing += took;
        row.executing_max = row.executing_max.max(took);
        row.rows = row.rows.saturating_add(rows);
    }

    /// What was counted, in a fixed order, and from zero again.
    pub(crate) fn take(&mut self) -> Vec<StatementSample> {
        let mut rows: Vec<_> = self.table.drain().map(|(_, row)| row).collect();
        rows.sort_by_key(|row| (row.pool, row.fingerprint));
        rows
    }
}
