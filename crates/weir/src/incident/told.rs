//! An incident, its actions and clocks as text on a terminal.

use serde_json::Value;

use super::text;

/// An incident on a terminal.
pub(super) fn incident(d: &Value) -> String {
    let mut out = format!(
        "{}  {}  {}  {}\n{}\n\n",
        text(&d["id"]),
        text(&d["status"]),
        text(&d["severity"]),
        text(&d["level"]),
        text(&d["title"])
    );
    // Before anything that may not be true.
    if let Some(says) = d["journal"]["says"].as_str() {
        out.push_str(&format!("DAMAGED    {says}\n\n"));
    }
    merged(&mut out, d);
    clocks_of_one(&mut out, d);
    people(&mut out, d);
    impact_and_causes(&mut out, d);
    out.push_str("\ntimeline (UTC)\n");
    for row in list(&d["timeline"]) {
        out.push_str(&format!(
            "  {}  {:<10} {}\n",
            time_of_day(&row["at"]),
            text(&row["kind"]),
            text(&row["says"])
        ));
    }
    out.push_str("\nactions\n");
    out.push_str(&actions(d));
    for (number, question) in list(&d["questions"]).enumerate() {
        if number == 0 {
            out.push_str("\nopen questions (weir incident answer ID NUMBER …)\n");
        }
        out.push_str(&format!("  {:>2}  {}\n", number + 1, text(question)));
    }
    out
}

fn merged(out: &mut String, d: &Value) {
    let from: Vec<&str> = list(&d["merged_from"]).map(text).collect();
    if !from.is_empty() {
        out.push_str(&format!("speaks for  {}\n", from.join(", ")));
    }
    for related in list(&d["related"]) {
        out.push_str(&format!(
            "before     {}: {}\n",
            text(&related["id"]),
            text(&related["says"])
        ));
        for action in list(&related["open_actions"]) {
            out.push_str(&format!("           still open: {}\n", text(action)));
        }
    }
}

fn clocks_of_one(out: &mut String, d: &Value) {
    let c = &d["clocks"];
    let corrected: Vec<&str> = list(&c["corrected"]).map(text).collect();
    let mark = |at: &str| {
        if corrected.contains(&at) {
            "  corrected"
        } else {
            ""
        }
    };
    out.push_str(&format!(
        "started    {}{}\n",
        text(&c["impact_started_at"]),
        mark("impact_started_at")
    ));
    for (name, at, s) in [
        ("detected", "detected_at", "detect_s"),
        ("named", "cause_named_at", "name_cause_s"),
        ("acked", "acknowledged_at", "acknowledge_s"),
        ("mitigated", "mitigated_at", "mitigate_s"),
        ("resolved", "resolved_at", "resolve_s"),
    ] {
        match c[s].as_f64() {
            Some(s) => out.push_str(&format!(
                "{name:<10} {}  (+{}){}\n",
                text(&c[at]),
                brief(s),
                mark(at)
            )),
            None => out.push_str(&format!("{name:<10} not yet{}\n", mark(at))),
        }
    }
    for correction in list(&d["corrections"]) {
        out.push_str(&format!(
            "           {} set `{}` from {} to {}: {}\n",
            text(&correction["who"]),
            text(&correction["clock"]),
            text(&correction["from"]),
            text(&correction["to"]),
            text(&correction["says"])
        ));
    }
}

fn people(out: &mut String, d: &Value) {
    for role in ["lead", "communications", "scribe"] {
        if let Some(who) = d["roles"][role]["who"].as_str() {
            out.push_str(&format!("{role:<14} {who}\n"));
        }
    }
    if let Some(next) = d["next_update_at"].as_str() {
        out.push_str(&format!("next update    {next}\n"));
    }
}

fn impact_and_causes(out: &mut String, d: &Value) {
    let i = &d["impact"];
    if i["transactions"].is_null() {
        out.push_str("\nimpact     not measured\n");
    } else {
        out.push_str(&format!(
            "\nimpact     {} of {} transactions delayed, {} failed\n",
            i["transactions_delayed"], i["transactions"], i["transactions_failed"]
        ));
    }
    if i["users"].is_null() {
        out.push_str("           users: not measured\n");
    } else {
        out.push_str(&format!(
            "           {} of {} users\n",
            i["users_affected"], i["users"]
        ));
    }
    for (n, cause) in list(&d["causes"]).enumerate() {
        out.push_str(&format!(
            "\ncause {}    {} ({:.0} %)\n           {}\n",
            n + 1,
            text(&cause["cause"]),
            cause["confidence"].as_f64().unwrap_or(0.0) * 100.0,
            text(&cause["says"])
        ));
        out.push_str(&format!(
            "           do: {}\n",
            text(&cause["remedy"]["says"])
        ));
    }
    for ruled in list(&d["ruled_out"]) {
        out.push_str(&format!(
            "not        {}: {}\n",
            text(&ruled["cause"]),
            text(&ruled["says"])
        ));
    }
    for stated in list(&d["stated"]) {
        out.push_str(&format!(
            "stated     {}: {} ({})\n",
            text(&stated["topic"]),
            text(&stated["says"]),
            text(&stated["who"])
        ));
    }
}

