//! An incident through the binary: opened in time, told in the contract's words, carried on by
//! people, delivered, and there again after a kill.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::{SOON, Weir, client, pooled, postgres, said, until_async};

/// `n` clients that keep the pool dry until they are aborted.
fn crowd(port: u16, n: u32, sql: &'static str) -> Vec<JoinHandle<()>> {
    (0..n)
        .map(|_| {
            tokio::spawn(async move {
                let client = client(port).await;
                while client.batch_execute(sql).await.is_ok() {}
            })
        })
        .collect()
}

async fn the_incident(weir: &Weir) -> Value {
    until_async("an incident opens", SOON, async || {
        let list = weir.get("/api/v1/incidents").await;
        list.to_string().contains("INC-1").then_some(())
    })
    .await;
    weir.get("/api/v1/incidents/INC-1").await
}

/// A client of a pool that has lived for longer than its cold start (three seconds in which the
/// detector takes no queue for an incident), and so has a baseline.
async fn warmed_up(weir: &Weir) -> tokio_postgres::Client {
    let client = client(weir.port).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(3500) {
        client.batch_execute("select pg_sleep(0.01)").await.unwrap();
    }
    client
}

/// Every key that CONTRACT.md names for `object`.
fn has(object: &Value, keys: &str) {
    for key in keys.split_whitespace() {
        assert!(
            object.as_object().is_some_and(|o| o.contains_key(key)),
            "no `{key}` in {object}"
        );
    }
}

#[tokio::test]
async fn a_dry_pool_becomes_an_incident_in_time_with_every_key_of_the_contract() {
    let config = format!(
        "{}[incident]\nresolve_after = \"2s\"\n",
        pooled(postgres().port(), 2, "")
    );
    let weir = Weir::watched(&config);
    let calm = warmed_up(&weir).await;
    let crowd = crowd(weir.port, 30, "select pg_sleep(0.2)");
    let incident = the_incident(&weir).await;
    has(
        &incident,
        "schema id status kind severity title level pools clocks detected_by impact causes ruled_out trigger timeline actions questions",
    );
    assert_eq!(incident["schema"], "weir.incident/1");
    assert_eq!(incident["level"], "exhausted", "{incident}");
    has(
        &incident["clocks"],
        "impact_started_at detected_at cause_named_at acknowledged_at mitigated_at resolved_at detect_s name_cause_s acknowledge_s mitigate_s resolve_s",
    );
    has(
        &incident["impact"],
        "transactions transactions_delayed transactions_failed clients clients_affected users users_affected users_affected_ratio users_known_by wait_s_p99_before wait_s_p99_during objective data_lost",
    );
    let detect_s = incident["clocks"]["detect_s"].as_f64().unwrap();
    assert!(detect_s <= 1.5, "detected after {detect_s} s");
    let named = until_async("a cause is named", SOON, async || {
        let incident = weir.get("/api/v1/incidents/INC-1").await;
        (!incident["causes"].as_array()?.is_empty()).then_some(incident)
    })
    .await;
    has(
        &named["causes"][0],
        "cause confidence share object says evidence remedy",
    );
    has(
        &named["causes"][0]["remedy"],
        "says order undo safe_to_automate",
    );
    has(
        &named["causes"][0]["evidence"][0],
        "says metric value baseline query from to",
    );
    let name_s = named["clocks"]["name_cause_s"].as_f64().unwrap();
    assert!(name_s <= 10.0, "named after {name_s} s");
    let metrics = weir.try_get("/metrics").await.unwrap();
    assert!(metrics.trim_end().ends_with("# EOF"), "{metrics}");

    // People.
    let acked = weir.cli(&["incident", "ack", "INC-1", "--by", "ann", "looking at it"]);
    assert!(acked.status.success(), "{}", said(&acked));
    let noted = weir.cli(&["incident", "note", "INC-1", "--by", "ann", "mail went out"]);
    assert!(noted.status.success(), "{}", said(&noted));
    let shown = weir.cli(&["incident", "show", "INC-1", "-o", "json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert!(shown["clocks"]["acknowledged_at"].is_string(), "{shown}");
    let timeline = shown["timeline"].to_string();
    assert!(timeline.contains("mail went out"), "{timeline}");
    assert!(timeline.contains("looking at it"), "{timeline}");
    has(&shown["timeline"][0], "at kind by says evidence");
    let listed = weir.cli(&["incident", "list"]);
    assert!(said(&listed).contains("INC-1"), "{}", said(&listed));
    let unknown = weir.cli(&["incident", "ack", "INC-77"]);
    assert_eq!(unknown.status.code(), Some(1), "{}", said(&unknown));
    assert!(said(&unknown).contains("INC-77"), "{}", said(&unknown));

    // The crowd leaves: it resolves by itself.
    for member in crowd {
        member.abort();
    }
    let resolved = until_async("it resolves", Duration::from_secs(30), async || {
        calm.batch_execute("select 1").await.unwrap();
        let incident = weir.get("/api/v1/incidents/INC-1").await;
        (incident["status"] == "resolved").then_some(incident)
    })
    .await;
    assert!(resolved["clocks"]["mitigated_at"].is_string(), "{resolved}");
    assert!(
        resolved["impact"]["transactions_delayed"].as_u64().unwrap() > 0,
        "{resolved}"
    );

    // The report in three forms.
    let out = weir.dir.path().join("report.html");
    for (format, parts) in [
        (
            "md",
            &[
                "## 1. Issue summary",
                "## 2. Timeline",
                "## 3. Root cause",
                "## 4. Resolution and recovery",
                "## 5. Corrective and preventative measures",
                "mail went out",
            ][..],
        ),
        ("html", &["<!doctype html", "<svg", "mail went out"]),
        ("json", &["\"weir.incident/1\"", "mail went out"]),
    ] {
        let rendered = weir.cli(&["report", "render", "INC-1", "--format", format]);
        assert!(rendered.status.success(), "{}", said(&rendered));
        let text = String::from_utf8_lossy(&rendered.stdout).to_lowercase();
        for part in parts {
            assert!(text.contains(&part.to_lowercase()), "{format} lacks {part}");
        }
    }
    let written = weir.cli(&[
        "report",
        "render",
        "INC-1",
        "--format",
        "html",
        "--out",
        &out.to_string_lossy(),
    ]);
    assert!(
        written.status.success() && out.exists(),
        "{}",
        said(&written)
    );
}

#[tokio::test]
async fn an_incident_and_its_notes_survive_kill_9() {
    let config = pooled(postgres().port(), 1, "");
    let mut weir = Weir::watched(&config);
    let gone = crowd(weir.port, 20, "select pg_sleep(0.2)");
    let before = the_incident(&weir).await;
    let noted = weir.cli(&[
        "incident",
        "note",
        "INC-1",
        "--by",
        "ann",
        "before the kill",
    ]);
    assert!(noted.status.success(), "{}", said(&noted));
    weir.signal("KILL");
    weir.ended();
    for member in gone {
        member.abort();
    }
    // Read from the file while nobody runs.
    let store = weir.store();
    let out = crate::support::weir_command()
        .args(["incident", "show", "INC-1", "-o", "json", "--store"])
        .arg(&store)
        .output()
        .unwrap();
    let cold: Value =
        serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", said(&out)));
    assert!(cold.to_string().contains("before the kill"), "{cold}");

    let dir = Arc::clone(&weir.dir);
    drop(weir);
    let weir = Weir::start_in(dir, &config, &["--api", "127.0.0.1:0"], &[]);
    let after = weir.get("/api/v1/incidents/INC-1").await;
    assert!(after.to_string().contains("before the kill"), "{after}");
    assert_eq!(
        after["clocks"]["detected_at"],
        before["clocks"]["detected_at"]
    );
    let resolved = weir.cli(&["incident", "resolve", "INC-1", "--by", "ann", "it is over"]);
    assert!(resolved.status.success(), "{}", said(&resolved));
    let after = weir.get("/api/v1/incidents/INC-1").await;
    assert_eq!(after["status"], "resolved", "{after}");
}

/// A receiver of deliveries: the JSON bodies that came, by path.
async fn receiver() -> (u16, Arc<Mutex<Vec<(String, Value)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&got);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sink = Arc::clone(&sink);
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                let mut piece = [0; 8192];
                loop {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if let Some((head, body)) = text.split_once("\r\n\r\n") {
                        let length = head
                            .lines()
                            .find_map(|l| {
                                let (name, value) = l.split_once(':')?;
                                name.eq_ignore_ascii_case("content-length")
                                    .then(|| value.trim().parse::<usize>().ok())?
                            })
                            .unwrap_or(0);
                        if body.len() >= length {
                            let path = head.split_whitespace().nth(1).unwrap_or_default();
                            let json = serde_json::from_str(body).unwrap_or(Value::Null);
                            sink.lock().unwrap().push((path.to_owned(), json));
                            let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                            let _ = stream.write_all(ok).await;
                            return;
                        }
                    }
                    match stream.read(&mut piece).await {
                        Ok(n) if n > 0 => bytes.extend_from_slice(&piece[..n]),
                        _ => return,
                    }
                }
            });
        }
    });
    (port, got)
}

