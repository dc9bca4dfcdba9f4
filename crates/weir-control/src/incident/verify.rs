//! How an action is verified: a query over Weir's own numbers, a drill, or a person who looks.
//!
//! ```text
//! metric: pool app/dashboard wait_s.p99 < 0.01 for 5min
//! drill: lock-pileup: p99 wait below 10 ms again within 30 s
//! anything else: a person looks, and says so
//! ```
//!
//! # What always holds
//! - What begins with `metric:` is either understood as a whole or refused with the place and the
//!   words that are known there.
//!
//! # What is deliberately absent
//! - Evaluation: `core::verifying` asks the recorder.

use std::time::Duration;

use weir_model::{HumanDuration, PoolKey};

/// The shortest and the longest time that a query may have to hold.
const HOLDS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(7 * 86_400));

/// How.
#[derive(Clone, Debug, PartialEq)]
pub enum Verify {
    /// Weir looks by itself.
    Metric(MetricQuery),
    /// A drill shows it.
    Drill {
        /// Which.
        name: String,
        /// What it must show.
        expect: String,
    },
    /// A person looks.
    Person(String),
}

impl Verify {
    /// `metric`, `drill` or `person`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Metric(_) => "metric",
            Self::Drill { .. } => "drill",
            Self::Person(_) => "person",
        }
    }
}

/// A number of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Wait p50, p90, p99 or longest.
    Wait(Quantile),
    /// Hold time p50, p90, p99 or longest.
    Hold(Quantile),
    /// Age of the oldest waiter.
    OldestWait,
    /// Completed transactions per second.
    Transactions,
    /// Offered transactions per second.
    Arrivals,
    /// Waiting clients.
    Waiting,
    /// Linked servers ÷ size.
    InUse,
    /// Share of the hold time that clients were thinking.
    Thinking,
    /// Failed transactions.
    Failures,
    /// Waiters who gave up.
    Abandoned,
    /// Size allowed.
    Size,
}

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    /// Half.
    P50,
    /// Nine of ten.
    P90,
    /// Ninety-nine of a hundred.
    P99,
    /// All.
    Max,
}

impl Quantile {
    /// As a share.
    pub fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P90 => 0.9,
            Self::P99 => 0.99,
            Self::Max => 1.0,
        }
    }
}

/// Every field with its name.
const FIELDS: &[(&str, Field)] = &[
    ("wait_s.p50", Field::Wait(Quantile::P50)),
    ("wait_s.p90", Field::Wait(Quantile::P90)),
    ("wait_s.p99", Field::Wait(Quantile::P99)),
    ("wait_s.max", Field::Wait(Quantile::Max)),
    ("hold_s.p50", Field::Hold(Quantile::P50)),
    ("hold_s.p90", Field::Hold(Quantile::P90)),
    ("hold_s.p99", Field::Hold(Quantile::P99)),
    ("hold_s.max", Field::Hold(Quantile::Max)),
    ("oldest_wait_s", Field::OldestWait),
    ("transactions_per_s", Field::Transactions),
    ("arrivals_per_s", Field::Arrivals),
    ("clients.waiting", Field::Waiting),
    ("servers.in_use_share", Field::InUse),
    ("hold_s.thinking_share", Field::Thinking),
    ("failures", Field::Failures),
    ("abandoned", Field::Abandoned),
    ("size", Field::Size),
];

impl Field {
    /// The name under which a query asks for it.
    pub fn name(self) -> &'static str {
        FIELDS
            .iter()
            .find(|(_, field)| *field == self)
            .map_or("?", |(name, _)| name)
    }
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

impl Compare {
    /// Whether it holds.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }
}

/// `pool app/dashboard wait_s.p99 < 0.01 for 5min`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricQuery {
    /// Of which pool.
    pub pool: PoolKey,
    /// Which number.
    pub field: Field,
    /// How it is compared…
    pub compare: Compare,
    /// … with what.
    pub limit: f64,
    /// How long it must hold.
    pub holds: Duration,
}

impl std::fmt::Display for MetricQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "pool {} {} {} {} for {}",
            self.pool,
            self.field.name(),
            self.compare.sign(),
            self.limit,
            HumanDuration(self.holds)
        )
    }
}

/// Why a metric query isn't understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "verify, word {place} (`{found}`): {wanted}. For example: metric: pool app/dashboard wait_s.p99 < 0.01 for 5min"
)]
pub struct VerifyFault {
    /// Counted from one, after `metric:`.
    pub place: usize,
    /// What stands there; `the end` where nothing does.
    pub found: String,
    /// What was expected.
    pub wanted: String,
}

