//! Who is told, who is called, and who isn't: `[[notify]]`, `[[contact]]`, `[[escalation]]`,
//! `[[maintenance]]`.
//!
//! A name is resolved here, once: what leaves this file names channels as the journal does, and no
//! step leads nowhere.

use std::ops::Range;
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use toml::de::{DeTable, DeValue};
use weir_api::deliveries::{self, MailTls, Service, Target};
use weir_control::incident::entry::Kind;
use weir_control::notify::hours::Hours;
use weir_control::notify::opsgenie;
use weir_control::notify::policy::{
    Contact, Matcher, Outside, Paging, Policy, REPEAT_MAX, STEPS_MAX, Step,
};
use weir_control::notify::silence::Silence;
use weir_model::{Secret, Severity, Wall};

use super::fault::nearest;
use super::reader::{Reader, Section, kind as kind_of};

/// `[[notify]]`, `[[contact]]`… each at most.
const TABLES_MAX: usize = 100;
const KINDS: &[&str] = &[
    "alertmanager",
    "webhook",
    "pagerduty",
    "slack",
    "opsgenie",
    "email",
    "grafana",
    "otlp",
];
/// Which keys mean something for one kind only.
const KEYS: &[(&str, &[&str])] = &[
    ("routing_key", &["pagerduty"]),
    ("key", &["opsgenie"]),
    ("team", &["opsgenie"]),
    ("from", &["email"]),
    ("to", &["email"]),
    ("user", &["email"]),
    ("password", &["email"]),
    ("tls", &["email"]),
    ("dashboard", &["grafana"]),
    ("panel", &["grafana"]),
    ("silence_on", &["alertmanager"]),
    ("token", &["alertmanager", "webhook", "grafana", "otlp"]),
];

/// Everything that these sections say.
pub(super) fn read<'t>(reader: &Reader<'_>, document: &'t DeTable<'t>) -> (Vec<Target>, Paging) {
    let targets: Vec<Target> = tables(reader, document, "notify")
        .into_iter()
        .filter_map(|(span, table)| target_of(reader, &span, table))
        .collect();
    for (at, target) in targets.iter().enumerate() {
        if !target.name.is_empty() && targets[..at].iter().any(|t| t.name == target.name) {
            reader.fault(
                document.get("notify").map(toml::Spanned::span),
                format!(
                    "two [[notify]] are called `{}`: give each a `name` of its own",
                    target.name
                ),
            );
        }
    }
    let found = tables(reader, document, "contact");
    let names: Vec<String> = found
        .iter()
        .filter_map(|(_, table)| Some(table.get("name")?.get_ref().as_str()?.to_owned()))
        .collect();
    let known = Known {
        targets: &targets,
        contacts: &names,
    };
    let contacts = found
        .into_iter()
        .filter_map(|(span, table)| contact_of(reader, &span, table, &known))
        .collect();
    let policies = tables(reader, document, "escalation")
        .into_iter()
        .enumerate()
        .filter_map(|(index, (span, table))| policy_of(reader, index, &span, table, &known))
        .collect();
    let maintenance = tables(reader, document, "maintenance")
        .into_iter()
        .enumerate()
        .filter_map(|(index, (span, table))| window_of(reader, index, &span, table))
        .collect();
    let paging = Paging {
        contacts,
        policies,
        maintenance,
    };
    circles(reader, document, &paging);
    (targets, paging)
}

/// The tables of `[[key]]`, each with its place.
fn tables<'t>(
    reader: &Reader<'_>,
    document: &'t DeTable<'t>,
    key: &str,
) -> Vec<(Range<usize>, &'t DeTable<'t>)> {
    let Some(value) = document.get(key) else {
        return Vec::new();
    };
    let DeValue::Array(items) = value.get_ref() else {
        reader.fault(
            Some(value.span()),
            format!("write `[[{key}]]`, with two brackets: there may be several"),
        );
        return Vec::new();
    };
    if items.len() > TABLES_MAX {
        reader.fault(
            Some(value.span()),
            format!("at most {TABLES_MAX} [[{key}]] are taken"),
        );
    }
    let mut found = Vec::new();
    for item in items.iter().take(TABLES_MAX) {
        match item.get_ref() {
            DeValue::Table(table) => found.push((item.span(), table)),
            other => reader.fault(
                Some(item.span()),
                format!("a [[{key}]] is a table, not {}", kind_of(other)),
            ),
        }
    }
    found
}

