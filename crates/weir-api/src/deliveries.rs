//! Who outside was told, and did they take it?
//!
//! Each target has a task and a queue of its own: one that is slow or gone delays nobody else. A
//! message is tried a few times with growing pauses; what came of it is written into the incident's
//! journal ([`Ask::Notified`]).
//!
//! Alertmanager forgets an alert that isn't repeated, so open incidents are sent to it again every
//! minute, and resolved ones for five minutes; these repetitions reach the journal only where
//! success turns into failure or back. They are made from what is published, so that they go on
//! after a restart.
//!
//! # Bounds
//! - [`QUEUE_MAX`] messages wait per target; further ones are given up, and the journal says so.
//! - [`TRIES`] tries, [`ANSWER_WITHIN`] each.
//! - No redirects are followed and no proxy of the environment is used: a message goes where the
//!   file says.
//!
//! # What is deliberately absent
//! - What a message says: `weir_control::notify`.
//! - Secrets in logs: of a URL only scheme, host and port are ever repeated, since Slack and its
//!   kin keep the secret in the path.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use weir_control::handle::{Ask, ControlHandle, Notification, NotifyWhat, Published};
use weir_control::incident::Incident;
use weir_control::incident::entry::IncidentId;
use weir_control::notify;

/// Messages that may wait for one target.
pub const QUEUE_MAX: usize = 64;
/// How often one message is tried.
pub const TRIES: u32 = 4;
/// How long a target may take for its answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The pause before the second try; doubled before each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Alertmanager hears of every open incident this often.
const REPEAT_EVERY: Duration = Duration::from_secs(60);
/// And of a resolved one for this long.
const RESOLVED_FOR: Duration = Duration::from_secs(300);
/// So much of a refusal is read.
const ANSWER_MAX: usize = 512;

/// Which language a target speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `POST {url}/api/v2/alerts`.
    Alertmanager,
    /// CloudEvents 1.0, structured.
    Webhook,
}

impl Kind {
    /// As written in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Webhook => "webhook",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One `[[notify]]` of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Its language.
    pub kind: Kind,
    /// Where; `http://user:password@host/…` logs in. May hold a secret, so never printed whole.
    pub url: String,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = Url::parse(&self.url).map_or_else(|_| "…".to_owned(), |url| origin(&url));
        write!(f, "{} {origin}", self.kind)
    }
}

/// Why a target can't be used. Said at start, with the place in the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetFault {
    /// Not a URL.
    #[error(
        "the url of a {kind} can't be read: {says}; write for example http://alertmanager:9093"
    )]
    Unreadable {
        /// Which kind.
        kind: Kind,
        /// The parser's words.
        says: String,
    },
    /// TLS isn't built yet.
    #[error(
        "{origin}: deliveries over https aren't built yet; use http to a proxy or agent on this machine or network"
    )]
    Https {
        /// Scheme, host, port.
        origin: String,
    },
    /// `ftp:`, `file:`…
    #[error("{origin}: a {kind} is reached over http")]
    Scheme {
        /// Which kind.
        kind: Kind,
        /// Scheme, host, port.
        origin: String,
    },
    /// The HTTP client couldn't be made.
    #[error("couldn't prepare the HTTP client: {0}")]
    Client(String),
}

/// Scheme, host and port: all of a URL that may be repeated.
fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    match url.port_or_known_default() {
        Some(port) => format!("{}://{host}:{port}", url.scheme()),
        None => format!("{}://{host}", url.scheme()),
    }
}

/// A target, checked.
struct Outlet {
    kind: Kind,
    /// As the journal calls it: `alertmanager http://alertmanager:9093`.
    channel: String,
    url: Url,
    client: Client,
}

impl Outlet {
    fn new(target: &Target, client: &Client) -> Result<Self, TargetFault> {
        let kind = target.kind;
        let mut url = Url::parse(&target.url).map_err(|error| TargetFault::Unreadable {
            kind,
            says: error.to_string(),
        })?;
        let origin = origin(&url);
        match url.scheme() {
            "http" => {}
            "https" => return Err(TargetFault::Https { origin }),
            _ => return Err(TargetFault::Scheme { kind, origin }),
        }
        if kind == Kind::Alertmanager {
            let path = url.path().trim_end_matches('/');
            if !path.ends_with("/api/v2/alerts") {
                let path = format!("{path}/api/v2/alerts");
                url.set_path(&path);
            }
        }
        Ok(Self {
            kind,
            channel: format!("{kind} {origin}"),
            url,
            client: client.clone(),
        })
    }

