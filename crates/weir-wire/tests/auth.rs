//! Logins: the vectors of RFC 7677, both of our sides against each other and against libpq's kin.

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use weir_wire::auth::scram::{
    Binding, Client, ITERATIONS_MAX, Keys, ScramError, Secret, Server, Verifier, nonce,
};

/// RFC 7677, section 3: user `user`, password `pencil`.
const SALT: [u8; 16] = [
    0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81,
];
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const CHALLENGE: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const PROOF: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn verifier() -> Verifier {
    Verifier::from_password(b"pencil", &SALT, 4096)
}

fn server() -> Server {
    Server::new(verifier(), SERVER_NONCE.to_owned())
}

fn challenged() -> Server {
    let mut server = server();
    assert_eq!(server.on_first(FIRST).as_deref(), Ok(CHALLENGE));
    server
}

/// Plays a login to its end.
fn play(client: &mut Client, server: &mut Server) -> Result<Keys, ScramError> {
    let challenge = server.on_first(client.first_message().as_bytes())?;
    let proof = client.on_challenge(challenge.as_bytes())?;
    let accepted = server.on_final(proof.as_bytes())?;
    client.on_final(accepted.final_message.as_bytes())?;
    Ok(accepted.keys)
}

fn client(secret: Secret) -> Client {
    Client::new(secret, nonce(&[7; 18]))
}

#[test]
fn the_server_side_speaks_the_vectors_of_rfc_7677() {
    let accepted = challenged().on_final(PROOF.as_bytes()).unwrap();
    assert_eq!(accepted.final_message, FINAL);
    assert_eq!(accepted.keys, Keys::derive(b"pencil", &SALT, 4096));
}

#[test]
fn a_password_logs_in() {
    let mut client = client(Secret::Password(b"pencil".to_vec()));
    let keys = play(&mut client, &mut server()).unwrap();
    assert!(client.is_done());
    assert_eq!(client.keys(), Some(&keys));
}

#[test]
fn the_keys_that_a_proof_revealed_log_in_to_the_next_server() {
    let keys = play(
        &mut client(Secret::Password(b"pencil".to_vec())),
        &mut server(),
    )
    .unwrap();
    let mut next = Server::new(verifier(), nonce(&[9; 18]));
    play(&mut client(Secret::Keys(keys)), &mut next).unwrap();
}

#[test]
fn a_wrong_password_is_refused() {
    let mut client = client(Secret::Password(b"pencils".to_vec()));
    assert_eq!(
        play(&mut client, &mut server()).unwrap_err(),
        ScramError::WrongProof
    );
}

#[test]
fn a_user_that_does_not_exist_fails_where_a_wrong_password_does() {
    let mut server = Server::new(Verifier::decoy(&SALT), nonce(&[9; 18]));
    let mut client = client(Secret::Password(b"pencil".to_vec()));
    assert_eq!(
        play(&mut client, &mut server).unwrap_err(),
        ScramError::WrongProof
    );
}

#[test]
fn an_independent_client_logs_in() {
    let mut theirs = ScramSha256::new(b"pencil", ChannelBinding::unsupported());
    let mut ours = server();
    let challenge = ours.on_first(theirs.message()).unwrap();
    theirs.update(challenge.as_bytes()).unwrap();
    let accepted = ours.on_final(theirs.message()).unwrap();
    theirs.finish(accepted.final_message.as_bytes()).unwrap();
}

#[test]
fn a_stored_verifier_reads_as_it_is_written() {
    let text = verifier().to_string();
    assert!(Verifier::is_verifier(&text));
    assert!(text.starts_with("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="), "{text}");
    assert_eq!(text.parse::<Verifier>().unwrap(), verifier());
}

#[test]
fn a_broken_verifier_is_refused_without_being_shown() {
    for text in [
        "md5abc",
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==",
        "SCRAM-SHA-256$0:AAAA$AAAA:AAAA",
        "SCRAM-SHA-256$4096:!!$AAAA:AAAA",
        "SCRAM-SHA-256$4096:AAAA$AAAA:AAAA",
    ] {
        let error = text.parse::<Verifier>().unwrap_err().to_string();
        assert!(error.starts_with("not a SCRAM verifier: "), "{error}");
        assert!(!error.contains("AAAA"));
    }
    assert_eq!(
        format!("{:?}", verifier()),
        "Verifier { iterations: 4096, .. }"
    );
}

