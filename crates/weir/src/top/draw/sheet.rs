//! Lines of words and charts, for pages that are read from top to bottom.

use super::super::model::Model;
use super::super::skin::{Skin, Tone, seconds, wrap};
use super::{Words, bit};
use weir_model::Wall;

pub(crate) struct Sheet {
    pub(crate) width: usize,
    pub(crate) skin: Skin,
    pub(crate) lines: Vec<Words>,
}

impl Sheet {
    pub(crate) fn new(model: &Model, width: usize) -> Self {
        Self {
            width,
            skin: model.skin,
            lines: Vec::new(),
        }
    }

    pub(crate) fn words(&mut self, words: Words) {
        self.lines.push(words);
    }

    pub(crate) fn blank(&mut self) {
        self.lines.push(Vec::new());
    }

    pub(crate) fn title(&mut self, text: impl Into<String>) {
        self.lines.push(vec![bit(text, Tone::Title)]);
    }

    /// A heading with air above it.
    pub(crate) fn part(&mut self, text: impl Into<String>) {
        self.blank();
        self.title(text);
    }

    /// `label      text`, where there is a text.
    pub(crate) fn fact(&mut self, label: &str, text: &str, tone: Tone) {
        const LABEL: usize = 14;
        if text.trim().is_empty() {
            return;
        }
        for (n, line) in wrap(text, self.width.saturating_sub(LABEL))
            .into_iter()
            .enumerate()
        {
            let label = if n == 0 { label } else { "" };
            self.lines.push(vec![
                bit(format!("{label:<LABEL$}"), Tone::Dim),
                bit(line, tone),
            ]);
        }
    }

    /// A paragraph, moved in.
    pub(crate) fn say(&mut self, indent: usize, text: &str, tone: Tone) {
        if text.trim().is_empty() {
            return;
        }
        for line in wrap(text, self.width.saturating_sub(indent)) {
            self.lines
                .push(vec![bit(" ".repeat(indent), Tone::Plain), bit(line, tone)]);
        }
    }
}

/// Stretches that a chart may show, with their names: the shortest that has all that is known.
const STRETCHES: [(usize, &str); 4] = [
    (60, "1 min"),
    (120, "2 min"),
    (300, "5 min"),
    (600, "10 min"),
];

/// What fills a chart at least: one client that waits for a millisecond is no tower.
const WAITING_TOP: f32 = 4.0;
const WAIT_TOP: f32 = 0.010;

/// A series of ten minutes pressed into so many columns: each column has the worst of its seconds.
pub(crate) fn pressed(series: &[Option<f32>], width: usize) -> Vec<Option<f32>> {
    if width == 0 || series.is_empty() {
        return Vec::new();
    }
    let per = series.len().div_ceil(width);
    let worst = |chunk: &[Option<f32>]| {
        chunk
            .iter()
            .flatten()
            .copied()
            .fold(None, |worst: Option<f32>, value| {
                Some(worst.map_or(value, |worst| worst.max(value)))
            })
    };
    // The first column may be a shorter one, so that the last ends now.
    let first = series.len() % per;
    let mut pressed = Vec::with_capacity(width);
    if first > 0 {
        pressed.push(worst(&series[..first]));
    }
    pressed.extend(series[first..].chunks(per).map(worst));
    // A stretch shorter than the screen is drawn wider: whole columns a second.
    let wider = width / pressed.len().max(1);
    if wider > 1 {
        pressed = pressed
            .into_iter()
            .flat_map(|value| std::iter::repeat_n(value, wider))
            .collect();
    }
    while pressed.len() < width {
        pressed.insert(0, None);
    }
    pressed
}

/// What a chart shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charted {
    Waiting,
    WaitP99,
    Busy,
}

impl Charted {
    pub(crate) const ALL: [Charted; 3] = [Charted::Waiting, Charted::WaitP99, Charted::Busy];
}

/// A chart with its caption: what, how much now, how much at most. `pool`: of this one; else of all.
pub(crate) fn chart(
    model: &Model,
    charted: Charted,
    pool: Option<(&str, &str)>,
    until: Wall,
    width: usize,
    height: usize,
) -> Vec<Words> {
    let value = |pool: &super::super::told::Pool| match charted {
        Charted::Waiting => pool.n.clients.waiting as f32,
        Charted::WaitP99 => pool.n.wait_s.p99,
        Charted::Busy => pool.n.servers.active as f32,
    };
    let known = model
        .history
        .oldest()
        .map_or(0, |oldest| until.since(oldest.at).as_secs());
    let fits = |(seconds, _): &&(usize, &str)| *seconds as u64 >= known;
    let (stretch, name) = *STRETCHES.iter().find(fits).unwrap_or(&STRETCHES[3]);
    let series = model.history.series(until, stretch, |moment| match pool {
        Some(key) => moment.pool(key).map(value),
        None if moment.pools.is_empty() => None,
        // The worst wait of any pool; clients and servers of all together.
        None => Some(match charted {
            Charted::WaitP99 => moment.pools.iter().map(value).fold(0.0, f32::max),
            Charted::Waiting | Charted::Busy => moment.pools.iter().map(value).sum(),
        }),
    });
    let known = || series.iter().flatten().copied();
    let now = known().next_back();
    let most = known().fold(0.0_f32, f32::max);
    let show = |value: f32| match charted {
        Charted::WaitP99 => seconds(f64::from(value)),
        Charted::Waiting | Charted::Busy => super::super::skin::number(f64::from(value)),
    };
    let (what, top, tone) = match charted {
        Charted::Waiting => ("waiting", most.max(WAITING_TOP), Tone::Bad),
        Charted::WaitP99 => ("wait p99", most.max(WAIT_TOP), Tone::Warn),
        Charted::Busy => {
            let sizes = model.history.at(until).map_or(0, |moment| match pool {
                Some(key) => moment.pool(key).map_or(0, |pool| pool.n.size),
                None => moment.pools.iter().map(|pool| pool.n.size).sum(),
            });
            ("busy", most.max(sizes as f32), Tone::Accent)
        }
    };
    let caption = match now {
        Some(now) => format!("{}, max {} in {name}", show(now), show(most)),
        None => "nothing known".to_owned(),
    };
    let mut lines = vec![vec![
        bit(format!("{what} "), Tone::Dim),
        bit(
            model
                .skin
                .fit(&caption, width.saturating_sub(what.len() + 1)),
            Tone::Plain,
        ),
    ]];
    let columns = pressed(&series, width);
    for line in model.skin.chart(&columns, top, height) {
        lines.push(vec![bit(line, tone)]);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_the_worst_of_its_seconds_and_the_last_one_ends_now() {
        let series: Vec<Option<f32>> = (1..=7).map(|n| Some(n as f32)).collect();
        assert_eq!(pressed(&series, 3), [Some(1.0), Some(4.0), Some(7.0)]);
        assert_eq!(pressed(&series, 7).len(), 7);
        assert_eq!(pressed(&series, 9)[..2], [None, None]);
        let wide = [Some(1.0), Some(1.0), None, None, Some(3.0), Some(3.0)];
        assert_eq!(pressed(&[Some(1.0), None, Some(3.0)], 7)[1..], wide);
        assert_eq!(pressed(&[None, None, Some(1.0)], 1), [Some(1.0)]);
        assert_eq!(pressed(&[None, None], 1), [None]);
    }
}
