//! What people write into a journal, folded: roles, updates, corrections, merges, actions,
//! statements.
//!
//! # What always holds
//! - A fold judges nothing: whether a move is legal was decided before it was written down
//!   (`core`). What makes no sense here (a change of an action that isn't there) changes nothing.
//! - Every list has a bound ([`LIST_MAX`], [`TRACKED_MAX`], [`CHECKS_MAX`]); what is beyond is
//!   counted in `rows_dropped`.

use std::collections::BTreeMap;

use weir_model::{Evidence, Wall};

use super::entry::{
    ActionStatus, ActionText, By, ClockName, Entry, IncidentId, NoteKind, Role, Said, Topic,
};
use super::parts::{
    Action, Assignment, Check, Clocks, Correction, Escalation, GivenAnswer, OutsideAlert,
    RelatedTo, Row, RowKind, Statement, Status, Update,
};
use super::state::{CHECKS_MAX, Incident, LIST_MAX, ROWS_MAX, TRACKED_MAX};
use super::words::{rfc3339, time_of_day};

impl RowKind {
    /// The row of a note of this kind.
    fn of(kind: NoteKind) -> Self {
        match kind {
            NoteKind::Impact => Self::Impact,
            NoteKind::Detected => Self::Detected,
            NoteKind::Ack => Self::Ack,
            NoteKind::Escalated => Self::Escalated,
            NoteKind::Identified => Self::Identified,
            NoteKind::Mitigated => Self::Mitigated,
            NoteKind::Resolved => Self::Resolved,
            NoteKind::Update => Self::Update,
            NoteKind::Marker => Self::Marker,
            NoteKind::Action => Self::Action,
        }
    }
}

impl NoteKind {
    /// The clock that a note of this kind can stop, where nothing else did.
    pub(crate) fn clock(self) -> Option<ClockName> {
        match self {
            Self::Ack => Some(ClockName::Acknowledged),
            Self::Identified => Some(ClockName::CauseNamed),
            Self::Mitigated => Some(ClockName::Mitigated),
            Self::Resolved => Some(ClockName::Resolved),
            Self::Impact
            | Self::Detected
            | Self::Escalated
            | Self::Update
            | Self::Marker
            | Self::Action => None,
        }
    }
}

/// In quotation marks: another system's words and figures are its own, not this incident's.
fn quoted(says: &str) -> String {
    format!("“{}”", says.trim().replace(['“', '”'], "\""))
}

