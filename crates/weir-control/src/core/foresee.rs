//! What an operator's order would do, and how to take it back: said before, and after.
//!
//! # What is deliberately absent
//! - Doing it: `asks`.

use weir_model::{ClientId, PoolKey, ServerId};

use super::Core;
use crate::handle::{AskFault, Foreseen, OperatorOrder};
use crate::incident::words::count;
use crate::regulate::RegulatorMode;

impl Core {
    /// Says what an order would do, or why it would be refused.
    ///
    /// # Errors
    /// As the order itself.
    pub(crate) fn foresee(&self, order: &OperatorOrder) -> Result<Foreseen, AskFault> {
        match order {
            OperatorOrder::Resize { pool, size } => self.foresee_size(pool, *size),
            OperatorOrder::Pause { database } => {
                let pools = self.of_database(database.as_deref())?;
                Ok(Foreseen {
                    says: format!("pause {}", named(&pools)),
                    expected: "open transactions finish; whoever begins one waits, at most \
                               query_wait_timeout long, until `resume`"
                        .to_owned(),
                    undo: Some(OperatorOrder::Resume {
                        database: database.clone(),
                    }),
                    undo_says: "order `resume`: those who wait are served at once".to_owned(),
                    pool: None,
                })
            }
            OperatorOrder::Resume { database } => {
                let pools = self.of_database(database.as_deref())?;
                Ok(Foreseen {
                    says: format!("resume {}", named(&pools)),
                    expected: "those who wait are served in the order in which they came"
                        .to_owned(),
                    undo: Some(OperatorOrder::Pause {
                        database: database.clone(),
                    }),
                    undo_says: "order `pause` again".to_owned(),
                    pool: None,
                })
            }
            OperatorOrder::Cancel { server } => self.foresee_cancel(*server),
            OperatorOrder::CloseClient { client, reason } => {
                Ok(self.foresee_close(*client, reason))
            }
            OperatorOrder::Approve { pool } => {
                let id = self.pool_named(pool)?;
                let Some(decision) = self.regulator.recommendation(id) else {
                    return Err(AskFault::NotNow(
                        "nothing is recommended for this pool now".to_owned(),
                    ));
                };
                let size = self.recorder.latest(id).map_or(decision.from, |s| s.size);
                if size != decision.from {
                    return Err(AskFault::NotNow(format!(
                        "the pool has {size} servers by now; this was recommended when it had {}",
                        decision.from
                    )));
                }
                Ok(Foreseen {
                    says: format!(
                        "{pool}: size {} → {}",
                        decision.from,
                        decision.action.to().unwrap_or(decision.from)
                    ),
                    expected: decision.expected.clone(),
                    undo: Some(OperatorOrder::Resize {
                        pool: pool.clone(),
                        size: decision.from,
                    }),
                    undo_says: format!("order `resize` to {}", decision.from),
                    pool: Some(id),
                })
            }
            OperatorOrder::Regulator { mode } => {
                let before = self.regulator.mode();
                Ok(Foreseen {
                    says: format!("regulator: {before} → {mode}"),
                    expected: match mode {
                        RegulatorMode::Observe => {
                            "sizes stay as they are; decisions are told and nothing is done"
                        }
                        RegulatorMode::Recommend => {
                            "sizes stay as they are until somebody approves what is recommended"
                        }
                        RegulatorMode::Act => {
                            "sizes follow the regulator's decisions at once, inside their rails"
                        }
                    }
                    .to_owned(),
                    undo: Some(OperatorOrder::Regulator { mode: before }),
                    undo_says: format!("order `regulator` with mode {before}"),
                    pool: None,
                })
            }
        }
    }

    fn foresee_size(&self, pool: &PoolKey, size: u32) -> Result<Foreseen, AskFault> {
        let id = self.pool_named(pool)?;
        self.may_resize(id, pool, size)?;
        let latest = self.recorder.latest(id);
        let from = latest.map_or(0, |sample| sample.size);
        let waiting = latest.map_or(0, |sample| sample.clients.waiting);
        let active = latest.map_or(0, |sample| sample.servers.active);
        let goes_on = match self.regulator.mode() {
            RegulatorMode::Act => "; the regulator goes on from there",
            RegulatorMode::Observe | RegulatorMode::Recommend => "",
        };
        let expected = match size {
            size if size > from => format!(
                "up to {} more connections to PostgreSQL, opened as clients need them; {} wait now",
                count(u64::from(size - from)),
                count(u64::from(waiting)),
            ),
            size if size < from && active > size => format!(
                "{} of {active} busy servers close as their transactions end; none is cut",
                active - size
            ),
            size if size < from => "idle servers close; no transaction is cut".to_owned(),
            _ => "nothing changes".to_owned(),
        };
        Ok(Foreseen {
            says: format!("{pool}: size {from} → {size}"),
            expected: format!("{expected}{goes_on}"),
            undo: Some(OperatorOrder::Resize {
                pool: pool.clone(),
                size: from.max(1),
            }),
            undo_says: format!("order `resize` to {}", from.max(1)),
            pool: Some(id),
        })
    }

    fn foresee_cancel(&self, server: ServerId) -> Result<Foreseen, AskFault> {
        let rows = self.recorder.servers();
        let Some(row) = rows.iter().find(|row| row.server == server) else {
            return Err(AskFault::NoSuch {
                what: "server",
                name: server.to_string(),
            });
        };
        let whose = match &*row.application {
            "" => String::new(),
            application => format!(" for {application}"),
        };
        Ok(Foreseen {
            says: format!("cancel what backend {} executes{whose}", row.backend_pid),
            expected:
                "its statement fails with 57014 and its transaction with it; the client stays \
                       connected"
                    .to_owned(),
            undo: None,
            undo_says: "can't be taken back: the client may try again".to_owned(),
            pool: Some(row.pool),
        })
    }

    fn foresee_close(&self, client: ClientId, reason: &str) -> Foreseen {
        let rows = self.recorder.servers();
        let row = rows.iter().find(|row| row.client == Some(client));
        let expected = match row {
            Some(row) if row.transaction_since.is_some() => format!(
                "it is told 57P01 \"{reason}\"; its open transaction on backend {} is rolled back",
                row.backend_pid
            ),
            _ => format!("it is told 57P01 \"{reason}\"; most drivers connect again"),
        };
        Foreseen {
            says: format!("close {client}"),
            expected,
            undo: None,
            undo_says: "can't be taken back: the client may connect again".to_owned(),
            pool: row.map(|row| row.pool),
        }
    }

    fn of_database(&self, database: Option<&str>) -> Result<Vec<String>, AskFault> {
        let pools = self.pools.values();
        let names: Vec<String> = pools
            .filter(|pool| database.is_none_or(|name| name == &*pool.key.database))
            .map(|pool| pool.key.to_string())
            .collect();
        match database {
            Some(name) if names.is_empty() => Err(AskFault::NoSuch {
                what: "pool of database",
                name: name.to_owned(),
            }),
            _ => Ok(names),
        }
    }
}

/// The first few of many names.
fn named(names: &[String]) -> String {
    const SHOWN: usize = 5;
    match names.len() {
        0 => "no pool: none is open".to_owned(),
        n if n <= SHOWN => names.join(", "),
        n => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
    }
}
