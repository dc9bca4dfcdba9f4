//! What Enter opens: one pool, client, statement, wait, incident, decision.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::model::{Doc, Model, Page, View};
use super::super::skin::{Tone, number, percent, seconds};
use super::super::told::{self, Client, Incident, Query};
use super::sheet::{Charted, Sheet, chart};
use super::{Words, absent, bit, lists, put};

pub(crate) fn draw(model: &Model, page: &Page, buffer: &mut Buffer, area: Rect) {
    let lines = lines(model, page, usize::from(area.width));
    let height = usize::from(area.height);
    let scroll = model.scroll.min(lines.len().saturating_sub(1));
    for (y, words) in (area.y..area.bottom()).zip(lines.iter().skip(scroll)) {
        put(buffer, model, area.x, y, area.width, words);
    }
    let left = lines.len().saturating_sub(scroll + height);
    if left > 0 && height > 1 {
        let says = format!(" {left} more lines: j ");
        let y = area.bottom() - 1;
        let width = u16::try_from(says.len()).unwrap_or(0).min(area.width);
        put(
            buffer,
            model,
            area.right() - width,
            y,
            width,
            &[bit(says, Tone::Selected)],
        );
    }
}

/// The page, line by line.
pub(crate) fn lines(model: &Model, page: &Page, width: usize) -> Vec<Words> {
    let mut sheet = Sheet::new(model, width);
    match page {
        Page::Pool { database, user } => pool(model, database, user, &mut sheet),
        Page::Client(id) => match client_of(model, *id) {
            Some(client) => client_lines(client, &mut sheet),
            None => sheet.say(0, &format!("Client {id} has gone."), Tone::Dim),
        },
        Page::Query(id) => match query_of(model, id) {
            Some(query) => query_lines(query, &mut sheet),
            None => sheet.say(0, "This statement did not run in the window.", Tone::Dim),
        },
        Page::Wait(id) => wait(model, id, &mut sheet),
        Page::Incident(id) => match model
            .incident
            .as_ref()
            .filter(|incident| incident.id == *id)
        {
            Some(whole) => incident(model, whole, &mut sheet),
            None => match model.incidents.iter().find(|incident| incident.id == *id) {
                Some(known) => incident(model, known, &mut sheet),
                None => sheet.say(0, &absent(model, Doc::Incident, "such incident"), Tone::Dim),
            },
        },
        Page::Decision(id) => decision(model, id, &mut sheet),
        Page::Line(number) => match model.log.iter().find(|line| line.number == *number) {
            Some(line) => {
                sheet.fact("when", &told::written(line.at), Tone::Plain);
                sheet.fact("what", &line.kind.replace('_', " "), line.tone);
                sheet.fact("by", &line.by, Tone::Plain);
                sheet.blank();
                sheet.say(0, &line.says, Tone::Plain);
            }
            None => sheet.say(0, "This line is no longer kept.", Tone::Dim),
        },
    }
    sheet.lines
}

fn client_of(model: &Model, id: u64) -> Option<&Client> {
    model
        .clients
        .as_ref()?
        .clients
        .iter()
        .find(|client| client.id == id)
}

fn query_of<'a>(model: &'a Model, id: &str) -> Option<&'a Query> {
    let queries = &model.queries.as_ref()?.queries;
    queries
        .iter()
        .find(|query| format!("{}/{}/{}", query.database, query.user, query.fingerprint) == id)
}

