//! Clocks over many incidents, as distributions: a mean of times to recover says nothing, for one
//! long night outweighs a year of short ones.
//!
//! # What always holds
//! - Each figure is that of a real incident: quantiles are nearest ranks, never between two.
//! - A clock that never ran counts nowhere: `count` says how many did.
//! - Merged incidents count once, drills only where asked for.

use std::collections::BTreeMap;

use weir_model::{Severity, Wall};

use super::entry::{IncidentId, Kind, Topic};
use super::state::Incident;

/// Which stretch of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stretch {
    /// TTD.
    Detect,
    /// TTA.
    Acknowledge,
    /// TTE.
    Engage,
    /// TTI.
    NameCause,
    /// TTM.
    Mitigate,
    /// TTR.
    Resolve,
}

impl Stretch {
    /// In the order in which an incident goes through them.
    pub const ALL: [Stretch; 6] = [
        Self::Detect,
        Self::Acknowledge,
        Self::Engage,
        Self::NameCause,
        Self::Mitigate,
        Self::Resolve,
    ];

    /// The name that every surface uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::Acknowledge => "acknowledge",
            Self::Engage => "engage",
            Self::NameCause => "name_cause",
            Self::Mitigate => "mitigate",
            Self::Resolve => "resolve",
        }
    }

    /// What tools call it.
    pub fn short(self) -> &'static str {
        match self {
            Self::Detect => "TTD",
            Self::Acknowledge => "TTA",
            Self::Engage => "TTE",
            Self::NameCause => "TTI",
            Self::Mitigate => "TTM",
            Self::Resolve => "TTR",
        }
    }

    /// From what to what; tools disagree, so it is always said.
    pub fn says(self) -> &'static str {
        match self {
            Self::Detect => "detected − impact started",
            Self::Acknowledge => "acknowledged − detected",
            Self::Engage => "right team engaged − detected",
            Self::NameCause => "cause named − detected",
            Self::Mitigate => "impact gone − impact started",
            Self::Resolve => "resolved − impact started",
        }
    }

    /// How long it took in this incident; `None` where the clock never ran.
    pub fn of(self, incident: &Incident) -> Option<f64> {
        let clocks = incident.clocks();
        let (from, to) = match self {
            Self::Detect => (clocks.impact_started_at, Some(clocks.detected_at)),
            Self::Acknowledge => (clocks.detected_at, clocks.acknowledged_at),
            Self::Engage => (
                clocks.detected_at,
                incident
                    .stated_about(Topic::RightTeam)
                    .find_map(|stated| stated.happened_at),
            ),
            Self::NameCause => (clocks.detected_at, clocks.cause_named_at),
            Self::Mitigate => (clocks.impact_started_at, clocks.mitigated_at),
            Self::Resolve => (clocks.impact_started_at, clocks.resolved_at),
        };
        to.map(|to| to.since(from).as_secs_f64())
    }
}

/// How a stretch is distributed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distribution {
    /// In how many incidents the clock ran.
    pub count: usize,
    /// Half took no longer.
    pub median_s: f64,
    /// Nine of ten took no longer.
    pub p90_s: f64,
    /// The longest…
    pub worst_s: f64,
    /// … and which that was.
    pub worst: IncidentId,
}

impl Distribution {
    fn of(mut taken: Vec<(f64, IncidentId)>) -> Option<Self> {
        taken.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let rank = |share: f64| {
            let rank = (share * taken.len() as f64).ceil() as usize;
            taken.get(rank.saturating_sub(1)).map(|(s, _)| *s)
        };
        let (worst_s, worst) = *taken.last()?;
        Some(Self {
            count: taken.len(),
            median_s: rank(0.5)?,
            p90_s: rank(0.9)?,
            worst_s,
            worst,
        })
    }
}

/// Incidents of one severity, or all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// How many incidents.
    pub incidents: usize,
    /// Of these, detected by Weir before any person.
    pub by_weir_first: usize,
    /// Every stretch; `None` where no clock ran.
    pub stretches: BTreeMap<Stretch, Option<Distribution>>,
}

