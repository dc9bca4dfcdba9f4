//! What the audience sees: on a terminal one block that is drawn anew each second under the story
//! told so far; elsewhere one line a second.
//!
//! Drawing is a pure function of a [`Scene`]; only [`Narrator`] writes.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use super::users::Second;
use super::weir::{IncidentView, PoolView};

const WIDTH: usize = 80;

/// Everything that one second shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    pub(crate) act: String,
    pub(crate) at_s: f64,
    pub(crate) second: Second,
    pub(crate) in_flight: u32,
    pub(crate) p99: Vec<Duration>,
    pub(crate) pool: Option<PoolView>,
    pub(crate) incident: Option<IncidentView>,
}

/// Seconds for people: `34 ms`, `1.2 s`, `3 min 30 s`.
pub(crate) fn human(seconds: f64) -> String {
    if seconds < 0.9995 {
        format!("{:.0} ms", seconds * 1e3)
    } else if seconds < 99.5 {
        format!("{seconds:.1} s")
    } else {
        format!(
            "{:.0} min {:02.0} s",
            (seconds / 60.0).floor(),
            seconds % 60.0
        )
    }
}

/// One character a value, by the logarithm: a page takes 40 ms or 5 s, and both must show.
fn sparkline(values: &[Duration], width: usize) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (low, high) = (0.02f64.ln(), 6.0f64.ln());
    values[values.len().saturating_sub(width)..]
        .iter()
        .map(|value| {
            let share = (value.as_secs_f64().max(1e-6).ln() - low) / (high - low);
            BARS[((share.clamp(0.0, 1.0)) * 7.0).round() as usize]
        })
        .collect()
}

fn bar(active: u64, size: u64) -> String {
    const CELLS: u64 = 40;
    // A cell a server as far as there is room.
    let cells = size.min(CELLS);
    let full = (active * cells).checked_div(size).unwrap_or(0);
    let mut bar = "█".repeat(full.min(cells) as usize);
    bar.push_str(&"░".repeat(cells.saturating_sub(full) as usize));
    bar
}

