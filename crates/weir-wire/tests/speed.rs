//! What does looking at a statement cost? `cargo test --release -p weir-wire --test speed -- --ignored --nocapture`

use std::hint::black_box;

use weir_wire::auth::scram::Keys;
use weir_wire::sql::{classify, normalized, scan};

const STATEMENTS: [(&str, &str); 5] = [
    (
        "pgbench -S",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 98765;",
    ),
    (
        "dashboard page",
        "SELECT o.id, o.total, o.created_at FROM orders o JOIN customers c ON c.id = o.customer_id WHERE c.user_id = 42 AND o.state IN ('open','paid') ORDER BY o.created_at DESC LIMIT 20 /*user_id='42',route='%2Fdashboard'*/",
    ),
    (
        "update",
        "UPDATE pgbench_tellers SET tbalance = tbalance + -42 WHERE tid = 7;",
    ),
    ("begin", "BEGIN"),
    ("set", "SET search_path = app, public"),
];

#[test]
#[ignore = "a measurement, for release builds"]
#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn nanoseconds_per_statement() {
    fn time(n: u32, mut act: impl FnMut()) -> f64 {
        let best = (0..7).map(|_| {
            let begun = std::time::Instant::now();
            (0..n).for_each(|_| act());
            begun.elapsed().as_secs_f64() * 1e9 / f64::from(n)
        });
        best.fold(f64::MAX, f64::min)
    }
    for (name, sql) in STATEMENTS {
        let sql = sql.as_bytes();
        let scan = time(100_000, || {
            black_box(scan(black_box(sql), b"user_id"));
        });
        let classify = time(20_000, || {
            black_box(classify(black_box(sql)));
        });
        let text = time(20_000, || {
            black_box(normalized(black_box(sql), 1000));
        });
        println!(
            "{name:>16} {:>4} bytes: scan {scan:5.0} ns, classify {classify:5.0} ns, normalized {text:5.0} ns",
            sql.len()
        );
    }
    let rounds = 4096;
    let derive = time(5, || {
        black_box(Keys::derive(b"pencil", b"0123456789abcdef", rounds));
    });
    println!("PBKDF2: {:.0} ns a round", derive / f64::from(rounds));
}
