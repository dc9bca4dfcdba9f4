//! What happened since I last listened? Server-sent events that can be resumed.
//!
//! One task turns what happens into text, once, into a ring; every listener reads the ring at its
//! own pace. A listener that falls behind the ring's tail misses the oldest and is told how many
//! in an event `skipped`, so a slow one costs nobody memory.
//!
//! # Ids
//! `<run>-<number>`: the run tells one process from the next. A listener that resumes with the id
//! of an earlier process gets what the ring holds, after a `skipped` that says so.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use weir_control::handle::{ControlHandle, Happening};
use weir_model::ClockMap;

use crate::json;

/// How many events the ring keeps…
const EVENTS_MAX: usize = 1_000;
/// …and how many bytes of them. The oldest go first.
const BYTES_MAX: usize = 8 << 20;
/// A comment is sent after this much silence, so that a dead listener is noticed.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Where a listener stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EventId {
    run: u64,
    number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.run, self.number)
    }
}

impl FromStr for EventId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (run, number) = text.split_once('-').ok_or(())?;
        Ok(Self {
            run: u64::from_str_radix(run, 16).map_err(|_| ())?,
            number: number.parse().map_err(|_| ())?,
        })
    }
}

#[derive(Debug)]
struct Item {
    name: &'static str,
    data: String,
}

#[derive(Debug, Default)]
struct Ring {
    items: VecDeque<Arc<Item>>,
    bytes: usize,
    /// The number that the newest item has; numbers begin at one.
    newest: u64,
}

impl Ring {
    fn push(&mut self, item: Item) -> u64 {
        self.bytes += item.data.len();
        self.items.push_back(Arc::new(item));
        while self.items.len() > EVENTS_MAX || (self.bytes > BYTES_MAX && self.items.len() > 1) {
            if let Some(old) = self.items.pop_front() {
                self.bytes -= old.data.len();
            }
        }
        self.newest += 1;
        self.newest
    }

    /// The first after `number`, with its own number.
    fn after(&self, number: u64) -> Option<(u64, Arc<Item>)> {
        let oldest = self.newest + 1 - self.items.len() as u64;
        let wanted = (number + 1).max(oldest);
        let index = usize::try_from(wanted - oldest).ok()?;
        Some((wanted, self.items.get(index)?.clone()))
    }
}

/// The ring and its bell. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventLog {
    run: u64,
    ring: Arc<Mutex<Ring>>,
    bell: Arc<watch::Sender<u64>>,
}

impl EventLog {
    /// An empty log; `run` tells this process from others (its start in microseconds will do).
    pub fn new(run: u64) -> Self {
        Self {
            run,
            ring: Arc::default(),
            bell: Arc::new(watch::Sender::new(0)),
        }
    }

