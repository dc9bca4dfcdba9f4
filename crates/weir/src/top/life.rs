//! Scenes at the terminal: what a person does and what comes of it, without one.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::draw;
use super::model::{Command, Doc, Fault, Input, Mode, News, Page, View};
use super::scene::{MONO, ONSET, Scene, ZERO, at};
use super::told;

fn trouble() -> Scene {
    let mut scene = Scene::in_trouble(MONO, (120, 40));
    scene.took();
    scene
}

fn rows(scene: &Scene) -> Vec<String> {
    draw::grid(&scene.model)
        .rows
        .into_iter()
        .map(|row| row.id)
        .collect()
}

fn told_orders(commands: Vec<Command>) -> Vec<(String, Value)> {
    commands
        .into_iter()
        .filter_map(|command| match command {
            Command::Tell { path, body, .. } => Some((path, body)),
            _ => None,
        })
        .collect()
}

fn refuse(scene: &mut Scene, doc: Doc, path: &str, fault: Fault) {
    let path = path.to_owned();
    scene.on(Input::News(News::Answer {
        doc,
        path,
        result: Err(fault),
    }));
}

fn unreachable() -> Fault {
    Fault::Unreachable("Connection refused".to_owned())
}

#[test]
fn the_pool_in_trouble_comes_first() {
    let scene = trouble();
    assert_eq!(
        rows(&scene),
        ["app/dashboard", "reports/größe_日本", "app/worker"]
    );
}

#[test]
fn only_what_is_shown_is_asked_for() {
    let mut scene = Scene::in_trouble(MONO, (120, 40));
    let asks = |scene: &mut Scene| {
        let mut docs = Vec::new();
        for _ in 0..8 {
            scene.later(1_000);
            for command in std::mem::take(&mut scene.wanted) {
                if let Command::Ask { doc, path } = command {
                    docs.push(doc);
                    let result = super::scene::answer(doc, &path, 119);
                    scene.on(Input::News(News::Answer { doc, path, result }));
                }
            }
        }
        docs.sort();
        docs.dedup();
        docs
    };
    let always = [Doc::Pools, Doc::Status, Doc::Incidents, Doc::Decisions];
    scene.types("2");
    assert_eq!(asks(&mut scene), always);
    scene.types("3");
    assert_eq!(
        asks(&mut scene),
        [
            Doc::Pools,
            Doc::Status,
            Doc::Clients,
            Doc::Incidents,
            Doc::Decisions
        ]
    );
    scene.types("5");
    assert!(asks(&mut scene).contains(&Doc::Waits));
}

#[test]
fn a_question_that_is_on_its_way_is_not_asked_again() {
    let mut scene = Scene::new(MONO, (80, 24));
    for _ in 0..20 {
        scene.later(1_000);
    }
    let pools = scene.wanted.iter().filter(|c| {
        matches!(
            c,
            Command::Ask {
                doc: Doc::Pools,
                ..
            }
        )
    });
    assert_eq!(pools.count(), 1);
}

#[test]
fn f1_and_f2_show_who_runs_and_who_waits_and_the_key_again_shows_all() {
    let mut scene = trouble();
    scene.key(KeyCode::F(2));
    scene.answer_all();
    assert_eq!(rows(&scene).len(), 40);
    assert_eq!(rows(&scene)[0], "100", "who has waited longest comes first");
    scene.key(KeyCode::F(1));
    assert_eq!(rows(&scene), ["17"]);
    scene.key(KeyCode::F(1));
    assert_eq!(rows(&scene).len(), 42);
    scene.key(KeyCode::F(3));
    assert_eq!(scene.model.view, View::Waits);
}

#[test]
fn a_filter_is_typed_kept_and_taken_back() {
    let mut scene = trouble();
    scene.types("2/work");
    assert_eq!(rows(&scene), ["app/worker"]);
    scene.key(KeyCode::Enter).types("j");
    assert_eq!(rows(&scene), ["app/worker"]);
    scene.types("/x").key(KeyCode::Esc);
    assert_eq!(
        rows(&scene),
        ["app/worker"],
        "Esc brings back the old filter"
    );
    scene.key(KeyCode::Esc);
    assert_eq!(rows(&scene).len(), 3);
}

