//! The timeline, and what else is worked out from an incident when somebody asks: factors,
//! actions, questions, Little's law.

use std::time::Duration;

use weir_model::{Order, Wall};

use super::entry::{By, ClockName};
use super::factors::{self, Factor};
use super::measures;
use super::parts::{Action, Clocks, Row, RowKind};
use super::state::Incident;
use super::words;

impl Incident {
    /// Every row in order of time, from before the impact until the last entry. Rows of one time
    /// stand in the order of the journal.
    pub fn timeline(&self) -> Vec<Row> {
        let mut rows = self.rows.clone();
        let clocks = self.clocks();
        let events = self.clocks_of_events();
        if let Some(named_at) = events.cause_named_at {
            let at = rows
                .iter()
                .position(|row| row.kind == RowKind::Finding && row.at == named_at);
            if let Some(index) = at {
                rows[index].kind = RowKind::Identified;
                if !self.ruled_out.is_empty() {
                    rows.insert(index + 1, self.ruled_out_row(named_at));
                }
            }
        }
        if let Some(trigger) = &self.trigger
            && let Some(at) = trigger.at
        {
            rows.push(Row {
                seq: trigger.seq,
                at,
                kind: RowKind::Trigger,
                by: By::Weir,
                says: trigger.says.clone(),
                evidence: Vec::new(),
            });
        }
        // What stopped the last clock of its kind carries the tag; earlier ones were taken back.
        for row in &mut rows {
            let Some((clock, by_event)) = clock_of(row.kind, &events) else {
                continue;
            };
            if self.noted_kinds.contains(&row.seq) {
                // A note's time counts where no event stopped the clock, and the first note only.
                if by_event.is_some() || self.noted_clocks.get(&clock) != Some(&row.at) {
                    row.kind = RowKind::Note;
                } else {
                    self.moved(row, clock);
                }
            } else if by_event != Some(row.at) {
                if row.kind != RowKind::Ack {
                    row.says.push_str("; it did not last");
                }
                row.kind = RowKind::Note;
            } else {
                self.moved(row, clock);
            }
        }
        self.set_by_correction_alone(&mut rows, &clocks);
        // The trigger first where times are equal: it set off what follows.
        rows.sort_by_key(|row| (row.at, row.kind != RowKind::Trigger));
        rows
    }

    /// A clock that only a correction stopped has a row too: the correction's words at its time.
    fn set_by_correction_alone(&self, rows: &mut Vec<Row>, clocks: &Clocks) {
        for (clock, kind) in [
            (ClockName::CauseNamed, RowKind::Identified),
            (ClockName::Acknowledged, RowKind::Ack),
            (ClockName::Mitigated, RowKind::Mitigated),
            (ClockName::Resolved, RowKind::Resolved),
        ] {
            let (Some(at), Some(correction)) = (clock.of(clocks), self.correction(clock)) else {
                continue;
            };
            if !rows.iter().any(|row| row.kind == kind && row.at == at) {
                rows.push(Row {
                    seq: correction.seq,
                    at,
                    kind,
                    by: correction.by.clone(),
                    says: correction.says.clone(),
                    evidence: Vec::new(),
                });
            }
        }
    }

    fn ruled_out_row(&self, at: Wall) -> Row {
        let names: Vec<&str> = self
            .ruled_out
            .iter()
            .map(|r| words::phrase(r.cause))
            .collect();
        Row {
            seq: 0,
            at,
            kind: RowKind::RuledOut,
            by: By::Weir,
            says: format!("ruled out: {}", names.join("; ")),
            evidence: self
                .ruled_out
                .iter()
                .filter_map(|r| r.evidence.first().cloned())
                .collect(),
        }
    }

    /// Contributing factors that the journal shows; at most six.
    pub fn factors(&self) -> Vec<Factor> {
        factors::factors(self)
    }

    /// Every action: those that stand in the journal, and the proposed ones, at most
    /// [`super::ACTIONS_MAX`], that nobody took up yet.
    pub fn actions(&self) -> Vec<Action> {
        measures::actions(self, &self.factors())
    }

    /// What a person must still answer; empty once all of it is stated or answered.
    pub fn questions(&self) -> Vec<String> {
        measures::questions(self, &self.factors(), &self.actions())
    }

    /// Little's law while clients waited: offered transactions per second × seconds that each
    /// holds a server. From the chart's seconds in which somebody waited, else from the window of
    /// the whole incident. `None` where nothing was measured, or nothing completed so that there
    /// is no time per transaction.
    pub fn need(&self) -> Option<Need> {
        self.need_while_waiting().or_else(|| self.need_overall())
    }

    /// The size that would have carried the load: Little's law, or more where diagnosis or the
    /// regulator left room for chance.
    pub fn size_wanted(&self) -> Option<u32> {
        let mean = self.need().map(|need| need.servers.ceil() as u32);
        let remedy = self.causes.iter().find_map(|c| match c.remedy.order {
            Some(Order::Resize { size, .. }) => Some(size),
            _ => None,
        });
        let decided = self.decisions.iter().filter_map(|d| d.to_size).max();
        mean.into_iter().chain(remedy).chain(decided).max()
    }

