//! What belongs to a session in transaction mode: settings, prepared statements, pins.

mod scenario;

use scenario::{Batch, Scenario, ms, pool};
use weir_model::{Event, Pin, SessionState};

/// Two clients on two servers, so that the next transaction of either may land on the other's.
fn two() -> (Scenario, weir_model::ClientId, weir_model::ClientId) {
    let mut s = Scenario::with(pool(2));
    let ann = s.logs_in();
    let bob = s.logs_in();
    s.says(ann, "begin");
    s.says(bob, "begin");
    s.says(ann, "commit");
    s.says(bob, "commit");
    (s, ann, bob)
}

/// Makes sure that the client's next transaction runs on another server than `not`.
fn blocked(s: &mut Scenario, by: weir_model::ClientId) {
    s.says(by, "begin");
}

#[test]
fn a_setting_follows_its_client_to_the_next_server_and_does_not_stay_behind() {
    let (mut s, ann, bob) = two();
    assert_eq!(s.says(ann, "set work_mem = '1MB'"), "[SET] ZI");
    // Bob, on the same server, doesn't see it.
    assert_eq!(s.says(bob, "show work_mem"), "<> [SELECT 1] ZI");
    blocked(&mut s, bob);
    assert_eq!(s.says(ann, "show work_mem"), "<1MB> [SELECT 1] ZI");
    s.says(bob, "commit");
    assert_eq!(s.says(bob, "show work_mem"), "<> [SELECT 1] ZI");
    assert_eq!(s.says(ann, "reset work_mem"), "[RESET] ZI");
    blocked(&mut s, bob);
    assert_eq!(s.says(ann, "show work_mem"), "<> [SELECT 1] ZI");
}

#[test]
fn a_server_that_fits_is_preferred_to_one_that_needs_a_replay() {
    let (mut s, ann, bob) = two();
    s.says(ann, "set work_mem = '1MB'");
    s.says(bob, "select 1");
    let replays = |s: &Scenario| -> usize {
        s.servers
            .values()
            .flat_map(|server| &server.log)
            .filter(|sql| sql.to_lowercase().starts_with("reset") || sql.contains("work_mem ="))
            .count()
    };
    let before = replays(&s);
    for _ in 0..10 {
        s.says(ann, "select 1");
        s.says(bob, "select 1");
    }
    assert_eq!(replays(&s), before);
}

#[test]
fn a_setting_of_a_transaction_that_rolls_back_is_undone() {
    let (mut s, ann, bob) = two();
    s.says(ann, "set work_mem = '1MB'");
    s.says(ann, "begin");
    s.says(ann, "set work_mem = '2MB'");
    s.says(ann, "rollback");
    blocked(&mut s, bob);
    assert_eq!(s.says(ann, "show work_mem"), "<1MB> [SELECT 1] ZI");
    s.says(bob, "commit");

    s.says(ann, "begin");
    s.says(ann, "set work_mem = '3MB'");
    s.says(ann, "commit");
    blocked(&mut s, bob);
    assert_eq!(s.says(ann, "show work_mem"), "<3MB> [SELECT 1] ZI");
    s.says(bob, "commit");

    // An implicit transaction that fails.
    s.says(ann, "set work_mem = '4MB'; fail");
    blocked(&mut s, bob);
    assert_eq!(s.says(ann, "show work_mem"), "<3MB> [SELECT 1] ZI");
}

#[test]
fn a_setting_made_by_the_extended_protocol_is_followed_too() {
    let (mut s, ann, bob) = two();
    s.sends(
        ann,
        &Batch::new()
            .parse("", "set work_mem = '1MB'")
            .bind("")
            .execute()
            .sync()
            .0,
    );
    assert_eq!(s.hears(ann), "1 2 [SET] ZI");
    blocked(&mut s, bob);
    assert_eq!(s.says(ann, "show work_mem"), "<1MB> [SELECT 1] ZI");
}

#[test]
fn what_rolling_back_to_a_savepoint_leaves_is_not_guessed() {
    let (mut s, ann, _) = two();
    s.says(ann, "begin");
    s.says(ann, "savepoint a");
    s.says(ann, "set work_mem = '2MB'");
    s.asks(ann, "rollback to savepoint a");
    assert!(s.shows().contains("C-1 "), "{}", s.shows());
}

