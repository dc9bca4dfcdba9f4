//! One pool's state machine.

use std::collections::VecDeque;
use std::time::Duration;

use weir_model::{Evidence, Histogram, Instant, Level, PoolSample};

use super::rules::{
    self, DIAL_FAILURE_WINDOW, DIAL_SILENCE, DIAL_SUCCESS_WINDOW, DOWN_SILENCE, DRY_OF_INTERVALS,
    INTERVALS, LEAK_STEP_S, LEAK_WINDOW_S,
};
use super::{DetectContext, DetectorSettings, LevelChange};
use crate::insight::say;

/// Hold times of usual seconds, newest last.
const HOLD_SECONDS: usize = 30;

#[derive(Debug)]
struct Open {
    level: Level,
    onset: Instant,
    logins: u64,
    completions: u64,
}

/// What a pool's past says that its present sample doesn't.
#[derive(Debug, Default)]
pub(super) struct PoolDetector {
    open: Option<Open>,
    closed: Option<(Level, Instant)>,
    /// Was the interval dry? The last [`INTERVALS`].
    dry: VecDeque<bool>,
    /// When the present queue began; cleared after two intervals that weren't dry.
    queue_since: Option<Instant>,
    not_dry: u32,
    last_completion: Option<Instant>,
    last_login: Option<Instant>,
    last_dial_failure: Option<Instant>,
    /// Logins have been under way since then without one that succeeded or failed.
    dialing_since: Option<Instant>,
    /// Since when nobody has waited beyond q0 or failed.
    quiet_since: Option<Instant>,
    /// When clients first waited or failed while nothing came from the server.
    hurt_since: Option<Instant>,
    hold: VecDeque<Histogram>,
    /// Hold times until there is a usual second: better than none.
    hold_first: Histogram,
    /// When the pool's first server was there.
    born: Option<Instant>,
    hold_now: Histogram,
    hold_samples: u32,
    /// Fewest held servers and age of the oldest transaction, per second, newest last.
    held: VecDeque<(u32, Duration)>,
    held_now: Option<u32>,
}

impl PoolDetector {
    pub(super) fn level(&self) -> Option<Level> {
        self.open.as_ref().map(|o| o.level)
    }

    pub(super) fn onset(&self) -> Option<Instant> {
        self.open.as_ref().map(|o| o.onset)
    }

    pub(super) fn on(
        &mut self,
        pool: &PoolSample,
        now: Instant,
        ctx: &DetectContext,
        settings: &DetectorSettings,
    ) -> Option<LevelChange> {
        if pool.paused {
            // Whatever queue stands is meant to; it begins anew when the pool goes on.
            self.dry.clear();
            self.queue_since = None;
            self.hurt_since = None;
            self.last_completion = Some(now);
            return None;
        }
        self.remember(pool, now);
        let q0 = rules::q0(self.usual_hold().quantile(0.5));
        self.weigh(pool, now, q0);

        let risen = self.judge(pool, now, ctx, q0);
        if let Some((level, onset, says, metric, value)) = risen {
            let higher = self
                .open
                .as_ref()
                .is_none_or(|open| rules::rank(level) > rules::rank(open.level));
            if higher {
                let evidence = vec![say::evidence(
                    &settings.clock,
                    (onset, now),
                    metric,
                    value,
                    None,
                    say::samples_query(&pool.key),
                    says.clone(),
                )];
                return Some(self.rise(pool, level, onset, now, says, evidence, settings));
            }
        }
        self.end(pool, now, q0, settings)
    }

    /// Takes down what later questions need. What is usual is learnt only while nothing is odd.
    fn remember(&mut self, pool: &PoolSample, now: Instant) {
        if pool.completions > 0 || self.last_completion.is_none() {
            self.last_completion = Some(now);
        }
        if pool.server_logins > 0 {
            self.last_login = Some(now);
        }
        if pool.server_login_failures > 0 {
            self.last_dial_failure = Some(now);
        }
        if pool.servers.login == 0 || pool.server_logins > 0 || pool.server_login_failures > 0 {
            self.dialing_since = None;
        } else if self.dialing_since.is_none() {
            self.dialing_since = Some(now);
        }
        if self.born.is_none() && (pool.server_logins > 0 || pool.servers.active > 0) {
            self.born = Some(now);
        }
        if self.hold.is_empty() {
            self.hold_first.add(&pool.hold);
        }
        self.hold_now.add(&pool.hold);
        self.hold_samples += 1;
        let held = pool.servers.active;
        self.held_now = Some(self.held_now.map_or(held, |least| least.min(held)));
        if self.hold_samples == 10 {
            self.hold_samples = 0;
            let hold = self.hold_now.take();
            if self.open.is_none() && self.queue_since.is_none() && !hold.is_empty() {
                self.hold.push_back(hold);
                if self.hold.len() > HOLD_SECONDS {
                    self.hold.pop_front();
                }
            }
            let least = self.held_now.take().unwrap_or(held);
            self.held.push_back((least, pool.oldest_transaction));
            if self.held.len() > LEAK_WINDOW_S {
                self.held.pop_front();
            }
        }
    }

