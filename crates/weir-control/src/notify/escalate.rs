//! What is the next thing to do about an incident, and when?
//!
//! ```text
//! calling ── acknowledged ─▶ held ── acknowledgement expires ─▶ calling, next step at once
//!    │  ▲                     │
//!    │  └── it came back ── mitigated (nobody is called while the objective is met)
//!    └─ a silence holds ─▶ quiet ── it ends ─▶ calling
//! ```
//!
//! # What always holds
//! - A [`State`] is a fold over the incident's [`Turn`]s: the journal gives it back after a restart.
//!   A call whose answer isn't in the journal is made again; the other side knows it by its key.
//! - A step is due at its own time, however the steps before it fare: a channel that hangs delays
//!   nobody. A step that was late (silence, restart, recovery in between) moves those after it, so
//!   that they don't all ring at once.
//! - A call that failed is made through the contact's next channel at once; when it has no further
//!   channel, the next step is called early.
//! - Somebody who has it stops all calls, at once, until the acknowledgement expires.
//! - A severity that rises asks the policies again; another policy begins with its first step. One
//!   that falls calls nobody.
//!
//! # What is deliberately absent
//! - Sending and writing: the caller carries out what [`State::next`] says, and tells the state
//!   what it did with [`State::take`] before it asks again.

use std::collections::BTreeMap;

use weir_model::{Severity, Wall};

use super::announce::Wants;
use super::policy::{Paging, Policy, Step, Who};
use super::silence::{Silence, quieting};
use crate::incident::Incident;
use crate::incident::called::Turn;
use crate::incident::words;

/// Something to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Send a page through this channel, and write down that somebody is called.
    Call {
        /// Which step, from one.
        step: u32,
        /// Whom.
        to: String,
        /// By which channel.
        channel: String,
        /// Why now.
        says: String,
    },
    /// Write down that this step calls nobody.
    Pass {
        /// Which step, from one.
        step: u32,
        /// Whom it would have called.
        to: String,
        /// Why not.
        says: String,
    },
    /// Write down that nobody has it any more.
    Expire {
        /// Whose acknowledgement, and since when.
        says: String,
    },
    /// Write down that a silence keeps it quiet.
    Silenced {
        /// Its words.
        says: String,
    },
}

impl Do {
    /// The turn that the journal will hold once this is done.
    pub fn turn(&self) -> Turn {
        match self {
            Self::Call {
                step, to, channel, ..
            } => Turn::Called {
                step: *step,
                to: to.clone(),
                channel: channel.clone(),
            },
            Self::Pass { step, .. } => Turn::Passed { step: *step },
            Self::Expire { .. } => Turn::AckExpired,
            Self::Silenced { says } => Turn::Silenced { says: says.clone() },
        }
    }
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// This, now.
    Do(Do),
    /// Nothing until then; `None`: until something happens.
    Wait {
        /// When to ask again.
        until: Option<Wall>,
        /// Why, in words.
        says: String,
        /// Whom the next step will call, if it comes to it.
        upcoming: Option<Upcoming>,
    },
}

/// The step that is due next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// From one.
    pub step: u32,
    /// Whom.
    pub to: String,
    /// When.
    pub at: Wall,
}

/// One call of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    channel: String,
    /// `None`: no answer yet.
    ok: Option<bool>,
}

/// What became of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct StepLog {
    /// When it was passed over.
    passed: Option<Wall>,
    to: String,
    calls: Vec<Call>,
}

impl StepLog {
    fn has_failed(&self) -> bool {
        self.passed.is_none() && self.calls.iter().all(|call| call.ok == Some(false))
    }
}

/// Where an incident's escalation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    severity: Severity,
    /// Index into [`Paging::policies`].
    policy: Option<usize>,
    /// Steps are due after this.
    base: Wall,
    /// But not before this.
    not_before: Wall,
    /// The next step, from zero through all rounds.
    next: u32,
    steps: BTreeMap<u32, StepLog>,
    acknowledged: Option<(Wall, String)>,
    mitigated: bool,
    over: bool,
    silenced: Vec<String>,
}

impl State {
    /// Where the journal says it stands.
    pub fn of(incident: &Incident, paging: &Paging) -> Self {
        let opened = incident.clocks().detected_at;
        let severity = incident.called.severity_at_first();
        let mut state = Self {
            severity,
            policy: paging.policy_for(incident, severity),
            base: opened,
            not_before: opened,
            next: 0,
            steps: BTreeMap::new(),
            acknowledged: None,
            mitigated: false,
            over: false,
            silenced: Vec::new(),
        };
        for (at, turn) in incident.called.turns() {
            state.take(*at, turn, incident, paging);
        }
        // Whether a call without an answer went out nobody knows; it is made again.
        for step in state.steps.values_mut() {
            step.calls.retain(|call| call.ok.is_some());
        }
        state
    }

