//! Databases and users over all their pools: who may come in, who may open one more server, and
//! who makes way for whom.
//!
//! # What always holds
//! - A cap is never exceeded: not by clients of a database or user, not by servers of either.
//! - Where a cap binds, the server that has idled longest in another pool makes way; pools that
//!   wait for a place get it in turn.
//! - A pool without any server isn't starved by one whose clients never leave a pause: after
//!   [`STARVED`] it gets a server's place.
//!
//! # What is deliberately absent
//! - Names. A database is here because the settings name it, or because somebody came for it and
//!   `*` takes anybody; the latter is forgotten after `autodb_idle_timeout`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use weir_model::{Instant, PoolId, ServerId};

use crate::effect::Effects;
use crate::engine::Engine;

/// How long a pool without a server waits for a place before one is taken for it.
const STARVED: Duration = Duration::from_secs(1);

/// A database, over all its pools.
#[derive(Debug, Default)]
pub(crate) struct Database {
    /// Its place among the settings.
    pub(crate) template: usize,
    /// The settings know it by `*` only.
    pub(crate) auto: bool,
    /// PAUSE or KILL: nothing new begins, what comes free is closed.
    pub(crate) halted: bool,
    /// DISABLE: nobody comes in.
    pub(crate) disabled: bool,
    pub(crate) servers: u32,
    pub(crate) clients: u32,
    /// Pools that the cap keeps from opening a server, in turn.
    short: VecDeque<PoolId>,
    /// Since when it has neither clients nor servers.
    pub(crate) idle_since: Option<Instant>,
}

/// A user, over all databases.
#[derive(Debug, Default)]
pub(crate) struct User {
    /// That log in as this user.
    pub(crate) servers: u32,
    /// That came as this user.
    pub(crate) clients: u32,
    short: VecDeque<PoolId>,
}

pub(crate) type Databases = BTreeMap<Arc<str>, Database>;
pub(crate) type Users = BTreeMap<Arc<str>, User>;

/// Which cap binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cap {
    Database,
    User,
}

impl Engine {
    /// Where the settings speak of this database.
    pub(crate) fn template_of(&self, database: &str) -> Option<usize> {
        let pools = &self.settings.pools;
        pools
            .iter()
            .position(|p| &*p.database == database)
            .or_else(|| pools.iter().position(|p| &*p.database == "*"))
    }

    /// The database of this name, made known now if `*` takes anybody. `None`: there is none.
    pub(crate) fn database_named(&mut self, name: &str) -> Option<&mut Database> {
        if !self.databases.contains_key(name) {
            let template = self.template_of(name)?;
            let auto = &*self.settings.pools[template].database == "*";
            self.databases.insert(
                name.into(),
                Database {
                    template,
                    auto,
                    halted: self.halted_all,
                    ..Database::default()
                },
            );
        }
        self.databases.get_mut(name)
    }

    /// Servers that this user may have over all pools; zero: any number.
    fn user_servers_max(&self, user: &str) -> u32 {
        let own = self.settings.user_settings.get(user);
        own.and_then(|u| u.connections_max)
            .unwrap_or(self.settings.user_connections_max)
    }

    /// Why one more client of this user may not come to this database; `None`: it may.
    pub(crate) fn client_cap(&self, database: &str, user: &str) -> Option<String> {
        let db = self.databases.get(database)?;
        let most = self.settings.pools[db.template].clients_max;
        if most > 0 && db.clients >= most {
            return Some(format!(
                "client connections exceeded (max_db_client_connections): {} of {most} clients of \
                 database \"{database}\" are connected",
                db.clients
            ));
        }
        let own = self.settings.user_settings.get(user);
        let most = own
            .and_then(|u| u.clients_max)
            .unwrap_or(self.settings.user_clients_max);
        let has = self.users.get(user).map_or(0, |u| u.clients);
        if most > 0 && has >= most {
            return Some(format!(
                "client connections exceeded (max_user_client_connections): {has} of {most} clients \
                 of user \"{user}\" are connected"
            ));
        }
        None
    }

    pub(crate) fn count_client(&mut self, database: &str, user: &Arc<str>) {
        if let Some(db) = self.databases.get_mut(database) {
            db.clients += 1;
            db.idle_since = None;
        }
        self.users.entry(Arc::clone(user)).or_default().clients += 1;
    }

