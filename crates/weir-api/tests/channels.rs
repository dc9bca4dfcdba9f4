//! Every channel against a local endpoint that checks the exact shape of what it is sent.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::World;
use common::receiver::{Message, Receiver, Reply, delivering, notified, speaker, wishes};
use serde_json::{Value, json};
use weir_api::deliveries::{MailTls, Service, Switchboard, Target};
use weir_control::handle::{Happening, Notification, NotifyWhat};
use weir_control::incident::Incident;
use weir_control::incident::entry::{By, Said};
use weir_control::notify::outside::FromOutside;
use weir_control::notify::policy::{Matcher, Paging};
use weir_control::notify::silence::Silence;
use weir_model::Secret;

fn quiet() -> World {
    let mut published = common::published();
    published.incidents.clear();
    World::of(published)
}

fn opened(world: &World) {
    let incident = Arc::new(common::open_incident(7));
    let what = NotifyWhat::Opened;
    world
        .handle
        .notifications
        .send(Notification { what, incident })
        .unwrap();
}

fn resolved(world: &World) {
    let incident = Arc::new(common::resolved_incident(7));
    let what = NotifyWhat::Resolved;
    world
        .handle
        .notifications
        .send(Notification { what, incident })
        .unwrap();
}

fn acknowledged(world: &World) {
    let mut incident: Incident = common::open_incident(7);
    let entry = common::said(
        7,
        incident.seq + 1,
        By::Person("ann".to_owned()),
        Said::Acknowledged {
            says: String::new(),
        },
    );
    incident.apply(&entry).unwrap();
    let (incident, entry) = (Arc::new(incident), Arc::new(entry));
    world
        .handle
        .happenings
        .send(Happening::Incident { incident, entry })
        .unwrap();
}

