//! The control plane's I/O: reads rings and time, drives [`Core`], sends orders, writes the store,
//! publishes.
//!
//! It runs as one task. If it dies, the data plane doesn't notice; whoever started it may start it
//! again, and the journal is where it was.

mod look_back;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use weir_model::{ClockMap, Event, Instant, Order, OrderRefused, Sample};

use crate::core::{Core, Output, Reserved};
use crate::handle::{
    Answer, Ask, AskFault, Asked, ConsoleQuery, ControlHandle, Happening, Notification, Published,
};
use crate::incident::Incident;
use crate::incident::entry::{Entry, IncidentId, Said};
use crate::incident::export;
use crate::record::store::{
    Imported, Journal, Store, StoreError, StoreHealth, StoredDecision, minutes_kept,
};
use crate::regulate::Decision;
use crate::sense::view::ServerView;

/// How often the rings are emptied.
const TURN: Duration = Duration::from_millis(20);
/// No more events than this in one turn; the ring holds the rest.
const EVENTS_PER_TURN: usize = 50_000;
/// Snapshots asked for and not yet answered.
const SNAPSHOTS_MAX: usize = 64;
/// Entries on their way to the store; beyond this they are kept in memory only.
const JOURNAL_MAX: usize = 4_096;
/// The data plane samples ten times a second; silence this long is worth a word.
const SILENCE: Duration = Duration::from_secs(2);

/// The other side: rings and orders of the data plane. A recording can stand in.
pub trait DataPlane: Send {
    /// The next sample, if there is one.
    fn next_sample(&mut self) -> Option<Sample>;
    /// The next event, if there is one.
    fn next_event(&mut self) -> Option<Event>;
    /// Sends an order. Never waits.
    ///
    /// # Errors
    /// The channel is full, or the worker is gone.
    fn order(&mut self, order: Order) -> Result<(), OrderRefused>;
    /// Now, on the data plane's clock.
    fn now(&self) -> Instant;
}

/// The plane's ends of all channels; [`ControlHandle`] holds the others.
#[derive(Debug)]
pub struct Ends {
    published: watch::Sender<Arc<Published>>,
    asks: mpsc::Receiver<Asked>,
    happenings: broadcast::Sender<Happening>,
    notifications: broadcast::Sender<Notification>,
    consoles: mpsc::Sender<ConsoleQuery>,
    views: mpsc::Receiver<ServerView>,
}

/// Makes the channels: the plane's ends, the rim's handle, and where console queries come out.
pub fn channels(
    first: Published,
    views: mpsc::Receiver<ServerView>,
) -> (Ends, ControlHandle, mpsc::Receiver<ConsoleQuery>) {
    let (published, seen) = watch::channel(Arc::new(first));
    let (ask, asks) = mpsc::channel(256);
    // A listener that is slower than this loses the oldest, and is told so by the channel.
    let (happenings, _) = broadcast::channel(4_096);
    let (notifications, _) = broadcast::channel(1_024);
    // A console query beyond this is answered with an error by the plane.
    let (consoles, queries) = mpsc::channel(64);
    let handle = ControlHandle {
        published: seen,
        asks: ask,
        happenings: happenings.clone(),
        notifications: notifications.clone(),
    };
    let ends = Ends {
        published,
        asks,
        happenings,
        notifications,
        consoles,
        views,
    };
    (ends, handle, queries)
}

type Reply = oneshot::Sender<Result<Answer, AskFault>>;

struct Turn<'a> {
    core: &'a mut Core,
    data: &'a mut dyn DataPlane,
    ends: &'a mut Ends,
    store: &'a Store,
    journal: mpsc::Sender<Job>,
    imports: mpsc::Sender<Import>,
    out: Vec<Output>,
    snapshots: VecDeque<(u64, Reply)>,
    next_snapshot: u64,
    sample_at: Instant,
    published_at: Instant,
}

/// Runs until `stop` becomes true: the data plane's worker is gone. `first`: what restoring the
/// journal gave to do.
pub async fn run(
    core: &mut Core,
    data: &mut dyn DataPlane,
    ends: &mut Ends,
    store: &Store,
    first: Vec<Output>,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(TURN);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (journal, jobs) = mpsc::channel(JOURNAL_MAX);
    let writer = tokio::spawn(write_journal(store.clone(), jobs));
    // One at a time; a second is told to wait.
    let (imports, mut taken_in) = mpsc::channel(1);
    core.skip_numbers_to(store.last_number());
    let now = data.now();
    let mut turn = Turn {
        core,
        data,
        ends,
        store,
        journal,
        imports,
        out: first,
        snapshots: VecDeque::new(),
        next_snapshot: 1,
        sample_at: now,
        published_at: now,
    };
    loop {
        tokio::select! {
            _ = ticks.tick() => turn.empty_rings(),
            Some(view) = turn.ends.views.recv() => turn.core.on_view(view),
            Some((ask, reply)) = turn.ends.asks.recv() => turn.answer(ask, reply),
            Some(import) = taken_in.recv() => turn.on_import(import),
            changed = stop.changed() => {
                if changed.is_err() || *stop.borrow() {
                    turn.empty_rings();
                    break;
                }
            }
        }
    }
    drop(turn);
    // What was said last must be on disk before the process ends; the store bounds how long.
    let _ = writer.await;
}

