//! What makes a case the same case: what is sent, what is right, what is asked of the answer.

use serde_json::{Map, Number, Value, json};

use crate::chat::{CacheLifetime, Request, Schema, Tool, ToolChoice};
use crate::eval::Digest;

/// The digest of a case: contents, not paths, and nothing of how they are written.
pub(super) fn case_digest(request: &Request, reference: Option<&str>, assertions: &[Value]) -> Digest {
    let identity = json!({"request": of_request(request), "reference": reference, "assertions": assertions});
    Digest::of([canonical(identity).to_string()])
}

/// All that is sent. A field that is added to the request is to be added here: hence every one is named.
fn of_request(request: &Request) -> Value {
    let Request {
        system,
        messages,
        temperature,
        top_p,
        max_tokens,
        stop,
        seed,
        tools,
        tool_choice,
        parallel_tool_calls,
        schema,
        effort,
        cache,
        options,
    } = request;
    let tools: Vec<Value> = tools
        .iter()
        .map(|tool| match tool {
            Tool::Function(function) => json!(function),
            Tool::Own(tool) => json!({"own": tool}),
        })
        .collect();
    let tool_choice = tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"name": name}),
    });
    let schema = schema.as_ref().map(|schema| match schema {
        Schema::AnyJson => json!("json"),
        Schema::Described(s) => json!([s.name, s.description, s.schema, s.strict]),
    });
    let cache = cache.map(|lifetime| match lifetime {
        CacheLifetime::Short => "short",
        CacheLifetime::Long => "long",
    });
    json!({
        "system": system, "messages": messages, "temperature": temperature, "top_p": top_p,
        "max_tokens": max_tokens, "stop": stop, "seed": seed, "tools": tools, "tool_choice": tool_choice,
        "parallel_tool_calls": parallel_tool_calls, "schema": schema,
        "effort": effort.map(|effort| effort.to_string()), "cache": cache, "options": options,
    })
}

/// One way to write what means the same: keys in order, whole numbers without a point.
pub(super) fn canonical(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(canonical).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(
                fields.into_iter().map(|(key, value)| (key, canonical(value))).collect::<Map<_, _>>(),
            )
        }
        Value::Number(number) => Value::Number(whole(&number).unwrap_or(number)),
        other => other,
    }
}

/// A whole number that is written with a point or an exponent, where a double holds it exactly.
fn whole(number: &Number) -> Option<Number> {
    let value =
        number.as_f64().filter(|value| number.is_f64() && value.fract() == 0.0 && value.abs() < 9e15)?;
    Some(Number::from(value as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Effort, Function, JsonSchema, Message, Role};

    #[test]
    fn what_means_the_same_is_written_the_same() {
        let a = json!({"b": [1.0, {"y": 1, "x": 2.5}], "a": 1e3});
        let b = json!({"a": 1000, "b": [1, {"x": 2.5, "y": 1}]});
        assert_eq!(canonical(a).to_string(), canonical(b).to_string());
        assert_ne!(canonical(json!(1)), canonical(json!("1")));
        assert_eq!(canonical(json!(1e300)), json!(1e300));
    }

    #[test]
    fn everything_that_is_sent_counts() {
        let of = |change: &dyn Fn(&mut Request)| {
            let mut request = Request::prompt("hi");
            change(&mut request);
            case_digest(&request, None, &[])
        };
        let tool = || Function { name: "f".into(), description: None, parameters: json!({}), strict: None };
        let schema = || JsonSchema { name: "s".into(), description: None, schema: json!({}), strict: None };
        let changes: [&dyn Fn(&mut Request); 19] = [
            &|_| {},
            &|r| r.system = Some("be brief".into()),
            &|r| r.messages.insert(0, Message::user("before")),
            &|r| r.messages.insert(0, Message::texts(Role::Assistant, ["before".to_owned()])),
            &|r| r.temperature = Some(0.0),
            &|r| r.top_p = Some(1.0),
            &|r| r.max_tokens = Some(1),
            &|r| r.stop = vec!["x".into()],
            &|r| r.seed = Some(1),
            &|r| r.tools = vec![Tool::Function(tool())],
            &|r| r.tools = vec![Tool::Own(json!(tool()))],
            &|r| r.tool_choice = Some(ToolChoice::Auto),
            &|r| r.tool_choice = Some(ToolChoice::Named("auto".into())),
            &|r| r.parallel_tool_calls = Some(false),
            &|r| r.schema = Some(Schema::AnyJson),
            &|r| r.schema = Some(Schema::Described(schema())),
            &|r| r.effort = Some(Effort::Low),
            &|r| r.cache = Some(CacheLifetime::Short),
            &|r| drop(r.options.insert("openai".into(), Map::new())),
        ];
        let mut digests: Vec<Digest> = changes.iter().map(|change| of(change)).collect();
        digests.push(case_digest(&Request::prompt("hi"), Some(""), &[]));
        digests.push(case_digest(&Request::prompt("hi"), None, &[Value::Null]));
        let count = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }
}