#[test]
fn the_chosen_row_stays_chosen_when_rows_move() {
    let mut scene = trouble();
    scene.types("2jj");
    assert_eq!(scene.model.chosen().as_deref(), Some("app/worker"));
    scene.types("s");
    scene.types("S");
    assert_eq!(scene.model.chosen().as_deref(), Some("app/worker"));
    scene.types("G");
    let last = rows(&scene).pop();
    assert_eq!(scene.model.chosen(), last);
    scene.types("g");
    assert_eq!(scene.model.chosen().as_ref(), rows(&scene).first());
}

#[test]
fn sorting_goes_through_all_columns_and_back_to_as_it_came() {
    let mut scene = trouble();
    scene.types("6");
    let columns = draw::grid(&scene.model).columns.len();
    for column in 0..columns {
        scene.types("s");
        assert_eq!(scene.model.looks().sort.column, Some(column));
    }
    scene.types("s");
    assert_eq!(scene.model.looks().sort.column, None);
    scene.types("8s");
    assert!(
        scene.notice().contains("order of its own"),
        "{}",
        scene.notice()
    );
}

#[test]
fn space_holds_the_picture_while_the_history_goes_on() {
    let mut scene = trouble();
    scene.types(" ");
    let held = scene.model.past().unwrap();
    for second in 120..130 {
        scene.second(second);
    }
    assert_eq!(scene.model.past(), Some(held));
    assert!(scene.model.history.newest().unwrap().at > held);
    scene.types(" ");
    assert_eq!(scene.model.past(), None);
}

#[test]
fn one_scrubs_back_by_the_second_and_end_is_now() {
    let mut scene = trouble();
    scene.key(KeyCode::Left).key(KeyCode::Left);
    let second = |s: u64| ZERO.after(std::time::Duration::from_secs(s));
    assert_eq!(scene.model.past(), Some(second(117)));
    scene.types("[");
    assert_eq!(scene.model.past(), Some(second(87)));
    scene.key(KeyCode::Right);
    assert_eq!(scene.model.past(), Some(second(88)));
    scene.key(KeyCode::End);
    assert_eq!(scene.model.past(), None);
    for _ in 0..20 {
        scene.types("[");
    }
    assert_eq!(scene.model.past(), Some(second(0)));
    assert!(
        scene.notice().contains("nothing earlier"),
        "{}",
        scene.notice()
    );
    for _ in 0..20 {
        scene.types("]");
    }
    assert_eq!(
        scene.model.past(),
        None,
        "on at the newest it is live again"
    );
}

#[test]
fn the_past_shows_what_was_and_asks_for_what_was() {
    let mut scene = trouble();
    for _ in 0..2 {
        scene.types("[");
    }
    let pool = scene.model.pools()[0].clone();
    assert_eq!((pool.words.level.as_str(), pool.n.clients.waiting), ("", 0));
    let asked: Vec<String> = scene
        .wanted
        .iter()
        .filter_map(|command| match command {
            Command::Ask {
                doc: Doc::Overview,
                path,
            } => Some(path.clone()),
            _ => None,
        })
        .collect();
    assert!(
        asked[0].starts_with("/api/v1/overview?at=2026-11-23T05:0"),
        "{asked:?}"
    );
}

#[test]
fn f_freezes_at_the_onset_and_the_moment_survives_ten_minutes() {
    let mut scene = trouble();
    scene.types("f");
    assert_eq!(scene.model.past(), told::time(&at(ONSET)));
    for second in 120..900 {
        scene.second(second);
    }
    assert_eq!(scene.model.past(), told::time(&at(ONSET)));
    assert_eq!(scene.model.pools().len(), 3, "the moment is whole");
    // Now the onset has left what is kept.
    scene.key(KeyCode::End).types("f");
    assert_eq!(scene.model.past(), None);
    assert!(scene.notice().contains("black box"), "{}", scene.notice());
}

