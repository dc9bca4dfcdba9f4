//! Whoever should be told is told, also when the first try fails, and the journal knows.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::World;
use common::receiver::{self, Receiver, Reply, notified};
use tokio::net::TcpListener;
use weir_api::deliveries::{self, QUEUE_MAX, Service, Target, TargetFault};
use weir_control::handle::{Notification, NotifyWhat};
use weir_control::notify::policy::Paging;

/// A receiver that answers as told, then 200 for ever.
async fn receiver(answers: &[u16]) -> Receiver {
    let answers = answers.to_vec();
    Receiver::start(move |_, number| match answers.get(number - 1) {
        None | Some(200) => Reply::of(200, ""),
        Some(status) => Reply::of(*status, "not today"),
    })
    .await
}

/// A world in which nothing is wrong yet.
fn quiet() -> World {
    let mut published = common::published();
    published.incidents.clear();
    World::of(published)
}

async fn delivering(world: &World, targets: Vec<Target>) {
    receiver::delivering(world, &targets, Paging::default()).await;
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

fn target(service: Service, url: &str) -> Target {
    Target::new(service, url)
}

const ALERTMANAGER: Service = Service::Alertmanager {
    silence_on_ack: false,
    silence_on_maintenance: false,
};

#[tokio::test]
async fn a_first_failure_is_tried_again_and_both_are_known() {
    let receiver = receiver(&[503]).await;
    let world = quiet();
    delivering(&world, vec![target(ALERTMANAGER, &receiver.url)]).await;
    notify(&world, NotifyWhat::Opened);
    let told = notified(&world, 1).await;
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
    let receiver = receiver(&[]).await;
    let world = quiet();
    delivering(&world, vec![target(ALERTMANAGER, &receiver.url)]).await;
    notify(&world, NotifyWhat::Opened);
    notify(&world, NotifyWhat::Resolved);
    notified(&world, 2).await;
    let got = receiver.got();
    assert_eq!(got[0].path, "/api/v2/alerts");
    assert_eq!(got[0].header("content-type"), "application/json");
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
    let receiver = receiver(&[]).await;
    let url = receiver.url.replace("http://", "http://weir:s3cret@");
    let world = quiet();
    delivering(
        &world,
        vec![target(Service::Webhook, &format!("{url}/hook/T0K3N"))],
    )
    .await;
    notify(&world, NotifyWhat::Opened);
    let told = notified(&world, 1).await;
    let got = &receiver.got()[0];
    assert_eq!(got.path, "/hook/T0K3N");
    assert!(
        got.header("content-type")
            .starts_with("application/cloudevents+json")
    );
    assert!(got.header("authorization").starts_with("Basic "));
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
    let receiver = receiver(&[400]).await;
    let world = quiet();
    delivering(&world, vec![target(Service::Webhook, &receiver.url)]).await;
    notify(&world, NotifyWhat::Opened);
    let told = notified(&world, 1).await;
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
    let receiver = receiver(&[]).await;
    let world = quiet();
    let targets = vec![
        target(Service::Webhook, &url),
        target(Service::Webhook, &receiver.url),
    ];
    delivering(&world, targets).await;
    notify(&world, NotifyWhat::Opened);
    let told = notified(&world, 1).await;
    assert!(told[0].1 && told[0].0.contains(&receiver.url), "{told:?}");
    let told = notified(&world, 2).await;
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
    delivering(&world, vec![target(Service::Webhook, &url)]).await;
    for _ in 0..QUEUE_MAX + 3 {
        notify(&world, NotifyWhat::Changed);
    }
    // One may already be on its way.
    let told = notified(&world, 2).await;
    assert!(told[0].2.contains("messages already wait"), "{told:?}");
}

#[tokio::test]
async fn incidents_open_before_a_restart_are_told_to_alertmanager_again() {
    let receiver = receiver(&[]).await;
    // INC-7 is open, INC-6 was resolved four seconds ago.
    let world = World::new();
    delivering(&world, vec![target(ALERTMANAGER, &receiver.url)]).await;
    notified(&world, 1).await;
    for _ in 0..100 {
        if receiver.got().len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let got = receiver.got();
    assert_eq!(got.len(), 2);
    let ended: Vec<bool> = got
        .iter()
        .map(|m| m.body[0]["endsAt"].is_string())
        .collect();
    assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "{got:?}");
    // What is over needs no new line in its journal.
    assert_eq!(notified(&world, 1).await.len(), 1);
}

#[test]
fn wrong_targets_are_named_all_at_once_and_without_their_secrets() {
    let targets = [
        target(
            Service::Webhook,
            "https://user:s3cret@hooks.example/services/T0K3N",
        ),
        target(Service::Webhook, "file:///etc/passwd"),
        target(ALERTMANAGER, "alertmanager"),
        target(ALERTMANAGER, "http://alertmanager:9093"),
        Target {
            ca: Some("/nowhere/ca.pem".into()),
            ..target(
                Service::Slack,
                "https://hooks.slack.example/services/T0K3N/B/s3cret",
            )
        },
    ];
    let faults = deliveries::check(&targets);
    assert!(
        matches!(
            faults.as_slice(),
            [
                TargetFault::Scheme { .. },
                TargetFault::Unreadable { .. },
                TargetFault::Tls { .. },
            ]
        ),
        "{faults:?}"
    );
    let says = format!("{faults:?} {} {targets:?}", faults[2]);
    assert!(says.contains("https://hooks.slack.example:443"), "{says}");
    assert!(
        !says.contains("s3cret") && !says.contains("T0K3N"),
        "{says}"
    );
}
