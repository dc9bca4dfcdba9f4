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
    `scarm` is no auth method; known are trust, md5, scram-sha-256
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