#[test]
fn startup_settings_reach_the_server_before_the_first_query() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in_with(
        "ann",
        &[
            ("application_name", "shop"),
            ("TimeZone", "Europe/Rome"),
            ("options", "-c work_mem=5MB"),
        ],
    );
    let welcome = s.hears(ann);
    assert!(welcome.contains("TimeZone=Europe/Rome"), "{welcome}");
    assert_eq!(s.says(ann, "show work_mem"), "<5MB> [SELECT 1] ZI");
    assert_eq!(s.says(ann, "show application_name"), "<shop> [SELECT 1] ZI");
    assert_eq!(s.says(ann, "show timezone"), "<Europe/Rome> [SELECT 1] ZI");
    // RESET returns to them.
    s.says(ann, "set work_mem = '6MB'");
    s.says(ann, "reset work_mem");
    assert_eq!(s.says(ann, "show work_mem"), "<5MB> [SELECT 1] ZI");
}

#[test]
fn a_client_is_told_what_its_new_server_reports() {
    let (mut s, ann, bob) = two();
    assert_eq!(
        s.says(ann, "set timezone = 'Asia/Tokyo'"),
        "TimeZone=Asia/Tokyo [SET] ZI"
    );
    // Bob never believed otherwise, and is told nothing of it.
    let said = s.says(bob, "select 1");
    assert!(!said.contains("Tokyo"), "{said}");
}

#[test]
fn a_named_statement_is_prepared_on_each_server_once() {
    let (mut s, ann, bob) = two();
    s.sends(
        ann,
        &Batch::new()
            .parse("S_1", "select 1")
            .describe("S_1")
            .sync()
            .0,
    );
    assert_eq!(s.hears(ann), "1 t n ZI");
    let run = Batch::new().bind("S_1").execute().sync();
    for _ in 0..3 {
        s.sends(ann, &run.0);
        assert_eq!(s.hears(ann), "2 <select 1> [SELECT 1] ZI");
    }
    blocked(&mut s, bob);
    for _ in 0..3 {
        s.sends(ann, &run.0);
        assert_eq!(s.hears(ann), "2 <select 1> [SELECT 1] ZI");
    }
    let parses: usize = s
        .servers
        .values()
        .flat_map(|server| &server.log)
        .filter(|l| l.starts_with("parse"))
        .count();
    assert!(parses <= 2, "{parses}");
    assert!(s.faults().is_empty());
}

#[test]
fn two_clients_with_one_text_share_it_and_each_gets_its_own_answers() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    let batch = |name: &str| {
        Batch::new()
            .parse(name, "select 1")
            .bind(name)
            .execute()
            .close(name)
            .sync()
    };
    s.sends(ann, &batch("a").0);
    assert_eq!(s.hears(ann), "1 2 <select 1> [SELECT 1] 3 ZI");
    s.sends(bob, &batch("b").0);
    assert_eq!(s.hears(bob), "1 2 <select 1> [SELECT 1] 3 ZI");
    let server = s.open_servers()[0];
    let parses = s.servers[&server]
        .log
        .iter()
        .filter(|l| l.starts_with("parse"))
        .count();
    assert_eq!(parses, 1);
}

#[test]
fn a_failed_parse_is_answered_and_not_remembered_as_prepared() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    let bad = Batch::new().parse("x", "syntax error").describe("x").sync();
    s.sends(ann, &bad.0);
    assert_eq!(s.hears(ann), "ERROR(42601 syntax error) ZI");
    s.sends(ann, &bad.0);
    assert_eq!(s.hears(ann), "ERROR(42601 syntax error) ZI");
    s.sends(
        ann,
        &Batch::new()
            .parse("x", "select 1")
            .bind("x")
            .execute()
            .sync()
            .0,
    );
    assert_eq!(s.hears(ann), "1 2 <select 1> [SELECT 1] ZI");
}

#[test]
fn a_server_keeps_no_more_statements_than_it_may() {
    let mut p = pool(1);
    p.prepared_statements_max = 3;
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    for round in 0..2 {
        for n in 0..6 {
            let name = format!("s{n}");
            let mut batch = Batch::new();
            if round == 0 {
                batch = batch.parse(&name, &format!("select {n}"));
            }
            s.sends(ann, &batch.bind(&name).execute().sync().0);
            let said = s.hears(ann);
            let expected = format!("2 <select {n}> [SELECT 1] ZI");
            assert!(said.ends_with(&expected), "{said}");
            let server = s.open_servers()[0];
            assert!(s.servers[&server].prepared.len() <= 3);
        }
    }
}

#[test]
fn the_unnamed_statement_goes_along_across_a_sync() {
    let (mut s, ann, bob) = two();
    s.sends(ann, &Batch::new().parse("", "select 1").sync().0);
    assert_eq!(s.hears(ann), "1 ZI");
    s.sends(bob, &Batch::new().parse("", "select 2").sync().0);
    blocked(&mut s, bob);
    s.sends(ann, &Batch::new().bind("").execute().sync().0);
    assert_eq!(s.hears(ann), "2 <select 1> [SELECT 1] ZI");
}

