//! What will be done: from tables, lists, task lists and labelled lines.

use std::ops::Range;

use jiff::civil::Date;
use serde::Serialize;

use super::doc::key;
use super::part::Part;
use super::{Doc, Said};
use crate::tree::{Block, Form, Kind, Table, Text};
use crate::words::clock;
use crate::words::pattern;

/// So many actions are kept.
pub const ACTIONS_MAX: usize = 500;

/// What an action is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionType {
    /// It does not happen again.
    Prevent,
    /// It is seen sooner.
    Detect,
    /// It hurts less, or is over sooner.
    Mitigate,
    /// People work together better.
    Process,
}

/// One thing that will be done.
#[derive(Clone, Debug, Serialize)]
pub struct Action {
    /// `A1`, where it has one.
    pub id: Option<String>,
    /// What will be done.
    pub says: String,
    /// Who does it; absent also where the report says "TBD".
    pub owner: Option<String>,
    /// By when.
    pub due: Option<Date>,
    /// By when, as written; also "Q3" and other forms that are no date.
    pub due_says: Option<String>,
    /// What it is for, where that is stated.
    #[serde(rename = "type")]
    pub kind: Option<ActionType>,
    /// As written.
    pub priority: Option<String>,
    /// A ticket or a link.
    pub tracker: Option<String>,
    /// How it is known to be done.
    pub verify: Option<String>,
    /// As written.
    pub status: Option<String>,
    /// It is done already.
    pub done: bool,
    /// Which factors or causes it answers.
    pub addresses: Option<String>,
    /// All words that belong to it.
    #[serde(skip)]
    pub words: String,
    /// From 1.
    pub line: usize,
    /// Its words in the source.
    #[serde(skip)]
    pub range: Range<usize>,
}

/// A column of a table of actions, or the key of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Id,
    What,
    Owner,
    Due,
    Kind,
    Priority,
    Tracker,
    Verify,
    Status,
    For,
}

fn column(name: &str) -> Option<Column> {
    let name = key(name);
    let has = |pattern: &regex::Regex| pattern.is_match(&name);
    Some(
        if has(pattern!(
            r"\b(?:done when|finished when|done if|measure of done|result|proof)\b"
        )) {
            Column::Verify
        } else if has(pattern!(r"^(?:id|#|nr|no|number|item #|action id)$")) {
            Column::Id
        } else if has(pattern!(
            r"\b(?:owners?|assignees?|assigned|who|responsible|dri|team|accountable|lead|person|by whom|driver)\b"
        )) {
            Column::Owner
        } else if has(pattern!(
            r"\b(?:due|deadline|eta|target|by when|when|date|finish|complete by|planned for|timeframe|until|done by)\b"
        )) {
            Column::Due
        } else if has(pattern!(
            r"\b(?:verif\w*|done when|success|acceptance|exit|evidence of|proof|measure of|end state|definition of done|how we know|check|criterion|criteria|measurable|test)\b"
        )) {
            Column::Verify
        } else if has(pattern!(r"\b(?:type|kind|category|class|nature)\b")) {
            Column::Kind
        } else if has(pattern!(r"\b(?:prio|priority|urgency|severity)\b")) {
            Column::Priority
        } else if has(pattern!(
            r"\b(?:ticket|tracker|tracking|issue|jira|bug|link|reference|ref|tracked)\b"
        )) {
            Column::Tracker
        } else if has(pattern!(r"\b(?:status|state|progress|done)\b")) {
            Column::Status
        } else if has(pattern!(
            r"\b(?:for|addresses|factor|answers|cause|against|finding|problem|why|reason|closes)\b"
        )) {
            Column::For
        } else if has(pattern!(
            r"\b(?:actions?|what|task|item|description|measure|remedy|remediation|change|work|to do|todo|summary|title|improvement|follow|step)\b"
        )) {
            Column::What
        } else {
            return None;
        },
    )
}

