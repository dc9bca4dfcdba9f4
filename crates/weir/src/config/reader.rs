//! Walks a parsed TOML document by hand, so that every fault is found, not the first.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use toml::de::{DeArray, DeTable, DeValue};
use weir_model::{ByteSize, HumanDuration};

use super::fault::{Fault, nearest};
use super::table::{NOT_YET, keys};

/// Keys that may also be given as `KEY_file` or `env:NAME`.
pub(crate) const SECRETS: &[&str] = &[
    "password",
    "api_token",
    "url",
    "token",
    "routing_key",
    "key",
];

/// Collects faults while sections are read.
pub(crate) struct Reader<'e> {
    faults: RefCell<Vec<Fault>>,
    environment: &'e BTreeMap<String, String>,
}

/// What was found for a key: a value of the file or an override of the environment.
enum Found<'t> {
    Toml(&'t DeValue<'t>, std::ops::Range<usize>),
    Variable(String, String),
}

/// One section being read.
pub(crate) struct Section<'r, 'e, 't> {
    reader: &'r Reader<'e>,
    /// `POOL__APP`, for overrides.
    variable: String,
    table: Option<&'t DeTable<'t>>,
}

impl<'e> Reader<'e> {
    pub(crate) fn new(environment: &'e BTreeMap<String, String>) -> Self {
        Self {
            faults: RefCell::new(Vec::new()),
            environment,
        }
    }

    pub(crate) fn fault(&self, span: Option<std::ops::Range<usize>>, says: impl Into<String>) {
        self.faults.borrow_mut().push(Fault {
            span,
            variable: None,
            says: says.into(),
        });
    }

    pub(crate) fn into_faults(self) -> Vec<Fault> {
        self.faults.into_inner()
    }

    /// Begins a section: checks its keys against the table of settings.
    pub(crate) fn section<'r, 't>(
        &'r self,
        kind: &'static str,
        name: &str,
        table: Option<&'t DeTable<'t>>,
        also: &[&'static str],
    ) -> Section<'r, 'e, 't> {
        let mut known = keys(kind);
        known.extend_from_slice(also);
        let secret_files: Vec<String> = known.iter().map(|k| format!("{k}_file")).collect();
        for (key, _) in table.into_iter().flatten() {
            let written: &str = key.get_ref();
            if known.contains(&written)
                || (SECRETS
                    .iter()
                    .any(|s| written.strip_suffix("_file") == Some(s))
                    && secret_files.iter().any(|k| k == written))
            {
                continue;
            }
            let later = NOT_YET.iter().find(|(s, k, _)| *s == kind && *k == written);
            let says = match (later, nearest(written, &known)) {
                (Some((_, _, says)), _) => (*says).to_owned(),
                (None, Some(meant)) => format!("unknown key `{written}`; did you mean `{meant}`?"),
                (None, None) => {
                    format!("unknown key `{written}`; known here: {}", known.join(", "))
                }
            };
            self.fault(Some(key.span()), says);
        }
        let mut variable = "WEIR".to_owned();
        for part in name.split('.').filter(|p| !p.is_empty()) {
            variable.push_str("__");
            variable.push_str(&part.to_uppercase().replace('-', "_"));
        }
        Section {
            reader: self,
            variable,
            table,
        }
    }
}

