//! What is wrong with a configuration, in the operator's terms: place, what was read, remedy.

use std::fmt;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Byte range in the file; `None`: the fault isn't at a place of the file (an environment
    /// variable, a missing key).
    pub(crate) span: Option<std::ops::Range<usize>>,
    /// Which environment variable, where it came from one.
    pub(crate) variable: Option<String>,
    /// What is wrong and what to write instead.
    pub(crate) says: String,
}

/// Every fault of one file; the operator mends them in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Faults {
    file: String,
    text: String,
    faults: Vec<Fault>,
}

impl Faults {
    /// The faults of `file`, whose content is `text`; in the order of the file.
    pub(crate) fn new(file: &str, text: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|f| f.span.as_ref().map_or(usize::MAX, |s| s.start));
        Self {
            file: file.to_owned(),
            text: text.to_owned(),
            faults,
        }
    }

    fn place(&self, at: usize) -> (usize, usize, &str) {
        let at = at.min(self.text.len());
        let start = self.text[..at].rfind('\n').map_or(0, |i| i + 1);
        let end = self.text[at..]
            .find('\n')
            .map_or(self.text.len(), |i| at + i);
        let line = self.text[..start].matches('\n').count() + 1;
        let column = self.text[start..at].chars().count() + 1;
        (line, column, self.text[start..end].trim())
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            match (&fault.span, &fault.variable) {
                (_, Some(variable)) => writeln!(f, "environment variable {variable}")?,
                (Some(span), None) => {
                    let (line, column, text) = self.place(span.start);
                    writeln!(f, "{}:{line}:{column}  {}", self.file, discreet(text))?;
                }
                (None, None) => writeln!(f, "{}", self.file)?,
            }
            write!(f, "    {}", fault.says)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Keys whose values are repeated nowhere, not even where they are wrong: what starts Weir keeps a
/// log of what it says.
const SECRETS: &[&str] = &["password", "api_token", "token", "routing_key", "key"];

/// A line of the file without its secrets: `password = "…"`, `url = "https://hooks.example/…"`.
fn discreet(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(quote) = rest.find('"') {
        let (before, value) = (&rest[..=quote], &rest[quote + 1..]);
        let end = value.find('"').unwrap_or(value.len());
        let key = before
            .trim_end_matches('"')
            .trim_end()
            .strip_suffix('=')
            .and_then(|head| head.trim_end().rsplit([' ', ',', '{', '\t']).next())
            .unwrap_or_default();
        out.push_str(before);
        out.push_str(&match (&value[..end], key) {
            (value, _) if value.starts_with("env:") => value.to_owned(),
            (_, key) if SECRETS.contains(&key) => "…".to_owned(),
            (value, "url") => without_path(value),
            (value, _) => value.to_owned(),
        });
        let Some(more) = value.get(end..=end) else {
            return out;
        };
        out.push_str(more);
        rest = &value[end + 1..];
    }
    out.push_str(rest);
    out
}

/// Scheme, host and port: some services keep their secret in the path.
fn without_path(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (login, host) = host
        .rsplit_once('@')
        .map_or(("", host), |(_, host)| ("…@", host));
    let path = if path.len() > 1 { "/…" } else { path };
    format!("{scheme}://{login}{host}{path}")
}

/// The known name nearest to `wrong`, if one is near enough to be what was meant.
pub(crate) fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (distance(wrong, name), *name))
        .filter(|(d, name)| *d <= 1 + name.len() / 4)
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance with transposition counted as one (what fingers do).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_repeated_without_its_secrets() {
        for (line, shown) in [
            (r#"password = "s3cret""#, r#"password = "…""#),
            (
                r#"watch = { user = "w", password="s3 cret" }"#,
                r#"watch = { user = "w", password="…" }"#,
            ),
            (r#"routing_key = "env:PD""#, r#"routing_key = "env:PD""#),
            (
                r#"url = "https://u:p@hooks.example:1/services/T""#,
                r#"url = "https://…@hooks.example:1/…""#,
            ),
            (
                r#"url = "http://alertmanager:9093""#,
                r#"url = "http://alertmanager:9093""#,
            ),
            (r#"token = "unfinished"#, r#"token = "…"#),
            (r#"name = "chat""#, r#"name = "chat""#),
        ] {
            assert_eq!(discreet(line), shown);
        }
    }

    #[test]
    fn a_slip_of_the_fingers_finds_its_name() {
        assert_eq!(
            nearest("query_wait_timout", &["query_wait_timeout", "mode"]),
            Some("query_wait_timeout")
        );
        assert_eq!(nearest("szie", &["size", "server"]), Some("size"));
        assert_eq!(nearest("colour", &["size", "server"]), None);
    }
}
