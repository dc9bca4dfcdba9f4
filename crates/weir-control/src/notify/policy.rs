//! Which steps are meant for which incident, and who is behind a name?
//!
//! # Bounds
//! [`STEPS_MAX`] steps of a policy, [`REPEAT_MAX`] further rounds: what an incident can cause is
//! bounded by them. The configuration refuses more.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_model::{PoolKey, Severity, Wall};

use super::hours::Hours;
use super::silence::Silence;
use crate::incident::Incident;
use crate::incident::entry::Kind;

/// Steps of one policy.
pub const STEPS_MAX: usize = 20;
/// Further rounds after the first.
pub const REPEAT_MAX: u32 = 20;

/// Which incidents are meant. What is empty excludes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matcher {
    /// Of these severities.
    pub severity: Vec<Severity>,
    /// Of these pools: `app/dashboard`, `app` (any user), `app/*`, `*/dashboard`.
    pub pool: Vec<String>,
    /// Of these kinds.
    pub kind: Vec<Kind>,
}

impl Matcher {
    /// True if the incident, at this severity, is meant; one of its pools is enough.
    pub fn meets(&self, incident: &Incident, severity: Severity) -> bool {
        self.meets_rest(incident, severity)
            && (self.pool.is_empty() || incident.pools.iter().any(|key| self.meets_pool(key)))
    }

    /// True if the whole of it is meant: a silence of one pool must not hide another.
    pub fn covers(&self, incident: &Incident) -> bool {
        self.meets_rest(incident, incident.severity)
            && (self.pool.is_empty()
                || (!incident.pools.is_empty()
                    && incident.pools.iter().all(|key| self.meets_pool(key))))
    }

    fn meets_rest(&self, incident: &Incident, severity: Severity) -> bool {
        (self.severity.is_empty() || self.severity.contains(&severity))
            && (self.kind.is_empty() || self.kind.contains(&incident.kind))
    }

    fn meets_pool(&self, key: &PoolKey) -> bool {
        self.pool
            .iter()
            .any(|pattern| match pattern.split_once('/') {
                None => glob(pattern, &key.database),
                Some((database, user)) => glob(database, &key.database) && glob(user, &key.user),
            })
    }

    /// In words: `sev1, sev2 of app/dashboard`; `everything`.
    pub fn says(&self) -> String {
        let mut says = match self.severity.is_empty() {
            true => "everything".to_owned(),
            false => self
                .severity
                .iter()
                .map(|s| s.name())
                .collect::<Vec<_>>()
                .join(", "),
        };
        if !self.pool.is_empty() {
            says.push_str(&format!(" of {}", self.pool.join(", ")));
        }
        if !self.kind.is_empty() {
            let kinds: Vec<String> = self
                .kind
                .iter()
                .map(|k| format!("{k:?}").to_lowercase())
                .collect();
            says.push_str(&format!(" that is {}", kinds.join(" or ")));
        }
        says
    }
}

/// `*` stands for any letters.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(before) = last.replace(part) {
            match rest.find(before) {
                Some(at) => rest = &rest[at + before.len()..],
                None => return false,
            }
        }
    }
    match last {
        None => rest.is_empty(),
        Some(last) => rest.ends_with(last),
    }
}

/// What happens outside working hours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outside {
    /// Nobody is called by this step.
    #[default]
    Skip,
    /// The step waits until working hours begin.
    Defer,
    /// Somebody else is called: a contact or a channel.
    Call(String),
}

/// A person or a rota.
#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    /// As steps call it.
    pub name: String,
    /// By which channels, first choice first.
    pub channels: Vec<String>,
    /// When; `None`: always.
    pub hours: Option<Hours>,
    /// And otherwise?
    pub outside: Outside,
}

/// One step of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// A contact, or a channel.
    pub to: String,
    /// How long after the beginning of the round.
    pub after: Duration,
    /// This channel first.
    pub channel: Option<String>,
    /// When; `None`: always.
    pub hours: Option<Hours>,
    /// And otherwise?
    pub outside: Outside,
}

/// One `[[escalation]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How the journal calls it.
    pub name: String,
    /// For which incidents. Drills only where `kind` names them.
    pub meant: Matcher,
    /// In order of time.
    pub steps: Vec<Step>,
    /// So many further rounds after the first.
    pub repeat: u32,
    /// Between a round's last step and the next round's first.
    pub repeat_after: Duration,
    /// An acknowledgement holds for so long; `None`: until the end.
    pub ack_expires: Option<Duration>,
}

impl Policy {
    /// Steps of all rounds.
    pub fn calls(&self) -> u32 {
        let steps = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        steps.saturating_mul(self.repeat.saturating_add(1))
    }

    /// The step with this number, counted from zero through all rounds, and when it is due after
    /// the beginning.
    pub fn step(&self, number: u32) -> Option<(&Step, Duration)> {
        if number >= self.calls() {
            return None;
        }
        let steps = u32::try_from(self.steps.len()).ok()?;
        let step = self.steps.get((number % steps) as usize)?;
        let round = self.steps.last()?.after.saturating_add(self.repeat_after);
        Some((
            step,
            round
                .saturating_mul(number / steps)
                .saturating_add(step.after),
        ))
    }
}