fn target_of(reader: &Reader<'_>, span: &Range<usize>, table: &DeTable<'_>) -> Option<Target> {
    let section = reader.section("notify", "notify", Some(table), &[]);
    let kind = match section.text("kind") {
        Some(kind) if KINDS.contains(&kind.as_str()) => kind,
        Some(other) => {
            let hint = match nearest(&other, KINDS) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known are {}", KINDS.join(", ")),
            };
            section.fault_at("kind", format!("`{other}` is no kind of notify; {hint}"));
            return None;
        }
        None => {
            if !section.has("kind") {
                let says = format!("a [[notify]] needs `kind`: {}", KINDS.join(", "));
                reader.fault(Some(span.clone()), says);
            }
            return None;
        }
    };
    for (key, kinds) in KEYS {
        if section.has(key) && !kinds.contains(&kind.as_str()) {
            let says = format!("`{key}` means something for {} only", kinds.join(", "));
            section.fault_at(key, says);
        }
    }
    let needs = |key: &str| {
        if !section.has(key) && !section.has(&format!("{key}_file")) {
            let says = format!("a [[notify]] of kind {kind} needs `{key}`");
            reader.fault(Some(span.clone()), says);
        }
    };
    let secret = |key: &str| section.secret(key).map(|text| Secret(text.into()));
    let default_url = match kind.as_str() {
        "pagerduty" => Some("https://events.pagerduty.com"),
        "opsgenie" => Some(opsgenie::BASE),
        _ => None,
    };
    if default_url.is_none() {
        needs("url");
    }
    let url = section.secret("url").or(default_url.map(str::to_owned));
    let service = match kind.as_str() {
        "alertmanager" => {
            let on = section.list("silence_on").unwrap_or_default();
            for word in &on {
                if !["acknowledge", "maintenance"].contains(&word.as_str()) {
                    let says =
                        format!("`{word}` is no occasion; known are acknowledge, maintenance");
                    section.fault_at("silence_on", says);
                }
            }
            Service::Alertmanager {
                silence_on_ack: on.iter().any(|w| w == "acknowledge"),
                silence_on_maintenance: on.iter().any(|w| w == "maintenance"),
            }
        }
        "pagerduty" => {
            needs("routing_key");
            Service::PagerDuty {
                routing_key: secret("routing_key")?,
            }
        }
        "slack" => Service::Slack,
        "opsgenie" => {
            needs("key");
            Service::Opsgenie {
                key: secret("key")?,
                team: section.text("team"),
            }
        }
        "email" => {
            needs("from");
            needs("to");
            let implicit = url
                .as_deref()
                .is_some_and(|url| url.starts_with("smtps://"));
            let tls = match section.text("tls").as_deref() {
                None if implicit => MailTls::Implicit,
                None | Some("starttls") => MailTls::StartTls,
                Some("none") => MailTls::None,
                Some("implicit") => MailTls::Implicit,
                Some(other) => {
                    let says =
                        format!("`{other}` is no way of mail; known are starttls, implicit, none");
                    section.fault_at("tls", says);
                    MailTls::StartTls
                }
            };
            if section.has("user") && !section.has("password") && !section.has("password_file") {
                section.fault_at(
                    "user",
                    "a `user` logs in with its `password`, or `password_file`",
                );
            }
            let to = section.list("to")?;
            if to.is_empty() {
                section.fault_at(
                    "to",
                    "`to` is empty: name an address, like \"dba@example.org\"",
                );
            }
            Service::Email {
                from: section.text("from")?,
                to,
                user: section.text("user"),
                password: secret("password"),
                tls,
            }
        }
        "grafana" => Service::Grafana {
            dashboard: section.text("dashboard"),
            panel: section.number("panel", 0, u32::MAX),
        },
        "otlp" => Service::Otlp,
        _ => Service::Webhook,
    };
    let target = Target {
        name: section.text("name").unwrap_or_default(),
        service,
        url: url?,
        token: secret("token"),
        only: severities(&section, "only"),
        announce: section.flag("announce"),
        drills: section.flag("drills"),
        ca: section.text("ca").map(Into::into),
    };
    for fault in deliveries::check(std::slice::from_ref(&target)) {
        let key = match &fault {
            deliveries::TargetFault::Tls { .. } if section.has("ca") => "ca",
            deliveries::TargetFault::Clear { .. } => "password",
            deliveries::TargetFault::Address { address, .. }
                if Some(address) == section.text("from").as_ref() =>
            {
                "from"
            }
            deliveries::TargetFault::Address { .. } => "to",
            _ => "url",
        };
        match section.has(key) {
            true => section.fault_at(key, fault.to_string()),
            false => reader.fault(Some(span.clone()), fault.to_string()),
        }
    }
    Some(target)
}

