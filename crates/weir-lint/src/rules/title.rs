//! IR01 and IR02: what the report is about, and who stands for it.

use super::{Cx, Hit};
use crate::words::{clock, pattern};

/// Words of a title that say nothing about this incident.
fn generic() -> &'static regex::Regex {
    pattern!(
        r"(?i)^(?:post-?mortem|post|mortem|incident|report|rca|root|cause|analysis|review|retrospective|summary|the|of|for|on|in|at|a|an|and|our|issue|problem|problems|issues|major|minor|critical|severity|blameless|write-?up|correction|error|errors|coe|production|prod|event|document|template|draft|final|internal|public|q[1-4]|sev-?\d?|p[0-5]|inc|ir|pm|no|nr|number|id|service|system|january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun|monday|tuesday|wednesday|thursday|friday|saturday|sunday|morning|afternoon|evening|night|week|utc|last|yesterday|today|company|outage|downtime|interruption|disruption|from|to|with|by|about|what|happened|how|we|it|was|v?\d+)$"
    )
}

/// Words that say what users saw.
fn symptom() -> &'static regex::Regex {
    pattern!(
        r"(?i)slow|fail|error|unavailab|degrad|\bdown\b|outage|downtime|latenc|time[- ]?out|timing out|exhaust|starv|loss\b|\blost\b|los(?:e|ing)\b|delay|stall|crash|reject|refus|stuck|missing|miss(?:ed|es)\b|duplicat|double|twice|wrong|incorrect|stale|corrupt|leak|unreachable|saturat|elevated|\b5\d\d\b|\b5xx\b|\blag\b|lagg|backlog|\bfull\b|expir|interrupt|disrupt|unable|cannot|can't|could not|\bnot\b|\bno\b|broke|\bdrop|block|overload|spik|hang|hung|freez|frozen|breach|deadlock|offline|late\b|outdated|empty|blank|redirect|expos|surge|\bran out\b|runs out|out of\b|locked|throttl|limit|partial|halt|stop|queue|\bdied\b|gone|split|flap|deleted|overwr|inconsisten|mismatch|unrespons|\bmust wait|waiting|page load|withdrawn|undeliver|bounc|skipp|garbled"
    )
}

pub(super) fn title_says_it(cx: &Cx<'_>) -> Vec<Hit> {
    let wanted = "name the service and the symptom: `<service>: <symptom>, <date>`";
    let Some(title) = &cx.facts.title else {
        return vec![Hit::new(cx.title(), "the report has no title").fix(wanted)];
    };
    let date = clock::stamps(title).into_iter().any(|s| s.day.is_some());
    let bare: String = {
        let mut text = title.clone();
        for stamp in clock::stamps(title).into_iter().rev() {
            text.replace_range(stamp.range, " ");
        }
        text
    };
    let bare = pattern!(r"\b[A-Z]{2,9}-\d[\d-]*\b")
        .replace_all(&bare, " ")
        .into_owned();
    let words: Vec<&str> = pattern!(r"[\p{L}\d][\p{L}\d'’/._-]*")
        .find_iter(&bare)
        .map(|m| m.as_str())
        .collect();
    let content: Vec<&&str> = words.iter().filter(|w| !generic().is_match(w)).collect();
    let service = content.iter().any(|w| !symptom().is_match(w));
    let says = symptom().is_match(&bare) || content.len() >= 5;
    let message = match (service, says) {
        (false, _) => format!("the title \"{title}\" names no service"),
        (true, false) => format!("the title \"{title}\" names no symptom: what did users see?"),
        (true, true) if cx.strict() && !date => format!("the title \"{title}\" has no date"),
        _ => return Vec::new(),
    };
    let offer = suggestion(cx);
    vec![Hit::new(cx.title(), message).fix(match offer {
        Some(title) => format!("{wanted}, say \"{title}\""),
        None => wanted.to_owned(),
    })]
}

/// A title from what the report says elsewhere.
fn suggestion(cx: &Cx<'_>) -> Option<String> {
    let impact = cx
        .doc
        .field(&["impact", "customer impact", "symptom", "summary"])?;
    let first = impact
        .value
        .plain
        .split(['|', '.', ';', ','])
        .next()?
        .trim();
    let short = first.split_whitespace().count() <= 9 && !first.is_empty();
    let day = cx.facts.day.map(|d| format!(", {d}")).unwrap_or_default();
    short.then(|| format!("{first}{day}"))
}

pub(super) fn metadata(cx: &Cx<'_>) -> Vec<Hit> {
    let facts = cx.facts;
    let mut missing = Vec::new();
    if facts.authors.is_empty() {
        missing.push("author or owner");
    }
    if facts.status.is_none() {
        missing.push("status");
    }
    if facts.severity.is_none() {
        missing.push("severity");
    }
    if facts.day.is_none() && facts.published.is_none() {
        missing.push("date");
    }
    if cx.strict() && facts.id.is_none() {
        missing.push("id");
    }
    if missing.is_empty() {
        return Vec::new();
    }
    let day = facts
        .day
        .map_or_else(|| "<date>".to_owned(), |d| d.to_string());
    let fix = format!(
        "add a front matter block: {}",
        missing
            .iter()
            .map(|m| match *m {
                "author or owner" => "`authors: [<name or team>]`".to_owned(),
                "status" => "`status: draft`".to_owned(),
                "severity" => "`severity: <sev1 to sev4>`".to_owned(),
                "date" => format!("`date: {day}`"),
                _ => "`id: <INC-n>`".to_owned(),
            })
            .collect::<Vec<_>>()
            .join(", ")
    );
    vec![
        Hit::new(
            cx.title(),
            format!("no {} can be found", missing.join(", no ")),
        )
        .fix(fix),
    ]
}
