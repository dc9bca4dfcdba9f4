//! What happened since I last listened? Server-sent events that can be resumed.
//!
//! One task turns what happens into text, once, into a ring; every listener reads the ring at its
//! own pace. A listener that falls behind the ring's tail misses the oldest and is told how many
//! in an event `skipped`, so a slow one costs nobody memory.
//!
//! # What a listener may leave out
//! `pools=brief` sends one row for each pool that changed, with all pools' sums; `none` the sums
//! alone; `pool=` that one pool whole. The brief text is made once for all. Pools are written out
//! whole where they are few ([`FEW`]), else only while somebody wants them and [`WANTED_FOR`] seconds
//! longer: a listener that is cut and comes back within that time misses nothing.
//!
//! # Ids
//! `<run>-<number>`: the run tells one process from the next. A listener that resumes with the id
//! of an earlier process gets what the ring holds, after a `skipped` that says so.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use weir_control::handle::{ControlHandle, Happening, Published};

use crate::fault::ApiFault;
use crate::json;
use crate::see::overview::{pool_brief, totals};

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

/// Pools are written out whole for so many seconds after the last listener that wanted it.
const WANTED_FOR: u32 = 60;
/// So many pools are always written out whole: that costs less than keeping count.
const FEW: usize = 20;
/// Every so many seconds a brief event lists all pools, for whoever lost count.
const WHOLE_EVERY: u64 = 10;

/// How much a listener wants to hear of pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    kind: Kind,
    /// This one whole, by its name.
    pool: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Full,
    Brief,
    None,
}

impl Wanted {
    /// From the keys of the address; `pool` as [`PoolKey`](weir_model::PoolKey) writes it.
    pub(crate) fn read(pools: Option<&str>, pool: Option<String>) -> Result<Self, ApiFault> {
        let kind = match (pools, &pool) {
            (None | Some("full"), None) => Kind::Full,
            (Some("brief"), _) => Kind::Brief,
            (None | Some("none" | "full"), _) => Kind::None,
            (Some(other), _) => {
                return Err(ApiFault::bad(
                    "bad_pools",
                    format!("`pools={other}` is no choice"),
                    "known are full, brief, none; `pool=database/user` gives that one whole",
                ));
            }
        };
        Ok(Self { kind, pool })
    }

    #[cfg(test)]
    fn full() -> Self {
        Self {
            kind: Kind::Full,
            pool: None,
        }
    }
}

/// Whose pools must be written out whole, and for how much longer.
#[derive(Debug, Default)]
struct Demand {
    full: u32,
    pools: BTreeMap<String, u32>,
}

/// Pools of which single listeners want the whole.
const POOLS_WANTED_MAX: usize = 64;

impl Demand {
    fn note(&mut self, wanted: &Wanted) {
        if wanted.kind == Kind::Full {
            self.full = WANTED_FOR;
        }
        if let Some(pool) = &wanted.pool {
            if self.pools.len() >= POOLS_WANTED_MAX && !self.pools.contains_key(pool) {
                // So many at once are better served by writing all.
                self.full = WANTED_FOR;
                return;
            }
            self.pools.insert(pool.clone(), WANTED_FOR);
        }
    }

    fn tick(&mut self) {
        self.full = self.full.saturating_sub(1);
        self.pools.retain(|_, left| {
            *left -= 1;
            *left > 0
        });
    }

    fn wants(&self, pool: &str) -> bool {
        self.full > 0 || self.pools.contains_key(pool)
    }
}

#[derive(Debug)]
struct Item {
    name: &'static str,
    data: Data,
}

#[derive(Debug)]
enum Data {
    /// The same for all.
    Text(String),
    Sample(Sample),
}

/// One second, in pieces that each listener's event is put together from.
#[derive(Debug)]
struct Sample {
    at: String,
    /// Sums over all pools.
    overview: String,
    /// Rows of those that changed.
    brief: String,
    /// `brief` lists all.
    whole: bool,
    /// Pools written out, by name, as far as somebody wanted them.
    pools: Vec<(String, String)>,
    /// All are.
    all: bool,
}

