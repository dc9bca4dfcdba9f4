//! An incident that nobody has reaches the next one on time, whatever the channels do: over real
//! sockets.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::World;
use common::receiver::{Receiver, Reply, delivering, refusing, wishes};
use tokio::net::TcpListener;
use tokio::time::Instant;
use weir_api::deliveries::{Service, Target};
use weir_control::handle::{Happening, Notification, NotifyWhat};
use weir_control::incident::entry::{By, Said};
use weir_control::notify::outside::FromOutside;
use weir_control::notify::policy::{Contact, Matcher, Outside, Paging, Policy, Step};
use weir_model::Secret;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn quiet() -> World {
    let mut published = common::published();
    published.incidents.clear();
    World::of(published)
}

fn channel(name: &str, url: &str) -> Target {
    let service = Service::PagerDuty {
        routing_key: Secret("R0123456789abcdef".into()),
    };
    Target {
        name: name.to_owned(),
        ..Target::new(service, url)
    }
}

fn steps(steps: &[(&str, u64)], contacts: &[(&str, &[&str])]) -> Paging {
    let step = |(to, after): &(&str, u64)| Step {
        to: (*to).to_owned(),
        after: ms(*after),
        channel: None,
        hours: None,
        outside: Outside::Skip,
    };
    let contact = |(name, channels): &(&str, &[&str])| Contact {
        name: (*name).to_owned(),
        channels: channels.iter().map(|c| (*c).to_owned()).collect(),
        hours: None,
        outside: Outside::Skip,
    };
    Paging {
        contacts: contacts.iter().map(contact).collect(),
        policies: vec![Policy {
            name: "usual".to_owned(),
            meant: Matcher::default(),
            steps: steps.iter().map(step).collect(),
            repeat: 0,
            repeat_after: ms(60_000),
            ack_expires: None,
        }],
        maintenance: vec![],
    }
}

fn open(world: &World) -> Instant {
    let incident = Arc::new(common::fresh_incident(7));
    let what = NotifyWhat::Opened;
    world
        .handle
        .notifications
        .send(Notification { what, incident })
        .unwrap();
    Instant::now()
}

fn acknowledge(world: &World) {
    let mut incident = common::fresh_incident(7);
    let said = Said::Acknowledged {
        says: String::new(),
    };
    let entry = common::said(7, incident.seq + 1, By::Person("ann".to_owned()), said);
    incident.apply(&entry).unwrap();
    let (incident, entry) = (Arc::new(incident), Arc::new(entry));
    world
        .handle
        .happenings
        .send(Happening::Incident { incident, entry })
        .unwrap();
}

/// Accepts connections and never answers.
async fn silent() -> (TcpListener, String) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    (silent, url)
}

