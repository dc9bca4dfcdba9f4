//! Time zones, by name and by offset.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use std::ops::Range;

use super::pattern;

/// A time zone as a report names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Zone {
    /// UTC, GMT or Z.
    Utc,
    /// `+03:00`, `UTC+3`: seconds east of UTC.
    Offset(i32),
    /// `EAT`, `PST`: what readers elsewhere must look up. The offset is absent where the name means
    /// several (IST) or none (local time).
    Named {
        /// As written.
        name: String,
        /// Seconds east of UTC.
        offset: Option<i32>,
    },
    /// `America/New_York`, or `PT` and its kin, whose offset depends on the date.
    Place {
        /// As written.
        name: String,
        /// In the time zone database.
        iana: String,
    },
}

/// Names that mean one offset.
const NAMES: &[(&str, i32)] = &[
    ("EAT", 180),
    ("CAT", 120),
    ("WAT", 60),
    ("SAST", 120),
    ("MSK", 180),
    ("CET", 60),
    ("CEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("WET", 0),
    ("WEST", 60),
    ("BST", 60),
    ("EST", -300),
    ("EDT", -240),
    ("CDT", -300),
    ("MST", -420),
    ("MDT", -360),
    ("PST", -480),
    ("PDT", -420),
    ("AKST", -540),
    ("AKDT", -480),
    ("HST", -600),
    ("JST", 540),
    ("KST", 540),
    ("SGT", 480),
    ("HKT", 480),
    ("PHT", 480),
    ("AWST", 480),
    ("ACST", 570),
    ("ACDT", 630),
    ("AEST", 600),
    ("AEDT", 660),
    ("NZST", 720),
    ("NZDT", 780),
    ("BRT", -180),
    ("ART", -180),
    ("PKT", 300),
    ("TRT", 180),
    ("GST", 240),
    ("WIB", 420),
];
/// Names that mean several offsets: India, Israel, Ireland; China, Cuba, Central America.
const AMBIGUOUS: &[&str] = &["IST", "CST", "AST"];
/// Names whose offset depends on the date.
const PLACES: &[(&str, &str)] = &[
    ("PT", "America/Los_Angeles"),
    ("ET", "America/New_York"),
    ("MT", "America/Denver"),
    ("CT", "America/Chicago"),
];

impl Zone {
    /// Seconds east of UTC at a local time; absent where the name doesn't tell.
    pub fn offset_at(&self, at: DateTime) -> Option<i32> {
        match self {
            Self::Utc => Some(0),
            Self::Offset(seconds) => Some(*seconds),
            Self::Named { offset, .. } => *offset,
            Self::Place { iana, .. } => {
                let zone = TimeZone::get(iana).ok()?;
                Some(zone.to_zoned(at).ok()?.offset().seconds())
            }
        }
    }

    /// UTC, or an offset from it: every reader can place it.
    pub fn is_explicit(&self) -> bool {
        matches!(self, Self::Utc | Self::Offset(_))
    }

    /// As written, or its usual form.
    pub fn name(&self) -> String {
        match self {
            Self::Utc => "UTC".to_owned(),
            Self::Offset(seconds) => Offset::from_seconds(*seconds)
                .map_or_else(|_| format!("{seconds} s"), |offset| format!("UTC{offset}")),
            Self::Named { name, .. } | Self::Place { name, .. } => name.clone(),
        }
    }
}

/// The zone that stands at the start of a text (blanks, an opening parenthesis and marks may stand
/// before it), and where it stands.
pub fn leading(text: &str) -> Option<(Zone, Range<usize>)> {
    let found = pattern!(
        r"^[\s*_]*\(?(Z\b|(?:UTC|GMT)\s?[+−-]\s?\d{1,2}(?::?\d{2})?|[+−-]\d{2}:?\d{2}\b|[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+(?:/[A-Z][A-Za-z_]+)?|[A-Za-z]{2,4}\b)"
    )
    .captures(text)?;
    let word = found.get(1)?;
    // "EAT (UTC+3)" says the offset itself.
    if let Some(more) = pattern!(r"^\s*(?:\(|, ?(?:which is|that is|i\.e\.)?|=|\bis\b|, )\s?(?:= ?)?((?:UTC|GMT)\s?[+−-]\s?\d{1,2}(?::?\d{2})?|[+−-]\d{2}:?\d{2})\s?\)?")
        .captures(&text[word.end()..])
        && let (Some(_), Some(offset)) = (parse(word.as_str()), more.get(1)) {
            return Some((parse(offset.as_str())?, word.start()..word.end() + more.get(0)?.end()));
        }
    parse(word.as_str()).map(|zone| (zone, word.range()))
}

/// One zone, as written.
pub fn parse(word: &str) -> Option<Zone> {
    let upper = word.to_ascii_uppercase();
    // Lower case only where it can't be a word: "utc", "gmt", not "est", "art", "et".
    let written = word == upper;
    match upper.as_str() {
        "UTC" | "GMT" => return Some(Zone::Utc),
        "Z" if written => return Some(Zone::Utc),
        _ => {}
    }
    if let Some(offset) = offset(&upper) {
        return Some(Zone::Offset(offset));
    }
    if word.contains('/') {
        TimeZone::get(word).ok()?;
        return Some(Zone::Place {
            name: word.to_owned(),
            iana: word.to_owned(),
        });
    }
    if !written {
        return None;
    }
    if let Some((name, minutes)) = NAMES.iter().find(|(name, _)| *name == upper) {
        return Some(Zone::Named {
            name: (*name).to_owned(),
            offset: Some(minutes * 60),
        });
    }
    if let Some((name, iana)) = PLACES.iter().find(|(name, _)| *name == upper) {
        return Some(Zone::Place {
            name: (*name).to_owned(),
            iana: (*iana).to_owned(),
        });
    }
    AMBIGUOUS.contains(&upper.as_str()).then_some(Zone::Named {
        name: upper,
        offset: None,
    })
}

/// `UTC+3`, `+03:00`, `-0530`: seconds.
fn offset(word: &str) -> Option<i32> {
    let found = pattern!(r"^(?:UTC|GMT)?\s?([+−-])\s?(\d{1,2})(?::?(\d{2}))?$").captures(word)?;
    let hours: i32 = found.get(2)?.as_str().parse().ok()?;
    let minutes: i32 = found.get(3).map_or(Some(0), |m| m.as_str().parse().ok())?;
    if hours > 14 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60;
    Some(if &found[1] == "+" { seconds } else { -seconds })
}

/// A zone that a text declares for all its times: "All times are in UTC", "times (UTC)",
/// "Timeline (UTC)", "time zone: EAT".
pub fn declared(text: &str) -> Option<(Zone, Range<usize>)> {
    let patterns = [
        pattern!(
            r"(?i)\b(?:all|every) (?:the )?(?:times?|timestamps?|stamps?|clocks?|dates)\b[^.\n]{0,60}?(?-i:\b(?:UTC|GMT)(?:\s?[+−-]\s?\d{1,2}(?::?\d{2})?)?|\b[A-Z]{2,4}|\b[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+|[+−-]\d{2}:\d{2})(?:\b|$)"
        ),
        pattern!(
            r"(?i)\b(?:clock )?times? (?:\w+ )?(?:are|is)\b[^.\n]{0,50}?(?-i:(?:UTC|GMT)(?:\s?[+−-]\s?\d{1,2}(?::?\d{2})?)?|[A-Z]{3,4}|[+−-]\d{2}:\d{2})(?:\b|$)"
        ),
        pattern!(
            r"(?i)\btimes?(?:stamps?)?(?: are| is|:)?(?: given| shown| recorded| stated)?(?: in)? (?-i:(?:UTC|GMT)(?:\s?[+−-]\s?\d{1,2}(?::?\d{2})?)?|[A-Z]{3,4})(?:\b|$)"
        ),
        pattern!(
            r"(?i)\btime ?zone\b[^.\n]{0,20}?(?-i:(?:UTC|GMT)(?:\s?[+−-]\s?\d{1,2}(?::?\d{2})?)?|[A-Z]{2,4}|[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+)(?:\b|$)"
        ),
        pattern!(
            r"(?i)\b(?:time-?line|time|times|when|stamp|timestamp|chronology|events|start|end)\b[^\n|]{0,24}?\((?:all )?(?:times )?(?:in )?(?-i:(?:UTC|GMT)(?:\s?[+−-]\s?\d{1,2}(?::?\d{2})?)?|[A-Z]{2,4}|[A-Z][A-Za-z]+/[A-Z][A-Za-z_]+)\b"
        ),
        pattern!(
            r"^\s*(?:(?i:time|when|timestamp|start|end|date)\s+)?(?:in )?(?:UTC|GMT)(?:\s?[+−-]\s?\d{1,2}(?::?\d{2})?)?\s*(?:(?i:time|stamp))?\s*$"
        ),
    ];
    for pattern in patterns {
        let Some(found) = pattern.find(text) else {
            continue;
        };
        let end = found.end();
        // The zone is what the match ends with: its longest suffix that is one.
        for (at, _) in text[..end].char_indices().rev().take(40) {
            let boundary =
                super::before(text, at).is_none_or(|c| !c.is_ascii_alphanumeric() && c != '/');
            if !boundary || at < found.start() {
                continue;
            }
            if let Some((zone, range)) = leading(&text[at..])
                && range.start == 0
                && at + range.end >= end
            {
                return Some((zone, at..at + range.end));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_by_name_and_by_offset() {
        assert_eq!(parse("UTC"), Some(Zone::Utc));
        assert_eq!(parse("+03:00"), Some(Zone::Offset(10_800)));
        assert_eq!(parse("UTC-5"), Some(Zone::Offset(-18_000)));
        assert!(matches!(
            parse("EAT"),
            Some(Zone::Named {
                offset: Some(10_800),
                ..
            })
        ));
        assert!(matches!(
            parse("IST"),
            Some(Zone::Named { offset: None, .. })
        ));
        assert_eq!(parse("est"), None);
        assert_eq!(parse("THE"), None);
        let (zone, range) = leading(" EAT (UTC+3) x").unwrap();
        assert_eq!((zone, range), (Zone::Offset(10_800), 1..12));
        assert_eq!(leading(" the database"), None);
        let may = jiff::civil::date(2023, 5, 10).at(14, 0, 0, 0);
        assert_eq!(
            parse("America/New_York").unwrap().offset_at(may),
            Some(-14_400)
        );
        assert_eq!(parse("PT").unwrap().offset_at(may), Some(-25_200));
    }

    #[test]
    fn a_zone_may_be_declared_for_all_times() {
        for text in [
            "All times are in UTC.",
            "All times UTC",
            "Timeline (UTC)",
            "## Timeline (all times in UTC)",
            "time (UTC)",
            "Times in UTC",
            "UTC",
            "Time zone: UTC",
            "All timestamps below are UTC.",
        ] {
            assert_eq!(declared(text).map(|d| d.0), Some(Zone::Utc), "{text}");
        }
        assert_eq!(
            declared("All times are EAT (UTC+3).").map(|d| d.0),
            Some(Zone::Offset(10_800))
        );
        assert!(matches!(
            declared("All times in PDT"),
            Some((Zone::Named { .. }, _))
        ));
        assert_eq!(declared("time to first response"), None);
    }
}
