//! Builds a request from arguments, files, and stdin.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::outcome::CommandError;
use super::stdin::read_stdin;
use super::{max_cost, request_flags};
use crate::chat::{Message, Part, ReasoningEffort, Request, Role, TokenCount};
use crate::cli::RequestArgs;
use crate::config::{Config, Template, load_attachment};
use crate::route::RoutingHints;
use crate::view::Console;

/// Builds the request. The text is the prompt, then text files, then stdin; images and documents precede it.
/// `config` resolves provider names in options and the sticky variables of `subjects`.
pub(super) async fn build_request(
    prompt_words: &[String],
    args: &RequestArgs,
    config: &Config,
    subjects: &[String],
    console: &Console,
) -> Result<Request, CommandError> {
    let mut variables = parse_variables(&args.variables)?;
    let prompt = prompt_words.join(" ");
    let system = args.system.as_deref().unwrap_or_default();
    // A variable that only sets the sticky key does not have to appear in the prompt.
    let sticky_variables: Vec<&str> =
        subjects.iter().filter_map(|name| config.sticky_variable_of(name)).collect();
    if variables
        .keys()
        .all(|name| sticky_variables.contains(&name.as_str()) && !is_variable_used(&[&prompt, system], name))
    {
        variables.clear();
    }
    check_variables_used(&variables, &sticky_variables, &[&prompt, system])?;
    let render = |text: &str| -> Result<String, CommandError> {
        // Without variables, the prompt is not a template: braces are common in code.
        if variables.is_empty() { Ok(text.to_owned()) } else { Ok(Template::new(text)?.render(&variables)?) }
    };
    let mut texts = Vec::new();
    if !prompt.trim().is_empty() {
        texts.push(render(&prompt)?);
    }
    let mut attached = Vec::new();
    for name in &args.file {
        let hint = "check the path (it is relative to the current folder)";
        match load_attachment(name, |name| Ok(PathBuf::from(name))).map_err(|error| error.or_hint(hint))? {
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
        // No prompt is needed after a user message or after a turn that the provider paused.
        let paused =
            |turn: &Message| turn.parts.iter().any(|part| matches!(part, Part::ProviderSpecific { .. }));
        if messages.last().is_none_or(|turn| turn.role == Role::Assistant && !paused(turn)) {
            return Err(CommandError::usage("missing prompt")
                .with_hint("pass it as an argument, pipe it in, or use -f FILE"));
        }
    } else {
        let mut turn = Message { role: Role::User, parts: attached, model_ref: None };
        turn.parts.extend((!texts.is_empty()).then(|| Part::from_text(texts.join("\n\n"))));
        messages.push(turn);
    }
    let check_range = |value: Option<f64>, max: f64, name: &str| match value {
        Some(number) if !(0.0..=max).contains(&number) => {
            Err(CommandError::usage(format!("invalid --{name} `{number}`: must be between 0 and {max}")))
        }
        value => Ok(value),
    };
    // Only the syntax is checked here; whether the limit is enforceable depends on the model.
    max_cost::parse_max_cost(args.max_cost.as_deref())?;
    if args.max_tokens == Some(0) {
        return Err(CommandError::usage("invalid --max-tokens `0`: must be at least 1"));
    }
    let tools = args.tools.as_deref().map(request_flags::load_tools).transpose()?.unwrap_or_default();
    let tool_choice = args
        .tool_choice
        .as_deref()
        .map(|value| request_flags::parse_tool_choice(value, &tools))
        .transpose()?;
    let effort = args.effort.as_deref().map(parse_effort).transpose();
    Ok(Request {
        system_prompt: args.system.as_deref().map(render).transpose()?,
        messages,
        temperature: check_range(args.temperature, 2.0, "temperature")?,
        top_p: check_range(args.top_p, 1.0, "top-p")?,
        max_output_tokens: args.max_tokens.map(TokenCount::new),
        stop_sequences: args.stop.clone(),
        seed: args.seed,
        tools,
        tool_choice,
        parallel_tool_calls: args.no_parallel_tool_calls.then_some(false),
        response_format: args.schema.as_deref().map(request_flags::load_schema).transpose()?,
        reasoning_effort: effort?,
        prompt_cache: args.cache_prompt.as_deref().map(request_flags::parse_cache_lifetime).transpose()?,
        provider_options: request_flags::parse_provider_options(&args.options, &|name| {
            config.canonical_provider_name(name)
        })?,
    })
}

fn parse_effort(text: &str) -> Result<ReasoningEffort, CommandError> {
    text.parse().map_err(|_| {
        CommandError::usage(format!(
            "invalid --effort `{text}`: expected none, minimal, low, medium, high, xhigh, or max"
        ))
    })
}

/// Takes the sticky key from the variable that a weighted route names in `sticky_by`.
pub(super) fn resolve_caller(
    args: &RequestArgs,
    config: &Config,
    subject: &str,
) -> Result<RoutingHints, CommandError> {
    let Some(name) = config.sticky_variable_of(subject) else { return Ok(RoutingHints::default()) };
    match parse_variables(&args.variables)?.get(name).and_then(Value::as_str) {
        Some(key) if !key.is_empty() => Ok(RoutingHints { label: None, sticky_key: Some(key.to_owned()) }),
        _ => Err(CommandError::usage(format!(
            "missing variable `{name}`: {subject} uses it for sticky routing"
        ))
        .with_hint(format!("set it with -p {name}=VALUE"))),
    }
}

fn is_variable_used(texts: &[&str], name: &str) -> bool {
    let used =
        |text: &&str| Template::new(text).and_then(|template| template.variables()).unwrap_or_default();
    texts.iter().any(|text| used(text).iter().any(|used| used == name))
}

/// Rejects a variable that no text uses, unless it is a sticky variable: it is probably a typo.
fn check_variables_used(
    variables: &Map<String, Value>,
    sticky_variables: &[&str],
    texts: &[&str],
) -> Result<(), CommandError> {
    let mut used = Vec::new();
    for text in texts.iter().filter(|_| !variables.is_empty()) {
        used.extend(Template::new(text)?.variables()?);
    }
    match variables.keys().find(|name| !used.contains(name) && !sticky_variables.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) if !is_template_name(name) => {
            Err(CommandError::usage(format!("invalid variable name `{name}`"))
                .with_hint("use letters, digits, and `_`, and do not start with a digit"))
        }
        Some(name) => Err(CommandError::usage(format!("unused variable `{name}`"))
            .with_hint(format!("add {{{{ {name} }}}} to the prompt, or remove the variable"))),
    }
}

/// Whether a template can contain the name.
fn is_template_name(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_numeric())
}

fn parse_variables(flags: &[String]) -> Result<Map<String, Value>, CommandError> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), Value::String(value.to_owned())))
        }
        _ => Err(CommandError::usage(format!("invalid variable `{text}`")).with_hint("use -p NAME=VALUE")),
    };
    flags.iter().map(pair).collect()
}