    /// Takes what happened.
    pub fn take(&mut self, at: Wall, turn: &Turn, incident: &Incident, paging: &Paging) {
        match turn {
            Turn::Severity(severity) => {
                let policy = paging.policy_for(incident, *severity);
                if policy != self.policy && *severity < self.severity {
                    self.begin(at);
                }
                self.policy = policy;
                self.severity = *severity;
            }
            Turn::Acknowledged { by } => self.acknowledged = Some((at, by.clone())),
            Turn::AckExpired => {
                self.acknowledged = None;
                match self
                    .policy(paging)
                    .and_then(|policy| policy.step(self.next))
                {
                    // Whoever comes next is due now.
                    Some((_, offset)) => {
                        self.base = at.before(offset);
                        self.not_before = at;
                    }
                    // All had been called: from the first again.
                    None => self.begin(at),
                }
            }
            Turn::Called { step, to, channel } => {
                let number = step.saturating_sub(1);
                self.goes_on_from(number, at, paging);
                let log = self.steps.entry(number).or_default();
                log.passed = None;
                log.to.clone_from(to);
                log.calls.push(Call {
                    channel: channel.clone(),
                    ok: None,
                });
            }
            Turn::Passed { step } => {
                let number = step.saturating_sub(1);
                self.goes_on_from(number, at, paging);
                self.steps.entry(number).or_default().passed = Some(at);
            }
            Turn::Answered { step, channel, ok } => {
                let log = self.steps.get_mut(&step.saturating_sub(1));
                let call = log.and_then(|log| {
                    log.calls
                        .iter_mut()
                        .rev()
                        .find(|call| call.channel == *channel)
                });
                if let Some(call) = call {
                    call.ok = Some(*ok);
                }
            }
            Turn::Mitigated => self.mitigated = true,
            Turn::Resolved => self.over = true,
            Turn::Reopened => {
                if self.over {
                    // Whoever had it took it for done.
                    self.acknowledged = None;
                    self.begin(at);
                }
                self.over = false;
                self.mitigated = false;
                self.not_before = at;
            }
            Turn::Silenced { says } => self.silenced.push(says.clone()),
        }
    }

    fn begin(&mut self, at: Wall) {
        self.base = at;
        self.not_before = at;
        self.next = 0;
        self.steps.clear();
    }

