//! Whoever should be told is told, also when the first try fails, and the journal knows.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use common::World;
use serde_json::Value;
use tokio::net::TcpListener;
use weir_api::deliveries::{self, Kind, QUEUE_MAX, Target, TargetFault};
use weir_control::handle::{Ask, Notification, NotifyWhat};

#[derive(Clone, Debug)]
struct Message {
    path: String,
    content_type: String,
    authorization: Option<String>,
    body: Value,
}

/// A receiver on a real port that answers as told, then 200 for ever.
#[derive(Clone)]
struct Receiver {
    url: String,
    got: Arc<Mutex<Vec<Message>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

async fn take(
    State(receiver): State<Receiver>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, &'static str) {
    let header = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
    receiver.got.lock().unwrap().push(Message {
        path: uri.path().to_owned(),
        content_type: header("content-type").unwrap_or_default(),
        authorization: header("authorization"),
        body: serde_json::from_str(&body).unwrap(),
    });
    let mut answers = receiver.answers.lock().unwrap();
    let answer = if answers.is_empty() {
        200
    } else {
        answers.remove(0)
    };
    let text = if answer == 200 { "" } else { "not today" };
    (StatusCode::from_u16(answer).unwrap(), text)
}

impl Receiver {
    async fn start(answers: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            got: Arc::default(),
            answers: Arc::new(Mutex::new(answers.to_vec())),
        };
        let router = Router::new()
            .fallback(post(take))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    fn got(&self) -> Vec<Message> {
        self.got.lock().unwrap().clone()
    }
}

/// A world in which nothing is wrong yet.
fn quiet() -> World {
    let mut published = common::published();
    published.incidents.clear();
    World::of(published)
}

async fn delivering(world: &World, targets: Vec<Target>) {
    let external = "http://weir.example:6433/".to_owned();
    let handle = world.handle.clone();
    tokio::spawn(deliveries::deliver(
        handle,
        targets,
        external,
        std::future::pending(),
    ));
    while world.handle.notifications.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
}

fn notify(world: &World, what: NotifyWhat) {
    let incident = Arc::new(match what {
        NotifyWhat::Resolved => common::resolved_incident(7),
        NotifyWhat::Opened | NotifyWhat::Changed => common::open_incident(7),
    });
    world
        .handle
        .notifications
        .send(Notification { what, incident })
        .unwrap();
}

/// What the journal was told, once it was told so many times.
async fn journal(world: &World, count: usize) -> Vec<(String, bool, String)> {
    for _ in 0..200 {
        let told: Vec<_> = world
            .asked()
            .into_iter()
            .filter_map(|ask| match ask {
                Ask::Notified {
                    channel, ok, says, ..
                } => Some((channel, ok, says)),
                _ => None,
            })
            .collect();
        if told.len() >= count {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the journal wasn't told {count} times: {:?}", world.asked());
}

fn target(kind: Kind, url: &str) -> Target {
    Target {
        kind,
        url: url.to_owned(),
    }
}

#[tokio::test]
async fn a_first_failure_is_tried_again_and_both_are_known() {
    let receiver = Receiver::start(&[503]).await;
    let world = quiet();
    delivering(&world, vec![target(Kind::Alertmanager, &receiver.url)]).await;
    notify(&world, NotifyWhat::Opened);
    let told = journal(&world, 1).await;
    let (channel, ok, says) = &told[0];
    assert!(*ok, "{says}");
    assert_eq!(says, "200 ok, at try 2");
    assert_eq!(*channel, format!("alertmanager {}", receiver.url));
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[0].body, got[1].body);
}

#[tokio::test]
async fn alertmanager_gets_its_shape_at_its_path() {
    let receiver = Receiver::start(&[]).await;
    let world = quiet();
    delivering(&world, vec![target(Kind::Alertmanager, &receiver.url)]).await;
    notify(&world, NotifyWhat::Opened);
    notify(&world, NotifyWhat::Resolved);
    journal(&world, 2).await;
    let got = receiver.got();
    assert_eq!(got[0].path, "/api/v2/alerts");
    assert_eq!(got[0].content_type, "application/json");
    let alert = &got[0].body[0];
    for label in ["alertname", "severity", "pool"] {
        assert!(alert["labels"][label].is_string(), "{label} in {alert}");
    }
    assert!(alert["annotations"]["summary"].is_string(), "{alert}");
    assert!(alert["startsAt"].is_string(), "{alert}");
    let link = alert["generatorURL"].as_str().unwrap();
    assert!(link.starts_with("http://weir.example:6433/"), "{link}");
    let resolved = &got[1].body[0];
    assert!(resolved["endsAt"].is_string(), "{resolved}");
    // Labels are the alert's identity: the end must name the same alert as the beginning.
    assert_eq!(resolved["labels"], alert["labels"]);
}

#[tokio::test]
async fn a_webhook_gets_cloudevents_and_the_login_of_its_url() {
    let receiver = Receiver::start(&[]).await;
    let url = receiver.url.replace("http://", "http://weir:s3cret@");
    let world = quiet();
    delivering(
        &world,
        vec![target(Kind::Webhook, &format!("{url}/hook/T0K3N"))],
    )
    .await;
    notify(&world, NotifyWhat::Opened);
    let told = journal(&world, 1).await;
    let got = &receiver.got()[0];
    assert_eq!(got.path, "/hook/T0K3N");
    assert!(got.content_type.starts_with("application/cloudevents+json"));
    assert!(got.authorization.as_ref().unwrap().starts_with("Basic "));
    for key in ["id", "source", "type", "time", "subject"] {
        assert!(got.body[key].is_string(), "{key} in {}", got.body);
    }
    assert_eq!(got.body["specversion"], "1.0");
    assert!(got.body["data"].is_object());
    let known = format!("{told:?}");
    assert!(
        !known.contains("s3cret") && !known.contains("T0K3N"),
        "{known}"
    );
}

#[tokio::test]
async fn a_refusal_is_final_and_repeated_in_the_journal() {
    let receiver = Receiver::start(&[400]).await;
    let world = quiet();
    delivering(&world, vec![target(Kind::Webhook, &receiver.url)]).await;
    notify(&world, NotifyWhat::Opened);
    let told = journal(&world, 1).await;
    assert_eq!(
        (told[0].1, told[0].2.as_str()),
        (false, "400 bad request: not today")
    );
    assert_eq!(receiver.got().len(), 1);
}

#[tokio::test]
async fn a_target_that_is_gone_delays_nobody_else() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let receiver = Receiver::start(&[]).await;
    let world = quiet();
    let targets = vec![
        target(Kind::Webhook, &url),
        target(Kind::Webhook, &receiver.url),
    ];
    delivering(&world, targets).await;
    notify(&world, NotifyWhat::Opened);
    let told = journal(&world, 1).await;
    assert!(told[0].1 && told[0].0.contains(&receiver.url), "{told:?}");
    let told = journal(&world, 2).await;
    assert!(
        told[1].2.starts_with("given up after 4 tries: "),
        "{told:?}"
    );
}

#[tokio::test]
async fn messages_beyond_the_bound_are_given_up_and_the_journal_says_so() {
    // Accepts connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let world = quiet();
    delivering(&world, vec![target(Kind::Webhook, &url)]).await;
    for _ in 0..QUEUE_MAX + 3 {
        notify(&world, NotifyWhat::Changed);
    }
    // One may already be on its way.
    let told = journal(&world, 2).await;
    assert!(told[0].2.contains("messages already wait"), "{told:?}");
}

#[tokio::test]
async fn incidents_open_before_a_restart_are_told_to_alertmanager_again() {
    let receiver = Receiver::start(&[]).await;
    // INC-7 is open, INC-6 was resolved four seconds ago.
    let world = World::new();
    delivering(&world, vec![target(Kind::Alertmanager, &receiver.url)]).await;
    journal(&world, 1).await;
    for _ in 0..100 {
        if receiver.got().len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    assert!(got[1].body[0]["endsAt"].is_string(), "{}", got[1].body);
    // What is over needs no new line in its journal.
    assert_eq!(journal(&world, 1).await.len(), 1);
}

#[test]
fn wrong_targets_are_named_all_at_once_and_without_their_secrets() {
    let targets = [
        target(
            Kind::Webhook,
            "https://user:s3cret@hooks.example/services/T0K3N",
        ),
        target(Kind::Webhook, "file:///etc/passwd"),
        target(Kind::Alertmanager, "alertmanager"),
        target(Kind::Alertmanager, "http://alertmanager:9093"),
    ];
    let faults = deliveries::check(&targets);
    assert!(
        matches!(
            faults.as_slice(),
            [
                TargetFault::Https { .. },
                TargetFault::Scheme { .. },
                TargetFault::Unreadable { .. }
            ]
        ),
        "{faults:?}"
    );
    let says = format!("{faults:?} {} {targets:?}", faults[0]);
    assert!(says.contains("https://hooks.example:443"), "{says}");
    assert!(
        !says.contains("s3cret") && !says.contains("T0K3N"),
        "{says}"
    );
}
