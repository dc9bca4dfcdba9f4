//! New settings while everything runs.
//!
//! # What always holds
//! - Settings are taken whole or not at all.
//! - Clients stay, but for those whose database is gone. Servers that lead elsewhere now are closed
//!   when they come free; the others stay.
//! - A size that the file still says as before is left as control has made it since.

use std::sync::Arc;

use weir_model::{Event, Instant, Loudness, NewSettings, OrderRefused, PoolId, PoolerSettings};

use crate::effect::Effects;
use crate::engine::Engine;

/// Sentences about what changed; what is beyond is counted.
const SAID_MAX: usize = 100;

impl Engine {
    pub(crate) fn configure(
        &mut self,
        request: u64,
        new: &NewSettings,
        now: Instant,
        fx: &mut Effects,
    ) {
        let result = self.take_settings(&new.0, now, fx);
        fx.events.push(Event::Configured { request, result });
    }

    fn take_settings(
        &mut self,
        new: &Arc<PoolerSettings>,
        now: Instant,
        fx: &mut Effects,
    ) -> Result<Vec<String>, OrderRefused> {
        self.directory.renew(new).map_err(|fault| {
            let cause = std::error::Error::source(&fault).map(|s| format!(": {s}"));
            OrderRefused::NotNow(format!("{fault}{}", cause.unwrap_or_default()))
        })?;
        let mut said = changes(&self.settings, new);
        let before = std::mem::replace(&mut self.settings, (**new).clone());
        self.pool_settings = self.settings.pools.iter().cloned().map(Arc::new).collect();
        self.note_limits();
        let dropped = self.rename_databases();
        for id in (0..self.pools.len() as u32).map(PoolId) {
            let key = self.pools[id.0 as usize].key.clone();
            let Some(db) = self.databases.get(&key.database) else {
                if dropped.contains(&key.database) {
                    self.kill_pool(id, "database removed", now, fx);
                }
                self.pools[id.0 as usize].asleep = true;
                continue;
            };
            let template = db.template;
            self.resettle(id, template, now, fx);
        }
        for name in dropped {
            let says = format!(
                "dropping database '{name}' as it does not exist anymore or inactive auto-database"
            );
            self.log_pooler(Loudness::Warning, says, fx);
        }
        if before.client_login_timeout != self.settings.client_login_timeout {
            self.sweep(now, fx);
        }
        let more = said.len().saturating_sub(SAID_MAX);
        said.truncate(SAID_MAX);
        if more > 0 {
            said.push(format!("and {more} more"));
        }
        Ok(said)
    }

    /// What depends on the settings as a whole.
    pub(crate) fn note_limits(&mut self) {
        self.any_idle_limit = self
            .pool_settings
            .iter()
            .any(|p| !p.client_idle_timeout.is_zero())
            || self
                .settings
                .user_settings
                .values()
                .any(|u| u.client_idle_timeout.is_some_and(|t| !t.is_zero()));
        let named: Vec<Arc<str>> = self
            .settings
            .pools
            .iter()
            .filter(|p| &*p.database != "*")
            .map(|p| Arc::clone(&p.database))
            .collect();
        for name in named {
            self.database_named(&name);
        }
    }

    /// Databases find their new places among the settings; those that have none are gone.
    fn rename_databases(&mut self) -> Vec<Arc<str>> {
        let names: Vec<Arc<str>> = self.databases.keys().cloned().collect();
        let mut dropped = Vec::new();
        for name in names {
            let template = self.template_of(&name);
            let Some(template) = template else {
                self.databases.remove(&name);
                dropped.push(name);
                continue;
            };
            let auto = &*self.settings.pools[template].database == "*";
            if let Some(db) = self.databases.get_mut(&name) {
                db.template = template;
                db.auto = auto;
            }
        }
        dropped
    }

