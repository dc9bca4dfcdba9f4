//! Prepared statements, by content: what the client calls `S_1` is called `weir_7` on whatever
//! server it meets, and two clients with the same text share it.
//!
//! # What always holds
//! - A name of ours stands for one text and one list of parameter types, for the process's life,
//!   and for one meaning: two databases, users, or settings that a parser heeds don't share it.
//! - After a schema change was seen (a DDL command's tag, or PostgreSQL's "cached plan must not
//!   change result type") whoever prepares a text anew gets a statement anew.
//! - A server has at most `prepared_statements_max` of them; the one unused for longest is closed
//!   first.
//! - A client has at most [`NAMES_MAX`] names.
//!
//! # What is deliberately absent
//! - SQL-level PREPARE: it pins instead.
//! - Session mode: there the server is the client's alone, and names pass as they are.
//! - SET LOCAL: a text prepared under it is taken for the same as without. PostgreSQL analyses it
//!   anew where `search_path` differs; literals that depend on `TimeZone` stay as they were.

use std::collections::HashMap;
use std::sync::Arc;

use weir_model::PoolId;

use crate::ids::IdMap;
use crate::session_settings::Session;
use crate::statement::Info;

/// Named statements of one client. PostgreSQL has no bound; a client that never closes any would
/// make us hold all of them.
pub(crate) const NAMES_MAX: usize = 5_000;

/// Portals whose statements are remembered, for those that name their portals.
const PORTALS_MAX: usize = 64;

/// Meanings of one text. Above it the oldest is forgotten, and is a new statement next time.
const MEANINGS_MAX: usize = 64;

/// Statements that are remembered as accepted; above it all are forgotten and proved anew.
const PROVED_MAX: usize = 20_000;

/// One text with its parameter types.
pub(crate) struct Statement {
    pub(crate) id: u32,
    /// The text and the types as in Parse's body, after the name.
    pub(crate) body: Box<[u8]>,
    /// Where the types begin in `body`.
    pub(crate) types_at: usize,
    pub(crate) info: Info,
}

impl Statement {
    /// Its name on servers.
    pub(crate) fn put_name(&self, out: &mut Vec<u8>) {
        use std::io::Write as _;
        // Writing to a Vec can't fail.
        let _ = write!(out, "weir_{}", self.id);
    }

    pub(crate) fn name(&self) -> Vec<u8> {
        let mut name = Vec::with_capacity(16);
        self.put_name(&mut name);
        name
    }

    pub(crate) fn sql(&self) -> &[u8] {
        // The text ends with its zero byte, which `put_parse` adds again.
        &self.body[..self.types_at.saturating_sub(1)]
    }

    pub(crate) fn types(&self) -> &[u8] {
        &self.body[self.types_at..]
    }
}

/// Every statement that some client has a name for.
pub(crate) struct Catalog {
    by_body: HashMap<Arc<[u8]>, Vec<Meant>>,
    next: u32,
    prune_at: usize,
    /// Statements that a server has accepted.
    proved: IdMap<u32, ()>,
}

/// What a text means in one database, for one user, under settings that tell.
struct Meant {
    pool: PoolId,
    meaning: Arc<Session>,
    statement: Arc<Statement>,
}

impl Catalog {
    pub(crate) fn new() -> Self {
        Self {
            by_body: HashMap::new(),
            next: 1,
            prune_at: 512,
            proved: IdMap::default(),
        }
    }

    /// From now on every text is a new statement; those that clients hold stay theirs.
    pub(crate) fn renew(&mut self) {
        self.by_body.clear();
        self.proved.clear();
    }

    /// A server accepted this statement.
    pub(crate) fn proved(&mut self, statement: u32) {
        if self.proved.len() >= PROVED_MAX {
            self.proved.clear();
        }
        self.proved.insert(statement, ());
    }

    /// The statement of this text and types, if a server accepted it.
    pub(crate) fn known_good(
        &self,
        pool: PoolId,
        meaning: &Arc<Session>,
        body: &[u8],
    ) -> Option<Arc<Statement>> {
        let statement = self.get(pool, meaning, body)?;
        self.proved.contains_key(&statement.id).then_some(statement)
    }

    fn get(&self, pool: PoolId, meaning: &Arc<Session>, body: &[u8]) -> Option<Arc<Statement>> {
        self.by_body
            .get(body)?
            .iter()
            .find(|m| m.pool == pool && Arc::ptr_eq(&m.meaning, meaning))
            .map(|m| Arc::clone(&m.statement))
    }

