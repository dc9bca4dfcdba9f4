//! An incident is a fold over its journal: [`Incident::apply`] takes one entry after the other,
//! and what it then holds is all that a report may say.
//!
//! # What always holds
//! - The same entries give the same incident. No clock, no I/O, no dice.
//! - `seq` counts from one without gaps; an entry out of its place is a [`ReplayFault`] and
//!   changes nothing.
//! - Clocks only move forward in meaning: the first acknowledgement counts, the latest mitigation
//!   counts, a reopened incident has neither mitigation nor resolution.
//! - Everything that grows has a bound: [`ROWS_MAX`] rows, [`POINTS_MAX`] chart points,
//!   [`DECISIONS_MAX`] decisions and deliveries, [`LIST_MAX`] of what people write. What is beyond is counted and the report says so.
//!
//! # What is deliberately absent
//! - Judgement. What a level or a cause means is said where it is found; the words of the report
//!   are made in `report`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use weir_model::{Cause, CauseFinding, Evidence, Level, PoolKey, RuledOut, Severity, Wall};

use super::entry::{By, ChartPoint, ClockName, Entry, IncidentId, Kind, Said};
use super::parts::{
    Action, Assignment, Clocks, Correction, Decided, Delivery, Escalation, GivenAnswer, Measured,
    OutsideAlert, RelatedTo, ReplayFault, Row, RowKind, Statement, Status, Trigger, Update,
};
use super::words::{self, date, symptom};
use crate::record::window::PoolWindow;

/// More timeline rows than this are counted and not kept.
pub const ROWS_MAX: usize = 2_000;
/// With more chart points than this, every two neighbours become one.
pub const POINTS_MAX: usize = 7_200;
/// More decisions, or deliveries, than this are counted and not kept.
pub const DECISIONS_MAX: usize = 1_000;
/// Of everything that people or other systems add (updates, corrections, statements, alerts…), more
/// than this of a kind is counted and not kept.
pub const LIST_MAX: usize = 500;
/// More actions than this stand in no journal.
pub const TRACKED_MAX: usize = 50;
/// Of an action's verifications, the latest so many are kept.
pub const CHECKS_MAX: usize = 20;

/// An incident, as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// How far it is.
    pub status: Status,
    /// How it came about.
    pub kind: Kind,
    /// How bad: the latest judgement.
    pub severity: Severity,
    /// The highest level it reached; `None` where no detector said one.
    pub level: Option<Level>,
    /// What a person, a report or an alert calls it; [`Incident::title`] has the whole.
    pub title_given: Option<String>,
    /// Which service, where somebody said; [`Incident::service`] has the whole.
    pub service_given: Option<String>,
    /// Who opened it.
    pub opened_by: By,
    /// Which pools.
    pub pools: Vec<PoolKey>,
    /// `weir`, `alert`, `person`.
    pub detected_by: String,
    /// "99% of waits < 10ms".
    pub objective: String,
    /// The rule that fired.
    pub opening: Vec<Evidence>,
    /// What "usual" was.
    pub baseline: Option<PoolWindow>,
    /// The latest numbers.
    pub measured: Option<Measured>,
    /// Ranked, best first; the latest diagnosis.
    pub causes: Vec<CauseFinding>,
    /// What it is not; the latest diagnosis.
    pub ruled_out: Vec<RuledOut>,
    /// What set it off, if seen.
    pub trigger: Option<Trigger>,
    /// What the regulator decided.
    pub decisions: Vec<Decided>,
    /// What was done, when, with what.
    pub actions_taken: Vec<Row>,
    /// What went out.
    pub deliveries: Vec<Delivery>,
    /// One a second, for the charts.
    pub points: Vec<ChartPoint>,
    /// Other pools in the same time.
    pub others: Vec<String>,
    /// How it is known to be mitigated.
    pub mitigation: Option<Row>,
    /// How it is known to be over.
    pub resolution: Option<Row>,
    /// Who has it; `None`: nobody, or nobody any more.
    pub acknowledged_by: Option<By>,
    /// Who went over the report, and their words.
    pub review: Option<Row>,
    /// Who closed it.
    pub closing: Option<Row>,
    /// Who got which role, oldest first; [`Incident::role`] has who holds one now.
    pub assignments: Vec<Assignment>,
    /// What stakeholders were told, oldest first.
    pub updates: Vec<Update>,
    /// Clocks that people set anew, oldest first.
    pub corrections: Vec<Correction>,
    /// The incident that speaks for this one.
    pub merged_into: Option<IncidentId>,
    /// The incidents that this one speaks for.
    pub merged_from: Vec<IncidentId>,
    /// Earlier incidents of the same cause and object.
    pub related: Vec<RelatedTo>,
    /// Actions that stand in the journal; [`Incident::actions`] has the proposed ones too.
    pub adopted: Vec<Action>,
    /// What people stated for the report, oldest first.
    pub stated: Vec<Statement>,
    /// Answers to the report's open questions.
    pub answers: Vec<GivenAnswer>,
    /// Deploys and changes of configuration that somebody noted.
    pub markers: Vec<Row>,
    /// Alerts of other systems.
    pub alerts: Vec<OutsideAlert>,
    /// Who was called, oldest first.
    pub escalations: Vec<Escalation>,
    /// How often it came back.
    pub reopened: u32,
    /// Entries whose kind this version doesn't know.
    pub entries_unknown: u32,
    /// Rows, decisions and deliveries beyond their bounds.
    pub rows_dropped: u32,
    /// The last entry's number.
    pub seq: u32,
    /// When the last entry was written.
    pub last_at: Wall,
    pub(super) first_level: Option<Level>,
    pub(super) impact_started_at: Wall,
    pub(super) detected_at: Wall,
    pub(super) acknowledged_at: Option<Wall>,
    pub(super) diagnoses: Vec<(Wall, Option<Cause>)>,
    pub(super) rows: Vec<Row>,
    /// What corrections set; `Some(None)`: it never happened.
    pub(super) corrected_clocks: BTreeMap<ClockName, Option<Wall>>,
    /// What notes tell of clocks that nothing else stopped.
    pub(super) noted_clocks: BTreeMap<ClockName, Wall>,
    /// Entries whose rows are typed notes, not events.
    pub(super) noted_kinds: BTreeSet<u32>,
}

