//! What a console client reads, decoded as it would; and what its orders come to.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use common::{World, key, published, snapshot};
use weir_api::console::{self, Change, ConfigRow, Console, Keeper, Kept, PeerRow, View};
use weir_model::{
    ClientCounts, ClientId, DatabaseAct, DatabaseRow, Event, Order, OrderRefused, PoolId, PoolMode,
    PoolRow, PoolSettings, PoolTotals, PoolerSettings, ServerCounts, ServerSettings, Shutdown,
    Snapshot, UserRow,
};
use weir_wire::backend::{self, tag};
use weir_wire::frame;

#[derive(Debug, Default)]
struct Answer {
    columns: Vec<String>,
    types: Vec<u32>,
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
                    let oid = &body[end + 7..end + 11];
                    answer
                        .types
                        .push(u32::from_be_bytes(oid.try_into().unwrap()));
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

fn settings(client_max: u32) -> Arc<PoolerSettings> {
    let mut pool = PoolSettings::any(ServerSettings::at("db1", 5432));
    pool.database = "app".into();
    pool.server_database = Some("app_live".into());
    pool.user = Some("dashboard".into());
    let mut settings = PoolerSettings::trusting(pool);
    settings.client_max = client_max;
    settings.stats_users = vec!["stats".into()];
    settings.user_settings.insert(
        "dashboard".into(),
        weir_model::UserSettings {
            size: std::num::NonZeroU32::new(1),
            ..Default::default()
        },
    );
    Arc::new(settings)
}

fn kept(client_max: u32) -> Kept {
    Kept {
        version: "Weir 0.1.0".to_owned(),
        settings: settings(client_max),
        config: vec![ConfigRow {
            key: "max_client_conn".to_owned(),
            value: Some(client_max.to_string()),
            default: Some("100".to_owned()),
            changeable: true,
        }],
        peers: vec![PeerRow {
            id: 1,
            host: "db2".to_owned(),
            port: 6432,
            pool_size: 0,
        }],
        mode_default: Some(PoolMode::Session),
        port: 6432,
    }
}

/// The snapshot of the others, with what the console needs besides.
fn whole() -> Snapshot {
    let mut snapshot = snapshot();
    snapshot.pools = vec![PoolRow {
        pool: PoolId(3),
        key: key(),
        mode: PoolMode::Transaction,
        size: 10,
        clients: ClientCounts {
            active: 10,
            waiting: 41,
            idle: 100,
            idle_in_transaction: 0,
        },
        servers: ServerCounts {
            active: 10,
            ..ServerCounts::default()
        },
        oldest_wait: common::ms(2_500),
        cancels: 0,
        totals: PoolTotals {
            transactions: 4000,
            held: weir_model::HoldTime {
                executing: common::ms(100),
                ..Default::default()
            },
            ..PoolTotals::default()
        },
        paused: false,
    }];
    snapshot.databases = vec![DatabaseRow {
        name: "app".into(),
        auto: false,
        paused: false,
        disabled: true,
        servers: 10,
        clients: 151,
    }];
    snapshot.users = vec![UserRow {
        name: "dashboard".into(),
        servers: 10,
        clients: 151,
    }];
    snapshot
}

fn bytes_of(sql: &str) -> Vec<u8> {
    let (published, snapshot, kept) = (published(), whole(), kept(100));
    let view = View {
        published: &published,
        snapshot: &snapshot,
        kept: &kept,
        commands: 5,
    };
    console::shown(sql, &view)
}

fn shown(sql: &str) -> Answer {
    read(&bytes_of(sql))
}

#[test]
fn show_pools_has_pgbouncers_columns_and_types_and_our_numbers() {
    let answer = shown("SHOW POOLS;");
    assert_eq!(
        answer.columns.join(" "),
        "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active \
         sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us \
         pool_mode load_balance_hosts"
    );
    assert_eq!(answer.types[0], 25, "text");
    assert_eq!(answer.types[2], 23, "int4");
    assert_eq!(answer.order, "TDCZ");
    assert_eq!(answer.tags, ["SHOW"]);
    assert_eq!(answer.value(0, "database"), Some("app"));
    assert_eq!(answer.value(0, "cl_active"), Some("110"));
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
    assert_eq!(servers.value(0, "link"), clients.value(0, "ptr"));
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
    let sockets = shown("show sockets");
    assert_eq!(sockets.rows.len(), 3);
    assert_eq!(
        sockets.columns.join(" "),
        format!("{columns} recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail")
    );
}

#[test]
fn databases_and_users_tell_settings_and_counts() {
    let answer = shown("SHOW DATABASES");
    assert_eq!(answer.rows.len(), 2, "the console's own is one");
    assert_eq!(answer.value(0, "name"), Some("app"));
    assert_eq!(answer.value(0, "host"), Some("db1"));
    assert_eq!(answer.value(0, "database"), Some("app_live"));
    assert_eq!(answer.value(0, "force_user"), Some("dashboard"));
    assert_eq!(answer.value(0, "pool_mode"), Some("transaction"));
    assert_eq!(
        answer.value(0, "load_balance_hosts"),
        None,
        "there is one host"
    );
    assert_eq!(answer.value(0, "current_connections"), Some("10"));
    assert_eq!(answer.value(0, "disabled"), Some("1"));
    assert_eq!(answer.value(1, "name"), Some("pgbouncer"));
    let answer = shown("SHOW USERS");
    assert_eq!(answer.value(0, "pool_size"), Some("        1"), "padded");
    assert_eq!(answer.value(0, "reserve_pool_size"), Some(""));
    assert_eq!(answer.value(0, "current_client_connections"), Some("151"));
}

#[test]
fn pins_and_waits_have_names() {
    let answer = shown("SHOW PINS");
    assert_eq!(answer.rows.len(), 1);
    assert_eq!(answer.value(0, "pins"), Some("listen"));
    assert_eq!(answer.value(0, "remote_pid"), Some("4711"));
    let answer = shown("SHOW WAITS");
    assert_eq!(answer.rows.len(), 1);
    assert_eq!(answer.value(0, "wait_s"), Some("2.500"));
    assert_eq!(answer.value(0, "ahead"), Some("0"));
}

#[test]
fn statistics_are_in_four_shapes_of_the_same_numbers() {
    let stats = shown("SHOW STATS");
    assert_eq!(stats.columns.len(), 25);
    assert_eq!(stats.types[1], 1700, "numeric");
    assert_eq!(stats.value(0, "total_xact_count"), Some("4000"));
    assert_eq!(stats.value(0, "total_xact_time"), Some("100000"));
    assert_eq!(stats.value(1, "database"), Some("pgbouncer"));
    assert_eq!(stats.value(1, "total_query_count"), Some("5"));
    let totals = shown("SHOW STATS_TOTALS");
    assert_eq!(totals.value(0, "xact_count"), Some("4000"));
    assert_eq!(shown("SHOW STATS_AVERAGES").columns.len(), 13);
    let all = shown("SHOW TOTALS");
    assert_eq!(all.rows.len(), 24);
    assert_eq!(all.rows[1][0].as_deref(), Some("total_xact_count"));
    assert_eq!(all.rows[1][1].as_deref(), Some("4005"));
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
fn every_other_table_has_its_columns() {
    for (sql, columns, first) in [
        ("SHOW VERSION", "version", Some("Weir 0.1.0")),
        ("SHOW LISTS", "list items", Some("databases")),
        ("SHOW STATE", "key value", Some("active")),
        (
            "SHOW CONFIG",
            "key value default changeable",
            Some("max_client_conn"),
        ),
        ("SHOW PEERS", "peer_id host port pool_size", Some("1")),
        (
            "SHOW PEER_POOLS",
            "peer_id cl_active_cancel_req cl_waiting_cancel_req sv_active_cancel sv_login",
            Some("1"),
        ),
        (
            "SHOW MEM",
            "name size used free memtotal",
            Some("client_cache"),
        ),
        ("SHOW DNS_HOSTS", "hostname ttl addrs", None),
        ("SHOW DNS_ZONES", "zonename serial count", None),
        ("SHOW client_encoding", "client_encoding", Some("UTF-8")),
    ] {
        let answer = shown(sql);
        assert_eq!(answer.columns.join(" "), columns, "{sql}");
        let cell = answer.rows.first().and_then(|row| row[0].as_deref());
        assert_eq!(cell, first, "{sql}");
    }
    let help = shown("SHOW HELP");
    assert_eq!(help.order, "NCZ");
    assert!(
        help.notices[0].contains("SHOW INCIDENTS"),
        "{:?}",
        help.notices
    );
    assert_eq!(shown(" ; ").order, "IZ");
}

#[test]
fn what_can_not_be_done_is_an_error_and_the_session_goes_on() {
    for (sql, sqlstate) in [
        ("SHOW FDS", "0A000"),
        ("DROP TABLE users", "08P01"),
        ("SHOW POOLS; SHOW POOLS", "08P01"),
    ] {
        let answer = shown(sql);
        assert_eq!(answer.order, "EZ", "{sql}");
        assert_eq!(answer.errors[0].0, sqlstate, "{sql}");
    }
}

/// A keeper whose one value can be set, and whose file may be broken.
struct OneValue {
    value: Arc<AtomicU32>,
    broken: bool,
}

impl Keeper for OneValue {
    fn kept(&self) -> Kept {
        kept(self.value.load(Ordering::Relaxed))
    }

    fn set(&self, key: &str, value: &str) -> Result<Option<Change>, String> {
        match (key, value.parse::<u32>()) {
            ("max_client_conn", Ok(number)) => {
                let value = Arc::clone(&self.value);
                Ok(Some(Change {
                    settings: settings(number),
                    commit: Box::new(move || value.store(number, Ordering::Relaxed)),
                }))
            }
            _ => Err(format!("unknown parameter: pgbouncer/{key}")),
        }
    }

    fn reload(&self) -> Result<Change, Vec<String>> {
        if self.broken {
            return Err(vec!["syntax error in configuration (a.ini:3)".to_owned()]);
        }
        self.set("max_client_conn", "7")
            .map_err(|says| vec![says])
            .map(|change| change.unwrap())
    }
}

/// A console on a data plane that carries out what it is told, but for `KILL nosuch`, a client 9,
/// and settings of 13 clients.
struct Desk {
    console: Console,
    orders: Arc<Mutex<Vec<Order>>>,
    value: Arc<AtomicU32>,
}

fn carried_out(order: &Order) -> Option<Event> {
    let done = |result| Event::OrderDone {
        order: Box::new(order.clone()),
        result,
    };
    match order {
        Order::Snapshot { request } => Some(Event::Snapshot(Box::new(Snapshot {
            request: *request,
            ..whole()
        }))),
        Order::Configure { request, settings } => Some(Event::Configured {
            request: *request,
            result: match settings.0.client_max {
                13 => Err(OrderRefused::NotNow("thirteen brings bad luck".to_owned())),
                _ => Ok(vec!["max_client_conn changed".to_owned()]),
            },
        }),
        Order::Database {
            database: Some(name),
            ..
        } if &**name == "nosuch" => Some(done(Err(OrderRefused::NoSuchDatabase(name.to_string())))),
        Order::KillClient {
            client: ClientId(9),
        } => Some(done(Err(OrderRefused::Gone("client 9".to_owned())))),
        Order::Shutdown { .. } | Order::ConsoleReply { .. } => None,
        _ => Some(done(Ok(()))),
    }
}

fn desk(broken: bool) -> Desk {
    let world = World::new();
    let (tap, events) = console::tap();
    let orders: Arc<Mutex<Vec<Order>>> = Arc::default();
    let (seen, tap) = (Arc::clone(&orders), Mutex::new(tap));
    let send = move |order: Order| {
        if let Some(event) = carried_out(&order) {
            tap.lock().unwrap().take(event);
        }
        seen.lock().unwrap().push(order);
        Ok(())
    };
    let (desk, post, _queries) = console::desk(events, Arc::new(send));
    tokio::spawn(post.run());
    let value = Arc::new(AtomicU32::new(100));
    let keeper = OneValue {
        value: Arc::clone(&value),
        broken,
    };
    Desk {
        console: Console::new(world.handle.clone(), desk, Arc::new(keeper)),
        orders,
        value,
    }
}

impl Desk {
    async fn says(&self, sql: &str, user: &str) -> Answer {
        read(&self.console.answer(sql, user).await)
    }

    /// The error that a command is answered with.
    async fn refuses(&self, sql: &str) -> (String, String) {
        let answer = self.says(sql, "ann").await;
        assert_eq!(answer.order, "EZ", "{sql}");
        answer.errors[0].clone()
    }
}

#[tokio::test]
async fn each_act_on_a_database_is_an_order_and_is_answered_by_its_name() {
    let desk = desk(false);
    for (sql, tag, act) in [
        ("pause app;", "PAUSE", DatabaseAct::Pause),
        ("RECONNECT", "RECONNECT", DatabaseAct::Reconnect),
        ("DISABLE app", "DISABLE", DatabaseAct::Disable),
        ("enable app", "ENABLE", DatabaseAct::Enable),
        ("KILL app", "KILL", DatabaseAct::Kill),
        ("WAIT_CLOSE app", "WAIT_CLOSE", DatabaseAct::WaitClose),
    ] {
        assert_eq!(desk.says(sql, "ann").await.tags, [tag]);
        let orders = desk.orders.lock().unwrap();
        assert!(
            matches!(orders.last(), Some(Order::Database { act: sent, .. }) if *sent == act),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn refusals_have_the_words_that_scripts_know() {
    let desk = desk(true);
    for (sql, sqlstate, message) in [
        ("KILL nosuch", "08P01", "no such database: nosuch"),
        ("KILL pgbouncer", "08P01", "cannot kill admin db: pgbouncer"),
        ("RESUME", "08P01", "pooler is not paused/suspended"),
        ("RESUME app", "08P01", "database app is not paused"),
        ("KILL_CLIENT 9", "08P01", "client not found"),
        ("KILL_CLIENT x", "08P01", "invalid client pointer supplied"),
        ("DISABLE", "08P01", "a database is required"),
        (
            "SET nothing = 1",
            "08P01",
            "SET failed: unknown parameter: pgbouncer/nothing",
        ),
        (
            "RELOAD",
            "F0000",
            "RELOAD failed, see logs for additional details",
        ),
    ] {
        let refused = desk.refuses(sql).await;
        assert_eq!(refused, (sqlstate.to_owned(), message.to_owned()), "{sql}");
    }
}

#[tokio::test]
async fn a_setting_counts_once_the_data_plane_runs_it() {
    let desk = desk(false);
    let answer = desk.says("SET max_client_conn = 5", "ann").await;
    assert_eq!(answer.tags, ["SET max_client_conn=5"]);
    assert_eq!(desk.value.load(Ordering::Relaxed), 5);
    desk.refuses("SET max_client_conn = 13").await;
    assert_eq!(desk.value.load(Ordering::Relaxed), 5, "it was refused");
    assert_eq!(desk.says("RELOAD", "ann").await.tags, ["RELOAD"]);
    assert_eq!(desk.value.load(Ordering::Relaxed), 7);
    let answer = desk.says("SET extra_float_digits = 2", "stats").await;
    assert_eq!(answer.order, "NCZ", "drivers do this to everybody");
}

#[tokio::test]
async fn who_may_only_look_changes_nothing() {
    let desk = desk(false);
    for sql in [
        "RELOAD",
        "PAUSE",
        "KILL app",
        "KILL_CLIENT 1",
        "SET max_client_conn = 1",
        "SHUTDOWN",
        "SUSPEND",
    ] {
        let answer = desk.says(sql, "stats").await;
        assert_eq!(answer.errors[0].1, "admin access needed", "{sql}");
    }
    assert_eq!(desk.says("SHOW CONFIG", "stats").await.tags, ["SHOW"]);
    let changes = |order: &Order| !matches!(order, Order::Snapshot { .. });
    assert!(!desk.orders.lock().unwrap().iter().any(changes));
}

#[tokio::test]
async fn shutdown_at_once_is_answered_by_the_end_of_the_connection() {
    let desk = desk(false);
    let answer = desk.says("SHUTDOWN WAIT_FOR_CLIENTS", "ann").await;
    assert_eq!(answer.tags, ["SHUTDOWN"]);
    assert!(desk.console.is_ending());
    assert_eq!(desk.refuses("RESUME").await.1, "pooler is shutting down");
    assert!(desk.console.answer("SHUTDOWN", "ann").await.is_empty());
    let orders = desk.orders.lock().unwrap();
    assert_eq!(orders.last(), Some(&Order::Shutdown { how: Shutdown::Now }));
}

proptest::proptest! {
    /// Whatever is sent, the answer is whole messages and ends in ReadyForQuery.
    #[test]
    fn any_text_is_answered(sql in "(?s)(show|select|pause|set|kill|)[ \"';=a-z\u{0}ß]{0,12}.{0,80}") {
        read(&bytes_of(&sql));
    }
}
