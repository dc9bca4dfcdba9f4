//! Which statements of a text a pooler must know about.
//!
//! [`Watch`] looks at each word as it goes by and says only whether there is anything to know;
//! [`classify`] then reads the text again and says what.

use super::lexer::{Kind, Lexer, Token};
use super::statement::{CursorTarget, DeallocateTarget, Statement, UnlistenTarget};

mod set;

/// Statements listed for one text. Beyond it the session counts as changed in unknown ways.
const STATEMENTS_MAX: usize = 1024;

/// Tokens of a statement that are looked at by position; flags come from all of them.
const HEAD_MAX: usize = 48;

/// Tokens looked ahead to find the last argument of `set_config`.
const ARGUMENTS_MAX: usize = 64;

/// First words of statements that [`classify`] has something to say about.
const SESSION_WORDS: [&[u8]; 22] = [
    b"begin",
    b"start",
    b"commit",
    b"end",
    b"rollback",
    b"abort",
    b"savepoint",
    b"release",
    b"set",
    b"reset",
    b"discard",
    b"listen",
    b"unlisten",
    b"prepare",
    b"execute",
    b"deallocate",
    b"declare",
    b"close",
    b"create",
    b"load",
    b"copy",
    b"explain",
];

/// The streaming half: is there anything to know?
pub(super) struct Watch {
    at_start: bool,
    plain: bool,
    into: bool,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            at_start: true,
            plain: true,
            into: false,
        }
    }

    #[inline]
    pub(super) fn word(&mut self, text: &[u8]) {
        if self.at_start {
            self.at_start = false;
            self.plain &= !SESSION_WORDS.iter().any(|word| is(text, word));
        }
        match (text[0] | 0x20, text.len()) {
            (b'i', 4) if is(text, b"into") => {
                self.into = true;
                return;
            }
            (b'p', 7..) => self.plain &= !(is_advisory(text) || is_pg_temp(text)),
            (b's', 10) => self.plain &= !is(text, b"set_config"),
            // INTO LOCAL TEMP, in the standard's words.
            (b'l', 5) | (b'g', 6) if self.into => return,
            (b't', 4 | 9) if self.into => self.plain &= !is_temp(text),
            _ => {}
        }
        self.into = false;
    }

    pub(super) fn quoted(&mut self, text: &[u8]) {
        self.at_start = false;
        self.into = false;
        let text = text.trim_ascii_end();
        let name = text.strip_prefix(b"\"").unwrap_or(text);
        // `U&"…"` can spell any name with escapes; few write so, and they are looked at closely.
        self.plain &= !(is_function(name.strip_suffix(b"\"").unwrap_or(name))
            || is_pg_temp(name)
            || text[0] != b'"');
    }

    pub(super) fn punct(&mut self, byte: u8) {
        // An opening bracket can stand before the first word: `(SELECT 1) UNION …`.
        self.at_start = byte == b';' || self.at_start && byte == b'(';
    }

    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }
}

fn is(text: &[u8], word: &[u8]) -> bool {
    text.eq_ignore_ascii_case(word)
}

fn begins(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|head| is(head, word))
}

fn is_temp(text: &[u8]) -> bool {
    is(text, b"temp") || is(text, b"temporary")
}

fn is_pg_temp(text: &[u8]) -> bool {
    begins(text, b"pg_temp")
}

fn is_advisory(text: &[u8]) -> bool {
    begins(text, b"pg_advisory") || begins(text, b"pg_try_advisory")
}

fn is_function(name: &[u8]) -> bool {
    is_advisory(name) || is(name, b"set_config")
}

/// The statements of a query's text, in order; runs of [`Statement::Other`] as one. An empty text
/// has none.
pub fn classify(sql: &[u8]) -> Vec<Statement> {
    let mut reader = Reader {
        lexer: Lexer::new(sql, b""),
        sql,
        found: Vec::new(),
    };
    while let Some(one) = reader.statement() {
        reader.conclude(&one);
        if reader.found.len() > STATEMENTS_MAX {
            reader.found.truncate(STATEMENTS_MAX);
            reader.found.push(Statement::Unfollowed {
                what: "more statements in one query than are looked at",
            });
            break;
        }
    }
    reader.found
}

