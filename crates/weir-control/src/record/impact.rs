//! Who was hurt: transactions folded into cells by the second in which they *arrived*.
//!
//! A transaction that arrived at 12:00:03 and gave up at 12:02:03 was hurt at 12:00:03; counting
//! it where it ended would move the onset of every incident to its end.
//!
//! # What holds
//! - Counts of distinct clients and users are exact while all cells together hold fewer than
//!   [`IDS_MAX`] identities. Then the oldest seconds are folded into cells of a minute (still exact
//!   for windows that begin on a whole minute); where even that doesn't help, identities are no
//!   longer added and [`ImpactWindow::events_lost`] counts them: the numbers are then lower bounds.
//! - For every identity a cell keeps the worst wait, so "affected" is exact for any objective.
//! - The number of delayed transactions and the first hurt are exact for the objective given to
//!   [`super::Recorder::set_objective`]; for another they come from the wait histogram, whose buckets
//!   are a quarter of a power of two wide, and to the second.
//! - A window takes every cell that it touches: its begin is rounded down to the second.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use weir_model::{Histogram, Instant, Transaction, UserTag};

use super::window::ImpactWindow;

/// Identities (a client or a user in one cell) that all pools' cells hold at most, in equal parts;
/// some 32 MiB.
pub const IDS_MAX: usize = 1_000_000;
/// What is left of [`IDS_MAX`] for each of very many pools.
const IDS_MIN: usize = 1_000;

const NANOS_PER_S: u64 = 1_000_000_000;
const SLOTS: usize = 10;
const SLOT_NANOS: u64 = NANOS_PER_S / SLOTS as u64;
const NEVER: u64 = u64::MAX;
/// Seconds older than this are folded into minutes: a busy second costs half a KiB even where few
/// identities were in it.
const FOLD_AFTER_S: u64 = 3_600;

/// The worst that happened to one client or user.
#[derive(Clone, Copy, Debug, Default)]
struct Worst {
    /// Microseconds, rounded up, so that "longer than the objective" stays exact at its edge.
    wait_us: u32,
    failed: bool,
}

impl Worst {
    fn add(&mut self, other: Worst) {
        self.wait_us = self.wait_us.max(other.wait_us);
        self.failed |= other.failed;
    }

    fn hurt(self, objective_us: u32) -> bool {
        self.failed || self.wait_us > objective_us
    }
}

#[derive(Debug)]
struct Cell {
    /// How many seconds it spans: 1, or 60 once folded.
    seconds: u64,
    transactions: u64,
    failed: u64,
    delayed: u64,
    /// The objective that `delayed` and `first_hurt` were counted with.
    objective_us: u32,
    waits: Histogram,
    /// Arrival of the first hurt transaction of each 100 ms, in nanoseconds since zero. Folded cells keep
    /// only the first of all.
    first_hurt: [u64; SLOTS],
    clients: HashMap<u64, Worst>,
    users: HashMap<u64, Worst>,
}

impl Cell {
    fn new(objective_us: u32) -> Self {
        Self {
            seconds: 1,
            transactions: 0,
            failed: 0,
            delayed: 0,
            objective_us,
            waits: Histogram::default(),
            first_hurt: [NEVER; SLOTS],
            clients: HashMap::new(),
            users: HashMap::new(),
        }
    }

    fn ids(&self) -> usize {
        self.clients.len() + self.users.len()
    }

    fn delayed(&self, objective: Duration) -> u64 {
        if self.objective_us == micros(objective) {
            self.delayed
        } else {
            self.waits.count_at_least(objective)
        }
    }

    fn fold_in(&mut self, other: Cell) {
        self.transactions += other.transactions;
        self.failed += other.failed;
        self.delayed += other.delayed;
        self.waits.add(&other.waits);
        let first = |slots: &[u64; SLOTS]| slots.iter().copied().min().unwrap_or(NEVER);
        let earliest = first(&self.first_hurt).min(first(&other.first_hurt));
        self.first_hurt = [NEVER; SLOTS];
        self.first_hurt[0] = earliest;
        for (id, worst) in other.clients {
            self.clients.entry(id).or_default().add(worst);
        }
        for (id, worst) in other.users {
            self.users.entry(id).or_default().add(worst);
        }
    }
}

