//! The picture: a pure function of the model.
//!
//! | file | draws |
//! |---|---|
//! | this one | the frame around: head, tabs, incident banner, foot; what is asked of the person |
//! | [`overview`] | the first view |
//! | [`lists`] | the tables of the other views |
//! | [`pages`] | what Enter opens |
//! | [`sheet`] | lines of words and charts |
//! | [`small`] | what is shown where 80×24 don't fit |

mod lists;
mod overview;
mod pages;
mod sheet;
mod small;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::grid::{Grid, Sort};
use super::keys::BINDINGS;
use super::model::{Confirm, Doc, Fault, Mode, Model, Prompt, View};
use super::news::age;
use super::skin::{Tone, seconds, width_of, wrap};
use super::told;

/// Everything fits from here on.
pub(crate) const WHOLE: (u16, u16) = (80, 24);

/// Words with what they are.
pub(crate) type Words = Vec<(String, Tone)>;

pub(crate) fn bit(text: impl Into<String>, tone: Tone) -> (String, Tone) {
    (text.into(), tone)
}

/// Writes words from `x` on, at most `width` columns; gives the column behind them.
pub(crate) fn put(
    buffer: &mut Buffer,
    model: &Model,
    x: u16,
    y: u16,
    width: u16,
    words: &[(String, Tone)],
) -> u16 {
    let mut at = x;
    let end = x.saturating_add(width);
    for (text, tone) in words {
        let left = usize::from(end.saturating_sub(at));
        if left == 0 {
            break;
        }
        let text = model.skin.fit(text, left);
        buffer.set_stringn(at, y, &text, left, model.skin.style(*tone));
        at = at.saturating_add(u16::try_from(width_of(&text)).unwrap_or(u16::MAX));
    }
    at
}

/// The whole screen.
pub(crate) fn draw(model: &Model, buffer: &mut Buffer) {
    let area = buffer.area;
    if area.width < WHOLE.0 || area.height < WHOLE.1 {
        small::draw(model, buffer, area);
        return;
    }
    head(model, buffer, area);
    tabs(model, buffer, area);
    let banners = banner(model, buffer, area, 2);
    let top = 2 + banners;
    let body = Rect::new(0, top, area.width, area.height - top - 1);
    match (&model.mode, model.page()) {
        (Mode::Help, _) => help(model, buffer, body),
        (_, Some(page)) => pages::draw(model, page, buffer, body),
        (_, None) if model.view == View::Overview => overview::draw(model, buffer, body),
        (_, None) => table(model, buffer, body),
    }
    foot(model, buffer, area);
    match &model.mode {
        Mode::Confirm(confirm) => ask(model, buffer, body, confirm),
        Mode::Prompt(prompt) => question(model, buffer, body, prompt),
        Mode::Normal | Mode::Filter { .. } | Mode::Help => {}
    }
}

/// How a table is sorted before somebody sorts it.
pub(crate) fn first_sort(view: View) -> Sort {
    let by = |column| Sort {
        column: Some(column),
        rising: false,
    };
    match view {
        View::Overview | View::Pools => by(lists::LEVEL),
        View::Clients => by(lists::FOR),
        View::Queries => by(lists::SHARE),
        View::Waits | View::Incidents | View::Decisions | View::Log => Sort::default(),
    }
}

/// The table of the open view, filtered and sorted.
pub(crate) fn grid(model: &Model) -> Grid {
    let looks = model.looks();
    let mut grid = match model.view {
        View::Overview | View::Pools => lists::pools(model),
        View::Clients => lists::clients(model),
        View::Queries => lists::queries(model),
        View::Waits => lists::waits(model),
        View::Incidents => lists::incidents(model),
        View::Decisions => lists::decisions(model),
        View::Log => lists::log(model),
    };
    grid.filter(&looks.filter);
    grid.sort(looks.sort);
    grid
}

/// Lines of the open page.
pub(crate) fn page_length(model: &Model) -> usize {
    let width = usize::from(model.size.0);
    model
        .page()
        .map_or(0, |page| pages::lines(model, page, width).len())
}

/// The statement that `y` copies, where there is one.
pub(crate) fn statement(model: &Model) -> Option<String> {
    pages::statement(model)
}

fn table(model: &Model, buffer: &mut Buffer, area: Rect) {
    let looks = model.looks();
    let grid = grid(model);
    let says = lists::says(model, &grid);
    let mut table = area;
    if !says.is_empty() {
        put(buffer, model, area.x, area.y, area.width, &says);
        table.y += 1;
        table.height -= 1;
    }
    grid.draw(
        buffer,
        table,
        model.skin,
        looks.sort,
        looks.chosen.as_deref(),
    );
}

