//! One call, from a subject to the exit code. `ask` and `route` tell the same story from here on.

use std::sync::Arc;

use tokio::sync::Notify;

use super::context::{Context, time_limit};
use super::money;
use super::outcome::{CommandError, Outcome, printed};
use crate::catalog::Standing;
use crate::chat::{Failure, FailureClass, FinishReason, Phase, Request, Schema};
use crate::cli::PromptArgs;
use crate::config::{Config, Subject};
use crate::eval::{Shape, Structured};
use crate::provider::{ModelRef, TargetError};
use crate::route::{
    CallOptions, CallRecord, Caller, Listener, NoAnswer, Plan, Route, Router, Silent, Skip, Why,
};
use crate::view::{Live, envelope, footer};

/// A call as it was asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) subject: &'a Subject,
    pub(super) request: &'a Request,
    pub(super) args: &'a PromptArgs,
    pub(super) caller: &'a Caller,
}

impl Asked<'_> {
    /// What is to become of it, checked before anything is sent.
    pub(super) fn planned(&self, context: &Context, router: &Router) -> Result<Plan, CommandError> {
        let route = &self.subject.route;
        let plan = router.plan(route, self.request, self.caller);
        check_callable(context, route, &plan, self.args.strict_params)?;
        money::check_priced(&plan, router.purse())?;
        Ok(plan)
    }

    fn options(&self, context: &Context) -> Result<CallOptions, CommandError> {
        Ok(CallOptions {
            id: context.new_id(),
            requested_model: self.subject.name.clone(),
            stream: !self.args.no_stream,
            timeout: self.args.timeout.as_deref().map(time_limit).transpose()?,
            caller: self.caller.clone(),
        })
    }
}

/// Sends a request and shows what comes of it.
pub(super) async fn answer(
    context: &Context,
    config: &Config,
    asked: Asked<'_>,
    stream_shown: bool,
) -> Result<Outcome, CommandError> {
    let purse = money::purse(asked.args.max_cost.as_deref())?;
    let router = context.router(config).paying_from(purse);
    answer_by(context, &router, asked, stream_shown, None).await
}

/// The drills that a call is part of, as they were typed.
#[derive(Clone, Copy)]
pub(super) struct Played<'a>(pub(super) &'a [String]);

impl std::fmt::Display for Played<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "drill: {} (simulated outage)", self.0.join(", "))
    }
}

/// Sends a request through this router and shows what comes of it, and that it was a drill where it was one.
pub(super) async fn answer_by(
    context: &Context,
    router: &Router,
    asked: Asked<'_>,
    stream_shown: bool,
    played: Option<Played<'_>>,
) -> Result<Outcome, CommandError> {
    asked.planned(context, router)?;
    let Asked { subject, request, args, .. } = asked;
    let options = asked.options(context)?;
    let closed = Arc::new(Notify::new());
    let mut live = Live::new(context.console, stream_shown && !args.json, Arc::clone(&closed));
    let record = tokio::select! {
        record = router.call(&subject.route, request, &options, &mut live) => Some(record),
        // Nobody reads on: what is under way is let go.
        () = closed.notified() => None,
    };
    live.end_line();
    if let Some(error) = live.broken() {
        return printed(Err(error), Outcome::Done);
    }
    let Some(record) = record else { return Ok(Outcome::Done) };
    let structured = structured(request, &record);
    show(context, &record, structured.as_ref(), args.json, live.shows(), played)
}

