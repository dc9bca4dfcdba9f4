//! Who is called next, and when: the escalation as a function of what happened and the time.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use weir_control::incident::Incident;
use weir_control::incident::called::Turn;
use weir_control::incident::entry::{By, Entry, IncidentId, Kind, Said};
use weir_control::notify::announce::{Manner, Wants};
use weir_control::notify::escalate::{Do, Next, State};
use weir_control::notify::hours::Hours;
use weir_control::notify::policy::{Contact, Matcher, Outside, Paging, Policy, Step};
use weir_control::notify::silence::Silence;
use weir_model::{Level, PoolKey, Severity, Wall};

/// Monday, 2026-11-23T05:00:00Z.
const ZERO: Wall = Wall::from_micros(1_795_410_000_000_000);

fn s(seconds: u64) -> Wall {
    ZERO.after(Duration::from_secs(seconds))
}

fn step(to: &str, after: u64) -> Step {
    Step {
        to: to.to_owned(),
        after: Duration::from_secs(after),
        channel: None,
        hours: None,
        outside: Outside::Skip,
    }
}

fn contact(name: &str, channels: &[&str]) -> Contact {
    Contact {
        name: name.to_owned(),
        channels: channels.iter().map(|c| (*c).to_owned()).collect(),
        hours: None,
        outside: Outside::Skip,
    }
}

/// oncall at once, dba after five minutes, boss after ten; for sev1 somebody else.
fn paging() -> Paging {
    let policy = |name: &str, severity: &[Severity], steps| Policy {
        name: name.to_owned(),
        meant: Matcher {
            severity: severity.to_vec(),
            ..Matcher::default()
        },
        steps,
        repeat: 0,
        repeat_after: Duration::from_secs(300),
        ack_expires: Some(Duration::from_secs(1_800)),
    };
    Paging {
        contacts: vec![
            contact("oncall", &["pagerduty", "slack"]),
            contact("dba", &["sms"]),
            contact("boss", &["mail"]),
        ],
        policies: vec![
            policy("disaster", &[Severity::Sev1], vec![step("boss", 0)]),
            policy(
                "usual",
                &[],
                vec![step("oncall", 0), step("dba", 300), step("boss", 600)],
            ),
        ],
        maintenance: vec![],
    }
}

fn wants() -> Vec<Wants> {
    ["pagerduty", "slack", "sms", "mail"]
        .into_iter()
        .map(|channel| Wants {
            channel: channel.to_owned(),
            manner: Manner {
                reaches_people: true,
                records: false,
                updates_quietly: false,
            },
            only: vec![],
            announce: false,
            drills: false,
        })
        .collect()
}

fn opened(kind: Kind) -> Incident {
    let entry = Entry {
        incident: IncidentId(7),
        seq: 1,
        at: ZERO,
        by: By::Weir,
        said: Said::Opened {
            kind,
            pools: vec![PoolKey::new("app", "dashboard")],
            level: Some(Level::Exhausted),
            severity: Severity::Sev3,
            impact_started_at: ZERO,
            detected_at: ZERO,
            detected_by: "weir".to_owned(),
            objective: "99% of waits < 10ms".to_owned(),
            evidence: vec![],
            baseline: None,
            title: None,
            service: None,
        },
    };
    Incident::replay(&[entry]).unwrap()
}

/// An incident's escalation, with its journal written as Weir would.
struct Story {
    incident: Incident,
    paging: Paging,
    silences: Vec<Silence>,
    wants: Vec<Wants>,
    state: State,
    told: Vec<String>,
}

impl Story {
    fn new() -> Self {
        Self::of(opened(Kind::Real), paging())
    }

    fn of(incident: Incident, paging: Paging) -> Self {
        let state = State::of(&incident, &paging);
        Self {
            incident,
            paging,
            silences: vec![],
            wants: wants(),
            state,
            told: vec![],
        }
    }

    fn write(&mut self, at: Wall, by: By, said: Said) {
        let seq = self.incident.seq + 1;
        let entry = Entry {
            incident: IncidentId(7),
            seq,
            at,
            by,
            said,
        };
        self.incident.apply(&entry).unwrap();
        if let Some(turn) = Turn::of(&entry) {
            self.state.take(at, &turn, &self.incident, &self.paging);
        }
    }

