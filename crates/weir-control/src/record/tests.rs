//! The recorder's windows, as claims.

use std::time::Duration;

use weir_model::{
    ClientCounts, ClientId, ConnectFailure, Event, Fingerprint, Histogram, HoldTime, Instant,
    Outcome, Pin, PoolId, PoolKey, PoolMode, PoolSample, Sample, ServerCounts, ServerId,
    StatementSample, StatementSeen, Transaction, UserTag, WorkerSample,
};

use super::Recorder;
use super::recorder::{FAULTS_MAX, SAMPLES_MAX, TEXTS_MAX};
use crate::sense::view::{Backend, Limits, ServerView, WatchFailure};

const POOL: PoolId = PoolId(0);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn at(n: u64) -> Instant {
    Instant::from_millis(n)
}

fn pool_sample(pool: u32) -> PoolSample {
    PoolSample {
        pool: PoolId(pool),
        key: PoolKey::new("app", &format!("user{pool}")),
        size: 10,
        clients: ClientCounts::default(),
        servers: ServerCounts::default(),
        oldest_wait: Duration::ZERO,
        arrivals: 0,
        completions: 0,
        failures: 0,
        abandoned: 0,
        wait: Histogram::default(),
        hold: Histogram::default(),
        held: HoldTime::default(),
        oldest_transaction: Duration::ZERO,
        oldest_idle_in_transaction: Duration::ZERO,
        bytes_in: 0,
        bytes_out: 0,
        client_logins: 0,
        server_logins: 0,
        server_login_failures: 0,
        paused: false,
    }
}

fn sample(at_ms: u64, pools: Vec<PoolSample>) -> Sample {
    Sample {
        at: at(at_ms),
        interval: ms(100),
        worker: WorkerSample::default(),
        pools,
        statements: Vec::new(),
    }
}

/// A sample of one busy pool: `n` arrivals, completions, waiters and active servers.
fn busy(at_ms: u64, n: u32) -> Sample {
    let mut pool = pool_sample(0);
    pool.arrivals = n;
    pool.completions = n;
    pool.clients.waiting = n;
    pool.servers.active = n;
    pool.held.executing = ms(u64::from(n) * 20);
    for _ in 0..n {
        pool.wait.record(ms(5));
        pool.hold.record(ms(20));
    }
    sample(at_ms, vec![pool])
}

fn recorded(samples: impl IntoIterator<Item = Sample>) -> Recorder {
    let mut recorder = Recorder::new();
    for sample in samples {
        recorder.on_sample(&sample);
    }
    recorder
}

fn transaction(arrived_ms: u64, wait_ms: u64) -> Event {
    Event::Transaction(Transaction {
        pool: POOL,
        client: ClientId(1),
        arrived: at(arrived_ms),
        wait: ms(wait_ms),
        hold: HoldTime::default(),
        statements: 1,
        fingerprint: Fingerprint(1),
        user: UserTag(1),
        outcome: Outcome::Completed { sql_error: false },
    })
}

#[test]
fn counts_are_sums_and_states_are_means() {
    let recorder = recorded((1..=10).map(|i| busy(i * 100, u32::try_from(i).unwrap())));
    let w = recorder.window(POOL, at(0), at(1_000));
    assert_eq!((w.samples, w.arrivals, w.completions), (10, 55, 55));
    assert_eq!((w.active, w.waiting, w.waiting_max), (5.5, 5.5, 10));
    assert_eq!((w.wait.count(), w.hold.count()), (55, 55));
    assert_eq!(w.held.executing, ms(55 * 20));
    assert_eq!(w.arrival_rate(), 55.0);
    assert_eq!((w.hold_s() * 1e6).round(), 20_000.0);
    assert_eq!((w.size, w.size_last), (10.0, 10));
}

#[test]
fn windows_side_by_side_share_nothing_and_miss_nothing() {
    let recorder = recorded((1..=100).map(|i| busy(i * 100, 3)));
    let whole = recorder.window(POOL, at(0), at(10_000)).arrivals;
    for cut in [50, 100, 1_000, 5_050, 9_950] {
        let left = recorder.window(POOL, at(0), at(cut)).arrivals;
        let right = recorder.window(POOL, at(cut), at(10_000)).arrivals;
        assert_eq!(left + right, whole, "cut at {cut} ms");
    }
}

