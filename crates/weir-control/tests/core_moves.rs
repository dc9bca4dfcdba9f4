//! What people may do with an incident, and what Weir does with what they did: through the very
//! type that runs in production, with made-up samples and made-up time.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod life;

use std::time::Duration;

use life::Life;
use weir_control::handle::{
    ActionDetails, Ask, Declaration, DetectedBy, NewAction, NotifyWhat, OpenActions, Wish,
};
use weir_control::incident::entry::{
    ActionStatus, ActionType, ClockName, IncidentId, Kind, Role, Topic,
};
use weir_control::incident::{Incident, Status, json};
use weir_model::{Level, PoolKey, Severity};

fn declaration(title: &str) -> Declaration {
    Declaration {
        by: "ann".to_owned(),
        title: title.to_owned(),
        service: Some("shop".to_owned()),
        severity: Severity::Sev2,
        impact_started_at: None,
        detected_at: None,
        level: None,
        pool: None,
        detected_by: DetectedBy::Person,
        text: String::new(),
    }
}

fn declare(life: &mut Life, with: impl FnOnce(&mut Declaration)) -> Result<String, String> {
    let mut wanted = declaration("checkout fails");
    with(&mut wanted);
    life.says(Ask::Declare(Box::new(wanted)))
}

fn words(text: &str) -> String {
    text.to_owned()
}

fn mitigate() -> Wish {
    Wish::Mitigate {
        text: words("rolled back"),
        at: None,
    }
}

fn resolve() -> Wish {
    Wish::Resolve {
        text: words("errors gone for an hour"),
        at: None,
    }
}

fn review(by_whom: &str) -> Wish {
    Wish::Review {
        text: words(by_whom),
        anyway: false,
    }
}

fn close(open_actions: OpenActions, text: &str) -> Wish {
    Wish::Close {
        text: words(text),
        open_actions,
    }
}

fn ack() -> Wish {
    Wish::Acknowledge { text: words("") }
}

fn reopen(text: &str) -> Wish {
    Wish::Reopen { text: words(text) }
}

/// The journal alone gives the same incidents and the same documents.
fn replays_equal(life: &Life) {
    for incident in life.core.incidents() {
        let journal: Vec<_> = life
            .entries
            .iter()
            .filter(|entry| entry.incident == incident.id)
            .cloned()
            .collect();
        let told = Incident::replay(&journal).unwrap();
        assert_eq!(told, **incident);
        assert_eq!(json::document(&told), json::document(incident));
    }
}

#[test]
fn a_declared_incident_goes_through_all_states_with_the_people_who_moved_it() {
    let mut life = Life::new();
    life.lives(10, 6);
    assert_eq!(
        declare(&mut life, |d| d.text = words("cards are refused")).unwrap(),
        "INC-1 declared"
    );
    assert_eq!(life.incident(1).kind, Kind::Declared);
    assert_eq!(life.incident(1).status, Status::Open);
    assert_eq!(life.notified, [(IncidentId(1), NotifyWhat::Opened)]);

    life.wishes(1, "bob", ack()).unwrap();
    // Nothing about a calm pool ends what people declared.
    life.lives(120, 6);
    assert_eq!(life.incident(1).status, Status::Acknowledged);
    life.wishes(1, "bob", mitigate()).unwrap();
    life.lives(60, 6);
    assert_eq!(life.incident(1).status, Status::Mitigated);
    life.wishes(1, "bob", resolve()).unwrap();
    assert_eq!(life.incident(1).status, Status::Resolved);

    let refused = life.wishes(1, "Bob", review("read it")).unwrap_err();
    assert!(refused.contains("Bob acknowledged it at"), "{refused}");
    let refused = life.wishes(1, "ann", review("read it")).unwrap_err();
    assert!(refused.contains("ann declared INC-1"), "{refused}");
    life.wishes(1, "cy", review("read it")).unwrap();

    let refused = life
        .wishes(1, "cy", close(OpenActions::Refuse, "done"))
        .unwrap_err();
    assert!(refused.contains("open actions: A1, A2"), "{refused}");
    let refused = life
        .wishes(1, "cy", close(OpenActions::Decline, ""))
        .unwrap_err();
    assert_eq!(refused, "declining the open actions needs a reason");
    life.wishes(
        1,
        "cy",
        close(OpenActions::Decline, "the shop is being replaced"),
    )
    .unwrap();
    let closed = life.incident(1);
    assert_eq!(closed.status, Status::Closed);
    assert!(
        closed
            .actions()
            .iter()
            .all(|a| a.status == ActionStatus::Wontdo)
    );
    replays_equal(&life);
}

