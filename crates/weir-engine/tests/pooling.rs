//! Who gets which server, when; and what everybody is told.

mod scenario;

use std::time::Duration;

use scenario::{Batch, Scenario, ms, pool};
use weir_model::{
    AuthMethod, ConnectFailure, Event, Order, Outcome, PoolMode, PoolerSettings, Secret,
};
use weir_wire::auth::md5;
use weir_wire::{backend, frontend, startup};

fn outcomes(s: &Scenario) -> Vec<Outcome> {
    s.events
        .iter()
        .filter_map(|e| match e {
            Event::Transaction(t) => Some(t.outcome),
            _ => None,
        })
        .collect()
}

#[test]
fn the_client_that_waited_longest_gets_the_next_free_server() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob, cy] = [s.logs_in(), s.logs_in(), s.logs_in()];
    assert_eq!(s.says(ann, "begin"), "[BEGIN] ZT");
    s.after(ms(10));
    assert_eq!(s.says(bob, "begin"), "");
    s.after(ms(10));
    assert_eq!(s.says(cy, "begin"), "");
    s.after(ms(10));
    assert_eq!(s.says(ann, "commit"), "[COMMIT] ZI");
    assert_eq!(s.hears(bob), "[BEGIN] ZT");
    assert_eq!(s.hears(cy), "");
    assert_eq!(
        s.shows(),
        "C-1 idle - \nC-3 idleintransaction S-2 \nC-4 waiting - \n"
    );
    let sample = s.engine.sample(s.now);
    assert_eq!(sample.pools[0].oldest_wait, ms(10));
    assert_eq!(sample.pools[0].arrivals, 3);
    assert_eq!(sample.pools[0].completions, 1);
    assert_eq!(sample.pools[0].wait.count(), 2);
    assert_eq!(sample.pools[0].clients.waiting, 1);
    assert_eq!(sample.pools[0].clients.idle_in_transaction, 1);
}

#[test]
fn who_waits_too_long_is_told_that_the_pool_is_saturated_and_with_which_numbers() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob, cy] = [s.logs_in(), s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    s.says(bob, "begin");
    s.says(cy, "begin");
    s.after(Duration::from_secs(120));
    assert_eq!(
        s.hears(cy),
        "FATAL(53300 query_wait_timeout: no server of app/ann came free in 120 s: saturated, \
         1 of 1 active, 1 clients ahead) closed"
    );
    assert!(s.hears(bob).contains("0 clients ahead"));
    let sample = s.engine.sample(s.now);
    assert_eq!(sample.pools[0].abandoned, 2);
    assert_eq!(sample.pools[0].wait.count(), 3, "those who gave up count");
    assert_eq!(outcomes(&s), [Outcome::WaitTimeout, Outcome::WaitTimeout]);
}

#[test]
fn too_many_waiters_are_refused_at_once() {
    let mut p = pool(1);
    p.waiters_max = 1;
    let mut s = Scenario::with(p);
    let [ann, bob, cy] = [s.logs_in(), s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    s.says(bob, "begin");
    assert_eq!(
        s.says(cy, "begin"),
        "FATAL(53300 waiters_max: app/ann is saturated: 1 of 1 servers active, \
         1 clients already wait) closed"
    );
}

#[test]
fn a_waiter_that_gives_up_is_counted_and_the_next_one_moves_up() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob, cy] = [s.logs_in(), s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    s.says(bob, "begin");
    s.says(cy, "begin");
    s.after(ms(500)).leaves(bob);
    assert_eq!(s.engine.sample(s.now).pools[0].abandoned, 1);
    s.says(ann, "commit");
    assert_eq!(s.hears(cy), "[BEGIN] ZT");
    assert!(outcomes(&s).contains(&Outcome::GaveUp));
}

#[test]
fn a_pipelining_client_keeps_its_server_until_every_reply_is_out() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.sends(ann, &Batch::new().query("slow 1").query("a").query("b").0);
    assert_eq!(s.says(bob, "mine"), "");
    let server = s.server_of(ann).unwrap();
    s.finishes(server);
    assert_eq!(
        s.hears(ann),
        "<slow 1> [SELECT 1] ZI <a> [SELECT 1] ZI <b> [SELECT 1] ZI"
    );
    assert_eq!(s.hears(bob), "<mine> [SELECT 1] ZI");
}