    fn push(&self, name: &'static str, data: String) {
        let newest = self.ring().push(Item { name, data });
        self.bell.send_replace(newest);
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        // Nothing under this lock can leave the ring half changed.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies what happens into the ring until the control plane is gone.
    pub async fn follow(self, handle: ControlHandle) {
        let mut happenings = handle.happenings.subscribe();
        // Kept without its senders, or `Closed` would never come.
        let published = handle.published.clone();
        drop(handle);
        loop {
            match happenings.recv().await {
                Ok(happening) => {
                    let clock = published.borrow().clock;
                    let (name, data) = told(&happening, &clock);
                    self.push(name, data);
                }
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    self.push("skipped", skipped(count, "Weir couldn't keep up"));
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    /// The stream for one listener. `last_id`: what it saw last, as it says itself. Without it the
    /// stream begins with what happens from now on.
    pub(crate) fn listen(
        &self,
        last_id: Option<&str>,
        permit: OwnedSemaphorePermit,
    ) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
        let newest = self.ring().newest;
        let (at, begin) = match last_id.map(str::parse::<EventId>) {
            None => (newest, Begin::Fresh),
            Some(Ok(id)) if id.run == self.run && id.number <= newest => {
                (id.number, Begin::Resumed)
            }
            Some(_) => (0, Begin::Foreign),
        };
        let listener = Listener {
            log: self.clone(),
            bell: self.bell.subscribe(),
            at,
            begin,
            _permit: permit,
        };
        let stream = futures_util::stream::unfold(listener, |mut listener| async move {
            let event = listener.next().await?;
            Some((Ok(event), listener))
        });
        Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("weir"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// Nothing is owed.
    Fresh,
    /// It goes on behind the id it gave.
    Resumed,
    /// Its id is none of this process's; it must be told so first.
    Foreign,
}

struct Listener {
    log: EventLog,
    bell: watch::Receiver<u64>,
    /// The number of what it was sent last.
    at: u64,
    begin: Begin,
    /// Its place among the listeners.
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        if self.begin == Begin::Foreign {
            self.begin = Begin::Resumed;
            let says = "the id given is none of this process's; what is kept follows";
            return Some(
                Event::default()
                    .event("skipped")
                    .data(skipped_unknown(says)),
            );
        }
        loop {
            self.bell.borrow_and_update();
            let next = self.log.ring().after(self.at);
            if let Some((number, item)) = next {
                let missed = number - self.at - 1;
                let id = |number| EventId {
                    run: self.log.run,
                    number,
                };
                // After a foreign id the count would mean nothing: numbers begin anew.
                if missed > 0 && self.at > 0 {
                    self.at = number - 1;
                    return Some(
                        Event::default()
                            .event("skipped")
                            .id(id(number - 1).to_string())
                            .data(skipped(
                                missed,
                                "the listener was too slow or away too long",
                            )),
                    );
                }
                self.at = number;
                return Some(
                    Event::default()
                        .event(item.name)
                        .id(id(number).to_string())
                        .data(&item.data),
                );
            }
            self.bell.changed().await.ok()?;
        }
    }
}

fn skipped(count: u64, says: &str) -> String {
    json!({ "schema": "weir.skipped/1", "count": count, "says": says }).to_string()
}

fn skipped_unknown(says: &str) -> String {
    json!({ "schema": "weir.skipped/1", "count": null, "says": says }).to_string()
}

fn told(happening: &Happening, clock: &ClockMap) -> (&'static str, String) {
    match happening {
        Happening::Pools(published) => (
            "sample",
            json!({
                "schema": "weir.sample/1",
                "at": json::time(published.clock.wall(published.at)),
                "pools": json::pools(published),
            })
            .to_string(),
        ),
        Happening::Decision(decision) => ("decision", json::decision(decision, clock).to_string()),
        Happening::Incident { incident, entry } => (
            "incident",
            json!({
                "schema": "weir.incident_event/1",
                "at": json::time(entry.at),
                "entry": json::entry(entry),
                "incident": json::incident_summary(incident),
            })
            .to_string(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: usize) -> Item {
        Item {
            name: "sample",
            data: "x".repeat(bytes),
        }
    }

    #[test]
    fn the_ring_keeps_the_newest_thousand_and_their_numbers() {
        let mut ring = Ring::default();
        assert!(ring.after(0).is_none());
        for _ in 0..1_500 {
            ring.push(item(1));
        }
        assert_eq!(ring.after(0).unwrap().0, 501);
        assert_eq!(ring.after(1_200).unwrap().0, 1_201);
        assert!(ring.after(1_500).is_none());
    }

    #[test]
    fn large_events_push_out_more_than_one_and_one_is_always_kept() {
        let mut ring = Ring::default();
        for _ in 0..20 {
            ring.push(item(1 << 20));
        }
        assert_eq!(ring.items.len(), 8);
        ring.push(item(BYTES_MAX + 1));
        assert_eq!(ring.items.len(), 1);
        assert_eq!(ring.after(0).unwrap().0, 21);
    }

    #[test]
    fn an_id_is_read_back_and_nonsense_is_not() {
        let id = EventId {
            run: 0xabc,
            number: 7,
        };
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "7", "abc-", "-7", "xyz-7", "abc-7-7"] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }
}
