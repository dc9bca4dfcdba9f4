//! Where did each value come from? The table of settings with what the file, the environment and
//! the command line said, for the page "configuration".
//!
//! # What always holds
//! - No secret leaves this module: what may hold one is shown as "(set)", also inside tables.
//!
//! # What is deliberately absent
//! - Judgement: a file with faults doesn't get here. What can't be read is shown as not said.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use weir_api::see::configuration::{Configuration, Origin, SET, SettingRow};

use super::reader::SECRETS;
use super::table::{SETTINGS, Setting};

/// What the command line said: section, key, flag, value as one would write it in the file.
pub(crate) struct Flag {
    pub(crate) section: &'static str,
    pub(crate) name: &'static str,
    pub(crate) flag: &'static str,
    pub(crate) value: String,
}

/// One section of the file, or one that is there without being written.
struct Found<'t> {
    /// `pool.app`, `notify[0]`.
    name: String,
    /// `WEIR__POOL__APP`.
    variable: String,
    table: Option<&'t DeTable<'t>>,
    /// Of many in a list: only what was written is shown.
    listed: bool,
}

/// Every setting as it is in force at the start. `file`: its name and content.
pub(crate) fn configuration(
    file: Option<(&Path, &str)>,
    environment: &BTreeMap<String, String>,
    flags: &[Flag],
) -> Configuration {
    let text = file.map_or("", |(_, text)| text);
    let (document, _) = DeTable::parse_recoverable(text);
    let document = document.get_ref();
    let origins = Origins {
        file: file.map_or(String::new(), |(path, _)| {
            let name = path.file_name().unwrap_or(path.as_os_str());
            name.to_string_lossy().into_owned()
        }),
        text,
        environment,
        flags,
    };
    let mut settings = Vec::new();
    let mut done: Vec<&str> = Vec::new();
    for setting in SETTINGS {
        if done.contains(&setting.section) {
            continue;
        }
        done.push(setting.section);
        for found in sections(document, setting.section) {
            let of_section = SETTINGS.iter().filter(|s| s.section == setting.section);
            settings.extend(of_section.filter_map(|setting| origins.row(setting, &found)));
        }
    }
    Configuration {
        file: file.map(|(path, _)| path.display().to_string()),
        settings,
    }
}

fn variable(section: &str) -> String {
    let mut variable = "WEIR".to_owned();
    for part in section.split('.').filter(|part| !part.is_empty()) {
        variable.push_str("__");
        variable.push_str(&part.to_uppercase().replace('-', "_"));
    }
    variable
}

fn sections<'t>(document: &'t DeTable<'t>, section: &str) -> Vec<Found<'t>> {
    let one = |name: String, table: Option<&'t DeTable<'t>>, listed: bool| Found {
        variable: variable(&name),
        name,
        table,
        listed,
    };
    if section.is_empty() {
        return vec![one(String::new(), Some(document), false)];
    }
    if let Some(kind) = section.strip_suffix(".*") {
        let mut found = Vec::new();
        if let Some(DeValue::Table(named)) = document.get(kind).map(|value| value.get_ref()) {
            for (name, value) in named {
                if let DeValue::Table(table) = value.get_ref() {
                    let name = format!("{kind}.{}", name.get_ref());
                    found.push(one(name, Some(table), false));
                }
            }
        }
        if found.is_empty() {
            found.push(one(section.to_owned(), None, false));
        }
        return found;
    }
    match document.get(section).map(|value| value.get_ref()) {
        Some(DeValue::Table(table)) => vec![one(section.to_owned(), Some(table), false)],
        Some(DeValue::Array(items)) => items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| match item.get_ref() {
                DeValue::Table(table) => {
                    Some(one(format!("{section}[{index}]"), Some(table), true))
                }
                _ => None,
            })
            .collect(),
        // Lists that nobody began have no settings in force.
        None if matches!(section, "notify" | "contact" | "escalation" | "maintenance") => {
            Vec::new()
        }
        _ => vec![one(section.to_owned(), None, false)],
    }
}

struct Origins<'a> {
    file: String,
    text: &'a str,
    environment: &'a BTreeMap<String, String>,
    flags: &'a [Flag],
}

