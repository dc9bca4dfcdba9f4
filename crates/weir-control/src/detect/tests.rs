//! What opens a level, what closes it, and above all what doesn't open one.

use std::time::Duration;

use weir_model::{ConnectFailure, Level};

use super::{DetectContext, Detector, DetectorSettings, LevelChange};
use crate::insight::scenario::{POOL, Sim, clock};

/// Runs `ticks` samples; `each` is called before every one.
fn run(
    sim: &mut Sim,
    detector: &mut Detector,
    ticks: u64,
    mut each: impl FnMut(&mut Sim, u64),
) -> Vec<LevelChange> {
    (0..ticks)
        .filter_map(|tick| {
            each(sim, tick);
            let sample = sim.step();
            let now = sim.now();
            let ctx = DetectContext::gather(&sim.recorder, POOL, now);
            detector.on(&sample, now, &ctx)
        })
        .collect()
}

fn detector() -> Detector {
    Detector::new(DetectorSettings::new(clock()))
}

fn quiet(name: &str, size: u32, ticks: u64, mut each: impl FnMut(&mut Sim, u64)) {
    for seed in 1..=5 {
        let mut sim = Sim::new(size, seed);
        let changes = run(&mut sim, &mut detector(), ticks, &mut each);
        assert!(changes.is_empty(), "{name}, seed {seed}: {changes:#?}");
    }
}

#[test]
fn five_calm_minutes_open_nothing() {
    quiet("calm", 10, 3000, |_, _| {});
}

#[test]
fn bursts_that_drain_open_nothing() {
    quiet("bursts", 10, 1200, |sim, tick| {
        if tick % 50 == 20 {
            sim.burst(60);
        }
    });
}

#[test]
fn short_waves_of_four_times_the_load_open_nothing() {
    quiet("waves", 10, 1200, |sim, tick| {
        sim.phase.arrivals = if tick % 40 < 2 { 900.0 } else { 120.0 };
    });
}

#[test]
fn a_step_of_the_load_inside_capacity_opens_nothing() {
    quiet("step", 10, 1200, |sim, tick| {
        sim.phase.arrivals = if tick > 600 { 300.0 } else { 120.0 };
    });
}

#[test]
fn a_blip_of_four_tenths_of_a_second_opens_nothing() {
    quiet("checkpoint", 10, 600, |sim, tick| {
        // A checkpoint: nothing ends for 0.4 s.
        sim.phase.blocked = (tick % 100 >= 96).then_some((1, "IO", "DataFileWrite"));
    });
}

#[test]
fn a_cold_start_with_slow_dials_opens_nothing() {
    quiet("cold start", 10, 300, |sim, _| sim.phase.dial = 1.5);
}

#[test]
fn the_queue_that_a_cold_start_left_behind_opens_nothing() {
    quiet("cold queue", 4, 300, |sim, tick| {
        if tick == 0 {
            sim.burst(200);
        }
        sim.phase.dial = 2.0;
        sim.phase.exec = [0.008, 0.008, 0.008];
        sim.phase.arrivals = 60.0;
    });
}

#[test]
fn hardly_any_traffic_opens_nothing() {
    quiet("0.2/s", 2, 3000, |sim, _| sim.phase.arrivals = 0.2);
}

#[test]
fn a_single_failed_dial_opens_nothing() {
    quiet("one refusal", 10, 300, |sim, tick| {
        let refuse = (99..101).contains(&tick);
        if tick == 99 {
            sim.burst(40);
        }
        sim.phase.refuse =
            refuse.then(|| ConnectFailure::Io("Connection refused (os error 111)".to_owned()));
    });
}

#[test]
fn a_dry_pool_is_exhausted_within_a_second_and_the_onset_is_when_the_queue_began() {
    for seed in 1..=5 {
        let mut sim = Sim::new(4, seed);
        let mut detector = detector();
        assert!(run(&mut sim, &mut detector, 200, |_, _| {}).is_empty());
        sim.phase.arrivals = 600.0;
        let begun = sim.now();
        let changes = run(&mut sim, &mut detector, 30, |_, _| {});
        let [change] = &changes[..] else {
            panic!("{changes:#?}")
        };
        assert_eq!(change.to, Some(Level::Exhausted));
        assert!(
            change.at.since(begun) <= Duration::from_millis(1000),
            "{change:?}"
        );
        assert!(
            change.onset < change.at && change.onset >= begun.before(Duration::from_millis(20))
        );
        assert!(
            change.onset.since(begun) <= Duration::from_millis(400),
            "{change:?}"
        );
    }
}

