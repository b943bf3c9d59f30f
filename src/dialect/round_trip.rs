//! Round-trip tests: what one half of a dialect encodes, the other must decode.

use std::time::Duration;

use proptest::prelude::*;

use super::request_strategies::{normalize_request, request_strategy};
use super::*;
use crate::chat::{
    Assembler, Failure, FailureClass, FinishReason, Part, Response, StreamEvent, TokenCount, ToolCall, Usage,
};

pub(super) fn text_strategy() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-zA-Z0-9 .,äß€✓\"\\\\{}:\n]{1,40}", 1 => any::<String>().prop_filter("not empty", |s| !s.is_empty())]
}

fn response_strategy() -> impl Strategy<Value = Response> {
    let calls = prop::collection::vec(
        ("[a-z_]{1,9}", prop::collection::btree_map("[a-z]{1,4}", text_strategy(), 0..3)),
        0..3,
    );
    let usage = (0u64..5000, 0u64..5000, 0u64..500, 0u64..500);
    (text_strategy(), prop::option::of(text_strategy()), calls, usage, prop::bool::ANY).prop_map(
        |(text, reasoning, calls, usage, cut)| {
            let (input, output, cached, reasoning_count) = usage;
            let mut response = Response::from_text(text);
            response.reasoning = reasoning;
            response.tool_calls = calls
                .into_iter()
                .enumerate()
                .map(|(n, (name, arguments))| ToolCall {
                    id: format!("call_{n}"),
                    name,
                    arguments: serde_json::json!(arguments),
                })
                .collect();
            response.finish_reason = match (response.tool_calls.is_empty(), cut) {
                (false, _) => FinishReason::ToolCalls,
                (true, true) => FinishReason::Length,
                (true, false) => FinishReason::Stop,
            };
            response.parts = ordered_parts(&response);
            response.usage = Usage {
                input_tokens: Some(TokenCount::new(input + cached)),
                cached_input_tokens: Some(TokenCount::new(cached)),
                output_tokens: Some(TokenCount::new(output + reasoning_count)),
                reasoning_tokens: Some(TokenCount::new(reasoning_count)),
                ..Usage::default()
            };
            response
        },
    )
}

/// Reasoning, text, and calls, in that order.
fn ordered_parts(response: &Response) -> Vec<Part> {
    let reasoning = response.reasoning.iter().map(|text| Part::Reasoning { text: text.clone(), state: None });
    let calls = response.tool_calls.iter().cloned().map(Part::ToolCall);
    reasoning.chain([Part::from_text(&response.text)]).chain(calls).collect()
}

/// The response with the provider's reasoning state, and whether that state must come back.
fn with_reasoning_state(dialect: Dialect, response: &Response) -> (Response, bool) {
    let mut response = response.clone();
    let state = dialect.server_codec().wrap_reasoning_state("seed-1");
    // Gemini signs calls.
    let expected = state.is_some()
        && response.reasoning.is_some()
        && (dialect.as_str() != "gemini" || !response.tool_calls.is_empty());
    if let (true, Some(Part::Reasoning { state: part_state, .. })) = (expected, response.parts.first_mut()) {
        *part_state = state;
    }
    (response, expected)
}

fn has_reasoning_state(response: &Response) -> bool {
    response.parts.iter().any(|part| match part {
        Part::Reasoning { state: Some(state), .. } => state.to_string().contains("seed-1"),
        _ => false,
    })
}

