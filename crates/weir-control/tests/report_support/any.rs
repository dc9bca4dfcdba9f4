//! Any journal: all kinds of entries, in any order, with any number and any time. The texts come
//! from whoever tests, since what people typed is judged otherwise than what a machine said.

use proptest::prelude::*;
use weir_control::incident::entry::{
    ActionStatus, ActionText, ActionType, AlertStatus, By, ChartPoint, ClockName, Entry,
    IncidentId, Kind, NoteKind, Role, Said, Topic,
};
use weir_control::record::window::ImpactWindow;
use weir_model::{
    Cause, CauseFinding, Level, Order, PoolId, PoolKey, Remedy, RuledOut, Severity, Wall,
};

use super::{Shape, at, evidence};

/// What a text stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// A machine made it: a statement, a host, a pool, an error.
    Machine,
    /// Another system's alert.
    Outside,
    /// Of a person or a team.
    Name,
    /// What an incident is called.
    Title,
    /// A service.
    Service,
    /// What happened, or why something was done.
    Remark,
    /// For a part of the report.
    Stated(Topic),
    /// An action.
    Deed,
    /// Why there is an action: `cause`, `F1, F2`.
    For,
    /// How an action is verified.
    Verify,
    /// A date.
    Due,
    /// `p1`.
    Priority,
    /// An address.
    Link,
    /// `A7`.
    ActionId,
}

/// What a journal is made of.
#[derive(Clone, Copy)]
pub(crate) struct Texts {
    /// Makes texts.
    pub(crate) make: fn(Field) -> BoxedStrategy<String>,
    /// Times and counts that no clock shows and no recorder counts, too: years before Christ,
    /// more transactions delayed than there were, an incident without level and without title.
    pub(crate) impossible: bool,
}

impl Texts {
    fn of(self, field: Field) -> BoxedStrategy<String> {
        (self.make)(field)
    }

    /// From the first of what was seen to the opening; days before, at times.
    fn past(self) -> BoxedStrategy<Wall> {
        if self.impossible {
            return self.wall();
        }
        prop_oneof![8 => (-100_000i64..500).prop_map(at), 2 => (-400_000_000i64..500).prop_map(at)]
            .boxed()
    }

    fn wall(self) -> BoxedStrategy<Wall> {
        let near = (-100_000i64..10_000_000).prop_map(at);
        if self.impossible {
            prop_oneof![8 => near, 1 => any::<i64>().prop_map(Wall::from_micros)].boxed()
        } else {
            // Of what was written down after the onset.
            let days = (500i64..400_000_000).prop_map(at);
            prop_oneof![8 => (500i64..10_000_000).prop_map(at), 2 => days].boxed()
        }
    }
}

/// Texts that mean something in Markdown, HTML or a terminal.
pub(crate) fn hostile() -> BoxedStrategy<String> {
    prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,40}",
        Just("## 1. Issue summary\n## 2. Timeline".to_owned()),
        Just("`</svg><script>` | ** \u{202e} \0".to_owned()),
    ]
    // Tests look for numbers that are none by this word.
    .prop_map(|text| text.replace("NaN", "nan"))
    .boxed()
}

/// Hostile all over.
pub(crate) const HOSTILE: Texts = Texts {
    make: |_| hostile(),
    impossible: true,
};

