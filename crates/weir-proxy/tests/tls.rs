//! TLS on both sides: the real PostgreSQL and its clients, and a client that breaks the rules.

#![allow(clippy::disallowed_methods, reason = "tests run in real time")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Output;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use common::pki::{Pki, shared};
use common::{Client, Postgres, Weir};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use weir_model::{
    AuthMethod, Event, Order, PoolerSettings, Secret, ServerSettings, TlsMode, TlsSettings,
    TlsVersion,
};
use weir_proxy::{Proxy, ProxySettings, StartError};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// One authority and one PostgreSQL with TLS for all tests.
struct Place {
    pki: Pki,
    pg: Postgres,
    /// Weir's own.
    identity: (PathBuf, PathBuf),
}

fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let pki = Pki::new("the authority");
        let rules = "hostssl all tlsonly 127.0.0.1/32 trust\n\
                     host all tlsonly all reject\n\
                     hostssl all ann 127.0.0.1/32 cert\n\
                     host all ann all reject\n\
                     hostssl all sam 127.0.0.1/32 scram-sha-256\n\
                     host all sam all reject";
        let pg = Postgres::with_tls(&pki, rules);
        for sql in [
            "create role tlsonly login",
            "create role ann login",
            "set password_encryption = 'scram-sha-256'; create role sam login password 'secret'",
        ] {
            pg.psql(pg.port, sql);
        }
        let identity = pki.issue("weir", &["localhost", "127.0.0.1"]);
        Place { pki, pg, identity }
    })
}

fn server() -> ServerSettings {
    ServerSettings::at("127.0.0.1", place().pg.port)
}

/// A Weir with TLS towards clients, and no TLS towards PostgreSQL.
fn weir(mode: TlsMode) -> Weir {
    weir_with(mode, |_| {})
}

fn weir_with(mode: TlsMode, tweak: impl FnOnce(&mut PoolerSettings)) -> Weir {
    let place = place();
    Weir::with(server(), 4, |settings| {
        settings.pooler.tls = shared(place.pki.settings(mode, Some(&place.identity)));
        tweak(&mut settings.pooler);
    })
}

/// A Weir with TLS towards PostgreSQL, and none towards clients.
fn weir_towards(tls: TlsSettings, user: &str) -> Weir {
    let mut server = server();
    server.user = Some(user.into());
    server.password = Some(Secret("secret".into()));
    server.tls = shared(tls);
    Weir::with(server, 4, |_| {})
}

fn psql(port: u16, conninfo: &str, sql: &str) -> Output {
    let place = place();
    place
        .pg
        .command("psql", port)
        .env_remove("PGSSLMODE")
        .env("HOME", "/nonexistent")
        .args(["-XAtq", "-c", sql, conninfo])
        .output()
        .expect("psql")
}

fn said(out: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}

#[test]
fn every_sslmode_of_a_client_meets_every_mode() {
    let place = place();
    let ca = place.pki.ca.display();
    let (cert, key) = place.pki.issue("postgres", &[]);
    let own = format!("sslcert={} sslkey={}", cert.display(), key.display());
    // What a client gets: plain text, TLS, or nothing.
    for (mode, certificate, expected) in [
        (
            TlsMode::Disable,
            false,
            ["plain", "plain", "plain", "no", "no", "no"],
        ),
        (
            TlsMode::Allow,
            false,
            ["plain", "plain", "tls", "tls", "tls", "tls"],
        ),
        (
            TlsMode::Prefer,
            false,
            ["plain", "plain", "tls", "tls", "tls", "tls"],
        ),
        (
            TlsMode::Require,
            false,
            ["no", "tls", "tls", "tls", "tls", "tls"],
        ),
        (
            TlsMode::VerifyCa,
            true,
            ["no", "tls", "tls", "tls", "tls", "tls"],
        ),
        (
            TlsMode::VerifyFull,
            true,
            ["no", "tls", "tls", "tls", "tls", "tls"],
        ),
        (TlsMode::VerifyFull, false, ["no"; 6]),
    ] {
        let weir = weir(mode);
        let asked = [
            "disable",
            "allow",
            "prefer",
            "require",
            "verify-ca",
            "verify-full",
        ];
        for (sslmode, expected) in asked.into_iter().zip(expected) {
            let own = if certificate { own.as_str() } else { "" };
            let conninfo = format!("host=127.0.0.1 sslmode={sslmode} sslrootcert={ca} {own}");
            let out = psql(weir.port, &conninfo, "\\conninfo");
            let text = said(&out);
            let got = match (out.status.success(), text.contains("TLSv1.3")) {
                (false, _) => "no",
                (true, true) => "tls",
                (true, false) => "plain",
            };
            assert_eq!(got, expected, "Weir {mode}, client {sslmode}: {text}");
        }
    }
}

