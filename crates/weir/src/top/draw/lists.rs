//! The tables.

use super::super::grid::{Cell, Grid, Row, left, right, weighed, words};
use super::super::model::{Doc, Model, View};
use super::super::skin::{Tone, number, percent, seconds, short_seconds};
use super::super::told::{self, Pool};
use super::super::waits::Kind;
use super::{Words, absent, bit};

/// Columns by which tables are sorted at first.
pub(crate) const LEVEL: usize = 1;
pub(crate) const FOR: usize = 2;
pub(crate) const SHARE: usize = 1;

/// Seconds that a row's small chart shows.
const SPARK: usize = 24;
const WIDE_SPARK: usize = 60;
/// What fills it at least, in seconds: a wait of a millisecond is no tower.
const SPARK_TOP: f32 = 0.010;

/// How bad is it? For sorting: what stops everybody comes before what slows some.
pub(crate) fn gravity(level: &str, paused: bool) -> u32 {
    match level {
        "exhausted" => 8,
        "down" => 7,
        "stalled" => 6,
        "starved" => 5,
        "saturated" => 4,
        "leak" => 3,
        "degraded" => 2,
        "" if paused => 1,
        "" => 0,
        // A level that a newer Weir knows is trouble all the same.
        _ => 2,
    }
}

pub(crate) fn level_tone(level: &str) -> Tone {
    match level {
        "" => Tone::Good,
        "exhausted" | "down" | "stalled" => Tone::Bad,
        _ => Tone::Warn,
    }
}

fn span(s: f64) -> Cell {
    weighed(short_seconds(s), s)
}

fn count(n: u64, alarming: bool) -> Cell {
    let cell = weighed(number(n as f64), n as f64);
    if alarming && n > 0 {
        cell.tone(Tone::Bad)
    } else {
        cell
    }
}

pub(crate) fn level(pool: &Pool) -> (String, Tone) {
    match (pool.words.level.as_str(), pool.n.paused) {
        ("", true) => ("paused".to_owned(), Tone::Warn),
        ("", false) => ("ok".to_owned(), Tone::Good),
        (level, false) => (level.to_owned(), level_tone(level)),
        (level, true) => (format!("{level}, paused"), level_tone(level)),
    }
}

/// `2..40`; without an upper bound `2..`.
pub(crate) fn rails(pool: &Pool) -> String {
    match pool.n.size_max {
        // A sample of the recorder doesn't say.
        0 if pool.n.size_min == 0 => String::new(),
        0 => format!("{}..", pool.n.size_min),
        max => format!("{}..{max}", pool.n.size_min),
    }
}

