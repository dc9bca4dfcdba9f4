//! Journals as Weir would have written them, made up here so that golden files can show what
//! people read. No clock and no dice: every number stands in the code.
#![allow(dead_code, reason = "each test binary uses its own part of it")]

pub(crate) mod any;
pub(crate) mod people;

use std::collections::BTreeMap;
use std::time::Duration;

use weir_control::incident::entry::{By, ChartPoint, Entry, IncidentId, Kind, Said};
use weir_control::record::window::{ImpactWindow, PoolWindow};
use weir_model::{
    Cause, CauseFinding, Evidence, Histogram, HoldTime, Instant, Level, Order, PoolId, PoolKey,
    Remedy, RuledOut, Severity, Wall,
};

/// 2026-11-23T13:58:41.200Z: the first transaction that was hurt.
pub(crate) const ONSET: Wall = Wall::from_micros(1_795_442_321_200_000);

/// `ms` after the onset; negative: before it.
pub(crate) fn at(ms: i64) -> Wall {
    Wall::from_micros(ONSET.as_micros() + ms * 1_000)
}

/// A journal under construction.
pub(crate) struct Journal {
    id: IncidentId,
    entries: Vec<Entry>,
}

impl Journal {
    pub(crate) fn new(id: u64) -> Self {
        Self {
            id: IncidentId(id),
            entries: Vec::new(),
        }
    }

    pub(crate) fn weir(&mut self, ms: i64, said: Said) -> &mut Self {
        self.by(ms, By::Weir, said)
    }

    pub(crate) fn by(&mut self, ms: i64, by: By, said: Said) -> &mut Self {
        self.by_at(at(ms), by, said)
    }

    pub(crate) fn by_at(&mut self, at: Wall, by: By, said: Said) -> &mut Self {
        self.entries.push(Entry {
            incident: self.id,
            seq: self.entries.len() as u32 + 1,
            at,
            by,
            said,
        });
        self
    }

    pub(crate) fn entries(self) -> Vec<Entry> {
        self.entries
    }
}

pub(crate) fn evidence(
    says: &str,
    metric: &str,
    value: f64,
    baseline: Option<f64>,
    query: &str,
    from_ms: i64,
    to_ms: i64,
) -> Evidence {
    Evidence {
        says: says.to_owned(),
        metric: metric.to_owned(),
        value,
        baseline,
        query: query.to_owned(),
        from: at(from_ms),
        to: at(to_ms),
    }
}

fn ruled(cause: Cause, says: &str, metric: &str, value: f64, baseline: Option<f64>) -> RuledOut {
    RuledOut {
        cause,
        says: says.to_owned(),
        evidence: vec![evidence(
            says,
            metric,
            value,
            baseline,
            "GET /api/v1/samples?pool=app/dashboard",
            -300,
            3_700,
        )],
    }
}

/// A window of `seconds` that ends `end_ms` after the process's second 1,000, which is the onset.
pub(crate) struct Shape {
    pub(crate) end_ms: u64,
    pub(crate) seconds: u64,
    pub(crate) size: u32,
    pub(crate) active: f64,
    pub(crate) waiting_max: u32,
    pub(crate) arrivals_per_s: u64,
    pub(crate) completions_per_s: u64,
    pub(crate) executing_ms: u64,
    pub(crate) thinking_ms: u64,
    pub(crate) wait_ms: &'static [(f64, u64)],
    pub(crate) failures: u64,
    pub(crate) abandoned: u64,
    pub(crate) idle_max_ms: u64,
}

impl Shape {
    pub(crate) fn window(&self, key: &PoolKey) -> PoolWindow {
        let to = Instant::from_millis(self.end_ms);
        let completions = self.completions_per_s * self.seconds;
        let mut wait = Histogram::default();
        for (ms, n) in self.wait_ms {
            for _ in 0..*n {
                wait.record(Duration::from_secs_f64(ms / 1e3));
            }
        }
        let longest = self.wait_ms.iter().map(|w| w.0).fold(0.0, f64::max);
        let mut hold = Histogram::default();
        for _ in 0..completions.min(500) {
            hold.record(Duration::from_millis(self.executing_ms + self.thinking_ms));
        }
        PoolWindow {
            pool: PoolId(0),
            key: key.clone(),
            from: to.before(Duration::from_secs(self.seconds)),
            to,
            samples: (self.seconds * 10) as u32,
            size: f64::from(self.size),
            size_last: self.size,
            active: self.active,
            idle: f64::from(self.size) - self.active,
            login: 0.0,
            pinned: 0.0,
            open_last: self.size,
            waiting: f64::from(self.waiting_max) / 2.0,
            waiting_max: self.waiting_max,
            idle_in_transaction: 0.0,
            idle_in_transaction_max: Duration::from_millis(self.idle_max_ms),
            transaction_age_max: Duration::from_millis(self.idle_max_ms.max(61)),
            oldest_wait_max: Duration::from_secs_f64(longest / 1e3),
            arrivals: self.arrivals_per_s * self.seconds,
            completions,
            failures: self.failures,
            abandoned: self.abandoned,
            wait,
            hold,
            held: HoldTime {
                executing: Duration::from_millis(self.executing_ms * completions),
                thinking: Duration::from_millis(self.thinking_ms * completions),
                network: Duration::from_micros(300 * completions),
            },
            client_logins: 0,
            server_logins: 0,
            server_login_failures: 0,
        }
    }
}

