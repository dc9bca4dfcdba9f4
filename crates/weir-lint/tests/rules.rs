//! Each rule on one report that keeps them all, and on the same report with one thing changed: it
//! fires where the thing is wrong, also in other words, and is silent where it is only written
//! differently.

use weir_lint::{Options, Profile, Source, lint};

const KEPT: &str = include_str!("fixtures/kept.md");

/// The rules that say they are broken.
fn broken(text: &str) -> Vec<&'static str> {
    let source = Source::new("x.md", text).expect("as the fixture has it");
    lint(&source, &Options::profile(Profile::Google))
        .broken()
        .into_iter()
        .collect()
}

/// The report with some passages replaced; each must stand in it.
fn with(changes: &[(&str, &str)]) -> String {
    let mut text = KEPT.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the fixture has no {from:?}");
        text = text.replace(from, to);
    }
    text
}

#[test]
fn the_report_that_keeps_all_rules_is_clean() {
    assert_eq!(broken(KEPT), Vec::<&str>::new());
    let strict = lint(
        &Source::new("x.md", KEPT).expect("as the fixture has it"),
        &Options::profile(Profile::Strict),
    );
    let errors: Vec<_> = strict
        .findings
        .iter()
        .filter(|f| f.severity == weir_lint::Severity::Error)
        .map(|f| (f.rule, f.message.clone()))
        .collect();
    assert!(
        errors.iter().all(|(rule, _)| *rule == "IR03"),
        "strict wants other headings, nothing else: {errors:?}"
    );
}

