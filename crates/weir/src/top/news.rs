//! What an answer or an event changes in what is known.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use weir_model::Wall;

use super::asks::pause;
use super::history::Moment;
use super::model::{DECISIONS_MAX, Doc, Fault, Mode, Model, News, View};
use super::skin::{Tone, seconds};
use super::told::{self, Decision, Incident, Pool, PoolNumbers, PoolWords};

impl Model {
    pub(crate) fn on_news(&mut self, news: News) {
        match news {
            News::Answer { doc, path, result } => self.on_answer(doc, &path, result),
            News::Done { what, result } => self.on_done(&what, result),
            News::Foretold { number, result } => self.on_foretold(number, result),
            News::StreamOpen => {
                self.stream.open = true;
                self.stream.asked = false;
                self.stream.failures = 0;
            }
            News::StreamEnded(says) => {
                if self.stream.open {
                    self.note(self.wall(), "stream", "top", says, Tone::Dim);
                }
                self.stream.open = false;
                self.stream.asked = false;
                self.stream.failures += 1;
                self.stream.retry_at = self.now.after(pause(self.stream.failures));
            }
            News::Event { name, id, data } => {
                if !id.is_empty() {
                    self.stream.last_id = Some(id);
                }
                self.on_event(&name, data);
            }
        }
    }

    fn on_answer(&mut self, doc: Doc, path: &str, result: Result<Value, Fault>) {
        let slot = self.slots.entry(doc).or_default();
        slot.in_flight = false;
        // What was asked for before one looked elsewhere.
        let late = slot.path != path;
        let result = result.and_then(|value| match late {
            true => Ok(()),
            false => self.take(doc, value).map_err(Fault::Strange),
        });
        let slot = self.slots.entry(doc).or_default();
        match result {
            Ok(()) => {
                slot.fault = None;
                slot.told_at = Some(self.now);
                if doc == Doc::Pools {
                    self.on_link_up();
                }
            }
            Err(fault) => {
                slot.fault = Some(fault.clone());
                if path.contains("?at=") || path.contains("?from=") {
                    self.forget_moment(doc);
                }
                let lost = match &fault {
                    Fault::Unreachable(_) => true,
                    Fault::Refused { status, .. } => {
                        doc == Doc::Pools || matches!(status, 401 | 403)
                    }
                    Fault::Strange(_) => doc == Doc::Pools,
                };
                // Several questions fail together; the one that is asked again counts them.
                if lost && (doc == Doc::Pools || self.link.up) {
                    self.on_link_down(&fault);
                }
            }
        }
    }

    /// What was told of another moment doesn't stand for this one.
    fn forget_moment(&mut self, doc: Doc) {
        match doc {
            Doc::Overview => self.overview = None,
            Doc::Queries => self.queries = None,
            Doc::Waits => self.waits = None,
            Doc::Pools
            | Doc::Status
            | Doc::Clients
            | Doc::Incidents
            | Doc::Incident
            | Doc::Decisions
            | Doc::Samples => {}
        }
    }

    fn on_link_up(&mut self) {
        if !self.link.up {
            let away = self.link.heard.map(|heard| self.now.since(heard));
            if let Some(away) = away {
                let says = format!(
                    "{} answers again, after {}",
                    self.url,
                    seconds(away.as_secs_f64())
                );
                self.note(self.wall(), "link", "top", says, Tone::Good);
            }
            for doc in [Doc::Status, Doc::Incidents, Doc::Decisions] {
                self.renew(doc);
            }
            self.stream.retry_at = self.now;
        }
        self.link.up = true;
        self.link.failures = 0;
        self.link.says.clear();
        self.link.heard = Some(self.now);
    }

    fn on_link_down(&mut self, fault: &Fault) {
        if self.link.up {
            let says = format!("{} doesn't answer: {}", self.url, fault.says());
            self.note(self.wall(), "link", "top", says, Tone::Bad);
            self.link.failures = 0;
        }
        self.link.up = false;
        self.link.failures += 1;
        self.link.retry_at = self.now.after(pause(self.link.failures));
        self.link.says = fault.says();
        // The probe must not wait for its own rhythm.
        self.renew(Doc::Pools);
    }

