//! Recorded traffic, decoded in-process. What an answer says is read here a second time, straight from the JSON, by
//! code that shares nothing with the decoders. Where the samples are not there (a user's clone), this says so.

mod load;
mod meaning;
mod requests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use slalom::chat::{Assembler, Event, Failure, FailureClass, Response};
use slalom::dialect::{Dialect, Headers, Progress, Quirks, Reply};

/// Folders whose chats speak one of the three dialects.
fn dialect_of(source: &str, url: &str) -> Option<Dialect> {
    if url.contains("/responses") || source.ends_with("-responses") {
        let chat = url.is_empty() || url.split('?').next().is_some_and(|path| path.ends_with("/responses"));
        return chat.then_some(Dialect::OpenaiResponses);
    }
    Some(match source {
        "anthropic" => Dialect::Anthropic,
        "gemini" | "vertex" => Dialect::Gemini,
        "cohere" => Dialect::Cohere,
        "ollama" if url.contains("/api/chat") => Dialect::Ollama,
        "bedrock" => Dialect::Bedrock,
        "openai-chat"
        | "azure"
        | "deepseek"
        | "groq"
        | "mistral"
        | "openrouter"
        | "perplexity"
        | "xai"
        | "cerebras"
        | "dashscope"
        | "moonshot"
        | "huggingface"
        | "ollama-cloud-openai"
        | "gemini-openai" => Dialect::OpenaiChat,
        _ => return None,
    })
}

fn samples() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/wire/samples");
    if folder.join("manifest.csv").is_file() {
        return Some(folder);
    }
    println!("skipped: the recorded samples are not here");
    None
}

struct Sample {
    name: String,
    dialect: Dialect,
    status: u16,
    stem: PathBuf,
    files: Vec<String>,
}

fn load(folder: &Path) -> Vec<Sample> {
    let mut reader = csv::Reader::from_path(folder.join("manifest.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|h| h == name).unwrap();
    let (sample, source, method, url, status, files) =
        (at("sample"), at("dialect"), at("method"), at("url"), at("status"), at("files"));
    reader
        .records()
        .map(Result::unwrap)
        .filter(|row| &row[method] == "POST")
        .filter_map(|row| {
            Some(Sample {
                name: row[sample].to_owned(),
                dialect: dialect_of(&row[source], &row[url])?,
                status: row[status].parse().unwrap_or(200),
                stem: folder.join(&row[sample]),
                files: row[files].split(' ').map(str::to_owned).collect(),
            })
        })
        .collect()
}

fn read(sample: &Sample, suffix: &str) -> Option<Vec<u8>> {
    sample
        .files
        .iter()
        .any(|f| f == suffix)
        .then(|| fs::read(format!("{}.{suffix}", sample.stem.display())).unwrap())
}

fn headers(sample: &Sample) -> Headers {
    let Some(bytes) = read(sample, "headers.json") else { return Headers::default() };
    let object: serde_json::Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
    object
        .into_iter()
        .map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}

fn stream(dialect: Dialect, bytes: &[u8], piece: usize) -> Result<Response, Failure> {
    let mut decoder = dialect.client().stream_decoder(&Quirks::default());
    let (mut assembler, mut events): (Assembler, Vec<Event>) = Default::default();
    for piece in bytes.chunks(piece) {
        if decoder.feed(piece, &mut events)? == Progress::Done {
            break;
        }
    }
    decoder.end(&mut events)?;
    events.iter().for_each(|event| assembler.push(event));
    assembler.finish()
}

/// The JSON objects of an AWS event stream: whatever stands between braces and parses.
fn framed_objects(bytes: &[u8]) -> Vec<Value> {
    let (mut found, mut rest) = (Vec::new(), bytes);
    while let Some(at) = rest.iter().position(|b| *b == b'{') {
        let mut values = serde_json::Deserializer::from_slice(&rest[at..]).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                rest = &rest[at + values.byte_offset()..];
                found.push(value);
            }
            _ => rest = &rest[at + 1..],
        }
    }
    found
}

