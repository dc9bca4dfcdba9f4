//! One target's queue: messages in their order, tried again where that may help.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use weir_control::handle::ControlHandle;
use weir_control::incident::Incident;
use weir_control::incident::entry::IncidentId;
use weir_control::notify::outside::FromOutside;
use weir_control::notify::{Message, Speaker, What, goes_on};

use super::outlet::{Outlet, Tried};
use super::target::Service;
use super::{Clock, FIRST_PAUSE, REPEAT_EVERY, RESOLVED_FOR, TRIES};

/// A message on its way.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) what: What,
    pub(super) incident: Arc<Incident>,
    /// Who acknowledged.
    pub(super) by: Option<String>,
    /// How long that holds.
    pub(super) holds: Duration,
    /// Its success is no news for the journal.
    pub(super) quiet: bool,
}

/// A call of the escalation on its way.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) incident: Arc<Incident>,
    pub(super) step: u32,
    pub(super) to: String,
    /// False once somebody has it, or it is over: then it isn't tried again.
    pub(super) wanted: Arc<AtomicBool>,
}

/// What came of a try of a page.
#[derive(Clone, Debug)]
pub(super) struct PageAnswer {
    pub(super) id: IncidentId,
    pub(super) step: u32,
    pub(super) channel: String,
    pub(super) ok: bool,
}

/// What every task needs.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) speaker: Speaker,
    pub(super) clock: Clock,
    pub(super) writes: mpsc::Sender<FromOutside>,
}

impl Tools {
    /// Has it written down, if there is room.
    pub(super) fn write(&self, wish: FromOutside) {
        if let Err(lost) = self.writes.try_send(wish) {
            let wish = lost.into_inner();
            tracing::error!(
                ?wish,
                "Too much waits for the journal; this stands here alone."
            );
        }
    }
}

/// Writes down what was done, in its order. The control plane may be starting again, so it is asked
/// more than once.
pub(super) async fn write(handle: ControlHandle, mut wishes: mpsc::Receiver<FromOutside>) {
    use weir_control::handle::{Ask, AskFault};
    while let Some(wish) = wishes.recv().await {
        let mut pause = Duration::from_millis(200);
        for last in [false, false, false, false, true] {
            match handle.ask(Ask::Outside(wish.clone())).await {
                Err(AskFault::Gone) if !last => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(fault) => {
                    tracing::warn!(?wish, %fault, "What was done couldn't be written down.");
                    break;
                }
                Ok(_) => break,
            }
        }
    }
}

/// One target's task.
pub(super) struct Courier {
    outlet: Arc<Outlet>,
    tools: Tools,
    handle: ControlHandle,
    /// Incidents that were told here, and whether the last message about them was taken.
    told: BTreeMap<IncidentId, bool>,
}

impl Courier {
    pub(super) fn new(outlet: Arc<Outlet>, tools: Tools, handle: ControlHandle) -> Self {
        Self {
            outlet,
            tools,
            handle,
            told: BTreeMap::new(),
        }
    }

    pub(super) async fn run(mut self, mut letters: mpsc::Receiver<Letter>) {
        let repeats = matches!(self.outlet.service, Service::Alertmanager { .. });
        let start = tokio::time::Instant::now() + REPEAT_EVERY;
        let mut repeat = tokio::time::interval_at(start, REPEAT_EVERY);
        repeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                letter = letters.recv() => match letter {
                    Some(letter) => self.tell(&letter).await,
                    None => return,
                },
                _ = repeat.tick(), if repeats => self.repeat().await,
            }
        }
    }

    async fn tell(&mut self, letter: &Letter) {
        let incident = &letter.incident;
        let mut message = Message::new(letter.what, incident, &self.tools.speaker);
        message.by = letter.by.as_deref();
        if letter.what == What::Acknowledged {
            let now = self.tools.clock.now();
            if let Some(tried) = self.outlet.silence(&message, now, letter.holds).await {
                let (ok, says) = match tried {
                    Tried::Accepted(says) => (true, format!("silenced: {says}")),
                    Tried::Refused(says) | Tried::Again(says, _) => {
                        (false, format!("couldn't be silenced: {says}"))
                    }
                };
                self.report(incident.id, ok, says);
            }
        }
        let outcome = deliver(&self.outlet, &message, &self.tools.clock, TRIES).await;
        if letter.what == What::Resolved {
            self.outlet.end_silence(incident.id).await;
        }
        let ok = outcome.is_ok();
        let (Ok(says) | Err(says)) = outcome;
        self.told.insert(incident.id, ok);
        if !(letter.quiet && ok) {
            self.report(incident.id, ok, says);
        }
    }

    /// Says again what was said, for as long as Alertmanager should know it.
    async fn repeat(&mut self) {
        let published = self.handle.now();
        let now = self.tools.clock.now();
        let ids: Vec<IncidentId> = self.told.keys().copied().collect();
        for id in ids {
            let wanted =
                published
                    .incident(id)
                    .filter(|incident| match incident.clocks().resolved_at {
                        None => goes_on(incident),
                        Some(at) => now.since(at) < RESOLVED_FOR,
                    });
            let Some(incident) = wanted else {
                self.told.remove(&id);
                continue;
            };
            let message = Message::new(What::Changed, incident, &self.tools.speaker);
            // One try: in a minute there is another.
            let outcome = deliver(&self.outlet, &message, &self.tools.clock, 1).await;
            let ok = outcome.is_ok();
            let (Ok(says) | Err(says)) = outcome;
            if self.told.insert(id, ok) != Some(ok) {
                self.report(id, ok, says);
            }
        }
    }

    fn report(&self, id: IncidentId, ok: bool, says: String) {
        let channel = self.outlet.channel().to_owned();
        told(&channel, id, ok, &says);
        self.tools.write(FromOutside::Notified {
            id,
            channel,
            ok,
            says,
            step: None,
            to: None,
        });
    }
}

