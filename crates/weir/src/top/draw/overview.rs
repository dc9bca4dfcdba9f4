//! The first view: where the time goes, how much waits, which pool, what was decided.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::model::{Doc, Model};
use super::super::skin::{Tone, number, percent, seconds, width_of};
use super::super::told;
use super::sheet::{Charted, chart};
use super::{Words, bit, put};

pub(crate) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let mut y = area.y;
    let mut line = |words: &Words, buffer: &mut Buffer| {
        if y < area.bottom() {
            put(buffer, model, area.x, y, area.width, words);
            y += 1;
        }
    };
    if model.link.up
        && model.ongoing().next().is_none()
        && model.slot(Doc::Incidents).told_at.is_some()
    {
        line(&vec![bit("No incident is open.", Tone::Good)], buffer);
    }
    line(&totals(model), buffer);
    let path = path(model, usize::from(area.width));
    if !path.is_empty() {
        line(&path, buffer);
    }
    if let Some(overview) = model.overview.as_ref().filter(|o| !o.says.is_empty()) {
        line(&vec![bit(overview.says.clone(), Tone::Plain)], buffer);
    }

    // Three charts side by side.
    let height: u16 = match area.height {
        0..=24 => 3,
        25..=44 => 6,
        _ => 10,
    };
    if let Some(until) = model.moment().map(|moment| moment.at) {
        let each = (area.width - 4) / 3;
        for (n, charted) in Charted::ALL.into_iter().enumerate() {
            let x = area.x + u16::try_from(n).unwrap_or(0) * (each + 2);
            let lines = chart(
                model,
                charted,
                None,
                until,
                usize::from(each),
                usize::from(height),
            );
            for (y, words) in (y..area.bottom()).zip(lines) {
                put(buffer, model, x, y, each, &words);
            }
        }
        y += height + 1;
    }

    // Decisions take the last lines, the pools' table what is between.
    let decided = decided(model, usize::from(area.height / 8).clamp(2, 8));
    let below = u16::try_from(decided.len()).unwrap_or(0);
    let table = Rect::new(
        area.x,
        y.min(area.bottom()),
        area.width,
        area.bottom().saturating_sub(y).saturating_sub(below),
    );
    let looks = model.looks();
    super::grid(model).draw(
        buffer,
        table,
        model.skin,
        looks.sort,
        looks.chosen.as_deref(),
    );
    for (y, words) in (table.bottom()..area.bottom()).zip(&decided) {
        put(buffer, model, area.x, y, area.width, words);
    }
}

fn totals(model: &Model) -> Words {
    let pools = model.pools();
    let sum = |of: &dyn Fn(&told::Pool) -> f64| pools.iter().map(of).sum::<f64>();
    let rated = model.moment().is_none_or(|moment| moment.has_rates);
    let rate = |n: f64| match rated {
        true => number(n),
        false => model.skin.dash().to_owned(),
    };
    let sep = model.skin.separator();
    let waiting = sum(&|p| f64::from(p.n.clients.waiting));
    let busy = sum(&|p| f64::from(p.n.servers.active));
    let size = sum(&|p| f64::from(p.n.size));
    let mut words = vec![
        bit(
            rate(sum(&|p| f64::from(p.n.transactions_per_s))),
            Tone::Title,
        ),
        bit(" tx/s", Tone::Dim),
        bit(
            format!("{sep}{}", rate(sum(&|p| f64::from(p.n.arrivals_per_s)))),
            Tone::Plain,
        ),
        bit(" arrive/s", Tone::Dim),
        bit(sep, Tone::Dim),
        bit(
            format!("{} wait", number(waiting)),
            if waiting > 0.0 {
                Tone::Bad
            } else {
                Tone::Plain
            },
        ),
        bit(
            format!(
                ", {} run, {} in tx, {} idle",
                number(sum(&|p| f64::from(p.n.clients.active))),
                number(sum(&|p| f64::from(p.n.clients.idle_in_transaction))),
                number(sum(&|p| f64::from(p.n.clients.idle)))
            ),
            Tone::Plain,
        ),
        bit(
            format!("{sep}{} of {} busy", number(busy), number(size)),
            Tone::Plain,
        ),
    ];
    if let Some(overview) = &model.overview {
        for (rate, what) in [
            (overview.failures_per_s, "fail/s"),
            (overview.abandoned_per_s, "give up/s"),
        ] {
            if rate > 0.0 {
                words.push(bit(format!("{sep}{} {what}", number(rate)), Tone::Bad));
            }
        }
    }
    words
}

/// `client 12 % → queue 61 % → network 2 % → PostgreSQL 25 %`, with bars where there is room.
fn path(model: &Model, width: usize) -> Words {
    // Where nothing ran, nothing took time.
    let ran = |overview: &&told::Overview| overview.path.iter().any(|hop| hop.share > 0.0);
    let Some(overview) = model.overview.as_ref().filter(ran) else {
        return Vec::new();
    };
    let skin = model.skin;
    let name = |hop: &str| match hop {
        "server" => "PostgreSQL".to_owned(),
        hop => hop.to_owned(),
    };
    let texts = |with_mean: bool| -> Vec<String> {
        let of = |hop: &told::Hop| {
            let share = format!("{} {}", name(&hop.hop), percent(hop.share));
            match with_mean {
                true => format!("{share} {}", seconds(hop.mean_s)),
                false => share,
            }
        };
        overview.path.iter().map(of).collect()
    };
    let needed = |texts: &[String]| -> usize { texts.iter().map(|text| width_of(text) + 3).sum() };
    let texts = match texts(true) {
        whole if needed(&whole) <= width + 3 => whole,
        _ => texts(false),
    };
    let taken = needed(&texts);
    let bar = (width.saturating_sub(taken) / overview.path.len())
        .saturating_sub(2)
        .min(24);
    let worst = overview
        .path
        .iter()
        .map(|hop| hop.share)
        .fold(0.0, f64::max);
    let mut words = Vec::new();
    for (n, (hop, text)) in overview.path.iter().zip(texts).enumerate() {
        if n > 0 {
            words.push(bit(skin.arrow(), Tone::Dim));
        }
        let tone = match hop.hop.as_str() {
            _ if hop.share < worst => Tone::Plain,
            "queue" => Tone::Bad,
            _ => Tone::Accent,
        };
        words.push(bit(text, tone));
        if bar >= 4 {
            words.push(bit(format!(" {}", skin.bar(hop.share, bar)), tone));
        }
    }
    words
}

fn decided(model: &Model, count: usize) -> Vec<Words> {
    let past = model.past();
    model
        .decisions
        .iter()
        .filter(|decision| {
            past.is_none_or(|past| told::time(&decision.at).is_none_or(|at| at <= past))
        })
        .filter(|decision| decision.action != "keep")
        .take(count)
        .map(|decision| {
            let at = told::time(&decision.at).map_or(String::new(), told::clock);
            let (state, tone) = match (decision.acted, decision.is_standing()) {
                (true, _) => ("done", Tone::Good),
                (false, true) => ("asks", Tone::Warn),
                (false, false) => ("seen", Tone::Dim),
            };
            vec![
                bit(format!("{at} "), Tone::Dim),
                bit(format!("{state} "), tone),
                bit(
                    format!("{}: {}", decision.pool(), decision.says),
                    Tone::Plain,
                ),
            ]
        })
        .collect()
}