fn severities(section: &Section<'_, '_, '_>, key: &str) -> Vec<Severity> {
    let mut found = Vec::new();
    for word in section.list(key).unwrap_or_default() {
        match word.parse() {
            Ok(severity) => found.push(severity),
            Err(_) => section.fault_at(
                key,
                format!("`{word}` is no severity; known are sev1, sev2, sev3, sev4"),
            ),
        }
    }
    found
}

/// What a step may name.
struct Known<'a> {
    targets: &'a [Target],
    contacts: &'a [String],
}

impl Known<'_> {
    /// The channel that this word means: a name, or a kind that there is one of.
    fn channel(&self, word: &str) -> Option<String> {
        let named = self.targets.iter().find(|t| t.name == word);
        let of_kind: Vec<&Target> = self
            .targets
            .iter()
            .filter(|t| t.service.name() == word && t.name.is_empty())
            .collect();
        match (named, of_kind.as_slice()) {
            (Some(target), _) => Some(target.channel()),
            (None, [only]) => Some(only.channel()),
            (None, _) => None,
        }
    }

    /// A contact's name, or a channel.
    fn anybody(&self, word: &str) -> Option<String> {
        match self.contacts.iter().any(|name| name == word) {
            true => Some(word.to_owned()),
            false => self.channel(word),
        }
    }

    fn nobody(&self, word: &str, what: &str) -> String {
        let mut names: Vec<&str> = self
            .targets
            .iter()
            .map(|t| match t.name.as_str() {
                "" => t.service.name(),
                name => name,
            })
            .collect();
        if what != "channel" {
            names.extend(self.contacts.iter().map(String::as_str));
        }
        match nearest(word, &names) {
            Some(meant) => format!("there is no {what} `{word}`; did you mean `{meant}`?"),
            None if what == "channel" => {
                format!("there is no channel `{word}`: add a [[notify]] with name = \"{word}\"")
            }
            None => format!(
                "nobody is called `{word}`: add a [[contact]] with name = \"{word}\" and its channels, or a [[notify]] of that name"
            ),
        }
    }
}

fn contact_of(
    reader: &Reader<'_>,
    span: &Range<usize>,
    table: &DeTable<'_>,
    known: &Known<'_>,
) -> Option<Contact> {
    let section = reader.section("contact", "contact", Some(table), &[]);
    let Some(name) = section.text("name").filter(|name| !name.is_empty()) else {
        reader.fault(Some(span.clone()), "a [[contact]] needs a `name`");
        return None;
    };
    if known.contacts.iter().filter(|n| **n == name).count() > 1 {
        section.fault_at("name", format!("two [[contact]] are called `{name}`"));
    }
    if known.channel(&name).is_some() {
        section.fault_at(
            "name",
            format!("a [[notify]] is called `{name}`, too: name one of them otherwise"),
        );
    }
    let mut channels = Vec::new();
    for word in section.list("channels").unwrap_or_default() {
        match known.channel(&word) {
            Some(channel) => channels.push(channel),
            None => section.fault_at("channels", known.nobody(&word, "channel")),
        }
    }
    if channels.is_empty() && !section.has("channels") {
        let says = format!("contact `{name}` needs `channels`: by which [[notify]] is it reached?");
        reader.fault(Some(span.clone()), says);
    }
    let (hours, outside) = hours_of(reader, &section, known);
    Some(Contact {
        name,
        channels,
        hours,
        outside,
    })
}

