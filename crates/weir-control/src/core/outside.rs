//! What comes in from outside, and what went out: alerts of other systems, markers, silences,
//! calls and their answers.
//!
//! # Bounds
//! [`SILENCES_MAX`] silences, [`MARKERS_MAX`] markers, [`ALERTS_MAX`] alerts known by their
//! fingerprint, [`HELD_MAX`] of them waiting for an incident that they may belong to. The oldest
//! go first; silences beyond the bound are refused.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};
use weir_model::{PoolKey, Wall};

use super::{Core, Output};
use crate::handle::{Answer, AskFault, NotifyWhat};
use crate::incident::Incident;
use crate::incident::called::NOBODY;
use crate::incident::entry::{AlertStatus, By, IncidentId, Kind, NoteKind, Said};
use crate::incident::words;
use crate::notify::goes_on;
use crate::notify::outside::{FromOutside, MARKER_BEFORE, MARKERS_MAX, Marker, OutsideAlert};
use crate::notify::silence::{SILENCES_MAX, Silence};

/// Alerts known by their fingerprint.
const ALERTS_MAX: usize = 10_000;
/// Firing alerts that belong to no incident yet.
const HELD_MAX: usize = 500;
/// An alert that names no pool belongs to an incident that began at most this long after it.
const ALERT_BEFORE: Duration = Duration::from_secs(15 * 60);
/// A silence may last so long; whoever wants more means something else.
const SILENCE_LONGEST: Duration = Duration::from_secs(90 * 86_400);
/// Clocks differ; a marker further in the future is a slip.
const AHEAD_MOST: Duration = Duration::from_secs(300);
/// Words beyond this are cut.
const SAYS_MAX: usize = 2_000;

/// Under which names the store keeps them.
const SILENCES: &str = "silences";
const MARKERS: &str = "markers";

/// What is known of an alert by its fingerprint.
#[derive(Clone, Copy, Debug)]
struct Seen {
    firing: bool,
    incident: Option<IncidentId>,
}

/// What the core keeps of the outside.
#[derive(Debug, Default)]
pub(super) struct Outside {
    pub(super) silences: Vec<Silence>,
    /// Its number; none is used again.
    last_silence: u64,
    pub(super) markers: VecDeque<Marker>,
    seen: BTreeMap<String, Seen>,
    /// In the order of arrival, for forgetting.
    order: VecDeque<String>,
    /// Firing alerts without an incident, with the system that sent them.
    held: VecDeque<(String, OutsideAlert)>,
}

impl Outside {
    fn see(&mut self, fingerprint: &str, seen: Seen) {
        if self.seen.insert(fingerprint.to_owned(), seen).is_none() {
            self.order.push_back(fingerprint.to_owned());
        }
        while self.order.len() > ALERTS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.seen.remove(&oldest);
            }
        }
    }
}

impl Core {
    /// Takes back what the store kept, before the first sample and after
    /// [`restore`](Core::restore).
    pub fn restore_outside(&mut self, kept: &BTreeMap<String, Value>) {
        let read = |key: &str| kept.get(key).cloned().unwrap_or_default();
        if let Ok((last, silences)) = serde_json::from_value(read(SILENCES)) {
            self.outside.last_silence = last;
            self.outside.silences = silences;
        }
        if let Ok(markers) = serde_json::from_value(read(MARKERS)) {
            self.outside.markers = markers;
        }
        for (id, incident) in &self.incidents {
            for (fingerprint, firing) in incident.called.alerts() {
                let seen = Seen {
                    firing: *firing,
                    incident: Some(*id),
                };
                self.outside.see(fingerprint, seen);
            }
        }
    }

