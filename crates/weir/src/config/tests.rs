use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use weir_model::{PoolMode, PoolSize};

use super::*;

fn faults(text: &str) -> String {
    read(Path::new("weir.toml"), text, &BTreeMap::new())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_whole_file_is_read_as_meant() {
    let config = read(
        Path::new("weir.toml"),
        r#"
listen = ["127.0.0.1:6432", "/run/weir"]
store = "none"
[auth]
method = "trust"
[server.main]
hosts = ["db1:5433"]
watch = { user = "weir_monitor" }
[pool.app]
database = "app_prod"
mode = "session"
size = { min = 2, max = 30 }
objective = "99.5% of waits < 25ms"
query_wait_timeout = "5s"
[pool."*"]
size = 7
[regulator]
mode = "act"
[[notify]]
kind = "alertmanager"
url = "http://127.0.0.1:9093"
"#,
        &BTreeMap::new(),
    )
    .unwrap();
    assert_eq!(config.listen, ["127.0.0.1:6432", "/run/weir"]);
    assert_eq!(config.store, None);
    let app = &config.pooler.pools[0];
    assert_eq!((&*app.database, app.mode), ("app", PoolMode::Session));
    assert_eq!(app.server_database.as_deref(), Some("app_prod"));
    assert_eq!((&*app.server.host, app.server.port), ("db1", 5433));
    assert_eq!(app.server.watch_user.as_deref(), Some("weir_monitor"));
    assert_eq!(
        (app.size.min(), app.size.max(), app.size.initial()),
        (2, Some(30), 8)
    );
    assert_eq!(
        (app.objective_ratio, app.objective_wait),
        (0.995, Duration::from_millis(25))
    );
    assert_eq!(&*config.pooler.pools[1].database, "*");
    assert_eq!(config.pooler.pools[1].size.max(), Some(7));
    assert_eq!(config.notify.len(), 1);
}

#[test]
fn all_faults_are_told_at_once_each_with_its_place_and_its_remedy() {
    let text = r#"listne = ["127.0.0.1:6432"]
[auth]
method = "scarm"
[server.main]
hosts = ["db1:http"]
[pool.app]
server = "mian"
[pool.web]
query_wait_timeout = "5"
mode = "transactional"
size = { min = 9, max = 3 }
[pool.api]
query_wait_timeout = 5
objective = "fast"
tls = 1
"#;
    assert_eq!(
        faults(text),
        r#"weir.toml:1:1  listne = ["127.0.0.1:6432"]
    unknown key `listne`; did you mean `listen`?
weir.toml:3:10  method = "scarm"
    `scarm` is no auth method; known are trust, any, plain, md5, scram-sha-256, cert, peer, hba
weir.toml:5:9  hosts = ["db1:http"]
    `db1:http` is not host:port; write "db1:5432", "[::1]:5432" or "/run/postgresql:5432"
weir.toml:7:10  server = "mian"
    there is no [server.mian]; did you mean `main`?
weir.toml:9:22  query_wait_timeout = "5"
    a duration needs a unit: "5s", "500ms", "2min"
weir.toml:10:8  mode = "transactional"
    `transactional` is no pool mode; known are session, transaction, statement
weir.toml:11:8  size = { min = 9, max = 3 }
    min 9 is above max 3
weir.toml:11:8  size = { min = 9, max = 3 }
    initial 9 lies outside min and max
weir.toml:13:22  query_wait_timeout = 5
    a duration needs a unit: "5s", "500ms", "2min"
weir.toml:14:13  objective = "fast"
    an objective reads "99% of waits < 10ms"
weir.toml:15:1  tls = 1
    unknown key `tls`; known here: server, database, mode, size, objective, query_wait_timeout, waiters_max, session_state, idle_transaction_timeout, message_inspect_max, prepared_statements_max, user_tag_key"#
    );
}

#[test]
fn broken_toml_says_where() {
    let text = faults("[auth]\nmethod = \"trust\nusers = 5\n");
    assert!(text.starts_with("weir.toml:2:"), "{text}");
}

#[test]
fn a_pgbouncer_ini_is_recognised_and_said_so() {
    let text = faults("[databases]\napp = host=db1\n[pgbouncer]\nlisten_port=6432\n");
    assert!(text.contains("looks like a pgbouncer.ini"), "{text}");
}

#[test]
fn the_environment_overrides_the_file_and_is_named_when_it_is_wrong() {
    let file = "[auth]\nmethod = \"trust\"\n[pool.app]\nsize = 5\n";
    let mut env = BTreeMap::from([("WEIR__POOL__APP__SIZE".to_owned(), "9".to_owned())]);
    let config = read(Path::new("weir.toml"), file, &env).unwrap();
    assert!(matches!(config.pooler.pools[0].size, PoolSize::Fixed(n) if n.get() == 9));
    env.insert("WEIR__POOL__APP__SIZE".to_owned(), "many".to_owned());
    let text = read(Path::new("weir.toml"), file, &env)
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("environment variable WEIR__POOL__APP__SIZE\n"),
        "{text}"
    );
}