impl Sample {
    fn bytes(&self) -> usize {
        let pools = self.pools.iter();
        self.overview.len()
            + self.brief.len()
            + pools
                .map(|(name, text)| name.len() + text.len())
                .sum::<usize>()
    }

    /// The event for one listener; `None`: what it wants wasn't written.
    fn text(&self, wanted: &Wanted) -> Option<String> {
        let (at, overview) = (&self.at, &self.overview);
        let one = match &wanted.pool {
            None => None,
            Some(name) => match self.pools.iter().find(|(known, _)| known == name) {
                Some((_, text)) => Some(&**text),
                // A pool that isn't open yet has nothing to say; `all` tells that from the rest.
                None if self.all => None,
                None => return None,
            },
        };
        let (kind, whole, rows, overview) = match (wanted.kind, one) {
            (Kind::Full, _) => {
                if !self.all {
                    return None;
                }
                let rows: Vec<&str> = self.pools.iter().map(|(_, text)| &**text).collect();
                ("full", true, rows.join(","), None)
            }
            (Kind::Brief, None) => ("brief", self.whole, self.brief.clone(), Some(overview)),
            (Kind::Brief, Some(one)) => {
                let mut rows = self.brief.clone();
                if !rows.is_empty() {
                    rows.push(',');
                }
                rows.push_str(one);
                ("brief", self.whole, rows, Some(overview))
            }
            (Kind::None, one) => ("none", true, one.unwrap_or("").to_owned(), Some(overview)),
        };
        let overview = overview.map_or(String::new(), |text| format!(",\"overview\":{text}"));
        Some(format!(
            "{{\"schema\":\"weir.sample/1\",\"at\":\"{at}\",\"kind\":\"{kind}\",\"whole\":{whole},\
             \"pools\":[{rows}]{overview}}}"
        ))
    }
}

/// Turns what was published into samples; remembers what was said last, to say what changed.
#[derive(Debug, Default)]
struct Teller {
    said: BTreeMap<String, String>,
    ticks: u64,
}

impl Teller {
    fn sample(&mut self, published: &Published, demand: &Demand) -> Sample {
        let whole = self.ticks.is_multiple_of(WHOLE_EVERY);
        let few = published.pools.len() <= FEW;
        self.ticks += 1;
        let mut said = BTreeMap::new();
        let mut brief = String::new();
        let mut pools = Vec::new();
        for pool in &published.pools {
            let name = pool.key.to_string();
            let row = Value::Object(pool_brief(pool)).to_string();
            if whole || self.said.get(&name) != Some(&row) {
                if !brief.is_empty() {
                    brief.push(',');
                }
                brief.push_str(&row);
            }
            if few || demand.wants(&name) {
                pools.push((name.clone(), json::pool(pool, published).to_string()));
            }
            said.insert(name, row);
        }
        self.said = said;
        Sample {
            at: json::time(published.wall()),
            overview: Value::Object(totals(published)).to_string(),
            all: pools.len() == published.pools.len(),
            brief,
            whole,
            pools,
        }
    }
}