    /// Carries out a wish of the rim.
    pub(super) fn outside(
        &mut self,
        wish: FromOutside,
        out: &mut Vec<Output>,
    ) -> Result<Answer, AskFault> {
        let now = self.clock.wall(self.now);
        let done = || Ok(Answer::Done(String::new()));
        match wish {
            FromOutside::Notified {
                id,
                channel,
                ok,
                says,
                step,
                to,
            } => {
                self.must_exist(id)?;
                let says = cut(&says);
                self.append(
                    id,
                    now,
                    By::Weir,
                    Said::Notified {
                        channel,
                        ok,
                        says,
                        step,
                        to,
                    },
                    out,
                );
                done()
            }
            FromOutside::Escalated {
                id,
                step,
                to,
                channel,
                says,
            } => {
                self.must_exist(id)?;
                let says = cut(&says);
                self.append(
                    id,
                    now,
                    By::Weir,
                    Said::Escalated {
                        to,
                        says,
                        step,
                        channel,
                    },
                    out,
                );
                done()
            }
            FromOutside::AckExpired { id, says } => {
                self.must_exist(id)?;
                self.append(id, now, By::Weir, Said::AckExpired { says }, out);
                done()
            }
            FromOutside::Quiet { id, says } => {
                self.must_exist(id)?;
                let says = format!("{NOBODY}{says}");
                self.append(id, now, By::Weir, Said::remark(says), out);
                done()
            }
            FromOutside::Silence {
                meant,
                from,
                until,
                by,
                why,
            } => {
                let from = from.unwrap_or(now);
                let silence = Silence {
                    id: String::new(),
                    meant,
                    from,
                    until,
                    by,
                    why,
                };
                self.silence(silence, now, out)
            }
            FromOutside::EndSilence { id, by } => self.end_silence(&id, &by, out),
            FromOutside::Mark(marker) => self.mark(marker, now, out),
            FromOutside::Alerts {
                source,
                alerts,
                truncated,
            } => Ok(Answer::Document(
                self.alerts(&source, alerts, truncated, now, out),
            )),
        }
    }

    fn silence(
        &mut self,
        mut silence: Silence,
        now: Wall,
        out: &mut Vec<Output>,
    ) -> Result<Answer, AskFault> {
        let refused = |says: &str| Err(AskFault::NotNow(says.to_owned()));
        self.outside.silences.retain(|s| s.until > now);
        if silence.until <= silence.from || silence.until <= now {
            return refused("a silence must end after it begins, and after now");
        }
        if silence.until.since(silence.from) > SILENCE_LONGEST {
            return refused(
                "a silence lasts at most 90 days; longer ones belong into [[maintenance]]",
            );
        }
        if self.outside.silences.len() >= SILENCES_MAX {
            return refused("200 silences stand already; end one first");
        }
        self.outside.last_silence += 1;
        silence.id = format!("S-{}", self.outside.last_silence);
        tracing::warn!(says = %silence.says(), meant = %silence.meant.says(), "A silence begins.");
        let document = json!(silence);
        self.outside.silences.push(silence);
        self.keep(out);
        Ok(Answer::Document(document))
    }

    fn end_silence(
        &mut self,
        id: &str,
        by: &str,
        out: &mut Vec<Output>,
    ) -> Result<Answer, AskFault> {
        let before = self.outside.silences.len();
        self.outside.silences.retain(|silence| silence.id != id);
        if self.outside.silences.len() == before {
            return Err(AskFault::NoSuch {
                what: "silence",
                name: id.to_owned(),
            });
        }
        tracing::warn!(%id, by, "A silence was ended.");
        self.keep(out);
        Ok(Answer::Done(format!(
            "{id} ended; what it kept quiet is paged from now on"
        )))
    }

    fn keep(&self, out: &mut Vec<Output>) {
        out.push(Output::Keep(
            SILENCES,
            json!((self.outside.last_silence, &self.outside.silences)),
        ));
    }

    fn mark(
        &mut self,
        mut marker: Marker,
        now: Wall,
        out: &mut Vec<Output>,
    ) -> Result<Answer, AskFault> {
        if marker.at > now.after(AHEAD_MOST) {
            return Err(AskFault::NotNow(format!(
                "{} lies in the future; a marker says what has happened",
                words::rfc3339(marker.at)
            )));
        }
        marker.what = cut(&marker.what);
        let into: Vec<IncidentId> = self
            .incidents
            .values()
            .filter(|incident| goes_on(incident) && belongs(&marker, incident))
            .map(|incident| incident.id)
            .collect();
        for id in &into {
            self.note_marker(*id, &marker, now, out);
        }
        let says = marker.says();
        let at = self.outside.markers.partition_point(|m| m.at <= marker.at);
        self.outside.markers.insert(at, marker);
        while self.outside.markers.len() > MARKERS_MAX {
            self.outside.markers.pop_front();
        }
        out.push(Output::Keep(MARKERS, json!(self.outside.markers)));
        let ids: Vec<String> = into.iter().map(ToString::to_string).collect();
        Ok(Answer::Done(match ids.is_empty() {
            true => format!("marked: {says}"),
            false => format!("marked: {says}; noted in {}", ids.join(", ")),
        }))
    }

