//! Compares decoded answers, complete and streamed, with the results of the independent parsers.

use serde_json::Value;
use slalom::chat::{Assembler, Failure, FinishReason, Response, StreamEvent, TokenCount};
use slalom::dialect::{DecodeProgress, WireResponse};

use super::expected::{Call, Expected, expected_of_body, expected_of_stream};
use super::frames;
use super::manifest::Sample;

/// The problems of a sample's answers; `None` if it has no answers.
pub(super) fn check_answers(sample: &Sample) -> Option<Vec<String>> {
    let (mut wrong, mut any) = (Vec::new(), false);
    for suffix in ["response.json", "error.json"] {
        let Some(body) = sample.file(suffix).filter(|_| sample.status < 400) else { continue };
        any = true;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let reply = WireResponse { status: 200, headers: &sample.headers(), body: &body };
        let read = sample.dialect.client_codec().decode_response(reply, &sample.quirks());
        let expected = expected_of_body(sample.dialect, &value);
        wrong.extend(answer_mismatch(&expected, &read).map(|why| format!("complete: {why}")));
    }
    for bytes in sample.streams() {
        any = true;
        let expected = expected_of_stream(sample.dialect, &frames::read(sample.dialect, &bytes));
        let whole = decode(sample, &[&bytes]);
        wrong.extend(answer_mismatch(&expected, &whole).map(|why| format!("stream: {why}")));
        for pieces in chunk_variants(&sample.name, &bytes) {
            if decode(sample, &pieces) != whole {
                wrong.push(format!("stream: decodes differently in {} pieces", pieces.len()));
            }
        }
    }
    any.then_some(wrong)
}

/// The bytes cut into pieces of 1, 7, and 333 bytes, and three times at random.
fn chunk_variants<'a>(name: &str, bytes: &'a [u8]) -> Vec<Vec<&'a [u8]>> {
    let mut variants: Vec<Vec<&[u8]>> =
        [1, 7, 333].iter().map(|size| bytes.chunks(*size).collect()).collect();
    let seed = name.bytes().fold(17, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut random = fastrand::Rng::with_seed(seed);
    for max_size in [20, 200, 2000] {
        let (mut pieces, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(random.usize(1..=max_size.min(rest.len())));
            pieces.push(piece);
            rest = tail;
        }
        variants.push(pieces);
    }
    variants
}

fn decode(sample: &Sample, pieces: &[&[u8]]) -> Result<Response, Failure> {
    let mut decoder = sample.dialect.client_codec().stream_decoder(&sample.quirks());
    let (mut assembler, mut events): (Assembler, Vec<StreamEvent>) = Default::default();
    for piece in pieces {
        if decoder.feed(piece, &mut events)? == DecodeProgress::Done {
            break;
        }
    }
    decoder.finish(&mut events)?;
    events.iter().for_each(|event| assembler.push(event));
    assembler.finish()
}

fn answer_mismatch(expected: &Expected, read: &Result<Response, Failure>) -> Option<String> {
    let (answer, response) = match (expected, read) {
        (Expected::Failure(classes), Err(failure)) if classes.contains(&failure.class) => return None,
        (Expected::Failure(classes), Err(failure)) => {
            return Some(format!("{failure}, expected {classes:?}"));
        }
        (Expected::Failure(classes), Ok(response)) => {
            return Some(format!("{:?} {:?}, expected {classes:?}", response.finish_reason, response.text));
        }
        (Expected::Answer(_), Err(failure)) => return Some(format!("{failure}, expected an answer")),
        (Expected::Answer(answer), Ok(response)) => (answer, response),
    };
    let calls: Vec<Call> = response
        .tool_calls
        .iter()
        .map(|call| (call.id.clone(), call.name.clone(), call.arguments.clone()))
        .collect();
    let usage = response.usage;
    let usage = [
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    ]
    .map(|count| count.map(TokenCount::get));
    let finish: Option<FinishReason> = Some(response.finish_reason);
    let reasoning = response.reasoning.clone().unwrap_or_default();
    field_mismatch("text", &response.text, &answer.text)
        .or_else(|| field_mismatch("reasoning", &reasoning, &answer.reasoning))
        .or_else(|| field_mismatch("calls", &calls, &answer.calls))
        .or_else(|| field_mismatch("finish", &finish, &answer.finish))
        .or_else(|| field_mismatch("usage", &usage, &answer.usage))
}

fn field_mismatch<T: PartialEq + std::fmt::Debug>(name: &str, got: &T, expected: &T) -> Option<String> {
    (got != expected).then(|| format!("{name} {got:?}, expected {expected:?}"))
}