    fn payload(&self, incident: &Incident, what: NotifyWhat, external_url: &str) -> Value {
        match self.kind {
            Kind::Alertmanager => notify::alertmanager(incident, external_url),
            Kind::Webhook => {
                let what = match what {
                    NotifyWhat::Opened => notify::What::Opened,
                    NotifyWhat::Changed => notify::What::Changed,
                    NotifyWhat::Resolved => notify::What::Resolved,
                };
                notify::webhook(incident, what)
            }
        }
    }

    /// One try.
    async fn post(&self, payload: &Value) -> Tried {
        let content_type = match self.kind {
            Kind::Alertmanager => "application/json",
            Kind::Webhook => "application/cloudevents+json; charset=utf-8",
        };
        let request = self
            .client
            .post(self.url.clone())
            .header(reqwest::header::CONTENT_TYPE, content_type)
            .body(payload.to_string());
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Tried::Again(chain(&error.without_url())),
        };
        let status = answer.status();
        if status.is_success() {
            return Tried::Accepted(said(status));
        }
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= ANSWER_MAX {
                break;
            }
        }
        body.truncate(ANSWER_MAX);
        let words = String::from_utf8_lossy(&body);
        let words: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let says = match words.as_str() {
            "" => said(status),
            words => format!("{}: {words}", said(status)),
        };
        let passing = status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT;
        if passing {
            Tried::Again(says)
        } else {
            Tried::Refused(says)
        }
    }

    /// All tries. `Err`: the last answer.
    async fn deliver(&self, payload: &Value, tries: u32) -> Result<String, String> {
        let mut pause = FIRST_PAUSE;
        let mut tried = 0;
        loop {
            tried += 1;
            let says = match self.post(payload).await {
                Tried::Accepted(says) if tried == 1 => return Ok(says),
                Tried::Accepted(says) => return Ok(format!("{says}, at try {tried}")),
                Tried::Refused(says) => return Err(says),
                Tried::Again(says) => says,
            };
            if tried >= tries {
                return Err(match tried {
                    1 => says,
                    tried => format!("given up after {tried} tries: {says}"),
                });
            }
            tracing::warn!(channel = %self.channel, says, "A message wasn't taken; trying again.");
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }
}

fn said(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {}", status.as_u16(), reason.to_lowercase()),
        None => status.as_u16().to_string(),
    }
}

/// An error with its causes; reqwest's own text stops before the interesting part.
fn chain(error: &dyn std::error::Error) -> String {
    let mut says = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        says = format!("{says}: {cause}");
        source = cause.source();
    }
    says
}

enum Tried {
    Accepted(String),
    /// It won't do better next time.
    Refused(String),
    /// It may.
    Again(String),
}

fn client() -> Result<Client, TargetFault> {
    Client::builder()
        .timeout(ANSWER_WITHIN)
        .connect_timeout(Duration::from_secs(2))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| TargetFault::Client(error.to_string()))
}

/// What is wrong with these targets; all faults at once, so that they are known before anything
/// runs.
pub fn check(targets: &[Target]) -> Vec<TargetFault> {
    outlets(targets).1
}

fn outlets(targets: &[Target]) -> (Vec<Outlet>, Vec<TargetFault>) {
    let client = match client() {
        Ok(client) => client,
        Err(fault) => return (Vec::new(), vec![fault]),
    };
    let mut outlets = Vec::new();
    let mut faults = Vec::new();
    for target in targets {
        match Outlet::new(target, &client) {
            Ok(outlet) => outlets.push(outlet),
            Err(fault) => faults.push(fault),
        }
    }
    (outlets, faults)
}