impl Origins<'_> {
    fn row(&self, setting: &Setting, found: &Found<'_>) -> Option<SettingRow> {
        let secret = SECRETS.contains(&setting.name);
        let (value, origin, place) = self.said(setting, found, secret);
        if found.listed && value.is_none() {
            return None;
        }
        let default = (!setting.default.is_empty()).then(|| setting.default.to_owned());
        Some(SettingRow {
            section: found.name.clone(),
            name: setting.name.to_owned(),
            value: value.or_else(|| default.clone()),
            default,
            origin,
            place,
            secret,
            pgbouncer: setting.pgbouncer.map(str::to_owned),
            says: setting.says.to_owned(),
        })
    }

    /// As the configuration is read: the command line over the environment over the file.
    fn said(
        &self,
        setting: &Setting,
        found: &Found<'_>,
        secret: bool,
    ) -> (Option<String>, Origin, Option<String>) {
        let shown = |value: String| match secret {
            true => SET.to_owned(),
            false => value,
        };
        let flag = self
            .flags
            .iter()
            .find(|flag| flag.section == setting.section && flag.name == setting.name);
        if let Some(flag) = flag {
            let value = Some(shown(flag.value.clone()));
            return (value, Origin::Flag, Some(flag.flag.to_owned()));
        }
        let name = format!("{}__{}", found.variable, setting.name.to_uppercase());
        if let Some(value) = self.environment.get(&name) {
            // A variable may hold a table with a secret in it.
            let value = match value.contains(['{', '[']) {
                true => SET.to_owned(),
                false => shown(format!("{value:?}")),
            };
            return (Some(value), Origin::Environment, Some(name));
        }
        let in_file = format!("{}_file", setting.name);
        for (key, value) in found.table.into_iter().flatten() {
            let written: &str = key.get_ref();
            if written == setting.name || (secret && written == in_file) {
                let value = shown(self.written(setting.name, value.get_ref(), value.span()));
                let place = format!("{}:{}", self.file, self.line(key.span().start));
                return (Some(value), Origin::File, Some(place));
            }
        }
        (None, Origin::Default, None)
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    /// A value as it was written, but for secrets.
    fn written(&self, key: &str, value: &DeValue<'_>, span: std::ops::Range<usize>) -> String {
        if SECRETS.contains(&key) || key.ends_with("_file") {
            return SET.to_owned();
        }
        match value {
            DeValue::Table(table) => {
                let pairs: Vec<String> = table
                    .iter()
                    .map(|(key, value)| {
                        let name: &str = key.get_ref();
                        let text = self.written(name, value.get_ref(), value.span());
                        format!("{name} = {text}")
                    })
                    .collect();
                format!("{{ {} }}", pairs.join(", "))
            }
            DeValue::Array(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| self.written("", item.get_ref(), item.span()))
                    .collect();
                format!("[{}]", items.join(", "))
            }
            _ => self.text.get(span).unwrap_or_default().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"listen = ["127.0.0.1:6432"]
api_token = "s3cret"

[server.main]
hosts = ["db1:5432"]
watch = { user = "monitor", password = "hunter2" }

[pool.app]
size = { min = 2, max = 40 }

[[notify]]
kind = "webhook"
url = "https://user:hunter3@hooks.example/1"
"#;

    fn rows(environment: &[(&str, &str)], flags: &[Flag]) -> Configuration {
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        configuration(
            Some((Path::new("/etc/weir/weir.toml"), FILE)),
            &environment,
            flags,
        )
    }

    fn told(configuration: &Configuration, section: &str, name: &str) -> String {
        let mut rows = configuration.settings.iter();
        let row = rows.find(|row| row.section == section && row.name == name);
        row.map_or("absent".to_owned(), |row| {
            format!(
                "{} {} {}",
                row.value.as_deref().unwrap_or("-"),
                row.origin.name(),
                row.place.as_deref().unwrap_or("-")
            )
        })
    }

    #[test]
    fn each_value_tells_where_it_came_from() {
        let flag = Flag {
            section: "regulator",
            name: "mode",
            flag: "--regulator",
            value: "\"act\"".to_owned(),
        };
        let shown = rows(
            &[
                ("WEIR__POOL__APP__MODE", "session"),
                ("WEIR__REGULATOR__MODE", "observe"),
            ],
            &[flag],
        );
        assert_eq!(
            told(&shown, "", "listen"),
            "[\"127.0.0.1:6432\"] file weir.toml:1"
        );
        assert_eq!(
            told(&shown, "pool.app", "size"),
            "{ min = 2, max = 40 } file weir.toml:9"
        );
        assert_eq!(
            told(&shown, "pool.app", "mode"),
            "\"session\" environment WEIR__POOL__APP__MODE"
        );
        assert_eq!(
            told(&shown, "regulator", "mode"),
            "\"act\" flag --regulator"
        );
        assert_eq!(told(&shown, "", "store"), "\"weir.db\" default -");
        assert_eq!(
            told(&shown, "notify[0]", "kind"),
            "\"webhook\" file weir.toml:12"
        );
        assert_eq!(told(&shown, "notify[0]", "team"), "absent");
    }

    #[test]
    fn no_secret_is_in_any_row_wherever_it_was_written() {
        let shown = rows(
            &[
                ("WEIR__SERVER__MAIN__PASSWORD", "hunter4"),
                ("WEIR__SERVER__MAIN__WATCH", "{ password = \"hunter5\" }"),
            ],
            &[],
        );
        let all = format!("{:?}", shown.settings);
        assert!(!all.contains("hunter") && !all.contains("s3cret"), "{all}");
        assert_eq!(told(&shown, "", "api_token"), "(set) file weir.toml:2");
        let plain = rows(&[], &[]);
        let all = format!("{:?}", plain.settings);
        assert!(!all.contains("hunter"), "{all}");
        assert_eq!(
            told(&plain, "server.main", "watch"),
            "{ user = \"monitor\", password = (set) } file weir.toml:6"
        );
    }

    #[test]
    fn without_a_file_every_setting_has_its_row() {
        let shown = configuration(None, &BTreeMap::new(), &[]);
        assert_eq!(shown.file, None);
        assert_eq!(told(&shown, "pool.*", "size"), {
            let size = SETTINGS
                .iter()
                .find(|s| s.section == "pool.*" && s.name == "size");
            format!("{} default -", size.unwrap().default)
        });
    }
}
