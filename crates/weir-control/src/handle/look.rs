//! What the rim is given to look at beside the pools themselves: looks back, who waits for whom,
//! statements, sensors, what was changed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use weir_model::{Fingerprint, Instant, PoolId, PoolKey, ServerRow, Wall};

use super::OperatorOrder;
use crate::record::window::StatementWindow;
use crate::sense::view::ServerView;

/// From point to point of a [`Spark`].
pub const SPARK_STEP: Duration = Duration::from_secs(5);
/// Points of a [`Spark`]; the oldest go.
pub const SPARK_POINTS: usize = 60;

/// A pool's last five minutes, for a line beside its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spark {
    /// End of the newest point.
    pub to: Instant,
    /// Oldest first, [`SPARK_STEP`] apart, at most [`SPARK_POINTS`]. `None`: nothing was measured.
    pub points: VecDeque<Option<SparkPoint>>,
}

/// One point of a [`Spark`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SparkPoint {
    /// 99th percentile of waits that ended.
    pub wait_p99: Duration,
    /// Most that waited.
    pub waiting: u32,
    /// Servers linked to a client, mean.
    pub busy: f64,
}

impl Spark {
    /// Adds the newest.
    pub(crate) fn push(&mut self, to: Instant, point: Option<SparkPoint>) {
        self.to = to;
        self.points.push_back(point);
        while self.points.len() > SPARK_POINTS {
            self.points.pop_front();
        }
    }
}

/// How the looks at one server go.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensor {
    /// Which server section.
    pub server: String,
    /// The last look succeeded.
    pub ok: bool,
    /// `ok`, or what is wrong.
    pub says: String,
    /// The last that succeeded.
    pub looked_at: Option<Instant>,
    /// How long it took.
    pub took: Option<Duration>,
    /// Looks, however they went.
    pub looks: u64,
    /// Of these, those that didn't come back in time.
    pub late: u64,
    /// Of these, those that failed otherwise.
    pub failed: u64,
    /// The watch role may see everybody.
    pub sees_all: bool,
}

/// What kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// An operator's order.
    Order,
    /// The regulator's mode.
    Regulator,
    /// The configuration was read again.
    Reload,
}

impl ChangeKind {
    /// The name that every surface uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Regulator => "regulator",
            Self::Reload => "reload",
        }
    }
}

/// Something that a person changed while Weir ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// When.
    pub at: Wall,
    /// Who.
    pub by: String,
    /// What kind.
    pub kind: ChangeKind,
    /// What.
    pub says: String,
    /// How to take it back, where it can be.
    pub undo: Option<String>,
}

/// Who waits for whom, as of one instant.
#[derive(Clone, Debug, Default)]
pub struct WaitsLook {
    /// The last look at each server; none: PostgreSQL wasn't looked at.
    pub views: Vec<ServerView>,
    /// Weir's servers with their clients; `None`: not known of that instant.
    pub servers: Option<Vec<ServerRow>>,
    /// Texts of the statements that they carry.
    pub texts: HashMap<Fingerprint, Arc<str>>,
}

/// One statement of one pool: now, and before.
#[derive(Clone, Debug)]
pub struct StatementRow {
    /// Whose.
    pub key: PoolKey,
    /// In the stretch asked for.
    pub now: StatementWindow,
    /// In the stretch before it; `None`: it didn't occur.
    pub before: Option<StatementWindow>,
}

/// Statements between two instants, as far as memory reaches.
#[derive(Clone, Debug)]
pub struct StatementsLook {
    /// Begin, drawn in to what is held.
    pub from: Wall,
    /// End.
    pub to: Wall,
    /// The stretch before it.
    pub before: (Wall, Wall),
    /// Of all pools asked for, in no order.
    pub rows: Vec<StatementRow>,
}

/// How far back looks reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Begin of the oldest stored minute.
    pub minutes_from: Option<Wall>,
    /// End of the newest stored minute.
    pub minutes_to: Option<Wall>,
    /// Begin of what is held at full resolution.
    pub samples_from: Option<Wall>,
    /// Now.
    pub latest: Wall,
    /// Changes of size that the regulator made or recommended, oldest first, at most 1,000.
    pub decisions: Vec<PastDecision>,
}

/// A decision that changed a size, as far as a marker needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastDecision {
    /// When.
    pub at: Wall,
    /// `database/user`.
    pub pool: String,
    /// `grow 10 → 18`.
    pub says: String,
    /// Who approved it; empty for the regulator itself.
    pub by: String,
}

/// What an order would do.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreseen {
    /// What is done, in one sentence.
    pub says: String,
    /// What comes of it.
    pub expected: String,
    /// The order that takes it back.
    pub undo: Option<OperatorOrder>,
    /// How to take it back, for people.
    pub undo_says: String,
    /// The pool that it is about, where it is one.
    pub pool: Option<PoolId>,
}
