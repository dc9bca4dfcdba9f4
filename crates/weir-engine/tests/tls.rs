//! What the engine decides about TLS, without any.

use std::sync::Arc;

use weir_engine::{Conn, Effect, Effects, Engine, Secured};
use weir_model::{
    Event, Instant, PoolSettings, PoolerSettings, ServerSettings, TlsMode, TlsSettings,
};

const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];

fn engine(clients: TlsMode, server: TlsSettings) -> Engine {
    let mut at = ServerSettings::at("db", 5432);
    at.tls = Arc::new(server);
    let mut pooler = PoolerSettings::trusting(PoolSettings::any(at));
    pooler.tls = Arc::new(TlsSettings::of(clients));
    Engine::new(pooler, 1, Instant::ZERO).unwrap()
}

fn secured(alpn: bool) -> Arc<Secured> {
    Arc::new(Secured {
        info: "TLSv1.3/TLS_AES_256_GCM_SHA384".into(),
        end_point: None,
        certificate: None,
        alpn,
    })
}

fn startup() -> Vec<u8> {
    let mut out = Vec::new();
    weir_wire::startup::put_startup(&mut out, [("user", "ann"), ("database", "app")]);
    out
}

fn sent(fx: &Effects, to: Conn) -> Vec<u8> {
    let mut bytes = Vec::new();
    for effect in &fx.list {
        if let Effect::Send { to: whom, range } = effect
            && *whom == to
        {
            bytes.extend_from_slice(&fx.scratch[range.clone()]);
        }
    }
    bytes
}

fn begins_tls(fx: &Effects, conn: Conn) -> bool {
    fx.list
        .iter()
        .any(|e| matches!(e, Effect::StartTls { conn: whom, .. } if *whom == conn))
}

fn closes(fx: &Effects, conn: Conn) -> bool {
    fx.list.contains(&Effect::Close { conn })
}

#[test]
fn a_client_gets_s_or_n_by_mode() {
    for (mode, answer) in [
        (TlsMode::Disable, b'N'),
        (TlsMode::Allow, b'S'),
        (TlsMode::Prefer, b'S'),
        (TlsMode::Require, b'S'),
        (TlsMode::VerifyFull, b'S'),
    ] {
        let mut engine = engine(mode, TlsSettings::default());
        let mut fx = Effects::new();
        let client = Conn::Client(engine.accepted("10.0.0.1:5".into(), Instant::ZERO, &mut fx));
        let used = engine.received(client, SSL_REQUEST, Instant::ZERO, &mut fx);
        assert_eq!(used, 8);
        assert_eq!(sent(&fx, client), [answer], "{mode}");
        assert_eq!(begins_tls(&fx, client), answer == b'S', "{mode}");
    }
}

#[test]
fn a_unix_socket_has_no_tls_and_needs_none() {
    let mut engine = engine(TlsMode::Require, TlsSettings::default());
    let mut fx = Effects::new();
    let client = Conn::Client(engine.accepted("unix".into(), Instant::ZERO, &mut fx));
    engine.received(client, SSL_REQUEST, Instant::ZERO, &mut fx);
    assert_eq!(sent(&fx, client), b"N");
    engine.received(client, &startup(), Instant::ZERO, &mut fx);
    assert!(!closes(&fx, client));
}

#[test]
fn what_stands_behind_a_request_for_tls_closes_the_connection() {
    let mut engine = engine(TlsMode::Prefer, TlsSettings::default());
    let mut fx = Effects::new();
    let client = Conn::Client(engine.accepted("10.0.0.1:5".into(), Instant::ZERO, &mut fx));
    let stuffed = [SSL_REQUEST, &startup()].concat();
    engine.received(client, &stuffed, Instant::ZERO, &mut fx);
    assert!(closes(&fx, client));
    assert!(!begins_tls(&fx, client));
}

#[test]
fn a_client_that_must_have_tls_and_has_none_is_refused_and_may_still_cancel() {
    let mut engine = engine(TlsMode::Require, TlsSettings::default());
    let mut fx = Effects::new();
    let client = Conn::Client(engine.accepted("10.0.0.1:5".into(), Instant::ZERO, &mut fx));
    engine.received(client, &startup(), Instant::ZERO, &mut fx);
    assert!(closes(&fx, client));
    let text = String::from_utf8_lossy(&sent(&fx, client)).into_owned();
    assert!(text.contains("SSL required"), "{text}");
}

