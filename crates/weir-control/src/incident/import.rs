//! An incident out of a report that anybody wrote: what was read ([`weir_lint::Facts`]) becomes
//! journal entries, and what could not be read becomes questions.
//!
//! # What always holds
//! - Nothing is invented. A time, an owner, a cause that the report does not give is a question.
//! - What Weir's own report of the result says is read back to the same: clocks, rows, actions,
//!   impact, cause. Marks that only its rendering adds ("(stated by …)", "\[J7\]", "(mitigated)") are
//!   taken off again.
//! - The entries are stated by the report, which is a system and not a person: its authors may
//!   never have seen them.
//!
//! # What is deliberately absent
//! - Reading: `weir-lint`. Measurements: a report has none that could be asked again, so an
//!   imported incident has no pool, no level and no series.

use jiff::Timestamp;
use weir_lint::facts::part::Part;
use weir_lint::facts::{Action, ActionType as ReadType, DetectedBy, Tag};
use weir_lint::tree::Kind as Block;
use weir_lint::{Doc, Facts};
use weir_model::{Severity, Wall};

use super::Incident;
use super::entry::{
    ActionStatus, ActionText, ActionType, By, Entry, IncidentId, Kind, NoteKind, Said, Topic,
};
use super::words::{date, time_of_day};
use crate::record::store::Journal;

/// Rows, statements and actions beyond these are named as questions and not taken in.
pub const ROWS_MAX: usize = 1_500;
/// The same for statements of one topic.
pub const STATED_MAX: usize = 20;
/// The same for actions.
pub const ACTIONS_MAX: usize = 100;

/// An incident as a report tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// Its entries, the first `opened`.
    pub said: Vec<Said>,
    /// What a person must still say.
    pub questions: Vec<String>,
}

/// Why no incident came of a report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportFault {
    /// No time at all could be told, so there is nothing to open an incident with.
    #[error(
        "{file}: no time could be read with its date: neither a start nor a row of a timeline. \
         Give the report a line such as `Start: 2026-11-23 13:58 UTC`"
    )]
    NoTime {
        /// The report.
        file: String,
    },
}

impl Import {
    /// The journal of these entries, as they are written down at `at`.
    pub fn entries(&self, id: IncidentId, file: &str, at: Wall) -> Vec<Entry> {
        self.said
            .iter()
            .enumerate()
            .map(|(index, said)| Entry {
                incident: id,
                seq: u32::try_from(index + 1).unwrap_or(u32::MAX),
                at,
                by: By::System(format!("report {}", name_of(file))),
                said: said.clone(),
            })
            .collect()
    }
}

/// Entries as a journal that a store takes in ([`crate::record::store::Store::import_now`]).
///
/// # Errors
/// An entry that has no form as JSON; none of ours is such.
pub fn journal(id: IncidentId, entries: Vec<Entry>) -> Result<Journal, serde_json::Error> {
    let texts: Result<Vec<String>, serde_json::Error> =
        entries.iter().map(serde_json::to_string).collect();
    Ok(Journal::new(id, entries.into_iter().zip(texts?).collect()))
}

/// What `file` tells, as entries.
///
/// # Errors
/// [`ImportFault::NoTime`].
pub fn import(doc: &Doc<'_>, facts: &Facts, file: &str) -> Result<Import, ImportFault> {
    let mut reading = Reading {
        facts,
        doc,
        said: Vec::new(),
        questions: Vec::new(),
    };
    reading.opening(file)?;
    reading.rows();
    reading.statements();
    reading.actions();
    Ok(Import {
        said: reading.said,
        questions: reading.questions,
    })
}

/// The last part of a path.
fn name_of(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}

struct Reading<'a> {
    facts: &'a Facts,
    doc: &'a Doc<'a>,
    said: Vec<Said>,
    questions: Vec<String>,
}

fn wall(at: Timestamp) -> Wall {
    Wall::from_micros(at.as_microsecond())
}

