//! From what was typed, piped in and named to a request.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::outcome::CommandError;
use super::stdin::read_stdin;
use super::{max_cost, request_flags};
use crate::chat::{Message, Part, ReasoningEffort, Request, Role};
use crate::cli::RequestArgs;
use crate::config::{Config, Template, load_attachment};
use crate::route::RoutingHints;
use crate::view::Console;

/// Builds the request. The prompt's words come first, then files, then what is piped in; pictures and documents stand
/// before them all. `config` knows the providers that options may be for, and the subjects.
pub(super) async fn build_request(
    words: &[String],
    args: &RequestArgs,
    config: &Config,
    subjects: &[String],
    console: &Console,
) -> Result<Request, CommandError> {
    let mut variables = parse_variables(&args.variables)?;
    let typed = words.join(" ");
    let system = args.system.as_deref().unwrap_or_default();
    // What only says who is asking need not stand in a prompt.
    let keys: Vec<&str> = subjects.iter().filter_map(|name| config.sticky_variable_of(name)).collect();
    if variables
        .keys()
        .all(|name| keys.contains(&name.as_str()) && !is_variable_used(&[&typed, system], name))
    {
        variables.clear();
    }
    check_variables_used(&variables, &keys, &[&typed, system])?;
    let fill = |text: &str| -> Result<String, CommandError> {
        // Without variables a prompt is taken as it stands: braces are common in code.
        if variables.is_empty() { Ok(text.to_owned()) } else { Ok(Template::new(text)?.render(&variables)?) }
    };
    let mut texts = Vec::new();
    if !typed.trim().is_empty() {
        texts.push(fill(&typed)?);
    }
    let mut attached = Vec::new();
    for name in &args.file {
        match load_attachment(name, |name| Ok(PathBuf::from(name)))? {
            Part::Text { text } => texts.push(text),
            other => attached.push(other),
        }
    }
    if !args.no_stdin
        && let Some(input) = read_stdin(!texts.is_empty(), console).await?
        && !input.trim().is_empty()
    {
        texts.push(input.trim_end_matches('\n').to_owned());
    }
    let mut messages =
        args.messages.as_deref().map(request_flags::load_messages).transpose()?.unwrap_or_default();
    if texts.is_empty() && attached.is_empty() {
        // A conversation whose last word is the user's needs no prompt after it.
        // So does a turn that its provider paused in the middle of its own work.
        let paused =
            |turn: &Message| turn.parts.iter().any(|part| matches!(part, Part::ProviderSpecific { .. }));
        if messages.last().is_none_or(|turn| turn.role == Role::Assistant && !paused(turn)) {
            return Err(CommandError::usage("there is no prompt")
                .with_hint("write it after the command, pipe it in, or name a file with -f"));
        }
    } else {
        let mut turn = Message { role: Role::User, parts: attached, model_ref: None };
        turn.parts.extend((!texts.is_empty()).then(|| Part::from_text(texts.join("\n\n"))));
        messages.push(turn);
    }
    let within = |value: Option<f64>, most: f64, name: &str| match value {
        Some(number) if !(0.0..=most).contains(&number) => {
            Err(CommandError::usage(format!("--{name} must be between 0 and {most}, not {number}")))
        }
        value => Ok(value),
    };
    // Whether it can be held is looked at once a model is known; here, whether it is a sum at all.
    max_cost::parse_max_cost(args.max_cost.as_deref())?;
    if args.max_tokens == Some(0) {
        return Err(CommandError::usage("--max-tokens must be at least 1"));
    }
    let tools = args.tools.as_deref().map(request_flags::load_tools).transpose()?.unwrap_or_default();
    let tool_choice =
        args.tool_choice.as_deref().map(|word| request_flags::parse_tool_choice(word, &tools)).transpose()?;
    let effort = args.effort.as_deref().map(str::parse::<ReasoningEffort>).transpose();
    Ok(Request {
        system_prompt: args.system.as_deref().map(fill).transpose()?,
        messages,
        temperature: within(args.temperature, 2.0, "temperature")?,
        top_p: within(args.top_p, 1.0, "top-p")?,
        max_output_tokens: args.max_tokens,
        stop_sequences: args.stop.clone(),
        seed: args.seed,
        tools,
        tool_choice,
        parallel_tool_calls: args.no_parallel_tool_calls.then_some(false),
        response_format: args.schema.as_deref().map(request_flags::load_schema).transpose()?,
        reasoning_effort: effort.map_err(|error| CommandError::usage(error.to_string()))?,
        prompt_cache: args.cache_prompt.as_deref().map(request_flags::parse_cache_lifetime).transpose()?,
        provider_options: request_flags::parse_provider_options(&args.options, &|name| {
            config.canonical_provider_name(name)
        })?,
    })
}

/// Who is asking, for routes that hang on it: the value of the variable that a weighted route goes by.
pub(super) fn resolve_caller(
    args: &RequestArgs,
    config: &Config,
    subject: &str,
) -> Result<RoutingHints, CommandError> {
    let Some(name) = config.sticky_variable_of(subject) else { return Ok(RoutingHints::default()) };
    match parse_variables(&args.variables)?.get(name).and_then(Value::as_str) {
        Some(key) if !key.is_empty() => Ok(RoutingHints { label: None, sticky_key: Some(key.to_owned()) }),
        _ => Err(CommandError::usage(format!("{subject} goes by the variable `{name}`, which is not set"))
            .with_hint(format!("say who is asking: -p {name}=…"))),
    }
}

/// Whether a template among the texts uses a variable.
fn is_variable_used(texts: &[&str], name: &str) -> bool {
    let used =
        |text: &&str| Template::new(text).and_then(|template| template.variables()).unwrap_or_default();
    texts.iter().any(|text| used(text).iter().any(|used| used == name))
}

/// A variable that no text uses is a slip of the pen, unless a route goes by it.
fn check_variables_used(
    variables: &Map<String, Value>,
    keys: &[&str],
    texts: &[&str],
) -> Result<(), CommandError> {
    let mut used = Vec::new();
    for text in texts.iter().filter(|_| !variables.is_empty()) {
        used.extend(Template::new(text)?.variables()?);
    }
    match variables.keys().find(|name| !used.contains(name) && !keys.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(CommandError::usage(format!("nothing uses the variable `{name}`"))
            .with_hint(format!("write {{{{ {name} }}}} where its value belongs"))),
    }
}

fn parse_variables(written: &[String]) -> Result<Map<String, Value>, CommandError> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), Value::String(value.to_owned())))
        }
        _ => Err(CommandError::usage(format!("`{text}` sets no variable")).with_hint("write -p NAME=VALUE")),
    };
    written.iter().map(pair).collect()
}
