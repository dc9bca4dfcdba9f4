//! Caps: of clients and servers, by database and by user; the reserve; who makes way for whom.

#![allow(clippy::unwrap_used, reason = "a scenario that is wrong should stop")]

mod scenario;

use std::time::Duration;

use scenario::{Scenario, ms, pool};
use weir_model::{Event, PoolMode, PoolSettings, PoolSize, PoolerSettings, UserSettings};

fn named(name: &str, size: u32) -> PoolSettings {
    let mut p = pool(size);
    p.database = name.into();
    p
}

fn open_in(s: &Scenario, database: &str) -> usize {
    s.engine
        .snapshot(0)
        .servers
        .iter()
        .filter(|r| &*r.key.database == database)
        .count()
}

#[test]
fn clients_beyond_a_databases_cap_are_refused_with_numbers() {
    let mut p = pool(3);
    p.clients_max = 2;
    let mut s = Scenario::with(p);
    let ann = s.comes("app", "ann");
    s.comes("app", "bob");
    let said = s.is_refused("app", "cy");
    assert_eq!(
        said,
        "FATAL(53300 client connections exceeded (max_db_client_connections): 2 of 2 clients of \
         database \"app\" are connected) closed"
    );
    s.leaves(ann);
    s.comes("app", "cy");
}

#[test]
fn clients_beyond_a_users_cap_are_refused_in_every_database() {
    let mut settings = PoolerSettings::of(vec![named("a", 2), named("b", 2)]);
    settings.user_clients_max = 1;
    let more = UserSettings {
        clients_max: Some(2),
        ..UserSettings::default()
    };
    settings.user_settings.insert("vip".into(), more);
    let mut s = Scenario::of(settings);
    s.comes("a", "ann");
    let said = s.is_refused("b", "ann");
    assert!(
        said.contains("(max_user_client_connections): 1 of 1"),
        "{said}"
    );
    s.comes("a", "vip");
    s.comes("b", "vip");
    assert!(s.is_refused("b", "vip").contains("2 of 2"));
}

#[test]
fn a_full_database_lets_the_console_in() {
    let mut settings = PoolerSettings::trusting(pool(1));
    settings.client_max = 1;
    let mut s = Scenario::of(settings);
    s.comes("app", "ann");
    assert!(s.is_refused("app", "bob").contains("max_client_conn"));
    s.comes("pgbouncer", "ann");
}

#[test]
fn an_idle_server_of_another_pool_makes_way_under_the_databases_cap() {
    let mut p = pool(2);
    p.connections_max = 2;
    let mut s = Scenario::with(p);
    let users = ["ann", "bob", "cy", "dan"];
    for user in users {
        let id = s.comes("app", user);
        assert_eq!(s.says(id, "select 1"), "<select 1> [SELECT 1] ZI");
        assert!(open_in(&s, "app") <= 2);
        s.after(ms(10));
    }
    assert_eq!(s.ends(), ["evicted", "evicted"]);
}

#[test]
fn who_waits_under_a_cap_gets_the_place_of_the_next_that_comes_free() {
    let mut p = pool(2);
    p.connections_max = 1;
    let mut s = Scenario::with(p);
    let ann = s.comes("app", "ann");
    assert_eq!(s.says(ann, "begin"), "[BEGIN] ZT");
    // The first of a pool waits at login: nothing is known of its server yet.
    let bob = s.logs_in_with("bob", &[]);
    assert_eq!(s.hears(bob), "");
    assert_eq!(s.says(ann, "commit"), "[COMMIT] ZI");
    assert!(s.hears(bob).ends_with("ZI"));
    assert_eq!(s.says(bob, "select 1"), "<select 1> [SELECT 1] ZI");
    assert_eq!(open_in(&s, "app"), 1);
    assert_eq!(s.ends(), ["evicted"]);
}

#[test]
fn a_pool_whose_clients_never_pause_does_not_starve_another_under_the_cap() {
    let mut p = pool(1);
    p.connections_max = 1;
    let mut s = Scenario::with(p);
    let [ann, amy] = [s.comes("app", "ann"), s.comes("app", "ann")];
    assert_eq!(s.says(ann, "begin"), "[BEGIN] ZT");
    let bob = s.logs_in_with("bob", &[]);
    s.after(ms(1500));
    // Somebody of the same pool asks shortly before the server comes free, each time.
    assert_eq!(s.says(amy, "begin"), "");
    assert_eq!(s.says(ann, "commit"), "[COMMIT] ZI");
    assert!(s.hears(bob).ends_with("ZI"), "bob has waited longest");
    // Now bob pauses, and amy waits: it is her turn, and then bob's again.
    assert_eq!(s.hears(amy), "[BEGIN] ZT");
    assert_eq!(s.says(bob, "select 1"), "");
    assert_eq!(s.says(amy, "commit"), "[COMMIT] ZI");
    assert_eq!(s.hears(bob), "<select 1> [SELECT 1] ZI");
}