struct Reader<'a> {
    lexer: Lexer<'a>,
    sql: &'a [u8],
    found: Vec<Statement>,
}

/// One statement's tokens, as far as they matter.
struct One<'a> {
    sql: &'a [u8],
    head: Vec<Token>,
    /// Where its last token ends.
    end: usize,
    /// A function or an INTO TEMP in it was already listed.
    listed: bool,
    on_commit_drop: bool,
    pg_temp: bool,
}

impl<'a> One<'a> {
    /// The text of the `i`th token if it is a word; empty otherwise.
    fn word(&self, i: usize) -> &'a [u8] {
        match self.head.get(i) {
            Some(token) if token.kind == Kind::Word => &self.sql[token.start..token.end],
            _ => b"",
        }
    }

    fn is(&self, i: usize, word: &[u8]) -> bool {
        is(self.word(i), word)
    }

    fn punct(&self, i: usize) -> Option<u8> {
        match self.head.get(i)?.kind {
            Kind::Punct(byte) => Some(byte),
            _ => None,
        }
    }

    /// From the `i`th token to the statement's end, as written.
    fn text_from(&self, i: usize) -> Option<&'a str> {
        let from = self.head.get(i)?.start;
        std::str::from_utf8(&self.sql[from..self.end]).ok()
    }

    /// The `i`th token as a name, folded as PostgreSQL folds it.
    fn name(&self, i: usize) -> Option<String> {
        let token = self.head.get(i)?;
        let text = &self.sql[token.start..token.end];
        match token.kind {
            Kind::Word => Some(std::str::from_utf8(text).ok()?.to_ascii_lowercase()),
            Kind::Quoted => {
                let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
                Some(std::str::from_utf8(inner).ok()?.replace("\"\"", "\""))
            }
            Kind::String | Kind::Number | Kind::Param | Kind::Punct(_) => None,
        }
    }
}

/// A name that can't be read: the statement can't be followed.
const NO_NAME: Statement = Statement::Unfollowed {
    what: "a name that Weir can't read",
};

