//! `slalom embed`: texts to vectors.

use std::collections::HashMap;
use std::time::Instant;

use super::context::{CommandContext, parse_timeout};
use super::outcome::{CommandError, CommandOutcome, check_printed};
use super::stdin::read_stdin;
use super::{call, start_simulator};
use crate::catalog::ModelMode;
use crate::chat::{EmbeddingPurpose, EmbeddingRequest, FailureClass, FailurePhase, pluralize};
use crate::cli::EmbedArgs;
use crate::config::Config;
use crate::provider::{Environment, Target};
use crate::route::usage_cost;
use crate::view::{Console, embeddings_json, embeddings_lines, embeddings_summary_line};

pub(super) async fn run(context: &CommandContext, args: EmbedArgs) -> Result<CommandOutcome, CommandError> {
    let mut config = context.load_config()?;
    let purpose = match args.purpose.as_str() {
        "similarity" => EmbeddingPurpose::Similarity,
        "query" => EmbeddingPurpose::SearchQuery,
        "document" => EmbeddingPurpose::SearchDocument,
        other => {
            return Err(CommandError::usage(format!("--purpose {other}: there is no such purpose"))
                .with_hint("write similarity, query or document"));
        }
    };
    let limit = parse_timeout(&args.timeout)?;
    if args.dimensions == Some(0) {
        return Err(CommandError::usage("--dimensions must be at least 1"));
    }
    let texts = collect_texts(args.texts, &context.console).await?;
    let name = args.model.trim();
    let _simulator =
        start_simulator::start_if_needed(context, &mut config, &[name.to_owned()], HashMap::new).await?;
    let target = &resolve_embedding_model(&config, &context.environment(), name)?;
    let request = EmbeddingRequest { texts, purpose, dimensions: args.dimensions };
    let begun = Instant::now();
    let done = context.build_router(&config).embed(target, &request, limit).await;
    let found = done.map_err(|why| call::not_started_error(&target.model_ref, why))?;
    let embeddings = found.map_err(|failure| {
        let out_of_time = failure.class == FailureClass::Timeout && failure.phase == FailurePhase::Total;
        let outcome = if out_of_time { CommandOutcome::LimitReached } else { CommandOutcome::NoAnswer };
        let error = CommandError::new(outcome, format!("no vectors from {}: {failure}", target.model_ref));
        match if out_of_time { Some("raise --timeout") } else { call::failure_hint(&failure) } {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    })?;
    let (cost, latency) = (usage_cost(target, &embeddings.usage), begun.elapsed());
    let console = &context.console;
    if args.json {
        let object = embeddings_json(target, &embeddings, cost, latency);
        check_printed(console.print_line(&object), CommandOutcome::Success)?;
    } else {
        check_printed(console.print(&embeddings_lines(&embeddings)), CommandOutcome::Success)?;
    }
    let length = embeddings.embeddings.first().map_or(0, Vec::len) as u64;
    if let Some(asked) = args.dimensions.filter(|asked| *asked != length) {
        console.warn(format_args!(
            "the vectors have {}, not the {asked} asked for",
            pluralize(length, "number")
        ));
    }
    console.note(embeddings_summary_line(target, &embeddings, cost, latency));
    Ok(CommandOutcome::Success)
}

/// A model that makes vectors, by its name.
pub(super) fn resolve_embedding_model(
    config: &Config,
    environment: &dyn Environment,
    name: &str,
) -> Result<Target, CommandError> {
    if name.starts_with("route:") {
        return Err(CommandError::usage("vectors of two models cannot be held against each other")
            .with_hint("name one model, not a route"));
    }
    let subject = config.resolve_subject(name, environment)?;
    let target = match subject.route.candidates.first().map(|candidate| &candidate.target) {
        Some(Ok(target)) => target,
        Some(Err(error)) => return Err(call::no_callable_candidate_error(&subject.route, error)),
        None => return Err(CommandError::usage(format!("{name} is no model"))),
    };
    let answers = target.facts.as_ref().is_some_and(|facts| facts.mode != ModelMode::Embedding);
    let why = if answers && !target.provider.simulated {
        format!("{} answers prompts and makes no vectors", target.model_ref)
    } else if !target.can_embed() {
        format!("{} makes no vectors", target.provider.name)
    } else {
        return Ok(target.clone());
    };
    Err(CommandError::usage(why).with_hint("`slalom models embed` lists models that do"))
}

/// The texts typed, or else the lines piped in.
async fn collect_texts(typed: Vec<String>, console: &Console) -> Result<Vec<String>, CommandError> {
    let none = || {
        CommandError::usage("there is no text").with_hint("write texts after the command, or pipe lines in")
    };
    let mut texts = typed;
    if texts.is_empty() {
        let piped = read_stdin(false, console).await?.ok_or_else(none)?;
        texts = piped.lines().map(str::to_owned).collect();
    }
    match texts.iter().position(|text| text.trim().is_empty()) {
        None if texts.is_empty() => Err(none()),
        None => Ok(texts),
        Some(at) => Err(CommandError::usage(format!("text {} is empty", at + 1))
            .with_hint("providers refuse empty texts; leave it out")),
    }
}