pub(crate) fn pools(model: &Model) -> Grid {
    let wide = model.size.0 >= 160;
    let spark = if wide { WIDE_SPARK } else { SPARK };
    let dash = model.skin.dash();
    let has_rates = model.moment().is_none_or(|moment| moment.has_rates);
    let rate = |n: f32| match has_rates {
        true => weighed(number(f64::from(n)), f64::from(n)),
        false => words(dash),
    };
    let until = model.moment().map(|moment| moment.at).unwrap_or_default();
    let rows = model.pools().iter().map(|pool| {
        let (level, tone) = level(pool);
        let n = &pool.n;
        let waiting = model.history.series(until, spark, |moment| {
            Some(moment.pool(pool.key())?.n.wait_s.p99)
        });
        let top = waiting.iter().flatten().copied().fold(SPARK_TOP, f32::max);
        let (gravity, wait) = (gravity(&pool.words.level, n.paused), n.clients.waiting);
        let because = match &pool.words.recommendation {
            Some(standing) => format!("recommended: {}", standing.says),
            None => pool.words.size_because.clone(),
        };
        Row {
            id: pool.name(),
            cells: vec![
                words(pool.name()).tone(Tone::Title),
                weighed(level, f64::from(gravity) * 1e6 + f64::from(wait)).tone(tone),
                count(u64::from(wait), true),
                span(f64::from(n.oldest_wait_s)),
                span(f64::from(n.wait_s.p99)),
                weighed(
                    format!("{}/{}", n.servers.active, n.size),
                    f64::from(n.servers.active),
                ),
                rate(n.transactions_per_s),
                words(model.skin.spark(&waiting, top)).tone(Tone::Warn),
                weighed(rails(pool), f64::from(n.size_max)),
                span(f64::from(n.hold_s.p99)),
                weighed(
                    number(f64::from(n.clients.idle_in_transaction)),
                    f64::from(n.clients.idle_in_transaction),
                ),
                words(pool.words.mode.clone()),
                words(because).tone(Tone::Dim),
            ],
        }
    });
    let empty = match model.link.heard {
        None => "Asking for pools.".to_owned(),
        Some(_) => "No pool is open yet; one opens with its first client.".to_owned(),
    };
    Grid {
        rows: rows.collect(),
        columns: vec![
            left("Pool", 22, 0),
            left("Level", 10, 1),
            right("Waiting", 8, 2),
            right("Oldest", 9, 3),
            right("p99", 8, 3),
            right("Busy", 7, 2),
            right("tx/s", 6, 3),
            left(
                if wide {
                    "Wait p99, last minute"
                } else {
                    "Wait p99, last 24 s"
                },
                spark,
                5,
            ),
            right("Rails", 7, 6),
            right("Hold p99", 9, 7),
            right("In tx", 6, 8),
            left("Mode", 11, 9),
            left("Because", 0, 10),
        ],
        empty,
        ordered: false,
    }
}

pub(crate) fn clients(model: &Model) -> Grid {
    let list = model.clients.as_ref().map_or(&[][..], |list| &list.clients);
    let rows = list.iter().map(|client| {
        let tone = match client.state.as_str() {
            "waiting" => Tone::Bad,
            "idle_in_transaction" => Tone::Warn,
            "active" => Tone::Good,
            _ => Tone::Dim,
        };
        let number =
            |n: Option<u64>| n.map_or_else(|| words(""), |n| weighed(n.to_string(), n as f64));
        let pid = client.backend_pid.and_then(|pid| u64::try_from(pid).ok());
        Row {
            id: client.id.to_string(),
            cells: vec![
                weighed(client.id.to_string(), client.id as f64),
                words(client.state.replace('_', " ")).tone(tone),
                span(client.state_s),
                words(format!("{}/{}", client.database, client.user)),
                words(client.application.clone()),
                words(client.host.clone()),
                number(pid),
                words(client.pins.join(" ")).tone(Tone::Warn),
                words(client.statement.clone()),
            ],
        }
    });
    Grid {
        rows: rows.collect(),
        columns: vec![
            right("Client", 7, 0),
            left("State", 12, 1),
            right("For", 9, 1),
            left("Pool", 16, 4),
            left("Application", 14, 2),
            left("Host", 15, 6),
            right("Backend", 8, 5),
            left("Pinned by", 10, 7),
            left("Statement", 0, 3),
        ],
        empty: absent(model, Doc::Clients, "clients"),
        ordered: false,
    }
}

pub(crate) fn queries(model: &Model) -> Grid {
    let list = model.queries.as_ref().map_or(&[][..], |list| &list.queries);
    let rows = list.iter().map(|query| {
        let change = match query.change {
            None => words("new").tone(Tone::Warn),
            Some(ratio) => {
                let tone = if ratio >= 2.0 { Tone::Bad } else { Tone::Plain };
                weighed(format!("x{ratio:.1}"), ratio).tone(tone)
            }
        };
        let text = match query.text.as_str() {
            "" => format!("(text not kept) {}", query.fingerprint),
            text => text.to_owned(),
        };
        Row {
            id: format!("{}/{}/{}", query.database, query.user, query.fingerprint),
            cells: vec![
                words(text),
                weighed(percent(query.share), query.share),
                words(model.skin.bar(query.share, 10)).tone(Tone::Accent),
                weighed(number(query.calls_per_s), query.calls_per_s),
                span(query.mean_s),
                span(query.max_s),
                change,
                count(query.errors, true),
                weighed(number(query.rows as f64), query.rows as f64),
                words(format!("{}/{}", query.database, query.user)),
            ],
        }
    });
    Grid {
        rows: rows.collect(),
        columns: vec![
            left("Statement", 0, 0),
            right("Share", 6, 1),
            left("", 10, 6),
            right("calls/s", 7, 2),
            right("Mean", 8, 2),
            right("Max", 8, 3),
            right("Change", 7, 3),
            right("Errors", 6, 4),
            right("Rows", 7, 7),
            left("Pool", 18, 5),
        ],
        empty: absent(model, Doc::Queries, "queries"),
        ordered: false,
    }
}

