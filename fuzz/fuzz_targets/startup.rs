//! A first packet is read, refused or waited for; what asked for more asks for no less with more,
//! and what was read in whole was not read from a part.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::startup::{FirstPacket, STARTUP_MAX, parse, parse_options};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(FirstPacket::Complete { used, startup }) = parse(bytes) {
        assert!((8..=STARTUP_MAX).contains(&used) && used <= bytes.len());
        for cut in 0..used {
            assert!(matches!(
                parse(&bytes[..cut]),
                Ok(FirstPacket::NeedMore { .. })
            ));
        }
        if let Some(options) = startup.param("options") {
            let _ = parse_options(options);
        }
    }
});
