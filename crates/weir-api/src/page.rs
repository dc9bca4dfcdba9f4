//! The same for a person with a browser: one page, made on the server, that needs no script. It
//! stands in for the dashboard in a binary that was built without it.

use std::fmt::Write;
use std::time::Duration;

use weir_control::handle::{PoolView, Published};
use weir_control::incident::Incident;
use weir_model::HumanDuration;

use crate::json;
use crate::see::brief;

/// How many incidents the page lists.
const INCIDENTS_SHOWN: usize = 50;

/// Text for HTML, also inside quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The page at `/`.
pub fn index(published: &Published) -> String {
    let status = &published.status;
    let at = json::time(published.clock.wall(published.at));
    let uptime = HumanDuration(Duration::from_secs(status.uptime.as_secs()));
    let mut out = String::with_capacity(8 * 1024);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Weir</title><link rel=\"stylesheet\" href=\"/style.css\"></head><body>\n\
         <header><h1>Weir</h1><p class=\"state\">{} · up {uptime} · regulator: {} · as of \
         <time datetime=\"{at}\">{at}</time></p>\n",
        escaped(&status.version),
        escaped(&status.regulator),
    );
    for says in worries(published) {
        let _ = writeln!(
            out,
            "<p class=\"bad\" role=\"alert\">{}</p>",
            escaped(&says)
        );
    }
    if !crate::dist::is_built() {
        out.push_str(
            "<p>This binary was built without the dashboard: <code>make build</code> with Node 20 or \
             newer puts it in. This page shows the same in short.</p>\n",
        );
    }
    out.push_str("</header>\n<main>\n");
    pools(&mut out, published);
    incidents(&mut out, published);
    out.push_str(
        "</main>\n<footer><a href=\"/metrics\">metrics</a> · <a href=\"/api/v1/status\">status</a> · \
         <a href=\"/api/v1/pools\">pools</a> · <a href=\"/api/v1/decisions\">decisions</a> · \
         <a href=\"/openapi.json\">all paths</a> · reload for newer numbers</footer>\n</body></html>\n",
    );
    out
}

fn worries(published: &Published) -> Vec<String> {
    let status = &published.status;
    let mut worries = Vec::new();
    if status.data_plane_silent {
        worries.push("The data plane has been silent for over two seconds.".to_owned());
    }
    if status.draining {
        worries.push("Draining: open transactions finish, no new clients.".to_owned());
    }
    if !status.store_ok {
        worries.push(format!("Store: {}", status.store));
    }
    worries
}

fn pools(out: &mut String, published: &Published) {
    out.push_str("<h2 id=\"pools\">Pools</h2>\n");
    if published.pools.is_empty() {
        out.push_str("<p>No pool is open yet; one opens with its first client.</p>\n");
        return;
    }
    out.push_str(
        "<div class=\"scroll\"><table aria-labelledby=\"pools\"><thead><tr><th scope=\"col\">pool</th>\
         <th scope=\"col\">level</th><th scope=\"col\" class=\"n\">size</th>\
         <th scope=\"col\" class=\"n\">active</th><th scope=\"col\" class=\"n\">waiting</th>\
         <th scope=\"col\" class=\"n\">oldest wait</th><th scope=\"col\" class=\"n\">wait p99</th>\
         <th scope=\"col\" class=\"n\">transactions/s</th><th scope=\"col\">why this size</th></tr></thead><tbody>\n",
    );
    for pool in &published.pools {
        pool_row(out, pool);
    }
    out.push_str("</tbody></table></div>\n");
}

fn pool_row(out: &mut String, pool: &PoolView) {
    let (class, level) = match (pool.level, pool.paused) {
        (Some(level), _) => ("bad", level.name()),
        (None, true) => ("bad", "paused"),
        (None, false) => ("ok", "ok"),
    };
    let _ = writeln!(
        out,
        "<tr><th scope=\"row\">{}</th><td class=\"{class}\">{level}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{:.1}</td><td>{}</td></tr>",
        escaped(&pool.key.to_string()),
        pool.size,
        pool.servers.active,
        pool.clients.waiting,
        brief(pool.oldest_wait),
        brief(pool.wait.quantile(0.99)),
        pool.transactions_per_s,
        escaped(&pool.size_because),
    );
}

fn incidents(out: &mut String, published: &Published) {
    out.push_str("<h2 id=\"incidents\">Incidents</h2>\n");
    if published.incidents.is_empty() {
        out.push_str("<p>None.</p>\n");
        return;
    }
    out.push_str(
        "<div class=\"scroll\"><table aria-labelledby=\"incidents\"><thead><tr><th scope=\"col\">id</th>\
         <th scope=\"col\">status</th><th scope=\"col\">severity</th><th scope=\"col\">what</th>\
         <th scope=\"col\">cause</th><th scope=\"col\">detected</th><th scope=\"col\">report</th></tr></thead><tbody>\n",
    );
    for incident in published.incidents.iter().take(INCIDENTS_SHOWN) {
        incident_row(out, incident);
    }
    out.push_str("</tbody></table></div>\n");
    if published.incidents.len() > INCIDENTS_SHOWN {
        let _ = writeln!(
            out,
            "<p>The newest {INCIDENTS_SHOWN} of {}; <a href=\"/api/v1/incidents\">all</a>.</p>",
            published.incidents.len()
        );
    }
}

fn incident_row(out: &mut String, incident: &Incident) {
    let id = incident.id;
    let class = if incident.status.is_ongoing() {
        "bad"
    } else {
        "ok"
    };
    let cause = incident.causes.first().map_or_else(
        || "not named yet".to_owned(),
        |finding| format!("{}: {}", finding.cause, finding.says),
    );
    let _ = writeln!(
        out,
        "<tr><th scope=\"row\"><a href=\"/api/v1/incidents/{id}\">{id}</a></th>\
         <td class=\"{class}\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
         <td><a href=\"/api/v1/incidents/{id}/report?format=html\">HTML</a> \
         <a href=\"/api/v1/incidents/{id}/report?format=md\">Markdown</a></td></tr>",
        incident.status,
        incident.severity,
        escaped(&incident.title()),
        escaped(&cause),
        json::time(incident.clocks().detected_at),
    );
}