    fn take(&mut self, doc: Doc, value: Value) -> Result<(), String> {
        match doc {
            Doc::Pools => {
                let at = value.pointer("/0/at").and_then(Value::as_str);
                let at = at.and_then(told::time);
                let pools = told::pools(value)?;
                // A list without a time (none is open, or an older Weir) is as old as its arrival.
                let at = at.unwrap_or_else(|| self.arrival());
                self.history.push(Moment {
                    at,
                    pools,
                    has_rates: true,
                });
            }
            Doc::Status => {
                let status: told::Status = told::read(value)?;
                self.status = Some(status);
            }
            Doc::Overview => self.overview = Some(told::read(value)?),
            Doc::Clients => self.clients = Some(told::read(value)?),
            Doc::Queries => self.queries = Some(told::read(value)?),
            Doc::Waits => self.waits = Some(told::read(value)?),
            Doc::Incident => self.incident = Some(told::read(value)?),
            Doc::Incidents => {
                let first = self.slot(Doc::Incidents).told_at.is_none();
                self.incidents = told::read(list(value, "incidents"))?;
                if first {
                    self.seed_incidents();
                }
            }
            Doc::Decisions => {
                let first = self.slot(Doc::Decisions).told_at.is_none();
                let decisions: Vec<Decision> = told::read(list(value, "decisions"))?;
                self.decisions = decisions.into_iter().take(DECISIONS_MAX).collect();
                if first {
                    self.seed_decisions();
                }
            }
            Doc::Samples => self.take_samples(value)?,
        }
        Ok(())
    }

    /// Civil time of what arrives now: Weir's own, carried on by our clock.
    fn arrival(&self) -> Wall {
        let told = self.status.as_ref().and_then(|status| {
            let at = told::time(&status.at)?;
            let when = self.slot(Doc::Status).told_at?;
            Some(at.after(self.now.since(when)))
        });
        let started = self.started;
        told.unwrap_or_else(|| started.after(self.now.since(weir_model::Instant::ZERO)))
    }

    fn take_samples(&mut self, value: Value) -> Result<(), String> {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Sample {
            at: String,
            database: String,
            user: String,
        }
        let mut moments: std::collections::BTreeMap<i64, Moment> = Default::default();
        let newest = self.history.newest().cloned();
        for row in list(value, "samples").as_array().into_iter().flatten() {
            let row = told::clean(row.clone());
            let sample: Sample = serde::Deserialize::deserialize(&row)
                .map_err(|f: serde_json::Error| f.to_string())?;
            let n: PoolNumbers = serde::Deserialize::deserialize(&row)
                .map_err(|f: serde_json::Error| f.to_string())?;
            let Some(at) = told::time(&sample.at) else {
                continue;
            };
            let key = (sample.database.as_str(), sample.user.as_str());
            let known = newest.as_ref().and_then(|moment| moment.pool(key));
            let words = PoolWords {
                mode: known.map_or_else(String::new, |pool| pool.words.mode.clone()),
                objective: known.map_or_else(String::new, |pool| pool.words.objective.clone()),
                database: sample.database,
                user: sample.user,
                ..PoolWords::default()
            };
            let second = at.as_micros().div_euclid(1_000_000);
            let moment = moments.entry(second).or_insert_with(|| Moment {
                at,
                ..Moment::default()
            });
            moment.at = moment.at.max(at);
            moment.pools.push(Pool {
                words: Arc::new(words),
                n,
            });
        }
        let mut shared: std::collections::BTreeMap<(String, String), Arc<PoolWords>> =
            Default::default();
        for moment in moments.values_mut() {
            moment.pools.sort_by(|a, b| a.key().cmp(&b.key()));
            for pool in &mut moment.pools {
                let key = (pool.words.database.clone(), pool.words.user.clone());
                let words = shared.entry(key).or_insert_with(|| Arc::clone(&pool.words));
                pool.words = Arc::clone(words);
            }
        }
        self.history.prepend(moments.into_values().collect());
        Ok(())
    }

    fn on_event(&mut self, name: &str, data: Value) {
        match name {
            "decision" => {
                let Ok(decision) = told::read::<Decision>(data) else {
                    return;
                };
                self.note_decision(&decision);
                if self.decisions.iter().all(|known| known.id != decision.id) {
                    self.decisions.push_front(decision);
                    self.decisions.truncate(DECISIONS_MAX);
                } else {
                    self.renew(Doc::Decisions);
                }
            }
            "incident" => {
                self.note_entry(&data);
                self.renew(Doc::Incidents);
                self.renew(Doc::Incident);
            }
            "skipped" => {
                let says = data.get("says").and_then(Value::as_str).unwrap_or_default();
                let says = format!("some events were missed: {}", told::clean_text(says));
                self.note(self.wall(), "stream", "top", says, Tone::Warn);
                self.renew(Doc::Incidents);
                self.renew(Doc::Decisions);
            }
            // Pools are polled at the person's own rate.
            _ => {}
        }
    }