#[test]
fn a_cancel_reaches_the_linked_server_and_never_the_next_client() {
    let mut s = Scenario::with(pool(1));
    let ann = s.connects();
    let mut hello = Vec::new();
    startup::put_startup(&mut hello, [("user", "ann"), ("database", "app")]);
    s.sends(ann, &hello);
    let bytes = std::mem::take(&mut s.clients.get_mut(&ann).unwrap().from_engine);
    let key = weir_wire::frame::messages(&bytes, 10_000)
        .map(|m| m.unwrap())
        .find(|m| m.tag == b'K')
        .unwrap();
    let key = backend::backend_key_data(key.body).unwrap();
    let mut request = Vec::new();
    startup::put_cancel_request(&mut request, key.pid, key.key);

    // Idle: nothing to cancel.
    let c = s.connects();
    s.sends(c, &request);
    assert_eq!(s.hears(c), "closed");
    assert!(s.cancels.is_empty());

    // Executing: cancelled with the server's own key, and the server isn't used again, since
    // the cancel may arrive late.
    s.asks(ann, "slow 1");
    let server = s.server_of(ann).unwrap();
    let c = s.connects();
    s.sends(c, &request);
    let mut expected = Vec::new();
    startup::put_cancel_request(&mut expected, s.servers[&server].pid, &[1, 2, 3, 4]);
    assert_eq!(s.cancels, [expected]);
    s.finishes(server);
    assert_eq!(s.hears(ann), "<slow 1> [SELECT 1] ZI");
    let bob = s.logs_in();
    s.asks(bob, "slow 2");
    assert_ne!(s.server_of(bob), Some(server));

    // Waiting: answered with 57014, and the connection lives on.
    s.asks(ann, "select 1");
    let c = s.connects();
    s.sends(c, &request);
    assert_eq!(
        s.hears(ann),
        "ERROR(57014 canceling statement due to user request) ZI"
    );
    assert_eq!(s.cancels.len(), 1);
    // With a wrong key nothing happens.
    s.asks(ann, "select 1");
    startup::put_cancel_request(&mut request, key.pid, &[9, 9, 9, 9]);
    let c = s.connects();
    s.sends(c, &request[16..]);
    assert_eq!(s.hears(ann), "");
    let server = s.server_of(bob).unwrap();
    s.finishes(server);
    assert_eq!(s.hears(ann), "<select 1> [SELECT 1] ZI");
}

#[test]
fn a_client_that_vanishes_in_mid_query_leaves_nothing_to_the_next() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.asks(ann, "slow secret");
    let server = s.server_of(ann).unwrap();
    s.asks(bob, "mine");
    s.leaves(ann);
    assert_eq!(s.cancels.len(), 1);
    assert!(s.servers[&server].socket.closed);
    assert_eq!(s.hears(bob), "<mine> [SELECT 1] ZI");
    assert!(outcomes(&s).contains(&Outcome::ClientLost));
    assert!(s.faults().is_empty());
}

#[test]
fn a_client_that_leaves_an_unfinished_batch_does_not_hand_it_on() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.sends(
        ann,
        &Batch::new()
            .parse("", "insert")
            .bind("")
            .execute()
            .flush()
            .0,
    );
    assert_eq!(s.hears(ann), "1 2 <insert> [SELECT 1]");
    let server = s.server_of(ann).unwrap();
    s.leaves(ann);
    assert!(s.servers[&server].socket.closed);
    assert_eq!(s.says(bob, "mine"), "<mine> [SELECT 1] ZI");
}

#[test]
fn a_server_that_dies_in_mid_transaction_passes_on_its_last_words() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    let server = s.server_of(ann).unwrap();
    s.dies(server, Some(("57P01", "terminating connection")));
    assert_eq!(s.hears(ann), "FATAL(57P01 terminating connection) closed");
    s.asks(bob, "begin");
    let server = s.server_of(bob).unwrap();
    s.hears(bob);
    s.dies(server, None);
    assert_eq!(
        s.hears(bob),
        "FATAL(08006 server closed the connection unexpectedly: server conn crashed?) closed"
    );
    assert_eq!(outcomes(&s), [Outcome::ServerLost, Outcome::ServerLost]);
}

#[test]
fn an_idle_server_that_dies_is_only_replaced() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.says(ann, "select 1");
    let server = s.open_servers()[0];
    s.dies(server, Some(("57P01", "terminating connection")));
    assert_eq!(s.says(ann, "select 2"), "<select 2> [SELECT 1] ZI");
}