#[test]
fn what_the_recorder_knows_fills_the_minutes_before_the_start() {
    let mut scene = Scene::new(MONO, (120, 40));
    scene.on(Input::Tick);
    let mut asked = Vec::new();
    for _ in 0..40 {
        for command in std::mem::take(&mut scene.wanted) {
            let Command::Ask { doc, path } = command else {
                continue;
            };
            let result = if doc == Doc::Samples {
                asked.push(path.clone());
                let row = |second: i64| {
                    let at = ZERO.before(std::time::Duration::from_secs(second.unsigned_abs()));
                    json!({
                        "at": told::written(at), "database": "app", "user": "dashboard", "size": 9,
                        "clients": { "waiting": 3 }, "servers": { "active": 9 }, "oldest_wait_s": 0.5,
                        "wait_s": { "p99": 0.7 }, "arrivals": 40, "completions": 40,
                    })
                };
                Ok(json!({ "samples": [row(90), row(30)] }))
            } else {
                super::scene::answer(doc, &path, 0)
            };
            scene.on(Input::News(News::Answer { doc, path, result }));
        }
    }
    assert_eq!(asked.len(), 2, "3 pools: 300 s at a time: {asked:?}");
    let oldest = scene.model.history.oldest().unwrap().clone();
    assert_eq!(oldest.at, ZERO.before(std::time::Duration::from_secs(90)));
    assert_eq!(oldest.pools[0].n.clients.waiting, 3);
    assert!(
        !oldest.has_rates,
        "samples hold no rates, and none are made up"
    );
}

#[test]
fn a_statement_is_cancelled_after_a_yes_and_not_before() {
    let mut scene = trouble();
    scene.types("3");
    scene.answer_all();
    scene.types("/4711").key(KeyCode::Enter).types("C");
    let first = scene.took();
    assert!(
        matches!(&first[..], [Command::Foretell { body, .. }] if body["dry_run"] == true),
        "{first:?}"
    );
    scene.types("jx");
    assert!(
        matches!(scene.model.mode, Mode::Confirm(_)),
        "a slip is no yes and no no"
    );
    assert_eq!(scene.took(), []);
    scene.types("y");
    assert_eq!(
        told_orders(scene.took()),
        [(
            "/api/v1/orders".to_owned(),
            json!({ "order": "cancel", "server": 5, "by": "ann" })
        )]
    );
}

#[test]
fn a_client_is_closed_after_a_yes_and_left_after_a_no() {
    let mut scene = trouble();
    scene.types("3");
    scene.answer_all();
    scene.types("/4711").key(KeyCode::Enter).types("Kn");
    assert_eq!(told_orders(scene.took()), []);
    assert_eq!(scene.notice(), "nothing was done");
    scene.types("Ky");
    let orders = told_orders(scene.took());
    assert_eq!(orders[0].1["order"], "close_client");
    assert_eq!(orders[0].1["client"], 17);
    assert_eq!(orders[0].1["by"], "ann");
}

#[test]
fn who_waits_has_nothing_to_cancel_and_it_is_said() {
    let mut scene = trouble();
    scene.key(KeyCode::F(2));
    scene.answer_all();
    scene.types("C");
    assert!(scene.notice().contains("no server"), "{}", scene.notice());
    assert!(matches!(scene.model.mode, Mode::Normal));
}

#[test]
fn a_root_blocker_is_cancelled_from_the_tree() {
    let mut scene = trouble();
    scene.types("5");
    scene.answer_all();
    scene.types("Cy");
    let orders = told_orders(scene.took());
    assert_eq!(
        orders[0].1,
        json!({ "order": "cancel", "server": 9, "by": "ann" })
    );
}

