//! The one-pass scan agrees with each of its parts, and calls nothing plain that isn't.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::sql::{self, Statement};

fuzz_target!(|text: &[u8]| {
    let scan = sql::scan(text, b"user_id");
    assert_ne!(scan.fingerprint, 0);
    assert_eq!(scan.fingerprint, sql::fingerprint(text));
    let tag = sql::tag(text, b"user_id");
    assert_eq!(scan.user_tag, tag.map_or(0, |value| sql::hash_tag(&value)));
    let found = sql::classify(text);
    if scan.plain {
        assert!(
            found.iter().all(|statement| *statement == Statement::Other),
            "{found:?}"
        );
    }
    for statement in &found {
        if let Some(again) = statement.replay() {
            // What we say in a client's name means what the client said.
            let again = sql::classify(again.as_bytes());
            let last = again.last().and_then(Statement::replay);
            assert_eq!(last, statement.replay(), "{again:?}");
        }
    }
    assert!(sql::normalized(text, 64).len() <= 64 * 3 + 3);
});
