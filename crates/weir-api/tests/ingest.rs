//! What other systems send, in the shapes that they send it, and what they are told.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;

use common::{World, delete, get, post};
use serde_json::{Value, json};
use weir_api::deliveries::{Service, Switchboard, Target};
use weir_api::server::Api;
use weir_control::handle::Ask;
use weir_control::notify::outside::{FromOutside, OutsideAlert};
use weir_control::notify::policy::Paging;
use weir_model::Severity;

/// As Alertmanager 0.34 sends it, with what newer ones add.
fn alertmanager() -> Value {
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"SlowCheckout\"}", "truncatedAlerts": 2,
        "status": "firing", "receiver": "weir", "groupLabels": {"alertname": "SlowCheckout"},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am:9093",
        "notification_reason": "first notification", "routeLabels": {"team": "db"},
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "SlowCheckout", "severity": "critical", "database": "app", "user": "dashboard"},
                "annotations": {"summary": "p99 of checkout is 4 s"},
                "startsAt": "2026-11-23T05:01:10.5Z", "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus/graph?g0", "fingerprint": "791cec13fcba0368"
            },
            {
                "status": "resolved",
                "labels": {"alertname": "DiskFull", "severity": "warning"},
                "annotations": {},
                "startsAt": "2026-11-23T04:00:00Z", "endsAt": "2026-11-23T05:00:00+01:00",
                "generatorURL": "", "fingerprint": "0000000000000002"
            }
        ]
    })
}

async fn taken(body: &Value) -> (World, String, Vec<OutsideAlert>, u64, Value) {
    let world = World::new();
    let got = post(&world.router(), "/api/v1/alerts", &body.to_string()).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let answer = got.json();
    for ask in world.asked() {
        if let Ask::Outside(FromOutside::Alerts {
            source,
            alerts,
            truncated,
        }) = ask
        {
            return (world, source, alerts, truncated, answer);
        }
    }
    panic!("no alerts: {:?}", world.asked());
}

#[tokio::test]
async fn alertmanagers_webhook_is_taken_with_all_that_it_says() {
    let (_, source, alerts, truncated, _) = taken(&alertmanager()).await;
    assert_eq!(
        (source.as_str(), truncated, alerts.len()),
        ("alertmanager", 2, 2)
    );
    let first = &alerts[0];
    assert_eq!(first.name, "SlowCheckout");
    assert_eq!(first.says, "p99 of checkout is 4 s");
    assert!(first.firing && first.ended_at.is_none());
    assert_eq!(first.started_at, common::at(70_500));
    assert_eq!(first.pools, ["app/dashboard"]);
    assert_eq!(first.declares, Some(Severity::Sev2));
    assert_eq!(first.link.as_deref(), Some("http://prometheus/graph?g0"));
    assert!(
        first.fingerprint.contains("791cec13fcba0368")
            && first.fingerprint.contains("SlowCheckout")
    );
    let second = &alerts[1];
    assert!(!second.firing && second.ended_at.is_some() && second.declares.is_none());
    assert_eq!(second.link, None);
}

#[tokio::test]
async fn an_alert_without_a_fingerprint_is_known_by_its_labels() {
    let mut body = alertmanager();
    body["alerts"][0]
        .as_object_mut()
        .unwrap()
        .remove("fingerprint");
    let (_, _, once, _, _) = taken(&body).await;
    let (_, _, twice, _, _) = taken(&body).await;
    assert_eq!(once[0].fingerprint, twice[0].fingerprint);
    body["alerts"][0]["labels"]["user"] = json!("other");
    let (_, _, other, _, _) = taken(&body).await;
    assert_ne!(once[0].fingerprint, other[0].fingerprint);
}

#[tokio::test]
async fn weirs_own_alerts_that_come_back_declare_nothing() {
    let mut body = alertmanager();
    body["alerts"][0]["labels"] =
        json!({"alertname": "WeirPoolExhausted", "incident": "INC-7", "severity": "critical"});
    let (_, _, alerts, _, answer) = taken(&body).await;
    assert_eq!(alerts.len(), 1);
    assert_eq!(answer["own"], 1);
}

#[tokio::test]
async fn grafanas_webhook_is_told_by_its_own_keys() {
    let mut body = alertmanager();
    body["version"] = json!("1");
    body["orgId"] = json!(1);
    body["title"] = json!("[FIRING:1] SlowCheckout");
    body["state"] = json!("alerting");
    body["alerts"][0]["values"] = json!({"A": 4.1});
    body["alerts"][0]["silenceURL"] = json!("http://grafana/alerting/silence/new");
    let (_, source, alerts, _, _) = taken(&body).await;
    assert_eq!((source.as_str(), alerts.len()), ("grafana", 2));
}

