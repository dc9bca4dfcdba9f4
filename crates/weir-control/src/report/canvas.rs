//! The paper under the charts: panels, axes, lines, areas, labels and the clocks.

use std::fmt::Write as _;

use weir_model::Wall;

use super::html::escaped;
use crate::incident::Incident;
use crate::incident::entry::ChartPoint;
use crate::incident::words::{offset, time_of_day};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 118.0;
const PANEL_GAP: f64 = 30.0;
const STYLE: &str = "<style>\
.wr-bg{fill:#fff}.wr-t{font:11px system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#57606a}\
.wr-h{font-weight:600;fill:#1b1f24}.wr-g{stroke:#d8dee4;stroke-width:1}.wr-a{stroke:#8c959f;stroke-width:1}\
.wr-l{fill:none;stroke-width:2;stroke-linejoin:round}\
.wr-c{stroke:#57606a;stroke-width:1;stroke-dasharray:2 3}.wr-cl{fill:#1b1f24}\
.wr-s1{stroke:#57606a}.wr-s2{stroke:#0550ae}.wr-s3{stroke:#9a5b00}.wr-s4{stroke:#b3261e}\
.wr-f1{fill:#57606a}.wr-f2{fill:#0550ae}.wr-f3{fill:#9a5b00}.wr-f4{fill:#b3261e}.wr-f5{fill:#6639ba}\
.wr-b3{fill:#9a5b00;fill-opacity:.16}.wr-b4{fill:#b3261e;fill-opacity:.16}\
.wr-pl{stroke:#c77700;stroke-width:3}.wr-pb{fill:#c77700;fill-opacity:.18}\
.wr-ql{fill:#6639ba}.wr-qb{fill:#6639ba;fill-opacity:.18}.wr-eb{fill:#0550ae;fill-opacity:.55}\
@media (prefers-color-scheme:dark){\
.wr-bg{fill:#0d1117}.wr-t{fill:#9da7b3}.wr-h,.wr-cl{fill:#e6edf3}.wr-g{stroke:#262c34}.wr-a{stroke:#6e7681}.wr-c{stroke:#9da7b3}\
.wr-s1{stroke:#9da7b3}.wr-s2{stroke:#79c0ff}.wr-s3{stroke:#e3b341}.wr-s4{stroke:#ff8f88}\
.wr-f1{fill:#9da7b3}.wr-f2{fill:#79c0ff}.wr-f3{fill:#e3b341}.wr-f4{fill:#ff8f88}.wr-f5{fill:#d2a8ff}\
.wr-b3{fill:#e3b341}.wr-b4{fill:#ff8f88}.wr-pl{stroke:#e3b341}.wr-pb{fill:#e3b341}.wr-ql,.wr-qb{fill:#d2a8ff}.wr-eb{fill:#79c0ff}}\
</style>";

/// What a panel's y axis shows.
pub(super) struct Panel {
    top: f64,
    height: f64,
    max: f64,
}

impl Panel {
    pub(super) fn y(&self, value: f64) -> f64 {
        let share = if self.max > 0.0 {
            finite(value) / self.max
        } else {
            0.0
        };
        self.top + self.height * (1.0 - share.clamp(0.0, 1.0))
    }
}

struct Time {
    from: Wall,
    to: Wall,
}

impl Time {
    fn x(&self, at: Wall) -> f64 {
        let span = (self.to.as_micros() as f64 - self.from.as_micros() as f64).max(1.0);
        let share = (at.as_micros() as f64 - self.from.as_micros() as f64) / span;
        LEFT + (WIDTH - LEFT - RIGHT) * share.clamp(0.0, 1.0)
    }

    fn holds(&self, at: Wall) -> bool {
        self.from <= at && at <= self.to
    }
}

pub(super) fn finite(x: f64) -> f64 {
    if x.is_finite() { x.max(0.0) } else { 0.0 }
}

/// A drawing under construction.
pub(super) struct Art {
    out: String,
    pub(super) id: &'static str,
    time: Time,
    clocks: Vec<(Wall, String, usize)>,
    clock_rows: usize,
    panels: usize,
    panel_height: f64,
}

