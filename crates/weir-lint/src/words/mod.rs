//! Understanding small things in running text: dates, clocks, zones, durations, quantities.
//!
//! Pure; positions are bytes of the text that was given.

pub mod clock;
pub mod duration;
pub mod number;
pub mod zone;

/// A pattern that is fixed at build time, compiled when first used.
macro_rules! pattern {
    ($text:expr) => {{
        static PATTERN: std::sync::LazyLock<regex::Regex> =
            std::sync::LazyLock::new(|| regex::Regex::new($text).expect("a fixed pattern"));
        &*PATTERN
    }};
}
pub(crate) use pattern;

/// The character before a byte.
pub(crate) fn before(text: &str, at: usize) -> Option<char> {
    text.get(..at)?.chars().next_back()
}

/// The character at a byte.
pub(crate) fn after(text: &str, at: usize) -> Option<char> {
    text.get(at..)?.chars().next()
}
