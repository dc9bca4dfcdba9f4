//! Ways in: who proves what, who is looked up, and what a startup packet may ask for.

#![allow(clippy::unwrap_used, reason = "a scenario that is wrong should stop")]

mod scenario;

use std::sync::Arc;

use scenario::{Scenario, ms, pool};
use weir_engine::{Conn, Effects};
use weir_model::{
    AuthMethod, AuthQuery, ClientId, ConnectFailure, DatabaseAct, ErrorStyle, Hba, IdentMaps,
    LogSettings, Order, Peer, PoolSettings, PoolerSettings, Secret, SessionState,
};
use weir_wire::auth::md5;
use weir_wire::auth::scram::{self, Verifier};
use weir_wire::frontend;

fn named(name: &str) -> PoolSettings {
    let mut p = pool(2);
    p.database = name.into();
    p
}

/// Settings in PgBouncer's words, with a log.
fn settings(method: AuthMethod) -> PoolerSettings {
    let mut s = PoolerSettings::trusting(named("app"));
    s.auth_method = method;
    s.errors = ErrorStyle::PgBouncer;
    s.log = LogSettings {
        connections: true,
        disconnections: true,
        pooler_errors: true,
    };
    let scram = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$";
    let keys = Verifier::from_password(b"foo", b"saltsaltsaltsalt", 4096);
    let stored = format!(
        "{scram}{}:{}",
        base64(&keys.stored_key),
        base64(&keys.server_key)
    );
    s.users.insert("plain".into(), Secret("foo".into()));
    s.users
        .insert("md5".into(), Secret(md5::secret(b"foo", b"md5").into()));
    s.users.insert("scram".into(), Secret(stored.into()));
    s
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            out.push(if i <= chunk.len() {
                DIGITS[(n >> (18 - 6 * i)) as usize & 63] as char
            } else {
                '='
            });
        }
    }
    out
}

/// Gives the proof that is asked for; what came of it.
fn proves(s: &mut Scenario, id: ClientId, user: &str, password: &str) -> String {
    let asked = std::mem::take(&mut s.clients.get_mut(&id).unwrap().from_engine);
    if asked.first() != Some(&b'R') {
        s.clients.get_mut(&id).unwrap().from_engine = asked;
        return s.hears(id);
    }
    let mut out = Vec::new();
    match asked[8] {
        3 => frontend::put_password(&mut out, password.as_bytes()),
        5 => {
            let salt: [u8; 4] = asked[9..13].try_into().unwrap();
            let secret = md5::secret(password.as_bytes(), user.as_bytes());
            frontend::put_password(&mut out, md5::response(&secret, salt).as_bytes());
        }
        10 => {
            let secret = scram::Secret::Password(password.as_bytes().to_vec());
            let mut client = scram::Client::new(secret, scram::nonce(&[3; 18]));
            frontend::put_sasl_initial(
                &mut out,
                scram::MECHANISM,
                client.first_message().as_bytes(),
            );
            s.sends(id, &out);
            let bytes = std::mem::take(&mut s.clients.get_mut(&id).unwrap().from_engine);
            let proof = client.on_challenge(&bytes[9..]).unwrap();
            out.clear();
            frontend::put_sasl_response(&mut out, proof.as_bytes());
        }
        _ => {
            s.clients.get_mut(&id).unwrap().from_engine = asked;
            return s.hears(id);
        }
    }
    s.sends(id, &out);
    s.hears(id)
}

fn comes_with(s: &mut Scenario, database: &str, user: &str, password: &str) -> String {
    let id = s.logs_in_with(user, &[("database", database)]);
    proves(s, id, user, password)
}

#[test]
fn every_method_takes_the_secrets_it_can_check() {
    use AuthMethod::{Md5, Plain, ScramSha256};
    for (method, user, good) in [
        (Plain, "plain", true),
        (Plain, "md5", true),
        (Plain, "scram", true),
        (Md5, "plain", true),
        (Md5, "md5", true),
        (Md5, "scram", true),
        (ScramSha256, "plain", true),
        (ScramSha256, "md5", false),
        (ScramSha256, "scram", true),
    ] {
        let mut s = Scenario::of(settings(method));
        let said = comes_with(&mut s, "app", user, "foo");
        assert_eq!(said.ends_with("ZI"), good, "{method:?} {user}: {said}");
        let said = comes_with(&mut s, "app", user, "bar");
        assert!(
            said.contains("authentication failed"),
            "{method:?} {user}: {said}"
        );
    }
}