/// Reads the actions, in the order of the text.
pub(super) fn read(doc: &Doc<'_>) -> Vec<Action> {
    let mut out = Vec::new();
    let mut heading_kind = None;
    // Blocks of labelled lines: "Increase the pool: …" one below the other.
    let labelled = labelled_lines(doc);
    let wanted = |i: usize| doc.about[i].is(Part::Actions);
    let listed = doc.blocks().any(|(i, b)| {
        wanted(i)
            && !b.quoted
            && (b.table.as_ref().is_some_and(is_actions) || matches!(b.kind, Kind::Item { .. }))
    });
    for (i, block) in doc.blocks() {
        if block.quoted || out.len() >= ACTIONS_MAX {
            continue;
        }
        if let Some(table) = &block.table {
            if wanted(i) && is_actions(table) || !listed && looks_like_actions(table) {
                table_actions(doc, table, heading_kind, &mut out);
            }
            continue;
        }
        if !wanted(i) {
            continue;
        }
        match block.kind {
            Kind::Head { form, .. } => {
                // "### Prevent" under the actions' own heading, which itself says nothing of kinds.
                let sub = doc.inner[i]
                    .and_then(|s| doc.sections[s].parent)
                    .is_some_and(|p| doc.sections[p].parts.is(Part::Actions));
                heading_kind = kind_of(&block.text.plain).filter(|_| sub);
                // "### A1. Cap the pool": each action has a heading of its own.
                if form == Form::Heading
                    && pattern!(r"^\s*(?:A|AI|Action)[- ]?\d+\b").is_match(&block.text.plain)
                {
                    out.push(item(doc, block, heading_kind));
                }
            }
            Kind::Item { depth, .. } => {
                let parent = out.last().is_some_and(|a: &Action| a.line > 0) && depth > 1;
                if (parent || heading_owns(doc, i)) && attribute_line(&block.text.plain) {
                    if let Some(last) = out.last_mut() {
                        attributes(&block.text, last);
                    }
                } else if depth == 1 || !parent || !has_depth_one(doc, i) {
                    if attribute_line(&block.text.plain)
                        && !out.is_empty()
                        && !names_work(&block.text.plain)
                    {
                        if let Some(last) = out.last_mut() {
                            attributes(&block.text, last);
                        }
                    } else if block
                        .text
                        .trimmed()
                        .trim_matches('.')
                        .eq_ignore_ascii_case("none")
                    {
                    } else {
                        out.push(item(doc, block, heading_kind));
                    }
                } else if let Some(last) = out.last_mut() {
                    last.words.push('\n');
                    last.words.push_str(&block.text.plain);
                    attributes(&block.text, last);
                }
            }
            Kind::Para => {
                if labelled.contains(&i) || !listed && stands_alone(&block.text.plain) {
                    out.push(item(doc, block, heading_kind));
                } else if attribute_line(&block.text.plain)
                    && heading_owns(doc, i)
                    && let Some(last) = out.last_mut()
                {
                    for line in block.text.lines() {
                        attributes(&line, last);
                    }
                }
            }
            Kind::Table | Kind::Code => {}
        }
    }
    out
}

/// Whether a list item stands in a list with outermost items of the same part.
fn has_depth_one(doc: &Doc<'_>, i: usize) -> bool {
    doc.tree.blocks[..i]
        .iter()
        .rev()
        .take_while(|b| matches!(b.kind, Kind::Item { .. } | Kind::Para))
        .any(|b| matches!(b.kind, Kind::Item { depth: 1, .. }))
}

/// Whether the innermost heading is itself an action.
fn heading_owns(doc: &Doc<'_>, i: usize) -> bool {
    doc.inner[i].is_some_and(|s| {
        pattern!(r"^\s*(?:A|AI|Action)[- ]?\d+\b")
            .is_match(&doc.tree.blocks[doc.sections[s].head].text.plain)
    })
}

/// A table with a column of what will be done, and one of who, when or why.
fn is_actions(table: &Table) -> bool {
    let columns: Vec<_> = table
        .head
        .cells
        .iter()
        .filter_map(|cell| column(&cell.plain))
        .collect();
    columns.contains(&Column::What)
        || columns.contains(&Column::Owner)
        || columns.contains(&Column::Due) && columns.len() > 1
}