impl Art {
    pub(super) fn new(
        incident: &Incident,
        points: &[ChartPoint],
        panels: usize,
        panel_height: f64,
    ) -> Self {
        let time = Time {
            from: points[0].at,
            to: points[points.len() - 1].at,
        };
        let clocks = incident.clocks();
        let mut marked: Vec<(Wall, &str)> = vec![
            (clocks.impact_started_at, "impact starts"),
            (clocks.detected_at, "detected"),
        ];
        let optional = [
            (clocks.cause_named_at, "cause named"),
            (clocks.acknowledged_at, "acknowledged"),
            (clocks.mitigated_at, "mitigated"),
            (clocks.resolved_at, "resolved"),
        ];
        marked.extend(
            optional
                .into_iter()
                .filter_map(|(at, name)| Some((at?, name))),
        );
        if let Some(order) = incident
            .decisions
            .iter()
            .find(|d| d.acted && d.to_size.is_some())
        {
            marked.push((order.at, "size changed"));
        }
        marked.retain(|(at, _)| time.holds(*at));
        marked.sort_by_key(|(at, _)| *at);
        // A label stands right of its line. A later line must not run through an earlier label, so
        // whoever stands within one goes below it.
        let mut placed: Vec<(Wall, String, usize)> = Vec::new();
        let onset = clocks.impact_started_at;
        for (at, name) in marked {
            let text = if at == onset {
                format!("{name} {}", time_of_day(at))
            } else {
                format!("{name} {}", offset(at, onset))
            };
            let (left, _) = label_span(time.x(at), &text);
            let row = placed
                .iter()
                .filter(|(at, text, _)| label_span(time.x(*at), text).1 + 6.0 > left)
                .map(|(_, _, row)| row + 1)
                .max()
                .unwrap_or(0);
            placed.push((at, text, row));
        }
        Self {
            out: String::new(),
            id: if panels == 1 { "wr-hold" } else { "wr-wait" },
            time,
            clock_rows: placed.iter().map(|(_, _, row)| row + 1).max().unwrap_or(0),
            clocks: placed,
            panels,
            panel_height,
        }
    }

    fn head(&self) -> f64 {
        12.0 + 15.0 * self.clock_rows as f64 + 20.0
    }

    fn height(&self) -> f64 {
        self.head()
            + self.panels as f64 * self.panel_height
            + (self.panels as f64 - 1.0) * PANEL_GAP
            + 40.0
    }

    pub(super) fn open(&mut self, title: &str, desc: &str) {
        let (id, height) = (self.id, self.height());
        let _ = write!(
            self.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" \
             role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n<title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-desc\">{}</desc>\n{STYLE}\n\
             <defs><pattern id=\"{id}-think\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
             <rect width=\"7\" height=\"7\" class=\"wr-pb\"/><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"7\" class=\"wr-pl\"/></pattern>\
             <pattern id=\"{id}-net\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
             <rect width=\"6\" height=\"6\" class=\"wr-qb\"/><circle cx=\"3\" cy=\"3\" r=\"1.6\" class=\"wr-ql\"/></pattern></defs>\n\
             <rect class=\"wr-bg\" width=\"{WIDTH}\" height=\"{height:.0}\"/>\n",
            escaped(title),
            escaped(desc),
        );
        self.draw_clocks();
    }

    /// The lines first, so that the data lies over them, and then their names on paper of their own.
    fn draw_clocks(&mut self) {
        let bottom = self.height() - 40.0;
        let clocks = std::mem::take(&mut self.clocks);
        for (at, _, row) in &clocks {
            let x = self.time.x(*at);
            let _ = writeln!(
                self.out,
                "<line class=\"wr-c\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{bottom:.1}\"/>",
                5.0 + 15.0 * *row as f64
            );
        }
        for (at, text, row) in &clocks {
            let (left, _) = label_span(self.time.x(*at), text);
            self.label_on_paper(left, 14.0 + 15.0 * *row as f64, "wr-cl", text);
        }
    }

