//! The digest of a case, which covers everything that is sent, the reference, and the assertions.

use serde::Serialize;
use serde_json::{Number, Value, json};

use crate::chat::{PromptCacheTtl, Request, ResponseFormat, Tool, ToolChoice};
use crate::eval::Digest;

/// Depends on file contents, not on paths or notation.
pub(super) fn compute_case_digest(
    request: &Request,
    reference: Option<&str>,
    assertions: &[Value],
) -> Digest {
    let mut json = CanonicalJson(Vec::with_capacity(1024));
    json.write_text(r#"{"assertions":"#);
    json.write_list(assertions);
    json.write_text(r#","reference":"#);
    json.write_scalar(&reference);
    json.write_text(r#","request":"#);
    json.write_object(request_identity(request).iter().map(|(key, field)| (*key, field)));
    json.write_text("}");
    Digest::of([json.0])
}

/// Everything that is sent. Destructures every field, so that a new field of `Request` cannot be forgotten.
fn request_identity(request: &Request) -> [(&'static str, Value); 14] {
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
    [
        ("system", json!(system)),
        ("messages", json!(messages)),
        ("temperature", json!(temperature)),
        ("top_p", json!(top_p)),
        ("max_tokens", json!(max_tokens)),
        ("stop", json!(stop)),
        ("seed", json!(seed)),
        ("tools", Value::Array(tools)),
        ("tool_choice", json!(tool_choice)),
        ("parallel_tool_calls", json!(parallel_tool_calls)),
        ("schema", json!(schema)),
        ("effort", json!(effort.map(|effort| effort.to_string()))),
        ("cache", json!(cache)),
        ("options", json!(options)),
    ]
}

/// Writes equivalent JSON in the same form: sorted keys, and integers without a fraction.
struct CanonicalJson(Vec<u8>);

impl CanonicalJson {
    fn write_text(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn write_scalar(&mut self, scalar: &impl Serialize) {
        // Writing a scalar to memory always succeeds.
        let _ = serde_json::to_writer(&mut self.0, scalar);
    }

    fn write_value(&mut self, value: &Value) {
        match value {
            Value::Array(items) => self.write_list(items),
            Value::Object(fields) => {
                self.write_object(fields.iter().map(|(key, field)| (key.as_str(), field)));
            }
            Value::Number(number) => match as_integer(number) {
                Some(integer) => self.write_scalar(&integer),
                None => self.write_scalar(number),
            },
            Value::Null | Value::Bool(_) | Value::String(_) => self.write_scalar(value),
        }
    }

    fn write_list(&mut self, items: &[Value]) {
        self.write_text("[");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.write_text(",");
            }
            self.write_value(item);
        }
        self.write_text("]");
    }

    fn write_object<'v>(&mut self, fields: impl Iterator<Item = (&'v str, &'v Value)>) {
        let mut fields: Vec<(&str, &Value)> = fields.collect();
        fields.sort_unstable_by_key(|(key, _)| *key);
        self.write_text("{");
        for (index, (key, field)) in fields.into_iter().enumerate() {
            if index > 0 {
                self.write_text(",");
            }
            self.write_scalar(&key);
            self.write_text(":");
            self.write_value(field);
        }
        self.write_text("}");
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
        let canonical = |value: Value| {
            let mut json = CanonicalJson(Vec::new());
            json.write_value(&value);
            String::from_utf8(json.0).unwrap()
        };
        let a = json!({"b": [1.0, {"y": 1, "x": 2.5}], "a": 1e3});
        let b = json!({"a": 1000, "b": [1, {"x": 2.5, "y": 1}]});
        assert_eq!(canonical(a), canonical(b));
        assert_ne!(canonical(json!(1)), canonical(json!("1")));
        assert_eq!(canonical(json!(1e300)), json!(1e300).to_string());
    }

    /// Runs stored by earlier versions can be resumed only if the digests of their cases stay the same.
    #[test]
    fn digest_covers_canonical_json() {
        let request = Request {
            system_prompt: Some("be \"brief\"\n".into()),
            temperature: Some(1.0),
            top_p: Some(0.25),
            stop_sequences: vec!["é".into()],
            ..Request::from_prompt("hi")
        };
        let assertions = [json!(["length", 1.0, "format", null, {"min": null, "max": 2.0}])];
        let written = concat!(
            r#"{"assertions":[["length",1,"format",null,{"max":2,"min":null}]],"reference":"r","request":{"#,
            r#""cache":null,"effort":null,"max_tokens":null,"#,
            r#""messages":[{"content":[{"text":"hi","type":"text"}],"role":"user"}],"#,
            r#""options":{},"parallel_tool_calls":null,"schema":null,"seed":null,"stop":["é"],"#,
            r#""system":"be \"brief\"\n","temperature":1,"tool_choice":null,"tools":[],"top_p":0.25}}"#,
        );
        assert_eq!(compute_case_digest(&request, Some("r"), &assertions), Digest::of([written]));
    }

    #[test]
    fn every_request_field_changes_digest() {
        let of = |change: &dyn Fn(&mut Request)| {
            let mut request = Request::from_prompt("hi");
            change(&mut request);
            compute_case_digest(&request, None, &[])
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
        digests.push(compute_case_digest(&Request::from_prompt("hi"), Some(""), &[]));
        digests.push(compute_case_digest(&Request::from_prompt("hi"), None, &[Value::Null]));
        let count = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }
}
