//! What should be told to whom now? Follows every incident that isn't over, asks
//! [`weir_control::notify`] what to do, has it done, and writes it down.
//!
//! Nothing here waits: messages go into queues, calls get tasks of their own, the journal is
//! written beside. So a target, a disk or a control plane that hangs delays nobody's page.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use weir_control::handle::{ControlHandle, Happening, Notification, NotifyWhat, Published};
use weir_control::incident::Incident;
use weir_control::incident::called::Turn;
use weir_control::incident::entry::{IncidentId, Said};
use weir_control::notify::announce::{Told, Wants, worth_telling};
use weir_control::notify::escalate::{Do, Next, State};
use weir_control::notify::outside::FromOutside;
use weir_control::notify::silence::{Silence, quieting};
use weir_control::notify::{What, goes_on};
use weir_model::Wall;

use super::courier::{self, Courier, Letter, Page, PageAnswer, Tools};
use super::outlet::{Outlet, Switchboard, Tried};
use super::target::Service;
use super::{Clock, LOOK_EVERY, QUEUE_MAX, RESOLVED_FOR, WRITES_MAX};

/// Incidents that are over and remembered as such, so that a late word about one opens nothing.
const OVER_MAX: usize = 1_000;
/// Things done about one incident at one time; more would be a circle.
const DONE_MAX: usize = 500;
/// How long Alertmanager keeps still where no policy says how long an acknowledgement holds.
const ACK_HOLDS: Duration = Duration::from_secs(30 * 60);

/// An incident that isn't over.
struct Case {
    incident: Arc<Incident>,
    /// The last entry that `state` knows of.
    seq: u32,
    state: State,
    told: BTreeMap<String, Told>,
    wanted: Arc<AtomicBool>,
}

pub(super) struct Desk {
    board: Arc<Switchboard>,
    wants: Vec<Wants>,
    tools: Tools,
    queues: BTreeMap<String, mpsc::Sender<Letter>>,
    answers: mpsc::Sender<PageAnswer>,
    cases: BTreeMap<IncidentId, Case>,
    /// Incidents that are over, with the last entry that was seen.
    over: BTreeMap<IncidentId, u32>,
    silences: Vec<Silence>,
    started: Wall,
    /// Windows that Alertmanager was told of.
    announced: BTreeSet<String>,
    /// Dropped with the desk, which ends all tasks wherever they are.
    tasks: JoinSet<()>,
}

impl Desk {
    pub(super) fn new(
        handle: ControlHandle,
        board: Arc<Switchboard>,
        clock: Clock,
    ) -> (Self, mpsc::Receiver<PageAnswer>) {
        let mut tasks = JoinSet::new();
        let (writes, wishes) = mpsc::channel(WRITES_MAX);
        tasks.spawn(courier::write(handle.clone(), wishes));
        let tools = Tools {
            speaker: board.speaker.clone(),
            clock,
            writes,
        };
        let mut queues = BTreeMap::new();
        for outlet in &board.outlets {
            let (queue, letters) = mpsc::channel(QUEUE_MAX);
            queues.insert(outlet.channel().to_owned(), queue);
            let courier = Courier::new(Arc::clone(outlet), tools.clone(), handle.clone());
            tasks.spawn(courier.run(letters));
        }
        let (answers, answered) = mpsc::channel(256);
        let desk = Self {
            wants: board.wants(),
            board,
            tools,
            queues,
            answers,
            cases: BTreeMap::new(),
            over: BTreeMap::new(),
            silences: Vec::new(),
            started: clock.now(),
            announced: BTreeSet::new(),
            tasks,
        };
        (desk, answered)
    }

    /// Takes up every incident that goes on, as its journal tells it: at start, and when too much
    /// happened to follow.
    pub(super) fn take_up(&mut self, published: &Published) {
        self.silences.clone_from(&published.silences);
        let now = self.tools.clock.now();
        for incident in &published.incidents {
            if goes_on(incident) {
                self.open(incident);
                self.catch_up(incident);
            } else if self.cases.contains_key(&incident.id) {
                self.close(incident);
            } else if let Some(at) = incident.clocks().resolved_at
                && now.since(at) < RESOLVED_FOR
            {
                self.say_it_is_over(incident, at);
            }
        }
    }