/// What is changed, and the rule that must fire because of it.
const FIRES: &[(&str, &[(&str, &str)])] = &[
    (
        "IR01",
        &[(
            "# Gift cards: balance lookups failing, 2025-09-18",
            "# Incident review, September 2025",
        )],
    ),
    (
        "IR01",
        &[(
            "# Gift cards: balance lookups failing, 2025-09-18",
            "# RCA 204",
        )],
    ),
    (
        "IR01",
        &[(
            "# Gift cards: balance lookups failing, 2025-09-18",
            "# Gift cards",
        )],
    ),
    ("IR02", &[("severity: sev2\n", "")]),
    ("IR02", &[("status: reviewed\n", "")]),
    ("IR02", &[("authors: [gift card team]\n", "authors: TBD\n")]),
    (
        "IR03",
        &[
            ("## Root cause", "## Notes"),
            ("**Trigger.** ", ""),
            ("**Cause.** ", ""),
            ("**Contributing factors.**\n\n", ""),
        ],
    ),
    (
        "IR03",
        &[
            ("## Actions", "## Odds and ends"),
            (
                "| id | Action | For | Type | Owner | Due | Verify |\n|---|---|---|---|---|---|---|",
                "| a | b | c | d | e | f | g |\n|---|---|---|---|---|---|---|",
            ),
        ],
    ),
    (
        "IR03",
        &[(
            "Stopping the job gave them back.",
            "TODO: say how it ended.",
        )],
    ),
    (
        "IR03",
        &[("Stopping the job gave them back.", "[insert what ended it]")],
    ),
    (
        "IR03",
        &[(
            "## Resolution and recovery",
            "## Root cause analysis\n\nIt was the job.\n\n## Resolution and recovery",
        )],
    ),
    ("IR04", &[("09:13:20 UTC", "09:13:20 PST")]),
    (
        "IR04",
        &[
            ("| End | 2025-09-18 10:41:05 UTC |\n", ""),
            ("Still below 0.1 % after 25 minutes: resolved", "Coffee"),
            (": mitigated", ""),
        ],
    ),
    ("IR05", &[("| Duration | 1 h 28 min |\n", "")]),
    ("IR05", &[("1 h 28 min", "2 h 28 min")]),
    ("IR05", &[("1 h 28 min", "about three hours")]),
    (
        "IR06",
        &[(
            "| Duration | 1 h 28 min |",
            "| Duration | 1 h 28 min (20 min in office hours) |",
        )],
    ),
    (
        "IR07",
        &[(
            "1,930 of 12,400 who looked up a balance (15.6 %), from the gateway log",
            "about 16 % of shoppers",
        )],
    ),
    (
        "IR07",
        &[
            (
                "Balance lookups failed",
                "Balance lookups failed for one in six; 15 percent of customers called in",
            ),
            (
                "1,930 of 12,400 who looked up a balance (15.6 %), from the gateway log",
                "many",
            ),
        ],
    ),
    ("IR08", &[("| Lookups failed | 5,210 of 40,300 |\n", "")]),
    (
        "IR09",
        &[("| Data lost | none: a lookup only reads |\n", "")],
    ),
    (
        "IR11",
        &[
            (
                "Stopping the job gave them back.",
                "Stopping the job gave them back. In all 20 % of shoppers were affected.",
            ),
            (
                "1,930 of 12,400 who looked up a balance (15.6 %), from the gateway log",
                "15.6 % of shoppers (1,930 of 12,400) were affected",
            ),
        ],
    ),
    ("IR11", &[("(15.6 %)", "(25.6 %)")]),
    ("IR12", &[("| 10:14:50 | Job", "| 09:14:50 | Job")]),
    ("IR12", &[("| 09:37:15 | A slow", "| | A slow")]),
    (
        "IR12",
        &[("| 09:37:15 | A slow", "| 2024-09-18 09:37:15 | A slow")],
    ),
    (
        "IR13",
        &[("| 09:22:08 | On-call engineer acknowledges | pager |\n", "")],
    ),
    (
        "IR13",
        &[(
            "| 09:58:30 | Cause identified: the job holds 36 of 40 connections | SHOW POOLS |\n",
            "",
        )],
    ),
    (
        "IR14",
        &[("09:37:15", "09:23:15"), ("| 09:58:30 |", "| 10:05:30 |")],
    ),
    (
        "IR15",
        &[
            ("09:12:02", "09:00"),
            ("09:13:20", "09:15"),
            ("09:19:41", "09:15"),
            ("09:22:08", "09:30"),
            ("09:37:15", "09:45"),
            ("09:58:30", "10:00"),
            ("10:14:50", "10:15"),
            ("10:16:10", "10:30"),
            ("10:41:05", "10:45"),
        ],
    ),
    (
        "IR16",
        &[
            (" | scheduler log |", " |"),
            (" | gateway log |", " |"),
            (" | pager |", " |"),
            (" | ping panel |", " |"),
            (" | SHOW POOLS |", " |"),
            (
                "| Time | What | Source |\n|---|---|---|",
                "| Time | What |\n|---|---|",
            ),
        ],
    ),
    (
        "IR17",
        &[
            (
                "| 09:13:20 | First lookup times out: impact starts | gateway log |\n",
                "",
            ),
            (
                "Alert `lookup_errors` fires: detected",
                "Shoppers complain to the help desk: detected",
            ),
            (
                "| Start | 2025-09-18 09:13:20 UTC |",
                "| Start | 2025-09-18 09:19:41 UTC |",
            ),
        ],
    ),
    (
        "IR18",
        &[
            (
                "Alert `lookup_errors` fires: detected | pager |",
                "The problem is detected | chat |",
            ),
            ("acknowledges | pager |", "acknowledges | chat |"),
        ],
    ),
    (
        "IR18",
        &[
            (
                "Alert `lookup_errors` fires: detected",
                "Shoppers complain to support: detected",
            ),
            (
                "| A3 | Alert when connections in use exceed 90 % of a pool for 1 min | late alert | detect | platform team | 2025-09-30 | drill pages within 2 min |\n",
                "",
            ),
        ],
    ),
    (
        "IR19",
        &[(
            "A slow network suspected; ruled out, round trips take 0.4 ms as always",
            "We follow a wrong lead",
        )],
    ),
    (
        "IR19",
        &[(
            "A slow network suspected; ruled out, round trips take 0.4 ms as always",
            "The team first assumed that the network was slow",
        )],
    ),
    (
        "IR20",
        &[(
            "Lookups at that hour need 11, and 4 were left.",
            "Lookups at that hour need 11, and 4 were left. The team should have known that.",
        )],
    ),
    (
        "IR20",
        &[(
            "Lookups at that hour need 11, and 4 were left.",
            "Lookups at that hour need 11, and 4 were left. Had we read the schedule, nothing would have happened.",
        )],
    ),
    (
        "IR20",
        &[(
            "Lookups at that hour need 11, and 4 were left.",
            "Lookups at that hour need 11, and 4 were left, obviously too few.",
        )],
    ),
    (
        "IR21",
        &[(
            "was moved from 03:00 to 09:12 on 17 September.",
            "was moved from 03:00 to 09:12 by Karen, who forgot the lookups.",
        )],
    ),
    (
        "IR21",
        &[(
            "was moved from 03:00 to 09:12 on 17 September.",
            "was moved to 09:12. It was operator error.",
        )],
    ),
    (
        "IR21",
        &[(
            "was moved from 03:00 to 09:12 on 17 September.",
            "was moved to 09:12. @jm forgot to tell the team.",
        )],
    ),
    (
        "IR22",
        &[
            (
                "**Trigger.** The monthly reconciliation job was moved from 03:00 to 09:12 on 17 September.\n\n",
                "",
            ),
            (
                "The job opens 36 connections of the pool of 40 and keeps them for its whole run. Lookups at that hour need 11, and 4 were left.",
                "The connection pool was exhausted.",
            ),
            (
                "- F1: The job and the lookups share one pool.\n- F2: The job has no limit on its connections.\n",
                "- F1: High load.\n- F2: The server was overloaded.\n",
            ),
            (
                "Why we did not see it coming: the load test runs without scheduled jobs, and no alert looks at connections in use.",
                "",
            ),
        ],
    ),
    (
        "IR23",
        &[
            (
                "**Trigger.** The monthly reconciliation job was moved from 03:00 to 09:12 on 17 September.\n\n",
                "",
            ),
            ("Reconciliation job starts (trigger)", "Day begins"),
        ],
    ),
    (
        "IR23",
        &[(
            "**Contributing factors.**\n\n- F1: The job and the lookups share one pool.\n- F2: The job has no limit on its connections.\n",
            "",
        )],
    ),
    (
        "IR24",
        &[
            (
                "The job opens 36 connections of the pool of 40 and keeps them for its whole run. Lookups at that hour need 11, and 4 were left.",
                "The job takes most connections.",
            ),
            (
                "Cause identified: the job holds 36 of 40 connections | SHOW POOLS |",
                "Cause identified: the job | |",
            ),
            ("was moved from 03:00 to 09:12 on 17 September", "was moved"),
        ],
    ),
    (
        "IR25",
        &[
            (
                "In use: 12 of 40 before, 40 of 40 during, 12 of 40 after.",
                "The pool was increased.",
            ),
            (
                "The job opens 36 connections of the pool of 40 and keeps them for its whole run. Lookups at that hour need 11, and 4 were left.",
                "The job takes most connections of the pool, and the pool was exhausted.",
            ),
            (
                "the job holds 36 of 40 connections",
                "the job holds most connections",
            ),
            ("Job stopped: mitigated", "Pool increased: mitigated"),
        ],
    ),
    (
        "IR26",
        &[(
            "Why we did not see it coming: the load test runs without scheduled jobs, and no alert looks at connections in use.",
            "",
        )],
    ),
    (
        "IR27",
        &[(
            "- **Went wrong:** the alert came six minutes after the onset (A3).\n- **Lucky:** gift cards sell little in September.\n",
            "",
        )],
    ),
    (
        "IR28",
        &[(
            "Limit the connections of scheduled jobs to 6 | F2 | mitigate | platform team | 2025-10-03 | a seventh connection is refused",
            "Remind everybody to ask before a job is moved | F2 | process | platform team | 2025-10-03 | |",
        )],
    ),
    (
        "IR28",
        &[
            (
                "Limit the connections of scheduled jobs to 6",
                "Train the team on scheduled jobs",
            ),
            ("a seventh connection is refused", "attendance list"),
        ],
    ),
    (
        "IR29",
        &[(
            "Balance lookups failed because",
            "There was an outage of balance lookups because",
        )],
    ),
    (
        "IR30",
        &[(
            "The job was stopped at 10:14:50.",
            "The job was stopped at 10:14:50. Then the gateway was rebooted.",
        )],
    ),
    (
        "IR30",
        &[(
            "The job was stopped at 10:14:50.",
            "The job was stopped at 10:14:50. We also purged the lookup cache.",
        )],
    ),
    (
        "IR31",
        &[
            (
                "Recovery was judged by failed lookups: below 0.1 % from 10:16:10, watched for 25 minutes.",
                "Lookups were fine again.",
            ),
            (
                "| 10:16:10 | Failed lookups below 0.1 % | gateway log |\n",
                "",
            ),
            (
                "Still below 0.1 % after 25 minutes: resolved",
                "All good: resolved",
            ),
        ],
    ),
    (
        "IR32",
        &[(
            "prevent | gift card team | 2025-09-26",
            "prevent | | 2025-09-26",
        )],
    ),
    (
        "IR32",
        &[(
            "prevent | gift card team | 2025-09-26",
            "prevent | to be assigned | 2025-09-26",
        )],
    ),
    ("IR33", &[("| 2025-09-26 |", "| soon |")]),
    ("IR33", &[("| 2025-09-26 |", "| 2024-09-26 |")]),
    (
        "IR34",
        &[(
            "| A2 | Limit the connections of scheduled jobs to 6 | F2 | mitigate | platform team | 2025-10-03 | a seventh connection is refused |",
            "| A2 | Evaluate limits for scheduled jobs | F2 | mitigate | platform team | 2025-10-03 | |",
        )],
    ),
    (
        "IR34",
        &[(
            "| A2 | Limit the connections of scheduled jobs to 6 | F2 | mitigate | platform team | 2025-10-03 | a seventh connection is refused |",
            "| A2 | Make sure that jobs behave | F2 | mitigate | platform team | 2025-10-03 | |",
        )],
    ),
    (
        "IR35",
        &[(
            "- F2: The job has no limit on its connections.\n",
            "- F2: The job has no limit on its connections.\n- F3: The schedule is not visible to the lookup team.\n",
        )],
    ),
    (
        "IR36",
        &[
            (
                "| A1 | Give the job a pool of its own with 6 connections | F1 | prevent |",
                "| A1 | Give the job a pool of its own with 6 connections | F1 | detect |",
            ),
            ("F2 | mitigate |", "F2 | detect |"),
        ],
    ),
    (
        "IR37",
        &[(
            "Limit the connections of scheduled jobs to 6",
            "Run more replicas of the lookup application so that it gets more connections",
        )],
    ),
    (
        "IR38",
        &[
            (
                "| A1 | Give the job a pool of its own with 6 connections | F1 | prevent | gift card team | 2025-09-26 | a run at 09:00 fails no lookup |\n",
                "",
            ),
            (
                "| A2 | Limit the connections of scheduled jobs to 6 | F2 | mitigate | platform team | 2025-10-03 | a seventh connection is refused |\n",
                "",
            ),
            (
                "| A3 | Alert when connections in use exceed 90 % of a pool for 1 min | late alert | detect | platform team | 2025-09-30 | drill pages within 2 min |\n",
                "",
            ),
        ],
    ),
    (
        "IR39",
        &[("published: 2025-09-22", "published: 2025-10-20")],
    ),
    (
        "IR39",
        &[
            (
                "reviewed_by: head of storefront (not a responder)",
                "reviewed_by: gift card lead",
            ),
            ("authors: [gift card team]", "authors: [gift card lead]"),
        ],
    ),
    (
        "IR40",
        &[(
            "Stopping the job gave them back.",
            "Stopping the job gave them back. It is the third time this year.",
        )],
    ),
    (
        "IR40",
        &[(
            "Stopping the job gave them back.",
            "Stopping the job gave them back. A similar incident happened in spring.",
        )],
    ),
    (
        "IR41",
        &[(
            "Stopping the job gave them back.",
            "Stopping the job gave them back; the KPI, the RTO and the LRU were not met.",
        )],
    ),
    (
        "IR42",
        &[(
            "Stopping the job gave them back.",
            "Thankfully stopping the job gave them back.",
        )],
    ),
    (
        "IR42",
        &[(
            "Stopping the job gave them back.",
            "Stopping the job gave them back!",
        )],
    ),
];