#[test]
fn passwords_that_saslprep_forbids_are_taken_as_they_are() {
    for password in ["tab\there".as_bytes(), b"\xff\xfe", "ﬀ".as_bytes(), b""] {
        let mut server = Server::new(Verifier::from_password(password, &SALT, 1), nonce(&[9; 18]));
        play(
            &mut client(Secret::Password(password.to_vec())),
            &mut server,
        )
        .unwrap();
    }
    // NFKC: the ligature is the same password as the two letters.
    assert_eq!(
        Keys::derive("ﬀ".as_bytes(), &SALT, 1),
        Keys::derive(b"ff", &SALT, 1)
    );
}

#[test]
fn malformed_messages_of_a_client_are_refused_by_name() {
    for (message, error) in [
        (
            "",
            "malformed SCRAM message: the first message has no header",
        ),
        (
            "p=tls-server-end-point,,n=,r=abc",
            "the client requires channel binding, which Weir doesn't offer",
        ),
        (
            "q,,n=,r=abc",
            "malformed SCRAM message: the channel binding flag is not n, y or p",
        ),
        (
            "n,a=bob,n=,r=abc",
            "malformed SCRAM message: authorization identities are not supported",
        ),
        (
            "n,,m=x,n=,r=abc",
            "malformed SCRAM message: the first message has no user name",
        ),
        (
            "n,,n=,r=",
            "malformed SCRAM message: the first message has no printable nonce",
        ),
        (
            "n,,n=,r=a b",
            "malformed SCRAM message: the first message has no printable nonce",
        ),
    ] {
        let found = server().on_first(message.as_bytes()).unwrap_err();
        assert_eq!(found.to_string(), error, "{message}");
    }
    for (message, error) in [
        (
            "c=biws,r=x",
            "malformed SCRAM message: the final message has no proof",
        ),
        (
            "c=biws,r=x,p=AAAA",
            "malformed SCRAM message: the proof is not 32 bytes of base64",
        ),
        (
            &PROOF.replace("c=biws", "c=eSws"),
            "malformed SCRAM message: the channel binding is not the one begun with",
        ),
        (&PROOF.replace("r=rO", "r=rP"), "SCRAM nonce does not match"),
    ] {
        let found = challenged().on_final(message.as_bytes()).unwrap_err();
        assert_eq!(found.to_string(), error, "{message}");
    }
}

#[test]
fn messages_out_of_order_end_the_exchange() {
    assert!(matches!(
        server().on_final(PROOF.as_bytes()),
        Err(ScramError::Order { .. })
    ));
    let mut twice = challenged();
    assert!(matches!(
        twice.on_first(FIRST),
        Err(ScramError::Order { .. })
    ));
    let mut tried = challenged();
    assert!(tried.on_final(b"c=biws").is_err());
    assert!(matches!(
        tried.on_final(PROOF.as_bytes()),
        Err(ScramError::Order { .. })
    ));
    let mut client = client(Secret::Password(b"pencil".to_vec()));
    assert!(matches!(
        client.on_final(FINAL.as_bytes()),
        Err(ScramError::Order { .. })
    ));
}

