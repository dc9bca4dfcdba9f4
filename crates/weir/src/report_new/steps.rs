//! What is asked, in order: the five parts, one question at a time.

use weir_control::incident::entry::{NoteKind, Topic};

/// What an answer becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// Service and symptom.
    Title,
    /// sev1 to sev4.
    Severity,
    /// When the impact began: date, clock, zone.
    Start,
    /// When it was over; open: not yet.
    End,
    /// When it was noticed, and by what.
    Detected,
    /// A row that stops a clock: time and words.
    Row(NoteKind),
    /// Any other row; asked until there are no more.
    Rows,
    /// A statement.
    Stated(Topic),
    /// The same, asked until there are no more.
    Several(Topic),
    /// What will be done; asked until there are no more, each with the four questions behind it.
    Action,
    /// Of the action just given.
    Owner,
    /// Of the action just given.
    Due,
    /// Of the action just given.
    Type,
    /// Of the action just given.
    Verify,
}

impl Means {
    /// Asked again until nothing more is said.
    pub(crate) fn repeats(self) -> bool {
        matches!(self, Self::Rows | Self::Several(_) | Self::Action)
    }
}

/// One question.
#[derive(Debug)]
pub(crate) struct Step {
    /// The name under which a draft keeps its answer.
    pub(crate) key: &'static str,
    /// Which of the five parts.
    pub(crate) part: &'static str,
    /// The question.
    pub(crate) asks: &'static str,
    /// The rule that gives the reason, and checks the answer.
    pub(crate) rule: &'static str,
    /// A good answer.
    pub(crate) example: &'static str,
    /// What becomes of it.
    pub(crate) means: Means,
}

const fn step(
    key: &'static str,
    part: &'static str,
    asks: &'static str,
    rule: &'static str,
    example: &'static str,
    means: Means,
) -> Step {
    Step {
        key,
        part,
        asks,
        rule,
        example,
        means,
    }
}

const P1: &str = "1. Issue summary";
const P2: &str = "2. Timeline";
const P3: &str = "3. Root cause";
const P4: &str = "4. Resolution and recovery";
const P5: &str = "5. Corrective and preventative measures";

