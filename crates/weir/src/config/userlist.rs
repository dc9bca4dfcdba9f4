//! The user list, in PgBouncer's format: `"name" "secret"` a line, `""` inside quotes is a quote,
//! `;` and `#` begin comments.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_model::Secret;

/// Users and their secrets.
pub(crate) type Users = BTreeMap<Arc<str>, Secret>;

/// Reads a user list. `Err`: the faults as (line, what is wrong).
pub(crate) fn read(text: &str) -> Result<Users, Vec<(usize, String)>> {
    let (users, faults) = read_what_can_be(text);
    if faults.is_empty() {
        Ok(users)
    } else {
        Err(faults)
    }
}

/// Reads a user list as far as it can be read, and the faults of the rest.
pub(crate) fn read_what_can_be(text: &str) -> (Users, Vec<(usize, String)>) {
    let mut users = BTreeMap::new();
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        let parsed = quoted(line).and_then(|(name, rest)| {
            let (secret, _rest) = quoted(rest.trim_start())?;
            Some((name, secret))
        });
        match parsed {
            Some((name, _)) if name.is_empty() => {
                faults.push((number + 1, "the user's name is empty".to_owned()));
            }
            Some((name, secret)) => {
                users.insert(name.into(), Secret(secret.into()));
            }
            None => faults.push((number + 1, "expected `\"user\" \"secret\"`".to_owned())),
        }
    }
    (users, faults)
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let end = rest.find('"')?;
        out.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                out.push('"');
                rest = more;
            }
            None => return Some((out, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_secrets_quotes_and_comments() {
        let users =
            read("; people\n\"ann\" \"md5abc\"\n\n\"b\"\"ob\" \"pa \"\"ss\"\n# x\n\"cy\" \"\"\n")
                .unwrap();
        assert_eq!(users.len(), 3);
        assert_eq!(&*users["b\"ob"].0, "pa \"ss");
    }

    #[test]
    fn each_wrong_line_is_named() {
        let faults = read("\"ann\" \"x\"\nbob x\n\"cy\n").unwrap_err();
        assert_eq!(faults.iter().map(|f| f.0).collect::<Vec<_>>(), [2, 3]);
    }
}
