//! The parts of a report, recognised by what their headings say in the usual styles: five-part,
//! SRE book, PagerDuty, correction of error, free form.

use std::sync::LazyLock;

use regex::Regex;

/// What a section is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Part {
    /// What happened, for a reader in a hurry.
    Summary,
    /// Who was hurt, and how much.
    Impact,
    /// What happened when.
    Timeline,
    /// Why.
    Cause,
    /// What set it off.
    Trigger,
    /// What else made it possible or worse.
    Factors,
    /// What was suspected and ruled out.
    FalseLeads,
    /// How it was noticed.
    Detection,
    /// What was done, by whom.
    Response,
    /// How the effect was removed.
    Resolution,
    /// How it was known to be over.
    Recovery,
    /// What will be done.
    Actions,
    /// What was learnt.
    Lessons,
    /// … well.
    WentWell,
    /// … wrong.
    WentWrong,
    /// … by luck.
    Lucky,
    /// What stands behind the claims.
    Evidence,
    /// What is still open.
    Questions,
    /// How the system works.
    Background,
    /// Explained words.
    Glossary,
    /// Who, when, which severity.
    Metadata,
    /// What was told to users.
    Communication,
}

/// A set of [`Part`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts(u32);

impl Parts {
    /// With one more.
    #[must_use]
    pub fn with(self, part: Part) -> Self {
        Self(self.0 | 1 << part as u8)
    }

    /// Whether it holds a part.
    pub fn is(self, part: Part) -> bool {
        self.0 & (1 << part as u8) != 0
    }

    /// Whether it holds any of some.
    pub fn any(self, parts: &[Part]) -> bool {
        parts.iter().any(|part| self.is(*part))
    }

    /// Whether it holds none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The numbers of the five parts that it touches, as bits.
    fn fifths(self) -> u32 {
        let mut out = 0;
        for (n, group) in FIVE.iter().enumerate() {
            if self.any(group) {
                out |= 1 << n;
            }
        }
        out
    }

    /// Whether it begins one of the five parts that `other` doesn't touch.
    pub(crate) fn starts_another_than(self, other: Parts) -> bool {
        self.fifths() != 0 && self.fifths() & other.fifths() == 0
    }
}

/// The five parts, as the sections that may carry them.
pub(crate) const FIVE: [&[Part]; 5] = [
    &[Part::Summary, Part::Impact],
    &[Part::Timeline],
    &[Part::Cause, Part::Trigger, Part::Factors, Part::FalseLeads],
    &[Part::Resolution, Part::Recovery, Part::Response],
    &[
        Part::Actions,
        Part::Lessons,
        Part::WentWell,
        Part::WentWrong,
        Part::Lucky,
    ],
];

