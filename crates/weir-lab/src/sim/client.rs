//! An application: it connects, asks in its own style, thinks, vanishes, comes back; and it knows
//! what a server of its own would have answered.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use weir_model::Instant;
use weir_wire::backend;
use weir_wire::startup;

use super::oracles::Broken;
use super::pg::{self, Message, REPORTED, Session};
use super::roll::Roll;
use super::script::{Habits, Step};

/// What the world does for a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Open a connection.
    Connect,
    /// Send these bytes.
    Send(Vec<u8>),
    /// Close, in order.
    Close,
    /// Vanish.
    Reset,
    /// Send a cancel request with this key over a connection of its own.
    Cancel(i32, Vec<u8>),
    /// Don't read for so long.
    Nap(Duration),
    /// Wake me after this.
    Wake(Duration),
}

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Not connected.
    Off,
    /// Connected, not logged in.
    Login,
    /// Logged in.
    Live,
}

/// One application connection, over and over.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) number: usize,
    pub(crate) user: String,
    pub(crate) stage: Stage,
    /// Which of its connections this is.
    pub(crate) epoch: u32,
    pub(crate) habits: Habits,
    roll: Roll,
    app: String,
    rx: Vec<u8>,
    model: Session,
    asked: VecDeque<Message>,
    expected: VecDeque<Message>,
    script: VecDeque<Step>,
    /// ReadyForQuery messages that are due.
    pub(crate) owed: u32,
    /// Since when.
    pub(crate) owed_since: Instant,
    heard_copy: Option<u8>,
    key: Option<(i32, Vec<u8>)>,
    cancels: u32,
    told: BTreeMap<String, String>,
    /// Weir's last words.
    fatal: Option<(String, String)>,
    leaving: bool,
    /// It sent a RESET or DISCARD on this connection.
    resets: bool,
    tokens: u64,
    /// Transactions' ends seen.
    pub(crate) served: u64,
    /// Connections that ended with an error.
    pub(crate) refused: u64,
    /// The world is calm: one probe, and then nothing.
    pub(crate) calm: bool,
    pub(crate) probed: bool,
    probing: bool,
}

impl Client {
    pub(crate) fn new(number: usize, user: String, roll: Roll, habits: Habits) -> Self {
        Self {
            number,
            user,
            stage: Stage::Off,
            epoch: 0,
            habits,
            roll,
            app: String::new(),
            rx: Vec::new(),
            model: Session::new([]),
            asked: VecDeque::new(),
            expected: VecDeque::new(),
            script: VecDeque::new(),
            owed: 0,
            owed_since: Instant::ZERO,
            heard_copy: None,
            key: None,
            cancels: 0,
            told: BTreeMap::new(),
            fatal: None,
            leaving: false,
            resets: false,
            tokens: 0,
            served: 0,
            refused: 0,
            calm: false,
            probed: false,
            probing: false,
        }
    }

    /// The connection is there.
    pub(crate) fn connected(&mut self, now: Instant, wishes: &mut Vec<Wish>) {
        self.stage = Stage::Login;
        self.app = if self.habits.named && self.roll.chance(0.7) {
            format!("app{}", self.number)
        } else {
            String::new()
        };
        let mut params = vec![("user", self.user.as_str()), ("database", "shop")];
        if !self.app.is_empty() {
            params.push(("application_name", self.app.as_str()));
        }
        let mut of_mine = params.clone();
        if self.app.is_empty() {
            // Weir's servers log in as `weir`; who doesn't say its name goes by that one.
            of_mine.push(("application_name", "weir"));
        }
        self.model = Session::new(of_mine);
        let mut bytes = Vec::new();
        startup::put_startup(&mut bytes, params);
        self.rx.clear();
        self.asked.clear();
        self.expected.clear();
        self.script.clear();
        self.told.clear();
        self.owed = 0;
        self.owed_since = now;
        self.cancels = 0;
        self.key = None;
        self.fatal = None;
        self.leaving = false;
        self.resets = false;
        self.heard_copy = None;
        self.probing = false;
        wishes.push(Wish::Send(bytes));
        if self.habits.wild && self.roll.chance(0.02) {
            self.leave(true, wishes);
        }
    }