/// Microseconds rounded up, stopping at some 71 minutes.
fn micros(d: Duration) -> u32 {
    u32::try_from(d.as_nanos().div_ceil(1_000)).unwrap_or(u32::MAX)
}

/// One pool's cells.
#[derive(Debug)]
pub(super) struct ImpactLog {
    cells: BTreeMap<u64, Cell>,
    objective: Duration,
    ids: usize,
    ids_max: usize,
    /// The second in which folding was last tried: once a second is often enough.
    folded_at: u64,
    uncounted: BTreeMap<u64, u64>,
}

impl ImpactLog {
    pub(super) fn new(objective: Duration, ids_max: usize) -> Self {
        Self {
            cells: BTreeMap::new(),
            objective,
            ids: 0,
            ids_max,
            folded_at: 0,
            uncounted: BTreeMap::new(),
        }
    }

    pub(super) fn set_objective(&mut self, objective: Duration) {
        self.objective = objective;
    }

    /// The pool's part of [`IDS_MAX`] where there are so many pools.
    pub(super) fn share(&mut self, pools: usize) {
        self.ids_max = (IDS_MAX / pools.max(1)).max(IDS_MIN);
    }

    pub(super) fn add(&mut self, t: &Transaction) {
        let arrived = t.arrived.as_nanos();
        let second = arrived / NANOS_PER_S;
        let objective_us = micros(self.objective);
        let key = self.cell_of(second).unwrap_or(second);
        let cell = self
            .cells
            .entry(key)
            .or_insert_with(|| Cell::new(objective_us));
        let worst = Worst {
            wait_us: micros(t.wait),
            failed: t.outcome.is_failure(),
        };
        cell.transactions += 1;
        cell.failed += u64::from(worst.failed);
        cell.waits.record(t.wait);
        let delayed = worst.wait_us > cell.objective_us;
        cell.delayed += u64::from(delayed);
        if delayed || worst.failed {
            let slot = if cell.seconds == 1 {
                ((arrived % NANOS_PER_S) / SLOT_NANOS) as usize
            } else {
                0
            };
            cell.first_hurt[slot] = cell.first_hurt[slot].min(arrived);
        }

        let full = self.ids >= self.ids_max;
        let before = cell.ids();
        let mut left_out = 0;
        let mut note = |ids: &mut HashMap<u64, Worst>, id: u64| match ids.get_mut(&id) {
            Some(known) => known.add(worst),
            None if full => left_out += 1,
            None => {
                ids.insert(id, worst);
            }
        };
        note(&mut cell.clients, t.client.0);
        if t.user != UserTag::NONE {
            note(&mut cell.users, t.user.0);
        }
        self.ids += cell.ids() - before;
        if left_out > 0 {
            *self.uncounted.entry(key).or_default() += 1;
        }
        if second > self.folded_at && (self.ids >= self.ids_max || second.is_multiple_of(60)) {
            self.folded_at = second;
            self.fold(second);
        }
    }

    /// The key of the existing cell that spans `second`.
    fn cell_of(&self, second: u64) -> Option<u64> {
        let (&key, cell) = self.cells.range(..=second).next_back()?;
        (second < key + cell.seconds).then_some(key)
    }

    /// Folds the oldest seconds into minutes: first those nobody looks at in detail any more, then,
    /// if there is still no room, all but the last minute.
    fn fold(&mut self, now_s: u64) {
        for keep_s in [FOLD_AFTER_S, 60] {
            self.fold_before(now_s.saturating_sub(keep_s) / 60 * 60);
            if self.ids < self.ids_max {
                return;
            }
        }
    }

    fn fold_before(&mut self, limit: u64) {
        let old: Vec<u64> = self
            .cells
            .range(..limit)
            .filter(|(_, c)| c.seconds == 1)
            .map(|(&k, _)| k)
            .collect();
        for key in old {
            let Some(cell) = self.cells.remove(&key) else {
                continue;
            };
            self.ids -= cell.ids();
            let minute = key / 60 * 60;
            let objective_us = cell.objective_us;
            // The minute's own first second is a cell under the same key; it turns into the minute.
            let target = self
                .cells
                .entry(minute)
                .or_insert_with(|| Cell::new(objective_us));
            let before = target.ids();
            target.seconds = 60;
            target.fold_in(cell);
            self.ids += target.ids() - before;
        }
    }