fn calm(key: &PoolKey) -> PoolWindow {
    Shape {
        end_ms: 998_000,
        seconds: 60,
        size: 10,
        active: 7.2,
        waiting_max: 2,
        arrivals_per_s: 150,
        completions_per_s: 150,
        executing_ms: 44,
        thinking_ms: 4,
        wait_ms: &[(0.1, 8_950), (2.0, 50)],
        failures: 0,
        abandoned: 0,
        idle_max_ms: 12,
    }
    .window(key)
}

/// The founding story: the pool of a dashboard, too small for the peak; the regulator may act
/// after a visible pause.
pub(crate) fn pool_undersized() -> Vec<Entry> {
    let key = PoolKey::new("app", "dashboard");
    let mut j = Journal::new(7);
    let exhausted = evidence(
        "10 of 10 server connections in use and clients waiting in 5 samples running, the oldest for 0.61 s",
        "weir_pool_oldest_wait_seconds",
        0.61,
        Some(0.002),
        "GET /api/v1/samples?pool=app/dashboard",
        0,
        700,
    );
    j.weir(
        700,
        Said::Opened {
            kind: Kind::Real,
            pools: vec![key.clone()],
            level: Some(Level::Exhausted),
            severity: Severity::Sev3,
            impact_started_at: at(0),
            detected_at: at(700),
            detected_by: "weir".to_owned(),
            objective: "99% of waits < 10ms".to_owned(),
            evidence: vec![exhausted],
            baseline: Some(Box::new(calm(&key))),
            title: None,
            service: None,
        },
    );
    j.weir(
        1_700,
        Said::Diagnosed {
            causes: vec![finding(
                Cause::TrafficSurge,
                0.55,
                0.8,
                "arrivals rose from 150/s to 290/s",
            )],
            ruled_out: vec![],
            trigger: None,
            trigger_at: None,
        },
    );
    let mut top = finding(
        Cause::PoolUndersized,
        0.93,
        0.97,
        "the pool of 10 is too small: 310/s that hold a connection for 48 ms need 14.9, and the database has room for 71 more",
    );
    top.object = BTreeMap::from([("pool".to_owned(), "app/dashboard".to_owned())]);
    top.evidence = vec![
        evidence(
            "demand: 310/s × 48.2 ms = 14.9 connections against 10",
            "weir_pool_demand",
            14.9,
            Some(7.2),
            "GET /api/v1/samples?pool=app/dashboard",
            -300,
            3_700,
        ),
        evidence(
            "the time a transaction holds a connection is unchanged: 48.2 ms against 48.3 ms",
            "weir_server_use_duration_seconds",
            0.0482,
            Some(0.0483),
            "GET /api/v1/samples?pool=app/dashboard",
            -300,
            3_700,
        ),
        evidence(
            "3 of 8 processors busy on the database; 4 % of the active samples waited for anything",
            "pg_stat_activity.wait_event",
            0.04,
            Some(0.03),
            "SELECT wait_event_type, count(*) FROM pg_stat_activity WHERE state = 'active' GROUP BY 1",
            -300,
            3_700,
        ),
    ];
    top.remedy = Remedy {
        says: "Raise the size of `app/dashboard` from 10 to 18".to_owned(),
        order: Some(Order::Resize {
            pool: PoolId(0),
            size: 18,
        }),
        undo: Some(Order::Resize {
            pool: PoolId(0),
            size: 10,
        }),
        safe_to_automate: true,
    };
    j.weir(
        4_200,
        Said::Diagnosed {
            causes: vec![
                top,
                finding(
                    Cause::TrafficSurge,
                    0.41,
                    0.22,
                    "arrivals rose from 150/s to 310/s",
                ),
            ],
            ruled_out: vec![
                ruled(
                    Cause::SlowQuery,
                    "every statement within 4 % of its usual execution time",
                    "weir_query_duration_seconds",
                    0.0121,
                    Some(0.0118),
                ),
                ruled(
                    Cause::RowLockContention,
                    "0.2 % of active samples waited for a lock",
                    "pg_stat_activity.wait_event",
                    0.002,
                    Some(0.001),
                ),
                ruled(
                    Cause::ConnectionLeak,
                    "the oldest transaction was 61 ms old, and servers in use fell with arrivals",
                    "weir_pool_oldest_transaction_seconds",
                    0.061,
                    Some(0.058),
                ),
                ruled(
                    Cause::IdleInTransaction,
                    "clients were idle inside transactions for 8 % of the hold time",
                    "weir_pool_thinking_share",
                    0.08,
                    Some(0.08),
                ),
                ruled(
                    Cause::MaxConnections,
                    "71 of 100 connections of the server were free, and no login was refused",
                    "pg_stat_activity.free",
                    71.0,
                    Some(71.0),
                ),
            ],
            trigger: Some(
                "arrivals rose by 107 % within 9 s, over all 2,000 users alike".to_owned(),
            ),
            trigger_at: Some(at(-9_000)),
        },
    );
    j.weir(
        4_300,
        Said::Decided {
            decision: "D-117".to_owned(),
            says: "recommend 10 → 18".to_owned(),
            because: "demand 14.9 of 10, budget 71 free, knee not reached".to_owned(),
            expected: "wait p99 below 1 ms within 5 s".to_owned(),
            acted: false,
            from_size: Some(10),
            to_size: Some(18),
        },
    );
    j.weir(
        4_600,
        Said::Notified {
            channel: "alertmanager".to_owned(),
            ok: true,
            says: "200 accepted".to_owned(),
            step: None,
            to: None,
        },
    );
    j.weir(
        9_000,
        Said::SeverityChanged {
            severity: Severity::Sev2,
            says: "620 of 2,000 users (31.0 %) affected so far".to_owned(),
        },
    );
    j.by(
        12_400,
        By::Person("on-call".to_owned()),
        Said::Acknowledged {
            says: "looking".to_owned(),
        },
    );
    j.weir(
        20_000,
        Said::Decided {
            decision: "D-118".to_owned(),
            says: "grow 10 → 18".to_owned(),
            because: "demand 14.9 of 10, budget 71 free, mode act since 13:59:01".to_owned(),
            expected: "wait p99 below 1 ms within 5 s".to_owned(),
            acted: true,
            from_size: Some(10),
            to_size: Some(18),
        },
    );
    j.weir(
        20_100,
        Said::Action {
            says: "pool `app/dashboard` resized from 10 to 18".to_owned(),
            evidence: vec![],
        },
    );
    j.weir(
        24_000,
        Said::Mitigated {
            says: "99.6 % of waits below 10 ms in the last second".to_owned(),
            evidence: vec![evidence(
                "99.6 % of 331 waits below 10 ms",
                "weir_pool_wait_seconds",
                0.000_9,
                None,
                "GET /api/v1/samples?pool=app/dashboard",
                23_000,
                24_000,
            )],
        },
    );
    j.weir(
        34_000,
        Said::Measured {
            impact: ImpactWindow {
                transactions: 9_812,
                delayed: 5_204,
                failed: 214,
                clients: 200,
                clients_affected: 181,
                users: Some(2_000),
                users_affected: Some(702),
                events_lost: 0,
            },
            during: Box::new(
                Shape {
                    end_ms: 1_024_000,
                    seconds: 24,
                    size: 10,
                    active: 9.9,
                    waiting_max: 141,
                    arrivals_per_s: 310,
                    completions_per_s: 207,
                    executing_ms: 44,
                    thinking_ms: 4,
                    wait_ms: &[(0.1, 3_000), (400.0, 1_400), (2_900.0, 600)],
                    failures: 0,
                    abandoned: 214,
                    idle_max_ms: 14,
                }
                .window(&key),
            ),
            after: Some(Box::new(
                Shape {
                    end_ms: 1_034_000,
                    seconds: 10,
                    size: 18,
                    active: 14.8,
                    waiting_max: 1,
                    arrivals_per_s: 311,
                    completions_per_s: 311,
                    executing_ms: 44,
                    thinking_ms: 4,
                    wait_ms: &[(0.1, 3_080), (0.5, 30)],
                    failures: 0,
                    abandoned: 0,
                    idle_max_ms: 12,
                }
                .window(&key),
            )),
            users_known_by: "query comment key user_id".to_owned(),
            cut_in_transaction: Some(0),
        },
    );
    j.weir(
        34_000,
        Said::Series {
            points: (-15..=36).map(surge_point).collect(),
        },
    );
    j.weir(
        34_100,
        Said::Others {
            says: vec![
                "app/billing: 0 of 1,248 delayed".to_owned(),
                "app/signin: 0 of 402 delayed".to_owned(),
            ],
        },
    );
    j.weir(
        34_200,
        Said::Resolved {
            says: "99.7 % of waits below 10 ms for 10 s".to_owned(),
            evidence: vec![evidence(
                "99.7 % of 3,110 waits below 10 ms",
                "weir_pool_wait_seconds",
                0.000_6,
                None,
                "GET /api/v1/samples?pool=app/dashboard",
                24_000,
                34_000,
            )],
        },
    );
    j.entries()
}

