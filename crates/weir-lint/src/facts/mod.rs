//! What a report says: pure functions from the tree to [`Facts`].
//!
//! `Facts` is also what an incident is made of when a report is imported, so it holds what was
//! *found*, with absence for what was not: nothing is guessed beyond what the text tells.
//!
//! # Units
//! Points in time are UTC ([`jiff::Timestamp`]); lengths are [`std::time::Duration`]; shares are
//! percent as written (`35.0` for `35 %`); lines count from 1.

pub mod actions;
pub mod cause;
pub mod doc;
pub mod impact;
pub mod lessons;
pub mod meta;
pub mod part;
pub mod timeline;

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;

use crate::words::duration::Span;
pub use actions::{Action, ActionType};
pub use doc::Doc;
pub use impact::{Affected, Quantity};
pub use timeline::{Row, Tag};

/// A piece of what a report says, and where.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Said {
    /// The words.
    pub says: String,
    /// From 1.
    pub line: usize,
    /// In the source, in bytes.
    #[serde(skip)]
    pub range: std::ops::Range<usize>,
}

/// A clock of the incident as the report gives it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clock {
    /// The point in time; absent where date or zone can't be told.
    pub at: Option<Timestamp>,
    /// The date is known, from here or from the surroundings.
    pub has_date: bool,
    /// The zone is known, from here or from the surroundings.
    pub has_zone: bool,
    /// The zone as written here, where it is neither UTC nor an offset.
    pub named_zone: Option<String>,
    /// A date that reads two ways (`05/10/2023`) stands in it.
    pub ambiguous: bool,
    /// From 1.
    pub line: usize,
    /// In the source, in bytes.
    #[serde(skip)]
    pub range: std::ops::Range<usize>,
}

/// The clocks of the incident.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Clocks {
    /// Impact began.
    pub started: Option<Clock>,
    /// Impact was over.
    pub ended: Option<Clock>,
    /// Somebody or something noticed.
    pub detected: Option<Timestamp>,
    /// Somebody took it.
    pub acked: Option<Timestamp>,
    /// The right team was brought in.
    pub escalated: Option<Timestamp>,
    /// The cause was found.
    pub identified: Option<Timestamp>,
    /// The remedy was applied.
    pub mitigated: Option<Timestamp>,
    /// Declared over.
    pub resolved: Option<Timestamp>,
}

/// Who found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DetectedBy {
    /// An alert, a monitor, a probe.
    Alert,
    /// Customers, users, support.
    Customer,
    /// An engineer who happened to look.
    Engineer,
}

/// What a report says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Facts {
    /// The title as written.
    pub title: Option<String>,
    /// The service: the title before its colon, or the field that names it.
    pub service: Option<String>,
    /// The symptom: the title behind its colon.
    pub symptom: Option<String>,
    /// `INC-7`.
    pub id: Option<String>,
    /// As written: `SEV2`, `P1`, `critical`.
    pub severity: Option<Said>,
    /// As written.
    pub status: Option<Said>,
    /// Who wrote it or owns it.
    pub authors: Vec<String>,
    /// Who reviewed it.
    pub reviewed_by: Vec<String>,
    /// When it was published or reviewed.
    pub published: Option<Date>,
    /// The day of the incident.
    pub day: Option<Date>,
    /// Start, end and what lay between.
    pub clocks: Clocks,
    /// The duration as the report states it.
    #[serde(serialize_with = "as_seconds", rename = "duration_s")]
    pub duration: Option<Span>,
    /// Other lengths that are stated for the whole incident.
    #[serde(skip)]
    pub durations: Vec<(Span, Said)>,
    /// The rows of the timeline.
    pub rows: Vec<Row>,
    /// Shares of users, requests … that were affected.
    pub affected: Vec<Affected>,
    /// Other quantities of impact.
    pub quantities: Vec<Quantity>,
    /// Whether data was lost: the sentence that says so.
    pub data_lost: Option<Said>,
    /// What still worked: the sentence that says so.
    pub still_worked: Option<Said>,
    /// What set it off.
    pub trigger: Option<Said>,
    /// Why it happened.
    pub cause: Option<Said>,
    /// The name in Weir's vocabulary, where the report says it or its words leave no doubt.
    pub cause_name: Option<weir_model::Cause>,
    /// What else made it possible or worse.
    pub factors: Vec<Said>,
    /// How the cause was found.
    pub identified_how: Option<Said>,
    /// Who found that something was wrong.
    pub detected_by: Option<DetectedBy>,
    /// What was suspected wrongly.
    pub false_leads: Vec<Said>,
    /// What was done.
    pub resolution: Option<Said>,
    /// How it was known to be over.
    pub recovery: Option<Said>,
    /// What will be done.
    pub actions: Vec<Action>,
    /// What went well.
    pub went_well: Vec<Said>,
    /// What went wrong.
    pub went_wrong: Vec<Said>,
    /// Where luck helped.
    pub lucky: Vec<Said>,
}

fn as_seconds<S: serde::Serializer>(span: &Option<Span>, serializer: S) -> Result<S::Ok, S::Error> {
    span.as_ref()
        .map(|span| span.length.as_secs_f64())
        .serialize(serializer)
}

impl Facts {
    /// Understands a report.
    pub fn of(doc: &Doc<'_>) -> Self {
        let mut facts = Self {
            day: doc.day,
            ..Self::default()
        };
        meta::read(doc, &mut facts);
        facts.rows = timeline::rows(doc);
        facts.actions = actions::read(doc);
        meta::clocks(doc, &mut facts);
        timeline::onset_rows(doc, &mut facts);
        meta::durations(doc, &mut facts);
        impact::read(doc, &mut facts);
        cause::read(doc, &mut facts);
        lessons::read(doc, &mut facts);
        facts
    }

    /// End less start, where both are known and in order.
    pub fn computed_duration(&self) -> Option<Duration> {
        let start = self.clocks.started.as_ref()?.at?;
        let end = self.clocks.ended.as_ref()?.at?;
        Duration::try_from(end.duration_since(start))
            .ok()
            .filter(|d| !d.is_zero())
    }

    /// The first row with a tag.
    pub fn row(&self, tag: Tag) -> Option<&Row> {
        self.rows.iter().find(|row| row.tags.contains(&tag))
    }
}

impl Said {
    /// A range of the source as it is said.
    pub(crate) fn new(doc: &Doc<'_>, says: &str, range: std::ops::Range<usize>) -> Self {
        Self {
            says: says.split_whitespace().collect::<Vec<_>>().join(" "),
            line: doc.source.place(range.start).line,
            range,
        }
    }
}
