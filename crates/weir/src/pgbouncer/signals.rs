//! PgBouncer's signals: SIGHUP reloads, SIGTERM and SIGINT end in two ways (and at once when asked
//! twice), SIGQUIT ends at once, SIGUSR1 pauses, SIGUSR2 resumes.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use weir_api::console::Console;
use weir_model::{DatabaseAct, Shutdown};

/// All of them, caught from now on.
pub(crate) struct Signals {
    hup: Signal,
    term: Signal,
    int: Signal,
    quit: Signal,
    usr1: Signal,
    usr2: Signal,
}

/// Ends the process at once.
pub(crate) type StopNow = Box<dyn Fn() + Send + Sync>;

impl Signals {
    /// Begins to catch them.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self {
            hup: signal(SignalKind::hangup())?,
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            usr1: signal(SignalKind::user_defined1())?,
            usr2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Obeys until the process ends.
    pub(crate) async fn obey(mut self, console: Console, stop_now: StopNow) {
        loop {
            tokio::select! {
                Some(()) = self.hup.recv() => {
                    tracing::info!("got SIGHUP, re-reading config");
                    // What is wrong is in the log already.
                    let _ = console.reload().await;
                }
                Some(()) = self.term.recv() => {
                    if console.is_ending() {
                        tracing::info!("got SIGTERM while shutting down, fast exit");
                        stop_now();
                        continue;
                    }
                    tracing::info!(
                        "got SIGTERM, shutting down, waiting for all clients disconnect"
                    );
                    end(&console, Shutdown::WaitForClients, &stop_now).await;
                }
                Some(()) = self.int.recv() => {
                    if console.is_ending() {
                        tracing::info!("got SIGINT while shutting down, fast exit");
                        stop_now();
                        continue;
                    }
                    tracing::info!(
                        "got SIGINT, shutting down, waiting for all servers connections to be released"
                    );
                    end(&console, Shutdown::WaitForServers, &stop_now).await;
                }
                Some(()) = self.quit.recv() => {
                    tracing::info!("got SIGQUIT, fast exit");
                    stop_now();
                }
                Some(()) = self.usr1.recv() => pause(&console).await,
                Some(()) = self.usr2.recv() => resume(&console).await,
                else => return,
            }
        }
    }
}

async fn end(console: &Console, how: Shutdown, stop_now: &StopNow) {
    if let Err(refused) = console.shutdown(how).await {
        tracing::error!("couldn't shut down in order: {}", refused.message);
        stop_now();
    }
}

async fn pause(console: &Console) {
    if console.is_paused().await {
        tracing::info!("got SIGUSR1, but already paused/suspended");
        return;
    }
    tracing::info!("got SIGUSR1, pausing all activity");
    let console = console.clone();
    // Done when the last transaction is; meanwhile other signals count.
    tokio::spawn(async move {
        if let Err(refused) = console.act(DatabaseAct::Pause, None).await {
            tracing::error!("{}", refused.message);
        }
    });
}

async fn resume(console: &Console) {
    if console.is_ending() {
        tracing::info!("got SIGUSR2 while shutting down, ignoring");
        return;
    }
    if !console.is_paused().await {
        tracing::info!("got SIGUSR2, but not paused/suspended");
        return;
    }
    tracing::info!("got SIGUSR2, continuing from PAUSE");
    if let Err(refused) = console.act(DatabaseAct::Resume, None).await {
        tracing::error!("{}", refused.message);
    }
}
