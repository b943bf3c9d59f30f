//! Broken streams that the simulator does not produce.

use crate::chat::{Assembler, Failure, FailureClass, FinishReason, Response, StreamEvent, Usage};
use crate::dialect::{DecodeProgress, Dialect, Quirks, ResponseIdentity, ResponseMetadata, ServerFailure};

fn identity() -> ResponseIdentity {
    ResponseIdentity { response_id: "a".into(), model: "m".into(), created_at: jiff::Timestamp::UNIX_EPOCH }
}

fn failure<'a>(class: FailureClass, message: &'a str, metadata: &'a ResponseMetadata) -> ServerFailure<'a> {
    ServerFailure::new(class, message, metadata)
}

fn decode_stream(dialect: Dialect, bytes: &[u8]) -> Result<Response, Failure> {
    let mut decoder = dialect.client_codec().stream_decoder(&Quirks::default());
    let mut events = Vec::new();
    if decoder.feed(bytes, &mut events)? == DecodeProgress::More {
        decoder.finish(&mut events)?;
    }
    let mut assembler = Assembler::default();
    events.iter().for_each(|event| assembler.push(event));
    assembler.finish()
}

#[test]
fn in_stream_error_keeps_failure_class() {
    for dialect in Dialect::all() {
        for tokens in 0..2 {
            let identity = identity();
            let mut encoder = dialect.server_codec().stream_encoder(&identity);
            let mut bytes = encoder.encode_start(&Usage::default());
            for _ in 0..tokens {
                bytes.extend(encoder.encode_event(&StreamEvent::TextDelta("token".into())));
            }
            bytes.extend(encoder.encode_error(&failure(
                FailureClass::RateLimited,
                "rate limit reached",
                &ResponseMetadata::default(),
            )));
            let failure = decode_stream(dialect, &bytes).unwrap_err();
            assert_eq!(failure.class, FailureClass::RateLimited, "{dialect} after {tokens}");
        }
    }
}

#[test]
fn error_after_error_finish_reason_sets_class() {
    let broke = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"error\"}]}\n\n";
    let why = "data: {\"error\":{\"message\":\"slow down\",\"code\":\"rate_limit_exceeded\"}}\n\n";
    let class =
        |stream: String| decode_stream(Dialect::named("openai-chat"), stream.as_bytes()).unwrap_err().class;
    assert_eq!(class([broke, why].concat()), FailureClass::RateLimited);
    assert_eq!(class([broke, "data: [DONE]\n\n"].concat()), FailureClass::ServerError);
    // Events after a complete response do not invalidate it.
    let whole = broke.replace("error", "stop");
    assert!(decode_stream(Dialect::named("openai-chat"), [&whole, why].concat().as_bytes()).is_ok());
}

#[test]
fn error_finish_reason_has_message() {
    let identity = identity();
    for dialect in
        [Dialect::named("openai-chat"), Dialect::named("openai-responses"), Dialect::named("cohere")]
    {
        let mut encoder = dialect.server_codec().stream_encoder(&identity);
        let mut bytes = encoder.encode_start(&Usage::default());
        bytes.extend(encoder.encode_event(&StreamEvent::Finish(FinishReason::Error)));
        let failure = decode_stream(dialect, &bytes).unwrap_err();
        assert_eq!(failure.class, FailureClass::ServerError, "{dialect}");
        assert!(!failure.message.is_empty(), "{dialect}");
    }
}

#[test]
fn failed_response_without_object_is_a_failure() {
    let stream = b"event: response.failed\ndata: {\"type\":\"response.failed\"}\n\n";
    let failure = decode_stream(Dialect::named("openai-responses"), stream).unwrap_err();
    assert_eq!(failure.class, FailureClass::ServerError);
}

/// Only a response without any bytes is empty.
#[test]
fn stream_cut_in_first_frame_is_truncated() {
    for dialect in Dialect::all() {
        let identity = identity();
        let mut encoder = dialect.server_codec().stream_encoder(&identity);
        let first = [
            encoder.encode_start(&Usage::default()),
            encoder.encode_event(&StreamEvent::TextDelta("token".into())),
        ]
        .concat();
        let failure = decode_stream(dialect, &first[..10]).unwrap_err();
        assert_eq!(failure.class, FailureClass::Truncated, "{dialect}: {failure}");
        assert_eq!(decode_stream(dialect, b"").unwrap_err().class, FailureClass::Empty, "{dialect}");
    }
}

#[test]
fn non_stream_body_is_classified() {
    for dialect in Dialect::all() {
        let page = decode_stream(dialect, b"<html><body>Bad gateway, please try again later</body></html>\n");
        assert_eq!(page.unwrap_err().class, FailureClass::Malformed, "{dialect}");
        let error = dialect
            .server_codec()
            .encode_failure(&failure(FailureClass::ServerError, "no", &ResponseMetadata::default()))
            .body;
        let failure = decode_stream(dialect, &error).unwrap_err();
        assert_eq!((failure.class, failure.message.as_str()), (FailureClass::ServerError, "no"), "{dialect}");
    }
}