    /// An incident has opened: what was known before and may belong to it comes along.
    pub(super) fn bring_along(&mut self, id: IncidentId, out: &mut Vec<Output>) {
        let now = self.clock.wall(self.now);
        let Some(incident) = self.incidents.get(&id).cloned() else {
            return;
        };
        let markers: Vec<Marker> = self
            .outside
            .markers
            .iter()
            .filter(|m| belongs(m, &incident))
            .cloned()
            .collect();
        for marker in markers {
            self.note_marker(id, &marker, now, out);
        }
        let (mine, others) = std::mem::take(&mut self.outside.held)
            .into_iter()
            .partition(|(_, alert)| fits(alert, &incident));
        self.outside.held = others;
        for (source, alert) in mine {
            self.row(id, &source, &alert, now, out);
        }
    }

    fn note_marker(&mut self, id: IncidentId, marker: &Marker, now: Wall, out: &mut Vec<Output>) {
        let Some(incident) = self.incidents.get(&id) else {
            return;
        };
        let onset = incident.clocks().impact_started_at;
        let beside = match marker.at <= onset {
            true => format!(
                "{} before the onset",
                words::duration(onset.since(marker.at))
            ),
            false => format!(
                "{} after the onset",
                words::duration(marker.at.since(onset))
            ),
        };
        let said = Said::Note {
            says: format!("{}, {beside}", marker.says()),
            happened_at: Some(marker.at),
            kind: Some(NoteKind::Marker),
        };
        self.append(id, now, By::System(marker.by.clone()), said, out);
    }