impl Incident {
    /// Takes an entry that people (or systems that speak for them) write.
    pub(super) fn fold_people(&mut self, entry: &Entry) {
        match &entry.said {
            Said::Note {
                says,
                happened_at,
                kind,
            } => self.noted(entry, says, *happened_at, *kind),
            Said::Alert {
                says,
                source,
                fingerprint,
                status,
                link,
            } => {
                let alert = OutsideAlert {
                    seq: entry.seq,
                    at: entry.at,
                    by: entry.by.clone(),
                    says: says.clone(),
                    source: source.clone(),
                    fingerprint: fingerprint.clone(),
                    status: *status,
                    link: link.clone(),
                };
                keep(&mut self.alerts, alert, &mut self.rows_dropped);
                self.tell(entry, RowKind::Alert, quoted(says));
            }
            Said::Escalated {
                to,
                says,
                step,
                channel,
            } => {
                let escalation = Escalation {
                    seq: entry.seq,
                    at: entry.at,
                    to: to.clone(),
                    step: *step,
                    channel: channel.clone(),
                    says: says.clone(),
                };
                keep(&mut self.escalations, escalation, &mut self.rows_dropped);
                self.tell(entry, RowKind::Escalated, format!("to {to}: {says}"));
            }
            Said::AckExpired { says } => {
                if self.status == Status::Acknowledged {
                    self.status = Status::Open;
                }
                self.acknowledged_by = None;
                self.tell(
                    entry,
                    RowKind::Note,
                    format!("acknowledgement expired: {says}"),
                );
            }
            Said::Reviewed { says } => {
                self.status = self.status.max(Status::Reviewed);
                let row = self.row_of(entry, RowKind::Reviewed, says.clone());
                self.review = Some(row.clone());
                self.push(row);
            }
            Said::Closed { says } => {
                self.status = Status::Closed;
                let row = self.row_of(entry, RowKind::Closed, says.clone());
                self.closing = Some(row.clone());
                self.push(row);
            }
            Said::Assigned { role, to, says } => {
                let assignment = Assignment {
                    seq: entry.seq,
                    at: entry.at,
                    by: entry.by.clone(),
                    role: *role,
                    to: to.clone(),
                };
                keep(&mut self.assignments, assignment, &mut self.rows_dropped);
                let words = if says.is_empty() {
                    format!("{role}: {to}")
                } else {
                    format!("{role}: {to}; {says}")
                };
                self.tell(entry, RowKind::Assigned, words);
            }
            Said::StatusUpdate {
                impact,
                doing,
                next_update_at,
                says,
            } => {
                let update = Update {
                    seq: entry.seq,
                    at: entry.at,
                    by: entry.by.clone(),
                    impact: impact.clone(),
                    doing: doing.clone(),
                    next_update_at: *next_update_at,
                    says: says.clone(),
                };
                keep(&mut self.updates, update, &mut self.rows_dropped);
                self.tell(entry, RowKind::Update, says.clone());
            }
            Said::ClockCorrected {
                clock,
                from,
                to,
                says,
            } => self.corrected(entry, *clock, *from, *to, says),
            Said::MergedInto { into, says } => {
                self.merged_into = Some(*into);
                self.tell(
                    entry,
                    RowKind::Note,
                    with(format!("merged into {into}"), says),
                );
            }
            Said::Merged { from, says } => {
                if !self.merged_from.contains(from) && self.merged_from.len() < LIST_MAX {
                    self.merged_from.push(*from);
                }
                self.tell(
                    entry,
                    RowKind::Note,
                    with(format!("{from} merged into this one"), says),
                );
            }
            Said::Unmerged { with: other, says } => {
                if self.merged_into == Some(*other) {
                    self.merged_into = None;
                }
                self.merged_from.retain(|id| id != other);
                self.tell(
                    entry,
                    RowKind::Note,
                    with(format!("parted from {other} again"), says),
                );
            }
            Said::Related {
                to,
                says,
                open_actions,
            } => {
                let related = RelatedTo {
                    seq: entry.seq,
                    at: entry.at,
                    to: *to,
                    says: says.clone(),
                    open_actions: open_actions.clone(),
                };
                // The latest word on the same one counts.
                self.related.retain(|known| known.to != *to);
                keep(&mut self.related, related, &mut self.rows_dropped);
                self.tell(
                    entry,
                    RowKind::Finding,
                    with(format!("seen before in {to}"), says),
                );
            }
            Said::ActionAdded { action } => self.action_added(entry, action),
            Said::ActionChanged { .. } => self.action_changed(entry),
            Said::ActionVerified {
                id,
                ok,
                says,
                evidence,
            } => self.action_verified(entry, id, *ok, says, evidence),
            Said::Stated {
                topic,
                says,
                happened_at,
            } => {
                let statement = Statement {
                    seq: entry.seq,
                    at: entry.at,
                    by: entry.by.clone(),
                    topic: *topic,
                    says: says.clone(),
                    happened_at: *happened_at,
                };
                keep(&mut self.stated, statement, &mut self.rows_dropped);
            }
            Said::Answered { question, says } => {
                let answer = GivenAnswer {
                    seq: entry.seq,
                    at: entry.at,
                    by: entry.by.clone(),
                    question: question.clone(),
                    says: says.clone(),
                };
                // Who answers again, corrects.
                self.answers.retain(|known| known.question != *question);
                keep(&mut self.answers, answer, &mut self.rows_dropped);
            }
            // The rest is folded in `state`.
            _ => {}
        }
    }

