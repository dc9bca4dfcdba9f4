//! The small words that entries are made of: roles, clocks, topics, kinds of notes, actions.
//!
//! # What always holds
//! - A word is stored under the name that every surface shows; [`std::str::FromStr`] reads the
//!   same name and answers a wrong one with the list of right ones.

use serde::{Deserialize, Serialize};

/// An enum of names without data: stored, shown and read under one name each.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $enum:ident, $noun:literal {
            $( $(#[$doc:meta])* $variant:ident = $name:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $enum {
            $( $(#[$doc])* #[serde(rename = $name)] $variant, )+
        }

        impl $enum {
            /// All of them, in order of meaning.
            pub const ALL: &'static [$enum] = &[$( $enum::$variant, )+];

            /// The name that every surface uses.
            pub fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }
        }

        impl std::fmt::Display for $enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $enum {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let wanted = text.trim().to_ascii_lowercase().replace('-', "_");
                Self::ALL
                    .iter()
                    .copied()
                    .find(|word| word.name() == wanted)
                    .ok_or_else(|| {
                        let known: Vec<&str> = Self::ALL.iter().map(|word| word.name()).collect();
                        format!("`{text}` is no {}; known are {}", $noun, known.join(", "))
                    })
            }
        }
    };
}

words! {
    /// What somebody is there for while an incident goes on.
    Role, "role" {
        /// Decides, and knows who does what.
        Lead = "lead",
        /// Tells everybody else.
        Communications = "communications",
        /// Writes down.
        Scribe = "scribe",
    }
}

words! {
    /// One of the six clocks.
    ClockName, "clock" {
        /// First transaction delayed or failed beyond the objective.
        ImpactStarted = "impact_started",
        /// Somebody, or Weir, was sure.
        Detected = "detected",
        /// The final cause was named first.
        CauseNamed = "cause_named",
        /// Somebody took it.
        Acknowledged = "acknowledged",
        /// The impact was gone.
        Mitigated = "mitigated",
        /// Over.
        Resolved = "resolved",
    }
}

words! {
    /// What a note tells of, where it isn't a mere remark: rows of declared and imported
    /// incidents, markers of deploys.
    NoteKind, "kind of note" {
        /// Users began to be hurt.
        Impact = "impact",
        /// Somebody saw it.
        Detected = "detected",
        /// Somebody took it.
        Ack = "ack",
        /// The next one was called.
        Escalated = "escalated",
        /// The cause was named.
        Identified = "identified",
        /// The impact was gone.
        Mitigated = "mitigated",
        /// Over.
        Resolved = "resolved",
        /// Stakeholders were told.
        Update = "update",
        /// A deploy, a change of configuration, a campaign.
        Marker = "marker",
        /// Something was done.
        Action = "action",
    }
}

words! {
    /// What a person states for the report where nothing measured it.
    Topic, "topic" {
        /// The story in a few sentences.
        Summary = "summary",
        /// Who was hurt, and how.
        Impact = "impact",
        /// Whether data was lost.
        DataLost = "data_lost",
        /// What kept working.
        StillWorked = "still_worked",
        /// What set it off.
        Trigger = "trigger",
        /// Why it could happen.
        RootCause = "root_cause",
        /// What made it possible or worse.
        Factor = "factor",
        /// How the cause was found.
        HowIdentified = "how_identified",
        /// What it was taken for and wasn't.
        FalseLead = "false_lead",
        /// Why nobody saw it coming.
        WhySurprised = "why_surprised",
        /// What ended the impact.
        Mitigation = "mitigation",
        /// What removes the cause.
        Fix = "fix",
        /// How it is known to be over.
        Recovery = "recovery",
        /// What went well.
        WentWell = "went_well",
        /// What went wrong.
        WentWrong = "went_wrong",
        /// Where there was luck.
        Lucky = "lucky",
        /// When the right team was engaged, and which it was.
        RightTeam = "right_team",
    }
}

words! {
    /// How far an action is.
    ActionStatus, "status of an action" {
        /// To do.
        Open = "open",
        /// Done, says its owner.
        Done = "done",
        /// Done, and its verification held.
        Verified = "verified",
        /// Declined, with a reason.
        Wontdo = "wontdo",
    }
}

impl ActionStatus {
    /// True while somebody still has something to do. A done action waits for its verification
    /// only, which doesn't keep an incident from being closed.
    pub fn is_open(self) -> bool {
        self == Self::Open
    }
}

words! {
    /// What an action is for.
    ActionType, "type of action" {
        /// So that it doesn't happen again.
        Prevent = "prevent",
        /// So that it is seen sooner.
        Detect = "detect",
        /// So that it hurts less.
        Mitigate = "mitigate",
        /// So that people are better prepared.
        Process = "process",
    }
}

words! {
    /// Whether an outside alert goes on.
    AlertStatus, "status of an alert" {
        /// It goes on.
        Firing = "firing",
        /// It is over.
        Resolved = "resolved",
    }
}

/// An action as it was written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionText {
    /// `A7`; never given twice in one incident.
    pub id: String,
    /// Imperative, bounded.
    pub says: String,
    /// "cause", "F1, F2"; empty where nobody said.
    #[serde(default)]
    pub for_what: String,
    /// What for.
    pub kind: ActionType,
    /// A person or a team.
    #[serde(default)]
    pub owner: Option<String>,
    /// `2026-12-01`.
    #[serde(default)]
    pub due: Option<String>,
    /// `p1` to `p4`.
    pub priority: String,
    /// Where it is followed: a link.
    #[serde(default)]
    pub tracker: Option<String>,
    /// A metric query or a drill; empty where nobody said.
    #[serde(default)]
    pub verify: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored_as_shown<T: Serialize + Copy + std::fmt::Display>(all: &[T]) {
        for word in all {
            assert_eq!(
                serde_json::to_value(word).unwrap(),
                serde_json::json!(word.to_string())
            );
        }
    }

    #[test]
    fn a_word_is_stored_under_the_name_that_is_shown() {
        stored_as_shown(Role::ALL);
        stored_as_shown(ClockName::ALL);
        stored_as_shown(NoteKind::ALL);
        stored_as_shown(Topic::ALL);
        stored_as_shown(ActionStatus::ALL);
        stored_as_shown(ActionType::ALL);
        stored_as_shown(AlertStatus::ALL);
    }

    #[test]
    fn a_wrong_word_is_answered_with_the_right_ones() {
        assert_eq!("Data-Lost".parse(), Ok(Topic::DataLost));
        assert_eq!(
            "boss".parse::<Role>().unwrap_err(),
            "`boss` is no role; known are lead, communications, scribe"
        );
    }
}