    pub(crate) fn uncount_client(&mut self, database: &str, user: &str) {
        if let Some(db) = self.databases.get_mut(database) {
            db.clients = db.clients.saturating_sub(1);
        }
        if let Some(u) = self.users.get_mut(user) {
            u.clients = u.clients.saturating_sub(1);
            if u.clients == 0 && u.servers == 0 && u.short.is_empty() {
                self.users.remove(user);
            }
        }
    }

    /// Before a dial: is there a place under the caps of database and user? If not, one is made
    /// where `evicts` allows; else the pool waits for its turn.
    pub(crate) fn claim_place(
        &mut self,
        id: PoolId,
        evicts: bool,
        now: Instant,
        fx: &mut Effects,
    ) -> bool {
        for cap in [Cap::Database, Cap::User] {
            while !self.has_place(id, cap) {
                if !evicts {
                    return false;
                }
                if !self.evict_for(id, cap, now, fx) {
                    self.note_short(id, cap);
                    return false;
                }
            }
        }
        let Some(pool) = self.pools.get(id.0 as usize) else {
            return false;
        };
        let key = pool.key.clone();
        if let Some(db) = self.databases.get_mut(&key.database) {
            db.servers += 1;
            db.idle_since = None;
            db.short.retain(|p| *p != id);
        }
        let user = self.users.entry(key.user).or_default();
        user.servers += 1;
        user.short.retain(|p| *p != id);
        true
    }

    /// A server of this pool is gone.
    pub(crate) fn give_up_place(&mut self, id: PoolId) {
        let Some(pool) = self.pools.get(id.0 as usize) else {
            return;
        };
        let key = pool.key.clone();
        if let Some(db) = self.databases.get_mut(&key.database) {
            db.servers = db.servers.saturating_sub(1);
        }
        if let Some(user) = self.users.get_mut(&key.user) {
            user.servers = user.servers.saturating_sub(1);
            if user.clients == 0 && user.servers == 0 && user.short.is_empty() {
                self.users.remove(&key.user);
            }
        }
    }

    fn has_place(&self, id: PoolId, cap: Cap) -> bool {
        let Some(pool) = self.pools.get(id.0 as usize) else {
            return false;
        };
        let (has, most) = match cap {
            Cap::Database => (
                self.databases
                    .get(&pool.key.database)
                    .map_or(0, |db| db.servers),
                pool.settings.connections_max,
            ),
            Cap::User => (
                self.users.get(&pool.key.user).map_or(0, |u| u.servers),
                self.user_servers_max(&pool.key.user),
            ),
        };
        most == 0 || has < most
    }

    /// Which cap keeps this pool from opening a server, with numbers.
    pub(crate) fn binding_cap(&self, id: PoolId) -> Option<String> {
        let pool = self.pools.get(id.0 as usize)?;
        let key = &pool.key;
        if !self.has_place(id, Cap::Database) {
            return Some(format!(
                "database \"{}\" has {} of {} servers (max_db_connections)",
                key.database,
                self.databases.get(&key.database).map_or(0, |db| db.servers),
                pool.settings.connections_max
            ));
        }
        (!self.has_place(id, Cap::User)).then(|| {
            format!(
                "user \"{}\" has {} of {} servers (max_user_connections)",
                key.user,
                self.users.get(&key.user).map_or(0, |u| u.servers),
                self.user_servers_max(&key.user)
            )
        })
    }

    /// Closes the server that has idled longest in another pool under the same cap, whose clients
    /// don't wait. True if there was one.
    fn evict_for(&mut self, id: PoolId, cap: Cap, now: Instant, fx: &mut Effects) -> bool {
        let Some(pool) = self.pools.get(id.0 as usize) else {
            return false;
        };
        let longest = self
            .pools
            .iter()
            .enumerate()
            .filter(|(at, other)| {
                *at != id.0 as usize
                    && other.waiters == 0
                    && match cap {
                        Cap::Database => other.key.database == pool.key.database,
                        Cap::User => other.key.user == pool.key.user,
                    }
            })
            .filter_map(|(_, other)| {
                let server = *other.idle.first()?;
                Some((self.servers.get(&server)?.since, server))
            })
            .min();
        let Some((_, server)) = longest else {
            return false;
        };
        self.evict(server, now, fx);
        true
    }

