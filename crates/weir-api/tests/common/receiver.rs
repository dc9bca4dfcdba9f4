//! The other side: an HTTP server on a real port, with or without TLS, that remembers what it got.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use weir_api::deliveries::{self, Switchboard, Target};
use weir_control::handle::Ask;
use weir_control::notify::Speaker;
use weir_control::notify::outside::FromOutside;
use weir_control::notify::policy::Paging;

use super::World;

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) at: tokio::time::Instant,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Message {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) retry_after: Option<u32>,
    pub(crate) after: Duration,
}

impl Reply {
    pub(crate) fn of(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.to_owned(),
            retry_after: None,
            after: Duration::ZERO,
        }
    }
}

type Answers = Arc<dyn Fn(&Message, usize) -> Reply + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    got: Arc<Mutex<Vec<Message>>>,
    answers: Answers,
}

async fn take(
    State(receiver): State<Receiver>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> Response<Body> {
    let message = Message {
        at: tokio::time::Instant::now(),
        method,
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        headers,
        body: match body.as_str() {
            "" => Value::Null,
            body => serde_json::from_str(body).unwrap(),
        },
    };
    let reply = {
        let mut got = receiver.got.lock().unwrap();
        got.push(message.clone());
        (receiver.answers)(&message, got.len())
    };
    tokio::time::sleep(reply.after).await;
    let mut response = Response::builder().status(StatusCode::from_u16(reply.status).unwrap());
    if let Some(seconds) = reply.retry_after {
        response = response.header("retry-after", seconds.to_string());
    }
    response.body(Body::from(reply.body)).unwrap()
}

impl Receiver {
    /// `answers`: by the message and its number, from one.
    pub(crate) async fn start(
        answers: impl Fn(&Message, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            got: Arc::default(),
            answers: Arc::new(answers),
        };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// One that answers everything with this.
    pub(crate) async fn answering(status: u16, body: &'static str) -> Self {
        Self::start(move |_, _| Reply::of(status, body)).await
    }

    /// The same behind TLS, with a certificate of its own for `localhost`; and the file that holds
    /// it.
    pub(crate) async fn secured(status: u16, dir: &std::path::Path) -> (Self, PathBuf) {
        let (acceptor, ca) = certificate(dir);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = Self {
            url: format!("https://localhost:{port}"),
            got: Arc::default(),
            answers: Arc::new(move |_, _| Reply::of(status, "")),
        };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move {
            loop {
                let Ok((tcp, _)) = listener.accept().await else {
                    return;
                };
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let service = hyper_util::service::TowerToHyperService::new(router);
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(hyper_util::rt::TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        (receiver, ca)
    }

    pub(crate) fn got(&self) -> Vec<Message> {
        self.got.lock().unwrap().clone()
    }

    /// What it got, once that is so much.
    pub(crate) async fn had(&self, count: usize) -> Vec<Message> {
        for _ in 0..400 {
            let got = self.got();
            if got.len() >= count {
                return got;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!(
            "{} of {count} messages came: {:?}",
            self.got().len(),
            self.got()
        );
    }
}

/// A certificate for `localhost` and a server that shows it; the PEM file for who should trust it.
pub(crate) fn certificate(dir: &std::path::Path) -> (TlsAcceptor, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let path = dir.join("ca.pem");
    std::fs::write(&path, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), path)
}

/// A port that nobody listens on.
pub(crate) async fn refusing() -> String {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", gone.local_addr().unwrap())
}

pub(crate) fn speaker() -> Speaker {
    Speaker {
        external_url: "http://weir.example:6433/".to_owned(),
        cluster: "main".to_owned(),
        instance: "weir-1".to_owned(),
    }
}

pub(crate) async fn delivering(world: &World, targets: &[Target], paging: Paging) {
    let (board, faults) = Switchboard::new(targets, paging, speaker());
    assert!(faults.is_empty(), "{faults:?}");
    let handle = world.handle.clone();
    tokio::spawn(deliveries::deliver(
        handle,
        Arc::new(board),
        std::future::pending(),
    ));
    while world.handle.notifications.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
}

/// Wishes that the control plane was asked to write down.
pub(crate) fn wishes(world: &World) -> Vec<FromOutside> {
    let wish = |ask| match ask {
        Ask::Outside(wish) => Some(wish),
        _ => None,
    };
    world.asked().into_iter().filter_map(wish).collect()
}

/// What the journal was told of messages, once it was told so many times.
pub(crate) async fn notified(world: &World, count: usize) -> Vec<(String, bool, String)> {
    for _ in 0..400 {
        let told: Vec<_> = wishes(world)
            .into_iter()
            .filter_map(|wish| match wish {
                FromOutside::Notified {
                    channel, ok, says, ..
                } => Some((channel, ok, says)),
                _ => None,
            })
            .collect();
        if told.len() >= count {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the journal wasn't told {count} times: {:?}", world.asked());
}
