//! A cancel request ends the statement of the client that asked, and never anybody else's.

use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use crate::support::{
    MODES, SOON, Weir, client, one, pooled, postgres, told, try_one, until_async,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_the_statement_and_the_session_lives_on() {
    let pg = postgres();
    for mode in MODES {
        let weir = Weir::start(&pooled(pg.port(), 2, &format!("mode = \"{mode}\"")));
        let asks = client(weir.port).await;
        let token = asks.cancel_token();
        let mark = format!("/* cancel {mode} */ select pg_sleep(60)");
        let statement = tokio::spawn(async move {
            let fault = try_one(&asks, &mark).await.err().unwrap();
            (told(&fault), asks)
        });
        pg.until_says(
            &format!(
                "select count(*) from pg_stat_activity where query like '/* cancel {mode}%' and state='active'"
            ),
            "1",
        );
        let begun = Instant::now();
        token.cancel_query(NoTls).await.unwrap();
        let (fault, asks) = statement.await.unwrap();
        assert!(begun.elapsed() < SOON);
        assert_eq!(fault, "57014 canceling statement due to user request");
        assert_eq!(one(&asks, "select 1").await, "1");
    }
}

#[tokio::test]
async fn a_waiting_client_is_cancelled_without_a_server() {
    let pg = postgres();
    let weir = Weir::start(&pooled(pg.port(), 1, ""));
    let holder = client(weir.port).await;
    holder.batch_execute("begin").await.unwrap();
    let waiter = client(weir.port).await;
    let token = waiter.cancel_token();
    let waiting = tokio::spawn(async move { try_one(&waiter, "select 1").await });
    let console = console(weir.port).await;
    until_async("one waits", SOON, async || {
        (waiters(&console).await == 1).then_some(())
    })
    .await;
    token.cancel_query(NoTls).await.unwrap();
    let fault = told(&waiting.await.unwrap().err().unwrap());
    assert!(fault.starts_with("57014 "), "{fault}");
    holder.batch_execute("commit").await.unwrap();
}

#[tokio::test]
async fn late_cancels_never_hit_the_next_client_of_the_server() {
    let pg = postgres();
    let weir = Weir::start(&pooled(pg.port(), 1, ""));
    let port = weir.port;
    // One client whose statements are short and are cancelled all the time, mostly too late…
    let asks = client(port).await;
    let token = asks.cancel_token();
    let stop = Instant::now() + Duration::from_secs(3);
    let cancelled = tokio::spawn(async move {
        let (mut hit, mut asked) = (0_u32, 0_u32);
        while Instant::now() < stop {
            asked += 1;
            match try_one(&asks, "select pg_sleep(0.001)").await {
                Ok(_) => {}
                Err(fault) => {
                    assert!(told(&fault).starts_with("57014 "), "{}", told(&fault));
                    hit += 1;
                }
            }
        }
        (hit, asked)
    });
    let canceller = tokio::spawn(async move {
        while Instant::now() < stop {
            // Refused when too many come at once; that's its right.
            let _ = token.cancel_query(NoTls).await;
        }
    });
    // …and others on the same server, whose statements must all succeed.
    let innocents: Vec<_> = (0..3)
        .map(|n| {
            tokio::spawn(async move {
                let innocent = client(port).await;
                let mut served = 0;
                while Instant::now() < stop {
                    let sql = format!("select {n} from pg_sleep(0.002)");
                    let answer = try_one(&innocent, &sql).await;
                    let answer = answer.unwrap_or_else(|f| panic!("innocent {n}: {}", told(&f)));
                    assert_eq!(answer, n.to_string());
                    served += 1;
                }
                served
            })
        })
        .collect();
    canceller.await.unwrap();
    for innocent in innocents {
        assert!(innocent.await.unwrap() > 0);
    }
    let (hit, asked) = cancelled.await.unwrap();
    assert!(asked > 0, "{hit} of {asked}");
}

#[tokio::test]
async fn a_cancel_with_a_made_up_key_does_nothing() {
    let pg = postgres();
    let weir = Weir::start(&pooled(pg.port(), 1, ""));
    let mut victim = crate::support::Raw::login(weir.port);
    victim.ask("select 'unharmed' from pg_sleep(0.3)");
    let mut key = victim.key.clone();
    *key.last_mut().unwrap() ^= 1;
    let mut raw = crate::support::Raw::open(weir.port);
    raw.send_raw(
        &[
            &16_u32.to_be_bytes()[..],
            &80_877_102_u32.to_be_bytes(),
            &key,
        ]
        .concat(),
    );
    assert_eq!(raw.rest(), b"");
    assert_eq!(victim.answer().rows, ["unharmed"]);
}

async fn console(port: u16) -> tokio_postgres::Client {
    crate::support::connect(port, "dbname=weir").await.unwrap()
}

async fn waiters(console: &tokio_postgres::Client) -> u32 {
    let rows = console.simple_query("SHOW POOLS").await.unwrap();
    rows.iter()
        .filter_map(|m| match m {
            tokio_postgres::SimpleQueryMessage::Row(row) => {
                row.get("cl_waiting")?.parse::<u32>().ok()
            }
            _ => None,
        })
        .sum::<u32>()
}
