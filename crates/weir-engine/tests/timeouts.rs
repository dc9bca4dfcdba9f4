//! Whose time is over, and what is said of it.

#![allow(clippy::unwrap_used, reason = "a scenario that is wrong should stop")]

mod scenario;

use std::time::Duration;

use scenario::{Batch, Scenario, ms, pool};
use weir_model::{
    ConnectFailure, LoadBalance, LogSettings, Place, PoolMode, PoolSettings, PoolerSettings,
    ServerCheck, UserSettings,
};

const SECOND: Duration = Duration::from_secs(1);

/// A scenario whose log is kept.
fn logging(p: PoolSettings) -> Scenario {
    let mut settings = PoolerSettings::trusting(p);
    settings.log = LogSettings {
        connections: true,
        disconnections: true,
        pooler_errors: true,
    };
    Scenario::of(settings)
}

#[test]
fn a_query_that_runs_too_long_is_cancelled_and_both_ends_are_closed() {
    let mut p = pool(1);
    p.query_timeout = SECOND;
    let mut s = logging(p);
    let ann = s.logs_in();
    s.asks(ann, "slow 1");
    s.after(ms(900));
    assert_eq!(s.hears(ann), "");
    s.after(ms(600));
    assert_eq!(s.hears(ann), "FATAL(57014 query timeout) closed");
    assert_eq!(s.ends(), ["query timeout"]);
    assert_eq!(s.cancels.len(), 1, "PostgreSQL is told to stop");
    assert_eq!(s.logged("closing because: query timeout (age=1s)"), 2);
}

#[test]
fn a_query_timeout_counts_from_the_last_question() {
    let mut p = pool(1);
    p.query_timeout = SECOND;
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    assert_eq!(s.says(ann, "begin"), "[BEGIN] ZT");
    s.after(ms(5000));
    assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZT");
}

#[test]
fn a_query_timeout_leaves_a_copy_alone_whose_data_the_client_sends() {
    let mut p = pool(1);
    p.query_timeout = SECOND;
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    s.asks(ann, "copy t from stdin");
    s.after(ms(3000));
    let mut out = Vec::new();
    weir_wire::frontend::put_copy_done(&mut out);
    s.sends(ann, &out);
    assert!(s.hears(ann).ends_with("[COPY 1] ZI"));
}

#[test]
fn who_waits_longer_than_a_query_may_take_is_told_by_which_limit() {
    let mut p = pool(1);
    p.query_timeout = SECOND;
    let mut s = Scenario::with(p);
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    s.asks(bob, "select 1");
    s.after(ms(1100));
    let said = s.hears(bob);
    assert!(
        said.starts_with("FATAL(53300 query_timeout: no server of app/ann came free"),
        "{said}"
    );
}

#[test]
fn a_transaction_that_idles_or_lasts_too_long_is_cut() {
    for (idle, whole, says) in [
        (2, 0, "FATAL(25P03 idle transaction timeout) closed"),
        (0, 2, "FATAL(25P04 transaction timeout) closed"),
    ] {
        let mut p = pool(1);
        p.idle_transaction_timeout = SECOND * idle;
        p.transaction_timeout = SECOND * whole;
        let mut s = Scenario::with(p);
        let ann = s.logs_in();
        s.says(ann, "begin");
        s.after(ms(1500));
        assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZT");
        s.after(ms(1000));
        let said = s.hears(ann);
        // A question in between restarts one clock and not the other.
        assert_eq!(said.contains("closed"), idle == 0, "{said}");
        s.after(ms(1500));
        let said = said + &s.hears(ann);
        assert!(said.contains(says), "{said}");
    }
}

#[test]
fn an_idle_client_is_closed_and_a_users_own_limit_wins() {
    let mut p = pool(2);
    p.client_idle_timeout = SECOND * 2;
    let mut settings = PoolerSettings::trusting(p);
    let own = UserSettings {
        client_idle_timeout: Some(SECOND * 60),
        ..UserSettings::default()
    };
    settings.user_settings.insert("bob".into(), own);
    let mut s = Scenario::of(settings);
    let [ann, bob] = [s.comes("app", "ann"), s.comes("app", "bob")];
    let cy = s.comes("app", "ann");
    s.says(cy, "begin");
    s.after(ms(2500));
    assert_eq!(s.hears(ann), "FATAL(57P05 client_idle_timeout) closed");
    assert_eq!(s.says(bob, "select 1"), "<select 1> [SELECT 1] ZI");
    assert_eq!(
        s.says(cy, "commit"),
        "[COMMIT] ZI",
        "inside a transaction it isn't idle"
    );
}

