//! `GET /api/v1/waits`: who waits for whom. Two queues make one picture: backends that wait for each
//! other's locks inside PostgreSQL, and clients that wait for a server of a pool because those
//! backends have them.
//!
//! # What always holds
//! - The tree ends: a backend that several block stands once with those that it blocks, and elsewhere
//!   as `repeated`.
//! - No literal is shown: PostgreSQL's texts go through the same normaliser as Weir's own.

use std::collections::{BTreeMap, HashMap, HashSet};

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use weir_control::handle::{Answer, Ask, PoolView, Published, WaitsLook};
use weir_control::sense::view::{Backend, BlockRoot, EDGES_MAX, WaitingLock};
use weir_model::{ClientRow, ClientState, ServerRow, Snapshot};

use super::clients::{Texts, backend_pids, client};
use super::past::{self, AtQuery};
use super::{brief, host, known};
use crate::fault::ApiFault;
use crate::json::{self, seconds};
use crate::read::{self, Asked, query};
use crate::server::Api;

/// Pools shown with their queue.
const POOLS: usize = 200;
/// Holders of a pool's servers shown.
const HOLDERS: usize = 50;
/// Waiters of a pool shown.
const WAITERS: usize = 20;
/// Deeper chains end here; PostgreSQL would have found a deadlock long before.
const DEPTH: usize = 50;
/// Statements are shown up to here.
const TEXT_MAX: usize = 200;

/// `GET /api/v1/waits`.
pub(crate) async fn waits(
    State(api): State<Api>,
    asked: Asked<AtQuery>,
) -> Result<Json<Value>, ApiFault> {
    let at = query(asked, "at")?.wall()?;
    let published = past::published(&api, at).await?;
    let Answer::Waits(look) = api.handle.ask(Ask::Waits { at }).await? else {
        return Err(read::wrong_answer());
    };
    // Who waited in a past instant isn't kept, only how many.
    let snapshot = match at {
        None => Some(api.snapshots.get(&api).await?),
        Some(_) => None,
    };
    Ok(Json(document(&published, &look, snapshot.as_deref())))
}

fn document(published: &Published, look: &WaitsLook, snapshot: Option<&Snapshot>) -> Value {
    let picture = Picture::new(published, look);
    let mut shown = HashSet::new();
    let roots: Vec<Value> = picture
        .roots()
        .into_iter()
        .map(|pid| picture.node(pid, 0, &mut shown))
        .collect();
    let looked_at = look.views.iter().map(|view| view.at).max();
    let edges: usize = look.views.iter().map(|view| view.edges.len()).sum();
    json!({
        "schema": "weir.waits/1",
        "at": json::time(published.wall()),
        "live": published.as_of.is_none(),
        "looked_at": looked_at.map(|at| json::time(published.clock.wall(at))),
        "complete": edges < EDGES_MAX,
        "pools": picture.queues(published, snapshot, &look.texts),
        "says": picture.says(published, looked_at.is_some()),
        "roots": roots,
    })
}

struct Picture<'a> {
    look: &'a WaitsLook,
    published: &'a Published,
    backends: HashMap<i32, &'a Backend>,
    roots: HashMap<i32, &'a BlockRoot>,
    locks: HashMap<i32, &'a WaitingLock>,
    servers: HashMap<i32, &'a ServerRow>,
    /// Those that each blocks.
    blocks: BTreeMap<i32, Vec<i32>>,
    /// Those that each waits for.
    blocked_by: HashMap<i32, Vec<i32>>,
}

impl<'a> Picture<'a> {
    fn new(published: &'a Published, look: &'a WaitsLook) -> Self {
        let mut picture = Self {
            look,
            published,
            backends: HashMap::new(),
            roots: HashMap::new(),
            locks: HashMap::new(),
            servers: HashMap::new(),
            blocks: BTreeMap::new(),
            blocked_by: HashMap::new(),
        };
        for view in &look.views {
            let backends = view.backends.iter();
            picture.backends.extend(backends.map(|b| (b.pid, b)));
            picture.roots.extend(view.roots.iter().map(|r| (r.pid, r)));
            for lock in &view.waiting_locks {
                picture.locks.entry(lock.pid).or_insert(lock);
            }
            for edge in &view.edges {
                let (waiter, blocker) = (edge.waiter, edge.blocker);
                picture.blocks.entry(blocker).or_default().push(waiter);
                picture.blocked_by.entry(waiter).or_default().push(blocker);
            }
        }
        let servers = look.servers.iter().flatten();
        picture
            .servers
            .extend(servers.map(|row| (row.backend_pid, row)));
        picture
    }

