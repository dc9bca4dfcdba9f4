//! What is particular to one user, over whatever its database says (PgBouncer: `[users]`).

use std::num::NonZeroU32;
use std::time::Duration;

use super::{PoolMode, PoolSettings, PoolSize};

/// Settings of one user. `None`: as the database has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSettings {
    /// `pool_mode`.
    pub mode: Option<PoolMode>,
    /// `pool_size`, of each of its pools.
    pub size: Option<NonZeroU32>,
    /// `reserve_pool_size`.
    pub reserve_size: Option<u32>,
    /// `max_user_connections`: its servers over all pools. Zero: none, whatever holds for all.
    pub connections_max: Option<u32>,
    /// `max_user_client_connections`: its clients over all databases.
    pub clients_max: Option<u32>,
    /// `query_timeout`.
    pub query_timeout: Option<Duration>,
    /// `query_wait_timeout`.
    pub query_wait_timeout: Option<Duration>,
    /// `idle_transaction_timeout`.
    pub idle_transaction_timeout: Option<Duration>,
    /// `transaction_timeout`.
    pub transaction_timeout: Option<Duration>,
    /// `client_idle_timeout`.
    pub client_idle_timeout: Option<Duration>,
}

impl UserSettings {
    /// A database's settings as they are for this user.
    pub fn over(&self, database: &PoolSettings) -> PoolSettings {
        let mut pool = database.clone();
        if let Some(mode) = self.mode {
            pool.mode = mode;
        }
        if let Some(size) = self.size {
            pool.size = PoolSize::Fixed(size);
        }
        if let Some(size) = self.reserve_size {
            pool.reserve_size = size;
        }
        for (here, there) in [
            (self.query_timeout, &mut pool.query_timeout),
            (self.query_wait_timeout, &mut pool.query_wait_timeout),
            (
                self.idle_transaction_timeout,
                &mut pool.idle_transaction_timeout,
            ),
            (self.transaction_timeout, &mut pool.transaction_timeout),
            (self.client_idle_timeout, &mut pool.client_idle_timeout),
        ] {
            if let Some(value) = here {
                *there = value;
            }
        }
        pool
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ServerSettings;

    #[test]
    fn a_user_overrides_what_it_names_and_nothing_else() {
        let database = PoolSettings::any(ServerSettings::at("db", 5432));
        let same = UserSettings::default().over(&database);
        assert_eq!(same, database);
        let user = UserSettings {
            mode: Some(PoolMode::Session),
            size: NonZeroU32::new(3),
            query_timeout: Some(Duration::from_secs(7)),
            ..UserSettings::default()
        };
        let pool = user.over(&database);
        assert_eq!(pool.mode, PoolMode::Session);
        assert_eq!(pool.size.initial(), 3);
        assert_eq!(pool.query_timeout, Duration::from_secs(7));
        assert_eq!(pool.transaction_timeout, database.transaction_timeout);
    }
}
