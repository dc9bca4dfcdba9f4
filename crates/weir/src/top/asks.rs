//! What should be asked now? The rhythm of questions, and the pauses while nobody answers.
//!
//! # What always holds
//! - Only what is shown is asked for, beside pools, status, incidents and decisions: a list of
//!   clients costs the data plane a snapshot.
//! - Of each document one question at most is on its way.
//! - While the link is down, one small question goes out at growing intervals ([`pause`]); nothing
//!   else.

use std::time::Duration;

use weir_model::{Instant, Wall};

use super::history::SPAN;
use super::model::{Command, Doc, Model, Page, Slot, View};
use super::told;

/// What changes seldom is asked for so often…
const SELDOM: Duration = Duration::from_secs(5);
/// …and what costs the data plane a snapshot, no more often than this.
const SNAPSHOT: Duration = Duration::from_secs(1);
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// Questions to the recorder after the start: ten minutes of up to 30 pools, less of more.
const BACKFILL_MAX: u32 = 20;
/// Pools times seconds in one answer of the recorder: it gives at most 10,000 rows, ten a second.
const POOL_SECONDS: u64 = 900;

/// After so many failures in a row: ½, 1, 2, 4, 8, 15 s.
pub(crate) fn pause(failures: u32) -> Duration {
    let doubled = Duration::from_millis(500) * 2_u32.pow(failures.saturating_sub(1).min(8));
    doubled.min(PAUSE_MAX)
}

/// Text as the value of a query.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' => {
                out.push(byte as char);
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

impl Model {
    /// Questions whose time has come; marks them as asked.
    pub(crate) fn due(&mut self) -> Vec<Command> {
        let mut commands = Vec::new();
        let every = self.every();
        if !self.link.up {
            if self.link.retry_at <= self.now {
                self.ask(
                    Doc::Pools,
                    Duration::ZERO,
                    "/api/v1/pools".to_owned(),
                    &mut commands,
                );
            }
            return commands;
        }
        self.ask(Doc::Pools, every, "/api/v1/pools".to_owned(), &mut commands);
        let seldom = every.max(SELDOM);
        self.ask(
            Doc::Status,
            seldom,
            "/api/v1/status".to_owned(),
            &mut commands,
        );
        self.ask(
            Doc::Incidents,
            seldom,
            "/api/v1/incidents?limit=50".to_owned(),
            &mut commands,
        );
        self.ask(
            Doc::Decisions,
            seldom,
            "/api/v1/decisions?limit=200".to_owned(),
            &mut commands,
        );
        self.shown(every, &mut commands);
        self.recorded(&mut commands);
        if !self.stream.open && !self.stream.asked && self.stream.retry_at <= self.now {
            self.stream.asked = true;
            commands.push(Command::Listen {
                last_id: self.stream.last_id.clone(),
            });
        }
        commands
    }

    /// What the open view shows beside the pools.
    fn shown(&mut self, every: Duration, commands: &mut Vec<Command>) {
        let past = self.past();
        let at = past.map_or(String::new(), |at| {
            format!("?at={}", quoted(&told::written(at)))
        });
        if let Some(Page::Incident(id)) = self.page() {
            let path = format!("/api/v1/incidents/{}", quoted(id));
            self.ask(Doc::Incident, every.max(SNAPSHOT * 2), path, commands);
        }
        match self.view {
            View::Overview => {
                self.ask_at(
                    Doc::Overview,
                    every,
                    format!("/api/v1/overview{at}"),
                    commands,
                );
            }
            // Clients are not recorded: while the past is looked at, the last list stays.
            View::Clients if past.is_none() => {
                let path = "/api/v1/clients?limit=5000".to_owned();
                self.ask(Doc::Clients, every.max(SNAPSHOT), path, commands);
            }
            View::Queries => {
                let path = match past {
                    Some(to) => format!(
                        "/api/v1/queries?from={}&to={}",
                        quoted(&told::written(to.before(Duration::from_secs(60)))),
                        quoted(&told::written(to)),
                    ),
                    None => "/api/v1/queries".to_owned(),
                };
                self.ask_at(Doc::Queries, every.max(SNAPSHOT * 2), path, commands);
            }
            View::Waits => {
                let path = format!("/api/v1/waits{at}");
                self.ask_at(Doc::Waits, every.max(SNAPSHOT), path, commands);
            }
            View::Clients | View::Pools | View::Incidents | View::Decisions | View::Log => {}
        }
    }

