//! What the drivers' own test suites failed on through Weir (`docs/drivers.md`), told again in
//! small.

mod scenario;

use scenario::{Batch, Scenario, pool};
use weir_model::{ClientId, PoolMode};
use weir_wire::backend::tag;
use weir_wire::frame;

/// The PID and the secret that the client was given.
fn key(s: &Scenario, id: ClientId) -> (i32, Vec<u8>) {
    let body = frame::messages(&s.clients[&id].from_engine, frame::MESSAGE_MAX)
        .flatten()
        .find(|m| m.tag == tag::BACKEND_KEY_DATA)
        .map(|m| m.body.to_vec())
        .unwrap_or_default();
    let (pid, secret) = body.split_first_chunk().expect("who logs in gets a key");
    (i32::from_be_bytes(*pid), secret.to_vec())
}

fn session(size: u32) -> Scenario {
    let mut p = pool(size);
    p.mode = PoolMode::Session;
    Scenario::with(p)
}

fn parses(s: &Scenario) -> usize {
    s.servers
        .values()
        .flat_map(|server| &server.log)
        .filter(|l| l.starts_with("parse"))
        .count()
}

fn notification(pid: i32) -> Vec<u8> {
    let mut out = vec![tag::NOTIFICATION_RESPONSE];
    out.extend_from_slice(&12u32.to_be_bytes());
    out.extend_from_slice(&pid.to_be_bytes());
    out.extend_from_slice(b"c\0p\0");
    out
}

#[test]
fn in_session_mode_a_client_is_told_the_pid_of_its_server_and_cancels_with_it() {
    let mut s = session(2);
    let ids = [s.logs_in_with("ann", &[]), s.logs_in_with("ann", &[])];
    for id in ids {
        let (pid, secret) = key(&s, id);
        let server = s.server_of(id).unwrap();
        assert_eq!(pid, s.servers[&server].pid);
        assert_ne!(secret, [1, 2, 3, 4], "the server's secret is ours alone");
        s.hears(id);
        s.asks(id, "slow select");
        let asker = s.connects();
        let mut out = Vec::new();
        weir_wire::startup::put_cancel_request(&mut out, pid, &secret);
        s.sends(asker, &out);
        assert_eq!(s.cancels.len(), 1);
        s.cancels.clear();
        s.finishes(server);
        assert_eq!(s.hears(id), "<slow select> [SELECT 1] ZI");
    }
}

#[test]
fn in_session_mode_a_login_waits_for_its_server_to_be_opened_but_not_for_other_clients() {
    let mut s = session(2);
    let ann = s.logs_in();
    s.answers_dials = false;
    let bob = s.logs_in_with("ann", &[("work_mem", "5MB")]);
    let eve = s.logs_in_with("ann", &[]);
    assert_eq!(s.hears(bob), "");
    assert!(
        s.hears(eve).ends_with("K ZI"),
        "both servers are spoken for"
    );
    s.dial_works(s.dials[0]);
    assert!(s.hears(bob).ends_with("K ZI"));
    assert_eq!(s.says(bob, "show work_mem"), "<5MB> [SELECT 1] ZI");
    assert_eq!(s.says(eve, "show work_mem"), "");
    s.leaves(bob);
    assert_eq!(s.hears(eve), "<> [SELECT 1] ZI");
    let max = s.logs_in_with("ann", &[]);
    s.leaves(max);
    s.leaves(eve);
    s.leaves(ann);
    let sample = s.engine.sample(s.now);
    assert_eq!(sample.pools[0].servers.idle, 2);
    assert!(s.faults().is_empty());
}