/// Who, where, since when; and at the right how fresh this is.
fn head(model: &Model, buffer: &mut Buffer, area: Rect) {
    let right = freshness(model);
    let wide: usize = right
        .iter()
        .map(|(text, _)| width_of(&model.skin.text(text)))
        .sum();
    let wide = u16::try_from(wide).unwrap_or(area.width).min(area.width);
    let sep = model.skin.separator();
    let mut left = vec![bit("weir top", Tone::Title)];
    left.push(bit(format!(" {}", place(&model.url)), Tone::Plain));
    if let Some(status) = &model.status {
        let mut rest = vec![
            format!("weir {}", status.version),
            format!("up {}", seconds(status.uptime_s)),
            format!("regulator {}", status.regulator_mode),
        ];
        if area.width >= 120 {
            rest.push(status.io.split(' ').next().unwrap_or_default().to_owned());
            rest.push(format!(
                "{} clients, {} servers",
                status.clients, status.servers
            ));
        }
        let mut room = usize::from(area.width.saturating_sub(wide + 1));
        room = room.saturating_sub(left.iter().map(|(text, _)| width_of(text)).sum());
        for part in rest.into_iter().filter(|part| !part.is_empty()) {
            let part = format!("{sep}{part}");
            // Whole or not at all.
            let Some(rest) = room.checked_sub(width_of(&part)) else {
                break;
            };
            room = rest;
            left.push(bit(part, Tone::Dim));
        }
    }
    put(
        buffer,
        model,
        0,
        0,
        area.width.saturating_sub(wide + 1),
        &left,
    );
    put(buffer, model, area.width - wide, 0, wide, &right);
}

/// `127.0.0.1:6433`; a scheme that is worth a word stays.
fn place(url: &str) -> &str {
    url.strip_prefix("http://").unwrap_or(url)
}

/// `live 08:41:24 1 s`, `held at 08:40:11`, `stale 12 s, next try in 4 s`.
pub(crate) fn freshness(model: &Model) -> Words {
    let every = seconds(model.every().as_secs_f64());
    let stale = age(model).map(|age| seconds(age.as_secs_f64().floor()));
    if !model.link.up {
        let wait = model.link.retry_at.since(model.now).as_secs_f64().ceil();
        let next = match wait {
            wait if wait > 0.0 => format!("next try in {wait:.0} s"),
            _ => "trying".to_owned(),
        };
        return match stale {
            None if model.link.failures == 0 => vec![bit("connecting", Tone::Warn)],
            None => vec![bit(format!("no answer, {next}"), Tone::Bad)],
            Some(stale) => vec![bit(format!("STALE {stale}, {next}"), Tone::Bad)],
        };
    }
    if let Some(at) = model.past() {
        let back = model
            .history
            .newest()
            .map_or(0.0, |newest| newest.at.since(at).as_secs_f64());
        return vec![bit(
            format!("HELD at {}, {} back", told::clock(at), seconds(back)),
            Tone::Warn,
        )];
    }
    let late =
        age(model).is_some_and(|age| age > model.every() * 3 + std::time::Duration::from_secs(1));
    if let (true, Some(stale)) = (late, stale) {
        return vec![bit(format!("STALE {stale}"), Tone::Bad)];
    }
    let at = model
        .moment()
        .map_or(String::new(), |moment| told::clock(moment.at));
    vec![
        bit("live ", Tone::Good),
        bit(format!("{at}Z every {every}"), Tone::Dim),
    ]
}

fn tabs(model: &Model, buffer: &mut Buffer, area: Rect) {
    let mut x = 0;
    for (index, view) in View::ALL.iter().enumerate() {
        let chosen = *view == model.view;
        let name = format!("{} {} ", index + 1, view.name());
        let tone = if chosen { Tone::Selected } else { Tone::Dim };
        let width = u16::try_from(width_of(&name)).unwrap_or(0);
        put(
            buffer,
            model,
            x,
            1,
            area.width.saturating_sub(x),
            &[bit(name, tone)],
        );
        x = x.saturating_add(width);
    }
}