impl<'a> Reader<'a> {
    /// Reads up to a semicolon outside brackets, listing what is found on the way.
    fn statement(&mut self) -> Option<One<'a>> {
        let mut one = One {
            sql: self.sql,
            head: Vec::new(),
            end: 0,
            listed: false,
            on_commit_drop: false,
            pg_temp: false,
        };
        let mut depth = 0u32;
        // Inside BEGIN ATOMIC … END, the body of an SQL function, semicolons end nothing.
        let mut atomic = false;
        let mut words: [&[u8]; 2] = [b"", b""];
        while let Some(token) = self.lexer.next() {
            match token.kind {
                Kind::Punct(b';') if depth == 0 && !atomic => {
                    if one.head.is_empty() {
                        continue;
                    }
                    return Some(one);
                }
                Kind::Punct(b'(') => depth = depth.saturating_add(1),
                Kind::Punct(b')') => depth = depth.saturating_sub(1),
                Kind::Punct(b';') => words = [b"", b";"],
                _ => {}
            }
            if one.head.len() < HEAD_MAX {
                one.head.push(token);
            }
            one.end = token.end;
            let text = &self.sql[token.start..token.end];
            match token.kind {
                Kind::Word => {
                    if is(text, b"atomic") && is(words[1], b"begin") && one.is(0, b"create") {
                        atomic = true;
                    } else if atomic && words[1] == b";" && is(text, b"end") {
                        atomic = false;
                    }
                    one.on_commit_drop |=
                        is(text, b"drop") && is(words[0], b"on") && is(words[1], b"commit");
                    self.look(&mut one, text, words);
                    words = [words[1], text];
                }
                Kind::Quoted => {
                    if text[0] != b'"' {
                        one.listed = true;
                        self.push(Statement::Unfollowed {
                            what: "a name with Unicode escapes",
                        });
                    }
                    let name = text.strip_prefix(b"\"").unwrap_or(text);
                    self.look(&mut one, name.strip_suffix(b"\"").unwrap_or(name), words);
                    words = [words[1], b"\""];
                }
                _ => {}
            }
        }
        (!one.head.is_empty()).then_some(one)
    }

    /// Lists what one word in the middle of a statement tells.
    fn look(&mut self, one: &mut One<'_>, text: &[u8], before: [&[u8]; 2]) {
        let found = match text.first().map(|b| b | 0x20) {
            Some(b'p') if is_advisory(text) => advisory(text),
            Some(b'p') if is_pg_temp(text) => {
                one.pg_temp = true;
                (is(before[1], b"into") && !writes(before[0])).then_some(Statement::SelectIntoTemp)
            }
            Some(b's') if is(text, b"set_config") && !one.head.is_empty() => {
                self.set_config_outlives().then_some(Statement::SetConfig)
            }
            Some(b't') if is_temp(text) => {
                let into = is(before[1], b"into")
                    || is(before[0], b"into")
                        && (is(before[1], b"local") || is(before[1], b"global"));
                (into && !writes(before[0])).then_some(Statement::SelectIntoTemp)
            }
            _ => None,
        };
        if let Some(found) = found {
            one.listed = true;
            self.push(found);
        }
    }

    /// Whether the last argument of the `set_config` just read is anything but plainly `true`.
    fn set_config_outlives(&self) -> bool {
        let mut ahead = self.lexer.clone();
        let mut depth = 0u32;
        let mut after_comma = false;
        let mut ends_in_true = false;
        for _ in 0..ARGUMENTS_MAX {
            let Some(token) = ahead.next() else { break };
            match token.kind {
                Kind::Punct(b'(') => depth = depth.saturating_add(1),
                Kind::Punct(b')') => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return !ends_in_true;
                    }
                }
                // A name that is not called: nothing happens.
                _ if depth == 0 => return false,
                _ => {}
            }
            // `not true` is not `true`, so the comma must stand right before it.
            ends_in_true = after_comma && depth == 1 && is(ahead.text(token), b"true");
            after_comma = token.kind == Kind::Punct(b',');
        }
        true
    }

    fn push(&mut self, statement: Statement) {
        if statement != Statement::Other || self.found.last() != Some(&Statement::Other) {
            self.found.push(statement);
        }
    }

    /// Lists what the whole of a statement tells.
    fn conclude(&mut self, one: &One<'_>) {
        let first = first_word(one);
        let found = match one.word(first).to_ascii_lowercase().as_slice() {
            b"begin" | b"start" => Statement::Begin,
            b"commit" | b"end" if one.is(first + 1, b"prepared") => Statement::Other,
            b"rollback" if one.is(first + 1, b"prepared") => Statement::Other,
            b"commit" | b"end" => return self.end(one, first, Statement::Commit),
            b"rollback" | b"abort" if goes_back_to(one, first) => Statement::RollbackTo,
            b"rollback" | b"abort" => return self.end(one, first, Statement::Rollback),
            b"savepoint" => Statement::Savepoint,
            b"release" => Statement::Release,
            b"set" => {
                for found in set::set(one, first + 1) {
                    self.push(found);
                }
                return;
            }
            b"reset" => set::reset(one, first + 1),
            b"discard" => match one.word(first + 1).to_ascii_lowercase().as_slice() {
                b"all" => Statement::DiscardAll,
                b"temp" | b"temporary" => Statement::DiscardTemp,
                _ => Statement::DiscardOther,
            },
            b"listen" => one
                .name(first + 1)
                .map_or(NO_NAME, |channel| Statement::Listen { channel }),
            b"unlisten" if one.punct(first + 1) == Some(b'*') => {
                Statement::Unlisten(UnlistenTarget::All)
            }
            b"unlisten" => one.name(first + 1).map_or(Statement::Other, |channel| {
                Statement::Unlisten(UnlistenTarget::Channel(channel))
            }),
            b"prepare" if one.is(first + 1, b"transaction") && !one.is(first + 2, b"as") => {
                Statement::Commit
            }
            b"prepare" => one
                .name(first + 1)
                .map_or(NO_NAME, |name| Statement::Prepare { name }),
            b"execute" => one
                .name(first + 1)
                .map_or(NO_NAME, |name| Statement::Execute { name }),
            b"deallocate" => {
                let at = first
                    + 1
                    + usize::from(one.is(first + 1, b"prepare") && one.head.len() > first + 2);
                if one.is(at, b"all") {
                    Statement::Deallocate(DeallocateTarget::All)
                } else {
                    one.name(at).map_or(Statement::Other, |name| {
                        Statement::Deallocate(DeallocateTarget::Name(name))
                    })
                }
            }
            b"declare" => {
                let cursor = (first..one.head.len()).find(|i| one.is(*i, b"cursor"));
                let hold = cursor.is_some_and(|i| one.is(i + 1, b"with") && one.is(i + 2, b"hold"));
                one.name(first + 1)
                    .map_or(NO_NAME, |name| Statement::DeclareCursor { name, hold })
            }
            b"close" if one.is(first + 1, b"all") => Statement::CloseCursor(CursorTarget::All),
            b"close" => one.name(first + 1).map_or(Statement::Other, |name| {
                Statement::CloseCursor(CursorTarget::Name(name))
            }),
            b"create" if creates_temp(one, first) => Statement::CreateTemp,
            b"load" => Statement::Load,
            b"copy" => Statement::Copy,
            _ => Statement::Other,
        };
        if found != Statement::Other || !one.listed {
            self.push(found);
        }
    }

    /// COMMIT or ROLLBACK, perhaps AND CHAIN.
    fn end(&mut self, one: &One<'_>, first: usize, how: Statement) {
        self.push(how);
        let chain = (first..one.head.len()).any(|i| one.is(i, b"and") && one.is(i + 1, b"chain"));
        if chain {
            self.push(Statement::Begin);
        }
    }
}

