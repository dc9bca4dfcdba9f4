//! What a key changes, and what it makes happen.
//!
//! Orders are never sent by one key: each says first what it will do and how to undo it, and goes
//! out at `y`.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::{Value, json};

use super::asks::quoted;
use super::draw;
use super::keys::{self, Act};
use super::model::{Command, Confirm, Doc, Look, Mode, Model, Page, Prompt, RATES, View};
use super::skin::Tone;
use super::told::{self, Incident, Pool};

/// A note longer than this belongs into a document.
const TYPED_MAX: usize = 500;

impl Model {
    pub(crate) fn on_key(&mut self, key: KeyEvent) -> Vec<Command> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        let leaves =
            key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c'));
        if leaves {
            return vec![Command::Quit];
        }
        match std::mem::take(&mut self.mode) {
            Mode::Normal => match keys::act(key) {
                Some(act) => self.act(act),
                None => Vec::new(),
            },
            Mode::Filter { old } => {
                self.type_filter(key, old);
                Vec::new()
            }
            Mode::Prompt(prompt) => self.type_prompt(key, prompt),
            Mode::Confirm(confirm) => self.answer(key, confirm),
            // Any key leaves the help, as in k9s.
            Mode::Help => Vec::new(),
        }
    }

    fn act(&mut self, act: Act) -> Vec<Command> {
        match act {
            Act::View(index) => {
                if let Some(view) = View::ALL.get(index) {
                    self.go(*view);
                }
            }
            Act::NextView => {
                let here = View::ALL.iter().position(|v| *v == self.view).unwrap_or(0);
                self.go(View::ALL[(here + 1) % View::ALL.len()]);
            }
            Act::Running => self.go_filtered("active"),
            Act::Waiting => self.go_filtered("waiting"),
            Act::Blocking => self.go(View::Waits),
            Act::Down => self.move_by(1),
            Act::Up => self.move_by(-1),
            Act::PageDown => self.move_by(self.page_rows()),
            Act::PageUp => self.move_by(-self.page_rows()),
            Act::Top => self.move_by(i64::MIN / 2),
            Act::Bottom => self.move_by(i64::MAX / 2),
            Act::Filter => {
                let old = self.looks().filter;
                self.pages.clear();
                self.mode = Mode::Filter { old };
            }
            Act::Sort => self.sort_next(),
            Act::Reverse => {
                let sort = &mut self.looks_mut().sort;
                sort.rising = !sort.rising;
            }
            Act::Open => self.open(),
            Act::Back => self.back(),
            Act::Pause => match (&self.look, self.moment().cloned()) {
                (Look::Live, Some(moment)) => self.look = Look::At(moment),
                _ => self.look = Look::Live,
            },
            Act::Faster => self.rate = self.rate.saturating_sub(1),
            Act::Slower => self.rate = (self.rate + 1).min(RATES.len() - 1),
            Act::Earlier => self.scrub(-1),
            Act::Later => self.scrub(1),
            Act::MuchEarlier => self.scrub(-30),
            Act::MuchLater => self.scrub(30),
            Act::Live => self.look = Look::Live,
            Act::Freeze => self.freeze(),
            Act::Acknowledge => self.acknowledge(),
            Act::Approve => return self.approve(),
            Act::Cancel => return self.cancel(),
            Act::Close => return self.close(),
            Act::Copy => return self.copy(),
            Act::Refresh => {
                let docs: Vec<Doc> = self.slots.keys().copied().collect();
                for doc in docs {
                    if doc != Doc::Samples {
                        self.renew(doc);
                    }
                }
                self.link.retry_at = self.now;
                self.stream.retry_at = self.now;
            }
            Act::Help => self.mode = Mode::Help,
            Act::Suspend => return vec![Command::Suspend],
            Act::Quit => return vec![Command::Quit],
        }
        Vec::new()
    }

    fn go(&mut self, view: View) {
        self.view = view;
        self.pages.clear();
        self.scroll = 0;
    }

    /// Clients in this state; the key again shows all.
    fn go_filtered(&mut self, state: &str) {
        let again = self.view == View::Clients && self.looks().filter == state;
        self.go(View::Clients);
        self.looks_mut().filter = match again {
            true => String::new(),
            false => state.to_owned(),
        };
    }

    fn page_rows(&self) -> i64 {
        i64::from(self.size.1.saturating_sub(6)).max(1)
    }

    fn move_by(&mut self, by: i64) {
        if !self.pages.is_empty() {
            let last = draw::page_length(self).saturating_sub(1) as i64;
            let wanted = (self.scroll as i64).saturating_add(by).clamp(0, last);
            self.scroll = usize::try_from(wanted).unwrap_or(0);
            return;
        }
        let grid = draw::grid(self);
        if grid.rows.is_empty() {
            return;
        }
        let here = grid.index(self.looks().chosen.as_deref()) as i64;
        let wanted = here.saturating_add(by).clamp(0, grid.rows.len() as i64 - 1);
        let id = grid.rows[usize::try_from(wanted).unwrap_or(0)].id.clone();
        self.looks_mut().chosen = Some(id);
    }

    /// The id of the row that Enter means.
    pub(crate) fn chosen(&self) -> Option<String> {
        let grid = draw::grid(self);
        let index = grid.index(self.looks().chosen.as_deref());
        grid.rows.get(index).map(|row| row.id.clone())
    }

    fn sort_next(&mut self) {
        let grid = draw::grid(self);
        if grid.ordered {
            self.say("this view has an order of its own", Tone::Dim);
            return;
        }
        let sort = &mut self.looks_mut().sort;
        let next = sort.column.map_or(0, |column| column + 1);
        sort.column = (next < grid.columns.len()).then_some(next);
        // Names from A, numbers from the largest.
        sort.rising = grid.columns.get(next).is_some_and(|column| !column.right);
    }

    fn open(&mut self) {
        if let Some(Page::Pool { database, user }) = self.page() {
            // Further in: who is on it?
            let pool = format!("{database}/{user}");
            self.go(View::Clients);
            self.looks_mut().filter = pool;
            return;
        }
        if !self.pages.is_empty() {
            return;
        }
        let Some(id) = self.chosen() else {
            return;
        };
        let page = match self.view {
            View::Overview | View::Pools => {
                let found = self.pools().iter().find(|pool| pool.name() == id);
                found.map(|pool| Page::Pool {
                    database: pool.words.database.clone(),
                    user: pool.words.user.clone(),
                })
            }
            View::Clients => id.parse().ok().map(Page::Client),
            View::Queries => Some(Page::Query(id)),
            View::Waits => Some(Page::Wait(id)),
            View::Incidents => {
                self.incident = None;
                self.renew(Doc::Incident);
                Some(Page::Incident(id))
            }
            View::Decisions => Some(Page::Decision(id)),
            View::Log => id.parse().ok().map(Page::Line),
        };
        if let Some(page) = page {
            self.pages.push(page);
            self.scroll = 0;
        }
    }

    fn back(&mut self) {
        self.scroll = 0;
        if self.pages.pop().is_some() {
            return;
        }
        let looks = self.looks_mut();
        if looks.filter.is_empty() {
            self.look = Look::Live;
        } else {
            looks.filter.clear();
        }
    }

    fn scrub(&mut self, by: i64) {
        let Some(here) = self.moment().map(|moment| moment.at) else {
            return;
        };
        let Some(there) = self.history.step(here, by).cloned() else {
            return;
        };
        let oldest = self
            .history
            .oldest()
            .is_some_and(|oldest| oldest.at >= there.at);
        let newest = self
            .history
            .newest()
            .is_some_and(|newest| newest.at <= there.at);
        self.look = match by > 0 && newest {
            true => Look::Live,
            false => Look::At(there),
        };
        if by < 0 && oldest {
            self.say(
                "nothing earlier is kept here; the dashboard's black box goes further",
                Tone::Dim,
            );
        }
    }

    /// The incident that a key means: the one looked at or chosen, else the newest that goes on.
    fn meant(&self) -> Option<Incident> {
        let chosen = match (self.page(), self.view) {
            (Some(Page::Incident(id)), _) => Some(id.clone()),
            (None, View::Incidents) => self.chosen(),
            _ => None,
        };
        match chosen {
            Some(id) => self
                .incidents
                .iter()
                .find(|incident| incident.id == id)
                .cloned(),
            None => self.ongoing().next().cloned(),
        }
    }

    fn freeze(&mut self) {
        let Some(incident) = self.meant() else {
            self.say("no incident is open", Tone::Dim);
            return;
        };
        let Some(onset) = told::time(&incident.clocks.impact_started_at) else {
            self.say(format!("{} has no onset yet", incident.id), Tone::Warn);
            return;
        };
        match self.look_at(onset) {
            Ok(()) => {
                let says = format!(
                    "{} began at {}; End goes back to now",
                    incident.id,
                    told::clock(onset)
                );
                self.say(says, Tone::Accent);
            }
            Err(oldest) => {
                let from = oldest.map_or("nothing".to_owned(), told::clock);
                let says = format!(
                    "{} began at {}; kept here is what came after {from}. The dashboard's black box goes further",
                    incident.id,
                    told::clock(onset)
                );
                self.say(says, Tone::Warn);
            }
        }
    }

    fn acknowledge(&mut self) {
        let Some(incident) = self.meant() else {
            self.say("no incident is open", Tone::Dim);
            return;
        };
        self.mode = Mode::Prompt(Prompt {
            title: format!("Acknowledge {}: {}", incident.id, incident.title),
            by: self.by.clone(),
            text: String::new(),
            at_text: true,
            path: format!("/api/v1/incidents/{}/ack", quoted(&incident.id)),
        });
    }

    /// The pool that a key means.
    fn meant_pool(&self) -> Option<Pool> {
        let name = match (self.page(), self.view) {
            (Some(Page::Pool { database, user }), _) => Some(format!("{database}/{user}")),
            (Some(Page::Decision(id)), _) => self.decided(id),
            (None, View::Decisions) => self.chosen().and_then(|id| self.decided(&id)),
            (None, View::Overview | View::Pools) => self.chosen(),
            _ => None,
        }?;
        self.pools()
            .iter()
            .find(|pool| pool.name() == name)
            .cloned()
    }

    fn decided(&self, id: &str) -> Option<String> {
        let decision = self.decisions.iter().find(|decision| decision.id == id)?;
        Some(decision.pool())
    }

    fn approve(&mut self) -> Vec<Command> {
        let Some(pool) = self.meant_pool() else {
            self.say(
                "choose a pool or a decision first (views 1, 2, 7)",
                Tone::Dim,
            );
            return Vec::new();
        };
        let name = pool.name();
        let body = json!({ "order": "approve", "pool": name, "by": self.by });
        let undo_to = format!(
            "resize {name} back to {} (dashboard, or POST /api/v1/orders)",
            pool.n.size
        );
        let (says, undo) = match (&pool.words.recommendation, self.standing(&name)) {
            (Some(standing), _) => {
                let says = vec![standing.says.clone(), standing.expected.clone()];
                (says, undo_to)
            }
            (None, Some(decision)) => {
                let says = vec![
                    format!("{}: {}", decision.id, decision.says),
                    format!("expected: {}", decision.expected),
                ];
                (says, undo_to)
            }
            (None, None) => {
                self.say(format!("nothing is recommended for {name}"), Tone::Dim);
                return Vec::new();
            }
        };
        self.confirm(format!("Approve for {name}"), says, undo, body)
    }

    /// The newest recommendation for this pool that nothing came after.
    pub(crate) fn standing(&self, pool: &str) -> Option<&super::told::Decision> {
        let mut of = self
            .decisions
            .iter()
            .filter(|decision| decision.pool() == pool);
        of.find(|decision| decision.action != "keep")
            .filter(|decision| decision.is_standing())
    }

    /// Client and server that a key means.
    fn meant_client(&self) -> Option<(Option<u64>, Option<u64>, String)> {
        let of_client = |id: u64| {
            let list = self.clients.as_ref()?;
            let client = list.clients.iter().find(|client| client.id == id)?;
            let who = format!(
                "client {} ({} {})",
                client.id, client.application, client.host
            );
            Some((Some(client.id), client.server, who))
        };
        let of_wait = |id: &str| {
            let lines = self.waits.as_ref()?.lines(self.skin);
            let node = lines.into_iter().find(|line| line.id == id)?.node?;
            let who = match (node.client, node.pid) {
                (Some(client), _) => {
                    format!("client {client} ({} {})", node.application, node.host)
                }
                (None, Some(pid)) => format!("backend {pid}"),
                (None, None) => "it".to_owned(),
            };
            Some((node.client, node.server, who))
        };
        match (self.page(), self.view) {
            (Some(Page::Client(id)), _) => of_client(*id),
            (Some(Page::Wait(id)), _) => of_wait(id),
            (None, View::Clients) => of_client(self.chosen()?.parse().ok()?),
            (None, View::Waits) => of_wait(&self.chosen()?),
            _ => None,
        }
    }

    fn cancel(&mut self) -> Vec<Command> {
        let Some((_, server, who)) = self.meant_client() else {
            self.say("choose a client first (views 3 and 5)", Tone::Dim);
            return Vec::new();
        };
        let Some(server) = server else {
            self.say(
                format!("{who} has no server of Weir's: nothing runs that could be cancelled here"),
                Tone::Warn,
            );
            return Vec::new();
        };
        let says = vec![
            format!("PostgreSQL is asked to cancel what {who} runs on server {server}."),
            "The client gets error 57014; its transaction, if one is open, has failed.".to_owned(),
        ];
        let undo = "can't be undone; the client may run it again".to_owned();
        let body = json!({ "order": "cancel", "server": server, "by": self.by });
        self.confirm(format!("Cancel the statement of {who}"), says, undo, body)
    }

    fn close(&mut self) -> Vec<Command> {
        let Some((client, _, who)) = self.meant_client() else {
            self.say("choose a client first (views 3 and 5)", Tone::Dim);
            return Vec::new();
        };
        let Some(client) = client else {
            self.say(
                format!("{who} is no client of Weir's; cancel it in PostgreSQL"),
                Tone::Warn,
            );
            return Vec::new();
        };
        let says = vec![
            format!("Weir closes the connection of {who}."),
            "Its open transaction is rolled back; most applications connect again at once."
                .to_owned(),
        ];
        let undo = "can't be undone; the application has to connect again".to_owned();
        let reason = format!("closed by {} in weir top", self.by);
        let body =
            json!({ "order": "close_client", "client": client, "reason": reason, "by": self.by });
        self.confirm(format!("Close {who}"), says, undo, body)
    }

    fn confirm(
        &mut self,
        what: String,
        says: Vec<String>,
        undo: String,
        body: Value,
    ) -> Vec<Command> {
        self.orders += 1;
        let path = "/api/v1/orders".to_owned();
        let mut dry = body.clone();
        dry["dry_run"] = Value::Bool(true);
        self.mode = Mode::Confirm(Confirm {
            number: self.orders,
            what,
            says: says.into_iter().filter(|line| !line.is_empty()).collect(),
            undo,
            path: path.clone(),
            body,
        });
        vec![Command::Foretell {
            number: self.orders,
            path,
            body: dry,
        }]
    }

    fn answer(&mut self, key: KeyEvent, confirm: Confirm) -> Vec<Command> {
        match key.code {
            KeyCode::Char('y' | 'Y') => {
                let Confirm {
                    what, path, body, ..
                } = confirm;
                vec![Command::Tell { what, path, body }]
            }
            KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => {
                self.say("nothing was done", Tone::Dim);
                Vec::new()
            }
            // A slip of the finger is neither yes nor no.
            _ => {
                self.mode = Mode::Confirm(confirm);
                Vec::new()
            }
        }
    }

    fn type_filter(&mut self, key: KeyEvent, old: String) {
        match key.code {
            KeyCode::Enter => return,
            KeyCode::Esc => {
                self.looks_mut().filter = old;
                return;
            }
            _ => typed(&mut self.looks_mut().filter, key),
        }
        self.mode = Mode::Filter { old };
    }

    fn type_prompt(&mut self, key: KeyEvent, mut prompt: Prompt) -> Vec<Command> {
        match key.code {
            KeyCode::Esc => {
                self.say("nothing was done", Tone::Dim);
                return Vec::new();
            }
            KeyCode::Tab | KeyCode::BackTab | KeyCode::Up | KeyCode::Down => {
                prompt.at_text = !prompt.at_text;
            }
            KeyCode::Enter if prompt.by.trim().is_empty() => prompt.at_text = false,
            KeyCode::Enter => {
                self.by = prompt.by.trim().to_owned();
                let what = prompt
                    .title
                    .split(':')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                let body = json!({ "by": self.by, "text": prompt.text.trim() });
                return vec![Command::Tell {
                    what,
                    path: prompt.path,
                    body,
                }];
            }
            _ => {
                let field = match prompt.at_text {
                    true => &mut prompt.text,
                    false => &mut prompt.by,
                };
                typed(field, key);
            }
        }
        self.mode = Mode::Prompt(prompt);
        Vec::new()
    }

    fn copy(&mut self) -> Vec<Command> {
        let text = match (self.page(), self.view) {
            (Some(Page::Incident(id)), _) => Some(format!(
                "{}/api/v1/incidents/{id}/report?format=html",
                self.url
            )),
            (None, View::Incidents) => self
                .chosen()
                .map(|id| format!("{}/api/v1/incidents/{id}/report?format=html", self.url)),
            _ => draw::statement(self),
        };
        let text = text.or_else(|| {
            let grid = draw::grid(self);
            let row = grid.rows.get(grid.index(self.looks().chosen.as_deref()))?;
            let cells: Vec<&str> = row.cells.iter().map(|cell| cell.text.trim()).collect();
            Some(cells.join("\t"))
        });
        match text.filter(|text| !text.trim().is_empty()) {
            Some(text) => {
                let says = format!("copied, if the terminal allows it: {text}");
                self.say(says, Tone::Good);
                vec![Command::Copy(text)]
            }
            None => {
                self.say("nothing to copy here", Tone::Dim);
                Vec::new()
            }
        }
    }
}

/// What a key does to a line that is typed.
fn typed(line: &mut String, key: KeyEvent) {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Backspace => {
            line.pop();
        }
        KeyCode::Char('u') if control => line.clear(),
        KeyCode::Char('w') if control => {
            let end = line.trim_end().rfind(' ').map_or(0, |at| at + 1);
            line.truncate(end);
        }
        KeyCode::Char(c) if !control && line.len() < TYPED_MAX && !c.is_control() => line.push(c),
        _ => {}
    }
}
