//! Quantities: percentages, "702 of 2,006", counts with their noun.

use std::ops::Range;

use super::{after, before, pattern};

/// A percentage.
#[derive(Clone, Debug, PartialEq)]
pub struct Percent {
    /// Where it stands.
    pub range: Range<usize>,
    /// 35.0 for `35 %`.
    pub value: f64,
}

/// `702 of 2,006`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fraction {
    /// Where it stands.
    pub range: Range<usize>,
    /// The part.
    pub part: f64,
    /// The whole.
    pub whole: f64,
}

/// `4,120 users`.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// Where it stands.
    pub range: Range<usize>,
    /// How many.
    pub value: f64,
    /// Of what, as written, in lower case.
    pub noun: String,
}

/// A number as written: `2,006`, `1.2`, `3k`, `1.5 million`.
pub fn parse(word: &str) -> Option<f64> {
    let word = word.trim().to_lowercase();
    let (digits, scale) = if let Some(n) = word.strip_suffix("million") {
        (n.trim(), 1e6)
    } else if let Some(n) = word.strip_suffix("billion") {
        (n.trim(), 1e9)
    } else if let Some(n) = word.strip_suffix("thousand") {
        (n.trim(), 1e3)
    } else if let Some(n) = word.strip_suffix('k') {
        (n.trim(), 1e3)
    } else if let Some(n) = word.strip_suffix('m') {
        (n.trim(), 1e6)
    } else {
        (word.as_str(), 1.0)
    };
    let digits: String = digits
        .chars()
        .filter(|c| !matches!(c, ',' | ' ' | '\u{a0}' | '\u{202f}'))
        .collect();
    digits.parse::<f64>().ok().map(|n| n * scale)
}

/// All percentages.
pub fn percents(text: &str) -> Vec<Percent> {
    pattern!(r"(?i)(\d{1,3}(?:[.,]\d+)?)[\s\u{a0}\u{202f}]?(?:%|percent\b|per cent\b)")
        .captures_iter(text)
        .take(2_000)
        .filter_map(|found| {
            let whole = found.get(0)?;
            let clear = before(text, whole.start())
                .is_none_or(|c| !c.is_ascii_digit() && c != '.' && c != '%');
            let value = found[1].replace(',', ".").parse().ok()?;
            clear.then_some(Percent {
                range: whole.range(),
                value,
            })
        })
        .collect()
}

const NUMBER: &str = r"\d{1,3}(?:[, \u{a0}\u{202f}]\d{3})+|\d+(?:\.\d+)?";

/// All "N of M".
pub fn fractions(text: &str) -> Vec<Fraction> {
    static OF: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
        regex::Regex::new(&format!(
            r"(?i)({NUMBER})(\s?k|\s?m|\s(?:million|thousand))?(?:\s[a-z-]+){{0,3}}?\s?(?:of|out of|/|from)\s?(?:the |all |our |a total of |about |approximately |some |roughly |~|≈)*({NUMBER})(\s?k\b|\s?m\b|\s(?:million|thousand))?"
        ))
        .expect("a fixed pattern")
    });
    OF.captures_iter(text)
        .take(2_000)
        .filter_map(|found| {
            let whole = found.get(0)?;
            let scale = |n: usize| found.get(n).map_or("", |m| m.as_str());
            let part = parse(&format!("{}{}", &found[1], scale(2)))?;
            let all = parse(&format!("{}{}", &found[3], scale(4)))?;
            let clear = before(text, whole.start())
                .is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '/' | '-' | ':'))
                && after(text, whole.end())
                    .is_none_or(|c| !matches!(c, '%' | '/' | ':') && !c.is_ascii_digit());
            let percent = text[whole.end()..].trim_start().starts_with('%');
            (clear && !percent && all > 0.0 && part <= all * 1.000_1).then_some(Fraction {
                range: whole.range(),
                part,
                whole: all,
            })
        })
        .collect()
}

/// All counts of some nouns (a pattern of alternatives, in lower case).
pub fn counts(text: &str, nouns: &regex::Regex) -> Vec<Count> {
    static NUMBERED: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
        regex::Regex::new(&format!(r"(?i)({NUMBER})(k\b|m\b|\s(?:million|thousand|billion)\b)?\s+((?:[a-z][a-z-]*\s+){{0,3}}?[a-z][a-z-]*)")).expect("a fixed pattern")
    });
    let mut out = Vec::new();
    for found in NUMBERED.captures_iter(text).take(5_000) {
        let (Some(whole), Some(first), Some(words)) = (found.get(0), found.get(1), found.get(3))
        else {
            continue;
        };
        let clear = before(text, whole.start()).is_none_or(|c| {
            !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '/' | ':' | '#' | '_')
        });
        if !clear {
            continue;
        }
        // The noun is among the next words, before any that begins something else.
        let rest = &text[words.start()..];
        for word in pattern!(r"[A-Za-z][A-Za-z-]*").find_iter(rest).take(4) {
            let gap = &rest[..word.start()];
            if gap.contains(['.', ',', ';', '(', '|', '\n'])
                || gap.chars().any(|c| c.is_ascii_digit())
            {
                break;
            }
            let lower = word.as_str().to_lowercase();
            if nouns.is_match(&lower) {
                let scale = found.get(2).map_or("", |m| m.as_str());
                if let Some(value) = parse(&format!("{}{}", first.as_str(), scale)) {
                    out.push(Count {
                        range: first.start()..words.start() + word.end(),
                        value,
                        noun: lower,
                    });
                }
                break;
            }
            if matches!(
                lower.as_str(),
                "of" | "the"
                    | "a"
                    | "an"
                    | "our"
                    | "and"
                    | "to"
                    | "in"
                    | "at"
                    | "per"
                    | "for"
                    | "from"
                    | "with"
                    | "were"
                    | "was"
                    | "min"
                    | "s"
                    | "ms"
                    | "hours"
                    | "minutes"
                    | "seconds"
                    | "percent"
                    | "utc"
                    | "out"
            ) {
                break;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_people_write_them() {
        assert_eq!(
            percents("35% and 22.1 % and 7 percent")
                .iter()
                .map(|p| p.value)
                .collect::<Vec<_>>(),
            [35.0, 22.1, 7.0]
        );
        let f = fractions(
            "702 of 2,006 users; 4,120 sessions out of 11,770; 8 of the 10; 1.2 million of 3 million",
        );
        assert_eq!(
            f.iter().map(|f| (f.part, f.whole)).collect::<Vec<_>>(),
            [
                (702.0, 2006.0),
                (4120.0, 11770.0),
                (8.0, 10.0),
                (1.2e6, 3e6)
            ]
        );
        assert_eq!(fractions("10 of 35 %"), []);
        let c = counts(
            "about 4,120 dashboard users and 310 failed requests, 12 min",
            pattern!("^(?:users?|requests?)$"),
        );
        assert_eq!(
            c.iter()
                .map(|c| (c.value, c.noun.as_str()))
                .collect::<Vec<_>>(),
            [(4120.0, "users"), (310.0, "requests")]
        );
    }
}