#[tokio::test]
async fn webhook_and_alertmanager_hear_of_opening_and_resolving() {
    let (to, got) = receiver().await;
    let config = format!(
        "{}[incident]\nresolve_after = \"1s\"\n\
         [[notify]]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:{to}/hook\"\n\
         [[notify]]\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:{to}\"\n",
        pooled(postgres().port(), 1, "")
    );
    let weir = Weir::watched(&config);
    let crowd = crowd(weir.port, 20, "select pg_sleep(0.2)");
    let bodies = |path: &str| -> Vec<Value> {
        let got = got.lock().unwrap();
        let of_path = got.iter().filter(|(p, _)| p == path);
        of_path.map(|(_, body)| body.clone()).collect()
    };
    until_async("both hear of the opening", SOON, async || {
        let hook = bodies("/hook");
        let alerts = bodies("/api/v2/alerts");
        (hook.iter().any(|b| b.to_string().contains("INC-1")) && !alerts.is_empty()).then_some(())
    })
    .await;
    let alert = bodies("/api/v2/alerts")[0][0].clone();
    assert!(alert["labels"]["alertname"].is_string(), "{alert}");
    assert!(alert["startsAt"].is_string(), "{alert}");
    assert!(
        alert["annotations"].to_string().contains("INC-1")
            || alert["labels"].to_string().contains("INC-1")
    );
    for member in crowd {
        member.abort();
    }
    until_async(
        "both hear of the end",
        Duration::from_secs(30),
        async || {
            let hook = bodies("/hook");
            let alerts = bodies("/api/v2/alerts");
            let over = hook.iter().any(|b| b.to_string().contains("\"resolved\""));
            // Alertmanager is told by an end that has come.
            let last = alerts.last()?[0].clone();
            let ends: jiff::Timestamp = last["endsAt"].as_str()?.parse().ok()?;
            (over && ends <= jiff::Timestamp::now()).then_some(())
        },
    )
    .await;
}
