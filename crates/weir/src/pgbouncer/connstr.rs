//! A connection string of `[databases]`, `[users]` and `[peers]`: `key=value key='quoted value'`.
//!
//! Quotes are doubled inside quotes; an empty value is refused, as PgBouncer refuses it.

/// The pairs of `text` in order, or that it can't be read.
pub(crate) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace())?;
        let (key, behind) = rest.split_at(end);
        if key.is_empty() {
            return None;
        }
        let value = behind.trim_start().strip_prefix('=')?.trim_start();
        let (value, behind) = match value.strip_prefix('\'') {
            Some(quoted) => unquoted(quoted)?,
            None => {
                let end = value.find(char::is_whitespace).unwrap_or(value.len());
                (value[..end].to_owned(), &value[end..])
            }
        };
        if value.is_empty() {
            return None;
        }
        pairs.push((key.to_owned(), value));
        rest = behind.trim_start();
    }
    Some(pairs)
}

fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('\'')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(more) => {
                value.push('\'');
                rest = more;
            }
            None => return Some((value, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let pairs = pairs(text)?;
        let shown: Vec<String> = pairs.iter().map(|(k, v)| format!("<{k}|{v}>")).collect();
        Some(shown.concat())
    }

    #[test]
    fn values_stand_bare_or_in_quotes_that_are_doubled_inside() {
        assert_eq!(read("").as_deref(), Some(""));
        assert_eq!(
            read("host=a,b port = 5432  connect_query='set x=''1''; y'  dbname=d").as_deref(),
            Some("<host|a,b><port|5432><connect_query|set x='1'; y><dbname|d>")
        );
    }

    #[test]
    fn an_empty_value_a_missing_sign_and_an_open_quote_are_no_connection_string() {
        for text in ["host=", "host", "host='a", "=a", "host=''", "host=a port"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
