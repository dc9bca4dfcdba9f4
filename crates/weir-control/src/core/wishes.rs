//! Wishes of people, carried out: `moves` says which entries, here they are appended and what
//! follows for the incident's life is done.

use std::time::Duration;

use weir_model::{PoolId, PoolKey, Wall};

use super::lifecycle::{baseline_before, objective_text};
use super::live::Live;
use super::moves::{self, Plan};
use super::{Core, Output};
use crate::handle::{Answer, AskFault, Declaration, NotifyWhat, Wish};
use crate::incident::entry::{By, Entry, IncidentId, Kind, Said};
use crate::incident::words::rfc3339;
use crate::incident::{Incident, Status};

impl Core {
    /// Grants a wish, or says why not. A refusal leaves every journal as it was.
    pub(super) fn wish(
        &mut self,
        id: IncidentId,
        by: &str,
        wish: &Wish,
        out: &mut Vec<Output>,
    ) -> Result<Answer, AskFault> {
        let by = moves::name("who it is", by).map_err(AskFault::NotNow)?;
        let meant = self.survivor(id);
        let ends = matches!(
            wish,
            Wish::Mitigate { .. } | Wish::Resolve { .. } | Wish::Update { .. }
        );
        let measured = self
            .live
            .iter()
            .position(|live| live.id == meant)
            .filter(|_| ends);
        // The last word stands on the latest numbers; but nothing is written before it is granted.
        let trial = measured.and_then(|index| self.measured_on_trial(index));
        let plan = self.plan(id, &by, wish, trial.as_ref())?;
        if let Some(index) = measured {
            self.measure(index, self.now, out);
        }
        let before = self.incidents.get(&meant).map(|incident| incident.status);
        let at = self.clock.wall(self.now);
        let mut told = Vec::new();
        for (incident, said) in plan.says {
            told.push((incident, said.name()));
            self.append(incident, at, By::Person(by.clone()), said, out);
        }
        for (incident, what) in told {
            self.follow_up(incident, what, before, out);
        }
        Ok(Answer::Done(plan.answer))
    }

    fn plan(
        &self,
        id: IncidentId,
        by: &str,
        wish: &Wish,
        trial: Option<&Incident>,
    ) -> Result<Plan, AskFault> {
        let find = |id: IncidentId| {
            let tried = trial.filter(|incident| incident.id == id);
            tried.or_else(|| self.incidents.get(&id).map(|incident| &**incident))
        };
        moves::plan(&find, id, by, wish, self.clock.wall(self.now))
    }

    /// The incident as it would be with the numbers of now.
    fn measured_on_trial(&self, index: usize) -> Option<Incident> {
        let said = self.numbers(index, self.now)?;
        let mut incident = (**self.incidents.get(&self.live[index].id)?).clone();
        let entry = Entry {
            incident: incident.id,
            seq: incident.seq + 1,
            at: self.clock.wall(self.now),
            by: By::Weir,
            said,
        };
        incident.apply(&entry).ok()?;
        Some(incident)
    }

    fn survivor(&self, id: IncidentId) -> IncidentId {
        id.survivor(|id| self.incidents.get(&id).map(|incident| &**incident))
    }

    /// What an entry of a person means for the incident's life.
    fn follow_up(
        &mut self,
        id: IncidentId,
        entry: &str,
        before: Option<Status>,
        out: &mut Vec<Output>,
    ) {
        match entry {
            "resolved" => {
                self.live.retain(|live| live.id != id);
                out.push(Output::Notify(id, NotifyWhat::Resolved));
            }
            "mitigated" => {
                let now = self.now;
                for live in self.live.iter_mut().filter(|live| live.id == id) {
                    live.mitigated = Some(now);
                }
                out.push(Output::Notify(id, NotifyWhat::Changed));
            }
            "reopened" => {
                for live in self.live.iter_mut().filter(|live| live.id == id) {
                    live.mitigated = None;
                    live.good_since = None;
                }
                if before.is_some_and(|before| !before.is_ongoing()) {
                    self.take_up(id);
                    out.push(Output::Notify(id, NotifyWhat::Opened));
                } else {
                    out.push(Output::Notify(id, NotifyWhat::Changed));
                }
            }
            "merged_into" => out.push(Output::Notify(id, NotifyWhat::Changed)),
            _ => {}
        }
    }

    /// Follows an incident again whose pool is known; its numbers are taken from now on.
    fn take_up(&mut self, id: IncidentId) {
        if self.live.iter().any(|live| live.id == id) {
            return;
        }
        let Some(incident) = self.incidents.get(&id) else {
            return;
        };
        let Some(key) = incident.pools.first().cloned() else {
            return;
        };
        let onset = self.clock.instant(incident.clocks().impact_started_at);
        let pool = self.pool_of(&key);
        let charted_to = self.clock.wall(self.now);
        let mut live = Live::new(id, key, onset, self.now, charted_to);
        live.pool = pool;
        self.live.push(live);
    }

