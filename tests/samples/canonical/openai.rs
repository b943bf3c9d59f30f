//! Canonical requests of OpenAI Chat Completions and Responses.

use serde_json::{Map, Value, json};

use super::{
    as_parts, drop_default, for_each_object, joined_text, merge_instructions, parse_json_text, rename,
};

type Fields = Map<String, Value>;

fn text_part(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

pub(super) fn chat(body: &mut Fields) {
    drop_default(body, "stream_options", &json!({"include_usage": true}));
    rename(body, "max_tokens", "max_completion_tokens");
    rename(body, "random_seed", "seed");
    if body.get("tool_choice") == Some(&json!("any")) {
        body.insert("tool_choice".to_owned(), json!("required"));
    }
    for_each_object(body, "tools", canonicalize_function);
    if let Some(format) = body.get_mut("response_format").and_then(|f| f["json_schema"].as_object_mut()) {
        format.entry("name").or_insert(json!("answer"));
    }
    for_each_object(body, "messages", |message| {
        drop_default(message, "content", &json!(""));
        if let Some(content) = message.remove("content") {
            message.insert("content".to_owned(), as_parts(content, text_part));
        }
        if message.get("role") == Some(&json!("tool"))
            && let Some(text) = message.get("content").and_then(joined_text)
        {
            message.insert("content".to_owned(), json!([text_part(&text)]));
        }
        for_each_object(message, "content", |part| {
            if let Some(url) = part.get("image_url").and_then(Value::as_str).map(str::to_owned) {
                part.insert("image_url".to_owned(), json!({"url": url}));
            }
        });
        for_each_object(message, "tool_calls", |call| {
            call.remove("index");
            drop_default(call, "type", &json!("function"));
            if let Some(arguments) = call.get_mut("function").and_then(|f| f.get_mut("arguments")) {
                parse_json_text(arguments);
            }
        });
    });
    if let Some(messages) = body.get_mut("messages").and_then(Value::as_array_mut) {
        merge_instructions(messages, |message| joined_text(message.get("content")?));
    }
}

fn canonicalize_function(tool: &mut Fields) {
    let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) else { return };
    if !function.contains_key("parameters") {
        function.insert("parameters".to_owned(), json!({"type": "object", "properties": {}}));
    }
}

pub(super) fn responses(body: &mut Fields) {
    drop_default(body, "store", &json!(false));
    for_each_object(body, "tools", |tool| {
        drop_default(tool, "strict", &json!(false));
    });
    if let Some(input) = body.remove("input") {
        let input = as_parts(input, |text| json!({"role": "user", "content": text}));
        body.insert("input".to_owned(), input);
    }
    for_each_object(body, "input", canonicalize_item);
    if let Some(instructions) = body.remove("instructions")
        && let Some(input) = body.get_mut("input").and_then(Value::as_array_mut)
    {
        let content = json!([{"type": "input_text", "text": instructions}]);
        input.insert(0, json!({"role": "system", "content": content}));
    }
    if let Some(input) = body.get_mut("input").and_then(Value::as_array_mut) {
        merge_instructions(input, |message| joined_text(message.get("content")?));
        merge_assistant_messages(input);
    }
}

fn canonicalize_item(item: &mut Fields) {
    let kind = item.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
    match kind.as_str() {
        "message" => {
            item.remove("type");
            item.remove("id");
            item.remove("status");
            let is_assistant = item.get("role") == Some(&json!("assistant"));
            let kind = if is_assistant { "output_text" } else { "input_text" };
            if let Some(content) = item.remove("content") {
                item.insert(
                    "content".to_owned(),
                    as_parts(content, |text| json!({"type": kind, "text": text})),
                );
            }
            for_each_object(item, "content", |part| drop_default(part, "detail", &json!("auto")));
        }
        "function_call" => {
            item.remove("id");
            item.remove("status");
            item.get_mut("arguments").into_iter().for_each(parse_json_text);
        }
        "function_call_output" => {
            item.remove("id");
            item.remove("status");
        }
        _ => {}
    }
}

/// Joins consecutive assistant messages.
fn merge_assistant_messages(input: &mut Vec<Value>) {
    let mut joined: Vec<Value> = Vec::new();
    for item in input.drain(..) {
        let is_assistant = |item: &Value| item["role"] == "assistant" && item["content"].is_array();
        match joined.last_mut().filter(|last| is_assistant(last) && is_assistant(&item)) {
            Some(last) => {
                let more = item["content"].as_array().cloned().unwrap_or_default();
                if let Some(content) = last["content"].as_array_mut() {
                    content.extend(more);
                }
            }
            None => joined.push(item),
        }
    }
    *input = joined;
}