impl Reading<'_> {
    fn ask(&mut self, question: impl Into<String>) {
        let question = question.into();
        if !self.questions.contains(&question) {
            self.questions.push(question);
        }
    }

    fn started(&self) -> Option<Timestamp> {
        let clocks = &self.facts.clocks;
        clocks
            .started
            .as_ref()
            .and_then(|clock| clock.at)
            .or_else(|| self.facts.row(Tag::Impact).and_then(|row| row.at))
            .or_else(|| self.facts.rows.iter().find_map(|row| row.at))
    }

    fn ended(&self) -> Option<Timestamp> {
        let clocks = &self.facts.clocks;
        let open = self
            .facts
            .status
            .as_ref()
            .is_some_and(|s| matches!(s.says.to_lowercase().as_str(), "open" | "acknowledged"));
        if open && clocks.resolved.is_none() {
            return None;
        }
        clocks
            .ended
            .as_ref()
            .and_then(|clock| clock.at)
            .or(clocks.resolved)
    }

    fn opening(&mut self, file: &str) -> Result<(), ImportFault> {
        let facts = self.facts;
        let started = self.started().ok_or_else(|| ImportFault::NoTime {
            file: file.to_owned(),
        })?;
        if facts.clocks.started.as_ref().is_none_or(|c| c.at.is_none()) {
            self.ask("When did the impact start, with date and zone? The report states none; its first row that tells of impact was taken.");
        }
        if facts.clocks.started.as_ref().is_some_and(|c| c.ambiguous) {
            self.ask("Which day was it? The date in the report reads two ways.");
        }
        let detected = facts.clocks.detected.unwrap_or_else(|| {
            self.ask("When was it detected? The report has no row for it; the start was taken.");
            started
        });
        let severity = facts.severity.as_ref().and_then(|s| severity(&s.says));
        if severity.is_none() {
            self.ask(match &facts.severity {
                Some(said) => format!(
                    "Which of sev1 to sev4 is \"{}\"? sev3 was taken.",
                    clean(&said.says)
                ),
                None => "How severe was it, sev1 to sev4? The report does not say; sev3 was taken."
                    .to_owned(),
            });
        }
        // The date is added to the title again wherever it is shown.
        let day = format!(", {}", date(wall(started)));
        let title = facts
            .title
            .as_deref()
            .map(clean)
            .map(|title| title.strip_suffix(&day).map(str::to_owned).unwrap_or(title))
            .filter(|t| !t.is_empty());
        if title.is_none() {
            self.ask("What is it called: which service, which symptom? The report has no title.");
        }
        let detected_by = match facts.detected_by {
            Some(DetectedBy::Alert) => "alert",
            Some(DetectedBy::Customer | DetectedBy::Engineer) => "person",
            None => {
                self.ask("How was it noticed: by an alert, a customer, an engineer?");
                "person"
            }
        };
        self.said.push(Said::Opened {
            kind: Kind::Declared,
            pools: Vec::new(),
            level: None,
            severity: severity.unwrap_or(Severity::Sev3),
            impact_started_at: wall(started),
            detected_at: wall(detected),
            detected_by: detected_by.to_owned(),
            objective: String::new(),
            evidence: Vec::new(),
            baseline: None,
            title: Some(title.unwrap_or_else(|| format!("report {}", name_of(file)))),
            service: facts
                .service
                .as_deref()
                .map(clean)
                .filter(|s| !s.is_empty()),
        });
        Ok(())
    }

    /// The row of the detection has the title where nobody told of it.
    fn is_title(&self, says: &str) -> bool {
        matches!(self.said.first(), Some(Said::Opened { title: Some(title), .. }) if title == says)
    }

    /// A clock that some row of the report itself stops; a row of Weir's that tells that nothing
    /// stopped it is none.
    fn told(&self, when: Option<Timestamp>, tag: Tag) -> Option<Timestamp> {
        let at = when?;
        let here = || self.facts.rows.iter().filter(|row| row.at == Some(at));
        let ours = here().any(|row| is_ours(&clean(&row.says)));
        let told = here().any(|row| row.tags.contains(&tag) && !is_ours(&clean(&row.says)));
        (told || !ours).then_some(at)
    }

    /// The rows of the timeline, each with the clock that it stops.
    fn rows(&mut self) {
        let facts = self.facts;
        let clocks = &facts.clocks;
        let ended = self.ended();
        let started = self.started();
        // Which row stops which clock: one each.
        let mut open: Vec<(NoteKind, Option<Timestamp>)> = vec![
            (NoteKind::Impact, started),
            (NoteKind::Detected, clocks.detected),
            (NoteKind::Ack, self.told(clocks.acked, Tag::Acked)),
            (
                NoteKind::Identified,
                self.told(clocks.identified, Tag::Identified),
            ),
            (
                NoteKind::Mitigated,
                self.told(clocks.mitigated, Tag::Mitigated),
            ),
            (NoteKind::Resolved, ended),
        ];
        let mut without_time = 0;
        let mut beyond = 0;
        for row in &facts.rows {
            let (says, marked) = unmarked(&clean(&row.says));
            if says.is_empty() && marked.is_none() || is_ours(&says) || self.is_title(&says) {
                continue;
            }
            let Some(at) = row.at else {
                without_time += 1;
                if without_time <= 5 {
                    self.ask(format!("When was this, with date and zone: \"{says}\"?"));
                }
                continue;
            };
            if self.said.len() > ROWS_MAX {
                beyond += 1;
                continue;
            }
            // What was usual before is no change that could have set it off.
            let usual = says.starts_with("the usual, for ");
            let kind = match marked {
                None if usual => None,
                Some(kind) => Some(kind),
                None => open
                    .iter()
                    .find(|(kind, when)| {
                        *when == Some(at) && row.tags.iter().any(|tag| stops(*tag) == Some(*kind))
                    })
                    .map(|(kind, _)| *kind)
                    .or_else(|| row.tag.and_then(beside)),
            };
            // A mark of a row that only looks like a second end of the same clock is none.
            let kind = kind.filter(|kind| {
                !is_clock(*kind)
                    || open
                        .iter()
                        .any(|(k, when)| k == kind && when.is_none_or(|w| w == at))
            });
            if let Some(kind) = kind {
                open.retain(|(known, _)| *known != kind || !is_clock(kind));
            }
            self.said.push(Said::Note {
                says,
                happened_at: Some(wall(at)),
                kind,
            });
        }
        if without_time > 5 {
            self.ask(format!("When were {} more rows?", without_time - 5));
        }
        if beyond > 0 {
            self.ask(format!(
                "{beyond} rows beyond {ROWS_MAX} were not taken in: which of them matter?"
            ));
        }
        self.clocks_without_rows(&open);
    }

    /// An end that only the header gives still stops its clock.
    fn clocks_without_rows(&mut self, open: &[(NoteKind, Option<Timestamp>)]) {
        for (kind, when) in open {
            let says = match kind {
                // The opening carries these two.
                NoteKind::Impact | NoteKind::Detected => continue,
                NoteKind::Resolved => "over, as the header of the report has it",
                NoteKind::Mitigated => "impact gone",
                NoteKind::Identified => "cause found",
                _ => "somebody took it",
            };
            match when {
                Some(at) => self.said.push(Said::Note {
                    says: says.to_owned(),
                    happened_at: Some(wall(*at)),
                    kind: Some(*kind),
                }),
                None => self.ask(match kind {
                    NoteKind::Ack => "Who took it, and when? The report has no row for it.",
                    NoteKind::Identified => {
                        "When was the cause found? The report has no row for it."
                    }
                    NoteKind::Mitigated => {
                        "When was the impact gone? The report has no row for it."
                    }
                    _ => "When was it over? The report gives no end.",
                }),
            }
        }
    }

    fn state(&mut self, topic: Topic, says: &str) {
        let says = clean(says).replace(" | ", "; ");
        // Several paragraphs may have come together; what only asks is no statement.
        let says: Vec<&str> = says
            .split(". ")
            .filter(|part| !is_open(part) && !is_ours(part))
            .collect();
        let says = says.join(". ");
        let known = self
            .said
            .iter()
            .filter(|said| matches!(said, Said::Stated { topic: t, .. } if *t == topic));
        let (mut count, mut again) = (0, false);
        for said in known {
            count += 1;
            again |= matches!(said, Said::Stated { says: known, .. } if known.contains(&says));
        }
        if says.is_empty() || again || is_open(&says) {
            return;
        }
        if count >= STATED_MAX {
            self.ask(format!(
                "More than {STATED_MAX} statements about {topic} were found: which of the rest matter?"
            ));
            return;
        }
        self.said.push(Said::Stated {
            topic,
            says,
            happened_at: None,
        });
    }

    /// States it, or asks for it.
    fn say(&mut self, topic: Topic, said: Option<&str>, question: &str) {
        let before = self.said.len();
        if let Some(says) = said {
            self.state(topic, says);
        }
        if self.said.len() == before {
            self.ask(question);
        }
    }

    fn statements(&mut self) {
        let facts = self.facts;
        let summary = self.paragraphs(&[Part::Summary], 3);
        for says in &summary {
            self.state(Topic::Summary, says);
        }
        self.impact(&summary.join(" "));
        let of = |said: &Option<weir_lint::facts::Said>| said.as_ref().map(|s| s.says.clone());
        let (data, worked) = (of(&facts.data_lost), of(&facts.still_worked));
        self.say(
            Topic::DataLost,
            data.as_deref(),
            "Was any data lost, corrupted or exposed?",
        );
        self.say(Topic::StillWorked, worked.as_deref(), "What kept working?");
        let (trigger, mut cause) = (of(&facts.trigger), of(&facts.cause));
        let surprise = self.surprise();
        // Why nobody saw it coming stands beside the cause and is another matter.
        if let Some(cause) = &mut cause {
            let mut clean_cause = clean(cause);
            for other in &surprise {
                clean_cause = clean_cause.replace(other.as_str(), "");
            }
            *cause = clean_cause;
        }
        self.say(
            Topic::Trigger,
            trigger.as_deref(),
            "What set it off, and why at this time?",
        );
        self.say(Topic::RootCause, cause.as_deref(), "What was the cause?");
        let how = of(&facts.identified_how);
        self.say(
            Topic::HowIdentified,
            how.as_deref(),
            "How was the cause found: by which query, graph or number?",
        );
        let (resolution, recovery) = (of(&facts.resolution), of(&facts.recovery));
        self.say(Topic::Mitigation, resolution.as_deref(), "What ended it?");
        self.say(
            Topic::Recovery,
            recovery.as_deref(),
            "By which metric and threshold is it known to be over, and how long was it watched?",
        );
        for factor in &facts.factors {
            self.state(Topic::Factor, &factor.says);
        }
        for lead in &facts.false_leads {
            self.state(Topic::FalseLead, &lead.says);
        }
        for says in &surprise {
            self.state(Topic::WhySurprised, says);
        }
        for (topic, all) in [
            (Topic::WentWell, &facts.went_well),
            (Topic::WentWrong, &facts.went_wrong),
            (Topic::Lucky, &facts.lucky),
        ] {
            for said in all {
                self.state(topic, &said.says);
            }
        }
    }

    /// Who was hurt: the fields that say so, else the sentences with shares in them.
    fn impact(&mut self, summary: &str) {
        let parts = [Part::Summary, Part::Impact, Part::Metadata];
        let mut found: Vec<String> = Vec::new();
        for field in &self.doc.fields {
            let key = field.key.as_str();
            let own = key == "impact" || key == "impact further";
            let about = own
                || key.contains("impact")
                || key.contains("affected")
                || matches!(
                    key,
                    "users"
                        | "customers"
                        | "requests"
                        | "transactions"
                        | "errors"
                        | "error rate"
                        | "error budget"
                        | "tickets"
                );
            if !about || !field.parts.any(&parts) && !field.parts.is_empty() {
                continue;
            }
            let value = clean(&field.value.plain);
            if value.is_empty()
                || is_open(&value)
                || value.split_whitespace().count() < 2
                || value.starts_with("not measured")
            {
                continue;
            }
            found.push(if own {
                value
            } else {
                format!("{}: {value}", capital(key))
            });
        }
        for affected in self.facts.affected.iter().filter(|a| a.in_summary) {
            let says = clean(&affected.sentence);
            if !summary.contains(&says)
                && !found
                    .iter()
                    .any(|f| f.contains(&says) || says.contains(f.as_str()))
            {
                found.push(says);
            }
        }
        if found.is_empty() {
            found.extend(self.paragraphs(&[Part::Impact], 6));
        }
        if found.is_empty() && self.facts.affected.is_empty() && self.facts.quantities.is_empty() {
            self.ask("Who was hurt, and how many of how many?");
        }
        for says in found.iter().take(8) {
            self.state(Topic::Impact, says);
        }
    }

    /// Running text and items about some parts.
    fn paragraphs(&self, parts: &[Part], most: usize) -> Vec<String> {
        self.doc
            .about_any(parts)
            .filter(|(_, block)| {
                !block.quoted && matches!(block.kind, Block::Para | Block::Item { .. })
            })
            .map(|(_, block)| clean(&block.text.plain))
            .filter(|says| says.split_whitespace().count() >= 4 && !is_ours(says) && !is_open(says))
            .take(most)
            .collect()
    }

    /// What answers why nobody saw it coming, under whatever label.
    fn surprise(&self) -> Vec<String> {
        const ASKED: [&str; 5] = [
            "surprise",
            "surprised",
            "not caught",
            "not noticed sooner",
            "not detected sooner",
        ];
        self.doc
            .fields
            .iter()
            .filter(|field| ASKED.iter().any(|asked| field.key.contains(asked)))
            .map(|field| clean(&field.value.plain))
            .filter(|says| !is_open(says))
            .take(3)
            .collect()
    }

    fn actions(&mut self) {
        let facts = self.facts;
        if facts.actions.is_empty() {
            self.ask("What will be done so that it does not happen again?");
        }
        let mut taken: Vec<String> = Vec::new();
        let mut changes = Vec::new();
        for action in facts.actions.iter().take(ACTIONS_MAX) {
            let id = self.action_id(action, &taken);
            taken.push(id.clone());
            let says = clean(&action.says);
            let kind = match action.kind {
                Some(kind) => kind_of(kind),
                None => {
                    self.ask(format!(
                        "Which type is {id}: prevent, detect, mitigate or process?"
                    ));
                    guess(&says)
                }
            };
            let due = action
                .due
                .map(|day| day.to_string())
                .or_else(|| action.due_says.clone())
                .filter(|due| !is_open(due));
            let owner = action.owner.clone().filter(|owner| !is_open(owner));
            if owner.is_none() || due.is_none() {
                self.ask(format!("Who owns {id}, and by which date?"));
            }
            let known =
                |value: &Option<String>| value.as_deref().map(clean).filter(|v| !is_open(v));
            self.said.push(Said::ActionAdded {
                action: ActionText {
                    id: id.clone(),
                    says,
                    for_what: known(&action.addresses).unwrap_or_default(),
                    kind,
                    owner,
                    due,
                    priority: known(&action.priority)
                        .map_or_else(String::new, |p| p.to_lowercase()),
                    tracker: known(&action.tracker),
                    verify: known(&action.verify).unwrap_or_default(),
                },
            });
            if let Some((status, says)) = status_of(action) {
                changes.push(Said::ActionChanged {
                    id,
                    owner: None,
                    due: None,
                    priority: None,
                    tracker: None,
                    verify: None,
                    status: Some(status),
                    says,
                });
            }
        }
        self.said.extend(changes);
        if facts.actions.len() > ACTIONS_MAX {
            self.ask(format!(
                "{} actions beyond {ACTIONS_MAX} were not taken in: which of them matter?",
                facts.actions.len() - ACTIONS_MAX
            ));
        }
    }

    /// The id that it has, where that is one of ours and free.
    fn action_id(&self, action: &Action, taken: &[String]) -> String {
        let ours = action.id.as_deref().map(str::trim).filter(|id| {
            id.strip_prefix('A')
                .is_some_and(|n| n.parse::<u16>().is_ok())
                && !taken.iter().any(|t| t == id)
        });
        match ours {
            Some(id) => id.to_owned(),
            None => (1..=u32::MAX)
                .map(|n| format!("A{n}"))
                .find(|id| {
                    !taken.contains(id)
                        && !self.facts.actions.iter().any(|a| a.id.as_ref() == Some(id))
                })
                .unwrap_or_else(|| "A0".to_owned()),
        }
    }
}

