//! Who may ask what over HTTP, and how much of it at once?

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use weir_control::handle::ControlHandle;
use weir_model::{Secret, Wall};

use crate::deliveries::Switchboard;
use crate::dist;
use crate::events::EventLog;
use crate::fault::ApiFault;
use crate::guard::{self, Guard};
use crate::ingest::{self, Ingest};
use crate::lifecycle::{self, wishes};
use crate::see::clients::Snapshots;
use crate::see::configuration::Configuration;
use crate::session::{self, Sessions};
use crate::{act, journal, listen, read, see, silences};

/// Bodies above this are refused with 413.
const BODY_MAX: usize = 64 * 1024;
/// An answer that isn't there by then is a 504. A report of 7,200 points takes milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Large documents that are made at once; further ones wait.
const HEAVY_MAX: usize = 2;

/// Where the API listens and whom it serves.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Demanded from everybody where set. Needed unless `listen` is a loopback address.
    pub token: Option<Secret>,
    /// Reading needs no token even where one is set.
    pub read_open: bool,
    /// Connections at once; further ones wait in the kernel's queue.
    pub connections_max: usize,
    /// Listeners to `/api/v1/events` at once; further ones get 503.
    pub listeners_max: usize,
    /// Channels and escalation, where there are any.
    pub board: Option<Arc<Switchboard>>,
    /// Which outside alerts are incidents by themselves.
    pub ingest: Ingest,
    /// What was configured, for people.
    pub configuration: Arc<Configuration>,
}

impl ApiSettings {
    /// `listen` with every default.
    pub fn on(listen: SocketAddr) -> Self {
        Self {
            listen,
            token: None,
            read_open: false,
            connections_max: 256,
            listeners_max: 64,
            board: None,
            ingest: Ingest::default(),
            configuration: Arc::default(),
        }
    }
}

/// Why the API isn't there.
#[derive(Debug, thiserror::Error)]
pub enum ServeFault {
    /// Open to the network without a secret.
    #[error(
        "api = \"{0}\" is reachable from other machines and needs a token: set `api_token`, or listen on 127.0.0.1"
    )]
    NoToken(SocketAddr),
    /// The port can't be had.
    #[error("couldn't listen on {addr} for the API")]
    Bind {
        /// Which address.
        addr: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// What every handler is given. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api {
    pub(crate) handle: ControlHandle,
    pub(crate) events: EventLog,
    pub(crate) listeners: Arc<Semaphore>,
    pub(crate) listeners_max: usize,
    pub(crate) snapshots: Snapshots,
    pub(crate) configuration: Arc<Configuration>,
    /// Whole incidents and reports are made aside, by so many at once: with a long history they
    /// take a while, and the control plane runs on the same few threads.
    pub(crate) heavy: Arc<Semaphore>,
    pub(crate) board: Option<Arc<Switchboard>>,
    pub(crate) ingest: Arc<Ingest>,
    guard: Arc<Guard>,
}

impl Api {
    /// An API on this control plane. Spawns nothing; see [`Api::events`].
    pub fn new(handle: ControlHandle, settings: &ApiSettings) -> Self {
        let now = handle.now();
        let started = now.clock.wall(weir_model::Instant::ZERO).as_micros();
        Self {
            handle,
            events: EventLog::new(started.unsigned_abs()),
            listeners: Arc::new(Semaphore::new(settings.listeners_max)),
            listeners_max: settings.listeners_max,
            snapshots: Snapshots::default(),
            configuration: Arc::clone(&settings.configuration),
            heavy: Arc::new(Semaphore::new(HEAVY_MAX)),
            board: settings.board.clone(),
            ingest: Arc::new(settings.ingest.clone()),
            guard: Arc::new(Guard {
                token: settings.token.clone(),
                read_open: settings.read_open,
                sessions: Sessions::default(),
                local_only: settings.listen.ip().is_loopback(),
            }),
        }
    }

    /// What `/api/v1/events` reads. [`EventLog::follow`] must run for it to hear anything.
    pub fn events(&self) -> &EventLog {
        &self.events
    }

    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Civil time, as of what was published last.
    pub(crate) fn now(&self) -> Wall {
        let published = self.handle.now();
        published.clock.wall(published.at)
    }

