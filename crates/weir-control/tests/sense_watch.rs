//! The watch connection against a real PostgreSQL: lock chains, idle transactions, limits, roles with
//! and without pg_monitor, a server that goes away and comes back.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, NoTls};
use weir_control::sense::view::{ServerView, WatchFailure};
use weir_control::sense::watch::VIEWS_MAX;
use weir_control::sense::{WatchHandle, WatchSettings, watch};
use weir_lab::pg::{PgOptions, PrivatePostgres};
use weir_model::{Instant, PoolKey, ServerSettings};

/// A private PostgreSQL.
struct Postgres {
    server: PrivatePostgres,
    port: u16,
}

impl Postgres {
    fn start(settings: &[(&str, &str)]) -> Self {
        let mut options = PgOptions::for_tests();
        for (name, value) in settings {
            options = options.set(name, value);
        }
        let server = PrivatePostgres::start(&options).unwrap();
        let port = server.port();
        Self { server, port }
    }

    async fn client(&self, user: &str, application: &str) -> Client {
        let config = format!(
            "host=127.0.0.1 port={} user={user} dbname=postgres application_name={application}",
            self.port
        );
        let (client, connection) = tokio_postgres::connect(&config, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn watch(&self, user: Option<&str>, host: &str) -> (WatchHandle, Receiver<ServerView>) {
        let mut server = ServerSettings::at(host, self.port);
        server.watch_user = user.map(Into::into);
        let settings = WatchSettings {
            server: Arc::new(server),
            cluster: "test:1".to_owned(),
            instance: "a".to_owned(),
        };
        let (handle, views, work) = watch(settings, clock());
        tokio::spawn(work);
        (handle, views)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "stands in for main, which owns the clock"
)]
fn clock() -> impl Fn() -> Instant + Send + Sync + 'static {
    let zero = std::time::Instant::now();
    move || {
        let nanos = u64::try_from(zero.elapsed().as_nanos()).unwrap();
        Instant::from_nanos(nanos + 1_000_000_000)
    }
}

/// The next view for which `wanted` holds; fails the test after ten seconds, showing the last.
async fn view_with(
    views: &mut Receiver<ServerView>,
    wanted: impl Fn(&ServerView) -> bool,
) -> ServerView {
    let mut last = None;
    let found = async {
        loop {
            let view = views.recv().await.expect("the watch goes on");
            if wanted(&view) {
                return view;
            }
            last = Some(view);
        }
    };
    match timeout(Duration::from_secs(10), found).await {
        Ok(view) => view,
        Err(_) => panic!("no such view within ten seconds; the last was {last:#?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_chain_shows_its_root_and_an_idle_transaction_its_age() {
    let pg = Postgres::start(&[]);
    let boss = pg.client("postgres", "postgres").await;
    boss.batch_execute(
        "CREATE TABLE orders (id int PRIMARY KEY, n int); INSERT INTO orders VALUES (1, 0);
         CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor",
    )
    .await
    .unwrap();
    let (_handle, mut views) = pg.watch(Some("monitor"), "127.0.0.1");
    let calm = view_with(&mut views, |v| v.outcome.is_ok()).await;
    assert!(calm.sees_all);
    assert!((13..=18).contains(&(calm.version / 10_000)));
    assert!(calm.postmaster_started.is_some());
    assert!(calm.roots.is_empty() && calm.waiting_locks.is_empty());
    assert!(
        calm.limits.is_some() && calm.counters.is_some(),
        "the first look has all"
    );

    let holder = pg.client("postgres", "forgetful").await;
    holder
        .batch_execute("BEGIN; UPDATE orders SET n = 1 WHERE id = 1")
        .await
        .unwrap();
    let mut victims = Vec::new();
    for n in 0..3 {
        let victim = pg.client("postgres", &format!("victim{n}")).await;
        victims.push(tokio::spawn(async move {
            victim
                .batch_execute("UPDATE orders SET n = 2 WHERE id = 1")
                .await
        }));
    }
    let ddl = pg.client("postgres", "migration").await;
    victims.push(tokio::spawn(async move {
        ddl.batch_execute("ALTER TABLE orders ADD COLUMN x int")
            .await
    }));

    let view = view_with(&mut views, |v| {
        v.roots.first().is_some_and(|r| r.victims == 4) && v.waiting_locks.len() >= 4
    })
    .await;
    let root = &view.roots[0];
    assert_eq!(root.application, "forgetful");
    assert_eq!(root.state, "idle in transaction");
    // Every one that waits has an edge, and following edges from any of them ends at the root.
    assert!(calm.edges.is_empty());
    for backend in view.backends.iter().filter(|b| b.wait_event_type == "Lock") {
        let mut pid = backend.pid;
        for _ in 0..10 {
            match view.edges.iter().find(|edge| edge.waiter == pid) {
                Some(edge) => pid = edge.blocker,
                None => break,
            }
        }
        assert_eq!(pid, root.pid, "{:?}", view.edges);
    }
    assert!(root.query.contains("UPDATE orders SET n = 1"), "{root:?}");
    assert!(root.transaction_age.is_some());
    let holder_seen = view
        .backends
        .iter()
        .find(|b| b.application == "forgetful")
        .unwrap();
    assert_eq!(holder_seen.pid, root.pid);
    assert_eq!(
        (&*holder_seen.wait_event_type, &*holder_seen.wait_event),
        ("Client", "ClientRead")
    );
    let waiting: Vec<_> = view
        .backends
        .iter()
        .filter(|b| b.wait_event_type == "Lock")
        .collect();
    assert_eq!(waiting.len(), 4);
    let ddl_lock = view
        .waiting_locks
        .iter()
        .find(|l| l.mode == "AccessExclusiveLock")
        .unwrap();
    assert_eq!(
        (&*ddl_lock.locktype, &*ddl_lock.relation),
        ("relation", "orders")
    );
    assert!(ddl_lock.query.starts_with("ALTER TABLE"));

    // Ages grow; then the holder lets go and the chain is gone.
    let later = view_with(&mut views, |v| {
        v.roots
            .first()
            .is_some_and(|r| r.transaction_age > Some(Duration::from_secs(2)))
    })
    .await;
    assert!(later.at > view.at);
    holder.batch_execute("COMMIT").await.unwrap();
    for victim in victims {
        victim.await.unwrap().unwrap();
    }
    view_with(&mut views, |v| v.outcome.is_ok() && v.roots.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_tell_slots_reserve_and_the_smallest_role_or_database_limit() {
    let pg = Postgres::start(&[
        ("max_connections", "30"),
        ("superuser_reserved_connections", "4"),
    ]);
    let boss = pg.client("postgres", "postgres").await;
    boss.batch_execute(
        "CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor;
         CREATE ROLE web LOGIN CONNECTION LIMIT 7; CREATE ROLE batch LOGIN;",
    )
    .await
    .unwrap();
    let mut kept = vec![
        pg.client("web", "shop").await,
        pg.client("web", "shop").await,
    ];
    let (handle, mut views) = pg.watch(Some("monitor"), "127.0.0.1");
    handle.pools(vec![
        PoolKey::new("postgres", "web"),
        PoolKey::new("postgres", "batch"),
    ]);
    let first = view_with(&mut views, |v| v.limits.is_some()).await;
    let limits = first.limits.unwrap();
    assert_eq!((limits.max_connections, limits.reserved), (30, 4));
    assert_eq!((limits.client_backends, limits.own_backends), (4, 1));
    assert_eq!(limits.role_or_database_limit, Some(7));
    assert_eq!(first.backends_by_application[0], ("shop".to_owned(), 2));
    assert!(
        first
            .backends_by_application
            .contains(&("weir:test_1:a:d=0".to_owned(), 1))
    );

    // On demand at once, and not with the tenth look only.
    handle.demand(9);
    kept.push(pg.client("batch", "night").await);
    handle.look_now();
    let asked = view_with(&mut views, |v| v.limits.is_some()).await;
    assert_eq!(asked.limits.unwrap().client_backends, 5);
    assert!(asked.at.since(first.at) < Duration::from_secs(5));
    let named = asked
        .backends_by_application
        .iter()
        .any(|(name, _)| name == "weir:test_1:a:d=9");
    assert!(named, "{:?}", asked.backends_by_application);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_pg_monitor_it_looks_all_the_same_and_says_what_it_cannot_see() {
    let pg = Postgres::start(&[]);
    let boss = pg.client("postgres", "postgres").await;
    boss.batch_execute("CREATE ROLE nobody LOGIN")
        .await
        .unwrap();
    boss.batch_execute("BEGIN").await.unwrap();
    let mine = pg.client("nobody", "mine").await;
    mine.batch_execute("BEGIN").await.unwrap();
    let socket = pg.server.socket_dir().to_str().unwrap().to_owned();
    let (_handle, mut views) = pg.watch(Some("nobody"), &socket);
    let view = view_with(&mut views, |v| v.outcome.is_ok()).await;
    assert!(!view.sees_all);
    // Its own role's sessions are open to it, others' are not.
    let seen: Vec<_> = view.backends.iter().map(|b| &*b.application).collect();
    assert_eq!(seen, ["mine"]);
    assert_eq!(view.limits.unwrap().client_backends, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_away_is_told_within_a_second_and_found_again() {
    let mut pg = Postgres::start(&[]);
    let (_handle, mut views) = pg.watch(Some("postgres"), "127.0.0.1");
    let before = view_with(&mut views, |v| v.outcome.is_ok()).await;
    pg.server.kill_immediate();
    let first = timeout(
        Duration::from_secs(1),
        view_with(&mut views, |v| v.outcome.is_err()),
    )
    .await
    .expect("told within a second");
    assert!(first.backends.is_empty());
    let second = view_with(&mut views, |v| {
        matches!(&v.outcome, Err(WatchFailure::Unreachable(_)))
    })
    .await;
    assert!(
        second.at.since(first.at) < Duration::from_millis(1_500),
        "{:?} {:?}",
        first.outcome,
        second.outcome
    );
    let Err(WatchFailure::Unreachable(text)) = &second.outcome else {
        panic!("{:?}", second.outcome);
    };
    assert!(
        text.contains("refused") || text.contains("closed"),
        "{text}"
    );
    pg.server.start_again().unwrap();
    let after = view_with(&mut views, |v| v.outcome.is_ok()).await;
    assert!(after.postmaster_started > before.postmaster_started);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_hangs_is_late_every_second_and_nothing_queues_behind_it() {
    let pg = Postgres::start(&[]);
    let boss = pg.client("postgres", "postgres").await;
    let (_handle, mut views) = pg.watch(Some("postgres"), "127.0.0.1");
    view_with(&mut views, |v| v.outcome.is_ok()).await;
    let row = boss
        .query_one(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'weir:%'",
            &[],
        )
        .await
        .unwrap();
    let pid: i32 = row.get(0);
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &pid.to_string()]).status();
        assert!(sent.unwrap().success());
    };
    signal("-STOP");
    let is_late = |v: &ServerView| v.outcome == Err(WatchFailure::Late);
    let first = view_with(&mut views, is_late).await;
    let second = view_with(&mut views, |_| true).await;
    signal("-CONT");
    assert!(is_late(&second));
    let apart = second.at.since(first.at);
    assert!(apart < Duration::from_millis(1_200), "{apart:?}");
    // The look that hung is thrown away; the next is fresh, on the same connection.
    let fresh = view_with(&mut views, |v| v.outcome.is_ok()).await;
    assert!(fresh.took < Duration::from_millis(900), "{:?}", fresh.took);
    assert!(fresh.at >= second.at);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_keep_postgresqls_own_words() {
    let pg = Postgres::start(&[]);
    let (_handle, mut views) = pg.watch(Some("stranger"), "127.0.0.1");
    let view = view_with(&mut views, |v| v.outcome.is_err()).await;
    let Err(WatchFailure::Refused { sqlstate, message }) = view.outcome else {
        panic!("{:?}", view.outcome);
    };
    assert_eq!(sqlstate, "28000");
    assert!(message.contains("stranger"), "{message}");
}

#[tokio::test]
async fn without_a_watch_user_it_says_so_once_and_ends_with_its_receiver() {
    let settings = WatchSettings {
        server: Arc::new(ServerSettings::at("127.0.0.1", 1)),
        cluster: "c".to_owned(),
        instance: "i".to_owned(),
    };
    let (_handle, mut views, work) = watch(settings, clock());
    let work = tokio::spawn(work);
    let view = views.recv().await.unwrap();
    assert_eq!(view.outcome, Err(WatchFailure::NotConfigured));
    assert!(
        timeout(Duration::from_millis(300), views.recv())
            .await
            .is_err()
    );
    drop(views);
    timeout(Duration::from_secs(1), work)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_server_that_never_answers_is_told_every_second() {
    // Accepts by its backlog, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = ServerSettings::at("127.0.0.1", silent.local_addr().unwrap().port());
    server.watch_user = Some("postgres".into());
    let settings = WatchSettings {
        server: Arc::new(server),
        cluster: "c".to_owned(),
        instance: "i".to_owned(),
    };
    let (_handle, mut views, work) = watch(settings, clock());
    let work = tokio::spawn(work);
    let mut last = Instant::ZERO;
    for seconds in 1..=3 {
        let view = timeout(Duration::from_millis(1_500), views.recv())
            .await
            .unwrap()
            .unwrap();
        let said = format!("no answer to a login for {seconds} s");
        assert_eq!(view.outcome, Err(WatchFailure::Unreachable(said)));
        assert!(view.at > last);
        last = view.at;
    }
    drop(views);
    timeout(Duration::from_secs(1), work)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_takes_no_views_holds_it_up() {
    let pg = Postgres::start(&[]);
    let (handle, mut views) = pg.watch(Some("postgres"), "127.0.0.1");
    for _ in 0..2 * VIEWS_MAX {
        handle.look_now();
        sleep(Duration::from_millis(250)).await;
    }
    // Without waiting: what is looked at meanwhile would count, too.
    let mut taken = 0;
    while views.try_recv().is_ok() {
        taken += 1;
    }
    assert_eq!(taken, VIEWS_MAX);
    view_with(&mut views, |v| v.outcome.is_ok()).await;
}