    /// Too much happened to follow it entry by entry: the journal is asked again. A call whose
    /// answer isn't there yet may be made twice; one that should have stopped stops.
    fn catch_up(&mut self, incident: &Arc<Incident>) {
        if let Some(case) = self.cases.get_mut(&incident.id)
            && case.seq < incident.seq
        {
            case.state = State::of(incident, &self.board.paging);
            case.seq = incident.seq;
            case.incident = Arc::clone(incident);
            if case.state.acknowledged().is_some() {
                case.wanted.store(false, Ordering::Relaxed);
            }
        }
    }

    /// It was over before this process could say so everywhere.
    fn say_it_is_over(&mut self, incident: &Arc<Incident>, at: Wall) {
        let outlets = self.board.outlets.clone();
        for outlet in outlets {
            let repeats = matches!(outlet.service, Service::Alertmanager { .. });
            let mine = || {
                incident
                    .deliveries
                    .iter()
                    .filter(|d| d.channel == outlet.channel())
            };
            let knows_the_end = mine().any(|d| d.ok && d.at >= at);
            let knows_the_beginning = mine().any(|d| d.ok);
            let unasked = repeats && outlet.wants.unasked(incident);
            if unasked || (knows_the_beginning && !knows_the_end) {
                self.queue_quietly(outlet.channel(), What::Resolved, incident, repeats);
            }
        }
    }

    fn open(&mut self, incident: &Arc<Incident>) {
        let known = self.over.get(&incident.id);
        if self.cases.contains_key(&incident.id) || known.is_some_and(|seq| *seq >= incident.seq) {
            return;
        }
        self.over.remove(&incident.id);
        // What was told before it came back was followed by its end.
        let reopened = incident
            .called
            .turns()
            .iter()
            .rev()
            .find(|(_, turn)| *turn == Turn::Reopened)
            .map(|(at, _)| *at);
        let told = incident
            .deliveries
            .iter()
            .filter(|d| d.ok && reopened.is_none_or(|at| d.at >= at))
            // Alertmanager may have forgotten it meanwhile.
            .filter(|d| !self.is_alertmanager(&d.channel))
            .map(|d| (d.channel.clone(), Told::of(incident)))
            .collect();
        let case = Case {
            state: State::of(incident, &self.board.paging),
            seq: incident.seq,
            told,
            wanted: Arc::new(AtomicBool::new(true)),
            incident: Arc::clone(incident),
        };
        self.cases.insert(incident.id, case);
    }

    fn is_alertmanager(&self, channel: &str) -> bool {
        self.board.outlets.iter().any(|outlet| {
            outlet.channel() == channel && matches!(outlet.service, Service::Alertmanager { .. })
        })
    }

    /// It is over: whoever was told of it hears so.
    fn close(&mut self, incident: &Arc<Incident>) {
        self.over.insert(incident.id, incident.seq);
        while self.over.len() > OVER_MAX {
            self.over.pop_first();
        }
        let Some(case) = self.cases.remove(&incident.id) else {
            return;
        };
        case.wanted.store(false, Ordering::Relaxed);
        for channel in case.told.keys() {
            self.queue(channel, What::Resolved, incident, None);
        }
    }

    pub(super) fn on_happening(&mut self, happening: &Happening) {
        let Happening::Incident { incident, entry } = happening else {
            return;
        };
        if !goes_on(incident) {
            if self.cases.contains_key(&incident.id) {
                self.close(incident);
            }
            return;
        }
        self.open(incident);
        let Some(case) = self.cases.get_mut(&incident.id) else {
            return;
        };
        if case.incident.seq < incident.seq {
            case.incident = Arc::clone(incident);
        }
        if entry.seq > case.seq {
            case.seq = entry.seq;
            match Turn::of(entry) {
                Some(
                    turn @ (Turn::Severity(_)
                    | Turn::Acknowledged { .. }
                    | Turn::Mitigated
                    | Turn::Resolved
                    | Turn::Reopened),
                ) => case
                    .state
                    .take(entry.at, &turn, incident, &self.board.paging),
                // The desk did these itself and knows of them already.
                Some(
                    Turn::AckExpired
                    | Turn::Called { .. }
                    | Turn::Passed { .. }
                    | Turn::Answered { .. }
                    | Turn::Silenced { .. },
                )
                | None => {}
            }
        }
        if let Said::Acknowledged { .. } = &entry.said {
            let by = case.state.acknowledged().map(|(_, by)| by.to_owned());
            case.wanted.store(false, Ordering::Relaxed);
            let channels: Vec<String> = case.told.keys().cloned().collect();
            for channel in channels {
                self.queue(&channel, What::Acknowledged, incident, by.clone());
            }
        }
    }