impl Item {
    fn bytes(&self) -> usize {
        match &self.data {
            Data::Text(text) => text.len(),
            Data::Sample(sample) => sample.bytes(),
        }
    }
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
        self.bytes += item.bytes();
        self.items.push_back(Arc::new(item));
        while self.items.len() > EVENTS_MAX || (self.bytes > BYTES_MAX && self.items.len() > 1) {
            if let Some(old) = self.items.pop_front() {
                self.bytes -= old.bytes();
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
    demand: Arc<Mutex<Demand>>,
    bell: Arc<watch::Sender<u64>>,
}

impl EventLog {
    /// An empty log; `run` tells this process from others (its start in microseconds will do).
    pub fn new(run: u64) -> Self {
        Self {
            run,
            ring: Arc::default(),
            demand: Arc::default(),
            bell: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Events that can be resumed from.
    pub(crate) fn kept(&self) -> usize {
        self.ring().items.len()
    }

    fn say(&self, name: &'static str, text: String) {
        self.push(name, Data::Text(text));
    }

    fn push(&self, name: &'static str, data: Data) {
        let newest = self.ring().push(Item { name, data });
        self.bell.send_replace(newest);
    }

    fn demand(&self) -> std::sync::MutexGuard<'_, Demand> {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut teller = Teller::default();
        loop {
            match happenings.recv().await {
                Ok(Happening::Pools(published)) => {
                    let sample = {
                        let mut demand = self.demand();
                        demand.tick();
                        teller.sample(&published, &demand)
                    };
                    self.push("sample", Data::Sample(sample));
                }
                Ok(Happening::Decision(decision)) => {
                    let clock = published.borrow().clock;
                    self.say("decision", json::decision(&decision, &clock).to_string());
                }
                Ok(Happening::Incident { incident, entry }) => {
                    let told = json!({
                        "schema": "weir.incident_event/1",
                        "at": json::time(entry.at),
                        "entry": json::entry(&entry),
                        "incident": json::incident_summary(&incident),
                    });
                    self.say("incident", told.to_string());
                }
                Err(broadcast::error::RecvError::Lagged(count)) => {
                    self.say("skipped", skipped(count, "Weir couldn't keep up"));
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
        wanted: Wanted,
        permit: OwnedSemaphorePermit,
    ) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
        self.demand().note(&wanted);
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
            wanted,
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
    wanted: Wanted,
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
                self.log.demand().note(&self.wanted);
                let event = Event::default().id(id(number).to_string());
                let text = match &item.data {
                    Data::Text(text) => Some(text.clone()),
                    Data::Sample(sample) => sample.text(&self.wanted),
                };
                return Some(match text {
                    Some(text) => event.event(item.name).data(text),
                    None => event.event("skipped").data(skipped(
                        1,
                        "nobody asked for whole pools when this was told",
                    )),
                });
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

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: usize) -> Item {
        Item {
            name: "sample",
            data: Data::Text("x".repeat(bytes)),
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

    /// More pools than are always written out.
    fn many() -> Published {
        let mut published = crate::testing::nothing_published();
        published.pools = (0..=FEW)
            .map(|n| crate::testing::pool("app", &format!("u{n}")))
            .collect();
        published
    }

    #[test]
    fn brief_events_tell_what_changed_and_all_of_it_each_ten_seconds() {
        let mut published = many();
        let mut teller = Teller::default();
        let demand = Demand::default();
        let brief = Wanted::read(Some("brief"), None).unwrap();
        let rows = |sample: &Sample| -> usize {
            let text = sample.text(&brief).unwrap();
            let event: Value = serde_json::from_str(&text).unwrap();
            assert!(event["overview"]["path"].is_array(), "{text}");
            event["pools"].as_array().unwrap().len()
        };
        let first = teller.sample(&published, &demand);
        assert_eq!((rows(&first), first.whole), (FEW + 1, true));
        assert_eq!(rows(&teller.sample(&published, &demand)), 0);
        published.pools[0].clients.waiting = 7;
        assert_eq!(rows(&teller.sample(&published, &demand)), 1);
        for _ in 3..10 {
            assert_eq!(rows(&teller.sample(&published, &demand)), 0);
        }
        assert_eq!(rows(&teller.sample(&published, &demand)), FEW + 1);
        assert!(first.text(&Wanted::full()).is_none(), "nobody wanted it");
    }

    #[test]
    fn one_pool_whole_is_written_for_a_minute_after_its_listener_is_gone() {
        let published = many();
        let mut demand = Demand::default();
        let wanted = Wanted::read(Some("brief"), Some("app/u1".to_owned())).unwrap();
        demand.note(&wanted);
        let mut teller = Teller::default();
        let mut written = 0;
        for _ in 0..WANTED_FOR + 5 {
            demand.tick();
            let sample = teller.sample(&published, &demand);
            written += u32::from(sample.text(&wanted).is_some());
            assert!(!sample.all);
        }
        assert_eq!(written, WANTED_FOR - 1);
        assert!(Wanted::read(Some("some"), None).is_err());
    }
}