fn by(texts: Texts) -> impl Strategy<Value = By> {
    prop_oneof![
        Just(By::Weir),
        texts.of(Field::Name).prop_map(By::Person),
        texts.of(Field::Machine).prop_map(By::System)
    ]
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

fn finding(texts: Texts) -> impl Strategy<Value = CauseFinding> {
    (
        one_of(Cause::ALL),
        any::<f64>(),
        any::<f64>(),
        texts.of(Field::Machine),
        texts.of(Field::Machine),
        any::<bool>(),
    )
        .prop_map(
            |(cause, confidence, share, says, remedy, undo)| CauseFinding {
                cause,
                confidence,
                share,
                object: [("application".to_owned(), says.clone())].into(),
                evidence: vec![evidence(
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

fn point(texts: Texts) -> impl Strategy<Value = ChartPoint> {
    (
        texts.wall(),
        any::<u32>(),
        0u32..500,
        any::<f64>(),
        0f64..20.0,
    )
        .prop_map(|(at, size, n, wait, held)| ChartPoint {
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
        })
}

fn opened(texts: Texts) -> impl Strategy<Value = Said> {
    (
        texts.past(),
        texts.past(),
        proptest::option::of(one_of(Level::ALL)),
        one_of(Severity::ALL),
        texts.of(Field::Machine),
        texts.of(Field::Machine),
        proptest::collection::vec(texts.of(Field::Machine), 0..3),
        any::<bool>(),
        proptest::option::of((
            texts.of(Field::Title),
            proptest::option::of(texts.of(Field::Service)),
        )),
    )
        .prop_map(
            move |(impact, detected, level, severity, objective, says, pools, baseline, title)| {
                // What no detector saw has a name that somebody gave it.
                let level = match (level, &title) {
                    (None, None) if !texts.impossible => Some(Level::Stalled),
                    (level, _) => level,
                };
                // Nobody sees what has not begun.
                let impact = if texts.impossible {
                    impact
                } else {
                    impact.min(detected)
                };
                Said::Opened {
                    kind: if title.is_some() {
                        Kind::Declared
                    } else {
                        Kind::Real
                    },
                    service: title.as_ref().and_then(|(_, service)| service.clone()),
                    title: title.map(|(title, _)| title),
                    level,
                    severity,
                    impact_started_at: impact,
                    detected_at: detected,
                    detected_by: "weir".to_owned(),
                    objective,
                    evidence: vec![evidence(&says, "m", 1.0, None, "q", 0, 1)],
                    baseline: baseline
                        .then(|| Box::new(shape(7, 3, 50).window(&PoolKey::new("a", "b")))),
                    pools: pools.iter().map(|p| PoolKey::new(p, p)).collect(),
                }
            },
        )
}

fn shape(arrivals_per_s: u64, completions_per_s: u64, seconds: u64) -> Shape {
    Shape {
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

/// What people write.
fn people(texts: Texts) -> impl Strategy<Value = Said> {
    let maybe = move |field| proptest::option::of(texts.of(field));
    let when = move || proptest::option::of(texts.wall());
    prop_oneof![
        texts
            .of(Field::Remark)
            .prop_map(|says| Said::Reviewed { says }),
        texts
            .of(Field::Remark)
            .prop_map(|says| Said::Closed { says }),
        texts
            .of(Field::Machine)
            .prop_map(|says| Said::AckExpired { says }),
        (
            one_of(Role::ALL),
            texts.of(Field::Name),
            texts.of(Field::Remark)
        )
            .prop_map(|(role, to, says)| Said::Assigned { role, to, says }),
        (texts.of(Field::Remark), texts.of(Field::Remark), when()).prop_map(
            |(impact, doing, next_update_at)| Said::StatusUpdate {
                says: format!("{impact} {doing}"),
                impact,
                doing,
                next_update_at,
            }
        ),
        (
            one_of(ClockName::ALL),
            when(),
            when(),
            texts.of(Field::Remark)
        )
            .prop_map(|(clock, from, to, says)| {
                Said::ClockCorrected {
                    clock,
                    from,
                    to,
                    says,
                }
            }),
        (any::<u64>(), texts.of(Field::Remark), 0u32..3).prop_map(|(id, says, which)| {
            let id = IncidentId(id % 9);
            match which {
                0 => Said::MergedInto { into: id, says },
                1 => Said::Merged { from: id, says },
                _ => Said::Unmerged { with: id, says },
            }
        }),
        (
            any::<u64>(),
            texts.of(Field::Machine),
            proptest::collection::vec(texts.of(Field::Deed), 0..3)
        )
            .prop_map(|(to, says, open_actions)| Said::Related {
                to: IncidentId(to),
                says,
                open_actions,
            }),
        (
            (
                texts.of(Field::ActionId),
                texts.of(Field::Deed),
                texts.of(Field::For)
            ),
            one_of(ActionType::ALL),
            maybe(Field::Name),
            maybe(Field::Due),
            (
                texts.of(Field::Priority),
                maybe(Field::Link),
                texts.of(Field::Verify)
            ),
        )
            .prop_map(
                |((id, says, for_what), kind, owner, due, (priority, tracker, verify))| {
                    Said::ActionAdded {
                        action: ActionText {
                            id,
                            says,
                            for_what,
                            kind,
                            owner,
                            due,
                            priority,
                            tracker,
                            verify,
                        },
                    }
                }
            ),
        (
            (texts.of(Field::ActionId), texts.of(Field::Remark)),
            maybe(Field::Name),
            maybe(Field::Due),
            (
                maybe(Field::Priority),
                maybe(Field::Link),
                maybe(Field::Verify)
            ),
            proptest::option::of(one_of(ActionStatus::ALL)),
        )
            .prop_map(
                |((id, says), owner, due, (priority, tracker, verify), status)| {
                    Said::ActionChanged {
                        id,
                        owner,
                        due,
                        priority,
                        tracker,
                        verify,
                        status,
                        says,
                    }
                }
            ),
        (
            texts.of(Field::ActionId),
            any::<bool>(),
            texts.of(Field::Machine)
        )
            .prop_map(|(id, ok, says)| Said::ActionVerified {
                id,
                ok,
                says,
                evidence: vec![]
            }),
        one_of(Topic::ALL)
            .prop_flat_map(move |topic| (Just(topic), texts.of(Field::Stated(topic)), when()))
            .prop_map(|(topic, says, happened_at)| Said::Stated {
                topic,
                says,
                happened_at
            }),
        (texts.of(Field::Remark), texts.of(Field::Remark))
            .prop_map(|(question, says)| Said::Answered { question, says }),
        (
            texts.of(Field::Outside),
            texts.of(Field::Machine),
            texts.of(Field::Machine),
            proptest::option::of(one_of(AlertStatus::ALL)),
            maybe(Field::Machine)
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

fn said(texts: Texts) -> impl Strategy<Value = Said> {
    // Said by a person, or by a machine in a person's place.
    let either = move || prop_oneof![texts.of(Field::Remark), texts.of(Field::Machine)];
    let size = || proptest::option::of(any::<u32>());
    prop_oneof![
        (one_of(Level::ALL), texts.of(Field::Machine)).prop_map(|(level, says)| {
            Said::LevelChanged {
                level,
                says,
                evidence: vec![],
            }
        }),
        (one_of(Severity::ALL), either())
            .prop_map(|(severity, says)| Said::SeverityChanged { severity, says }),
        (
            proptest::collection::vec(finding(texts), 0..4),
            one_of(Cause::ALL),
            texts.of(Field::Machine),
            proptest::option::of(texts.of(Field::Machine)),
            proptest::option::of(texts.wall())
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
        (
            texts.of(Field::Machine),
            texts.of(Field::Machine),
            any::<bool>(),
            size(),
            size()
        )
            .prop_map(
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
        either().prop_map(|says| Said::Action {
            says,
            evidence: vec![]
        }),
        (
            either(),
            proptest::option::of(texts.wall()),
            proptest::option::of(one_of(NoteKind::ALL)),
            any::<bool>()
        )
            .prop_flat_map(move |(says, happened_at, kind, before)| {
                // What stops no clock may have been before the onset.
                let free = kind.is_none_or(|kind| {
                    matches!(
                        kind,
                        NoteKind::Marker
                            | NoteKind::Escalated
                            | NoteKind::Update
                            | NoteKind::Action
                    )
                });
                let at = if free && before {
                    texts.past()
                } else {
                    Just(happened_at.unwrap_or(at(500))).boxed()
                };
                (Just(says), proptest::option::of(at), Just(kind))
            })
            .prop_map(|(says, happened_at, kind)| Said::Note {
                says,
                happened_at,
                kind
            }),
        people(texts),
        people(texts),
        either().prop_map(|says| Said::Acknowledged { says }),
        (texts.of(Field::Machine), any::<bool>()).prop_map(|(says, ok)| Said::Notified {
            channel: "webhook".to_owned(),
            ok,
            says,
            step: ok.then_some(2),
            to: None,
        }),
        either().prop_map(|says| Said::Mitigated {
            says,
            evidence: vec![]
        }),
        either().prop_map(|says| Said::Resolved {
            says,
            evidence: vec![]
        }),
        either().prop_map(|says| Said::Reopened { says }),
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
        proptest::collection::vec(point(texts), 0..30).prop_map(|points| Said::Series { points }),
        proptest::collection::vec(texts.of(Field::Machine), 0..3)
            .prop_map(|says| Said::Others { says }),
        (texts.of(Field::Name), texts.of(Field::Machine), 0u32..4).prop_map(|(to, says, step)| {
            Said::Escalated {
                channel: says.clone(),
                to,
                says,
                step,
            }
        }),
        Just(Said::Unknown),
    ]
}

/// A part is no larger than its whole, and nothing is over before it begins.
fn possible(said: &mut Said) {
    match said {
        Said::Measured { impact, .. } => {
            impact.delayed = impact.delayed.min(impact.transactions);
            impact.failed = impact.failed.min(impact.transactions);
            impact.clients_affected = impact.clients_affected.min(impact.clients);
            impact.users_affected = impact
                .users_affected
                .zip(impact.users)
                .map(|(hurt, all)| hurt.min(all));
        }
        Said::ClockCorrected {
            clock: ClockName::ImpactStarted,
            to: Some(to),
            ..
        } => *to = (*to).min(at(500)),
        _ => {}
    }
}

/// Any journal with these texts.
pub(crate) fn journal(texts: Texts) -> impl Strategy<Value = Vec<Entry>> {
    (
        opened(texts),
        proptest::collection::vec((texts.wall(), by(texts), said(texts)), 0..14),
    )
        .prop_map(move |(opened, mut rest)| {
            if !texts.impossible {
                rest.sort_by_key(|(at, _, _)| *at);
                rest.iter_mut().for_each(|(_, _, said)| possible(said));
                let mut over = false;
                rest.retain(|(_, _, said)| match said {
                    Said::Resolved { .. } => {
                        over = true;
                        true
                    }
                    Said::Reopened { .. } => {
                        over = false;
                        true
                    }
                    // Only what is over is reviewed and closed.
                    Said::Reviewed { .. } | Said::Closed { .. } => over,
                    _ => true,
                });
            }
            let first = (at(500), By::Weir, opened);
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