    fn label_on_paper(&mut self, x: f64, y: f64, class: &str, text: &str) {
        let width = letters(text);
        let _ = writeln!(
            self.out,
            "<rect class=\"wr-bg\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\"/>\
             <text class=\"wr-t {class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            x - 1.0,
            y - 10.5,
            width + 2.0,
            escaped(text)
        );
    }

    /// Panel `index` from above, tall enough for `values`; `whole`: its ticks are whole numbers.
    pub(super) fn panel(
        &self,
        index: usize,
        values: impl Iterator<Item = f64>,
        whole: bool,
    ) -> Panel {
        let most = values.map(finite).fold(0.0, f64::max);
        let mut max = nice(most * 1.05);
        if whole {
            max = max.max(4.0);
        }
        Panel {
            top: self.head() + index as f64 * (self.panel_height + PANEL_GAP),
            height: self.panel_height,
            max,
        }
    }

    pub(super) fn axis(&mut self, panel: &Panel, name: &str, unit: &str) {
        let right = WIDTH - RIGHT;
        self.label_on_paper(LEFT, panel.top - 7.0, "wr-h", name);
        for i in 0..=2 {
            let value = panel.max * f64::from(i) / 2.0;
            let y = panel.y(value);
            let class = if i == 0 { "wr-a" } else { "wr-g" };
            let _ = writeln!(
                self.out,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"wr-t\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}{unit}</text>",
                LEFT - 6.0,
                y + 4.0,
                tick(value),
            );
        }
    }

    pub(super) fn trace(
        &mut self,
        points: &[ChartPoint],
        panel: &Panel,
        class: &str,
        dash: &str,
        f: impl Fn(&ChartPoint) -> f64,
    ) {
        let path: Vec<String> = points
            .iter()
            .map(|p| format!("{:.1},{:.1}", self.time.x(p.at), panel.y(f(p))))
            .collect();
        let dash = dash_attribute(dash);
        let _ = writeln!(
            self.out,
            "<polyline class=\"wr-l {class}\"{dash} points=\"{}\"/>",
            path.join(" ")
        );
    }

    /// A value that jumps and doesn't slide.
    pub(super) fn step(
        &mut self,
        points: &[ChartPoint],
        panel: &Panel,
        class: &str,
        dash: &str,
        f: impl Fn(&ChartPoint) -> f64,
    ) {
        let mut path = String::new();
        let mut before: Option<f64> = None;
        for p in points {
            let (x, y) = (self.time.x(p.at), panel.y(f(p)));
            if let Some(last) = before.filter(|last| *last != y) {
                let _ = write!(path, "{x:.1},{last:.1} ");
            }
            let _ = write!(path, "{x:.1},{y:.1} ");
            before = Some(y);
        }
        let dash = dash_attribute(dash);
        let _ = writeln!(
            self.out,
            "<polyline class=\"wr-l {class}\"{dash} points=\"{}\"/>",
            path.trim_end()
        );
    }

    pub(super) fn area(
        &mut self,
        points: &[ChartPoint],
        panel: &Panel,
        class: &str,
        f: impl Fn(&ChartPoint) -> f64,
    ) {
        let zero: Vec<f64> = points.iter().map(|_| 0.0).collect();
        let high: Vec<f64> = points.iter().map(f).collect();
        self.band(points, panel, &format!("class=\"{class}\""), &zero, &high);
    }

    pub(super) fn band(
        &mut self,
        points: &[ChartPoint],
        panel: &Panel,
        paint: &str,
        low: &[f64],
        high: &[f64],
    ) {
        let mut path = String::new();
        for (p, v) in points.iter().zip(high) {
            let _ = write!(path, "{:.1},{:.1} ", self.time.x(p.at), panel.y(*v));
        }
        for (p, v) in points.iter().zip(low).rev() {
            let _ = write!(path, "{:.1},{:.1} ", self.time.x(p.at), panel.y(*v));
        }
        let _ = writeln!(
            self.out,
            "<polygon {paint} points=\"{}\"/>",
            path.trim_end()
        );
    }

