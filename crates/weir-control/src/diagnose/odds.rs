//! Log-odds of a cause, and what it says for and against itself.

use std::collections::BTreeMap;

use weir_model::{Cause, CauseFinding, Evidence, Remedy, RuledOut};

/// No single number weighs more than this, either way.
const CLIP: f64 = 3.0;
/// What a share of one is worth.
const SHARE: f64 = 3.0;
/// Above one it takes confidence back: discriminators lean on each other.
pub(super) const TEMPERATURE: f64 = 1.3;

/// `logit(prior) + b · share + Σ clip(LLR, ±3)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Odds(f64);

impl Odds {
    pub(super) fn prior(p: f64) -> Self {
        Self((p / (1.0 - p)).ln())
    }

    pub(super) fn share(self, share: f64) -> Self {
        Self(self.0 + SHARE * share.clamp(0.0, 1.0))
    }

    pub(super) fn weigh(self, llr: f64) -> Self {
        Self(self.0 + llr.clamp(-CLIP, CLIP))
    }

    pub(super) fn weigh_if(self, condition: bool, llr: f64) -> Self {
        if condition { self.weigh(llr) } else { self }
    }

    pub(super) fn value(self) -> f64 {
        self.0
    }
}

/// A line from `(x0, y0)` to `(x1, y1)`, level outside: a threshold that doesn't flap.
pub(super) fn ramp(x: f64, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> f64 {
    let t = ((x - x0) / (x1 - x0)).clamp(0.0, 1.0);
    y0 + t * (y1 - y0)
}

/// A remedy in the making.
pub(super) fn advise(says: impl Into<String>) -> Remedy {
    Remedy {
        says: says.into(),
        order: None,
        undo: None,
        safe_to_automate: false,
    }
}

/// What one cause says.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub cause: Cause,
    pub odds: Odds,
    pub share: f64,
    pub object: BTreeMap<String, String>,
    pub says: String,
    pub evidence: Vec<Evidence>,
    pub remedy: Remedy,
    /// Why it isn't this one, by a number that was measured.
    pub against: Option<(String, Evidence)>,
    /// What wasn't measured, so that it can't be ruled out.
    pub unmeasured: Option<String>,
}

impl Judged {
    pub(super) fn finding(self, confidence: f64) -> CauseFinding {
        CauseFinding {
            cause: self.cause,
            confidence,
            share: self.share.clamp(0.0, 1.0),
            object: self.object,
            says: self.says,
            evidence: self.evidence,
            remedy: self.remedy,
        }
    }

    pub(super) fn ruled_out(self) -> Option<RuledOut> {
        self.against.map(|(says, evidence)| RuledOut {
            cause: self.cause,
            says,
            evidence: vec![evidence],
        })
    }
}

/// A map of names for [`CauseFinding::object`].
pub(super) fn object<const N: usize>(of: [(&str, String); N]) -> BTreeMap<String, String> {
    of.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