/// Open incidents come before everything else. Gives how many lines they took.
fn banner(model: &Model, buffer: &mut Buffer, area: Rect, y: u16) -> u16 {
    let mut lines: Vec<Words> = Vec::new();
    if !model.link.up && !model.link.says.is_empty() {
        lines.push(vec![
            bit("! ", Tone::Bad),
            bit(model.link.says.clone(), Tone::Bad),
        ]);
    }
    if let Some(status) = &model.status {
        if status.data_plane_silent {
            lines.push(vec![bit(
                "! the data plane has been silent for over two seconds",
                Tone::Bad,
            )]);
        }
        if status.draining {
            lines.push(vec![bit(
                "! draining: no new clients are taken",
                Tone::Warn,
            )]);
        }
        if status.store_ok == Some(false) {
            lines.push(vec![bit(format!("! store: {}", status.store), Tone::Warn)]);
        }
    }
    let ongoing = model.ongoing().count();
    for incident in model.ongoing().take(2) {
        let mut words = vec![
            bit(
                format!(
                    "! {} {} {} ",
                    incident.id, incident.severity, incident.status
                ),
                Tone::Bad,
            ),
            bit(incident.title.clone(), Tone::Title),
        ];
        if let Some(cause) = incident.causes.first() {
            words.push(bit(
                format!("{}{}", model.skin.separator(), cause.says),
                Tone::Plain,
            ));
        }
        lines.push(words);
    }
    if ongoing > 2 {
        lines.push(vec![bit(
            format!("! and {} more open incidents (6)", ongoing - 2),
            Tone::Bad,
        )]);
    }
    lines.truncate(4);
    for (line, words) in lines.iter().enumerate() {
        let y = y + u16::try_from(line).unwrap_or(0);
        put(buffer, model, 0, y, area.width, words);
    }
    u16::try_from(lines.len()).unwrap_or(0)
}

fn foot(model: &Model, buffer: &mut Buffer, area: Rect) {
    let y = area.height - 1;
    let words: Words = match (&model.mode, &model.notice) {
        (Mode::Filter { .. }, _) => vec![
            bit("/", Tone::Accent),
            bit(format!("{}_", model.looks().filter), Tone::Title),
            bit("   Enter keeps it, Esc takes it back", Tone::Dim),
        ],
        (Mode::Help, _) => vec![bit("any key goes back", Tone::Dim)],
        (_, Some((says, tone, _))) => vec![bit(says.clone(), *tone)],
        (Mode::Normal | Mode::Prompt(_) | Mode::Confirm(_), None) => hints(model),
    };
    put(buffer, model, 0, y, area.width, &words);
}

fn hints(model: &Model) -> Words {
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    let filter = model.looks().filter;
    if model.page().is_some() {
        pairs.push(("Esc", "back"));
        pairs.push(("j k", "scroll"));
    } else {
        pairs.push(("Enter", "look into"));
        pairs.push(("/", "filter"));
    }
    match model.view {
        View::Clients | View::Waits => {
            pairs.push(("C", "cancel"));
            pairs.push(("K", "close"));
        }
        View::Overview | View::Pools | View::Decisions => pairs.push(("A", "approve")),
        View::Queries | View::Incidents | View::Log => {}
    }
    if model.ongoing().next().is_some() {
        pairs.push(("a", "ack"));
        pairs.push(("f", "onset"));
    }
    if model.past().is_some() {
        pairs.push(("End", "now"));
    }
    pairs.push(("?", "help"));
    pairs.push(("q", "quit"));
    // What doesn't fit stands in the help.
    if model.past().is_none() {
        pairs.push(("Space", "hold"));
    }
    if model.page().is_none() {
        pairs.push(("s", "sort"));
    }
    let mut words = Vec::new();
    if !filter.is_empty() && model.page().is_none() {
        words.push(bit(format!("/{filter}"), Tone::Accent));
        words.push(bit("  ", Tone::Plain));
    }
    let mut room = usize::from(model.size.0);
    room = room.saturating_sub(words.iter().map(|(text, _)| width_of(text)).sum());
    for (key, does) in pairs {
        let does = format!(" {does}");
        let Some(rest) = room.checked_sub(key.len() + does.len()) else {
            break;
        };
        room = rest.saturating_sub(2);
        words.push(bit(key, Tone::Accent));
        words.push(bit(does, Tone::Dim));
        words.push(bit("  ", Tone::Plain));
    }
    words
}

