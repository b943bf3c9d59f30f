//! The digest of a case, which covers everything that is sent, the reference, and the assertions.

use serde_json::{Number, Value, json};

use crate::chat::{PromptCacheTtl, Request, ResponseFormat, Tool, ToolChoice};
use crate::eval::Digest;

/// Depends on file contents, not on paths or notation.
pub(super) fn compute_case_digest(
    request: &Request,
    reference: Option<&str>,
    assertions: Vec<Value>,
) -> Digest {
    // The macro would serialize the values again instead of moving them.
    let parts = [
        ("request", request_identity(request)),
        ("reference", json!(reference)),
        ("assertions", Value::Array(assertions)),
    ];
    let mut identity = Value::Object(parts.map(|(key, part)| (key.to_owned(), part)).into_iter().collect());
    canonicalize(&mut identity);
    Digest::of([identity.to_string()])
}

/// Everything that is sent. Destructures every field, so that a new field of `Request` cannot be forgotten.
fn request_identity(request: &Request) -> Value {
    let Request {
        system_prompt: system,
        messages,
        temperature,
        top_p,
        max_output_tokens: max_tokens,
        stop_sequences: stop,
        seed,
        tools,
        tool_choice,
        parallel_tool_calls,
        response_format: schema,
        reasoning_effort: effort,
        prompt_cache: cache,
        provider_options: options,
    } = request;
    let tools: Vec<Value> = tools
        .iter()
        .map(|tool| match tool {
            Tool::Function(function) => json!(function),
            Tool::ProviderSpecific(tool) => json!({"own": tool}),
        })
        .collect();
    let tool_choice = tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"name": name}),
    });
    let schema = schema.as_ref().map(|schema| match schema {
        ResponseFormat::JsonObject => json!("json"),
        ResponseFormat::JsonSchema(s) => json!([s.name, s.description, s.schema, s.strict]),
    });
    let cache = cache.map(|ttl| match ttl {
        PromptCacheTtl::ProviderDefault => "short",
        PromptCacheTtl::OneHour => "long",
    });
    json!({
        "system": system, "messages": messages, "temperature": temperature, "top_p": top_p,
        "max_tokens": max_tokens, "stop": stop, "seed": seed, "tools": tools, "tool_choice": tool_choice,
        "parallel_tool_calls": parallel_tool_calls, "schema": schema,
        "effort": effort.map(|effort| effort.to_string()), "cache": cache, "options": options,
    })
}

/// Gives equivalent JSON the same form: sorted keys, and integers without a fraction.
fn canonicalize(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(canonicalize),
        Value::Object(fields) => {
            if !fields.keys().is_sorted() {
                fields.sort_keys();
            }
            fields.values_mut().for_each(canonicalize);
        }
        Value::Number(number) => {
            if let Some(integer) = as_integer(number) {
                *number = integer;
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Converts a number written with a fraction or exponent, if a double holds it exactly.
fn as_integer(number: &Number) -> Option<Number> {
    let value =
        number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0 && value.abs() < 9e15)?;
    Some(Number::from(value as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{FunctionTool, JsonSchema, Message, ReasoningEffort, Role, TokenCount};

    #[test]
    fn equivalent_json_canonicalizes_equally() {
        let canonical = |mut value: Value| {
            canonicalize(&mut value);
            value.to_string()
        };
        let a = json!({"b": [1.0, {"y": 1, "x": 2.5}], "a": 1e3});
        let b = json!({"a": 1000, "b": [1, {"x": 2.5, "y": 1}]});
        assert_eq!(canonical(a), canonical(b));
        assert_ne!(canonical(json!(1)), canonical(json!("1")));
        assert_eq!(canonical(json!(1e300)), json!(1e300).to_string());
    }

    #[test]
    fn every_request_field_changes_digest() {
        let of = |change: &dyn Fn(&mut Request)| {
            let mut request = Request::from_prompt("hi");
            change(&mut request);
            compute_case_digest(&request, None, Vec::new())
        };
        let tool =
            || FunctionTool { name: "f".into(), description: None, parameters: json!({}), strict: None };
        let schema = || JsonSchema { name: "s".into(), description: None, schema: json!({}), strict: None };
        let changes: [&dyn Fn(&mut Request); 19] = [
            &|_| {},
            &|r| r.system_prompt = Some("be brief".into()),
            &|r| r.messages.insert(0, Message::from_user("before")),
            &|r| r.messages.insert(0, Message::from_texts(Role::Assistant, ["before".to_owned()])),
            &|r| r.temperature = Some(0.0),
            &|r| r.top_p = Some(1.0),
            &|r| r.max_output_tokens = Some(TokenCount::new(1)),
            &|r| r.stop_sequences = vec!["x".into()],
            &|r| r.seed = Some(1),
            &|r| r.tools = vec![Tool::Function(tool())],
            &|r| r.tools = vec![Tool::ProviderSpecific(json!(tool()))],
            &|r| r.tool_choice = Some(ToolChoice::Auto),
            &|r| r.tool_choice = Some(ToolChoice::Named("auto".into())),
            &|r| r.parallel_tool_calls = Some(false),
            &|r| r.response_format = Some(ResponseFormat::JsonObject),
            &|r| r.response_format = Some(ResponseFormat::JsonSchema(schema())),
            &|r| r.reasoning_effort = Some(ReasoningEffort::Low),
            &|r| r.prompt_cache = Some(PromptCacheTtl::ProviderDefault),
            &|r| drop(r.provider_options.insert("openai".into(), serde_json::Map::new())),
        ];
        let mut digests: Vec<Digest> = changes.iter().map(|change| of(change)).collect();
        digests.push(compute_case_digest(&Request::from_prompt("hi"), Some(""), Vec::new()));
        digests.push(compute_case_digest(&Request::from_prompt("hi"), None, vec![Value::Null]));
        let count = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }
}
