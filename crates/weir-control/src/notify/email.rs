//! An e-mail (RFC 5322): headers and a plain-text body, ready for SMTP's DATA.
//!
//! All mails of an incident answer its first, so that a reader shows one thread. What isn't ASCII
//! is encoded (RFC 2047 in headers, quoted-printable in the body): any relay passes it on.

use std::fmt::Write as _;

use weir_model::Wall;

use super::{Message, What, facts, page, summary};
use crate::incident::words;

/// From and to, as configured: bare addresses.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// The sender.
    pub from: &'a str,
    /// All receivers.
    pub to: &'a [String],
}

/// Rows of the timeline that stand in a mail: the last ones.
const ROWS: usize = 15;

/// The whole mail, lines ended by CRLF, not yet dot-stuffed. `now`: for `Date` and `Message-ID`.
pub fn letter(message: &Message<'_>, letter: Letter<'_>, now: Wall) -> String {
    let id = message.incident.id;
    let domain = letter
        .from
        .rsplit_once('@')
        .map_or("weir", |(_, domain)| domain);
    let thread = format!("<{id}.{}@{domain}>", token(&message.from.cluster));
    let own = format!(
        "<{id}.{}.{}.{}@{domain}>",
        token(&message.from.cluster),
        message.incident.seq,
        now.as_micros()
    );
    let mut out = String::new();
    let mut header = |name: &str, value: &str| {
        let _ = write!(out, "{name}: {value}\r\n");
    };
    header("Date", &rfc2822(now));
    header("From", &format!("Weir <{}>", letter.from));
    let to: Vec<String> = letter.to.iter().map(|a| format!("<{a}>")).collect();
    header("To", &to.join(",\r\n "));
    header("Subject", &encoded(&summary(message)));
    header("Message-ID", &own);
    if message.what != What::Test {
        header("In-Reply-To", &thread);
        header("References", &thread);
    }
    // Out-of-office replies to a pager help nobody.
    header("Auto-Submitted", "auto-generated");
    header("MIME-Version", "1.0");
    header("Content-Type", "text/plain; charset=utf-8");
    header("Content-Transfer-Encoding", "quoted-printable");
    out.push_str("\r\n");
    out.push_str(&quoted_printable(&body(message)));
    out
}

fn body(message: &Message<'_>) -> String {
    let incident = message.incident;
    if message.what == What::Test {
        return format!("{}\n", super::TEST_SAYS);
    }
    let mut text = String::new();
    if let (Some(to), Some(step)) = (message.to, message.step) {
        let _ = writeln!(
            text,
            "You are called as {to}, step {step} of the escalation.\n"
        );
    }
    let _ = writeln!(text, "{}\n", page(incident));
    for (name, value) in facts(incident) {
        let _ = writeln!(text, "{name:<16} {value}");
    }
    let _ = writeln!(text, "\nIncident: {}", message.link());
    let _ = writeln!(text, "Report:   {}", message.report_link());
    let _ = writeln!(text, "Acknowledge: weir incident ack {}", incident.id);
    let rows = incident.timeline();
    let _ = writeln!(text, "\nTimeline (UTC)");
    for row in rows.iter().skip(rows.len().saturating_sub(ROWS)) {
        let _ = writeln!(text, "{}  {}", words::time_of_day(row.at), row.says);
    }
    text
}

/// `Mon, 23 Nov 2026 05:01:25 +0000`.
fn rfc2822(at: Wall) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros())
        .ok()
        .and_then(|at| jiff::fmt::rfc2822::to_string(&at.to_zoned(jiff::tz::TimeZone::UTC)).ok())
        .unwrap_or_default()
}

/// What may stand in a message id.
fn token(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

/// A header's value: as it is, or in encoded words of at most 75 characters.
fn encoded(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.is_ascii() && text.len() <= 900 {
        return folded(&text);
    }
    // 63 characters of Q encoding in each; cut between letters, not inside them.
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        let mut bytes = [0; 4];
        let mut next = String::new();
        for byte in c.encode_utf8(&mut bytes).bytes() {
            match byte {
                b' ' => next.push('_'),
                b if b.is_ascii_alphanumeric() => next.push(char::from(b)),
                b => {
                    let _ = write!(next, "={b:02X}");
                }
            }
        }
        if word.len() + next.len() > 63 {
            words.push(std::mem::take(&mut word));
        }
        word.push_str(&next);
    }
    words.push(word);
    let words: Vec<String> = words.iter().map(|w| format!("=?utf-8?q?{w}?=")).collect();
    words.join("\r\n ")
}

/// Breaks a long header before a space.
fn folded(text: &str) -> String {
    let mut out = String::new();
    let mut line = 9;
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            if line + word.len() > 72 {
                out.push_str("\r\n");
                line = 0;
            }
            out.push(' ');
            line += 1;
        }
        out.push_str(word);
        line += word.len();
    }
    out
}

/// RFC 2045: lines of at most 76 characters.
fn quoted_printable(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut width = 0;
        let bytes = line.as_bytes();
        for (index, byte) in bytes.iter().enumerate() {
            let last = index + 1 == bytes.len();
            let plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (*byte == b' ' && !last);
            let piece = if plain {
                char::from(*byte).to_string()
            } else {
                format!("={byte:02X}")
            };
            if width + piece.len() > 75 {
                out.push_str("=\r\n");
                width = 0;
            }
            width += piece.len();
            out.push_str(&piece);
        }
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_beyond_ascii_is_cut_between_letters_and_stays_short() {
        let text = "über 41 Clients warten — ".repeat(8);
        let header = encoded(&text);
        for word in header.split("\r\n ") {
            assert!(word.len() <= 75, "{word}");
            assert!(word.starts_with("=?utf-8?q?") && word.ends_with("?="));
            // A letter of two bytes is never torn apart.
            assert!(!word.ends_with("=C3?="), "{word}");
        }
        assert!(encoded("plain\r\nBcc: eve@example").lines().count() == 1);
    }

    #[test]
    fn a_body_has_short_lines_and_says_the_same() {
        let long = "x".repeat(200) + " = ü ";
        let text = quoted_printable(&long);
        assert!(text.lines().all(|line| line.len() <= 76), "{text}");
        let joined = text.replace("=\r\n", "");
        assert_eq!(joined, "x".repeat(200) + " =3D =C3=BC=20\r\n");
    }
}