#[test]
fn every_key_of_the_table_is_read_somewhere() {
    let source = [include_str!("mod.rs"), include_str!("paging.rs")].concat();
    for setting in super::table::SETTINGS {
        assert!(
            source.contains(&format!("\"{}\"", setting.name)),
            "{}.{} is in the table but nobody reads it",
            setting.section,
            setting.name
        );
    }
}

const PAGING: &str = r#"
cluster = "prod"
[auth]
method = "trust"
[alerts]
declare = ["Critical"]
[[notify]]
kind = "alertmanager"
url = "http://127.0.0.1:9093"
silence_on = ["acknowledge"]
[[notify]]
kind = "pagerduty"
routing_key = "env:PD_KEY"
only = ["sev1", "sev2"]
[[notify]]
name = "chat"
kind = "slack"
url = "env:SLACK"
announce = true
[[contact]]
name = "oncall"
channels = ["pagerduty", "chat"]
working_hours = { zone = "Europe/Zurich", days = "mon-fri", from = "08:00", to = "20:00" }
otherwise = "chat"
[[escalation]]
match = { severity = ["sev1", "sev2"], pool = "app/*" }
steps = [
  { to = "oncall", after = "0s" },
  { to = "oncall", after = "5min", channel = "chat" },
]
repeat = 2
ack_expires = "30min"
[[maintenance]]
match = { pool = "reports" }
from = 2026-12-01T22:00:00Z
until = "2026-12-02T02:00:00+01:00"
by = "ann"
why = "upgrade"
"#;

fn secrets() -> BTreeMap<String, String> {
    BTreeMap::from([
        ("PD_KEY".to_owned(), "R0123456789".to_owned()),
        (
            "SLACK".to_owned(),
            "http://hooks.example/services/T0/B0/x".to_owned(),
        ),
    ])
}

#[test]
fn channels_contacts_steps_and_windows_are_read_as_meant() {
    use weir_control::notify::policy::Outside;
    let config = read(Path::new("weir.toml"), PAGING, &secrets()).unwrap();
    assert_eq!(config.cluster, "prod");
    assert_eq!(config.ingest.declare, ["critical"]);
    let channels: Vec<String> = config.notify.iter().map(Target::channel).collect();
    assert_eq!(
        channels,
        [
            "alertmanager http://127.0.0.1:9093",
            "pagerduty https://events.pagerduty.com:443",
            "chat"
        ]
    );
    let oncall = &config.paging.contacts[0];
    assert_eq!(
        oncall.channels,
        ["pagerduty https://events.pagerduty.com:443", "chat"]
    );
    assert_eq!(oncall.outside, Outside::Call("chat".to_owned()));
    let policy = &config.paging.policies[0];
    assert_eq!(
        (policy.steps.len(), policy.repeat, policy.calls()),
        (2, 2, 6)
    );
    assert_eq!(policy.ack_expires, Some(Duration::from_secs(1_800)));
    assert_eq!(policy.steps[1].channel.as_deref(), Some("chat"));
    let window = &config.paging.maintenance[0];
    assert_eq!(
        window.until.since(window.from),
        Duration::from_secs(3 * 3_600)
    );
    // Named by a contact, so it waits for its turn; chat says otherwise of itself.
    let announced: Vec<bool> = config
        .notify
        .iter()
        .map(|target| target.wants(&config.paging).announce)
        .collect();
    assert_eq!(announced, [true, false, true]);
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("R0123456789") && !shown.contains("/services/"),
        "{shown}"
    );
}