/// A model that cannot be called is an error before anything is sent; in a route it is left out, with a warning.
pub(super) fn check_callable(
    context: &Context,
    route: &Route,
    plan: &Plan,
    strict: bool,
) -> Result<(), CommandError> {
    let lost: Vec<String> = plan
        .adjusted()
        .filter(|(_, adjustment)| strict && adjustment.loses())
        .map(|(model, adjustment)| format!("{model}: {adjustment}"))
        .collect();
    if !lost.is_empty() {
        return Err(CommandError::usage(format!(
            "without --strict-params this would be sent:\n  {}",
            lost.join("\n  ")
        ))
        .hint("leave these out, or leave out --strict-params"));
    }
    let skipped: Vec<_> = plan.skipped().collect();
    let unusable = skipped.iter().find_map(|(_, skip)| match skip {
        Skip::Target(error) => Some(error),
        _ => None,
    });
    if plan.targets().next().is_none()
        && let Some(error) = unusable
    {
        return Err(unusable_error(route, error));
    }
    // Where nobody is left, the end of the call says why.
    let left = plan.targets().next().is_some();
    for (model, skip) in skipped.into_iter().filter(|(_, skip)| left && !skip.is_meant()) {
        context.console.warn(format_args!("{model} is left out: {skip}"));
    }
    if let Some(stranger) = &plan.stranger {
        context.console.warn(format_args!(
            "the conversation's last answer came from {stranger}, which is no candidate of `{}`: another model goes on with it",
            route.name.as_deref().unwrap_or_default()
        ));
    }
    for (model, missing) in &plan.unscored {
        context.console.warn(format_args!("{model} is used, though {missing}; `slalom eval` measures it"));
    }
    let today = context.today();
    for target in plan.targets() {
        let past = target.facts.as_ref().filter(|facts| facts.standing(today) == Standing::Past);
        if let Some(date) = past.and_then(|facts| facts.deprecated.as_deref()) {
            let model = &target.model_ref;
            context.console.warn(format_args!(
                "{model} was announced to end on {date}, so it may refuse; `slalom models {}` shows others",
                model.provider
            ));
        }
    }
    Ok(())
}

const SIMULATOR: &str = "the simulator, which needs no key: slalom ask -m sim-openai/good \"…\"";

pub(super) fn unusable_error(route: &Route, error: &TargetError) -> CommandError {
    let message = match &route.name {
        Some(name) => format!("the route `{name}` has no candidate that can be called: {error}"),
        None => error.to_string(),
    };
    let usage = CommandError::usage(message);
    match error {
        TargetError::NoKey { .. } | TargetError::NoSetting { .. } => {
            let variables: Vec<&str> = route
                .candidates
                .iter()
                .flat_map(|c| match &c.target {
                    Err(TargetError::NoKey { variable, .. }) => std::slice::from_ref(variable),
                    Err(TargetError::NoSetting { variables, .. }) => variables.as_slice(),
                    _ => &[],
                })
                .map(String::as_str)
                .collect();
            let first = match variables.as_slice() {
                [] => "say it in routes.yaml".to_owned(),
                variables => format!("set {}", variables.join(" or ")),
            };
            usage.hint(format!("{first}; or try {SIMULATOR}"))
        }
        TargetError::NoCredentials { .. } => {
            usage.hint(format!("`slalom check` says what was found; or try {SIMULATOR}"))
        }
        TargetError::KeyFile { .. } => {
            usage.hint("put the key alone on one line of that file, or name another under `api_key:`")
        }
        TargetError::BadSetting { .. } => usage.hint("letters, digits and `-` can be part of a URL"),
        TargetError::PlainHttp { .. } => usage.hint("use https, or set `allow_http: true` for that provider"),
        TargetError::Untrusted { .. } => usage.hint("read routes.yaml, then run `slalom check --trust`"),
        TargetError::UserInfo { .. } => {
            usage.hint("name the key's variable under `api_key: {env: …}` instead")
        }
        TargetError::BadUrl { .. } => usage.hint("write a URL that begins with https:// or http://"),
        TargetError::BadKey { .. } => usage.hint("look for line breaks or quotes in the variable"),
    }
}

/// What to do about a route that did not survive a drill.
const UNSURVIVED: &str = "add a candidate of another provider, or look at `deadline`, `timeouts`, `retry` and the `on_…` of \
                          the route: what they let the call go on from, it survives";