    /// Time to do something.
    pub(crate) fn wakes(&mut self, now: Instant, wishes: &mut Vec<Wish>) {
        match self.stage {
            Stage::Off => {
                if !(self.calm && self.probed) {
                    self.epoch += 1;
                    wishes.push(Wish::Connect);
                }
            }
            Stage::Login => {}
            Stage::Live => self.go_on(now, wishes),
        }
    }

    fn token(&mut self) -> String {
        self.tokens += 1;
        format!("c{}.{}.{}", self.number, self.epoch, self.tokens)
    }

    /// Takes steps of the script as far as they go.
    fn go_on(&mut self, now: Instant, wishes: &mut Vec<Wish>) {
        while self.stage == Stage::Live {
            if self.script.is_empty() {
                if self.owed > 0 {
                    return;
                }
                if self.calm {
                    if self.probing {
                        self.probed = true;
                        self.probing = false;
                    }
                    if self.probed {
                        // Room for others, where there isn't room for all.
                        wishes.push(Wish::Send(vec![b'X', 0, 0, 0, 4]));
                        self.leave(false, wishes);
                        return;
                    }
                    self.probing = true;
                }
                let token = self.token();
                let mut habits = self.habits.clone();
                habits.wild &= !self.calm;
                self.script = habits
                    .next(&token, &self.model, self.calm, &mut self.roll)
                    .into();
            }
            match self.script.front() {
                Some(Step::Send { now: at_once, .. }) if !at_once && self.owed > 0 => return,
                Some(Step::Think(_) | Step::Goodbye) if self.owed > 0 => return,
                Some(Step::Copy { .. }) if self.heard_copy.is_none() && self.owed > 0 => return,
                Some(Step::Copy { simple: false, .. }) if self.heard_copy.is_none() => return,
                _ => {}
            }
            match self.script.pop_front() {
                Some(Step::Send { bytes, .. }) => self.says(bytes, now, wishes),
                Some(Step::Copy {
                    data, otherwise, ..
                }) => {
                    let bytes = if self.heard_copy.take() == Some(b'G') {
                        data
                    } else {
                        otherwise
                    };
                    self.says(bytes, now, wishes);
                }
                Some(Step::Think(time)) => {
                    wishes.push(Wish::Wake(time));
                    return;
                }
                Some(Step::Cancel(after)) => {
                    // The request itself travels; so all that it can hit is from here on.
                    if let Some((pid, key)) = self.key.clone() {
                        self.cancels += 1;
                        wishes.push(Wish::Cancel(pid, key));
                    }
                    wishes.push(Wish::Wake(after));
                    return;
                }
                Some(Step::Nap(time)) => wishes.push(Wish::Nap(time)),
                Some(Step::Half(bytes)) => {
                    wishes.push(Wish::Send(bytes));
                    self.leave(true, wishes);
                }
                Some(Step::Vanish { reset }) => self.leave(reset, wishes),
                Some(Step::Goodbye) => {
                    wishes.push(Wish::Send(vec![b'X', 0, 0, 0, 4]));
                    self.leave(false, wishes);
                }
                None => {}
            }
        }
    }

    fn says(&mut self, bytes: Vec<u8>, now: Instant, wishes: &mut Vec<Wish>) {
        if bytes.is_empty() {
            return;
        }
        let mut rest = bytes.clone();
        let mut messages = Vec::new();
        if pg::cut(&mut rest, &mut messages).is_ok() {
            let ready = messages
                .iter()
                .filter(|(tag, _)| matches!(tag, b'Q' | b'S'))
                .count();
            if self.owed == 0 {
                self.owed_since = now;
            }
            self.owed += ready as u32;
            self.resets |= messages.iter().any(|(_, body)| {
                body.windows(5).any(|w| w == b"RESET") || body.windows(7).any(|w| w == b"DISCARD")
            });
            self.heard_copy = None;
            self.asked.extend(messages);
        }
        wishes.push(Wish::Send(bytes));
    }

    fn leave(&mut self, reset: bool, wishes: &mut Vec<Wish>) {
        self.leaving = true;
        self.stage = Stage::Off;
        wishes.push(if reset { Wish::Reset } else { Wish::Close });
        let pause = self.roll.around(self.habits.pause);
        wishes.push(Wish::Wake(pause + Duration::from_millis(1)));
    }