/// Whom to call about what: all of `[[contact]]`, `[[escalation]]`, `[[maintenance]]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Paging {
    /// Who is behind the names.
    pub contacts: Vec<Contact>,
    /// First match counts.
    pub policies: Vec<Policy>,
    /// Windows that the file announces.
    pub maintenance: Vec<Silence>,
}

/// Whom a step calls now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// This one, by these channels, first choice first.
    Call {
        /// A contact, or a channel.
        to: String,
        /// Never empty.
        channels: Vec<String>,
        /// Why it is another than the step names.
        instead: Option<String>,
    },
    /// Nobody, and why.
    Nobody(String),
    /// Nobody yet.
    Later(Wall),
}

impl Paging {
    /// The policy for an incident at this severity.
    pub fn policy_for(&self, incident: &Incident, severity: Severity) -> Option<usize> {
        self.policies.iter().position(|policy| {
            let drill_is_named = policy.meant.kind.contains(&Kind::Drill);
            (incident.kind != Kind::Drill || drill_is_named)
                && policy.meant.meets(incident, severity)
        })
    }

    /// True if a step or a contact names this channel: then it waits for its turn.
    pub fn names_channel(&self, channel: &str) -> bool {
        let step = |step: &Step| step.to == channel || step.channel.as_deref() == Some(channel);
        self.contacts
            .iter()
            .any(|c| c.channels.iter().any(|c| c == channel))
            || self.policies.iter().any(|p| p.steps.iter().any(step))
    }

    /// Whom this step calls now.
    pub fn who(&self, step: &Step, now: Wall) -> Who {
        self.resolve(
            &step.to,
            step.channel.as_deref(),
            step.hours.as_ref(),
            &step.outside,
            now,
            0,
        )
    }

    fn resolve(
        &self,
        name: &str,
        channel: Option<&str>,
        hours: Option<&Hours>,
        outside: &Outside,
        now: Wall,
        depth: usize,
    ) -> Who {
        let contact = self.contacts.iter().find(|c| c.name == name);
        // The step's hours count before the contact's.
        let (hours, outside) = match (hours, contact) {
            (Some(hours), _) => (Some(hours), outside),
            (None, Some(contact)) => (contact.hours.as_ref(), &contact.outside),
            (None, None) => (None, outside),
        };
        if let Some(hours) = hours.filter(|hours| !hours.open_at(now)) {
            let why = format!("{name} works {hours}");
            return match outside {
                Outside::Skip => Who::Nobody(why),
                Outside::Defer => match hours.next_open(now) {
                    Some(at) => Who::Later(at),
                    None => Who::Nobody(why),
                },
                // The configuration refuses circles; should one be here, it ends.
                Outside::Call(_) if depth > self.contacts.len() => Who::Nobody(why),
                Outside::Call(other) => {
                    match self.resolve(other, None, None, &Outside::Skip, now, depth + 1) {
                        Who::Call { to, channels, .. } => Who::Call {
                            to,
                            channels,
                            instead: Some(why),
                        },
                        other => other,
                    }
                }
            };
        }
        let mut channels: Vec<String> = channel.map(str::to_owned).into_iter().collect();
        match contact {
            Some(contact) => {
                let more = contact
                    .channels
                    .iter()
                    .filter(|c| Some(c.as_str()) != channel);
                channels.extend(more.cloned());
            }
            None if channels.is_empty() => channels.push(name.to_owned()),
            None => {}
        }
        if channels.is_empty() {
            return Who::Nobody(format!("{name} has no channel"));
        }
        Who::Call {
            to: name.to_owned(),
            channels,
            instead: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_what_it_looks_like() {
        for (pattern, text, meets) in [
            ("app", "app", true),
            ("app", "apps", false),
            ("*", "", true),
            ("a*", "app", true),
            ("*pp", "app", true),
            ("a*p*s", "apps", true),
            ("a*x*s", "apps", false),
            ("ab*b", "ab", false),
        ] {
            assert_eq!(glob(pattern, text), meets, "{pattern} {text}");
        }
    }

    #[test]
    fn rounds_follow_each_other_with_their_pause() {
        let step = |after| Step {
            to: "x".to_owned(),
            after: Duration::from_secs(after),
            channel: None,
            hours: None,
            outside: Outside::Skip,
        };
        let policy = Policy {
            name: "p".to_owned(),
            meant: Matcher::default(),
            steps: vec![step(0), step(300)],
            repeat: 1,
            repeat_after: Duration::from_secs(600),
            ack_expires: None,
        };
        let due: Vec<u64> = (0..5)
            .map_while(|n| Some(policy.step(n)?.1.as_secs()))
            .collect();
        assert_eq!(due, [0, 300, 900, 1_200]);
    }
}