impl Turn<'_> {
    fn empty_rings(&mut self) {
        for _ in 0..EVENTS_PER_TURN {
            match self.data.next_event() {
                Some(Event::Console { client, user, sql }) => {
                    let query = ConsoleQuery { client, user, sql };
                    if self.ends.consoles.try_send(query).is_err() {
                        tracing::warn!(%client, "Too many console queries at once; one goes unanswered.");
                    }
                }
                Some(Event::Snapshot(snapshot)) => self.on_snapshot(*snapshot),
                Some(event) => self.core.on_event(&event, &mut self.out),
                None => break,
            }
        }
        while let Some(sample) = self.data.next_sample() {
            self.sample_at = sample.at;
            self.core.on_sample(&sample, &mut self.out);
        }
        self.perform(None);
        let now = self.data.now();
        if now.since(self.published_at) >= Duration::from_millis(250) {
            let whole_second =
                now.as_nanos() / 1_000_000_000 != self.published_at.as_nanos() / 1_000_000_000;
            self.published_at = now;
            self.publish(now, whole_second);
        }
    }

    fn publish(&mut self, now: Instant, stream: bool) {
        let health = self.store.health();
        let (says, ok) = health_says(&health);
        self.core.on_store_health(says, ok);
        let mut published = self.core.publish();
        published.status.data_plane_silent = now.since(self.sample_at) > SILENCE;
        published.journals = self.store.journals();
        let published = Arc::new(published);
        if stream {
            // Nobody listening is no fault.
            let _ = self
                .ends
                .happenings
                .send(Happening::Pools(Arc::clone(&published)));
        }
        self.ends.published.send_replace(published);
    }

    fn answer(&mut self, ask: Ask, reply: Reply) {
        let answer = match ask {
            Ask::Snapshot => {
                let request = self.next_snapshot;
                self.next_snapshot += 1;
                if let Err(refused) = self.data.order(Order::Snapshot { request }) {
                    Err(AskFault::NotNow(refused.to_string()))
                } else {
                    self.snapshots.push_back((request, reply));
                    if self.snapshots.len() > SNAPSHOTS_MAX {
                        self.snapshots.pop_front();
                    }
                    return;
                }
            }
            Ask::ConsoleReply { client, bytes } => self
                .data
                .order(Order::ConsoleReply { client, bytes })
                .map(|()| Answer::Done(String::new()))
                .map_err(|refused| AskFault::NotNow(refused.to_string())),
            Ask::Journal { id } => {
                tokio::spawn(read_journal(self.store.clone(), id, reply));
                return;
            }
            Ask::Import { by, journal } => match self.begin_import(by, *journal, reply) {
                Ok(()) => return,
                Err((reply, fault)) => {
                    let _ = reply.send(Err(fault));
                    return;
                }
            },
            Ask::At { at } => match self.core.publish_at(at) {
                Ok((past, true)) => Ok(Answer::Published(Arc::new(past))),
                Ok((past, false)) => {
                    let memory = self.core.reach();
                    tokio::spawn(look_back::at(self.store.clone(), past, memory, reply));
                    return;
                }
                Err(fault) => Err(fault),
            },
            Ask::Series {
                pool,
                from,
                to,
                step,
            } => match self.core.series(pool.as_ref(), from, to, step) {
                Ok(recent) => {
                    // A minute that memory holds a part of would count twice.
                    let held = self.core.reach().samples_from;
                    let stored_to = held.map_or(to, |held| held.before(look_back::MINUTE));
                    let wanted = look_back::Wanted {
                        pool,
                        from,
                        to: to.min(stored_to.after(Duration::from_micros(1))),
                        step,
                    };
                    tokio::spawn(look_back::series(self.store.clone(), wanted, recent, reply));
                    return;
                }
                Err(fault) => Err(fault),
            },
            Ask::Reach { decisions } => {
                let memory = self.core.reach();
                let store = self.store.clone();
                tokio::spawn(look_back::reach(store, memory, decisions, reply));
                return;
            }
            other => {
                let answer = self.core.ask(other, &mut self.out);
                // Whoever acted looks next, and must see what was done.
                if answer.is_ok() && !self.out.is_empty() {
                    self.publish(self.data.now(), false);
                }
                // Answered once what it changed is on disk.
                self.perform(Some((reply, answer)));
                return;
            }
        };
        // Whoever asked may have left.
        let _ = reply.send(answer);
    }

    /// Hands a journal to the store, beside the plane: a disk that hangs must not stop detection.
    fn begin_import(
        &mut self,
        by: String,
        journal: Journal,
        reply: Reply,
    ) -> Result<(), (Reply, AskFault)> {
        let place = self.imports.clone().try_reserve_owned();
        let Ok(place) = place else {
            let fault = AskFault::NotNow("another import is under way".to_owned());
            return Err((reply, fault));
        };
        let reserved = match self.core.reserve(journal.id) {
            Ok(reserved) => reserved,
            Err(fault) => return Err((reply, fault)),
        };
        let store = self.store.clone();
        tokio::spawn(async move {
            let result = store.import(journal, reserved.fresh).await;
            let incident = match &result {
                Ok(imported) => {
                    let journal = store.journal(imported.id()).await.ok().flatten();
                    journal.and_then(|journal| export::replay(&journal).ok())
                }
                Err(_) => None,
            };
            place.send(Import {
                by,
                reserved,
                result,
                incident,
                reply,
            });
        });
        Ok(())
    }

    fn on_import(&mut self, import: Import) {
        let Import {
            by,
            reserved,
            result,
            incident,
            reply,
        } = import;
        let used = result.as_ref().ok().map(Imported::id);
        self.core.release(reserved, used);
        let answer = match result {
            Ok(imported) => {
                tracing::info!(%by, "A journal came in: {imported}.");
                let changed = !matches!(imported, Imported::Already { .. });
                if let Some(incident) = incident
                    && changed
                {
                    self.core.take_in(incident);
                    self.publish(self.data.now(), false);
                }
                Ok(Answer::Imported(imported))
            }
            Err(fault) => Err(AskFault::NotStored(fault.to_string())),
        };
        let _ = reply.send(answer);
    }

    fn on_snapshot(&mut self, snapshot: weir_model::Snapshot) {
        let snapshot = Arc::new(snapshot);
        while let Some((request, _)) = self.snapshots.front() {
            if *request > snapshot.request {
                break;
            }
            if let Some((request, reply)) = self.snapshots.pop_front()
                && request == snapshot.request
            {
                let _ = reply.send(Ok(Answer::Snapshot(Arc::clone(&snapshot))));
            }
        }
    }

    fn perform(&mut self, mut then: Option<(Reply, Result<Answer, AskFault>)>) {
        let outputs = std::mem::take(&mut self.out);
        let last = outputs
            .iter()
            .rposition(|output| matches!(output, Output::Append(_)));
        for (index, output) in outputs.into_iter().enumerate() {
            match output {
                Output::Order(order) => {
                    if let Err(refused) = self.data.order(order) {
                        tracing::warn!(%refused, "An order didn't reach the data plane.");
                    }
                }
                Output::Append(entry) => {
                    let then = if Some(index) == last {
                        then.take()
                    } else {
                        None
                    };
                    self.append(entry, then);
                }
                Output::Notify(id, what) => {
                    if let Some(incident) = self.core.incident(id).cloned() {
                        let _ = self
                            .ends
                            .notifications
                            .send(Notification { what, incident });
                    }
                }
                Output::Minutes(minute, rows) => {
                    let keep = minutes_kept(rows.len());
                    let rows = rows.iter().map(|row| (row.key.to_string(), row.to_json()));
                    self.store.put_minutes(minute, rows.collect(), keep);
                }
                Output::Keep(key, json) => self.store.keep(key, json),
                Output::Decided(decision) => {
                    self.store.decision(stored(&decision, self.core.clock()));
                    let _ = self.ends.happenings.send(Happening::Decision(decision));
                }
            }
        }
        if let Some((reply, answer)) = then {
            let _ = reply.send(answer);
        }
    }

    fn append(&mut self, entry: Entry, then: Option<(Reply, Result<Answer, AskFault>)>) {
        if let Some(says) = headline(&entry.said) {
            tracing::warn!(incident = %entry.incident, "{says}");
        }
        let entry = Arc::new(entry);
        if let Some(incident) = self.core.incident(entry.incident).cloned() {
            let happening = Happening::Incident {
                incident,
                entry: Arc::clone(&entry),
            };
            let _ = self.ends.happenings.send(happening);
        }
        if let Err(full) = self.journal.try_send((entry, then)) {
            tracing::error!("The store doesn't keep up; an entry is kept in memory only.");
            let (_, then) = full.into_inner();
            if let Some((reply, _)) = then {
                let _ = reply.send(Err(AskFault::NotStored(
                    "the store doesn't keep up".to_owned(),
                )));
            }
        }
    }
}