    /// A line of an incident's journal. What comes every few seconds (numbers, and decisions, which
    /// are told as such) is no line of the log.
    fn note_entry(&mut self, data: &Value) {
        let text = |pointer: &str| {
            let text = data.pointer(pointer).and_then(Value::as_str);
            text.map(told::clean_text).unwrap_or_default()
        };
        let (id, kind) = (text("/incident/id"), text("/entry/kind"));
        let says = match kind.as_str() {
            "series" | "measured" | "decided" => return,
            "diagnosed" => {
                let cause = text("/incident/cause");
                format!(
                    "{id}: {}: {}",
                    cause.replace('_', " "),
                    text("/incident/says")
                )
            }
            _ => match text("/entry/says") {
                empty if empty.is_empty() => format!("{id}: {}", kind.replace('_', " ")),
                says => format!("{id}: {says}"),
            },
        };
        let newest = self.log.iter().rev().take(20);
        if kind == "diagnosed" && newest.into_iter().any(|line| line.says == says) {
            return;
        }
        let at = told::time(&text("/entry/at")).unwrap_or_else(|| self.wall());
        self.note(at, &kind, &text("/entry/by"), says, tone_of(&kind));
    }

    fn note_decision(&mut self, decision: &Decision) {
        if decision.action == "keep" {
            return;
        }
        let at = told::time(&decision.at).unwrap_or_else(|| self.wall());
        let tone = match decision.acted {
            true => Tone::Accent,
            false => Tone::Warn,
        };
        let kind = match decision.acted {
            true => "action",
            false => "decision",
        };
        let says = format!("{}: {}", decision.pool(), decision.says);
        self.note(at, kind, "weir", says, tone);
    }

    /// The log begins with what happened before the start.
    fn seed_decisions(&mut self) {
        let decisions: Vec<Decision> = self.decisions.iter().rev().cloned().collect();
        for decision in &decisions {
            self.note_decision(decision);
        }
        self.order_log();
    }

    fn seed_incidents(&mut self) {
        let incidents: Vec<Incident> = self.incidents.iter().take(5).cloned().collect();
        for incident in incidents {
            for row in incident.timeline {
                let Some(at) = told::time(&row.at) else {
                    continue;
                };
                let says = format!("{}: {}", incident.id, row.says);
                self.note(at, &row.kind, &row.by, says, tone_of(&row.kind));
            }
        }
        self.order_log();
    }

    fn order_log(&mut self) {
        self.log
            .make_contiguous()
            .sort_by_key(|line| (line.at, line.number));
    }

    fn on_done(&mut self, what: &str, result: Result<Value, Fault>) {
        self.pending = self.pending.saturating_sub(1);
        let (says, tone) = match result {
            Ok(answer) => {
                let answer = told::clean(answer);
                let says = answer.get("says").and_then(Value::as_str).unwrap_or("done");
                (format!("{what}: {says}"), Tone::Good)
            }
            Err(fault) => (format!("{what}: refused: {}", fault.says()), Tone::Bad),
        };
        self.note(self.wall(), "order", &self.by.clone(), says.clone(), tone);
        self.say(says, tone);
        for doc in [Doc::Pools, Doc::Incidents, Doc::Incident, Doc::Decisions] {
            self.renew(doc);
        }
        if self.view == View::Clients {
            self.renew(Doc::Clients);
        }
    }

    /// The API's own words for an order replace ours.
    fn on_foretold(&mut self, number: u64, result: Result<Value, Fault>) {
        let Mode::Confirm(confirm) = &mut self.mode else {
            return;
        };
        if confirm.number != number {
            return;
        }
        match result {
            Ok(answer) => {
                let answer = told::clean(answer);
                let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
                let told: Vec<String> = [text("says"), text("expected")]
                    .into_iter()
                    .flatten()
                    .collect();
                if !told.is_empty() {
                    confirm.says = told;
                }
                if let Some(undo) = text("undo_says") {
                    confirm.undo = undo;
                }
            }
            // An API that can't foretell; its words after the deed will do.
            Err(Fault::Refused { status: 400, .. } | Fault::Strange(_)) => {}
            Err(fault) => confirm.says.push(format!("now: {}", fault.says())),
        }
    }
}

/// A list, or the list in a document.
fn list(value: Value, key: &str) -> Value {
    match value {
        Value::Object(mut whole) => whole.remove(key).unwrap_or(json!([])),
        other => other,
    }
}

fn tone_of(kind: &str) -> Tone {
    match kind {
        "impact" | "opened" | "detected" | "escalated" | "reopened" => Tone::Bad,
        "finding" | "diagnosed" | "alert" => Tone::Warn,
        "mitigated" | "resolved" | "closed" => Tone::Good,
        "decision" | "action" | "acted" => Tone::Accent,
        _ => Tone::Plain,
    }
}

/// How long since somebody answered.
pub(crate) fn age(model: &Model) -> Option<Duration> {
    model.link.heard.map(|heard| model.now.since(heard))
}