    /// Bytes came from Weir.
    pub(crate) fn receives(
        &mut self,
        bytes: &[u8],
        now: Instant,
        wishes: &mut Vec<Wish>,
    ) -> Result<(), Broken> {
        if self.leaving {
            return Ok(());
        }
        self.rx.extend_from_slice(bytes);
        let mut messages = Vec::new();
        pg::cut(&mut self.rx, &mut messages).map_err(|e| {
            Broken::new("no_lost_reply", format!("{} can't read: {e}", self.name()))
        })?;
        for (tag, body) in messages {
            self.hears(tag, &body)?;
        }
        if self.stage == Stage::Live && self.fatal.is_none() {
            self.go_on(now, wishes);
        }
        Ok(())
    }

    fn hears(&mut self, tag: u8, body: &[u8]) -> Result<(), Broken> {
        if let Some((sqlstate, _)) = &self.fatal {
            let says = format!("{} was told more after its FATAL {sqlstate}", self.name());
            return Err(Broken::new("no_lost_reply", says));
        }
        match tag {
            b'S' => {
                if let Ok(status) = backend::parameter_status(body) {
                    self.told.insert(text(status.name), text(status.value));
                }
                return Ok(());
            }
            b'N' | b'A' => return Ok(()),
            b'E' => {
                let fields = backend::error_fields(body)
                    .map_err(|e| Broken::new("no_lost_reply", format!("{}: {e}", self.name())))?;
                if fields.is_fatal() {
                    self.fatal = Some((text(fields.sqlstate), text(fields.message)));
                    return Ok(());
                }
            }
            _ => {}
        }
        if self.stage == Stage::Login {
            match tag {
                b'K' => {
                    if let Ok(key) = backend::backend_key_data(body) {
                        self.key = Some((key.pid, key.key.to_vec()));
                    }
                }
                b'Z' => self.stage = Stage::Live,
                b'R' => {}
                other => {
                    let says = format!("{} got '{}' in its login", self.name(), other as char);
                    return Err(Broken::new("no_crosstalk", says));
                }
            }
            return Ok(());
        }
        self.compare(tag, body)?;
        match tag {
            b'G' => self.heard_copy = Some(b'G'),
            b'E' => self.heard_copy = Some(b'E'),
            b'Z' => {
                self.owed = self.owed.saturating_sub(1);
                self.served += 1;
                if self.owed == 0 && self.asked.is_empty() {
                    self.check_told()?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What came must be what a server of our own would have said.
    fn compare(&mut self, tag: u8, body: &[u8]) -> Result<(), Broken> {
        if self.expected.is_empty() {
            let before = (self.cancels > 0).then(|| (self.model.clone(), self.asked.clone()));
            self.expect_more(false);
            let fits = self
                .expected
                .front()
                .is_some_and(|next| same(next, tag, body));
            if let Some((model, asked)) = before
                && !fits
                && sqlstate(tag, body).as_deref() == Some("57014")
            {
                self.model = model;
                self.asked = asked;
                self.expected.clear();
                self.expect_more(true);
            }
        }
        let Some(next) = self.expected.pop_front() else {
            let says = format!("{} got {} unasked", self.name(), show(tag, body));
            return Err(Broken::new("no_crosstalk", says));
        };
        if same(&next, tag, body) {
            return Ok(());
        }
        if self.model.showed && tag == b'D' && next.0 == b'D' {
            let value = |body: &[u8]| {
                let text = text(body.get(6..).unwrap_or_default());
                text.strip_prefix("application_name")
                    .map(|v| v.get(4..).unwrap_or_default().to_owned())
            };
            if let (Some(got), Some(due)) = (value(body), value(&next.1))
                && self.excused(&got, &due)
            {
                return Ok(());
            }
        }
        let got = show(tag, body);
        let mine = format!("c{}.", self.number);
        let oracle = if got.contains("/*") && got.contains(" c") && !got.contains(&mine) {
            "no_crosstalk"
        } else if self.model.showed && tag == b'D' {
            "state_follows"
        } else {
            "no_lost_reply"
        };
        let says = format!(
            "{} got {got} where {} was due (then {} more messages are open)",
            self.name(),
            show(next.0, &next.1),
            self.asked.len()
        );
        Err(Broken::new(oracle, says))
    }

    /// Lets the model answer until there is something to expect.
    fn expect_more(&mut self, cancelled: bool) {
        let mut out = Vec::new();
        if cancelled && self.model.in_copy() {
            self.model.cancel_copy(&mut out);
        }
        let mut due = cancelled && out.is_empty();
        while out.is_empty() {
            let Some((tag, body)) = self.asked.pop_front() else {
                return;
            };
            let hits = due && matches!(tag, b'Q' | b'P' | b'B' | b'D' | b'E' | b'C');
            due &= !hits;
            self.model.on(tag, &body, hits, &mut out);
        }
        let mut messages = Vec::new();
        // Our own model speaks the protocol.
        let _ = pg::cut(&mut out, &mut messages);
        self.expected
            .extend(messages.into_iter().filter(|(tag, _)| *tag != b'S'));
    }

    fn check_told(&self) -> Result<(), Broken> {
        for name in REPORTED {
            let is = self.model.told().get(name);
            let told = self.told.get(name);
            let excused = name == "application_name"
                && self.excused(
                    told.map_or("", String::as_str),
                    is.map_or("", String::as_str),
                );
            if told != is && !excused {
                let says = format!(
                    "{} was told that {name} is {told:?}, and it is {is:?}",
                    self.name()
                );
                return Err(Broken::new("state_follows", says));
            }
        }
        Ok(())
    }

    /// RESET goes to what the server logged in with (`weir`). The client's own startup parameter
    /// is followed from its next server on: within the same transaction, and while a pin holds
    /// the client on its server, the two differ. docs: session state.
    fn excused(&self, got: &str, due: &str) -> bool {
        self.resets && got == "weir" && due == self.app
    }

    /// The connection ended. `Ok(Some)`: with Weir's last words.
    pub(crate) fn ended(
        &mut self,
        reset: bool,
        wishes: &mut Vec<Wish>,
    ) -> Result<Option<(String, String)>, Broken> {
        if self.leaving || self.stage == Stage::Off {
            return Ok(None);
        }
        let words = self.fatal.take();
        if words.is_none() && !reset && self.rx.is_empty() {
            let says = format!(
                "{} was closed without a word ({} replies due, {} messages unanswered)",
                self.name(),
                self.owed,
                self.asked.len()
            );
            return Err(Broken::new("no_lost_reply", says));
        }
        self.refused += 1;
        self.stage = Stage::Off;
        self.script.clear();
        self.owed = 0;
        let pause = self.roll.around(self.habits.pause) + Duration::from_millis(20);
        wishes.push(Wish::Wake(pause));
        Ok(words)
    }

    /// For messages to people.
    pub(crate) fn name(&self) -> String {
        format!("client {} (connection {})", self.number, self.epoch)
    }

    /// What it waits for, for messages to people.
    pub(crate) fn state(&self) -> String {
        format!(
            "{:?}, {} replies due, {} asked, {} expected, script {:?}",
            self.stage,
            self.owed,
            self.asked.len(),
            self.expected.len(),
            self.script.front()
        )
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn sqlstate(tag: u8, body: &[u8]) -> Option<String> {
    if tag != b'E' {
        return None;
    }
    backend::error_fields(body).ok().map(|f| text(f.sqlstate))
}

/// Errors are the same if they say the same kind; their text may name a renamed statement.
fn same(expected: &Message, tag: u8, body: &[u8]) -> bool {
    if expected.0 != tag {
        return false;
    }
    if tag != b'E' {
        return expected.1 == body;
    }
    let (Ok(e), Ok(b)) = (
        backend::error_fields(&expected.1),
        backend::error_fields(body),
    ) else {
        return false;
    };
    e.sqlstate == b.sqlstate && (e.message == b.message || !e.message.starts_with(b"fail="))
}

fn show(tag: u8, body: &[u8]) -> String {
    let mut shown: String = text(body)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(120)
        .collect();
    if body.len() > 120 {
        shown.push('…');
    }
    format!("'{}' [{}]", tag as char, shown.trim())
}
