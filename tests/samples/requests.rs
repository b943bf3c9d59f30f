//! Decodes recorded requests with the server codecs, encodes them with the client codecs, and compares both.

use serde_json::{Value, json};
use slalom::chat::{Message, Part, Request, Tool};
use slalom::dialect::{ClientRequest, Dialect, Quirks, ServerRequest};

use super::canonical::{canonicalize, first_difference};
use super::manifest::Sample;

/// The problems of a request's round trip; `None` if the sample has no request.
pub(super) fn check_request(sample: &Sample) -> Option<Vec<String>> {
    let body = sample.file("request.json")?;
    Some(round_trip(sample, &body).err().into_iter().collect())
}

fn round_trip(sample: &Sample, body: &[u8]) -> Result<(), String> {
    let original: Value = serde_json::from_slice(body).unwrap();
    // Normally the catalog says whether a model reasons; here the request shows it.
    let reasons = original["include"].to_string().contains("reasoning.encrypted_content");
    let quirks = Quirks { reasons, ..sample.quirks() };
    let path = percent_decoded(sample.url.split(['?', '#']).next().unwrap_or_default());
    let server = sample.dialect.server_codec();
    let decoded = server.decode_request(&path, body).map_err(|why| format!("request: {why}"))?;
    let encoded = sample.dialect.client_codec().encode_request(ClientRequest {
        model: &decoded.model,
        request: &decoded.request,
        is_streaming: decoded.is_streaming,
        quirks: &quirks,
        provider_options: Some(&decoded.provider_options),
    });
    let written: Value = serde_json::from_slice(&encoded.body).unwrap();
    let (expected, actual) =
        (canonicalize(sample.dialect, &original), canonicalize(sample.dialect, &written));
    first_difference(&expected, &actual, "")
        .map_or(Ok(()), |difference| Err(format!("request: {difference}")))?;
    let path_again = percent_decoded(&encoded.path);
    if !path.ends_with(&path_again) {
        return Err(format!("request: path {path_again}, expected {path}"));
    }
    let normalized = |decoded: ServerRequest| normalize_request(sample.dialect, decoded.request);
    let decoded_again = server.decode_request(&path_again, &encoded.body).map(normalized);
    let (decoded_again, expected) =
        (decoded_again.map_err(|why| format!("decoded again: {why}"))?, normalized(decoded));
    if decoded_again == expected {
        Ok(())
    } else {
        Err(format!("decoded again: {}", first_debug_difference(&decoded_again, &expected)))
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

/// Applies the changes that a dialect makes on the wire: Bedrock joins messages with the same role, Ollama
/// adds the tool name to a result, and Gemini omits empty parameters.
fn normalize_request(dialect: Dialect, mut request: Request) -> Request {
    match dialect.as_str() {
        "bedrock" => {
            let mut joined: Vec<Message> = Vec::new();
            for message in request.messages.drain(..) {
                match joined.last_mut().filter(|last| last.role == message.role) {
                    Some(last) => last.parts.extend(message.parts),
                    None => joined.push(message),
                }
            }
            request.messages = joined;
        }
        "ollama" => {
            let mut named = String::new();
            for part in request.messages.iter_mut().flat_map(|m| &mut m.parts) {
                match part {
                    Part::ToolCall(call) => named.clone_from(&call.name),
                    Part::ToolResult(result) if result.name.is_empty() => result.name.clone_from(&named),
                    _ => {}
                }
            }
        }
        "gemini" => {
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

/// An excerpt of both debug outputs around their first difference.
fn first_debug_difference(got: &Request, expected: &Request) -> String {
    let (got, expected) = (format!("{got:?}"), format!("{expected:?}"));
    let same = got.chars().zip(expected.chars()).take_while(|(a, b)| a == b).count();
    let from = |text: &str| text.chars().skip(same.saturating_sub(60)).take(400).collect::<String>();
    format!("{}\n   expected {}", from(&got), from(&expected))
}
