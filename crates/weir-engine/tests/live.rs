//! New settings and console acts while everything runs.

#![allow(clippy::unwrap_used, reason = "a scenario that is wrong should stop")]

mod scenario;

use std::sync::Arc;
use std::time::Duration;

use scenario::{Scenario, ms, pool};
use weir_model::{
    DatabaseAct, Event, NewSettings, Order, OrderRefused, PoolMode, PoolSettings, PoolSize,
    PoolerSettings, Secret, Shutdown,
};

fn named(name: &str, size: u32) -> PoolSettings {
    let mut p = pool(size);
    p.database = name.into();
    p
}

/// Runs these settings; what is said to have changed.
fn configure(s: &mut Scenario, settings: PoolerSettings) -> Result<Vec<String>, OrderRefused> {
    s.orders(Order::Configure {
        request: 1,
        settings: NewSettings(Arc::new(settings)),
    });
    match s.events.pop() {
        Some(Event::Configured { request: 1, result }) => result,
        Some(other) => {
            // Others may be told behind it.
            let found = s.events.iter().rev().find_map(|e| match e {
                Event::Configured { result, .. } => Some(result.clone()),
                _ => None,
            });
            s.events.push(other);
            found.unwrap()
        }
        None => panic!("no answer"),
    }
}

fn act(s: &mut Scenario, act: DatabaseAct, database: Option<&str>) -> Option<Result<(), String>> {
    let before = answers(s).len();
    s.orders(Order::Database {
        request: 9,
        act,
        database: database.map(Into::into),
    });
    answers(s).get(before).cloned()
}

fn answers(s: &Scenario) -> Vec<Result<(), String>> {
    s.events
        .iter()
        .filter_map(|e| match e {
            Event::OrderDone { result, .. } => Some(result.clone().map_err(|r| r.to_string())),
            _ => None,
        })
        .collect()
}

#[test]
fn a_size_in_new_settings_counts_at_once_and_one_that_stayed_leaves_controls_alone() {
    let settings = PoolerSettings::trusting(pool(1));
    let mut s = Scenario::of(settings.clone());
    let ids: Vec<_> = (0..3).map(|_| s.logs_in()).collect();
    for id in &ids {
        s.asks(*id, "begin");
    }
    let mut more = settings.clone();
    more.pools[0].size = PoolSize::Fixed(2.try_into().unwrap());
    let said = configure(&mut s, more.clone()).unwrap();
    assert_eq!(said, ["database * has other settings"]);
    assert_eq!(s.hears(ids[1]), "[BEGIN] ZT");
    assert_eq!(s.hears(ids[2]), "");
    s.orders(Order::Resize {
        pool: s.pool(),
        size: 3,
    });
    assert_eq!(s.hears(ids[2]), "[BEGIN] ZT");
    more.pools[0].query_wait_timeout = Duration::from_secs(7);
    configure(&mut s, more).unwrap();
    assert_eq!(
        s.engine.snapshot(0).pools[0].size,
        3,
        "control's size stays"
    );
}

#[test]
fn nothing_changes_if_nothing_is_different() {
    let settings = PoolerSettings::trusting(pool(1));
    let mut s = Scenario::of(settings.clone());
    let ann = s.logs_in();
    s.says(ann, "begin");
    assert_eq!(configure(&mut s, settings).unwrap(), Vec::<String>::new());
    assert_eq!(s.says(ann, "commit"), "[COMMIT] ZI");
    assert_eq!(s.ends(), Vec::<String>::new());
}

#[test]
fn settings_that_can_not_be_used_change_nothing() {
    let settings = PoolerSettings::trusting(pool(1));
    let mut s = Scenario::of(settings.clone());
    let mut bad = settings;
    bad.client_max = 1;
    bad.users
        .insert("ann".into(), Secret("SCRAM-SHA-256$nonsense".into()));
    let refused = configure(&mut s, bad).unwrap_err().to_string();
    assert!(
        refused.contains("the secret of user \"ann\" can't be used"),
        "{refused}"
    );
    assert!(!refused.contains("nonsense"));
    s.comes("app", "ann");
    s.comes("app", "bob");
}

