//! What a journal may say, and how it folds: entries of older and newer versions, corrected clocks,
//! typed notes, merges, actions.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use weir_control::incident::entry::{
    ActionStatus, ActionText, ActionType, By, ClockName, Entry, IncidentId, Kind, NoteKind, Role,
    Said, Topic,
};
use weir_control::incident::{Incident, Status, json};
use weir_model::{Level, Severity, Wall};

/// Lines as version 0.1 wrote them: `level` is always there, notes and alerts have words alone.
const OLD: &str = r#"
{"incident":7,"seq":1,"at":1700000000700000,"by":"weir","entry":"opened","kind":"real","pools":[{"database":"app","user":"web"}],"level":"exhausted","severity":"sev3","impact_started_at":1700000000000000,"detected_at":1700000000700000,"detected_by":"weir","objective":"99% of waits < 10ms","evidence":[],"baseline":null}
{"incident":7,"seq":2,"at":1700000001000000,"by":"weir","entry":"notified","channel":"webhook","ok":true,"says":"202 accepted"}
{"incident":7,"seq":3,"at":1700000002000000,"by":{"person":"ann"},"entry":"note","says":"looking at the deploy"}
{"incident":7,"seq":4,"at":1700000003000000,"by":{"system":"alertmanager"},"entry":"alert","says":"p99 above 1 s"}
{"incident":7,"seq":5,"at":1700000004000000,"by":"weir","entry":"escalated","to":"dba","says":"nobody acknowledged for 60 s"}
{"incident":7,"seq":6,"at":1700000005000000,"by":{"person":"ann"},"entry":"acknowledged","says":""}
{"incident":7,"seq":7,"at":1700000009000000,"by":"weir","entry":"something_of_next_year","says":"?"}
"#;

fn read(lines: &str) -> Vec<Entry> {
    lines
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn at(second: i64) -> Wall {
    Wall::from_micros((1_700_000_000 + second) * 1_000_000)
}

struct Journal(Vec<Entry>);

impl Journal {
    fn declared() -> Self {
        Self(vec![Entry {
            incident: IncidentId(3),
            seq: 1,
            at: at(60),
            by: By::Person("ann".to_owned()),
            said: Said::Opened {
                kind: Kind::Declared,
                pools: vec![],
                level: None,
                severity: Severity::Sev2,
                impact_started_at: at(0),
                detected_at: at(60),
                detected_by: "person".to_owned(),
                objective: String::new(),
                evidence: vec![],
                baseline: None,
                title: Some("checkout fails".to_owned()),
                service: Some("shop".to_owned()),
            },
        }])
    }

    fn says(mut self, second: i64, said: Said) -> Self {
        let seq = u32::try_from(self.0.len()).unwrap() + 1;
        self.0.push(Entry {
            incident: IncidentId(3),
            seq,
            at: at(second),
            by: By::Person("bob".to_owned()),
            said,
        });
        self
    }

    fn incident(&self) -> Incident {
        // Through JSON, as the store keeps it.
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|entry| serde_json::to_string(entry).unwrap())
            .collect();
        Incident::replay(&read(&lines.join("\n"))).unwrap()
    }
}

fn note(kind: NoteKind, second: i64, says: &str) -> Said {
    Said::Note {
        says: says.to_owned(),
        happened_at: Some(at(second)),
        kind: Some(kind),
    }
}

/// The rows that stop a clock, and what they say.
fn tagged(incident: &Incident) -> Vec<(i64, &'static str, String)> {
    incident
        .timeline()
        .into_iter()
        .filter_map(|row| {
            let second = row.at.as_micros() / 1_000_000 - 1_700_000_000;
            Some((second, row.kind.tag()?, row.says))
        })
        .collect()
}

