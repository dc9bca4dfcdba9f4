//! Whatever people ask for, in whatever order: what is granted is in the journal, what is refused
//! leaves no trace, and the journal alone gives the same incidents.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod life;

use std::cell::RefCell;
use std::collections::BTreeMap;

use life::Life;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use weir_control::handle::{
    ActionDetails, Ask, Declaration, DetectedBy, NewAction, OpenActions, Wish,
};
use weir_control::incident::entry::{ActionType, ClockName, IncidentId, NoteKind, Role, Topic};
use weir_control::incident::{Incident, Status, json};
use weir_control::report;
use weir_model::{Level, PoolKey, Severity, Wall};

/// A time around the beginning: some lie ahead.
fn time() -> impl Strategy<Value = Wall> {
    (-300i64..100).prop_map(|s| Wall::from_micros((1_700_000_000 + s) * 1_000_000))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        16 => "[a-z]{1,12}",
        1 => "\\PC{0,30}",
        1 => Just(" ".to_owned()),
        1 => Just("x".repeat(5_000)),
        1 => Just("two\nlines".to_owned()),
    ]
}

fn who() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => proptest::sample::select(vec!["ann", "bob", "cy", "dee", "eve", "Ann"]).prop_map(str::to_owned),
        1 => text(),
    ]
}

fn action_id() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => (1u32..4).prop_map(|n| format!("A{n}")),
        1 => text(),
    ]
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn details() -> impl Strategy<Value = ActionDetails> {
    let verify = prop_oneof![
        Just("metric: pool app/web size >= 1 for 10s".to_owned()),
        Just("metric: pool app/web size".to_owned()),
        Just("drill: lock-pileup".to_owned()),
        text(),
    ];
    (
        proptest::option::of(text()),
        proptest::option::of(proptest::sample::select(vec![
            "2030-01-01",
            "1990-01-01",
            "soon",
        ])),
        proptest::option::of(proptest::sample::select(vec!["p1", "p1", "p1", "p9"])),
        proptest::option::of(proptest::sample::select(vec![
            "https://t/1",
            "https://t/1",
            "https://t/1",
            "t1",
        ])),
        proptest::option::of(verify),
    )
        .prop_map(|(owner, due, priority, tracker, verify)| ActionDetails {
            owner,
            due: due.map(str::to_owned),
            priority: priority.map(str::to_owned),
            tracker: tracker.map(str::to_owned),
            verify,
        })
}

