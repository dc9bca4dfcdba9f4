//! What may not leave the house is taken out of a text: for the public form.
//!
//! # What always holds
//! - Whatever the journal names is known and goes: pools, database users, applications, hosts,
//!   people, channels, systems.
//! - What only looks like such a name goes too: addresses, paths, identifiers with digits or
//!   underscores in them, whatever stands in quotes or backticks, names in capitals, sentences of
//!   SQL. Too much is taken out rather than too little; a person reads it before it is published.
//!
//! # What is deliberately absent
//! - Understanding. A name that is an ordinary word, and that no entry of the journal carries,
//!   stays.

use std::collections::BTreeSet;

use crate::incident::Incident;
use crate::incident::entry::By;

/// Stands where something stood.
pub(super) const LEFT_OUT: &str = "(withheld)";

/// Shorter names would take ordinary words with them.
const NAME_MIN: usize = 3;

/// What is known to be a name.
pub(super) struct Redactor {
    names: BTreeSet<String>,
    /// Words of the service's name: that is what the reader knows it by.
    service: BTreeSet<String>,
}

impl Redactor {
    pub(super) fn of(incident: &Incident) -> Self {
        let mut names = BTreeSet::new();
        let mut add = |text: &str| {
            for name in text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            {
                let name = name.trim_matches(|c: char| !c.is_alphanumeric());
                if name.chars().count() >= NAME_MIN {
                    names.insert(name.to_lowercase());
                }
            }
        };
        for pool in &incident.pools {
            add(&pool.database);
            add(&pool.user);
        }
        for cause in &incident.causes {
            cause
                .object
                .values()
                .for_each(|value| add_short(&mut add, value));
        }
        for other in &incident.others {
            add(other.split(':').next().unwrap_or_default());
        }
        for row in incident.timeline() {
            if let By::Person(name) | By::System(name) = &row.by {
                add(name);
            }
        }
        for stated in &incident.stated {
            if let By::Person(name) | By::System(name) = &stated.by {
                add(name);
            }
        }
        for assignment in &incident.assignments {
            add(&assignment.to);
        }
        for escalation in &incident.escalations {
            add(&escalation.to);
            add(&escalation.channel);
        }
        for action in super::actions(incident) {
            if let Some(owner) = &action.owner {
                add(owner);
            }
        }
        // Words of the trade that a name may be made of, and that tell nothing.
        for common in COMMON {
            names.remove(common);
        }
        // The service's name is what the reader knows it by; a team may be called after it. Where
        // it is also the name of a pool or an application, it goes all the same.
        let technical: String = incident
            .pools
            .iter()
            .map(ToString::to_string)
            .chain(
                incident
                    .causes
                    .iter()
                    .flat_map(|c| c.object.values().cloned()),
            )
            .collect::<Vec<_>>()
            .join(" ")
            .to_lowercase();
        let service: BTreeSet<String> = incident
            .service_given
            .iter()
            .flat_map(|name| name.split(|c: char| !c.is_alphanumeric()))
            .map(str::to_lowercase)
            .filter(|word| !word.is_empty() && !technical.contains(word.as_str()))
            .collect();
        for word in &service {
            names.remove(word);
        }
        Self { names, service }
    }

    /// The text without them; empty where nothing worth reading is left.
    pub(super) fn clean(&self, text: &str) -> String {
        let text = without_quoted(text);
        let sentences: Vec<String> = sentences(&text)
            .into_iter()
            .map(|sentence| self.clean_sentence(sentence))
            .filter(|sentence| !sentence.is_empty())
            .collect();
        sentences.join(" ")
    }

