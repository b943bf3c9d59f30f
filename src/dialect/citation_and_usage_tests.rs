//! Tests for citations, provider-specific parts, costs, and cached tokens.

use serde_json::{Value, json};

use super::*;
use crate::chat::{Assembler, Citation, NanoDollars, Part, Response, TokenCount};

fn decode_complete(dialect: Dialect, body: &Value) -> Response {
    let (headers, body) = (WireHeaders::default(), body.to_string());
    let reply = WireResponse { status: 200, headers: &headers, body: body.as_bytes() };
    dialect.client_codec().decode_response(reply, &Quirks::default()).unwrap()
}

fn citation(url: Option<&str>, title: &str, text: Option<&str>) -> Citation {
    Citation { url: url.map(str::to_owned), title: Some(title.into()), text: text.map(str::to_owned) }
}

#[test]
fn citation_cases() {
    let url = "https://a.example/x";
    let chat = |message: Value, more: Value| {
        let mut body = json!({"id": "1", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let marked = json!({"role": "assistant", "content": "hi", "annotations": [
        {"type": "url_citation", "url_citation": {"url": url, "title": "A", "start_index": 0, "end_index": 2}}]});
    assert_eq!(
        decode_complete(Dialect::named("openai-chat"), &chat(marked, json!({}))).citations,
        [citation(Some(url), "A", None)]
    );
    let plain = json!({"role": "assistant", "content": "hi"});
    let searched = json!({"citations": [url], "search_results": [{"url": url, "title": "A", "date": null}]});
    assert_eq!(
        decode_complete(Dialect::named("openai-chat"), &chat(plain, searched)).citations,
        [citation(Some(url), "A", None)]
    );
    let part = json!({"type": "output_text", "text": "hi", "annotations": [{"type": "url_citation", "url": url, "title": "A"}]});
    let items = json!([{"type": "message", "role": "assistant", "content": [part]}]);
    let responses = json!({"id": "1", "model": "m", "status": "completed", "output": items});
    assert_eq!(
        decode_complete(Dialect::named("openai-responses"), &responses).citations,
        [citation(Some(url), "A", None)]
    );
    let cited = json!([{"type": "web_search_result_location", "url": url, "title": "A", "cited_text": "so"}]);
    let anthropic = json!({"id": "1", "model": "m", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "hi", "citations": cited}], "usage": {"output_tokens": 1}});
    assert_eq!(
        decode_complete(Dialect::named("anthropic"), &anthropic).citations,
        [citation(Some(url), "A", Some("so"))]
    );
    let grounding = json!({"groundingChunks": [{"web": {"uri": url, "title": "A"}}]});
    let gemini = json!({"candidates": [{"content": {"parts": [{"text": "hi"}]}, "finishReason": "STOP", "groundingMetadata": grounding}]});
    assert_eq!(
        decode_complete(Dialect::named("gemini"), &gemini).citations,
        [citation(Some(url), "A", None)]
    );
    let source = json!({"type": "document", "id": "doc-1", "document": {"title": "A"}});
    let cohere = json!({"finish_reason": "COMPLETE", "message": {"content": [{"type": "text", "text": "hi"}],
        "citations": [{"start": 0, "end": 2, "text": "hi", "sources": [source]}]}});
    assert_eq!(
        decode_complete(Dialect::named("cohere"), &cohere).citations,
        [citation(None, "A", Some("hi"))]
    );
    let located = json!({"title": "A", "sourceContent": [{"text": "so"}], "location": {"web": {"url": url}}});
    let bedrock = json!({"stopReason": "end_turn", "output": {"message": {"content": [
        {"citationsContent": {"content": [{"text": "hi"}], "citations": [located]}}]}}});
    assert_eq!(
        decode_complete(Dialect::named("bedrock"), &bedrock).citations,
        [citation(Some(url), "A", Some("so"))]
    );
}

#[test]
fn provider_specific_blocks_are_kept() {
    let searched =
        json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}});
    let anthropic = json!({"id": "1", "model": "m", "stop_reason": "pause_turn", "usage": {"output_tokens": 1},
        "content": [{"type": "text", "text": "hi"}, searched]});
    let own = |response: &Response| match response.parts.last() {
        Some(Part::ProviderSpecific { block }) => block.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(own(&decode_complete(Dialect::named("anthropic"), &anthropic)), searched);
    let streamed = [
        json!({"type": "message_start", "message": {"id": "1", "model": "m", "usage": {"output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block":
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"query\":"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "\"x\"}"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "pause_turn"}}),
        json!({"type": "message_stop"}),
    ];
    let bytes: String = streamed.iter().map(|event| format!("data: {event}\n\n")).collect();
    let mut decoder = Dialect::named("anthropic").client_codec().stream_decoder(&Quirks::default());
    let (mut assembler, mut events) = (Assembler::default(), Vec::new());
    decoder.feed(bytes.as_bytes(), &mut events).unwrap();
    events.iter().for_each(|event| assembler.push(event));
    assert_eq!(own(&assembler.finish().unwrap()), searched);
    let ran = json!({"executableCode": {"language": "PYTHON", "code": "1"}});
    let parts = json!([{"text": "hi"}, ran]);
    let gemini = json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]});
    assert_eq!(own(&decode_complete(Dialect::named("gemini"), &gemini)), ran);
}

