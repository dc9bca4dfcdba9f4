//! Stories: a pool, a fault, and what diagnosis should say early and late.

use std::time::Duration;

use weir_model::{Cause, ConnectFailure, Instant, Level};

use super::{Diagnosis, DiagnosisInput, diagnose};
use crate::detect::{DetectContext, Detector, DetectorSettings, LevelChange};
use crate::insight::Rails;
use crate::insight::scenario::{POOL, Phase, Sim, clock};
use crate::sense::view::{BlockRoot, WaitingLock};

struct Told {
    opened: LevelChange,
    /// Seconds from the fault until detected.
    detected_s: f64,
    /// Diagnoses, one a second from the opening on.
    each_second: Vec<Diagnosis>,
}

impl Told {
    /// The cause is first at every second from `from_s` after detection on, and nothing that was
    /// ruled out lacks a number.
    fn names(&self, wanted: &[Cause], from_s: usize) {
        let tops: Vec<_> = self
            .each_second
            .iter()
            .map(|d| {
                (
                    d.causes[0].cause.name(),
                    (d.causes[0].confidence * 100.0).round(),
                )
            })
            .collect();
        for diagnosis in &self.each_second[from_s..] {
            let top = &diagnosis.causes[0];
            assert!(
                wanted.contains(&top.cause),
                "wanted {wanted:?}: {tops:?}\n{diagnosis:#?}"
            );
            assert!(top.confidence > 0.5, "{tops:?}");
        }
        for diagnosis in &self.each_second {
            for out in &diagnosis.ruled_out {
                assert!(!out.evidence.is_empty(), "{out:?}");
                assert!(out.says.chars().any(|c| c.is_ascii_digit()), "{}", out.says);
            }
            let sum: f64 = diagnosis.causes.iter().map(|c| c.confidence).sum();
            assert!(sum <= 1.0 + 1e-9);
            for cause in &diagnosis.causes {
                assert!((0.0..=1.0).contains(&cause.share) && !cause.says.is_empty());
            }
        }
    }

    /// Every one of the ten but the first and `unknown` is listed, ruled out, or said to be
    /// unmeasured.
    fn accounts_for_all_but(&self, at: usize, may_be_silent: &[Cause]) {
        let d = &self.each_second[at];
        for cause in [
            Cause::PoolUndersized,
            Cause::TrafficSurge,
            Cause::SlowQuery,
            Cause::RowLockContention,
            Cause::DdlLockQueue,
            Cause::IdleInTransaction,
            Cause::ConnectionLeak,
            Cause::MaxConnections,
            Cause::ServerDown,
        ] {
            let listed = d.causes.iter().any(|c| c.cause == cause)
                || d.ruled_out.iter().any(|r| r.cause == cause)
                || d.not_measured.iter().any(|s| s.starts_with(cause.name()));
            assert!(
                listed || may_be_silent.contains(&cause),
                "{cause} is not accounted for: {d:#?}"
            );
        }
    }
}

/// Runs calm for 20 s, then `fault` for `seconds`; `each` is called before every sample.
fn tell(
    seed: u64,
    mut sim: Sim,
    fault: impl FnOnce(&mut Sim),
    seconds: u64,
    mut each: impl FnMut(&mut Sim, u64),
) -> Told {
    let _ = seed;
    let mut detector = Detector::new(DetectorSettings::new(clock()));
    let mut begun = None;
    let mut opened: Option<LevelChange> = None;
    let mut detected = Instant::ZERO;
    let mut each_second = Vec::new();
    let mut fault = Some(fault);
    for tick in 0..(200 + seconds * 10) {
        if tick == 200 {
            begun = Some(sim.now());
            fault.take().unwrap()(&mut sim);
        }
        if tick >= 200 {
            each(&mut sim, tick - 200);
        }
        let sample = sim.step();
        let now = sim.now();
        let ctx = DetectContext::gather(&sim.recorder, POOL, now);
        if let Some(change) = detector.on(&sample, now, &ctx) {
            assert!(begun.is_some(), "alarm while calm: {change:?}");
            if change.to.is_some() && opened.is_none() {
                detected = now;
                opened = Some(change);
            }
        }
        if let (Some(change), Some(level)) = (&opened, detector.level(POOL))
            && now.since(change.at).as_millis().is_multiple_of(1000)
        {
            let baseline = (
                change.onset.before(Duration::from_secs(12)),
                change.onset.before(Duration::from_secs(1)),
            );
            let input = DiagnosisInput::gather(
                &sim.recorder,
                POOL,
                level,
                baseline,
                change.onset,
                now,
                &clock(),
                Rails::unknown(),
            );
            each_second.push(diagnose(&input));
        }
    }
    let opened = opened.expect("no level rose");
    Told {
        detected_s: detected.since(begun.unwrap()).as_secs_f64(),
        opened,
        each_second,
    }
}

