//! The interview as a state machine: a line comes in, a reply goes out. No terminal, no clock.
//!
//! # What always holds
//! - Every answer is kept as it was typed, in order; the report follows from the answers alone, so
//!   a draft that is read back stands where it was left.
//! - What was skipped becomes an open question of the report, never an invention.

use std::collections::BTreeSet;

use weir_control::incident::Incident;
use weir_control::incident::entry::{
    ActionText, ActionType, By, Entry, IncidentId, Kind, NoteKind, Said, Topic,
};
use weir_control::report;
use weir_lint::words::clock::{self, Stamp};
use weir_lint::words::zone::Zone;
use weir_model::{Severity, Wall};

use super::check::{self, Judge, Objection};
use super::steps::{Means, STEPS, Step};

/// More answers than any report needs.
const ANSWERS_MAX: usize = 500;
/// Rules that an answer can break by itself; the others speak of the whole report.
const JUDGED: [&str; 9] = [
    "IR01", "IR07", "IR10", "IR12", "IR20", "IR21", "IR22", "IR34", "IR42",
];

/// What comes of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Taken; with what may be better.
    Taken(Vec<String>),
    /// Not taken, and why.
    Refused(Vec<String>),
    /// What was asked with `?`.
    Explained(String),
    /// One question back.
    Back,
    /// Skipped: an open question now.
    Skipped,
    /// The person stops here.
    Quit,
}

/// A conversation.
pub(crate) struct Interview {
    by: String,
    now: Wall,
    at: usize,
    answers: Vec<(usize, String)>,
    known: BTreeSet<&'static str>,
    /// The incident that is there already, with its entries.
    existing: Option<Vec<Entry>>,
}

impl Interview {
    /// A report from nothing.
    pub(crate) fn new(by: &str, now: Wall) -> Self {
        Self {
            by: by.to_owned(),
            now,
            at: 0,
            answers: Vec::new(),
            known: BTreeSet::new(),
            existing: None,
        }
    }

    /// About an incident that is there: what it knows isn't asked.
    pub(crate) fn about(by: &str, now: Wall, known: BTreeSet<&'static str>) -> Self {
        let mut interview = Self {
            known,
            existing: Some(Vec::new()),
            ..Self::new(by, now)
        };
        interview.over_known();
        interview
    }