/// In order: the first that matches a piece of a title names it, and takes its words away.
static NAMES: LazyLock<Vec<(Part, Regex)>> = LazyLock::new(|| {
    let table: &[(Part, &str)] = &[
        (
            Part::Lucky,
            r"\b(?:got|were|was|being) lucky\b|\blucky\b|\bluck\b|good fortune",
        ),
        (
            Part::WentWell,
            r"went (?:well|right)|what worked(?: well)?\b|\bpositives\b|\bgood things\b|^successes$|\bdid well\b|\bwent as planned\b|^(?:the )?good$",
        ),
        (
            Part::WentWrong,
            r"went (?:wrong|poorly|badly|less well)|(?:did ?n[o']t|did not) (?:go|work)(?: so)?(?: well)?\b|could have gone better|could be better|\bnegatives\b|went not so well|needs improvement|where we struggled|^(?:the )?(?:bad|ugly)$|\bto do better\b|\bcan (?:we )?(?:do|be) better\b|\bto improve\b|hindered|slowed us",
        ),
        (
            Part::FalseLeads,
            r"false leads?|ruled out|red herrings?|what it was not|wrong turns?|dead[ -]ends?|misleading|hypothes[ei]s|blind alleys?|suspects",
        ),
        (
            Part::Actions,
            r"action (?:items?|plan|points?|list|register)|\bactions?\b(?: taken to prevent)?|\bfollow[- ]?ups?\b|remediation|next steps|prevent(?:at)?ive|prevention|\bpreventing\b|corrective|\bto[- ]?dos?\b|what (?:we|we're|we are|is|will) .*\b(?:doing|do|done|change|changing|changed|happens? next)\b|corrections?\b|what (?:happens|comes) next|what changes\b|how (?:do|will|can) we (?:prevent|stop|avoid)|work items|improvements|planned (?:work|changes|fixes)|\bmeasures\b|keep(?:ing)? (?:it|this) from happening|\bfuture work\b|making sure|\bcommitments\b|long[- ]term fix",
        ),
        (
            Part::Lessons,
            r"lessons?|learnings?|\blearned\b|\blearnt\b|retrospective|reflections?|takeaways?|looking back|good, bad|how(?:'d| did) we do|how we did|what we (?:take|took) (?:from|away)",
        ),
        (
            Part::Trigger,
            r"\btriggers?\b|set (?:it|this) off|what started it|proximate cause",
        ),
        (
            Part::Factors,
            r"contribut(?:ing|ory|ors?)\b(?: factors?| causes?)?|\bfactors\b|conditions that|what made it (?:worse|possible)|aggravat|underlying (?:conditions|issues)",
        ),
        (
            Part::Cause,
            r"root[- ]?causes?(?: analysis)?|\brca\b|\bcauses?\b|\bcausal\b|\b(?:five|5)[- ]whys?\b|^why (?:it|this|did|things|we|the)\b|what lay behind|what it was$|behind it$|why it came|\banalysis\b|\bwhy\?|^why$|what (?:caused|broke|failed|was (?:wrong|behind))|\bfault\b|diagnosis|technical (?:details?|explanation)|what (?:actually |really )?(?:was )?(?:went|going) on underneath|\bmechanism\b|explanation",
        ),
        (
            Part::Timeline,
            r"time-?line|chronology|sequence of events|\bevents?\b(?: log)?|\bhour by hour\b|minute by minute|\bplay[- ]by[- ]play\b|incident log|^log$|blow by blow|how it unfolded|\bthe (?:day|night|afternoon|morning|evening)\b|\bhow (?:the|it) .* went\b|what happened when|course of events|\bhistory\b",
        ),
        (
            Part::Impact,
            r"\bin numbers\b|what (?:you|users|customers|people|readers) (?:may |might )?(?:have )?(?:noticed|saw|felt)|what we saw|who noticed what",
        ),
        (
            Part::Detection,
            r"detect(?:ion|ed)|how (?:we|was it) (?:found|notice|noticed|knew|know|learned)|how .*\bnoticed\b|how (?:did )?we (?:find|notice|found) (?:it|out)|\bdiscovery\b|\bdiscovered\b|\bnoticed\b",
        ),
        (
            Part::Recovery,
            r"recover(?:y|ed|ing)|restor(?:ation|ed|ing)|verification of|back to normal|how we know it is over|all[- ]clear",
        ),
        (
            Part::Resolution,
            r"resolution|resolv(?:ed|ing)|mitigat(?:ion|ions|ed|ing)|\bfix(?:ed|es|ing)?\b|\bremedy\b|how (?:we|it was) (?:fixed|solved|stopped|ended)|\brepair(?:s|ed)?\b|workaround|\bsolution\b|what we did|countermeasure|containment|how it ended|stopping the bleeding|(?:got|get|getting|came) out of (?:it|this|there)|what (?:ended|stopped|helped|solved)|put(?:ting)? (?:it|things) right|how (?:it|this|we) (?:was |were )?(?:over|solved|ended|stopped|recovered|restored|resolved|repaired)|undoing|turning it around|end of the incident|immediate (?:steps|response)",
        ),
        (
            Part::Response,
            r"\bresponse\b|incident handling|\bhandling\b|what was done|troubleshooting|investigation|how we responded|\bdiagnosing\b",
        ),
        (
            Part::Communication,
            r"communicat|status[- ]page|notification|messaging|stakeholder",
        ),
        (
            Part::Impact,
            r"\bimpact(?:ed|s)?\b|who was (?:affected|hurt)|\beffects?\b|\baffected\b|blast radius|\bscope\b|\bdamage\b|\bconsequences\b|\bsymptoms?\b|customer experience|user experience|what users saw|what (?:customers|people) (?:saw|experienced)|\bcost\b|what it cost",
        ),
        (
            Part::Glossary,
            r"glossary|definitions|terminology|abbreviations|acronyms",
        ),
        (
            Part::Evidence,
            r"evidence|appendix|attachments|graphs|dashboards|supporting (?:data|information|material)|\bdata\b|\breferences?\b|\blinks\b|\bmetrics\b|\bsources\b",
        ),
        (
            Part::Questions,
            r"open questions|\bquestions\b|unknowns|still (?:open|unknown)",
        ),
        (
            Part::Background,
            r"background|\bcontext\b|how .* works?\b|architecture|system overview|introduction|\babout (?:this|the) (?:system|service)|normal operation",
        ),
        (
            Part::Metadata,
            r"metadata|\bdetails\b|participants|responders|people involved|incident (?:facts|information|data|record|card)|at a glance$|\bparticulars\b|roles|\bheader\b|sign-?off|review(?:ers)?$",
        ),
        (
            Part::Summary,
            r"summary|overview|abstract|synopsis|tl;?dr|in brief|in short|what happened|executive|the incident|incident description|description|problem statement|\bproblem\b|\bissue\b|the short version|\bbriefly\b|conclusion|in (?:one|a) (?:paragraph|nutshell)|headline|at a glance",
        ),
    ];
    table
        .iter()
        .map(|(part, pattern)| (*part, Regex::new(pattern).expect("a fixed pattern")))
        .collect()
});

