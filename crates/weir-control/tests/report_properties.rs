//! Whatever the journal holds, the report is whole: it renders, its parts stand once and in order,
//! its ratios are ratios.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod report_support;

use proptest::prelude::*;
use weir_control::incident::entry::{
    ActionStatus, ActionText, ActionType, AlertStatus, By, ChartPoint, ClockName, Entry,
    IncidentId, Kind, NoteKind, Role, Said, Topic,
};
use weir_control::incident::{Incident, json};
use weir_control::record::window::ImpactWindow;
use weir_control::{notify, report};
use weir_model::{
    Cause, CauseFinding, Level, Order, PoolId, PoolKey, Remedy, RuledOut, Severity, Wall,
};

const PARTS: [&str; 5] = [
    "## 1. Issue summary",
    "## 2. Timeline",
    "## 3. Root cause",
    "## 4. Resolution and recovery",
    "## 5. Corrective and preventative measures",
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,40}",
        Just("## 1. Issue summary\n## 2. Timeline".to_owned()),
        Just("`</svg><script>` | ** \u{202e} \0".to_owned()),
    ]
}

fn wall() -> impl Strategy<Value = Wall> {
    prop_oneof![
        8 => (-100_000i64..10_000_000).prop_map(report_support::at),
        1 => any::<i64>().prop_map(Wall::from_micros),
    ]
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![
        Just(By::Weir),
        text().prop_map(By::Person),
        text().prop_map(By::System)
    ]
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn finding() -> impl Strategy<Value = CauseFinding> {
    (
        one_of(Cause::ALL),
        any::<f64>(),
        any::<f64>(),
        text(),
        text(),
        any::<bool>(),
    )
        .prop_map(
            |(cause, confidence, share, says, remedy, undo)| CauseFinding {
                cause,
                confidence,
                share,
                object: [("application".to_owned(), says.clone())].into(),
                evidence: vec![report_support::evidence(
                    &says,
                    &remedy,
                    confidence,
                    Some(share),
                    &says,
                    0,
                    1_000,
                )],
                says,
                remedy: Remedy {
                    says: remedy,
                    order: None,
                    undo: undo.then_some(Order::Resize {
                        pool: PoolId(0),
                        size: 3,
                    }),
                    safe_to_automate: undo,
                },
            },
        )
}

fn point() -> impl Strategy<Value = ChartPoint> {
    (wall(), any::<u32>(), 0u32..500, any::<f64>(), 0f64..20.0).prop_map(
        |(at, size, n, wait, held)| ChartPoint {
            at,
            size,
            active: n,
            waiting: n / 2,
            oldest_wait_s: wait,
            wait_p99_s: wait,
            arrivals: n,
            completions: n / 3,
            failures: n / 9,
            executing_s: held,
            thinking_s: wait,
            network_s: held / 7.0,
        },
    )
}

fn opened() -> impl Strategy<Value = Said> {
    (
        wall(),
        wall(),
        proptest::option::of(one_of(Level::ALL)),
        one_of(Severity::ALL),
        text(),
        text(),
        proptest::collection::vec(text(), 0..3),
        any::<bool>(),
        proptest::option::of(text()),
    )
        .prop_map(
            |(impact, detected, level, severity, objective, says, pools, baseline, title)| {
                Said::Opened {
                    kind: if title.is_some() {
                        Kind::Declared
                    } else {
                        Kind::Real
                    },
                    service: title.clone().filter(|title| title.len() % 2 == 0),
                    title,
                    level,
                    severity,
                    impact_started_at: impact,
                    detected_at: detected,
                    detected_by: "weir".to_owned(),
                    objective,
                    evidence: vec![report_support::evidence(&says, "m", 1.0, None, "q", 0, 1)],
                    baseline: baseline
                        .then(|| Box::new(shape(7, 3, 50).window(&PoolKey::new("a", "b")))),
                    pools: pools.iter().map(|p| PoolKey::new(p, p)).collect(),
                }
            },
        )
}

fn shape(arrivals_per_s: u64, completions_per_s: u64, seconds: u64) -> report_support::Shape {
    report_support::Shape {
        end_ms: 1_000_000,
        seconds,
        size: 10,
        active: 9.0,
        waiting_max: 12,
        arrivals_per_s,
        completions_per_s,
        executing_ms: 20,
        thinking_ms: 3,
        wait_ms: &[(3.0, 20)],
        failures: 2,
        abandoned: 1,
        idle_max_ms: 5_000,
    }
}

fn action_id() -> impl Strategy<Value = String> {
    prop_oneof![(0u32..12).prop_map(|n| format!("A{n}")), text()]
}

/// What people write.
fn people() -> impl Strategy<Value = Said> {
    let maybe = || proptest::option::of(text());
    let when = || proptest::option::of(wall());
    prop_oneof![
        text().prop_map(|says| Said::Reviewed { says }),
        text().prop_map(|says| Said::Closed { says }),
        text().prop_map(|says| Said::AckExpired { says }),
        (one_of(Role::ALL), text(), text()).prop_map(|(role, to, says)| Said::Assigned {
            role,
            to,
            says
        }),
        (text(), text(), when()).prop_map(|(impact, doing, next_update_at)| Said::StatusUpdate {
            says: format!("{impact} {doing}"),
            impact,
            doing,
            next_update_at,
        }),
        (one_of(ClockName::ALL), when(), when(), text()).prop_map(|(clock, from, to, says)| {
            Said::ClockCorrected {
                clock,
                from,
                to,
                says,
            }
        }),
        (any::<u64>(), text(), 0u32..3).prop_map(|(id, says, which)| {
            let id = IncidentId(id % 9);
            match which {
                0 => Said::MergedInto { into: id, says },
                1 => Said::Merged { from: id, says },
                _ => Said::Unmerged { with: id, says },
            }
        }),
        (
            any::<u64>(),
            text(),
            proptest::collection::vec(text(), 0..3)
        )
            .prop_map(|(to, says, open_actions)| Said::Related {
                to: IncidentId(to),
                says,
                open_actions,
            }),
        (
            action_id(),
            text(),
            text(),
            one_of(ActionType::ALL),
            maybe(),
            maybe()
        )
            .prop_map(|(id, says, for_what, kind, owner, due)| Said::ActionAdded {
                action: ActionText {
                    id,
                    verify: says.clone(),
                    says,
                    for_what,
                    kind,
                    due,
                    priority: "p1".to_owned(),
                    tracker: owner.clone(),
                    owner,
                },
            }),
        (
            action_id(),
            maybe(),
            maybe(),
            proptest::option::of(one_of(ActionStatus::ALL)),
            text()
        )
            .prop_map(|(id, owner, due, status, says)| Said::ActionChanged {
                id,
                priority: owner.clone(),
                tracker: due.clone(),
                verify: due.clone(),
                owner,
                due,
                status,
                says,
            }),
        (action_id(), any::<bool>(), text()).prop_map(|(id, ok, says)| Said::ActionVerified {
            id,
            ok,
            says,
            evidence: vec![]
        }),
        (one_of(Topic::ALL), text(), when()).prop_map(|(topic, says, happened_at)| Said::Stated {
            topic,
            says,
            happened_at
        }),
        (text(), text()).prop_map(|(question, says)| Said::Answered { question, says }),
        (
            text(),
            text(),
            text(),
            proptest::option::of(one_of(AlertStatus::ALL)),
            maybe()
        )
            .prop_map(|(says, source, fingerprint, status, link)| Said::Alert {
                says,
                source,
                fingerprint,
                status,
                link
            }),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    let size = || proptest::option::of(any::<u32>());
    prop_oneof![
        (one_of(Level::ALL), text()).prop_map(|(level, says)| Said::LevelChanged {
            level,
            says,
            evidence: vec![]
        }),
        (one_of(Severity::ALL), text())
            .prop_map(|(severity, says)| Said::SeverityChanged { severity, says }),
        (
            proptest::collection::vec(finding(), 0..4),
            one_of(Cause::ALL),
            text(),
            proptest::option::of(text()),
            proptest::option::of(wall())
        )
            .prop_map(
                |(causes, cause, says, trigger, trigger_at)| Said::Diagnosed {
                    causes,
                    ruled_out: vec![RuledOut {
                        cause,
                        says,
                        evidence: vec![]
                    }],
                    trigger,
                    trigger_at,
                }
            ),
        (text(), text(), any::<bool>(), size(), size()).prop_map(
            |(decision, says, acted, from_size, to_size)| Said::Decided {
                decision,
                because: says.clone(),
                expected: says.clone(),
                says,
                acted,
                from_size,
                to_size,
            }
        ),
        text().prop_map(|says| Said::Action {
            says,
            evidence: vec![]
        }),
        (
            text(),
            proptest::option::of(wall()),
            proptest::option::of(one_of(NoteKind::ALL))
        )
            .prop_map(|(says, happened_at, kind)| Said::Note {
                says,
                happened_at,
                kind
            }),
        people(),
        people(),
        text().prop_map(|says| Said::Acknowledged { says }),
        (text(), any::<bool>()).prop_map(|(says, ok)| Said::Notified {
            channel: "webhook".to_owned(),
            ok,
            says,
            step: ok.then_some(2),
            to: None,
        }),
        text().prop_map(|says| Said::Mitigated {
            says,
            evidence: vec![]
        }),
        text().prop_map(|says| Said::Resolved {
            says,
            evidence: vec![]
        }),
        text().prop_map(|says| Said::Reopened { says }),
        (
            any::<u32>(),
            any::<u32>(),
            any::<u32>(),
            proptest::option::of(any::<u32>()),
            0u64..400,
            0u64..400,
            0u64..100
        )
            .prop_map(
                |(all, delayed, failed, users, arrivals, completions, seconds)| Said::Measured {
                    impact: ImpactWindow {
                        transactions: u64::from(all),
                        delayed: u64::from(delayed),
                        failed: u64::from(failed),
                        clients: u64::from(all / 7),
                        clients_affected: u64::from(delayed),
                        users: users.map(u64::from),
                        users_affected: users.map(|_| u64::from(failed)),
                        events_lost: u64::from(failed % 3),
                    },
                    during: Box::new(
                        shape(arrivals, completions, seconds).window(&PoolKey::new("a", "b"))
                    ),
                    after: users.map(|_| Box::new(
                        shape(completions, arrivals, 1).window(&PoolKey::new("a", "b"))
                    )),
                    users_known_by: "x".to_owned(),
                    cut_in_transaction: users.map(u64::from),
                }
            ),
        proptest::collection::vec(point(), 0..30).prop_map(|points| Said::Series { points }),
        proptest::collection::vec(text(), 0..3).prop_map(|says| Said::Others { says }),
        (text(), text(), 0u32..4).prop_map(|(to, says, step)| Said::Escalated {
            channel: says.clone(),
            to,
            says,
            step
        }),
        Just(Said::Unknown),
    ]
}

fn journal() -> impl Strategy<Value = Vec<Entry>> {
    (
        opened(),
        proptest::collection::vec((wall(), by(), said()), 0..14),
    )
        .prop_map(|(opened, rest)| {
            let first = (report_support::at(500), By::Weir, opened);
            std::iter::once(first)
                .chain(rest)
                .enumerate()
                .map(|(index, (at, by, said))| Entry {
                    incident: IncidentId(3),
                    seq: index as u32 + 1,
                    at,
                    by,
                    said,
                })
                .collect()
        })
}

fn whole(incident: &Incident) {
    let markdown = report::markdown(incident);
    let headings: Vec<&str> = markdown.lines().filter(|l| l.starts_with("## ")).collect();
    assert_eq!(headings, PARTS);
    let html = report::html(incident);
    assert_eq!(html.matches("<h2 ").count(), 5);
    assert_eq!(html.matches("<h1>").count(), 1);
    assert!(!html.contains("<script"));
    assert!(!html.contains("NaN") && !markdown.contains("NaN"));
    for tag in ["svg", "table", "section", "figure", "details", "li", "code"] {
        let open =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(open, html.matches(&format!("</{tag}>")).count(), "<{tag}>");
    }
    for (_, svg) in report::charts(incident) {
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
    let document = json::document(incident);
    for cause in document["causes"].as_array().unwrap() {
        for key in ["share", "confidence"] {
            let ratio = cause[key].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&ratio), "{key} {ratio}");
        }
    }
    let actions = document["actions"].as_array().unwrap();
    assert!((1..=10).contains(&actions.len()));
    let of = |kind: &str| actions.iter().any(|a| a["type"] == kind);
    // Somebody may have written the same words down as another type.
    let adopted = incident.actions().iter().any(|action| action.adopted);
    assert!(adopted || of("prevent") && (of("detect") || of("mitigate")));
    assert!(document["questions"].is_array());
    assert!(!notify::page(incident).contains('\n'));
    every_message_fits(incident);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_prefix_of_any_journal_gives_a_whole_report(entries in journal(), cut in 1usize..15) {
        let cut = cut.min(entries.len());
        whole(&Incident::replay(&entries[..cut]).unwrap());
    }
}

#[test]
fn every_prefix_of_the_told_stories_gives_a_whole_report() {
    let stories = [
        report_support::pool_undersized(),
        report_support::idle_in_transaction(),
        report_support::server_down(),
        report_support::sparse(),
    ];
    for entries in stories {
        for cut in 1..=entries.len() {
            whole(&Incident::replay(&entries[..cut]).unwrap());
        }
    }
}

/// Words that parts 1 to 4 of a report don't use of their own (what people wrote is theirs), and
/// actions never begin with.
#[test]
fn the_words_blame_nobody_and_promise_something() {
    const HINDSIGHT: [&str; 8] = [
        "should have",
        "failed to",
        "if only",
        "obviously",
        "insufficient",
        "human error",
        "careless",
        "mistake",
    ];
    const VAGUE: [&str; 9] = [
        "explore",
        "investigate",
        "improve",
        "enhance",
        "ensure",
        "continuously",
        "regularly",
        "consider",
        "outage",
    ];
    for entries in [
        report_support::pool_undersized(),
        report_support::idle_in_transaction(),
        report_support::server_down(),
        report_support::sparse(),
    ] {
        let incident = Incident::replay(&entries).unwrap();
        let text = report::markdown(&incident).to_lowercase();
        let (first, last) = text.split_once("## 5. corrective").unwrap();
        for word in HINDSIGHT {
            assert!(!first.contains(word), "{word}");
        }
        for word in VAGUE {
            assert!(!last.contains(word) || word == "outage", "{word}");
        }
        assert!(!text.contains("outage"));
    }
    for &cause in Cause::ALL {
        let mut entries = report_support::sparse();
        entries.push(Entry {
            incident: IncidentId(1),
            seq: 2,
            at: report_support::at(900),
            by: By::Weir,
            said: Said::Diagnosed {
                causes: vec![CauseFinding {
                    cause,
                    confidence: 0.9,
                    share: 0.8,
                    object: Default::default(),
                    says: "x".to_owned(),
                    evidence: vec![],
                    remedy: Remedy {
                        says: String::new(),
                        order: None,
                        undo: None,
                        safe_to_automate: false,
                    },
                }],
                ruled_out: vec![],
                trigger: None,
                trigger_at: None,
            },
        });
        let incident = Incident::replay(&entries).unwrap();
        whole(&incident);
        for action in incident.actions() {
            let says = action.says.to_lowercase();
            assert!(!VAGUE.iter().any(|w| says.contains(w)), "{says}");
            assert!(!action.verify.is_empty());
        }
    }
}

/// Whatever a journal says, each channel's limits hold.
fn every_message_fits(incident: &Incident) {
    use notify::{Message, Speaker, What};
    let speaker = Speaker {
        external_url: "http://weir.example".to_owned(),
        cluster: "main".to_owned(),
        instance: "weir-1".to_owned(),
    };
    let runes = |value: &serde_json::Value| value.as_str().unwrap_or_default().chars().count();
    for what in [
        What::Opened,
        What::Changed,
        What::Called,
        What::Acknowledged,
        What::Resolved,
    ] {
        let mut message = Message::new(what, incident, &speaker);
        message.to = Some("oncall");
        message.step = Some(3);
        message.by = Some("ann");
        let _ = notify::alertmanager::alert(&message);
        let _ = notify::cloudevents::event(&message);
        let _ = notify::otlp::export(&message);
        let _ = (
            notify::grafana::annotation(&message, None, None),
            notify::grafana::patch(&message),
        );
        let event = notify::pagerduty::event(&message, "R0");
        assert!(event.to_string().len() <= notify::pagerduty::EVENT_MAX);
        assert!(runes(&event["dedup_key"]) <= notify::pagerduty::DEDUP_MAX);
        assert!(
            event["dedup_key"]
                .as_str()
                .unwrap()
                .ends_with(&incident.id.to_string())
        );
        assert!(runes(&event["payload"]["summary"]) <= notify::pagerduty::SUMMARY_MAX);
        let slack = notify::slack::message(&message);
        assert!(runes(&slack["text"]) > 0);
        for block in slack["blocks"].as_array().unwrap() {
            let most = match block["type"].as_str() {
                Some("header") => notify::slack::HEADER_MAX,
                _ => notify::slack::SECTION_MAX,
            };
            assert!(runes(&block["text"]["text"]) <= most);
            let fields = block["fields"].as_array().cloned().unwrap_or_default();
            assert!(fields.len() <= notify::slack::FIELDS_MAX);
            assert!(
                fields
                    .iter()
                    .all(|f| runes(&f["text"]) <= notify::slack::FIELD_MAX)
            );
        }
        let (_, alert) = notify::opsgenie::request(&message, Some("db"));
        assert!(runes(&alert["message"]) <= notify::opsgenie::MESSAGE_MAX);
        let letter = notify::email::Letter {
            from: "weir@example.org",
            to: &["a@example.org".to_owned()],
        };
        let mail = notify::email::letter(&message, letter, incident.last_at);
        assert!(mail.is_ascii() && mail.split("\r\n").all(|line| line.len() <= 998));
        assert_eq!(mail.matches("\r\nSubject: ").count(), 1);
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n']));
    }
}
