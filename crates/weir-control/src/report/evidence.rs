//! The evidence list of one report: each number gets a name (`E3`) when a sentence first stands
//! on it.

use weir_model::{Evidence, Wall};

use super::doc::{Cited, Line};
use crate::incident::words::{date, seconds, time_of_day_tenths, trimmed};

/// More than this isn't read by anybody; the rest stands in the incident's JSON.
const EVIDENCE_MAX: usize = 80;

/// The list under construction.
#[derive(Debug, Default)]
pub(super) struct Book {
    known: Vec<Evidence>,
    left_out: usize,
}

impl Book {
    /// The name of this evidence, the same for the same.
    pub(super) fn cite(&mut self, evidence: &Evidence) -> Vec<Cited> {
        let same = |known: &Evidence| {
            known.says == evidence.says
                && known.metric == evidence.metric
                && known.query == evidence.query
                && known.from == evidence.from
                && known.to == evidence.to
        };
        if let Some(index) = self.known.iter().position(same) {
            return vec![Cited::Evidence(index + 1)];
        }
        if self.known.len() >= EVIDENCE_MAX {
            self.left_out += 1;
            return Vec::new();
        }
        self.known.push(evidence.clone());
        vec![Cited::Evidence(self.known.len())]
    }

    /// All of these.
    pub(super) fn cite_all(&mut self, evidence: &[Evidence]) -> Vec<Cited> {
        evidence.iter().flat_map(|e| self.cite(e)).collect()
    }

    /// Evidence of the report's own making: what was measured, how to ask again, over which
    /// window. Its numbers stand in the sentence that cites it.
    pub(super) fn measured(
        &mut self,
        says: &str,
        metric: &str,
        query: String,
        from: Wall,
        to: Wall,
    ) -> Vec<Cited> {
        self.cite(&Evidence {
            says: says.to_owned(),
            metric: metric.to_owned(),
            value: f64::NAN,
            baseline: None,
            query,
            from,
            to,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        self.known
            .iter()
            .enumerate()
            .map(|(index, e)| {
                let mut line = Line::new()
                    .strong(format!("E{}", index + 1))
                    .text(" ")
                    .says_part(&e.says)
                    .text(" · ")
                    .code(&e.metric);
                if e.value.is_finite() {
                    line = line.text(format!(" = {}", value(&e.metric, e.value)));
                    if let Some(baseline) = e.baseline.filter(|b| b.is_finite()) {
                        line = line.text(format!(" (before: {})", value(&e.metric, baseline)));
                    }
                }
                line.text(" · ")
                    .code(&e.query)
                    .text(format!(" · {}", window(e.from, e.to)))
            })
            .collect()
    }
}

/// A value in the unit that its metric's name says.
fn value(metric: &str, value: f64) -> String {
    if metric.ends_with("_seconds") || metric.ends_with("_s") || metric.ends_with("_age") {
        seconds(value)
    } else if metric.ends_with("_ratio") || metric.ends_with("_share") {
        crate::incident::words::share(value)
    } else if value.abs() < 1e15 && value == value.trunc() {
        let sign = if value < 0.0 { "−" } else { "" };
        format!(
            "{sign}{}",
            crate::incident::words::count(value.abs() as u64)
        )
    } else if value != 0.0 && value.abs() < 0.1 {
        let text = format!("{value:.4}");
        text.trim_end_matches('0').to_owned()
    } else if value.abs() < 1.0 {
        format!("{value:.2}")
    } else {
        trimmed(value)
    }
}

/// `2026-11-23 13:58:41.2 to 13:59:11.2`.
fn window(from: Wall, to: Wall) -> String {
    let end = if date(from) == date(to) {
        time_of_day_tenths(to)
    } else {
        format!("{} {}", date(to), time_of_day_tenths(to))
    };
    format!("{} {} to {end} UTC", date(from), time_of_day_tenths(from))
}