#[test]
fn servers_that_lead_elsewhere_are_replaced_as_they_come_free() {
    let settings = PoolerSettings::trusting(named("app", 2));
    let mut s = Scenario::of(settings.clone());
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    s.says(bob, "begin");
    s.says(bob, "commit");
    let mut new = settings;
    new.pools[0].server_database = Some("other".into());
    let said = configure(&mut s, new).unwrap();
    assert_eq!(
        said,
        ["database app leads elsewhere: its servers are replaced as they come free"]
    );
    assert_eq!(s.ends(), ["database configuration changed"]);
    assert_eq!(s.says(ann, "commit"), "[COMMIT] ZI");
    assert_eq!(s.ends()[1], "obsolete connection");
    assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZI");
    let last = s.servers.values().next_back().unwrap();
    assert!(last.startup.contains(&("database".into(), "other".into())));
}

#[test]
fn clients_of_a_database_that_is_gone_are_told_so() {
    let settings = PoolerSettings::of(vec![named("a", 1), named("b", 1)]);
    let mut s = Scenario::of(settings.clone());
    let [ann, bob] = [s.comes("a", "ann"), s.comes("b", "bob")];
    let mut new = settings;
    new.pools.remove(0);
    assert_eq!(
        configure(&mut s, new.clone()).unwrap(),
        ["database a is gone"]
    );
    assert_eq!(s.hears(ann), "FATAL(57P01 database removed) closed");
    assert_eq!(s.says(bob, "select 1"), "<select 1> [SELECT 1] ZI");
    assert!(s.is_refused("a", "ann").contains("no such database: a"));
    // And may come back.
    new.pools.push(named("a", 1));
    configure(&mut s, new).unwrap();
    let ann = s.comes("a", "ann");
    assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZI");
}

#[test]
fn a_lifetime_in_new_settings_counts_for_servers_that_are_open() {
    let settings = PoolerSettings::trusting(pool(1));
    let mut s = Scenario::of(settings.clone());
    s.logs_in();
    s.after(ms(1000));
    let mut new = settings;
    let mut server = (*new.pools[0].server).clone();
    server.lifetime = Duration::from_secs(2);
    new.pools[0].server = server.into();
    configure(&mut s, new).unwrap();
    assert_eq!(s.open_servers().len(), 1);
    s.after(ms(1500));
    assert_eq!(s.ends(), ["server_lifetime"]);
}

#[test]
fn a_users_secret_that_changed_counts_for_the_next_login() {
    let mut settings = PoolerSettings::trusting(pool(1));
    settings.users.insert("ann".into(), Secret("one".into()));
    let mut s = Scenario::of(settings.clone());
    let ann = s.comes("app", "ann");
    assert!(
        s.is_refused("app", "bob")
            .contains("\"trust\" authentication failed")
    );
    settings.users.insert("ann".into(), Secret("two".into()));
    settings.users.insert("bob".into(), Secret("x".into()));
    assert_eq!(
        configure(&mut s, settings).unwrap(),
        ["users: 1 new, 0 gone, 1 with another secret"]
    );
    s.comes("app", "bob");
    assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZI");
}