fn identity() -> ResponseIdentity {
    ResponseIdentity {
        response_id: "id-1".into(),
        model: "model-1".into(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
    }
}

/// The fields that must survive a round trip, with zero counts removed that some providers omit.
fn comparable_fields(dialect: Dialect, response: &Response) -> impl PartialEq + std::fmt::Debug + use<> {
    let usage = response.usage;
    // Ollama reports neither cached nor reasoning tokens, and Bedrock reports no reasoning tokens.
    let zero_is_absent =
        |count: Option<TokenCount>| count.filter(|c| *c > TokenCount::ZERO && dialect.as_str() != "ollama");
    let reasoning = usage.reasoning_tokens.filter(|_| dialect.as_str() != "bedrock");
    (
        response.text.clone(),
        response.reasoning.clone(),
        response.tool_calls.clone(),
        response.finish_reason,
        (usage.input_tokens, usage.output_tokens),
        (zero_is_absent(usage.cached_input_tokens), zero_is_absent(reasoning)),
    )
}

fn decode_stream(dialect: Dialect, pieces: &[&[u8]]) -> Result<Response, Failure> {
    let mut decoder = dialect.client_codec().stream_decoder(&Quirks::default());
    let (mut assembler, mut events) = (Assembler::default(), Vec::new());
    for piece in pieces {
        if decoder.feed(piece, &mut events)? == DecodeProgress::Done {
            break;
        }
    }
    decoder.finish(&mut events)?;
    events.iter().for_each(|event| assembler.push(event));
    assembler.finish()
}

/// The events of an equivalent stream, with the text in several deltas.
fn stream_events(response: &Response) -> Vec<StreamEvent> {
    let mut events: Vec<StreamEvent> =
        response.reasoning.iter().cloned().map(StreamEvent::ReasoningDelta).collect();
    if let Some(Part::Reasoning { state: Some(state), .. }) = response.parts.first() {
        events.push(StreamEvent::ReasoningState(state.clone()));
    }
    let characters: Vec<char> = response.text.chars().collect();
    events.extend(characters.chunks(5).map(|piece| StreamEvent::TextDelta(piece.iter().collect())));
    for (index, call) in response.tool_calls.iter().enumerate() {
        events.push(StreamEvent::ToolCallStart { index, id: call.id.clone(), name: call.name.clone() });
        let arguments = call.arguments.to_string();
        let at = (0..=arguments.len() / 2).rev().find(|at| arguments.is_char_boundary(*at)).unwrap_or(0);
        for piece in [&arguments[..at], &arguments[at..]] {
            events.push(StreamEvent::ToolCallDelta { index, arguments_delta: piece.to_owned() });
        }
    }
    events.push(StreamEvent::Usage(response.usage));
    events.push(StreamEvent::Finish(response.finish_reason));
    events
}

fn encode_stream(dialect: Dialect, response: &Response) -> Vec<u8> {
    let mut encoder = dialect.server_codec().stream_encoder(&identity());
    let mut bytes = encoder.encode_start(&response.usage);
    for event in stream_events(response) {
        bytes.extend(encoder.encode_event(&event));
    }
    bytes.extend(encoder.encode_end());
    bytes
}

proptest! {
    #[test]
    fn requests_are_preserved(request in request_strategy(), stream: bool, accent: bool) {
        for dialect in Dialect::all() {
            let mut quirks = Quirks::default();
            if accent {
                quirks.max_tokens_field = MaxTokensField::MaxCompletionTokens;
                quirks.system_role = SystemRole::Developer;
                quirks.random_seed = true;
                quirks.echo_reasoning = EchoReasoning::Always;
            }
            let request = normalize_request(dialect, &request, &quirks);
            let options = serde_json::json!({"xOwn": {"a": 1}});
            let call = ClientRequest {
                model: "vendor/model-1.5",
                request: &request,
                is_streaming: stream,
                quirks: &quirks,
                provider_options: options.as_object().filter(|_| accent),
            };
            let wire = dialect.client_codec().encode_request(call);
            let decoded = dialect.server_codec().decode_request(&wire.path.replace("%2F", "/"), &wire.body).unwrap();
            let options = call.provider_options.cloned().unwrap_or_default();
            prop_assert_eq!(&decoded, &ServerRequest { model: "vendor/model-1.5".into(), request, is_streaming: stream, provider_options: options }, "{}", dialect);
        }
    }

    #[test]
    fn complete_responses_are_preserved(response in response_strategy()) {
        for dialect in Dialect::all() {
            let (response, has_seed) = with_reasoning_state(dialect, &response);
            let body = dialect.server_codec().encode_response(&response, &identity(), None);
            let reply = WireResponse { status: 200, headers: &WireHeaders::default(), body: &body };
            let read = dialect.client_codec().decode_response(reply, &Quirks::default());
            if response.text.trim().is_empty() && response.tool_calls.is_empty() && response.finish_reason == FinishReason::Stop {
                prop_assert_eq!(read.unwrap_err().class, FailureClass::Empty);
                continue;
            }
            let read = read.unwrap();
            prop_assert_eq!(comparable_fields(dialect, &read), comparable_fields(dialect, &response), "{}", dialect);
            prop_assert_eq!(has_reasoning_state(&read), has_seed, "{} {:?}", dialect, read.parts);
            let named = (!matches!(dialect.as_str(), "cohere" | "bedrock")).then_some("model-1");
            prop_assert_eq!(read.served_model.as_deref(), named);
            prop_assert!(read.unexpected_fields.is_empty(), "{} {:?}", dialect, read.unexpected_fields);
        }
    }

    #[test]
    fn split_streams_are_preserved(response in response_strategy(), cuts in prop::collection::vec(1usize..40, 1..50)) {
        for dialect in Dialect::all() {
            let (response, has_seed) = with_reasoning_state(dialect, &response);
            let bytes = encode_stream(dialect, &response);
            let mut pieces: Vec<&[u8]> = Vec::new();
            let mut rest = &bytes[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break }
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                pieces.push(head);
                rest = tail;
            }
            let read = decode_stream(dialect, &pieces);
            if response.text.trim().is_empty() && response.tool_calls.is_empty() && response.finish_reason == FinishReason::Stop {
                prop_assert_eq!(read.unwrap_err().class, FailureClass::Empty);
                continue;
            }
            let read = read.unwrap();
            prop_assert_eq!(comparable_fields(dialect, &read), comparable_fields(dialect, &response), "{}", dialect);
            prop_assert_eq!(has_reasoning_state(&read), has_seed, "{} {:?}", dialect, read.parts);
            prop_assert!(read.unexpected_fields.is_empty(), "{} {:?}", dialect, read.unexpected_fields);
        }
    }

    /// A stream cut anywhere before its terminal event never succeeds.
    #[test]
    fn truncated_stream_never_succeeds(response in response_strategy(), share in 0.0f64..1.0) {
        for dialect in Dialect::all() {
            let whole = encode_stream(dialect, &response);
            let terminal: &[u8] = match dialect.as_str() {
                "openai-chat" => b"\"finish_reason\":\"",
                "anthropic" => b"event: message_stop",
                "gemini" => b"\"finishReason\":\"",
                "openai-responses" => b"data: {\"response\":{\"id\"",
                "cohere" => b"event: message-end",
                "ollama" => b"\"done\":true",
                "bedrock" => b"messageStop",
                other => panic!("no terminal event for {other}"),
            };
            let end = whole.windows(terminal.len()).rposition(|w| w == terminal).unwrap();
            let cut = &whole[..(end as f64 * share) as usize];
            let failure = decode_stream(dialect, &[cut]).unwrap_err();
            prop_assert!(matches!(failure.class, FailureClass::Truncated | FailureClass::Empty), "{} {:?}", dialect, failure);
        }
    }

    /// No decoder panics on arbitrary bytes.
    #[test]
    fn arbitrary_bytes_do_not_panic(noise in prop::collection::vec(any::<u8>(), 0..300), framed: bool, path in ".{0,40}") {
        let bytes = if framed { [b"data: {", &noise[..], b"}\n\n"].concat() } else { noise };
        for dialect in Dialect::all() {
            let _ = decode_stream(dialect, &[&bytes]);
            let headers: WireHeaders = [("retry-after", String::from_utf8_lossy(&bytes).into_owned())].into_iter().collect();
            let reply = WireResponse { status: 429, headers: &headers, body: &bytes };
            let _ = dialect.client_codec().decode_response(reply, &Quirks::default());
            prop_assert!(dialect.client_codec().decode_failure(reply).message.chars().count() <= 500);
            let _ = dialect.server_codec().decode_request(&path, &bytes);
        }
    }

    /// No decoder panics on JSON of the right structure with wrong values.
    #[test]
    fn wrong_json_values_do_not_panic(at in 0usize..400, with in "(null|-1|1e99|\"x\"|\\[\\]|\\{\\}|true|\"\")") {
        let call = ToolCall { id: "c".into(), name: "n".into(), arguments: serde_json::json!({"a": 1}) };
        let mut response = Response { tool_calls: vec![call], finish_reason: FinishReason::ToolCalls, ..Response::from_text("hello") };
        response.parts = ordered_parts(&response);
        for dialect in Dialect::all() {
            // Binary frames have checksums, so the complete body is changed instead.
            let streamed = String::from_utf8(encode_stream(dialect, &response));
            let whole = || String::from_utf8(dialect.server_codec().encode_response(&response, &identity(), None)).unwrap();
            let is_stream = streamed.is_ok();
            let body = streamed.unwrap_or_else(|_| whole());
            // Replaces the value after the n-th colon.
            let colon = body.match_indices(':').nth(at % body.matches(':').count()).unwrap().0;
            let end = body[colon + 1..].find([',', '}', '\n']).map_or(body.len(), |e| colon + 1 + e);
            let changed = format!("{}{with}{}", &body[..=colon], &body[end..]);
            if !is_stream {
                let reply = WireResponse { status: 200, headers: &WireHeaders::default(), body: changed.as_bytes() };
                let _ = dialect.client_codec().decode_response(reply, &Quirks::default());
                continue;
            }
            let _ = decode_stream(dialect, &[changed.as_bytes()]);
        }
    }
}