#[test]
fn who_waits_in_vain_under_a_cap_is_told_that_it_is_saturated_and_not_down() {
    let mut p = pool(2);
    p.connections_max = 1;
    p.query_wait_timeout = Duration::from_secs(2);
    let mut s = Scenario::with(p);
    let ann = s.comes("app", "ann");
    s.says(ann, "begin");
    let bob = s.logs_in_with("bob", &[]);
    let amy = s.comes("app", "ann");
    s.asks(amy, "select 1");
    s.after(ms(2500));
    let cap = "database \"app\" has 1 of 1 servers (max_db_connections)";
    assert_eq!(
        s.hears(bob),
        format!(
            "FATAL(53300 query_wait_timeout: no server of app/bob came free in 2 s: saturated, {cap}) closed"
        )
    );
    let said = s.hears(amy);
    assert!(
        said.contains("saturated, 1 of 2 active, 0 clients ahead; "),
        "{said}"
    );
    assert!(said.contains(cap), "{said}");
}

#[test]
fn a_users_cap_counts_servers_over_all_databases() {
    let settings = PoolerSettings::of(vec![named("a", 3), named("b", 3)]);
    let cap = UserSettings {
        connections_max: Some(2),
        ..UserSettings::default()
    };
    let mut settings = settings;
    settings.user_settings.insert("ann".into(), cap);
    let mut s = Scenario::of(settings);
    let a: Vec<_> = (0..3).map(|_| s.comes("a", "ann")).collect();
    for id in &a {
        s.asks(*id, "begin");
    }
    assert_eq!(open_in(&s, "a"), 2);
    let b = s.logs_in_with("ann", &[("database", "b")]);
    assert_eq!(s.hears(b), "");
    assert_eq!(open_in(&s, "b"), 0);
    s.comes("b", "bob");
    for id in &a {
        s.says(*id, "commit");
        s.says(*id, "commit");
    }
    assert!(s.hears(b).ends_with("ZI"));
    let row = s.engine.snapshot(0);
    let ann = row.users.iter().find(|u| &*u.name == "ann").unwrap();
    assert!(ann.servers <= 2, "{ann:?}");
    assert_eq!(ann.clients, 4);
}

#[test]
fn sizes_are_the_users_then_the_databases() {
    let mut p = pool(2);
    p.mode = PoolMode::Transaction;
    let mut settings = PoolerSettings::trusting(p);
    let own = UserSettings {
        size: 1.try_into().ok(),
        mode: Some(PoolMode::Session),
        ..UserSettings::default()
    };
    settings.user_settings.insert("small".into(), own);
    let mut s = Scenario::of(settings);
    for user in ["ann", "small"] {
        let ids: Vec<_> = (0..4).map(|_| s.comes("app", user)).collect();
        for id in ids {
            s.asks(id, "begin");
        }
    }
    let rows = s.engine.snapshot(0).pools;
    let of = |user: &str| rows.iter().find(|r| &*r.key.user == user).unwrap();
    assert_eq!((of("ann").size, of("ann").servers.active), (2, 2));
    assert_eq!((of("small").size, of("small").servers.active), (1, 1));
    assert_eq!(of("small").mode, PoolMode::Session);
}

#[test]
fn a_forced_user_shares_one_pool_and_its_size() {
    let mut p = pool(2);
    p.user = Some("boss".into());
    let mut settings = PoolerSettings::trusting(p);
    let own = UserSettings {
        size: 1.try_into().ok(),
        ..UserSettings::default()
    };
    settings.user_settings.insert("ann".into(), own);
    let mut s = Scenario::of(settings);
    for user in ["ann", "bob", "ann"] {
        let id = s.comes("app", user);
        s.asks(id, "begin");
    }
    let snapshot = s.engine.snapshot(0);
    assert_eq!(snapshot.pools.len(), 1);
    assert_eq!(&*snapshot.pools[0].key.user, "boss");
    assert_eq!(snapshot.pools[0].servers.active, 2);
    for server in s.servers.values() {
        assert!(server.startup.contains(&("user".into(), "boss".into())));
    }
}

#[test]
fn the_reserve_opens_for_who_has_waited_long_and_not_before() {
    let mut p = pool(1);
    p.reserve_size = 1;
    p.reserve_timeout = Duration::from_secs(2);
    let mut s = Scenario::with(p);
    let ids: Vec<_> = (0..3).map(|_| s.logs_in()).collect();
    for id in &ids {
        s.asks(*id, "begin");
    }
    assert_eq!(s.hears(ids[0]), "[BEGIN] ZT");
    s.after(ms(1900));
    assert_eq!(s.hears(ids[1]), "");
    s.after(ms(200));
    assert_eq!(s.hears(ids[1]), "[BEGIN] ZT");
    s.after(ms(5000));
    assert_eq!(s.hears(ids[2]), "", "the reserve is one server");
    assert_eq!(s.logged("taking connection from reserve_pool"), 1);
}

