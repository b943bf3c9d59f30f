//! Citations in the formats of this dialect's providers.

use serde_json::Value;

use crate::chat::Citation;

/// A text annotation (OpenAI's web search, OpenRouter, Azure).
pub(super) fn parse_annotation(annotation: &Value) -> Option<Citation> {
    let source = annotation.get("url_citation").unwrap_or(annotation);
    let text = |name: &str| source.get(name).and_then(Value::as_str).map(str::to_owned);
    let citation = Citation {
        url: text("url"),
        title: text("title").or_else(|| text("filename")),
        text: text("content").or_else(|| text("quote")),
    };
    (citation != Citation::default()).then_some(citation)
}

/// Sources listed beside the text: with titles if there are any (Perplexity), otherwise URLs (Perplexity,
/// xAI).
pub(super) fn parse_sources(results: Option<&[Value]>, addresses: Option<&[Value]>) -> Vec<Citation> {
    let results: Vec<Citation> = results.unwrap_or_default().iter().filter_map(parse_annotation).collect();
    if !results.is_empty() {
        return results;
    }
    let address = |url: &Value| Some(Citation { url: Some(url.as_str()?.to_owned()), ..Citation::default() });
    addresses.unwrap_or_default().iter().filter_map(address).collect()
}
