//! A terminal smaller than 80×24: says so, and still shows what matters at night.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::super::model::Model;
use super::super::skin::{Tone, seconds, wrap};
use super::{WHOLE, Words, bit, freshness, put};

pub(crate) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    let mut lines: Vec<Words> = vec![freshness(model)];
    let width = usize::from(area.width);
    if !model.link.up && !model.link.says.is_empty() {
        let says = wrap(&model.link.says, width).into_iter().take(3);
        lines.extend(says.map(|line| vec![bit(line, Tone::Bad)]));
    }
    for incident in model.ongoing().take(2) {
        let head = format!(
            "! {} {} {}",
            incident.id, incident.severity, incident.status
        );
        lines.push(vec![bit(head, Tone::Bad)]);
        let title = wrap(&incident.title, width).into_iter().take(2);
        lines.extend(title.map(|line| vec![bit(line, Tone::Title)]));
        if let Some(cause) = incident.causes.first() {
            lines.push(vec![bit(cause.cause.clone(), Tone::Plain)]);
        }
    }
    if model.link.up && model.ongoing().next().is_none() {
        lines.push(vec![bit("no incident is open", Tone::Good)]);
    }
    let mut pools: Vec<_> = model.pools().iter().collect();
    pools.sort_by(|a, b| {
        let trouble = |pool: &super::super::told::Pool| {
            (
                super::lists::gravity(&pool.words.level, pool.n.paused),
                pool.n.clients.waiting,
            )
        };
        trouble(b).cmp(&trouble(a))
    });
    for pool in pools {
        let level = match pool.words.level.as_str() {
            "" => bit("ok ", Tone::Good),
            level => bit(format!("{level} "), super::lists::level_tone(level)),
        };
        let numbers = format!(
            " {} wait, {} busy of {}, p99 {}",
            pool.n.clients.waiting,
            pool.n.servers.active,
            pool.n.size,
            seconds(f64::from(pool.n.wait_s.p99))
        );
        lines.push(vec![
            level,
            bit(pool.name(), Tone::Title),
            bit(numbers, Tone::Plain),
        ]);
    }
    let last = area.height.saturating_sub(1);
    for (y, words) in (0..last).zip(&lines) {
        put(buffer, model, 0, y, area.width, words);
    }
    let says = format!(
        "{}x{} is small: {}x{} shows all. q quits",
        area.width, area.height, WHOLE.0, WHOLE.1
    );
    if area.height > 0 {
        put(buffer, model, 0, last, area.width, &[bit(says, Tone::Dim)]);
    }
}