#[test]
fn min_pool_size_is_kept_open_within_the_caps_and_evicts_nobody() {
    let mut p = pool(10);
    p.size_min = 5;
    p.connections_max = 3;
    let mut s = Scenario::with(p);
    s.after(ms(2000));
    assert_eq!(s.open_servers().len(), 0, "nobody came yet");
    s.comes("app", "ann");
    s.after(ms(2000));
    assert_eq!(s.open_servers().len(), 3);
    s.comes("app", "bob");
    s.after(ms(2000));
    assert_eq!(s.open_servers().len(), 3);
    assert_eq!(s.ends(), ["evicted"], "bob needs one, and no more than one");
}

#[test]
fn a_forced_user_has_its_servers_before_anybody_comes() {
    let mut p = named("z", 5);
    p.user = Some("boss".into());
    p.size_min = 3;
    let mut s = Scenario::with(p);
    s.after(ms(2000));
    assert_eq!(s.open_servers().len(), 3);
}

#[test]
fn round_robin_takes_the_server_unused_for_longest() {
    for (round_robin, expected) in [(false, 1), (true, 3)] {
        let mut p = pool(3);
        p.round_robin = round_robin;
        let mut s = Scenario::with(p);
        let ids: Vec<_> = (0..3).map(|_| s.logs_in()).collect();
        for id in &ids {
            s.says(*id, "begin");
        }
        for id in &ids {
            s.says(*id, "commit");
        }
        let mut used = std::collections::BTreeSet::new();
        for _ in 0..3 {
            s.says(ids[0], "begin");
            used.insert(s.server_of(ids[0]));
            s.says(ids[0], "commit");
        }
        assert_eq!(used.len(), expected);
    }
}

#[test]
fn a_pool_that_nobody_uses_goes_to_sleep_and_wakes_for_the_next() {
    let mut p = pool(1);
    p.pool_idle_timeout = Duration::from_secs(2);
    let mut server = (*p.server).clone();
    server.idle_timeout = Duration::from_secs(1);
    p.server = server.into();
    let mut s = Scenario::with(p);
    let ann = s.comes("app", "ann");
    s.says(ann, "select 1");
    s.after(ms(5000));
    assert_eq!(s.engine.snapshot(0).pools.len(), 1, "ann is still here");
    s.leaves(ann);
    s.after(ms(5000));
    assert_eq!(s.engine.snapshot(0).pools.len(), 0);
    assert_eq!(s.logged("cleaning up idle pool"), 1);
    let ann = s.comes("app", "ann");
    assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZI");
    let opened = |e: &&Event| matches!(e, Event::PoolOpened { .. });
    assert_eq!(s.events.iter().filter(opened).count(), 1);
}

#[test]
fn an_auto_database_is_forgotten_once_unused() {
    let mut settings = PoolerSettings::trusting(pool(1));
    settings.autodb_idle_timeout = Duration::from_secs(2);
    let mut s = Scenario::of(settings);
    let ann = s.comes("anything", "ann");
    assert_eq!(s.logged("registered new auto-database: db=anything"), 1);
    let server = s.open_servers()[0];
    s.leaves(ann);
    s.after(ms(3000));
    assert_eq!(s.engine.snapshot(0).databases.len(), 1, "a server is open");
    s.dies(server, None);
    s.after(ms(3000));
    assert_eq!(s.engine.snapshot(0).databases.len(), 0);
    s.comes("anything", "ann");
}

#[test]
fn waiters_beyond_the_bound_are_told_that_it_is_saturated_with_numbers() {
    let mut p = pool(1);
    p.waiters_max = 1;
    let mut s = Scenario::with(p);
    let ids: Vec<_> = (0..3).map(|_| s.logs_in()).collect();
    for id in &ids {
        s.asks(*id, "begin");
    }
    let said = s.hears(ids[2]);
    assert!(
        said.contains("saturated: 1 of 1 servers active, 1 clients already wait"),
        "{said}"
    );
    assert!(!said.contains("down"));
}

#[test]
fn sizes_of_pools_are_never_exceeded_by_any_mixture_of_caps() {
    // Every cap at once, and clients that come and go: sums stay within each.
    let mut a = named("a", 3);
    a.connections_max = 4;
    let mut b = named("b", 3);
    b.size = PoolSize::Fixed(2.try_into().unwrap());
    let mut settings = PoolerSettings::of(vec![a, b]);
    settings.user_connections_max = 3;
    let mut s = Scenario::of(settings);
    let mut ids = Vec::new();
    for round in 0..6u64 {
        for user in ["ann", "bob", "cy"] {
            for database in ["a", "b"] {
                let id = s.logs_in_with(user, &[("database", database)]);
                s.asks(id, "begin");
                ids.push(id);
            }
        }
        s.after(ms(400));
        let snapshot = s.engine.snapshot(0);
        for db in &snapshot.databases {
            assert!(&*db.name != "a" || db.servers <= 4, "{db:?}");
        }
        for user in &snapshot.users {
            assert!(user.servers <= 3, "{user:?}");
        }
        let keep = (round % 3) as usize;
        for id in ids.drain(keep..) {
            s.leaves(id);
        }
    }
    assert_eq!(s.faults(), Vec::<String>::new());
    for id in ids.drain(..) {
        s.leaves(id);
    }
    s.after(ms(400));
    assert!(s.engine.snapshot(0).users.iter().all(|u| u.clients == 0));
}
