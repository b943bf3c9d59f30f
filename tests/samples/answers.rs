//! Recorded answers, whole and streamed, held to what their bytes say.

use serde_json::Value;
use slalom::chat::{Assembler, Event, Failure, FinishReason, Response};
use slalom::dialect::{Progress, Reply};

use super::expected::{Call, Expected, of_stream, of_whole};
use super::frames;
use super::load::Sample;

/// What is wrong with a case's answers, if it has any.
pub(super) fn check(sample: &Sample) -> Option<Vec<String>> {
    let (mut wrong, mut any) = (Vec::new(), false);
    for suffix in ["response.json", "error.json"] {
        let Some(body) = sample.file(suffix).filter(|_| sample.status < 400) else { continue };
        any = true;
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        let reply = Reply { status: 200, headers: &sample.headers(), body: &body };
        let read = sample.dialect.client().decode_response(reply, &sample.quirks());
        let expected = of_whole(sample.dialect, &value);
        wrong.extend(compare(&expected, &read).map(|why| format!("whole: {why}")));
    }
    for bytes in sample.streams() {
        any = true;
        let expected = of_stream(sample.dialect, &frames::read(sample.dialect, &bytes));
        let whole = decode(sample, &[&bytes]);
        wrong.extend(compare(&expected, &whole).map(|why| format!("stream: {why}")));
        for pieces in cuts(&sample.name, &bytes) {
            if decode(sample, &pieces) != whole {
                wrong.push(format!("stream: reads otherwise in {} pieces", pieces.len()));
            }
        }
    }
    any.then_some(wrong)
}

/// The bytes in pieces of 1, 7 and 333, and three times cut at random.
fn cuts<'a>(name: &str, bytes: &'a [u8]) -> Vec<Vec<&'a [u8]>> {
    let mut ways: Vec<Vec<&[u8]>> = [1, 7, 333].iter().map(|size| bytes.chunks(*size).collect()).collect();
    let seed = name.bytes().fold(17, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
    let mut random = fastrand::Rng::with_seed(seed);
    for most in [20, 200, 2000] {
        let (mut pieces, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(random.usize(1..=most.min(rest.len())));
            pieces.push(piece);
            rest = tail;
        }
        ways.push(pieces);
    }
    ways
}

fn decode(sample: &Sample, pieces: &[&[u8]]) -> Result<Response, Failure> {
    let mut decoder = sample.dialect.client().stream_decoder(&sample.quirks());
    let (mut assembler, mut events): (Assembler, Vec<Event>) = Default::default();
    for piece in pieces {
        if decoder.feed(piece, &mut events)? == Progress::Done {
            break;
        }
    }
    decoder.end(&mut events)?;
    events.iter().for_each(|event| assembler.push(event));
    assembler.finish()
}

fn compare(expected: &Expected, read: &Result<Response, Failure>) -> Option<String> {
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
    ];
    let finish: Option<FinishReason> = Some(response.finish_reason);
    let reasoning = response.reasoning.clone().unwrap_or_default();
    differs("text", &response.text, &answer.text)
        .or_else(|| differs("reasoning", &reasoning, &answer.reasoning))
        .or_else(|| differs("calls", &calls, &answer.calls))
        .or_else(|| differs("finish", &finish, &answer.finish))
        .or_else(|| differs("usage", &usage, &answer.usage))
}

fn differs<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, expected: &T) -> Option<String> {
    (got != expected).then(|| format!("{what} {got:?}, expected {expected:?}"))
}
