//! What statements do to the session.

use weir_wire::sql::{
    CursorTarget, DeallocateTarget, Statement, UnlistenTarget, classify, replay_set, scan,
};

use Statement::*;

fn one(sql: &str) -> Statement {
    let mut all = all(sql);
    assert_eq!(all.len(), 1, "{sql}: {all:?}");
    all.remove(0)
}

fn all(sql: &str) -> Vec<Statement> {
    let found = classify(sql.as_bytes());
    // The fast look may say "perhaps" too often, never too rarely.
    if scan(sql.as_bytes(), b"").plain {
        assert!(found.iter().all(|s| *s == Other), "{sql}: {found:?}");
    }
    found
}

fn set(name: &str, value: &str) -> Statement {
    Set {
        name: name.to_owned(),
        value: value.to_owned(),
        local: false,
    }
}

#[test]
fn queries_are_plain() {
    for sql in [
        "select 1",
        "(select 1) union select 2",
        "update t set a = 1",
        "with x as (select 1) delete from t",
        "select pg_sleep(1), set_configuration from t",
        "select 'listen x'; /* set a = 1; */ show all",
        "values (1)",
    ] {
        assert!(scan(sql.as_bytes(), b"").plain, "{sql}");
        assert_eq!(all(sql), [Other], "{sql}");
    }
    assert_eq!(all(" ; /* nothing */ ;"), []);
}

#[test]
fn transaction_control_is_told_apart() {
    for sql in ["begin", "BEGIN WORK", "start transaction read only"] {
        assert_eq!(one(sql), Begin);
    }
    for sql in ["commit", "END;", "prepare transaction 'x'"] {
        assert_eq!(one(sql), Commit);
    }
    for sql in ["rollback", "abort work"] {
        assert_eq!(one(sql), Rollback);
    }
    for sql in ["rollback to a", "rollback work to savepoint a"] {
        assert_eq!(one(sql), RollbackTo);
    }
    assert_eq!(one("savepoint a"), Savepoint);
    assert_eq!(one("release a"), Release);
    assert_eq!(one("commit prepared 'x'"), Other);
    assert_eq!(all("commit and chain"), [Commit, Begin]);
}

#[test]
fn every_way_to_set_is_read() {
    for (sql, name, value) in [
        ("SET search_path = a, \"B\"", "search_path", "a, \"B\""),
        ("set Search_Path to 'a' ;", "search_path", "'a'"),
        ("set session work_mem='4MB' -- why", "work_mem", "'4MB'"),
        ("set app.user = 7", "app.user", "7"),
        ("set \"app.User\" = 7", "app.user", "7"),
        (
            "set time zone interval '-08:00' hour to minute",
            "timezone",
            "interval '-08:00' hour to minute",
        ),
        ("set session time zone 'UTC'", "timezone", "'UTC'"),
        ("set TimeZone to 'UTC'", "timezone", "'UTC'"),
        ("set names 'latin1'", "client_encoding", "'latin1'"),
        ("set schema 'a'", "search_path", "'a'"),
        ("set role bob", "role", "bob"),
        ("set session role none", "role", "none"),
        (
            "set session authorization 'bob'",
            "session_authorization",
            "'bob'",
        ),
        (
            "set session session authorization bob",
            "session_authorization",
            "bob",
        ),
        ("set xml option document", "xmloption", "document"),
        (
            "set standard_conforming_strings = on",
            "standard_conforming_strings",
            "on",
        ),
    ] {
        assert_eq!(one(sql), set(name, value), "{sql}");
    }
}

#[test]
fn local_settings_and_those_of_the_transaction_are_told_apart() {
    assert_eq!(
        one("set local statement_timeout = 5"),
        Set {
            name: "statement_timeout".into(),
            value: "5".into(),
            local: true
        }
    );
    for sql in [
        "set transaction isolation level serializable",
        "set constraints all deferred",
        "set transaction_isolation = 'serializable'",
        "reset transaction isolation level",
    ] {
        assert_eq!(one(sql), Other, "{sql}");
    }
    assert_eq!(
        all(
            "set session characteristics as transaction isolation level repeatable read, read only, not deferrable"
        ),
        [
            set("default_transaction_isolation", "'repeatable read'"),
            set("default_transaction_read_only", "on"),
            set("default_transaction_deferrable", "off"),
        ]
    );
}

#[test]
fn back_to_the_default_is_a_reset() {
    for (sql, name) in [
        ("reset search_path", "search_path"),
        ("set search_path to default", "search_path"),
        ("reset session authorization", "session_authorization"),
        ("set session authorization default", "session_authorization"),
        ("reset time zone", "timezone"),
        ("reset role", "role"),
        ("reset app.user", "app.user"),
        ("set names", "client_encoding"),
    ] {
        assert_eq!(one(sql), Reset { name: name.into() }, "{sql}");
    }
    assert_eq!(one("RESET ALL"), ResetAll);
    assert_eq!(one("discard all"), DiscardAll);
    assert_eq!(one("discard temp"), DiscardTemp);
    assert_eq!(one("discard plans"), DiscardOther);
}

#[test]
fn what_was_set_can_be_set_again() {
    for (sql, again) in [
        ("set search_path = a, \"B\"", "SET search_path TO a, \"B\""),
        ("set time zone local", "SET TIME ZONE local"),
        ("set app.user = 7", "SET \"app.user\" TO 7"),
        ("reset work_mem", "RESET work_mem"),
    ] {
        assert_eq!(one(sql).replay().as_deref(), Some(again));
        assert_eq!(one(again).replay().as_deref(), Some(again));
    }
    assert_eq!(replay_set("we\"ird", "1"), "SET \"we\"\"ird\" TO 1");
    assert_eq!(Begin.replay(), None);
}

