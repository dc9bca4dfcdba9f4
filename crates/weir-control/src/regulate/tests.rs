//! Loops of regulator and simulated pool: it helps where size helps, keeps its hands off where it
//! doesn't, and never leaves its rails.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;
use weir_model::{Cause, ConnectFailure, Level, Order, PoolSize};

use super::{
    ApproveError, Decision, PoolInput, Regulator, RegulatorInput, RegulatorMode, RegulatorSettings,
    SizeAction,
};
use crate::detect::{DetectContext, Detector, DetectorSettings};
use crate::insight::Rails;
use crate::insight::scenario::{POOL, Sim, clock, key};

struct Loop {
    sim: Sim,
    detector: Detector,
    regulator: Regulator,
    size: PoolSize,
    cause: Option<Cause>,
    decisions: Vec<Decision>,
    /// Orders are carried out.
    obeys: bool,
    ticks: u64,
}

fn regulated(min: u32, initial: u32, max: Option<u32>) -> PoolSize {
    let n = |n| NonZeroU32::new(n).unwrap();
    PoolSize::Regulated {
        min: n(min),
        initial: n(initial),
        max: max.map(n),
    }
}

impl Loop {
    fn new(mode: RegulatorMode, size: PoolSize, seed: u64) -> Self {
        Self {
            sim: Sim::new(size.initial(), seed),
            detector: Detector::new(DetectorSettings::new(clock())),
            regulator: Regulator::new(RegulatorSettings::new(mode)),
            size,
            cause: None,
            decisions: Vec::new(),
            obeys: true,
            ticks: 0,
        }
    }

    fn rails(&self) -> Rails {
        Rails::of_all(
            &self.sim.recorder,
            self.sim.now(),
            &[(POOL, self.size)],
            None,
        )[&POOL]
    }

    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 10 {
            let sample = self.sim.step();
            let now = self.sim.now();
            let ctx = DetectContext::gather(&self.sim.recorder, POOL, now);
            self.detector.on(&sample, now, &ctx);
            self.ticks += 1;
            if !self.ticks.is_multiple_of(10) {
                continue;
            }
            let level = self.detector.level(POOL);
            let input = RegulatorInput {
                recorder: &self.sim.recorder,
                now,
                pools: vec![PoolInput {
                    pool: POOL,
                    key: key(),
                    rails: self.rails(),
                    initial: self.size.initial(),
                    level,
                    cause: level.and(self.cause),
                    objective_wait: Duration::from_millis(10),
                }],
            };
            let plan = self.regulator.plan(&input);
            assert!(plan.decisions.len() <= 1);
            for decision in plan.decisions {
                if decision.acted && self.obeys {
                    self.obey(&decision);
                }
                self.decisions.push(decision);
            }
        }
    }

    fn obey(&mut self, decision: &Decision) {
        let Some(Order::Resize { size, .. }) = decision.order else {
            panic!("{decision:?}");
        };
        self.sim.size = size;
    }

    fn sizes(&self) -> Vec<String> {
        self.decisions
            .iter()
            .map(|d| format!("{} {}", d.id(), d.says()))
            .collect()
    }
}

#[test]
fn a_surge_is_met_within_a_few_seconds_and_the_size_is_near_what_is_needed() {
    for seed in 1..=5 {
        let mut l = Loop::new(RegulatorMode::Act, regulated(2, 4, Some(60)), seed);
        l.run(30);
        l.sim.phase.arrivals = 1000.0;
        l.cause = Some(Cause::TrafficSurge);
        l.run(20);
        let waiting = l.sim.recorder.latest(POOL).unwrap().clients.waiting;
        assert!(waiting <= 5, "{waiting}: {:?}", l.sizes());
        // 1000/s × 15.5 ms = 15.5 busy.
        assert!(
            (17..=36).contains(&l.sim.size),
            "{} {:?}",
            l.sim.size,
            l.sizes()
        );
        assert_eq!(l.detector.level(POOL), None);
        let grown = l
            .decisions
            .iter()
            .find(|d| matches!(d.action, SizeAction::Grow { .. }))
            .unwrap();
        assert!(grown.because.contains("servers busy") && !grown.expected.is_empty());
        assert_eq!(
            grown.undo,
            Some(Order::Resize {
                pool: POOL,
                size: 4
            })
        );
    }
}

