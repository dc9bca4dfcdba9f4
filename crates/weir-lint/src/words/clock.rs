//! Dates and clocks, as people write them.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;

use super::zone::{self, Zone};
use super::{after, before, pattern};

/// So many stamps of one text are looked at.
const STAMPS_MAX: usize = 5_000;

/// A date, perhaps without its year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Absent where the report leaves it to the reader.
    pub year: Option<i16>,
    /// 1 to 12.
    pub month: i8,
    /// 1 to 31.
    pub day: i8,
    /// `05/10/2023`: May or October. Read as month/day.
    pub ambiguous: bool,
}

impl Day {
    /// The date, in the year that stands in it or in another.
    pub fn date(self, year: Option<i16>) -> Option<Date> {
        Date::new(self.year.or(year)?, self.month, self.day).ok()
    }
}

/// A point in time as written: a date, a clock, or both.
#[derive(Clone, Debug, PartialEq)]
pub struct Stamp {
    /// Where it stands, with its zone.
    pub range: Range<usize>,
    /// Its date.
    pub day: Option<Day>,
    /// Its clock.
    pub time: Option<Time>,
    /// Where the clock itself stands.
    pub time_range: Range<usize>,
    /// Seconds are written.
    pub has_seconds: bool,
    /// Its zone.
    pub zone: Option<Zone>,
    /// The zone stands elsewhere: at the other end of `14:00–15:00 UTC`.
    pub zone_lent: bool,
}

impl Stamp {
    /// As a point in time, with what the surroundings tell.
    pub fn at(&self, day: Option<Date>, zone: Option<&Zone>) -> Option<Timestamp> {
        let date = match self.day {
            Some(own) => own.date(day.map(Date::year))?,
            None => day?,
        };
        let local = date.to_datetime(self.time?);
        let seconds = self.zone.as_ref().or(zone)?.offset_at(local)?;
        Offset::from_seconds(seconds).ok()?.to_timestamp(local).ok()
    }
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

fn month(name: &str) -> Option<i8> {
    let name = name.to_lowercase();
    let at = MONTHS.iter().position(|m| name.starts_with(m))?;
    i8::try_from(at + 1).ok()
}

/// All dates of a text.
fn days(text: &str) -> Vec<(Range<usize>, Day)> {
    let mut out: Vec<(Range<usize>, Day)> = Vec::new();
    let mut add =
        |range: Range<usize>, year: Option<&str>, month: Option<i8>, day: &str, ambiguous| {
            let year = year
                .and_then(|y| y.parse::<i16>().ok())
                .map(|y| if y < 100 { y + 2000 } else { y });
            let (Some(month), Ok(day)) = (month, day.parse::<i8>()) else {
                return;
            };
            let clear = before(text, range.start)
                .is_none_or(|c| !c.is_ascii_digit() && !matches!(c, '-' | '/' | '.'))
                && after(text, range.end).is_none_or(|c| !c.is_ascii_digit());
            let real = Date::new(year.unwrap_or(2024), month, day).is_ok();
            if clear
                && real
                && !out
                    .iter()
                    .any(|(r, _)| r.start < range.end && range.start < r.end)
            {
                out.push((
                    range,
                    Day {
                        year,
                        month,
                        day,
                        ambiguous,
                    },
                ));
            }
        };
    let number = |text: &str| text.parse::<i8>().ok();
    for found in pattern!(r"(\d{4})([-/.])(\d{1,2})([-/.])(\d{1,2})").captures_iter(text) {
        if found[2] == found[4] {
            add(
                whole(&found),
                Some(&found[1]),
                number(&found[3]),
                &found[5],
                false,
            );
        }
    }
    const NAME: &str = r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)";
    static DAY_FIRST: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
        regex::Regex::new(&format!(
            r"(?i)\b(\d{{1,2}})(?:st|nd|rd|th)?[\s-](?:of )?{NAME}\.?(?:,?[\s-](\d{{4}}))?\b"
        ))
        .expect("a fixed pattern")
    });
    static MONTH_FIRST: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
        regex::Regex::new(&format!(
            r"(?i)\b{NAME}\.?\s(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s(\d{{4}}))?\b"
        ))
        .expect("a fixed pattern")
    });
    for found in MONTH_FIRST.captures_iter(text) {
        // "May 10:30" is a clock; "may 5" is a verb.
        let verb = &found[1] == "may";
        if !verb && !pattern!(r"^:\d").is_match(&text[whole(&found).end..]) {
            add(
                whole(&found),
                found.get(3).map(|y| y.as_str()),
                month(&found[1]),
                &found[2],
                false,
            );
        }
    }
    for found in DAY_FIRST.captures_iter(text) {
        let verb = &found[2] == "may" || &found[2] == "march";
        if !verb {
            add(
                whole(&found),
                found.get(3).map(|y| y.as_str()),
                month(&found[2]),
                &found[1],
                false,
            );
        }
    }
    for found in pattern!(r"\b(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})\b").captures_iter(text) {
        let (Some(a), Some(b)) = (number(&found[1]), number(&found[2])) else {
            continue;
        };
        if a > 12 {
            add(whole(&found), Some(&found[3]), Some(b), &found[1], false);
        } else {
            add(
                whole(&found),
                Some(&found[3]),
                Some(a),
                &found[2],
                b <= 12 && a != b,
            );
        }
    }
    for found in pattern!(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b").captures_iter(text) {
        add(
            whole(&found),
            Some(&found[3]),
            number(&found[2]),
            &found[1],
            false,
        );
    }
    // `02-21 09:02`: only before a clock is it a date.
    for found in pattern!(r"(?:^|[\s|(*])(\d{2})-(\d{2}),?\s+\d{1,2}:\d{2}").captures_iter(text) {
        if let (Some(a), Some(b)) = (found.get(1), found.get(2)) {
            add(
                a.start()..b.end(),
                None,
                number(a.as_str()),
                b.as_str(),
                false,
            );
        }
    }
    out.sort_by_key(|(range, _)| range.start);
    out
}

