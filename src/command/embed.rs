//! `slalom embed`: texts to vectors.

use std::collections::HashMap;
use std::time::Instant;

use super::context::{Context, time_limit};
use super::outcome::{CommandError, Outcome, printed};
use super::stdin::standard_input;
use super::{call, simulator};
use crate::catalog::Mode;
use crate::chat::{EmbeddingRequest, Embeddings, FailureClass, Phase, Purpose, Request};
use crate::cli::EmbedArgs;
use crate::provider::{Http, embed as vectors_of};
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
    if name.starts_with("route:") {
        return Err(CommandError::usage("vectors of two models cannot be held against each other")
            .hint("name one model, not a route"));
    }
    let _simulator =
        simulator::start_if_named(context, &mut config, &[name.to_owned()], HashMap::new).await?;
    let subject = config.subject(name, &context.environment())?;
    let target = match &subject.route.candidates[0].target {
        Ok(target)
            if target
                .facts
                .as_ref()
                .is_some_and(|facts| facts.mode != Mode::Embedding && !target.provider.simulated) =>
        {
            return Err(CommandError::usage(format!(
                "{} answers prompts and makes no vectors",
                target.model_ref
            ))
            .hint("`slalom models embed` lists models that do"));
        }
        Ok(target) if target.embeds() => target,
        Ok(target) => {
            return Err(CommandError::usage(format!("{} makes no vectors", target.provider.name))
                .hint("`slalom models embed` lists models that do"));
        }
        Err(error) => return Err(call::unusable_error(&subject.route, error)),
    };
    // For limits and the budget it is a prompt that nothing comes out of.
    let amount = Request { max_tokens: Some(0), ..Request::prompt(texts.concat()) };
    let request = EmbeddingRequest { texts, purpose, dimensions: args.dimensions };
    let begun = Instant::now();
    let transport = Http::new(config.connect_timeout);
    let work = vectors_of(&transport, target, &request, limit);
    let bill = |made: &Embeddings| (made.usage, cost_of(target, &made.usage));
    let done = context.router(&config).apart(target, &amount, limit, work, bill).await;
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
        console.warn(format_args!("the vectors have {length} numbers, not the {asked} asked for"));
    }
    console.note(embeddings_footer(target, &embeddings, cost, latency));
    Ok(Outcome::Done)
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
