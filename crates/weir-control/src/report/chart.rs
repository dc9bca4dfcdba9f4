//! Small charts, drawn by hand as SVG: 720 wide, times in UTC, series labelled where they end,
//! clocks as labelled lines. The same picture stands in the HTML and beside the Markdown.
//!
//! Colour never carries a meaning alone: lines differ in dash, areas in pattern, and each has its
//! name written beside it.

use super::canvas::{Art, finite};
use crate::incident::entry::ChartPoint;
use crate::incident::words::{time_of_day, trimmed};
use crate::incident::{Incident, merge};

/// Finer than the paper: more points than this are merged, by their worst.
const DRAWN_MAX: usize = 600;

/// The points to draw, few enough, or `None` where there's nothing to see.
pub(super) fn drawn(incident: &Incident) -> Option<Vec<ChartPoint>> {
    let points = &incident.points;
    if points.len() < 2 {
        return None;
    }
    let step = points.len().div_ceil(DRAWN_MAX);
    let points: Vec<ChartPoint> = points.chunks(step).map(merge).collect();
    (points.len() >= 2 && points[0].at < points[points.len() - 1].at).then_some(points)
}

/// Pool size, servers in use, waiting clients and the oldest wait, with the clocks.
pub(super) fn wait(incident: &Incident, points: &[ChartPoint]) -> String {
    let mut art = Art::new(incident, points, 3, 96.0);
    let title = "Size, servers in use, waiting clients and oldest wait over time";
    art.open(title, &wait_summary(points));

    let servers = art.panel(
        0,
        points.iter().map(|p| f64::from(p.size.max(p.active))),
        true,
    );
    art.axis(&servers, "server connections", "");
    art.step(points, &servers, "wr-s1", "6 4", |p| f64::from(p.size));
    art.trace(points, &servers, "wr-s2", "", |p| f64::from(p.active));
    let last = points[points.len() - 1];
    art.labels(vec![
        (
            servers.y(f64::from(last.size)),
            "wr-f1",
            format!("size {} (dashed)", last.size),
        ),
        (
            servers.y(f64::from(last.active)),
            "wr-f2",
            format!("in use {}", last.active),
        ),
    ]);

    let queue = art.panel(1, points.iter().map(|p| f64::from(p.waiting)), true);
    art.axis(&queue, "waiting clients", "");
    art.area(points, &queue, "wr-b3", |p| f64::from(p.waiting));
    art.trace(points, &queue, "wr-s3", "", |p| f64::from(p.waiting));
    art.labels(vec![(
        queue.y(f64::from(last.waiting)),
        "wr-f3",
        format!("waiting {}", last.waiting),
    )]);

    let oldest = art.panel(2, points.iter().map(|p| finite(p.oldest_wait_s)), false);
    art.axis(&oldest, "oldest wait", " s");
    art.area(points, &oldest, "wr-b4", |p| p.oldest_wait_s);
    art.trace(points, &oldest, "wr-s4", "", |p| p.oldest_wait_s);
    art.labels(vec![(
        oldest.y(last.oldest_wait_s),
        "wr-f4",
        format!(
            "oldest {}",
            crate::incident::words::seconds(finite(last.oldest_wait_s))
        ),
    )]);
    art.close()
}

pub(super) fn wait_summary(points: &[ChartPoint]) -> String {
    let waiting = points.iter().map(|p| p.waiting).max().unwrap_or(0);
    let oldest = points
        .iter()
        .map(|p| finite(p.oldest_wait_s))
        .fold(0.0, f64::max);
    let (first, last) = (points[0], points[points.len() - 1]);
    let size = if points.iter().all(|p| p.size == first.size) {
        format!("stays at {}", first.size)
    } else {
        format!("goes from {} to {}", first.size, last.size)
    };
    format!(
        "The pool's size {size} between {} and {} UTC; at most {} at once, the oldest for {}.",
        time_of_day(first.at),
        time_of_day(last.at),
        crate::incident::words::counted(u64::from(waiting), "client waits", "clients wait"),
        crate::incident::words::seconds(oldest),
    )
}

