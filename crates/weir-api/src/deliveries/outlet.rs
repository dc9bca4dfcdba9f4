//! One target, ready to send: its words, its client, its answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode, Url};
use serde_json::Value;
use weir_control::incident::entry::IncidentId;
use weir_control::notify::announce::Wants;
use weir_control::notify::policy::Paging;
use weir_control::notify::silence::Silence;
use weir_control::notify::{
    Message, Speaker, What, alertmanager, cloudevents, email, grafana, opsgenie, otlp, pagerduty,
    slack,
};
use weir_model::{Secret, Wall};

use super::smtp::{self, MailFault, MailServer};
use super::target::{Service, Target, TargetFault, origin, url_of};
use super::tls;
use super::{ANSWER_WITHIN, MAIL_WITHIN};

/// So much of an answer is read.
const ANSWER_MAX: usize = 16 * 1024;
/// So much of it is repeated.
const WORDS_MAX: usize = 512;
/// Incidents whose ids at the other side are remembered; the oldest go first.
const IDS_MAX: usize = 1_000;
/// The other side may ask for a longer pause than ours, up to this.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Opsgenie is asked for so long what became of a request.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);
/// With this pause.
const CONFIRM_PAUSE: Duration = Duration::from_millis(500);

/// What came of one try.
#[derive(Debug)]
pub(super) enum Tried {
    /// The other side has it.
    Accepted(String),
    /// It won't do better next time.
    Refused(String),
    /// It may, after this pause where it asked for one.
    Again(String, Option<Duration>),
}

/// A target, checked.
pub(super) struct Outlet {
    pub(super) wants: Wants,
    pub(super) service: Service,
    url: Url,
    client: Client,
    mail: Option<MailServer>,
    authorization: Option<HeaderValue>,
    secrets: Vec<String>,
    /// What the other side calls our incidents: annotations, silences.
    ids: Mutex<BTreeMap<IncidentId, String>>,
}

impl Outlet {
    pub(super) fn new(target: &Target, paging: &Paging) -> Result<Self, TargetFault> {
        let url = url_of(target)?;
        let origin = origin(&url);
        let trusted = |ca| {
            tls::client(ca).map_err(|source| TargetFault::Tls {
                origin: origin.clone(),
                source,
            })
        };
        let secure = matches!(url.scheme(), "https" | "smtp" | "smtps");
        // Without TLS nobody need be trusted, and a machine without certificates will do.
        let config = match (secure, target.ca.as_deref()) {
            (false, None) => None,
            (_, ca) => Some(trusted(ca)?),
        };
        let mut client = Client::builder()
            .timeout(ANSWER_WITHIN)
            .connect_timeout(Duration::from_secs(2))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")));
        client = match &config {
            Some(config) => client.use_preconfigured_tls((**config).clone()),
            None => client.use_preconfigured_tls(tls::nobody()),
        };
        let client = client
            .build()
            .map_err(|error| TargetFault::Client(error.to_string()))?;
        let header = |what, text: String| {
            let mut value = HeaderValue::from_str(&text).map_err(|_| TargetFault::NoHeader {
                origin: origin.clone(),
                what,
            })?;
            value.set_sensitive(true);
            Ok(value)
        };
        let authorization = match (&target.service, &target.token) {
            (
                Service::Opsgenie {
                    key: Secret(key), ..
                },
                _,
            ) => Some(header("key", format!("GenieKey {key}"))?),
            (_, Some(Secret(token))) => Some(header("token", format!("Bearer {token}"))?),
            (_, None) => None,
        };
        let mail = match (&target.service, config) {
            (
                Service::Email {
                    user,
                    password,
                    tls,
                    ..
                },
                Some(config),
            ) => Some(MailServer {
                host: url
                    .host_str()
                    .unwrap_or_default()
                    .trim_matches(['[', ']'])
                    .to_owned(),
                port: url.port().unwrap_or(match url.scheme() {
                    "smtps" => 465,
                    _ => 587,
                }),
                tls: *tls,
                config,
                user: user.clone(),
                password: password.clone(),
            }),
            _ => None,
        };
        Ok(Self {
            wants: target.wants(paging),
            service: target.service.clone(),
            url,
            client,
            mail,
            authorization,
            secrets: target.secrets(),
            ids: Mutex::default(),
        })
    }

    pub(super) fn channel(&self) -> &str {
        &self.wants.channel
    }