impl<'t> Section<'_, '_, 't> {
    fn find(&self, key: &str) -> Option<Found<'t>> {
        let variable = format!("{}__{}", self.variable, key.to_uppercase());
        if let Some(text) = self.reader.environment.get(&variable) {
            return Some(Found::Variable(variable, text.clone()));
        }
        let value = self.table?.get(key)?;
        Some(Found::Toml(value.get_ref(), value.span()))
    }

    fn wrong(&self, found: &Found<'_>, says: impl Into<String>) {
        let fault = match found {
            Found::Toml(_, span) => Fault {
                span: Some(span.clone()),
                variable: None,
                says: says.into(),
            },
            Found::Variable(name, _) => Fault {
                span: None,
                variable: Some(name.clone()),
                says: says.into(),
            },
        };
        self.reader.faults.borrow_mut().push(fault);
    }

    /// A fault at this section's key, or at the section if the key isn't there.
    pub(crate) fn fault_at(&self, key: &str, says: impl Into<String>) {
        match self.find(key) {
            Some(found) => self.wrong(&found, says),
            None => self.reader.fault(None, says),
        }
    }

    /// True if the key was given.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// A string, or what else is convenient to treat as one.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        let found = self.find(key)?;
        match &found {
            Found::Variable(_, text) => Some(text.clone()),
            Found::Toml(DeValue::String(text), _) => Some(text.to_string()),
            Found::Toml(other, _) => {
                self.wrong(
                    &found,
                    format!("`{key}` takes a string in quotes, not {}", kind(other)),
                );
                None
            }
        }
    }

    /// Anything that reads itself from a string.
    pub(crate) fn parsed<T: FromStr>(&self, key: &str) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let text = self.text(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault_at(key, fault.to_string());
                None
            }
        }
    }

    /// A duration with its unit.
    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        if let Some(found @ Found::Toml(DeValue::Integer(_) | DeValue::Float(_), _)) =
            self.find(key)
        {
            self.wrong(
                &found,
                "a duration needs a unit: \"5s\", \"500ms\", \"2min\"",
            );
            return None;
        }
        self.parsed::<HumanDuration>(key).map(|d| d.0)
    }

    /// Bytes with their unit.
    pub(crate) fn size(&self, key: &str) -> Option<ByteSize> {
        if let Some(found @ Found::Toml(DeValue::Integer(_) | DeValue::Float(_), _)) =
            self.find(key)
        {
            self.wrong(&found, "a size needs a unit: \"64KiB\", \"16MiB\"");
            return None;
        }
        self.parsed(key)
    }

    /// A whole number within bounds.
    pub(crate) fn number(&self, key: &str, low: u32, high: u32) -> Option<u32> {
        let found = self.find(key)?;
        let text = match &found {
            Found::Variable(_, text) => text.clone(),
            Found::Toml(DeValue::Integer(n), _) => n.as_str().to_owned(),
            Found::Toml(DeValue::String(text), _) => text.to_string(),
            Found::Toml(other, _) => {
                self.wrong(
                    &found,
                    format!("`{key}` takes a whole number, not {}", kind(other)),
                );
                return None;
            }
        };
        match text.replace('_', "").parse::<u32>() {
            Ok(n) if (low..=high).contains(&n) => Some(n),
            Ok(_) | Err(_) => {
                self.wrong(
                    &found,
                    format!("`{key}` takes a whole number from {low} to {high}, not `{text}`"),
                );
                None
            }
        }
    }

    /// One string or an array of them.
    pub(crate) fn list(&self, key: &str) -> Option<Vec<String>> {
        let found = self.find(key)?;
        match &found {
            Found::Variable(_, text) => Some(
                text.split(',')
                    .map(|t| t.trim().to_owned())
                    .filter(|t| !t.is_empty())
                    .collect(),
            ),
            Found::Toml(DeValue::String(text), _) => Some(vec![text.to_string()]),
            Found::Toml(DeValue::Array(items), _) => {
                let mut list = Vec::new();
                for item in items.iter() {
                    match item.get_ref().as_str() {
                        Some(text) => list.push(text.to_owned()),
                        None => self.reader.fault(
                            Some(item.span()),
                            format!(
                                "`{key}` takes strings in quotes, not {}",
                                kind(item.get_ref())
                            ),
                        ),
                    }
                }
                Some(list)
            }
            Found::Toml(other, _) => {
                self.wrong(
                    &found,
                    format!(
                        "`{key}` takes a string or an array of strings, not {}",
                        kind(other)
                    ),
                );
                None
            }
        }
    }

    /// true or false.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        let found = self.find(key)?;
        let known = match &found {
            Found::Toml(DeValue::Boolean(flag), _) => Some(*flag),
            Found::Variable(_, text) => text.parse().ok(),
            Found::Toml(..) => None,
        };
        if known.is_none() {
            self.wrong(
                &found,
                format!("`{key}` takes true or false, without quotes"),
            );
        }
        known
    }

    /// A date with its time, with or without quotes.
    pub(crate) fn moment(&self, key: &str) -> Option<String> {
        match self.find(key)? {
            Found::Toml(DeValue::Datetime(at), _) => Some(at.to_string()),
            Found::Toml(..) | Found::Variable(..) => self.text(key),
        }
    }

    /// An array, where the value is one.
    pub(crate) fn array(&self, key: &str) -> Option<&'t DeArray<'t>> {
        match self.find(key)? {
            Found::Toml(DeValue::Array(items), _) => Some(items),
            Found::Toml(..) | Found::Variable(..) => None,
        }
    }

    /// An inline table, where the value is one.
    pub(crate) fn table(&self, key: &str) -> Option<&'t DeTable<'t>> {
        match self.find(key)? {
            Found::Toml(DeValue::Table(table), _) => Some(table),
            Found::Toml(..) | Found::Variable(..) => None,
        }
    }

    /// A secret: the value, `env:NAME`, or the content of the file that `KEY_file` names.
    pub(crate) fn secret(&self, key: &str) -> Option<String> {
        if let Some(path) = self.text(&format!("{key}_file")) {
            return match std::fs::read_to_string(&path) {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(fault) => {
                    self.fault_at(
                        &format!("{key}_file"),
                        format!("can't read `{path}`: {fault}"),
                    );
                    None
                }
            };
        }
        let text = self.text(key)?;
        match text.strip_prefix("env:") {
            None => Some(text),
            Some(name) => match self.reader.environment.get(name) {
                Some(value) => Some(value.clone()),
                None => {
                    self.fault_at(key, format!("the environment variable {name} is not set"));
                    None
                }
            },
        }
    }

    /// True if the key holds this very word. No fault if it holds something else.
    pub(crate) fn text_is(&self, key: &str, word: &str) -> bool {
        match self.find(key) {
            Some(Found::Variable(_, text)) => text == word,
            Some(Found::Toml(DeValue::String(text), _)) => text == word,
            Some(Found::Toml(..)) | None => false,
        }
    }
}

/// "a table", "an array"… for sentences.
pub(crate) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
