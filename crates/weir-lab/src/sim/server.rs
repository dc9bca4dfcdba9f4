//! A backend of the simulated PostgreSQL: login, one message after the other, each in its time.

use std::collections::VecDeque;

use weir_model::Instant;
use weir_wire::auth::md5;
use weir_wire::backend;
use weir_wire::startup::{self, FirstPacket, Startup};

use super::pg::{self, Message, Session};
use super::pg_words;

/// How far a backend has come.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Waits for the startup packet.
    Startup,
    /// Waits for the answer to its salt.
    Password {
        salt: [u8; 4],
        params: Vec<(String, String)>,
    },
    /// Serves.
    Ready(Box<Session>),
    /// Gone.
    Gone,
}

/// One backend.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) sock: usize,
    pub(crate) stage: Stage,
    pub(crate) pid: i32,
    pub(crate) key: [u8; 4],
    rx: Vec<u8>,
    queue: VecDeque<Message>,
    /// The message at the front is executed at this time.
    pub(crate) busy_until: Option<Instant>,
    pub(crate) cancelled: bool,
    /// Its statement began.
    pub(crate) since: Instant,
    /// It takes a slot.
    pub(crate) counted: bool,
}

/// What the world has to do for a backend.
#[derive(Debug, Default)]
pub(crate) struct Act {
    /// Send this.
    pub(crate) say: Vec<u8>,
    /// End the connection after it.
    pub(crate) bye: bool,
    /// Work begins: decide how long it takes, set `busy_until`, and call `work` then.
    pub(crate) work: bool,
}

/// How PostgreSQL feels about logins.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    pub(crate) full: bool,
    pub(crate) starting: bool,
    pub(crate) password: Option<String>,
}

impl Server {
    pub(crate) fn new(sock: usize, number: usize, secret: u32, now: Instant) -> Self {
        Self {
            sock,
            stage: Stage::Startup,
            pid: 1000 + number as i32,
            key: secret.to_be_bytes(),
            rx: Vec::new(),
            queue: VecDeque::new(),
            busy_until: None,
            cancelled: false,
            since: now,
            counted: false,
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.stage, Stage::Gone)
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        match &self.stage {
            Stage::Ready(session) => Some(session),
            Stage::Startup | Stage::Password { .. } | Stage::Gone => None,
        }
    }

    /// True if the message at the front runs a statement with this in its text.
    pub(crate) fn runs(&self, what: &[u8]) -> bool {
        let (Some(session), Some(front)) = (self.session(), self.queue.front()) else {
            return false;
        };
        session.text(front).windows(what.len()).any(|w| w == what)
    }

    /// Bytes came. An error means that Weir spoke nonsense.
    pub(crate) fn receives(
        &mut self,
        bytes: &[u8],
        door: &Door,
        act: &mut Act,
    ) -> Result<(), String> {
        if self.is_gone() {
            return Ok(());
        }
        self.rx.extend_from_slice(bytes);
        if matches!(self.stage, Stage::Startup) {
            let Some(len) = self
                .rx
                .get(..4)
                .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize)
            else {
                return Ok(());
            };
            if self.rx.len() < len {
                return Ok(());
            }
            let packet: Vec<u8> = self.rx.drain(..len).collect();
            match startup::parse(&packet) {
                Ok(FirstPacket::Complete {
                    startup: Startup::Start { params, .. },
                    ..
                }) => {
                    if door.starting {
                        pg_words::error(
                            &mut act.say,
                            "FATAL",
                            "57P03",
                            "the database system is starting up",
                        );
                        act.bye = true;
                    } else if door.full {
                        pg_words::error(
                            &mut act.say,
                            "FATAL",
                            "53300",
                            "sorry, too many clients already",
                        );
                        act.bye = true;
                    } else if door.password.is_some() {
                        let salt = self.key;
                        backend::put_auth_md5(&mut act.say, salt);
                        self.stage = Stage::Password { salt, params };
                        self.counted = true;
                    } else {
                        self.counted = true;
                        self.welcome(&params, act);
                    }
                }
                Ok(other) => return Err(format!("Weir began with {other:?}")),
                Err(error) => return Err(format!("Weir's startup packet: {error}")),
            }
        }
        let mut messages = Vec::new();
        pg::cut(&mut self.rx, &mut messages)
            .map_err(|error| format!("Weir sent what PostgreSQL can't read: {error}"))?;
        self.queue.extend(messages);
        if let Stage::Password { salt, params } = &self.stage
            && let Some((tag, body)) = self.queue.pop_front()
        {
            let user = params
                .iter()
                .find(|(n, _)| n == "user")
                .map_or("", |(_, v)| v.as_str());
            let wanted = door.password.as_deref().unwrap_or_default();
            let secret = md5::secret(wanted.as_bytes(), user.as_bytes());
            let right = tag == b'p'
                && body
                    .strip_suffix(&[0])
                    .is_some_and(|answer| md5::verify(&secret, *salt, answer));
            if !right {
                return Err("Weir gave a wrong password".to_owned());
            }
            let params = params.clone();
            self.welcome(&params, act);
        }
        self.advance(act);
        Ok(())
    }

    fn welcome(&mut self, params: &[(String, String)], act: &mut Act) {
        let session = Session::new(params.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        backend::put_auth_ok(&mut act.say);
        for (name, value) in session.told() {
            backend::put_parameter_status(&mut act.say, name.as_bytes(), value.as_bytes());
        }
        backend::put_parameter_status(&mut act.say, b"server_version", b"17.0");
        backend::put_backend_key_data(&mut act.say, self.pid, &self.key);
        backend::put_ready_for_query(&mut act.say, weir_wire::TxStatus::Idle);
        self.stage = Stage::Ready(Box::new(session));
    }

    /// Executes what takes no time; stops at what does.
    pub(crate) fn advance(&mut self, act: &mut Act) {
        if self.busy_until.is_some() {
            return;
        }
        let Stage::Ready(session) = &mut self.stage else {
            return;
        };
        while let Some((tag, body)) = self.queue.front() {
            if *tag == b'X' {
                self.stage = Stage::Gone;
                act.bye = true;
                return;
            }
            if session.is_work(*tag) {
                act.work = true;
                return;
            }
            session.on(*tag, body, false, &mut act.say);
            self.queue.pop_front();
        }
    }

    /// The time of the message at the front is over.
    pub(crate) fn work_done(&mut self, act: &mut Act) {
        self.busy_until = None;
        let cancelled = std::mem::take(&mut self.cancelled);
        if let Stage::Ready(session) = &mut self.stage
            && let Some((tag, body)) = self.queue.pop_front()
        {
            session.on(tag, &body, cancelled, &mut act.say);
        }
        self.advance(act);
    }

    /// A cancel request with this backend's key came. True: the statement ends now.
    pub(crate) fn cancel(&mut self, act: &mut Act) -> bool {
        if self.busy_until.is_some() {
            self.cancelled = true;
            return true;
        }
        if let Stage::Ready(session) = &mut self.stage
            && session.cancels_copy()
        {
            session.cancel_copy(&mut act.say);
            self.advance(act);
        }
        false
    }
}