    /// Forgets what arrived before `limit`.
    pub(super) fn forget_before(&mut self, limit: Instant) {
        let second = limit.as_nanos() / NANOS_PER_S;
        while let Some(entry) = self.cells.first_entry() {
            if entry.key() + entry.get().seconds > second {
                break;
            }
            let key = *entry.key();
            self.ids -= entry.remove().ids();
            self.uncounted.remove(&key);
        }
    }

    fn range(&self, from: Instant, to: Instant) -> impl Iterator<Item = (&u64, &Cell)> {
        let first = from.as_nanos() / NANOS_PER_S;
        let begin = self.cell_of(first).unwrap_or(first);
        let end = to.as_nanos().div_ceil(NANOS_PER_S).max(begin);
        self.cells.range(begin..end)
    }

    pub(super) fn window(&self, from: Instant, to: Instant, objective: Duration) -> ImpactWindow {
        let objective_us = micros(objective);
        let mut out = ImpactWindow::default();
        let mut clients: HashMap<u64, bool> = HashMap::new();
        let mut users: HashMap<u64, bool> = HashMap::new();
        for (key, cell) in self.range(from, to) {
            out.transactions += cell.transactions;
            out.failed += cell.failed;
            out.delayed += cell.delayed(objective);
            out.events_lost += self.uncounted.get(key).copied().unwrap_or(0);
            for (ids, all) in [(&cell.clients, &mut clients), (&cell.users, &mut users)] {
                for (&id, worst) in ids {
                    *all.entry(id).or_default() |= worst.hurt(objective_us);
                }
            }
        }
        let affected = |all: &HashMap<u64, bool>| all.values().filter(|&&hurt| hurt).count() as u64;
        out.clients = clients.len() as u64;
        out.clients_affected = affected(&clients);
        if !users.is_empty() {
            out.users = Some(users.len() as u64);
            out.users_affected = Some(affected(&users));
        }
        out
    }