#[test]
fn a_recommendation_is_approved_with_its_effect_and_its_undo_told_first() {
    let mut scene = trouble();
    scene.types("A");
    let Mode::Confirm(confirm) = &scene.model.mode else {
        panic!("{:?}", scene.model.mode);
    };
    assert_eq!(confirm.says, ["grow from 10 to 18", "wait p99 below 10 ms"]);
    assert!(confirm.undo.contains("back to 10"), "{}", confirm.undo);
    let number = confirm.number;
    // The API's own words replace ours, if they are about this very order.
    for (about, says) in [
        (number + 1, "of another order"),
        (number, "app/dashboard gets 18 servers"),
    ] {
        let result = Ok(json!({ "says": says, "undo_says": "resize it to 10", "dry_run": true }));
        scene.on(Input::News(News::Foretold {
            number: about,
            result,
        }));
    }
    let Mode::Confirm(confirm) = &scene.model.mode else {
        panic!();
    };
    assert_eq!(confirm.says, ["app/dashboard gets 18 servers"]);
    assert_eq!(confirm.undo, "resize it to 10");
    scene.types("y");
    let orders = told_orders(scene.took());
    assert_eq!(
        orders[0].1,
        json!({ "order": "approve", "pool": "app/dashboard", "by": "ann" })
    );
    scene.on(Input::News(News::Done {
        what: "Approve for app/dashboard".to_owned(),
        result: Ok(json!({ "says": "D-118 is carried out" })),
    }));
    assert!(scene.notice().contains("D-118 is carried out"));
    assert!(
        scene
            .model
            .log
            .back()
            .unwrap()
            .says
            .contains("D-118 is carried out")
    );
}

#[test]
fn an_incident_is_acknowledged_with_name_and_text() {
    let mut scene = trouble();
    scene.types("alooking");
    scene
        .key(KeyCode::Tab)
        .types("!")
        .key(KeyCode::Backspace)
        .types("b");
    scene.key(KeyCode::Enter);
    assert_eq!(
        told_orders(scene.took()),
        [(
            "/api/v1/incidents/INC-7/ack".to_owned(),
            json!({ "by": "annb", "text": "looking" })
        )]
    );
    assert_eq!(
        scene.model.by, "annb",
        "the name is kept for the next order"
    );
    scene.types("a").key(KeyCode::Esc);
    assert_eq!(told_orders(scene.took()), []);
}

#[test]
fn without_a_name_nothing_is_acknowledged() {
    let mut scene = trouble();
    scene.types("a").key(KeyCode::Tab);
    scene.on(Input::Key(KeyEvent::new(
        KeyCode::Char('u'),
        KeyModifiers::CONTROL,
    )));
    scene.key(KeyCode::Enter);
    assert_eq!(told_orders(scene.took()), []);
    assert!(matches!(&scene.model.mode, Mode::Prompt(prompt) if !prompt.at_text));
}

#[test]
fn a_refused_order_says_why() {
    let mut scene = trouble();
    scene.on(Input::News(News::Done {
        what: "Approve for app/dashboard".to_owned(),
        result: Err(Fault::Refused {
            status: 409,
            code: "not_now".to_owned(),
            says: "nothing is recommended".to_owned(),
        }),
    }));
    assert_eq!(
        scene.notice(),
        "Approve for app/dashboard: refused: nothing is recommended"
    );
}

#[test]
fn enter_goes_in_twice_and_esc_comes_back() {
    let mut scene = trouble();
    scene.types("2").key(KeyCode::Enter);
    assert!(matches!(scene.model.page(), Some(Page::Pool { .. })));
    scene.key(KeyCode::Enter);
    assert_eq!(scene.model.view, View::Clients);
    assert_eq!(scene.model.looks().filter, "app/dashboard");
    scene.key(KeyCode::Esc);
    assert_eq!(scene.model.looks().filter, "");
}

#[test]
fn y_copies_the_statement_without_its_literals_or_the_reports_address() {
    let mut scene = trouble();
    scene.types("3");
    scene.answer_all();
    scene.types("/4711").key(KeyCode::Enter).types("y");
    let statement = "select * from orders where customer = $1 order by placed desc limit $2";
    assert!(scene.took().contains(&Command::Copy(statement.to_owned())));
    scene.types("6y");
    let address = "http://127.0.0.1:6433/api/v1/incidents/INC-7/report?format=html";
    assert!(scene.took().contains(&Command::Copy(address.to_owned())));
}