#[test]
fn a_journal_of_the_first_version_reads_as_before() {
    let incident = Incident::replay(&read(OLD)).unwrap();
    assert_eq!(incident.level, Some(Level::Exhausted));
    assert_eq!(incident.title(), "app/web: pool exhausted, 2023-11-14");
    assert_eq!(incident.status, Status::Acknowledged);
    assert_eq!(incident.entries_unknown, 1);
    assert_eq!(incident.alerts[0].source, "");
    assert_eq!(incident.escalations[0].step, 0);
    assert_eq!(incident.deliveries[0].step, None);
    // What it stands for is written back word by word, but for what the newer version adds.
    let note = serde_json::to_value(&read(OLD)[2]).unwrap();
    assert_eq!(note["says"], "looking at the deploy");
    assert_eq!(note["kind"], serde_json::Value::Null);
}

#[test]
fn a_declared_incident_has_no_level_and_its_own_words() {
    let incident = Journal::declared().incident();
    assert_eq!(incident.title(), "shop: checkout fails, 2023-11-14");
    assert_eq!(incident.service(), "shop");
    let document = json::document(&incident);
    assert_eq!(document["level"], serde_json::Value::Null);
    assert_eq!(document["kind"], "declared");
    assert_eq!(document["pools"], serde_json::json!([]));
}

#[test]
fn a_corrected_clock_moves_its_row_and_stays_visible() {
    let correct = |clock, from: i64, to: Option<i64>| Said::ClockCorrected {
        clock,
        from: Some(at(from)),
        to: to.map(at),
        says: "the graph shows it earlier".to_owned(),
    };
    let journal = Journal::declared()
        .says(
            120,
            Said::Acknowledged {
                says: "mine".to_owned(),
            },
        )
        .says(
            300,
            Said::Mitigated {
                says: "errors gone".to_owned(),
                evidence: vec![],
            },
        )
        .says(400, correct(ClockName::ImpactStarted, 0, Some(-90)))
        .says(410, correct(ClockName::Mitigated, 300, Some(200)))
        .says(420, correct(ClockName::Acknowledged, 120, None));
    let incident = journal.incident();
    let clocks = incident.clocks();
    assert_eq!(clocks.impact_started_at, at(-90));
    assert_eq!(clocks.mitigated_at, Some(at(200)));
    assert_eq!(clocks.acknowledged_at, None);
    assert_eq!(incident.corrections.len(), 3);
    let tagged = tagged(&incident);
    assert_eq!(tagged[0].0, -90, "{tagged:?}");
    assert!(
        tagged[0].2.contains("corrected from 22:13:20"),
        "{tagged:?}"
    );
    assert!(
        tagged
            .iter()
            .any(|(s, tag, _)| (*s, *tag) == (200, "mitigated")),
        "{tagged:?}"
    );
    let document = json::document(&incident);
    assert_eq!(document["clocks"]["mitigate_s"], 290.0);
    // It came back: what was corrected was the end before this one.
    let again = journal
        .says(
            500,
            Said::Reopened {
                says: "errors again".to_owned(),
            },
        )
        .incident();
    assert_eq!(again.clocks().mitigated_at, None);
    assert_eq!(again.clocks().impact_started_at, at(-90));
}

#[test]
fn a_typed_note_stops_the_clock_that_nothing_else_stopped() {
    let journal = Journal::declared()
        .says(3_600, note(NoteKind::Marker, -30, "deploy 41"))
        .says(3_600, note(NoteKind::Ack, 75, "ann takes it"))
        .says(
            3_600,
            note(NoteKind::Identified, 200, "deploy 41 doubled the queries"),
        )
        .says(3_600, note(NoteKind::Mitigated, 300, "rolled back"));
    let incident = journal.incident();
    assert_eq!(incident.clocks().acknowledged_at, Some(at(75)));
    assert_eq!(incident.clocks().cause_named_at, Some(at(200)));
    assert_eq!(incident.clocks().mitigated_at, Some(at(300)));
    assert_eq!(incident.markers.len(), 1);
    assert_eq!(incident.timeline()[0].says, "deploy 41");
    assert_eq!(incident.status, Status::Open, "a note moves nothing");
    // An event outweighs the note, which stays as a remark.
    let incident = journal
        .says(
            290,
            Said::Mitigated {
                says: "measured".to_owned(),
                evidence: vec![],
            },
        )
        .incident();
    assert_eq!(incident.clocks().mitigated_at, Some(at(290)));
    let rows: Vec<_> = tagged(&incident)
        .into_iter()
        .filter(|(_, tag, _)| *tag == "mitigated")
        .collect();
    assert_eq!(rows, [(290, "mitigated", "measured".to_owned())]);
}