    /// The statement of this text and types. `body` is Parse's after the name.
    pub(crate) fn statement(
        &mut self,
        pool: PoolId,
        meaning: &Arc<Session>,
        body: &[u8],
        types_at: usize,
        info: impl FnOnce() -> Info,
    ) -> Arc<Statement> {
        if let Some(known) = self.get(pool, meaning, body) {
            return known;
        }
        if self.by_body.len() >= self.prune_at {
            self.by_body.retain(|_, meant| {
                meant.retain(|m| Arc::strong_count(&m.statement) > 1);
                !meant.is_empty()
            });
            self.prune_at = (self.by_body.len() * 2).max(512);
        }
        let statement = Arc::new(Statement {
            id: self.next,
            body: body.into(),
            types_at,
            info: info(),
        });
        self.next = self.next.wrapping_add(1);
        let meant = self.by_body.entry(body.into()).or_default();
        if meant.len() >= MEANINGS_MAX {
            meant.remove(0);
        }
        meant.push(Meant {
            pool,
            meaning: Arc::clone(meaning),
            statement: Arc::clone(&statement),
        });
        statement
    }
}

/// Numbers of replies go round.
fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// A name that a message gave or took whose reply is still due.
struct Renamed {
    number: u32,
    name: Box<[u8]>,
    /// What it stood for before.
    before: Option<Arc<Statement>>,
}

/// What the extended protocol left a client with.
#[derive(Default)]
pub(crate) struct Extended {
    /// Its names.
    pub(crate) named: HashMap<Box<[u8]>, Arc<Statement>>,
    /// Its last unnamed Parse's body after the name; empty if there is none or it was too long.
    pub(crate) unnamed: Vec<u8>,
    /// Counts its unnamed Parses, so that a server can tell whose it has.
    pub(crate) unnamed_turn: u32,
    pub(crate) unnamed_info: Info,
    /// What the unnamed portal runs.
    pub(crate) portal: Info,
    portals: Vec<(Box<[u8]>, Info)>,
    /// Names that the server knows as they are, with what they do.
    pub(crate) passed: HashMap<Box<[u8]>, Info>,
    /// PostgreSQL skips messages after an error; then these are as before.
    unsettled: Vec<Renamed>,
}

impl Extended {
    /// Beyond [`NAMES_MAX`] it isn't known what a statement does; it runs all the same.
    pub(crate) fn pass(&mut self, name: &[u8], info: Info) {
        if self.passed.len() < NAMES_MAX || self.passed.contains_key(name) {
            self.passed.insert(name.into(), info);
        }
    }

    /// The message whose reply has this number gives the name a meaning, or takes it.
    pub(crate) fn rename(&mut self, number: u32, name: &[u8], now: Option<Arc<Statement>>) {
        let before = match now {
            Some(statement) => self.named.insert(name.into(), statement),
            None => self.named.remove(name),
        };
        self.unsettled.push(Renamed {
            number,
            name: name.into(),
            before,
        });
    }

    /// Replies before `first` have come.
    pub(crate) fn settle_names(&mut self, first: u32) {
        if !self.unsettled.is_empty() {
            self.unsettled
                .retain(|renamed| !is_before(renamed.number, first));
            if self.unsettled.is_empty() {
                self.unsettled = Vec::new();
            }
        }
    }

    /// Replies before `first` won't come: their messages were skipped, or failed.
    pub(crate) fn undo_names(&mut self, first: u32) {
        let unsettled = std::mem::take(&mut self.unsettled);
        for renamed in unsettled.into_iter().rev() {
            if !is_before(renamed.number, first) {
                self.unsettled.insert(0, renamed);
                continue;
            }
            match renamed.before {
                Some(statement) => self.named.insert(renamed.name, statement),
                None => self.named.remove(&renamed.name),
            };
        }
    }

    pub(crate) fn bind(&mut self, portal: &[u8], info: Info) {
        if portal.is_empty() {
            self.portal = info;
        } else if let Some(known) = self.portals.iter_mut().find(|(name, _)| **name == *portal) {
            known.1 = info;
        } else if self.portals.len() < PORTALS_MAX {
            self.portals.push((portal.into(), info));
        }
    }

    pub(crate) fn portal(&self, portal: &[u8]) -> Info {
        if portal.is_empty() {
            return self.portal.clone();
        }
        self.portals
            .iter()
            .find(|(name, _)| **name == *portal)
            .map(|(_, info)| info.clone())
            .unwrap_or_default()
    }

    /// Portals end with their transaction.
    pub(crate) fn end_transaction(&mut self) {
        if !self.portals.is_empty() {
            self.portals.clear();
        }
    }

    /// DISCARD ALL, DEALLOCATE ALL.
    pub(crate) fn forget_names(&mut self) {
        self.named.clear();
        self.named.shrink_to_fit();
        self.passed.clear();
    }
}