#[test]
fn events_are_lines_of_the_log_and_a_foreign_text_moves_no_cursor() {
    let mut scene = trouble();
    let event = |name: &str, data: Value| {
        Input::News(News::Event {
            name: name.to_owned(),
            id: "a-9".to_owned(),
            data,
        })
    };
    scene.on(event(
        "incident",
        json!({
            "incident": { "id": "INC-7" },
            "entry": { "at": at(90), "by": "bob", "kind": "note", "says": "\u{1b}]0;x\u{7}deploy rolled back" },
        }),
    ));
    let line = scene.model.log.back().unwrap();
    assert_eq!(
        (line.by.as_str(), line.says.as_str()),
        ("bob", "INC-7:  ]0;x deploy rolled back")
    );
    assert_eq!(scene.model.stream.last_id.as_deref(), Some("a-9"));
    let before = scene.model.log.len();
    scene.on(event(
        "decision",
        json!({ "id": "D-119", "action": "keep", "says": "keep 10" }),
    ));
    assert_eq!(
        scene.model.log.len(),
        before,
        "a pool that is kept is no news"
    );
    assert_eq!(scene.model.decisions[0].id, "D-119");
    for n in 0..2_000 {
        scene.on(event("skipped", json!({ "says": n.to_string() })));
    }
    assert_eq!(scene.model.log.len(), super::model::LOG_MAX);
}

#[test]
fn the_log_begins_with_what_happened_before_the_start() {
    let mut scene = Scene::new(MONO, (120, 40));
    scene.second(100);
    let says: Vec<&str> = scene
        .model
        .log
        .iter()
        .map(|line| line.says.as_str())
        .collect();
    assert_eq!(
        says,
        [
            "INC-7: clients begin to wait",
            "INC-7: app/dashboard is exhausted",
            "INC-7: the pool is too small for what arrives",
            "app/dashboard: grow from 10 to 18: 41 clients wait and the database has room",
        ]
    );
}

#[test]
fn when_nobody_answers_the_age_is_shown_and_tries_grow_rare_until_somebody_does() {
    let mut scene = trouble();
    let tries = |scene: &mut Scene, seconds: u64| {
        let mut tries = 0;
        for _ in 0..seconds * 4 {
            scene.later(250);
            for command in std::mem::take(&mut scene.wanted) {
                if let Command::Ask { doc, path } = command {
                    tries += u32::from(doc == Doc::Pools);
                    assert!(
                        doc == Doc::Pools || tries <= 1,
                        "only one small question while nobody answers: {doc:?}"
                    );
                    refuse(scene, doc, &path, unreachable());
                }
            }
        }
        tries
    };
    let first_minute = tries(&mut scene, 60);
    assert!((6..=9).contains(&first_minute), "{first_minute} tries");
    let fresh: String = draw::freshness(&scene.model)
        .into_iter()
        .map(|(text, _)| text)
        .collect();
    assert!(fresh.starts_with("STALE 60 s"), "{fresh}");
    assert_eq!(
        scene.model.pools().len(),
        3,
        "what was known stays in sight"
    );
    let lines = |scene: &Scene, what: &str| {
        scene
            .model
            .log
            .iter()
            .filter(|line| line.says.contains(what))
            .count()
    };
    assert_eq!(lines(&scene, "doesn't answer: Connection refused"), 1);
    // It is back.
    scene.later(16_000);
    scene.answer_all();
    assert!(scene.model.link.up);
    assert_eq!(lines(&scene, "answers again"), 1);
}

#[test]
fn a_stream_that_ends_is_taken_up_where_it_ended() {
    let mut scene = trouble();
    scene.on(Input::News(News::StreamOpen));
    scene.on(Input::News(News::Event {
        name: "sample".to_owned(),
        id: "abc-41".to_owned(),
        data: Value::Null,
    }));
    scene.took();
    scene.on(Input::News(News::StreamEnded(
        "the stream of events ended".to_owned(),
    )));
    assert_eq!(scene.took(), [], "not at once");
    scene.later(600);
    let again = Command::Listen {
        last_id: Some("abc-41".to_owned()),
    };
    assert!(scene.took().contains(&again));
}

