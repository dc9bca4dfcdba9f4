//! Looking back: what was, is told as it was; what an order does is said before it is given.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod life;

use std::time::Duration;

use life::Life;
use weir_control::handle::{Answer, Ask, AskFault, OperatorOrder, Published};
use weir_control::regulate::RegulatorMode;
use weir_model::{Instant, PoolKey, Wall};

fn answer(life: &mut Life, ask: Ask) -> Result<Answer, AskFault> {
    let mut out = Vec::new();
    let answer = life.core.ask(ask, &mut out);
    life.perform(out);
    answer
}

fn wall(life: &Life, at: Instant) -> Wall {
    life.core.clock().wall(at)
}

fn then(life: &mut Life, at: Wall) -> std::sync::Arc<Published> {
    match answer(life, Ask::At { at }) {
        Ok(Answer::Published(published)) => published,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_second_in_the_storm_is_seen_as_it_was_long_after() {
    let mut life = Life::new();
    life.lives(60, 4);
    life.lives(5, 30);
    let storm = wall(&life, life.now);
    let waiting = life.core.publish().pools[0].clients.waiting;
    assert!(waiting > 0);
    life.lives(120, 4);
    assert_eq!(life.core.publish().pools[0].clients.waiting, 0);

    let past = then(&mut life, storm);
    assert_eq!(past.wall(), storm);
    let pool = &past.pools[0];
    assert_eq!(pool.clients.waiting, waiting);
    assert!(pool.wait.quantile(0.99) >= Duration::from_millis(400));
    assert!(pool.level.is_some(), "its incident was open then");
    assert!(!pool.spark.points.is_empty());
    // What came later isn't told of it.
    for decision in &past.decisions {
        assert!(life.core.clock().wall(decision.at) <= storm);
    }
    let before = wall(&life, Instant::from_millis(59_000));
    assert!(then(&mut life, before).pools[0].level.is_none());
}

#[test]
fn before_all_records_and_ahead_of_now_there_is_nothing() {
    let mut life = Life::new();
    life.lives(10, 4);
    let first = wall(&life, Instant::from_millis(100));
    let early = answer(
        &mut life,
        Ask::At {
            at: first.before(Duration::from_secs(60)),
        },
    );
    assert!(
        matches!(early, Err(AskFault::NotRecorded { earliest: Some(e) }) if e <= first),
        "{early:?}"
    );
    let late = first.after(Duration::from_secs(3_600));
    let late = answer(&mut life, Ask::At { at: late });
    assert!(matches!(late, Err(AskFault::NotNow(_))), "{late:?}");
}

#[test]
fn a_series_counts_every_transaction_once_whatever_the_step() {
    let mut life = Life::new();
    life.lives(30, 4);
    let (from, to) = (wall(&life, Instant::ZERO), wall(&life, life.now));
    for (step, points) in [(100, 300), (1_000, 30), (10_000, 3)] {
        let ask = Ask::Series {
            pool: Some(PoolKey::new("app", "web")),
            from,
            to,
            step: Duration::from_millis(step),
        };
        let Ok(Answer::Series(series)) = answer(&mut life, ask) else {
            panic!("a series was asked for");
        };
        assert_eq!(series.iter().map(|s| s.arrivals).sum::<u64>(), 300 * 20);
        assert!(
            series.len().abs_diff(points) <= 1,
            "{} at {step}",
            series.len()
        );
        assert!(series.is_sorted_by_key(|s| s.at));
    }
}

#[test]
fn each_minute_is_handed_out_once_and_holds_what_happened_in_it() {
    let mut life = Life::new();
    life.lives(185, 4);
    assert!(
        (3..=4).contains(&life.minutes.len()),
        "{}",
        life.minutes.len()
    );
    let whole = &life.minutes[1];
    assert_eq!(whole.0.as_micros() % 60_000_000, 0);
    assert_eq!(whole.1[0].arrivals, 600 * 20);
    assert_eq!(whole.1[0].mode, "transaction");
}

#[test]
fn what_an_order_would_do_is_said_and_nothing_done() {
    let mut life = Life::new();
    life.lives(5, 4);
    let order = OperatorOrder::Resize {
        pool: PoolKey::new("app", "web"),
        size: 14,
    };
    let ask = Ask::Foresee {
        order: order.clone(),
    };
    let Ok(Answer::Foreseen(foreseen)) = answer(&mut life, ask) else {
        panic!("it can be foreseen");
    };
    assert_eq!(foreseen.says, "app/web: size 10 → 14");
    assert!(foreseen.expected.starts_with("up to 4 more connections"));
    let undo = OperatorOrder::Resize {
        pool: PoolKey::new("app", "web"),
        size: 10,
    };
    assert_eq!(foreseen.undo, Some(undo));
    assert_eq!(life.size, 10);
    assert!(life.core.publish().changes.is_empty());

    let by = "ann".to_owned();
    answer(&mut life, Ask::Order { by, order }).unwrap();
    assert_eq!(life.size, 14);
    let changes = life.core.publish().changes;
    let change = &changes[0];
    assert_eq!(
        (&*change.by, &*change.says),
        ("ann", "app/web: size 10 → 14")
    );
    assert_eq!(change.undo.as_deref(), Some("order `resize` to 10"));

    let nowhere = OperatorOrder::Resize {
        pool: PoolKey::new("app", "nobody"),
        size: 3,
    };
    let refused = answer(&mut life, Ask::Foresee { order: nowhere });
    assert!(matches!(
        refused,
        Err(AskFault::NoSuch { what: "pool", .. })
    ));
    let mode = OperatorOrder::Regulator {
        mode: RegulatorMode::Act,
    };
    let Ok(Answer::Foreseen(foreseen)) = answer(&mut life, Ask::Foresee { order: mode }) else {
        panic!("a mode can be foreseen");
    };
    assert!(foreseen.undo.is_some());
    let approve = OperatorOrder::Approve {
        pool: PoolKey::new("app", "web"),
    };
    let nothing = answer(&mut life, Ask::Foresee { order: approve });
    assert!(matches!(nothing, Err(AskFault::NotNow(_))), "{nothing:?}");
}

#[test]
fn every_pool_says_what_keeps_it_from_being_larger() {
    let mut life = Life::new();
    life.lives(20, 4);
    let published = life.core.publish();
    let says = &published.pools[0].why_not_more;
    assert!(!says.is_empty());
}