fn whole(found: &regex::Captures<'_>) -> Range<usize> {
    found.get(0).map_or(0..0, |m| m.range())
}

/// A clock: where, what, and whether seconds are written.
fn times(text: &str) -> Vec<(Range<usize>, Time, bool)> {
    let mut out: Vec<(Range<usize>, Time, bool)> = Vec::new();
    let colon =
        pattern!(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:\s?([AaPp])\.?[Mm]\b\.?)?");
    for found in colon.captures_iter(text).take(STAMPS_MAX) {
        let range = whole(&found);
        // A port, a ratio, an offset, an IPv6 address or a line number is no clock.
        let clear = before(text, range.start).is_none_or(|c| {
            !c.is_ascii_digit() && !matches!(c, ':' | '.' | '+' | '−' | '-' | '/')
                || matches!(c, '-' | '−')
                    && before(text, range.start - c.len_utf8()).is_some_and(|c| c.is_ascii_digit())
        }) && before(text, range.start).is_none_or(|c| {
            !c.is_alphabetic()
                || matches!(c, 'T' | 't')
                    && range.start > 1
                    && before(text, range.start - 1).is_some_and(|c| c.is_ascii_digit())
        }) && after(text, range.end).is_none_or(|c| {
            !c.is_ascii_digit()
                && (c != ':' || !after(text, range.end + 1).is_some_and(|c| c.is_ascii_digit()))
        });
        if !clear {
            continue;
        }
        let part = |n: usize| found.get(n).and_then(|m| m.as_str().parse::<i8>().ok());
        let (Some(hour), Some(minute)) = (part(1), part(2)) else {
            continue;
        };
        let Some(hour) = twelve(hour, found.get(5).map(|m| m.as_str())) else {
            continue;
        };
        let second = part(3);
        let nanos = found.get(4).map_or(0, |m| {
            format!("{:0<9}", m.as_str()).parse::<i32>().unwrap_or(0)
        });
        if let Ok(time) = Time::new(hour, minute, second.unwrap_or(0), nanos) {
            out.push((range, time, second.is_some()));
        }
    }
    for found in pattern!(r"\b(\d{1,2})\s?([AaPp])\.?[Mm]\b\.?")
        .captures_iter(text)
        .take(STAMPS_MAX)
    {
        let range = whole(&found);
        let clear = before(text, range.start).is_none_or(|c| !matches!(c, ':' | '.'));
        let hour = found[1]
            .parse::<i8>()
            .ok()
            .and_then(|h| twelve(h, Some(&found[2])));
        if let (true, Some(hour)) = (clear, hour)
            && let Ok(time) = Time::new(hour, 0, 0, 0)
        {
            out.push((range, time, false));
        }
    }
    for found in pattern!(r"\b([01]\d|2[0-3])h?([0-5]\d)\s?(?:hrs\b|Z\b|UTC\b|GMT\b)")
        .captures_iter(text)
        .take(STAMPS_MAX)
    {
        let clear =
            before(text, whole(&found).start).is_none_or(|c| !matches!(c, ':' | '.' | '-' | ','));
        let start = whole(&found).start;
        let end = found.get(2).map_or(start, |m| m.end());
        let part = |n: usize| found[n].parse::<i8>().ok();
        if let (true, Some(h), Some(m)) = (clear, part(1), part(2))
            && let Ok(time) = Time::new(h, m, 0, 0)
        {
            out.push((start..end, time, false));
        }
    }
    out.sort_by_key(|(range, ..)| range.start);
    out.dedup_by(|b, a| b.0.start < a.0.end);
    out
}