fn looks_like_actions(table: &Table) -> bool {
    let columns: Vec<_> = table
        .head
        .cells
        .iter()
        .filter_map(|cell| column(&cell.plain))
        .collect();
    let named = table
        .head
        .cells
        .iter()
        .any(|cell| pattern!(r"(?i)\baction").is_match(&cell.plain));
    named && columns.contains(&Column::Owner)
}

fn table_actions(
    doc: &Doc<'_>,
    table: &Table,
    heading_kind: Option<ActionType>,
    out: &mut Vec<Action>,
) {
    let mut columns: Vec<Option<Column>> = table
        .head
        .cells
        .iter()
        .map(|cell| column(&cell.plain))
        .collect();
    if !columns.contains(&Some(Column::What)) {
        // The longest column without a name of its own says what.
        let longest = (0..columns.len())
            .filter(|c| columns[*c].is_none())
            .max_by_key(|c| {
                table
                    .rows
                    .iter()
                    .filter_map(|r| r.cells.get(*c))
                    .map(|t| t.plain.len())
                    .sum::<usize>()
            });
        match longest {
            Some(c) => columns[c] = Some(Column::What),
            None => return,
        }
    }
    for row in &table.rows {
        if out.len() >= ACTIONS_MAX || row.cells.iter().all(Text::is_blank) {
            continue;
        }
        let mut action = blank(doc, &Text::default(), row.range.clone());
        action.kind = heading_kind;
        for (cell, column) in row.cells.iter().zip(&columns) {
            action.words.push_str(cell.trimmed());
            action.words.push_str(" | ");
            let Some(column) = column else { continue };
            if *column == Column::What {
                if action.says.is_empty() {
                    action.says = cell.trimmed().to_owned();
                    action.range = cell.whole();
                    if let Some(link) = cell.links.first() {
                        action.tracker.get_or_insert(link.to.clone());
                    }
                }
            } else {
                set(*column, cell, &mut action);
            }
        }
        if action.says.is_empty() {
            continue;
        }
        action.line = doc.source.place(row.range.start).line;
        out.push(action);
    }
}

fn blank(doc: &Doc<'_>, text: &Text, range: Range<usize>) -> Action {
    Action {
        id: None,
        says: text.trimmed().to_owned(),
        owner: None,
        due: None,
        due_says: None,
        kind: None,
        priority: None,
        tracker: None,
        verify: None,
        status: None,
        done: false,
        addresses: None,
        words: text.plain.clone(),
        line: doc.source.place(range.start).line,
        range,
    }
}

fn set(column: Column, cell: &Text, action: &mut Action) {
    let value = cell.trimmed();
    if none_like(value) {
        return;
    }
    let owned = || Some(value.to_owned());
    match column {
        Column::Id => action.id = owned(),
        Column::What => {}
        Column::Owner => action.owner = owned(),
        Column::Due => {
            action.due_says = owned();
            action.due = due(value);
            action.done |=
                pattern!(r"(?i)\b(?:done|completed?|finished|shipped|closed)\b").is_match(value);
        }
        Column::Kind => action.kind = kind_of(value).or(action.kind),
        Column::Priority => action.priority = owned(),
        Column::Tracker => action.tracker = cell.links.first().map(|l| l.to.clone()).or(owned()),
        Column::Verify => action.verify = owned(),
        Column::Status => {
            action.done |=
                pattern!(r"(?i)\b(?:done|completed?|finished|shipped|verified|closed|deployed)\b")
                    .is_match(value)
                    && !pattern!(r"(?i)\bnot\b|\bto be\b|%").is_match(value);
            action.status = owned();
            if action.due.is_none() {
                action.due = due(value);
                if action.due.is_some() {
                    action.due_says.get_or_insert(value.to_owned());
                }
            }
        }
        Column::For => action.addresses = owned(),
    }
}