#[test]
fn what_was_taken_is_given_back_slowly_and_never_below_what_the_operator_set() {
    let mut l = Loop::new(RegulatorMode::Act, regulated(2, 4, Some(60)), 3);
    l.run(30);
    l.sim.phase.arrivals = 1000.0;
    l.cause = Some(Cause::TrafficSurge);
    l.run(20);
    l.sim.phase.arrivals = 60.0;
    let top = l.sim.size;
    l.run(1500);
    assert!(l.sim.size < top && l.sim.size >= 4, "{:?}", l.sizes());
    let shrinks: Vec<&Decision> = l
        .decisions
        .iter()
        .filter(|d| d.because.starts_with("demand fell"))
        .collect();
    assert!(!shrinks.is_empty());
    for pair in shrinks.windows(2) {
        assert!(pair[1].at.since(pair[0].at) >= Duration::from_secs(30));
    }
    for d in shrinks {
        let to = d.action.to().unwrap();
        assert!(d.from - to <= (d.from / 10).max(1), "{}", d.says());
    }
}

#[test]
fn the_pool_of_a_calm_day_is_left_alone_and_little_is_said_about_it() {
    let mut l = Loop::new(RegulatorMode::Act, regulated(2, 10, Some(60)), 1);
    l.run(300);
    assert!(
        l.decisions.iter().all(|d| d.action == SizeAction::Keep),
        "{:?}",
        l.sizes()
    );
    assert!(l.decisions.len() <= 8, "{:?}", l.sizes());
}

#[test]
fn where_size_does_not_help_it_keeps_and_says_why() {
    for cause in [
        Cause::RowLockContention,
        Cause::DdlLockQueue,
        Cause::IdleInTransaction,
        Cause::ConnectionLeak,
        Cause::SlowQuery,
        Cause::ServerDown,
        Cause::MaxConnections,
    ] {
        let mut l = Loop::new(RegulatorMode::Act, regulated(2, 10, Some(60)), 1);
        l.run(20);
        l.sim.phase.think = 0.4;
        l.cause = Some(cause);
        l.run(30);
        assert_eq!(l.sim.size, 10, "{cause}");
        let kept = l
            .decisions
            .iter()
            .filter(|d| d.at > weir_model::Instant::from_millis(21_000))
            .collect::<Vec<_>>();
        assert!(kept.iter().all(|d| d.action == SizeAction::Keep));
        assert!((1..=5).contains(&kept.len()), "{:?}", l.sizes());
        assert!(
            kept.iter()
                .all(|d| d.because.len() > 20 && d.order.is_none())
        );
    }
}

#[test]
fn a_recommendation_is_renewed_until_somebody_approves_it() {
    let mut l = Loop::new(RegulatorMode::Recommend, regulated(2, 4, Some(60)), 1);
    l.run(20);
    l.sim.phase.arrivals = 600.0;
    l.cause = Some(Cause::TrafficSurge);
    l.run(10);
    assert_eq!(l.sim.size, 4);
    let standing = l.regulator.recommendation(POOL).unwrap().clone();
    assert!(
        standing.says().starts_with("recommend 4 → "),
        "{}",
        standing.says()
    );
    assert!(!standing.acted && standing.order.is_some());
    let approved = l
        .regulator
        .approve(&l.sim.recorder, POOL, "ada", l.sim.now())
        .unwrap();
    assert!(approved.acted && approved.approved_by == "ada" && approved.number > standing.number);
    l.obey(&approved);
    let again = l
        .regulator
        .approve(&l.sim.recorder, POOL, "ada", l.sim.now());
    assert_eq!(again, Err(ApproveError::NothingRecommended));
    l.run(3);
    assert!(l.sim.size > 4);
}