/// The `data:` objects of a stream, by the simplest reading there is.
fn objects(bytes: &[u8]) -> Vec<Value> {
    if bytes.starts_with(&[0]) {
        return framed_objects(bytes);
    }
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    text.lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data:").unwrap_or(line).trim()).ok())
        .collect()
}

fn strings<'a>(values: impl IntoIterator<Item = &'a Value>, pointer: &str) -> String {
    values.into_iter().filter_map(|v| v.pointer(pointer)?.as_str()).collect()
}

/// Text of a message's content: a string, or a list of parts.
fn content_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => strings(parts.iter().filter(|p| p["type"] == "text"), "/text"),
        _ => String::new(),
    }
}

/// The text that a whole answer or a stream's objects hold.
fn expected_text(dialect: Dialect, objects: &[Value]) -> String {
    let first_choice = |o: &Value| {
        o["choices"]
            .as_array()
            .and_then(|c| c.iter().find(|c| c["index"].as_u64().unwrap_or(0) == 0))
            .cloned()
    };
    match dialect {
        Dialect::OpenaiChat => objects
            .iter()
            .filter_map(first_choice)
            .map(|choice| {
                let whole = objects.len() == 1;
                let said =
                    if whole || choice["delta"].is_null() { &choice["message"] } else { &choice["delta"] };
                content_text(&said["content"]) + said["refusal"].as_str().unwrap_or_default()
            })
            .collect(),
        Dialect::Anthropic => {
            let last_start = objects.iter().rposition(|o| o["type"] == "message_start").unwrap_or(0);
            let objects = &objects[last_start..];
            let blocks: Vec<Value> =
                objects.iter().flat_map(|o| o["content"].as_array().cloned().unwrap_or_default()).collect();
            let starts: String = objects
                .iter()
                .map(|o| {
                    if o["type"] == "content_block_start" && o["content_block"]["type"] == "text" {
                        o["content_block"]["text"].as_str().unwrap_or_default().to_owned()
                    } else {
                        strings(Some(o).filter(|o| o["delta"]["type"] == "text_delta"), "/delta/text")
                    }
                })
                .collect();
            strings(blocks.iter().filter(|b| b["type"] == "text"), "/text") + &starts
        }
        Dialect::Gemini => {
            let parts: Vec<Value> = objects
                .iter()
                .filter_map(|o| o.pointer("/candidates/0/content/parts")?.as_array().cloned())
                .flatten()
                .filter(|p| p["thought"] != true)
                .collect();
            strings(&parts, "/text")
        }
        Dialect::Cohere => {
            let parts: Vec<Value> = objects
                .iter()
                .filter_map(|o| o.pointer("/message/content")?.as_array().cloned())
                .flatten()
                .collect();
            strings(&parts, "/text") + &strings(objects, "/delta/message/content/text")
        }
        Dialect::Ollama => strings(objects, "/message/content"),
        Dialect::Bedrock => {
            let blocks: Vec<Value> = objects
                .iter()
                .filter_map(|o| o.pointer("/output/message/content")?.as_array().cloned())
                .flatten()
                .collect();
            let cited: Vec<Value> = blocks
                .iter()
                .filter_map(|b| b.pointer("/citationsContent/content")?.as_array().cloned())
                .flatten()
                .collect();
            strings(&blocks, "/text") + &strings(&cited, "/text") + &strings(objects, "/delta/text")
        }
        Dialect::OpenaiResponses => {
            let ended = objects
                .iter()
                .rev()
                .find_map(|o| o["response"]["output"].as_array().or(o["output"].as_array()));
            let done = objects
                .iter()
                .filter(|o| o["type"] == "response.output_item.done")
                .map(|o| o["item"].clone());
            let items: Vec<Value> =
                ended.filter(|items| !items.is_empty()).cloned().unwrap_or_else(|| done.collect());
            let parts: Vec<Value> = items
                .iter()
                .filter(|item| item["type"] == "message")
                .filter_map(|item| item["content"].as_array().cloned())
                .flatten()
                .collect();
            parts.iter().map(|p| p["text"].as_str().or(p["refusal"].as_str()).unwrap_or_default()).collect()
        }
    }
}