fn finding(cause: Cause, confidence: f64, share: f64, says: &str) -> CauseFinding {
    CauseFinding {
        cause,
        confidence,
        share,
        object: BTreeMap::new(),
        says: says.to_owned(),
        evidence: vec![],
        remedy: Remedy {
            says: String::new(),
            order: None,
            undo: None,
            safe_to_automate: false,
        },
    }
}

fn surge_point(s: i64) -> ChartPoint {
    let grown = s >= 21;
    let arrivals = match s {
        ..=-9 => 150,
        -8..=0 => 150 + 18 * (s + 9) as u32,
        _ => 310 + (s * 7 % 11) as u32,
    };
    let size = if grown { 18 } else { 10 };
    let queue: i64 = match s {
        ..=0 => 0,
        1..=15 => 9 * s + s % 4,
        16..=20 => 138 + s % 4,
        21..=23 => 138 - 46 * (s - 20),
        _ => 0,
    };
    let active = if queue > 0 {
        size
    } else {
        (arrivals * 48).div_ceil(1_000).min(size)
    };
    let completions = if queue > 0 {
        size * 1_000 / 48
    } else {
        arrivals
    };
    ChartPoint {
        at: at(s * 1_000),
        size,
        active,
        waiting: queue as u32,
        oldest_wait_s: queue as f64 / 48.0,
        wait_p99_s: (queue as f64 / 50.0).max(0.000_2),
        arrivals,
        completions,
        failures: if (10..=21).contains(&s) { 18 } else { 0 },
        executing_s: f64::from(completions) * 0.044,
        thinking_s: f64::from(completions) * 0.0035,
        network_s: f64::from(completions) * 0.000_5,
    }
}