#[test]
fn a_lying_server_is_refused() {
    let mine = nonce(&[7; 18]);
    let cases = [
        (
            format!("r={mine}x,s=AAAA,i={}", ITERATIONS_MAX + 1),
            ScramError::Iterations {
                iterations: 1_000_001,
            },
        ),
        (
            format!("r={mine}x,s=AAAA,i=0"),
            ScramError::Iterations { iterations: 0 },
        ),
        (format!("r={mine},s=AAAA,i=1"), ScramError::Nonce),
        ("r=other,s=AAAA,i=1".to_owned(), ScramError::Nonce),
        (
            format!("r={mine}x,s=,i=1"),
            ScramError::Malformed {
                what: "the salt is empty",
            },
        ),
        (
            format!("m=x,r={mine}x,s=AAAA,i=1"),
            ScramError::Malformed {
                what: "the challenge has no nonce",
            },
        ),
    ];
    for (challenge, error) in cases {
        let mut client = client(Secret::Password(b"pencil".to_vec()));
        assert_eq!(
            client.on_challenge(challenge.as_bytes()).unwrap_err(),
            error
        );
    }

    let mut client = client(Secret::Password(b"pencil".to_vec()));
    client
        .on_challenge(format!("r={mine}x,s=AAAA,i=1").as_bytes())
        .unwrap();
    assert_eq!(
        client.on_final(FINAL.as_bytes()).unwrap_err(),
        ScramError::WrongServer
    );
    assert!(!client.is_done() && client.keys().is_none());
}

fn bound() -> Server {
    server().bind(Some(vec![7; 32].into()))
}

/// Plays a login of the kind that the client wants.
fn play_bound(client: &mut Client, server: &mut Server) -> Result<Keys, ScramError> {
    let challenge = server.begin(client.mechanism(), client.first_message().as_bytes())?;
    let proof = client.on_challenge(challenge.as_bytes())?;
    let accepted = server.on_final(proof.as_bytes())?;
    client.on_final(accepted.final_message.as_bytes())?;
    Ok(accepted.keys)
}

#[test]
fn both_sides_bind_the_channel_and_so_does_another_implementation() {
    let mut ours =
        client(Secret::Password(b"pencil".to_vec())).bind(Binding::EndPoint(vec![7; 32].into()));
    assert_eq!(ours.mechanism(), "SCRAM-SHA-256-PLUS");
    play_bound(&mut ours, &mut bound()).unwrap();

    let binding = ChannelBinding::tls_server_end_point(vec![7; 32]);
    let mut theirs = ScramSha256::new(b"pencil", binding);
    let mut server = bound();
    assert_eq!(server.mechanisms(), ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]);
    let challenge = server
        .begin("SCRAM-SHA-256-PLUS", theirs.message())
        .unwrap();
    theirs.update(challenge.as_bytes()).unwrap();
    let accepted = server.on_final(theirs.message()).unwrap();
    theirs.finish(accepted.final_message.as_bytes()).unwrap();
}

#[test]
fn a_proof_for_another_channel_is_refused() {
    let mut ours =
        client(Secret::Password(b"pencil".to_vec())).bind(Binding::EndPoint(vec![8; 32].into()));
    let fault = play_bound(&mut ours, &mut bound()).unwrap_err();
    assert_eq!(fault, ScramError::WrongChannel);
}

#[test]
fn an_offer_that_somebody_took_out_is_noticed() {
    let mut ours = client(Secret::Password(b"pencil".to_vec())).bind(Binding::NotOffered);
    let fault = play_bound(&mut ours, &mut bound()).unwrap_err();
    assert_eq!(fault, ScramError::Downgrade);
    // Where there was none, there is nothing to notice; and who can't bind needn't.
    let mut ours = client(Secret::Password(b"pencil".to_vec())).bind(Binding::NotOffered);
    play_bound(&mut ours, &mut server()).unwrap();
    play_bound(
        &mut client(Secret::Password(b"pencil".to_vec())),
        &mut bound(),
    )
    .unwrap();
}

#[test]
fn a_mechanism_that_was_not_offered_or_not_meant_is_refused() {
    assert_eq!(
        server().begin("SCRAM-SHA-256-PLUS", FIRST),
        Err(ScramError::Mechanism)
    );
    assert_eq!(server().begin("PLAIN", FIRST), Err(ScramError::Mechanism));
    assert!(bound().begin("SCRAM-SHA-256-PLUS", FIRST).is_err());
    let unique = b"p=tls-unique,,n=,r=rOprNGfwEbeRWgbNEkqO";
    assert!(bound().begin("SCRAM-SHA-256-PLUS", unique).is_err());
}
