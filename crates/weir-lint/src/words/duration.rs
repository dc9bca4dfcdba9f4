//! Durations in words and figures.

use std::ops::Range;
use std::time::Duration;

use super::{after, before, pattern};

/// A length of time as written.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Where it stands.
    pub range: Range<usize>,
    /// How long.
    pub length: Duration,
    /// "about", "roughly", "~": 10 % of tolerance instead of 2 %.
    pub about: bool,
}

impl Span {
    /// Whether it says the same as another length, within what its words allow.
    pub fn agrees_with(&self, other: Duration) -> bool {
        let share = if self.about { 0.10 } else { 0.02 };
        let slack = if other < Duration::from_secs(600) {
            1.0_f64.max(other.as_secs_f64() * share)
        } else {
            60.0
        };
        let off = (self.length.as_secs_f64() - other.as_secs_f64()).abs();
        off <= slack.max(other.as_secs_f64() * share)
    }
}

const WORDS: &[(&str, f64)] = &[
    ("half an", 0.5),
    ("half a", 0.5),
    ("a quarter of an", 0.25),
    ("an", 1.0),
    ("a", 1.0),
    ("one", 1.0),
    ("two", 2.0),
    ("three", 3.0),
    ("four", 4.0),
    ("five", 5.0),
    ("six", 6.0),
    ("seven", 7.0),
    ("eight", 8.0),
    ("nine", 9.0),
    ("ten", 10.0),
    ("eleven", 11.0),
    ("twelve", 12.0),
    ("fifteen", 15.0),
    ("twenty-five", 25.0),
    ("twenty", 20.0),
    ("thirty", 30.0),
    ("forty-five", 45.0),
    ("forty", 40.0),
    ("fifty", 50.0),
    ("sixty", 60.0),
    ("ninety", 90.0),
];

/// Seconds in a unit.
fn unit(word: &str) -> Option<f64> {
    let lower = word.to_lowercase();
    Some(match lower.as_str() {
        "week" | "weeks" => 604_800.0,
        "day" | "days" | "d" => 86_400.0,
        "hour" | "hours" | "hr" | "hrs" | "h" => 3_600.0,
        "minute" | "minutes" | "mins" | "min" => 60.0,
        "m" if word == "m" => 60.0,
        "second" | "seconds" | "secs" | "sec" => 1.0,
        "s" if word == "s" => 1.0,
        "millisecond" | "milliseconds" | "ms" => 0.001,
        "µs" | "us" | "microseconds" => 0.000_001,
        _ => return None,
    })
}

/// All durations of a text, in order.
pub fn spans(text: &str) -> Vec<Span> {
    let token = pattern!(
        r"(?i)(\d{1,3}(?:,\d{3})+|\d+(?:[.,]\d+)?|\b(?:half an?|a quarter of an|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty(?:-five)?|thirty|forty(?:-five)?|fifty|sixty|ninety)\b)(\s?½|\s(?:and a half)|\s(?:and a quarter)|\s(?:and three quarters))?[\s-]?(weeks?|days?|d|hours?|hrs?|h|minutes?|mins?|milliseconds?|ms|µs|microseconds|m|seconds?|secs?|s)"
    );
    let mut out: Vec<Span> = Vec::new();
    let mut last_unit = 0.0;
    for found in token.captures_iter(text).take(5_000) {
        let (Some(whole), Some(name)) = (found.get(0), found.get(3)) else {
            continue;
        };
        let mut end = whole.end();
        let next = after(text, end);
        // "3h30" and "3h30m": digits may follow a unit directly, letters may not.
        if next.is_some_and(|c| c.is_alphabetic() || c == '/')
            || next.is_some_and(|c| c.is_ascii_digit())
                && !matches!(name.as_str(), "h" | "m" | "d" | "min")
            || before(text, whole.start()).is_some_and(|c| {
                c.is_alphabetic()
                    || matches!(c, '.' | '$' | '€' | '#' | '_')
                    || c.is_ascii_digit()
                    || c == ':'
            }) && out
                .last()
                .is_none_or(|span| span.range.end != whole.start())
        {
            continue;
        }
        let Some(seconds) = unit(name.as_str()) else {
            continue;
        };
        let Some(mut count) = number(&found[1]) else {
            continue;
        };
        if let Some(part) = found.get(2) {
            count += if part.as_str().ends_with("a quarter") {
                0.25
            } else if part.as_str().ends_with("quarters") {
                0.75
            } else {
                0.5
            };
        }
        let mut length = count * seconds;
        if let Some(half) = pattern!(r"^ and a half\b").find(&text[end..]) {
            length += 0.5 * seconds;
            end += half.end();
        } else if let Some(bare) = pattern!(r"^([0-5]\d)(?:\b|$)").captures(&text[end..]) {
            // "3h30": the second unit is left out.
            if name.as_str() == "h" {
                length += bare[1].parse::<f64>().unwrap_or(0.0) * 60.0;
                end += 2;
            }
        }
        let Ok(length) = Duration::try_from_secs_f64(length) else {
            continue;
        };
        if let Some(span) = out.last_mut() {
            let between = text.get(span.range.end..whole.start()).unwrap_or("x");
            if seconds < last_unit && pattern!(r"^(?:\s?,?\s?(?:and\s)?)$").is_match(between) {
                span.length = span.length.saturating_add(length);
                span.range.end = end;
                last_unit = seconds;
                continue;
            }
        }
        let about = pattern!(r"(?i)(?:about|approximately|approx\.?|roughly|around|nearly|almost|some|just (?:over|under)|~|≈|over|more than|under|less than)\s?$")
            .is_match(&text[crate::source::floor_boundary(text, whole.start().saturating_sub(24))..whole.start()]);
        out.push(Span {
            range: whole.start()..end,
            length,
            about,
        });
        last_unit = seconds;
    }
    for found in pattern!(r"\b(\d{1,3}):([0-5]\d)(?::([0-5]\d))?\s?(?:h|hours|hrs)\b")
        .captures_iter(text)
        .take(1_000)
    {
        let part = |n: usize| {
            found
                .get(n)
                .and_then(|m| m.as_str().parse::<u64>().ok())
                .unwrap_or(0)
        };
        let Some(whole) = found.get(0) else { continue };
        out.retain(|span| span.range.end <= whole.start() || span.range.start >= whole.end());
        let length = Duration::from_secs(part(1) * 3600 + part(2) * 60 + part(3));
        out.push(Span {
            range: whole.range(),
            length,
            about: false,
        });
    }
    out.sort_by_key(|span| span.range.start);
    out
}