/// An application calls out while its transaction is open; a person ends it. Statement texts are
/// hostile on purpose.
pub(crate) fn idle_in_transaction() -> Vec<Entry> {
    let key = PoolKey::new("shop", "checkout");
    let mut j = Journal::new(12);
    let sql = "SELECT '</script><script>alert(1)</script>' | \"cart\" FROM cart -- `rm` *bold* [x](javascript:1)";
    j.weir(
        900,
        Said::Opened {
            kind: Kind::Drill,
            pools: vec![key.clone()],
            level: Some(Level::Exhausted),
            severity: Severity::Sev2,
            impact_started_at: at(0),
            detected_at: at(900),
            detected_by: "weir".to_owned(),
            objective: "99% of waits < 10ms".to_owned(),
            evidence: vec![evidence(
                "10 of 10 server connections in use, 14 clients waiting",
                "weir_pool_waiting_clients",
                14.0,
                Some(0.0),
                "SHOW POOLS",
                0,
                900,
            )],
            baseline: Some(Box::new(calm(&key))),
            title: None,
            service: None,
        },
    );
    let mut top = finding(
        Cause::IdleInTransaction,
        0.91,
        0.88,
        "`checkout-web` holds 9 of 10 connections inside open transactions while it asks nothing; the oldest has been idle for 41 s",
    );
    top.object = BTreeMap::from([
        ("application".to_owned(), "checkout-web".to_owned()),
        ("client".to_owned(), "10.0.3.17:51234".to_owned()),
        ("statement".to_owned(), sql.to_owned()),
    ]);
    top.evidence = vec![
        evidence(
            "thinking is 91 % of the hold time, 8 % before",
            "weir_pool_thinking_share",
            0.91,
            Some(0.08),
            "GET /api/v1/samples?pool=shop/checkout",
            -2_000,
            8_000,
        ),
        evidence(
            &format!("the last statement of each was {sql}"),
            "pg_stat_activity.state",
            9.0,
            Some(0.0),
            "SELECT pid, query FROM pg_stat_activity WHERE state = 'idle in transaction'",
            0,
            8_000,
        ),
    ];
    top.remedy = Remedy {
        says: "Set `idle_transaction_timeout` of `shop/checkout` to 10 s and take the payment call out of the transaction".to_owned(),
        order: None,
        undo: None,
        safe_to_automate: false,
    };
    j.weir(
        8_000,
        Said::Diagnosed {
            causes: vec![top],
            ruled_out: vec![
                ruled(
                    Cause::PoolUndersized,
                    "arrivals were 1.0 × the usual",
                    "weir_transactions_total",
                    148.0,
                    Some(150.0),
                ),
                ruled(
                    Cause::SlowQuery,
                    "statements executed for 44 ms, as before",
                    "weir_query_duration_seconds",
                    0.044,
                    Some(0.044),
                ),
            ],
            trigger: None,
            trigger_at: None,
        },
    );
    j.weir(
        8_100,
        Said::Notified {
            channel: "webhook".to_owned(),
            ok: false,
            says: "connection refused (os error 111)".to_owned(),
            step: None,
            to: None,
        },
    );
    j.weir(
        8_200,
        Said::Decided {
            decision: "D-4".to_owned(),
            says: "keep 10".to_owned(),
            because: "91 % of the hold time is thinking; more servers would be held the same"
                .to_owned(),
            expected: "no change".to_owned(),
            acted: false,
            from_size: None,
            to_size: None,
        },
    );
    j.by(
        95_000,
        By::Person("dba".to_owned()),
        Said::Acknowledged {
            says: String::new(),
        },
    );
    j.by(
        180_000,
        By::Person("dba".to_owned()),
        Said::Action {
            says: "restarted `checkout-web`; its 9 clients disconnected".to_owned(),
            evidence: vec![],
        },
    );
    j.weir(
        186_000,
        Said::Mitigated {
            says: "100 % of waits below 10 ms in the last second".to_owned(),
            evidence: vec![],
        },
    );
    j.weir(
        216_000,
        Said::Measured {
            impact: ImpactWindow {
                transactions: 28_010,
                delayed: 21_400,
                failed: 1_911,
                clients: 61,
                clients_affected: 61,
                users: None,
                users_affected: None,
                events_lost: 12,
            },
            during: Box::new(
                Shape {
                    end_ms: 1_186_000,
                    seconds: 186,
                    size: 10,
                    active: 10.0,
                    waiting_max: 52,
                    arrivals_per_s: 148,
                    completions_per_s: 22,
                    executing_ms: 44,
                    thinking_ms: 408,
                    wait_ms: &[(0.1, 200), (5_000.0, 3_000), (118_000.0, 60)],
                    failures: 3,
                    abandoned: 1_908,
                    idle_max_ms: 41_000,
                }
                .window(&key),
            ),
            after: None,
            users_known_by: "not measured".to_owned(),
            cut_in_transaction: Some(3),
        },
    );
    j.weir(
        216_000,
        Said::Series {
            points: (-10..=210).map(idle_point).collect(),
        },
    );
    j.by(
        216_500,
        By::Person("dba".to_owned()),
        Said::Resolved {
            says: "quiet since the restart".to_owned(),
            evidence: vec![],
        },
    );
    j.entries()
}