    fn row_of(&self, entry: &Entry, kind: RowKind, says: String) -> Row {
        Row {
            seq: entry.seq,
            at: entry.at,
            kind,
            by: entry.by.clone(),
            says,
            evidence: Vec::new(),
        }
    }

    fn tell(&mut self, entry: &Entry, kind: RowKind, says: String) {
        let row = self.row_of(entry, kind, says);
        self.push(row);
    }

    fn noted(
        &mut self,
        entry: &Entry,
        says: &str,
        happened_at: Option<Wall>,
        kind: Option<NoteKind>,
    ) {
        let at = happened_at.unwrap_or(entry.at);
        let mut row = self.row_of(
            entry,
            kind.map_or(RowKind::Note, RowKind::of),
            says.to_owned(),
        );
        row.at = at;
        if let Some(kind) = kind {
            if self.noted_kinds.len() < ROWS_MAX {
                self.noted_kinds.insert(entry.seq);
            }
            if let Some(clock) = kind.clock() {
                self.noted_clocks.entry(clock).or_insert(at);
            }
            // A report that was taken in tells of what is over; it must not stand open, and call
            // people, until somebody says so again. A person's note moves nothing.
            if self.first_level.is_none() && matches!(entry.by, By::System(_)) {
                let told = match kind {
                    NoteKind::Ack => Status::Acknowledged,
                    NoteKind::Mitigated => Status::Mitigated,
                    NoteKind::Resolved => Status::Resolved,
                    _ => Status::Open,
                };
                self.status = self.status.max(told);
            }
            if kind == NoteKind::Marker {
                keep(&mut self.markers, row.clone(), &mut self.rows_dropped);
            }
        }
        self.push(row);
    }

    fn corrected(
        &mut self,
        entry: &Entry,
        clock: ClockName,
        from: Option<Wall>,
        to: Option<Wall>,
        why: &str,
    ) {
        let correction = Correction {
            seq: entry.seq,
            at: entry.at,
            by: entry.by.clone(),
            clock,
            from,
            to,
            says: why.to_owned(),
        };
        keep(&mut self.corrections, correction, &mut self.rows_dropped);
        self.corrected_clocks.insert(clock, to);
        let shown = |at: Option<Wall>| at.map_or_else(|| "not set".to_owned(), rfc3339);
        self.tell(
            entry,
            RowKind::Correction,
            format!(
                "clock `{clock}` corrected from {} to {}: {why}",
                shown(from),
                shown(to)
            ),
        );
    }

    fn action_added(&mut self, entry: &Entry, text: &ActionText) {
        if self.adopted.iter().any(|a| a.id == text.id) {
            return;
        }
        if self.adopted.len() >= TRACKED_MAX {
            self.rows_dropped = self.rows_dropped.saturating_add(1);
            return;
        }
        self.tell(
            entry,
            RowKind::Note,
            format!("action {} added: {}", text.id, text.says),
        );
        self.adopted.push(Action {
            id: text.id.clone(),
            says: text.says.clone(),
            for_what: text.for_what.clone(),
            kind: text.kind,
            priority: text.priority.clone(),
            verify: text.verify.clone(),
            owner: text.owner.clone(),
            due: text.due.clone(),
            tracker: text.tracker.clone(),
            status: ActionStatus::Open,
            adopted: true,
            status_at: None,
            status_says: String::new(),
            checks: Vec::new(),
        });
    }