/// `working_hours` and what happens outside them.
fn hours_of(
    reader: &Reader<'_>,
    section: &Section<'_, '_, '_>,
    known: &Known<'_>,
) -> (Option<Hours>, Outside) {
    let outside = match section.text("otherwise").as_deref() {
        None | Some("skip") => Outside::Skip,
        Some("defer") => Outside::Defer,
        Some(word) => match known.anybody(word) {
            Some(name) => Outside::Call(name),
            None => {
                let says = format!(
                    "{}; or write \"skip\" or \"defer\"",
                    known.nobody(word, "contact")
                );
                section.fault_at("otherwise", says);
                Outside::Skip
            }
        },
    };
    if !section.has("working_hours") {
        return (None, outside);
    }
    let Some(table) = section.table("working_hours") else {
        section.fault_at(
            "working_hours",
            "`working_hours` takes a table: { zone = \"Europe/Zurich\", days = \"mon-fri\", from = \"09:00\", to = \"18:00\" }",
        );
        return (None, outside);
    };
    let keys = ["zone", "days", "from", "to"];
    let hours = reader.section("working_hours", "working_hours", Some(table), &keys);
    let zone = match hours.text("zone") {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(&name).unwrap_or_else(|_| {
            hours.fault_at(
                "zone",
                format!("`{name}` is no time zone; write for example Europe/Zurich or UTC"),
            );
            TimeZone::UTC
        }),
    };
    let days = match hours.list("days") {
        None => [true; 7],
        Some(words) => {
            let words = words.iter().flat_map(|w| w.split(',')).map(str::trim);
            Hours::days_of(words).unwrap_or_else(|fault| {
                hours.fault_at("days", fault.to_string());
                [true; 7]
            })
        }
    };
    let time = |key: &str, default: Time| match hours.text(key) {
        None => default,
        Some(text) if text == "24:00" => Time::midnight(),
        Some(text) => Time::strptime("%H:%M", &text).unwrap_or_else(|_| {
            hours.fault_at(key, format!("`{text}` is no time of day; write \"09:00\""));
            default
        }),
    };
    let hours = Hours {
        zone,
        days,
        from: time("from", Time::midnight()),
        to: time("to", Time::midnight()),
    };
    (Some(hours), outside)
}

fn matcher_of(reader: &Reader<'_>, section: &Section<'_, '_, '_>) -> Matcher {
    if !section.has("match") {
        return Matcher::default();
    }
    let Some(table) = section.table("match") else {
        section.fault_at(
            "match",
            "`match` takes a table: { severity = [\"sev1\"], pool = \"app/*\" }",
        );
        return Matcher::default();
    };
    let inner = reader.section("match", "match", Some(table), &["severity", "pool", "kind"]);
    let mut kinds = Vec::new();
    for word in inner.list("kind").unwrap_or_default() {
        match word.as_str() {
            "real" => kinds.push(Kind::Real),
            "drill" => kinds.push(Kind::Drill),
            "declared" => kinds.push(Kind::Declared),
            other => {
                let says = format!("`{other}` is no kind; known are real, drill, declared");
                inner.fault_at("kind", says);
            }
        }
    }
    Matcher {
        severity: severities(&inner, "severity"),
        pool: inner.list("pool").unwrap_or_default(),
        kind: kinds,
    }
}