/// "TBD", "-", "unassigned", "open question": nothing.
pub(crate) fn none_like(value: &str) -> bool {
    let value = value
        .trim()
        .trim_matches(['*', '_', '`', '(', ')', '[', ']', '.'])
        .to_lowercase();
    value.is_empty()
        || matches!(
            value.as_str(),
            "-" | "–"
                | "—"
                | "?"
                | "??"
                | "???"
                | "tbd"
                | "tba"
                | "tbc"
                | "n/a"
                | "na"
                | "none"
                | "unassigned"
                | "unknown"
                | "to be decided"
                | "to be determined"
                | "to be assigned"
                | "to be confirmed"
                | "to be defined"
                | "to be scheduled"
                | "not assigned"
                | "not set"
                | "no owner"
                | "nobody"
                | "open"
                | "open question"
                | "pending"
                | "todo"
                | "…"
                | "..."
                | "not yet assigned"
                | "no date"
                | "someone"
                | "everyone"
                | "all"
                | "us"
                | "we"
        )
        || value.starts_with("tbd")
        || value.starts_with("to be ")
}

/// A date in a cell or a phrase.
pub(crate) fn due(value: &str) -> Option<Date> {
    let day = clock::stamps(value)
        .into_iter()
        .find_map(|stamp| stamp.day)?;
    day.date(None)
}

/// What an action is for, by a word.
pub(crate) fn kind_of(text: &str) -> Option<ActionType> {
    let text = text.to_lowercase();
    let has = |p: &regex::Regex| p.is_match(&text);
    Some(if has(pattern!(r"\bdetect|\bmonitor|\balert|\bobserv")) {
        ActionType::Detect
    } else if has(pattern!(
        r"\bmitigat|\brespon[ds]|\brecover|\breduce|\bcontain|\blimit|\bsoften"
    )) {
        ActionType::Mitigate
    } else if has(pattern!(
        r"\bprevent|\bfix\b|\bcorrect|\brepair|\beliminat|\bharden"
    )) {
        ActionType::Prevent
    } else if has(pattern!(
        r"\bprocess|\bprocedur|\btraining|\bdocument|\borganis|\borganiz|\bcommunicat|\bpeople\b"
    )) {
        ActionType::Process
    } else {
        return None;
    })
}

/// A line that only says who, when and how: "Owner: X", "due 2023-05-12".
fn attribute_line(text: &str) -> bool {
    let lead = pattern!(
        r"(?i)^\W*(?:owners?|assignees?|assigned to|who|responsible|dri|due|deadline|eta|target|by when|type|kind|category|prio|priority|ticket|tracker|tracking|issue|jira|verif\w*|done when|success criterion|success|acceptance|status|addresses|for|exit criterion|check|end state|measure)\b\W*[:=—–-]"
    );
    lead.is_match(text)
}

fn names_work(text: &str) -> bool {
    pattern!(r"(?i)^\W*(?:check|measure|target|issue|success|status|for)\b\s+\w").is_match(text)
}

