//! The words for levels, causes and quantities, written once: report, page, console and API show
//! the same.

use std::time::Duration;

use jiff::Timestamp;
use weir_model::{Cause, Level, PoolKey, Wall};

use crate::record::window::PoolWindow;

/// What users and operators would call it.
pub(crate) fn symptom(level: Option<Level>) -> &'static str {
    let Some(level) = level else {
        return "incident declared";
    };
    match level {
        Level::Exhausted => "pool exhausted",
        Level::Saturated => "pool saturated",
        Level::Starved => "pool starved",
        Level::Stalled => "transactions stalled",
        Level::Down => "PostgreSQL unreachable",
        Level::Degraded => "statements slower than usual",
        Level::Leak => "server connections not given back",
    }
}

/// A cause in a few words.
pub(crate) fn phrase(cause: Cause) -> &'static str {
    match cause {
        Cause::PoolUndersized => "pool too small for the offered load",
        Cause::TrafficSurge => "more transactions than usual",
        Cause::SlowQuery => "slow query",
        Cause::PlanRegression => "a statement's plan changed",
        Cause::MissingIndex => "a statement without a fitting index",
        Cause::RowLockContention => "row lock contention",
        Cause::DdlLockQueue => "a waiting DDL statement with a queue behind it",
        Cause::IdleInTransaction => "clients idle inside open transactions",
        Cause::ConnectionLeak => "connection leak",
        Cause::RetryStorm => "retry storm",
        Cause::ConnectStorm => "connect storm",
        Cause::MaxConnections => "PostgreSQL's connection limit reached",
        Cause::ServerDown => "PostgreSQL not there",
        Cause::Failover => "primary changed",
        Cause::Network => "slow or lossy network",
        Cause::IoSaturation => "disks at their limit",
        Cause::CpuSaturation => "processors at their limit",
        Cause::LwlockContention => "PostgreSQL's internal locks at their limit",
        Cause::TempSpill => "sorts and hashes spill to disk",
        Cause::Bloat => "table bloat",
        Cause::SyncReplication => "commits wait for a standby",
        Cause::OutsideConsumer => "somebody beside Weir uses the server up",
        Cause::WorkloadMixing => "long and short work share the pool",
        Cause::PinnedSessions => "session state keeps servers with their clients",
        Cause::SlowClient => "clients don't take their replies",
        Cause::PoolerLimit => "Weir itself at its limit",
        Cause::Unknown => "unknown",
    }
}

/// A sentence without the name of the pool that it begins with, for where the name stands already.
pub(crate) fn without_pool<'a>(says: &'a str, pool: Option<&PoolKey>) -> &'a str {
    pool.and_then(|key| says.strip_prefix(&format!("{key}: ")))
        .unwrap_or(says)
}

/// Why a reasonable person suspects it when a pool runs dry.
pub(crate) fn why_plausible(cause: Cause) -> &'static str {
    match cause {
        Cause::PoolUndersized => "every server connection was in use",
        Cause::TrafficSurge => "a queue forms when more requests come",
        Cause::SlowQuery | Cause::PlanRegression | Cause::MissingIndex => "pages were slow",
        Cause::RowLockContention => "transactions held their connections longer",
        Cause::DdlLockQueue => "many statements stood still at once",
        Cause::IdleInTransaction => "connections were held",
        Cause::ConnectionLeak => "connections in use stayed at the limit",
        Cause::RetryStorm => "failed requests are often sent again",
        Cause::ConnectStorm => "many clients at once",
        Cause::MaxConnections => "clients got no connection",
        Cause::ServerDown | Cause::Failover => "requests failed",
        Cause::Network => "users saw it there",
        Cause::IoSaturation | Cause::CpuSaturation => "first thing people look at",
        Cause::LwlockContention => "everything was slow together",
        Cause::TempSpill | Cause::Bloat => "statements were slow",
        Cause::SyncReplication => "writes waited",
        Cause::OutsideConsumer => "the server is shared",
        Cause::WorkloadMixing => "several applications share the pool",
        Cause::PinnedSessions => "connections were held between transactions",
        Cause::SlowClient => "connections were held after the reply was there",
        Cause::PoolerLimit => "every request passes through Weir",
        Cause::Unknown => "always possible",
    }
}

