//! What a console client reads, decoded as it would.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{World, published, snapshot};
use weir_api::console;
use weir_control::handle::{Ask, AskFault, OperatorOrder};
use weir_wire::backend::{self, tag};
use weir_wire::frame;

#[derive(Debug, Default)]
struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
    tags: Vec<String>,
    errors: Vec<(String, String)>,
    notices: Vec<String>,
    order: String,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn int16(body: &mut &[u8]) -> usize {
    let (head, rest) = body.split_at(2);
    *body = rest;
    usize::from(u16::from_be_bytes([head[0], head[1]]))
}

/// Reads whole messages and the columns and rows in them.
fn read(bytes: &[u8]) -> Answer {
    let mut answer = Answer::default();
    let mut messages = frame::messages(bytes, frame::MESSAGE_MAX);
    while let Some(message) = messages.next() {
        let message = message.unwrap();
        let mut body = message.body;
        answer.order.push(message.tag as char);
        match message.tag {
            tag::ROW_DESCRIPTION => {
                for _ in 0..int16(&mut body) {
                    let end = body.iter().position(|b| *b == 0).unwrap();
                    answer.columns.push(text(&body[..end]));
                    body = &body[end + 1 + 18..];
                }
                assert!(body.is_empty());
            }
            tag::DATA_ROW => {
                let mut row = Vec::new();
                for _ in 0..int16(&mut body) {
                    let length = i32::from_be_bytes([body[0], body[1], body[2], body[3]]);
                    body = &body[4..];
                    row.push(usize::try_from(length).ok().map(|length| {
                        let (value, rest) = body.split_at(length);
                        body = rest;
                        text(value)
                    }));
                }
                assert!(body.is_empty());
                assert_eq!(row.len(), answer.columns.len());
                answer.rows.push(row);
            }
            tag::COMMAND_COMPLETE => answer.tags.push(text(&body[..body.len() - 1])),
            tag::ERROR_RESPONSE => {
                let fields = backend::error_fields(body).unwrap();
                assert_eq!(fields.severity, b"ERROR");
                answer
                    .errors
                    .push((text(fields.sqlstate), text(fields.message)));
            }
            tag::NOTICE_RESPONSE => {
                answer
                    .notices
                    .push(text(backend::error_fields(body).unwrap().detail));
            }
            tag::READY_FOR_QUERY => {
                assert_eq!(
                    backend::ready_for_query(body),
                    Ok(weir_wire::TxStatus::Idle)
                );
                assert!(
                    messages.rest().is_empty(),
                    "something stands behind ReadyForQuery"
                );
                return answer;
            }
            tag::EMPTY_QUERY_RESPONSE => assert!(body.is_empty()),
            other => panic!("message {}", other as char),
        }
    }
    panic!("no ReadyForQuery in {answer:?}");
}

impl Answer {
    fn value(&self, row: usize, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|c| c == column);
        let index = index.unwrap_or_else(|| panic!("no column {column} in {:?}", self.columns));
        self.rows[row][index].as_deref()
    }
}

fn shown(sql: &str) -> Answer {
    read(&console::shown(&published(), Some(&snapshot()), sql))
}

#[test]
fn show_pools_has_pgbouncers_columns_and_our_numbers() {
    let answer = shown("SHOW POOLS;");
    assert_eq!(
        answer.columns.join(" "),
        "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active \
         sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us \
         pool_mode load_balance_hosts"
    );
    assert_eq!(answer.order, "TDCZ");
    assert_eq!(answer.tags, ["SHOW"]);
    assert_eq!(answer.value(0, "database"), Some("app"));
    assert_eq!(answer.value(0, "cl_waiting"), Some("41"));
    assert_eq!(answer.value(0, "maxwait"), Some("2"));
    assert_eq!(answer.value(0, "maxwait_us"), Some("500000"));
    assert_eq!(answer.value(0, "pool_mode"), Some("transaction"));
}

#[test]
fn show_clients_and_servers_name_each_other() {
    let clients = shown("show clients");
    let servers = shown("show servers");
    let columns = "type user database replication state addr port local_addr local_port \
                   connect_time request_time wait wait_us close_needed ptr link remote_pid tls \
                   application_name prepared_statements id";
    assert_eq!(clients.columns.join(" "), columns);
    assert_eq!(servers.columns.join(" "), columns);
    assert_eq!(clients.value(0, "link"), servers.value(0, "ptr"));
    assert_eq!(clients.value(0, "remote_pid"), Some("4711"));
    assert_eq!(servers.value(0, "remote_pid"), Some("4711"));
    assert_eq!(clients.value(0, "addr"), Some("127.0.0.1"));
    assert_eq!(clients.value(0, "port"), Some("51234"));
    assert_eq!(
        clients.value(0, "connect_time"),
        Some("2026-11-23 05:00:01 UTC")
    );
    assert_eq!(clients.value(1, "state"), Some("waiting"));
    assert_eq!(clients.value(1, "wait"), Some("2"));
    assert_eq!(clients.value(1, "wait_us"), Some("500000"));
}