#[test]
fn a_move_that_makes_no_sense_is_refused_and_appends_nothing() {
    let mut life = Life::new();
    declare(&mut life, |_| {}).unwrap();
    let before = life.entries.len();
    for (wish, why) in [
        (review("x"), "INC-1 is open, so it can't be reviewed yet"),
        (close(OpenActions::Leave, "x"), "so it can't be closed yet"),
        (reopen("x"), "there is nothing to reopen"),
        (
            Wish::Merge {
                into: IncidentId(1),
                text: words(""),
            },
            "can't be merged into itself",
        ),
        (
            Wish::Merge {
                into: IncidentId(9),
                text: words(""),
            },
            "no incident INC-9",
        ),
        (
            Wish::Unmerge {
                text: words("apart"),
            },
            "was merged into no other",
        ),
        (
            Wish::Note {
                text: words("  "),
                happened_at: None,
                kind: None,
            },
            "a note needs words",
        ),
        (
            Wish::Assign {
                role: Role::Lead,
                to: words(" "),
                text: words(""),
            },
            "who gets the role is missing",
        ),
        (
            Wish::ActionDone {
                action: words("A77"),
                text: words(""),
            },
            "INC-1 has no action `A77`; it has A1, A2",
        ),
    ] {
        let refused = life.wishes(1, "bob", wish).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    let refused = life.wishes(1, " ", ack()).unwrap_err();
    assert_eq!(refused, "who it is is missing");
    let refused = life.wishes(4, "bob", ack()).unwrap_err();
    assert_eq!(refused, "there is no incident INC-4");
    assert_eq!(life.entries.len(), before);
}

#[test]
fn a_declaration_that_can_not_be_is_refused_with_the_reason() {
    let mut life = Life::new();
    life.lives(20, 6);
    let now = life.wall();
    let ahead = now.after(Duration::from_secs(60));
    let refused = declare(&mut life, |d| d.impact_started_at = Some(ahead)).unwrap_err();
    assert!(refused.contains("would lie ahead"), "{refused}");
    let refused = declare(&mut life, |d| {
        d.impact_started_at = Some(now);
        d.detected_at = Some(now.before(Duration::from_secs(5)));
    })
    .unwrap_err();
    assert!(refused.contains("can't have been detected"), "{refused}");
    let refused = declare(&mut life, |d| d.title = words("  ")).unwrap_err();
    assert_eq!(refused, "the title is missing");
    let refused = declare(&mut life, |d| d.pool = Some(PoolKey::new("ap", "web"))).unwrap_err();
    assert_eq!(refused, "there is no pool ap/web");
    assert!(life.entries.is_empty());
}

#[test]
fn a_declared_incident_of_a_pool_carries_its_numbers_and_takes_in_what_the_detector_sees() {
    let mut life = Life::new();
    life.lives(30, 6);
    declare(&mut life, |d| {
        d.pool = Some(PoolKey::new("app", "web"));
        d.service = None;
    })
    .unwrap();
    assert!(life.incident(1).measured.is_some());
    life.lives(10, 16);
    assert_eq!(life.core.incidents().count(), 1, "one story, one incident");
    assert_eq!(life.incident(1).level, Some(Level::Exhausted));
    assert!(life.incident(1).top_cause().is_some());
    life.size = 30;
    life.lives(120, 16);
    assert!(life.incident(1).status.is_ongoing(), "people end it");
    life.wishes(1, "bob", resolve()).unwrap();
    let measured = life.incident(1).measured.as_ref().unwrap();
    assert!(measured.impact.transactions > 0 || measured.during.arrivals > 0);
    replays_equal(&life);
}

#[test]
fn what_comes_back_within_the_watch_window_is_the_same_incident_and_later_another() {
    let mut life = Life::new();
    life.lives(30, 6);
    life.lives(5, 16);
    life.size = 30;
    life.lives(30, 16);
    assert_eq!(life.status(), [Status::Resolved]);
    life.size = 10;
    life.lives(5, 16);
    assert_eq!(life.status(), [Status::Open], "the old one again");
    assert_eq!(life.incident(1).reopened, 1);
    let row = life
        .incident(1)
        .timeline()
        .into_iter()
        .find(|row| row.says.contains("within its watch window of 15min"));
    assert!(row.is_some());
    assert_eq!(
        life.notified.last(),
        Some(&(IncidentId(1), NotifyWhat::Opened))
    );
    life.size = 30;
    life.lives(30, 16);
    assert_eq!(life.status(), [Status::Resolved]);

    life.lives(16 * 60, 16);
    life.size = 10;
    life.lives(12, 16);
    assert_eq!(life.status(), [Status::Resolved, Status::Open]);
    let second = life.incident(2);
    assert_eq!(second.related.len(), 1, "{:?}", second.related);
    assert_eq!(second.related[0].to, IncidentId(1));
    assert!(second.related[0].says.contains("the same cause"));
    assert!(!second.related[0].open_actions.is_empty());
    replays_equal(&life);
}

#[test]
fn a_person_reopens_with_a_reason_and_then_people_end_it() {
    let mut life = Life::new();
    life.lives(30, 6);
    life.lives(5, 16);
    life.size = 30;
    life.lives(30, 16);
    assert_eq!(
        life.wishes(1, "ann", reopen("")).unwrap_err(),
        "reopening needs a reason"
    );
    life.wishes(1, "ann", reopen("users still complain"))
        .unwrap();
    life.lives(120, 16);
    assert_eq!(
        life.status(),
        [Status::Open],
        "calm numbers don't overrule her"
    );
    life.wishes(1, "ann", resolve()).unwrap();
    assert_eq!(life.status(), [Status::Resolved]);
    replays_equal(&life);
}

#[test]
fn a_duplicate_stands_for_its_survivor_until_they_are_parted() {
    let mut life = Life::new();
    life.lives(30, 6);
    declare(&mut life, |d| d.service = None).unwrap();
    life.lives(5, 16);
    assert_eq!(life.core.incidents().count(), 2);
    let merge = |into| Wish::Merge {
        into: IncidentId(into),
        text: words("same outage"),
    };
    let says = life.wishes(1, "ann", merge(2)).unwrap();
    assert!(says.contains("undo: unmerge INC-1"), "{says}");
    let published = life.core.publish();
    assert_eq!(published.incidents.len(), 1, "lists show it once");
    assert_eq!(published.incident(IncidentId(1)).unwrap().id, IncidentId(2));

    let says = life.wishes(1, "bob", ack()).unwrap();
    assert_eq!(says, "INC-1 was merged into INC-2: INC-2 acknowledged");
    assert_eq!(life.incident(2).status, Status::Acknowledged);
    assert_eq!(life.incident(1).status, Status::Open);
    let refused = life.wishes(2, "ann", merge(1)).unwrap_err();
    assert!(refused.contains("they are one already"), "{refused}");

    life.restarts();
    assert_eq!(life.incident(2).merged_from, [IncidentId(1)]);
    assert_eq!(life.core.publish().incidents.len(), 1);

    // Who ends the survivor ends the duplicate that only people end.
    life.wishes(2, "bob", resolve()).unwrap();
    assert_eq!(life.incident(1).status, Status::Resolved);

    let apart = Wish::Unmerge {
        text: words("two outages after all"),
    };
    let refused = life.wishes(2, "ann", apart.clone()).unwrap_err();
    assert!(refused.contains("unmerge INC-1"), "{refused}");
    life.wishes(1, "ann", apart).unwrap();
    assert_eq!(life.core.publish().incidents.len(), 2);
    assert!(life.incident(2).merged_from.is_empty());
    replays_equal(&life);
}

#[test]
fn merges_never_form_a_ring() {
    let mut life = Life::new();
    for _ in 0..3 {
        declare(&mut life, |_| {}).unwrap();
    }
    let mut merge = |from, into| {
        let text = words("");
        let into = IncidentId(into);
        life.wishes(from, "ann", Wish::Merge { into, text })
    };
    merge(1, 2).unwrap();
    merge(2, 3).unwrap();
    // 1 and 2 stand for 3 now.
    assert!(merge(3, 1).unwrap_err().contains("they are one already"));
    assert!(merge(1, 2).is_err());
    assert_eq!(life.core.publish().incidents.len(), 1);
    assert_eq!(
        life.core.publish().incident(IncidentId(1)).unwrap().id,
        IncidentId(3)
    );
}

#[test]
fn a_clock_is_set_right_where_that_can_have_happened_and_nowhere_else() {
    let mut life = Life::new();
    life.lives(600, 6);
    let now = life.wall();
    let ago = |s| now.before(Duration::from_secs(s));
    declare(&mut life, |d| {
        d.impact_started_at = Some(ago(300));
        d.detected_at = Some(ago(240));
    })
    .unwrap();
    life.wishes(1, "ann", ack()).unwrap();
    let at = Some(ago(60));
    life.wishes(
        1,
        "ann",
        Wish::Mitigate {
            text: words("rolled back"),
            at,
        },
    )
    .unwrap();
    assert_eq!(life.incident(1).clocks().mitigated_at, at);
    life.wishes(1, "ann", resolve()).unwrap();

    let correct = |clock, to, text: &str| Wish::Correct {
        clock,
        to,
        text: words(text),
    };
    for (clock, to, why) in [
        (ClockName::Resolved, Some(ago(400)), "would come before"),
        (
            ClockName::Resolved,
            Some(now.after(Duration::from_secs(9))),
            "lies ahead",
        ),
        (ClockName::ImpactStarted, Some(ago(100)), "`detected`"),
        (ClockName::ImpactStarted, None, "always has a time"),
        (ClockName::Resolved, None, "to take that back, reopen it"),
        (ClockName::Detected, Some(ago(240)), "already"),
    ] {
        let refused = life
            .wishes(1, "cy", correct(clock, to, "the graph"))
            .unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    let refused = life
        .wishes(1, "cy", correct(ClockName::Detected, Some(ago(200)), " "))
        .unwrap_err();
    assert_eq!(refused, "a correction needs a reason");
    life.wishes(
        1,
        "cy",
        correct(
            ClockName::ImpactStarted,
            Some(ago(500)),
            "first 500 in the log",
        ),
    )
    .unwrap();
    let document = json::document(life.incident(1));
    assert_eq!(document["clocks"]["detect_s"], 260.0);
    assert_eq!(
        document["clocks"]["corrected"],
        serde_json::json!(["impact_started_at", "mitigated_at"])
    );
    assert_eq!(document["corrections"][1]["who"], "cy");
    assert_eq!(document["corrections"][1]["says"], "first 500 in the log");
    replays_equal(&life);
}

#[test]
fn stakeholders_hear_numbers_of_the_journal_and_an_update_that_is_late_is_seen() {
    let mut life = Life::new();
    declare(&mut life, |_| {}).unwrap();
    let update = |impact: Option<&str>, next| Wish::Update {
        impact: impact.map(str::to_owned),
        doing: words("rolling back."),
        next_update_at: next,
    };
    let next = life.wall().after(Duration::from_secs(600));
    let refused = life.wishes(1, "ann", update(None, Some(next))).unwrap_err();
    assert!(
        refused.contains("nothing was measured for INC-1"),
        "{refused}"
    );
    let refused = life
        .wishes(1, "ann", update(Some("some"), None))
        .unwrap_err();
    assert!(
        refused.contains("say when the next update comes"),
        "{refused}"
    );
    let says = life
        .wishes(1, "ann", update(Some("cards are refused"), Some(next)))
        .unwrap();
    assert!(
        says.contains("Impact: cards are refused. What is being done: rolling back. Next update: "),
        "{says}"
    );
    assert!(says.contains("(in 10 min)"), "{says}");
    let incident = life.incident(1);
    assert_eq!(incident.update_overdue(next), None);
    let late = next.after(Duration::from_secs(30));
    assert_eq!(incident.update_overdue(late), Some(Duration::from_secs(30)));

    // A pool's numbers.
    life.lives(30, 6);
    life.lives(5, 16);
    let next = life.wall().after(Duration::from_secs(600));
    let says = life.wishes(2, "ann", update(None, Some(next))).unwrap();
    assert!(
        says.contains("Impact: at most 6 clients waited at once, for up to 400 ms; 0 failed, 0 gave up, since "),
        "{says}"
    );
    replays_equal(&life);
}

fn action(verify: &str) -> Wish {
    Wish::AddAction(NewAction {
        says: words("Set app/web to size 20"),
        kind: ActionType::Prevent,
        for_what: words("cause"),
        priority: words("p1"),
        details: ActionDetails {
            owner: Some(words("platform")),
            due: Some(words("2030-01-01")),
            verify: Some(words(verify)),
            ..ActionDetails::default()
        },
    })
}

fn last_action(life: &Life, id: u64) -> weir_control::incident::Action {
    life.incident(id).adopted.last().unwrap().clone()
}

#[test]
fn weir_verifies_a_done_action_once_its_query_has_held() {
    let mut life = Life::new();
    life.lives(20, 6);
    declare(&mut life, |_| {}).unwrap();
    let refused = life
        .wishes(1, "ann", action("metric: pool app/web waits < 1 for 1min"))
        .unwrap_err();
    assert!(refused.contains("word 3 (`waits`)"), "{refused}");
    life.wishes(
        1,
        "ann",
        action("metric: pool app/web servers.in_use_share <= 70% for 1min"),
    )
    .unwrap();
    let id = last_action(&life, 1).id;
    life.lives(90, 6);
    assert_eq!(
        last_action(&life, 1).status,
        ActionStatus::Open,
        "only what is done is verified"
    );
    let says = life
        .wishes(
            1,
            "ann",
            Wish::ActionDone {
                action: id.clone(),
                text: words("merged"),
            },
        )
        .unwrap();
    assert!(says.contains("Weir verifies it"), "{says}");
    // 9 of 10 in use: it doesn't hold, which is said once.
    life.lives(200, 9);
    let failed = last_action(&life, 1);
    assert_eq!(failed.status, ActionStatus::Done);
    assert_eq!(failed.checks.len(), 1, "{:?}", failed.checks);
    assert!(!failed.checks[0].ok);
    assert!(
        failed.checks[0].says.contains("it is 0.9 now"),
        "{:?}",
        failed.checks
    );
    life.lives(50, 6);
    assert_eq!(
        last_action(&life, 1).status,
        ActionStatus::Done,
        "not long enough"
    );
    life.lives(40, 6);
    let verified = last_action(&life, 1);
    assert_eq!(verified.status, ActionStatus::Verified);
    assert_eq!(
        verified.checks.last().unwrap().evidence[0].baseline,
        Some(0.7)
    );
    let adopted = life.entries.len();
    life.lives(120, 6);
    assert_eq!(life.entries.len(), adopted, "and that is that");
    replays_equal(&life);
}

#[test]
fn a_drill_or_a_person_verifies_what_has_no_query() {
    let mut life = Life::new();
    declare(&mut life, |_| {}).unwrap();
    life.wishes(1, "ann", action("drill: lock-pileup p99 wait below 10 ms"))
        .unwrap();
    let id = last_action(&life, 1).id;
    let checked = |ok| Wish::ActionChecked {
        action: id.to_lowercase(),
        ok,
        text: words("p99 was 4 ms"),
    };
    let refused = life.wishes(1, "bob", checked(true)).unwrap_err();
    assert!(
        refused.contains("only what is done can be verified"),
        "{refused}"
    );
    let done = Wish::ActionDone {
        action: id.clone(),
        text: words(""),
    };
    let says = life.wishes(1, "ann", done.clone()).unwrap();
    assert!(
        says.contains("needs a drill to be verified: lock-pileup"),
        "{says}"
    );
    life.wishes(1, "bob", checked(false)).unwrap();
    assert_eq!(last_action(&life, 1).status, ActionStatus::Open);
    life.wishes(1, "ann", done).unwrap();
    life.wishes(1, "bob", checked(true)).unwrap();
    assert_eq!(last_action(&life, 1).status, ActionStatus::Verified);
    replays_equal(&life);
}

#[test]
fn a_proposed_action_becomes_one_of_the_journal_with_its_first_change() {
    let mut life = Life::new();
    declare(&mut life, |_| {}).unwrap();
    let proposed = life.incident(1).actions();
    assert!(proposed.iter().all(|a| !a.adopted));
    let change = |details| Wish::ChangeAction {
        action: words("A2"),
        details,
        text: words(""),
    };
    let owner = ActionDetails {
        owner: Some(words("@db")),
        due: Some(words("2030-02-01")),
        ..ActionDetails::default()
    };
    life.wishes(1, "ann", change(owner)).unwrap();
    let actions = life.incident(1).actions();
    assert_eq!(actions.len(), proposed.len());
    assert_eq!(actions[1].says, proposed[1].says);
    assert!(actions[1].adopted && actions[1].owner.as_deref() == Some("@db"));
    // Nothing was measured here, so once a person has chosen, the other proposals are not asked after.
    let questions = life.incident(1).questions();
    assert!(
        !questions.iter().any(|q| q.starts_with("Who owns")),
        "{questions:?}"
    );
    for (details, why) in [
        (ActionDetails::default(), "nothing to change of A2"),
        (
            ActionDetails {
                due: Some(words("1999-01-01")),
                ..ActionDetails::default()
            },
            "lies before the incident",
        ),
        (
            ActionDetails {
                due: Some(words("next week")),
                ..ActionDetails::default()
            },
            "is no date",
        ),
        (
            ActionDetails {
                priority: Some(words("high")),
                ..ActionDetails::default()
            },
            "known are p1",
        ),
        (
            ActionDetails {
                tracker: Some(words("WEIR-12")),
                ..ActionDetails::default()
            },
            "is no link",
        ),
    ] {
        let refused = life.wishes(1, "ann", change(details)).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
    life.wishes(1, "ann", Wish::AdoptActions { ids: vec![] })
        .unwrap();
    assert!(life.incident(1).actions().iter().all(|a| a.adopted));
    assert!(
        life.wishes(1, "ann", Wish::AdoptActions { ids: vec![] })
            .is_err()
    );
    replays_equal(&life);
}

#[test]
fn what_was_thought_done_is_open_again_when_the_cause_recurs() {
    let mut life = Life::new();
    life.lives(30, 6);
    life.lives(12, 16);
    life.size = 30;
    life.lives(30, 16);
    life.wishes(
        1,
        "ann",
        Wish::ActionDone {
            action: words("A1"),
            text: words("size raised"),
        },
    )
    .unwrap();
    life.lives(16 * 60, 6);
    life.size = 10;
    life.lives(4, 16);
    assert_eq!(life.core.incidents().count(), 2);
    assert!(
        life.incident(2).related.is_empty(),
        "a cause must stand first"
    );
    life.lives(8, 16);
    let first = &life.incident(1).adopted[0];
    assert_eq!(first.status, ActionStatus::Open);
    assert!(
        first.status_says.contains("it happened again: INC-2"),
        "{first:?}"
    );
    let related = &life.incident(2).related[0];
    assert!(
        related.open_actions.iter().any(|a| a.starts_with("A2: ")),
        "{related:?}"
    );
    replays_equal(&life);
}

#[test]
fn declared_incidents_survive_a_restart_and_go_on_until_people_end_them() {
    let mut life = Life::new();
    life.lives(20, 6);
    declare(&mut life, |_| {}).unwrap();
    declare(&mut life, |d| d.pool = Some(PoolKey::new("app", "web"))).unwrap();
    life.restarts();
    life.lives(120, 6);
    assert_eq!(life.status(), [Status::Open, Status::Open]);
    declare(&mut life, |_| {}).unwrap();
    assert_eq!(life.core.incidents().count(), 3, "no number is given twice");
    replays_equal(&life);
}

#[test]
fn an_answered_question_is_asked_no_more() {
    let mut life = Life::new();
    declare(&mut life, |_| {}).unwrap();
    let before = life.incident(1).questions();
    let answer = |question: &str| Wish::Answer {
        question: words(question),
        text: words("nobody watched it"),
    };
    assert!(
        life.wishes(1, "ann", answer("99"))
            .unwrap_err()
            .contains("no question 99")
    );
    assert!(
        life.wishes(1, "ann", answer("Why?"))
            .unwrap_err()
            .contains("doesn't ask that")
    );
    life.wishes(1, "ann", answer("1")).unwrap();
    life.wishes(1, "ann", answer(&before[1])).unwrap();
    let after = life.incident(1).questions();
    assert_eq!(after, before[2..]);
    let cause = Wish::State {
        topic: Topic::WhySurprised,
        text: words("no alert on the queue"),
        happened_at: None,
    };
    life.wishes(1, "ann", cause).unwrap();
    assert!(life.incident(1).questions().len() < after.len());
    replays_equal(&life);
}

#[test]
fn clocks_over_many_incidents_are_distributions_of_real_ones() {
    use weir_control::incident::clocks::{self, Stretch};
    let mut life = Life::new();
    life.lives(3_000, 6);
    for minutes in [1, 2, 3, 40] {
        let now = life.wall();
        declare(&mut life, |d| {
            d.impact_started_at = Some(now.before(Duration::from_secs(minutes * 60)));
            d.detected_at = Some(now.before(Duration::from_secs(30)));
            d.severity = if minutes == 40 {
                Severity::Sev1
            } else {
                Severity::Sev3
            };
        })
        .unwrap();
    }
    life.wishes(4, "ann", resolve()).unwrap();
    let merged = Wish::Merge {
        into: IncidentId(2),
        text: words(""),
    };
    life.wishes(1, "ann", merged).unwrap();
    let all: Vec<&Incident> = life.core.incidents().map(|incident| &**incident).collect();
    let report = clocks::over(&all, weir_model::Wall::from_micros(0), false);
    assert_eq!(report.all.incidents, 3, "a duplicate counts once");
    assert_eq!(report.all.by_weir_first, 0);
    let detect = report.all.stretches[&Stretch::Detect].unwrap();
    assert_eq!(
        (detect.count, detect.median_s, detect.worst_s),
        (3, 150.0, 2_370.0)
    );
    assert_eq!(detect.worst, IncidentId(4));
    let over = report.all.stretches[&Stretch::Resolve].unwrap();
    assert_eq!(
        (over.count, over.median_s),
        (1, 2_400.0),
        "what never ran counts nowhere"
    );
    assert_eq!(report.by_severity[&Severity::Sev3].incidents, 2);
    let late = clocks::over(&all, life.wall(), false);
    assert_eq!(late.all.incidents, 0);
    assert_eq!(late.all.stretches[&Stretch::Detect], None);
}
