//! What the dashboard and `weir top` are told, so that they need compute nothing: where the time
//! goes, who waits for whom, what statements cost, how it was.
//!
//! | module | answers |
//! |---|---|
//! | [`overview`] | what does one look at everything show? |
//! | [`clients`] | who is connected, on both sides, and what does each do? |
//! | [`waits`] | who waits for whom? |
//! | [`queries`] | which statements cost what, and what changed? |
//! | [`configuration`] | which values are in force, and where did each come from? |
//! | [`blackbox`] | how far back can one look? |
//! | [`past`] | how was it then? |

pub(crate) mod blackbox;
pub(crate) mod clients;
pub mod configuration;
pub(crate) mod overview;
pub(crate) mod past;
pub(crate) mod queries;
pub(crate) mod waits;

use std::time::Duration;

use weir_control::handle::Published;
use weir_model::Instant;

use crate::fault::ApiFault;

/// Rows of a list if nobody asks for another number…
pub(crate) const LIMIT: usize = 200;
/// …and at most.
pub(crate) const LIMIT_MAX: usize = 5_000;

/// Three digits are what a person compares.
pub(crate) fn brief(duration: Duration) -> String {
    let us = duration.as_secs_f64() * 1e6;
    match us {
        0.0 => "0".to_owned(),
        us if us < 1e3 => format!("{us:.0} µs"),
        us if us < 1e6 => format!("{:.1} ms", us / 1e3),
        us => format!("{:.1} s", us / 1e6),
    }
}

/// The number of rows asked for, inside its bounds.
pub(crate) fn limit(asked: Option<usize>) -> Result<usize, ApiFault> {
    match asked {
        None => Ok(LIMIT),
        Some(n) if n <= LIMIT_MAX => Ok(n),
        Some(n) => Err(ApiFault::bad(
            "bad_limit",
            format!("`limit={n}` is too many"),
            format!("at most {LIMIT_MAX}; `pool`, `state` and `search` narrow the list"),
        )),
    }
}

/// A sort key and whether it is turned round.
pub(crate) fn sort<'a>(
    asked: Option<&'a str>,
    known: &[&'static str],
) -> Result<(&'a str, bool), ApiFault> {
    let first: &str = known.first().copied().unwrap_or_default();
    let text = asked.unwrap_or(first);
    let (key, turned) = match text.strip_prefix('-') {
        Some(key) => (key, true),
        None => (text, false),
    };
    if known.contains(&key) {
        return Ok((key, turned));
    }
    Err(ApiFault::bad(
        "bad_sort",
        format!("`sort={text}` is no order of this list"),
        format!("known are {}; a leading - turns it round", known.join(", ")),
    ))
}

/// Seconds from `since` to what was published last. A row may be newer than that.
pub(crate) fn age(published: &Published, since: Instant) -> f64 {
    published.at.since(since).as_secs_f64()
}

/// An address without its port.
pub(crate) fn host(addr: &str) -> &str {
    match addr.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            host.trim_start_matches('[').trim_end_matches(']')
        }
        _ if addr.is_empty() || addr.starts_with('/') => "unix",
        _ => addr,
    }
}

/// Text that may be empty for "not known".
pub(crate) fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_loses_its_port_and_a_socket_has_none() {
        assert_eq!(host("10.0.0.7:51234"), "10.0.0.7");
        assert_eq!(host("[::1]:51234"), "::1");
        assert_eq!(host("unix"), "unix");
        assert_eq!(host(""), "unix");
        assert_eq!(host("/run/weir/.s.PGSQL.6432"), "unix");
    }

    #[test]
    fn an_unknown_order_names_those_that_are_known() {
        let known = ["state_s", "pool"];
        assert_eq!(sort(None, &known).unwrap(), ("state_s", false));
        assert_eq!(sort(Some("-pool"), &known).unwrap(), ("pool", true));
        let fault = sort(Some("age"), &known).unwrap_err();
        assert!(fault.hint.contains("state_s, pool"), "{}", fault.hint);
        assert!(limit(Some(5_000)).is_ok() && limit(Some(5_001)).is_err());
    }
}