#[test]
fn garbage_from_a_client_is_a_protocol_violation() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.sends(ann, b"Q\x00\x00\x00\x01");
    let said = s.hears(ann);
    assert!(
        said.starts_with("FATAL(08P01 ") && said.ends_with(" closed"),
        "{said}"
    );
    let bob = s.connects();
    s.sends(bob, b"GET / HTTP/1.1\r\n\r\n");
    let said = s.hears(bob);
    assert!(said.contains("08P01") && said.contains("HTTP"), "{said}");
}

#[test]
fn garbage_from_a_server_never_reaches_a_client_that_did_not_ask() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.says(ann, "begin");
    let server = s.server_of(ann).unwrap();
    let mut rows = Vec::new();
    backend::put_data_row(&mut rows, &[Some("not yours")]);
    s.server_sends(server, &rows);
    let said = s.hears(ann);
    assert!(!said.contains("not yours"), "{said}");
    assert!(said.ends_with("closed"), "{said}");
    assert_eq!(s.faults().len(), 1);
}

#[test]
fn a_server_that_speaks_another_protocol_is_a_failed_login() {
    let mut s = Scenario::with(pool(1));
    s.answers_dials = false;
    let ann = s.logs_in_with("ann", &[]);
    let server = s.dials[0];
    s.dial_works(server);
    s.servers.get_mut(&server).unwrap().started = true;
    s.servers.get_mut(&server).unwrap().socket.to_engine.clear();
    // What it said before counts for nothing.
    let mut s = Scenario::with(pool(1));
    s.answers_dials = false;
    let _ = ann;
    let ann = s.logs_in_with("ann", &[]);
    let server = s.dials[0];
    let mut fx = weir_engine::Effects::new();
    s.engine.dialed(server, Ok(()), s.now, &mut fx);
    let used = s.engine.received(
        weir_engine::Conn::Server(server),
        b"HTTP/1.1 400 Bad Request\r\n",
        s.now,
        &mut fx,
    );
    assert_eq!(used, 26);
    assert!(fx.events.iter().any(|e| matches!(
        e,
        Event::ServerLoginFailed {
            failure: ConnectFailure::Garbage(_),
            ..
        }
    )));
    assert_eq!(s.hears(ann), "");
}

#[test]
fn a_server_that_is_down_is_called_down_with_its_place_and_last_failure() {
    let mut s = Scenario::with(pool(1));
    s.answers_dials = false;
    let ann = s.logs_in_with("ann", &[]);
    for _ in 0..40 {
        while let Some(id) = s.dials.first().copied() {
            s.dial_fails(id, ConnectFailure::Io("Connection refused".into()));
        }
        s.after(ms(500));
    }
    assert_eq!(
        s.hears(ann),
        "FATAL(08006 no server of app/ann could be opened in 15 s: db:5432: Connection refused) closed"
    );
}

#[test]
fn the_servers_own_refusal_reaches_the_client() {
    let mut s = Scenario::with(pool(1));
    s.answers_dials = false;
    let ann = s.logs_in_with("ann", &[]);
    let server = s.dials[0];
    s.dial_fails(
        server,
        ConnectFailure::Refused {
            sqlstate: "3D000".into(),
            message: "database \"app\" does not exist".into(),
        },
    );
    assert_eq!(
        s.hears(ann),
        "FATAL(3D000 database \"app\" does not exist) closed"
    );
}

#[test]
fn a_full_postgresql_keeps_clients_waiting_while_the_pool_has_other_servers() {
    let mut s = Scenario::with(pool(2));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    s.answers_dials = false;
    s.asks(bob, "select 1");
    let server = s.dials[0];
    s.dial_fails(
        server,
        ConnectFailure::Refused {
            sqlstate: "53300".into(),
            message: "sorry, too many clients already".into(),
        },
    );
    assert_eq!(s.hears(bob), "");
    s.says(ann, "commit");
    assert_eq!(s.hears(bob), "<select 1> [SELECT 1] ZI");
}

#[test]
fn a_restart_of_postgresql_is_sat_out() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    let server = s.open_servers()[0];
    s.answers_dials = false;
    s.dies(server, None);
    s.asks(ann, "select 1");
    let server = s.dials[0];
    s.dial_fails(server, ConnectFailure::Io("Connection refused".into()));
    s.after(ms(3000));
    assert_eq!(s.hears(ann), "");
    s.answers_dials = true;
    s.after(ms(3000));
    assert_eq!(s.hears(ann), "<select 1> [SELECT 1] ZI");
}