    /// One try. `now`: for letters, whose date is when they are sent.
    pub(super) async fn send(&self, message: &Message<'_>, now: Wall) -> Tried {
        let tried = match &self.service {
            Service::Alertmanager { .. } => {
                let body = alertmanager::alert(message);
                self.post("/api/v2/alerts", &body).await
            }
            Service::Webhook => {
                let body = cloudevents::event(message);
                let kind = "application/cloudevents+json; charset=utf-8";
                self.request(Method::POST, self.url.clone(), kind, Some(&body))
                    .await
                    .tried()
            }
            Service::PagerDuty {
                routing_key: Secret(key),
            } => {
                let body = pagerduty::event(message, key);
                let tried = self.post("/v2/enqueue", &body).await;
                if let (What::Test, Tried::Accepted(_)) = (message.what, &tried) {
                    let _ = self
                        .post("/v2/enqueue", &pagerduty::test_over(message, key))
                        .await;
                }
                tried
            }
            Service::Slack => {
                let body = slack::message(message);
                self.request(Method::POST, self.url.clone(), JSON, Some(&body))
                    .await
                    .tried()
            }
            Service::Opsgenie { team, .. } => self.opsgenie(message, team.as_deref()).await,
            Service::Email { from, to, .. } => self.email(message, from, to, now).await,
            Service::Grafana { dashboard, panel } => {
                self.grafana(message, dashboard.as_deref(), *panel).await
            }
            Service::Otlp => self.post("/v1/logs", &otlp::export(message)).await,
        };
        self.without_secrets(tried)
    }

    /// Silences the incident's pools at Alertmanager. `None`: this isn't one that should.
    pub(super) async fn silence(
        &self,
        message: &Message<'_>,
        now: Wall,
        holds: Duration,
    ) -> Option<Tried> {
        let Service::Alertmanager {
            silence_on_ack: true,
            ..
        } = self.service
        else {
            return None;
        };
        let incident = message.incident;
        let pools: Vec<String> = incident.pools.iter().map(ToString::to_string).collect();
        if pools.is_empty() {
            return None;
        }
        let comment = format!(
            "{}: acknowledged by {}",
            incident.id,
            message.by.unwrap_or("?")
        );
        let until = now.after(holds);
        let body = alertmanager::silence(&pools, now, until, "weir", &comment);
        Some(self.post_silence(Some(incident.id), &body).await)
    }

    /// Announces a window to Alertmanager. `None`: this isn't one that should hear of it.
    pub(super) async fn window(&self, silence: &Silence) -> Option<Tried> {
        let Service::Alertmanager {
            silence_on_maintenance: true,
            ..
        } = self.service
        else {
            return None;
        };
        // Alertmanager demands a matcher; one that matches every pool of Weir's will do.
        let pools: Vec<String> = match silence.meant.pool.as_slice() {
            [] => vec!["*/*".to_owned()],
            some => some
                .iter()
                .map(|p| match p.contains('/') {
                    true => p.clone(),
                    false => format!("{p}/*"),
                })
                .collect(),
        };
        let comment = format!("{}: {}", silence.id, silence.why);
        let by = &silence.by;
        let body = alertmanager::silence(&pools, silence.from, silence.until, by, &comment);
        Some(self.post_silence(None, &body).await)
    }

    async fn post_silence(&self, id: Option<IncidentId>, body: &Value) -> Tried {
        let url = self.at("/api/v2/silences");
        let heard = self.request(Method::POST, url, JSON, Some(body)).await;
        let silence = heard
            .json()
            .and_then(|v| Some(v["silenceID"].as_str()?.to_owned()));
        if let (Some(id), Some(silence)) = (id, &silence) {
            self.remember(id, silence.clone());
        }
        let tried = match (heard.tried(), silence) {
            (Tried::Accepted(says), Some(silence)) => {
                Tried::Accepted(format!("{says}, silence {silence}"))
            }
            (tried, _) => tried,
        };
        self.without_secrets(tried)
    }

    /// Ends the silence of an incident that is over, so that the next one is heard. Otherwise it
    /// ends by itself.
    pub(super) async fn end_silence(&self, id: IncidentId) {
        if matches!(self.service, Service::Alertmanager { .. })
            && let Some(silence) = self.forget(id)
        {
            let url = self.at(&format!("/api/v2/silence/{silence}"));
            if let Tried::Refused(says) | Tried::Again(says, _) =
                self.request(Method::DELETE, url, JSON, None).await.tried()
            {
                tracing::warn!(channel = %self.channel(), says, "A silence couldn't be ended early.");
            }
        }
    }

