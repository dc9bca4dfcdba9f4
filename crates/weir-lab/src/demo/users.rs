//! The users: they come when they come, whether or not anybody is served (open loop).
//!
//! Arrivals are a Poisson process whose rate the story moves; who comes is drawn by Zipf's law.
//! A page's time counts from its *intended* arrival, so a stall hurts all who came during it and
//! not only the one who was let in (no coordinated omission). Each visit is one HTTP request over
//! a kept-alive connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use weir_model::Histogram;

use super::shop::USERS;
use crate::clock::{Moment, now};
use crate::dice::{Dice, Zipf};

/// A page that took longer hurt its user, as one that failed did.
pub(crate) const SLOW: Duration = Duration::from_secs(1);
/// A user waits a little longer than the service's own limit.
const PATIENCE: Duration = Duration::from_secs(8);
/// More visits than this under way at once are counted as failed without being sent.
const IN_FLIGHT_MAX: u32 = 4_000;
/// Activity: the busiest tenth makes about a third of the visits.
const ZIPF: f64 = 0.6;
/// Seconds that the live view looks back.
pub(crate) const HISTORY: usize = 60;

/// One second of the users' day.
#[derive(Clone, Debug, Default)]
pub(crate) struct Second {
    pub(crate) arrived: u32,
    pub(crate) served: u32,
    pub(crate) slow: u32,
    pub(crate) failed: u32,
    pub(crate) latency: Histogram,
}

/// Everything counted since the stage was set, and since [`Tally::mark`].
#[derive(Debug, Default)]
struct Counts {
    second: Second,
    /// p99 of the page time, a value a second, the newest last.
    p99: VecDeque<Duration>,
    /// Since the mark: who came, and who was hurt.
    came: Seen,
    hurt: Seen,
    pages: u64,
    pages_hurt: u64,
    pages_failed: u64,
    marked: bool,
    first_hurt: Option<Moment>,
    last_hurt: Option<Moment>,
}

/// A set of users.
#[derive(Debug, Default)]
struct Seen {
    by_user: Vec<bool>,
    count: usize,
}

impl Seen {
    fn add(&mut self, user: usize) {
        if self.by_user.is_empty() {
            self.by_user = vec![false; USERS + 1];
        }
        if let Some(slot) = self.by_user.get_mut(user)
            && !*slot
        {
            *slot = true;
            self.count += 1;
        }
    }
}

/// What the users went through since the mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Toll {
    /// Different users who came.
    pub users: usize,
    /// Of these, with at least one page that failed or took longer than a second.
    pub users_hurt: usize,
    /// Pages asked for.
    pub pages: u64,
    /// Of these, failed or slower than a second.
    pub pages_hurt: u64,
    /// Of these, failed.
    pub pages_failed: u64,
}

/// Shared by all visits.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: Mutex<Counts>,
    in_flight: AtomicU32,
    /// Arrivals per second, as bits of an f64.
    rate: AtomicU64,
}

impl Tally {
    fn new() -> Self {
        Self {
            counts: Mutex::new(Counts::default()),
            in_flight: AtomicU32::new(0),
            rate: AtomicU64::new(0f64.to_bits()),
        }
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on people are counted as hurt or not.
    pub(crate) fn mark(&self) {
        let mut counts = self.counts();
        *counts = Counts {
            marked: true,
            second: std::mem::take(&mut counts.second),
            p99: std::mem::take(&mut counts.p99),
            ..Counts::default()
        };
    }

    /// Closes the current second.
    pub(crate) fn turn(&self) -> Second {
        let mut counts = self.counts();
        let second = std::mem::take(&mut counts.second);
        if counts.p99.len() == HISTORY {
            counts.p99.pop_front();
        }
        let p99 = second.latency.quantile(0.99);
        counts.p99.push_back(p99);
        second
    }

    /// p99 of the page time of the last seconds, the newest last.
    pub(crate) fn p99_history(&self) -> Vec<Duration> {
        self.counts().p99.iter().copied().collect()
    }

    /// Visits under way.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(crate) fn toll(&self) -> Toll {
        let counts = self.counts();
        Toll {
            users: counts.came.count,
            users_hurt: counts.hurt.count,
            pages: counts.pages,
            pages_hurt: counts.pages_hurt,
            pages_failed: counts.pages_failed,
        }
    }

    /// When the first and the last page since the mark hurt somebody.
    pub(crate) fn hurt_span(&self) -> Option<(Moment, Moment)> {
        let counts = self.counts();
        counts.first_hurt.zip(counts.last_hurt)
    }

    fn arrived(&self, user: usize) {
        let mut counts = self.counts();
        counts.second.arrived += 1;
        if counts.marked {
            counts.came.add(user);
        }
    }

