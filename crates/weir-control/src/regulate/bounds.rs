//! How far one step may go, and the way back inside rails that moved.

use weir_model::PoolSample;

use super::pool::Verdict;
use super::{PoolInput, SizeAction};

/// At most 30 % down at once.
pub(super) fn slowest_shrink(size: u32) -> u32 {
    (f64::from(size) * 0.7).ceil() as u32
}

/// Back inside rails that moved.
pub(super) fn on_the_rails(input: &PoolInput, latest: &PoolSample) -> Option<Verdict> {
    let size = latest.size;
    let clipped = input.rails.clip(size);
    // Where others took the slots, what is open stays: given back, it would be theirs as well.
    let held = latest.servers.open() - latest.servers.login;
    let configured = input.rails.configured_max.unwrap_or(u32::MAX);
    let clipped = if clipped < size {
        clipped.max(held.min(configured).min(size))
    } else {
        clipped
    };
    if clipped == size {
        return None;
    }
    let bound = input
        .rails
        .why_not_more(clipped)
        .unwrap_or_else(|| format!("size.min of the pool is {}", input.rails.min));
    let (action, because) = if clipped < size {
        let to = clipped.max(slowest_shrink(size));
        (
            SizeAction::Shrink { to },
            format!("{size} is more than allowed: {bound}"),
        )
    } else {
        let to = clipped.min(size.saturating_mul(2).max(1));
        (
            SizeAction::Grow { to },
            format!("{size} is fewer than size.min = {}", input.rails.min),
        )
    };
    Some(Verdict {
        action,
        from: size,
        reason: "rails",
        because,
        expected: "inside its rails again".to_owned(),
        why_not_more: input.rails.why_not_more(clipped),
    })
}