    async fn opsgenie(&self, message: &Message<'_>, team: Option<&str>) -> Tried {
        let (path, body) = opsgenie::request(message, team);
        let heard = self
            .request(Method::POST, self.at(&path), JSON, Some(&body))
            .await;
        let request = heard
            .json()
            .and_then(|v| Some(v["requestId"].as_str()?.to_owned()));
        let tried = heard.tried();
        let (Tried::Accepted(says), Some(request)) = (&tried, request) else {
            return tried;
        };
        // 202 says that it was taken; what became of it is said elsewhere, a little later. Whoever
        // waits for this answer to call somebody else shouldn't wait long.
        let url = self.at(&format!("/v2/alerts/requests/{request}"));
        let confirmed = tokio::time::timeout(CONFIRM_WITHIN, self.confirmed(url, says)).await;
        let outcome = confirmed.unwrap_or_else(|_| {
            Tried::Accepted(format!("{says}, request {request} not confirmed yet"))
        });
        if message.what == What::Test {
            let (path, body) = opsgenie::test_over(message);
            let _ = self.post(&path, &body).await;
        }
        outcome
    }

    /// What became of a request, once that is known.
    async fn confirmed(&self, url: Url, says: &str) -> Tried {
        loop {
            tokio::time::sleep(CONFIRM_PAUSE).await;
            let heard = self.request(Method::GET, url.clone(), JSON, None).await;
            let Some(data) = heard
                .json()
                .filter(|_| heard.is_success())
                .map(|v| v["data"].clone())
            else {
                continue;
            };
            let status = data["status"].as_str().unwrap_or_default();
            match data["isSuccess"].as_bool().or(data["success"].as_bool()) {
                Some(true) => return Tried::Accepted(format!("{says}, {status}")),
                Some(false) => return Tried::Refused(format!("{says}, but then: {status}")),
                None => {}
            }
        }
    }

    async fn email(&self, message: &Message<'_>, from: &str, to: &[String], now: Wall) -> Tried {
        let Some(server) = &self.mail else {
            return Tried::Refused("no mail server".to_owned());
        };
        let letter = email::letter(message, email::Letter { from, to }, now);
        let sent = smtp::send(server, from, to, &letter);
        match tokio::time::timeout(MAIL_WITHIN, sent).await {
            Ok(Ok(says)) => Tried::Accepted(cut(&says)),
            Ok(Err(MailFault::Passing(says))) => Tried::Again(cut(&says), None),
            Ok(Err(MailFault::Final(says))) => Tried::Refused(cut(&says)),
            Err(_) => Tried::Again(
                format!("no answer within {} s", MAIL_WITHIN.as_secs()),
                None,
            ),
        }
    }

    async fn grafana(
        &self,
        message: &Message<'_>,
        dashboard: Option<&str>,
        panel: Option<u32>,
    ) -> Tried {
        let id = message.incident.id;
        let open = matches!(message.what, What::Opened | What::Test);
        let known = match (open, self.known(id)) {
            (true, _) => None,
            (false, Some(known)) => Some(known),
            (false, None) => {
                // Opened before a restart: its tags lead to it.
                let heard = self
                    .request(Method::GET, self.at(&grafana::lookup(message)), JSON, None)
                    .await;
                heard
                    .json()
                    .and_then(|found| Some(found.get(0)?.get("id")?.to_string()))
            }
        };
        if let Some(known) = known {
            let url = self.at(&format!("/api/annotations/{known}"));
            let body = grafana::patch(message);
            if message.what == What::Resolved {
                self.forget(id);
            }
            return self
                .request(Method::PATCH, url, JSON, Some(&body))
                .await
                .tried();
        }
        let body = grafana::annotation(message, dashboard, panel);
        let url = self.at("/api/annotations");
        let heard = self.request(Method::POST, url, JSON, Some(&body)).await;
        let number = heard
            .json()
            .and_then(|v| Some(v.get("id")?.as_u64()?.to_string()));
        if let (Some(number), false) = (number, matches!(message.what, What::Resolved | What::Test))
        {
            self.remember(id, number);
        }
        heard.tried()
    }

    async fn post(&self, path: &str, body: &Value) -> Tried {
        self.request(Method::POST, self.at(path), JSON, Some(body))
            .await
            .tried()
    }