    /// What the recorder knows of the time before the start.
    fn recorded(&mut self, commands: &mut Vec<Command>) {
        let Some((oldest, pools)) = self.history.oldest().map(|m| (m.at, m.pools.len() as u64))
        else {
            return;
        };
        let Some(newest) = self.history.newest().map(|m| m.at) else {
            return;
        };
        let (until, asked) = self.backfill.unwrap_or((oldest, 0));
        let end = newest.before(SPAN);
        let busy = self
            .slots
            .get(&Doc::Samples)
            .is_some_and(|slot| slot.in_flight);
        if pools == 0 || pools > POOL_SECONDS || asked >= BACKFILL_MAX || until <= end || busy {
            return;
        }
        let from = until
            .before(Duration::from_secs(POOL_SECONDS / pools))
            .max(end);
        let path = format!(
            "/api/v1/samples?step=1&from={}&to={}",
            quoted(&told::written(from)),
            quoted(&told::written(until)),
        );
        self.backfill = Some((from, asked + 1));
        self.ask(Doc::Samples, Duration::ZERO, path, commands);
    }

    /// As [`Model::ask`], but another address is another question, which can't wait.
    fn ask_at(&mut self, doc: Doc, every: Duration, path: String, commands: &mut Vec<Command>) {
        let slot = self.slots.entry(doc).or_default();
        let fixed = path.contains('?');
        let other = slot.path != path;
        if other && !slot.in_flight {
            slot.asked_at = None;
        }
        // What was then stays as it was: it is asked for once.
        if fixed && !other && slot.asked_at.is_some() {
            return;
        }
        self.ask(doc, every, path, commands);
    }

    fn ask(&mut self, doc: Doc, every: Duration, path: String, commands: &mut Vec<Command>) {
        let now = self.now;
        let slot = self.slots.entry(doc).or_default();
        let due = |at: Instant| at.after(every) <= now;
        if slot.in_flight || !slot.asked_at.is_none_or(due) {
            return;
        }
        slot.asked_at = Some(now);
        slot.in_flight = true;
        slot.path.clone_from(&path);
        commands.push(Command::Ask { doc, path });
    }

    /// Asks again as soon as may be.
    pub(crate) fn renew(&mut self, doc: Doc) {
        self.slots.entry(doc).or_default().asked_at = None;
    }

    pub(crate) fn slot(&self, doc: Doc) -> Slot {
        self.slots.get(&doc).cloned().unwrap_or_default()
    }

    /// Looks at the moment at or before `at`. `Err`: the earliest there is.
    pub(crate) fn look_at(&mut self, at: Wall) -> Result<(), Option<Wall>> {
        let oldest = self.history.oldest().map(|moment| moment.at);
        if oldest.is_none_or(|oldest| at.after(Duration::from_secs(1)) < oldest) {
            return Err(oldest);
        }
        match self.history.at(at) {
            Some(moment) => {
                self.look = super::model::Look::At(moment.clone());
                Ok(())
            }
            None => Err(oldest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_fifteen_seconds_and_no_further() {
        let pauses = [1, 2, 3, 4, 5, 6, 60].map(|n| pause(n).as_millis());
        assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    }

    #[test]
    fn a_value_in_an_address_is_quoted() {
        assert_eq!(
            quoted("2026-11-23T05:00:00.000Z"),
            "2026-11-23T05:00:00.000Z"
        );
        assert_eq!(quoted("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }
}