fn seeds() -> impl Iterator<Item = u64> {
    1..=3
}

fn refused(sqlstate: &str, message: &str) -> ConnectFailure {
    ConnectFailure::Refused {
        sqlstate: sqlstate.to_owned(),
        message: message.to_owned(),
    }
}

#[test]
fn a_peak_three_times_as_high_is_a_surge_or_a_small_pool() {
    for seed in seeds() {
        let mut sim = Sim::new(4, seed);
        sim.phase.arrivals = 120.0;
        let told = tell(seed, sim, |sim| sim.phase.arrivals = 360.0, 20, |_, _| {});
        assert_eq!(told.opened.to, Some(Level::Exhausted));
        told.names(&[Cause::TrafficSurge, Cause::PoolUndersized], 0);
        told.accounts_for_all_but(3, &[]);
        let (_, at) = told.each_second[5]
            .trigger
            .clone()
            .expect("the step was seen");
        assert!(
            (19_000..22_000).contains(&(at.as_nanos() / 1_000_000)),
            "{at:?}"
        );
    }
}

#[test]
fn a_pool_that_was_always_too_small_is_undersized() {
    for seed in seeds() {
        // 0.84 of its capacity before and 1.07 after: no surge to speak of.
        let mut sim = Sim::new(10, seed);
        sim.phase.arrivals = 540.0;
        let told = tell(seed, sim, |sim| sim.phase.arrivals = 690.0, 30, |_, _| {});
        told.names(&[Cause::PoolUndersized, Cause::TrafficSurge], 1);
        // Arrivals lie near the border between the two: neither number speaks clearly.
        told.accounts_for_all_but(3, &[Cause::TrafficSurge, Cause::PoolUndersized]);
    }
}

#[test]
fn a_statement_that_lost_its_index_is_named() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(10, seed),
            |sim| {
                sim.phase.exec = [0.007, 0.006, 0.25];
            },
            20,
            |_, _| {},
        );
        told.names(&[Cause::SlowQuery], 1);
        told.accounts_for_all_but(3, &[]);
        let top = &told.each_second[3].causes[0];
        assert!(top.says.contains("order_items"), "{}", top.says);
        assert!(top.says.contains("dashboard-web"), "{}", top.says);
    }
}

#[test]
fn a_statement_that_takes_a_minute_is_named_while_it_still_runs() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(6, seed),
            |sim| {
                sim.phase.exec = [0.005, 0.005, 60.0];
            },
            15,
            |_, _| {},
        );
        told.names(&[Cause::SlowQuery], 3);
    }
}

#[test]
fn a_short_processor_slows_all_statements_alike_and_is_no_slow_query() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(4, seed),
            |sim| {
                sim.phase.arrivals = 330.0;
                sim.phase.exec = [0.010, 0.010, 0.010];
            },
            20,
            |_, _| {},
        );
        told.names(&[Cause::TrafficSurge, Cause::PoolUndersized], 1);
    }
}

#[test]
fn waits_for_rows_are_row_locks_and_not_a_slow_statement() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(10, seed),
            |sim| {
                sim.phase.exec = [0.005, 0.25, 0.005];
                sim.phase.waits = Some((1, "Lock", "transactionid"));
                sim.phase.root = Some(BlockRoot {
                pid: 777,
                state: "active".to_owned(),
                wait_event: "PgSleep".to_owned(),
                application: "nightly-batch".to_owned(),
                transaction_age: Some(Duration::from_millis(400)),
                victims: 9,
                query: "BEGIN; UPDATE page_views SET views = views + 0; SELECT pg_sleep(0.5); COMMIT".to_owned(),
            });
            },
            20,
            |_, _| {},
        );
        told.names(&[Cause::RowLockContention], 1);
        told.accounts_for_all_but(3, &[]);
        let top = &told.each_second[3].causes[0];
        for part in ["page_views", "777", "nightly-batch"] {
            assert!(top.says.contains(part), "{}", top.says);
        }
    }
}

