//! What people and the rim ask of the control plane.

use std::sync::Arc;

use weir_model::{Order, PoolId, PoolKey};

use super::{Core, Output};
use crate::handle::{Answer, Ask, AskFault, Change, ChangeKind, OperatorOrder, Wish};
use crate::incident::entry::{By, IncidentId, Said};

/// At most this many samples in one answer.
const SAMPLES_MAX: usize = 10_000;

impl Core {
    /// Answers, or says why not. `Ask::Snapshot` is the plane's, for it needs the data plane.
    ///
    /// # Errors
    /// See [`AskFault`].
    pub fn ask(&mut self, ask: Ask, out: &mut Vec<Output>) -> Result<Answer, AskFault> {
        match ask {
            Ask::Acknowledge { id, by, text } => {
                self.wish(id, &by, &Wish::Acknowledge { text }, out)
            }
            Ask::Note { id, by, text } => {
                let note = Wish::Note {
                    text,
                    happened_at: None,
                    kind: None,
                };
                self.wish(id, &by, &note, out)
            }
            Ask::Resolve { id, by, text } => {
                self.wish(id, &by, &Wish::Resolve { text, at: None }, out)
            }
            Ask::Wish { id, by, wish } => self.wish(id, &by, &wish, out),
            Ask::Declare(wanted) => self.declare(&wanted, out),
            Ask::Outside(from_outside) => self.outside(from_outside, out),
            Ask::Samples { pool, from, to } => {
                let (from, to) = (self.clock.instant(from), self.clock.instant(to));
                let mut samples = Vec::new();
                for (id, key) in self.recorder.pools() {
                    if pool.as_ref().is_none_or(|wanted| wanted == key) {
                        let more = self.recorder.samples(id, from, to);
                        samples.extend(more.map(|(at, s)| (self.clock.wall(at), s.clone())));
                    }
                }
                samples.sort_by_key(|(at, _)| *at);
                samples.truncate(SAMPLES_MAX);
                Ok(Answer::Samples(samples))
            }
            Ask::Order { by, order } => {
                let foreseen = self.foresee(&order)?;
                let kind = match order {
                    OperatorOrder::Regulator { .. } => ChangeKind::Regulator,
                    _ => ChangeKind::Order,
                };
                let change = Change {
                    at: self.clock.wall(self.now),
                    by: by.clone(),
                    kind,
                    says: foreseen.says,
                    undo: foreseen.undo.map(|_| foreseen.undo_says),
                };
                let answer = self.operator_order(by, order, out)?;
                self.changed(change);
                Ok(answer)
            }
            Ask::Foresee { order } => {
                let foreseen = self.foresee(&order)?;
                Ok(Answer::Foreseen(Box::new(foreseen)))
            }
            Ask::Waits { at } => Ok(Answer::Waits(Box::new(self.waits(at)?))),
            Ask::Statements { pool, from, to } => {
                let look = self.statements(pool.as_ref(), from, to)?;
                Ok(Answer::Statements(Box::new(look)))
            }
            Ask::Texts(of) => Ok(Answer::Texts(self.texts(of))),
            Ask::Series {
                pool,
                from,
                to,
                step,
            } => Ok(Answer::Series(self.series(
                pool.as_ref(),
                from,
                to,
                step,
            )?)),
            Ask::At { at } => match self.publish_at(at)? {
                (past, true) => Ok(Answer::Published(Arc::new(past))),
                // The plane asks the store first.
                (_, false) => Err(AskFault::NotRecorded {
                    earliest: self.reach().samples_from,
                }),
            },
            Ask::Reach { .. } => Ok(Answer::Reach(Box::new(self.reach()))),
            Ask::Journal { .. } | Ask::Import { .. } => {
                Err(AskFault::NotNow("the store isn't there".to_owned()))
            }
            Ask::Snapshot | Ask::ConsoleReply { .. } => {
                Err(AskFault::NotNow("the data plane isn't there".to_owned()))
            }
        }
    }