#[test]
fn discard_all_forgets_names_and_settings() {
    let (mut s, ann, bob) = two();
    s.sends(ann, &Batch::new().parse("a", "select 1").sync().0);
    s.hears(ann);
    s.says(ann, "set work_mem = '1MB'");
    assert_eq!(s.says(ann, "discard all"), "[DISCARD ALL] ZI");
    s.sends(ann, &Batch::new().bind("a").execute().sync().0);
    assert_eq!(
        s.hears(ann),
        "ERROR(26000 prepared statement does not exist) ZI"
    );
    blocked(&mut s, bob);
    assert_eq!(s.says(ann, "show work_mem"), "<> [SELECT 1] ZI");
}

#[test]
fn what_can_not_be_followed_pins_by_name_until_it_is_let_go() {
    for (take, give, pin) in [
        ("listen c", "unlisten *", Pin::Listen),
        (
            "select pg_advisory_lock(1)",
            "select pg_advisory_unlock(1)",
            Pin::AdvisoryLock,
        ),
        (
            "create temp table t (a int)",
            "discard temp",
            Pin::TemporaryObject,
        ),
        (
            "declare c cursor with hold for select 1",
            "close c",
            Pin::HoldCursor,
        ),
        ("prepare p as select 1", "deallocate p", Pin::SqlPrepare),
    ] {
        let (mut s, ann, bob) = two();
        s.says(ann, take);
        let server = s.server_of(ann);
        assert!(server.is_some(), "{take} pins");
        assert!(
            s.events
                .iter()
                .any(|e| matches!(e, Event::Pinned { pin: p, .. } if *p == pin)),
            "{take}"
        );
        let sample = s.engine.sample(s.now);
        assert_eq!(sample.pools[0].servers.pinned, 1, "{take}");
        s.says(bob, "select 1");
        assert_eq!(s.server_of(ann), server);
        s.says(ann, give);
        assert_eq!(s.server_of(ann), None, "{give} lets go");
        assert!(
            s.events
                .iter()
                .any(|e| matches!(e, Event::Unpinned { pin: p, .. } if *p == pin))
        );
    }
}

#[test]
fn a_pinned_client_that_leaves_has_its_server_cleaned_first() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.says(ann, "listen c");
    assert_eq!(s.says(bob, "select 1"), "");
    s.after(ms(10)).leaves(ann);
    assert_eq!(s.hears(bob), "<select 1> [SELECT 1] ZI");
    let server = s.open_servers()[0];
    assert!(s.servers[&server].log.contains(&"DISCARD ALL".to_owned()));
}

#[test]
fn a_pin_of_a_transaction_that_rolls_back_is_gone_with_it() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.says(ann, "begin");
    s.says(ann, "listen c");
    s.says(ann, "rollback");
    assert_eq!(s.server_of(ann), None);
}

#[test]
fn session_state_pin_keeps_the_server_and_ignore_lets_it_go() {
    let mut p = pool(2);
    p.session_state = SessionState::Pin;
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    s.says(ann, "set work_mem = '1MB'");
    assert!(s.server_of(ann).is_some());

    let mut p = pool(2);
    p.session_state = SessionState::Ignore;
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    s.says(ann, "set work_mem = '1MB'");
    s.says(ann, "listen c");
    assert_eq!(s.server_of(ann), None);
}

#[test]
fn set_local_is_left_to_its_transaction() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.says(ann, "begin");
    s.says(ann, "set local work_mem = '1MB'");
    s.says(ann, "commit");
    let log = &s.servers[&s.open_servers()[0]].log;
    assert!(!log.iter().any(|l| l.to_lowercase().starts_with("reset")));
}

#[test]
fn a_statement_known_to_be_good_is_prepared_without_a_server() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.sends(ann, &Batch::new().parse("a", "select 1").sync().0);
    assert_eq!(s.hears(ann), "1 ZI");
    s.says(ann, "begin");
    // The only server is taken; a program that prepares for all its clients in turn goes on.
    s.sends(bob, &Batch::new().parse("b", "select 1").sync().0);
    assert_eq!(s.hears(bob), "1 ZI");
    s.sends(bob, &Batch::new().bind("b").execute().sync().0);
    assert_eq!(s.hears(bob), "");
    s.says(ann, "commit");
    assert_eq!(s.hears(bob), "2 <select 1> [SELECT 1] ZI");
}

#[test]
fn a_replay_that_the_server_refuses_reaches_the_client_in_its_own_words() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in_with("ann", &[("nonsense", "1")]);
    s.hears(ann);
    s.asks(ann, "select 1");
    assert!(s.faults().is_empty());
}