#[test]
fn bytes_of_a_handshake_that_nobody_asked_for_are_left_to_the_driver() {
    let mut engine = engine(TlsMode::Prefer, TlsSettings::default());
    let mut fx = Effects::new();
    let client = Conn::Client(engine.accepted("10.0.0.1:5".into(), Instant::ZERO, &mut fx));
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc];
    assert_eq!(engine.received(client, &hello, Instant::ZERO, &mut fx), 0);
    assert!(begins_tls(&fx, client));
    fx.clear();
    engine.secured(client, secured(false), Instant::ZERO, &mut fx);
    assert!(closes(&fx, client), "no ALPN");
}

/// A server that was reached, and its name.
fn reached(engine: &mut Engine, fx: &mut Effects) -> Conn {
    let client = Conn::Client(engine.accepted("unix".into(), Instant::ZERO, fx));
    engine.received(client, &startup(), Instant::ZERO, fx);
    let server = fx
        .list
        .iter()
        .find_map(|e| match e {
            Effect::Dial { server, .. } => Some(*server),
            _ => None,
        })
        .expect("a server is dialled");
    fx.clear();
    engine.dialed(server, Ok(()), Instant::ZERO, fx);
    Conn::Server(server)
}

fn failure(fx: &Effects) -> String {
    fx.events
        .iter()
        .find_map(|e| match e {
            Event::ServerLoginFailed { failure, .. } => Some(format!("{failure:?}")),
            _ => None,
        })
        .unwrap_or_default()
}

#[test]
fn a_server_is_asked_and_hears_who_we_are_only_after_the_handshake() {
    let mut engine = engine(TlsMode::Disable, TlsSettings::of(TlsMode::Require));
    let mut fx = Effects::new();
    let server = reached(&mut engine, &mut fx);
    assert_eq!(sent(&fx, server), SSL_REQUEST);
    fx.clear();
    engine.received(server, b"S", Instant::ZERO, &mut fx);
    assert!(begins_tls(&fx, server));
    assert!(sent(&fx, server).is_empty());
    fx.clear();
    engine.secured(server, secured(false), Instant::ZERO, &mut fx);
    assert!(sent(&fx, server).windows(3).any(|w| w == b"ann"));
}

#[test]
fn a_server_without_tls_hears_who_we_are_only_where_that_may_be() {
    let mut engine = engine(TlsMode::Disable, TlsSettings::of(TlsMode::Prefer));
    let mut fx = Effects::new();
    let server = reached(&mut engine, &mut fx);
    fx.clear();
    engine.received(server, b"N", Instant::ZERO, &mut fx);
    assert!(sent(&fx, server).windows(3).any(|w| w == b"ann"));

    let mut engine = self::engine(TlsMode::Disable, TlsSettings::of(TlsMode::Require));
    let mut fx = Effects::new();
    let server = reached(&mut engine, &mut fx);
    fx.clear();
    engine.received(server, b"N", Instant::ZERO, &mut fx);
    assert!(sent(&fx, server).is_empty());
    assert!(closes(&fx, server));
    assert!(
        failure(&fx).contains("server refused SSL"),
        "{}",
        failure(&fx)
    );
}

#[test]
fn bytes_behind_a_servers_answer_are_an_attack() {
    let mut engine = engine(TlsMode::Disable, TlsSettings::of(TlsMode::Prefer));
    let mut fx = Effects::new();
    let server = reached(&mut engine, &mut fx);
    fx.clear();
    engine.received(server, b"SR\0\0\0\x08\0\0\0\0", Instant::ZERO, &mut fx);
    assert!(closes(&fx, server));
    assert!(failure(&fx).starts_with("Tls("), "{}", failure(&fx));
}

#[test]
fn a_handshake_that_fails_is_told_to_those_who_wait_for_it() {
    let mut engine = engine(TlsMode::Disable, TlsSettings::of(TlsMode::VerifyFull));
    let mut fx = Effects::new();
    let server = reached(&mut engine, &mut fx);
    engine.received(server, b"S", Instant::ZERO, &mut fx);
    fx.clear();
    let says = "certificate verify failed: it has expired";
    engine.tls_failed(server, says, Instant::ZERO, &mut fx);
    assert!(closes(&fx, server));
    assert!(failure(&fx).contains(says));
    let told = String::from_utf8_lossy(&fx.scratch).into_owned();
    assert!(told.contains("db:5432") && told.contains(says), "{told}");
}
