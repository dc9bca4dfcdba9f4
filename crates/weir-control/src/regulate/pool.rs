//! One pool's decisions.

use std::time::Duration;

use weir_model::{Cause, ConnectFailure, Instant, Level, PoolSample};

use super::bounds::{on_the_rails, slowest_shrink};
use super::reason;
use super::search::{Brought, ELASTICITY_MIN, SETTLED_FOR, Search, Step};
use super::{PoolInput, RegulatorMode, RegulatorSettings, SizeAction};
use crate::insight::{Demand, say};
use crate::record::Recorder;

/// Demand is measured over this time while the pool binds.
const DEMAND_WINDOW: Duration = Duration::from_secs(3);
/// And over this time while it doesn't.
const CALM_WINDOW: Duration = Duration::from_secs(30);
/// What was held in this time is not taken away.
const HELD_WINDOW: Duration = Duration::from_secs(600);
/// After PostgreSQL had no slot left, the size stays this long.
const HOLD_AFTER_53300: Duration = Duration::from_secs(60);
/// An order that isn't seen in a sample by then is taken for lost.
const ORDER_LOST: Duration = Duration::from_secs(2);
/// Transactions that take so many times as long as usual aren't met with more servers.
const SLOWED: f64 = 3.0;
/// A queue should be gone in this time.
const DRAIN_S: f64 = 5.0;