#[test]
fn in_session_mode_prepared_statements_pass_as_they_are() {
    let mut s = session(1);
    let ann = s.logs_in();
    let prepare = Batch::new().parse("S_1", "select 1").describe("S_1").sync();
    s.sends(ann, &prepare.0);
    assert_eq!(s.hears(ann), "1 t n ZI");
    let server = s.server_of(ann).unwrap();
    assert!(s.servers[&server].prepared.contains_key(&b"S_1"[..]));
    s.sends(ann, &prepare.0);
    assert_eq!(
        s.hears(ann),
        "ERROR(42P05 prepared statement already exists) ZI"
    );
    s.sends(
        ann,
        &Batch::new().bind("S_1").execute().close("S_1").sync().0,
    );
    assert_eq!(s.hears(ann), "2 <select 1> [SELECT 1] 3 ZI");
    assert!(s.servers[&server].prepared.is_empty());
    // A failed unnamed Parse leaves none behind, and none is brought.
    s.sends(ann, &Batch::new().parse("", "syntax error").sync().0);
    s.hears(ann);
    s.sends(ann, &Batch::new().bind("").execute().sync().0);
    assert_eq!(
        s.hears(ann),
        "ERROR(26000 prepared statement does not exist) ZI"
    );
}

#[test]
fn a_listener_knows_its_own_notifications_by_its_own_pid_and_others_by_theirs() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in_with("ann", &[]);
    let (pid, _) = key(&s, ann);
    s.hears(ann);
    s.says(ann, "listen c");
    let server = s.server_of(ann).unwrap();
    for (from, told) in [(s.servers[&server].pid, pid), (4711, 4711)] {
        s.server_sends(server, &notification(from));
        let heard = std::mem::take(&mut s.clients.get_mut(&ann).unwrap().from_engine);
        assert_eq!(heard, notification(told));
    }
    assert!(pid > 1 << 22, "no backend has a PID like ours");
}

#[test]
fn after_a_schema_change_a_text_that_is_prepared_anew_is_prepared_anew() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    let run = Batch::new()
        .parse("a", "select 1")
        .bind("a")
        .execute()
        .sync();
    s.sends(ann, &run.0);
    assert_eq!(parses(&s), 1);
    s.says(bob, "create table t (a int)");
    s.sends(bob, &run.0);
    assert_eq!(s.hears(bob), "1 2 <select 1> [SELECT 1] ZI");
    assert_eq!(parses(&s), 2);
    // Who prepared before keeps what it prepared, as on a connection of its own.
    s.hears(ann);
    s.sends(ann, &Batch::new().bind("a").execute().sync().0);
    assert_eq!(s.hears(ann), "2 <select 1> [SELECT 1] ZI");
    assert_eq!(parses(&s), 2);
}

#[test]
fn clients_with_other_settings_do_not_share_what_the_parser_reads_differently() {
    let mut s = Scenario::with(pool(1));
    let run = Batch::new()
        .parse("a", "select '2000-01-01'::timestamptz")
        .bind("a")
        .execute()
        .sync();
    for (settings, expected) in [
        (("TimeZone", "Europe/Rome"), 1),
        (("TimeZone", "Asia/Tokyo"), 2),
        (("application_name", "x"), 3),
        (("application_name", "y"), 3),
    ] {
        let id = s.logs_in_with("ann", &[settings]);
        s.sends(id, &run.0);
        assert_eq!(parses(&s), expected, "{settings:?}");
    }
}

#[test]
fn a_statement_that_vanished_from_its_server_is_brought_again() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.sends(ann, &Batch::new().parse("a", "select 1").sync().0);
    assert_eq!(s.hears(ann), "1 ZI");
    let server = s.open_servers()[0];
    // A function's EXECUTE 'DEALLOCATE ALL', which nobody can see.
    s.servers.get_mut(&server).unwrap().prepared.clear();
    let run = Batch::new().bind("a").execute().sync();
    s.sends(ann, &run.0);
    assert_eq!(
        s.hears(ann),
        "ERROR(26000 prepared statement does not exist) ZI"
    );
    s.sends(ann, &run.0);
    assert_eq!(s.hears(ann), "2 <select 1> [SELECT 1] ZI");
}

#[test]
fn a_cancel_request_names_who_asked_so_that_its_end_tells_that_it_is_delivered() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in_with("ann", &[]);
    let (pid, secret) = key(&s, ann);
    s.asks(ann, "slow select");
    let asker = s.connects();
    let mut out = Vec::new();
    weir_wire::startup::put_cancel_request(&mut out, pid, &secret);
    s.sends(asker, &out);
    assert_eq!(s.cancels_for, [Some(asker)]);
}