impl Incident {
    /// What follows from these entries.
    pub fn replay(entries: &[Entry]) -> Result<Self, ReplayFault> {
        let (first, rest) = entries.split_first().ok_or(ReplayFault::Empty)?;
        let mut incident = Self::open(first)?;
        for entry in rest {
            incident.apply(entry)?;
        }
        Ok(incident)
    }

    fn open(entry: &Entry) -> Result<Self, ReplayFault> {
        if entry.seq != 1 {
            return Err(ReplayFault::Gap {
                incident: entry.incident,
                after: 0,
                found: entry.seq,
            });
        }
        let Said::Opened {
            kind,
            pools,
            level,
            severity,
            impact_started_at,
            detected_at,
            detected_by,
            objective,
            evidence,
            baseline,
            title,
            service,
        } = &entry.said
        else {
            return Err(ReplayFault::NotOpened {
                incident: entry.incident,
                entry: entry.said.name(),
            });
        };
        let rows = vec![
            Row {
                seq: 1,
                at: *impact_started_at,
                kind: RowKind::Impact,
                by: match level {
                    Some(_) => By::Weir,
                    None => entry.by.clone(),
                },
                says: match (level, words::objective_limit(objective)) {
                    (None, _) => "impact begins, as far as is known".to_owned(),
                    (Some(_), Some(limit)) => {
                        format!("first transaction waited longer than {limit} or failed")
                    }
                    (Some(_), None) => "first transaction delayed or failed".to_owned(),
                },
                evidence: Vec::new(),
            },
            Row {
                seq: 1,
                at: *detected_at,
                kind: RowKind::Detected,
                by: entry.by.clone(),
                says: match (level, title) {
                    (None, Some(title)) => title.clone(),
                    _ => detected_says(*level, pools, evidence),
                },
                evidence: evidence.clone(),
            },
        ];
        Ok(Self {
            id: entry.incident,
            status: Status::Open,
            kind: *kind,
            severity: *severity,
            level: *level,
            title_given: title.clone(),
            service_given: service.clone(),
            opened_by: entry.by.clone(),
            pools: pools.clone(),
            detected_by: detected_by.clone(),
            objective: objective.clone(),
            opening: evidence.clone(),
            baseline: baseline.as_deref().cloned(),
            measured: None,
            causes: Vec::new(),
            ruled_out: Vec::new(),
            trigger: None,
            decisions: Vec::new(),
            actions_taken: Vec::new(),
            deliveries: Vec::new(),
            points: Vec::new(),
            others: Vec::new(),
            mitigation: None,
            resolution: None,
            acknowledged_by: None,
            review: None,
            closing: None,
            assignments: Vec::new(),
            updates: Vec::new(),
            corrections: Vec::new(),
            merged_into: None,
            merged_from: Vec::new(),
            related: Vec::new(),
            adopted: Vec::new(),
            stated: Vec::new(),
            answers: Vec::new(),
            markers: Vec::new(),
            alerts: Vec::new(),
            escalations: Vec::new(),
            reopened: 0,
            entries_unknown: 0,
            rows_dropped: 0,
            seq: 1,
            last_at: entry.at,
            first_level: *level,
            impact_started_at: *impact_started_at,
            detected_at: *detected_at,
            acknowledged_at: None,
            diagnoses: Vec::new(),
            rows,
            corrected_clocks: BTreeMap::new(),
            noted_clocks: BTreeMap::new(),
            noted_kinds: BTreeSet::new(),
        })
    }

