//! What lives of the simulator died of (`weir-lab/src/sim`), each as small as it gets.

mod scenario;

use scenario::{Batch, Scenario, pool};
use weir_model::{ConnectFailure, Event, Order, PoolMode, PoolSettings};
use weir_wire::frontend;

#[test]
fn a_server_that_gave_a_copy_up_changes_hands_only_at_the_end_of_a_message() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    assert_eq!(s.says(ann, "copy t from stdin"), "G");
    let server = s.server_of(ann).unwrap();
    // Half a message of data is on the server when the server has had enough.
    let mut data = Vec::new();
    frontend::put_copy_data(&mut data, &[b'x'; 1000]);
    s.sends(ann, &data[..400]);
    let mut enough = Vec::new();
    weir_wire::backend::put_error(
        &mut enough,
        &weir_wire::backend::Complaint {
            severity: "ERROR",
            sqlstate: "22P04",
            message: "bad row",
            detail: None,
            hint: None,
        },
    );
    weir_wire::backend::put_ready_for_query(&mut enough, weir_wire::TxStatus::Idle);
    s.server_sends(server, &enough);
    assert_eq!(s.hears(ann), "ERROR(22P04 bad row) ZI");
    s.asks(bob, "select 1");
    assert_eq!(
        s.server_of(ann),
        Some(server),
        "bob's question would be read as the rest of ann's data"
    );
    s.sends(ann, &data[400..]);
    assert_eq!(s.server_of(ann), None);
    assert_eq!(s.server_of(bob), Some(server));
}

#[test]
fn the_unnamed_statement_is_brought_again_after_a_replay_destroyed_it() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in_with("ann", &[("search_path", "a")]);
    let bob = s.logs_in_with("ann", &[("search_path", "b")]);
    s.sends(ann, &Batch::new().parse("", "select $1").sync().0);
    s.hears(ann);
    // Named, so that the unnamed one stays; but bob's settings differ, and so does the server then.
    s.sends(
        bob,
        &Batch::new()
            .parse("s", "select 2")
            .bind("s")
            .execute()
            .sync()
            .0,
    );
    s.hears(bob);
    let server = s.open_servers()[0];
    let before = parses(&s, server);
    s.sends(ann, &Batch::new().bind("").execute().sync().0);
    assert_eq!(parses(&s, server), before + 1);
}

#[test]
fn discard_all_in_session_mode_leaves_no_name_behind_that_we_count_on() {
    let mut settings: PoolSettings = pool(1);
    settings.mode = PoolMode::Session;
    let mut s = Scenario::with(settings);
    let ann = s.logs_in();
    let use_it = Batch::new()
        .parse("s", "select 1")
        .bind("s")
        .execute()
        .sync()
        .0;
    s.sends(ann, &use_it);
    s.hears(ann);
    let server = s.open_servers()[0];
    let before = parses(&s, server);
    assert_eq!(s.says(ann, "discard all"), "[DISCARD ALL] ZI");
    s.sends(ann, &use_it);
    s.hears(ann);
    assert_eq!(parses(&s, server), before + 1);
}

#[test]
fn a_close_that_was_skipped_after_an_error_closed_nothing() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.sends(ann, &Batch::new().parse("s", "select 1").sync().0);
    s.hears(ann);
    let fails = Batch::new()
        .parse("", "syntax error")
        .close("s")
        .parse("t", "select 2")
        .sync();
    s.sends(ann, &fails.0);
    assert_eq!(s.hears(ann), "ERROR(42601 syntax error) ZI");
    s.sends(ann, &Batch::new().bind("s").execute().sync().0);
    assert_eq!(s.hears(ann), "2 <select 1> [SELECT 1] ZI");
    // And a Parse that was skipped gave no name.
    s.sends(ann, &Batch::new().bind("t").execute().sync().0);
    assert!(s.hears(ann).starts_with("ERROR(26000"));
}

#[test]
fn idle_servers_of_one_pool_make_way_for_another_where_postgresql_is_full() {
    let mut s = Scenario::with(pool(2));
    let ann = s.logs_in_with("ann", &[]);
    assert_eq!(s.says(ann, "begin").split(' ').next_back(), Some("ZT"));
    s.says(ann, "commit");
    let idle = s.open_servers();
    assert_eq!(idle.len(), 1);
    s.answers_dials = false;
    let bob = s.logs_in_with("bob", &[]);
    let dial = s.dials.pop().unwrap();
    s.dial_fails(
        dial,
        ConnectFailure::Refused {
            sqlstate: "53300".to_owned(),
            message: "sorry, too many clients already".to_owned(),
        },
    );
    assert!(
        s.events.iter().any(|e| matches!(e,
            Event::ServerClosed { server, reason, lost: false, .. }
                if *server == idle[0] && reason == "makes way: PostgreSQL is full")),
        "{bob} would be kept out by what {ann} doesn't use"
    );
}

/// How often the server was asked to parse.
fn parses(s: &Scenario, server: weir_model::ServerId) -> usize {
    s.servers[&server]
        .log
        .iter()
        .filter(|line| line.to_lowercase().starts_with("parse"))
        .count()
}

#[test]
fn servers_kept_ahead_of_need_make_way_too_and_are_not_dialed_for_while_others_wait() {
    let mut s = Scenario::with(pool(2));
    let ann = s.logs_in_with("ann", &[]);
    assert_eq!(s.says(ann, "begin").split(' ').next_back(), Some("ZT"));
    s.says(ann, "commit");
    let of_ann = s.pool();
    s.orders(Order::Warm {
        pool: of_ann,
        servers: 1,
    });
    let kept = s.open_servers();
    assert_eq!(kept.len(), 1);
    s.answers_dials = false;
    s.logs_in_with("bob", &[]);
    let dial = s.dials.pop().unwrap();
    s.dial_fails(
        dial,
        ConnectFailure::Refused {
            sqlstate: "53300".to_owned(),
            message: "sorry, too many clients already".to_owned(),
        },
    );
    assert!(
        s.events.iter().any(|e| matches!(e,
            Event::ServerClosed { server, reason, lost: false, .. }
                if *server == kept[0] && reason == "makes way: PostgreSQL is full")),
        "{:?}",
        s.events
    );
    // Several sweeps later only bob's pool has dialed.
    s.after(std::time::Duration::from_secs(3));
    assert_eq!(s.dials.len(), 1, "{:?}", s.dials);
}