#[test]
fn backslash_strings_and_foreign_bytes_are_not_followed() {
    assert!(matches!(
        one("set standard_conforming_strings = off"),
        Unfollowed { .. }
    ));
    assert!(matches!(
        classify(b"set app.x = '\xe9'")[..],
        [Unfollowed { .. }]
    ));
    assert!(matches!(classify(b"listen \xe9")[..], [Unfollowed { .. }]));
    assert!(matches!(
        one("select U&\"pg\\005fadvisory_lock\"(1)"),
        Unfollowed { .. }
    ));
}

#[test]
fn what_outlives_a_transaction_is_named() {
    for (sql, found) in [
        (
            "LISTEN News",
            Listen {
                channel: "news".into(),
            },
        ),
        (
            "listen \"Ne\"\"ws\"",
            Listen {
                channel: "Ne\"ws".into(),
            },
        ),
        ("unlisten *", Unlisten(UnlistenTarget::All)),
        (
            "unlisten news",
            Unlisten(UnlistenTarget::Channel("news".into())),
        ),
        ("prepare p (int) as select $1", Prepare { name: "p".into() }),
        (
            "prepare transaction as select 1",
            Prepare {
                name: "transaction".into(),
            },
        ),
        ("execute P(1)", Execute { name: "p".into() }),
        (
            "explain (analyze, verbose) execute p",
            Execute { name: "p".into() },
        ),
        ("explain analyze execute p", Execute { name: "p".into() }),
        (
            "deallocate p",
            Deallocate(DeallocateTarget::Name("p".into())),
        ),
        (
            "deallocate prepare p",
            Deallocate(DeallocateTarget::Name("p".into())),
        ),
        ("deallocate all", Deallocate(DeallocateTarget::All)),
        (
            "declare c cursor with hold for select 1",
            DeclareCursor {
                name: "c".into(),
                hold: true,
            },
        ),
        (
            "declare c binary no scroll cursor for select 1",
            DeclareCursor {
                name: "c".into(),
                hold: false,
            },
        ),
        ("close c", CloseCursor(CursorTarget::Name("c".into()))),
        ("close all", CloseCursor(CursorTarget::All)),
        ("create temp table t (a int)", CreateTemp),
        (
            "create or replace local temporary view v as select 1",
            CreateTemp,
        ),
        ("create table pg_temp.t (a int)", CreateTemp),
        ("select 1 into temp t", SelectIntoTemp),
        ("select 1 into local temporary table t", SelectIntoTemp),
        ("select 1 into pg_temp.t", SelectIntoTemp),
        ("load 'auto_explain'", Load),
        ("copy t from stdin", Copy),
    ] {
        assert_eq!(one(sql), found, "{sql}");
    }
    assert_eq!(one("create temp table t (a int) on commit drop"), Other);
    assert_eq!(one("create table t (temp int)"), Other);
}

#[test]
fn session_functions_are_found_inside_queries() {
    for (sql, found) in [
        ("select pg_advisory_lock(1)", AdvisoryLock),
        (
            "select a, PG_CATALOG.PG_TRY_ADVISORY_LOCK_SHARED(1, 2) from t",
            AdvisoryLock,
        ),
        ("select \"pg_advisory_lock\"(1)", AdvisoryLock),
        ("select pg_advisory_unlock(1)", AdvisoryUnlock),
        ("select pg_advisory_unlock_all()", AdvisoryUnlockAll),
        ("select pg_advisory_xact_lock(1)", Other),
        ("select set_config('a.b', 'c', false)", SetConfig),
        ("select set_config('a.b', 'c', $1)", SetConfig),
        ("select set_config('a.b', 'c', not true)", SetConfig),
        ("select set_config('a.b', lower('c'), true)", Other),
        ("update t set set_config = 1", Other),
        ("insert into temp values (1)", Other),
        ("with x as (insert into temp values (1)) select 1", Other),
        // Not SQL, but the fast look and the slow one must not disagree.
        ("pg_advisory_lock(1)", AdvisoryLock),
    ] {
        assert_eq!(one(sql), found, "{sql}");
    }
}

#[test]
fn statements_are_listed_in_order() {
    assert_eq!(
        all("begin; select 1; select 2; set local a.b = 1; select pg_advisory_lock(1); commit"),
        [
            Begin,
            Other,
            Set {
                name: "a.b".into(),
                value: "1".into(),
                local: true
            },
            AdvisoryLock,
            Commit,
        ]
    );
}

#[test]
fn semicolons_inside_bodies_and_brackets_end_nothing() {
    assert_eq!(
        one(
            "create function f() returns int language sql begin atomic select 1; select case when true then 2 end; end"
        ),
        Other
    );
    assert_eq!(
        all("create function f() begin atomic select 1; end; listen x"),
        [
            Other,
            Listen {
                channel: "x".into()
            }
        ]
    );
    assert_eq!(
        one("create rule r as on insert to t do (notify a; notify b)"),
        Other
    );
    assert_eq!(one("do $$ begin; listen x; end $$"), Other);
}

#[test]
fn a_text_with_too_many_statements_ends_unfollowed() {
    let found = classify("listen a;".repeat(5000).as_bytes());
    assert_eq!(found.len(), 1025);
    assert!(matches!(found.last(), Some(Unfollowed { .. })));
}
