//! The same numbers as OpenMetrics text.
//!
//! Names are a contract (WIRE_CONTRACTS, "Weir native"), so they stand here in full, each with its
//! unit and its sentence. Written by hand: a registry would be global state that says the same a
//! second time.
//!
//! # What always holds
//! - Counters and histograms count from the start of the process and never fall.
//! - Waits of those who gave up stand in `weir_pool_wait_seconds` like all others.
//! - Labels are pools, states and names of Weir's own vocabulary: no users' ids, no SQL.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use weir_control::handle::{PoolView, Published};
use weir_model::{Cause, Histogram, Level, Pin};

use crate::process::Process;

/// What OpenMetrics text calls itself.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What the older text format calls itself.
pub const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Which dialect the scraper reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Plain,
}

impl Format {
    /// OpenMetrics, unless the scraper takes the older format and doesn't name this one.
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept)
                if accept.contains("text/plain")
                    && !accept.contains("openmetrics")
                    && !accept.contains("*/*") =>
            {
                Self::Plain
            }
            _ => Self::OpenMetrics,
        }
    }

    /// The content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => OPENMETRICS,
            Self::Plain => PLAIN,
        }
    }
}

/// Upper edges of the histograms, in powers of two of a microsecond: there the buckets of
/// [`Histogram`] end too, so no count is guessed. 128 µs to 134 s.
const EDGES_US: std::ops::RangeInclusive<u32> = 7..=27;

struct Text {
    out: String,
    format: Format,
}