#[test]
fn copy_streams_both_ways_and_its_errors_end_it() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    assert_eq!(s.says(ann, "copy t from stdin"), "G");
    let mut data = Vec::new();
    frontend::put_copy_data(&mut data, &vec![b'x'; 300_000]);
    // Torn anywhere.
    s.sends(ann, &data[..7]);
    s.sends(ann, &data[7..100_000]);
    s.sends(ann, &data[100_000..]);
    assert_eq!(s.says(bob, "select 1"), "");
    let mut done = Vec::new();
    frontend::put_copy_done(&mut done);
    s.sends(ann, &done);
    assert_eq!(s.hears(ann), "[COPY 1] ZI");
    assert_eq!(s.hears(bob), "<select 1> [SELECT 1] ZI");

    assert_eq!(s.says(ann, "copy t from stdin"), "G");
    let mut fail = Vec::new();
    frontend::put_copy_fail(&mut fail, b"enough");
    s.sends(ann, &fail);
    assert_eq!(s.hears(ann), "ERROR(57014 COPY from stdin failed) ZI");
    // Data sent before the error was read is nobody's.
    s.sends(ann, &data);
    s.sends(ann, &done);
    assert_eq!(s.hears(ann), "");
    assert_eq!(s.says(ann, "select 2"), "<select 2> [SELECT 1] ZI");
}

#[test]
fn libpqs_sync_behind_an_extended_copy_is_not_counted() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    let batch = Batch::new()
        .parse("", "copy t from stdin")
        .bind("")
        .execute()
        .sync();
    s.sends(ann, &batch.0);
    assert_eq!(s.hears(ann), "1 2 G");
    let mut rest = Vec::new();
    frontend::put_copy_data(&mut rest, b"1\n");
    frontend::put_copy_done(&mut rest);
    frontend::put_sync(&mut rest);
    s.sends(ann, &rest);
    assert_eq!(s.hears(ann), "[COPY 1] ZI");
    assert_eq!(s.says(bob, "select 1"), "<select 1> [SELECT 1] ZI");
    assert!(s.faults().is_empty());
}

#[test]
fn an_error_skips_to_sync_and_the_pipeline_goes_on_behind_it() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    let batch = Batch::new()
        .parse("", "fail")
        .bind("")
        .execute()
        .parse("", "never")
        .bind("")
        .execute()
        .sync()
        .parse("", "after")
        .bind("")
        .execute()
        .sync();
    s.sends(ann, &batch.0);
    assert_eq!(
        s.hears(ann),
        "1 2 ERROR(22012 division by zero) ZI 1 2 <after> [SELECT 1] ZI"
    );
    assert_eq!(s.says(bob, "mine"), "<mine> [SELECT 1] ZI");
}

#[test]
fn messages_torn_anywhere_mean_the_same() {
    let batch = Batch::new()
        .parse("s", "select 1")
        .describe("s")
        .bind("s")
        .execute()
        .close("s")
        .sync()
        .query("select 2");
    let mut whole = Scenario::with(pool(1));
    let ann = whole.logs_in();
    whole.sends(ann, &batch.0);
    let expected = whole.hears(ann);
    for cut in 1..batch.0.len() {
        let mut s = Scenario::with(pool(1));
        let ann = s.logs_in();
        s.sends(ann, &batch.0[..cut]);
        s.sends(ann, &batch.0[cut..]);
        assert_eq!(s.hears(ann), expected, "cut at {cut}");
    }
}

#[test]
fn pause_lets_transactions_finish_and_begins_none() {
    let mut s = Scenario::with(pool(2));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    s.orders(Order::Pause { pool: None });
    assert_eq!(s.says(ann, "commit"), "[COMMIT] ZI");
    assert_eq!(s.says(bob, "select 1"), "");
    s.orders(Order::Resume { pool: None });
    assert_eq!(s.hears(bob), "<select 1> [SELECT 1] ZI");
}

#[test]
fn growing_dials_at_once_and_shrinking_lets_the_busy_finish() {
    let mut s = Scenario::with(pool(1));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    assert_eq!(s.says(bob, "begin"), "");
    s.orders(Order::Resize {
        pool: s.pool(),
        size: 2,
    });
    assert_eq!(s.hears(bob), "[BEGIN] ZT");
    s.orders(Order::Resize {
        pool: s.pool(),
        size: 1,
    });
    assert_eq!(s.open_servers().len(), 2);
    assert_eq!(s.says(ann, "commit"), "[COMMIT] ZI");
    assert_eq!(s.open_servers().len(), 1);
    assert_eq!(s.says(bob, "commit"), "[COMMIT] ZI");
    assert_eq!(s.open_servers().len(), 1);
}