    /// Names beside the ends of their lines, moved apart where they would overlap.
    pub(super) fn labels(&mut self, mut labels: Vec<(f64, &'static str, String)>) {
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut last = f64::NEG_INFINITY;
        for label in &mut labels {
            label.0 = label.0.max(last + 13.0);
            last = label.0;
        }
        for (y, class, text) in labels {
            let _ = writeln!(
                self.out,
                "<text class=\"wr-t {class}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                WIDTH - RIGHT + 7.0,
                y + 4.0,
                escaped(&text)
            );
        }
    }

    pub(super) fn close(mut self) -> String {
        let bottom = self.height() - 40.0;
        let right = WIDTH - RIGHT;
        let span = self.time.to.since(self.time.from).as_secs();
        let step = tick_step(span);
        let first = self.time.from.as_micros().div_euclid(1_000_000) + 1;
        let mut second = first.div_euclid(step) * step;
        if second < first {
            second = second.saturating_add(step);
        }
        let mut drawn = 0;
        while let Some(micros) = second.checked_mul(1_000_000) {
            let at = Wall::from_micros(micros);
            if at > self.time.to || drawn > 12 {
                break;
            }
            let x = self.time.x(at);
            let _ = writeln!(
                self.out,
                "<line class=\"wr-a\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom:.1}\" y2=\"{:.1}\"/>\
                 <text class=\"wr-t\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 4.0,
                bottom + 17.0,
                time_of_day(at)
            );
            drawn += 1;
            second = second.saturating_add(step);
        }
        let _ = writeln!(
            self.out,
            "<text class=\"wr-t\" x=\"{right:.1}\" y=\"{:.1}\" text-anchor=\"end\">time (UTC)</text>\n</svg>",
            bottom + 33.0
        );
        self.out
    }
}

fn dash_attribute(dash: &str) -> String {
    if dash.is_empty() {
        String::new()
    } else {
        format!(" stroke-dasharray=\"{dash}\"")
    }
}

/// The width of a text: 11 px type is about 6 px wide a letter, a little more than our words need.
fn letters(text: &str) -> f64 {
    6.0 * text.chars().count() as f64
}

/// Where a clock's label lies: to the right of its line, or to the left where the page ends.
fn label_span(x: f64, text: &str) -> (f64, f64) {
    let width = letters(text);
    if x + 4.0 + width > WIDTH - 4.0 {
        (x - 4.0 - width, x - 4.0)
    } else {
        (x + 4.0, x + 4.0 + width)
    }
}

/// The next round number: 1, 2, 4, 5 or 10 times a power of ten, so that its half is round too.
fn nice(x: f64) -> f64 {
    if !(x.is_finite() && x > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(x.log10().floor());
    let nice = [1.0, 2.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|m| *m >= x * 0.999_999)
        .unwrap_or(10.0 * power);
    if nice.is_finite() { nice } else { x }
}

fn tick(value: f64) -> String {
    if value >= 1_000.0 {
        crate::incident::words::count(value.round() as u64)
    } else if value >= 10.0 || value == value.trunc() {
        format!("{value:.0}")
    } else if value >= 0.1 {
        trimmed_to(value, 2)
    } else {
        trimmed_to(value, 4)
    }
}

fn trimmed_to(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// Seconds between ticks, so that about six fit.
fn tick_step(span_s: u64) -> i64 {
    const STEPS: [u64; 15] = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600,
    ];
    let want = span_s.div_ceil(7).max(1);
    let step = STEPS
        .into_iter()
        .find(|s| *s >= want)
        .unwrap_or_else(|| want.div_ceil(86_400) * 86_400);
    i64::try_from(step).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number_above_its_values() {
        for (x, want) in [
            (0.0, 1.0),
            (3.1, 4.0),
            (9.9, 10.0),
            (21.0, 40.0),
            (0.03, 0.04),
        ] {
            assert!((nice(x) - want).abs() < 1e-9, "{x}: {}", nice(x));
        }
    }

    #[test]
    fn few_ticks_fit_any_span() {
        for span in [1, 30, 95, 600, 86_400, 10_000_000] {
            let step = tick_step(span);
            assert!(step > 0 && span as i64 / step <= 7, "{span}: {step}");
        }
    }
}