/// Compares an answer with the bytes; says what is wrong.
fn compare(
    dialect: Dialect,
    name: &str,
    objects: &[Value],
    read: &Result<Response, Failure>,
) -> Option<String> {
    match read {
        Ok(response) => {
            let expected = expected_text(dialect, objects);
            (response.text != expected).then(|| format!("text {:?}, expected {expected:?}", response.text))
        }
        // A failure is right where the bytes say one: an error, a cut, a blocked prompt, or nothing at all.
        Err(failure) => {
            let said = objects.iter().any(|o| {
                name.contains("unmodeled-error")
                    || o["delta"]["finish_reason"] == "ERROR"
                    || !o["response"]["error"].is_null()
                    || o["message"].is_string()
                    || o["originalStatusCode"].is_number()
                    || !o["error"].is_null()
                    || o["type"] == "error"
                    || !o["choices"][0]["error"].is_null()
            });
            let finished = objects.iter().any(|o| {
                o["choices"].as_array().is_some_and(|c| c.iter().any(|c| !c["finish_reason"].is_null()))
                    || o["type"] == "message_stop"
                    || !o["stop_reason"].is_null()
                    || !o["stopReason"].is_null()
                    || o["type"] == "message-end"
                    || o["done"] == true
                    || matches!(o["type"].as_str(), Some("response.completed" | "response.incomplete"))
                    || o["object"] == "response"
                    || !o.pointer("/candidates/0/finishReason").unwrap_or(&Value::Null).is_null()
            });
            // Gemini says itself that a call of the model was broken.
            let reason = objects
                .iter()
                .filter_map(|o| o.pointer("/candidates/0/finishReason")?.as_str())
                .next_back()
                .unwrap_or("");
            let broken = reason.starts_with("MALFORMED")
                || reason == "UNEXPECTED_TOOL_CALL"
                || name.contains("malformed")
                || name.contains("bad-crc")
                || name == "openai-responses/vercel-parallel-tool-call-wrapper.1"; // cut in the middle of a frame
            let right = match failure.class {
                FailureClass::Truncated => !finished,
                FailureClass::Empty => expected_text(dialect, objects).trim().is_empty(),
                FailureClass::ContentPolicy => {
                    objects.iter().any(|o| o["promptFeedback"].is_object()) || said
                }
                FailureClass::Malformed => broken,
                _ => said,
            };
            (!right).then(|| format!("failure {failure}"))
        }
    }
}