fn escalated(world: &World) -> Vec<(u32, String, String)> {
    wishes(world)
        .into_iter()
        .filter_map(|wish| match wish {
            FromOutside::Escalated {
                step, to, channel, ..
            } => Some((step, to, channel)),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn the_third_step_is_reached_on_time_with_the_first_channel_refusing_and_the_second_timing_out()
 {
    let (_keeps_the_port, hanging) = silent().await;
    let boss = Receiver::answering(202, "").await;
    let targets = [
        channel("pd-oncall", &refusing().await),
        channel("pd-dba", &hanging),
        channel("pd-boss", &boss.url),
    ];
    let paging = steps(
        &[
            ("oncall", 0),
            ("dba", 1_000),
            ("boss", 2_000),
            ("ceo", 3_000),
        ],
        &[
            ("oncall", &["pd-oncall"]),
            ("dba", &["pd-dba"]),
            ("boss", &["pd-boss"]),
            ("ceo", &["pd-boss"]),
        ],
    );
    let world = quiet();
    delivering(&world, &targets, paging).await;
    let begun = open(&world);
    let got = boss.had(1).await;
    let third = got[0].at - begun;
    // Not a moment early, and not held up by the five seconds that the second one takes.
    assert!(third >= ms(1_990) && third < ms(2_500), "{third:?}");
    assert_eq!(got[0].body["payload"]["custom_details"]["called"], "boss");
    assert_eq!(got[0].body["payload"]["custom_details"]["step"], 3);

    // Somebody has it: the fourth step never comes.
    acknowledge(&world);
    tokio::time::sleep(ms(1_500)).await;
    let triggers = boss
        .got()
        .iter()
        .filter(|m| m.body["event_action"] == "trigger")
        .count();
    assert_eq!(triggers, 1);
    // And the one who was called hears that it is taken.
    assert_eq!(boss.got()[1].body["event_action"], "acknowledge");
    let named = |step, to: &str, channel: &str| (step, to.to_owned(), channel.to_owned());
    assert_eq!(
        escalated(&world),
        [
            named(1, "oncall", "pd-oncall"),
            named(2, "dba", "pd-dba"),
            named(3, "boss", "pd-boss")
        ]
    );
    // The refusal was told at once, and it called the second step early.
    let first = wishes(&world).into_iter().find_map(|wish| match wish {
        FromOutside::Notified {
            step: Some(1),
            ok,
            says,
            to,
            ..
        } => Some((ok, says, to)),
        _ => None,
    });
    let (ok, says, to) = first.unwrap();
    assert!(!ok && says.contains("refused"), "{says}");
    assert_eq!(to.as_deref(), Some("oncall"));
}

#[tokio::test]
async fn an_acknowledged_one_stops_at_once() {
    let receiver = Receiver::answering(202, "").await;
    let targets = [channel("pd", &receiver.url)];
    let world = quiet();
    delivering(
        &world,
        &targets,
        steps(&[("pd", 0), ("pd", 400), ("pd", 800)], &[]),
    )
    .await;
    open(&world);
    receiver.had(1).await;
    acknowledge(&world);
    tokio::time::sleep(ms(1_200)).await;
    let actions: Vec<String> = receiver
        .got()
        .iter()
        .map(|m| m.body["event_action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["trigger", "acknowledge"]);
}

#[tokio::test]
async fn a_channel_that_fails_is_left_for_the_contacts_next_one_at_once() {
    let broken = Receiver::start(|_, _| Reply::of(500, "boom")).await;
    let good = Receiver::answering(202, "").await;
    let targets = [channel("first", &broken.url), channel("second", &good.url)];
    let world = quiet();
    let paging = steps(&[("oncall", 0)], &[("oncall", &["first", "second"])]);
    delivering(&world, &targets, paging).await;
    let begun = open(&world);
    let got = good.had(1).await;
    assert!(got[0].at - begun < ms(500), "{:?}", got[0].at - begun);
    assert_eq!(got[0].body["payload"]["custom_details"]["step"], 1);
    // The broken one is tried again meanwhile: it may be the one that rings.
    broken.had(2).await;
}

#[tokio::test]
async fn a_channel_that_is_named_by_a_step_waits_for_its_turn_and_then_hears_the_end() {
    let receiver = Receiver::answering(202, "").await;
    let other = Receiver::answering(202, "").await;
    let targets = [channel("pd", &receiver.url), channel("later", &other.url)];
    let world = quiet();
    delivering(
        &world,
        &targets,
        steps(&[("pd", 0), ("later", 60_000)], &[]),
    )
    .await;
    open(&world);
    receiver.had(1).await;
    let incident = Arc::new(common::resolved_incident(7));
    let what = NotifyWhat::Resolved;
    world
        .handle
        .notifications
        .send(Notification { what, incident })
        .unwrap();
    let got = receiver.had(2).await;
    assert_eq!(got[1].body["event_action"], "resolve");
    assert!(
        other.got().is_empty(),
        "whoever wasn't called hears nothing: {:?}",
        other.got()
    );
}

#[tokio::test]
async fn somebody_is_called_also_when_the_control_plane_writes_nothing_down() {
    let receiver = Receiver::answering(202, "").await;
    // A control plane whose questions nobody takes: a disk that hangs, or a restart.
    let world = quiet();
    let (asks, _never_read) = tokio::sync::mpsc::channel(1);
    let mut deaf = world;
    deaf.handle.asks = asks;
    let targets = [channel("pd", &receiver.url)];
    delivering(
        &deaf,
        &targets,
        steps(&[("pd", 0), ("pd", 600), ("pd", 1_200)], &[]),
    )
    .await;
    let begun = open(&deaf);
    let got = receiver.had(3).await;
    let third = got[2].at - begun;
    assert!(third >= ms(1_190) && third < ms(1_700), "{third:?}");
}

#[tokio::test]
async fn a_restart_calls_nobody_twice() {
    let receiver = Receiver::answering(202, "").await;
    let mut incident = common::fresh_incident(7);
    let mut seq = incident.seq;
    for said in [
        Said::Escalated {
            to: "pd".to_owned(),
            says: String::new(),
            step: 1,
            channel: "pd".to_owned(),
        },
        Said::Notified {
            channel: "pd".to_owned(),
            ok: true,
            says: "202 accepted".to_owned(),
            step: Some(1),
            to: Some("pd".to_owned()),
        },
    ] {
        seq += 1;
        incident
            .apply(&common::said(7, seq, By::Weir, said))
            .unwrap();
    }
    let mut published = common::published();
    published.incidents = vec![Arc::new(incident)];
    let world = World::of(published);
    delivering(
        &world,
        &[channel("pd", &receiver.url)],
        steps(&[("pd", 0), ("pd", 60_000)], &[]),
    )
    .await;
    tokio::time::sleep(ms(500)).await;
    assert!(receiver.got().is_empty(), "{:?}", receiver.got());
}