/// Where the statement that matters begins: behind EXPLAIN and its options.
fn first_word(one: &One<'_>) -> usize {
    if !one.is(0, b"explain") {
        return 0;
    }
    if one.punct(1) == Some(b'(') {
        let close = (1..one.head.len()).find(|i| one.punct(*i) == Some(b')'));
        return close.map_or(0, |i| i + 1);
    }
    (1..)
        .find(|i| !(one.is(*i, b"analyze") || one.is(*i, b"analyse") || one.is(*i, b"verbose")))
        .unwrap_or(0)
}

/// The word before an INTO that names a table to write to, which may well be called `temp`.
fn writes(before_into: &[u8]) -> bool {
    is(before_into, b"insert") || is(before_into, b"merge")
}

fn goes_back_to(one: &One<'_>, first: usize) -> bool {
    let at = first + 1;
    one.is(at, b"to")
        || (one.is(at, b"work") || one.is(at, b"transaction")) && one.is(at + 1, b"to")
}

/// CREATE [OR REPLACE] [LOCAL | GLOBAL] TEMP …, or a name in `pg_temp`, unless the transaction's
/// end drops it.
fn creates_temp(one: &One<'_>, first: usize) -> bool {
    let mut at = first + 1;
    if one.is(at, b"or") && one.is(at + 1, b"replace") {
        at += 2;
    }
    if one.is(at, b"local") || one.is(at, b"global") {
        at += 1;
    }
    (is_temp(one.word(at)) || one.pg_temp) && !one.on_commit_drop
}

fn advisory(name: &[u8]) -> Option<Statement> {
    match name.to_ascii_lowercase().as_slice() {
        b"pg_advisory_unlock_all" => Some(Statement::AdvisoryUnlockAll),
        b"pg_advisory_unlock" | b"pg_advisory_unlock_shared" => Some(Statement::AdvisoryUnlock),
        b"pg_advisory_lock"
        | b"pg_advisory_lock_shared"
        | b"pg_try_advisory_lock"
        | b"pg_try_advisory_lock_shared" => Some(Statement::AdvisoryLock),
        // The `_xact_` ones are the transaction's own.
        _ => None,
    }
}
