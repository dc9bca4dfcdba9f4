//! No message makes either side panic, and none that we didn't sign gets anybody in.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::auth::scram::{Client, Keys, Secret, Server, Verifier};

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(2, |b| *b == b'\n');
    let (one, two) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );

    let mut server = Server::new(Verifier::decoy(b"salt"), "n".to_owned());
    let _ = server.on_first(one);
    assert!(server.on_final(two).is_err());

    let keys = Keys {
        client_key: [1; 32],
        server_key: [2; 32],
    };
    let mut client = Client::new(Secret::Keys(keys), "n".to_owned());
    let _ = client.on_challenge(one);
    let _ = client.on_final(two);

    if let Ok(verifier) = String::from_utf8_lossy(bytes).parse::<Verifier>() {
        assert_eq!(verifier.to_string().parse(), Ok(verifier));
    }
});
