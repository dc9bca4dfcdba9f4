//! Small things that outlive the process beside the journal: silences, markers. One row each, written
//! as a whole; the last word counts.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, params};
use serde_json::Value;

use super::Store;
use super::file::StoreFile;
use super::writer::Job;

/// Made when first needed: a file of an older Weir has none, and an older Weir doesn't mind it.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS kept (key TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID";

impl Store {
    /// Keeps this under this name, without waiting for the disk; dropped where the queue is full.
    pub fn keep(&self, key: &str, json: Value) {
        if self.send(Job::Keep(key.to_owned(), json)).is_err() {
            tracing::warn!(key, "something was not stored: the store's queue is full");
        }
    }

    /// Everything that is kept, by name.
    pub fn kept(&self) -> BTreeMap<String, Value> {
        self.ask(Job::Kept).unwrap_or_default()
    }
}

impl StoreFile {
    pub(super) fn keep(&self, key: &str, json: &Value) -> rusqlite::Result<()> {
        self.db.execute(TABLE, [])?;
        self.db
            .prepare_cached("INSERT OR REPLACE INTO kept VALUES (?1, ?2)")?
            .execute(params![key, json.to_string()])?;
        Ok(())
    }

    pub(super) fn kept(&self) -> rusqlite::Result<BTreeMap<String, Value>> {
        let there: Option<i64> = self
            .db
            .query_row(
                "SELECT 1 FROM sqlite_master WHERE name = 'kept'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        if there.is_none() {
            return Ok(BTreeMap::new());
        }
        let mut statement = self.db.prepare_cached("SELECT key, json FROM kept")?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut kept = BTreeMap::new();
        for row in rows {
            let (key, json) = row?;
            kept.insert(key, serde_json::from_str(&json).unwrap_or_default());
        }
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_word_is_found_again_after_the_file_is_opened_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.db");
        let (store, _) = Store::open(&path);
        assert!(store.kept().is_empty());
        store.keep("silences", json!(["first"]));
        store.keep("silences", json!(["second"]));
        store.keep("markers", json!([]));
        store.close();
        let (store, _) = Store::open(&path);
        let kept = store.kept();
        assert_eq!(kept["silences"], json!(["second"]));
        assert_eq!(kept.len(), 2);
    }
}
