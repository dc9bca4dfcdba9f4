//! The split has no residue, whatever is split.

use std::time::Duration;

use proptest::prelude::*;
use weir_model::{Fingerprint, Histogram, HoldTime, Instant, PoolId, PoolSize};

use super::attribution::{Attribution, FactorName};
use super::scenario::key;
use super::{Budget, Rails, StatementChanges};
use crate::record::window::{BackendWindow, PoolWindow, StatementWindow};
use crate::sense::view::Limits;

fn window(size: u32, arrivals: u64, completions: u64, held_ms: (u64, u64, u64)) -> PoolWindow {
    PoolWindow {
        pool: PoolId(0),
        key: key(),
        from: Instant::ZERO,
        to: Instant::from_millis(10_000),
        samples: 100,
        size: f64::from(size),
        size_last: size,
        active: f64::from(size),
        idle: 0.0,
        login: 0.0,
        pinned: 0.0,
        open_last: size,
        waiting: 0.0,
        waiting_max: 0,
        idle_in_transaction: 0.0,
        idle_in_transaction_max: Duration::ZERO,
        transaction_age_max: Duration::ZERO,
        oldest_wait_max: Duration::ZERO,
        arrivals,
        completions,
        failures: 0,
        abandoned: 0,
        wait: Histogram::default(),
        hold: Histogram::default(),
        held: HoldTime {
            executing: Duration::from_millis(held_ms.0),
            thinking: Duration::from_millis(held_ms.1),
            network: Duration::from_millis(held_ms.2),
        },
        client_logins: 0,
        server_logins: 0,
        server_login_failures: 0,
    }
}

fn looks(cpu: u32, lock: u32, io: u32) -> BackendWindow {
    let mut looks = BackendWindow {
        looks: 10,
        active_samples: cpu + lock + io,
        ..BackendWindow::default()
    };
    for (kind, n) in [("CPU", cpu), ("Lock", lock), ("IO", io)] {
        looks.by_wait_type.insert(kind.to_owned(), n);
    }
    looks
}

prop_compose! {
    fn any_window()(
        size in 1u32..500,
        arrivals in 0u64..1_000_000,
        completions in 0u64..1_000_000,
        executing in 0u64..10_000_000,
        thinking in 0u64..10_000_000,
        network in 0u64..1_000_000,
    ) -> PoolWindow {
        window(size, arrivals, completions, (executing, thinking, network))
    }
}

prop_compose! {
    fn any_looks()(cpu in 0u32..200, lock in 0u32..200, io in 0u32..200) -> BackendWindow {
        looks(cpu, lock, io)
    }
}

proptest! {
    #[test]
    fn shares_add_up_to_one_and_nothing_is_left_over(
        before in any_window(), now in any_window(), l0 in any_looks(), l1 in any_looks(),
    ) {
        let a = Attribution::between(&before, &now, &l0, &l1);
        let sum: f64 = a.factors.iter().map(|f| f.delta).sum();
        prop_assert!((sum - a.ln_rise).abs() < 1e-6);
        prop_assert!(((a.load / a.load_baseline).ln() - a.ln_rise).abs() < 1e-6, "{a:?}");
        if a.ln_rise.abs() > 1e-3 {
            let shares: f64 = a.factors.iter().map(|f| f.share).sum();
            prop_assert!((shares - 1.0).abs() < 1e-6);
        }
        let rises: f64 = a.factors.iter().map(|f| f.rise).sum();
        prop_assert!(rises.abs() < 1e-6 || (rises - 1.0).abs() < 1e-6);
        prop_assert!(a.factors.iter().all(|f| f.delta.is_finite() && (0.0..=1.0).contains(&f.rise)));
    }

    #[test]
    fn a_size_within_the_rails_is_never_above_budget_or_maximum(
        max_connections in 5u32..500, reserved in 0u32..10, others in 0u32..200, own in 0u32..100,
        min in 1u32..20, max in proptest::option::of(20u32..300), claimed in 0u32..100,
        wanted in 0u32..10_000,
    ) {
        let limits = Limits {
            max_connections, reserved, client_backends: others + own, own_backends: own,
            role_or_database_limit: None,
        };
        let budget = Budget::new(limits, &[], None);
        let nonzero = |n: u32| std::num::NonZeroU32::new(n).unwrap();
        let size = PoolSize::Regulated { min: nonzero(min), max: max.map(nonzero), initial: nonzero(min) };
        let rails = Rails::new(size, Some(budget), claimed);
        let clipped = rails.clip(wanted);
        prop_assert!(clipped >= 1);
        prop_assert!(max.is_none_or(|max| clipped <= max));
        // One server is the least that a pool can have; beyond that the budget holds.
        prop_assert!(clipped == 1 || clipped + claimed + 1 + others + reserved + budget.spare <= max_connections);
        if rails.max().is_none_or(|m| m >= min) {
            prop_assert!(clipped >= min);
        }
    }
}