    fn usual_hold(&self) -> Histogram {
        if self.hold.is_empty() {
            return self.hold_first.clone();
        }
        let mut all = Histogram::default();
        for second in &self.hold {
            all.add(second);
        }
        all
    }

    /// Every server that can be had is in use.
    fn cornered(&self, pool: &PoolSample, now: Instant) -> bool {
        if pool.servers.idle > 0 {
            return false;
        }
        let had = pool.servers.open() - pool.servers.login;
        let within =
            |at: Option<Instant>, window: Duration| at.is_some_and(|at| now.since(at) <= window);
        had >= pool.size
            || (within(self.last_dial_failure, DIAL_FAILURE_WINDOW)
                && !within(self.last_login, DIAL_SUCCESS_WINDOW))
    }

    /// Keeps the queue's beginning and the quiet's beginning.
    fn weigh(&mut self, pool: &PoolSample, now: Instant, q0: Duration) {
        let cornered = self.cornered(pool, now);
        let queue = rules::shortest_wait_exceeds(pool, q0);
        // Where logins fail, whoever asks may be told at once instead of being made to wait.
        let turned_away = pool.failures > 0 && cornered && pool.servers.active < pool.size;
        // Whoever came while the first servers were being opened is served first; that queue says
        // nothing of the pool's size.
        let cold = self
            .born
            .is_some_and(|born| now.since(born) < rules::COLD_START);
        let dry = cornered && (queue || turned_away) && !cold;
        self.dry.push_back(dry);
        if self.dry.len() > INTERVALS {
            self.dry.pop_front();
        }
        if dry {
            self.not_dry = 0;
            let began = now.before(pool.oldest_wait);
            self.queue_since = Some(self.queue_since.map_or(began, |since| since.min(began)));
        } else {
            self.not_dry += 1;
            if self.not_dry >= 2 {
                self.queue_since = None;
            }
        }
        if queue || pool.failures > 0 {
            self.quiet_since = None;
        } else if self.quiet_since.is_none() {
            self.quiet_since = Some(now);
        }
        let wanting = pool.clients.waiting > 0 || pool.failures > 0;
        if pool.completions > 0 || (!wanting && pool.clients.active == 0 && pool.arrivals == 0) {
            self.hurt_since = None;
        } else if wanting && self.hurt_since.is_none() {
            self.hurt_since = Some(now.before(pool.oldest_wait));
        }
    }

    /// The highest level whose rule holds now: level, onset, sentence, metric, value.
    fn judge(
        &self,
        pool: &PoolSample,
        now: Instant,
        ctx: &DetectContext,
        q0: Duration,
    ) -> Option<(Level, Instant, String, &'static str, f64)> {
        self.down(pool, now, ctx)
            .or_else(|| self.stalled(pool, now))
            .or_else(|| self.exhausted(pool, now, q0))
            .or_else(|| self.leak(pool, now))
    }

