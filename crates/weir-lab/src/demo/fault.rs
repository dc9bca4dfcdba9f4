//! What goes wrong, for each cause: injected for real, and lifted again.
//!
//! None of these asks Weir for anything: they act on PostgreSQL past it, or on the dashboard's
//! release, as in life.

use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_postgres::Client;
use weir_model::Cause;

use super::DemoError;
use super::stage::Stage;

/// What the audience is told when it begins and when it ends.
pub(crate) struct Script {
    /// Title of act two.
    pub(crate) title: &'static str,
    /// What happens.
    pub(crate) begins: &'static str,
    /// What ends it.
    pub(crate) ends: &'static str,
    /// How long it lasts at least.
    pub(crate) lasts_s: u64,
}

/// The script for a cause; `None` for the founding incident, which is load and no fault.
pub(crate) fn script(cause: Cause) -> Option<Script> {
    let script = |title, begins, ends, lasts_s| {
        Some(Script {
            title,
            begins,
            ends,
            lasts_s,
        })
    };
    match cause {
        Cause::IdleInTransaction => script(
            "a release",
            "a release of the dashboard asks the recommendation service (120 ms) inside its transaction",
            "the release is rolled back",
            25,
        ),
        Cause::SlowQuery => script(
            "a lost index",
            "a clean-up drops the index order_items_order: query two reads the whole table",
            "the index is created again",
            25,
        ),
        Cause::RowLockContention => script(
            "a batch",
            "a nightly batch updates the rows on which every page counts its view, over and over",
            "the batch is stopped",
            25,
        ),
        Cause::DdlLockQueue => script(
            "a migration",
            "a long report reads `orders`; ALTER TABLE orders waits behind it, and every page behind that",
            "the long report is cancelled, so the migration gets its lock and finishes",
            20,
        ),
        Cause::MaxConnections => script(
            "a reporting tool",
            "a reporting tool past the pooler opens connections until PostgreSQL refuses (53300)",
            "the reporting tool is closed",
            25,
        ),
        Cause::ServerDown => script(
            "a crash",
            "PostgreSQL goes down at once (stop -m immediate)",
            "PostgreSQL is started again",
            10,
        ),
        _ => None,
    }
}

/// A fault that is on. Dropping it ends the tasks that cause it.
pub(crate) struct Injected {
    cause: Cause,
    tasks: Vec<AbortHandle>,
}

impl Drop for Injected {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

const REPORT: &str = "nightly-report";

/// Makes it go wrong.
pub(crate) async fn inject(cause: Cause, stage: &Stage) -> Result<Injected, DemoError> {
    let mut tasks = Vec::new();
    match cause {
        Cause::IdleInTransaction => stage.dashboard.release(true),
        Cause::SlowQuery => {
            let admin = stage.postgres.connect("migration", "clean-up").await?;
            run(&admin, "dropping an index", "DROP INDEX order_items_order").await?;
        }
        Cause::RowLockContention => {
            let batch = stage
                .postgres
                .connect("nightly_batch", "nightly-batch")
                .await?;
            tasks.push(spawn(async move {
                // One text, so that the root of the lock queue is at work and not idle.
                let round = "BEGIN; UPDATE page_views SET views = views + 0; \
                             SELECT pg_sleep(0.15); COMMIT";
                while batch.batch_execute(round).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }));
        }
        Cause::DdlLockQueue => {
            let report = stage.postgres.connect("reporting", REPORT).await?;
            tasks.push(spawn(async move {
                let long = "SELECT count(*) FROM orders, pg_sleep(90)";
                let _ = report.batch_execute(long).await;
            }));
            tokio::time::sleep(Duration::from_secs(1)).await;
            let migration = stage.postgres.connect("migration", "migration").await?;
            tasks.push(spawn(async move {
                let ddl = "ALTER TABLE orders ADD COLUMN note text";
                let _ = migration.batch_execute(ddl).await;
            }));
        }
        Cause::MaxConnections => {
            let postgres = stage.postgres.clone();
            tasks.push(spawn(async move {
                let mut held: Vec<Client> = Vec::new();
                loop {
                    match postgres.connect("reporting", "reporting-tool").await {
                        Ok(client) if held.len() < 1_000 => held.push(client),
                        // It keeps trying: whoever gives a slot back doesn't get it again.
                        _ => tokio::time::sleep(Duration::from_millis(30)).await,
                    }
                }
            }));
        }
        Cause::ServerDown => {
            stage.postgres.with(|server| server.kill_immediate()).await;
        }
        _ => {}
    }
    Ok(Injected { cause, tasks })
}

impl Injected {
    /// Makes it go right again.
    pub(crate) async fn lift(self, stage: &Stage) -> Result<(), DemoError> {
        match self.cause {
            Cause::IdleInTransaction => stage.dashboard.release(false),
            Cause::SlowQuery => {
                let admin = stage.postgres.connect("migration", "repair").await?;
                let create = "CREATE INDEX order_items_order ON order_items (order_id)";
                run(&admin, "creating an index", create).await?;
            }
            Cause::DdlLockQueue => {
                let admin = stage.postgres.connect("migration", "repair").await?;
                let cancel = format!(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity \
                     WHERE application_name = '{REPORT}'"
                );
                run(&admin, "cancelling the report", &cancel).await?;
                // Before the drop below closes its session: the migration has to finish.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Cause::ServerDown => {
                if let Some(started) = stage.postgres.with(|server| server.start_again()).await {
                    started?;
                }
            }
            // The tasks end when this is dropped, and their sessions with them.
            _ => {}
        }
        Ok(())
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    tokio::spawn(task).abort_handle()
}

async fn run(client: &Client, doing: &'static str, sql: &str) -> Result<(), DemoError> {
    client
        .batch_execute(sql)
        .await
        .map_err(|source| DemoError::Sql { doing, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::CAUSES;

    #[test]
    fn every_cause_but_the_founding_one_has_a_script() {
        for &cause in CAUSES {
            let founding = matches!(cause, Cause::PoolUndersized | Cause::TrafficSurge);
            assert_eq!(script(cause).is_none(), founding, "{cause}");
        }
    }
}