    /// Arrival of the first hurt transaction at or after `from`.
    pub(super) fn first_hurt(&self, from: Instant, objective: Duration) -> Option<Instant> {
        let first = from.as_nanos() / NANOS_PER_S;
        let begin = self.cell_of(first).unwrap_or(first);
        for (&key, cell) in self.cells.range(begin..) {
            let found = if cell.objective_us == micros(objective) {
                cell.first_hurt
                    .iter()
                    .copied()
                    .filter(|&at| at != NEVER && at >= from.as_nanos())
                    .min()
            } else if cell.failed > 0 || cell.delayed(objective) > 0 {
                Some((key * NANOS_PER_S).max(from.as_nanos()))
            } else {
                None
            };
            if let Some(at) = found {
                return Some(Instant::from_nanos(at));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use weir_model::{ClientId, Fingerprint, HoldTime, Outcome, PoolId};

    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn at(n: u64) -> Instant {
        Instant::from_millis(n)
    }

    fn transaction(arrived_ms: u64, wait_ms: u64, client: u64, user: u64) -> Transaction {
        Transaction {
            pool: PoolId(0),
            client: ClientId(client),
            arrived: at(arrived_ms),
            wait: ms(wait_ms),
            hold: HoldTime::default(),
            statements: 1,
            fingerprint: Fingerprint(1),
            user: UserTag(user),
            outcome: Outcome::Completed { sql_error: false },
        }
    }

    fn log() -> ImpactLog {
        ImpactLog::new(ms(10), IDS_MAX)
    }

    #[test]
    fn a_transaction_counts_in_the_second_in_which_it_arrived() {
        let mut log = log();
        log.add(&transaction(3_500, 120_000, 1, 7));
        let window = log.window(at(3_000), at(4_000), ms(10));
        assert_eq!((window.transactions, window.delayed), (1, 1));
        assert_eq!(log.window(at(4_000), at(200_000), ms(10)).transactions, 0);
        assert_eq!(log.first_hurt(at(0), ms(10)), Some(at(3_500)));
    }

    #[test]
    fn delayed_means_longer_than_the_objective_and_not_equal_to_it() {
        let mut log = log();
        log.add(&transaction(0, 10, 1, 1));
        log.add(&Transaction {
            wait: Duration::from_nanos(10_000_001),
            ..transaction(0, 0, 2, 2)
        });
        let window = log.window(at(0), at(1_000), ms(10));
        assert_eq!((window.delayed, window.clients_affected), (1, 1));
    }

    #[test]
    fn a_user_hurt_in_one_second_and_served_in_the_next_is_one_user_affected() {
        let mut log = log();
        for second in 0..5 {
            for user in 1..=20 {
                let wait = if second == 2 && user <= 7 { 50 } else { 0 };
                log.add(&transaction(
                    second * 1_000 + user,
                    wait,
                    100 + user % 4,
                    user,
                ));
            }
        }
        let window = log.window(at(0), at(5_000), ms(10));
        assert_eq!((window.users, window.users_affected), (Some(20), Some(7)));
        assert_eq!((window.clients, window.clients_affected), (4, 4));
        assert_eq!((window.transactions, window.delayed), (100, 7));
    }

    #[test]
    fn a_failure_counts_without_any_wait_and_no_tag_means_users_unknown() {
        let mut log = log();
        log.add(&Transaction {
            outcome: Outcome::ServerLost,
            ..transaction(100, 0, 1, 0)
        });
        let window = log.window(at(0), at(1_000), ms(10));
        assert_eq!((window.failed, window.delayed), (1, 0));
        assert_eq!((window.users, window.users_affected), (None, None));
        assert_eq!(window.clients_affected, 1);
    }

    #[test]
    fn the_first_hurt_is_looked_for_from_the_instant_given() {
        let mut log = log();
        for arrived in [1_020, 1_340, 1_910, 7_000] {
            log.add(&transaction(arrived, 30, 1, 1));
        }
        assert_eq!(log.first_hurt(at(1_100), ms(10)), Some(at(1_340)));
        assert_eq!(log.first_hurt(at(2_000), ms(10)), Some(at(7_000)));
        assert_eq!(log.first_hurt(at(7_001), ms(10)), None);
        // Another objective than the pool's: from the histogram, to the second.
        assert_eq!(log.first_hurt(at(1_500), ms(5)), Some(at(1_500)));
        assert_eq!(log.first_hurt(at(0), ms(100)), None);
    }

    #[test]
    fn when_full_the_oldest_seconds_become_minutes_and_the_counts_stay_right() {
        let mut log = ImpactLog::new(ms(10), 4_000);
        for second in 0..600 {
            for user in 0..10 {
                log.add(&transaction(second * 1_000, 20, user, user + 1));
            }
        }
        assert!(log.ids <= 4_000);
        let window = log.window(at(0), at(600_000), ms(10));
        assert_eq!((window.transactions, window.delayed), (6_000, 6_000));
        assert_eq!((window.users, window.users_affected), (Some(10), Some(10)));
        assert_eq!(window.events_lost, 0);
        assert_eq!(
            log.window(at(60_000), at(120_000), ms(10)).transactions,
            600
        );
    }

    #[test]
    fn beyond_the_bound_the_window_says_that_it_undercounts() {
        let mut log = ImpactLog::new(ms(10), 1_000);
        for user in 0..5_000_u64 {
            log.add(&transaction(100, 0, 1, user + 1));
        }
        let window = log.window(at(0), at(1_000), ms(10));
        assert_eq!(window.transactions, 5_000);
        assert!(window.users.unwrap() <= 1_000);
        assert!(window.events_lost >= 4_000);
    }

    #[test]
    fn two_hundred_thousand_users_are_counted_exactly() {
        let mut log = log();
        for user in 0..200_000u64 {
            log.add(&transaction(user / 100, 0, user % 400, user + 1));
        }
        let window = log.window(at(0), at(10_000), ms(10));
        assert_eq!((window.users, window.clients), (Some(200_000), 400));
    }

    #[test]
    fn what_is_forgotten_gives_its_room_back() {
        let mut log = log();
        for second in 0..100 {
            log.add(&transaction(second * 1_000, 0, second, second + 1));
        }
        log.forget_before(at(90_000));
        assert_eq!(log.ids, 20);
        assert_eq!(log.window(at(0), at(100_000), ms(10)).transactions, 10);
    }
}