#[test]
fn a_waiter_is_told_once_that_it_waits() {
    let mut p = pool(1);
    p.query_wait_notify = SECOND;
    let mut s = Scenario::with(p);
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    s.asks(bob, "select 1");
    s.after(ms(500));
    assert_eq!(s.hears(bob), "");
    s.after(ms(3000));
    assert_eq!(s.hears(bob), "N", "one notice");
    s.says(ann, "commit");
    assert_eq!(s.hears(bob), "<select 1> [SELECT 1] ZI");
}

#[test]
fn a_lifetime_of_zero_is_one_use() {
    let mut p = pool(2);
    let mut server = (*p.server).clone();
    server.lifetime = Duration::ZERO;
    p.server = server.into();
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    s.after(ms(2000));
    assert_eq!(s.open_servers().len(), 1, "unused, so it stays");
    assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZI");
    assert_eq!(s.open_servers().len(), 0);
    assert_eq!(s.ends(), ["server_lifetime"]);
}

#[test]
fn a_server_that_idled_long_is_checked_before_a_client_gets_it() {
    for (check, asked) in [
        (ServerCheck::Empty, None),
        (
            ServerCheck::Query("select 'there?'".into()),
            Some("select 'there?'"),
        ),
    ] {
        let mut p = pool(1);
        p.check = check;
        p.check_delay = SECOND * 5;
        let mut s = Scenario::with(p);
        let ann = s.logs_in();
        let server = s.open_servers()[0];
        s.says(ann, "select 1");
        s.says(ann, "select 2");
        assert_eq!(s.servers[&server].log, ["select 1", "select 2"]);
        s.after(ms(6000));
        assert_eq!(s.says(ann, "select 3"), "<select 3> [SELECT 1] ZI");
        let log: Vec<&str> = s.servers[&server].log.iter().map(String::as_str).collect();
        let mut expected = vec!["select 1", "select 2"];
        expected.extend(asked);
        expected.push("select 3");
        assert_eq!(log, expected);
    }
}

#[test]
fn a_delay_of_zero_checks_each_time() {
    let mut p = pool(1);
    p.check = ServerCheck::Query("ok".into());
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    let server = s.open_servers()[0];
    for _ in 0..3 {
        assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZI");
    }
    assert_eq!(
        s.servers[&server].log,
        ["ok", "select 1", "ok", "select 1", "ok", "select 1"]
    );
}

#[test]
fn a_client_never_hears_of_a_server_that_failed_its_check() {
    let mut p = pool(1);
    p.check = ServerCheck::Query("slow check".into());
    p.check_delay = SECOND * 5;
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    let server = s.open_servers()[0];
    s.after(ms(6000));
    s.asks(ann, "select 1");
    assert_eq!(s.hears(ann), "");
    s.dies(server, None);
    assert_eq!(s.hears(ann), "<select 1> [SELECT 1] ZI");
    // One that never answers its check costs no more than a connect may take.
    s.after(ms(6000));
    s.asks(ann, "select 2");
    s.after(ms(15_100));
    assert_eq!(s.hears(ann), "<select 2> [SELECT 1] ZI");
    assert!(s.ends().contains(&"server check timeout".to_owned()));
}

#[test]
fn while_nothing_can_be_opened_a_client_waits_as_long_as_it_was_told() {
    for (down, at, says) in [
        (
            None,
            16_000,
            "FATAL(08006 no server of app/ann could be opened in",
        ),
        (
            Some(Duration::ZERO),
            61_000,
            "FATAL(08006 query_timeout: no server of app/ann",
        ),
    ] {
        let mut p = pool(1);
        p.down_timeout = down;
        p.query_timeout = SECOND * 60;
        let mut s = Scenario::with(p);
        s.answers_dials = false;
        let ann = s.logs_in_with("ann", &[]);
        for _ in 0..(at - 2_000) / 100 {
            if let Some(id) = s.dials.first().copied() {
                s.dial_fails(id, ConnectFailure::Io("refused".to_owned()));
            }
            s.after(ms(100));
        }
        assert_eq!(s.hears(ann), "");
        for _ in 0..20 {
            if let Some(id) = s.dials.first().copied() {
                s.dial_fails(id, ConnectFailure::Io("refused".to_owned()));
            }
            s.after(ms(100));
        }
        let said = s.hears(ann);
        assert!(said.starts_with(says), "{said}");
    }
}

