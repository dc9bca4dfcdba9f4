//! A server that answers garbage is an error, never a panic.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::backend::{self, tag};
use weir_wire::frame::{MESSAGE_MAX, messages};

fuzz_target!(|stream: &[u8]| {
    for message in messages(stream, MESSAGE_MAX).flatten() {
        let body = message.body;
        match message.tag {
            tag::AUTHENTICATION => drop(backend::authentication(body)),
            tag::BACKEND_KEY_DATA => drop(backend::backend_key_data(body)),
            tag::COMMAND_COMPLETE => drop(backend::command_complete(body).map(backend::rows_of)),
            tag::NEGOTIATE_PROTOCOL_VERSION => drop(backend::negotiate_protocol_version(body)),
            tag::NOTIFICATION_RESPONSE => drop(backend::notification(body)),
            tag::PARAMETER_STATUS => drop(backend::parameter_status(body)),
            tag::READY_FOR_QUERY => drop(backend::ready_for_query(body)),
            _ => {
                if let Ok(fields) = backend::error_fields(body) {
                    assert!(fields.iter().count() <= body.len());
                }
            }
        }
    }
});