    /// All that wait behind a backend, directly or through others.
    fn behind(&self, pid: i32) -> usize {
        let mut seen = HashSet::from([pid]);
        let mut next = vec![pid];
        while let Some(pid) = next.pop() {
            for waiter in self.blocks.get(&pid).into_iter().flatten() {
                if seen.insert(*waiter) {
                    next.push(*waiter);
                }
            }
        }
        seen.len() - 1
    }

    /// More where PostgreSQL counted before edges were cut.
    fn victims(&self, pid: i32) -> usize {
        let counted = self.roots.get(&pid).map_or(0, |root| root.victims);
        self.behind(pid)
            .max(usize::try_from(counted).unwrap_or(usize::MAX))
    }

    /// Most victims first.
    fn roots(&self) -> Vec<i32> {
        let mut roots: Vec<i32> = self
            .blocks
            .keys()
            .filter(|pid| !self.blocked_by.contains_key(pid))
            .copied()
            .collect();
        roots.sort_by_cached_key(|pid| (std::cmp::Reverse(self.victims(*pid)), *pid));
        roots
    }

    fn node(&self, pid: i32, depth: usize, shown: &mut HashSet<i32>) -> Value {
        let repeated = !shown.insert(pid) || depth >= DEPTH;
        let mut blocks = Vec::new();
        if !repeated {
            let mut below = self.blocks.get(&pid).cloned().unwrap_or_default();
            // The one that waits longest first, as in a queue.
            below.sort_by_cached_key(|pid| {
                let age = self.backends.get(pid).and_then(|backend| backend.query_age);
                (std::cmp::Reverse(age), *pid)
            });
            for waiter in below {
                // Where a chain of blocks leads to it as well, it stands there, behind the last.
                if !self.waits_deeper(waiter, pid) {
                    blocks.push(self.node(waiter, depth + 1, shown));
                }
            }
        }
        let backend = self.backends.get(&pid).copied();
        let root = self.roots.get(&pid).copied();
        let server = self.servers.get(&pid).copied();
        let application = server
            .map(|row| &*row.application)
            .or(backend.map(|backend| &*backend.application))
            .or(root.map(|root| &*root.application));
        let state = backend
            .map(|backend| &*backend.state)
            .or(root.map(|root| &*root.state));
        let state = match (pid, state) {
            (0, _) => "prepared transaction",
            (_, Some(state)) if !state.is_empty() => state,
            (_, _) => "not known",
        };
        let transaction = backend
            .and_then(|backend| backend.transaction_age)
            .or(root.and_then(|root| root.transaction_age));
        let waits_on = backend.filter(|backend| !backend.wait_event_type.is_empty());
        json!({
            "backend_pid": pid,
            "own": server.is_some() || backend.is_some_and(|backend| backend.own),
            "database": server.map(|row| &*row.key.database)
                .or(backend.and_then(|backend| known(&backend.database))),
            "user": server.map(|row| &*row.key.user)
                .or(backend.and_then(|backend| known(&backend.user))),
            "application": application.and_then(known),
            "host": server.filter(|row| row.client.is_some()).map(|row| host(&row.client_addr))
                .or(backend.and_then(|backend| known(&backend.client_addr))),
            "state": state,
            "state_s": backend.and_then(|backend| backend.state_age).map(seconds),
            "transaction_s": transaction.map(seconds),
            "wait_event": waits_on
                .map(|backend| format!("{}:{}", backend.wait_event_type, backend.wait_event)),
            "lock": self.locks.get(&pid).map(|lock| json!({
                "type": lock.locktype,
                "mode": lock.mode,
                "relation": known(&lock.relation),
            })),
            "statement": self.statement(pid),
            "server": server.map(|row| row.server.0),
            "client": server.and_then(|row| row.client).map(|client| client.0),
            "client_state": server.and_then(|row| row.client_state),
            "victims": self.victims(pid),
            "repeated": repeated,
            "blocks": blocks,
        })
    }