    /// Does everything that is due; what that was, and when it wants to be asked again.
    fn at(&mut self, seconds: u64) -> (Vec<String>, Option<u64>) {
        let now = s(seconds);
        let mut done = Vec::new();
        loop {
            let next = self.state.next(
                &self.incident,
                &self.paging,
                &self.silences,
                &self.wants,
                now,
            );
            match next {
                Next::Wait { until, .. } => {
                    self.told.extend(done.iter().cloned());
                    return (done, until.map(|until| until.since(ZERO).as_secs()));
                }
                Next::Do(Do::Call {
                    step,
                    to,
                    channel,
                    says,
                }) => {
                    done.push(format!("{step} {to} {channel}"));
                    self.write(
                        now,
                        By::Weir,
                        Said::Escalated {
                            to,
                            says,
                            step,
                            channel,
                        },
                    );
                }
                Next::Do(Do::Pass { step, to, says }) => {
                    done.push(format!("{step} not {to}: {says}"));
                    let channel = String::new();
                    self.write(
                        now,
                        By::Weir,
                        Said::Escalated {
                            to,
                            says,
                            step,
                            channel,
                        },
                    );
                }
                Next::Do(Do::Expire { says }) => {
                    done.push("expired".to_owned());
                    self.write(now, By::Weir, Said::AckExpired { says });
                }
                Next::Do(Do::Silenced { says }) => {
                    done.push(format!("quiet: {says}"));
                    let says = format!("nobody is paged: {says}");
                    self.write(now, By::Weir, Said::remark(says));
                }
            }
            assert!(done.len() < 50, "{done:?}");
        }
    }

    fn answered(&mut self, seconds: u64, step: u32, channel: &str, ok: bool) {
        let said = Said::Notified {
            channel: channel.to_owned(),
            ok,
            says: String::new(),
            step: Some(step),
            to: None,
        };
        self.write(s(seconds), By::Weir, said);
    }

    fn acknowledged(&mut self, seconds: u64) {
        let said = Said::Acknowledged {
            says: String::new(),
        };
        self.write(s(seconds), By::Person("ann".to_owned()), said);
    }

    /// What a restart would make of the journal is what goes on.
    fn restarted(&mut self) {
        self.state = State::of(&self.incident, &self.paging);
    }
}

fn calls(done: &[&str]) -> Vec<String> {
    done.iter().map(|d| (*d).to_owned()).collect()
}

#[test]
fn every_step_is_called_at_its_own_time() {
    let mut story = Story::new();
    assert_eq!(story.at(0), (calls(&["1 oncall pagerduty"]), Some(300)));
    story.answered(1, 1, "pagerduty", true);
    assert_eq!(story.at(299), (vec![], Some(300)));
    assert_eq!(story.at(300), (calls(&["2 dba sms"]), Some(600)));
    story.answered(301, 2, "sms", true);
    assert_eq!(story.at(600), (calls(&["3 boss mail"]), None));
    story.answered(601, 3, "mail", true);
    assert_eq!(story.at(9_999), (vec![], None));
}

#[test]
fn a_channel_that_says_nothing_delays_nobody() {
    let mut story = Story::new();
    story.at(0);
    assert_eq!(story.at(300).0, calls(&["2 dba sms"]));
    assert_eq!(story.at(600).0, calls(&["3 boss mail"]));
}

#[test]
fn a_failed_call_is_made_elsewhere_at_once_and_then_the_next_step_comes_early() {
    let mut story = Story::new();
    story.at(0);
    story.answered(1, 1, "pagerduty", false);
    assert_eq!(story.at(1), (calls(&["1 oncall slack"]), Some(300)));
    story.answered(2, 1, "slack", false);
    // The boss comes at his own time all the same.
    assert_eq!(story.at(2), (calls(&["2 dba sms"]), Some(600)));
    story.answered(3, 2, "sms", true);
    assert_eq!(story.at(599), (vec![], Some(600)));
    assert_eq!(story.at(600).0, calls(&["3 boss mail"]));
}

#[test]
fn an_acknowledgement_stops_all_calls_until_it_expires() {
    let mut story = Story::new();
    story.at(0);
    story.answered(1, 1, "pagerduty", true);
    story.acknowledged(60);
    assert_eq!(story.at(60), (vec![], Some(1_860)));
    assert_eq!(story.at(1_859), (vec![], Some(1_860)));
    // It goes on with the next step, at once, and keeps the distance to the one after.
    assert_eq!(
        story.at(1_860),
        (calls(&["expired", "2 dba sms"]), Some(2_160))
    );
    story.acknowledged(1_900);
    assert_eq!(story.at(9_000).0[0], "expired");
}