/// The clock that a row of this tag stops.
fn stops(tag: Tag) -> Option<NoteKind> {
    match tag {
        Tag::Impact => Some(NoteKind::Impact),
        Tag::Detected => Some(NoteKind::Detected),
        Tag::Acked => Some(NoteKind::Ack),
        Tag::Identified => Some(NoteKind::Identified),
        Tag::Mitigated => Some(NoteKind::Mitigated),
        Tag::Resolved => Some(NoteKind::Resolved),
        Tag::Trigger | Tag::Escalated | Tag::Update => None,
    }
}

/// What a row tells of that stops no clock.
fn beside(tag: Tag) -> Option<NoteKind> {
    match tag {
        Tag::Trigger => Some(NoteKind::Marker),
        Tag::Escalated => Some(NoteKind::Escalated),
        Tag::Update => Some(NoteKind::Update),
        _ => None,
    }
}

fn is_clock(kind: NoteKind) -> bool {
    !matches!(
        kind,
        NoteKind::Marker | NoteKind::Escalated | NoteKind::Update | NoteKind::Action
    )
}

fn severity(says: &str) -> Option<Severity> {
    let lower = says.to_lowercase();
    let digit = lower
        .chars()
        .find(char::is_ascii_digit)
        .and_then(|c| c.to_digit(10));
    let numbered = ["sev", "p", "s", "level", "priority"]
        .iter()
        .any(|word| lower.starts_with(word));
    match (digit, numbered) {
        (Some(0 | 1), true) => Some(Severity::Sev1),
        (Some(2), true) => Some(Severity::Sev2),
        (Some(3), true) => Some(Severity::Sev3),
        (Some(4 | 5), true) => Some(Severity::Sev4),
        _ if lower.contains("critical") || lower.contains("blocker") => Some(Severity::Sev1),
        _ if lower.contains("major") || lower.contains("high") => Some(Severity::Sev2),
        _ if lower.contains("moderate") || lower.contains("medium") => Some(Severity::Sev3),
        _ if lower.contains("minor") || lower.contains("low") => Some(Severity::Sev4),
        _ => None,
    }
}

