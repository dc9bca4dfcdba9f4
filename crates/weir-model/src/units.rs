//! Quantities as people write them: `500ms`, `2min`, `64KiB`. A bare number is refused.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Why a quantity couldn't be read. `Display` is the sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A number without a unit.
    #[error("{what} needs a unit: {examples}")]
    NoUnit {
        /// "a duration" or "a size".
        what: &'static str,
        /// Ready to paste.
        examples: &'static str,
    },
    /// A unit that we don't know.
    #[error("`{unit}` is no unit of {what}; known are {known}")]
    UnknownUnit {
        /// "a duration" or "a size".
        what: &'static str,
        /// As written.
        unit: String,
        /// The list.
        known: &'static str,
    },
    /// Not a number at all, or too large.
    #[error("`{text}` is not {what}; write for example {examples}")]
    NotANumber {
        /// "a duration" or "a size".
        what: &'static str,
        /// As written.
        text: String,
        /// Ready to paste.
        examples: &'static str,
    },
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// A duration with its unit: `us`, `ms`, `s`, `min`, `h`, `d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(pub Duration);

impl FromStr for HumanDuration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        const WHAT: &str = "a duration";
        const EXAMPLES: &str = "\"5s\", \"500ms\", \"2min\"";
        let (number, unit) = split(text);
        let not_a_number = || UnitError::NotANumber {
            what: WHAT,
            text: text.to_owned(),
            examples: EXAMPLES,
        };
        let value: f64 = number.parse().map_err(|_| not_a_number())?;
        let seconds = match unit {
            "" if value == 0.0 => 0.0,
            "" => {
                return Err(UnitError::NoUnit {
                    what: WHAT,
                    examples: EXAMPLES,
                });
            }
            "us" | "µs" => value / 1e6,
            "ms" => value / 1e3,
            "s" | "sec" => value,
            "min" | "m" => value * 60.0,
            "h" => value * 3600.0,
            "d" => value * 86_400.0,
            unit => {
                return Err(UnitError::UnknownUnit {
                    what: WHAT,
                    unit: unit.to_owned(),
                    known: "us, ms, s, min, h, d",
                });
            }
        };
        Duration::try_from_secs_f64(seconds)
            .map(HumanDuration)
            .map_err(|_| not_a_number())
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = self.0;
        let (secs, nanos) = (d.as_secs(), d.subsec_nanos());
        if d.is_zero() {
            write!(f, "0s")
        } else if !nanos.is_multiple_of(1_000) || (secs == 0 && nanos < 1_000_000) {
            write!(f, "{}us", d.as_secs_f64() * 1e6)
        } else if nanos != 0 {
            write!(f, "{}ms", d.as_secs_f64() * 1e3)
        } else if secs.is_multiple_of(86_400) {
            write!(f, "{}d", secs / 86_400)
        } else if secs.is_multiple_of(3_600) {
            write!(f, "{}h", secs / 3_600)
        } else if secs.is_multiple_of(60) {
            write!(f, "{}min", secs / 60)
        } else {
            write!(f, "{secs}s")
        }
    }
}

/// Bytes. Prints and parses as `512KiB`; a bare number in the config file is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        const WHAT: &str = "a size";
        const EXAMPLES: &str = "\"64KiB\", \"16MiB\"";
        let (number, unit) = split(text);
        let not_a_number = || UnitError::NotANumber {
            what: WHAT,
            text: text.to_owned(),
            examples: EXAMPLES,
        };
        let value: f64 = number.parse().map_err(|_| not_a_number())?;
        let factor: f64 = match unit {
            "" if value == 0.0 => 0.0,
            "" => {
                return Err(UnitError::NoUnit {
                    what: WHAT,
                    examples: EXAMPLES,
                });
            }
            "B" => 1.0,
            "kB" | "KB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            "GiB" => 1024.0 * 1024.0 * 1024.0,
            unit => {
                return Err(UnitError::UnknownUnit {
                    what: WHAT,
                    unit: unit.to_owned(),
                    known: "B, kB, MB, GB, KiB, MiB, GiB",
                });
            }
        };
        let bytes = value * factor;
        if !(0.0..=9.0e15).contains(&bytes) {
            return Err(not_a_number());
        }
        Ok(ByteSize(bytes as u64))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if self.0 != 0 && self.0.is_multiple_of(1 << shift) {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_refused_with_examples() {
        let fault = "5".parse::<HumanDuration>().unwrap_err();
        assert_eq!(
            fault.to_string(),
            "a duration needs a unit: \"5s\", \"500ms\", \"2min\""
        );
        let fault = "5x".parse::<ByteSize>().unwrap_err();
        assert_eq!(
            fault.to_string(),
            "`x` is no unit of a size; known are B, kB, MB, GB, KiB, MiB, GiB"
        );
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["0s", "250us", "500ms", "5s", "2min", "3h", "1d", "90s"] {
            let read: HumanDuration = text.parse().unwrap();
            assert_eq!(
                read.to_string().parse::<HumanDuration>().unwrap(),
                read,
                "{text}"
            );
        }
        for text in ["64KiB", "16MiB", "1000B"] {
            let read: ByteSize = text.parse().unwrap();
            assert_eq!(
                read.to_string().parse::<ByteSize>().unwrap(),
                read,
                "{text}"
            );
        }
    }

    #[test]
    fn absurd_numbers_are_errors_and_not_wrapped() {
        assert!("1e400s".parse::<HumanDuration>().is_err());
        assert!(
            "99999999999999999999999999d"
                .parse::<HumanDuration>()
                .is_err()
        );
        assert!("99999999999999GiB".parse::<ByteSize>().is_err());
    }
}