    fn operator_order(
        &mut self,
        by: String,
        order: OperatorOrder,
        out: &mut Vec<Output>,
    ) -> Result<Answer, AskFault> {
        match order {
            OperatorOrder::Resize { pool, size } => {
                let id = self.pool_named(&pool)?;
                self.may_resize(id, &pool, size)?;
                let from = self.recorder.latest(id).map_or(0, |s| s.size);
                if let Some(known) = self.pools.get_mut(&id) {
                    known.because = format!("set to {size} by {by}");
                }
                out.push(Output::Order(Order::Resize { pool: id, size }));
                self.tell_incident(
                    id,
                    &by,
                    format!("ordered size {from} → {size} for {pool}"),
                    out,
                );
                Ok(Answer::Done(format!(
                    "{pool}: size {from} → {size}; undo: order resize to {from}"
                )))
            }
            OperatorOrder::Pause { database } => {
                let done = self.each_pool(database.as_deref(), out, |pool| Order::Pause {
                    pool: Some(pool),
                })?;
                Ok(Answer::Done(format!("{done} paused; undo: resume")))
            }
            OperatorOrder::Resume { database } => {
                let done = self.each_pool(database.as_deref(), out, |pool| Order::Resume {
                    pool: Some(pool),
                })?;
                Ok(Answer::Done(format!("{done} resumed")))
            }
            OperatorOrder::Cancel { server } => {
                let row = self
                    .recorder
                    .servers()
                    .iter()
                    .find(|row| row.server == server);
                let Some(row) = row else {
                    return Err(AskFault::NoSuch {
                        what: "server",
                        name: server.to_string(),
                    });
                };
                let (pool, pid) = (row.pool, row.backend_pid);
                out.push(Output::Order(Order::CancelServer { server }));
                self.tell_incident(
                    pool,
                    &by,
                    format!("cancelled what backend {pid} executed"),
                    out,
                );
                Ok(Answer::Done(format!("cancel sent to backend {pid}")))
            }
            OperatorOrder::CloseClient { client, reason } => {
                out.push(Output::Order(Order::CloseClient { client, reason }));
                Ok(Answer::Done(format!("{client} will be closed")))
            }
            OperatorOrder::Approve { pool } => {
                let id = self.pool_named(&pool)?;
                let decision = self
                    .regulator
                    .approve(&self.recorder, id, &by, self.now)
                    .map_err(|fault| AskFault::NotNow(fault.to_string()))?;
                let says = format!("{pool}: {}", decision.says());
                self.carry_out(decision, out);
                Ok(Answer::Done(says))
            }
            OperatorOrder::Regulator { mode } => {
                let before = self.regulator.mode();
                self.regulator.set_mode(mode);
                let ids: Vec<IncidentId> = self.live.iter().map(|live| live.id).collect();
                for id in ids {
                    let says = format!("regulator switched from {before} to {mode}");
                    self.say(
                        id,
                        by.clone(),
                        Said::Action {
                            says,
                            evidence: vec![],
                        },
                        out,
                    );
                }
                Ok(Answer::Done(format!("regulator: {before} → {mode}")))
            }
        }
    }

    /// A size that PostgreSQL has no room for, or that would serve nobody, is refused.
    pub(super) fn may_resize(&self, id: PoolId, pool: &PoolKey, size: u32) -> Result<(), AskFault> {
        if size == 0 {
            return Err(AskFault::NotNow(
                "a pool of size 0 would serve nobody; PAUSE it instead".to_owned(),
            ));
        }
        let rails = self.pools.get(&id).and_then(|p| p.rails);
        let room = rails.and_then(|r| Some(r.budget?.total.saturating_sub(r.others + 1)));
        match room {
            Some(room) if size > room => Err(AskFault::NotNow(format!(
                "PostgreSQL has room for {room} connections of {pool}, not {size}; the rest is \
                 reserved or others'"
            ))),
            _ => Ok(()),
        }
    }

    fn each_pool(
        &self,
        database: Option<&str>,
        out: &mut Vec<Output>,
        order: impl Fn(PoolId) -> Order,
    ) -> Result<String, AskFault> {
        let mut names = Vec::new();
        for (id, pool) in &self.pools {
            if database.is_none_or(|d| d == &*pool.key.database) {
                out.push(Output::Order(order(*id)));
                names.push(pool.key.to_string());
            }
        }
        match (names.is_empty(), database) {
            (true, Some(name)) => Err(AskFault::NoSuch {
                what: "pool of database",
                name: name.to_owned(),
            }),
            (true, None) => Ok("no pool".to_owned()),
            (false, _) => Ok(names.join(", ")),
        }
    }

    pub(super) fn pool_named(&self, key: &PoolKey) -> Result<PoolId, AskFault> {
        self.pools
            .iter()
            .find(|(_, pool)| pool.key == *key)
            .map(|(id, _)| *id)
            .ok_or_else(|| AskFault::NoSuch {
                what: "pool",
                name: key.to_string(),
            })
    }

    fn tell_incident(&mut self, pool: PoolId, by: &str, says: String, out: &mut Vec<Output>) {
        if let Some(id) = self
            .live
            .iter()
            .find(|l| l.pool == Some(pool))
            .map(|l| l.id)
        {
            self.say(
                id,
                by.to_owned(),
                Said::Action {
                    says,
                    evidence: vec![],
                },
                out,
            );
        }
    }

    fn say(&mut self, id: IncidentId, by: String, said: Said, out: &mut Vec<Output>) {
        self.append(id, self.clock.wall(self.now), By::Person(by), said, out);
    }

    pub(super) fn must_exist(&self, id: IncidentId) -> Result<(), AskFault> {
        match self.incidents.contains_key(&id) {
            true => Ok(()),
            false => Err(AskFault::NoSuch {
                what: "incident",
                name: id.to_string(),
            }),
        }
    }
}