fn policy_of(
    reader: &Reader<'_>,
    index: usize,
    span: &Range<usize>,
    table: &DeTable<'_>,
    known: &Known<'_>,
) -> Option<Policy> {
    let section = reader.section("escalation", "escalation", Some(table), &[]);
    let meant = matcher_of(reader, &section);
    let Some(items) = section.array("steps") else {
        if !section.has("steps") {
            reader.fault(
                Some(span.clone()),
                "an [[escalation]] needs `steps`: [ { to = \"oncall\", after = \"0s\" } ]",
            );
        } else {
            section.fault_at(
                "steps",
                "`steps` takes an array of tables: [ { to = \"oncall\", after = \"0s\" } ]",
            );
        }
        return None;
    };
    if items.is_empty() || items.len() > STEPS_MAX {
        section.fault_at("steps", format!("from one to {STEPS_MAX} steps"));
    }
    let mut steps: Vec<Step> = Vec::new();
    for item in items.iter() {
        let DeValue::Table(table) = item.get_ref() else {
            reader.fault(
                Some(item.span()),
                format!(
                    "a step is a table: {{ to = \"oncall\", after = \"0s\" }}, not {}",
                    kind_of(item.get_ref())
                ),
            );
            continue;
        };
        if let Some(step) = step_of(reader, &item.span(), table, known) {
            if steps.last().is_some_and(|before| before.after > step.after) {
                reader.fault(
                    Some(item.span()),
                    "this step comes before the one above it: `after` counts from the beginning, so it must not fall",
                );
            }
            steps.push(step);
        }
    }
    let name = section
        .text("name")
        .unwrap_or_else(|| format!("escalation {}", index + 1));
    Some(Policy {
        name,
        meant,
        steps,
        repeat: section.number("repeat", 0, REPEAT_MAX).unwrap_or(0),
        repeat_after: section
            .duration("repeat_after")
            .unwrap_or(Duration::from_secs(300)),
        ack_expires: match section.text_is("ack_expires", "never") {
            true => None,
            false => section.duration("ack_expires"),
        },
    })
}

fn step_of(
    reader: &Reader<'_>,
    span: &Range<usize>,
    table: &DeTable<'_>,
    known: &Known<'_>,
) -> Option<Step> {
    let keys = ["to", "after", "channel", "working_hours", "otherwise"];
    let section = reader.section("step", "step", Some(table), &keys);
    let Some(word) = section.text("to") else {
        reader.fault(
            Some(span.clone()),
            "a step needs `to`: a contact or a channel",
        );
        return None;
    };
    let Some(to) = known.anybody(&word) else {
        section.fault_at("to", known.nobody(&word, "contact"));
        return None;
    };
    let channel = section.text("channel").and_then(|word| {
        let channel = known.channel(&word);
        if channel.is_none() {
            section.fault_at("channel", known.nobody(&word, "channel"));
        }
        channel
    });
    let (hours, outside) = hours_of(reader, &section, known);
    Some(Step {
        to,
        after: section.duration("after").unwrap_or(Duration::ZERO),
        channel,
        hours,
        outside,
    })
}

fn window_of(
    reader: &Reader<'_>,
    index: usize,
    span: &Range<usize>,
    table: &DeTable<'_>,
) -> Option<Silence> {
    let section = reader.section("maintenance", "maintenance", Some(table), &[]);
    let meant = matcher_of(reader, &section);
    for key in ["from", "until", "by", "why"] {
        if !section.has(key) {
            reader.fault(
                Some(span.clone()),
                format!("a [[maintenance]] needs `{key}`"),
            );
        }
    }
    let (from, until) = (wall_of(&section, "from"), wall_of(&section, "until"));
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        section.fault_at("until", "it ends before it begins");
    }
    Some(Silence {
        id: format!("M-{}", index + 1),
        meant,
        from: from?,
        until: until?,
        by: section.text("by")?,
        why: section.text("why")?,
    })
}

fn wall_of(section: &Section<'_, '_, '_>, key: &str) -> Option<Wall> {
    let text = section.moment(key)?;
    match text.parse::<jiff::Timestamp>() {
        Ok(at) => Some(Wall::from_micros(at.as_microsecond())),
        Err(_) => {
            section.fault_at(
                key,
                "a time needs its zone: 2026-12-01T22:00:00Z, or …+01:00",
            );
            None
        }
    }
}

/// `otherwise` that leads back to where it came from calls nobody.
fn circles(reader: &Reader<'_>, document: &DeTable<'_>, paging: &Paging) {
    for contact in &paging.contacts {
        let mut at = contact;
        for _ in 0..=paging.contacts.len() {
            let Outside::Call(next) = &at.outside else {
                break;
            };
            if *next == contact.name {
                reader.fault(
                    document.get("contact").map(toml::Spanned::span),
                    format!(
                        "`otherwise` of contact `{}` leads back to itself",
                        contact.name
                    ),
                );
                break;
            }
            match paging.contacts.iter().find(|c| c.name == *next) {
                Some(found) => at = found,
                None => break,
            }
        }
    }
}