/// What to do, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub action: SizeAction,
    pub from: u32,
    /// The kind of reason: a keep for another kind is another decision.
    pub reason: &'static str,
    pub because: String,
    pub expected: String,
    pub why_not_more: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct PoolRegulator {
    search: Search,
    level_since: Option<Instant>,
    level_last: Option<Instant>,
    size_changed: Option<Instant>,
    size_seen: Option<u32>,
    ordered: Option<(u32, Instant)>,
    no_slot: Option<Instant>,
    /// Seconds of holding a server per transaction while nothing is odd (moving mean).
    hold_usual: Option<f64>,
    told: Option<(SizeAction, &'static str, Instant)>,
}

impl PoolRegulator {
    /// The next decision is told even if it is the last one again.
    pub(super) fn tell_again(&mut self) {
        self.told = None;
    }

    /// Should a verdict be told, now that `now` is?
    pub(super) fn news(&mut self, verdict: &Verdict, odd: bool, now: Instant) -> bool {
        let news = match self.told {
            None => true,
            Some((action, reason, at)) => {
                let age = now.since(at);
                let again = if odd || verdict.action != SizeAction::Keep {
                    10
                } else {
                    60
                };
                let same = match (action.to(), verdict.action.to()) {
                    (None, None) => reason == verdict.reason,
                    // A recommendation whose number trembles isn't another one.
                    (Some(a), Some(b)) => a.abs_diff(b) <= (a / 10).max(1),
                    _ => false,
                };
                !same || age >= Duration::from_secs(again)
            }
        };
        if news {
            self.told = Some((verdict.action, verdict.reason, now));
        }
        news
    }

    /// An order for this size goes out.
    pub(super) fn ordered(&mut self, from: u32, to: u32, throughput: f64, now: Instant) {
        self.ordered = Some((to, now));
        self.told = None;
        if to > from {
            self.search = Search::SlowStart(Step {
                at: now,
                from,
                to,
                throughput,
            });
        }
    }

    pub(super) fn decide(
        &mut self,
        input: &PoolInput,
        recorder: &Recorder,
        now: Instant,
        settings: &RegulatorSettings,
    ) -> Option<Verdict> {
        let latest = recorder.latest(input.pool)?;
        let size = latest.size;
        if self.size_seen != Some(size) {
            if self.size_seen.is_some() {
                self.size_changed = Some(now);
            }
            self.size_seen = Some(size);
        }
        match input.level {
            Some(_) => {
                self.level_since.get_or_insert(now);
                self.level_last = Some(now);
            }
            None => {
                self.level_since = None;
                self.search = Search::Resting;
            }
        }
        let keep = |reason: &'static str, because: String| Verdict {
            action: SizeAction::Keep,
            from: size,
            reason,
            because,
            expected: "no change".to_owned(),
            why_not_more: input.rails.why_not_more(size),
        };
        if input.rails.fixed {
            return Some(keep(
                "fixed",
                format!("size = {size} is fixed in the configuration; only a person moves it"),
            ));
        }
        if let Some((to, at)) = self.ordered {
            if to == size || now.since(at) >= ORDER_LOST {
                self.ordered = None;
            } else {
                return Some(keep(
                    "ordered",
                    format!("size {to} is ordered and not yet in force"),
                ));
            }
        }
        if let Some(verdict) = self.no_slot_left(input, recorder, latest, now) {
            return Some(verdict);
        }
        if let Some(verdict) = on_the_rails(input, latest) {
            return Some(verdict);
        }
        if let Some(at) = self.no_slot.filter(|at| now.since(*at) < HOLD_AFTER_53300) {
            let left = HOLD_AFTER_53300.saturating_sub(now.since(at));
            return Some(keep(
                "no_slot",
                format!(
                    "PostgreSQL had no slot left {} ago (53300); nothing is tried for another {}",
                    say::duration(now.since(at)),
                    say::duration(left)
                ),
            ));
        }
        let born = input.rails.clip(input.initial);
        if self.no_slot.is_some() && size < born {
            self.no_slot = None;
            return Some(Verdict {
                action: SizeAction::Grow {
                    to: born.min(size.saturating_mul(2)),
                },
                from: size,
                reason: "slots_back",
                because: format!(
                    "no 53300 for {}; back towards {}, the size it was given",
                    say::duration(HOLD_AFTER_53300),
                    input.initial
                ),
                expected: "servers opened only as clients need them".to_owned(),
                why_not_more: Some(format!("{} is the size it was given", input.initial)),
            });
        }
        Some(match input.level {
            None => self.calm(input, recorder, latest, now),
            Some(level) => match self.growth_helps(level, input.cause, now, settings) {
                Err((reason, because)) => keep(reason, because),
                Ok(why) => self.slow_start(input, recorder, latest, now, &why),
            },
        })
    }

    /// On 53300: `N ← open − 1`, and stay there.
    fn no_slot_left(
        &mut self,
        input: &PoolInput,
        recorder: &Recorder,
        latest: &PoolSample,
        now: Instant,
    ) -> Option<Verdict> {
        let last = recorder
            .login_failures(input.pool, now.before(DEMAND_WINDOW), now)
            .into_iter()
            .rev()
            .find(|(_, failure)| {
                matches!(failure, ConnectFailure::Refused { sqlstate, .. } if sqlstate == "53300")
            })?;
        // Only what is logged in: a login under way is the very one that will be refused.
        let open = latest.servers.open() - latest.servers.login;
        let to = open
            .saturating_sub(1)
            .max(input.rails.min)
            .max(slowest_shrink(latest.size));
        self.no_slot = Some(last.0.max(self.no_slot.unwrap_or(last.0)));
        (to < latest.size).then(|| Verdict {
            action: SizeAction::Shrink { to },
            from: latest.size,
            reason: "no_slot",
            because: format!(
                "PostgreSQL refused another connection with 53300 while {open} were open; one below that leaves a slot to others"
            ),
            expected: "no further 53300 from this pool".to_owned(),
            why_not_more: Some("PostgreSQL has no slot left".to_owned()),
        })
    }

    /// Would more servers help against this? `Err`: no, and why not.
    fn growth_helps(
        &self,
        level: Level,
        cause: Option<Cause>,
        now: Instant,
        settings: &RegulatorSettings,
    ) -> Result<String, (&'static str, String)> {
        let no = |reason, because: &str| Err((reason, because.to_owned()));
        match level {
            Level::Down => {
                return no(
                    "down",
                    "PostgreSQL can't be reached; a larger pool would only knock more often",
                );
            }
            Level::Leak => {
                return no(
                    "leak",
                    "servers are taken and not given back; more of them would be taken as well",
                );
            }
            Level::Degraded => {
                return no(
                    "degraded",
                    "statements are slower, but nobody waits for a server",
                );
            }
            Level::Exhausted | Level::Saturated | Level::Starved | Level::Stalled => {}
        }
        match cause {
            Some(Cause::PoolUndersized) => Ok("the pool is smaller than its load".to_owned()),
            Some(Cause::TrafficSurge) => Ok("more is asked than usual".to_owned()),
            Some(Cause::RowLockContention) => no(
                "row_lock_contention",
                "transactions wait for rows that others hold; more of them at once would wait for the same rows",
            ),
            Some(Cause::DdlLockQueue) => no(
                "ddl_lock_queue",
                "a waiting DDL statement blocks its table; more servers would queue behind it",
            ),
            Some(Cause::IdleInTransaction) => no(
                "idle_in_transaction",
                "servers are held by clients that ask nothing; more servers would be held as well",
            ),
            Some(Cause::ConnectionLeak) => no(
                "connection_leak",
                "servers are taken and not given back; more of them would be taken as well",
            ),
            Some(Cause::MaxConnections) => {
                no("max_connections", "PostgreSQL has no slot left for more")
            }
            Some(Cause::ServerDown) => no(
                "server_down",
                "PostgreSQL can't be reached; a larger pool would only knock more often",
            ),
            Some(Cause::SlowQuery) => no(
                "slow_query",
                "one statement takes longer than it did; more servers would run more of it at once",
            ),
            Some(Cause::Unknown) | None if level == Level::Stalled => no(
                "stalled",
                "nothing completes and it isn't known why; more servers would be held up the same way",
            ),
            // Early on much looks unknown that isn't: nobody has looked at PostgreSQL yet.
            Some(Cause::Unknown) | None => {
                let dry = self
                    .level_since
                    .map_or(Duration::ZERO, |since| now.since(since));
                if dry < settings.patience {
                    return Err((
                        "no_cause_yet",
                        format!("no cause is named yet after {}", say::duration(dry)),
                    ));
                }
                Ok(format!(
                    "no cause explains it after {}; throughput will tell whether size helps",
                    say::duration(dry)
                ))
            }
            Some(other) => Err((
                "other_cause",
                format!("against {other} no size helps that is known yet"),
            )),
        }
    }

    fn slow_start(
        &mut self,
        input: &PoolInput,
        recorder: &Recorder,
        latest: &PoolSample,
        now: Instant,
        why: &str,
    ) -> Verdict {
        let size = latest.size;
        let demand = demand(recorder, input, now, DEMAND_WINDOW);
        let keep = |reason: &'static str, because: String| Verdict {
            action: SizeAction::Keep,
            from: size,
            reason,
            because,
            expected: "no change".to_owned(),
            why_not_more: input.rails.why_not_more(size),
        };
        if latest.oldest_wait <= input.objective_wait {
            return keep(
                "drained",
                format!("the queue is gone; offered {}", demand.says()),
            );
        }
        match self.search {
            Search::Resting => {}
            Search::SlowStart(step) => {
                let since =
                    recorder.window(input.pool, step.at.after(Duration::from_millis(500)), now);
                let x = since.completion_rate();
                let open = latest.servers.login == 0 && latest.servers.open() >= size;
                match step.brought(now, open, since.completions, x) {
                    Brought::Measuring => {
                        return keep(
                            "measuring",
                            format!(
                                "{} → {} was {} ago; its effect is being measured ({} completed since, {})",
                                step.from,
                                step.to,
                                say::duration(now.since(step.at)),
                                since.completions,
                                say::rate(x)
                            ),
                        );
                    }
                    Brought::Elasticity(e) if e < ELASTICITY_MIN => {
                        self.search = Search::Settled {
                            at: now,
                            elasticity: e,
                        };
                        let to = step
                            .settle(e)
                            .max(slowest_shrink(size))
                            .max(input.rails.min);
                        if to < size {
                            return Verdict {
                                action: SizeAction::Shrink { to },
                                from: size,
                                reason: "settle",
                                because: format!(
                                    "{} → {} changed throughput from {} to {}: elasticity {e:.2}, below {ELASTICITY_MIN}",
                                    step.from,
                                    step.to,
                                    say::rate(step.throughput),
                                    say::rate(x)
                                ),
                                expected: format!("throughput stays near {}", say::rate(x)),
                                why_not_more: Some(format!(
                                    "more servers brought too little: elasticity {e:.2}"
                                )),
                            };
                        }
                    }
                    Brought::Elasticity(_) => {}
                }
            }
            Search::Settled { at, elasticity } => {
                if now.since(at) < SETTLED_FOR {
                    let mut verdict = keep(
                        "settled",
                        format!(
                            "the last step brought too little: elasticity {elasticity:.2}, below {ELASTICITY_MIN}"
                        ),
                    );
                    verdict.why_not_more = Some(verdict.because.clone());
                    return verdict;
                }
                self.search = Search::Resting;
            }
        }
        // The brief's third veto, in its plain form: what holds servers that much longer (locks, disks,
        // a processor that is short) is rarely helped by more of it at once.
        let last = recorder.window(input.pool, now.before(Duration::from_secs(1)), now);
        let lately = if last.completions >= 5 {
            last.hold_s()
        } else {
            0.0
        };
        let hold_s = demand.hold_s.max(lately);
        if let Some(usual) = self.hold_usual.filter(|usual| hold_s > SLOWED * usual) {
            let mut verdict = keep("slowed", reason::slowed(hold_s, usual));
            verdict.why_not_more = Some(verdict.because.clone());
            return verdict;
        }
        let before = recorder
            .samples(input.pool, now.before(Duration::from_millis(1500)), now)
            .next()
            .map_or(0, |(_, s)| s.clients.waiting);
        if demand.servers <= size && latest.clients.waiting < before {
            return keep(
                "draining",
                format!(
                    "{size} servers cover what is offered, and the queue shrinks: {before} → {} in 1.5 s; offered {}",
                    latest.clients.waiting,
                    demand.says()
                ),
            );
        }
        let backlog = f64::from(latest.clients.waiting) * demand.hold_s / DRAIN_S;
        let wanted = demand
            .servers
            .saturating_add(backlog.ceil().min(1e6) as u32);
        // Little's law says it suffices and yet it is dry: what is offered is more than what a
        // waiting crowd can show.
        let wanted = if wanted <= size {
            size + size / 2 + 1
        } else {
            wanted
        };
        let step = wanted.min(size.saturating_mul(2)).max(size + 1);
        let to = input.rails.clip(step);
        let queue = format!(
            "{} of {size} servers in use, {} clients wait, the oldest for {}; offered {}; {why}",
            latest.servers.active,
            latest.clients.waiting,
            say::duration(latest.oldest_wait),
            demand.says(),
        );
        if to <= size {
            let bound = input
                .rails
                .why_not_more(size)
                .unwrap_or_else(|| "its rails".to_owned());
            return keep("at_the_cap", format!("{queue}; it can't grow: {bound}"));
        }
        let bound = reason::bound(&input.rails);
        let why_not_more = if to < wanted && to == size.saturating_mul(2) {
            Some(format!("at most a doubling at once; {wanted} are wanted"))
        } else {
            input.rails.why_not_more(to).or_else(|| {
                Some(format!(
                    "{to} cover what is offered and drain the queue; each further server would idle"
                ))
            })
        };
        let expected = reason::expected(
            &demand,
            size,
            to,
            latest.clients.waiting,
            input.objective_wait,
        );
        Verdict {
            action: SizeAction::Grow { to },
            from: size,
            reason: "demand",
            because: format!("{queue}; {bound}"),
            expected,
            why_not_more,
        }
    }

    /// Nothing is odd: keep, or give back what an incident took.
    fn calm(
        &mut self,
        input: &PoolInput,
        recorder: &Recorder,
        latest: &PoolSample,
        now: Instant,
    ) -> Verdict {
        let size = latest.size;
        let demand = demand(recorder, input, now, CALM_WINDOW);
        if demand.hold_s > 0.0 {
            let usual = self.hold_usual.unwrap_or(demand.hold_s);
            self.hold_usual = Some(usual + 0.05 * (demand.hold_s - usual));
        }
        let keep = |reason: &'static str, because: String| Verdict {
            action: SizeAction::Keep,
            from: size,
            reason,
            because,
            expected: "no change".to_owned(),
            why_not_more: Some(format!("nobody waits: {}", demand.says())),
        };
        let born = input.rails.clip(input.initial);
        if size <= born {
            return keep(
                "enough",
                format!("nobody waits long; offered {}", demand.says()),
            );
        }
        let recent = |at: Option<Instant>| at.is_some_and(|at| now.since(at) < CALM_WINDOW);
        if recent(self.level_last) || recent(self.size_changed) {
            return keep(
                "settling",
                format!(
                    "less than {} since it last changed or was dry",
                    say::duration(CALM_WINDOW)
                ),
            );
        }
        let (mut samples, mut waited) = (0u32, 0u32);
        for (_, s) in recorder.samples(input.pool, now.before(CALM_WINDOW), now) {
            samples += 1;
            waited += u32::from(s.clients.waiting > 0);
        }
        if waited * 10 >= samples.max(1) {
            return keep(
                "in_use",
                format!("in {waited} of {samples} samples somebody waited; it is in use"),
            );
        }
        let mut held: Vec<u32> = recorder
            .samples(input.pool, now.before(HELD_WINDOW), now)
            .map(|(_, s)| s.servers.active)
            .collect();
        held.sort_unstable();
        let p99 = held
            .get((held.len() * 99).div_ceil(100).max(1) - 1)
            .copied()
            .unwrap_or(size);
        let floor = born.max(demand.servers).max(p99).max(input.rails.min);
        if size <= floor {
            return keep(
                "enough",
                format!("held at p99 of 10 min: {p99}; offered {}", demand.says()),
            );
        }
        let to = floor.max(size - (size / 10).max(1));
        Verdict {
            action: SizeAction::Shrink { to },
            from: size,
            reason: "demand_fell",
            because: format!(
                "demand fell: offered {}; held at p99 of 10 min: {p99}; the pool was born with {}",
                demand.says(),
                input.initial
            ),
            expected: format!("nobody waits longer; {} servers given back", size - to),
            why_not_more: Some("nobody waits".to_owned()),
        }
    }
}

/// What was offered and held lately.
pub(super) fn demand(
    recorder: &Recorder,
    input: &PoolInput,
    now: Instant,
    back: Duration,
) -> Demand {
    let window = recorder.window(input.pool, now.before(back), now);
    let hold_s = if window.completions > 0 {
        window.hold_s()
    } else {
        0.0
    };
    Demand::new(window.arrival_rate(), hold_s)
}

/// True where a decision may be carried out without asking.
pub(super) fn acts(mode: RegulatorMode) -> bool {
    match mode {
        RegulatorMode::Observe | RegulatorMode::Recommend => false,
        RegulatorMode::Act => true,
    }
}
