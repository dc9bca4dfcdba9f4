//! What the watch connection asks, and how the answers are read. Works on PostgreSQL 13 to 18.
//!
//! Texts come from other sessions and other databases, in whatever encoding those use, so they are
//! read lossily; nothing that a session can put into its query makes a look fail.

use std::time::Duration;

use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};
use weir_model::Wall;

use super::view::{
    Backend, BlockEdge, BlockRoot, DatabaseCounters, EDGES_MAX, Limits, WaitingLock,
};

/// Backends read in one look; those that execute come first.
const BACKENDS_MAX: i64 = 1_000;

/// Background processes that wait for something to do (`Activity`) are left out: that is their idle.
const BACKENDS: &str = "
    SELECT pid, leader_pid, datname, usename, application_name, host(client_addr), backend_type, state,
           wait_event_type, wait_event,
           extract(epoch FROM clock_timestamp() - xact_start)::float8,
           extract(epoch FROM clock_timestamp() - query_start)::float8,
           extract(epoch FROM clock_timestamp() - state_change)::float8,
           left(query, 200)
    FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND wait_event_type IS DISTINCT FROM 'Activity'
      AND (backend_type <> 'client backend' OR state <> 'idle' OR application_name LIKE 'weir:%')
    ORDER BY state = 'active' DESC NULLS LAST, xact_start NULLS LAST, pid LIMIT $1";

/// `pg_blocking_pids` takes the lock manager's lock, so this is asked only while somebody waits.
/// Root 0 is a prepared transaction. Counted before the ages are read: `clock_timestamp()` moves between
/// rows, and grouping by such an age gives every victim a root of its own.
///
/// Roots come first (`waiter` is NULL), then the edges themselves, of one look at the locks.
const ROOTS: &str = "
    WITH RECURSIVE e AS MATERIALIZED (
           SELECT DISTINCT a.pid, unnest(pg_blocking_pids(a.pid)) b
           FROM pg_stat_activity a WHERE a.wait_event_type = 'Lock'),
         r(root, victim) AS (SELECT b, pid FROM e UNION SELECT e.b, r.victim FROM r JOIN e ON e.pid = r.root),
         n AS (SELECT root, count(DISTINCT victim) victims FROM r
               WHERE root NOT IN (SELECT pid FROM e) GROUP BY root ORDER BY 2 DESC, 1 LIMIT 10)
    (SELECT n.root, s.state, s.wait_event, s.application_name,
            extract(epoch FROM clock_timestamp() - s.xact_start)::float8, n.victims, left(s.query, 200),
            NULL::int4 waiter
     FROM n LEFT JOIN pg_stat_activity s ON s.pid = n.root)
    UNION ALL
    (SELECT b, NULL, NULL, NULL, NULL, 0, NULL, pid FROM e ORDER BY pid, b LIMIT $1)
    ORDER BY waiter NULLS FIRST, victims DESC, root";

/// A relation of another database than ours has no name here, so it is shown as `database:oid`.
/// `{order}`: `waitstart` exists from 14 on.
const WAITING_LOCKS: &str = "
    SELECT l.pid, l.locktype, l.mode,
           CASE WHEN l.relation IS NULL THEN ''
                WHEN d.datname = current_database() OR l.database = 0 THEN l.relation::regclass::text
                ELSE d.datname || ':' || l.relation::text END,
           left(a.query, 200)
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid LEFT JOIN pg_database d ON d.oid = l.database
    WHERE NOT l.granted ORDER BY {order} LIMIT 100";

/// Without pg_monitor the type of others' backends is hidden; whoever has a user
/// and a database counts (the launcher of logical replication has a user only).
const CLIENT: &str = "coalesce(backend_type, CASE WHEN usesysid IS NOT NULL AND datid IS NOT NULL THEN 'client backend' END) = 'client backend'";

/// `reserved_connections` exists from 16 on. A limit doesn't bind superusers.
const LIMITS: &str = "
    SELECT current_setting('max_connections')::int8,
           current_setting('superuser_reserved_connections')::int8
             + coalesce(nullif(current_setting('reserved_connections', true), '')::int8, 0),
           count(*) FILTER (WHERE {client}),
           count(*) FILTER (WHERE {client} AND application_name = current_setting('application_name')),
           (SELECT min(n)::int8 FROM (
              SELECT rolconnlimit n FROM pg_roles WHERE rolname = ANY($1) AND NOT rolsuper
              UNION ALL SELECT datconnlimit FROM pg_database WHERE datname = ANY($2)) x WHERE n >= 0)
    FROM pg_stat_activity";

const BY_APPLICATION: &str = "
    SELECT coalesce(nullif(application_name, ''), '(none)'), count(*)
    FROM pg_stat_activity WHERE {client} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20";

const COUNTERS: &str = "
    SELECT coalesce(sum(xact_commit), 0)::int8, coalesce(sum(xact_rollback), 0)::int8, coalesce(sum(deadlocks), 0)::int8,
           coalesce(sum(blks_read), 0)::int8, coalesce(sum(blks_hit), 0)::int8, coalesce(sum(temp_bytes), 0)::int8,
           (SELECT coalesce(sum(seq_tup_read), 0)::int8 FROM pg_stat_user_tables)
    FROM pg_stat_database WHERE datname = ANY($1)";

/// Asked once a connection.
const WHO: &str = "
    SELECT current_setting('server_version_num')::int4,
           pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
           (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::int8,
           current_database()";

/// A text in any encoding; NULL is empty.
struct Text(String);

impl<'a> FromSql<'a> for Text {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(String::from_utf8_lossy(raw).into_owned()))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(String::new()))
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::TEXT | Type::NAME | Type::VARCHAR)
    }
}

fn text(row: &Row, column: usize) -> Result<String, Error> {
    row.try_get::<_, Text>(column).map(|text| text.0)
}

