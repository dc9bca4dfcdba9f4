//! What goes out to people and programs when an incident opens, changes or resolves; whom to call,
//! when, and when not. Builds payloads and decides; sending is the business of `weir-api`.
//!
//! | file | answers |
//! |---|---|
//! | [`alertmanager`] [`cloudevents`] [`pagerduty`] [`slack`] [`opsgenie`] [`email`] [`grafana`] [`otlp`] | what exactly does this channel want to read? |
//! | [`policy`] | which steps are meant for which incident, and who is behind a name? |
//! | [`hours`] | is somebody at work now, and if not, when? |
//! | [`silence`] | who wanted which incidents to page nobody, and until when? |
//! | [`escalate`] | what is the next thing to do about an incident, and when? |
//! | [`announce`] | should this channel be told of this incident at all? |
//!
//! # What always holds
//! - The same incident gives the same labels, keys and aliases from first to last: they are its
//!   identity, by which the other side knows that the end belongs to the beginning. What changes
//!   (severity of the moment, waiting clients, cause) stands elsewhere.
//! - The page is one line that carries pool, cause, evidence, remedy and undo.
//! - Nothing here reads a clock, sends anything or knows a secret that it wasn't handed.

pub mod alertmanager;
pub mod announce;
pub mod cloudevents;
pub mod email;
pub mod escalate;
pub mod grafana;
pub mod hours;
pub mod opsgenie;
pub mod otlp;
pub mod outside;
pub mod pagerduty;
pub mod policy;
pub mod silence;
pub mod slack;

use std::fmt::Write as _;

use weir_model::{Level, Severity, Wall};

use crate::incident::Incident;
use crate::incident::entry::{By, Entry, IncidentId, Kind, Said};
use crate::incident::words;
use crate::report::order_words;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A new incident.
    Opened,
    /// Its level, cause, severity or size changed.
    Changed,
    /// A step of the escalation calls somebody.
    Called,
    /// Somebody has it.
    Acknowledged,
    /// It is over.
    Resolved,
    /// Does this channel work?
    Test,
}

/// What a test message says.
pub const TEST_SAYS: &str = "This is a test of a notification channel. Nothing is wrong.";

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// How people reach the API, for links.
    pub external_url: String,
    /// Which cluster this Weir belongs to.
    pub cluster: String,
    /// Which of the cluster's Weirs this is.
    pub instance: String,
}

impl Speaker {
    fn base(&self) -> &str {
        self.external_url.trim_end_matches('/')
    }
}

/// A message to be put into a channel's words.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// About what.
    pub what: What,
    /// The incident as it is now.
    pub incident: &'a Incident,
    /// Who speaks.
    pub from: &'a Speaker,
    /// Who is called, where a step of the escalation sends it.
    pub to: Option<&'a str>,
    /// Which step, from one.
    pub step: Option<u32>,
    /// Who acknowledged.
    pub by: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// A message to everybody.
    pub fn new(what: What, incident: &'a Incident, from: &'a Speaker) -> Self {
        Self {
            what,
            incident,
            from,
            to: None,
            step: None,
            by: None,
        }
    }

    fn link(&self) -> String {
        format!("{}/api/v1/incidents/{}", self.from.base(), self.incident.id)
    }

    fn report_link(&self) -> String {
        format!("{}/report?format=html", self.link())
    }

    fn is_drill(&self) -> bool {
        self.incident.kind == Kind::Drill
    }
}

/// An incident that never was, to try a channel with: `INC-0`, a drill, least severe.
pub fn test_incident(now: Wall) -> Incident {
    let entry = Entry {
        incident: IncidentId(0),
        seq: 1,
        at: now,
        by: By::Weir,
        said: Said::Opened {
            kind: Kind::Drill,
            pools: vec![weir_model::PoolKey::new("weir", "test")],
            level: Some(Level::Exhausted),
            severity: Severity::Sev4,
            impact_started_at: now,
            detected_at: now,
            detected_by: "weir".to_owned(),
            objective: "99% of waits < 10ms".to_owned(),
            evidence: Vec::new(),
            baseline: None,
            title: None,
            service: None,
        },
    };
    Incident::replay(&[entry]).expect("one `opened` with seq 1 is a whole journal")
}

/// The line a phone shows first: `INC-7 SEV2 app/dashboard: pool exhausted`.
pub fn summary(message: &Message<'_>) -> String {
    let incident = message.incident;
    if message.what == What::Test {
        return "Test message from Weir: nothing is wrong".to_owned();
    }
    let mut line = match message.is_drill() {
        true => "DRILL ".to_owned(),
        false => String::new(),
    };
    let _ = write!(
        line,
        "{} {} {}: {}",
        incident.id,
        incident.severity.name().to_uppercase(),
        incident.service(),
        incident.symptom()
    );
    if let Some(cause) = incident.top_cause() {
        let _ = write!(line, ", {}", words::phrase(cause.cause));
    }
    match message.what {
        What::Acknowledged => {
            let _ = write!(
                line,
                "; acknowledged by {}",
                message.by.unwrap_or("somebody")
            );
        }
        What::Resolved if let Some(into) = incident.merged_into => {
            let _ = write!(line, "; it goes on as {into}");
        }
        What::Resolved => {
            let _ = write!(
                line,
                "; resolved after {}",
                words::duration(incident.length())
            );
        }
        What::Called => {
            if let (Some(step), Some(to)) = (message.step, message.to) {
                let _ = write!(line, "; calling {to}, step {step}");
            }
        }
        What::Opened | What::Changed | What::Test => {}
    }
    one_line(&line, PAGE_MAX)
}