#[test]
fn a_window_without_samples_is_empty_and_keeps_what_was_asked() {
    let recorder = recorded([busy(100, 3)]);
    let w = recorder.window(POOL, at(5_000), at(6_000));
    assert_eq!((w.samples, w.arrivals, w.active), (0, 0, 0.0));
    assert_eq!((w.from, w.to), (at(5_000), at(6_000)));
    let unknown = recorder.window(PoolId(9), at(0), at(1_000));
    assert_eq!((unknown.samples, unknown.arrival_rate()), (0, 0.0));
    let turned = recorder.window(POOL, at(6_000), at(0));
    assert_eq!((turned.samples, turned.arrival_rate()), (0, 0.0));
}

#[test]
fn a_rate_is_not_diluted_by_time_before_the_recording_began() {
    let recorder = recorded((600..=610).map(|i| busy(i * 100, 4)));
    let w = recorder.window(POOL, at(0), at(100_000));
    assert_eq!((w.from, w.to), (at(59_900), at(61_000)));
    assert_eq!(w.arrival_rate(), 40.0);
}

#[test]
fn a_gap_between_samples_counts_into_the_length_and_not_into_the_means() {
    let recorder = recorded([busy(100, 4), busy(200, 4), busy(1_000, 4)]);
    let w = recorder.window(POOL, at(0), at(1_000));
    assert_eq!((w.samples, w.active), (3, 4.0));
    assert_eq!((w.length(), w.arrival_rate()), (ms(1_000), 12.0));
}

#[test]
fn an_idle_pool_costs_one_sample_and_is_still_seen_ten_times_a_second() {
    let recorder = recorded((1..=1_000).map(|i| sample(i * 100, vec![pool_sample(0)])));
    assert_eq!(recorder.window(POOL, at(0), at(100_000)).samples, 1_000);
    let times: Vec<_> = recorder
        .samples(POOL, at(0), at(300))
        .map(|s| s.0)
        .collect();
    assert_eq!(times, [at(100), at(200), at(300)]);
}

#[test]
fn what_is_older_than_a_quarter_of_an_hour_is_kept_by_the_minute() {
    let recorder = recorded((1..=24_000).map(|i| busy(i * 100, 2)));
    let hour = 2_400_000;
    let all = recorder.window(POOL, at(0), at(hour));
    assert_eq!((all.samples, all.arrivals), (24_000, 48_000));
    assert_eq!((all.active, all.arrival_rate()), (2.0, 20.0));
    assert_eq!((all.from, all.to), (at(0), at(hour)));
    assert_eq!(recorder.samples(POOL, at(0), at(hour)).count(), 9_001);
    for cut in [60_000, 600_000, 1_490_000, 1_500_000, 1_510_000, 2_000_000] {
        let left = recorder.window(POOL, at(0), at(cut)).arrivals;
        let right = recorder.window(POOL, at(cut), at(hour)).arrivals;
        assert_eq!(left + right, 48_000, "cut at {cut} ms");
    }
    assert_eq!(
        recorder.window(POOL, at(60_000), at(120_000)).arrivals,
        1_200
    );
}

#[test]
fn after_a_long_silence_only_minutes_are_left_of_what_was() {
    let recorder = recorded([busy(100, 1), busy(901_000, 2)]);
    assert_eq!(recorder.samples(POOL, at(0), at(1_000_000)).count(), 1);
    assert_eq!(recorder.window(POOL, at(0), at(1_000_000)).arrivals, 3);
    assert_eq!(recorder.window(POOL, at(0), at(60_000)).arrivals, 1);
}