fn show(
    context: &Context,
    record: &CallRecord,
    structured: Option<&Structured>,
    json: bool,
    was_shown: bool,
    played: Option<Played<'_>>,
) -> Result<Outcome, CommandError> {
    let console = &context.console;
    let drill = played.map_or(&[][..], |played| played.0);
    let none = match &record.outcome {
        Ok(answer) => {
            if json {
                let envelope = envelope(record, structured, None).of_drill(drill);
                printed(console.out_line(&to_json(&envelope)), Outcome::Done)?;
            } else if !was_shown && !answer.response.text.is_empty() {
                printed(console.out_line(&answer.response.text), Outcome::Done)?;
            }
            if !json {
                for call in &answer.response.tool_calls {
                    printed(console.out_line(&to_json(call)), Outcome::Done)?;
                }
            }
            for path in &answer.response.unexpected {
                console.detail(format_args!("unexpected in the answer: {path}"));
            }
            if let Some(words) = ending(answer.response.finish_reason) {
                console.warn(words);
            }
            let footer = footer(record, answer);
            match played {
                Some(played) => console.note(format_args!("{footer} · {played}")),
                None => console.note(footer),
            }
            return match structured {
                Some(Err(why)) => Err(CommandError::no_answer(
                    Outcome::GateFailed,
                    format!("the answer is not valid under its schema: {why}"),
                )
                .hint("ask again, or name a model that holds to schemas (`slalom models` says which)")),
                _ => Ok(Outcome::Done),
            };
        }
        Err(none) => none,
    };
    let (outcome, hint) = match played {
        // What helps against an outage does not help against one that is only played.
        Some(_) if !matches!(none.why, Why::Over(_)) => (Outcome::GateFailed, Some(UNSURVIVED.to_owned())),
        _ => (outcome_of(record, structured), hint(record, none)),
    };
    if json {
        let envelope = envelope(record, structured, hint.clone()).of_drill(drill);
        printed(console.out_line(&to_json(&envelope)), outcome)?;
    }
    let mut words = no_answer_words(record, none);
    if let Some(played) = played {
        words = format!("{played}: {words}");
    }
    let error = CommandError::no_answer(outcome, words);
    Err(match hint {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What is worth a warning about the way an answer ended.
fn ending(reason: FinishReason) -> Option<&'static str> {
    match reason {
        FinishReason::Length => Some("the answer was cut at its limit of tokens; --max-tokens raises it"),
        FinishReason::ContentFilter => Some("a filter of the provider cut or blocked the answer"),
        FinishReason::Refusal => Some("the model declined"),
        FinishReason::Pause => Some("the provider paused the answer and wants the turn sent back"),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Error | FinishReason::Other => None,
    }
}

/// What happened, attempt by attempt.
fn no_answer_words(record: &CallRecord, none: &NoAnswer) -> String {
    let what = match none.why {
        Why::AllFailed if record.attempts.len() == 1 => "its only attempt failed".to_owned(),
        // Each of those left out says it with its own figures.
        Why::Over(over) if over.daily => "today's budget does not reach for it".to_owned(),
        Why::Over(_) => "--max-cost does not reach for it".to_owned(),
        why => why.words(),
    };
    let mut words = format!("no answer from {}: {what}", record.requested_model);
    for attempt in &record.attempts {
        if let Some(failure) = &attempt.failure {
            words.push_str(&format!(
                "\n  {} after {:.2} s: {failure}",
                attempt.model_ref,
                attempt.duration.as_secs_f64()
            ));
            if let Some(id) = &failure.request_id {
                words.push_str(&format!(" [request {id}]"));
            }
        }
    }
    for (model, skip) in &record.skipped {
        words.push_str(&format!("\n  {model} left out: {skip}"));
    }
    for model in &record.not_tried {
        words.push_str(&format!("\n  {model} not tried"));
    }
    words
}

fn hint(record: &CallRecord, none: &NoAnswer) -> Option<String> {
    if none.why == Why::BrokeOff && !record.not_tried.is_empty() {
        let words = "`on_midstream: restart` begins anew with the next candidate; what is not shown as it arrives \
                     (a pipe without --stream) is never lost";
        return Some(words.to_owned());
    }
    match (hint_of_end(none.why), &none.failure) {
        (Some(words), _) => Some(words.to_owned()),
        (None, Some(failure)) => hint_of(failure).map(str::to_owned),
        (None, None) => None,
    }
}

/// The error of work that limits or the budget did not let begin.
pub(super) fn not_begun(model: &ModelRef, why: Why) -> CommandError {
    let error =
        CommandError::no_answer(outcome_of_end(why), format!("nothing from {model}: {}", why.words()));
    match hint_of_end(why) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// What to do about the way a call ended, whatever its last failure was.
fn hint_of_end(why: Why) -> Option<&'static str> {
    Some(match why {
        Why::Timeout => "raise --timeout",
        Why::Deadline => "raise `deadline` in routes.yaml, or add a faster candidate",
        Why::Limited => {
            "raise `limits`, `deadline` or --timeout, or add a candidate of another provider: a call waits for half of the time that it has"
        }
        Why::NobodyToTry => "`slalom route NAME --dry-run` says of each candidate why it is left out",
        Why::Over(over) if over.daily => {
            "raise `budget: daily_usd` in routes.yaml, or name a cheaper model; the day ends at midnight UTC"
        }
        Why::Over(_) => "raise --max-cost, lower --max-tokens, or name a cheaper model",
        Why::Stopped | Why::AllFailed | Why::BrokeOff => return None,
    })
}

/// What to do about a failure.
pub(super) fn hint_of(failure: &Failure) -> Option<&'static str> {
    Some(match failure.class {
        // It failed before anything was sent: the key could not be got.
        FailureClass::Auth if failure.phase == Phase::Connect => {
            "nothing was sent: run what gives the key by hand; `slalom check` says what that is"
        }
        FailureClass::Auth => {
            "check that the key is right and not expired; `slalom check` says which are set"
        }
        FailureClass::QuotaExhausted => "add credit, or put a candidate of another provider in the route",
        FailureClass::RateLimited => "wait, or put a candidate of another provider in the route",
        FailureClass::ModelUnavailable => "`slalom models` lists the models that are known",
        FailureClass::ContextOverflow => {
            "shorten the prompt, or name a model with a larger window (`slalom models`)"
        }
        FailureClass::Unreachable => "check the network and the provider's base URL",
        FailureClass::Timeout => "raise `timeouts` in routes.yaml, or add another candidate",
        FailureClass::BadRequest => "the provider refuses the request as it is; its words above say why",
        FailureClass::ContentPolicy => {
            "a filter refused the prompt; `on_content_policy: failover` asks the next candidate"
        }
        FailureClass::Malformed | FailureClass::Unknown => {
            "is the base URL the provider's API, and the dialect the right one?"
        }
        FailureClass::ServerError | FailureClass::Truncated | FailureClass::Empty => {
            "a route with a second provider survives this: see routes.yaml"
        }
        FailureClass::Cancelled => return None,
    })
}

/// What came of the shape that was asked for; `None` where none was, or no answer came, or it calls tools instead.
pub(super) fn structured(request: &Request, record: &CallRecord) -> Option<Structured> {
    let Some(Schema::Described(schema)) = &request.schema else { return None };
    let answer = record.outcome.as_ref().ok().filter(|answer| answer.response.tool_calls.is_empty())?;
    Some(Shape::new(&schema.schema).and_then(|shape| shape.read(&answer.response.text)))
}

/// A call whose result alone matters.
pub(super) async fn silent(
    context: &Context,
    router: &Router,
    asked: Asked<'_>,
) -> Result<CallRecord, CommandError> {
    let options = asked.options(context)?;
    Ok(router.call(&asked.subject.route, asked.request, &options, &mut Silent).await)
}

/// How a call ends, as an exit code says it.
pub(super) fn outcome_of(record: &CallRecord, structured: Option<&Structured>) -> Outcome {
    match &record.outcome {
        Ok(_) if matches!(structured, Some(Err(_))) => Outcome::GateFailed,
        Ok(_) => Outcome::Done,
        Err(none) => outcome_of_end(none.why),
    }
}

fn outcome_of_end(why: Why) -> Outcome {
    if matches!(why, Why::Timeout | Why::Over(_)) { Outcome::Limit } else { Outcome::NoAnswer }
}