    /// True if `waiter` also waits for somebody who waits for `blocker`.
    fn waits_deeper(&self, waiter: i32, blocker: i32) -> bool {
        let others = self.blocked_by.get(&waiter).into_iter().flatten();
        others
            .filter(|other| **other != blocker && **other != waiter)
            .any(|other| {
                let theirs = self.blocked_by.get(other);
                // Two that block each other are a deadlock; neither is the deeper.
                let both = self
                    .blocked_by
                    .get(&blocker)
                    .is_some_and(|pids| pids.contains(other));
                !both && theirs.is_some_and(|pids| pids.contains(&blocker))
            })
    }

    /// What a backend executes, or executed last.
    fn statement(&self, pid: i32) -> Option<String> {
        let row = self.servers.get(&pid);
        if let Some(text) = row.and_then(|row| self.look.texts.get(&row.fingerprint)) {
            return Some(text.to_string());
        }
        let raw = self
            .backends
            .get(&pid)
            .map(|backend| &*backend.query)
            .or(self.roots.get(&pid).map(|root| &*root.query))?;
        known(raw).map(|raw| weir_wire::sql::normalized(raw.as_bytes(), TEXT_MAX))
    }

    fn queues(
        &self,
        published: &Published,
        snapshot: Option<&Snapshot>,
        texts: &Texts,
    ) -> Vec<Value> {
        let mut pools: Vec<&PoolView> = published
            .pools
            .iter()
            .filter(|pool| pool.clients.waiting > 0 || pool.servers.active > 0)
            .collect();
        pools.sort_by_key(|pool| (std::cmp::Reverse(pool.clients.waiting), &pool.key));
        pools.truncate(POOLS);
        let pids = snapshot.map(backend_pids).unwrap_or_default();
        let queue = |pool: &&PoolView| {
            let mut holders: Vec<&ServerRow> = self
                .look
                .servers
                .iter()
                .flatten()
                .filter(|row| row.key == pool.key && row.client.is_some())
                .collect();
            holders.sort_by_key(|row| row.since);
            let mut waiters: Vec<&ClientRow> = snapshot
                .into_iter()
                .flat_map(|snapshot| &snapshot.clients)
                .filter(|row| row.state == ClientState::Waiting)
                .filter(|row| row.key.as_ref() == Some(&pool.key))
                .collect();
            waiters.sort_by_key(|row| row.since);
            json!({
                "database": &*pool.key.database,
                "user": &*pool.key.user,
                "size": pool.size,
                "waiting": pool.clients.waiting,
                "oldest_wait_s": seconds(pool.oldest_wait),
                "holders_total": holders.len(),
                "holders": holders.iter().take(HOLDERS).map(|row| self.holder(row)).collect::<Value>(),
                "waiters": waiters.iter().take(WAITERS)
                    .map(|row| client(row, published, &pids, texts))
                    .collect::<Value>(),
            })
        };
        pools.iter().map(queue).collect()
    }

    fn holder(&self, row: &ServerRow) -> Value {
        // Rows are as of the instant shown, which for the past isn't `published.at`.
        let at = match self.published.as_of {
            None => self.published.at,
            Some(at) => self.published.clock.instant(at),
        };
        json!({
            "server": row.server.0,
            "backend_pid": (row.backend_pid != 0).then_some(row.backend_pid),
            "client": row.client.map(|client| client.0),
            "client_state": row.client_state,
            "application": known(&row.application),
            "host": row.client.map(|_| host(&row.client_addr)),
            "held_s": seconds(at.since(row.since)),
            "transaction_s": row.transaction_since.map(|since| seconds(at.since(since))),
            "statement": self.statement(row.backend_pid),
            "pins": row.pins.iter().map(|pin| pin.name()).collect::<Vec<_>>(),
            "blocked_by": self.blocked_by.get(&row.backend_pid).cloned().unwrap_or_default(),
        })
    }

