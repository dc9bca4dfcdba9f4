//! The real control plane inside the simulated world: samples and events go in as they are, looks
//! at PostgreSQL are made up from the simulated backends, orders come back with a delay.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_control::core::{CoreSettings, Output};
use weir_control::incident::entry::Kind;
use weir_control::regulate::RegulatorMode;
use weir_control::sense::view::{Backend, Limits, ServerView, WatchFailure};
use weir_model::{ClockMap, Event, Instant, Sample, Wall};
use weir_wire::TxStatus;

use super::plan::{Fault, Plan};
use super::world::{Due, World};

/// How long an order is on its way.
const ORDER_DELAY: Duration = Duration::from_millis(3);

pub(crate) fn settings(plan: &Plan) -> CoreSettings {
    CoreSettings {
        clock: ClockMap {
            instant: Instant::ZERO,
            wall: Wall::from_micros(1_700_000_000_000_000),
        },
        pooler: plan.settings.clone(),
        regulator: RegulatorMode::Act,
        budgets: BTreeMap::new(),
        resolve_after: Duration::from_secs(10),
        watch_window: Duration::from_secs(15 * 60),
        kind: Kind::Drill,
        version: "simulated".to_owned(),
        io: "simulated".to_owned(),
        listen: Vec::new(),
    }
}

impl World {
    pub(crate) fn tell_core_sample(&mut self, sample: &Sample) {
        let mut out = Vec::new();
        self.core.on_sample(sample, &mut out);
        self.outputs(out);
    }

    pub(crate) fn tell_core_event(&mut self, event: &Event) {
        let mut out = Vec::new();
        self.core.on_event(event, &mut out);
        self.outputs(out);
    }

    fn outputs(&mut self, out: Vec<Output>) {
        for output in out {
            if let Output::Order(order) = output {
                let at = self.now.after(ORDER_DELAY);
                self.schedule(at, Due::Order(Box::new(order)));
            }
        }
    }

    /// One look at PostgreSQL.
    pub(crate) fn look(&mut self) {
        self.looks += 1;
        let down = self.plan.faults.iter().any(|f| match f.fault {
            Fault::Down(time) => {
                let from = Instant::from_millis(1).after(f.at);
                from <= self.now && self.now < from.after(time)
            }
            _ => false,
        });
        if down {
            let failure = WatchFailure::Unreachable("Connection refused".to_owned());
            self.core
                .on_view(ServerView::empty("main", self.now, Err(failure)));
            return;
        }
        let mut view = ServerView::empty("main", self.now, Ok(()));
        view.version = 170_000;
        view.sees_all = true;
        view.took = Duration::from_millis(2);
        let mut open = 0;
        for server in &self.servers {
            let Some(session) = server.session() else {
                continue;
            };
            open += 1;
            let (state, wait) = if server.busy_until.is_some() {
                ("active", "")
            } else if session.tx() == TxStatus::InTransaction {
                ("idle in transaction", "Client")
            } else {
                continue;
            };
            let age = self.now.since(server.since);
            view.backends.push(Backend {
                pid: server.pid,
                database: "shop".to_owned(),
                backend_type: "client backend".to_owned(),
                state: state.to_owned(),
                wait_event_type: wait.to_owned(),
                transaction_age: Some(age),
                query_age: Some(age),
                state_age: Some(age),
                query: "SELECT 1".to_owned(),
                ..Backend::default()
            });
        }
        view.limits = Some(Limits {
            max_connections: self.plan.max_connections,
            reserved: 0,
            client_backends: open + 1,
            own_backends: open + 1,
            role_or_database_limit: None,
        });
        self.core.on_view(view);
    }
}
