//! What a request takes from files and flags beside its words: tools, a schema, turns that came before, options.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::outcome::CommandError;
use crate::chat::{Message, Part, PromptCacheTtl, ResponseFormat, Role, Tool, ToolChoice};
use crate::config::{parse_output_schema, parse_tools};

/// The schema of a file, named for the file.
pub(super) fn load_schema(path: &Path) -> Result<ResponseFormat, CommandError> {
    let schema: Value = read_json_file(path)?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    parse_output_schema(&stem, schema).map_err(|why| {
        CommandError::usage(format!("{} is no JSON Schema: {why}", path.display()))
            .with_hint("see https://json-schema.org for what one looks like")
    })
}

/// Tools out of a file.
pub(super) fn load_tools(path: &Path) -> Result<Vec<Tool>, CommandError> {
    let tools = parse_tools(read_json_file(path)?).map_err(|(n, why)| {
        let message = format!("{}: tool {}: {why}", path.display(), n + 1);
        CommandError::usage(message)
            .with_hint(r#"write {"name": "…", "description": "…", "parameters": {"type": "object", …}}"#)
    })?;
    if tools.is_empty() {
        return Err(CommandError::usage(format!("{} lists no tool", path.display())));
    }
    Ok(tools)
}

/// Which tools to call.
pub(super) fn parse_tool_choice(word: &str, tools: &[Tool]) -> Result<ToolChoice, CommandError> {
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
                    .with_hint(format!("write auto, none, required, or one of {}", known.join(", "))));
            }
            ToolChoice::Named(name.to_owned())
        }
    })
}

/// Turns that came before.
pub(super) fn load_messages(path: &Path) -> Result<Vec<Message>, CommandError> {
    let messages: Vec<Message> = read_json_file(path)?;
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
    check_tool_results(&messages).map_err(|(n, why)| {
        CommandError::usage(format!("{}: turn {}: {why}", path.display(), n + 1))
            .with_hint("every tool call wants its result, by its id, in the turn that follows")
    })?;
    Ok(messages)
}

/// Holds calls and results to each other; says which turn breaks the rule that every provider has.
fn check_tool_results(messages: &[Message]) -> Result<(), (usize, String)> {
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
const RESERVED_OPTION_KEYS: [&str; 6] =
    ["model", "messages", "input", "contents", "stream", "stream_options"];

/// `PROVIDER.KEY=VALUE`, by the provider's own name: a key may have more steps (`a.b`), a value is JSON, and text where it is none.
pub(super) fn parse_provider_options(
    written: &[String],
    known_provider: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, Map<String, Value>>, CommandError> {
    let mut options: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for text in written {
        let wrong = |why: String| {
            CommandError::usage(format!("--option {text}: {why}"))
                .with_hint("write PROVIDER.KEY=VALUE, for example openai.service_tier=flex")
        };
        let (place, value) = text.split_once('=').ok_or_else(|| wrong("it gives no value".to_owned()))?;
        let (provider, key) =
            place.split_once('.').ok_or_else(|| wrong("it names no provider and key".to_owned()))?;
        let provider =
            known_provider(provider).ok_or_else(|| wrong(format!("there is no provider `{provider}`")))?;
        if RESERVED_OPTION_KEYS.contains(&key.split('.').next().unwrap_or_default()) {
            return Err(wrong("that is said by the prompt, `-m` or another flag".to_owned()));
        }
        if key.split('.').any(str::is_empty) {
            return Err(wrong("a step of its key is empty".to_owned()));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        insert_at_path(options.entry(provider).or_default(), key, value);
    }
    Ok(options)
}

fn insert_at_path(object: &mut Map<String, Value>, key: &str, value: Value) {
    let Some((first, rest)) = key.split_once('.') else {
        object.insert(key.to_owned(), value);
        return;
    };
    let inner = object.entry(first).or_insert_with(|| json!({}));
    if !inner.is_object() {
        *inner = json!({});
    }
    if let Value::Object(inner) = inner {
        insert_at_path(inner, rest, value);
    }
}

/// How long a prompt is to be kept.
pub(super) fn parse_cache_lifetime(word: &str) -> Result<PromptCacheTtl, CommandError> {
    match word {
        "5m" => Ok(PromptCacheTtl::ProviderDefault),
        "1h" => Ok(PromptCacheTtl::OneHour),
        other => Err(CommandError::usage(format!("--cache-prompt={other}: write 5m or 1h"))),
    }
}

fn read_json_file<T: DeserializeOwned>(path: &Path) -> Result<T, CommandError> {
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