    fn policy<'p>(&self, paging: &'p Paging) -> Option<&'p Policy> {
        paging.policies.get(self.policy?)
    }

    /// A step was taken; one that was late takes those after it along.
    fn goes_on_from(&mut self, number: u32, at: Wall, paging: &Paging) {
        if number < self.next {
            return;
        }
        self.next = number + 1;
        if let Some((_, offset)) = self.policy(paging).and_then(|policy| policy.step(number)) {
            self.base = self.base.max(at.before(offset));
        }
    }

    /// Who has it, and since when.
    pub fn acknowledged(&self) -> Option<(Wall, &str)> {
        self.acknowledged
            .as_ref()
            .map(|(at, by)| (*at, by.as_str()))
    }

    /// What comes next.
    pub fn next(
        &self,
        incident: &Incident,
        paging: &Paging,
        silences: &[Silence],
        wants: &[Wants],
        now: Wall,
    ) -> Next {
        if let Some(into) = incident.merged_into {
            return wait(None, format!("{into} speaks for it"));
        }
        if !incident.status.is_ongoing() {
            return wait(None, "it is over".to_owned());
        }
        let Some(policy) = self.policy(paging) else {
            let says = match paging.policies.is_empty() {
                true => "no [[escalation]] is configured".to_owned(),
                false => "no [[escalation]] is meant for it".to_owned(),
            };
            return wait(None, says);
        };
        if let Some((since, by)) = &self.acknowledged {
            return held(policy, *since, by, now);
        }
        if self.mitigated {
            return wait(
                None,
                "the objective is met again; nobody is called unless it comes back".to_owned(),
            );
        }
        let all = paging.maintenance.iter().chain(silences);
        if let Some(silence) = quieting(all, incident, now) {
            let says = silence.says();
            if !self.silenced.contains(&says) {
                return Next::Do(Do::Silenced { says });
            }
            return wait(Some(silence.until), says);
        }
        if let Some(call) = self.elsewhere(policy, paging, wants, now) {
            return Next::Do(call);
        }
        let (call, later) = self.put_off(policy, paging, wants, now);
        if let Some(call) = call {
            return Next::Do(call);
        }
        let sooner = |until: Option<Wall>| match (until, later) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let Some((step, offset)) = policy.step(self.next) else {
            let says = format!(
                "all {} calls of {} were made; nobody has it",
                policy.calls(),
                policy.name
            );
            return wait(sooner(None), says);
        };
        let failed = self
            .next
            .checked_sub(1)
            .and_then(|last| self.steps.get(&last));
        let early = failed.is_some_and(StepLog::has_failed);
        let due = self.base.after(offset).max(self.not_before);
        if now < due && !early {
            return Next::Wait {
                until: sooner(Some(due)),
                says: format!("nobody has it; {} is called next", step.to),
                upcoming: Some(Upcoming {
                    step: self.next + 1,
                    to: step.to.clone(),
                    at: due,
                }),
            };
        }
        let why = match (early, self.next) {
            (true, _) => "the step before reached nobody".to_owned(),
            (false, 0) => format!("first step of {}", policy.name),
            (false, _) => {
                let since = now.since(self.base);
                format!("nobody has acknowledged for {}", words::duration(since))
            }
        };
        self.call(self.next, step, &why, &[], paging, wants, now)
    }

    /// A step whose calls all failed, through a channel that wasn't tried.
    fn elsewhere(
        &self,
        policy: &Policy,
        paging: &Paging,
        wants: &[Wants],
        now: Wall,
    ) -> Option<Do> {
        for (number, log) in self.steps.iter().filter(|(_, log)| log.has_failed()) {
            let (step, _) = policy.step(*number)?;
            let tried: Vec<&str> = log.calls.iter().map(|call| call.channel.as_str()).collect();
            let why = match tried.last() {
                Some(last) => format!("{last} didn't take it"),
                None => "Weir was restarted before an answer came".to_owned(),
            };
            let next = self.call(*number, step, &why, &tried, paging, wants, now);
            if let Next::Do(call @ Do::Call { .. }) = next {
                return Some(call);
            }
        }
        None
    }

    /// A step that was put off until working hours and is due now; or when the first will be.
    fn put_off(
        &self,
        policy: &Policy,
        paging: &Paging,
        wants: &[Wants],
        now: Wall,
    ) -> (Option<Do>, Option<Wall>) {
        let mut first = None;
        for (number, log) in &self.steps {
            let (Some(passed), Some((step, _))) = (log.passed, policy.step(*number)) else {
                continue;
            };
            let Who::Later(at) = paging.who(step, passed) else {
                continue;
            };
            if now < at {
                first = Some(first.map_or(at, |first: Wall| first.min(at)));
                continue;
            }
            let why = "working hours have begun";
            if let Next::Do(call @ Do::Call { .. }) =
                self.call(*number, step, why, &[], paging, wants, now)
            {
                return (Some(call), None);
            }
        }
        (None, first)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one decision out of everything that is known"
    )]
    fn call(
        &self,
        number: u32,
        step: &Step,
        why: &str,
        tried: &[&str],
        paging: &Paging,
        wants: &[Wants],
        now: Wall,
    ) -> Next {
        let pass = |says: String| {
            Next::Do(Do::Pass {
                step: number + 1,
                to: step.to.clone(),
                says,
            })
        };
        match paging.who(step, now) {
            Who::Nobody(says) => pass(says),
            Who::Later(at) => pass(format!("put off until {}", words::rfc3339(at))),
            Who::Call {
                to,
                channels,
                instead,
            } => {
                let takes = |channel: &&String| {
                    !tried.contains(&channel.as_str())
                        && wants
                            .iter()
                            .any(|w| w.channel == **channel && w.severity(self.severity))
                };
                match channels.iter().find(takes) {
                    Some(channel) => Next::Do(Do::Call {
                        step: number + 1,
                        to,
                        channel: channel.clone(),
                        says: match instead {
                            Some(instead) => format!("{why}; {instead}"),
                            None => why.to_owned(),
                        },
                    }),
                    None => pass(format!(
                        "no channel of {to} takes {}: {}",
                        self.severity,
                        channels.join(", ")
                    )),
                }
            }
        }
    }
}

fn held(policy: &Policy, since: Wall, by: &str, now: Wall) -> Next {
    let Some(holds) = policy.ack_expires else {
        return wait(None, format!("{by} has it"));
    };
    let until = since.after(holds);
    if now >= until {
        let says = format!(
            "{by} acknowledged {} ago and it isn't over; nobody counts as having it",
            words::duration(now.since(since))
        );
        return Next::Do(Do::Expire { says });
    }
    wait(
        Some(until),
        format!("{by} has it until {}", words::rfc3339(until)),
    )
}

fn wait(until: Option<Wall>, says: String) -> Next {
    Next::Wait {
        until,
        says,
        upcoming: None,
    }
}
