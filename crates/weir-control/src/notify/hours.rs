//! Is somebody at work now, and if not, when?
//!
//! Days and times are those of a zone, so that nine o'clock stays nine o'clock when the clocks
//! change. A shift that ends at or before it begins (22:00 to 06:00) goes over midnight and belongs
//! to the day on which it begins.

use std::fmt;

use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use weir_model::Wall;

/// A person's, or a rota's, working hours.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    /// `Europe/Zurich`.
    pub zone: TimeZone,
    /// Monday first.
    pub days: [bool; 7],
    /// They begin.
    pub from: Time,
    /// They end; not later than `from`: on the next day.
    pub to: Time,
}

/// Why a text names no days.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no day; write mon, tue, wed, thu, fri, sat, sun, or a range like mon-fri")]
pub struct NoDay(pub String);

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Hours {
    /// Days out of words: `mon`, `mon-fri`, `sat`, `fri-mon`.
    ///
    /// # Errors
    /// The first word that names none.
    pub fn days_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<[bool; 7], NoDay> {
        let mut days = [false; 7];
        for word in words {
            let number = |name: &str| {
                let name = name.trim().to_lowercase();
                // `monday` is as clear as `mon`; `m` isn't.
                NAMES
                    .iter()
                    .position(|n| name.len() >= 3 && name.starts_with(n))
                    .ok_or_else(|| NoDay(word.to_owned()))
            };
            match word.split_once('-') {
                None => days[number(word)?] = true,
                Some((first, last)) => {
                    let (mut day, last) = (number(first)?, number(last)?);
                    days[day] = true;
                    while day != last {
                        day = (day + 1) % 7;
                        days[day] = true;
                    }
                }
            }
        }
        Ok(days)
    }

    /// Is it working time?
    pub fn open_at(&self, at: Wall) -> bool {
        let Ok(at) = Timestamp::from_microsecond(at.as_micros()) else {
            return true;
        };
        let today = at.to_zoned(self.zone.clone()).date();
        [today, today.saturating_sub(1.day())]
            .into_iter()
            .filter_map(|day| self.shift(day))
            .any(|(from, to)| from <= at && at < to)
    }

    /// When working time begins next, within a fortnight.
    pub fn next_open(&self, after: Wall) -> Option<Wall> {
        let after = Timestamp::from_microsecond(after.as_micros()).ok()?;
        let mut day = after.to_zoned(self.zone.clone()).date();
        for _ in 0..14 {
            if let Some((from, _)) = self.shift(day)
                && from > after
            {
                return Some(Wall::from_micros(from.as_microsecond()));
            }
            day = day.saturating_add(1.day());
        }
        None
    }

    /// The shift that begins on this day. A time that the clocks jump over is the moment after.
    fn shift(&self, day: jiff::civil::Date) -> Option<(Timestamp, Timestamp)> {
        if !self.days[usize::from(number(day.weekday()))] {
            return None;
        }
        let end = if self.to <= self.from {
            day.saturating_add(1.day())
        } else {
            day
        };
        let at = |day: jiff::civil::Date, time: Time| {
            let zoned = day.to_datetime(time).to_zoned(self.zone.clone()).ok()?;
            Some(zoned.timestamp())
        };
        Some((at(day, self.from)?, at(end, self.to)?))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = NAMES
            .iter()
            .zip(self.days)
            .filter(|(_, on)| *on)
            .map(|(name, _)| *name)
            .collect();
        let clock = |time: Time| format!("{:02}:{:02}", time.hour(), time.minute());
        let zone = self.zone.iana_name().unwrap_or("UTC");
        let (from, to) = (clock(self.from), clock(self.to));
        write!(f, "{} {from} to {to} {zone}", days.join(", "))
    }
}

fn number(day: Weekday) -> u8 {
    u8::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Wall {
        Wall::from_micros(text.parse::<Timestamp>().unwrap().as_microsecond())
    }

    fn office() -> Hours {
        Hours {
            zone: TimeZone::get("Europe/Zurich").unwrap(),
            days: Hours::days_of(["mon-fri"]).unwrap(),
            from: Time::constant(9, 0, 0, 0),
            to: Time::constant(18, 0, 0, 0),
        }
    }

    #[test]
    fn nine_o_clock_stays_nine_o_clock_when_the_clocks_change() {
        // Friday before, Monday after: Zurich left summer time on 25 October 2026.
        assert!(office().open_at(at("2026-10-23T07:00:00Z")));
        assert!(!office().open_at(at("2026-10-23T06:59:59Z")));
        assert!(!office().open_at(at("2026-10-26T07:59:59Z")));
        assert!(office().open_at(at("2026-10-26T08:00:00Z")));
        assert!(!office().open_at(at("2026-10-26T17:00:00Z")));
    }

    #[test]
    fn after_friday_comes_monday() {
        let friday_night = at("2026-11-20T22:00:00Z");
        assert!(!office().open_at(friday_night));
        assert_eq!(
            office().next_open(friday_night),
            Some(at("2026-11-23T08:00:00Z"))
        );
    }

    #[test]
    fn a_night_shift_belongs_to_the_day_it_begins() {
        let night = Hours {
            days: Hours::days_of(["fri"]).unwrap(),
            from: Time::constant(22, 0, 0, 0),
            to: Time::constant(6, 0, 0, 0),
            ..office()
        };
        assert!(night.open_at(at("2026-11-20T21:30:00Z")));
        assert!(night.open_at(at("2026-11-21T04:59:00Z")));
        assert!(!night.open_at(at("2026-11-21T05:00:00Z")));
        assert!(!night.open_at(at("2026-11-20T04:00:00Z")));
        assert_eq!(night.to_string(), "fri 22:00 to 06:00 Europe/Zurich");
    }

    #[test]
    fn days_are_read_as_written_and_nonsense_is_named() {
        assert_eq!(
            Hours::days_of(["sat-mon"]).unwrap(),
            [true, false, false, false, false, true, true]
        );
        assert!(Hours::days_of(["Monday"]).unwrap()[0]);
        assert_eq!(
            Hours::days_of(["mon-fry"]),
            Err(NoDay("mon-fry".to_owned()))
        );
        assert!(Hours::days_of(["m"]).is_err());
    }
}