#[test]
fn draining_lets_transactions_end_and_then_exits() {
    let mut s = Scenario::with(pool(2));
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.says(ann, "begin");
    s.orders(Order::Drain);
    assert_eq!(s.hears(bob), "FATAL(57P01 Weir is shutting down) closed");
    assert!(!s.exited);
    assert_eq!(
        s.says(ann, "commit"),
        "[COMMIT] ZI FATAL(57P01 Weir is shutting down) closed"
    );
    assert!(s.exited);
    let mut s = Scenario::with(pool(2));
    let ann = s.logs_in();
    s.says(ann, "begin");
    s.orders(Order::Drain);
    s.after(Duration::from_secs(61));
    assert_eq!(s.hears(ann), "FATAL(57P01 Weir is shutting down) closed");
    assert!(s.exited);
}

#[test]
fn session_mode_keeps_the_server_and_cleans_it_afterwards() {
    let mut p = pool(1);
    p.mode = PoolMode::Session;
    let mut s = Scenario::with(p);
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    assert_eq!(s.says(ann, "set work_mem = '1MB'"), "[SET] ZI");
    assert_eq!(s.says(bob, "show work_mem"), "");
    assert_eq!(s.says(ann, "show work_mem"), "<1MB> [SELECT 1] ZI");
    s.sends(ann, b"X\x00\x00\x00\x04");
    assert_eq!(s.hears(bob), "<> [SELECT 1] ZI");
    assert_eq!(s.open_servers().len(), 1);
}

#[test]
fn statement_mode_refuses_transaction_blocks() {
    let mut p = pool(1);
    p.mode = PoolMode::Statement;
    let mut s = Scenario::with(p);
    let ann = s.logs_in();
    assert_eq!(s.says(ann, "select 1"), "<select 1> [SELECT 1] ZI");
    assert_eq!(
        s.says(ann, "begin"),
        "[BEGIN] ZT FATAL(25001 transaction blocks not allowed in statement pooling mode) closed"
    );
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_told_the_same() {
    let mut settings = PoolerSettings::trusting(pool(1));
    settings.auth_method = AuthMethod::Md5;
    settings.users.insert("ann".into(), Secret("right".into()));
    for (user, password, good) in [
        ("ann", "right", true),
        ("ann", "wrong", false),
        ("eve", "right", false),
    ] {
        let mut s = Scenario::of(settings.clone());
        let id = s.logs_in_with(user, &[]);
        let challenge = std::mem::take(&mut s.clients.get_mut(&id).unwrap().from_engine);
        let salt: [u8; 4] = challenge[9..13].try_into().unwrap();
        let secret = md5::secret(password.as_bytes(), user.as_bytes());
        let mut answer = Vec::new();
        frontend::put_password(&mut answer, md5::response(&secret, salt).as_bytes());
        s.sends(id, &answer);
        let said = s.hears(id);
        if good {
            assert!(said.ends_with("K ZI"), "{said}");
        } else {
            let text =
                format!("FATAL(28P01 password authentication failed for user \"{user}\") closed");
            assert_eq!(said, text);
        }
    }
}

#[test]
fn scram_lets_the_right_password_in() {
    use weir_wire::auth::scram;
    let mut settings = PoolerSettings::trusting(pool(1));
    settings.auth_method = AuthMethod::ScramSha256;
    settings.users.insert("ann".into(), Secret("right".into()));
    for (user, password, good) in [
        ("ann", "right", true),
        ("ann", "wrong", false),
        ("eve", "x", false),
    ] {
        let mut s = Scenario::of(settings.clone());
        let id = s.logs_in_with(user, &[]);
        s.hears(id);
        let secret = scram::Secret::Password(password.as_bytes().to_vec());
        let mut client = scram::Client::new(secret, scram::nonce(&[3; 18]));
        let mut out = Vec::new();
        frontend::put_sasl_initial(
            &mut out,
            scram::MECHANISM,
            client.first_message().as_bytes(),
        );
        s.sends(id, &out);
        let bytes = std::mem::take(&mut s.clients.get_mut(&id).unwrap().from_engine);
        let proof = client.on_challenge(&bytes[9..]).unwrap();
        let mut out = Vec::new();
        frontend::put_sasl_response(&mut out, proof.as_bytes());
        s.sends(id, &out);
        let said = s.hears(id);
        assert_eq!(said.ends_with("K ZI"), good, "{said}");
        assert_eq!(said.contains("28P01"), !good, "{said}");
    }
}

#[test]
fn an_unknown_database_has_its_own_error() {
    let mut p = pool(1);
    p.database = "other".into();
    let mut s = Scenario::with(p);
    let ann = s.logs_in_with("ann", &[]);
    assert_eq!(s.hears(ann), "FATAL(3D000 no such database: app) closed");
}

#[test]
fn the_console_hands_queries_to_control_and_answers_back() {
    let mut s = Scenario::with(pool(1));
    let id = s.logs_in_with("ann", &[("database", "weir")]);
    s.hears(id);
    s.asks(id, "SHOW POOLS");
    assert!(
        s.events
            .iter()
            .any(|e| matches!(e, Event::Console { sql, .. } if sql == "SHOW POOLS"))
    );
    let mut bytes = Vec::new();
    backend::put_command_complete(&mut bytes, "SHOW");
    backend::put_ready_for_query(&mut bytes, weir_wire::TxStatus::Idle);
    s.orders(Order::ConsoleReply { client: id, bytes });
    assert_eq!(s.hears(id), "[SHOW] ZI");
    s.sends(id, &Batch::new().parse("", "x").bind("").execute().sync().0);
    assert_eq!(
        s.hears(id),
        "ERROR(0A000 extended query protocol not supported by admin console) ZI"
    );
}

#[test]
fn too_many_clients_are_refused_with_53300() {
    let mut settings = PoolerSettings::trusting(pool(1));
    settings.client_max = 1;
    let mut s = Scenario::of(settings);
    s.logs_in();
    let bob = s.logs_in_with("bob", &[]);
    assert!(
        s.hears(bob)
            .starts_with("FATAL(53300 no more connections allowed")
    );
}

#[test]
fn who_does_not_log_in_is_sent_away() {
    let mut s = Scenario::with(pool(1));
    let ann = s.connects();
    s.after(Duration::from_secs(62));
    assert!(s.hears(ann).contains("client_login_timeout"));
}

#[test]
fn hold_time_is_split_into_executing_and_thinking() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.says(ann, "begin");
    s.after(ms(30));
    s.asks(ann, "slow 1");
    let server = s.server_of(ann).unwrap();
    s.after(ms(50));
    let sample = s.engine.sample(s.now);
    assert_eq!(sample.pools[0].held.thinking, ms(30));
    assert_eq!(sample.pools[0].held.executing, ms(50), "open ones count");
    s.after(ms(5));
    s.finishes(server);
    s.says(ann, "commit");
    let hold = s
        .events
        .iter()
        .find_map(|e| match e {
            Event::Transaction(t) => Some((t.hold, t.statements)),
            _ => None,
        })
        .unwrap();
    assert_eq!((hold.0.thinking, hold.0.executing), (ms(30), ms(55)));
    assert_eq!(hold.1, 3);
}