#[test]
fn every_fault_of_the_paging_is_told_with_its_place_and_its_remedy() {
    let text = r#"[auth]
method = "trust"
[[notify]]
kind = "pager"
[[notify]]
kind = "pagerduty"
routing_key = "env:NOWHERE"
[[notify]]
name = "chat"
kind = "slack"
url = "ftp://hooks.example/x"
routing_key = "R0"
only = ["sev9"]
[[notify]]
name = "mail"
kind = "email"
url = "smtp://mail.example"
from = "weir@example.org"
to = ["nobody"]
announce = "yes"
[[contact]]
name = "oncall"
channels = ["chatt"]
working_hours = { zone = "Europe/Zurick", days = "mon-fry", from = "9" }
otherwise = "somebody"
[[escalation]]
steps = [ { to = "oncal", after = "0s" }, { to = "oncall", after = "5" }, { after = "1min" } ]
ack_expires = 30
[[escalation]]
match = { pools = "app" }
[[maintenance]]
from = 2026-12-01T22:00:00
until = "tomorrow"
by = "ann"
"#;
    assert_eq!(faults(text), include_str!("paging_faults.txt").trim_end());
}

#[test]
fn an_otherwise_that_leads_in_a_circle_is_refused() {
    let text = r#"[auth]
method = "trust"
[[notify]]
name = "chat"
kind = "webhook"
url = "http://127.0.0.1:1"
[[contact]]
name = "ann"
channels = ["chat"]
otherwise = "bob"
[[contact]]
name = "bob"
channels = ["chat"]
otherwise = "ann"
"#;
    assert!(
        faults(text).contains("leads back to itself"),
        "{}",
        faults(text)
    );
}

/// A folder with a certificate, its key, and another key.
fn certificates() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(dir.path().join(format!("{name}.pem")), made.cert.pem()).unwrap();
        let key = made.signing_key.serialize_pem();
        std::fs::write(dir.path().join(format!("{name}.key")), key).unwrap();
    };
    make("weir");
    make("other");
    dir
}

fn tls_faults(text: &str) -> String {
    let dir = certificates();
    read(&dir.path().join("weir.toml"), text, &BTreeMap::new())
        .unwrap_err()
        .to_string()
        .replace(&dir.path().display().to_string(), "DIR")
}

#[test]
fn tls_is_read_on_both_sides_and_paths_are_beside_the_file() {
    let dir = certificates();
    let config = read(
        &dir.path().join("weir.toml"),
        r#"
[auth]
method = "trust"
[tls]
cert = "weir.pem"
key = "weir.key"
version_min = "TLSv1.3"
[server.main]
hosts = ["db1:5432"]
tls = { ca = "other.pem" }
[server.far]
hosts = ["db2:5432"]
tls = { mode = "require", direct = true }
[pool.app]
server = "main"
[pool.far]
server = "far"
"#,
        &BTreeMap::new(),
    )
    .unwrap();
    let tls = &config.pooler.tls;
    assert_eq!(tls.mode, weir_model::TlsMode::Prefer);
    assert_eq!(tls.cert, Some(dir.path().join("weir.pem")));
    assert_eq!(tls.version_min, weir_model::TlsVersion::V13);
    let main = &config.pooler.pools[0].server.tls;
    assert_eq!(main.mode, weir_model::TlsMode::VerifyFull);
    let far = &config.pooler.pools[1].server.tls;
    assert!(far.direct && far.mode == weir_model::TlsMode::Require);
}

#[test]
fn a_file_that_does_not_fit_is_a_fault_with_its_line() {
    let text = tls_faults(
        r#"[tls]
mode = "require"
cert = "weir.pem"
key = "other.key"
[auth]
method = "trust"
[server.main]
tls = { mode = "verify-ca", ca = "nowhere.pem", ciphers = "RC4" }
"#,
    );
    assert!(
        text.contains("DIR/weir.toml:4:7  key = \"other.key\"\n    the key in \"DIR/other.key\" is not that of the certificate in \"DIR/weir.pem\": they must be a pair"),
        "{text}"
    );
    assert!(
        text.contains(":8:") && text.contains("could not open file \"DIR/nowhere.pem\""),
        "{text}"
    );
    assert!(
        text.contains("failed to set the cipher suites: there is no `RC4`"),
        "{text}"
    );
}

#[test]
fn tls_that_makes_no_sense_is_told_with_its_remedy() {
    let text = tls_faults(
        r#"[tls]
mode = "sometimes"
[auth]
method = "trust"
[server.main]
tls = { mode = "prefer", direct = true }
[server.other]
tls = true
[pool.app]
server = "main"
"#,
    );
    for part in [
        "`sometimes` is no TLS mode; known are disable, allow",
        "direct TLS leaves no way back to plain text",
        "`tls` takes a table",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
