//! Bytes that no client should send: Weir says what it saw, closes, and serves the others.

use std::io::Write;

use crate::support::{Raw, Weir, pooled, postgres};

/// The FATAL text in what Weir answered.
fn says(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    assert!(text.starts_with('E'), "no ErrorResponse: {text:?}");
    text
}

#[test]
fn first_packets_of_all_wrong_kinds_are_answered_closed_and_survived() {
    let weir = Weir::start(&pooled(postgres().port(), 2, ""));
    let mut bystander = Raw::login(weir.port);
    let v9 = [0, 0, 0, 9, 0, 9, 0, 0, 0];
    let tls: Vec<u8> = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 40]].concat();
    let cases: [(&str, &[u8], &[&str]); 8] = [
        (
            "HTTP",
            b"GET / HTTP/1.1\r\nHost: db\r\n\r\n",
            &["HTTP request", "08P01"],
        ),
        ("TLS", &tls, &["TLS ClientHello"]),
        ("length 0", &[0, 0, 0, 0, 0, 3, 0, 0], &["0 bytes"]),
        ("length 4", &[0, 0, 0, 4, 0, 3, 0, 0], &["4 bytes"]),
        (
            "huge",
            &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0],
            &["2147483647 bytes"],
        ),
        ("protocol 9", &v9, &["unsupported frontend protocol 9.0"]),
        (
            "no end",
            b"\0\0\0\x11\0\x03\0\0user\0ann\0",
            &["invalid startup packet"],
        ),
        (
            "no user",
            b"\0\0\0\x09\0\x03\0\0\0",
            &["28000", "no PostgreSQL user name"],
        ),
    ];
    for (what, bytes, expected) in cases {
        let mut raw = Raw::open(weir.port);
        raw.send_raw(bytes);
        let answer = says(&raw.rest());
        for part in expected {
            assert!(answer.contains(part), "{what}: {answer:?} lacks {part}");
        }
        assert_eq!(bystander.one("select 1"), "1", "after {what}");
    }
}

#[test]
fn a_truncated_startup_packet_is_given_up_after_the_login_timeout() {
    let config = format!(
        "client_login_timeout = \"300ms\"\n{}",
        pooled(postgres().port(), 2, "")
    );
    let weir = Weir::start(&config);
    let mut half = Raw::open(weir.port);
    half.send_raw(b"\0\0\0\x40\0\x03\0\0user\0a");
    let mut silent = Raw::open(weir.port);
    half.rest();
    silent.rest();
    assert_eq!(Raw::login(weir.port).one("select 1"), "1");
}

#[test]
fn tls_and_gss_are_declined_and_the_login_goes_on() {
    let weir = Weir::start(&pooled(postgres().port(), 2, ""));
    let mut raw = Raw::open(weir.port);
    for code in [80_877_103_u32, 80_877_104] {
        raw.send_raw(&[&8_u32.to_be_bytes()[..], &code.to_be_bytes()].concat());
        let mut answer = [0];
        std::io::Read::read_exact(&mut raw.stream, &mut answer).unwrap();
        assert_eq!(&answer, b"N");
    }
}

#[test]
fn a_message_of_impossible_length_ends_that_client_alone() {
    let weir = Weir::start(&pooled(postgres().port(), 1, ""));
    let mut bystander = Raw::login(weir.port);
    for (what, head) in [
        ("length 0", [b'Q', 0, 0, 0, 0]),
        ("length 3", [b'Q', 0, 0, 0, 3]),
        ("2 GiB", [b'Q', 0x7f, 0xff, 0xff, 0xff]),
        ("negative", [b'P', 0xff, 0xff, 0xff, 0xff]),
        ("a Sync of 1 MiB", [b'S', 0, 0x10, 0, 0]),
        ("no such type", [0x01, 0, 0, 0, 4]),
    ] {
        let mut raw = Raw::login(weir.port);
        raw.send_raw(&head);
        // A client may say that it sends much; then it must send it. Nothing else may come of it.
        let _ = raw.stream.shutdown(std::net::Shutdown::Write);
        let bytes = raw.rest();
        if what != "2 GiB" {
            let answer = says(&bytes);
            assert!(answer.contains("08P01"), "{what}: {answer:?}");
        }
        assert_eq!(bystander.one("select 1"), "1", "after {what}");
    }
}

#[test]
fn random_bytes_before_and_after_login_are_survived() {
    let weir = Weir::start(&pooled(postgres().port(), 2, ""));
    let mut bystander = Raw::login(weir.port);
    // A linear congruential generator: the same bytes in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = |n: usize| -> Vec<u8> {
        (0..n)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect()
    };
    for round in 0..60 {
        let mut raw = if round % 2 == 0 {
            Raw::open(weir.port)
        } else {
            Raw::login(weir.port)
        };
        // Weir may close while we still send.
        let _ = raw.stream.write_all(&noise(1 + round * 37));
        let _ = raw.stream.shutdown(std::net::Shutdown::Write);
        raw.rest();
        assert_eq!(bystander.one("select 1"), "1", "after round {round}");
    }
    // Well-formed messages with bodies of noise.
    for tag in *b"PBDECSHFdcfQX" {
        let mut raw = Raw::login(weir.port);
        let body = noise(50);
        raw.send(tag, &body);
        let _ = raw.stream.shutdown(std::net::Shutdown::Write);
        raw.rest();
        assert_eq!(bystander.one("select 1"), "1", "after {}", tag as char);
    }
    assert_eq!(Raw::login(weir.port).one("select 2"), "2");
}