#[test]
fn pause_is_answered_once_no_server_is_in_use_and_resume_lets_all_go_on() {
    let mut s = Scenario::of(PoolerSettings::of(vec![named("a", 1), named("b", 1)]));
    let [ann, amy, bob] = [
        s.comes("a", "ann"),
        s.comes("a", "ann"),
        s.comes("b", "bob"),
    ];
    s.says(ann, "begin");
    assert_eq!(act(&mut s, DatabaseAct::Pause, Some("a")), None);
    assert_eq!(s.says(amy, "select 1"), "", "nothing new begins");
    assert_eq!(s.says(bob, "select 1"), "<select 1> [SELECT 1] ZI");
    assert_eq!(s.says(ann, "select 2"), "<select 2> [SELECT 1] ZT");
    assert_eq!(s.says(ann, "commit"), "[COMMIT] ZI");
    assert_eq!(answers(&s), [Ok(())]);
    assert_eq!(s.ends(), ["pause mode"]);
    assert_eq!(act(&mut s, DatabaseAct::Resume, Some("a")), Some(Ok(())));
    assert_eq!(s.hears(amy), "<select 1> [SELECT 1] ZI");
}

#[test]
fn pausing_everything_twice_or_resuming_what_runs_is_refused() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    let not_paused = Some(Err("pooler is not paused/suspended".to_owned()));
    assert_eq!(act(&mut s, DatabaseAct::Resume, None), not_paused);
    assert_eq!(act(&mut s, DatabaseAct::Pause, None), Some(Ok(())));
    let already = Some(Err("already suspended/paused".to_owned()));
    assert_eq!(act(&mut s, DatabaseAct::Pause, None), already);
    let bob = s.logs_in_with("bob", &[("database", "new")]);
    assert_eq!(s.hears(bob), "", "a database that is new is paused too");
    assert_eq!(s.says(ann, "select 1"), "");
    assert_eq!(act(&mut s, DatabaseAct::Resume, None), Some(Ok(())));
    assert_eq!(s.hears(ann), "<select 1> [SELECT 1] ZI");
    assert!(s.hears(bob).ends_with("ZI"));
}

#[test]
fn a_database_that_nobody_knows_is_named() {
    let mut s = Scenario::of(PoolerSettings::of(vec![named("a", 1)]));
    for what in [DatabaseAct::Pause, DatabaseAct::Kill, DatabaseAct::Disable] {
        let said = act(&mut s, what, Some("dne"));
        assert_eq!(said, Some(Err("no such database: dne".to_owned())));
    }
}

#[test]
fn a_disabled_database_takes_nobody_new() {
    let mut s = Scenario::with(pool(1));
    let ann = s.comes("app", "ann");
    act(&mut s, DatabaseAct::Disable, Some("app"));
    assert_eq!(
        s.is_refused("app", "bob"),
        "FATAL(57P03 database \"app\" is disabled) closed"
    );
    assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZI");
    act(&mut s, DatabaseAct::Enable, Some("app"));
    s.comes("app", "bob");
}

#[test]
fn kill_closes_clients_and_servers_of_that_database_and_new_ones_wait() {
    let mut s = Scenario::of(PoolerSettings::of(vec![named("a", 1), named("b", 1)]));
    let [ann, bob] = [s.comes("a", "ann"), s.comes("b", "bob")];
    s.says(ann, "begin");
    assert_eq!(act(&mut s, DatabaseAct::Kill, Some("a")), Some(Ok(())));
    assert!(s.hears(ann).ends_with("closed"));
    assert_eq!(s.says(bob, "select 1"), "<select 1> [SELECT 1] ZI");
    assert_eq!(s.engine.snapshot(0).clients.len(), 1);
    let ann = s.logs_in_with("ann", &[("database", "a")]);
    let came = s.hears(ann);
    s.asks(ann, "select 1");
    let said = came + &s.hears(ann);
    assert!(!said.contains("SELECT"), "{said}");
    act(&mut s, DatabaseAct::Resume, Some("a"));
    assert!(s.hears(ann).ends_with("<select 1> [SELECT 1] ZI"));
}