/// What `y` copies.
pub(crate) fn statement(model: &Model) -> Option<String> {
    let chosen = || model.chosen();
    match (model.page(), model.view) {
        (Some(Page::Client(id)), _) => client_of(model, *id).map(|client| client.statement.clone()),
        (Some(Page::Query(id)), _) => query_of(model, id).map(|query| query.text.clone()),
        (None, View::Clients) => {
            client_of(model, chosen()?.parse().ok()?).map(|client| client.statement.clone())
        }
        (None, View::Queries) => query_of(model, &chosen()?).map(|query| query.text.clone()),
        (Some(Page::Wait(id)), _) => wait_statement(model, id),
        (None, View::Waits) => wait_statement(model, &chosen()?),
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

fn wait_statement(model: &Model, id: &str) -> Option<String> {
    let lines = model.waits.as_ref()?.lines(model.skin);
    lines
        .into_iter()
        .find(|line| line.id == id)
        .map(|line| line.statement)
}

fn pool(model: &Model, database: &str, user: &str, sheet: &mut Sheet) {
    let key = (database, user);
    let Some(moment) = model.moment() else {
        return;
    };
    let Some(pool) = moment.pool(key) else {
        sheet.say(
            0,
            &format!("The pool {database}/{user} was not open then."),
            Tone::Dim,
        );
        return;
    };
    let n = &pool.n;
    let (level, tone) = lists::level(pool);
    sheet.words(vec![
        bit(pool.name(), Tone::Title),
        bit(format!("  {level}"), tone),
        bit(
            format!("  {}  {}", pool.words.mode, pool.words.incident),
            Tone::Plain,
        ),
    ]);
    sheet.fact("objective", &pool.words.objective, Tone::Plain);
    let bar = sheet
        .skin
        .bar(f64::from(n.servers.active) / f64::from(n.size.max(1)), 20);
    let busy = format!(
        "{bar} {} of {} busy, {} idle{}",
        n.servers.active,
        n.size,
        n.servers.idle + n.servers.used,
        match lists::rails(pool) {
            rails if rails.is_empty() => rails,
            rails => format!("; rails {rails}"),
        }
    );
    sheet.fact("servers", &busy, Tone::Plain);
    let clients = format!(
        "{} wait (the first for {}), {} run, {} idle in transaction, {} idle",
        n.clients.waiting,
        seconds(f64::from(n.oldest_wait_s)),
        n.clients.active,
        n.clients.idle_in_transaction,
        n.clients.idle
    );
    sheet.fact(
        "clients",
        &clients,
        if n.clients.waiting > 0 {
            Tone::Bad
        } else {
            Tone::Plain
        },
    );
    let s = |x: f32| seconds(f64::from(x));
    let waits = format!(
        "p50 {}, p90 {}, p99 {}, at most {}",
        s(n.wait_s.p50),
        s(n.wait_s.p90),
        s(n.wait_s.p99),
        s(n.wait_s.max)
    );
    sheet.fact("wait", &waits, Tone::Plain);
    if moment.has_rates {
        let hold = format!(
            "p50 {}, p99 {}: executing {}, thinking {}, network {}",
            s(n.hold_s.p50),
            s(n.hold_s.p99),
            percent(f64::from(n.hold_s.executing_share)),
            percent(f64::from(n.hold_s.thinking_share)),
            percent(f64::from(n.hold_s.network_share))
        );
        sheet.fact("hold", &hold, Tone::Plain);
        let rates = format!(
            "{} arrive/s, {} tx/s; so far {} failed, {} gave up waiting",
            number(f64::from(n.arrivals_per_s)),
            number(f64::from(n.transactions_per_s)),
            number(n.failures_total as f64),
            number(n.abandoned_total as f64)
        );
        sheet.fact("rates", &rates, Tone::Plain);
    }
    sheet.fact("why this size", &pool.words.size_because, Tone::Plain);
    sheet.fact("why not more", &pool.words.why_not_more, Tone::Plain);
    let pins: Vec<String> = pool
        .words
        .pinned
        .iter()
        .map(|(pin, n)| format!("{n} by {pin}"))
        .collect();
    sheet.fact("pinned", &pins.join(", "), Tone::Warn);
    if let Some(standing) = &pool.words.recommendation {
        sheet.fact(
            "recommended",
            &format!("{}: {} (A approves)", standing.decision, standing.says),
            Tone::Warn,
        );
        sheet.fact("because", &standing.because, Tone::Plain);
        sheet.fact("expected", &standing.expected, Tone::Plain);
    } else if let Some(standing) = model.standing(&pool.name()) {
        sheet.fact(
            "recommended",
            &format!("{}: {} (A approves)", standing.id, standing.says),
            Tone::Warn,
        );
        sheet.fact("expected", &standing.expected, Tone::Plain);
    }
    let height = match model.size.1 {
        0..=30 => 3,
        31..=49 => 5,
        _ => 8,
    };
    for charted in Charted::ALL {
        let until = moment.at;
        sheet
            .lines
            .extend(chart(model, charted, Some(key), until, sheet.width, height));
    }
    sheet.say(0, "Enter shows this pool's clients.", Tone::Dim);
}

fn client_lines(client: &Client, sheet: &mut Sheet) {
    sheet.title(format!("Client {}", client.id));
    let state = format!(
        "{} for {}",
        client.state.replace('_', " "),
        seconds(client.state_s)
    );
    let waits = client.state == "waiting";
    sheet.fact("state", &state, if waits { Tone::Bad } else { Tone::Plain });
    sheet.fact(
        "pool",
        &format!("{}/{}", client.database, client.user),
        Tone::Plain,
    );
    sheet.fact("application", &client.application, Tone::Plain);
    sheet.fact("host", &client.host, Tone::Plain);
    sheet.fact("connected", &client.connected_at, Tone::Plain);
    let server = match (client.server, client.backend_pid) {
        (Some(server), Some(pid)) => format!("{server}, backend {pid}"),
        (Some(server), None) => server.to_string(),
        (None, _) => "none".to_owned(),
    };
    sheet.fact("server", &server, Tone::Plain);
    sheet.fact("pinned by", &client.pins.join(", "), Tone::Warn);
    if client.prepared_statements > 0 {
        sheet.fact(
            "prepared",
            &format!("{} statements", client.prepared_statements),
            Tone::Plain,
        );
    }
    sheet.part("Statement");
    let text = match client.statement.as_str() {
        "" => "none is known",
        text => text,
    };
    sheet.say(2, text, Tone::Plain);
    sheet.blank();
    sheet.say(
        0,
        "C cancels the statement, K closes the connection, y copies the statement.",
        Tone::Dim,
    );
}

fn query_lines(query: &Query, sheet: &mut Sheet) {
    sheet.title(format!("Statement {}", query.fingerprint));
    sheet.fact(
        "pool",
        &format!("{}/{}", query.database, query.user),
        Tone::Plain,
    );
    let share = format!(
        "{} {} of server time",
        sheet.skin.bar(query.share, 20),
        percent(query.share)
    );
    sheet.fact("share", &share, Tone::Accent);
    let calls = format!(
        "{}, {} a second, {} failed",
        number(query.calls as f64),
        number(query.calls_per_s),
        number(query.errors as f64)
    );
    sheet.fact("calls", &calls, Tone::Plain);
    sheet.fact(
        "time",
        &format!(
            "mean {}, at most {}",
            seconds(query.mean_s),
            seconds(query.max_s)
        ),
        Tone::Plain,
    );
    sheet.fact("rows", &number(query.rows as f64), Tone::Plain);
    match (query.baseline_mean_s, query.change) {
        (Some(before), Some(change)) => {
            let tone = if change >= 2.0 {
                Tone::Bad
            } else {
                Tone::Plain
            };
            sheet.fact(
                "before",
                &format!("mean {}: now {change:.1} times as long", seconds(before)),
                tone,
            );
        }
        _ => sheet.fact("before", "did not run in the stretch before", Tone::Warn),
    }
    sheet.fact("says", &query.says, Tone::Plain);
    sheet.part("Text");
    let text = match query.text.as_str() {
        "" => "not kept",
        text => text,
    };
    sheet.say(2, text, Tone::Plain);
}

fn wait(model: &Model, id: &str, sheet: &mut Sheet) {
    let lines = model
        .waits
        .as_ref()
        .map(|waits| waits.lines(model.skin))
        .unwrap_or_default();
    let Some(line) = lines.into_iter().find(|line| line.id == id) else {
        sheet.say(0, "This wait is over.", Tone::Good);
        return;
    };
    sheet.title(
        line.who
            .trim_start_matches(|c: char| !c.is_alphanumeric())
            .to_owned(),
    );
    sheet.fact("state", &line.what, Tone::Plain);
    if let Some(s) = line.for_s {
        sheet.fact("for", &seconds(s), Tone::Plain);
    }
    if let Some(node) = &line.node {
        let pool = format!("{}/{}", node.database, node.user);
        sheet.fact(
            "pool",
            if node.database.is_empty() { "" } else { &pool },
            Tone::Plain,
        );
        sheet.fact("application", &node.application, Tone::Plain);
        sheet.fact("host", &node.host, Tone::Plain);
        let id = |n: Option<u64>| n.map_or_else(|| "not Weir's".to_owned(), |n| n.to_string());
        sheet.fact("client", &id(node.client), Tone::Plain);
        sheet.fact("server", &id(node.server), Tone::Plain);
    }
    sheet.part("Statement");
    sheet.say(
        2,
        if line.statement.is_empty() {
            "none is known"
        } else {
            &line.statement
        },
        Tone::Plain,
    );
}

fn incident(model: &Model, incident: &Incident, sheet: &mut Sheet) {
    let tone = if incident.is_ongoing() {
        Tone::Bad
    } else {
        Tone::Dim
    };
    sheet.words(vec![
        bit(
            format!(
                "{} {} {}  ",
                incident.id, incident.severity, incident.status
            ),
            tone,
        ),
        bit(incident.title.clone(), Tone::Title),
    ]);
    let began = told::time(&incident.clocks.impact_started_at);
    let clock = |text: &str| match (told::time(text), began) {
        (Some(at), Some(began)) if at > began => {
            format!(
                "{} (+{})",
                told::clock(at),
                seconds(at.since(began).as_secs_f64())
            )
        }
        (Some(at), _) => told::clock(at),
        (None, _) => "not yet".to_owned(),
    };
    let clocks = &incident.clocks;
    let facts = [
        ("began", &clocks.impact_started_at),
        ("detected", &clocks.detected_at),
        ("cause named", &clocks.cause_named_at),
        ("acknowledged", &clocks.acknowledged_at),
        ("mitigated", &clocks.mitigated_at),
        ("resolved", &clocks.resolved_at),
    ];
    let line: Vec<String> = facts
        .iter()
        .map(|(name, at)| format!("{name} {}", clock(at)))
        .collect();
    sheet.say(0, &line.join(model.skin.separator()), Tone::Plain);

    let impact = &incident.impact;
    let of = |part: u64, whole: u64, noun: &str| {
        format!("{} of {} {noun}", number(part as f64), number(whole as f64))
    };
    let mut hit = vec![
        of(
            impact.transactions_delayed,
            impact.transactions,
            "transactions delayed",
        ),
        format!("{} failed", number(impact.transactions_failed as f64)),
        of(impact.clients_affected, impact.clients, "clients"),
    ];
    if let (Some(part), Some(whole)) = (impact.users_affected, impact.users) {
        hit.push(of(part, whole, "users"));
    }
    if let (Some(before), Some(during)) = (impact.wait_s_p99_before, impact.wait_s_p99_during) {
        hit.push(format!(
            "wait p99 {} before, {} during",
            seconds(before),
            seconds(during)
        ));
    }
    sheet.part("Impact");
    sheet.say(2, &hit.join("; "), Tone::Plain);

    sheet.part("Causes");
    if incident.causes.is_empty() {
        sheet.say(2, "none is named yet", Tone::Warn);
    }
    for finding in &incident.causes {
        let head = format!(
            "{} confidence {}, share {}",
            finding.cause,
            percent(finding.confidence),
            percent(finding.share)
        );
        sheet.say(2, &head, Tone::Title);
        sheet.say(4, &finding.says, Tone::Plain);
        for evidence in finding.evidence.iter().take(6) {
            sheet.say(4, &format!("- {}", evidence.says), Tone::Dim);
        }
        if !finding.remedy.says.is_empty() {
            sheet.say(4, &format!("remedy: {}", finding.remedy.says), Tone::Accent);
        }
    }
    if !incident.ruled_out.is_empty() {
        sheet.part("Ruled out");
        for out in &incident.ruled_out {
            sheet.say(2, &format!("{}: {}", out.cause, out.says), Tone::Plain);
        }
    }
    sheet.part("Timeline (UTC)");
    for row in &incident.timeline {
        let at = told::time(&row.at).map_or("--:--:--".to_owned(), told::clock);
        sheet.fact(
            &at,
            &format!("{} ({}, {})", row.says, row.kind, row.by),
            Tone::Plain,
        );
    }
    if !incident.questions.is_empty() {
        let text = match incident.questions.len() {
            1 => "1 question is open for the report.".to_owned(),
            n => format!("{n} questions are open for the report."),
        };
        sheet.say(0, &text, Tone::Dim);
    }
}

fn decision(model: &Model, id: &str, sheet: &mut Sheet) {
    let Some(decision) = model.decisions.iter().find(|decision| decision.id == id) else {
        sheet.say(0, "This decision is no longer kept here.", Tone::Dim);
        return;
    };
    sheet.title(format!("{} for {}", decision.id, decision.pool()));
    sheet.say(0, &decision.says, Tone::Plain);
    sheet.blank();
    let to = decision.to.unwrap_or(decision.from);
    sheet.fact("when", &decision.at, Tone::Plain);
    sheet.fact(
        "size",
        &format!("{} before, {to} after; {}", decision.from, decision.action),
        Tone::Plain,
    );
    sheet.fact("because", &decision.because, Tone::Plain);
    sheet.fact("expected", &decision.expected, Tone::Plain);
    sheet.fact("why not more", &decision.why_not_more, Tone::Plain);
    let done = match (decision.acted, decision.approved_by.as_str()) {
        (true, "") => format!("yes, in mode {}", decision.mode),
        (true, by) => format!("yes, approved by {by}"),
        (false, _) if decision.is_standing() => "no: A approves it".to_owned(),
        (false, _) => format!("no, in mode {}", decision.mode),
    };
    sheet.fact("done", &done, Tone::Plain);
    if let serde_json::Value::Object(_) = &decision.undo {
        sheet.fact(
            "undo",
            &format!("resize it back to {}", decision.from),
            Tone::Plain,
        );
    }
}