    fn action_changed(&mut self, entry: &Entry) {
        let Said::ActionChanged {
            id,
            owner,
            due,
            priority,
            tracker,
            verify,
            status,
            says,
        } = &entry.said
        else {
            return;
        };
        let Some(action) = self.adopted.iter_mut().find(|a| a.id == *id) else {
            return;
        };
        let mut changes = Vec::new();
        for (name, new, old) in [
            ("owner", owner, &mut action.owner),
            ("due", due, &mut action.due),
            ("tracker", tracker, &mut action.tracker),
        ] {
            if let Some(new) = new {
                changes.push(format!("{name} {new}"));
                *old = Some(new.clone());
            }
        }
        for (name, new, old) in [
            ("priority", priority, &mut action.priority),
            ("verify", verify, &mut action.verify),
        ] {
            if let Some(new) = new {
                changes.push(format!("{name} {new}"));
                old.clone_from(new);
            }
        }
        if let Some(status) = status {
            changes.push(status.name().to_owned());
            action.status = *status;
            action.status_at = Some(entry.at);
            action.status_says.clone_from(says);
        }
        let words = with(format!("action {id}: {}", changes.join(", ")), says);
        self.tell(entry, RowKind::Note, words);
    }

    fn action_verified(
        &mut self,
        entry: &Entry,
        id: &str,
        ok: bool,
        says: &str,
        evidence: &[Evidence],
    ) {
        let Some(action) = self.adopted.iter_mut().find(|a| a.id == id) else {
            return;
        };
        if action.checks.len() >= CHECKS_MAX {
            action.checks.remove(0);
        }
        action.checks.push(Check {
            seq: entry.seq,
            at: entry.at,
            by: entry.by.clone(),
            ok,
            says: says.to_owned(),
            evidence: evidence.to_vec(),
        });
        if ok {
            action.status = ActionStatus::Verified;
            action.status_at = Some(entry.at);
            action.status_says = says.to_owned();
        }
        let outcome = if ok { "verified" } else { "not verified" };
        let mut row = self.row_of(
            entry,
            RowKind::Note,
            with(format!("action {id} {outcome}"), says),
        );
        row.evidence = evidence.to_vec();
        self.push(row);
    }

    /// True where people alone say when it is over: it was declared, or a person reopened it.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Rows that the journal holds so far.
    pub fn rows_kept(&self) -> usize {
        self.rows.len()
    }

    /// What somebody had to do with it, for who asks whether they can review it; `None`: nothing.
    pub fn took_part(&self, who: &str) -> Option<String> {
        let same = |name: &str| name.trim().eq_ignore_ascii_case(who.trim());
        if matches!(&self.opened_by, By::Person(name) if same(name)) {
            return Some(format!("declared {}", self.id));
        }
        if let Some(assignment) = self.assignments.iter().find(|a| same(&a.to)) {
            return Some(format!("was its {}", assignment.role));
        }
        self.rows.iter().find_map(|row| {
            let By::Person(name) = &row.by else {
                return None;
            };
            let did = match row.kind {
                _ if !same(name) => return None,
                RowKind::Ack => "acknowledged it",
                RowKind::Mitigated => "mitigated it",
                RowKind::Resolved => "resolved it",
                RowKind::Action | RowKind::Decision => "acted in it",
                RowKind::Update => "told stakeholders of it",
                RowKind::CameBack => "reopened it",
                RowKind::Note | RowKind::Marker | RowKind::Identified
                    if self
                        .resolution
                        .as_ref()
                        .is_none_or(|over| row.seq < over.seq) =>
                {
                    "wrote into its timeline while it went on"
                }
                _ => return None,
            };
            Some(format!("{did} at {} UTC", time_of_day(row.at)))
        })
    }

    /// Who has a role now.
    pub fn role(&self, role: Role) -> Option<&Assignment> {
        self.assignments.iter().rev().find(|a| a.role == role)
    }

    /// What was stated about a topic, oldest first.
    pub fn stated_about(&self, topic: Topic) -> impl Iterator<Item = &Statement> {
        self.stated.iter().filter(move |s| s.topic == topic)
    }

    /// The last correction of a clock that still stands.
    pub fn correction(&self, clock: ClockName) -> Option<&Correction> {
        self.corrected_clocks.get(&clock)?;
        self.corrections.iter().rev().find(|c| c.clock == clock)
    }

    /// When stakeholders should have heard more, unless it is over.
    pub fn next_update_at(&self) -> Option<Wall> {
        self.status
            .is_ongoing()
            .then(|| self.updates.last()?.next_update_at)
            .flatten()
    }