    fn down(
        &self,
        pool: &PoolSample,
        now: Instant,
        ctx: &DetectContext,
    ) -> Option<(Level, Instant, String, &'static str, f64)> {
        let hurt = self.hurt_since?;
        let silence = now.since(self.last_completion?.max(hurt));
        let failed: Vec<_> = ctx
            .login_failures
            .iter()
            .filter(|(at, failure)| {
                rules::means_down(failure) && now.since(*at) <= DIAL_FAILURE_WINDOW
            })
            .collect();
        let lost = ctx.servers_lost.len();
        if let Some((first, failure)) = failed.first() {
            let answered = self.last_login.is_some_and(|at| at >= *first)
                || ctx
                    .login_failures
                    .iter()
                    .any(|(at, failure)| at >= first && !rules::means_down(failure));
            if answered || silence < DOWN_SILENCE {
                return None;
            }
            // One refusal may be one connection's bad luck; a second one, or servers lost beside
            // it, or a full second of silence, isn't.
            if failed.len() < 2 && lost == 0 && silence < 2 * DOWN_SILENCE {
                return None;
            }
            let onset = ctx
                .servers_lost
                .first()
                .map_or(*first, |(at, _)| (*at).min(*first))
                .min(hurt);
            let says = format!(
                "{}: {} of {} new server connections failed in {}, the last with {}; nothing completed for {}",
                pool.key,
                failed.len(),
                ctx.login_failures.len(),
                say::duration(DetectContext::WINDOW),
                failure_says(failure),
                say::duration(silence),
            );
            let value = failed.len() as f64;
            return Some((
                Level::Down,
                onset,
                says,
                "weir_pool_server_login_failures_total",
                value,
            ));
        }
        // No answer at all: neither yes nor no to any dial, nothing from servers either.
        let dialing = now.since(self.dialing_since?);
        if dialing >= DIAL_SILENCE && silence >= DIAL_SILENCE && pool.servers.idle == 0 {
            let says = format!(
                "{}: {} server logins without an answer for {}; nothing completed for {}",
                pool.key,
                pool.servers.login,
                say::duration(dialing),
                say::duration(silence)
            );
            return Some((
                Level::Down,
                hurt,
                says,
                "weir_pool_servers{state=\"login\"}",
                f64::from(pool.servers.login),
            ));
        }
        None
    }

    fn stalled(
        &self,
        pool: &PoolSample,
        now: Instant,
    ) -> Option<(Level, Instant, String, &'static str, f64)> {
        // Servers still in their first login are a cold start: nothing could have completed.
        if pool.clients.waiting == 0 || pool.servers.active == 0 {
            return None;
        }
        let hold = self.usual_hold();
        let patience = if hold.is_empty() {
            // Nothing is known of this pool's transactions; they may well be long.
            Duration::from_secs(5)
        } else {
            (5 * hold.quantile(0.99)).max(Duration::from_secs(1))
        };
        let hurt = self.hurt_since?;
        let silence = now.since(self.last_completion?.max(hurt));
        (silence >= patience && pool.oldest_wait >= patience / 2).then(|| {
            let says = format!(
                "{}: {} clients wait and nothing completed for {} (usual hold time p99 {})",
                pool.key,
                pool.clients.waiting,
                say::duration(silence),
                say::duration(hold.quantile(0.99)),
            );
            let onset = self.queue_since.map_or(hurt, |since| since.min(hurt));
            (
                Level::Stalled,
                onset,
                says,
                "weir_pool_completions_total",
                0.0,
            )
        })
    }

    fn exhausted(
        &self,
        pool: &PoolSample,
        now: Instant,
        q0: Duration,
    ) -> Option<(Level, Instant, String, &'static str, f64)> {
        let dry = self.dry.iter().filter(|d| **d).count();
        let newest = self.dry.back().copied().unwrap_or(false);
        if dry < DRY_OF_INTERVALS || !newest {
            return None;
        }
        let onset = self.queue_since?;
        let had = pool.servers.open() - pool.servers.login;
        let short = if had < pool.size {
            format!("; {} more were refused to it", pool.size - had)
        } else {
            String::new()
        };
        let says = format!(
            "{}: {} of {} servers in use, none free{short}; {} clients wait, the oldest for {}, above {} in {dry} of {INTERVALS} intervals of 100 ms",
            pool.key,
            pool.servers.active,
            pool.size,
            pool.clients.waiting,
            say::duration(pool.oldest_wait.max(now.since(onset).min(pool.oldest_wait))),
            say::duration(q0),
        );
        Some((
            Level::Exhausted,
            onset,
            says,
            "weir_pool_oldest_wait_seconds",
            pool.oldest_wait.as_secs_f64(),
        ))
    }