#[test]
fn many_busy_pools_shorten_the_longest_memory_and_stay_within_the_bound() {
    let pools = 100;
    let rounds = 2 * SAMPLES_MAX as u64 / pools;
    let recorder = recorded((1..=rounds).map(|i| {
        let busy = (0..pools).map(|pool| {
            let mut s = pool_sample(u32::try_from(pool).unwrap());
            s.bytes_in = i;
            s
        });
        sample(i * 100, busy.collect())
    }));
    let end = at(rounds * 100);
    let held: Vec<_> = (0..100)
        .map(|pool| recorder.samples(PoolId(pool), at(0), end).count())
        .collect();
    assert!(held.iter().sum::<usize>() <= SAMPLES_MAX);
    let (least, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
    assert!(most - least <= 1, "fairly: {least}..{most}");
}

#[test]
fn statements_stand_by_time_spent_with_their_texts() {
    let mut recorder = Recorder::new();
    let row = |fingerprint, calls, each_ms| StatementSample {
        pool: POOL,
        fingerprint: Fingerprint(fingerprint),
        calls,
        errors: 0,
        executing: ms(u64::from(calls) * each_ms),
        executing_max: ms(each_ms),
        rows: u64::from(calls),
    };
    recorder.on_event(&Event::StatementSeen(StatementSeen {
        fingerprint: Fingerprint(7),
        text: "select ? from orders".to_owned(),
    }));
    for second in 1..=3 {
        let mut s = busy(second * 1_000, 1);
        s.statements = vec![row(5, 100, 1), row(7, 10, 50)];
        recorder.on_sample(&s);
    }
    let all = recorder.statements(POOL, at(1_000), at(3_000));
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].text, "select ? from orders");
    assert_eq!((all[0].calls, all[0].executing), (20, ms(1_000)));
    assert_eq!((all[0].mean_s(), all[0].executing_max), (0.05, ms(50)));
    assert_eq!((all[1].calls, all[1].text.as_str()), (200, ""));
    assert!(recorder.statements(POOL, at(3_000), at(4_000)).is_empty());
}

#[test]
fn texts_have_a_bound_and_the_first_to_come_stay() {
    let mut recorder = Recorder::new();
    for n in 0..TEXTS_MAX as u64 + 10 {
        recorder.on_event(&Event::StatementSeen(StatementSeen {
            fingerprint: Fingerprint(n),
            text: format!("select {n}"),
        }));
    }
    assert_eq!(recorder.text(Fingerprint(0)), Some("select 0"));
    assert_eq!(recorder.text(Fingerprint(TEXTS_MAX as u64)), None);
}

#[test]
fn a_client_that_still_waits_is_hurt_already() {
    let mut recorder = recorded([busy(100, 1)]);
    let mut stuck = pool_sample(0);
    stuck.clients.waiting = 1;
    stuck.oldest_wait = ms(40);
    recorder.on_sample(&sample(1_000, vec![stuck]));
    assert_eq!(recorder.first_hurt(POOL, at(0), ms(10)), Some(at(960)));
    recorder.on_event(&transaction(930, 20));
    assert_eq!(recorder.first_hurt(POOL, at(0), ms(10)), Some(at(930)));
    assert_eq!(recorder.first_hurt(POOL, at(940), ms(10)), Some(at(960)));
    assert_eq!(recorder.first_hurt(POOL, at(970), ms(10)), None);
}

#[test]
fn lost_events_make_the_impact_say_that_it_undercounts() {
    let mut recorder = Recorder::new();
    for (i, lost) in [(1, 5), (2, 5), (3, 9)] {
        let mut s = busy(i * 100, 1);
        s.worker.events_lost_total = lost;
        recorder.on_sample(&s);
    }
    recorder.on_event(&transaction(150, 0));
    let impact = recorder.impact(POOL, at(0), at(300), ms(10));
    assert_eq!((impact.transactions, impact.events_lost), (1, 4));
    assert_eq!(recorder.impact(POOL, at(0), at(200), ms(10)).events_lost, 0);
}

#[test]
fn the_objective_of_a_pool_is_the_one_that_delays_are_counted_by() {
    let mut recorder = recorded([busy(100, 1)]);
    recorder.set_objective(Some(POOL), ms(50));
    recorder.on_event(&transaction(100, 50));
    recorder.on_event(&transaction(100, 51));
    assert_eq!(recorder.impact(POOL, at(0), at(1_000), ms(50)).delayed, 1);
}

fn backend(pid: i32, state: &str, wait_type: &str, wait: &str) -> Backend {
    Backend {
        pid,
        backend_type: "client backend".to_owned(),
        state: state.to_owned(),
        wait_event_type: wait_type.to_owned(),
        wait_event: wait.to_owned(),
        ..Backend::default()
    }
}