/// Reads how an action is verified.
///
/// # Errors
/// It begins with `metric:` and isn't a query.
pub fn parse(text: &str) -> Result<Verify, VerifyFault> {
    let text = text.trim();
    if let Some(query) = text.strip_prefix("metric:") {
        return metric(query).map(Verify::Metric);
    }
    if let Some(rest) = text
        .strip_prefix("drill:")
        .or_else(|| text.strip_prefix("drill "))
    {
        let rest = rest.trim();
        let (name, expect) = match rest.split_once(':') {
            Some((name, expect)) => (name, expect),
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        return Ok(Verify::Drill {
            name: name.trim().trim_matches('`').to_owned(),
            expect: expect.trim().to_owned(),
        });
    }
    Ok(Verify::Person(text.to_owned()))
}

fn metric(query: &str) -> Result<MetricQuery, VerifyFault> {
    let words: Vec<&str> = query.split_whitespace().collect();
    let fault = |place: usize, wanted: String| VerifyFault {
        place: place + 1,
        found: words.get(place).map_or("the end", |word| word).to_owned(),
        wanted,
    };
    if words.first() != Some(&"pool") {
        return Err(fault(0, "a query begins with `pool`".to_owned()));
    }
    let pool = words
        .get(1)
        .and_then(|word| word.split_once('/'))
        .filter(|(database, user)| !database.is_empty() && !user.is_empty())
        .map(|(database, user)| PoolKey::new(database, user))
        .ok_or_else(|| fault(1, "a pool is written database/user".to_owned()))?;
    let field = words
        .get(2)
        .and_then(|word| FIELDS.iter().find(|(name, _)| name == word))
        .map(|(_, field)| *field)
        .ok_or_else(|| {
            let names: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
            fault(
                2,
                format!("no number of a pool; known are {}", names.join(", ")),
            )
        })?;
    let compare = match words.get(3).copied() {
        Some("<") => Compare::Below,
        Some("<=") => Compare::AtMost,
        Some(">") => Compare::Above,
        Some(">=") => Compare::AtLeast,
        _ => return Err(fault(3, "one of <, <=, >, >= stands here".to_owned())),
    };
    let limit = words
        .get(4)
        .and_then(|word| number(word))
        .ok_or_else(|| fault(4, "a number: 0.01, 10ms, 85%".to_owned()))?;
    if words.get(5) != Some(&"for") {
        return Err(fault(
            5,
            "`for` and a duration say how long it must hold".to_owned(),
        ));
    }
    let holds = words
        .get(6)
        .ok_or_else(|| "a duration: 5min".to_owned())
        .and_then(|word| {
            word.parse::<HumanDuration>()
                .map(|duration| duration.0)
                .map_err(|fault| fault.to_string())
        })
        .map_err(|wanted| fault(6, wanted))?;
    if holds < HOLDS.0 || holds > HOLDS.1 {
        return Err(fault(
            6,
            "it must hold for 10s at least and 7d at most".to_owned(),
        ));
    }
    if words.len() > 7 {
        return Err(fault(7, "the query ends after the duration".to_owned()));
    }
    Ok(MetricQuery {
        pool,
        field,
        compare,
        limit,
        holds,
    })
}

/// `0.01`, `85%`, `10ms` in seconds.
fn number(word: &str) -> Option<f64> {
    let plain = match word.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().ok().map(|p| p / 100.0),
        None => word.parse::<f64>().ok(),
    };
    plain
        .or_else(|| {
            let duration: HumanDuration = word.parse().ok()?;
            Some(duration.0.as_secs_f64())
        })
        .filter(|n| n.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_and_written_alike() {
        let text = "pool app/dashboard wait_s.p99 < 0.01 for 5min";
        let Ok(Verify::Metric(query)) = parse(&format!("metric: {text}")) else {
            panic!("not understood");
        };
        assert_eq!(query.to_string(), text);
        assert_eq!(query.holds, Duration::from_secs(300));
        for (written, limit) in [("10ms", 0.01), ("85%", 0.85), ("3", 3.0)] {
            let text = format!("metric: pool a/b size >= {written} for 10s");
            let Ok(Verify::Metric(query)) = parse(&text) else {
                panic!("{text}");
            };
            assert!((query.limit - limit).abs() < 1e-12, "{text}");
        }
    }

    #[test]
    fn every_field_has_a_name_of_its_own() {
        for (name, field) in FIELDS {
            assert_eq!(field.name(), *name);
        }
    }

    #[test]
    fn what_is_wrong_in_a_query_is_named_with_its_place() {
        for (text, place, wanted) in [
            ("metric:", 1, "begins with `pool`"),
            ("metric: pool app", 2, "database/user"),
            ("metric: pool a/b latency < 1 for 5min", 3, "wait_s.p99"),
            ("metric: pool a/b size = 1 for 5min", 4, "one of <"),
            ("metric: pool a/b size < much for 5min", 5, "a number"),
            ("metric: pool a/b size < NaN for 5min", 5, "a number"),
            ("metric: pool a/b size < 1", 6, "`for`"),
            ("metric: pool a/b size < 1 for 5", 7, "needs a unit"),
            ("metric: pool a/b size < 1 for 1s", 7, "10s at least"),
            ("metric: pool a/b size < 1 for 5min or so", 8, "ends after"),
        ] {
            let fault = parse(text).unwrap_err();
            assert_eq!(fault.place, place, "{text}: {fault}");
            assert!(fault.to_string().contains(wanted), "{text}: {fault}");
        }
    }

    #[test]
    fn drills_are_told_from_what_a_person_must_look_at() {
        let drill = Verify::Drill {
            name: "lock-pileup".to_owned(),
            expect: "p99 wait below 10 ms".to_owned(),
        };
        assert_eq!(
            parse("drill: lock-pileup p99 wait below 10 ms").unwrap(),
            drill
        );
        assert_eq!(
            parse("drill `lock-pileup`: p99 wait below 10 ms").unwrap(),
            drill
        );
        assert_eq!(
            parse("two people read the runbook").unwrap().name(),
            "person"
        );
    }
}