fn kind_of(kind: ReadType) -> ActionType {
    match kind {
        ReadType::Prevent => ActionType::Prevent,
        ReadType::Detect => ActionType::Detect,
        ReadType::Mitigate => ActionType::Mitigate,
        ReadType::Process => ActionType::Process,
    }
}

/// By its words, until somebody answers the question.
fn guess(says: &str) -> ActionType {
    let lower = says.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if any(&["alert", "monitor", "dashboard", "page ", "detect"]) {
        ActionType::Detect
    } else if any(&["runbook", "train", "document", "on-call", "drill"]) {
        ActionType::Process
    } else {
        ActionType::Prevent
    }
}

/// How far an action is, and the words beside it.
fn status_of(action: &Action) -> Option<(ActionStatus, String)> {
    let text = action.status.as_deref().map(clean).unwrap_or_default();
    let lower = text.to_lowercase();
    let status = if lower.starts_with("verified") {
        ActionStatus::Verified
    } else if ["wontdo", "won't", "declined", "rejected"]
        .iter()
        .any(|word| lower.starts_with(word))
    {
        ActionStatus::Wontdo
    } else if action.done {
        ActionStatus::Done
    } else {
        return None;
    };
    // `done since 2026-11-23: the words`, as a report of Weir has it.
    let says = match text.split_once(" since ") {
        Some((_, rest)) => rest.split_once(": ").map_or("", |(_, words)| words),
        None => "",
    };
    Some((status, says.to_owned()))
}

