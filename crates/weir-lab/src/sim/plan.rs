//! What kind of life a seed draws: how many clients, what they do, what goes wrong and when.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    ByteSize, Cause, PoolMode, PoolSettings, PoolSize, PoolerSettings, Secret, ServerCheck,
    ServerSettings,
};

use super::roll::Roll;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// PostgreSQL ends some backends, with 57P01 or without a word.
    Kill {
        /// One in so many.
        one_in: u32,
    },
    /// PostgreSQL is gone for so long; then 57P03 for a moment.
    Down(Duration),
    /// Dials are not answered for so long.
    DialsHang(Duration),
    /// Some backends send what isn't the protocol.
    Garbage,
    /// Sockets of some clients are reset.
    Resets,
    /// Some sockets carry nothing for so long.
    Stall(Duration),
    /// Statements take so many times as long, for so long.
    Slow(u32, Duration),
    /// Foreign sessions take all free slots for so long.
    Crowd(Duration),
    /// An operator resizes, pauses for so long, closes servers.
    Orders(Duration),
}

/// A fault with its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Since the begin of the life.
    pub at: Duration,
    /// What.
    pub fault: Fault,
}

/// One life, as planned.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the pooler runs.
    pub settings: PoolerSettings,
    /// Clients, each reconnecting when it must.
    pub clients: u32,
    /// Pools that they are spread over.
    pub pools: u32,
    /// Slots of PostgreSQL.
    pub max_connections: u32,
    /// The password that PostgreSQL asks of pools, if any.
    pub server_password: Option<String>,
    /// A statement's mean time in PostgreSQL.
    pub service: Duration,
    /// A client's mean pause between two transactions.
    pub pause: Duration,
    /// A client's mean pause inside a transaction.
    pub think: Duration,
    /// One way through the network, mean.
    pub latency: Duration,
    /// True: streams are cut at random points; false: writes arrive whole.
    pub torn: bool,
    /// Clients behave only well: simple and prepared statements, no vanishing, no cancels.
    pub tame: bool,
    /// What goes wrong.
    pub faults: Vec<Planned>,
    /// When faults have stopped and clients begin nothing new but one last probe.
    pub calm_at: Duration,
    /// When everyone must have been served.
    pub ends_at: Duration,
    /// A cause that is injected at `drill_at`, to be named by diagnosis.
    pub drill: Option<Cause>,
    /// When.
    pub drill_at: Duration,
}

impl Plan {
    /// A life under faults, drawn from `seed`.
    pub fn drawn_from(seed: u64) -> Self {
        let mut roll = Roll::new(seed, 1);
        let mut plan = Self::base();
        plan.clients = 2 + roll.below(22) as u32;
        plan.pools = 1 + roll.below(3) as u32;
        plan.pause = Duration::from_millis(roll.between(5, 300));
        plan.think = Duration::from_millis(roll.between(1, 120));
        plan.service = Duration::from_micros(roll.between(200, 30_000));
        plan.latency = Duration::from_micros(roll.between(20, 3_000));
        plan.torn = roll.chance(0.7);
        plan.tame = roll.chance(0.1);
        plan.max_connections = 3 + roll.below(60) as u32;
        plan.server_password = roll.chance(0.2).then(|| "swordfish".to_owned());

        let mut server = ServerSettings::at("db", 5432);
        server.connect_timeout = Duration::from_millis(roll.between(500, 3000));
        server.login_retry = Duration::from_millis(roll.between(50, 500));
        server.lifetime = Duration::from_secs(roll.between(2, 3600));
        server.idle_timeout = Duration::from_secs(roll.between(1, 600));
        server.dials_max = 1 + roll.below(5) as u32;
        server.password = plan
            .server_password
            .as_deref()
            .map(|p| Secret(Arc::from(p)));
        let mut pool = PoolSettings::any(server);
        pool.mode = if roll.chance(0.12) {
            PoolMode::Session
        } else {
            PoolMode::Transaction
        };
        let size = n(1 + roll.below(8) as u32);
        pool.size = if roll.chance(0.5) {
            PoolSize::Fixed(size)
        } else {
            PoolSize::Regulated {
                min: size,
                max: Some(size.saturating_add(8)),
                initial: size,
            }
        };
        pool.query_wait_timeout = Duration::from_millis(roll.between(300, 6000));
        pool.waiters_max = if roll.chance(0.15) { 5 } else { 0 };
        pool.prepared_statements_max = roll.between(1, 6) as u32;
        pool.message_inspect_max = ByteSize(if roll.chance(0.2) { 256 } else { 65_536 });
        if roll.chance(0.1) {
            pool.idle_transaction_timeout = Duration::from_millis(roll.between(200, 2000));
        }
        let mut settings = PoolerSettings::trusting(pool);
        if roll.chance(0.15) {
            settings.client_max = plan.clients.div_ceil(2) + 1;
        }
        settings.client_login_timeout = Duration::from_secs(2);
        plan.settings = settings;
        plan.limit(seed);

        if roll.chance(0.8) {
            let many = 1 + roll.below(5);
            for _ in 0..many {
                let at = Duration::from_millis(roll.between(300, 6_000));
                let span = Duration::from_millis(roll.between(50, 2_500));
                let fault = match roll.below(9) {
                    0 => Fault::Kill {
                        one_in: 1 + roll.below(3) as u32,
                    },
                    1 => Fault::Down(span),
                    2 => Fault::DialsHang(span),
                    3 => Fault::Garbage,
                    4 => Fault::Resets,
                    5 => Fault::Stall(span),
                    6 => Fault::Slow(5 + roll.below(40) as u32, span),
                    7 => Fault::Crowd(span),
                    _ => Fault::Orders(span),
                };
                plan.faults.push(Planned { at, fault });
            }
            plan.faults.sort_by_key(|f| f.at);
        }
        plan
    }