    /// The base URL with this path (and query) behind it, unless it ends so already.
    fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path, None),
        };
        let base = self.url.path().trim_end_matches('/');
        if !base.ends_with(path) {
            url.set_path(&format!("{base}{path}"));
        }
        if query.is_some() {
            url.set_query(query);
        }
        url
    }

    async fn request(&self, method: Method, url: Url, kind: &str, body: Option<&Value>) -> Heard {
        let mut request = self.client.request(method, url);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, kind).body(body.to_string());
        }
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Heard::Nothing(chain(&error.without_url())),
        };
        let status = answer.status();
        let pause = answer
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(PAUSE_MAX));
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= ANSWER_MAX {
                break;
            }
        }
        body.truncate(ANSWER_MAX);
        Heard::Answer {
            status,
            pause,
            body,
        }
    }

    fn ids(&self) -> std::sync::MutexGuard<'_, BTreeMap<IncidentId, String>> {
        // Nothing under this lock can leave the map half changed.
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, id: IncidentId, theirs: String) {
        let mut ids = self.ids();
        ids.insert(id, theirs);
        while ids.len() > IDS_MAX {
            ids.pop_first();
        }
    }

    fn known(&self, id: IncidentId) -> Option<String> {
        self.ids().get(&id).cloned()
    }

    fn forget(&self, id: IncidentId) -> Option<String> {
        self.ids().remove(&id)
    }

    /// The other side may repeat what it was sent.
    fn without_secrets(&self, tried: Tried) -> Tried {
        let clean = |mut says: String| {
            for secret in &self.secrets {
                says = says.replace(secret, "…");
            }
            says
        };
        match tried {
            Tried::Accepted(says) => Tried::Accepted(clean(says)),
            Tried::Refused(says) => Tried::Refused(clean(says)),
            Tried::Again(says, pause) => Tried::Again(clean(says), pause),
        }
    }
}

const JSON: &str = "application/json";

/// What came back.
enum Heard {
    Nothing(String),
    Answer {
        status: StatusCode,
        pause: Option<Duration>,
        body: Vec<u8>,
    },
}

impl Heard {
    fn is_success(&self) -> bool {
        matches!(self, Self::Answer { status, .. } if status.is_success())
    }

    fn json(&self) -> Option<Value> {
        match self {
            Self::Nothing(_) => None,
            Self::Answer { body, .. } => serde_json::from_slice(body).ok(),
        }
    }

    fn tried(self) -> Tried {
        let (status, pause, body) = match self {
            Self::Nothing(says) => return Tried::Again(says, None),
            Self::Answer {
                status,
                pause,
                body,
            } => (status, pause, body),
        };
        if status.is_success() {
            return Tried::Accepted(said(status));
        }
        let words = String::from_utf8_lossy(&body);
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let says = match words.as_str() {
            "" => said(status),
            words => format!("{}: {}", said(status), cut(words)),
        };
        let passing = status.is_server_error()
            || status == StatusCode::TOO_MANY_REQUESTS
            || status == StatusCode::REQUEST_TIMEOUT;
        match passing {
            true => Tried::Again(says, pause),
            false => Tried::Refused(says),
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(WORDS_MAX).collect()
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

/// Who speaks and through what: made once at start, shared by deliveries and the API.
pub struct Switchboard {
    pub(super) outlets: Vec<Arc<Outlet>>,
    /// Whom to call about what.
    pub paging: Paging,
    pub(super) speaker: Speaker,
}

impl std::fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.outlets.iter().map(|outlet| outlet.channel()))
            .finish()
    }
}

impl Switchboard {
    /// Checks every target; those with a fault are left out, and all faults are told.
    pub fn new(targets: &[Target], paging: Paging, speaker: Speaker) -> (Self, Vec<TargetFault>) {
        let mut outlets: Vec<Arc<Outlet>> = Vec::new();
        let mut faults = Vec::new();
        for target in targets {
            let mut outlet = match Outlet::new(target, &paging) {
                Ok(outlet) => outlet,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            let taken = |name: &str| outlets.iter().any(|other| other.channel() == name);
            let channel = outlet.channel().to_owned();
            if taken(&channel) && !target.name.is_empty() {
                faults.push(TargetFault::Twice(channel));
                continue;
            }
            // Two without a name at one address: told apart by their order.
            if taken(&channel) {
                let free = (2..)
                    .map(|n| format!("{channel} #{n}"))
                    .find(|name| !taken(name));
                outlet.wants.channel = free.unwrap_or(channel);
            }
            outlets.push(Arc::new(outlet));
        }
        (
            Self {
                outlets,
                paging,
                speaker,
            },
            faults,
        )
    }

    /// What each channel wants to hear.
    pub fn wants(&self) -> Vec<Wants> {
        self.outlets
            .iter()
            .map(|outlet| outlet.wants.clone())
            .collect()
    }

    /// Sends a test message; what the other side answered. `None`: there is no such channel.
    pub async fn test(&self, channel: &str, now: Wall) -> Option<Result<String, String>> {
        let outlet = self
            .outlets
            .iter()
            .find(|outlet| outlet.channel() == channel)?;
        let incident = weir_control::notify::test_incident(now);
        let message = Message::new(What::Test, &incident, &self.speaker);
        Some(match outlet.send(&message, now).await {
            Tried::Accepted(says) => Ok(says),
            Tried::Refused(says) | Tried::Again(says, _) => Err(says),
        })
    }
}
