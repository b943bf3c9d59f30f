//! Parses request options that need a file or their own syntax: tools, schema, messages, provider options.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::outcome::CommandError;
use crate::chat::{Message, Part, PromptCacheTtl, ResponseFormat, Role, Tool, ToolChoice};
use crate::config::{parse_output_schema, parse_tools, read_error_hint};

/// Loads a JSON Schema; its name is the file name without extension.
pub(super) fn load_schema(path: &Path) -> Result<ResponseFormat, CommandError> {
    let schema: Value = read_json_file(path)?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    parse_output_schema(&stem, schema).map_err(|why| {
        CommandError::usage(format!("{} is not a valid JSON Schema: {why}", path.display()))
            .with_hint("see https://json-schema.org for examples")
    })
}

pub(super) fn load_tools(path: &Path) -> Result<Vec<Tool>, CommandError> {
    let tools = parse_tools(read_json_file(path)?).map_err(|(n, why)| {
        let message = format!("{}: tool {}: {why}", path.display(), n + 1);
        CommandError::usage(message)
            .with_hint(r#"use {"name": "…", "description": "…", "parameters": {"type": "object", …}}"#)
    })?;
    if tools.is_empty() {
        return Err(CommandError::usage(format!("no tools in {}", path.display())));
    }
    Ok(tools)
}

pub(super) fn parse_tool_choice(value: &str, tools: &[Tool]) -> Result<ToolChoice, CommandError> {
    Ok(match value {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "required" => ToolChoice::Required,
        name => {
            let known: Vec<&str> =
                tools.iter().filter_map(Tool::as_function).map(|f| f.name.as_str()).collect();
            if !known.contains(&name) {
                let message = format!("unknown tool `{name}` in --tool-choice");
                return Err(CommandError::usage(message)
                    .with_hint(format!("use auto, none, required, or one of {}", known.join(", "))));
            }
            ToolChoice::Named(name.to_owned())
        }
    })
}

pub(super) fn load_messages(path: &Path) -> Result<Vec<Message>, CommandError> {
    let text = read_text_file(path)?;
    let messages: Vec<Message> =
        parse_json(&text, path).map_err(|error| describe_message_error(&text, path).unwrap_or(error))?;
    let has = |m: &Message, call: bool| {
        m.parts.iter().any(|p| matches!((p, call), (Part::ToolCall(_), true) | (Part::ToolResult(_), false)))
    };
    for (n, message) in messages.iter().enumerate() {
        let why = match message.role {
            _ if message.parts.is_empty() => "the message is empty",
            Role::User if has(message, true) => "a user message cannot contain tool calls",
            Role::Assistant if has(message, false) => "tool results belong in a user message",
            _ => continue,
        };
        return Err(CommandError::usage(format!("{}: message {}: {why}", path.display(), n + 1)));
    }
    check_tool_results(&messages).map_err(|(n, why)| {
        CommandError::usage(format!("{}: message {}: {why}", path.display(), n + 1))
            .with_hint("add a tool result with the same ID to the message after each tool call")
    })?;
    Ok(messages)
}

/// Names the first message that is invalid; `None` if the text is not valid JSON.
fn describe_message_error(text: &str, path: &Path) -> Option<CommandError> {
    let path = path.display();
    let Value::Array(items) = serde_json::from_str(text).ok()? else {
        return Some(
            CommandError::usage(format!("{path} is not a list of messages: expected a JSON array"))
                .with_hint(r#"use [{"role": "user", "content": "…"}]"#),
        );
    };
    items.into_iter().enumerate().find_map(|(n, item)| {
        let role = item.get("role").and_then(Value::as_str).map(str::to_owned);
        let error = serde_path_to_error::deserialize::<_, Message>(item).err()?;
        let location = error.path().to_string();
        let why = match (location.as_str(), role) {
            ("role", Some(role)) => {
                let message =
                    format!("{path}: message {}: unknown role `{role}`: expected user or assistant", n + 1);
                let error = CommandError::usage(message);
                let is_system = matches!(role.as_str(), "system" | "developer");
                return Some(if is_system {
                    error.with_hint("pass the system prompt with -s")
                } else {
                    error
                });
            }
            (location, _) => match error.inner().to_string() {
                inner if location == "." || inner.contains(&format!("`{location}`")) => inner,
                inner => format!("`{location}`: {inner}"),
            },
        };
        Some(CommandError::usage(format!("{path}: message {}: {why}", n + 1)))
    })
}

/// Checks the rule of all providers that every tool call has a result in the next message. The error has the
/// index of the message.
fn check_tool_results(messages: &[Message]) -> Result<(), (usize, String)> {
    let mut open: Vec<&str> = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        if message.role == Role::Assistant && !open.is_empty() {
            return Err((n, format!("no result for the preceding tool call `{}`", open[0])));
        }
        for part in &message.parts {
            match part {
                Part::ToolCall(call) if open.contains(&call.id.as_str()) && !call.id.is_empty() => {
                    return Err((n, format!("duplicate tool call ID `{}`", call.id)));
                }
                Part::ToolCall(call) => open.push(&call.id),
                Part::ToolResult(result) => match open.iter().position(|id| *id == result.call_id) {
                    Some(index) => drop(open.remove(index)),
                    None => {
                        return Err((n, format!("tool result for unknown tool call `{}`", result.call_id)));
                    }
                },
                _ => {}
            }
        }
        let user = message.role == Role::User;
        if user && let Some(id) = open.first() {
            return Err((n, format!("no result for the preceding tool call `{id}`")));
        }
    }
    match open.first() {
        Some(id) => Err((messages.len() - 1, format!("no result for tool call `{id}`"))),
        None => Ok(()),
    }
}

/// Top-level fields that `--option` must not set, because slalom does.
const RESERVED_OPTION_KEYS: [&str; 6] =
    ["model", "messages", "input", "contents", "stream", "stream_options"];

/// Parses `PROVIDER.KEY=VALUE`, keyed by canonical provider name. A key may be nested (`a.b`); a value that
/// is not valid JSON is a string.
pub(super) fn parse_provider_options(
    flags: &[String],
    known_provider: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, Map<String, Value>>, CommandError> {
    let mut options: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for text in flags {
        let invalid = |why: String| {
            CommandError::usage(format!("invalid --option `{text}`: {why}"))
                .with_hint("use PROVIDER.KEY=VALUE, for example openai.service_tier=flex")
        };
        let (path, value) = text.split_once('=').ok_or_else(|| invalid("missing `=VALUE`".to_owned()))?;
        let (provider, key) =
            path.split_once('.').ok_or_else(|| invalid("missing `PROVIDER.KEY`".to_owned()))?;
        let provider =
            known_provider(provider).ok_or_else(|| invalid(format!("unknown provider `{provider}`")))?;
        if RESERVED_OPTION_KEYS.contains(&key.split('.').next().unwrap_or_default()) {
            return Err(invalid("this field is set by the prompt, `-m`, or another option".to_owned()));
        }
        if key.split('.').any(str::is_empty) {
            return Err(invalid("empty segment in the key".to_owned()));
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

pub(super) fn parse_cache_lifetime(value: &str) -> Result<PromptCacheTtl, CommandError> {
    match value {
        "5m" => Ok(PromptCacheTtl::ProviderDefault),
        "1h" => Ok(PromptCacheTtl::OneHour),
        other => Err(CommandError::usage(format!("invalid --cache-prompt `{other}`: expected 5m or 1h"))),
    }
}

fn read_json_file<T: DeserializeOwned>(path: &Path) -> Result<T, CommandError> {
    parse_json(&read_text_file(path)?, path)
}

fn read_text_file(path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path).map_err(|error| {
        CommandError::usage(format!("cannot read {}: {error}", path.display()))
            .with_hint(read_error_hint(&error))
    })
}

fn parse_json<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, CommandError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let location = match error.path().to_string() {
            path if path == "." || path == "?" => String::new(),
            path => format!(" at {path}"),
        };
        let why = match error.inner() {
            error if error.is_eof() => format!("unexpected end of file (line {})", error.line()),
            error => error.to_string(),
        };
        CommandError::usage(format!("cannot parse {} as JSON{location}: {why}", path.display()))
    })
}