#[test]
fn an_error_during_the_servers_login_reaches_the_client() {
    let mut s = Scenario::with(pool(1));
    s.answers_dials = false;
    let ann = s.logs_in_with("ann", &[]);
    let server = s.dials[0];
    s.dial_holds(server);
    let mut out = Vec::new();
    backend::put_error(
        &mut out,
        &backend::Complaint {
            severity: "FATAL",
            sqlstate: "3D000",
            message: "database \"app\" does not exist",
            detail: None,
            hint: None,
        },
    );
    s.server_sends(server, &out);
    assert_eq!(
        s.hears(ann),
        "FATAL(3D000 database \"app\" does not exist) closed"
    );
    assert!(s.servers[&server].socket.closed);
}

#[test]
fn a_server_that_said_goodbye_is_nobodys_even_before_its_socket_closes() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    s.says(ann, "select 1");
    let server = s.open_servers()[0];
    let mut out = Vec::new();
    backend::put_error(
        &mut out,
        &backend::Complaint {
            severity: "FATAL",
            sqlstate: "57P01",
            message: "terminating connection",
            detail: None,
            hint: None,
        },
    );
    s.server_sends(server, &out);
    assert_eq!(s.says(ann, "select 2"), "<select 2> [SELECT 1] ZI");
    assert!(s.servers[&server].socket.closed);
}

#[test]
fn a_flood_of_silent_connections_is_bounded() {
    let mut settings = PoolerSettings::trusting(pool(1));
    settings.client_max = 1;
    let mut s = Scenario::of(settings);
    let ids: Vec<_> = (0..300).map(|_| s.connects()).collect();
    assert!(!s.clients[&ids[200]].closed);
    assert!(s.clients[&ids[299]].closed);
}
