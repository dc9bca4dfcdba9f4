//! Playing: waiting for things with a limit, while Weir is watched and the audience is told.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::stage::Stage;
use super::users::Tally;
use super::view::{Narrator, Scene};
use super::weir::{Api, IncidentView, PoolView};
use crate::clock::{Moment, now};

/// How often Weir is asked.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What Weir shows from outside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) pool: Option<PoolView>,
    /// The first incident of the play. One cause, one incident; later ones are counted.
    pub(crate) incident: Option<IncidentView>,
    pub(crate) incidents: usize,
    /// Questions in a row that Weir's API didn't answer.
    pub(crate) unanswered: u32,
}

/// A play under way. The audience is told for as long as it lives.
pub(crate) struct Play {
    pub(crate) stage: Stage,
    pub(crate) begun: Moment,
    seen: watch::Receiver<Seen>,
    narrator: Arc<Mutex<Narrator>>,
    act: watch::Sender<String>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Play {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Play {
    pub(crate) fn begin(stage: Stage, narrator: Narrator) -> Self {
        let begun = now();
        let narrator = Arc::new(Mutex::new(narrator));
        let (seen_by_us, seen) = watch::channel(Seen::default());
        let (act, act_now) = watch::channel(String::new());
        let watcher = tokio::spawn(ask(stage.weir.api.clone(), seen_by_us));
        let teller = tokio::spawn(tell(
            Arc::clone(&stage.users.tally),
            seen.clone(),
            act_now,
            Arc::clone(&narrator),
            begun,
        ));
        Self {
            stage,
            begun,
            seen,
            narrator,
            act,
            tasks: vec![watcher.abort_handle(), teller.abort_handle()],
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// A line of the story, with its time.
    pub(crate) fn say(&self, text: &str) {
        let at = self.begun.elapsed().as_secs_f64();
        self.narrator().say(&format!("{at:>5.0} s  {text}"));
    }

    /// A new act begins.
    pub(crate) fn act(&self, title: &str) {
        self.act.send_replace(title.to_owned());
        self.narrator().say("");
        self.say(title);
    }

    /// The audience sees no more.
    pub(crate) fn curtain(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
        self.narrator().close();
    }

    fn narrator(&self) -> std::sync::MutexGuard<'_, Narrator> {
        self.narrator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn pass(&self, seconds: f64) {
        tokio::time::sleep(Duration::from_secs_f64(seconds.max(0.0))).await;
    }

    /// Waits until Weir shows what is asked for. False if it doesn't within `limit_s`.
    pub(crate) async fn until(&mut self, limit_s: f64, asked: impl Fn(&Seen) -> bool) -> bool {
        let limit = Duration::from_secs_f64(limit_s.max(0.0));
        let shown = self.seen.wait_for(|seen| asked(seen));
        matches!(tokio::time::timeout(limit, shown).await, Ok(Ok(_)))
    }
}

/// Asks Weir twice a second.
async fn ask(api: Api, seen_by_us: watch::Sender<Seen>) {
    let mut first: Option<String> = None;
    let mut ticks = tokio::time::interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let mut seen = seen_by_us.borrow().clone();
        match (api.pool().await, api.incidents().await) {
            (Ok(pool), Ok(ids)) => {
                seen.unanswered = 0;
                seen.pool = pool;
                seen.incidents = ids.len();
                first = first.or_else(|| ids.last().cloned());
            }
            _ => seen.unanswered += 1,
        }
        if let Some(id) = &first
            && let Ok(incident) = api.incident(id).await
        {
            seen.incident = Some(incident);
        }
        seen_by_us.send_replace(seen);
    }
}

/// Tells the audience once a second.
async fn tell(
    tally: Arc<Tally>,
    seen: watch::Receiver<Seen>,
    act: watch::Receiver<String>,
    narrator: Arc<Mutex<Narrator>>,
    begun: Moment,
) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let second = tally.turn();
        let Seen { pool, incident, .. } = seen.borrow().clone();
        let scene = Scene {
            act: act.borrow().clone(),
            at_s: begun.elapsed().as_secs_f64(),
            second,
            in_flight: tally.in_flight(),
            p99: tally.p99_history(),
            pool,
            incident,
        };
        narrator
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .show(&scene);
    }
}