#[test]
fn an_adopted_action_keeps_its_number_and_proposals_make_room() {
    let proposed = Journal::declared().incident().actions();
    assert!(proposed.len() >= 2, "{proposed:?}");
    let action = |id: &str, says: &str| Said::ActionAdded {
        action: ActionText {
            id: id.to_owned(),
            says: says.to_owned(),
            for_what: "cause".to_owned(),
            kind: ActionType::Prevent,
            owner: None,
            due: None,
            priority: "p1".to_owned(),
            tracker: None,
            verify: String::new(),
        },
    };
    let incident = Journal::declared()
        .says(100, action("A2", &proposed[1].says))
        .says(110, action("A1", "Write the runbook"))
        .says(
            120,
            Said::ActionChanged {
                id: "A2".to_owned(),
                owner: Some("platform".to_owned()),
                due: None,
                priority: None,
                tracker: None,
                verify: None,
                status: Some(ActionStatus::Done),
                says: "merged".to_owned(),
            },
        )
        .incident();
    let actions = incident.actions();
    assert_eq!(actions.len(), proposed.len() + 1);
    assert_eq!(actions[0].says, "Write the runbook");
    assert_eq!(actions[1].owner.as_deref(), Some("platform"));
    assert_eq!(actions[1].status, ActionStatus::Done);
    let last = actions.last().unwrap();
    assert_eq!(last.says, proposed[0].says, "moved out of the way");
    assert!(!last.adopted);
    let mut ids: Vec<_> = actions.iter().map(|a| a.id.clone()).collect();
    ids.dedup();
    assert_eq!(ids.len(), actions.len(), "no number twice");
}

#[test]
fn roles_updates_merges_and_statements_are_kept() {
    let incident = Journal::declared()
        .says(
            70,
            Said::Assigned {
                role: Role::Lead,
                to: "ann".to_owned(),
                says: String::new(),
            },
        )
        .says(
            80,
            Said::Assigned {
                role: Role::Lead,
                to: "cy".to_owned(),
                says: "shift change".to_owned(),
            },
        )
        .says(
            90,
            Said::StatusUpdate {
                impact: "checkout fails for some".to_owned(),
                doing: "rolling back".to_owned(),
                next_update_at: Some(at(690)),
                says: "Checkout fails for some. We are rolling back.".to_owned(),
            },
        )
        .says(
            95,
            Said::Merged {
                from: IncidentId(4),
                says: "same deploy".to_owned(),
            },
        )
        .says(
            96,
            Said::Stated {
                topic: Topic::RootCause,
                says: "N+1 queries".to_owned(),
                happened_at: None,
            },
        )
        .says(
            97,
            Said::Answered {
                question: "Who has it?".to_owned(),
                says: "ann".to_owned(),
            },
        )
        .incident();
    assert_eq!(incident.role(Role::Lead).unwrap().to, "cy");
    assert_eq!(incident.role(Role::Scribe), None);
    assert_eq!(incident.next_update_at(), Some(at(690)));
    assert_eq!(incident.merged_from, [IncidentId(4)]);
    assert_eq!(incident.stated_about(Topic::RootCause).count(), 1);
    assert_eq!(incident.answers.len(), 1);
}

#[test]
fn an_expired_acknowledgement_is_nobodys_and_its_clock_stays() {
    let incident = Journal::declared()
        .says(
            75,
            Said::Acknowledged {
                says: String::new(),
            },
        )
        .says(
            700,
            Said::AckExpired {
                says: "bob, 10 min ago".to_owned(),
            },
        )
        .incident();
    assert_eq!(incident.status, Status::Open);
    assert_eq!(incident.acknowledged_by, None);
    assert_eq!(incident.clocks().acknowledged_at, Some(at(75)));
}
