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
//!   [`DECISIONS_MAX`] decisions and deliveries. What is beyond is counted and the report says so.
//!
//! # What is deliberately absent
//! - Judgement. What a level or a cause means is said where it is found; the words of the report
//!   are made in `report`.

use std::time::Duration;

use weir_model::{Cause, CauseFinding, Evidence, Level, PoolKey, RuledOut, Severity, Wall};

use super::called::Called;
use super::entry::{By, ChartPoint, Entry, IncidentId, Kind, Said};
use super::parts::{
    Clocks, Decided, Delivery, Measured, ReplayFault, Row, RowKind, Status, Trigger,
};
use super::words::{self, date, symptom};
use crate::record::window::PoolWindow;

/// More timeline rows than this are counted and not kept.
pub const ROWS_MAX: usize = 2_000;
/// With more chart points than this, every two neighbours become one.
pub const POINTS_MAX: usize = 7_200;
/// More decisions, or deliveries, than this are counted and not kept.
pub const DECISIONS_MAX: usize = 1_000;

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
    /// The highest level it reached.
    pub level: Level,
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
    /// Who was called, and what came of it.
    pub called: Called,
    /// One a second, for the charts.
    pub points: Vec<ChartPoint>,
    /// Other pools in the same time.
    pub others: Vec<String>,
    /// How it is known to be mitigated.
    pub mitigation: Option<Row>,
    /// How it is known to be over.
    pub resolution: Option<Row>,
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
    pub(super) first_level: Level,
    pub(super) impact_started_at: Wall,
    pub(super) detected_at: Wall,
    pub(super) acknowledged_at: Option<Wall>,
    pub(super) diagnoses: Vec<(Wall, Option<Cause>)>,
    pub(super) rows: Vec<Row>,
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
                by: By::Weir,
                says: match words::objective_limit(objective) {
                    Some(limit) => {
                        format!("first transaction waited longer than {limit} or failed")
                    }
                    None => "first transaction delayed or failed".to_owned(),
                },
                evidence: Vec::new(),
            },
            Row {
                seq: 1,
                at: *detected_at,
                kind: RowKind::Detected,
                by: entry.by.clone(),
                says: detected_says(*level, pools, evidence),
                evidence: evidence.clone(),
            },
        ];
        Ok(Self {
            id: entry.incident,
            status: Status::Open,
            kind: *kind,
            severity: *severity,
            level: *level,
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
            called: Called::nobody(*severity),
            points: Vec::new(),
            others: Vec::new(),
            mitigation: None,
            resolution: None,
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
        self.called.apply(entry);
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
                if rank(*level) > rank(self.level) {
                    self.level = *level;
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
            Said::Note { says } => self.push(row(RowKind::Note, says, &[])),
            Said::Acknowledged { says } => {
                self.acknowledged_at.get_or_insert(entry.at);
                if self.status == Status::Open {
                    self.status = Status::Acknowledged;
                }
                self.push(row(RowKind::Ack, says, &[]));
            }
            Said::Notified { channel, ok, says } => {
                if self.deliveries.len() < DECISIONS_MAX {
                    self.deliveries.push(Delivery {
                        seq: entry.seq,
                        at: entry.at,
                        channel: channel.clone(),
                        ok: *ok,
                        says: says.clone(),
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
                let row = row(RowKind::Mitigated, says, evidence);
                self.mitigation = Some(row.clone());
                self.push(row);
            }
            Said::Resolved { says, evidence } => {
                if self.status < Status::Resolved {
                    self.status = Status::Resolved;
                }
                let row = row(RowKind::Resolved, says, evidence);
                self.resolution = Some(row.clone());
                self.push(row);
            }
            Said::Reopened { says } => {
                self.reopened = self.reopened.saturating_add(1);
                self.status = match self.acknowledged_at {
                    Some(_) => Status::Acknowledged,
                    None => Status::Open,
                };
                self.mitigation = None;
                self.resolution = None;
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
            Said::Alert { says } => self.push(row(RowKind::Alert, says, &[])),
            Said::Escalated { to, says } => {
                self.push(row(RowKind::Escalated, &format!("to {to}: {says}"), &[]));
            }
            Said::Unknown => self.entries_unknown = self.entries_unknown.saturating_add(1),
        }
    }

    fn push(&mut self, row: Row) {
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

    /// `app/dashboard: pool exhausted, 2026-11-23`.
    pub fn title(&self) -> String {
        format!(
            "{}: {}, {}",
            self.service(),
            symptom(self.level),
            date(self.impact_started_at)
        )
    }

    /// The pools' names.
    pub fn service(&self) -> String {
        match self.pools.as_slice() {
            [] => "no pool named".to_owned(),
            [one] => one.to_string(),
            [one, rest @ ..] => format!("{one} and {} more", rest.len()),
        }
    }

    /// The level it opened with.
    pub fn first_level(&self) -> Level {
        self.first_level
    }

    /// The diagnosis that counts, unless it is `unknown`.
    pub fn top_cause(&self) -> Option<&CauseFinding> {
        self.causes.first().filter(|c| c.cause != Cause::Unknown)
    }

    /// When things happened.
    pub fn clocks(&self) -> Clocks {
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
        let end = self.clocks().resolved_at.unwrap_or(self.last_at);
        end.since(self.impact_started_at)
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

fn detected_says(level: Level, pools: &[PoolKey], evidence: &[Evidence]) -> String {
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