    /// The question that stands; `None`: all were asked.
    pub(crate) fn asks(&self) -> Option<&'static Step> {
        STEPS.get(self.at)
    }

    /// How many answers there are to the step that stands: a repeated one says so.
    pub(crate) fn given(&self) -> usize {
        self.answers.iter().filter(|(at, _)| *at == self.at).count()
    }

    /// The answers with their keys, for a draft.
    pub(crate) fn lines(&self) -> Vec<(&'static str, &str)> {
        self.answers
            .iter()
            .map(|(at, line)| (STEPS[*at].key, line.as_str()))
            .collect()
    }

    /// Where the conversation stands, for a draft.
    pub(crate) fn position(&self) -> &'static str {
        self.asks().map_or("done", |step| step.key)
    }

    /// Takes a draft up again. What it doesn't know of the draft is left out and named.
    pub(crate) fn resume(&mut self, lines: Vec<(String, String)>, position: &str) -> Vec<String> {
        let mut unknown = Vec::new();
        for (key, line) in lines {
            match STEPS.iter().position(|step| step.key == key) {
                Some(at) => self.answers.push((at, line)),
                None => unknown.push(key),
            }
        }
        self.at = STEPS
            .iter()
            .position(|step| step.key == position)
            .unwrap_or(STEPS.len());
        unknown
    }

    /// Takes a line.
    pub(crate) fn answer(&mut self, line: &str, judge: &dyn Judge) -> Reply {
        let Some(step) = self.asks() else {
            return Reply::Quit;
        };
        let line = line.trim();
        match line.to_lowercase().as_str() {
            "?" | "help" => return Reply::Explained(explanation(step)),
            "quit" | "exit" => return Reply::Quit,
            "back" => {
                self.back();
                return Reply::Back;
            }
            "" | "skip" | "done" => {
                self.skip(step);
                return Reply::Skipped;
            }
            _ => {}
        }
        if self.answers.len() >= ANSWERS_MAX {
            return Reply::Refused(vec![format!(
                "there are {ANSWERS_MAX} answers already; quit keeps them"
            )]);
        }
        let (line, insists) = match line.strip_prefix('!') {
            Some(rest) => (rest.trim(), true),
            None => (line, false),
        };
        if let Err(says) = self.readable(step, line) {
            return Reply::Refused(vec![says]);
        }
        let objections = self.objections(step, line, judge);
        let grave: Vec<String> = objections
            .iter()
            .filter(|o| o.grave)
            .map(|o| o.says.clone())
            .collect();
        if !grave.is_empty() && !insists {
            return Reply::Refused(grave);
        }
        self.answers.push((self.at, line.to_owned()));
        self.forward(step);
        Reply::Taken(objections.into_iter().map(|o| o.says).collect())
    }

    fn forward(&mut self, step: &Step) {
        match step.means {
            Means::Verify => self.at = index("action"),
            Means::Rows | Means::Several(_) => {}
            _ => self.at += 1,
        }
        self.over_known();
    }

    fn skip(&mut self, step: &Step) {
        match step.means {
            // Without an action there is nothing to ask of it.
            Means::Action => self.at = index("well"),
            Means::Verify => self.at = index("action"),
            _ => self.at += 1,
        }
        self.over_known();
    }

    fn over_known(&mut self) {
        while self
            .asks()
            .is_some_and(|step| self.known.contains(step.key))
        {
            self.at += 1;
        }
    }

    fn back(&mut self) {
        match self.answers.pop() {
            Some((at, _)) => self.at = at,
            None => {
                self.at = 0;
                self.over_known();
            }
        }
    }

    /// Whether the answer can be read as what it should be.
    fn readable(&self, step: &Step, line: &str) -> Result<(), String> {
        match step.means {
            Means::Severity => line
                .to_lowercase()
                .parse::<Severity>()
                .map(|_| ())
                .map_err(|_| format!("`{line}` is none of sev1, sev2, sev3, sev4")),
            Means::Start => self.start_of(line).map(|_| ()),
            Means::End => {
                let at = self.time_of(line)?.0;
                let start = self.start().ok_or("the start comes first: back")?;
                if at < start {
                    return Err(
                        "the end lies before the start; write the date too, if it was another day"
                            .to_owned(),
                    );
                }
                Ok(())
            }
            Means::Detected | Means::Row(_) | Means::Rows => {
                let (at, says) = self.time_of(line)?;
                if says.is_empty() {
                    return Err("words are missing behind the time: what happened?".to_owned());
                }
                let ordered = !matches!(step.means, Means::Rows);
                if ordered && self.start().is_some_and(|start| at < start) {
                    return Err("that lies before the start of the impact; write the date too, if it was another day".to_owned());
                }
                let over = matches!(
                    step.means,
                    Means::Detected
                        | Means::Row(
                            NoteKind::Ack
                                | NoteKind::Escalated
                                | NoteKind::Identified
                                | NoteKind::Mitigated
                        )
                );
                if over && self.end().is_some_and(|end| at > end) {
                    return Err(
                        "that lies behind the end of the incident; `back` corrects the end"
                            .to_owned(),
                    );
                }
                Ok(())
            }
            Means::Due => {
                let date = clock::stamps(line)
                    .into_iter()
                    .find_map(|stamp| stamp.day.and_then(|day| day.date(None)))
                    .ok_or_else(|| format!("`{line}` is no date; write 2026-03-18"))?;
                let end = self.end().or(self.start());
                let ended = end.map(day_of);
                if ended.is_some_and(|day| date < day) {
                    return Err("that lies before the end of the incident (IR33)".to_owned());
                }
                Ok(())
            }
            Means::Type => line.parse::<ActionType>().map(|_| ()),
            Means::Title
            | Means::Stated(_)
            | Means::Several(_)
            | Means::Action
            | Means::Owner
            | Means::Verify => {
                if line.chars().count() > 4_000 {
                    return Err("that is longer than 4,000 letters; say it shorter".to_owned());
                }
                Ok(())
            }
        }
    }

    fn objections(&self, step: &Step, line: &str, judge: &dyn Judge) -> Vec<Objection> {
        let own = match step.means {
            Means::Action => check::action(line),
            Means::Stated(Topic::RootCause) => check::cause(line),
            Means::Several(Topic::Impact) => check::share(line),
            Means::Owner if matches!(line.to_lowercase().as_str(), "tbd" | "nobody" | "-" | "?" | "unassigned" | "all" | "everybody") => Some(Objection {
                grave: true,
                says: "an action that nobody owns is not done (IR32); skip leaves it an open question".to_owned(),
            }),
            _ => None,
        };
        if own.is_some()
            || self.existing.is_some()
            || self.start().is_none() && step.means != Means::Title
        {
            return own.into_iter().collect();
        }
        // What the linter says of the report with the answer, and did not say without it.
        let before = self.text(None);
        let after = self.text(Some((self.at, line)));
        let mut rules: Vec<&str> = vec!["IR20", "IR21", "IR42"];
        if JUDGED.contains(&step.rule) {
            rules.push(step.rule);
        }
        let mut found = Vec::new();
        for rule in rules {
            let known = judge.judge(&before, rule);
            found.extend(
                judge
                    .judge(&after, rule)
                    .into_iter()
                    .filter(|o| !known.contains(o)),
            );
        }
        found
    }

    fn of(&self, key: &str) -> impl DoubleEndedIterator<Item = &str> {
        let at = index(key);
        self.answers
            .iter()
            .filter(move |(step, _)| *step == at)
            .map(|(_, line)| line.as_str())
    }

    fn start_of(&self, line: &str) -> Result<Wall, String> {
        let stamp = stamp(line)?;
        if stamp.day.is_none() {
            return Err("the day is missing: 2026-03-04 11:02 UTC".to_owned());
        }
        if stamp.zone.is_none() {
            return Err("the zone is missing: UTC, Z or an offset such as +03:00".to_owned());
        }
        let at = stamp
            .at(None, None)
            .ok_or("that day, clock and zone give no point in time; write 2026-03-04 11:02 UTC")?;
        let at = Wall::from_micros(at.as_microsecond());
        if at > self.now {
            return Err("that lies in the future".to_owned());
        }
        Ok(at)
    }

    fn start(&self) -> Option<Wall> {
        self.of("start")
            .last()
            .and_then(|line| self.start_of(line).ok())
    }

    fn end(&self) -> Option<Wall> {
        self.of("end")
            .last()
            .and_then(|line| self.time_of(line).ok())
            .map(|(at, _)| at)
    }

    /// A time, UTC and of the day of the start where nothing else is written, and the words with it.
    fn time_of(&self, line: &str) -> Result<(Wall, String), String> {
        let stamp = stamp(line)?;
        let day = self
            .start()
            .map(day_of)
            .or_else(|| self.existing.as_ref().map(|_| day_of(self.now)));
        if stamp.day.is_none() && day.is_none() {
            return Err("the day is missing: 2026-03-04 11:02 UTC".to_owned());
        }
        let at = stamp
            .at(day, Some(&Zone::Utc))
            .ok_or("that gives no point in time; write 11:02:10, or 2026-03-04 11:02:10 UTC")?;
        let mut at = Wall::from_micros(at.as_microsecond());
        // A clock without a day that lies far before the start is of the next day.
        let half_a_day = std::time::Duration::from_secs(12 * 3600);
        if stamp.day.is_none()
            && let Some(start) = self.start()
            && at.after(half_a_day) < start
        {
            at = at.after(half_a_day * 2);
        }
        let mut says = line.to_owned();
        says.replace_range(stamp.range.clone(), " ");
        let says = says
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .trim_matches(|c: char| matches!(c, ' ' | ':' | '-' | '–' | ','))
            .to_owned();
        Ok((at, says))
    }

    /// What the answers say, as entries of a journal; the first opens it.
    pub(crate) fn said(&self) -> Vec<Said> {
        let mut said = Vec::new();
        if self.existing.is_none() {
            said.push(self.opening());
        }
        let mut actions: Vec<ActionText> = Vec::new();
        for (at, line) in &self.answers {
            let step = &STEPS[*at];
            match step.means {
                Means::Title | Means::Severity | Means::Start => {}
                Means::End => {
                    if self.of("resolved").next().is_none()
                        && let Ok((at, _)) = self.time_of(line)
                    {
                        said.push(row(at, "over", NoteKind::Resolved));
                    }
                }
                Means::Detected => {
                    if let Ok((at, says)) = self.time_of(line) {
                        said.push(row(at, &says, NoteKind::Detected));
                    }
                }
                Means::Row(kind) => {
                    if let Ok((at, says)) = self.time_of(line) {
                        said.push(row(at, &says, kind));
                    }
                }
                Means::Rows => {
                    if let Ok((at, says)) = self.time_of(line) {
                        // A row from before the impact is what may have set it off.
                        let before = self.start().is_some_and(|start| at < start);
                        said.push(Said::Note {
                            says,
                            happened_at: Some(at),
                            kind: before.then_some(NoteKind::Marker),
                        });
                    }
                }
                Means::Stated(topic) | Means::Several(topic) => said.push(Said::Stated {
                    topic,
                    says: line.clone(),
                    happened_at: None,
                }),
                Means::Action => actions.push(ActionText {
                    id: format!("A{}", actions.len() + 1),
                    says: line.clone(),
                    for_what: "cause".to_owned(),
                    kind: ActionType::Prevent,
                    owner: None,
                    due: None,
                    priority: "p2".to_owned(),
                    tracker: None,
                    verify: String::new(),
                }),
                Means::Owner => with_last(&mut actions, |a| a.owner = Some(line.clone())),
                Means::Due => with_last(&mut actions, |a| {
                    let date = clock::stamps(line)
                        .into_iter()
                        .find_map(|stamp| stamp.day.and_then(|day| day.date(None)));
                    a.due = Some(date.map_or_else(|| line.clone(), |date| date.to_string()));
                }),
                Means::Type => with_last(&mut actions, |a| {
                    if let Ok(kind) = line.parse() {
                        a.kind = kind;
                    }
                }),
                Means::Verify => with_last(&mut actions, |a| a.verify.clone_from(line)),
            }
        }
        said.extend(
            actions
                .into_iter()
                .map(|action| Said::ActionAdded { action }),
        );
        said
    }

    fn opening(&self) -> Said {
        let start = self.start().unwrap_or(self.now);
        let detected = self
            .of("detected")
            .last()
            .and_then(|line| self.time_of(line).ok());
        let by_alert = detected.as_ref().is_some_and(|(_, says)| {
            says.to_lowercase().contains("alert") || says.to_lowercase().contains("page")
        });
        let title = self
            .of("title")
            .last()
            .unwrap_or("a service: what was wrong with it");
        Said::Opened {
            kind: Kind::Declared,
            pools: Vec::new(),
            level: None,
            severity: self
                .of("severity")
                .last()
                .and_then(|line| line.to_lowercase().parse().ok())
                .unwrap_or(Severity::Sev3),
            impact_started_at: start,
            detected_at: detected.map_or(start, |(at, _)| at),
            detected_by: if by_alert { "alert" } else { "person" }.to_owned(),
            objective: String::new(),
            evidence: Vec::new(),
            baseline: None,
            title: Some(title.to_owned()),
            service: title
                .split_once(':')
                .map(|(service, _)| service.trim().to_owned())
                .filter(|service| !service.is_empty()),
        }
    }

    /// The report as it stands.
    pub(crate) fn report(&self) -> String {
        self.text(None)
    }

    fn text(&self, more: Option<(usize, &str)>) -> String {
        let mut with = Interview {
            by: self.by.clone(),
            now: self.now,
            at: self.at,
            answers: self.answers.clone(),
            known: BTreeSet::new(),
            existing: None,
        };
        with.answers
            .extend(more.map(|(at, line)| (at, line.to_owned())));
        let entries: Vec<Entry> = with
            .said()
            .into_iter()
            .enumerate()
            .map(|(i, said)| Entry {
                incident: IncidentId(1),
                seq: u32::try_from(i + 1).unwrap_or(u32::MAX),
                at: self.now,
                by: By::Person(self.by.clone()),
                said,
            })
            .collect();
        Incident::replay(&entries).map_or_else(|fault| fault.to_string(), |i| report::markdown(&i))
    }
}

