//! What does a statement do to the session?

/// What a statement does, as far as a pooler must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END; also PREPARE TRANSACTION, which ends it for this session.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
    /// SAVEPOINT.
    Savepoint,
    /// RELEASE SAVEPOINT.
    Release,
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo,
    /// SET. [`Statement::replay`] writes it again.
    Set {
        /// The setting in lower case, `a.b` for an extension's; special forms by the setting they
        /// change: `SET TIME ZONE` is `timezone`, `SET ROLE` is `role`.
        name: String,
        /// As written, literals with their quotes.
        value: String,
        /// SET LOCAL: over with the transaction.
        local: bool,
    },
    /// RESET name, or SET name TO DEFAULT.
    Reset {
        /// The setting in lower case.
        name: String,
    },
    /// RESET ALL.
    ResetAll,
    /// DISCARD ALL.
    DiscardAll,
    /// DISCARD PLANS, SEQUENCES.
    DiscardOther,
    /// DISCARD TEMP.
    DiscardTemp,
    /// LISTEN.
    Listen {
        /// The channel, folded as PostgreSQL folds it.
        channel: String,
    },
    /// UNLISTEN.
    Unlisten(UnlistenTarget),
    /// PREPARE name AS.
    Prepare {
        /// The statement's name, folded.
        name: String,
    },
    /// EXECUTE name.
    Execute {
        /// The statement's name, folded.
        name: String,
    },
    /// DEALLOCATE.
    Deallocate(DeallocateTarget),
    /// DECLARE CURSOR.
    DeclareCursor {
        /// The cursor's name, folded.
        name: String,
        /// WITH HOLD: it outlives the transaction.
        hold: bool,
    },
    /// CLOSE.
    CloseCursor(CursorTarget),
    /// CREATE TEMPORARY TABLE, SEQUENCE or VIEW, also AS SELECT.
    CreateTemp,
    /// SELECT … INTO TEMPORARY.
    SelectIntoTemp,
    /// A session advisory lock is taken: `pg_advisory_lock`, `pg_try_advisory_lock` and their
    /// shared forms.
    AdvisoryLock,
    /// One is given back.
    AdvisoryUnlock,
    /// All are given back.
    AdvisoryUnlockAll,
    /// `set_config(…)` whose last argument is not plainly `true`.
    SetConfig,
    /// LOAD.
    Load,
    /// COPY.
    Copy,
    /// It changes the session in a way that is not followed, for the reason given.
    Unfollowed {
        /// Why.
        what: &'static str,
    },
    /// Nothing a pooler must know. Several in a row are listed once.
    Other,
}

/// What UNLISTEN names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnlistenTarget {
    /// `*`.
    All,
    /// A channel.
    Channel(String),
}

/// What DEALLOCATE names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeallocateTarget {
    /// ALL.
    All,
    /// A statement.
    Name(String),
}

/// What CLOSE names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CursorTarget {
    /// ALL.
    All,
    /// A cursor.
    Name(String),
}

impl Statement {
    /// SQL that sets again what [`Statement::Set`] or [`Statement::Reset`] set; `None` for all
    /// others.
    pub fn replay(&self) -> Option<String> {
        match self {
            Self::Set { name, value, .. } => Some(replay_set(name, value)),
            Self::Reset { name } => Some(format!("RESET {}", quote_name(name))),
            _ => None,
        }
    }
}

/// SQL that sets `name` to a value as [`Statement::Set`] holds it.
pub fn replay_set(name: &str, value: &str) -> String {
    match name {
        // The only form that takes INTERVAL and LOCAL.
        "timezone" => format!("SET TIME ZONE {value}"),
        _ => format!("SET {} TO {value}", quote_name(name)),
    }
}

/// A setting's name as SQL. `"a.b"` in quotes means the same setting as `a.b`.
fn quote_name(name: &str) -> String {
    let simple = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if simple {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}
