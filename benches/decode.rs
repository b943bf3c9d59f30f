//! What decoding costs: streams of 100,000 events in each dialect, and one very long line cut very small.
//!
//! `cargo bench --bench decode`. The bar for a stream is 5 µs an event: 500 ms for each of these.

#![expect(clippy::unwrap_used, reason = "a benchmark stops where it cannot measure")]

use slalom::chat::{Assembler, FinishReason, StreamEvent, Usage};
use slalom::dialect::{Dialect, Quirks, ResponseIdentity, SseDecoder};

const EVENTS: usize = 100_000;

fn main() {
    divan::main();
}

fn encoded_stream(dialect: Dialect) -> Vec<u8> {
    let serving = ResponseIdentity { response_id: "chatcmpl-1".into(), model: "model-1".into() };
    let mut encoder = dialect.server_codec().stream_encoder(&serving);
    let mut bytes = encoder.encode_start(&Usage::default());
    for n in 0..EVENTS {
        bytes.extend(encoder.encode_event(&StreamEvent::TextDelta(format!("token {n} "))));
    }
    bytes.extend(encoder.encode_event(&StreamEvent::Finish(FinishReason::Stop)));
    bytes.extend(encoder.encode_end());
    bytes
}

/// 100,000 events of one dialect, in pieces of 16 KiB, into a whole answer.
#[divan::bench(args = ["openai-chat", "anthropic", "gemini"], sample_count = 10)]
fn decode_100_000_events(bencher: divan::Bencher<'_, '_>, name: &str) {
    let dialect = Dialect::ALL.into_iter().find(|d| d.as_str() == name).unwrap();
    let bytes = encoded_stream(dialect);
    bencher.bench_local(|| {
        let mut decoder = dialect.client_codec().stream_decoder(&Quirks::default());
        let (mut assembler, mut events) = (Assembler::default(), Vec::new());
        for piece in bytes.chunks(16 << 10) {
            decoder.feed(piece, &mut events).unwrap();
            events.drain(..).for_each(|event| assembler.push(&event));
        }
        decoder.finish(&mut events).unwrap();
        events.drain(..).for_each(|event| assembler.push(&event));
        assembler.finish().unwrap().text.len()
    });
}

/// One line of that many MiB in pieces of 1 KiB: twice the line must take twice the time.
#[divan::bench(args = [2, 4, 8, 16], sample_count = 10)]
fn decode_long_line(bencher: divan::Bencher<'_, '_>, mebibytes: usize) {
    let mut line = b"data: ".to_vec();
    line.resize(mebibytes << 20, b'x');
    line.extend_from_slice(b"\n\n");
    bencher.bench_local(|| {
        let mut decoder = SseDecoder::default();
        let mut length = 0;
        for piece in line.chunks(1024) {
            decoder.feed(piece, &mut |frame| length = frame.data.len()).unwrap();
        }
        length
    });
}
