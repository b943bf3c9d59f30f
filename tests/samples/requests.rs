//! Recorded requests, read by the server halves and written again by the client halves: what goes out must mean what
//! came in.

use serde_json::{Value, json};
use slalom::chat::{Message, Part, Request, Tool};
use slalom::dialect::{ClientRequest, Dialect, Quirks, ServerRequest};

use super::canonical::{canonicalize, first_difference};
use super::manifest::Sample;

/// What is wrong with the round trip of a case's request, if it has one.
pub(super) fn check_request(sample: &Sample) -> Option<Vec<String>> {
    let body = sample.file("request.json")?;
    Some(round_trip(sample, &body).err().into_iter().collect())
}

fn round_trip(sample: &Sample, body: &[u8]) -> Result<(), String> {
    let original: Value = serde_json::from_slice(body).unwrap();
    // The catalogue says which models reason; here the request shows it.
    let reasons = original["include"].to_string().contains("reasoning.encrypted_content");
    let quirks = Quirks { reasons, ..sample.quirks() };
    let path = percent_decoded(sample.url.split(['?', '#']).next().unwrap_or_default());
    let server = sample.dialect.server_codec();
    let asked = server.decode_request(&path, body).map_err(|why| format!("request: {why}"))?;
    let again = sample.dialect.client_codec().encode_request(ClientRequest {
        model: &asked.model,
        request: &asked.request,
        is_streaming: asked.is_streaming,
        quirks: &quirks,
        provider_options: Some(&asked.provider_options),
    });
    let written: Value = serde_json::from_slice(&again.body).unwrap();
    let (meant, means) = (canonicalize(sample.dialect, &original), canonicalize(sample.dialect, &written));
    first_difference(&meant, &means, "").map_or(Ok(()), |place| Err(format!("request: {place}")))?;
    let path_again = percent_decoded(&again.path);
    if !path.ends_with(&path_again) {
        return Err(format!("request: path {path_again}, expected {path}"));
    }
    let settled = |asked: ServerRequest| normalize_request(sample.dialect, asked.request);
    let back = server.decode_request(&path_again, &again.body).map(settled);
    let (back, meant) = (back.map_err(|why| format!("request read again: {why}"))?, settled(asked));
    if back == meant {
        Ok(())
    } else {
        Err(format!("request read again: {}", first_debug_difference(&back, &meant)))
    }
}

fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        let (byte, used) = hex.filter(|_| *first == b'%').map_or((*first, 1), |byte| (byte, 3));
        bytes.push(byte);
        rest = &rest[used..];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The request as it is once it went over this wire: Bedrock joins turns of one speaker, Ollama names the tool beside
/// its result, Gemini says nothing where a function takes nothing.
fn normalize_request(dialect: Dialect, mut request: Request) -> Request {
    match dialect {
        Dialect::Bedrock => {
            let mut joined: Vec<Message> = Vec::new();
            for message in request.messages.drain(..) {
                match joined.last_mut().filter(|last| last.role == message.role) {
                    Some(last) => last.parts.extend(message.parts),
                    None => joined.push(message),
                }
            }
            request.messages = joined;
        }
        Dialect::Ollama => {
            let mut named = String::new();
            for part in request.messages.iter_mut().flat_map(|m| &mut m.parts) {
                match part {
                    Part::ToolCall(call) => named.clone_from(&call.name),
                    Part::ToolResult(result) if result.name.is_empty() => result.name.clone_from(&named),
                    _ => {}
                }
            }
        }
        Dialect::Gemini => {
            for tool in &mut request.tools {
                if let Tool::Function(function) = tool
                    && function.parameters["properties"] == json!({})
                {
                    function.parameters = json!({"type": "object", "properties": {}});
                }
            }
        }
        _ => {}
    }
    request
}

/// Where the words for two requests part.
fn first_debug_difference(got: &Request, expected: &Request) -> String {
    let (got, expected) = (format!("{got:?}"), format!("{expected:?}"));
    let same = got.chars().zip(expected.chars()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| text.chars().skip(same.saturating_sub(60)).take(400).collect::<String>();
    format!("{}\n   expected {}", from(&got), from(&expected))
}