/// Is there anything left to tell or to call about? Not of one that is over, and not of a
/// duplicate: the incident that it was merged into speaks for it.
pub fn goes_on(incident: &Incident) -> bool {
    incident.status.is_ongoing() && !incident.is_merged()
}

fn kind_name(incident: &Incident) -> &'static str {
    match incident.kind {
        Kind::Real => "real",
        Kind::Drill => "drill",
        Kind::Declared => "declared",
    }
}

/// Names and values that stand beside the page; at most ten.
pub(crate) fn facts(incident: &Incident) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    fact("Severity", incident.severity.name().to_uppercase());
    fact("Status", incident.status.name().to_owned());
    fact("Service", incident.service());
    fact("Symptom", incident.symptom().to_owned());
    fact(
        "Started",
        words::rfc3339(incident.clocks().impact_started_at),
    );
    if let Some(cause) = incident.top_cause() {
        let share = words::share(cause.confidence);
        fact(
            "Cause",
            format!("{}, {share} sure", words::phrase(cause.cause)),
        );
        if !cause.remedy.says.trim().is_empty() {
            fact("Remedy", one_line(&cause.remedy.says, 300));
        }
    }
    if let Some(point) = incident.points.last() {
        fact("Waiting", point.waiting.to_string());
    }
    if let Some(measured) = &incident.measured {
        let impact = &measured.impact;
        fact(
            "Transactions",
            format!(
                "{} delayed, {} failed of {}",
                words::count(impact.delayed),
                words::count(impact.failed),
                words::count(impact.transactions)
            ),
        );
        if let (Some(hurt), Some(all)) = (impact.users_affected, impact.users) {
            fact(
                "Users",
                format!("{} of {}", words::count(hurt), words::count(all)),
            );
        }
    }
    facts.truncate(10);
    facts
}

/// Alertmanager cuts at 1,024 runes for PagerDuty; what a phone shows is shorter still.
const PAGE_MAX: usize = 900;

/// One line for whoever is on call: pool, symptom, who is hurt, cause, evidence, remedy, undo.
pub fn page(incident: &Incident) -> String {
    let drill = match incident.kind {
        Kind::Drill => "DRILL ",
        Kind::Real | Kind::Declared => "",
    };
    let mut line = format!(
        "{drill}{} {} {}: {}",
        incident.id,
        incident.severity.name().to_uppercase(),
        incident.service(),
        incident.symptom()
    );
    if let Some(seen) = incident.opening.first() {
        let _ = write!(
            line,
            " ({})",
            sentence(words::without_pool(&seen.says, incident.pools.first()))
        );
    }
    if let Some(measured) = &incident.measured {
        match (measured.impact.users_affected, measured.impact.users) {
            (Some(hurt), Some(all)) if all > 0 => {
                let _ = write!(
                    line,
                    "; {} of {} users affected",
                    words::count(hurt),
                    words::count(all)
                );
            }
            _ if measured.impact.clients == 0 => {}
            _ => {
                let _ = write!(
                    line,
                    "; {} of {} clients affected",
                    words::count(measured.impact.clients_affected),
                    words::count(measured.impact.clients)
                );
            }
        }
    }
    match incident.top_cause() {
        Some(cause) => {
            let _ = write!(
                line,
                ". Cause: {}, {} sure: {}",
                words::phrase(cause.cause),
                words::share(cause.confidence),
                sentence(&cause.says)
            );
            if let Some(evidence) = cause.evidence.first() {
                let _ = write!(line, " [{}]", sentence(&evidence.says));
            }
            if !cause.remedy.says.trim().is_empty() {
                let _ = write!(line, ". Remedy: {}", sentence(&cause.remedy.says));
            }
            if let Some(undo) = &cause.remedy.undo
                && !cause.remedy.says.contains("undo")
            {
                let _ = write!(line, ". Undo: {}", order_words(undo));
            }
        }
        None => line.push_str(". Cause: not known yet"),
    }
    if let Some(done) = incident.decisions.iter().rev().find(|d| d.acted) {
        let _ = write!(
            line,
            ". Weir acted: {} ({})",
            sentence(&done.says),
            done.decision
        );
    }
    if !incident.status.is_ongoing() {
        let _ = write!(
            line,
            ". Resolved after {}",
            words::duration(incident.length())
        );
    }
    line.push('.');
    one_line(&line, PAGE_MAX)
}

fn sentence(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}

/// No line breaks, no control characters, not longer than `most` letters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == most {
            out.push('…');
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

/// A name as part of a URI's path: CloudEvents wants `source` to be a URI reference.
pub(crate) fn uri_path(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// At most `most` letters, the last one `…` where something was cut.
pub(crate) fn runes(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}