    fn says(&self, published: &Published, looked: bool) -> String {
        let locks = match (self.roots().first(), looked) {
            (_, false) => "PostgreSQL wasn't looked at, so locks are not known.".to_owned(),
            (None, true) => "No backend waits for a lock.".to_owned(),
            (Some(pid), true) => {
                let victims = self.victims(*pid);
                let noun = if victims == 1 {
                    "backend waits"
                } else {
                    "backends wait"
                };
                let who = match *pid {
                    0 => "a prepared transaction".to_owned(),
                    pid => format!("backend {pid}"),
                };
                let state = self.backends.get(pid).map_or(String::new(), |backend| {
                    let age = backend.transaction_age.map_or(String::new(), |age| {
                        format!(", its transaction {} old", brief(age))
                    });
                    format!(" ({}{age})", backend.state)
                });
                format!("{victims} {noun} behind {who}{state}.")
            }
        };
        let most = published
            .pools
            .iter()
            .max_by_key(|pool| pool.clients.waiting);
        match most.filter(|pool| pool.clients.waiting > 0) {
            Some(pool) => format!(
                "{locks} {} clients wait for a server of {}, the oldest for {}.",
                pool.clients.waiting,
                pool.key,
                brief(pool.oldest_wait)
            ),
            None => format!("{locks} Nobody waits for a server."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_control::sense::view::{BlockEdge, ServerView};
    use weir_model::Instant;

    fn look(edges: &[(i32, i32)]) -> WaitsLook {
        let mut view = ServerView::empty("main", Instant::ZERO, Ok(()));
        view.edges = edges
            .iter()
            .map(|&(waiter, blocker)| BlockEdge { waiter, blocker })
            .collect();
        view.backends = edges
            .iter()
            .map(|&(pid, _)| Backend {
                pid,
                query: format!("UPDATE t SET secret = 'hunter{pid}'"),
                ..Backend::default()
            })
            .collect();
        WaitsLook {
            views: vec![view],
            ..WaitsLook::default()
        }
    }

    fn text(node: &Value, depth: usize, out: &mut String) {
        let again = if node["repeated"] == true {
            " again"
        } else {
            ""
        };
        let line = format!(
            "{}{} victims {}{again}\n",
            "  ".repeat(depth),
            node["backend_pid"],
            node["victims"]
        );
        out.push_str(&line);
        for below in node["blocks"].as_array().into_iter().flatten() {
            text(below, depth + 1, out);
        }
    }

    fn tree(edges: &[(i32, i32)]) -> String {
        let look = look(edges);
        let published = crate::testing::nothing_published();
        let document = document(&published, &look, None);
        assert!(!document.to_string().contains("hunter"), "{document}");
        let mut out = String::new();
        for root in document["roots"].as_array().unwrap() {
            text(root, 0, &mut out);
        }
        out
    }

    #[test]
    fn a_queue_behind_a_strong_lock_stands_in_order_and_not_twice() {
        // 1 holds; 2 wants a strong lock; 3 and 4 queue behind 2, and PostgreSQL names both.
        let tree = tree(&[(2, 1), (3, 1), (3, 2), (4, 2)]);
        assert_eq!(
            tree,
            "1 victims 3\n  2 victims 2\n    3 victims 0\n    4 victims 0\n"
        );
    }

    #[test]
    fn one_that_two_block_stands_whole_once() {
        let tree = tree(&[(3, 1), (3, 2), (4, 3)]);
        assert_eq!(
            tree,
            "1 victims 2\n  3 victims 1\n    4 victims 0\n2 victims 2\n  3 victims 1 again\n"
        );
    }

    #[test]
    fn a_deadlock_ends_and_is_no_root() {
        assert_eq!(tree(&[(1, 2), (2, 1)]), "");
        let tree = tree(&[(1, 2), (2, 1), (1, 3)]);
        assert!(tree.starts_with("3 victims 2\n  1 victims 1\n"), "{tree}");
    }
}