#[test]
fn switched_to_act_it_does_what_it_recommended() {
    let mut l = Loop::new(RegulatorMode::Observe, regulated(2, 4, Some(60)), 1);
    l.run(20);
    l.sim.phase.arrivals = 600.0;
    l.cause = Some(Cause::PoolUndersized);
    l.run(8);
    assert_eq!(l.sim.size, 4);
    assert!(
        l.decisions
            .iter()
            .any(|d| d.says().starts_with("would set 4 → ")),
        "{:?}",
        l.sizes()
    );
    l.regulator.set_mode(RegulatorMode::Act);
    l.run(1);
    assert!(l.sim.size > 4, "{:?}", l.sizes());
}

#[test]
fn an_unnamed_cause_is_waited_for_and_then_throughput_tells() {
    let mut l = Loop::new(RegulatorMode::Act, regulated(2, 4, Some(60)), 1);
    l.run(20);
    l.sim.phase.arrivals = 600.0;
    l.run(2);
    assert_eq!(l.sim.size, 4);
    l.run(6);
    assert!(l.sim.size > 4, "{:?}", l.sizes());
}

#[test]
fn transactions_ten_times_as_long_are_not_met_with_more_servers() {
    let mut l = Loop::new(RegulatorMode::Act, regulated(2, 10, Some(60)), 1);
    l.run(60);
    l.cause = Some(Cause::TrafficSurge);
    l.sim.phase.exec = [0.06, 0.06, 0.06];
    l.run(20);
    assert_eq!(l.sim.size, 10, "{:?}", l.sizes());
    let last = l.decisions.last().unwrap();
    assert!(
        last.because.contains("times as long as usual"),
        "{}",
        last.because
    );
}

#[test]
fn servers_that_bring_no_throughput_are_taken_back() {
    let mut l = Loop::new(RegulatorMode::Act, regulated(2, 4, Some(60)), 1);
    l.run(20);
    l.cause = Some(Cause::Unknown);
    l.sim.phase.arrivals = 500.0;
    // However many servers: 200 transactions a second in all, as at a saturated disk.
    for _ in 0..30 {
        let per = f64::from(l.sim.size) / 200.0 / 3.0;
        l.sim.phase.exec = [per, per, per];
        l.run(1);
    }
    assert!(l.sim.size <= 8, "{:?}", l.sizes());
    assert!(
        l.decisions.iter().any(|d| d.because.contains("elasticity")),
        "{:?}",
        l.sizes()
    );
}

#[test]
fn after_53300_it_goes_one_below_what_is_open_and_rests_for_a_minute() {
    let mut l = Loop::new(RegulatorMode::Act, regulated(2, 20, Some(60)), 1);
    l.run(20);
    l.sim.phase.arrivals = 1500.0;
    l.sim.phase.refuse = Some(ConnectFailure::Refused {
        sqlstate: "53300".to_owned(),
        message: "sorry, too many clients already".to_owned(),
    });
    l.cause = Some(Cause::TrafficSurge);
    l.run(10);
    let open = l.sim.recorder.latest(POOL).unwrap().servers.open();
    assert!(l.sim.size <= open.max(2), "{} {:?}", l.sim.size, l.sizes());
    let size = l.sim.size;
    l.sim.phase.refuse = None;
    l.run(40);
    assert!(l.sim.size <= size, "{:?}", l.sizes());
    l.sim.phase.arrivals = 100.0;
    l.run(60);
    assert_eq!(l.sim.size, 20, "{:?}", l.sizes());
}

#[test]
fn slots_that_others_took_are_no_reason_to_give_them_more() {
    let mut l = Loop::new(RegulatorMode::Act, regulated(2, 10, Some(60)), 1);
    l.run(20);
    let open = l.sim.recorder.latest(POOL).unwrap().servers.open();
    l.sim.phase.foreign = 95;
    l.run(20);
    assert!(
        l.sim.size >= open && l.sim.size < 10 || open == 10,
        "{open} {:?}",
        l.sizes()
    );
}