#[test]
fn a_user_that_nobody_knows_fails_like_a_wrong_password_whatever_the_database() {
    for (method, says) in [
        (AuthMethod::Trust, "\"trust\" authentication failed"),
        (AuthMethod::Plain, "password authentication failed"),
        (AuthMethod::Md5, "password authentication failed"),
        (AuthMethod::ScramSha256, "SASL authentication failed"),
    ] {
        let mut forced = named("forced");
        forced.user = Some("boss".into());
        let mut settings = settings(method);
        settings.pools.push(forced);
        let mut s = Scenario::of(settings);
        for database in ["app", "forced", "nosuchdb"] {
            let said = comes_with(&mut s, database, "nosuchuser", "whatever");
            assert_eq!(
                said,
                format!("FATAL(08P01 {says}) closed"),
                "{method:?} {database}"
            );
        }
        assert_eq!(s.logged(&format!("closing because: {says} (age=")), 3);
        assert_eq!(s.logged("no such user: nosuchuser"), 3);
        let said = comes_with(&mut s, "nosuchdb", "plain", "foo");
        let end = "FATAL(08P01 no such database: nosuchdb) closed";
        assert!(said.ends_with(end), "{said}");
    }
}

#[test]
fn any_user_comes_as_the_forced_one_and_only_there() {
    let mut forced = named("forced");
    forced.user = Some("boss".into());
    let mut settings = settings(AuthMethod::Any);
    settings.pools.push(forced);
    let mut s = Scenario::of(settings);
    let said = s.is_refused("app", "whoever");
    assert_eq!(said, "FATAL(08P01 bouncer config error) closed");
    assert_eq!(s.logged("auth_type=any requires forced user"), 1);
    s.comes("forced", "whoever");
    assert_eq!(&*s.engine.snapshot(0).clients[0].user, "boss");
}

#[test]
fn an_hba_file_says_which_proof_by_where_from_and_what_for() {
    let (hba, faults) = Hba::parse(
        "local app all peer map=ours\n\
         local all pgbouncer trust\n\
         host app plain 10.0.0.0/8 password\n\
         host app plain 0.0.0.0/0 reject\n\
         host app all 0.0.0.0/0 md5\n",
        |_| Err(String::new()),
    );
    assert_eq!(faults, []);
    let (maps, _) = IdentMaps::parse("ours root plain\n");
    let mut settings = settings(AuthMethod::Hba);
    settings.hba = Some(Arc::new(hba));
    settings.ident = Some(Arc::new(maps));
    let from = |s: &mut Scenario, peer: Peer, user: &str| {
        let id = s.connects();
        s.engine.peer(id, peer);
        let mut out = Vec::new();
        weir_wire::startup::put_startup(&mut out, [("user", user), ("database", "app")]);
        s.sends(id, &out);
        proves(s, id, user, "foo")
    };
    let unix = |name: &str| Peer {
        unix_user: Some(name.into()),
        ..Peer::default()
    };
    let ip = |text: &str| Peer {
        ip: text.parse().ok(),
        ..Peer::default()
    };
    let mut s = Scenario::of(settings);
    assert!(from(&mut s, unix("root"), "plain").ends_with("ZI"));
    for peer in [unix("root"), unix("www"), Peer::default()] {
        let said = from(&mut s, peer, "scram");
        assert_eq!(said, "FATAL(08P01 unix socket login rejected) closed");
    }
    assert!(from(&mut s, ip("10.1.2.3"), "plain").ends_with("ZI"));
    let said = from(&mut s, ip("11.1.2.3"), "plain");
    assert_eq!(said, "FATAL(08P01 login rejected) closed");
    assert!(from(&mut s, ip("11.1.2.3"), "md5").ends_with("ZI"));
    let said = from(&mut s, ip("::1"), "md5");
    assert_eq!(said, "FATAL(08P01 login rejected) closed");
}