    /// Caps, a reserve, checks and resets in some lives. By dice of its own, so that the rest of a
    /// life is as it would be without.
    fn limit(&mut self, seed: u64) {
        let mut roll = Roll::new(seed, 3);
        let pool = &mut self.settings.pools[0];
        pool.round_robin = roll.chance(0.2);
        pool.reset_always = roll.chance(0.1);
        if roll.chance(0.25) {
            pool.check = if roll.chance(0.5) {
                ServerCheck::Empty
            } else {
                ServerCheck::Query("SELECT 1".into())
            };
            pool.check_delay = Duration::from_millis(roll.between(0, 2000));
        }
        if roll.chance(0.2) {
            pool.reserve_size = roll.between(1, 3) as u32;
            pool.reserve_timeout = Duration::from_millis(roll.between(50, 800));
        }
        // A session keeps its server as long as it likes, so under a cap some would wait for ever.
        if pool.mode == PoolMode::Transaction {
            if roll.chance(0.2) {
                pool.connections_max = roll.between(1, 12) as u32;
            }
            if roll.chance(0.15) {
                self.settings.user_connections_max = roll.between(1, 6) as u32;
            }
        }
    }

    /// A minute of steady traffic into which `cause` is injected; `None`: a quiet minute.
    pub fn drill(seed: u64, cause: Option<Cause>) -> Self {
        let mut roll = Roll::new(seed, 2);
        let mut plan = Self::base();
        plan.tame = true;
        plan.torn = false;
        plan.clients = 40;
        plan.pause = Duration::from_millis(roll.between(180, 220));
        plan.think = Duration::from_millis(2);
        plan.service = Duration::from_millis(roll.between(6, 9));
        plan.latency = Duration::from_micros(100);
        plan.max_connections = 100;
        let mut pool = PoolSettings::any(ServerSettings::at("db", 5432));
        pool.size = PoolSize::Fixed(n(8));
        plan.settings = PoolerSettings::trusting(pool);
        plan.drill = cause;
        plan.drill_at = Duration::from_secs(20);
        plan.calm_at = Duration::from_secs(40);
        plan.ends_at = Duration::from_secs(50);
        if cause == Some(Cause::ServerDown) {
            plan.faults.push(Planned {
                at: plan.drill_at,
                fault: Fault::Down(Duration::from_secs(15)),
            });
        }
        plan
    }

    fn base() -> Self {
        Self {
            settings: PoolerSettings::trusting(PoolSettings::any(ServerSettings::at("db", 5432))),
            clients: 8,
            pools: 1,
            max_connections: 100,
            server_password: None,
            service: Duration::from_millis(2),
            pause: Duration::from_millis(50),
            think: Duration::from_millis(5),
            latency: Duration::from_micros(200),
            torn: true,
            tame: false,
            faults: Vec::new(),
            calm_at: Duration::from_secs(9),
            ends_at: Duration::from_secs(24),
            drill: None,
            drill_at: Duration::ZERO,
        }
    }

    /// True if nothing goes wrong in this life but what clients do themselves.
    pub fn is_quiet(&self) -> bool {
        self.faults.is_empty()
    }
}

fn n(n: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(n.saturating_sub(1))
}