/// Where the time of holding a server went: mean server connections executing, thinking, and held
/// for the network.
pub(super) fn hold(incident: &Incident, points: &[ChartPoint]) -> String {
    let held = held(points);
    let mut art = Art::new(incident, points, 1, 190.0);
    art.open(
        "Where the time of holding server connections went",
        &hold_summary(points),
    );
    let panel = art.panel(
        0,
        points
            .iter()
            .zip(&held)
            .map(|(p, h)| (h.0 + h.1 + h.2).max(f64::from(p.size))),
        true,
    );
    art.axis(&panel, "server connections held (mean of each second)", "");
    let zero: Vec<f64> = held.iter().map(|_| 0.0).collect();
    let exec: Vec<f64> = held.iter().map(|h| h.0).collect();
    let think: Vec<f64> = held.iter().map(|h| h.0 + h.1).collect();
    let net: Vec<f64> = held.iter().map(|h| h.0 + h.1 + h.2).collect();
    art.band(points, &panel, "class=\"wr-eb\"", &zero, &exec);
    art.band(
        points,
        &panel,
        &format!("fill=\"url(#{}-think)\"", art.id),
        &exec,
        &think,
    );
    art.band(
        points,
        &panel,
        &format!("fill=\"url(#{}-net)\"", art.id),
        &think,
        &net,
    );
    art.step(points, &panel, "wr-s1", "6 4", |p| f64::from(p.size));
    let last = points.len() - 1;
    let middle = |low: f64, high: f64| panel.y((low + high) / 2.0);
    let mut labels = vec![
        (
            panel.y(f64::from(points[last].size)),
            "wr-f1",
            format!("size {} (dashed)", points[last].size),
        ),
        (
            middle(0.0, exec[last]),
            "wr-f2",
            "executing (plain)".to_owned(),
        ),
    ];
    if held.iter().any(|h| h.1 > 0.0) {
        labels.push((
            middle(exec[last], think[last]),
            "wr-f3",
            "thinking (striped)".to_owned(),
        ));
    }
    if held.iter().any(|h| h.2 > 0.0) {
        labels.push((
            middle(think[last], net[last]),
            "wr-f5",
            "network (dotted)".to_owned(),
        ));
    }
    art.labels(labels);
    art.close()
}

/// Mean connections per second: seconds held, over the seconds that a point covers.
pub(super) fn held(points: &[ChartPoint]) -> Vec<(f64, f64, f64)> {
    let mut before = None;
    points
        .iter()
        .map(|p| {
            let length = match before.replace(p.at) {
                Some(at) => p.at.since(at).as_secs_f64(),
                None => points
                    .get(1)
                    .map_or(1.0, |next| next.at.since(p.at).as_secs_f64()),
            };
            let length = if length > 0.0 { length } else { 1.0 };
            (
                finite(p.executing_s) / length,
                finite(p.thinking_s) / length,
                finite(p.network_s) / length,
            )
        })
        .collect()
}

pub(super) fn hold_summary(points: &[ChartPoint]) -> String {
    let sum = |f: fn(&ChartPoint) -> f64| points.iter().map(|p| finite(f(p))).sum::<f64>();
    let (e, t, n) = (
        sum(|p| p.executing_s),
        sum(|p| p.thinking_s),
        sum(|p| p.network_s),
    );
    let all = e + t + n;
    if all <= 0.0 {
        return "No server connection was held in this time.".to_owned();
    }
    format!(
        "Of {} server-seconds held, {} went to executing statements, {} to clients thinking inside a transaction, {} to the network.",
        trimmed(all),
        crate::incident::words::share(e / all),
        crate::incident::words::share(t / all),
        crate::incident::words::share(n / all),
    )
}
