//! `weir incident …`, as people and scripts type it.

use clap::{Args, Subcommand};
use weir_control::incident::entry::{ActionType, ClockName, NoteKind, Role, Topic};
use weir_model::{HumanDuration, Level, Severity};

use super::Source;
use crate::journal::{ExportArgs, ImportArgs, VerifyArgs};
use crate::when::When;

#[derive(Debug, Subcommand)]
pub(crate) enum IncidentCommand {
    /// All incidents, newest first.
    List {
        #[command(flatten)]
        source: Source,
        /// Only those that are open, acknowledged, mitigated, resolved, reviewed, closed; several
        /// with commas.
        #[arg(long)]
        status: Option<String>,
    },
    /// One incident: clocks, impact, causes, people, actions, timeline.
    Show {
        /// INC-7
        id: String,
        #[command(flatten)]
        source: Source,
    },
    /// Declare an incident that Weir did not see. People end it.
    Declare(Box<DeclareArgs>),
    /// Say that somebody has it.
    Ack(SayArgs),
    /// Write something into its timeline.
    Note {
        #[command(flatten)]
        say: SayArgs,
        /// When it happened, if not now: 14:05, "2026-11-23 14:05", 10min-ago. UTC.
        #[arg(long, value_name = "TIME")]
        at: Option<When>,
        /// What it tells of: marker (a deploy), action, impact, detected, ack, escalated, identified,
        /// mitigated, resolved, update.
        #[arg(long)]
        kind: Option<NoteKind>,
    },
    /// Give somebody a role: lead, communications, scribe.
    Assign {
        /// INC-7
        id: String,
        /// lead, communications, scribe
        role: Role,
        /// Who gets it.
        to: String,
        /// Words.
        text: Vec<String>,
        #[command(flatten)]
        who: Who,
    },
    /// Tell stakeholders: who is hurt, what is being done, when they hear more.
    Update {
        /// INC-7
        id: String,
        /// What is being done.
        #[arg(value_name = "DOING", required = true)]
        doing: Vec<String>,
        /// Who is hurt, and how [default: the measured numbers]
        #[arg(long, value_name = "TEXT")]
        impact: Option<String>,
        /// When they hear more: 30min.
        #[arg(
            long,
            value_name = "IN",
            required_unless_present = "last",
            conflicts_with = "last"
        )]
        next: Option<HumanDuration>,
        /// This is the last update.
        #[arg(long)]
        last: bool,
        #[command(flatten)]
        who: Who,
    },
    /// The impact is gone.
    Mitigate(EndArgs),
    /// It is over.
    Resolve(EndArgs),
    /// Somebody who did not take part went over the report.
    Review {
        #[command(flatten)]
        say: SayArgs,
        /// Also by somebody who took part; TEXT says why.
        #[arg(long)]
        anyway: bool,
    },
    /// Nothing is left to do.
    Close {
        #[command(flatten)]
        say: SayArgs,
        /// Decline all actions that are still open; TEXT says why.
        #[arg(long, conflicts_with = "force")]
        wontdo: bool,
        /// Close it with actions still open; TEXT says why.
        #[arg(long)]
        force: bool,
    },
    /// It wasn't over, or there is more to do.
    Reopen(SayArgs),
    /// It is the same as another one, which speaks for both from now on.
    Merge {
        /// The duplicate: INC-7
        id: String,
        /// The survivor: INC-3
        into: String,
        /// Why.
        text: Vec<String>,
        #[command(flatten)]
        who: Who,
    },
    /// They were two after all: takes a duplicate out of its survivor.
    Unmerge(SayArgs),
    /// Set a clock right; who, when and why stay visible.
    Correct {
        /// INC-7
        id: String,
        /// impact_started, detected, cause_named, acknowledged, mitigated, resolved
        clock: ClockName,
        /// 14:05, "2026-11-23 14:05", 10min-ago (UTC), or never.
        #[arg(value_name = "TIME|never", value_parser = crate::when::or_never)]
        to: OrNever,
        /// Why.
        #[arg(required = true)]
        text: Vec<String>,
        #[command(flatten)]
        who: Who,
    },
    /// State something for the report that nothing measured.
    State {
        /// INC-7
        id: String,
        /// summary, impact, data_lost, still_worked, trigger, root_cause, factor, how_identified,
        /// false_lead, why_surprised, mitigation, fix, recovery, went_well, went_wrong, lucky,
        /// right_team
        topic: Topic,
        /// What.
        #[arg(required = true)]
        text: Vec<String>,
        /// When that was, where it has a time.
        #[arg(long, value_name = "TIME")]
        at: Option<When>,
        #[command(flatten)]
        who: Who,
    },
    /// Answer an open question of the report.
    Answer {
        /// INC-7
        id: String,
        /// Its number, as `weir incident show` lists it.
        question: usize,
        /// The answer.
        #[arg(required = true)]
        text: Vec<String>,
        #[command(flatten)]
        who: Who,
    },
    /// Actions: list, add, adopt, change, done, wontdo, reopen, verify.
    #[command(subcommand)]
    Action(ActionCommand),
    /// How long things took, as distributions: count, median, p90, worst.
    Clocks {
        /// Incidents whose impact began this long ago, or later.
        #[arg(long, value_name = "AGO", default_value = "90d")]
        since: HumanDuration,
        /// Drills too.
        #[arg(long)]
        drills: bool,
        #[command(flatten)]
        source: Source,
    },
    /// Prove that the journal is as it was written; say what isn't.
    Verify(VerifyArgs),
    /// Write an incident's journal as a document, to keep or to import elsewhere.
    Export(ExportArgs),
    /// Take in a journal that was exported.
    Import(ImportArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ActionCommand {
    /// All actions of an incident, proposed ones too.
    List {
        /// INC-7
        id: String,
        #[command(flatten)]
        source: Source,
    },
    /// Write a new one down.
    Add {
        /// INC-7
        id: String,
        /// What: imperative, bounded.
        #[arg(required = true)]
        says: Vec<String>,
        /// prevent, detect, mitigate, process
        #[arg(long = "type", value_name = "TYPE")]
        kind: ActionType,
        /// What it answers: cause, F1.
        #[arg(long = "for", value_name = "WHAT", default_value = "")]
        for_what: String,
        #[command(flatten)]
        details: DetailArgs,
        #[command(flatten)]
        who: Who,
    },
    /// Take up proposed actions; without ids: all.
    Adopt {
        /// INC-7
        id: String,
        /// A1 A3
        ids: Vec<String>,
        #[command(flatten)]
        who: Who,
    },
    /// Set owner, due date, priority, tracker or verification.
    Change {
        /// INC-7
        id: String,
        /// A1
        action: String,
        /// Why.
        text: Vec<String>,
        #[command(flatten)]
        details: DetailArgs,
        #[command(flatten)]
        who: Who,
    },
    /// It is done; with a metric query, Weir verifies it from now on.
    Done(ActionArgs),
    /// It is declined, with a reason.
    Wontdo(ActionArgs),
    /// It is to do again, with a reason.
    Reopen(ActionArgs),
    /// Somebody looked whether it does what it is for.
    Verify {
        #[command(flatten)]
        action: ActionArgs,
        /// It does.
        #[arg(long, required_unless_present = "failed", conflicts_with = "failed")]
        ok: bool,
        /// It doesn't: the action is open again.
        #[arg(long)]
        failed: bool,
    },
}

/// `weir incident declare`.
#[derive(Debug, Args)]
pub(crate) struct DeclareArgs {
    /// What is wrong, in a few words.
    #[arg(required = true)]
    pub(crate) title: Vec<String>,
    /// sev1 (worst) to sev4
    #[arg(long, default_value = "sev3")]
    pub(crate) severity: Severity,
    /// Which service, where that is more than a pool's name.
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// Since when users are hurt: 14:05, "2026-11-23 14:05", 10min-ago. UTC. [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<When>,
    /// When it was noticed [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) noticed: Option<When>,
    /// exhausted, saturated, starved, stalled, down, degraded, leak: if that is known.
    #[arg(long)]
    pub(crate) level: Option<Level>,
    /// database/user: its numbers are taken from now on.
    #[arg(long)]
    pub(crate) pool: Option<String>,
    /// Another system's alert noticed it, not a person.
    #[arg(long)]
    pub(crate) by_alert: bool,
    /// More words: the first note.
    #[arg(long, default_value = "")]
    pub(crate) text: String,
    #[command(flatten)]
    pub(crate) who: Who,
}

/// A time, or none.
#[derive(Clone, Debug)]
pub(crate) enum OrNever {
    /// It happened then.
    At(When),
    /// It never happened.
    Never,
}

/// Who says it, and where.
#[derive(Debug, Args)]
pub(crate) struct Who {
    /// Who says it [default: your login name]
    #[arg(long)]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) source: Source,
}

/// A word about an incident.
#[derive(Debug, Args)]
pub(crate) struct SayArgs {
    /// INC-7
    pub(crate) id: String,
    /// The words.
    #[arg(value_name = "TEXT")]
    pub(crate) text: Vec<String>,
    #[command(flatten)]
    pub(crate) who: Who,
}

/// The end of something, now or earlier.
#[derive(Debug, Args)]
pub(crate) struct EndArgs {
    #[command(flatten)]
    pub(crate) say: SayArgs,
    /// Since when, if not since now: 14:05, "2026-11-23 14:05", 10min-ago. UTC.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<When>,
}

/// A word about an action.
#[derive(Debug, Args)]
pub(crate) struct ActionArgs {
    /// INC-7
    pub(crate) id: String,
    /// A1
    pub(crate) action: String,
    /// The words.
    #[arg(value_name = "TEXT")]
    pub(crate) text: Vec<String>,
    #[command(flatten)]
    pub(crate) who: Who,
}

/// What can be set of an action.
#[derive(Debug, Args)]
pub(crate) struct DetailArgs {
    /// A person or a team.
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// 2026-12-01
    #[arg(long, value_name = "DATE")]
    pub(crate) due: Option<String>,
    /// p1 to p4
    #[arg(long)]
    pub(crate) priority: Option<String>,
    /// Where it is followed: a link.
    #[arg(long, value_name = "URL")]
    pub(crate) tracker: Option<String>,
    /// "metric: pool app/web wait_s.p99 < 10ms for 5min", "drill: NAME expectation", or what a
    /// person looks at.
    #[arg(long)]
    pub(crate) verify: Option<String>,
}
