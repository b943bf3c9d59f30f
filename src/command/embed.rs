//! `slalom embed`: texts to vectors.

use std::collections::HashMap;
use std::time::Instant;

use super::context::{Context, time_limit};
use super::outcome::{CommandError, Outcome, printed};
use super::stdin::standard_input;
use super::{call, simulator};
use crate::catalog::Mode;
use crate::chat::{EmbeddingRequest, FailureClass, Phase, Purpose, counted};
use crate::cli::EmbedArgs;
use crate::config::Config;
use crate::provider::{Environment, Target};
use crate::route::cost_of;
use crate::view::{Console, embeddings_footer, embeddings_json, embeddings_lines};

pub(super) async fn embed(context: &Context, args: EmbedArgs) -> Result<Outcome, CommandError> {
    let mut config = context.load_config()?;
    let purpose = match args.purpose.as_str() {
        "similarity" => Purpose::Similarity,
        "query" => Purpose::Query,
        "document" => Purpose::Document,
        other => {
            return Err(CommandError::usage(format!("--purpose {other}: there is no such purpose"))
                .hint("write similarity, query or document"));
        }
    };
    let limit = time_limit(&args.timeout)?;
    if args.dimensions == Some(0) {
        return Err(CommandError::usage("--dimensions must be at least 1"));
    }
    let texts = texts(args.texts, &context.console).await?;
    let name = args.model.trim();
    let _simulator =
        simulator::start_if_named(context, &mut config, &[name.to_owned()], HashMap::new).await?;
    let target = &embedder(&config, &context.environment(), name)?;
    let request = EmbeddingRequest { texts, purpose, dimensions: args.dimensions };
    let begun = Instant::now();
    let done = context.router(&config).embed(target, &request, limit).await;
    let found = done.map_err(|why| call::not_begun(&target.model_ref, why))?;
    let embeddings = found.map_err(|failure| {
        let out_of_time = failure.class == FailureClass::Timeout && failure.phase == Phase::Total;
        let outcome = if out_of_time { Outcome::Limit } else { Outcome::NoAnswer };
        let error =
            CommandError::no_answer(outcome, format!("no vectors from {}: {failure}", target.model_ref));
        match if out_of_time { Some("raise --timeout") } else { call::hint_of(&failure) } {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })?;
    let (cost, latency) = (cost_of(target, &embeddings.usage), begun.elapsed());
    let console = &context.console;
    if args.json {
        let object = embeddings_json(target, &embeddings, cost, latency);
        printed(console.out_line(&object), Outcome::Done)?;
    } else {
        printed(console.out(&embeddings_lines(&embeddings)), Outcome::Done)?;
    }
    let length = embeddings.vectors.first().map_or(0, Vec::len) as u64;
    if let Some(asked) = args.dimensions.filter(|asked| *asked != length) {
        console
            .warn(format_args!("the vectors have {}, not the {asked} asked for", counted(length, "number")));
    }
    console.note(embeddings_footer(target, &embeddings, cost, latency));
    Ok(Outcome::Done)
}

/// A model that makes vectors, by its name.
pub(super) fn embedder(
    config: &Config,
    environment: &dyn Environment,
    name: &str,
) -> Result<Target, CommandError> {
    if name.starts_with("route:") {
        return Err(CommandError::usage("vectors of two models cannot be held against each other")
            .hint("name one model, not a route"));
    }
    let subject = config.subject(name, environment)?;
    let target = match subject.route.candidates.first().map(|candidate| &candidate.target) {
        Some(Ok(target)) => target,
        Some(Err(error)) => return Err(call::unusable_error(&subject.route, error)),
        None => return Err(CommandError::usage(format!("{name} is no model"))),
    };
    let answers = target.facts.as_ref().is_some_and(|facts| facts.mode != Mode::Embedding);
    let why = if answers && !target.provider.simulated {
        format!("{} answers prompts and makes no vectors", target.model_ref)
    } else if !target.embeds() {
        format!("{} makes no vectors", target.provider.name)
    } else {
        return Ok(target.clone());
    };
    Err(CommandError::usage(why).hint("`slalom models embed` lists models that do"))
}

/// The texts typed, or else the lines piped in.
async fn texts(typed: Vec<String>, console: &Console) -> Result<Vec<String>, CommandError> {
    let none =
        || CommandError::usage("there is no text").hint("write texts after the command, or pipe lines in");
    let mut texts = typed;
    if texts.is_empty() {
        let piped = standard_input(false, console).await?.ok_or_else(none)?;
        texts = piped.lines().map(str::to_owned).collect();
    }
    match texts.iter().position(|text| text.trim().is_empty()) {
        None if texts.is_empty() => Err(none()),
        None => Ok(texts),
        Some(at) => Err(CommandError::usage(format!("text {} is empty", at + 1))
            .hint("providers refuse empty texts; leave it out")),
    }
}