#[test]
fn a_root_that_is_idle_for_a_blink_after_a_long_wait_is_still_row_locks() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(10, seed),
            |sim| {
                sim.phase.exec = [0.005, 0.25, 0.005];
                sim.phase.waits = Some((1, "Lock", "tuple"));
                sim.phase.root_idle_for = Some(Duration::from_millis(2));
                sim.phase.root = Some(BlockRoot {
                    pid: 1004,
                    state: "idle in transaction".to_owned(),
                    application: "weir:demo:1".to_owned(),
                    transaction_age: Some(Duration::from_secs(4)),
                    victims: 9,
                    query: "UPDATE page_views SET views = views + 1 WHERE id = 3".to_owned(),
                    ..BlockRoot::default()
                });
            },
            20,
            |_, _| {},
        );
        told.names(&[Cause::RowLockContention], 1);
    }
}

#[test]
fn a_waiting_alter_table_is_a_ddl_lock_queue_whoever_is_its_root() {
    for state in ["active", "idle in transaction"] {
        for seed in seeds() {
            let told = tell(
                seed,
                Sim::new(10, seed),
                |sim| {
                    sim.phase.blocked = Some((2, "Lock", "relation"));
                    sim.phase.root = Some(BlockRoot {
                        pid: 900,
                        state: state.to_owned(),
                        application: "nightly-report".to_owned(),
                        transaction_age: Some(Duration::from_secs(30)),
                        victims: 11,
                        query: "SELECT count(*) FROM orders, pg_sleep(90)".to_owned(),
                        ..BlockRoot::default()
                    });
                    let lock = |pid, mode: &str, query: &str| WaitingLock {
                        pid,
                        locktype: "relation".to_owned(),
                        mode: mode.to_owned(),
                        relation: "orders".to_owned(),
                        query: query.to_owned(),
                    };
                    sim.phase.waiting_locks = vec![
                        lock(
                            901,
                            "AccessExclusiveLock",
                            "ALTER TABLE orders ADD COLUMN note text",
                        ),
                        lock(1003, "AccessShareLock", "SELECT o.id"),
                    ];
                },
                20,
                |_, _| {},
            );
            told.names(&[Cause::DdlLockQueue], 1);
            let top = &told.each_second[3].causes[0];
            for part in ["orders", "901", "900", "ALTER TABLE"] {
                assert!(top.says.contains(part), "{}", top.says);
            }
            assert_eq!(
                told.each_second[3]
                    .trigger
                    .as_ref()
                    .map(|t| t.0.contains("901")),
                Some(true)
            );
        }
    }
}

#[test]
fn a_service_call_inside_the_transaction_is_idle_in_transaction() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(10, seed),
            |sim| sim.phase.think = 0.4,
            20,
            |_, _| {},
        );
        told.names(&[Cause::IdleInTransaction], 0);
        told.accounts_for_all_but(3, &[]);
        let top = &told.each_second[3].causes[0];
        assert!(top.says.contains("dashboard-web"), "{}", top.says);
    }
}

#[test]
fn all_servers_idle_for_half_a_minute_at_once_are_no_leak() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(10, seed),
            |sim| sim.phase.think = 60.0,
            30,
            |_, _| {},
        );
        told.names(&[Cause::IdleInTransaction], 1);
    }
}

#[test]
fn an_idle_root_of_a_row_lock_queue_is_idle_in_transaction() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(10, seed),
            |sim| {
                sim.phase.blocked = Some((1, "Lock", "transactionid"));
                sim.phase.root = Some(BlockRoot {
                    pid: 4711,
                    state: "idle in transaction".to_owned(),
                    application: "psql".to_owned(),
                    transaction_age: Some(Duration::from_secs(40)),
                    victims: 10,
                    query: "UPDATE page_views SET views = 0".to_owned(),
                    ..BlockRoot::default()
                });
            },
            20,
            |_, _| {},
        );
        told.names(&[Cause::IdleInTransaction], 1);
        let top = &told.each_second[3].causes[0];
        assert!(
            top.says.contains("4711") && top.says.contains("psql"),
            "{}",
            top.says
        );
    }
}

#[test]
fn servers_that_never_come_back_are_a_leak() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(10, seed),
            |sim| sim.phase.leak_every_s = Some(8.0),
            110,
            |_, _| {},
        );
        told.names(&[Cause::ConnectionLeak], 0);
        let last = told.each_second.last().unwrap();
        assert!(
            last.causes[0].says.contains("dashboard-web"),
            "{}",
            last.causes[0].says
        );
    }
}