/// Which parts a heading names. Nothing, where it names none that we know.
pub fn classify(title: &str) -> Parts {
    let title = normal(title);
    if title.is_empty() || title.len() > 100 {
        return Parts::default();
    }
    // "Root cause: pool exhausted" is about the cause, whatever stands behind the colon.
    let named = title.split(": ").next().unwrap_or_default();
    let direct = pieces(named);
    if direct.is_empty() {
        pieces(&title)
    } else {
        direct
    }
}

fn pieces(title: &str) -> Parts {
    let mut parts = Parts::default();
    for piece in SPLIT.split(title) {
        let piece = piece.trim();
        for (part, pattern) in NAMES.iter() {
            if pattern.is_match(piece) {
                parts = parts.with(*part);
                break;
            }
        }
    }
    parts
}

static SPLIT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r" and | & | \+ |/|, | – | — ").expect("a fixed pattern"));

/// Lower case, without numbering, marks and the colon at the end.
fn normal(title: &str) -> String {
    static LEAD: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(?:part |section |step )?(?:\d+(?:\.\d+)*|[ivx]+|[a-h])[.):]\s*|^(?:part|section) \w+[:.–—-]?\s*")
            .expect("a fixed pattern")
    });
    let lower = title.trim().to_lowercase().replace('’', "'");
    let lower = lower.trim_start_matches(|c: char| !c.is_alphanumeric());
    let bare = LEAD.replace(lower, "");
    bare.trim_start_matches(|c: char| !c.is_alphanumeric())
        .trim_end_matches(|c: char| c == ':' || c == '.' || c.is_whitespace())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_of_the_usual_styles_are_recognised() {
        let named = [
            ("## not stripped", None),
            ("1. Issue summary", Some(Part::Summary)),
            ("Issue Summary:", Some(Part::Summary)),
            ("What happened", Some(Part::Summary)),
            ("Customer impact", Some(Part::Impact)),
            ("Timeline (UTC)", Some(Part::Timeline)),
            ("Chronology", Some(Part::Timeline)),
            ("5 Whys", Some(Part::Cause)),
            (
                "Root Cause: Database Connection Pool Exhaustion",
                Some(Part::Cause),
            ),
            ("Why it happened", Some(Part::Cause)),
            ("Remediation items", Some(Part::Actions)),
            ("Follow-ups", Some(Part::Actions)),
            ("Corrective and Preventative Measures", Some(Part::Actions)),
            ("What we will change", Some(Part::Actions)),
            ("How do we prevent it", Some(Part::Actions)),
            ("Learnings", Some(Part::Lessons)),
            ("What went well", Some(Part::WentWell)),
            ("What went wrong", Some(Part::WentWrong)),
            ("Where we got lucky", Some(Part::Lucky)),
            ("What didn't go so well", Some(Part::WentWrong)),
            ("Mitigation", Some(Part::Resolution)),
            ("How we fixed it", Some(Part::Resolution)),
            ("Response", Some(Part::Response)),
            ("Contributing factors", Some(Part::Factors)),
            ("TL;DR", Some(Part::Summary)),
        ];
        for (title, part) in named {
            let parts = classify(title);
            match part {
                Some(part) => assert!(parts.is(part), "{title}: {parts:?}"),
                None => assert!(parts.is_empty(), "{title}: {parts:?}"),
            }
        }
        let both = classify("Root Cause and Resolution:");
        assert!(both.is(Part::Cause) && both.is(Part::Resolution));
        let both = classify("Resolution and recovery");
        assert!(both.is(Part::Recovery) && both.is(Part::Resolution));
    }
}