fn timestamp(at: Wall) -> Timestamp {
    // A journal may hold any number; what lies outside of jiff's years reads as its first second.
    Timestamp::from_microsecond(at.as_micros()).unwrap_or(Timestamp::MIN)
}

/// RFC 3339, UTC, milliseconds.
pub(crate) fn rfc3339(at: Wall) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `2026-11-23`.
pub(crate) fn date(at: Wall) -> String {
    timestamp(at).strftime("%Y-%m-%d").to_string()
}

/// `13:58:41`.
pub(crate) fn time_of_day(at: Wall) -> String {
    timestamp(at).strftime("%H:%M:%S").to_string()
}

/// `13:58:41.6`: cut, not rounded, so that it never shows a second that had not come.
pub(crate) fn time_of_day_tenths(at: Wall) -> String {
    let tenths = at.as_micros().rem_euclid(1_000_000) / 100_000;
    format!("{}.{tenths}", time_of_day(at))
}

/// `9,120`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `1 client`, `9,120 clients`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// `22.1 %`; a share that isn't zero never reads as zero, one that isn't all never as all. A part
/// larger than its whole (a journal may hold any number) is no share.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "no denominator".to_owned();
    }
    if part == 0 {
        return "0 %".to_owned();
    }
    if part == whole {
        return "100 %".to_owned();
    }
    if part > whole {
        return "more than were counted in all".to_owned();
    }
    let p = 100.0 * part as f64 / whole as f64;
    if p < 0.01 {
        "below 0.01 %".to_owned()
    } else if p < 1.0 {
        format!("{p:.2} %")
    } else if p > 99.9 && p < 100.0 {
        "above 99.9 %".to_owned()
    } else {
        format!("{p:.1} %")
    }
}

/// A share 0..=1 as `93 %`; what isn't a share at all is shown as the nearest.
pub(crate) fn share(ratio: f64) -> String {
    format!("{:.0} %", 100.0 * sane_ratio(ratio))
}