#[test]
fn pins_have_names() {
    let answer = shown("SHOW PINS");
    assert_eq!(answer.rows.len(), 1);
    assert_eq!(answer.value(0, "pins"), Some("listen"));
    assert_eq!(answer.value(0, "remote_pid"), Some("4711"));
}

#[test]
fn what_is_not_measured_is_null_and_not_zero() {
    let answer = shown("SHOW STATS");
    assert_eq!(answer.value(0, "total_xact_count"), Some("4000"));
    assert_eq!(answer.value(0, "total_query_count"), None);
    assert_eq!(answer.value(0, "total_xact_time"), Some("100000"));
}

#[test]
fn incidents_decisions_and_causes_are_told_with_what_was_ruled_out() {
    let answer = shown("SHOW INCIDENTS");
    assert_eq!(answer.rows.len(), 2);
    assert_eq!(answer.value(0, "id"), Some("INC-7"));
    assert_eq!(answer.value(0, "cause"), Some("pool_undersized"));
    let answer = shown("SHOW DECISIONS");
    assert_eq!(answer.value(0, "decision"), Some("recommend 10 → 18"));
    let answer = shown("SHOW CAUSES");
    assert_eq!(answer.value(0, "verdict"), Some("found"));
    assert_eq!(answer.value(1, "verdict"), Some("ruled out"));
    assert_eq!(answer.value(1, "cause"), Some("slow_query"));
    assert_eq!(
        answer.rows.len(),
        2,
        "a resolved incident has no open question"
    );
}

#[test]
fn every_other_table_has_rows() {
    for (sql, first) in [
        ("SHOW VERSION", "Weir 0.1.0"),
        ("SHOW DATABASES", "app"),
        ("SHOW LISTS", "databases"),
        ("SHOW STATE", "active"),
        ("SHOW CONFIG", "listen"),
    ] {
        let answer = shown(sql);
        assert_eq!(answer.rows[0][0].as_deref(), Some(first), "{sql}");
    }
    let help = shown("SHOW HELP");
    assert_eq!(help.order, "NCZ");
    assert!(help.notices[0].contains("SHOW PINS"), "{:?}", help.notices);
    assert_eq!(shown(" ; ").order, "IZ");
}

#[test]
fn what_can_not_be_done_is_an_error_and_the_session_goes_on() {
    for (sql, sqlstate) in [
        ("RELOAD", "0A000"),
        ("SHOW MEM", "0A000"),
        ("KILL app", "0A000"),
        ("DROP TABLE users", "42601"),
        ("SHOW POOLS; SHOW POOLS", "42601"),
    ] {
        let answer = shown(sql);
        assert_eq!(answer.order, "EZ", "{sql}");
        assert_eq!(answer.errors[0].0, sqlstate, "{sql}");
    }
    let without = read(&console::shown(&published(), None, "SHOW CLIENTS"));
    assert_eq!(without.errors[0].0, "55000");
}

#[tokio::test]
async fn pause_is_an_order_in_the_users_name() {
    let world = World::new();
    let bytes = console::answer(&world.handle, "pause app;", "ann").await;
    assert_eq!(read(&bytes).tags, ["PAUSE"]);
    let bytes = console::answer(&world.handle, "RESUME", "ann").await;
    assert_eq!(read(&bytes).tags, ["RESUME"]);
    let asked = world.asked();
    assert!(
        matches!(&asked[0], Ask::Order { by, order: OperatorOrder::Pause { database: Some(d) } } if by == "ann" && d == "app")
    );
    assert!(matches!(
        &asked[1],
        Ask::Order {
            order: OperatorOrder::Resume { database: None },
            ..
        }
    ));
    let fault = AskFault::NoSuch {
        what: "database",
        name: "nope".to_owned(),
    };
    let answer = read(&console::ordered("PAUSE nope", Err(fault)));
    assert_eq!(
        answer.errors,
        [("3D000".to_owned(), "there is no database nope".to_owned())]
    );
}

#[tokio::test]
async fn a_snapshot_is_asked_for_only_where_one_is_needed() {
    let world = World::new();
    let answer = read(&console::answer(&world.handle, "SHOW POOLS", "ann").await);
    assert_eq!(answer.rows.len(), 1);
    assert!(world.asked().is_empty());
    let answer = read(&console::answer(&world.handle, "SHOW CLIENTS", "ann").await);
    assert_eq!(answer.rows.len(), 2);
    assert!(matches!(world.asked()[0], Ask::Snapshot));
}

proptest::proptest! {
    /// Whatever is sent, the answer is whole messages and ends in ReadyForQuery.
    #[test]
    fn any_text_is_answered(sql in "(?s)(show|select|pause|resume|kill|)[ \"';a-z\u{0}ß]{0,12}.{0,80}") {
        read(&console::shown(&published(), None, &sql));
        if console::order(&sql).is_some() {
            read(&console::ordered(&sql, Ok(())));
        }
    }
}