#[test]
fn a_late_answer_of_a_failed_channel_is_an_answer() {
    let mut story = Story::new();
    story.at(0);
    story.answered(1, 1, "pagerduty", false);
    story.at(1);
    story.answered(4, 1, "pagerduty", true);
    story.answered(5, 1, "slack", false);
    assert_eq!(story.at(5), (vec![], Some(300)));
}

#[test]
fn a_restart_goes_on_where_the_journal_ends() {
    let mut story = Story::new();
    story.at(0);
    story.answered(1, 1, "pagerduty", true);
    story.restarted();
    assert_eq!(story.at(200), (vec![], Some(300)));
    assert_eq!(story.at(300).0, calls(&["2 dba sms"]));
    // Whether that went out nobody knows.
    story.restarted();
    assert_eq!(story.at(310).0, calls(&["2 dba sms"]));
    story.answered(311, 2, "sms", true);
    story.acknowledged(320);
    story.restarted();
    assert_eq!(story.at(900), (vec![], Some(2_120)));
}

#[test]
fn after_a_long_absence_steps_keep_their_distance() {
    let mut story = Story::new();
    story.restarted();
    assert_eq!(
        story.at(5_000),
        (calls(&["1 oncall pagerduty"]), Some(5_300))
    );
    story.answered(5_001, 1, "pagerduty", true);
    assert_eq!(story.at(5_300), (calls(&["2 dba sms"]), Some(5_600)));
}

#[test]
fn a_severity_that_rises_asks_the_policies_again_and_one_that_falls_calls_nobody() {
    let mut story = Story::new();
    story.at(0);
    story.answered(1, 1, "pagerduty", true);
    let severity = |severity| Said::SeverityChanged {
        severity,
        says: String::new(),
    };
    story.write(s(100), By::Weir, severity(Severity::Sev1));
    assert_eq!(story.at(100), (calls(&["1 boss mail"]), None));
    story.answered(101, 1, "mail", true);
    story.write(s(200), By::Weir, severity(Severity::Sev3));
    // Of the usual policy one step counts as done; the rest keeps its distance.
    assert_eq!(story.at(200), (vec![], Some(400)));
    story.restarted();
    assert_eq!(story.at(200), (vec![], Some(400)));
}

#[test]
fn nobody_is_called_while_the_objective_is_met_and_somebody_if_it_comes_back() {
    let mut story = Story::new();
    story.at(0);
    story.answered(1, 1, "pagerduty", true);
    let says = String::new;
    story.write(
        s(100),
        By::Weir,
        Said::Mitigated {
            says: says(),
            evidence: vec![],
        },
    );
    assert_eq!(story.at(400), (vec![], None));
    story.write(s(500), By::Weir, Said::Reopened { says: says() });
    assert_eq!(story.at(500), (calls(&["2 dba sms"]), Some(800)));
}

#[test]
fn one_that_comes_back_after_its_end_begins_with_the_first_step() {
    let mut story = Story::new();
    story.at(0);
    story.answered(1, 1, "pagerduty", true);
    story.acknowledged(10);
    let says = String::new;
    story.write(
        s(100),
        By::Weir,
        Said::Resolved {
            says: says(),
            evidence: vec![],
        },
    );
    assert_eq!(story.at(100), (vec![], None));
    story.write(s(500), By::Weir, Said::Reopened { says: says() });
    assert_eq!(story.at(500).0, calls(&["1 oncall pagerduty"]));
}

#[test]
fn a_duplicate_calls_nobody_the_one_that_it_was_merged_into_does() {
    let mut story = Story::new();
    story.at(0);
    story.answered(1, 1, "pagerduty", true);
    let into = Said::MergedInto {
        into: IncidentId(3),
        says: String::new(),
    };
    story.write(s(10), By::Person("ann".to_owned()), into);
    assert_eq!(story.at(400), (vec![], None));
}

#[test]
fn a_silence_is_written_down_once_and_ends_by_itself() {
    let mut story = Story::new();
    story.silences = vec![Silence {
        id: "S-1".to_owned(),
        meant: Matcher {
            pool: vec!["app/*".to_owned()],
            ..Matcher::default()
        },
        from: ZERO,
        until: s(400),
        by: "ann".to_owned(),
        why: "upgrade".to_owned(),
    }];
    let quiet = "quiet: silence S-1 by ann until 2026-11-23T05:06:40.000Z: upgrade";
    assert_eq!(story.at(0), (calls(&[quiet]), Some(400)));
    story.restarted();
    assert_eq!(story.at(200), (vec![], Some(400)));
    assert_eq!(story.at(400), (calls(&["1 oncall pagerduty"]), Some(700)));
}