    fn done(&self, user: usize, took: Duration, ok: bool) {
        let at = now();
        let mut counts = self.counts();
        let slow = ok && took > SLOW;
        counts.second.latency.record(took);
        counts.second.served += u32::from(ok);
        counts.second.slow += u32::from(slow);
        counts.second.failed += u32::from(!ok);
        if counts.marked {
            counts.pages += 1;
            counts.pages_failed += u64::from(!ok);
            if slow || !ok {
                counts.pages_hurt += 1;
                counts.hurt.add(user);
                counts.first_hurt.get_or_insert(at);
                counts.last_hurt = Some(at);
            }
        }
    }
}

/// The users of the dashboard. They go home when this is dropped.
pub(crate) struct Users {
    /// What they went through.
    pub(crate) tally: Arc<Tally>,
    visitor: Visitor,
    arrivals: AbortHandle,
}

impl Drop for Users {
    fn drop(&mut self) {
        self.arrivals.abort();
    }
}

impl Users {
    /// They begin to come, at `rate` per second.
    pub(crate) fn start(dashboard: SocketAddr, seed: u64, rate: f64) -> Self {
        let tally = Arc::new(Tally::new());
        let visitor = Visitor {
            http: reqwest::Client::builder()
                .timeout(PATIENCE)
                .pool_max_idle_per_host(1_000)
                .no_proxy()
                .build()
                .unwrap_or_default(),
            dashboard,
            tally: Arc::clone(&tally),
        };
        let arrivals = tokio::spawn(arrive(visitor.clone(), seed)).abort_handle();
        let users = Self {
            tally,
            visitor,
            arrivals,
        };
        users.come(rate);
        users
    }

    /// From now on `rate` visits a second come.
    pub(crate) fn come(&self, rate: f64) {
        self.tally.rate.store(rate.to_bits(), Ordering::Relaxed);
    }

    /// `count` visits at this very instant.
    pub(crate) fn burst(&self, count: usize, dice: &mut Dice) {
        for _ in 0..count {
            self.visitor.visit(1 + dice.below(USERS), now());
        }
    }
}

/// Draws arrivals for as long as anybody listens. A gap is drawn at the rate of its beginning.
async fn arrive(visitor: Visitor, seed: u64) {
    let mut times = Dice::new(seed, 1);
    let mut who = Dice::new(seed, 2);
    let zipf = Zipf::new(USERS, ZIPF);
    let mut due = now();
    loop {
        let rate = f64::from_bits(visitor.tally.rate.load(Ordering::Relaxed));
        if rate <= 0.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            due = now();
            continue;
        }
        due += Duration::from_secs_f64(times.gap_s(rate).min(1.0));
        // Several arrivals fall into one tick of the timer; each keeps its own intended time.
        if due > now() {
            tokio::time::sleep_until(due).await;
        }
        visitor.visit(zipf.draw(&mut who), due);
    }
}

#[derive(Clone)]
struct Visitor {
    http: reqwest::Client,
    dashboard: SocketAddr,
    tally: Arc<Tally>,
}

impl Visitor {
    /// Sends a visit off; its outcome ends up in the tally.
    fn visit(&self, user: usize, due: Moment) {
        let visitor = self.clone();
        visitor.tally.arrived(user);
        if visitor.tally.in_flight.fetch_add(1, Ordering::Relaxed) >= IN_FLIGHT_MAX {
            visitor.tally.in_flight.fetch_sub(1, Ordering::Relaxed);
            visitor.tally.done(user, Duration::ZERO, false);
            return;
        }
        tokio::spawn(async move {
            let url = format!("http://{}/dashboard/{user}", visitor.dashboard);
            let ok = match visitor.http.get(url).send().await {
                // The body is read to its end: that is when the page is there, and only then does
                // the connection go back for the next visit.
                Ok(page) => page.status().is_success() & page.bytes().await.is_ok(),
                Err(_) => false,
            };
            visitor.tally.in_flight.fetch_sub(1, Ordering::Relaxed);
            visitor.tally.done(user, now() - due, ok);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_hurt_twice_counts_once_and_only_since_the_mark() {
        let tally = Tally::new();
        tally.arrived(7);
        tally.done(7, Duration::from_secs(2), true);
        assert_eq!(tally.toll(), Toll::default());
        tally.mark();
        for (user, took, ok) in [(7, 2000, true), (7, 10, false), (8, 30, true)] {
            tally.arrived(user);
            tally.done(user, Duration::from_millis(took), ok);
        }
        assert_eq!(
            tally.toll(),
            Toll {
                users: 2,
                users_hurt: 1,
                pages: 3,
                pages_hurt: 2,
                pages_failed: 1
            }
        );
        assert!(tally.hurt_span().is_some());
        let second = tally.turn();
        assert_eq!((second.arrived, second.served, second.failed), (4, 3, 1));
        assert_eq!(tally.turn().arrived, 0);
        assert_eq!(tally.p99_history().len(), 2);
    }
}