fn wish() -> BoxedStrategy<Wish> {
    let at = || proptest::option::of(time());
    let moves = prop_oneof![
        1 => text().prop_map(|text| Wish::Acknowledge { text }),
        1 => (text(), at()).prop_map(|(text, at)| Wish::Mitigate { text, at }),
        2 => (text(), at()).prop_map(|(text, at)| Wish::Resolve { text, at }),
        2 => (text(), any::<bool>()).prop_map(|(text, anyway)| Wish::Review { text, anyway }),
        2 => (
            text(),
            one_of(&[
                OpenActions::Refuse,
                OpenActions::Decline,
                OpenActions::Leave
            ])
        )
            .prop_map(|(text, open_actions)| Wish::Close { text, open_actions }),
        1 => text().prop_map(|text| Wish::Reopen { text }),
        1 => (1u64..4, text()).prop_map(|(into, text)| Wish::Merge {
            into: IncidentId(into),
            text
        }),
        1 => text().prop_map(|text| Wish::Unmerge { text }),
    ];
    let words = prop_oneof![
        (text(), at(), proptest::option::of(one_of(NoteKind::ALL))).prop_map(
            |(text, happened_at, kind)| Wish::Note {
                text,
                happened_at,
                kind
            }
        ),
        (one_of(Role::ALL), text(), text()).prop_map(|(role, to, text)| Wish::Assign {
            role,
            to,
            text
        }),
        (one_of(ClockName::ALL), at(), text()).prop_map(|(clock, to, text)| Wish::Correct {
            clock,
            to,
            text
        }),
        (proptest::option::of(text()), text(), at()).prop_map(|(impact, doing, next)| {
            Wish::Update {
                impact,
                doing,
                next_update_at: next,
            }
        }),
        (one_of(Topic::ALL), text(), at()).prop_map(|(topic, text, happened_at)| Wish::State {
            topic,
            text,
            happened_at
        }),
        (
            prop_oneof![(0u32..9).prop_map(|n| n.to_string()), text()],
            text()
        )
            .prop_map(|(question, text)| Wish::Answer { question, text }),
    ];
    let actions =
        prop_oneof![
            (text(), one_of(ActionType::ALL), text(), details()).prop_map(
                |(says, kind, for_what, details)| Wish::AddAction(NewAction {
                    says,
                    kind,
                    for_what,
                    priority: "p2".to_owned(),
                    details
                })
            ),
            proptest::collection::vec(action_id(), 0..3).prop_map(|ids| Wish::AdoptActions { ids }),
            (action_id(), details(), text()).prop_map(|(action, details, text)| {
                Wish::ChangeAction {
                    action,
                    details,
                    text,
                }
            }),
            (action_id(), text()).prop_map(|(action, text)| Wish::ActionDone { action, text }),
            (action_id(), text()).prop_map(|(action, text)| Wish::ActionDeclined { action, text }),
            (action_id(), text()).prop_map(|(action, text)| Wish::ActionReopened { action, text }),
            (action_id(), any::<bool>(), text())
                .prop_map(|(action, ok, text)| Wish::ActionChecked { action, ok, text }),
        ];
    prop_oneof![3 => moves.boxed(), 2 => words.boxed(), 2 => actions.boxed()].boxed()
}

fn declaration() -> impl Strategy<Value = Ask> {
    (
        who(),
        text(),
        proptest::option::of(text()),
        one_of(Severity::ALL),
        proptest::option::of(time()),
        proptest::option::of(time()),
        proptest::option::of(one_of(Level::ALL)),
        proptest::option::of(proptest::sample::select(vec!["web", "nobody"])),
    )
        .prop_map(
            |(by, title, service, severity, began, detected, level, user)| {
                Ask::Declare(Box::new(Declaration {
                    by,
                    title,
                    service,
                    severity,
                    impact_started_at: began,
                    detected_at: detected,
                    level,
                    pool: user.map(|user| PoolKey::new("app", user)),
                    detected_by: DetectedBy::Alert,
                    text: String::new(),
                }))
            },
        )
}

#[derive(Clone, Debug)]
enum Step {
    Asks(Ask),
    /// Seconds of life, and how many servers the clients need.
    Lives(u32, u32),
    Restarts,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => declaration().prop_map(Step::Asks).boxed(),
        20 => (proptest::sample::select(vec![1u64, 1, 1, 1, 2, 2, 3, 9]), who(), wish()).prop_map(|(id, by, wish)| Step::Asks(Ask::Wish {
            id: IncidentId(id),
            by,
            wish: Box::new(wish),
        })),
        2 => (1u32..15, proptest::sample::select(vec![6u32, 16]))
            .prop_map(|(seconds, need)| Step::Lives(seconds, need)),
        1 => Just(Step::Restarts),
    ]
}

fn replayed(life: &Life, id: IncidentId) -> Incident {
    let journal: Vec<_> = life
        .entries
        .iter()
        .filter(|entry| entry.incident == id)
        // As the store keeps them.
        .map(|entry| serde_json::to_string(entry).unwrap())
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect();
    Incident::replay(&journal).unwrap()
}

/// What was granted, by name; the test means little if some kind of wish never is.
type Granted = BTreeMap<String, u32>;