/// What only Weir's rendering adds.
fn is_ours(says: &str) -> bool {
    says.starts_with("until here: ")
        || says == "impact begins, as far as is known"
        || says.contains("the journal holds no")
        || says.contains("Weir gave no order")
        || says.starts_with("Not seen by Weir")
        || says.starts_with("Mitigated at ")
        || says.starts_with("Resolved at ")
        || LABELS
            .iter()
            .any(|label| says == label.trim_end_matches([' ', '.']))
        || says.starts_with("All times are UTC")
        || says.contains("the journal holds nothing")
        || says.starts_with("Draft: the incident is")
        || says.starts_with("Declared for ")
}

/// Only a person can say it.
fn is_open(says: &str) -> bool {
    let lower = says.trim().to_lowercase();
    lower.is_empty()
        || lower.contains("open question")
        || lower.contains("the journal holds no")
        || lower.contains("diagnosis names none")
        || lower.contains("not measured")
        || lower.ends_with(':')
        || matches!(lower.as_str(), "tbd" | "-" | "–" | "none yet" | "n/a")
        || lower.starts_with("not measured")
}

/// A row without the mark of its clock, and the mark.
fn unmarked(says: &str) -> (String, Option<NoteKind>) {
    const MARKS: [(&str, Option<NoteKind>); 12] = [
        ("(trigger)", Some(NoteKind::Marker)),
        ("(marker)", Some(NoteKind::Marker)),
        ("(impact starts)", Some(NoteKind::Impact)),
        ("(impact again)", None),
        ("(detected)", Some(NoteKind::Detected)),
        ("(identified)", Some(NoteKind::Identified)),
        ("(acknowledged)", Some(NoteKind::Ack)),
        ("(escalated)", Some(NoteKind::Escalated)),
        ("(mitigated)", Some(NoteKind::Mitigated)),
        ("(resolved)", Some(NoteKind::Resolved)),
        ("(update)", Some(NoteKind::Update)),
        ("(reviewed)", None),
    ];
    for (mark, kind) in MARKS {
        if let Some(rest) = says.strip_suffix(mark) {
            return (clean(rest), kind);
        }
    }
    (says.to_owned(), None)
}