pub(crate) fn waits(model: &Model) -> Grid {
    let lines = model
        .waits
        .as_ref()
        .map(|waits| waits.lines(model.skin))
        .unwrap_or_default();
    let rows = lines.into_iter().map(|line| {
        let tone = match line.kind {
            Kind::Root => Tone::Bad,
            Kind::Pool => Tone::Title,
            Kind::Blocked | Kind::Waiter => Tone::Warn,
            Kind::Holder => Tone::Plain,
        };
        Row {
            id: line.id,
            cells: vec![
                words(line.who).tone(tone),
                line.for_s.map_or_else(|| words(""), span),
                words(line.what),
                words(line.statement).tone(Tone::Dim),
            ],
        }
    });
    let mut empty = absent(model, Doc::Waits, "waits");
    if model.waits.is_some() {
        empty = "Nobody blocks anybody, and no pool has a queue.".to_owned();
    }
    let who = if model.size.0 >= 120 { 52 } else { 44 };
    Grid {
        rows: rows.collect(),
        columns: vec![
            left("Who", who, 0),
            right("For", 9, 1),
            left("State", if model.size.0 >= 120 { 40 } else { 24 }, 2),
            left("Statement", 0, 3),
        ],
        empty,
        ordered: true,
    }
}

pub(crate) fn incidents(model: &Model) -> Grid {
    let rows = model.incidents.iter().map(|incident| {
        let tone = match (incident.is_ongoing(), incident.status.as_str()) {
            (true, "open") => Tone::Bad,
            (true, _) => Tone::Warn,
            (false, _) => Tone::Dim,
        };
        let began = told::time(&incident.clocks.impact_started_at);
        let ended = told::time(&incident.clocks.resolved_at);
        let lasted = began.map(|began| {
            ended
                .unwrap_or_else(|| model.wall())
                .since(began)
                .as_secs_f64()
        });
        let number = incident
            .id
            .trim_start_matches("INC-")
            .parse::<f64>()
            .unwrap_or(0.0);
        let date: String = incident.clocks.impact_started_at.chars().take(19).collect();
        Row {
            id: incident.id.clone(),
            cells: vec![
                weighed(incident.id.clone(), number).tone(Tone::Title),
                words(incident.status.clone()).tone(tone),
                words(incident.severity.clone()),
                words(date.replace('T', " ")),
                lasted.map_or_else(|| words(""), span),
                words(incident.causes.first().map_or("", |cause| &cause.cause)),
                words(incident.title.clone()),
            ],
        }
    });
    Grid {
        rows: rows.collect(),
        columns: vec![
            left("Incident", 9, 0),
            left("Status", 13, 1),
            left("Sev", 5, 2),
            left("Began (UTC)", 20, 3),
            right("Lasts", 11, 4),
            left("Cause", 20, 5),
            left("Title", 0, 1),
        ],
        empty: match model.slot(Doc::Incidents).told_at {
            Some(_) => "No incident since this store was made.".to_owned(),
            None => absent(model, Doc::Incidents, "incidents"),
        },
        ordered: false,
    }
}

