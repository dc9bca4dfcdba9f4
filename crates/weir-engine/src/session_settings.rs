//! What a session is like: the settings a client asked for, and what a server reports.
//!
//! Both are shared values: thousands of clients have a handful of different ones, and "is this
//! server as my client needs it" is nearly always one comparison of pointers.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// Settings a session may have before following them costs more than pinning.
pub(crate) const SETTINGS_MAX: usize = 64;
/// Their texts together.
pub(crate) const SETTINGS_BYTES_MAX: usize = 16 * 1024;

/// How a setting was made, and therefore how it is made again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    /// By this very statement: `SET search_path TO a, "B"`.
    Statement(Arc<str>),
    /// By a value as SHOW prints it: from a startup packet, or `set_config` with literals.
    Text(Arc<str>),
}

impl Value {
    fn len(&self) -> usize {
        match self {
            Self::Statement(text) | Self::Text(text) => text.len(),
        }
    }
}

/// Settings beyond the server's own defaults, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Session {
    settings: Vec<(Arc<str>, Value)>,
}

/// Settings that change who acts: set last and taken back first, because the others may need the
/// rights of the login user.
fn is_identity(name: &str) -> bool {
    name == "role" || name == "session_authorization"
}

impl Session {
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.settings
            .iter()
            .find(|(n, _)| &**n == name)
            .map(|(_, value)| value)
    }

    pub(crate) fn set(&mut self, name: Arc<str>, value: Value) {
        match self.settings.binary_search_by(|(n, _)| n.cmp(&name)) {
            Ok(at) => self.settings[at].1 = value,
            Err(at) => self.settings.insert(at, (name, value)),
        }
    }

    pub(crate) fn reset(&mut self, name: &str) {
        self.settings.retain(|(n, _)| &**n != name);
    }

    /// RESET ALL: who acts stays.
    pub(crate) fn reset_all(&mut self) {
        self.settings.retain(|(n, _)| is_identity(n));
    }

    pub(crate) fn is_within_bounds(&self) -> bool {
        self.settings.len() <= SETTINGS_MAX
            && self
                .settings
                .iter()
                .map(|(n, v)| n.len() + v.len())
                .sum::<usize>()
                <= SETTINGS_BYTES_MAX
    }

    /// What turns a server in state `self` into one in state `wanted`; empty if nothing does.
    pub(crate) fn replay(&self, wanted: &Session) -> String {
        let mut sql = String::new();
        let mut who_changed = false;
        for (name, value) in self.settings.iter().rev() {
            if is_identity(name) && wanted.get(name) != Some(value) {
                push_reset(&mut sql, name);
                who_changed = true;
            }
        }
        for (name, _) in &self.settings {
            if !is_identity(name) && wanted.get(name).is_none() {
                push_reset(&mut sql, name);
            }
        }
        for (name, value) in &wanted.settings {
            if !is_identity(name) && self.get(name) != Some(value) {
                push_set(&mut sql, name, value);
            }
        }
        // `session_authorization` before `role`: setting the former resets the latter.
        for who in ["session_authorization", "role"] {
            if let Some(value) = wanted.get(who)
                && (who_changed || self.get(who) != Some(value))
            {
                who_changed = true;
                push_set(&mut sql, who, value);
            }
        }
        sql
    }
}

fn push_reset(sql: &mut String, name: &str) {
    sql.push_str("RESET ");
    for (i, part) in name.split('.').enumerate() {
        if i > 0 {
            sql.push('.');
        }
        sql.push('"');
        sql.push_str(&part.replace('"', "\"\""));
        sql.push('"');
    }
    sql.push(';');
}

fn push_set(sql: &mut String, name: &str, value: &Value) {
    match value {
        Value::Statement(text) => {
            sql.push_str(text);
            // A line of its own: the statement may end in a `--` comment.
            sql.push_str("\n;");
        }
        Value::Text(text) => {
            sql.push_str("SELECT pg_catalog.set_config(");
            push_literal(sql, name);
            sql.push(',');
            push_literal(sql, text);
            sql.push_str(",false);");
        }
    }
}

