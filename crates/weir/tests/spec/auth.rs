//! Who may come in, and how Weir proves itself to PostgreSQL.

use std::fmt::Write as _;

use crate::support::{Raw, Weir, connect, one, postgres, program, told};

/// A configuration with a user list beside it.
fn weir(auth: &str, users: &str, server: &str) -> Weir {
    let pg = postgres();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("users.txt"), users).unwrap();
    let mut config = format!("[auth]\nmethod = \"{auth}\"\n");
    if !users.is_empty() {
        config.push_str("users = \"users.txt\"\n");
    }
    let _ = write!(
        config,
        "[server.main]\nhosts = [\"127.0.0.1:{}\"]\n{server}\n[pool.postgres]\nsize = 3\n",
        pg.port()
    );
    Weir::start_in(
        dir.into(),
        &config,
        &["--api", "off", "--store", "none"],
        &[],
    )
}

#[tokio::test]
async fn each_way_in_goes_with_each_way_to_the_server() {
    for auth in ["trust", "md5", "scram-sha-256"] {
        let mut users = String::new();
        for user in ["ann", "md5_user", "scram_user"] {
            let _ = writeln!(users, "\"{user}\" \"secret\"");
        }
        let weir = weir(auth, &users, "");
        for user in ["ann", "md5_user", "scram_user"] {
            let client = connect(weir.port, &format!("user={user} password=secret"))
                .await
                .unwrap_or_else(|fault| panic!("{auth} to {user}: {}", told(&fault)));
            assert_eq!(one(&client, "select current_user").await, user);
        }
    }
}

#[tokio::test]
async fn a_client_proves_itself_against_an_md5_secret_in_the_list() {
    // As PgBouncer's lists have it.
    let md5 = postgres().sql("select 'md5' || md5('secret' || 'ann')");
    let weir = weir("md5", &format!("\"ann\" \"{md5}\"\n"), "");
    let client = connect(weir.port, "user=ann password=secret")
        .await
        .unwrap();
    assert_eq!(one(&client, "select current_user").await, "ann");
    let fault = connect(weir.port, "user=ann password=wrong").await;
    let fault = told(&fault.err().unwrap());
    assert_eq!(
        fault,
        "28P01 password authentication failed for user \"ann\""
    );
}

#[tokio::test]
async fn scram_keys_are_passed_through_with_postgresqls_own_verifier() {
    let pg = postgres();
    let verifier = pg.sql("select rolpassword from pg_authid where rolname = 'scram_user'");
    assert!(verifier.starts_with("SCRAM-SHA-256$"), "{verifier}");
    let weir = weir(
        "scram-sha-256",
        &format!("\"scram_user\" \"{verifier}\"\n"),
        "",
    );
    // No plain password stands anywhere; the server insists on SCRAM.
    let client = connect(weir.port, "user=scram_user password=secret").await;
    let client = client.unwrap_or_else(|fault| panic!("{}", told(&fault)));
    assert_eq!(one(&client, "select session_user").await, "scram_user");
    let fault = connect(weir.port, "user=scram_user password=wrong").await;
    assert_eq!(
        told(&fault.err().unwrap()),
        "28P01 password authentication failed for user \"scram_user\""
    );
}

#[tokio::test]
async fn one_user_of_the_server_serves_all_clients_where_the_section_says_so() {
    let weir = weir("trust", "", "user = \"scram_user\"\npassword = \"secret\"");
    for user in ["ann", "bob"] {
        let client = connect(weir.port, &format!("user={user}")).await.unwrap();
        assert_eq!(one(&client, "select current_user").await, "scram_user");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_answer() {
    for auth in ["md5", "scram-sha-256"] {
        let weir = weir(auth, "\"ann\" \"secret\"\n", "");
        for user in ["ann", "nobody_knows"] {
            let fault = connect(weir.port, &format!("user={user} password=wrong")).await;
            assert_eq!(
                told(&fault.err().unwrap()),
                format!("28P01 password authentication failed for user \"{user}\""),
                "{auth}"
            );
        }
        // And psql tells its user.
        if let Some(mut psql) = program("psql", weir.port) {
            let out = psql
                .args(["-U", "ann", "-c", "select 1"])
                .env("PGPASSWORD", "wrong")
                .output()
                .unwrap();
            assert_eq!(out.status.code(), Some(2));
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert!(
                said.contains("FATAL:  password authentication failed for user \"ann\""),
                "{said}"
            );
        }
        assert!(connect(weir.port, "user=ann password=secret").await.is_ok());
    }
}

#[tokio::test]
async fn a_wrong_password_of_ours_at_the_server_is_told_with_the_servers_words() {
    let weir = weir(
        "trust",
        "",
        "user = \"scram_user\"\npassword = \"stale\"\nconnect_timeout = \"2s\"",
    );
    let fault = connect(weir.port, "user=ann").await.err().unwrap();
    let says = told(&fault);
    assert!(
        says.contains("password authentication failed for user \"scram_user\""),
        "{says}"
    );
}

#[test]
fn an_unknown_database_is_named() {
    // Here Weir knows all databases…
    let named = weir("trust", "", "");
    let fault = Raw::login_with(named.port, &[("user", "ann"), ("database", "shpo")]);
    let fault = fault.err().unwrap();
    assert_eq!(fault.severity, "FATAL");
    assert_eq!(fault.sqlstate, "3D000");
    assert!(fault.message.contains("shpo"), "{fault:?}");
    // …and here only PostgreSQL does.
    let any = Weir::start(&crate::support::pooled(postgres().port(), 2, ""));
    let fault = Raw::login_with(any.port, &[("user", "ann"), ("database", "shpo")]);
    let fault = fault.err().unwrap();
    assert_eq!(fault.sqlstate, "3D000", "{fault:?}");
    assert!(
        fault.message.contains("database \"shpo\" does not exist"),
        "{fault:?}"
    );
}

#[test]
fn one_client_too_many_is_told_so_and_may_come_when_one_has_left() {
    let pg = postgres();
    let weir = Weir::start(&format!(
        "client_max = 2\n{}",
        crate::support::pooled(pg.port(), 2, "")
    ));
    let mut first = Raw::login(weir.port);
    let second = Raw::login(weir.port);
    let who = [("user", "postgres"), ("database", "postgres")];
    let fault = Raw::login_with(weir.port, &who).err().unwrap();
    assert_eq!((&*fault.severity, &*fault.sqlstate), ("FATAL", "53300"));
    assert!(
        fault.message.contains("2 clients are connected"),
        "{fault:?}"
    );
    drop(second);
    crate::support::until("the place is free", crate::support::SOON, || {
        Raw::login_with(weir.port, &who).ok()
    });
    assert_eq!(first.one("select 7"), "7");
}