fn name(ask: &Ask) -> String {
    match ask {
        Ask::Wish { wish, .. } => format!("{wish:?}")
            .split([' ', '('])
            .next()
            .unwrap_or_default()
            .to_owned(),
        _ => "Declare".to_owned(),
    }
}

#[test]
fn the_journal_is_the_only_way_that_anything_changes() {
    let granted = RefCell::new(Granted::new());
    let mut runner = TestRunner::new(Config {
        cases: 192,
        failure_persistence: None,
        ..Config::default()
    });
    let lives = proptest::collection::vec(step(), 1..80);
    let told = runner.run(&lives, |steps| lived(steps, &mut granted.borrow_mut()));
    if let Err(fault) = told {
        panic!("{fault}");
    }
    let granted = granted.into_inner();
    let never: Vec<&str> = WISHES
        .into_iter()
        .filter(|name| !granted.contains_key(*name))
        .collect();
    assert!(never.is_empty(), "never granted: {never:?} of {granted:?}");
}

const WISHES: [&str; 22] = [
    "Acknowledge",
    "ActionChecked",
    "ActionDeclined",
    "ActionDone",
    "ActionReopened",
    "AddAction",
    "AdoptActions",
    "Answer",
    "Assign",
    "ChangeAction",
    "Close",
    "Correct",
    "Declare",
    "Merge",
    "Mitigate",
    "Note",
    "Reopen",
    "Resolve",
    "Review",
    "State",
    "Unmerge",
    "Update",
];

fn lived(steps: Vec<Step>, granted: &mut Granted) -> Result<(), TestCaseError> {
    let mut life = Life::new();
    life.lives(5, 6);
    for _ in 0..2 {
        let declared = Declaration {
            by: "ann".to_owned(),
            title: "checkout fails".to_owned(),
            service: None,
            severity: Severity::Sev3,
            impact_started_at: None,
            detected_at: None,
            level: None,
            pool: None,
            detected_by: DetectedBy::Person,
            text: "first words".to_owned(),
        };
        life.says(Ask::Declare(Box::new(declared))).unwrap();
    }
    for step in steps {
        match step {
            Step::Lives(seconds, need) => life.lives(seconds, need),
            Step::Restarts => life.restarts(),
            Step::Asks(ask) => {
                let before: Vec<Incident> = life.core.incidents().map(|i| (**i).clone()).collect();
                let wished = name(&ask);
                // `says` fails where a refusal has done anything.
                if let Err(why) = life.says(ask) {
                    prop_assert!(!why.trim().is_empty());
                    let after: Vec<Incident> =
                        life.core.incidents().map(|i| (**i).clone()).collect();
                    prop_assert_eq!(&before, &after, "{}", why);
                } else {
                    *granted.entry(wished).or_default() += 1;
                }
            }
        }
    }
    let published = life.core.publish();
    let ids: Vec<IncidentId> = life.core.incidents().map(|i| i.id).collect();
    for id in ids {
        let incident = life.core.incident(id).unwrap();
        let told = replayed(&life, id);
        prop_assert_eq!(json::document(&told), json::document(incident));
        prop_assert_eq!(&told, &**incident);
        // Whatever was merged into whatever, somebody answers for it, in the list, once.
        let answers = published.incident(id).unwrap();
        prop_assert!(!answers.is_merged());
        prop_assert_eq!(
            published
                .incidents
                .iter()
                .filter(|i| i.id == answers.id)
                .count(),
            1
        );
        let clocks = incident.clocks();
        prop_assert!(clocks.detected_at >= clocks.impact_started_at);
        if let (Some(mitigated), Some(resolved)) = (clocks.mitigated_at, clocks.resolved_at)
            && incident.status >= Status::Resolved
        {
            prop_assert!(mitigated <= resolved, "{:?}", incident.corrections);
        }
        prop_assert!(report::markdown(incident).contains("## 5. Corrective"));
        prop_assert!(incident.adopted.iter().all(|a| !a.says.is_empty()));
    }
    Ok(())
}