#[test]
fn refusals_with_53300_are_max_connections() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(10, seed),
            |sim| {
                // A reporting tool took every slot while the pool had only a few servers open, and
                // the load doubles.
                sim.size = 20;
                sim.phase.foreign = 85;
                sim.phase.arrivals = 900.0;
                sim.phase.refuse = Some(refused("53300", "sorry, too many clients already"));
            },
            20,
            |_, _| {},
        );
        assert_eq!(told.opened.to, Some(Level::Exhausted));
        told.names(&[Cause::MaxConnections], 1);
        let top = &told.each_second[3].causes[0];
        assert!(top.says.contains("reporting-tool"), "{}", top.says);
    }
}

#[test]
fn refused_dials_after_a_crash_are_server_down() {
    for seed in seeds() {
        for failure in [
            ConnectFailure::Io("Connection refused (os error 111)".to_owned()),
            refused("57P03", "the database system is starting up"),
        ] {
            let told = tell(
                seed,
                Sim::new(10, seed),
                |sim| {
                    sim.kill_servers();
                    sim.phase.refuse = Some(failure.clone());
                },
                20,
                |_, _| {},
            );
            assert!(told.detected_s <= 3.0, "{}", told.detected_s);
            told.names(&[Cause::ServerDown], 2);
        }
    }
}

#[test]
fn a_changed_password_is_unknown_and_says_so() {
    let told = tell(
        1,
        Sim::new(10, 1),
        |sim| {
            sim.kill_servers();
            sim.phase.refuse = Some(refused(
                "28P01",
                "password authentication failed for user \"dashboard\"",
            ));
        },
        20,
        |_, _| {},
    );
    told.names(&[Cause::Unknown], 1);
    assert!(told.each_second[3].causes[0].says.contains("28P01"));
}

#[test]
fn without_a_watch_connection_nothing_is_ruled_out_by_looks() {
    let mut sim = Sim::new(4, 7);
    sim.watch = false;
    let told = tell(7, sim, |sim| sim.phase.arrivals = 400.0, 20, |_, _| {});
    told.names(&[Cause::TrafficSurge, Cause::PoolUndersized], 1);
    for cause in [Cause::RowLockContention, Cause::DdlLockQueue] {
        let d = &told.each_second[3];
        assert!(d.ruled_out.iter().all(|r| r.cause != cause));
        assert!(d.not_measured.iter().any(|s| s.starts_with(cause.name())));
    }
}

#[test]
fn without_a_baseline_no_statement_is_called_slow_and_no_arrivals_a_surge() {
    let mut sim = Sim::new(4, 5);
    sim.phase.arrivals = 400.0;
    for _ in 0..50 {
        sim.step();
    }
    let now = sim.now();
    let input = DiagnosisInput::gather(
        &sim.recorder,
        POOL,
        Level::Exhausted,
        (Instant::ZERO, Instant::ZERO),
        Instant::from_millis(1000),
        now,
        &clock(),
        Rails::unknown(),
    );
    let d = diagnose(&input);
    assert!(
        matches!(d.causes[0].cause, Cause::PoolUndersized | Cause::Unknown),
        "{d:#?}"
    );
    for cause in [Cause::SlowQuery, Cause::TrafficSurge] {
        assert!(d.ruled_out.iter().all(|r| r.cause != cause), "{d:#?}");
    }
}

#[test]
fn a_pool_that_is_enlarged_keeps_its_diagnosis() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(4, seed),
            |sim| sim.phase.arrivals = 360.0,
            30,
            |sim, tick| {
                if tick == 60 {
                    sim.size = 16;
                }
            },
        );
        told.names(&[Cause::TrafficSurge, Cause::PoolUndersized], 0);
    }
}

#[test]
fn detection_takes_about_six_tenths_of_a_second() {
    for seed in seeds() {
        let told = tell(
            seed,
            Sim::new(4, seed),
            |sim| sim.phase.arrivals = 500.0,
            5,
            |_, _| {},
        );
        assert!(told.detected_s <= 1.2, "{}", told.detected_s);
        assert!(told.opened.at.since(told.opened.onset) <= Duration::from_millis(1200));
    }
}

#[test]
fn a_calm_phase_is_the_one_the_tests_take_it_for() {
    let calm = Phase::calm();
    let busy = calm.arrivals * (calm.exec.iter().sum::<f64>() + calm.think);
    assert!(busy < 2.0, "{busy}");
}
