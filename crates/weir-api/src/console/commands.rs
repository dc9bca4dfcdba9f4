//! What changes something: SET, RELOAD, PAUSE and its kin, SHUTDOWN. Signals come here too
//! ([`Console::reload`], [`Console::shutdown`], [`Console::act`]).

use std::sync::atomic::Ordering;

use weir_model::{ClientId, DatabaseAct, Order, OrderRefused, Shutdown};
use weir_wire::backend;

use super::parse::Command;
use super::{Console, Refused, done, empty, put_notice, ready};

/// The console's own databases: nothing may be done to them.
const CONSOLES: [&str; 2] = ["pgbouncer", "weir"];

impl Console {
    pub(super) async fn carry_out(&self, command: Command, user: &str) -> Result<Vec<u8>, Refused> {
        match command {
            Command::Empty => return Ok(empty()),
            Command::Wrong(says) => return Err(Refused::new(says)),
            // Drivers do this to every connection; it changes nothing, so anybody may.
            Command::SetIgnored => {
                let mut out = Vec::new();
                put_notice(&mut out, "SET ignored", None);
                backend::put_command_complete(&mut out, "SET");
                return Ok(ready(out));
            }
            Command::Show(_)
            | Command::Set { .. }
            | Command::Database(..)
            | Command::KillClient(_)
            | Command::Reload
            | Command::Suspend
            | Command::Shutdown(_) => {}
        }
        if !self.is_admin(user) {
            return Err(Refused::new("admin access needed"));
        }
        match command {
            Command::Set { key, value } => {
                self.set(&key, &value).await?;
                Ok(done(&format!("SET {key}={value}")))
            }
            Command::Reload => {
                tracing::info!("RELOAD command issued");
                self.reload().await?;
                Ok(done("RELOAD"))
            }
            Command::Database(act, database) => {
                let tag = act.name().to_ascii_uppercase();
                match &database {
                    Some(name) => tracing::info!("{tag} '{name}' command issued"),
                    None => tracing::info!("{tag} command issued"),
                }
                self.act(act, database.as_deref()).await?;
                Ok(done(&tag))
            }
            Command::KillClient(text) => {
                let id: u64 = text
                    .parse()
                    .map_err(|_| Refused::new("invalid client pointer supplied"))?;
                let client = ClientId(id);
                match self.desk.order(Order::KillClient { client }).await {
                    Ok(()) => Ok(done("KILL_CLIENT")),
                    Err(OrderRefused::Gone(_)) => Err(Refused::new("client not found")),
                    Err(refused) => Err(refused.into()),
                }
            }
            Command::Suspend => {
                let snapshot = self.desk.snapshot().await?;
                if snapshot.paused || snapshot.suspended {
                    return Err(Refused::new("already suspended/paused"));
                }
                if snapshot.databases.iter().any(|database| database.paused) {
                    return Err(Refused::new("cannot suspend with paused databases"));
                }
                tracing::info!("SUSPEND command issued");
                self.desk.suspend().await?;
                Ok(done("SUSPEND"))
            }
            Command::Shutdown(how) => {
                match how {
                    Shutdown::Now => tracing::info!("SHUTDOWN command issued"),
                    Shutdown::WaitForServers => {
                        tracing::info!("SHUTDOWN WAIT_FOR_SERVERS command issued");
                    }
                    Shutdown::WaitForClients => {
                        tracing::info!("SHUTDOWN WAIT_FOR_CLIENTS command issued");
                    }
                }
                self.shutdown(how).await?;
                match how {
                    // The connection stays open until the process is gone.
                    Shutdown::Now => Ok(Vec::new()),
                    Shutdown::WaitForServers | Shutdown::WaitForClients => Ok(done("SHUTDOWN")),
                }
            }
            Command::Empty | Command::Wrong(_) | Command::SetIgnored | Command::Show(_) => {
                Err(Refused::new("that was no order"))
            }
        }
    }

    /// Whoever was let in is an administrator, unless the file lists them only as a reader.
    fn is_admin(&self, user: &str) -> bool {
        let settings = self.keeper.kept().settings;
        let among = |users: &[std::sync::Arc<str>]| users.iter().any(|u| **u == *user);
        among(&settings.admin_users) || !among(&settings.stats_users)
    }

    async fn set(&self, key: &str, value: &str) -> Result<(), Refused> {
        let change = self.keeper.set(key, value).map_err(|says| {
            tracing::error!("{says}");
            Refused::new(format!("SET failed: {says}"))
        })?;
        let Some(change) = change else {
            return Ok(());
        };
        self.desk.configure(change.settings).await?;
        (change.commit)();
        Ok(())
    }

    /// Reads the configuration again and runs it. All of it or nothing.
    ///
    /// # Errors
    /// Its faults are in the log.
    pub async fn reload(&self) -> Result<(), Refused> {
        let failed = || Refused {
            sqlstate: "F0000",
            message: "RELOAD failed, see logs for additional details".to_owned(),
        };
        let change = self.keeper.reload().map_err(|faults| {
            for fault in faults {
                tracing::error!("{fault}");
            }
            tracing::warn!("config file loading failed");
            failed()
        })?;
        match self.desk.configure(change.settings).await {
            Ok(changes) => {
                (change.commit)();
                for change in changes {
                    tracing::info!("{change}");
                }
                Ok(())
            }
            Err(refused) => {
                tracing::error!("{refused}");
                Err(failed())
            }
        }
    }

    /// Does something to a database, or to all; returns once it is done.
    ///
    /// # Errors
    /// Why not, in PgBouncer's words.
    pub async fn act(&self, act: DatabaseAct, database: Option<&str>) -> Result<(), Refused> {
        if let Some(name) = database
            && CONSOLES.contains(&name)
        {
            let verb = match act {
                DatabaseAct::WaitClose => "wait in",
                DatabaseAct::Enable => "disable",
                act => act.name(),
            };
            return Err(Refused::new(format!("cannot {verb} admin db: {name}")));
        }
        match act {
            DatabaseAct::Pause | DatabaseAct::Kill => {
                let snapshot = self.desk.snapshot().await?;
                if snapshot.paused || snapshot.suspended {
                    return Err(Refused::new("already suspended/paused"));
                }
            }
            DatabaseAct::Resume => {
                if self.ending.load(Ordering::Relaxed) {
                    return Err(Refused::new("pooler is shutting down"));
                }
                let snapshot = self.desk.snapshot().await?;
                match database {
                    None if !snapshot.paused && !snapshot.suspended => {
                        return Err(Refused::new("pooler is not paused/suspended"));
                    }
                    Some(name) => {
                        let known = snapshot.databases.iter().find(|row| *row.name == *name);
                        if known.is_some_and(|row| !row.paused) {
                            return Err(Refused::new(format!("database {name} is not paused")));
                        }
                    }
                    None => {}
                }
            }
            DatabaseAct::Disable
            | DatabaseAct::Enable
            | DatabaseAct::Reconnect
            | DatabaseAct::WaitClose => {}
        }
        Ok(self.desk.act(act, database).await?)
    }

    /// Ends the process, in one of three ways.
    ///
    /// # Errors
    /// The data plane is gone already.
    pub async fn shutdown(&self, how: Shutdown) -> Result<(), Refused> {
        self.ending.store(true, Ordering::Relaxed);
        Ok(self.desk.tell(Order::Shutdown { how })?)
    }

    /// True once something asked for the end.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Every database is paused, or SUSPEND is in force.
    pub async fn is_paused(&self) -> bool {
        self.desk
            .snapshot()
            .await
            .is_ok_and(|snapshot| snapshot.paused || snapshot.suspended)
    }
}