/// An age; a clock stepped backwards must not make it negative.
fn age(row: &Row, column: usize) -> Result<Option<Duration>, Error> {
    let seconds: Option<f64> = row.try_get(column)?;
    Ok(seconds.map(|s| Duration::try_from_secs_f64(s.max(0.0)).unwrap_or(Duration::MAX)))
}

fn count(row: &Row, column: usize) -> Result<u32, Error> {
    let n: i64 = row.try_get(column)?;
    Ok(u32::try_from(n.max(0)).unwrap_or(u32::MAX))
}

/// The statements, prepared on one connection.
pub(super) struct Questions {
    pub(super) version: u32,
    pub(super) sees_all: bool,
    pub(super) postmaster_started: Wall,
    pub(super) database: String,
    backends: Statement,
    roots: Statement,
    waiting_locks: Statement,
    limits: Statement,
    by_application: Statement,
    counters: Statement,
}

impl Questions {
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let who = client.query_one(WHO, &[]).await?;
        let version: i32 = who.try_get(0)?;
        let order = if version >= 140_000 {
            "l.waitstart NULLS LAST, l.pid"
        } else {
            "l.pid"
        };
        let with_client = |sql: &str| sql.replace("{client}", CLIENT);
        Ok(Self {
            version: u32::try_from(version).unwrap_or(0),
            sees_all: who.try_get(1)?,
            postmaster_started: Wall::from_micros(who.try_get(2)?),
            database: text(&who, 3)?,
            backends: client.prepare(BACKENDS).await?,
            roots: client.prepare(ROOTS).await?,
            waiting_locks: client
                .prepare(&WAITING_LOCKS.replace("{order}", order))
                .await?,
            limits: client.prepare(&with_client(LIMITS)).await?,
            by_application: client.prepare(&with_client(BY_APPLICATION)).await?,
            counters: client.prepare(COUNTERS).await?,
        })
    }

    pub(super) async fn backends(&self, client: &Client) -> Result<Vec<Backend>, Error> {
        let rows = client.query(&self.backends, &[&BACKENDS_MAX]).await?;
        rows.iter()
            .map(|row| {
                Ok(Backend {
                    pid: row.try_get(0)?,
                    leader_pid: row.try_get(1)?,
                    database: text(row, 2)?,
                    user: text(row, 3)?,
                    application: text(row, 4)?,
                    client_addr: text(row, 5)?,
                    backend_type: text(row, 6)?,
                    state: text(row, 7)?,
                    wait_event_type: text(row, 8)?,
                    wait_event: text(row, 9)?,
                    transaction_age: age(row, 10)?,
                    query_age: age(row, 11)?,
                    state_age: age(row, 12)?,
                    query: text(row, 13)?,
                    own: false,
                })
            })
            .collect()
    }

    /// Roots with what is known of them, and the edges.
    pub(super) async fn roots(
        &self,
        client: &Client,
    ) -> Result<(Vec<BlockRoot>, Vec<BlockEdge>), Error> {
        let most = i64::try_from(EDGES_MAX).unwrap_or(i64::MAX);
        let (mut roots, mut edges) = (Vec::new(), Vec::new());
        for row in &client.query(&self.roots, &[&most]).await? {
            if let Some(waiter) = row.try_get(7)? {
                let blocker = row.try_get(0)?;
                edges.push(BlockEdge { waiter, blocker });
                continue;
            }
            roots.push(BlockRoot {
                pid: row.try_get(0)?,
                state: text(row, 1)?,
                wait_event: text(row, 2)?,
                application: text(row, 3)?,
                transaction_age: age(row, 4)?,
                victims: count(row, 5)?,
                query: text(row, 6)?,
            });
        }
        Ok((roots, edges))
    }

    pub(super) async fn waiting_locks(&self, client: &Client) -> Result<Vec<WaitingLock>, Error> {
        let rows = client.query(&self.waiting_locks, &[]).await?;
        rows.iter()
            .map(|row| {
                Ok(WaitingLock {
                    pid: row.try_get::<_, Option<i32>>(0)?.unwrap_or(0),
                    locktype: text(row, 1)?,
                    mode: text(row, 2)?,
                    relation: text(row, 3)?,
                    query: text(row, 4)?,
                })
            })
            .collect()
    }

    /// Limits and who has what, for pools of these users and databases.
    pub(super) async fn limits(
        &self,
        client: &Client,
        users: &[String],
        databases: &[String],
    ) -> Result<(Limits, Vec<(String, u32)>), Error> {
        let row = client
            .query_one(&self.limits, &[&users, &databases])
            .await?;
        let smallest: Option<i64> = row.try_get(4)?;
        let limits = Limits {
            max_connections: count(&row, 0)?,
            reserved: count(&row, 1)?,
            client_backends: count(&row, 2)?,
            own_backends: count(&row, 3)?,
            role_or_database_limit: smallest.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        };
        let rows = client.query(&self.by_application, &[]).await?;
        let by_application = rows
            .iter()
            .map(|row| Ok((text(row, 0)?, count(row, 1)?)))
            .collect::<Result<_, Error>>()?;
        Ok((limits, by_application))
    }

    pub(super) async fn counters(
        &self,
        client: &Client,
        databases: &[String],
    ) -> Result<DatabaseCounters, Error> {
        let row = client.query_one(&self.counters, &[&databases]).await?;
        Ok(DatabaseCounters {
            commits: row.try_get(0)?,
            rollbacks: row.try_get(1)?,
            deadlocks: row.try_get(2)?,
            blocks_read: row.try_get(3)?,
            blocks_hit: row.try_get(4)?,
            temp_bytes: row.try_get(5)?,
            seq_tup_read: row.try_get(6)?,
        })
    }
}