    fn need_while_waiting(&self) -> Option<Need> {
        let clocks = self.clocks();
        let end = clocks.mitigated_at.unwrap_or(self.last_at);
        let (mut seconds, mut arrivals, mut completions, mut held, mut size) =
            (0.0, 0.0, 0.0, 0.0, 0.0);
        let mut first_size = None;
        for pair in self.points.windows(2) {
            let (before, point) = (&pair[0], &pair[1]);
            if point.waiting == 0 || point.at < clocks.impact_started_at || point.at > end {
                continue;
            }
            // Once the size has moved, the need is another question.
            if *first_size.get_or_insert(point.size) != point.size {
                break;
            }
            let length = point.at.since(before.at).as_secs_f64();
            seconds += length;
            arrivals += f64::from(point.arrivals);
            completions += f64::from(point.completions);
            held += point.executing_s + point.thinking_s + point.network_s;
            size += f64::from(point.size) * length;
        }
        (seconds >= 2.0)
            .then(|| Need::of(seconds, arrivals, completions, held, size / seconds, true))
            .flatten()
    }

    fn need_overall(&self) -> Option<Need> {
        let during = &self.measured.as_ref()?.during;
        let seconds = during.length().as_secs_f64();
        (during.samples > 0 && seconds >= 0.1)
            .then(|| {
                Need::of(
                    seconds,
                    during.arrivals as f64,
                    during.completions as f64,
                    during.held.total().as_secs_f64(),
                    during.size,
                    false,
                )
            })
            .flatten()
    }

    /// The pool's size when it began: from the chart, else from the usual window.
    pub fn size_at_onset(&self) -> Option<u32> {
        let onset = self.clocks().impact_started_at;
        let charted = self
            .points
            .iter()
            .take_while(|p| p.at <= onset.after(Duration::from_secs(1)))
            .last()
            .map(|p| p.size);
        charted.or_else(|| {
            self.baseline
                .as_ref()
                .filter(|b| b.samples > 0)
                .map(|b| b.size_last)
        })
    }

    /// The last size that was ordered or seen.
    pub fn size_after(&self) -> Option<u32> {
        let seen = self
            .measured
            .as_ref()
            .and_then(|m| m.after.as_ref())
            .filter(|after| after.samples > 0)
            .map(|after| after.size_last);
        seen.or_else(|| self.points.last().map(|p| p.size))
            .or_else(|| {
                self.decisions
                    .iter()
                    .rev()
                    .find(|d| d.acted)
                    .and_then(|d| d.to_size)
            })
    }
}

/// The clock that a row of this kind stops, and what events say of it. The first two always
/// stand on the opening entry.
fn clock_of(kind: RowKind, events: &Clocks) -> Option<(ClockName, Option<Wall>)> {
    let clock = match kind {
        RowKind::Impact => ClockName::ImpactStarted,
        RowKind::Detected => ClockName::Detected,
        RowKind::Identified => ClockName::CauseNamed,
        RowKind::Ack => ClockName::Acknowledged,
        RowKind::Mitigated => ClockName::Mitigated,
        RowKind::Resolved => ClockName::Resolved,
        RowKind::Trigger
        | RowKind::CameBack
        | RowKind::Finding
        | RowKind::Decision
        | RowKind::Action
        | RowKind::Note
        | RowKind::Escalated
        | RowKind::Alert
        | RowKind::RuledOut
        | RowKind::Update
        | RowKind::Marker
        | RowKind::Assigned
        | RowKind::Correction
        | RowKind::Reviewed
        | RowKind::Closed => return None,
    };
    Some((clock, clock.of(events)))
}

/// How many server connections the load needed, and from what that follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Need {
    /// Seconds that it is taken over.
    pub seconds: f64,
    /// True: only seconds in which clients waited.
    pub while_waiting: bool,
    /// Offered transactions per second.
    pub arrivals_per_s: f64,
    /// Seconds that a transaction held a server.
    pub hold_s: f64,
    /// Their product.
    pub servers: f64,
    /// Servers allowed, mean.
    pub size: f64,
}

impl Need {
    fn of(
        seconds: f64,
        arrivals: f64,
        completions: f64,
        held: f64,
        size: f64,
        while_waiting: bool,
    ) -> Option<Need> {
        if completions < 1.0 {
            return None;
        }
        let (arrivals_per_s, hold_s) = (arrivals / seconds, held / completions);
        let servers = arrivals_per_s * hold_s;
        (servers.is_finite() && servers > 0.0 && size.is_finite()).then_some(Need {
            seconds,
            while_waiting,
            arrivals_per_s,
            hold_s,
            servers,
            size,
        })
    }
}