#[test]
fn twice_the_arrivals_are_the_whole_of_the_rise() {
    let before = window(10, 1200, 1200, (18_000, 600, 0));
    let now = window(10, 2400, 2400, (36_000, 1200, 0));
    let none = BackendWindow::default();
    let a = Attribution::between(&before, &now, &none, &none);
    assert!((a.ln_rise - 2f64.ln()).abs() < 1e-6);
    assert!(
        (a.factor(FactorName::Arrivals).rise - 1.0).abs() < 1e-6,
        "{a:?}"
    );
    assert!(!a.baseline_thin);
}

#[test]
fn lock_waits_get_the_share_that_the_looks_saw() {
    let before = window(10, 1200, 1200, (18_000, 0, 0));
    let now = window(10, 1200, 1200, (90_000, 0, 0));
    let a = Attribution::between(&before, &now, &looks(20, 0, 0), &looks(20, 80, 0));
    assert!(a.factor(FactorName::Lock).rise > 0.95, "{a:?}");
    assert!((a.executing_rise() - 1.0).abs() < 1e-3);
    assert!(a.standard_error < 0.06);
}

#[test]
fn servers_that_cannot_be_had_are_a_share_of_their_own() {
    let before = window(20, 2400, 2400, (36_000, 0, 0));
    let mut now = window(20, 2400, 2400, (36_000, 0, 0));
    now.active = 10.0;
    now.server_login_failures = 5;
    let none = BackendWindow::default();
    let a = Attribution::between(&before, &now, &none, &none);
    assert!(
        (a.factor(FactorName::Servers).rise - 1.0).abs() < 1e-6,
        "{a:?}"
    );
}

#[test]
fn without_a_baseline_nothing_is_said_to_have_risen() {
    let mut before = window(10, 0, 0, (0, 0, 0));
    before.samples = 0;
    let now = window(10, 2400, 2400, (36_000, 0, 0));
    let none = BackendWindow::default();
    let a = Attribution::between(&before, &now, &none, &none);
    assert!(a.baseline_thin);
    assert!(a.ln_rise.abs() < 1e-6, "{a:?}");
}

#[test]
fn the_excess_of_a_new_statement_is_all_it_took() {
    let row = |f: u64, calls: u64, ms: u64| StatementWindow {
        fingerprint: Fingerprint(f),
        text: format!("SELECT {f}"),
        calls,
        errors: 0,
        executing: Duration::from_millis(ms),
        executing_max: Duration::from_millis(ms),
        rows: calls,
    };
    let before = [row(1, 100, 500), row(2, 100, 500)];
    let now = [row(1, 100, 600), row(3, 10, 2000)];
    let changes = StatementChanges::between(&before, &now, &[], PoolId(0), Instant::ZERO);
    assert_eq!(changes.changes[0].fingerprint, Fingerprint(3));
    assert_eq!(changes.changes[0].ratio(), None);
    assert!((changes.excess_s - 2.1).abs() < 1e-9);
    assert!((changes.concentration - 2.0 / 2.1).abs() < 1e-9);
    assert!((changes.median_ratio(None).unwrap() - 1.2).abs() < 1e-9);
}

#[test]
fn the_budget_leaves_reserved_foreign_and_spare_slots_alone() {
    let limits = Limits {
        max_connections: 100,
        reserved: 3,
        client_backends: 30,
        own_backends: 10,
        role_or_database_limit: None,
    };
    let budget = Budget::new(limits, &[15, 16, 17], None);
    assert_eq!((budget.foreign, budget.spare, budget.total), (20, 3, 74));
    assert_eq!(
        budget.says(),
        "budget 74 = max_connections 100 − 3 reserved − 20 of others − 3 spare"
    );
    assert_eq!(Budget::new(limits, &[], Some(40)).total, 40);
    let roles = Limits {
        role_or_database_limit: Some(25),
        ..limits
    };
    assert_eq!(Budget::new(roles, &[], None).total, 25);
}