#[test]
fn several_hosts_are_used_in_turn_and_a_dead_one_is_passed_over() {
    let mut p = pool(4);
    let mut server = (*p.server).clone();
    server.further = vec![Place {
        host: "db2".into(),
        port: 5433,
    }];
    p.server = server.clone().into();
    let mut s = Scenario::with(p);
    let ids: Vec<_> = (0..4).map(|_| s.logs_in()).collect();
    for id in &ids {
        s.says(*id, "begin");
    }
    let hosts: Vec<&str> = s.dialed.iter().map(|(_, h, _)| h.as_str()).collect();
    assert_eq!(hosts, ["db", "db2", "db", "db2"]);

    server.load_balance = LoadBalance::Disable;
    let mut p = pool(4);
    p.server = server.into();
    let mut s = Scenario::with(p);
    s.answers_dials = false;
    let ann = s.logs_in_with("ann", &[]);
    let first = s.dials[0];
    s.dial_fails(first, ConnectFailure::Io("refused".to_owned()));
    let (second, host, _) = s.dialed.last().unwrap().clone();
    assert_eq!(host, "db2", "at once, without a back-off");
    s.dial_works(second);
    assert!(s.hears(ann).ends_with("ZI"));
    s.answers_dials = true;
    let bob = s.logs_in();
    s.says(ann, "begin");
    s.says(bob, "begin");
    assert_eq!(s.dialed.last().unwrap().1, "db2", "the one that served");
}

#[test]
fn the_reset_query_is_the_databases_own() {
    for (mode, always, sql, expected) in [
        (
            PoolMode::Session,
            false,
            "discard all",
            vec!["select 1", "discard all"],
        ),
        (PoolMode::Session, false, "", vec!["select 1"]),
        (
            PoolMode::Transaction,
            false,
            "discard all",
            vec!["select 1"],
        ),
        (
            PoolMode::Transaction,
            true,
            "reset all",
            vec!["select 1", "reset all"],
        ),
    ] {
        let mut p = pool(1);
        p.mode = mode;
        p.reset_always = always;
        p.reset_query = sql.into();
        let mut s = Scenario::with(p);
        let ann = s.logs_in();
        let server = s.open_servers()[0];
        s.says(ann, "select 1");
        s.leaves(ann);
        assert_eq!(s.servers[&server].log, expected, "{mode} {sql}");
        assert_eq!(s.open_servers(), [server]);
    }
}

#[test]
fn a_connect_query_runs_once_on_each_new_server() {
    let mut p = pool(1);
    p.connect_query = Some("set geqo = off".into());
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    let server = s.open_servers()[0];
    s.says(ann, "select 1");
    s.says(ann, "select 2");
    assert_eq!(
        s.servers[&server].log,
        ["set geqo = off", "select 1", "select 2"]
    );
    assert_eq!(s.says(ann, "show geqo"), "<off> [SELECT 1] ZI");
}

#[test]
fn a_connect_query_that_fails_closes_the_server_and_says_so() {
    let mut p = pool(1);
    p.connect_query = Some("fail".into());
    p.query_wait_timeout = SECOND;
    let mut s = Scenario::with(p);
    s.answers_dials = false;
    let _ann = s.logs_in_with("ann", &[]);
    let id = s.dials[0];
    s.dial_works(id);
    assert!(s.ends()[0].contains("division by zero"), "{:?}", s.ends());
}

#[test]
fn a_statement_is_evicted_where_the_bound_was_lowered() {
    let mut p = pool(1);
    p.prepared_statements_max = 1;
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    for name in ["a", "b"] {
        let batch = Batch::new().parse(name, &format!("select {name}"));
        s.sends(ann, &batch.bind(name).execute().sync().0);
        s.hears(ann);
    }
    let server = s.open_servers()[0];
    assert_eq!(s.servers[&server].prepared.len(), 1);
}
