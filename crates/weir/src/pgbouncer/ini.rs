//! `pgbouncer.ini` as written: which value stands on which line, in which section.
//!
//! The grammar is PgBouncer's own: `[section]`, `key = value` up to the end of the line, comments
//! that begin a line with `;` or `#`, and `%include FILE`. Nothing is quoted here; quotes belong
//! to the connection strings of `[databases]` ([`super::connstr`]).
//!
//! # What always holds
//! - Every line that can be read is read: a fault on one hides no other.
//! - At most [`INCLUDES_DEEP`] files are nested, and at most [`LINES_MAX`] lines are kept.
//!
//! # What is deliberately absent
//! - The file system: whoever calls gives a function that reads a file.
//! - What a key means: [`super::keys`].

use std::fmt;
use std::sync::Arc;

/// PgBouncer's limit too.
const INCLUDES_DEEP: usize = 10;
/// More lines than this are a mistake, or an attack on memory.
const LINES_MAX: usize = 200_000;

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: Arc<str>,
    pub(crate) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) place: Place,
    pub(crate) says: Says,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// `[name]`
    Section(String),
    /// `key = value`
    Pair { key: String, value: String },
}

/// What is wrong, in PgBouncer's words where it has some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) place: Option<Place>,
    pub(crate) says: String,
}

impl Fault {
    pub(crate) fn at(place: &Place, says: impl Into<String>) -> Self {
        Self {
            place: Some(place.clone()),
            says: says.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{} ({place})", self.says),
            None => f.write_str(&self.says),
        }
    }
}

/// How a file is read: its text, or why not.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// All lines of `file` and of what it includes, in order.
///
/// # Errors
/// Everything that can't be read, in order of the lines.
pub(crate) fn read(file: &str, read_file: ReadFile<'_>) -> Result<Vec<Line>, Vec<Fault>> {
    let mut reader = Reader {
        read_file,
        lines: Vec::new(),
        faults: Vec::new(),
    };
    reader.file(file, 0, None);
    if reader.faults.is_empty() {
        Ok(reader.lines)
    } else {
        Err(reader.faults)
    }
}

struct Reader<'a> {
    read_file: ReadFile<'a>,
    lines: Vec<Line>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn file(&mut self, file: &str, deep: usize, from: Option<&Place>) {
        let text = match (self.read_file)(file) {
            Ok(text) => text,
            Err(why) => {
                self.faults.push(Fault {
                    place: from.cloned(),
                    says: format!("could not load file \"{file}\": {why}"),
                });
                return;
            }
        };
        let file: Arc<str> = file.into();
        for (number, line) in text.lines().enumerate() {
            let place = Place {
                file: Arc::clone(&file),
                line: number + 1,
            };
            if self.lines.len() >= LINES_MAX {
                let says = format!("more than {LINES_MAX} lines, stopping loading");
                self.faults.push(Fault::at(&place, says));
                return;
            }
            self.line(&place, line.trim(), deep);
        }
    }

    fn line(&mut self, place: &Place, line: &str, deep: usize) {
        if line.is_empty() || line.starts_with([';', '#']) {
            return;
        }
        if let Some(included) = line.strip_prefix("%include")
            && included.starts_with([' ', '\t'])
        {
            if deep >= INCLUDES_DEEP {
                let says = "include nesting level too deep, stopping loading";
                self.faults.push(Fault::at(place, says));
                return;
            }
            self.file(included.trim(), deep + 1, Some(place));
            return;
        }
        match one(line) {
            Some((says, behind)) => {
                self.lines.push(Line {
                    place: place.clone(),
                    says,
                });
                // `[section] key = value` on one line is legal.
                if !behind.is_empty() {
                    self.line(place, behind, deep);
                }
            }
            None => self
                .faults
                .push(Fault::at(place, "syntax error in configuration")),
        }
    }
}

/// What a line says, and what stands behind that.
fn one(line: &str) -> Option<(Says, &str)> {
    if let Some(rest) = line.strip_prefix('[') {
        let (name, behind) = rest.split_once(']')?;
        return Some((Says::Section(name.to_owned()), behind.trim()));
    }
    let known = |c: char| c.is_ascii_alphanumeric() || "_.-*".contains(c);
    let end = line.find(|c| !known(c)).unwrap_or(line.len());
    let (key, rest) = line.split_at(end);
    let value = rest.trim_start_matches([' ', '\t']).strip_prefix('=')?;
    Some((
        Says::Pair {
            key: key.to_owned(),
            value: value.trim().to_owned(),
        },
        "",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<String> {
        let lines = read("a.ini", &|_| Ok(text.to_owned())).unwrap();
        let show = |line: &Line| match &line.says {
            Says::Section(name) => format!("{}[{name}]", line.place.line),
            Says::Pair { key, value } => format!("{}{key}={value}", line.place.line),
        };
        lines.iter().map(show).collect()
    }

    #[test]
    fn sections_pairs_comments_and_empty_values() {
        let text = "; c\n# c\n[databases]\np0 = host=a user='x y'\n* =\n\n  [pgbouncer]\nlogfile =\n\
                    user=a;b\r\n[users]x = y";
        assert_eq!(
            pairs(text),
            [
                "3[databases]",
                "4p0=host=a user='x y'",
                "5*=",
                "7[pgbouncer]",
                "8logfile=",
                "9user=a;b",
                "10[users]",
                "10x=y",
            ]
        );
    }

    #[test]
    fn an_included_file_stands_where_it_is_included() {
        let files = |name: &str| match name {
            "main.ini" => Ok("[pgbouncer]\n%include more.ini\nz = 1\n".to_owned()),
            "more.ini" => Ok("a = 2\n".to_owned()),
            _ => Err("No such file or directory".to_owned()),
        };
        let lines = read("main.ini", &files).unwrap();
        let places: Vec<String> = lines.iter().map(|l| l.place.to_string()).collect();
        assert_eq!(places, ["main.ini:1", "more.ini:1", "main.ini:3"]);
    }

    #[test]
    fn a_file_that_includes_itself_ends_with_a_fault_and_not_with_the_stack() {
        let faults = read("a.ini", &|_| Ok("%include a.ini\n".to_owned())).unwrap_err();
        assert_eq!(
            faults[0].to_string(),
            "include nesting level too deep, stopping loading (a.ini:1)"
        );
    }

    #[test]
    fn every_line_that_makes_no_sense_is_named() {
        let faults = read("a.ini", &|_| {
            Ok("[x\nhost\n[ok]\n= 3\n%include gone\n".to_owned())
        });
        // The same text for each name: the include is read again, and its lines are wrong too.
        let faults = faults.unwrap_err();
        assert!(faults.len() >= 3, "{faults:?}");
        assert_eq!(faults[0].place.as_ref().unwrap().line, 1);
        assert_eq!(
            faults[1].to_string(),
            "syntax error in configuration (a.ini:2)"
        );
    }
}