#[test]
fn answers_and_streams_say_what_their_bytes_say() {
    let Some(folder) = samples() else { return };
    let (mut tally, mut wrong): (BTreeMap<&str, [u32; 2]>, Vec<String>) = Default::default();
    for sample in load(&folder).iter().filter(|s| s.status < 400) {
        let mut judge = |kind: &str, objects: &[Value], read: &Result<Response, Failure>| {
            let counted = tally.entry(sample.dialect.name()).or_default();
            counted[1] += 1;
            match compare(sample.dialect, &sample.name, objects, read) {
                None => counted[0] += 1,
                Some(why) => wrong.push(format!("{} ({kind}): {why}", sample.name)),
            }
        };
        if let Some(body) = read(sample, "response.json") {
            let Ok(value) = serde_json::from_slice::<Value>(&body) else { continue };
            if matches!(
                value["object"].as_str(),
                Some("text_completion" | "list" | "response.compaction" | "response.input_tokens")
            ) || value["object"] == "response" && sample.dialect != Dialect::OpenaiResponses
                || !value["embeddings"].is_null()
                || !value["results"].is_null()
            {
                continue;
            }
            let reply = Reply { status: 200, headers: &headers(sample), body: &body };
            judge("whole", &[value], &sample.dialect.client().decode_response(reply, &Quirks::default()));
        }
        if let Some(bytes) = read(sample, "stream.sse")
            .or_else(|| read(sample, "stream.ndjson"))
            .or_else(|| read(sample, "eventstream.bin"))
        {
            let ends = |o: &&Value| {
                matches!(o["type"].as_str(), Some("message_stop" | "response.completed" | "message-end"))
            };
            if objects(&bytes).iter().filter(ends).count() > 1 {
                continue; // several answers in one file
            }
            let whole = stream(sample.dialect, &bytes, bytes.len().max(1));
            judge("stream", &objects(&bytes), &whole);
            for piece in [1, 7, 333] {
                assert_eq!(
                    stream(sample.dialect, &bytes, piece),
                    whole,
                    "{} cut every {piece} bytes",
                    sample.name
                );
            }
        }
    }
    let passed: u32 = tally.values().map(|t| t[0]).sum();
    let all: u32 = tally.values().map(|t| t[1]).sum();
    println!("samples decoded to what they say: {passed} of {all}; by dialect {tally:?}");
    assert!(all > 200, "only {all} samples were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn recorded_errors_have_their_class() {
    let Some(folder) = samples() else { return };
    let (mut seen, mut wrong) = (0, Vec::new());
    for sample in load(&folder).iter().filter(|s| s.status >= 400) {
        let Some(body) = read(sample, "error.json") else { continue };
        let failure = sample.dialect.client().decode_failure(Reply {
            status: sample.status,
            headers: &headers(sample),
            body: &body,
        });
        seen += 1;
        let said = String::from_utf8_lossy(&body).to_lowercase();
        let allowed: &[FailureClass] = match sample.status {
            401 => &[FailureClass::Auth],
            402 => &[FailureClass::QuotaExhausted],
            404 => &[FailureClass::ModelUnavailable],
            413 => &[FailureClass::ContextOverflow],
            403 if said.contains("flagged") => &[FailureClass::ContentPolicy],
            403 => &[FailureClass::Auth, FailureClass::ModelUnavailable],
            429 if said.contains("insufficient_quota") || said.contains("perday") => {
                &[FailureClass::QuotaExhausted]
            }
            429 => &[FailureClass::RateLimited, FailureClass::QuotaExhausted],
            400 if said.contains("context length")
                || said.contains("too long")
                || said.contains("exceeds the maximum number of tokens") =>
            {
                &[FailureClass::ContextOverflow]
            }
            400 if said.contains("api_key_invalid") || said.contains("incorrect api key") => {
                &[FailureClass::Auth]
            }
            400 if said.contains("credit balance") => &[FailureClass::QuotaExhausted],
            400 if said.contains("content_filter") => &[FailureClass::ContentPolicy],
            400 if said.contains("model") => &[
                FailureClass::BadRequest,
                FailureClass::ModelUnavailable,
                FailureClass::ContextOverflow,
                FailureClass::ContentPolicy,
            ],
            400 | 422 => &[FailureClass::BadRequest, FailureClass::ContentPolicy],
            500.. => &[FailureClass::ServerError],
            _ => &FailureClass::ALL,
        };
        if !allowed.contains(&failure.class) {
            wrong.push(format!("{} ({}): {failure}", sample.name, sample.status));
        }
        assert!(!failure.message.is_empty(), "{}", sample.name);
    }
    println!("recorded errors classified: {seen}");
    assert!(seen > 30, "only {seen} errors were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tmp_requests() {
    let Some(folder) = load::folder() else { return };
    let all = load::load(&folder);
    println!("{}", all.len());
    for sample in &all { if let Some(why) = requests::check(sample) { println!("## {}: {}", sample.name, why); } }
}