#[test]
fn a_certificate_speaks_for_its_name() {
    let mut s = Scenario::of(settings(AuthMethod::Cert));
    for (name, user, good) in [
        (Some("plain"), "plain", true),
        (Some("plain"), "scram", false),
        (Some("eve"), "eve", false),
        (None, "plain", false),
    ] {
        let id = s.connects();
        let peer = Peer {
            certificate: name.map(Into::into),
            tls: true,
            ..Peer::default()
        };
        s.engine.peer(id, peer);
        let mut out = Vec::new();
        weir_wire::startup::put_startup(&mut out, [("user", user), ("database", "app")]);
        s.sends(id, &out);
        let said = s.hears(id);
        assert_eq!(said.ends_with("ZI"), good, "{said}");
        assert_eq!(said.contains("certificate authentication failed"), !good);
    }
}

#[test]
fn the_consoles_own_user_needs_its_own_socket() {
    let mut s = Scenario::of(settings(AuthMethod::Md5));
    let login = |s: &mut Scenario, own: bool| {
        let id = s.connects();
        let peer = Peer {
            is_own_user: own,
            ..Peer::default()
        };
        s.engine.peer(id, peer);
        let mut out = Vec::new();
        let params = [("user", "pgbouncer"), ("database", "pgbouncer")];
        weir_wire::startup::put_startup(&mut out, params);
        s.sends(id, &out);
        proves(s, id, "pgbouncer", "guess")
    };
    assert!(login(&mut s, true).ends_with("ZI"));
    assert!(login(&mut s, false).contains("authentication failed"));
}

fn with_query(method: AuthMethod) -> PoolerSettings {
    let mut s = settings(method);
    s.pools[0].auth_query = Some(Arc::new(AuthQuery {
        user: "asker".into(),
        sql: "lookup".into(),
        database: Some("authdb".into()),
    }));
    s.pools.push(named("authdb"));
    s.console_auth_query = s.pools[0].auth_query.clone();
    s.stats_users.push("stats".into());
    s
}

fn know(s: &mut Scenario) {
    let secret = md5::secret(b"foo", b"found");
    s.secrets.insert("found".into(), Some(secret));
    s.secrets.insert("null".into(), None);
    s.secrets.insert("stats".into(), Some("foo".into()));
    s.secrets
        .insert("odd".into(), Some("SCRAM-SHA-256$odd".into()));
}

#[test]
fn a_user_that_no_list_has_is_looked_up_as_the_asking_user() {
    let mut s = Scenario::of(with_query(AuthMethod::Md5));
    know(&mut s);
    assert!(comes_with(&mut s, "app", "found", "foo").ends_with("ZI"));
    assert!(comes_with(&mut s, "app", "found", "bar").contains("authentication failed"));
    assert!(comes_with(&mut s, "app", "null", "").contains("authentication failed"));
    assert!(
        comes_with(&mut s, "app", "plain", "foo").ends_with("ZI"),
        "the list needs no lookup"
    );
    let said = comes_with(&mut s, "app", "nobody", "foo");
    assert_eq!(said, "FATAL(08P01 no such user) closed");
    let asker = s.servers.values().find(|f| !f.log.is_empty()).unwrap();
    assert!(asker.startup.contains(&("user".into(), "asker".into())));
    assert!(
        asker
            .startup
            .contains(&("database".into(), "authdb".into()))
    );
    let said = comes_with(&mut s, "pgbouncer", "stats", "foo");
    assert!(said.ends_with("ZI"), "the console's users too: {said}");
    assert_eq!(s.faults(), Vec::<String>::new());
}

#[test]
fn whether_a_looked_up_user_exists_can_not_be_told_in_our_own_words() {
    let mut settings = with_query(AuthMethod::ScramSha256);
    settings.errors = ErrorStyle::Weir;
    let mut s = Scenario::of(settings);
    know(&mut s);
    let a = comes_with(&mut s, "app", "nobody", "foo").replace("nobody", "");
    let b = comes_with(&mut s, "app", "null", "foo").replace("null", "");
    assert_eq!(a, b);
    assert!(a.contains("28P01 password authentication failed"), "{a}");
}