/// Settings under which a text means the same, so that clients that differ in them share prepared
/// statements. All others tell: `search_path` and `role` of course, but PostgreSQL's parser also
/// reads literals (`TimeZone`, `DateStyle`).
const TELL_NOTHING: [&str; 12] = [
    "application_name",
    "client_min_messages",
    "effective_cache_size",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "lock_timeout",
    "maintenance_work_mem",
    "random_page_cost",
    "statement_timeout",
    "synchronous_commit",
    "work_mem",
];

impl Interner<Session> {
    /// The part of a session that a statement's meaning depends on.
    pub(crate) fn meaning(&mut self, session: &Arc<Session>) -> Arc<Session> {
        let tells = |name: &str| !TELL_NOTHING.contains(&name);
        if session.settings.iter().all(|(name, _)| tells(name)) {
            return Arc::clone(session);
        }
        let mut meaning = (**session).clone();
        meaning.settings.retain(|(name, _)| tells(name));
        self.intern(meaning)
    }
}

/// A string literal that means the same whatever `standard_conforming_strings` is.
fn push_literal(sql: &mut String, text: &str) {
    sql.push_str(" E'");
    for c in text.chars() {
        match c {
            '\'' => sql.push_str("''"),
            '\\' => sql.push_str("\\\\"),
            c => sql.push(c),
        }
    }
    sql.push('\'');
}

/// Name and value, in the server's encoding.
pub(crate) type Param = (Box<[u8]>, Box<[u8]>);

/// What a server reports of itself (ParameterStatus), in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Params {
    pub(crate) entries: Vec<Param>,
}

/// Parameters kept per server; PostgreSQL 18 reports 15.
const PARAMS_MAX: usize = 64;

impl Params {
    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.entries
            .iter()
            .find(|(n, _)| **n == *name)
            .map(|(_, value)| &**value)
    }

    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) {
        if let Some(entry) = self.entries.iter_mut().find(|(n, _)| **n == *name) {
            entry.1 = value.into();
        } else if self.entries.len() < PARAMS_MAX {
            self.entries.push((name.into(), value.into()));
        }
    }
}

/// Keeps one copy of equal values. Forgets those that nobody holds once it has grown.
pub(crate) struct Interner<T> {
    known: HashSet<Arc<T>>,
    prune_at: usize,
}

impl<T: Hash + Eq> Interner<T> {
    pub(crate) fn new() -> Self {
        Self {
            known: HashSet::new(),
            prune_at: 256,
        }
    }

    pub(crate) fn intern(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.known.get(&value) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.prune_at {
            self.known.retain(|v| Arc::strong_count(v) > 1);
            self.prune_at = (self.known.len() * 2).max(256);
        }
        let value = Arc::new(value);
        self.known.insert(Arc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(of: &[(&str, &str)]) -> Session {
        let mut s = Session::default();
        for (name, value) in of {
            s.set((*name).into(), Value::Text((*value).into()));
        }
        s
    }

    #[test]
    fn equal_sessions_need_no_replay() {
        let a = session(&[("b", "1"), ("a", "2")]);
        assert_eq!(a.replay(&session(&[("a", "2"), ("b", "1")])), "");
    }

    #[test]
    fn what_the_client_never_set_is_reset_and_what_differs_is_set() {
        let server = session(&[("work_mem", "1MB"), ("app.user", "7")]);
        let client = session(&[("work_mem", "2MB")]);
        assert_eq!(
            server.replay(&client),
            "RESET \"app\".\"user\";SELECT pg_catalog.set_config( E'work_mem', E'2MB',false);"
        );
    }

    #[test]
    fn the_role_is_taken_back_first_and_set_last() {
        let server = session(&[("role", "bob")]);
        let client = session(&[("role", "ann"), ("work_mem", "2MB")]);
        assert_eq!(
            server.replay(&client),
            "RESET \"role\";SELECT pg_catalog.set_config( E'work_mem', E'2MB',false);\
             SELECT pg_catalog.set_config( E'role', E'ann',false);"
        );
    }

    #[test]
    fn a_value_can_not_leave_its_quotes() {
        let client = session(&[("application_name", "x'; DROP TABLE t; --\\'")]);
        assert_eq!(
            Session::default().replay(&client),
            "SELECT pg_catalog.set_config( E'application_name', E'x''; DROP TABLE t; --\\\\''',false);"
        );
    }
}