/// The actions of an incident.
pub(super) fn actions(d: &Value) -> String {
    let mut out = String::new();
    for action in list(&d["actions"]) {
        let status = if action["adopted"] == true {
            text(&action["status"])
        } else {
            "proposed"
        };
        out.push_str(&format!(
            "  {:<4} {:<9} {:<3} {}\n",
            text(&action["id"]),
            status,
            text(&action["priority"]),
            text(&action["says"])
        ));
        let mut more = Vec::new();
        for (name, key) in [("owner", "owner"), ("due", "due"), ("tracker", "tracker")] {
            if let Some(value) = action[key].as_str() {
                more.push(format!("{name} {value}"));
            }
        }
        if let Some(verify) = action["verify"].as_str().filter(|v| !v.is_empty()) {
            more.push(format!("verify: {verify}"));
        }
        if let Some(why) = action["status_says"].as_str().filter(|w| !w.is_empty()) {
            more.push(why.to_owned());
        }
        if action["status"] == "done" && action["verified_by"] == "drill" {
            more.push("needs a drill".to_owned());
        }
        if !more.is_empty() {
            out.push_str(&format!("       {}\n", more.join("; ")));
        }
    }
    out
}

/// Clocks over many incidents.
pub(super) fn clocks(d: &Value) -> String {
    let mut out = String::new();
    let all = &d["all"];
    let incidents = all["incidents"].as_u64().unwrap_or(0);
    out.push_str(&format!(
        "incidents since {}: {incidents}; drills left out: {}\n",
        text(&d["since"]),
        d["drills_left_out"]
    ));
    if incidents == 0 {
        return out;
    }
    out.push_str(&format!(
        "{} of {incidents} detected by Weir before any person\n\n",
        all["detected_by_weir_first"]
    ));
    group(&mut out, "all", all);
    if let Some(by) = d["by_severity"].as_object() {
        for (severity, of) in by {
            out.push('\n');
            group(&mut out, severity, of);
        }
    }
    out.push_str(&format!("\n{}\n", text(&d["quantiles"])));
    out
}

fn group(out: &mut String, name: &str, of: &Value) {
    out.push_str(&format!(
        "{:<12} {:<4} {:>6} {:>12} {:>12} {:>12}  {:<8} from … to\n",
        name, "", "count", "median", "p90", "worst", ""
    ));
    for clock in list(&of["clocks"]) {
        let s = |key: &str| clock[key].as_f64().map_or("-".to_owned(), brief);
        out.push_str(&format!(
            "{:<12} {:<4} {:>6} {:>12} {:>12} {:>12}  {:<8} {}\n",
            text(&clock["clock"]),
            text(&clock["short"]),
            clock["count"],
            s("median_s"),
            s("p90_s"),
            s("worst_s"),
            text(&clock["worst"]),
            text(&clock["says"])
        ));
    }
}

/// `0.7 s`, `3 min 29 s`, `2 h 5 min`.
fn brief(s: f64) -> String {
    if s < 60.0 {
        return format!("{s:.1} s");
    }
    let whole = s.round() as u64;
    let (d, h, m, s) = (
        whole / 86_400,
        whole / 3_600 % 24,
        whole / 60 % 60,
        whole % 60,
    );
    match (d, h) {
        (0, 0) => format!("{m} min {s} s"),
        (0, h) => format!("{h} h {m} min"),
        (d, h) => format!("{d} d {h} h"),
    }
}

fn time_of_day(at: &Value) -> String {
    text(at).chars().skip(11).take(12).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_at_a_glance() {
        assert_eq!(brief(0.7), "0.7 s");
        assert_eq!(brief(209.0), "3 min 29 s");
        assert_eq!(brief(12_600.0), "3 h 30 min");
        assert_eq!(brief(100_000.0), "1 d 3 h");
    }
}