    /// Whether the journal speaks for itself: false once it was merged into another.
    pub fn is_merged(&self) -> bool {
        self.merged_into.is_some()
    }

    /// The clocks as people set them right: a correction before what was measured before what a
    /// note tells.
    pub(super) fn set_right(&self, measured: Clocks) -> Clocks {
        let mut clocks = measured;
        let noted: &BTreeMap<ClockName, Wall> = &self.noted_clocks;
        for (clock, slot) in [
            (ClockName::CauseNamed, &mut clocks.cause_named_at),
            (ClockName::Acknowledged, &mut clocks.acknowledged_at),
            (ClockName::Mitigated, &mut clocks.mitigated_at),
            (ClockName::Resolved, &mut clocks.resolved_at),
        ] {
            *slot = slot.or_else(|| noted.get(&clock).copied());
            if let Some(to) = self.corrected_clocks.get(&clock) {
                *slot = *to;
            }
        }
        for (clock, slot) in [
            (ClockName::ImpactStarted, &mut clocks.impact_started_at),
            (ClockName::Detected, &mut clocks.detected_at),
        ] {
            // These two always have a value; a correction can't take it away.
            if let Some(Some(to)) = self.corrected_clocks.get(&clock) {
                *slot = *to;
            }
        }
        clocks
    }

    /// What a new end of the impact takes back: it was corrected, or noted, for the last one.
    pub(super) fn forget_clock(&mut self, clock: ClockName) {
        self.corrected_clocks.remove(&clock);
        self.noted_clocks.remove(&clock);
    }

    /// A row where the corrected clock puts it, with the time that it was measured at.
    pub(super) fn moved(&self, row: &mut Row, clock: ClockName) {
        if let Some(Some(to)) = self.corrected_clocks.get(&clock)
            && *to != row.at
        {
            row.says = format!("{} (corrected from {})", row.says, time_of_day(row.at));
            row.at = *to;
        }
    }
}

/// Keeps `item` where there is room.
fn keep<T>(list: &mut Vec<T>, item: T, dropped: &mut u32) {
    if list.len() < LIST_MAX {
        list.push(item);
    } else {
        *dropped = dropped.saturating_add(1);
    }
}

fn with(what: String, says: &str) -> String {
    if says.trim().is_empty() {
        what
    } else {
        format!("{what}: {says}")
    }
}

impl ClockName {
    /// Sets this clock; the first two keep a time whatever happens.
    pub(crate) fn set(self, clocks: &mut Clocks, at: Option<Wall>) {
        match self {
            Self::ImpactStarted => {
                clocks.impact_started_at = at.unwrap_or(clocks.impact_started_at);
            }
            Self::Detected => clocks.detected_at = at.unwrap_or(clocks.detected_at),
            Self::CauseNamed => clocks.cause_named_at = at,
            Self::Acknowledged => clocks.acknowledged_at = at,
            Self::Mitigated => clocks.mitigated_at = at,
            Self::Resolved => clocks.resolved_at = at,
        }
    }

    /// This clock's value.
    pub fn of(self, clocks: &Clocks) -> Option<Wall> {
        match self {
            Self::ImpactStarted => Some(clocks.impact_started_at),
            Self::Detected => Some(clocks.detected_at),
            Self::CauseNamed => clocks.cause_named_at,
            Self::Acknowledged => clocks.acknowledged_at,
            Self::Mitigated => clocks.mitigated_at,
            Self::Resolved => clocks.resolved_at,
        }
    }
}

impl IncidentId {
    /// This one, or the one that speaks for it. `find` looks an incident up; a chain of merges is
    /// followed to its end, and a ring (which `core` never writes) not for ever.
    pub fn survivor<'a>(self, find: impl Fn(IncidentId) -> Option<&'a Incident>) -> IncidentId {
        let mut id = self;
        for _ in 0..LIST_MAX {
            match find(id).and_then(|incident| incident.merged_into) {
                Some(into) => id = into,
                None => return id,
            }
        }
        id
    }
}