fn view(at_ms: u64, backends: Vec<Backend>) -> ServerView {
    ServerView {
        backends,
        ..ServerView::empty("main", at(at_ms), Ok(()))
    }
}

#[test]
fn own_backends_are_those_whose_pid_a_server_told() {
    let mut recorder = recorded([busy(100, 1)]);
    for (server, backend_pid) in [(1, 11), (2, 12), (3, 13)] {
        recorder.on_event(&Event::ServerReady {
            pool: POOL,
            server: ServerId(server),
            backend_pid,
            took: ms(2),
        });
    }
    recorder.on_event(&Event::ServerClosed {
        pool: POOL,
        server: ServerId(3),
        reason: "server_lifetime".to_owned(),
        lost: false,
        age: ms(2),
    });
    let mut looked = view(
        1_000,
        vec![
            backend(11, "active", "Lock", "transactionid"),
            backend(12, "idle in transaction", "Client", "ClientRead"),
            backend(13, "active", "", ""),
            backend(99, "active", "IO", "DataFileRead"),
            Backend {
                leader_pid: Some(11),
                ..backend(14, "active", "", "")
            },
        ],
    );
    looked.limits = Some(Limits {
        max_connections: 100,
        reserved: 3,
        client_backends: 20,
        own_backends: 1,
        role_or_database_limit: None,
    });
    recorder.on_view(looked);
    recorder.on_view(ServerView::empty(
        "main",
        at(2_000),
        Err(WatchFailure::Late),
    ));

    let w = recorder.backends(at(0), at(2_000));
    assert_eq!((w.looks, w.looks_failed), (1, 1));
    assert_eq!((w.active_samples, w.idle_in_transaction_samples), (2, 1));
    assert_eq!(w.foreign_active_samples, 2);
    assert_eq!(w.by_wait_type.get("CPU"), Some(&1));
    assert_eq!(w.by_wait_event.get("Lock:transactionid"), Some(&1));
    let own: Vec<_> = recorder
        .latest_view()
        .unwrap()
        .backends
        .iter()
        .map(|b| b.own)
        .collect();
    assert_eq!(own, [true, true, false, false, true]);
    assert_eq!(
        recorder.latest_look().unwrap().outcome,
        Err(WatchFailure::Late)
    );
    let (when, limits) = recorder.latest_limits().unwrap();
    assert_eq!((when, limits.own_backends), (at(1_000), 3));
}

#[test]
fn faults_pins_and_losses_are_kept_by_pool_and_bounded() {
    let key = PoolKey::new("app", "web");
    let mut recorder = Recorder::new();
    recorder.on_event(&Event::PoolOpened {
        pool: POOL,
        key: key.clone(),
        mode: PoolMode::Transaction,
        size: 10,
    });
    assert_eq!(recorder.pools().collect::<Vec<_>>(), [(POOL, &key)]);
    recorder.on_sample(&busy(100, 1));
    for client in 1..=3 {
        recorder.on_event(&Event::Pinned {
            pool: POOL,
            client: ClientId(client),
            pin: Pin::Listen,
            fingerprint: Fingerprint::NONE,
        });
    }
    recorder.on_event(&Event::Unpinned {
        pool: POOL,
        client: ClientId(2),
        pin: Pin::Listen,
    });
    assert_eq!(recorder.pins(POOL).get(&Pin::Listen), Some(&2));
    recorder.on_event(&Event::Servers(Vec::new()));
    assert!(recorder.pins(POOL).is_empty(), "the list is the truth");

    for _ in 0..FAULTS_MAX + 10 {
        recorder.on_event(&Event::ServerLoginFailed {
            pool: POOL,
            failure: ConnectFailure::Timeout,
        });
    }
    recorder.on_event(&Event::ServerClosed {
        pool: POOL,
        server: ServerId(1),
        reason: "57P01".to_owned(),
        lost: true,
        age: ms(2),
    });
    recorder.on_sample(&busy(200, 1));
    let failures = recorder.login_failures(POOL, at(0), at(200));
    assert_eq!(failures.len(), FAULTS_MAX);
    assert_eq!(failures[0], (at(100), ConnectFailure::Timeout));
    assert_eq!(
        recorder.servers_lost(POOL, at(0), at(200)),
        [(at(100), "57P01".to_owned())]
    );
}