fn twelve(hour: i8, half: Option<&str>) -> Option<i8> {
    match half.map(str::to_ascii_lowercase).as_deref() {
        None => Some(hour).filter(|h| *h < 24),
        Some("a") if (1..=12).contains(&hour) => Some(hour % 12),
        Some("p") if (1..=12).contains(&hour) => Some(hour % 12 + 12),
        // "14:05 PM" is odd but clear.
        Some(_) => Some(hour).filter(|h| *h < 24),
    }
}

/// All stamps of a text, in order.
pub fn stamps(text: &str) -> Vec<Stamp> {
    let days = days(text);
    let mut taken = vec![false; days.len()];
    let mut out: Vec<Stamp> = Vec::new();
    for (range, time, has_seconds) in times(text) {
        let mut stamp = Stamp {
            range: range.clone(),
            day: None,
            time: Some(time),
            time_range: range.clone(),
            has_seconds,
            zone: None,
            zone_lent: false,
        };
        if let Some((zone, at)) = zone::leading(&text[range.end..]) {
            stamp.range.end = range.end + at.end;
            stamp.zone = Some(zone);
        }
        let glue = pattern!(
            r"^(?:T|[\s,;*_(@\]–—-]|\bat\b|\bon\b|\bof\b|\(?(?i:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\)?)*$"
        );
        for (i, (day_range, day)) in days.iter().enumerate() {
            let near = if day_range.end <= range.start {
                // Not taken already: "10 May 14:00–15:00" dates the first, and the second by it.
                !taken[i] && glue.is_match(&text[day_range.end..range.start])
            } else if day_range.start >= stamp.range.end {
                let between = &text[stamp.range.end..day_range.start];
                !taken[i]
                    && glue.is_match(between)
                    && !between.contains(['–', '—', '\n'])
                    && !days_own_time(text, day_range)
            } else {
                false
            };
            if near {
                taken[i] = true;
                stamp.day = Some(*day);
                stamp.range.start = stamp.range.start.min(day_range.start);
                stamp.range.end = stamp.range.end.max(day_range.end);
                if stamp.zone.is_none()
                    && day_range.start > range.start
                    && let Some((zone, at)) = zone::leading(&text[stamp.range.end..])
                {
                    stamp.range.end += at.end;
                    stamp.zone = Some(zone);
                }
                break;
            }
        }
        out.push(stamp);
    }
    lend(text, &mut out);
    for (i, (range, day)) in days.iter().enumerate() {
        if !taken[i] {
            out.push(Stamp {
                range: range.clone(),
                day: Some(*day),
                time: None,
                time_range: range.start..range.start,
                has_seconds: false,
                zone: None,
                zone_lent: false,
            });
        }
    }
    out.sort_by_key(|stamp| stamp.range.start);
    out
}

/// Whether a clock follows a date directly, so that the date is that clock's.
fn days_own_time(text: &str, day: &Range<usize>) -> bool {
    pattern!(r"^(?:T|,?\s(?:at )?)\d{1,2}:\d{2}").is_match(&text[day.end..])
}

/// `14:00–17:30 UTC` and `10 May 14:00 to 17:30`: what one end says holds for the other.
fn lend(text: &str, stamps: &mut [Stamp]) {
    let bridge = pattern!(
        r"^[\s*_,]*(?:–|—|-|→|->|to|until|till|and|through|\| ?(?i:end)[^:|]{0,12}:)[\s*_]*$"
    );
    for i in 1..stamps.len() {
        let (left, right) = stamps.split_at_mut(i);
        let (Some(a), Some(b)) = (left.last_mut(), right.first_mut()) else {
            continue;
        };
        if a.range.end > b.range.start || !bridge.is_match(&text[a.range.end..b.range.start]) {
            continue;
        }
        if a.zone.is_none() && b.zone.is_some() {
            a.zone = b.zone.clone();
            a.zone_lent = true;
        } else if b.zone.is_none() && a.zone.is_some() {
            b.zone = a.zone.clone();
            b.zone_lent = true;
        }
        if b.day.is_none() {
            b.day = a.day.and_then(|day| match (a.time, b.time) {
                (Some(from), Some(to)) if to < from => next_day(day),
                _ => Some(day),
            });
        } else if a.day.is_none() {
            a.day = b.day;
        }
    }
}

fn next_day(day: Day) -> Option<Day> {
    let date = day.date(Some(2023))?.tomorrow().ok()?;
    Some(Day {
        year: day.year.map(|_| date.year()),
        month: date.month(),
        day: date.day(),
        ambiguous: day.ambiguous,
    })
}

