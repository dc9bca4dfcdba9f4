//! Minutes of pools on disk: what was measured, after the samples are gone. One transaction a minute
//! for all pools.
//!
//! # Bounds
//! A minute goes after [`MINUTES_KEEP`], or sooner where there are many pools: the caller says when, so
//! that [`MINUTES_ROWS_MAX`] rows (some 250 MiB) are not exceeded and the journal keeps its room.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};
use serde_json::Value;
use tokio::sync::oneshot;
use weir_model::Wall;

use super::file::{StoreFile, value};
use super::writer::Job;
use super::{MINUTES_KEEP, MINUTES_ROWS_MAX, Store, StoreError, gone};

/// How long minutes can be kept if `pools` have one each.
pub fn minutes_kept(pools: usize) -> Duration {
    let minutes = u64::from(MINUTES_ROWS_MAX) / u64::try_from(pools.max(1)).unwrap_or(u64::MAX);
    MINUTES_KEEP.min(Duration::from_secs(60 * minutes))
}

impl Store {
    /// Stores the minute that begins at `minute`, a row for each pool, and forgets those older than
    /// `keep`, without waiting for the disk; dropped where the queue is full or the disk is.
    pub fn put_minutes(&self, minute: Wall, rows: Vec<(String, Value)>, keep: Duration) {
        let job = Job::PutMinutes { minute, rows, keep };
        if self.send(job).is_err() {
            tracing::debug!("a minute was not stored: the store's queue is full");
        }
    }

    /// Minutes that begin in `[from, to)`, of one pool or all, ascending; at most `most`, the first.
    ///
    /// # Errors
    /// The store is closed or too busy.
    pub async fn minutes(
        &self,
        pool: Option<String>,
        from: Wall,
        to: Wall,
        most: u32,
    ) -> Result<Vec<(Wall, Value)>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Minutes {
            pool,
            from,
            to,
            most,
            reply,
        })?;
        answer.await.map_err(|_| gone())
    }

    /// Begin of the oldest minute that is kept; `None`: none is.
    ///
    /// # Errors
    /// The store is closed or too busy.
    pub async fn earliest_minute(&self) -> Result<Option<Wall>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::EarliestMinute(reply))?;
        answer.await.map_err(|_| gone())
    }
}

impl StoreFile {
    pub(super) fn put_minutes(
        &self,
        minute: Wall,
        rows: &[(String, Value)],
        keep: Duration,
    ) -> rusqlite::Result<()> {
        let transaction = self.db.unchecked_transaction()?;
        for (pool, json) in rows {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO minutes VALUES (?1, ?2, ?3)")?
                .execute(params![pool, minute.as_micros(), json.to_string()])?;
        }
        transaction
            .prepare_cached("DELETE FROM minutes WHERE minute_us < ?1")?
            .execute(params![minute.before(keep).as_micros()])?;
        transaction.commit()
    }

    pub(super) fn minutes(
        &self,
        pool: Option<&str>,
        from: Wall,
        to: Wall,
        most: u32,
    ) -> rusqlite::Result<Vec<(Wall, Value)>> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok((
                Wall::from_micros(row.get(0)?),
                value(&row.get::<_, String>(1)?),
            ))
        };
        let (from, to) = (from.as_micros(), to.as_micros());
        match pool {
            Some(pool) => self
                .db
                .prepare_cached(
                    "SELECT minute_us, json FROM minutes
                     WHERE pool = ?1 AND minute_us >= ?2 AND minute_us < ?3
                     ORDER BY minute_us LIMIT ?4",
                )?
                .query_map(params![pool, from, to, most], read)?
                .collect(),
            None => self
                .db
                .prepare_cached(
                    "SELECT minute_us, json FROM minutes WHERE minute_us >= ?1 AND minute_us < ?2
                     ORDER BY minute_us, pool LIMIT ?3",
                )?
                .query_map(params![from, to, most], read)?
                .collect(),
        }
    }

    pub(super) fn earliest_minute(&self) -> rusqlite::Result<Option<Wall>> {
        self.db
            .query_row("SELECT min(minute_us) FROM minutes", [], |row| {
                row.get::<_, Option<i64>>(0)
            })
            .optional()
            .map(|found| found.flatten().map(Wall::from_micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_pools_are_kept_for_less_long_and_few_for_a_week() {
        assert_eq!(minutes_kept(0), MINUTES_KEEP);
        assert_eq!(
            minutes_kept(40),
            MINUTES_KEEP.min(Duration::from_secs(60 * 10_000))
        );
        assert_eq!(minutes_kept(400), Duration::from_secs(60 * 1_000));
    }
}