/// Labels that a report of Weir puts before a statement, and the reader takes for its words.
const LABELS: [&str; 9] = [
    "Data lost, stated ",
    "Data lost ",
    "What kept working, stated ",
    "What kept working ",
    "How it was identified. ",
    "What it was not. ",
    "Why it was a surprise. ",
    "Mitigation. ",
    "Recovery. ",
];

/// Sentences of Weir's own where nobody said anything.
const OWN: [&str; 2] = [
    "What removes the cause for good stands in part 5.",
    "None is known while the cause is not.",
];

/// What somebody wrote, without what Weir's rendering put around it.
fn clean(says: &str) -> String {
    // What stood in backticks is text by now, and a lone one would begin code again.
    let mut text = says
        .replace('`', "")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if let Some((label, rest)) = text.split_once(": ")
        && label
            .strip_prefix('F')
            .is_some_and(|n| n.parse::<u16>().is_ok())
    {
        text = rest.to_owned();
    }
    for label in LABELS {
        if let Some(rest) = text.strip_prefix(label) {
            text = rest.to_owned();
            break;
        }
    }
    for own in OWN {
        text = text.replace(own, "");
    }
    loop {
        let before = text.len();
        text.truncate(text.trim_end_matches(['.', ' ']).len());
        // Evidence: `[E3]`, `[J7]`, `[J1] to [J29]`.
        if let Some(open) = text.rfind('[')
            && text.ends_with(']')
            && text[open + 1..text.len() - 1]
                .strip_prefix(['E', 'J'])
                .is_some_and(|n| n.parse::<u32>().is_ok())
        {
            text.truncate(open);
            text.truncate(text.trim_end_matches([' ', ',']).len());
            text.truncate(
                text.strip_suffix("] to")
                    .map_or(text.len(), |t| t.len() + 1),
            );
        }
        if let Some(open) = text.rfind(" (stated by ").or_else(|| text.rfind(" (at "))
            && text.ends_with(')')
            && text[open..].contains("stated by ")
        {
            text.truncate(open);
        }
        if text.len() == before {
            break;
        }
    }
    // In the middle, where several statements stand in one paragraph.
    while let Some(open) = text.find(" (stated by ") {
        let Some(close) = text[open..].find(')') else {
            break;
        };
        let mut end = open + close + 1;
        let rest = &text[end..];
        if let Some(after) = rest.strip_prefix(" [J")
            && let Some(stop) = after.find(']')
            && after[..stop].parse::<u32>().is_ok()
        {
            end += 3 + stop + 1;
        }
        text.replace_range(open..end, "");
    }
    text.trim().to_owned()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// What would come of it, for a person who looks before it is written down.
pub fn preview(import: &Import, incident: &Incident) -> String {
    let clocks = incident.clocks();
    let stamp = |at: Option<Wall>| {
        at.map_or_else(
            || "not known".to_owned(),
            |at| format!("{} {} UTC", date(at), time_of_day(at)),
        )
    };
    let mut out = format!(
        "{}\nseverity     {}\nstarted      {}\ndetected     {}\nacknowledged {}\ncause named  {}\nmitigated    {}\nresolved     {}\n",
        incident.title(),
        incident.severity,
        stamp(Some(clocks.impact_started_at)),
        stamp(Some(clocks.detected_at)),
        stamp(clocks.acknowledged_at),
        stamp(clocks.cause_named_at),
        stamp(clocks.mitigated_at),
        stamp(clocks.resolved_at),
    );
    let count = |is: fn(&Said) -> bool| import.said.iter().filter(|said| is(said)).count();
    out.push_str(&format!(
        "\n{} rows, {} statements, {} actions\n",
        count(|s| matches!(s, Said::Note { .. })),
        count(|s| matches!(s, Said::Stated { .. })),
        count(|s| matches!(s, Said::ActionAdded { .. })),
    ));
    for said in &import.said {
        match said {
            Said::Note {
                says,
                happened_at: Some(at),
                kind,
            } => out.push_str(&format!(
                "  {} {}  {:<10} {says}\n",
                date(*at),
                time_of_day(*at),
                kind.map_or("", NoteKind::name)
            )),
            Said::Stated { topic, says, .. } => {
                out.push_str(&format!("  {:<14} {says}\n", topic.name()));
            }
            Said::ActionAdded { action } => out.push_str(&format!(
                "  {:<4} {}  ({}, {}, {})\n",
                action.id,
                action.says,
                action.kind,
                action.owner.as_deref().unwrap_or("no owner"),
                action.due.as_deref().unwrap_or("no date")
            )),
            _ => {}
        }
    }
    if !import.questions.is_empty() {
        out.push_str("\nquestions\n");
        for question in &import.questions {
            out.push_str(&format!("  ? {question}\n"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_rendering_adds_is_taken_off_again() {
        for (rendered, said) in [
            ("It broke (stated by ann) [J12].", "It broke"),
            ("F2: It broke. [E1] [J2]", "It broke"),
            (
                "It broke (at 2026-11-23 13:58:41 UTC; stated by ann) [J3].",
                "It broke",
            ),
            (
                "Data lost, stated none: all there (stated by r.md) [J3].",
                "none: all there",
            ),
            (
                "Off (CHG-1) (stated by a b) [J1]. On (stated by c) [J2].",
                "Off (CHG-1). On",
            ),
            ("costs 5 (five) coins.", "costs 5 (five) coins"),
            ("It is so. [J1] to [J29]", "It is so"),
        ] {
            assert_eq!(clean(rendered), said);
        }
        assert_eq!(
            unmarked("pool full (impact starts)"),
            ("pool full".to_owned(), Some(NoteKind::Impact))
        );
    }
}