pub(crate) fn decisions(model: &Model) -> Grid {
    let past = model.past();
    let rows = model.decisions.iter().filter_map(|decision| {
        let at = told::time(&decision.at).unwrap_or_default();
        // Of the past, only what was decided by then.
        if past.is_some_and(|past| at > past) {
            return None;
        }
        let (state, tone) = match () {
            () if decision.action == "keep" => ("kept".to_owned(), Tone::Dim),
            () if decision.acted && !decision.approved_by.is_empty() => {
                (format!("by {}", decision.approved_by), Tone::Good)
            }
            () if decision.acted => ("done".to_owned(), Tone::Good),
            () if decision.is_standing() => ("asks".to_owned(), Tone::Warn),
            () => ("observed".to_owned(), Tone::Dim),
        };
        let number = decision
            .id
            .trim_start_matches("D-")
            .parse::<f64>()
            .unwrap_or(0.0);
        let size = match decision.to {
            Some(to) if to != decision.from => {
                format!("{}{}{to}", decision.from, model.skin.arrow())
            }
            _ => decision.from.to_string(),
        };
        Some(Row {
            id: decision.id.clone(),
            cells: vec![
                weighed(told::clock(at), at.as_micros() as f64),
                weighed(decision.id.clone(), number),
                words(decision.pool()),
                words(size),
                words(state).tone(tone),
                words(decision.says.clone()),
            ],
        })
    });
    Grid {
        rows: rows.collect(),
        columns: vec![
            left("UTC", 8, 0),
            left("Decision", 8, 4),
            left("Pool", 18, 2),
            left("Size", 9, 3),
            left("State", 10, 1),
            left("Says", 0, 1),
        ],
        empty: absent(model, Doc::Decisions, "decisions"),
        ordered: false,
    }
}

pub(crate) fn log(model: &Model) -> Grid {
    let past = model.past();
    let rows = model.log.iter().rev().filter_map(|line| {
        if past.is_some_and(|past| line.at > past) {
            return None;
        }
        Some(Row {
            id: line.number.to_string(),
            cells: vec![
                words(told::clock(line.at)).tone(Tone::Dim),
                words(line.kind.replace('_', " ")).tone(line.tone),
                words(line.by.clone()),
                words(line.says.clone()),
            ],
        })
    });
    Grid {
        rows: rows.collect(),
        columns: vec![
            left("UTC", 8, 0),
            left("What", 14, 1),
            left("By", 8, 2),
            left("Says", 0, 1),
        ],
        empty: "Nothing has happened since this began.".to_owned(),
        ordered: true,
    }
}

/// A line above the table: how many there are, of when, and what isn't here.
pub(crate) fn says(model: &Model, grid: &Grid) -> Words {
    let shown = grid.rows.len();
    let sep = model.skin.separator();
    let text = match model.view {
        View::Clients => match &model.clients {
            None => return Vec::new(),
            Some(list) => {
                let mut text = format!("{shown} of {} clients", number(list.total as f64));
                if list.shown < list.total {
                    text.push_str(&format!("{sep}the API tells {} at once", list.shown));
                }
                let at = told::time(&list.at).map_or("an earlier moment".to_owned(), told::clock);
                if model.past().is_some() {
                    text.push_str(&format!("{sep}as of {at}: single clients are not recorded"));
                }
                text
            }
        },
        View::Queries => match &model.queries {
            None => return Vec::new(),
            Some(list) => {
                let between = |text: &str| told::time(text).map_or(String::new(), told::clock);
                format!(
                    "{shown} statements{sep}{} of server time{sep}{} to {}",
                    seconds(list.slot_seconds),
                    between(&list.from),
                    between(&list.to)
                )
            }
        },
        View::Waits => match &model.waits {
            None => return Vec::new(),
            Some(waits) => waits.says.clone(),
        },
        View::Overview | View::Pools | View::Incidents | View::Decisions | View::Log => {
            return Vec::new();
        }
    };
    let fault = |doc| model.slot(doc).fault;
    let doc = match model.view {
        View::Clients => Doc::Clients,
        View::Queries => Doc::Queries,
        _ => Doc::Waits,
    };
    let mut words = vec![bit(text, Tone::Dim)];
    if let Some(fault) = fault(doc) {
        words.push(bit(format!("{sep}not newer: {}", fault.says()), Tone::Warn));
    }
    words
}