#[test]
fn what_is_wrong_with_a_lookup_is_for_the_log_and_not_for_the_client() {
    let mut missing = with_query(AuthMethod::Md5);
    let query = |database: &str, sql: &str| {
        Some(Arc::new(AuthQuery {
            user: "asker".into(),
            sql: sql.into(),
            database: Some(database.into()),
        }))
    };
    for (database, sql, says) in [
        (
            "nowhere",
            "lookup",
            "authentication database \"nowhere\" is not configured",
        ),
        (
            "pgbouncer",
            "lookup",
            "cannot use the reserved \"pgbouncer\" database as an auth_dbname",
        ),
        ("authdb", "fail", "division by zero"),
        (
            "authdb",
            "one column",
            "expected 2 columns from auth_query, not 1",
        ),
    ] {
        missing.pools[0].auth_query = query(database, sql);
        let mut s = Scenario::of(missing.clone());
        know(&mut s);
        let said = comes_with(&mut s, "app", "found", "foo");
        assert_eq!(said, "FATAL(08P01 bouncer config error) closed");
        assert_eq!(s.logged(says), 1, "{says}");
    }
    missing.pools[0].auth_query = query("authdb", "lookup");
    let mut s = Scenario::of(missing);
    know(&mut s);
    assert!(comes_with(&mut s, "app", "odd", "foo").contains("bouncer config error"));
    s.orders(Order::Database {
        request: 1,
        act: DatabaseAct::Disable,
        database: Some("authdb".into()),
    });
    let said = comes_with(&mut s, "app", "found", "foo");
    assert!(
        said.contains("authentication database \"authdb\" is disabled"),
        "{said}"
    );
}

#[test]
fn a_lookup_is_asked_in_a_clean_session() {
    let mut settings = with_query(AuthMethod::Md5);
    // The asker's pool is one that clients use too, and they may leave settings there.
    settings.users.insert("asker".into(), Secret("foo".into()));
    settings.pools[1].size = weir_model::PoolSize::Fixed(1.try_into().unwrap());
    let mut s = Scenario::of(settings);
    know(&mut s);
    let eve = s.logs_in_with("asker", &[("database", "authdb")]);
    proves(&mut s, eve, "asker", "foo");
    s.says(eve, "set search_path = evil");
    let server = s.open_servers()[0];
    assert!(s.servers[&server].settings.contains_key("search_path"));
    assert!(comes_with(&mut s, "app", "found", "foo").ends_with("ZI"));
    assert!(!s.servers[&server].settings.contains_key("search_path"));
    // And the client finds its own again.
    assert_eq!(s.says(eve, "show search_path"), "<evil> [SELECT 1] ZI");
}

#[test]
fn a_lookup_waits_for_its_turn_survives_its_server_and_has_an_end() {
    let mut settings = with_query(AuthMethod::Md5);
    settings.pools[0].auth_query = Some(Arc::new(AuthQuery {
        user: "asker".into(),
        sql: "slow lookup".into(),
        database: Some("authdb".into()),
    }));
    let mut s = Scenario::of(settings);
    know(&mut s);
    let id = s.logs_in_with("found", &[]);
    let first = s.open_servers()[0];
    s.dies(first, None);
    assert_eq!(s.hears(id), "", "another server is asked");
    assert_eq!(s.open_servers().len(), 1);
    s.leaves(id);
    let id = s.logs_in_with("found", &[]);
    s.after(ms(61_000));
    assert!(s.hears(id).contains("client_login_timeout"));
    assert_eq!(s.faults(), Vec::<String>::new());
}

#[test]
fn a_lookup_that_finds_no_server_says_what_postgresql_said() {
    let mut s = Scenario::of(with_query(AuthMethod::Md5));
    s.answers_dials = false;
    let id = s.logs_in_with("found", &[]);
    let dial = s.dials[0];
    s.dial_fails(
        dial,
        ConnectFailure::Refused {
            sqlstate: "28P01".to_owned(),
            message: "password authentication failed for user \"asker\"".to_owned(),
        },
    );
    assert!(
        s.hears(id)
            .contains("password authentication failed for user \"asker\"")
    );
    assert_eq!(
        s.logged("server login failed: FATAL password authentication failed"),
        1
    );
}