    /// Takes the next entry. A fault changes nothing.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), ReplayFault> {
        if entry.incident != self.id {
            return Err(ReplayFault::WrongIncident {
                incident: self.id,
                found: entry.incident,
                seq: entry.seq,
            });
        }
        if entry.seq <= self.seq {
            return Err(ReplayFault::OutOfOrder {
                incident: self.id,
                after: self.seq,
                found: entry.seq,
            });
        }
        if entry.seq != self.seq + 1 {
            return Err(ReplayFault::Gap {
                incident: self.id,
                after: self.seq,
                found: entry.seq,
            });
        }
        if matches!(entry.said, Said::Opened { .. }) {
            return Err(ReplayFault::OpenedTwice {
                incident: self.id,
                seq: entry.seq,
            });
        }
        self.seq = entry.seq;
        self.last_at = self.last_at.max(entry.at);
        self.fold(entry);
        Ok(())
    }

    fn fold(&mut self, entry: &Entry) {
        let row = |kind, says: &str, evidence: &[Evidence]| Row {
            seq: entry.seq,
            at: entry.at,
            kind,
            by: entry.by.clone(),
            says: says.to_owned(),
            evidence: evidence.to_vec(),
        };
        match &entry.said {
            // `apply` has refused it.
            Said::Opened { .. } => {}
            Said::LevelChanged {
                level,
                says,
                evidence,
            } => {
                if self.level.is_none_or(|known| rank(*level) > rank(known)) {
                    self.level = Some(*level);
                }
                self.push(row(
                    RowKind::Finding,
                    &format!("level {level}: {says}"),
                    evidence,
                ));
            }
            Said::SeverityChanged { severity, says } => {
                self.severity = *severity;
                self.push(row(
                    RowKind::Finding,
                    &format!("severity {severity}: {says}"),
                    &[],
                ));
            }
            Said::Diagnosed {
                causes,
                ruled_out,
                trigger,
                trigger_at,
            } => {
                // A later look that says nothing (the window has gone by) takes nothing back.
                if !causes.is_empty() {
                    self.causes.clone_from(causes);
                }
                if !ruled_out.is_empty() {
                    self.ruled_out.clone_from(ruled_out);
                }
                let top = self.causes.first().map(|c| c.cause);
                self.ruled_out.retain(|r| Some(r.cause) != top);
                if let Some(says) = trigger {
                    self.trigger = Some(Trigger {
                        seq: entry.seq,
                        says: says.clone(),
                        at: *trigger_at,
                    });
                }
                let before = self.diagnoses.last().map(|(_, cause)| *cause);
                // Diagnosis speaks every few seconds; only a change of mind is news.
                if before != Some(top) && top.is_some() {
                    if self.diagnoses.len() < DECISIONS_MAX {
                        self.diagnoses.push((entry.at, top));
                    }
                    if let Some(first) = self.causes.first() {
                        self.push(row(RowKind::Finding, &finding_says(first), &first.evidence));
                    }
                }
            }
            Said::Decided {
                decision,
                says,
                because,
                expected,
                acted,
                from_size,
                to_size,
            } => {
                let decided = Decided {
                    at: entry.at,
                    decision: decision.clone(),
                    says: says.clone(),
                    because: because.clone(),
                    expected: expected.clone(),
                    acted: *acted,
                    from_size: *from_size,
                    to_size: *to_size,
                };
                let verb = if *acted { "" } else { ", no order given" };
                self.push(row(
                    RowKind::Decision,
                    &format!("{decision}: {says}{verb}; because {because}"),
                    &[],
                ));
                if self.decisions.len() < DECISIONS_MAX {
                    self.decisions.push(decided);
                } else {
                    self.rows_dropped = self.rows_dropped.saturating_add(1);
                }
            }
            Said::Action { says, evidence } => {
                let row = row(RowKind::Action, says, evidence);
                if self.actions_taken.len() < DECISIONS_MAX {
                    self.actions_taken.push(row.clone());
                }
                self.push(row);
            }
            Said::Acknowledged { says } => {
                self.acknowledged_at.get_or_insert(entry.at);
                self.acknowledged_by = Some(entry.by.clone());
                if self.status == Status::Open {
                    self.status = Status::Acknowledged;
                }
                self.push(row(RowKind::Ack, says, &[]));
            }
            Said::Notified {
                channel,
                ok,
                says,
                step,
                to,
            } => {
                if self.deliveries.len() < DECISIONS_MAX {
                    self.deliveries.push(Delivery {
                        seq: entry.seq,
                        at: entry.at,
                        channel: channel.clone(),
                        ok: *ok,
                        says: says.clone(),
                        step: *step,
                        to: to.clone(),
                    });
                }
                let outcome = if *ok { "" } else { " not accepted" };
                self.push(row(
                    RowKind::Alert,
                    &format!("message to {channel}{outcome}: {says}"),
                    &[],
                ));
            }
            Said::Mitigated { says, evidence } => {
                if self.status < Status::Mitigated {
                    self.status = Status::Mitigated;
                }
                self.forget_clock(ClockName::Mitigated);
                let row = row(RowKind::Mitigated, says, evidence);
                self.mitigation = Some(row.clone());
                self.push(row);
            }
            Said::Resolved { says, evidence } => {
                if self.status < Status::Resolved {
                    self.status = Status::Resolved;
                }
                self.forget_clock(ClockName::Resolved);
                let row = row(RowKind::Resolved, says, evidence);
                self.resolution = Some(row.clone());
                self.push(row);
            }
            Said::Reopened { says } => {
                self.reopened = self.reopened.saturating_add(1);
                self.status = match self.acknowledged_by {
                    Some(_) => Status::Acknowledged,
                    None => Status::Open,
                };
                self.mitigation = None;
                self.resolution = None;
                self.review = None;
                self.closing = None;
                self.forget_clock(ClockName::Mitigated);
                self.forget_clock(ClockName::Resolved);
                self.push(row(
                    RowKind::CameBack,
                    &format!("it came back: {says}"),
                    &[],
                ));
            }
            Said::Measured {
                impact,
                during,
                after,
                users_known_by,
                cut_in_transaction,
            } => {
                self.measured = Some(Measured {
                    at: entry.at,
                    impact: impact.clone(),
                    during: (**during).clone(),
                    after: after.as_deref().cloned(),
                    users_known_by: users_known_by.clone(),
                    cut_in_transaction: *cut_in_transaction,
                });
            }
            Said::Series { points } => self.extend_points(points),
            Said::Others { says } => self.others.clone_from(says),
            Said::Note { .. }
            | Said::Alert { .. }
            | Said::Escalated { .. }
            | Said::AckExpired { .. }
            | Said::Reviewed { .. }
            | Said::Closed { .. }
            | Said::Assigned { .. }
            | Said::StatusUpdate { .. }
            | Said::ClockCorrected { .. }
            | Said::MergedInto { .. }
            | Said::Merged { .. }
            | Said::Unmerged { .. }
            | Said::Related { .. }
            | Said::ActionAdded { .. }
            | Said::ActionChanged { .. }
            | Said::ActionVerified { .. }
            | Said::Stated { .. }
            | Said::Answered { .. } => self.fold_people(entry),
            Said::Unknown => self.entries_unknown = self.entries_unknown.saturating_add(1),
        }
    }

    pub(super) fn push(&mut self, row: Row) {
        if self.rows.len() < ROWS_MAX {
            self.rows.push(row);
        } else {
            self.rows_dropped = self.rows_dropped.saturating_add(1);
        }
    }

    fn extend_points(&mut self, points: &[ChartPoint]) {
        for point in points {
            // A second that comes again (a restart replays the last entry) is drawn once.
            if self.points.last().is_none_or(|last| last.at < point.at) {
                self.points.push(*point);
            }
            if self.points.len() > POINTS_MAX {
                self.points = self.points.chunks(2).map(merge).collect();
            }
        }
    }

    /// `app/dashboard: pool exhausted, 2026-11-23`. A given title keeps its words; service and
    /// date are added where it lacks them.
    pub fn title(&self) -> String {
        let date = date(self.clocks().impact_started_at);
        let Some(given) = &self.title_given else {
            return format!("{}: {}, {date}", self.service(), symptom(self.level));
        };
        let mut title = given.clone();
        if let Some(service) = &self.service_given
            && !title.to_lowercase().contains(&service.to_lowercase())
        {
            title = format!("{service}: {title}");
        }
        let year = date.split('-').next().unwrap_or_default();
        if !title.contains(year) {
            title = format!("{title}, {date}");
        }
        title
    }

    /// The service that was named, or the pools' names.
    pub fn service(&self) -> String {
        if let Some(service) = &self.service_given {
            return service.clone();
        }
        match self.pools.as_slice() {
            [] => "no pool named".to_owned(),
            [one] => one.to_string(),
            [one, rest @ ..] => format!("{one} and {} more", rest.len()),
        }
    }

    /// What is wrong, in a few words.
    pub fn symptom(&self) -> &str {
        match (self.level, &self.title_given) {
            (None, Some(given)) => given,
            (level, _) => symptom(level),
        }
    }

    /// The level it opened with.
    pub fn first_level(&self) -> Option<Level> {
        self.first_level
    }

    /// The diagnosis that counts, unless it is `unknown`.
    pub fn top_cause(&self) -> Option<&CauseFinding> {
        self.causes.first().filter(|c| c.cause != Cause::Unknown)
    }

    /// When things happened, as people set it right ([`Incident::corrections`]).
    pub fn clocks(&self) -> Clocks {
        self.set_right(self.clocks_of_events())
    }

    /// When things happened, from the events alone.
    pub(super) fn clocks_of_events(&self) -> Clocks {
        let top = self.top_cause().map(|c| c.cause);
        Clocks {
            impact_started_at: self.impact_started_at,
            detected_at: self.detected_at,
            cause_named_at: top.and_then(|cause| {
                self.diagnoses
                    .iter()
                    .find(|(_, named)| *named == Some(cause))
                    .map(|(at, _)| *at)
            }),
            acknowledged_at: self.acknowledged_at,
            mitigated_at: self.mitigation.as_ref().map(|row| row.at),
            resolved_at: self.resolution.as_ref().map(|row| row.at),
        }
    }

    /// From the start of impact to resolution, or to the last entry.
    pub fn length(&self) -> Duration {
        let clocks = self.clocks();
        let end = clocks.resolved_at.unwrap_or(self.last_at);
        end.since(clocks.impact_started_at)
    }
}

