//! What the engine keeps about a statement's text: its shape, for whom it was sent, and what it
//! would do to its session.

use std::sync::Arc;

use weir_model::{Fingerprint, Pin, UserTag};
use weir_wire::sql::{self, CursorTarget, DeallocateTarget, Statement as Sql, UnlistenTarget};

/// What a statement does to its session, if it succeeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// SET: the name, and the statement that does it again.
    Set {
        name: Arc<str>,
        sql: Arc<str>,
    },
    Reset(Arc<str>),
    ResetAll,
    DiscardAll,
    DiscardTemp,
    RollbackTo,
    Listen(String),
    Unlisten(UnlistenTarget),
    Prepare(String),
    Deallocate(DeallocateTarget),
    HoldCursor(String),
    CloseCursor(CursorTarget),
    AdvisoryLock,
    AdvisoryUnlock,
    AdvisoryUnlockAll,
    /// What is never undone.
    Pin(Pin),
}

impl Change {
    fn of(statement: &Sql) -> Option<Change> {
        Some(match statement {
            Sql::Set { local: true, .. } => return None,
            Sql::Set { name, .. } => Change::Set {
                name: name.as_str().into(),
                sql: statement.replay()?.into(),
            },
            Sql::Reset { name } => Change::Reset(name.as_str().into()),
            Sql::ResetAll => Change::ResetAll,
            Sql::DiscardAll => Change::DiscardAll,
            Sql::DiscardTemp => Change::DiscardTemp,
            Sql::RollbackTo => Change::RollbackTo,
            Sql::Listen { channel } => Change::Listen(channel.clone()),
            Sql::Unlisten(target) => Change::Unlisten(target.clone()),
            Sql::Prepare { name } => Change::Prepare(name.clone()),
            Sql::Deallocate(target) => Change::Deallocate(target.clone()),
            Sql::DeclareCursor { name, hold: true } => Change::HoldCursor(name.clone()),
            Sql::CloseCursor(target) => Change::CloseCursor(target.clone()),
            Sql::CreateTemp | Sql::SelectIntoTemp => Change::Pin(Pin::TemporaryObject),
            Sql::AdvisoryLock => Change::AdvisoryLock,
            Sql::AdvisoryUnlock => Change::AdvisoryUnlock,
            Sql::AdvisoryUnlockAll => Change::AdvisoryUnlockAll,
            Sql::SetConfig | Sql::Unfollowed { .. } => Change::Pin(Pin::SessionSetting),
            Sql::Load => Change::Pin(Pin::Backend),
            Sql::DeclareCursor { hold: false, .. }
            | Sql::Begin
            | Sql::Commit
            | Sql::Rollback
            | Sql::Savepoint
            | Sql::Release
            | Sql::Execute { .. }
            | Sql::DiscardOther
            | Sql::Copy
            | Sql::Other => return None,
        })
    }

    /// Whether a command tag can be the answer to the statement that does this. Statements of one
    /// query answer in order, so the first fitting tag is taken; at worst a pin comes early.
    pub(crate) fn fits(&self, tag: &[u8]) -> bool {
        let expected: &[&[u8]] = match self {
            Self::Set { .. } => &[b"SET"],
            // `SET x TO DEFAULT` is a RESET that answers SET.
            Self::Reset(_) => &[b"RESET", b"SET"],
            Self::ResetAll => &[b"RESET"],
            Self::DiscardAll => &[b"DISCARD ALL"],
            Self::DiscardTemp => &[b"DISCARD TEMP"],
            Self::RollbackTo => &[b"ROLLBACK"],
            Self::Listen(_) => &[b"LISTEN"],
            Self::Unlisten(_) => &[b"UNLISTEN"],
            Self::Prepare(_) => &[b"PREPARE"],
            Self::Deallocate(_) => &[b"DEALLOCATE"],
            Self::HoldCursor(_) => &[b"DECLARE"],
            Self::CloseCursor(_) => &[b"CLOSE"],
            // Inside SELECT, CREATE TABLE AS, DO, CALL, and whatever else calls functions.
            Self::AdvisoryLock | Self::AdvisoryUnlock | Self::AdvisoryUnlockAll | Self::Pin(_) => {
                return true;
            }
        };
        expected.iter().any(|prefix| tag.starts_with(prefix))
    }
}

/// A statement, as far as the engine remembers it. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) user: UserTag,
    /// `None`: nothing that outlives its transaction. Nearly always.
    pub(crate) changes: Option<Arc<[Change]>>,
}

/// Reads a query's text.
pub(crate) fn read(text: &[u8], user_key: &str) -> Info {
    let scan = sql::scan(text, user_key.as_bytes());
    let changes = if scan.plain {
        None
    } else {
        let changes: Vec<Change> = sql::classify(text).iter().filter_map(Change::of).collect();
        (!changes.is_empty()).then(|| changes.into())
    };
    Info {
        fingerprint: Fingerprint(scan.fingerprint),
        user: UserTag(scan.user_tag),
        changes,
    }
}