fn row(at: Wall, says: &str, kind: NoteKind) -> Said {
    Said::Note {
        says: says.to_owned(),
        happened_at: Some(at),
        kind: Some(kind),
    }
}

fn with_last(actions: &mut [ActionText], change: impl FnOnce(&mut ActionText)) {
    if let Some(last) = actions.last_mut() {
        change(last);
    }
}

fn index(key: &str) -> usize {
    STEPS
        .iter()
        .position(|step| step.key == key)
        .unwrap_or(STEPS.len())
}

fn stamp(line: &str) -> Result<Stamp, String> {
    clock::stamps(line)
        .into_iter()
        .find(|stamp| stamp.time.is_some())
        .ok_or_else(|| {
            format!(
                "no time stands in `{}`; write 11:02:10, or 2026-03-04 11:02:10 UTC",
                line.chars().take(60).collect::<String>()
            )
        })
}

fn day_of(at: Wall) -> jiff::civil::Date {
    jiff::Timestamp::from_microsecond(at.as_micros())
        .unwrap_or(jiff::Timestamp::MIN)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
}

/// Why it is asked, and what a good answer looks like.
fn explanation(step: &Step) -> String {
    let mut out = format!("for example: {}", step.example);
    if let Some(rule) = weir_lint::rules::rule(step.rule) {
        out.push_str(&format!(
            "\n{} {}: {}\n  not: {}\n  but: {}",
            rule.id, rule.name, rule.why, rule.bad, rule.good
        ));
    }
    out
}