#[tokio::test]
async fn grafanas_legacy_rule_is_taken() {
    let body = json!({
        "title": "[Alerting] Pool waits", "ruleId": 7, "ruleName": "Pool waits", "state": "alerting",
        "message": "too long", "evalMatches": [{"value": 4.0, "metric": "wait"}],
        "tags": {"severity": "page", "pool": "app/dashboard"}, "ruleUrl": "http://grafana/d/x"
    });
    let (_, source, alerts, _, _) = taken(&body).await;
    assert_eq!(source, "grafana");
    assert_eq!(
        (alerts[0].name.as_str(), alerts[0].firing),
        ("Pool waits", true)
    );
    assert_eq!(alerts[0].declares, Some(Severity::Sev2));
    let (_, _, ended, _, _) =
        taken(&json!({"ruleId": 7, "ruleName": "Pool waits", "state": "ok"})).await;
    assert!(!ended[0].firing);
    assert_eq!(ended[0].fingerprint, alerts[0].fingerprint);
}

fn pagerduty(event_type: &str) -> Value {
    json!({"event": {
        "id": "01BZ", "event_type": event_type, "resource_type": "incident",
        "occurred_at": "2026-11-23T05:01:20.000Z",
        "agent": {"id": "P1", "type": "user_reference", "summary": "Ann"},
        "client": null,
        "data": {
            "id": "Q1", "type": "incident", "html_url": "https://acme.pagerduty.com/incidents/Q1",
            "number": 2, "status": "triggered", "incident_key": "d3640fbd", "title": "Checkout is down",
            "created_at": "2026-11-23T05:01:00Z",
            "service": {"id": "PF9", "summary": "checkout", "type": "service_reference"},
            "urgency": "high", "priority": {"summary": "P1"}
        }
    }})
}

#[tokio::test]
async fn pagerdutys_event_is_taken() {
    let (_, source, alerts, _, _) = taken(&pagerduty("incident.triggered")).await;
    assert_eq!(source, "pagerduty");
    let alert = &alerts[0];
    assert_eq!(
        (alert.name.as_str(), alert.service.as_deref()),
        ("Checkout is down", Some("checkout"))
    );
    assert_eq!(alert.started_at, common::at(60_000));
    assert_eq!(alert.declares, Some(Severity::Sev2));
    let (_, _, ended, _, _) = taken(&pagerduty("incident.resolved")).await;
    assert!(!ended[0].firing && ended[0].fingerprint == alert.fingerprint);
}

#[tokio::test]
async fn who_takes_weirs_incident_in_pagerduty_has_it_here_too() {
    let world = World::new();
    let mut body = pagerduty("incident.acknowledged");
    body["event"]["data"]["incident_key"] = json!("weir/main/app-dashboard/INC-7");
    let got = post(&world.router(), "/api/v1/alerts", &body.to_string()).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert!(matches!(
        &world.asked()[0],
        Ask::Acknowledge { id, by, .. } if id.0 == 7 && by == "Ann (PagerDuty)"
    ));
    // Its own trigger, come back, is no second incident.
    body["event"]["event_type"] = json!("incident.triggered");
    let got = post(&world.router(), "/api/v1/alerts", &body.to_string()).await;
    assert_eq!(got.status, 200);
    assert_eq!(world.asked().len(), 1);
}