    /// All routes behind the guard.
    pub fn router(&self) -> Router {
        let mut router = Router::new();
        for (path, routes) in routes() {
            let mut methods = MethodRouter::new();
            for (_, route) in routes {
                methods = methods.merge(route);
            }
            router = router.route(path, methods);
        }
        router
            .fallback(elsewhere)
            .method_not_allowed_fallback(no_such_method)
            .layer(DefaultBodyLimit::max(BODY_MAX))
            .layer(middleware::from_fn(in_time))
            .layer(middleware::from_fn_with_state(self.clone(), guard::admit))
            .layer(middleware::from_fn(plain_headers))
            .with_state(self.clone())
    }
}

type Routes = Vec<(&'static str, Vec<(Method, MethodRouter<Api>)>)>;

/// Every path with its methods; `openapi.json` has the same ones, which a test checks.
fn routes() -> Routes {
    let read = |path, route| (path, vec![(Method::GET, route)]);
    let write = |path, route| (path, vec![(Method::POST, route)]);
    vec![
        read("/", get(read::index)),
        read("/style.css", get(read::style)),
        read("/livez", get(read::livez)),
        read("/readyz", get(read::readyz)),
        read("/metrics", get(read::metrics)),
        read("/openapi.json", get(read::openapi)),
        read("/api/v1/status", get(read::status)),
        read("/api/v1/pools", get(read::pools)),
        read("/api/v1/overview", get(see::overview::overview)),
        read("/api/v1/clients", get(see::clients::clients)),
        read("/api/v1/servers", get(see::clients::servers)),
        read("/api/v1/waits", get(see::waits::waits)),
        read("/api/v1/queries", get(see::queries::queries)),
        read(
            "/api/v1/configuration",
            get(see::configuration::configuration),
        ),
        read("/api/v1/blackbox/range", get(see::blackbox::range)),
        read("/api/v1/samples", get(read::samples)),
        read("/api/v1/decisions", get(read::decisions)),
        (
            "/api/v1/incidents",
            vec![
                (Method::GET, get(read::incidents)),
                (Method::POST, post(lifecycle::declare)),
            ],
        ),
        read("/api/v1/incidents/clocks", get(read::clocks)),
        read("/api/v1/incidents/{id}", get(read::incident)),
        read("/api/v1/incidents/{id}/report", get(read::report)),
        read("/api/v1/incidents/{id}/charts/{name}", get(read::chart)),
        write("/api/v1/incidents/{id}/ack", wishes(lifecycle::acknowledge)),
        write("/api/v1/incidents/{id}/notes", wishes(lifecycle::note)),
        write(
            "/api/v1/incidents/{id}/mitigate",
            wishes(lifecycle::mitigate),
        ),
        write("/api/v1/incidents/{id}/resolve", wishes(lifecycle::resolve)),
        write("/api/v1/incidents/{id}/review", wishes(lifecycle::review)),
        write("/api/v1/incidents/{id}/close", wishes(lifecycle::close)),
        write("/api/v1/incidents/{id}/reopen", wishes(lifecycle::reopen)),
        write("/api/v1/incidents/{id}/assign", wishes(lifecycle::assign)),
        write("/api/v1/incidents/{id}/merge", wishes(lifecycle::merge)),
        write("/api/v1/incidents/{id}/unmerge", wishes(lifecycle::unmerge)),
        write("/api/v1/incidents/{id}/correct", wishes(lifecycle::correct)),
        write("/api/v1/incidents/{id}/update", wishes(lifecycle::update)),
        write(
            "/api/v1/incidents/{id}/statements",
            wishes(lifecycle::state),
        ),
        write("/api/v1/incidents/{id}/answers", wishes(lifecycle::answer)),
        write("/api/v1/incidents/{id}/actions", wishes(lifecycle::action)),
        read(
            "/api/v1/incidents/{id}/escalation",
            get(silences::escalation),
        ),
        read("/api/v1/incidents/{id}/journal", get(journal::export)),
        write(
            "/api/v1/incidents/import",
            post(journal::import).layer(DefaultBodyLimit::max(journal::BODY_MAX)),
        ),
        write("/api/v1/orders", post(act::order)),
        write(
            "/api/v1/alerts",
            post(ingest::alerts).layer(DefaultBodyLimit::max(ingest::BODY_MAX)),
        ),
        (
            "/api/v1/markers",
            vec![
                (Method::GET, get(ingest::markers)),
                (Method::POST, post(ingest::mark)),
            ],
        ),
        (
            "/api/v1/silences",
            vec![
                (Method::GET, get(silences::list)),
                (Method::POST, post(silences::begin)),
            ],
        ),
        (
            "/api/v1/silences/{id}",
            vec![(Method::DELETE, delete(silences::end))],
        ),
        write("/api/v1/notify/test", post(silences::test)),
        read("/api/v1/events", get(read::events)),
        (
            "/api/v1/session",
            vec![
                (Method::GET, get(session::show)),
                (Method::POST, post(session::begin)),
                (Method::DELETE, delete(session::end)),
            ],
        ),
    ]
}

/// Every method and path that is served.
pub fn served() -> Vec<(Method, &'static str)> {
    let paths = routes().into_iter();
    paths
        .flat_map(|(path, routes)| routes.into_iter().map(move |(method, _)| (method, path)))
        .collect()
}

/// Everything else: a file of the dashboard, or nothing.
async fn elsewhere(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let asked = matches!(method, Method::GET | Method::HEAD);
    match dist::answer(uri.path(), &headers).filter(|_| asked) {
        Some(file) => file,
        None => no_such_path(&uri).into_response(),
    }
}

fn no_such_path(uri: &Uri) -> ApiFault {
    let path: String = uri.path().chars().take(200).collect();
    ApiFault::missing(
        "no_such_path",
        format!("there is nothing at {path}"),
        "GET /openapi.json lists all paths",
    )
}

async fn no_such_method(method: Method, uri: Uri) -> ApiFault {
    let path: String = uri.path().chars().take(200).collect();
    ApiFault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "no_such_method",
        format!("{path} doesn't take {method}"),
        "GET /openapi.json lists all paths with their methods",
    )
}