fn number(word: &str) -> Option<f64> {
    let lower = word.to_lowercase();
    if let Some((_, n)) = WORDS.iter().find(|(name, _)| *name == lower) {
        return Some(*n);
    }
    let thousands = pattern!(r"^\d{1,3}(?:,\d{3})+$").is_match(word);
    let plain = if thousands {
        word.replace(',', "")
    } else {
        word.replace(',', ".")
    };
    plain.parse().ok()
}

/// A length for reading: `3 h 30 min`, `7 min 31 s`, `34.2 s`.
pub fn say(length: Duration) -> String {
    let seconds = length.as_secs();
    if seconds < 60 {
        let tenths = length.as_millis() / 100;
        return if tenths.is_multiple_of(10) {
            format!("{seconds} s")
        } else {
            format!("{}.{} s", tenths / 10, tenths % 10)
        };
    }
    let (d, h, m, s) = (
        seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    let mut parts = Vec::new();
    for (n, name) in [
        (d, if d == 1 { "day" } else { "days" }),
        (h, "h"),
        (m, "min"),
        (s, "s"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {name}"));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_in_words_and_figures() {
        let cases = [
            ("3h30m", 12_600),
            ("3 h 30 min", 12_600),
            ("210 minutes", 12_600),
            ("three and a half hours", 12_600),
            ("1.5 hours", 5_400),
            ("2 days 4 hours", 187_200),
            ("an hour and a half", 5_400),
            ("three and a quarter hours", 11_700),
            ("half an hour", 1_800),
            ("one hour and 20 minutes", 4_800),
            ("3h30", 12_600),
            ("3:30 h", 12_600),
            ("90-minute", 5_400),
            ("7 min 31 s", 451),
            ("1,200 seconds", 1_200),
            ("2 hours, 5 minutes", 7_500),
            ("33h15m", 119_700),
            ("forty-five minutes", 2_700),
            ("1 hr 5 mins", 3_900),
        ];
        for (text, seconds) in cases {
            let found = spans(text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].length.as_secs(), seconds, "{text}");
            assert_eq!(found[0].range, 0..text.len(), "{text}");
        }
        for text in [
            "1,140/s",
            "$5m",
            "p99",
            "5 million",
            "10 shards",
            "E5 s3",
            "a server",
            "3 more",
        ] {
            assert_eq!(spans(text), [], "{text}");
        }
        assert!(spans("about 3.5 h")[0].about);
    }

    #[test]
    fn a_length_reads_as_people_write_it_and_is_read_back() {
        for seconds in [34, 60, 451, 12_600, 187_200, 3_601] {
            let length = Duration::from_secs(seconds);
            assert_eq!(spans(&say(length))[0].length, length, "{}", say(length));
        }
        assert_eq!(say(Duration::from_secs(12_600)), "3 h 30 min");
        assert_eq!(say(Duration::from_millis(34_200)), "34.2 s");
    }
}
