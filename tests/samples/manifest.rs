//! Loads the samples listed in the manifest. The dialect is derived from the URL, or else from the folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use slalom::dialect::{Dialect, EchoReasoning, Quirks, WireHeaders};

use super::frames;
use crate::harness::dialect;

/// Folders without chats. The rest of the manifest has 519 samples, 449 of them recorded.
const NON_CHAT_SOURCES: [&str; 6] = ["count", "embed", "models", "rerank", "tokenize", "bedrock-invoke"];

pub(super) struct Sample {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) url: String,
    pub(super) dialect: Dialect,
    pub(super) status: u16,
    pub(super) recorded: bool,
    stem: PathBuf,
    files: Vec<String>,
}

/// Samples that were written for these tests, in the layout of the recorded ones.
pub(crate) fn written_samples_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/written")
}

/// Loads every chat sample.
pub(super) fn load_samples(folder: &Path) -> Vec<Sample> {
    let mut reader = csv::Reader::from_path(folder.join("manifest.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|h| h == name).unwrap();
    let (sample, source, url, status, files, kind) =
        (at("sample"), at("dialect"), at("url"), at("status"), at("files"), at("kind"));
    reader
        .records()
        .map(Result::unwrap)
        .filter(|row| !NON_CHAT_SOURCES.iter().any(|word| row[source].contains(word)))
        .map(|row| Sample {
            name: row[sample].to_owned(),
            source: row[source].to_owned(),
            url: row[url].to_owned(),
            dialect: dialect_of(&row[source], &row[url], &folder.join(&row[sample])),
            status: row[status].parse().unwrap_or(200),
            recorded: &row[kind] == "recorded",
            stem: folder.join(&row[sample]),
            files: row[files].split(' ').map(str::to_owned).collect(),
        })
        .collect()
}

fn dialect_of(source: &str, url: &str, stem: &Path) -> Dialect {
    // Azure serves two dialects under one URL, so without a URL the body decides.
    let bodies = ["response.json", "stream.sse"].iter().filter(|_| url.is_empty());
    let bodies = bodies.filter_map(|suffix| fs::read_to_string(format!("{}.{suffix}", stem.display())).ok());
    let is_response =
        |text: &str| text.contains("\"type\":\"response.") || text.contains("\"object\":\"response\"");
    if bodies.into_iter().any(|text| is_response(&text.replace("\": ", "\":"))) {
        return dialect("openai-responses");
    }
    if url.contains("/chat/completions") {
        return dialect("openai-chat");
    }
    if url.contains("/responses") || source.contains("-responses") {
        return dialect("openai-responses");
    }
    match source {
        "anthropic" => dialect("anthropic"),
        "gemini" | "vertex" => dialect("gemini"),
        "cohere" => dialect("cohere"),
        "ollama" => dialect("ollama"),
        "bedrock" => dialect("bedrock"),
        _ => dialect("openai-chat"),
    }
}

impl Sample {
    pub(super) fn file(&self, suffix: &str) -> Option<Vec<u8>> {
        self.files
            .iter()
            .any(|f| f == suffix)
            .then(|| fs::read(format!("{}.{suffix}", self.stem.display())).unwrap())
    }

    /// The streamed answers, in the framing of the dialect.
    pub(super) fn streams(&self) -> Vec<Vec<u8>> {
        let framed = ["stream.sse", "stream.ndjson", "eventstream.bin"];
        let mut streams: Vec<Vec<u8>> = framed.iter().filter_map(|suffix| self.file(suffix)).collect();
        streams.extend(self.file("chunks.jsonl").map(|lines| frames::aws_from_json_lines(&lines)));
        streams.extend(self.file("stream.array.json").map(|list| frames::sse_from_json_array(&list)));
        streams.iter().flat_map(|stream| frames::split_answers(stream)).collect()
    }

    /// The recorded response headers.
    pub(super) fn headers(&self) -> WireHeaders {
        let Some(bytes) = self.file("headers.json") else { return WireHeaders::default() };
        let object: serde_json::Map<String, Value> = serde_json::from_slice(&bytes).unwrap();
        object
            .into_iter()
            .map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
            .collect()
    }

    /// The quirks of the built-in provider, with reasoning always sent back.
    pub(super) fn quirks(&self) -> Quirks {
        let provider = match self.source.as_str() {
            "openai-chat" => "openai",
            other => other,
        };
        let rows = slalom::provider::built_in_providers().unwrap();
        let row = rows.into_iter().find(|row| row.name == provider && row.dialect == self.dialect);
        let quirks = row.map(|row| row.quirks).unwrap_or_default();
        Quirks { echo_reasoning: EchoReasoning::Always, ..quirks }
    }
}
