//! The regulator's decisions, carried out and written down.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_model::{Order, PoolId, PoolSize};

use super::{Core, DECISIONS_KEPT, Output};
use crate::incident::entry::{By, Said};
use crate::insight::Rails;
use crate::regulate::{Decision, PoolInput, RegulatorInput, SizeAction};

impl Core {
    /// One plan over all pools; orders go out for what the mode allows.
    pub(super) fn regulate(&mut self, out: &mut Vec<Output>) {
        self.look_up_rails();
        let input = RegulatorInput {
            recorder: &self.recorder,
            now: self.now,
            pools: self
                .pools
                .iter()
                .map(|(id, pool)| PoolInput {
                    pool: *id,
                    key: pool.key.clone(),
                    rails: pool.rails.unwrap_or_else(Rails::unknown),
                    initial: pool.settings.size.initial(),
                    level: self.detector.level(*id),
                    cause: self
                        .live
                        .iter()
                        .find(|live| live.pool == Some(*id))
                        .and_then(|live| live.diagnosed)
                        .map(|named| named.cause),
                    objective_wait: pool.settings.objective_wait,
                })
                .collect(),
        };
        let plan = self.regulator.plan(&input);
        for decision in plan.decisions {
            self.carry_out(decision, out);
        }
    }

    fn look_up_rails(&mut self) {
        let mut by_server: BTreeMap<Arc<str>, Vec<(PoolId, PoolSize)>> = BTreeMap::new();
        for (id, pool) in &self.pools {
            let server = Arc::clone(&pool.settings.server.name);
            by_server
                .entry(server)
                .or_default()
                .push((*id, pool.settings.size));
        }
        for (server, pools) in by_server {
            let cap = self.settings.budgets.get(&server).copied();
            for (id, rails) in Rails::of_all(&self.recorder, self.now, &pools, cap) {
                if let Some(pool) = self.pools.get_mut(&id) {
                    pool.rails = Some(rails);
                }
            }
        }
    }

    /// Publishes a decision, sends its order, and tells the incident that it belongs to.
    pub(super) fn carry_out(&mut self, decision: Decision, out: &mut Vec<Output>) {
        if let Some(pool) = self.pools.get_mut(&decision.pool) {
            pool.because = format!("{}: {}", decision.says(), decision.because);
            pool.why_not_more.clone_from(&decision.why_not_more);
        }
        if decision.acted
            && let Some(order) = &decision.order
        {
            out.push(Output::Order(order.clone()));
        }
        let incident = self
            .live
            .iter()
            .find(|l| l.pool == Some(decision.pool))
            .map(|l| l.id);
        let keeps = matches!(decision.action, SizeAction::Keep);
        if let Some(id) = incident
            // Of the many "keep" in a row only the first is news to the incident.
            && !(keeps && self.kept_already(&decision))
        {
            let by = if decision.approved_by.is_empty() {
                By::Weir
            } else {
                By::Person(decision.approved_by.clone())
            };
            let said = Said::Decided {
                decision: decision.id(),
                says: decision.says(),
                because: decision.because.clone(),
                expected: decision.expected.clone(),
                acted: decision.acted,
                from_size: Some(decision.from),
                to_size: decision.action.to(),
            };
            self.append(id, self.clock.wall(decision.at), by, said, out);
        }
        let decision = Arc::new(decision);
        self.decisions.push_back(Arc::clone(&decision));
        while self.decisions.len() > DECISIONS_KEPT {
            self.decisions.pop_front();
        }
        out.push(Output::Decided(decision));
    }

    fn kept_already(&self, decision: &Decision) -> bool {
        self.decisions
            .iter()
            .rev()
            .find(|d| d.pool == decision.pool)
            .is_some_and(|d| matches!(d.action, SizeAction::Keep))
    }

    /// The data plane carried an order out.
    pub(super) fn on_order_done(&mut self, order: &Order, out: &mut Vec<Output>) {
        let Order::Resize { pool, size } = order else {
            return;
        };
        let Some(id) = self
            .live
            .iter()
            .find(|l| l.pool == Some(*pool))
            .map(|l| l.id)
        else {
            return;
        };
        let key = self
            .pools
            .get(pool)
            .map(|p| p.key.to_string())
            .unwrap_or_default();
        let says = format!("size of {key} set to {size}");
        self.append(
            id,
            self.clock.wall(self.now),
            By::Weir,
            Said::Action {
                says,
                evidence: vec![],
            },
            out,
        );
    }
}