    /// Closes it, and lets nobody but the caller have its place.
    fn evict(&mut self, server: ServerId, now: Instant, fx: &mut Effects) {
        fx.send_with(
            crate::effect::Conn::Server(server),
            weir_wire::frontend::put_terminate,
        );
        self.close(crate::effect::Conn::Server(server), fx);
        self.take_out(server, "evicted", false, now, fx);
    }

    fn note_short(&mut self, id: PoolId, cap: Cap) {
        let Some(pool) = self.pools.get(id.0 as usize) else {
            return;
        };
        let short = match cap {
            Cap::Database => self
                .databases
                .get_mut(&pool.key.database)
                .map(|db| &mut db.short),
            Cap::User => self.users.get_mut(&pool.key.user).map(|u| &mut u.short),
        };
        if let Some(short) = short
            && !short.contains(&id)
        {
            short.push_back(id);
        }
        self.any_short = true;
    }

    fn first_short(&self, id: PoolId, cap: Cap) -> Option<PoolId> {
        let key = &self.pools.get(id.0 as usize)?.key;
        match cap {
            Cap::Database => self.databases.get(&key.database)?.short.front().copied(),
            Cap::User => self.users.get(&key.user)?.short.front().copied(),
        }
    }

    fn no_longer_short(&mut self, id: PoolId, cap: Cap) {
        let Some(key) = self.pools.get(id.0 as usize).map(|p| p.key.clone()) else {
            return;
        };
        match cap {
            Cap::Database => {
                if let Some(db) = self.databases.get_mut(&key.database) {
                    db.short.retain(|p| *p != id);
                }
            }
            Cap::User => {
                if let Some(user) = self.users.get_mut(&key.user) {
                    user.short.retain(|p| *p != id);
                }
            }
        }
    }

    /// A server of this pool ended, or came free with nobody waiting: those whom a cap keeps short
    /// may try, in turn.
    pub(crate) fn place_freed(&mut self, id: PoolId, now: Instant, fx: &mut Effects) {
        if !self.any_short {
            return;
        }
        let mut left = false;
        for cap in [Cap::Database, Cap::User] {
            for _ in 0..self.pools.len() {
                let Some(first) = self.first_short(id, cap) else {
                    break;
                };
                if !self.wants_server(first) {
                    self.no_longer_short(first, cap);
                    continue;
                }
                let had = self.pools[first.0 as usize].open();
                self.dial_more(first, now, fx);
                if self.pools[first.0 as usize].open() > had {
                    continue;
                }
                left = true;
                if !self.has_place(first, cap) {
                    break;
                }
                // It may not dial for another reason: the next one may.
                self.no_longer_short(first, cap);
                self.note_short(first, cap);
            }
        }
        if !left {
            self.any_short = self.databases.values().any(|db| !db.short.is_empty())
                || self.users.values().any(|u| !u.short.is_empty());
        }
    }

    /// Whether this pool's clients wait for more servers than are to come.
    fn wants_server(&self, id: PoolId) -> bool {
        self.pools.get(id.0 as usize).is_some_and(|p| p.is_short())
    }

    /// A server of this pool comes free: true if a pool under the same cap has none at all and its
    /// clients have waited long and longest. Then the server's place is theirs.
    pub(crate) fn owes_its_place(&self, id: PoolId, now: Instant) -> bool {
        if !self.any_short {
            return false;
        }
        let wait = |id: PoolId| {
            let pool = self.pools.get(id.0 as usize)?;
            let oldest = pool
                .waiting
                .iter()
                .find_map(|(c, ticket)| {
                    let waiting = self.clients.get(c)?.waiting?;
                    (waiting.ticket == *ticket).then_some(waiting.arrived)
                })
                .or_else(|| pool.welcoming.first().map(|(_, since)| *since))?;
            Some(now.since(oldest))
        };
        [Cap::Database, Cap::User].into_iter().any(|cap| {
            self.first_short(id, cap).is_some_and(|first| {
                first != id
                    && self
                        .pools
                        .get(first.0 as usize)
                        .is_some_and(|p| p.open() == 0)
                    && wait(first)
                        .is_some_and(|w| w >= STARVED && wait(id).is_none_or(|own| own < w))
            })
        })
    }
}