#[test]
fn a_pool_at_its_cap_says_which_cap() {
    let mut l = Loop::new(RegulatorMode::Act, regulated(2, 4, Some(6)), 1);
    l.run(20);
    l.sim.phase.arrivals = 900.0;
    l.cause = Some(Cause::TrafficSurge);
    l.run(20);
    assert_eq!(l.sim.size, 6);
    let last = l.decisions.last().unwrap();
    assert!(
        last.because.contains("size.max of the pool is 6"),
        "{}",
        last.because
    );
    assert!(
        last.why_not_more
            .as_ref()
            .is_some_and(|w| w.contains("size.max"))
    );
}

#[test]
fn a_fixed_pool_is_a_persons_business() {
    let size = PoolSize::Fixed(NonZeroU32::new(4).unwrap());
    let mut l = Loop::new(RegulatorMode::Act, size, 1);
    l.run(20);
    l.sim.phase.arrivals = 900.0;
    l.cause = Some(Cause::TrafficSurge);
    l.run(20);
    assert_eq!(l.sim.size, 4);
    assert_eq!(l.detector.level(POOL), Some(Level::Exhausted));
}

#[test]
fn an_order_that_is_lost_is_given_again() {
    let mut l = Loop::new(RegulatorMode::Act, regulated(2, 4, Some(60)), 1);
    l.obeys = false;
    l.run(20);
    l.sim.phase.arrivals = 600.0;
    l.cause = Some(Cause::TrafficSurge);
    l.run(20);
    let grown = l
        .decisions
        .iter()
        .filter(|d| matches!(d.action, SizeAction::Grow { .. }))
        .count();
    assert!((2..=10).contains(&grown), "{:?}", l.sizes());
}

#[test]
fn modes_are_read_back() {
    for mode in [
        RegulatorMode::Observe,
        RegulatorMode::Recommend,
        RegulatorMode::Act,
    ] {
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    assert!("akt".parse::<RegulatorMode>().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_no_size_leaves_its_rails_and_no_step_is_wild(
        seed in 1u64..1_000_000,
        min in 1u32..4,
        initial in 4u32..12,
        max in proptest::option::of(12u32..50),
        loads in proptest::collection::vec((10.0f64..2000.0, 0u32..95, 0usize..4), 4),
    ) {
        let mut l = Loop::new(RegulatorMode::Act, regulated(min, initial, max), seed);
        for (arrivals, foreign, cause) in loads {
            l.sim.phase.arrivals = arrivals;
            l.sim.phase.foreign = foreign;
            l.cause = [None, Some(Cause::TrafficSurge), Some(Cause::Unknown), Some(Cause::IdleInTransaction)][cause];
            for _ in 0..6 {
                let rails = l.rails();
                let before = l.decisions.len();
                l.run(1);
                for d in &l.decisions[before..] {
                    let Some(to) = d.action.to() else { continue };
                    prop_assert!(to >= min.min(rails.max().unwrap_or(min)).max(1), "{d:?}");
                    match d.action {
                        SizeAction::Grow { .. } => {
                            prop_assert!(max.is_none_or(|m| to <= m), "{d:?}");
                            // A look may have come in between that moved the budget.
                            let now = l.rails();
                            let most = rails.max().unwrap_or(u32::MAX).max(now.max().unwrap_or(u32::MAX));
                            prop_assert!(to <= most.max(1), "{d:?} {rails:?}");
                            prop_assert!(to <= d.from * 2, "{d:?}");
                        }
                        SizeAction::Shrink { .. } => {
                            prop_assert!(f64::from(to) >= f64::from(d.from) * 0.7 - 1e-9, "{d:?}");
                        }
                        SizeAction::Keep => {}
                    }
                }
            }
        }
    }
}
