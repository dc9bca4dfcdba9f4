//! The thread that talks to the API. It does what it is told and decides nothing: when to ask, when
//! to try again and what it means stands in `asks` and `news`.
//!
//! # Bounds
//! - [`COMMANDS_MAX`] commands wait; the model has one question per document on its way at most.
//! - [`NEWS_MAX`] pieces of news wait; beyond that this thread waits for the screen.
//! - An answer may take [`ANSWER_WITHIN`] and have [`ANSWER_MAX`] bytes; a stream that is silent for
//!   [`SILENT_MAX`] has ended (a heartbeat comes every ten seconds).

use std::path::PathBuf;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::model::{Command, Fault, Input, News};
use super::sse::Frames;

const COMMANDS_MAX: usize = 256;
/// How much news may wait for the screen.
pub(crate) const NEWS_MAX: usize = 256;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const CONNECT_WITHIN: Duration = Duration::from_secs(4);
const ANSWER_MAX: usize = 64 << 20;
const SILENT_MAX: Duration = Duration::from_secs(25);

/// Where the API is and how one gets in.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Without a slash at its end.
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    /// Trust these certificates and nobody else.
    pub(crate) ca: Option<PathBuf>,
}

/// One way to the API.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    place: Place,
}

impl Client {
    /// `Err`: why there can be none.
    pub(crate) fn new(place: Place) -> Result<Self, String> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            // It carries a token: it goes where it was told to go.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if place.url.starts_with("https:") {
            let trusted = weir_api::deliveries::trusted(place.ca.as_deref());
            let trusted = trusted.map_err(|fault| fault.to_string())?;
            builder = builder.use_preconfigured_tls((*trusted).clone());
        }
        let http = builder.build().map_err(|fault| fault.to_string())?;
        Ok(Self { http, place })
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.place.url));
        match &self.place.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Fault> {
        let request = self.request(reqwest::Method::GET, path);
        answer(request.timeout(ANSWER_WITHIN)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        let request = self.request(reqwest::Method::POST, path).json(body);
        answer(request.timeout(ANSWER_WITHIN)).await
    }
}

fn unreachable(fault: &reqwest::Error) -> Fault {
    if fault.is_timeout() {
        return Fault::Unreachable("no answer in time".to_owned());
    }
    Fault::Unreachable(innermost(fault))
}

/// reqwest's own text repeats the address and hides the reason.
fn innermost(fault: &dyn std::error::Error) -> String {
    let mut fault = fault;
    while let Some(source) = fault.source() {
        fault = source;
    }
    super::told::clean_text(&fault.to_string())
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Value, Fault> {
    let mut response = request.send().await.map_err(|fault| unreachable(&fault))?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|fault| unreachable(&fault))?
    {
        if body.len() + chunk.len() > ANSWER_MAX {
            return Err(Fault::Strange(format!(
                "it has more than {} MiB",
                ANSWER_MAX >> 20
            )));
        }
        body.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        return Err(refused(status.as_u16(), &body));
    }
    serde_json::from_slice(&body).map_err(|_| {
        let begins: String = String::from_utf8_lossy(&body).chars().take(60).collect();
        Fault::Strange(format!(
            "it begins with \"{}\"",
            super::told::clean_text(&begins)
        ))
    })
}

/// The API's own shape of a refusal, or what else it is.
fn refused(status: u16, body: &[u8]) -> Fault {
    let shape: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |key: &str| shape["error"][key].as_str().unwrap_or_default().to_owned();
    let says = match text("message") {
        empty if empty.is_empty() => format!("HTTP status {status}"),
        message => super::told::clean_text(&message),
    };
    Fault::Refused {
        status,
        code: text("code"),
        says,
    }
}

/// The thread's other end.
#[derive(Debug)]
pub(crate) struct Wire {
    commands: mpsc::Sender<Command>,
}

impl Wire {
    /// Starts the thread. News and signals come out of `out`.
    pub(crate) fn start(client: Client, out: SyncSender<Input>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (commands, queue) = mpsc::channel(COMMANDS_MAX);
        std::thread::Builder::new()
            .name("weir-top-wire".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    tokio::spawn(super::terminal::signals(out.clone()));
                    serve(client, queue, out).await;
                });
            })?;
        Ok(Self { commands })
    }

    pub(crate) fn send(&self, command: Command) {
        // Fails only where the thread has gone, and then we go too.
        let _ = self.commands.blocking_send(command);
    }
}

async fn serve(client: Client, mut queue: mpsc::Receiver<Command>, out: SyncSender<Input>) {
    while let Some(command) = queue.recv().await {
        let client = client.clone();
        let out = out.clone();
        tokio::spawn(async move {
            let news = match command {
                Command::Ask { doc, path } => News::Answer {
                    doc,
                    result: client.get(&path).await,
                    path,
                },
                Command::Tell { what, path, body } => News::Done {
                    what,
                    result: client.post(&path, &body).await,
                },
                Command::Foretell { number, path, body } => News::Foretold {
                    number,
                    result: client.post(&path, &body).await,
                },
                Command::Listen { last_id } => {
                    let says = listen(&client, last_id.as_deref(), &out).await;
                    News::StreamEnded(says)
                }
                Command::Copy(_) | Command::Suspend | Command::Quit => return,
            };
            let _ = out.send(Input::News(news));
        });
    }
}

/// Follows the stream until it ends; says why it did.
async fn listen(client: &Client, last_id: Option<&str>, out: &SyncSender<Input>) -> String {
    // Pools are polled at the person's own rate; the stream brings what happens.
    let mut request = client
        .request(reqwest::Method::GET, "/api/v1/events?pools=none")
        .header("accept", "text/event-stream");
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let opened = tokio::time::timeout(ANSWER_WITHIN, request.send()).await;
    let mut response = match opened {
        Err(_) => return "no stream of events: no answer in time".to_owned(),
        Ok(Err(fault)) => return format!("no stream of events: {}", unreachable(&fault).says()),
        Ok(Ok(response)) => response,
    };
    if !response.status().is_success() {
        let body = response.bytes().await.unwrap_or_default();
        return "no stream of events: refused: ".to_owned() + &refused(0, &body).says();
    }
    let _ = out.send(Input::News(News::StreamOpen));
    let mut frames = Frames::default();
    loop {
        let chunk = match tokio::time::timeout(SILENT_MAX, response.chunk()).await {
            Err(_) => {
                return format!(
                    "the stream of events was silent for {} s",
                    SILENT_MAX.as_secs()
                );
            }
            Ok(Err(fault)) => {
                return format!("the stream of events broke: {}", unreachable(&fault).says());
            }
            Ok(Ok(None)) => return "the stream of events ended".to_owned(),
            Ok(Ok(Some(chunk))) => chunk,
        };
        let events = match frames.feed(&chunk) {
            Ok(events) => events,
            Err(says) => return format!("the stream of events sent {says}"),
        };
        for event in events {
            let data = match event.name.as_str() {
                // Not asked for; an older Weir sends them all the same. Only the id is of use.
                "sample" => Value::Null,
                _ => serde_json::from_str(&event.data).unwrap_or_default(),
            };
            let news = News::Event {
                name: event.name,
                id: event.id,
                data,
            };
            if out.send(Input::News(news)).is_err() {
                return String::new();
            }
        }
    }
}