    pub(super) fn on_notification(&mut self, notification: &Notification) {
        let incident = &notification.incident;
        if notification.what == NotifyWhat::Resolved || !goes_on(incident) {
            self.close(incident);
            return;
        }
        let known = self.cases.contains_key(&incident.id);
        self.open(incident);
        let Some(case) = self.cases.get_mut(&incident.id) else {
            return;
        };
        if case.incident.seq < incident.seq {
            case.incident = Arc::clone(incident);
        }
        if notification.what != NotifyWhat::Changed || !known {
            return;
        }
        let now = self.tools.clock.now();
        let all = self.board.paging.maintenance.iter().chain(&self.silences);
        let quiet = quieting(all, incident, now).is_some();
        let mut news = Vec::new();
        for wants in &self.wants {
            let Some(told) = case.told.get_mut(&wants.channel) else {
                continue;
            };
            if (!quiet || wants.manner.records)
                && worth_telling(wants.manner, *told, incident, What::Changed)
            {
                *told = Told::of(incident);
                news.push(wants.channel.clone());
            }
        }
        for channel in news {
            self.queue(&channel, What::Changed, incident, None);
        }
    }

    pub(super) fn on_answer(&mut self, answer: &PageAnswer) {
        if let Some(case) = self.cases.get_mut(&answer.id) {
            let turn = Turn::Answered {
                step: answer.step,
                channel: answer.channel.clone(),
                ok: answer.ok,
            };
            let now = self.tools.clock.now();
            case.state
                .take(now, &turn, &case.incident, &self.board.paging);
        }
    }

    pub(super) fn on_published(&mut self, published: &Published) {
        if self.silences != published.silences {
            self.silences.clone_from(&published.silences);
        }
    }

    /// Does everything that is due; says when to look again.
    pub(super) fn work(&mut self, now: Wall) -> Wall {
        // What has ended makes room.
        while self.tasks.try_join_next().is_some() {}
        self.announce_windows(now);
        let mut wake = now.after(LOOK_EVERY);
        let ids: Vec<IncidentId> = self.cases.keys().copied().collect();
        for id in ids {
            self.announce(id, now);
            if let Some(until) = self.escalate(id, now) {
                wake = wake.min(until);
            }
        }
        wake.max(now.after(Duration::from_millis(1)))
    }

    /// Tells the incident to whoever hears of all and hasn't of this one.
    fn announce(&mut self, id: IncidentId, now: Wall) {
        let Some(case) = self.cases.get_mut(&id) else {
            return;
        };
        let incident = Arc::clone(&case.incident);
        let all = self.board.paging.maintenance.iter().chain(&self.silences);
        let quiet = quieting(all, &incident, now).is_some();
        let mut untold = Vec::new();
        for wants in &self.wants {
            if wants.unasked(&incident)
                && (!quiet || wants.manner.records)
                && !case.told.contains_key(&wants.channel)
            {
                case.told.insert(wants.channel.clone(), Told::of(&incident));
                untold.push(wants.channel.clone());
            }
        }
        let taken = case
            .state
            .acknowledged()
            .map(|(since, by)| (since, by.to_owned()));
        for channel in untold {
            self.queue(&channel, What::Opened, &incident, None);
            // Somebody was quicker than this message; a pager would ring for nothing. Alertmanager
            // hears again of what it heard before a restart, and keeps the silence it has.
            if let Some((since, by)) = &taken
                && (*since >= self.started || !self.is_alertmanager(&channel))
            {
                self.queue(&channel, What::Acknowledged, &incident, Some(by.clone()));
            }
        }
    }

