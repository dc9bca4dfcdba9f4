//! SIGTERM drains; a second one stops at once.

use std::time::Instant;

use crate::support::{Raw, SOON, Weir, pooled, postgres, until};

#[test]
fn sigterm_lets_open_transactions_finish_takes_nobody_new_and_exits_with_0() {
    let pg = postgres();
    let mut weir = Weir::watched(&pooled(pg.port(), 2, ""));
    let mut open = Raw::login(weir.port);
    open.query("begin");
    let mut idle = Raw::login(weir.port);
    idle.one("select 1");
    weir.signal("TERM");
    // The idle one is told to go…
    let told = idle.try_answer().unwrap().faults.remove(0);
    assert_eq!(told.sqlstate, "57P01", "{told:?}");
    // …nobody new gets in: refused by the kernel, or by Weir with the reason…
    until("nobody new", SOON, || {
        let stream = std::net::TcpStream::connect(("127.0.0.1", weir.port));
        match stream {
            Err(_) => Some(()),
            Ok(_) => {
                let who = [("user", "postgres"), ("database", "postgres")];
                let fault = std::panic::catch_unwind(|| Raw::login_with(weir.port, &who).err());
                match fault {
                    Ok(Some(fault)) => {
                        assert_eq!(fault.sqlstate, "57P03", "{fault:?}");
                        Some(())
                    }
                    Ok(None) => panic!("a new client got in while draining"),
                    // Closed between connect and answer.
                    Err(_) => Some(()),
                }
            }
        }
    });
    // …and the open transaction is served to its end.
    assert_eq!(open.one("select 41 + 1"), "42");
    assert!(weir.has_ended().is_none());
    assert_eq!(open.query("commit").tags, ["COMMIT"]);
    let status = weir.ended();
    assert_eq!(status.code(), Some(0), "{}", weir.log());
}

#[test]
fn a_second_sigterm_stops_at_once() {
    let mut weir = Weir::watched(&pooled(postgres().port(), 2, ""));
    let mut open = Raw::login(weir.port);
    open.query("begin");
    weir.signal("TERM");
    weir.until_logs("Draining");
    let begun = Instant::now();
    weir.signal("TERM");
    let status = weir.ended();
    assert!(begun.elapsed().as_secs() < 10);
    assert_eq!(status.code(), Some(0), "{}", weir.log());
    let _ = open.try_answer();
}

#[test]
fn a_drain_ends_at_the_shutdown_timeout_even_with_a_client_that_never_ends() {
    let config = format!(
        "shutdown_timeout = \"500ms\"\n{}",
        pooled(postgres().port(), 2, "")
    );
    let mut weir = Weir::start(&config);
    let mut open = Raw::login(weir.port);
    open.query("begin");
    weir.signal("INT");
    let fault = open.try_answer().unwrap().faults.remove(0);
    assert_eq!(fault.sqlstate, "57P01", "{fault:?}");
    assert_eq!(weir.ended().code(), Some(0), "{}", weir.log());
}
