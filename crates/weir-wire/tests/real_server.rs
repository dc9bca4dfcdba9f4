//! Logs in to a real PostgreSQL: what we write it understands, what it stores we can check.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use weir_lab::pg::{PgOptions, PrivatePostgres};
use weir_wire::auth::md5;
use weir_wire::auth::scram::{self, Client, Keys, Secret, Server, Verifier};
use weir_wire::backend::{self, Authentication, TxStatus, tag};
use weir_wire::frame::{HEADER_LEN, MESSAGE_MAX, parse_header};
use weir_wire::{frontend, sql, startup};

/// Who logs in how.
const RULES: &str = "host all postgres 127.0.0.1/32 trust
host all old 127.0.0.1/32 md5
host all all 127.0.0.1/32 scram-sha-256
";

fn postgres() -> PrivatePostgres {
    let mut server = PrivatePostgres::start(&PgOptions::for_tests()).expect("a PostgreSQL");
    std::fs::write(server.data_dir().join("pg_hba.conf"), RULES).expect("pg_hba.conf");
    server.restart().expect("with other rules");
    server
}

struct Session {
    stream: TcpStream,
}

impl Session {
    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("it takes our bytes");
    }

    fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; HEADER_LEN];
        self.stream.read_exact(&mut head).expect("a header");
        let header = parse_header(&head, MESSAGE_MAX)
            .expect("a good one")
            .expect("all of it");
        let mut body = vec![0; header.body_len()];
        self.stream.read_exact(&mut body).expect("a body");
        (header.tag, body)
    }

    /// Logs in as far as ReadyForQuery; the error's SQLSTATE where it is refused.
    fn login(port: u16, user: &str, secret: Secret) -> Result<(Self, Option<Keys>), String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let mut session = Self { stream };
        let mut out = Vec::new();
        startup::put_startup(&mut out, [("user", user), ("database", "postgres")]);
        session.send(&out);
        let mut scram = Client::new(secret.clone(), scram::nonce(b"eighteen of random"));
        loop {
            let (tag, body) = session.receive();
            out.clear();
            match tag {
                tag::AUTHENTICATION => match backend::authentication(&body).expect("it is sound") {
                    Authentication::Ok => {}
                    Authentication::Md5 { salt } => {
                        let Secret::Password(password) = &secret else {
                            panic!("keys for md5")
                        };
                        let stored = md5::secret(password, user.as_bytes());
                        frontend::put_password(&mut out, md5::response(&stored, salt).as_bytes());
                    }
                    Authentication::Sasl { mechanisms } => {
                        assert!(mechanisms.contains(&scram::MECHANISM));
                        let first = scram.first_message();
                        frontend::put_sasl_initial(&mut out, scram::MECHANISM, first.as_bytes());
                    }
                    Authentication::SaslContinue(data) => {
                        let proof = scram.on_challenge(data).expect("an honest challenge");
                        frontend::put_sasl_response(&mut out, proof.as_bytes());
                    }
                    Authentication::SaslFinal(data) => scram.on_final(data).expect("its proof"),
                    other => panic!("{other:?}"),
                },
                tag::PARAMETER_STATUS => {
                    backend::parameter_status(&body).expect("it is sound");
                }
                tag::BACKEND_KEY_DATA => {
                    assert_eq!(
                        backend::backend_key_data(&body)
                            .expect("it is sound")
                            .key
                            .len(),
                        4
                    );
                }
                tag::READY_FOR_QUERY => {
                    assert_eq!(backend::ready_for_query(&body), Ok(TxStatus::Idle));
                    let keys = scram.keys().cloned();
                    return Ok((session, keys));
                }
                tag::ERROR_RESPONSE => {
                    let fields = backend::error_fields(&body).expect("it is sound");
                    assert!(fields.is_fatal());
                    return Err(String::from_utf8_lossy(fields.sqlstate).into_owned());
                }
                other => panic!("{}", other as char),
            }
            session.send(&out);
        }
    }

    /// The last row's first column, and the command tag.
    fn query(&mut self, sql: &str) -> (String, String) {
        let mut out = Vec::new();
        frontend::put_query(&mut out, sql.as_bytes());
        self.send(&out);
        let (mut value, mut command) = (String::new(), String::new());
        loop {
            let (tag, body) = self.receive();
            match tag {
                tag::DATA_ROW => value = String::from_utf8_lossy(&body[6..]).into_owned(),
                tag::COMMAND_COMPLETE => {
                    let tag = backend::command_complete(&body).expect("it is sound");
                    command = String::from_utf8_lossy(tag).into_owned();
                }
                tag::READY_FOR_QUERY => return (value, command),
                tag::ERROR_RESPONSE => panic!("{sql}: {:?}", backend::error_fields(&body)),
                _ => {}
            }
        }
    }
}