/// Into 0..=1; what isn't a number becomes zero.
pub(crate) fn sane_ratio(ratio: f64) -> f64 {
    if ratio.is_finite() {
        ratio.clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// Seconds in the unit that people read: `0.4 ms`, `22.8 ms`, `3.1 s`, `7 min 31 s`.
pub(crate) fn seconds(s: f64) -> String {
    if !s.is_finite() {
        return "not a number".to_owned();
    }
    if s < 0.0 {
        return format!("−{}", seconds(-s));
    }
    if s == 0.0 {
        "0 s".to_owned()
    } else if s < 0.000_1 {
        format!("{:.0} µs", s * 1e6)
    } else if s < 0.01 {
        format!("{:.1} ms", s * 1e3)
    } else if s < 0.1 {
        format!("{} ms", trimmed(s * 1e3))
    } else if s < 1.0 {
        format!("{:.0} ms", s * 1e3)
    } else if s < 60.0 {
        format!("{} s", trimmed(s))
    } else {
        let whole = s.round() as u64;
        let (h, m, s) = (whole / 3600, whole / 60 % 60, whole % 60);
        match (h, m, s) {
            (0, m, 0) => format!("{m} min"),
            (0, m, s) => format!("{m} min {s} s"),
            (h, 0, 0) => format!("{h} h"),
            (h, m, _) => format!("{h} h {m} min"),
        }
    }
}

/// Wait p99 of a window, `None` where no wait ended. A histogram answers with the upper edge of a
/// bucket, which may lie above the oldest wait that was seen; a wait can have outlived the last
/// look at it by one sample and no more.
pub(crate) fn wait_p99(window: &PoolWindow) -> Option<Duration> {
    const SAMPLE: Duration = Duration::from_millis(100);
    (window.samples > 0 && !window.wait.is_empty()).then(|| {
        window
            .wait
            .quantile(0.99)
            .min(window.oldest_wait_max.saturating_add(SAMPLE))
    })
}

/// A [`Duration`] in the unit that people read.
pub(crate) fn duration(d: Duration) -> String {
    seconds(d.as_secs_f64())
}

/// One decimal, or none where it is zero: `3.1`, `12`.
pub(crate) fn trimmed(x: f64) -> String {
    if !x.is_finite() {
        return "not a number".to_owned();
    }
    if (1_000.0..1e15).contains(&x) {
        return count(x.round() as u64);
    }
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A rate for reading: `1,140/s`, `12.5/s`.
pub(crate) fn per_second(rate: f64) -> String {
    if !rate.is_finite() || rate < 0.0 {
        return "not measured".to_owned();
    }
    if rate >= 100.0 {
        format!("{}/s", count(rate.round() as u64))
    } else {
        format!("{}/s", trimmed(rate))
    }
}

/// Where a row stands against the onset: `0`, `+0.6 s`, `+3 min 29 s`, `−17 min 41 s`.
pub(crate) fn offset(at: Wall, onset: Wall) -> String {
    let s = (at.as_micros() as f64 - onset.as_micros() as f64) / 1e6;
    if s.abs() < 0.05 {
        return "0".to_owned();
    }
    let rounded = if s.abs() < 60.0 {
        (s * 10.0).round() / 10.0
    } else {
        s
    };
    if rounded < 0.0 {
        format!("−{}", plain(-rounded))
    } else {
        format!("+{}", plain(rounded))
    }
}

/// The same in a sentence: `9 s before the onset`.
pub(crate) fn beside_onset(at: Wall, onset: Wall) -> String {
    let text = offset(at, onset);
    match text.strip_prefix('−') {
        Some(before) => format!("{before} before the onset"),
        None if text == "0" => "at the onset".to_owned(),
        None => format!("{} after the onset", text.trim_start_matches('+')),
    }
}

fn plain(s: f64) -> String {
    if s < 60.0 {
        format!("{} s", trimmed(s))
    } else {
        seconds(s)
    }
}

/// The wait that an objective allows: `10 ms` of `99% of waits < 10ms`.
pub(crate) fn objective_limit(objective: &str) -> Option<String> {
    let (_, limit) = objective.rsplit_once('<')?;
    let limit = limit.trim();
    (!limit.is_empty()).then(|| spaced(limit))
}

/// `99% of waits < 10ms` for a sentence: `99 % of waits under 10 ms`.
pub(crate) fn objective_words(objective: &str) -> String {
    match objective.rsplit_once('<') {
        Some((what, limit)) => format!("{} under {}", spaced(what.trim()), spaced(limit.trim())),
        None if objective.trim().is_empty() => "no objective was set".to_owned(),
        None => objective.to_owned(),
    }
}

/// A blank between a number and its unit.
fn spaced(text: &str) -> String {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    if end == 0 || end == text.len() {
        text.to_owned()
    } else {
        format!("{} {}", &text[..end], text[end..].trim_start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        assert_eq!(count(9_120), "9,120");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(percent(9_120, 41_210), "22.1 %");
        assert_eq!(percent(1, 1_000_000), "below 0.01 %");
        assert_eq!(percent(0, 0), "no denominator");
        assert_eq!(seconds(0.000_4), "0.4 ms");
        assert_eq!(seconds(0.022_8), "22.8 ms");
        assert_eq!(seconds(3.1), "3.1 s");
        assert_eq!(seconds(451.0), "7 min 31 s");
        assert_eq!(seconds(f64::NAN), "not a number");
        assert_eq!(
            objective_words("99% of waits < 10ms"),
            "99 % of waits under 10 ms"
        );
        assert_eq!(
            objective_limit("99% of waits < 10ms"),
            Some("10 ms".to_owned())
        );
    }

    #[test]
    fn a_time_is_utc_with_milliseconds_whatever_the_journal_holds() {
        let at = Wall::from_micros(1_683_727_121_600_000);
        assert_eq!(rfc3339(at), "2023-05-10T13:58:41.600Z");
        assert_eq!(time_of_day_tenths(at), "13:58:41.6");
        for micros in [i64::MIN, i64::MAX, -1] {
            assert!(!rfc3339(Wall::from_micros(micros)).is_empty());
        }
    }

    #[test]
    fn offsets_count_from_the_onset_in_both_directions() {
        let onset = Wall::from_micros(1_000_000_000);
        assert_eq!(offset(onset, onset), "0");
        assert_eq!(
            offset(onset.after(Duration::from_millis(600)), onset),
            "+0.6 s"
        );
        assert_eq!(
            offset(onset.after(Duration::from_secs(209)), onset),
            "+3 min 29 s"
        );
        assert_eq!(offset(onset.before(Duration::from_secs(5)), onset), "−5 s");
    }
}
