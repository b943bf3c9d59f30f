//! `slalom embed`: turns texts into embeddings.

use std::collections::HashMap;
use std::io;
use std::time::Instant;

use super::call_error::CallSubject;
use super::context::{CommandContext, parse_timeout};
use super::observer::CommandObserver;
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::stdin::read_stdin;
use super::{call_error, start_simulator};
use crate::catalog::ModelMode;
use crate::chat::{EmbeddingPurpose, EmbeddingRequest, FailureClass, FailurePhase, pluralize};
use crate::cli::EmbedArgs;
use crate::config::Config;
use crate::provider::{Environment, Target};
use crate::route::{CallOptions, usage_cost};
use crate::view::{Console, embeddings_json, embeddings_lines, embeddings_summary_line};

pub(super) async fn run(context: &CommandContext, args: EmbedArgs) -> Result<CommandOutcome, CommandError> {
    let mut config = context.load_config()?;
    let purpose = match args.purpose.as_str() {
        "similarity" => EmbeddingPurpose::Similarity,
        "query" => EmbeddingPurpose::SearchQuery,
        "document" => EmbeddingPurpose::SearchDocument,
        other => {
            return Err(CommandError::usage(format!(
                "invalid --purpose `{other}`: expected similarity, query, or document"
            )));
        }
    };
    let time_limit = parse_timeout(&args.timeout)?;
    if args.dimensions == Some(0) {
        return Err(CommandError::usage("invalid --dimensions `0`: must be at least 1"));
    }
    let texts = collect_texts(args.texts, &context.console).await?;
    let name = args.model.trim();
    let _simulator =
        start_simulator::start_if_needed(context, &mut config, &[name.to_owned()], HashMap::new).await?;
    let target = &resolve_embedding_model(&config, &context.environment(), name)?;
    let request = EmbeddingRequest { texts, purpose, dimensions: args.dimensions };
    let start = Instant::now();
    let options = CallOptions { timeout: Some(time_limit), ..CallOptions::default() };
    let observer = CommandObserver::new(context, &config);
    let result = context.build_router(&config).embed(target, &request, &options, &mut &observer).await;
    let response = result.map_err(|reason| call_error::not_started_error(&target.model_ref, reason))?;
    let embeddings = response.map_err(|failure| {
        let timed_out = failure.class == FailureClass::Timeout && failure.phase == FailurePhase::Total;
        let outcome = if timed_out { CommandOutcome::LimitReached } else { CommandOutcome::NoAnswer };
        let error = CommandError::new(outcome, format!("no embeddings from {}: {failure}", target.model_ref));
        match if timed_out {
            Some("raise --timeout".to_owned())
        } else {
            call_error::failure_hint(&failure, CallSubject::EmbeddingModel)
        } {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    })?;
    let (cost, latency) = (usage_cost(target, &embeddings.usage), start.elapsed());
    let console = &context.console;
    if args.json {
        let object = embeddings_json(target, &embeddings, cost, latency);
        let printed = object.map_err(io::Error::from).and_then(|object| console.print_line(&object));
        check_printed(printed, CommandOutcome::Success)?;
    } else {
        let lines = embeddings_lines(&embeddings);
        let printed = lines.map_err(io::Error::from).and_then(|lines| console.print(&lines));
        check_printed(printed, CommandOutcome::Success)?;
    }
    let dimensions = embeddings.embeddings.first().map_or(0, Vec::len) as u64;
    if let Some(requested) = args.dimensions.filter(|requested| *requested != dimensions) {
        console.warn(format_args!(
            "the embeddings have {}, not the requested {requested}",
            pluralize(dimensions, "dimension")
        ));
    }
    console.note(embeddings_summary_line(target, &embeddings, cost, latency));
    Ok(CommandOutcome::Success)
}

/// Resolves the name of an embedding model.
pub(super) fn resolve_embedding_model(
    config: &Config,
    environment: &dyn Environment,
    name: &str,
) -> Result<Target, CommandError> {
    if name.starts_with("route:") {
        return Err(CommandError::usage("embeddings from different models cannot be compared")
            .with_hint("use a single model, not a route"));
    }
    let subject = config.resolve_subject(name, environment)?;
    let target = match subject.route.candidates.first().map(|candidate| &candidate.target) {
        Some(Ok(target)) => target,
        Some(Err(error)) => return Err(call_error::no_callable_candidate_error(&subject.route, error)),
        None => return Err(CommandError::usage(format!("unknown model `{name}`"))),
    };
    let is_text_model = target.facts.as_ref().is_some_and(|facts| facts.mode != ModelMode::Embedding);
    let message = if is_text_model && !target.provider.simulated {
        format!("{} is not an embedding model", target.model_ref)
    } else if !target.can_embed() {
        format!("{} does not offer embeddings", target.provider.name)
    } else {
        return Ok(target.clone());
    };
    Err(CommandError::usage(message).with_hint("run `slalom models embed` to list embedding models"))
}

/// Takes the texts from the arguments, or one per line from stdin.
async fn collect_texts(arguments: Vec<String>, console: &Console) -> Result<Vec<String>, CommandError> {
    let missing_text =
        || CommandError::usage("missing text").with_hint("pass texts as arguments, or pipe in one per line");
    let mut texts = arguments;
    if texts.is_empty() {
        let piped = read_stdin(false, console).await?.ok_or_else(missing_text)?;
        texts = piped.lines().map(str::to_owned).collect();
    }
    match texts.iter().position(|text| text.trim().is_empty()) {
        None if texts.is_empty() => Err(missing_text()),
        None => Ok(texts),
        Some(index) => Err(CommandError::usage(format!("text {} is empty", index + 1))
            .with_hint("remove it: providers reject empty texts")),
    }
}