/// Delivers until `stop` is ready or the control plane is gone. A target that [`check`] finds
/// fault with is left out, with an error in the log; the others are served. `external_url`: how
/// people reach the API, for links.
pub async fn deliver(
    handle: ControlHandle,
    targets: Vec<Target>,
    external_url: String,
    stop: impl Future<Output = ()>,
) {
    // Subscribed before the first await, so that nothing between start and first poll is lost.
    let mut notifications = handle.notifications.subscribe();
    // The handle holds the senders of its own streams, so those never close; this one does.
    let mut published = handle.published.clone();
    let (outlets, faults) = outlets(&targets);
    for fault in faults {
        tracing::error!(%fault, "A target of notifications can't be used; nobody is told there.");
    }
    let external_url: Arc<str> = external_url.trim_end_matches('/').into();
    // Dropped with this function, which ends the couriers wherever they are.
    let mut couriers = JoinSet::new();
    let mut queues = Vec::new();
    for outlet in outlets {
        let (queue, messages) = mpsc::channel(QUEUE_MAX);
        queues.push((outlet.channel.clone(), queue));
        couriers.spawn(Courier::new(outlet, external_url.clone(), &handle).run(messages));
    }
    let mut stop = std::pin::pin!(stop);
    loop {
        let received = tokio::select! {
            received = notifications.recv() => received,
            () = until_closed(&mut published) => return,
            () = &mut stop => return,
        };
        match received {
            Ok(notification) => queue_up(&handle, &queues, &notification).await,
            Err(broadcast::error::RecvError::Lagged(count)) => {
                tracing::warn!(count, "Messages were given up before they could be queued.");
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}

async fn queue_up(
    handle: &ControlHandle,
    queues: &[(String, mpsc::Sender<Notification>)],
    notification: &Notification,
) {
    for (channel, queue) in queues {
        if queue.try_send(notification.clone()).is_ok() {
            continue;
        }
        let id = notification.incident.id;
        tracing::warn!(%channel, incident = %id, "Too many messages wait; one is given up.");
        let ask = Ask::Notified {
            id,
            channel: channel.clone(),
            ok: false,
            says: format!("given up: {QUEUE_MAX} messages already wait"),
        };
        let _ = handle.ask(ask).await;
    }
}

async fn until_closed(published: &mut watch::Receiver<Arc<Published>>) {
    while published.changed().await.is_ok() {}
}

/// One target's task.
struct Courier {
    outlet: Outlet,
    external_url: Arc<str>,
    handle: ControlHandle,
    /// Whether the last message about an incident was taken.
    taken: BTreeMap<IncidentId, bool>,
}

impl Courier {
    fn new(outlet: Outlet, external_url: Arc<str>, handle: &ControlHandle) -> Self {
        Self {
            outlet,
            external_url,
            handle: handle.clone(),
            taken: BTreeMap::new(),
        }
    }

    async fn run(mut self, mut messages: mpsc::Receiver<Notification>) {
        let mut repeat = tokio::time::interval(REPEAT_EVERY);
        repeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick comes at once: incidents open since before a restart are told again.
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.tell(&message).await,
                    None => return,
                },
                _ = repeat.tick(), if self.outlet.kind == Kind::Alertmanager => {
                    self.repeat().await;
                }
            }
        }
    }

    async fn tell(&mut self, message: &Notification) {
        let incident = &message.incident;
        let payload = self
            .outlet
            .payload(incident, message.what, &self.external_url);
        let outcome = self.outlet.deliver(&payload, TRIES).await;
        self.report(incident.id, outcome).await;
    }

    async fn repeat(&mut self) {
        let published = self.handle.now();
        let now = published.clock.wall(published.at);
        let mut wanted = Vec::new();
        for incident in &published.incidents {
            let told = match incident.clocks().resolved_at {
                None => incident.status.is_ongoing(),
                Some(at) => now.since(at) < RESOLVED_FOR,
            };
            if told {
                wanted.push(incident.clone());
            }
        }
        self.taken
            .retain(|id, _| wanted.iter().any(|incident| incident.id == *id));
        for incident in wanted {
            let what = NotifyWhat::Changed;
            let payload = self.outlet.payload(&incident, what, &self.external_url);
            // One try: in a minute there is another.
            let outcome = self.outlet.deliver(&payload, 1).await;
            let ok = outcome.is_ok();
            let news = match self.taken.get(&incident.id) {
                Some(before) => *before != ok,
                // The first since a start; what is over needs no new line in its journal.
                None => incident.status.is_ongoing(),
            };
            if news {
                self.report(incident.id, outcome).await;
            }
        }
    }

    async fn report(&mut self, id: IncidentId, outcome: Result<String, String>) {
        let ok = outcome.is_ok();
        let (Ok(says) | Err(says)) = outcome;
        if ok {
            tracing::info!(channel = %self.outlet.channel, incident = %id, says, "A message was taken.");
        } else {
            tracing::warn!(channel = %self.outlet.channel, incident = %id, says, "A message wasn't taken.");
        }
        self.taken.insert(id, ok);
        let channel = self.outlet.channel.clone();
        let ask = Ask::Notified {
            id,
            channel,
            ok,
            says,
        };
        if let Err(fault) = self.handle.ask(ask).await {
            tracing::warn!(incident = %id, %fault, "The fate of a message couldn't be written down.");
        }
    }
}