/// `(owner: platform team, due: 2023-05-12, P1)`, `— @team, by 12 May 2023 [ABC-12]`.
fn attributes(text: &Text, action: &mut Action) {
    let plain = text.plain.replace(['*', '_'], " ");
    let pair = pattern!(
        r"(?i)\b(owner|owners|owned by|assignee|assigned to|assigned|who|responsible|dri|due|due date|due by|deadline|eta|target date|target|by when|type|kind|category|prio|priority|ticket|tracker|tracking|tracked in|issue|jira|verify|verification|verified by|done when|success criterion|success|acceptance|exit criterion|status|addresses|for|end state|pass criterion|check)\s?[:=]\s*([^;|\n]+?)\s*(?:[;|\n)]|,\s(?:and\s)?(?:owner|due|deadline|eta|target|type|kind|prio|priority|ticket|tracker|issue|verify|verification|status|done when|p\d)\b|\.\s+(?:[A-Z])|\.?$|—|–| - |· )"
    );
    let mut at = 0;
    let mut spent = 0;
    while let Some(found) = pair.captures_at(&plain, at) {
        let (Some(name), Some(value)) = (found.get(1), found.get(2)) else {
            break;
        };
        let column = match name.as_str().to_lowercase().as_str() {
            "owned by" | "assigned" => Some(Column::Owner),
            "pass criterion" => Some(Column::Verify),
            "due by" => Some(Column::Due),
            word => column(word),
        };
        if let Some(column) = column {
            let mut cell = Text::default();
            cell.push(value.as_str().trim_matches(['(', '[', ']', '.', ' ']), 0..0);
            set(column, &cell, action);
        }
        at = value.end().max(at + 1);
        spent += 1;
        if spent > 20 || at >= plain.len() {
            break;
        }
    }
    if action.owner.is_none() {
        // "(messaging, 2023-03-03)", "(checkout, until 2023-06-30; prevents)".
        let pair = pattern!(
            r"\(([^(),;:\d]{2,40}),\s*(?:until|by|due|before|on|due by)?\s*(?:\d|[A-Z][a-z]{2}|(?:end of|mid))"
        );
        if let Some(found) = pair.captures(&plain) {
            let who = found[1].trim();
            if !none_like(who)
                && !pattern!(r"(?i)^(?:due|by|p\d|prevent\w*|detect\w*|mitigat\w*|process)$")
                    .is_match(who)
            {
                action.owner = Some(who.to_owned());
            }
        }
    }
    if action.owner.is_none() {
        let by = pattern!(
            r"(?i)(?:\((?:by )?|\[|—\s*|–\s*| - |:\s*|→\s*|^\s*|,\s*)(@[\w.-]+|[\w&/ .-]{2,30}?\b(?:team|squad|lead|engineering|engineers?|group|guild|sre|sres|ops|dba|dbas|manager|on-?call|owner|committee|office|support|crew|department))\s?(?:[),;:\]—–]|$|,| by\b| due\b| - |\. |\.$)"
        );
        if let Some(found) = by.captures_iter(&plain).last() {
            let who = found[1].trim();
            if who.split(' ').count() <= 5 && !none_like(who) {
                action.owner = Some(who.to_owned());
            }
        }
        if action.owner.is_none()
            && let Some(found) = pattern!(r"(?:\(|\[|—\s|–\s| - )\s?([A-Z][\w.’'-]+(?: [A-Z&][\w.’'-]*){0,3})\s?(?:,|;|\)|\]|—|–| by | due )").captures_iter(&plain).last() {
                let who = found[1].trim();
                let odd = pattern!(r"^(?:P\d|SEV|INC|Due|Done|By|Q\d|[A-Z]+-\d|Prevent|Detect|Mitigate|Process|Owner|Verify|DONE|TBD|High|Low|Medium|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|See|Priority|Type|F\d)");
                if !odd.is_match(who) {
                    action.owner = Some(who.to_owned());
                }
            }
        if action.owner.is_none() {
            if let Some(found) = pattern!(r"^\W*\[?(?:the )?([\w&/-]+(?: [\w&/-]+){0,2} (?:team|squad|lead|engineering|group|guild))(?:\]|:| will\b| to\b|\s[—–-]\s)").captures(&plain) {
                action.owner = Some(found[1].to_owned());
            } else if let Some(found) = pattern!(r"(@[\w.-]{2,})").captures(&plain) {
                action.owner = Some(found[1].to_owned());
            }
        }
    }
    if action.owner.is_none() {
        // Who stands before the date: "Title. Database team, due 2024-06-14", "(prevent; data platform; by 25 July)".
        let before = pattern!(
            r"(?:^|[.;(\[]\s*|—\s|–\s)([A-Za-z][\w&/’'-]*(?: [\w&/’'-]+){0,3})\s?[,;]\s?(?:due|by|until|before)\s(?:the end of |end of |mid-?)?(?:\d|[A-Z][a-z]{2})"
        );
        action.owner = before
            .captures(&plain)
            .map(|found| found[1].trim().to_owned())
            .filter(|who| !none_like(who) && kind_of(who).is_none());
    }
    if action.due.is_none() {
        let stamp = clock::stamps(&plain).into_iter().rfind(|s| s.day.is_some());
        if let Some(day) = stamp.as_ref().and_then(|s| s.day?.date(None)) {
            action.due = Some(day);
            if let Some(stamp) = &stamp {
                action
                    .due_says
                    .get_or_insert(plain[stamp.range.clone()].to_owned());
            }
        }
    }
    if action.priority.is_none() {
        action.priority = pattern!(r"\b([Pp][0-4])\b")
            .find(&plain)
            .map(|m| m.as_str().to_owned());
    }
    if action.tracker.is_none() {
        action.tracker = text.links.first().map(|l| l.to.clone()).or_else(|| {
            pattern!(r"\b[A-Z][A-Z0-9]{1,9}-\d{1,7}\b")
                .find(&plain)
                .map(|m| m.as_str().to_owned())
        });
    }
    if action.kind.is_none() {
        action.kind = pattern!(r"(?i)(?:[(\[*|,.;]\s?|^)(prevents?|preventive|preventative|detects?|detective|mitigates?|mitigation|mitigating|softens?|process)\s?[.);|,\]:]").captures(&plain).and_then(|f| kind_of(&f[1]));
    }
    action.done |= pattern!(r"(?i)[(\[,;—–]\s?(?:done|completed|shipped|finished|✅)\b|\bstatus: (?:done|complete)|^\W*(?:done|completed)\b[:,]|\*\*done\*\*").is_match(&text.plain);
}

