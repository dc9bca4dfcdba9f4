//! I2: the data plane serves on when the control plane is gone, and the control plane comes back
//! with what the journal knows.

use std::time::{Duration, Instant};

use crate::support::{SOON, Weir, client, one, pooled, postgres, until_async};

#[tokio::test]
async fn a_panic_of_the_control_plane_costs_no_transaction_and_open_incidents_come_back() {
    let weir = Weir::start_with(
        &pooled(postgres().port(), 1, "query_wait_timeout = \"60s\""),
        &["--api", "127.0.0.1:0"],
        &[("WEIR_FAULT_CONTROL_PANIC", "7")],
    );
    let port = weir.port;
    let crowd: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn(async move {
                let client = client(port).await;
                loop {
                    assert_eq!(one(&client, "select 1 from pg_sleep(0.05)").await, "1");
                }
            })
        })
        .collect();
    // Before the panic: an incident.
    let before = until_async("an incident opens", SOON, async || {
        let list = weir.try_get("/api/v1/incidents").await.ok()?;
        list.contains("INC-1").then_some(())?;
        Some(weir.get("/api/v1/incidents/INC-1").await)
    })
    .await;
    weir.until_logs("The control plane panicked");
    // While it is gone, and after, statements go on.
    let begun = Instant::now();
    let mut served = 0;
    while begun.elapsed() < Duration::from_millis(1500) {
        let newcomer = client(port).await;
        assert_eq!(one(&newcomer, "select 1").await, "1");
        served += 1;
    }
    assert!(served > 0);
    // Afterwards: the API answers, the incident is the same one, not a second.
    let after = until_async("the API answers again", SOON, async || {
        let text = weir.try_get("/api/v1/incidents/INC-1").await.ok()?;
        let fresh = weir.try_get("/api/v1/pools").await.ok()?;
        (fresh.contains("\"waiting\"") && text.contains("INC-1")).then_some(text)
    })
    .await;
    let after: serde_json::Value = serde_json::from_str(&after).unwrap();
    assert_eq!(
        after["clocks"]["detected_at"],
        before["clocks"]["detected_at"]
    );
    assert_ne!(after["status"], "resolved");
    let list = weir.get("/api/v1/incidents").await;
    let count = list.to_string().matches("\"weir.incident").count();
    assert!(count <= 1, "{list}");
    for member in &crowd {
        assert!(!member.is_finished(), "a client of the crowd met an error");
    }
    for member in crowd {
        member.abort();
    }
}
