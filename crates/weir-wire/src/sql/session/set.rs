//! SET and RESET in all their forms.

use super::{NO_NAME, One, Statement, is};

/// What a SET does; `at` is the token behind the word. SET SESSION CHARACTERISTICS does several
/// things at once.
pub(super) fn set(one: &One<'_>, at: usize) -> Vec<Statement> {
    let (local, at) = scope(one, at);
    if one.is(at, b"session") && one.is(at + 1, b"characteristics") {
        return characteristics(one, at + 2);
    }
    vec![match one.word(at).to_ascii_lowercase().as_slice() {
        // Over with the transaction.
        b"transaction" | b"constraints" => Statement::Other,
        b"session" if one.is(at + 1, b"authorization") => {
            to(one, "session_authorization".to_owned(), at + 2, local)
        }
        b"time" if one.is(at + 1, b"zone") => to(one, "timezone".to_owned(), at + 2, local),
        b"role" if !assigns(one, at + 1) => to(one, "role".to_owned(), at + 1, local),
        b"names" if one.head.len() == at + 1 => reset_to_default("client_encoding", local),
        b"names" if !assigns(one, at + 1) => to(one, "client_encoding".to_owned(), at + 1, local),
        b"schema" if !assigns(one, at + 1) => to(one, "search_path".to_owned(), at + 1, local),
        b"xml" if one.is(at + 1, b"option") => to(one, "xmloption".to_owned(), at + 2, local),
        _ => match setting_name(one, at) {
            Some((name, after)) if assigns(one, after) => to(one, name, after + 1, local),
            Some(_) => Statement::Other, // not SQL; the server will say so
            None => NO_NAME,
        },
    }]
}

/// What a RESET does; `at` is the token behind the word.
pub(super) fn reset(one: &One<'_>, at: usize) -> Statement {
    let name = match one.word(at).to_ascii_lowercase().as_slice() {
        b"all" => return Statement::ResetAll,
        b"transaction" => return Statement::Other,
        b"session" if one.is(at + 1, b"authorization") => "session_authorization".to_owned(),
        b"time" if one.is(at + 1, b"zone") => "timezone".to_owned(),
        _ => match setting_name(one, at) {
            Some((name, _)) => name,
            None => return NO_NAME,
        },
    };
    Statement::Reset { name }
}

/// LOCAL or SESSION in front of a setting, if it isn't the beginning of something else.
fn scope(one: &One<'_>, at: usize) -> (bool, usize) {
    let word = one.word(at);
    let next = at + 1;
    if assigns(one, next) || one.punct(next) == Some(b'.') {
        return (false, at);
    }
    if is(word, b"local") {
        return (true, next);
    }
    let other_form = one.is(next, b"authorization") || one.is(next, b"characteristics");
    if is(word, b"session") && !other_form {
        return (false, next);
    }
    (false, at)
}

fn assigns(one: &One<'_>, at: usize) -> bool {
    one.punct(at) == Some(b'=') || one.is(at, b"to")
}

/// `a` or `a.b.c`, in lower case as settings are compared, and the token behind it.
fn setting_name(one: &One<'_>, mut at: usize) -> Option<(String, usize)> {
    let mut name = one.name(at)?.to_ascii_lowercase();
    at += 1;
    while one.punct(at) == Some(b'.') {
        name.push('.');
        name.push_str(&one.name(at + 1)?.to_ascii_lowercase());
        at += 2;
    }
    Some((name, at))
}

fn reset_to_default(name: &str, local: bool) -> Statement {
    let name = name.to_owned();
    if local {
        Statement::Set {
            name,
            value: "DEFAULT".to_owned(),
            local,
        }
    } else {
        Statement::Reset { name }
    }
}

/// A setting gets the value that begins at a token.
fn to(one: &One<'_>, name: String, at: usize, local: bool) -> Statement {
    let Some(value) = one.text_from(at) else {
        // Nothing there: not SQL, the server will say so. Not UTF-8: can't be replayed faithfully.
        return if one.head.len() > at {
            Statement::Unfollowed {
                what: "a setting whose value is not UTF-8",
            }
        } else {
            Statement::Other
        };
    };
    if value.eq_ignore_ascii_case("default") {
        return reset_to_default(&name, local);
    }
    match name.as_str() {
        // Not settings of the session but of the transaction, whatever way they are written.
        "transaction_isolation" | "transaction_read_only" | "transaction_deferrable" => {
            Statement::Other
        }
        // With it off a backslash hides a quote, and what is told here from tokens may be wrong.
        "standard_conforming_strings" if !is_on(value) => Statement::Unfollowed {
            what: "standard_conforming_strings is off",
        },
        _ => Statement::Set {
            name,
            value: value.to_owned(),
            local,
        },
    }
}

fn is_on(value: &str) -> bool {
    let value = value.trim_matches('\'');
    ["on", "true", "1", "yes", "t", "y"]
        .iter()
        .any(|on| value.eq_ignore_ascii_case(on))
}

/// SET SESSION CHARACTERISTICS AS TRANSACTION modes: the defaults of transactions to come.
fn characteristics(one: &One<'_>, from: usize) -> Vec<Statement> {
    let mut found = Vec::new();
    let mut default = |name: &str, value: &str| {
        found.push(Statement::Set {
            name: format!("default_transaction_{name}"),
            value: value.to_owned(),
            local: false,
        });
    };
    let mut at = from;
    while at < one.head.len() {
        let [a, b, c] = [0, 1, 2].map(|i| one.word(at + i));
        if is(a, b"level") {
            if is(b, b"serializable") {
                default("isolation", "'serializable'");
                at += 1;
            } else if is(b, b"repeatable") {
                default("isolation", "'repeatable read'");
                at += 2;
            } else if is(b, b"read") && is(c, b"committed") {
                default("isolation", "'read committed'");
                at += 2;
            } else if is(b, b"read") {
                default("isolation", "'read uncommitted'");
                at += 2;
            }
        } else if is(a, b"read") {
            default("read_only", if is(b, b"only") { "on" } else { "off" });
            at += 1;
        } else if is(a, b"not") {
            default("deferrable", "off");
            at += 1;
        } else if is(a, b"deferrable") {
            default("deferrable", "on");
        }
        at += 1;
    }
    if found.is_empty() {
        found.push(Statement::Other);
    }
    found
}