#[tokio::test]
async fn events_that_say_nothing_are_taken_all_the_same() {
    let world = World::new();
    for kind in ["incident.annotated", "service.updated", "pagey.ping"] {
        let got = post(
            &world.router(),
            "/api/v1/alerts",
            &pagerduty(kind).to_string(),
        )
        .await;
        assert_eq!(got.status, 200, "{kind}: {}", got.text);
    }
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn a_bad_body_is_refused_with_the_name_of_its_field() {
    let world = World::new();
    let with = |path: &str, value: Value| {
        let mut body = alertmanager();
        *body.pointer_mut(path).unwrap() = value;
        body.to_string()
    };
    for (body, field) in [
        ("[]".to_owned(), "(the body)"),
        ("{}".to_owned(), "`alerts`"),
        (with("/version", json!("3")), "`version`"),
        (with("/alerts", json!({})), "`alerts`"),
        (with("/alerts/1", json!("x")), "`alerts[1]`"),
        (
            with("/alerts/0/status", json!("burning")),
            "`alerts[0].status`",
        ),
        (
            with("/alerts/0/startsAt", json!("yesterday")),
            "`alerts[0].startsAt`",
        ),
        (with("/alerts/0/labels", json!([])), "`alerts[0].labels`"),
        (
            with("/alerts/0/labels/severity", json!(1)),
            "`alerts[0].labels.severity`",
        ),
        (json!({"event": {}}).to_string(), "`event.event_type`"),
        (
            json!({"event": {"event_type": "incident.triggered"}}).to_string(),
            "`event.data`",
        ),
        (json!({"ruleName": "x"}).to_string(), "`state`"),
    ] {
        let got = post(&world.router(), "/api/v1/alerts", &body).await;
        assert_eq!(
            (got.status.as_u16(), got.code().as_str()),
            (400, "bad_alert"),
            "{body}"
        );
        assert!(got.text.contains(field), "{field} in {}", got.text);
    }
    let got = post(&world.router(), "/api/v1/alerts", "{").await;
    assert_eq!(got.code(), "bad_json");
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn a_thousand_alerts_fit_and_two_megabytes_do_not() {
    let mut body = alertmanager();
    let one = body["alerts"][0].clone();
    body["alerts"] = Value::Array(
        (0..1_000)
            .map(|n| {
                let mut alert = one.clone();
                alert["fingerprint"] = json!(format!("{n:016x}"));
                alert
            })
            .collect(),
    );
    let (_, _, alerts, _, _) = taken(&body).await;
    assert_eq!(alerts.len(), 1_000);
    let world = World::new();
    let large = format!("{{\"alerts\": \"{}\"}}", "x".repeat(2 << 20));
    let got = post(&world.router(), "/api/v1/alerts", &large).await;
    assert_eq!(got.status, 413);
}

#[tokio::test]
async fn a_marker_is_kept_with_who_and_when() {
    let world = World::new();
    let router = world.router();
    let body = r#"{"what": "deploy checkout", "version": "1.42", "by": "ci", "at": "2026-11-23T05:00:30Z", "link": "https://ci/42"}"#;
    let got = post(&router, "/api/v1/markers", body).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let Ask::Outside(FromOutside::Mark(marker)) = &world.asked()[0] else {
        panic!("{:?}", world.asked())
    };
    assert_eq!(marker.says(), "deploy checkout 1.42 (https://ci/42)");
    assert_eq!((marker.at, marker.by.as_str()), (common::at(30_000), "ci"));
    for (body, field) in [
        (r#"{"what": " ", "by": "ci"}"#, "what"),
        (r#"{"what": "x", "by": "ci", "at": "noon"}"#, "at"),
        (
            r#"{"what": "x", "by": "ci", "link": "javascript:alert(1)"}"#,
            "link",
        ),
        (r#"{"what": "x\ny", "by": "ci"}"#, "what"),
        (r#"{"what": "x"}"#, "by"),
        (r#"{"what": "x", "by": "ci", "colour": "red"}"#, "colour"),
    ] {
        let got = post(&router, "/api/v1/markers", body).await;
        assert_eq!(got.status, 400, "{body}");
        assert!(got.text.contains(field), "{field} in {}", got.text);
    }
    assert_eq!(world.asked().len(), 1);
}

#[tokio::test]
async fn a_silence_says_who_why_and_until_when() {
    let world = World::new();
    let router = world.router();
    let body = r#"{"by": "ann", "why": "upgrade", "for": "2h", "match": {"pool": ["app/*"], "severity": ["sev3"]}}"#;
    let got = post(&router, "/api/v1/silences", body).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let Ask::Outside(FromOutside::Silence {
        meant,
        from,
        until,
        by,
        why,
    }) = &world.asked()[0]
    else {
        panic!("{:?}", world.asked())
    };
    assert_eq!((by.as_str(), why.as_str(), *from), ("ann", "upgrade", None));
    assert_eq!(until.since(common::at(90_250)).as_secs(), 7_200);
    assert_eq!(meant.severity, [Severity::Sev3]);
    for (body, field) in [
        (r#"{"by": "ann", "why": "x"}"#, "until"),
        (r#"{"by": "ann", "for": "2h"}"#, "why"),
        (r#"{"by": "ann", "why": "x", "for": "2"}"#, "for"),
        (r#"{"by": "ann", "why": "x", "until": "tomorrow"}"#, "until"),
        (
            r#"{"by": "ann", "why": "x", "until": "2026-11-24T00:00:00Z", "for": "2h"}"#,
            "until",
        ),
        (
            r#"{"by": "ann", "why": "x", "for": "2h", "match": {"severity": ["bad"]}}"#,
            "match.severity",
        ),
        (
            r#"{"by": "ann", "why": "x", "for": "2h", "match": {"pools": ["a"]}}"#,
            "pools",
        ),
        (r#"{"why": "x", "for": "2h"}"#, "by"),
    ] {
        let got = post(&router, "/api/v1/silences", body).await;
        assert_eq!(got.status, 400, "{body}: {}", got.text);
        assert!(got.text.contains(field), "{field} in {}", got.text);
    }
    let got = delete(&router, "/api/v1/silences/S-1", r#"{"by": "ann"}"#).await;
    assert_eq!(got.status, 200, "{}", got.text);
    let got = delete(&router, "/api/v1/silences/M-1", r#"{"by": "ann"}"#).await;
    assert_eq!(
        (got.status.as_u16(), got.code().as_str()),
        (400, "from_the_file")
    );
    assert_eq!(get(&router, "/api/v1/silences").await.json(), json!([]));
}

#[tokio::test]
async fn an_incidents_escalation_can_be_asked_for() {
    let world = World::new();
    let got = get(&world.router(), "/api/v1/incidents/7/escalation")
        .await
        .json();
    assert_eq!(got["schema"], "weir.escalation/1");
    assert!(got["says"].as_str().unwrap().contains("no channels"));

    let target = Target {
        name: "pd".to_owned(),
        ..Target::new(Service::Webhook, "http://127.0.0.1:1")
    };
    let (board, _) = Switchboard::new(&[target], paging(), common::receiver::speaker());
    let mut settings = common::settings();
    settings.board = Some(Arc::new(board));
    let mut published = common::published();
    let mut incident = common::fresh_incident(7);
    let escalated = weir_control::incident::entry::Said::Escalated {
        to: "pd".to_owned(),
        says: String::new(),
        step: 1,
        channel: "pd".to_owned(),
    };
    let by = weir_control::incident::entry::By::Weir;
    incident
        .apply(&common::said(7, 2, by.clone(), escalated))
        .unwrap();
    let notified = weir_control::incident::entry::Said::Notified {
        channel: "pd".to_owned(),
        ok: true,
        says: "200 ok".to_owned(),
        step: Some(1),
        to: Some("pd".to_owned()),
    };
    incident.apply(&common::said(7, 3, by, notified)).unwrap();
    published.incidents = vec![Arc::new(incident)];
    let world = World::of(published);
    let router = Api::new(world.handle.clone(), &settings).router();
    let got = get(&router, "/api/v1/incidents/7/escalation").await.json();
    assert_eq!(got["policy"], "usual");
    assert_eq!(got["calls"][0]["channel"], "pd");
    assert_eq!(got["calls"][0]["taken"], true);
    assert_eq!(
        (&got["next"]["step"], &got["next"]["to"]),
        (&json!(2), &json!("pd"))
    );
    assert!(got["next"]["in_s"].as_f64().unwrap() > 0.0);
    assert_eq!(got["acknowledged"], Value::Null);
}

fn paging() -> Paging {
    use weir_control::notify::policy::{Matcher, Outside, Policy, Step};
    let step = |after| Step {
        to: "pd".to_owned(),
        after: std::time::Duration::from_secs(after),
        channel: None,
        hours: None,
        outside: Outside::Skip,
    };
    Paging {
        policies: vec![Policy {
            name: "usual".to_owned(),
            meant: Matcher::default(),
            steps: vec![step(0), step(300)],
            repeat: 0,
            repeat_after: std::time::Duration::from_secs(300),
            ack_expires: None,
        }],
        ..Paging::default()
    }
}

#[tokio::test]
async fn a_channel_is_tested_through_the_api() {
    let receiver = common::receiver::Receiver::answering(200, "ok").await;
    let target = Target {
        name: "chat".to_owned(),
        ..Target::new(Service::Slack, &receiver.url)
    };
    let (board, _) = Switchboard::new(&[target], Paging::default(), common::receiver::speaker());
    let mut settings = common::settings();
    settings.board = Some(Arc::new(board));
    let world = World::new();
    let router = Api::new(world.handle.clone(), &settings).router();
    let body = r#"{"channel": "chat", "by": "ann"}"#;
    let got = post(&router, "/api/v1/notify/test", body).await.json();
    assert_eq!((&got["ok"], &got["says"]), (&json!(true), &json!("200 ok")));
    let got = post(
        &router,
        "/api/v1/notify/test",
        r#"{"channel": "chatt", "by": "ann"}"#,
    )
    .await;
    assert_eq!(
        (got.status.as_u16(), got.code().as_str()),
        (404, "no_such_channel")
    );
    assert!(got.text.contains("there are chat"), "{}", got.text);
}