    fn clean_sentence(&self, sentence: &str) -> String {
        if is_sql(sentence) {
            return LEFT_OUT.to_owned() + ".";
        }
        let words: Vec<&str> = sentence.split_whitespace().collect();
        let mut out: Vec<String> = Vec::new();
        let mut taken = 0;
        for (index, word) in words.iter().enumerate() {
            let bare =
                word.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '@' | '/' | '#'));
            let before = index.checked_sub(1).map(|i| words[i]);
            if *word == LEFT_OUT
                || word.contains(LEFT_OUT)
                || self.is_secret(bare, before, index == 0)
            {
                taken += 1;
                let tail: String = word
                    .rsplit(LEFT_OUT)
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .rev()
                    .take_while(|c| matches!(c, '.' | ',' | ';' | ':' | ')'))
                    .collect();
                let opens = word.starts_with('(') && !word.starts_with(LEFT_OUT);
                let tail: String = tail.chars().rev().filter(|c| !opens || *c != ')').collect();
                match out.last_mut() {
                    Some(last) if last.starts_with(LEFT_OUT) => *last = format!("{LEFT_OUT}{tail}"),
                    _ => out.push(format!("{LEFT_OUT}{tail}")),
                }
            } else {
                out.push((*word).to_owned());
            }
        }
        if taken * 2 > words.len() {
            return String::new();
        }
        out.join(" ")
    }

    fn is_secret(&self, word: &str, before: Option<&str>, first: bool) -> bool {
        if word.is_empty() {
            return false;
        }
        let lower = word.to_lowercase();
        if self.names.contains(&lower)
            || self
                .names
                .iter()
                .any(|name| name.len() > 4 && lower.contains(name.as_str()))
            || lower
                .split(|c: char| !c.is_alphanumeric())
                .any(|part| self.names.contains(part))
        {
            return true;
        }
        if is_quantity(word) {
            return before.is_some_and(|b| {
                let b = b.to_lowercase();
                let b = b.trim_matches(|c: char| !c.is_alphanumeric());
                matches!(
                    b,
                    "pid" | "pids" | "process" | "backend" | "port" | "ticket"
                )
            });
        }
        if word.chars().any(|c| {
            matches!(
                c,
                '@' | '/' | '\\' | '_' | '=' | ':' | '{' | '<' | '$' | '*' | '#'
            )
        }) || word.trim_end_matches('.').contains('.')
        {
            return true;
        }
        // Machines and services are joined with hyphens; so are a few ordinary words.
        if let Some((head, _)) = lower.split_once('-')
            && !JOINED.contains(&head)
        {
            return true;
        }
        let digits = word.chars().any(|c| c.is_ascii_digit());
        if digits && word.chars().any(char::is_alphabetic) {
            return true;
        }
        let capital = word.chars().next().is_some_and(char::is_uppercase);
        if !capital || self.service.contains(&lower) {
            return false;
        }
        if first {
            // No name ends like this, and many first words of a sentence do.
            let ordinary = lower.len() >= 7
                && ["ing", "tion", "tions", "ies", "ment", "ments", "ness"]
                    .iter()
                    .any(|end| lower.ends_with(end));
            !ordinary && !STARTERS.contains(&lower.as_str()) && !PROPER.contains(&lower.as_str())
        } else {
            !PROPER.contains(&lower.as_str())
        }
    }
}

/// Values of a cause's object: all words of a name, and nothing of a statement.
fn add_short(add: &mut impl FnMut(&str), value: &str) {
    if value.len() <= 80 && !is_sql(value) {
        add(value);
    }
}

/// Number, time, date, length of time, share: `9,120`, `13:58:41`, `2026-11-23`, `5s`, `34.2`.
fn is_quantity(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| {
        c.is_ascii_digit() || matches!(c, '.' | ',' | ':' | '-' | '+' | '−' | '×')
    });
    let starts = word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '−' | '×'));
    // An address has four groups, which no number has.
    let dots = word.matches('.').count();
    starts
        && dots <= 1
        && matches!(
            unit,
            "" | "%"
                | "s"
                | "ms"
                | "µs"
                | "us"
                | "min"
                | "h"
                | "d"
                | "x"
                | "×"
                | "/s"
                | "k"
                | "K"
                | "m"
                | "M"
                | "th"
                | "st"
                | "nd"
                | "rd"
                | "Z"
        )
}

fn is_sql(sentence: &str) -> bool {
    const VERBS: [&str; 12] = [
        "SELECT", "INSERT", "UPDATE", "DELETE", "ALTER", "CREATE", "DROP", "TRUNCATE", "VACUUM",
        "COPY", "WHERE", "FROM",
    ];
    sentence
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| VERBS.contains(&word))
        || sentence.to_lowercase().contains("select ") && sentence.to_lowercase().contains(" from ")
}

/// What stands between quotation marks or backticks is somebody's own, and goes.
fn without_quoted(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let close = match c {
            '`' => '`',
            '"' => '"',
            '“' | '„' => '”',
            '«' => '»',
            // An apostrophe stands behind a letter.
            '\'' | '‘' if !before.is_alphanumeric() => '\'',
            _ => {
                out.push(c);
                before = c;
                continue;
            }
        };
        for inner in chars.by_ref() {
            if inner == close || (close == '\'' && inner == '’') || (close == '”' && inner == '“')
            {
                break;
            }
        }
        out.push_str(LEFT_OUT);
        before = ']';
        // Not glued to what follows.
        if chars.peek().is_some_and(|next| next.is_alphanumeric()) {
            out.push(' ');
        }
    }
    out
}

