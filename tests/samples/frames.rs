//! Minimal readers of stream framings: the JSON objects of a stream and the number of malformed frames.

use serde_json::Value;
use slalom::dialect::{AwsFrame, Dialect, encode_aws_frame};

#[derive(Default)]
pub(super) struct Frames {
    pub(super) objects: Vec<Value>,
    pub(super) malformed: usize,
    /// `[DONE]` was seen.
    pub(super) done: bool,
}

/// Reads a stream in the framing of its dialect. AWS frames become `{event type: payload}`.
pub(super) fn read(dialect: Dialect, bytes: &[u8]) -> Frames {
    match dialect.as_str() {
        "bedrock" => read_aws(bytes),
        "ollama" => read_json_lines(bytes),
        _ => read_sse(bytes),
    }
}

fn read_sse(bytes: &[u8]) -> Frames {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n").replace('\r', "\n");
    let mut frames = Frames::default();
    for frame in text.split("\n\n") {
        let data = frame.lines().filter_map(|line| line.strip_prefix("data:"));
        let data: Vec<&str> = data.map(|data| data.strip_prefix(' ').unwrap_or(data)).collect();
        match data.join("\n").trim() {
            "" => {}
            "[DONE]" => frames.done = true,
            data => match serde_json::from_str::<Value>(data) {
                Ok(value) if value.is_object() => frames.objects.push(value),
                _ => frames.malformed += 1,
            },
        }
    }
    frames
}

fn read_json_lines(bytes: &[u8]) -> Frames {
    let mut frames = Frames::default();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        match serde_json::from_slice(line) {
            Ok(value) => frames.objects.push(value),
            Err(_) => frames.malformed += 1,
        }
    }
    frames
}

fn crc32(bytes: &[u8]) -> usize {
    let step = |sum: u32, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
    let sum = bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step));
    !sum as usize
}

/// An AWS message consists of lengths, headers, payload, and checksum.
fn read_aws(bytes: &[u8]) -> Frames {
    let mut frames = Frames::default();
    let number = |at: &[u8]| at.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
    let mut rest = bytes;
    while rest.len() >= 16 {
        let (all, head) = (number(&rest[..4]), number(&rest[4..8]));
        if all < 16 + head || rest.len() < all || crc32(&rest[..all - 4]) != number(&rest[all - 4..all]) {
            frames.malformed += 1;
            break;
        }
        let headers = read_aws_headers(&rest[12..12 + head]);
        let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        let payload = serde_json::from_slice(&rest[12 + head..all - 4]).unwrap_or(Value::Null);
        let name = [":event-type", ":exception-type", ":error-code"].iter().find_map(|name| header(name));
        let mut payload = payload;
        if let Some(message) = header(":error-message") {
            payload = serde_json::json!({"message": message});
        }
        let mut object = serde_json::json!({name.unwrap_or_default(): payload});
        if header(":message-type").is_some_and(|kind| kind != "event") {
            object["failed"] = Value::Bool(true);
        }
        frames.objects.push(object);
        rest = &rest[all..];
    }
    frames
}

fn read_aws_headers(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    while let [length, tail @ ..] = bytes {
        let (name, tail) = tail.split_at(usize::from(*length));
        let size = match tail[0] {
            0 | 1 => 0,
            2 => 1,
            3 => 2,
            4 => 4,
            5 | 8 => 8,
            9 => 16,
            _ => 2 + usize::from(tail[1]) * 256 + usize::from(tail[2]),
        };
        let value = if matches!(tail[0], 6 | 7) { &tail[3..=size] } else { &[] };
        headers
            .push((String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned()));
        bytes = &tail[1 + size..];
    }
    headers
}

/// Restores the framing of recorded payloads (one `{"event type": payload}` per line).
pub(super) fn aws_from_json_lines(bytes: &[u8]) -> Vec<u8> {
    let events = read_json_lines(bytes)
        .objects
        .into_iter()
        .filter_map(|line| line.as_object()?.clone().into_iter().next());
    events
        .flat_map(|(name, payload)| {
            encode_aws_frame(&AwsFrame {
                message_type: "event".into(),
                event_type: name,
                error_message: String::new(),
                payload: payload.to_string().into_bytes(),
            })
        })
        .collect()
}

/// Converts the JSON array that a server sends without `alt=sse` to SSE.
pub(super) fn sse_from_json_array(bytes: &[u8]) -> Vec<u8> {
    let chunks: Vec<Value> = serde_json::from_slice(bytes).unwrap();
    chunks.iter().flat_map(|chunk| format!("data: {chunk}\n\n").into_bytes()).collect()
}

/// Splits a file with several recorded answers.
pub(super) fn split_answers(bytes: &[u8]) -> Vec<Vec<u8>> {
    const MESSAGE_STOP: &[u8] = b"\"type\":\"message_stop\"";
    let mut answers = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(MESSAGE_STOP.len()).position(|window| window == MESSAGE_STOP) {
        let end = rest[at..].windows(2).position(|w| w == b"\n\n").map_or(rest.len(), |end| at + end + 2);
        answers.push(rest[..end].to_vec());
        rest = &rest[end..];
    }
    if !rest.trim_ascii().is_empty() || answers.is_empty() {
        answers.push(rest.to_vec());
    }
    answers
}