    fn pool_of(&self, key: &PoolKey) -> Option<PoolId> {
        let mut pools = self.pools.iter();
        pools.find(|(_, pool)| pool.key == *key).map(|(id, _)| *id)
    }

    /// Opens an incident that a person, or another system, declares.
    pub(super) fn declare(
        &mut self,
        wanted: &Declaration,
        out: &mut Vec<Output>,
    ) -> Result<Answer, AskFault> {
        let by = moves::name("who it is", &wanted.by).map_err(AskFault::NotNow)?;
        let title = moves::name("the title", &wanted.title).map_err(AskFault::NotNow)?;
        let service = wanted
            .service
            .as_deref()
            .map(|service| moves::name("the service", service))
            .transpose()
            .map_err(AskFault::NotNow)?;
        let now = self.clock.wall(self.now);
        let detected = wanted.detected_at.unwrap_or(now);
        let began = wanted.impact_started_at.unwrap_or(detected.min(now));
        check_times(began, detected, now).map_err(AskFault::NotNow)?;
        let pool = match &wanted.pool {
            None => None,
            Some(key) => Some((self.pool_named(key)?, key.clone())),
        };
        let open_there: Vec<IncidentId> = self
            .incidents
            .values()
            .filter(|i| i.status.is_ongoing() && !i.is_merged())
            .filter(|i| match &wanted.pool {
                Some(key) => i.pools.contains(key),
                None => service.is_some() && i.service_given == service,
            })
            .map(|i| i.id)
            .collect();

        let id = IncidentId(self.next_incident);
        self.next_incident += 1;
        let onset = self.clock.instant(began);
        let baseline = pool.as_ref().and_then(|(pool, _)| {
            let born = self.pools.get(pool)?.born;
            Some((*pool, baseline_before(onset, born)?))
        });
        let objective = pool
            .as_ref()
            .and_then(|(pool, _)| self.pools.get(pool))
            .map_or_else(String::new, |known| {
                objective_text(
                    known.settings.objective_ratio,
                    known.settings.objective_wait,
                )
            });
        let opened = Said::Opened {
            kind: Kind::Declared,
            pools: pool.iter().map(|(_, key)| key.clone()).collect(),
            level: wanted.level,
            severity: wanted.severity,
            impact_started_at: began,
            detected_at: detected,
            detected_by: wanted.detected_by.name().to_owned(),
            objective,
            evidence: vec![],
            baseline: baseline
                .map(|(pool, (from, to))| Box::new(self.recorder.window(pool, from, to)))
                .filter(|window| window.samples > 0),
            title: Some(title),
            service,
        };
        self.append(id, now, By::Person(by.clone()), opened, out);
        let text = moves::cut(&wanted.text);
        if !text.is_empty() {
            self.append(id, now, By::Person(by), Said::remark(text), out);
        }
        if let Some((pool, key)) = pool {
            let charted_to = began.before(Duration::from_secs(15));
            let mut live = Live::new(id, key, onset, self.now, charted_to);
            live.pool = Some(pool);
            live.baseline = baseline.map(|(_, window)| window);
            self.live.push(live);
            let index = self.live.len() - 1;
            self.measure(index, self.now, out);
        }
        self.relate_declared(id, out);
        out.push(Output::Notify(id, NotifyWhat::Opened));
        let mut says = format!("{id} declared");
        if let Some(other) = open_there.first() {
            says.push_str(&format!(
                "; {other} is open for the same: if they are one, merge {id} into {other}"
            ));
        }
        Ok(Answer::Declared(id, says))
    }
}

fn check_times(began: Wall, detected: Wall, now: Wall) -> Result<(), String> {
    for (what, at) in [("its impact", began), ("its detection", detected)] {
        if at > now {
            return Err(format!(
                "{what} would lie ahead: {}, but it is {} now",
                rfc3339(at),
                rfc3339(now)
            ));
        }
    }
    if detected < began {
        return Err(format!(
            "it can't have been detected ({}) before its impact began ({})",
            rfc3339(detected),
            rfc3339(began)
        ));
    }
    Ok(())
}

/// Incidents of this many days count for recurrence.
pub(super) const RECURRENCE: Duration = Duration::from_secs(90 * 86_400);

/// Whether `earlier` began before `this`, and not too long ago.
pub(super) fn is_earlier(earlier: &Incident, this: &Incident) -> bool {
    let (then, now) = (
        earlier.clocks().impact_started_at,
        this.clocks().impact_started_at,
    );
    earlier.id != this.id && then <= now && now.since(then) <= RECURRENCE
}