    /// Does what the escalation wants done now; says when it wants to be asked again.
    fn escalate(&mut self, id: IncidentId, now: Wall) -> Option<Wall> {
        for _ in 0..DONE_MAX {
            let case = self.cases.get_mut(&id)?;
            let incident = Arc::clone(&case.incident);
            let paging = &self.board.paging;
            let next = case
                .state
                .next(&incident, paging, &self.silences, &self.wants, now);
            let done = match next {
                Next::Wait { until, .. } => return until,
                Next::Do(done) => done,
            };
            case.state.take(now, &done.turn(), &incident, paging);
            match done {
                Do::Call {
                    step,
                    to,
                    channel,
                    says,
                } => {
                    if !case.wanted.load(Ordering::Relaxed) {
                        case.wanted = Arc::new(AtomicBool::new(true));
                    }
                    case.told.insert(channel.clone(), Told::of(&incident));
                    let page = Page {
                        incident,
                        step,
                        to: to.clone(),
                        wanted: Arc::clone(&case.wanted),
                    };
                    tracing::warn!(incident = %id, step, to, channel, says, "Calling somebody.");
                    self.tools.write(FromOutside::Escalated {
                        id,
                        step,
                        to,
                        channel: channel.clone(),
                        says,
                    });
                    self.call(&channel, page);
                }
                Do::Pass { step, to, says } => {
                    tracing::warn!(incident = %id, step, to, says, "A step calls nobody.");
                    let channel = String::new();
                    self.tools.write(FromOutside::Escalated {
                        id,
                        step,
                        to,
                        channel,
                        says,
                    });
                }
                Do::Expire { says } => {
                    tracing::warn!(incident = %id, says, "An acknowledgement has expired.");
                    self.tools.write(FromOutside::AckExpired { id, says });
                }
                Do::Silenced { says } => {
                    tracing::info!(incident = %id, says, "Nobody is paged.");
                    self.tools.write(FromOutside::Quiet { id, says });
                }
            }
        }
        tracing::error!(incident = %id, "The escalation goes in a circle; it is looked at again.");
        None
    }

    fn call(&mut self, channel: &str, page: Page) {
        let outlet = self
            .board
            .outlets
            .iter()
            .find(|outlet| outlet.channel() == channel);
        if let Some(outlet) = outlet {
            let (outlet, tools) = (Arc::clone(outlet), self.tools.clone());
            self.tasks
                .spawn(courier::page(outlet, page, tools, self.answers.clone()));
        }
    }

    fn queue(&self, channel: &str, what: What, incident: &Arc<Incident>, by: Option<String>) {
        self.send(channel, what, incident, by, false);
    }

    fn queue_quietly(&self, channel: &str, what: What, incident: &Arc<Incident>, quiet: bool) {
        self.send(channel, what, incident, None, quiet);
    }

    fn send(
        &self,
        channel: &str,
        what: What,
        incident: &Arc<Incident>,
        by: Option<String>,
        quiet: bool,
    ) {
        let paging = &self.board.paging;
        let holds = paging
            .policy_for(incident, incident.severity)
            .and_then(|policy| paging.policies[policy].ack_expires)
            .unwrap_or(ACK_HOLDS);
        let letter = Letter {
            what,
            incident: Arc::clone(incident),
            by,
            holds,
            quiet,
        };
        let Some(queue) = self.queues.get(channel) else {
            return;
        };
        if queue.try_send(letter).is_err() {
            let id = incident.id;
            tracing::warn!(%channel, incident = %id, "Too many messages wait; one is given up.");
            self.tools.write(FromOutside::Notified {
                id,
                channel: channel.to_owned(),
                ok: false,
                says: format!("given up: {QUEUE_MAX} messages already wait"),
                step: None,
                to: None,
            });
        }
    }

    /// Tells Alertmanager of windows and silences that it should keep, too.
    fn announce_windows(&mut self, now: Wall) {
        let windows: Vec<Silence> = self
            .board
            .paging
            .maintenance
            .iter()
            .chain(&self.silences)
            .filter(|window| window.until > now && !self.announced.contains(&window.says()))
            .cloned()
            .collect();
        // Bounded by what stands at once.
        self.announced.retain(|says| {
            let all = self.board.paging.maintenance.iter().chain(&self.silences);
            all.into_iter().any(|window| window.says() == *says)
        });
        for window in windows {
            self.announced.insert(window.says());
            for outlet in &self.board.outlets {
                self.tasks
                    .spawn(tell_of_window(Arc::clone(outlet), window.clone()));
            }
        }
    }
}

async fn tell_of_window(outlet: Arc<Outlet>, window: Silence) {
    match outlet.window(&window).await {
        None => {}
        Some(Tried::Accepted(says)) => {
            tracing::info!(channel = %outlet.channel(), window = %window.id, says, "Silenced there, too.");
        }
        Some(Tried::Refused(says) | Tried::Again(says, _)) => {
            tracing::warn!(channel = %outlet.channel(), window = %window.id, says, "Couldn't be silenced there.");
        }
    }
}
