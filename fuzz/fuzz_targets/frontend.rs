//! However TCP cuts the stream, the same messages are read; none of them panics a parser.
#![no_main]
use libfuzzer_sys::fuzz_target;
use weir_wire::frame::messages;
use weir_wire::frontend;

const LIMIT: u32 = 1 << 20;

fuzz_target!(|stream: &[u8]| {
    let whole: Vec<_> = messages(stream, LIMIT).collect();
    let cut = stream
        .first()
        .map_or(0, |b| usize::from(*b))
        .min(stream.len());
    let mut first = messages(&stream[..cut], LIMIT);
    let mut pieces: Vec<_> = first.by_ref().collect();
    if !pieces.last().is_some_and(Result::is_err) {
        let kept = first.rest().len();
        pieces.extend(messages(&stream[cut - kept..], LIMIT));
    }
    assert_eq!(whole, pieces);
    for message in whole.into_iter().flatten() {
        let _ = frontend::parse(message.tag, message.body);
        if let (Ok(bind), Ok(Some(head))) = (
            frontend::bind(message.body),
            frontend::peek_bind(message.body),
        ) {
            assert_eq!((bind.portal, bind.statement), (head.portal, head.statement));
            assert_eq!(bind.rest, &message.body[head.rest_at..]);
        }
        let _ = frontend::peek_target("Describe", message.body);
        let _ = frontend::sasl_initial(message.body);
        let _ = frontend::password(message.body);
    }
});
