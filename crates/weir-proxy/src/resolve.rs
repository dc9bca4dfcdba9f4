//! Host names to addresses, on a thread of its own: `getaddrinfo` may block for seconds, and the
//! worker may not.
//!
//! # What is deliberately absent
//! - The records' own time to live: the system's resolver doesn't tell. 15 seconds it is, as in
//!   PgBouncer's `dns_max_ttl`.

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use mio::Waker;
use weir_model::Instant;

/// How long an answer is believed.
const TTL: Duration = Duration::from_secs(15);

/// Names known at a time; there are as many as `[server]` sections. Above it the cache begins anew.
const NAMES_MAX: usize = 256;

/// Questions that may wait for the thread. More fail at once, and the engine dials again later.
const QUESTIONS_MAX: usize = 64;

/// What a name stands for, or the resolver's own text.
pub(crate) type Answer = Result<Arc<[IpAddr]>, String>;

/// What is known of a name now.
pub(crate) enum Lookup {
    /// This.
    Known(Answer),
    /// Asked; [`Resolver::take`] will bring it.
    Asked,
}

enum Entry {
    Asked,
    Known { answer: Answer, until: Instant },
}

/// The two lines to the thread.
struct Thread {
    questions: SyncSender<Arc<str>>,
    answers: Receiver<(Arc<str>, Answer)>,
}

/// The worker's end.
pub(crate) struct Resolver {
    names: HashMap<Arc<str>, Entry>,
    waker: Arc<Waker>,
    thread: Option<Thread>,
}

impl Resolver {
    /// The thread starts with the first name.
    pub(crate) fn new(waker: Arc<Waker>) -> Self {
        Self {
            names: HashMap::new(),
            waker,
            thread: None,
        }
    }

    /// What is known of `host`; asks if nothing is.
    pub(crate) fn lookup(&mut self, host: &Arc<str>, now: Instant) -> Lookup {
        match self.names.get(host) {
            Some(Entry::Known { answer, until }) if now < *until => {
                return Lookup::Known(answer.clone());
            }
            Some(Entry::Asked) => return Lookup::Asked,
            Some(Entry::Known { .. }) | None => {}
        }
        match self.ask(host) {
            Ok(()) => {
                if self.names.len() >= NAMES_MAX {
                    self.names.retain(|_, entry| matches!(entry, Entry::Asked));
                }
                self.names.insert(Arc::clone(host), Entry::Asked);
                Lookup::Asked
            }
            Err(says) => Lookup::Known(Err(says)),
        }
    }

    fn ask(&mut self, host: &Arc<str>) -> Result<(), String> {
        if self.thread.is_none() {
            self.thread = Some(spawn(Arc::clone(&self.waker))?);
        }
        let Some(thread) = &self.thread else {
            return Err("the resolver is gone".to_owned());
        };
        thread
            .questions
            .try_send(Arc::clone(host))
            .map_err(|_| format!("{QUESTIONS_MAX} host names wait to be resolved already"))
    }

    /// The next name that was answered, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(Arc<str>, Answer)> {
        let (host, answer) = self.thread.as_ref()?.answers.try_recv().ok()?;
        // A failure is asked again at once by the next dial: the engine's back-off spaces those.
        let until = match answer {
            Ok(_) => now.after(TTL),
            Err(_) => now,
        };
        self.names.insert(
            Arc::clone(&host),
            Entry::Known {
                answer: answer.clone(),
                until,
            },
        );
        Some((host, answer))
    }
}

fn spawn(waker: Arc<Waker>) -> Result<Thread, String> {
    let (questions, asked) = sync_channel::<Arc<str>>(QUESTIONS_MAX);
    let (answered, answers) = sync_channel(QUESTIONS_MAX);
    std::thread::Builder::new()
        .name("weir-resolve".to_owned())
        .spawn(move || {
            // Ends when the worker drops its end.
            while let Ok(host) = asked.recv() {
                let answer = resolve(&host);
                if answered.send((host, answer)).is_err() {
                    return;
                }
                let _ = waker.wake();
            }
        })
        .map_err(|e| format!("couldn't start the resolver's thread: {e}"))?;
    Ok(Thread { questions, answers })
}

fn resolve(host: &str) -> Answer {
    let mut addrs: Vec<IpAddr> = Vec::new();
    for addr in (host, 0)
        .to_socket_addrs()
        .map_err(|e| format!("couldn't resolve {host}: {e}"))?
    {
        if !addrs.contains(&addr.ip()) {
            addrs.push(addr.ip());
        }
    }
    if addrs.is_empty() {
        return Err(format!("couldn't resolve {host}: no addresses"));
    }
    Ok(addrs.into())
}