/// What is only written differently, and the rule that must stay silent.
const SILENT: &[(&str, &[(&str, &str)])] = &[
    (
        "IR01",
        &[(
            "# Gift cards: balance lookups failing, 2025-09-18",
            "# Shoppers could not see gift card balances for 88 minutes",
        )],
    ),
    (
        "IR02",
        &[
            ("severity: sev2\n", "priority: P2\n"),
            ("authors: [gift card team]", "prepared_by: Mina Sato"),
        ],
    ),
    (
        "IR03",
        &[
            ("## Issue summary", "## Overview"),
            ("## Timeline", "## Sequence of events"),
            ("## Root cause", "## Why it happened"),
            ("## Resolution and recovery", "## Mitigation"),
            ("## Actions", "## Follow-ups"),
        ],
    ),
    (
        "IR03",
        &[
            ("## Issue summary", "**Summary**"),
            ("## Timeline", "**Chronology**"),
            ("## Root cause", "**5 Whys**"),
            ("## Resolution and recovery", "**How it was fixed**"),
            ("## Actions", "**Next steps**"),
        ],
    ),
    (
        "IR04",
        &[
            (
                "2025-09-18 09:13:20 UTC",
                "18 Sep 2025, 11:13:20 CEST (09:13:20 UTC)",
            ),
            (
                "2025-09-18 10:41:05 UTC",
                "18 Sep 2025, 12:41:05 CEST (10:41:05 UTC)",
            ),
        ],
    ),
    (
        "IR04",
        &[
            ("2025-09-18 09:13:20 UTC", "2025-09-18T12:13:20+03:00"),
            ("2025-09-18 10:41:05 UTC", "2025-09-18T13:41:05+03:00"),
        ],
    ),
    ("IR05", &[("1 h 28 min", "88 minutes")]),
    (
        "IR05",
        &[
            ("| Duration | 1 h 28 min |\n", ""),
            (
                "Balance lookups failed because",
                "For about an hour and a half balance lookups failed because",
            ),
        ],
    ),
    (
        "IR06",
        &[(
            "| Duration | 1 h 28 min |",
            "| Duration | 1 h 28 min (20 min in office hours, which are 09:00 to 09:33 UTC) |",
        )],
    ),
    (
        "IR07",
        &[(
            "1,930 of 12,400 who looked up a balance (15.6 %), from the gateway log",
            "15.6 % of the 12,400 shoppers who looked up a balance, from the gateway log",
        )],
    ),
    (
        "IR09",
        &[(
            "| Data lost | none: a lookup only reads |",
            "| Data | nothing was lost or changed |",
        )],
    ),
    (
        "IR09",
        &[(
            "| Data lost | none: a lookup only reads |",
            "| Integrity | no records were corrupted |",
        )],
    ),
    ("IR12", &[("09:12:02 |", "2025-09-18 09:12:02 |")]),
    (
        "IR13",
        &[("On-call engineer acknowledges", "Dana picks up the page")],
    ),
    (
        "IR14",
        &[
            ("09:37:15", "09:23:15"),
            ("| 09:58:30 |", "| 10:05:30 |"),
            (
                "## Root cause",
                "Between 09:23 and 10:05 we waited for access to the pooler's console.\n\n## Root cause",
            ),
        ],
    ),
    (
        "IR16",
        &[("| Time | What | Source |", "| Time | What | Link |")],
    ),
    (
        "IR18",
        &[(
            "Alert `lookup_errors` fires: detected",
            "A shopper calls the help desk: detected",
        )],
    ),
    (
        "IR19",
        &[(
            "A slow network suspected; ruled out, round trips take 0.4 ms as always",
            "We thought of the network first, but round trips were unchanged at 0.4 ms",
        )],
    ),
    (
        "IR20",
        &[
            (
                "- **Went wrong:** the alert",
                "- **Went wrong:** we should have had a limit; the alert",
            ),
            (
                "Lookups at that hour need 11, and 4 were left.",
                "Lookups at that hour need 11, and 4 were left; requests failed to connect.",
            ),
        ],
    ),
    (
        "IR21",
        &[(
            "On-call engineer acknowledges",
            "Alice (on-call) acknowledged, Bob rolled the job back",
        )],
    ),
    (
        "IR22",
        &[(
            "The job opens 36 connections of the pool of 40 and keeps them for its whole run. Lookups at that hour need 11, and 4 were left.",
            "The pool was exhausted because the job, which was moved to office hours, keeps 36 of its 40 connections for the whole run.",
        )],
    ),
    (
        "IR28",
        &[(
            "Limit the connections of scheduled jobs to 6 | F2 | mitigate | platform team | 2025-10-03 | a seventh connection is refused",
            "Train responders in a drill with a stopped job | F2 | process | platform team | 2025-10-03 | the drill ends within 10 min",
        )],
    ),
    (
        "IR29",
        &[(
            "Balance lookups failed because",
            "Not an outage: balance lookups failed in part because",
        )],
    ),
    (
        "IR30",
        &[(
            "The job was stopped at 10:14:50.",
            "The reconciliation job was cancelled at 10:14.",
        )],
    ),
    (
        "IR32",
        &[(
            "prevent | gift card team | 2025-09-26",
            "prevent | @mina | 2025-09-26",
        )],
    ),
    ("IR33", &[("| 2025-09-26 |", "| 26 Sep 2025 |")]),
    (
        "IR34",
        &[(
            "Limit the connections of scheduled jobs to 6",
            "Improve the limit of scheduled jobs from none to 6 connections",
        )],
    ),
    (
        "IR35",
        &[
            (
                "- F2: The job has no limit on its connections.\n",
                "- F2: The job has no limit on its connections.\n- F3: The schedule is edited by hand. We won't change that, because it is replaced in October.\n",
            ),
            (
                "(A3).",
                "(A3). F3: won't do, because the schedule is replaced in October.",
            ),
        ],
    ),
    (
        "IR39",
        &[("published: 2025-09-22", "published: 2025-09-25")],
    ),
    (
        "IR40",
        &[(
            "Stopping the job gave them back.",
            "Stopping the job gave them back. It is the second time after INC-188, whose action A2 was still open.",
        )],
    ),
    (
        "IR40",
        &[(
            "Stopping the job gave them back.",
            "Stopping the job gave them back. We watched it for a day without recurrence.",
        )],
    ),
    (
        "IR41",
        &[(
            "Stopping the job gave them back.",
            "Stopping the job gave them back; the service level objective (SLO) and the p99 (99 of 100 are faster) were missed, via HTTP and DNS.",
        )],
    ),
    (
        "IR42",
        &[(
            "Stopping the job gave them back.",
            "Stopping the job gave them back. A shopper wrote: \"what a disaster!\"",
        )],
    ),
];

