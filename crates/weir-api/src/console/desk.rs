//! The console's own line to the data plane: orders down, their answers up. It goes past the control
//! plane, so that PAUSE works also where that is gone, slow or restarting.
//!
//! # What always holds
//! - An order is on the list of those that wait for an answer before it is sent.
//! - [`Tap::take`] runs on the data plane's thread: it never waits. What doesn't fit into its queue
//!   is told in the log and lost; whoever waits for it is told so after [`LATE`] or by its client's
//!   leaving.
//! - At most [`WAITING_MAX`] orders wait at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use weir_model::{
    ClientId, DatabaseAct, Event, NewSettings, Order, OrderRefused, PoolerSettings, Snapshot,
};

/// Events on their way to the desk.
const EVENTS_MAX: usize = 4096;
/// Orders that wait for an answer.
const WAITING_MAX: usize = 1024;
/// Requests of the desk begin here; those of the control plane stay below.
const FIRST: u64 = 1 << 32;
/// After this an answer that should come at once won't.
const LATE: Duration = Duration::from_secs(10);

/// How orders are sent to the data plane.
pub type Send = Arc<dyn Fn(Order) -> Result<(), OrderRefused> + std::marker::Send + Sync>;

/// A query on the console.
#[derive(Clone, Debug)]
pub struct Query {
    /// Who asks.
    pub client: ClientId,
    /// Its user.
    pub user: Arc<str>,
    /// The text of a simple query.
    pub sql: String,
}

/// The end of the line on the data plane's thread.
#[derive(Debug)]
pub struct Tap {
    events: mpsc::Sender<Event>,
    lost: u64,
}

impl Tap {
    /// Takes what is the console's and gives the rest back.
    pub fn take(&mut self, event: Event) -> Option<Event> {
        match &event {
            Event::Console { .. } => {
                self.pass(event);
                None
            }
            Event::Snapshot(snapshot) if snapshot.request >= FIRST => {
                self.pass(event);
                None
            }
            Event::Configured { .. } | Event::OrderDone { .. } => {
                self.pass(event.clone());
                Some(event)
            }
            _ => Some(event),
        }
    }

    fn pass(&mut self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.lost += 1;
            tracing::warn!(
                lost = self.lost,
                "The console is too slow; an event is lost."
            );
        }
    }
}

enum Wait {
    Order(Order, oneshot::Sender<Result<(), OrderRefused>>),
    Snapshot(u64, oneshot::Sender<Snapshot>),
    Configured(u64, oneshot::Sender<Result<Vec<String>, OrderRefused>>),
}

/// The console's end of the line. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    send: Send,
    waits: mpsc::Sender<(Order, Wait)>,
    next: Arc<AtomicU64>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk(…)")
    }
}

/// What carries answers to whoever waits, and queries to the console. Run it as a task.
pub struct Post {
    send: Send,
    events: mpsc::Receiver<Event>,
    waits: mpsc::Receiver<(Order, Wait)>,
    queries: mpsc::Sender<Query>,
    waiting: Vec<Wait>,
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Post(…)")
    }
}

/// Makes the tap, before the data plane is started.
pub fn tap() -> (Tap, mpsc::Receiver<Event>) {
    let (events, receiver) = mpsc::channel(EVENTS_MAX);
    (Tap { events, lost: 0 }, receiver)
}

/// Makes the rest of the line, once there is a data plane to send orders to.
pub fn desk(events: mpsc::Receiver<Event>, send: Send) -> (Desk, Post, mpsc::Receiver<Query>) {
    let (waits, wanted) = mpsc::channel(WAITING_MAX);
    let (queries, asked) = mpsc::channel(WAITING_MAX);
    let desk = Desk {
        send: Arc::clone(&send),
        waits,
        next: Arc::new(AtomicU64::new(FIRST)),
    };
    let post = Post {
        send,
        events,
        waits: wanted,
        queries,
        waiting: Vec::new(),
    };
    (desk, post, asked)
}

