//! `GET /api/v1/queries`: which statements cost what, against the stretch before.
//!
//! # What is deliberately absent
//! - A distribution for each statement: the data plane measures calls, sum and maximum, and no more
//!   is made up.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use weir_control::handle::{Answer, Ask, StatementRow};
use weir_control::record::window::StatementWindow;

use super::{known, limit, sort};
use crate::fault::ApiFault;
use crate::json::{self, rounded, seconds};
use crate::read::{self, Asked, query};
use crate::server::Api;

/// Without `from`: this far back.
const BACK: Duration = Duration::from_secs(300);
/// A mean below this is noise of the clock; a ratio to it would frighten for nothing.
const MEAN_MIN_S: f64 = 50e-6;

/// Keys of this address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueriesQuery {
    pool: Option<String>,
    from: Option<String>,
    to: Option<String>,
    sort: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/queries`.
pub(crate) async fn queries(
    State(api): State<Api>,
    asked: Asked<QueriesQuery>,
) -> Result<Json<Value>, ApiFault> {
    let asked = query(asked, "pool, from, to, sort, limit")?;
    let most = limit(asked.limit)?;
    let orders = [
        "share", "calls", "mean_s", "max_s", "errors", "rows", "change",
    ];
    let (order, turned) = sort(asked.sort.as_deref(), &orders)?;
    let published = api.handle.now();
    let to = read::instant("to", asked.to.as_deref(), published.wall())?;
    let from = read::instant("from", asked.from.as_deref(), to.before(BACK))?;
    read::in_order(from, to)?;
    let pool = match asked.pool.as_deref() {
        Some(name) => Some(read::find_pool(&published, name)?),
        None => None,
    };
    let ask = Ask::Statements { pool, from, to };
    let Answer::Statements(look) = api.handle.ask(ask).await? else {
        return Err(read::wrong_answer());
    };
    let slot_seconds: f64 = {
        let rows = look.rows.iter();
        rows.map(|row| row.now.executing.as_secs_f64()).sum()
    };
    let mut rows: Vec<&StatementRow> = look.rows.iter().collect();
    let by = |row: &StatementRow| match order {
        "calls" => row.now.calls as f64,
        "mean_s" => mean(&row.now),
        "max_s" => row.now.executing_max.as_secs_f64(),
        "errors" => row.now.errors as f64,
        "rows" => row.now.rows as f64,
        // What is new comes before what got slower.
        "change" => change(row).unwrap_or(f64::INFINITY),
        _ => row.now.executing.as_secs_f64(),
    };
    rows.sort_by(|a, b| {
        let most_first = by(b).total_cmp(&by(a));
        most_first.then_with(|| (&a.key, a.now.fingerprint).cmp(&(&b.key, b.now.fingerprint)))
    });
    if turned {
        rows.reverse();
    }
    let total = rows.len();
    rows.truncate(most);
    let length = look.to.since(look.from).as_secs_f64();
    let listed: Vec<Value> = rows
        .iter()
        .map(|row| document(row, slot_seconds, length))
        .collect();
    Ok(Json(json!({
        "schema": "weir.queries/1",
        "from": json::time(look.from),
        "to": json::time(look.to),
        "baseline_from": json::time(look.before.0),
        "baseline_to": json::time(look.before.1),
        "slot_seconds": rounded(slot_seconds),
        "total": total,
        "shown": listed.len(),
        "queries": listed,
    })))
}

fn mean(window: &StatementWindow) -> f64 {
    match window.calls {
        0 => 0.0,
        calls => window.executing.as_secs_f64() / calls as f64,
    }
}

/// How many times longer it takes; `None`: it didn't occur before.
fn change(row: &StatementRow) -> Option<f64> {
    let before = row.before.as_ref().filter(|before| before.calls > 0)?;
    Some(mean(&row.now).max(MEAN_MIN_S) / mean(before).max(MEAN_MIN_S))
}

fn says(change: Option<f64>) -> String {
    match change {
        None => "didn't occur in the stretch before".to_owned(),
        Some(ratio) if ratio >= 1.2 => {
            format!("takes {ratio:.1} times as long as in the stretch before")
        }
        Some(ratio) if ratio <= 1.0 / 1.2 => {
            format!("takes {:.0} % of what it took before", ratio * 100.0)
        }
        Some(_) => "takes as long as before".to_owned(),
    }
}

fn document(row: &StatementRow, slot_seconds: f64, length: f64) -> Value {
    let now = &row.now;
    let change = change(row);
    let per = |of: f64, whole: f64| if whole > 0.0 { of / whole } else { 0.0 };
    json!({
        "database": &*row.key.database,
        "user": &*row.key.user,
        "fingerprint": now.fingerprint.to_string(),
        "text": known(&now.text),
        "share": rounded(per(now.executing.as_secs_f64(), slot_seconds)),
        "executing_s": seconds(now.executing),
        "calls": now.calls,
        "calls_per_s": rounded(per(now.calls as f64, length)),
        "errors": now.errors,
        "mean_s": rounded(mean(now)),
        "max_s": seconds(now.executing_max),
        "rows": now.rows,
        "baseline_calls": row.before.as_ref().map_or(0, |before| before.calls),
        "baseline_mean_s": row.before.as_ref().map(|before| rounded(mean(before))),
        "change": change.map(rounded),
        "says": says(change),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_in_the_direction_that_a_person_thinks_in() {
        assert_eq!(says(None), "didn't occur in the stretch before");
        assert_eq!(
            says(Some(3.0)),
            "takes 3.0 times as long as in the stretch before"
        );
        assert_eq!(says(Some(0.5)), "takes 50 % of what it took before");
        assert_eq!(says(Some(1.1)), "takes as long as before");
    }
}