#[test]
fn reported_cost_cases() {
    let chat = |usage: Value| {
        let message = json!({"role": "assistant", "content": "hi"});
        let choices = json!([{"index": 0, "message": message, "finish_reason": "stop"}]);
        decode_complete(
            Dialect::named("openai-chat"),
            &json!({"id": "1", "model": "m", "choices": choices, "usage": usage}),
        )
        .usage
        .reported_cost_nano_usd
        .map(NanoDollars::get)
    };
    // OpenRouter reports dollars. With the caller's own key, it reports its fee and the model's cost
    // separately.
    assert_eq!(chat(json!({"cost": 0.00014})), Some(140_000));
    let byok = json!({"cost": 0.00001, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.0002}});
    assert_eq!(chat(byok), Some(210_000));
    let not =
        json!({"cost": 0.00001, "is_byok": false, "cost_details": {"upstream_inference_cost": 0.00001}});
    assert_eq!(chat(not), Some(10_000));
    // Perplexity reports the total; xAI reports ten-billionths of a dollar, rounded half up.
    assert_eq!(chat(json!({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.006}})), Some(6_000_000));
    assert_eq!(chat(json!({"cost_in_usd_ticks": 1_466_255})), Some(146_626));
    assert_eq!(chat(json!({"cost": "free"})), None);
    let usage = json!({"input_tokens": 1, "output_tokens": 1, "cost_in_usd_ticks": 10_959_000});
    let items =
        json!([{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}]);
    let responses = json!({"id": "1", "model": "m", "status": "completed", "output": items, "usage": usage});
    assert_eq!(
        decode_complete(Dialect::named("openai-responses"), &responses).usage.reported_cost_nano_usd,
        Some(NanoDollars::new(1_095_900))
    );
}

#[test]
fn one_hour_cache_writes_are_counted_separately() {
    let usage = json!({"input_tokens": 3, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 7, "output_tokens": 2,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}});
    let anthropic = json!({"id": "1", "model": "m", "stop_reason": "end_turn", "content": [{"type": "text", "text": "hi"}], "usage": usage});
    let read = decode_complete(Dialect::named("anthropic"), &anthropic).usage;
    assert_eq!(
        (read.input_tokens, read.cache_write_tokens),
        (Some(TokenCount::new(40)), Some(TokenCount::new(30)))
    );
    assert_eq!(read.cache_write_1h_tokens, Some(TokenCount::new(20)));
    let details = json!([{"ttl": "5m", "inputTokens": 10}, {"ttl": "1h", "inputTokens": 20}]);
    let usage =
        json!({"inputTokens": 3, "outputTokens": 2, "cacheWriteInputTokens": 30, "cacheDetails": details});
    let bedrock = json!({"stopReason": "end_turn", "output": {"message": {"content": [{"text": "hi"}]}}, "usage": usage});
    assert_eq!(
        decode_complete(Dialect::named("bedrock"), &bedrock).usage.cache_write_1h_tokens,
        Some(TokenCount::new(20))
    );
}