#[test]
fn it_closes_after_five_quiet_seconds_and_what_comes_back_soon_is_the_same_story() {
    let mut sim = Sim::new(4, 1);
    let mut detector = detector();
    run(&mut sim, &mut detector, 200, |_, _| {});
    sim.phase.arrivals = 600.0;
    run(&mut sim, &mut detector, 30, |_, _| {});
    sim.phase.arrivals = 60.0;
    let drained = sim.now();
    let closed = run(&mut sim, &mut detector, 200, |_, _| {});
    let [closed] = &closed[..] else {
        panic!("{closed:#?}")
    };
    assert_eq!((closed.from, closed.to), (Some(Level::Exhausted), None));
    assert!(closed.at.since(closed.onset) >= Duration::from_secs(5));
    assert!(closed.at.since(drained) < Duration::from_secs(16));
    sim.phase.arrivals = 600.0;
    let back = run(&mut sim, &mut detector, 30, |_, _| {});
    assert!(back[0].again, "{back:#?}");
    sim.phase.arrivals = 60.0;
    run(&mut sim, &mut detector, 600, |_, _| {});
    sim.phase.arrivals = 600.0;
    let new = run(&mut sim, &mut detector, 30, |_, _| {});
    assert!(!new[0].again, "{new:#?}");
}

#[test]
fn a_pool_in_which_nothing_completes_rises_to_stalled_and_stays_there_until_ten_complete() {
    let mut sim = Sim::new(10, 1);
    let mut detector = detector();
    run(&mut sim, &mut detector, 200, |_, _| {});
    sim.phase.blocked = Some((1, "Lock", "relation"));
    let changes = run(&mut sim, &mut detector, 60, |_, _| {});
    let levels: Vec<_> = changes.iter().map(|c| c.to).collect();
    assert_eq!(levels, [Some(Level::Exhausted), Some(Level::Stalled)]);
    assert_eq!(changes[0].onset, changes[1].onset);
    sim.phase.blocked = None;
    let changes = run(&mut sim, &mut detector, 200, |_, _| {});
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].to, None);
}

#[test]
fn a_server_that_is_gone_is_down_and_absorbs_the_rest() {
    let mut sim = Sim::new(10, 1);
    let mut detector = detector();
    run(&mut sim, &mut detector, 200, |_, _| {});
    sim.kill_servers();
    sim.phase.refuse = Some(ConnectFailure::Io(
        "Connection refused (os error 111)".to_owned(),
    ));
    let begun = sim.now();
    let changes = run(&mut sim, &mut detector, 100, |_, _| {});
    assert_eq!(changes.last().unwrap().to, Some(Level::Down));
    assert!(changes.last().unwrap().at.since(begun) <= Duration::from_secs(3));
    sim.phase.refuse = None;
    let changes = run(&mut sim, &mut detector, 200, |_, _| {});
    let [closed] = &changes[..] else {
        panic!("{changes:#?}")
    };
    assert_eq!(closed.to, None);
}

#[test]
fn a_pool_that_may_not_grow_is_exhausted_with_fewer_servers_than_its_size() {
    let mut sim = Sim::new(20, 1);
    let mut detector = detector();
    run(&mut sim, &mut detector, 200, |_, _| {});
    sim.phase.arrivals = 1200.0;
    sim.phase.refuse = Some(ConnectFailure::Refused {
        sqlstate: "53300".to_owned(),
        message: "sorry, too many clients already".to_owned(),
    });
    let changes = run(&mut sim, &mut detector, 50, |_, _| {});
    assert_eq!(
        changes.first().and_then(|c| c.to),
        Some(Level::Exhausted),
        "{changes:#?}"
    );
    assert!(changes.iter().all(|c| c.to != Some(Level::Down)));
}

#[test]
fn servers_that_never_come_back_are_a_leak_before_the_pool_is_dry() {
    for seed in 1..=3 {
        let mut sim = Sim::new(20, seed);
        let mut detector = detector();
        run(&mut sim, &mut detector, 200, |_, _| {});
        sim.phase.leak_every_s = Some(8.0);
        let begun = sim.now();
        let changes = run(&mut sim, &mut detector, 1000, |_, _| {});
        let first = changes.first().expect("a leak");
        assert_eq!(first.to, Some(Level::Leak), "{first:#?}");
        assert!(
            first.at.since(begun) <= Duration::from_secs(80),
            "{:?}",
            first.at
        );
    }
}

#[test]
fn a_ramp_of_the_load_is_no_leak() {
    quiet("ramp", 20, 1500, |sim, tick| {
        sim.phase.arrivals = 60.0 + tick as f64 * 0.5
    });
}

#[test]
fn a_paused_pool_is_as_somebody_wants_it() {
    let mut sim = Sim::new(4, 1);
    let mut detector = detector();
    sim.phase.arrivals = 900.0;
    for _ in 0..100 {
        let mut sample = sim.step();
        sample.paused = true;
        let change = detector.on(&sample, sim.now(), &DetectContext::default());
        assert_eq!(change, None);
    }
}

#[test]
fn the_trend_test_wants_more_than_a_single_step() {
    assert!(super::rules::rises(&[1, 2, 3, 4, 5, 6]));
    assert!(super::rules::rises(&[1, 2, 2, 3, 4, 5]));
    assert!(!super::rules::rises(&[1, 1, 1, 1, 1, 5]));
    assert!(!super::rules::rises(&[3, 3, 3, 3, 3, 3]));
    assert!(!super::rules::rises(&[6, 5, 4, 3, 2, 1]));
}
