//! How does it look on this terminal? Colours or none, drawing characters or ASCII.
//!
//! Colour never says anything alone: every tone comes with a word or a sign beside it, so that
//! `NO_COLOR` loses nothing.

use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthChar;

/// What a piece of text is, rather than what colour it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    /// There for who looks for it.
    Dim,
    /// A heading.
    Title,
    Good,
    Warn,
    Bad,
    /// Where the eye should find the way: keys, the chosen view.
    Accent,
    /// The row that Enter means.
    Selected,
}

/// What this terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skin {
    pub(crate) colour: bool,
    pub(crate) unicode: bool,
}

impl Skin {
    /// From the environment: `NO_COLOR`, `TERM`, and the locale's character set.
    pub(crate) fn of(environment: &std::collections::BTreeMap<String, String>) -> Self {
        let get = |name: &str| environment.get(name).map_or("", String::as_str);
        // The first that is set decides, as in setlocale(3).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .map(get)
            .find(|value| !value.is_empty())
            .unwrap_or_default()
            .to_ascii_lowercase();
        Self {
            colour: get("NO_COLOR").is_empty() && get("TERM") != "dumb",
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    pub(crate) fn style(self, tone: Tone) -> Style {
        let plain = Style::new();
        let coloured = match tone {
            Tone::Plain => plain,
            // Not a grey: on some schemes that is the background.
            Tone::Dim => plain.add_modifier(Modifier::DIM),
            Tone::Title => plain.add_modifier(Modifier::BOLD),
            Tone::Good => plain.fg(Color::Green),
            Tone::Warn => plain.fg(Color::Yellow),
            Tone::Bad => plain.fg(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Accent => plain.fg(Color::Cyan),
            Tone::Selected => plain.add_modifier(Modifier::REVERSED),
        };
        if self.colour {
            return coloured;
        }
        match tone {
            Tone::Plain | Tone::Good | Tone::Dim => plain,
            Tone::Title | Tone::Warn => plain.add_modifier(Modifier::BOLD),
            Tone::Bad => plain.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            Tone::Accent => plain.add_modifier(Modifier::UNDERLINED),
            Tone::Selected => plain.add_modifier(Modifier::REVERSED),
        }
    }

    /// The text with what this terminal can't show replaced.
    pub(crate) fn text(self, text: &str) -> String {
        if self.unicode {
            return text.to_owned();
        }
        text.chars()
            .map(|c| match c {
                c if c.is_ascii() => c,
                '–' | '—' => '-',
                '·' => '|',
                '…' => '~',
                'µ' => 'u',
                '→' => '>',
                '≤' => '<',
                '“' | '”' => '"',
                '‘' | '’' => '\'',
                _ => '?',
            })
            .collect()
    }

    fn steps(self) -> &'static [char] {
        if self.unicode {
            &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        } else {
            &['_', '.', ':', '-', '=', '+', '*', '#']
        }
    }

    /// One line of bars. A hole stays blank; zero is the lowest bar, so that "nothing waits" and
    /// "nothing is known" look different.
    pub(crate) fn spark(self, values: &[Option<f32>], top: f32) -> String {
        let steps = self.steps();
        let highest = steps.len() - 1;
        values
            .iter()
            .map(|value| match value {
                None => ' ',
                Some(value) if top <= 0.0 || !value.is_finite() || *value <= 0.0 => steps[0],
                Some(value) => {
                    let scaled = (value / top).clamp(0.0, 1.0) * highest as f32;
                    steps[(scaled.ceil() as usize).min(highest)]
                }
            })
            .collect()
    }

    /// A bar chart of several lines, the topmost first. What is above zero shows at least a foot.
    pub(crate) fn chart(self, values: &[Option<f32>], top: f32, height: usize) -> Vec<String> {
        let steps = self.steps();
        let levels = steps.len();
        let filled: Vec<Option<usize>> = values
            .iter()
            .map(|value| {
                value.map(|value| {
                    if top <= 0.0 || !value.is_finite() || value <= 0.0 {
                        return 0;
                    }
                    let scaled = (value / top).clamp(0.0, 1.0) * (height * levels) as f32;
                    (scaled.round() as usize).max(1)
                })
            })
            .collect();
        let row = |index: usize| {
            let below = (height - 1 - index) * levels;
            filled
                .iter()
                .map(|filled| match filled {
                    None => ' ',
                    Some(0) if below == 0 => steps[0],
                    Some(n) if *n <= below => ' ',
                    Some(n) => steps[(n - below - 1).min(levels - 1)],
                })
                .collect()
        };
        (0..height).map(row).collect()
    }

    /// `[████░░░░]`: how much of a whole.
    pub(crate) fn bar(self, share: f64, width: usize) -> String {
        let (full, rest) = if self.unicode {
            ('█', '░')
        } else {
            ('#', '.')
        };
        let filled = (share.clamp(0.0, 1.0) * width as f64).round() as usize;
        let one = |n: usize| if n < filled { full } else { rest };
        (0..width).map(one).collect()
    }

    pub(crate) fn rule(self) -> char {
        if self.unicode { '─' } else { '-' }
    }

    pub(crate) fn separator(self) -> &'static str {
        if self.unicode { " · " } else { " | " }
    }

    pub(crate) fn arrow(self) -> &'static str {
        if self.unicode { " → " } else { " > " }
    }

