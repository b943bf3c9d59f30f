//! What a request takes from files and flags beside its words: tools, a schema, turns that came before, options.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::outcome::CommandError;
use crate::chat::{CacheLifetime, Function, JsonSchema, Message, Part, Role, Schema, Tool, ToolChoice};

/// The schema of a file, named for the file.
pub(super) fn schema(path: &Path) -> Result<Schema, CommandError> {
    let schema: Value = read(path)?;
    crate::eval::Shape::new(&schema).map_err(|why| {
        CommandError::usage(format!("{} is no JSON Schema: {why}", path.display()))
            .hint("see https://json-schema.org for what one looks like")
    })?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name: String = stem.chars().map(|c| if is_name(c) { c } else { '_' }).take(64).collect();
    let name = if name.is_empty() { JsonSchema::NAME.to_owned() } else { name };
    let description = schema.get("description").and_then(Value::as_str).map(str::to_owned);
    let strict = is_strict(&schema).then_some(true);
    Ok(Schema::Described(JsonSchema { name, description, schema, strict }))
}

/// Vendors hold a model to a schema only if every object in it is closed and needs all its fields.
fn is_strict(schema: &Value) -> bool {
    let here = schema.get("properties").and_then(Value::as_object).is_none_or(|properties| {
        let required = schema.get("required").and_then(Value::as_array).map_or(0, Vec::len);
        required == properties.len() && schema.get("additionalProperties") == Some(&json!(false))
    });
    let open = schema.get("type").is_some_and(|kind| kind == "object") && schema.get("properties").is_none();
    let inner = match schema {
        Value::Object(fields) => fields.values().all(is_strict),
        Value::Array(items) => items.iter().all(is_strict),
        _ => true,
    };
    here && !open && inner
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Tools out of a file: functions as `{name, description, parameters}`, or in OpenAI's or Anthropic's shape; anything
/// else with a `type` goes to the provider as it is.
pub(super) fn tools(path: &Path) -> Result<Vec<Tool>, CommandError> {
    let list: Vec<Value> = read(path)?;
    let wrong = |n: usize, why: &str| {
        let message = format!("{}: tool {}: {why}", path.display(), n + 1);
        CommandError::usage(message)
            .hint(r#"write {"name": "…", "description": "…", "parameters": {"type": "object", …}}"#)
    };
    let mut tools: Vec<Tool> = Vec::with_capacity(list.len());
    for (n, mut written) in list.into_iter().enumerate() {
        if written["type"] == "function" && written["function"].is_object() {
            written = written["function"].take();
        }
        let own = written.get("type").is_some_and(|kind| kind != "function" && kind != "custom");
        // Google and Amazon spell theirs `{"googleSearch": {}}`.
        let own = own
            || written.as_object().is_some_and(|fields| fields.len() == 1 && !fields.contains_key("name"));
        if own && written.get("parameters").is_none() && written.get("input_schema").is_none() {
            tools.push(Tool::Own(written));
            continue;
        }
        let Value::Object(fields) = &mut written else { return Err(wrong(n, "it is no object")) };
        fields.shift_remove("type");
        if let Some(parameters) = fields.shift_remove("input_schema") {
            fields.insert("parameters".to_owned(), parameters);
        }
        fields.entry("parameters").or_insert_with(|| json!({"type": "object", "properties": {}}));
        let function: Function = serde_json::from_value(written).map_err(|e| wrong(n, &e.to_string()))?;
        if function.name.is_empty() || function.name.len() > 64 || !function.name.chars().all(is_name) {
            return Err(wrong(n, "its name must be 1 to 64 letters, digits, `_` or `-`"));
        }
        if !function.parameters.is_object() {
            return Err(wrong(n, "`parameters` must be a JSON Schema"));
        }
        if tools.iter().filter_map(Tool::as_function).any(|known| known.name == function.name) {
            return Err(wrong(n, &format!("there is another tool named `{}`", function.name)));
        }
        tools.push(Tool::Function(function));
    }
    if tools.is_empty() {
        return Err(CommandError::usage(format!("{} lists no tool", path.display())));
    }
    Ok(tools)
}

/// Which tools to call.
pub(super) fn tool_choice(word: &str, tools: &[Tool]) -> Result<ToolChoice, CommandError> {
    Ok(match word {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "required" => ToolChoice::Required,
        name => {
            let known: Vec<&str> =
                tools.iter().filter_map(Tool::as_function).map(|f| f.name.as_str()).collect();
            if !known.contains(&name) {
                let message = format!("--tool-choice {name}: there is no such tool");
                return Err(CommandError::usage(message)
                    .hint(format!("write auto, none, required, or one of {}", known.join(", "))));
            }
            ToolChoice::Named(name.to_owned())
        }
    })
}

/// Turns that came before.
pub(super) fn messages(path: &Path) -> Result<Vec<Message>, CommandError> {
    let messages: Vec<Message> = read(path)?;
    let has = |m: &Message, call: bool| {
        m.parts.iter().any(|p| matches!((p, call), (Part::ToolCall(_), true) | (Part::ToolResult(_), false)))
    };
    for (n, message) in messages.iter().enumerate() {
        let why = match message.role {
            _ if message.parts.is_empty() => "it says nothing",
            Role::User if has(message, true) => "a user calls no tools",
            Role::Assistant if has(message, false) => "an assistant gives no tool results; the user does",
            _ => continue,
        };
        return Err(CommandError::usage(format!("{}: turn {}: {why}", path.display(), n + 1)));
    }
    answered(&messages).map_err(|(n, why)| {
        CommandError::usage(format!("{}: turn {}: {why}", path.display(), n + 1))
            .hint("every tool call wants its result, by its id, in the turn that follows")
    })?;
    Ok(messages)
}

/// Holds calls and results to each other; says which turn breaks the rule that every provider has.
fn answered(messages: &[Message]) -> Result<(), (usize, String)> {
    let mut open: Vec<&str> = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        if message.role == Role::Assistant && !open.is_empty() {
            return Err((n, format!("the tool call `{}` before it has no result", open[0])));
        }
        for part in &message.parts {
            match part {
                Part::ToolCall(call) if open.contains(&call.id.as_str()) && !call.id.is_empty() => {
                    return Err((n, format!("two tool calls have the id `{}`", call.id)));
                }
                Part::ToolCall(call) => open.push(&call.id),
                Part::ToolResult(result) => match open.iter().position(|id| *id == result.call_id) {
                    Some(at) => drop(open.remove(at)),
                    None => return Err((n, format!("no tool call `{}` is open", result.call_id))),
                },
                _ => {}
            }
        }
        let user = message.role == Role::User;
        if user && let Some(id) = open.first() {
            return Err((n, format!("the tool call `{id}` before it has no result")));
        }
    }
    match open.first() {
        Some(id) => Err((messages.len() - 1, format!("the tool call `{id}` has no result"))),
        None => Ok(()),
    }
}

/// What an option cannot say: who answers what, and how it comes.
const OWNED: [&str; 6] = ["model", "messages", "input", "contents", "stream", "stream_options"];

/// `PROVIDER.KEY=VALUE`, by the provider's own name: a key may have more steps (`a.b`), a value is JSON, and text where it is none.
pub(super) fn options(
    written: &[String],
    known_provider: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, Map<String, Value>>, CommandError> {
    let mut options: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for text in written {
        let wrong = |why: String| {
            CommandError::usage(format!("--option {text}: {why}"))
                .hint("write PROVIDER.KEY=VALUE, for example openai.service_tier=flex")
        };
        let (place, value) = text.split_once('=').ok_or_else(|| wrong("it gives no value".to_owned()))?;
        let (provider, key) =
            place.split_once('.').ok_or_else(|| wrong("it names no provider and key".to_owned()))?;
        let provider =
            known_provider(provider).ok_or_else(|| wrong(format!("there is no provider `{provider}`")))?;
        if OWNED.contains(&key.split('.').next().unwrap_or_default()) {
            return Err(wrong("that is said by the prompt, `-m` or another flag".to_owned()));
        }
        if key.split('.').any(str::is_empty) {
            return Err(wrong("a step of its key is empty".to_owned()));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        put(options.entry(provider).or_default(), key, value);
    }
    Ok(options)
}

fn put(object: &mut Map<String, Value>, key: &str, value: Value) {
    let Some((first, rest)) = key.split_once('.') else {
        object.insert(key.to_owned(), value);
        return;
    };
    let inner = object.entry(first).or_insert_with(|| json!({}));
    if !inner.is_object() {
        *inner = json!({});
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}

/// How long a prompt is to be kept.
pub(super) fn cache(word: &str) -> Result<CacheLifetime, CommandError> {
    match word {
        "5m" => Ok(CacheLifetime::Short),
        "1h" => Ok(CacheLifetime::Long),
        other => Err(CommandError::usage(format!("--cache-prompt={other}: write 5m or 1h"))),
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, CommandError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::usage(format!("{} cannot be read: {error}", path.display())))?;
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let place = match error.path().to_string() {
            path if path == "." => String::new(),
            path => format!(" at {path}"),
        };
        CommandError::usage(format!("{} does not read{place}: {}", path.display(), error.inner()))
    })
}