fn item(doc: &Doc<'_>, block: &Block, heading_kind: Option<ActionType>) -> Action {
    let text = &block.text;
    let mut action = blank(doc, text, text.whole());
    if let Kind::Item {
        task: Some(done), ..
    } = block.kind
    {
        action.done = done;
    }
    if let Some(found) = pattern!(r"^\s*\**((?:A|AI|AP|Action|R|M)[- ]?\d{1,3})\b\**[.:)\s—–-]*")
        .captures(&text.plain)
    {
        action.id = Some(found[1].to_owned());
        let end = found.get(0).map_or(0, |m| m.end());
        action.says = text.part(end..text.plain.len()).trimmed().to_owned();
    }
    attributes(text, &mut action);
    action.kind = action.kind.or(heading_kind).or_else(|| {
        pattern!(r"(?i)^\W*(prevent|detect|mitigate|process)\w*\W*:")
            .captures(&text.plain)
            .and_then(|f| kind_of(&f[1]))
    });
    action
}

/// Paragraph lines of the form "Title: what", at least two of them one below the other.
fn labelled_lines(doc: &Doc<'_>) -> Vec<usize> {
    let is = |i: usize| {
        let block = &doc.tree.blocks[i];
        doc.about[i].is(Part::Actions)
            && matches!(block.kind, Kind::Para)
            && !block.quoted
            && pattern!(r"^\W*[A-Z][\w/&’'-]*(?: [\w/&’'()-]+){0,6}:\s+\S+(?:\s+\S+){3,}")
                .is_match(&block.text.plain)
            && !attribute_line(&block.text.plain)
    };
    let n = doc.tree.blocks.len();
    (0..n)
        .filter(|i| is(*i) && (*i > 0 && is(i - 1) || i + 1 < n && is(i + 1)))
        .collect()
}

/// A paragraph that is one action: "A1: …", "We will …", "Add …".
fn stands_alone(text: &str) -> bool {
    let begins = pattern!(
        r"(?i)^\W*(?:A\d+|AI-?\d+|\d+[.)])\s|^\W*(?:we (?:will|are going to|plan to)|we'll)\b|^\W*(?:add|set|cap|create|write|replace|move|remove|alert|page|run|make|build|ship|enable|limit|raise|lower|introduce|implement|deploy|split|document|require|automate|test|upgrade|fix|migrate|increase|reduce|configure|rehearse|drill|publish|change|extend|rotate|enforce|improve|enhance|explore|investigate|conduct|review|ensure|consider|continuously)\b"
    );
    begins.is_match(text) && !text.trim_end().ends_with(':')
}

impl Action {
    /// As a passage.
    pub fn said(&self) -> Said {
        Said {
            says: self.says.clone(),
            line: self.line,
            range: self.range.clone(),
        }
    }
}