fn cut(line: &str) -> String {
    if line.chars().count() <= WIDTH {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(WIDTH - 1).collect();
    short.push('…');
    short
}

/// Breaks a line of the story at words; what follows is set under the text after its time.
fn wrapped(line: &str) -> String {
    const INDENT: &str = "         ";
    let mut out = String::new();
    let mut column = 0;
    for (index, word) in line.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > WIDTH && column > INDENT.len() {
            out.push('\n');
            out.push_str(INDENT);
            column = INDENT.len();
        } else if index > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

fn weir_says(scene: &Scene) -> String {
    match &scene.incident {
        None => "nothing to report".to_owned(),
        Some(incident) => {
            let cause = match incident.causes.first() {
                Some((cause, confidence, _)) => format!("{cause} ({:.0} %)", confidence * 100.0),
                None => "looking for the cause".to_owned(),
            };
            format!(
                "{} {}, {}: {cause}; {} other causes ruled out",
                incident.id,
                incident.status,
                incident.level,
                incident.ruled_out.len()
            )
        }
    }
}

fn pool_says(pool: Option<&PoolView>) -> String {
    match pool {
        None => "no pool yet".to_owned(),
        Some(p) => format!(
            "{} of {} busy, {} waiting, oldest {}",
            p.active,
            p.size,
            p.waiting,
            human(p.oldest_wait_s)
        ),
    }
}

/// The block, at most [`WIDTH`] columns wide and always as many lines.
pub(crate) fn block(scene: &Scene) -> Vec<String> {
    let s = &scene.second;
    let p50 = s.latency.quantile(0.5).as_secs_f64();
    let p99 = s.latency.quantile(0.99).as_secs_f64();
    let clock = format!("{:.0} s", scene.at_s);
    let rule = WIDTH.saturating_sub(5 + scene.act.chars().count() + clock.len());
    [
        format!("── {} {} {clock}", scene.act, "─".repeat(rule)),
        format!(
            "users  {:>4} come/s {:>5} served/s {:>5} slow/s {:>5} failed/s {:>6} waiting",
            s.arrived, s.served, s.slow, s.failed, scene.in_flight
        ),
        format!(
            "page   p50 {:>7}  p99 {:>7}  {}",
            human(p50),
            human(p99),
            sparkline(&scene.p99, 40)
        ),
        format!(
            "pool   {}",
            scene
                .pool
                .as_ref()
                .map(|p| bar(p.active, p.size))
                .unwrap_or_default()
        ),
        format!("       {}", pool_says(scene.pool.as_ref())),
        format!("weir   {}", weir_says(scene)),
    ]
    .iter()
    .map(|line| cut(line))
    .collect()
}

/// The same second as one line, for a pipe.
pub(crate) fn line(scene: &Scene) -> String {
    let s = &scene.second;
    format!(
        "{:>5.0} s  come {:>3} served {:>3} slow {:>3} failed {:>3} waiting {:>4}  p99 {:>7}  pool {}  weir: {}",
        scene.at_s,
        s.arrived,
        s.served,
        s.slow,
        s.failed,
        scene.in_flight,
        human(s.latency.quantile(0.99).as_secs_f64()),
        pool_says(scene.pool.as_ref()),
        weir_says(scene)
    )
}

/// Tells the story on standard error.
pub(crate) struct Narrator {
    live: bool,
    /// Lines of the block that stand on the screen now.
    drawn: usize,
    last: Vec<String>,
}

impl Narrator {
    /// `plain`: lines even on a terminal.
    pub(crate) fn new(plain: bool) -> Self {
        // https://no-color.org: a person who sets it wants no escape sequences.
        let bare = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self {
            live: !plain && !bare && std::io::stderr().is_terminal(),
            drawn: 0,
            last: Vec::new(),
        }
    }

    /// A line of the story. It stays.
    pub(crate) fn say(&mut self, text: &str) {
        let mut out = self.erased();
        for row in text.split('\n') {
            out.push_str(&wrapped(row));
            out.push('\n');
        }
        self.put(out, true);
    }

    /// A second has passed.
    pub(crate) fn show(&mut self, scene: &Scene) {
        if self.live {
            self.last = block(scene);
            let out = self.erased();
            self.put(out, true);
        } else {
            self.put(format!("{}\n", line(scene)), false);
        }
    }

    /// The show is over: what stands on the screen stays there.
    pub(crate) fn close(&mut self) {
        self.drawn = 0;
        self.last.clear();
    }

    fn erased(&mut self) -> String {
        let up = std::mem::take(&mut self.drawn);
        if up == 0 {
            String::new()
        } else {
            format!("\x1b[{up}A\x1b[J")
        }
    }

    fn put(&mut self, mut out: String, with_block: bool) {
        if self.live && with_block {
            for row in &self.last {
                out.push_str(row);
                out.push('\n');
            }
            self.drawn = self.last.len();
        }
        // Nobody listening is no reason to stop the play.
        let _ = std::io::stderr().lock().write_all(out.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn scene() -> Scene {
        let mut second = Second {
            arrived: 452,
            served: 281,
            slow: 280,
            failed: 171,
            ..Second::default()
        };
        second.latency.record(Duration::from_secs(5));
        Scene {
            act: "act 2 of 3: peak hours".to_owned(),
            at_s: 23.4,
            second,
            in_flight: 1312,
            p99: vec![Duration::from_millis(40), Duration::from_secs(5)],
            pool: Some(PoolView {
                size: 10,
                active: 10,
                open: 10,
                waiting: 290,
                idle_in_transaction: 0,
                oldest_wait_s: 0.93,
            }),
            incident: Some(IncidentView {
                id: "INC-1".to_owned(),
                status: "open".to_owned(),
                level: "exhausted".to_owned(),
                causes: vec![("pool_undersized".to_owned(), 0.93, String::new())],
                ruled_out: vec![("slow_query".to_owned(), String::new())],
                raw: Value::Null,
            }),
        }
    }

    #[test]
    fn the_block_shows_the_second_within_eighty_columns() {
        let rows = block(&scene());
        assert_eq!(
            rows.join("\n"),
            "\
── act 2 of 3: peak hours ───────────────────────────────────────────────── 23 s
users   452 come/s   281 served/s   280 slow/s   171 failed/s   1312 waiting
page   p50   5.2 s  p99   5.2 s  ▂█
pool   ██████████
       10 of 10 busy, 290 waiting, oldest 930 ms
weir   INC-1 open, exhausted: pool_undersized (93 %); 1 other causes ruled out"
        );
        assert!(rows.iter().all(|row| row.chars().count() <= WIDTH));
    }

    #[test]
    fn a_long_line_of_the_story_is_broken_at_words() {
        let line = format!("   17 s  Weir {}", "says something ".repeat(8));
        let text = wrapped(line.trim_end());
        assert!(text.lines().count() == 2, "{text}");
        assert!(text.lines().all(|row| row.chars().count() <= WIDTH));
        assert!(text.lines().nth(1).unwrap().starts_with("         s"));
        assert_eq!(wrapped(""), "");
    }

    #[test]
    fn seconds_are_said_as_people_say_them() {
        assert_eq!(human(0.0344), "34 ms");
        assert_eq!(human(1.23), "1.2 s");
        assert_eq!(human(210.0), "3 min 30 s");
    }

    #[test]
    fn a_pool_is_a_cell_a_server_and_never_more_than_forty() {
        assert_eq!(bar(3, 5), "███░░");
        assert_eq!(bar(100, 100).chars().count(), 40);
        assert_eq!(bar(12, 10), "██████████");
        assert_eq!(bar(0, 0), "");
    }
}
