//! Times as people type them on a command line. All are UTC: an incident's clocks are.

use std::str::FromStr;

use jiff::civil;
use jiff::tz::TimeZone;
use weir_model::{HumanDuration, Wall};

use crate::cli::OrNever;

/// A time as typed; what it means depends on now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    /// `2026-11-23T14:05:00Z`, `2026-11-23 14:05`.
    At(Wall),
    /// `14:05`: the last time that it was that late.
    TimeOfDay(civil::Time),
    /// `10min-ago`.
    Ago(std::time::Duration),
    /// `now`.
    Now,
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let fault = || {
            format!(
                "`{text}` is no time; write 14:05, 2026-11-23T14:05:00Z, \"2026-11-23 14:05\" (UTC), 10min-ago or now"
            )
        };
        if text == "now" {
            return Ok(Self::Now);
        }
        if let Some(ago) = text.strip_suffix("ago") {
            let ago = ago.trim_end_matches(['-', ' ']);
            let by: HumanDuration = ago.parse().map_err(|_| fault())?;
            return Ok(Self::Ago(by.0));
        }
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::At(Wall::from_micros(at.as_microsecond())));
        }
        // A date alone is no time of an incident.
        if text.contains(':') {
            if let Ok(time) = text.parse::<civil::Time>() {
                return Ok(Self::TimeOfDay(time));
            }
            if let Ok(at) = text.parse::<civil::DateTime>()
                && let Ok(at) = at.to_zoned(TimeZone::UTC)
            {
                return Ok(Self::At(Wall::from_micros(at.timestamp().as_microsecond())));
            }
        }
        Err(fault())
    }
}

impl When {
    /// The time that is meant, if it is `now` now.
    pub(crate) fn at(self, now: Wall) -> Wall {
        match self {
            Self::At(at) => at,
            Self::Now => now,
            Self::Ago(by) => now.before(by),
            Self::TimeOfDay(time) => {
                let day = std::time::Duration::from_secs(86_400);
                let today = jiff::Timestamp::from_microsecond(now.as_micros())
                    .map(|now| now.to_zoned(TimeZone::UTC).date())
                    .and_then(|date| date.to_datetime(time).to_zoned(TimeZone::UTC));
                match today {
                    Ok(at) => {
                        let at = Wall::from_micros(at.timestamp().as_microsecond());
                        // 23:50, said at 00:10, was yesterday.
                        if at > now { at.before(day) } else { at }
                    }
                    Err(_) => now,
                }
            }
        }
    }
}

/// A time, or `never`.
pub(crate) fn or_never(text: &str) -> Result<OrNever, String> {
    if text == "never" {
        return Ok(OrNever::Never);
    }
    text.parse().map(OrNever::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 00:10 UTC.
    const NOW: Wall = Wall::from_micros(1_795_392_600_000_000);

    fn meant(text: &str) -> String {
        let at = text.parse::<When>().unwrap().at(NOW);
        jiff::Timestamp::from_microsecond(at.as_micros())
            .unwrap()
            .to_string()
    }

    #[test]
    fn times_are_read_as_people_write_them_and_are_utc() {
        assert_eq!(meant("now"), "2026-11-23T00:10:00Z");
        assert_eq!(meant("10min-ago"), "2026-11-23T00:00:00Z");
        assert_eq!(meant("2h ago"), "2026-11-22T22:10:00Z");
        assert_eq!(meant("00:05"), "2026-11-23T00:05:00Z");
        assert_eq!(meant("23:50"), "2026-11-22T23:50:00Z");
        assert_eq!(meant("2026-11-22 14:05"), "2026-11-22T14:05:00Z");
        assert_eq!(meant("2026-11-22T14:05:30Z"), "2026-11-22T14:05:30Z");
        assert_eq!(meant("2026-11-22T14:05:30+02:00"), "2026-11-22T12:05:30Z");
    }

    #[test]
    fn what_is_no_time_is_answered_with_what_is() {
        for text in ["soon", "2026-11-22", "25:00", "5-ago", ""] {
            let fault = text.parse::<When>().unwrap_err();
            assert!(fault.contains("write 14:05"), "{text}: {fault}");
        }
        assert!(matches!(or_never("never"), Ok(OrNever::Never)));
    }
}
