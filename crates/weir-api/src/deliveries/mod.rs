//! Who outside was told, and did they take it?
//!
//! Each target has a task and a queue of its own: one that is slow or gone delays nobody else. A
//! message is tried a few times with growing pauses; what came of it is written into the incident's
//! journal. A page of the escalation doesn't queue: it has a task of its own, and its first failure
//! is told at once, so that somebody is called elsewhere while it is tried again.
//!
//! | file | answers |
//! |---|---|
//! | [`target`] | where can messages go, and what is wrong with it? |
//! | `outlet` | how does this target want to be spoken to, and what did it answer? |
//! | `smtp`, `tls` | the same for a mail server; whom do we trust? |
//! | `courier` | one target's queue |
//! | `desk` | what should be told to whom now? Carries out `weir_control::notify` |
//!
//! Alertmanager forgets an alert that isn't repeated, so open incidents are sent to it again every
//! minute, and resolved ones for five minutes; these repetitions reach the journal only where
//! success turns into failure or back.
//!
//! # Bounds
//! - [`QUEUE_MAX`] messages wait per target; further ones are given up, and the journal says so.
//! - [`TRIES`] tries, [`ANSWER_WITHIN`] each ([`MAIL_WITHIN`] for a mail).
//! - [`WRITES_MAX`] lines wait for the journal; further ones stand in the log alone.
//! - No redirects are followed and no proxy of the environment is used: a message goes where the
//!   file says.
//!
//! # What is deliberately absent
//! - What a message says, whom to call and when: `weir_control::notify`.
//! - Secrets in logs: of a URL only scheme, host and port are ever repeated, since Slack and its
//!   kin keep the secret in the path; what the other side answers is cleaned of ours.

mod courier;
mod desk;
mod outlet;
mod smtp;
pub mod target;
mod tls;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use weir_control::handle::ControlHandle;
use weir_control::notify::Speaker;
use weir_control::notify::policy::Paging;
use weir_model::Wall;

pub use outlet::Switchboard;
pub use target::{MailTls, Service, Target, TargetFault};
pub use tls::{TlsFault, client as trusted};

/// Messages that may wait for one target.
pub const QUEUE_MAX: usize = 64;
/// How often one message is tried.
pub const TRIES: u32 = 4;
/// How long a target may take for its answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a mail server may take for the whole of its talk.
pub const MAIL_WITHIN: Duration = Duration::from_secs(20);
/// Lines that may wait for the journal.
pub const WRITES_MAX: usize = 1_024;
/// The pause before the second try; doubled before each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Alertmanager hears of every open incident this often.
const REPEAT_EVERY: Duration = Duration::from_secs(60);
/// And of a resolved one for this long.
const RESOLVED_FOR: Duration = Duration::from_secs(300);
/// Even where nothing happens, the desk looks this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Civil time from here on: what was published at the start, and how long that is ago. It goes on
/// when the control plane is silent, for somebody must be called then, too.
#[derive(Clone, Copy, Debug)]
struct Clock {
    zero: tokio::time::Instant,
    wall: Wall,
}

impl Clock {
    fn of(handle: &ControlHandle) -> Self {
        let published = handle.now();
        Self {
            zero: tokio::time::Instant::now(),
            wall: published.clock.wall(published.at),
        }
    }

    fn now(&self) -> Wall {
        self.wall.after(self.zero.elapsed())
    }

    fn instant(&self, wall: Wall) -> tokio::time::Instant {
        self.zero + wall.since(self.wall)
    }
}

/// What is wrong with these targets; all faults at once, so that they are known before anything
/// runs.
pub fn check(targets: &[Target]) -> Vec<TargetFault> {
    let speaker = Speaker {
        external_url: String::new(),
        cluster: String::new(),
        instance: String::new(),
    };
    Switchboard::new(targets, Paging::default(), speaker).1
}

/// Delivers until `stop` is ready or the control plane is gone.
pub async fn deliver(
    handle: ControlHandle,
    board: Arc<Switchboard>,
    stop: impl Future<Output = ()>,
) {
    // Subscribed before the first await, so that nothing between start and first poll is lost.
    let mut notifications = handle.notifications.subscribe();
    let mut happenings = handle.happenings.subscribe();
    // The handle holds the senders of its own streams, so those never close; this one does.
    let mut published = handle.published.clone();
    let clock = Clock::of(&handle);
    let (mut desk, mut answers) = desk::Desk::new(handle, board, clock);
    desk.take_up(&published.borrow_and_update().clone());
    let mut stop = std::pin::pin!(stop);
    loop {
        let wake = desk.work(clock.now());
        let until = clock.instant(wake);
        tokio::select! {
            // What happened is taken in its order before time is.
            biased;
            () = &mut stop => return,
            happening = happenings.recv() => match happening {
                Ok(happening) => desk.on_happening(&happening),
                Err(RecvError::Lagged(_)) => desk.take_up(&published.borrow().clone()),
                Err(RecvError::Closed) => return,
            },
            notification = notifications.recv() => match notification {
                Ok(notification) => desk.on_notification(&notification),
                Err(RecvError::Lagged(count)) => {
                    tracing::warn!(count, "Messages were given up before they could be queued.");
                    desk.take_up(&published.borrow().clone());
                }
                Err(RecvError::Closed) => return,
            },
            Some(answer) = answers.recv() => desk.on_answer(&answer),
            changed = published.changed() => match changed {
                Ok(()) => desk.on_published(&published.borrow_and_update().clone()),
                Err(_) => return,
            },
            () = tokio::time::sleep_until(until) => {}
        }
    }
}
