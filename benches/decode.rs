//! Measures decoding: streams of 100,000 events in each dialect, and one very long line in small chunks.
//!
//! Run with `cargo bench --bench decode`. The target is 5 µs per event, which is 500 ms per stream.

#![expect(clippy::unwrap_used, reason = "a benchmark aborts if it cannot measure")]

use slalom::chat::{Assembler, FinishReason, StreamEvent, Usage};
use slalom::dialect::{Dialect, Quirks, ResponseIdentity, SseDecoder};

const EVENTS: usize = 100_000;

fn main() {
    divan::main();
}

fn encoded_stream(dialect: Dialect) -> Vec<u8> {
    let identity = ResponseIdentity {
        response_id: "chatcmpl-1".into(),
        model: "model-1".into(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
    };
    let mut encoder = dialect.server_codec().stream_encoder(&identity);
    let mut bytes = encoder.encode_start(&Usage::default());
    for n in 0..EVENTS {
        bytes.extend(encoder.encode_event(&StreamEvent::TextDelta(format!("token {n} "))));
    }
    bytes.extend(encoder.encode_event(&StreamEvent::Finish(FinishReason::Stop)));
    bytes.extend(encoder.encode_end());
    bytes
}

/// Decodes and assembles one answer of 100,000 events, in chunks of 16 KiB.
#[divan::bench(args = ["openai-chat", "anthropic", "gemini"], sample_count = 10)]
fn decode_100_000_events(bencher: divan::Bencher<'_, '_>, name: &str) {
    let dialect = Dialect::from_name(name).unwrap();
    let bytes = encoded_stream(dialect);
    bencher.bench_local(|| {
        let mut decoder = dialect.client_codec().stream_decoder(&Quirks::default());
        let (mut assembler, mut events) = (Assembler::default(), Vec::new());
        for chunk in bytes.chunks(16 << 10) {
            decoder.feed(chunk, &mut events).unwrap();
            events.drain(..).for_each(|event| assembler.push(&event));
        }
        decoder.finish(&mut events).unwrap();
        events.drain(..).for_each(|event| assembler.push(&event));
        assembler.finish().unwrap().text.len()
    });
}

/// Decodes one line in chunks of 1 KiB. Time must grow linearly with the length of the line.
#[divan::bench(args = [2, 4, 8, 16], sample_count = 10)]
fn decode_long_line(bencher: divan::Bencher<'_, '_>, mebibytes: usize) {
    let mut line = b"data: ".to_vec();
    line.resize(mebibytes << 20, b'x');
    line.extend_from_slice(b"\n\n");
    bencher.bench_local(|| {
        let mut decoder = SseDecoder::default();
        let mut length = 0;
        for chunk in line.chunks(1024) {
            decoder.feed(chunk, &mut |frame| length = frame.data.len()).unwrap();
        }
        length
    });
}