/// Which of two levels is the worse.
fn rank(level: Level) -> u8 {
    match level {
        Level::Degraded => 0,
        Level::Leak => 1,
        Level::Exhausted => 2,
        Level::Starved => 3,
        Level::Saturated => 4,
        Level::Stalled => 5,
        Level::Down => 6,
    }
}

fn detected_says(level: Option<Level>, pools: &[PoolKey], evidence: &[Evidence]) -> String {
    let pool = pools
        .first()
        .map_or_else(String::new, |key| format!("`{key}` "));
    match evidence.first() {
        Some(first) => format!(
            "{pool}{}: {}",
            symptom(level),
            words::without_pool(&first.says, pools.first())
        ),
        None => format!("{pool}{}", symptom(level)),
    }
}

fn finding_says(finding: &CauseFinding) -> String {
    if finding.cause == Cause::Unknown {
        format!("no cause explains enough of it: {}", finding.says)
    } else {
        format!(
            "cause: {}, {} sure; {}",
            words::phrase(finding.cause),
            words::share(finding.confidence),
            finding.says
        )
    }
}

/// Several points as one: states by their worst, counts by their sum.
pub(crate) fn merge(pair: &[ChartPoint]) -> ChartPoint {
    let mut merged = ChartPoint::default();
    for point in pair {
        merged.at = point.at;
        merged.size = point.size;
        merged.active = merged.active.max(point.active);
        merged.waiting = merged.waiting.max(point.waiting);
        merged.oldest_wait_s = merged.oldest_wait_s.max(point.oldest_wait_s);
        merged.wait_p99_s = merged.wait_p99_s.max(point.wait_p99_s);
        merged.arrivals = merged.arrivals.saturating_add(point.arrivals);
        merged.completions = merged.completions.saturating_add(point.completions);
        merged.failures = merged.failures.saturating_add(point.failures);
        merged.executing_s += point.executing_s;
        merged.thinking_s += point.thinking_s;
        merged.network_s += point.network_s;
    }
    merged
}