#[test]
fn failure_classes_are_preserved() {
    // Classes that have their own error in each dialect, as the simulator sends them.
    let classes = [
        FailureClass::ServerError,
        FailureClass::RateLimited,
        FailureClass::QuotaExhausted,
        FailureClass::Auth,
        FailureClass::ModelUnavailable,
        FailureClass::ContextOverflow,
        FailureClass::BadRequest,
    ];
    for dialect in Dialect::all() {
        for class in classes {
            let message = if class == FailureClass::ContextOverflow {
                "the maximum context length is 10"
            } else {
                "no"
            };
            let metadata = ResponseMetadata {
                retry_after: (class == FailureClass::RateLimited).then_some(Duration::from_millis(250)),
                ..ResponseMetadata::default()
            };
            let reply = dialect.server_codec().encode_failure(&ServerFailure::new(class, message, &metadata));
            let headers: WireHeaders = reply.headers.iter().cloned().collect();
            let read = dialect.client_codec().decode_failure(WireResponse {
                status: reply.status,
                headers: &headers,
                body: &reply.body,
            });
            assert_eq!(read.class, class, "{dialect}");
            assert_eq!(read.message, message);
            if class == FailureClass::RateLimited && !matches!(dialect.as_str(), "ollama" | "bedrock") {
                assert!(read.retry_after.is_some(), "{dialect}");
            }
        }
    }
}