#[test]
fn a_wrong_token_says_where_to_put_the_right_one() {
    let mut scene = Scene::new(MONO, (80, 24));
    scene.on(Input::Tick);
    let fault = Fault::Refused {
        status: 401,
        code: "unauthorized".to_owned(),
        says: "a bearer token is needed".to_owned(),
    };
    refuse(&mut scene, Doc::Pools, "/api/v1/pools", fault);
    assert!(
        scene.model.link.says.contains("--token-file"),
        "{}",
        scene.model.link.says
    );
}

#[test]
fn what_is_no_weir_is_told_apart_from_nobody() {
    let mut scene = Scene::new(MONO, (80, 24));
    scene.on(Input::Tick);
    scene.on(Input::News(News::Answer {
        doc: Doc::Pools,
        path: "/api/v1/pools".to_owned(),
        result: Ok(json!({ "hello": "world" })),
    }));
    assert!(!scene.model.link.up);
    assert!(
        scene.model.link.says.contains("no answer of a Weir"),
        "{}",
        scene.model.link.says
    );
}

#[test]
fn an_older_weir_without_clients_is_said_to_be_older() {
    let mut scene = trouble();
    scene.types("3");
    let path = "/api/v1/clients?limit=5000";
    scene.model.clients = None;
    let fault = Fault::Refused {
        status: 404,
        code: "no_such_path".to_owned(),
        says: "there is nothing at /api/v1/clients".to_owned(),
    };
    refuse(&mut scene, Doc::Clients, path, fault);
    assert!(
        scene.model.link.up,
        "one document that isn't there is no lost link"
    );
    let empty = draw::grid(&scene.model).empty;
    assert!(
        empty.contains("(0.1.0) doesn't tell its clients"),
        "{empty}"
    );
}

#[test]
fn an_answer_to_an_older_question_is_dropped() {
    let mut scene = trouble();
    scene.types("5");
    scene.answer_all();
    let old = scene.model.waits.clone().unwrap().says;
    scene.types("[");
    scene.on(Input::News(News::Answer {
        doc: Doc::Waits,
        path: "/api/v1/waits".to_owned(),
        result: Ok(json!({ "says": "late" })),
    }));
    assert_eq!(scene.model.waits.clone().unwrap().says, old);
}

#[test]
fn plus_and_minus_change_how_often_it_asks_within_bounds() {
    let mut scene = trouble();
    scene.types("+++++++");
    assert_eq!(scene.model.every().as_millis(), 250);
    scene.types("---------");
    assert_eq!(scene.model.every().as_secs(), 10);
}

#[test]
fn ctrl_c_and_a_signal_end_it_whatever_is_open() {
    for open in ["", "A", "a", "/", "?"] {
        let mut scene = trouble();
        scene.types(open);
        scene.took();
        scene.on(Input::Key(KeyEvent::new(
            KeyCode::Char('c'),
            KeyModifiers::CONTROL,
        )));
        assert!(scene.took().contains(&Command::Quit), "{open}");
        scene.on(Input::Stop);
        assert!(scene.took().contains(&Command::Quit), "{open}");
    }
}

#[test]
fn an_order_is_pending_until_its_outcome_is_known() {
    let mut scene = trouble();
    scene.types("Ay");
    assert_eq!(scene.model.pending, 1);
    scene.on(Input::News(News::Done {
        what: "Approve".to_owned(),
        result: Err(unreachable()),
    }));
    assert_eq!(scene.model.pending, 0);
}

#[test]
fn what_was_told_of_one_moment_does_not_stand_for_another() {
    let mut scene = trouble();
    scene.types("5");
    scene.answer_all();
    scene.types("[");
    let path = scene.model.slot(Doc::Waits).path;
    let fault = Fault::Refused {
        status: 404,
        code: "not_kept".to_owned(),
        says: "nothing is kept of then".to_owned(),
    };
    refuse(&mut scene, Doc::Waits, &path, fault);
    assert!(scene.model.waits.is_none());
    let empty = draw::grid(&scene.model).empty;
    assert!(empty.contains("nothing is kept of then"), "{empty}");
}