    fn leak(
        &self,
        pool: &PoolSample,
        now: Instant,
    ) -> Option<(Level, Instant, String, &'static str, f64)> {
        if self.held.len() < LEAK_WINDOW_S {
            return None;
        }
        let held: Vec<u32> = self.held.iter().map(|h| h.0).collect();
        let envelope: Vec<u32> = held
            .chunks(LEAK_STEP_S)
            .filter_map(|step| step.iter().min().copied())
            .collect();
        let (first, last) = (*envelope.first()?, *envelope.last()?);
        let (_, age_first) = self.held.front()?;
        let (_, age_last) = self.held.back()?;
        let grown = age_last.saturating_sub(*age_first).as_secs_f64();
        // A ramp of load lifts the envelope as well; but then transactions end.
        if last < first + 2
            || grown < 0.9 * (LEAK_WINDOW_S as f64 - 1.0)
            || !rules::rises(&envelope)
        {
            return None;
        }
        let says = format!(
            "{}: servers held at least rose from {first} to {last} of {} in {LEAK_WINDOW_S} s without falling, and the oldest open transaction is {} old",
            pool.key,
            pool.size,
            say::duration(*age_last),
        );
        let onset = now.before(*age_last);
        Some((
            Level::Leak,
            onset,
            says,
            "weir_pool_servers{state=\"active\"}",
            f64::from(last),
        ))
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of what it builds")]
    fn rise(
        &mut self,
        pool: &PoolSample,
        level: Level,
        onset: Instant,
        now: Instant,
        says: String,
        evidence: Vec<Evidence>,
        settings: &DetectorSettings,
    ) -> LevelChange {
        let from = self.level();
        // A story that goes on keeps its beginning.
        let onset = self
            .open
            .as_ref()
            .map_or(onset, |open| open.onset.min(onset));
        let again = from.is_none()
            && self.closed.is_some_and(|(closed, at)| {
                now.since(at) < settings.cooldown && rules::rank(level) <= rules::rank(closed)
            });
        self.open = Some(Open {
            level,
            onset,
            logins: 0,
            completions: 0,
        });
        self.quiet_since = None;
        LevelChange {
            pool: pool.pool,
            from,
            to: Some(level),
            at: now,
            onset,
            says,
            evidence,
            again,
        }
    }

    fn end(
        &mut self,
        pool: &PoolSample,
        now: Instant,
        q0: Duration,
        settings: &DetectorSettings,
    ) -> Option<LevelChange> {
        let quiet_since = self.quiet_since;
        let leak_over = self.leak_over();
        let open = self.open.as_mut()?;
        open.logins += u64::from(pool.server_logins);
        open.completions += u64::from(pool.completions);
        let quiet_since = quiet_since?;
        let quiet = now.since(quiet_since);
        let rule_over = match open.level {
            Level::Exhausted | Level::Saturated | Level::Starved | Level::Degraded => true,
            // Ten completions; a pool that nobody uses any more has nothing to complete.
            Level::Stalled => {
                open.completions >= 10 || (pool.clients.waiting == 0 && pool.servers.active == 0)
            }
            // A small pool may need no third login; what completes proves the server as well.
            Level::Down => open.logins >= 3 || open.completions >= 10,
            Level::Leak => leak_over,
        };
        if !rule_over || quiet < settings.quiet {
            return None;
        }
        let from = open.level;
        let says = format!(
            "{}: nobody waited longer than {} and nobody failed for {}",
            pool.key,
            say::duration(q0),
            say::duration(quiet)
        );
        self.open = None;
        self.closed = Some((from, now));
        let evidence = vec![say::evidence(
            &settings.clock,
            (quiet_since, now),
            "weir_pool_oldest_wait_seconds",
            pool.oldest_wait.as_secs_f64(),
            None,
            say::samples_query(&pool.key),
            says.clone(),
        )];
        Some(LevelChange {
            pool: pool.pool,
            from: Some(from),
            to: None,
            at: now,
            onset: quiet_since,
            says,
            evidence,
            again: false,
        })
    }

    /// The lower envelope fell: the last step's minimum is below the one before.
    fn leak_over(&self) -> bool {
        let step = |skip: usize| {
            self.held
                .iter()
                .rev()
                .skip(skip)
                .take(LEAK_STEP_S)
                .map(|h| h.0)
                .min()
        };
        matches!((step(0), step(LEAK_STEP_S)), (Some(last), Some(before)) if last < before)
    }
}

/// A failed login, for a sentence.
pub(crate) fn failure_says(failure: &weir_model::ConnectFailure) -> String {
    use weir_model::ConnectFailure::*;
    match failure {
        Io(text) => text.clone(),
        Timeout => "no answer within connect_timeout".to_owned(),
        Refused { sqlstate, message } => format!("{sqlstate} {message}"),
        Tls(says) => says.clone(),
        Garbage(what) => format!("an answer that isn't PostgreSQL's ({what})"),
    }
}