/// Opens, acknowledges and resolves INC-7, each once so many messages came in all.
async fn life(receiver: &Receiver, target: Target, messages: [usize; 3]) -> (World, Vec<Message>) {
    let world = quiet();
    delivering(&world, &[target], Paging::default()).await;
    opened(&world);
    receiver.had(messages[0]).await;
    acknowledged(&world);
    receiver.had(messages[1]).await;
    resolved(&world);
    let got = receiver.had(messages[2]).await;
    (world, got)
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn secret(text: &str) -> Secret {
    Secret(text.into())
}

const KEY: &str = "R0123456789abcdefR0123456789abcd";

fn pagerduty(url: &str) -> Target {
    Target::new(
        Service::PagerDuty {
            routing_key: secret(KEY),
        },
        url,
    )
}

#[tokio::test]
async fn pagerduty_gets_trigger_acknowledge_and_resolve_under_one_key() {
    let receiver = Receiver::start(|_, _| {
        Reply::of(
            202,
            r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#,
        )
    })
    .await;
    let (world, got) = life(&receiver, pagerduty(&receiver.url), [1, 2, 3]).await;
    let actions: Vec<&Value> = got.iter().map(|m| &m.body["event_action"]).collect();
    assert_eq!(actions, ["trigger", "acknowledge", "resolve"]);
    for message in &got {
        assert_eq!(
            (message.path.as_str(), message.header("content-type")),
            ("/v2/enqueue", "application/json")
        );
        assert_eq!(message.body["dedup_key"], "weir/main/app-dashboard/INC-7");
        assert_eq!(message.body["routing_key"], KEY);
    }
    let payload = &got[0].body["payload"];
    assert_eq!(
        keys(payload),
        [
            "class",
            "component",
            "custom_details",
            "group",
            "severity",
            "source",
            "summary",
            "timestamp"
        ]
    );
    assert_eq!(payload["severity"], "error");
    assert_eq!(
        (&payload["source"], &payload["group"]),
        (&json!("weir-1"), &json!("main"))
    );
    assert_eq!(payload["component"], "app/dashboard");
    assert!(payload["summary"].as_str().unwrap().chars().count() <= 1_024);
    assert!(payload["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(got[0].body["client"], "Weir");
    assert!(
        got[0].body["links"][0]["href"]
            .as_str()
            .unwrap()
            .ends_with("/incidents/INC-7")
    );
    let told = notified(&world, 3).await;
    assert!(
        told.iter()
            .all(|(_, ok, says)| *ok && says == "202 accepted"),
        "{told:?}"
    );
    assert!(!format!("{told:?} {:?}", world.asked()).contains(KEY));
}

#[tokio::test]
async fn pagerduty_is_given_the_pause_it_asks_for() {
    let receiver = Receiver::start(|_, number| match number {
        1 => Reply {
            retry_after: Some(2),
            ..Reply::of(429, &format!("slow down, {KEY}"))
        },
        _ => Reply::of(202, ""),
    })
    .await;
    let world = quiet();
    delivering(&world, &[pagerduty(&receiver.url)], Paging::default()).await;
    opened(&world);
    let got = receiver.had(2).await;
    let pause = got[1].at - got[0].at;
    assert!(
        pause >= Duration::from_secs(2) && pause < Duration::from_secs(4),
        "{pause:?}"
    );
    assert_eq!(notified(&world, 1).await[0].2, "202 accepted, at try 2");
}

#[tokio::test]
async fn what_the_other_side_repeats_of_a_secret_is_not_written_down() {
    let receiver = Receiver::start(|_, _| Reply::of(400, &format!("bad routing_key {KEY}"))).await;
    let world = quiet();
    delivering(&world, &[pagerduty(&receiver.url)], Paging::default()).await;
    opened(&world);
    let told = notified(&world, 1).await;
    assert_eq!(
        (told[0].1, told[0].2.as_str()),
        (false, "400 bad request: bad routing_key …")
    );
}

#[tokio::test]
async fn slack_gets_blocks_within_its_limits_and_a_text_for_the_telephone() {
    let receiver = Receiver::answering(200, "ok").await;
    let target = Target::new(
        Service::Slack,
        format!("{}/services/T0/B0/s3cr3tw0rd", receiver.url),
    );
    let (world, got) = life(&receiver, target, [1, 2, 3]).await;
    assert_eq!(got[0].path, "/services/T0/B0/s3cr3tw0rd");
    for message in &got {
        assert!(message.body["text"].as_str().unwrap().contains("INC-7"));
        let blocks = message.body["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50);
        for block in blocks {
            match block["type"].as_str().unwrap() {
                "header" => {
                    assert_eq!(block["text"]["type"], "plain_text");
                    assert!(block["text"]["text"].as_str().unwrap().chars().count() <= 150);
                }
                "section" => {
                    if let Some(text) = block["text"]["text"].as_str() {
                        assert!(text.chars().count() <= 3_000);
                    }
                    let fields = block["fields"].as_array().cloned().unwrap_or_default();
                    assert!(fields.len() <= 10);
                    for field in fields {
                        assert_eq!(field["type"], "mrkdwn");
                        assert!(field["text"].as_str().unwrap().chars().count() <= 2_000);
                    }
                }
                "actions" => {
                    let elements = block["elements"].as_array().unwrap();
                    assert!(!elements.is_empty() && elements.len() <= 25);
                    for button in elements {
                        assert!(button["text"]["text"].as_str().unwrap().len() <= 75);
                        assert!(button["url"].as_str().unwrap().len() <= 3_000);
                    }
                }
                other => panic!("block {other}"),
            }
        }
    }
    let text = |n: usize| got[n].body["text"].as_str().unwrap().to_owned();
    assert!(text(1).contains("acknowledged by ann"), "{}", text(1));
    assert!(text(2).contains("resolved after"), "{}", text(2));
    // What the measured words contain must ring nobody.
    assert!(!got[0].body.to_string().contains("<!"));
    let told = notified(&world, 3).await;
    assert!(!format!("{told:?}").contains("s3cr3tw0rd"));
}

#[tokio::test]
async fn opsgenie_gets_alert_acknowledge_and_close_and_is_asked_what_came_of_them() {
    let receiver = Receiver::start(|message, _| match message.method.as_str() {
        "GET" => Reply::of(
            200,
            r#"{"data":{"success":true,"isSuccess":true,"status":"Created alert","alertId":"a"},"requestId":"r-1"}"#,
        ),
        _ => Reply::of(202, r#"{"result":"Request will be processed","took":0.3,"requestId":"r-1"}"#),
    })
    .await;
    let service = Service::Opsgenie {
        key: secret("gk-0123456789"),
        team: Some("db".to_owned()),
    };
    let target = Target::new(service, format!("{}/jsm/ops/integration", receiver.url));
    let (world, got) = life(&receiver, target, [2, 4, 6]).await;
    let posts: Vec<&Message> = got.iter().filter(|m| m.method == "POST").collect();
    assert_eq!(posts[0].path, "/jsm/ops/integration/v2/alerts");
    assert_eq!(posts[0].header("authorization"), "GenieKey gk-0123456789");
    let alert = &posts[0].body;
    assert_eq!(
        keys(alert),
        [
            "alias",
            "description",
            "details",
            "entity",
            "message",
            "priority",
            "responders",
            "source",
            "tags"
        ]
    );
    assert!(alert["message"].as_str().unwrap().chars().count() <= 130);
    assert_eq!(alert["alias"], "weir/main/app-dashboard/INC-7");
    assert_eq!(alert["priority"], "P2");
    assert_eq!(alert["responders"], json!([{"type": "team", "name": "db"}]));
    assert!(
        alert["details"]
            .as_object()
            .unwrap()
            .values()
            .all(Value::is_string)
    );
    for (post, verb) in [(posts[1], "acknowledge"), (posts[2], "close")] {
        let path =
            format!("/jsm/ops/integration/v2/alerts/weir%2Fmain%2Fapp-dashboard%2FINC-7/{verb}");
        assert_eq!(
            (post.path.as_str(), post.query.as_str()),
            (path.as_str(), "identifierType=alias")
        );
    }
    let asked = got.iter().find(|m| m.method == "GET").unwrap();
    assert_eq!(asked.path, "/jsm/ops/integration/v2/alerts/requests/r-1");
    let told = notified(&world, 3).await;
    assert_eq!(told[0].2, "202 accepted, Created alert");
    assert!(!format!("{told:?}").contains("gk-0123456789"));
}

#[tokio::test]
async fn grafana_gets_a_region_in_milliseconds_that_is_closed_at_the_end() {
    let receiver = Receiver::start(|message, _| match message.method.as_str() {
        "POST" => Reply::of(200, r#"{"message":"Annotation added","id":41}"#),
        _ => Reply::of(200, r#"{"message":"Annotation patched"}"#),
    })
    .await;
    let service = Service::Grafana {
        dashboard: Some("weir".to_owned()),
        panel: Some(2),
    };
    let target = Target {
        token: Some(secret("glsa_0123456789")),
        ..Target::new(service, &receiver.url)
    };
    let (_world, got) = life(&receiver, target, [1, 2, 3]).await;
    let calls: Vec<(&str, &str)> = got
        .iter()
        .map(|m| (m.method.as_str(), m.path.as_str()))
        .collect();
    assert_eq!(
        calls,
        [
            ("POST", "/api/annotations"),
            ("PATCH", "/api/annotations/41"),
            ("PATCH", "/api/annotations/41")
        ]
    );
    assert_eq!(got[0].header("authorization"), "Bearer glsa_0123456789");
    let opened = &got[0].body;
    assert_eq!(
        keys(opened),
        ["dashboardUID", "panelId", "tags", "text", "time"]
    );
    assert_eq!(opened["time"], common::at(85_000).as_micros() / 1_000);
    assert!(opened["tags"].as_array().unwrap().contains(&json!("INC-7")));
    assert!(got[2].body["timeEnd"].as_i64().unwrap() > opened["time"].as_i64().unwrap());
}

#[tokio::test]
async fn a_region_opened_before_a_restart_is_found_by_its_tags() {
    let receiver = Receiver::start(|message, _| match message.method.as_str() {
        "GET" => Reply::of(200, r#"[{"id":17,"tags":["incident","INC-7"]}]"#),
        _ => Reply::of(200, "{}"),
    })
    .await;
    let mut published = common::published();
    let mut incident = common::open_incident(7);
    let channel = format!("grafana {}", receiver.url);
    let entry = common::said(
        7,
        incident.seq + 1,
        By::Weir,
        Said::Notified {
            channel,
            ok: true,
            says: "200 ok".to_owned(),
            step: None,
            to: None,
        },
    );
    incident.apply(&entry).unwrap();
    published.incidents = vec![Arc::new(incident)];
    let world = World::of(published);
    let service = Service::Grafana {
        dashboard: None,
        panel: None,
    };
    delivering(
        &world,
        &[Target::new(service, &receiver.url)],
        Paging::default(),
    )
    .await;
    resolved(&world);
    let got = receiver.had(2).await;
    assert!(got[0].query.contains("tags=INC-7"), "{}", got[0].query);
    assert_eq!(
        (got[1].method.as_str(), got[1].path.as_str()),
        ("PATCH", "/api/annotations/17")
    );
    assert!(got[1].body["timeEnd"].is_i64());
}

#[tokio::test]
async fn otlp_gets_events_with_names_and_integers_as_strings() {
    let receiver = Receiver::answering(200, "{}").await;
    let (_world, got) = life(
        &receiver,
        Target::new(Service::Otlp, &receiver.url),
        [1, 2, 3],
    )
    .await;
    let names: Vec<&Value> = got
        .iter()
        .map(|m| &m.body["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["eventName"])
        .collect();
    assert_eq!(
        names,
        [
            "weir.incident.opened",
            "weir.incident.acknowledged",
            "weir.incident.resolved"
        ]
    );
    assert_eq!(got[0].path, "/v1/logs");
    let resource = &got[0].body["resourceLogs"][0];
    assert_eq!(
        resource["resource"]["attributes"][0],
        json!({"key": "service.name", "value": {"stringValue": "weir"}})
    );
    let scope = &resource["scopeLogs"][0];
    assert_eq!(scope["scope"]["name"], "weir.incident");
    let record = &scope["logRecords"][0];
    assert_eq!(record["severityNumber"], 17);
    assert!(record.get("body").is_none());
    let nanos = format!("{}000", common::at(85_000).as_micros());
    assert_eq!(record["timeUnixNano"], nanos.as_str());
    let id = json!({"key": "weir.incident.id", "value": {"stringValue": "INC-7"}});
    assert!(record["attributes"].as_array().unwrap().contains(&id));
    for attribute in record["attributes"].as_array().unwrap() {
        if let Some(number) = attribute["value"].get("intValue") {
            assert!(number.is_string(), "{attribute}");
        }
    }
}

#[tokio::test]
async fn alertmanager_is_silenced_on_acknowledge_and_the_silence_ends_with_the_incident() {
    let receiver = Receiver::start(|message, _| match message.path.as_str() {
        "/api/v2/silences" => Reply::of(
            200,
            r#"{"silenceID":"5c1d8d0c-aaaa-bbbb-cccc-000000000001"}"#,
        ),
        _ => Reply::of(200, ""),
    })
    .await;
    let service = Service::Alertmanager {
        silence_on_ack: true,
        silence_on_maintenance: false,
    };
    let (world, got) = life(&receiver, Target::new(service, &receiver.url), [1, 3, 5]).await;
    let calls: Vec<(&str, &str)> = got
        .iter()
        .map(|m| (m.method.as_str(), m.path.as_str()))
        .collect();
    assert_eq!(
        calls,
        [
            ("POST", "/api/v2/alerts"),
            ("POST", "/api/v2/silences"),
            ("POST", "/api/v2/alerts"),
            ("POST", "/api/v2/alerts"),
            (
                "DELETE",
                "/api/v2/silence/5c1d8d0c-aaaa-bbbb-cccc-000000000001"
            ),
        ]
    );
    let silence = &got[1].body;
    assert_eq!(
        keys(silence),
        ["comment", "createdBy", "endsAt", "matchers", "startsAt"]
    );
    assert_eq!(
        silence["matchers"],
        json!([{"name": "pool", "value": "app/dashboard", "isRegex": false, "isEqual": true}])
    );
    assert_eq!(silence["createdBy"], "weir");
    assert_eq!(silence["comment"], "INC-7: acknowledged by ann");
    let told = notified(&world, 3).await;
    assert!(
        told.iter()
            .any(|(_, ok, says)| *ok && says.contains("silence 5c1d8d0c")),
        "{told:?}"
    );
}

#[tokio::test]
async fn alertmanager_hears_of_maintenance_where_it_should() {
    let receiver = Receiver::answering(200, r#"{"silenceID":"m"}"#).await;
    let service = Service::Alertmanager {
        silence_on_ack: false,
        silence_on_maintenance: true,
    };
    let world = quiet();
    let window = Silence {
        id: "M-1".to_owned(),
        meant: Matcher {
            pool: vec!["app".to_owned()],
            ..Matcher::default()
        },
        from: common::at(60_000),
        until: common::at(600_000),
        by: "ann".to_owned(),
        why: "upgrade".to_owned(),
    };
    let paging = Paging {
        maintenance: vec![window],
        ..Paging::default()
    };
    delivering(&world, &[Target::new(service, &receiver.url)], paging).await;
    let got = receiver.had(1).await;
    let silence = got.iter().find(|m| m.path == "/api/v2/silences").unwrap();
    assert_eq!(
        silence.body["matchers"][0],
        json!({"name": "pool", "value": "app/*", "isRegex": false, "isEqual": true})
    );
    assert_eq!(silence.body["comment"], "M-1: upgrade");
}

#[tokio::test]
async fn https_is_trusted_through_its_file_and_not_without_it() {
    let dir = std::env::temp_dir().join(format!("weir-channels-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (receiver, ca) = Receiver::secured(202, &dir).await;
    let world = quiet();
    let trusting = Target {
        name: "trusting".to_owned(),
        ca: Some(ca),
        ..pagerduty(&receiver.url)
    };
    delivering(&world, &[trusting], Paging::default()).await;
    opened(&world);
    let told = notified(&world, 1).await;
    assert_eq!(
        told[0],
        ("trusting".to_owned(), true, "202 accepted".to_owned())
    );
    assert_eq!(receiver.got()[0].body["event_action"], "trigger");

    // Another certificate is not that one.
    let other = dir.join("other");
    std::fs::create_dir_all(&other).unwrap();
    let (_, foreign) = common::receiver::certificate(&other);
    let target = Target {
        name: "wary".to_owned(),
        ca: Some(foreign),
        ..pagerduty(&receiver.url)
    };
    let (board, faults) = Switchboard::new(&[target], Paging::default(), speaker());
    assert!(faults.is_empty());
    let says = board
        .test("wary", common::at(0))
        .await
        .unwrap()
        .unwrap_err();
    assert!(says.contains("certificate"), "{says}");
    assert_eq!(receiver.got().len(), 1);
}

#[tokio::test]
async fn a_test_says_what_the_other_side_answered_and_leaves_no_alert_behind() {
    let receiver = Receiver::answering(202, "").await;
    let target = Target {
        name: "pd".to_owned(),
        ..pagerduty(&receiver.url)
    };
    let (board, _) = Switchboard::new(&[target], Paging::default(), speaker());
    assert_eq!(
        board.test("pd", common::at(0)).await,
        Some(Ok("202 accepted".to_owned()))
    );
    assert_eq!(board.test("slack", common::at(0)).await, None);
    let got = receiver.got();
    assert_eq!(got[0].body["payload"]["severity"], "info");
    assert!(
        got[0].body["payload"]["summary"]
            .as_str()
            .unwrap()
            .contains("Test message")
    );
    assert_eq!(got[1].body["event_action"], "resolve");
    assert_eq!(got[1].body["dedup_key"], got[0].body["dedup_key"]);
}

mod mail;

#[tokio::test]
async fn a_mail_goes_out_in_the_clear_to_this_machine_and_is_one_thread() {
    let server = mail::MailServer::start(mail::Manner::plain()).await;
    let world = quiet();
    delivering(&world, &[server.target(MailTls::None)], Paging::default()).await;
    opened(&world);
    resolved(&world);
    let told = notified(&world, 2).await;
    assert!(
        told.iter().all(|(_, ok, says)| *ok && says.contains("250")),
        "{told:?}"
    );
    let mails = server.mails();
    assert_eq!(mails[0].from, "weir@example.org");
    assert_eq!(mails[0].to, ["dba@example.org", "ann@example.org"]);
    let header = |n: usize, name: &str| mails[n].header(name);
    assert!(
        header(0, "Subject").contains("INC-7 SEV2 app/dashboard: pool exhausted"),
        "{}",
        header(0, "Subject")
    );
    assert!(header(0, "Date").ends_with("+0000"));
    assert_eq!(header(0, "References"), header(1, "References"));
    assert_ne!(header(0, "Message-ID"), header(1, "Message-ID"));
    assert!(header(1, "Subject").contains("resolved after"));
    let body = mails[0].body();
    assert!(
        body.contains("http://weir.example:6433/api/v1/incidents/INC-7"),
        "{body}"
    );
    assert!(mails[0].raw.lines().all(|line| line.len() <= 998));
}

#[tokio::test]
async fn a_mail_logs_in_after_starttls_and_never_before() {
    let dir = std::env::temp_dir().join(format!("weir-mail-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let server = mail::MailServer::start(mail::Manner::starttls(&dir)).await;
    let world = quiet();
    delivering(
        &world,
        &[server.target(MailTls::StartTls)],
        Paging::default(),
    )
    .await;
    opened(&world);
    let told = notified(&world, 1).await;
    assert!(told[0].1, "{told:?}");
    assert_eq!(server.mails().len(), 1);
    assert_eq!(server.logins(), ["weir:s3cret over TLS"]);
    assert!(!format!("{told:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_mail_goes_over_implicit_tls() {
    let dir = std::env::temp_dir().join(format!("weir-mails-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let server = mail::MailServer::start(mail::Manner::implicit(&dir)).await;
    let world = quiet();
    delivering(
        &world,
        &[server.target(MailTls::Implicit)],
        Paging::default(),
    )
    .await;
    opened(&world);
    assert!(notified(&world, 1).await[0].1);
    assert_eq!(server.logins(), ["weir:s3cret over TLS"]);
}

#[tokio::test]
async fn a_server_without_starttls_is_told_no_secret() {
    let server = mail::MailServer::start(mail::Manner::plain()).await;
    let world = quiet();
    delivering(
        &world,
        &[server.target(MailTls::StartTls)],
        Paging::default(),
    )
    .await;
    opened(&world);
    let told = notified(&world, 1).await;
    assert!(
        !told[0].1 && told[0].2.contains("offers no STARTTLS"),
        "{told:?}"
    );
    assert!(server.mails().is_empty() && server.logins().is_empty());
}

#[tokio::test]
async fn a_receiver_that_is_refused_keeps_the_mail_from_no_other() {
    let server = mail::MailServer::start(mail::Manner {
        refuses: Some("dba@example.org"),
        ..mail::Manner::plain()
    })
    .await;
    let world = quiet();
    delivering(&world, &[server.target(MailTls::None)], Paging::default()).await;
    opened(&world);
    let told = notified(&world, 1).await;
    assert!(
        told[0].1 && told[0].2.contains("but not for dba@example.org"),
        "{told:?}"
    );
    assert_eq!(server.mails()[0].to, ["ann@example.org"]);
}

#[tokio::test]
async fn a_silenced_incident_is_recorded_and_pages_nobody_until_the_silence_ends() {
    let page = Receiver::answering(200, "ok").await;
    let record = Receiver::answering(200, "{}").await;
    let mut published = common::published();
    published.incidents.clear();
    let clock = published.clock;
    published.silences = vec![Silence {
        id: "S-1".to_owned(),
        meant: Matcher {
            pool: vec!["app/*".to_owned()],
            ..Matcher::default()
        },
        from: common::at(0),
        // Two seconds after now.
        until: clock.wall(common::NOW).after(Duration::from_secs(2)),
        by: "ann".to_owned(),
        why: "upgrade".to_owned(),
    }];
    let world = World::of(published);
    let targets = [
        Target::new(Service::Slack, format!("{}/services/secret", page.url)),
        Target::new(Service::Otlp, &record.url),
    ];
    delivering(&world, &targets, Paging::default()).await;
    let begun = tokio::time::Instant::now();
    opened(&world);
    record.had(1).await;
    assert!(page.got().is_empty());
    let got = page.had(1).await;
    let waited = got[0].at - begun;
    assert!(
        waited >= Duration::from_millis(1_900) && waited < Duration::from_secs(4),
        "{waited:?}"
    );
    assert!(
        !wishes(&world)
            .iter()
            .any(|w| matches!(w, FromOutside::Escalated { .. }))
    );
}