#[test]
fn a_client_without_tls_is_told_what_is_missing() {
    let weir = weir(TlsMode::Require);
    let text = said(&psql(weir.port, "sslmode=disable", "select 1"));
    assert!(text.contains("SSL required"), "{text}");
}

#[test]
fn every_mode_towards_postgresql_does_what_it_says() {
    let place = place();
    let ssl = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    for mode in [
        TlsMode::Allow,
        TlsMode::Prefer,
        TlsMode::Require,
        TlsMode::VerifyCa,
        TlsMode::VerifyFull,
    ] {
        let weir = weir_towards(place.pki.settings(mode, None), "tlsonly");
        assert_eq!(place.pg.psql(weir.port, ssl), "t", "{mode}");
    }
    let weir = Weir::before(&place.pg, 2);
    assert_eq!(place.pg.psql(weir.port, ssl), "f");
}

#[test]
fn a_server_without_tls_is_taken_by_prefer_and_refused_by_require() {
    let pg = Postgres::shared();
    let go = |mode| {
        let mut server = ServerSettings::at("127.0.0.1", pg.port);
        server.tls = shared(TlsSettings::of(mode));
        let weir = Weir::with(server, 2, |_| {});
        pg.run("psql", weir.port, &["-XAtqc", "select 7"])
    };
    assert_eq!(said(&go(TlsMode::Prefer)).trim(), "7");
    let text = said(&go(TlsMode::Require));
    assert!(text.contains("server refused SSL"), "{text}");
}