fn told(channel: &str, id: IncidentId, ok: bool, says: &str) {
    if ok {
        tracing::info!(%channel, incident = %id, says, "A message was taken.");
    } else {
        tracing::warn!(%channel, incident = %id, says, "A message wasn't taken.");
    }
}

/// All tries. `Err`: the last answer.
async fn deliver(
    outlet: &Outlet,
    message: &Message<'_>,
    clock: &Clock,
    tries: u32,
) -> Result<String, String> {
    let mut pause = FIRST_PAUSE;
    let mut tried = 0;
    loop {
        tried += 1;
        let (says, asked) = match outlet.send(message, clock.now()).await {
            Tried::Accepted(says) if tried == 1 => return Ok(says),
            Tried::Accepted(says) => return Ok(format!("{says}, at try {tried}")),
            Tried::Refused(says) => return Err(says),
            Tried::Again(says, asked) => (says, asked),
        };
        if tried >= tries {
            return Err(match tried {
                1 => says,
                tried => format!("given up after {tried} tries: {says}"),
            });
        }
        tracing::warn!(channel = %outlet.channel(), says, "A message wasn't taken; trying again.");
        tokio::time::sleep(pause.max(asked.unwrap_or_default())).await;
        pause *= 2;
    }
}

/// Calls somebody. The first answer is told at once, whichever it is; further tries go on while
/// nobody has it.
pub(super) async fn page(
    outlet: Arc<Outlet>,
    page: Page,
    tools: Tools,
    answers: mpsc::Sender<PageAnswer>,
) {
    let incident = &page.incident;
    let mut message = Message::new(What::Called, incident, &tools.speaker);
    message.to = Some(&page.to);
    message.step = Some(page.step);
    let mut pause = FIRST_PAUSE;
    for tried in 1..=TRIES {
        let (ok, last, says, asked) = match outlet.send(&message, tools.clock.now()).await {
            Tried::Accepted(says) => (true, true, says, None),
            Tried::Refused(says) => (false, true, says, None),
            Tried::Again(says, asked) => (false, tried == TRIES, says, asked),
        };
        let says = match (ok, tried, last) {
            (_, 1, true) => says,
            (true, ..) => format!("{says}, at try {tried}"),
            (false, _, true) => format!("given up after {tried} tries: {says}"),
            (false, ..) => format!("{says}; tried again while nobody has it"),
        };
        // Between the first answer and the last there is nothing new to say.
        if tried == 1 || last {
            let channel = outlet.channel().to_owned();
            told(&channel, incident.id, ok, &says);
            tools.write(FromOutside::Notified {
                id: incident.id,
                channel: channel.clone(),
                ok,
                says,
                step: Some(page.step),
                to: Some(page.to.clone()),
            });
            let answer = PageAnswer {
                id: incident.id,
                step: page.step,
                channel,
                ok,
            };
            if answers.send(answer).await.is_err() {
                return;
            }
        }
        if last {
            return;
        }
        tokio::time::sleep(pause.max(asked.unwrap_or_default())).await;
        pause *= 2;
        if !page.wanted.load(Ordering::Relaxed) {
            return;
        }
    }
}