#[test]
fn a_strict_startup_takes_what_it_follows_and_what_it_is_told_to_ignore() {
    let mut settings = settings(AuthMethod::Trust);
    settings.users.clear();
    settings.startup_strict = true;
    settings.ignore_startup_parameters = vec!["extra_float_digits".into()];
    settings.track_extra_parameters = vec!["IntervalStyle".into()];
    let mut s = Scenario::of(settings.clone());
    let said = |s: &mut Scenario, params: &[(&str, &str)]| {
        let id = s.logs_in_with("ann", params);
        let said = s.hears(id);
        if said.ends_with("ZI") {
            "ok".to_owned()
        } else {
            said
        }
    };
    for (name, value, expected) in [
        ("TimeZone", "UTC", "ok"),
        ("intervalstyle", "iso_8601", "ok"),
        ("extra_float_digits", "2", "ok"),
        (
            "geqo",
            "off",
            "FATAL(08P01 unsupported startup parameter: geqo) closed",
        ),
        ("options", "-c timezone=UTC --extra_float_digits=3", "ok"),
        (
            "options",
            "-c geqo=off",
            "FATAL(08P01 unsupported startup parameter in options: geqo) closed",
        ),
        (
            "options",
            "-d",
            "FATAL(08P01 unsupported options startup parameter: only '-c config=val' and \
             '--config=val' are allowed) closed",
        ),
    ] {
        assert_eq!(said(&mut s, &[(name, value)]), expected, "{name}={value}");
    }
    settings.ignore_startup_parameters = vec!["options".into()];
    let mut s = Scenario::of(settings);
    assert_eq!(said(&mut s, &[("options", "-c geqo=off")]), "ok");
}

#[test]
fn a_name_may_carry_its_host() {
    let mut settings = PoolerSettings::trusting(pool(1));
    settings.application_name_add_host = true;
    let mut s = Scenario::of(settings);
    let ann = s.logs_in_with("ann", &[("application_name", "shop")]);
    let bob = s.logs_in_with("bob", &[]);
    s.hears(ann);
    s.hears(bob);
    assert_eq!(
        s.says(ann, "show application_name"),
        "<shop - test> [SELECT 1] ZI"
    );
    assert_eq!(
        s.says(bob, "show application_name"),
        "<app - test> [SELECT 1] ZI"
    );
}

#[test]
fn a_database_may_begin_its_servers_its_own_way() {
    let mut p = pool(1);
    p.startup = vec![
        ("client_encoding".into(), "LATIN1".into()),
        ("application_name".into(), "shop".into()),
    ];
    p.user = Some("boss".into());
    p.password = Some(Secret("x".into()));
    let mut s = Scenario::with(p);
    s.logs_in();
    let server = s.servers.values().next().unwrap();
    assert_eq!(
        server.startup,
        [
            ("user", "boss"),
            ("database", "app"),
            ("client_encoding", "LATIN1"),
            ("application_name", "shop")
        ]
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
}

#[test]
fn where_nothing_is_followed_reported_parameters_still_are() {
    let mut p = pool(2);
    p.session_state = SessionState::Ignore;
    let mut s = Scenario::with(p);
    let [ann, bob] = [s.logs_in(), s.logs_in()];
    s.says(ann, "set timezone = Asia/Tokyo");
    s.says(ann, "set work_mem = 1MB");
    s.says(bob, "begin");
    assert_eq!(s.says(bob, "show timezone"), "<> [SELECT 1] ZT");
    // Ann's next server is another one: it has her time zone, and not her work_mem.
    s.says(ann, "begin");
    assert_eq!(s.says(ann, "show timezone"), "<Asia/Tokyo> [SELECT 1] ZT");
}

#[test]
fn the_simple_protocol_may_be_refused_and_packets_bounded() {
    let mut settings = PoolerSettings::trusting(pool(1));
    settings.disable_pqexec = true;
    settings.packet_max = 1000;
    let mut s = Scenario::of(settings);
    let ann = s.logs_in();
    assert_eq!(
        s.says(ann, "select 1"),
        "FATAL(0A000 PQexec disallowed) closed"
    );
    let bob = s.logs_in();
    let long = "x".repeat(2000);
    let batch = scenario::Batch::new().parse("", &long);
    s.sends(bob, &batch.0);
    assert!(s.hears(bob).ends_with("closed"));
}

#[test]
fn a_word_at_login_is_a_notice() {
    let mut settings = PoolerSettings::trusting(pool(1));
    settings.login_notify_message = "maintenance at ten".into();
    let mut s = Scenario::of(settings);
    let ann = s.logs_in_with("ann", &[]);
    assert!(s.hears(ann).ends_with("K N ZI"));
}

#[test]
fn connections_and_clients_are_numbered_in_one_row() {
    let mut s = Scenario::with(pool(1));
    let ann = s.logs_in();
    let mut fx = Effects::new();
    let bob = s.engine.accepted("test".into(), s.now, &mut fx);
    assert_eq!((ann.0, bob.0), (1, 3), "the server in between is 2");
    s.engine.closed(Conn::Client(bob), s.now, &mut fx);
}