/// What [`over`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClockReport {
    /// All of them.
    pub all: Group,
    /// By severity, worst first.
    pub by_severity: BTreeMap<Severity, Group>,
    /// Drills that were left out.
    pub drills_left_out: usize,
}

/// Clocks of the incidents whose impact began at `since` or later.
pub fn over(incidents: &[&Incident], since: Wall, with_drills: bool) -> ClockReport {
    let mut report = ClockReport::default();
    let mut counted: Vec<(&Incident, bool)> = Vec::new();
    for incident in incidents.iter().copied() {
        if incident.is_merged() || incident.clocks().impact_started_at < since {
            continue;
        }
        if incident.kind == Kind::Drill && !with_drills {
            report.drills_left_out += 1;
            continue;
        }
        let first = incident.detected_by == "weir"
            // A person's own incident that was merged into this one may have been earlier.
            && !incidents.iter().any(|other| {
                other.merged_into == Some(incident.id)
                    && other.detected_by != "weir"
                    && other.clocks().detected_at < incident.clocks().detected_at
            });
        counted.push((incident, first));
    }
    report.all = group(&counted);
    for severity in Severity::ALL {
        let of: Vec<(&Incident, bool)> = counted
            .iter()
            .filter(|(incident, _)| incident.severity == *severity)
            .copied()
            .collect();
        if !of.is_empty() {
            report.by_severity.insert(*severity, group(&of));
        }
    }
    report
}

fn group(counted: &[(&Incident, bool)]) -> Group {
    let stretches = Stretch::ALL
        .into_iter()
        .map(|stretch| {
            let taken = counted
                .iter()
                .filter_map(|(incident, _)| Some((stretch.of(incident)?, incident.id)))
                .collect();
            (stretch, Distribution::of(taken))
        })
        .collect();
    Group {
        incidents: counted.len(),
        by_weir_first: counted.iter().filter(|(_, first)| *first).count(),
        stretches,
    }
}

/// The report for programs.
pub fn document(report: &ClockReport, since: Wall, with_drills: bool) -> serde_json::Value {
    use serde_json::{Value, json};

    let group = |group: &Group| {
        let stretches: Vec<Value> = group
            .stretches
            .iter()
            .map(|(stretch, found)| {
                json!({
                    "clock": stretch.name(),
                    "short": stretch.short(),
                    "says": stretch.says(),
                    "count": found.map_or(0, |d| d.count),
                    "median_s": found.map(|d| d.median_s),
                    "p90_s": found.map(|d| d.p90_s),
                    "worst_s": found.map(|d| d.worst_s),
                    "worst": found.map(|d| d.worst.to_string()),
                })
            })
            .collect();
        json!({
            "incidents": group.incidents,
            "detected_by_weir_first": group.by_weir_first,
            "detected_by_weir_first_ratio": (group.incidents > 0)
                .then(|| group.by_weir_first as f64 / group.incidents as f64),
            "clocks": stretches,
        })
    };
    json!({
        "schema": "weir.clocks/1",
        "since": super::words::rfc3339(since),
        "with_drills": with_drills,
        "drills_left_out": report.drills_left_out,
        "quantiles": "nearest rank: each figure is that of one incident",
        "all": group(&report.all),
        "by_severity": report.by_severity.iter()
            .map(|(severity, of)| (severity.name().to_owned(), group(of)))
            .collect::<serde_json::Map<String, Value>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_real_incidents() {
        let taken = |n: u64| (1..=n).map(|i| (i as f64, IncidentId(i))).collect();
        let ten = Distribution::of(taken(10)).unwrap();
        assert_eq!((ten.median_s, ten.p90_s, ten.worst_s), (5.0, 9.0, 10.0));
        assert_eq!(ten.worst, IncidentId(10));
        let one = Distribution::of(taken(1)).unwrap();
        assert_eq!((one.count, one.median_s, one.p90_s), (1, 1.0, 1.0));
        assert_eq!(Distribution::of(taken(0)), None);
    }
}