#[test]
fn a_certificate_that_is_not_believed_is_named_at_once_and_is_not_called_down() {
    let place = place();
    let other = Pki::new("another authority");
    let weir = weir_towards(other.settings(TlsMode::VerifyCa, None), "tlsonly");
    let began = Instant::now();
    let text = said(&place.pg.run("psql", weir.port, &["-XAtqc", "select 1"]));
    assert!(text.contains("certificate verify failed"), "{text}");
    assert!(text.contains("CA file"), "{text}");
    assert!(!text.contains("down"), "{text}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_certificate_for_another_host_passes_verify_ca_and_fails_verify_full() {
    let place = place();
    let wrong = place.pki.issue("elsewhere", &["elsewhere.example"]);
    // Weir itself stands in for a server with that certificate.
    let front = Weir::with(server(), 2, |s| {
        s.pooler.tls = shared(place.pki.settings(TlsMode::Require, Some(&wrong)));
    });
    for (mode, expected) in [
        (TlsMode::VerifyCa, "7"),
        (
            TlsMode::VerifyFull,
            "does not match host name \"localhost\"",
        ),
    ] {
        let mut behind = ServerSettings::at("localhost", front.port);
        behind.tls = shared(place.pki.settings(mode, None));
        let weir = Weir::with(behind, 2, |_| {});
        let text = said(&place.pg.run("psql", weir.port, &["-XAtqc", "select 7"]));
        assert!(text.contains(expected), "{mode}: {text}");
    }
}

#[test]
fn a_common_name_counts_where_there_are_no_other_names() {
    let place = place();
    let named = place.pki.issue("localhost", &[]);
    let front = Weir::with(server(), 2, |s| {
        s.pooler.tls = shared(place.pki.settings(TlsMode::Require, Some(&named)));
    });
    let mut behind = ServerSettings::at("localhost", front.port);
    behind.tls = shared(place.pki.settings(TlsMode::VerifyFull, None));
    let weir = Weir::with(behind, 2, |_| {});
    assert_eq!(place.pg.psql(weir.port, "select 7"), "7");
}

#[test]
fn weir_shows_its_certificate_where_postgresql_wants_one() {
    let place = place();
    let ann = place.pki.issue("ann", &[]);
    let weir = weir_towards(place.pki.settings(TlsMode::VerifyFull, Some(&ann)), "ann");
    assert_eq!(place.pg.psql(weir.port, "select current_user"), "ann");
    let weir = weir_towards(place.pki.settings(TlsMode::VerifyFull, None), "ann");
    let text = said(&place.pg.run("psql", weir.port, &["-XAtqc", "select 1"]));
    assert!(text.contains("certificate"), "{text}");
}

#[test]
fn scram_binds_the_channel_on_both_sides() {
    let place = place();
    let weir = weir_towards(place.pki.settings(TlsMode::Require, None), "sam");
    assert_eq!(place.pg.psql(weir.port, "select current_user"), "sam");

    let weir = weir_with(TlsMode::Require, |pooler| {
        pooler.auth_method = AuthMethod::ScramSha256;
        pooler.users = [("postgres".into(), Secret("pw".into()))].into();
    });
    for binding in ["require", "prefer", "disable"] {
        let conninfo = format!("sslmode=require channel_binding={binding} password=pw");
        let out = psql(weir.port, &conninfo, "select 7");
        assert_eq!(said(&out).trim(), "7", "{binding}");
    }
    let out = psql(
        weir.port,
        "sslmode=require channel_binding=require password=no",
        "select 7",
    );
    assert!(
        said(&out).contains("password authentication failed"),
        "{}",
        said(&out)
    );
}

#[test]
fn a_certificate_whose_signature_has_no_hash_binds_nothing() {
    let place = place();
    let odd = place.pki.ed25519("odd");
    let weir = Weir::with(server(), 2, |s| {
        s.pooler.tls = shared(place.pki.settings(TlsMode::Require, Some(&odd)));
        s.pooler.auth_method = AuthMethod::ScramSha256;
        s.pooler.users = [("postgres".into(), Secret("pw".into()))].into();
    });
    let out = psql(
        weir.port,
        "sslmode=require channel_binding=disable password=pw",
        "select 7",
    );
    assert_eq!(said(&out).trim(), "7");
    let out = psql(
        weir.port,
        "sslmode=require channel_binding=require password=pw",
        "select 7",
    );
    assert!(!out.status.success());
}

#[test]
fn a_client_comes_in_by_its_certificate_and_only_as_whom_it_names() {
    let place = place();
    let weir = weir_with(TlsMode::VerifyFull, |pooler| {
        pooler.auth_method = AuthMethod::Cert;
        pooler.users = [
            ("postgres".into(), Secret("".into())),
            ("bob".into(), Secret("".into())),
        ]
        .into();
    });
    let (cert, key) = place.pki.issue("postgres", &[]);
    let own = format!(
        "sslmode=require sslcert={} sslkey={}",
        cert.display(),
        key.display()
    );
    assert_eq!(said(&psql(weir.port, &own, "select 7")).trim(), "7");
    let text = said(&psql(weir.port, &format!("{own} user=bob"), "select 7"));
    assert!(
        text.contains("certificate authentication failed for user \"bob\""),
        "{text}"
    );

    let stranger = Pki::new("another authority").issue("postgres", &[]);
    let own = format!(
        "sslmode=require sslcert={} sslkey={}",
        stranger.0.display(),
        stranger.1.display()
    );
    let text = said(&psql(weir.port, &own, "select 7"));
    assert!(!text.contains('7') || text.contains("alert"), "{text}");
}

#[test]
fn versions_and_ciphers_are_those_that_are_allowed() {
    let place = place();
    let weir = Weir::with(server(), 2, |s| {
        s.pooler.tls = shared(TlsSettings {
            version_max: TlsVersion::V12,
            ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256".to_owned(),
            ..place.pki.settings(TlsMode::Require, Some(&place.identity))
        });
    });
    let text = said(&psql(weir.port, "sslmode=require", "\\conninfo"));
    assert!(text.contains("TLSv1.2"), "{text}");
    assert!(text.contains("ECDHE-ECDSA-AES128-GCM-SHA256"), "{text}");
    let out = psql(
        weir.port,
        "sslmode=require ssl_min_protocol_version=TLSv1.3",
        "select 1",
    );
    assert!(!out.status.success());
    // The old protocol's records, both ways and in bulk.
    let sum = psql(
        weir.port,
        "sslmode=require",
        "select length(repeat('x', 3000000))",
    );
    assert_eq!(said(&sum).trim(), "3000000");
}

#[test]
fn ten_megabytes_and_copy_go_through_both_sides() {
    let place = place();
    let mut server = server();
    server.tls = shared(place.pki.settings(TlsMode::VerifyFull, None));
    let weir = Weir::with(server, 4, |s| {
        s.pooler.tls = shared(place.pki.settings(TlsMode::Require, Some(&place.identity)));
    });
    let out = psql(
        weir.port,
        "sslmode=require",
        "select repeat('0123456789', 1000000)",
    );
    assert_eq!(out.stdout.len(), 10_000_001);
    let out = psql(
        weir.port,
        "sslmode=require",
        "copy (select n, repeat('x', 90) from generate_series(1, 100000) n) to stdout",
    );
    assert_eq!(out.stdout.split(|b| *b == b'\n').count(), 100_001);

    let file = tempfile::NamedTempFile::new().expect("a file");
    let lines: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    std::fs::write(file.path(), lines).expect("written");
    psql(weir.port, "sslmode=require", "create table copied (n int)");
    let copy = format!("\\copy copied from '{}'", file.path().display());
    let out = psql(weir.port, "sslmode=require", &copy);
    assert!(out.status.success(), "{}", said(&out));
    assert_eq!(
        place.pg.psql(place.pg.port, "select sum(n) from copied"),
        "19999900000"
    );
}

#[test]
fn pgbench_runs_over_tls_on_both_sides() {
    let place = place();
    let init = place
        .pg
        .run("pgbench", place.pg.port, &["-i", "-q", "-s", "1"]);
    assert!(init.status.success(), "{}", said(&init));
    let mut server = server();
    server.tls = shared(place.pki.settings(TlsMode::Require, None));
    let weir = Weir::with(server, 5, |s| {
        s.pooler.tls = shared(place.pki.settings(TlsMode::Require, Some(&place.identity)));
    });
    for args in [
        &["-n", "-N", "-c", "20", "-j", "2", "-t", "50"][..],
        &[
            "-n", "-S", "-M", "prepared", "-c", "20", "-j", "2", "-t", "100",
        ],
        &["-n", "-S", "-C", "-c", "10", "-j", "2", "-t", "20"],
    ] {
        let out = place
            .pg
            .command("pgbench", weir.port)
            .env("PGSSLMODE", "require")
            .args(args)
            .output()
            .expect("pgbench");
        let text = said(&out);
        assert!(
            out.status.success() && !text.contains("error"),
            "{args:?}: {text}"
        );
        assert!(text.contains("failed transactions: 0"), "{args:?}: {text}");
    }
}

/// A client that speaks TLS by hand.
struct TlsClient {
    stream: rustls::StreamOwned<rustls::ClientConnection, TcpStream>,
}

fn config(alpn: bool) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(&place().pki.ca).expect("the authority");
    roots.add(ca).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    if alpn {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Arc::new(config)
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Asks for TLS and gets its `S`.
fn asked(port: u16) -> TcpStream {
    let mut stream = connect(port);
    stream.write_all(&SSL_REQUEST).expect("asked");
    let mut answer = [0];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"S");
    stream
}

impl TlsClient {
    fn new(socket: TcpStream, alpn: bool) -> Self {
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = rustls::ClientConnection::new(config(alpn), name).expect("a client");
        Self {
            stream: rustls::StreamOwned::new(connection, socket),
        }
    }

    fn login(&mut self) -> std::io::Result<()> {
        let mut packet = vec![0, 0, 0, 0, 0, 3, 0, 0];
        packet.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
        let length = u32::try_from(packet.len()).expect("short");
        packet[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&packet)?;
        self.stream.flush()?;
        loop {
            match self.message()? {
                (b'Z', _) => return Ok(()),
                (b'E', body) => {
                    return Err(std::io::Error::other(
                        String::from_utf8_lossy(&body).into_owned(),
                    ));
                }
                _ => {}
            }
        }
    }

    fn message(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        Ok((head[0], body))
    }

    fn query(&mut self, sql: &str) -> std::io::Result<Vec<String>> {
        let mut packet = vec![b'Q'];
        packet.extend_from_slice(&u32::try_from(sql.len() + 5).expect("short").to_be_bytes());
        packet.extend_from_slice(sql.as_bytes());
        packet.push(0);
        self.stream.write_all(&packet)?;
        self.stream.flush()?;
        let mut rows = Vec::new();
        loop {
            match self.message()? {
                (b'D', body) => rows.push(String::from_utf8_lossy(&body[6..]).into_owned()),
                (b'E', body) => rows.push(String::from_utf8_lossy(&body).into_owned()),
                (b'Z', _) => return Ok(rows),
                _ => {}
            }
        }
    }

    fn certificate(&self) -> Vec<u8> {
        let shown = self.stream.conn.peer_certificates().expect("a certificate");
        shown[0].as_ref().to_vec()
    }
}

#[test]
fn direct_tls_is_taken_with_alpn_and_refused_without() {
    let weir = weir(TlsMode::Require);
    let mut client = TlsClient::new(connect(weir.port), true);
    client.login().expect("a login");
    assert_eq!(client.query("select 7").expect("a row"), ["7"]);
    assert_eq!(client.stream.conn.alpn_protocol(), Some(&b"postgresql"[..]));
    let mut client = TlsClient::new(connect(weir.port), false);
    let fault = client.login().expect_err("no login");
    assert!(fault.to_string().contains("ALPN"), "{fault}");
}

#[test]
fn weir_begins_tls_towards_a_server_without_asking_where_it_should() {
    let place = place();
    // PostgreSQL has that from 17 on; Weir itself has it, too.
    let front = weir(TlsMode::Require);
    let mut behind = ServerSettings::at("localhost", front.port);
    behind.tls = shared(TlsSettings {
        direct: true,
        ..place.pki.settings(TlsMode::VerifyFull, None)
    });
    let weir = Weir::with(behind, 2, |_| {});
    assert_eq!(place.pg.psql(weir.port, "select 7"), "7");
}

#[test]
fn plain_bytes_behind_a_request_for_tls_are_refused() {
    let weir = weir(TlsMode::Prefer);
    let mut stream = connect(weir.port);
    let mut stuffed = SSL_REQUEST.to_vec();
    stuffed.extend_from_slice(b"\0\0\0\x08\0\x03\0\0user\0postgres\0\0");
    stream.write_all(&stuffed).expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an end");
    let text = String::from_utf8_lossy(&answer);
    assert!(
        text.contains("received unencrypted data after SSL request"),
        "{text}"
    );
    assert!(!answer.starts_with(b"S"), "{text}");
}

/// Sends everything in pieces of one byte.
struct Torn(TcpStream);

impl Read for Torn {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Torn {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            self.0.write_all(&[*byte])?;
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn records_may_come_byte_by_byte() {
    let weir = weir(TlsMode::Require);
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = rustls::ClientConnection::new(config(true), name).expect("a client");
    let mut stream = rustls::StreamOwned::new(connection, Torn(asked(weir.port)));
    let mut packet = vec![0, 0, 0, 0, 0, 3, 0, 0];
    packet.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
    let length = u32::try_from(packet.len()).expect("short");
    packet[..4].copy_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(b"Q\0\0\0\x0dselect 7\0");
    stream.write_all(&packet).expect("sent");
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while seen.iter().filter(|b| **b == b'7').count() == 0 || !seen.ends_with(b"Z\0\0\0\x05I") {
        let n = stream.read(&mut buffer).expect("an answer");
        assert!(n > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..n]);
    }
}

/// The events of a proxy until one fits.
fn event(weir: &mut Weir, fits: impl Fn(&Event) -> bool) -> Event {
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        match weir.handle().events.pop() {
            Ok(event) if fits(&event) => return event,
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("no such event");
}

#[test]
fn a_handshake_that_is_left_halfway_is_reported_and_hurts_nobody() {
    let mut weir = weir(TlsMode::Require);
    for half in [
        &b""[..],
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = asked(weir.port);
        stream.write_all(half).expect("sent");
        drop(stream);
        let event = event(&mut weir, |e| matches!(e, Event::ClientRefused { .. }));
        let Event::ClientRefused { message, .. } = event else {
            unreachable!("it fits");
        };
        assert!(message.contains("TLS handshake failed"), "{message}");
    }
    let mut client = TlsClient::new(asked(weir.port), true);
    client.login().expect("a login");
}

#[test]
fn a_handshake_that_never_ends_is_ended_by_the_login_timeout() {
    let weir = weir_with(TlsMode::Require, |pooler| {
        pooler.client_login_timeout = Duration::from_secs(1);
    });
    let mut stream = asked(weir.port);
    stream.write_all(b"\x16\x03\x01\x02\x00").expect("sent");
    let began = Instant::now();
    let mut left = Vec::new();
    stream.read_to_end(&mut left).expect("an end");
    assert!(left.is_empty(), "{left:?}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn an_unfinished_message_is_bounded() {
    let weir = weir(TlsMode::Require);
    let mut stream = asked(weir.port);
    // A handshake message of 16 MiB is announced, in records that never end it.
    let mut record = vec![0x16, 3, 3, 0x40, 0];
    record.extend_from_slice(&[1, 0xff, 0xff, 0xff]);
    record.resize(5 + 0x4000, 0);
    let mut end = Vec::new();
    for _ in 0..20 {
        if stream.write_all(&record).is_err() {
            break;
        }
    }
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut end);
    assert!(end.len() < 100, "{}", end.len());
    let mut client = TlsClient::new(asked(weir.port), true);
    client.login().expect("others are served on");
}

#[test]
fn a_session_that_is_garbled_is_ended_and_hurts_nobody() {
    let weir = weir(TlsMode::Require);
    // Each byte of the client's first flights is wrong once; then its login, then a query.
    for wrong in (0..400).step_by(13) {
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = rustls::ClientConnection::new(config(true), name).expect("a client");
        let socket = Garbled {
            socket: asked(weir.port),
            left: wrong,
        };
        let mut stream = rustls::StreamOwned::new(connection, socket);
        let _ = stream.write_all(b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0");
        let _ = stream.flush();
        let mut buffer = [0; 1024];
        let _ = stream.read(&mut buffer);
    }
    let mut client = TlsClient::new(asked(weir.port), true);
    client.login().expect("a login");
}

/// Changes one byte on its way, after so many.
struct Garbled {
    socket: TcpStream,
    left: usize,
}

impl Read for Garbled {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Garbled {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut bytes = bytes.to_vec();
        if let Some(byte) = bytes.get_mut(self.left) {
            *byte ^= 0x55;
        }
        self.left = self.left.checked_sub(bytes.len()).unwrap_or(usize::MAX);
        self.socket.write_all(&bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.socket.flush()
    }
}

#[test]
fn a_good_bye_is_answered_with_one() {
    let weir = weir(TlsMode::Require);
    let mut client = TlsClient::new(asked(weir.port), true);
    client.login().expect("a login");
    client.stream.conn.send_close_notify();
    client.stream.flush().expect("sent");
    let mut rest = Vec::new();
    // Without a close_notify of Weir's, this is an error (UnexpectedEof).
    let _ = client.stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
    let mut client = TlsClient::new(asked(weir.port), true);
    client.login().expect("a login");
    client.stream.write_all(b"X\0\0\0\x04").expect("sent");
    client.stream.flush().expect("sent");
    client.stream.read_to_end(&mut rest).expect("a clean end");
}

#[test]
fn certificates_are_read_anew_and_nobody_is_dropped() {
    let place = place();
    let identity = place.pki.issue("first", &["localhost"]);
    let settings = |identity: &(PathBuf, PathBuf)| {
        let mut pooler = PoolerSettings::trusting(weir_model::PoolSettings::any(server()));
        pooler.tls = shared(place.pki.settings(TlsMode::Require, Some(identity)));
        pooler
    };
    let mut weir = Weir::with(server(), 2, |s| s.pooler = settings(&identity));
    let mut old = TlsClient::new(asked(weir.port), true);
    old.login().expect("a login");
    // The same files with other content, as certbot and the like leave them.
    let next = place.pki.issue("next", &["localhost"]);
    std::fs::copy(&next.0, &identity.0).expect("replaced");
    let orders = weir.handle().orders.clone();
    let fault = orders
        .reload_tls(&settings(&identity))
        .expect_err("no pair");
    assert!(fault.to_string().contains("they must be a pair"), "{fault}");
    std::fs::copy(&next.1, &identity.1).expect("replaced");
    orders.reload_tls(&settings(&identity)).expect("read");
    std::thread::sleep(Duration::from_millis(300));
    let mut new = TlsClient::new(asked(weir.port), true);
    new.login().expect("a login");
    assert_ne!(new.certificate(), old.certificate());
    assert_eq!(old.query("select 7").expect("a row"), ["7"]);
    assert_eq!(new.query("select 8").expect("a row"), ["8"]);
}

#[test]
fn a_cancel_request_goes_through_tls() {
    let place = place();
    let mut server = server();
    server.tls = shared(place.pki.settings(TlsMode::Require, None));
    let weir = Weir::with(server, 2, |_| {});
    let mut client = Client::login(weir.port);
    client.ask("select pg_sleep(20)");
    std::thread::sleep(Duration::from_millis(300));
    let mut cancel = connect(weir.port);
    let mut request = vec![0, 0, 0, 16, 4, 210, 22, 46];
    request.extend_from_slice(&client.key);
    cancel.write_all(&request).expect("sent");
    let began = Instant::now();
    let fault = client.answer().expect_err("cancelled");
    assert!(fault.contains("57014"), "{fault}");
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn show_says_by_which_protocol_and_cipher() {
    let place = place();
    let mut server = server();
    server.tls = shared(place.pki.settings(TlsMode::Require, None));
    let mut weir = Weir::with(server, 2, |s| {
        s.pooler.tls = shared(place.pki.settings(TlsMode::Require, Some(&place.identity)));
    });
    let mut client = TlsClient::new(asked(weir.port), true);
    client.login().expect("a login");
    client.query("select 1").expect("a row");
    let order = Order::Snapshot { request: 5 };
    weir.handle().orders.send(order).expect("sent");
    let Event::Snapshot(snapshot) = event(&mut weir, |e| matches!(e, Event::Snapshot(_))) else {
        unreachable!("it fits");
    };
    assert_eq!(&*snapshot.clients[0].tls, "TLSv1.3/TLS_AES_256_GCM_SHA384");
    assert!(snapshot.servers[0].tls.starts_with("TLSv1.3/TLS_"));
}

#[test]
fn files_that_do_not_fit_are_told_all_at_once() {
    let place = place();
    let (cert, _) = place.pki.issue("one", &["localhost"]);
    let (_, key) = place.pki.issue("two", &["localhost"]);
    let mut other = server();
    other.tls = shared(TlsSettings {
        ca: Some("/nowhere/ca.pem".into()),
        ..TlsSettings::of(TlsMode::VerifyCa)
    });
    let mut pooler = PoolerSettings::trusting(weir_model::PoolSettings::any(other));
    pooler.tls = shared(place.pki.settings(TlsMode::Require, Some(&(cert, key))));
    let settings = ProxySettings {
        listen: vec!["127.0.0.1:0".parse().expect("an address")],
        pooler,
        seed: 1,
        clock_zero: Instant::now(),
        io: weir_proxy::IoChoice::Epoll,
        workers: 1,
    };
    let Err(StartError::Tls(faults)) = Proxy::start(settings) else {
        panic!("it started");
    };
    let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(text.len(), 2, "{text:?}");
    assert!(text[0].contains("they must be a pair"), "{text:?}");
    assert!(text[1].contains("/nowhere/ca.pem"), "{text:?}");
}

#[test]
fn what_runs_out_or_stands_open_is_warned_of() {
    let place = place();
    let old = place.pki.issue_with(
        "old",
        &["localhost"],
        &rcgen::PKCS_ECDSA_P256_SHA256,
        |params| {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        },
    );
    std::fs::set_permissions(&old.1, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .expect("its rights");
    let mut weir = Weir::with(server(), 2, |s| {
        s.pooler.tls = shared(place.pki.settings(TlsMode::Require, Some(&old)));
    });
    let warnings = weir.handle().warnings.join("\n");
    assert!(
        warnings.contains("expired") && warnings.contains("CN=old"),
        "{warnings}"
    );
    assert!(warnings.contains("chmod 600"), "{warnings}");
}
