//! No bytes make the reader of certificates panic.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::certificate;

fuzz_target!(|bytes: &[u8]| {
    let _ = certificate::end_point(bytes);
    let _ = certificate::common_name(bytes);
    let _ = certificate::subject(bytes);
    let _ = certificate::issuer(bytes);
    let _ = certificate::has_alternative_names(bytes);
    let _ = certificate::public_key(bytes);
    let _ = certificate::validity(bytes);
});