type Job = (Arc<Entry>, Option<(Reply, Result<Answer, AskFault>)>);

/// What became of an import.
struct Import {
    by: String,
    reserved: Reserved,
    result: Result<Imported, StoreError>,
    incident: Option<Incident>,
    reply: Reply,
}

async fn read_journal(store: Store, id: IncidentId, reply: Reply) {
    let answer = match store.journal(id).await {
        Ok(Some(journal)) => Ok(Answer::Journal(Box::new(journal))),
        Ok(None) => Err(AskFault::NoSuch {
            what: "incident",
            name: id.to_string(),
        }),
        Err(fault) => Err(AskFault::NotNow(fault.to_string())),
    };
    let _ = reply.send(answer);
}

/// Writes entries in order, beside the plane: a disk that hangs must not stop detection.
async fn write_journal(store: Store, mut jobs: mpsc::Receiver<Job>) {
    while let Some((entry, then)) = jobs.recv().await {
        let written = store.append_async(&entry).await;
        // Without a store, by choice or since one couldn't be used, that was said at the start.
        let is_news = !matches!(store.health(), StoreHealth::MemoryOnly { .. });
        if let Err(fault) = &written
            && is_news
        {
            tracing::error!(%fault, incident = %entry.incident, seq = entry.seq, "The journal is not on disk.");
        }
        let Some((reply, answer)) = then else {
            continue;
        };
        let answer = match (answer, written) {
            (Ok(Answer::Done(says)), Err(StoreError::InMemory(why))) => {
                Ok(Answer::Done(format!("{says} (kept in memory only: {why})")))
            }
            (_, Err(StoreError::NotKept(why))) => Err(AskFault::NotStored(why)),
            (answer, _) => answer,
        };
        let _ = reply.send(answer);
    }
}