#[test]
fn a_silence_of_one_pool_does_not_hide_another() {
    let meant = Matcher {
        pool: vec!["app".to_owned()],
        ..Matcher::default()
    };
    let mut incident = opened(Kind::Real);
    assert!(meant.covers(&incident));
    incident.pools.push(PoolKey::new("billing", "web"));
    assert!(!meant.covers(&incident));
    assert!(meant.meets(&incident, Severity::Sev3));
}

#[test]
fn a_drill_calls_nobody_unless_a_policy_names_drills() {
    let mut story = Story::of(opened(Kind::Drill), paging());
    assert_eq!(story.at(0), (vec![], None));
    let mut named = paging();
    named.policies[1].meant.kind = vec![Kind::Drill];
    let mut story = Story::of(opened(Kind::Drill), named);
    assert_eq!(story.at(0).0, calls(&["1 oncall pagerduty"]));
}

#[test]
fn outside_working_hours_a_step_is_skipped_put_off_or_goes_to_somebody_else() {
    // Monday, 05:00 UTC is 06:00 in Zurich.
    let office = Hours {
        zone: jiff::tz::TimeZone::get("Europe/Zurich").unwrap(),
        days: Hours::days_of(["mon-fri"]).unwrap(),
        from: jiff::civil::time(9, 0, 0, 0),
        to: jiff::civil::time(18, 0, 0, 0),
    };
    let with = |outside: Outside| {
        let mut paging = paging();
        paging.contacts[0].hours = Some(office.clone());
        paging.contacts[0].outside = outside;
        Story::of(opened(Kind::Real), paging)
    };
    let works = "oncall works mon, tue, wed, thu, fri 09:00 to 18:00 Europe/Zurich";
    let mut story = with(Outside::Skip);
    assert_eq!(
        story.at(0),
        (vec![format!("1 not oncall: {works}")], Some(300))
    );
    assert_eq!(story.at(300).0, calls(&["2 dba sms"]));

    let mut story = with(Outside::Call("dba".to_owned()));
    assert_eq!(story.at(0).0, calls(&["1 dba sms"]));

    let mut story = with(Outside::Defer);
    assert_eq!(
        story.at(0),
        (
            calls(&["1 not oncall: put off until 2026-11-23T08:00:00.000Z"]),
            Some(300)
        )
    );
    assert_eq!(story.at(300).0, calls(&["2 dba sms"]));
    assert_eq!(story.at(600), (calls(&["3 boss mail"]), Some(10_800)));
    story.answered(601, 2, "sms", true);
    story.answered(601, 3, "mail", true);
    story.restarted();
    assert_eq!(story.at(10_800), (calls(&["1 oncall pagerduty"]), None));
}

#[test]
fn rounds_are_repeated_and_end() {
    let mut paging = paging();
    paging.policies[1].repeat = 1;
    let mut story = Story::of(opened(Kind::Real), paging);
    let mut now = Some(0);
    while let Some(at) = now {
        let (done, next) = story.at(at);
        for call in done {
            let (step, channel) = (
                call.split(' ').next().unwrap(),
                call.rsplit(' ').next().unwrap(),
            );
            story.answered(at, step.parse().unwrap(), channel, true);
        }
        now = next;
    }
    let wanted = ["1 oncall", "2 dba", "3 boss", "4 oncall", "5 dba", "6 boss"];
    assert_eq!(story.told.len(), wanted.len());
    assert!(
        story
            .told
            .iter()
            .zip(wanted)
            .all(|(told, wanted)| told.starts_with(wanted))
    );
}

#[test]
fn a_channel_that_does_not_want_this_severity_is_passed_over() {
    let mut story = Story::new();
    story.wants[0].only = vec![Severity::Sev1];
    assert_eq!(story.at(0).0, calls(&["1 oncall slack"]));
    let mut story = Story::new();
    story.wants[0].only = vec![Severity::Sev1];
    story.wants[1].only = vec![Severity::Sev1];
    assert_eq!(
        story.at(0),
        (
            calls(&["1 not oncall: no channel of oncall takes sev3: pagerduty, slack"]),
            Some(300)
        )
    );
}