/// Bounds the time until an answer begins; a stream may last.
async fn in_time(request: Request, next: Next) -> Result<Response, ApiFault> {
    tokio::time::timeout(ANSWER_WITHIN, next.run(request))
        .await
        .map_err(|_| {
            ApiFault::new(
                StatusCode::GATEWAY_TIMEOUT,
                "too_slow",
                format!("no answer within {} s", ANSWER_WITHIN.as_secs()),
                "ask for less, or again later",
            )
        })
}

/// A refusal by axum itself (a body too large, a path that isn't UTF-8) in our own shape.
async fn in_our_shape(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !status.is_client_error() || kind.is_some_and(|kind| kind != "text/plain; charset=utf-8") {
        return response;
    }
    let body = axum::body::to_bytes(response.into_body(), 1024).await;
    let says = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
    let (code, hint) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "at most 64 KiB are taken"),
        _ => (
            "bad_request",
            "GET /openapi.json tells what each path takes",
        ),
    };
    ApiFault::new(status, code, says, hint).into_response()
}

/// Headers that every answer carries.
async fn plain_headers(request: Request, next: Next) -> Response {
    let mut response = in_our_shape(next.run(request).await).await;
    let headers = response.headers_mut();
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Takes the port, or says why not. Apart from [`serve`], so that a taken port is known before
/// anything else begins.
pub async fn bind(settings: &ApiSettings) -> Result<TcpListener, ServeFault> {
    let addr = settings.listen;
    if !addr.ip().is_loopback() && settings.token.as_ref().is_none_or(|t| t.0.is_empty()) {
        return Err(ServeFault::NoToken(addr));
    }
    TcpListener::bind(addr)
        .await
        .map_err(|source| ServeFault::Bind { addr, source })
}

/// Serves until `stop` is ready.
pub async fn serve(
    listener: TcpListener,
    handle: ControlHandle,
    settings: &ApiSettings,
    stop: impl Future<Output = ()>,
) {
    let api = Api::new(handle.clone(), settings);
    let following = tokio::spawn(api.events().clone().follow(handle));
    listen::serve(listener, api.router(), settings.connections_max, stop).await;
    following.abort();
}
