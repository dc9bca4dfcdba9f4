//! What stakeholders are told: the impact, what is being done, when they hear more.

use weir_model::Wall;

use super::state::Incident;
use super::words::{count, counted, date, percent, seconds, time_of_day};

impl Incident {
    /// Who is hurt, from the numbers of the journal; `None` where nothing was measured.
    pub fn impact_words(&self) -> Option<String> {
        let measured = self.measured.as_ref()?;
        let impact = &measured.impact;
        if impact.transactions == 0 && impact.failed == 0 {
            // Nobody's transaction has ended yet, or events were lost: what the pool's own state
            // showed is still a number.
            let during = &measured.during;
            return (during.samples > 0).then(|| {
                format!(
                    "at most {} at once, for up to {}; {} failed, {} gave up, since {} UTC",
                    counted(during.waiting_max.into(), "client waited", "clients waited"),
                    seconds(during.oldest_wait_max.as_secs_f64()),
                    count(during.failures),
                    count(during.abandoned),
                    time_of_day(self.clocks().impact_started_at),
                )
            });
        }
        let mut words = String::new();
        if let (Some(hurt), Some(all)) = (impact.users_affected, impact.users) {
            words = format!("{} of {} users affected; ", count(hurt), count(all));
        } else if impact.clients > 0 {
            words = format!(
                "{} of {} clients affected; ",
                count(impact.clients_affected),
                count(impact.clients)
            );
        }
        Some(format!(
            "{words}{} of {} delayed ({}), {} failed, since {} UTC",
            count(impact.delayed),
            counted(impact.transactions, "transaction", "transactions"),
            percent(impact.delayed, impact.transactions),
            count(impact.failed),
            time_of_day(self.clocks().impact_started_at),
        ))
    }

    /// The text of an update, the same on every channel.
    pub fn update_text(
        &self,
        impact: &str,
        doing: &str,
        next_update_at: Option<Wall>,
        now: Wall,
    ) -> String {
        let next = match next_update_at {
            Some(at) => {
                let day = if date(at) == date(now) {
                    String::new()
                } else {
                    format!("{} ", date(at))
                };
                format!(
                    "Next update: {day}{} UTC (in {}).",
                    time_of_day(at),
                    seconds(at.since(now).as_secs_f64().round())
                )
            }
            None => "This is the last update.".to_owned(),
        };
        format!(
            "{} ({}, {}). Impact: {}. What is being done: {}. {next}",
            self.title(),
            self.severity,
            self.status,
            sentence(impact),
            sentence(doing),
        )
    }

    /// For how long stakeholders have been waiting for a promised update.
    pub fn update_overdue(&self, now: Wall) -> Option<std::time::Duration> {
        let due = self.next_update_at()?;
        (now > due).then(|| now.since(due))
    }
}

fn sentence(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}