fn health_says(health: &StoreHealth) -> (String, bool) {
    match health {
        StoreHealth::Durable => ("ok".to_owned(), true),
        StoreHealth::MemoryOnly { reason } => (format!("memory only: {reason}"), false),
        StoreHealth::Behind {
            reason,
            waiting,
            lost,
        } => (
            format!("behind: {reason}; {waiting} entries wait in memory, {lost} lost"),
            false,
        ),
    }
}

fn stored(decision: &Decision, clock: ClockMap) -> StoredDecision {
    StoredDecision {
        number: decision.number,
        at: clock.wall(decision.at),
        pool: decision.key.to_string(),
        json: serde_json::to_value(decision).unwrap_or_default(),
    }
}

/// What the log should say of an entry; the rest is in the journal.
fn headline(said: &Said) -> Option<String> {
    match said {
        Said::Opened {
            level,
            pools,
            title,
            ..
        } => {
            let pools: Vec<String> = pools.iter().map(ToString::to_string).collect();
            Some(match (level, title) {
                (Some(level), _) => format!("Incident opened: {} is {level}.", pools.join(", ")),
                (None, Some(title)) => format!("Incident declared: {title}"),
                (None, None) => "Incident declared.".to_owned(),
            })
        }
        Said::LevelChanged { level, says, .. } => Some(format!("Level {level}: {says}")),
        Said::Diagnosed { causes, .. } => causes.first().map(|c| {
            format!(
                "Cause: {} ({:.0} % sure). {}",
                c.cause,
                c.confidence * 100.0,
                c.says
            )
        }),
        Said::Decided { says, because, .. } => {
            Some(format!("Regulator: {says}, because {because}"))
        }
        Said::Mitigated { says, .. } => Some(format!("Mitigated: {says}")),
        Said::Resolved { says, .. } => Some(format!("Resolved: {says}")),
        Said::Reopened { says } => Some(format!("It came back: {says}")),
        Said::AckExpired { says } => Some(format!("Acknowledgement expired: {says}")),
        Said::MergedInto { into, .. } => Some(format!("Merged into {into}.")),
        Said::Closed { .. } => Some("Closed.".to_owned()),
        Said::Reviewed { .. }
        | Said::Assigned { .. }
        | Said::StatusUpdate { .. }
        | Said::ClockCorrected { .. }
        | Said::Merged { .. }
        | Said::Unmerged { .. }
        | Said::Related { .. }
        | Said::ActionAdded { .. }
        | Said::ActionChanged { .. }
        | Said::ActionVerified { .. }
        | Said::Stated { .. }
        | Said::Answered { .. }
        | Said::SeverityChanged { .. }
        | Said::Action { .. }
        | Said::Note { .. }
        | Said::Acknowledged { .. }
        | Said::Notified { .. }
        | Said::Measured { .. }
        | Said::Series { .. }
        | Said::Others { .. }
        | Said::Alert { .. }
        | Said::Escalated { .. }
        | Said::Unknown => None,
    }
}