#[test]
fn a_rule_fires_where_its_thing_is_wrong() {
    let mut silent = Vec::new();
    for (n, (rule, changes)) in FIRES.iter().enumerate() {
        let found = broken(&with(changes));
        if !found.contains(rule) {
            silent.push(format!("case {n}: {rule} was silent; fired: {found:?}"));
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn a_rule_is_silent_where_a_thing_is_only_written_differently() {
    let mut loud = Vec::new();
    for (n, (rule, changes)) in SILENT.iter().enumerate() {
        let found = broken(&with(changes));
        if found.contains(rule) {
            loud.push(format!("case {n}: {rule} fired"));
        }
        let more: Vec<_> = found.into_iter().filter(|f| f != rule).collect();
        if !more.is_empty() {
            loud.push(format!("case {n} ({rule}): also {more:?}"));
        }
    }
    assert!(loud.is_empty(), "{}", loud.join("\n"));
}

#[test]
fn every_rule_has_a_violating_case() {
    for rule in weir_lint::RULES {
        // IR10 needs a long text; it has a test of its own.
        assert!(
            rule.id == "IR10" || FIRES.iter().any(|(id, _)| *id == rule.id),
            "{}",
            rule.id
        );
    }
    let long = format!(
        "Stopping the job gave them back. {}",
        "And then this was said as well. ".repeat(25)
    );
    assert!(broken(&with(&[("Stopping the job gave them back.", &long)])).contains(&"IR10"));
}

const LETTER: &str = include_str!("fixtures/kept-letter.md");

fn letter(changes: &[(&str, &str)]) -> String {
    let mut text = LETTER.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the letter has no {from:?}");
        text = text.replace(from, to);
    }
    text
}

#[test]
fn a_letter_in_its_own_words_is_clean() {
    assert_eq!(broken(LETTER), Vec::<&str>::new());
}

/// As above, in the letter.
const LETTER_FIRES: &[(&str, &[(&str, &str)])] = &[
    (
        "IR01",
        &[(
            "# Course videos would not play on Monday evening",
            "# Report on the events of Monday",
        )],
    ),
    ("IR02", &[(" · **Severity:** SEV-2", "")]),
    ("IR02", &[("**Owner:** media delivery · ", "")]),
    (
        "IR03",
        &[
            ("## Analysis", "## Some thoughts"),
            ("What set it off was", "It began with"),
        ],
    ),
    (
        "IR03",
        &[(
            "The whole thing lasted",
            "XXX check this. The whole thing lasted",
        )],
    ),
    (
        "IR04",
        &[(
            "All clock times are Central European Time (CET, UTC+01:00).",
            "",
        )],
    ),
    (
        "IR05",
        &[(" The whole thing lasted 2 hours and 35 minutes.", "")],
    ),
    (
        "IR05",
        &[(
            "lasted 2 hours and 35 minutes",
            "lasted for nearly four hours",
        )],
    ),
    (
        "IR06",
        &[(
            "The whole thing lasted 2 hours and 35 minutes.",
            "It lasted 2 hours and 35 minutes, of which 18 minutes in staffed hours.",
        )],
    ),
    (
        "IR07",
        &[(
            "8,440 of 31,200 students who pressed play got an error (27.1 %, counted by account in the player's telemetry)",
            "More than a quarter, 27 % of students, got an error",
        )],
    ),
    (
        "IR08",
        &[(
            "- The median start time went from 0.9 s to 14 s.\n- We received 64 support tickets.\n",
            "",
        )],
    ),
    ("IR09", &[("No files were lost or altered. ", "")]),
    (
        "IR11",
        &[(
            "0.9 s before, 14 s during",
            "0.9 s before, 14 s during; in total 8,940 of 31,200 students (37.1 %) got an error",
        )],
    ),
    (
        "IR11",
        &[(
            "What went badly:",
            "What went badly: for 3 hours and 35 minutes in total students waited;",
        )],
    ),
    ("IR12", &[("**7:38 PM**", "**5:38 PM**")]),
    (
        "IR13",
        &[(
            "- **6:55 PM** – Media on-call takes the page (PagerDuty)\n",
            "",
        )],
    ),
    (
        "IR13",
        &[(
            "- **8:04 PM** – Storage team traces the slow reads to the rule: each read of a moved file takes 12 s (storage trace 771)\n",
            "- **8:04 PM** – Coffee (chat)\n",
        )],
    ),
    (
        "IR14",
        &[
            ("**7:16 PM**", "**6:58 PM**"),
            ("**7:38 PM**", "**7:59 PM**"),
            (
                ": 22 minutes went into the content network",
                ": the content network took long",
            ),
        ],
    ),
    (
        "IR16",
        &[
            (" (change 8813). This", ". This"),
            (" (player telemetry)\n", "\n"),
            (" (PagerDuty)\n", "\n"),
            (" (vendor graph)\n", "\n"),
            (" (chat)\n", "\n"),
            (" (storage trace 771)\n", "\n"),
            (" (change 8816)\n", "\n"),
        ],
    ),
    (
        "IR17",
        &[
            (
                "- **6:42 PM** – First play request over 5 s; students are affected (player telemetry)\n",
                "",
            ),
            (
                "Monitor \"slow starts\" pages the media on-call (PagerDuty)",
                "Students write in that nothing plays",
            ),
            ("From 6:42 PM to", "From 6:51 PM to"),
        ],
    ),
    (
        "IR18",
        &[
            (
                "Monitor \"slow starts\" pages the media on-call (PagerDuty)",
                "Teachers phone the help desk",
            ),
            (
                "2. Alert when the 95th percentile of reads exceeds 200 ms for 5 minutes, by class (observability, due January 22, 2025, detects). Done when a drill with one cold file pages within 7 minutes.\n",
                "",
            ),
        ],
    ),
    (
        "IR19",
        &[
            (
                "Hypothesis: the content network drops requests. Disproved, its error share was 0.02 % as on any day (vendor graph)",
                "A red herring costs some time (chat)",
            ),
            ("22 minutes went into the content network", "it took long"),
        ],
    ),
    (
        "IR20",
        &[(
            "Two conditions made it possible.",
            "The reviewers could have noticed that. Two conditions made it possible.",
        )],
    ),
    (
        "IR20",
        &[(
            "Two conditions made it possible.",
            "There was a lack of testing. Two conditions made it possible.",
        )],
    ),
    (
        "IR21",
        &[(
            "Two conditions made it possible.",
            "Henrik forgot to limit it to one prefix. Two conditions made it possible.",
        )],
    ),
    (
        "IR21",
        &[(
            "Two conditions made it possible.",
            "This was the mistake of the storage engineer's carelessness. Two conditions made it possible.",
        )],
    ),
    (
        "IR22",
        &[(
            "What set it off was change 8813, which switched the rule on for every prefix of the bucket. The rule selects by age of the file, and a course's videos are older than a year by the time most people watch them. So 38 % of the files that are played in an evening were moved within an hour, and a read from the colder class takes 12 s instead of 30 ms.\n\nTwo conditions made it possible. One: a rule applies to a whole bucket, and nothing asks when a file was last read. Two: the change was tested on a bucket that nobody plays from.\n\nNobody saw it coming, since the test bucket has no players, and no alert watches the time of a read by class.",
            "The storage was overloaded and could not keep up.",
        )],
    ),
    (
        "IR23",
        &[(
            "Two conditions made it possible. One: a rule applies to a whole bucket, and nothing asks when a file was last read. Two: the change was tested on a bucket that nobody plays from.\n\n",
            "",
        )],
    ),
    (
        "IR24",
        &[
            (
                "So 38 % of the files that are played in an evening were moved within an hour, and a read from the colder class takes 12 s instead of 30 ms.",
                "So the files were slow.",
            ),
            (
                ": each read of a moved file takes 12 s (storage trace 771)",
                "",
            ),
            (
                "What set it off was change 8813, which",
                "What set it off was a change, which",
            ),
        ],
    ),
    (
        "IR26",
        &[
            (
                "Nobody saw it coming, since the test bucket has no players, and no alert watches the time of a read by class.",
                "",
            ),
            (
                "Two: the change was tested on a bucket that nobody plays from.",
                "Two: the storage is old.",
            ),
        ],
    ),
    (
        "IR27",
        &[(
            "What went badly: 22 minutes went into the content network. Where we were lucky: the exam week starts a week later.",
            "",
        )],
    ),
    (
        "IR28",
        &[(
            "3. Roll lifecycle rules out prefix by prefix, with a stop at 1 % slow reads (storage team, due January 31, 2025, mitigates). Done when a bad rule stops at the first prefix in rehearsal.",
            "3. Be more careful with lifecycle rules (storage team, due January 31, 2025).",
        )],
    ),
    (
        "IR29",
        &[(
            "many students could not start a video",
            "video was completely down",
        )],
    ),
    (
        "IR30",
        &[(
            "were copied back. We judged",
            "were copied back. The origin servers were restarted. We judged",
        )],
    ),
    (
        "IR31",
        &[
            (
                "We judged the recovery by the median start time: 0.9 s before, 14 s during, 1.0 s from 8:48 PM, watched for 29 minutes and again on Tuesday evening.",
                "Everything returned to normal.",
            ),
            (
                "- **8:48 PM** – Median start time at 1.0 s (player telemetry)\n",
                "",
            ),
            (
                "It stayed there for 29 minutes, we call it over",
                "Back to normal, we call it over",
            ),
        ],
    ),
    (
        "IR32",
        &[(
            "(storage team, due January 24, 2025, prevents)",
            "(due January 24, 2025, prevents)",
        )],
    ),
    (
        "IR33",
        &[(
            "(storage team, due January 24, 2025, prevents)",
            "(storage team, prevents)",
        )],
    ),
    (
        "IR34",
        &[(
            "3. Roll lifecycle rules out prefix by prefix, with a stop at 1 % slow reads (storage team, due January 31, 2025, mitigates). Done when a bad rule stops at the first prefix in rehearsal.",
            "3. Look into better rollouts (storage team, due January 31, 2025).",
        )],
    ),
    (
        "IR34",
        &[(
            "3. Roll lifecycle rules out prefix by prefix, with a stop at 1 % slow reads (storage team, due January 31, 2025, mitigates). Done when a bad rule stops at the first prefix in rehearsal.",
            "3. We should continuously improve our change process (storage team, due January 31, 2025).",
        )],
    ),
    (
        "IR36",
        &[
            (
                " Done when a file played yesterday is refused by the rule.",
                "",
            ),
            (
                " Done when a drill with one cold file pages within 7 minutes.",
                "",
            ),
            (
                " Done when a bad rule stops at the first prefix in rehearsal.",
                "",
            ),
            (
                "Alert when the 95th percentile of reads exceeds 200 ms for 5 minutes, by class",
                "Add an alert on slow reads",
            ),
            (", with a stop at 1 % slow reads", ""),
        ],
    ),
    (
        "IR38",
        &[
            ("1. Select files", "- Select files"),
            (
                "## Looking back",
                "4. Add a (storage team, due January 31, 2025)\n5. Add b (storage team, due January 31, 2025)\n6. Add c (storage team, due January 31, 2025)\n7. Add d (storage team, due January 31, 2025)\n8. Add e (storage team, due January 31, 2025)\n9. Add f (storage team, due January 31, 2025)\n10. Add g (storage team, due January 31, 2025)\n11. Add h (storage team, due January 31, 2025)\n\n## Looking back",
            ),
        ],
    ),
    (
        "IR40",
        &[(
            "The whole thing lasted",
            "We have been here before: the same problem occurred last autumn. The whole thing lasted",
        )],
    ),
    (
        "IR41",
        &[(
            "The origin storage",
            "The CDN, the ABR and the HLS were fine. The origin storage",
        )],
    ),
    (
        "IR42",
        &[(
            "We suspended the rule",
            "It was a nightmare. We suspended the rule",
        )],
    ),
    (
        "IR42",
        &[(
            "We suspended the rule",
            "Unfortunately that took long. We suspended the rule",
        )],
    ),
];

#[test]
fn in_the_letter_too_a_rule_fires_where_its_thing_is_wrong() {
    let mut silent = Vec::new();
    for (n, (rule, changes)) in LETTER_FIRES.iter().enumerate() {
        let found = broken(&letter(changes));
        if !found.contains(rule) {
            silent.push(format!("case {n}: {rule} was silent; fired: {found:?}"));
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}