impl Text {
    /// Opens a family. `name` is without `_total`.
    fn family(&mut self, name: &str, kind: &str, unit: &str, help: &str) {
        let suffix = match (self.format, kind) {
            (Format::Plain, "counter") => "_total",
            _ => "",
        };
        let kind = match (self.format, kind) {
            (Format::Plain, "info" | "stateset") => "gauge",
            (_, kind) => kind,
        };
        let suffix = match (self.format, name) {
            (Format::Plain, "weir_build") => "_info",
            _ => suffix,
        };
        let _ = writeln!(self.out, "# TYPE {name}{suffix} {kind}");
        if self.format == Format::OpenMetrics && !unit.is_empty() {
            let _ = writeln!(self.out, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.out, "# HELP {name}{suffix} {help}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.out.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.out.push(if index == 0 { '{' } else { ',' });
            let _ = write!(self.out, "{label}=\"{}\"", escaped(text));
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }

    fn histogram(&mut self, name: &str, pool: &str, of: &Histogram) {
        let mut buckets = of.buckets().peekable();
        let mut below = 0u64;
        let bucket = format!("{name}_bucket");
        for power in EDGES_US {
            let edge = Duration::from_micros(1 << power);
            while let Some((_, count)) = buckets.next_if(|(upper, _)| *upper <= edge) {
                below += count;
            }
            let edge = edge.as_secs_f64().to_string();
            self.value(&bucket, &[("pool", pool), ("le", &edge)], below);
        }
        self.value(&bucket, &[("pool", pool), ("le", "+Inf")], of.count());
        self.value(&format!("{name}_count"), &[("pool", pool)], of.count());
        let sum = of.sum().as_secs_f64();
        self.value(&format!("{name}_sum"), &[("pool", pool)], sum);
    }

    /// One family with one value per pool.
    fn per_pool<V: std::fmt::Display>(
        &mut self,
        pools: &[(String, &PoolView)],
        [name, kind, unit, help]: [&str; 4],
        value: impl Fn(&PoolView) -> V,
    ) {
        self.family(name, kind, unit, help);
        let suffix = if kind == "counter" { "_total" } else { "" };
        let name = format!("{name}{suffix}");
        for (label, pool) in pools {
            self.value(&name, &[("pool", label)], value(pool));
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}

/// Everything, as of what was published last.
pub fn text(published: &Published, process: Option<&Process>, format: Format) -> String {
    let mut text = Text {
        out: String::with_capacity(16 * 1024),
        format,
    };
    let pools: Vec<(String, &PoolView)> = published
        .pools
        .iter()
        .map(|pool| (pool.key.to_string(), pool))
        .collect();
    weir(&mut text, published);
    states(&mut text, &pools);
    counters(&mut text, &pools);
    incidents(&mut text, published, &pools);
    if let Some(process) = process {
        process_metrics(&mut text, process);
    }
    if format == Format::OpenMetrics {
        text.out.push_str("# EOF\n");
    }
    text.out
}

fn weir(text: &mut Text, published: &Published) {
    let status = &published.status;
    text.family("weir_build", "info", "", "The version that runs.");
    text.value("weir_build_info", &[("version", &status.version)], 1);
    text.family("weir_up", "gauge", "", "1 while the data plane reports.");
    text.value("weir_up", &[], u8::from(!status.data_plane_silent));
    text.family(
        "weir_store_ok",
        "gauge",
        "",
        "1 while the store holds what it should.",
    );
    text.value("weir_store_ok", &[], u8::from(status.store_ok));
    text.family(
        "weir_uptime_seconds",
        "gauge",
        "seconds",
        "Time since the start of the process.",
    );
    text.value("weir_uptime_seconds", &[], status.uptime.as_secs_f64());
    text.family(
        "weir_buffered_bytes",
        "gauge",
        "bytes",
        "Bytes held in buffers now.",
    );
    text.value("weir_buffered_bytes", &[], published.worker.buffered_bytes);
    text.family(
        "weir_event_loop_lag_max_seconds",
        "gauge",
        "seconds",
        "Longest turn of the event loop in the last sample.",
    );
    text.value(
        "weir_event_loop_lag_max_seconds",
        &[],
        published.worker.loop_lag_max.as_secs_f64(),
    );
    text.family(
        "weir_events_lost",
        "counter",
        "",
        "Events of the data plane that found no room on their way.",
    );
    text.value(
        "weir_events_lost_total",
        &[],
        published.worker.events_lost_total,
    );
}

fn states(text: &mut Text, pools: &[(String, &PoolView)]) {
    text.per_pool(
        pools,
        [
            "weir_pool_size",
            "gauge",
            "",
            "Server connections the pool is allowed now.",
        ],
        |pool| pool.size,
    );
    text.per_pool(
        pools,
        [
            "weir_pool_size_min",
            "gauge",
            "",
            "Smallest size the regulator may choose.",
        ],
        |pool| pool.size_min,
    );
    text.per_pool(
        pools,
        [
            "weir_pool_size_max",
            "gauge",
            "",
            "Largest size the regulator may choose now.",
        ],
        |pool| pool.size_max,
    );
    text.family(
        "weir_client_connections",
        "gauge",
        "",
        "Clients by pool and state.",
    );
    for (label, pool) in pools {
        let clients = &pool.clients;
        for (state, count) in [
            ("active", clients.active),
            ("waiting", clients.waiting),
            ("idle", clients.idle),
            ("idle_in_tx", clients.idle_in_transaction),
        ] {
            text.value(
                "weir_client_connections",
                &[("pool", label), ("state", state)],
                count,
            );
        }
    }
    text.family(
        "weir_server_connections",
        "gauge",
        "",
        "Servers by pool and state.",
    );
    for (label, pool) in pools {
        let servers = &pool.servers;
        for (state, count) in [
            ("active", servers.active),
            ("idle", servers.idle),
            ("login", servers.login),
            ("testing", servers.tested),
            ("used", servers.used),
        ] {
            text.value(
                "weir_server_connections",
                &[("pool", label), ("state", state)],
                count,
            );
        }
    }
    text.family(
        "weir_pool_pinned",
        "gauge",
        "",
        "Clients that keep their server beyond the transaction, by why.",
    );
    for (label, pool) in pools {
        for pin in PINS {
            let count = pool.pins.get(&pin).copied().unwrap_or(0);
            text.value(
                "weir_pool_pinned",
                &[("pool", label), ("pin", pin.name())],
                count,
            );
        }
    }
    text.per_pool(
        pools,
        [
            "weir_pool_oldest_wait_seconds",
            "gauge",
            "seconds",
            "How long the oldest waiting client has waited.",
        ],
        |pool| pool.oldest_wait.as_secs_f64(),
    );
    text.per_pool(
        pools,
        [
            "weir_pool_paused",
            "gauge",
            "",
            "1 while an operator has paused the pool.",
        ],
        |pool| u8::from(pool.paused),
    );
}

/// All pins, so that a series exists before it first moves.
const PINS: [Pin; 7] = [
    Pin::Listen,
    Pin::AdvisoryLock,
    Pin::TemporaryObject,
    Pin::HoldCursor,
    Pin::SqlPrepare,
    Pin::SessionSetting,
    Pin::Backend,
];

/// Name, kind, unit, help; and the number.
type Counter = ([&'static str; 4], fn(&PoolView) -> u64);
/// Name, help; and the histogram.
type Distribution = ([&'static str; 2], fn(&PoolView) -> &Histogram);

fn counters(text: &mut Text, pools: &[(String, &PoolView)]) {
    let counters: [Counter; 9] = [
        (
            [
                "weir_pool_arrivals",
                "counter",
                "",
                "Transactions offered, served or not.",
            ],
            |pool| pool.totals.arrivals,
        ),
        (
            [
                "weir_transactions",
                "counter",
                "",
                "Transactions that ended with their server given back.",
            ],
            |pool| pool.totals.completions,
        ),
        (
            [
                "weir_pool_failures",
                "counter",
                "",
                "Transactions that ended in an error of Weir's or by loss of a connection.",
            ],
            |pool| pool.totals.failures,
        ),
        (
            [
                "weir_pool_timeouts",
                "counter",
                "",
                "Waiting clients that timed out, gave up or were refused.",
            ],
            |pool| pool.totals.abandoned,
        ),
        (
            [
                "weir_client_received_bytes",
                "counter",
                "bytes",
                "Bytes from clients and from servers.",
            ],
            |pool| pool.totals.bytes_in,
        ),
        (
            [
                "weir_client_sent_bytes",
                "counter",
                "bytes",
                "Bytes to clients.",
            ],
            |pool| pool.totals.bytes_out,
        ),
        (
            [
                "weir_client_logins",
                "counter",
                "",
                "Logins of clients completed.",
            ],
            |pool| pool.totals.client_logins,
        ),
        (
            [
                "weir_server_logins",
                "counter",
                "",
                "Server connections opened.",
            ],
            |pool| pool.totals.server_logins,
        ),
        (
            [
                "weir_server_login_failures",
                "counter",
                "",
                "Attempts to open a server connection that failed.",
            ],
            |pool| pool.totals.server_login_failures,
        ),
    ];
    for (names, value) in counters {
        text.per_pool(pools, names, value);
    }
    text.family(
        "weir_server_held_seconds",
        "counter",
        "seconds",
        "Time for which servers were held, by what it went into.",
    );
    for (label, pool) in pools {
        let held = &pool.totals.held;
        for (part, time) in [
            ("executing", held.executing),
            ("thinking", held.thinking),
            ("network", held.network),
        ] {
            text.value(
                "weir_server_held_seconds_total",
                &[("pool", label), ("part", part)],
                time.as_secs_f64(),
            );
        }
    }
    let histograms: [Distribution; 2] = [
        (
            [
                "weir_pool_wait_seconds",
                "Every wait that ended, also of clients that gave up.",
            ],
            |pool| &pool.totals.wait,
        ),
        (
            [
                "weir_transaction_duration_seconds",
                "From getting a server to giving it back.",
            ],
            |pool| &pool.totals.hold,
        ),
    ];
    for ([name, help], of) in histograms {
        text.family(name, "histogram", "seconds", help);
        for (label, pool) in pools {
            text.histogram(name, label, of(pool));
        }
    }
}

fn incidents(text: &mut Text, published: &Published, pools: &[(String, &PoolView)]) {
    text.family(
        "weir_pool_level",
        "stateset",
        "",
        "What is odd about the pool; all 0 when nothing is.",
    );
    for (label, pool) in pools {
        for &level in Level::ALL {
            text.value(
                "weir_pool_level",
                &[("pool", label), ("weir_pool_level", level.name())],
                u8::from(pool.level == Some(level)),
            );
        }
    }
    let mut active: BTreeMap<Cause, u32> = BTreeMap::new();
    let mut known: BTreeMap<Cause, u32> = BTreeMap::new();
    for incident in &published.incidents {
        let cause = incident
            .causes
            .first()
            .map_or(Cause::Unknown, |finding| finding.cause);
        *known.entry(cause).or_default() += 1;
        if incident.status.is_ongoing() {
            *active.entry(cause).or_default() += 1;
        }
    }
    text.family(
        "weir_incident_active",
        "gauge",
        "",
        "Incidents not yet resolved, by the cause that ranks first.",
    );
    for &cause in Cause::ALL {
        let count = active.get(&cause).copied().unwrap_or(0);
        text.value("weir_incident_active", &[("class", cause.name())], count);
    }
    // A gauge: the journal keeps the newest 500, and a diagnosis may change its mind.
    text.family(
        "weir_incidents_known",
        "gauge",
        "",
        "Incidents in the journal, by the cause that ranks first.",
    );
    for (cause, count) in known {
        text.value("weir_incidents_known", &[("class", cause.name())], count);
    }
}

fn process_metrics(text: &mut Text, process: &Process) {
    text.family(
        "process_cpu_seconds",
        "counter",
        "seconds",
        "Processor time, user and system.",
    );
    text.value("process_cpu_seconds_total", &[], process.cpu_s);
    let gauges: [(&str, &str, &str, f64); 5] = [
        (
            "process_resident_memory_bytes",
            "bytes",
            "Resident memory.",
            process.resident_bytes,
        ),
        (
            "process_virtual_memory_bytes",
            "bytes",
            "Virtual memory.",
            process.virtual_bytes,
        ),
        (
            "process_open_fds",
            "",
            "Open file descriptors.",
            process.open_fds,
        ),
        (
            "process_max_fds",
            "",
            "Limit on open file descriptors.",
            process.max_fds,
        ),
        (
            "process_start_time_seconds",
            "seconds",
            "Start of the process, since the epoch.",
            process.started_s,
        ),
    ];
    for (name, unit, help, value) in gauges {
        text.family(name, "gauge", unit, help);
        text.value(name, &[], value);
    }
}
