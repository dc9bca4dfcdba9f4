//! Reads incident reports that anybody wrote: *what does this report say, and what does it lack?*
//!
//! | step | where |
//! |---|---|
//! | a text with places | [`source`] |
//! | Markdown or HTML into a neutral tree | [`tree`] |
//! | dates, clocks, durations, quantities in running text | [`words`] |
//! | sections, timeline, actions, impact, cause: what it says | [`facts`] |
//! | what it lacks: IR01 to IR42 | [`rules`] |
//! | off-switches, safe fixes | [`switches`], [`fix`] |
//! | text, JSON, SARIF; one rule explained | [`render`] |
//! | how well the rules agree with people who labelled reports | [`score`] |
//!
//! # What always holds
//! - Any text is read to its end without a panic; every list has a bound.
//! - Rules are pure functions of the text: no clock, no network, no file but those that are given.
//! - A rule recognises a thing by what it says, not by the name that Weir's own reports give it.
//!
//! # What is deliberately absent
//! - Weir's telemetry: what a rule needs it for (`W`) is judged from the text as far as that goes.
//! - Opinions on the incident: whether a cause is the right one is asked, never said.

pub mod facts;
pub mod finding;
pub mod fix;
pub mod render;
pub mod rules;
pub mod score;
pub mod source;
pub mod switches;
pub mod tree;
pub mod words;

use std::collections::BTreeSet;

pub use facts::{Doc, Facts};
pub use finding::{Edit, Finding, Fix, Severity};
pub use rules::{Profile, RULES, Rule};
pub use source::{Place, ReadError, Source};

/// What is asked of a report.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which rules, and how strictly.
    pub profile: Profile,
    /// Rules that are not asked, by id.
    pub off: BTreeSet<String>,
}

impl Options {
    /// A profile with every rule of it.
    pub fn profile(profile: Profile) -> Self {
        Self {
            profile,
            off: BTreeSet::new(),
        }
    }

    /// Switches rules off: `IR15,IR20`. The fault names the nearest rule.
    pub fn switch_off(&mut self, ids: &str) -> Result<(), String> {
        for id in ids.split(',').map(str::trim).filter(|id| !id.is_empty()) {
            let rule = rules::rule(id).ok_or_else(|| switches::unknown(id))?;
            self.off.insert(rule.id.to_owned());
        }
        Ok(())
    }
}

/// What was found in one report.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// In the order of the text.
    pub findings: Vec<Finding>,
    /// How many were switched off in the text or by the options.
    pub silenced: usize,
}

impl Outcome {
    /// How many of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|f| f.severity == severity)
            .count()
    }

    /// The rules that are said to be broken; open questions left out.
    pub fn broken(&self) -> BTreeSet<&'static str> {
        self.findings
            .iter()
            .filter(|f| f.asserts)
            .map(|f| f.rule)
            .collect()
    }
}

/// Reads, understands and judges a report.
pub fn lint(source: &Source, options: &Options) -> Outcome {
    let doc = Doc::read(source);
    let facts = Facts::of(&doc);
    let switches = switches::Switches::read(source, &doc.tree);
    let all = rules::run(&doc, &facts, options.profile);
    let before = all.len();
    let mut findings: Vec<Finding> = all
        .into_iter()
        .filter(|finding| !options.off.contains(finding.rule) && !switches.silence(finding))
        .collect();
    let silenced = before - findings.len();
    findings.extend(switches.faults);
    findings.sort_by(|a, b| (a.place, a.rule).cmp(&(b.place, b.rule)));
    Outcome { findings, silenced }
}

/// What a report says.
pub fn facts(source: &Source) -> Facts {
    Facts::of(&Doc::read(source))
}

/// Applies safe fixes until none is left (a fix may uncover the next); at most a few rounds.
pub fn fixed(source: &Source, options: &Options) -> fix::Fixed {
    let mut now = source.clone();
    let mut applied = 0;
    for _ in 0..5 {
        let once = fix::apply(&now, &lint(&now, options).findings);
        if once.applied == 0 {
            break;
        }
        applied += once.applied;
        match Source::new(now.name.clone(), once.text) {
            Ok(next) => now = next,
            // Grown beyond the largest that is read: what fitted stands.
            Err(_) => break,
        }
    }
    fix::Fixed {
        text: now.text,
        applied,
    }
}