fn idle_point(s: i64) -> ChartPoint {
    let stuck = (0..182).contains(&s);
    let completions = if stuck { 22 } else { 150 };
    ChartPoint {
        at: at(s * 1_000),
        size: 10,
        active: if stuck { 10 } else { 8 },
        waiting: if stuck { (20 + s % 33) as u32 } else { 0 },
        oldest_wait_s: if stuck { (s as f64).min(118.0) } else { 0.0 },
        wait_p99_s: if stuck {
            (s as f64).min(118.0)
        } else {
            0.000_2
        },
        arrivals: 148,
        completions,
        failures: if stuck && s > 118 { 28 } else { 0 },
        executing_s: f64::from(completions) * 0.044,
        thinking_s: if stuck { 9.0 } else { 0.6 },
        network_s: if stuck { 0.02 } else { 0.06 },
    }
}

/// PostgreSQL goes away across midnight, comes back, and goes again; still open when written.
pub(crate) fn server_down() -> Vec<Entry> {
    let key = PoolKey::new("app", "web");
    let mut j = Journal::new(31);
    let midnight = 36_060_000;
    j.by(
        midnight + 400,
        By::Weir,
        Said::Opened {
            kind: Kind::Real,
            pools: vec![key.clone(), PoolKey::new("app", "worker")],
            level: Some(Level::Down),
            severity: Severity::Sev1,
            impact_started_at: at(midnight),
            detected_at: at(midnight + 400),
            detected_by: "weir".to_owned(),
            objective: "99% of waits < 10ms".to_owned(),
            evidence: vec![evidence(
                "4 of 4 attempts to connect to db1:5432 were refused",
                "weir_server_login_failures_total",
                4.0,
                Some(0.0),
                "SHOW SERVERS",
                midnight,
                midnight + 400,
            )],
            baseline: Some(Box::new(calm(&key))),
            title: None,
            service: None,
        },
    );
    let mut top = finding(
        Cause::ServerDown,
        0.99,
        1.0,
        "PostgreSQL at db1:5432 refuses connections (ECONNREFUSED); all pools of this server are hit",
    );
    top.evidence = vec![evidence(
        "38 connections lost with 57P01, then every attempt refused",
        "weir_server_lost_total",
        38.0,
        Some(0.0),
        "SHOW SERVERS",
        midnight - 10_000,
        midnight + 1_200,
    )];
    top.remedy.says = "Start PostgreSQL at db1:5432, or point `hosts` to its standby".to_owned();
    j.weir(
        midnight + 1_200,
        Said::Diagnosed {
            causes: vec![top.clone()],
            ruled_out: vec![ruled(
                Cause::MaxConnections,
                "no login was refused with 53300",
                "weir_server_login_failures_total{sqlstate=\"53300\"}",
                0.0,
                Some(0.0),
            )],
            trigger: Some(
                "PostgreSQL ended all connections with 57P01 (administrator command)".to_owned(),
            ),
            trigger_at: Some(at(midnight - 20)),
        },
    );
    j.weir(
        midnight + 1_500,
        Said::Notified {
            channel: "alertmanager".to_owned(),
            ok: true,
            says: "200 accepted".to_owned(),
            step: None,
            to: None,
        },
    );
    j.weir(
        midnight + 20_000,
        Said::Mitigated {
            says: "100 % of waits below 10 ms in the last second".to_owned(),
            evidence: vec![],
        },
    );
    j.weir(
        midnight + 31_000,
        Said::Reopened {
            says: "db1:5432 refuses connections again".to_owned(),
        },
    );
    j.weir(
        midnight + 32_000,
        Said::Diagnosed {
            causes: vec![top],
            ruled_out: vec![],
            trigger: None,
            trigger_at: None,
        },
    );
    j.weir(
        midnight + 40_000,
        Said::Measured {
            impact: ImpactWindow {
                transactions: 3_204,
                delayed: 900,
                failed: 2_210,
                clients: 80,
                clients_affected: 80,
                users: Some(611),
                users_affected: Some(611),
                events_lost: 0,
            },
            during: Box::new(
                Shape {
                    end_ms: 37_100_000,
                    seconds: 40,
                    size: 10,
                    active: 0.0,
                    waiting_max: 80,
                    arrivals_per_s: 80,
                    completions_per_s: 0,
                    executing_ms: 0,
                    thinking_ms: 0,
                    wait_ms: &[(5_000.0, 900)],
                    failures: 2_210,
                    abandoned: 0,
                    idle_max_ms: 0,
                }
                .window(&key),
            ),
            after: None,
            users_known_by: "query comment key user_id".to_owned(),
            cut_in_transaction: None,
        },
    );
    j.entries()
}

/// Opened, and then Weir was killed: no series, no diagnosis, no numbers.
pub(crate) fn sparse() -> Vec<Entry> {
    let mut j = Journal::new(1);
    j.weir(
        500,
        Said::Opened {
            kind: Kind::Real,
            pools: vec![],
            level: Some(Level::Stalled),
            severity: Severity::Sev3,
            impact_started_at: at(0),
            detected_at: at(500),
            detected_by: "alert".to_owned(),
            objective: String::new(),
            evidence: vec![],
            baseline: None,
            title: None,
            service: None,
        },
    );
    j.entries()
}