    pub(crate) fn dash(self) -> &'static str {
        if self.unicode { "–" } else { "-" }
    }

    /// Beside the title of the column that sorts.
    pub(crate) fn sorted(self, falling: bool) -> char {
        match (self.unicode, falling) {
            (true, true) => '▼',
            (true, false) => '▲',
            (false, true) => 'v',
            (false, false) => '^',
        }
    }

    /// Before a branch of a tree: the last of its brothers, or not.
    pub(crate) fn branch(self, last: bool) -> &'static str {
        match (self.unicode, last) {
            (true, true) => "└─ ",
            (true, false) => "├─ ",
            (false, true) => "`- ",
            (false, false) => "|- ",
        }
    }

    /// Cut to so many columns, with a sign that it was.
    pub(crate) fn fit(self, text: &str, width: usize) -> String {
        let text = self.text(text);
        if width_of(&text) <= width {
            return text;
        }
        let mut used = 0;
        let mut kept = String::new();
        for c in text.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide + 1 > width {
                break;
            }
            used += wide;
            kept.push(c);
        }
        if width > 0 {
            kept.push(if self.unicode { '…' } else { '~' });
        }
        kept
    }
}

/// Columns that a text takes.
pub(crate) fn width_of(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// Breaks a text into lines of at most `width` columns, at spaces where there are any.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        if !line.is_empty() && width_of(&line) + 1 + width_of(&word) > width {
            lines.push(std::mem::take(&mut line));
        }
        // A word that is longer than a line (a path, a digest) is cut.
        while line.is_empty() && width_of(&word) > width {
            let mut used = 0;
            let cut = word
                .char_indices()
                .find(|(_, c)| {
                    used += c.width().unwrap_or(0);
                    used > width
                })
                .map_or(word.len(), |(at, _)| at);
            let rest = word.split_off(cut);
            lines.push(std::mem::replace(&mut word, rest));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// `0 ms`, `3.2 ms`, `450 ms`, `1.4 s`, `3 min 20 s`, `2 h 5 min`.
pub(crate) fn seconds(s: f64) -> String {
    if !s.is_finite() || s <= 0.0 {
        return "0 ms".to_owned();
    }
    match s {
        s if s < 0.000_999_5 => format!("{:.0} us", s * 1e6),
        s if s < 0.009_95 => format!("{:.1} ms", s * 1e3),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 9.95 && (s - s.round()).abs() > 0.049 => format!("{s:.1} s"),
        s if s < 99.5 => format!("{s:.0} s"),
        s if s < 3_599.5 => {
            let s = s.round() as u64;
            format!("{} min {} s", s / 60, s % 60)
        }
        s if s < 172_800.0 => {
            let min = (s / 60.0).round() as u64;
            format!("{} h {} min", min / 60, min % 60)
        }
        s => format!("{:.0} d", s / 86_400.0),
    }
}

/// The same for a column: `4m20s`, `2h05m`.
pub(crate) fn short_seconds(s: f64) -> String {
    match s {
        s if !s.is_finite() || s < 99.5 => seconds(s),
        s if s < 3_599.5 => {
            let s = s.round() as u64;
            format!("{}m{:02}s", s / 60, s % 60)
        }
        s if s < 172_800.0 => {
            let min = (s / 60.0).round() as u64;
            format!("{}h{:02}m", min / 60, min % 60)
        }
        s => seconds(s),
    }
}

/// `0`, `0.4`, `12`, `1,204`, `38.2k`, `1.2M`.
pub(crate) fn number(n: f64) -> String {
    match n {
        n if !n.is_finite() || n <= 0.0 => "0".to_owned(),
        n if n < 9.95 && (n - n.round()).abs() > 0.049 => format!("{n:.1}"),
        n if n < 999.5 => format!("{n:.0}"),
        n if n < 9_999.5 => {
            let n = n.round() as u64;
            format!("{},{:03}", n / 1000, n % 1000)
        }
        n if n < 999_950.0 => format!("{:.1}k", n / 1e3),
        n => format!("{:.1}M", n / 1e6),
    }
}

/// `78 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share.clamp(0.0, 1.0) * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Skin = Skin {
        colour: true,
        unicode: true,
    };
    const BARE: Skin = Skin {
        colour: false,
        unicode: false,
    };

    #[test]
    fn the_environment_says_what_the_terminal_can_show() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter();
            Skin::of(
                &pairs
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                    .collect(),
            )
        };
        assert_eq!(of(&[("LANG", "de_CH.UTF-8"), ("TERM", "xterm")]), FULL);
        assert_eq!(of(&[("LANG", "C"), ("NO_COLOR", "1")]), BARE);
        assert!(!of(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "C")]).unicode);
        assert!(!of(&[("LC_CTYPE", "C.utf8"), ("TERM", "dumb")]).colour);
        assert!(
            of(&[("NO_COLOR", "")]).colour,
            "an empty NO_COLOR asks for nothing"
        );
    }

    #[test]
    fn without_colour_no_style_has_one_and_bad_still_stands_out() {
        use Tone::*;
        for tone in [Plain, Dim, Title, Good, Warn, Bad, Accent, Selected] {
            let style = BARE.style(tone);
            assert_eq!((style.fg, style.bg), (None, None), "{tone:?}");
        }
        assert_ne!(BARE.style(Bad), BARE.style(Plain));
        assert_ne!(BARE.style(Selected), BARE.style(Plain));
    }

    #[test]
    fn without_unicode_nothing_but_ascii_is_drawn() {
        let values = [None, Some(0.0), Some(0.5), Some(1.0)];
        let mut drawn = BARE.spark(&values, 1.0);
        drawn.push_str(&BARE.chart(&values, 1.0, 3).concat());
        drawn.push_str(&BARE.bar(0.5, 8));
        drawn.push_str(&BARE.text("größe – 日本 · …"));
        drawn.push_str(&BARE.fit("a long name", 4));
        drawn.push_str(BARE.separator());
        drawn.push_str(BARE.arrow());
        assert!(drawn.is_ascii(), "{drawn}");
    }

    #[test]
    fn a_hole_a_zero_and_a_little_look_different() {
        assert_eq!(
            FULL.spark(&[None, Some(0.0), Some(0.01), Some(1.0)], 1.0),
            " ▁▂█"
        );
        let chart = FULL.chart(&[None, Some(0.0), Some(0.01), Some(0.5), Some(1.0)], 1.0, 2);
        assert_eq!(chart, ["    █", " ▁▁██"]);
    }

    #[test]
    fn wide_characters_count_as_two_columns() {
        assert_eq!(FULL.fit("日本語", 5), "日本…");
        assert_eq!(FULL.fit("日本", 4), "日本");
        assert_eq!(FULL.fit("abc", 0), "");
    }

    #[test]
    fn lines_break_at_spaces_and_long_words_are_cut() {
        assert_eq!(wrap("41 clients wait now", 10), ["41 clients", "wait now"]);
        assert_eq!(wrap("0123456789abc x", 10), ["0123456789", "abc x"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn numbers_read_as_people_say_them() {
        let s = [
            0.0, 0.000_4, 0.003_2, 0.45, 1.44, 42.0, 200.0, 7_500.0, 400_000.0,
        ]
        .map(seconds);
        let want = [
            "0 ms",
            "400 us",
            "3.2 ms",
            "450 ms",
            "1.4 s",
            "42 s",
            "3 min 20 s",
            "2 h 5 min",
            "5 d",
        ];
        assert_eq!(s, want);
        let n = [0.0, 0.4, 12.0, 1_204.0, 38_200.0, 1_200_000.0].map(number);
        assert_eq!(n, ["0", "0.4", "12", "1,204", "38.2k", "1.2M"]);
        assert_eq!(seconds(f64::NAN), "0 ms");
        let short = [0.003_2, 260.0, 7_500.0].map(short_seconds);
        assert_eq!(short, ["3.2 ms", "4m20s", "2h05m"]);
    }
}