/// The clock that a line begins with: a row of a timeline. A list mark, a bracket or bold may stand
/// before it.
pub fn leading_stamp(line: &str) -> Option<Stamp> {
    // Cheap refusal: a row begins with a digit, or with a month's or a weekday's name.
    let lead = line.trim_start_matches(|c: char| {
        c.is_whitespace() || matches!(c, '[' | '(' | '*' | '~' | '-' | '•' | '`' | '≈')
    });
    let skipped = line.len() - lead.len();
    if !lead.starts_with(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || c == '≈') {
        return None;
    }
    let head_end = crate::source::floor_boundary(line, skipped + 64);
    let found = stamps(&line[..head_end])
        .into_iter()
        .find(|stamp| stamp.time.is_some())?;
    let between = line[..found.range.start].trim_start_matches(|c: char| !c.is_alphanumeric());
    pattern!(r"^(?i:(?:at|c\.?|ca\.?|about|around|approx\.?|day \d+|(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?)[,:\s]*)?$")
        .is_match(between)
        .then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn all(text: &str) -> String {
        stamps(text)
            .iter()
            .map(|s| {
                let day = s.day.map(|d| {
                    format!(
                        "{:?}-{}-{}{}",
                        d.year.unwrap_or(0),
                        d.month,
                        d.day,
                        if d.ambiguous { "?" } else { "" }
                    )
                });
                let zone = s.zone.as_ref().map(Zone::name);
                format!(
                    "{} {} {}",
                    day.unwrap_or_default(),
                    s.time.map(|t| t.to_string()).unwrap_or_default(),
                    zone.unwrap_or_default()
                )
            })
            .collect::<Vec<_>>()
            .join(" | ")
    }

    #[test]
    fn dates_and_clocks_in_their_usual_forms() {
        let cases = [
            ("May 10, 2023, 14:00 UTC", "2023-5-10 14:00:00 UTC"),
            (
                "Start Time: May 10, 2023, 14:00 UTC | End Time: May 10, 2023, 17:30 UTC",
                "2023-5-10 14:00:00 UTC | 2023-5-10 17:30:00 UTC",
            ),
            ("2023-05-10T13:58:41Z", "2023-5-10 13:58:41 UTC"),
            (
                "2023-05-10T13:58:41.250+03:00",
                "2023-5-10 13:58:41.25 UTC+03",
            ),
            (
                "2023-05-10 **13:58:41 → 14:06:12 UTC**",
                "2023-5-10 13:58:41 UTC | 2023-5-10 14:06:12 UTC",
            ),
            ("10 May 2023 at 2:05 pm EAT", "2023-5-10 14:05:00 EAT"),
            ("14:00 UTC on 10 May 2023", "2023-5-10 14:00:00 UTC"),
            ("05/10/2023 2pm", "2023-5-10? 14:00:00 "),
            ("25/10/2023", "2023-10-25  "),
            ("10th of May, 12:30 a.m.", "0-5-10 00:30:00 "),
            ("1405 UTC", " 14:05:00 UTC"),
            (
                "23:50–00:20 UTC on 10 May 2023",
                "2023-5-10 23:50:00 UTC | 2023-5-10 00:20:00 UTC",
            ),
            ("db1:5432, 16:9, 3.14:15, ::1", ""),
            ("it may 5 times", ""),
            ("14:00 EAT (UTC+3)", " 14:00:00 UTC+03"),
            (
                "from 14:00 to 17:30 America/New_York",
                " 14:00:00 America/New_York |  17:30:00 America/New_York",
            ),
        ];
        for (text, want) in cases {
            assert_eq!(all(text), want, "{text}");
        }
    }

    #[test]
    fn a_stamp_becomes_a_point_in_time_with_what_its_surroundings_tell() {
        let stamp = &stamps("2:05 pm EAT")[0];
        let at = stamp.at(Some(date(2023, 5, 10)), None).unwrap();
        assert_eq!(at.to_string(), "2023-05-10T11:05:00Z");
        assert_eq!(stamps("14:00")[0].at(Some(date(2023, 5, 10)), None), None);
    }

    #[test]
    fn a_row_begins_with_its_clock() {
        for row in [
            "14:00 UTC: x",
            "[14:00] x",
            "**14:00** – x",
            "2023-05-10 14:00 x",
            "May 10, 14:00 UTC - x",
            "~14:00 x",
            "2 pm: x",
            "At 14:00 we",
            "Wed 10 May 14:00 x",
        ] {
            assert!(leading_stamp(row).is_some(), "{row}");
        }
        for row in [
            "We saw at 14:00",
            "Between 14:00 and 15:00",
            "Duration: 14:00",
            "A1 at 14:00",
        ] {
            assert!(leading_stamp(row).is_none(), "{row}");
        }
    }
}