impl Post {
    /// Runs until the data plane is gone.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(event) => self.on_event(event),
                    None => return,
                },
                Some((order, wait)) = self.waits.recv() => self.on_wait(order, wait),
            }
        }
    }

    fn on_wait(&mut self, order: Order, wait: Wait) {
        // Those who no longer wait make room.
        self.waiting.retain(|wait| match wait {
            Wait::Order(_, reply) => !reply.is_closed(),
            Wait::Snapshot(_, reply) => !reply.is_closed(),
            Wait::Configured(_, reply) => !reply.is_closed(),
        });
        if self.waiting.len() >= WAITING_MAX {
            wait.refuse(OrderRefused::NotNow(
                "too many console commands wait already".to_owned(),
            ));
            return;
        }
        match (self.send)(order) {
            // The answer can't overtake this: it comes through the queue of this very task.
            Ok(()) => self.waiting.push(wait),
            Err(refused) => wait.refuse(refused),
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Console { client, user, sql } => {
                let query = Query { client, user, sql };
                if let Err(fault) = self.queries.try_send(query) {
                    tracing::warn!(%client, %fault, "A console query goes unanswered.");
                }
            }
            Event::Snapshot(snapshot) => {
                let request = snapshot.request;
                let found = self.waiting.iter().position(
                    |wait| matches!(wait, Wait::Snapshot(wanted, _) if *wanted == request),
                );
                if let Some(at) = found
                    && let Wait::Snapshot(_, reply) = self.waiting.swap_remove(at)
                {
                    let _ = reply.send(*snapshot);
                }
            }
            Event::Configured { request, result } => {
                let found = self.waiting.iter().position(
                    |wait| matches!(wait, Wait::Configured(wanted, _) if *wanted == request),
                );
                if let Some(at) = found
                    && let Wait::Configured(_, reply) = self.waiting.swap_remove(at)
                {
                    let _ = reply.send(result);
                }
            }
            Event::OrderDone { order, result } => {
                let found = self
                    .waiting
                    .iter()
                    .position(|wait| matches!(wait, Wait::Order(sent, _) if *sent == *order));
                if let Some(at) = found
                    && let Wait::Order(_, reply) = self.waiting.swap_remove(at)
                {
                    let _ = reply.send(result);
                }
            }
            _ => {}
        }
    }
}

impl Wait {
    fn refuse(self, refused: OrderRefused) {
        match self {
            Self::Order(_, reply) => drop(reply.send(Err(refused))),
            Self::Configured(_, reply) => drop(reply.send(Err(refused))),
            // Dropping the sender is answer enough.
            Self::Snapshot(..) => {}
        }
    }
}

fn gone() -> OrderRefused {
    OrderRefused::NotNow("the data plane doesn't answer".to_owned())
}

impl Desk {
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends an order and waits for its answer, however late that is.
    ///
    /// # Errors
    /// What the data plane says.
    pub async fn order(&self, order: Order) -> Result<(), OrderRefused> {
        let (reply, answer) = oneshot::channel();
        let wait = Wait::Order(order.clone(), reply);
        self.waits.send((order, wait)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Sends an order that isn't answered.
    ///
    /// # Errors
    /// The data plane is gone or its queue is full.
    pub fn tell(&self, order: Order) -> Result<(), OrderRefused> {
        (self.send)(order)
    }

    /// Does something to a database, or to all.
    ///
    /// # Errors
    /// What the data plane says.
    pub async fn act(&self, act: DatabaseAct, database: Option<&str>) -> Result<(), OrderRefused> {
        self.order(Order::Database {
            request: self.number(),
            act,
            database: database.map(Into::into),
        })
        .await
    }

    /// Stops reading from all sockets.
    ///
    /// # Errors
    /// What the data plane says.
    pub async fn suspend(&self) -> Result<(), OrderRefused> {
        let request = self.number();
        self.order(Order::Suspend { request }).await
    }

    /// Everything the data plane holds.
    ///
    /// # Errors
    /// The data plane is gone.
    pub async fn snapshot(&self) -> Result<Snapshot, OrderRefused> {
        let request = self.number();
        let (reply, answer) = oneshot::channel();
        let order = Order::Snapshot { request };
        let wait = Wait::Snapshot(request, reply);
        self.waits.send((order, wait)).await.map_err(|_| gone())?;
        match tokio::time::timeout(LATE, answer).await {
            Ok(Ok(snapshot)) => Ok(snapshot),
            Ok(Err(_)) | Err(_) => Err(gone()),
        }
    }

    /// Runs new settings. What changed, a sentence each.
    ///
    /// # Errors
    /// Why the data plane goes on with the old ones.
    pub async fn configure(
        &self,
        settings: Arc<PoolerSettings>,
    ) -> Result<Vec<String>, OrderRefused> {
        let request = self.number();
        let (reply, answer) = oneshot::channel();
        let order = Order::Configure {
            request,
            settings: NewSettings(settings),
        };
        let wait = Wait::Configured(request, reply);
        self.waits.send((order, wait)).await.map_err(|_| gone())?;
        match tokio::time::timeout(LATE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(gone()),
        }
    }
}
