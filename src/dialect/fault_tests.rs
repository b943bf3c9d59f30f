//! Streams that go wrong in ways that the simulator does not play.

use crate::chat::{Assembler, Event, Failure, FailureClass, FinishReason, Response, Usage};
use crate::dialect::{Dialect, Progress, Quirks, Serving};

fn read(dialect: Dialect, bytes: &[u8]) -> Result<Response, Failure> {
    let mut decoder = dialect.client().stream_decoder(&Quirks::default());
    let mut events = Vec::new();
    if decoder.feed(bytes, &mut events)? == Progress::More {
        decoder.end(&mut events)?;
    }
    let mut assembler = Assembler::default();
    events.iter().for_each(|event| assembler.push(event));
    assembler.finish()
}

#[test]
fn an_error_in_a_stream_has_its_own_class() {
    for dialect in Dialect::ALL {
        for tokens in 0..2 {
            let serving = Serving { id: "a".into(), model: "m".into() };
            let mut encoder = dialect.server().stream_encoder(&serving);
            let mut bytes = encoder.open(&Usage::default());
            for _ in 0..tokens {
                bytes.extend(encoder.event(&Event::Text("token".into())));
            }
            bytes.extend(encoder.error(FailureClass::RateLimited, "rate limit reached"));
            let failure = read(dialect, &bytes).unwrap_err();
            assert_eq!(failure.class, FailureClass::RateLimited, "{dialect} after {tokens}");
        }
    }
}

#[test]
fn an_error_after_a_finish_reason_of_that_name_says_which() {
    let broke = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"error\"}]}\n\n";
    let why = "data: {\"error\":{\"message\":\"slow down\",\"code\":\"rate_limit_exceeded\"}}\n\n";
    let class = |stream: String| read(Dialect::OpenaiChat, stream.as_bytes()).unwrap_err().class;
    assert_eq!(class([broke, why].concat()), FailureClass::RateLimited);
    assert_eq!(class([broke, "data: [DONE]\n\n"].concat()), FailureClass::ServerError);
    // What comes after an answer that is whole does not undo it.
    let whole = broke.replace("error", "stop");
    assert!(read(Dialect::OpenaiChat, [&whole, why].concat().as_bytes()).is_ok());
}

#[test]
fn an_end_that_is_an_error_is_never_without_words() {
    let serving = Serving { id: "a".into(), model: "m".into() };
    for dialect in [Dialect::OpenaiChat, Dialect::OpenaiResponses, Dialect::Cohere] {
        let mut encoder = dialect.server().stream_encoder(&serving);
        let mut bytes = encoder.open(&Usage::default());
        bytes.extend(encoder.event(&Event::Finish(FinishReason::Error)));
        let failure = read(dialect, &bytes).unwrap_err();
        assert_eq!(failure.class, FailureClass::ServerError, "{dialect}");
        assert!(!failure.message.is_empty(), "{dialect}");
    }
}

/// Only an answer of which nothing came is empty.
#[test]
fn a_stream_that_ends_within_its_first_frame_is_truncated() {
    for dialect in Dialect::ALL {
        let serving = Serving { id: "a".into(), model: "m".into() };
        let mut encoder = dialect.server().stream_encoder(&serving);
        let first = [encoder.open(&Usage::default()), encoder.event(&Event::Text("token".into()))].concat();
        let failure = read(dialect, &first[..10]).unwrap_err();
        assert_eq!(failure.class, FailureClass::Truncated, "{dialect}: {failure}");
        assert_eq!(read(dialect, b"").unwrap_err().class, FailureClass::Empty, "{dialect}");
    }
}

#[test]
fn a_page_or_an_error_in_place_of_a_stream_is_read_as_what_it_is() {
    for dialect in Dialect::ALL {
        let page = read(dialect, b"<html><body>Bad gateway, please try again later</body></html>\n");
        assert_eq!(page.unwrap_err().class, FailureClass::Malformed, "{dialect}");
        let error = dialect.server().encode_failure(FailureClass::ServerError, "no").body;
        let failure = read(dialect, &error).unwrap_err();
        assert_eq!((failure.class, failure.message.as_str()), (FailureClass::ServerError, "no"), "{dialect}");
    }
}