fn help(model: &Model, buffer: &mut Buffer, area: Rect) {
    let wide = area.width >= 160;
    let rows = BINDINGS.len();
    let half = if wide { rows.div_ceil(2) } else { rows };
    for (index, binding) in BINDINGS.iter().enumerate() {
        let (column, row) = (index / half, index % half);
        let y = area.y + u16::try_from(row).unwrap_or(0);
        if y >= area.bottom() {
            break;
        }
        let x = area.x + if column == 0 { 0 } else { area.width / 2 };
        let keys = format!("{:<16}", binding.keys);
        let words = [bit(keys, Tone::Accent), bit(binding.does, Tone::Plain)];
        put(buffer, model, x, y, area.right() - x, &words);
    }
}

/// A box in the middle, empty within; gives what is within.
fn boxed(model: &Model, buffer: &mut Buffer, area: Rect, height: u16) -> Rect {
    let width = area.width.min(90).saturating_sub(4);
    let height = height.saturating_add(2).min(area.height);
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    let frame = Rect::new(x, y, width, height);
    let side = if model.skin.unicode { "│" } else { "|" };
    let corners = if model.skin.unicode {
        ["┌", "┐", "└", "┘"]
    } else {
        ["+", "+", "+", "+"]
    };
    let rule: String = std::iter::repeat_n(model.skin.rule(), usize::from(width - 2)).collect();
    let style = model.skin.style(Tone::Warn);
    for line in frame.y..frame.bottom() {
        buffer.set_string(x, line, " ".repeat(usize::from(width)), Style::reset());
        buffer.set_string(x, line, side, style);
        buffer.set_string(frame.right() - 1, line, side, style);
    }
    for (y, left, right) in [
        (frame.y, corners[0], corners[1]),
        (frame.bottom() - 1, corners[2], corners[3]),
    ] {
        buffer.set_string(x, y, format!("{left}{rule}{right}"), style);
    }
    Rect::new(x + 2, y + 1, width - 4, height - 2)
}

fn ask(model: &Model, buffer: &mut Buffer, area: Rect, confirm: &Confirm) {
    let width = usize::from(area.width.min(90).saturating_sub(8));
    let mut lines: Vec<Words> = vec![vec![bit(format!("{}?", confirm.what), Tone::Title)]];
    for says in &confirm.says {
        lines.extend(
            wrap(says, width)
                .into_iter()
                .map(|line| vec![bit(line, Tone::Plain)]),
        );
    }
    let undo = format!("Undo: {}", confirm.undo);
    lines.extend(
        wrap(&undo, width)
            .into_iter()
            .map(|line| vec![bit(line, Tone::Warn)]),
    );
    lines.push(vec![
        bit("y", Tone::Accent),
        bit(" do it   ", Tone::Plain),
        bit("n", Tone::Accent),
        bit(format!(" leave it       as {}", model.by), Tone::Plain),
    ]);
    fill(model, buffer, area, &lines);
}

fn question(model: &Model, buffer: &mut Buffer, area: Rect, prompt: &Prompt) {
    let field = |label: &str, text: &str, here: bool| {
        let (mark, tone) = if here {
            ("_", Tone::Title)
        } else {
            ("", Tone::Plain)
        };
        vec![
            bit(format!("{label:<6}"), Tone::Dim),
            bit(format!("{text}{mark}"), tone),
        ]
    };
    let lines = [
        vec![bit(prompt.title.clone(), Tone::Title)],
        field("who", &prompt.by, !prompt.at_text),
        field("text", &prompt.text, prompt.at_text),
        vec![
            bit("Enter", Tone::Accent),
            bit(" acknowledge   ", Tone::Plain),
            bit("Tab", Tone::Accent),
            bit(" other line   ", Tone::Plain),
            bit("Esc", Tone::Accent),
            bit(" leave it", Tone::Plain),
        ],
    ];
    fill(model, buffer, area, &lines);
}

fn fill(model: &Model, buffer: &mut Buffer, area: Rect, lines: &[Words]) {
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let within = boxed(model, buffer, area, height);
    for (y, words) in (within.y..within.bottom()).zip(lines) {
        put(buffer, model, within.x, y, within.width, words);
    }
}

/// Why a document isn't there, in a sentence.
pub(crate) fn absent(model: &Model, doc: Doc, noun: &str) -> String {
    let slot = model.slot(doc);
    match &slot.fault {
        Some(Fault::Refused {
            status: 404, code, ..
        }) if code == "no_such_path" => {
            let version = model.status.as_ref().map_or("", |status| &status.version);
            format!("This Weir ({version}) doesn't tell its {noun} over HTTP; a newer one does.")
        }
        Some(fault) => format!("No {noun}: {}", fault.says()),
        None if slot.told_at.is_none() => format!("Asking for {noun}."),
        None => format!("No {noun}."),
    }
}