/// All of them.
pub(crate) const STEPS: &[Step] = &[
    step(
        "title",
        P1,
        "Which service, and what was wrong with it?",
        "IR01",
        "Checkout: payments fail at the last step",
        Means::Title,
    ),
    step(
        "severity",
        P1,
        "How severe was it: sev1 (everything down), sev2 (many hurt), sev3 (some), sev4 (nobody yet)?",
        "IR02",
        "sev2",
        Means::Severity,
    ),
    step(
        "start",
        P1,
        "When did the impact start: date, time and zone? Measured, not the first complaint.",
        "IR04",
        "2026-03-04 11:02:10 UTC",
        Means::Start,
    ),
    step(
        "end",
        P1,
        "When was it over? (skip, if it goes on)",
        "IR04",
        "12:47:30",
        Means::End,
    ),
    step(
        "impact",
        P1,
        "Who was hurt: how many of how many, and what did they see?",
        "IR07",
        "702 of 2,006 users (35 %) saw errors, from the access log; p99 rose from 0.4 s to 3.1 s",
        Means::Several(Topic::Impact),
    ),
    step(
        "data_lost",
        P1,
        "Was data lost, corrupted or exposed?",
        "IR09",
        "No data was lost: failed requests had not begun",
        Means::Stated(Topic::DataLost),
    ),
    step(
        "still_worked",
        P1,
        "What kept working?",
        "IR09",
        "Sign-in and billing were not affected",
        Means::Stated(Topic::StillWorked),
    ),
    step(
        "summary",
        P1,
        "Tell it in at most 120 words, to somebody who reads nothing else.",
        "IR10",
        "For 105 min 35 % of users could not pay, because … It ended when …",
        Means::Stated(Topic::Summary),
    ),
    step(
        "detected",
        P2,
        "When was it noticed, and by what: an alert, a customer, an engineer?",
        "IR18",
        "11:07:00 alert `checkout_errors > 2 %` fires",
        Means::Detected,
    ),
    step(
        "ack",
        P2,
        "When did somebody take it, and who (role, not name)?",
        "IR13",
        "11:09:00 on-call engineer acknowledges the page",
        Means::Row(NoteKind::Ack),
    ),
    step(
        "escalated",
        P2,
        "When was the right team brought in, and which?",
        "IR13",
        "11:20:00 database team joins the channel",
        Means::Row(NoteKind::Escalated),
    ),
    step(
        "identified",
        P2,
        "When was the cause found, and by which query, graph or number?",
        "IR13",
        "11:31:00 cause identified: 20 of 20 connections held by one job (SHOW POOLS)",
        Means::Row(NoteKind::Identified),
    ),
    step(
        "mitigated",
        P2,
        "When was the impact gone, and by what deed?",
        "IR13",
        "12:30:00 job stopped, errors below 0.1 % (Grafana)",
        Means::Row(NoteKind::Mitigated),
    ),
    step(
        "resolved",
        P2,
        "Which row says that it was over: the value that was seen, and how long it held?",
        "IR31",
        "12:47:30 error rate below 0.1 % for 15 min, resolved",
        Means::Row(NoteKind::Resolved),
    ),
    step(
        "rows",
        P2,
        "What else happened? A time and words, one row an answer; what came before the impact too.",
        "IR14",
        "10:58:00 release 4.2 deployed (deploy log)",
        Means::Rows,
    ),
    step(
        "trigger",
        P3,
        "What set it off: why on this day?",
        "IR23",
        "Release 4.2 was deployed at 10:58 UTC",
        Means::Stated(Topic::Trigger),
    ),
    step(
        "cause",
        P3,
        "What was the cause? Not the symptom: why could it happen?",
        "IR22",
        "The nightly job takes one connection a customer; since January there are 24 customers and 20 connections",
        Means::Stated(Topic::RootCause),
    ),
    step(
        "factors",
        P3,
        "What made it possible or worse? One factor an answer, at least two.",
        "IR23",
        "Nothing compared the pool's size with its need",
        Means::Several(Topic::Factor),
    ),
    step(
        "how",
        P3,
        "How was the cause found: which query, graph or number?",
        "IR24",
        "SHOW POOLS: cl_waiting 141, sv_active 20 of 20, all of job `export`",
        Means::Stated(Topic::HowIdentified),
    ),
    step(
        "false_leads",
        P3,
        "What was it taken for and wasn't? With the minutes it took and the number that ruled it out.",
        "IR19",
        "The cache was suspected for 22 min; its hit rate had stayed at 97 %",
        Means::Several(Topic::FalseLead),
    ),
    step(
        "surprise",
        P3,
        "Why were you surprised: why did monitoring, tests or review not catch it?",
        "IR26",
        "No alert stands on the pool; the test has one customer",
        Means::Stated(Topic::WhySurprised),
    ),
    step(
        "mitigation",
        P4,
        "What ended the impact: from what to what?",
        "IR30",
        "Stopped the job at 12:30; connections in use fell from 20 to 7",
        Means::Stated(Topic::Mitigation),
    ),
    step(
        "fix",
        P4,
        "What removes the cause for good? (an action of part 5, or done already)",
        "IR31",
        "The job takes one connection for all customers (A1)",
        Means::Stated(Topic::Fix),
    ),
    step(
        "recovery",
        P4,
        "By which metric and threshold is it known to be over, and how long was it watched?",
        "IR31",
        "Error rate, threshold 0.1 %: 0.04 % for 15 min",
        Means::Stated(Topic::Recovery),
    ),
    step(
        "action",
        P5,
        "What will be done? One bounded deed, beginning with its verb.",
        "IR34",
        "Limit the job to 4 connections",
        Means::Action,
    ),
    step(
        "owner",
        P5,
        "Who owns it: a person or a team?",
        "IR32",
        "data platform team",
        Means::Owner,
    ),
    step("due", P5, "By when?", "IR33", "2026-03-18", Means::Due),
    step(
        "type",
        P5,
        "What is it for: prevent, detect, mitigate or process?",
        "IR36",
        "prevent",
        Means::Type,
    ),
    step(
        "verify",
        P5,
        "How is it known to work: a query with a number, or a drill?",
        "IR36",
        "drill: 30 customers, connections of the job <= 4",
        Means::Verify,
    ),
    step(
        "well",
        P5,
        "What went well?",
        "IR27",
        "The alert fired 5 min after the first error",
        Means::Several(Topic::WentWell),
    ),
    step(
        "wrong",
        P5,
        "What went wrong?",
        "IR27",
        "22 min went into the cache (A2)",
        Means::Several(Topic::WentWrong),
    ),
    step(
        "lucky",
        P5,
        "Where was there luck?",
        "IR27",
        "It was not the day of the monthly run",
        Means::Several(Topic::Lucky),
    ),
];