    /// A pool takes its new settings.
    fn resettle(&mut self, id: PoolId, template: usize, now: Instant, fx: &mut Effects) {
        let user = Arc::clone(&self.pools[id.0 as usize].key.user);
        let new = self.settings_for(template, &user);
        let backend = self.backend_of(&new.server);
        let at = id.0 as usize;
        let old = std::mem::replace(&mut self.pools[at].settings, Arc::clone(&new));
        if *old == *new {
            return;
        }
        if old.leads_elsewhere(&new) {
            let pool = &mut self.pools[at];
            pool.retry_at = now;
            pool.last_failure = None;
            pool.down_since = None;
            pool.place = 0;
            pool.places_failed = 0;
            if pool.backend != backend {
                self.move_logins(id, backend);
            }
            self.outdate(id, now, fx);
        }
        if old.server.lifetime != new.server.lifetime {
            for server in self.pools[at].servers.clone() {
                let jitter = 1.0 - 0.1 * self.dice.unit();
                if let Some(server) = self.servers.get_mut(&server) {
                    let lifetime = new.server.lifetime.mul_f64(jitter);
                    server.expires = server.connected.after(lifetime);
                }
            }
        }
        if old.size != new.size || old.reserve_size != new.reserve_size {
            let size = if old.size == new.size {
                self.pools[at].size
            } else {
                new.size.initial()
            };
            // Zero is refused, and leaves the size as it was.
            let _ = self.resize(id, size, now, fx);
        }
        // Who waits may have less patience now, or more.
        self.wait_timer(id, now, fx);
        self.serve(id, now, fx);
        self.dial_more(id, now, fx);
    }

    /// Logins under way count towards the place that the pool leads to.
    fn move_logins(&mut self, id: PoolId, backend: usize) {
        let pool = &mut self.pools[id.0 as usize];
        let (from, n) = (pool.backend, pool.in_login);
        pool.backend = backend;
        if let Some(old) = self.backends.get_mut(from) {
            old.in_login = old.in_login.saturating_sub(n);
        }
        if let Some(new) = self.backends.get_mut(backend) {
            new.in_login += n;
        }
    }
}

/// What is different, a sentence each. No value of a secret is in any of them.
fn changes(old: &PoolerSettings, new: &PoolerSettings) -> Vec<String> {
    let mut said = Vec::new();
    for pool in &new.pools {
        match old.pools.iter().find(|p| p.database == pool.database) {
            None => said.push(format!("database {} is new", pool.database)),
            Some(before) if before.leads_elsewhere(pool) => said.push(format!(
                "database {} leads elsewhere: its servers are replaced as they come free",
                pool.database
            )),
            Some(before) if before != pool => {
                said.push(format!("database {} has other settings", pool.database));
            }
            Some(_) => {}
        }
    }
    for pool in &old.pools {
        if !new.pools.iter().any(|p| p.database == pool.database) {
            said.push(format!("database {} is gone", pool.database));
        }
    }
    let (mut came, mut went, mut changed) = (0u32, 0u32, 0u32);
    for (user, secret) in &new.users {
        match old.users.get(user) {
            None => came += 1,
            Some(before) if before != secret => changed += 1,
            Some(_) => {}
        }
    }
    went += old
        .users
        .keys()
        .filter(|user| !new.users.contains_key(*user))
        .count() as u32;
    if came + went + changed > 0 {
        said.push(format!(
            "users: {came} new, {went} gone, {changed} with another secret"
        ));
    }
    if old.user_settings != new.user_settings {
        said.push("settings of users differ".to_owned());
    }
    if old.auth_method != new.auth_method {
        said.push(format!(
            "clients prove themselves by {}, no longer by {}",
            new.auth_method.name(),
            old.auth_method.name()
        ));
    }
    let rest = PoolerSettings {
        pools: Vec::new(),
        users: Default::default(),
        user_settings: Default::default(),
        auth_method: new.auth_method,
        ..old.clone()
    };
    let same = PoolerSettings {
        pools: Vec::new(),
        users: Default::default(),
        user_settings: Default::default(),
        ..new.clone()
    };
    if rest != same {
        said.push("limits and timeouts for all differ".to_owned());
    }
    said
}