fn sentences(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        if matches!(c, '.' | '!' | '?' | '\n')
            && text[at + c.len_utf8()..]
                .chars()
                .next()
                .is_none_or(char::is_whitespace)
        {
            out.push(text[start..at + c.len_utf8()].trim());
            start = at + c.len_utf8();
        }
    }
    out.push(text[start..].trim());
    out.retain(|s| !s.is_empty());
    out
}

/// Parts of names that tell nothing about whose they are.
const COMMON: [&str; 34] = [
    "app",
    "web",
    "api",
    "database",
    "postgres",
    "postgresql",
    "user",
    "users",
    "client",
    "server",
    "pool",
    "the",
    "and",
    "for",
    "with",
    "from",
    "team",
    "lead",
    "call",
    "on-call",
    "oncall",
    "operator",
    "weir",
    "report",
    "import",
    "incident",
    "time",
    "not",
    "out",
    "all",
    "main",
    "data",
    "connections",
    "requests",
];

/// Words that a sentence may begin with and that are no names.
const STARTERS: [&str; 92] = [
    "a",
    "about",
    "after",
    "all",
    "an",
    "and",
    "any",
    "as",
    "at",
    "because",
    "before",
    "between",
    "both",
    "but",
    "by",
    "checkout",
    "clients",
    "connections",
    "customers",
    "data",
    "database",
    "deploy",
    "during",
    "each",
    "error",
    "errors",
    "every",
    "everything",
    "few",
    "first",
    "for",
    "from",
    "half",
    "if",
    "in",
    "it",
    "its",
    "jobs",
    "latency",
    "login",
    "logins",
    "many",
    "more",
    "most",
    "new",
    "no",
    "nobody",
    "none",
    "nothing",
    "on",
    "once",
    "one",
    "only",
    "orders",
    "other",
    "our",
    "pages",
    "payments",
    "people",
    "queries",
    "reads",
    "requests",
    "response",
    "restart",
    "rollback",
    "search",
    "service",
    "sign-in",
    "since",
    "some",
    "that",
    "the",
    "there",
    "these",
    "they",
    "this",
    "those",
    "traffic",
    "transactions",
    "two",
    "until",
    "user",
    "users",
    "waits",
    "we",
    "when",
    "while",
    "with",
    "within",
    "without",
    "writes",
    "you",
];

/// What ordinary words with a hyphen begin with.
const JOINED: [&str; 30] = [
    "on", "sign", "log", "re", "non", "third", "read", "write", "so", "half", "two", "one",
    "three", "in", "up", "pre", "post", "self", "auto", "long", "short", "well", "high", "low",
    "first", "second", "follow", "roll", "time", "co",
];

/// Words in capitals that are no names of ours.
const PROPER: [&str; 44] = [
    "i",
    "postgresql",
    "postgres",
    "weir",
    "utc",
    "http",
    "https",
    "api",
    "sql",
    "dns",
    "tcp",
    "tls",
    "cpu",
    "db",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "europe",
    "america",
    "asia",
    "africa",
    "internet",
    "web",
    "id",
    "ip",
    "ui",
    "url",
    "slo",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn clean(text: &str) -> String {
        let names = ["ann", "dashboard", "checkout-web"];
        Redactor {
            names: names.into_iter().map(str::to_owned).collect(),
            service: BTreeSet::new(),
        }
        .clean(text)
    }

    #[test]
    fn names_addresses_and_literals_go_and_the_story_stays() {
        assert_eq!(
            clean("Users of the dashboard waited up to 3.1 s between 13:58 and 14:06 UTC."),
            "Users of the (withheld) waited up to 3.1 s between 13:58 and 14:06 UTC."
        );
        assert_eq!(
            clean("The primary db-7.eu.example.com at 10.0.3.17:5432 refused 702 of 2,006 logins."),
            "The primary (withheld) at (withheld) refused 702 of 2,006 logins."
        );
        assert_eq!(
            clean("After the call Bob restarted `checkout-web` with pid 4711, 'x' and \"y z\"."),
            "After the call (withheld) restarted (withheld) with pid (withheld) and (withheld)."
        );
        assert_eq!(clean("It ran SELECT name FROM accounts."), "(withheld).");
        assert_eq!(clean("Ann, Bob, Cy"), "");
    }
}
