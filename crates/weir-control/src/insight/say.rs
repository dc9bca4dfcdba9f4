//! Numbers as people read them, and evidence with its window.

use std::time::Duration;

use weir_model::{ClockMap, Evidence, Instant, PoolKey};

/// A stretch of time that numbers are about.
pub type Span = (Instant, Instant);

/// `4 ms`, `350 ms`, `3.1 s`, `12 min`.
pub fn seconds(s: f64) -> String {
    if s < 0.000_95 {
        format!("{:.0} µs", s * 1e6)
    } else if s < 0.009_95 {
        format!("{:.1} ms", s * 1e3)
    } else if s < 0.999_5 {
        format!("{:.0} ms", s * 1e3)
    } else if s < 99.95 {
        format!("{s:.1} s")
    } else if s < 3600.0 {
        format!("{:.0} min", s / 60.0)
    } else {
        format!("{:.1} h", s / 3600.0)
    }
}

/// A duration as [`seconds`].
pub fn duration(d: Duration) -> String {
    seconds(d.as_secs_f64())
}

/// `120/s`, `0.4/s`.
pub fn rate(per_s: f64) -> String {
    if per_s < 9.95 {
        format!("{per_s:.1}/s")
    } else {
        format!("{per_s:.0}/s")
    }
}

/// `37 %`; `0.2 %` below one.
pub fn percent(ratio: f64) -> String {
    let p = ratio * 100.0;
    if p != 0.0 && p.abs() < 0.95 {
        format!("{p:.1} %")
    } else {
        format!("{p:.0} %")
    }
}

/// A statement on one line, without comments: they carry who asked, which is nobody's business in
/// a report.
pub fn one_line(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find("/*") {
        plain.push_str(&rest[..begin]);
        // A comment that was cut off with the text ends with it.
        rest = rest[begin..]
            .find("*/")
            .map_or("", |end| &rest[begin + end + 2..]);
        plain.push(' ');
    }
    plain.push_str(rest);
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The table that a statement is about, as far as its text tells: the one it writes, alters or
/// reads first.
pub fn table_of(text: &str) -> Option<String> {
    let line = one_line(text);
    let mut words = line
        .split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ';' | ','))
        .filter(|word| !word.is_empty());
    let filler = ["only", "if", "not", "exists", "concurrently"];
    while let Some(word) = words.next() {
        let names = ["update", "into", "from", "table", "on", "lock"];
        if names.contains(&word.to_ascii_lowercase().as_str()) {
            let name = words.by_ref().find(|w| {
                let lower = w.to_ascii_lowercase();
                lower != "table" && !filler.contains(&lower.as_str())
            });
            return name.map(str::to_owned);
        }
    }
    None
}

/// A statement for a sentence: one line, at most `max` characters, in backticks.
pub fn statement(text: &str, max: usize) -> String {
    let line = one_line(text);
    if line.is_empty() {
        return "(text not known)".to_owned();
    }
    if line.chars().count() <= max {
        format!("`{line}`")
    } else {
        let cut: String = line.chars().take(max.saturating_sub(1)).collect();
        format!("`{cut}…`")
    }
}

/// How to ask the recorder again about a pool.
pub fn samples_query(key: &PoolKey) -> String {
    format!("GET /api/v1/samples?pool={key}")
}

/// Evidence over `span`.
pub fn evidence(
    clock: &ClockMap,
    span: Span,
    metric: &str,
    value: f64,
    baseline: Option<f64>,
    query: impl Into<String>,
    says: impl Into<String>,
) -> Evidence {
    Evidence {
        says: says.into(),
        metric: metric.to_owned(),
        value,
        baseline,
        query: query.into(),
        from: clock.wall(span.0),
        to: clock.wall(span.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_two_to_three_digits() {
        assert_eq!(seconds(0.000_4), "400 µs");
        assert_eq!(seconds(0.004_2), "4.2 ms");
        assert_eq!(seconds(0.35), "350 ms");
        assert_eq!(seconds(3.12), "3.1 s");
        assert_eq!(rate(0.4), "0.4/s");
        assert_eq!(rate(119.6), "120/s");
        assert_eq!(percent(0.002), "0.2 %");
        assert_eq!(percent(0.974), "97 %");
    }

    #[test]
    fn a_table_is_read_off_the_text() {
        for (text, table) in [
            (
                "ALTER TABLE IF EXISTS ONLY orders ADD COLUMN note text",
                Some("orders"),
            ),
            (
                "UPDATE page_views SET views = 1 /*user_id='7'*/",
                Some("page_views"),
            ),
            (
                "CREATE INDEX CONCURRENTLY i ON order_items (order_id)",
                Some("order_items"),
            ),
            (
                "BEGIN; UPDATE page_views SET views = views + 0; COMMIT",
                Some("page_views"),
            ),
            ("insert into audit(a) values ($1)", Some("audit")),
            ("LOCK TABLE orders", Some("orders")),
            ("SELECT 1", None),
        ] {
            assert_eq!(table_of(text).as_deref(), table, "{text}");
        }
    }

    #[test]
    fn a_long_statement_is_cut_to_one_line() {
        assert_eq!(
            statement("SELECT 1 /*user_id='42'*/ FROM t /* cut o", 40),
            "`SELECT 1 FROM t`"
        );
        assert_eq!(statement("SELECT\n  1", 20), "`SELECT 1`");
        assert_eq!(statement("SELECT abcdefghijk", 10), "`SELECT ab…`");
    }
}