#[test]
fn reconnect_replaces_servers_and_wait_close_waits_for_the_old_ones() {
    let mut s = Scenario::with(pool(2));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    s.says(bob, "begin");
    s.says(bob, "commit");
    let before = s.open_servers();
    act(&mut s, DatabaseAct::Reconnect, Some("app"));
    assert_eq!(act(&mut s, DatabaseAct::WaitClose, Some("app")), None);
    assert_eq!(s.says(bob, "select 1"), "<select 1> [SELECT 1] ZI");
    let told = answers(&s).len();
    s.says(ann, "commit");
    assert_eq!(answers(&s).len(), told + 1);
    assert!(s.open_servers().iter().all(|id| !before.contains(id)));
}

#[test]
fn a_fast_close_takes_an_unused_session_with_it() {
    let mut p = pool(1);
    p.mode = PoolMode::Session;
    let mut settings = PoolerSettings::trusting(p);
    settings.server_fast_close = true;
    let mut s = Scenario::of(settings);
    let ann = s.logs_in();
    s.says(ann, "select 1");
    act(&mut s, DatabaseAct::Reconnect, None);
    assert!(s.hears(ann).ends_with("closed"));
    assert_eq!(s.ends(), ["database configuration changed"]);
}

#[test]
fn a_suspended_pooler_listens_to_nobody_and_forgets_nothing() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.asks(ann, "slow 1");
    s.orders(Order::Suspend { request: 3 });
    assert_eq!(answers(&s), [], "ann's answer is due");
    s.asks(bob, "select 1");
    let server = s.open_servers()[0];
    s.finishes(server);
    assert!(s.hears(ann).ends_with("[SELECT 1] ZI"));
    assert_eq!(answers(&s), [Ok(())]);
    assert_eq!(s.says(ann, "select 2"), "");
    s.after(ms(30_000));
    assert_eq!(s.hears(bob), "");
    act(&mut s, DatabaseAct::Resume, None);
    s.pump();
    assert_eq!(s.hears(ann), "<select 2> [SELECT 1] ZI");
    assert_eq!(s.hears(bob), "<select 1> [SELECT 1] ZI");
}

#[test]
fn waiting_for_servers_ends_when_the_last_transaction_does() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob, cy] = [s.logs_in(), s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    s.asks(bob, "select 1");
    s.orders(Order::Shutdown {
        how: Shutdown::WaitForServers,
    });
    assert_eq!(s.hears(bob), "FATAL(57P01 server shutting down) closed");
    assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZT");
    assert_eq!(
        s.says(cy, "select 1"),
        "FATAL(57P01 server shutting down) closed"
    );
    let resume = act(&mut s, DatabaseAct::Resume, None);
    assert_eq!(resume, Some(Err("pooler is shutting down".to_owned())));
    assert!(!s.exited);
    s.says(ann, "commit");
    s.after(ms(1000));
    assert!(s.exited);
}

#[test]
fn waiting_for_clients_ends_when_the_last_one_leaves_and_serves_until_then() {
    let mut s = Scenario::with(pool(1));
    let ann = s.comes("app", "ann");
    s.comes("pgbouncer", "ann");
    s.orders(Order::Shutdown {
        how: Shutdown::WaitForClients,
    });
    assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZI");
    assert!(s.is_refused("app", "bob").contains("shutting down"));
    s.after(ms(5000));
    assert!(!s.exited);
    s.leaves(ann);
    s.after(ms(1000));
    assert!(s.exited, "the console holds nobody back");
}

#[test]
fn a_second_shutdown_may_be_harder() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.says(ann, "begin");
    for how in [Shutdown::WaitForClients, Shutdown::Now] {
        assert!(!s.exited);
        s.orders(Order::Shutdown { how });
    }
    assert!(s.exited);
    assert!(s.hears(ann).ends_with("closed"));
}

#[test]
fn kill_client_says_who_did_it() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.orders(Order::KillClient { client: ann });
    assert_eq!(s.hears(ann), "FATAL(57P01 admin forced disconnect) closed");
    s.orders(Order::KillClient { client: ann });
    assert_eq!(answers(&s)[1], Err("client not found".to_owned()));
}
