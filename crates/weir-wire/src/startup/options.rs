//! The `options` startup parameter: a command line for the server, as `PGOPTIONS` gives it.

/// Settings in one `options` text.
const SETTINGS_MAX: usize = 256;

/// Why an `options` text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A switch other than `-c name=value` and `--name=value`.
    #[error("unsupported command-line option in \"options\": {word}")]
    Unsupported {
        /// The word.
        word: String,
    },
    /// `-c` without `name=value`.
    #[error("\"options\": {word} needs the form name=value")]
    NoValue {
        /// The word.
        word: String,
    },
    /// More settings than Weir keeps.
    #[error("\"options\" with more than {SETTINGS_MAX} settings")]
    TooMany,
}

/// Reads `-c name=value`, `-cname=value` and `--name=value`, separated by whitespace that a
/// backslash can quote. As in PostgreSQL, dashes in the name stand for underscores.
pub fn parse_options(text: &str) -> Result<Vec<(String, String)>, OptionsError> {
    let mut settings = Vec::new();
    let mut words = words(text);
    while let Some(word) = words.next() {
        let setting = if word == "-c" {
            words.next().ok_or(OptionsError::NoValue { word })?
        } else if let Some(long) = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            long.to_owned()
        } else {
            return Err(OptionsError::Unsupported { word });
        };
        let Some((name, value)) = setting.split_once('=').filter(|(n, _)| !n.is_empty()) else {
            return Err(OptionsError::NoValue { word: setting });
        };
        if settings.len() == SETTINGS_MAX {
            return Err(OptionsError::TooMany);
        }
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

/// Words of the text, unescaped (`pg_split_opts`).
fn words(text: &str) -> impl Iterator<Item = String> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        while chars.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        chars.peek()?;
        let mut word = String::new();
        while let Some(c) = chars.next_if(|c| !c.is_ascii_whitespace()) {
            match c {
                // A backslash at the very end stands for nothing, as in PostgreSQL.
                '\\' => word.extend(chars.next()),
                c => word.push(c),
            }
        }
        Some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parse_options(text).unwrap()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn every_spelling_of_a_setting_is_read() {
        assert_eq!(
            read("-c geqo=off  --statement-timeout=5min -csearch_path=a,b"),
            [
                pair("geqo", "off"),
                pair("statement_timeout", "5min"),
                pair("search_path", "a,b")
            ]
        );
    }

    #[test]
    fn a_backslash_quotes_a_space() {
        assert_eq!(
            read(r"-c application_name=a\ b\\c"),
            [pair("application_name", r"a b\c")]
        );
    }

    #[test]
    fn other_switches_are_refused_by_name() {
        let error = parse_options("-c geqo=off -B 10").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unsupported command-line option in \"options\": -B"
        );
        assert!(parse_options("-c geqo").is_err());
        assert!(parse_options("-c").is_err());
        assert!(parse_options("--=1").is_err());
    }

    #[test]
    fn nothing_is_no_setting() {
        assert_eq!(read("  "), []);
        assert_eq!(read(""), []);
    }
}