#[test]
fn a_real_postgresql_lets_us_in_and_its_verifiers_are_ours() {
    let postgres = postgres();
    let port = postgres.port();
    let password = |text: &str| Secret::Password(text.as_bytes().to_vec());
    let (mut boss, _) = Session::login(port, "postgres", password("")).expect("trust");
    boss.query(
        "set password_encryption = 'scram-sha-256'; create role new login password 'pen·cil ﬀ'",
    );
    boss.query("set password_encryption = 'md5'; create role old login password 'secret'");
    let stored = |boss: &mut Session, user: &str| {
        let sql = format!("select rolpassword from pg_authid where rolname = '{user}'");
        boss.query(&sql).0
    };

    // md5: same secret, and it lets us in.
    assert_eq!(stored(&mut boss, "old"), md5::secret(b"secret", b"old"));
    Session::login(port, "old", password("secret")).expect("md5");
    assert_eq!(
        Session::login(port, "old", password("x")).err().as_deref(),
        Some("28P01")
    );

    // SCRAM: same verifier from the same salt.
    let verifier: Verifier = stored(&mut boss, "new").parse().expect("a verifier");
    let made = Verifier::from_password("pen·cil ﬀ".as_bytes(), &verifier.salt, verifier.iterations);
    assert_eq!(made, verifier);
    let (_, keys) = Session::login(port, "new", password("pen·cil ﬀ")).expect("SCRAM");
    assert_eq!(
        Session::login(port, "new", password("x")).err().as_deref(),
        Some("28P01")
    );

    // Pass-through: a client proves itself to us, and what its proof revealed proves us.
    let mut client = Client::new(password("pen·cil ﬀ"), scram::nonce(b"1"));
    let mut server = Server::new(verifier, scram::nonce(b"2"));
    let challenge = server
        .on_first(client.first_message().as_bytes())
        .expect("a first message");
    let proof = client
        .on_challenge(challenge.as_bytes())
        .expect("a challenge");
    let accepted = server.on_final(proof.as_bytes()).expect("a proof");
    assert_eq!(Some(&accepted.keys), keys.as_ref());
    let (mut passed, _) =
        Session::login(port, "new", Secret::Keys(accepted.keys)).expect("pass-through");
    assert_eq!(
        passed.query("select current_user"),
        ("new".to_owned(), "SELECT 1".to_owned())
    );

    // Settings: what we would say to the next server means what the client said to this one.
    for (sql, name) in [
        ("set search_path = a, \"B c\", pg_catalog", "search_path"),
        ("set time zone interval '-08:00' hour to minute", "timezone"),
        ("set time zone 'UTC'", "timezone"),
        ("set timezone = -3", "timezone"),
        ("set names 'latin1'", "client_encoding"),
        ("set schema 'a'", "search_path"),
        ("set role \"new\"", "role"),
        ("set role none", "role"),
        ("set session authorization 'new'", "session_authorization"),
        ("set xml option document", "xmloption"),
        ("set \"app.User\" to 'it''s'", "app.user"),
        ("set work_mem = '8MB'", "work_mem"),
        ("set statement_timeout to 5000", "statement_timeout"),
        ("set extra_float_digits = -2", "extra_float_digits"),
        ("set datestyle to german, dmy", "datestyle"),
        (
            "set session characteristics as transaction isolation level repeatable read",
            "default_transaction_isolation",
        ),
    ] {
        let shown = format!("select current_setting('{name}')");
        boss.query(sql);
        let first = boss.query(&shown);
        boss.query("reset session authorization");
        boss.query("reset all");
        for statement in sql::classify(sql.as_bytes()) {
            boss.query(&statement.replay().expect("it can be followed"));
        }
        assert_eq!(boss.query(&shown), first, "{sql}");
        boss.query("reset session authorization");
        boss.query("reset all");
    }
}
