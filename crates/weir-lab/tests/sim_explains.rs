//! Lives with one cause, which diagnosis must name; and quiet lives, which have no incident.

use weir_lab::sim::{Outcome, Plan, run, run_traced};
use weir_model::Cause;

#[expect(clippy::disallowed_methods, reason = "a test's own knob")]
fn traced_seed() -> Option<u64> {
    std::env::var("WEIR_SEED").ok()?.parse().ok()
}

#[expect(clippy::print_stdout, reason = "the trace that was asked for")]
fn lived(seed: u64, cause: Option<Cause>) -> Outcome {
    let plan = Plan::drill(seed, cause);
    if traced_seed() == Some(seed) {
        let (outcome, lines) = run_traced(seed, &plan);
        for line in lines {
            println!("{line}");
        }
        return outcome.unwrap_or_else(|violation| panic!("{cause:?}: {violation}"));
    }
    run(seed, &plan).unwrap_or_else(|violation| panic!("{cause:?}: {violation}"))
}

fn names(cause: Cause, also: &[Cause]) {
    for seed in 1..=3 {
        let outcome = lived(seed, Some(cause));
        let Some(Some(top)) = outcome.incidents.first() else {
            panic!("seed {seed}: {cause} led to no incident with a cause: {outcome:?}");
        };
        assert!(
            *top == cause || also.contains(top),
            "seed {seed}: {cause} was taken for {top}: {outcome:?}"
        );
    }
}

#[test]
fn a_quiet_life_has_no_incident() {
    for seed in 1..=3 {
        let outcome = lived(seed, None);
        assert_eq!(outcome.incidents, [], "seed {seed}");
        assert!(outcome.transactions > 1000, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn a_pool_too_small_for_its_load_is_named() {
    names(Cause::PoolUndersized, &[Cause::TrafficSurge]);
}

#[test]
fn a_postgresql_that_is_gone_is_named() {
    names(Cause::ServerDown, &[]);
}

#[test]
fn transactions_left_idle_are_named() {
    names(Cause::IdleInTransaction, &[]);
}

#[test]
fn a_statement_that_became_slow_is_named() {
    names(Cause::SlowQuery, &[]);
}