    fn alerts(
        &mut self,
        source: &str,
        alerts: Vec<OutsideAlert>,
        truncated: u64,
        now: Wall,
        out: &mut Vec<Output>,
    ) -> Value {
        let (mut rows, mut repeated, mut held, mut unknown) = (0_u32, 0_u32, 0_u32, 0_u32);
        let (mut into, mut declared) = (Vec::new(), Vec::new());
        let received = alerts.len();
        for alert in alerts {
            let seen = self.outside.seen.get(&alert.fingerprint).copied();
            if seen.is_some_and(|seen| seen.firing == alert.firing) {
                repeated += 1;
                continue;
            }
            let home = seen
                .and_then(|seen| seen.incident)
                .map(|id| self.survivor(id))
                .filter(|id| {
                    let incident = self.incidents.get(id);
                    // One that ends belongs where it began, one that fires anew to what goes on.
                    incident.is_some_and(|i| !alert.firing || goes_on(i))
                })
                .or_else(|| alert.firing.then(|| self.home_of(&alert)).flatten());
            match (home, alert.firing, alert.declares) {
                (Some(id), ..) => {
                    self.row(id, source, &alert, now, out);
                    self.follow_alerts(id, source, &alert, now, out);
                    rows += 1;
                    into.push(id);
                }
                (None, true, Some(_)) => {
                    let id = self.declare_by_alert(source, &alert, now, out);
                    declared.push(id);
                }
                (None, true, None) => {
                    self.outside.see(
                        &alert.fingerprint,
                        Seen {
                            firing: true,
                            incident: None,
                        },
                    );
                    self.outside.held.push_back((source.to_owned(), alert));
                    while self.outside.held.len() > HELD_MAX {
                        self.outside.held.pop_front();
                    }
                    held += 1;
                }
                (None, false, _) => {
                    self.outside
                        .held
                        .retain(|(_, h)| h.fingerprint != alert.fingerprint);
                    self.outside.see(
                        &alert.fingerprint,
                        Seen {
                            firing: false,
                            incident: None,
                        },
                    );
                    unknown += 1;
                }
            }
        }
        into.sort_unstable();
        into.dedup();
        let names = |ids: &[IncidentId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        json!({
            "schema": "weir.alerts_taken/1",
            "source": source,
            "received": received,
            "rows": rows,
            "incidents": names(&into),
            "declared": names(&declared),
            "repeated": repeated,
            "held": held,
            "ended_unknown": unknown,
            "truncated": truncated,
        })
    }

    /// The incident that goes on and that this alert speaks of; of several the newest.
    fn home_of(&self, alert: &OutsideAlert) -> Option<IncidentId> {
        self.incidents
            .values()
            .rev()
            .find(|incident| goes_on(incident) && fits(alert, incident))
            .map(|incident| incident.id)
    }

    fn row(
        &mut self,
        id: IncidentId,
        source: &str,
        alert: &OutsideAlert,
        now: Wall,
        out: &mut Vec<Output>,
    ) {
        let seen = Seen {
            firing: alert.firing,
            incident: Some(id),
        };
        self.outside.see(&alert.fingerprint, seen);
        let status = match alert.firing {
            true => AlertStatus::Firing,
            false => AlertStatus::Resolved,
        };
        let when = match (alert.firing, alert.ended_at) {
            (true, _) => format!("since {}", words::rfc3339(alert.started_at)),
            (false, Some(at)) => format!("ended {}", words::rfc3339(at)),
            (false, None) => "ended".to_owned(),
        };
        let said = Said::Alert {
            says: cut(&format!("{}: {} ({when})", alert.name, alert.says)),
            source: source.to_owned(),
            fingerprint: alert.fingerprint.clone(),
            status: Some(status),
            link: alert.link.clone(),
        };
        self.append(id, now, By::System(source.to_owned()), said, out);
    }

    /// An incident that an alert declared is no longer felt once all its alerts have ended.
    fn follow_alerts(
        &mut self,
        id: IncidentId,
        source: &str,
        alert: &OutsideAlert,
        now: Wall,
        out: &mut Vec<Output>,
    ) {
        let Some(incident) = self.incidents.get(&id) else {
            return;
        };
        if incident.detected_by != "alert" || !incident.status.is_ongoing() {
            return;
        }
        let by = By::System(source.to_owned());
        let mitigated = incident.clocks().mitigated_at.is_some();
        let all_ended = incident.called.alerts().values().all(|firing| !firing);
        if alert.firing && mitigated {
            let says = format!("{} fires again", alert.name);
            self.append(id, now, by, Said::Reopened { says }, out);
            out.push(Output::Notify(id, NotifyWhat::Changed));
        } else if all_ended && !mitigated {
            let says = "every alert that spoke of it has ended".to_owned();
            self.append(
                id,
                now,
                by,
                Said::Mitigated {
                    says,
                    evidence: vec![],
                },
                out,
            );
        }
    }

    fn declare_by_alert(
        &mut self,
        source: &str,
        alert: &OutsideAlert,
        now: Wall,
        out: &mut Vec<Output>,
    ) -> IncidentId {
        let id = IncidentId(self.next_incident);
        self.next_incident += 1;
        let pools: Vec<PoolKey> = self
            .pools
            .values()
            .map(|pool| pool.key.clone())
            .filter(|key| alert.pools.iter().any(|name| names_pool(name, key)))
            .take(20)
            .collect();
        let opened = Said::Opened {
            kind: Kind::Declared,
            pools,
            level: None,
            severity: alert.declares.unwrap_or(weir_model::Severity::Sev3),
            impact_started_at: alert.started_at.min(now),
            detected_at: now,
            detected_by: "alert".to_owned(),
            objective: String::new(),
            evidence: vec![],
            baseline: None,
            title: Some(cut(&alert.name)),
            service: alert
                .service
                .clone()
                .or_else(|| alert.pools.first().cloned()),
        };
        self.append(id, now, By::System(source.to_owned()), opened, out);
        self.row(id, source, alert, now, out);
        self.relate_declared(id, out);
        out.push(Output::Notify(id, NotifyWhat::Opened));
        id
    }
}

/// From half an hour before the onset, a marker may be what set it off, and later what helped.
fn belongs(marker: &Marker, incident: &Incident) -> bool {
    marker.at >= incident.clocks().impact_started_at.before(MARKER_BEFORE)
}

/// Does this alert speak of this incident? By the pool or database that it names; one that names
/// none, by its service or its time.
fn fits(alert: &OutsideAlert, incident: &Incident) -> bool {
    if !alert.pools.is_empty() && !incident.pools.is_empty() {
        return incident
            .pools
            .iter()
            .any(|key| alert.pools.iter().any(|name| names_pool(name, key)));
    }
    alert.started_at >= incident.clocks().impact_started_at.before(ALERT_BEFORE)
}

fn names_pool(name: &str, key: &PoolKey) -> bool {
    match name.split_once('/') {
        Some((database, user)) => *key.database == *database && *key.user == *user,
        None => *key.database == *name,
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= SAYS_MAX {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(SAYS_MAX).collect();
    cut.push('…');
    cut
}
